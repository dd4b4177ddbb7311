/* redis.c -- the sink that writes to Redis: one connection, one window, one state.
 *
 * STATES (with the name that status shows; the timer `step` holds the deadline of each)
 *
 *   dial -> RESOLVING -> CONNECTING -> GREETING -> READY <------- a write is taken ------+
 *    ^      connecting   connecting    connecting  ready                                |
 *    |          |            |             |         |                                  |
 *    |          +------------+------+------+---------+-- error class -> HELD -> PROBING -> TRIAL
 *    |                              |                                   refusing: no room, then a
 *    |                  refused, reset, deadline, silence               PING, then one command at
 *    |                              v                                   a time
 *    +--- WAITING, STALLED <----- LOST          CLOSING -> CLOSED from anywhere
 *         backoff  stalled
 *
 *   HELD dials again instead of probing when the class says that this is not the server (or not the
 *   password) we want: after a failover the old master answers -READONLY until its name is
 *   resolved again.
 *
 * INVARIANTS
 *   I1 Every ticket taken ends in exactly one outcome, in the order of submission: an answer pops
 *      the ring, and what is left when a connection is given up ends as UNKNOWN.
 *   I2 hiredis contexts are freed from our timers only, never inside a callback of hiredis
 *      (hiredis #729, #835): callbacks note what happened and move `step` to now. ac->data = NULL
 *      cuts a context off before it is freed, so that its last callbacks reach nobody.
 *   I3 When hiredis frees a context itself (failed connect, disconnect), sink->ac is NULL before
 *      our callback returns.
 *   I4 What waits in hiredis never exceeds the window: it would queue without limit (#575), and
 *      each partial write moves what is left.
 *
 * SILENCE
 *   A frozen server accepts connections and says nothing; TCP sees no error. `watch` compares the
 *   oldest question's age with stall_timeout, and asks a PING when nothing was asked for that long.
 *   The age must be too high at two looks with a poll between them: after a long turn of our own
 *   (or a SIGSTOP of us) the answers are there and only not read yet.
 *
 * COST  submit: one append to hiredis' output and one allocation of hiredis; an answer: none.
 */
#include "basketry/log.h"
#include "basketry/redis_url.h"
#include "basketry/sink.h"
#include "redis_greeting.h"
#include "redis_reply.h"
#include "redis_resolve.h"
#include "redis_ring.h"
#include "redis_uv.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BACKOFF_FIRST_MS = 50, WATCH_MS_MIN = 5, WATCH_MS_MAX = 1000, SAME_LOG_MS = 60000 };

/* clang-format off */
#define STATE_TABLE(X)                                                                             \
    X(RESOLVING,  BK_SINK_CONNECTING)                                                              \
    X(CONNECTING, BK_SINK_CONNECTING)                                                              \
    X(GREETING,   BK_SINK_CONNECTING)                                                              \
    X(READY,      BK_SINK_READY)                                                                   \
    X(TRIAL,      BK_SINK_REFUSING)                                                                \
    X(HELD,       BK_SINK_REFUSING)                                                                \
    X(PROBING,    BK_SINK_REFUSING)                                                                \
    X(LOST,       BK_SINK_BACKOFF)                                                                 \
    X(STALLED,    BK_SINK_STALLED)                                                                 \
    X(WAITING,    BK_SINK_BACKOFF)                                                                 \
    X(CLOSING,    BK_SINK_CLOSING)                                                                 \
    X(CLOSED,     BK_SINK_CLOSING)
/* clang-format on */

enum state {
#define X(name, shown) name,
    STATE_TABLE(X)
#undef X
};

static const enum bk_sink_state shown_as[] = {
#define X(name, shown) [name] = shown,
    STATE_TABLE(X)
#undef X
};

struct redis_sink {
    struct bk_sink base; /* first: a bk_sink is its sink */
    uv_loop_t *loop;
    struct bk_sink_events events;
    struct bk_redis_options options; /* url and password are NULL here: they live in `url` */
    struct bk_redis_url url;

    enum state state;
    char detail[160];
    uv_timer_t step;  /* the deadline of the state */
    uv_timer_t watch; /* looks for silence */
    int timers_open;

    redisAsyncContext *ac;         /* NULL when there is no connection */
    struct redis_resolve *resolve; /* at most one question to the resolver, even a late one */
    struct redis_greeting greeting;
    struct redis_reply_slot slot;
    struct redis_ring ring;

    uint64_t outcomes[BK_OUTCOME_COUNT], held[BK_OUTCOME_COUNT];
    uint64_t connections;
    uint64_t seed;      /* of the jitter */
    uint32_t failures;  /* connections lost in a row; an answer to a write or probe ends the row */
    uint32_t refusals;  /* error classes in a row; a write that was taken ends the row */
    uint32_t address;   /* which address of the host to try */
    uint64_t heard_ms;  /* loop time of the last answer */
    uint64_t asked_ms;  /* loop time of an unanswered PING; 0 = none */
    bool redial;        /* HELD: leave this connection instead of probing it */
    bool write_refused; /* only a write that is taken proves that the refusal is over */
    bool announced;     /* the owner knows this connection */
    bool starved;       /* the owner filled the window, or had no room in it, and waits for wake */
    bool suspected;     /* the oldest question was too old at the last look */
    struct bk_log_gate gate;
    char logged[160]; /* the trouble that was logged last, and when */
    uint64_t logged_ms;

    void (*closed)(void *arg);
    void *closed_arg;
};

static struct redis_sink *sink_of(struct bk_sink *base)
{
    return (struct redis_sink *)base;
}

/* ---- small words ---- */

static void on_step(uv_timer_t *timer);

/* Be in `state`, for at most `ms`. */
static void enter(struct redis_sink *sink, enum state state, uint64_t ms)
{
    sink->state = state;
    uv_timer_start(&sink->step, on_step, ms, 0);
}

BK_PRINTF(2, 3) static void explain(struct redis_sink *sink, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(sink->detail, sizeof sink->detail, format, args);
    va_end(args);
    for (char *c = sink->detail; *c; c++) /* a server's words go into logs and pages */
        if ((unsigned char)*c < ' ' || *c == '"') *c = ' ';
}

/* Doubling from BACKOFF_FIRST_MS to the maximum, less up to a quarter: waits of one row still grow.
 */
static uint64_t backoff_ms(struct redis_sink *sink, uint32_t attempt)
{
    uint64_t doubled = (uint64_t)BACKOFF_FIRST_MS << (attempt < 20 ? attempt : 20);
    uint64_t nominal = bk_min_u64(doubled, sink->options.backoff_max_ms);
    sink->seed = bk_mix(sink->seed);
    return nominal - sink->seed % (nominal / 4 + 1);
}

static bool connected(const struct redis_sink *sink)
{
    return sink->state == READY || sink->state == TRIAL || sink->state == HELD ||
           sink->state == PROBING;
}

/* Say it in the log, once a second at most, and the same once a minute: an outage is one story. */
static void log_trouble(struct redis_sink *sink, const char *word, uint64_t wait_ms)
{
    uint64_t held, now_ms = uv_now(sink->loop);
    if (strcmp(sink->logged, sink->detail) == 0 && now_ms - sink->logged_ms < SAME_LOG_MS) return;
    strcpy(sink->logged, sink->detail);
    sink->logged_ms = now_ms;
    if (bk_log_gate_open(&sink->gate, (bk_mono_ms_t){(int64_t)uv_now(sink->loop)}, &held))
        bk_log_warn("redis", "%s wait_ms=%llu held=%llu err=\"%s\"", word,
                    (unsigned long long)wait_ms, (unsigned long long)held, sink->detail);
}

/* ---- answers to tickets ---- */

static void end_oldest(struct redis_sink *sink, enum bk_outcome outcome)
{
    struct bk_ticket ticket = bk__redis_ring_pop(&sink->ring);
    sink->outcomes[outcome]++;
    sink->events.outcome(sink->events.arg, &ticket, outcome);
}

static void end_all_unknown(struct redis_sink *sink)
{
    for (uint32_t left = sink->ring.count; left > 0; left--) end_oldest(sink, BK_OUTCOME_UNKNOWN);
}

/* ---- giving a connection up ---- */

/* Timer context only (I2). */
static void drop(struct redis_sink *sink)
{
    if (!sink->ac) return;
    sink->ac->data = NULL;
    redisAsyncFree(sink->ac);
    sink->ac = NULL;
}

/* Timer context only: let go of what is left of the connection, wait in `state`, dial again. */
static void settle(struct redis_sink *sink, enum state state)
{
    drop(sink);
    uint64_t wait_ms = backoff_ms(sink, sink->failures++);
    log_trouble(sink, state == STALLED ? "stalled" : "lost", wait_ms);
    enter(sink, state, wait_ms);
    end_all_unknown(sink); /* last: the owner may close us from here */
}

/* Any context: the connection is no more, or should be; settle at the next turn of the loop. */
static void lose(struct redis_sink *sink)
{
    if (sink->state == CLOSING)
        enter(sink, CLOSING, 0);
    else if (sink->state != CLOSED)
        enter(sink, LOST, 0);
}

static const char *error_text(const redisAsyncContext *ac, const char *otherwise)
{
    return ac->c.errstr[0] ? ac->c.errstr : otherwise;
}

/* ---- being ready, being held back ---- */

static void announce(struct redis_sink *sink)
{
    struct redis_peer *before = &sink->greeting.before, *now = &sink->greeting.now;
    bool fresh = now->run_id[0] == '\0' || strcmp(before->run_id, now->run_id) != 0;
    *before = *now;
    sink->announced = true;
    sink->logged[0] = '\0';
    sink->connections++;
    bk_log_info("redis", "connected fresh=%d connections=%llu", fresh,
                (unsigned long long)sink->connections);
    sink->events.connected(sink->events.arg, fresh);
}

static void become_ready(struct redis_sink *sink)
{
    if (!sink->write_refused) sink->refusals = 0;
    sink->state = sink->refusals ? TRIAL : READY;
    if (sink->state == READY) sink->detail[0] = '\0';
    uv_timer_stop(&sink->step);
    sink->heard_ms = uv_now(sink->loop);
    if (!sink->announced) announce(sink);
    sink->starved = false;
    sink->events.wake(sink->events.arg);
}

/* The server answers, but not as we need it: take nothing for a while. */
static void hold(struct redis_sink *sink, enum bk_outcome outcome, bk_str_t error)
{
    uint64_t wait_ms = backoff_ms(sink, sink->refusals++);
    sink->held[outcome]++;
    explain(sink, "%.*s", (int)bk_min_u64(error.len, sizeof sink->detail - 1), error.p);
    sink->redial = outcome != BK_OUTCOME_OOM && outcome != BK_OUTCOME_LOADING &&
                   outcome != BK_OUTCOME_BUSY && outcome != BK_OUTCOME_MISCONF;
    log_trouble(sink, "refused", wait_ms);
    enter(sink, HELD, wait_ms);
}

/* What one answer to a write says about the server. A thousand commands in flight may all get the
 * same error: only the first one finds us READY and counts. */
static void judge(struct redis_sink *sink, enum bk_outcome outcome, bk_str_t error)
{
    bool writing = sink->state == READY || sink->state == TRIAL;
    if (bk_outcome_retry(outcome)) {
        if (!writing) return;
        sink->write_refused = true;
        hold(sink, outcome, error);
        return;
    }
    sink->failures = 0;
    if (sink->state != TRIAL) return;
    sink->refusals = 0;
    sink->write_refused = false;
    sink->state = READY;
    sink->detail[0] = sink->logged[0] = '\0';
    bk_log_info("redis", "accepting");
}

static void note_answer(struct redis_sink *sink)
{
    sink->heard_ms = uv_now(sink->loop);
    sink->suspected = false;
}

static void on_write_reply(redisAsyncContext *ac, void *arg_reply, void *arg)
{
    struct redis_sink *sink = ac->data;
    const redisReply *reply = arg_reply;
    (void)arg;
    if (!sink || !reply) return; /* the connection ends: settle() answers */
    note_answer(sink);
    if (reply->type == REDIS_REPLY_ERROR) {
        bk_str_t error = redis_reply_text(reply);
        enum bk_outcome outcome = bk_outcome_from_error(error);
        judge(sink, outcome, error);
        end_oldest(sink, outcome);
    } else {
        judge(sink, BK_OUTCOME_STORED, bk_str("", 0));
        end_oldest(sink, BK_OUTCOME_STORED);
    }
}

static void on_probe_reply(redisAsyncContext *ac, void *arg_reply, void *arg)
{
    struct redis_sink *sink = ac->data;
    const redisReply *reply = arg_reply;
    (void)arg;
    if (!sink || !reply) return;
    note_answer(sink);
    sink->asked_ms = 0;
    bool interested = sink->state == READY || sink->state == TRIAL || sink->state == PROBING;
    if (!interested) return;
    if (reply->type == REDIS_REPLY_ERROR) {
        bk_str_t error = redis_reply_text(reply);
        hold(sink, bk_outcome_from_error(error), error);
        return;
    }
    sink->failures = 0;
    if (sink->state == PROBING) become_ready(sink);
}

static void ask_ping(struct redis_sink *sink)
{
    static const char ping[] = "*1\r\n$4\r\nPING\r\n";
    sink->asked_ms = uv_now(sink->loop);
    redisAsyncFormattedCommand(sink->ac, on_probe_reply, NULL, ping, sizeof ping - 1);
}

static void on_greeted(void *arg, enum bk_outcome outcome, bk_str_t error)
{
    struct redis_sink *sink = arg;
    if (sink->state != GREETING) return;
    if (outcome == BK_OUTCOME_STORED)
        become_ready(sink);
    else
        hold(sink, outcome, error);
}

/* Once per batch of answers: tell the owner, or the end of closing, that there is room. */
static size_t room(struct bk_sink *base);
static void on_batch_done(void *arg)
{
    struct redis_sink *sink = arg;
    if (sink->state == CLOSING && sink->ring.count == 0) enter(sink, CLOSING, 0);
    if (!sink->starved || room(&sink->base) == 0) return;
    sink->starved = false;
    sink->events.wake(sink->events.arg);
}

/* ---- connecting ---- */

static void on_connect(const redisAsyncContext *ac, int status)
{
    struct redis_sink *sink = ac->data;
    if (!sink) return;
    if (status != REDIS_OK) {
        explain(sink, "%s", error_text(ac, "connection refused"));
        sink->ac = NULL; /* I3 */
        sink->address++;
        lose(sink);
        return;
    }
    if (sink->state != CONNECTING) return; /* closing meanwhile */
    sink->state = GREETING;                /* still under the deadline of the whole attempt */
    bk__redis_greeting_start(&sink->greeting, sink->ac);
}

static void on_disconnect(const redisAsyncContext *ac, int status)
{
    struct redis_sink *sink = ac->data;
    (void)status;
    if (!sink) return;
    sink->ac = NULL;           /* I3 */
    if (sink->state == HELD) { /* keep the reason and the wait that are there */
        sink->redial = true;
        return;
    }
    explain(sink, "%s", error_text(ac, "the server closed the connection"));
    lose(sink);
}

static int adopt(struct redis_sink *sink, redisAsyncContext *ac)
{
    if (ac->err) return UV_ECONNREFUSED;
    bk__redis_reply_attach(&sink->slot, ac);
    int rc = bk__redis_uv_attach(sink->loop, ac, on_batch_done, sink);
    if (rc < 0) return rc;
    ac->data = sink;
    redisAsyncSetConnectCallback(ac, on_connect);
    redisAsyncSetDisconnectCallback(ac, on_disconnect);
    return 0;
}

/* `address` in numbers; NULL for the unix socket. */
static void connect_to(struct redis_sink *sink, const char *address)
{
    redisAsyncContext *ac = address ? redisAsyncConnect(address, sink->url.port)
                                    : redisAsyncConnectUnix(sink->url.path);
    sink->state = CONNECTING;
    sink->announced = false;
    sink->asked_ms = 0;
    sink->suspected = false;
    int rc = ac ? adopt(sink, ac) : UV_ENOMEM;
    if (rc == 0) {
        sink->ac = ac;
        return;
    }
    explain(sink, "%s", ac && ac->err ? error_text(ac, "cannot connect") : uv_strerror(rc));
    if (ac) redisAsyncFree(ac); /* nothing is attached, so nothing is called */
    sink->address++;
    lose(sink);
}

static void on_resolved(void *arg, const char *address, const char *error)
{
    struct redis_sink *sink = arg;
    sink->resolve = NULL;
    if (sink->state != RESOLVING) return; /* its attempt has ended; the next one asks again */
    if (address) {
        connect_to(sink, address);
        return;
    }
    explain(sink, "%s: %s", sink->url.host, error);
    lose(sink);
}

static bool is_address(const char *host)
{
    unsigned char bytes[16];
    return uv_inet_pton(AF_INET, host, bytes) == 0 || uv_inet_pton(AF_INET6, host, bytes) == 0;
}

static void dial(struct redis_sink *sink)
{
    enter(sink, RESOLVING, sink->options.connect_timeout_ms);
    if (sink->url.path[0]) {
        connect_to(sink, NULL);
    } else if (is_address(sink->url.host)) {
        connect_to(sink, sink->url.host);
    } else if (!sink->resolve) { /* else an earlier question is still out: its answer will do */
        sink->resolve =
            bk__redis_resolve_start(sink->loop, sink->url.host, sink->address, on_resolved, sink);
        if (sink->resolve) return;
        explain(sink, "%s: the resolver does not start", sink->url.host);
        lose(sink);
    }
}

/* ---- the two timers ---- */

static void finish(struct redis_sink *sink);

/* The deadline of the state has come. */
static void on_step(uv_timer_t *timer)
{
    struct redis_sink *sink = timer->data;
    unsigned connect_ms = sink->options.connect_timeout_ms;
    switch (sink->state) {
    case RESOLVING:
        explain(sink, "%s was not resolved within %u ms", sink->url.host, connect_ms);
        settle(sink, WAITING);
        break;
    case CONNECTING:
        explain(sink, "no connection within %u ms", connect_ms);
        sink->address++;
        settle(sink, WAITING);
        break;
    case GREETING:
        explain(sink, "connected, but no answer within %u ms", connect_ms);
        sink->address++;
        settle(sink, STALLED);
        break;
    case PROBING:
        explain(sink, "no answer to PING within %u ms", sink->options.stall_timeout_ms);
        settle(sink, STALLED);
        break;
    case LOST:
        settle(sink, WAITING);
        break;
    case HELD:
        if (sink->redial) {
            drop(sink);
            dial(sink);
            end_all_unknown(sink);
        } else {
            ask_ping(sink);
            enter(sink, PROBING, sink->options.stall_timeout_ms);
        }
        break;
    case STALLED:
    case WAITING:
        dial(sink);
        break;
    case CLOSING:
        finish(sink);
        break;
    case READY:
    case TRIAL:
    case CLOSED:
        break;
    }
}

/* Age of the oldest unanswered question, in ms. */
static uint64_t silence_ms(const struct redis_sink *sink)
{
    const struct bk_ticket *oldest = bk__redis_ring_oldest(&sink->ring);
    uint64_t age = 0;
    if (oldest) age = (uv_hrtime() - (uint64_t)oldest->submitted_ns) / 1000000;
    if (sink->asked_ms) age = bk_max_u64(age, uv_now(sink->loop) - sink->asked_ms);
    return age;
}

static void on_watch(uv_timer_t *timer)
{
    struct redis_sink *sink = timer->data;
    if (!connected(sink)) return;
    uint64_t limit = sink->options.stall_timeout_ms, silence = silence_ms(sink);
    if (silence > limit) {
        if (sink->suspected) {
            explain(sink, "no answer for %llu ms", (unsigned long long)silence);
            settle(sink, STALLED);
        }
        sink->suspected = true;
        return;
    }
    sink->suspected = false;
    bool writable = sink->state == READY || sink->state == TRIAL;
    bool idle = writable && sink->ring.count == 0 && sink->asked_ms == 0;
    if (idle && uv_now(sink->loop) - sink->heard_ms > limit) ask_ping(sink);
}

/* ---- closing ---- */

static void on_timer_closed(uv_handle_t *handle)
{
    struct redis_sink *sink = handle->data;
    if (--sink->timers_open > 0) return;
    void (*closed)(void *) = sink->closed;
    void *arg = sink->closed_arg;
    bk__redis_ring_deinit(&sink->ring);
    free(sink);
    if (closed) closed(arg);
}

static void finish(struct redis_sink *sink)
{
    drop(sink);
    end_all_unknown(sink);
    sink->state = CLOSED;
    uv_close((uv_handle_t *)&sink->step, on_timer_closed);
    uv_close((uv_handle_t *)&sink->watch, on_timer_closed);
}

static void close_sink(struct bk_sink *base, uint32_t deadline_ms, void (*closed)(void *),
                       void *arg)
{
    struct redis_sink *sink = sink_of(base);
    BK_ASSERT(sink->state != CLOSING && sink->state != CLOSED);
    bool wait = connected(sink) && sink->ac && sink->ring.count > 0;
    sink->closed = closed;
    sink->closed_arg = arg;
    if (sink->resolve) bk__redis_resolve_forget(sink->resolve);
    sink->resolve = NULL;
    enter(sink, CLOSING, wait ? deadline_ms : 0);
}

/* ---- the contract ---- */

static size_t room(struct bk_sink *base)
{
    const struct redis_sink *sink = sink_of(base);
    if (sink->ring.bytes >= sink->options.inflight_bytes_max) return 0;
    if (sink->state == READY) return sink->ring.cap - sink->ring.count;
    return sink->state == TRIAL && sink->ring.count == 0;
}

/* A command larger than the window goes alone; it could not go otherwise. */
static bool fits(const struct redis_sink *sink, size_t len)
{
    return sink->ring.count == 0 || sink->ring.bytes + len <= sink->options.inflight_bytes_max;
}

static int submit(struct bk_sink *base, const struct bk_ticket *ticket, const char *resp,
                  size_t len)
{
    struct redis_sink *sink = sink_of(base);
    BK_ASSERT(len > 4 && len <= UINT32_MAX && resp[0] == '*');
    bool taken = room(base) > 0 && fits(sink, len) &&
                 redisAsyncFormattedCommand(sink->ac, on_write_reply, NULL, resp, len) == REDIS_OK;
    if (!taken) {
        sink->starved = true;
        return BK_EAGAIN;
    }
    struct bk_ticket stamped = *ticket;
    stamped.submitted_ns = (int64_t)uv_hrtime();
    bk__redis_ring_push(&sink->ring, &stamped, (uint32_t)len);
    sink->starved = room(base) == 0; /* an owner who took exactly the room must be woken, too */
    return 0;
}

static void fill_status(struct bk_sink *base, struct bk_sink_status *out)
{
    struct redis_sink *sink = sink_of(base);
    const struct bk_ticket *oldest = bk__redis_ring_oldest(&sink->ring);
    *out = (struct bk_sink_status){.state = shown_as[sink->state],
                                   .inflight = sink->ring.count,
                                   .inflight_bytes = sink->ring.bytes,
                                   .reconnects = sink->connections ? sink->connections - 1 : 0};
    snprintf(out->detail, sizeof out->detail, "%s", sink->detail);
    memcpy(out->outcomes, sink->outcomes, sizeof out->outcomes);
    memcpy(out->held, sink->held, sizeof out->held);
    if (oldest) out->oldest_ms = ((int64_t)uv_hrtime() - oldest->submitted_ns) / 1000000;
}

static const struct bk_sink_ops ops = {
    .room = room, .submit = submit, .status = fill_status, .close = close_sink};

static int take_options(struct redis_sink *sink, const struct bk_redis_options *options,
                        struct bk_reason *reason)
{
    int rc = bk_redis_url_parse(options->url, &sink->url, reason);
    if (rc) return rc;
    if (options->password && options->password[0]) {
        if (strlen(options->password) >= sizeof sink->url.password)
            return bk_reason_set(reason, BK_EINVAL, "the Redis password is longer than %zu bytes",
                                 sizeof sink->url.password - 1);
        strcpy(sink->url.password, options->password);
    }
    sink->options = *options;
    sink->options.url = sink->options.password = NULL;
    if (!options->inflight_max || !options->inflight_bytes_max || !options->connect_timeout_ms ||
        !options->stall_timeout_ms || !options->backoff_max_ms)
        return bk_reason_set(reason, BK_EINVAL, "every limit of the Redis sink is at least 1");
    rc = bk__redis_ring_init(&sink->ring, options->inflight_max);
    return rc ? bk_reason_set(reason, rc, "no memory for the Redis window") : 0;
}

static void start_timers(struct redis_sink *sink)
{
    uint64_t every = sink->options.stall_timeout_ms / 4;
    every = bk_max_u64(WATCH_MS_MIN, bk_min_u64(WATCH_MS_MAX, every));
    uv_update_time(sink->loop); /* a long start-up must not eat the first deadline */
    uv_timer_init(sink->loop, &sink->step);
    uv_timer_init(sink->loop, &sink->watch);
    sink->step.data = sink->watch.data = sink;
    sink->timers_open = 2;
    uv_timer_start(&sink->watch, on_watch, every, every);
}

struct bk_sink *bk_sink_redis_create(struct uv_loop_s *loop, const struct bk_redis_options *options,
                                     const struct bk_sink_events *events, struct bk_reason *reason)
{
    struct redis_sink *sink = calloc(1, sizeof *sink);
    if (!sink) {
        bk_reason_set(reason, BK_ENOMEM, "no memory for the Redis sink");
        return NULL;
    }
    if (take_options(sink, options, reason) != 0) {
        free(sink);
        return NULL;
    }
    sink->base.ops = &ops;
    sink->loop = loop;
    sink->events = *events;
    sink->seed = bk_mix(uv_hrtime() ^ (uint64_t)getpid());
    sink->greeting = (struct redis_greeting){.url = &sink->url, .done = on_greeted, .arg = sink};
    start_timers(sink);
    dial(sink);
    return &sink->base;
}
