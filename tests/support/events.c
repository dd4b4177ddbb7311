/* events.c -- the pool of words, the builders, and random shoppers. */
#include "support/events.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- words
 * ------------------------------------------------------------------------------------ */

enum { POOL_SLOTS = 1 << 18 };
static char *pool[POOL_SLOTS];

const char *told_word(const char *p, size_t len)
{
    size_t slot = bk_hash(p, len) % POOL_SLOTS;
    while (pool[slot] && (strlen(pool[slot]) != len || memcmp(pool[slot], p, len) != 0))
        slot = (slot + 1) % POOL_SLOTS;
    if (!pool[slot]) {
        pool[slot] = calloc(1, len + 1);
        BK_ASSERT(pool[slot]);
        memcpy(pool[slot], p, len);
    }
    return pool[slot];
}

const char *told_name(const char *prefix, uint32_t n)
{
    char name[64];
    int len = snprintf(name, sizeof name, "%s%" PRIu32, prefix, n);
    return told_word(name, (size_t)len);
}

/* ---- builders
 * --------------------------------------------------------------------------------- */

static uint32_t events_told;

void told_forget(void)
{
    for (size_t slot = 0; slot < POOL_SLOTS; slot++) free(pool[slot]);
    memset(pool, 0, sizeof pool);
    events_told = 0;
}

struct told tell(enum bk_event_kind kind, const char *customer, int64_t time_ms)
{
    struct told told = {.place = {.offset = -1, .record_ms = time_ms}};
    bk_event_reset(&told.event);
    told.event.kind = kind;
    told.event.event_id = bk_str_c(told_name("event-", events_told++));
    told.event.event_time_ms = time_ms;
    told.event.visitor = BK_STR("web");
    if (customer) told.event.customer = bk_str_c(customer);
    told.event.consent = BK_CONSENT_PERSONAL;
    return told;
}

static void add_line(struct told *told, const char *item, int64_t quantity)
{
    struct bk_event *event = &told->event;
    event->lines = realloc(event->lines, (event->line_count + 1) * sizeof *event->lines);
    BK_ASSERT(event->lines);
    struct bk_line *line = &event->lines[event->line_count++];
    bk_line_reset(line);
    line->item = bk_str_c(item);
    line->quantity = quantity;
}

struct told tell_lines(struct told told, const char *items)
{
    while (*items) {
        size_t len = strcspn(items, " "), name = strcspn(items, " *");
        int64_t quantity = name < len ? strtoll(items + name + 1, NULL, 10) : 1;
        if (name) add_line(&told, told_word(items, name), quantity);
        items += len + (items[len] == ' ');
    }
    return told;
}

struct told tell_view(const char *customer, const char *item, int64_t time_ms)
{
    return tell_lines(tell(BK_EVENT_ITEM_VIEWED, customer, time_ms), item);
}

struct told tell_cart(const char *customer, enum bk_cart_op op, const char *items, int64_t time_ms)
{
    struct told told = tell_lines(tell(BK_EVENT_CART_CHANGED, customer, time_ms), items);
    told.event.op = op;
    return told;
}

struct told tell_purchase(const char *customer, const char *order, const char *items,
                          int64_t time_ms)
{
    struct told told = tell_lines(tell(BK_EVENT_PURCHASED, customer, time_ms), items);
    told.event.order_id = bk_str_c(order);
    return told;
}

void told_free(struct told *told)
{
    free(told->event.lines);
    told->event.lines = NULL;
}

struct bk_applied told_apply(struct bk_engine *engine, const struct told *told)
{
    struct bk_shard *shard = bk_engine_shard(engine, told->partition);
    BK_ASSERT(shard);
    return bk_apply(engine, shard, &told->place, &told->event);
}

struct bk_applied told_now(struct bk_engine *engine, struct told told)
{
    struct bk_shard *shard = bk_engine_shard(engine, told.partition);
    BK_ASSERT(shard);
    if (told.place.offset < 0) told.place.offset = bk_shard_totals(shard)->next_offset;
    struct bk_applied applied = told_apply(engine, &told);
    told_free(&told);
    return applied;
}

struct bk_state_params told_params(void)
{
    struct bk_state_params params;
    bk_state_params_default(&params);
    params.bytes_max = 256u << 20;
    params.shards_max = 4;
    params.items_max = 20000;
    params.dedup_events = 1024;
    return params;
}

void told_engine(struct bk_engine *engine, const struct bk_state_params *params)
{
    int err = bk_engine_init(engine, params);
    BK_ASSERT(err == BK_OK);
}

uint32_t told_subject(const struct bk_engine *engine, int32_t partition, const char *customer)
{
    char id[BK_SUBJECT_BYTES_MAX + 1];
    int len = snprintf(id, sizeof id, "c:%s", customer);
    const struct bk_shard *shard = engine->shards[partition];
    return shard ? bk_subject_find(shard, bk_str(id, (size_t)len)) : 0;
}

uint32_t told_item(const struct bk_engine *engine, const char *item)
{
    return bk_item_find(&engine->shared, bk_str_c(item));
}

/* ---- chance
 * ----------------------------------------------------------------------------------- */

struct chance chance_seed(const char *what, uint64_t otherwise)
{
    const char *given = getenv("BK_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 0) : otherwise;
    fprintf(stderr, "%s: BK_SEED=%" PRIu64 "\n", what, seed);
    return (struct chance){bk_mix(seed)};
}

uint64_t chance_next(struct chance *chance)
{
    chance->state += 0x9e3779b97f4a7c15u;
    return bk_mix(chance->state);
}

uint32_t chance_below(struct chance *chance, uint32_t n)
{
    return (uint32_t)(chance_next(chance) % n);
}

bool chance_one_in(struct chance *chance, uint32_t n)
{
    return n && chance_below(chance, n) == 0;
}

/* ---- random shoppers
 * -------------------------------------------------------------------------- */

struct told_shape told_shape(void)
{
    return (struct told_shape){
        .customers = 24,
        .items = 60,
        .partitions = 1,
        .lines_max = 12,
        .step_ms_max = 4 * TOLD_MINUTE,
        .leap_one_in = 40,
        .late_one_in = 25,
        .ahead_one_in = 200,
        .repeat_one_in = 30,
        .withdraw_one_in = 150,
        .mixed_consent = true,
    };
}

/* Small numbers come more often, as in a shop. */
static uint32_t skewed(struct chance *chance, uint32_t n)
{
    uint32_t a = chance_below(chance, n), b = chance_below(chance, n);
    return a < b ? a : b;
}

static void add_random_lines(struct chance *chance, const struct told_shape *shape,
                             struct told *told)
{
    uint32_t lines = 1 + skewed(chance, shape->lines_max);
    for (uint32_t i = 0; i < lines; i++)
        add_line(told, told_name("i", skewed(chance, shape->items)),
                 (int64_t)chance_below(chance, 5));
}

static struct told random_kind(struct chance *chance, const struct told_shape *shape,
                               const char *customer, int64_t now)
{
    struct told told;
    const char *item = told_name("i", skewed(chance, shape->items));
    uint32_t dice = chance_below(chance, 100);
    if (shape->withdraw_one_in && chance_one_in(chance, shape->withdraw_one_in)) {
        told = tell(dice < 50 ? BK_EVENT_CUSTOMER_ERASED : BK_EVENT_CONSENT_CHANGED, customer, now);
        told.event.consent = dice < 75 ? BK_CONSENT_NONE : BK_CONSENT_SESSION;
    } else if (dice < 45) {
        told = tell_view(customer, item, now);
    } else if (dice < 65) {
        told = tell(BK_EVENT_CART_CHANGED, customer, now);
        uint32_t op = chance_below(chance, 10);
        told.event.op = op < 6   ? BK_CART_ADD
                        : op < 8 ? BK_CART_REMOVE
                        : op < 9 ? BK_CART_SET
                                 : BK_CART_CLEAR;
        add_random_lines(chance, shape, &told);
    } else if (dice < 80) {
        told = tell(BK_EVENT_PURCHASED, customer, now);
        told.event.order_id = bk_str_c(told_name("o", (uint32_t)(chance_next(chance) >> 40)));
        add_random_lines(chance, shape, &told);
    } else if (dice < 84) {
        told = tell(BK_EVENT_REFUNDED, customer, now);
        add_random_lines(chance, shape, &told);
    } else if (dice < 88) {
        told = tell_lines(tell(BK_EVENT_ITEM_DISMISSED, customer, now), item);
    } else if (dice < 92) {
        told = tell_lines(tell(BK_EVENT_WISHLIST_CHANGED, customer, now), item);
        told.event.op = chance_below(chance, 3) ? BK_WISH_ADD : BK_WISH_REMOVE;
    } else if (dice < 96) {
        told = tell_lines(tell(BK_EVENT_ITEM_RATED, customer, now), item);
        told.event.rating = 1 + chance_below(chance, 5);
    } else if (dice < 97) {
        told = tell(BK_EVENT_SUBJECT_MERGED, customer, now);
        add_random_lines(chance, shape, &told);
        for (uint32_t i = 0; i < told.event.line_count; i++)
            told.event.lines[i].role = i % 2 ? BK_LINE_CART : BK_LINE_VIEWED;
    } else {
        told = tell(dice < 98 ? BK_EVENT_SEARCHED : BK_EVENT_LIST_SHOWN, customer, now);
    }
    return told;
}

static void blur(struct chance *chance, const struct told_shape *shape, struct told *told,
                 uint32_t who)
{
    struct bk_event *event = &told->event;
    if (chance_one_in(chance, shape->late_one_in))
        event->event_time_ms -=
            chance_below(chance, 40) * (int64_t)TOLD_DAY + chance_below(chance, TOLD_HOUR);
    else if (chance_one_in(chance, shape->ahead_one_in))
        event->event_time_ms += (int64_t)chance_below(chance, 75 * 365) * TOLD_DAY;
    uint32_t dice = chance_below(chance, 10);
    if (dice < 4 && !shape->no_session_ids)
        event->session = bk_str_c(told_name("s", who * 8 + dice % 2));
    if (!shape->mixed_consent || event->kind == BK_EVENT_CONSENT_CHANGED) return;
    dice = chance_below(chance, 20);
    event->consent = dice < 3   ? BK_CONSENT_UNKNOWN
                     : dice < 4 ? BK_CONSENT_NONE
                     : dice < 8 ? BK_CONSENT_SESSION
                                : BK_CONSENT_PERSONAL;
}

/* An event of before once more: as it was, under a new id, or at its old offset. */
static void repeat(struct chance *chance, struct told *stream, uint32_t at, struct told *told)
{
    const struct told *old = &stream[at - 1 - chance_below(chance, at < 300 ? at : 300)];
    size_t bytes = old->event.line_count * sizeof *old->event.lines;
    told_free(told);
    int64_t offset = told->place.offset, record_ms = told->place.record_ms;
    bk_str_t id = told->event.event_id;
    *told = *old;
    told->event.lines = bytes ? malloc(bytes) : NULL;
    if (bytes) memcpy(told->event.lines, old->event.lines, bytes);
    uint32_t how = chance_below(chance, 3);
    if (how == 0) return;
    told->place.offset = offset;
    told->place.record_ms = record_ms;
    if (how == 1) told->event.event_id = id;
}

struct told *told_stream(struct chance *chance, const struct told_shape *shape, uint32_t count)
{
    struct told *stream = calloc(count, sizeof *stream);
    int64_t next_offset[64] = {0}, now = TOLD_START;
    BK_ASSERT(stream && shape->partitions <= 64);
    for (uint32_t i = 0; i < count; i++) {
        now += chance_below(chance, shape->step_ms_max);
        if (chance_one_in(chance, shape->leap_one_in)) now += chance_below(chance, 30 * TOLD_HOUR);
        uint32_t who = skewed(chance, shape->customers);
        stream[i] = random_kind(chance, shape, told_name("c", who), now);
        if (who % 4) stream[i].event.store = bk_str_c(told_name("shop-", who % 3));
        blur(chance, shape, &stream[i], who);
        stream[i].partition = (int32_t)(who % shape->partitions);
        stream[i].place.offset = next_offset[stream[i].partition];
        if (i > 0 && chance_one_in(chance, shape->repeat_one_in)) {
            struct told *told = &stream[i];
            int32_t partition = told->partition;
            repeat(chance, stream, i, told);
            if (told->partition != partition) told->place.offset = next_offset[told->partition];
        }
        int64_t *next = &next_offset[stream[i].partition];
        if (stream[i].place.offset >= *next)
            *next = stream[i].place.offset + 1 + chance_below(chance, 2);
    }
    return stream;
}

void told_stream_free(struct told *stream, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) told_free(&stream[i]);
    free(stream);
}
