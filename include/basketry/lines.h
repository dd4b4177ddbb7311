/* lines.h -- the lines of a text file, plain or compressed, one at a time and in bounded memory.
 *
 * What import and evaluate read their inputs with. Whether a file is plain, gzip or zstd is told by
 * its first bytes, not by its name; several compressed members in a row (as `cat a.gz b.gz` makes)
 * read as one text.
 */
#ifndef BASKETRY_LINES_H
#define BASKETRY_LINES_H

#include "basketry/base.h"
#include "basketry/error.h"

#ifdef __cplusplus
extern "C" {
#endif

struct bk_lines;

/** Open `path` ("-": standard input). A line longer than `line_bytes_max` (at least 1) is reported
 * and skipped. NULL and `reason` filled when the file cannot be opened or memory is short. Any
 * thread, one at a time. */
struct bk_lines *bk_lines_open(const char *path, size_t line_bytes_max, struct bk_reason *reason);

/** The next line, without its end ("\n" or "\r\n"; the last line may have none). `*line` is
 * borrowed until the next call. 1            a line 0            the end of the file BK_ELIMIT this
 * line was over-long and has been skipped; go on with the next call BK_ECORRUPT  the compressed
 * bytes are damaged or end too early BK_EIO       reading failed For the negative ones `reason`
 * (may be NULL) says file and line; after the last two every call says the same again. */
BK_MUST_CHECK int bk_lines_next(struct bk_lines *lines, bk_str_t *line, struct bk_reason *reason);

/** The number, from 1, of the line the last call was about; 0 before the first. */
uint64_t bk_lines_number(const struct bk_lines *lines);

/** Did the last line handed out have its line end? A file whose last line has none may have been cut
 *  off. */
bool bk_lines_ended(const struct bk_lines *lines);

/** Bytes of the file (as stored, so compressed ones count compressed) read so far, and in all (0:
 * not known, as for a pipe). */
void bk_lines_progress(const struct bk_lines *lines, uint64_t *done_bytes, uint64_t *total_bytes);

/** Close and set *lines to NULL. NULL inside is fine. */
void bk_lines_close(struct bk_lines **lines);

#ifdef __cplusplus
}
#endif
#endif
