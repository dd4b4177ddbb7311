/* base.c -- the few functions behind base.h: comparison, the one hash, UTF-8, a bug's last
 * words. */
#include "basketry/base.h"

#include <stdio.h>
#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

void bk_assert_fail(const char *cond, const char *file, int line)
{
    fprintf(stderr, "bug: %s:%d: %s\n", file, line, cond);
    abort();
}

int bk_str_cmp(bk_str_t a, bk_str_t b)
{
    uint32_t common = a.len < b.len ? a.len : b.len;
    int order = common ? memcmp(a.p, b.p, common) : 0;
    if (order != 0) return order;
    return a.len < b.len ? -1 : a.len > b.len;
}

uint64_t bk_hash(const void *bytes, size_t len)
{
    return XXH3_64bits(bytes, len);
}

/* The length of the well-formed sequence that starts at p, or 0 (Unicode 15, table 3-7). */
static size_t utf8_sequence(const unsigned char *p, size_t left)
{
    unsigned char first = p[0], low = 0x80, high = 0xBF;
    size_t len;
    if (first < 0x80) return 1;
    if (first >= 0xC2 && first <= 0xDF)
        len = 2;
    else if (first >= 0xE0 && first <= 0xEF)
        len = 3;
    else if (first >= 0xF0 && first <= 0xF4)
        len = 4;
    else
        return 0;
    if (first == 0xE0) low = 0xA0;  /* no overlong forms */
    if (first == 0xED) high = 0x9F; /* no surrogates */
    if (first == 0xF0) low = 0x90;
    if (first == 0xF4) high = 0x8F; /* nothing past U+10FFFF */
    if (left < len || p[1] < low || p[1] > high) return 0;
    for (size_t i = 2; i < len; i++)
        if (p[i] < 0x80 || p[i] > 0xBF) return 0;
    return len;
}

bool bk_utf8_valid(const char *p, size_t len)
{
    size_t at = 0;
    /* Ids and names are mostly ASCII: eight bytes at a time while no high bit shows. */
    while (at < len) {
        uint64_t word;
        while (len - at >= sizeof word) {
            memcpy(&word, p + at, sizeof word);
            if (word & 0x8080808080808080u) break;
            at += sizeof word;
        }
        if (at == len) return true;
        size_t step = utf8_sequence((const unsigned char *)p + at, len - at);
        if (step == 0) return false;
        at += step;
    }
    return true;
}
