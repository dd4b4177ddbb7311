/* test_rhythm.c -- what a customer's own past says of when, how much and on which day they buy. */
#include "support/events.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct bk_engine engine;
static uint32_t orders;

static void open_shop(void)
{
    struct bk_state_params params = told_params();
    told_engine(&engine, &params);
}

static void buy(const char *customer, const char *items, int64_t time_ms)
{
    told_now(&engine, tell_purchase(customer, told_name("o", orders++), items, time_ms));
}

static const struct bk_subject *subject(const char *customer)
{
    return bk_subject(engine.shards[0], told_subject(&engine, 0, customer));
}

static const struct bk_bought *bought(const char *customer, const char *item)
{
    return bk_map_find(&engine.shards[0]->heap, subject(customer)->history,
                       told_item(&engine, item));
}

static uint64_t expected_ever(void)
{
    uint64_t sum = 0;
    for (int i = 0; i < BK_RHYTHM_STEPS; i++)
        sum += bk_totals(&engine.shared)->rhythm_expected_q16[i];
    return sum;
}

static void a_step_begins_where_the_one_before_ends(void **state)
{
    (void)state;
    assert_int_equal(bk_rhythm_step(0), 0);
    assert_int_equal(bk_rhythm_step(1), 0);
    assert_int_equal(bk_rhythm_step(2), 1);
    assert_int_equal(bk_rhythm_step(13), 5);
    assert_int_equal(bk_rhythm_step(14), 6);
    assert_int_equal(bk_rhythm_step(95), 10);
    assert_int_equal(bk_rhythm_step(96), 11);
    assert_int_equal(bk_rhythm_step(UINT32_MAX), BK_RHYTHM_STEPS - 1);
}

static void what_was_bought_ages_ago_is_given_up_and_not_just_bought(void **state)
{
    (void)state;
    open_shop();
    for (int second = 0; second < 3; second++) buy("ada", "milk", TOLD_START + second * 1000);
    uint32_t now_s = (uint32_t)(TOLD_START / 1000) + 2 + (1u << 28); /* 2^32 sixteenths of it */
    uint32_t due = bk_bought_due_x16(&engine.shared, bought("ada", "milk"), now_s);
    assert_int_equal(bk_rhythm_step(due), BK_RHYTHM_STEPS - 1);
    bk_engine_deinit(&engine);
}

/* A till that sends a day's receipts with one time. */
static void receipts_of_one_moment_teach_no_rhythm(void **state)
{
    (void)state;
    open_shop();
    for (int i = 0; i < 9; i++) buy("ada", "milk", TOLD_START);
    assert_int_equal(expected_ever(), 0);
    for (int i = 1; i < 9; i++) buy("ada", "milk", TOLD_START + i * TOLD_DAY);
    assert_true(expected_ever() > 0);
    bk_engine_deinit(&engine);
}

static void what_a_customer_usually_takes_is_rounded(void **state)
{
    (void)state;
    open_shop();
    buy("ada", "milk*3 egg*2 salt", TOLD_START);
    buy("ada", "milk*4 egg*3 salt*0", TOLD_START + TOLD_DAY);
    buy("ada", "milk*4 egg*2 salt", TOLD_START + 2 * TOLD_DAY);
    assert_int_equal(bk_bought_usually(bought("ada", "milk")), 4);
    assert_int_equal(bk_bought_usually(bought("ada", "egg")), 2);
    assert_int_equal(bk_bought_usually(bought("ada", "salt")), 1);
    bk_engine_deinit(&engine);
}

static void weekdays_begin_on_monday_and_never_wrap(void **state)
{
    (void)state;
    open_shop();
    buy("ada", "milk", TOLD_START); /* a Thursday */
    assert_int_equal(subject("ada")->weekday[3], 1);
    for (uint32_t i = 0; i < 2; i++) buy("ada", "milk", TOLD_START + 4 * TOLD_DAY); /* Monday */
    for (uint32_t i = 1; i < 255; i++) buy("ada", "milk", TOLD_START);
    assert_int_equal(subject("ada")->weekday[3], 255);
    assert_int_equal(subject("ada")->weekday[0], 2);
    buy("ada", "milk", TOLD_START);
    assert_int_equal(subject("ada")->weekday[3], 128); /* all halved, then one more */
    assert_int_equal(subject("ada")->weekday[0], 1);
    bk_engine_deinit(&engine);
}

static void how_long_receipts_are_moves_by_a_quarter_from_the_first_one(void **state)
{
    (void)state;
    open_shop();
    buy("ada", "a b c d", TOLD_START);
    assert_int_equal(subject("ada")->lines_x16, 4 * 16);
    buy("ada", "a", TOLD_START + 1);
    assert_int_equal(subject("ada")->lines_x16, 4 * 16 - 3 * 4);
    bk_engine_deinit(&engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_begins_where_the_one_before_ends),
        cmocka_unit_test(what_was_bought_ages_ago_is_given_up_and_not_just_bought),
        cmocka_unit_test(receipts_of_one_moment_teach_no_rhythm),
        cmocka_unit_test(what_a_customer_usually_takes_is_rounded),
        cmocka_unit_test(weekdays_begin_on_monday_and_never_wrap),
        cmocka_unit_test(how_long_receipts_are_moves_by_a_quarter_from_the_first_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
