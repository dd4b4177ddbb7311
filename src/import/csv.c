/* csv.c -- see csv.h.
 *
 * THE IDEA
 *   Nearly every row has no quote in it: its fields then lie in the line as it is and nothing is
 *   copied. A row with a quote is gathered into `row` -- lines are added while a quote is open, so a
 *   quoted field may hold line ends -- and its fields are unquoted in place: what is written never
 *   overtakes what is read.
 * LIMITS
 *   256 fields, 1 MiB a row. A quote that is never closed would swallow the file: at 1 MiB the row is
 *   refused with the place where the quote was opened.
 */
#include "csv.h"

#include <stdlib.h>

int bk__csv_init(struct bk__csv *csv, struct bk_lines *lines, char separator, bool quotes)
{
    csv->lines = lines;
    csv->separator = separator;
    csv->quotes = quotes;
    csv->count = 0;
    csv->row = malloc(BK__CSV_ROW_BYTES_MAX);
    return csv->row ? BK_OK : BK_ENOMEM;
}

void bk__csv_deinit(struct bk__csv *csv)
{
    free(csv->row);
    csv->row = NULL;
}

static int bad(struct bk_reason *reason, int code, uint64_t line, size_t column, const char *why)
{
    return bk_reason_set(reason, code, "%llu:%zu: %s", (unsigned long long)line, column, why);
}

static bool add_field(struct bk__csv *csv, bk_str_t text, uint64_t line, size_t column)
{
    if (csv->count == BK__CSV_FIELDS_MAX) return false;
    csv->field[csv->count++] = (struct bk__csv_field){text, line, (uint32_t)column};
    return true;
}

static int too_many(const struct bk__csv *csv, struct bk_reason *reason)
{
    return bad(reason, BK_EINVAL, csv->line, 1, "more than 256 columns");
}

/* ---- a line without quotes ---- */

static int split_plain(struct bk__csv *csv, bk_str_t line, struct bk_reason *reason)
{
    const char *at = line.p, *end = line.p + line.len;
    for (;;) {
        const char *stop = at < end ? memchr(at, csv->separator, (size_t)(end - at)) : NULL;
        bk_str_t text = bk_str(at, (size_t)((stop ? stop : end) - at));
        if (!add_field(csv, text, csv->line, (size_t)(at - line.p) + 1))
            return too_many(csv, reason);
        if (!stop) return 1;
        at = stop + 1;
    }
}

/* ---- a row with quotes ---- */

static bool append(struct bk__csv *csv, bk_str_t text)
{
    if (text.len > BK__CSV_ROW_BYTES_MAX - csv->row_len) return false;
    if (text.len) memcpy(csv->row + csv->row_len, text.p, text.len);
    csv->row_len += text.len;
    return true;
}

/* Where the reading of a gathered row stands. */
struct walk {
    size_t at;         /* next byte to read */
    size_t line_start; /* of the line that byte is in */
    uint64_t line;
};

static size_t column_of(const struct walk *walk, size_t at)
{
    return at - walk->line_start + 1;
}

/* One more line, because a quote is open. 1, or what ended it. */
static int more(struct bk__csv *csv, uint64_t open_line, size_t open_column,
                struct bk_reason *reason)
{
    static const char unclosed[] = "the quote that opens here is not closed within 1 MiB";
    bk_str_t line;
    int got = bk_lines_next(csv->lines, &line, reason);
    if (got == 0)
        return bad(reason, BK_ECORRUPT, open_line, open_column,
                   "the file ends inside the quotes that open here (cut off?)");
    if (got == BK_ELIMIT) return bad(reason, BK_EINVAL, open_line, open_column, unclosed);
    if (got != 1) return got;
    if (append(csv, BK_STR("\n")) && append(csv, line)) return 1;
    return bad(reason, BK_EINVAL, open_line, open_column, unclosed);
}

/* The field whose opening quote is at walk->at, unquoted in place. 1, or what ended it. */
static int read_quoted(struct bk__csv *csv, struct walk *walk, struct bk_reason *reason)
{
    uint64_t line = walk->line;
    size_t column = column_of(walk, walk->at), to = ++walk->at, start = to;
    for (;;) {
        if (walk->at == csv->row_len) {
            int got = more(csv, line, column, reason);
            if (got != 1) return got;
        }
        char c = csv->row[walk->at++];
        bool last = walk->at == csv->row_len;
        if (c == '"' && !last && csv->row[walk->at] == '"') {
            walk->at++;
        } else if (c == '"') {
            break;
        } else if (c == '\n') {
            walk->line++;
            walk->line_start = walk->at;
        }
        csv->row[to++] = c;
    }
    if (!add_field(csv, bk_str(csv->row + start, to - start), line, column))
        return too_many(csv, reason);
    if (walk->at < csv->row_len && csv->row[walk->at] != csv->separator)
        return bad(reason, BK_EINVAL, walk->line, column_of(walk, walk->at),
                   "neither a separator nor a line end behind the closing quote");
    return 1;
}

static int read_bare(struct bk__csv *csv, struct walk *walk, struct bk_reason *reason)
{
    const char *start = csv->row + walk->at;
    const char *stop = memchr(start, csv->separator, csv->row_len - walk->at);
    size_t len = stop ? (size_t)(stop - start) : csv->row_len - walk->at;
    if (!add_field(csv, bk_str(start, len), walk->line, column_of(walk, walk->at)))
        return too_many(csv, reason);
    walk->at += len;
    return 1;
}

/* A quote counts only at the beginning of a field; elsewhere it is a sign like any other. */
static int split_quoted(struct bk__csv *csv, struct bk_reason *reason)
{
    struct walk walk = {.line = csv->line};
    for (;;) {
        bool quoted = walk.at < csv->row_len && csv->row[walk.at] == '"';
        int got = quoted ? read_quoted(csv, &walk, reason) : read_bare(csv, &walk, reason);
        if (got != 1) return got;
        if (walk.at == csv->row_len) return 1;
        walk.at++; /* the separator */
    }
}

/* ---- rows ---- */

int bk__csv_next(struct bk__csv *csv, struct bk_reason *reason)
{
    bk_str_t line;
    int got;
    do {
        got = bk_lines_next(csv->lines, &line, reason);
        csv->line = bk_lines_number(csv->lines);
    } while (got == 1 && line.len == 0);
    csv->count = 0;
    if (got == BK_ELIMIT) return bad(reason, BK_EINVAL, csv->line, 1, "a row over 1 MiB");
    if (got != 1) return got;
    if (!csv->quotes || !memchr(line.p, '"', line.len)) return split_plain(csv, line, reason);
    csv->row_len = 0;
    if (!append(csv, line)) return bad(reason, BK_EINVAL, csv->line, 1, "a row over 1 MiB");
    return split_quoted(csv, reason);
}
