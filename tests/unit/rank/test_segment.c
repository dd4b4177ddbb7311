/* test_segment.c -- what is popular where the shopper is, by hand; and what one shopper does there is
 * nobody's business. */
#include "support/ranked_shop.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void a_new_customer_gets_what_is_popular_where_they_shop(void **state)
{
    (void)state;
    struct shop shop;
    shop_open(&shop, BK_SCORER_COUNT);
    for (uint32_t i = 0; i < 120; i++)
        shop_buy_in(&shop, told_name("n", i), "bread milk", "north", NULL);
    for (uint32_t i = 0; i < 100; i++)
        shop_buy_in(&shop, told_name("s", i), "ice melon", "south", NULL);
    struct told told = tell_view("new", "ice", shop.now += TOLD_DAY);
    told.event.store = BK_STR("south");
    told.event.kind = BK_EVENT_SEARCHED;
    told.event.line_count = 0;
    told_now(&shop.engine, told);
    shop_ask(&shop, "new", BK_CONTEXT_HOME);
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
    assert_non_null(shop_listed(&shop, "ice"));
    assert_non_null(shop_listed(&shop, "melon"));
    shop_close(&shop);
}

static void segments_over_the_limit_are_counted_and_cost_nothing(void **state)
{
    (void)state;
    struct shop shop;
    shop_open(&shop, BK_SCORER_COUNT);
    shop.engine.params.segments_max = 3;
    for (uint32_t i = 0; i < 10; i++)
        shop_buy_in(&shop, told_name("u", i), "bread milk", told_name("store", i), NULL);
    assert_int_equal(bk_totals(&shop.engine.shared)->segment_count, 3);
    assert_int_equal(bk_engine_counter(&shop.engine, BK_STATE_SEGMENTS_OVER_LIMIT), 7);
    uint64_t lossy;
    (void)bk_shared_digest(&shop.engine.shared, &lossy);
    assert_int_equal(lossy, 1);
    shop_ask(&shop, "u9", BK_CONTEXT_HOME);
    assert_int_equal(shop.list.count, 2);
    shop_close(&shop);
}

static uint32_t segment_of(const struct shop *shop, const char *id)
{
    for (uint32_t i = 1; i <= bk_totals(&shop->engine.shared)->segment_count; i++)
        if (bk_str_eq(bk_segment_id(&shop->engine.shared, i), bk_str_c(id))) return i;
    fail_msg("%s is no segment", id);
    return 0;
}

static double score_of(const struct shop *shop, const char *item)
{
    const struct bk_list_item *there = shop_listed(shop, item);
    return there ? (double)there->score : 0;
}

static void near(double value, double expected)
{
    if (fabs(value - expected) > 1e-4 * expected) fail_msg("%.7f, not %.7f", value, expected);
}

/* Ice is bought in the south, on phones half of it; bread everywhere else. */
static void open_two_stores(struct shop *shop)
{
    shop_open(shop, BK_SCORER_POPULAR);
    for (uint32_t i = 0; i < 40; i++) shop_buy(shop, told_name("n", i), "bread");
    for (uint32_t i = 0; i < 12; i++)
        shop_buy_in(shop, told_name("s", i), "ice", "south", i % 2 ? "phone" : NULL);
    struct told told = tell(BK_EVENT_SEARCHED, "new", shop->now += 1000);
    told.event.store = BK_STR("south");
    told.event.device = BK_STR("phone");
    told_now(&shop->engine, told);
    shop->now += TOLD_HOUR; /* at rest */
}

static void the_special_is_smoothed_by_the_general_with_fifty_receipts(void **state)
{
    (void)state;
    struct shop shop;
    const char *const items[] = {"bread", "ice"};
    open_two_stores(&shop);
    for (int epochs = 0; epochs < 3; epochs++, shop.now += 7 * (int64_t)TOLD_DAY) {
        double fade = pow(.5, epochs), m = 50 * 16, device = 6 * 16 * fade, store = 12 * 16 * fade;
        double everywhere[2];
        bk_rank_popular(shop.ranker, shop.now, BK_LIST_MAX, &shop.list);
        for (int i = 0; i < 2; i++) everywhere[i] = score_of(&shop, items[i]);
        shop_ask(&shop, "new", BK_CONTEXT_HOME);
        assert_int_equal(shop.list.situation, BK_SITUATION_HOME_REST);
        for (int i = 0; i < 2; i++) {
            double on_device = ((i ? device : 0) + m * everywhere[i]) / (device + m);
            near(score_of(&shop, items[i]), ((i ? store : 0) + m * on_device) / (store + m));
        }
    }
    shop_close(&shop);
}

static void what_fewer_shoppers_bought_in_a_store_counts_as_everywhere(void **state)
{
    (void)state;
    struct shop shop;
    open_two_stores(&shop);
    for (int i = 0; i < 9; i++) shop_buy_in(&shop, "lonely", "shame", "south", NULL);
    uint32_t south = segment_of(&shop, "store=south");
    bk_rank_popular(shop.ranker, shop.now, BK_LIST_MAX, &shop.list);
    double everywhere = score_of(&shop, "shame"), points = 21 * 16, m = 50 * 16;
    bk_rank_segment(shop.ranker, south, shop.now, 2, BK_LIST_MAX, &shop.list);
    near(score_of(&shop, "shame"), m * everywhere / (points + m));
    bk_rank_segment(shop.ranker, south, shop.now, 1, BK_LIST_MAX, &shop.list);
    near(score_of(&shop, "shame"), (9 * 16 + m * everywhere) / (points + m));
    shop_close(&shop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_customer_gets_what_is_popular_where_they_shop),
        cmocka_unit_test(segments_over_the_limit_are_counted_and_cost_nothing),
        cmocka_unit_test(the_special_is_smoothed_by_the_general_with_fifty_receipts),
        cmocka_unit_test(what_fewer_shoppers_bought_in_a_store_counts_as_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
