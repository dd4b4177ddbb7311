/* redis.c -- a redis-server of the demo's own, which cannot outlive it.
 *
 *   demo ──pipe──► keeper ──fork──► redis-server
 *
 * The keeper is a process that does one thing: it waits for the pipe to end, which it does however
 * the demo ends (also by kill -9), then stops the server and removes the folder. Should the keeper
 * itself be killed, the kernel kills the server (PR_SET_PDEATHSIG). Both are in a session of their
 * own, so that the terminal's Ctrl-C reaches the demo alone.
 *
 * ORDER   forked before any thread is made: the keeper may then use what it likes.
 */
#include "basketry/demo_io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { READY_TRIES = 1000, READY_PAUSE_MS = 10, SOCKET_PATH_MAX = 100 };

struct bk_demo_redis {
    char folder[SOCKET_PATH_MAX], path[SOCKET_PATH_MAX + 16], url[SOCKET_PATH_MAX + 32];
    int hold; /* the keeper's pipe: closed, and it cleans up */
    pid_t keeper;
};

/* ---- in the keeper ---- */

static void become_server(struct bk_demo_redis *redis, int told, pid_t keeper)
{
    char log[SOCKET_PATH_MAX + 16];
    snprintf(log, sizeof log, "%s/redis.log", redis->folder);
    int out = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (out >= 0) dup2(out, STDOUT_FILENO), dup2(out, STDERR_FILENO);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_DFL);
    if (getppid() == keeper)
        execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", redis->path,
               "--unixsocketperm", "600", "--save", "", "--appendonly", "no", "--dir",
               redis->folder, "--daemonize", "no", (char *)NULL);
    int why = errno;
    if (write(told, &why, sizeof why) < 0) _exit(2);
    _exit(1);
}

static void wait_for_the_end(int held)
{
    char byte;
    while (read(held, &byte, 1) < 0 && errno == EINTR) {
    }
}

static void clean(const struct bk_demo_redis *redis)
{
    char log[SOCKET_PATH_MAX + 16];
    snprintf(log, sizeof log, "%s/redis.log", redis->folder);
    unlink(redis->path);
    unlink(log);
    rmdir(redis->folder);
}

static _Noreturn void keep(struct bk_demo_redis *redis, int held, int told)
{
    setsid();
    pid_t keeper = getpid(), server = fork();
    if (server == 0) become_server(redis, told, keeper);
    close(told);
    wait_for_the_end(held);
    if (server > 0) {
        kill(server, SIGKILL); /* it keeps nothing */
        waitpid(server, NULL, 0);
    }
    clean(redis);
    _exit(0);
}

/* ---- in the demo ---- */

static int make_folder(struct bk_demo_redis *redis, struct bk_reason *reason)
{
    const char *under = getenv("TMPDIR");
    if (!under || !under[0] || strlen(under) > SOCKET_PATH_MAX - 30) under = "/tmp";
    snprintf(redis->folder, sizeof redis->folder, "%s/basketry-demo.XXXXXX", under);
    if (!mkdtemp(redis->folder))
        return bk_reason_set(reason, BK_EIO, "no folder under %s: %s", under, strerror(errno));
    snprintf(redis->path, sizeof redis->path, "%s/redis.sock", redis->folder);
    snprintf(redis->url, sizeof redis->url, "unix://%s", redis->path);
    return BK_OK;
}

/* The pipe `held` ends with the demo; through `told` comes why the server could not be run. */
static int start_keeper(struct bk_demo_redis *redis, int *told, struct bk_reason *reason)
{
    int held[2], says[2];
    if (pipe(held) < 0 || pipe(says) < 0)
        return bk_reason_set(reason, BK_EIO, "no pipe: %s", strerror(errno));
    for (int i = 0; i < 2; i++) {
        fcntl(held[i], F_SETFD, FD_CLOEXEC);
        fcntl(says[i], F_SETFD, FD_CLOEXEC);
    }
    redis->keeper = fork();
    if (redis->keeper < 0)
        return bk_reason_set(reason, BK_EIO, "no process for redis-server: %s", strerror(errno));
    if (redis->keeper == 0) {
        close(held[1]);
        close(says[0]);
        keep(redis, held[0], says[1]);
    }
    close(held[0]);
    close(says[1]);
    redis->hold = held[1];
    *told = says[0];
    return BK_OK;
}

/* The pipe ends empty when the server took over. */
static int hear_of_start(int told, struct bk_reason *reason)
{
    int why = 0;
    ssize_t got;
    while ((got = read(told, &why, sizeof why)) < 0 && errno == EINTR) {
    }
    close(told);
    if (got != (ssize_t)sizeof why) return BK_OK;
    if (why == ENOENT)
        return bk_reason_set(reason, BK_ENOENT,
                             "redis-server is not installed (it is not on the PATH); the demo "
                             "needs one: apt-get install redis-server");
    return bk_reason_set(reason, BK_EUNAVAILABLE, "redis-server: %s", strerror(why));
}

static bool answers(const struct bk_demo_redis *redis)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    bk_demo_copy(at.sun_path, sizeof at.sun_path, bk_str_c(redis->path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool here = fd >= 0 && connect(fd, (const struct sockaddr *)&at, sizeof at) == 0;
    if (fd >= 0) close(fd);
    return here;
}

static int wait_until_ready(const struct bk_demo_redis *redis, struct bk_reason *reason)
{
    struct timespec pause = {.tv_nsec = READY_PAUSE_MS * 1000000L};
    for (int i = 0; i < READY_TRIES; i++) {
        if (answers(redis)) return BK_OK;
        nanosleep(&pause, NULL);
    }
    return bk_reason_set(reason, BK_EUNAVAILABLE, "redis-server does not answer on %s",
                         redis->path);
}

struct bk_demo_redis *bk_demo_redis_create(struct bk_reason *reason)
{
    int told = -1;
    struct bk_demo_redis *redis = calloc(1, sizeof *redis);
    if (!redis) {
        bk_reason_set(reason, BK_ENOMEM, "no memory");
        return NULL;
    }
    redis->hold = -1;
    int code = make_folder(redis, reason);
    if (!code) code = start_keeper(redis, &told, reason);
    if (!code) code = hear_of_start(told, reason);
    if (!code) code = wait_until_ready(redis, reason);
    if (code) bk_demo_redis_destroy(&redis);
    return redis;
}

const char *bk_demo_redis_url(const struct bk_demo_redis *redis)
{
    return redis->url;
}

const char *bk_demo_redis_path(const struct bk_demo_redis *redis)
{
    return redis->path;
}

void bk_demo_redis_destroy(struct bk_demo_redis **redis)
{
    if (!*redis) return;
    if ((*redis)->hold >= 0) close((*redis)->hold);
    while ((*redis)->keeper > 0 && waitpid((*redis)->keeper, NULL, 0) < 0 && errno == EINTR) {
    }
    if ((*redis)->folder[0]) clean(*redis); /* should the keeper have been killed */
    free(*redis);
    *redis = NULL;
}
