/* disk.h -- what a checkpoint asks of a disk, so that a test can be one that tears, fills up or
 * forgets.
 *
 * Each call returns 0 (create: a file's number, from 0 on) or -errno. Paths are NUL-terminated.
 * Called by one thread at a time.
 */
#ifndef BASKETRY_DISK_H
#define BASKETRY_DISK_H

#include "basketry/base.h"

#ifdef __cplusplus
extern "C" {
#endif

struct bk_disk {
    /** A new file, readable by its owner alone; it must not exist. */
    int (*create)(struct bk_disk *disk, const char *path);
    /** All of it, or an error. */
    int (*write)(struct bk_disk *disk, int file, const void *bytes, size_t len);
    /** After an error the file is worth nothing: the pages may have been dropped (fsyncgate). */
    int (*sync)(struct bk_disk *disk, int file);
    int (*close)(struct bk_disk *disk, int file);
    int (*make_folder)(struct bk_disk *disk, const char *path);
    int (*rename)(struct bk_disk *disk, const char *from, const char *to);
    /** Names made, changed or removed in the folder are on disk after this. */
    int (*sync_folder)(struct bk_disk *disk, const char *path);
    /** A file, or an empty folder. */
    int (*remove)(struct bk_disk *disk, const char *path);
};

/** The real one; static. */
struct bk_disk *bk_disk_real(void);

#ifdef __cplusplus
}
#endif
#endif
