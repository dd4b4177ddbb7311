/* test_buf.c -- text that grows, and JSON that any reader takes. */
#include "basketry/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void text_grows_and_is_terminated_after_every_append(void **state)
{
    (void)state;
    struct bk_buf buf = {0};
    for (int i = 0; i < 5000; i++) {
        bk_buf_char(&buf, 'a');
        assert_int_equal(buf.len, i + 1);
        assert_int_equal(buf.p[buf.len], '\0');
    }
    bk_buf_cstr(&buf, "bc");
    bk_buf_str(&buf, BK_STR("de"));
    bk_buf_str(&buf, (bk_str_t){NULL, 0});
    bk_buf_printf(&buf, "%d-%s", 42, "f");
    assert_string_equal(buf.p + 5000, "bcde42-f");
    assert_false(buf.failed);
    bk_buf_reset(&buf);
    assert_int_equal(buf.len, 0);
    assert_string_equal(buf.p, "");
    bk_buf_deinit(&buf);
    assert_null(buf.p);
}

static void a_long_print_fits_exactly(void **state)
{
    (void)state;
    for (int width = 240; width < 270; width++) {
        struct bk_buf buf = {0};
        bk_buf_printf(&buf, "%*d", width, 7);
        assert_int_equal(buf.len, width);
        assert_int_equal(strlen(buf.p), width);
        bk_buf_deinit(&buf);
    }
}

static void json_of(const char *text, size_t len, const char *expected)
{
    struct bk_buf buf = {0};
    bk_buf_json(&buf, bk_str(text, len));
    assert_string_equal(buf.p, expected);
    bk_buf_deinit(&buf);
}

static void json_strings_escape_what_json_forbids(void **state)
{
    (void)state;
    json_of("", 0, "\"\"");
    json_of("milk", 4, "\"milk\"");
    json_of("a\"b\\c\nd\te\x7f", 10, "\"a\\\"b\\\\c\\nd\\u0009e\\u007f\"");
    json_of("\0x", 2, "\"\\u0000x\"");
    json_of("Caf\xC3\xA9", 5, "\"Caf\xC3\xA9\"");
}

static void json_replaces_bytes_that_are_no_utf8(void **state)
{
    (void)state;
    json_of("a\xFFz", 3, "\"a\xEF\xBF\xBDz\"");
    json_of("\xC3", 1, "\"\xEF\xBF\xBD\"");
    json_of("\xFF\"", 2, "\"\xEF\xBF\xBD\\\"\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_grows_and_is_terminated_after_every_append),
        cmocka_unit_test(a_long_print_fits_exactly),
        cmocka_unit_test(json_strings_escape_what_json_forbids),
        cmocka_unit_test(json_replaces_bytes_that_are_no_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
