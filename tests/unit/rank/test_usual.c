/* test_usual.c -- the usual shop: what is in it, when it is due, how long it is; and what is
 * new. */
#include "support/ranked_shop.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* ---- the usual shop ---- */

static void the_usual_shop_is_as_long_as_the_receipts_and_knows_quantities(void **state)
{
    (void)state;
    struct shop shop;
    shop_open(&shop, BK_SCORER_COUNT);
    for (int week = 0; week < 6; week++) {
        shop_buy(&shop, "ada", week % 2 ? "milk*3 bread" : "milk*3 bread jam");
        shop.now += 7 * TOLD_DAY;
    }
    shop_buy(&shop, "bob", "soap rice tea");
    shop_ask(&shop, "ada", BK_CONTEXT_USUAL);
    assert_int_equal(shop.list.situation, BK_SITUATION_USUAL);
    assert_in_range(shop.list.count, 2, 3);
    assert_non_null(shop_listed(&shop, "milk"));
    assert_non_null(shop_listed(&shop, "bread"));
    assert_null(shop_listed(&shop, "soap")); /* never bought by ada */
    assert_int_equal(shop_listed(&shop, "milk")->quantity, 3);
    assert_int_equal(shop_listed(&shop, "bread")->quantity, 1);
    assert_int_equal(shop_listed(&shop, "milk")->due, BK_DUE_NOW);
    told_now(&shop.engine, tell_cart("ada", BK_CART_ADD, "milk", shop.now));
    shop_ask(&shop, "ada", BK_CONTEXT_CHECKOUT); /* what of it the cart forgot */
    assert_null(shop_listed(&shop, "milk"));
    assert_int_equal(shop_listed(&shop, "bread")->quantity, 1);
    assert_int_equal(shop_listed(&shop, "bread")->due, BK_DUE_NOW);
    shop_ask(&shop, "ada", BK_CONTEXT_USUAL); /* the whole basket, whatever the cart holds */
    assert_non_null(shop_listed(&shop, "milk"));
    shop_close(&shop);
}

static void what_is_due_is_told_by_the_customers_own_rhythm(void **state)
{
    (void)state;
    struct shop shop;
    shop_open(&shop, BK_SCORER_COUNT);
    for (int day = 0; day < 60; day++) {
        if (day % 3 == 0) shop_buy(&shop, "ada", day % 30 == 0 ? "milk lamp" : "milk");
        shop.now += TOLD_DAY;
    }
    uint32_t subject = told_subject(&shop.engine, 0, "ada");
    const struct bk_shard *shard = shop.engine.shards[0];
    const struct bk_bought *milk = bk_map_find(&shard->heap, bk_subject(shard, subject)->history,
                                               told_item(&shop.engine, "milk"));
    assert_int_equal(milk->count, 20);
    uint32_t due = bk_bought_due_x16(&shop.engine.shared, milk, (uint32_t)(shop.now / 1000));
    assert_in_range(due, 14, 17); /* three days after the last, three days between */
    assert_in_range(bk_item_gap_s(&shop.engine.shared, milk->item), 3 * 86400, 6 * 86400);
    float rate[BK_RHYTHM_STEPS];
    bk_rhythm(&shop.engine.shared, rate);
    uint64_t came = 0, expected_q16 = 0;
    for (int i = 0; i < BK_RHYTHM_STEPS; i++) {
        came += bk_totals(&shop.engine.shared)->rhythm_came[i];
        expected_q16 += bk_totals(&shop.engine.shared)->rhythm_expected_q16[i];
    }
    assert_int_equal(came, 4); /* milk at receipts 5, 9, 13, 17: three purchases known before */
    assert_true(expected_q16 > 3 * 65536 && expected_q16 <= 4 * 65536);
    uint32_t step = bk_rhythm_step(due);
    double usual = 4.0 / ((double)expected_q16 / 65536.0);
    double expected =
        ((double)bk_totals(&shop.engine.shared)->rhythm_came[step] / usual + 50) /
        ((double)bk_totals(&shop.engine.shared)->rhythm_expected_q16[step] / 65536.0 + 50);
    assert_true(rate[step] > (float)expected - 1e-4f && rate[step] < (float)expected + 1e-4f);
    shop_close(&shop);
}

static void nobody_has_no_usual_shop(void **state)
{
    (void)state;
    struct shop shop;
    shop_open(&shop, BK_SCORER_COUNT);
    shop_buy(&shop, "ada", "milk bread");
    shop_ask(&shop, "ada", BK_CONTEXT_USUAL);
    assert_int_equal(shop.list.count, 0); /* once is no habit */
    shop_buy(&shop, "ada", "milk tea");
    shop_ask(&shop, "ada", BK_CONTEXT_USUAL);
    assert_int_equal(shop.list.count, 2);
    assert_int_equal(shop_listed(&shop, "milk")->due, BK_DUE_LATER);
    assert_string_equal(bk_due_word(BK_DUE_UNKNOWN), "");
    bk_rank(shop.ranker, shop.engine.shards[0], 0, BK_CONTEXT_USUAL, shop.now, 20, &shop.list);
    assert_int_equal(shop.list.count, 0);
    shop_close(&shop);
}

/* ---- when ---- */

/* Milk is bought every `gap_ms`, so often. */
static void buy_milk(struct shop *shop, uint32_t times, int64_t gap_ms)
{
    for (uint32_t i = 0; i < times; i++) {
        int64_t at = shop->now;
        shop_buy(shop, "ada", i ? "milk" : "milk once");
        shop->now = at + gap_ms;
    }
    shop->now += 1000 - gap_ms; /* the moment of the last */
}

static enum bk_due due_after(int64_t since_ms)
{
    struct shop shop;
    shop_open(&shop, BK_SCORER_COUNT);
    buy_milk(&shop, 3, 16 * TOLD_HOUR);
    shop.now += since_ms;
    shop_ask(&shop, "ada", BK_CONTEXT_USUAL);
    enum bk_due due = (enum bk_due)shop_listed(&shop, "milk")->due;
    shop_close(&shop);
    return due;
}

static void due_is_told_in_sixteenths_of_the_usual_time(void **state)
{
    (void)state;
    assert_int_equal(due_after(8 * TOLD_HOUR - 1000), BK_DUE_LATER);
    assert_int_equal(due_after(8 * TOLD_HOUR), BK_DUE_SOON);
    assert_int_equal(due_after(14 * TOLD_HOUR - 1000), BK_DUE_SOON);
    assert_int_equal(due_after(14 * TOLD_HOUR), BK_DUE_NOW);
    assert_int_equal(due_after(24 * TOLD_HOUR - 1000), BK_DUE_NOW);
    assert_int_equal(due_after(24 * TOLD_HOUR), BK_DUE_OVER);
}

static void what_was_bought_once_is_not_said_to_be_due(void **state)
{
    (void)state;
    struct shop shop;
    shop_open(&shop, BK_SCORER_COUNT);
    shop_buy(&shop, "ada", "milk once");
    shop_buy(&shop, "ada", "milk bread");
    shop.now += 7 * TOLD_DAY;
    told_now(&shop.engine, tell_cart("ada", BK_CART_SET, "milk", shop.now));
    shop_ask(&shop, "ada", BK_CONTEXT_CHECKOUT);
    assert_int_equal(shop_listed(&shop, "once")->due, BK_DUE_UNKNOWN);
    assert_int_equal(shop_listed(&shop, "once")->quantity, 1);
    shop_close(&shop);
}

/* Monday after Monday; what is due is asked so many days after the last one. */
static enum bk_due due_of_mondays(uint32_t mondays, bool a_tuesday, uint32_t days_later)
{
    struct shop shop;
    shop_open(&shop, BK_SCORER_COUNT);
    shop.now += 4 * TOLD_DAY; /* tests begin on a Thursday */
    buy_milk(&shop, mondays, 7 * TOLD_DAY);
    if (a_tuesday) {
        shop.now += TOLD_DAY;
        shop_buy(&shop, "ada", "jam");
        shop.now -= TOLD_DAY;
    }
    shop.now += days_later * (int64_t)TOLD_DAY;
    told_now(&shop.engine, tell_cart("ada", BK_CART_CLEAR, "", shop.now));
    shop_ask(&shop, "ada", BK_CONTEXT_CHECKOUT);
    enum bk_due due = (enum bk_due)shop_listed(&shop, "milk")->due;
    shop_close(&shop);
    return due;
}

static void what_is_due_is_counted_to_the_next_day_on_which_they_shop(void **state)
{
    (void)state;
    assert_int_equal(due_of_mondays(7, false, 4), BK_DUE_SOON); /* seven receipts say no day */
    assert_int_equal(due_of_mondays(8, false, 4), BK_DUE_NOW);
    assert_int_equal(due_of_mondays(8, false, 7), BK_DUE_NOW); /* today is one */
    assert_int_equal(due_of_mondays(8, true, 1), BK_DUE_NOW);  /* one Tuesday is no habit */
    struct shop shop;
    shop_open(&shop, BK_SCORER_COUNT);
    buy_milk(&shop, 14, TOLD_DAY); /* who shops every day shops today */
    shop.now += 9 * TOLD_HOUR;
    shop_ask(&shop, "ada", BK_CONTEXT_USUAL);
    assert_int_equal(shop_listed(&shop, "milk")->due, BK_DUE_LATER);
    shop_close(&shop);
}

/* Forty customers who take milk on one day and bread on the other: what is half way does not
 * come. */
static void the_usual_shop_is_home_at_rest_moved_by_rhythm_the_more_the_oftener_bought(void **state)
{
    (void)state;
    struct shop shop;
    struct bk_why why[BK_SCORER_COUNT];
    float rate[BK_RHYTHM_STEPS];
    shop_open(&shop, BK_SCORER_COUNT);
    for (int day = 0; day < 20; day++, shop.now += TOLD_DAY)
        for (uint32_t i = 0; i < 40; i++)
            shop_buy(&shop, told_name("u", i), day % 2 ? "bread" : "milk");
    for (int day = 0; day < 5; day++, shop.now += TOLD_DAY)
        shop_buy(&shop, "ada", day % 2 ? "bread" : "milk");
    bk_rhythm(&shop.engine.shared, rate);
    assert_true(rate[bk_rhythm_step(16)] > 1.1f && rate[bk_rhythm_step(8)] < 0.9f);
    const struct bk_shard *shard = shop.engine.shards[0];
    uint32_t ada = told_subject(&shop.engine, 0, "ada");
    for (int i = 0; i < 2; i++) {
        uint32_t item = told_item(&shop.engine, i ? "bread" : "milk");
        const struct bk_bought *bought =
            bk_map_find(&shard->heap, bk_subject(shard, ada)->history, item);
        shop_ask(&shop, "ada", BK_CONTEXT_HOME);
        assert_int_equal(shop.list.situation, BK_SITUATION_HOME_REST);
        double rest = (double)shop_listed(&shop, i ? "bread" : "milk")->score, sum = 0;
        uint32_t step = bk_rhythm_step(
            bk_bought_due_x16(&shop.engine.shared, bought, (uint32_t)(shop.now / 1000)));
        double sure = bought->count / (bought->count + 2.0);
        double expected = rest * (1 + ((double)rate[step] - 1) * sure);
        assert_null(bk_rank_why(shop.ranker, shard, ada, BK_CONTEXT_USUAL, shop.now, item, why,
                                &shop.list));
        for (int scorer = 0; scorer < BK_SCORER_COUNT; scorer++) sum += (double)why[scorer].part;
        assert_true(fabs(sum - expected) < 1e-4 * expected);
        for (uint32_t place = 0; place < shop.list.count; place++)
            if (shop.list.item[place].item == item)
                assert_true(fabs((double)shop.list.item[place].score - expected) < 1e-4 * expected);
    }
    assert_int_equal(shop.list.count, 1);
    shop_close(&shop);
}

/* ---- how long ---- */

static void what_was_never_bought_is_no_part_of_it_even_where_places_are_left(void **state)
{
    (void)state;
    struct shop shop;
    shop_open(&shop, BK_SCORER_COUNT);
    for (uint32_t i = 0; i < 30; i++) shop_buy(&shop, told_name("u", i), "soap");
    for (int week = 0; week < 3; week++) shop_buy(&shop, "ada", "milk bread jam");
    told_now(&shop.engine, tell_lines(tell(BK_EVENT_ITEM_DISMISSED, "ada", shop.now), "jam"));
    shop_ask(&shop, "ada", BK_CONTEXT_USUAL);
    assert_int_equal(shop.list.count, 2);
    assert_null(shop_listed(&shop, "soap"));
    assert_null(shop_listed(&shop, "jam"));
    shop_close(&shop);
}

/* The words "<prefix>0 <prefix>1 ...". */
static const char *many(const char *prefix, uint32_t count)
{
    static char words[1024];
    int len = 0;
    for (uint32_t i = 0; i < count; i++)
        len += snprintf(words + len, sizeof words - (size_t)len, "%s%s%u", i ? " " : "", prefix, i);
    return words;
}

static void its_length_is_rounded_and_bounded(void **state)
{
    (void)state;
    struct shop shop;
    shop_open(&shop, BK_SCORER_COUNT);
    shop_buy(&shop, "ada", many("i", 2));
    shop_buy(&shop, "ada", many("i", 4)); /* a quarter of the way: two and a half */
    shop_ask(&shop, "ada", BK_CONTEXT_USUAL);
    assert_int_equal(shop.list.count, 3);
    for (int i = 0; i < 2; i++) shop_buy(&shop, "bob", many("i", BK_BASKET_MAX + 20));
    shop_ask(&shop, "bob", BK_CONTEXT_USUAL);
    assert_int_equal(shop.list.count, BK_BASKET_MAX);
    shop_close(&shop);
}

/* ---- new ---- */

static void a_product_is_in_lists_one_event_after_it_was_first_seen(void **state)
{
    (void)state;
    struct shop shop;
    shop_open(&shop, BK_SCORER_COUNT);
    shop_buy(&shop, "ada", "bread milk");
    told_now(&shop.engine, tell_view("bob", "bread", shop.now += 1000));
    told_now(&shop.engine, tell_view("bob", "novelty", shop.now += 1000));
    shop_ask(&shop, "ada", BK_CONTEXT_HOME);
    assert_non_null(shop_listed(&shop, "novelty"));
    told_now(&shop.engine, tell_view("cyd", "bread", shop.now += 1000));
    shop_ask(&shop, "cyd", BK_CONTEXT_HOME); /* by who saw the same */
    assert_int_not_equal(shop_listed(&shop, "novelty")->tags & ~(1u << BK_SCORER_POPULAR), 0);
    shop_close(&shop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_usual_shop_is_as_long_as_the_receipts_and_knows_quantities),
        cmocka_unit_test(what_is_due_is_told_by_the_customers_own_rhythm),
        cmocka_unit_test(nobody_has_no_usual_shop),
        cmocka_unit_test(due_is_told_in_sixteenths_of_the_usual_time),
        cmocka_unit_test(what_was_bought_once_is_not_said_to_be_due),
        cmocka_unit_test(what_is_due_is_counted_to_the_next_day_on_which_they_shop),
        cmocka_unit_test(
            the_usual_shop_is_home_at_rest_moved_by_rhythm_the_more_the_oftener_bought),
        cmocka_unit_test(what_was_never_bought_is_no_part_of_it_even_where_places_are_left),
        cmocka_unit_test(its_length_is_rounded_and_bounded),
        cmocka_unit_test(a_product_is_in_lists_one_event_after_it_was_first_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
