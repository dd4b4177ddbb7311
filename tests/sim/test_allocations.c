/* test_allocations.c -- in the steady state an event costs no call of malloc of ours, and an outage
 * costs no memory.
 *
 * This program's malloc counts and hands on to glibc's; source and sink of these worlds allocate
 * nothing themselves. Sanitizers bring a malloc of their own, so under them nothing is counted and
 * the tests are skipped.
 */
#include "support/sim_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* volatile: the compiler knows malloc and believes that it reads none of these. */
static volatile bool counting;
static volatile uint64_t allocations;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { COUNTS = 0 };
#else
enum { COUNTS = 1 };

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *p, size_t size);

void *malloc(size_t size)
{
    allocations += counting;
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    allocations += counting;
    return __libc_calloc(count, size);
}

void *realloc(void *p, size_t size)
{
    allocations += counting;
    return __libc_realloc(p, size);
}
#endif

static struct sim_world world;
static struct sim_log log_;

static int open_shop(void **state)
{
    (void)state;
    struct chance chance = {99};
    struct told_shape shape = told_shape();
    shape.partitions = 4;
    log_ = (struct sim_log){0};
    sim_log_fill(&log_, &chance, &shape, 6000, 100);
    struct sim_plan plan = sim_plan_calm(1);
    plan.config[0] = "lists.updates_channel=true";
    sim_world_open(&world, &plan, &log_);
    world.calm = true;
    world.sink.forgets = true;
    sim_sink_connect(&world.sink, false);
    return 0;
}

static int close_shop(void **state)
{
    (void)state;
    sim_world_close(&world);
    sim_log_free(&log_);
    return 0;
}

static void see_until(uint32_t share_percent)
{
    for (int32_t p = 0; p < log_.partitions; p++)
        world.source.part[p].visible = log_.events[p].count * share_percent / 100;
}

/* Some records more become visible at every step, as in a shop that is open. */
static uint64_t allocations_while_passing(int64_t ms)
{
    allocations = 0;
    for (; ms > 0; ms -= 50) {
        for (int32_t p = 0; p < log_.partitions; p++)
            if (world.source.part[p].visible < log_.events[p].count) world.source.part[p].visible++;
        counting = true;
        sim_world_pass(&world, 50, 50);
        counting = false;
    }
    return allocations;
}

static void this_program_counts_every_call(void **state)
{
    (void)state;
    if (!COUNTS) skip();
    allocations = 0;
    counting = true;
    void *volatile p = malloc(10);
    p = realloc(p, 20);
    void *volatile q = calloc(1, 1);
    counting = false;
    free(p);
    free(q);
    assert_int_equal(allocations, 3);
}

static void an_event_in_the_steady_state_allocates_nothing(void **state)
{
    (void)state;
    if (!COUNTS) skip();
    see_until(50);
    sim_world_pass(&world, 20000, 50);
    uint64_t before = world.source.delivered, written = world.sink.answered;
    assert_int_equal(allocations_while_passing(100000), 0);
    assert_true(world.source.delivered - before > 2900);
    assert_true(world.sink.answered - written > 5000);
}

static void an_hour_without_a_sink_allocates_nothing(void **state)
{
    (void)state;
    if (!COUNTS) skip();
    see_until(50);
    sim_world_pass(&world, 20000, 50);
    sim_sink_drop(&world.sink, world.sink.count);
    assert_int_equal(allocations_while_passing(TOLD_HOUR), 0);
    sim_world_mend(&world);
    sim_world_until_done(&world);
}

#define IN_SHOP(name) cmocka_unit_test_setup_teardown(name, open_shop, close_shop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(this_program_counts_every_call),
        IN_SHOP(an_event_in_the_steady_state_allocates_nothing),
        IN_SHOP(an_hour_without_a_sink_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
