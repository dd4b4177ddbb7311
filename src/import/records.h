/* records.h -- the rows of one file, whatever its form, and our fields in them. */
#ifndef BASKETRY_IMPORT_RECORDS_H
#define BASKETRY_IMPORT_RECORDS_H

#include "labels.h"
#include "mapping.h"

enum { BK__JSON_LINE_BYTES_MAX = 8 << 20 };

struct bk__records;

/** Open a file as a table: its header is read and the columns found. `encoding` NULL: the table's.
 *  `labels` (borrowed, may be NULL) is what `@` looks up. NULL with `reason`: "file:line:column:
 *  why". */
struct bk__records *bk__records_open(const char *path, const struct bk__table *table,
                                     const enum bk_encoding *encoding,
                                     const struct bk__labels *labels, struct bk_reason *reason);
void bk__records_close(struct bk__records **records);

/** The next row. 1 a row; 0 the end; BK_EINVAL it is no good (`reason`: "file:line:column: why"), go
 *  on with the next call; BK_ECORRUPT the file is damaged or ends in the middle of a row; or what
 *  reading gave. Rows that `where` leaves out and rows of deleted items are passed over and counted
 *  in *passed. */
BK_MUST_CHECK int bk__records_next(struct bk__records *records, uint64_t *passed,
                                   struct bk_reason *reason);

/** A field of the row; p == NULL when it is not there, empty or the table's null word. Borrowed until
 *  the next row. 0, or BK_EINVAL when its bytes are not what the encoding says (`reason` as above). */
BK_MUST_CHECK int bk__records_get(struct bk__records *records, enum bk__field field, bk_str_t *text,
                                  struct bk_reason *reason);
/** A field that is a list: the elements of a JSON array, or a text split by the table's sign. `there`:
 *  the field is in the row at all. More than `max` words, or one over 128 bytes, is BK_EINVAL. */
BK_MUST_CHECK int bk__records_words(struct bk__records *records, enum bk__field field,
                                    bk_str_t *words, uint32_t max, uint32_t *count, bool *there,
                                    struct bk_reason *reason);
/** "file:line:column: field: why" about a field of this row; returns BK_EINVAL. */
int bk__records_wrong(const struct bk__records *records, enum bk__field field, const char *why,
                      struct bk_reason *reason);

/** Is there an element? False for the one row that an empty `lines` array makes. */
bool bk__records_has_element(const struct bk__records *records);
/** The place of the row in its file, from 1: elements count. */
uint64_t bk__records_number(const struct bk__records *records);
/** As bk_lines_progress. */
void bk__records_progress(const struct bk__records *records, uint64_t *done_bytes,
                          uint64_t *total_bytes);

#endif
