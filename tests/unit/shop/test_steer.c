/* test_steer.c -- one shopper followed and played, and the truth behind the events. */
#include "shop_kit.h"

static int act(struct bk_shop *shop, enum bk_shop_act what, uint32_t product, bk_wall_ms_t now_ms,
               struct bk_shop_record *record)
{
    struct bk_shop_doing doing = {.act = what, .product = product, .text = BK_STR("milk")};
    return bk_shop_act(shop, 0, &doing, now_ms, record);
}

/* The first household with an account; it becomes number 0 by its seed. */
static struct bk_shop *shop_with_account(void)
{
    for (uint64_t seed = 1;; seed++) {
        struct bk_shop *shop = kit_shop(seed, 4);
        if (bk_shop_shopper(shop, 0).customer.p) return shop;
        bk_shop_destroy(&shop);
    }
}

static void a_played_shopper_views_adds_removes_and_buys(void **state)
{
    (void)state;
    struct bk_shop *shop = shop_with_account();
    struct bk_shop_record record;
    uint32_t product[BK_SHOP_CART_MAX], quantity[BK_SHOP_CART_MAX];
    bk_wall_ms_t now = KIT_START + 1000;
    bk_shop_take(shop, 0, true);
    assert_int_equal(act(shop, BK_SHOP_DO_VIEW, 5, now, &record), BK_OK);
    assert_int_equal(record.event->kind, BK_EVENT_ITEM_VIEWED);
    assert_int_equal(record.event->event_time_ms, now);
    assert_int_equal(record.shopper, 0);
    assert_int_equal(act(shop, BK_SHOP_DO_SEARCH, 0, now + 1, &record), BK_OK);
    assert_true(kit_is(record.event->query, "milk"));
    assert_int_equal(act(shop, BK_SHOP_DO_ADD, 5, now + 2, &record), BK_OK);
    assert_int_equal(act(shop, BK_SHOP_DO_ADD, 9, now + 3, &record), BK_OK);
    assert_int_equal(bk_shop_cart(shop, 0, product, quantity), 2);
    assert_int_equal(act(shop, BK_SHOP_DO_REMOVE, 5, now + 4, &record), BK_OK);
    assert_int_equal(record.event->op, BK_CART_REMOVE);
    assert_int_equal(act(shop, BK_SHOP_DO_BUY, 0, now + 5, &record), BK_OK);
    assert_int_equal(record.event->kind, BK_EVENT_PURCHASED);
    assert_int_equal(record.event->line_count, 1);
    assert_int_equal(kit_product(shop, &record.event->lines[0]), 9);
    assert_int_equal(bk_shop_cart(shop, 0, product, quantity), 0);
    assert_int_equal(act(shop, BK_SHOP_DO_DISMISS, 9, now + 6, &record), BK_OK);
    assert_int_equal(act(shop, BK_SHOP_DO_WISH, 9, now + 7, &record), BK_OK);
    bk_shop_destroy(&shop);
}

static void what_is_not_possible_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    struct bk_shop *shop = shop_with_account();
    struct bk_shop_record record;
    bk_wall_ms_t now = KIT_START + 1000;
    assert_int_equal(act(shop, BK_SHOP_DO_VIEW, 5, now, &record), BK_EINVAL); /* not taken */
    bk_shop_take(shop, 0, true);
    assert_int_equal(act(shop, BK_SHOP_DO_REMOVE, 5, now, &record), BK_EINVAL);
    assert_int_equal(act(shop, BK_SHOP_DO_BUY, 0, now, &record), BK_EINVAL);
    assert_int_equal(act(shop, BK_SHOP_DO_VIEW, 999999, now, &record), BK_EINVAL);
    assert_int_equal(act(shop, BK_SHOP_DO_ADD, 5, now, &record), BK_OK);
    assert_int_equal(act(shop, BK_SHOP_DO_REMOVE, 6, now, &record), BK_EINVAL);
    struct bk_shop_doing both = {.act = BK_SHOP_DO_REMOVE, .product = 5, .quantity = 2};
    assert_int_equal(bk_shop_act(shop, 0, &both, now, &record), BK_EINVAL); /* it holds one */
    assert_int_equal(bk_shop_shopper(shop, 0).cart_count, 1);
    assert_int_equal(bk_shop_visit(shop, 0, now), BK_EINVAL);
    bk_shop_destroy(&shop);
}

static void logging_in_tells_who_it_is_once(void **state)
{
    (void)state;
    struct bk_shop *shop = shop_with_account();
    struct bk_shop_record record;
    bk_wall_ms_t now = KIT_START + 1000;
    bk_shop_take(shop, 0, true);
    /* Visits begin known or unknown by chance: come until one begins unknown. */
    while (act(shop, BK_SHOP_DO_VIEW, 1, now, &record) == BK_OK && record.event->customer.p)
        assert_int_equal(act(shop, BK_SHOP_DO_LEAVE, 0, now, &record), 1);
    assert_int_equal(record.key.p[0], 'v');
    assert_int_equal(act(shop, BK_SHOP_DO_LOG_IN, 0, now, &record), BK_OK);
    assert_int_equal(record.event->kind, BK_EVENT_IDENTIFIED);
    assert_int_equal(record.key.p[0], 'v');
    assert_int_equal(act(shop, BK_SHOP_DO_LOG_IN, 0, now, &record), BK_EINVAL);
    assert_int_equal(act(shop, BK_SHOP_DO_VIEW, 2, now, &record), BK_OK);
    assert_int_equal(record.key.p[0], 'c');
    bk_shop_destroy(&shop);
}

static void a_taken_shopper_does_nothing_alone_and_goes_on_when_let_go(void **state)
{
    (void)state;
    struct bk_shop *shop = kit_shop(1, 4);
    struct bk_shop_record record;
    uint32_t own = 0;
    bk_shop_take(shop, 2, true);
    assert_true(bk_shop_shopper(shop, 2).taken);
    for (uint32_t i = 0; i < 3000 && bk_shop_next(shop, &record); i++)
        assert_int_not_equal(record.shopper, 2);
    bk_shop_take(shop, 2, false);
    for (uint32_t i = 0; i < 3000 && bk_shop_next(shop, &record); i++) own += record.shopper == 2;
    assert_true(own > 0);
    for (uint32_t i = 0; i < 4; i++) bk_shop_take(shop, i, true);
    assert_false(bk_shop_next(shop, &record));
    assert_true(bk_shop_next_ms(shop) == INT64_MAX);
    bk_shop_destroy(&shop);
}

static void a_called_shopper_comes_at_once(void **state)
{
    (void)state;
    struct bk_shop *shop = kit_shop(1, 50);
    struct bk_shop_record record;
    bk_wall_ms_t at = KIT_START + 1;
    assert_int_equal(bk_shop_visit(shop, 31, at), BK_OK);
    assert_true(bk_shop_shopper(shop, 31).visiting);
    assert_int_equal(bk_shop_visit(shop, 31, at), BK_EINVAL);
    assert_true(bk_shop_next(shop, &record));
    assert_int_equal(record.shopper, 31);
    assert_true(record.time_ms == at);
    assert_false(kit_is(record.event->device, "till"));
    bk_shop_destroy(&shop);
}

/* ---- the truth ---- */

static void habits_are_shares_of_a_whole_and_fall_due_after_their_interval(void **state)
{
    (void)state;
    static struct bk_shop_habit habit[BK_SHOP_HABITS_MAX];
    struct bk_shop *shop = kit_shop(1, 30);
    for (uint32_t i = 0; i < 30; i++) {
        uint32_t count = bk_shop_habits(shop, i, habit);
        double sum = 0;
        assert_in_range(count, 20, BK_SHOP_HABITS_MAX);
        for (uint32_t h = 0; h < count; h++) {
            sum += habit[h].share;
            if (h) assert_true(habit[h].share <= habit[h - 1].share);
            assert_true(habit[h].interval_days > 0 && habit[h].last_ms <= KIT_START);
            assert_true(habit[h].due_ms > habit[h].last_ms);
            assert_true(habit[h].product < bk_shop_product_count(shop));
        }
        assert_true(sum > 0.999 && sum < 1.001);
    }
    bk_shop_destroy(&shop);
}

/* The oracle is one: what a household is said to like best it buys most. */
static void the_habits_that_are_told_show_in_what_is_bought(void **state)
{
    (void)state;
    enum { SHOPPERS = 60, DAYS = 120 };
    static struct bk_shop_habit habit[BK_SHOP_HABITS_MAX];
    static uint32_t bought[SHOPPERS][8192];
    struct bk_shop *shop = kit_shop(1, SHOPPERS);
    static uint32_t first[SHOPPERS][5], last[SHOPPERS][5];
    for (uint32_t i = 0; i < SHOPPERS; i++) {
        uint32_t count = bk_shop_habits(shop, i, habit);
        for (uint32_t h = 0; h < 5; h++) {
            first[i][h] = habit[h].product;
            last[i][h] = habit[count - 1 - h].product;
        }
    }
    struct bk_shop_record record;
    while (bk_shop_next(shop, &record) &&
           record.time_ms < KIT_START + DAYS * (bk_wall_ms_t)KIT_DAY_MS)
        if (record.topic == BK_TOPIC_EVENTS && record.event->kind == BK_EVENT_PURCHASED)
            for (uint32_t l = 0; l < record.event->line_count; l++)
                bought[record.shopper][kit_product(shop, &record.event->lines[l])]++;
    uint32_t strong = 0, weak = 0;
    for (uint32_t i = 0; i < SHOPPERS; i++)
        for (uint32_t h = 0; h < 5; h++) {
            strong += bought[i][first[i][h]];
            weak += bought[i][last[i][h]];
        }
    if (strong < 8 * weak || strong < SHOPPERS * 5 * 4)
        fail_msg("the strongest habits were bought %u times, the weakest %u", strong, weak);
    bk_shop_destroy(&shop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_played_shopper_views_adds_removes_and_buys),
        cmocka_unit_test(what_is_not_possible_is_refused_and_changes_nothing),
        cmocka_unit_test(logging_in_tells_who_it_is_once),
        cmocka_unit_test(a_taken_shopper_does_nothing_alone_and_goes_on_when_let_go),
        cmocka_unit_test(a_called_shopper_comes_at_once),
        cmocka_unit_test(habits_are_shares_of_a_whole_and_fall_due_after_their_interval),
        cmocka_unit_test(the_habits_that_are_told_show_in_what_is_bought),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
