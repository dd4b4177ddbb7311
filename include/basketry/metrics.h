/* metrics.h -- what the process counts about itself, as one table.
 *
 * The table feeds the slots below, the Prometheus text, the JSON of `inspect counters` and
 * src/serve/METRICS.md (generated; the tests fail on drift). Add a row, add to its slot. A row
 * takes one slot for each word of its label; where the words belong to another table (verdicts,
 * record kinds, contexts, outcomes, state counters) they come from that table, so a new word needs
 * nothing here: bk_metrics_add(m, BK_METRIC_RECORDS + verdict, 1).
 *
 * Cost: an addition is one add to an array. Loop thread only; other threads hand their numbers
 * over. Never a customer's or an item's name in a label: the number of series is fixed at compile
 * time.
 */
#ifndef BASKETRY_METRICS_H
#define BASKETRY_METRICS_H

#include "basketry/base.h"
#include "basketry/buf.h"
#include "basketry/event.h"
#include "basketry/sink.h"
#include "basketry/state.h"
#include "basketry/verdict.h"

#ifdef __cplusplus
extern "C" {
#endif

#define BK_METRIC_WORD_2(name, label)              label "|"
#define BK_METRIC_WORD_3(name, label, text)        label "|"
#define BK_METRIC_WORD_4(name, label, retry, text) label "|"

/* Types: COUNTER only grows; GAUGE goes both ways; COUNTER_MS and GAUGE_MS are kept in milliseconds
 * and shown in seconds. Rows of one name stand together: they are one family, told apart by the
 * label. `moves` says when it moves, `act` what to do about it. */
/* clang-format off */
/*    slot                             name                                       type        label      words   slots   moves   act
 */
#define BK_METRIC_TABLE(X) \
    X(BK_METRIC_RECORDS,               "basketry_records_total",                  COUNTER,    "verdict", BK_VERDICT_TABLE(BK_METRIC_WORD_4), BK_VERDICT_COUNT, \
      "A record was read; its verdict says what became of it.", "Anything but ok, duplicate and no_consent is in the dead-letter topic with its reason: look there, then at its producer.") \
    X(BK_METRIC_EVENTS_APPLIED,        "basketry_events_applied_total",           COUNTER,    "kind",    BK_EVENT_KIND_TABLE(BK_METRIC_WORD_2), BK_EVENT_KIND_COUNT, \
      "A valid record changed state.", "A kind that stops moving while others do: its producer stopped.") \
    X(BK_METRIC_DEAD_LETTERS,          "basketry_dead_letters_total",             COUNTER,    "",        "", 1, \
      "A record went to the dead-letter topic.", "Alert on its rate; the headers of each letter name field and reason.") \
    X(BK_METRIC_MERGES,                "basketry_merges_produced_total",          COUNTER,    "",        "", 1, \
      "A visitor with a cart or a session logged in: a SubjectMerged went to shop.events.", "Compare with basketry_events_applied_total{kind=\"SubjectMerged\"}: each should come back once.") \
    X(BK_METRIC_OUTBOX_SENT,           "basketry_outbox_sent_total",              COUNTER,    "",        "", 1, \
      "A dead letter or merge was taken to be written to Kafka.", "Nothing.") \
    X(BK_METRIC_OUTBOX_ACKED,          "basketry_outbox_acked_total",             COUNTER,    "",        "", 1, \
      "All up to this many are acknowledged by all replicas in sync.", "It stands while sent grows: look at the brokers, `status` says what they answered.") \
    X(BK_METRIC_OUTBOX_FAILED,         "basketry_outbox_failed_total",            COUNTER,    "",        "", 1, \
      "A delivery failed and is tried again: the topic is missing, not allowed or too small.", "Growing: no checkpoint passes what waits; create the topic, see deploy/README.md.") \
    X(BK_METRIC_OUTBOX_WAITING,        "basketry_outbox_waiting",                 GAUGE,      "",        "", 1, \
      "Dead letters and merges not acknowledged yet.", "Near kafka.outbox_records_max: intake rests.") \
    X(BK_METRIC_OUTBOX_WAITING_BYTES,  "basketry_outbox_waiting_bytes",           GAUGE,      "",        "", 1, \
      "Memory of these.", "As above, with kafka.outbox_bytes_max.") \
    X(BK_METRIC_LISTS_PUBLISHED,       "basketry_lists_published_total",          COUNTER,    "context", BK_CONTEXT_TABLE(BK_METRIC_WORD_3), BK_CONTEXT_COUNT, \
      "A shopper's list was acknowledged by Redis.", "Zero while records are read: look at basketry_redis_answers_total.") \
    X(BK_METRIC_LISTS_COALESCED,       "basketry_lists_coalesced_total",          COUNTER,    "",        "", 1, \
      "An event found its list waiting already: one refresh serves both.", "A share that grows means lists wait longer: look at the age histogram.") \
    X(BK_METRIC_ITEM_LISTS_PUBLISHED,  "basketry_item_lists_published_total",     COUNTER,    "",        "", 1, \
      "An item's own list was acknowledged by Redis.", "Nothing; lists.item_interval bounds its rate.") \
    X(BK_METRIC_ITEM_LISTS_UNCHANGED,  "basketry_item_lists_unchanged_total",     COUNTER,    "",        "", 1, \
      "An item's own list was ranked anew and came out as it was published.", "Nothing; it is work saved.") \
    X(BK_METRIC_SHARED_LISTS_PUBLISHED, "basketry_shared_lists_published_total",  COUNTER,    "",        "", 1, \
      "A list for everybody (popular, trending, seasonal) was acknowledged by Redis.", "Zero for an hour: readers have no last resort.") \
    X(BK_METRIC_LISTS_DIRTY,           "basketry_lists_dirty",                    GAUGE,      "",        "", 1, \
      "Shoppers' lists that wait for their refresh.", "Growing: Redis is away or slower than the events; see basketry_intake_pauses_total.") \
    X(BK_METRIC_ITEMS_DIRTY,           "basketry_items_dirty",                    GAUGE,      "",        "", 1, \
      "Items whose own lists wait for their refresh.", "As above.") \
    X(BK_METRIC_REFRESH_SWEEPS,        "basketry_refresh_sweeps_total",           COUNTER,    "",        "", 1, \
      "The refresher went once through all live lists.", "Slower than one in lists.refresh: lists pass their expires_at; give it more CPU or a longer lists.refresh.") \
    X(BK_METRIC_REFRESH_LISTS,         "basketry_refresh_lists_total",            COUNTER,    "",        "", 1, \
      "The refresher queued a list because of its age.", "Nothing.") \
    X(BK_METRIC_STATE,                 "basketry_state_events_total",             COUNTER,    "what",    BK_STATE_COUNTER_TABLE(BK_METRIC_WORD_2), BK_STATE_COUNTER_COUNT, \
      "State started a session, met one of its limits or evicted something; the label says which.", "Evictions: raise state.bytes_max or accept a shorter memory. Cuts: look for a bot, or raise the limit of that name.") \
    X(BK_METRIC_STATE_BYTES_SHARED,    "basketry_state_bytes",                    GAUGE,      "part",    "shared", 1, \
      "Memory of what all shoppers share (items, pairs, counts) and of the shoppers' own state.", "The sum nears basketry_state_bytes_max: eviction begins.") \
    X(BK_METRIC_STATE_BYTES_SHARDS,    "basketry_state_bytes",                    GAUGE,      "part",    "shards", 1, "", "") \
    X(BK_METRIC_STATE_BYTES_RANK,      "basketry_state_bytes",                    GAUGE,      "part",    "rank", 1, "", "") \
    X(BK_METRIC_STATE_BYTES_MAX,       "basketry_state_bytes_max",                GAUGE,      "",        "", 1, \
      "state.bytes_max.", "Compare with basketry_state_bytes.") \
    X(BK_METRIC_STATE_SUBJECTS,        "basketry_state_subjects",                 GAUGE,      "",        "", 1, \
      "Shoppers that are remembered.", "Nothing.") \
    X(BK_METRIC_STATE_ITEMS,           "basketry_state_items",                    GAUGE,      "",        "", 1, \
      "Items that are known.", "Near state.items_max: raise it, later items are not remembered.") \
    X(BK_METRIC_PAUSES_WINDOW,         "basketry_intake_pauses_total",            COUNTER,    "reason",  "window", 1, \
      "Intake rested: the window of unanswered commands was full (window), Redis was away (outage), a dead letter or merge was not acknowledged (letters).", \
      "window: Redis is the bottleneck. outage: look at Redis. letters: look at the brokers.") \
    X(BK_METRIC_PAUSES_OUTAGE,         "basketry_intake_pauses_total",            COUNTER,    "reason",  "outage", 1, "", "") \
    X(BK_METRIC_PAUSES_LETTERS,        "basketry_intake_pauses_total",            COUNTER,    "reason",  "letters", 1, "", "") \
    X(BK_METRIC_PAUSED_TIME,           "basketry_intake_paused_seconds_total",    COUNTER_MS, "",        "", 1, \
      "Time for which intake rested.", "Its rate is the share of time lost; at 1 nothing is read.") \
    X(BK_METRIC_REDIS_ANSWERS,         "basketry_redis_answers_total",            COUNTER,    "outcome", BK_OUTCOME_TABLE(BK_METRIC_WORD_4), BK_OUTCOME_COUNT, \
      "A command to Redis came to its end.", "oom, readonly, noauth, wrongtype, refused: act on Redis, the name says where. unknown: connections end.") \
    X(BK_METRIC_REDIS_HELD,            "basketry_redis_held_total",               COUNTER,    "outcome", BK_OUTCOME_TABLE(BK_METRIC_WORD_4), BK_OUTCOME_COUNT, \
      "Redis answered a write, a probe or the greeting with an error class, and was left alone for a while.", "The label says what to mend in Redis; it is tried again by itself.") \
    X(BK_METRIC_REDIS_RECONNECTS,      "basketry_redis_reconnects_total",         COUNTER,    "",        "", 1, \
      "A connection to Redis was made again.", "Often: look at the network, at Redis' timeout and at redis.stall_timeout.") \
    X(BK_METRIC_REDIS_INFLIGHT,        "basketry_redis_inflight",                 GAUGE,      "",        "", 1, \
      "Commands sent and not answered.", "At redis.inflight_max all the time: Redis is the bottleneck.") \
    X(BK_METRIC_REDIS_INFLIGHT_BYTES,  "basketry_redis_inflight_bytes",           GAUGE,      "",        "", 1, \
      "Bytes sent and not answered.", "As above.") \
    X(BK_METRIC_KAFKA_LAG,             "basketry_kafka_lag_records",              GAUGE,      "",        "", 1, \
      "Records between what was read and the end of the assigned partitions.", "Growing: add CPU or partitions; see also basketry_event_to_publish_seconds.") \
    X(BK_METRIC_KAFKA_PARTITIONS,      "basketry_kafka_partitions",               GAUGE,      "",        "", 1, \
      "Partitions of shop.events assigned to this instance.", "0: this instance is a standby, or cannot reach the group.") \
    X(BK_METRIC_KAFKA_ERRORS,          "basketry_kafka_errors_total",             COUNTER,    "",        "", 1, \
      "librdkafka reported an error.", "The log names it.") \
    X(BK_METRIC_CHECKPOINTS,           "basketry_checkpoints_total",              COUNTER,    "",        "", 1, \
      "A generation was committed.", "It rests for longer than checkpoint.interval: see status, and basketry_checkpoint_failures_total.") \
    X(BK_METRIC_CHECKPOINT_FAILURES,   "basketry_checkpoint_failures_total",      COUNTER,    "",        "", 1, \
      "An attempt at a generation was discarded, or a damaged one passed over.", "The log names step and file: a full disk, or copies over checkpoint.copy_bytes_max.") \
    X(BK_METRIC_CHECKPOINT_AGE,        "basketry_checkpoint_age_seconds",         GAUGE_MS,   "",        "", 1, \
      "Time since the newest generation was captured: what a restart reads again.", "Over twice checkpoint.interval while events flow: see status.") \
    X(BK_METRIC_CHECKPOINT_BYTES,      "basketry_checkpoint_bytes",               GAUGE,      "",        "", 1, \
      "Size of the newest generation.", "checkpoint.dir needs room for checkpoint.keep + 1 of them.") \
    X(BK_METRIC_CHECKPOINT_TOOK,       "basketry_checkpoint_duration_seconds",    GAUGE_MS,   "",        "", 1, \
      "From the capture of the newest generation to its commit.", "Nothing; near checkpoint.interval: a slow disk, or letters that are not acknowledged.") \
    X(BK_METRIC_KAFKA_RESTING,         "basketry_kafka_partitions_resting",       GAUGE,      "",        "", 1, \
      "Partitions that are held and not read: their log is shorter than the state, or state.shards_max has no share for them.", "Not 0: `basketry status` names which and why; deploy/README.md says what to do.") \
    X(BK_METRIC_KAFKA_RESETS,          "basketry_kafka_offset_resets_total",      COUNTER,    "",        "", 1, \
      "A partition started again from elsewhere: the offset it wanted was gone.", "Look at basketry_kafka_records_lost_total and at the topic's retention.") \
    X(BK_METRIC_KAFKA_LOST,            "basketry_kafka_records_lost_total",       COUNTER,    "",        "", 1, \
      "A record of shop.events was gone from the log before it was read.", "Above 0: the log names partition and offsets; keep the log longer.") \
    X(BK_METRIC_HEALTH,                "basketry_health",                         GAUGE,      "stage",   "source|sink|outbox|intake|", 4, \
      "0: ok, 1: degraded, 2: down.", "Alert on 2 that lasts a minute: `basketry status` names state and last error.") \
    X(BK_METRIC_CONTROL_REQUESTS,      "basketry_control_requests_total",         COUNTER,    "",        "", 1, \
      "A question came through the control socket.", "Nothing.") \
    X(BK_METRIC_UPTIME,                "basketry_uptime_seconds",                 GAUGE_MS,   "",        "", 1, \
      "Time since the start.", "It falls: the process was started anew.")

/*    slot                             name                                  moves   act */
#define BK_HISTOGRAM_TABLE(X) \
    X(BK_HISTOGRAM_EVENT_TO_PUBLISH,   "basketry_event_to_publish_seconds", \
      "Age of an event when Redis acknowledged the first list that knows it, from the record's Kafka timestamp.", "The promise to the storefront: alert on p99.") \
    X(BK_HISTOGRAM_TURN,               "basketry_turn_seconds", \
      "Length of one turn of the loop.", "Over 0.01: something on the loop takes too long; profile.")
/* clang-format on */

enum bk_metric {
#define X(slot, name, type, label, words, slots, moves, act) slot, slot##_END = slot + (slots)-1,
    BK_METRIC_TABLE(X)
#undef X
        BK_METRIC_COUNT
};

enum bk_histogram_slot {
#define X(slot, name, moves, act) slot,
    BK_HISTOGRAM_TABLE(X)
#undef X
        BK_HISTOGRAM_COUNT
};

/* ---- histograms ---- */

/* Log-linear: each power of two of microseconds is cut into 16 equal buckets, so a bucket is at
 * most 1/16 wide of its value; below 16 us each microsecond has its own. A bucket holds (low,
 * high]: powers of two are exact bounds, and they are what Prometheus gets as `le`. What is longer
 * than 2^36 us (19 hours) falls into the last. 532 counters, 4 kB. */
enum {
    BK_HISTOGRAM_SUB_BITS = 4,
    BK_HISTOGRAM_TOP_BITS = 36,
    BK_HISTOGRAM_BUCKETS =
        ((BK_HISTOGRAM_TOP_BITS - BK_HISTOGRAM_SUB_BITS + 1) << BK_HISTOGRAM_SUB_BITS) + 1,
};

struct bk_histogram {
    uint64_t count;
    uint64_t sum_us;
    uint64_t max_us;
    uint64_t bucket[BK_HISTOGRAM_BUCKETS];
};

/** The bucket of a duration; negative durations (clocks of two machines) count as 0. */
static inline uint32_t bk_histogram_bucket(int64_t us)
{
    if (us <= 1) return 0;
    uint64_t below = (uint64_t)us - 1;
    if (below >> BK_HISTOGRAM_TOP_BITS) return BK_HISTOGRAM_BUCKETS - 1;
    if (below >> BK_HISTOGRAM_SUB_BITS == 0) return (uint32_t)below;
    uint32_t shift = 63u - (uint32_t)__builtin_clzll(below) - BK_HISTOGRAM_SUB_BITS;
    return ((shift + 1) << BK_HISTOGRAM_SUB_BITS) + (uint32_t)(below >> shift) -
           (1u << BK_HISTOGRAM_SUB_BITS);
}

/** Count one duration. */
static inline void bk_histogram_add(struct bk_histogram *histogram, int64_t us)
{
    uint64_t value = us > 0 ? (uint64_t)us : 0;
    histogram->count++;
    histogram->sum_us += value;
    histogram->max_us = bk_max_u64(histogram->max_us, value);
    histogram->bucket[bk_histogram_bucket(us)]++;
}

/** The largest duration of a bucket, in microseconds; UINT64_MAX for the last. */
uint64_t bk_histogram_bucket_high(uint32_t bucket);
/** The duration that the share `q` (0.5, 0.99, 0.999) of all does not exceed: the high end of its
 * bucket, at most 1/16 too long and never longer than the longest counted. 0 when empty. */
uint64_t bk_histogram_quantile_us(const struct bk_histogram *histogram, double q);

/* ---- the counters ---- */

struct bk_metrics {
    uint64_t v[BK_METRIC_COUNT];
    struct bk_histogram histogram[BK_HISTOGRAM_COUNT];
};

static inline void bk_metrics_add(struct bk_metrics *metrics, uint32_t slot, uint64_t n)
{
    metrics->v[slot] += n;
}

/** For gauges, and for counters that somebody else counts. */
static inline void bk_metrics_set(struct bk_metrics *metrics, uint32_t slot, uint64_t value)
{
    metrics->v[slot] = value;
}

/** Append the Prometheus text format 0.0.4. */
void bk_metrics_prometheus(const struct bk_metrics *metrics, struct bk_buf *out);
/** Append one JSON object: a number a family, an object by label word where it has a label;
 * histograms as {count, sum, max, p50, p99, p999} in seconds. */
void bk_metrics_json(const struct bk_metrics *metrics, struct bk_buf *out);
/** The reference as Markdown. src/serve/METRICS.md is exactly this. */
void bk_metrics_reference(struct bk_buf *out);

#ifdef __cplusplus
}
#endif
#endif
