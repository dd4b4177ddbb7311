/* folder.c -- what stands in checkpoint.dir: generations by number, and the lock. */
#include "format.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

void bkc_generation_name(char out[64], const char *prefix, uint64_t number)
{
    snprintf(out, 64, "%.40s-%010" PRIu64, prefix, number);
}

static int newest_first(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

/* The number in a generation's name; 0: the name is no generation's. */
static uint64_t number_of(const char *name, const char *prefix)
{
    size_t len = strlen(prefix);
    if (strncmp(name, prefix, len) != 0 || name[len] != '-') return 0;
    char *end;
    uint64_t number = strtoull(name + len + 1, &end, 10);
    char again[64];
    bkc_generation_name(again, prefix, number);
    return strcmp(name, again) == 0 ? number : 0;
}

/* In the place of the oldest, if that is older: folders come in any order. */
static void keep_newer(uint64_t *numbers, size_t count, uint64_t number)
{
    size_t oldest = 0;
    for (size_t i = 1; i < count; i++)
        if (numbers[i] < numbers[oldest]) oldest = i;
    if (numbers[oldest] < number) numbers[oldest] = number;
}

int bkc_generations(const char *dir, const char *prefix, uint64_t *out, size_t max)
{
    DIR *folder = opendir(dir);
    if (!folder) return bk_error_from_errno(errno);
    size_t n = 0;
    const struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        uint64_t number = number_of(entry->d_name, prefix);
        if (number && n < max)
            out[n++] = number;
        else if (number)
            keep_newer(out, n, number);
    }
    closedir(folder);
    qsort(out, n, sizeof *out, newest_first);
    return (int)n;
}

bool bkc_generation_counts(const char *dir, const char *name)
{
    char path[BKC_PATH_MAX];
    snprintf(path, sizeof path, "%s/%s/" BKC_MANIFEST, dir, name);
    return access(path, F_OK) == 0;
}

void bkc_generation_remove(struct bk_disk *disk, const char *dir, const char *name)
{
    char folder[BKC_PATH_MAX], path[2 * BKC_PATH_MAX];
    snprintf(folder, sizeof folder, "%s/%s", dir, name);
    snprintf(path, sizeof path, "%s/" BKC_MANIFEST, folder);
    disk->remove(disk, path);
    DIR *open_folder = opendir(folder);
    if (!open_folder) return;
    const struct dirent *entry;
    while ((entry = readdir(open_folder)) != NULL) {
        if (entry->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        disk->remove(disk, path);
    }
    closedir(open_folder);
    disk->remove(disk, folder);
}

/* Who holds it, as it wrote into the file; 0 when that cannot be read. */
static int holder_of(int file)
{
    char text[32] = "";
    ssize_t n = pread(file, text, sizeof text - 1, 0);
    return n > 0 ? atoi(text) : 0;
}

static void lock_path(char path[BKC_PATH_MAX], const char *dir, const char *prefix)
{
    snprintf(path, BKC_PATH_MAX, "%s/%s.lock", dir, prefix);
}

bool bkc_lock_is_held(int lock, const char *dir, const char *prefix)
{
    char path[BKC_PATH_MAX];
    struct stat ours, there;
    lock_path(path, dir, prefix);
    return fstat(lock, &ours) == 0 && stat(path, &there) == 0 && ours.st_dev == there.st_dev &&
           ours.st_ino == there.st_ino;
}

int bkc_lock(const char *dir, const char *prefix, struct bk_reason *reason)
{
    char path[BKC_PATH_MAX], pid[32];
    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return bk_reason_set(reason, BK_EIO, "checkpoint.dir: %s: %s", dir, strerror(errno));
    lock_path(path, dir, prefix);
    int file = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    if (file < 0) return bk_reason_set(reason, BK_EIO, "%s: %s", path, strerror(errno));
    if (flock(file, LOCK_EX | LOCK_NB) != 0) {
        int err = errno == EWOULDBLOCK
                      ? bk_reason_set(reason, BK_EAGAIN, "%s is held by the process with pid %d",
                                      path, holder_of(file))
                      : bk_reason_set(reason, BK_EIO, "%s: %s", path, strerror(errno));
        close(file);
        return err;
    }
    /* The number is for whoever waits. A disk too full for it is no reason not to run. */
    int len = snprintf(pid, sizeof pid, "%d\n", (int)getpid());
    bool told = ftruncate(file, 0) == 0 && pwrite(file, pid, (size_t)len, 0) == len;
    (void)told;
    return file;
}
