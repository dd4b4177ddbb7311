/* shop_file_sets.c -- see shop_file_sets.h.
 *
 * Rows of one basket may stand anywhere in a file, so they are kept as (basket, item) until the
 * end, then counted into place; an item's first row decides its place. MEMORY: 8 bytes a row while
 * reading, then 4 an item and 40 a basket, ids once. CLOCKS: recorded times are kept; a file
 * without any (all are 0) gives each receipt one second; a basket number is a day.
 */
#include "shop_file_sets.h"

#include <stdlib.h>

enum { DAY_MS = 86400000, SECOND_MS = 1000 };

void bk__shop_set_deinit(struct shop_set *set)
{
    bk_shop_ids_deinit(&set->items);
    bk_shop_ids_deinit(&set->users);
    bk_shop_ids_deinit(&set->names);
    free(set->item);
    free(set->basket);
    *set = (struct shop_set){0};
}

static bool add_item(struct shop_set *set, uint32_t item)
{
    void *array = set->item;
    if (set->item_count >= UINT32_MAX ||
        !bk_shop_grow(&array, set->item_count, &set->item_cap, sizeof *set->item))
        return false;
    set->item = array;
    set->item[set->item_count++] = item;
    return true;
}

static struct shop_basket *add_basket(struct shop_set *set)
{
    void *array = set->basket;
    if (!bk_shop_grow(&array, set->count, &set->cap, sizeof *set->basket)) return NULL;
    set->basket = array;
    set->basket[set->count] = (struct shop_basket){.first = (uint32_t)set->item_count};
    return &set->basket[set->count++];
}

static int no_memory(const char *path, struct bk_reason *reason)
{
    return bk_reason_set(reason, BK_ENOMEM, "%s: out of memory", path);
}

static int bad_line(const char *path, uint64_t line, const char *wrong, struct bk_reason *reason)
{
    return bk_reason_set(reason, BK_EINVAL, "%s:%llu: %s", path, (unsigned long long)line, wrong);
}

/* ---- sessions ---- */

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The next word from *at on; false at the end. */
static bool next_word(bk_str_t line, uint32_t *at, bk_str_t *word)
{
    while (*at < line.len && is_blank(line.p[*at])) ++*at;
    uint32_t start = *at;
    while (*at < line.len && !is_blank(line.p[*at])) ++*at;
    *word = bk_str(line.p + start, *at - start);
    return word->len > 0;
}

static int read_session(struct shop_set *set, const char *path, uint64_t number, bk_str_t line,
                        struct bk_reason *reason)
{
    struct shop_basket *basket = add_basket(set);
    bk_str_t word;
    if (!basket) return no_memory(path, reason);
    for (uint32_t at = 0; next_word(line, &at, &word); basket->count++) {
        if (word.len > BK_ID_BYTES_MAX)
            return bad_line(path, number, "item over 128 bytes", reason);
        uint32_t item = bk_shop_ids_add(&set->items, word);
        if (!item || !add_item(set, item)) return no_memory(path, reason);
    }
    return BK_OK;
}

int bk__shop_set_sessions(struct shop_set *set, const char *path, struct bk_reason *reason)
{
    enum { SESSION_BYTES_MAX = 1 << 24 };
    struct bk_lines *lines = bk_lines_open(path, SESSION_BYTES_MAX, reason);
    bk_str_t line;
    int code = lines ? 1 : BK_EINVAL;
    while (code == 1) {
        code = bk_lines_next(lines, &line, reason);
        if (code != 1) break;
        int wrong = read_session(set, path, bk_lines_number(lines), line, reason);
        if (wrong) code = wrong;
    }
    bk_lines_close(&lines);
    return code;
}

/* ---- rows that belong to baskets ---- */

struct pair {
    uint32_t basket, item; /* basket: index */
};

struct draft {
    struct pair *pair;
    size_t count, cap;
};

static bool draft_add(struct draft *draft, size_t basket, uint32_t item)
{
    void *array = draft->pair;
    if (!bk_shop_grow(&array, draft->count, &draft->cap, sizeof *draft->pair)) return false;
    draft->pair = array;
    draft->pair[draft->count++] = (struct pair){(uint32_t)basket, item};
    return true;
}

/* Count the draft's rows into the baskets, each item once a basket, where its first row put it. */
static bool place_items(struct shop_set *set, const struct draft *draft)
{
    size_t *next = calloc(set->count + 1, sizeof *next);
    uint32_t *row = malloc((draft->count + 1) * sizeof *row);
    size_t *seen_in = calloc((size_t)set->items.count + 1, sizeof *seen_in);
    bool fits = next && row && seen_in;
    for (size_t i = 0; fits && i < draft->count; i++) next[draft->pair[i].basket + 1]++;
    for (size_t i = 0; fits && i < set->count; i++) next[i + 1] += next[i];
    for (size_t i = 0; fits && i < draft->count; i++)
        row[next[draft->pair[i].basket]++] = draft->pair[i].item;
    /* next[b] is now where basket b ends */
    for (size_t b = 0; fits && b < set->count; b++) {
        set->basket[b].first = (uint32_t)set->item_count;
        for (size_t i = b ? next[b - 1] : 0; fits && i < next[b]; i++) {
            if (seen_in[row[i]] == b + 1) continue;
            seen_in[row[i]] = b + 1;
            fits = add_item(set, row[i]);
        }
        set->basket[b].count = (uint32_t)set->item_count - set->basket[b].first;
    }
    free(next);
    free(row);
    free(seen_in);
    return fits;
}

/* ---- receipts ---- */

static const char *check_ids(const struct bk_shop_row *row)
{
    if (!row->item.len || row->item.len > BK_ID_BYTES_MAX) return "item empty or over 128 bytes";
    if (row->user.len > BK_ID_BYTES_MAX) return "user over 128 bytes";
    return row->session.len > BK_ID_BYTES_MAX ? "session over 128 bytes" : NULL;
}

static bool take_purchase(struct shop_set *set, struct draft *draft, const struct bk_shop_row *row)
{
    bk_str_t session = row->session.p ? row->session : BK_STR("-");
    int64_t ts_ms = row->ts_ms == BK_NULL_I64 ? 0 : row->ts_ms;
    uint32_t name = bk_shop_ids_add(&set->names, session);
    uint32_t item = bk_shop_ids_add(&set->items, row->item);
    if (!name || !item) return false;
    if (name > set->count) { /* its first row: whose receipt it is */
        struct shop_basket *fresh = add_basket(set);
        uint32_t user = row->user.p ? bk_shop_ids_add(&set->users, row->user) : 0;
        if (!fresh || (row->user.p && !user)) return false;
        fresh->name = name;
        fresh->user = user;
        fresh->ts_ms = ts_ms;
    }
    struct shop_basket *basket = &set->basket[name - 1];
    basket->ts_ms = bk_min_i64(basket->ts_ms, ts_ms);
    return draft_add(draft, name - 1, item);
}

static int read_receipt_rows(struct shop_set *set, struct draft *draft, const char *path,
                             struct bk_shop_drop *drop, struct bk_reason *reason)
{
    struct bk_shop_row row;
    struct bk_shop_file *file = bk_shop_file_open(path, reason);
    int code = file ? 1 : BK_EINVAL;
    while (code == 1) {
        code = bk_shop_file_next(file, &row, reason);
        if (code != 1 || row.action != BK_SHOP_PURCHASE || bk_shop_drop_matches(drop, row.item))
            continue;
        const char *wrong = check_ids(&row);
        if (wrong)
            code = bad_line(path, bk_shop_file_line(file), wrong, reason);
        else if (!take_purchase(set, draft, &row))
            code = no_memory(path, reason);
    }
    bk_shop_file_close(&file);
    return code;
}

/* Names are numbered as sessions come, so among equal times the smaller name has the earlier first
 * row. */
static int compare_receipts(const void *a, const void *b)
{
    const struct shop_basket *x = a, *y = b;
    if (x->ts_ms != y->ts_ms) return x->ts_ms < y->ts_ms ? -1 : 1;
    return x->name < y->name ? -1 : x->name > y->name;
}

static void set_receipt_clock(struct shop_set *set)
{
    bool recorded = set->count > 0 && set->basket[set->count - 1].ts_ms > 0;
    for (size_t i = 0; i < set->count; i++)
        set->basket[i].clock_ms =
            recorded ? bk_max_i64(set->basket[i].ts_ms, 0) : (int64_t)(i + 1) * SECOND_MS;
}

static int read_receipts(struct shop_set *set, const char *path, struct bk_shop_drop *drop,
                         struct bk_reason *reason)
{
    struct draft draft = {0};
    int code = read_receipt_rows(set, &draft, path, drop, reason);
    if (code == BK_OK && !place_items(set, &draft)) code = no_memory(path, reason);
    free(draft.pair);
    if (code) return code;
    if (set->count) qsort(set->basket, set->count, sizeof *set->basket, compare_receipts);
    set_receipt_clock(set);
    return BK_OK;
}

/* ---- baskets.tsv ---- */

static const char *take_basket_row(struct shop_set *set, struct draft *draft, bk_str_t line,
                                   struct bk_shop_drop *drop)
{
    bk_str_t column[3];
    char key[2 * BK_ID_BYTES_MAX];
    int64_t number;
    if (bk_shop_columns(line, column, 3) != 3) return "not three columns";
    if (bk_shop_drop_matches(drop, column[2])) return NULL;
    if (!column[0].len || column[0].len > BK_ID_BYTES_MAX) return "user empty or over 128 bytes";
    if (!column[2].len || column[2].len > BK_ID_BYTES_MAX) return "item empty or over 128 bytes";
    if (!bk_shop_integer(column[1], &number) || number < 0 || number > INT32_MAX)
        return "the basket number is not one of 0 to 2^31";
    uint32_t user = bk_shop_ids_add(&set->users, column[0]);
    uint32_t item = bk_shop_ids_add(&set->items, column[2]);
    memcpy(key, &user, sizeof user);
    memcpy(key + sizeof user, &number, sizeof number);
    uint32_t basket = bk_shop_ids_add(&set->names, bk_str(key, sizeof user + sizeof number));
    if (!user || !item || !basket) return "out of memory";
    if (basket > set->count) {
        struct shop_basket *fresh = add_basket(set);
        if (!fresh) return "out of memory";
        fresh->user = user;
        fresh->ts_ms = number;
        fresh->clock_ms = number * DAY_MS;
    }
    return draft_add(draft, basket - 1, item) ? NULL : "out of memory";
}

static int compare_baskets(const void *a, const void *b)
{
    const struct shop_basket *x = a, *y = b;
    if (x->user != y->user) return x->user < y->user ? -1 : 1;
    return x->ts_ms < y->ts_ms ? -1 : x->ts_ms > y->ts_ms;
}

static int read_baskets(struct shop_set *set, struct bk_lines *lines, const char *path,
                        struct bk_shop_drop *drop, struct bk_reason *reason)
{
    struct draft draft = {0};
    bk_str_t line;
    int code = 1;
    while (code == 1) {
        code = bk_lines_next(lines, &line, reason);
        if (code != 1) break;
        const char *wrong = take_basket_row(set, &draft, line, drop);
        if (wrong) code = bad_line(path, bk_lines_number(lines), wrong, reason);
    }
    if (code == BK_OK && !place_items(set, &draft)) code = no_memory(path, reason);
    free(draft.pair);
    if (code == BK_OK && set->count)
        qsort(set->basket, set->count, sizeof *set->basket, compare_baskets);
    return code;
}

/* ---- which of the two ---- */

int bk__shop_set_baskets(struct shop_set *set, const char *path, struct bk_shop_drop *drop,
                         bool baskets, struct bk_reason *reason)
{
    bk_str_t header;
    struct bk_lines *lines = bk_lines_open(path, BK_SHOP_LINE_BYTES_MAX, reason);
    if (!lines) return BK_EINVAL;
    int code = bk_lines_next(lines, &header, reason);
    if (code == 1 && baskets && bk_str_eq(header, BK_STR("user\tbasket\titem")))
        code = read_baskets(set, lines, path, drop, reason);
    else if (code >= 0)
        code = read_receipts(set, path, drop, reason);
    bk_lines_close(&lines);
    return code;
}

uint32_t *bk__shop_set_user_order(const struct shop_set *set)
{
    bool *met = calloc((size_t)set->users.count + 1, sizeof *met);
    uint32_t *order = malloc(((size_t)set->users.count + 1) * sizeof *order);
    size_t count = 0;
    for (size_t i = 0; met && order && i < set->count; i++) {
        uint32_t user = set->basket[i].user;
        if (!user || met[user]) continue;
        met[user] = true;
        order[count++] = user;
    }
    BK_ASSERT(!met || !order || count == set->users.count);
    if (!met) free(order);
    free(met);
    return met ? order : NULL;
}
