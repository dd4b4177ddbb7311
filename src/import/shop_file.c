/* shop_file.c -- see shop_file.h: one line, seven columns, one row. */
#include "basketry/shop_file.h"

#include <stdlib.h>

enum { COLUMNS = 7 };

struct bk_shop_file {
    struct bk_lines *lines;
    char *path;
    uint64_t rows;
};

size_t bk_shop_columns(bk_str_t line, bk_str_t *column, size_t max)
{
    size_t count = 0;
    const char *at = line.p, *end = line.p + line.len;
    for (;;) {
        const char *tab = at < end ? memchr(at, '\t', (size_t)(end - at)) : NULL;
        if (count < max) column[count] = bk_str(at, (size_t)((tab ? tab : end) - at));
        count++;
        if (!tab) return count;
        at = tab + 1;
    }
}

bool bk_shop_integer(bk_str_t text, int64_t *out)
{
    bool minus = text.len > 0 && text.p[0] == '-';
    uint32_t at = minus;
    if (at == text.len || text.len - at > 18) return false; /* 18 digits always fit */
    int64_t value = 0;
    for (; at < text.len; at++) {
        if (text.p[at] < '0' || text.p[at] > '9') return false;
        value = value * 10 + (text.p[at] - '0');
    }
    *out = minus ? -value : value;
    return true;
}

bool bk_shop_hundredths(bk_str_t text, int64_t *out)
{
    const char *point = text.len ? memchr(text.p, '.', text.len) : NULL;
    bk_str_t whole = bk_str(text.p, point ? (size_t)(point - text.p) : text.len);
    bool minus = whole.len > 0 && whole.p[0] == '-';
    int64_t value = 0, cents = 0;
    if (whole.len - minus > 15 || !bk_shop_integer(whole, &value)) return false;
    if (point) {
        uint32_t digits = text.len - whole.len - 1;
        if (!digits) return false;
        for (uint32_t i = 0; i < digits; i++)
            if (point[1 + i] < '0' || point[1 + i] > '9') return false;
        cents = (point[1] - '0') * 10 + (digits > 1 ? point[2] - '0' : 0);
        if (digits > 2 && point[3] >= '5') cents++;
    }
    value = (minus ? -value : value) * 100 + cents;
    *out = minus ? -value : value;
    return true;
}

/* ---- the file ---- */

static int check_header(struct bk_shop_file *file, struct bk_reason *reason)
{
    static const bk_str_t header = BK_STR("ts_ms\tuser\tsession\tevent\titem\tqty\tprice");
    bk_str_t line;
    int got = bk_lines_next(file->lines, &line, reason);
    if (got < 0 && got != BK_ELIMIT) return got;
    if (got == 1 && bk_str_eq(line, header)) return BK_OK;
    return bk_reason_set(reason, BK_EINVAL,
                         "%s: the first line must be: ts_ms user session event item qty price "
                         "(tab separated)",
                         file->path);
}

struct bk_shop_file *bk_shop_file_open(const char *path, struct bk_reason *reason)
{
    struct bk_shop_file *file = calloc(1, sizeof *file);
    if (!file || !(file->path = strdup(path))) {
        bk_reason_set(reason, BK_ENOMEM, "%s: out of memory", path);
        bk_shop_file_close(&file);
        return NULL;
    }
    file->lines = bk_lines_open(path, BK_SHOP_LINE_BYTES_MAX, reason);
    if (!file->lines || check_header(file, reason) != BK_OK) bk_shop_file_close(&file);
    return file;
}

void bk_shop_file_close(struct bk_shop_file **file)
{
    if (!*file) return;
    bk_lines_close(&(*file)->lines);
    free((*file)->path);
    free(*file);
    *file = NULL;
}

void bk_shop_file_progress(const struct bk_shop_file *file, uint64_t *done_bytes,
                           uint64_t *total_bytes)
{
    bk_lines_progress(file->lines, done_bytes, total_bytes);
}

uint64_t bk_shop_file_line(const struct bk_shop_file *file)
{
    return bk_lines_number(file->lines);
}

static bool not_recorded(bk_str_t text)
{
    return text.len == 1 && text.p[0] == '-';
}

static bk_str_t recorded(bk_str_t text)
{
    return not_recorded(text) ? bk_str(NULL, 0) : text;
}

static bool parse_action(bk_str_t word, enum bk_shop_action *action)
{
    static const char *const words[] = {
#define X(name, word) word,
        BK_SHOP_ACTION_TABLE(X)
#undef X
    };
    for (unsigned i = 0; i < BK_SHOP_ACTION_COUNT; i++)
        if (bk_str_eq(word, bk_str_c(words[i]))) {
            *action = (enum bk_shop_action)i;
            return true;
        }
    return false;
}

/* What is wrong with the row, or NULL. */
static const char *parse_row(bk_str_t line, struct bk_shop_row *row)
{
    bk_str_t column[COLUMNS];
    if (bk_shop_columns(line, column, COLUMNS) != COLUMNS) return "not seven columns";
    row->ts_ms = BK_NULL_I64;
    if (!not_recorded(column[0]) && !bk_shop_integer(column[0], &row->ts_ms))
        return "ts_ms is not a whole number";
    row->user = recorded(column[1]);
    row->session = recorded(column[2]);
    if (!parse_action(column[3], &row->action))
        return "event is none of view, cart, favourite, purchase, return, remove, search";
    row->item = column[4];
    row->quantity = recorded(column[5]);
    row->price = recorded(column[6]);
    return NULL;
}

int bk_shop_file_next(struct bk_shop_file *file, struct bk_shop_row *row, struct bk_reason *reason)
{
    bk_str_t line;
    int got = bk_lines_next(file->lines, &line, reason);
    if (got == BK_ELIMIT) file->rows++;
    if (got != 1) return got == BK_ELIMIT ? BK_EINVAL : got;
    row->number = ++file->rows;
    const char *wrong = parse_row(line, row);
    if (!wrong) return 1;
    return bk_reason_set(reason, BK_EINVAL, "%s:%llu: %s", file->path,
                         (unsigned long long)bk_lines_number(file->lines), wrong);
}
