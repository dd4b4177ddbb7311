/* archive.h -- the shop's own memory of its log: Kafka keeps weeks, the archive keeps years.
 *
 * A folder of log files, `<dir>/<role>/<partition>/<YYYY-MM-DD>.<first offset>.bkz` (role: events,
 * products, stock, customers) beside a file `LOG` that names the Kafka cluster and its topics. The
 * bytes are specified in src/source/log_block.c, the folder in src/source/archive.c. One process
 * writes it; anyone may read it meanwhile.
 */
#ifndef BASKETRY_ARCHIVE_H
#define BASKETRY_ARCHIVE_H

#include "basketry/source.h"

#include <signal.h>

#ifdef __cplusplus
extern "C" {
#endif

/** "events", "products", "stock", "customers". */
const char *bk_topic_role(enum bk_topic topic);

/* ---- reading a log: an archive's folder, or a file that import wrote ---- */

struct bk_log_reader; /* one thread; memory: a block (1 MiB) per partition */

struct bk_log_part {
    enum bk_topic topic;
    int32_t partition;
    int64_t from;               /* the first offset that the log covers */
    int64_t next;               /* so far: the offset behind what was read or passed over */
    bool covered;               /* does the log cover any offset of it? */
    uint64_t gaps, gap_records; /* so far: stretches that Kafka had dropped before they were read */
    uint64_t files, blocks;     /* so far: opened, unpacked */
    uint64_t packed_bytes;      /* of these blocks */
};

/** Open what `path` names. NULL after `reason`: it does not exist, is no log, or its first bytes
 *  are damaged. */
struct bk_log_reader *bk_log_reader_open(const char *path, struct bk_reason *reason);
void bk_log_reader_close(struct bk_log_reader **reader);
/** The partitions: facts first, then events, by number; partitions without a record included. */
size_t bk_log_reader_parts(const struct bk_log_reader *reader);
const struct bk_log_part *bk_log_reader_part(const struct bk_log_reader *reader, size_t part);

struct bk_log_range {
    unsigned topics;             /* bits 1 << enum bk_topic; 0: all */
    bk_wall_ms_t from_ms, to_ms; /* from <= timestamp < to; 0: no bound */
    /* Not "": only records in whose block these bytes occur are needed; other blocks may be passed
     * over. Borrowed until the next bk_log_reader_begin. */
    bk_str_t needle;
};
/** Stand before the first record of a range; may be called again. 0 or a code with `reason`. */
BK_MUST_CHECK int bk_log_reader_begin(struct bk_log_reader *reader,
                                      const struct bk_log_range *range, struct bk_reason *reason);
/** After begin and before the first next: pass over a partition's offsets below `offset`.
 *  BK_ENOENT when the log begins behind it: those records are not in the log (any more). */
BK_MUST_CHECK int bk_log_reader_skip(struct bk_log_reader *reader, size_t part, int64_t offset,
                                     struct bk_reason *reason);
/** The next record: partitions interleaved by timestamp, the order inside each kept; borrowed until
 *  the next call. 1, 0 at the end, or BK_ECORRUPT, BK_EIO, BK_ENOMEM with file and byte in
 *  `reason`: everything before the damage was delivered, and nothing after it will be. */
BK_MUST_CHECK int bk_log_reader_next(struct bk_log_reader *reader, struct bk_record *record,
                                     struct bk_reason *reason);

/* ---- writing an archive ---- */

struct bk_archive; /* one thread; one process a folder, by a lock */

struct bk_archive_counts {
    uint64_t records, bytes_packed, bytes_plain; /* written since opened */
    uint64_t files_sealed, files_expired;
    uint64_t torn_bytes; /* cut off at opening: the write that a crash cut short */
    uint64_t gaps, gap_records;
};

/** Open the folder, made when it is not there, and lock it. NULL after `reason`; `*code` is
 *  BK_EAGAIN when another process holds the lock. */
struct bk_archive *bk_archive_open(const char *dir, int *code, struct bk_reason *reason);
/** Write what is in memory, sync, unlock. 0 or BK_EIO with `reason`. */
int bk_archive_close(struct bk_archive **archive, struct bk_reason *reason);
/** Bind the archive to a cluster and a topic: remembered the first time; BK_EINVAL with `reason`
 *  when the archive was read from another one. */
BK_MUST_CHECK int bk_archive_bind(struct bk_archive *archive, const char *cluster,
                                  enum bk_topic topic, const char *topic_name,
                                  struct bk_reason *reason);
/** Open a partition: its newest file is checked, and cut back where a crash tore it. `*next`: the
 *  offset to go on from; -1: it holds none yet. 0 or a code with `reason` (BK_ECORRUPT names file
 *  and byte: nothing is cut that whole blocks follow). */
BK_MUST_CHECK int bk_archive_part(struct bk_archive *archive, enum bk_topic topic,
                                  int32_t partition, int64_t *next, struct bk_reason *reason);
/** The last record that an open partition held when it was opened, and its bk_record_mark: the log
 *  that is read must hold it, too. False: it held none, or the last ones were erased or cannot be read. */
bool bk_archive_last(const struct bk_archive *archive, enum bk_topic topic, int32_t partition,
                     int64_t *offset, uint64_t *mark);
/** How many partitions of a topic the folder has; 0: none was ever opened. */
int32_t bk_archive_partitions(const struct bk_archive *archive, enum bk_topic topic);
/** Append a record of an open partition; its offset must not lie below the partition's next.
 *  `headers` as bk_archive_put_header made them. It is kept in memory until its block is full, or
 *  bk_archive_flush; then written and synced. The day a record is filed under is its timestamp's
 *  in UTC, never earlier than the one before it, nor later than tomorrow by `now_ms`. 0, BK_EIO or
 *  BK_ELIMIT with `reason`: after an error the archive only closes. */
BK_MUST_CHECK int bk_archive_append(struct bk_archive *archive, const struct bk_record *record,
                                    bk_str_t headers, bk_wall_ms_t now_ms,
                                    struct bk_reason *reason);
struct bk_buf;
void bk_archive_put_header(struct bk_buf *headers, bk_str_t name, bk_str_t value);
/** The offsets from the partition's next up to `to` are lost: mark it in the log. */
BK_MUST_CHECK int bk_archive_mark_gap(struct bk_archive *archive, enum bk_topic topic,
                                      int32_t partition, int64_t to, struct bk_reason *reason);
/** Write and sync the blocks whose first record was appended at `before_ms` or earlier, by the
 *  `now_ms` that append was told; INT64_MAX: all. */
BK_MUST_CHECK int bk_archive_flush(struct bk_archive *archive, bk_wall_ms_t before_ms,
                                   struct bk_reason *reason);
/** Remove the sealed files of days before `first_day_ms`'s day. The newest file of a partition
 *  stays. */
BK_MUST_CHECK int bk_archive_expire(struct bk_archive *archive, bk_wall_ms_t first_day_ms,
                                    struct bk_reason *reason);
const struct bk_archive_counts *bk_archive_counts(const struct bk_archive *archive);

/** Before any partition is open: rewrite every file that holds a record for which `is_erased` says yes, without these records:
 *  block by block into a file beside it, synced, then put in its place by a rename. A crash leaves
 *  each file as it was or as it shall be; erase again. 0 or a code with `reason`. */
BK_MUST_CHECK int bk_archive_erase(struct bk_archive *archive,
                                   bool (*is_erased)(void *arg, const struct bk_record *record),
                                   void *arg, uint64_t *records, uint64_t *files,
                                   struct bk_reason *reason);

/* ---- from Kafka into an archive ---- */

struct bk_archiver_options {
    const struct bk_kafka_options *kafka; /* topics[i] NULL: not kept */
    bool until_end;                       /* stop at the ends the partitions had at start */
    bool accept_gaps;  /* records that Kafka dropped before we read them: mark, count, go on */
    int64_t flush_ms;  /* a record waits at most so long in memory; Kafka has it meanwhile */
    int64_t keep_days; /* 0: for ever */
    const volatile sig_atomic_t *stop; /* set by a signal's handler */
};
/** Copy the log into the archive until told to stop. Blocks; no member of a group; starts where the
 *  archive ends, and reads partitions that a topic gets meanwhile as well. 0, or a code with
 *  `reason`: BK_EUNAVAILABLE when Kafka or a topic is not there, BK_ENOENT for a gap that was not
 *  accepted, BK_EINVAL for another log (its cluster, a shorter one, another record where the
 *  archive's last one stood), and the archive's own. */
int bk_archiver_run(struct bk_archive *archive, const struct bk_archiver_options *options,
                    struct bk_reason *reason);

#ifdef __cplusplus
}
#endif
#endif
