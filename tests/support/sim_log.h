/* sim_log.h -- a log in memory, as Kafka would hold it: partitions of encoded records, some of them
 * poison. */
#ifndef BASKETRY_TESTS_SIM_LOG_H
#define BASKETRY_TESTS_SIM_LOG_H

#include "basketry/source.h"
#include "support/events.h"

enum { SIM_PARTITIONS_MAX = 8, SIM_RECORD_BYTES_MAX = 65536 };

struct sim_record {
    int64_t offset;
    bk_wall_ms_t timestamp_ms;
    uint32_t key_len, value_len;
    char *bytes; /* key, then value */
    bool poison;
};

struct sim_partition {
    struct sim_record *record;
    uint32_t count, cap;
    int64_t next_offset;
};

struct sim_log {
    int32_t partitions;
    struct sim_partition events[SIM_PARTITIONS_MAX];
    struct sim_partition products;
};

/** Append an event of shop.events under its subject's key; what its schema asks for and the builder
 *  left out is filled in. `gap` offsets are left out before it, as compaction and transactions
 *  leave them. */
void sim_log_tell(struct sim_log *log, const struct told *told, int32_t partition, uint32_t gap);
/** Append a record of shop.events as it is. */
void sim_log_append(struct sim_log *log, int32_t partition, bk_wall_ms_t timestamp_ms, bk_str_t key,
                    bk_str_t value);
/** Append a product's facts. */
void sim_log_product(struct sim_log *log, const char *item, const char *name);
/** Append bytes that are not an event: noise, a damaged copy of the partition's last record, or a
 *  null value. */
void sim_log_poison(struct sim_log *log, int32_t partition, struct chance *chance);
/** `count` random events by `shape` (its partitions are the log's), facts of half the items, poison
 *  once in `poison_one_in`. */
void sim_log_fill(struct sim_log *log, struct chance *chance, const struct told_shape *shape,
                  uint32_t count, uint32_t poison_one_in);
uint64_t sim_log_records(const struct sim_log *log, bool poison);
void sim_log_free(struct sim_log *log);
/** The record as a source hands it over. */
struct bk_record sim_log_record(enum bk_topic topic, int32_t partition,
                                const struct sim_record *record);

#endif
