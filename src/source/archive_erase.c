/* archive_erase.c -- records taken out of an archive: what the law calls erasure.
 *
 * THE IDEA
 *   Kafka forgets by itself, the archive does not. A file that holds a record to be erased is
 *   written anew beside itself without it: blocks that hold none are copied as they lie, the others
 *   are packed again, keep their range of offsets (a hole, as compaction leaves one), and lose what
 *   was asked for. The new file is synced, takes the old one's name, and the folder is synced.
 * INVARIANTS
 *   I1 a file is the old one or the new one, whole, at any instant. I2 erasing again does nothing.
 *   I3 a damaged file is named and left alone: whether it holds such records cannot be known.
 * WHAT THIS DOES NOT DO
 *   Overwrite the old bytes on the disk, nor reach backups or Kafka.
 */
#include "archive_folder.h"
#include "log_block.h"

#include "basketry/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zstd.h>

struct eraser {
    bool (*is_erased)(void *arg, const struct bk_record *record);
    void *arg;
    ZSTD_CCtx *pack;
    ZSTD_DCtx *unpack;
    struct bk_buf packed, plain, out;
    struct log_block block; /* a block without the erased */
    uint64_t erased;        /* of the file under way      */
    struct bk_reason *reason;
};

static int no_memory(const struct eraser *e, const char *path)
{
    return bk_reason_set(e->reason, BK_ENOMEM, "%s: out of memory", path);
}

/** Fill `e->block` with what is left of block `i`; `*lost` says how many are not. */
static int sift_block(struct eraser *e, const struct log_file *file, size_t i, uint64_t *lost)
{
    const struct log_block_head *head = &file->blocks[i];
    struct log_cursor cursor;
    struct bk_record record;
    bk_str_t headers;
    *lost = 0;
    int code = bk__log_block_open(file, i, e->unpack, &e->packed, &e->plain, &cursor, e->reason);
    if (code) return code;
    bk__log_block_begin(&e->block, (enum bk_topic)head->topic, head->partition, head->from,
                        head->flags);
    while ((code = bk__log_cursor_next(&cursor, &record, &headers)) == 1) {
        if (e->is_erased(e->arg, &record))
            ++*lost;
        else if (bk__log_block_add(&e->block, &record, headers) != BK_OK)
            return no_memory(e, file->path);
    }
    if (code < 0)
        return bk__log_fault(e->reason, file->path, "a block holds no records", file->at[i]);
    e->block.head.to = head->to;
    return BK_OK;
}

static int write_out(struct eraser *e, int fd, const char *path)
{
    if (e->out.failed) return no_memory(e, path);
    int code = bk__log_write_all(fd, e->out.p, e->out.len);
    bk_buf_reset(&e->out);
    return code ? bk_reason_set(e->reason, code, "%s: %s", path, strerror(errno)) : BK_OK;
}

/** One block of the new file: as it was, or without the erased. */
static int copy_block(struct eraser *e, const struct log_file *old, size_t i, struct log_file *made,
                      int fd)
{
    uint64_t lost;
    int code = sift_block(e, old, i, &lost);
    if (code) return code;
    if (lost > 0 && bk__log_block_pack(&e->block, e->pack, &e->out) != BK_OK)
        return no_memory(e, old->path);
    if (lost == 0) {
        bk_buf_bytes(&e->out, &old->blocks[i], LOG_HEAD_BYTES);
        bk_buf_bytes(&e->out, e->packed.p, e->packed.len);
    }
    if (!bk__log_file_add(made, lost ? &e->block.head : &old->blocks[i]))
        return no_memory(e, old->path);
    return write_out(e, fd, old->path);
}

static int write_file(struct eraser *e, const struct log_file *old, int fd)
{
    struct log_file made = {.good = LOG_HEAD_BYTES};
    bk_buf_reset(&e->out);
    bk_buf_bytes(&e->out, &old->head, LOG_HEAD_BYTES);
    int code = write_out(e, fd, old->path);
    for (size_t i = 0; i < old->count && !code; i++) code = copy_block(e, old, i, &made, fd);
    if (!code && old->sealed) {
        bk__log_put_seal(&e->out, made.blocks, made.count, made.good);
        code = write_out(e, fd, old->path);
    }
    bk__log_file_deinit(&made);
    if (!code && fsync(fd) != 0)
        code = bk_reason_set(e->reason, BK_EIO, "sync %s: %s", old->path, strerror(errno));
    return code;
}

static int replace_file(struct eraser *e, const struct log_file *old, const char *folder)
{
    char temp[ARCHIVE_PATH_MAX];
    if ((size_t)snprintf(temp, sizeof temp, "%s.tmp", old->path) >= sizeof temp)
        return bk_reason_set(e->reason, BK_EINVAL, "%s: the path is too long", old->path);
    int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return bk_reason_set(e->reason, BK_EIO, "%s: %s", temp, strerror(errno));
    int code = write_file(e, old, fd);
    if (close(fd) != 0 && !code) code = bk_reason_set(e->reason, BK_EIO, "close %s", temp);
    if (!code && rename(temp, old->path) != 0)
        code = bk_reason_set(e->reason, BK_EIO, "rename %s: %s", temp, strerror(errno));
    if (code) unlink(temp);
    if (!code && bk__archive_sync_folder(folder) != BK_OK)
        code = bk_reason_set(e->reason, BK_EIO, "sync %s: %s", folder, strerror(errno));
    return code;
}

/** How many of the file's records are to go. */
static int count_erased(struct eraser *e, const struct log_file *file)
{
    uint64_t lost = 0;
    int code = BK_OK;
    e->erased = 0;
    for (size_t i = 0; i < file->count && !code; i++) {
        code = sift_block(e, file, i, &lost);
        e->erased += lost;
    }
    return code;
}

static int erase_file(struct eraser *e, const char *path, const char *folder, bool is_newest)
{
    struct log_file file;
    int code = bk__log_file_load(&file, path, e->reason);
    if (code == BK_ECORRUPT && is_newest && file.bytes < LOG_HEAD_BYTES) code = BK_OK;
    bool is_torn = is_newest && !file.sealed && !file.damaged;
    if (!code && file.fault && !is_torn)
        code = bk__log_fault(e->reason, path, file.fault, file.good);
    if (!code) code = count_erased(e, &file);
    if (!code && e->erased) code = replace_file(e, &file, folder);
    if (!code && e->erased)
        bk_log_info("archive", "erased file=\"%s\" records=%llu", path,
                    (unsigned long long)e->erased);
    bk__log_file_deinit(&file);
    return code;
}

static int erase_part(struct eraser *e, const char *dir, enum bk_topic topic, int32_t partition,
                      uint64_t *records, uint64_t *files_done)
{
    char folder[ARCHIVE_PATH_MAX];
    struct archive_files files;
    if (!bk__archive_part_path(folder, dir, topic, partition))
        return bk_reason_set(e->reason, BK_EINVAL, "%s: the path is too long", dir);
    bk__archive_sweep(folder);
    int code = bk__archive_list(&files, folder, e->reason);
    for (size_t i = 0; i < files.count && !code; i++) {
        code = erase_file(e, files.paths[i], folder, i + 1 == files.count);
        if (code || !e->erased) continue;
        *records += e->erased;
        ++*files_done;
    }
    bk__archive_files_deinit(&files);
    return code;
}

int bk_archive_erase(struct bk_archive *archive,
                     bool (*is_erased)(void *arg, const struct bk_record *record), void *arg,
                     uint64_t *records, uint64_t *files, struct bk_reason *reason)
{
    const char *dir = bk__archive_dir(archive);
    struct eraser e = {.is_erased = is_erased, .arg = arg, .reason = reason};
    int code = BK_OK;
    *records = *files = 0;
    e.pack = ZSTD_createCCtx();
    e.unpack = ZSTD_createDCtx();
    if (!e.pack || !e.unpack) code = no_memory(&e, dir);
    for (int topic = 0; topic < BK_TOPIC_COUNT && !code; topic++) {
        int32_t count = bk__archive_partitions(dir, (enum bk_topic)topic);
        for (int32_t p = 0; p < count && !code; p++)
            code = erase_part(&e, dir, (enum bk_topic)topic, p, records, files);
    }
    ZSTD_freeCCtx(e.pack);
    ZSTD_freeDCtx(e.unpack);
    bk_buf_deinit(&e.packed);
    bk_buf_deinit(&e.plain);
    bk_buf_deinit(&e.out);
    bk__log_block_deinit(&e.block);
    return code;
}
