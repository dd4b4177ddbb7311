/* test_restarts.c -- many small shops, each on a bad disk, that lose their power again and again:
 * what they remember in the end is what the log says.
 *
 * A life goes on from the newest whole generation, writes new ones through a disk that fails, fills
 * up, writes half and forgets what was not synced (support/torn_disk.h), and ends in the middle of
 * something: often of a checkpoint. Redis outlives it, with whatever it had been sent. The last life
 * has a good disk and luck: its state must be the log's, digest for digest, its lists those of that
 * state, and no list of an erased shopper may be left.
 *
 *   BK_SEEDS=n   how many seeds (from 1 on)         BK_SEED=n   this one alone, to see a failure again
 */
#include "support/sim_world.h"
#include "support/torn_disk.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SEEDS = 60 };
#else
enum { SEEDS = 150 };
#endif
enum { LIVES_MAX = 6, STEPS_MAX = 120 };

static struct sim_world world;
static struct torn_disk disk;
static struct bk_checkpoint *checkpoint;
static char folder[64];
/* What the seeds met, so that a harness that tests nothing is noticed. */
static struct {
    uint64_t lives, loaded, failures, died_inside;
} met;

/* ---- a life ---- */

static void load(struct chance *chance)
{
    struct bk_checkpoint_options options = {.dir = folder,
                                            .interval_ms = 100 + chance_below(chance, 3000),
                                            .records_max = 10 + chance_below(chance, 200),
                                            .copy_bytes_max = 1 << 20,
                                            .keep = 1 + chance_below(chance, 2),
                                            .disk = &disk.head,
                                            .at_once = true};
    struct bk_generation generation;
    struct bk_reason reason = {{0}};
    int code;
    checkpoint = bk_checkpoint_open(&options, &code, &reason);
    sim_world_check(&world, checkpoint != NULL, "checkpoint: %s", reason.text);
    int err = bk_checkpoint_load(checkpoint, bk_pipeline_engine(world.pl), &generation, &reason);
    sim_world_check(&world, err == BK_OK || err == BK_ENOENT, "load: %s", reason.text);
    bk_pipeline_attach_checkpoint(world.pl, checkpoint, err == BK_OK ? &generation : NULL);
    struct bk_checkpoint_status status;
    bk_checkpoint_status(checkpoint, &status);
    sim_world_check(&world, !status.error[0], "what counts is damaged: %s", status.error);
    met.lives++;
    met.loaded += err == BK_OK;
}

/* The process starts anew; time has gone on, and Redis is as it was. */
static void be_born(const struct sim_plan *plan, const struct sim_log *log,
                    const struct sim_world *before)
{
    sim_world_open(&world, plan, log);
    if (before->pl) {
        struct sim_sink fresh = world.sink;
        world.sink = before->sink;
        world.sink.events = fresh.events;
        sim_sink_deinit(&fresh);
        world.mono.ms = before->mono.ms + 1000;
        world.wall_ms = before->wall_ms + 1000;
        world.chance = before->chance;
        world.sink.frozen = false;
        world.sink.answer = BK_OUTCOME_STORED;
    }
    load(&world.chance);
    sim_sink_connect(&world.sink, false);
}

/* Something of what Redis was sent arrives; nothing else of this process does. `kept`: what goes on
 * after it. */
static void die(struct sim_world *kept)
{
    disk.crash_at = 1; /* whatever closes now closes for nobody */
    disk.fail_at = 0;
    if (world.sink.connected)
        sim_sink_drop(&world.sink, chance_below(&world.chance, world.sink.count + 1));
    *kept = world;
    bk_pipeline_destroy(&world.pl);
    bk_checkpoint_close(&checkpoint);
    bk_config_destroy(&world.cfg);
    torn_disk_crash(&disk, chance_next(&world.chance));
    disk.crash_at = 0;
}

static void live_badly(void)
{
    struct chance *chance = &world.chance;
    if (chance_one_in(chance, 2)) disk.crash_at = disk.calls + 1 + chance_below(chance, 150);
    uint32_t steps = 1 + chance_below(chance, STEPS_MAX);
    for (uint32_t i = 0; i < steps; i++) {
        if (!disk.fail_at && chance_one_in(chance, 20)) {
            disk.fail_at = disk.calls + 1 + chance_below(chance, 40);
            disk.error = chance_one_in(chance, 2) ? -ENOSPC : -EIO;
        }
        if (disk.fail_at && disk.calls >= disk.fail_at) {
            disk.fail_at = 0;
            met.failures++;
        }
        sim_world_step(&world);
        if (!disk.crash_at || disk.calls < disk.crash_at) continue;
        met.died_inside++;
        return;
    }
}

/* ---- the end ---- */

static void check_end(const struct sim_log *log)
{
    struct sim_truth truth;
    sim_truth_init(&truth, &world);
    truth.lists_due = UINT32_MAX; /* each life writes its lists */
    sim_check_state(&world, &truth);
    if (log->partitions == 1 && truth.engine.shards[0])
        sim_world_check(&world,
                        bk_shard_digest(bk_pipeline_engine(world.pl)->shards[0]) ==
                            bk_shard_digest(truth.engine.shards[0]),
                        "one partition, and something else than its log says");
    sim_check_erased(&world, &truth);
    bk_wall_ms_t rest_ms = world.wall_ms;
    sim_world_sweep(&world);
    sim_check_lists(&world, &truth, rest_ms);
    sim_check_erased(&world, &truth);
    sim_truth_deinit(&truth);
}

static void remove_folder(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    assert_int_equal(system(command), 0);
}

static void play(uint64_t seed)
{
    struct sim_plan plan = sim_plan_random(seed);
    struct sim_log log = {0};
    struct sim_world before = {0};
    plan.refuse_one_in = 0;
    told_forget();
    sim_log_of_seed(&log, seed, &plan);
    struct stat shm;
    snprintf(folder, sizeof folder, "%s/bk-restarts-XXXXXX",
             stat("/dev/shm", &shm) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(folder));
    torn_disk_init(&disk);
    uint32_t lives = 1 + (uint32_t)(bk_mix(seed) % LIVES_MAX);
    for (uint32_t life = 0; life < lives; life++) {
        be_born(&plan, &log, &before);
        live_badly();
        die(&before);
    }
    be_born(&plan, &log, &before);
    sim_world_mend(&world);
    sim_world_until_done(&world);
    check_end(&log);
    sim_world_close(&world);
    bk_checkpoint_close(&checkpoint);
    sim_log_free(&log);
    remove_folder();
}

static void any_number_of_lives_remembers_what_the_log_says(void **state)
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
    print_message("%llu seeds: %llu lives, %llu went on from a generation, %llu ended inside a "
                  "checkpoint, %llu failures of the disk\n",
                  (unsigned long long)seeds, (unsigned long long)met.lives,
                  (unsigned long long)met.loaded, (unsigned long long)met.died_inside,
                  (unsigned long long)met.failures);
    assert_true(met.loaded > seeds && met.died_inside > seeds / 4 && met.failures > seeds / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_number_of_lives_remembers_what_the_log_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
