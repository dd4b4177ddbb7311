/* archive.c -- the writer of an archive: blocks at the end of the newest file, one file a day.
 *
 * THE IDEA
 *   A partition fills a block in memory. When the block is full, or has waited long enough, it goes
 *   to the end of the partition's file in one write and is synced; only then is the archive said to
 *   hold its records. What is in memory when the process dies is not lost: Kafka has it, and the
 *   next start goes on from the archive's own end. So nothing is written twice and nothing is
 *   skipped, whenever the process ends.
 *
 *        append ... append  -> block full -> write, fdatasync -> ... -> a later day -> seal
 *                                                                      new file: its head and its
 *                                                                      first block in one write
 * DAYS
 *   A record is filed under the day of its timestamp (UTC), but days only go forward: a late one
 *   stays in the file under way, and the block's head says what times it really holds. A timestamp
 *   beyond tomorrow counts as tomorrow, so that one clock in 2099 does not end the days.
 * INVARIANTS
 *   I1 a file with a seal is never written again (erasure replaces it as a whole). I2 before a new
 *   file is made, the one before it is sealed and synced; a new file's name is synced with its first
 *   block. I3 a torn tail is cut off at opening; damage with whole blocks behind it is refused. I4
 *   after a failed write or sync nothing more is written: what the disk holds is not known, and the
 *   next opening finds out.
 * COST
 *   1 MiB a partition, a write and a sync a block. Files are for their owner alone (0600, 0700):
 *   they hold what shoppers did.
 */
#include "archive_folder.h"
#include "log_block.h"

#include "basketry/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

enum { NAME_MAX_BYTES = 256 };

struct archive_part {
    enum bk_topic topic;
    int32_t partition;
    char path[ARCHIVE_PATH_MAX];
    int fd;               /* of the newest file, when it has no seal; else -1 */
    struct log_file file; /* its index, for the seal                          */
    int32_t day;          /* of the newest file; -1: there is none            */
    int64_t next;         /* the offset behind the last record; -1: none yet  */
    bool after_gap;       /* the next block begins behind a gap               */
    int64_t last_offset;  /* of the last record at opening; -1: not known     */
    uint64_t last_mark;
    struct log_block block;
    int64_t began_ms; /* when the block got its first record              */
};

struct bk_archive {
    char *dir;
    int lock_fd;
    char cluster[NAME_MAX_BYTES], names[BK_TOPIC_COUNT][NAME_MAX_BYTES];
    struct archive_part **parts;
    size_t parts_count;
    ZSTD_CCtx *zstd;
    struct bk_buf out;
    struct bk_archive_counts counts;
    bool failed;
};

const char *bk__archive_dir(const struct bk_archive *archive)
{
    return archive->dir;
}

void bk_archive_put_header(struct bk_buf *headers, bk_str_t name, bk_str_t value)
{
    bk__log_put_header(headers, name, value);
}

const struct bk_archive_counts *bk_archive_counts(const struct bk_archive *archive)
{
    return &archive->counts;
}

static int fail(struct bk_archive *archive, struct bk_reason *reason, const char *step,
                const char *path)
{
    archive->failed = true;
    return bk_reason_set(reason, BK_EIO, "%s %s: %s", step, path, strerror(errno));
}

/* ---- the newest file ---- */

static int close_file(struct archive_part *part)
{
    int code = part->fd < 0 || close(part->fd) == 0 ? BK_OK : BK_EIO;
    part->fd = -1;
    bk__log_file_deinit(&part->file);
    return code;
}

/** Make the file that the block will be the first of; its head waits in `out`. */
static int make_file(struct bk_archive *archive, struct archive_part *part,
                     struct bk_reason *reason)
{
    char path[ARCHIVE_PATH_MAX];
    if (!bk__archive_file_path(path, part->path, part->day, part->block.head.from))
        return bk_reason_set(reason, BK_EINVAL, "%s: the path is too long", part->path);
    part->file = (struct log_file){.path = strdup(path), .good = LOG_HEAD_BYTES};
    if (!part->file.path) return bk_reason_set(reason, BK_ENOMEM, "%s: out of memory", path);
    part->file.head = bk__log_file_head(LOG_KIND_DAY, 0, part->topic, part->partition, part->day,
                                        part->block.head.from);
    part->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (part->fd < 0) return fail(archive, reason, "create", path);
    bk_buf_bytes(&archive->out, &part->file.head, sizeof part->file.head);
    return BK_OK;
}

/** The block goes to the disk; then its records are the archive's. */
static int flush_part(struct bk_archive *archive, struct archive_part *part,
                      struct bk_reason *reason)
{
    if (part->block.head.records == 0) return BK_OK;
    bk_buf_reset(&archive->out);
    bool is_new = part->fd < 0;
    int code = is_new ? make_file(archive, part, reason) : BK_OK;
    if (code) return code;
    if (bk__log_block_pack(&part->block, archive->zstd, &archive->out) != BK_OK ||
        !bk__log_file_add(&part->file, &part->block.head)) {
        archive->failed = true;
        return bk_reason_set(reason, BK_ENOMEM, "%s: out of memory", part->file.path);
    }
    if (bk__log_write_all(part->fd, archive->out.p, archive->out.len) != BK_OK)
        return fail(archive, reason, "write", part->file.path);
    if (fdatasync(part->fd) != 0) return fail(archive, reason, "sync", part->file.path);
    if (is_new && bk__archive_sync_folder(part->path) != BK_OK)
        return fail(archive, reason, "sync", part->path);
    archive->counts.bytes_packed += archive->out.len;
    archive->counts.bytes_plain += part->block.plain.len;
    archive->counts.records += part->block.head.records;
    bk__log_block_begin(&part->block, part->topic, part->partition, part->next, 0);
    return BK_OK;
}

static int seal_part(struct bk_archive *archive, struct archive_part *part,
                     struct bk_reason *reason)
{
    if (part->fd < 0) return BK_OK;
    bk_buf_reset(&archive->out);
    bk__log_put_seal(&archive->out, part->file.blocks, part->file.count, part->file.good);
    if (archive->out.failed)
        return bk_reason_set(reason, BK_ENOMEM, "%s: out of memory", part->file.path);
    if (bk__log_write_all(part->fd, archive->out.p, archive->out.len) != BK_OK ||
        fsync(part->fd) != 0)
        return fail(archive, reason, "seal", part->file.path);
    archive->counts.files_sealed++;
    bk_log_info("archive", "sealed file=\"%s\" blocks=%zu bytes=%llu", part->file.path,
                part->file.count, (unsigned long long)part->file.good);
    return close_file(part) ? fail(archive, reason, "close", part->path) : BK_OK;
}

/* ---- opening a partition ---- */

/** A file that a crash left before its first block was whole: as if it had never been made. */
static int remove_empty(struct bk_archive *archive, const char *path, uint64_t bytes,
                        struct bk_reason *reason)
{
    archive->counts.torn_bytes += bytes;
    bk_log_warn("archive", "empty_file_removed file=\"%s\" bytes=%llu", path,
                (unsigned long long)bytes);
    return unlink(path) == 0 ? BK_OK : fail(archive, reason, "remove", path);
}

static int cut_tail(struct bk_archive *archive, struct log_file *file, int fd,
                    struct bk_reason *reason)
{
    uint64_t torn = file->bytes - file->good;
    if (torn == 0) return BK_OK;
    if (ftruncate(fd, (off_t)file->good) != 0 || fsync(fd) != 0)
        return fail(archive, reason, "cut", file->path);
    archive->counts.torn_bytes += torn;
    bk_log_warn("archive", "torn_tail_cut file=\"%s\" byte=%llu bytes=%llu what=\"%s\"", file->path,
                (unsigned long long)file->good, (unsigned long long)torn, file->fault);
    return BK_OK;
}

/** Go on in a file that has no seal. */
static int go_on_in_file(struct bk_archive *archive, struct archive_part *part,
                         struct bk_reason *reason)
{
    part->fd = open(part->file.path, O_WRONLY | O_CLOEXEC);
    if (part->fd < 0) return fail(archive, reason, "open", part->file.path);
    int code = cut_tail(archive, &part->file, part->fd, reason);
    if (!code && lseek(part->fd, (off_t)part->file.good, SEEK_SET) < 0)
        code = fail(archive, reason, "seek", part->file.path);
    return code;
}

/** What the log must hold if it is the archive's. A block that cannot be read is told by who reads. */
static void note_last(struct archive_part *part)
{
    struct bk_buf packed = {0}, plain = {0};
    struct bk_reason ignored;
    struct log_cursor cursor;
    struct bk_record record;
    bk_str_t headers;
    ZSTD_DCtx *zstd = ZSTD_createDCtx();
    if (zstd && part->file.count &&
        !bk__log_block_open(&part->file, part->file.count - 1, zstd, &packed, &plain, &cursor,
                            &ignored))
        while (bk__log_cursor_next(&cursor, &record, &headers) == 1) {
            part->last_offset = record.offset;
            part->last_mark = bk_record_mark(&record);
        }
    ZSTD_freeDCtx(zstd);
    bk_buf_deinit(&packed);
    bk_buf_deinit(&plain);
}

/** Take the newest file for what it is. `*again`: it was none; look at the one before. */
static int take_newest(struct bk_archive *archive, struct archive_part *part, const char *path,
                       int64_t from, bool *again, struct bk_reason *reason)
{
    int code = bk__log_file_load(&part->file, path, reason);
    const struct log_file_head *head = &part->file.head;
    /* Its first write never reached the disk, though its length may have. */
    bool is_stub = code == BK_ECORRUPT && !part->file.damaged;
    *again =
        is_stub || (!code && part->file.count == 0 && !part->file.sealed && !part->file.damaged);
    if (*again) {
        code = remove_empty(archive, path, part->file.bytes, reason);
        bk__log_file_deinit(&part->file);
        return code;
    }
    if (code) return code;
    if (head->kind != LOG_KIND_DAY || head->topic != (int32_t)part->topic ||
        head->partition != part->partition || head->from != from)
        return bk__log_fault(reason, path, "the file is not what its name says", 0);
    if (part->file.damaged) return bk__log_fault(reason, path, part->file.fault, part->file.good);
    note_last(part);
    part->day = head->day;
    part->next = part->file.count ? part->file.blocks[part->file.count - 1].to : head->from;
    if (!part->file.sealed) return go_on_in_file(archive, part, reason);
    bk__log_file_deinit(&part->file);
    return BK_OK;
}

static int find_end(struct bk_archive *archive, struct archive_part *part, struct bk_reason *reason)
{
    struct archive_files files;
    bool again = true;
    bk__archive_sweep(part->path);
    int code = bk__archive_list(&files, part->path, reason);
    for (size_t i = files.count; i-- > 0 && again && !code;)
        code = take_newest(archive, part, files.paths[i], files.from[i], &again, reason);
    bk__archive_files_deinit(&files);
    return code;
}

static int make_folder(const char *path, struct bk_reason *reason)
{
    if (mkdir(path, 0700) == 0 || errno == EEXIST) return BK_OK;
    return bk_reason_set(reason, BK_EIO, "%s: %s", path, strerror(errno));
}

static int make_part_folder(struct bk_archive *archive, struct archive_part *part,
                            struct bk_reason *reason)
{
    char role[ARCHIVE_PATH_MAX];
    if (!bk__archive_part_path(part->path, archive->dir, part->topic, part->partition))
        return bk_reason_set(reason, BK_EINVAL, "%s: the path is too long", archive->dir);
    snprintf(role, sizeof role, "%s/%s", archive->dir, bk_topic_role(part->topic));
    int code = make_folder(role, reason);
    if (!code) code = make_folder(part->path, reason);
    if (!code && (bk__archive_sync_folder(archive->dir) || bk__archive_sync_folder(role)))
        code = fail(archive, reason, "sync", role);
    return code;
}

static struct archive_part *find_part(const struct bk_archive *archive, enum bk_topic topic,
                                      int32_t partition)
{
    for (size_t i = 0; i < archive->parts_count; i++)
        if (archive->parts[i]->topic == topic && archive->parts[i]->partition == partition)
            return archive->parts[i];
    return NULL;
}

static struct archive_part *add_part(struct bk_archive *archive, enum bk_topic topic,
                                     int32_t partition)
{
    size_t count = archive->parts_count;
    struct archive_part **grown = realloc(archive->parts, (count + 1) * sizeof(void *));
    if (!grown) return NULL;
    archive->parts = grown;
    struct archive_part *part = calloc(1, sizeof *part);
    if (!part) return NULL;
    part->topic = topic;
    part->partition = partition;
    part->fd = part->day = -1;
    part->next = part->last_offset = -1;
    archive->parts[archive->parts_count++] = part;
    return part;
}

int bk_archive_part(struct bk_archive *archive, enum bk_topic topic, int32_t partition,
                    int64_t *next, struct bk_reason *reason)
{
    struct archive_part *part = find_part(archive, topic, partition);
    BK_ASSERT(!part && partition >= 0 && partition < LOG_PARTITIONS_MAX);
    part = add_part(archive, topic, partition);
    if (!part) return bk_reason_set(reason, BK_ENOMEM, "%s: out of memory", archive->dir);
    int code = make_part_folder(archive, part, reason);
    if (!code) code = find_end(archive, part, reason);
    if (code) return code;
    bk__log_block_begin(&part->block, topic, partition, bk_max_i64(0, part->next), 0);
    *next = part->next;
    return BK_OK;
}

bool bk_archive_last(const struct bk_archive *archive, enum bk_topic topic, int32_t partition,
                     int64_t *offset, uint64_t *mark)
{
    const struct archive_part *part = find_part(archive, topic, partition);
    *offset = part ? part->last_offset : -1;
    *mark = part ? part->last_mark : 0;
    return *offset >= 0;
}

int32_t bk_archive_partitions(const struct bk_archive *archive, enum bk_topic topic)
{
    return bk__archive_partitions(archive->dir, topic);
}

/* ---- appending ---- */

/** Before a record of `day`: the block of the day before is written, its file sealed. */
static int turn_day(struct bk_archive *archive, struct archive_part *part, int32_t day,
                    struct bk_reason *reason)
{
    if (day <= part->day) return BK_OK;
    int code = flush_part(archive, part, reason);
    if (!code) code = seal_part(archive, part, reason);
    if (!code) part->day = day;
    return code;
}

static int closed(const struct bk_archive *archive, struct bk_reason *reason)
{
    return bk_reason_set(reason, BK_EIO, "%s: a write failed before", archive->dir);
}

int bk_archive_append(struct bk_archive *archive, const struct bk_record *record, bk_str_t headers,
                      bk_wall_ms_t now_ms, struct bk_reason *reason)
{
    struct archive_part *part = find_part(archive, record->topic, record->partition);
    BK_ASSERT(part && record->offset >= 0 && record->offset >= part->next);
    if (archive->failed) return closed(archive, reason);
    int32_t tomorrow = bk__archive_day(now_ms) + 1, day = bk__archive_day(record->timestamp_ms);
    int code = turn_day(archive, part, day < tomorrow ? day : tomorrow, reason);
    if (code) return code;
    if (part->block.head.records == 0) {
        bk__log_block_begin(&part->block, part->topic, part->partition,
                            part->next < 0 ? record->offset : part->next,
                            part->after_gap ? LOG_BLOCK_GAP : 0);
        part->after_gap = false;
        part->began_ms = now_ms;
    }
    code = bk__log_block_add(&part->block, record, headers);
    if (code)
        return bk_reason_set(reason, code, "%s: offset %lld: %s", part->path,
                             (long long)record->offset, bk_error_text(code));
    part->next = record->offset + 1;
    return part->block.plain.len >= LOG_BLOCK_BYTES ? flush_part(archive, part, reason) : BK_OK;
}

int bk_archive_mark_gap(struct bk_archive *archive, enum bk_topic topic, int32_t partition,
                        int64_t to, struct bk_reason *reason)
{
    struct archive_part *part = find_part(archive, topic, partition);
    BK_ASSERT(part && part->next >= 0 && to > part->next);
    int code = flush_part(archive, part, reason);
    if (code) return code;
    archive->counts.gaps++;
    archive->counts.gap_records += (uint64_t)(to - part->next);
    part->next = to;
    part->after_gap = true;
    return BK_OK;
}

int bk_archive_flush(struct bk_archive *archive, bk_wall_ms_t before_ms, struct bk_reason *reason)
{
    int code = archive->failed ? closed(archive, reason) : BK_OK;
    for (size_t i = 0; i < archive->parts_count && !code; i++)
        if (archive->parts[i]->began_ms <= before_ms)
            code = flush_part(archive, archive->parts[i], reason);
    return code;
}

/* ---- forgetting whole days ---- */

static int expire_part(struct bk_archive *archive, const struct archive_part *part, int32_t day,
                       struct bk_reason *reason)
{
    struct archive_files files;
    int code = bk__archive_list(&files, part->path, reason);
    for (size_t i = 0; i + 1 < files.count && !code && files.day[i] < day; i++) {
        if (unlink(files.paths[i]) != 0)
            code = bk_reason_set(reason, BK_EIO, "remove %s: %s", files.paths[i], strerror(errno));
        archive->counts.files_expired += !code;
        if (!code) bk_log_info("archive", "expired file=\"%s\"", files.paths[i]);
    }
    bk__archive_files_deinit(&files);
    return code;
}

int bk_archive_expire(struct bk_archive *archive, bk_wall_ms_t first_day_ms,
                      struct bk_reason *reason)
{
    int code = BK_OK;
    for (size_t i = 0; i < archive->parts_count && !code; i++)
        code = expire_part(archive, archive->parts[i], bk__archive_day(first_day_ms), reason);
    return code;
}

/* ---- the file LOG: whose log this is ---- */

static void take_line(struct bk_archive *archive, const char *word, const char *name)
{
    if (strcmp(word, "cluster") == 0)
        snprintf(archive->cluster, sizeof archive->cluster, "%s", name);
    for (int topic = 0; topic < BK_TOPIC_COUNT; topic++)
        if (strcmp(word, bk_topic_role((enum bk_topic)topic)) == 0)
            snprintf(archive->names[topic], sizeof archive->names[topic], "%s", name);
}

static int read_log_file(struct bk_archive *archive, const char *path, struct bk_reason *reason)
{
    char line[2 * NAME_MAX_BYTES], word[32], name[NAME_MAX_BYTES];
    FILE *file = fopen(path, "re");
    if (!file)
        return bk_reason_set(reason, bk_error_from_errno(errno), "%s: %s", path, strerror(errno));
    bool ours = fgets(line, sizeof line, file) && strcmp(line, ARCHIVE_LOG_HEAD) == 0;
    while (ours && fgets(line, sizeof line, file))
        if (sscanf(line, "%31s %255s", word, name) == 2) take_line(archive, word, name);
    fclose(file);
    if (ours) return BK_OK;
    return bk_reason_set(reason, BK_EUNSUPPORTED, "%s: not an archive of version 1", path);
}

static void put_log_file(const struct bk_archive *archive, struct bk_buf *out)
{
    bk_buf_cstr(out, ARCHIVE_LOG_HEAD);
    if (archive->cluster[0]) bk_buf_printf(out, "cluster %s\n", archive->cluster);
    for (int topic = 0; topic < BK_TOPIC_COUNT; topic++)
        if (archive->names[topic][0])
            bk_buf_printf(out, "%s %s\n", bk_topic_role((enum bk_topic)topic),
                          archive->names[topic]);
}

static int write_log_file(struct bk_archive *archive, struct bk_reason *reason)
{
    char path[ARCHIVE_PATH_MAX], temp[ARCHIVE_PATH_MAX];
    struct bk_buf text = {0};
    snprintf(path, sizeof path, "%s/" ARCHIVE_LOG_NAME, archive->dir);
    snprintf(temp, sizeof temp, "%s/" ARCHIVE_LOG_NAME ".tmp", archive->dir);
    put_log_file(archive, &text);
    int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && !text.failed && bk__log_write_all(fd, text.p, text.len) == BK_OK &&
              fsync(fd) == 0;
    if (fd >= 0 && close(fd) != 0) ok = false;
    ok = ok && rename(temp, path) == 0 && bk__archive_sync_folder(archive->dir) == BK_OK;
    bk_buf_deinit(&text);
    return ok ? BK_OK : bk_reason_set(reason, BK_EIO, "write %s: %s", path, strerror(errno));
}

/** "" takes the value; `*changed` says so. */
static int bind_name(const struct bk_archive *archive, char known[NAME_MAX_BYTES], const char *what,
                     const char *name, bool *changed, struct bk_reason *reason)
{
    if (strcmp(known, name) == 0) return BK_OK;
    if (known[0])
        return bk_reason_set(reason, BK_EINVAL, "%s: the archive is of %s %s, and this is %s",
                             archive->dir, what, known, name);
    snprintf(known, NAME_MAX_BYTES, "%s", name);
    *changed = true;
    return BK_OK;
}

int bk_archive_bind(struct bk_archive *archive, const char *cluster, enum bk_topic topic,
                    const char *topic_name, struct bk_reason *reason)
{
    bool changed = false;
    int code = bind_name(archive, archive->cluster, "cluster", cluster, &changed, reason);
    if (!code)
        code = bind_name(archive, archive->names[topic], "topic", topic_name, &changed, reason);
    return !code && changed ? write_log_file(archive, reason) : code;
}

/* ---- the whole ---- */

static int lock_folder(struct bk_archive *archive, struct bk_reason *reason)
{
    char path[ARCHIVE_PATH_MAX];
    snprintf(path, sizeof path, "%s/LOCK", archive->dir);
    archive->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (archive->lock_fd < 0) return bk_reason_set(reason, BK_EIO, "%s: %s", path, strerror(errno));
    if (flock(archive->lock_fd, LOCK_EX | LOCK_NB) == 0) return BK_OK;
    return bk_reason_set(reason, BK_EAGAIN, "%s: another process writes this archive", path);
}

static int open_folder(struct bk_archive *archive, struct bk_reason *reason)
{
    char path[ARCHIVE_PATH_MAX];
    int code = make_folder(archive->dir, reason);
    if (!code) code = lock_folder(archive, reason);
    if (code) return code;
    snprintf(path, sizeof path, "%s/" ARCHIVE_LOG_NAME, archive->dir);
    code = read_log_file(archive, path, reason);
    return code == BK_ENOENT ? write_log_file(archive, reason) : code;
}

static void free_archive(struct bk_archive *archive)
{
    for (size_t i = 0; i < archive->parts_count; i++) {
        close_file(archive->parts[i]);
        bk__log_block_deinit(&archive->parts[i]->block);
        free(archive->parts[i]);
    }
    if (archive->lock_fd >= 0) close(archive->lock_fd);
    ZSTD_freeCCtx(archive->zstd);
    bk_buf_deinit(&archive->out);
    free(archive->parts);
    free(archive->dir);
    free(archive);
}

struct bk_archive *bk_archive_open(const char *dir, int *code, struct bk_reason *reason)
{
    struct bk_archive *archive = calloc(1, sizeof *archive);
    if (archive) {
        archive->lock_fd = -1;
        archive->dir = strdup(dir);
        archive->zstd = ZSTD_createCCtx();
    }
    if (!archive || !archive->dir || !archive->zstd)
        *code = bk_reason_set(reason, BK_ENOMEM, "%s: out of memory", dir);
    else
        *code = open_folder(archive, reason);
    if (*code == BK_OK) return archive;
    if (archive) free_archive(archive);
    return NULL;
}

int bk_archive_close(struct bk_archive **archive_at, struct bk_reason *reason)
{
    struct bk_archive *archive = *archive_at;
    *archive_at = NULL;
    if (!archive) return BK_OK;
    int code = archive->failed ? BK_OK : bk_archive_flush(archive, INT64_MAX, reason);
    free_archive(archive);
    return code;
}
