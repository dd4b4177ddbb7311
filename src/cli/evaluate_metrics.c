/* evaluate_metrics.c -- see evaluate_metrics.h. A table says which series a task has and in which
 * order they are told. */
#include "evaluate_metrics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "basketry/shop_ids.h"

enum measure { HIT, RECIPROCAL, RECALL, NDCG, REPEAT, EXPLORE };
enum scope { ALL, LATE };
enum aggregate { MEAN, ERROR, COVERAGE, COUNT_LATE };

/* A figure: an aggregate of a series. Rows with the same measure, k and scope share one series. */
struct figure_row {
    const char *name;
    enum measure measure;
    uint32_t k;
    enum scope scope;
    enum aggregate aggregate;
};

/* clang-format off */
static const struct figure_row next_item[] = {
    {"hr@10",             HIT,        10, ALL,  MEAN},
    {"mrr@10",            RECIPROCAL, 10, ALL,  MEAN},
    {"hr@20",             HIT,        20, ALL,  MEAN},
    {"mrr@20",            RECIPROCAL, 20, ALL,  MEAN},
    {"hr@20_se",          HIT,        20, ALL,  ERROR},
    {"coverage@20",       HIT,        20, ALL,  COVERAGE},
};
static const struct figure_row next_basket[] = {
    {"recall@10",         RECALL,     10, ALL,  MEAN},
    {"ndcg@10",           NDCG,       10, ALL,  MEAN},
    {"recall@20",         RECALL,     20, ALL,  MEAN},
    {"ndcg@20",           NDCG,       20, ALL,  MEAN},
    {"phr@10",            HIT,        10, ALL,  MEAN},
    {"repeat_recall@10",  REPEAT,     10, ALL,  MEAN},
    {"explore_recall@10", EXPLORE,    10, ALL,  MEAN},
    {"repeat_recall@20",  REPEAT,     20, ALL,  MEAN},
    {"explore_recall@20", EXPLORE,    20, ALL,  MEAN},
    {"recall@10_se",      RECALL,     10, ALL,  ERROR},
};
static const struct figure_row basket_completion[] = {
    {"recall@10",         RECALL,     10, ALL,  MEAN},
    {"hr@10",             HIT,        10, ALL,  MEAN},
    {"recall@10_se",      RECALL,     10, ALL,  ERROR},
};
static const struct figure_row prequential_basket[] = {
    {"recall@10",         RECALL,     10, ALL,  MEAN},
    {"phr@10",            HIT,        10, ALL,  MEAN},
    {"recall@10_late",    RECALL,     10, LATE, MEAN},
    {"phr@10_late",       HIT,        10, LATE, MEAN},
    {"recall@10_se",      RECALL,     10, ALL,  ERROR},
    {"queries_late",      RECALL,     10, LATE, COUNT_LATE},
};
static const struct {
    const char *name;
    const struct figure_row *row;
    size_t rows;
    uint32_t list_size;
} tasks[EVAL_TASK_COUNT] = {
    [EVAL_NEXT_ITEM]          = {"next-item",          next_item,          BK_COUNTOF(next_item), 20},
    [EVAL_NEXT_BASKET]        = {"next-basket",        next_basket,        BK_COUNTOF(next_basket), 20},
    [EVAL_BASKET_COMPLETION]  = {"basket-completion",  basket_completion,  BK_COUNTOF(basket_completion), 10},
    [EVAL_PREQUENTIAL_BASKET] = {"prequential-basket", prequential_basket, BK_COUNTOF(prequential_basket), 10},
};
/* clang-format on */

const char *bk__eval_task_name(enum eval_task task)
{
    return tasks[task].name;
}

uint32_t bk__eval_list_size(enum eval_task task)
{
    return tasks[task].list_size;
}

enum eval_task bk__eval_task_parse(const char *name)
{
    unsigned task = 0;
    while (task < EVAL_TASK_COUNT && strcmp(tasks[task].name, name) != 0) task++;
    return (enum eval_task)task;
}

/* ---- counting ---- */

bool bk__eval_metrics_init(struct eval_metrics *metrics, enum eval_task task, uint32_t item_max,
                           uint32_t known)
{
    size_t items = (size_t)item_max + 1;
    BK_ASSERT(tasks[task].rows <= EVAL_SERIES_MAX && known <= item_max);
    *metrics = (struct eval_metrics){
        .task = task,
        .item_max = item_max,
        .known = known,
        .target_of = calloc(items, sizeof *metrics->target_of),
        .history_of = calloc(items, sizeof *metrics->history_of),
        .covered = calloc(items, sizeof *metrics->covered),
    };
    if (metrics->target_of && metrics->history_of && metrics->covered) return true;
    bk__eval_metrics_deinit(metrics);
    return false;
}

void bk__eval_metrics_deinit(struct eval_metrics *metrics)
{
    for (size_t i = 0; i < EVAL_SERIES_MAX; i++) free(metrics->series[i].value);
    free(metrics->target_of);
    free(metrics->history_of);
    free(metrics->covered);
    *metrics = (struct eval_metrics){0};
}

static bool is_target(const struct eval_metrics *metrics, uint32_t item)
{
    return metrics->target_of[item] == metrics->queries;
}

static bool in_history(const struct eval_metrics *metrics, uint32_t item)
{
    return metrics->history_of[item] == metrics->queries;
}

/* How many of these are targets, and repeats (want 1), new (want 0) or either (want -1). */
static uint32_t count_targets(const struct eval_metrics *metrics, const uint32_t *item,
                              uint32_t count, int want)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < count; i++)
        found += is_target(metrics, item[i]) && (want < 0 || in_history(metrics, item[i]) == want);
    return found;
}

static double reciprocal_rank(const struct eval_metrics *metrics, const struct eval_query *query,
                              uint32_t shown)
{
    for (uint32_t i = 0; i < shown; i++)
        if (is_target(metrics, query->list[i])) return 1.0 / (i + 1);
    return 0.0;
}

static double ndcg(const struct eval_metrics *metrics, const struct eval_query *query,
                   uint32_t shown, uint32_t k)
{
    double gain = 0.0, ideal = 0.0;
    for (uint32_t i = 0; i < shown; i++)
        if (is_target(metrics, query->list[i])) gain += 1.0 / log2(i + 2.0);
    for (uint32_t i = 0; i < k && i < query->target_count; i++) ideal += 1.0 / log2(i + 2.0);
    return gain / ideal;
}

/* The query's value of a measure; false when the measure has nothing to say about it. */
static bool measure_query(const struct eval_metrics *metrics, const struct eval_query *query,
                          const struct figure_row *row, double *value)
{
    uint32_t shown = query->list_count < row->k ? query->list_count : row->k;
    int want = row->measure == REPEAT ? 1 : row->measure == EXPLORE ? 0 : -1;
    uint32_t hits = count_targets(metrics, query->list, shown, want);
    uint32_t of = count_targets(metrics, query->target, query->target_count, want);
    if (row->measure == HIT)
        *value = hits > 0;
    else if (row->measure == RECIPROCAL)
        *value = reciprocal_rank(metrics, query, shown);
    else if (row->measure == NDCG)
        *value = ndcg(metrics, query, shown, row->k);
    else
        *value = of ? (double)hits / of : 0.0;
    return of > 0 && (row->scope == ALL || query->late);
}

static void append(struct eval_metrics *metrics, struct eval_series *series, double value)
{
    void *array = series->value;
    if (!bk_shop_grow(&array, series->count, &series->cap, sizeof value)) {
        metrics->failed = true;
        return;
    }
    series->value = array;
    series->value[series->count++] = value;
}

void bk__eval_metrics_add(struct eval_metrics *metrics, const struct eval_query *query)
{
    metrics->queries++;
    metrics->late += query->late;
    for (uint32_t i = 0; i < query->target_count; i++)
        metrics->target_of[query->target[i]] = metrics->queries;
    for (size_t i = 0; i < query->history_count; i++)
        metrics->history_of[query->history[i]] = metrics->queries;
    for (uint32_t i = 0; i < query->list_count; i++) metrics->covered[query->list[i]] = true;
    for (size_t i = 0; i < tasks[metrics->task].rows; i++) {
        const struct figure_row *row = &tasks[metrics->task].row[i];
        double value;
        if (row->aggregate != MEAN) continue; /* the others look at a series of these */
        if (measure_query(metrics, query, row, &value)) append(metrics, &metrics->series[i], value);
    }
}

/* ---- figures ---- */

static double mean(const struct eval_series *series)
{
    double sum = 0.0;
    for (size_t i = 0; i < series->count; i++) sum += series->value[i];
    return series->count ? sum / (double)series->count : 0.0;
}

static double standard_error(const struct eval_series *series)
{
    if (series->count < 2) return 0.0;
    double centre = mean(series), sum = 0.0, n = (double)series->count;
    for (size_t i = 0; i < series->count; i++) {
        double off = series->value[i] - centre;
        sum += off * off;
    }
    return sqrt(sum / (n - 1) / n);
}

static double coverage(const struct eval_metrics *metrics)
{
    uint32_t covered = 0;
    for (uint32_t item = 1; item <= metrics->known; item++) covered += metrics->covered[item];
    return metrics->known ? (double)covered / metrics->known : 0.0;
}

/* The series a row is about: that of the first row with its measure. */
static const struct eval_series *series_of(const struct eval_metrics *metrics,
                                           const struct figure_row *row)
{
    const struct figure_row *rows = tasks[metrics->task].row;
    size_t i = 0;
    while (rows[i].measure != row->measure || rows[i].k != row->k || rows[i].scope != row->scope)
        i++;
    return &metrics->series[i];
}

static double rounded(double value)
{
    char text[64];
    snprintf(text, sizeof text, "%.6f", value);
    return strtod(text, NULL);
}

static double aggregate(const struct eval_metrics *metrics, const struct figure_row *row)
{
    switch (row->aggregate) {
    case MEAN:
        return rounded(mean(series_of(metrics, row)));
    case ERROR:
        return rounded(standard_error(series_of(metrics, row)));
    case COVERAGE:
        return rounded(coverage(metrics));
    case COUNT_LATE:
        break;
    }
    return (double)metrics->late;
}

size_t bk__eval_metrics_figures(const struct eval_metrics *metrics,
                                struct eval_figure figure[EVAL_FIGURES_MAX])
{
    size_t rows = tasks[metrics->task].rows;
    figure[0] = (struct eval_figure){"queries", (double)metrics->queries, true};
    for (size_t i = 0; i < rows; i++) {
        const struct figure_row *row = &tasks[metrics->task].row[i];
        figure[i + 1] =
            (struct eval_figure){row->name, aggregate(metrics, row), row->aggregate == COUNT_LATE};
    }
    return rows + 1;
}

void bk__eval_write_rounded(struct bk_buf *out, double value)
{
    char text[64];
    int digits = 1;
    do /* at most six significant decimals, so 17 always do */
        snprintf(text, sizeof text, "%.*g", digits, value);
    while (strtod(text, NULL) != value && ++digits <= 17);
    bk_buf_cstr(out, text);
    if (!strpbrk(text, ".en")) bk_buf_cstr(out, ".0");
}

void bk__eval_report_json(const struct eval_metrics *metrics, struct bk_buf *out)
{
    struct eval_figure figure[EVAL_FIGURES_MAX];
    size_t count = bk__eval_metrics_figures(metrics, figure);
    bk_buf_printf(out, "{\"protocol\": \"%s\"", bk__eval_task_name(metrics->task));
    for (size_t i = 0; i < count; i++) {
        bk_buf_printf(out, ", \"%s\": ", figure[i].name);
        if (figure[i].whole)
            bk_buf_printf(out, "%.0f", figure[i].value);
        else
            bk__eval_write_rounded(out, figure[i].value);
    }
}

void bk__eval_report_line(const struct eval_metrics *metrics, struct bk_buf *out)
{
    struct eval_figure figure[EVAL_FIGURES_MAX];
    size_t count = bk__eval_metrics_figures(metrics, figure);
    bk_buf_printf(out, "protocol %s", bk__eval_task_name(metrics->task));
    for (size_t i = 0; i < count; i++)
        bk_buf_printf(out, figure[i].whole ? "  %s %.0f" : "  %s %.4f", figure[i].name,
                      figure[i].value);
}
