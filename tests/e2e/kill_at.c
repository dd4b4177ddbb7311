/* kill_at.c -- preloaded into `basketry run`: it is killed at one of its calls to the checkpoint's
 * disk, just before or just after the call.
 *
 *   KILL_AT_DIR   the checkpoint's folder: only calls that name a file in it count
 *   KILL_AT_CALL  of which call: write, fsync, rename, mkdir, remove
 *   KILL_AT       which of these, from 1; a negative number: after the call, not before
 *   KILL_AT_LOG   the fatal call is written here: "before rename generation-0000000003/MANIFEST"
 *
 * SIGKILL keeps what the kernel was given: what a power cut may take, tests/sim/test_restarts.c takes.
 */
#define _GNU_SOURCE 1
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int calls; /* the checkpoint's thread and, at the start, the loop: never both at once */

static int *wanted(void)
{
    static int at;
    if (!at) at = getenv("KILL_AT") ? atoi(getenv("KILL_AT")) : 1 << 30;
    return &at;
}

static int is_inside(const char *path)
{
    const char *dir = getenv("KILL_AT_DIR");
    return dir && strncmp(path, dir, strlen(dir)) == 0;
}

static void die(const char *when, const char *call, const char *path)
{
    const char *log = getenv("KILL_AT_LOG"), *dir = getenv("KILL_AT_DIR");
    int fd = log ? open(log, O_CREAT | O_WRONLY | O_APPEND, 0600) : -1;
    if (fd >= 0) dprintf(fd, "%s %s %s\n", when, call, path + strlen(dir));
    kill(getpid(), SIGKILL);
    pause();
}

/* Whether the call is the one; dies here when it is to be killed before it. */
static int reached(const char *call, const char *path)
{
    const char *fatal = getenv("KILL_AT_CALL");
    if (!fatal || strcmp(call, fatal) != 0 || !is_inside(path)) return 0;
    calls++;
    if (calls == *wanted()) die("before", call, path);
    return calls == -*wanted();
}

static const char *path_of(int fd, char path[4096])
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, 4095);
    path[len > 0 ? len : 0] = '\0';
    return path;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *bytes, size_t len)
{
    char path[4096] = "";
    int last = fd > 2 && reached("write", path_of(fd, path));
    ssize_t n = REAL(write)(fd, bytes, last ? (len + 1) / 2 : len); /* a short write, and the end */
    if (last) die("within", "write", path);
    return n;
}

int fsync(int fd)
{
    char path[4096];
    int last = reached("fsync", path_of(fd, path));
    int rc = REAL(fsync)(fd);
    if (last) die("after", "fsync", path);
    return rc;
}

int rename(const char *from, const char *to)
{
    int last = reached("rename", to);
    int rc = REAL(rename)(from, to);
    if (last) die("after", "rename", to);
    return rc;
}

int mkdir(const char *path, mode_t mode)
{
    int last = reached("mkdir", path);
    int rc = REAL(mkdir)(path, mode);
    if (last) die("after", "mkdir", path);
    return rc;
}

int remove(const char *path)
{
    int last = reached("remove", path);
    int rc = REAL(remove)(path);
    if (last) die("after", "remove", path);
    return rc;
}
