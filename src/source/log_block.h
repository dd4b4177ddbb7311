/* log_block.h -- the bytes of log files, shared by their writers and readers; private to
 * src/source. log_block.c specifies the format. */
#ifndef BASKETRY_SOURCE_LOG_BLOCK_H
#define BASKETRY_SOURCE_LOG_BLOCK_H

#include "basketry/buf.h"
#include "basketry/source.h"

enum {
    LOG_VERSION = 2,
    LOG_HEAD_BYTES = 72,
    LOG_TAIL_BYTES = 24,
    LOG_BLOCK_BYTES = 1 << 20,        /* a block is closed when it holds this much      */
    LOG_PAYLOAD_BYTES_MAX = 64 << 20, /* key, value and headers of one record           */
    LOG_PLAIN_BYTES_MAX = 66 << 20,   /* of one block: one record of the largest and more */
    LOG_BLOCKS_MAX = 16 << 20,        /* of one file                                    */
    LOG_PARTITIONS_MAX = 65536,
    LOG_BLOCK_GAP = 1, /* flag: the offsets before `from` are not in the log and never will be */
};

enum log_kind { LOG_KIND_WHOLE = 1, LOG_KIND_DAY = 2 };

struct log_file_head {
    uint32_t skip, skip_bytes;
    char magic[8];
    uint32_t version, kind;
    int32_t partitions, topic, partition, day;
    int64_t from;
    uint32_t zero[5];
    uint32_t check;
};
_Static_assert(sizeof(struct log_file_head) == LOG_HEAD_BYTES, "a head is 72 bytes");

struct log_block_head {
    uint32_t skip, skip_bytes;
    char tag[4];
    uint8_t topic, flags;
    uint16_t zero;
    int32_t partition;
    uint32_t records, packed_bytes, plain_bytes;
    int64_t from, to;
    int64_t min_ms, max_ms;
    uint32_t packed_check;
    uint32_t check;
};
_Static_assert(sizeof(struct log_block_head) == LOG_HEAD_BYTES, "a head is 72 bytes");
_Static_assert(BK_TOPIC_COUNT == 4, "a new topic is a new version of the format");

/* ---- writing ---- */

/** A block that is being filled. {0} is ready for bk__log_block_begin. */
struct log_block {
    struct log_block_head head;
    struct bk_buf plain;
    int64_t next, last_ms; /* what the next record's numbers are relative to */
};

/** Make a file's head with its check; `day` counts from 1970-01-01 in UTC. */
struct log_file_head bk__log_file_head(enum log_kind kind, int32_t partitions, enum bk_topic topic,
                                       int32_t partition, int32_t day, int64_t from);
/** Empty the block; its first offset is at least `from`, and everything up to there is covered. */
void bk__log_block_begin(struct log_block *block, enum bk_topic topic, int32_t partition,
                         int64_t from, uint8_t flags);
/** Add a record (offset >= the block's `to`). `headers` is what bk__log_put_header made, or empty.
 *  0, BK_ENOMEM or BK_ELIMIT. */
BK_MUST_CHECK int bk__log_block_add(struct log_block *block, const struct bk_record *record,
                                    bk_str_t headers);
/** Append one header to an encoded list of headers; `value.p` NULL: a null value. */
void bk__log_put_header(struct bk_buf *headers, bk_str_t name, bk_str_t value);
/** Append the closed block, head and frame, to `out`. 0 or BK_ENOMEM. */
struct ZSTD_CCtx_s;
BK_MUST_CHECK int bk__log_block_pack(struct log_block *block, struct ZSTD_CCtx_s *zstd,
                                     struct bk_buf *out);
void bk__log_block_deinit(struct log_block *block);
/** Append the seal of a file whose blocks are these, and whose seal will lie at byte `at`. */
void bk__log_put_seal(struct bk_buf *out, const struct log_block_head *blocks, size_t count,
                      uint64_t at);

/* ---- reading ---- */

/** What is wrong with these 72 bytes as a file's head or a block's head; NULL: nothing. */
const char *bk__log_file_head_fault(const struct log_file_head *head);
const char *bk__log_block_head_fault(const struct log_block_head *head);

/** Do a file's last 24 bytes say that it is sealed? Then where, and how many blocks. */
bool bk__log_is_sealed(const char tail[LOG_TAIL_BYTES], uint64_t file_bytes, uint64_t *at,
                       size_t *count);
/** Take the heads of `count` blocks out of a seal (8 + 64 * count + 24 bytes). NULL, or what is
 *  wrong. */
const char *bk__log_take_seal(const char *seal, size_t count, struct log_block_head *blocks);

/** One file as its index tells it. */
struct log_file {
    char *path; /* owned */
    struct log_file_head head;
    struct log_block_head *blocks; /* owned */
    uint64_t *at;                  /* owned: where each block's head lies */
    size_t count;
    uint64_t bytes; /* of the file                                                            */
    uint64_t good;  /* up to here everything is whole (seal included, when sealed)            */
    bool sealed;
    const char *fault; /* what is wrong at byte `good`; NULL: the file ends there             */
    bool damaged;      /* whole blocks follow the fault (or the head), or were lost: not torn     */
};

/** Read a file's head and index; without a seal, walk its blocks (the last one's check included).
 *  `path` is copied. 0; BK_ENOENT, BK_EIO, BK_ENOMEM; BK_ECORRUPT or BK_EUNSUPPORTED when the head
 *  is not ours, with file and byte in `reason`. Free with bk__log_file_deinit in any case. */
BK_MUST_CHECK int bk__log_file_load(struct log_file *file, const char *path,
                                    struct bk_reason *reason);
void bk__log_file_deinit(struct log_file *file);
/** A block was written at `good`: add it to the index. false: out of memory. */
BK_MUST_CHECK bool bk__log_file_add(struct log_file *file, const struct log_block_head *head);

/** The records of one block, in place. */
struct log_cursor {
    const char *p, *end;
    uint32_t left; /* records */
    enum bk_topic topic;
    int32_t partition;
    int64_t next, last_ms, to;
};
/** Read block `i`'s frame into `packed` and check it. 0, or BK_EIO, BK_ENOMEM, BK_ECORRUPT with file
 *  and byte in `reason`. */
BK_MUST_CHECK int bk__log_block_check(const struct log_file *file, size_t i, struct bk_buf *packed,
                                      struct bk_reason *reason);
/** Unpack block `i` of the file into `plain` (reset first; `packed` is scratch) and stand before its
 *  first record. 0, or BK_EIO, BK_ENOMEM, BK_ECORRUPT with file and byte in `reason`. */
struct ZSTD_DCtx_s;
BK_MUST_CHECK int bk__log_block_open(const struct log_file *file, size_t i,
                                     struct ZSTD_DCtx_s *zstd, struct bk_buf *packed,
                                     struct bk_buf *plain, struct log_cursor *cursor,
                                     struct bk_reason *reason);
/** The next record, borrowed from `plain`, and its encoded headers. 1, 0 at the block's end,
 *  BK_ECORRUPT when the bytes are no records. */
BK_MUST_CHECK int bk__log_cursor_next(struct log_cursor *cursor, struct bk_record *record,
                                      bk_str_t *headers);
/** `file: what at byte N`, as BK_ECORRUPT. */
int bk__log_fault(struct bk_reason *reason, const char *path, const char *what, uint64_t at);

/** write(2) all of it. 0 or BK_EIO with errno. */
BK_MUST_CHECK int bk__log_write_all(int fd, const void *bytes, size_t len);

#endif
