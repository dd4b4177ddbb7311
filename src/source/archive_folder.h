/* archive_folder.h -- names in an archive's folder, for its writer, its readers and its eraser;
 * private to src/source. */
#ifndef BASKETRY_SOURCE_ARCHIVE_FOLDER_H
#define BASKETRY_SOURCE_ARCHIVE_FOLDER_H

#include "basketry/archive.h"

enum { ARCHIVE_PATH_MAX = 1024, MS_PER_DAY = 86400000 };
#define ARCHIVE_LOG_NAME "LOG"
#define ARCHIVE_LOG_HEAD "basketry archive 1\n"

/** A partition's files, by first offset. Owned by the caller. */
struct archive_files {
    char **paths;
    int64_t *from;
    int32_t *day;
    size_t count;
};

/** Days since 1970-01-01 of a time, rounded down. */
int32_t bk__archive_day(bk_wall_ms_t ms);
/** "<dir>/events/0" into `out`. false: too long. */
bool bk__archive_part_path(char out[ARCHIVE_PATH_MAX], const char *dir, enum bk_topic topic,
                           int32_t partition);
/** "<part>/2026-11-23.00000000000000001234.bkz" into `out`. false: too long. */
bool bk__archive_file_path(char out[ARCHIVE_PATH_MAX], const char *part, int32_t day, int64_t from);
/** The files of a partition's folder; none when there is no such folder. 0, BK_EIO, BK_ENOMEM. */
BK_MUST_CHECK int bk__archive_list(struct archive_files *files, const char *part,
                                   struct bk_reason *reason);
void bk__archive_files_deinit(struct archive_files *files);
/** One more than the highest number among a topic's folders; 0: the topic has none. */
int32_t bk__archive_partitions(const char *dir, enum bk_topic topic);
/** Remove what a crash left half made (*.tmp) in a partition's folder. */
void bk__archive_sweep(const char *part);
/** fsync a folder, so that names in it survive a power cut. 0 or BK_EIO. */
BK_MUST_CHECK int bk__archive_sync_folder(const char *path);

/** The folder of an open archive, borrowed from it. */
const char *bk__archive_dir(const struct bk_archive *archive);

#endif
