/* evaluate_metrics.h -- how good ranked lists are, by the metrics of the evaluation protocols.
 *
 * Let L_k be a list's first k items, T the target set (never empty), H the items of the user's
 * history:
 *
 *   hr@k, phr@k        1 when L_k and T share an item, else 0
 *   mrr@k              1 / rank of the (one) target, 0 when it is not in L_k
 *   recall@k           |L_k n T| / |T|
 *   ndcg@k             sum of 1/log2(r + 1) over the hits' ranks r <= k, over the same sum for r = 1 .. min(k, |T|)
 *   repeat_recall@k    |L_k n T n H| / |T n H| over the queries where T n H is not empty; explore_recall@k the same with T \ H
 *   coverage@20        distinct training items in any list / distinct training items
 *
 * Each is the plain mean over its queries, `..._se` the sample standard deviation over
 * sqrt(queries). MEMORY: 8 bytes a query and metric. Values are kept in order and summed in order,
 * so the digits do not depend on anything else.
 */
#ifndef BASKETRY_CLI_EVALUATE_METRICS_H
#define BASKETRY_CLI_EVALUATE_METRICS_H

#include "basketry/base.h"
#include "basketry/buf.h"

enum eval_task {
    EVAL_NEXT_ITEM,
    EVAL_NEXT_BASKET,
    EVAL_BASKET_COMPLETION,
    EVAL_PREQUENTIAL_BASKET,
    EVAL_TASK_COUNT
};
const char *bk__eval_task_name(enum eval_task task);
/** How many items a list of the task has at most. */
uint32_t bk__eval_list_size(enum eval_task task);
/** The task of a name, or EVAL_TASK_COUNT. */
enum eval_task bk__eval_task_parse(const char *name);

struct eval_series {
    double *value;
    size_t count, cap;
};

/** A question, its answer, and what would have been right. Items are numbers of 1 .. item_max. */
struct eval_query {
    const uint32_t *list;
    uint32_t list_count;
    /* distinct                                                               */
    const uint32_t *target;
    uint32_t target_count;
    /* next-basket; repetitions do no harm                                   */
    const uint32_t *history;
    size_t history_count;
    /* prequential-basket                                                                  */
    bool late;
};

enum { EVAL_SERIES_MAX = 10 };

struct eval_metrics {
    enum eval_task task;
    uint32_t item_max;
    /* items 1 .. known are in the training part                                      */
    uint32_t known;
    uint64_t queries, late;
    struct eval_series series[EVAL_SERIES_MAX];
    /* by item: the query it was last a target of                               */
    uint64_t *target_of;
    /* by item: the query it was last in the history of                         */
    uint64_t *history_of;
    bool *covered;
    /* memory was out: the numbers mean nothing                                          */
    bool failed;
};

/** Start counting. False when memory is out. */
BK_MUST_CHECK bool bk__eval_metrics_init(struct eval_metrics *metrics, enum eval_task task,
                                         uint32_t item_max, uint32_t known);
void bk__eval_metrics_deinit(struct eval_metrics *metrics);
void bk__eval_metrics_add(struct eval_metrics *metrics, const struct eval_query *query);

/** One number of the result. */
struct eval_figure {
    const char *name;
    /* rounded to six decimals                                                          */
    double value;
    /* a count                                                                          */
    bool whole;
};
enum { EVAL_FIGURES_MAX = 16 };
/** The results in the protocol's order; returns how many. */
size_t bk__eval_metrics_figures(const struct eval_metrics *metrics,
                                struct eval_figure figure[EVAL_FIGURES_MAX]);

/** The figures as a JSON object without its closing brace: {"protocol": "...", "queries": N,
 *  "name": value ... */
void bk__eval_report_json(const struct eval_metrics *metrics, struct bk_buf *out);
/** The figures as one readable line with four decimals. */
void bk__eval_report_line(const struct eval_metrics *metrics, struct bk_buf *out);
/** A double as JSON's shortest: as many digits as it takes, never more than six decimals. */
void bk__eval_write_rounded(struct bk_buf *out, double value);

#endif
