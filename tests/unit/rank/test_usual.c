/* test_usual.c -- the usual shop, where shoppers are, what is rising, and lists of more than one
 * thing. */
#include "basketry/rank.h"
#include "support/events.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct shop {
    struct bk_engine engine;
    struct bk_ranker *ranker;
    struct bk_list list;
    int64_t now;
};

static void shop_open(struct shop *shop)
{
    struct bk_state_params params = told_params();
    struct bk_weights weights;
    bk_weights_default(&weights);
    told_engine(&shop->engine, &params);
    assert_non_null(bk_engine_shard(&shop->engine, 0));
    shop->ranker = bk_ranker_create(&shop->engine, &weights);
    assert_non_null(shop->ranker);
    shop->now = TOLD_START;
}

static void shop_close(struct shop *shop)
{
    bk_ranker_destroy(&shop->ranker);
    bk_engine_deinit(&shop->engine);
}

static void buy_in(struct shop *shop, const char *customer, const char *items, const char *store)
{
    static uint32_t orders;
    struct told told = tell_purchase(customer, told_name("o", orders++), items, shop->now += 1000);
    if (store) told.event.store = bk_str_c(store);
    told_now(&shop->engine, told);
}

static void buy(struct shop *shop, const char *customer, const char *items)
{
    buy_in(shop, customer, items, NULL);
}

static void ask(struct shop *shop, const char *customer, enum bk_context context)
{
    bk_rank(shop->ranker, shop->engine.shards[0], told_subject(&shop->engine, 0, customer), context,
            shop->now, BK_LIST_MAX, &shop->list);
}

static const struct bk_list_item *listed(const struct shop *shop, const char *item)
{
    uint32_t handle = told_item(&shop->engine, item);
    for (uint32_t i = 0; i < shop->list.count; i++)
        if (shop->list.item[i].item == handle) return &shop->list.item[i];
    return NULL;
}

static void product(struct shop *shop, const char *item, const char *category, const char *brand,
                    const char *variant)
{
    struct bk_line line;
    struct bk_event event = {.lines = &line};
    bk_event_reset(&event);
    bk_line_reset(&line);
    event.kind = BK_EVENT_PRODUCT;
    event.line_count = 1;
    line.item = bk_str_c(item);
    line.category = bk_str_c(category);
    event.brand = bk_str_c(brand);
    event.variant_group = bk_str_c(variant);
    bk_apply_product(&shop->engine, bk_str_c(item), &event);
}

/* ---- the usual shop ---- */

static void the_usual_shop_is_as_long_as_the_receipts_and_knows_quantities(void **state)
{
    (void)state;
    struct shop shop;
    shop_open(&shop);
    for (int week = 0; week < 6; week++) {
        buy(&shop, "ada", week % 2 ? "milk*3 bread" : "milk*3 bread jam");
        shop.now += 7 * TOLD_DAY;
    }
    buy(&shop, "bob", "soap rice tea");
    ask(&shop, "ada", BK_CONTEXT_USUAL);
    assert_int_equal(shop.list.situation, BK_SITUATION_USUAL);
    assert_in_range(shop.list.count, 2, 3);
    assert_non_null(listed(&shop, "milk"));
    assert_non_null(listed(&shop, "bread"));
    assert_null(listed(&shop, "soap")); /* never bought by ada */
    assert_int_equal(listed(&shop, "milk")->quantity, 3);
    assert_int_equal(listed(&shop, "bread")->quantity, 1);
    assert_int_equal(listed(&shop, "milk")->due, BK_DUE_NOW);
    told_now(&shop.engine, tell_cart("ada", BK_CART_ADD, "milk", shop.now));
    ask(&shop, "ada", BK_CONTEXT_CHECKOUT); /* what of it the cart forgot */
    assert_null(listed(&shop, "milk"));
    assert_int_equal(listed(&shop, "bread")->quantity, 1);
    assert_int_equal(listed(&shop, "bread")->due, BK_DUE_NOW);
    ask(&shop, "ada", BK_CONTEXT_USUAL); /* the whole basket, whatever the cart holds */
    assert_non_null(listed(&shop, "milk"));
    shop_close(&shop);
}

static void what_is_due_is_told_by_the_customers_own_rhythm(void **state)
{
    (void)state;
    struct shop shop;
    shop_open(&shop);
    for (int day = 0; day < 60; day++) {
        if (day % 3 == 0) buy(&shop, "ada", day % 30 == 0 ? "milk lamp" : "milk");
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
    shop_open(&shop);
    buy(&shop, "ada", "milk bread");
    ask(&shop, "ada", BK_CONTEXT_USUAL);
    assert_int_equal(shop.list.count, 0); /* once is no habit */
    buy(&shop, "ada", "milk tea");
    ask(&shop, "ada", BK_CONTEXT_USUAL);
    assert_int_equal(shop.list.count, 2);
    assert_int_equal(listed(&shop, "milk")->due, BK_DUE_LATER);
    assert_string_equal(bk_due_word(BK_DUE_UNKNOWN), "");
    bk_rank(shop.ranker, shop.engine.shards[0], 0, BK_CONTEXT_USUAL, shop.now, 20, &shop.list);
    assert_int_equal(shop.list.count, 0);
    shop_close(&shop);
}

/* ---- where shoppers are ---- */

static void a_new_customer_gets_what_is_popular_where_they_shop(void **state)
{
    (void)state;
    struct shop shop;
    shop_open(&shop);
    for (uint32_t i = 0; i < 120; i++) buy_in(&shop, told_name("n", i), "bread milk", "north");
    for (uint32_t i = 0; i < 100; i++) buy_in(&shop, told_name("s", i), "ice melon", "south");
    struct told told = tell_view("new", "ice", shop.now += TOLD_DAY);
    told.event.store = BK_STR("south");
    told.event.kind = BK_EVENT_SEARCHED;
    told.event.line_count = 0;
    told_now(&shop.engine, told);
    ask(&shop, "new", BK_CONTEXT_HOME);
    uint32_t first = shop.list.item[0].item;
    assert_true(first == told_item(&shop.engine, "ice") ||
                first == told_item(&shop.engine, "melon"));
    told_now(&shop.engine, tell_view("other", "tea", shop.now));
    bk_rank(shop.ranker, shop.engine.shards[0], 0, BK_CONTEXT_HOME, shop.now, 20, &shop.list);
    first = shop.list.item[0].item;
    assert_true(first == told_item(&shop.engine, "bread") ||
                first == told_item(&shop.engine, "milk"));
    uint32_t south = 0;
    for (uint32_t i = 1; i <= bk_totals(&shop.engine.shared)->segment_count; i++)
        if (bk_str_eq(bk_segment_id(&shop.engine.shared, i), BK_STR("store=south"))) south = i;
    assert_int_not_equal(south, 0);
    bk_rank_segment(shop.ranker, south, shop.now, 2, 2, &shop.list);
    assert_non_null(listed(&shop, "ice"));
    assert_non_null(listed(&shop, "melon"));
    shop_close(&shop);
}

static void segments_over_the_limit_are_counted_and_cost_nothing(void **state)
{
    (void)state;
    struct shop shop;
    shop_open(&shop);
    shop.engine.params.segments_max = 3;
    for (uint32_t i = 0; i < 10; i++)
        buy_in(&shop, told_name("u", i), "bread milk", told_name("store", i));
    assert_int_equal(bk_totals(&shop.engine.shared)->segment_count, 3);
    assert_int_equal(bk_engine_counter(&shop.engine, BK_STATE_SEGMENTS_OVER_LIMIT), 7);
    uint64_t lossy;
    (void)bk_shared_digest(&shop.engine.shared, &lossy);
    assert_int_equal(lossy, 1);
    ask(&shop, "u9", BK_CONTEXT_HOME);
    assert_int_equal(shop.list.count, 2);
    shop_close(&shop);
}

/* ---- new and rising ---- */

static void a_product_is_in_lists_one_event_after_it_was_first_seen(void **state)
{
    (void)state;
    struct shop shop;
    shop_open(&shop);
    buy(&shop, "ada", "bread milk");
    told_now(&shop.engine, tell_view("bob", "bread", shop.now += 1000));
    told_now(&shop.engine, tell_view("bob", "novelty", shop.now += 1000));
    ask(&shop, "ada", BK_CONTEXT_HOME);
    assert_non_null(listed(&shop, "novelty"));
    told_now(&shop.engine, tell_view("cyd", "bread", shop.now += 1000));
    ask(&shop, "cyd", BK_CONTEXT_HOME); /* by who saw the same */
    assert_int_not_equal(listed(&shop, "novelty")->tags & ~(1u << BK_SCORER_POPULAR), 0);
    shop_close(&shop);
}

static void what_is_rising_leads_what_is_always_bought(void **state)
{
    (void)state;
    struct shop shop;
    struct bk_boards *boards;
    shop_open(&shop);
    boards = bk_ranker_boards(shop.ranker);
    product(&shop, "bread", "Bakery > Bread", "", "");
    product(&shop, "stollen", "Bakery > Seasonal", "", "");
    product(&shop, "milk", "Dairy", "", "");
    for (int day = 0; day < 12; day++) {
        for (uint32_t i = 0; i < 10; i++) buy(&shop, told_name("u", i), "bread milk");
        if (day >= 11)
            for (uint32_t i = 0; i < 6; i++) buy(&shop, told_name("u", i), "stollen");
        if (day < 11) shop.now += TOLD_DAY;
    }
    bk_boards_begin(boards, shop.now);
    while (!bk_boards_look(boards, 2)) continue; /* a slice at a time */
    bk_boards_list(boards, 0, 20, &shop.list);
    assert_true(shop.list.trending);
    assert_int_equal(shop.list.item[0].item, told_item(&shop.engine, "stollen"));
    bool bakery = false;
    for (uint32_t i = 1; i < bk_boards_count(boards); i++) {
        bk_str_t name;
        assert_int_not_equal(bk_boards_category(boards, i, &name), 0);
        if (!bk_str_eq(name, BK_STR("Bakery"))) continue;
        bakery = true;
        bk_boards_list(boards, i, 20, &shop.list);
        assert_non_null(listed(&shop, "stollen"));
        assert_null(listed(&shop, "milk"));
    }
    assert_true(bakery);
    shop_close(&shop);
}

/* ---- more than one thing ---- */

static void never_two_variants_in_a_row_and_never_three(void **state)
{
    (void)state;
    struct shop shop;
    shop_open(&shop);
    for (uint32_t i = 0; i < 4; i++)
        product(&shop, told_name("yoghurt", i), "Dairy > Yoghurt", "Alm", "yoghurt");
    for (uint32_t i = 0; i < 9; i++)
        buy(&shop, told_name("u", i), "yoghurt0 yoghurt1 yoghurt2 yoghurt3");
    for (uint32_t i = 0; i < 5; i++) buy(&shop, told_name("v", i), "bread milk tea");
    ask(&shop, "nobody", BK_CONTEXT_HOME);
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

static void diversity_brings_forward_what_is_unlike(void **state)
{
    (void)state;
    struct shop shop;
    struct bk_reason reason = {""};
    struct bk_weights weights;
    bk_weights_default(&weights);
    assert_int_equal(bk_weights_parse(&weights, "home_rest.diversity=2", &reason), BK_EINVAL);
    assert_int_equal(bk_weights_parse(&weights, "home_rest.diversity=0.5", &reason), BK_OK);
    shop_open(&shop);
    bk_ranker_destroy(&shop.ranker);
    shop.ranker = bk_ranker_create(&shop.engine, &weights);
    product(&shop, "gouda", "Dairy > Cheese", "", "");
    product(&shop, "brie", "Dairy > Cheese", "", "");
    product(&shop, "bread", "Bakery", "", "");
    for (uint32_t i = 0; i < 10; i++) buy(&shop, told_name("g", i), "gouda");
    for (uint32_t i = 0; i < 9; i++) buy(&shop, told_name("b", i), "brie");
    for (uint32_t i = 0; i < 8; i++) buy(&shop, told_name("c", i), "bread");
    ask(&shop, "nobody", BK_CONTEXT_HOME);
    assert_int_equal(shop.list.item[0].item, told_item(&shop.engine, "gouda"));
    assert_int_equal(shop.list.item[1].item, told_item(&shop.engine, "bread"));
    assert_int_equal(shop.list.item[2].item, told_item(&shop.engine, "brie"));
    shop_close(&shop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_usual_shop_is_as_long_as_the_receipts_and_knows_quantities),
        cmocka_unit_test(what_is_due_is_told_by_the_customers_own_rhythm),
        cmocka_unit_test(nobody_has_no_usual_shop),
        cmocka_unit_test(a_new_customer_gets_what_is_popular_where_they_shop),
        cmocka_unit_test(segments_over_the_limit_are_counted_and_cost_nothing),
        cmocka_unit_test(a_product_is_in_lists_one_event_after_it_was_first_seen),
        cmocka_unit_test(what_is_rising_leads_what_is_always_bought),
        cmocka_unit_test(never_two_variants_in_a_row_and_never_three),
        cmocka_unit_test(diversity_brings_forward_what_is_unlike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
