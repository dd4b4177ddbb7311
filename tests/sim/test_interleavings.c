/* test_interleavings.c -- one log of four partitions, read in twenty orders, in any batches, into
 * any sink: the same state and the same lists.
 */
#include "support/sim_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ORDERS = 20, EVENTS = 600 };

struct outcome {
    uint64_t shard[4], shared, lists;
};

/* Only what may differ between two instances differs: luck, batches, windows. What shapes a list
 * does not. */
static struct sim_plan plan_of(uint64_t seed)
{
    struct sim_plan plan = sim_plan_random(seed);
    plan.state_bytes_max = 0;
    plan.refuse_one_in = 0;
    memset(plan.config, 0, sizeof plan.config);
    return plan;
}

static struct outcome play(uint64_t seed, const struct sim_log *log)
{
    struct sim_plan plan = plan_of(seed);
    struct sim_world world;
    struct sim_truth truth;
    sim_world_open(&world, &plan, log);
    sim_truth_init(&truth, &world);
    sim_sink_connect(&world.sink, false);
    for (int i = 0; i < 100; i++) sim_world_step(&world);
    sim_world_mend(&world);
    sim_world_until_done(&world);
    bk_wall_ms_t rest_ms = world.wall_ms;
    sim_world_sweep(&world);
    sim_check_done(&world, &truth);
    sim_check_lists(&world, &truth, rest_ms);
    sim_check_item_lists(&world, false);

    const struct bk_engine *engine = bk_pipeline_engine(world.pl);
    struct outcome outcome;
    uint64_t lossy;
    for (int32_t p = 0; p < 4; p++) outcome.shard[p] = bk_shard_digest(engine->shards[p]);
    outcome.shared = bk_shared_digest(&engine->shared, &lossy);
    assert_int_equal(lossy, 0);
    outcome.lists =
        sim_world_lists_digest(&world, bk_totals(&engine->shared)->time_max_ms + TOLD_MINUTE);
    sim_truth_deinit(&truth);
    sim_world_close(&world);
    return outcome;
}

static void any_order_of_partitions_and_any_sink_give_the_same_state_and_lists(void **state)
{
    (void)state;
    struct chance chance = chance_seed("interleavings", 4711);
    uint64_t seed = chance_next(&chance);
    struct sim_log log = {0};
    struct told_shape shape = told_shape();
    shape.partitions = 4;
    sim_log_fill(&log, &chance, &shape, EVENTS, 50);
    struct outcome first = play(seed, &log);
    for (uint64_t order = 1; order < ORDERS; order++) {
        struct outcome other = play(seed + order, &log);
        for (int p = 0; p < 4; p++) assert_int_equal(other.shard[p], first.shard[p]);
        assert_int_equal(other.shared, first.shared);
        assert_int_equal(other.lists, first.lists);
    }
    sim_log_free(&log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_order_of_partitions_and_any_sink_give_the_same_state_and_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
