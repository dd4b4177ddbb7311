/* lines.c -- the lines of a plain, gzip or zstd file, streamed through two bounded buffers.
 *
 * THE IDEA
 *      file --read--> in (stored bytes) --decode--> out (text) --split--> one line at a time
 *   What a line needs is that it lies in `out` in one piece. So `out` is as large as the longest
 *   line allowed and one decoding step more; when no line end is in sight, what is there moves to
 *   the front and more is decoded behind it. A line that still has no end at the limit is
 *   over-long: it is let go as it comes. The three decoders share one step: "put some text into
 *   this room, tell how much".
 * INVARIANTS
 *   I1 out[from..to) is text not handed out yet; out[from..seen) holds no line end. I2 a compressed
 *   stream that ends inside a member is damage, however much text came out of it.
 * COST
 *   line_bytes_max + 192 KiB, and the decoder's own window (zstd: at most 128 MiB, a hostile
 *   file's).
 */
#include "basketry/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

enum { IN_BYTES = 64 << 10, OUT_STEP_BYTES = 128 << 10 };

enum kind { KIND_PLAIN, KIND_GZIP, KIND_ZSTD };

struct bk_lines {
    char *path;
    int fd;
    enum kind kind;
    uint64_t read_bytes, total_bytes, number;
    char *in;
    size_t in_at, in_len;
    bool in_end;      /* the file has no more bytes               */
    bool member_open; /* inside a compressed member               */
    char *out;
    size_t out_cap, from, seen, to;
    bool out_end; /* no more text will come                   */
    bool ended;   /* the last line handed out had its end     */
    size_t line_bytes_max;
    z_stream gzip;
    bool gzip_ready;
    ZSTD_DStream *zstd;
    int err;          /* sticky: BK_EIO or BK_ECORRUPT            */
    const char *what; /* and in words                             */
};

/* ---- stored bytes ---- */

static int stick(struct bk_lines *lines, int err, const char *what)
{
    lines->err = err;
    lines->what = what;
    return err;
}

/** Have at least one stored byte at hand, or know that there is none. */
static int fill_in(struct bk_lines *lines)
{
    while (lines->in_at == lines->in_len && !lines->in_end) {
        ssize_t got = read(lines->fd, lines->in, IN_BYTES);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return stick(lines, BK_EIO, strerror(errno));
        lines->in_at = 0;
        lines->in_len = (size_t)got;
        lines->read_bytes += (uint64_t)got;
        lines->in_end = got == 0;
    }
    return BK_OK;
}

/* ---- the three decoders: text into `room`, at least a byte or the end ---- */

static int decode_plain(struct bk_lines *lines, char *room, size_t cap, size_t *got)
{
    size_t len = lines->in_len - lines->in_at;
    *got = len < cap ? len : cap;
    memcpy(room, lines->in + lines->in_at, *got);
    lines->in_at += *got;
    return BK_OK;
}

static int decode_gzip(struct bk_lines *lines, char *room, size_t cap, size_t *got)
{
    z_stream *z = &lines->gzip;
    z->next_in = (Bytef *)(lines->in + lines->in_at);
    z->avail_in = (uInt)(lines->in_len - lines->in_at);
    z->next_out = (Bytef *)room;
    z->avail_out = (uInt)cap;
    int rc = inflate(z, Z_NO_FLUSH);
    lines->in_at = lines->in_len - z->avail_in;
    *got = cap - z->avail_out;
    if (rc == Z_STREAM_END) {
        lines->member_open = false;
        rc = inflateReset(z); /* another member may follow */
    } else {
        lines->member_open = true;
    }
    if (rc == Z_OK || rc == Z_BUF_ERROR) return BK_OK;
    return stick(lines, rc == Z_MEM_ERROR ? BK_EIO : BK_ECORRUPT, "the gzip stream is damaged");
}

static int decode_zstd(struct bk_lines *lines, char *room, size_t cap, size_t *got)
{
    ZSTD_inBuffer in = {lines->in, lines->in_len, lines->in_at};
    ZSTD_outBuffer out = {room, cap, 0};
    size_t rc = ZSTD_decompressStream(lines->zstd, &out, &in);
    lines->in_at = in.pos;
    *got = out.pos;
    if (ZSTD_isError(rc)) return stick(lines, BK_ECORRUPT, ZSTD_getErrorName(rc));
    lines->member_open = rc != 0;
    return BK_OK;
}

/** The decoder may hold text back for lack of room, so it is asked once more after the last stored
 *  byte. */
static int decode(struct bk_lines *lines, char *room, size_t cap, size_t *got)
{
    int err;
    *got = 0;
    while (*got == 0 && !lines->out_end) {
        if ((err = fill_in(lines)) != BK_OK) return err;
        bool dry = lines->in_at == lines->in_len;
        if (dry && !lines->member_open) {
            lines->out_end = true;
            break;
        }
        switch (lines->kind) {
        case KIND_PLAIN:
            err = decode_plain(lines, room, cap, got);
            break;
        case KIND_GZIP:
            err = decode_gzip(lines, room, cap, got);
            break;
        case KIND_ZSTD:
            err = decode_zstd(lines, room, cap, got);
            break;
        }
        if (err) return err;
        if (dry && *got == 0 && lines->member_open)
            return stick(lines, BK_ECORRUPT, "the compressed stream ends too early");
    }
    return BK_OK;
}

/* ---- lines ---- */

/** More text behind what is there; what is there moves to the front first. */
static int fill_out(struct bk_lines *lines)
{
    size_t got;
    memmove(lines->out, lines->out + lines->from, lines->to - lines->from);
    lines->to -= lines->from;
    lines->seen -= lines->from;
    lines->from = 0;
    int err = decode(lines, lines->out + lines->to, lines->out_cap - lines->to, &got);
    if (!err) lines->to += got;
    return err;
}

/** The next line end at or behind `seen`, or NULL; `seen` follows. */
static char *find_end(struct bk_lines *lines)
{
    char *end = memchr(lines->out + lines->seen, '\n', lines->to - lines->seen);
    lines->seen = end ? (size_t)(end - lines->out) : lines->to;
    return end;
}

static int say(struct bk_lines *lines, int err, const char *what, struct bk_reason *reason)
{
    return bk_reason_set(reason, err, "%s line %llu (stored byte %llu): %s", lines->path,
                         (unsigned long long)lines->number,
                         (unsigned long long)(lines->read_bytes - (lines->in_len - lines->in_at)),
                         what);
}

/** Pass over the rest of a line that is longer than allowed. */
static int skip_line(struct bk_lines *lines, struct bk_reason *reason)
{
    while (!find_end(lines) && !lines->out_end) {
        lines->from = lines->seen;
        if (fill_out(lines) != BK_OK) return say(lines, lines->err, lines->what, reason);
    }
    lines->from = lines->seen < lines->to ? lines->seen + 1 : lines->to;
    lines->seen = lines->from;
    return say(lines, BK_ELIMIT, "the line is longer than allowed; skipped", reason);
}

static int hand_out(struct bk_lines *lines, size_t end, bk_str_t *line)
{
    size_t len = end - lines->from;
    const char *p = lines->out + lines->from;
    if (len && p[len - 1] == '\r') len--;
    *line = bk_str(p, len);
    lines->ended = end < lines->to;
    lines->from = lines->seen = lines->ended ? end + 1 : end;
    return 1;
}

int bk_lines_next(struct bk_lines *lines, bk_str_t *line, struct bk_reason *reason)
{
    if (lines->err) return say(lines, lines->err, lines->what, reason);
    lines->number++;
    while (!find_end(lines) && !lines->out_end) {
        if (lines->to - lines->from > lines->line_bytes_max + 1) return skip_line(lines, reason);
        if (fill_out(lines) != BK_OK) return say(lines, lines->err, lines->what, reason);
    }
    if (lines->from == lines->to) {
        lines->number--; /* no line: the end */
        return 0;
    }
    size_t len = lines->seen - lines->from;
    if (len && lines->out[lines->seen - 1] == '\r') len--;
    if (len > lines->line_bytes_max) return skip_line(lines, reason);
    return hand_out(lines, lines->seen, line);
}

uint64_t bk_lines_number(const struct bk_lines *lines)
{
    return lines->number;
}

bool bk_lines_ended(const struct bk_lines *lines)
{
    return lines->ended;
}

void bk_lines_progress(const struct bk_lines *lines, uint64_t *done_bytes, uint64_t *total_bytes)
{
    *done_bytes = lines->read_bytes - (lines->in_len - lines->in_at);
    *total_bytes = lines->total_bytes;
}

/* ---- opening and closing ---- */

static void open_file(struct bk_lines *lines)
{
    struct stat st;
    bool is_stdin = strcmp(lines->path, "-") == 0;
    lines->fd = is_stdin ? dup(STDIN_FILENO) : open(lines->path, O_RDONLY | O_CLOEXEC);
    if (lines->fd < 0 || fstat(lines->fd, &st) < 0)
        stick(lines, bk_error_from_errno(errno), strerror(errno));
    else if (S_ISDIR(st.st_mode))
        stick(lines, BK_EIO, "is a directory");
    else if (S_ISREG(st.st_mode))
        lines->total_bytes = (uint64_t)st.st_size;
}

/** Four bytes tell; a pipe may give them one by one. */
static int detect(struct bk_lines *lines)
{
    while (lines->in_len < 4 && !lines->in_end) {
        ssize_t got = read(lines->fd, lines->in + lines->in_len, IN_BYTES - lines->in_len);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return stick(lines, BK_EIO, strerror(errno));
        lines->in_len += (size_t)got;
        lines->in_end = got == 0;
    }
    lines->read_bytes = lines->in_len;
    if (lines->in_len >= 2 && memcmp(lines->in, "\x1f\x8b", 2) == 0)
        lines->kind = KIND_GZIP;
    else if (lines->in_len >= 4 && memcmp(lines->in, "\x28\xb5\x2f\xfd", 4) == 0)
        lines->kind = KIND_ZSTD;
    return BK_OK;
}

static int open_decoder(struct bk_lines *lines)
{
    if (lines->kind == KIND_GZIP) {
        lines->gzip_ready = inflateInit2(&lines->gzip, 15 + 16) == Z_OK;
        return lines->gzip_ready ? BK_OK : stick(lines, BK_ENOMEM, "no memory");
    }
    if (lines->kind == KIND_ZSTD) {
        lines->zstd = ZSTD_createDStream();
        return lines->zstd ? BK_OK : stick(lines, BK_ENOMEM, "no memory");
    }
    return BK_OK;
}

struct bk_lines *bk_lines_open(const char *path, size_t line_bytes_max, struct bk_reason *reason)
{
    BK_ASSERT(line_bytes_max >= 1 && line_bytes_max < UINT32_MAX);
    struct bk_lines *lines = calloc(1, sizeof *lines);
    if (!lines) {
        bk_reason_set(reason, BK_ENOMEM, "%s: no memory", path);
        return NULL;
    }
    lines->fd = -1;
    lines->line_bytes_max = line_bytes_max;
    lines->out_cap = line_bytes_max + 2 + OUT_STEP_BYTES;
    lines->path = strdup(path);
    lines->in = malloc(IN_BYTES);
    lines->out = malloc(lines->out_cap);
    if (!lines->path || !lines->in || !lines->out)
        stick(lines, BK_ENOMEM, "no memory");
    else
        open_file(lines);
    if (!lines->err) detect(lines);
    if (!lines->err) open_decoder(lines);
    if (lines->err) {
        bk_reason_set(reason, lines->err, "%s: %s", path, lines->what);
        bk_lines_close(&lines);
    }
    return lines;
}

void bk_lines_close(struct bk_lines **lines_at)
{
    struct bk_lines *lines = *lines_at;
    if (!lines) return;
    if (lines->gzip_ready) inflateEnd(&lines->gzip);
    ZSTD_freeDStream(lines->zstd); /* NULL is fine */
    if (lines->fd >= 0) close(lines->fd);
    free(lines->path);
    free(lines->in);
    free(lines->out);
    free(lines);
    *lines_at = NULL;
}
