/* test_forgetting.c -- who is forgotten leaves nothing: not an id's bytes, not a block; and no
 * write goes round a capture. */
#define _GNU_SOURCE /* memmem */
#include "basketry/capture.h"

#include "support/events.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define WHO  "ada-lovelace-1815"
#define THEM "c:" WHO

static bool holds(const struct bk_arena *arena, const void *bytes, size_t len)
{
    return memmem(arena->base, bk_arena_bytes(arena), bytes, len) != NULL;
}

static bool shard_holds(const struct bk_shard *shard, const void *bytes, size_t len)
{
    return holds(&shard->subjects.arena, bytes, len) || holds(&shard->heap, bytes, len) ||
           holds(&shard->index.heads, bytes, len) || holds(&shard->totals, bytes, len) ||
           holds(&shard->dedup, bytes, len);
}

/* Ada with all there is to have, between two others. */
static int64_t live_a_life(struct bk_engine *engine)
{
    int64_t t = TOLD_START;
    told_now(engine, tell_view("bob", "milk", t));
    for (int day = 0; day < 30; day++, t += TOLD_DAY) {
        told_now(engine, tell_view(WHO, told_name("item", day), t));
        told_now(engine, tell_cart(WHO, BK_CART_ADD, "milk*3 bread jam", t + 1));
        told_now(engine, tell_cart("bob", BK_CART_ADD, "bread", t + 2));
        told_now(engine, tell_purchase(WHO, told_name("order", day), "milk bread", t + 3));
        told_now(engine,
                 tell_lines(tell(BK_EVENT_ITEM_DISMISSED, WHO, t + 4), told_name("no", day)));
        told_now(engine, tell_lines(tell(BK_EVENT_WISHLIST_CHANGED, WHO, t + 5), "tea"));
    }
    told_now(engine, tell_view("eve", "milk", t));
    return t;
}

static uint64_t live_bytes(const struct bk_shard *shard)
{
    return bk_arena_root(&shard->heap)->live + bk_arena_root(&shard->subjects.arena)->live;
}

/* Forget Ada by this event and look for anything of hers. */
static void leaves_nothing(struct told farewell)
{
    struct bk_state_params params = told_params();
    struct bk_engine engine;
    told_engine(&engine, &params);
    struct bk_shard *shard = bk_engine_shard(&engine, 0);
    int64_t t = TOLD_START;
    told_now(&engine, tell_view("bob", "milk", t));
    told_now(&engine, tell_cart("bob", BK_CART_ADD, "bread", t));
    told_now(&engine, tell_view("eve", "milk", t));
    uint64_t before = live_bytes(shard);
    live_a_life(&engine);
    uint32_t subject = told_subject(&engine, 0, WHO);
    uint64_t id_hash = bk_subject(shard, subject)->id_hash;
    uint64_t order = bk_subject(shard, subject)->orders[0];
    assert_true(order != 0);
    assert_true(shard_holds(shard, WHO, strlen(WHO)));
    assert_true(shard_holds(shard, &id_hash, sizeof id_hash));

    struct bk_applied applied = told_now(&engine, farewell);
    assert_int_equal(applied.verdict, BK_VERDICT_OK);
    assert_int_equal(applied.erased, (1u << BK_CONTEXT_COUNT) - 1);
    assert_int_equal(applied.erased_id_len, strlen(THEM));
    assert_memory_equal(applied.erased_id, THEM, strlen(THEM));
    assert_int_equal(told_subject(&engine, 0, WHO), 0);
    assert_false(shard_holds(shard, WHO, strlen(WHO)));
    assert_false(shard_holds(shard, &id_hash, sizeof id_hash));
    assert_false(shard_holds(shard, &order, sizeof order));
    assert_false(holds(&engine.shared.heap, WHO, strlen(WHO)));
    assert_int_equal(live_bytes(shard), before);
    /* Free blocks hold nothing but their list's link. */
    uint64_t used = 0;
    const uint8_t *base = shard->heap.base;
    for (uint64_t at = sizeof(struct bk_arena_root); at < bk_arena_bytes(&shard->heap); at++)
        used += base[at] != 0;
    assert_true(used < before);
    uint32_t contexts, queued = 0;
    int64_t waiting;
    for (uint32_t s; (s = bk_dirty_take(shard, &contexts, &waiting)) != 0; queued++)
        assert_int_equal(bk_subject(shard, s)->alive, 1);
    assert_int_equal(queued, 2);
    bk_engine_deinit(&engine);
}

static void erasure_leaves_no_byte_of_the_shopper(void **state)
{
    (void)state;
    leaves_nothing(tell(BK_EVENT_CUSTOMER_ERASED, WHO, TOLD_START + 31 * (int64_t)TOLD_DAY));
}

static void withdrawn_consent_leaves_no_byte_of_the_shopper(void **state)
{
    (void)state;
    struct told told = tell(BK_EVENT_CONSENT_CHANGED, WHO, TOLD_START + 31 * (int64_t)TOLD_DAY);
    told.event.consent = BK_CONSENT_NONE;
    leaves_nothing(told);
}

static void the_lists_of_an_unknown_shopper_are_erased_too(void **state)
{
    (void)state;
    struct bk_state_params params = told_params();
    struct bk_engine engine;
    told_engine(&engine, &params);
    struct bk_applied applied = told_now(&engine, tell(BK_EVENT_CUSTOMER_ERASED, WHO, TOLD_START));
    assert_int_equal(applied.erased, (1u << BK_CONTEXT_COUNT) - 1);
    assert_memory_equal(applied.erased_id, THEM, strlen(THEM));
    assert_int_equal(applied.subject, 0);
    bk_engine_deinit(&engine);
}

static void what_is_told_without_consent_is_not_kept(void **state)
{
    (void)state;
    struct bk_state_params params = told_params();
    struct bk_engine engine;
    told_engine(&engine, &params);
    struct told told = tell_view(WHO, "milk", TOLD_START);
    told.event.consent = BK_CONSENT_NONE;
    assert_int_equal(told_now(&engine, told).verdict, BK_VERDICT_NO_CONSENT);
    assert_false(shard_holds(bk_engine_shard(&engine, 0), WHO, strlen(WHO)));
    assert_int_equal(told_item(&engine, "milk"), 0);
    bk_engine_deinit(&engine);
}

static void session_consent_forgets_the_history_and_keeps_the_cart(void **state)
{
    (void)state;
    struct bk_state_params params = told_params();
    struct bk_engine engine;
    told_engine(&engine, &params);
    int64_t t = live_a_life(&engine);
    struct told told = tell(BK_EVENT_CONSENT_CHANGED, WHO, t);
    told.event.consent = BK_CONSENT_SESSION;
    told_now(&engine, told);
    struct bk_shard *shard = bk_engine_shard(&engine, 0);
    const struct bk_subject *sub = bk_subject(shard, told_subject(&engine, 0, WHO));
    assert_int_equal(sub->history, 0);
    assert_int_equal(sub->marks, 0);
    assert_int_equal(sub->receipts, 0);
    assert_int_equal(sub->bought_s, 0);
    assert_int_equal(sub->lines_x16, 0);
    for (int day = 0; day < BK_WEEKDAYS; day++) assert_int_equal(sub->weekday[day], 0);
    assert_int_equal(bk_map_count(&shard->heap, sub->cart), 1);
    struct told bought = tell_purchase(WHO, "last", "milk", t + 1);
    bought.event.consent = BK_CONSENT_UNKNOWN; /* the subject's own consent holds */
    told_now(&engine, bought);
    assert_int_equal(sub->history, 0);
    bk_engine_deinit(&engine);
}

static void a_dropped_partition_leaves_its_sums_and_none_of_its_sessions(void **state)
{
    (void)state;
    struct chance chance = chance_seed("drop", 301);
    struct bk_state_params params = told_params();
    struct told_shape shape = told_shape();
    struct bk_engine engine;
    shape.partitions = 3;
    params.postings_max = 5; /* postings that made room gave their reference back */
    struct told *stream = told_stream(&chance, &shape, 1500);
    told_engine(&engine, &params);
    for (int i = 0; i < 1500; i++) told_apply(&engine, &stream[i]);
    uint64_t lossy, digest = bk_shared_digest(&engine.shared, &lossy);
    bk_engine_drop(&engine, 1);
    assert_null(engine.shards[1]);
    assert_true(bk_shared_digest(&engine.shared, &lossy) == digest);
    uint64_t live_refs = 0, postings = 0, sessions = 0;
    for (int p = 0; p < 3; p += 2)
        for (uint32_t s = 1; s <= bk_table_top(&engine.shards[p]->subjects); s++) {
            const struct bk_subject *sub = bk_subject(engine.shards[p], s);
            if (sub->alive && sub->session)
                sessions += bk_session_posted(&engine.shared,
                                              bk_subject_session(engine.shards[p], sub)) != 0;
        }
    for (uint32_t item = 1; item <= bk_table_top(&engine.shared.items); item++) {
        for (int kind = 0; kind < BK_POSTING_KIND_COUNT; kind++) {
            bk_ref_t ref = bk_item(&engine.shared, item)->postings[kind];
            const struct bk_postings *ring = ref ? bk_arena_read(&engine.shared.heap, ref) : NULL;
            postings += ring ? ring->count : 0;
        }
    }
    for (uint32_t n = 1; n <= bk_table_top(&engine.shared.posted); n++) {
        const struct bk_posted *posted = bk_table_read(&engine.shared.posted, n);
        if (posted->items) live_refs += posted->refs;
    }
    assert_int_equal(live_refs, postings + sessions); /* each reference has a holder */
    assert_non_null(bk_engine_shard(&engine, 1));
    assert_int_equal(bk_shard_totals(engine.shards[1])->subjects, 0);
    told_stream_free(stream, 1500);
    bk_engine_deinit(&engine);
}

/* ---- every write goes through the accessor ---- */

enum { ARENAS_MAX = 32 };

/* All arenas of an engine captured, and their bytes of that instant copied the plain way. */
struct snapshot {
    struct bk_capture *capture;
    struct bk_section section[ARENAS_MAX];
    uint8_t *bytes[ARENAS_MAX];
    size_t count;
};

static struct snapshot take_snapshot(struct bk_engine *engine, int shards)
{
    struct snapshot snapshot = {.capture = bk_capture_create(64 << 20)};
    snapshot.count = bk_shared_sections(&engine->shared, snapshot.section);
    for (int p = 0; p < shards; p++)
        snapshot.count +=
            bk_shard_sections(bk_engine_shard(engine, p), snapshot.section + snapshot.count);
    for (size_t i = 0; i < snapshot.count; i++) {
        struct bk_arena *arena = snapshot.section[i].arena;
        assert_int_equal(bk_capture_add(snapshot.capture, arena), BK_OK);
        snapshot.bytes[i] = malloc(bk_arena_bytes(arena));
        memcpy(snapshot.bytes[i], arena->base, bk_arena_bytes(arena));
    }
    return snapshot;
}

/* A write that went round the accessor would show in what the capture reads. Returns how many bytes
 * had changed meanwhile. */
static uint64_t check_snapshot(struct snapshot *snapshot)
{
    uint64_t changed = 0;
    for (size_t i = 0; i < snapshot->count; i++) {
        struct bk_arena *arena = snapshot->section[i].arena;
        uint64_t bytes = bk_capture_bytes(arena);
        uint8_t *read = malloc(bytes);
        changed += memcmp(snapshot->bytes[i], arena->base, bytes) != 0;
        assert_true(bk_capture_read(snapshot->capture, arena, 0, bytes, read));
        assert_memory_equal(snapshot->bytes[i], read, bytes);
        bk_capture_end(snapshot->capture, arena);
        free(read);
        free(snapshot->bytes[i]);
    }
    bk_capture_destroy(&snapshot->capture);
    return changed;
}

static void no_write_of_the_state_goes_round_a_capture(void **state)
{
    (void)state;
    enum { EVENTS = 2400 };
    struct chance chance = chance_seed("marks", 302);
    struct bk_state_params params = told_params();
    struct told_shape shape = told_shape();
    struct bk_engine engine;
    params.bytes_max = 4 << 20; /* evictions too */
    params.pair_partners_max = 24;
    params.history_items_max = 16;
    params.postings_max = 8;
    shape.partitions = 2;
    shape.customers = 200;
    shape.items = 400;
    shape.leap_one_in = 10;
    struct told *stream = told_stream(&chance, &shape, EVENTS);
    told_engine(&engine, &params);
    uint64_t changed = 0;
    for (int i = 0; i < EVENTS;) {
        struct snapshot snapshot = take_snapshot(&engine, 2);
        for (int n = 0; n < 8 && i < EVENTS; n++) told_apply(&engine, &stream[i++]);
        if (i % 5 == 0) {
            uint32_t contexts, subject;
            int64_t waiting;
            subject = bk_dirty_take(engine.shards[0], &contexts, &waiting);
            if (subject) bk_subject_live_set(engine.shards[0], subject, contexts);
            uint32_t item = bk_dirty_item_take(&engine);
            if (item) bk_item_published(&engine, item, 0, (uint32_t)i);
        }
        struct told product = tell_lines(tell(BK_EVENT_PRODUCT, NULL, TOLD_START), "p");
        product.event.name = bk_str_c(told_name("A long name of a product, number ", (uint32_t)i));
        product.event.lines[0].category = BK_STR("Food > Dairy");
        bk_apply_product(&engine, bk_str_c(told_name("i", chance_below(&chance, 400))),
                         &product.event);
        told_free(&product);
        changed += check_snapshot(&snapshot);
    }
    assert_true(changed > 1000); /* else nothing was shown */
    assert_true(bk_engine_counter(&engine, BK_STATE_ROWS_PRUNED) > 0);
    told_stream_free(stream, EVENTS);
    bk_engine_deinit(&engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(erasure_leaves_no_byte_of_the_shopper),
        cmocka_unit_test(withdrawn_consent_leaves_no_byte_of_the_shopper),
        cmocka_unit_test(the_lists_of_an_unknown_shopper_are_erased_too),
        cmocka_unit_test(what_is_told_without_consent_is_not_kept),
        cmocka_unit_test(session_consent_forgets_the_history_and_keeps_the_cart),
        cmocka_unit_test(a_dropped_partition_leaves_its_sums_and_none_of_its_sessions),
        cmocka_unit_test(no_write_of_the_state_goes_round_a_capture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
