/* records.c -- see records.h: CSV and JSON behind one face.
 *
 * THE IDEA
 *   A table's fields are expressions over columns or JSON paths. For CSV each path is found in the
 *   header once and is a number from then on; for JSON it is walked in each row. Whatever has to be
 *   made -- a number as text, a joined id, a category path, Latin-1 as UTF-8 -- is written into
 *   `scratch`, which is empty again with the next row; all else is borrowed from the line.
 * ERRORS
 *   "file:line:column: what". In CSV the column is where the field begins (or the byte that is not
 *   UTF-8 stands); in JSON where the path's first name stands, and the path is named in full.
 */
#include "records.h"

#include <stdio.h>
#include <stdlib.h>

#include "csv.h"
#include "json_path.h"
#include "values.h"

enum { SCRATCH_BYTES = 1 << 16, NOT_THERE = -1 };

struct bk__records {
    const struct bk__table *table;
    const struct bk__labels *labels;
    enum bk_encoding encoding;
    char *path;
    struct bk_lines *lines;
    struct bk__csv csv;
    uint32_t columns; /* CSV: of the header */
    int16_t at[FIELD_COUNT][BK__PARTS_MAX], where_at;
    bk_str_t line; /* JSON: the row's, borrowed */
    json_t *doc;
    const json_t *elements, *element; /* of `lines`; NULL when the table has none */
    size_t next_element;
    bool first; /* nothing read yet: a byte order mark may stand there */
    uint64_t number;
    char scratch[SCRATCH_BYTES];
    size_t scratch_len;
};

/* ---- the header ---- */

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

static int find_column(const bk_str_t *names, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++)
        if (bk_str_eq(trim(names[i]), bk_str_c(name))) return (int)i;
    return NOT_THERE;
}

/* Names of the header, or those the table gives a file without one. */
static uint32_t header_names(const struct bk__records *records, bk_str_t *names)
{
    const struct bk__table *table = records->table;
    uint32_t count = table->column_count ? table->column_count : records->csv.count;
    for (uint32_t i = 0; i < count; i++)
        names[i] = table->column_count ? bk_str_c(table->columns[i]) : records->csv.field[i].text;
    if (!table->column_count && count) names[0] = without_mark(names[0]);
    return count;
}

static void find_fields(struct bk__records *records, const bk_str_t *names)
{
    const struct bk__table *table = records->table;
    for (int field = 0; field < FIELD_COUNT; field++)
        for (uint32_t i = 0; i < table->field[field].count; i++)
            records->at[field][i] =
                (int16_t)find_column(names, records->columns, table->field[field].part[i].path);
    records->where_at = table->where_path
                            ? (int16_t)find_column(names, records->columns, table->where_path)
                            : NOT_THERE;
}

/* A field that the kind cannot do without must have a column. */
static int check_fields(const struct bk__records *records, struct bk_reason *reason)
{
    static const enum bk__field needed[KIND_COUNT] = {
        [KIND_EVENTS] = FIELD_ITEM,   [KIND_ORDERS] = FIELD_ORDER,       [KIND_LINES] = FIELD_ITEM,
        [KIND_PRODUCTS] = FIELD_ITEM, [KIND_CUSTOMERS] = FIELD_CUSTOMER, [KIND_LABELS] = FIELD_KEY,
    };
    enum bk__field field = needed[records->table->kind];
    const struct bk__expr *expr = &records->table->field[field];
    for (uint32_t i = 0; i < expr->count; i++)
        if (records->at[field][i] != NOT_THERE) return BK_OK;
    return bk_reason_set(reason, BK_EINVAL, "%s:1:1: no column %s, which [%s] maps to %s",
                         records->path, expr->part[0].path, records->table->name,
                         bk__field_word(field));
}

static int read_header(struct bk__records *records, struct bk_reason *reason)
{
    bk_str_t names[BK__COLUMNS_MAX];
    struct bk_reason inner;
    if (!records->table->column_count) {
        int got = bk__csv_next(&records->csv, &inner);
        if (got == 0)
            return bk_reason_set(reason, BK_EINVAL, "%s:1:1: empty: no header", records->path);
        if (got == BK_EINVAL ||
            (got == BK_ECORRUPT && inner.text[0] >= '0' && inner.text[0] <= '9'))
            return bk_reason_set(reason, got, "%s:%.200s", records->path, inner.text);
        if (got < 0) {
            *reason = inner;
            return got;
        }
    }
    records->columns = header_names(records, names);
    find_fields(records, names);
    return check_fields(records, reason);
}

/* ---- opening and closing ---- */

struct bk__records *bk__records_open(const char *path, const struct bk__table *table,
                                     const enum bk_encoding *encoding,
                                     const struct bk__labels *labels, struct bk_reason *reason)
{
    bool csv = table->form == FORM_CSV;
    struct bk__records *records = calloc(1, sizeof *records);
    if (!records || !(records->path = strdup(path))) {
        bk_reason_set(reason, BK_ENOMEM, "%s: out of memory", path);
        bk__records_close(&records);
        return NULL;
    }
    records->table = table;
    records->labels = labels;
    records->encoding = encoding ? *encoding : table->encoding;
    records->first = true;
    records->lines =
        bk_lines_open(path, csv ? BK__CSV_ROW_BYTES_MAX : BK__JSON_LINE_BYTES_MAX, reason);
    if (!records->lines) bk__records_close(&records);
    if (!records || !csv) return records;
    if (bk__csv_init(&records->csv, records->lines, table->separator, table->quotes)) {
        bk_reason_set(reason, BK_ENOMEM, "%s: out of memory", path);
        bk__records_close(&records);
    } else if (read_header(records, reason)) {
        bk__records_close(&records);
    }
    return records;
}

void bk__records_close(struct bk__records **records)
{
    if (!*records) return;
    json_decref((*records)->doc);
    bk__csv_deinit(&(*records)->csv);
    bk_lines_close(&(*records)->lines);
    free((*records)->path);
    free(*records);
    *records = NULL;
}

uint64_t bk__records_number(const struct bk__records *records)
{
    return records->number;
}

bool bk__records_has_element(const struct bk__records *records)
{
    return !records->table->lines || records->element;
}

void bk__records_progress(const struct bk__records *records, uint64_t *done_bytes,
                          uint64_t *total_bytes)
{
    bk_lines_progress(records->lines, done_bytes, total_bytes);
}

/* ---- rows ---- */

/* `inner` is "line:column: why", or for what bk_lines found the whole sentence. */
static int placed(const struct bk__records *records, int code, const struct bk_reason *inner,
                  struct bk_reason *reason)
{
    bool whole = inner->text[0] < '0' || inner->text[0] > '9';
    if (whole) {
        *reason = *inner;
        return code;
    }
    return bk_reason_set(reason, code, "%s:%.200s", records->path, inner->text);
}

/* A row that is no good and stands at the end of a file without a line end: the file was cut. */
static int or_cut_off(const struct bk__records *records, int code)
{
    return code == BK_EINVAL && !bk_lines_ended(records->lines) ? BK_ECORRUPT : code;
}

static int next_csv(struct bk__records *records, struct bk_reason *reason)
{
    struct bk_reason inner = {""};
    int got = bk__csv_next(&records->csv, &inner);
    if (got == 0) return 0;
    records->number++;
    if (got == 1 && records->csv.count != records->columns) {
        const struct bk__csv_field *last = &records->csv.field[records->csv.count - 1];
        got = or_cut_off(records, BK_EINVAL);
        bk_reason_set(&inner, got, "%llu:%u: %u columns where the header has %u%s",
                      (unsigned long long)last->line, last->column, records->csv.count,
                      records->columns,
                      got == BK_ECORRUPT ? "; the file ends here (cut off?)" : "");
    }
    return got < 0 ? placed(records, got, &inner, reason) : got;
}

/* The row's document, and its elements. 1; 0 when the row says that an item was deleted. */
static int take_document(struct bk__records *records, struct bk_reason *inner)
{
    bool deleted = false;
    records->doc = bk__json_line(records->line, inner);
    if (records->doc && records->table->form == FORM_DYNAMODB) {
        json_t *row = records->doc;
        records->doc = bk__json_dynamodb(row, &deleted, inner);
        json_decref(row);
    }
    if (!records->doc) return deleted ? 0 : BK_EINVAL;
    const char *lines = records->table->lines;
    const json_t *list = lines ? bk__json_at(records->doc, NULL, lines) : NULL;
    records->elements = json_array_size(list) ? list : NULL;
    return 1;
}

static int next_line(struct bk__records *records, uint64_t *passed, struct bk_reason *reason)
{
    struct bk_reason inner = {""};
    for (;;) {
        int got = bk_lines_next(records->lines, &records->line, reason);
        if (got == BK_ELIMIT) return BK_EINVAL;
        if (got != 1) return got;
        if (records->first) records->line = without_mark(records->line);
        records->first = false;
        if (!records->line.len) continue;
        json_decref(records->doc);
        records->doc = NULL;
        records->elements = records->element = NULL;
        records->next_element = 0;
        got = take_document(records, &inner);
        if (got == 1) return 1;
        *passed += got == 0;
        if (got == 0) continue;
        records->number++;
        got = or_cut_off(records, got);
        return bk_reason_set(reason, got, "%s:%llu:%.180s%s", records->path,
                             (unsigned long long)bk_lines_number(records->lines), inner.text,
                             got == BK_ECORRUPT ? "; the file ends here (cut off?)" : "");
    }
}

static int next_json(struct bk__records *records, uint64_t *passed, struct bk_reason *reason)
{
    if (!records->elements || records->next_element >= json_array_size(records->elements)) {
        int got = next_line(records, passed, reason);
        if (got != 1) return got;
    }
    records->number++;
    records->element =
        records->elements ? json_array_get(records->elements, records->next_element++) : NULL;
    return 1;
}

static bool is_wanted(struct bk__records *records)
{
    const struct bk__table *table = records->table;
    if (!table->where_path) return true;
    bk_str_t wanted = bk_str_c(table->where_value);
    if (table->form == FORM_CSV)
        return records->where_at != NOT_THERE &&
               bk_str_eq(records->csv.field[records->where_at].text, wanted);
    const json_t *value = bk__json_at(records->doc, records->element, table->where_path);
    return json_is_string(value) &&
           bk_str_eq(bk_str(json_string_value(value), json_string_length(value)), wanted);
}

static bool has_required(struct bk__records *records)
{
    struct bk_reason ignored; /* what is no text is told when the field it is for is read */
    bk_str_t text;
    if (!records->table->field[FIELD_REQUIRE].count) return true;
    return bk__records_get(records, FIELD_REQUIRE, &text, &ignored) || text.len > 0;
}

int bk__records_next(struct bk__records *records, uint64_t *passed, struct bk_reason *reason)
{
    for (;;) {
        records->scratch_len = 0;
        int got = records->table->form == FORM_CSV ? next_csv(records, reason)
                                                   : next_json(records, passed, reason);
        if (got != 1 || (is_wanted(records) && has_required(records))) return got;
        ++*passed;
    }
}

/* ---- fields ---- */

static char *room(struct bk__records *records, size_t bytes)
{
    if (bytes > SCRATCH_BYTES - records->scratch_len) return NULL;
    char *p = records->scratch + records->scratch_len;
    records->scratch_len += bytes;
    return p;
}

/* How many bytes of the text are UTF-8. */
static uint32_t valid_bytes(bk_str_t text)
{
    uint32_t good = 0;
    for (uint32_t len = 1; good + len <= text.len && len <= 4;)
        if (bk_utf8_valid(text.p + good, len)) {
            good += len;
            len = 1;
        } else {
            len++;
        }
    return good;
}

static int decode_csv(struct bk__records *records, const struct bk__csv_field *cell, bk_str_t *text,
                      struct bk_reason *reason)
{
    bool valid = bk_utf8_valid(text->p, text->len);
    if (valid && records->encoding != BK_ENCODING_LATIN1) return BK_OK;
    if (records->encoding == BK_ENCODING_UTF8)
        return bk_reason_set(
            reason, BK_EINVAL, "%s:%llu:%u: not UTF-8 (for ISO 8859-1 say --encoding latin1)",
            records->path, (unsigned long long)cell->line, cell->column + valid_bytes(*text));
    char *made = room(records, 2 * (size_t)text->len);
    if (!made)
        return bk_reason_set(reason, BK_EINVAL, "%s:%llu:%u: too long", records->path,
                             (unsigned long long)cell->line, cell->column);
    *text = bk_str(made, bk__latin1_to_utf8(*text, made));
    return BK_OK;
}

static int csv_text(struct bk__records *records, enum bk__field field, uint32_t part,
                    bk_str_t *text, struct bk_reason *reason)
{
    int at = records->at[field][part];
    *text = bk_str(NULL, 0);
    if (at == NOT_THERE) return BK_OK;
    const struct bk__csv_field *cell = &records->csv.field[at];
    bk_str_t value = trim(cell->text);
    if (!value.len || bk_str_eq(value, bk_str_c(records->table->null_text))) return BK_OK;
    int code = decode_csv(records, cell, &value, reason);
    if (!code) *text = value;
    return code;
}

/* A value as text; NULL for an object or array. */
static bk_str_t json_text(struct bk__records *records, const json_t *value)
{
    enum { NUMBER_BYTES = 32 };
    if (json_is_string(value)) return bk_str(json_string_value(value), json_string_length(value));
    if (json_is_boolean(value)) return json_is_true(value) ? BK_STR("true") : BK_STR("false");
    if (!json_is_number(value)) return bk_str(NULL, 0);
    char *made = room(records, NUMBER_BYTES);
    if (!made) return bk_str(NULL, 0);
    int len = json_is_integer(value)
                  ? snprintf(made, NUMBER_BYTES, "%lld", (long long)json_integer_value(value))
                  : snprintf(made, NUMBER_BYTES, "%.6f", json_real_value(value));
    return bk_str(made, bk_min_u64((uint64_t)len, NUMBER_BYTES - 1));
}

static int part_text(struct bk__records *records, enum bk__field field, uint32_t which,
                     bk_str_t *text, struct bk_reason *reason)
{
    const struct bk__part *part = &records->table->field[field].part[which];
    int code = BK_OK;
    if (records->table->form == FORM_CSV)
        code = csv_text(records, field, which, text, reason);
    else
        *text = json_text(records, bk__json_at(records->doc, records->element, part->path));
    bool empty = !text->len || bk_str_eq(*text, bk_str_c(records->table->null_text));
    if (!code && empty) *text = bk_str(NULL, 0);
    if (code || empty || !part->label) return code;
    char *made = room(records, BK_TEXT_BYTES_MAX);
    if (!made) return bk__records_wrong(records, field, "too long", reason);
    *text = bk_str(made, bk__labels_path(records->labels, records->table->format, part->label,
                                         *text, made, BK_TEXT_BYTES_MAX));
    return BK_OK;
}

/* "a.b.c" as "a > b > c", where the table says that a sign separates the levels. */
static int split_levels(struct bk__records *records, bk_str_t *text, struct bk_reason *reason)
{
    char split = records->table->category_split;
    if (!split || !text->len) return BK_OK;
    char *made = room(records, 3 * (size_t)text->len);
    size_t len = 0;
    if (!made) return bk__records_wrong(records, FIELD_CATEGORY, "too long", reason);
    for (uint32_t i = 0; i < text->len; i++) {
        if (text->p[i] == split) {
            memcpy(made + len, " > ", 3);
            len += 3;
        } else {
            made[len++] = text->p[i];
        }
    }
    *text = bk_str(made, len);
    return BK_OK;
}

/* The parts of one alternative joined: a path leaves out what is empty, a time keeps it, an id that
 * lacks a part is none. */
static int join_parts(struct bk__records *records, enum bk__field field, uint32_t from, uint32_t to,
                      bk_str_t *text, struct bk_reason *reason)
{
    bool path = field == FIELD_CATEGORY;
    bk_str_t between = path ? BK_STR(" > ") : BK_STR("/");
    char joined[4 * BK_TEXT_BYTES_MAX];
    size_t len = 0;
    for (uint32_t i = from; i < to; i++) {
        bk_str_t one;
        int code = part_text(records, field, i, &one, reason);
        if (code) return code;
        if (path && !one.len) continue;
        if (!one.len && field != FIELD_TIME) {
            *text = bk_str(NULL, 0);
            return BK_OK;
        }
        if (len + one.len + between.len > sizeof joined)
            return bk__records_wrong(records, field, "too long", reason);
        if (path ? len > 0 : i > from) {
            memcpy(joined + len, between.p, between.len);
            len += between.len;
        }
        if (one.len) memcpy(joined + len, one.p, one.len);
        len += one.len;
    }
    char *made = room(records, len);
    if (!made) return bk__records_wrong(records, field, "too long", reason);
    if (len) memcpy(made, joined, len);
    *text = len ? bk_str(made, len) : bk_str(NULL, 0);
    return BK_OK;
}

int bk__records_get(struct bk__records *records, enum bk__field field, bk_str_t *text,
                    struct bk_reason *reason)
{
    const struct bk__expr *expr = &records->table->field[field];
    *text = bk_str(NULL, 0);
    for (uint32_t from = 0; from < expr->count;) {
        uint32_t to = from + 1;
        while (to < expr->count && !expr->part[to].begins) to++;
        int code = to - from == 1 ? part_text(records, field, from, text, reason)
                                  : join_parts(records, field, from, to, text, reason);
        if (!code && field == FIELD_CATEGORY && to - from == 1)
            code = split_levels(records, text, reason);
        if (code || text->len) return code;
        from = to;
    }
    return BK_OK;
}

/* ---- lists ---- */

static int add_word(const struct bk__records *records, enum bk__field field, bk_str_t word,
                    bk_str_t *words, uint32_t max, uint32_t *count, struct bk_reason *reason)
{
    word = trim(word);
    if (!word.len) return BK_OK;
    if (word.len > BK_ID_BYTES_MAX)
        return bk__records_wrong(records, field, "a word over 128 bytes", reason);
    if (*count == max) return bk__records_wrong(records, field, "too many words", reason);
    words[(*count)++] = word;
    return BK_OK;
}

static int split_words(const struct bk__records *records, enum bk__field field, bk_str_t text,
                       bk_str_t *words, uint32_t max, uint32_t *count, struct bk_reason *reason)
{
    int code = BK_OK;
    while (text.len && !code) {
        const char *stop = memchr(text.p, records->table->list_split, text.len);
        uint32_t len = stop ? (uint32_t)(stop - text.p) : text.len;
        code = add_word(records, field, bk_str(text.p, len), words, max, count, reason);
        text = stop ? bk_str(stop + 1, text.len - len - 1) : bk_str(text.p, 0);
    }
    return code;
}

int bk__records_words(struct bk__records *records, enum bk__field field, bk_str_t *words,
                      uint32_t max, uint32_t *count, bool *there, struct bk_reason *reason)
{
    const struct bk__expr *expr = &records->table->field[field];
    bk_str_t text;
    int code = BK_OK;
    *count = 0;
    *there = false;
    if (!expr->count) return BK_OK;
    const json_t *list = records->table->form == FORM_CSV
                             ? NULL
                             : bk__json_at(records->doc, records->element, expr->part[0].path);
    if (!json_is_array(list)) {
        code = bk__records_get(records, field, &text, reason);
        *there = !code && text.len > 0;
        return code ? code : split_words(records, field, text, words, max, count, reason);
    }
    *there = true;
    for (size_t i = 0; i < json_array_size(list) && !code; i++)
        code = add_word(records, field, json_text(records, json_array_get(list, i)), words, max,
                        count, reason);
    return code;
}

/* ---- errors ---- */

/* Where the first name of a path stands in the line, from 1. */
static size_t column_of(const struct bk__records *records, const char *path)
{
    char quoted[140];
    const char *first = *path == '.' && records->table->lines ? records->table->lines : path;
    int len = snprintf(quoted, sizeof quoted, "\"%.*s\"", (int)strcspn(first, ".["), first);
    for (uint32_t at = 0; len > 0 && at + (uint32_t)len <= records->line.len; at++)
        if (memcmp(records->line.p + at, quoted, (size_t)len) == 0) return at + 1;
    return 1;
}

static int wrong_in_json(const struct bk__records *records, const char *path, const char *why,
                         struct bk_reason *reason)
{
    char element[80] = "";
    if (*path == '.')
        snprintf(element, sizeof element, "%.40s[%zu]", records->table->lines,
                 records->next_element ? records->next_element - 1 : 0);
    return bk_reason_set(reason, BK_EINVAL, "%s:%llu:%zu: %s%.60s: %s", records->path,
                         (unsigned long long)bk_lines_number(records->lines),
                         column_of(records, path), element, path, why);
}

int bk__records_wrong(const struct bk__records *records, enum bk__field field, const char *why,
                      struct bk_reason *reason)
{
    const struct bk__expr *expr = &records->table->field[field];
    if (records->table->form != FORM_CSV)
        return wrong_in_json(records, expr->count ? expr->part[0].path : bk__field_word(field), why,
                             reason);
    for (uint32_t i = 0; i < expr->count; i++) {
        int at = records->at[field][i];
        if (at == NOT_THERE) continue;
        const struct bk__csv_field *cell = &records->csv.field[at];
        return bk_reason_set(reason, BK_EINVAL, "%s:%llu:%u: %.60s: %s", records->path,
                             (unsigned long long)cell->line, cell->column, expr->part[i].path, why);
    }
    return bk_reason_set(reason, BK_EINVAL, "%s:%llu:1: %s: %s", records->path,
                         (unsigned long long)records->csv.line, bk__field_word(field), why);
}
