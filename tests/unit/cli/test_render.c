/* test_render.c -- answers as text: aligned, cut whole, and harmless to a terminal. */
#include "../../../src/cli/render.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void shows(const char *json, const char *expected)
{
    struct bk_buf out = {0};
    json_t *value = json_loads(json, JSON_DECODE_ANY, NULL);
    assert_non_null(value);
    bk__cli_put_json(&out, value);
    assert_string_equal(out.p, expected);
    json_decref(value);
    bk_buf_deinit(&out);
}

static void an_object_is_aligned_and_nests_by_two_blanks(void **state)
{
    (void)state;
    shows("{\"id\":\"4011\",\"name\":\"bananas\",\"counts\":{\"views\":7,\"bought\":3},\"tags\":["
          "\"fruit\",\"new\"],\"price\":null}",
          "id     4011\nname   bananas\ncounts\n  views   7\n  bought  3\ntags   fruit, new\nprice "
          " -\n");
}

static void an_array_of_objects_is_a_table_with_numbers_to_the_right(void **state)
{
    (void)state;
    shows("[{\"id\":\"milk\",\"n\":5},{\"id\":\"oat bran\",\"n\":1234},{\"id\":\"x\"}]",
          "id           n\nmilk         5\noat bran  1234\nx\n");
}

static void a_plain_value_is_a_line(void **state)
{
    (void)state;
    shows("\"ok\"", "ok\n");
    shows("3", "3\n");
    shows("[]", "-\n");
    shows("\"\"", "-\n");
    shows("[0.75, 229.0, 3623880.5, -0.000001]", "0.75, 229, 3623880, -1e-06\n");
    shows("true", "true\n");
}

static void no_text_moves_the_cursor(void **state)
{
    (void)state;
    shows("{\"n\\u001bame\":\"a\\u001b[31m\\u0007\\u009bK\\u007f\\n\"}", "n?ame  a?[31m?\?K?\?\n");
    struct bk_buf out = {0};
    bk__cli_put_text(&out, "\xff\xc3(ok)\xe2\x82");
    assert_string_equal(out.p, "?\?(ok)?\?");
    bk_buf_deinit(&out);
}

static void a_cell_is_cut_between_characters_and_padded(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t columns;
        const char *expected;
    } cells[] = {{"milk", 6, "milk  "},
                 {"milk", 4, "milk"},
                 {"buttermilk", 6, "butte~"},
                 {"crème brûlée", 5, "crèm~"},
                 {"crè", 3, "crè"},
                 {"", 2, "  "},
                 {"ab", 1, "~"}};
    for (size_t i = 0; i < BK_COUNTOF(cells); i++) {
        struct bk_buf out = {0};
        bk__cli_put_cell(&out, cells[i].text, cells[i].columns);
        assert_string_equal(out.p, cells[i].expected);
        bk_buf_deinit(&out);
    }
}

static void a_duration_is_told_in_its_own_unit(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *expected;
    } cases[] = {{0, "0 ms"},         {999, "999 ms"},    {3200, "3.2 s"},      {119900, "119.9 s"},
                 {300000, "5.0 min"}, {7560000, "2.1 h"}, {345600000, "4.0 d"}, {-5, "-5 ms"}};
    for (size_t i = 0; i < BK_COUNTOF(cases); i++) {
        struct bk_buf out = {0};
        bk__cli_put_duration(&out, cases[i].ms);
        assert_string_equal(out.p, cases[i].expected);
        bk_buf_deinit(&out);
    }
}

static void prop_any_json_renders_without_control_characters(void **state)
{
    (void)state;
    static const char *const pieces[] = {"1",
                                         "-2.5",
                                         "null",
                                         "\"\\u0000x\"",
                                         "[]",
                                         "{}",
                                         "[1,[2,{\"a\":[{}]}]]",
                                         "[{\"a\":[1,2]},3,null]",
                                         "{\"\":{\"\":[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]}}",
                                         "\"\\u0085\""};
    for (size_t i = 0; i < BK_COUNTOF(pieces) * BK_COUNTOF(pieces); i++) {
        struct bk_buf text = {0}, out = {0};
        bk_buf_printf(&text, "{\"a\":%s,\"b\":[%s,%s]}", pieces[i % BK_COUNTOF(pieces)],
                      pieces[i / BK_COUNTOF(pieces)], pieces[i % BK_COUNTOF(pieces)]);
        json_t *value = json_loads(text.p, JSON_ALLOW_NUL, NULL);
        assert_non_null(value);
        bk__cli_put_json(&out, value);
        for (size_t j = 0; j < out.len; j++)
            assert_true((unsigned char)out.p[j] >= 0x20 || out.p[j] == '\n');
        json_decref(value);
        bk_buf_deinit(&out);
        bk_buf_deinit(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_object_is_aligned_and_nests_by_two_blanks),
        cmocka_unit_test(an_array_of_objects_is_a_table_with_numbers_to_the_right),
        cmocka_unit_test(a_plain_value_is_a_line),
        cmocka_unit_test(no_text_moves_the_cursor),
        cmocka_unit_test(a_cell_is_cut_between_characters_and_padded),
        cmocka_unit_test(a_duration_is_told_in_its_own_unit),
        cmocka_unit_test(prop_any_json_renders_without_control_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
