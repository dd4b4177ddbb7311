/* rows.c -- good rows are held compactly until the last one has been read.
 *
 * The purchase rows of one order may stand anywhere in a file, and events are written in time order:
 * so all rows are held. MEMORY: 56 bytes a row and as much again while they are sorted, each distinct
 * id once (some 40 bytes and itself), 16 bytes a session and order; bounded by `bytes_max`, and a
 * file that needs more is refused.
 */
#include <stdlib.h>

#include "take.h"

enum { PROGRESS_ROWS = 4096 };

void bk_import_rows_deinit(struct bk_import_rows *rows)
{
    free(rows->row);
    free(rows->order);
    free(rows->user_day);
    bk_shop_ids_deinit(&rows->users);
    bk_shop_ids_deinit(&rows->sessions);
    bk_shop_ids_deinit(&rows->items);
    bk__labels_destroy(&rows->labels);
    *rows = (struct bk_import_rows){0};
}

uint64_t bk_import_rows_bytes(const struct bk_import_rows *rows)
{
    return 2 * (uint64_t)rows->cap * sizeof *rows->row + bk_shop_ids_bytes(&rows->users) +
           bk_shop_ids_bytes(&rows->sessions) + bk_shop_ids_bytes(&rows->items) +
           16 * (uint64_t)rows->sessions.count + rows->order_cap * sizeof *rows->order +
           rows->user_day_cap * sizeof *rows->user_day;
}

/* ---- keeping ---- */

static int over_limit(const struct bk_import_rows *rows, struct bk_reason *reason)
{
    return bk_reason_set(
        reason, BK_ELIMIT,
        "%zu rows need more than %llu MB; import the files in parts that hold whole "
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

static int keep(struct bk_import_rows *rows, const struct bk__table *table,
                struct bk_import_row *row, struct bk_reason *reason)
{
    int code = make_room(rows, reason);
    if (code) return code;
    uint8_t place = 0;
    while (rows->formats->table[place] != table) place++;
    row->table = place;
    row->index = row->lead = (uint32_t)rows->count;
    rows->row[rows->count++] = *row;
    return BK_OK;
}

/* ---- a file ---- */

/* One row read, kept or reported. 1 go on, 0 the end, or a code. */
static int turn(struct bk_import_rows *rows, struct bk__records *records,
                const struct bk__table *table, const struct bk_import_watch *watch,
                struct bk_reason *reason)
{
    struct bk_import_row row;
    int got = bk__records_next(records, &rows->passed, reason);
    if (got == 0) return 0;
    if (got == 1) {
        got = bk__take_row(rows, records, table, &row, reason);
        if (got == 1) got = keep(rows, table, &row, reason);
        if (got == 0) return 1;
    }
    if (got != BK_EINVAL) return got;
    rows->bad++;
    if (watch->bad) watch->bad(watch->arg, reason->text);
    return 1;
}

static void report_progress(const struct bk__records *records, const struct bk_import_watch *watch)
{
    uint64_t done, total;
    bk__records_progress(records, &done, &total);
    if (watch->progress) watch->progress(watch->arg, done, total);
}

static int read_table(struct bk_import_rows *rows, const char *path, const struct bk__table *table,
                      const struct bk_import_watch *watch, struct bk_reason *reason)
{
    struct bk__records *records =
        bk__records_open(path, table, rows->encoding, rows->labels, reason);
    if (!records) return BK_EINVAL;
    int got = 1;
    for (uint64_t turns = 1; got == 1; turns++) {
        got = turn(rows, records, table, watch, reason);
        if (turns % PROGRESS_ROWS == 0) report_progress(records, watch);
    }
    report_progress(records, watch);
    bk__records_close(&records);
    return got;
}

/* ---- all files ---- */

/* What has to be known before what. */
static unsigned phase_of(enum bk__kind kind)
{
    return kind == KIND_LABELS                         ? 0
           : kind == KIND_ORDERS                       ? 1
           : kind == KIND_EVENTS || kind == KIND_LINES ? 2
                                                       : 3;
}

int bk_import_read(struct bk_import_rows *rows, const struct bk_import_file *files, size_t count,
                   const struct bk_import_watch *watch, struct bk_reason *reason)
{
    int code = BK_OK;
    for (unsigned phase = 0; phase < 3; phase++)
        for (size_t i = 0; i < count; i++)
            for (uint32_t j = 0; j < files[i].count && !code; j++)
                if (phase_of(files[i].table[j]->kind) == phase)
                    code = read_table(rows, files[i].path, files[i].table[j], watch, reason);
    return code;
}
