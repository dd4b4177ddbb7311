/* accept_log.c -- `basketry accept-log`: what ends a partition's rest as log_shorter_than_state.
 *
 * The instance found that a partition's log ends before what it has applied, and cannot know which
 * of the two is right. This says: the log is. It is read from its beginning, on top of what is
 * known.
 */
#include "ask.h"
#include "render.h"

enum { TIMEOUT_MS = 5000 };

static const struct cli_usage usage = {
    "accept-log PARTITION",
    "Tells a running instance (control.socket) that the log of a partition which rests as\n"
    "log_shorter_than_state is the right one, because the topic was made anew. The partition is\n"
    "read from its beginning; what was learnt from the old log stays, and events that are in both\n"
    "are told apart by their event_id. To forget the old log instead, restart with an empty state.",
    NULL,
    0,
    "examples:\n"
    "  basketry status | grep -A3 source\n"
    "  basketry accept-log 3 -c shop.ini",
};

static int on_option(void *arg, size_t which, const char *value)
{
    (void)arg, (void)which, (void)value;
    return BK_CLI_GO_ON;
}

static int accept_log(const struct bk_config *cfg, const char *partition)
{
    const char *words[] = {"accept-log", partition, NULL};
    struct bk_reason reason = {""};
    struct bk_buf body = {0};
    int error = bk__cli_ask_text(cfg, words, TIMEOUT_MS, &body, &reason);
    bk_buf_char(&body, '\n');
    int code =
        error ? bk__cli_fail(bk__cli_exit_of(error), "%s", reason.text) : bk__cli_print(&body);
    bk_buf_deinit(&body);
    return code;
}

int bk_cmd_accept_log(int argc, char **argv)
{
    struct cli_line line;
    int code = bk__cli_line_read(&line, &usage, argc, argv, on_option, NULL);
    if (code != BK_CLI_GO_ON) return code;
    code = line.operand_count == 1
               ? accept_log(line.cfg, line.operands[0])
               : bk__cli_fail(BK_EXIT_USAGE, "accept-log takes the number of a partition");
    bk__cli_line_end(&line);
    return code;
}
