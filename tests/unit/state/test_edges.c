/* test_edges.c -- the last thing that still counts and the first that does not; and who goes among
 * equals: always the same, whatever numbers they were given. */
#include "support/events.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct bk_engine engine;

static void open_with(struct bk_state_params params)
{
    told_engine(&engine, &params);
}

static void the_last_millisecond_is_believed_and_the_next_is_cut(void **state)
{
    (void)state;
    open_with(told_params());
    struct told told = tell_view("ada", "milk", TOLD_START);
    int64_t latest = TOLD_START + engine.params.time_ahead_max_ms;
    told.place.record_ms = TOLD_START;
    told.event.event_time_ms = latest;
    told_now(&engine, told);
    assert_int_equal(bk_engine_counter(&engine, BK_STATE_TIMES_CUT), 0);
    told = tell_view("bob", "milk", TOLD_START);
    told.place.record_ms = TOLD_START;
    told.event.event_time_ms = latest + 1;
    told_now(&engine, told);
    assert_int_equal(bk_engine_counter(&engine, BK_STATE_TIMES_CUT), 1);
    bk_engine_deinit(&engine);
}

static uint32_t points_after(uint32_t events)
{
    struct bk_state_params params = told_params();
    params.session_events_max = 5;
    open_with(params);
    for (uint32_t i = 0; i + 1 < events; i++)
        told_now(&engine, tell(BK_EVENT_SEARCHED, "ada", TOLD_START + i));
    told_now(&engine, tell_view("ada", "milk", TOLD_START + events));
    uint32_t points = bk_item_hot(&engine.shared, told_item(&engine, "milk"))->points;
    bk_engine_deinit(&engine);
    return points;
}

static void the_last_event_of_a_busy_session_teaches_and_the_next_does_not(void **state)
{
    (void)state;
    assert_int_equal(points_after(5), BK_POINTS_VIEW);
    assert_int_equal(points_after(6), 0);
}

/* ---- among equals ---- */

/* Have the words known in this order, so that their numbers follow it. */
static void know(const char *const *words, int count, bool backwards)
{
    for (int i = 0; i < count; i++)
        told_now(&engine, tell_view("zoe", words[backwards ? count - 1 - i : i], TOLD_START));
}

static const char *const equals[] = {"pear", "plum", "fig", "date", "kiwi", "lime", "nut", "oat"};
enum { EQUALS = 8 };

static void buy_all_at_once(const char *also, const char *order, int64_t time_ms)
{
    char items[128];
    int len = snprintf(items, sizeof items, "%s", also);
    for (int i = 0; i < EQUALS; i++)
        len += snprintf(items + len, sizeof items - (size_t)len, " %s", equals[i]);
    told_now(&engine, tell_purchase("ada", order, items, time_ms));
}

/* A bit for each of the equals that is still in the map. */
static unsigned kept_in(const struct bk_arena *heap, bk_ref_t map)
{
    unsigned kept = 0;
    for (int i = 0; i < EQUALS; i++)
        kept |= (unsigned)(bk_map_find(heap, map, told_item(&engine, equals[i])) != NULL) << i;
    return kept;
}

static unsigned history_kept(bool backwards)
{
    struct bk_state_params params = told_params();
    params.history_items_max = EQUALS;
    open_with(params);
    know(equals, EQUALS, backwards);
    buy_all_at_once("", "first", TOLD_START);
    told_now(&engine, tell_purchase("ada", "second", "bread milk salt", TOLD_START));
    struct bk_shard *shard = bk_engine_shard(&engine, 0);
    unsigned kept =
        kept_in(&shard->heap, bk_subject(shard, told_subject(&engine, 0, "ada"))->history);
    bk_engine_deinit(&engine);
    return kept;
}

static void among_equally_weak_items_of_a_history_the_same_ones_go(void **state)
{
    (void)state;
    unsigned kept = history_kept(false);
    assert_int_equal(__builtin_popcount(kept), EQUALS - 3);
    assert_int_equal(kept, history_kept(true));
}

static unsigned partners_kept(bool backwards)
{
    struct bk_state_params params = told_params();
    params.pair_partners_max = EQUALS;
    open_with(params);
    know(equals, EQUALS, backwards);
    buy_all_at_once("hub", "first", TOLD_START);
    told_now(&engine, tell_purchase("ada", "second", "hub bread", TOLD_START));
    bk_ref_t row = bk_item(&engine.shared, told_item(&engine, "hub"))->rows[BK_PAIR_BOUGHT];
    unsigned kept = kept_in(&engine.shared.heap, row);
    bk_engine_deinit(&engine);
    return kept;
}

static void among_equally_weak_partners_the_same_ones_go(void **state)
{
    (void)state;
    unsigned kept = partners_kept(false);
    assert_int_equal(__builtin_popcount(kept), EQUALS - 2);
    assert_int_equal(kept, partners_kept(true));
}

/* ---- what a digest sees ---- */

/* Two items seen by two visitors in two epochs, either way round, and once more in a later one. */
static uint64_t digest_of_epochs(bool swapped)
{
    struct bk_state_params params = told_params();
    params.postings_max = 0;
    open_with(params);
    int64_t first = TOLD_START, second = TOLD_START + TOLD_DAY, last = TOLD_START + 3 * TOLD_DAY;
    told_now(&engine, tell_view("ada", "milk", swapped ? second : first));
    told_now(&engine, tell_view("bob", "bread", swapped ? first : second));
    told_now(&engine, tell_view("cat", "milk", last));
    told_now(&engine, tell_view("dan", "bread", last));
    uint64_t lossy, digest = bk_shared_digest(&engine.shared, &lossy);
    bk_engine_deinit(&engine);
    return digest;
}

static void when_an_item_was_popular_shows_in_the_digest(void **state)
{
    (void)state;
    assert_true(digest_of_epochs(false) != digest_of_epochs(true));
}

/* Two partitions buy the hub's partners in different orders; its row holds fewer than there are. */
static uint64_t digest_of_a_full_row(bool backwards, uint64_t *lossy)
{
    struct bk_state_params params = told_params();
    params.pair_partners_max = 4;
    open_with(params);
    for (int i = 0; i < EQUALS; i++) {
        int at = backwards ? EQUALS - 1 - i : i;
        char items[64];
        snprintf(items, sizeof items, "hub %s", equals[at]);
        struct told told = tell_purchase(told_name("c", (uint32_t)at), told_name("o", (uint32_t)at),
                                         items, TOLD_START + at);
        told.partition = at % 2;
        told_now(&engine, told);
    }
    uint64_t digest = bk_shared_digest(&engine.shared, lossy);
    bk_engine_deinit(&engine);
    return digest;
}

static void a_row_that_met_its_limit_is_digested_apart(void **state)
{
    (void)state;
    uint64_t lossy[2], one = digest_of_a_full_row(false, &lossy[0]),
                       other = digest_of_a_full_row(true, &lossy[1]);
    assert_int_equal(lossy[0], 1);
    assert_int_equal(lossy[1], 1);
    assert_true(one == other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_millisecond_is_believed_and_the_next_is_cut),
        cmocka_unit_test(the_last_event_of_a_busy_session_teaches_and_the_next_does_not),
        cmocka_unit_test(among_equally_weak_items_of_a_history_the_same_ones_go),
        cmocka_unit_test(among_equally_weak_partners_the_same_ones_go),
        cmocka_unit_test(when_an_item_was_popular_shows_in_the_digest),
        cmocka_unit_test(a_row_that_met_its_limit_is_digested_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
