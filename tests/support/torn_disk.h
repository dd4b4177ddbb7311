/* torn_disk.h -- a disk that fails as told, on top of the real one.
 *
 * Calls are counted; the one with number `fail_at` (from 1) returns `error`, a write after it has
 * written half. A crash is told by crash_at: from that call on nothing reaches the disk any more,
 * every call fails, and torn_disk_crash takes away what a power cut may take: bytes written and not
 * synced, names made and not synced.
 */
#ifndef BASKETRY_TESTS_TORN_DISK_H
#define BASKETRY_TESTS_TORN_DISK_H

#include "basketry/disk.h"

enum { TORN_FILES_MAX = 256, TORN_PATH_MAX = 512, TORN_RENAMES_MAX = 32 };

struct torn_file {
    char path[TORN_PATH_MAX]; /* "": no longer of interest */
    int file;                 /* -1: closed */
    uint64_t written, synced; /* bytes */
};

/* A rename, or a new file or folder (nothing in `from`), whose own folder was not synced since. */
struct torn_rename {
    char from[TORN_PATH_MAX], to[TORN_PATH_MAX];
};

struct torn_disk {
    struct bk_disk head;
    uint64_t calls, fail_at, crash_at; /* 0: never */
    int error;                         /* of the call that fails: -ENOSPC, -EIO, ... */
    struct torn_file files[TORN_FILES_MAX];
    uint32_t file_count;
    struct torn_rename renames[TORN_RENAMES_MAX];
    uint32_t rename_count;
};

/** A disk that never fails until it is told to. */
void torn_disk_init(struct torn_disk *disk);
/** The power is gone: each unsynced name and tail of a file is kept or lost as `coin` bits say. */
void torn_disk_crash(struct torn_disk *disk, uint64_t coin);

#endif
