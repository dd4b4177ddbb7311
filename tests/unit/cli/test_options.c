/* test_options.c -- command lines: options, their help, the order of configuration, exit codes, the
 * front door. */
#include "../../../src/cli/cli.h"

#include "capture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct capture captured;

static const struct cli_option options[] = {
    {"json", 'j', NULL, "as JSON"},
    {"context", 'C', "C", "which one"},
    {"a-name-that-fills-its-column", 0, "FILE", "far to the right"},
};
static const struct cli_usage usage = {"probe [--json] WORD", "A probe.", options,
                                       BK_COUNTOF(options), "examples: none"};

static int on_option(void *arg, size_t which, const char *value)
{
    struct bk_buf *seen = arg;
    bk_buf_printf(seen, "%s=%s;", options[which].name, value ? value : "");
    return value && strcmp(value, "bad") == 0 ? bk__cli_fail(BK_EXIT_USAGE, "bad context")
                                              : BK_CLI_GO_ON;
}

static int probe(int argc, char **argv)
{
    struct bk_buf seen = {0};
    struct cli_line line;
    bk_buf_cstr(&seen, "");
    int code = bk__cli_line_read(&line, &usage, argc, argv, on_option, &seen);
    if (code == BK_CLI_GO_ON) {
        for (int i = 0; i < line.operand_count; i++) bk_buf_printf(&seen, "(%s)", line.operands[i]);
        bk_buf_printf(&seen, " lines_max=%lld size=%lld", (long long)line.cfg->cart_lines_max,
                      (long long)line.cfg->lists_size);
        code = bk__cli_print(&seen);
        bk__cli_line_end(&line);
    }
    bk_buf_deinit(&seen);
    return code;
}

static void prints(const char *line, const char *expected)
{
    capture_run(&captured, probe, line);
    if (captured.code || strcmp(captured.out, expected) != 0)
        fail_msg("'%s' gave %d '%s' '%s'", line, captured.code, captured.out, captured.err);
}

static void fails(const char *line, int code, const char *expected)
{
    capture_run(&captured, probe, line);
    if (captured.code != code || !strstr(captured.err, expected))
        fail_msg("'%s' gave %d '%s', expected %d '%s'", line, captured.code, captured.err, code,
                 expected);
    assert_string_equal(captured.out, "");
}

static void options_and_operands_come_in_any_order(void **state)
{
    (void)state;
    prints("probe", " lines_max=500 size=20");
    prints("probe c:1 --json -C home x", "json=;context=home;(c:1)(x) lines_max=500 size=20");
    prints("probe -jCcart --context=home",
           "json=;context=cart;context=home; lines_max=500 size=20");
    prints("probe -- --json", "(--json) lines_max=500 size=20");
}

static void the_command_line_stands_over_the_environment_over_the_file(void **state)
{
    (void)state;
    char path[] = "/tmp/bk-options-XXXXXX", line[128];
    int fd = mkstemp(path);
    assert_int_equal(write(fd, "[cart]\nlines_max=11\n[lists]\nsize=3\n", 35), 35);
    close(fd);
    snprintf(line, sizeof line, "probe -c %s", path);
    prints(line, " lines_max=11 size=3");
    setenv("BASKETRY_CART__LINES_MAX", "12", 1);
    prints(line, " lines_max=12 size=3");
    snprintf(line, sizeof line, "probe -X cart.lines_max=13 -c %s -X cart.lines_max=14", path);
    prints(line, " lines_max=14 size=3");
    unsetenv("BASKETRY_CART__LINES_MAX");
    unlink(path);
}

static void wrong_use_is_64_and_a_wrong_configuration_78(void **state)
{
    (void)state;
    fails("probe --jsn", BK_EXIT_USAGE, "--jsn is no option here");
    fails("probe -C", BK_EXIT_USAGE, "-C needs an argument");
    fails("probe -C bad", BK_EXIT_USAGE, "bad context");
    fails("probe -c a -c b", BK_EXIT_USAGE, "twice");
    fails("probe -c /nowhere.ini", BK_EXIT_CONFIG, "/nowhere.ini");
    fails("probe -X cart.line_max=4", BK_EXIT_CONFIG, "did you mean lines_max?");
}

static void every_option_is_in_the_help(void **state)
{
    (void)state;
    capture_run(&captured, probe, "probe --help");
    assert_int_equal(captured.code, 0);
    static const char *const parts[] = {"usage: basketry probe [--json] WORD\n",
                                        "A probe.",
                                        "  -j, --json              as JSON\n",
                                        "  -C, --context C         which one\n",
                                        "      --a-name-that-fills-its-column FILE\n",
                                        "-c, --config FILE",
                                        "-X, --set SECTION.KEY=VALUE",
                                        "-h, --help",
                                        "examples: none"};
    for (size_t i = 0; i < BK_COUNTOF(parts); i++)
        if (!strstr(captured.out, parts[i])) fail_msg("no '%s' in\n%s", parts[i], captured.out);
}

/* ---- the front door ---- */

static int second(int argc, char **argv)
{
    printf("second:%d:%s\n", argc, argc > 1 ? argv[1] : "");
    return 7;
}

static int front_door(int argc, char **argv)
{
    static const struct bk_cli_command commands[] = {{"probe", probe, "probes"},
                                                     {"second", second, "is second"}};
    return bk_cli_dispatch(commands, BK_COUNTOF(commands), argc, argv);
}

static void door(const char *line, int code, const char *out, const char *err)
{
    capture_run(&captured, front_door, line);
    if (captured.code != code || !strstr(captured.out, out) || !strstr(captured.err, err))
        fail_msg("'%s' gave %d '%s' '%s'", line, captured.code, captured.out, captured.err);
}

static void the_front_door_leads_to_every_command(void **state)
{
    (void)state;
    door("basketry second x", 7, "second:2:x\n", "");
    door("basketry help second", 7, "second:2:--help\n", "");
    door("basketry help probe", 0, "usage: basketry probe", "");
    door("basketry --help", 0, "  second        is second\n", "");
    door("basketry help", 0, "  78  the configuration is not valid\n", "");
    door("basketry", 64, "commands:", "");
    door("basketry prob", 64, "", "prob: no such command");
    door("basketry --version", 0, "basketry " BK_VERSION "\nlibuv 1.", "");
}

/* ---- check-config ---- */

static void check(const char *line, int code, const char *out, const char *err)
{
    capture_run(&captured, bk_cmd_check_config, line);
    if (captured.code != code || !strstr(captured.out, out) || !strstr(captured.err, err))
        fail_msg("'%s' gave %d '%.300s' '%s'", line, captured.code, captured.out, captured.err);
}

static void check_config_says_what_is_wrong_before_anything_runs(void **state)
{
    (void)state;
    check("check-config", 0, ": ok\n", "");
    check("check-config --dump -X session.gap=90m", 0, "[session]\ngap = 90m\n", "");
    check("check-config --reference", 0, "# Configuration\n", "");
    check("check-config --metrics-reference", 0, "# Metrics\n", "");
    check("check-config shop.ini", 64, "", "goes after -c");
    check("check-config -X kafka.fetch.min.bites=1", 78, "",
          "[kafka.consumer] fetch.min.bites: No such configuration property");
    check("check-config -X kafka.consumer.fetch.min.bytes=many", 78, "", "fetch.min.bytes");
    check("check-config -X redis.password_file=/nowhere", 78, "", "/nowhere");
    check("check-config -X redis.url=redis://h:x/", 78, "", "");
}

static void every_error_has_an_exit_code_of_its_kind(void **state)
{
    (void)state;
    assert_int_equal(bk__cli_exit_of(0), 0);
    assert_int_equal(bk__cli_exit_of(BK_EUNAVAILABLE), 69);
    assert_int_equal(bk__cli_exit_of(BK_EIO), 74);
    assert_int_equal(bk__cli_exit_of(BK_EAGAIN), 75);
    assert_int_equal(bk__cli_exit_of(BK_ENOENT), 65);
    assert_int_equal(bk__cli_exit_of(BK_ECORRUPT), 65);
    assert_int_equal(bk__cli_exit_of(BK_ENOMEM), 70);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_and_operands_come_in_any_order),
        cmocka_unit_test(the_command_line_stands_over_the_environment_over_the_file),
        cmocka_unit_test(wrong_use_is_64_and_a_wrong_configuration_78),
        cmocka_unit_test(every_option_is_in_the_help),
        cmocka_unit_test(the_front_door_leads_to_every_command),
        cmocka_unit_test(check_config_says_what_is_wrong_before_anything_runs),
        cmocka_unit_test(every_error_has_an_exit_code_of_its_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
