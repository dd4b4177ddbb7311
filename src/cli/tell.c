/* tell.c -- the subcommands that tell a running instance to do one thing: checkpoint, promote,
 * accept-log. Each is a usage, a question of the control socket and how many operands it takes.
 */
#include "ask.h"
#include "render.h"

enum { TIMEOUT_MS = 5000, OPERANDS_MAX = 1 };

static int on_option(void *arg, size_t which, const char *value)
{
    (void)arg, (void)which, (void)value;
    return BK_CLI_GO_ON;
}

static int ask(const struct cli_line *line, const char *question)
{
    const char *words[OPERANDS_MAX + 2] = {question};
    struct bk_reason reason = {""};
    struct bk_buf body = {0};
    for (int i = 0; i < line->operand_count; i++) words[i + 1] = line->operands[i];
    int error = bk__cli_ask_text(line->cfg, words, TIMEOUT_MS, &body, &reason);
    bk_buf_char(&body, '\n');
    int code =
        error ? bk__cli_fail(bk__cli_exit_of(error), "%s", reason.text) : bk__cli_print(&body);
    bk_buf_deinit(&body);
    return code;
}

static int tell(int argc, char **argv, const struct cli_usage *usage, const char *question,
                int operands)
{
    struct cli_line line;
    int code = bk__cli_line_read(&line, usage, argc, argv, on_option, NULL);
    if (code != BK_CLI_GO_ON) return code;
    code = line.operand_count == operands
               ? ask(&line, question)
               : bk__cli_fail(BK_EXIT_USAGE, "usage: basketry %s", usage->synopsis);
    bk__cli_line_end(&line);
    return code;
}

/* A partition's log ends before what was applied, or holds something else there, and the instance
 * cannot know which of the two is right: this says that the log is. */
int bk_cmd_accept_log(int argc, char **argv)
{
    static const struct cli_usage usage = {
        .synopsis = "accept-log PARTITION",
        .about =
            "Tells a running instance (control.socket) that the log of a partition which rests as\n"
            "log_shorter_than_state or another_log is the right one, because the topic was made "
            "anew.\n"
            "It is read from its beginning; what was learnt from the old log stays, and events "
            "that are "
            "in both\n"
            "are told apart by their event_id. To forget the old log instead, restart with an "
            "empty state.",
        .notes = "examples:\n"
                 "  basketry status | grep -A3 source\n"
                 "  basketry accept-log 3 -c shop.ini",
    };
    return tell(argc, argv, &usage, "accept-log", 1);
}

int bk_cmd_checkpoint(int argc, char **argv)
{
    static const struct cli_usage usage = {
        .synopsis = "checkpoint",
        .about = "Has a running instance (control.socket) write a generation now, if anything "
                 "happened since the last.\n"
                 "`basketry status` shows when it is there.",
    };
    return tell(argc, argv, &usage, "checkpoint", 0);
}

int bk_cmd_promote(int argc, char **argv)
{
    static const struct cli_usage usage = {
        .synopsis = "promote GENERATION",
        .about =
            "Has a running instance (control.socket) load a generation of its checkpoint.dir, "
            "made by `basketry replay`,\n"
            "and put it in its state's place between two turns. Reading goes back to where that "
            "generation stands, and\n"
            "nothing is published before it has passed what readers have. Until then two "
            "states take memory.\n"
            "The log says how it ended; a damaged generation leaves everything as it was.",
        .notes = "examples:\n"
                 "  basketry promote replay-0000000001 -c shop.ini",
    };
    return tell(argc, argv, &usage, "promote", 1);
}
