/* test_waiting.c -- the queues of lists that wait: first in first out, once each, nobody's after
 * their subject is gone; and facts. */
#include "support/events.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define BIT(name) (1u << BK_CONTEXT_##name)

static void waiting_subjects_come_once_each_in_order_with_what_waits(void **state)
{
    (void)state;
    struct bk_state_params params = told_params();
    struct bk_engine engine;
    told_engine(&engine, &params);
    struct bk_shard *shard = bk_engine_shard(&engine, 0);
    told_now(&engine, tell_view("ada", "x", TOLD_START));
    told_now(&engine, tell_view("bob", "x", TOLD_START + 1));
    told_now(&engine, tell_cart("ada", BK_CART_ADD, "x", TOLD_START + 2));
    told_now(&engine, tell(BK_EVENT_LIST_SHOWN, "eve", TOLD_START + 3));
    uint32_t contexts;
    int64_t waiting;
    assert_int_equal(bk_shard_totals(shard)->dirty_count, 2);
    assert_int_equal(bk_dirty_take(shard, &contexts, &waiting), told_subject(&engine, 0, "ada"));
    assert_int_equal(contexts, BIT(HOME) | BIT(PRODUCT) | BIT(CART) | BIT(CHECKOUT));
    assert_int_equal(waiting, TOLD_START); /* the oldest that its lists do not know */
    assert_int_equal(bk_dirty_take(shard, &contexts, &waiting), told_subject(&engine, 0, "bob"));
    assert_int_equal(contexts, BIT(HOME) | BIT(PRODUCT));
    assert_int_equal(bk_dirty_take(shard, &contexts, &waiting), 0);
    assert_int_equal(bk_shard_totals(shard)->dirty_count, 0);
    bk_engine_deinit(&engine);
}

static void what_is_put_back_for_a_reused_number_is_ignored(void **state)
{
    (void)state;
    struct bk_state_params params = told_params();
    struct bk_engine engine;
    told_engine(&engine, &params);
    struct bk_shard *shard = bk_engine_shard(&engine, 0);
    told_now(&engine, tell_view("ada", "x", TOLD_START));
    uint32_t contexts, ada = told_subject(&engine, 0, "ada"), stamp = bk_subject(shard, ada)->stamp;
    int64_t waiting;
    bk_dirty_take(shard, &contexts, &waiting);
    told_now(&engine, tell(BK_EVENT_CUSTOMER_ERASED, "ada", TOLD_START + 1));
    bk_dirty_put(shard, ada, stamp, contexts, waiting);
    assert_int_equal(bk_dirty_take(shard, &contexts, &waiting), 0);
    told_now(&engine, tell(BK_EVENT_LIST_SHOWN, "bob", TOLD_START + 2));
    assert_int_equal(told_subject(&engine, 0, "bob"), ada);
    bk_dirty_put(shard, ada, stamp, BIT(HOME), 1);
    assert_int_equal(bk_dirty_take(shard, &contexts, &waiting), 0);
    bk_dirty_put(shard, 99, 1, BIT(HOME), 1);
    bk_dirty_put(shard, 0, 1, BIT(HOME), 1);
    assert_int_equal(bk_dirty_take(shard, &contexts, &waiting), 0);
    bk_dirty_put(shard, ada, bk_subject(shard, ada)->stamp, BIT(HOME), 0);
    assert_int_equal(bk_dirty_take(shard, &contexts, &waiting), ada);
    assert_int_equal(waiting, 0);
    bk_engine_deinit(&engine);
}

/* Against an array: puts, takes, and subjects that go while they wait. */
static void the_queue_is_an_arrays_whoever_leaves_it(void **state)
{
    (void)state;
    struct chance chance = chance_seed("queue", 701);
    struct bk_state_params params = told_params();
    struct bk_engine engine;
    told_engine(&engine, &params);
    struct bk_shard *shard = bk_engine_shard(&engine, 0);
    const char *naive[64];
    uint32_t waiting_count = 0;
    for (int step = 0; step < 20000; step++) {
        const char *who = told_name("c", chance_below(&chance, 40));
        uint32_t at = 0, contexts, dice = chance_below(&chance, 10);
        int64_t waiting;
        while (at < waiting_count && naive[at] != who) at++;
        if (dice < 5) {
            told_now(&engine, tell_view(who, "x", TOLD_START + step));
            if (at == waiting_count) naive[waiting_count++] = who;
        } else if (dice < 7) {
            told_now(&engine, tell(BK_EVENT_CUSTOMER_ERASED, who, TOLD_START + step));
            if (at == waiting_count) continue;
            memmove(&naive[at], &naive[at + 1], (waiting_count - at - 1) * sizeof naive[0]);
            waiting_count--;
        } else {
            uint32_t subject = bk_dirty_take(shard, &contexts, &waiting);
            assert_int_equal(subject, waiting_count ? told_subject(&engine, 0, naive[0]) : 0);
            if (!waiting_count) continue;
            memmove(&naive[0], &naive[1], --waiting_count * sizeof naive[0]);
        }
        assert_int_equal(bk_shard_totals(shard)->dirty_count, waiting_count);
    }
    bk_engine_deinit(&engine);
}

static void items_wait_once_each_and_what_is_unchanged_is_not_written(void **state)
{
    (void)state;
    struct bk_state_params params = told_params();
    struct bk_engine engine;
    told_engine(&engine, &params);
    told_now(&engine, tell_purchase("ada", "o", "a b a", TOLD_START));
    told_now(&engine, tell_purchase("bob", "p", "b", TOLD_START));
    uint32_t a = told_item(&engine, "a"), b = told_item(&engine, "b");
    assert_int_equal(bk_totals(&engine.shared)->dirty_count, 2);
    assert_int_equal(bk_dirty_item_take(&engine), a);
    assert_int_equal(bk_dirty_item_take(&engine), b);
    assert_int_equal(bk_dirty_item_take(&engine), 0);
    assert_true(bk_item_published(&engine, a, 0, 5));
    assert_false(bk_item_published(&engine, a, 0, 5));
    assert_true(bk_item_published(&engine, a, 1, 5));
    assert_true(bk_item_published(&engine, a, 0, 8));
    assert_true(bk_item_published(&engine, b, 0, 0));
    bk_dirty_item_put(&engine, a);
    assert_int_equal(bk_dirty_item_take(&engine), a);
    assert_true(bk_item_published(&engine, a, 0, 8)); /* what is out there was not known any more */
    bk_engine_deinit(&engine);
}

static void facts_are_last_write_wins_and_a_tombstone_clears_them(void **state)
{
    (void)state;
    struct bk_state_params params = told_params();
    struct bk_engine engine;
    told_engine(&engine, &params);
    struct told told = tell_lines(tell(BK_EVENT_PRODUCT, NULL, TOLD_START), "milk");
    told.event.name = BK_STR("Milk, 1 l");
    told.event.brand = BK_STR("Meadow");
    told.event.lines[0].category = BK_STR("Food > Dairy > Milk");
    told.event.lines[0].unit_price_minor = 129;
    bk_apply_product(&engine, BK_STR("milk"), &told.event);
    uint32_t milk = told_item(&engine, "milk");
    const struct bk_shared *shared = &engine.shared;
    assert_true(bk_str_eq(bk_item_fact(shared, milk, BK_FACT_NAME), BK_STR("Milk, 1 l")));
    assert_true(
        bk_str_eq(bk_item_fact(shared, milk, BK_FACT_CATEGORY), BK_STR("Food > Dairy > Milk")));
    assert_true(bk_str_eq(bk_item_fact(shared, milk, BK_FACT_BRAND), BK_STR("Meadow")));
    assert_int_equal(bk_item(shared, milk)->price_minor, 129);
    uint32_t food = bk_item(shared, milk)->category;
    assert_int_not_equal(food, 0);
    char name[301];
    memset(name, 'n', 254);
    memcpy(name + 254, "\xC3\xA9tail", 7);
    told.event.name = bk_str(name, 260);
    told.event.brand = (bk_str_t){NULL, 0};
    told.event.variant_group = BK_STR("milks");
    told.event.lines[0].category = BK_STR("Food>Bread");
    bk_apply_product(&engine, BK_STR("milk"), &told.event);
    assert_int_equal(bk_item_fact(shared, milk, BK_FACT_NAME).len,
                     254); /* cut before the character */
    assert_int_equal(bk_item_fact(shared, milk, BK_FACT_BRAND).len, 0);
    assert_int_equal(bk_item(shared, milk)->category, food);
    assert_int_not_equal(bk_item(shared, milk)->variant, 0);
    told.event.tombstone = true;
    bk_apply_product(&engine, BK_STR("milk"), &told.event);
    bk_apply_product(&engine, BK_STR("never-heard-of"), &told.event);
    assert_int_equal(bk_item_fact(shared, milk, BK_FACT_NAME).len, 0);
    assert_int_equal(bk_item(shared, milk)->category, 0);
    assert_int_equal(bk_item(shared, milk)->shelf, 0);
    assert_int_equal(bk_item(shared, milk)->variant, 0);
    assert_true(bk_item(shared, milk)->price_minor == BK_NULL_I64);
    assert_int_equal(told_item(&engine, "never-heard-of"), 0);
    told_free(&told);
    bk_engine_deinit(&engine);
}

static void words_are_complete_and_parse_back(void **state)
{
    (void)state;
    for (enum bk_context context = 0; context < BK_CONTEXT_COUNT; context++) {
        assert_int_equal(bk_context_parse(bk_str_c(bk_context_word(context))), context);
        assert_true(bk_context_expires_s(context) >= 3600);
    }
    assert_int_equal(bk_context_parse(BK_STR("garden")), BK_CONTEXT_COUNT);
    for (enum bk_state_counter c = 0; c < BK_STATE_COUNTER_COUNT; c++)
        assert_string_not_equal(bk_state_counter_label(c), "?");
    for (enum bk_pair_kind kind = 0; kind < BK_PAIR_KIND_COUNT; kind++)
        assert_string_not_equal(bk_pair_kind_label(kind), "?");
    assert_int_equal(bk_history_decay_q16(0), 65536);
    assert_in_range(bk_history_decay_q16(23), 32450, 32600); /* about a half */
    assert_int_equal(bk_history_decay_q16(UINT32_MAX), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waiting_subjects_come_once_each_in_order_with_what_waits),
        cmocka_unit_test(what_is_put_back_for_a_reused_number_is_ignored),
        cmocka_unit_test(the_queue_is_an_arrays_whoever_leaves_it),
        cmocka_unit_test(items_wait_once_each_and_what_is_unchanged_is_not_written),
        cmocka_unit_test(facts_are_last_write_wins_and_a_tombstone_clears_them),
        cmocka_unit_test(words_are_complete_and_parse_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
