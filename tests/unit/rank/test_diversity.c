/* test_diversity.c -- no list of one thing: what an item loses for what it has in common with those
 * before it, and where variants may stand. */
#include "support/ranked_shop.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void buy_often(struct shop *shop, const char *items, uint32_t times)
{
    for (uint32_t i = 0; i < times; i++) shop_buy(shop, told_name("u", i), items);
}

static double score_of(const struct shop *shop, const char *item)
{
    assert_non_null(shop_listed(shop, item));
    return (double)shop_listed(shop, item)->score;
}

static void near(double value, double expected)
{
    if (fabs(value - expected) > 1e-5) fail_msg("%.6f, not %.6f", value, expected);
}

/* ---- likeness ---- */

/* What is left of the score of an item that stands behind one of "Dairy > Cheese" by Alm. */
static double left_of(const char *category, const char *brand)
{
    struct shop shop;
    shop_open(&shop, BK_SCORER_POPULAR);
    shop_product(&shop, "first", "Dairy > Cheese", "Alm", "");
    shop_product(&shop, "other", category, brand, "");
    buy_often(&shop, "first", 9);
    buy_often(&shop, "other", 2);
    shop_weigh(&shop, "home_rest.diversity=0");
    shop_ask(&shop, NULL, BK_CONTEXT_HOME);
    double whole = score_of(&shop, "other");
    shop_weigh(&shop, "home_rest.diversity=0.5");
    shop_ask(&shop, NULL, BK_CONTEXT_HOME);
    assert_int_equal(shop_place_of(&shop, "first"), 0);
    double left = score_of(&shop, "other") / whole;
    shop_close(&shop);
    return left;
}

static void an_item_loses_by_shelf_or_category_and_by_brand(void **state)
{
    (void)state;
    near(left_of("Dairy > Cheese", "Alm"), 1 - .5 * (.7 + .3));
    near(left_of("Dairy > Cheese", "Au"), 1 - .5 * .7);
    near(left_of("Dairy > Yoghurt", "Alm"), 1 - .5 * (.2 + .3));
    near(left_of("Dairy > Yoghurt", ""), 1 - .5 * .2);
    near(left_of("Bakery", "Alm"), 1 - .5 * .3);
    near(left_of("Bakery", "Au"), 1);
    near(left_of("", ""), 1);
}

static void items_of_which_nothing_is_known_are_not_alike(void **state)
{
    (void)state;
    struct shop shop;
    shop_open(&shop, BK_SCORER_POPULAR);
    shop_product(&shop, "tea", "Drinks", "", ""); /* of something, something is known */
    buy_often(&shop, "a", 4);
    buy_often(&shop, "b", 2);
    shop_weigh(&shop, "home_rest.diversity=1");
    shop_ask(&shop, NULL, BK_CONTEXT_HOME);
    near(score_of(&shop, "a") / score_of(&shop, "b"), 2);
    shop_close(&shop);
}

static void diversity_brings_forward_what_is_unlike(void **state)
{
    (void)state;
    struct shop shop;
    struct bk_reason reason = {""};
    struct bk_weights weights;
    bk_weights_default(&weights);
    assert_int_equal(bk_weights_parse(&weights, "home_rest.diversity=2", &reason), BK_EINVAL);
    shop_open(&shop, BK_SCORER_COUNT);
    shop_weigh(&shop, "home_rest.diversity=0.5");
    shop_product(&shop, "gouda", "Dairy > Cheese", "", "");
    shop_product(&shop, "brie", "Dairy > Cheese", "", "");
    shop_product(&shop, "bread", "Bakery", "", "");
    buy_often(&shop, "gouda", 10);
    buy_often(&shop, "brie", 9);
    buy_often(&shop, "bread", 8);
    shop_ask(&shop, NULL, BK_CONTEXT_HOME);
    assert_int_equal(shop_place_of(&shop, "gouda"), 0);
    assert_int_equal(shop_place_of(&shop, "bread"), 1);
    assert_int_equal(shop_place_of(&shop, "brie"), 2);
    near(score_of(&shop, "brie") / score_of(&shop, "gouda"),
         .9 * (1 - .5 * .7)); /* two before it */
    shop_close(&shop);
}

static void of_equals_the_better_known_order_stays(void **state)
{
    (void)state;
    struct shop shop;
    shop_open(&shop, BK_SCORER_POPULAR);
    shop_product(&shop, "tea", "Drinks", "", "");
    buy_often(&shop, "c b a", 3);
    shop_weigh(&shop, "home_rest.diversity=0.5");
    shop_ask(&shop, NULL, BK_CONTEXT_HOME);
    assert_int_equal(shop_place_of(&shop, "a"), 0); /* by id, as without diversity */
    assert_int_equal(shop_place_of(&shop, "b"), 1);
    assert_int_equal(shop_place_of(&shop, "c"), 2);
    shop_close(&shop);
}

/* Lists that are nobody's own have 0.4, an item's companions what its situation has. */
static void whose_list_it_is_decides_how_unlike_its_items_are(void **state)
{
    (void)state;
    struct shop shop;
    shop_open(&shop, BK_SCORER_COUNT);
    shop_product(&shop, "gouda", "Dairy > Cheese", "", "");
    shop_product(&shop, "brie", "Dairy > Cheese", "", "");
    buy_often(&shop, "hub gouda brie", 3);
    const char *const weights[] = {"product.diversity=0", "product.diversity=0.1"};
    double popular[2], companion[2];
    for (int i = 0; i < 2; i++) {
        shop_weigh(&shop, weights[i]);
        bk_rank_popular(shop.ranker, shop.now, 20, &shop.list);
        popular[i] = score_of(&shop, "gouda") / score_of(&shop, "brie");
        bk_rank_item(shop.ranker, told_item(&shop.engine, "hub"), BK_PAIR_BOUGHT, shop.now, 1, 20,
                     &shop.list);
        companion[i] = score_of(&shop, "gouda") / score_of(&shop, "brie");
    }
    for (int i = 0; i < 2; i++) near(popular[i], 1 - .4 * .7);
    near(companion[0], 1);
    near(companion[1], 1 - .1 * .7);
    shop_close(&shop);
}

/* ---- variants ---- */

static void never_two_variants_in_a_row_and_never_three(void **state)
{
    (void)state;
    struct shop shop;
    shop_open(&shop, BK_SCORER_COUNT);
    for (uint32_t i = 0; i < 4; i++)
        shop_product(&shop, told_name("yoghurt", i), "Dairy > Yoghurt", "Alm", "yoghurt");
    buy_often(&shop, "yoghurt0 yoghurt1 yoghurt2 yoghurt3", 9);
    buy_often(&shop, "bread milk tea", 5);
    shop_ask(&shop, NULL, BK_CONTEXT_HOME);
    uint32_t variants = 0;
    bool last = false;
    assert_int_equal(shop.list.count, 5);
    for (uint32_t i = 0; i < shop.list.count; i++) {
        bool variant = bk_item(&shop.engine.shared, shop.list.item[i].item)->variant != 0;
        assert_false(variant && last);
        assert_true(i == 0 || shop.list.item[i].score <= shop.list.item[i - 1].score);
        variants += variant;
        last = variant;
    }
    assert_int_equal(variants, 2);
    assert_true(bk_item(&shop.engine.shared, shop.list.item[0].item)->variant != 0);
    shop_close(&shop);
}

static void who_finds_no_place_but_beside_its_like_is_left_out(void **state)
{
    (void)state;
    struct shop shop;
    shop_open(&shop, BK_SCORER_COUNT);
    shop_weigh(&shop, "home_rest.diversity=0"); /* a rule, whatever diversity is */
    for (uint32_t i = 0; i < 2; i++)
        shop_product(&shop, told_name("yoghurt", i), "Dairy", "", "yoghurt");
    buy_often(&shop, "yoghurt0 yoghurt1", 3);
    shop_ask(&shop, NULL, BK_CONTEXT_HOME);
    assert_int_equal(shop.list.count, 1);
    shop_close(&shop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_item_loses_by_shelf_or_category_and_by_brand),
        cmocka_unit_test(items_of_which_nothing_is_known_are_not_alike),
        cmocka_unit_test(diversity_brings_forward_what_is_unlike),
        cmocka_unit_test(of_equals_the_better_known_order_stays),
        cmocka_unit_test(whose_list_it_is_decides_how_unlike_its_items_are),
        cmocka_unit_test(never_two_variants_in_a_row_and_never_three),
        cmocka_unit_test(who_finds_no_place_but_beside_its_like_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
