/* value.c -- the text form of one value.
 *
 * THE IDEA
 *   A number is digits and at most one suffix; each type has a table of suffixes, largest first,
 * which serves both directions: parsing looks a suffix up, formatting takes the largest one that
 * divides the value. So format(parse(x)) parses to the same. WHY NO FRACTIONS, NO "1h30m" One way
 * to say a value keeps messages and diffs of configurations short; 90m says the same.
 */
#include "value.h"

#include <math.h>
#include <stdlib.h>

struct suffix {
    const char *text;
    int64_t scale;
};

/* Largest first; the entry without text is the plain number and ends the table. */
static const struct suffix count_suffixes[] = {{"m", 1000000}, {"k", 1000}, {"", 1}};
static const struct suffix bytes_suffixes[] = {
    {"t", 1LL << 40}, {"g", 1LL << 30}, {"m", 1LL << 20}, {"k", 1LL << 10}, {"", 1}};
/* A bare number is not a duration: the unit's guess is how 30 becomes 30 ms. */
static const struct suffix duration_suffixes[] = {
    {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};

static const struct suffix *suffixes_of(enum bk_config_type type, size_t *count)
{
    switch (type) {
    case BK_CONFIG_COUNT:
        *count = BK_COUNTOF(count_suffixes);
        return count_suffixes;
    case BK_CONFIG_BYTES:
        *count = BK_COUNTOF(bytes_suffixes);
        return bytes_suffixes;
    case BK_CONFIG_DURATION:
        *count = BK_COUNTOF(duration_suffixes);
        return duration_suffixes;
    default:
        *count = 0;
        return NULL;
    }
}

static const char *unknown_suffix(enum bk_config_type type)
{
    switch (type) {
    case BK_CONFIG_COUNT:
        return "has an unknown suffix (allowed k = 1000, m = 1000000)";
    case BK_CONFIG_BYTES:
        return "has an unknown suffix (allowed k, m, g, t, powers of 1024)";
    default:
        return "has an unknown unit (allowed ms, s, m, h, d)";
    }
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Suffixes of counts and bytes may be capitals; units may not, for M is no minute. */
static bool suffix_is(enum bk_config_type type, const char *text, const char *suffix)
{
    if (strcmp(text, suffix) == 0) return true;
    return type != BK_CONFIG_DURATION && suffix[0] && text[0] == suffix[0] - ('a' - 'A') &&
           !text[1];
}

static const char *parse_number(enum bk_config_type type, const char *text, int64_t *out)
{
    int64_t number = 0;
    const char *at = text;
    if (!is_digit(*at)) return *at ? "is not a whole number" : "is empty, a number is expected";
    for (; is_digit(*at); at++) {
        if (number > (INT64_MAX - (*at - '0')) / 10) return "is too large to be a number here";
        number = number * 10 + (*at - '0');
    }
    if (type == BK_CONFIG_DURATION && !*at) {
        if (number) return "lacks its unit (allowed ms, s, m, h, d)";
        *out = 0;
        return NULL;
    }
    size_t count;
    const struct suffix *suffix = suffixes_of(type, &count);
    for (size_t i = 0; i < count; i++) {
        if (!suffix_is(type, at, suffix[i].text)) continue;
        if (number > INT64_MAX / suffix[i].scale) return "is too large to be a number here";
        *out = number * suffix[i].scale;
        return NULL;
    }
    return *at == '.' || *at == ',' ? "is not a whole number" : unknown_suffix(type);
}

static const char *parse_bool(const char *text, int64_t *out)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on", "0", "1"};
    for (size_t i = 0; i < BK_COUNTOF(words); i++) {
        if (strcmp(text, words[i]) != 0) continue;
        *out = (int64_t)(i & 1);
        return NULL;
    }
    return "is neither true nor false (allowed true, false, yes, no, on, off, 1, 0)";
}

const char *bk__value_parse(enum bk_config_type type, const char *text, int64_t *out)
{
    return type == BK_CONFIG_BOOL ? parse_bool(text, out) : parse_number(type, text, out);
}

const char *bk__value_parse_real(const char *text, double *out)
{
    /* strtod also takes inf, nan and hexadecimal: only what a person writes as a decimal passes. */
    if (!*text || text[strspn(text, "0123456789.+-eE")]) return "is not a decimal number";
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !isfinite(value)) return "is not a decimal number";
    *out = value;
    return NULL;
}

bk_str_t bk__value_word(const char *words, int64_t index)
{
    for (; index > 0; index--) {
        words = strchr(words, '|');
        if (!words) return BK_STR("");
        words++;
    }
    return bk_str(words, strcspn(words, "|"));
}

int64_t bk__value_choice(const char *words, const char *text)
{
    bk_str_t wanted = bk_str_c(text);
    for (int64_t i = 0;; i++) {
        bk_str_t word = bk__value_word(words, i);
        if (word.len == 0) return -1;
        if (bk_str_eq(word, wanted)) return i;
    }
}

void bk__value_format(enum bk_config_type type, int64_t value, struct bk_buf *out)
{
    if (type == BK_CONFIG_BOOL) {
        bk_buf_cstr(out, value ? "true" : "false");
        return;
    }
    if (value == 0) {
        bk_buf_cstr(out, type == BK_CONFIG_DURATION ? "0s" : "0");
        return;
    }
    size_t count;
    const struct suffix *suffix = suffixes_of(type, &count);
    size_t i = 0;
    while (i + 1 < count && value % suffix[i].scale != 0) i++;
    bk_buf_printf(out, "%lld%s", (long long)(value / suffix[i].scale), suffix[i].text);
}
