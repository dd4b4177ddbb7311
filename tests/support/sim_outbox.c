/* sim_outbox.c -- see the header. */
#include "support/sim_outbox.h"

#include "basketry/dead_letter.h"

#include <stdlib.h>

static struct sim_outbox *self(const struct bk_outbox *head)
{
    return (struct sim_outbox *)(uintptr_t)head;
}

static size_t room(struct bk_outbox *head)
{
    const struct sim_outbox *outbox = self(head);
    return (size_t)(outbox->window - (outbox->sent - outbox->acked));
}

static int64_t number_of(bk_str_t text)
{
    char copy[24] = "";
    memcpy(copy, text.p, text.len < sizeof copy ? text.len : sizeof copy - 1);
    return strtoll(copy, NULL, 10);
}

static struct sim_letter letter_of(const struct bk_outgoing *record)
{
    struct sim_letter letter = {-1, -1, ""};
    for (uint32_t i = 0; i < record->header_count; i++) {
        const struct bk_header *header = &record->headers[i];
        if (strcmp(header->name, BK_LETTER_PARTITION) == 0)
            letter.partition = (int32_t)number_of(header->value);
        if (strcmp(header->name, BK_LETTER_OFFSET) == 0) letter.offset = number_of(header->value);
        if (strcmp(header->name, BK_LETTER_REASON) == 0)
            memcpy(letter.reason, header->value.p, header->value.len);
    }
    return letter;
}

static int put(struct bk_outbox *head, const struct bk_outgoing *record)
{
    struct sim_outbox *outbox = self(head);
    if (!room(head)) return BK_EAGAIN;
    uint64_t at = ++outbox->sent % SIM_OUTBOX_MAX;
    char *bytes = malloc(record->key.len + record->value.len + 1ull);
    BK_ASSERT(bytes);
    if (record->key.len) memcpy(bytes, record->key.p, record->key.len);
    if (record->value.len) memcpy(bytes + record->key.len, record->value.p, record->value.len);
    outbox->waiting[at].bytes = bytes;
    outbox->waiting[at].key_len = record->key.len;
    outbox->waiting[at].value_len = record->value.len;
    outbox->waiting[at].is_event = strcmp(record->topic, "shop.events") == 0;
    outbox->waiting[at].letter = letter_of(record);
    return BK_OK;
}

static uint64_t sent(const struct bk_outbox *head)
{
    return self(head)->sent;
}

static uint64_t acked(const struct bk_outbox *head)
{
    return self(head)->acked;
}

static void status(const struct bk_outbox *head, struct bk_outbox_status *out)
{
    const struct sim_outbox *outbox = self(head);
    *out = (struct bk_outbox_status){.state = BK_OUTBOX_READY,
                                     .waiting = outbox->sent - outbox->acked};
}

static void close_outbox(struct bk_outbox *head, uint32_t deadline_ms, void (*closed)(void *arg),
                         void *arg)
{
    (void)head, (void)deadline_ms;
    closed(arg);
}

void sim_outbox_init(struct sim_outbox *outbox, struct sim_log *log, struct sim_source *source,
                     struct chance *chance, const struct bk_outbox_events *events)
{
    static const struct bk_outbox_ops ops = {room, put, sent, acked, status, close_outbox};
    outbox->head.ops = &ops;
    outbox->log = log;
    outbox->source = source;
    outbox->chance = chance;
    outbox->events = *events;
    outbox->sent = outbox->arrived = outbox->acked = 0;
    if (!outbox->window) outbox->window = SIM_OUTBOX_MAX;
    if (!outbox->delay_one_in) outbox->delay_one_in = 1;
}

static void arrive(struct sim_outbox *outbox, uint64_t at)
{
    char *bytes = outbox->waiting[at].bytes;
    bk_str_t key = bk_str(bytes, outbox->waiting[at].key_len);
    bk_str_t value = bk_str(bytes + key.len, outbox->waiting[at].value_len);
    if (outbox->waiting[at].is_event) {
        int32_t p = bk_partition_of(key, outbox->log->partitions);
        sim_log_append(outbox->log, p, outbox->now_ms, key, value);
        outbox->source->part[p].visible = outbox->log->events[p].count;
        outbox->source->events.wake(outbox->source->events.arg);
        outbox->merges++;
    } else {
        BK_ASSERT(outbox->letters < SIM_LETTERS_MAX);
        outbox->letter[outbox->letters++] = outbox->waiting[at].letter;
    }
    free(bytes);
    outbox->waiting[at].bytes = NULL;
}

void sim_outbox_turn(struct sim_outbox *outbox, bk_wall_ms_t now_ms)
{
    outbox->now_ms = now_ms;
    if (outbox->mute) return;
    while (outbox->arrived < outbox->sent && chance_one_in(outbox->chance, outbox->delay_one_in))
        arrive(outbox, ++outbox->arrived % SIM_OUTBOX_MAX);
    if (outbox->acked == outbox->arrived || !chance_one_in(outbox->chance, outbox->delay_one_in))
        return;
    outbox->acked = outbox->arrived;
    outbox->events.wake(outbox->events.arg);
}

void sim_outbox_crash(struct sim_outbox *outbox)
{
    for (uint64_t at = outbox->arrived + 1; at <= outbox->sent; at++)
        free(outbox->waiting[at % SIM_OUTBOX_MAX].bytes);
    outbox->sent = outbox->arrived = outbox->acked = 0;
}
