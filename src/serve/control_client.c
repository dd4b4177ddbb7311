/* control_client.c -- the asking side, blocking, for the command line.
 *
 * One deadline covers connecting, asking and the whole answer. The first line says how long the
 * body is, so an answer that was cut is an error and never taken for a short one.
 */
#include "basketry/control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK_BYTES = 16 << 10, RETRY_MS = 10 };

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int late(struct bk_reason *reason, const char *path)
{
    return bk_reason_set(reason, BK_EUNAVAILABLE, "%s: no answer in time", path);
}

/* Wait until the socket is ready; 0 or BK_EUNAVAILABLE at the deadline. */
static int await(int fd, short events, int64_t deadline_ms)
{
    for (;;) {
        int64_t left = deadline_ms - now_ms();
        struct pollfd ready = {.fd = fd, .events = events};
        int count = poll(&ready, 1, left > 0 ? (int)left : 0);
        if (count > 0) return 0;
        if (count == 0 || errno != EINTR) return BK_EUNAVAILABLE;
    }
}

/* Words joined by tabs, ended by a newline. */
static int write_request(struct bk_buf *line, int words, const bk_str_t *word,
                         struct bk_reason *reason)
{
    for (int i = 0; i < words; i++) {
        for (uint32_t j = 0; j < word[i].len; j++)
            if ((unsigned char)word[i].p[j] < 0x20 || word[i].p[j] == 0x7f)
                return bk_reason_set(reason, BK_EINVAL,
                                     "a word of the request holds a control character");
        if (i) bk_buf_char(line, '\t');
        bk_buf_str(line, word[i]);
    }
    if (line->len > BK_CONTROL_LINE_MAX)
        return bk_reason_set(reason, BK_EINVAL, "the request is too long (allowed %d bytes)",
                             BK_CONTROL_LINE_MAX);
    bk_buf_char(line, '\n');
    return line->failed ? bk_reason_set(reason, BK_ENOMEM, "out of memory") : 0;
}

/* A connected non-blocking socket, or a code. */
static int open_connection(const char *path, int64_t deadline_ms, struct bk_reason *reason)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        return bk_reason_set(reason, BK_EINVAL,
                             "%s: too long for a Unix socket (allowed 107 bytes)", path);
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return bk_reason_set(reason, bk_error_from_errno(errno), "socket: %s", strerror(errno));
    while (connect(fd, (struct sockaddr *)&address, sizeof address)) {
        int error = errno;
        if ((error == EAGAIN || error == EINTR) &&
            now_ms() < deadline_ms) { /* its backlog is full */
            (void)poll(NULL, 0, RETRY_MS);
            continue;
        }
        close(fd);
        if (error == EAGAIN) return late(reason, path);
        if (error == ENOENT || error == ECONNREFUSED)
            return bk_reason_set(
                reason, BK_EUNAVAILABLE,
                "nobody answers at %s: is `basketry run` running, with the same control.socket?",
                path);
        return bk_reason_set(reason, BK_EUNAVAILABLE, "%s: %s", path, strerror(error));
    }
    return fd;
}

/* A server that refuses us closes before it has read everything: what it said is worth more than
 * our EPIPE. */
static int send_all(int fd, const char *path, const struct bk_buf *line, int64_t deadline_ms,
                    struct bk_reason *reason)
{
    size_t sent = 0;
    while (sent < line->len) {
        ssize_t n = send(fd, line->p + sent, line->len - sent, MSG_NOSIGNAL);
        if (n > 0)
            sent += (size_t)n;
        else if (errno == EPIPE || errno == ECONNRESET)
            return 0;
        else if (errno == EAGAIN && await(fd, POLLOUT, deadline_ms))
            return late(reason, path);
        else if (errno != EAGAIN && errno != EINTR)
            return bk_reason_set(reason, BK_EIO, "%s: %s", path, strerror(errno));
    }
    return 0;
}

static int receive_all(int fd, const char *path, struct bk_buf *in, int64_t deadline_ms,
                       struct bk_reason *reason)
{
    char chunk[CHUNK_BYTES];
    for (;;) {
        if (await(fd, POLLIN, deadline_ms)) return late(reason, path);
        ssize_t n = recv(fd, chunk, sizeof chunk, 0);
        if (n == 0 || (n < 0 && errno == ECONNRESET))
            return 0; /* the length says whether it is whole */
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return bk_reason_set(reason, BK_EIO, "%s: %s", path, strerror(errno));
        if (n > 0) bk_buf_bytes(in, chunk, (size_t)n);
        if (in->failed || in->len > BK_CONTROL_BODY_MAX + 512)
            return bk_reason_set(reason, BK_ELIMIT, "%s: the answer is too long", path);
    }
}

static int read_answer(const char *path, const struct bk_buf *in, struct bk_buf *out,
                       struct bk_reason *reason)
{
    const char *newline = in->len ? memchr(in->p, '\n', in->len) : NULL;
    char *end;
    if (!newline) return bk_reason_set(reason, BK_EIO, "%s: the answer was cut", path);
    long code = strtol(in->p, &end, 10);
    if (end == in->p || *end != '\t' || code > 0 || code < -1000)
        return bk_reason_set(reason, BK_EIO, "%s: not an answer of Basketry", path);
    const char *text = end + 1;
    if (code) return bk_reason_set(reason, (int)code, "%.*s", (int)(newline - text), text);
    size_t len = strtoul(text, &end, 10);
    if (end != newline || len != in->len - (size_t)(newline + 1 - in->p))
        return bk_reason_set(reason, BK_EIO, "%s: the answer was cut", path);
    bk_buf_bytes(out, newline + 1, len);
    return out->failed ? bk_reason_set(reason, BK_ENOMEM, "out of memory") : 0;
}

int bk_control_ask(const char *path, int words, const bk_str_t *word, uint32_t timeout_ms,
                   struct bk_buf *out, struct bk_reason *reason)
{
    struct bk_buf line = {0}, in = {0};
    int64_t deadline_ms = now_ms() + timeout_ms;
    int code = write_request(&line, words, word, reason);
    int fd = code ? -1 : open_connection(path, deadline_ms, reason);
    if (!code && fd < 0) code = fd;
    if (!code) code = send_all(fd, path, &line, deadline_ms, reason);
    if (!code) code = receive_all(fd, path, &in, deadline_ms, reason);
    if (!code) code = read_answer(path, &in, out, reason);
    if (fd >= 0) close(fd);
    bk_buf_deinit(&line);
    bk_buf_deinit(&in);
    return code;
}
