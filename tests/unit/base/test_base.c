/* test_base.c -- order of bytes, the one hash, UTF-8 by the book. */
#include "basketry/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void bytes_are_ordered_and_the_shorter_of_equal_prefixes_comes_first(void **state)
{
    (void)state;
    assert_true(bk_str_cmp(BK_STR("abc"), BK_STR("abd")) < 0);
    assert_true(bk_str_cmp(BK_STR("abd"), BK_STR("abc")) > 0);
    assert_true(bk_str_cmp(BK_STR("ab"), BK_STR("abc")) < 0);
    assert_true(bk_str_cmp(BK_STR("abc"), BK_STR("ab")) > 0);
    assert_int_equal(bk_str_cmp(BK_STR("abc"), BK_STR("abc")), 0);
    assert_int_equal(bk_str_cmp(bk_str_c(NULL), BK_STR("")), 0);
    assert_true(bk_str_cmp(BK_STR("\x7f"), BK_STR("\x80")) < 0); /* bytes, not signed characters */
    assert_true(bk_str_eq(BK_STR("abc"), bk_str_c("abc")));
    assert_false(bk_str_eq(BK_STR("abc"), BK_STR("abd")));
    assert_false(bk_str_eq(BK_STR("abc"), BK_STR("abcd")));
}

/* Stored in checkpoints and used across machines: these numbers may never change. */
static void the_hash_is_the_one_of_yesterday(void **state)
{
    (void)state;
    assert_true(bk_hash("", 0) == UINT64_C(0x2d06800538d394c2));
    assert_true(bk_hash("basketry", 8) == bk_hash("basketry", 8));
    assert_true(bk_hash("basketry", 8) != bk_hash("basketrz", 8));
    assert_true(bk_mix(0) == UINT64_C(0xe220a8397b1dcdaf)); /* splitmix64's first number */
}

/* The definition, one code point at a time: decode, then compare with the shortest encoding. */
static bool is_utf8(const unsigned char *p, size_t len)
{
    for (size_t at = 0; at < len;) {
        unsigned char c = p[at];
        size_t more = c < 0x80 ? 0 : c >> 5 == 6 ? 1 : c >> 4 == 14 ? 2 : c >> 3 == 30 ? 3 : 9;
        if (more == 9 || at + more >= len) return false;
        uint32_t point = more == 0 ? c : c & (0x3Fu >> more);
        for (size_t i = 1; i <= more; i++) {
            if (p[at + i] >> 6 != 2) return false;
            point = point << 6 | (p[at + i] & 0x3F);
        }
        static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
        if (point < least[more] || point > 0x10FFFF || (point >= 0xD800 && point < 0xE000))
            return false;
        at += more + 1;
    }
    return true;
}

static void every_sequence_of_up_to_three_bytes_is_judged_by_the_definition(void **state)
{
    (void)state;
    for (uint32_t n = 0; n < 1u << 24; n += n < 1u << 16 ? 1 : 7) {
        unsigned char text[3] = {(unsigned char)(n >> 16), (unsigned char)(n >> 8),
                                 (unsigned char)n};
        if (bk_utf8_valid((const char *)text, 3) != is_utf8(text, 3)) fail_msg("%06x", n);
        if (bk_utf8_valid((const char *)text + 1, 2) != is_utf8(text + 1, 2)) fail_msg("%04x", n);
    }
}

static void sequences_of_four_bytes_and_long_texts_are_judged_by_the_definition(void **state)
{
    (void)state;
    uint64_t random = 41;
    for (int round = 0; round < 300000; round++) {
        unsigned char text[40];
        size_t len = bk_mix(++random) % sizeof text;
        for (size_t i = 0; i < len; i++) {
            static const unsigned char pick[] = {'a',  0xF0, 0xF4, 0x90, 0x8F, 0x80, 0xBF, 0xC3,
                                                 0xA9, 0xED, 0xE2, 0x82, 0xAC, 'z',  'z',  'z'};
            text[i] = pick[bk_mix(++random) % sizeof pick];
        }
        if (bk_utf8_valid((const char *)text, len) != is_utf8(text, len))
            fail_msg("round %d", round);
    }
    bk_str_t basket = BK_STR("\xF0\x9F\xA7\xBA a basket and more text"),
             past = BK_STR("plain plain plain \xF5\x80\x80\x80");
    assert_true(bk_utf8_valid(basket.p, basket.len));
    assert_false(bk_utf8_valid(past.p, past.len)); /* beyond U+10FFFF */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_ordered_and_the_shorter_of_equal_prefixes_comes_first),
        cmocka_unit_test(the_hash_is_the_one_of_yesterday),
        cmocka_unit_test(every_sequence_of_up_to_three_bytes_is_judged_by_the_definition),
        cmocka_unit_test(sequences_of_four_bytes_and_long_texts_are_judged_by_the_definition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
