/* samples.h -- one event of every kind with every field filled, its key, and the means to compare
 * and frame.
 *
 * Header-only, because each test program of this folder is one file.
 */
#ifndef TESTS_DECODE_SAMPLES_H
#define TESTS_DECODE_SAMPLES_H

#include "basketry/decode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { SAMPLE_BYTES_MAX = 1 << 20 };

struct sample {
    struct bk_event ev;
    struct bk_line lines[BK_LINES_MAX + 1];
    char key[2 * BK_SUBJECT_BYTES_MAX];
    uint32_t key_len;
    enum bk_topic topic;
    uint8_t bytes[SAMPLE_BYTES_MAX]; /* framed */
    size_t len;
};

static inline enum bk_topic sample_topic(enum bk_event_kind kind)
{
    return kind == BK_EVENT_PRODUCT    ? BK_TOPIC_PRODUCTS
           : kind == BK_EVENT_STOCK    ? BK_TOPIC_STOCK
           : kind == BK_EVENT_CUSTOMER ? BK_TOPIC_CUSTOMERS
                                       : BK_TOPIC_EVENTS;
}

static inline void sample_line(struct sample *s, const char *item, bool priced, bool receipt)
{
    struct bk_line *line = &s->lines[s->ev.line_count++];
    bk_line_reset(line);
    line->item = bk_str_c(item);
    if (!priced) return;
    line->quantity = 3;
    line->unit_price_minor = 129;
    line->category = BK_STR("Food > Dairy > Milk");
    if (!receipt) return;
    line->promotion = BK_STR("3-for-2");
    line->discount_minor = 129;
}

static inline void sample_behaviour(struct sample *s)
{
    struct bk_event *ev = &s->ev;
    ev->event_id = BK_STR("0192d1f0-5a7c-7cc1-8d2e-1f4b7a9c0e11");
    ev->event_time_ms = 1700000000123;
    ev->visitor = BK_STR("visitor-7");
    ev->customer = BK_STR("customer-42");
    ev->session = BK_STR("session-9");
    ev->consent = BK_CONSENT_PERSONAL;
    ev->rec_token = BK_STR("home.a.17.3:999");
    ev->store = BK_STR("store-12");
    ev->device = BK_STR("mobile");
    ev->channel = BK_STR("app");
    ev->weather = BK_STR("rain");
    ev->page = BK_STR("product");
}

static inline void sample_lines(struct sample *s)
{
    struct bk_event *ev = &s->ev;
    switch (ev->kind) {
    case BK_EVENT_ITEM_VIEWED:
    case BK_EVENT_ITEM_CLICKED:
    case BK_EVENT_ITEM_DISMISSED:
    case BK_EVENT_ITEM_RATED:
        sample_line(s, "milk-1l", true, false);
        break;
    case BK_EVENT_CART_CHANGED:
    case BK_EVENT_WISHLIST_CHANGED:
    case BK_EVENT_REFUNDED:
        sample_line(s, "milk-1l", true, false);
        sample_line(s, "bread", false, false);
        break;
    case BK_EVENT_PURCHASED:
        sample_line(s, "milk-1l", true, true);
        sample_line(s, "bread", false, false);
        sample_line(s, "Caf\303\251", true, false);
        break;
    case BK_EVENT_LIST_SHOWN:
        sample_line(s, "milk-1l", false, false);
        sample_line(s, "bread", false, false);
        break;
    case BK_EVENT_SUBJECT_MERGED:
        for (int i = 0; i < 4; i++) {
            sample_line(s, i % 2 ? "milk-1l" : "bread", i % 2, false);
            s->lines[i].role = i < 2 ? BK_LINE_VIEWED : BK_LINE_CART;
        }
        break;
    case BK_EVENT_PRODUCT:
        sample_line(s, "milk-1l", true, false);
        s->lines[0].quantity = 1;
        s->lines[0].promotion = BK_STR("3-for-2");
        break;
    case BK_EVENT_STOCK:
        sample_line(s, "milk-1l", false, false);
        break;
    default:
        break;
    }
}

static inline void sample_own_fields(struct bk_event *ev)
{
    switch (ev->kind) {
    case BK_EVENT_SEARCHED:
        ev->query = BK_STR("oat milk");
        break;
    case BK_EVENT_CART_CHANGED:
        ev->op = BK_CART_SET;
        ev->currency = BK_STR("EUR");
        break;
    case BK_EVENT_WISHLIST_CHANGED:
        ev->op = BK_WISH_REMOVE;
        ev->currency = BK_STR("EUR");
        break;
    case BK_EVENT_REFUNDED:
        ev->reason = BK_STR("broken");
        ev->order_id = BK_STR("order-1");
        ev->currency = BK_STR("EUR");
        break;
    case BK_EVENT_PURCHASED:
        ev->order_id = BK_STR("order-1");
        ev->currency = BK_STR("EUR");
        break;
    case BK_EVENT_ITEM_VIEWED:
        ev->currency = BK_STR("EUR");
        break;
    case BK_EVENT_ITEM_CLICKED:
        ev->currency = BK_STR("EUR");
        ev->list = BK_STR("home");
        break;
    case BK_EVENT_LIST_SHOWN:
        ev->list = BK_STR("home");
        break;
    case BK_EVENT_ITEM_DISMISSED:
        ev->list = BK_STR("home");
        ev->reason = BK_STR("never liked it");
        break;
    case BK_EVENT_ITEM_RATED:
        ev->rating = 4;
        ev->review = BK_STR("Tastes of gr\303\274n.");
        break;
    case BK_EVENT_SUBJECT_MERGED:
        ev->merged_subject = BK_STR("v:visitor-7");
        break;
    case BK_EVENT_CUSTOMER_ERASED:
        ev->reason = BK_STR("asked");
        break;
    case BK_EVENT_PRODUCT:
        ev->name = BK_STR("Milk, 1 l");
        ev->brand = BK_STR("Meadow");
        ev->image = BK_STR("https://shop.example/milk.jpg");
        ev->variant_group = BK_STR("milk");
        ev->currency = BK_STR("EUR");
        break;
    case BK_EVENT_STOCK:
        ev->store = BK_STR("store-12");
        ev->available = 17;
        break;
    case BK_EVENT_CUSTOMER:
        ev->customer = BK_STR("customer-42");
        ev->name = BK_STR("Ada");
        break;
    default:
        break;
    }
}

/* The key that belongs to the event as it is now. */
static inline void sample_key(struct sample *s)
{
    const struct bk_event *ev = &s->ev;
    char *key = s->key;
    if (s->topic == BK_TOPIC_EVENTS) {
        s->key_len = bk_event_subject(ev, key);
        return;
    }
    bk_str_t id = s->topic == BK_TOPIC_CUSTOMERS ? ev->customer : ev->lines[0].item;
    memcpy(key, id.p, id.len);
    s->key_len = id.len;
    if (s->topic == BK_TOPIC_STOCK && ev->store.len) {
        key[s->key_len++] = '|';
        memcpy(key + s->key_len, ev->store.p, ev->store.len);
        s->key_len += ev->store.len;
    }
}

static inline void sample_encode(struct sample *s)
{
    sample_key(s);
    s->len = bk_encode_event(&s->ev, s->bytes, sizeof s->bytes);
    assert_true(s->len > 5);
}

/* Heap, because of its size; the caller frees. */
static inline struct sample *sample_of(enum bk_event_kind kind)
{
    struct sample *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->ev.lines = s->lines;
    bk_event_reset(&s->ev);
    s->ev.kind = kind;
    s->topic = sample_topic(kind);
    if (s->topic == BK_TOPIC_EVENTS)
        sample_behaviour(s);
    else
        s->ev.event_time_ms = 1700000000123;
    sample_lines(s);
    sample_own_fields(&s->ev);
    sample_encode(s);
    return s;
}

static inline struct bk_record sample_record(const struct sample *s)
{
    return (struct bk_record){
        .topic = s->topic,
        .key = bk_str(s->key, s->key_len),
        .value = bk_str((const char *)s->bytes, s->len),
    };
}

static inline struct bk_verdict sample_decode(struct bk_decoder *decoder, const struct sample *s,
                                              const struct bk_event **ev)
{
    struct bk_record record = sample_record(s);
    return bk_decode(decoder, &record, ev);
}

static inline void assert_same_text(bk_str_t a, bk_str_t b)
{
    assert_int_equal(a.p == NULL, b.p == NULL);
    assert_int_equal(a.len, b.len);
    if (a.len) assert_memory_equal(a.p, b.p, a.len);
}

static inline void assert_same_line(const struct bk_line *a, const struct bk_line *b)
{
    assert_same_text(a->item, b->item);
    assert_same_text(a->category, b->category);
    assert_same_text(a->promotion, b->promotion);
    assert_int_equal(a->quantity, b->quantity);
    assert_int_equal(a->unit_price_minor, b->unit_price_minor);
    assert_int_equal(a->discount_minor, b->discount_minor);
    assert_int_equal(a->role, b->role);
}

static inline void assert_same_event(const struct bk_event *a, const struct bk_event *b)
{
    static const size_t texts[] = {
        offsetof(struct bk_event, event_id),      offsetof(struct bk_event, visitor),
        offsetof(struct bk_event, customer),      offsetof(struct bk_event, session),
        offsetof(struct bk_event, rec_token),     offsetof(struct bk_event, store),
        offsetof(struct bk_event, device),        offsetof(struct bk_event, channel),
        offsetof(struct bk_event, weather),       offsetof(struct bk_event, page),
        offsetof(struct bk_event, currency),      offsetof(struct bk_event, order_id),
        offsetof(struct bk_event, query),         offsetof(struct bk_event, list),
        offsetof(struct bk_event, review),        offsetof(struct bk_event, reason),
        offsetof(struct bk_event, name),          offsetof(struct bk_event, merged_subject),
        offsetof(struct bk_event, brand),         offsetof(struct bk_event, image),
        offsetof(struct bk_event, variant_group),
    };
    for (size_t i = 0; i < BK_COUNTOF(texts); i++) {
        bk_str_t left, right;
        memcpy(&left, (const char *)a + texts[i], sizeof left);
        memcpy(&right, (const char *)b + texts[i], sizeof right);
        assert_same_text(left, right);
    }
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->event_time_ms, b->event_time_ms);
    assert_int_equal(a->consent, b->consent);
    assert_int_equal(a->op, b->op);
    assert_int_equal(a->rating, b->rating);
    assert_int_equal(a->available, b->available);
    assert_int_equal(a->tombstone, b->tombstone);
    assert_int_equal(a->line_count, b->line_count);
    for (uint32_t i = 0; i < a->line_count; i++) assert_same_line(&a->lines[i], &b->lines[i]);
}

static inline struct bk_decoder *sample_decoder(void)
{
    struct bk_reason reason = {""};
    struct bk_decoder *decoder = bk_decoder_create(NULL, SAMPLE_BYTES_MAX, &reason);
    if (!decoder) fail_msg("%s", reason.text);
    return decoder;
}

#endif
