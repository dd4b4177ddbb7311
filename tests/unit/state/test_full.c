/* test_full.c -- memory is full to the last bytes and nothing can go: what is left out is left out of
 * something that is marked for it, and nobody else pays. */
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

/* The table of sessions is full, the heap is not. */
static void an_item_that_a_session_could_not_be_posted_for_is_not_taken_for_exact(void **state)
{
    (void)state;
    struct bk_state_params params = told_params();
    params.bytes_max = 2 << 20;
    params.shards_max = 1;
    told_engine(&engine, &params);
    uint64_t marked = 0;
    for (uint32_t i = 0; i < 6000; i++)
        told_now(&engine, tell_view(told_name("v", i), told_name("i", i % 1000), TOLD_START + i));
    assert_true(bk_engine_counter(&engine, BK_STATE_MEMORY_REFUSED) > 0);
    for (uint32_t i = 0; i < 1000; i++) {
        const struct bk_item *item = bk_item(&engine.shared, told_item(&engine, told_name("i", i)));
        const struct bk_postings *ring =
            item->postings[0] ? bk_arena_read(&engine.shared.heap, item->postings[0]) : NULL;
        marked += (item->flags & BK_ITEM_UNPOSTED) != 0;
        if (!(item->flags & BK_ITEM_UNPOSTED)) assert_int_equal(ring ? ring->count : 0, 6);
    }
    assert_true(marked > 0);
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
        cmocka_unit_test(an_item_that_a_session_could_not_be_posted_for_is_not_taken_for_exact),
        cmocka_unit_test(who_is_alone_is_not_forgotten_for_what_they_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
