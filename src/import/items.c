/* items.c -- a table of items becomes Product facts.
 *
 * Shops name their columns as they please, so a table below says what a header's word means: the
 * id, a name, a level of the category path, brand, price. Of several columns for one thing the one
 * that stands first in the table counts; an item without a name is called by its id. Nothing is
 * held: a line is read, a Product is handed out.
 */
#include "basketry/import.h"

#include <stdio.h>
#include <stdlib.h>

enum role { ROLE_ID, ROLE_NAME, ROLE_PATH, ROLE_LEVEL, ROLE_BRAND, ROLE_PRICE, ROLE_COUNT };
enum { LEVELS_MAX = 8, NOT_THERE = BK_SHOP_COLUMNS_MAX };

/* Best first within a role; levels from the top of the tree down. */
static const struct {
    const char *word;
    enum role role;
} words[] = {
    {"item_id", ROLE_ID},
    {"item", ROLE_ID},
    {"labels", ROLE_ID},
    {"name", ROLE_NAME},
    {"description", ROLE_NAME},
    {"labels", ROLE_NAME},
    {"segmento", ROLE_NAME},
    {"sub_commodity", ROLE_NAME},
    {"commodity", ROLE_NAME},
    {"category_code", ROLE_NAME},
    {"category", ROLE_PATH},
    {"category_code", ROLE_PATH},
    {"level1", ROLE_LEVEL},
    {"level2", ROLE_LEVEL},
    {"department", ROLE_LEVEL},
    {"commodity", ROLE_LEVEL},
    {"sub_commodity", ROLE_LEVEL},
    {"settore", ROLE_LEVEL},
    {"reparto", ROLE_LEVEL},
    {"categoria", ROLE_LEVEL},
    {"sottocategoria", ROLE_LEVEL},
    {"brand", ROLE_BRAND},
    {"manufacturer", ROLE_BRAND},
    {"price", ROLE_PRICE},
    {"typical_unit_price", ROLE_PRICE},
};

/* Where each thing stands in this file; NOT_THERE when it does not. */
struct layout {
    size_t at[ROLE_COUNT];
    size_t level[LEVELS_MAX];
    size_t levels;
    size_t columns;
};

static size_t find_column(const bk_str_t *column, size_t count, const char *word)
{
    for (size_t i = 0; i < count; i++)
        if (bk_str_eq(column[i], bk_str_c(word))) return i;
    return NOT_THERE;
}

static bool read_layout(bk_str_t header, struct layout *layout)
{
    bk_str_t column[BK_SHOP_COLUMNS_MAX];
    *layout = (struct layout){.columns = bk_shop_columns(header, column, BK_SHOP_COLUMNS_MAX)};
    if (layout->columns > BK_SHOP_COLUMNS_MAX) return false;
    for (size_t role = 0; role < ROLE_COUNT; role++) layout->at[role] = NOT_THERE;
    for (size_t i = 0; i < BK_COUNTOF(words); i++) {
        size_t at = find_column(column, layout->columns, words[i].word);
        if (at == NOT_THERE) continue;
        if (words[i].role == ROLE_LEVEL && layout->levels < LEVELS_MAX)
            layout->level[layout->levels++] = at;
        else if (layout->at[words[i].role] == NOT_THERE)
            layout->at[words[i].role] = at;
    }
    return layout->at[ROLE_ID] != NOT_THERE;
}

static bk_str_t value_of(const struct layout *layout, enum role role, const bk_str_t *column)
{
    size_t at = layout->at[role];
    bool recorded = at != NOT_THERE && !bk_str_eq(column[at], BK_STR("-"));
    return recorded && column[at].len ? column[at] : bk_str(NULL, 0);
}

/* "A > B > C" from the levels, or from one column whose parts a dot separates. Cut at the
 * contract's length. */
static bk_str_t write_category(const struct layout *layout, const bk_str_t *column, char *out)
{
    bk_str_t path = value_of(layout, ROLE_PATH, column);
    size_t used = 0;
    for (uint32_t i = 0; i < path.len && used + 4 < BK_TEXT_BYTES_MAX; i++) {
        if (path.p[i] == '.')
            used += (size_t)snprintf(out + used, 4, " > ");
        else
            out[used++] = path.p[i];
    }
    for (size_t i = 0; i < layout->levels && !path.len; i++) {
        bk_str_t part = column[layout->level[i]];
        if (!part.len || bk_str_eq(part, BK_STR("-"))) continue;
        if (used + part.len + 4 > BK_TEXT_BYTES_MAX) break;
        if (used) used += (size_t)snprintf(out + used, 4, " > ");
        memcpy(out + used, part.p, part.len);
        used += part.len;
    }
    return used ? bk_str(out, used) : bk_str(NULL, 0);
}

/* What is wrong with the line, or NULL. */
static const char *fill_product(const struct layout *layout, bk_str_t line, struct bk_event *event,
                                char *category)
{
    bk_str_t column[BK_SHOP_COLUMNS_MAX];
    if (bk_shop_columns(line, column, BK_SHOP_COLUMNS_MAX) != layout->columns)
        return "not as many columns as the header";
    if (!bk_utf8_valid(line.p, line.len)) return "not UTF-8";
    bk_event_reset(event);
    bk_line_reset(&event->lines[0]);
    event->kind = BK_EVENT_PRODUCT;
    event->line_count = 1;
    struct bk_line *fact = &event->lines[0];
    fact->item = value_of(layout, ROLE_ID, column);
    if (!fact->item.len) return "no item";
    if (fact->item.len > BK_ID_BYTES_MAX) return "item over 128 bytes";
    event->name = value_of(layout, ROLE_NAME, column);
    if (!event->name.len) event->name = fact->item;
    if (event->name.len > BK_TEXT_BYTES_MAX) return "name over 1,024 bytes";
    event->brand = value_of(layout, ROLE_BRAND, column);
    if (event->brand.len > BK_ID_BYTES_MAX) return "brand over 128 bytes";
    fact->category = write_category(layout, column, category);
    bk_str_t price = value_of(layout, ROLE_PRICE, column);
    if (price.len && !bk_shop_hundredths(price, &fact->unit_price_minor))
        return "price is not a decimal number";
    if (price.len && fact->unit_price_minor < 0) return "price below zero";
    return NULL;
}

static int open_items(const char *path, struct bk_lines **lines, struct layout *layout,
                      struct bk_reason *reason)
{
    bk_str_t header;
    *lines = bk_lines_open(path, BK_SHOP_LINE_BYTES_MAX, reason);
    if (!*lines) return BK_EINVAL;
    int got = bk_lines_next(*lines, &header, reason);
    if (got < 0) return got;
    if (got == 1 && read_layout(header, layout)) return BK_OK;
    return bk_reason_set(reason, BK_EINVAL,
                         "%s: the header names no column item, item_id or labels", path);
}

int bk_import_items(const char *path, struct bk_shop_drop *drop,
                    const struct bk_import_watch *watch,
                    int (*on_event)(void *arg, const struct bk_event *event), void *arg,
                    uint64_t *count, struct bk_reason *reason)
{
    struct bk_lines *lines;
    struct layout layout;
    struct bk_line fact;
    struct bk_event event = {.lines = &fact};
    char category[BK_TEXT_BYTES_MAX];
    bk_str_t line;
    int code = open_items(path, &lines, &layout, reason);
    while (code == BK_OK) {
        int got = bk_lines_next(lines, &line, reason);
        if (got == 0) break;
        const char *wrong = got == 1 ? fill_product(&layout, line, &event, category) : NULL;
        if (wrong)
            bk_reason_set(reason, BK_EINVAL, "%s:%llu: %s", path,
                          (unsigned long long)bk_lines_number(lines), wrong);
        if ((wrong || got == BK_ELIMIT) && watch->bad) watch->bad(watch->arg, reason->text);
        if (wrong || got == BK_ELIMIT || (got == 1 && bk_shop_drop_matches(drop, fact.item)))
            continue;
        code = got == 1 ? on_event(arg, &event) : got;
        *count += got == 1 && code == BK_OK;
    }
    bk_lines_close(&lines);
    return code;
}
