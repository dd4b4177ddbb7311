/* csv.h -- rows of a delimited file: RFC 4180's quotes, any separator, bounded. */
#ifndef BASKETRY_IMPORT_CSV_H
#define BASKETRY_IMPORT_CSV_H

#include "basketry/lines.h"

enum { BK__CSV_FIELDS_MAX = 256, BK__CSV_ROW_BYTES_MAX = 1 << 20 };

struct bk__csv_field {
    bk_str_t text; /* without its quotes; borrowed until the next row */
    uint64_t line; /* where it begins */
    uint32_t column;
};

struct bk__csv {
    struct bk_lines *lines; /* borrowed */
    char separator;
    bool quotes; /* may a field be quoted? */
    struct bk__csv_field field[BK__CSV_FIELDS_MAX];
    uint32_t count;
    uint64_t line;  /* of the row's first byte */
    char *row;      /* a row with quotes, on one run of bytes */
    size_t row_len; /* BK__CSV_ROW_BYTES_MAX at most */
};

/** Ready for rows of `lines` from where it stands. 0 or BK_ENOMEM. */
BK_MUST_CHECK int bk__csv_init(struct bk__csv *csv, struct bk_lines *lines, char separator,
                               bool quotes);
void bk__csv_deinit(struct bk__csv *csv);

/** The next row into csv->field. 1 a row; 0 the end; BK_EINVAL this row is no good, go on with the
 *  next call; BK_ECORRUPT the file ends inside quotes; or what bk_lines_next gave. For the negative
 *  ones `reason` says "LINE:COLUMN: why", but for the last, which names the file as well. An empty
 *  line is passed over. */
BK_MUST_CHECK int bk__csv_next(struct bk__csv *csv, struct bk_reason *reason);

#endif
