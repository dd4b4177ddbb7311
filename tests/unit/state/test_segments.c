/* test_segments.c -- what is bought where: points by epoch, bounds, and whose word makes a
 * segment. */
#include "support/events.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct bk_engine engine;
static uint32_t orders;

static void open_with(struct bk_state_params params)
{
    told_engine(&engine, &params);
}

static struct told in_store(struct told told, const char *store)
{
    told.event.store = bk_str_c(store);
    return told;
}

static void buy_in(const char *store, const char *customer, const char *items, int64_t time_ms)
{
    told_now(&engine,
             in_store(tell_purchase(customer, told_name("o", orders++), items, time_ms), store));
}

static uint32_t known(void)
{
    return bk_totals(&engine.shared)->segment_count;
}

static const struct bk_pair *sold(uint32_t segment, const char *item)
{
    return bk_map_find(&engine.shared.heap, bk_segment(&engine.shared, segment)->row,
                       told_item(&engine, item));
}

static uint64_t lossy(void)
{
    uint64_t count;
    bk_shared_digest(&engine.shared, &count);
    return count;
}

/* ---- epochs ---- */

static void a_segment_knows_two_epochs_of_receipts_wherever_they_come(void **state)
{
    (void)state;
    int64_t week = 7 * (int64_t)TOLD_DAY, t = TOLD_START + 10 * week;
    open_with(told_params());
    buy_in("s", "ada", "milk", t);
    buy_in("s", "ada", "milk", t + week);
    buy_in("s", "ada", "milk", t + week);
    buy_in("s", "bob", "milk", t);            /* late by one epoch */
    buy_in("s", "cyd", "milk", t - 2 * week); /* too late to tell */
    const struct bk_segment *segment = bk_segment(&engine.shared, 1);
    assert_int_equal(segment->now, 2 * BK_POINTS_RECEIPT);
    assert_int_equal(segment->before, 2 * BK_POINTS_RECEIPT);
    buy_in("s", "dan", "milk", t + 9 * week); /* nobody came for long */
    segment = bk_segment(&engine.shared, 1);
    assert_int_equal(segment->now, BK_POINTS_RECEIPT);
    assert_int_equal(segment->before, 0);
    bk_engine_deinit(&engine);
}

static void points_halve_with_every_epoch(void **state)
{
    (void)state;
    assert_true(bk_points_lately(7, 16, 8, 7) == 16 + 8 / 2.0f);
    assert_true(bk_points_lately(7, 16, 8, 8) == 10.0f);
    assert_true(bk_points_lately(7, 16, 8, 10) == 2.5f);
    assert_true(bk_points_lately(7, 16, 8, 6) == 20.0f); /* asked as of before: no more than now */
    assert_true(bk_points_lately(7, 16, 8, 7 + 24) == 0.0f);
    assert_true(bk_points_lately(65535, 16, 8, 0) == 10.0f); /* epochs count modulo 2^16 */
}

/* ---- bounds ---- */

static void a_segments_row_holds_as_many_items_as_any_row(void **state)
{
    (void)state;
    struct bk_state_params params = told_params();
    params.pair_partners_max = 4;
    open_with(params);
    for (uint32_t i = 0; i < 4; i++) buy_in("s", "ada", told_name("i", i), TOLD_START + i);
    assert_int_equal(lossy(), 0);
    buy_in("s", "ada", "i9", TOLD_START + 9);
    assert_int_equal(bk_map_count(&engine.shared.heap, bk_segment(&engine.shared, 1)->row), 4);
    assert_int_equal(lossy(), 1);
    bk_engine_deinit(&engine);
}

static void of_a_long_receipt_the_first_lines_count(void **state)
{
    (void)state;
    struct bk_state_params params = told_params();
    params.receipt_lines_max = 2;
    open_with(params);
    buy_in("s", "ada", "a b c", TOLD_START);
    assert_non_null(sold(1, "a"));
    assert_non_null(sold(1, "b"));
    assert_null(sold(1, "c"));
    bk_engine_deinit(&engine);
}

/* ---- names ---- */

static void a_purchase_makes_a_segment_and_a_word_in_a_view_does_not(void **state)
{
    (void)state;
    open_with(told_params());
    told_now(&engine, in_store(tell_view("ada", "milk", TOLD_START), "one"));
    assert_int_equal(known(), 0);
    struct told told = in_store(tell_purchase("ada", "o", "milk", TOLD_START), "one");
    told.event.device = BK_STR("one"); /* a device's name is no store's */
    told_now(&engine, told);
    assert_int_equal(known(), 2);
    assert_true(bk_str_eq(bk_segment_id(&engine.shared, 1), BK_STR("device=one")));
    assert_true(bk_str_eq(bk_segment_id(&engine.shared, 2), BK_STR("store=one")));
    bk_engine_deinit(&engine);
}

static void a_name_too_long_makes_no_segment(void **state)
{
    (void)state;
    open_with(told_params());
    char longest[BK_SEGMENT_ID_BYTES_MAX - 6 + 2] = {0};
    memset(longest, 's', sizeof longest - 1);
    buy_in(longest, "ada", "milk", TOLD_START);
    assert_int_equal(known(), 0);
    buy_in(longest + 1, "ada", "milk", TOLD_START + 1);
    assert_int_equal(known(), 1);
    assert_int_equal(bk_segment_id(&engine.shared, 1).len, BK_SEGMENT_ID_BYTES_MAX);
    bk_engine_deinit(&engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_segment_knows_two_epochs_of_receipts_wherever_they_come),
        cmocka_unit_test(points_halve_with_every_epoch),
        cmocka_unit_test(a_segments_row_holds_as_many_items_as_any_row),
        cmocka_unit_test(of_a_long_receipt_the_first_lines_count),
        cmocka_unit_test(a_purchase_makes_a_segment_and_a_word_in_a_view_does_not),
        cmocka_unit_test(a_name_too_long_makes_no_segment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
