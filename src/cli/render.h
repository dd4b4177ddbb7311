/* render.h -- answers as text for a terminal. Private to src/cli. */
#ifndef BASKETRY_CLI_RENDER_H
#define BASKETRY_CLI_RENDER_H

#include "basketry/buf.h"

#include <jansson.h>

/** Append text so that it cannot move a terminal's cursor: control characters (C0, DEL, C1) become
 *  '?', bytes that are not UTF-8 too. */
void bk__cli_put_text(struct bk_buf *out, const char *text);
/** The same, cut to `columns` characters (the last becomes '~' when cut) and padded with blanks to
 *  that. Wide characters count as one. */
void bk__cli_put_cell(struct bk_buf *out, const char *text, size_t columns);
/** Append "3.2 s", "5 min", "2.1 h", "4 d" of a duration in milliseconds. */
void bk__cli_put_duration(struct bk_buf *out, int64_t ms);

/** Append an object or array as an outline: `name  value` aligned, nested objects indented, an
 *  array of objects as a table whose columns are the keys of its first row. At most 80 columns
 *  where the content allows it. */
void bk__cli_put_json(struct bk_buf *out, const json_t *value);

#endif
