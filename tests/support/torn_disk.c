/* torn_disk.c -- see torn_disk.h. */
#include "torn_disk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct torn_disk *of(struct bk_disk *head)
{
    return (struct torn_disk *)head; /* the first member */
}

/* Count a call; what it has to answer instead of working, or 0. */
static int fault(struct torn_disk *disk)
{
    disk->calls++;
    if (disk->crash_at && disk->calls >= disk->crash_at) return -EIO;
    return disk->fail_at == disk->calls ? disk->error : 0;
}

static bool has_crashed(const struct torn_disk *disk)
{
    return disk->crash_at && disk->calls >= disk->crash_at;
}

static struct torn_file *find(struct torn_disk *disk, int file)
{
    for (uint32_t i = disk->file_count; i-- > 0;)
        if (disk->files[i].file == file) return &disk->files[i];
    return NULL;
}

/* A name that is not on disk before its folder is synced; the oldest of too many counts as synced. */
static void note_name(struct torn_disk *disk, const char *from, const char *to)
{
    if (disk->rename_count == TORN_RENAMES_MAX)
        memmove(&disk->renames[0], &disk->renames[1],
                --disk->rename_count * sizeof disk->renames[0]);
    struct torn_rename *its = &disk->renames[disk->rename_count++];
    snprintf(its->from, sizeof its->from, "%s", from);
    snprintf(its->to, sizeof its->to, "%s", to);
}

static int torn_create(struct bk_disk *head, const char *path)
{
    struct torn_disk *disk = of(head);
    int err = fault(disk);
    if (err) return err;
    int file = bk_disk_real()->create(bk_disk_real(), path);
    if (file < 0) return file;
    BK_ASSERT(disk->file_count < TORN_FILES_MAX);
    struct torn_file *its = &disk->files[disk->file_count++];
    *its = (struct torn_file){.file = file};
    snprintf(its->path, sizeof its->path, "%s", path);
    note_name(disk, "", path);
    return file;
}

static int torn_write(struct bk_disk *head, int file, const void *bytes, size_t len)
{
    struct torn_disk *disk = of(head);
    int err = fault(disk);
    size_t part = !err ? len : has_crashed(disk) ? 0 : len / 2;
    int rc = part ? bk_disk_real()->write(bk_disk_real(), file, bytes, part) : 0;
    find(disk, file)->written += part;
    return err ? err : rc;
}

static int torn_sync(struct bk_disk *head, int file)
{
    struct torn_disk *disk = of(head);
    int err = fault(disk);
    if (!err) find(disk, file)->synced = find(disk, file)->written;
    return err; /* the page cache outlives this process: a real sync would only be slow */
}

static int torn_close(struct bk_disk *head, int file)
{
    struct torn_disk *disk = of(head);
    int err = fault(disk);
    find(disk, file)->file = -1;
    int rc = bk_disk_real()->close(bk_disk_real(), file);
    return err ? err : rc;
}

static bool is_in(const char *path, const char *folder)
{
    size_t len = strlen(folder);
    return strncmp(path, folder, len) == 0 && path[len] == '/' && !strchr(path + len + 1, '/');
}

/* The names of the folder, or this very name, are not lost any more. */
static void forget_names(struct torn_disk *disk, const char *folder, const char *name)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < disk->rename_count; i++) {
        const struct torn_rename *its = &disk->renames[i];
        if (folder ? is_in(its->to, folder) : name && strcmp(its->to, name) == 0) continue;
        disk->renames[kept++] = *its;
    }
    disk->rename_count = kept;
}

static int torn_make_folder(struct bk_disk *head, const char *path)
{
    struct torn_disk *disk = of(head);
    int err = fault(disk);
    if (!err) err = bk_disk_real()->make_folder(bk_disk_real(), path);
    if (!err) note_name(disk, "", path);
    return err;
}

static int torn_rename(struct bk_disk *head, const char *from, const char *to)
{
    struct torn_disk *disk = of(head);
    int err = fault(disk);
    if (err) return err;
    note_name(disk, from, to);
    for (uint32_t i = 0; i < disk->file_count; i++)
        if (strcmp(disk->files[i].path, from) == 0)
            snprintf(disk->files[i].path, sizeof disk->files[i].path, "%s", to);
    return bk_disk_real()->rename(bk_disk_real(), from, to);
}

static int torn_sync_folder(struct bk_disk *head, const char *path)
{
    struct torn_disk *disk = of(head);
    int err = fault(disk);
    if (!err) forget_names(disk, path, NULL);
    return err;
}

static int torn_remove(struct bk_disk *head, const char *path)
{
    struct torn_disk *disk = of(head);
    int err = fault(disk);
    if (err) return err;
    for (uint32_t i = 0; i < disk->file_count; i++)
        if (strcmp(disk->files[i].path, path) == 0) disk->files[i].path[0] = '\0';
    forget_names(disk, NULL, path);
    return bk_disk_real()->remove(bk_disk_real(), path);
}

void torn_disk_init(struct torn_disk *disk)
{
    *disk =
        (struct torn_disk){.head = {torn_create, torn_write, torn_sync, torn_close,
                                    torn_make_folder, torn_rename, torn_sync_folder, torn_remove},
                           .error = -EIO};
}

static void lose(const char *path)
{
    char command[TORN_PATH_MAX + 16];
    if (remove(path) == 0 || errno == ENOENT) return;
    snprintf(command, sizeof command, "rm -rf '%s'", path);
    if (system(command) != 0) perror(path);
}

void torn_disk_crash(struct torn_disk *disk, uint64_t coin)
{
    uint64_t tails = bk_mix(coin);
    for (uint32_t i = disk->rename_count; i-- > 0; coin >>= 1) {
        if (coin & 1) continue;
        if (!disk->renames[i].from[0]) {
            lose(disk->renames[i].to);
            continue;
        }
        rename(disk->renames[i].to, disk->renames[i].from);
        for (uint32_t f = 0; f < disk->file_count; f++)
            if (strcmp(disk->files[f].path, disk->renames[i].to) == 0)
                snprintf(disk->files[f].path, TORN_PATH_MAX, "%s", disk->renames[i].from);
    }
    for (uint32_t i = 0; i < disk->file_count; i++, tails = bk_mix(tails)) {
        const struct torn_file *its = &disk->files[i];
        if (!its->path[0] || its->synced == its->written) continue;
        uint64_t left = its->synced + tails % (its->written - its->synced + 1);
        if (truncate(its->path, (off_t)left) != 0 && errno != ENOENT) perror(its->path);
    }
    disk->file_count = disk->rename_count = 0;
    disk->calls = disk->fail_at = disk->crash_at = 0;
}
