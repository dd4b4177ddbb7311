/* calendar.c -- see calendar.h. Civil dates after Howard Hinnant's `chrono`-compatible algorithms;
 * Easter after the anonymous Gregorian computus. */
#include "calendar.h"

#include "chance.h"

enum { OF_WEATHER = 101, OF_RAIN, OF_PROMOTION, OF_STOCK, OF_UNITS };

const bk_str_t bk__store_words[STORES] = {BK_STR("simulated-north"), BK_STR("simulated-south"),
                                          BK_STR("simulated-east"), BK_STR("simulated-west")};

int32_t bk__calendar_day(bk_wall_ms_t ms)
{
    return (int32_t)((ms - (ms < 0 ? DAY_MS - 1 : 0)) / DAY_MS);
}

uint32_t bk__calendar_weekday(int32_t day)
{
    return (uint32_t)(((day + 3) % 7 + 7) % 7);
}

int32_t bk__calendar_week(int32_t day)
{
    return (day + 3 - (int32_t)bk__calendar_weekday(day)) / 7;
}

void bk__calendar_date(int32_t day, int32_t *year, uint32_t *month, uint32_t *day_of_month)
{
    int32_t z = day + 719468, era = (z >= 0 ? z : z - 146096) / 146097;
    uint32_t doe = (uint32_t)(z - era * 146097);
    uint32_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    uint32_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    *day_of_month = doy - (153 * mp + 2) / 5 + 1;
    *month = mp < 10 ? mp + 3 : mp - 9;
    *year = (int32_t)yoe + era * 400 + (*month <= 2);
}

/* Days from the first of March to Easter Sunday. */
static int32_t easter(int32_t year)
{
    int32_t a = year % 19, b = year / 100, c = year % 100;
    int32_t h = (19 * a + b - b / 4 - (b - (b + 8) / 25 + 1) / 3 + 15) % 30;
    int32_t l = (32 + 2 * (b % 4) + 2 * (c / 4) - h - c % 4) % 7;
    int32_t m = (a + 11 * h + 22 * l) / 451;
    int32_t month = (h + l - 7 * m + 114) / 31, date = (h + l - 7 * m + 114) % 31 + 1;
    return (month - 3) * 31 + date - 1;
}

uint8_t bk__calendar_seasons(int32_t day)
{
    enum {
        SPRING = 1,
        SUMMER = 2,
        AUTUMN = 4,
        WINTER = 8,
        CHRISTMAS = 16,
        EASTER = 32,
        SCHOOL = 64
    };
    int32_t year;
    uint32_t month, date;
    bk__calendar_date(day, &year, &month, &date);
    unsigned bits = month < 3 || month == 12 ? WINTER
                    : month < 6              ? SPRING
                    : month < 9              ? SUMMER
                                             : AUTUMN;
    if ((month == 11 && date >= 15) || (month == 12 && date <= 26)) bits |= CHRISTMAS;
    if ((month == 8 && date >= 15) || (month == 9 && date <= 15)) bits |= SCHOOL;
    int32_t march = month == 3 ? (int32_t)date - 1 : month == 4 ? 30 + (int32_t)date : -100;
    int32_t sunday = easter(year);
    if (march >= sunday - 28 && march <= sunday + 1) bits |= EASTER;
    return (uint8_t)bits;
}

struct weather bk__calendar_weather(uint64_t seed, int32_t day)
{
    static const int32_t mean[12] = {2, 4, 8, 12, 17, 21, 24, 23, 18, 13, 7, 3};
    int32_t year;
    uint32_t month, date;
    bk__calendar_date(day, &year, &month, &date);
    /* Weather lasts: half of the deviation is this spell's (five days), half the day's own. */
    int32_t spell = (int32_t)(bk__chance_of(seed, OF_WEATHER, (uint64_t)(day / 5), 1) % 11) - 5;
    int32_t own = (int32_t)(bk__chance_of(seed, OF_WEATHER, (uint64_t)day, 2) % 9) - 4;
    struct weather weather = {.degrees = mean[month - 1] + spell + own};
    weather.rain = bk__chance_of(seed, OF_RAIN, (uint64_t)day, 0) % 100 < 28;
    if (weather.degrees >= 24) weather.bits |= WEATHER_HOT;
    if (weather.degrees <= 5) weather.bits |= WEATHER_COLD;
    weather.word = weather.rain ? (weather.degrees <= 0 ? BK_STR("snow") : BK_STR("rain"))
                   : weather.bits & WEATHER_HOT  ? BK_STR("hot")
                   : weather.bits & WEATHER_COLD ? BK_STR("cold")
                   : weather.degrees >= 17       ? BK_STR("warm")
                                                 : BK_STR("mild");
    return weather;
}

uint32_t bk__calendar_demand(const struct good *good, uint8_t seasons, uint8_t weather)
{
    uint32_t percent = 100;
    if (good->seasons_only && !(good->seasons_only & seasons)) return 0;
    if (good->seasons & seasons) percent = percent * 19 / 10;
    if (good->weather & weather) percent = percent * 17 / 10;
    if (good->weather_only && !(good->weather_only & weather)) percent = percent * 45 / 100;
    return percent;
}

uint32_t bk__calendar_discount(uint64_t seed, uint32_t product, int32_t week)
{
    static const uint32_t percents[] = {15, 20, 25, 25, 33, 50};
    uint64_t lot = bk__chance_of(seed, OF_PROMOTION, product, (uint64_t)week);
    return lot % 1000 < 45 ? percents[(lot >> 32) % BK_COUNTOF(percents)] : 0;
}

uint32_t bk__calendar_stock(uint64_t seed, const struct catalogue *catalogue, uint32_t product,
                            uint32_t store, int32_t day, uint8_t seasons)
{
    const struct good *good = bk__catalogue_good(catalogue, product);
    if (good->seasons_only && !(good->seasons_only & seasons)) return 0;
    uint64_t shelf = (uint64_t)product * STORES + store;
    /* Empty shelves stay empty for three days; the days at which spells begin differ. */
    uint64_t spell = ((uint64_t)day + shelf % 3) / 3;
    if (bk__chance_of(seed, OF_STOCK, shelf, spell) % 1000 < 12) return 0;
    return 4 + (uint32_t)(bk__chance_of(seed, OF_UNITS, shelf, 0) % 180);
}
