/* shop.c -- the public face: facts, the queue of shoppers, and steering.
 *
 * QUEUE   a binary heap of shoppers by (next_ms, number); each knows its place, so that one can be taken
 *         out, put back, or called to come now.
 * NIGHT   at five in the morning what changed since yesterday is told before anything later: promotions
 *         on Mondays, then stock. Both are functions of the day (calendar.h), so the walk compares today
 *         with yesterday and remembers nothing but how far it is.
 * COST    a record: one sift of the queue, and its share of the visit's plan; see src/shop/README.md.
 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>

enum { NIGHT_MS = 5 * HOUR_MS, OF_POINTS = 501, OF_BUDGET };

static const bk_wall_ms_t MONDAY_2025_01_06_MS = INT64_C(1736121600000);

void bk_shop_params_default(struct bk_shop_params *params)
{
    *params =
        (struct bk_shop_params){.seed = 1, .households = 1000, .start_ms = MONDAY_2025_01_06_MS};
}

const char *bk_shop_currency(void)
{
    return "EUR";
}

/* ---- the queue ---- */

static bool is_sooner(const struct bk_shop *shop, uint32_t a, uint32_t b)
{
    bk_wall_ms_t at = shop->shopper[a].next_ms, bt = shop->shopper[b].next_ms;
    return at < bt || (at == bt && a < b);
}

static void put_at(struct bk_shop *shop, uint32_t place, uint32_t shopper)
{
    shop->queue[place] = shopper;
    shop->shopper[shopper].queue_at = place;
}

static void sift_up(struct bk_shop *shop, uint32_t place)
{
    uint32_t shopper = shop->queue[place];
    while (place && is_sooner(shop, shopper, shop->queue[(place - 1) / 2])) {
        put_at(shop, place, shop->queue[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    put_at(shop, place, shopper);
}

static void sift_down(struct bk_shop *shop, uint32_t place)
{
    uint32_t shopper = shop->queue[place], child;
    while ((child = 2 * place + 1) < shop->queue_count) {
        if (child + 1 < shop->queue_count &&
            is_sooner(shop, shop->queue[child + 1], shop->queue[child]))
            child++;
        if (!is_sooner(shop, shop->queue[child], shopper)) break;
        put_at(shop, place, shop->queue[child]);
        place = child;
    }
    put_at(shop, place, shopper);
}

void bk__shop_queue_add(struct bk_shop *shop, uint32_t shopper)
{
    shop->queue[shop->queue_count] = shopper;
    sift_up(shop, shop->queue_count++);
}

void bk__shop_queue_remove(struct bk_shop *shop, uint32_t shopper)
{
    uint32_t place = shop->shopper[shopper].queue_at, last = shop->queue[--shop->queue_count];
    shop->shopper[shopper].queue_at = NONE;
    if (last == shopper) return;
    put_at(shop, place, last);
    sift_up(shop, place);
    sift_down(shop, shop->shopper[last].queue_at);
}

/* ---- the day ---- */

void bk__shop_turn_day(struct bk_shop *shop, int32_t day)
{
    if (day == shop->day) return;
    shop->day = day;
    shop->seasons = bk__calendar_seasons(day);
    shop->weather = bk__calendar_weather(shop->params.seed, day);
    for (uint32_t i = 0; i < shop->catalogue.tables.good_count; i++)
        shop->demand[i] = (uint16_t)bk__calendar_demand(&shop->catalogue.tables.good[i],
                                                        shop->seasons, shop->weather.bits);
}

/* ---- birth and end ---- */

static bool is_valid(const struct bk_shop_params *params, struct bk_reason *reason)
{
    const char *wrong = NULL;
    if (!params->households || params->households > BK_SHOP_HOUSEHOLDS_MAX)
        wrong = "households: 1 to 1,000,000";
    if (params->start_ms < 7 * (bk_wall_ms_t)DAY_MS || params->start_ms > BK_TIME_MS_MAX / 2)
        wrong = "start: after 1970";
    if (wrong) bk_reason_set(reason, BK_EINVAL, "%s", wrong);
    return !wrong;
}

static int build(struct bk_shop *shop, struct bk_reason *reason)
{
    int code = bk__catalogue_init(&shop->catalogue, shop->params.seed, reason);
    if (code) return code;
    uint32_t count = shop->params.households;
    shop->shopper = calloc(count, sizeof *shop->shopper);
    shop->queue = calloc(count, sizeof *shop->queue);
    shop->account = calloc(count, sizeof *shop->account);
    shop->shopper_count = count;
    shop->day = -1;
    bk__shop_turn_day(shop, bk__calendar_day(shop->params.start_ms));
    if (!shop->shopper || !shop->queue || !shop->account || bk__households_init(shop))
        return bk_reason_set(reason, BK_ENOMEM, "out of memory for households");
    return BK_OK;
}

/* The first visit of each household: the first one from the start on. */
static void open_doors(struct bk_shop *shop)
{
    for (uint32_t i = 0; i < shop->shopper_count; i++) {
        struct shopper *its = &shop->shopper[i];
        bk_wall_ms_t at = shop->params.start_ms - DAY_MS;
        do at = bk__household_next_visit(shop, its, at);
        while (at < shop->params.start_ms);
        its->next_ms = at;
        bk__shop_queue_add(shop, i);
    }
    int32_t day = bk__calendar_day(shop->params.start_ms) + 1;
    shop->facts_ms = (bk_wall_ms_t)day * DAY_MS + NIGHT_MS;
}

struct bk_shop *bk_shop_create(const struct bk_shop_params *params, struct bk_reason *reason)
{
    if (!is_valid(params, reason)) return NULL;
    struct bk_shop *shop = calloc(1, sizeof *shop);
    if (!shop) {
        bk_reason_set(reason, BK_ENOMEM, "out of memory");
        return NULL;
    }
    shop->params = *params;
    if (build(shop, reason))
        bk_shop_destroy(&shop);
    else
        open_doors(shop);
    return shop;
}

void bk_shop_destroy(struct bk_shop **shop_at)
{
    struct bk_shop *shop = *shop_at;
    if (!shop) return;
    for (uint32_t i = 0; shop->shopper && i < shop->shopper_count; i++)
        bk__visit_free(shop, &shop->shopper[i]);
    while (shop->free_visits) {
        struct visit *next = shop->free_visits->next_free;
        free(shop->free_visits);
        shop->free_visits = next;
    }
    bk__catalogue_deinit(&shop->catalogue);
    free(shop->shopper);
    free(shop->habit);
    free(shop->queue);
    free(shop->account);
    free(shop);
    *shop_at = NULL;
}

uint64_t bk_shop_bytes(const struct bk_shop *shop)
{
    return sizeof *shop + PRODUCTS_MAX * sizeof(struct product) + shop->catalogue.text_cap +
           shop->shopper_count * (sizeof(struct shopper) + 2 * sizeof(uint32_t)) +
           shop->habit_cap * sizeof(struct habit) + shop->visits_allocated * sizeof(struct visit);
}

/* ---- records ---- */

static void set_record(struct bk_shop *shop, struct bk_shop_record *record, enum bk_topic topic,
                       bk_wall_ms_t time_ms, uint32_t key_len)
{
    *record = (struct bk_shop_record){
        .topic = topic, .time_ms = time_ms, .key = bk_str(shop->key, key_len), .shopper = NONE};
}

void bk__shop_event_record(struct bk_shop *shop, uint32_t shopper, struct bk_shop_record *record)
{
    uint32_t len = bk_event_subject(&shop->event, shop->key);
    set_record(shop, record, BK_TOPIC_EVENTS, shop->event.event_time_ms, len);
    record->event = &shop->event;
    record->shopper = shopper;
}

/* ---- facts ---- */

static struct bk_words words_of(bk_str_t *out, const bk_str_t *words, unsigned count, unsigned bits)
{
    struct bk_words list = {out, 0};
    for (unsigned i = 0; i < count; i++)
        if (bits >> i & 1) out[list.count++] = words[i];
    return list;
}

static struct bk_words dietary_of(bk_str_t *out, const struct good *good, enum tier tier)
{
    static const bk_str_t words[] = {BK_STR("vegan"), BK_STR("vegetarian"), BK_STR("gluten_free"),
                                     BK_STR("lactose_free"), BK_STR("organic")};
    unsigned bits = tier == TIER_ORGANIC ? 16 : 0;
    if (good->diet != DIET_NON_FOOD) {
        bits |= good->diet == DIET_VEGAN ? 3 : good->diet == DIET_VEGETARIAN ? 2 : 0;
        bits |= good->allergens & 1 ? 0 : 4;
        bits |= good->allergens & 2 ? 0 : 8;
    }
    return words_of(out, words, BK_COUNTOF(words), bits);
}

static void set_nutrition(struct bk_shop *shop, const struct good *good,
                          struct bk_product_fact *fact)
{
    static const bk_str_t names[4] = {BK_STR("energy_kj"), BK_STR("fat_g"),
                                      BK_STR("carbohydrate_g"), BK_STR("protein_g")};
    for (uint32_t i = 0; i < 4 && good->nutrition[0] >= 0; i++)
        shop->nutrient[fact->nutrition_count++] =
            (struct bk_nutrient){names[i], (double)good->nutrition[i]};
    fact->nutrition = shop->nutrient;
}

static void product_record(struct bk_shop *shop, uint32_t product, bk_wall_ms_t now_ms,
                           struct bk_shop_record *record)
{
    const struct catalogue *catalogue = &shop->catalogue;
    const struct product *what = &catalogue->product[product];
    const struct good *good = bk__catalogue_good(catalogue, product);
    struct bk_product_fact *fact = &shop->product;
    int32_t week = bk__calendar_week(bk__calendar_day(now_ms));
    bk_product_fact_reset(fact);
    fact->item = bk__catalogue_id(catalogue, product);
    fact->name = bk__catalogue_name(catalogue, product);
    fact->category = catalogue->path[what->good];
    fact->brand = bk__catalogue_brand(catalogue, product);
    fact->currency = bk_str_c(bk_shop_currency());
    fact->variant_group = bk__catalogue_group(catalogue, product);
    fact->unit_price_minor = what->price_minor;
    fact->dietary = dietary_of(shop->words[0], good, what->tier);
    fact->allergens = words_of(shop->words[1], bk__allergen_words, ALLERGENS, good->allergens);
    fact->allergens_known = true;
    set_nutrition(shop, good, fact);
    fact->seasons = words_of(shop->words[2], bk__season_words, SEASONS, good->seasons);
    fact->updated_ms = now_ms;
    uint32_t off = bk__calendar_discount(shop->params.seed, product, week);
    if (off) {
        int len = snprintf(shop->promotion, sizeof shop->promotion, "sim-week-%d: %u %% off",
                           (int)week, (unsigned)off);
        fact->promotion = bk_str(shop->promotion, (size_t)len);
    }
    memcpy(shop->key, fact->item.p, fact->item.len);
    set_record(shop, record, BK_TOPIC_PRODUCTS, now_ms, fact->item.len);
    record->product = fact;
}

static void stock_record(struct bk_shop *shop, uint32_t product, uint32_t store, uint32_t units,
                         bk_wall_ms_t now_ms, struct bk_shop_record *record)
{
    shop->event.lines = shop->line;
    bk_event_reset(&shop->event);
    shop->event.kind = BK_EVENT_STOCK;
    shop->event.event_time_ms = now_ms;
    shop->event.store = bk__store_words[store];
    shop->event.available = units;
    shop->event.line_count = 1;
    bk_line_reset(&shop->line[0]);
    shop->line[0].item = bk__catalogue_id(&shop->catalogue, product);
    int len = snprintf(shop->key, sizeof shop->key, "%.*s|%.*s", (int)shop->line[0].item.len,
                       shop->line[0].item.p, (int)shop->event.store.len, shop->event.store.p);
    set_record(shop, record, BK_TOPIC_STOCK, now_ms, (uint32_t)len);
    record->event = &shop->event;
}

bk_str_t bk__shop_name_of(struct bk_shop *shop, const struct shopper *its)
{
    bk_str_t first = shop->catalogue.tables.first_name[its->first_name],
             last = shop->catalogue.tables.last_name[its->last_name];
    int len = snprintf(shop->name, sizeof shop->name, "%.*s %.*s (simulated)", (int)first.len,
                       first.p, (int)last.len, last.p);
    return bk_str(shop->name, (size_t)len);
}

bk_str_t bk__shop_customer_of(struct bk_shop *shop, uint32_t shopper)
{
    int len = snprintf(shop->customer_id, sizeof shop->customer_id, "sim-c%u", shopper + 1);
    return bk_str(shop->customer_id, (size_t)len);
}

/* Loyalty by weight: three tiers, points to match. */
static void set_loyalty(struct bk_shop *shop, uint32_t shopper, struct bk_customer_fact *fact)
{
    static const bk_str_t tiers[] = {BK_STR("bronze"), BK_STR("silver"), BK_STR("gold")};
    uint64_t lot = bk__chance_of(shop->params.seed, OF_POINTS, shopper, 0);
    uint32_t tier = lot % 10 < 6 ? 0 : lot % 10 < 9 ? 1 : 2;
    fact->loyalty_tier = tiers[tier];
    fact->loyalty_points = (int64_t)((lot >> 32) % 900 + tier * 1000);
}

static void customer_record(struct bk_shop *shop, uint32_t shopper, bk_wall_ms_t now_ms,
                            struct bk_shop_record *record)
{
    static const bk_str_t diets[] = {BK_STR("vegan"), BK_STR("vegetarian")};
    const struct shopper *its = &shop->shopper[shopper];
    const struct kind *kind = bk__shop_kind(shop, its);
    struct bk_customer_fact *fact = &shop->customer;
    bk_customer_fact_reset(fact);
    fact->customer = fact->household = bk__shop_customer_of(shop, shopper);
    fact->name = bk__shop_name_of(shop, its);
    fact->gender = its->female ? BK_STR("female") : BK_STR("male");
    fact->location = bk__store_words[its->store];
    fact->age_years = its->age;
    fact->family_size = kind->people;
    fact->dietary = words_of(shop->words[0], diets, 2,
                             kind->vegan        ? 1u
                             : kind->vegetarian ? 2u
                                                : 0u);
    fact->allergies = words_of(shop->words[1], bk__allergen_words, ALLERGENS, kind->avoids);
    if (its->thrift >= 50) {
        fact->budget_minor =
            2500 + (int64_t)(bk__chance_of(shop->params.seed, OF_BUDGET, shopper, 0) % 60) * 100;
        fact->budget_currency = bk_str_c(bk_shop_currency());
    }
    set_loyalty(shop, shopper, fact);
    fact->created_ms = fact->updated_ms = now_ms;
    memcpy(shop->key, fact->customer.p, fact->customer.len);
    set_record(shop, record, BK_TOPIC_CUSTOMERS, now_ms, fact->customer.len);
    record->customer = fact;
}

uint32_t bk_shop_fact_count(const struct bk_shop *shop)
{
    return shop->catalogue.count * (1 + STORES) + shop->account_count;
}

void bk_shop_fact(struct bk_shop *shop, uint32_t i, struct bk_shop_record *record)
{
    uint32_t products = shop->catalogue.count;
    bk_wall_ms_t start_ms = shop->params.start_ms;
    int32_t day = bk__calendar_day(start_ms);
    BK_ASSERT(i < bk_shop_fact_count(shop));
    if (i < products) {
        product_record(shop, i, start_ms, record);
        return;
    }
    i -= products;
    if (i < products * STORES) {
        uint32_t units = bk__calendar_stock(shop->params.seed, &shop->catalogue, i / STORES,
                                            i % STORES, day, bk__calendar_seasons(day));
        stock_record(shop, i / STORES, i % STORES, units, start_ms, record);
        return;
    }
    customer_record(shop, shop->account[i - products * STORES], start_ms, record);
}

/* ---- the night ---- */

/* The next change since yesterday; false when the walk is through, which then waits for tomorrow. */
static bool next_change(struct bk_shop *shop, struct bk_shop_record *record)
{
    uint64_t seed = shop->params.seed;
    uint32_t products = shop->catalogue.count;
    int32_t day = bk__calendar_day(shop->facts_ms), week = bk__calendar_week(day);
    uint8_t now = bk__calendar_seasons(day), before = bk__calendar_seasons(day - 1);
    uint32_t at = shop->facts_at;
    if (at < products && bk__calendar_weekday(day)) at = products;
    for (; at < products; at++)
        if (bk__calendar_discount(seed, at, week) != bk__calendar_discount(seed, at, week - 1)) {
            shop->facts_at = at + 1;
            product_record(shop, at, shop->facts_ms, record);
            return true;
        }
    for (; at < products * (1 + STORES); at++) {
        uint32_t product = (at - products) / STORES, store = (at - products) % STORES;
        uint32_t units = bk__calendar_stock(seed, &shop->catalogue, product, store, day, now);
        if (units == bk__calendar_stock(seed, &shop->catalogue, product, store, day - 1, before))
            continue;
        shop->facts_at = at + 1;
        stock_record(shop, product, store, units, shop->facts_ms, record);
        return true;
    }
    shop->facts_at = 0;
    shop->facts_ms += DAY_MS;
    return false;
}

/* ---- next ---- */

static bool step_shopper(struct bk_shop *shop, uint32_t shopper)
{
    struct shopper *its = &shop->shopper[shopper];
    bk_wall_ms_t now_ms = its->next_ms;
    bk__shop_turn_day(shop, bk__calendar_day(now_ms));
    bool told = false;
    if (its->visiting || bk__visit_begin(shop, its, now_ms, false))
        told = bk__visit_step(shop, its, now_ms);
    else
        its->next_ms = now_ms + HOUR_MS; /* no memory: perhaps later */
    sift_down(shop, its->queue_at);
    return told;
}

bk_wall_ms_t bk_shop_next_ms(const struct bk_shop *shop)
{
    if (!shop->queue_count) return INT64_MAX;
    return bk_min_i64(shop->shopper[shop->queue[0]].next_ms, shop->facts_ms);
}

bool bk_shop_next(struct bk_shop *shop, struct bk_shop_record *record)
{
    while (shop->queue_count) {
        uint32_t shopper = shop->queue[0];
        if (shop->facts_ms <= shop->shopper[shopper].next_ms) {
            if (next_change(shop, record)) return true;
        } else if (step_shopper(shop, shopper)) {
            bk__shop_event_record(shop, shopper, record);
            return true;
        }
    }
    return false;
}

/* ---- the catalogue, seen from outside ---- */

uint32_t bk_shop_product_count(const struct bk_shop *shop)
{
    return shop->catalogue.count;
}

struct bk_shop_product bk_shop_product(const struct bk_shop *shop, uint32_t i)
{
    BK_ASSERT(i < shop->catalogue.count);
    const struct product *what = &shop->catalogue.product[i];
    const struct good *good = bk__catalogue_good(&shop->catalogue, i);
    return (struct bk_shop_product){
        .id = bk__catalogue_id(&shop->catalogue, i),
        .name = bk__catalogue_name(&shop->catalogue, i),
        .category = shop->catalogue.path[what->good],
        .brand = bk__catalogue_brand(&shop->catalogue, i),
        .good = good->name,
        .price_minor = what->price_minor,
        .vegan = good->diet == DIET_VEGAN,
        .vegetarian = good->diet == DIET_VEGAN || good->diet == DIET_VEGETARIAN,
        .food = good->diet != DIET_NON_FOOD,
        .alcohol = good->alcohol,
        .allergens = good->allergens,
    };
}

uint32_t bk_shop_product_find(const struct bk_shop *shop, bk_str_t id)
{
    uint32_t number = 0;
    if (id.len < 5 || memcmp(id.p, "sim-", 4) != 0) return NONE;
    for (uint32_t i = 4; i < id.len && number <= PRODUCTS_MAX; i++)
        number = id.p[i] >= '0' && id.p[i] <= '9' ? number * 10 + (uint32_t)(id.p[i] - '0') : NONE;
    bool known = number && number <= shop->catalogue.count &&
                 bk_str_eq(bk__catalogue_id(&shop->catalogue, number - 1), id);
    return known ? number - 1 : NONE;
}
