/* control_server.c -- the control socket on the loop.
 *
 * THE IDEA
 *   A connection is a small state machine with one owner: ASKING collects one line, ANSWERING
 *   writes the answer in slices, CLOSING waits for libuv to let go. A connection is freed in its
 *   close callback and nowhere else.
 * BOUNDS
 *   connections (BK_CONTROL_CLIENTS_MAX: one more is told so and closed), bytes of a line, bytes
 *   of an answer, and time: one sweep a second ends whoever has not asked BK_CONTROL_IDLE_MS after
 *   it came, however many bytes it sent, or reads no slice in that time: a client that asks and
 *   never reads costs its buffer for ten seconds.
 * ORDER
 *   bind, chmod, listen: nobody can connect before listen, so the file is never open to others.
 */
#include "basketry/control.h"
#include "basketry/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

enum { SLICE_BYTES = 64 << 10, SWEEP_MS = 1000, BACKLOG = 16, SLOW_US = 1000 };

enum client_state { ASKING, ANSWERING, CLOSING };

struct client {
    struct bk_control *control;
    struct client *next;
    enum client_state state;
    uv_pipe_t pipe;
    uv_write_t write;
    uint64_t progress_ms; /* loop time of its begin, its question, the last slice written */
    uint32_t len;         /* of the line so far                          */
    struct bk_buf out;
    size_t sent;
    char line[BK_CONTROL_LINE_MAX + 2]; /* the line, its end, and one byte that is too many */
};

struct bk_control {
    uv_loop_t *loop;
    uv_pipe_t listener;
    uv_timer_t sweep;
    const struct bk_control_handler *handlers;
    size_t handler_count;
    void *arg;
    struct client *clients;
    uint32_t client_count;
    uint32_t handles; /* of listener and sweep, not yet closed */
    bool closing;
    struct bk_log_gate slow_gate;
    void (*closed)(void *arg);
    void *closed_arg;
};

/* ---- the end ---- */

static void finish_when_empty(struct bk_control *control)
{
    if (!control->closing || control->handles || control->clients) return;
    void (*closed)(void *) = control->closed;
    void *arg = control->closed_arg;
    free(control);
    if (closed) closed(arg);
}

static void on_client_closed(uv_handle_t *handle)
{
    struct client *client = handle->data;
    struct bk_control *control = client->control;
    struct client **at = &control->clients;
    while (*at != client) at = &(*at)->next;
    *at = client->next;
    control->client_count--;
    bk_buf_deinit(&client->out);
    free(client);
    finish_when_empty(control);
}

static void client_close(struct client *client)
{
    if (client->state == CLOSING) return;
    client->state = CLOSING;
    uv_close((uv_handle_t *)&client->pipe, on_client_closed);
}

/* ---- answering ---- */

static void on_written(uv_write_t *write, int status);

static void send_slice(struct client *client)
{
    size_t left = client->out.len - client->sent;
    if (left == 0) {
        client_close(client);
        return;
    }
    uv_buf_t slice =
        uv_buf_init(client->out.p + client->sent, (unsigned)bk_min_u64(left, SLICE_BYTES));
    client->sent += slice.len;
    if (uv_write(&client->write, (uv_stream_t *)&client->pipe, &slice, 1, on_written))
        client_close(client);
}

static void on_written(uv_write_t *write, int status)
{
    struct client *client = write->data;
    if (client->state == CLOSING) return; /* the close callback follows */
    client->progress_ms = uv_now(client->control->loop);
    if (status)
        client_close(client);
    else
        send_slice(client);
}

/* Whatever stays long on the loop makes every list older: name it. */
static void report_slow(struct bk_control *control, bk_str_t line, uint64_t spent_us)
{
    uint64_t held;
    if (spent_us < SLOW_US) return;
    if (!bk_log_gate_open(&control->slow_gate, (bk_mono_ms_t){(int64_t)uv_now(control->loop)},
                          &held))
        return;
    bk_log_warn("control", "slow_answer request=%.*s spent_us=%llu held=%llu",
                (int)strcspn(line.p, "\t\r\n"), line.p, (unsigned long long)spent_us,
                (unsigned long long)held);
}

static void answer(struct client *client, uint32_t line_len)
{
    struct bk_control *control = client->control;
    uint64_t from_ns = uv_hrtime();
    uv_read_stop((uv_stream_t *)&client->pipe);
    client->state = ANSWERING;
    client->progress_ms = uv_now(control->loop);
    client->line[line_len] = '\0';
    bk_str_t line = bk_str(client->line, line_len);
    bk_control_answer(control->handlers, control->handler_count, control->arg, line, &client->out);
    report_slow(control, line, (uv_hrtime() - from_ns) / 1000);
    if (client->out.failed)
        client_close(client);
    else
        send_slice(client);
}

/* ---- asking ---- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct client *client = handle->data;
    (void)suggested;
    *buf = uv_buf_init(client->line + client->len, (unsigned)(sizeof client->line - client->len));
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
    struct client *client = stream->data;
    (void)buf;
    if (got == 0) return;
    if (got == UV_EOF && client->len) { /* half closed: the line needs no end */
        answer(client, client->len);
        return;
    }
    if (got < 0) {
        client_close(client);
        return;
    }
    const char *newline = memchr(client->line + client->len, '\n', (size_t)got);
    client->len += (uint32_t)got; /* no progress: a whole question is */
    if (newline)
        answer(client, (uint32_t)(newline - client->line));
    else if (client->len == sizeof client->line)
        answer(client, client->len - 1); /* too long: told so, not cut */
}

static void refuse_one_more(struct client *client)
{
    char text[64];
    int len = snprintf(text, sizeof text, "%d\ttoo many connections (allowed %d)\n", BK_ELIMIT,
                       BK_CONTROL_CLIENTS_MAX);
    uv_buf_t told = uv_buf_init(text, (unsigned)len);
    (void)uv_try_write((uv_stream_t *)&client->pipe, &told, 1);
    client_close(client);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct bk_control *control = listener->data;
    struct client *client = status ? NULL : calloc(1, sizeof *client);
    if (!client) return;
    client->control = control;
    client->progress_ms = uv_now(control->loop);
    client->pipe.data = client->write.data = client;
    uv_pipe_init(control->loop, &client->pipe, 0);
    client->next = control->clients;
    control->clients = client;
    control->client_count++;
    if (uv_accept(listener, (uv_stream_t *)&client->pipe))
        client_close(client);
    else if (control->client_count > BK_CONTROL_CLIENTS_MAX)
        refuse_one_more(client);
    else if (uv_read_start((uv_stream_t *)&client->pipe, on_alloc, on_read))
        client_close(client);
}

static void on_sweep(uv_timer_t *timer)
{
    struct bk_control *control = timer->data;
    uint64_t now = uv_now(control->loop);
    for (struct client *client = control->clients; client; client = client->next)
        if (now - client->progress_ms >= BK_CONTROL_IDLE_MS) client_close(client);
}

/* ---- the socket file ---- */

/* 0: nobody answers there; else the errno, or EADDRINUSE when somebody does. */
static int probe(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return errno;
    int error = connect(fd, (struct sockaddr *)&address, sizeof address) == 0 ? EADDRINUSE : errno;
    close(fd);
    if (error == EAGAIN) return EADDRINUSE; /* its backlog is full: alive */
    return error == ECONNREFUSED || error == ENOENT ? 0 : error;
}

static int make_way(const char *path, struct bk_reason *reason)
{
    struct stat st;
    if (strlen(path) >= sizeof((struct sockaddr_un *)NULL)->sun_path)
        return bk_reason_set(reason, BK_EINVAL,
                             "%s: too long for a Unix socket (allowed 107 bytes)", path);
    if (lstat(path, &st)) return 0;
    if (!S_ISSOCK(st.st_mode))
        return bk_reason_set(reason, BK_EINVAL, "%s: exists and is not a socket", path);
    int error = probe(path);
    if (error == EADDRINUSE)
        return bk_reason_set(reason, BK_EUNAVAILABLE,
                             "%s: another process answers there (set control.socket)", path);
    if (error == 0 && unlink(path) && errno != ENOENT) error = errno;
    return error
               ? bk_reason_set(reason, bk_error_from_errno(error), "%s: %s", path, strerror(error))
               : 0;
}

static int open_listener(struct bk_control *control, const char *path)
{
    int error = uv_pipe_bind(&control->listener, path);
    if (!error && chmod(path, S_IRUSR | S_IWUSR)) error = uv_translate_sys_error(errno);
    if (!error) error = uv_listen((uv_stream_t *)&control->listener, BACKLOG, on_connection);
    return error;
}

/* ---- public ---- */

struct bk_control *bk_control_create(struct uv_loop_s *loop, const char *path,
                                     const struct bk_control_handler *handlers,
                                     size_t handler_count, void *arg, struct bk_reason *reason)
{
    if (make_way(path, reason)) return NULL;
    struct bk_control *control = calloc(1, sizeof *control);
    if (!control) {
        bk_reason_set(reason, BK_ENOMEM, "%s: out of memory", path);
        return NULL;
    }
    control->loop = loop;
    control->handlers = handlers;
    control->handler_count = handler_count;
    control->arg = arg;
    control->listener.data = control->sweep.data = control;
    uv_pipe_init(loop, &control->listener, 0);
    uv_timer_init(loop, &control->sweep);
    control->handles = 2;
    int error = open_listener(control, path);
    if (error) {
        bk_reason_set(reason, BK_EIO, "%s: %s", path, uv_strerror(error));
        bk_control_close(control, NULL, NULL);
        return NULL;
    }
    uv_timer_start(&control->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
    return control;
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct bk_control *control = handle->data;
    control->handles--;
    finish_when_empty(control);
}

void bk_control_close(struct bk_control *control, void (*closed)(void *arg), void *arg)
{
    BK_ASSERT(!control->closing);
    control->closing = true;
    control->closed = closed;
    control->closed_arg = arg;
    for (struct client *client = control->clients; client; client = client->next)
        client_close(client);
    uv_close((uv_handle_t *)&control->sweep, on_handle_closed);
    uv_close((uv_handle_t *)&control->listener,
             on_handle_closed); /* libuv removes the file it bound */
}
