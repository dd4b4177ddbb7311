/* oracle.h -- what an event should be, told by avro-c: the naive model of the decoder.
 *
 * avro-c reads a record generically under the writer's schema; here the fields are then looked up
 * by name, slowly and without any plan. Shares nothing with src/decode but the contract's names.
 */
#ifndef TESTS_DECODE_ORACLE_H
#define TESTS_DECODE_ORACLE_H

#include "basketry/decode.h"

#include <avro.h>
#include <stdlib.h>

struct oracle {
    struct bk_event ev;
    struct bk_line lines[BK_LINES_MAX];
};

/* The member of this name, out of any union; false when it is absent or null. */
static inline bool oracle_member(const avro_value_t *record, const char *name, avro_value_t *out)
{
    if (avro_value_get_by_name(record, name, out, NULL) != 0 || !out->iface) return false;
    while (avro_value_get_type(out) == AVRO_UNION) {
        avro_value_t branch;
        if (avro_value_get_current_branch(out, &branch) != 0) return false;
        *out = branch;
    }
    return avro_value_get_type(out) != AVRO_NULL;
}

static inline bk_str_t oracle_text_of(const avro_value_t *value)
{
    const void *bytes = NULL;
    const char *text = NULL;
    size_t size = 0;
    if (avro_value_get_type(value) == AVRO_STRING) {
        avro_value_get_string(value, &text, &size);
        bytes = text;
        size = size ? size - 1 : 0; /* avro-c counts the NUL */
    } else if (avro_value_get_type(value) == AVRO_BYTES) {
        avro_value_get_bytes(value, &bytes, &size);
    }
    return (bk_str_t){size ? bytes : NULL, (uint32_t)size};
}

static inline void oracle_text(const avro_value_t *record, const char *name, bk_str_t *out)
{
    avro_value_t value;
    if (oracle_member(record, name, &value)) *out = oracle_text_of(&value);
}

static inline void oracle_number(const avro_value_t *record, const char *name, int64_t *out)
{
    avro_value_t value;
    int32_t narrow = 0;
    if (!oracle_member(record, name, &value)) return;
    if (avro_value_get_type(&value) == AVRO_INT32) {
        avro_value_get_int(&value, &narrow);
        *out = narrow;
    } else {
        avro_value_get_long(&value, out);
    }
}

/* The place of the writer's symbol among ours; a symbol we do not have is the first. */
static inline void oracle_symbol(const avro_value_t *record, const char *name,
                                 const char *const ours[4], int64_t *out)
{
    avro_value_t value;
    int index = 0;
    if (!oracle_member(record, name, &value)) return;
    avro_value_get_enum(&value, &index);
    const char *symbol = avro_schema_enum_get(avro_value_get_schema(&value), index);
    *out = 0;
    for (int i = 0; i < 4 && ours[i]; i++)
        if (strcmp(ours[i], symbol) == 0) *out = i;
}

static inline struct bk_line *oracle_line(struct oracle *o, enum bk_line_role role)
{
    if (o->ev.line_count == BK_LINES_MAX) abort();
    struct bk_line *line = &o->lines[o->ev.line_count++];
    bk_line_reset(line);
    line->role = role;
    return line;
}

static inline void oracle_item(struct oracle *o, const avro_value_t *item, enum bk_line_role role)
{
    struct bk_line *line = oracle_line(o, role);
    oracle_text(item, "item_id", &line->item);
    oracle_text(item, "category", &line->category);
    oracle_text(item, "promotion", &line->promotion);
    oracle_number(item, "quantity", &line->quantity);
    oracle_number(item, "unit_price_minor", &line->unit_price_minor);
    oracle_number(item, "discount_minor", &line->discount_minor);
}

static inline void oracle_items(struct oracle *o, const avro_value_t *record, const char *name,
                                enum bk_line_role role)
{
    avro_value_t array, element;
    size_t count = 0;
    if (!oracle_member(record, name, &array)) return;
    avro_value_get_size(&array, &count);
    for (size_t i = 0; i < count; i++) {
        avro_value_get_by_index(&array, i, &element, NULL);
        if (avro_value_get_type(&element) == AVRO_RECORD)
            oracle_item(o, &element, role);
        else
            oracle_line(o, role)->item = oracle_text_of(&element);
    }
}

static inline void oracle_behaviour(struct oracle *o, const avro_value_t *record)
{
    static const char *const consent[4] = {"unknown", "none", "session", "personal"};
    static const char *const cart_op[4] = {"add", "remove", "clear", "set"};
    static const char *const wish_op[4] = {"add", "remove", NULL, NULL};
    struct bk_event *ev = &o->ev;
    avro_value_t context, item;
    oracle_text(record, "event_id", &ev->event_id);
    oracle_number(record, "event_time", &ev->event_time_ms);
    oracle_text(record, "visitor_id", &ev->visitor);
    oracle_text(record, "customer_id", &ev->customer);
    oracle_text(record, "session_id", &ev->session);
    oracle_symbol(record, "consent", consent, &ev->consent);
    oracle_text(record, "rec_token", &ev->rec_token);
    if (oracle_member(record, "context", &context)) {
        oracle_text(&context, "store", &ev->store);
        oracle_text(&context, "device", &ev->device);
        oracle_text(&context, "channel", &ev->channel);
        oracle_text(&context, "weather", &ev->weather);
        oracle_text(&context, "page", &ev->page);
    }
    oracle_text(record, "currency", &ev->currency);
    oracle_text(record, "order_id", &ev->order_id);
    oracle_text(record, "query", &ev->query);
    oracle_text(record, "list", &ev->list);
    oracle_text(record, "review", &ev->review);
    oracle_text(record, "reason", &ev->reason);
    oracle_text(record, "merged_subject", &ev->merged_subject);
    oracle_number(record, "rating", &ev->rating);
    oracle_symbol(record, "op", ev->kind == BK_EVENT_CART_CHANGED ? cart_op : wish_op, &ev->op);
    if (oracle_member(record, "item", &item)) oracle_item(o, &item, BK_LINE_PLAIN);
    oracle_items(o, record, "items", BK_LINE_PLAIN);
    oracle_items(o, record, "lines", BK_LINE_PLAIN);
    oracle_items(o, record, "item_ids", BK_LINE_PLAIN);
}

static inline void oracle_fact(struct oracle *o, const avro_value_t *record)
{
    struct bk_event *ev = &o->ev;
    if (ev->kind != BK_EVENT_CUSTOMER) oracle_item(o, record, BK_LINE_PLAIN);
    oracle_text(record, "name", &ev->name);
    oracle_text(record, "brand", &ev->brand);
    oracle_text(record, "image", &ev->image);
    oracle_text(record, "variant_group", &ev->variant_group);
    oracle_text(record, "currency", &ev->currency);
    oracle_text(record, "store", &ev->store);
    oracle_text(record, "customer_id", &ev->customer);
    oracle_number(record, "available", &ev->available);
    oracle_number(record, "updated_time", &ev->event_time_ms);
}

/* Texts are borrowed from `record`. The order of SubjectMerged's lines is the order of the writer's
 * fields. */
static inline void oracle_event(struct oracle *o, enum bk_event_kind kind,
                                const avro_value_t *record)
{
    o->ev.lines = o->lines;
    bk_event_reset(&o->ev);
    o->ev.kind = kind;
    if (kind >= BK_EVENT_PRODUCT) {
        oracle_fact(o, record);
        return;
    }
    oracle_behaviour(o, record);
    size_t fields = 0;
    avro_value_get_size(record, &fields);
    for (size_t i = 0; i < fields; i++) {
        avro_value_t field;
        const char *name = "";
        avro_value_get_by_index(record, i, &field, &name);
        if (strcmp(name, "viewed") == 0) oracle_items(o, record, name, BK_LINE_VIEWED);
        if (strcmp(name, "cart") == 0) oracle_items(o, record, name, BK_LINE_CART);
    }
}

#endif
