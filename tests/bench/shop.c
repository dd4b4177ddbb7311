/* shop.c -- the stream of shop.h: live sessions in an array, one of them acts at a time.
 *
 * Chance is splitmix64 over a counter. Zipf by a table of cumulated weights and a binary search:
 * exact, and the same everywhere because the weights are integers.
 */
#include "shop.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    AISLE_ITEMS = 100,
    SUBJECTS_PER_SESSION = 12, /* subjects for each live session              */
    STEP_S = 20,               /* between two events of a session, on average */
    SEEN_MAX = 8,
    CART_MAX = 24,
    LINES_MAX = 24,
    ID_BYTES = 40,
};

struct session {
    uint32_t subject;
    uint32_t number;
    uint32_t aisle;
    uint32_t seen[SEEN_MAX]; /* a ring of the last ones */
    uint32_t seen_count;
    uint32_t cart[CART_MAX];
    uint32_t cart_count;
};

struct shop {
    struct shop_shape shape;
    uint64_t chance;
    uint64_t events, sessions_begun;
    struct session *session;
    uint32_t sessions;
    uint64_t *zipf_shop, *zipf_aisle; /* cumulated weights */
    struct bk_event event;
    struct bk_line lines[LINES_MAX];
    char line_id[LINES_MAX][ID_BYTES], line_category[LINES_MAX][ID_BYTES];
    char event_id[ID_BYTES], visitor[ID_BYTES], customer[ID_BYTES], session_id[ID_BYTES];
    char order_id[ID_BYTES], query[ID_BYTES];
    char key[BK_SUBJECT_BYTES_MAX];
};

struct shop_shape shop_shape_default(void)
{
    return (struct shop_shape){
        .seed = 1, .subjects = 20000, .items = 10000, .start_ms = 1700000000000};
}

/* ---- chance ---------------------------------------------------------------------------------- */

static uint64_t chance(struct shop *shop)
{
    return bk_mix(shop->chance++);
}

static uint32_t below(struct shop *shop, uint32_t n)
{
    return (uint32_t)((chance(shop) >> 32) * n >> 32);
}

static uint64_t *zipf_table(uint32_t n)
{
    uint64_t *table = malloc(n * sizeof *table), sum = 0;
    for (uint32_t i = 0; table && i < n; i++) table[i] = sum += 1000000000u / (i + 1);
    return table;
}

static uint32_t zipf(struct shop *shop, const uint64_t *table, uint32_t n)
{
    uint64_t mark = chance(shop) % table[n - 1];
    uint32_t low = 0, high = n - 1;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (table[middle] > mark)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* ---- making ---------------------------------------------------------------------------------- */

static void session_begin(struct shop *shop, struct session *sess)
{
    double often = (double)below(shop, 1 << 20) / (1 << 20);
    *sess = (struct session){
        .subject =
            (uint32_t)(often * often * shop->shape.subjects), /* the first quarter: half of all */
        .number = (uint32_t)++shop->sessions_begun,
        .aisle = below(shop, shop->shape.items / AISLE_ITEMS),
    };
}

struct shop *shop_create(const struct shop_shape *shape)
{
    struct shop *shop = calloc(1, sizeof *shop);
    if (!shop) return NULL;
    shop->shape = *shape;
    shop->chance = bk_mix(shape->seed) << 20;
    shop->sessions = shape->subjects / SUBJECTS_PER_SESSION + 1;
    shop->session = calloc(shop->sessions, sizeof *shop->session);
    shop->zipf_shop = zipf_table(shape->items);
    shop->zipf_aisle = zipf_table(AISLE_ITEMS);
    if (!shop->session || !shop->zipf_shop || !shop->zipf_aisle) shop_destroy(&shop);
    for (uint32_t i = 0; shop && i < shop->sessions; i++) session_begin(shop, &shop->session[i]);
    return shop;
}

void shop_destroy(struct shop **shop)
{
    if (!*shop) return;
    free((*shop)->session);
    free((*shop)->zipf_shop);
    free((*shop)->zipf_aisle);
    free(*shop);
    *shop = NULL;
}

/* ---- what is in an event
 * ---------------------------------------------------------------------- */

static bk_str_t text(char *out, const char *format, uint32_t n)
{
    int len = snprintf(out, ID_BYTES, format, n);
    return bk_str(out, (size_t)len);
}

static uint32_t pick_item(struct shop *shop, const struct session *sess)
{
    if (below(shop, 100) < 40) return zipf(shop, shop->zipf_shop, shop->shape.items);
    return sess->aisle * AISLE_ITEMS + zipf(shop, shop->zipf_aisle, AISLE_ITEMS);
}

static void see(struct session *sess, uint32_t item)
{
    sess->seen[sess->seen_count++ % SEEN_MAX] = item;
}

static uint32_t seen_item(struct shop *shop, const struct session *sess)
{
    if (!sess->seen_count) return pick_item(shop, sess);
    uint32_t kept = sess->seen_count < SEEN_MAX ? sess->seen_count : SEEN_MAX;
    return sess->seen[below(shop, kept)];
}

static void put_line(struct shop *shop, uint32_t item)
{
    uint32_t at = shop->event.line_count++;
    struct bk_line *line = &shop->lines[at];
    bk_line_reset(line);
    line->item = text(shop->line_id[at], "sku-%07u", item);
    line->category = text(shop->line_category[at], "Food > Aisle %u", item / AISLE_ITEMS);
    line->unit_price_minor = 49 + item % 1500;
    line->quantity = 1 + (item & 1);
}

static void put_envelope(struct shop *shop, const struct session *sess, enum bk_event_kind kind)
{
    struct bk_event *ev = &shop->event;
    ev->lines = shop->lines;
    bk_event_reset(ev);
    ev->kind = kind;
    uint64_t a = bk_mix(shop->shape.seed ^ shop->events << 1), b = bk_mix(a);
    int len = snprintf(shop->event_id, ID_BYTES, "%08x-%04x-7%03x-8%03x-%012llx", (uint32_t)a,
                       (uint32_t)(a >> 32) & 0xffff, (uint32_t)(a >> 48) & 0xfff,
                       (uint32_t)b & 0xfff, (unsigned long long)b >> 16);
    ev->event_id = bk_str(shop->event_id, (size_t)len);
    /* All sessions together: one event every STEP_S / sessions. */
    ev->event_time_ms =
        shop->shape.start_ms + (int64_t)(shop->events * STEP_S * 1000 / shop->sessions);
    ev->visitor = text(shop->visitor, "web-%06u", sess->subject);
    if (sess->subject % 10 < 7) ev->customer = text(shop->customer, "cust-%06u", sess->subject);
    ev->session = text(shop->session_id, "s%08u", sess->number);
    ev->consent = BK_CONSENT_PERSONAL;
    ev->device = BK_STR("phone");
    ev->channel = BK_STR("web");
    ev->currency = BK_STR("EUR");
}

static void tell_view(struct shop *shop, struct session *sess)
{
    uint32_t item = pick_item(shop, sess);
    put_envelope(shop, sess, BK_EVENT_ITEM_VIEWED);
    put_line(shop, item);
    see(sess, item);
}

static void tell_search(struct shop *shop, struct session *sess)
{
    put_envelope(shop, sess, BK_EVENT_SEARCHED);
    shop->event.query = text(shop->query, "something of aisle %u", sess->aisle);
}

static void tell_cart(struct shop *shop, struct session *sess, enum bk_cart_op op)
{
    put_envelope(shop, sess, BK_EVENT_CART_CHANGED);
    shop->event.op = op;
    uint32_t item = op == BK_CART_ADD ? seen_item(shop, sess) : sess->cart[--sess->cart_count];
    if (op == BK_CART_ADD) sess->cart[sess->cart_count++] = item;
    put_line(shop, item);
}

/* The cart, and the usual things that nobody looks at first. */
static void tell_purchase(struct shop *shop, struct session *sess)
{
    put_envelope(shop, sess, BK_EVENT_PURCHASED);
    shop->event.order_id = text(shop->order_id, "order-%08u", sess->number);
    for (uint32_t i = 0; i < sess->cart_count && i < LINES_MAX; i++) put_line(shop, sess->cart[i]);
    uint32_t usual = 1 + below(shop, 12);
    for (uint32_t i = 0; i < usual && shop->event.line_count < LINES_MAX; i++)
        put_line(shop, (sess->subject * 31 + zipf(shop, shop->zipf_aisle, AISLE_ITEMS) * 97) %
                           shop->shape.items);
}

const struct bk_event *shop_next(struct shop *shop, bk_str_t *key)
{
    struct session *sess = &shop->session[below(shop, shop->sessions)];
    uint32_t dice = below(shop, 1000);
    shop->events++;
    if (dice < 50)
        tell_purchase(shop, sess);
    else if (dice < 160)
        tell_search(shop, sess);
    else if (dice < 280 && sess->cart_count < CART_MAX)
        tell_cart(shop, sess, BK_CART_ADD);
    else if (dice < 300 && sess->cart_count)
        tell_cart(shop, sess, BK_CART_REMOVE);
    else
        tell_view(shop, sess);
    *key = bk_str(shop->key, bk_event_subject(&shop->event, shop->key));
    if (dice < 50 || dice >= 975) session_begin(shop, sess);
    return &shop->event;
}
