/* test_replay_range.c -- the stretch of the log that a replay reads, and what it says of the rest. */
#include "../../../src/cli/replay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* What stands behind the range. */
struct owner {
    int taken, left_out;
    int64_t last_taken, last_left_out;
};
static struct owner owner;
static struct replay_range *range;

static void on_record(void *arg, const struct bk_record *record)
{
    (void)arg;
    owner.taken++;
    owner.last_taken = record->offset;
}

static void on_left_out(void *arg, const struct bk_record *record)
{
    (void)arg;
    owner.left_out++;
    owner.last_left_out = record->offset;
}

static int64_t on_assigned(void *arg, enum bk_topic topic, int32_t partition)
{
    (void)arg, (void)topic, (void)partition;
    return BK_OFFSET_BEGINNING;
}

static struct bk_source_events open_range(const char *from, const char *to)
{
    struct bk_source_events inner = {
        .record = on_record, .assigned = on_assigned, .left_out = on_left_out};
    owner = (struct owner){0};
    bk__replay_range_init(range);
    assert_true(bk__replay_bound_parse(from, &range->from));
    assert_true(bk__replay_bound_parse(to, &range->to));
    return bk__replay_range_events(range, inner);
}

/* Records [first, until) of partition 0, a second each. */
static void hand_over(const struct bk_source_events *events, int64_t first, int64_t until)
{
    for (int64_t n = first; n < until; n++) {
        struct bk_record record = {
            .topic = BK_TOPIC_EVENTS, .offset = n, .timestamp_ms = 1767225600000 + n * 1000};
        events->record(events->arg, &record);
    }
}

static void
a_partition_in_which_nothing_happened_since_begins_behind_what_was_left_out(void **state)
{
    (void)state;
    struct bk_source_events events = open_range("2026-01-01T00:00:10Z", "latest");
    assert_int_equal(events.assigned(events.arg, BK_TOPIC_EVENTS, 0), BK_OFFSET_BEGINNING);
    hand_over(&events, 0, 10);
    assert_int_equal(owner.taken, 0);
    assert_int_equal(owner.last_left_out, 9);
    hand_over(&events, 10, 15);
    assert_int_equal(owner.taken, 5);
    assert_int_equal(owner.left_out, 10);
    assert_int_equal(range->left_out, 10);
}

static void an_offset_to_begin_with_is_shown_the_record_before_it(void **state)
{
    (void)state;
    struct bk_source_events events = open_range("0:20,3:0", "latest");
    int64_t start = events.assigned(events.arg, BK_TOPIC_EVENTS, 0);
    assert_int_equal(start, 19);
    assert_int_equal(events.assigned(events.arg, BK_TOPIC_EVENTS, 3), 0);
    assert_int_equal(events.assigned(events.arg, BK_TOPIC_EVENTS, 4), BK_OFFSET_BEGINNING);
    hand_over(&events, start, 20); /* and there is no other yet */
    assert_int_equal(owner.taken, 0);
    assert_int_equal(owner.last_left_out, 19);
    hand_over(&events, 20, 22);
    assert_int_equal(owner.taken, 2);
}

static void what_lies_behind_the_end_is_not_passed(void **state)
{
    (void)state;
    struct bk_source_events events = open_range("0:5", "0:8");
    events.assigned(events.arg, BK_TOPIC_EVENTS, 0);
    hand_over(&events, 4, 12);
    assert_int_equal(owner.taken, 3);
    assert_int_equal(owner.last_taken, 7);
    assert_int_equal(owner.last_left_out, 4);
    assert_true(bk__replay_range_is_past(range));
}

int main(void)
{
    range = malloc(sizeof *range);
    assert_non_null(range);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            a_partition_in_which_nothing_happened_since_begins_behind_what_was_left_out),
        cmocka_unit_test(an_offset_to_begin_with_is_shown_the_record_before_it),
        cmocka_unit_test(what_lies_behind_the_end_is_not_passed),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(range);
    return failed;
}
