/* test_values.c -- times, money and numbers as shops write them. */
#include "../../../src/import/values.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#define S bk_str_c

static void times_are_read_in_every_form(void **state)
{
    static const struct {
        enum bk__time_form form;
        const char *text;
        int64_t ms;
    } good[] = {
        {TIME_ISO, "2024-05-01", 1714521600000},
        {TIME_ISO, "2024-05-01 08:15:30", 1714551330000},
        {TIME_ISO, "2024-05-01T08:15:30.250Z", 1714551330250},
        {TIME_ISO, "2024-05-01T08:15:30.2509Z", 1714551330250},
        {TIME_ISO, "2024-05-01T08:15+02:00", 1714544100000},
        {TIME_ISO, "2024-05-01T08:15-0330", 1714563900000},
        {TIME_ISO, "2019-10-01 00:00:00 UTC", 1569888000000},
        {TIME_ISO, "2024-02-29", 1709164800000},
        {TIME_UNIX_MS, "1714551330250", 1714551330250},
        {TIME_UNIX_S, "1714551330", 1714551330000},
        {TIME_UNIX_US, "1714551330250999", 1714551330250},
        {TIME_MDY, "12/1/2010 8:26", 1291191960000},
        {TIME_DMY, "1/12/2010 08:26", 1291191960000},
        {TIME_MDY, "2010-12-01 08:26:00", 1291191960000},
        {TIME_DAY_HHMM, "2/905", 119100000},
        {TIME_DAY_HHMM, "1/0", 0},
    };
    (void)state;
    for (size_t i = 0; i < BK_COUNTOF(good); i++) {
        int64_t ms = -1;
        const char *wrong = bk__parse_time(good[i].form, S(good[i].text), 0, 0, &ms);
        if (wrong || ms != good[i].ms)
            fail_msg("%s: %s, %lld", good[i].text, wrong ? wrong : "", (long long)ms);
    }
}

static void what_is_no_time_is_refused(void **state)
{
    static const struct {
        enum bk__time_form form;
        const char *text;
    } bad[] = {
        {TIME_ISO, "2023-02-29"},
        {TIME_ISO, "2024-13-01"},
        {TIME_ISO, "2024-5-01"},
        {TIME_ISO, "2024-05-01T24:00"},
        {TIME_ISO, "2024-05-01T08:15x"},
        {TIME_ISO, "2024-05-01T08:15:30.Z"},
        {TIME_ISO, "1969-12-31"},
        {TIME_ISO, "0000-01-01"},
        {TIME_ISO, ""},
        {TIME_UNIX_MS, "-1"},
        {TIME_UNIX_MS, "1e9"},
        {TIME_UNIX_S, "9223372036854775"},
        {TIME_UNIX_S, "999999999999999999"},
        {TIME_MDY, "13/1/2010 8:26"},
        {TIME_DAY_HHMM, "0/905"},
        {TIME_DAY_HHMM, "1/2460"},
        {TIME_WEEKDAY_HOUR_GAP, "1/2/3"},
    };
    (void)state;
    for (size_t i = 0; i < BK_COUNTOF(bad); i++) {
        int64_t ms;
        if (!bk__parse_time(bad[i].form, S(bad[i].text), 0, 0, &ms))
            fail_msg("%s passed", bad[i].text);
    }
}

static void a_zone_moves_only_clocks_that_name_none(void **state)
{
    int64_t zone_ms, ms;
    (void)state;
    assert_true(bk__parse_zone(S("+01:00"), &zone_ms));
    assert_int_equal(zone_ms, 3600000);
    assert_null(bk__parse_time(TIME_ISO, S("2024-05-01 08:15:30"), zone_ms, 0, &ms));
    assert_int_equal(ms, 1714551330000 - 3600000);
    assert_null(bk__parse_time(TIME_ISO, S("2024-05-01T08:15:30Z"), zone_ms, 0, &ms));
    assert_int_equal(ms, 1714551330000);
    assert_false(bk__parse_zone(S("Europe/Berlin"), &zone_ms));
    assert_false(bk__parse_zone(S("+15:00"), &zone_ms));
}

/* Against the C library's calendar. */
static void prop_dates_are_those_of_the_c_library(void **state)
{
    (void)state;
    for (int64_t day = 0; day < 120000; day += 17) {
        time_t seconds = (time_t)(day * 86400 + 43200);
        struct tm tm;
        char text[80];
        int64_t ms;
        gmtime_r(&seconds, &tm);
        snprintf(text, sizeof text, "%04d-%02d-%02d 12:00", tm.tm_year + 1900, tm.tm_mon + 1,
                 tm.tm_mday);
        const char *wrong = bk__parse_time(TIME_ISO, S(text), 0, 0, &ms);
        if (wrong || ms != (int64_t)seconds * 1000) fail_msg("%s: %lld", text, (long long)ms);
    }
}

static void money_is_in_the_currencys_minor_units(void **state)
{
    static const struct {
        const char *text, *currency;
        char point;
        int64_t minor;
    } good[] = {
        {"1.5", "EUR", '.', 150},  {"1,5", "EUR", ',', 150},     {"1234", "JPY", '.', 1234},
        {"99.5", "JPY", '.', 100}, {"1.2345", "KWD", '.', 1235}, {"0.005", "", '.', 1},
        {"-0.01", "GBP", '.', -1}, {"7", "", '.', 700},          {"0.0049", "USD", '.', 0},
    };
    static const char *const bad[] = {
        "", "-", ".", "1.", ".5", "1e3", "1.2.3", "+1", "1,5", "1234567890123456", "EUR 1"};
    int64_t minor;
    (void)state;
    for (size_t i = 0; i < BK_COUNTOF(good); i++) {
        unsigned decimals = bk__currency_decimals(S(good[i].currency));
        const char *wrong = bk__parse_money(S(good[i].text), decimals, good[i].point, &minor);
        if (wrong || minor != good[i].minor)
            fail_msg("%s gives %lld", good[i].text, (long long)minor);
    }
    for (size_t i = 0; i < BK_COUNTOF(bad); i++)
        if (!bk__parse_money(S(bad[i]), 2, '.', &minor)) fail_msg("'%s' passed", bad[i]);
    assert_false(bk__currency_valid(S("eur")));
    assert_false(bk__currency_valid(S("EURO")));
    assert_int_equal(bk__currency_decimals(S("R W")), 2);
}

static void numbers_are_whole_or_the_first_of_a_range(void **state)
{
    int64_t value;
    (void)state;
    assert_true(bk__parse_whole(S("-3"), &value) && value == -3);
    assert_true(bk__parse_whole(S("2.000"), &value) && value == 2);
    assert_false(bk__parse_whole(S("2.5"), &value));
    assert_false(bk__parse_whole(S("2."), &value));
    assert_true(bk__parse_first(S("45-54"), &value) && value == 45);
    assert_true(bk__parse_first(S("65+"), &value) && value == 65);
    assert_true(bk__parse_first(S("49.0"), &value) && value == 49);
    assert_false(bk__parse_first(S("none"), &value));
    assert_false(bk__parse_first(S("12345678901"), &value));
}

static void every_byte_of_latin1_becomes_a_letter(void **state)
{
    char all[256], out[512];
    (void)state;
    for (int i = 0; i < 256; i++) all[i] = (char)i;
    size_t len = bk__latin1_to_utf8(bk_str(all, 256), out);
    assert_int_equal(len, 128 + 2 * 128);
    assert_true(bk_utf8_valid(out, len));
    assert_int_equal(bk__latin1_to_utf8(S("\xa3"), out), 2);
    assert_memory_equal(out, "\xc2\xa3", 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_read_in_every_form),
        cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(a_zone_moves_only_clocks_that_name_none),
        cmocka_unit_test(prop_dates_are_those_of_the_c_library),
        cmocka_unit_test(money_is_in_the_currencys_minor_units),
        cmocka_unit_test(numbers_are_whole_or_the_first_of_a_range),
        cmocka_unit_test(every_byte_of_latin1_becomes_a_letter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
