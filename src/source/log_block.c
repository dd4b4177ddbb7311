/* log_block.c -- the format of log files: what import writes, the archive keeps, and replays read.
 *
 * THE IDEA
 *   A log file is a row of blocks of about 1 MiB. A block is one partition's records of one stretch
 *   of offsets, packed by zstd; its head says which offsets and times lie in it, so a reader skips
 *   it without unpacking. When a file is complete, the heads of its blocks are written once more at
 *   its end: the seal, which is its index too. Heads and seal are zstd's skippable frames: `zstd -t`
 *   checks a log file, and `zstd -dc` gives its records.
 *
 * FORMAT 2, little-endian
 *   file head, 72 bytes
 *      0   4  0x184D2A5B, a skippable frame
 *      4   4  64, its bytes
 *      8   8  magic "BKLOG\r\n\0" (a text-mode copy breaks it, and is noticed)
 *     16   4  version, 2
 *     20   4  kind: 1 a whole log (import), 2 one partition's day (archive)
 *     24   4  kind 1: partitions of shop.events (the fact topics have one each), else 0
 *     28   4  kind 2: topic (0 events, 1 products, 2 stock, 3 customers), else 0
 *     32   4  kind 2: partition, else 0
 *     36   4  kind 2: day, counted from 1970-01-01 in UTC, else 0
 *     40   8  kind 2: the offset from which the file covers its partition, else 0
 *     48  20  0
 *     68   4  CRC-32C of bytes 0..67
 *   block head, 72 bytes, then `packed` bytes: one zstd frame that says its plain size
 *      0   4  0x184D2A5B            4   4  64
 *      8   4  tag "BLK2"
 *     12   1  topic                13   1  flags: 1 the offsets before `from` were lost
 *     14   2  0                    16   4  partition
 *     20   4  records              24   4  packed bytes         28   4  plain bytes
 *     32   8  from                 40   8  to: every record with from <= offset < to is here
 *     48   8  least timestamp, ms  56   8  greatest timestamp, ms (least > greatest: no records)
 *     64   4  CRC-32C of the frame 68   4  CRC-32C of bytes 0..67
 *   record, inside the frame (v: varint, 7 bits a byte, low first; z: zigzag varint)
 *      1 byte of flags: 1 no key, 2 no value (a tombstone), 4 headers
 *      v  offset, less the one after the record before (the first: less `from`)
 *      z  timestamp ms, less the record's before (the first: less 0)
 *      v  key bytes (unless 1), v value bytes (unless 2), v header bytes (if 4)
 *      key, value, headers: each header v name bytes, v value bytes + 1 (0: null), name, value
 *   seal, at the end of a complete file: one skippable frame
 *      0   4  0x184D2A5B            4   4  64 * blocks + 24
 *      8      bytes 8..71 of every block's head, in order
 *      then 8 the byte where the seal begins, 4 blocks, 4 zero, 4 CRC-32C of the seal up to here,
 *      4 tag "END2"
 * INVARIANTS
 *   I1 a partition's blocks follow each other: `from` is the `to` before it, unless flag 1 says that
 *      what lies between was lost. A hole in the offsets inside a block is Kafka's (compaction,
 *      transactions) or an erasure's. A missing file or block is thus noticed.
 *   I2 every byte of a file is under a check.
 *   I3 a block is written in one piece and synced before the next (the archive): so only a file's
 *      last block can be torn, and the file is then cut back to the one before.
 * COST
 *   64 bytes of index a block; one CRC and one zstd frame of 1 MiB to read it.
 */
#include "log_block.h"

#include <stdlib.h>
#include <zstd.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "log files are little-endian, and are read as they lie"
#endif

enum {
    SKIPPABLE = 0x184D2A5B,
    BODY_BYTES = LOG_HEAD_BYTES - 8,
    SEAL_BYTES_LEAST = 8 + LOG_TAIL_BYTES,
    FLAG_NO_KEY = 1,
    FLAG_NO_VALUE = 2,
    FLAG_HEADERS = 4,
    VARINT_BYTES_MAX = 10,
    ZSTD_LEVEL = 3,
};

static const char magic[8] = "BKLOG\r\n", block_tag[4] = {'B', 'L', 'K', '2'},
                  end_tag[4] = {'E', 'N', 'D', '2'};

static uint32_t head_check(const void *head)
{
    return bk_crc32c(0, head, LOG_HEAD_BYTES - sizeof(uint32_t));
}

/* ---- numbers ---- */

static size_t put_varint(uint8_t *out, uint64_t value)
{
    size_t len = 0;
    for (; value >= 0x80; value >>= 7) out[len++] = (uint8_t)(value | 0x80);
    out[len++] = (uint8_t)value;
    return len;
}

static bool take_varint(struct log_cursor *cursor, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 64 && cursor->p < cursor->end; shift += 7) {
        uint8_t byte = (uint8_t)*cursor->p++;
        if (shift == 63 && byte > 1) return false;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) return true;
    }
    return false;
}

static uint64_t zigzag(int64_t value)
{
    return (uint64_t)value << 1 ^ (value < 0 ? UINT64_MAX : 0);
}

static int64_t unzigzag(uint64_t value)
{
    return (int64_t)(value >> 1 ^ (value & 1 ? UINT64_MAX : 0));
}

/* ---- writing ---- */

struct log_file_head bk__log_file_head(enum log_kind kind, int32_t partitions, enum bk_topic topic,
                                       int32_t partition, int32_t day, int64_t from)
{
    struct log_file_head head = {.skip = SKIPPABLE,
                                 .skip_bytes = BODY_BYTES,
                                 .version = LOG_VERSION,
                                 .kind = kind,
                                 .partitions = partitions,
                                 .topic = topic,
                                 .partition = partition,
                                 .day = day,
                                 .from = from};
    memcpy(head.magic, magic, sizeof magic);
    head.check = head_check(&head);
    return head;
}

void bk__log_block_begin(struct log_block *block, enum bk_topic topic, int32_t partition,
                         int64_t from, uint8_t flags)
{
    bk_buf_reset(&block->plain);
    block->next = from;
    block->last_ms = 0;
    block->head = (struct log_block_head){.skip = SKIPPABLE,
                                          .skip_bytes = BODY_BYTES,
                                          .topic = (uint8_t)topic,
                                          .flags = flags,
                                          .partition = partition,
                                          .from = from,
                                          .to = from,
                                          .min_ms = INT64_MAX,
                                          .max_ms = INT64_MIN};
    memcpy(block->head.tag, block_tag, sizeof block_tag);
}

int bk__log_block_add(struct log_block *block, const struct bk_record *record, bk_str_t headers)
{
    uint8_t prefix[1 + 5 * VARINT_BYTES_MAX];
    bk_str_t key = record->key, value = record->value;
    if ((uint64_t)key.len + value.len + headers.len > LOG_PAYLOAD_BYTES_MAX) return BK_ELIMIT;
    BK_ASSERT(record->offset >= block->head.to);
    size_t len = 1;
    prefix[0] = (uint8_t)((key.p ? 0 : FLAG_NO_KEY) | (value.p ? 0 : FLAG_NO_VALUE) |
                          (headers.len ? FLAG_HEADERS : 0));
    len += put_varint(prefix + len, (uint64_t)(record->offset - block->next));
    /* unsigned: two timestamps may lie further apart than an int64 holds, and wrap back on reading */
    uint64_t step_ms = (uint64_t)record->timestamp_ms - (uint64_t)block->last_ms;
    len += put_varint(prefix + len, zigzag((int64_t)step_ms));
    if (key.p) len += put_varint(prefix + len, key.len);
    if (value.p) len += put_varint(prefix + len, value.len);
    if (headers.len) len += put_varint(prefix + len, headers.len);
    bk_buf_bytes(&block->plain, prefix, len);
    if (key.p) bk_buf_str(&block->plain, key);
    if (value.p) bk_buf_str(&block->plain, value);
    if (headers.len) bk_buf_str(&block->plain, headers);
    if (block->plain.failed) return BK_ENOMEM;
    block->head.records++;
    block->head.to = block->next = record->offset + 1;
    block->last_ms = record->timestamp_ms;
    block->head.min_ms = bk_min_i64(block->head.min_ms, record->timestamp_ms);
    block->head.max_ms = bk_max_i64(block->head.max_ms, record->timestamp_ms);
    return BK_OK;
}

void bk__log_put_header(struct bk_buf *headers, bk_str_t name, bk_str_t value)
{
    uint8_t prefix[2 * VARINT_BYTES_MAX];
    size_t len = put_varint(prefix, name.len);
    len += put_varint(prefix + len, value.p ? (uint64_t)value.len + 1 : 0);
    bk_buf_bytes(headers, prefix, len);
    bk_buf_str(headers, name);
    if (value.p) bk_buf_str(headers, value);
}

int bk__log_block_pack(struct log_block *block, struct ZSTD_CCtx_s *zstd, struct bk_buf *out)
{
    struct log_block_head *head = &block->head;
    size_t bound = ZSTD_compressBound(block->plain.len);
    char *frame = malloc(bound);
    if (!frame) return BK_ENOMEM;
    size_t packed =
        ZSTD_compressCCtx(zstd, frame, bound, block->plain.p, block->plain.len, ZSTD_LEVEL);
    if (!ZSTD_isError(packed)) {
        head->plain_bytes = (uint32_t)block->plain.len;
        head->packed_bytes = (uint32_t)packed;
        head->packed_check = bk_crc32c(0, frame, packed);
        head->check = head_check(head);
        bk_buf_bytes(out, head, sizeof *head);
        bk_buf_bytes(out, frame, packed);
    }
    free(frame);
    return ZSTD_isError(packed) || out->failed ? BK_ENOMEM : BK_OK;
}

void bk__log_block_deinit(struct log_block *block)
{
    bk_buf_deinit(&block->plain);
}

void bk__log_put_seal(struct bk_buf *out, const struct log_block_head *blocks, size_t count,
                      uint64_t at)
{
    BK_ASSERT(count <= LOG_BLOCKS_MAX);
    const uint32_t prefix[2] = {SKIPPABLE, (uint32_t)(count * BODY_BYTES + LOG_TAIL_BYTES)};
    const uint32_t middle[2] = {(uint32_t)count, 0};
    size_t start = out->len;
    bk_buf_bytes(out, prefix, sizeof prefix);
    for (size_t i = 0; i < count; i++)
        bk_buf_bytes(out, (const char *)&blocks[i] + sizeof prefix, BODY_BYTES);
    bk_buf_bytes(out, &at, sizeof at);
    bk_buf_bytes(out, middle, sizeof middle);
    if (out->failed) return;
    uint32_t check = bk_crc32c(0, out->p + start, out->len - start);
    bk_buf_bytes(out, &check, sizeof check);
    bk_buf_bytes(out, end_tag, sizeof end_tag);
}

/* ---- reading ---- */

const char *bk__log_file_head_fault(const struct log_file_head *head)
{
    if (head->skip != SKIPPABLE || memcmp(head->magic, magic, sizeof magic) != 0)
        return "not a log file";
    if (head->check != head_check(head) || head->skip_bytes != BODY_BYTES)
        return "its head is damaged";
    if (head->version != LOG_VERSION) return NULL; /* the caller names the version */
    bool whole = head->kind == LOG_KIND_WHOLE && head->partitions >= 1 &&
                 head->partitions <= LOG_PARTITIONS_MAX;
    bool day = head->kind == LOG_KIND_DAY && head->topic >= 0 && head->topic < BK_TOPIC_COUNT &&
               head->partition >= 0 && head->partition < LOG_PARTITIONS_MAX && head->from >= 0;
    return whole || day ? NULL : "its head is not valid";
}

const char *bk__log_block_head_fault(const struct log_block_head *head)
{
    if (head->skip != SKIPPABLE || memcmp(head->tag, block_tag, sizeof block_tag) != 0)
        return "no block begins";
    if (head->check != head_check(head)) return "a block's head is damaged";
    if (head->skip_bytes != BODY_BYTES || head->topic >= BK_TOPIC_COUNT || head->partition < 0 ||
        head->partition >= LOG_PARTITIONS_MAX || head->from < 0 || head->to < head->from ||
        head->plain_bytes > LOG_PLAIN_BYTES_MAX ||
        head->packed_bytes > ZSTD_compressBound(LOG_PLAIN_BYTES_MAX))
        return "a block's head is not valid";
    return NULL;
}

bool bk__log_is_sealed(const char tail[LOG_TAIL_BYTES], uint64_t file_bytes, uint64_t *at,
                       size_t *count)
{
    uint32_t blocks;
    memcpy(at, tail, sizeof *at);
    memcpy(&blocks, tail + 8, sizeof blocks);
    *count = blocks;
    return memcmp(tail + LOG_TAIL_BYTES - sizeof end_tag, end_tag, sizeof end_tag) == 0 &&
           blocks <= LOG_BLOCKS_MAX && *at >= LOG_HEAD_BYTES && *at <= file_bytes &&
           file_bytes - *at == SEAL_BYTES_LEAST + (uint64_t)blocks * BODY_BYTES;
}

const char *bk__log_take_seal(const char *seal, size_t count, struct log_block_head *blocks)
{
    uint32_t prefix[2], check;
    size_t checked = 8 + count * BODY_BYTES + LOG_TAIL_BYTES - 8;
    memcpy(prefix, seal, sizeof prefix);
    memcpy(&check, seal + checked, sizeof check);
    if (prefix[0] != SKIPPABLE || prefix[1] != count * BODY_BYTES + LOG_TAIL_BYTES ||
        check != bk_crc32c(0, seal, checked))
        return "the seal's check does not fit";
    for (size_t i = 0; i < count; i++) {
        const uint32_t head_prefix[2] = {SKIPPABLE, BODY_BYTES};
        memcpy(&blocks[i], head_prefix, sizeof head_prefix);
        memcpy((char *)&blocks[i] + sizeof head_prefix, seal + 8 + i * BODY_BYTES, BODY_BYTES);
        const char *fault = bk__log_block_head_fault(&blocks[i]);
        if (fault) return fault;
    }
    return NULL;
}

static bool take_bytes(struct log_cursor *cursor, uint64_t len, bk_str_t *out)
{
    if (len > (uint64_t)(cursor->end - cursor->p)) return false;
    *out = bk_str(cursor->p, (size_t)len);
    cursor->p += len;
    return true;
}

/** The last header of that name decides, as in Kafka's clients. */
static bool find_schema_id(bk_str_t headers, bk_str_t *id)
{
    struct log_cursor at = {.p = headers.p, .end = headers.p + headers.len};
    uint64_t name_len, value_len;
    bk_str_t name, value;
    if (headers.len == 0) return true;
    while (at.p < at.end) {
        if (!take_varint(&at, &name_len) || !take_varint(&at, &value_len) ||
            !take_bytes(&at, name_len, &name) ||
            !take_bytes(&at, value_len ? value_len - 1 : 0, &value))
            return false;
        if (!bk_str_eq(name, BK_STR("__value_schema_id"))) continue;
        *id = value_len ? value : (bk_str_t){NULL, 0};
    }
    return true;
}

int bk__log_cursor_next(struct log_cursor *cursor, struct bk_record *record, bk_str_t *headers)
{
    uint64_t skipped, step_ms, key_len = 0, value_len = 0, headers_len = 0;
    if (cursor->left == 0) return cursor->p == cursor->end ? 0 : BK_ECORRUPT;
    if (cursor->p == cursor->end) return BK_ECORRUPT;
    uint8_t flags = (uint8_t)*cursor->p++;
    bool read = flags <= (FLAG_NO_KEY | FLAG_NO_VALUE | FLAG_HEADERS) &&
                take_varint(cursor, &skipped) && take_varint(cursor, &step_ms) &&
                (flags & FLAG_NO_KEY || take_varint(cursor, &key_len)) &&
                (flags & FLAG_NO_VALUE || take_varint(cursor, &value_len)) &&
                (!(flags & FLAG_HEADERS) || take_varint(cursor, &headers_len));
    *record = (struct bk_record){.topic = cursor->topic, .partition = cursor->partition};
    *headers = (bk_str_t){NULL, 0};
    if (!read || skipped >= (uint64_t)(cursor->to - cursor->next) ||
        !take_bytes(cursor, key_len, &record->key) ||
        !take_bytes(cursor, value_len, &record->value) ||
        !take_bytes(cursor, headers_len, headers) ||
        !find_schema_id(*headers, &record->value_schema_id))
        return BK_ECORRUPT;
    if (flags & FLAG_NO_KEY) record->key.p = NULL;
    if (flags & FLAG_NO_VALUE) record->value.p = NULL;
    record->offset = cursor->next + (int64_t)skipped;
    record->timestamp_ms = (int64_t)((uint64_t)cursor->last_ms + (uint64_t)unzigzag(step_ms));
    cursor->next = record->offset + 1;
    cursor->last_ms = record->timestamp_ms;
    cursor->left--;
    return 1;
}
