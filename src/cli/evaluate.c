/* evaluate.c -- `basketry evaluate`: how good are the lists, on a shop's own data?
 *
 * Standard output carries the metrics alone, in the two lines of the kit's scorer (a JSON object,
 * then the same for people), so that they can be compared with any other recommender's by diff;
 * what the run cost goes to standard error. --json puts all of it into one object.
 */
#include "evaluate.h"

#include <errno.h>
#include <stdlib.h>

#include "basketry/pipeline.h"

#include "cli.h"

enum {
    TASK,
    TRAIN,
    TEST,
    DATA,
    DROP,
    DUMP,
    PREQUENTIAL,
    USER_SAMPLE,
    CUSTOMERS,
    CONTEXT,
    ITEMS,
    JSON
};

static const struct cli_option options[] = {
    [TASK] = {"task", 't', "TASK",
              "next-item, next-basket, basket-completion or prequential-basket"},
    [TRAIN] = {"train", 0, "FILE", "next-item: the training sessions, one a line"},
    [TEST] = {"test", 0, "FILE", "next-item: the test sessions"},
    [DATA] = {"data", 0, "FILE", "the other tasks: events.tsv, or for next-basket baskets.tsv"},
    [DROP] = {"drop", 0, "REGEX", "leave out items whose whole id matches (extended regex)"},
    [DUMP] = {"dump", 'd', "FILE", "write every list: query id, then its items, tab separated"},
    [PREQUENTIAL] = {"prequential", 0, NULL,
                     "next-item: learn each test event after it was asked for"},
    [USER_SAMPLE] = {"user-sample", 0, "N", "next-basket: ask for N customers, evenly spread"},
    [CUSTOMERS] =
        {"customers", 0, NULL,
         "basket-completion: a cart is its customer's, whose past is known; else nobody's"},
    [CONTEXT] = {"context", 0, "C", "ask for another list than the task's own, such as discover"},
    [ITEMS] = {"items", 0, "FILE", "categories and brands: item, category path, brand a line"},
    [JSON] = {"json", 'j', NULL, "one JSON object with metrics and cost"},
};

static const struct cli_usage usage = {
    "evaluate --task TASK (--train FILE --test FILE | --data FILE) [--dump FILE] [--json]",
    "Replays a data set through the engine and the ranker that serve the shop, asks for lists "
    "where\n"
    "the truth is known, and tells how often they hold it. Full ranking over all items; metrics "
    "as\n"
    "means over the queries, `_se` their standard error. Consent is personal. Parameters of the\n"
    "engine come from the configuration: -X state.pair_partners_max=512.",
    options,
    BK_COUNTOF(options),
    "examples:\n"
    "  basketry evaluate --task next-item --train train_sessions.txt.zst --test "
    "test_sessions.txt.zst\n"
    "  basketry evaluate --task prequential-basket --data events.tsv.zst --drop 'POST|gift_.*'",
};

struct given {
    struct eval_options eval;
    const char *dump, *items;
    bool json;
};

/* What the run took, wall-clock seconds. */
struct cost {
    double load_s, play_s;
};

/* ---- options ---- */

static int take_task(struct given *given, const char *value)
{
    given->eval.task = bk__eval_task_parse(value);
    if (given->eval.task < EVAL_TASK_COUNT) return BK_CLI_GO_ON;
    return bk__cli_fail(BK_EXIT_USAGE,
                        "--task %s: none of next-item, next-basket, basket-completion, "
                        "prequential-basket",
                        value);
}

static int take_context(struct given *given, const char *value)
{
    given->eval.context = bk_context_parse(bk_str_c(value));
    if (given->eval.context < BK_CONTEXT_COUNT) return BK_CLI_GO_ON;
    return bk__cli_fail(BK_EXIT_USAGE, "--context %s: no such list", value);
}

static int take_sample(struct given *given, const char *value)
{
    int64_t number;
    if (!bk_shop_integer(bk_str_c(value), &number) || number < 1 || number > INT32_MAX)
        return bk__cli_fail(BK_EXIT_USAGE, "--user-sample %s: not a number from 1 on", value);
    given->eval.user_sample = (uint32_t)number;
    return BK_CLI_GO_ON;
}

static int on_option(void *arg, size_t which, const char *value)
{
    struct given *given = arg;
    const char **text[] = {
        [TRAIN] = &given->eval.train, [TEST] = &given->eval.test, [DATA] = &given->eval.data,
        [DROP] = &given->eval.drop,   [DUMP] = &given->dump,      [ITEMS] = &given->items,
    };
    switch (which) {
    case TASK:
        return take_task(given, value);
    case USER_SAMPLE:
        return take_sample(given, value);
    case CONTEXT:
        return take_context(given, value);
    case PREQUENTIAL:
        given->eval.prequential = true;
        return BK_CLI_GO_ON;
    case CUSTOMERS:
        given->eval.customers = true;
        return BK_CLI_GO_ON;
    case JSON:
        given->json = true;
        return BK_CLI_GO_ON;
    default:
        *text[which] = value;
        return BK_CLI_GO_ON;
    }
}

static int check_use(const struct given *given, const struct cli_line *line)
{
    const struct eval_options *eval = &given->eval;
    if (line->operand_count)
        return bk__cli_fail(BK_EXIT_USAGE, "evaluate takes no operand: %s", line->operands[0]);
    if (eval->task == EVAL_TASK_COUNT) return bk__cli_fail(BK_EXIT_USAGE, "--task is missing");
    bool sessions = eval->task == EVAL_NEXT_ITEM;
    if (sessions && (!eval->train || !eval->test))
        return bk__cli_fail(BK_EXIT_USAGE, "next-item needs --train and --test");
    if (!sessions && !eval->data)
        return bk__cli_fail(BK_EXIT_USAGE, "%s needs --data", bk__eval_task_name(eval->task));
    if (eval->prequential && !sessions)
        return bk__cli_fail(BK_EXIT_USAGE, "--prequential is for next-item");
    if (eval->user_sample && eval->task != EVAL_NEXT_BASKET)
        return bk__cli_fail(BK_EXIT_USAGE, "--user-sample is for next-basket");
    if (eval->customers && eval->task != EVAL_BASKET_COMPLETION)
        return bk__cli_fail(BK_EXIT_USAGE, "--customers is for basket-completion");
    return BK_EXIT_OK;
}

/* ---- the run ---- */

static double seconds_since(int64_t start_ns)
{
    return (double)(bk__eval_clock_now_ns() - start_ns) / 1e9;
}

static int open_dump(struct eval_run *run, const char *path, struct bk_reason *reason)
{
    if (!path) return BK_OK;
    run->dump = fopen(path, "w");
    if (run->dump) return BK_OK;
    return bk_reason_set(reason, bk_error_from_errno(errno), "%s: %s", path, strerror(errno));
}

static int close_dump(struct eval_run *run, const char *path, int code, struct bk_reason *reason)
{
    if (!run->dump) return code;
    bool bad = ferror(run->dump) != 0;
    bad |= fclose(run->dump) != 0;
    if (!bad || code) return code;
    return bk_reason_set(reason, BK_EIO, "%s: %s", path, strerror(errno));
}

static int evaluate(struct eval_run *run, const struct given *given, const struct bk_config *cfg,
                    struct cost *cost, struct bk_reason *reason)
{
    struct bk_state_params params;
    struct bk_weights weights;
    bk_state_params_from_config(cfg, &params);
    bk_weights_default(&weights);
    if (bk_weights_parse(&weights, cfg->rank_weights, reason) != BK_OK) return BK_EINVAL;
    int64_t start_ns = bk__eval_clock_now_ns();
    int code = bk__eval_load(run, reason);
    if (code) return code;
    cost->load_s = seconds_since(start_ns);
    if (bk__eval_engine_init(&run->engine, &params, &weights))
        return bk_reason_set(reason, BK_ENOMEM, "no memory for the engine");
    if (!bk__eval_beyond_init(run)) return bk_reason_set(reason, BK_ENOMEM, "out of memory");
    if (given->items && (code = bk__eval_items_read(run, given->items, reason)) != BK_OK)
        return code;
    code = open_dump(run, given->dump, reason);
    if (code) return code;
    start_ns = bk__eval_clock_now_ns();
    code = bk__eval_play(run, reason);
    cost->play_s = seconds_since(start_ns);
    return close_dump(run, given->dump, code, reason);
}

/* ---- the report ---- */

static double calls_per_second(const struct eval_clock *clock)
{
    double busy_s = (double)clock->total_ns / 1e9;
    return busy_s > 0 ? (double)clock->calls / busy_s : 0.0;
}

static void put_clock(struct bk_buf *out, const char *name, const struct eval_clock *clock)
{
    bk_buf_printf(out, ", \"%s\": {\"calls\": %llu, \"median_ns\": %llu, \"p99_ns\": %llu}", name,
                  (unsigned long long)clock->calls,
                  (unsigned long long)bk__eval_clock_quantile_ns(clock, 0.5),
                  (unsigned long long)bk__eval_clock_quantile_ns(clock, 0.99));
}

static void put_cost_json(const struct eval_run *run, const struct cost *cost, struct bk_buf *out)
{
    bk_buf_printf(out, ", \"load_s\": %.3f, \"play_s\": %.3f, \"queries_per_s\": %.0f",
                  cost->load_s, cost->play_s, calls_per_second(&run->engine.rank));
    put_clock(out, "apply", &run->engine.apply);
    put_clock(out, "rank", &run->engine.rank);
    put_clock(out, "encode", &run->engine.encode);
    put_clock(out, "refresh", &run->engine.refresh);
    bk_buf_printf(out, ", \"refreshes_per_s\": %.0f", calls_per_second(&run->engine.refresh));
    bk_buf_printf(out, ", \"state_bytes\": %llu",
                  (unsigned long long)bk_engine_bytes(&run->engine.engine));
}

static void put_beyond_json(const struct eval_run *run, struct bk_buf *out)
{
    struct eval_beyond_figures figures;
    if (!bk__eval_beyond_figures(run, &figures)) return;
    bk_buf_printf(out,
                  ", \"beyond\": {\"coverage@10\": %.6f, \"diversity@10\": %.6f, "
                  "\"popularity_rank_listed\": %.1f, \"popularity_rank_wanted\": %.1f}",
                  figures.coverage, figures.diversity, figures.rank_listed, figures.rank_wanted);
}

static void tell_beyond(const struct eval_run *run)
{
    struct eval_beyond_figures figures;
    if (!bk__eval_beyond_figures(run, &figures)) return;
    fprintf(stderr,
            "beyond accuracy: coverage@10 %.4f, diversity@10 %.4f, mean popularity rank %.1f of "
            "what was listed, %.1f of what was wanted\n",
            figures.coverage, figures.diversity, figures.rank_listed, figures.rank_wanted);
}

static void tell_clock(const char *name, const struct eval_clock *clock)
{
    fprintf(stderr, "%s: %llu calls, median %llu ns, p99 %llu ns\n", name,
            (unsigned long long)clock->calls,
            (unsigned long long)bk__eval_clock_quantile_ns(clock, 0.5),
            (unsigned long long)bk__eval_clock_quantile_ns(clock, 0.99));
}

static void tell_cost(const struct eval_run *run, const struct cost *cost)
{
    fprintf(stderr,
            "read %.2f s, learned and asked %.2f s, %.0f refreshes/s of a core, state %.1f MB\n",
            cost->load_s, cost->play_s, calls_per_second(&run->engine.refresh),
            (double)bk_engine_bytes(&run->engine.engine) / 1e6);
    tell_clock("apply", &run->engine.apply);
    tell_clock("rank", &run->engine.rank);
    tell_clock("encode", &run->engine.encode);
    tell_clock("refresh (apply + rank + encode)", &run->engine.refresh);
}

/* What a limit turned away belongs beside numbers that it may have changed. */
static void tell_limits(const struct eval_run *run)
{
    for (unsigned i = 0; i < BK_STATE_COUNTER_COUNT; i++) {
        uint64_t count = bk_engine_counter(&run->engine.engine, (enum bk_state_counter)i);
        if (count && i != BK_STATE_SESSIONS_STARTED)
            fprintf(stderr, "%s %llu\n", bk_state_counter_label((enum bk_state_counter)i),
                    (unsigned long long)count);
    }
    if (run->engine.lines_cut)
        fprintf(stderr, "lines over 2000 left out %llu\n",
                (unsigned long long)run->engine.lines_cut);
    if (run->shown_left_out)
        fprintf(stderr, "shown items left out of lists %llu\n",
                (unsigned long long)run->shown_left_out);
}

static int report(const struct eval_run *run, const struct given *given, const struct cost *cost)
{
    struct bk_buf out = {0};
    bk__eval_report_json(&run->metrics, &out);
    if (given->json) put_beyond_json(run, &out);
    if (given->json) put_cost_json(run, cost, &out);
    bk_buf_cstr(&out, "}\n");
    if (!given->json) {
        bk__eval_report_line(&run->metrics, &out);
        bk_buf_char(&out, '\n');
        tell_beyond(run);
        tell_cost(run, cost);
    }
    tell_limits(run);
    int code = bk__cli_print(&out);
    bk_buf_deinit(&out);
    return code;
}

/* ---- the subcommand ---- */

static int run(const struct given *given, const struct cli_line *line)
{
    struct eval_run *its = calloc(1, sizeof *its);
    struct cost cost = {0};
    struct bk_reason reason = {""};
    if (!its) return bk__cli_fail(BK_EXIT_BUG, "out of memory");
    its->options = &given->eval;
    int error = evaluate(its, given, line->cfg, &cost, &reason);
    int code =
        error ? bk__cli_fail(bk__cli_exit_of(error), "%s", reason.text) : report(its, given, &cost);
    bk__eval_beyond_deinit(its);
    bk__eval_engine_deinit(&its->engine);
    bk__eval_metrics_deinit(&its->metrics);
    bk__shop_set_deinit(&its->set);
    free(its);
    return code;
}

int bk_cmd_evaluate(int argc, char **argv)
{
    struct given given = {.eval = {.task = EVAL_TASK_COUNT, .context = BK_CONTEXT_COUNT}};
    struct cli_line line;
    int code = bk__cli_line_read(&line, &usage, argc, argv, on_option, &given);
    if (code != BK_CLI_GO_ON) return code;
    code = check_use(&given, &line);
    if (code == BK_EXIT_OK) code = run(&given, &line);
    bk__cli_line_end(&line);
    return code;
}
