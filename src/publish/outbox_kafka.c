/* outbox_kafka.c -- the outbox over an idempotent producer of librdkafka.
 *
 * THE IDEA
 *   A ring of what was taken, by sequence number. The client gets copies, in order; its delivery
 *   reports come back as events on its main queue, which rings an eventfd on the loop. Until its
 *   report says that all replicas have it, a record stays in the ring, so a client that fails for
 *   good is thrown away and its successor is given everything again.
 *
 *      put ─► ring: | acked | handed over ...| refused | handed over | waiting ... |
 *                           ^ first                                  ^ next        ^ sent
 *
 * FAILURES
 *   The client itself tries for ever (message.timeout.ms=0) what an outage holds up. What a broker
 *   refuses (no such topic, not allowed, too large) is handed over again every RETRY_MS, and a
 *   value that may be cut is halved each time it is too large. A broker says that of a whole batch:
 *   each record of it is then sent alone, and nothing beside it, before one is cut. A fatal error, which the idempotent
 *   producer of 2.0.2 also has after an error that possibly persisted, ends the client: its
 *   successor may deliver again what was delivered. A client is destroyed by a thread of its own,
 *   for that may block; only the eventfd is shared with it.
 * COST
 *   One copy here and one in the client, for as long as a record is not acknowledged.
 */
#include "outbox_parcel.h"

#include "basketry/log.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <uv.h>

enum {
    TICK_MS = 1000,
    CLOSING_TICK_MS = 20,
    RETRY_MS = 1000,
    BURY_MS_MAX = 3000,  /* past the owner's deadline; then the client is left behind */
    EMPTY_POLLS_MAX = 8, /* NULL from a queue that is not empty: the client helped itself */
};

enum slot_state { SLOT_WAITING, SLOT_HANDED_OVER, SLOT_REFUSED, SLOT_ACKED };

struct slot {
    struct parcel *parcel; /* NULL once acknowledged */
    enum slot_state state;
    bool suspect;     /* of a batch that was too large: to be sent alone */
    int64_t retry_ms; /* loop time; refused ones only */
};

/* A client that is being destroyed. */
struct grave {
    struct grave *next;
    rd_kafka_t *rk;
    uv_thread_t thread;
    int bell_fd;
    atomic_bool done;
};

struct kafka_outbox {
    struct bk_outbox head;
    struct bk_outbox_events events;
    char *brokers;
    char **properties;
    uv_loop_t *loop;
    uv_poll_t bell;
    uv_timer_t tick;
    int bell_fd;
    int handles_open;
    rd_kafka_t *rk; /* NULL: to be made anew */
    rd_kafka_queue_t *queue;
    struct grave *graves;
    struct slot *slot; /* by sequence number modulo records_max */
    uint64_t records_max, bytes_max, bytes;
    uint64_t sent, acked, next;  /* `next`: the first that was never handed over to this client */
    uint64_t refused, under_way; /* slots refused; handed over */
    uint64_t suspects;
    uint64_t failed, recreated;
    int64_t recreate_ms;
    bool disconnected, fatal, closing;
    int64_t close_by_ms;
    char detail[160];
    void (*closed)(void *arg);
    void *closed_arg;
};

static struct kafka_outbox *of_head(const struct bk_outbox *head)
{
    return (struct kafka_outbox *)(uintptr_t)head; /* the first member */
}

static int64_t now_ms(const struct kafka_outbox *o)
{
    return (int64_t)uv_now(o->loop);
}

static struct slot *slot_of(const struct kafka_outbox *o, uint64_t sequence)
{
    return &o->slot[sequence % o->records_max];
}

static void note(struct kafka_outbox *o, rd_kafka_resp_err_t err, const char *text)
{
    snprintf(o->detail, sizeof o->detail, "%s: %s", rd_kafka_err2name(err), text);
}

/* ---- handing over ---- */

/* Said once for each new reason: it is tried again every second. */
static void refuse(struct kafka_outbox *o, struct slot *slot, rd_kafka_resp_err_t err)
{
    char why[sizeof o->detail];
    snprintf(why, sizeof why, "%s: %s", slot->parcel->topic, rd_kafka_err2str(err));
    if (strcmp(why, o->detail) != 0)
        bk_log_warn("outbox", "refused topic=%s err=%s action=retry retry_ms=%d",
                    slot->parcel->topic, rd_kafka_err2name(err), RETRY_MS);
    memcpy(o->detail, why, sizeof why);
    if (slot->state != SLOT_REFUSED) o->refused++;
    o->failed++;
    slot->state = SLOT_REFUSED;
    slot->retry_ms = now_ms(o) + RETRY_MS;
}

/* Hand one record over. False: the client takes no more for now. */
static bool hand_over(struct kafka_outbox *o, uint64_t sequence)
{
    struct slot *slot = slot_of(o, sequence);
    rd_kafka_resp_err_t err;
    do err = bk__parcel_produce(slot->parcel, o->rk, sequence);
    while (err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE && bk__parcel_cut(slot->parcel));
    if (err == RD_KAFKA_RESP_ERR__QUEUE_FULL) return false;
    if (err == RD_KAFKA_RESP_ERR__FATAL) {
        o->fatal = true;
        return false;
    }
    if (err) {
        refuse(o, slot, err);
    } else {
        if (slot->state == SLOT_REFUSED) o->refused--;
        slot->state = SLOT_HANDED_OVER;
        o->under_way++;
    }
    return true;
}

static void hand_over_new(struct kafka_outbox *o)
{
    while (o->rk && !o->fatal && !o->suspects && o->next <= o->sent &&
           slot_of(o, o->next)->state == SLOT_WAITING && hand_over(o, o->next))
        o->next++;
}

static void hand_over_refused(struct kafka_outbox *o)
{
    uint64_t left = o->refused;
    for (uint64_t at = o->acked + 1; left && at < o->next && o->rk && !o->fatal; at++) {
        const struct slot *slot = slot_of(o, at);
        if (slot->state != SLOT_REFUSED) continue;
        left--;
        if (o->suspects && (!slot->suspect || o->under_way)) continue;
        if (slot->retry_ms <= now_ms(o) && !hand_over(o, at)) return;
    }
}

/* ---- what the client has to say ---- */

static void clear_suspicion(struct kafka_outbox *o, struct slot *slot)
{
    if (slot->suspect) o->suspects--;
    slot->suspect = false;
}

/* Its batch was too large: it is sent alone; and when it was alone, cut. What may not be cut waits
 * until its topic takes it. */
static void shrink(struct kafka_outbox *o, struct slot *slot)
{
    bool alone = slot->suspect;
    if (alone && !bk__parcel_cut(slot->parcel)) {
        clear_suspicion(o, slot);
        refuse(o, slot, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
        return;
    }
    if (!alone) o->suspects++;
    if (slot->state != SLOT_REFUSED) o->refused++;
    slot->suspect = true;
    slot->state = SLOT_REFUSED;
    slot->retry_ms = now_ms(o);
    o->failed++;
}

static void acknowledge(struct kafka_outbox *o, uint64_t sequence)
{
    struct slot *slot = slot_of(o, sequence);
    o->bytes -= slot->parcel->cost;
    free(slot->parcel);
    slot->parcel = NULL;
    slot->state = SLOT_ACKED;
    while (o->acked < o->sent && slot_of(o, o->acked + 1)->state == SLOT_ACKED) o->acked++;
}

static void on_report(struct kafka_outbox *o, const rd_kafka_message_t *message)
{
    uint64_t sequence = (uintptr_t)message->_private;
    if (sequence <= o->acked || sequence > o->sent) return;
    struct slot *slot = slot_of(o, sequence);
    if (slot->state != SLOT_HANDED_OVER) return;
    o->under_way--;
    if (!message->err) {
        clear_suspicion(o, slot);
        o->disconnected = false;
        acknowledge(o, sequence);
    } else if (message->err == RD_KAFKA_RESP_ERR__FATAL || rd_kafka_fatal_error(o->rk, NULL, 0)) {
        o->failed++;
        o->fatal = true;
    } else if (message->err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) {
        shrink(o, slot);
    } else {
        clear_suspicion(o, slot);
        refuse(o, slot, message->err);
    }
}

static void on_error(struct kafka_outbox *o, rd_kafka_event_t *ev)
{
    rd_kafka_resp_err_t err = rd_kafka_event_error(ev);
    if (err == RD_KAFKA_RESP_ERR__FATAL || rd_kafka_event_error_is_fatal(ev)) o->fatal = true;
    if (err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) o->disconnected = true;
    note(o, err, rd_kafka_event_error_string(ev));
    bk_log_at(o->fatal ? BK_LOG_ERROR : BK_LOG_DEBUG, "outbox", "error code=%s err=\"%s\"",
              rd_kafka_err2name(err), rd_kafka_event_error_string(ev));
}

static void on_log(rd_kafka_event_t *ev)
{
    enum { SYSLOG_ERR = 3, SYSLOG_WARNING = 4, SYSLOG_INFO = 6 };
    const char *facility, *text;
    int level;
    if (rd_kafka_event_log(ev, &facility, &text, &level) != 0) return;
    bk_log_at(level <= SYSLOG_ERR       ? BK_LOG_ERROR
              : level <= SYSLOG_WARNING ? BK_LOG_WARN
              : level <= SYSLOG_INFO    ? BK_LOG_INFO
                                        : BK_LOG_DEBUG,
              "rdkafka", "producer facility=%s text=\"%s\"", facility, text);
}

static void handle(struct kafka_outbox *o, rd_kafka_event_t *ev)
{
    const rd_kafka_message_t *message;
    switch (rd_kafka_event_type(ev)) {
    case RD_KAFKA_EVENT_DR:
        while ((message = rd_kafka_event_message_next(ev))) on_report(o, message);
        break;
    case RD_KAFKA_EVENT_ERROR:
        on_error(o, ev);
        break;
    case RD_KAFKA_EVENT_LOG:
        on_log(ev);
        break;
    default:
        break;
    }
    rd_kafka_event_destroy(ev);
}

/* Bounded by what is under way: reports of at most records_max records, and a log. */
static void drain(struct kafka_outbox *o)
{
    for (int empties = 0; o->rk && empties < EMPTY_POLLS_MAX;) {
        rd_kafka_event_t *ev = rd_kafka_queue_poll(o->queue, 0);
        if (ev)
            handle(o, ev);
        else if (rd_kafka_queue_length(o->queue) == 0)
            return;
        else
            empties++;
    }
}

/* ---- clients come and go ---- */

static bool set(rd_kafka_conf_t *conf, const char *name, const char *value,
                struct bk_reason *reason)
{
    char text[160];
    if (rd_kafka_conf_set(conf, name, value, text, sizeof text) == RD_KAFKA_CONF_OK) return true;
    bk_reason_set(reason, BK_EINVAL, "[kafka.producer] %s=%s: %s", name, value, text);
    return false;
}

/* The shop's own properties may change the pace, not what is promised: those come last. */
static rd_kafka_conf_t *configure(const struct kafka_outbox *o, struct bk_reason *reason)
{
    /* clang-format off */
    static const char *const defaults[] = {
        "client.id", "basketry",
        "linger.ms", "5",
        "compression.codec", "lz4",
        "socket.nagle.disable", "true",
        "socket.keepalive.enable", "true",
        /* back after a broker's restart within a second or so */
        "reconnect.backoff.max.ms", "1000",
        /* a topic that is not there is said after seconds, not after half a minute */
        "topic.metadata.propagation.max.ms", "5000",
        NULL,
    };
    static const char *const promised[] = {
        "enable.idempotence", "true",
        "partitioner", "murmur2_random", /* as Java clients do: a subject's records meet */
        "message.timeout.ms", "0",       /* an outage is not a reason to drop */
        "log.queue", "true",
        NULL,
    };
    /* clang-format on */
    const char *const *lists[] = {defaults, (const char *const *)o->properties, promised};
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    bool good = true;
    for (size_t i = 0; i < BK_COUNTOF(lists); i++)
        for (const char *const *at = lists[i]; good && *at; at += 2)
            good = set(conf, at[0], at[1], reason);
    if (good) good = set(conf, "bootstrap.servers", o->brokers, reason);
    if (!good) {
        rd_kafka_conf_destroy(conf);
        return NULL;
    }
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_LOG);
    return conf;
}

static int open_client(struct kafka_outbox *o, struct bk_reason *reason)
{
    static const uint64_t one = 1; /* an eventfd takes eight bytes, and errors here are not told */
    char text[160];
    rd_kafka_conf_t *conf = configure(o, reason);
    if (!conf) return BK_EINVAL;
    o->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (!o->rk) {
        rd_kafka_conf_destroy(conf);
        return bk_reason_set(reason, BK_EINVAL, "Kafka producer: %s", text);
    }
    o->queue = rd_kafka_queue_get_main(o->rk);
    rd_kafka_queue_io_event_enable(o->queue, o->bell_fd, &one, sizeof one);
    rd_kafka_set_log_queue(o->rk, NULL); /* hence the main queue */
    o->next = o->acked + 1;
    o->fatal = false;
    return BK_OK;
}

static void destroy_client(void *arg)
{
    struct grave *grave = arg;
    uint64_t one = 1;
    rd_kafka_destroy(grave->rk);
    atomic_store(&grave->done, true);
    ssize_t ignored = write(grave->bell_fd, &one, sizeof one);
    (void)ignored;
}

/* What this client still has under way counts as not handed over. */
static void bury_client(struct kafka_outbox *o)
{
    struct grave *grave = calloc(1, sizeof *grave);
    BK_ASSERT(grave);
    rd_kafka_queue_io_event_enable(o->queue, -1, NULL, 0);
    rd_kafka_queue_destroy(o->queue);
    rd_kafka_purge(o->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT |
                              RD_KAFKA_PURGE_F_NON_BLOCKING);
    *grave = (struct grave){.next = o->graves, .rk = o->rk, .bell_fd = o->bell_fd};
    o->rk = NULL;
    o->queue = NULL;
    o->graves = grave;
    BK_ASSERT(uv_thread_create(&grave->thread, destroy_client, grave) == 0);
    for (uint64_t at = o->acked + 1; at <= o->sent; at++) {
        struct slot *slot = slot_of(o, at);
        slot->suspect = false;
        if (slot->state != SLOT_ACKED) slot->state = SLOT_WAITING;
    }
    o->refused = o->under_way = o->suspects = 0;
}

static void tidy_graves(struct kafka_outbox *o)
{
    for (struct grave **at = &o->graves; *at;) {
        struct grave *grave = *at;
        if (!atomic_load(&grave->done)) {
            at = &grave->next;
            continue;
        }
        uv_thread_join(&grave->thread);
        *at = grave->next;
        free(grave);
    }
}

/* What an acknowledged record left behind is skipped: its slot says so. */
static void skip_acked(struct kafka_outbox *o)
{
    while (o->next <= o->sent && slot_of(o, o->next)->state == SLOT_ACKED) o->next++;
}

static void renew_client(struct kafka_outbox *o)
{
    struct bk_reason reason;
    if (o->rk && o->fatal) {
        char text[100] = "";
        rd_kafka_resp_err_t err = rd_kafka_fatal_error(o->rk, text, sizeof text);
        note(o, err, text);
        bk_log_error("outbox", "fatal err=\"%s\" action=recreate waiting=%llu", text,
                     (unsigned long long)(o->sent - o->acked));
        bury_client(o);
        o->recreated++;
        o->recreate_ms = now_ms(o) + RETRY_MS;
    }
    if (o->rk || o->closing || now_ms(o) < o->recreate_ms) return;
    if (open_client(o, &reason) == BK_OK) return;
    bk_log_error("outbox", "not_recreated err=\"%s\"", reason.text);
    o->recreate_ms = now_ms(o) + RETRY_MS;
}

static void hand_over_all(struct kafka_outbox *o)
{
    skip_acked(o);
    while (o->rk && !o->fatal && o->next <= o->sent) {
        uint64_t before = o->next;
        hand_over_new(o);
        skip_acked(o);
        if (o->next == before) return;
    }
}

/* ---- the contract ---- */

static size_t room(struct bk_outbox *head)
{
    const struct kafka_outbox *o = of_head(head);
    if (o->closing) return 0;
    uint64_t records = o->records_max - (o->sent - o->acked);
    uint64_t bytes =
        o->bytes < o->bytes_max ? (o->bytes_max - o->bytes) / (BK_OUT_BYTES_MAX + 8192) : 0;
    return (size_t)bk_min_u64(records, bytes);
}

static int put(struct bk_outbox *head, const struct bk_outgoing *record)
{
    struct kafka_outbox *o = of_head(head);
    if (!room(head)) return BK_EAGAIN;
    if (!bk__parcel_fits(record)) return BK_ELIMIT;
    struct parcel *parcel = bk__parcel_create(record);
    if (!parcel) return BK_ENOMEM;
    *slot_of(o, ++o->sent) = (struct slot){.parcel = parcel, .state = SLOT_WAITING};
    o->bytes += parcel->cost;
    hand_over_all(o);
    return BK_OK;
}

static uint64_t sent(const struct bk_outbox *head)
{
    return of_head(head)->sent;
}

static uint64_t acked(const struct bk_outbox *head)
{
    return of_head(head)->acked;
}

static enum bk_outbox_state state_of(const struct kafka_outbox *o)
{
    if (o->closing) return BK_OUTBOX_CLOSING;
    if (!o->rk || o->fatal) return BK_OUTBOX_RECREATING;
    if (o->refused) return BK_OUTBOX_REFUSED;
    if (o->disconnected && o->sent > o->acked) return BK_OUTBOX_DISCONNECTED;
    return BK_OUTBOX_READY;
}

static void status(const struct bk_outbox *head, struct bk_outbox_status *out)
{
    const struct kafka_outbox *o = of_head(head);
    *out = (struct bk_outbox_status){.state = state_of(o),
                                     .waiting = o->sent - o->acked,
                                     .waiting_bytes = o->bytes,
                                     .failed = o->failed,
                                     .recreated = o->recreated};
    snprintf(out->detail, sizeof out->detail, "%s", o->detail);
}

/* ---- closing ---- */

static void free_outbox(struct kafka_outbox *o)
{
    for (uint64_t at = o->acked + 1; at <= o->sent; at++) free(slot_of(o, at)->parcel);
    for (char **at = o->properties; at && *at; at++) free(*at);
    free(o->properties);
    free(o->brokers);
    free(o->slot);
    free(o);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct kafka_outbox *o = handle->data;
    if (--o->handles_open) return;
    if (o->graves) /* a client still waits inside librdkafka and will ring the bell: both stay */
        bk_log_error("outbox", "close_deadline action=leave_client_behind");
    else
        close(o->bell_fd); /* only after libuv let go of it */
    o->closed(o->closed_arg);
    free_outbox(o);
}

static void close_step(struct kafka_outbox *o)
{
    bool idle = o->acked == o->sent, late = now_ms(o) >= o->close_by_ms;
    if (o->rk && !idle && !late) return;
    if (o->rk && !idle)
        bk_log_warn("outbox", "closed_unacknowledged waiting=%llu",
                    (unsigned long long)(o->sent - o->acked));
    if (o->rk) bury_client(o);
    tidy_graves(o);
    if (o->graves && now_ms(o) < o->close_by_ms + BURY_MS_MAX) return;
    if (uv_is_closing((uv_handle_t *)&o->tick)) return;
    o->handles_open = 2;
    uv_close((uv_handle_t *)&o->bell, on_handle_closed);
    uv_close((uv_handle_t *)&o->tick, on_handle_closed);
}

/* ---- the loop ---- */

static void step(struct kafka_outbox *o)
{
    uint64_t before = o->acked;
    drain(o);
    tidy_graves(o);
    renew_client(o);
    hand_over_refused(o);
    hand_over_all(o);
    if (o->acked != before) o->events.wake(o->events.arg);
    if (o->closing) close_step(o);
}

static void on_tick(uv_timer_t *timer)
{
    step(timer->data); /* also what a lost edge left waiting */
}

static void on_bell(uv_poll_t *poll, int err, int events)
{
    struct kafka_outbox *o = poll->data;
    uint64_t rung;
    (void)events;
    ssize_t ignored = read(o->bell_fd, &rung, sizeof rung); /* non-blocking */
    (void)ignored;
    if (err < 0) bk_log_error("outbox", "bell_failed err=\"%s\" action=poll", uv_strerror(err));
    step(o);
}

static void close_outbox(struct bk_outbox *head, uint32_t deadline_ms, void (*closed)(void *arg),
                         void *arg)
{
    struct kafka_outbox *o = of_head(head);
    BK_ASSERT(!o->closing);
    uv_update_time(o->loop);
    o->closing = true;
    o->close_by_ms = now_ms(o) + deadline_ms;
    o->closed = closed;
    o->closed_arg = arg;
    uv_timer_start(&o->tick, on_tick, 0, CLOSING_TICK_MS);
}

/* ---- creation ---- */

static bool keep_properties(struct kafka_outbox *o, const char *const *properties)
{
    size_t count = 0;
    while (properties && properties[count]) count++;
    o->properties = calloc(count + 1, sizeof *o->properties);
    for (size_t i = 0; o->properties && i < count; i++)
        if (!(o->properties[i] = strdup(properties[i]))) return false;
    return o->properties != NULL;
}

static int start(struct kafka_outbox *o, const struct bk_kafka_outbox_options *options,
                 struct bk_reason *reason)
{
    o->records_max = options->records_max ? options->records_max : 1;
    o->bytes_max = bk_max_u64(options->bytes_max, BK_OUT_BYTES_MAX + 8192);
    o->slot = calloc(o->records_max, sizeof *o->slot);
    o->brokers = strdup(options->brokers);
    if (!o->slot || !o->brokers || !keep_properties(o, options->properties))
        return bk_reason_set(reason, BK_ENOMEM, "no memory for the outbox");
    o->bell_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (o->bell_fd < 0) return bk_reason_set(reason, BK_EIO, "eventfd: %s", strerror(errno));
    return open_client(o, reason);
}

struct bk_outbox *bk_outbox_kafka_create(struct uv_loop_s *loop,
                                         const struct bk_kafka_outbox_options *options,
                                         const struct bk_outbox_events *events,
                                         struct bk_reason *reason)
{
    static const struct bk_outbox_ops ops = {room, put, sent, acked, status, close_outbox};
    struct kafka_outbox *o = calloc(1, sizeof *o);
    if (!o) {
        bk_reason_set(reason, BK_ENOMEM, "no memory for the outbox");
        return NULL;
    }
    o->head.ops = &ops;
    o->events = *events;
    o->loop = loop;
    o->bell_fd = -1;
    if (start(o, options, reason) != BK_OK) {
        if (o->bell_fd >= 0) close(o->bell_fd);
        free_outbox(o);
        return NULL;
    }
    o->bell.data = o->tick.data = o;
    BK_ASSERT(uv_poll_init(loop, &o->bell, o->bell_fd) == 0);
    BK_ASSERT(uv_timer_init(loop, &o->tick) == 0);
    uv_poll_start(&o->bell, UV_READABLE, on_bell);
    uv_timer_start(&o->tick, on_tick, TICK_MS, TICK_MS);
    return &o->head;
}
