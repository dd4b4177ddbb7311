/* evaluate_clock.h -- how long one call takes: a histogram of nanoseconds in constant memory.
 *
 * Buckets grow by 1/32 of their value, so a quantile is right to 3 %. Calls are measured in
 * processor time of the thread, so that a busy machine does not show; the reading of the clock is
 * inside what is measured: some 300 nanoseconds a call.
 */
#ifndef BASKETRY_CLI_EVALUATE_CLOCK_H
#define BASKETRY_CLI_EVALUATE_CLOCK_H

#include "basketry/base.h"

enum { EVAL_CLOCK_STEPS = 32, EVAL_CLOCK_BUCKETS = 40 * EVAL_CLOCK_STEPS };

struct eval_clock {
    uint64_t bucket[EVAL_CLOCK_BUCKETS];
    uint64_t calls;
    uint64_t total_ns;
};

/** Monotonic nanoseconds. */
int64_t bk__eval_clock_now_ns(void);
/** Nanoseconds that this thread had a processor: what else the machine does is not in it. */
int64_t bk__eval_clock_spent_ns(void);
void bk__eval_clock_add(struct eval_clock *clock, int64_t ns);
/** The smallest duration that `share` (0..1) of the calls did not exceed, to 3 %; 0 when there were
 *  none. */
uint64_t bk__eval_clock_quantile_ns(const struct eval_clock *clock, double share);

#endif
