/* recognise.c -- which table a file's first line belongs to: the one with the most names in common.
 *
 * A CSV header is looked at with each table's own separator; a line of JSON is parsed, and what a
 * DynamoDB export wraps is unwrapped. Of several tables of the winner's format that match equally all
 * are taken: one file of events may say what its products are called, too.
 */
#include "recognise.h"

#include <stdio.h>

#include "json_path.h"
#include "values.h"

enum { FIRST_LINE_BYTES_MAX = 8 << 20 };

static bk_str_t without_mark(bk_str_t text)
{
    bool mark = text.len >= 3 && memcmp(text.p, "\xef\xbb\xbf", 3) == 0;
    return mark ? bk_str(text.p + 3, text.len - 3) : text;
}

static bk_str_t trim(bk_str_t text)
{
    while (text.len && text.p[0] == ' ') text = bk_str(text.p + 1, text.len - 1);
    while (text.len && text.p[text.len - 1] == ' ') text.len--;
    return text;
}

/* ---- one table ---- */

static bool is_name_there(const struct bk__table *table, const char *name, const bk_str_t *names,
                          uint32_t count, const json_t *doc)
{
    if (table->form != FORM_CSV) return json_object_get(doc, name) != NULL;
    for (uint32_t i = 0; i < count; i++)
        if (bk_str_eq(names[i], bk_str_c(name))) return true;
    return false;
}
static uint32_t count_names(const struct bk__table *table, const bk_str_t *names, uint32_t count,
                            const json_t *doc, const char **missing)
{
    const struct bk__expr *expr = &table->recognise;
    uint32_t found = 0;
    for (uint32_t from = 0; from < expr->count;) {
        bool there = false;
        uint32_t to = from;
        do there |= is_name_there(table, expr->part[to++].path, names, count, doc);
        while (to < expr->count && !expr->part[to].begins);
        if (!there && !*missing) *missing = expr->part[from].path;
        found += there;
        from = to;
    }
    return *missing ? 0 : found;
}

static uint32_t split_line(const struct bk__table *table, bk_str_t line, bk_str_t *names)
{
    uint32_t count = 0;
    const char *at = line.p, *end = line.p + line.len;
    while (count < BK__COLUMNS_MAX) {
        const char *stop = at < end ? memchr(at, table->separator, (size_t)(end - at)) : NULL;
        bk_str_t name = bk_str(at, (size_t)((stop ? stop : end) - at));
        bool quoted =
            table->quotes && name.len >= 2 && name.p[0] == '"' && name.p[name.len - 1] == '"';
        names[count++] = trim(quoted ? bk_str(name.p + 1, name.len - 2) : name);
        if (!stop) break;
        at = stop + 1;
    }
    return count;
}

/* A file without a header: as many columns, and the time is one. */
static bool fits_columns(const struct bk__table *table, const bk_str_t *names, uint32_t count)
{
    const struct bk__expr *time = &table->field[FIELD_TIME];
    int64_t ms;
    if (count != table->column_count || !time->count) return false;
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(table->columns[i], time->part[0].path) == 0)
            return !bk__parse_time(table->time_form, names[i], 0, 0, &ms);
    return false;
}

static json_t *document(const struct bk__table *table, bk_str_t line)
{
    struct bk_reason ignored;
    bool deleted;
    json_t *doc = bk__json_line(line, &ignored);
    if (!doc || table->form != FORM_DYNAMODB) return doc;
    json_t *item = bk__json_dynamodb(doc, &deleted, &ignored);
    json_decref(doc);
    return item;
}

uint32_t bk__table_match(const struct bk__table *table, bk_str_t line, const char **missing)
{
    bk_str_t names[BK__COLUMNS_MAX];
    *missing = NULL;
    line = without_mark(line);
    if (table->form != FORM_CSV) {
        json_t *doc = line.len && line.p[0] == '{' ? document(table, line) : NULL;
        uint32_t found = doc ? count_names(table, NULL, 0, doc, missing) : 0;
        json_decref(doc);
        return found;
    }
    uint32_t count = split_line(table, line, names);
    if (table->column_count) return fits_columns(table, names, count) ? 1 : 0;
    return count_names(table, names, count, NULL, missing);
}

/* ---- all tables ---- */

struct choice {
    const struct bk__table *best, *nearest; /* nearest: it has most names, but not all */
    uint32_t best_names, nearest_names;
    const char *nearest_lacks;
};

static bool is_named(const struct bk__table *table, const char *name)
{
    size_t len = strlen(table->format);
    if (!name || strcmp(name, table->format) == 0) return true;
    return strncmp(name, table->format, len) == 0 && name[len] == '.' &&
           strcmp(name + len + 1, table->name) == 0;
}

bool bk_import_formats_has(const struct bk_import_formats *formats, const char *name)
{
    for (uint32_t i = 0; i < formats->count; i++)
        if (is_named(formats->table[i], name)) return true;
    return false;
}

static uint32_t names_wanted(const struct bk__table *table)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < table->recognise.count; i++) count += table->recognise.part[i].begins;
    return count;
}

static void look(struct choice *choice, const struct bk__table *table, bk_str_t line)
{
    const char *missing;
    uint32_t found = bk__table_match(table, line, &missing);
    if (found > choice->best_names) {
        choice->best = table;
        choice->best_names = found;
    }
    if (missing && names_wanted(table) > choice->nearest_names) {
        choice->nearest = table;
        choice->nearest_names = names_wanted(table);
        choice->nearest_lacks = missing;
    }
}

/* The other tables of its format that the same line says as much of. */
static void take_all(const struct bk_import_formats *formats, const struct choice *choice,
                     const char *name, bk_str_t line, struct bk_import_file *file)
{
    const char *missing;
    for (uint32_t i = 0; i < formats->count && file->count < BK_IMPORT_FILE_TABLES_MAX; i++) {
        const struct bk__table *table = formats->table[i];
        if (is_named(table, name) && strcmp(table->format, choice->best->format) == 0 &&
            bk__table_match(table, line, &missing) == choice->best_names)
            file->table[file->count++] = table;
    }
}

/* How much of a line an error shows: at most 60 bytes that can be printed. */
static uint32_t shown_bytes(bk_str_t line)
{
    uint32_t len = 0;
    while (len < line.len && len < 60 && line.p[len] >= ' ' && line.p[len] < 0x7f) len++;
    return len;
}

static int refuse(const struct choice *choice, const char *format, const char *path, bk_str_t line,
                  struct bk_reason *reason)
{
    if (line.len >= 2 && (memcmp(line.p, "\xff\xfe", 2) == 0 || memcmp(line.p, "\xfe\xff", 2) == 0))
        return bk_reason_set(reason, BK_EINVAL, "%s:1:1: UTF-16; convert it with iconv -t UTF-8",
                             path);
    char near[120] = "";
    if (choice->nearest && format)
        snprintf(near, sizeof near, "; %s.%s also has %s", choice->nearest->format,
                 choice->nearest->name, choice->nearest_lacks);
    return bk_reason_set(reason, BK_EINVAL,
                         "%s:1:1: %s%s%s; the first line is: %.*s%s (import --formats lists them)",
                         path, format ? "not " : "no known format", format ? format : "", near,
                         (int)shown_bytes(line), line.p, line.len > shown_bytes(line) ? "..." : "");
}

static int choose(const struct bk_import_formats *formats, const char *format, bk_str_t line,
                  struct bk_import_file *file, struct bk_reason *reason)
{
    struct choice choice = {0};
    for (uint32_t i = 0; i < formats->count; i++)
        if (is_named(formats->table[i], format)) look(&choice, formats->table[i], line);
    if (!choice.best) return refuse(&choice, format, file->path, line, reason);
    take_all(formats, &choice, format, line, file);
    return BK_OK;
}

static int take_stdin(const struct bk_import_formats *formats, const char *format,
                      struct bk_import_file *file, struct bk_reason *reason)
{
    for (uint32_t i = 0; format && i < formats->count; i++)
        if (is_named(formats->table[i], format) && file->count < BK_IMPORT_FILE_TABLES_MAX)
            file->table[file->count++] = formats->table[i];
    if (file->count == 1) return BK_OK;
    return bk_reason_set(reason, BK_EINVAL,
                         "-: standard input cannot be looked at twice: name its table, as in "
                         "--format rees46.events");
}

int bk_import_recognise(const struct bk_import_formats *formats, const char *format,
                        const char *path, struct bk_import_file *file, struct bk_reason *reason)
{
    bk_str_t line = bk_str("", 0);
    *file = (struct bk_import_file){.path = path};
    if (strcmp(path, "-") == 0) return take_stdin(formats, format, file, reason);
    struct bk_lines *lines = bk_lines_open(path, FIRST_LINE_BYTES_MAX, reason);
    if (!lines) return BK_EIO;
    int got = 1;
    while (got == 1 && !line.len) got = bk_lines_next(lines, &line, reason);
    if (got == 0)
        got = bk_reason_set(reason, BK_EINVAL, "%s:1:1: empty", path);
    else if (got == BK_ELIMIT)
        got = BK_EINVAL;
    else if (got == 1)
        got = choose(formats, format, line, file, reason);
    bk_lines_close(&lines);
    return got;
}

/* ---- what was found ---- */

const char *bk_import_file_names(const struct bk_import_file *file, char *out, size_t cap)
{
    size_t len = 0;
    out[0] = '\0';
    for (uint32_t i = 0; i < file->count && len < cap; i++)
        len += (size_t)snprintf(out + len, cap - len, "%s%s.%s", i ? ", " : "",
                                file->table[i]->format, file->table[i]->name);
    return out;
}

bool bk_import_file_has_products(const struct bk_import_file *file)
{
    for (uint32_t i = 0; i < file->count; i++)
        if (file->table[i]->kind == KIND_PRODUCTS) return true;
    return false;
}
