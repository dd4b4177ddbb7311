/* kafka_consumer.c -- one librdkafka consumer: its queue of events and the partitions it was given.
 *
 * THE IDEA
 *   All that a client has to say -- records, ends, errors, rebalances, its log -- comes in order on
 *   one queue, and one function takes it off, a bounded number at a time. Where reading starts is
 *   never the group's affair: every assignment is answered with the owner's own offsets, which is
 *   also how a partition starts again from elsewhere. There is no seek.
 * INVARIANTS
 *   I1 a record is delivered only if its partition is assigned and its offset is not below
 *   `position`: what the client offers again (a resume may rewind before 2.4.0) is counted, not
 *   delivered. I2 no event outlives its handling, but for those in `held`: one that is kept makes
 *   rd_kafka_destroy wait for ever. I3 reached_end is called once per assignment, when `position`
 *   reached the end that the partition had when it was assigned, or the client said that there is
 *   nothing more (which an empty partition and a tail of transaction markers need).
 * WHEN THE LOG DOES NOT HOLD WHAT COMES NEXT (P5: nothing is skipped in silence)
 *   The broker answers "out of range", and where the log begins and ends is asked:
 *     begins later   records are lost. They are counted, named in the log, and reading goes on where
 *                    the log begins.
 *     anything else  the log ended before our position when we came: the topic was made anew, or a
 *                    broker lost its end. What it holds below our position is not what we applied.
 *                    The partition rests until somebody says which of the two is right
 *                    (`basketry accept-log`); the others go on.
 *   Facts are registers: they are read again from the beginning.
 * COST
 *   One event per record: 2.0.2's batch call can lose or misattribute records around pauses and
 *   rebalances (its "known issues"), and events are fast enough
 *   (tests/unit/source/test_kafka_flow.c).
 */
#include "kafka_internal.h"

#include "basketry/log.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    /* Log lines, errors and the like that one drain handles besides the records it may deliver. */
    OTHER_EVENTS_MAX = 256,
    /* NULL from a queue that is not empty means that the client handled something for itself. */
    EMPTY_POLLS_MAX = 8,
    /* A shorter queue than this was not the limit of anything. */
    NUDGE_PEAK_MIN = 512,
};

/* ---- partitions ---- */

static struct kafka_part *find_part(struct kafka_consumer *c, enum bk_topic topic,
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

static int topic_of(const struct kafka_consumer *c, const char *name)
{
    for (int topic = 0; topic < BK_TOPIC_COUNT; topic++)
        if (c->topics[topic] && strcmp(c->topics[topic], name) == 0) return topic;
    return -1;
}

static struct kafka_part *find_by_name(struct kafka_consumer *c, const char *name,
                                       int32_t partition)
{
    int topic = topic_of(c, name);
    return topic < 0 ? NULL : find_part(c, (enum bk_topic)topic, partition);
}

/** Add a partition; its owner says where to start. */
static void add_part(struct kafka_consumer *c, enum bk_topic topic, int32_t partition)
{
    BK_ASSERT(!find_part(c, topic, partition));
    if (c->parts_count == c->parts_cap) {
        c->parts_cap = c->parts_cap ? c->parts_cap * 2 : 16;
        c->parts = realloc(c->parts, c->parts_cap * sizeof *c->parts);
        BK_ASSERT(c->parts);
    }
    int64_t start = c->events->assigned(c->events->arg, topic, partition);
    c->parts[c->parts_count++] = (struct kafka_part){
        .topic = topic,
        .partition = partition,
        .generation = ++c->generation,
        .position = start < 0 ? BK_OFFSET_BEGINNING : start,
        .end = -1,
        .place = start == BK_OFFSET_REFUSED ? KAFKA_PLACE_REFUSED : KAFKA_PLACE_KNOWN,
    };
}

static void remove_part(struct kafka_consumer *c, struct kafka_part *part)
{
    c->events->revoked(c->events->arg, part->topic, part->partition);
    *part = c->parts[--c->parts_count];
}

static void remove_all(struct kafka_consumer *c)
{
    while (c->parts_count) remove_part(c, &c->parts[c->parts_count - 1]);
}

static void list_add(rd_kafka_topic_partition_list_t *list, const struct kafka_consumer *c,
                     const struct kafka_part *part)
{
    rd_kafka_topic_partition_list_add(list, c->topics[part->topic], part->partition)->offset =
        part->position;
}

/** Every partition with its position, as librdkafka wants it. */
static rd_kafka_topic_partition_list_t *list_of(const struct kafka_consumer *c)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)c->parts_count);
    for (size_t i = 0; i < c->parts_count; i++) list_add(list, c, &c->parts[i]);
    return list;
}

static bool is_resting(const struct kafka_part *part)
{
    return part->place == KAFKA_PLACE_SHORTER || part->place == KAFKA_PLACE_REFUSED;
}

/** A start beyond the end is not an end reached: it will turn out to be out of range. */
static bool is_past_end(const struct kafka_part *part)
{
    if (part->end < 0) return false;
    if (part->position < 0) return part->empty;
    return part->position == part->end || (part->position > part->end && part->delivered);
}

/** Call reached_end if it is due; `at_end`: the client just said that there is no more. */
static void check_end(struct kafka_consumer *c, struct kafka_part *part, bool at_end)
{
    if (part->ended || is_resting(part) || !(at_end || is_past_end(part))) return;
    part->ended = true;
    c->events->reached_end(c->events->arg, part->topic, part->partition);
}

/* ---- errors ---- */

static void note_error(struct kafka_consumer *c, rd_kafka_resp_err_t err, const char *text)
{
    c->counts.errors++;
    snprintf(c->detail, sizeof c->detail, "%s: %s", rd_kafka_err2name(err), text ? text : "");
}

static void note_failure(struct kafka_consumer *c, const char *step, rd_kafka_error_t *error)
{
    if (!error) return;
    note_error(c, rd_kafka_error_code(error), rd_kafka_error_string(error));
    bk_log_error("kafka", "%s_failed err=\"%s\"", step, rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
}

static void note_code(struct kafka_consumer *c, const char *step, rd_kafka_resp_err_t err)
{
    if (!err) return;
    note_error(c, err, rd_kafka_err2str(err));
    bk_log_error("kafka", "%s_failed err=\"%s\"", step, rd_kafka_err2str(err));
}

/* ---- assignment ---- */

static bool is_cooperative(const struct kafka_consumer *c)
{
    return strcmp(rd_kafka_rebalance_protocol(c->rk), "COOPERATIVE") == 0;
}

static void pause_list(struct kafka_consumer *c, rd_kafka_topic_partition_list_t *list, bool paused)
{
    if (list->cnt == 0) return;
    note_code(c, paused ? "pause" : "resume",
              paused ? rd_kafka_pause_partitions(c->rk, list)
                     : rd_kafka_resume_partitions(c->rk, list));
}

/** The partitions that are to be paused (or resumed) now: those that rest are paused for good. */
static void pause_some(struct kafka_consumer *c, bool resting, bool paused)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)c->parts_count);
    for (size_t i = 0; i < c->parts_count; i++)
        if (is_resting(&c->parts[i]) == resting) list_add(list, c, &c->parts[i]);
    pause_list(c, list, paused);
    rd_kafka_topic_partition_list_destroy(list);
}

/** An assignment forgets what was paused. */
static void pause_again(struct kafka_consumer *c)
{
    pause_some(c, true, true);
    if (c->paused) pause_some(c, false, true);
}

/** Hand the client the whole table anew, positions included. Cheap enough for what is rare. */
static void assign_table(struct kafka_consumer *c)
{
    rd_kafka_topic_partition_list_t *list = list_of(c);
    note_code(c, "assign", rd_kafka_assign(c->rk, list));
    rd_kafka_topic_partition_list_destroy(list);
    pause_again(c);
}

/** Start one partition again from its position: out of range, or let go while paused. */
static void restart_part(struct kafka_consumer *c, const struct kafka_part *part)
{
    if (!is_cooperative(c)) {
        assign_table(c);
        return;
    }
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    list_add(list, c, part);
    note_failure(c, "unassign", rd_kafka_incremental_unassign(c->rk, list));
    note_failure(c, "assign", rd_kafka_incremental_assign(c->rk, list));
    rd_kafka_topic_partition_list_destroy(list);
    pause_again(c);
}

/** The group gives us partitions (cooperative: more of them; eager: all there are). */
static void on_assign(struct kafka_consumer *c, const rd_kafka_topic_partition_list_t *given)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(given->cnt);
    bool cooperative = is_cooperative(c);
    if (!cooperative) remove_all(c);
    for (int i = 0; i < given->cnt; i++) {
        int topic = topic_of(c, given->elems[i].topic);
        int32_t partition = given->elems[i].partition;
        if (topic < 0 || find_part(c, (enum bk_topic)topic, partition)) continue;
        add_part(c, (enum bk_topic)topic, partition);
        list_add(list, c, &c->parts[c->parts_count - 1]);
    }
    if (cooperative)
        note_failure(c, "assign", rd_kafka_incremental_assign(c->rk, list));
    else
        note_code(c, "assign", rd_kafka_assign(c->rk, list));
    rd_kafka_topic_partition_list_destroy(list);
    pause_again(c);
    c->joined = true;
    if (c->parts_count) c->topic_gone = false;
    bk_log_info("kafka", "assigned partitions=%zu new=%d protocol=%s", c->parts_count, given->cnt,
                rd_kafka_rebalance_protocol(c->rk));
}

/** The group takes partitions back, or we lost them unasked. */
static void on_revoke(struct kafka_consumer *c, const rd_kafka_topic_partition_list_t *taken)
{
    bool lost = rd_kafka_assignment_lost(c->rk);
    if (!lost) bk__kafka_consumer_commit(c);
    for (int i = 0; i < taken->cnt; i++) {
        struct kafka_part *part = find_by_name(c, taken->elems[i].topic, taken->elems[i].partition);
        if (part) remove_part(c, part);
    }
    if (is_cooperative(c)) {
        note_failure(c, "unassign", rd_kafka_incremental_unassign(c->rk, taken));
    } else {
        remove_all(c);
        note_code(c, "unassign", rd_kafka_assign(c->rk, NULL));
    }
    bk_log_info("kafka", "revoked partitions=%d left=%zu lost=%s", taken->cnt, c->parts_count,
                lost ? "yes" : "no");
}

/** The client waits for our answer to every rebalance, also to one that failed. */
static void on_rebalance(struct kafka_consumer *c, rd_kafka_event_t *ev)
{
    rd_kafka_resp_err_t what = rd_kafka_event_error(ev);
    if (what == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        on_assign(c, rd_kafka_event_topic_partition_list(ev));
    } else if (what == RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS) {
        on_revoke(c, rd_kafka_event_topic_partition_list(ev));
    } else {
        note_code(c, "rebalance", what);
        remove_all(c);
        note_code(c, "unassign", rd_kafka_assign(c->rk, NULL));
    }
}

void bk__kafka_consumer_subscribe(struct kafka_consumer *c)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, c->topics[BK_TOPIC_EVENTS], RD_KAFKA_PARTITION_UA);
    note_code(c, "subscribe", rd_kafka_subscribe(c->rk, list));
    rd_kafka_topic_partition_list_destroy(list);
}

void bk__kafka_consumer_take(struct kafka_consumer *c, const int32_t partitions[BK_TOPIC_COUNT])
{
    for (int topic = 0; topic < BK_TOPIC_COUNT; topic++)
        for (int32_t p = 0; c->topics[topic] && p < partitions[topic]; p++)
            if (!find_part(c, (enum bk_topic)topic, p)) add_part(c, (enum bk_topic)topic, p);
    assign_table(c);
    c->joined = true;
}

/* ---- events ---- */

static bk_str_t bytes_of(const void *p, size_t len)
{
    if (!p) return (bk_str_t){NULL, 0};
    return bk_str(p, len);
}

static bk_str_t schema_id_of(const rd_kafka_message_t *msg)
{
    rd_kafka_headers_t *headers;
    const void *value;
    size_t len;
    if (rd_kafka_message_headers(msg, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR ||
        rd_kafka_header_get_last(headers, "__value_schema_id", &value, &len) !=
            RD_KAFKA_RESP_ERR_NO_ERROR)
        return (bk_str_t){NULL, 0};
    return bytes_of(value, len);
}

static bool header_at(const void *headers, size_t at, const char **name, bk_str_t *value)
{
    rd_kafka_headers_t *list;
    const void *bytes;
    size_t len;
    if (rd_kafka_message_headers(headers, &list) != RD_KAFKA_RESP_ERR_NO_ERROR ||
        rd_kafka_header_get_all(list, at, name, &bytes, &len) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return false;
    *value = bytes_of(bytes, len);
    return true;
}

static void deliver(struct kafka_consumer *c, struct kafka_part *part,
                    const rd_kafka_message_t *msg)
{
    rd_kafka_timestamp_type_t type;
    struct bk_record record = {
        .topic = part->topic,
        .partition = part->partition,
        .offset = msg->offset,
        .timestamp_ms = rd_kafka_message_timestamp(msg, &type),
        .key = bytes_of(msg->key, msg->key_len),
        .value = bytes_of(msg->payload, msg->len),
        .value_schema_id = schema_id_of(msg),
        .headers = msg,
        .header_at = header_at,
    };
    c->events->record(c->events->arg, &record);
}

/** One record. Returns whether it was delivered. */
static bool on_fetch(struct kafka_consumer *c, rd_kafka_event_t *ev)
{
    const rd_kafka_message_t *msg = rd_kafka_event_message_next(ev);
    if (!msg) return false;
    struct kafka_part *part = find_by_name(c, rd_kafka_topic_name(msg->rkt), msg->partition);
    if (!part || is_resting(part)) return false; /* taken back since, or not to be read */
    if (c->paused || part->let_go) {
        part->let_go = true;
        return false;
    }
    if (msg->offset < part->position) {
        c->counts.repeated++;
        return false;
    }
    c->disconnected = c->topic_gone = false;
    deliver(c, part, msg);
    part->position = msg->offset + 1;
    part->place = KAFKA_PLACE_KNOWN;
    part->delivered = true;
    c->moved = true;
    check_end(c, part, false);
    return true;
}

static void on_partition_eof(struct kafka_consumer *c, struct kafka_part *part)
{
    c->disconnected = false;
    if (part->let_go || is_resting(part)) return;
    part->place = KAFKA_PLACE_KNOWN;
    check_end(c, part, true);
}

/* ---- the log does not hold what comes next ---- */

static void restart_at(struct kafka_consumer *c, struct kafka_part *part, int64_t position)
{
    c->counts.offset_resets++;
    part->position = position;
    part->delivered = false;
    part->place = KAFKA_PLACE_RESTARTING;
    restart_part(c, part);
}

static void restart_from_beginning(struct kafka_consumer *c, struct kafka_part *part)
{
    snprintf(c->detail, sizeof c->detail,
             "offset_out_of_range: %s [%d] has no offset %lld; restarted from its beginning",
             c->topics[part->topic], part->partition, (long long)part->position);
    bk_log_error("kafka",
                 "offset_out_of_range topic=%s partition=%d offset=%lld "
                 "action=restart_from_beginning",
                 c->topics[part->topic], part->partition, (long long)part->position);
    restart_at(c, part, BK_OFFSET_BEGINNING);
}

static void go_on_from(struct kafka_consumer *c, struct kafka_part *part, int64_t low)
{
    int64_t lost = low - part->position;
    c->counts.lost += (uint64_t)lost;
    snprintf(c->detail, sizeof c->detail, "log_truncated: %s [%d] lost %lld records, %lld to %lld",
             c->topics[part->topic], part->partition, (long long)lost, (long long)part->position,
             (long long)low - 1);
    bk_log_error("kafka",
                 "log_truncated topic=%s partition=%d from=%lld to=%lld records_lost=%lld "
                 "action=go_on",
                 c->topics[part->topic], part->partition, (long long)part->position,
                 (long long)low - 1, (long long)lost);
    restart_at(c, part, low);
}

static void rest(struct kafka_consumer *c, struct kafka_part *part, int64_t high)
{
    snprintf(c->detail, sizeof c->detail,
             "log_shorter_than_state: %s [%d] ends at %lld, the state is at %lld",
             c->topics[part->topic], part->partition, (long long)high, (long long)part->position);
    bk_log_error("kafka",
                 "log_shorter_than_state topic=%s partition=%d ends=%lld state=%lld action=rest "
                 "mend=\"basketry accept-log %d\"",
                 c->topics[part->topic], part->partition, (long long)high,
                 (long long)part->position, part->partition);
    part->place = KAFKA_PLACE_SHORTER;
    pause_some(c, true, true);
}

/** The broker said that it has no such record. */
static void on_out_of_range(struct kafka_consumer *c, struct kafka_part *part)
{
    if (is_resting(part) || part->place == KAFKA_PLACE_ASKED) return;
    c->counts.errors++;
    if (part->topic != BK_TOPIC_EVENTS || part->position < 0) {
        restart_from_beginning(c, part);
        return;
    }
    part->place = KAFKA_PLACE_ASKED; /* the next pull asks */
    snprintf(c->detail, sizeof c->detail, "offset_out_of_range: %s [%d] has no offset %lld",
             c->topics[part->topic], part->partition, (long long)part->position);
}

/** Where the log stands is known: records lost, or another log. A log that grew past our position
 *  meanwhile is another one as well. */
static void judge_place(struct kafka_consumer *c, struct kafka_part *part, int64_t low,
                        int64_t high)
{
    c->topic_gone = false; /* it is there, and answers */
    if (low > part->position)
        go_on_from(c, part, low);
    else
        rest(c, part, high);
}

int bk__kafka_consumer_accept(struct kafka_consumer *c, int32_t partition)
{
    struct kafka_part *part = find_part(c, BK_TOPIC_EVENTS, partition);
    if (!part || part->place != KAFKA_PLACE_SHORTER) return BK_ENOENT;
    bk_log_warn("kafka", "log_accepted topic=%s partition=%d action=restart_from_beginning",
                c->topics[part->topic], partition);
    restart_at(c, part, BK_OFFSET_BEGINNING);
    pause_some(c, false, c->paused);
    c->detail[0] = '\0';
    return BK_OK;
}

uint32_t bk__kafka_consumer_in_place(const struct kafka_consumer *c, enum kafka_place place)
{
    uint32_t count = 0;
    for (size_t i = 0; i < c->parts_count; i++) count += c->parts[i].place == place;
    return count;
}

static struct kafka_part *part_of_event(struct kafka_consumer *c, rd_kafka_event_t *ev)
{
    rd_kafka_topic_partition_t *tp = rd_kafka_event_topic_partition(ev);
    if (!tp) return NULL;
    struct kafka_part *part = find_by_name(c, tp->topic, tp->partition);
    rd_kafka_topic_partition_destroy(tp);
    return part;
}

static void on_fatal(struct kafka_consumer *c)
{
    char text[100];
    rd_kafka_resp_err_t err = rd_kafka_fatal_error(c->rk, text, sizeof text);
    c->fatal = true;
    note_error(c, err, text);
    bk_log_error("kafka", "fatal err=\"%s\"", text);
}

static void on_error(struct kafka_consumer *c, rd_kafka_event_t *ev)
{
    rd_kafka_resp_err_t err = rd_kafka_event_error(ev);
    struct kafka_part *part = part_of_event(c, ev);
    if (err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        if (part) on_partition_eof(c, part);
        return;
    }
    if (err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET && part) {
        on_out_of_range(c, part);
        return;
    }
    if (err == RD_KAFKA_RESP_ERR__FATAL || rd_kafka_event_error_is_fatal(ev)) {
        on_fatal(c);
        return;
    }
    if (err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) c->disconnected = true;
    if (err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) c->topic_gone = true;
    note_error(c, err, rd_kafka_event_error_string(ev));
    /* A lost connection is in the client's own log already. */
    bk_log_at(err == RD_KAFKA_RESP_ERR__TRANSPORT ? BK_LOG_DEBUG : BK_LOG_WARN, "kafka",
              "error code=%s err=\"%s\"", rd_kafka_err2name(err), rd_kafka_event_error_string(ev));
}

static void on_log(rd_kafka_event_t *ev)
{
    const char *facility, *text;
    int syslog_level;
    if (rd_kafka_event_log(ev, &facility, &text, &syslog_level) != 0) return;
    enum bk_log_level level = syslog_level <= 3   ? BK_LOG_ERROR
                              : syslog_level == 4 ? BK_LOG_WARN
                              : syslog_level <= 6 ? BK_LOG_INFO
                                                  : BK_LOG_DEBUG;
    bk_log_at(level, "rdkafka", "client facility=%s text=\"%s\"", facility, text);
}

/** Handle and destroy one event. Returns how many records it delivered: 0 or 1. */
static size_t handle(struct kafka_consumer *c, rd_kafka_event_t *ev)
{
    size_t delivered = 0;
    switch (rd_kafka_event_type(ev)) {
    case RD_KAFKA_EVENT_FETCH:
        delivered = on_fetch(c, ev);
        break;
    case RD_KAFKA_EVENT_REBALANCE:
        on_rebalance(c, ev);
        break;
    case RD_KAFKA_EVENT_ERROR:
        on_error(c, ev);
        break;
    case RD_KAFKA_EVENT_LOG:
        on_log(ev);
        break;
    default:
        break; /* statistics and whatever newer versions say: nothing that is asked for */
    }
    rd_kafka_event_destroy(ev);
    return delivered;
}

/* ---- the queue ---- */

static rd_kafka_event_t *take_held(struct kafka_consumer *c)
{
    rd_kafka_event_t *ev = c->held[c->held_first];
    c->held_first = (c->held_first + 1) % KAFKA_HELD_MAX;
    c->held_count--;
    return ev;
}

size_t bk__kafka_consumer_drain(struct kafka_consumer *c, size_t max, bool *more)
{
    size_t delivered = 0, others = 0, empties = 0;
    if (!c->rk || max == 0) return 0; /* who has no room need not be woken for more */
    while (delivered < max && others < OTHER_EVENTS_MAX) {
        rd_kafka_event_t *ev = c->held_count ? take_held(c) : rd_kafka_queue_poll(c->queue, 0);
        if (!ev) {
            if (rd_kafka_queue_length(c->queue) == 0 || ++empties == EMPTY_POLLS_MAX)
                return delivered; /* what is left unseen, the safety poll finds */
            continue;
        }
        size_t one = handle(c, ev);
        delivered += one;
        others += !one;
    }
    *more = true; /* a budget was hit: no new edge will ring the bell for what waits */
    return delivered;
}

bool bk__kafka_consumer_safety_poll(struct kafka_consumer *c)
{
    if (!c->rk) return false;
    rd_kafka_event_t *ev = c->held_count < KAFKA_HELD_MAX ? rd_kafka_queue_poll(c->queue, 0) : NULL;
    if (ev && rd_kafka_event_type(ev) == RD_KAFKA_EVENT_LOG)
        handle(c, ev);
    else if (ev)
        c->held[(c->held_first + c->held_count++) % KAFKA_HELD_MAX] = ev;
    return c->held_count > 0 || rd_kafka_queue_length(c->queue) > 0;
}

/** Records held since before a restart stand at the old positions. Order among the rest stays. */
static void drop_held_records(struct kafka_consumer *c)
{
    for (size_t n = c->held_count; n > 0; n--) {
        rd_kafka_event_t *ev = take_held(c);
        if (rd_kafka_event_type(ev) == RD_KAFKA_EVENT_FETCH)
            rd_kafka_event_destroy(ev);
        else
            c->held[(c->held_first + c->held_count++) % KAFKA_HELD_MAX] = ev;
    }
}

/** Every partition from where the owner now says. What the client had fetched is outdated by the
 *  assignment, which it tells by itself. */
void bk__kafka_consumer_restart(struct kafka_consumer *c)
{
    size_t count = c->parts_count;
    if (!c->rk || count == 0) return;
    struct kafka_part *before = malloc(count * sizeof *before);
    BK_ASSERT(before);
    memcpy(before, c->parts, count * sizeof *before);
    remove_all(c);
    drop_held_records(c);
    for (size_t i = 0; i < count; i++) add_part(c, before[i].topic, before[i].partition);
    free(before);
    if (!is_cooperative(c)) {
        assign_table(c);
        return;
    }
    rd_kafka_topic_partition_list_t *list = list_of(c);
    note_failure(c, "unassign", rd_kafka_incremental_unassign(c->rk, list));
    note_failure(c, "assign", rd_kafka_incremental_assign(c->rk, list));
    rd_kafka_topic_partition_list_destroy(list);
    pause_again(c);
}

/** Partitions that let a record go start again from their positions. */
static void restart_let_go(struct kafka_consumer *c)
{
    for (size_t i = 0; i < c->parts_count; i++) {
        if (!c->parts[i].let_go) continue;
        c->parts[i].let_go = false;
        restart_part(c, &c->parts[i]); /* rare, and rarely more than one */
    }
}

void bk__kafka_consumer_pause(struct kafka_consumer *c, bool paused)
{
    if (!c->rk || c->paused == paused) return;
    c->paused = paused;
    pause_some(c, false, paused);
    if (!paused) restart_let_go(c);
}

void bk__kafka_consumer_commit(struct kafka_consumer *c)
{
    if (!c->rk || !c->member || !c->moved) return;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)c->parts_count);
    for (size_t i = 0; i < c->parts_count; i++)
        if (c->parts[i].position >= 0 && !is_resting(&c->parts[i])) list_add(list, c, &c->parts[i]);
    if (list->cnt) rd_kafka_commit(c->rk, list, 1); /* for lag tools: a failure changes nothing */
    rd_kafka_topic_partition_list_destroy(list);
    c->moved = false;
}

/* ---- ends and lag ---- */

static bool wants_end(const struct kafka_part *part)
{
    bool unknown = !part->ended && part->end < 0 && !is_resting(part);
    return !part->end_asked && (unknown || part->place == KAFKA_PLACE_ASKED);
}

struct kafka_question *bk__kafka_consumer_ask_ends(struct kafka_consumer *c)
{
    size_t count = 0;
    for (size_t i = 0; i < c->parts_count; i++) count += wants_end(&c->parts[i]);
    if (!count) return NULL;
    struct kafka_question *q = bk__kafka_question(KAFKA_ASK_ENDS, c->rk, count);
    memcpy(q->topics, c->topics, sizeof q->topics);
    struct kafka_span *span = q->spans;
    for (size_t i = 0; i < c->parts_count; i++) {
        struct kafka_part *part = &c->parts[i];
        if (!wants_end(part)) continue;
        part->end_asked = true;
        *span++ = (struct kafka_span){part->topic, part->partition, part->generation, -1, -1};
    }
    return q;
}

void bk__kafka_consumer_learn_ends(struct kafka_consumer *c, const struct kafka_question *answer)
{
    for (size_t i = 0; i < answer->spans_count; i++) {
        const struct kafka_span *span = &answer->spans[i];
        struct kafka_part *part = find_part(c, span->topic, span->partition);
        if (!part || part->generation != span->generation) continue;
        part->end_asked = false;
        if (span->high < 0 || span->low < 0) continue; /* asked again */
        if (part->place == KAFKA_PLACE_ASKED) judge_place(c, part, span->low, span->high);
        part->end = span->high;
        part->empty = span->high == span->low;
        check_end(c, part, false);
    }
}

/** A client whose queue is full (queued.*) stops fetching, and before `fetch.queue.backoff.ms` came
 *  with 2.2 its broker threads then looked at the queue again only once a second: a reader who
 *  takes 2 us a record got 83,000 a second instead of 400,000. Any request to a broker makes its
 *  thread look. So, each time half of what waited is read, one is sent. */
struct kafka_question *bk__kafka_consumer_ask_nudge(struct kafka_consumer *c)
{
    if (!c->rk || c->nudging || !c->parts_count) return NULL;
    size_t waiting = rd_kafka_queue_length(c->queue);
    c->queue_peak = waiting > c->queue_peak ? waiting : c->queue_peak;
    if (c->queue_peak < NUDGE_PEAK_MIN || waiting > c->queue_peak / 2) return NULL;
    c->queue_peak = waiting;
    c->nudging = true;
    struct kafka_question *q = bk__kafka_question(KAFKA_ASK_NUDGE, c->rk, c->parts_count);
    memcpy(q->topics, c->topics, sizeof q->topics);
    for (size_t i = 0; i < c->parts_count; i++)
        q->spans[i] = (struct kafka_span){c->parts[i].topic, c->parts[i].partition, 0, -1, -1};
    return q;
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

/* ---- a life ---- */

int bk__kafka_consumer_init(struct kafka_consumer *c, const struct bk_kafka_options *options,
                            enum kafka_role role, const struct bk_source_events *events,
                            int bell_fd, struct bk_reason *reason)
{
    static const uint64_t one = 1; /* an eventfd takes eight bytes, and errors here are not told */
    char text[200];
    c->member = role == KAFKA_ROLE_GROUP && options->group_id;
    c->events = events;
    rd_kafka_conf_t *conf = bk__kafka_conf(options, role, reason);
    if (!conf) return BK_EINVAL;
    c->rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
    if (!c->rk) {
        rd_kafka_conf_destroy(conf);
        return bk_reason_set(reason, BK_EINVAL, "kafka client: %s", text);
    }
    rd_kafka_poll_set_consumer(c->rk);
    c->queue = rd_kafka_queue_get_consumer(c->rk);
    rd_kafka_queue_io_event_enable(c->queue, bell_fd, &one, sizeof one);
    note_code(c, "log_queue", rd_kafka_set_log_queue(c->rk, NULL)); /* hence the consumer's */
    return BK_OK;
}

/** All that is still there goes unread. */
static void drop_held(struct kafka_consumer *c)
{
    while (c->held_count) rd_kafka_event_destroy(take_held(c));
}

void bk__kafka_consumer_leave(struct kafka_consumer *c)
{
    if (!c->rk) return;
    bk__kafka_consumer_commit(c);
    drop_held(c);
    note_failure(c, "leave", rd_kafka_consumer_close_queue(c->rk, c->queue));
}

/** While leaving, a rebalance needs its answer; the rest is dropped. */
static void serve_leaving(struct kafka_consumer *c, rd_kafka_event_t *ev)
{
    switch (rd_kafka_event_type(ev)) {
    case RD_KAFKA_EVENT_REBALANCE:
        if (is_cooperative(c))
            note_failure(
                c, "unassign",
                rd_kafka_incremental_unassign(c->rk, rd_kafka_event_topic_partition_list(ev)));
        else
            note_code(c, "unassign", rd_kafka_assign(c->rk, NULL));
        break;
    case RD_KAFKA_EVENT_LOG:
        on_log(ev);
        break;
    default:
        break;
    }
    rd_kafka_event_destroy(ev);
}

bool bk__kafka_consumer_left(struct kafka_consumer *c)
{
    rd_kafka_event_t *ev;
    if (!c->rk) return true;
    for (size_t i = 0; i < 10000 && (ev = rd_kafka_queue_poll(c->queue, 0)); i++)
        serve_leaving(c, ev);
    return rd_kafka_consumer_closed(c->rk);
}

void bk__kafka_consumer_release(struct kafka_consumer *c)
{
    if (!c->rk) return;
    drop_held(c);
    rd_kafka_queue_io_event_enable(c->queue, -1, NULL, 0);
    rd_kafka_queue_destroy(c->queue);
    c->queue = NULL;
    free(c->parts);
    c->parts = NULL;
    c->parts_count = 0;
}
