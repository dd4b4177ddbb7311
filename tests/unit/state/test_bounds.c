/* test_bounds.c -- what happens at every limit: something is left out, counted, and the same the
 * next time. */
#include "basketry/rank.h"
#include "support/events.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static uint64_t counter(const struct bk_engine *engine, enum bk_state_counter which)
{
    return bk_engine_counter(engine, which);
}

struct run {
    uint64_t shared, shards, lossy, bytes, counters[BK_STATE_COUNTER_COUNT];
    uint32_t subjects;
};

static struct run run_of(const struct bk_state_params *params, const struct told *stream,
                         uint32_t events, uint32_t partitions)
{
    struct bk_engine engine;
    struct run run = {0};
    told_engine(&engine, params);
    for (uint32_t i = 0; i < events; i++) {
        told_apply(&engine, &stream[i]);
        if (i % 64 == 0) assert_true(bk_engine_bytes(&engine) <= params->bytes_max + (1u << 20));
    }
    run.shared = bk_shared_digest(&engine.shared, &run.lossy);
    for (uint32_t p = 0; p < partitions; p++) {
        run.shards += bk_shard_digest(engine.shards[p]);
        run.subjects += bk_shard_totals(engine.shards[p])->subjects;
    }
    for (enum bk_state_counter c = 0; c < BK_STATE_COUNTER_COUNT; c++)
        run.counters[c] = counter(&engine, c);
    run.bytes = bk_engine_bytes(&engine);
    bk_engine_deinit(&engine);
    return run;
}

static void with_little_memory_the_cold_make_room_and_it_is_the_same_twice(void **state)
{
    (void)state;
    enum { EVENTS = 60000 };
    struct chance chance = chance_seed("little memory", 401);
    struct bk_state_params params = told_params();
    struct told_shape shape = told_shape();
    params.bytes_max = 2 << 20;
    params.shards_max = 2;
    shape.partitions = 2;
    shape.customers = 4000;
    shape.items = 3000;
    shape.step_ms_max = 60000;
    struct told *stream = told_stream(&chance, &shape, EVENTS);
    struct run first = run_of(&params, stream, EVENTS, 2),
               again = run_of(&params, stream, EVENTS, 2);
    assert_memory_equal(&first, &again, sizeof first);
    assert_true(first.counters[BK_STATE_SUBJECTS_EVICTED] > 100);
    assert_true(first.counters[BK_STATE_ROWS_EVICTED] > 100);
    assert_true(first.lossy > 0);
    assert_true(first.subjects > 400); /* eviction makes room, it does not empty the shop */
    told_stream_free(stream, EVENTS);
}

/* The truth is an engine whose rows have no bound. */
static void a_row_keeps_at_most_its_partners_and_never_counts_too_much(void **state)
{
    (void)state;
    enum { EVENTS = 6000 };
    struct chance chance = chance_seed("rows", 402);
    struct bk_state_params params = told_params(), bounded = params;
    struct told_shape shape = told_shape();
    params.pair_partners_max = 4096;
    bounded.pair_partners_max = 17;
    shape.items = 150;
    struct told *stream = told_stream(&chance, &shape, EVENTS);
    struct bk_engine truth, engine;
    told_engine(&truth, &params);
    told_engine(&engine, &bounded);
    for (uint32_t i = 0; i < EVENTS; i++) {
        told_apply(&truth, &stream[i]);
        told_apply(&engine, &stream[i]);
    }
    uint64_t pairs = 0, exact = 0, flagged = 0;
    for (uint32_t item = 1; item <= bk_table_top(&engine.shared.items); item++)
        for (int kind = 0; kind < BK_PAIR_KIND_COUNT; kind++) {
            bk_ref_t row = bk_item(&engine.shared, item)->rows[kind];
            bk_ref_t whole =
                bk_item(&truth.shared, item)->rows[kind]; /* one partition: same handles */
            assert_true(bk_map_count(&engine.shared.heap, row) <= 17);
            bool lossy = row && bk_map_head(&engine.shared.heap, row)->flags & BK_ROW_LOSSY;
            flagged += lossy;
            if (!lossy)
                assert_int_equal(bk_map_count(&engine.shared.heap, row),
                                 bk_map_count(&truth.shared.heap, whole));
            const struct bk_pair *pair;
            for (uint32_t at = 0; (pair = bk_map_next(&engine.shared.heap, row, &at)) != NULL;
                 pairs++) {
                const struct bk_pair *real = bk_map_find(&truth.shared.heap, whole, pair->partner);
                assert_non_null(real);
                assert_true(pair->total <= real->total);
                assert_true(lossy || memcmp(pair, real, sizeof *pair) == 0);
                exact += pair->total == real->total;
            }
        }
    for (uint32_t i = 1; i <= bk_totals(&engine.shared)->segment_count; i++)
        flagged += bk_map_head(&engine.shared.heap, bk_segment(&engine.shared, i)->row)->flags &
                   BK_ROW_LOSSY;
    assert_true(flagged > 100);
    assert_true(exact * 3 > pairs); /* the strong stay long enough to be counted well */
    uint64_t lossy;
    bk_shared_digest(&engine.shared, &lossy);
    assert_int_equal(lossy, flagged);
    assert_true(counter(&engine, BK_STATE_ROWS_PRUNED) >= flagged);
    told_stream_free(stream, EVENTS);
    bk_engine_deinit(&engine);
    bk_engine_deinit(&truth);
}

/* One more partner than a row holds: the weakest quarter goes, by total, then newest epoch, then
 * hash of the id. */
static void the_weakest_quarter_of_a_full_row_makes_room(void **state)
{
    (void)state;
    struct bk_state_params params = told_params();
    struct bk_engine engine;
    params.pair_partners_max = 16;
    told_engine(&engine, &params);
    int64_t t = TOLD_START;
    uint32_t order = 0;
    for (uint32_t partner = 1; partner <= 16; partner++)
        for (uint32_t times = 0; times < partner; times++, t += TOLD_DAY) {
            char items[32];
            snprintf(items, sizeof items, "hub p%u", (partner * 7) % 17);
            told_now(&engine, tell_purchase("ada", told_name("order", order++), items, t));
        }
    uint32_t hub = told_item(&engine, "hub");
    assert_int_equal(bk_map_count(&engine.shared.heap, bk_item(&engine.shared, hub)->rows[0]), 16);
    assert_int_equal(counter(&engine, BK_STATE_ROWS_PRUNED), 0);
    told_now(&engine, tell_purchase("ada", "one-more", "hub fresh", t));
    bk_ref_t row = bk_item(&engine.shared, hub)->rows[BK_PAIR_BOUGHT];
    assert_int_equal(bk_map_count(&engine.shared.heap, row), 13);
    assert_int_equal(counter(&engine, BK_STATE_ROWS_PRUNED), 1);
    for (uint32_t partner = 1; partner <= 16; partner++) {
        const struct bk_pair *pair = bk_map_find(
            &engine.shared.heap, row, told_item(&engine, told_name("p", (partner * 7) % 17)));
        assert_int_equal(pair ? pair->total : 0, partner > 4 ? partner : 0);
    }
    bk_engine_deinit(&engine);
}

static void items_beyond_the_limit_are_counted_and_not_remembered(void **state)
{
    (void)state;
    struct bk_state_params params = told_params();
    struct bk_engine engine;
    params.items_max = 50;
    told_engine(&engine, &params);
    for (uint32_t i = 0; i < 80; i++)
        told_now(&engine, tell_view("ada", told_name("i", i), TOLD_START + i));
    told_now(&engine, tell_purchase("ada", "o", "i1 i60 i2", TOLD_START + 100));
    told_now(&engine, tell_cart("ada", BK_CART_ADD, "i3 i61", TOLD_START + 101));
    assert_int_equal(bk_table_top(&engine.shared.items), 50);
    assert_true(counter(&engine, BK_STATE_ITEMS_OVER_LIMIT) >= 30);
    struct bk_shard *shard = bk_engine_shard(&engine, 0);
    const struct bk_subject *sub = bk_subject(shard, told_subject(&engine, 0, "ada"));
    assert_int_equal(bk_map_count(&shard->heap, sub->cart), 1);
    assert_int_equal(bk_map_count(&shard->heap, sub->history), 2);
    bk_engine_deinit(&engine);
}

/* Seventeen such events drove a posted session's capacity over its 16 bits once. */
static void a_session_of_few_events_and_many_items_teaches_no_more_than_its_bound(void **state)
{
    (void)state;
    struct bk_state_params params = told_params();
    struct bk_engine engine;
    params.items_max = 50000;
    told_engine(&engine, &params);
    for (uint32_t n = 0; n < 20; n++) {
        struct told told = tell(BK_EVENT_CART_CHANGED, "bot", TOLD_START + n);
        told.event.op = BK_CART_ADD;
        told.event.line_count = BK_LINES_MAX;
        told.event.lines = calloc(BK_LINES_MAX, sizeof *told.event.lines);
        for (uint32_t i = 0; i < BK_LINES_MAX; i++) {
            bk_line_reset(&told.event.lines[i]);
            told.event.lines[i].item = bk_str_c(told_name("i", n * BK_LINES_MAX + i));
        }
        told_now(&engine, told);
    }
    for (uint32_t n = 1; n <= bk_table_top(&engine.shared.posted); n++)
        assert_true(((const struct bk_posted *)bk_table_read(&engine.shared.posted, n))->count <=
                    params.session_events_max);
    assert_true(counter(&engine, BK_STATE_SESSION_EVENTS_CUT) >= 39000);
    struct bk_shard *shard = bk_engine_shard(&engine, 0);
    const struct bk_subject *sub = bk_subject(shard, told_subject(&engine, 0, "bot"));
    assert_int_equal(bk_map_count(&shard->heap, sub->cart), params.cart_lines_max);
    assert_int_equal(counter(&engine, BK_STATE_CART_LINES_CUT),
                     20 * BK_LINES_MAX - params.cart_lines_max);
    bk_engine_deinit(&engine);
}

static void a_full_history_lets_the_weakest_item_go(void **state)
{
    (void)state;
    struct bk_state_params params = told_params();
    struct bk_engine engine;
    params.history_items_max = 16;
    told_engine(&engine, &params);
    int64_t t = TOLD_START;
    told_now(&engine, tell_purchase("ada", "first", "milk", t));
    told_now(&engine, tell_purchase("ada", "second", "milk once", t += TOLD_DAY));
    for (uint32_t i = 0; i < 14; i++)
        told_now(&engine,
                 tell_purchase("ada", told_name("later", i), told_name("i", i), t += TOLD_DAY));
    struct bk_shard *shard = bk_engine_shard(&engine, 0);
    const struct bk_subject *sub = bk_subject(shard, told_subject(&engine, 0, "ada"));
    assert_int_equal(bk_map_count(&shard->heap, sub->history), 16);
    told_now(&engine, tell_purchase("ada", "one-more", "fresh", t));
    assert_int_equal(bk_map_count(&shard->heap, sub->history), 16);
    assert_null(bk_map_find(&shard->heap, sub->history, told_item(&engine, "once")));
    assert_non_null(bk_map_find(&shard->heap, sub->history, told_item(&engine, "milk")));
    assert_non_null(bk_map_find(&shard->heap, sub->history, told_item(&engine, "fresh")));
    assert_int_equal(counter(&engine, BK_STATE_HISTORY_ITEMS_CUT), 1);
    bk_engine_deinit(&engine);
}

static void as_many_items_are_marked_as_a_history_holds_and_more_are_counted(void **state)
{
    (void)state;
    struct bk_state_params params = told_params();
    struct bk_engine engine;
    params.history_items_max = 16;
    told_engine(&engine, &params);
    for (uint32_t i = 0; i < 20; i++) {
        struct told told = tell(BK_EVENT_ITEM_DISMISSED, "ada", TOLD_START + i);
        told_now(&engine, tell_lines(told, told_name("i", i < 18 ? i : 3)));
    }
    struct bk_shard *shard = bk_engine_shard(&engine, 0);
    const struct bk_subject *sub = bk_subject(shard, told_subject(&engine, 0, "ada"));
    assert_int_equal(bk_map_count(&shard->heap, sub->marks), 16);
    assert_int_equal(counter(&engine, BK_STATE_HISTORY_ITEMS_CUT), 2);
    bk_engine_deinit(&engine);
}

/* A row that was dropped and came again has lost what it counted before: it is not exact any
 * more. */
static void a_row_that_was_evicted_stays_marked_as_lossy(void **state)
{
    (void)state;
    enum { EVENTS = 20000 };
    struct chance chance = chance_seed("evicted rows", 403);
    struct bk_state_params params = told_params(), large = params;
    struct told_shape shape = told_shape();
    params.bytes_max = 3 << 20;
    params.shards_max = large.shards_max = 1;
    params.postings_max = large.postings_max = 0;
    shape.items = 1500;
    struct told *stream = told_stream(&chance, &shape, EVENTS);
    struct bk_engine engine, truth;
    told_engine(&engine, &params);
    told_engine(&truth, &large);
    for (uint32_t i = 0; i < EVENTS; i++) {
        told_apply(&engine, &stream[i]);
        told_apply(&truth, &stream[i]);
    }
    assert_true(counter(&engine, BK_STATE_ROWS_EVICTED) > 0);
    assert_int_equal(counter(&engine, BK_STATE_SUBJECTS_EVICTED), 0);
    uint64_t wrong = 0;
    for (uint32_t item = 1; item <= bk_table_top(&engine.shared.items); item++)
        for (int kind = 0; kind < BK_PAIR_KIND_COUNT; kind++) {
            const struct bk_item *it = bk_item(&engine.shared, item);
            if (bk_row_is_lossy(&engine.shared, item, kind)) continue;
            const struct bk_pair *pair;
            bk_ref_t whole = bk_item(&truth.shared, item)->rows[kind];
            wrong += bk_map_count(&engine.shared.heap, it->rows[kind]) !=
                     bk_map_count(&truth.shared.heap, whole);
            for (uint32_t at = 0;
                 (pair = bk_map_next(&engine.shared.heap, it->rows[kind], &at)) != NULL;) {
                const struct bk_pair *real = bk_map_find(&truth.shared.heap, whole, pair->partner);
                wrong += !real || real->total != pair->total;
            }
        }
    assert_int_equal(wrong, 0);
    told_stream_free(stream, EVENTS);
    bk_engine_deinit(&engine);
    bk_engine_deinit(&truth);
}

/* Second chance: who came back since the hand last came by stays. */
static void who_comes_back_is_not_the_one_to_go(void **state)
{
    (void)state;
    struct bk_state_params params = told_params();
    struct bk_engine engine;
    params.bytes_max = 1 << 20;
    params.shards_max = 1;
    told_engine(&engine, &params);
    for (uint32_t i = 0; i < 20000; i++) {
        if (i == 100) told_now(&engine, tell_purchase("faithful", "o", "milk", TOLD_START + i));
        told_now(&engine, tell_view(told_name("passer-by-", i), "milk", TOLD_START + i));
        if (i > 100 && i % 50 == 0)
            told_now(&engine, tell_view("faithful", "milk", TOLD_START + i));
    }
    assert_true(counter(&engine, BK_STATE_SUBJECTS_EVICTED) > 10000);
    uint32_t faithful = told_subject(&engine, 0, "faithful");
    assert_int_not_equal(faithful, 0);
    assert_int_equal(bk_subject(engine.shards[0], faithful)->receipts, 1);
    bk_engine_deinit(&engine);
}

/* Among the first that the hand comes by, and bought again since. */
static void the_rows_of_an_item_in_use_are_not_the_ones_to_go(void **state)
{
    (void)state;
    struct bk_state_params params = told_params();
    struct bk_engine engine;
    params.bytes_max = 1 << 20;
    params.shards_max = 1;
    params.postings_max = 0;
    params.pair_partners_max = 12;
    told_engine(&engine, &params);
    for (uint32_t i = 0; i < 8000; i++) {
        char items[32];
        snprintf(items, sizeof items, "i%u i%u", i % 700, (i * 7 + i / 700 * 11 + 3) % 700);
        if (i > 8 && i % 4 == 0) snprintf(items, sizeof items, "milk bread");
        told_now(&engine, tell_purchase("ada", told_name("o", i), items,
                                        TOLD_START + i * (int64_t)TOLD_HOUR));
    }
    assert_true(counter(&engine, BK_STATE_ROWS_EVICTED) > 50);
    uint32_t milk = told_item(&engine, "milk"), bread = told_item(&engine, "bread");
    assert_false(bk_row_is_lossy(&engine.shared, milk, BK_PAIR_BOUGHT));
    const struct bk_pair *pair = bk_map_find(
        &engine.shared.heap, bk_item(&engine.shared, milk)->rows[BK_PAIR_BOUGHT], bread);
    assert_int_equal(pair->total, 1997);
    bk_engine_deinit(&engine);
}

static void ids_are_known_within_the_ring_and_new_beyond_it(void **state)
{
    (void)state;
    struct bk_state_params params = told_params();
    struct bk_engine engine;
    params.dedup_events = 1024;
    told_engine(&engine, &params);
    for (uint32_t i = 0; i < 5000; i++) {
        struct told told = tell_view("ada", "milk", TOLD_START + i);
        told.event.event_id = bk_str_c(told_name("id-", i));
        assert_int_equal(told_now(&engine, told).verdict, BK_VERDICT_OK);
        if (i < 1024) continue;
        told = tell_view("ada", "milk", TOLD_START + i);
        told.event.event_id = bk_str_c(told_name("id-", i - 1023)); /* the oldest that is kept */
        assert_int_equal(told_now(&engine, told).verdict, BK_VERDICT_DUPLICATE);
    }
    struct told told = tell_view("ada", "milk", TOLD_START + 6000);
    told.event.event_id = bk_str_c(told_name("id-", 5000 - 1025));
    assert_int_equal(told_now(&engine, told).verdict, BK_VERDICT_OK);
    assert_int_equal(bk_arena_bytes(&bk_engine_shard(&engine, 0)->dedup),
                     sizeof(struct bk_arena_root) + 1024 * 24);
    bk_engine_deinit(&engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_little_memory_the_cold_make_room_and_it_is_the_same_twice),
        cmocka_unit_test(a_row_keeps_at_most_its_partners_and_never_counts_too_much),
        cmocka_unit_test(the_weakest_quarter_of_a_full_row_makes_room),
        cmocka_unit_test(items_beyond_the_limit_are_counted_and_not_remembered),
        cmocka_unit_test(a_session_of_few_events_and_many_items_teaches_no_more_than_its_bound),
        cmocka_unit_test(a_full_history_lets_the_weakest_item_go),
        cmocka_unit_test(as_many_items_are_marked_as_a_history_holds_and_more_are_counted),
        cmocka_unit_test(a_row_that_was_evicted_stays_marked_as_lossy),
        cmocka_unit_test(who_comes_back_is_not_the_one_to_go),
        cmocka_unit_test(the_rows_of_an_item_in_use_are_not_the_ones_to_go),
        cmocka_unit_test(ids_are_known_within_the_ring_and_new_beyond_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
