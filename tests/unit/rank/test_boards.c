/* test_boards.c -- what is rising, by hand; and who has a place on a board. */
#include "support/ranked_shop.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* Whole receipts of one line: 16 points each. */
static void sell(struct shop *shop, const char *item, uint32_t times)
{
    for (uint32_t i = 0; i < times; i++) shop_buy(shop, told_name("u", i), item);
}

static struct bk_boards *round_of(struct shop *shop)
{
    struct bk_boards *boards = bk_ranker_boards(shop->ranker);
    bk_boards_begin(boards, shop->now);
    while (!bk_boards_look(boards, 2)) continue; /* a slice at a time */
    return boards;
}

static void ask_board(struct shop *shop, uint32_t board)
{
    bk_boards_list(round_of(shop), board, BK_LIST_MAX, &shop->list);
}

static void expect(const struct shop *shop, const char *item, double recent, double expected)
{
    const struct bk_list_item *there = shop_listed(shop, item);
    double rise = (recent - expected) / sqrt(expected + 16);
    assert_non_null(there);
    if (fabs((double)there->score - rise) > 1e-4 * rise)
        fail_msg("%s rises %.6f, not %.6f", item, (double)there->score, rise);
    assert_int_equal(there->evidence, (uint32_t)recent);
}

/* The shop opened long ago: 16 epochs of a day can be told apart. */
static void open_on_day(struct shop *shop, int64_t day)
{
    shop_open(shop, BK_SCORER_COUNT);
    shop->now += day * TOLD_DAY;
}

static void rise_is_what_came_against_what_everybodys_acts_made_one_expect(void **state)
{
    (void)state;
    struct shop shop;
    open_on_day(&shop, 20);
    sell(&shop, "staple", 40);
    sell(&shop, "candle", 4);
    shop.now += 10 * TOLD_DAY;
    sell(&shop, "candle", 6); /* yesterday counts as today does */
    shop.now += TOLD_DAY;
    sell(&shop, "staple", 24);
    sell(&shop, "candle", 2);
    sell(&shop, "wreath", 1);
    ask_board(&shop, 0);
    double growth = 33.0 / 44;
    assert_true(shop.list.trending);
    assert_null(shop_listed(&shop, "staple")); /* more than any other, and less than it was */
    expect(&shop, "candle", 8 * 16, growth * 4 * 16);
    expect(&shop, "wreath", 16, 0);
    assert_int_equal(shop_place_of(&shop, "candle"), 0);
    shop_close(&shop);
}

static void what_sells_as_everything_does_is_not_rising(void **state)
{
    (void)state;
    struct shop shop;
    open_on_day(&shop, 20);
    sell(&shop, "milk", 8);
    shop.now += 5 * TOLD_DAY;
    sell(&shop, "milk", 4);
    ask_board(&shop, 0);
    assert_int_equal(shop.list.count, 0);
    shop_close(&shop);
}

static void in_a_shop_without_a_past_all_that_is_sold_is_rising(void **state)
{
    (void)state;
    struct shop shop;
    open_on_day(&shop, 20);
    sell(&shop, "milk", 8);
    sell(&shop, "bread", 2);
    ask_board(&shop, 0);
    expect(&shop, "milk", 8 * 16, 0);
    expect(&shop, "bread", 2 * 16, 0);
    shop_close(&shop);
}

static void what_was_sold_sixteen_epochs_ago_is_not_of_today(void **state)
{
    (void)state;
    struct shop shop;
    open_on_day(&shop, 20);
    sell(&shop, "turkey", 9);
    shop.now += 15 * TOLD_DAY;
    sell(&shop, "turkey", 1);
    shop.now += TOLD_DAY; /* the epoch of the nine is where today's would be */
    sell(&shop, "other", 1);
    ask_board(&shop, 0);
    expect(&shop, "turkey", 16, 0);
    shop_close(&shop);
}

static void of_two_that_rise_alike_the_smaller_id_leads(void **state)
{
    (void)state;
    struct shop shop;
    open_on_day(&shop, 20);
    sell(&shop, "b", 3);
    sell(&shop, "c", 3);
    sell(&shop, "a", 3);
    ask_board(&shop, 0);
    assert_int_equal(shop_place_of(&shop, "a"), 0);
    assert_int_equal(shop_place_of(&shop, "b"), 1);
    assert_int_equal(shop_place_of(&shop, "c"), 2);
    shop_close(&shop);
}

/* ---- boards ---- */

static void a_full_board_has_a_place_for_what_rises_most_and_a_new_round_begins_anew(void **state)
{
    (void)state;
    struct shop shop;
    open_on_day(&shop, 20);
    for (uint32_t i = 0; i < 60; i++) sell(&shop, told_name("i", i), 1);
    sell(&shop, "hit", 2); /* the last of all items */
    for (int round = 0; round < 2; round++) {
        ask_board(&shop, 0);
        assert_int_equal(shop.list.count, BK_LIST_MAX);
        assert_int_equal(shop_place_of(&shop, "hit"), 0);
        for (uint32_t i = 1; i < shop.list.count; i++) /* nothing twice */
            assert_int_not_equal(shop.list.item[i].item, shop.list.item[i - 1].item);
    }
    shop_close(&shop);
}

static void a_category_has_a_board_of_its_own(void **state)
{
    (void)state;
    struct shop shop;
    bk_str_t name;
    open_on_day(&shop, 20);
    shop_product(&shop, "bread", "Bakery > Bread", "", "");
    shop_product(&shop, "stollen", "Bakery > Seasonal", "", "");
    shop_product(&shop, "milk", "Dairy", "", "");
    for (int day = 0; day < 12; day++, shop.now += TOLD_DAY) sell(&shop, "bread milk", 10);
    shop.now -= TOLD_DAY;
    sell(&shop, "stollen", 6);
    ask_board(&shop, 0);
    assert_int_equal(shop_place_of(&shop, "stollen"), 0);
    struct bk_boards *boards = round_of(&shop);
    bool bakery = false;
    for (uint32_t i = 1; i < bk_boards_count(boards); i++) {
        assert_int_not_equal(bk_boards_category(boards, i, &name), 0);
        if (!bk_str_eq(name, BK_STR("Bakery"))) continue;
        bakery = true;
        bk_boards_list(boards, i, BK_LIST_MAX, &shop.list);
        assert_non_null(shop_listed(&shop, "stollen"));
        assert_null(shop_listed(&shop, "milk"));
    }
    assert_true(bakery);
    assert_int_equal(bk_boards_category(boards, 0, &name), 0);
    assert_int_equal(name.len, 0);
    shop_close(&shop);
}

static void there_are_as_many_boards_as_there_is_room_for(void **state)
{
    (void)state;
    struct shop shop;
    open_on_day(&shop, 20);
    for (uint32_t i = 0; i < BK_BOARD_CATEGORIES_MAX + 9u; i++) {
        shop_product(&shop, told_name("i", i), told_name("Shelf ", i), "", "");
        sell(&shop, told_name("i", i), 1);
    }
    struct bk_boards *boards = round_of(&shop);
    assert_int_equal(bk_boards_count(boards), 1 + BK_BOARD_CATEGORIES_MAX);
    for (uint32_t i = 1; i < bk_boards_count(boards); i++) { /* each its own, those of the first */
        bk_boards_list(boards, i, BK_LIST_MAX, &shop.list);
        assert_int_equal(shop.list.count, 1);
        assert_int_equal(shop.list.item[0].item, i);
    }
    shop_close(&shop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rise_is_what_came_against_what_everybodys_acts_made_one_expect),
        cmocka_unit_test(what_sells_as_everything_does_is_not_rising),
        cmocka_unit_test(in_a_shop_without_a_past_all_that_is_sold_is_rising),
        cmocka_unit_test(what_was_sold_sixteen_epochs_ago_is_not_of_today),
        cmocka_unit_test(of_two_that_rise_alike_the_smaller_id_leads),
        cmocka_unit_test(a_full_board_has_a_place_for_what_rises_most_and_a_new_round_begins_anew),
        cmocka_unit_test(a_category_has_a_board_of_its_own),
        cmocka_unit_test(there_are_as_many_boards_as_there_is_room_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
