/* render.c -- answers as text for a terminal.
 *
 * Names and ids come from outside: everything passes bk__cli_put_text, so no answer can move the
 * cursor or colour the screen. The outline of a JSON value knows nothing of what it shows: handlers
 * may add fields without a change here.
 */
#include "render.h"

#include <stdlib.h>

enum { NAME_WIDTH_MAX = 40, COLUMNS_MAX = 16, CELL_MAX = 28, DEPTH_MAX = 8 };

/* ---- text ---- */

/* The length of the character at `p` and whether it may be shown. `left` > 0. */
static size_t character(const char *p, size_t left, bool *shown)
{
    unsigned char c = (unsigned char)*p;
    size_t len = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
    if (len > left || !bk_utf8_valid(p, len)) {
        *shown = false;
        return 1;
    }
    *shown = len == 1 ? c >= 0x20 && c != 0x7f : !(c == 0xc2 && (unsigned char)p[1] < 0xa0);
    return len;
}

static size_t put_characters(struct bk_buf *out, const char *text, size_t max, bool *cut)
{
    size_t left = strlen(text), count = 0;
    while (left && count < max) {
        bool shown;
        size_t len = character(text, left, &shown);
        if (shown)
            bk_buf_bytes(out, text, len);
        else
            bk_buf_char(out, '?');
        text += len, left -= len, count++;
    }
    *cut = left > 0;
    return count;
}

void bk__cli_put_text(struct bk_buf *out, const char *text)
{
    bool cut;
    (void)put_characters(out, text, SIZE_MAX, &cut);
}

static size_t width_of(const char *text)
{
    struct bk_buf scrap = {0};
    bool cut;
    size_t width = put_characters(&scrap, text, SIZE_MAX, &cut);
    bk_buf_deinit(&scrap);
    return width;
}

void bk__cli_put_cell(struct bk_buf *out, const char *text, size_t columns)
{
    bool cut;
    size_t from = out->len, count = put_characters(out, text, columns, &cut);
    if (cut && columns && out->len > from) { /* drop the last character, whole */
        while (out->len > from && ((unsigned char)out->p[out->len - 1] & 0xc0) == 0x80) out->len--;
        if (out->len > from) out->len--;
        bk_buf_char(out, '~');
    }
    for (; count < columns; count++) bk_buf_char(out, ' ');
}

void bk__cli_put_duration(struct bk_buf *out, int64_t ms)
{
    static const struct {
        int64_t from, unit;
        const char *name;
    } steps[] = {{172800000, 86400000, "d"},
                 {7200000, 3600000, "h"},
                 {120000, 60000, "min"},
                 {1000, 1000, "s"}};
    if (ms < 0) bk_buf_char(out, '-'), ms = -ms;
    for (size_t i = 0; i < BK_COUNTOF(steps); i++) {
        if (ms < steps[i].from) continue;
        bk_buf_printf(out, "%.1f %s", (double)ms / (double)steps[i].unit, steps[i].name);
        return;
    }
    bk_buf_printf(out, "%lld ms", (long long)ms);
}

/* ---- any JSON ---- */

static void outline(struct bk_buf *out, const json_t *value, size_t indent);

static bool is_scalar(const json_t *value)
{
    return !json_is_object(value) && !json_is_array(value);
}

static bool is_flat_array(const json_t *value)
{
    size_t i;
    json_t *element;
    if (!json_is_array(value)) return false;
    json_array_foreach(value, i, element) if (!is_scalar(element)) return false;
    return true;
}

static void put_plain(struct bk_buf *out, const json_t *value)
{
    if (!value) return; /* a cell that its row does not have */
    switch (json_typeof(value)) {
    case JSON_STRING:
        bk_buf_cstr(out, json_string_length(value) ? json_string_value(value) : "-");
        break;
    case JSON_INTEGER:
        bk_buf_printf(out, "%lld", (long long)json_integer_value(value));
        break;
    case JSON_REAL: { /* six digits, and never an exponent where a person would write none */
        double real = json_real_value(value);
        bk_buf_printf(out, real >= 1e6 || real <= -1e6 ? "%.0f" : "%.6g", real);
        break;
    }
    case JSON_TRUE:
    case JSON_FALSE:
        bk_buf_cstr(out, json_is_true(value) ? "true" : "false");
        break;
    case JSON_NULL:
        bk_buf_cstr(out, "-");
        break;
    default: { /* an object or array inside a table's cell */
        char *text = json_dumps(value, JSON_COMPACT);
        bk_buf_cstr(out, text ? text : "?");
        free(text);
    }
    }
}

/* The value as one line; arrays of plain values are joined. */
static struct bk_buf line_of(const json_t *value)
{
    struct bk_buf line = {0};
    size_t i;
    json_t *element;
    bk_buf_cstr(&line, json_is_array(value) && json_array_size(value) == 0 ? "-" : "");
    if (!is_flat_array(value))
        put_plain(&line, value);
    else
        json_array_foreach(value, i, element)
        {
            if (i) bk_buf_cstr(&line, ", ");
            put_plain(&line, element);
        }
    return line;
}

static void put_indent(struct bk_buf *out, size_t indent)
{
    for (size_t i = 0; i < indent; i++) bk_buf_char(out, ' ');
}

struct column {
    const char *name;
    size_t width;
    bool number;
};

static size_t columns_of(const json_t *rows, struct column *column)
{
    size_t count = 0, i;
    const char *key;
    json_t *cell, *row;
    json_object_foreach(json_array_get(rows, 0), key, cell)
    {
        if (count == COLUMNS_MAX) break;
        column[count++] = (struct column){key, width_of(key), json_is_number(cell)};
    }
    json_array_foreach(rows, i, row) for (size_t c = 0; c < count; c++)
    {
        struct bk_buf line = line_of(json_object_get(row, column[c].name));
        size_t width = json_object_get(row, column[c].name) ? width_of(line.p) : 0;
        if (width > column[c].width) column[c].width = width < CELL_MAX ? width : CELL_MAX;
        bk_buf_deinit(&line);
    }
    return count;
}

static void put_cells(struct bk_buf *out, const json_t *row, const struct column *column,
                      size_t count, size_t indent)
{
    put_indent(out, indent);
    for (size_t c = 0; c < count; c++) {
        const json_t *cell = row ? json_object_get(row, column[c].name) : NULL;
        struct bk_buf line = {0};
        if (!row)
            bk_buf_cstr(&line, column[c].name);
        else if (cell)
            line = line_of(cell);
        else
            bk_buf_cstr(&line, "");
        size_t width = width_of(line.p);
        if (c) bk_buf_cstr(out, "  ");
        if (column[c].number && width < column[c].width) put_indent(out, column[c].width - width);
        bk__cli_put_cell(out, line.p,
                         column[c].number && width < column[c].width ? width : column[c].width);
        bk_buf_deinit(&line);
    }
    while (out->len && out->p[out->len - 1] == ' ') out->len--;
    bk_buf_char(out, '\n');
}

static void put_table(struct bk_buf *out, const json_t *rows, size_t indent)
{
    struct column column[COLUMNS_MAX];
    size_t i, count = columns_of(rows, column);
    json_t *row;
    put_cells(out, NULL, column, count, indent);
    json_array_foreach(rows, i, row) put_cells(out, row, column, count, indent);
}

static size_t name_width(const json_t *object)
{
    size_t width = 0;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        size_t own = width_of(key);
        if ((is_scalar(value) || is_flat_array(value)) && own > width) width = own;
    }
    return width < NAME_WIDTH_MAX ? width : NAME_WIDTH_MAX;
}

static void put_object(struct bk_buf *out, const json_t *object, size_t indent)
{
    size_t width = name_width(object);
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        put_indent(out, indent);
        if (!is_scalar(value) && !is_flat_array(value)) {
            bk__cli_put_text(out, key);
            bk_buf_char(out, '\n');
            outline(out, value, indent + 2);
            continue;
        }
        struct bk_buf line = line_of(value);
        if (width_of(key) > width)
            bk__cli_put_text(out, key);
        else
            bk__cli_put_cell(out, key, width);
        bk_buf_cstr(out, "  ");
        bk__cli_put_text(out, line.p);
        bk_buf_char(out, '\n');
        bk_buf_deinit(&line);
    }
}

static void outline(struct bk_buf *out, const json_t *value, size_t indent)
{
    size_t i;
    json_t *element;
    if (indent / 2 > DEPTH_MAX) {
        put_indent(out, indent);
        bk_buf_cstr(out, "...\n");
    } else if (json_is_object(value)) {
        put_object(out, value, indent);
    } else if (json_is_array(value) && json_is_object(json_array_get(value, 0))) {
        put_table(out, value, indent);
    } else if (json_is_array(value) && !is_flat_array(value)) {
        json_array_foreach(value, i, element) outline(out, element, indent + 2);
    } else {
        struct bk_buf line = line_of(value);
        put_indent(out, indent);
        bk__cli_put_text(out, line.p);
        bk_buf_char(out, '\n');
        bk_buf_deinit(&line);
    }
}

void bk__cli_put_json(struct bk_buf *out, const json_t *value)
{
    outline(out, value, 0);
}
