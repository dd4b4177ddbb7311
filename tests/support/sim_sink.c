/* sim_sink.c -- see the header. */
#include "support/sim_sink.h"

#include <stdio.h>
#include <stdlib.h>

enum { HOLD_MS = 100 };

static struct sim_sink *self(struct bk_sink *head)
{
    return (struct sim_sink *)(void *)head;
}

/* ---- RESP ---- */

/* The number of "<mark><number>\r\n" at *at, which is moved behind it; false when it is not
 * that. */
static bool read_number(const char **at, const char *end, char mark, uint32_t *number)
{
    if (*at >= end || *(*at)++ != mark) return false;
    *number = 0;
    const char *digits = *at;
    while (*at < end && **at >= '0' && **at <= '9')
        *number = *number * 10 + (uint32_t)(*(*at)++ - '0');
    if (*at == digits || end - *at < 2 || memcmp(*at, "\r\n", 2) != 0) return false;
    *at += 2;
    return true;
}

static bool read_bulk(const char **at, const char *end, bk_str_t *bulk)
{
    uint32_t len;
    if (!read_number(at, end, '$', &len) || (uint64_t)(end - *at) < len + 2ull) return false;
    *bulk = bk_str(*at, len);
    *at += len;
    bool closed = memcmp(*at, "\r\n", 2) == 0;
    *at += 2;
    return closed;
}

static bool is_word(bk_str_t bulk, const char *word)
{
    return bk_str_eq(bulk, bk_str_c(word));
}

static bool starts_with(bk_str_t text, const char *start)
{
    size_t len = strlen(start);
    return text.len >= len && memcmp(text.p, start, len) == 0;
}

/* One whole command and nothing behind it: SET key value [EX n] | UNLINK key | PUBLISH channel
 * key. */
static bool parse(const char *resp, size_t len, struct sim_sent *sent, bk_str_t *key,
                  bk_str_t *value)
{
    const char *at = resp, *end = resp + len;
    uint32_t words;
    bk_str_t bulk[5];
    if (!read_number(&at, end, '*', &words) || words < 2 || words > 5) return false;
    for (uint32_t i = 0; i < words; i++)
        if (!read_bulk(&at, end, &bulk[i])) return false;
    if (at != end) return false;
    *key = bulk[1];
    *value = words > 2 ? bulk[2] : (bk_str_t){0};
    sent->expire_s = 0;
    for (uint32_t i = 0; words == 5 && i < bulk[4].len; i++)
        sent->expire_s = sent->expire_s * 10 + (uint32_t)(bulk[4].p[i] - '0');
    sent->verb = words == 2 ? SIM_UNLINK : is_word(bulk[0], "SET") ? SIM_SET : SIM_PUBLISH;
    if (sent->verb == SIM_UNLINK) return is_word(bulk[0], "UNLINK");
    if (sent->verb == SIM_PUBLISH) return words == 3 && is_word(bulk[0], "PUBLISH");
    return words == 3 || (words == 5 && is_word(bulk[3], "EX") && sent->expire_s);
}

/* ---- the store ---- */

static struct sim_entry *slot_of(const struct sim_sink *sink, const char *key, size_t len)
{
    uint32_t slot = (uint32_t)bk_hash(key, len) & (sink->entry_cap - 1);
    while (sink->entry[slot].key &&
           (strlen(sink->entry[slot].key) != len || memcmp(sink->entry[slot].key, key, len) != 0))
        slot = (slot + 1) & (sink->entry_cap - 1);
    return &sink->entry[slot];
}

static void grow(struct sim_sink *sink)
{
    struct sim_entry *old = sink->entry;
    uint32_t cap = sink->entry_cap;
    sink->entry_cap = cap ? 2 * cap : 256;
    sink->entry = calloc(sink->entry_cap, sizeof *sink->entry);
    BK_ASSERT(sink->entry);
    for (uint32_t i = 0; i < cap; i++)
        if (old[i].key) *slot_of(sink, old[i].key, strlen(old[i].key)) = old[i];
    free(old);
}

static char *copy(const char *p, size_t len)
{
    char *bytes = malloc(len + 1);
    BK_ASSERT(bytes);
    if (len) memcpy(bytes, p, len);
    bytes[len] = 0;
    return bytes;
}

static struct sim_entry *entry_of(struct sim_sink *sink, const struct sim_sent *sent)
{
    if (2 * sink->entries >= sink->entry_cap) grow(sink);
    struct sim_entry *entry = slot_of(sink, sent->bytes, sent->key_len);
    if (!entry->key) {
        entry->key = copy(sent->bytes, sent->key_len);
        sink->entries++;
    }
    return entry;
}

static void execute(struct sim_sink *sink, const struct sim_sent *sent, enum bk_outcome outcome)
{
    if (sink->forgets || sent->verb == SIM_PUBLISH) return;
    struct sim_entry *entry = entry_of(sink, sent);
    bool refused = outcome != BK_OUTCOME_STORED && !bk_outcome_retry(outcome);
    if (refused || sent->verb == SIM_SET)
        entry->refused = refused; /* an UNLINK stores no list in its place */
    if (outcome != BK_OUTCOME_STORED) return;
    free(entry->value);
    entry->value =
        sent->verb == SIM_SET ? copy(sent->bytes + sent->key_len, sent->value_len) : NULL;
    entry->value_len = sent->value_len;
    entry->expires_ms = sent->expire_s ? sink->now_ms + 1000ll * sent->expire_s : INT64_MAX;
    entry->writes++;
}

static void lose_everything(struct sim_sink *sink)
{
    for (uint32_t i = 0; i < sink->entry_cap; i++) {
        free(sink->entry[i].value);
        sink->entry[i].value = NULL;
    }
}

const struct sim_entry *sim_sink_find(const struct sim_sink *sink, const char *key, size_t len)
{
    const struct sim_entry *entry = sink->entry_cap ? slot_of(sink, key, len) : NULL;
    return entry && entry->key ? entry : NULL;
}

bool sim_entry_is_there(const struct sim_entry *entry, int64_t now_ms)
{
    return entry && entry->value && now_ms < entry->expires_ms;
}

/* ---- commands go in ---- */

static size_t room(struct bk_sink *head)
{
    struct sim_sink *sink = self(head);
    size_t room =
        sink->connected && sink->now_ms >= sink->held_until_ms ? sink->window - sink->count : 0;
    if (sink->on_trial && room) room = sink->count == 0;
    if (!room) sink->owes_wake = true;
    return room;
}

static int submit(struct bk_sink *head, const struct bk_ticket *ticket, const char *resp,
                  size_t len)
{
    struct sim_sink *sink = self(head);
    if (!room(head)) {
        sink->without_room++;
        return BK_EAGAIN;
    }
    struct sim_sent *sent = &sink->sent[(sink->first + sink->count) % sink->window_cap];
    bk_str_t key, value;
    if (!parse(resp, len, sent, &key, &value)) {
        sink->malformed++;
        fprintf(stderr, "malformed: %.*s\n", (int)len, resp);
        return BK_EAGAIN;
    }
    sent->ticket = *ticket;
    sent->due_ms = sink->now_ms +
                   (sink->latency_ms_max ? chance_below(sink->chance, sink->latency_ms_max) : 0);
    sent->key_len = key.len;
    sent->value_len = value.len;
    sent->bytes = NULL;
    if (!sink->forgets) {
        sent->bytes = copy(key.p, key.len + value.len);
        if (value.len) memcpy(sent->bytes + key.len, value.p, value.len);
    }
    sink->taken++;
    sent->subject = sent->verb == SIM_SET && starts_with(value, "{\"v\":1,\"subject\":\"");
    sink->subject_sets += sent->subject;
    if (++sink->count > sink->count_max) sink->count_max = sink->count;
    if (sink->count == sink->window) sink->owes_wake = true;
    return BK_OK;
}

/* ---- answers come out ---- */

static void answer(struct sim_sink *sink, enum bk_outcome outcome)
{
    struct sim_sent sent = sink->sent[sink->first];
    sink->first = (sink->first + 1) % sink->window_cap;
    sink->count--;
    sink->answered++;
    sink->outcomes[outcome]++;
    sink->subject_retries += sent.subject && bk_outcome_retry(outcome);
    free(sent.bytes);
    sink->events.outcome(sink->events.arg, &sent.ticket, outcome);
}

static void wake(struct sim_sink *sink)
{
    if (!sink->owes_wake) return;
    sink->owes_wake = false;
    sink->events.wake(sink->events.arg);
}

void sim_sink_turn(struct sim_sink *sink, int64_t now_ms)
{
    sink->now_ms = now_ms;
    if (!sink->connected || sink->frozen) return;
    uint32_t answers = 0;
    while (sink->count && sink->sent[sink->first].due_ms <= now_ms &&
           (!sink->per_turn_max || answers < sink->per_turn_max)) {
        const struct sim_sent *sent = &sink->sent[sink->first];
        enum bk_outcome outcome = sink->answer;
        if (outcome == BK_OUTCOME_STORED && sent->verb != SIM_PUBLISH &&
            chance_one_in(sink->chance, sink->refuse_one_in))
            outcome = chance_one_in(sink->chance, 2) ? BK_OUTCOME_WRONGTYPE : BK_OUTCOME_REFUSED;
        execute(sink, sent, outcome);
        sink->on_trial = bk_outcome_retry(outcome);
        if (sink->on_trial) sink->held_until_ms = now_ms + HOLD_MS;
        answer(sink, outcome);
        answers++;
    }
    if (now_ms >= sink->held_until_ms) wake(sink);
}

/* ---- the connection ---- */

void sim_sink_connect(struct sim_sink *sink, bool lost)
{
    bool fresh = lost || !sink->was_connected;
    if (lost) lose_everything(sink);
    sink->reconnects += sink->was_connected;
    sink->connected = sink->was_connected = true;
    sink->held_until_ms = 0;
    sink->on_trial = false;
    sink->events.connected(sink->events.arg, fresh);
    sink->owes_wake = true;
    wake(sink);
}

void sim_sink_drop(struct sim_sink *sink, uint32_t executed)
{
    sink->connected = false;
    for (uint32_t i = 0; i < executed && i < sink->count; i++)
        execute(sink, &sink->sent[(sink->first + i) % sink->window_cap], BK_OUTCOME_STORED);
    while (sink->count) answer(sink, BK_OUTCOME_UNKNOWN);
}

static void status(struct bk_sink *head, struct bk_sink_status *out)
{
    const struct sim_sink *sink = self(head);
    *out = (struct bk_sink_status){.state = sink->connected ? BK_SINK_READY : BK_SINK_BACKOFF,
                                   .inflight = sink->count,
                                   .reconnects = sink->reconnects};
    memcpy(out->outcomes, sink->outcomes, sizeof out->outcomes);
}

static void close_sink(struct bk_sink *head, uint32_t deadline_ms, void (*closed)(void *arg),
                       void *arg)
{
    (void)deadline_ms;
    sim_sink_drop(self(head), 0);
    closed(arg);
}

static const struct bk_sink_ops ops = {room, submit, status, close_sink};

void sim_sink_init(struct sim_sink *sink, uint32_t window, struct chance *chance)
{
    *sink = (struct sim_sink){.head.ops = &ops,
                              .chance = chance,
                              .window = window,
                              .window_cap = window,
                              .answer = BK_OUTCOME_STORED};
    sink->sent = calloc(window, sizeof *sink->sent);
    BK_ASSERT(sink->sent);
    grow(sink);
}

void sim_sink_deinit(struct sim_sink *sink)
{
    for (uint32_t i = 0; i < sink->count; i++)
        free(sink->sent[(sink->first + i) % sink->window_cap].bytes);
    for (uint32_t i = 0; i < sink->entry_cap; i++) {
        free(sink->entry[i].key);
        free(sink->entry[i].value);
    }
    free(sink->entry);
    free(sink->sent);
    *sink = (struct sim_sink){0};
}
