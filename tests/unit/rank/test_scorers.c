/* test_scorers.c -- rank.weights: what it changes, what it refuses; and that neither work which is
 * spared nor a full table leaves an item out. */
#include "support/ranked_shop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void an_entry_changes_what_it_names_and_nothing_else(void **state)
{
    (void)state;
    struct bk_weights weights, expected;
    struct bk_reason reason = {""};
    bk_weights_default(&weights);
    bk_weights_default(&expected);
    assert_memory_equal(weights.weight[BK_SITUATION_USUAL], weights.weight[BK_SITUATION_HOME_REST],
                        sizeof weights.weight[0]);
    assert_int_equal(bk_weights_parse(&weights, "", &reason), BK_OK);
    assert_memory_equal(&weights, &expected, sizeof weights);
    assert_int_equal(bk_weights_parse(&weights,
                                      "cart.popular=0.5, usual.buy_again=12.25 email.diversity=1",
                                      &reason),
                     BK_OK);
    expected.weight[BK_SITUATION_CART][BK_SCORER_POPULAR] = 0.5f;
    expected.weight[BK_SITUATION_USUAL][BK_SCORER_BUY_AGAIN] = 12.25f;
    expected.diversity[BK_SITUATION_EMAIL] = 1.0f;
    assert_memory_equal(&weights, &expected, sizeof weights);
}

static void an_entry_that_says_no_weight_is_refused_by_name(void **state)
{
    (void)state;
    static const char *const entries[] = {
        "cart",
        "cart.popular",
        "cart=1",
        "nowhere.popular=1",
        "cart.nothing=1",
        "cart.popular=",
        "cart.popular=-1",
        "cart.popular=1.2.3",
        "cart.popular=.",
        "cart.popular=1e3",
        "cart.popular=inf",
        "cart.diversity=1.01",
        ".popular=1",
        "cart.popular=0x10",
        "=1",
        "cart.popular=1000001",
    };
    for (size_t i = 0; i < BK_COUNTOF(entries); i++) {
        char text[64];
        struct bk_weights weights;
        struct bk_reason reason = {""};
        bk_weights_default(&weights);
        snprintf(text, sizeof text, "home_rest.popular=3,%s", entries[i]);
        if (bk_weights_parse(&weights, text, &reason) != BK_EINVAL)
            fail_msg("%s is taken", entries[i]);
        assert_non_null(strstr(reason.text, entries[i]));
    }
}

/* Of many candidates those are not asked for popularity that it cannot help: this one it can. */
static void among_many_candidates_popularity_still_lifts_who_it_can(void **state)
{
    (void)state;
    struct shop shop;
    shop_open(&shop, BK_SCORER_COUNT);
    for (uint32_t receipt = 0; receipt < 40; receipt++) {
        char items[256];
        int len = 0;
        for (uint32_t i = 0; i < 20; i++)
            len += snprintf(items + len, sizeof items - (size_t)len, " i%u", receipt * 20 + i);
        shop_buy(&shop, "ada", items + 1);
        shop.now += TOLD_HOUR;
    }
    for (uint32_t i = 0; i < 20; i++) shop_buy(&shop, told_name("u", i), "i3"); /* of the oldest */
    shop.now += TOLD_HOUR;
    shop_ask(&shop, "ada", BK_CONTEXT_HOME);
    assert_int_equal(shop.list.situation, BK_SITUATION_HOME_REST);
    assert_int_equal(shop_place_of(&shop, "i3"), 0);
    shop_close(&shop);
}

/* A table of posted sessions with room for one: bob's visit has the number of ada's. */
static void who_got_the_number_of_a_visit_that_made_room_is_its_shoppers_neighbour(void **state)
{
    (void)state;
    struct shop shop;
    shop_open(&shop, BK_SCORER_NEIGHBOURS);
    struct bk_table *posted = &shop.engine.shared.posted;
    posted->arena.limit = posted->first_bytes + posted->record_bytes;
    shop_view(&shop, "ada", "milk");
    shop_view(&shop, "bob", "milk bread");
    shop_ask(&shop, "ada", BK_CONTEXT_HOME);
    const struct bk_list_item *bread = shop_listed(&shop, "bread");
    assert_non_null(bread);
    assert_int_equal(bread->scorer, BK_SCORER_NEIGHBOURS);
    shop_close(&shop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_entry_changes_what_it_names_and_nothing_else),
        cmocka_unit_test(an_entry_that_says_no_weight_is_refused_by_name),
        cmocka_unit_test(among_many_candidates_popularity_still_lifts_who_it_can),
        cmocka_unit_test(who_got_the_number_of_a_visit_that_made_room_is_its_shoppers_neighbour),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
