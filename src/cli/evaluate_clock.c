/* evaluate_clock.c -- see evaluate_clock.h. Durations under 32 ns have a bucket each; above, 32
 * buckets a power of two. */
#include "evaluate_clock.h"

#include <time.h>

static int64_t read_clock(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t bk__eval_clock_now_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t bk__eval_clock_spent_ns(void)
{
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

static uint32_t bucket_of(uint64_t ns)
{
    uint32_t shift = 0;
    while (ns >> shift >= 2 * EVAL_CLOCK_STEPS) shift++;
    uint64_t bucket = (uint64_t)shift * EVAL_CLOCK_STEPS + (ns >> shift);
    return bucket < EVAL_CLOCK_BUCKETS ? (uint32_t)bucket : EVAL_CLOCK_BUCKETS - 1;
}

/* The largest duration that falls into a bucket. */
static uint64_t top_of(uint32_t bucket)
{
    if (bucket < 2 * EVAL_CLOCK_STEPS) return bucket;
    uint32_t shift = bucket / EVAL_CLOCK_STEPS - 1;
    uint64_t step = bucket - shift * EVAL_CLOCK_STEPS;
    return ((step + 1) << shift) - 1;
}

void bk__eval_clock_add(struct eval_clock *clock, int64_t ns)
{
    uint64_t spent = ns > 0 ? (uint64_t)ns : 0;
    clock->bucket[bucket_of(spent)]++;
    clock->calls++;
    clock->total_ns += spent;
}

uint64_t bk__eval_clock_quantile_ns(const struct eval_clock *clock, double share)
{
    uint64_t wanted = (uint64_t)(share * (double)clock->calls + 0.5), seen = 0;
    for (uint32_t bucket = 0; bucket < EVAL_CLOCK_BUCKETS; bucket++) {
        seen += clock->bucket[bucket];
        if (seen && seen >= wanted) return top_of(bucket);
    }
    return 0;
}
