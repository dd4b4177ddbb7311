/* test_encode.c -- what a list looks like on the wire when its ids are as bad as they may be. */
#include "basketry/encode.h"
#include "support/events.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const char *const nasty[] = {
    "he \"said\"", "a\\b\\\\", "tab\tnewline\n", "\x01\x1f", "a{b}c%20", "\xc4\x8d", "\"", "\x7f"};

static void any_id_comes_back_from_the_json_as_it_was(void **state)
{
    (void)state;
    struct bk_state_params params = told_params();
    struct bk_engine engine;
    told_engine(&engine, &params);
    static char buffer[BK_LIST_BYTES_MAX];
    char key[BK_KEY_BYTES_MAX];
    for (size_t i = 0; i < BK_COUNTOF(nasty); i++) {
        struct told told = tell(BK_EVENT_ITEM_VIEWED, "ada", TOLD_START);
        told = tell_lines(told, "x");
        told.event.lines[0].item = bk_str_c(nasty[i]);
        told_now(&engine, told);
        uint32_t item = bk_item_find(&engine.shared, bk_str_c(nasty[i]));
        assert_true(item != 0);
        struct bk_list list = {.count = 1, .for_item = item};
        list.item[0] = (struct bk_list_item){.item = item, .because = item, .score = 1.0f};
        struct bk_list_frame frame = {.prefix = BK_STR("bk:v1"),
                                      .subject = bk_str_c(nasty[i]),
                                      .context = BK_STR("home"),
                                      .algorithm = "a",
                                      .variant = "b",
                                      .partition = -1};
        size_t len = bk_key_subject(frame.prefix, frame.subject, frame.context, key);
        struct bk_command command =
            bk_encode_list(&engine.shared, &list, &frame, bk_str(key, len), buffer);
        json_error_t error;
        json_t *json = json_loadb(command.value.p, command.value.len, 0, &error);
        if (!json) fail_msg("%s: %.*s", error.text, (int)command.value.len, command.value.p);
        assert_string_equal(json_string_value(json_object_get(json, "subject")), nasty[i]);
        assert_string_equal(json_string_value(json_object_get(json, "for")), nasty[i]);
        json_t *first = json_array_get(json_object_get(json, "items"), 0);
        assert_string_equal(json_string_value(json_object_get(first, "id")), nasty[i]);
        assert_string_equal(json_string_value(json_object_get(first, "because")), nasty[i]);
        json_decref(json);
    }
    bk_engine_deinit(&engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_id_comes_back_from_the_json_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
