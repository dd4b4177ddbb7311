/* test_value.c -- every suffix and both directions of a value's text. */
#include "../../../src/config/value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static int64_t parsed(enum bk_config_type type, const char *text)
{
    int64_t value = -1;
    const char *wrong = bk__value_parse(type, text, &value);
    if (wrong) fail_msg("%s %s", text, wrong);
    return value;
}

static void refused(enum bk_config_type type, const char *text, const char *because)
{
    int64_t value = 77;
    const char *wrong = bk__value_parse(type, text, &value);
    assert_non_null(wrong);
    if (!strstr(wrong, because)) fail_msg("'%s' %s; expected: %s", text, wrong, because);
    assert_int_equal(value, 77);
}

static void every_suffix_of_a_duration_is_milliseconds(void **state)
{
    (void)state;
    assert_int_equal(parsed(BK_CONFIG_DURATION, "250ms"), 250);
    assert_int_equal(parsed(BK_CONFIG_DURATION, "2s"), 2000);
    assert_int_equal(parsed(BK_CONFIG_DURATION, "3m"), 180000);
    assert_int_equal(parsed(BK_CONFIG_DURATION, "4h"), 14400000);
    assert_int_equal(parsed(BK_CONFIG_DURATION, "365d"), 31536000000);
    assert_int_equal(parsed(BK_CONFIG_DURATION, "0"), 0);
    refused(BK_CONFIG_DURATION, "30", "lacks its unit");
    refused(BK_CONFIG_DURATION, "1M", "unknown unit");
    refused(BK_CONFIG_DURATION, "1h30m", "unknown unit");
    refused(BK_CONFIG_DURATION, "1.5s", "not a whole number");
    refused(BK_CONFIG_DURATION, "-1s", "not a whole number");
}

static void every_suffix_of_bytes_is_a_power_of_1024(void **state)
{
    (void)state;
    assert_int_equal(parsed(BK_CONFIG_BYTES, "12"), 12);
    assert_int_equal(parsed(BK_CONFIG_BYTES, "1k"), 1024);
    assert_int_equal(parsed(BK_CONFIG_BYTES, "3M"), 3 << 20);
    assert_int_equal(parsed(BK_CONFIG_BYTES, "4g"), 4LL << 30);
    assert_int_equal(parsed(BK_CONFIG_BYTES, "1t"), 1LL << 40);
    refused(BK_CONFIG_BYTES, "1kb", "allowed k, m, g, t");
    refused(BK_CONFIG_BYTES, "1 k", "allowed k, m, g, t");
}

static void every_suffix_of_a_count_is_a_power_of_1000(void **state)
{
    (void)state;
    assert_int_equal(parsed(BK_CONFIG_COUNT, "0"), 0);
    assert_int_equal(parsed(BK_CONFIG_COUNT, "64k"), 64000);
    assert_int_equal(parsed(BK_CONFIG_COUNT, "2m"), 2000000);
    refused(BK_CONFIG_COUNT, "1g", "allowed k = 1000");
    refused(BK_CONFIG_COUNT, "", "is empty");
    refused(BK_CONFIG_COUNT, "many", "not a whole number");
}

static void a_number_that_does_not_fit_is_refused_and_does_not_wrap(void **state)
{
    (void)state;
    assert_int_equal(parsed(BK_CONFIG_COUNT, "9223372036854775807"), INT64_MAX);
    refused(BK_CONFIG_COUNT, "9223372036854775808", "too large");
    refused(BK_CONFIG_COUNT, "99999999999999999999999999", "too large");
    refused(BK_CONFIG_BYTES, "9007199254740993k", "too large");
    refused(BK_CONFIG_DURATION, "106751991168d", "too large");
}

static void yes_and_no_have_four_spellings_each(void **state)
{
    (void)state;
    static const char *const yes[] = {"true", "yes", "on", "1"}, *const no[] = {"false", "no",
                                                                                "off", "0"};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(parsed(BK_CONFIG_BOOL, yes[i]), 1);
        assert_int_equal(parsed(BK_CONFIG_BOOL, no[i]), 0);
    }
    refused(BK_CONFIG_BOOL, "TRUE", "neither");
    refused(BK_CONFIG_BOOL, "", "neither");
}

static void a_decimal_is_what_a_person_writes(void **state)
{
    (void)state;
    double value = 0;
    assert_null(bk__value_parse_real("-2.5e1", &value));
    assert_true(value == -25.0);
    static const char *const not [] = {"", "nan", "inf", "0x10", "1,5", "1e999", "--1", "1 "};
    for (size_t i = 0; i < BK_COUNTOF(not ); i++)
        assert_non_null(bk__value_parse_real(not [i], &value));
}

static void a_choice_is_one_whole_word(void **state)
{
    (void)state;
    assert_int_equal(bk__value_choice("none|session|personal", "none"), 0);
    assert_int_equal(bk__value_choice("none|session|personal", "personal"), 2);
    assert_int_equal(bk__value_choice("none|session|personal", "person"), -1);
    assert_int_equal(bk__value_choice("none|session|personal", "none|session"), -1);
    assert_int_equal(bk__value_choice("none|session|personal", ""), -1);
    assert_int_equal(bk__value_word("a|b", 2).len, 0);
}

static void prop_what_is_shown_parses_back_to_the_same(void **state)
{
    (void)state;
    const char *env = getenv("BK_SEED");
    uint64_t seed = env ? strtoull(env, NULL, 0) : 0x5eed;
    static const enum bk_config_type types[] = {BK_CONFIG_COUNT, BK_CONFIG_BYTES,
                                                BK_CONFIG_DURATION, BK_CONFIG_BOOL};
    static const int64_t grains[] = {1, 1000, 1000000, 1024, 1 << 20, 60000, 3600000, 86400000};
    for (uint64_t i = 0; i < 20000; i++) {
        uint64_t random = bk_mix(seed + i);
        enum bk_config_type type = types[random % 4];
        int64_t value = type == BK_CONFIG_BOOL
                            ? (int64_t)(random >> 8 & 1)
                            : (int64_t)((random >> 8) % 100000) * grains[random >> 4 & 7];
        struct bk_buf text = {0};
        bk__value_format(type, value, &text);
        int64_t again = -1;
        const char *wrong = bk__value_parse(type, text.p, &again);
        if (wrong || again != value)
            fail_msg("BK_SEED=%#llx type %d: %s", (unsigned long long)seed, (int)type, text.p);
        bk_buf_deinit(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_suffix_of_a_duration_is_milliseconds),
        cmocka_unit_test(every_suffix_of_bytes_is_a_power_of_1024),
        cmocka_unit_test(every_suffix_of_a_count_is_a_power_of_1000),
        cmocka_unit_test(a_number_that_does_not_fit_is_refused_and_does_not_wrap),
        cmocka_unit_test(yes_and_no_have_four_spellings_each),
        cmocka_unit_test(a_decimal_is_what_a_person_writes),
        cmocka_unit_test(a_choice_is_one_whole_word),
        cmocka_unit_test(prop_what_is_shown_parses_back_to_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
