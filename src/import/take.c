/* take.c -- a row of a file, whatever its format, as a row of ours: ids numbered, times, money and
 * quantities parsed, limits looked at. What is wrong is told with the field's name and place. */
#include "take.h"

#include <stdlib.h>

#include "values.h"

enum { SECOND_MS = 1000 };
static const int64_t DAY_MS = 86400000, HOUR_MS = 3600000;

/* ---- fields ---- */

bool bk__intern(struct bk_shop_ids *ids, bk_str_t id, uint32_t *number)
{
    *number = id.len ? bk_shop_ids_add(ids, id) : 0;
    return *number || !id.len;
}

static int no_memory(const struct bk_import_rows *rows, struct bk_reason *reason)
{
    return bk_reason_set(reason, BK_ENOMEM, "out of memory after %zu rows", rows->count);
}

int bk__take_id(struct bk__records *records, enum bk__field field, bk_str_t *id,
                struct bk_reason *reason)
{
    int code = bk__records_get(records, field, id, reason);
    if (!code && id->len > BK_ID_BYTES_MAX)
        code = bk__records_wrong(records, field, "over 128 bytes", reason);
    return code;
}

int bk__take_time(struct bk__records *records, const struct bk__table *table, enum bk__field field,
                  int64_t *ms, struct bk_reason *reason)
{
    bk_str_t text;
    *ms = BK_NULL_I64;
    int code = bk__records_get(records, field, &text, reason);
    if (code || !text.len) return code;
    const char *wrong =
        bk__parse_time(table->time_form, text, table->zone_ms, table->origin_ms, ms);
    return wrong ? bk__records_wrong(records, field, wrong, reason) : BK_OK;
}

int bk__take_currency(struct bk__records *records, const struct bk__table *table,
                      bk_str_t *currency, struct bk_reason *reason)
{
    int code = bk__records_get(records, FIELD_CURRENCY, currency, reason);
    if (code) return code;
    if (currency->len && !bk__currency_valid(*currency))
        return bk__records_wrong(records, FIELD_CURRENCY, "not three capital letters", reason);
    if (!currency->len && table->currency[0]) *currency = bk_str_c(table->currency);
    return BK_OK;
}

int bk__take_money(struct bk__records *records, const struct bk__table *table, enum bk__field field,
                   bk_str_t currency, int64_t *minor, struct bk_reason *reason)
{
    bk_str_t text;
    *minor = BK_NULL_I64;
    int code = bk__records_get(records, field, &text, reason);
    if (code || !text.len) return code;
    unsigned decimals = table->price_minor ? 0 : bk__currency_decimals(currency);
    const char *wrong = bk__parse_money(text, decimals, table->decimal, minor);
    if (wrong) return bk__records_wrong(records, field, wrong, reason);
    if (*minor < 0) return bk__records_wrong(records, field, "below zero", reason);
    if (*minor > BK_MONEY_MINOR_MAX)
        return bk__records_wrong(records, field, "over 10^12 minor units", reason);
    if (*minor == 0 && table->zero_price_unknown) *minor = BK_NULL_I64;
    return BK_OK;
}

/* ---- what happened ---- */

static int take_action(struct bk__records *records, const struct bk__table *table, int *action,
                       struct bk_reason *reason)
{
    bk_str_t word;
    *action = table->always;
    if (*action != BK__NO_ACTION) return BK_OK;
    int code = bk__records_get(records, FIELD_ACTION, &word, reason);
    if (code) return code;
    for (uint32_t i = 0; i < table->word_count; i++) {
        bk_str_t theirs = bk_str_c(table->word[i].theirs);
        *action = table->word[i].ours;
        if (bk_str_eq(theirs, word) || bk_str_eq(theirs, BK_STR("*"))) return BK_OK;
    }
    return bk__records_wrong(records, FIELD_ACTION, "a word that the mapping does not know",
                             reason);
}

static bool is_order(int action)
{
    return action == BK_SHOP_PURCHASE || action == BK_SHOP_RETURN;
}

/* The quantity, and with it whether a purchase is a return. 0 when the row is passed over. */
static int take_quantity(struct bk__records *records, const struct bk__table *table, int *action,
                         uint32_t *quantity, struct bk_reason *reason)
{
    bk_str_t text;
    int64_t value = 1;
    int code = bk__records_get(records, FIELD_QUANTITY, &text, reason);
    if (code) return code;
    if (text.len && !bk__parse_whole(text, &value))
        return bk__records_wrong(records, FIELD_QUANTITY, "not a whole number", reason);
    if (value == 0 && table->zero_quantity == ZERO_SKIP) return 0;
    if (value == 0 && table->zero_quantity == ZERO_ONE) value = 1;
    if (value < 0 && table->returns && *action == BK_SHOP_PURCHASE) *action = BK_SHOP_RETURN;
    if (value < 0 && *action == BK_SHOP_RETURN) value = -value;
    if (value < 1) return bk__records_wrong(records, FIELD_QUANTITY, "below one", reason);
    if (value > BK_QUANTITY_MAX)
        return bk__records_wrong(records, FIELD_QUANTITY, "over a million", reason);
    *quantity = (uint32_t)value;
    return 1;
}

/* A currency's place in the list, from 1; 0 when it is not known. */
static uint8_t currency_number(struct bk_import_rows *rows, bk_str_t currency)
{
    if (!currency.len) return 0;
    for (uint32_t i = 0; i < rows->currencies; i++)
        if (memcmp(rows->currency[i], currency.p, 3) == 0) return (uint8_t)(i + 1);
    if (rows->currencies == BK_IMPORT_CURRENCIES_MAX) return 0;
    memcpy(rows->currency[rows->currencies], currency.p, 3);
    return (uint8_t)++rows->currencies;
}

static int take_price(struct bk_import_rows *rows, struct bk__records *records,
                      const struct bk__table *table, struct bk_import_row *row,
                      struct bk_reason *reason)
{
    bk_str_t currency;
    int64_t amount;
    int code = bk__take_currency(records, table, &currency, reason);
    if (!code)
        code = bk__take_money(records, table, FIELD_PRICE, currency, &row->price_minor, reason);
    if (!code) code = bk__take_money(records, table, FIELD_AMOUNT, currency, &amount, reason);
    if (code) return code;
    if (row->price_minor == BK_NULL_I64 && amount != BK_NULL_I64)
        row->price_minor = (amount + row->quantity / 2) / row->quantity;
    row->currency = currency_number(rows, currency);
    return BK_OK;
}

/* ---- who ---- */

struct who {
    bk_str_t user, visitor, session, order;
};

static int take_who(struct bk__records *records, struct who *who, struct bk_reason *reason)
{
    int code = bk__take_id(records, FIELD_USER, &who->user, reason);
    if (!code) code = bk__take_id(records, FIELD_VISITOR, &who->visitor, reason);
    if (!code) code = bk__take_id(records, FIELD_SESSION, &who->session, reason);
    if (!code) code = bk__take_id(records, FIELD_ORDER, &who->order, reason);
    return code;
}

static int check_who(const struct bk__records *records, const struct bk__table *table, int action,
                     const struct who *who, struct bk_reason *reason)
{
    enum bk__field named = table->field[FIELD_USER].count      ? FIELD_USER
                           : table->field[FIELD_VISITOR].count ? FIELD_VISITOR
                                                               : FIELD_SESSION;
    if (!who->user.len && !who->visitor.len && !who->session.len)
        return bk__records_wrong(records, named, "neither user nor visitor nor session", reason);
    if (is_order(action) && !who->order.len && !who->session.len)
        return bk__records_wrong(records,
                                 table->field[FIELD_ORDER].count ? FIELD_ORDER : FIELD_SESSION,
                                 "a purchase or return without an order or session", reason);
    return BK_OK;
}

static bool keep_who(struct bk_import_rows *rows, const struct who *who, int action,
                     struct bk_import_row *row)
{
    bool fits = bk__intern(&rows->users, who->user, &row->user) &&
                bk__intern(&rows->users, who->visitor, &row->visitor) &&
                bk__intern(&rows->sessions, who->session, &row->session);
    if (fits && is_order(action)) fits = bk__intern(&rows->sessions, who->order, &row->order);
    return fits;
}

static int take_item(struct bk_import_rows *rows, struct bk__records *records, int action,
                     bk_str_t *item, struct bk_reason *reason)
{
    bool search = action == BK_SHOP_SEARCH;
    enum bk__field field = search ? FIELD_QUERY : FIELD_ITEM;
    int code = search ? bk__records_get(records, field, item, reason)
                      : bk__take_id(records, field, item, reason);
    if (code) return code;
    if (!item->len)
        return bk__records_wrong(records, field, search ? "no query" : "no item", reason);
    if (item->len > BK_TEXT_BYTES_MAX)
        return bk__records_wrong(records, field, "over 1,024 bytes", reason);
    if (search || !bk_shop_drop_matches(rows->drop, *item)) return 1;
    rows->dropped++;
    return 0;
}

static int pass(struct bk_import_rows *rows)
{
    rows->passed++;
    return 0;
}

/* ---- rows of events ---- */

static int take_event(struct bk_import_rows *rows, struct bk__records *records,
                      const struct bk__table *table, struct bk_import_row *row,
                      struct bk_reason *reason)
{
    struct who who;
    bk_str_t item;
    int action, got;
    int code = take_action(records, table, &action, reason);
    if (code) return code;
    if (action == BK__SKIP || (action != BK_SHOP_SEARCH && !bk__records_has_element(records)))
        return pass(rows);
    got = take_item(rows, records, action, &item, reason);
    if (got != 1) return got;
    row->quantity = 1;
    got = action == BK_SHOP_SEARCH ? 1
                                   : take_quantity(records, table, &action, &row->quantity, reason);
    if (got != 1) return got ? got : pass(rows);
    code = take_who(records, &who, reason);
    if (!code) code = check_who(records, table, action, &who, reason);
    if (!code) code = take_price(rows, records, table, row, reason);
    if (!code) code = bk__take_time(records, table, FIELD_TIME, &row->time_ms, reason);
    if (code) return code;
    if (!keep_who(rows, &who, action, row) || !bk__intern(&rows->items, item, &row->item))
        return no_memory(rows, reason);
    row->action = (uint8_t)action;
    return 1;
}

/* ---- orders and their lines ---- */

/* An array long enough for a number, what is new being zero; NULL when memory is out: then it is as it
 * was. */
static void *reach(void *array, uint32_t number, size_t *cap, size_t element_bytes)
{
    if (number <= *cap) return array;
    size_t wanted = *cap ? *cap : 64;
    while (wanted < number) wanted *= 2;
    char *grown = realloc(array, wanted * element_bytes);
    if (!grown) return NULL;
    memset(grown + *cap * element_bytes, 0, (wanted - *cap) * element_bytes);
    *cap = wanted;
    return grown;
}

/* A clock that counts from order to order: each user's orders stand in their order. */
static int take_gap(struct bk_import_rows *rows, struct bk__records *records,
                    const struct bk__table *table, uint32_t user, int64_t *ms,
                    struct bk_reason *reason)
{
    bk_str_t text;
    int64_t days, hour;
    bool first;
    int code = bk__records_get(records, FIELD_TIME, &text, reason);
    if (code) return code;
    const char *wrong = bk__parse_gap(text, &days, &hour, &first);
    if (wrong) return bk__records_wrong(records, FIELD_TIME, wrong, reason);
    int64_t *user_day = reach(rows->user_day, user, &rows->user_day_cap, sizeof *user_day);
    if (!user_day) return no_memory(rows, reason);
    rows->user_day = user_day;
    int64_t day = first ? days : rows->user_day[user - 1] + days;
    rows->user_day[user - 1] = day;
    *ms = table->origin_ms + day * DAY_MS + hour * HOUR_MS;
    return BK_OK;
}

static bool keep_order(struct bk_import_rows *rows, uint32_t order, uint32_t user, int64_t ms)
{
    struct bk_import_order *orders = reach(rows->order, order, &rows->order_cap, sizeof *orders);
    if (!orders) return false;
    rows->order = orders;
    rows->order[order - 1] = (struct bk_import_order){ms, user};
    return true;
}

static int take_order(struct bk_import_rows *rows, struct bk__records *records,
                      const struct bk__table *table, struct bk_reason *reason)
{
    struct who who;
    uint32_t user, order;
    int64_t ms;
    int code = take_who(records, &who, reason);
    if (code) return code;
    if (!who.user.len) return bk__records_wrong(records, FIELD_USER, "no user", reason);
    if (!who.order.len) return bk__records_wrong(records, FIELD_ORDER, "no order", reason);
    if (!bk__intern(&rows->users, who.user, &user) ||
        !bk__intern(&rows->sessions, who.order, &order))
        return no_memory(rows, reason);
    code = table->time_form == TIME_WEEKDAY_HOUR_GAP
               ? take_gap(rows, records, table, user, &ms, reason)
               : bk__take_time(records, table, FIELD_TIME, &ms, reason);
    if (code) return code;
    return keep_order(rows, order, user, ms) ? 0 : no_memory(rows, reason);
}

static int take_line(struct bk_import_rows *rows, struct bk__records *records,
                     const struct bk__table *table, struct bk_import_row *row,
                     struct bk_reason *reason)
{
    bk_str_t order, item;
    int action = BK_SHOP_PURCHASE;
    int code = bk__take_id(records, FIELD_ORDER, &order, reason);
    if (code) return code;
    uint32_t number = order.len ? bk_shop_ids_find(&rows->sessions, order) : 0;
    if (!number || number > rows->order_cap || !rows->order[number - 1].user)
        return bk__records_wrong(records, FIELD_ORDER, "not in the table of orders", reason);
    int got = take_item(rows, records, action, &item, reason);
    if (got != 1) return got;
    got = take_quantity(records, table, &action, &row->quantity, reason);
    if (got != 1) return got ? got : pass(rows);
    code = take_price(rows, records, table, row, reason);
    if (code) return code;
    if (!bk__intern(&rows->items, item, &row->item)) return no_memory(rows, reason);
    row->order = number;
    row->user = rows->order[number - 1].user;
    row->time_ms = rows->order[number - 1].time_ms;
    row->action = (uint8_t)action;
    return 1;
}

/* ---- labels ---- */

static int take_label(struct bk_import_rows *rows, struct bk__records *records,
                      const struct bk__table *table, struct bk_reason *reason)
{
    bk_str_t key, name, parent;
    int code = bk__take_id(records, FIELD_KEY, &key, reason);
    if (!code) code = bk__take_id(records, FIELD_NAME, &name, reason);
    if (!code) code = bk__take_id(records, FIELD_PARENT, &parent, reason);
    if (code) return code;
    if (!key.len) return bk__records_wrong(records, FIELD_KEY, "no key", reason);
    struct bk__labels *labels = bk__labels_of(&rows->labels, table);
    bool fits = labels && bk__labels_add(labels, key, name, parent);
    return fits ? 0 : no_memory(rows, reason);
}

/* ---- any ---- */

int bk__take_row(struct bk_import_rows *rows, struct bk__records *records,
                 const struct bk__table *table, struct bk_import_row *row, struct bk_reason *reason)
{
    *row = (struct bk_import_row){.price_minor = BK_NULL_I64, .time_ms = BK_NULL_I64};
    row->number = (uint32_t)bk__records_number(records);
    switch (table->kind) {
    case KIND_ORDERS:
        return take_order(rows, records, table, reason);
    case KIND_LABELS:
        return take_label(rows, records, table, reason);
    case KIND_LINES:
    case KIND_EVENTS: {
        int got = table->kind == KIND_LINES ? take_line(rows, records, table, row, reason)
                                            : take_event(rows, records, table, row, reason);
        rows->unclocked += got == 1 && row->time_ms == BK_NULL_I64;
        if (row->time_ms == BK_NULL_I64) row->time_ms = (int64_t)row->number * SECOND_MS;
        return got;
    }
    default:
        return 0;
    }
}
