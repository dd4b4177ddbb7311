/* encode.c -- an event as the bytes a producer would send, under our own schema of its kind.
 *
 * For import, produce and tests: off the hot path, so it is written by hand in the order of the
 * fields of each .avsc; what an event does not hold (attributes, nutrition, preferences, ...) is
 * written as its default; facts.h can say more about products and customers. A test decodes every
 * kind back, and a foreign Avro library reads the bytes in tests/e2e.
 */
#include "basketry/decode.h"

#include "basketry/facts.h"

#include "builtin.h"
#include "put.h"

/* ---- the parts that schemas share ---- */

static void put_envelope(struct bk__out *out, const struct bk_event *ev)
{
    bool customer_required = ev->kind == BK_EVENT_IDENTIFIED || ev->kind == BK_EVENT_SUBJECT_MERGED;
    bk__put_text(out, ev->event_id);
    bk__put_long(out, ev->event_time_ms);
    bk__put_text(out, ev->visitor);
    if (customer_required)
        bk__put_text(out, ev->customer);
    else
        bk__put_text_or_null(out, ev->customer);
    bk__put_text_or_null(out, ev->session);
    bk__put_long(out, ev->consent);
    bk__put_text_or_null(out, ev->rec_token);
    bk__put_text_or_null(out, ev->store);
    bk__put_text_or_null(out, ev->device);
    bk__put_text_or_null(out, ev->channel);
    bk__put_text_or_null(out, ev->weather);
    bk__put_text_or_null(out, ev->page);
    bk__put_none(out); /* attributes */
}

static void put_item(struct bk__out *out, const struct bk_line *line)
{
    bk__put_text(out, line->item);
    bk__put_long(out, line->quantity);
    bk__put_long_or_null(out, line->unit_price_minor);
    bk__put_text_or_null(out, line->category);
}

static void put_purchase_line(struct bk__out *out, const struct bk_line *line)
{
    put_item(out, line);
    bk__put_text_or_null(out, line->promotion);
    bk__put_long_or_null(out, line->discount_minor);
}

static void put_item_id(struct bk__out *out, const struct bk_line *line)
{
    bk__put_text(out, line->item);
}

/* The event's lines of one role as an array. */
static void put_lines(struct bk__out *out, const struct bk_event *ev, enum bk_line_role role,
                      void (*put)(struct bk__out *out, const struct bk_line *line))
{
    int64_t count = 0;
    for (uint32_t i = 0; i < ev->line_count; i++) count += ev->lines[i].role == role;
    if (count) bk__put_long(out, count);
    for (uint32_t i = 0; i < ev->line_count; i++)
        if (ev->lines[i].role == role) put(out, &ev->lines[i]);
    bk__put_none(out);
}

/* The one line of a record that has exactly one; without it the record cannot be written. */
static const struct bk_line *only_line(struct bk__out *out, const struct bk_event *ev)
{
    static const struct bk_line none = {.quantity = 1};
    if (ev->line_count != 1) out->full = true;
    return ev->line_count == 1 ? &ev->lines[0] : &none;
}

/* ---- facts ---- */

static void put_stock(struct bk__out *out, const struct bk_event *ev)
{
    bk__put_text(out, only_line(out, ev)->item);
    bk__put_text_or_null(out, ev->store);
    bk__put_long(out, ev->available == BK_NULL_I64 ? 0 : ev->available);
    bk__put_long(out, ev->event_time_ms);
}

static size_t encode_product(const struct bk_event *ev, uint8_t *bytes, size_t cap)
{
    struct bk_product_fact fact;
    if (ev->line_count != 1) return 0;
    bk_product_fact_reset(&fact);
    fact.item = ev->lines[0].item;
    fact.name = ev->name;
    fact.category = ev->lines[0].category;
    fact.brand = ev->brand;
    fact.currency = ev->currency;
    fact.image = ev->image;
    fact.variant_group = ev->variant_group;
    fact.promotion = ev->lines[0].promotion;
    fact.unit_price_minor = ev->lines[0].unit_price_minor;
    fact.updated_ms = ev->event_time_ms;
    return bk_encode_product(&fact, bytes, cap);
}

static size_t encode_customer(const struct bk_event *ev, uint8_t *bytes, size_t cap)
{
    struct bk_customer_fact fact;
    bk_customer_fact_reset(&fact);
    fact.customer = ev->customer;
    fact.name = ev->name;
    fact.updated_ms = ev->event_time_ms;
    return bk_encode_customer(&fact, bytes, cap);
}

/* ---- behaviour ---- */

static void put_behaviour(struct bk__out *out, const struct bk_event *ev)
{
    put_envelope(out, ev);
    switch (ev->kind) {
    case BK_EVENT_ITEM_VIEWED:
        put_item(out, only_line(out, ev));
        bk__put_text_or_null(out, ev->currency);
        break;
    case BK_EVENT_SEARCHED:
        bk__put_text(out, ev->query);
        bk__put_null(out); /* result_count */
        bk__put_none(out); /* result_item_ids */
        bk__put_none(out); /* filters */
        break;
    case BK_EVENT_CART_CHANGED:
        bk__put_long(out, ev->op);
        put_lines(out, ev, BK_LINE_PLAIN, put_item);
        bk__put_null(out); /* cart_id */
        bk__put_text_or_null(out, ev->currency);
        break;
    case BK_EVENT_PURCHASED:
        bk__put_text(out, ev->order_id);
        put_lines(out, ev, BK_LINE_PLAIN, put_purchase_line);
        bk__put_text_or_null(out, ev->currency);
        bk__put_null(out); /* total_minor */
        bk__put_null(out); /* payment_method */
        break;
    case BK_EVENT_WISHLIST_CHANGED:
        bk__put_long(out, ev->op);
        put_lines(out, ev, BK_LINE_PLAIN, put_item);
        bk__put_text_or_null(out, ev->currency);
        break;
    case BK_EVENT_REFUNDED:
        bk__put_text(out, ev->order_id);
        put_lines(out, ev, BK_LINE_PLAIN, put_item);
        bk__put_text_or_null(out, ev->currency);
        bk__put_text_or_null(out, ev->reason);
        break;
    case BK_EVENT_LIST_SHOWN:
        bk__put_text(out, ev->list);
        put_lines(out, ev, BK_LINE_PLAIN, put_item_id);
        break;
    case BK_EVENT_ITEM_CLICKED:
        put_item(out, only_line(out, ev));
        bk__put_text_or_null(out, ev->list);
        bk__put_null(out); /* position */
        bk__put_text_or_null(out, ev->currency);
        break;
    case BK_EVENT_ITEM_DISMISSED:
        put_item(out, only_line(out, ev));
        bk__put_text_or_null(out, ev->list);
        bk__put_text_or_null(out, ev->reason);
        break;
    case BK_EVENT_ITEM_RATED:
        put_item(out, only_line(out, ev));
        bk__put_long(out, ev->rating);
        bk__put_text_or_null(out, ev->review);
        break;
    case BK_EVENT_SUBJECT_MERGED:
        bk__put_text(out, ev->merged_subject);
        put_lines(out, ev, BK_LINE_VIEWED, put_item);
        put_lines(out, ev, BK_LINE_CART, put_item);
        break;
    case BK_EVENT_CUSTOMER_ERASED:
        bk__put_text_or_null(out, ev->reason);
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
    struct bk__out out = {bytes, bytes + cap, false};
    if (event->kind == BK_EVENT_PRODUCT) return encode_product(event, bytes, cap);
    if (event->kind == BK_EVENT_CUSTOMER) return encode_customer(event, bytes, cap);
    bk__put_frame(&out, bk_schema_id(event->kind));
    if (event->kind == BK_EVENT_STOCK)
        put_stock(&out, event);
    else
        put_behaviour(&out, event);
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
