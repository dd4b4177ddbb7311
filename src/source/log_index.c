/* log_index.c -- one log file: its head, the heads of its blocks, and any block of it unpacked.
 *
 * THE IDEA
 *   A sealed file's index is read from its end. A file without a seal (the archive's newest, or one
 *   whose writer died) is walked, head by head. Where the walk ends before the file does, the
 *   question is whether that is a torn tail -- the write that a crash cut short, which the archive
 *   cuts off and Kafka repeats -- or damage: then whole blocks follow, and nothing may be cut.
 * COST
 *   Sealed: three reads. Else one read a block, and the last block's check.
 *   No file stays open between two calls: a thousand partitions need no thousand descriptors, and
 *   a file that an erasure replaced meanwhile is noticed by its index.
 */
#include "log_block.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

int bk__log_fault(struct bk_reason *reason, const char *path, const char *what, uint64_t at)
{
    return bk_reason_set(reason, BK_ECORRUPT, "%s: %s at byte %llu", path, what,
                         (unsigned long long)at);
}

int bk__log_write_all(int fd, const void *bytes, size_t len)
{
    const char *p = bytes;
    while (len > 0) {
        ssize_t wrote = write(fd, p, len);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote <= 0) return BK_EIO;
        p += wrote;
        len -= (size_t)wrote;
    }
    return BK_OK;
}

/** Make room for `len` bytes and forget what was there. */
static bool make_room(struct bk_buf *buf, size_t len)
{
    bk_buf_reset(buf);
    if (buf->cap > len) return true;
    char *grown = realloc(buf->p, len + 1);
    if (!grown) return false;
    buf->p = grown;
    buf->cap = len + 1;
    return true;
}

/** pread(2) all of it; false with errno, 0 when the file ends before. */
static bool read_at(int fd, void *out, size_t len, uint64_t at)
{
    char *p = out;
    while (len > 0) {
        ssize_t got = pread(fd, p, len, (off_t)at);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) {
            if (got == 0) errno = 0;
            return false;
        }
        p += got;
        at += (uint64_t)got;
        len -= (size_t)got;
    }
    return true;
}

static int read_fault(struct bk_reason *reason, const char *path, uint64_t at)
{
    if (errno) return bk_reason_set(reason, BK_EIO, "%s: %s", path, strerror(errno));
    return bk__log_fault(reason, path, "the file ends too early", at);
}

/* ---- the head ---- */

static int take_head(struct log_file *file, int fd, struct bk_reason *reason)
{
    char first[8] = "";
    static const char old[8] = "BKLOG\r\n";
    if (file->bytes >= sizeof first && !read_at(fd, first, sizeof first, 0))
        return read_fault(reason, file->path, 0);
    if (memcmp(first, old, sizeof old) == 0)
        return bk_reason_set(reason, BK_EUNSUPPORTED,
                             "%s: version 1 of the log file; this build reads %d: import again",
                             file->path, LOG_VERSION);
    if (file->bytes < LOG_HEAD_BYTES)
        return bk_reason_set(reason, BK_ECORRUPT,
                             "%s: not a log file: it ends inside its head (%llu bytes)", file->path,
                             (unsigned long long)file->bytes);
    if (!read_at(fd, &file->head, sizeof file->head, 0)) return read_fault(reason, file->path, 0);
    const char *fault = bk__log_file_head_fault(&file->head);
    if (fault) return bk__log_fault(reason, file->path, fault, 0);
    if (file->head.version != LOG_VERSION)
        return bk_reason_set(reason, BK_EUNSUPPORTED,
                             "%s: version %u of the log file; this build reads %d", file->path,
                             file->head.version, LOG_VERSION);
    return BK_OK;
}

/* ---- the index ---- */

/** May a block with this head stand in this file, behind those that are there? */
static const char *misplaced(const struct log_file *file, const struct log_block_head *head)
{
    const struct log_file_head *of = &file->head;
    if (of->kind == LOG_KIND_WHOLE) {
        int32_t parts = head->topic == BK_TOPIC_EVENTS ? of->partitions : 1;
        return head->partition < parts ? NULL : "a partition that the file does not have";
    }
    if (head->topic != of->topic || head->partition != of->partition)
        return "a block of another partition";
    int64_t due = file->count ? file->blocks[file->count - 1].to : of->from;
    if (head->from < due) return "an offset is out of order";
    return head->from > due && !(head->flags & LOG_BLOCK_GAP) ? "offsets are missing" : NULL;
}

bool bk__log_file_add(struct log_file *file, const struct log_block_head *head)
{
    if ((file->count & (file->count - 1)) == 0) { /* powers of two grow */
        size_t cap = file->count ? file->count * 2 : 1;
        struct log_block_head *blocks = realloc(file->blocks, cap * sizeof *blocks);
        if (blocks) file->blocks = blocks;
        uint64_t *at = blocks ? realloc(file->at, cap * sizeof *at) : NULL;
        if (!at) return false;
        file->at = at;
    }
    file->at[file->count] = file->good;
    file->blocks[file->count++] = *head;
    file->good += LOG_HEAD_BYTES + (uint64_t)head->packed_bytes;
    return true;
}

static int no_memory(const struct log_file *file, struct bk_reason *reason)
{
    return bk_reason_set(reason, BK_ENOMEM, "%s: out of memory", file->path);
}

/** The blocks of a seal, each in its place. */
static int place_blocks(struct log_file *file, const struct log_block_head *blocks, size_t count,
                        uint64_t seal_at, struct bk_reason *reason)
{
    for (size_t i = 0; i < count && !file->fault; i++) {
        file->fault = misplaced(file, &blocks[i]);
        if (!file->fault && file->good + LOG_HEAD_BYTES + blocks[i].packed_bytes > seal_at)
            file->fault = "a block lies over the seal";
        if (!file->fault && !bk__log_file_add(file, &blocks[i])) return no_memory(file, reason);
    }
    if (!file->fault && file->good != seal_at)
        file->fault = "bytes between the blocks and the seal";
    file->damaged = file->fault != NULL;
    file->sealed = true;
    if (!file->fault) file->good = file->bytes;
    return BK_OK;
}

/** Read the seal. `*found` says whether the file has one that is whole. */
static int take_seal(struct log_file *file, int fd, bool *found, struct bk_reason *reason)
{
    char tail[LOG_TAIL_BYTES];
    uint64_t at;
    size_t count;
    *found = false;
    if (file->bytes < LOG_HEAD_BYTES + 8 + LOG_TAIL_BYTES) return BK_OK;
    if (!read_at(fd, tail, sizeof tail, file->bytes - sizeof tail))
        return read_fault(reason, file->path, file->bytes - sizeof tail);
    if (!bk__log_is_sealed(tail, file->bytes, &at, &count)) return BK_OK;
    size_t len = (size_t)(file->bytes - at);
    char *seal = malloc(len);
    struct log_block_head *blocks = calloc(count + 1, sizeof *blocks);
    int code = seal && blocks ? BK_OK : no_memory(file, reason);
    if (!code && !read_at(fd, seal, len, at)) code = read_fault(reason, file->path, at);
    *found = !code && !bk__log_take_seal(seal, count, blocks);
    if (*found) code = place_blocks(file, blocks, count, at, reason);
    free(seal);
    free(blocks);
    return code;
}

/** Is there a whole head of a block anywhere behind `from`? Then what lies at `from` is damage. */
static bool block_follows(const struct log_file *file, int fd, uint64_t from)
{
    enum { WINDOW = 1 << 20 };
    struct log_block_head head;
    bool follows = false;
    char *bytes = malloc(WINDOW);
    for (uint64_t at = from; bytes && !follows && at + LOG_HEAD_BYTES <= file->bytes;) {
        size_t len = (size_t)bk_min_u64(WINDOW, file->bytes - at);
        if (!read_at(fd, bytes, len, at)) break;
        for (size_t i = 0; i + LOG_HEAD_BYTES <= len && !follows; i++) {
            memcpy(&head, bytes + i, sizeof head);
            follows = !bk__log_block_head_fault(&head);
        }
        at += len - LOG_HEAD_BYTES + 1;
    }
    free(bytes);
    return follows;
}

static int check_last(struct log_file *file, struct bk_reason *reason)
{
    struct bk_buf packed = {0};
    struct bk_reason ignored;
    if (file->count == 0) return BK_OK;
    int code = bk__log_block_check(file, file->count - 1, &packed, &ignored);
    bk_buf_deinit(&packed);
    if (code == BK_ECORRUPT) {
        file->good = file->at[--file->count];
        file->fault = "a block's check does not fit";
        file->damaged = false; /* the last one: torn */
        return BK_OK;
    }
    return code ? bk_reason_set(reason, code, "%s", ignored.text) : BK_OK;
}

/** No seal: from head to head. */
static int walk(struct log_file *file, int fd, struct bk_reason *reason)
{
    struct log_block_head head;
    while (file->good < file->bytes && !file->fault) {
        if (file->bytes - file->good < LOG_HEAD_BYTES)
            file->fault = "the file ends inside a block's head";
        else if (!read_at(fd, &head, sizeof head, file->good))
            return read_fault(reason, file->path, file->good);
        else if (!(file->fault = bk__log_block_head_fault(&head)) &&
                 file->bytes - file->good - LOG_HEAD_BYTES < head.packed_bytes)
            file->fault = "the file ends inside a block";
        if (file->fault) break;
        file->fault = misplaced(file, &head);
        file->damaged = file->fault != NULL;
        if (!file->fault && !bk__log_file_add(file, &head)) return no_memory(file, reason);
    }
    if (!file->fault) return check_last(file, reason);
    file->damaged = file->damaged || block_follows(file, fd, file->good + 1);
    return BK_OK;
}

int bk__log_file_load(struct log_file *file, const char *path, struct bk_reason *reason)
{
    struct stat st;
    bool sealed = false;
    *file = (struct log_file){.path = strdup(path), .good = LOG_HEAD_BYTES};
    if (!file->path) return bk_reason_set(reason, BK_ENOMEM, "%s: out of memory", path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) {
        int err = errno;
        if (fd >= 0) close(fd);
        return bk_reason_set(reason, bk_error_from_errno(err), "%s: %s", path, strerror(err));
    }
    file->bytes = (uint64_t)st.st_size;
    int code = take_head(file, fd, reason);
    if (code == BK_ECORRUPT) file->damaged = block_follows(file, fd, 0);
    if (!code) code = take_seal(file, fd, &sealed, reason);
    if (!code && !sealed) code = walk(file, fd, reason);
    close(fd);
    return code;
}

void bk__log_file_deinit(struct log_file *file)
{
    free(file->path);
    free(file->blocks);
    free(file->at);
    *file = (struct log_file){0};
}

/* ---- a block ---- */

int bk__log_block_check(const struct log_file *file, size_t i, struct bk_buf *packed,
                        struct bk_reason *reason)
{
    const struct log_block_head *head = &file->blocks[i];
    struct log_block_head there;
    int fd = open(file->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return bk_reason_set(reason, bk_error_from_errno(errno), "%s: %s", file->path,
                             strerror(errno));
    int code = make_room(packed, head->packed_bytes) ? BK_OK : no_memory(file, reason);
    if (!code && (!read_at(fd, &there, sizeof there, file->at[i]) ||
                  !read_at(fd, packed->p, head->packed_bytes, file->at[i] + sizeof there)))
        code = read_fault(reason, file->path, file->at[i]);
    close(fd);
    if (code) return code;
    packed->len = head->packed_bytes;
    if (memcmp(&there, head, sizeof there) != 0)
        return bk__log_fault(reason, file->path, "a block's head is not what the index says",
                             file->at[i]);
    if (bk_crc32c(0, packed->p, packed->len) != head->packed_check)
        return bk__log_fault(reason, file->path, "a block's check does not fit", file->at[i]);
    return BK_OK;
}

int bk__log_block_open(const struct log_file *file, size_t i, struct ZSTD_DCtx_s *zstd,
                       struct bk_buf *packed, struct bk_buf *plain, struct log_cursor *cursor,
                       struct bk_reason *reason)
{
    const struct log_block_head *head = &file->blocks[i];
    int code = bk__log_block_check(file, i, packed, reason);
    if (code) return code;
    if (ZSTD_getFrameContentSize(packed->p, packed->len) != head->plain_bytes)
        return bk__log_fault(reason, file->path, "a block's frame has another size", file->at[i]);
    if (!make_room(plain, head->plain_bytes)) return no_memory(file, reason);
    plain->len = ZSTD_decompressDCtx(zstd, plain->p, head->plain_bytes, packed->p, packed->len);
    if (plain->len != head->plain_bytes) {
        plain->len = 0;
        return bk__log_fault(reason, file->path, "a block's frame cannot be unpacked", file->at[i]);
    }
    *cursor = (struct log_cursor){.p = plain->p,
                                  .end = plain->p + plain->len,
                                  .left = head->records,
                                  .topic = (enum bk_topic)head->topic,
                                  .partition = head->partition,
                                  .next = head->from,
                                  .to = head->to};
    return BK_OK;
}
