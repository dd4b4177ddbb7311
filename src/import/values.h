/* values.h -- what stands in a shop's columns, as numbers: times, money, quantities. Pure. */
#ifndef BASKETRY_IMPORT_VALUES_H
#define BASKETRY_IMPORT_VALUES_H

#include "mapping.h"

/** "UTC", "Z", "+01:00" or "-0330" as what the zone's clock is ahead of UTC. */
bool bk__parse_zone(bk_str_t text, int64_t *zone_ms);
/** A time as milliseconds since 1970 UTC. A text that names its own zone keeps it, any other is a
 *  clock `zone_ms` ahead of UTC; origin_ms is day 1 of TIME_DAY_HHMM. What is wrong with it, or NULL.
 *  TIME_WEEKDAY_HOUR_GAP is no time by itself, see bk__parse_gap. */
const char *bk__parse_time(enum bk__time_form form, bk_str_t text, int64_t zone_ms,
                           int64_t origin_ms, int64_t *ms);
/** "weekday/hour/days since the order before" (the last empty for a first order): days since the
 *  order before, or the weekday, and the hour. What is wrong with it, or NULL. */
const char *bk__parse_gap(bk_str_t text, int64_t *days, int64_t *hour, bool *first);
/** A decimal number in minor units of a currency with so many decimals, rounded half away from
 *  zero. What is wrong with it, or NULL. */
const char *bk__parse_money(bk_str_t text, unsigned decimals, char point, int64_t *minor);
/** A whole number; a fraction of zeroes is allowed. */
bool bk__parse_whole(bk_str_t text, int64_t *out);
/** The first whole number in a text such as "45-54" or "65+". */
bool bk__parse_first(bk_str_t text, int64_t *out);
/** Three capital letters? */
bool bk__currency_valid(bk_str_t code);
/** Decimals of the currency's minor unit by ISO 4217: 0, 3 or 2; 2 where it is not known. */
unsigned bk__currency_decimals(bk_str_t code);
/** ISO 8859-1 as UTF-8: `out` has room for twice the bytes. The length. */
size_t bk__latin1_to_utf8(bk_str_t text, char *out);

#endif
