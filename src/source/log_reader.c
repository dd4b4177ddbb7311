/* log_reader.c -- a log read from files: an archive's folder, or the one file that import wrote.
 *
 * THE IDEA
 *   Each partition is a row of blocks, in one file or spread over days. A partition has one block
 *   unpacked at a time, and stands at one record of it; a heap of partitions hands over the record
 *   with the least timestamp (equal: facts before events, then the lower number). So partitions are
 *   interleaved as they were written, the order inside each is kept, and the order is the same
 *   every time. Blocks outside the wanted times and offsets are passed over by their heads.
 * INVARIANTS
 *   I1 blocks of a partition join without a hole, but for the gaps that the archive marked: a file
 *      or block that is missing is damage, and is named.
 *   I2 damage ends its own partition; the others are read to their ends, and then it is told.
 *   I3 only an archive's newest file may lack its seal, and only there a torn tail is passed over:
 *      its writer may be at work.
 * COST
 *   A block of 1 MiB a partition; a record costs its decoding and log2(partitions) comparisons.
 */
#define _GNU_SOURCE /* memmem */
#include "archive_folder.h"
#include "log_block.h"

#include "basketry/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <zstd.h>

struct reader_part {
    struct bk_log_part info;
    struct archive_files files; /* a folder's; none when the log is one file    */
    size_t file_at;
    struct log_file file; /* a folder's file under way                    */
    bool loaded;
    size_t block_at;
    struct bk_buf plain;
    struct log_cursor cursor;
    bool in_block;
    int64_t start; /* offsets below are passed over               */
    struct bk_record record;
};

struct bk_log_reader {
    char *path;
    bool is_whole;
    struct log_file whole; /* the one file                                 */
    struct reader_part *parts;
    size_t parts_count;
    size_t *heap; /* parts by their record; the root's is the one that was handed over */
    size_t heap_count;
    bool started;
    struct bk_log_range range;
    struct bk_buf packed;
    ZSTD_DCtx *zstd;
    int fault; /* the first one met; told when the rest is read */
    struct bk_reason fault_reason;
};

/* ---- blocks ---- */

static const struct log_file *file_of(const struct bk_log_reader *reader,
                                      const struct reader_part *part)
{
    return reader->is_whole ? &reader->whole : &part->file;
}

static bool is_newest(const struct reader_part *part)
{
    return part->file_at + 1 == part->files.count;
}

/** The index of the folder's next file. 0 or a code. */
static int load_file(struct reader_part *part, struct bk_reason *reason)
{
    const char *path = part->files.paths[part->file_at];
    int code = bk__log_file_load(&part->file, path, reason);
    part->loaded = true;
    part->block_at = 0;
    part->info.files++;
    if (code == BK_ECORRUPT && is_newest(part) && part->file.bytes < LOG_HEAD_BYTES) {
        part->file.fault = NULL; /* just being made: it holds nothing yet */
        return BK_OK;
    }
    if (code) return code;
    const struct log_file_head *head = &part->file.head;
    if (head->kind != LOG_KIND_DAY || head->topic != (int32_t)part->info.topic ||
        head->partition != part->info.partition || head->from != part->files.from[part->file_at])
        return bk__log_fault(reason, path, "the file is not what its name says", 0);
    return BK_OK;
}

/** All blocks of the file were seen: was that all of the file? */
static int end_file(const struct bk_log_reader *reader, struct reader_part *part,
                    struct bk_reason *reason)
{
    const struct log_file *file = file_of(reader, part);
    bool is_torn = !reader->is_whole && is_newest(part) && !file->sealed && !file->damaged;
    if (file->fault && !is_torn) return bk__log_fault(reason, file->path, file->fault, file->good);
    if (reader->is_whole && !file->sealed)
        return bk__log_fault(reason, file->path, "the writer did not close the file, which ends",
                             file->good);
    if (!reader->is_whole && !file->sealed && !is_newest(part))
        return bk__log_fault(reason, file->path, "a file that is not the newest has no seal",
                             file->good);
    if (reader->is_whole) return BK_OK;
    bk__log_file_deinit(&part->file);
    part->loaded = false;
    part->file_at++;
    return BK_OK;
}

/** Does this block join what was read so far? */
static int check_joint(const struct log_file *file, struct reader_part *part, size_t i,
                       struct bk_reason *reason)
{
    const struct log_block_head *head = &file->blocks[i];
    int64_t due = part->info.next;
    part->info.next = head->to;
    if (due < 0 || head->from == due) return BK_OK;
    if (head->from > due && head->flags & LOG_BLOCK_GAP) {
        part->info.gaps++;
        part->info.gap_records += (uint64_t)(head->from - due);
        return BK_OK;
    }
    char what[96];
    snprintf(what, sizeof what, "offset %lld is due, and %lld stands there,", (long long)due,
             (long long)head->from);
    return bk__log_fault(reason, file->path, what, file->at[i]);
}

static bool is_wanted(const struct bk_log_reader *reader, const struct reader_part *part,
                      const struct log_block_head *head)
{
    const struct bk_log_range *range = &reader->range;
    return head->records > 0 && head->to > part->start && head->max_ms >= range->from_ms &&
           (range->to_ms == 0 || head->min_ms < range->to_ms);
}

static int open_block(struct bk_log_reader *reader, struct reader_part *part, size_t i,
                      struct bk_reason *reason)
{
    const struct log_file *file = file_of(reader, part);
    bk_str_t needle = reader->range.needle;
    int code = bk__log_block_open(file, i, reader->zstd, &reader->packed, &part->plain,
                                  &part->cursor, reason);
    if (code) return code;
    part->info.blocks++;
    part->info.packed_bytes += LOG_HEAD_BYTES + (uint64_t)reader->packed.len;
    part->in_block =
        needle.len == 0 || memmem(part->plain.p, part->plain.len, needle.p, needle.len) != NULL;
    return BK_OK;
}

/** On to the next block that is wanted. 1, 0 at the partition's end, or a code. */
static int next_block(struct bk_log_reader *reader, struct reader_part *part,
                      struct bk_reason *reason)
{
    while (!part->in_block) {
        if (!reader->is_whole && !part->loaded) {
            if (part->file_at == part->files.count) return 0;
            int code = load_file(part, reason);
            if (code) return code;
        }
        const struct log_file *file = file_of(reader, part);
        if (part->block_at == file->count) {
            int code = end_file(reader, part, reason);
            if (code) return code;
            if (reader->is_whole) return 0;
            continue;
        }
        size_t i = part->block_at++;
        const struct log_block_head *head = &file->blocks[i];
        if (head->topic != part->info.topic || head->partition != part->info.partition) continue;
        int code = check_joint(file, part, i, reason);
        if (!code && is_wanted(reader, part, head)) code = open_block(reader, part, i, reason);
        if (code) return code;
    }
    return 1;
}

/** Stand at the partition's next record that is wanted. 1, 0 at its end, or a code. */
static int advance(struct bk_log_reader *reader, struct reader_part *part, struct bk_reason *reason)
{
    const struct bk_log_range *range = &reader->range;
    bk_str_t headers;
    for (;;) {
        int code = next_block(reader, part, reason);
        if (code <= 0) return code;
        code = bk__log_cursor_next(&part->cursor, &part->record, &headers);
        if (code < 0) {
            const struct log_file *file = file_of(reader, part);
            return bk__log_fault(reason, file->path, "a block holds no records",
                                 file->at[part->block_at - 1]);
        }
        part->in_block = code == 1;
        if (code == 1 && part->record.offset >= part->start &&
            part->record.timestamp_ms >= range->from_ms &&
            (range->to_ms == 0 || part->record.timestamp_ms < range->to_ms))
            return 1;
    }
}

/* ---- the heap ---- */

static bool goes_before(const struct bk_log_reader *reader, size_t a, size_t b)
{
    int64_t left = reader->parts[a].record.timestamp_ms,
            right = reader->parts[b].record.timestamp_ms;
    return left != right ? left < right : a < b;
}

static void sift_down(struct bk_log_reader *reader, size_t at)
{
    for (;;) {
        size_t child = 2 * at + 1, least = at;
        for (size_t i = child; i < child + 2 && i < reader->heap_count; i++)
            if (goes_before(reader, reader->heap[i], reader->heap[least])) least = i;
        if (least == at) return;
        size_t moved = reader->heap[at];
        reader->heap[at] = reader->heap[least];
        reader->heap[least] = moved;
        at = least;
    }
}

/** What `advance` said of a partition that ended with damage is kept for the end. */
static bool has_record(struct bk_log_reader *reader, struct reader_part *part)
{
    struct bk_reason reason = {""};
    int code = advance(reader, part, &reason);
    if (code < 0 && !reader->fault) {
        reader->fault = code;
        reader->fault_reason = reason;
    }
    return code == 1;
}

static void start(struct bk_log_reader *reader)
{
    reader->started = true;
    for (size_t i = 0; i < reader->parts_count; i++) {
        unsigned bit = 1u << reader->parts[i].info.topic;
        if (reader->range.topics & bit && has_record(reader, &reader->parts[i]))
            reader->heap[reader->heap_count++] = i;
    }
    for (size_t i = reader->heap_count / 2; i-- > 0;) sift_down(reader, i);
}

static void go_on(struct bk_log_reader *reader)
{
    if (reader->heap_count == 0) return;
    if (!has_record(reader, &reader->parts[reader->heap[0]]))
        reader->heap[0] = reader->heap[--reader->heap_count];
    sift_down(reader, 0);
}

int bk_log_reader_next(struct bk_log_reader *reader, struct bk_record *record,
                       struct bk_reason *reason)
{
    if (reader->started)
        go_on(reader);
    else
        start(reader);
    if (reader->heap_count > 0) {
        *record = reader->parts[reader->heap[0]].record;
        return 1;
    }
    return reader->fault ? bk_reason_set(reason, reader->fault, "%s", reader->fault_reason.text)
                         : 0;
}

/* ---- ranges ---- */

int bk_log_reader_begin(struct bk_log_reader *reader, const struct bk_log_range *range,
                        struct bk_reason *reason)
{
    if (range->to_ms && range->to_ms <= range->from_ms)
        return bk_reason_set(reason, BK_EINVAL, "the range ends before it begins");
    reader->range = *range;
    if (!range->topics) reader->range.topics = (1u << BK_TOPIC_COUNT) - 1;
    if (!range->from_ms) reader->range.from_ms = INT64_MIN;
    reader->heap_count = 0;
    reader->started = false;
    reader->fault = BK_OK;
    for (size_t i = 0; i < reader->parts_count; i++) {
        struct reader_part *part = &reader->parts[i];
        if (part->loaded) bk__log_file_deinit(&part->file);
        part->loaded = part->in_block = false;
        part->file_at = part->block_at = 0;
        part->start = 0;
        part->info.next = part->info.covered ? part->info.from : -1;
        part->info.gaps = part->info.gap_records = part->info.files = part->info.blocks = 0;
        part->info.packed_bytes = 0;
    }
    return BK_OK;
}

int bk_log_reader_skip(struct bk_log_reader *reader, size_t i, int64_t offset,
                       struct bk_reason *reason)
{
    struct reader_part *part = &reader->parts[i];
    BK_ASSERT(!reader->started);
    if (offset > 0 && (!part->info.covered || offset < part->info.from))
        return bk_reason_set(reason, BK_ENOENT,
                             "%s: offset %lld of %s/%d is not in the log, which begins at %lld",
                             reader->path, (long long)offset, bk_topic_role(part->info.topic),
                             part->info.partition, (long long)part->info.from);
    part->start = offset;
    return BK_OK;
}

size_t bk_log_reader_parts(const struct bk_log_reader *reader)
{
    return reader->parts_count;
}

const struct bk_log_part *bk_log_reader_part(const struct bk_log_reader *reader, size_t part)
{
    return &reader->parts[part].info;
}

/* ---- opening ---- */

/** Facts first, then the partitions of shop.events. */
static int make_parts(struct bk_log_reader *reader, const int32_t counts[BK_TOPIC_COUNT],
                      struct bk_reason *reason)
{
    size_t count = 0, at = 0;
    for (int topic = 0; topic < BK_TOPIC_COUNT; topic++) count += (size_t)counts[topic];
    reader->parts = calloc(count + 1, sizeof *reader->parts);
    reader->heap = calloc(count + 1, sizeof *reader->heap);
    if (!reader->parts || !reader->heap)
        return bk_reason_set(reason, BK_ENOMEM, "%s: no memory", reader->path);
    for (int i = 1; i <= BK_TOPIC_COUNT; i++) {
        int topic = i % BK_TOPIC_COUNT;
        for (int32_t partition = 0; partition < counts[topic]; partition++)
            reader->parts[at++].info = (struct bk_log_part){
                .topic = (enum bk_topic)topic, .partition = partition, .next = -1};
    }
    reader->parts_count = count;
    return BK_OK;
}

static int open_whole(struct bk_log_reader *reader, struct bk_reason *reason)
{
    int code = bk__log_file_load(&reader->whole, reader->path, reason);
    if (code) return code;
    if (reader->whole.head.kind != LOG_KIND_WHOLE)
        return bk_reason_set(reason, BK_EINVAL,
                             "%s: one day of an archive; give the archive's folder", reader->path);
    int32_t counts[BK_TOPIC_COUNT] = {reader->whole.head.partitions, 1, 1, 1};
    reader->is_whole = true;
    code = make_parts(reader, counts, reason);
    for (size_t i = 0; i < reader->parts_count; i++) reader->parts[i].info.covered = true;
    return code;
}

static int open_folder(struct bk_log_reader *reader, struct bk_reason *reason)
{
    char path[ARCHIVE_PATH_MAX];
    struct stat st;
    int32_t counts[BK_TOPIC_COUNT];
    snprintf(path, sizeof path, "%s/" ARCHIVE_LOG_NAME, reader->path);
    if (stat(path, &st) != 0)
        return bk_reason_set(reason, BK_EINVAL, "%s: not an archive: it holds no file %s",
                             reader->path, ARCHIVE_LOG_NAME);
    for (int topic = 0; topic < BK_TOPIC_COUNT; topic++)
        counts[topic] = bk__archive_partitions(reader->path, (enum bk_topic)topic);
    int code = make_parts(reader, counts, reason);
    for (size_t i = 0; i < reader->parts_count && !code; i++) {
        struct reader_part *part = &reader->parts[i];
        if (!bk__archive_part_path(path, reader->path, part->info.topic, part->info.partition))
            return bk_reason_set(reason, BK_EINVAL, "%s: the path is too long", reader->path);
        code = bk__archive_list(&part->files, path, reason);
        part->info.covered = part->files.count > 0;
        part->info.from = part->info.covered ? part->files.from[0] : 0;
    }
    return code;
}

struct bk_log_reader *bk_log_reader_open(const char *path, struct bk_reason *reason)
{
    static const struct bk_log_range everything = {0};
    struct stat st;
    struct bk_log_reader *reader = calloc(1, sizeof *reader);
    if (reader) {
        reader->path = strdup(path);
        reader->zstd = ZSTD_createDCtx();
    }
    int code = BK_OK;
    if (!reader || !reader->path || !reader->zstd)
        code = bk_reason_set(reason, BK_ENOMEM, "%s: no memory", path);
    else if (stat(path, &st) != 0)
        code = bk_reason_set(reason, bk_error_from_errno(errno), "%s: %s", path, strerror(errno));
    else
        code = S_ISDIR(st.st_mode) ? open_folder(reader, reason) : open_whole(reader, reason);
    if (!code) code = bk_log_reader_begin(reader, &everything, reason);
    if (code && reader) bk_log_reader_close(&reader);
    return reader;
}

void bk_log_reader_close(struct bk_log_reader **reader_at)
{
    struct bk_log_reader *reader = *reader_at;
    if (!reader) return;
    *reader_at = NULL;
    for (size_t i = 0; reader->parts && i < reader->parts_count; i++) {
        if (reader->parts[i].loaded) bk__log_file_deinit(&reader->parts[i].file);
        bk__archive_files_deinit(&reader->parts[i].files);
        bk_buf_deinit(&reader->parts[i].plain);
    }
    bk__log_file_deinit(&reader->whole);
    bk_buf_deinit(&reader->packed);
    ZSTD_freeDCtx(reader->zstd);
    free(reader->parts);
    free(reader->heap);
    free(reader->path);
    free(reader);
}
