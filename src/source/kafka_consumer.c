/* kafka_consumer.c -- one librdkafka consumer: its queue of events, and its life.
 *
 * THE IDEA
 *   All that a client has to say -- records, ends, errors, rebalances, its log -- comes in order on
 *   one queue, and one function takes it off, a bounded number at a time. What it says of partitions
 *   is the affair of kafka_group.c (who reads what), kafka_place.c (what to do where the log does not
 *   hold what comes next) and kafka_parts.c (the table).
 * INVARIANTS
 *   I1 a record is delivered only if its partition is assigned and its offset is not below
 *   `position`: what the client offers again (a resume may rewind before 2.4.0) is counted, not
 *   delivered. I2 no event outlives its handling, but for those in `held`: one that is kept makes
 *   rd_kafka_destroy wait for ever.
 * COST
 *   One event per record: 2.0.2's batch call can lose or misattribute records around pauses and
 *   rebalances (its "known issues"), and events are fast enough
 *   (tests/unit/source/test_kafka_flow.c).
 */
#include "kafka_consumer.h"

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

/* ---- errors ---- */

void bk__kafka_note_error(struct kafka_consumer *c, rd_kafka_resp_err_t err, const char *text)
{
    c->counts.errors++;
    snprintf(c->detail, sizeof c->detail, "%s: %s", rd_kafka_err2name(err), text ? text : "");
}

void bk__kafka_note_failure(struct kafka_consumer *c, const char *step, rd_kafka_error_t *error)
{
    if (!error) return;
    bk__kafka_note_error(c, rd_kafka_error_code(error), rd_kafka_error_string(error));
    bk_log_error("kafka", "%s_failed err=\"%s\"", step, rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
}

void bk__kafka_note_code(struct kafka_consumer *c, const char *step, rd_kafka_resp_err_t err)
{
    if (!err) return;
    bk__kafka_note_error(c, err, rd_kafka_err2str(err));
    bk_log_error("kafka", "%s_failed err=\"%s\"", step, rd_kafka_err2str(err));
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

static struct bk_record record_of(const struct kafka_part *part, const rd_kafka_message_t *msg)
{
    rd_kafka_timestamp_type_t type;
    return (struct bk_record){
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
}

/** One record. Returns whether it was delivered. */
static bool on_fetch(struct kafka_consumer *c, rd_kafka_event_t *ev)
{
    const rd_kafka_message_t *msg = rd_kafka_event_message_next(ev);
    if (!msg) return false;
    struct kafka_part *part =
        bk__kafka_part_named(c, rd_kafka_topic_name(msg->rkt), msg->partition);
    if (!part || bk__kafka_part_rests(part)) return false; /* taken back since, or not to be read */
    if (c->paused || part->let_go) {
        part->let_go = true;
        return false;
    }
    if (msg->offset < part->position) {
        c->counts.repeated++;
        return false;
    }
    c->disconnected = c->topic_gone = false;
    if (c->doubted && bk__kafka_doubt(c)) return false;
    struct bk_record record = record_of(part, msg);
    if (part->unproven) {
        bk__kafka_on_proof(c, part, &record);
        return false;
    }
    c->events->record(c->events->arg, &record);
    part->position = msg->offset + 1;
    bk__kafka_part_found(part);
    part->delivered = true;
    c->moved = true;
    bk__kafka_part_check_end(c, part, false);
    return true;
}

static void on_partition_eof(struct kafka_consumer *c, struct kafka_part *part)
{
    c->disconnected = false;
    if (part->let_go || bk__kafka_part_rests(part)) return;
    if (c->doubted && bk__kafka_doubt(c)) return;
    if (part->unproven) { /* it ends before the record that was passed last */
        part->place = KAFKA_PLACE_ASKED;
        return;
    }
    bk__kafka_part_found(part);
    bk__kafka_part_check_end(c, part, true);
}

static struct kafka_part *part_of_event(struct kafka_consumer *c, rd_kafka_event_t *ev)
{
    rd_kafka_topic_partition_t *tp = rd_kafka_event_topic_partition(ev);
    if (!tp) return NULL;
    struct kafka_part *part = bk__kafka_part_named(c, tp->topic, tp->partition);
    rd_kafka_topic_partition_destroy(tp);
    return part;
}

static void on_fatal(struct kafka_consumer *c)
{
    char text[100];
    rd_kafka_resp_err_t err = rd_kafka_fatal_error(c->rk, text, sizeof text);
    c->fatal = true;
    bk__kafka_parts_remove(c); /* another has our name: nothing is ours to write */
    bk__kafka_note_error(c, err, text);
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
        bk__kafka_on_out_of_range(c, part);
        return;
    }
    if (err == RD_KAFKA_RESP_ERR__FATAL || rd_kafka_event_error_is_fatal(ev)) {
        on_fatal(c);
        return;
    }
    bk__kafka_pulse_quicken(c);
    if (err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
        c->disconnected = true; /* said once: an answer of before must not take it back */
        c->pulse_is_old = c->pulsing;
    }
    if (err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) c->topic_gone = c->doubted = true;
    bk__kafka_note_error(c, err, rd_kafka_event_error_string(ev));
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
        bk__kafka_on_rebalance(c, ev);
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

rd_kafka_event_t *bk__kafka_take_held(struct kafka_consumer *c)
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
        rd_kafka_event_t *ev =
            c->held_count ? bk__kafka_take_held(c) : rd_kafka_queue_poll(c->queue, 0);
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

/* ---- a life ---- */

int bk__kafka_consumer_init(struct kafka_consumer *c, const struct bk_kafka_options *options,
                            enum kafka_role role, const struct bk_source_events *events,
                            int bell_fd, struct bk_reason *reason)
{
    static const uint64_t one = 1; /* an eventfd takes eight bytes, and errors here are not told */
    char text[200];
    c->member = role == KAFKA_ROLE_GROUP && options->group_id;
    c->alone = c->member && options->alone;
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
    bk__kafka_note_code(c, "log_queue",
                        rd_kafka_set_log_queue(c->rk, NULL)); /* hence the consumer's */
    return BK_OK;
}

/** All that is still there goes unread. */
static void drop_held(struct kafka_consumer *c)
{
    while (c->held_count) rd_kafka_event_destroy(bk__kafka_take_held(c));
}

void bk__kafka_consumer_leave(struct kafka_consumer *c)
{
    if (!c->rk) return;
    bk__kafka_consumer_commit(c);
    drop_held(c);
    bk__kafka_note_failure(c, "leave", rd_kafka_consumer_close_queue(c->rk, c->queue));
}

/** While leaving, a rebalance needs its answer; the rest is dropped. */
static void serve_leaving(struct kafka_consumer *c, rd_kafka_event_t *ev)
{
    switch (rd_kafka_event_type(ev)) {
    case RD_KAFKA_EVENT_REBALANCE:
        if (bk__kafka_is_cooperative(c))
            bk__kafka_note_failure(
                c, "unassign",
                rd_kafka_incremental_unassign(c->rk, rd_kafka_event_topic_partition_list(ev)));
        else
            bk__kafka_note_code(c, "unassign", rd_kafka_assign(c->rk, NULL));
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
