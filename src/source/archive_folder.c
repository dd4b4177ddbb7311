/* archive_folder.c -- how an archive's folder is laid out, and nothing of what is in its files.
 *
 *      <dir>/LOG                        "basketry archive 1", the cluster, the topics' names
 *      <dir>/LOCK                       held by the one process that writes
 *      <dir>/events/0/2026-11-23.00000000000000001234.bkz
 *             |     |     |                  |
 *             role  |     day, UTC           the first offset that the file covers
 *                   partition
 *
 * A day usually has one file; a day on which the log jumped has more. Offsets are written with 20
 * digits, so that names sort as offsets do.
 */
#include "archive_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PARTITIONS_MAX = 65536, NAME_BYTES = 10 + 1 + 20 + 4 };

static const char *const roles[BK_TOPIC_COUNT] = {"events", "products", "stock", "customers"};

const char *bk_topic_role(enum bk_topic topic)
{
    return roles[topic];
}

/* ---- days; proleptic Gregorian, as in RFC 3339 ---- */

int32_t bk__archive_day(bk_wall_ms_t ms)
{
    int64_t day = ms / MS_PER_DAY - (ms % MS_PER_DAY < 0);
    return (int32_t)bk_max_i64(0, bk_min_i64(day, 2932896)); /* the last day of the year 9999 */
}

static bool is_leap(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int days_in(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month - 1] + (month == 2 && is_leap(year));
}

static int32_t days_before_year(int year)
{
    int y = year - 1;
    return y * 365 + y / 4 - y / 100 + y / 400 - 719162; /* 1970-01-01 is day 0 */
}

static void date_of(int32_t day, int *year, int *month, int *of_month)
{
    *year = 1970 + day / 366;
    while (days_before_year(*year + 1) <= day) ++*year;
    day -= days_before_year(*year);
    for (*month = 1; day >= days_in(*year, *month); ++*month) day -= days_in(*year, *month);
    *of_month = day + 1;
}

static bool digits(const char *text, int count, int64_t *number)
{
    *number = 0;
    for (int i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9' || *number > (INT64_MAX - 9) / 10) return false;
        *number = *number * 10 + (text[i] - '0');
    }
    return true;
}

static bool parse_name(const char *name, int32_t *day, int64_t *from)
{
    int64_t year, month, of_month;
    if (strlen(name) != NAME_BYTES || name[4] != '-' || name[7] != '-' || name[10] != '.' ||
        strcmp(name + 31, ".bkz") != 0 || !digits(name, 4, &year) || !digits(name + 5, 2, &month) ||
        !digits(name + 8, 2, &of_month) || !digits(name + 11, 20, from) || year < 1970 ||
        month < 1 || month > 12 || of_month < 1 || of_month > days_in((int)year, (int)month))
        return false;
    *day = days_before_year((int)year) + (int32_t)of_month - 1;
    for (int m = 1; m < month; m++) *day += days_in((int)year, m);
    return true;
}

/* ---- paths ---- */

bool bk__archive_part_path(char out[ARCHIVE_PATH_MAX], const char *dir, enum bk_topic topic,
                           int32_t partition)
{
    int len = snprintf(out, ARCHIVE_PATH_MAX, "%s/%s/%d", dir, roles[topic], partition);
    return len > 0 && len < ARCHIVE_PATH_MAX;
}

bool bk__archive_file_path(char out[ARCHIVE_PATH_MAX], const char *part, int32_t day, int64_t from)
{
    int year, month, of_month;
    date_of(day, &year, &month, &of_month);
    int len = snprintf(out, ARCHIVE_PATH_MAX, "%s/%04d-%02d-%02d.%020lld.bkz", part, year, month,
                       of_month, (long long)from);
    return len > 0 && len < ARCHIVE_PATH_MAX;
}

int bk__archive_sync_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return BK_EIO;
    int code = fsync(fd) == 0 ? BK_OK : BK_EIO;
    close(fd);
    return code;
}

/* ---- listing ---- */

struct named_file {
    char *path;
    int64_t from;
    int32_t day;
};

static int by_offset(const void *a, const void *b)
{
    const struct named_file *left = a, *right = b;
    return left->from < right->from ? -1 : left->from > right->from;
}

static bool add_file(struct named_file **list, size_t *count, const char *part, const char *name)
{
    struct named_file file;
    char path[ARCHIVE_PATH_MAX + 64];
    if (!parse_name(name, &file.day, &file.from)) return true;
    snprintf(path, sizeof path, "%s/%s", part, name);
    struct named_file *grown = realloc(*list, (*count + 1) * sizeof **list);
    if (!grown) return false;
    *list = grown;
    file.path = strdup(path);
    if (!file.path) return false;
    grown[(*count)++] = file;
    return true;
}

static bool hand_over(struct archive_files *files, struct named_file *list, size_t count)
{
    files->paths = calloc(count + 1, sizeof *files->paths);
    files->from = calloc(count + 1, sizeof *files->from);
    files->day = calloc(count + 1, sizeof *files->day);
    if (!files->paths || !files->from || !files->day) return false;
    if (count) qsort(list, count, sizeof *list, by_offset);
    for (size_t i = 0; i < count; i++) {
        files->paths[i] = list[i].path;
        files->from[i] = list[i].from;
        files->day[i] = list[i].day;
    }
    files->count = count;
    return true;
}

int bk__archive_list(struct archive_files *files, const char *part, struct bk_reason *reason)
{
    struct named_file *list = NULL;
    struct dirent *entry;
    size_t count = 0;
    bool ok = true;
    *files = (struct archive_files){0};
    DIR *folder = opendir(part);
    if (!folder && errno != ENOENT)
        return bk_reason_set(reason, BK_EIO, "%s: %s", part, strerror(errno));
    while (folder && ok && (entry = readdir(folder)))
        ok = add_file(&list, &count, part, entry->d_name);
    if (folder) closedir(folder);
    if (ok && hand_over(files, list, count)) {
        free(list);
        return BK_OK;
    }
    for (size_t i = 0; i < count; i++) free(list[i].path);
    free(list);
    bk__archive_files_deinit(files);
    return bk_reason_set(reason, BK_ENOMEM, "%s: out of memory", part);
}

void bk__archive_files_deinit(struct archive_files *files)
{
    for (size_t i = 0; i < files->count; i++) free(files->paths[i]);
    free(files->paths);
    free(files->from);
    free(files->day);
    *files = (struct archive_files){0};
}

int32_t bk__archive_partitions(const char *dir, enum bk_topic topic)
{
    char path[ARCHIVE_PATH_MAX];
    struct dirent *entry;
    int64_t number, count = 0;
    snprintf(path, sizeof path, "%s/%s", dir, roles[topic]);
    DIR *folder = opendir(path);
    while (folder && (entry = readdir(folder))) {
        size_t len = strlen(entry->d_name);
        if (len <= 5 && digits(entry->d_name, (int)len, &number) && number < PARTITIONS_MAX)
            count = bk_max_i64(count, number + 1);
    }
    if (folder) closedir(folder);
    return (int32_t)count;
}

void bk__archive_sweep(const char *part)
{
    char path[ARCHIVE_PATH_MAX + 300];
    struct dirent *entry;
    DIR *folder = opendir(part);
    while (folder && (entry = readdir(folder))) {
        size_t len = strlen(entry->d_name);
        if (len < 4 || strcmp(entry->d_name + len - 4, ".tmp") != 0) continue;
        snprintf(path, sizeof path, "%s/%s", part, entry->d_name);
        unlink(path);
    }
    if (folder) closedir(folder);
}
