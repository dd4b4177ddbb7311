/* cli.h -- what the subcommands share: the table's row, options, exit codes, and the two ways to
 * ask.
 *
 * One file a subcommand; each has a `struct cli_usage` that is both its option table and its
 * --help. A subcommand returns its exit code; what it has to say about an error goes through
 * bk__cli_fail, one line on stderr.
 */
#ifndef BASKETRY_CLI_H
#define BASKETRY_CLI_H

#include "basketry/config.h"

#include <stdint.h>

/* sysexits.h's numbers, for service managers: 64 and 78 will not heal by starting again. */
/* clang-format off */
/*    name                   code  meaning */
#define BK_EXIT_TABLE(X) \
    X(BK_EXIT_OK,            0,    "done") \
    X(BK_EXIT_USAGE,         64,   "wrong use of the command line") \
    X(BK_EXIT_DATA,          65,   "data is wrong: a difference was found, a file is damaged") \
    X(BK_EXIT_UNAVAILABLE,   69,   "a service or a running instance does not answer") \
    X(BK_EXIT_BUG,           70,   "a bug or no memory") \
    X(BK_EXIT_IO,            74,   "a file cannot be read or written") \
    X(BK_EXIT_TEMPORARY,     75,   "try again later") \
    X(BK_EXIT_CONFIG,        78,   "the configuration is not valid")
/* clang-format on */

enum cli_exit {
#define X(name, code, text) name = code,
    BK_EXIT_TABLE(X)
#undef X
};

/* ---- subcommands ---- */

int bk_cmd_demo(int argc, char **argv);
int bk_cmd_run(int argc, char **argv);
int bk_cmd_import(int argc, char **argv);
int bk_cmd_produce(int argc, char **argv);
int bk_cmd_statistics(int argc, char **argv);
int bk_cmd_archive(int argc, char **argv);
int bk_cmd_history(int argc, char **argv);
int bk_cmd_top(int argc, char **argv);
int bk_cmd_inspect(int argc, char **argv);
int bk_cmd_status(int argc, char **argv);
int bk_cmd_accept_log(int argc, char **argv);
int bk_cmd_checkpoint(int argc, char **argv);
int bk_cmd_promote(int argc, char **argv);
int bk_cmd_replay(int argc, char **argv);
int bk_cmd_verify(int argc, char **argv);
int bk_cmd_dlq(int argc, char **argv);
int bk_cmd_check_config(int argc, char **argv);
int bk_cmd_evaluate(int argc, char **argv);
int bk_cmd_tune(int argc, char **argv);
int bk_cmd_version(int argc, char **argv);

/* A row of main's table. argv[0] of `run` is the subcommand's name. */
struct bk_cli_command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help; /* one line */
};

/** Find the subcommand and run it; `help [COMMAND]`, --help and --version are answered here. The
 *  exit code. */
int bk_cli_dispatch(const struct bk_cli_command *commands, size_t count, int argc, char **argv);

/* ---- options (options.c) ---- */

/* -c, -X and --help are everybody's and not listed. */
struct cli_option {
    const char *name;     /* "json": --json                             */
    int letter;           /* 'j', or 0: no short form                   */
    const char *argument; /* "FILE", or NULL: a switch                  */
    const char *help;
};

struct cli_usage {
    const char *synopsis; /* "top SUBJECT [--context C] [--json]"       */
    const char *about;    /* what it does, a few lines                  */
    const struct cli_option *options;
    size_t option_count;
    const char *notes; /* examples; or NULL                          */
};

struct cli_line {
    struct bk_config *cfg;   /* defaults, then -c, the environment, -X; bk__cli_line_end frees it */
    const char *config_path; /* of -c, or NULL                            */
    int operand_count;
    char **operands; /* borrowed from argv                        */
};

enum { BK_CLI_GO_ON = -1 };

/** Read a subcommand's line: its own options reach `on_option` (which: index into usage->options;
 *  value: NULL for a switch), in order, before the configuration is read; it returns BK_CLI_GO_ON
 *  or an exit code after it said why. BK_CLI_GO_ON when the subcommand may go on, else the exit
 *  code to return (0 after --help). */
int bk__cli_line_read(struct cli_line *line, const struct cli_usage *usage, int argc, char **argv,
                      int (*on_option)(void *arg, size_t which, const char *value), void *arg);
void bk__cli_line_end(struct cli_line *line);

/** Say `basketry: text` on stderr and return the exit code; with BK_EXIT_USAGE also where help
 *  is. */
int bk__cli_fail(enum cli_exit code, const char *format, ...) BK_PRINTF(2, 3);
/** The exit code that fits an enum bk_error. */
enum cli_exit bk__cli_exit_of(int error);
/** Write to stdout; BK_EXIT_OK, or BK_EXIT_IO with a line on stderr (a closed pipe included). */
int bk__cli_print(const struct bk_buf *text);

#endif
