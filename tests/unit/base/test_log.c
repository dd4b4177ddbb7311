/* test_log.c -- one decision is one line, whole or cut, and none when its level is off. */
#include "basketry/log.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char text[8192];
static int evaluated;

static int costly(void)
{
    return ++evaluated;
}

/* What `write_lines` sends to standard error. */
static const char *captured(void (*write_lines)(void))
{
    FILE *file = tmpfile();
    assert_non_null(file);
    fflush(stderr);
    int saved = dup(STDERR_FILENO);
    assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
    write_lines();
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    close(saved);
    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

static void write_plain(void)
{
    bk_log_info("redis", "connected wait_ms=%d", 800);
}

static void write_two_lines(void)
{
    bk_log_warn("redis", "broken err=\"%s\"", "one\ntwo");
}

static void write_too_much(void)
{
    bk_log_error("redis", "long %3000d", 1);
}

static void write_nothing(void)
{
    bk_log_debug("redis", "detail n=%d", costly());
}

static void a_line_names_time_level_place_and_event(void **state)
{
    (void)state;
    const char *line = captured(write_plain);
    assert_memory_equal(line, "ts=2", 4);
    assert_non_null(strstr(line, "Z level=info at=redis msg=connected wait_ms=800\n"));
}

static void a_newline_inside_does_not_make_two_lines(void **state)
{
    (void)state;
    const char *line = captured(write_two_lines);
    assert_non_null(strstr(line, "err=\"one two\"\n"));
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
}

static void a_line_too_long_is_cut_and_still_ends(void **state)
{
    (void)state;
    const char *line = captured(write_too_much);
    assert_true(strlen(line) <= 1024);
    assert_true(strlen(line) > 1000);
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
}

static void arguments_of_a_level_that_is_off_are_not_evaluated(void **state)
{
    (void)state;
    assert_string_equal(captured(write_nothing), "");
    assert_int_equal(evaluated, 0);
    bk_log_level = BK_LOG_DEBUG;
    assert_non_null(strstr(captured(write_nothing), "detail n=1\n"));
    bk_log_level = BK_LOG_INFO;
}

static void a_gate_lets_one_line_a_second_through_and_counts_the_rest(void **state)
{
    (void)state;
    struct bk_log_gate gate = {0};
    uint64_t held = 9;
    assert_true(bk_log_gate_open(&gate, (bk_mono_ms_t){5000}, &held));
    assert_int_equal(held, 0);
    for (int i = 0; i < 7; i++) assert_false(bk_log_gate_open(&gate, (bk_mono_ms_t){5999}, &held));
    assert_true(bk_log_gate_open(&gate, (bk_mono_ms_t){6000}, &held));
    assert_int_equal(held, 7);
    assert_false(bk_log_gate_open(&gate, (bk_mono_ms_t){6001}, &held));
}

static void levels_are_words(void **state)
{
    (void)state;
    assert_int_equal(bk_log_level_parse("debug"), BK_LOG_DEBUG);
    assert_int_equal(bk_log_level_parse("error"), BK_LOG_ERROR);
    assert_int_equal(bk_log_level_parse("off"), BK_LOG_OFF);
    assert_int_equal(bk_log_level_parse("loud"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_names_time_level_place_and_event),
        cmocka_unit_test(a_newline_inside_does_not_make_two_lines),
        cmocka_unit_test(a_line_too_long_is_cut_and_still_ends),
        cmocka_unit_test(arguments_of_a_level_that_is_off_are_not_evaluated),
        cmocka_unit_test(a_gate_lets_one_line_a_second_through_and_counts_the_rest),
        cmocka_unit_test(levels_are_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
