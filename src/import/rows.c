/* rows.c -- good rows are held compactly until the last one has been read.
 *
 * The purchase rows of one session may stand anywhere in a file, and events are written in time
 * order: so all rows are held. MEMORY: 48 bytes a row and as much again while they are sorted, each
 * distinct id once (some 40 bytes and itself), 16 bytes a session; bounded by `bytes_max`, and a
 * file that needs more is refused.
 */
#include "basketry/import.h"

#include <stdlib.h>

enum { PROGRESS_ROWS = 4096 };

void bk_import_rows_deinit(struct bk_import_rows *rows)
{
    free(rows->row);
    bk_shop_ids_deinit(&rows->users);
    bk_shop_ids_deinit(&rows->sessions);
    bk_shop_ids_deinit(&rows->items);
    *rows = (struct bk_import_rows){0};
}

uint64_t bk_import_rows_bytes(const struct bk_import_rows *rows)
{
    return 2 * (uint64_t)rows->cap * sizeof *rows->row + bk_shop_ids_bytes(&rows->users) +
           bk_shop_ids_bytes(&rows->sessions) + bk_shop_ids_bytes(&rows->items) +
           16 * (uint64_t)rows->sessions.count;
}

/* ---- one row ---- */

static const char *check_id(bk_str_t id, const char *too_long, const char *not_utf8)
{
    if (id.len > BK_ID_BYTES_MAX) return too_long;
    return bk_utf8_valid(id.p, id.len) ? NULL : not_utf8;
}

static const char *check_ids(const struct bk_shop_row *row)
{
    const char *wrong = check_id(row->user, "user over 128 bytes", "user is not UTF-8");
    if (!wrong) wrong = check_id(row->session, "session over 128 bytes", "session is not UTF-8");
    if (!wrong) wrong = check_id(row->item, "item over 128 bytes", "item is not UTF-8");
    if (wrong) return wrong;
    if (!row->item.len || bk_str_eq(row->item, BK_STR("-"))) return "no item";
    bool order = row->action == BK_SHOP_PURCHASE || row->action == BK_SHOP_RETURN;
    if (order && !row->session.len) return "a purchase or return without a session";
    return row->session.len || row->user.len ? NULL : "neither user nor session";
}

static const char *check_quantity(const struct bk_shop_row *row, uint32_t *quantity)
{
    int64_t value = 1;
    if (row->quantity.p && !bk_shop_integer(row->quantity, &value))
        return "qty is not a whole number";
    if (row->action == BK_SHOP_RETURN && value < 0) value = -value;
    if (value < 1) return "qty below one";
    if (value > BK_QUANTITY_MAX) return "qty over a million";
    *quantity = (uint32_t)value;
    return NULL;
}

static const char *check_price(const struct bk_shop_row *row, int64_t *price_minor)
{
    *price_minor = BK_NULL_I64;
    if (!row->price.p) return NULL;
    if (!bk_shop_hundredths(row->price, price_minor)) return "price is not a decimal number";
    if (*price_minor < 0) return "price below zero";
    return *price_minor > BK_MONEY_MINOR_MAX ? "price over 10^12 minor units" : NULL;
}

const char *bk_import_check(const struct bk_shop_row *row, struct bk_import_row *out)
{
    const char *wrong = check_ids(row);
    if (!wrong) wrong = check_quantity(row, &out->quantity);
    if (!wrong) wrong = check_price(row, &out->price_minor);
    if (wrong || row->ts_ms == BK_NULL_I64) return wrong;
    return row->ts_ms < 0 || row->ts_ms > BK_TIME_MS_MAX ? "ts_ms before 1970 or after 9999" : NULL;
}

/* ---- a file ---- */

static bool intern(struct bk_shop_ids *ids, bk_str_t id, uint32_t *number)
{
    *number = id.len ? bk_shop_ids_add(ids, id) : 0;
    return *number || !id.len;
}

static int over_limit(const struct bk_import_rows *rows, struct bk_reason *reason)
{
    return bk_reason_set(
        reason, BK_ELIMIT,
        "%zu rows need more than %llu MB; import the file in parts that hold whole "
        "sessions, or raise --memory",
        rows->count, (unsigned long long)(rows->bytes_max / 1000000));
}

/* Doubling takes three times the old array for a moment: the limit is looked at before it. */
static int make_room(struct bk_import_rows *rows, struct bk_reason *reason)
{
    if (rows->count < rows->cap) {
        bool fits = bk_import_rows_bytes(rows) <= rows->bytes_max;
        return fits ? BK_OK : over_limit(rows, reason);
    }
    uint64_t more = 2 * (uint64_t)rows->cap * sizeof *rows->row;
    if (bk_import_rows_bytes(rows) + more > rows->bytes_max || rows->count >= UINT32_MAX / 2)
        return over_limit(rows, reason);
    void *row = rows->row;
    if (!bk_shop_grow(&row, rows->count, &rows->cap, sizeof *rows->row))
        return bk_reason_set(reason, BK_ENOMEM, "out of memory after %zu rows", rows->count);
    rows->row = row;
    return BK_OK;
}

static int keep(struct bk_import_rows *rows, const struct bk_shop_row *row,
                struct bk_import_row *kept, struct bk_reason *reason)
{
    int code = make_room(rows, reason);
    if (code) return code;
    if (!intern(&rows->users, row->user, &kept->user) ||
        !intern(&rows->sessions, row->session, &kept->session) ||
        !intern(&rows->items, row->item, &kept->item))
        return bk_reason_set(reason, BK_ENOMEM, "out of memory after %zu rows", rows->count);
    bool clock = row->ts_ms != BK_NULL_I64;
    rows->unclocked += !clock;
    kept->time_ms = clock ? row->ts_ms : (int64_t)row->number * 1000;
    kept->number = (uint32_t)row->number;
    kept->action = (uint8_t)row->action;
    kept->index = kept->lead = (uint32_t)rows->count;
    rows->row[rows->count++] = *kept;
    return BK_OK;
}

static void report_bad(struct bk_import_rows *rows, const struct bk_import_watch *watch,
                       const char *text)
{
    rows->bad++;
    if (watch->bad) watch->bad(watch->arg, text);
}

static void report_progress(const struct bk_shop_file *file, const struct bk_import_watch *watch)
{
    uint64_t done, total;
    bk_shop_file_progress(file, &done, &total);
    if (watch->progress) watch->progress(watch->arg, done, total);
}

/* One turn: a row kept, dropped or reported. 1 go on, 0 the end, or a code. */
static int take_row(struct bk_import_rows *rows, struct bk_shop_file *file, const char *path,
                    const struct bk_import_watch *watch, struct bk_reason *reason)
{
    struct bk_shop_row row;
    int got = bk_shop_file_next(file, &row, reason);
    if (got == BK_EINVAL) report_bad(rows, watch, reason->text);
    if (got != 1) return got == BK_EINVAL ? 1 : got;
    if (bk_shop_drop_matches(rows->drop, row.item)) {
        rows->dropped++;
        return 1;
    }
    struct bk_import_row kept;
    const char *wrong = bk_import_check(&row, &kept);
    if (!wrong) {
        int code = keep(rows, &row, &kept, reason);
        return code ? code : 1;
    }
    bk_reason_set(reason, BK_EINVAL, "%s:%llu: %s", path,
                  (unsigned long long)bk_shop_file_line(file), wrong);
    report_bad(rows, watch, reason->text);
    return 1;
}

int bk_import_read(struct bk_import_rows *rows, const char *path,
                   const struct bk_import_watch *watch, struct bk_reason *reason)
{
    struct bk_shop_file *file = bk_shop_file_open(path, reason);
    if (!file) return BK_EINVAL;
    int got = 1;
    for (uint64_t turn = 1; got == 1; turn++) {
        got = take_row(rows, file, path, watch, reason);
        if (turn % PROGRESS_ROWS == 0) report_progress(file, watch);
    }
    report_progress(file, watch);
    bk_shop_file_close(&file);
    return got;
}
