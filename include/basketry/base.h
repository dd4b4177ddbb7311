/* base.h -- the vocabulary every folder shares and that knows nothing of shops.
 *
 * Borrowed bytes, assertions that stay in release builds, two clocks that cannot be mixed up,
 * and the one hash. Everything here is plain C11 and free of I/O but for the message an assertion
 * prints before it aborts.
 */
#ifndef BASKETRY_BASE_H
#define BASKETRY_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Bytes that somebody else owns; a comment at each use says who. Not NUL-terminated. */
typedef struct bk_str {
    const char *p;
    uint32_t len;
} bk_str_t;

/** A string literal as borrowed bytes. */
#define BK_STR(literal) ((bk_str_t){(literal), (uint32_t)(sizeof(literal) - 1)})

/** Milliseconds since 1970-01-01T00:00Z: what records and lists carry. */
typedef int64_t bk_wall_ms_t;
/** Milliseconds of a clock that never jumps: what timers and deadlines use. A type of its own. */
typedef struct bk_mono_ms {
    int64_t ms;
} bk_mono_ms_t;

#define BK_MUST_CHECK        __attribute__((warn_unused_result))
#define BK_PRINTF(at, first) __attribute__((format(printf, at, first)))
#define BK_LIKELY(x)         __builtin_expect(!!(x), 1)
#define BK_UNLIKELY(x)       __builtin_expect(!!(x), 0)
#define BK_COUNTOF(array)    (sizeof(array) / sizeof((array)[0]))

/** A bug in Basketry itself: say where and abort, in release builds too. */
#define BK_ASSERT(cond)                                                                            \
    do {                                                                                           \
        if (BK_UNLIKELY(!(cond))) bk_assert_fail(#cond, __FILE__, __LINE__);                       \
    } while (0)
_Noreturn void bk_assert_fail(const char *cond, const char *file, int line);

static inline bk_str_t bk_str(const char *p, size_t len)
{
    return (bk_str_t){p, (uint32_t)len};
}

/** The bytes of a C string, without its NUL; NULL gives the empty string. */
static inline bk_str_t bk_str_c(const char *text)
{
    return text ? bk_str(text, strlen(text)) : bk_str("", 0);
}

static inline bool bk_str_eq(bk_str_t a, bk_str_t b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

/** Order by bytes, shorter first among equal prefixes: <0, 0, >0. */
int bk_str_cmp(bk_str_t a, bk_str_t b);

/** The one 64-bit hash (XXH3, seed 0): stable across machines and versions, so it may be stored. */
uint64_t bk_hash(const void *bytes, size_t len);

/** CRC-32C of `len` bytes, the check of every block in a file. Start with 0; a result handed in as
 *  `crc` continues it, so that pieces give what the whole gives. `bytes` may be NULL when len is 0.
 *  Any thread. */
uint32_t bk_crc32c(uint32_t crc, const void *bytes, size_t len);

/** Mix a 64-bit integer; for combining hashes and for tests' random streams (splitmix64). */
static inline uint64_t bk_mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/** Promises in the order they were made, by number from 1 on: all up to `kept` are kept. */
struct bk_promises {
    uint64_t made, kept;
};

static inline uint64_t bk_min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t bk_max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static inline int64_t bk_min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t bk_max_i64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/** Are these bytes well-formed UTF-8 (no surrogates, no overlong forms)? */
bool bk_utf8_valid(const char *p, size_t len);

#ifdef __cplusplus
}
#endif
#endif
