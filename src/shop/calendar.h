/* calendar.h -- what a day is like: season, weather, promotions, and what the shelves hold.
 *
 * Pure functions of the seed and the day, so nothing of it has to be remembered: yesterday can be
 * asked as well as today. A day is a number of days since 1970-01-01; weeks begin on Monday.
 */
#ifndef BASKETRY_SHOP_CALENDAR_H
#define BASKETRY_SHOP_CALENDAR_H

#include "catalogue.h"

enum { STORES = 4, DAY_MS = 86400000, HOUR_MS = 3600000 };

extern const bk_str_t bk__store_words[STORES];

/** The day of a time. */
int32_t bk__calendar_day(bk_wall_ms_t ms);
/** 0 Monday .. 6 Sunday. */
uint32_t bk__calendar_weekday(int32_t day);
/** A number that changes on Mondays. */
int32_t bk__calendar_week(int32_t day);
/** The civil date. */
void bk__calendar_date(int32_t day, int32_t *year, uint32_t *month, uint32_t *day_of_month);
/** Bits of bk__season_words. */
uint8_t bk__calendar_seasons(int32_t day);

struct weather {
    int32_t degrees;
    bool rain;
    uint8_t bits;  /* weather_bits */
    bk_str_t word; /* hot, warm, mild, cold, rain, snow */
};
struct weather bk__calendar_weather(uint64_t seed, int32_t day);

/** How well a good sells on a day, in percent of usual; 0: it is not sold in this season. */
uint32_t bk__calendar_demand(const struct good *good, uint8_t seasons, uint8_t weather);

/** What a promotion takes off this week, in percent; mostly 0. */
uint32_t bk__calendar_discount(uint64_t seed, uint32_t product, int32_t week);

/** Units of a product in a store on a day; 0: out of stock, or not in season. */
uint32_t bk__calendar_stock(uint64_t seed, const struct catalogue *catalogue, uint32_t product,
                            uint32_t store, int32_t day, uint8_t seasons);

#endif
