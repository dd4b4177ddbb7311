/* kafka_parts.c -- the partitions that a consumer was given: where each stands and where it ends.
 *
 * THE IDEA
 *   A table, found by topic and partition. Where reading starts is never the group's affair: when a
 *   partition comes its owner is asked. Ends are asked of the brokers by the worker; an answer is for
 *   the assignment that asked (`generation`).
 * INVARIANTS
 *   I1 reached_end is called once per assignment, when `position` reached the end that the partition
 *   had when it was assigned, or the client said that there is nothing more (which an empty partition
 *   and a tail of transaction markers need).
 * COST
 *   Records come in runs of one partition: the last one found is looked at first.
 */
#include "kafka_consumer.h"

#include <stdlib.h>

/* ---- the table ---- */

struct kafka_part *bk__kafka_part_find(struct kafka_consumer *c, enum bk_topic topic,
                                       int32_t partition)
{
    if (c->last_hit < c->parts_count) { /* records come in runs of one partition */
        struct kafka_part *part = &c->parts[c->last_hit];
        if (part->partition == partition && part->topic == topic) return part;
    }
    for (size_t i = 0; i < c->parts_count; i++) {
        struct kafka_part *part = &c->parts[i];
        if (part->partition != partition || part->topic != topic) continue;
        c->last_hit = i;
        return part;
    }
    return NULL;
}

int bk__kafka_topic_of(const struct kafka_consumer *c, const char *name)
{
    for (int topic = 0; topic < BK_TOPIC_COUNT; topic++)
        if (c->topics[topic] && strcmp(c->topics[topic], name) == 0) return topic;
    return -1;
}

struct kafka_part *bk__kafka_part_named(struct kafka_consumer *c, const char *name,
                                        int32_t partition)
{
    int topic = bk__kafka_topic_of(c, name);
    return topic < 0 ? NULL : bk__kafka_part_find(c, (enum bk_topic)topic, partition);
}

/** Add a partition; its owner says where to start. */
void bk__kafka_part_add(struct kafka_consumer *c, enum bk_topic topic, int32_t partition)
{
    BK_ASSERT(!bk__kafka_part_find(c, topic, partition));
    if (c->parts_count == c->parts_cap) {
        c->parts_cap = c->parts_cap ? c->parts_cap * 2 : 16;
        c->parts = realloc(c->parts, c->parts_cap * sizeof *c->parts);
        BK_ASSERT(c->parts);
    }
    int64_t start = c->events->assigned(c->events->arg, topic, partition);
    bool unproven = topic == BK_TOPIC_EVENTS && start > 0 && c->events->is_passed;
    c->parts[c->parts_count++] = (struct kafka_part){
        .topic = topic,
        .partition = partition,
        .generation = ++c->generation,
        .position = start < 0 ? BK_OFFSET_BEGINNING : start - unproven,
        .unproven = unproven,
        .end = -1,
        .place = start == BK_OFFSET_REFUSED ? KAFKA_PLACE_REFUSED : KAFKA_PLACE_KNOWN,
    };
}

void bk__kafka_part_remove(struct kafka_consumer *c, struct kafka_part *part)
{
    c->events->revoked(c->events->arg, part->topic, part->partition);
    *part = c->parts[--c->parts_count];
}

void bk__kafka_parts_remove(struct kafka_consumer *c)
{
    while (c->parts_count) bk__kafka_part_remove(c, &c->parts[c->parts_count - 1]);
}

void bk__kafka_list_add(rd_kafka_topic_partition_list_t *list, const struct kafka_consumer *c,
                        const struct kafka_part *part)
{
    rd_kafka_topic_partition_list_add(list, c->topics[part->topic], part->partition)->offset =
        part->position;
}

/** Every partition with its position, as librdkafka wants it. */
rd_kafka_topic_partition_list_t *bk__kafka_list_of(const struct kafka_consumer *c)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)c->parts_count);
    for (size_t i = 0; i < c->parts_count; i++) bk__kafka_list_add(list, c, &c->parts[i]);
    return list;
}

bool bk__kafka_part_doubt(const struct kafka_consumer *c, struct kafka_part *part)
{
    bool knows = part->topic == BK_TOPIC_EVENTS && part->position > 0 && c->events->is_passed;
    if (!knows || part->unproven || bk__kafka_part_rests(part)) return false;
    part->position--;
    part->unproven = true;
    return true;
}

void bk__kafka_part_found(struct kafka_part *part)
{
    part->place = KAFKA_PLACE_KNOWN;
    part->denied_ms = part->ask_ms = 0;
}

bool bk__kafka_part_rests(const struct kafka_part *part)
{
    return part->place == KAFKA_PLACE_SHORTER || part->place == KAFKA_PLACE_ANOTHER ||
           part->place == KAFKA_PLACE_REFUSED;
}

/** A start beyond the end is not an end reached: it will turn out to be out of range. */
static bool is_past_end(const struct kafka_part *part)
{
    if (part->end < 0 || part->unproven) return false;
    if (part->position < 0) return part->empty;
    return part->position == part->end || (part->position > part->end && part->delivered);
}

/** Call reached_end if it is due; `at_end`: the client just said that there is no more. */
void bk__kafka_part_check_end(struct kafka_consumer *c, struct kafka_part *part, bool at_end)
{
    if (part->ended || bk__kafka_part_rests(part) || !(at_end || is_past_end(part))) return;
    part->ended = true;
    c->events->reached_end(c->events->arg, part->topic, part->partition);
}

uint32_t bk__kafka_consumer_in_place(const struct kafka_consumer *c, enum kafka_place place)
{
    uint32_t count = 0;
    for (size_t i = 0; i < c->parts_count; i++) count += c->parts[i].place == place;
    return count;
}

/* ---- ends and lag ---- */

static bool wants_end(const struct kafka_consumer *c, const struct kafka_part *part)
{
    bool unknown = !part->ended && part->end < 0 && !bk__kafka_part_rests(part);
    bool due = c->now_ms >= part->ask_ms;
    return due && !part->end_asked && (unknown || part->place == KAFKA_PLACE_ASKED);
}

struct kafka_question *bk__kafka_consumer_ask_ends(struct kafka_consumer *c)
{
    size_t count = 0;
    for (size_t i = 0; i < c->parts_count; i++) count += wants_end(c, &c->parts[i]);
    if (!count) return NULL;
    struct kafka_question *q = bk__kafka_question(KAFKA_ASK_ENDS, c->rk, count);
    memcpy(q->topics, c->topics, sizeof q->topics);
    struct kafka_span *span = q->spans;
    for (size_t i = 0; i < c->parts_count; i++) {
        struct kafka_part *part = &c->parts[i];
        if (!wants_end(c, part)) continue;
        part->end_asked = true;
        *span++ = (struct kafka_span){part->topic, part->partition, part->generation, -1, -1};
    }
    return q;
}

void bk__kafka_tell_begin(struct kafka_consumer *c, const struct kafka_part *part, int64_t low)
{
    if (c->events->begins) c->events->begins(c->events->arg, part->topic, part->partition, low);
}

void bk__kafka_consumer_learn_ends(struct kafka_consumer *c, const struct kafka_question *answer)
{
    for (size_t i = 0; i < answer->spans_count; i++) {
        const struct kafka_span *span = &answer->spans[i];
        struct kafka_part *part = bk__kafka_part_find(c, span->topic, span->partition);
        if (!part || part->generation != span->generation) continue;
        part->end_asked = false;
        if (span->high < 0 || span->low < 0) continue; /* asked again */
        if (part->place == KAFKA_PLACE_ASKED) bk__kafka_judge_place(c, part, span->low, span->high);
        if (part->position < 0) bk__kafka_tell_begin(c, part, span->low);
        part->end = span->high;
        part->empty = span->high == span->low;
        bk__kafka_part_check_end(c, part, false);
    }
}

bool bk__kafka_consumer_ended(const struct kafka_consumer *c)
{
    for (size_t i = 0; i < c->parts_count; i++)
        if (!c->parts[i].ended) return false;
    return true;
}

int64_t bk__kafka_consumer_lag(const struct kafka_consumer *c)
{
    int64_t lag = 0;
    for (size_t i = 0; i < c->parts_count; i++) {
        const struct kafka_part *part = &c->parts[i];
        int64_t low = -1, high = -1; /* as the last fetch told; no request is made */
        rd_kafka_get_watermark_offsets(c->rk, c->topics[part->topic], part->partition, &low, &high);
        int64_t from = part->position >= 0 ? part->position : low;
        if (high < 0 || from < 0) return -1;
        lag += bk_max_i64(high - from, 0);
    }
    return lag;
}
