/* test_seeds.c -- many small shops, each from one seed, each with its own bad luck.
 *
 *   BK_SEEDS=n   how many seeds (from 1 on)         BK_SEED=n   this one alone, to see a failure again
 */
#include "support/sim_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SEEDS = 150 };
#else
enum { SEEDS = 300 };
#endif

/* Bad luck until the log is read, then some more; then calm. */
static void live(struct sim_world *world)
{
    sim_sink_connect(&world->sink, false);
    uint32_t most = 200 + chance_below(&world->chance, 300);
    for (uint32_t i = 0; i < most; i++) sim_world_step(world);
    sim_world_mend(world);
    sim_world_until_done(world);
}

static void play(uint64_t seed)
{
    struct sim_plan plan = sim_plan_random(seed);
    struct sim_log log = {0};
    struct sim_world world;
    struct sim_truth truth;
    told_forget(); /* a seed alone plays what it plays among others */
    sim_log_of_seed(&log, seed, &plan);
    sim_world_open(&world, &plan, &log);
    sim_truth_init(&truth, &world);

    live(&world);
    sim_check_done(&world, &truth);
    sim_check_state(&world, &truth);
    sim_check_erased(&world, &truth);

    bool loss = seed % 3 == 0;
    if (loss) {
        sim_sink_drop(&world.sink, 0);
        sim_sink_connect(&world.sink, true);
    }
    bk_wall_ms_t rest_ms = world.wall_ms;
    if (seed % 2) sim_world_pass(&world, chance_below(&world.chance, 30 * TOLD_HOUR), TOLD_HOUR);
    sim_world_sweep(&world);
    sim_check_lists(&world, &truth, rest_ms);
    sim_check_erased(&world, &truth);
    if (!truth.tight) sim_check_item_lists(&world, loss);

    sim_truth_deinit(&truth);
    sim_world_close(&world);
    sim_log_free(&log);
}

static void every_seed_ends_with_every_list_as_it_should_be(void **state)
{
    (void)state;
    const char *one = getenv("BK_SEED"), *many = getenv("BK_SEEDS");
    if (one) {
        play(strtoull(one, NULL, 0));
        return;
    }
    uint64_t seeds = many ? strtoull(many, NULL, 0) : SEEDS;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        play(seed);
        if (seed % 1000 == 0) print_message("%llu seeds so far\n", (unsigned long long)seed);
    }
    print_message("%llu seeds\n", (unsigned long long)seeds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_seed_ends_with_every_list_as_it_should_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
