/* formats.c -- the formats at hand: those compiled in and a shop's own; and their reference. */
#include "formats.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "mapping.h"

enum { MAPPING_LINE_BYTES_MAX = 1 << 16 };

/* ---- making ---- */

static struct bk_import_formats *create_builtin(struct bk_reason *reason)
{
    struct bk_import_formats *formats = calloc(1, sizeof *formats);
    if (!formats) {
        bk_reason_set(reason, BK_ENOMEM, "out of memory");
        return NULL;
    }
    for (size_t i = 0; i < bk__builtin_format_count; i++) {
        const struct bk__builtin_format *builtin = &bk__builtin_formats[i];
        int code = bk__mapping_parse(formats, builtin->name, builtin->name,
                                     bk_str(builtin->text, builtin->len), reason);
        if (code) bk_import_formats_destroy(&formats);
        if (code) return NULL;
    }
    return formats;
}

static int add_mapping(struct bk_import_formats *formats, const char *place, bk_str_t text,
                       struct bk_reason *reason)
{
    formats->digest = bk_hash(text.p, text.len);
    return bk__mapping_parse(formats, "mapping", place, text, reason);
}

struct bk_import_formats *bk_import_formats_of_text(bk_str_t mapping, struct bk_reason *reason)
{
    struct bk_import_formats *formats = create_builtin(reason);
    if (formats && add_mapping(formats, "mapping", mapping, reason))
        bk_import_formats_destroy(&formats);
    return formats;
}

static int read_mapping(struct bk_import_formats *formats, const char *path,
                        struct bk_reason *reason)
{
    struct bk_buf text = {0};
    bk_str_t line;
    struct bk_lines *lines = bk_lines_open(path, MAPPING_LINE_BYTES_MAX, reason);
    int got = lines ? 1 : BK_EIO;
    while (got == 1) {
        got = bk_lines_next(lines, &line, reason);
        if (got != 1) break;
        bk_buf_str(&text, line);
        bk_buf_char(&text, '\n');
    }
    if (got == 0 && text.failed) got = bk_reason_set(reason, BK_ENOMEM, "%s: out of memory", path);
    if (got == 0) got = add_mapping(formats, path, bk_str(text.p, text.len), reason);
    bk_lines_close(&lines);
    bk_buf_deinit(&text);
    return got;
}

struct bk_import_formats *bk_import_formats_create(const char *mapping_path,
                                                   struct bk_reason *reason)
{
    struct bk_import_formats *formats = create_builtin(reason);
    if (formats && mapping_path && read_mapping(formats, mapping_path, reason))
        bk_import_formats_destroy(&formats);
    return formats;
}

void bk_import_formats_destroy(struct bk_import_formats **formats)
{
    if (!*formats) return;
    while ((*formats)->texts) {
        struct bk__text *text = (*formats)->texts;
        (*formats)->texts = text->next;
        free(text);
    }
    for (uint32_t i = 0; i < (*formats)->count; i++) free((*formats)->table[i]);
    free(*formats);
    *formats = NULL;
}

uint64_t bk_import_formats_digest(const struct bk_import_formats *formats)
{
    return formats->digest;
}

/* ---- the reference ---- */

static void put_expr(struct bk_buf *out, const struct bk__expr *expr, const char *between)
{
    for (uint32_t i = 0; i < expr->count; i++) {
        const struct bk__part *part = &expr->part[i];
        if (i) bk_buf_cstr(out, part->begins ? between : " & ");
        bk_buf_printf(out, "`%s%s%s`", part->path, part->label ? "@" : "",
                      part->label ? part->label : "");
    }
}

/* In `recognise` what does not begin is an alternative. */
static void put_names(struct bk_buf *out, const struct bk__table *table)
{
    for (uint32_t i = 0; i < table->recognise.count; i++) {
        const struct bk__part *part = &table->recognise.part[i];
        if (i) bk_buf_cstr(out, part->begins ? ", " : " or ");
        bk_buf_printf(out, "`%s`", part->path);
    }
    if (table->column_count) bk_buf_printf(out, "no header, %u columns", table->column_count);
}

static void put_words(struct bk_buf *out, const struct bk__table *table)
{
    for (uint32_t i = 0; i < table->word_count; i++)
        bk_buf_printf(out, "%s`%s` %s", i ? ", " : "", table->word[i].theirs,
                      bk__action_word(table->word[i].ours));
}

static void put_row(struct bk_buf *out, const char *name, const char *text)
{
    if (*text) bk_buf_printf(out, "| %s | %s |\n", name, text);
}

static void put_table(struct bk_buf *out, const struct bk__table *table)
{
    bk_buf_printf(out, "\n### %s.%s\n\n%s.\n\n| ours | theirs |\n|---|---|\n", table->format,
                  table->name, table->about);
    bk_buf_cstr(out, "| recognised by | ");
    put_names(out, table);
    bk_buf_printf(out, " |\n| kind | %s, %s |\n", bk__kind_word(table->kind),
                  bk__form_word(table->form));
    if (table->lines) bk_buf_printf(out, "| lines | `%s` |\n", table->lines);
    if (table->where_path)
        bk_buf_printf(out, "| where | `%s` is `%s` |\n", table->where_path, table->where_value);
    for (int i = 0; i < FIELD_COUNT; i++) {
        if (!table->field[i].count) continue;
        bk_buf_printf(out, "| %s | ", bk__field_word((enum bk__field)i));
        put_expr(out, &table->field[i], ", else ");
        bk_buf_cstr(out, " |\n");
    }
    if (table->always >= 0) put_row(out, "always", bk__action_word(table->always));
    if (table->word_count) {
        bk_buf_cstr(out, "| words | ");
        put_words(out, table);
        bk_buf_cstr(out, " |\n");
    }
    if (table->encoding == BK_ENCODING_AUTO)
        put_row(out, "encoding", "UTF-8; what is not is ISO 8859-1");
    put_row(out, "clock", table->clock);
    put_row(out, "money", table->money);
}

static void put_fields(struct bk_buf *out)
{
    static const char *const what[] = {
#define X(name, word, kinds, text) text,
        BK__FIELD_TABLE(X)
#undef X
    };
    bk_buf_cstr(out, "\n## Fields\n\n| field | of | what it is |\n|---|---|---|\n");
    for (int field = 0; field < FIELD_COUNT; field++) {
        bk_buf_printf(out, "| `%s` |", bk__field_word((enum bk__field)field));
        const char *comma = " ";
        for (int kind = 0; kind < KIND_COUNT; kind++) {
            if (!bk__field_fits((enum bk__field)field, (enum bk__kind)kind)) continue;
            bk_buf_printf(out, "%s%s", comma, bk__kind_word((enum bk__kind)kind));
            comma = ", ";
        }
        bk_buf_printf(out, " | %s |\n", what[field]);
    }
}

void bk_import_formats_reference(const struct bk_import_formats *formats, struct bk_buf *out)
{
    bk_buf_cstr(out, "# Formats that `basketry import` reads\n\n"
                     "Made by `basketry import --formats` from the mappings in "
                     "[formats/](formats/): change those, not this file. How a mapping is written "
                     "is in [README.md](README.md).\n");
    put_fields(out);
    bk_buf_cstr(out, "\n## Formats\n");
    for (uint32_t i = 0; i < formats->count; i++) put_table(out, formats->table[i]);
}
