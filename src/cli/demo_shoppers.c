/* demo_shoppers.c -- see demo_shoppers.h. */
#include "demo_shoppers.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    PAST_DAYS = 10,
    DAY_MS = 86400000,
    OPENS_MS = 9 * 3600000, /* the live part begins at nine in the morning of the shop */
    AT_ONCE = 2000,         /* records put in one call */
    UNDER_WAY_MAX = 20000,  /* records that may wait to be read before no more are put */
    CLICK_MS = 1000,        /* between two events of the followed shopper */
    HURRY = 200,            /* so many wait: it goes faster */
    REST_MS = 1500,         /* then it comes to the shop again */
    SKIP_S = 1,             /* a pause of the crowd longer than this is skipped */
};

/* An event of the followed shopper, finished but for its moment. */
struct demo_waiting {
    struct demo_waiting *next;
    char key[BK_SUBJECT_BYTES_MAX + 1];
    char what[16], text[BK_DEMO_NAME_BYTES];
    bool names_subject; /* its key is the shopper's id from here on */
    uint32_t cart_count;
    size_t len;
    uint8_t bytes[];
};

/* ---- words for what happened ---- */

static const char *what_of(const struct bk_event *event)
{
    static const char *const words[BK_EVENT_KIND_COUNT] = {
        [BK_EVENT_ITEM_VIEWED] = "views",        [BK_EVENT_SEARCHED] = "searches",
        [BK_EVENT_PURCHASED] = "buys",           [BK_EVENT_REFUNDED] = "returns",
        [BK_EVENT_LIST_SHOWN] = "is shown",      [BK_EVENT_ITEM_CLICKED] = "clicks",
        [BK_EVENT_ITEM_DISMISSED] = "dismisses", [BK_EVENT_ITEM_RATED] = "rates",
        [BK_EVENT_IDENTIFIED] = "logs in",
    };
    if (event->kind == BK_EVENT_CART_CHANGED)
        return event->op == BK_CART_ADD ? "into cart" : "out of cart";
    if (event->kind == BK_EVENT_WISHLIST_CHANGED)
        return event->op == BK_WISH_ADD ? "wishes for" : "wishes no more";
    const char *word = words[event->kind];
    return word ? word : "does";
}

bk_str_t bk__demo_shoppers_name(void *arg, bk_str_t id)
{
    const struct demo_shoppers *shoppers = arg;
    uint32_t product = bk_shop_product_find(shoppers->shop, id);
    return product == UINT32_MAX ? BK_STR("") : bk_shop_product(shoppers->shop, product).name;
}

/* "Arborio rice 500 g, Casa Lucia" -> "Arborio rice": without brand and size. */
bk_str_t bk__demo_shoppers_brief(void *arg, bk_str_t id)
{
    bk_str_t name = bk__demo_shoppers_name(arg, id);
    for (uint32_t i = 1; i + 1 < name.len; i++) {
        bool brand = name.p[i] == ',',
             size = name.p[i] == ' ' && isdigit((unsigned char)name.p[i + 1]);
        if (brand || size) return bk_str(name.p, i);
    }
    return name;
}

static void text_of(struct demo_shoppers *shoppers, const struct bk_event *event, char *out,
                    size_t cap)
{
    out[0] = '\0';
    if (event->kind == BK_EVENT_SEARCHED) {
        snprintf(out, cap, "\"%.*s\"", (int)event->query.len, event->query.p);
    } else if (event->line_count) {
        bk_str_t name = bk__demo_shoppers_name(shoppers, event->lines[0].item);
        if (event->line_count == 1)
            snprintf(out, cap, "%.*s", (int)name.len, name.p);
        else
            snprintf(out, cap, "%u: %.*s, ...", (unsigned)event->line_count, (int)name.len, name.p);
    }
}

/* ---- putting ---- */

/* The record's bytes under the real time. */
static size_t encode_now(struct demo_shoppers *shoppers, const struct bk_shop_record *record)
{
    struct bk_shop_record copy = *record;
    struct bk_event event;
    if (record->event) {
        event = *record->event;
        event.event_time_ms = shoppers->wall_ms;
        copy.event = &event;
    }
    return bk__produce_encode(&copy, shoppers->bytes, sizeof shoppers->bytes);
}

static int put(struct demo_shoppers *shoppers, enum bk_topic topic, bk_str_t key,
               const uint8_t *bytes, size_t len)
{
    return bk__demo_stage_put(shoppers->stage, topic, key, bk_str((const char *)bytes, len));
}

static struct demo_waiting *make_waiting(struct demo_shoppers *shoppers,
                                         const struct bk_shop_record *record)
{
    size_t len = encode_now(shoppers, record);
    struct demo_waiting *waiting = calloc(1, sizeof *waiting + len);
    if (!waiting) return NULL;
    bk_demo_copy(waiting->key, sizeof waiting->key, record->key);
    bk_demo_copy(waiting->what, sizeof waiting->what, bk_str_c(what_of(record->event)));
    text_of(shoppers, record->event, waiting->text, sizeof waiting->text);
    waiting->names_subject = record->event->kind != BK_EVENT_IDENTIFIED;
    waiting->cart_count = bk_shop_shopper(shoppers->shop, shoppers->followed).cart_count;
    waiting->len = len;
    memcpy(waiting->bytes, shoppers->bytes, len);
    return waiting;
}

static void release(struct demo_shoppers *shoppers, struct demo_waiting *waiting, bool by_you)
{
    struct bk_demo_model *model = shoppers->model;
    bk_str_t key = bk_str_c(waiting->key);
    if (waiting->names_subject && strcmp(model->subject, waiting->key) != 0) {
        bk_demo_model_rename(model, key);
        shoppers->subject(shoppers->arg);
    }
    model->cart_count = waiting->cart_count;
    bk_demo_model_click(model, shoppers->wall_ms, waiting->what, bk_str_c(waiting->text), by_you);
    shoppers->click(shoppers->arg);
    if (put(shoppers, BK_TOPIC_EVENTS, key, waiting->bytes, waiting->len) != BK_OK)
        snprintf(model->note, sizeof model->note, "an event was lost: the broker is full");
    free(waiting);
}

static bool release_first(struct demo_shoppers *shoppers)
{
    struct demo_waiting *waiting = shoppers->first;
    if (!waiting) return false;
    shoppers->first = waiting->next;
    if (!shoppers->first) shoppers->last = NULL;
    shoppers->waiting--;
    release(shoppers, waiting, false);
    return true;
}

static void wait_in_line(struct demo_shoppers *shoppers, const struct bk_shop_record *record)
{
    struct demo_waiting *waiting = make_waiting(shoppers, record);
    if (!waiting) return;
    if (shoppers->last)
        shoppers->last->next = waiting;
    else
        shoppers->first = waiting;
    shoppers->last = waiting;
    shoppers->waiting++;
}

static bool is_followed(const struct demo_shoppers *shoppers, const struct bk_shop_record *record)
{
    return record->topic == BK_TOPIC_EVENTS && record->shopper == shoppers->followed;
}

static void put_live(struct demo_shoppers *shoppers, const struct bk_shop_record *record)
{
    shoppers->last_ms = record->time_ms;
    if (is_followed(shoppers, record)) {
        wait_in_line(shoppers, record);
        return;
    }
    size_t len = encode_now(shoppers, record);
    if (put(shoppers, record->topic, record->key, shoppers->bytes, len) != BK_OK)
        snprintf(shoppers->model->note, sizeof shoppers->model->note, "the broker is full");
}

/* ---- the shop and its past ---- */

int bk__demo_shoppers_open(struct demo_shoppers *shoppers, uint64_t seed, uint32_t households,
                           struct bk_reason *reason)
{
    struct bk_shop_params params;
    bk_wall_ms_t now = bk__demo_wall_ms();
    bk_shop_params_default(&params);
    shoppers->live_ms = now - now % DAY_MS + OPENS_MS;
    if (shoppers->live_ms > now) shoppers->live_ms -= DAY_MS;
    params.seed = seed;
    params.households = households;
    params.start_ms = shoppers->live_ms - (bk_wall_ms_t)PAST_DAYS * DAY_MS;
    shoppers->shop = bk_shop_create(&params, reason);
    if (!shoppers->shop) return BK_EINVAL;
    shoppers->busy = calloc(households, sizeof *shoppers->busy);
    if (!shoppers->busy) return bk_reason_set(reason, BK_ENOMEM, "no memory");
    shoppers->followed = UINT32_MAX;
    return BK_OK;
}

void bk__demo_shoppers_destroy(struct demo_shoppers *shoppers)
{
    while (shoppers->first) {
        struct demo_waiting *waiting = shoppers->first;
        shoppers->first = waiting->next;
        free(waiting);
    }
    free(shoppers->busy);
    if (shoppers->shop) bk_shop_destroy(&shoppers->shop);
}

bool bk__demo_shoppers_facts(struct demo_shoppers *shoppers)
{
    struct bk_shop_record record;
    uint32_t count = bk_shop_fact_count(shoppers->shop);
    size_t waiting = bk__demo_stage_waiting(shoppers->stage);
    for (int n = 0; n < AT_ONCE && waiting < UNDER_WAY_MAX && shoppers->facts_done < count; n++) {
        bk_shop_fact(shoppers->shop, shoppers->facts_done, &record);
        size_t len = bk__produce_encode(&record, shoppers->bytes, sizeof shoppers->bytes);
        if (put(shoppers, record.topic, record.key, shoppers->bytes, len) != BK_OK) break;
        shoppers->facts_done++;
    }
    snprintf(shoppers->model->doing, sizeof shoppers->model->doing,
             "filling the shelves: %u of %u facts about products, stock and customers",
             (unsigned)shoppers->facts_done, (unsigned)count);
    return shoppers->facts_done == count && waiting == 0;
}

bool bk__demo_shoppers_past(struct demo_shoppers *shoppers)
{
    struct bk_shop_record record;
    size_t waiting = bk__demo_stage_waiting(shoppers->stage);
    bool over = bk_shop_next_ms(shoppers->shop) >= shoppers->live_ms;
    for (int n = 0; n < AT_ONCE && waiting < UNDER_WAY_MAX && !over; n++) {
        if (!bk_shop_next(shoppers->shop, &record)) break;
        size_t len = bk__produce_encode(&record, shoppers->bytes, sizeof shoppers->bytes);
        if (put(shoppers, record.topic, record.key, shoppers->bytes, len) != BK_OK)
            snprintf(shoppers->model->note, sizeof shoppers->model->note, "the broker is full");
        if (record.topic == BK_TOPIC_EVENTS) shoppers->busy[record.shopper]++, shoppers->past++;
        over = bk_shop_next_ms(shoppers->shop) >= shoppers->live_ms;
    }
    snprintf(shoppers->model->doing, sizeof shoppers->model->doing,
             "%d days of a past: %llu events of %u households", PAST_DAYS,
             (unsigned long long)shoppers->past, (unsigned)bk_shop_shopper_count(shoppers->shop));
    return over && waiting == 0;
}

/* ---- following ---- */

static void follow(struct demo_shoppers *shoppers, uint32_t i)
{
    while (release_first(shoppers)) {
    }
    struct bk_shop_shopper who = bk_shop_shopper(shoppers->shop, i);
    char subject[BK_SUBJECT_BYTES_MAX + 1];
    bool visitor = !who.customer.p || (who.visiting && !who.identified);
    bk_str_t id = visitor ? who.visitor : who.customer;
    snprintf(subject, sizeof subject, "%c:%.*s", visitor ? 'v' : 'c', (int)id.len, id.p);
    shoppers->followed = i;
    shoppers->model->cart_count = who.cart_count;
    bk_demo_model_follow(shoppers->model, who.name, who.kind, bk_str_c(subject));
    shoppers->rests_since_ms = shoppers->wall_ms;
    shoppers->subject(shoppers->arg);
}

void bk__demo_shoppers_step(struct demo_shoppers *shoppers, int by)
{
    uint32_t count = bk_shop_shopper_count(shoppers->shop), i = shoppers->followed;
    for (uint32_t tries = 0; tries < count; tries++) {
        i = (i + (by > 0 ? 1 : count - 1)) % count;
        if (bk_shop_shopper(shoppers->shop, i).customer.p && shoppers->busy[i]) break;
    }
    follow(shoppers, i);
}

void bk__demo_shoppers_go_live(struct demo_shoppers *shoppers)
{
    uint32_t best = 0, most = 0;
    for (uint32_t i = 0; i < bk_shop_shopper_count(shoppers->shop); i++) {
        if (shoppers->busy[i] <= most || !bk_shop_shopper(shoppers->shop, i).customer.p) continue;
        best = i;
        most = shoppers->busy[i];
    }
    shoppers->clock_ms = (double)shoppers->live_ms;
    shoppers->last_ms = shoppers->live_ms;
    shoppers->wall_ms = bk__demo_wall_ms();
    follow(shoppers, best);
}

/* ---- time ---- */

static bk_wall_ms_t shop_now(const struct demo_shoppers *shoppers)
{
    return bk_max_i64((int64_t)shoppers->clock_ms, shoppers->last_ms);
}

static void run_the_clock(struct demo_shoppers *shoppers, bk_wall_ms_t passed_ms)
{
    struct bk_shop_record record;
    double speed = shoppers->model->speed;
    shoppers->clock_ms += (double)passed_ms * speed;
    double next = (double)bk_shop_next_ms(shoppers->shop);
    if (next < 9e18 && next > shoppers->clock_ms + SKIP_S * 1000 * speed) shoppers->clock_ms = next;
    for (int n = 0; n < AT_ONCE; n++) {
        if ((double)bk_shop_next_ms(shoppers->shop) > shoppers->clock_ms) return;
        if (!bk_shop_next(shoppers->shop, &record)) return;
        put_live(shoppers, &record);
    }
    shoppers->clock_ms = (double)shoppers->last_ms; /* as fast as it goes */
}

static void let_the_followed_click(struct demo_shoppers *shoppers)
{
    bk_wall_ms_t now = shoppers->wall_ms;
    struct bk_shop_shopper who = bk_shop_shopper(shoppers->shop, shoppers->followed);
    if (shoppers->first || who.visiting || who.taken) {
        shoppers->rests_since_ms = now;
    } else if (now - shoppers->rests_since_ms > REST_MS) {
        if (bk_shop_visit(shoppers->shop, shoppers->followed, shop_now(shoppers) + 1) == BK_OK)
            shoppers->rests_since_ms = now;
    }
    if (now < shoppers->next_click_ms || !release_first(shoppers)) return;
    uint32_t hurry = 1 + shoppers->waiting / HURRY;
    shoppers->next_click_ms = now + CLICK_MS / hurry;
}

void bk__demo_shoppers_tick(struct demo_shoppers *shoppers)
{
    bk_wall_ms_t before = shoppers->wall_ms;
    shoppers->wall_ms = bk__demo_wall_ms();
    size_t waiting = bk__demo_stage_waiting(shoppers->stage);
    bool room =
        waiting < UNDER_WAY_MAX && shoppers->stage->put < shoppers->stage->read + UNDER_WAY_MAX;
    if (shoppers->model->paused || !room) return;
    run_the_clock(shoppers, bk_max_i64(shoppers->wall_ms - before, 0));
    let_the_followed_click(shoppers);
}

/* ---- acting ---- */

void bk__demo_shoppers_take(struct demo_shoppers *shoppers, bool taken)
{
    while (release_first(shoppers)) {
    }
    bk_shop_take(shoppers->shop, shoppers->followed, taken);
}

static int act_once(struct demo_shoppers *shoppers, const struct bk_shop_doing *doing)
{
    struct bk_shop_record record;
    bk_wall_ms_t now = shop_now(shoppers);
    int code = bk_shop_act(shoppers->shop, shoppers->followed, doing, now, &record);
    if (code != BK_OK) return code;
    shoppers->last_ms = now;
    shoppers->wall_ms = bk__demo_wall_ms();
    struct demo_waiting *waiting = make_waiting(shoppers, &record);
    if (!waiting) return BK_ENOMEM;
    release(shoppers, waiting, true);
    return BK_OK;
}

int bk__demo_shoppers_act(struct demo_shoppers *shoppers, enum bk_shop_act act, uint32_t product,
                          bk_str_t text)
{
    struct bk_shop_doing doing = {.act = act, .product = product, .text = text};
    struct bk_shop_doing log_in = {.act = BK_SHOP_DO_LOG_IN};
    int code = act_once(shoppers, &doing);
    struct bk_shop_shopper who = bk_shop_shopper(shoppers->shop, shoppers->followed);
    /* A visit may begin unknown; who plays wants the lists of the one that is followed. */
    if (code == BK_OK && who.customer.p && !who.identified && act_once(shoppers, &log_in) < 0)
        return BK_OK;
    return code;
}

/* Does the name have the query, in any case? At its start (2), within (1), not (0). */
static int has_letters(bk_str_t name, const char *query)
{
    size_t len = strlen(query);
    for (size_t at = 0; at + len <= name.len; at++) {
        size_t i = 0;
        while (i < len &&
               tolower((unsigned char)name.p[at + i]) == tolower((unsigned char)query[i]))
            i++;
        if (i == len) return at ? 1 : 2;
    }
    return 0;
}

void bk__demo_shoppers_search(struct demo_shoppers *shoppers)
{
    struct bk_demo_model *model = shoppers->model;
    uint32_t count = bk_shop_product_count(shoppers->shop);
    model->match_count = model->chosen = 0;
    for (int wanted = 2; wanted >= 1 && model->query[0]; wanted--)
        for (uint32_t i = 0; i < count && model->match_count < BK_DEMO_MATCHES_MAX; i++) {
            struct bk_shop_product product = bk_shop_product(shoppers->shop, i);
            if (has_letters(product.name, model->query) != wanted) continue;
            struct bk_demo_match *match = &model->match[model->match_count++];
            match->product = i;
            match->price_minor = product.price_minor;
            bk_demo_copy(match->name, sizeof match->name, product.name);
        }
}
