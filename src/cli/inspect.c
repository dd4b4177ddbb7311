/* inspect.c -- `basketry inspect` and `basketry status`: look into a running instance through its
 * control socket. */
#include "ask.h"
#include "render.h"

enum { TIMEOUT_MS = 5000, JSON = 0 };

static const struct cli_option options[] = {
    [JSON] = {"json", 'j', NULL, "print the answer's JSON as it is"},
};

static const struct cli_usage inspect_usage = {
    "inspect item ID | subject ID | why SUBJECT ITEM [CONTEXT] | digest | counters | status "
    "[--json]",
    "Asks a running instance (control.socket) and shows what it knows:\n"
    "  item ID      name, counts, and what is bought and viewed with it\n"
    "  subject ID   session, cart and history of c:<customer> or v:<visitor>\n"
    "  why S I [C]  each scorer's feature, weight and evidence for item I in S's list C (home) "
    "now\n"
    "  digest       digests of the state, to compare two instances or two runs\n"
    "  counters     every metric (basketry check-config --metrics-reference explains them)\n"
    "  status       stages, connections, lag",
    options,
    BK_COUNTOF(options),
    "examples:\n"
    "  basketry inspect item 4011\n"
    "  basketry inspect subject c:42 --json | jq .cart\n"
    "  basketry inspect why c:42 4011 cart",
};

static const struct cli_usage status_usage = {
    "status [--json]",
    "Says how a running instance is: its stages, connections, lag and memory. Exit code 69 when "
    "nobody answers.",
    options,
    BK_COUNTOF(options),
    NULL,
};

static int on_option(void *arg, size_t which, const char *value)
{
    (void)which, (void)value;
    *(bool *)arg = true;
    return BK_CLI_GO_ON;
}

/* --json is the answer as it came: scripts get the digits the instance wrote. */
static int print_text(const struct bk_config *cfg, const char *const *words)
{
    struct bk_reason reason = {""};
    struct bk_buf body = {0};
    int error = bk__cli_ask_text(cfg, words, TIMEOUT_MS, &body, &reason);
    bk_buf_char(&body, '\n');
    int code =
        error ? bk__cli_fail(bk__cli_exit_of(error), "%s", reason.text) : bk__cli_print(&body);
    bk_buf_deinit(&body);
    return code;
}

static int print_outline(const struct bk_config *cfg, const char *const *words)
{
    struct bk_reason reason = {""};
    struct bk_buf out = {0};
    int error;
    json_t *answer = bk__cli_ask(cfg, words, TIMEOUT_MS, &error, &reason);
    if (!answer) return bk__cli_fail(bk__cli_exit_of(error), "%s", reason.text);
    bk__cli_put_json(&out, answer);
    int code = bk__cli_print(&out);
    json_decref(answer);
    bk_buf_deinit(&out);
    return code;
}

static int ask_and_show(const struct bk_config *cfg, const char *const *words, bool json)
{
    return json ? print_text(cfg, words) : print_outline(cfg, words);
}

/* How many words of the line this question takes. */
static const struct question {
    const char *what;
    int least, most;
} questions[] = {{"item", 2, 2},   {"subject", 2, 2},  {"why", 3, 4},
                 {"digest", 1, 1}, {"counters", 1, 1}, {"status", 1, 1}};

enum { WORDS_MAX = 4 };

static const struct question *find_question(const char *what)
{
    for (size_t i = 0; i < BK_COUNTOF(questions); i++)
        if (strcmp(questions[i].what, what) == 0) return &questions[i];
    return NULL;
}

static int inspect(const struct cli_line *line, bool json)
{
    const char *what = line->operand_count ? line->operands[0] : "";
    const struct question *question = find_question(what);
    if (!question)
        return bk__cli_fail(
            BK_EXIT_USAGE,
            "inspect: say item ID, subject ID, why SUBJECT ITEM, digest, counters or status");
    if (line->operand_count < question->least)
        return bk__cli_fail(BK_EXIT_USAGE, "inspect %s: the ID is missing", what);
    if (line->operand_count > question->most)
        return bk__cli_fail(BK_EXIT_USAGE, "inspect %s: too many words", what);
    const char *words[WORDS_MAX + 2] = {"inspect"};
    for (int i = 0; i < line->operand_count; i++) words[i + 1] = line->operands[i];
    return ask_and_show(line->cfg, words, json);
}

int bk_cmd_inspect(int argc, char **argv)
{
    bool json = false;
    struct cli_line line;
    int code = bk__cli_line_read(&line, &inspect_usage, argc, argv, on_option, &json);
    if (code != BK_CLI_GO_ON) return code;
    code = inspect(&line, json);
    bk__cli_line_end(&line);
    return code;
}

int bk_cmd_status(int argc, char **argv)
{
    static const char *const words[] = {"status", NULL};
    bool json = false;
    struct cli_line line;
    int code = bk__cli_line_read(&line, &status_usage, argc, argv, on_option, &json);
    if (code != BK_CLI_GO_ON) return code;
    code = line.operand_count ? bk__cli_fail(BK_EXIT_USAGE, "status takes no operand")
                              : ask_and_show(line.cfg, words, json);
    bk__cli_line_end(&line);
    return code;
}
