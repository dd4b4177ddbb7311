/* test_budget.c -- the sum holds: whatever comes, state stays inside bytes_max, and every event is
 * answered. */
#include "basketry/rank.h"
#include "support/events.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { SHARDS = 4, LINES = 2000, LOOK_EVERY = 64 };

struct shop {
    struct bk_engine engine;
    struct bk_ranker *ranker;
    struct bk_line *lines;
    char (*names)[BK_ID_BYTES_MAX];
    int64_t time_ms;
    uint32_t told, answered;
};

static void open_shop(struct shop *shop, uint64_t bytes_max)
{
    struct bk_state_params params;
    struct bk_weights weights;
    bk_state_params_default(&params);
    params.bytes_max = bytes_max;
    params.shards_max = SHARDS;
    bk_weights_default(&weights);
    *shop = (struct shop){.time_ms = TOLD_START};
    assert_int_equal(bk_engine_init(&shop->engine, &params), BK_OK);
    shop->ranker = bk_ranker_create(&shop->engine, &weights);
    shop->lines = calloc(LINES, sizeof *shop->lines);
    shop->names = calloc(LINES, sizeof *shop->names);
    assert_true(shop->ranker && shop->lines && shop->names);
}

static void close_shop(struct shop *shop)
{
    bk_ranker_destroy(&shop->ranker);
    bk_engine_deinit(&shop->engine);
    free(shop->lines);
    free(shop->names);
}

/* 128 bytes that differ by `n`: the longest name there is. */
static bk_str_t long_name(char *out, const char *what, uint32_t n)
{
    memset(out, 'x', BK_ID_BYTES_MAX);
    int len = snprintf(out, BK_ID_BYTES_MAX, "%s-%u-", what, n);
    out[len] = 'x';
    return bk_str(out, BK_ID_BYTES_MAX);
}

static void rank_somebody(struct shop *shop, const struct bk_shard *shard, uint32_t subject)
{
    struct bk_list list;
    bk_rank(shop->ranker, shard, subject, BK_CONTEXT_HOME, shop->time_ms, 20, &list);
    shop->answered += list.count > 0;
}

/* One event: applied, inside the budget, and (now and then) ranked. */
static void happens(struct shop *shop, enum bk_event_kind kind, int op, uint32_t who,
                    uint32_t first_item, uint32_t lines, uint32_t step_ms)
{
    char subject[BK_ID_BYTES_MAX], id[32], order[32];
    struct bk_shard *shard = bk_engine_shard(&shop->engine, (int32_t)(who % SHARDS));
    assert_non_null(shard);
    shop->time_ms += step_ms;
    struct bk_event event = {.kind = kind,
                             .op = (uint8_t)op,
                             .consent = BK_CONSENT_PERSONAL,
                             .event_time_ms = shop->time_ms,
                             .customer = long_name(subject, "customer", who),
                             .lines = shop->lines,
                             .line_count = lines};
    event.event_id = bk_str(id, (uint32_t)snprintf(id, sizeof id, "event-%u", shop->told));
    event.order_id = bk_str(order, (uint32_t)snprintf(order, sizeof order, "order-%u", shop->told));
    for (uint32_t i = 0; i < lines; i++)
        shop->lines[i] = (struct bk_line){.item = long_name(shop->names[i], "item", first_item + i),
                                          .quantity = 1};
    struct bk_place place = {bk_shard_totals(shard)->next_offset, shop->time_ms};
    struct bk_applied applied = bk_apply(&shop->engine, shard, &place, &event);
    assert_int_equal(applied.verdict, BK_VERDICT_OK);
    if (++shop->told % LOOK_EVERY) return;
    uint64_t bytes = bk_engine_bytes(&shop->engine);
    if (bytes > shop->engine.params.bytes_max)
        fail_msg("%llu bytes after %u events", (unsigned long long)bytes, shop->told);
    if (applied.subject) rank_somebody(shop, shard, applied.subject);
}

static void crowds(struct shop *shop) /* many shoppers, a view each */
{
    for (uint32_t i = 0; i < 40000; i++) happens(shop, BK_EVENT_ITEM_VIEWED, 0, i, i % 50, 1, 10);
}

static void hoarders(struct shop *shop) /* many items, some shoppers */
{
    for (uint32_t i = 0; i < 40000; i++)
        happens(shop, BK_EVENT_ITEM_VIEWED, 0, i % 90, 100 + i, 1, 5000);
}

static void receipts(struct shop *shop) /* the longest there are, each of other items */
{
    for (uint32_t i = 0; i < 150; i++)
        happens(shop, BK_EVENT_PURCHASED, 0, i % 60, i * 991, LINES, 60000);
}

static void carts(struct shop *shop) /* that only grow */
{
    for (uint32_t i = 0; i < 600; i++)
        happens(shop, BK_EVENT_CART_CHANGED, BK_CART_ADD, i % 40, i * 37, 400, 1000);
}

static void sessions(struct shop *shop) /* that never end */
{
    for (uint32_t i = 0; i < 40000; i++)
        happens(shop, BK_EVENT_ITEM_VIEWED, 0, i % 7, i * 7919 % 5000, 1, 500);
}

static void dismissals(struct shop *shop) /* of everything */
{
    for (uint32_t i = 0; i < 20000; i++)
        happens(shop, BK_EVENT_ITEM_DISMISSED, 0, i % 3, i, 1, 100);
}

static uint64_t count(const struct shop *shop, enum bk_state_counter counter)
{
    return bk_engine_counter(&shop->engine, counter);
}

static void whatever_comes_state_stays_inside_its_budget_and_every_event_is_answered(void **state)
{
    (void)state;
    static const uint64_t budgets[] = {4 << 20, 8 << 20, 16 << 20};
    for (size_t i = 0; i < BK_COUNTOF(budgets); i++) {
        struct shop shop;
        open_shop(&shop, budgets[i]);
        receipts(&shop);
        crowds(&shop);
        hoarders(&shop);
        carts(&shop);
        sessions(&shop);
        dismissals(&shop);
        crowds(&shop);
        uint64_t evicted = count(&shop, BK_STATE_SUBJECTS_EVICTED);
        uint64_t rows = count(&shop, BK_STATE_ROWS_EVICTED);
        uint64_t refused = count(&shop, BK_STATE_MEMORY_REFUSED);
        uint64_t over = count(&shop, BK_STATE_ITEMS_OVER_LIMIT);
        printf("# %llu MiB: %u events, %llu bytes; evicted %llu subjects, %llu rows; left out %llu "
               "for memory, %llu items; %u of %u lists ranked\n",
               (unsigned long long)(budgets[i] >> 20), shop.told,
               (unsigned long long)bk_engine_bytes(&shop.engine), (unsigned long long)evicted,
               (unsigned long long)rows, (unsigned long long)refused, (unsigned long long)over,
               shop.answered, shop.told / LOOK_EVERY);
        assert_true(evicted > 1000 && rows > 100 && over > 0);
        assert_true(count(&shop, BK_STATE_RECEIPT_LINES_CUT) > 0);
        assert_true(count(&shop, BK_STATE_SESSION_EVENTS_CUT) > 0);
        assert_true(shop.answered * 10 > shop.told / LOOK_EVERY * 9);
        close_shop(&shop);
    }
}

static void a_shard_beyond_shards_max_is_refused_and_the_others_keep_their_shares(void **state)
{
    (void)state;
    struct shop shop;
    open_shop(&shop, 8 << 20);
    for (int32_t partition = 0; partition < SHARDS; partition++)
        assert_non_null(bk_engine_shard(&shop.engine, partition * 3));
    assert_null(bk_engine_shard(&shop.engine, 1));
    assert_non_null(bk_engine_shard(&shop.engine, 3)); /* it is here */
    bk_engine_drop(&shop.engine, 3);
    assert_non_null(bk_engine_shard(&shop.engine, 1)); /* its share is free again */
    assert_null(bk_engine_shard(&shop.engine, 3));
    close_shop(&shop);
}

static void a_budget_too_small_for_its_shards_is_refused(void **state)
{
    (void)state;
    struct bk_engine engine;
    struct bk_state_params params;
    bk_state_params_default(&params);
    params.bytes_max = 16 << 20;
    params.shards_max = 1024;
    assert_int_equal(bk_engine_init(&engine, &params), BK_OK);
    assert_null(bk_engine_shard(&engine, 0));
    bk_engine_deinit(&engine);
    params.bytes_max = 10000;
    params.shards_max = 1;
    assert_int_equal(bk_engine_init(&engine, &params), BK_ENOMEM);
}

/* One visitor, one event. */
static void tell_visitor(struct bk_engine *engine, const char *prefix, uint32_t n, struct told told)
{
    char name[24];
    snprintf(name, sizeof name, "%s%u", prefix, n);
    told.event.visitor = bk_str_c(name);
    told_now(engine, told);
}

/* A flood of small carts takes all of a shard; then a customer buys more and more. */
static void memory_that_small_carts_had_serves_a_long_history(void **state)
{
    (void)state;
    enum { CARTS = 70000, ORDERS = 6, LINES_EACH = 30, BETWEEN = 1500 };
    struct bk_engine engine;
    struct bk_state_params params = told_params();
    params.bytes_max = 16u << 20;
    params.shards_max = 1;
    told_engine(&engine, &params);
    for (uint32_t i = 0; i < CARTS; i++) {
        if (i % 5000 == 0) told_forget();
        tell_visitor(
            &engine, "v", i,
            tell_cart(NULL, BK_CART_ADD, "i1 i2 i3 i4 i5 i6 i7 i8 i9 i10 i11 i12", TOLD_START + i));
    }
    for (int order = 0; order < ORDERS; order++) {
        char items[LINES_EACH * 8] = "", name[16];
        size_t len = 0;
        told_forget();
        for (int line = 0; line < LINES_EACH; line++)
            len += (size_t)snprintf(items + len, sizeof items - len, "%sp%d", line ? " " : "",
                                    order * LINES_EACH + line);
        snprintf(name, sizeof name, "o%d", order);
        told_now(&engine, tell_purchase("ann", told_word(name, strlen(name)), items,
                                        TOLD_START + CARTS + order * (int64_t)TOLD_HOUR));
        for (uint32_t i = 0; i < BETWEEN; i++)
            tell_visitor(&engine, "w", (uint32_t)order * BETWEEN + i,
                         tell_view(NULL, told_name("i", i % 50), TOLD_START + CARTS + i));
    }
    uint32_t ann = told_subject(&engine, 0, "ann");
    assert_true(ann);
    const struct bk_shard *shard = engine.shards[0];
    uint32_t known = bk_map_count(&shard->heap, bk_subject(shard, ann)->history);
    assert_int_equal(known, ORDERS * LINES_EACH);
    assert_int_equal(bk_engine_counter(&engine, BK_STATE_MEMORY_REFUSED), 0);
    bk_engine_deinit(&engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_comes_state_stays_inside_its_budget_and_every_event_is_answered),
        cmocka_unit_test(a_shard_beyond_shards_max_is_refused_and_the_others_keep_their_shares),
        cmocka_unit_test(memory_that_small_carts_had_serves_a_long_history),
        cmocka_unit_test(a_budget_too_small_for_its_shards_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
