/* test_order.c -- the interleaving of partitions does not show: same digests, same lists, other
 * handles. */
#include "basketry/rank.h"
#include "support/events.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { EVENTS = 3000, PARTITIONS = 4, INTERLEAVINGS = 20 };

/* The stream in another order, each partition's own order kept. */
static void interleave(struct chance *chance, const struct told *stream, const struct told **order)
{
    uint32_t next[PARTITIONS] = {0}, left = EVENTS;
    uint32_t favourite = chance_below(chance, PARTITIONS + 1); /* one partition may be far ahead */
    while (left) {
        uint32_t p = chance_below(chance, 10) ? favourite : chance_below(chance, PARTITIONS);
        if (favourite == PARTITIONS) p = chance_below(chance, PARTITIONS);
        while (next[p] < EVENTS && stream[next[p]].partition != (int32_t)p) next[p]++;
        if (next[p] == EVENTS) {
            favourite = chance_below(chance, PARTITIONS);
            continue;
        }
        order[EVENTS - left--] = &stream[next[p]++];
    }
}

/* All lists of all subjects and items, by ids, as one number. */
static uint64_t fold_list(const struct bk_engine *engine, const struct bk_list *list, uint64_t mix)
{
    mix = bk_mix(mix ^ list->count ^ (uint64_t)list->situation << 8);
    for (uint32_t i = 0; i < list->count; i++) {
        const struct bk_list_item *item = &list->item[i];
        uint32_t score;
        memcpy(&score, &item->score, sizeof score);
        mix = bk_mix(mix ^ bk_item(&engine->shared, item->item)->id_hash);
        mix = bk_mix(mix ^ (item->because ? bk_item(&engine->shared, item->because)->id_hash : 0));
        mix = bk_mix(mix ^ score ^ (uint64_t)item->evidence << 32 ^ (uint64_t)item->tags << 16 ^
                     item->scorer);
    }
    return mix;
}

static uint64_t lists_digest(const struct bk_engine *engine, int64_t now_ms)
{
    struct bk_weights weights;
    bk_weights_default(&weights);
    struct bk_ranker *ranker = bk_ranker_create(engine, &weights);
    assert_non_null(ranker);
    struct bk_list list;
    uint64_t sum = 0;
    for (int32_t p = 0; p < PARTITIONS; p++) {
        const struct bk_shard *shard = engine->shards[p];
        for (uint32_t s = 1; s <= bk_table_top(&shard->subjects); s++)
            for (enum bk_context c = 0; bk_subject(shard, s)->alive && c < BK_CONTEXT_COUNT; c++) {
                bk_rank(ranker, shard, s, c, now_ms, BK_LIST_MAX, &list);
                sum += fold_list(engine, &list, bk_subject(shard, s)->id_hash ^ c);
            }
    }
    for (uint32_t item = 1; item <= bk_table_top(&engine->shared.items); item++) {
        bk_rank_item(ranker, item, BK_PAIR_BOUGHT, now_ms, 2, BK_LIST_MAX, &list);
        sum += fold_list(engine, &list, bk_item(&engine->shared, item)->id_hash);
    }
    bk_rank_popular(ranker, now_ms, BK_LIST_MAX, &list);
    bk_ranker_destroy(&ranker);
    return fold_list(engine, &list, sum);
}

struct outcome {
    uint64_t shared, lossy, shard[PARTITIONS], lists;
    uint32_t first_handle;
};

static struct outcome outcome_of(const struct bk_state_params *params, const struct told **order,
                                 int64_t now_ms, const char *item)
{
    struct bk_engine engine;
    struct outcome outcome = {0};
    told_engine(&engine, params);
    for (int32_t p = 0; p < PARTITIONS; p++) assert_non_null(bk_engine_shard(&engine, p));
    for (uint32_t i = 0; i < EVENTS; i++) told_apply(&engine, order[i]);
    outcome.shared = bk_shared_digest(&engine.shared, &outcome.lossy);
    for (int32_t p = 0; p < PARTITIONS; p++) outcome.shard[p] = bk_shard_digest(engine.shards[p]);
    outcome.lists = lists_digest(&engine, now_ms);
    outcome.first_handle = told_item(&engine, item);
    bk_engine_deinit(&engine);
    return outcome;
}

static void same_in_every_order(const char *what, uint64_t seed, struct told_shape shape)
{
    struct chance chance = chance_seed(what, seed);
    struct bk_state_params params = told_params();
    shape.partitions = PARTITIONS;
    struct told *stream = told_stream(&chance, &shape, EVENTS);
    const struct told *order[EVENTS];
    for (uint32_t i = 0; i < EVENTS; i++) order[i] = &stream[i];
    int64_t now = stream[EVENTS - 1].place.record_ms;
    struct outcome first = outcome_of(&params, order, now, "i7");
    bool other_handles = false;
    assert_int_equal(first.lossy, 0);
    for (int round = 0; round < INTERLEAVINGS; round++) {
        interleave(&chance, stream, order);
        struct outcome again = outcome_of(&params, order, now, "i7");
        other_handles = other_handles || again.first_handle != first.first_handle;
        assert_true(again.shared == first.shared);
        for (int p = 0; p < PARTITIONS; p++) assert_true(again.shard[p] == first.shard[p]);
        assert_true(again.lists == first.lists);
    }
    assert_true(other_handles); /* else nothing was shown */
    told_stream_free(stream, EVENTS);
}

static void interleavings_of_partitions_give_the_same_digests_and_lists(void **state)
{
    (void)state;
    struct told_shape shape = told_shape();
    shape.customers = 60;
    shape.items = 250;
    same_in_every_order("days", 201, shape);
}

static void late_events_and_epochs_that_roll_over_do_not_show_either(void **state)
{
    (void)state;
    struct told_shape shape = told_shape();
    shape.customers = 40;
    shape.items = 200;
    shape.leap_one_in = 8;
    shape.late_one_in = 4;
    same_in_every_order("months", 202, shape);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(interleavings_of_partitions_give_the_same_digests_and_lists),
        cmocka_unit_test(late_events_and_epochs_that_roll_over_do_not_show_either),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
