/* household.c -- who shops: habits, taste, rhythm.
 *
 * THE IDEA
 *   A household has some forty to hundred habits: goods it buys again and again, each with the product
 * it prefers, a second one, and an interval of its own. Which goods: drawn by their pull and the likes
 * of its kind; which product: by the market's shares, its thrift and its taste. The intervals are
 * scaled together so that all habits ask for as many lines a week as the household's visits hold;
 * what is left is curiosity.
 * DRIFT  what was tried becomes a habit now and then, in place of another; a product bought instead of
 *        the usual one may become the usual one.
 * VISITS a day is chosen by weekday and weather, then an hour, so that gaps are geometric with a rhythm.
 */
#include "internal.h"

#include <stdlib.h>

enum {
    GUEST_PERCENT = 6,
    ADOPT_PERCENT = 9,
    SWITCH_PERCENT = 10,
    NOT_BOUGHT_PERCENT = 22,
    MINUTES_A_DAY = 1440
};

/* ---- which product of a good ---- */

/* How much a tier is worth to somebody this thrifty: who buys the cheapest milk buys the cheapest
 * rice too. */
static double tier_weight(enum tier tier, uint32_t thrift)
{
    double t = thrift / 100.0, rest = 1.0 - t;
    switch (tier) {
    case TIER_VALUE:
        return 0.05 + 4.5 * t * t;
    case TIER_STANDARD:
        return 1.0;
    case TIER_PREMIUM:
        return 0.05 + 3.2 * rest * rest;
    default:
        return 0.02 + 4.0 * rest * rest * rest;
    }
}

static double product_weight(const struct bk_shop *shop, const struct shopper *its,
                             uint32_t product, bool shelf)
{
    const struct product *what = &shop->catalogue.product[product];
    double weight = (double)what->pull * tier_weight(what->tier, its->thrift);
    if (!shelf) return weight;
    if (!bk__calendar_stock(shop->params.seed, &shop->catalogue, product, its->store, shop->day,
                            shop->seasons))
        return 0;
    uint32_t off = bk__calendar_discount(shop->params.seed, product, bk__calendar_week(shop->day));
    return weight * (1.0 + off * its->thrift / 500.0);
}

uint32_t bk__household_choose(struct bk_shop *shop, struct shopper *its, uint32_t good, bool shelf)
{
    const struct good *what = &shop->catalogue.tables.good[good];
    double sum = 0;
    for (uint32_t i = 0; i < what->count; i++)
        sum += product_weight(shop, its, what->first + i, shelf);
    double lot = bk__chance_unit(&its->chance) * sum;
    for (uint32_t i = 0; i < what->count && sum > 0; i++) {
        lot -= product_weight(shop, its, what->first + i, shelf);
        if (lot < 0) return what->first + i;
    }
    return NONE;
}

/* ---- habits ---- */

static bool room_for_habits(struct bk_shop *shop, uint32_t more)
{
    if (shop->habit_count + more <= shop->habit_cap) return true;
    size_t cap = shop->habit_cap ? shop->habit_cap * 2 : 1 << 14;
    struct habit *grown = realloc(shop->habit, cap * sizeof *grown);
    if (!grown) return false;
    shop->habit = grown;
    shop->habit_cap = cap;
    return true;
}

/* Lines a week that its visits hold, on average. */
static double lines_a_week(const struct kind *kind, const struct shopper *its)
{
    double big = kind->big / 100.0;
    double median = big * kind->lines_big + (1 - big) * kind->lines_small;
    double mean = median * bk__chance_exp(BASKET_SIGMA * BASKET_SIGMA / 2) * (double)its->size;
    double bought = 1 - kind->online / 100.0 * NOT_BOUGHT_PERCENT / 100.0;
    return mean * bought * kind->trips_tenths / 10.0;
}

/* Draw `count` goods without putting back, the heavier the likelier (Efraimidis and Spirakis 2006:
 * the smallest of exponential / weight). */
static uint32_t draw_goods(struct bk_shop *shop, struct shopper *its, uint32_t count, uint16_t *out)
{
    const struct tables *tables = &shop->catalogue.tables;
    const struct kind *kind = bk__shop_kind(shop, its);
    double key[GOODS_MAX];
    for (uint32_t i = 0; i < tables->good_count; i++) {
        double weight = (double)tables->good[i].pull * kind->like_percent[i];
        if (!bk__tables_allows(kind, &tables->good[i])) weight = 0;
        weight *= weight; /* staples are nearly everybody's, the rest is taste */
        key[i] = weight > 0 ? bk__chance_exponential(&its->chance) / weight : -1;
    }
    uint32_t drawn = 0;
    while (drawn < count) {
        uint32_t best = NONE;
        for (uint32_t i = 0; i < tables->good_count; i++)
            if (key[i] >= 0 && (best == NONE || key[i] < key[best])) best = i;
        if (best == NONE) break;
        key[best] = -1;
        out[drawn++] = (uint16_t)best;
    }
    return drawn;
}

static struct habit new_habit(struct bk_shop *shop, struct shopper *its, uint32_t good)
{
    double days = shop->catalogue.tables.good[good].days;
    days *= days; /* scaled to fit below: what counts is how habits differ */
    uint32_t product = bk__household_choose(shop, its, good, false);
    uint32_t second = bk__household_choose(shop, its, good, false);
    return (struct habit){
        .good = (uint16_t)good,
        .product = (uint16_t)product,
        .second = (uint16_t)second,
        .interval_days = (float)(days * bk__chance_lognormal(&its->chance, 0.7)),
    };
}

/* All intervals by one factor, so that what falls due fits into the visits; nothing can be bought more
 * often than they come, and what that takes from the shortest the others get. */
static void scale_intervals(struct bk_shop *shop, const struct shopper *its)
{
    const struct kind *kind = bk__shop_kind(shop, its);
    struct habit *habit = bk__shop_habits_of(shop, its);
    double held = lines_a_week(kind, its) * (100 - kind->curious) / 100.0;
    float shortest = (float)(1.15 * 70.0 / kind->trips_tenths);
    for (int round = 0; round < 8; round++) {
        double fixed = 0, asked = 0;
        for (uint32_t i = 0; i < its->habit_count; i++) {
            double week = 7.0 / (double)habit[i].interval_days;
            if (habit[i].interval_days <= shortest)
                fixed += week;
            else
                asked += week;
        }
        float factor = held > fixed ? (float)(asked / (held - fixed)) : 4;
        for (uint32_t i = 0; i < its->habit_count; i++) {
            if (habit[i].interval_days <= shortest) continue;
            habit[i].interval_days *= factor;
            if (habit[i].interval_days < shortest) habit[i].interval_days = shortest;
        }
    }
}

/* As if it had always lived here: somewhere inside each interval. */
static void date_habits(struct bk_shop *shop, struct shopper *its)
{
    struct habit *habit = bk__shop_habits_of(shop, its);
    int32_t start_min = (int32_t)(shop->params.start_ms / MINUTE_MS);
    for (uint32_t i = 0; i < its->habit_count; i++)
        habit[i].last_min = start_min - (int32_t)((double)habit[i].interval_days * MINUTES_A_DAY *
                                                  bk__chance_unit(&its->chance));
}

static bool add_habits(struct bk_shop *shop, struct shopper *its)
{
    const struct kind *kind = bk__shop_kind(shop, its);
    uint16_t good[BK_SHOP_HABITS_MAX];
    uint32_t wanted = 34 + kind->lines_big * 3 / 2 + bk__chance_below(&its->chance, 24);
    if (wanted > BK_SHOP_HABITS_MAX) wanted = BK_SHOP_HABITS_MAX;
    if (!room_for_habits(shop, wanted)) return false;
    uint32_t count = draw_goods(shop, its, wanted, good);
    its->habit_at = shop->habit_count;
    its->habit_count = count;
    for (uint32_t i = 0; i < count; i++)
        shop->habit[shop->habit_count + i] = new_habit(shop, its, good[i]);
    shop->habit_count += count;
    scale_intervals(shop, its);
    date_habits(shop, its);
    return true;
}

/* ---- households ---- */

static uint8_t draw_kind(const struct tables *tables, struct bk__chance *chance)
{
    uint32_t sum = 0, at = 0;
    for (uint32_t i = 0; i < tables->kind_count; i++) sum += tables->kind[i].share;
    uint32_t lot = bk__chance_below(chance, sum);
    while (lot >= tables->kind[at].share) lot -= tables->kind[at++].share;
    return (uint8_t)at;
}

/* Around its kind's. */
static uint8_t draw_thrift(const struct kind *kind, struct bk__chance *chance)
{
    double thrift = kind->thrift + 24 * bk__chance_normal(chance);
    return (uint8_t)(thrift < 0 ? 0 : thrift > 100 ? 100 : thrift);
}

static bool init_household(struct bk_shop *shop, uint32_t i)
{
    const struct tables *tables = &shop->catalogue.tables;
    struct shopper *its = &shop->shopper[i];
    *its =
        (struct shopper){.chance = {bk__chance_of(shop->params.seed, 301, i, 0)}, .queue_at = NONE};
    its->kind = draw_kind(tables, &its->chance);
    its->store = (uint8_t)bk__chance_below(&its->chance, STORES);
    its->first_name = (uint8_t)bk__chance_below(&its->chance, tables->name_count);
    its->last_name = (uint8_t)bk__chance_below(&its->chance, tables->name_count);
    const struct kind *kind = bk__shop_kind(shop, its);
    its->age = (uint16_t)(kind->age_from +
                          bk__chance_below(&its->chance, kind->age_to - kind->age_from + 1));
    its->female = bk__chance_percent(&its->chance, 50);
    its->guest = bk__chance_percent(&its->chance, GUEST_PERCENT);
    its->thrift = draw_thrift(kind, &its->chance);
    its->size = (float)bk__chance_lognormal(&its->chance, 0.28);
    if (!its->guest) shop->account[shop->account_count++] = i;
    return add_habits(shop, its);
}

static void sum_draws(struct bk_shop *shop)
{
    const struct tables *tables = &shop->catalogue.tables;
    for (uint32_t k = 0; k < tables->kind_count; k++) {
        uint32_t sum = 0;
        for (uint32_t g = 0; g < tables->good_count; g++) {
            uint32_t likes = tables->kind[k].like_percent[g];
            if (bk__tables_allows(&tables->kind[k], &tables->good[g]))
                sum += tables->good[g].pull * (likes > 400 ? 400 : likes);
            shop->draw[k][g] = sum;
        }
    }
}

int bk__households_init(struct bk_shop *shop)
{
    sum_draws(shop);
    for (uint32_t i = 0; i < shop->shopper_count; i++)
        if (!init_household(shop, i)) return BK_ENOMEM;
    return BK_OK;
}

/* ---- when ---- */

/* How likely it comes on this day, 0..1. */
static double chance_of_day(const struct bk_shop *shop, const struct shopper *its, int32_t day)
{
    const struct kind *kind = bk__shop_kind(shop, its);
    uint32_t week = 0;
    for (int i = 0; i < 7; i++) week += kind->week[i];
    double likely = kind->trips_tenths / 10.0 * kind->week[bk__calendar_weekday(day)] / week;
    struct weather weather = bk__calendar_weather(shop->params.seed, day);
    if (weather.rain) likely *= 0.85;
    return likely < 0.95 ? likely : 0.95;
}

static bk_wall_ms_t time_of_day(struct bk_shop *shop, struct shopper *its, int32_t day)
{
    const struct kind *kind = bk__shop_kind(shop, its);
    uint32_t sum = 0, hour = 0;
    for (int i = 0; i < 24; i++) sum += kind->hours[i];
    uint32_t lot = bk__chance_below(&its->chance, sum);
    while (lot >= kind->hours[hour]) lot -= kind->hours[hour++];
    return (bk_wall_ms_t)day * DAY_MS + (bk_wall_ms_t)hour * HOUR_MS +
           bk__chance_below(&its->chance, HOUR_MS);
}

bk_wall_ms_t bk__household_next_visit(struct bk_shop *shop, struct shopper *its,
                                      bk_wall_ms_t after_ms)
{
    int32_t day = bk__calendar_day(after_ms);
    /* Something was forgotten: the same day again. */
    if (bk__chance_percent(&its->chance, 6)) {
        bk_wall_ms_t later = after_ms + HOUR_MS / 2 + bk__chance_below(&its->chance, 4 * HOUR_MS);
        if (bk__calendar_day(later - HOUR_MS) == day) return later;
    }
    do {
        day++;
    } while (bk__chance_unit(&its->chance) >= chance_of_day(shop, its, day));
    bk_wall_ms_t at = time_of_day(shop, its, day);
    return at > after_ms ? at : after_ms + MINUTE_MS;
}

/* ---- what buying does to habits ---- */

void bk__household_bought(struct bk_shop *shop, struct shopper *its, uint32_t product,
                          bk_wall_ms_t at_ms)
{
    struct habit *habit = bk__shop_habits_of(shop, its);
    uint16_t good = shop->catalogue.product[product].good;
    uint32_t i = 0;
    while (i < its->habit_count && habit[i].good != good) i++;
    if (i < its->habit_count) {
        habit[i].last_min = (int32_t)(at_ms / MINUTE_MS);
        bool other = habit[i].product != product;
        if (other && bk__chance_percent(&its->chance, SWITCH_PERCENT)) {
            habit[i].second = habit[i].product;
            habit[i].product = (uint16_t)product;
        }
        return;
    }
    if (!its->habit_count || !bk__chance_percent(&its->chance, ADOPT_PERCENT)) return;
    struct habit *given_up = &habit[bk__chance_below(&its->chance, its->habit_count)];
    float interval = given_up->interval_days; /* so the sum of all stays as it was */
    *given_up = (struct habit){
        .good = good,
        .product = (uint16_t)product,
        .second = (uint16_t)bk__household_choose(shop, its, good, false),
        .interval_days = interval,
        .last_min = (int32_t)(at_ms / MINUTE_MS),
    };
}
