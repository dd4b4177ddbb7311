/* mark.c -- how far an import came.
 *
 * THE IDEA
 *   The same files give the same sequence of records. The mark says how many of them are safe in
 *   Kafka; started again, the import makes the sequence again and skips so many. What was sent but
 *   not yet marked is sent twice, and the engine knows those events by their ids: they are fewer
 *   than it remembers.
 * IDENTITY
 *   of an input: its size and a hash of its first and last 64 KiB; of the whole, in the order given,
 *   with the words that change what comes out (format, mapping, --drop, ...).
 * FORMAT  one line: basketry-import 1 <identity, hexadecimal> <done> open|complete
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basketry/import.h"

enum { END_BYTES = 64 << 10, MARK_BYTES = 128 };

/* ---- identity ---- */

static int io(struct bk_reason *reason, const char *path)
{
    return bk_reason_set(reason, bk_error_from_errno(errno), "%s: %s", path, strerror(errno));
}

/* The hash of the bytes from `from` on, at most END_BYTES. */
static bool hash_part(int fd, off_t from, char *bytes, uint64_t *identity)
{
    size_t len = 0;
    while (len < END_BYTES) {
        ssize_t got = pread(fd, bytes + len, END_BYTES - len, from + (off_t)len);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return false;
        if (got == 0) break;
        len += (size_t)got;
    }
    *identity = bk_mix(*identity ^ bk_hash(bytes, len));
    return true;
}

static int add_file(const char *path, uint64_t *identity, struct bk_reason *reason)
{
    struct stat st;
    char *bytes = malloc(END_BYTES);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int code = BK_OK;
    if (!bytes) code = bk_reason_set(reason, BK_ENOMEM, "%s: out of memory", path);
    if (!code && (fd < 0 || fstat(fd, &st) < 0)) code = io(reason, path);
    if (!code && !S_ISREG(st.st_mode))
        code = bk_reason_set(reason, BK_EINVAL, "%s: --resume needs files, not a pipe", path);
    if (!code) {
        off_t last = st.st_size > END_BYTES ? st.st_size - END_BYTES : 0;
        *identity = bk_mix(*identity ^ (uint64_t)st.st_size);
        if (!hash_part(fd, 0, bytes, identity) || !hash_part(fd, last, bytes, identity))
            code = io(reason, path);
    }
    if (fd >= 0) close(fd);
    free(bytes);
    return code;
}

int bk_import_identity(const struct bk_import_file *files, size_t count, bk_str_t words,
                       uint64_t *identity, struct bk_reason *reason)
{
    int code = BK_OK;
    *identity = bk_hash(words.p, words.len);
    for (size_t i = 0; i < count && !code; i++) code = add_file(files[i].path, identity, reason);
    return code;
}

/* ---- the file ---- */

int bk_import_mark_read(const char *path, struct bk_import_mark *mark, struct bk_reason *reason)
{
    char text[MARK_BYTES] = "", state[16] = "";
    FILE *file = fopen(path, "re");
    if (!file && errno == ENOENT) return BK_ENOENT;
    if (!file) return io(reason, path);
    size_t len = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[len] = '\0';
    int got = sscanf(text, "basketry-import 1 %16" SCNx64 " %20" SCNu64 " %15s", &mark->identity,
                     &mark->done, state);
    mark->complete = strcmp(state, "complete") == 0;
    if (got == 3 && (mark->complete || strcmp(state, "open") == 0)) return BK_OK;
    return bk_reason_set(reason, BK_EINVAL, "%s:1:1: not the mark of an import", path);
}

int bk_import_mark_write(const char *path, const struct bk_import_mark *mark,
                         struct bk_reason *reason)
{
    char text[MARK_BYTES];
    size_t path_bytes = strlen(path) + sizeof ".new";
    char *fresh = malloc(path_bytes);
    if (!fresh) return bk_reason_set(reason, BK_ENOMEM, "%s: out of memory", path);
    snprintf(fresh, path_bytes, "%s.new", path);
    int len = snprintf(text, sizeof text, "basketry-import 1 %016" PRIx64 " %" PRIu64 " %s\n",
                       mark->identity, mark->done, mark->complete ? "complete" : "open");
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    bool written = fd >= 0 && write(fd, text, (size_t)len) == len && fsync(fd) == 0;
    if (fd >= 0 && close(fd) != 0) written = false;
    int code = written && rename(fresh, path) == 0 ? BK_OK : io(reason, path);
    free(fresh);
    return code;
}
