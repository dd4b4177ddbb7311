/* outbox.h -- what Basketry itself writes to Kafka: dead letters, and merges into shop.events.
 *
 * THE PROMISE
 *   A record that was taken is delivered at least once, whatever the brokers do, as long as this
 *   process lives; when it ends before that, whoever took the record's cause out of the log reads
 *   it again. For that the outbox tells two numbers: `sent`, the sequence number of the last record
 *   it took, and `acked`, the highest number up to which every record is acknowledged by all
 *   replicas in sync. A checkpoint captured when sent was n may be committed once acked >= n.
 * ORDER
 *   Records of one key and topic arrive in the order they were put in, but for one that the brokers
 *   refused (its topic is missing, it is too large): that one is sent again and comes later.
 *
 * Loop thread only. Nothing here blocks. Bounded in count and bytes; room() == 0 is the owner's
 * sign to take nothing more in.
 */
#ifndef BASKETRY_OUTBOX_H
#define BASKETRY_OUTBOX_H

#include "basketry/base.h"
#include "basketry/error.h"
#include "basketry/health.h"

#ifdef __cplusplus
extern "C" {
#endif

struct bk_header {
    const char *name; /* NUL-terminated */
    bk_str_t value;   /* p == NULL: a header without a value */
};

/** Most headers of a record; further ones are the putter's to leave out. */
enum { BK_OUT_HEADERS_MAX = 80 };

/** A record on its way out. Everything is borrowed during put. */
struct bk_outgoing {
    const char *topic;
    bk_str_t key;   /* p == NULL: no key */
    bk_str_t value; /* p == NULL: a null value */
    const struct bk_header *headers;
    uint32_t header_count;
    /* The value may be cut to what the topic takes; the header BK_HEADER_CUT then says from how
     * many bytes. Otherwise a record that is too large waits until the topic takes it. */
    bool may_cut;
};
/** Decimal: the bytes the value had before it was cut. */
#define BK_HEADER_CUT "basketry.cut-from"

/** What an outbox tells its owner; loop thread, never from inside put. */
struct bk_outbox_events {
    void *arg;
    /** Something was acknowledged: there may be room again, or a checkpoint may be committed. */
    void (*wake)(void *arg);
};

/* clang-format off */
/*       enum                       word            health              what it means */
#define BK_OUTBOX_STATE_TABLE(X)                                                                   \
    X(BK_OUTBOX_READY,              "ready",        BK_HEALTH_OK,       "what is put is sent")     \
    X(BK_OUTBOX_DISCONNECTED,       "disconnected", BK_HEALTH_DEGRADED, "no broker answers; what waits is sent when one does") \
    X(BK_OUTBOX_REFUSED,            "refused",      BK_HEALTH_DEGRADED, "a broker refuses a record, which is sent again every second; no checkpoint passes it") \
    X(BK_OUTBOX_RECREATING,         "recreating",   BK_HEALTH_DEGRADED, "the client failed for good and is made anew") \
    X(BK_OUTBOX_CLOSING,            "closing",      BK_HEALTH_OK,       "shutting down")
/* clang-format on */

enum bk_outbox_state {
#define X(name, word, health, text) name,
    BK_OUTBOX_STATE_TABLE(X)
#undef X
};
const char *bk_outbox_state_word(enum bk_outbox_state state);
enum bk_health bk_outbox_state_health(enum bk_outbox_state state);

struct bk_outbox_status {
    enum bk_outbox_state state;
    char detail[160]; /* the last error in words, or "" */
    uint64_t waiting; /* records taken and not acknowledged */
    uint64_t waiting_bytes;
    uint64_t failed;    /* deliveries that failed and were tried again */
    uint64_t recreated; /* clients made anew after a fatal error */
};

struct bk_outbox;
struct bk_outbox_ops {
    /** How many records may be put now, whatever their size; 0: full. */
    size_t (*room)(struct bk_outbox *outbox);
    /** Take a record; the bytes are copied. Returns 0, BK_EAGAIN when there was no room, BK_ENOMEM;
     *  then nothing was taken. */
    int (*put)(struct bk_outbox *outbox, const struct bk_outgoing *record);
    uint64_t (*sent)(const struct bk_outbox *outbox);
    uint64_t (*acked)(const struct bk_outbox *outbox);
    void (*status)(const struct bk_outbox *outbox, struct bk_outbox_status *out);
    /** Wait for what is not acknowledged (at most deadline_ms), then close. The outbox's memory is
     *  gone after `closed` returns. */
    void (*close)(struct bk_outbox *outbox, uint32_t deadline_ms, void (*closed)(void *arg),
                  void *arg);
};

/** The head of every implementation. */
struct bk_outbox {
    const struct bk_outbox_ops *ops;
};

static inline size_t bk_outbox_room(struct bk_outbox *outbox)
{
    return outbox->ops->room(outbox);
}
BK_MUST_CHECK static inline int bk_outbox_put(struct bk_outbox *outbox,
                                              const struct bk_outgoing *record)
{
    return outbox->ops->put(outbox, record);
}
/** Sequence number of the last record taken, from 1; 0: none yet. */
static inline uint64_t bk_outbox_sent(const struct bk_outbox *outbox)
{
    return outbox->ops->sent(outbox);
}
/** The highest number such that every record up to it is acknowledged. */
static inline uint64_t bk_outbox_acked(const struct bk_outbox *outbox)
{
    return outbox->ops->acked(outbox);
}
static inline bool bk_outbox_is_idle(const struct bk_outbox *outbox)
{
    return bk_outbox_acked(outbox) == bk_outbox_sent(outbox);
}

/* ---- Kafka ---- */

struct uv_loop_s;

struct bk_kafka_outbox_options {
    const char *brokers;
    const char *const *properties; /* name, value, ..., NULL: passed to librdkafka */
    uint32_t records_max;          /* taken and not acknowledged */
    uint64_t bytes_max;            /* of them together; at least BK_OUT_BYTES_MAX */
};

/** A record's key, value and headers together; a longer one is cut or, where it may not be, refused
 *  as BK_ELIMIT. */
enum { BK_OUT_BYTES_MAX = 960000 };

/** Start an idempotent producer; returns at once. NULL with a reason when a property is refused. */
struct bk_outbox *bk_outbox_kafka_create(struct uv_loop_s *loop,
                                         const struct bk_kafka_outbox_options *options,
                                         const struct bk_outbox_events *events,
                                         struct bk_reason *reason);

#ifdef __cplusplus
}
#endif
#endif
