/* test_time.c -- whose clock may end, reopen or lead what: nobody's but the log's. */
#include "basketry/rank.h"
#include "support/events.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define YEAR_2099 INT64_C(4070908800000)

static const struct bk_subject *subject_of(const struct bk_engine *engine, const char *customer)
{
    return bk_subject(engine->shards[0], told_subject(engine, 0, customer));
}

static const struct bk_session *session_of(const struct bk_engine *engine, const char *customer)
{
    return bk_subject_session(engine->shards[0], subject_of(engine, customer));
}

/* A shop of many, and one event more by somebody in another partition. */
static struct bk_engine *shop_with(struct told last, int64_t *now)
{
    enum { EVENTS = 1500 };
    struct chance chance = {7};
    struct bk_state_params params = told_params();
    struct told_shape shape = told_shape();
    struct bk_engine *engine = calloc(1, sizeof *engine);
    assert_non_null(engine);
    told_engine(engine, &params);
    shape.late_one_in = shape.ahead_one_in = 0;
    struct told *stream = told_stream(&chance, &shape, EVENTS);
    for (int i = 0; i < EVENTS; i++) told_apply(engine, &stream[i]);
    *now = stream[EVENTS - 1].place.record_ms;
    told_stream_free(stream, EVENTS);
    last.partition = 1;
    last.place.record_ms = *now;
    if (last.event.event_time_ms < YEAR_2099) last.event.event_time_ms += *now;
    told_now(engine, last);
    return engine;
}

/* The lists of everybody in partition 0, and the popular, by ids and scores. */
static uint64_t lists_of_the_others(const struct bk_engine *engine, int64_t now)
{
    struct bk_weights weights;
    bk_weights_default(&weights);
    struct bk_ranker *ranker = bk_ranker_create(engine, &weights);
    struct bk_list list;
    uint64_t mix = 0;
    for (uint32_t s = 0; s <= bk_table_top(&engine->shards[0]->subjects); s++)
        for (enum bk_context context = 0; context < BK_CONTEXT_COUNT; context++) {
            if (s && !bk_subject(engine->shards[0], s)->alive) continue;
            bk_rank(ranker, engine->shards[0], s, context, now, BK_LIST_MAX, &list);
            for (uint32_t i = 0; i < list.count; i++) {
                uint32_t score;
                memcpy(&score, &list.item[i].score, sizeof score);
                mix = bk_mix(mix ^ bk_item(&engine->shared, list.item[i].item)->id_hash ^ score);
            }
        }
    bk_ranker_destroy(&ranker);
    return mix;
}

static void an_event_dated_2099_changes_nothing_for_anyone_else(void **state)
{
    (void)state;
    int64_t now;
    told_forget(); /* so that both shops' events have the same ids */
    struct bk_engine *honest = shop_with(tell_view("mallory", "i3", 0), &now);
    told_forget();
    struct bk_engine *lying = shop_with(tell_view("mallory", "i3", YEAR_2099), &now);
    assert_true(bk_shard_digest(honest->shards[0]) == bk_shard_digest(lying->shards[0]));
    assert_true(lists_of_the_others(honest, now) == lists_of_the_others(lying, now));
    assert_int_equal(bk_totals(&honest->shared)->time_max_ms,
                     bk_totals(&lying->shared)->time_max_ms);
    assert_int_equal(bk_engine_counter(lying, BK_STATE_TIMES_CUT), 1);
    assert_int_equal(bk_subject(lying->shards[1], told_subject(lying, 1, "mallory"))->time_ms,
                     now + 5 * TOLD_MINUTE);
    bk_engine_deinit(honest);
    bk_engine_deinit(lying);
    free(honest);
    free(lying);
}

static void a_session_ends_after_its_gap_and_not_at_it(void **state)
{
    (void)state;
    struct bk_state_params params = told_params();
    struct bk_engine engine;
    told_engine(&engine, &params);
    told_now(&engine, tell_view("ada", "x", TOLD_START));
    told_now(&engine, tell_view("ada", "y", TOLD_START + 30 * TOLD_MINUTE));
    assert_int_equal(session_of(&engine, "ada")->count, 2);
    told_now(&engine, tell_view("ada", "z", TOLD_START + 60 * TOLD_MINUTE + 1));
    assert_int_equal(session_of(&engine, "ada")->count, 1);
    assert_int_equal(bk_engine_counter(&engine, BK_STATE_SESSIONS_STARTED), 2);
    bk_engine_deinit(&engine);
}

static struct told in_session(struct told told, const char *session)
{
    told.event.session = bk_str_c(session);
    return told;
}

static void another_session_id_ends_it_and_none_does_not(void **state)
{
    (void)state;
    struct bk_state_params params = told_params();
    struct bk_engine engine;
    told_engine(&engine, &params);
    told_now(&engine, tell_view("ada", "x", TOLD_START)); /* no id yet: the next one names it */
    told_now(&engine, in_session(tell_view("ada", "y", TOLD_START + 1), "s1"));
    told_now(&engine, tell_view("ada", "z", TOLD_START + 2));
    assert_int_equal(session_of(&engine, "ada")->count, 3);
    told_now(&engine, in_session(tell_view("ada", "w", TOLD_START + 3), "s2"));
    assert_int_equal(session_of(&engine, "ada")->count, 1);
    bk_engine_deinit(&engine);
}

static void a_late_event_neither_ends_nor_reopens_nor_names_a_session(void **state)
{
    (void)state;
    struct bk_state_params params = told_params();
    struct bk_engine engine;
    told_engine(&engine, &params);
    told_now(&engine, in_session(tell_view("ada", "x", TOLD_START), "s1"));
    int64_t later = TOLD_START + TOLD_HOUR;
    told_now(&engine, tell_view("ada", "y", later));
    told_now(&engine, in_session(tell_view("ada", "late", TOLD_START + 1), "s1"));
    told_now(&engine, in_session(tell_view("ada", "later", TOLD_START - TOLD_DAY), "s0"));
    const struct bk_session *session = session_of(&engine, "ada");
    assert_int_equal(session->started_ms, later);
    assert_int_equal(session->raw_events, 1);
    assert_int_equal(session->count, 1); /* what was seen before it began was not seen in it */
    assert_int_equal(session->key, 0);
    assert_int_equal(subject_of(&engine, "ada")->time_ms, later);
    assert_int_equal(bk_engine_counter(&engine, BK_STATE_EVENTS_LATE), 2);
    told_now(&engine, in_session(tell_view("ada", "z", later + 1), "s2"));
    assert_int_equal(session_of(&engine, "ada")->raw_events, 2); /* s2 names it */
    told_now(&engine, in_session(tell_view("ada", "w", later), "s1"));
    assert_int_equal(session_of(&engine, "ada")->count, 3); /* late, and within the session */
    assert_true(session_of(&engine, "ada")->key == bk_hash("s2", 2));
    bk_engine_deinit(&engine);
}

/* It may be of a visit before, whose end is not known. */
static void a_late_event_within_the_live_session_does_not_name_it(void **state)
{
    (void)state;
    struct bk_state_params params = told_params();
    struct bk_engine engine;
    told_engine(&engine, &params);
    told_now(&engine, tell_view("ada", "x", TOLD_START));
    told_now(&engine, tell_view("ada", "y", TOLD_START + 1000));
    told_now(&engine, in_session(tell_view("ada", "late", TOLD_START + 500), "s1"));
    assert_int_equal(session_of(&engine, "ada")->key, 0);
    told_now(&engine, in_session(tell_view("ada", "z", TOLD_START + 2000), "s2"));
    assert_int_equal(session_of(&engine, "ada")->count, 4);
    bk_engine_deinit(&engine);
}

static void a_late_view_leads_no_list_and_counts_at_its_own_epoch(void **state)
{
    (void)state;
    struct bk_state_params params = told_params();
    struct bk_engine engine;
    told_engine(&engine, &params);
    told_now(&engine, tell_view("ada", "now", TOLD_START + 10 * TOLD_DAY));
    told_now(&engine, tell_view("ada", "late", TOLD_START));
    uint32_t late = told_item(&engine, "late"), now = told_item(&engine, "now");
    assert_int_equal(subject_of(&engine, "ada")->last_item, now);
    assert_int_equal(bk_item_hot(&engine.shared, late)->sessions, 0);
    assert_int_equal(bk_item_hot(&engine.shared, late)->points, BK_POINTS_VIEW);
    assert_int_equal(bk_item_hot(&engine.shared, late)->epoch,
                     bk_popularity_epoch(&params, TOLD_START));
    for (int kind = 0; kind < BK_PAIR_KIND_COUNT; kind++)
        assert_int_equal(bk_item(&engine.shared, late)->rows[kind], 0);
    assert_int_equal(bk_engine_counter(&engine, BK_STATE_EVENTS_LATE), 1);
    assert_int_equal(bk_totals(&engine.shared)->time_max_ms, TOLD_START + 10 * TOLD_DAY);
    bk_engine_deinit(&engine);
}

static void a_late_purchase_still_counts_and_is_no_consequence_of_later_views(void **state)
{
    (void)state;
    struct bk_state_params params = told_params();
    struct bk_engine engine;
    told_engine(&engine, &params);
    told_now(&engine, tell_view("ada", "seen", TOLD_START + 10 * TOLD_DAY));
    assert_int_equal(
        told_now(&engine, tell_purchase("ada", "o1", "bread butter", TOLD_START)).verdict,
        BK_VERDICT_OK);
    uint32_t bread = told_item(&engine, "bread"), seen = told_item(&engine, "seen");
    const struct bk_subject *ada = subject_of(&engine, "ada");
    const struct bk_arena *heap = &engine.shards[0]->heap;
    const struct bk_bought *bought = bk_map_find(heap, ada->history, bread);
    assert_non_null(bought);
    assert_int_equal(bought->last_s, TOLD_START / 1000);
    assert_int_equal(ada->time_ms, TOLD_START + 10 * TOLD_DAY);
    assert_int_equal(bk_item_hot(&engine.shared, bread)->receipts, 1);
    assert_int_equal(bk_item_hot(&engine.shared, bread)->epoch,
                     bk_popularity_epoch(&params, TOLD_START));
    assert_int_not_equal(bk_item(&engine.shared, bread)->rows[BK_PAIR_BOUGHT], 0);
    assert_int_equal(bk_item(&engine.shared, seen)->rows[BK_PAIR_VIEW_BUY], 0);
    assert_int_equal(bk_engine_counter(&engine, BK_STATE_SESSIONS_STARTED), 1);
    bk_engine_deinit(&engine);
}

static void a_producers_retry_counts_once_wherever_it_lands(void **state)
{
    (void)state;
    struct bk_state_params params = told_params();
    struct bk_engine engine;
    told_engine(&engine, &params);
    struct told told = tell_purchase("ada", "o1", "bread", TOLD_START);
    told.place.offset = 3;
    assert_int_equal(told_apply(&engine, &told).verdict, BK_VERDICT_OK);
    told.place.offset += 5; /* the same event_id further on */
    assert_int_equal(told_apply(&engine, &told).verdict, BK_VERDICT_DUPLICATE);
    told.place.offset++;
    told.event.event_id = BK_STR("the till sent the order again");
    assert_int_equal(told_apply(&engine, &told).verdict, BK_VERDICT_DUPLICATE);
    assert_int_equal(bk_item_hot(&engine.shared, told_item(&engine, "bread"))->receipts, 1);
    assert_int_equal(subject_of(&engine, "ada")->receipts, 1);
    assert_int_equal(bk_shard_totals(engine.shards[0])->duplicates, 2);
    told_free(&told);
    bk_engine_deinit(&engine);
}

static void what_was_passed_does_not_come_back(void **state)
{
    (void)state;
    struct bk_state_params params = told_params();
    struct bk_engine engine;
    told_engine(&engine, &params);
    struct told told = tell_view("ada", "x", TOLD_START);
    told.place.offset = 7;
    bk_shard_pass(bk_engine_shard(&engine, 0), 7, 77); /* it did not decode, the first time */
    assert_int_equal(bk_shard_totals(engine.shards[0])->next_offset, 8);
    assert_int_equal(told_apply(&engine, &told).verdict, BK_VERDICT_DUPLICATE);
    bk_shard_pass(engine.shards[0], 3, 33);
    assert_int_equal(bk_shard_totals(engine.shards[0])->mark, 77);
    assert_int_equal(bk_shard_totals(engine.shards[0])->next_offset, 8);
    told.place.offset = 8;
    assert_int_equal(told_apply(&engine, &told).verdict, BK_VERDICT_OK);
    told_free(&told);
    bk_engine_deinit(&engine);
}

static void a_record_below_the_next_offset_is_a_duplicate(void **state)
{
    (void)state;
    struct bk_state_params params = told_params();
    struct bk_engine engine;
    told_engine(&engine, &params);
    struct told told = tell_view("ada", "x", TOLD_START);
    told.place.offset = 41;
    assert_int_equal(told_apply(&engine, &told).verdict, BK_VERDICT_OK);
    uint64_t digest = bk_shard_digest(engine.shards[0]);
    told.event.event_id = BK_STR("another");
    assert_int_equal(told_apply(&engine, &told).verdict, BK_VERDICT_DUPLICATE);
    told.place.offset = 7;
    assert_int_equal(told_apply(&engine, &told).verdict, BK_VERDICT_DUPLICATE);
    assert_true(bk_shard_digest(engine.shards[0]) == digest);
    told.place.offset = 42;
    assert_int_equal(told_apply(&engine, &told).verdict, BK_VERDICT_OK);
    told_free(&told);
    bk_engine_deinit(&engine);
}

static void nine_orders_later_an_order_is_new_again(void **state)
{
    (void)state;
    struct bk_state_params params = told_params();
    struct bk_engine engine;
    told_engine(&engine, &params);
    for (uint32_t i = 0; i < 9; i++)
        assert_int_equal(
            told_now(&engine, tell_purchase("ada", told_name("order-", i), "x", TOLD_START + i))
                .verdict,
            BK_VERDICT_OK);
    assert_int_equal(
        told_now(&engine, tell_purchase("ada", "order-1", "x", TOLD_START + 10)).verdict,
        BK_VERDICT_DUPLICATE);
    assert_int_equal(
        told_now(&engine, tell_purchase("bob", "order-1", "x", TOLD_START + 11)).verdict,
        BK_VERDICT_OK);
    assert_int_equal(
        told_now(&engine, tell_purchase("ada", "order-0", "x", TOLD_START + 12)).verdict,
        BK_VERDICT_OK);
    assert_int_equal(bk_shard_totals(engine.shards[0])->duplicates, 1);
    assert_int_equal(bk_shard_totals(engine.shards[0])->applied, 11);
    bk_engine_deinit(&engine);
}

static void while_shared_is_frozen_nothing_is_learnt(void **state)
{
    (void)state;
    struct chance chance = chance_seed("frozen", 601);
    struct bk_state_params params = told_params();
    struct told_shape shape = told_shape();
    struct bk_engine engine;
    struct told *stream = told_stream(&chance, &shape, 2000);
    told_engine(&engine, &params);
    for (int i = 0; i < 1000; i++) told_apply(&engine, &stream[i]);
    uint64_t lossy, digest = bk_shared_digest(&engine.shared, &lossy),
                    own = bk_shard_digest(engine.shards[0]);
    int64_t clock = bk_totals(&engine.shared)->time_max_ms;
    engine.frozen = true;
    for (int i = 1000; i < 2000; i++) told_apply(&engine, &stream[i]);
    ((struct bk_shared_totals *)(uintptr_t)bk_totals(&engine.shared))->time_max_ms =
        clock; /* it ticks on */
    assert_true(bk_shared_digest(&engine.shared, &lossy) == digest);
    assert_true(bk_shard_digest(engine.shards[0]) != own);
    told_stream_free(stream, 2000);
    bk_engine_deinit(&engine);
}

/* The digests after one of two events that differ in one thing only. */
static void digests_after(struct told told, uint64_t *shard, uint64_t *shared)
{
    struct bk_state_params params = told_params();
    struct bk_engine engine;
    uint64_t lossy;
    params.postings_max = 0;
    told_engine(&engine, &params);
    told_now(&engine, tell_purchase("bob", "o", "milk bread", TOLD_START));
    told_now(&engine, tell_view("ada", "milk", TOLD_START + 1));
    told.event.event_id = BK_STR("the-one");
    told.place.record_ms = TOLD_START + 2;
    told_now(&engine, told);
    *shard = bk_shard_digest(engine.shards[0]);
    *shared = bk_shared_digest(&engine.shared, &lossy);
    bk_engine_deinit(&engine);
}

static void whatever_is_remembered_shows_in_a_digest(void **state)
{
    (void)state;
    int64_t t = TOLD_START + 2;
    struct {
        struct told a, b;
        bool in_shard, in_shared;
    } pairs[] = {
        {tell_cart("ada", BK_CART_SET, "milk", t), tell_cart("ada", BK_CART_SET, "milk*2", t), true,
         false},
        {tell_purchase("ada", "p", "milk", t), tell_purchase("ada", "p", "milk*2", t), true, false},
        {tell_purchase("ada", "p", "milk", t), tell_purchase("ada", "q", "milk", t), true, false},
        {tell_purchase("ada", "p", "milk", t), tell_purchase("ada", "p", "bread", t), true, true},
        {tell_lines(tell(BK_EVENT_ITEM_DISMISSED, "ada", t), "milk"),
         tell_lines(tell(BK_EVENT_ITEM_DISMISSED, "ada", t), "bread"), true, false},
        {tell_view("ada", "milk", t), tell_view("ada", "bread", t), true, true},
        /* late by three days or four: neither session nor clock, only the epoch of its points */
        {tell_view("bob", "milk", t - 3 * TOLD_DAY), tell_view("bob", "milk", t - 4 * TOLD_DAY),
         false, true},
    };
    for (size_t i = 0; i < BK_COUNTOF(pairs); i++) {
        uint64_t shard[2], shared[2];
        digests_after(pairs[i].a, &shard[0], &shared[0]);
        digests_after(pairs[i].b, &shard[1], &shared[1]);
        assert_int_equal(shard[0] != shard[1], pairs[i].in_shard);
        assert_int_equal(shared[0] != shared[1], pairs[i].in_shared);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_dated_2099_changes_nothing_for_anyone_else),
        cmocka_unit_test(a_session_ends_after_its_gap_and_not_at_it),
        cmocka_unit_test(another_session_id_ends_it_and_none_does_not),
        cmocka_unit_test(a_late_event_neither_ends_nor_reopens_nor_names_a_session),
        cmocka_unit_test(a_late_event_within_the_live_session_does_not_name_it),
        cmocka_unit_test(a_late_view_leads_no_list_and_counts_at_its_own_epoch),
        cmocka_unit_test(a_late_purchase_still_counts_and_is_no_consequence_of_later_views),
        cmocka_unit_test(a_producers_retry_counts_once_wherever_it_lands),
        cmocka_unit_test(what_was_passed_does_not_come_back),
        cmocka_unit_test(a_record_below_the_next_offset_is_a_duplicate),
        cmocka_unit_test(nine_orders_later_an_order_is_new_again),
        cmocka_unit_test(whatever_is_remembered_shows_in_a_digest),
        cmocka_unit_test(while_shared_is_frozen_nothing_is_learnt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
