/* sim_world.c -- making a world, its steps, and fate. */
#include "support/sim_world.h"

#include "basketry/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const char *const defaults[] = {
    "state.bytes_max=64m",      "state.shards_max=4",   "state.items_max=2000",
    "state.dedup_events=1024",  "lists.refresh=10s",    "lists.email_interval=1s",
    "consent.default=personal", "kafka.brokers=none:1",
};

void sim_world_check(const struct sim_world *world, bool condition, const char *format, ...)
{
    if (condition) return;
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    print_error("BK_SEED=%llu step %u: %s\n", (unsigned long long)world->plan.seed, world->step,
                text);
    fail();
}

/* ---- plans ---- */

void sim_log_of_seed(struct sim_log *log, uint64_t seed, const struct sim_plan *plan)
{
    struct chance chance = {bk_mix(seed ^ 0x6c6f67)};
    struct told_shape shape = told_shape();
    shape.partitions = 1 + chance_below(&chance, 4);
    shape.withdraw_one_in = 40;
    shape.customers = 4 + chance_below(&chance, 20);
    if (plan->state_bytes_max) shape.customers = 100;
    sim_log_fill(log, &chance, &shape, 50 + chance_below(&chance, 400),
                 chance_one_in(&chance, 2) ? 20 : 0);
}

struct sim_plan sim_plan_calm(uint64_t seed)
{
    return (struct sim_plan){
        .seed = seed, .window = 64, .latency_ms_max = 5, .run_max = 8, .fate = {.step_ms_max = 50}};
}

struct sim_plan sim_plan_random(uint64_t seed)
{
    static const uint32_t windows[] = {1, 2, 3, 8, 64, 1000};
    struct chance chance = {bk_mix(seed ^ 0x706c616e)};
    struct sim_plan plan = sim_plan_calm(seed);
    plan.window = windows[chance_below(&chance, BK_COUNTOF(windows))];
    plan.latency_ms_max = 1 + chance_below(&chance, 200);
    plan.per_turn_max = chance_below(&chance, 3) ? 0 : 1 + chance_below(&chance, 8);
    plan.refuse_one_in = chance_one_in(&chance, 4) ? 20 : 0;
    plan.batch_max = chance_one_in(&chance, 3) ? 0 : 1 + chance_below(&chance, 40);
    plan.run_max = 1 + chance_below(&chance, 30);
    plan.regress_max = chance_one_in(&chance, 2) ? 50 : 0;
    plan.fate = (struct sim_fate){
        .drop_one_in = 10 + chance_below(&chance, 60),
        .freeze_one_in = 10 + chance_below(&chance, 60),
        .error_one_in = 10 + chance_below(&chance, 60),
        .rebalance_one_in = 10 + chance_below(&chance, 60),
        .leap_one_in = chance_one_in(&chance, 2) ? 40 : 0,
        .step_ms_max = 1 + chance_below(&chance, 400),
    };
    size_t n = 0;
    if (chance_one_in(&chance, 3)) plan.config[n++] = "lists.updates_channel=true";
    if (chance_one_in(&chance, 3)) plan.config[n++] = "lists.waiting_max=16";
    if (chance_one_in(&chance, 4)) plan.config[n++] = "lists.item_interval=0s";
    if (chance_one_in(&chance, 4)) plan.config[n++] = "lists.size=3";
    if (chance_one_in(&chance, 4)) plan.config[n++] = "state.pair_partners_max=16";
    if (chance_one_in(&chance, 6)) plan.state_bytes_max = 1200000;
    return plan;
}

/* ---- making ---- */

static void wake(void *arg)
{
    ((struct sim_world *)arg)->woken = true;
}

static void configure(struct sim_world *world)
{
    struct bk_reason reason = {{0}};
    world->cfg = bk_config_create();
    assert_non_null(world->cfg);
    int err = BK_OK;
    for (size_t i = 0; i < BK_COUNTOF(defaults) && err == BK_OK; i++)
        err = bk_config_set(world->cfg, defaults[i], &reason);
    for (size_t i = 0; world->plan.config[i] && err == BK_OK; i++)
        err = bk_config_set(world->cfg, world->plan.config[i], &reason);
    sim_world_check(world, err == BK_OK, "configuration: %s", reason.text);
    if (world->plan.state_bytes_max)
        world->cfg->state_bytes_max = (int64_t)world->plan.state_bytes_max;
}

void sim_world_open(struct sim_world *world, const struct sim_plan *plan, const struct sim_log *log)
{
    bk_log_level = BK_LOG_OFF;
    *world = (struct sim_world){
        .plan = *plan, .log = log, .chance = {bk_mix(plan->seed ^ 0x776f726c64)}};
    world->mono.ms = 1000;
    world->wall_ms = TOLD_START + 366ll * TOLD_DAY;
    configure(world);
    struct bk_reason reason = {{0}};
    world->pl = bk_pipeline_create(world->cfg, &reason);
    sim_world_check(world, world->pl != NULL, "pipeline: %s", reason.text);
    sim_source_init(&world->source, log, &world->chance);
    world->source.batch_max = plan->batch_max;
    world->source.run_max = plan->run_max;
    world->source.regress_max = plan->regress_max;
    world->source.events = bk_pipeline_source_events(world->pl, wake, world);
    sim_sink_init(&world->sink, plan->window, &world->chance);
    world->sink.latency_ms_max = plan->latency_ms_max;
    world->sink.per_turn_max = plan->per_turn_max;
    world->sink.refuse_one_in = plan->refuse_one_in;
    world->sink.events = bk_pipeline_sink_events(world->pl, NULL);
    world->sink.now_ms = world->wall_ms;
    assert_int_equal(bk_pipeline_attach(world->pl, &world->source.head, &world->sink.head), BK_OK);
}

void sim_world_close(struct sim_world *world)
{
    bk_pipeline_destroy(&world->pl);
    bk_config_destroy(&world->cfg);
    sim_sink_deinit(&world->sink);
}

/* ---- fate ---- */

static void mend_sink(struct sim_world *world)
{
    world->sink.frozen = false;
    world->sink.answer = BK_OUTCOME_STORED;
    if (!world->sink.connected) sim_sink_connect(&world->sink, world->lost);
    world->lost = false;
}

static enum bk_outcome random_trouble(struct chance *chance)
{
    enum bk_outcome outcome;
    do outcome = (enum bk_outcome)chance_below(chance, BK_OUTCOME_COUNT);
    while (!bk_outcome_retry(outcome) || outcome == BK_OUTCOME_UNKNOWN);
    return outcome;
}

static void strike(struct sim_world *world)
{
    const struct sim_fate *fate = &world->plan.fate;
    struct chance *chance = &world->chance;
    if (chance_one_in(chance, fate->rebalance_one_in)) sim_source_rebalance(&world->source);
    if (world->mono.ms < world->heal_ms) return;
    mend_sink(world);
    if (chance_one_in(chance, fate->drop_one_in)) {
        world->lost = chance_one_in(chance, 2);
        sim_sink_drop(&world->sink, chance_below(chance, world->sink.count + 1));
        world->heal_ms = world->mono.ms + chance_below(chance, 3000);
    } else if (chance_one_in(chance, fate->freeze_one_in)) {
        world->sink.frozen = true;
        world->heal_ms = world->mono.ms + chance_below(chance, 5000);
    } else if (chance_one_in(chance, fate->error_one_in)) {
        world->sink.answer = random_trouble(chance);
        world->heal_ms = world->mono.ms + chance_below(chance, 2000);
    }
}

void sim_world_mend(struct sim_world *world)
{
    world->calm = true;
    world->sink.latency_ms_max = world->sink.per_turn_max = 0;
    mend_sink(world);
    sim_source_want_all(&world->source);
}

/* ---- steps ---- */

static void check_turn(struct sim_world *world)
{
    const struct bk_engine *engine = bk_pipeline_engine(world->pl);
    uint64_t bytes = bk_engine_bytes(engine) - bk_arena_bytes(&engine->self),
             budget = (uint64_t)world->cfg->state_bytes_max;
    if (bytes > world->bytes_max) world->bytes_max = bytes;
    sim_world_check(world, bytes <= budget, "state takes %llu bytes of %llu",
                    (unsigned long long)bytes, (unsigned long long)budget);
    const struct sim_sink *sink = &world->sink;
    sim_world_check(world, sink->count <= sink->window, "%u unanswered commands in a window of %u",
                    sink->count, sink->window);
    sim_world_check(world, sink->taken == sink->answered + sink->count,
                    "a ticket without its one outcome");
    sim_world_check(world, !sink->without_room, "a command was submitted where there was no room");
    sim_world_check(world, !sink->malformed, "a command is not RESP");
    bool done = bk_pipeline_is_done(world->pl);
    if (!done) return;
    sim_world_check(world, !sink->count, "done with %u commands unanswered", sink->count);
    sim_world_check(world, !bk_publisher_waiting(bk_pipeline_publisher(world->pl)),
                    "done while lists wait");
}

static void take_turns(struct sim_world *world, uint32_t most)
{
    bool more = true;
    for (uint32_t i = 0; i < most && more; i++) {
        more = bk_pipeline_turn(world->pl, world->mono, world->wall_ms);
        check_turn(world);
    }
}

/* As a loop would: as long as somebody wakes it. */
static void take_turns_until_asleep(struct sim_world *world)
{
    enum { TURNS_MAX = 1000 };
    for (int i = 0; i < TURNS_MAX; i++) {
        world->woken = false;
        bool more = bk_pipeline_turn(world->pl, world->mono, world->wall_ms);
        check_turn(world);
        sim_sink_turn(&world->sink, world->wall_ms);
        if (!more && !world->woken) return;
    }
}

static void advance(struct sim_world *world, int64_t ms)
{
    world->mono.ms += ms;
    world->wall_ms += ms;
    sim_sink_turn(&world->sink, world->wall_ms);
}

void sim_world_step(struct sim_world *world)
{
    struct chance *chance = &world->chance;
    world->step++;
    int64_t ms = chance_below(chance, world->plan.fate.step_ms_max);
    if (!world->calm && chance_one_in(chance, world->plan.fate.leap_one_in))
        ms = chance_below(chance, 3 * TOLD_HOUR);
    if (!world->calm) strike(world);
    advance(world, ms);
    take_turns(world, 1 + chance_below(chance, 4));
}

void sim_world_pass(struct sim_world *world, int64_t ms, int64_t step_ms)
{
    for (; ms > 0; ms -= step_ms) {
        world->step++;
        advance(world, bk_min_i64(ms, step_ms));
        take_turns_until_asleep(world);
    }
}

void sim_world_until_done(struct sim_world *world)
{
    int64_t start = world->mono.ms;
    while (!sim_source_is_at_end(&world->source) || !bk_pipeline_is_done(world->pl)) {
        sim_world_pass(world, 50, 50);
        if (world->mono.ms - start < TOLD_HOUR) continue;
        sim_world_check(
            world, false,
            "not done in an hour: source at end %d, %u lists wait, %u unanswered, intake %s",
            sim_source_is_at_end(&world->source),
            bk_publisher_waiting(bk_pipeline_publisher(world->pl)), world->sink.count,
            bk_intake_word(bk_pipeline_intake(world->pl)));
    }
}

void sim_world_sweep(struct sim_world *world)
{
    struct bk_publisher *pub = bk_pipeline_publisher(world->pl);
    uint64_t until = bk_publisher_sweeps(pub) + 2;
    int64_t start = world->mono.ms;
    while (bk_publisher_sweeps(pub) < until || !bk_publisher_is_idle(pub)) {
        sim_world_pass(world, 200, 200);
        sim_world_check(world, world->mono.ms - start < TOLD_HOUR, "no sweep in an hour");
    }
}
