/* test_rank.c -- lists small enough to be computed by hand, and the rules no score can buy off. */
#include "support/ranked_shop.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* The place holds this item with this score, because of that one (NULL: none), seen so often. */
static void expect(const struct shop *shop, uint32_t place, const char *item, double score,
                   const char *because, uint32_t evidence)
{
    assert_true(place < shop->list.count);
    const struct bk_list_item *there = &shop->list.item[place];
    bk_str_t id = bk_item_id(&shop->engine.shared, there->item);
    if (!bk_str_eq(id, bk_str_c(item)))
        fail_msg("place %u: %.*s, not %s", place, (int)id.len, id.p, item);
    if (fabs((double)there->score - score) > 1e-4 * score)
        fail_msg("%s scores %.6f, not %.6f", item, (double)there->score, score);
    assert_int_equal(there->because, because ? told_item(&shop->engine, because) : 0);
    assert_int_equal(there->evidence, evidence);
}

/* ---- scorers ---- */

static void bought_together_is_the_shrunk_cosine_of_receipts(void **state)
{
    (void)state;
    struct shop shop;
    shop_open(&shop, BK_SCORER_BOUGHT);
    shop_buy(&shop, "u1", "a b");
    shop_buy(&shop, "u2", "a b");
    shop_buy(&shop, "u3", "b a a");
    shop_buy(&shop, "u4", "a c");
    bk_rank_item(shop.ranker, told_item(&shop.engine, "a"), BK_PAIR_BOUGHT, shop.now, 1, 20,
                 &shop.list);
    assert_int_equal(shop.list.count, 2);
    assert_int_equal(shop.list.for_item, told_item(&shop.engine, "a"));
    /* Each receipt has two lines, so that its pairs count 1 / sqrt(2); that is 181 / 256. */
    double ours = pow(24, -5 / 8.0) * 181 / 256;
    expect(&shop, 0, "b", 3 * ours * pow(23, -3 / 8.0), "a", 3);
    expect(&shop, 1, "c", ours * pow(21, -3 / 8.0), "a", 1);
    double confidence = (3 / 23.0 + 1 / 21.0) / 2;
    assert_true(fabs((double)shop.list.confidence - confidence) < 1e-6);
    /* In a cart the same, as shares; the line added last counts whole, the one before it 0.85. */
    told_now(&shop.engine, tell_cart("dora", BK_CART_ADD, "c b", shop.now));
    shop_ask(&shop, "dora", BK_CONTEXT_CART);
    expect(&shop, 0, "a", 1.0, "b", 3); /* the only candidate: b, c are in the cart */
    shop_close(&shop);
}

static void cart_lines_fade_by_age_and_because_names_the_strongest(void **state)
{
    (void)state;
    struct shop shop;
    shop_open(&shop, BK_SCORER_BOUGHT);
    shop_buy(&shop, "u1", "a x");
    shop_buy(&shop, "u2", "a y");
    shop_buy(&shop, "u3", "b y");
    told_now(&shop.engine, tell_cart("dora", BK_CART_ADD, "a b", shop.now));
    shop_ask(&shop, "dora", BK_CONTEXT_CART);
    double a = 0.97 * pow(22, -5 / 8.0), b = pow(21, -5 / 8.0); /* no order is kept yet */
    double ab = a * pow(21, -3 / 8.0), ay = a * pow(22, -3 / 8.0), by = b * pow(22, -3 / 8.0);
    double total = ab + ay + by;
    expect(&shop, 0, "y", (ay + by) / total, "b", 1);
    expect(&shop, 1, "x", ab / total, "a", 1);
    assert_int_equal(shop.list.item[0].scorer, BK_SCORER_BOUGHT);
    assert_int_equal(shop.list.situation, BK_SITUATION_CART);
    shop_close(&shop);
}

static void rules_weigh_three_two_one_and_halve_with_every_event(void **state)
{
    (void)state;
    struct shop shop;
    shop_open(&shop, BK_SCORER_NEXT);
    shop_view(&shop, "u1", "x y z w v");
    shop_view(&shop, "dora", "x");
    shop_ask(&shop, "dora", BK_CONTEXT_HOME);
    assert_int_equal(shop.list.situation, BK_SITUATION_HOME_LIVE);
    expect(&shop, 0, "y", 3 / 6.0, "x", 3);
    expect(&shop, 1, "z", 2 / 6.0, "x", 2);
    expect(&shop, 2, "w", 1 / 6.0, "x", 1);
    shop_view(&shop, "dora", "y"); /* x > y is 6 now; x was seen one event ago */
    shop_ask(&shop, "dora", BK_CONTEXT_HOME);
    double total = 0.5 * (6 + 2 + 1) + 3 + 2 + 1;
    expect(&shop, 0, "z", (0.5 * 2 + 3) / total, "y", 3);
    expect(&shop, 1, "y", 0.5 * 6 / total, "x", 6);
    expect(&shop, 2, "w", (0.5 * 1 + 2) / total, "y", 2);
    expect(&shop, 3, "v", 1 / total, "y", 1);
    shop_close(&shop);
}

static void viewed_together_fades_by_six_tenths_and_weighs_behaviour(void **state)
{
    (void)state;
    struct shop shop;
    shop_open(&shop, BK_SCORER_VIEWED);
    shop_view(&shop, "u1", "x p");
    shop_view(&shop, "u2", "y q");
    told_now(&shop.engine, tell_cart("dora", BK_CART_ADD, "x", shop.now += 1000));
    told_now(&shop.engine, tell_cart("dora", BK_CART_CLEAR, "", shop.now += 1000));
    shop_view(&shop, "dora", "y");
    shop_ask(&shop, "dora", BK_CONTEXT_HOME);
    /* x: in a cart once (3), one event ago (0.6), two sessions; y a view (1), two sessions; dora
     * saw both. */
    double x = 3 * 0.6, y = 1, xp = x / sqrt(22.0 * 21.0), yq = y / sqrt(22.0 * 21.0),
           xy = 1 / 22.0;
    double total = xp + yq + x * xy + y * xy;
    expect(&shop, 0, "p", xp / total, "x", 1);
    expect(&shop, 1, "y", x * xy / total, "x", 1);
    expect(&shop, 2, "q", yq / total, "y", 1);
    expect(&shop, 3, "x", y * xy / total, "y", 1);
    shop_close(&shop);
}

static void viewed_then_bought_leads_from_views_to_purchases(void **state)
{
    (void)state;
    struct shop shop;
    shop_open(&shop, BK_SCORER_VIEW_BUY);
    shop_view(&shop, "u1", "tent");
    shop_buy(&shop, "u1", "stove");
    shop_view(&shop, "dora", "tent");
    shop_ask(&shop, "dora", BK_CONTEXT_PRODUCT);
    assert_int_equal(shop.list.for_item, told_item(&shop.engine, "tent"));
    expect(&shop, 0, "stove", 1.0, "tent", 1);
    shop_close(&shop);
}

static void what_was_seen_comes_again_as_often_as_sessions_go_back_here(void **state)
{
    (void)state;
    struct shop shop;
    shop_open(&shop, BK_SCORER_REPEAT);
    shop_view(&shop, "dora", "x y x z");
    shop_ask(&shop, "dora", BK_CONTEXT_HOME);
    /* After a new item: once one could stay, and did not; once one could go one back, and did; two
     * back nobody could. */
    expect(&shop, 0, "x", (1 + 5 * 0.12) / 6, NULL, 4);
    expect(&shop, 1, "z", (0 + 5 * 0.15) / 6, NULL, 4);
    expect(&shop, 2, "y", 0.05, NULL, 4);
    shop_view(&shop, "dora", "z"); /* stays, and after that nothing is known but what is usual */
    shop_ask(&shop, "dora", BK_CONTEXT_HOME);
    expect(&shop, 0, "z", 0.15, NULL, 5);
    expect(&shop, 1, "x", 0.12, NULL, 5);
    expect(&shop, 2, "y", 0.05, NULL, 5);
    shop_close(&shop);
}

static void in_a_long_row_what_happened_once_is_chance(void **state)
{
    (void)state;
    struct shop shop;
    shop_open(&shop, BK_SCORER_VIEWED);
    for (uint32_t i = 0; i < 100; i++)
        shop_view(&shop, told_name("u", i), told_name("hub p", i)); /* 100 partners: still short */
    shop_view(&shop, "v", "hub p7");
    shop_view(&shop, "dora", "hub");
    shop_ask(&shop, "dora", BK_CONTEXT_HOME);
    double often = 2 / sqrt(22.0), once = 1 / sqrt(21.0);
    expect(&shop, 0, "p7", often / (often + 99 * once), "hub", 2);
    shop_view(&shop, "w", "hub p100"); /* one more */
    shop_ask(&shop, "dora", BK_CONTEXT_HOME);
    expect(&shop, 0, "p7", 1.0, "hub", 2);
    shop_close(&shop);
}

static void in_a_long_row_what_once_came_two_steps_later_is_chance(void **state)
{
    (void)state;
    struct shop shop;
    shop_open(&shop, BK_SCORER_NEXT);
    for (uint32_t i = 0; i < 100; i++) shop_view(&shop, told_name("u", i), told_name("hub p", i));
    shop_view(&shop, "v", "hub a far");
    shop_view(&shop, "dora", "hub");
    shop_ask(&shop, "dora", BK_CONTEXT_HOME);
    expect(&shop, 0, "a", 3 / 303.0, "hub", 3); /* far, which would make it 305, is out */
    shop_close(&shop);
}

static void a_short_list_reaches_from_its_first_ten(void **state)
{
    (void)state;
    struct shop shop;
    shop_open(&shop, BK_SCORER_VIEWED);
    for (uint32_t i = 0; i < 11; i++) shop_view(&shop, told_name("u", i), told_name("x y", i));
    shop_view(&shop, "v",
              "y9 no"); /* who was seen elsewhere too goes less with x: the two are last, */
    shop_view(&shop, "w", "y10 yes"); /* and y10 is before y9 by its id */
    shop_view(&shop, "dora", "x");
    shop_ask(&shop, "dora", BK_CONTEXT_HOME);
    assert_int_equal(shop_place_of(&shop, "y10"), 9);
    assert_int_equal(shop_place_of(&shop, "y9"), 10);
    assert_int_equal(shop.list.item[shop_place_of(&shop, "yes")].scorer, BK_SCORER_VIEWED);
    assert_int_equal(shop.list.item[shop_place_of(&shop, "no")].scorer, BK_SCORER_POPULAR);
    shop_close(&shop);
}

static void a_short_list_reaches_for_the_partners_of_its_partners(void **state)
{
    (void)state;
    struct shop shop;
    shop_open(&shop, BK_SCORER_VIEWED);
    shop_view(&shop, "u1", "x y");
    shop_view(&shop, "u2", "y z");
    shop_view(&shop, "u3", "other");
    shop_view(&shop, "dora", "x");
    shop_ask(&shop, "dora", BK_CONTEXT_HOME);
    expect(&shop, 0, "y", 1.0, "x", 1);
    assert_int_equal(shop.list.item[shop_place_of(&shop, "z")].scorer, BK_SCORER_VIEWED);
    assert_int_equal(shop.list.item[shop_place_of(&shop, "z")].because,
                     told_item(&shop.engine, "y"));
    assert_int_equal(shop.list.item[shop_place_of(&shop, "other")].scorer, BK_SCORER_POPULAR);
    shop_close(&shop);
}

static void of_two_that_go_as_well_the_rising_one_leads(void **state)
{
    (void)state;
    struct shop shop;
    shop_open(&shop, BK_SCORER_VIEWED);
    shop_view(&shop, "u1", "x old");
    for (int i = 0; i < 30; i++) shop_view(&shop, "u1", "old"); /* points, but no further session */
    shop_view(&shop, "u2", "x late");
    shop.now += 7 * (int64_t)TOLD_DAY;
    for (int i = 0; i < 30; i++) shop_view(&shop, "u2", "late");
    shop_view(&shop, "dora", "x");
    shop_ask(&shop, "dora", BK_CONTEXT_HOME);
    /* A week halves: of late's 31 points 30.5 are left, of old's 15.5. The mean candidate stays
     * where it is. */
    double rate = (30.5 + 15.5) / 62, late = sqrt((30.5 / rate + 20) / 51),
           old = sqrt((15.5 / rate + 20) / 51);
    double more = sqrt(22.0 / 21.0); /* u2 came back in another session: late was seen in two */
    expect(&shop, 0, "late", late / (1 + more), "x", 1);
    expect(&shop, 1, "old", old * more / (1 + more), "x", 1);
    shop_close(&shop);
}

/* ---- session neighbours ---- */

static void the_newest_forty_sessions_of_an_item_are_its_neighbours(void **state)
{
    (void)state;
    struct shop shop;
    shop_open(&shop, BK_SCORER_NEIGHBOURS);
    shop_view(&shop, "u", "x gone");
    for (uint32_t i = 0; i < 39; i++) shop_view(&shop, told_name("v", i), "x here");
    shop_view(&shop, "dora", "x"); /* hers is the fortieth, and does not vote */
    shop_ask(&shop, "dora", BK_CONTEXT_HOME);
    double near = exp(-1 / 4.0), value = 1 / (1 + near);
    expect(&shop, 0, "x", value, NULL, 41);
    expect(&shop, 1, "here", near * value, "x", 41);
    assert_int_not_equal(shop.list.item[shop_place_of(&shop, "gone")].scorer, BK_SCORER_NEIGHBOURS);
    shop_close(&shop);
}

static void the_nearest_sixty_sessions_vote_and_nearer_places_count_more(void **state)
{
    (void)state;
    struct shop shop;
    shop_open(&shop, BK_SCORER_NEIGHBOURS);
    for (uint32_t i = 0; i < 45; i++) shop_view(&shop, told_name("u", i), "x a b");
    for (uint32_t i = 0; i < 45; i++) shop_view(&shop, told_name("v", i), "y c d");
    shop_view(&shop, "dora", "x y");
    shop_ask(&shop, "dora", BK_CONTEXT_HOME);
    /* 39 that saw y with her, and 21 of the 39 that saw x, one event longer ago */
    double y = 39, x = 21 * exp(-1 / 3.0), near = exp(-1 / 4.0), far = exp(-2 / 4.0);
    double total = (x + y) * (1 + near + far);
    expect(&shop, 0, "y", y / total, NULL, 46);
    expect(&shop, 1, "c", y * near / total, "y", 46);
    expect(&shop, 2, "d", y * far / total, "y", 46);
    expect(&shop, 3, "x", x / total, NULL, 46);
    expect(&shop, 4, "a", x * near / total, "x", 46);
    expect(&shop, 5, "b", x * far / total, "x", 46);
    shop_close(&shop);
}

static void what_was_bought_comes_again_by_097_a_receipt(void **state)
{
    (void)state;
    struct shop shop;
    shop_open(&shop, BK_SCORER_BUY_AGAIN);
    shop_buy(&shop, "dora", "m");
    shop_buy(&shop, "dora", "m n");
    shop_buy(&shop, "dora", "o");
    shop_ask(&shop, "dora", BK_CONTEXT_EMAIL);
    /* The second receipt has two lines; one of four purchases was one again, one of m's two. */
    double usual = 2 / 5.0, two = pow(2, -0.125), n = pow(1 + 0.97 + 0.97 * 0.97, 0.25);
    double m = sqrt((1 + 20 * usual) / 22 / usual), once = sqrt(20 * usual / 21 / usual);
    expect(&shop, 0, "m", m * (0.97 * 0.97 + 0.97 * two) / n, NULL, 2);
    expect(&shop, 1, "o", once / n, NULL, 1);
    expect(&shop, 2, "n", once * 0.97 * two / n, NULL, 1);
    shop_close(&shop);
}

static void the_popular_are_measured_by_all_acts(void **state)
{
    (void)state;
    struct shop shop;
    shop_open(&shop, BK_SCORER_POPULAR);
    shop_buy(&shop, "u1", "a b");
    shop_buy(&shop, "u2", "a");
    shop_view(&shop, "u1", "c c");
    told_now(&shop.engine, tell_cart("u1", BK_CART_ADD, "d", shop.now));
    bk_rank_popular(shop.ranker, shop.now, 20, &shop.list);
    assert_int_equal(shop.list.count, 4);
    /* A line of two counts 16 / sqrt(2) = 11. */
    double acts = 2 * 16 + 2 * 1 + 4, unknown = 50 * 16;
    expect(&shop, 0, "a", (11 + 16) / (acts + unknown), NULL, 11 + 16);
    expect(&shop, 1, "b", 11 / (acts + unknown), NULL, 11);
    expect(&shop, 2, "d", 4 / (acts + unknown), NULL, 4);
    expect(&shop, 3, "c", 2 / (acts + unknown), NULL, 2);
    shop.now += 7 * (int64_t)TOLD_DAY; /* a week later everything old is worth half */
    shop_buy(&shop, "u3", "e");
    bk_rank_popular(shop.ranker, shop.now, 20, &shop.list);
    acts = acts / 2 + 16 + unknown;
    expect(&shop, 0, "e", 16 / acts, NULL, 16);
    expect(&shop, 1, "a", (11 + 16) / 2.0 / acts, NULL, 11 + 16);
    expect(&shop, 2, "b", 11 / 2.0 / acts, NULL, 11);
    shop_close(&shop);
}

/* ---- order and size ---- */

static void equal_scores_rank_by_popularity_then_id_whatever_the_handles(void **state)
{
    (void)state;
    const char *orders[] = {"hub m", "hub k", "hub z", "hub a"};
    for (int turn = 0; turn < 4; turn++) {
        struct shop shop;
        shop_open(&shop, BK_SCORER_BOUGHT);
        for (int i = 0; i < 4; i++)
            shop_buy(&shop, told_name("u", (uint32_t)i), orders[(i + turn) % 4]);
        told_now(&shop.engine,
                 tell_cart("u9", BK_CART_ADD, "z", shop.now)); /* more popular, no more bought */
        bk_rank_item(shop.ranker, told_item(&shop.engine, "hub"), BK_PAIR_BOUGHT, shop.now, 1, 20,
                     &shop.list);
        static const char *const expected[] = {"z", "a", "k", "m"};
        for (uint32_t i = 0; i < 4; i++) assert_int_equal(shop_place_of(&shop, expected[i]), i);
        bk_rank_item(shop.ranker, told_item(&shop.engine, "hub"), BK_PAIR_BOUGHT, shop.now, 1, 2,
                     &shop.list);
        assert_int_equal(shop.list.count, 2);
        for (uint32_t i = 0; i < 2; i++) assert_int_equal(shop_place_of(&shop, expected[i]), i);
        shop_close(&shop);
    }
}

static void a_list_is_as_long_as_asked_and_never_longer_than_it_may_be(void **state)
{
    (void)state;
    struct shop shop;
    shop_open(&shop, BK_SCORER_COUNT);
    for (uint32_t i = 0; i < 60; i++) shop_view(&shop, told_name("u", i), told_name("i", i));
    for (uint32_t size = 0; size < 30; size++) {
        bk_rank(shop.ranker, shop.engine.shards[0], told_subject(&shop.engine, 0, "u3"),
                BK_CONTEXT_HOME, shop.now, size, &shop.list);
        assert_int_equal(shop.list.count, size < BK_LIST_MAX ? size : BK_LIST_MAX);
        bk_rank_popular(shop.ranker, shop.now, size, &shop.list);
        assert_int_equal(shop.list.count, size < BK_LIST_MAX ? size : BK_LIST_MAX);
    }
    shop_close(&shop);
}

static void an_empty_shop_has_empty_lists(void **state)
{
    (void)state;
    struct shop shop;
    shop_open(&shop, BK_SCORER_COUNT);
    for (enum bk_context context = 0; context < BK_CONTEXT_COUNT; context++) {
        shop_ask(&shop, NULL, context);
        assert_int_equal(shop.list.count, 0);
        assert_true(shop.list.confidence == 0.0f);
    }
    shop_close(&shop);
}

static void who_is_unknown_gets_what_is_popular(void **state)
{
    (void)state;
    struct shop shop;
    shop_open(&shop, BK_SCORER_COUNT);
    shop_buy(&shop, "u1", "a b");
    shop_buy(&shop, "u2", "a");
    for (enum bk_context context = 0; context < BK_CONTEXT_COUNT; context++) {
        if (context == BK_CONTEXT_USUAL) continue; /* nobody's usual shop is empty */
        shop_ask(&shop, NULL, context);
        assert_int_equal(shop.list.count, 2);
        assert_int_equal(shop_place_of(&shop, "a"), 0);
        assert_int_equal(shop.list.item[0].scorer, BK_SCORER_POPULAR);
        assert_int_equal(shop.list.item[0].tags, 1u << BK_SCORER_POPULAR);
        assert_int_equal(shop.list.item[0].because, 0);
    }
    shop_close(&shop);
}

/* ---- rules ---- */

static void what_is_in_the_cart_or_was_dismissed_is_never_listed(void **state)
{
    (void)state;
    struct shop shop;
    shop_open(&shop, BK_SCORER_COUNT);
    for (uint32_t i = 0; i < 5; i++) shop_buy(&shop, told_name("u", i), "a b c d");
    shop_view(&shop, "dora", "a b c d");
    told_now(&shop.engine, tell_cart("dora", BK_CART_ADD, "b", shop.now));
    told_now(&shop.engine, tell_lines(tell(BK_EVENT_ITEM_DISMISSED, "dora", shop.now), "c"));
    told_now(&shop.engine, tell_lines(tell(BK_EVENT_WISHLIST_CHANGED, "dora", shop.now), "d"));
    for (enum bk_context context = 0; context < BK_CONTEXT_COUNT; context++) {
        if (context == BK_CONTEXT_USUAL) continue; /* dora bought nothing */
        shop_ask(&shop, "dora", context);
        assert_non_null(shop_listed(&shop, "a"));
        assert_true(shop_listed(&shop, "d") || context == BK_CONTEXT_PRODUCT); /* viewed last */
        assert_null(shop_listed(&shop, "b"));
        assert_null(shop_listed(&shop, "c"));
    }
    told_now(&shop.engine, tell_cart("dora", BK_CART_CLEAR, "", shop.now));
    shop_ask(&shop, "dora", BK_CONTEXT_HOME);
    assert_non_null(shop_listed(&shop, "b"));
    assert_null(shop_listed(&shop, "c"));
    shop_close(&shop);
}

static void a_products_list_never_holds_the_product(void **state)
{
    (void)state;
    struct shop shop;
    shop_open(&shop, BK_SCORER_COUNT);
    for (uint32_t i = 0; i < 5; i++) shop_view(&shop, told_name("u", i), "a b a c a");
    shop_view(&shop, "dora", "a b a");
    shop_ask(&shop, "dora", BK_CONTEXT_PRODUCT);
    assert_int_equal(shop.list.for_item, told_item(&shop.engine, "a"));
    assert_null(shop_listed(&shop, "a"));
    assert_non_null(shop_listed(&shop, "b"));
    bk_rank_item(shop.ranker, told_item(&shop.engine, "a"), BK_PAIR_VIEWED, shop.now, 1, 20,
                 &shop.list);
    assert_null(shop_listed(&shop, "a"));
    assert_non_null(shop_listed(&shop, "b"));
    shop_close(&shop);
}

static void discover_shows_only_what_was_never_bought(void **state)
{
    (void)state;
    struct shop shop;
    shop_open(&shop, BK_SCORER_COUNT);
    for (uint32_t i = 0; i < 5; i++) shop_buy(&shop, told_name("u", i), "a b c");
    shop_buy(&shop, "dora", "a");
    shop_view(&shop, "dora", "b");
    shop_ask(&shop, "dora", BK_CONTEXT_DISCOVER);
    assert_null(shop_listed(&shop, "a"));
    assert_non_null(shop_listed(&shop, "b"));
    assert_non_null(shop_listed(&shop, "c"));
    shop.now += 400 * (int64_t)TOLD_DAY;
    shop_ask(&shop, "dora", BK_CONTEXT_DISCOVER);
    assert_null(shop_listed(&shop, "a"));
    shop_close(&shop);
}

static void what_was_just_bought_is_not_offered_with_the_next_cart(void **state)
{
    (void)state;
    struct shop shop;
    shop_open(&shop, BK_SCORER_COUNT);
    for (uint32_t i = 0; i < 5; i++) shop_buy(&shop, told_name("u", i), "a b c");
    shop_buy(&shop, "dora", "a");
    told_now(&shop.engine, tell_cart("dora", BK_CART_ADD, "b", shop.now));
    int64_t bought = shop.now;
    shop_ask(&shop, "dora", BK_CONTEXT_CART);
    assert_null(shop_listed(&shop, "a"));
    assert_non_null(shop_listed(&shop, "c"));
    shop.now = bought + 31 * TOLD_MINUTE;
    shop_ask(&shop, "dora", BK_CONTEXT_CART);
    assert_non_null(shop_listed(&shop, "a"));
    shop_close(&shop);
}

static void pairs_of_too_few_shoppers_are_left_out(void **state)
{
    (void)state;
    struct shop shop;
    shop_open(&shop, BK_SCORER_COUNT);
    for (int i = 0; i < 9; i++) shop_buy(&shop, "lonely", "secret shame");
    for (uint32_t i = 0; i < 12; i++) shop_buy(&shop, told_name("u", i), "secret bread");
    uint32_t secret = told_item(&shop.engine, "secret");
    bk_rank_item(shop.ranker, secret, BK_PAIR_BOUGHT, shop.now, 1, 20, &shop.list);
    assert_non_null(shop_listed(&shop, "shame"));
    bk_rank_item(shop.ranker, secret, BK_PAIR_BOUGHT, shop.now, 2, 20, &shop.list);
    assert_null(shop_listed(&shop, "shame"));
    assert_non_null(shop_listed(&shop, "bread"));
    bk_rank_item(shop.ranker, secret, BK_PAIR_BOUGHT, shop.now, 17, 20, &shop.list);
    assert_int_equal(shop.list.count, 0);
    shop_close(&shop);
}

/* ---- time ---- */

static void home_follows_the_session_while_it_lives_and_the_history_at_rest(void **state)
{
    (void)state;
    struct shop shop;
    shop_open(&shop, BK_SCORER_COUNT);
    shop_view(&shop, "u1", "x y");
    shop_buy(&shop, "dora", "milk");
    shop_view(&shop, "dora", "x");
    shop_ask(&shop, "dora", BK_CONTEXT_HOME);
    assert_int_equal(shop.list.situation, BK_SITUATION_HOME_LIVE);
    assert_non_null(shop_listed(&shop, "y"));
    shop.now += 30 * TOLD_MINUTE; /* to the millisecond it still lives */
    shop_ask(&shop, "dora", BK_CONTEXT_HOME);
    assert_int_equal(shop.list.situation, BK_SITUATION_HOME_LIVE);
    shop.now += 1;
    shop_ask(&shop, "dora", BK_CONTEXT_HOME);
    assert_int_equal(shop.list.situation, BK_SITUATION_HOME_REST);
    assert_int_equal(shop_place_of(&shop, "milk"), 0);
    assert_true(shop.list.item[0].tags & 1u << BK_SCORER_BUY_AGAIN);
    shop_close(&shop);
}

static void the_reason_is_the_largest_part_and_tags_name_all_parts(void **state)
{
    (void)state;
    struct shop shop;
    shop_open(&shop, BK_SCORER_COUNT);
    shop_view(&shop, "u1", "x y z");
    shop_view(&shop, "u2", "x y");
    shop_view(&shop, "dora", "x x");
    shop_ask(&shop, "dora", BK_CONTEXT_HOME);
    const struct bk_list_item *y = &shop.list.item[shop_place_of(&shop, "y")];
    assert_true(y->tags & 1u << BK_SCORER_NEXT);
    assert_true(y->tags & 1u << BK_SCORER_VIEWED);
    assert_false(y->tags & 1u << BK_SCORER_REPEAT);
    assert_true(y->tags & 1u << BK_SCORER_NEIGHBOURS);
    assert_int_equal(y->scorer, BK_SCORER_NEIGHBOURS); /* weight 2.0 against 1.0 and 0.3 */
    assert_int_equal(y->evidence, 3);
    assert_int_equal(y->because, told_item(&shop.engine, "x"));
    const struct bk_list_item *x = &shop.list.item[shop_place_of(&shop, "x")];
    assert_int_equal(x->scorer, BK_SCORER_REPEAT);
    assert_int_equal(x->because, 0);
    shop_close(&shop);
}

/* Each place in 400 sessions, each partner in full rows: more candidates than anybody sees, and
 * none left out. */
static void there_is_room_for_every_candidate_there_can_be(void **state)
{
    (void)state;
    struct bk_state_params params = told_params();
    struct bk_weights weights = {0};
    struct bk_engine engine;
    struct bk_list list;
    params.pair_partners_max = 16;
    params.history_items_max = 16;
    params.session_gap_ms = TOLD_DAY;
    told_engine(&engine, &params);
    uint32_t item = 0;
    for (uint32_t u = 0; u < 450; u++)
        for (uint32_t i = 0; i < 40; i++) {
            const char *seen = i == 20 ? told_name("hub", u % 20) : told_name("i", item++);
            told_now(&engine, tell_view(told_name("u", u), seen, TOLD_START + item));
        }
    for (uint32_t i = 0; i < 20; i++)
        told_now(&engine, tell_view("dora", told_name("hub", i), TOLD_START + item + i));
    for (int situation = 0; situation < BK_SITUATION_COUNT; situation++)
        for (int scorer = 0; scorer < BK_SCORER_COUNT; scorer++)
            weights.weight[situation][scorer] = 1.0f;
    struct bk_ranker *ranker = bk_ranker_create(&engine, &weights);
    assert_non_null(ranker);
    for (enum bk_context context = 0; context < BK_CONTEXT_COUNT; context++) {
        bk_rank(ranker, engine.shards[0], told_subject(&engine, 0, "dora"), context,
                TOLD_START + item, 20, &list);
        assert_int_equal(list.count, context == BK_CONTEXT_USUAL ? 0 : 20);
    }
    bk_ranker_destroy(&ranker);
    bk_engine_deinit(&engine);
}

static void a_ranker_fits_the_largest_state(void **state)
{
    (void)state;
    struct bk_state_params params = told_params();
    struct bk_weights weights;
    struct bk_engine engine;
    bk_weights_default(&weights);
    params.bytes_max = (uint64_t)40 << 30;
    params.items_max = 64000000;
    told_engine(&engine, &params);
    struct bk_ranker *ranker = bk_ranker_create(&engine, &weights);
    assert_non_null(ranker);
    bk_ranker_destroy(&ranker);
    bk_engine_deinit(&engine);
}

static void every_scorer_and_situation_has_words(void **state)
{
    (void)state;
    for (enum bk_scorer scorer = 0; scorer < BK_SCORER_COUNT; scorer++) {
        assert_string_not_equal(bk_scorer_name(scorer), "?");
        assert_string_not_equal(bk_scorer_tag(scorer), "?");
        assert_string_not_equal(bk_scorer_reason(scorer), "?");
    }
    for (enum bk_situation situation = 0; situation < BK_SITUATION_COUNT; situation++)
        assert_string_not_equal(bk_situation_name(situation), "?");
    assert_string_equal(bk_scorer_name(BK_SCORER_COUNT), "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bought_together_is_the_shrunk_cosine_of_receipts),
        cmocka_unit_test(cart_lines_fade_by_age_and_because_names_the_strongest),
        cmocka_unit_test(rules_weigh_three_two_one_and_halve_with_every_event),
        cmocka_unit_test(viewed_together_fades_by_six_tenths_and_weighs_behaviour),
        cmocka_unit_test(viewed_then_bought_leads_from_views_to_purchases),
        cmocka_unit_test(what_was_seen_comes_again_as_often_as_sessions_go_back_here),
        cmocka_unit_test(in_a_long_row_what_happened_once_is_chance),
        cmocka_unit_test(in_a_long_row_what_once_came_two_steps_later_is_chance),
        cmocka_unit_test(a_short_list_reaches_from_its_first_ten),
        cmocka_unit_test(a_short_list_reaches_for_the_partners_of_its_partners),
        cmocka_unit_test(of_two_that_go_as_well_the_rising_one_leads),
        cmocka_unit_test(the_newest_forty_sessions_of_an_item_are_its_neighbours),
        cmocka_unit_test(the_nearest_sixty_sessions_vote_and_nearer_places_count_more),
        cmocka_unit_test(what_was_bought_comes_again_by_097_a_receipt),
        cmocka_unit_test(the_popular_are_measured_by_all_acts),
        cmocka_unit_test(equal_scores_rank_by_popularity_then_id_whatever_the_handles),
        cmocka_unit_test(a_list_is_as_long_as_asked_and_never_longer_than_it_may_be),
        cmocka_unit_test(an_empty_shop_has_empty_lists),
        cmocka_unit_test(who_is_unknown_gets_what_is_popular),
        cmocka_unit_test(what_is_in_the_cart_or_was_dismissed_is_never_listed),
        cmocka_unit_test(a_products_list_never_holds_the_product),
        cmocka_unit_test(discover_shows_only_what_was_never_bought),
        cmocka_unit_test(what_was_just_bought_is_not_offered_with_the_next_cart),
        cmocka_unit_test(pairs_of_too_few_shoppers_are_left_out),
        cmocka_unit_test(home_follows_the_session_while_it_lives_and_the_history_at_rest),
        cmocka_unit_test(the_reason_is_the_largest_part_and_tags_name_all_parts),
        cmocka_unit_test(there_is_room_for_every_candidate_there_can_be),
        cmocka_unit_test(a_ranker_fits_the_largest_state),
        cmocka_unit_test(every_scorer_and_situation_has_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
