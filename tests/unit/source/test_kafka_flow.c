/* test_kafka_flow.c -- the Kafka source against a mock cluster: records, order, budgets and
 * ends. */
#include "support/kafka_shop.h"

#include "basketry/log.h"

/* ---- order, budgets, ends ---- */

static void every_record_comes_once_and_in_order_whatever_the_budget(void **state)
{
    static const size_t budgets[] = {1, 7, 100, 100000};
    (void)state;
    struct shop shop;
    open_shop(&shop, 1);
    open_topic(&shop, BK_TOPIC_PRODUCTS, 3);
    for (int p = 0; p < 3; p++) sell(&shop, BK_TOPIC_PRODUCTS, p, 1000);
    settle(&shop);
    for (size_t i = 0; i < BK_COUNTOF(budgets); i++) {
        uv_loop_t loop;
        struct reader r;
        uv_loop_init(&loop);
        init_reader(&r, &loop);
        r.budget = budgets[i];
        open_reader(&r, &shop, "g", PRODUCTS, quick);
        goal = 3000;
        /* With budget 1, a lost wake would leave 3,000 records to the tick of once a second. */
        assert_true(run_until(&r, 10000, has_goal_total));
        assert_true(r.pulled_max <= budgets[i]);
        goal = 3;
        assert_true(run_until(&r, 5000, has_goal_ends));
        for (int p = 0; p < 3; p++) assert_int_equal(r.seen[BK_TOPIC_PRODUCTS][p].end_at, 1000);
        assert_int_equal(status_of(&r).lag_records, 0);
        close_reader(&r, 2000);
        assert_int_equal(uv_loop_close(&loop), 0);
    }
    close_shop(&shop);
}

static void a_record_wakes_an_idle_loop_well_before_the_tick(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct shop shop;
    struct reader r;
    open_scene(&shop, &loop, &r, BK_TOPIC_PRODUCTS, 1, 1);
    open_reader(&r, &shop, "g", PRODUCTS, quick);
    goal = 1;
    assert_true(run_until(&r, 5000, has_goal_ends));
    uint64_t worst_ms = 0;
    for (int i = 0; i < 20; i++) {
        run_until(&r, 50, NULL);
        sell(&shop, BK_TOPIC_PRODUCTS, 0, 1);
        uint64_t start = uv_hrtime();
        goal = i + 2;
        assert_true(run_until(&r, 5000, has_goal_total));
        worst_ms = bk_max_u64(worst_ms, (uv_hrtime() - start) / 1000000);
    }
    if (worst_ms >= 500) /* by the tick alone, half of them would be later */
        fail_msg("a record waited %d ms", (int)worst_ms);
    close_all(&shop, &loop, &r, 2000);
}

static void ends_are_told_once_also_for_empty_partitions_and_for_starts_at_the_end(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct shop shop;
    struct reader r;
    open_shop(&shop, 1);
    open_topic(&shop, BK_TOPIC_PRODUCTS, 4);
    open_topic(&shop, BK_TOPIC_STOCK, 1);
    for (int p = 1; p < 4; p++) sell(&shop, BK_TOPIC_PRODUCTS, p, 10);
    settle(&shop);
    uv_loop_init(&loop);
    init_reader(&r, &loop);
    r.seen[BK_TOPIC_PRODUCTS][2].start = 10;
    r.seen[BK_TOPIC_PRODUCTS][3].start = 4;
    open_reader(&r, &shop, "g", PRODUCTS | STOCK, quick);
    goal = 5;
    assert_true(run_until(&r, 5000, has_goal_ends));
    assert_int_equal(r.seen[BK_TOPIC_PRODUCTS][0].count, 0);
    assert_int_equal(r.seen[BK_TOPIC_PRODUCTS][1].count, 10);
    assert_int_equal(r.seen[BK_TOPIC_PRODUCTS][2].count, 0);
    assert_int_equal(r.seen[BK_TOPIC_PRODUCTS][3].count, 6);
    sell(&shop, BK_TOPIC_PRODUCTS, 0, 3);
    sell(&shop, BK_TOPIC_PRODUCTS, 2, 3);
    goal = 22;
    assert_true(run_until(&r, 5000, has_goal_total));
    run_until(&r, 300, NULL); /* later ends are not told: on_reached_end checks */
    assert_int_equal(status_of(&r).state, BK_SOURCE_ASSIGNED);
    close_all(&shop, &loop, &r, 2000);
}

static void the_end_is_the_one_at_the_start_though_records_keep_coming(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct shop shop;
    struct reader r;
    open_shop(&shop, 1);
    open_topic(&shop, BK_TOPIC_PRODUCTS, 1);
    sell_in_batches(&shop, BK_TOPIC_PRODUCTS, 4);
    uv_loop_init(&loop);
    init_reader(&r, &loop);
    r.budget = 5;
    open_reader(&r, &shop, "g", PRODUCTS, short_queue);
    goal = 5;
    assert_true(run_until(&r, 5000, has_goal_total));
    r.lazy = true;
    run_until(&r, 300, NULL); /* time for the question, none for the records */
    sell_in_batches(&shop, BK_TOPIC_PRODUCTS, 4);
    r.lazy = false;
    r.budget = 2000;
    goal = 5600;
    assert_true(run_until(&r, 8000, has_goal_total));
    assert_int_equal(r.seen[BK_TOPIC_PRODUCTS][0].end_at, 2800);
    close_all(&shop, &loop, &r, 2000);
}

static void a_full_queue_is_filled_again_as_it_is_read(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct shop shop;
    struct reader r;
    open_shop(&shop, 1);
    open_topic(&shop, BK_TOPIC_PRODUCTS, 1);
    sell_in_batches(&shop, BK_TOPIC_PRODUCTS, 40);
    uv_loop_init(&loop);
    init_reader(&r, &loop);
    r.budget = 100;
    open_reader(&r, &shop, "g", PRODUCTS, short_queue);
    goal = 40 * 700;
    /* Left to itself, 2.0.2 looks at a queue that was full once a second: 20 s and more. */
    assert_true(run_until(&r, 8000, has_goal_total));
    close_all(&shop, &loop, &r, 2000);
}

static void facts_are_whole_before_the_first_event(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct shop shop;
    struct reader r;
    open_shop(&shop, 1);
    open_topic(&shop, BK_TOPIC_EVENTS, 2);
    open_topic(&shop, BK_TOPIC_PRODUCTS, 2);
    open_topic(&shop, BK_TOPIC_STOCK, 1);
    sell(&shop, BK_TOPIC_EVENTS, 0, 100);
    sell(&shop, BK_TOPIC_EVENTS, 1, 100);
    sell(&shop, BK_TOPIC_PRODUCTS, 0, 500);
    sell(&shop, BK_TOPIC_PRODUCTS, 1, 500);
    sell(&shop, BK_TOPIC_STOCK, 0, 500);
    settle(&shop);
    uv_loop_init(&loop);
    init_reader(&r, &loop);
    r.budget = 10;
    r.facts_expected = 1500;
    open_reader(&r, &shop, "facts-first", EVENTS | PRODUCTS | STOCK, quick);
    goal = 10;
    assert_true(run_until(&r, 5000, has_goal_total));
    r.lazy = true;
    run_until(&r, 4000, NULL); /* a group would have formed by now */
    r.lazy = false;
    goal = 1700;
    assert_true(run_until(&r, 20000, has_goal_total));
    goal = 5;
    assert_true(run_until(&r, 5000, has_goal_ends));
    assert_int_equal(r.events_before_facts, 0);
    close_all(&shop, &loop, &r, 5000);
}

static void a_restart_reads_facts_again_as_well(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct shop shop;
    struct reader r;
    open_shop(&shop, 1);
    open_topic(&shop, BK_TOPIC_EVENTS, 1);
    open_topic(&shop, BK_TOPIC_PRODUCTS, 1);
    sell(&shop, BK_TOPIC_EVENTS, 0, 30);
    sell(&shop, BK_TOPIC_PRODUCTS, 0, 50);
    settle(&shop);
    uv_loop_init(&loop);
    init_reader(&r, &loop);
    open_reader(&r, &shop, "facts-again", EVENTS | PRODUCTS, quick);
    goal = 80;
    assert_true(run_until(&r, 20000, has_goal_total));
    r.seen[BK_TOPIC_EVENTS][0].next = r.seen[BK_TOPIC_PRODUCTS][0].next = BK_OFFSET_BEGINNING;
    r.source->ops->restart(r.source);
    goal = 160;
    assert_true(run_until(&r, 20000, has_goal_total));
    assert_int_equal(r.seen[BK_TOPIC_PRODUCTS][0].count, 100);
    assert_int_equal(r.seen[BK_TOPIC_EVENTS][0].count, 60);
    close_all(&shop, &loop, &r, 5000);
}

static void pausing_in_full_flow_neither_loses_nor_repeats(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct shop shop;
    struct reader r;
    open_scene(&shop, &loop, &r, BK_TOPIC_PRODUCTS, 2, 5000);
    r.budget = 50;
    open_reader(&r, &shop, "g", PRODUCTS, quick);
    for (int round = 1; round <= 8; round++) {
        goal = 1000 * round;
        assert_true(run_until(&r, 5000, has_goal_total));
        r.source->ops->pause(r.source, true);
        int64_t before = r.total;
        run_until(&r, 60, NULL);
        assert_int_equal(r.total, before);
        r.source->ops->pause(r.source, false);
    }
    goal = 10000;
    assert_true(run_until(&r, 5000, has_goal_total));
    close_all(&shop, &loop, &r, 2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_record_comes_once_and_in_order_whatever_the_budget),
        cmocka_unit_test(a_record_wakes_an_idle_loop_well_before_the_tick),
        cmocka_unit_test(ends_are_told_once_also_for_empty_partitions_and_for_starts_at_the_end),
        cmocka_unit_test(the_end_is_the_one_at_the_start_though_records_keep_coming),
        cmocka_unit_test(a_full_queue_is_filled_again_as_it_is_read),
        cmocka_unit_test(facts_are_whole_before_the_first_event),
        cmocka_unit_test(a_restart_reads_facts_again_as_well),
        cmocka_unit_test(pausing_in_full_flow_neither_loses_nor_repeats),
    };
    if (getenv("BK_TEST")) cmocka_set_test_filter(getenv("BK_TEST"));
    bk_log_level = getenv("BK_LOG") ? BK_LOG_INFO : BK_LOG_OFF;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
