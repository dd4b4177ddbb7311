/* help.c -- the front door: which subcommand, what there is, which version. */
#include "cli.h"

#include <hiredis/hiredis.h>
#include <jansson.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <uv.h>

static const char examples[] =
    "examples:\n"
    "  basketry check-config -c shop.ini          is the configuration valid?\n"
    "  basketry run -c shop.ini                   read events, publish lists\n"
    "  basketry top c:42 --context cart           what customer 42 sees beside the cart\n"
    "  basketry inspect item 4011                 what is known of an item\n"
    "  basketry verify -c shop.ini                does Redis hold what the state says?\n";

int bk_cmd_version(int argc, char **argv)
{
    (void)argc, (void)argv;
    struct bk_buf out = {0};
    bk_buf_printf(&out, "basketry %s\nlibuv %s, librdkafka %s, hiredis %d.%d.%d, jansson %s\n",
                  BK_VERSION, uv_version_string(), rd_kafka_version_str(), HIREDIS_MAJOR,
                  HIREDIS_MINOR, HIREDIS_PATCH, JANSSON_VERSION);
    int code = bk__cli_print(&out);
    bk_buf_deinit(&out);
    return code;
}

static int overview(const struct bk_cli_command *commands, size_t count)
{
    struct bk_buf out = {0};
    bk_buf_cstr(
        &out,
        "usage: basketry COMMAND [ARGUMENTS]\n\n"
        "Reads what a shop's customers view, put into carts and buy, and keeps a fresh list of\n"
        "recommendations for each of them in Redis.\n\ncommands:\n");
    for (size_t i = 0; i < count; i++)
        bk_buf_printf(&out, "  %-14s%s\n", commands[i].name, commands[i].help);
    bk_buf_printf(&out, "  %-14s%s\n\n%s\nexit codes:\n", "help",
                  "this text, or a command's own: basketry help run", examples);
#define X(name, code, text) bk_buf_printf(&out, "  %-4d%s\n", code, text);
    BK_EXIT_TABLE(X)
#undef X
    int code = bk__cli_print(&out);
    bk_buf_deinit(&out);
    return code;
}

static const struct bk_cli_command *command_of(const struct bk_cli_command *commands, size_t count,
                                               const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(commands[i].name, name) == 0) return &commands[i];
    return NULL;
}

static bool is_one_of(const char *word, const char *a, const char *b, const char *c)
{
    return strcmp(word, a) == 0 || strcmp(word, b) == 0 || strcmp(word, c) == 0;
}

int bk_cli_dispatch(const struct bk_cli_command *commands, size_t count, int argc, char **argv)
{
    static char help_option[] = "--help";
    const char *name = argc > 1 ? argv[1] : NULL;
    if (!name) {
        (void)overview(commands, count);
        return BK_EXIT_USAGE;
    }
    if (is_one_of(name, "--version", "-V", "version")) return bk_cmd_version(argc - 1, argv + 1);
    bool help = is_one_of(name, "help", "--help", "-h");
    if (help && argc == 2) return overview(commands, count);
    if (help) name = argv[2];
    const struct bk_cli_command *command = command_of(commands, count, name);
    if (!command) return bk__cli_fail(BK_EXIT_USAGE, "%s: no such command", name);
    if (!help) return command->run(argc - 1, argv + 1);
    char *question[] = {argv[2], help_option, NULL};
    return command->run(2, question);
}
