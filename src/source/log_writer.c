/* log_writer.c -- a whole log in one file, as import writes it: all topics, offsets from 0.
 *
 * A block of each partition is filled in memory and written when it is full, the rest and the seal
 * when the log is closed: a file without its seal is not taken for whole. The format is at the top
 * of log_block.c.
 * COST  at most 64 MiB of blocks, however many partitions: many partitions make smaller blocks.
 */
#include "log_block.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include <zstd.h>

enum { BLOCK_BYTES_LEAST = 1 << 16, MEMORY_BYTES = 64 << 20, FACT_PARTS = BK_TOPIC_COUNT - 1 };

int32_t bk_partition_of(bk_str_t key, int32_t partitions)
{
    const uint32_t m = 0x5bd1e995;
    uint32_t h = 0x9747b28c ^ key.len;
    const unsigned char *p = (const unsigned char *)key.p;
    uint32_t left = key.len;
    for (; left >= 4; left -= 4, p += 4) {
        uint32_t k =
            (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
        k *= m;
        k ^= k >> 24;
        h = (h * m) ^ (k * m);
    }
    if (left > 2) h ^= (uint32_t)p[2] << 16;
    if (left > 1) h ^= (uint32_t)p[1] << 8;
    if (left > 0) h = (h ^ p[0]) * m;
    h ^= h >> 13;
    h *= m;
    h ^= h >> 15;
    return (int32_t)((h & 0x7fffffff) % (uint32_t)partitions);
}

struct bk_log_writer {
    int fd;
    int32_t partitions;
    size_t block_bytes;
    struct log_block *parts; /* facts first: part_of */
    ZSTD_CCtx *zstd;
    struct bk_buf out;
    struct log_block_head *heads; /* of the blocks written, for the seal */
    size_t heads_count, heads_cap;
    uint64_t bytes;
    bool failed;
};

static size_t parts_count(const struct bk_log_writer *writer)
{
    return FACT_PARTS + (size_t)writer->partitions;
}

static struct log_block *part_of(struct bk_log_writer *writer, enum bk_topic topic,
                                 int32_t partition)
{
    return &writer->parts[topic == BK_TOPIC_EVENTS ? FACT_PARTS + partition : (int)topic - 1];
}

static void free_writer(struct bk_log_writer *writer)
{
    if (writer->fd >= 0) close(writer->fd);
    for (size_t i = 0; writer->parts && i < parts_count(writer); i++)
        bk__log_block_deinit(&writer->parts[i]);
    ZSTD_freeCCtx(writer->zstd);
    bk_buf_deinit(&writer->out);
    free(writer->parts);
    free(writer->heads);
    free(writer);
}

static bool write_out(struct bk_log_writer *writer)
{
    bool ok = !writer->out.failed &&
              bk__log_write_all(writer->fd, writer->out.p, writer->out.len) == BK_OK;
    writer->bytes += writer->out.len;
    bk_buf_reset(&writer->out);
    return ok;
}

static bool begin_file(struct bk_log_writer *writer)
{
    struct log_file_head head =
        bk__log_file_head(LOG_KIND_WHOLE, writer->partitions, BK_TOPIC_EVENTS, 0, 0, 0);
    for (int32_t p = 0; p < writer->partitions; p++)
        bk__log_block_begin(part_of(writer, BK_TOPIC_EVENTS, p), BK_TOPIC_EVENTS, p, 0, 0);
    for (int topic = BK_TOPIC_EVENTS + 1; topic < BK_TOPIC_COUNT; topic++)
        bk__log_block_begin(part_of(writer, (enum bk_topic)topic, 0), (enum bk_topic)topic, 0, 0,
                            0);
    bk_buf_bytes(&writer->out, &head, sizeof head);
    return write_out(writer);
}

struct bk_log_writer *bk_log_writer_create(const char *path, int32_t partitions,
                                           struct bk_reason *reason)
{
    if (partitions < 1 || partitions > LOG_PARTITIONS_MAX) {
        bk_reason_set(reason, BK_EINVAL, "%s: %d partitions; 1 to %d are possible", path,
                      partitions, LOG_PARTITIONS_MAX);
        return NULL;
    }
    struct bk_log_writer *writer = calloc(1, sizeof *writer);
    if (writer) {
        writer->fd = -1;
        writer->partitions = partitions;
        writer->block_bytes = (size_t)bk_max_u64(
            BLOCK_BYTES_LEAST, bk_min_u64(LOG_BLOCK_BYTES, MEMORY_BYTES / (uint64_t)partitions));
        writer->parts = calloc(parts_count(writer), sizeof *writer->parts);
        writer->zstd = ZSTD_createCCtx();
    }
    if (!writer || !writer->parts || !writer->zstd) {
        if (writer) free_writer(writer);
        bk_reason_set(reason, BK_ENOMEM, "%s: no memory", path);
        return NULL;
    }
    writer->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (writer->fd < 0 || !begin_file(writer)) {
        bk_reason_set(reason, BK_EIO, "%s: %s", path, strerror(errno));
        free_writer(writer);
        return NULL;
    }
    return writer;
}

static bool keep_head(struct bk_log_writer *writer, const struct log_block_head *head)
{
    if (writer->heads_count == writer->heads_cap) {
        size_t cap = writer->heads_cap ? writer->heads_cap * 2 : 64;
        struct log_block_head *heads = realloc(writer->heads, cap * sizeof *heads);
        if (!heads) return false;
        writer->heads = heads;
        writer->heads_cap = cap;
    }
    writer->heads[writer->heads_count++] = *head;
    return true;
}

static bool flush_block(struct bk_log_writer *writer, struct log_block *block)
{
    if (block->head.records == 0) return true;
    bool ok = writer->heads_count < LOG_BLOCKS_MAX &&
              bk__log_block_pack(block, writer->zstd, &writer->out) == BK_OK &&
              keep_head(writer, &block->head) && write_out(writer);
    bk__log_block_begin(block, (enum bk_topic)block->head.topic, block->head.partition,
                        block->head.to, 0);
    return ok;
}

int bk_log_writer_append(struct bk_log_writer *writer, enum bk_topic topic, int32_t partition,
                         bk_wall_ms_t timestamp_ms, bk_str_t key, bk_str_t value)
{
    int32_t partitions = topic == BK_TOPIC_EVENTS ? writer->partitions : 1;
    if (partition < 0) partition = bk_partition_of(key, partitions);
    BK_ASSERT(partition < partitions);
    struct log_block *block = part_of(writer, topic, partition);
    struct bk_record record = {.topic = topic,
                               .partition = partition,
                               .offset = block->next,
                               .timestamp_ms = timestamp_ms,
                               .key = key,
                               .value = value};
    if (writer->failed || bk__log_block_add(block, &record, (bk_str_t){NULL, 0}) != BK_OK)
        return BK_EIO;
    if (block->plain.len >= writer->block_bytes && !flush_block(writer, block))
        writer->failed = true;
    return writer->failed ? BK_EIO : BK_OK;
}

/** The seal goes in last. One sync does: should a power cut keep the seal and lose a block, the
 *  block's check tells. */
static bool seal(struct bk_log_writer *writer)
{
    for (size_t i = 0; i < parts_count(writer); i++)
        if (!flush_block(writer, &writer->parts[i])) return false;
    bk__log_put_seal(&writer->out, writer->heads, writer->heads_count, writer->bytes);
    return write_out(writer) && fsync(writer->fd) == 0;
}

int bk_log_writer_close(struct bk_log_writer **writer_at)
{
    struct bk_log_writer *writer = *writer_at;
    if (!writer) return BK_OK;
    *writer_at = NULL;
    int err = !writer->failed && seal(writer) ? BK_OK : BK_EIO;
    if (close(writer->fd) != 0) err = BK_EIO;
    writer->fd = -1;
    free_writer(writer);
    return err;
}
