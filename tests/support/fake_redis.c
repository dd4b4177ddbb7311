/* fake_redis.c -- one thread, poll(), blocking writes, a buffer per connection. */
#include "support/fake_redis.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNS_MAX = 32, BUF_MAX = 1 << 20, TRANSCRIPT_MAX = 1 << 20 };

struct conn {
    int fd;
    unsigned id;
    bool authenticated;
    size_t len;
    char *buf;
};

struct fake_redis {
    pthread_t thread;
    pthread_mutex_t lock; /* over everything below */
    int listener, port, stop_pipe[2];
    struct fake_redis_script script;
    struct conn conns[CONNS_MAX];
    unsigned connections, writes, scripted_writes;
    bool hang_up;
    size_t transcript_len;
    char *transcript;
};

static int listen_loopback(int *port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof addr;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof addr) != 0 || listen(fd, 64) != 0 ||
        getsockname(fd, (struct sockaddr *)&addr, &len) != 0) {
        perror("fake_redis");
        abort();
    }
    *port = ntohs(addr.sin_port);
    return fd;
}

int fake_redis_free_port(void)
{
    int port;
    close(listen_loopback(&port));
    return port;
}

static void conn_close(struct conn *conn, bool reset)
{
    struct linger hard = {.l_onoff = 1, .l_linger = 0};
    if (reset) setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(conn->fd);
    free(conn->buf);
    *conn = (struct conn){.fd = -1};
}

static void send_all(struct conn *conn, const char *p, size_t len, bool drip)
{
    for (size_t at = 0; at < len;) {
        ssize_t n = send(conn->fd, p + at, drip ? 1 : len - at, MSG_NOSIGNAL);
        if (n <= 0) return;
        at += (size_t)n;
        if (drip) usleep(300);
    }
}

static void answer(struct fake_redis *fake, struct conn *conn, const char *text)
{
    send_all(conn, text, strlen(text), fake->script.drip);
}

static void answer_error(struct fake_redis *fake, struct conn *conn, const char *error)
{
    char line[256];
    snprintf(line, sizeof line, "-%s\r\n", error);
    answer(fake, conn, line);
}

/* Take one command off the buffer: its words joined by blanks (long ones cut). 0 = not complete. */
static size_t take_command(const char *buf, size_t len, char *words, size_t size)
{
    const char *end = buf + len, *p = buf;
    char *stop;
    size_t used = 0;
    words[0] = '\0';
    if (len < 4 || !memchr(p, '\n', len)) return 0;
    long argc = strtol(p + 1, &stop, 10);
    p = stop + 2;
    for (long i = 0; i < argc; i++) {
        if (p >= end || !memchr(p, '\n', (size_t)(end - p))) return 0;
        long n = strtol(p + 1, &stop, 10);
        p = stop + 2;
        if (end - p < n + 2) return 0;
        int shown = n < 64 ? (int)n : 64;
        int k = snprintf(words + used, size - used, "%s%.*s", i ? " " : "", shown, p);
        if (k > 0 && used + (size_t)k < size) used += (size_t)k;
        p += n + 2;
    }
    return (size_t)(p - buf);
}

static bool starts(const char *text, const char *prefix)
{
    return strncasecmp(text, prefix, strlen(prefix)) == 0;
}

/* False when the connection was ended. */
static bool serve_write(struct fake_redis *fake, struct conn *conn)
{
    const struct fake_redis_script *script = &fake->script;
    fake->writes++;
    fake->scripted_writes++;
    if (script->write_us) usleep(script->write_us);
    if (script->reset_after && fake->scripted_writes > script->reset_after) {
        send_all(conn, "+O", 2, false);
        usleep(2000);
        conn_close(conn, true);
        return false;
    }
    if (script->garbage_after && fake->scripted_writes > script->garbage_after)
        answer(fake, conn, "\x01\x02 no RESP\r\n");
    else if (script->write_error)
        answer_error(fake, conn, script->write_error);
    else
        answer(fake, conn, "+OK\r\n");
    return true;
}

static void serve_auth(struct fake_redis *fake, struct conn *conn, const char *words)
{
    const char *last = strrchr(words, ' ');
    conn->authenticated =
        fake->script.password && last && strcmp(last + 1, fake->script.password) == 0;
    if (conn->authenticated)
        answer(fake, conn, "+OK\r\n");
    else
        answer_error(fake, conn, "WRONGPASS invalid username-password pair or user is disabled.");
}

static void serve_info(struct fake_redis *fake, struct conn *conn)
{
    char body[160], line[256];
    int n = snprintf(body, sizeof body, "# Server\r\nredis_version:7.0.0\r\nrun_id:%s\r\ntcp:1\r\n",
                     fake->script.run_id ? fake->script.run_id : "fake");
    snprintf(line, sizeof line, "$%d\r\n%s\r\n%s", n, body,
             fake->script.unasked ? "+OK\r\n+OK\r\n+OK\r\n" : "");
    answer(fake, conn, line);
}

/* False when the connection was ended. */
static bool serve(struct fake_redis *fake, struct conn *conn, const char *words)
{
    char line[64];
    if (fake->transcript_len + 200 < TRANSCRIPT_MAX)
        fake->transcript_len += (size_t)snprintf(fake->transcript + fake->transcript_len, 200,
                                                 "%u: %.150s\n", conn->id, words);
    bool is_write = starts(words, "SET ") || starts(words, "DEL ") || starts(words, "UNLINK ") ||
                    starts(words, "PUBLISH ");
    if (fake->script.silent) {
        if (is_write) fake->writes++;
        return true;
    }
    if (starts(words, "AUTH"))
        serve_auth(fake, conn, words);
    else if (fake->script.password && !conn->authenticated)
        answer_error(fake, conn, "NOAUTH Authentication required.");
    else if (fake->script.forbid_client && (starts(words, "CLIENT") || starts(words, "INFO")))
        answer_error(fake, conn, "NOPERM this user has no permissions to run this command");
    else if (is_write)
        return serve_write(fake, conn);
    else if (starts(words, "SELECT") && fake->script.select_error)
        answer_error(fake, conn, fake->script.select_error);
    else if (starts(words, "PING") && fake->script.ping_error)
        answer_error(fake, conn, fake->script.ping_error);
    else if (starts(words, "PING"))
        answer(fake, conn, "+PONG\r\n");
    else if (starts(words, "INFO"))
        serve_info(fake, conn);
    else if (starts(words, "CLIENT KILL"))
        answer(fake, conn, ":1\r\n");
    else if (starts(words, "CLIENT ID")) {
        snprintf(line, sizeof line, ":%u\r\n", conn->id);
        answer(fake, conn, line);
    } else
        answer(fake, conn, "+OK\r\n");
    return true;
}

static void conn_readable(struct fake_redis *fake, struct conn *conn)
{
    char words[512];
    ssize_t n = recv(conn->fd, conn->buf + conn->len, BUF_MAX - conn->len, 0);
    if (n <= 0) {
        conn_close(conn, false);
        return;
    }
    conn->len += (size_t)n;
    size_t used = 0, step;
    while ((step = take_command(conn->buf + used, conn->len - used, words, sizeof words)) > 0) {
        used += step;
        if (!serve(fake, conn, words)) return;
    }
    memmove(conn->buf, conn->buf + used, conn->len - used);
    conn->len -= used;
}

static void take_connection(struct fake_redis *fake)
{
    int one = 1, fd = accept(fake->listener, NULL, NULL);
    for (size_t i = 0; fd >= 0 && i < CONNS_MAX; i++)
        if (fake->conns[i].fd < 0) {
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            fake->conns[i] = (struct conn){.fd = fd, .id = ++fake->connections};
            fake->conns[i].buf = malloc(BUF_MAX);
            return;
        }
    if (fd >= 0) close(fd);
}

static void *run(void *arg)
{
    struct fake_redis *fake = arg;
    for (;;) {
        struct pollfd fds[CONNS_MAX + 2] = {{fake->stop_pipe[0], POLLIN, 0},
                                            {fake->listener, POLLIN, 0}};
        pthread_mutex_lock(&fake->lock);
        for (size_t i = 0; i < CONNS_MAX; i++) {
            if (fake->hang_up && fake->conns[i].fd >= 0) conn_close(&fake->conns[i], false);
            fds[i + 2] = (struct pollfd){fake->script.deaf ? -1 : fake->conns[i].fd, POLLIN, 0};
        }
        fake->hang_up = false;
        pthread_mutex_unlock(&fake->lock);
        poll(fds, CONNS_MAX + 2, 5);
        if (fds[0].revents) return NULL;
        pthread_mutex_lock(&fake->lock);
        for (size_t i = 0; i < CONNS_MAX; i++)
            if (fds[i + 2].revents) conn_readable(fake, &fake->conns[i]);
        if (fds[1].revents) take_connection(fake);
        pthread_mutex_unlock(&fake->lock);
    }
}

struct fake_redis *fake_redis_start(const struct fake_redis_script *script)
{
    struct fake_redis *fake = calloc(1, sizeof *fake);
    fake->transcript = calloc(1, TRANSCRIPT_MAX);
    fake->script = *script;
    for (size_t i = 0; i < CONNS_MAX; i++) fake->conns[i].fd = -1;
    fake->listener = listen_loopback(&fake->port);
    pthread_mutex_init(&fake->lock, NULL);
    if (pipe(fake->stop_pipe) != 0 || pthread_create(&fake->thread, NULL, run, fake) != 0) abort();
    return fake;
}

void fake_redis_stop(struct fake_redis *fake)
{
    if (write(fake->stop_pipe[1], "x", 1) != 1) abort();
    pthread_join(fake->thread, NULL);
    for (size_t i = 0; i < CONNS_MAX; i++)
        if (fake->conns[i].fd >= 0) conn_close(&fake->conns[i], false);
    close(fake->listener);
    close(fake->stop_pipe[0]);
    close(fake->stop_pipe[1]);
    pthread_mutex_destroy(&fake->lock);
    free(fake->transcript);
    free(fake);
}

int fake_redis_port(const struct fake_redis *fake)
{
    return fake->port;
}

void fake_redis_script(struct fake_redis *fake, const struct fake_redis_script *script)
{
    pthread_mutex_lock(&fake->lock);
    fake->script = *script;
    fake->scripted_writes = 0;
    pthread_mutex_unlock(&fake->lock);
}

void fake_redis_hang_up(struct fake_redis *fake)
{
    pthread_mutex_lock(&fake->lock);
    fake->hang_up = true;
    pthread_mutex_unlock(&fake->lock);
}

void fake_redis_transcript(struct fake_redis *fake, char *out, size_t size)
{
    pthread_mutex_lock(&fake->lock);
    snprintf(out, size, "%s", fake->transcript);
    pthread_mutex_unlock(&fake->lock);
}

unsigned fake_redis_connections(struct fake_redis *fake)
{
    pthread_mutex_lock(&fake->lock);
    unsigned n = fake->connections;
    pthread_mutex_unlock(&fake->lock);
    return n;
}

unsigned fake_redis_writes(struct fake_redis *fake)
{
    pthread_mutex_lock(&fake->lock);
    unsigned n = fake->writes;
    pthread_mutex_unlock(&fake->lock);
    return n;
}
