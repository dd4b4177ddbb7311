/* test_evaluate_metrics.c -- every metric against numbers computed by hand, and the report's
 * digits. */
#include "../../../src/cli/evaluate_metrics.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../../src/cli/evaluate_clock.h"

#include <cmocka.h>

static double figure_of(const struct eval_metrics *metrics, const char *name)
{
    struct eval_figure figure[EVAL_FIGURES_MAX];
    size_t count = bk__eval_metrics_figures(metrics, figure);
    for (size_t i = 0; i < count; i++)
        if (strcmp(figure[i].name, name) == 0) return figure[i].value;
    fail_msg("no figure %s", name);
    return 0;
}

static void expect(const struct eval_metrics *metrics, const char *name, double wanted)
{
    double got = figure_of(metrics, name);
    if (fabs(got - wanted) > 5.1e-7) fail_msg("%s is %.6f, not %.6f", name, got, wanted);
}

/* A list of items from..from+count-1. */
static void ask(struct eval_metrics *metrics, uint32_t from, uint32_t count, uint32_t target)
{
    uint32_t list[20];
    for (uint32_t i = 0; i < count; i++) list[i] = from + i;
    struct eval_query query = {
        .list = list, .list_count = count, .target = &target, .target_count = 1};
    bk__eval_metrics_add(metrics, &query);
}

/* Hits at ranks 2, 15 and none: HR@10 1/3, HR@20 2/3, MRR@10 1/6, MRR@20 (1/2 + 1/15)/3. */
static void next_item_counts_hits_and_ranks(void **state)
{
    struct eval_metrics metrics;
    (void)state;
    assert_true(bk__eval_metrics_init(&metrics, EVAL_NEXT_ITEM, 50, 40));
    ask(&metrics, 1, 20, 2);
    ask(&metrics, 1, 20, 15);
    ask(&metrics, 36, 5, 50);
    expect(&metrics, "queries", 3);
    expect(&metrics, "hr@10", 1.0 / 3);
    expect(&metrics, "mrr@10", 1.0 / 6);
    expect(&metrics, "hr@20", 2.0 / 3);
    expect(&metrics, "mrr@20", (1.0 / 2 + 1.0 / 15) / 3);
    expect(&metrics, "hr@20_se", sqrt((2.0 / 3) / 2 / 3)); /* squares off 2/3: 1/9 + 1/9 + 4/9 */
    expect(&metrics, "coverage@20", 25.0 / 40);
    bk__eval_metrics_deinit(&metrics);
}

/* A list 1..20, targets {1, 3, 12, 30}, history {1, 12, 40}. */
static void next_basket_tells_repeats_from_news(void **state)
{
    uint32_t list[20], target[] = {12, 3, 30, 1}, history[] = {1, 12, 40, 12};
    struct eval_metrics metrics;
    (void)state;
    for (uint32_t i = 0; i < 20; i++) list[i] = i + 1;
    assert_true(bk__eval_metrics_init(&metrics, EVAL_NEXT_BASKET, 50, 0));
    struct eval_query query = {.list = list,
                               .list_count = 20,
                               .target = target,
                               .target_count = 4,
                               .history = history,
                               .history_count = 4};
    bk__eval_metrics_add(&metrics, &query);
    double ideal = 1 + 1 / log2(3) + 1 / log2(4) + 1 / log2(5);
    expect(&metrics, "recall@10", 2.0 / 4);
    expect(&metrics, "recall@20", 3.0 / 4);
    expect(&metrics, "ndcg@10", (1 + 1 / log2(4)) / ideal);
    expect(&metrics, "ndcg@20", (1 + 1 / log2(4) + 1 / log2(13)) / ideal);
    expect(&metrics, "phr@10", 1);
    expect(&metrics, "repeat_recall@10", 1.0 / 2);
    expect(&metrics, "explore_recall@10", 1.0 / 2);
    expect(&metrics, "repeat_recall@20", 2.0 / 2);
    expect(&metrics, "explore_recall@20", 1.0 / 2);
    expect(&metrics, "recall@10_se", 0); /* one query has no spread */
    bk__eval_metrics_deinit(&metrics);
}

/* Repeat recall is over the queries that have repeats to find: the second has none. */
static void a_query_without_repeats_does_not_count_for_repeat_recall(void **state)
{
    uint32_t list[] = {1, 2}, old = 1, fresh = 2;
    struct eval_metrics metrics;
    (void)state;
    assert_true(bk__eval_metrics_init(&metrics, EVAL_NEXT_BASKET, 9, 0));
    struct eval_query query = {.list = list,
                               .list_count = 2,
                               .target = &old,
                               .target_count = 1,
                               .history = &old,
                               .history_count = 1};
    bk__eval_metrics_add(&metrics, &query);
    query.target = &fresh;
    bk__eval_metrics_add(&metrics, &query);
    expect(&metrics, "repeat_recall@10", 1);
    expect(&metrics, "explore_recall@10", 1);
    query.list_count = 0;
    bk__eval_metrics_add(&metrics, &query);
    expect(&metrics, "repeat_recall@10", 1);
    expect(&metrics, "explore_recall@10", 0.5);
    bk__eval_metrics_deinit(&metrics);
}

/* NDCG's ideal stops at k: ten hits of twelve targets in ten places are perfect. */
static void a_list_of_hits_reaches_one_although_the_target_is_longer(void **state)
{
    uint32_t list[10], target[12];
    struct eval_metrics metrics;
    (void)state;
    for (uint32_t i = 0; i < 12; i++) target[i] = i + 1;
    for (uint32_t i = 0; i < 10; i++) list[i] = i + 1;
    assert_true(bk__eval_metrics_init(&metrics, EVAL_NEXT_BASKET, 12, 0));
    struct eval_query query = {
        .list = list, .list_count = 10, .target = target, .target_count = 12};
    bk__eval_metrics_add(&metrics, &query);
    expect(&metrics, "ndcg@10", 1);
    expect(&metrics, "recall@10", 10.0 / 12);
    bk__eval_metrics_deinit(&metrics);
}

/* Recalls 1/2, 0, 1: mean 1/2, deviations 0, 1/2, 1/2. */
static void completion_has_a_standard_error(void **state)
{
    uint32_t list[] = {1, 2, 3}, both[] = {3, 9}, none[] = {8}, all[] = {2};
    struct eval_metrics metrics;
    (void)state;
    assert_true(bk__eval_metrics_init(&metrics, EVAL_BASKET_COMPLETION, 9, 0));
    struct eval_query query = {.list = list, .list_count = 3};
    query.target = both, query.target_count = 2;
    bk__eval_metrics_add(&metrics, &query);
    query.target = none, query.target_count = 1;
    bk__eval_metrics_add(&metrics, &query);
    query.target = all;
    bk__eval_metrics_add(&metrics, &query);
    expect(&metrics, "recall@10", 0.5);
    expect(&metrics, "hr@10", 2.0 / 3);
    expect(&metrics, "recall@10_se", sqrt(0.5 / 2 / 3));
    bk__eval_metrics_deinit(&metrics);
}

static void late_queries_are_counted_beside_all(void **state)
{
    uint32_t list[] = {1}, hit = 1, miss = 2;
    struct eval_metrics metrics;
    (void)state;
    assert_true(bk__eval_metrics_init(&metrics, EVAL_PREQUENTIAL_BASKET, 9, 0));
    struct eval_query query = {.list = list, .list_count = 1, .target = &miss, .target_count = 1};
    bk__eval_metrics_add(&metrics, &query);
    query.late = true;
    bk__eval_metrics_add(&metrics, &query);
    query.target = &hit;
    bk__eval_metrics_add(&metrics, &query);
    expect(&metrics, "recall@10", 1.0 / 3);
    expect(&metrics, "recall@10_late", 0.5);
    expect(&metrics, "phr@10_late", 0.5);
    expect(&metrics, "queries_late", 2);
    bk__eval_metrics_deinit(&metrics);
}

static void the_report_has_the_scorers_own_form(void **state)
{
    struct eval_metrics metrics;
    struct bk_buf json = {0}, line = {0};
    (void)state;
    assert_true(bk__eval_metrics_init(&metrics, EVAL_NEXT_ITEM, 40, 40));
    ask(&metrics, 1, 20, 3);
    ask(&metrics, 1, 10, 3);
    ask(&metrics, 1, 10, 30);
    bk__eval_report_json(&metrics, &json);
    bk__eval_report_line(&metrics, &line);
    assert_string_equal(json.p,
                        "{\"protocol\": \"next-item\", \"queries\": 3, \"hr@10\": 0.666667, "
                        "\"mrr@10\": 0.222222, \"hr@20\": 0.666667, \"mrr@20\": 0.222222, "
                        "\"hr@20_se\": 0.333333, \"coverage@20\": 0.5");
    assert_string_equal(line.p, "protocol next-item  queries 3  hr@10 0.6667  mrr@10 0.2222  "
                                "hr@20 0.6667  mrr@20 0.2222  hr@20_se 0.3333  coverage@20 0.5000");
    bk_buf_deinit(&json);
    bk_buf_deinit(&line);
    bk__eval_metrics_deinit(&metrics);
}

static void numbers_are_written_as_short_as_they_are(void **state)
{
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {0, "0.0"},         {1, "1.0"},         {0.5, "0.5"},          {0.575512, "0.575512"},
        {0.0001, "0.0001"}, {0.00005, "5e-05"}, {0.000012, "1.2e-05"}, {0.1, "0.1"},
        {123.25, "123.25"}};
    (void)state;
    for (size_t i = 0; i < BK_COUNTOF(cases); i++) {
        struct bk_buf out = {0};
        bk__eval_write_rounded(&out, cases[i].value);
        assert_string_equal(out.p, cases[i].text);
        bk_buf_deinit(&out);
    }
}

/* Against sorting: a quantile is at most 1/32 above the sample it stands for, and never below. */
static void prop_a_quantile_is_right_to_three_per_cent(void **state)
{
    enum { SAMPLES = 999 };
    static struct eval_clock clock;
    static int64_t ns[SAMPLES];
    const char *given = getenv("BK_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 0) : 77;
    (void)state;
    print_message("seed %llu\n", (unsigned long long)seed);
    for (int i = 0; i < SAMPLES; i++) {
        uint64_t random = bk_mix(seed + (uint64_t)i);
        ns[i] = (int64_t)((random >> 8) >> (random % 56));
        if (ns[i] > 30000000000) ns[i] = 30000000000;
        bk__eval_clock_add(&clock, ns[i]);
    }
    for (int i = 1; i < SAMPLES; i++)
        for (int j = i; j > 0 && ns[j] < ns[j - 1]; j--) {
            int64_t swap = ns[j];
            ns[j] = ns[j - 1];
            ns[j - 1] = swap;
        }
    for (int i = 1; i <= SAMPLES; i++) {
        uint64_t got = bk__eval_clock_quantile_ns(&clock, (double)i / SAMPLES);
        uint64_t truth = (uint64_t)ns[i - 1];
        if (got < truth || got > truth + truth / 32)
            fail_msg("rank %d: %llu for %llu", i, (unsigned long long)got,
                     (unsigned long long)truth);
    }
    assert_int_equal(clock.calls, SAMPLES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(next_item_counts_hits_and_ranks),
        cmocka_unit_test(next_basket_tells_repeats_from_news),
        cmocka_unit_test(a_query_without_repeats_does_not_count_for_repeat_recall),
        cmocka_unit_test(a_list_of_hits_reaches_one_although_the_target_is_longer),
        cmocka_unit_test(completion_has_a_standard_error),
        cmocka_unit_test(late_queries_are_counted_beside_all),
        cmocka_unit_test(the_report_has_the_scorers_own_form),
        cmocka_unit_test(numbers_are_written_as_short_as_they_are),
        cmocka_unit_test(prop_a_quantile_is_right_to_three_per_cent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
