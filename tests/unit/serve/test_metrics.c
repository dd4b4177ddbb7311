/* test_metrics.c -- the table of counters and its three faces; histograms against a sorted list. */
#include "basketry/metrics.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct bk_metrics metrics;

static int set_up(void **state)
{
    (void)state;
    memset(&metrics, 0, sizeof metrics);
    return 0;
}

static char *prometheus(void)
{
    struct bk_buf out = {0};
    bk_metrics_prometheus(&metrics, &out);
    assert_false(out.failed);
    return out.p;
}

static void has_line(const char *text, const char *line)
{
    char wanted[256];
    snprintf(wanted, sizeof wanted, "\n%s\n", line);
    if (!strstr(text, wanted)) fail_msg("no line '%s' in\n%s", line, text);
}

static void a_slot_shows_under_its_label(void **state)
{
    (void)state;
    bk_metrics_add(&metrics, BK_METRIC_RECORDS + BK_VERDICT_BAD_UTF8, 3);
    bk_metrics_add(&metrics, BK_METRIC_RECORDS + BK_VERDICT_NO_CONSENT, 5);
    bk_metrics_add(&metrics, BK_METRIC_EVENTS_APPLIED + BK_EVENT_CUSTOMER, 7);
    bk_metrics_add(&metrics, BK_METRIC_REDIS_ANSWERS + BK_OUTCOME_REFUSED, 9);
    bk_metrics_add(&metrics, BK_METRIC_PAUSES_OUTAGE, 11);
    bk_metrics_set(&metrics, BK_METRIC_UPTIME, 61007);
    char *text = prometheus();
    has_line(text, "basketry_records_total{verdict=\"bad_utf8\"} 3");
    has_line(text, "basketry_records_total{verdict=\"no_consent\"} 5");
    has_line(text, "basketry_events_applied_total{kind=\"Customer\"} 7");
    has_line(text, "basketry_redis_answers_total{outcome=\"refused\"} 9");
    has_line(text, "basketry_intake_pauses_total{reason=\"outage\"} 11");
    has_line(text, "basketry_intake_pauses_total{reason=\"window\"} 0");
    has_line(text, "basketry_uptime_seconds 61.007");
    has_line(text, "basketry_build_info{version=\"" BK_VERSION "\"} 1");
    free(text);
}

static void every_slot_is_one_series_and_families_stand_together(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < BK_METRIC_COUNT; i++) metrics.v[i] = 1000000 + i;
    char *text = prometheus(), seen[128][64];
    size_t families = 0, series = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        if (strncmp(line, "# TYPE ", 7) == 0) {
            char name[64] = "";
            sscanf(line + 7, "%63s", name);
            for (size_t i = 0; i < families; i++) assert_string_not_equal(seen[i], name);
            memcpy(seen[families++], name, sizeof name);
            assert_int_equal(strncmp(name, "basketry_", 9), 0);
            bool counter = strstr(line, " counter") != NULL;
            assert_int_equal(counter, strcmp(name + strlen(name) - 6, "_total") == 0);
        } else if (line[0] != '#' && !strstr(line, "_bucket") && !strstr(line, "_info")) {
            assert_int_equal(strncmp(line, seen[families - 1], strlen(seen[families - 1])), 0);
            series++;
        }
    }
    assert_int_equal(series, BK_METRIC_COUNT + 2 * BK_HISTOGRAM_COUNT);
    free(text);
}

static void json_holds_every_family_as_a_number_or_by_label(void **state)
{
    (void)state;
    bk_metrics_add(&metrics, BK_METRIC_RECORDS + BK_VERDICT_OK, 42);
    bk_metrics_add(&metrics, BK_METRIC_PAUSES_LETTERS, 2);
    bk_metrics_set(&metrics, BK_METRIC_LISTS_DIRTY, 8);
    bk_histogram_add(&metrics.histogram[BK_HISTOGRAM_EVENT_TO_PUBLISH], 2500);
    struct bk_buf out = {0};
    bk_metrics_json(&metrics, &out);
    json_error_t error;
    json_t *root = json_loads(out.p, JSON_REJECT_DUPLICATES, &error);
    if (!root) fail_msg("%s in %s", error.text, out.p);
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(root, "basketry_records_total"), "ok")),
        42);
    assert_int_equal(json_object_size(json_object_get(root, "basketry_records_total")),
                     BK_VERDICT_COUNT);
    assert_int_equal(json_integer_value(json_object_get(
                         json_object_get(root, "basketry_intake_pauses_total"), "letters")),
                     2);
    assert_int_equal(json_integer_value(json_object_get(root, "basketry_lists_dirty")), 8);
    json_t *age = json_object_get(root, "basketry_event_to_publish_seconds");
    assert_true(json_real_value(json_object_get(age, "p50")) == 0.0025);
    assert_true(json_real_value(json_object_get(age, "max")) == 0.0025);
    json_decref(root);
    bk_buf_deinit(&out);
}

static void buckets_follow_each_other_without_gap(void **state)
{
    (void)state;
    uint64_t low = 0;
    for (uint32_t i = 0; i + 1 < BK_HISTOGRAM_BUCKETS; i++) {
        uint64_t high = bk_histogram_bucket_high(i);
        assert_true(high > low);
        assert_int_equal(bk_histogram_bucket((int64_t)low + 1), i);
        assert_int_equal(bk_histogram_bucket((int64_t)high), i);
        assert_true((high - low) * 16 <= high + 15);
        low = high;
    }
    assert_int_equal(low, 1ull << BK_HISTOGRAM_TOP_BITS);
    assert_int_equal(bk_histogram_bucket((int64_t)low + 1), BK_HISTOGRAM_BUCKETS - 1);
    assert_int_equal(bk_histogram_bucket(INT64_MAX), BK_HISTOGRAM_BUCKETS - 1);
    assert_int_equal(bk_histogram_bucket(-5), 0);
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static void prop_quantiles_are_at_most_a_sixteenth_too_long(void **state)
{
    (void)state;
    const char *env = getenv("BK_SEED");
    uint64_t seed = env ? strtoull(env, NULL, 0) : 0xa9e;
    static const double qs[] = {0.0, 0.5, 0.9, 0.99, 0.999, 1.0};
    for (uint64_t round = 0; round < 200; round++) {
        struct bk_histogram histogram = {0};
        int64_t values[500];
        size_t count = 1 + bk_mix(seed + round) % 500;
        for (size_t i = 0; i < count; i++) {
            uint64_t random = bk_mix(seed + round * 1000 + i);
            values[i] = (int64_t)(random >> (20 + random % 40));
            bk_histogram_add(&histogram, values[i]);
        }
        qsort(values, count, sizeof *values, by_size);
        for (size_t i = 0; i < BK_COUNTOF(qs); i++) {
            size_t rank = (size_t)(qs[i] * (double)count + 0.999999);
            uint64_t truth = (uint64_t)values[rank ? rank - 1 : 0],
                     told = bk_histogram_quantile_us(&histogram, qs[i]);
            uint64_t bound = truth + truth / 16 + 1;
            if (truth >> BK_HISTOGRAM_TOP_BITS) bound = histogram.max_us;
            if (told < truth || told > bound)
                fail_msg("BK_SEED=%#llx round %llu q %g: told %llu, is %llu",
                         (unsigned long long)seed, (unsigned long long)round, qs[i],
                         (unsigned long long)told, (unsigned long long)truth);
        }
    }
}

static void prometheus_buckets_are_cumulative_and_exact_at_their_bounds(void **state)
{
    (void)state;
    struct bk_histogram *age = &metrics.histogram[BK_HISTOGRAM_EVENT_TO_PUBLISH];
    bk_histogram_add(age, 128);
    bk_histogram_add(age, 129);
    bk_histogram_add(age, 1024);
    bk_histogram_add(age, 3600000000);
    char *text = prometheus();
    has_line(text, "basketry_event_to_publish_seconds_bucket{le=\"0.000128\"} 1");
    has_line(text, "basketry_event_to_publish_seconds_bucket{le=\"0.000256\"} 2");
    has_line(text, "basketry_event_to_publish_seconds_bucket{le=\"0.000512\"} 2");
    has_line(text, "basketry_event_to_publish_seconds_bucket{le=\"0.001024\"} 3");
    has_line(text, "basketry_event_to_publish_seconds_bucket{le=\"67.108864\"} 3");
    has_line(text, "basketry_event_to_publish_seconds_bucket{le=\"+Inf\"} 4");
    has_line(text, "basketry_event_to_publish_seconds_sum 3600.001281");
    has_line(text, "basketry_event_to_publish_seconds_count 4");
    free(text);
}

static void an_empty_histogram_has_no_age(void **state)
{
    (void)state;
    assert_int_equal(bk_histogram_quantile_us(&metrics.histogram[0], 0.99), 0);
}

static void the_reference_beside_the_code_is_current(void **state)
{
    (void)state;
    const char *source = getenv("BK_SOURCE_DIR");
    char path[512], chunk[4096];
    if (!source) skip();
    snprintf(path, sizeof path, "%s/src/serve/METRICS.md", source);
    struct bk_buf want = {0}, have = {0};
    bk_metrics_reference(&want);
    FILE *file = fopen(path, "r");
    size_t got;
    while (file && (got = fread(chunk, 1, sizeof chunk, file))) bk_buf_bytes(&have, chunk, got);
    if (file) fclose(file);
    if (!have.p || strcmp(want.p, have.p) != 0)
        fail_msg("src/serve/METRICS.md is out of date; run: basketry check-config "
                 "--metrics-reference > src/serve/METRICS.md");
    bk_buf_deinit(&want), bk_buf_deinit(&have);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_slot_shows_under_its_label, set_up),
        cmocka_unit_test_setup(every_slot_is_one_series_and_families_stand_together, set_up),
        cmocka_unit_test_setup(json_holds_every_family_as_a_number_or_by_label, set_up),
        cmocka_unit_test_setup(buckets_follow_each_other_without_gap, set_up),
        cmocka_unit_test_setup(prop_quantiles_are_at_most_a_sixteenth_too_long, set_up),
        cmocka_unit_test_setup(prometheus_buckets_are_cumulative_and_exact_at_their_bounds, set_up),
        cmocka_unit_test_setup(an_empty_histogram_has_no_age, set_up),
        cmocka_unit_test_setup(the_reference_beside_the_code_is_current, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
