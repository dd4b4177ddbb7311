/* encode.c -- an event as the bytes a producer would send, under our own schema of its kind.
 *
 * For import, produce and tests: off the hot path, so it is written by hand in the order of the
 * fields of each .avsc; what an event does not hold (attributes, nutrition, preferences, ...) is
 * written as its default. A test decodes every kind back, and a foreign Avro library reads the
 * bytes in tests/e2e.
 */
#include "basketry/decode.h"

#include "builtin.h"

struct out {
    uint8_t *p, *end;
    bool full;
};

/* ---- primitives ---- */

static void put_bytes(struct out *out, const void *bytes, size_t len)
{
    if (out->full || len > (size_t)(out->end - out->p)) {
        out->full = true;
        return;
    }
    if (len) memcpy(out->p, bytes, len);
    out->p += len;
}

static void put_byte(struct out *out, uint8_t byte)
{
    put_bytes(out, &byte, 1);
}

static void put_long(struct out *out, int64_t value)
{
    uint64_t raw = ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
    for (; raw >= 0x80; raw >>= 7) put_byte(out, (uint8_t)(raw | 0x80));
    put_byte(out, (uint8_t)raw);
}

static void put_text(struct out *out, bk_str_t text)
{
    put_long(out, text.len);
    put_bytes(out, text.p, text.len);
}

static void put_null(struct out *out)
{
    put_byte(out, 0);
}

static void put_text_or_null(struct out *out, bk_str_t text)
{
    if (!text.p) {
        put_null(out);
        return;
    }
    put_long(out, 1);
    put_text(out, text);
}

static void put_long_or_null(struct out *out, int64_t value)
{
    if (value == BK_NULL_I64) {
        put_null(out);
        return;
    }
    put_long(out, 1);
    put_long(out, value);
}

/* An array or map without elements. */
static void put_none(struct out *out)
{
    put_byte(out, 0);
}

/* ---- the parts that schemas share ---- */

static void put_envelope(struct out *out, const struct bk_event *ev)
{
    bool customer_required = ev->kind == BK_EVENT_IDENTIFIED || ev->kind == BK_EVENT_SUBJECT_MERGED;
    put_text(out, ev->event_id);
    put_long(out, ev->event_time_ms);
    put_text(out, ev->visitor);
    if (customer_required)
        put_text(out, ev->customer);
    else
        put_text_or_null(out, ev->customer);
    put_text_or_null(out, ev->session);
    put_long(out, ev->consent);
    put_text_or_null(out, ev->rec_token);
    put_text_or_null(out, ev->store);
    put_text_or_null(out, ev->device);
    put_text_or_null(out, ev->channel);
    put_text_or_null(out, ev->weather);
    put_text_or_null(out, ev->page);
    put_none(out); /* attributes */
}

static void put_item(struct out *out, const struct bk_line *line)
{
    put_text(out, line->item);
    put_long(out, line->quantity);
    put_long_or_null(out, line->unit_price_minor);
    put_text_or_null(out, line->category);
}

static void put_purchase_line(struct out *out, const struct bk_line *line)
{
    put_item(out, line);
    put_text_or_null(out, line->promotion);
    put_long_or_null(out, line->discount_minor);
}

static void put_item_id(struct out *out, const struct bk_line *line)
{
    put_text(out, line->item);
}

/* The event's lines of one role as an array. */
static void put_lines(struct out *out, const struct bk_event *ev, enum bk_line_role role,
                      void (*put)(struct out *out, const struct bk_line *line))
{
    int64_t count = 0;
    for (uint32_t i = 0; i < ev->line_count; i++) count += ev->lines[i].role == role;
    if (count) put_long(out, count);
    for (uint32_t i = 0; i < ev->line_count; i++)
        if (ev->lines[i].role == role) put(out, &ev->lines[i]);
    put_none(out);
}

/* The one line of a record that has exactly one; without it the record cannot be written. */
static const struct bk_line *only_line(struct out *out, const struct bk_event *ev)
{
    static const struct bk_line none = {.quantity = 1};
    if (ev->line_count != 1) out->full = true;
    return ev->line_count == 1 ? &ev->lines[0] : &none;
}

/* ---- facts ---- */

static void put_product(struct out *out, const struct bk_event *ev)
{
    const struct bk_line *line = only_line(out, ev);
    put_text(out, line->item);
    put_text(out, ev->name);
    put_text_or_null(out, line->category);
    put_text_or_null(out, ev->brand);
    put_long_or_null(out, line->unit_price_minor);
    put_text_or_null(out, ev->currency);
    put_none(out);    /* dietary */
    put_none(out);    /* allergens */
    put_byte(out, 0); /* allergens_known */
    put_none(out);    /* nutrition */
    put_none(out);    /* seasons */
    put_text_or_null(out, ev->image);
    put_text_or_null(out, ev->variant_group);
    put_null(out); /* embedding */
    put_text_or_null(out, line->promotion);
    put_long(out, ev->event_time_ms);
}

static void put_stock(struct out *out, const struct bk_event *ev)
{
    put_text(out, only_line(out, ev)->item);
    put_text_or_null(out, ev->store);
    put_long(out, ev->available == BK_NULL_I64 ? 0 : ev->available);
    put_long(out, ev->event_time_ms);
}

static void put_customer(struct out *out, const struct bk_event *ev)
{
    put_text(out, ev->customer);
    put_text_or_null(out, ev->name);
    for (int i = 0; i < 4; i++)
        put_none(out); /* dietary, allergies, favourite categories and brands */
    for (int i = 0; i < 2; i++) put_null(out); /* budget and its currency */
    for (int i = 0; i < 4; i++) put_null(out); /* age, gender, location, family size */
    for (int i = 0; i < 3; i++) put_null(out); /* household, loyalty tier and points */
    put_long(out, 0);                          /* created_time */
    put_long(out, ev->event_time_ms);
}

/* ---- behaviour ---- */

static void put_behaviour(struct out *out, const struct bk_event *ev)
{
    put_envelope(out, ev);
    switch (ev->kind) {
    case BK_EVENT_ITEM_VIEWED:
        put_item(out, only_line(out, ev));
        put_text_or_null(out, ev->currency);
        break;
    case BK_EVENT_SEARCHED:
        put_text(out, ev->query);
        put_null(out); /* result_count */
        put_none(out); /* result_item_ids */
        put_none(out); /* filters */
        break;
    case BK_EVENT_CART_CHANGED:
        put_long(out, ev->op);
        put_lines(out, ev, BK_LINE_PLAIN, put_item);
        put_null(out); /* cart_id */
        put_text_or_null(out, ev->currency);
        break;
    case BK_EVENT_PURCHASED:
        put_text(out, ev->order_id);
        put_lines(out, ev, BK_LINE_PLAIN, put_purchase_line);
        put_text_or_null(out, ev->currency);
        put_null(out); /* total_minor */
        put_null(out); /* payment_method */
        break;
    case BK_EVENT_WISHLIST_CHANGED:
        put_long(out, ev->op);
        put_lines(out, ev, BK_LINE_PLAIN, put_item);
        put_text_or_null(out, ev->currency);
        break;
    case BK_EVENT_REFUNDED:
        put_text(out, ev->order_id);
        put_lines(out, ev, BK_LINE_PLAIN, put_item);
        put_text_or_null(out, ev->currency);
        put_text_or_null(out, ev->reason);
        break;
    case BK_EVENT_LIST_SHOWN:
        put_text(out, ev->list);
        put_lines(out, ev, BK_LINE_PLAIN, put_item_id);
        break;
    case BK_EVENT_ITEM_CLICKED:
        put_item(out, only_line(out, ev));
        put_text_or_null(out, ev->list);
        put_null(out); /* position */
        put_text_or_null(out, ev->currency);
        break;
    case BK_EVENT_ITEM_DISMISSED:
        put_item(out, only_line(out, ev));
        put_text_or_null(out, ev->list);
        put_text_or_null(out, ev->reason);
        break;
    case BK_EVENT_ITEM_RATED:
        put_item(out, only_line(out, ev));
        put_long(out, ev->rating);
        put_text_or_null(out, ev->review);
        break;
    case BK_EVENT_SUBJECT_MERGED:
        put_text(out, ev->merged_subject);
        put_lines(out, ev, BK_LINE_VIEWED, put_item);
        put_lines(out, ev, BK_LINE_CART, put_item);
        break;
    case BK_EVENT_CUSTOMER_ERASED:
        put_text_or_null(out, ev->reason);
        break;
    default: /* Identified, ConsentChanged, Tick: the envelope is all */
        break;
    }
}

/* ---- the whole ---- */

static const struct bk__builtin *builtin_of(enum bk_event_kind kind)
{
    const char *name = bk_event_kind_name(kind);
    size_t len = strlen(name);
    for (size_t i = 0; i < bk__builtin_count; i++)
        if (strncmp(bk__builtins[i].file, name, len) == 0 && bk__builtins[i].file[len] == '.')
            return &bk__builtins[i];
    return NULL;
}

size_t bk_encode_event(const struct bk_event *event, uint8_t *bytes, size_t cap)
{
    struct out out = {bytes, bytes + cap, false};
    uint32_t id = bk_schema_id(event->kind);
    put_byte(&out, 0);
    for (int shift = 24; shift >= 0; shift -= 8) put_byte(&out, (uint8_t)(id >> shift));
    switch (event->kind) {
    case BK_EVENT_PRODUCT:
        put_product(&out, event);
        break;
    case BK_EVENT_STOCK:
        put_stock(&out, event);
        break;
    case BK_EVENT_CUSTOMER:
        put_customer(&out, event);
        break;
    default:
        put_behaviour(&out, event);
        break;
    }
    return out.full ? 0 : (size_t)(out.p - bytes);
}

uint32_t bk_schema_id(enum bk_event_kind kind)
{
    const struct bk__builtin *builtin = builtin_of(kind);
    return builtin ? builtin->id : 0;
}

const char *bk_schema_text(enum bk_event_kind kind)
{
    const struct bk__builtin *builtin = builtin_of(kind);
    return builtin ? builtin->text : "";
}
