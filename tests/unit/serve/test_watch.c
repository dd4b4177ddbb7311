/* test_watch.c -- since when a stage is as it is; and the operator's page knows every state. */
#include "basketry/log.h"
#include "basketry/pipeline.h"
#include "basketry/watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct bk_watch watch;

static int set_up(void **state)
{
    (void)state;
    watch = (struct bk_watch){0};
    return 0;
}

static void all_is_well(bk_wall_ms_t now_ms)
{
    bk_watch_look(&watch, BK_STAGE_SOURCE, "assigned", BK_HEALTH_OK, "", now_ms);
    bk_watch_look(&watch, BK_STAGE_SINK, "ready", BK_HEALTH_OK, "", now_ms);
    bk_watch_look(&watch, BK_STAGE_INTAKE, "flowing", BK_HEALTH_OK, "", now_ms);
}

static void a_state_counts_from_its_change_and_health_from_its_own(void **state)
{
    (void)state;
    const struct bk_stage *sink = &watch.stage[BK_STAGE_SINK];
    all_is_well(1000);
    all_is_well(2000);
    assert_int_equal(sink->state_since_ms, 1000);
    bk_watch_look(&watch, BK_STAGE_SINK, "backoff", BK_HEALTH_DOWN, "refused", 3000);
    bk_watch_look(&watch, BK_STAGE_SINK, "stalled", BK_HEALTH_DOWN, "refused", 4000);
    assert_string_equal(sink->state, "stalled");
    assert_int_equal(sink->state_since_ms, 4000);
    assert_int_equal(sink->health_since_ms, 3000); /* one outage, two states */
}

static void the_last_error_is_told_after_it_is_over(void **state)
{
    (void)state;
    const struct bk_stage *source = &watch.stage[BK_STAGE_SOURCE];
    all_is_well(1000);
    assert_string_equal(source->error, "");
    bk_watch_look(&watch, BK_STAGE_SOURCE, "disconnected", BK_HEALTH_DOWN, "no broker", 2000);
    bk_watch_look(&watch, BK_STAGE_SOURCE, "disconnected", BK_HEALTH_DOWN, "no broker", 3000);
    all_is_well(4000);
    assert_string_equal(source->error, "no broker");
    assert_int_equal(source->error_ms, 2000);
    bk_watch_look(&watch, BK_STAGE_SOURCE, "disconnected", BK_HEALTH_DOWN, "no broker", 5000);
    assert_int_equal(source->error_ms, 5000); /* the same words, another time */
}

static void an_instance_is_as_well_as_its_worst_stage(void **state)
{
    (void)state;
    all_is_well(1000);
    assert_int_equal(bk_watch_health(&watch).health, BK_HEALTH_OK);
    assert_int_equal(bk_watch_health(&watch).since_ms, 1000);
    bk_watch_look(&watch, BK_STAGE_SOURCE, "joining", BK_HEALTH_DEGRADED, "", 2000);
    assert_int_equal(bk_watch_health(&watch).health, BK_HEALTH_DEGRADED);
    bk_watch_look(&watch, BK_STAGE_SINK, "backoff", BK_HEALTH_DOWN, "refused", 3000);
    bk_watch_look(&watch, BK_STAGE_INTAKE, "redis_away", BK_HEALTH_DOWN, "", 4000);
    assert_int_equal(bk_watch_health(&watch).health, BK_HEALTH_DOWN);
    assert_int_equal(bk_watch_health(&watch).since_ms, 3000);
    all_is_well(5000);
    assert_int_equal(bk_watch_health(&watch).health, BK_HEALTH_OK);
    assert_int_equal(bk_watch_health(&watch).since_ms, 5000);
}

/* ---- the operator's page ---- */

static char *read_page(void)
{
    const char *source = getenv("BK_SOURCE_DIR");
    char path[512], chunk[4096];
    struct bk_buf page = {0};
    size_t got;
    if (!source) skip();
    snprintf(path, sizeof path, "%s/deploy/README.md", source);
    FILE *file = fopen(path, "r");
    while (file && (got = fread(chunk, 1, sizeof chunk, file))) bk_buf_bytes(&page, chunk, got);
    if (file) fclose(file);
    assert_non_null(page.p);
    return page.p; /* NUL-terminated, as every bk_buf is */
}

static void names(const char *page, const char *stage, const char *word, const char *health)
{
    char want[96];
    snprintf(want, sizeof want, "`%s` %s", word, health);
    if (!strstr(page, want))
        fail_msg("deploy/README.md does not say \"%s\" of the %s", want, stage);
}

static void the_operators_page_names_every_state_with_its_health(void **state)
{
    (void)state;
    char *page = read_page();
#define X(name, word, health, text) names(page, "source", word, bk_health_word(health));
    BK_SOURCE_STATE_TABLE(X)
#undef X
#define X(name, word, health, text) names(page, "sink", word, bk_health_word(health));
    BK_SINK_STATE_TABLE(X)
#undef X
#define X(name, word, health, text) names(page, "intake", word, bk_health_word(health));
    BK_INTAKE_TABLE(X)
#undef X
    free(page);
}

/* What the page tells to look for is there. */
static void every_metric_of_the_operators_page_exists(void **state)
{
    (void)state;
    static const char *const known[] = {
#define X(slot, name, type, label, words, slots, moves, act) name,
        BK_METRIC_TABLE(X)
#undef X
#define X(slot, name, moves, act) name,
            BK_HISTOGRAM_TABLE(X)
#undef X
    };
    char *page = read_page();
    int metrics = 0;
    for (const char *at = page; (at = strstr(at, "basketry_")); metrics++) {
        size_t len = strspn(at, "abcdefghijklmnopqrstuvwxyz_"), i = 0;
        while (i < BK_COUNTOF(known) && (strlen(known[i]) != len || memcmp(known[i], at, len) != 0))
            i++;
        if (i == BK_COUNTOF(known)) fail_msg("there is no metric %.*s", (int)len, at);
        at += len;
    }
    assert_true(metrics > 5);
    free(page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_state_counts_from_its_change_and_health_from_its_own, set_up),
        cmocka_unit_test_setup(the_last_error_is_told_after_it_is_over, set_up),
        cmocka_unit_test_setup(an_instance_is_as_well_as_its_worst_stage, set_up),
        cmocka_unit_test(the_operators_page_names_every_state_with_its_health),
        cmocka_unit_test(every_metric_of_the_operators_page_exists),
    };
    bk_log_level = BK_LOG_OFF;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
