/* sim_world.h -- the whole pipeline without a socket: simulated source and sink, clocks of its own,
 * and fate, all from one seed.
 *
 *   sim_log ─► sim_source ─► bk_pipeline (real decoder, engine, ranker, publisher, encoder) ─► sim_sink
 *                                        ▲
 *                       a step: time goes on, fate strikes, the sink answers, turns are taken,
 *                       invariants are checked
 *
 * A broken invariant prints seed and step and fails the test; BK_SEED=<seed> plays exactly that
 * world again.
 */
#ifndef BASKETRY_TESTS_SIM_WORLD_H
#define BASKETRY_TESTS_SIM_WORLD_H

#include "basketry/pipeline.h"
#include "support/sim_sink.h"
#include "support/sim_source.h"

/** How often fate strikes, once in so many steps; 0: never. */
struct sim_fate {
    uint32_t
        drop_one_in; /* the connection ends; half the time the data is lost too               */
    uint32_t
        freeze_one_in; /* the sink answers nothing for up to 5 s                                */
    uint32_t
        error_one_in; /* it answers an error class for up to 2 s                               */
    uint32_t rebalance_one_in;
    uint32_t
        leap_one_in; /* the clock leaps by up to 3 h                                          */
    uint32_t step_ms_max;
};

struct sim_plan {
    uint64_t seed;
    const char
        *config[16]; /* "section.key=value", NULL at the end; over the defaults of sim_world.c */
    uint64_t
        state_bytes_max; /* 0: as configured; smaller than the configuration allows, to meet the limits */
    uint32_t window, latency_ms_max, per_turn_max, refuse_one_in;
    uint32_t batch_max, run_max, regress_max;
    struct sim_fate fate;
};

/** What a plain run over the log without any pipeline makes of it: the measure of every simulated
 *  one. */
enum { SIM_SUBJECTS_MAX = 128 };
struct sim_shopper {
    char id[BK_SUBJECT_BYTES_MAX + 1];
    int32_t partition;
    uint32_t stamp;
    int64_t erased_offset; /* of its last erasure; -1: none                             */
    int64_t home_offset;   /* of its last event that refreshes `home`; -1: none since   */
    int64_t home_time_ms;  /* the subject's time then                                   */
};
struct sim_truth {
    struct bk_engine engine;
    struct sim_shopper shopper[SIM_SUBJECTS_MAX];
    uint32_t shoppers;
    uint64_t lists_due; /* lists that the log's events ask for, each counted         */
    uint64_t verdicts[BK_VERDICT_COUNT];
    bool tight; /* a limit of state was met: orders may show                 */
};

struct sim_world {
    struct sim_plan plan;
    uint32_t step;
    struct chance chance;
    const struct sim_log *log;
    struct sim_source source;
    struct sim_sink sink;
    struct bk_config *cfg;
    struct bk_pipeline *pl;
    bk_mono_ms_t mono;
    bk_wall_ms_t wall_ms;
    bool calm;       /* fate sleeps                                               */
    int64_t heal_ms; /* mono: what fate broke is mended                           */
    bool lost;
    bool woken;
    uint64_t bytes_max; /* of the engine, seen so far                                */
};

/** A plan with a bit of everything, by chance. */
struct sim_plan sim_plan_random(uint64_t seed);
/** A plan in which nothing bad happens. */
struct sim_plan sim_plan_calm(uint64_t seed);
/** A log for a plan of that seed: a few hundred events of some shoppers, facts now and then. */
void sim_log_of_seed(struct sim_log *log, uint64_t seed, const struct sim_plan *plan);

/** The log is borrowed. The sink is not connected yet. */
void sim_world_open(struct sim_world *world, const struct sim_plan *plan,
                    const struct sim_log *log);
void sim_world_close(struct sim_world *world);
/** One step; checks what must hold at every turn. */
void sim_world_step(struct sim_world *world);
/** Go on by `ms` in steps of at most `step_ms`, without fate. */
void sim_world_pass(struct sim_world *world, int64_t ms, int64_t step_ms);
/** Fate sleeps, everything is mended and quick, all partitions are ours. */
void sim_world_mend(struct sim_world *world);
/** Steps until the pipeline is done; fails after an hour of the world's time. */
void sim_world_until_done(struct sim_world *world);
/** Input rests: pass until a whole sweep has begun and ended. */
void sim_world_sweep(struct sim_world *world);
/** The condition, or the test fails with seed, step and this text. */
void sim_world_check(const struct sim_world *world, bool condition, const char *format, ...)
    BK_PRINTF(3, 4);

/** The truth about a log under the world's configuration. */
void sim_truth_init(struct sim_truth *truth, const struct sim_world *world);
void sim_truth_deinit(struct sim_truth *truth);

/* What must hold when the pipeline is done, and after a sweep. */
void sim_check_done(const struct sim_world *world, const struct sim_truth *truth);
void sim_check_state(const struct sim_world *world, const struct sim_truth *truth);
void sim_check_erased(const struct sim_world *world, const struct sim_truth *truth);
void sim_check_lists(const struct sim_world *world, const struct sim_truth *truth,
                     bk_wall_ms_t rest_ms);
/** Every item's own list in the sink names what it would name now; `exactly` (after a loss all of
 *  them were written anew): it is what it would be at its own generated_at. */
void sim_check_item_lists(const struct sim_world *world, bool exactly);
/** A digest of every list as the pipeline would write it at one fixed moment: the same for the same
 *  state. */
uint64_t sim_world_lists_digest(const struct sim_world *world, int64_t stream_ms);

#endif
