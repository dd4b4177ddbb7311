/* disk.c -- the real disk. */
#include "basketry/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static int result(int rc)
{
    return rc < 0 ? -errno : rc;
}

static int disk_create(struct bk_disk *disk, const char *path)
{
    (void)disk;
    return result(open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600));
}

static int disk_write(struct bk_disk *disk, int file, const void *bytes, size_t len)
{
    (void)disk;
    const char *p = bytes;
    while (len) {
        ssize_t n = write(file, p, len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -errno;
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

static int disk_sync(struct bk_disk *disk, int file)
{
    (void)disk;
    return result(fsync(file));
}

static int disk_close(struct bk_disk *disk, int file)
{
    (void)disk;
    return result(close(file));
}

static int disk_make_folder(struct bk_disk *disk, const char *path)
{
    (void)disk;
    return result(mkdir(path, 0700));
}

static int disk_rename(struct bk_disk *disk, const char *from, const char *to)
{
    (void)disk;
    return result(rename(from, to));
}

static int disk_sync_folder(struct bk_disk *disk, const char *path)
{
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return -errno;
    int err = disk_sync(disk, folder);
    close(folder);
    return err;
}

static int disk_remove(struct bk_disk *disk, const char *path)
{
    (void)disk;
    return result(remove(path));
}

struct bk_disk *bk_disk_real(void)
{
    static struct bk_disk real = {disk_create,      disk_write,  disk_sync,        disk_close,
                                  disk_make_folder, disk_rename, disk_sync_folder, disk_remove};
    return &real;
}
