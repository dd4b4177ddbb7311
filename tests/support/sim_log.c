/* sim_log.c -- told events become records through the product's own encoder. */
#include "support/sim_log.h"

#include "basketry/decode.h"

#include <stdlib.h>

static struct sim_record *append(struct sim_partition *part, bk_wall_ms_t timestamp_ms,
                                 uint32_t gap, bk_str_t key, bk_str_t value)
{
    if (part->count == part->cap) {
        part->cap = part->cap ? 2 * part->cap : 64;
        part->record = realloc(part->record, part->cap * sizeof *part->record);
        BK_ASSERT(part->record);
    }
    struct sim_record *record = &part->record[part->count++];
    part->next_offset += gap;
    *record = (struct sim_record){part->next_offset++,
                                  timestamp_ms,
                                  key.len,
                                  value.len,
                                  malloc(key.len + value.len + 1ull),
                                  false};
    BK_ASSERT(record->bytes);
    memcpy(record->bytes, key.p, key.len);
    if (value.len) memcpy(record->bytes + key.len, value.p, value.len);
    return record;
}

void sim_log_append(struct sim_log *log, int32_t partition, bk_wall_ms_t timestamp_ms, bk_str_t key,
                    bk_str_t value)
{
    append(&log->events[partition], timestamp_ms, 0, key, value);
}

/* The builders leave out what state does not read; the schemas want it. */
static void complete(struct bk_event *event)
{
    static struct bk_line one;
    for (uint32_t i = 0; i < event->line_count; i++)
        if (event->lines[i].quantity < 1) event->lines[i].quantity = 1;
    if (event->kind == BK_EVENT_SEARCHED && !event->query.len) event->query = BK_STR("oat milk");
    if (event->kind == BK_EVENT_REFUNDED && !event->order_id.len) event->order_id = BK_STR("o1");
    if (event->kind == BK_EVENT_SUBJECT_MERGED && !event->merged_subject.len)
        event->merged_subject = BK_STR("v:web");
    if (event->kind != BK_EVENT_LIST_SHOWN) return;
    if (!event->list.len) event->list = BK_STR("home");
    if (event->line_count) return;
    bk_line_reset(&one);
    one.item = BK_STR("i1");
    event->lines = &one;
    event->line_count = 1;
}

void sim_log_tell(struct sim_log *log, const struct told *told, int32_t partition, uint32_t gap)
{
    static uint8_t bytes[SIM_RECORD_BYTES_MAX];
    struct bk_event event = told->event;
    complete(&event);
    char subject[BK_SUBJECT_BYTES_MAX];
    uint32_t subject_len = bk_event_subject(&event, subject);
    size_t len = bk_encode_event(&event, bytes, sizeof bytes);
    BK_ASSERT(len && partition < log->partitions);
    append(&log->events[partition], told->place.record_ms, gap, bk_str(subject, subject_len),
           bk_str((char *)bytes, len));
}

void sim_log_product(struct sim_log *log, const char *item, const char *name)
{
    uint8_t bytes[1024];
    struct bk_line line;
    struct bk_event event = {.lines = &line};
    bk_event_reset(&event);
    bk_line_reset(&line);
    event.kind = BK_EVENT_PRODUCT;
    event.name = bk_str_c(name);
    event.event_time_ms = TOLD_START;
    event.line_count = 1;
    line.item = bk_str_c(item);
    size_t len = bk_encode_event(&event, bytes, sizeof bytes);
    BK_ASSERT(len);
    append(&log->products, TOLD_START, 0, line.item, bk_str((char *)bytes, len));
}

void sim_log_poison(struct sim_log *log, int32_t partition, struct chance *chance)
{
    struct sim_partition *part = &log->events[partition];
    char noise[64];
    uint32_t len = chance_below(chance, sizeof noise);
    for (uint32_t i = 0; i < len; i++) noise[i] = (char)chance_next(chance);
    bk_str_t key = BK_STR("c:poison"), value = bk_str(noise, len);
    if (part->count && chance_one_in(chance, 2)) { /* a good record cut short */
        const struct sim_record *last = &part->record[part->count - 1];
        key = bk_str(last->bytes, last->key_len);
        value = bk_str(last->bytes + last->key_len,
                       last->value_len ? chance_below(chance, last->value_len) : 0);
    }
    append(part, TOLD_START, 0, key, value)->poison = true;
}

void sim_log_fill(struct sim_log *log, struct chance *chance, const struct told_shape *shape,
                  uint32_t count, uint32_t poison_one_in)
{
    log->partitions = (int32_t)shape->partitions;
    for (uint32_t i = 0; i < shape->items; i += 2)
        sim_log_product(log, told_name("i", i), told_name("Item ", i));
    struct told *stream = told_stream(chance, shape, count);
    for (uint32_t i = 0; i < count; i++) {
        if (chance_one_in(chance, poison_one_in)) sim_log_poison(log, stream[i].partition, chance);
        sim_log_tell(log, &stream[i], stream[i].partition,
                     chance_one_in(chance, 8) ? chance_below(chance, 5) : 0);
    }
    told_stream_free(stream, count);
}

uint64_t sim_log_records(const struct sim_log *log, bool poison)
{
    uint64_t records = 0;
    for (int32_t p = 0; p < log->partitions; p++)
        for (uint32_t i = 0; i < log->events[p].count; i++)
            records += log->events[p].record[i].poison == poison;
    return records;
}

static void partition_free(struct sim_partition *part)
{
    for (uint32_t i = 0; i < part->count; i++) free(part->record[i].bytes);
    free(part->record);
}

void sim_log_free(struct sim_log *log)
{
    for (int32_t p = 0; p < SIM_PARTITIONS_MAX; p++) partition_free(&log->events[p]);
    partition_free(&log->products);
    *log = (struct sim_log){0};
}

struct bk_record sim_log_record(enum bk_topic topic, int32_t partition,
                                const struct sim_record *record)
{
    return (struct bk_record){
        .topic = topic,
        .partition = partition,
        .offset = record->offset,
        .timestamp_ms = record->timestamp_ms,
        .key = bk_str(record->bytes, record->key_len),
        .value = record->value_len ? bk_str(record->bytes + record->key_len, record->value_len)
                                   : (bk_str_t){0},
    };
}
