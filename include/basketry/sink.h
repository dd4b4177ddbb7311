/* sink.h -- where lists go: one contract, several implementations (Redis, a simulation).
 *
 * A sink takes finished commands (RESP bytes of one SET or DEL, made by publish/encode.c) while it
 * has room, and answers each with exactly one outcome, carried by the ticket that came with it. It
 * keeps no list of its own: what could not be sent stays a dirty bit with the owner, so an outage
 * costs bits and not bytes.
 */
#ifndef BASKETRY_SINK_H
#define BASKETRY_SINK_H

#include "basketry/base.h"
#include "basketry/error.h"
#include "basketry/health.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Who the answer belongs to; opaque to the sink. */
struct bk_ticket {
    uint32_t owner;
    uint32_t handle;
    uint32_t what;
    uint32_t stamp;
    int64_t note;         /* the owner's */
    int64_t submitted_ns; /* set by the sink at submit (monotonic) */
};

/* clang-format off */
/*       enum                 metric label    retry  what it means */
#define BK_OUTCOME_TABLE(X)                                                                        \
    X(BK_OUTCOME_STORED,      "stored",       false, "Redis acknowledged the write")               \
    X(BK_OUTCOME_UNKNOWN,     "unknown",      true,  "the connection ended before the answer")     \
    X(BK_OUTCOME_OOM,         "oom",          true,  "-OOM: maxmemory reached")                    \
    X(BK_OUTCOME_READONLY,    "readonly",     true,  "-READONLY: this is a replica")               \
    X(BK_OUTCOME_LOADING,     "loading",      true,  "-LOADING: Redis reads its data set")         \
    X(BK_OUTCOME_MASTERDOWN,  "masterdown",   true,  "-MASTERDOWN or -CLUSTERDOWN")                \
    X(BK_OUTCOME_MOVED,       "moved",        true,  "-MOVED or -ASK: the key lives elsewhere")    \
    X(BK_OUTCOME_NOAUTH,      "noauth",       true,  "-NOAUTH, -WRONGPASS or -NOPERM")             \
    X(BK_OUTCOME_BUSY,        "busy",         true,  "-BUSY or -TRYAGAIN: a script or a move runs") \
    X(BK_OUTCOME_MISCONF,     "misconf",      true,  "-MISCONF or -NOREPLICAS: it cannot keep what it takes") \
    X(BK_OUTCOME_WRONGTYPE,   "wrongtype",    false, "-WRONGTYPE: a foreign value under our key")  \
    X(BK_OUTCOME_REFUSED,     "refused",      false, "any other error reply")
/* clang-format on */

enum bk_outcome {
#define X(name, label, retry, text) name,
    BK_OUTCOME_TABLE(X)
#undef X
        BK_OUTCOME_COUNT
};
const char *bk_outcome_label(enum bk_outcome outcome);
bool bk_outcome_retry(enum bk_outcome outcome);
/** The class of an error reply, read from its first word; `text` without the leading '-'. Never
 *  STORED. */
enum bk_outcome bk_outcome_from_error(bk_str_t text);

/** What a sink tells its owner; loop thread, never from inside submit. */
struct bk_sink_events {
    void *arg;
    void (*outcome)(void *arg, const struct bk_ticket *ticket, enum bk_outcome outcome);
    /** Room came back, or the connection did: take a turn. Comes once per batch of answers after
     *  room() said 0, a submit was not taken, or a submit took the last place. */
    void (*wake)(void *arg);
    /** A connection is ready. `fresh`: this server process is not the one we last wrote to, so what
     *  it holds is unknown: its run_id changed or cannot be read; true for the first connection.
     *  `wake` follows. */
    void (*connected)(void *arg, bool fresh);
};

/* clang-format off */
/*       enum                 word          health             what it means */
#define BK_SINK_STATE_TABLE(X)                                                                     \
    X(BK_SINK_CONNECTING,     "connecting", BK_HEALTH_DEGRADED, "resolving, connecting or greeting") \
    X(BK_SINK_READY,          "ready",      BK_HEALTH_OK,       "writes are taken")                \
    X(BK_SINK_REFUSING,       "refusing",   BK_HEALTH_DOWN,     "it answers with an error class: room is 0, then 1 until a write is taken") \
    X(BK_SINK_BACKOFF,        "backoff",    BK_HEALTH_DOWN,     "no connection; waiting to dial again") \
    X(BK_SINK_STALLED,        "stalled",    BK_HEALTH_DOWN,     "it fell silent; waiting to dial again") \
    X(BK_SINK_CLOSING,        "closing",    BK_HEALTH_OK,       "waits for the last answers")
/* clang-format on */

enum bk_sink_state {
#define X(name, word, health, text) name,
    BK_SINK_STATE_TABLE(X)
#undef X
        BK_SINK_STATE_COUNT
};
const char *bk_sink_state_word(enum bk_sink_state state);
enum bk_health bk_sink_state_health(enum bk_sink_state state);

struct bk_sink_status {
    enum bk_sink_state state;
    char detail[160]; /* why: the last error in words, or "" */
    uint32_t inflight;
    uint64_t inflight_bytes;
    uint64_t outcomes[BK_OUTCOME_COUNT];
    /* times it was held back, by the class of the error: of a write, a probe or the greeting */
    uint64_t held[BK_OUTCOME_COUNT];
    uint64_t reconnects;
    int64_t oldest_ms; /* age of the oldest unanswered command; 0 when none */
};

struct bk_sink;
struct bk_sink_ops {
    /** How many commands may be submitted now; 0 while not connected, held back by an error class,
     *  or the window (count or bytes) is full. */
    size_t (*room)(struct bk_sink *sink);
    /** Take one command; the bytes are copied. Returns 0, or BK_EAGAIN when there was no room:
     *  nothing was taken. */
    int (*submit)(struct bk_sink *sink, const struct bk_ticket *ticket, const char *resp,
                  size_t len);
    void (*status)(struct bk_sink *sink, struct bk_sink_status *out);
    /** Wait for what is in flight (at most deadline_ms), then close; unanswered tickets end as
     *  UNKNOWN before `closed`. */
    void (*close)(struct bk_sink *sink, uint32_t deadline_ms, void (*closed)(void *arg), void *arg);
};

struct bk_sink {
    const struct bk_sink_ops *ops;
};

static inline size_t bk_sink_room(struct bk_sink *sink)
{
    return sink->ops->room(sink);
}

BK_MUST_CHECK static inline int bk_sink_submit(struct bk_sink *sink, const struct bk_ticket *ticket,
                                               const char *resp, size_t len)
{
    return sink->ops->submit(sink, ticket, resp, len);
}

/* ---- Redis ---- */

struct uv_loop_s;

struct bk_redis_options {
    const char *url;       /* redis://[user[:password]@]host[:port][/db] or unix:///path */
    const char *password;  /* or NULL; stands before the URL's */
    uint32_t inflight_max; /* commands */
    uint32_t inflight_bytes_max;
    uint32_t connect_timeout_ms;
    /* the oldest unanswered command is older than this: state "stalled" -> reconnect */
    uint32_t stall_timeout_ms;
    uint32_t backoff_max_ms;
};

/** Start connecting; returns at once. NULL with `reason` when the URL is not one. */
struct bk_sink *bk_sink_redis_create(struct uv_loop_s *loop, const struct bk_redis_options *options,
                                     const struct bk_sink_events *events, struct bk_reason *reason);

#ifdef __cplusplus
}
#endif
#endif
