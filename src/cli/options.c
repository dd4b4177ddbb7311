/* options.c -- one way to read a command line, for every subcommand.
 *
 * The usage table is turned into getopt_long's, so an option that is not in the help does not
 * exist. -X assignments are kept until the file and the environment are read, for they stand last.
 */
#include "cli.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { OPTIONS_MAX = 24, ASSIGNMENTS_MAX = 64, LETTER_HELP = 'h', LONG_ONLY = 256 };

static const struct cli_option common[] = {
    {"config", 'c', "FILE", "read the configuration from FILE"},
    {"set", 'X', "SECTION.KEY=VALUE", "set one value, over file and environment (repeatable)"},
    {"help", LETTER_HELP, NULL, "show this text"},
};

/* ---- saying things ---- */

int bk__cli_fail(enum cli_exit code, const char *format, ...)
{
    va_list args;
    fputs("basketry: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputs(code == BK_EXIT_USAGE ? "\n(`basketry help`, `basketry help COMMAND`)\n" : "\n", stderr);
    return (int)code;
}

enum cli_exit bk__cli_exit_of(int error)
{
    switch (error) {
    case BK_OK:
        return BK_EXIT_OK;
    case BK_EAGAIN:
        return BK_EXIT_TEMPORARY;
    case BK_ENOMEM:
        return BK_EXIT_BUG;
    case BK_EIO:
        return BK_EXIT_IO;
    case BK_EUNAVAILABLE:
    case BK_ECLOSED:
        return BK_EXIT_UNAVAILABLE;
    case BK_EUNSUPPORTED:
        return BK_EXIT_CONFIG;
    default: /* not found, not valid, damaged, over a limit: what was asked for is wrong */
        return BK_EXIT_DATA;
    }
}

int bk__cli_print(const struct bk_buf *text)
{
    if (text->failed) return bk__cli_fail(BK_EXIT_BUG, "out of memory");
    if ((text->len && fwrite(text->p, 1, text->len, stdout) != text->len) || fflush(stdout))
        return bk__cli_fail(BK_EXIT_IO, "standard output: %s", strerror(errno));
    return BK_EXIT_OK;
}

static void put_option(struct bk_buf *out, const struct cli_option *option)
{
    struct bk_buf left = {0};
    if (option->letter)
        bk_buf_printf(&left, "  -%c, ", option->letter);
    else
        bk_buf_cstr(&left, "      ");
    bk_buf_printf(&left, "--%s%s%s", option->name, option->argument ? " " : "",
                  option->argument ? option->argument : "");
    bool fits = left.len < 26;
    bk_buf_printf(out, fits ? "%-26s%s\n" : "%s\n                          %s\n", left.p,
                  option->help);
    bk_buf_deinit(&left);
}

static int print_help(const struct cli_usage *usage)
{
    struct bk_buf out = {0};
    bk_buf_printf(&out, "usage: basketry %s\n\n%s\n\noptions:\n", usage->synopsis, usage->about);
    for (size_t i = 0; i < usage->option_count; i++) put_option(&out, &usage->options[i]);
    for (size_t i = 0; i < BK_COUNTOF(common); i++) put_option(&out, &common[i]);
    if (usage->notes) bk_buf_printf(&out, "\n%s\n", usage->notes);
    int code = bk__cli_print(&out);
    bk_buf_deinit(&out);
    return code;
}

/* ---- reading ---- */

struct reading {
    const struct cli_usage *usage;
    struct option longs[OPTIONS_MAX + 1];
    char letters[2 * OPTIONS_MAX + 2];
    const char *assignments[ASSIGNMENTS_MAX];
    size_t assignment_count;
    int (*on_option)(void *arg, size_t which, const char *value);
    void *arg;
};

static const struct cli_option *option_at(const struct reading *r, size_t i)
{
    return i < r->usage->option_count ? &r->usage->options[i] : &common[i - r->usage->option_count];
}

/* getopt's value of an option is LONG_ONLY + its index; its letter leads there too. */
static void make_tables(struct reading *r)
{
    size_t count = r->usage->option_count + BK_COUNTOF(common), at = 0;
    BK_ASSERT(count <= OPTIONS_MAX);
    r->letters[at++] = ':'; /* tell a missing argument from an unknown option */
    for (size_t i = 0; i < count; i++) {
        const struct cli_option *option = option_at(r, i);
        r->longs[i] =
            (struct option){option->name, option->argument ? required_argument : no_argument, NULL,
                            LONG_ONLY + (int)i};
        if (!option->letter) continue;
        r->letters[at++] = (char)option->letter;
        if (option->argument) r->letters[at++] = ':';
    }
}

static size_t index_of(const struct reading *r, int value)
{
    if (value >= LONG_ONLY) return (size_t)(value - LONG_ONLY);
    size_t i = 0;
    while (option_at(r, i)->letter != value) i++;
    return i;
}

static int take_common(struct cli_line *line, struct reading *r, int letter)
{
    switch (letter) {
    case 'c':
        if (line->config_path) return bk__cli_fail(BK_EXIT_USAGE, "-c was given twice");
        line->config_path = optarg;
        return BK_CLI_GO_ON;
    case 'X':
        if (r->assignment_count == ASSIGNMENTS_MAX)
            return bk__cli_fail(BK_EXIT_USAGE, "too many -X (allowed %d)", ASSIGNMENTS_MAX);
        r->assignments[r->assignment_count++] = optarg;
        return BK_CLI_GO_ON;
    default:
        return print_help(r->usage);
    }
}

static int take_options(struct cli_line *line, struct reading *r, int argc, char **argv)
{
    int code = BK_CLI_GO_ON, value;
    optind = 0; /* glibc: start anew, this may be the second line a process reads */
    opterr = 0;
    while (code == BK_CLI_GO_ON &&
           (value = getopt_long(argc, argv, r->letters, r->longs, NULL)) != -1) {
        if (value == ':')
            return bk__cli_fail(BK_EXIT_USAGE, "%s: %s needs an argument", argv[0],
                                argv[optind - 1]);
        if (value == '?')
            return bk__cli_fail(BK_EXIT_USAGE, "%s: %s is no option here", argv[0],
                                argv[optind - 1]);
        size_t which = index_of(r, value);
        if (which >= r->usage->option_count)
            code = take_common(line, r, option_at(r, which)->letter);
        else
            code = r->on_option(r->arg, which, optarg);
    }
    line->operand_count = argc - optind;
    line->operands = argv + optind;
    return code;
}

static int read_configuration(struct cli_line *line, const struct reading *r)
{
    struct bk_reason reason = {""};
    line->cfg = bk_config_create();
    if (!line->cfg) return bk__cli_fail(BK_EXIT_BUG, "out of memory");
    int error = line->config_path ? bk_config_read(line->cfg, line->config_path, &reason) : 0;
    if (!error) error = bk_config_read_environment(line->cfg, &reason);
    for (size_t i = 0; i < r->assignment_count && !error; i++)
        error = bk_config_set(line->cfg, r->assignments[i], &reason);
    if (!error) error = bk_config_check(line->cfg, &reason);
    return error ? bk__cli_fail(BK_EXIT_CONFIG, "%s", reason.text) : BK_CLI_GO_ON;
}

int bk__cli_line_read(struct cli_line *line, const struct cli_usage *usage, int argc, char **argv,
                      int (*on_option)(void *arg, size_t which, const char *value), void *arg)
{
    struct reading r = {.usage = usage, .on_option = on_option, .arg = arg};
    *line = (struct cli_line){0};
    make_tables(&r);
    int code = take_options(line, &r, argc, argv);
    if (code == BK_CLI_GO_ON) code = read_configuration(line, &r);
    if (code != BK_CLI_GO_ON) bk__cli_line_end(line);
    return code;
}

void bk__cli_line_end(struct cli_line *line)
{
    if (line->cfg) bk_config_destroy(&line->cfg);
}
