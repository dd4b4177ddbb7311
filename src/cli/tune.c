/* tune.c -- `basketry tune`: weights of the blend, chosen on training data alone.
 *
 * THE IDEA
 *   Several data sets, one configuration: a choice is worth the mean over the sets of how much the
 *   metric changed, so no set counts for being large or easy. Coordinate ascent: one weight at a
 *   time is made larger or smaller by a factor, what is better stays; when a whole round over the
 *   weights brought nothing the factor shrinks to its root. The seed says in which order and
 *   direction; the same seed gives the same answer.
 * DATA        The protocols are played one step earlier (evaluate_split.c): of what `evaluate` asks
 *             for nothing is seen, and a file of test sessions cannot even be named.
 * COST        a trial plays every set once.
 */
#include "evaluate.h"

#include <math.h>
#include <stdlib.h>

#include "basketry/pipeline.h"

#include "cli.h"

enum { TASK, DROP, ROUNDS, SEED };

static const struct cli_option options[] = {
    [TASK] = {"task", 't', "TASK",
              "next-item, next-basket, basket-completion or prequential-basket"},
    [DROP] = {"drop", 0, "REGEX", "leave out items whose whole id matches (extended regex)"},
    [ROUNDS] = {"rounds", 0, "N", "weights to try, 1 to 10000 (default 30)"},
    [SEED] = {"seed", 0, "N", "of the order in which they are tried (default 1)"},
};

static const struct cli_usage usage = {
    "tune --task TASK [--drop REGEX] [--rounds N] [--seed N] FILE...",
    "Looks for weights that serve all the data sets better, and prints the lines of a\n"
    "configuration. The files are those of `evaluate`: training sessions for next-item, else\n"
    "events.tsv. Only their training part is used, and of it the end is asked for. It starts from\n"
    "the weights of the configuration; those of 0 stay 0.",
    options,
    BK_COUNTOF(options),
    "examples:\n"
    "  basketry tune --task basket-completion --rounds 50 a/events.tsv.zst b/events.tsv.zst > "
    "tuned.ini\n"
    "  basketry tune --task next-item -X rank.weights=home_live.session_knn=1 "
    "train_sessions.txt.zst",
};

enum { SETS_MAX = 16, ROUNDS_MAX = 10000, ROUNDS_DEFAULT = 30 };

/* Weights are tried between these, with three digits: what is printed is what was measured. */
#define WEIGHT_MIN  0.001
#define WEIGHT_MAX  900.0
#define FACTOR      4.0
#define FACTOR_LAST 1.05

struct given {
    enum eval_task task;
    const char *drop;
    int64_t rounds, seed;
};

struct tune_set {
    struct eval_options options;
    struct eval_run run; /* loaded once, played often */
    double before, best;
};

struct tune {
    struct given given;
    struct bk_state_params params;
    enum bk_situation situation;
    struct tune_set set[SETS_MAX];
    size_t sets;
    struct bk_weights best;
    double worth; /* of the best, 0 = as it was */
    uint64_t chance;
};

/* ---- options ---- */

static int take_number(const char *name, const char *value, int64_t least, int64_t most,
                       int64_t *out)
{
    if (bk_shop_integer(bk_str_c(value), out) && *out >= least && *out <= most) return BK_CLI_GO_ON;
    return bk__cli_fail(BK_EXIT_USAGE, "--%s %s: not a number from %lld to %lld", name, value,
                        (long long)least, (long long)most);
}

static int on_option(void *arg, size_t which, const char *value)
{
    struct given *given = arg;
    switch (which) {
    case TASK:
        given->task = bk__eval_task_parse(value);
        if (given->task < EVAL_TASK_COUNT) return BK_CLI_GO_ON;
        return bk__cli_fail(BK_EXIT_USAGE, "--task %s: no such task", value);
    case DROP:
        given->drop = value;
        return BK_CLI_GO_ON;
    case ROUNDS:
        return take_number("rounds", value, 1, ROUNDS_MAX, &given->rounds);
    default:
        return take_number("seed", value, 0, INT32_MAX, &given->seed);
    }
}

/* ---- the sets ---- */

static enum bk_situation situation_of(enum eval_task task)
{
    switch (task) {
    case EVAL_NEXT_ITEM:
        return BK_SITUATION_HOME_LIVE;
    case EVAL_BASKET_COMPLETION:
        return BK_SITUATION_CART;
    default:
        return BK_SITUATION_HOME_REST;
    }
}

static int load(struct tune *tune, const char *path, struct bk_reason *reason)
{
    struct tune_set *set = &tune->set[tune->sets++];
    set->options = (struct eval_options){
        .task = tune->given.task,
        .train = path,
        .data = path,
        .drop = tune->given.drop,
        .user_sample = tune->given.task == EVAL_NEXT_BASKET ? EVAL_VALIDATION_MAX : 0,
        .context = BK_CONTEXT_COUNT,
    };
    set->run.options = &set->options;
    int code = bk__eval_load(&set->run, reason);
    if (code == BK_OK) code = bk__eval_hold_back(&set->run, reason);
    return code;
}

static double figure_of(const struct eval_metrics *metrics, const char *name)
{
    struct eval_figure figure[EVAL_FIGURES_MAX];
    size_t count = bk__eval_metrics_figures(metrics, figure);
    for (size_t i = 0; i < count; i++)
        if (strcmp(figure[i].name, name) == 0) return figure[i].value;
    return 0.0;
}

/* What the choice goes by: hit rate and rank of a next item, recall of a basket. */
static double metric_of(const struct eval_metrics *metrics)
{
    return metrics->task == EVAL_NEXT_ITEM
               ? figure_of(metrics, "hr@20") + figure_of(metrics, "mrr@20")
               : figure_of(metrics, "recall@10");
}

static int play(const struct tune *tune, struct tune_set *set, const struct bk_weights *weights,
                double *metric, struct bk_reason *reason)
{
    if (bk__eval_engine_init(&set->run.engine, &tune->params, weights))
        return bk_reason_set(reason, BK_ENOMEM, "no memory for the engine");
    int code = bk__eval_play(&set->run, reason);
    if (code == BK_OK) *metric = metric_of(&set->run.metrics);
    bk__eval_engine_deinit(&set->run.engine);
    bk__eval_metrics_deinit(&set->run.metrics);
    return code;
}

static int measure_before(struct tune *tune, struct bk_reason *reason)
{
    for (size_t i = 0; i < tune->sets; i++) {
        struct tune_set *set = &tune->set[i];
        int code = play(tune, set, &tune->best, &set->before, reason);
        if (code) return code;
        if (set->before <= 0.0)
            return bk_reason_set(reason, BK_EINVAL, "%s: no list holds anything that was asked for",
                                 set->options.data);
        set->best = set->before;
        fprintf(stderr, "%s: %.6f\n", set->options.data, set->before);
    }
    return BK_OK;
}

/* ---- the search ---- */

static uint32_t draw(struct tune *tune, uint32_t n)
{
    tune->chance = bk_mix(tune->chance + 0x9e3779b97f4a7c15u);
    return (uint32_t)(tune->chance >> 32) % n;
}

/* Three digits, and no more than four after the point. */
static float rounded(double weight)
{
    double unit = 0.0001;
    while (weight / unit >= 1000.0) unit *= 10.0;
    return (float)(floor(weight / unit + 0.5) * unit);
}

/* Play all sets with other weights; keep them when they are better. */
static int try_weights(struct tune *tune, const struct bk_weights *weights, bool *better,
                       struct bk_reason *reason)
{
    double metric[SETS_MAX], worth = 0.0;
    for (size_t i = 0; i < tune->sets; i++) {
        int code = play(tune, &tune->set[i], weights, &metric[i], reason);
        if (code) return code;
        worth += (metric[i] / tune->set[i].before - 1.0) / (double)tune->sets;
    }
    *better = worth > tune->worth;
    if (!*better) return BK_OK;
    tune->worth = worth;
    tune->best = *weights;
    for (size_t i = 0; i < tune->sets; i++) tune->set[i].best = metric[i];
    return BK_OK;
}

/* The scorers that have a weight, in an order of chance. */
static uint32_t shuffled(struct tune *tune, enum bk_scorer out[BK_SCORER_COUNT])
{
    uint32_t count = 0;
    for (enum bk_scorer scorer = 0; scorer < BK_SCORER_COUNT; scorer++) {
        if (tune->best.weight[tune->situation][scorer] <= 0.0f) continue;
        uint32_t place = draw(tune, count + 1);
        out[count++] = out[place];
        out[place] = scorer;
    }
    return count;
}

/* One weight, first one way, then the other. Returns how many trials that took. */
static int move(struct tune *tune, enum bk_scorer scorer, double factor, int64_t *left,
                bool *better, struct bk_reason *reason)
{
    bool up = draw(tune, 2);
    *better = false;
    for (int way = 0; way < 2 && *left > 0 && !*better; way++, up = !up) {
        struct bk_weights weights = tune->best;
        float *weight = &weights.weight[tune->situation][scorer];
        double moved = up ? (double)*weight * factor : (double)*weight / factor;
        if (moved < WEIGHT_MIN || moved > WEIGHT_MAX) continue;
        *weight = rounded(moved);
        --*left;
        int code = try_weights(tune, &weights, better, reason);
        if (code) return code;
        fprintf(stderr, "%lld left: %s.%s=%g %s, %+.3f %%\n", (long long)*left,
                bk_situation_word(tune->situation), bk_scorer_name(scorer), (double)*weight,
                *better ? "is better" : "is not", tune->worth * 100);
    }
    return BK_OK;
}

static int search(struct tune *tune, struct bk_reason *reason)
{
    int64_t left = tune->given.rounds;
    for (double factor = FACTOR; left > 0 && factor > FACTOR_LAST;) {
        enum bk_scorer scorer[BK_SCORER_COUNT];
        uint32_t count = shuffled(tune, scorer);
        bool any = false;
        if (count < 2) break; /* a single weight changes nothing */
        for (uint32_t i = 0; i < count && left > 0; i++) {
            bool better;
            int code = move(tune, scorer[i], factor, &left, &better, reason);
            if (code) return code;
            any |= better;
        }
        if (!any) factor = sqrt(factor);
    }
    return BK_OK;
}

/* ---- the answer ---- */

static void put_answer(const struct tune *tune, struct bk_buf *out)
{
    bk_buf_printf(out, "# basketry tune --task %s --seed %lld --rounds %lld: %s\n",
                  bk__eval_task_name(tune->given.task), (long long)tune->given.seed,
                  (long long)tune->given.rounds,
                  tune->given.task == EVAL_NEXT_ITEM ? "HR@20 + MRR@20" : "Recall@10");
    for (size_t i = 0; i < tune->sets; i++)
        bk_buf_printf(out, "#   %s: %.6f -> %.6f\n", tune->set[i].options.data, tune->set[i].before,
                      tune->set[i].best);
    bk_buf_cstr(out, "[rank]\nweights = ");
    bool first = true;
    for (enum bk_scorer scorer = 0; scorer < BK_SCORER_COUNT; scorer++) {
        double weight = (double)tune->best.weight[tune->situation][scorer];
        if (weight <= 0.0) continue;
        bk_buf_printf(out, "%s%s.%s=%g", first ? "" : ",", bk_situation_word(tune->situation),
                      bk_scorer_name(scorer), weight);
        first = false;
    }
    bk_buf_char(out, '\n');
}

static int tune_all(struct tune *tune, const struct cli_line *line, struct bk_reason *reason)
{
    tune->situation = situation_of(tune->given.task);
    tune->chance = (uint64_t)tune->given.seed;
    bk_state_params_from_config(line->cfg, &tune->params);
    bk_weights_default(&tune->best);
    int code = bk_weights_parse(&tune->best, line->cfg->rank_weights, reason);
    for (int i = 0; code == BK_OK && i < line->operand_count; i++)
        code = load(tune, line->operands[i], reason);
    if (code == BK_OK) code = measure_before(tune, reason);
    if (code == BK_OK) code = search(tune, reason);
    return code;
}

static int run(const struct given *given, const struct cli_line *line)
{
    struct tune *tune = calloc(1, sizeof *tune);
    struct bk_reason reason = {""};
    struct bk_buf out = {0};
    if (!tune) return bk__cli_fail(BK_EXIT_BUG, "out of memory");
    tune->given = *given;
    int error = tune_all(tune, line, &reason);
    if (!error) put_answer(tune, &out);
    int code =
        error ? bk__cli_fail(bk__cli_exit_of(error), "%s", reason.text) : bk__cli_print(&out);
    bk_buf_deinit(&out);
    for (size_t i = 0; i < tune->sets; i++) bk__shop_set_deinit(&tune->set[i].run.set);
    free(tune);
    return code;
}

static int check_use(const struct given *given, const struct cli_line *line)
{
    if (given->task == EVAL_TASK_COUNT) return bk__cli_fail(BK_EXIT_USAGE, "--task is missing");
    if (line->operand_count < 1 || line->operand_count > SETS_MAX)
        return bk__cli_fail(BK_EXIT_USAGE, "tune takes 1 to %d files, not %d", SETS_MAX,
                            line->operand_count);
    return BK_EXIT_OK;
}

int bk_cmd_tune(int argc, char **argv)
{
    struct given given = {.task = EVAL_TASK_COUNT, .rounds = ROUNDS_DEFAULT, .seed = 1};
    struct cli_line line;
    int code = bk__cli_line_read(&line, &usage, argc, argv, on_option, &given);
    if (code != BK_CLI_GO_ON) return code;
    code = check_use(&given, &line);
    if (code == BK_EXIT_OK) code = run(&given, &line);
    bk__cli_line_end(&line);
    return code;
}
