/* events.c -- rows become events in time order.
 *
 * THE IDEA
 *   Every row belongs to one event: the purchase rows of an order to its receipt (of a session, where
 *   no order is named), any other row to itself. A row's place in the output is (time of its event, first row of its event, itself), so
 *   one sort puts receipts together and everything in order.
 * WHAT AN EVENT IS CALLED
 *   event_id is a hash, written as a UUID of version 8 (RFC 9562: vendor-specific), of what names the
 *   event in the shop's own data: of a receipt the format and the order, wherever its rows stand; of
 *   anything else the format, user, session, action, row number in the file, item and time.
 *   Importing again gives the same ids, and the engine counts them once.
 * A RECEIPT OF MORE THAN 2,000 LINES
 *   is split into parts of 2,000: order ids `<order>`, `<order>/2`, `<order>/3`, ... all at
 *   the receipt's time.
 */
#include "mapping.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- order ---- */

struct receipt {
    int64_t time_ms;
    uint32_t first; /* index of its first row */
    bool known;
};

/* What the purchase rows of one receipt share. */
static uint32_t receipt_of(const struct bk_import_row *row)
{
    return row->order ? row->order : row->session;
}

static int compare_rows(const void *a, const void *b)
{
    const struct bk_import_row *x = a, *y = b;
    if (x->time_ms != y->time_ms) return x->time_ms < y->time_ms ? -1 : 1;
    if (x->lead != y->lead) return x->lead < y->lead ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static void find_receipts(const struct bk_import_rows *rows, struct receipt *receipt)
{
    for (size_t i = 0; i < rows->count; i++) {
        const struct bk_import_row *row = &rows->row[i];
        if (row->action != BK_SHOP_PURCHASE) continue;
        struct receipt *its = &receipt[receipt_of(row)];
        if (!its->known) *its = (struct receipt){row->time_ms, row->index, true};
        its->time_ms = bk_min_i64(its->time_ms, row->time_ms);
    }
}

int bk_import_group(struct bk_import_rows *rows)
{
    struct receipt *receipt = calloc((size_t)rows->sessions.count + 1, sizeof *receipt);
    if (!receipt) return BK_ENOMEM;
    find_receipts(rows, receipt);
    for (size_t i = 0; i < rows->count; i++) {
        struct bk_import_row *row = &rows->row[i];
        if (row->action != BK_SHOP_PURCHASE) continue;
        row->time_ms = receipt[receipt_of(row)].time_ms;
        row->lead = receipt[receipt_of(row)].first;
    }
    free(receipt);
    if (rows->count) qsort(rows->row, rows->count, sizeof *rows->row, compare_rows);
    return BK_OK;
}

/* The rows of the event that starts at `at`: a receipt's, at most BK_LINES_MAX of them. */
static size_t event_rows(const struct bk_import_rows *rows, size_t at)
{
    size_t end = at + 1;
    if (rows->row[at].action != BK_SHOP_PURCHASE) return 1;
    while (end < rows->count && end - at < BK_LINES_MAX &&
           rows->row[end].lead == rows->row[at].lead)
        end++;
    return end - at;
}

uint64_t bk_import_event_count(const struct bk_import_rows *rows)
{
    uint64_t count = 0;
    for (size_t at = 0; at < rows->count; at += event_rows(rows, at)) count++;
    return count;
}

/* ---- events ---- */

enum { UUID_BYTES = 37, ORDER_BYTES = BK_ID_BYTES_MAX + 1 };

/* The texts an event borrows that stand in no file. */
struct names {
    char event_id[UUID_BYTES];
    char order_id[ORDER_BYTES];
};

static bk_str_t text_of(const struct bk_shop_ids *ids, uint32_t number)
{
    return number ? bk_shop_ids_text(ids, number) : bk_str(NULL, 0);
}

/* The text whose hash is the event's name. */
static size_t write_name(const struct bk_import_rows *rows, const struct bk_import_row *row,
                         unsigned part, char *out, size_t cap)
{
    const char *format = rows->formats->table[row->table]->format;
    bk_str_t user = text_of(&rows->users, row->user ? row->user : row->visitor);
    bk_str_t session = text_of(&rows->sessions, receipt_of(row));
    bk_str_t item = text_of(&rows->items, row->item);
    int len;
    if (row->order && row->action == BK_SHOP_PURCHASE)
        len = snprintf(out, cap, "%s\torder\t%.*s\t%u", format, (int)session.len, session.p, part);
    else
        len = snprintf(out, cap, "%s\t%.*s\t%.*s\t%.*s\t%u\t%u\t%lld", format, (int)user.len,
                       user.p ? user.p : "", (int)session.len, session.p ? session.p : "",
                       (int)item.len, item.p, row->action, row->number, (long long)row->time_ms);
    BK_ASSERT(len > 0 && (size_t)len < cap);
    return (size_t)len;
}

static bk_str_t write_event_id(const struct bk_import_rows *rows, const struct bk_import_row *row,
                               unsigned part, char *out)
{
    char text[BK_TEXT_BYTES_MAX + 2 * BK_ID_BYTES_MAX + 256];
    size_t len = write_name(rows, row, part, text, sizeof text);
    uint64_t high = bk_hash(text, len);
    text[0] ^= 0x20; /* a second, independent 64 bits */
    uint64_t low = bk_hash(text, len);
    high = (high & ~0xf000ull) | 0x8000ull;
    low = (low & ~(3ull << 62)) | (2ull << 62);
    snprintf(out, UUID_BYTES, "%08x-%04x-%04x-%04x-%012llx", (unsigned)(high >> 32),
             (unsigned)(high >> 16 & 0xffff), (unsigned)(high & 0xffff), (unsigned)(low >> 48),
             (unsigned long long)(low & 0xffffffffffffull));
    return bk_str(out, UUID_BYTES - 1);
}

/* Part 1 is the order itself. One too long for the suffix keeps its head: ids are at most
 * 128 bytes. */
static bk_str_t write_order_id(bk_str_t order, unsigned part, char *out)
{
    if (part == 1) return order;
    char suffix[16];
    int suffix_len = snprintf(suffix, sizeof suffix, "/%u", part);
    uint32_t kept = order.len;
    while (kept + (uint32_t)suffix_len > BK_ID_BYTES_MAX ||
           (order.len > kept && (order.p[kept] & 0xc0) == 0x80))
        kept--;
    int len = snprintf(out, ORDER_BYTES, "%.*s%s", (int)kept, order.p, suffix);
    return bk_str(out, (size_t)len);
}

static void fill_head(const struct bk_import_rows *rows, const struct bk_import_row *row,
                      unsigned part, enum bk_consent consent, struct names *names,
                      struct bk_event *event)
{
    static const enum bk_event_kind kinds[BK_SHOP_ACTION_COUNT] = {
        [BK_SHOP_VIEW] = BK_EVENT_ITEM_VIEWED,
        [BK_SHOP_CART] = BK_EVENT_CART_CHANGED,
        [BK_SHOP_FAVOURITE] = BK_EVENT_WISHLIST_CHANGED,
        [BK_SHOP_PURCHASE] = BK_EVENT_PURCHASED,
        [BK_SHOP_RETURN] = BK_EVENT_REFUNDED,
        [BK_SHOP_REMOVE] = BK_EVENT_CART_CHANGED,
        [BK_SHOP_SEARCH] = BK_EVENT_SEARCHED,
    };
    bk_event_reset(event);
    event->kind = kinds[row->action];
    event->event_id = write_event_id(rows, row, part, names->event_id);
    event->event_time_ms = row->time_ms;
    event->customer = text_of(&rows->users, row->user);
    event->session = text_of(&rows->sessions, row->session);
    event->visitor = row->visitor ? text_of(&rows->users, row->visitor)
                     : row->user  ? bk_str("", 0)
                                  : event->session;
    event->consent = consent;
    if (row->currency) event->currency = bk_str(rows->currency[row->currency - 1], 3);
    event->op = row->action == BK_SHOP_CART     ? (int64_t)BK_CART_ADD
                : row->action == BK_SHOP_REMOVE ? (int64_t)BK_CART_REMOVE
                                                : (int64_t)BK_WISH_ADD;
    if (row->action == BK_SHOP_SEARCH) event->query = text_of(&rows->items, row->item);
    bool order = row->action == BK_SHOP_PURCHASE || row->action == BK_SHOP_RETURN;
    bk_str_t order_id = text_of(&rows->sessions, receipt_of(row));
    if (order) event->order_id = write_order_id(order_id, part, names->order_id);
}

static void fill_lines(const struct bk_import_rows *rows, size_t at, size_t count,
                       struct bk_event *event)
{
    event->line_count = (uint32_t)count;
    for (size_t i = 0; i < count; i++) {
        const struct bk_import_row *row = &rows->row[at + i];
        bk_line_reset(&event->lines[i]);
        event->lines[i].item = text_of(&rows->items, row->item);
        event->lines[i].quantity = row->quantity;
        event->lines[i].unit_price_minor = row->price_minor;
    }
}

/* Which part of its receipt starts at `at`, from 1. */
static unsigned part_at(const struct bk_import_rows *rows, size_t at, unsigned before)
{
    bool same = at > 0 && rows->row[at].action == BK_SHOP_PURCHASE &&
                rows->row[at - 1].lead == rows->row[at].lead;
    return same ? before + 1 : 1;
}

static void count_event(struct bk_import_counts *counts, const struct bk_event *event,
                        unsigned part)
{
    counts->events[event->kind]++;
    if (event->kind == BK_EVENT_PURCHASED) counts->lines += event->line_count;
    counts->split += part == 2;
}

int bk_import_emit(const struct bk_import_rows *rows, enum bk_consent consent,
                   int (*on_event)(void *arg, const struct bk_event *event), void *arg,
                   struct bk_import_counts *counts)
{
    struct bk_event event = {.lines = calloc(BK_LINES_MAX, sizeof *event.lines)};
    struct names names;
    unsigned part = 0;
    int code = event.lines ? BK_OK : BK_ENOMEM;
    for (size_t at = 0; at < rows->count && code == BK_OK;) {
        size_t count = event_rows(rows, at);
        part = part_at(rows, at, part);
        fill_head(rows, &rows->row[at], part, consent, &names, &event);
        if (event.kind != BK_EVENT_SEARCHED) fill_lines(rows, at, count, &event);
        count_event(counts, &event, part);
        code = on_event(arg, &event);
        at += count;
    }
    free(event.lines);
    return code;
}
