/* test_stories.c -- what the pipeline promises on a bad day, one story each. */
#include "support/sim_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct sim_world world;
static struct sim_log log_;
static struct sim_truth truth;

static int open_nothing(void **state)
{
    (void)state;
    log_ = (struct sim_log){.partitions = 2};
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    sim_world_close(&world);
    sim_log_free(&log_);
    return 0;
}

static void tell_now(struct told told, int32_t partition)
{
    sim_log_tell(&log_, &told, partition, 0);
    told_free(&told);
}

/* `n` views of one shopper, a second apart. */
static void tell_views(const char *customer, uint32_t n, int32_t partition)
{
    for (uint32_t i = 0; i < n; i++)
        tell_now(tell_view(customer, told_name("i", i % 30), TOLD_START + 1000ll * i), partition);
}

/* Views of `shoppers` shoppers in turn. */
static void tell_crowd(uint32_t shoppers, uint32_t n, int32_t partition)
{
    for (uint32_t i = 0; i < n; i++)
        tell_now(
            tell_view(told_name("c", i % shoppers), told_name("i", i % 30), TOLD_START + 10ll * i),
            partition);
}

static void open_world(const struct sim_plan *plan)
{
    sim_world_open(&world, plan, &log_);
    world.calm = true;
    sim_sink_connect(&world.sink, false);
}

static uint64_t metric(uint32_t slot)
{
    return bk_pipeline_metrics(world.pl)->v[slot];
}

static struct sim_entry home_of(const char *subject)
{
    char key[BK_KEY_BYTES_MAX];
    size_t len = bk_key_subject(BK_STR("bk:v1"), bk_str_c(subject), BK_STR("home"), key);
    const struct sim_entry *entry = sim_sink_find(&world.sink, key, len);
    return entry ? *entry : (struct sim_entry){0};
}

static bool item_has(const char *item, const char *relation)
{
    char key[BK_KEY_BYTES_MAX];
    size_t len = bk_key_item(BK_STR("bk:v1"), bk_str_c(item), bk_str_c(relation), key);
    return sim_entry_is_there(sim_sink_find(&world.sink, key, len), world.wall_ms);
}

static bool everybody_has(const char *context)
{
    char key[BK_KEY_BYTES_MAX];
    size_t len = bk_key_shared(BK_STR("bk:v1"), bk_str_c(context), key);
    return sim_entry_is_there(sim_sink_find(&world.sink, key, len), world.wall_ms);
}

/* ---- stories ---- */

static void a_frozen_sink_rests_intake_and_it_resumes(void **state)
{
    (void)state;
    tell_crowd(1000, 5000, 0);
    struct sim_plan plan = sim_plan_calm(1);
    open_world(&plan);
    world.source.part[0].visible = 1000;
    sim_world_pass(&world, 20, 10);
    assert_int_equal(bk_pipeline_intake(world.pl), BK_INTAKE_FLOWING);
    world.sink.frozen = true;
    for (; world.source.part[0].visible < 5000; world.source.part[0].visible += 50)
        sim_world_pass(&world, 50, 50);
    assert_int_equal(bk_pipeline_intake(world.pl), BK_INTAKE_SINK);
    uint64_t delivered = world.source.delivered;
    sim_world_pass(&world, TOLD_HOUR, 1000);
    assert_int_equal(world.source.delivered, delivered);
    assert_true(delivered < 5000);
    assert_int_equal(metric(BK_METRIC_PAUSES_OUTAGE), 1);
    sim_world_mend(&world);
    sim_world_pass(&world, 100, 50);
    assert_int_equal(bk_pipeline_intake(world.pl), BK_INTAKE_FLOWING);
    sim_world_until_done(&world);
    assert_int_equal(world.source.delivered, 5000);
}

static void a_sink_that_is_busy_is_not_taken_for_one_that_is_away(void **state)
{
    (void)state;
    tell_crowd(2000, 4000, 0);
    struct sim_plan plan = sim_plan_calm(2);
    plan.window = 16;
    plan.per_turn_max = 4;
    open_world(&plan);
    for (int i = 0; i < 400;
         i++) { /* every 50 ms four answers, and always more lists than places */
        sim_world_step(&world);
        assert_int_not_equal(bk_pipeline_intake(world.pl), BK_INTAKE_SINK);
    }
    assert_int_equal(metric(BK_METRIC_PAUSES_OUTAGE), 0);
}

static void too_many_waiting_lists_rest_intake_and_nothing_is_lost(void **state)
{
    (void)state;
    tell_crowd(100, 2000, 0);
    struct sim_plan plan = sim_plan_calm(3);
    plan.config[0] = "lists.waiting_max=16";
    plan.batch_max = 10;
    plan.window = 8;
    open_world(&plan);
    sim_world_until_done(&world);
    assert_true(metric(BK_METRIC_PAUSES_WINDOW) > 0);
    sim_truth_init(&truth, &world);
    sim_check_done(&world, &truth);
    sim_check_state(&world, &truth);
    sim_truth_deinit(&truth);
}

static void until_end_is_done_when_the_last_list_is_acknowledged_and_not_before(void **state)
{
    (void)state;
    tell_views("ada", 40, 0);
    tell_views("bob", 20, 1);
    struct sim_plan plan = sim_plan_calm(4);
    plan.batch_max = 1;
    open_world(&plan);
    world.sink.frozen = true;
    while (!sim_source_is_at_end(&world.source)) {
        sim_world_pass(&world, 10, 10);
        assert_false(bk_pipeline_is_done(world.pl));
    }
    sim_world_pass(&world, 10000, 100);
    assert_false(bk_pipeline_is_done(world.pl));
    sim_world_mend(&world);
    sim_world_until_done(&world);
    sim_truth_init(&truth, &world);
    sim_check_done(&world, &truth);
    sim_truth_deinit(&truth);
}

static void what_is_produced_after_the_start_does_not_keep_until_end_waiting(void **state)
{
    (void)state;
    tell_views("ada", 40, 0);
    struct sim_plan plan = sim_plan_calm(5);
    open_world(&plan);
    world.source.part[0].visible = 30;
    for (int i = 0; i < 100 && !bk_pipeline_is_done(world.pl); i++)
        sim_world_pass(&world, 100, 100);
    assert_true(bk_pipeline_is_done(world.pl));
    world.source.part[0].visible = 40;
    sim_world_pass(&world, 10, 10);
    assert_int_equal(world.source.delivered, 40);
}

static void what_redis_lost_is_written_again_before_it_is_done(void **state)
{
    (void)state;
    tell_crowd(50, 200, 0);
    struct sim_plan plan = sim_plan_calm(6);
    open_world(&plan);
    sim_world_until_done(&world);
    sim_sink_drop(&world.sink, 0);
    sim_sink_connect(&world.sink, true);
    assert_false(bk_pipeline_is_done(world.pl));
    sim_world_until_done(&world);
    sim_truth_init(&truth, &world);
    sim_check_done(&world, &truth);
    sim_check_item_lists(&world, true);
    sim_truth_deinit(&truth);
}

static void poison_is_counted_once_each_and_stops_no_partition(void **state)
{
    (void)state;
    struct chance chance = {7};
    for (uint32_t i = 0; i < 300; i++) {
        if (i % 3)
            sim_log_poison(&log_, (int32_t)(i % 2), &chance);
        else
            tell_now(
                tell_view(i % 2 ? "ada" : "bob", told_name("i", i % 30), TOLD_START + 1000ll * i),
                (int32_t)(i % 2));
    }
    struct sim_plan plan = sim_plan_calm(7);
    open_world(&plan);
    sim_world_until_done(&world);
    sim_truth_init(&truth, &world);
    sim_check_done(&world, &truth);
    assert_int_equal(metric(BK_METRIC_RECORDS + BK_VERDICT_OK), 100);
    assert_int_equal(world.source.poison, 200);
    sim_truth_deinit(&truth);
}

static void a_thousand_views_in_an_outage_are_two_lists(void **state)
{
    (void)state;
    tell_views("ada", 1000, 0);
    struct sim_plan plan = sim_plan_calm(8);
    plan.batch_max = 1;
    open_world(&plan);
    sim_sink_drop(&world.sink, 0);
    for (int i = 0; i < 60; i++)
        sim_world_pass(&world, 10, 10); /* within the second before intake rests */
    sim_sink_connect(&world.sink, false);
    uint64_t views = world.source.delivered;
    assert_true(views > 100);
    bk_publisher_turn(bk_pipeline_publisher(world.pl),
                      &(struct bk_now){world.mono, world.wall_ms, TOLD_START});
    assert_int_equal(world.sink.subject_sets, 2);
    sim_world_until_done(&world);
}

static void records_that_come_again_after_a_rebalance_count_once(void **state)
{
    (void)state;
    tell_views("ada", 500, 0);
    tell_views("bob", 500, 1);
    struct sim_plan plan = sim_plan_calm(9);
    plan.batch_max = 7;
    plan.regress_max = 100;
    open_world(&plan);
    for (int i = 0; i < 100; i++) {
        if (i % 5 == 0) sim_source_rebalance(&world.source);
        sim_world_pass(&world, 10, 10);
    }
    sim_world_mend(&world);
    sim_world_until_done(&world);
    assert_true(world.source.delivered > 1000);
    assert_int_equal(metric(BK_METRIC_RECORDS + BK_VERDICT_OK), 1000);
    sim_truth_init(&truth, &world);
    sim_check_state(&world, &truth);
    sim_truth_deinit(&truth);
}

static void the_first_lists_are_ranked_at_the_time_of_the_stream(void **state)
{
    (void)state;
    tell_now(tell_view("ada", "milk", TOLD_START), 0);
    tell_now(tell_view("bob", "milk", TOLD_START + 2 * TOLD_HOUR), 0);
    struct sim_plan plan = sim_plan_calm(10);
    open_world(&plan);
    bk_pipeline_turn(world.pl, world.mono, world.wall_ms);
    sim_sink_turn(&world.sink, world.wall_ms + 10);
    assert_non_null(home_of("c:ada").value);
    assert_non_null(strstr(home_of("c:ada").value, bk_situation_name(BK_SITUATION_HOME_REST)));
    assert_non_null(strstr(home_of("c:bob").value, bk_situation_name(BK_SITUATION_HOME_LIVE)));
}

static void an_erasure_outlives_an_outage(void **state)
{
    (void)state;
    tell_views("ada", 10, 0);
    tell_views("bob", 10, 0);
    tell_now(tell(BK_EVENT_CUSTOMER_ERASED, "ada", TOLD_START + TOLD_HOUR), 0);
    struct sim_plan plan = sim_plan_calm(11);
    open_world(&plan);
    world.source.part[0].visible = 20;
    sim_world_pass(&world, 3000, 100);
    assert_non_null(home_of("c:ada").value);
    world.sink.frozen = true;
    world.source.part[0].visible = 21;
    sim_world_pass(&world, 500, 100);
    sim_sink_drop(&world.sink, 0);
    sim_world_mend(&world);
    sim_world_until_done(&world);
    assert_null(home_of("c:ada").value);
    assert_non_null(home_of("c:bob").value);
}

/* Their lists are nobody's, so nothing else tells intake to rest. */
static void erasures_wait_in_the_log_when_redis_is_slow(void **state)
{
    (void)state;
    enum { SHOPPERS = 3000, WAITING_MAX = 64, A_TURN = 128 };
    for (uint32_t i = 0; i < SHOPPERS; i++)
        tell_now(tell(BK_EVENT_CUSTOMER_ERASED, told_name("c", i), TOLD_START + i), 0);
    struct sim_plan plan = sim_plan_calm(14);
    plan.config[0] = "lists.waiting_max=64";
    plan.window = 16;
    plan.per_turn_max = 16;
    open_world(&plan);
    uint32_t most = 0;
    for (int steps = 0; !bk_pipeline_is_done(world.pl); steps++) {
        if (steps == 100) world.sink.per_turn_max = 0;
        sim_world_pass(&world, 50, 50);
        uint32_t waiting = bk_publisher_erasing(bk_pipeline_publisher(world.pl));
        if (waiting > most) most = waiting;
        assert_true(steps < 100000);
    }
    assert_in_range(most, WAITING_MAX, WAITING_MAX + A_TURN);
    assert_int_equal(world.source.delivered, SHOPPERS);
    struct bk_promises erasures = bk_publisher_erasures(bk_pipeline_publisher(world.pl));
    assert_int_equal(erasures.made, SHOPPERS);
    assert_int_equal(erasures.kept, SHOPPERS);
}

static void who_only_replays_keeps_no_erasures(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 100; i++)
        tell_now(tell(BK_EVENT_CUSTOMER_ERASED, told_name("c", i), TOLD_START + i), 0);
    struct sim_plan plan = sim_plan_calm(15);
    sim_world_open(&world, &plan, &log_);
    world.calm = true;
    bk_pipeline_mute(world.pl);
    sim_world_pass(&world, 1000, 50);
    assert_true(bk_pipeline_has_ended(world.pl));
    assert_int_equal(bk_publisher_erasures(bk_pipeline_publisher(world.pl)).made, 0);
}

static void a_shopper_who_comes_back_while_being_erased_keeps_the_new_lists(void **state)
{
    (void)state;
    tell_views("ada", 2, 0);
    tell_now(tell(BK_EVENT_CUSTOMER_ERASED, "ada", TOLD_START + TOLD_MINUTE), 0);
    tell_now(tell_view("ada", "i1", TOLD_START + TOLD_HOUR), 0);
    struct sim_plan plan = sim_plan_calm(13);
    plan.config[0] = "lists.refresh=1h"; /* it is not the refresher who does it */
    plan.latency_ms_max = 0;
    open_world(&plan);
    world.source.part[0].visible = 2;
    sim_world_pass(&world, 3000, 100);
    world.source.part[0].visible = 4;
    bk_pipeline_turn(world.pl, world.mono, world.wall_ms);
    world.sink.answer =
        BK_OUTCOME_BUSY; /* the six UNLINKs find Redis busy, the lists behind them do not */
    world.sink.per_turn_max = BK_CONTEXT_COUNT;
    sim_sink_turn(&world.sink, world.wall_ms);
    assert_int_equal(world.sink.outcomes[BK_OUTCOME_BUSY], BK_CONTEXT_COUNT);
    sim_world_mend(&world);
    sim_world_until_done(&world);
    struct sim_entry home = home_of("c:ada");
    assert_non_null(home.value);
    assert_non_null(strstr(home.value, "\"offset\":3}"));
}

static void it_is_not_done_while_redis_refuses_an_erasure(void **state)
{
    (void)state;
    tell_views("ada", 2, 0);
    tell_now(tell(BK_EVENT_CUSTOMER_ERASED, "ada", TOLD_START + TOLD_MINUTE), 0);
    struct sim_plan plan = sim_plan_calm(18);
    plan.latency_ms_max = 0;
    open_world(&plan);
    world.source.part[0].visible = 2;
    sim_world_pass(&world, 20000, 100);
    world.sink.frozen = true;
    world.source.part[0].visible = 3;
    sim_world_pass(&world, 20000, 100); /* everything is asked for */
    world.sink.frozen = false;
    world.sink.answer = BK_OUTCOME_BUSY;
    world.sink.per_turn_max = BK_CONTEXT_COUNT;
    sim_sink_turn(&world.sink, world.wall_ms); /* and the erasure alone is refused */
    world.sink.answer = BK_OUTCOME_STORED;
    world.sink.per_turn_max = 0;
    sim_sink_turn(&world.sink, world.wall_ms);
    assert_int_equal(world.sink.outcomes[BK_OUTCOME_BUSY], BK_CONTEXT_COUNT);
    assert_int_equal(world.sink.count, 0);
    assert_false(bk_pipeline_is_done(world.pl));
    sim_world_until_done(&world);
    assert_null(home_of("c:ada").value);
}

static void what_a_busy_redis_refused_is_written_before_it_is_done(void **state)
{
    (void)state;
    tell_now(tell_purchase("ada", "order", "i0 i1", TOLD_START), 0);
    struct sim_plan plan = sim_plan_calm(19);
    plan.config[0] = "lists.refresh=1h"; /* it is not the refresher who does it */
    open_world(&plan);
    world.sink.answer = BK_OUTCOME_BUSY;
    sim_world_pass(&world, 1000, 50);
    assert_true(world.sink.outcomes[BK_OUTCOME_BUSY] > 4);
    world.sink.answer = BK_OUTCOME_STORED;
    sim_world_until_done(&world);
    assert_non_null(home_of("c:ada").value);
    assert_true(item_has("i0", "bought_together") && item_has("i1", "bought_together"));
    assert_true(everybody_has("popular"));
}

/* An error that is about this one command, and passes all the same: nobody knows the class. */
static void a_list_refused_for_itself_is_written_by_the_refresher(void **state)
{
    (void)state;
    tell_views("ada", 2, 0);
    tell_now(tell_purchase("bob", "order", "i0 i1 i2", TOLD_START + TOLD_MINUTE), 0);
    struct sim_plan plan = sim_plan_calm(15);
    open_world(&plan);
    world.sink.answer = BK_OUTCOME_REFUSED;
    sim_world_pass(&world, 5000, 100);
    uint64_t refused = world.sink.outcomes[BK_OUTCOME_REFUSED];
    assert_true(refused > 3);
    assert_null(home_of("c:ada").value);
    sim_world_pass(&world, 5000, 100);
    /* At the refresher's pace (lists.refresh=10s), the popular list each second: nothing spins. */
    assert_true(world.sink.outcomes[BK_OUTCOME_REFUSED] < refused + 30);
    world.sink.answer = BK_OUTCOME_STORED;
    sim_world_pass(&world, 15000, 100);
    assert_non_null(home_of("c:ada").value);
    assert_true(item_has("i0", "bought_together") && everybody_has("popular"));
}

static void state_takes_no_more_while_the_sink_is_away(void **state)
{
    (void)state;
    tell_crowd(2000, 20000, 0);
    struct sim_plan plan = sim_plan_calm(12);
    open_world(&plan);
    sim_world_pass(&world, 10, 10);
    sim_sink_drop(&world.sink, 0);
    sim_world_pass(&world, 1200, 100);
    uint64_t bytes = bk_engine_bytes(bk_pipeline_engine(world.pl));
    sim_world_pass(&world, TOLD_HOUR, 500);
    assert_int_equal(bk_engine_bytes(bk_pipeline_engine(world.pl)), bytes);
    sim_world_mend(&world);
    sim_world_until_done(&world);
    assert_int_equal(world.source.delivered, 20000);
}

static void an_event_is_measured_at_its_first_list_alone(void **state)
{
    (void)state;
    tell_now(tell_view("ada", "milk", TOLD_START), 0);
    struct sim_plan plan = sim_plan_calm(14);
    open_world(&plan);
    sim_world_until_done(&world);
    assert_true(world.sink.subject_sets >= 2);
    const struct bk_metrics *metrics = bk_pipeline_metrics(world.pl);
    assert_int_equal(metrics->histogram[BK_HISTOGRAM_EVENT_TO_PUBLISH].count, 1);
}

static void it_is_not_done_while_items_lists_wait_for_their_interval(void **state)
{
    (void)state;
    tell_now(tell_view("ada", "i0", TOLD_START), 0);
    tell_now(tell_purchase("ada", "order", "i0 i1", TOLD_START + TOLD_MINUTE), 0);
    struct sim_plan plan = sim_plan_calm(15);
    plan.config[0] = "lists.item_interval=30s";
    open_world(&plan);
    world.source.part[0].visible = 1;
    sim_world_pass(&world, 2000, 50); /* the first interval has begun */
    world.source.part[0].visible = 2;
    sim_world_until_done(&world);
    assert_int_equal(bk_totals(&bk_pipeline_engine(world.pl)->shared)->dirty_count, 0);
}

static void an_items_second_list_waits_for_room(void **state)
{
    (void)state;
    tell_now(tell_view("ada", "i0", TOLD_START), 0);
    tell_now(tell_view("ada", "i1", TOLD_START + 1000), 0);
    tell_now(tell_purchase("ada", "order", "i0 i1", TOLD_START + TOLD_MINUTE), 0);
    struct sim_plan plan = sim_plan_calm(17);
    plan.window = 1;
    open_world(&plan);
    sim_world_until_done(&world);
    assert_true(item_has("i0", "bought_together") && item_has("i0", "viewed_together"));
    assert_true(item_has("i1", "bought_together") && item_has("i1", "viewed_together"));
}

static void lists_that_expired_are_not_written_again(void **state)
{
    (void)state;
    tell_views("ada", 3, 0);
    struct sim_plan plan = sim_plan_calm(16);
    open_world(&plan);
    sim_world_until_done(&world);
    sim_world_pass(&world, 25ll * TOLD_HOUR, TOLD_MINUTE);
    uint64_t written = world.sink.subject_sets;
    sim_world_sweep(&world);
    assert_true(written > 100); /* until then they were */
    assert_int_equal(world.sink.subject_sets, written);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, open_nothing, close_all)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(a_frozen_sink_rests_intake_and_it_resumes),
        STORY(a_sink_that_is_busy_is_not_taken_for_one_that_is_away),
        STORY(too_many_waiting_lists_rest_intake_and_nothing_is_lost),
        STORY(until_end_is_done_when_the_last_list_is_acknowledged_and_not_before),
        STORY(what_is_produced_after_the_start_does_not_keep_until_end_waiting),
        STORY(what_redis_lost_is_written_again_before_it_is_done),
        STORY(poison_is_counted_once_each_and_stops_no_partition),
        STORY(a_thousand_views_in_an_outage_are_two_lists),
        STORY(records_that_come_again_after_a_rebalance_count_once),
        STORY(the_first_lists_are_ranked_at_the_time_of_the_stream),
        STORY(an_erasure_outlives_an_outage),
        STORY(erasures_wait_in_the_log_when_redis_is_slow),
        STORY(who_only_replays_keeps_no_erasures),
        STORY(a_shopper_who_comes_back_while_being_erased_keeps_the_new_lists),
        STORY(it_is_not_done_while_redis_refuses_an_erasure),
        STORY(what_a_busy_redis_refused_is_written_before_it_is_done),
        STORY(a_list_refused_for_itself_is_written_by_the_refresher),
        STORY(state_takes_no_more_while_the_sink_is_away),
        STORY(an_event_is_measured_at_its_first_list_alone),
        STORY(it_is_not_done_while_items_lists_wait_for_their_interval),
        STORY(an_items_second_list_waits_for_room),
        STORY(lists_that_expired_are_not_written_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
