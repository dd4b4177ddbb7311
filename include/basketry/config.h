/* config.h -- what can be set, as one table.
 *
 * The table feeds the struct below, parsing, environment overrides (BASKETRY_<SECTION>__<KEY>), -X
 * section.key=value,
 * --help, check-config, reload and src/config/CONFIGURATION.md (generated; the tests fail on
 * drift). Add a row, use the field.
 */
#ifndef BASKETRY_CONFIG_H
#define BASKETRY_CONFIG_H

#include "basketry/base.h"
#include "basketry/buf.h"
#include "basketry/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Types: STRING text of at most 255 bytes, not empty where min is "1"; COUNT a number (k, m suffix
 * = 1000, 10^6); BYTES (k, m, g, t = 1024^n); DURATION (ms, s, m, h, d), kept in milliseconds; REAL
 * a decimal number; BOOL (true, yes, on, 1 and their opposites); CHOICE one of the words in `max`,
 * kept as its index. Reload: RELOAD takes effect on SIGHUP, RESTART does not (and says so). Rules
 * that a minimum and a maximum cannot say (a power of two, a URL's form) stand in
 * src/config/table.c, by the key's name.                        */
/* clang-format off */
/*    field                        name                          type      default              min    max     reload   help
 */
#define BK_CONFIG_TABLE(X) \
    X(kafka_brokers,               "kafka.brokers",              STRING,   "127.0.0.1:9092",    "1",   "",     RESTART, "Bootstrap brokers, host:port separated by commas.") \
    X(kafka_group,                 "kafka.group",                STRING,   "basketry",          "1",   "",     RESTART, "Consumer group id.") \
    X(kafka_share,                 "kafka.share",                BOOL,     "false",             "",    "",     RESTART, "Share the group's partitions with its other members, each knowing its own part only; else whoever finds a member waits as a standby.") \
    X(kafka_topic_events,          "kafka.topic_events",         STRING,   "shop.events",       "1",   "",     RESTART, "Topic of behaviour events; created with LogAppendTime.") \
    X(kafka_topic_products,        "kafka.topic_products",       STRING,   "shop.products",     "",    "",     RESTART, "Compacted topic of products; empty: not read.") \
    X(kafka_topic_stock,           "kafka.topic_stock",          STRING,   "shop.stock",        "",    "",     RESTART, "Compacted topic of stock; empty: not read.") \
    X(kafka_topic_customers,       "kafka.topic_customers",      STRING,   "shop.customers",    "",    "",     RESTART, "Compacted topic of customers; empty: not read.") \
    X(kafka_topic_dlq,             "kafka.topic_dlq",            STRING,   "basketry.dlq",      "",    "",     RESTART, "Topic of dead letters, records that cannot be used; empty: they are counted and dropped.") \
    X(kafka_outbox_records_max,    "kafka.outbox_records_max",   COUNT,    "10k",               "1",   "1m",   RESTART, "Dead letters and merges not acknowledged before intake rests.") \
    X(kafka_outbox_bytes_max,      "kafka.outbox_bytes_max",     BYTES,    "64m",               "1m",  "4g",   RESTART, "Memory of these before intake rests.") \
    X(kafka_queued_bytes_max,      "kafka.queued_bytes_max",     BYTES,    "16m",               "1m",  "1g",   RESTART, "Records fetched ahead of the loop.") \
    X(checkpoint_dir,              "checkpoint.dir",             STRING,   "",                  "",    "",     RESTART, "Folder of the checkpoints; empty: none, and every start reads the log from its beginning.") \
    X(checkpoint_interval,         "checkpoint.interval",        DURATION, "5m",                "1s",  "24h",  RESTART, "A generation is written this long after the last one began, if anything happened.") \
    X(checkpoint_records_max,      "checkpoint.records_max",     COUNT,    "5m",                "1",   "10000m", RESTART, "And after this many records: what a restart reads again.") \
    X(checkpoint_copy_bytes_max,   "checkpoint.copy_bytes_max",  BYTES,    "64m",               "1m",  "16g",  RESTART, "Pages kept aside because they changed while a generation was written; intake rests near it.") \
    X(checkpoint_keep,             "checkpoint.keep",            COUNT,    "2",                 "1",   "64",   RESTART, "Generations that are kept; a damaged newest one is passed over.") \
    X(decode_bytes_max,            "decode.bytes_max",           BYTES,    "1m",                "1k",  "64m",  RESTART, "Longest record that is decoded; longer ones are counted as too_large.") \
    X(decode_schemas_dir,          "decode.schemas_dir",         STRING,   "",                  "",    "",     RESTART, "Folder with further writer schemas and their ids.tsv; empty: the built-in ones alone.") \
    X(rank_weights,                "rank.weights",               STRING,   "",                  "",    "",     RESTART, "Changes to the built-in weights: situation.scorer=weight, separated by commas.") \
    X(redis_url,                   "redis.url",                  STRING,   "redis://127.0.0.1:6379", "1", "",   RESTART, "redis://[user:password@]host[:port][/db] or unix:///path.") \
    X(redis_password_file,         "redis.password_file",        STRING,   "",                  "",    "",     RESTART, "File whose first line is the password; stands before the URL's.") \
    X(redis_inflight_max,          "redis.inflight_max",         COUNT,    "1000",              "1",   "64k",  RESTART, "Unanswered commands before intake rests.") \
    X(redis_inflight_bytes_max,    "redis.inflight_bytes_max",   BYTES,    "4m",                "64k", "256m", RESTART, "Unanswered bytes before intake rests.") \
    X(redis_connect_timeout,       "redis.connect_timeout",      DURATION, "2s",                "100ms", "1m", RESTART, "Deadline of one attempt to connect.") \
    X(redis_stall_timeout,         "redis.stall_timeout",        DURATION, "5s",                "100ms", "10m", RESTART, "The oldest command unanswered for this long ends the connection.") \
    X(redis_backoff_max,           "redis.backoff_max",          DURATION, "5s",                "100ms", "5m", RESTART, "Longest wait between attempts to connect; jitter is added.") \
    X(redis_key_prefix,            "redis.key_prefix",           STRING,   "bk:v1",             "1",   "",     RESTART, "What every key starts with.") \
    X(state_bytes_max,             "state.bytes_max",            BYTES,    "4g",                "16m", "1t",   RESTART, "Memory of all state together; beyond it the coldest is evicted and counted.") \
    X(state_shards_max,            "state.shards_max",           COUNT,    "16",                "1",   "1024", RESTART, "Partitions that the subjects' half of state.bytes_max is divided among.") \
    X(state_items_max,             "state.items_max",            COUNT,    "1m",                "16",  "64m",  RESTART, "Distinct items; later ones are counted and not remembered.") \
    X(state_dedup_events,          "state.dedup_events",         COUNT,    "1048576",           "1024", "64m", RESTART, "Event ids remembered per partition; a power of two.") \
    X(state_pair_partners_max,     "state.pair_partners_max",    COUNT,    "384",               "16",  "64k",  RESTART, "Partners kept per item and kind of pair; the weakest quarter makes room.") \
    X(state_receipt_lines_max,     "state.receipt_lines_max",    COUNT,    "64",                "2",   "2000", RESTART, "Distinct lines of a receipt that make pairs.") \
    X(state_postings_max,          "state.postings_max",         COUNT,    "200",               "0",   "5000", RESTART, "Most recent sessions posted per item.") \
    X(state_pair_epoch,            "state.pair_epoch",           DURATION, "7d",                "1h",  "365d", RESTART, "Length of an epoch of pair counts.") \
    X(state_popularity_epoch,      "state.popularity_epoch",     DURATION, "1d",                "1m",  "30d",  RESTART, "Length of an epoch of item counts; 16 are kept.") \
    X(session_gap,                 "session.gap",                DURATION, "30m",               "1m",  "24h",  RESTART, "A session ends after this long without an event of its shopper.") \
    X(session_events_max,          "session.events_max",         COUNT,    "200",               "10",  "10000", RESTART, "A session contributes nothing shared beyond this many events.") \
    X(cart_lines_max,              "cart.lines_max",             COUNT,    "500",               "10",  "2000", RESTART, "Lines of a cart; further additions are counted and left out.") \
    X(history_items_max,           "history.items_max",          COUNT,    "1024",              "16",  "10000", RESTART, "Distinct items of a customer's purchase history; the weakest makes room.") \
    X(segments_max,                "segments.max",               COUNT,    "64",                "0",   "255", RESTART, "Stores and devices whose shoppers have a popular list of their own; 0: none.") \
    X(consent_default,             "consent.default",            CHOICE,   "session",           "",    "none|session|personal", RESTART, "What an event of unknown consent allows.") \
    X(identity_merge,              "identity.merge",             BOOL,     "true",              "",    "",     RESTART, "Write a visitor's cart and session to shop.events when the visitor logs in, keyed by the customer.") \
    X(time_ahead_max,              "time.ahead_max",             DURATION, "5m",                "0s",  "24h",  RESTART, "How far an event's time may lie ahead of the broker's; beyond it is cut and counted.") \
    X(lists_size,                  "lists.size",                 COUNT,    "20",                "1",   "20",   RESTART, "Items of a list.") \
    X(lists_refresh,               "lists.refresh",              DURATION, "1h",                "1s",  "24h",  RELOAD,  "A live list is ranked anew at least this often; its expires_at.") \
    X(lists_email_interval,        "lists.email_interval",       DURATION, "24h",               "1s",  "30d",  RELOAD,  "How often the e-mail list is ranked.") \
    X(lists_item_interval,         "lists.item_interval",        DURATION, "1s",                "0s",  "1h",   RELOAD,  "An item's own lists are written at most once in this time.") \
    X(lists_waiting_max,           "lists.waiting_max",          COUNT,    "65536",              "16",  "1m",   RESTART, "Shoppers whose lists may wait for Redis, to be written or to be erased, before intake rests.") \
    X(lists_updates_channel,       "lists.updates_channel",      BOOL,     "false",             "",    "",     RESTART, "Announce refreshed keys on the channel <prefix>:updates.") \
    X(privacy_distinct_min,        "privacy.distinct_min",       COUNT,    "1",                 "1",   "16",   RESTART, "Distinct shoppers behind a pair before it may show on an item's public list.") \
    X(archive_dir,                 "archive.dir",                STRING,   "",                  "",    "",     RESTART, "Folder of the archive of the log; --dir stands before it.") \
    X(archive_flush_interval,      "archive.flush_interval",     DURATION, "1m",                "100ms", "1h", RESTART, "Longest wait of an archived record in memory (Kafka has it meanwhile) before its block is written and synced.") \
    X(archive_keep_days,           "archive.keep_days",          COUNT,    "0",                 "0",   "36500", RESTART, "Days the archive keeps; 0: for ever.") \
    X(control_socket,              "control.socket",             STRING,   "/tmp/basketry.sock", "1",  "",     RESTART, "Unix socket of top, inspect, status and verify.") \
    X(log_level,                   "log.level",                  CHOICE,   "info",              "",    "debug|info|warn|error|off", RELOAD, "Lines below this level are not written.")
/* clang-format on */

enum bk_config_type {
    BK_CONFIG_STRING,
    BK_CONFIG_COUNT,
    BK_CONFIG_BYTES,
    BK_CONFIG_DURATION,
    BK_CONFIG_REAL,
    BK_CONFIG_BOOL,
    BK_CONFIG_CHOICE
};

#define BK_CONFIG_FIELD_STRING(field)   char field[256];
#define BK_CONFIG_FIELD_COUNT(field)    int64_t field;
#define BK_CONFIG_FIELD_BYTES(field)    int64_t field;
#define BK_CONFIG_FIELD_DURATION(field) int64_t field;
#define BK_CONFIG_FIELD_REAL(field)     double field;
#define BK_CONFIG_FIELD_BOOL(field)                                                                \
    int64_t field; /* as wide as every number: they are stored alike */
#define BK_CONFIG_FIELD_CHOICE(field) int64_t field;

enum { BK_CONFIG_PROPERTIES_MAX = 128 };

struct bk_config {
#define X(field, name, type, def, min, max, reload, help) BK_CONFIG_FIELD_##type(field)
    BK_CONFIG_TABLE(X)
#undef X
    /* [kafka.consumer], [kafka.producer] and dotted keys of [kafka]: name, value, ..., NULL. Owned
     * by the config. */
    const char *consumer_properties[2 * BK_CONFIG_PROPERTIES_MAX + 1];
    const char *producer_properties[2 * BK_CONFIG_PROPERTIES_MAX + 1];
};

/** A configuration of defaults; NULL when out of memory. */
struct bk_config *bk_config_create(void);
/** Secrets are overwritten before they are freed; sets *cfg to NULL. */
void bk_config_destroy(struct bk_config **cfg);

/** Read an INI file over what is there. 0, BK_EIO, BK_ENOENT, or BK_EINVAL with a reason that names
 * file, line, section and key, and the nearest known key where one is misspelt. Properties that
 * would break a promise (enable.auto.commit, auto.offset.reset, ...) are refused by name. The later
 * line stands. After an error the configuration holds some of the file: destroy it. Errors never
 * repeat a secret. */
BK_MUST_CHECK int bk_config_read(struct bk_config *cfg, const char *path, struct bk_reason *reason);
/** The same from memory; `name` stands for the file in messages. */
BK_MUST_CHECK int bk_config_read_text(struct bk_config *cfg, const char *name, bk_str_t text,
                                      struct bk_reason *reason);
/** Apply BASKETRY_<SECTION>__<KEY> of the environment (and nothing else of it). librdkafka's
 * properties take `_` for `.`: BASKETRY_KAFKA__SECURITY_PROTOCOL,
 * BASKETRY_KAFKA_CONSUMER__FETCH_MIN_BYTES. */
BK_MUST_CHECK int bk_config_read_environment(struct bk_config *cfg, struct bk_reason *reason);
/** Apply one "section.key=value" (the argument of -X). */
BK_MUST_CHECK int bk_config_set(struct bk_config *cfg, const char *assignment,
                                struct bk_reason *reason);
/** Do the values, each of them allowed, go together? After all was read. 0, or BK_EINVAL with a reason
 *  that names the keys: two topics of one name. */
BK_MUST_CHECK int bk_config_check(const struct bk_config *cfg, struct bk_reason *reason);
/** Copy the keys marked RELOAD from `fresh`; append the names of RESTART keys that differ to
 * `waiting` (one a line), which change nothing before the next start. Returns how many took effect.
 * Properties of librdkafka count as one RESTART key each list. */
int bk_config_reload(struct bk_config *cfg, const struct bk_config *fresh, struct bk_buf *waiting);

/** Read a secret's file: its first line without the line end, into `out` (NUL-terminated). 0 or a
 * code with a reason that names the path. */
BK_MUST_CHECK int bk_config_secret(const char *path, char *out, size_t cap,
                                   struct bk_reason *reason);
/** Append `url` with what stands before its `@` replaced by BK_CONFIG_MASK: how every log line and
 * answer shows a URL. */
void bk_config_mask_url(struct bk_buf *out, const char *url);
/** What stands for a secret; reading it back is refused by name, so a dump's mask never becomes a
 * password. */
#define BK_CONFIG_MASK "********"

/** The configuration as an INI file with every value spelt out; secrets are masked. Read again it
 * gives the same configuration (secrets apart, which must be put back first: reading the mask is an
 * error). */
void bk_config_dump(const struct bk_config *cfg, struct bk_buf *out);
/** The reference as Markdown: one row a key. src/config/CONFIGURATION.md is exactly this. */
void bk_config_reference(struct bk_buf *out);
/** A 64-bit digest of everything that shapes state (state.*, session.*, cart.*, history.*,
 * consent.*, time.*), so that a checkpoint can refuse another shape. Equal values give equal
 * digests however they were spelt. */
uint64_t bk_config_digest(const struct bk_config *cfg);

#ifdef __cplusplus
}
#endif
#endif
