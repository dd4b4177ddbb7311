/* values.c -- see values.h. Dates are the proleptic Gregorian calendar's, without leap seconds;
 * days are counted by eras of 400 years (Howard Hinnant, "chrono-compatible low-level date
 * algorithms", days_from_civil). */
#include "values.h"

enum { MINUTE_MS = 60000, HOUR_MS = 3600000, DAY_MS = 86400000, YEAR_MAX = 9999 };

/* ---- texts as numbers ---- */

struct scan {
    const char *p, *end;
};

static bool take(struct scan *scan, char c)
{
    if (scan->p == scan->end || *scan->p != c) return false;
    scan->p++;
    return true;
}

static bool at_digit(const struct scan *scan)
{
    return scan->p < scan->end && *scan->p >= '0' && *scan->p <= '9';
}

/* Between `least` and `most` digits. */
static bool number(struct scan *scan, int least, int most, int64_t *value)
{
    int digits = 0;
    for (*value = 0; digits < most && at_digit(scan); digits++)
        *value = *value * 10 + (*scan->p++ - '0');
    return digits >= least;
}

static struct scan scan_of(bk_str_t text)
{
    return (struct scan){text.p, text.p + text.len};
}

bool bk__parse_whole(bk_str_t text, int64_t *out)
{
    const char *point = text.len ? memchr(text.p, '.', text.len) : NULL;
    uint32_t whole = point ? (uint32_t)(point - text.p) : text.len;
    for (uint32_t i = whole + 1; i < text.len; i++)
        if (text.p[i] != '0') return false;
    if (point && whole + 1 == text.len) return false;
    return bk_shop_integer(bk_str(text.p, whole), out);
}

bool bk__parse_first(bk_str_t text, int64_t *out)
{
    struct scan scan = scan_of(text);
    while (scan.p < scan.end && !at_digit(&scan)) scan.p++;
    return number(&scan, 1, 9, out) && !at_digit(&scan);
}

/* ---- money ---- */

bool bk__currency_valid(bk_str_t code)
{
    for (uint32_t i = 0; i < code.len; i++)
        if (code.p[i] < 'A' || code.p[i] > 'Z') return false;
    return code.len == 3;
}

unsigned bk__currency_decimals(bk_str_t code)
{
    static const char none[] =
        "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF";
    static const char three[] = "BHD IQD JOD KWD LYD OMR TND";
    char text[4] = "";
    if (code.len != 3) return 2;
    memcpy(text, code.p, 3);
    return strstr(none, text) ? 0 : strstr(three, text) ? 3 : 2;
}

const char *bk__parse_money(bk_str_t text, unsigned decimals, char point, int64_t *minor)
{
    static const char wrong[] = "not a decimal number";
    struct scan scan = scan_of(text);
    bool minus = take(&scan, '-'), up = false;
    int64_t value;
    if (!number(&scan, 1, 15, &value)) return wrong;
    bool fraction = take(&scan, point);
    if (fraction && !at_digit(&scan)) return wrong;
    for (unsigned i = 0; i < decimals; i++) {
        value *= 10;
        if (fraction && at_digit(&scan)) value += *scan.p++ - '0';
    }
    if (fraction && at_digit(&scan)) up = *scan.p >= '5';
    while (fraction && at_digit(&scan)) scan.p++;
    if (scan.p != scan.end) return wrong;
    value += up;
    *minor = minus ? -value : value;
    return NULL;
}

/* ---- time ---- */

static int64_t days_from_civil(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = year / 400, of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static bool date_ms(int64_t year, int64_t month, int64_t day, int64_t *ms)
{
    static const int8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (year < 1 || year > YEAR_MAX || month < 1 || month > 12 || day < 1) return false;
    if (day > days[month - 1] + (leap && month == 2)) return false;
    *ms = days_from_civil(year, month, day) * DAY_MS;
    return true;
}

/* "HH:MM", "HH:MM:SS" or "HH:MM:SS.fraction", added to *ms. */
static bool clock_ms(struct scan *scan, int64_t *ms)
{
    int64_t hour, minute, second = 0, unit = 100;
    if (!number(scan, 1, 2, &hour) || !take(scan, ':') || !number(scan, 2, 2, &minute))
        return false;
    if (take(scan, ':') && !number(scan, 2, 2, &second)) return false;
    if (hour > 23 || minute > 59 || second > 60) return false;
    *ms += hour * HOUR_MS + minute * MINUTE_MS + second * 1000;
    if (!take(scan, '.')) return true;
    if (!at_digit(scan)) return false;
    for (; at_digit(scan); unit /= 10) *ms += (*scan->p++ - '0') * unit;
    return true;
}

static bool zone(struct scan *scan, int64_t *zone_ms)
{
    int64_t hour, minute = 0;
    *zone_ms = 0;
    if (take(scan, 'Z')) return true;
    if (scan->end - scan->p >= 3 && memcmp(scan->p, "UTC", 3) == 0) {
        scan->p += 3;
        return true;
    }
    bool minus = take(scan, '-');
    if (!minus && !take(scan, '+')) return false;
    if (!number(scan, 2, 2, &hour)) return false;
    (void)take(scan, ':');
    if (at_digit(scan) && !number(scan, 2, 2, &minute)) return false;
    if (hour > 14 || minute > 59) return false;
    *zone_ms = (minus ? -1 : 1) * (hour * HOUR_MS + minute * MINUTE_MS);
    return true;
}

bool bk__parse_zone(bk_str_t text, int64_t *zone_ms)
{
    struct scan scan = scan_of(text);
    return zone(&scan, zone_ms) && scan.p == scan.end;
}

static const char *parse_iso(bk_str_t text, int64_t zone_ms, int64_t *ms)
{
    static const char wrong[] = "not a time such as 2024-05-01 or 2024-05-01T08:15:00Z";
    struct scan scan = scan_of(text);
    int64_t year, month, day;
    bool dated = number(&scan, 4, 4, &year) && take(&scan, '-') && number(&scan, 2, 2, &month) &&
                 take(&scan, '-') && number(&scan, 2, 2, &day);
    if (!dated || !date_ms(year, month, day, ms)) return wrong;
    if (take(&scan, 'T') || take(&scan, ' ')) {
        if (!clock_ms(&scan, ms)) return wrong;
        (void)take(&scan, ' ');
        if (scan.p < scan.end && !zone(&scan, &zone_ms)) return wrong;
    }
    *ms -= zone_ms;
    return scan.p == scan.end ? NULL : wrong;
}

/* "12/1/2010 8:26", the month first or the day. */
static const char *parse_slashes(bk_str_t text, bool month_first, int64_t zone_ms, int64_t *ms)
{
    static const char wrong[] = "not a time such as 12/1/2010 8:26";
    struct scan scan = scan_of(text);
    int64_t first, second, year;
    bool dated = number(&scan, 1, 2, &first) && take(&scan, '/') && number(&scan, 1, 2, &second) &&
                 take(&scan, '/') && number(&scan, 4, 4, &year);
    if (!dated || !date_ms(year, month_first ? first : second, month_first ? second : first, ms))
        return wrong;
    if (scan.p < scan.end && (!take(&scan, ' ') || !clock_ms(&scan, ms))) return wrong;
    *ms -= zone_ms;
    return scan.p == scan.end ? NULL : wrong;
}

/* "17/1631": day 17 at 16:31. */
static const char *parse_day_hhmm(bk_str_t text, int64_t origin_ms, int64_t *ms)
{
    struct scan scan = scan_of(text);
    int64_t day, hhmm;
    if (!number(&scan, 1, 6, &day) || !take(&scan, '/') || !number(&scan, 1, 4, &hhmm) ||
        scan.p != scan.end || day < 1 || hhmm / 100 > 23 || hhmm % 100 > 59)
        return "not a day number from 1 and a time HHMM";
    *ms = origin_ms + (day - 1) * DAY_MS + hhmm / 100 * HOUR_MS + hhmm % 100 * MINUTE_MS;
    return NULL;
}

static const char *parse_unix(bk_str_t text, int64_t factor, int64_t divisor, int64_t *ms)
{
    if (!bk_shop_integer(text, ms) || *ms < 0 || *ms > INT64_MAX / factor)
        return "not a time in whole numbers since 1970";
    *ms = *ms * factor / divisor;
    return NULL;
}

const char *bk__parse_gap(bk_str_t text, int64_t *days, int64_t *hour, bool *first)
{
    struct scan scan = scan_of(text);
    int64_t weekday, tenths = 0;
    if (!number(&scan, 1, 1, &weekday) || !take(&scan, '/') || !number(&scan, 1, 2, hour) ||
        !take(&scan, '/') || weekday > 6 || *hour > 23)
        return "not a weekday 0 to 6, an hour and the days since the order before";
    *first = scan.p == scan.end;
    *days = weekday;
    if (!*first && (!number(&scan, 1, 4, days) ||
                    (take(&scan, '.') && !number(&scan, 1, 1, &tenths)) || scan.p != scan.end))
        return "not a number of days since the order before";
    return NULL;
}

const char *bk__parse_time(enum bk__time_form form, bk_str_t text, int64_t zone_ms,
                           int64_t origin_ms, int64_t *ms)
{
    const char *wrong = NULL;
    switch (form) {
    case TIME_ISO:
        wrong = parse_iso(text, zone_ms, ms);
        break;
    case TIME_UNIX_MS:
        wrong = parse_unix(text, 1, 1, ms);
        break;
    case TIME_UNIX_S:
        wrong = parse_unix(text, 1000, 1, ms);
        break;
    case TIME_UNIX_US:
        wrong = parse_unix(text, 1, 1000, ms);
        break;
    case TIME_MDY:
    case TIME_DMY:
        if (text.len > 4 && text.p[4] == '-') /* saved by another program */
            wrong = parse_iso(text, zone_ms, ms);
        else
            wrong = parse_slashes(text, form == TIME_MDY, zone_ms, ms);
        break;
    case TIME_DAY_HHMM:
        wrong = parse_day_hhmm(text, origin_ms, ms);
        break;
    case TIME_WEEKDAY_HOUR_GAP:
        return "not a time by itself";
    }
    if (wrong) return wrong;
    return *ms < 0 || *ms > BK_TIME_MS_MAX ? "before 1970 or after 9999" : NULL;
}

/* ---- letters ---- */

size_t bk__latin1_to_utf8(bk_str_t text, char *out)
{
    size_t len = 0;
    for (uint32_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (c < 0x80) {
            out[len++] = (char)c;
        } else {
            out[len++] = (char)(0xc0 | c >> 6);
            out[len++] = (char)(0x80 | (c & 0x3f));
        }
    }
    return len;
}
