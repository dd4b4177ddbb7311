/* mapping.c -- see mapping.h: the text of a mapping becomes tables.
 *
 * A line is a [section], `key = value`, a comment (# or ;) or empty. It is not read with inih as the
 * configuration is, for what is said about an error here has a column, and values may hold any sign.
 * COST  once at start-up; each string is kept once, for the life of the formats.
 */
#include "mapping.h"

#include <stdio.h>
#include <stdlib.h>

#include "values.h"

enum { TEXT_BYTES_MAX = 1 << 20, LINE_BYTES_MAX = 4096 };

/* ---- words ---- */

const char *bk__field_word(enum bk__field field)
{
    static const char *const words[] = {
#define X(name, word, kinds, what) word,
        BK__FIELD_TABLE(X)
#undef X
    };
    return words[field];
}

const char *bk__kind_word(enum bk__kind kind)
{
    static const char *const words[] = {
#define X(name, word, letter, what) word,
        BK__KIND_TABLE(X)
#undef X
    };
    return words[kind];
}

bool bk__field_fits(enum bk__field field, enum bk__kind kind)
{
    static const char *const kinds[] = {
#define X(name, word, kinds, what) kinds,
        BK__FIELD_TABLE(X)
#undef X
    };
    static const char letters[] = {
#define X(name, word, letter, what) letter,
        BK__KIND_TABLE(X)
#undef X
    };
    return strchr(kinds[field], letters[kind]) != NULL;
}

const char *bk__action_word(int action)
{
    static const char *const words[] = {
#define X(name, word) word,
        BK_SHOP_ACTION_TABLE(X)
#undef X
    };
    return action >= 0 && action < BK_SHOP_ACTION_COUNT ? words[action] : "skip";
}

static const char *const form_words[] = {"csv", "json", "dynamodb", NULL};
static const char *const time_words[] = {"iso", "unix_ms",  "unix_s",           "unix_us", "mdy",
                                         "dmy", "day_hhmm", "weekday_hour_gap", NULL};
static const char *const zero_words[] = {"wrong", "one", "skip", NULL};
static const char *const encoding_words[] = {"utf8", "latin1", "auto", NULL};
static const char *const switch_words[] = {"no", "yes", NULL};
static const char *const separator_words[] = {"comma", "tab", "semicolon", "pipe", NULL};
static const char separators[] = {',', '\t', ';', '|'};

const char *bk__form_word(enum bk__form form)
{
    return form_words[form];
}

const char *bk__time_word(enum bk__time_form form)
{
    return time_words[form];
}

/* ---- the text being read ---- */

struct parser {
    struct bk_import_formats *formats;
    struct bk__table *table; /* of the section; NULL before the first */
    const char *format, *place;
    struct bk_reason *reason;
    bk_str_t line;
    unsigned number;
    const char *value_at; /* for the column of an error */
};

static int wrong(const struct parser *parser, const char *at, const char *why, const char *detail)
{
    return bk_reason_set(parser->reason, BK_EINVAL, "%s:%u:%u: %s%s%s", parser->place,
                         parser->number, (unsigned)(at - parser->line.p) + 1, why,
                         detail ? ": " : "", detail ? detail : "");
}

static const char *keep(struct parser *parser, bk_str_t text)
{
    struct bk__text *kept = malloc(sizeof *kept + text.len + 1);
    if (!kept) return NULL;
    kept->next = parser->formats->texts;
    parser->formats->texts = kept;
    if (text.len) memcpy(kept->text, text.p, text.len);
    kept->text[text.len] = '\0';
    return kept->text;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static bk_str_t trim(bk_str_t text)
{
    while (text.len && is_blank(text.p[0])) text = bk_str(text.p + 1, text.len - 1);
    while (text.len && is_blank(text.p[text.len - 1])) text.len--;
    return text;
}

/* Cut `*rest` at the first of `stops`; `*stop` is that sign, or 0 at the end. */
static bk_str_t cut(bk_str_t *rest, const char *stops, char *stop)
{
    uint32_t at = 0;
    while (at < rest->len && !strchr(stops, rest->p[at])) at++;
    bk_str_t part = trim(bk_str(rest->p, at));
    *stop = at < rest->len ? rest->p[at] : '\0';
    *rest = at < rest->len ? bk_str(rest->p + at + 1, rest->len - at - 1) : bk_str(rest->p + at, 0);
    return part;
}

static int which_word(const char *const *words, bk_str_t value)
{
    for (int i = 0; words[i]; i++)
        if (bk_str_eq(value, bk_str_c(words[i]))) return i;
    return -1;
}

/* ---- values ---- */

static int add_part(struct parser *parser, struct bk__expr *expr, bk_str_t text, bool begins)
{
    const char *sign = text.len ? memchr(text.p, '@', text.len) : NULL;
    bk_str_t path = trim(sign ? bk_str(text.p, (size_t)(sign - text.p)) : text);
    bk_str_t label =
        sign ? trim(bk_str(sign + 1, text.len - (size_t)(sign - text.p) - 1)) : bk_str("", 0);
    if (!path.len || (sign && !label.len)) return wrong(parser, text.p, "an empty name", NULL);
    if (expr->count == BK__PARTS_MAX) return wrong(parser, text.p, "more than 12 names", NULL);
    struct bk__part *part = &expr->part[expr->count++];
    part->path = keep(parser, path);
    part->label = sign ? keep(parser, label) : NULL;
    part->begins = begins;
    return part->path && (!sign || part->label) ? BK_OK : BK_ENOMEM;
}

/* "a | b & c": alternatives begin at the start and behind each bar. */
static int parse_expr(struct parser *parser, struct bk__expr *expr, bk_str_t value)
{
    char stop = '|';
    expr->count = 0;
    for (int code = BK_OK; stop && !code;) {
        bool begins = stop == '|';
        bk_str_t part = cut(&value, "|&", &stop);
        code = add_part(parser, expr, part, begins);
        if (code) return code;
    }
    return BK_OK;
}

/* "a | b, c": each name begins at the start and behind each comma; the rest are its alternatives. */
static int parse_names(struct parser *parser, struct bk__expr *expr, bk_str_t value)
{
    char stop = ',';
    expr->count = 0;
    for (int code = BK_OK; stop && !code;) {
        bool begins = stop == ',';
        bk_str_t part = cut(&value, "|,", &stop);
        code = add_part(parser, expr, part, begins);
        if (code) return code;
    }
    return BK_OK;
}

static int parse_columns(struct parser *parser, bk_str_t value)
{
    struct bk__table *table = parser->table;
    char stop = ',';
    for (table->column_count = 0; stop;) {
        bk_str_t part = cut(&value, ",", &stop);
        if (!part.len) return wrong(parser, part.p, "an empty name", NULL);
        if (table->column_count == BK__COLUMNS_MAX)
            return wrong(parser, part.p, "more than 256 columns", NULL);
        const char *name = keep(parser, part);
        if (!name) return BK_ENOMEM;
        table->columns[table->column_count++] = name;
    }
    return BK_OK;
}

static int action_of(bk_str_t word)
{
    for (int action = 0; action < BK_SHOP_ACTION_COUNT; action++)
        if (bk_str_eq(word, bk_str_c(bk__action_word(action)))) return action;
    return bk_str_eq(word, BK_STR("skip")) ? BK__SKIP : BK__NO_ACTION;
}

/* "view_item:view, *:skip" */
static int parse_words(struct parser *parser, bk_str_t value)
{
    struct bk__table *table = parser->table;
    char stop = ',';
    for (table->word_count = 0; stop;) {
        bk_str_t pair = cut(&value, ",", &stop);
        char colon;
        bk_str_t rest = pair, theirs = cut(&rest, ":", &colon), ours = trim(rest);
        int action = action_of(ours);
        if (!colon || !theirs.len || action == BK__NO_ACTION)
            return wrong(parser, pair.p,
                         "not `their word:ours`; ours are view, cart, favourite, purchase, "
                         "return, remove, search, skip",
                         NULL);
        if (table->word_count == BK__WORDS_MAX)
            return wrong(parser, pair.p, "more than 32 words", NULL);
        const char *kept = keep(parser, theirs);
        if (!kept) return BK_ENOMEM;
        table->word[table->word_count].theirs = kept;
        table->word[table->word_count++].ours = action;
    }
    return BK_OK;
}

static int parse_where(struct parser *parser, bk_str_t value)
{
    char colon;
    bk_str_t path = cut(&value, ":", &colon);
    if (!colon || !path.len) return wrong(parser, value.p, "not `column: value`", NULL);
    parser->table->where_path = keep(parser, path);
    parser->table->where_value = keep(parser, trim(value));
    return parser->table->where_path && parser->table->where_value ? BK_OK : BK_ENOMEM;
}

static int parse_sign(struct parser *parser, char *sign, bk_str_t value)
{
    int word = which_word(separator_words, value);
    if (word < 0 && value.len != 1)
        return wrong(parser, value.p, "one sign, or comma, tab, semicolon, pipe", NULL);
    *sign = word < 0 ? value.p[0] : separators[word];
    return BK_OK;
}

static int parse_zone(struct parser *parser, bk_str_t value)
{
    if (bk__parse_zone(value, &parser->table->zone_ms)) return BK_OK;
    return wrong(parser, value.p, "neither UTC nor +HH:MM nor -HH:MM", NULL);
}

static int parse_origin(struct parser *parser, bk_str_t value)
{
    const char *why = bk__parse_time(TIME_ISO, value, 0, 0, &parser->table->origin_ms);
    return why ? wrong(parser, value.p, why, NULL) : BK_OK;
}

static int parse_currency(struct parser *parser, bk_str_t value)
{
    if (!bk__currency_valid(value))
        return wrong(parser, value.p, "not three capital letters (ISO 4217)", NULL);
    memcpy(parser->table->currency, value.p, 3);
    return BK_OK;
}

static int parse_switch(struct parser *parser, bool *on, bk_str_t value)
{
    int word = which_word(switch_words, value);
    if (word < 0) return wrong(parser, value.p, "neither yes nor no", NULL);
    *on = word == 1;
    return BK_OK;
}

static int parse_kind(struct parser *parser, bk_str_t value)
{
    for (int kind = 0; kind < KIND_COUNT; kind++)
        if (bk_str_eq(value, bk_str_c(bk__kind_word((enum bk__kind)kind)))) {
            parser->table->kind = (enum bk__kind)kind;
            return BK_OK;
        }
    return wrong(parser, value.p, "none of events, orders, lines, products, customers, labels",
                 NULL);
}

static int parse_choice(struct parser *parser, const char *const *words, bk_str_t value,
                        int *choice)
{
    *choice = which_word(words, value);
    if (*choice >= 0) return BK_OK;
    char known[160] = "";
    for (int i = 0; words[i]; i++)
        snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", i ? ", " : "",
                 words[i]);
    return wrong(parser, value.p, "none of", known);
}

static int parse_text(struct parser *parser, const char **text, bk_str_t value)
{
    *text = keep(parser, value);
    return *text ? BK_OK : BK_ENOMEM;
}

/* ---- keys ---- */

static int set_field(struct parser *parser, bk_str_t key, bk_str_t value)
{
    for (int i = 0; i < FIELD_COUNT; i++)
        if (bk_str_eq(key, bk_str_c(bk__field_word((enum bk__field)i))))
            return parse_expr(parser, &parser->table->field[i], value);
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)bk_min_u64(key.len, 60), key.p);
    return wrong(parser, key.p, "no such key", name);
}

static int set(struct parser *parser, bk_str_t key, bk_str_t value)
{
    struct bk__table *table = parser->table;
    int choice = 0, code;
#define KEY(word) bk_str_eq(key, BK_STR(word))
    if (KEY("about")) return parse_text(parser, &table->about, value);
    if (KEY("clock")) return parse_text(parser, &table->clock, value);
    if (KEY("money")) return parse_text(parser, &table->money, value);
    if (KEY("null")) return parse_text(parser, &table->null_text, value);
    if (KEY("lines")) return parse_text(parser, &table->lines, value);
    if (KEY("kind")) return parse_kind(parser, value);
    if (KEY("separator")) return parse_sign(parser, &table->separator, value);
    if (KEY("decimal")) return parse_sign(parser, &table->decimal, value);
    if (KEY("category.split")) return parse_sign(parser, &table->category_split, value);
    if (KEY("list.split")) return parse_sign(parser, &table->list_split, value);
    if (KEY("quotes")) return parse_switch(parser, &table->quotes, value);
    if (KEY("returns")) return parse_switch(parser, &table->returns, value);
    if (KEY("price.zero_unknown")) return parse_switch(parser, &table->zero_price_unknown, value);
    if (KEY("price.minor")) return parse_switch(parser, &table->price_minor, value);
    if (KEY("latest")) return parse_switch(parser, &table->latest, value);
    if (KEY("columns")) return parse_columns(parser, value);
    if (KEY("recognise")) return parse_names(parser, &table->recognise, value);
    if (KEY("words")) return parse_words(parser, value);
    if (KEY("where")) return parse_where(parser, value);
    if (KEY("zone")) return parse_zone(parser, value);
    if (KEY("origin")) return parse_origin(parser, value);
    if (KEY("currency")) return parse_currency(parser, value);
    if (KEY("always")) {
        table->always = action_of(value);
        if (table->always >= 0) return BK_OK;
        return wrong(parser, value.p, "not an action such as purchase", NULL);
    }
    if (KEY("form")) {
        code = parse_choice(parser, form_words, value, &choice);
        table->form = (enum bk__form)bk_max_i64(choice, 0);
        return code;
    }
    if (KEY("time.form")) {
        code = parse_choice(parser, time_words, value, &choice);
        table->time_form = (enum bk__time_form)bk_max_i64(choice, 0);
        return code;
    }
    if (KEY("quantity.zero")) {
        code = parse_choice(parser, zero_words, value, &choice);
        table->zero_quantity = (enum bk__zero)bk_max_i64(choice, 0);
        return code;
    }
    if (KEY("encoding")) {
        code = parse_choice(parser, encoding_words, value, &choice);
        table->encoding = (enum bk_encoding)bk_max_i64(choice, 0);
        return code;
    }
#undef KEY
    return set_field(parser, key, value);
}

/* ---- sections ---- */

static bool is_mapped(const struct bk__table *table, enum bk__field field)
{
    return table->field[field].count > 0;
}

/* What a section lacks, or NULL. */
static const char *check_table(const struct bk__table *table)
{
    for (int i = 0; i < FIELD_COUNT; i++)
        if (is_mapped(table, (enum bk__field)i) && !bk__field_fits((enum bk__field)i, table->kind))
            return bk__field_word((enum bk__field)i);
    if (!table->recognise.count && !table->column_count) return "recognise";
    switch (table->kind) {
    case KIND_EVENTS:
        if (!is_mapped(table, FIELD_ITEM)) return "item";
        if (table->always == BK__NO_ACTION &&
            (!is_mapped(table, FIELD_ACTION) || !table->word_count))
            return "always, or action and words";
        return is_mapped(table, FIELD_USER) || is_mapped(table, FIELD_VISITOR) ||
                       is_mapped(table, FIELD_SESSION)
                   ? NULL
                   : "user, visitor or session";
    case KIND_ORDERS:
        if (!is_mapped(table, FIELD_ORDER)) return "order";
        return is_mapped(table, FIELD_USER) ? NULL : "user";
    case KIND_LINES:
        if (!is_mapped(table, FIELD_ORDER)) return "order";
        return is_mapped(table, FIELD_ITEM) ? NULL : "item";
    case KIND_PRODUCTS:
        return is_mapped(table, FIELD_ITEM) ? NULL : "item";
    case KIND_CUSTOMERS:
        return is_mapped(table, FIELD_CUSTOMER) ? NULL : "customer";
    default:
        return is_mapped(table, FIELD_KEY) ? NULL : "key";
    }
}

static int end_section(struct parser *parser)
{
    const struct bk__table *table = parser->table;
    const char *lacks = table ? check_table(table) : NULL;
    if (!lacks) return BK_OK;
    bool there = false;
    for (int i = 0; i < FIELD_COUNT; i++)
        there |= strcmp(lacks, bk__field_word((enum bk__field)i)) == 0 &&
                 is_mapped(table, (enum bk__field)i);
    return bk_reason_set(parser->reason, BK_EINVAL, "%s: [%s] %s %s", parser->place, table->name,
                         there ? "is of a kind that has no" : "lacks", lacks);
}

static struct bk__table *add_table(struct parser *parser, bk_str_t name)
{
    struct bk_import_formats *formats = parser->formats;
    struct bk__table *table = calloc(1, sizeof *table);
    if (!table) return NULL;
    formats->table[formats->count++] = table;
    table->format = keep(parser, bk_str_c(parser->format));
    table->name = keep(parser, name);
    table->about = table->clock = table->money = table->null_text = "";
    table->separator = ',';
    table->decimal = '.';
    table->list_split = ',';
    table->quotes = true;
    table->always = BK__NO_ACTION;
    return table->format && table->name ? table : NULL;
}

static int begin_section(struct parser *parser, bk_str_t line)
{
    int code = end_section(parser);
    if (code) return code;
    if (line.p[line.len - 1] != ']') return wrong(parser, line.p + line.len, "no ]", NULL);
    bk_str_t name = trim(bk_str(line.p + 1, line.len - 2));
    if (!name.len || name.len > 60) return wrong(parser, name.p, "a name of 1 to 60 bytes", NULL);
    if (parser->formats->count == BK__TABLES_MAX)
        return wrong(parser, line.p, "more than 64 tables", NULL);
    parser->table = add_table(parser, name);
    return parser->table ? BK_OK : BK_ENOMEM;
}

static int parse_line(struct parser *parser)
{
    bk_str_t line = trim(parser->line);
    if (!line.len || line.p[0] == '#' || line.p[0] == ';') return BK_OK;
    if (line.len > LINE_BYTES_MAX) return wrong(parser, line.p, "over 4,096 bytes", NULL);
    if (memchr(line.p, '\0', line.len)) return wrong(parser, line.p, "a zero byte", NULL);
    if (line.p[0] == '[') return begin_section(parser, line);
    char equals;
    bk_str_t rest = line, key = cut(&rest, "=", &equals), value = trim(rest);
    if (!equals || !key.len) return wrong(parser, line.p, "neither [table] nor key = value", NULL);
    if (!value.len) return wrong(parser, value.p, "no value", NULL);
    if (!parser->table) return wrong(parser, line.p, "before the first [table]", NULL);
    return set(parser, key, value);
}

int bk__mapping_parse(struct bk_import_formats *formats, const char *format, const char *place,
                      bk_str_t text, struct bk_reason *reason)
{
    struct parser parser = {.formats = formats, .format = format, .place = place, .reason = reason};
    uint32_t before = formats->count;
    int code = BK_OK;
    if (text.len > TEXT_BYTES_MAX || !bk_utf8_valid(text.p, text.len))
        return bk_reason_set(reason, BK_EINVAL, "%s: not UTF-8, or over 1 MiB", place);
    for (bk_str_t rest = text; rest.len && !code;) {
        char stop;
        const char *start = rest.p;
        uint32_t len = 0;
        while (len < rest.len && rest.p[len] != '\n') len++;
        parser.line = bk_str(start, len);
        parser.number++;
        (void)cut(&rest, "\n", &stop);
        code = parse_line(&parser);
    }
    if (!code) code = end_section(&parser);
    if (!code && formats->count == before)
        code = bk_reason_set(reason, BK_EINVAL, "%s: no [table] in it", place);
    if (code == BK_ENOMEM) bk_reason_set(reason, code, "%s: out of memory", place);
    return code;
}
