/* chance.h -- random numbers that are the same everywhere.
 *
 * One 64-bit state a stream (splitmix64: Steele, Lea, Flood 2014). What needs logarithms gets them
 * from series in IEEE double, + - * / alone: the C library's may differ in the last digit from one
 * version to the next, and one digit changes everything that follows.
 */
#ifndef BASKETRY_SHOP_CHANCE_H
#define BASKETRY_SHOP_CHANCE_H

#include "basketry/base.h"

struct bk__chance {
    uint64_t state;
};

static inline uint64_t bk__chance_next(struct bk__chance *chance)
{
    uint64_t value = bk_mix(chance->state);
    chance->state += 0x9e3779b97f4a7c15u;
    return value;
}

/** 0 .. n-1; n > 0. */
static inline uint32_t bk__chance_below(struct bk__chance *chance, uint32_t n)
{
    return (uint32_t)(((bk__chance_next(chance) >> 32) * n) >> 32);
}

/** True in so many of a hundred cases. */
static inline bool bk__chance_percent(struct bk__chance *chance, uint32_t percent)
{
    return bk__chance_below(chance, 100) < percent;
}

/** In [0, 1). */
static inline double bk__chance_unit(struct bk__chance *chance)
{
    return (double)(bk__chance_next(chance) >> 11) * 0x1p-53;
}

/** What belongs to these numbers under this seed, without a stream. */
static inline uint64_t bk__chance_of(uint64_t seed, uint64_t a, uint64_t b, uint64_t c)
{
    return bk_mix(bk_mix(bk_mix(seed ^ (a << 40)) ^ (b << 20)) ^ c);
}

/** e^x for |x| < 700; log of x > 0. To about 1e-14 and 1e-11. */
double bk__chance_exp(double x);
double bk__chance_log(double x);

/** Mean 0, variance 1; the sum of twelve uniforms, so within 6. */
double bk__chance_normal(struct bk__chance *chance);
/** Mean 1. */
double bk__chance_exponential(struct bk__chance *chance);
/** exp(sigma * normal): median 1. */
double bk__chance_lognormal(struct bk__chance *chance, double sigma);

#endif
