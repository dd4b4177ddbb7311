/* test_full.c -- memory is full. Where nothing can go, what is left out is left out of something that
 * is marked for it, and nobody else pays; where something can, the shop goes on learning. */
#include "support/events.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct bk_engine engine;

static uint64_t lossy(void)
{
    uint64_t count;
    bk_shared_digest(&engine.shared, &count);
    return count;
}

static bool is_unposted(const char *item)
{
    return bk_item(&engine.shared, told_item(&engine, item))->flags & BK_ITEM_UNPOSTED;
}

static void buy_in(const char *store, const char *items)
{
    static uint32_t orders;
    struct told told = tell_purchase("bob", told_name("o", orders++), items, TOLD_START);
    told.event.store = bk_str_c(store);
    told_now(&engine, told);
}

/* Facts of products are never evicted: they fill what memory there is, to the last few bytes. */
static void fill_memory(void)
{
    static char text[255];
    uint32_t item = 0;
    memset(text, 'x', sizeof text);
    for (uint32_t len = sizeof text; len; len /= 4) {
        uint64_t before = bk_engine_counter(&engine, BK_STATE_MEMORY_REFUSED);
        while (bk_engine_counter(&engine, BK_STATE_MEMORY_REFUSED) == before) {
            struct told told = tell_lines(tell(BK_EVENT_PRODUCT, NULL, TOLD_START), "it");
            told.event.name = told.event.brand = bk_str(text, len);
            told.event.lines[0].category = bk_str(text, len);
            bk_apply_product(&engine, bk_str_c(told_name("product-", item++)), &told.event);
            told_free(&told);
            assert_true(item < engine.params.items_max);
        }
    }
}

/* Milk and bread are known, and made room for what fills it. */
static void open_full_shop(void)
{
    struct bk_state_params params = told_params();
    params.bytes_max = 1 << 20;
    params.shards_max = 1;
    params.items_max = 4000;
    told_engine(&engine, &params);
    told_now(&engine, tell_view("zoe", "milk", TOLD_START));
    told_now(&engine, tell_view("zoe", "bread", TOLD_START + TOLD_HOUR));
    buy_in("south", "salt");
    assert_int_equal(lossy(), 0);
    fill_memory();
}

static void a_segment_that_memory_refused_is_not_taken_for_exact(void **state)
{
    (void)state;
    open_full_shop();
    assert_int_equal(bk_totals(&engine.shared)->segments_lossy, 0);
    buy_in("north", "milk");
    assert_int_equal(bk_totals(&engine.shared)->segments_lossy, 1);
    bk_engine_deinit(&engine);
}

static void a_segment_that_memory_refused_a_line_is_not_taken_for_exact(void **state)
{
    (void)state;
    open_full_shop();
    buy_in("south", "product-1 product-2 product-3 product-4 product-5");
    assert_int_equal(bk_totals(&engine.shared)->segment_count, 1);
    assert_true(bk_map_count(&engine.shared.heap, bk_segment(&engine.shared, 1)->row) < 6);
    assert_int_equal(bk_totals(&engine.shared)->segments_lossy, 1);
    assert_int_equal(bk_engine_counter(&engine, BK_STATE_SEGMENTS_OVER_LIMIT), 0);
    bk_engine_deinit(&engine);
}

static void a_row_that_memory_refused_to_grow_is_not_taken_for_exact(void **state)
{
    (void)state;
    open_full_shop();
    uint32_t milk = told_item(&engine, "milk");
    assert_false(bk_row_is_lossy(&engine.shared, milk, BK_PAIR_BOUGHT));
    told_now(&engine, tell_purchase("ada", "o", "milk bread", TOLD_START + TOLD_DAY));
    assert_int_equal(bk_item(&engine.shared, milk)->rows[BK_PAIR_BOUGHT], 0);
    assert_true(bk_row_is_lossy(&engine.shared, milk, BK_PAIR_BOUGHT));
    bk_engine_deinit(&engine);
}

static void an_item_whose_postings_were_dropped_or_refused_is_not_taken_for_exact(void **state)
{
    (void)state;
    open_full_shop();
    assert_true(is_unposted("milk")); /* dropped */
    uint64_t before = lossy();
    assert_false(is_unposted("product-0"));
    told_now(&engine, tell_view("ada", "product-0", TOLD_START + TOLD_DAY)); /* refused */
    assert_int_equal(bk_item(&engine.shared, told_item(&engine, "product-0"))->postings[0], 0);
    assert_true(is_unposted("product-0"));
    /* The visit that was posted before has room for one more, the item's postings have not. */
    told_now(&engine, tell_view("zoe", "product-1", TOLD_START + TOLD_HOUR + TOLD_MINUTE));
    assert_true(is_unposted("product-1"));
    assert_true(lossy() > before);
    bk_engine_deinit(&engine);
}

/* ---- the table of what is posted is full, the heap is not ---- */

enum { POSTED = 40, STREAM = 6000, SHARDS = 2 };

/* An engine whose table of posted sessions and receipts holds POSTED, or as many as there are. */
static void open_small_table(struct bk_engine *small, bool is_small)
{
    struct bk_state_params params = told_params();
    params.bytes_max = 16 << 20;
    params.shards_max = SHARDS;
    told_engine(small, &params);
    struct bk_table *posted = &small->shared.posted;
    if (is_small) posted->arena.limit = posted->first_bytes + POSTED * posted->record_bytes;
}

/* The item's ring of that kind; NULL: it has none. */
static const struct bk_postings *ring_of(const struct bk_engine *of, uint32_t item, int kind)
{
    bk_ref_t ref = bk_item(&of->shared, item)->postings[kind];
    return ref ? bk_arena_read(&of->shared.heap, ref) : NULL;
}

static struct bk_posting posting_at(const struct bk_postings *ring, uint32_t place)
{
    return ring->entry[(ring->first + place) % ring->cap];
}

static void after_a_flood_a_visit_is_a_neighbour_and_the_first_is_none(void **state)
{
    (void)state;
    open_small_table(&engine, true);
    told_now(&engine, tell_view("ada", "milk", TOLD_START));
    told_now(&engine, tell_view("ada", "salt", TOLD_START + 1));
    for (uint32_t i = 0; i < 50 * POSTED; i++) /* none of them comes back: all their visits live */
        told_now(&engine, tell_view(told_name("v", i), told_name("i", i % 7), TOLD_START + 2 + i));
    assert_int_equal(bk_engine_counter(&engine, BK_STATE_MEMORY_REFUSED), 0);
    assert_int_equal(bk_engine_counter(&engine, BK_STATE_POSTED_EVICTED), 49 * POSTED + 1);
    uint32_t milk = told_item(&engine, "milk"), bread;
    assert_null(ring_of(&engine, milk, BK_POSTING_SESSION));
    assert_true(is_unposted("milk") && is_unposted("salt"));
    /* The first visit goes on, and is nobody's neighbour any more. */
    told_now(&engine, tell_view("ada", "tea", TOLD_START + TOLD_MINUTE));
    assert_null(ring_of(&engine, told_item(&engine, "tea"), BK_POSTING_SESSION));
    assert_true(is_unposted("tea"));
    told_now(&engine, tell_view("bob", "milk", TOLD_START + TOLD_MINUTE));
    told_now(&engine, tell_view("bob", "bread", TOLD_START + TOLD_MINUTE));
    bread = told_item(&engine, "bread");
    const struct bk_postings *ring = ring_of(&engine, milk, BK_POSTING_SESSION);
    assert_non_null(ring);
    assert_int_equal(ring->count, 1);
    const struct bk_posted *visit = bk_posted(&engine.shared, posting_at(ring, 0).session);
    const uint32_t *items = bk_arena_read(&engine.shared.heap, visit->items);
    assert_int_equal(visit->count, 2);
    assert_int_equal(items[0], milk);
    assert_int_equal(items[1], bread);
    assert_false(is_unposted("bread"));
    bk_engine_deinit(&engine);
}

static void a_purchase_does_not_cost_its_own_shopper_the_visit(void **state)
{
    (void)state;
    open_small_table(&engine, true);
    told_now(&engine, tell_view("ada", "milk", TOLD_START));
    for (uint32_t i = 1; i < POSTED; i++)
        told_now(&engine, tell_view(told_name("v", i), told_name("i", i), TOLD_START + i));
    told_now(&engine, tell_purchase("ada", "o", "bread tea", TOLD_START + TOLD_MINUTE));
    assert_int_equal(bk_engine_counter(&engine, BK_STATE_POSTED_EVICTED), 1);
    assert_non_null(ring_of(&engine, told_item(&engine, "milk"), BK_POSTING_SESSION));
    assert_null(ring_of(&engine, told_item(&engine, "i1"), BK_POSTING_SESSION));
    told_now(&engine, tell_view("eve", "bread", TOLD_START + TOLD_MINUTE)); /* ada's turn is over */
    assert_null(ring_of(&engine, told_item(&engine, "milk"), BK_POSTING_SESSION));
    bk_engine_deinit(&engine);
}

static struct told *small_table_stream(void)
{
    struct chance chance = chance_seed("small table", 404);
    struct told_shape shape = told_shape();
    shape.partitions = SHARDS;
    shape.customers = 300;
    shape.items = 60;
    shape.withdraw_one_in = 50;
    return told_stream(&chance, &shape, STREAM);
}

/* Each reference has its holder, and the queue holds exactly what is posted. */
static void check_references(const struct bk_engine *of)
{
    const struct bk_shared *shared = &of->shared;
    uint32_t refs[POSTED + 1] = {0}, queued = 0, before = 0;
    for (int32_t p = 0; p < of->shard_top; p++)
        for (uint32_t s = 1; of->shards[p] && s <= bk_table_top(&of->shards[p]->subjects); s++) {
            const struct bk_subject *sub = bk_subject(of->shards[p], s);
            const struct bk_session *sess =
                sub->alive ? bk_subject_session(of->shards[p], sub) : NULL;
            if (sess) refs[bk_session_posted(shared, sess)]++;
        }
    for (uint32_t item = 1; item <= bk_table_top(&shared->items); item++)
        for (int kind = 0; kind < BK_POSTING_KIND_COUNT; kind++) {
            const struct bk_postings *ring = ring_of(of, item, kind);
            for (uint32_t i = 0; ring && i < ring->count; i++) {
                struct bk_posting entry = posting_at(ring, i);
                const struct bk_posted *posted = bk_posted(shared, entry.session);
                const uint32_t *items = bk_arena_read(&shared->heap, posted->items);
                assert_true(entry.place < posted->count);
                assert_int_equal(items[entry.place], item);
                refs[entry.session]++;
            }
        }
    for (uint32_t n = bk_totals(shared)->posted_oldest; n; n = bk_posted(shared, n)->newer) {
        assert_int_equal(bk_posted(shared, n)->refs, refs[n]);
        assert_int_equal(bk_posted(shared, n)->older, before);
        before = n;
        queued++;
    }
    assert_int_equal(bk_totals(shared)->posted_newest, before);
    for (uint32_t n = 1; n <= POSTED; n++) queued -= refs[n] != 0;
    assert_int_equal(queued, 0);
}

static void whatever_makes_room_each_reference_has_its_holder(void **state)
{
    (void)state;
    struct told *stream = small_table_stream();
    open_small_table(&engine, true);
    for (int i = 0; i < STREAM; i++) {
        told_apply(&engine, &stream[i]);
        if (i % 50 == 0) check_references(&engine);
    }
    assert_int_equal(bk_table_top(&engine.shared.posted), POSTED);
    assert_true(bk_engine_counter(&engine, BK_STATE_POSTED_EVICTED) > STREAM / 10);
    assert_int_equal(bk_engine_counter(&engine, BK_STATE_MEMORY_REFUSED), 0);
    bk_engine_drop(&engine, 0);
    bk_engine_drop(&engine, 1);
    assert_non_null(bk_engine_shard(&engine, 0));
    check_references(&engine);
    told_stream_free(stream, STREAM);
    bk_engine_deinit(&engine);
}

/* What an item's ring says, by facts and not by numbers. */
static void check_same_ring(const struct bk_engine *whole, uint32_t item, uint32_t same, int kind)
{
    const struct bk_postings *ring = ring_of(&engine, item, kind),
                             *truth = ring_of(whole, same, kind);
    assert_int_equal(ring ? ring->count : 0, truth ? truth->count : 0);
    for (uint32_t i = 0; ring && i < ring->count; i++) {
        struct bk_posting a = posting_at(ring, i), b = posting_at(truth, i);
        assert_int_equal(a.time_s, b.time_s);
        assert_int_equal(a.place, b.place);
        assert_true(bk_posted(&engine.shared, a.session)->key ==
                    bk_posted(&whole->shared, b.session)->key);
        assert_int_equal(bk_posted(&engine.shared, a.session)->count,
                         bk_posted(&whole->shared, b.session)->count);
    }
}

static void an_item_that_is_not_marked_has_what_it_would_have_with_all_memory(void **state)
{
    (void)state;
    enum { EVENTS = 160 }; /* so few that some items are still spared */
    static struct bk_engine whole;
    struct told *stream = small_table_stream();
    uint32_t marked = 0, posted = 0;
    open_small_table(&engine, true);
    open_small_table(&whole, false);
    for (int i = 0; i < EVENTS; i++) {
        told_apply(&engine, &stream[i]);
        told_apply(&whole, &stream[i]);
    }
    for (uint32_t item = 1; item <= bk_table_top(&engine.shared.items); item++) {
        uint32_t same = bk_item_find(&whole.shared, bk_item_id(&engine.shared, item));
        bool lost = bk_item(&engine.shared, item)->flags & BK_ITEM_UNPOSTED;
        marked += lost;
        for (int kind = 0; kind < BK_POSTING_KIND_COUNT && !lost; kind++) {
            posted += ring_of(&engine, item, kind) != NULL;
            check_same_ring(&whole, item, same, kind);
        }
    }
    assert_true(marked > 0 && posted > 0);
    assert_int_equal(lossy(), marked);
    told_stream_free(stream, STREAM);
    bk_engine_deinit(&whole);
    bk_engine_deinit(&engine);
}

/* Lay the sections of one engine into another, as a checkpoint does. */
static void lay_sections(struct bk_engine *from, struct bk_engine *to)
{
    struct bk_section a[BK_SECTIONS_MAX * (SHARDS + 1)], b[BK_SECTIONS_MAX * (SHARDS + 1)];
    size_t n = bk_shared_sections(&from->shared, a);
    bk_shared_sections(&to->shared, b);
    for (int32_t p = 0; p < SHARDS; p++) {
        bk_shard_sections(bk_engine_shard(to, p), b + n);
        n += bk_shard_sections(bk_engine_shard(from, p), a + n);
    }
    for (size_t i = 0; i < n; i++) {
        uint64_t bytes = bk_arena_bytes(a[i].arena);
        uint8_t *image = bk_arena_image(b[i].arena, bytes);
        assert_non_null(image);
        memcpy(image, a[i].arena->base, bytes);
    }
}

static void check_same_bytes(struct bk_engine *one, struct bk_engine *other)
{
    struct bk_section a[BK_SECTIONS_MAX], b[BK_SECTIONS_MAX];
    size_t n = bk_shared_sections(&one->shared, a);
    bk_shared_sections(&other->shared, b);
    for (size_t i = 0; i < n; i++) {
        assert_true(bk_arena_bytes(a[i].arena) == bk_arena_bytes(b[i].arena));
        assert_memory_equal(a[i].arena->base, b[i].arena->base, bk_arena_bytes(a[i].arena));
    }
    for (int32_t p = 0; p < SHARDS; p++)
        assert_true(bk_shard_digest(one->shards[p]) == bk_shard_digest(other->shards[p]));
}

static void what_makes_room_is_the_same_twice_and_after_a_checkpoint(void **state)
{
    (void)state;
    static struct bk_engine again, restarted;
    struct told *stream = small_table_stream();
    open_small_table(&engine, true);
    open_small_table(&again, true);
    open_small_table(&restarted, true);
    for (int i = 0; i < STREAM; i++) {
        if (i == STREAM / 2) lay_sections(&again, &restarted);
        told_apply(&engine, &stream[i]);
        told_apply(&again, &stream[i]);
        if (i >= STREAM / 2) told_apply(&restarted, &stream[i]);
    }
    check_same_bytes(&engine, &again);
    check_same_bytes(&engine, &restarted);
    told_stream_free(stream, STREAM);
    bk_engine_deinit(&restarted);
    bk_engine_deinit(&again);
    bk_engine_deinit(&engine);
}

/* Room is made by forgetting the coldest: never the one that it is made for. */
static void who_is_alone_is_not_forgotten_for_what_they_do(void **state)
{
    (void)state;
    struct bk_state_params params = told_params();
    params.bytes_max = 4 << 20;
    params.shards_max = 16;
    params.history_items_max = 4000;
    told_engine(&engine, &params);
    for (uint32_t i = 0; i < 3000; i++) {
        struct told told = tell(BK_EVENT_ITEM_DISMISSED, "ada", TOLD_START + i);
        told_now(&engine, tell_lines(told, told_name("i", i)));
        assert_int_not_equal(told_subject(&engine, 0, "ada"), 0);
    }
    const struct bk_shard *shard = engine.shards[0];
    const struct bk_subject *ada = bk_subject(shard, told_subject(&engine, 0, "ada"));
    assert_true(bk_shard_totals(shard)->counters[BK_STATE_MEMORY_REFUSED] > 0);
    assert_int_equal(bk_shard_totals(shard)->counters[BK_STATE_SUBJECTS_EVICTED], 0);
    assert_true(bk_map_count(&shard->heap, ada->marks) > 1000);
    assert_non_null(bk_map_find(&shard->heap, ada->marks, told_item(&engine, "i0")));
    bk_engine_deinit(&engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_segment_that_memory_refused_is_not_taken_for_exact),
        cmocka_unit_test(a_segment_that_memory_refused_a_line_is_not_taken_for_exact),
        cmocka_unit_test(a_row_that_memory_refused_to_grow_is_not_taken_for_exact),
        cmocka_unit_test(an_item_whose_postings_were_dropped_or_refused_is_not_taken_for_exact),
        cmocka_unit_test(after_a_flood_a_visit_is_a_neighbour_and_the_first_is_none),
        cmocka_unit_test(a_purchase_does_not_cost_its_own_shopper_the_visit),
        cmocka_unit_test(whatever_makes_room_each_reference_has_its_holder),
        cmocka_unit_test(an_item_that_is_not_marked_has_what_it_would_have_with_all_memory),
        cmocka_unit_test(what_makes_room_is_the_same_twice_and_after_a_checkpoint),
        cmocka_unit_test(who_is_alone_is_not_forgotten_for_what_they_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
