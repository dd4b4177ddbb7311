/* replay_range.c -- the stretch of the log that a replay reads: see replay.h.
 *
 * Facts (products and the like) are always read whole: they are what is true now, not what happened.
 */
#include "replay.h"
#include "when.h"

#include <inttypes.h>
#include <stdio.h>

void bk__replay_range_init(struct replay_range *range)
{
    memset(range, 0, sizeof *range);
    for (int p = 0; p < BK_SHARDS_MAX; p++) range->from.offset[p] = range->to.offset[p] = -1;
}

static bool parse_offsets(const char *text, struct replay_bound *out)
{
    int32_t partition;
    int64_t offset;
    for (int used = 0; *text; text += used) {
        used = 0;
        if (sscanf(text, "%" SCNd32 ":%" SCNd64 "%n", &partition, &offset, &used) != 2 ||
            partition < 0 || partition >= BK_SHARDS_MAX || offset < 0)
            return false;
        out->offset[partition] = offset;
        out->by_offset = true;
        if (text[used] == ',') used++;
    }
    return out->by_offset;
}

bool bk__replay_bound_parse(const char *text, struct replay_bound *out)
{
    bool is_day;
    if (strcmp(text, "earliest") == 0 || strcmp(text, "latest") == 0) return true;
    return bk__cli_when(text, &out->time_ms, &is_day) || parse_offsets(text, out);
}

static bool is_before(const struct replay_range *range, const struct bk_record *record)
{
    return record->timestamp_ms < range->from.time_ms ||
           record->offset < range->from.offset[record->partition];
}

static bool is_behind(const struct replay_range *range, const struct bk_record *record)
{
    if (range->to.time_ms && record->timestamp_ms >= range->to.time_ms) return true;
    int64_t until = range->to.offset[record->partition];
    return until >= 0 && record->offset >= until;
}

static void on_record(void *arg, const struct bk_record *record)
{
    struct replay_range *range = arg;
    if (record->topic == BK_TOPIC_EVENTS && record->partition < BK_SHARDS_MAX) {
        bool behind = is_behind(range, record);
        /* A partition that has shown one is over, although a later timestamp may be smaller: the
         * generation's offset is one place in the log, not a sieve. */
        range->past[record->partition] |= behind;
        bool before = !range->past[record->partition] && is_before(range, record);
        if (range->past[record->partition] || before) {
            range->left_out++;
            /* A partition in which nothing happened since begins behind it all the same. */
            if (before) range->inner.left_out(range->inner.arg, record);
            return;
        }
        range->taken++;
    }
    range->inner.record(range->inner.arg, record);
}

static int64_t on_assigned(void *arg, enum bk_topic topic, int32_t partition)
{
    struct replay_range *range = arg;
    int64_t start = range->inner.assigned(range->inner.arg, topic, partition);
    if (topic != BK_TOPIC_EVENTS || partition >= BK_SHARDS_MAX || start == BK_OFFSET_REFUSED)
        return start;
    range->assigned[partition] = true;
    int64_t from = range->from.offset[partition];
    return from >= 0 ? bk_max_i64(from - 1, 0)
                     : start; /* the one before it is shown and left out */
}

static void on_begins(void *arg, enum bk_topic topic, int32_t partition, int64_t offset)
{
    struct replay_range *range = arg;
    range->inner.begins(range->inner.arg, topic, partition, offset);
}

static void on_revoked(void *arg, enum bk_topic topic, int32_t partition)
{
    struct replay_range *range = arg;
    if (topic == BK_TOPIC_EVENTS && partition < BK_SHARDS_MAX) range->assigned[partition] = false;
    range->inner.revoked(range->inner.arg, topic, partition);
}

static void on_end(void *arg, enum bk_topic topic, int32_t partition)
{
    struct replay_range *range = arg;
    range->inner.reached_end(range->inner.arg, topic, partition);
}

static void on_wake(void *arg)
{
    struct replay_range *range = arg;
    range->inner.wake(range->inner.arg);
}

struct bk_source_events bk__replay_range_events(struct replay_range *range,
                                                struct bk_source_events inner)
{
    range->inner = inner;
    return (struct bk_source_events){.arg = range,
                                     .record = on_record,
                                     .assigned = on_assigned,
                                     .revoked = on_revoked,
                                     .begins = on_begins,
                                     .reached_end = on_end,
                                     .wake = on_wake};
}

bool bk__replay_range_is_past(const struct replay_range *range)
{
    bool any = false;
    for (int p = 0; p < BK_SHARDS_MAX; p++) {
        if (range->assigned[p] && !range->past[p]) return false;
        any |= range->assigned[p];
    }
    return any;
}
