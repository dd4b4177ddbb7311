/* source.h -- where records come from: one contract, several implementations (Kafka, a log file, a
 * simulation).
 *
 * A source is pulled, never pushes: bk_source_pull hands over at most `max` records, each borrowed
 * for the length of its callback. When there is something to pull, or anything else to tell, the
 * source calls `wake` and nothing more; the pipeline then takes its turn. So back-pressure is
 * simply not pulling.
 */
#ifndef BASKETRY_SOURCE_H
#define BASKETRY_SOURCE_H

#include "basketry/base.h"
#include "basketry/error.h"
#include "basketry/health.h"

#ifdef __cplusplus
extern "C" {
#endif

enum bk_topic {
    BK_TOPIC_EVENTS,
    BK_TOPIC_PRODUCTS,
    BK_TOPIC_STOCK,
    BK_TOPIC_CUSTOMERS,
    BK_TOPIC_COUNT
};

/** A record as the log holds it. All bytes borrowed from the source during the callback. */
struct bk_record {
    enum bk_topic topic;
    int32_t partition;
    int64_t offset;
    bk_wall_ms_t timestamp_ms; /* the broker's (LogAppendTime); a file keeps what it was given */
    bk_str_t key;              /* p == NULL: no key */
    bk_str_t value;            /* p == NULL: a tombstone */
    bk_str_t value_schema_id;  /* header __value_schema_id, p == NULL when absent (newer framing) */
    /* All its headers, read by bk_record_header when they are wanted; NULL: none are known. */
    const void *headers; /* the source's own */
    bool (*header_at)(const void *headers, size_t at, const char **name, bk_str_t *value);
};

/** Header number `at`, from 0, in the record's order; the same name may occur again. False: there
 *  are no more. Borrowed like the rest of the record; a header without a value has p == NULL. */
static inline bool bk_record_header(const struct bk_record *record, size_t at, const char **name,
                                    bk_str_t *value)
{
    return record->headers && record->header_at(record->headers, at, name, value);
}

/** What tells this record from another at its offset. Any source of the same log gives the same, and
 *  it may be stored. */
static inline uint64_t bk_record_mark(const struct bk_record *record)
{
    uint64_t mark = bk_mix((uint64_t)record->timestamp_ms);
    mark = bk_mix(mark ^ bk_hash(record->key.p, record->key.len));
    return bk_mix(mark ^ bk_hash(record->value.p, record->value.len));
}

/** Offset arguments besides real offsets. */
#define BK_OFFSET_BEGINNING (-2)
/** From `assigned`: the owner has no room for this partition; it is held, and not read. */
#define BK_OFFSET_REFUSED (-3)

/** What a source tells its owner. All on the loop thread; only from inside pull, but for `wake` and
 *  `closed`. */
struct bk_source_events {
    void *arg;
    void (*record)(void *arg, const struct bk_record *record);
    /** A partition is ours from now on. Return the offset to start from: BK_OFFSET_BEGINNING, the
     *  next one wanted, or BK_OFFSET_REFUSED. */
    int64_t (*assigned)(void *arg, enum bk_topic topic, int32_t partition);
    void (*revoked)(void *arg, enum bk_topic topic, int32_t partition);
    /** The partition's end, as it stood at start, has been delivered (an empty partition: at once).
     *  Once per assignment. */
    void (*reached_end)(void *arg, enum bk_topic topic, int32_t partition);
    /** There may be something to pull. May come from inside any call; must only schedule a turn. */
    void (*wake)(void *arg);
    /** Is this, of shop.events, the record that was passed last: the one before the next wanted? A
     *  source that starts behind a record reads it first, asks, and does not hand it over. No: the
     *  log is another one, and not read. NULL: the owner does not know, and nothing is asked. */
    bool (*is_passed)(void *arg, const struct bk_record *record);
    /** The log of a partition begins there: nothing before `offset` will be handed over. Told a while
     *  after `assigned` said BK_OFFSET_BEGINNING, and where it begins behind what was wanted. NULL:
     *  the owner does not mind. */
    void (*begins)(void *arg, enum bk_topic topic, int32_t partition, int64_t offset);
    /** A record that somebody between source and owner passes over: the owner goes on behind it. */
    void (*left_out)(void *arg, const struct bk_record *record);
};

/* clang-format off */
/*       enum                            word                      health             what it means */
#define BK_SOURCE_STATE_TABLE(X)                                                                   \
    X(BK_SOURCE_CONNECTING,              "connecting",             BK_HEALTH_DEGRADED, "no broker has told yet what the topics are") \
    X(BK_SOURCE_TOPIC_MISSING,           "topic_missing",          BK_HEALTH_DOWN,     "a topic does not exist (any more); asked again every second") \
    X(BK_SOURCE_READING_FACTS,           "reading_facts",          BK_HEALTH_DEGRADED, "products, stock and customers are read to their ends first") \
    X(BK_SOURCE_JOINING,                 "joining",                BK_HEALTH_DEGRADED, "a member of the group, and no assignment yet") \
    X(BK_SOURCE_ASSIGNED,                "assigned",               BK_HEALTH_OK,       "reads its partitions") \
    X(BK_SOURCE_STANDBY,                 "standby",                BK_HEALTH_OK,       "another instance reads in the group; takes over when that one is gone") \
    X(BK_SOURCE_PAUSED,                  "paused",                 BK_HEALTH_DEGRADED, "its owner wants no records for now; the group keeps us") \
    X(BK_SOURCE_STALLED,                 "stalled",                BK_HEALTH_DEGRADED, "its owner took no record for 10 s; the group keeps us") \
    X(BK_SOURCE_DISCONNECTED,            "disconnected",           BK_HEALTH_DOWN,     "no broker answers") \
    X(BK_SOURCE_LEADER_AWAY,             "leader_away",            BK_HEALTH_DOWN,     "a broker that leads a partition does not answer, or none leads it; the others are read") \
    X(BK_SOURCE_COORDINATOR_AWAY,        "coordinator_away",       BK_HEALTH_DEGRADED, "the group's coordinator does not answer; what we have is read on for session.timeout.ms") \
    X(BK_SOURCE_MEMBERSHIP_LOST,         "membership_lost",        BK_HEALTH_DOWN,     "no coordinator answered for session.timeout.ms, or it took us for dead; joining again") \
    X(BK_SOURCE_OFFSET_OUT_OF_RANGE,     "offset_out_of_range",    BK_HEALTH_DEGRADED, "the log does not hold the next record; where it stands is being asked") \
    X(BK_SOURCE_LOG_SHORTER_THAN_STATE,  "log_shorter_than_state", BK_HEALTH_DOWN,     "a partition ends before what was applied: another log. It rests") \
    X(BK_SOURCE_ANOTHER_LOG,             "another_log",            BK_HEALTH_DOWN,     "a partition holds another record where the one applied last was. It rests") \
    X(BK_SOURCE_PARTITIONS_OVER_LIMIT,   "partitions_over_limit",  BK_HEALTH_DOWN,     "more partitions than state.shards_max has shares for. They rest") \
    X(BK_SOURCE_FAILED,                  "failed",                 BK_HEALTH_DOWN,     "the client gave up, or the file is damaged") \
    X(BK_SOURCE_ENDED,                   "ended",                  BK_HEALTH_OK,       "the file was read to its end") \
    X(BK_SOURCE_CLOSING,                 "closing",                BK_HEALTH_OK,       "leaving the group")
/* clang-format on */

enum bk_source_state {
#define X(name, word, health, text) name,
    BK_SOURCE_STATE_TABLE(X)
#undef X
        BK_SOURCE_STATE_COUNT
};
const char *bk_source_state_word(enum bk_source_state state);
enum bk_health bk_source_state_health(enum bk_source_state state);

/** What `status` shows about a source. */
struct bk_source_status {
    enum bk_source_state state;
    char detail[160]; /* the last error as the library told it, or "" */
    int64_t
        lag_records;   /* records between what was delivered and the broker's end; -1: not known */
    uint32_t assigned; /* partitions */
    int32_t topic_partitions; /* that shop.events has, whoever reads them; 0: not known yet */
    uint32_t resting;         /* of these, the ones that wait for somebody to act */
    uint64_t errors;          /* errors reported by the library so far */
    /* times a partition started again from elsewhere: the offset it wanted was gone */
    uint64_t offset_resets;
    /* records of shop.events that were gone from the log before they were read */
    uint64_t records_lost;
};

struct bk_source;
struct bk_source_ops {
    /** The fact topics are there from their beginnings: what they do not name does not exist. */
    bool has_whole_facts;
    /** Hand over at most `max` records by callback; returns how many. Fewer than `max` does not
     *  mean that nothing is left: the source wakes again when there is. Never blocks. */
    size_t (*pull)(struct bk_source *source, size_t max);
    /** A long stall (outage): keep the session with the broker alive, deliver nothing until
     *  resumed. Idempotent. Go on answering `wake` with pull: it delivers no record then, but lets
     *  rebalances through. For a stall of seconds just do not pull: pausing drops what was
     *  prefetched. */
    void (*pause)(struct bk_source *source, bool paused);
    void (*status)(struct bk_source *source, struct bk_source_status *out);
    /** The log of a partition that rests as BK_SOURCE_LOG_SHORTER_THAN_STATE or BK_SOURCE_ANOTHER_LOG
     *  is the right one: read it from its beginning. 0, or BK_ENOENT when that partition does not rest. NULL where nothing
     *  can rest. */
    int (*accept)(struct bk_source *source, int32_t partition);
    /** The owner's state is another one: every partition of shop.events is revoked and assigned
     *  again, so that reading goes on where `assigned` says. From inside a turn. NULL where reading
     *  cannot go back. */
    void (*restart)(struct bk_source *source);
    /** Leave the group and release everything, asynchronously; `closed` comes once, from the loop,
     *  within a deadline of 10 s. The source's memory is gone after `closed` returns. */
    void (*close)(struct bk_source *source, void (*closed)(void *arg), void *arg);
};

/** The head of every implementation. */
struct bk_source {
    const struct bk_source_ops *ops;
};

static inline size_t bk_source_pull(struct bk_source *source, size_t max)
{
    return source->ops->pull(source, max);
}

/* ---- Kafka ---- */

struct uv_loop_s;

struct bk_kafka_options {
    const char *brokers;
    const char *group_id;    /* NULL: no group, every partition of shop.events is read here */
    const char *instance_id; /* static membership, unless a property names one; NULL: none */
    bool alone; /* who finds itself with another member leaves, and waits until the group is free */
    const char *topics[BK_TOPIC_COUNT]; /* names; NULL: this topic is not read */
    const char *const *properties; /* name, value, name, value, ..., NULL: passed to librdkafka */
    uint32_t queued_kbytes_max;    /* prefetch bound */
};

/** Subscribe and start. Fact topics (all but events) are assigned whole to every instance and
 *  delivered to their ends before the first record of shop.events; events partitions come from the
 *  consumer group. Returns NULL and fills `reason` when a property is refused (it names it) or the
 *  client cannot be made. */
struct bk_source *bk_source_kafka_create(struct uv_loop_s *loop,
                                         const struct bk_kafka_options *options,
                                         const struct bk_source_events *events,
                                         struct bk_reason *reason);

/** Wait while another member reads in the group, as a standby that takes over when the group is free;
 *  a member with our own group.instance.id is our last life. BK_OK at once when nobody does, or nobody
 *  could be asked (the log says so); BK_EINVAL with a reason for a refused property. Blocks, for as
 *  long as the other one lives; a signal that ends the process ends it. Before a source is made. */
BK_MUST_CHECK int bk_kafka_standby(const struct bk_kafka_options *options,
                                   struct bk_reason *reason);

/* ---- a log in files ---- */

struct bk_file_options {
    const char *path;     /* a file written by bk_log_writer, or an archive's folder (archive.h) */
    bk_wall_ms_t from_ms; /* events before this time are left out; 0: none           */
    bk_wall_ms_t to_ms;   /* records, facts too, of this time and later; 0: none     */
};
/** Replay a log; same contract, ends included, and partitions interleaved by timestamp. What was
 *  written after it was opened is not seen. `loop` may be NULL: then nothing is woken and the owner
 *  pulls until every partition reached its end, or status says "failed": what precedes damage (or a
 *  missing tail) has then been delivered, and `detail` names file and byte. A start offset that the
 *  log does not reach back to fails by name. `path` may go after the call. */
struct bk_source *bk_source_file_create(struct uv_loop_s *loop,
                                        const struct bk_file_options *options,
                                        const struct bk_source_events *events,
                                        struct bk_reason *reason);

struct bk_log_writer;
/** Create (or truncate) a log file with `partitions` partitions of shop.events; the fact topics
 *  have one each. The format is at the top of src/source/log_block.c. */
struct bk_log_writer *bk_log_writer_create(const char *path, int32_t partitions,
                                           struct bk_reason *reason);
/** Append one record; partition < 0 means by key (murmur2, as Kafka's Java client does); offset is
 *  assigned. 0 or BK_EIO. */
BK_MUST_CHECK int bk_log_writer_append(struct bk_log_writer *writer, enum bk_topic topic,
                                       int32_t partition, bk_wall_ms_t timestamp_ms, bk_str_t key,
                                       bk_str_t value);
/** Flush, sync and close; sets *writer to NULL. 0 or BK_EIO. */
int bk_log_writer_close(struct bk_log_writer **writer);

/** Kafka's default partitioner of the Java client (murmur2 of the key, sign bit cleared,
 *  modulo). */
int32_t bk_partition_of(bk_str_t key, int32_t partitions);

#ifdef __cplusplus
}
#endif
#endif
