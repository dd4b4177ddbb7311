/* chance.c -- see chance.h. */
#include "chance.h"

static const double LN2 = 0.69314718055994530942;

/* 2^n as its bits. */
static double power_of_two(int n)
{
    uint64_t bits = (uint64_t)(n + 1023) << 52;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

double bk__chance_exp(double x)
{
    int whole = (int)(x / LN2 + (x < 0 ? -0.5 : 0.5));
    double rest = x - whole * LN2, term = 1.0, sum = 1.0;
    for (int i = 1; i <= 13; i++) {
        term *= rest / i;
        sum += term;
    }
    return sum * power_of_two(whole);
}

double bk__chance_log(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    int whole = (int)(bits >> 52 & 0x7ff) - 1023;
    double mantissa = x / power_of_two(whole);
    if (mantissa > 1.4142135623730951) {
        mantissa /= 2;
        whole++;
    }
    double s = (mantissa - 1) / (mantissa + 1), square = s * s, power = s, sum = 0;
    for (int i = 1; i <= 13; i += 2) {
        sum += power / i;
        power *= square;
    }
    return 2 * sum + whole * LN2;
}

double bk__chance_normal(struct bk__chance *chance)
{
    int64_t sum = 0;
    for (int i = 0; i < 3; i++) {
        uint64_t four = bk__chance_next(chance);
        for (int shift = 0; shift < 64; shift += 16) sum += (int64_t)(four >> shift & 0xffff);
    }
    return ((double)sum - 12 * 32767.5) / 65536.0;
}

double bk__chance_exponential(struct bk__chance *chance)
{
    return -bk__chance_log(1.0 - bk__chance_unit(chance));
}

double bk__chance_lognormal(struct bk__chance *chance, double sigma)
{
    return bk__chance_exp(sigma * bk__chance_normal(chance));
}
