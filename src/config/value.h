/* value.h -- the text form of one value; private to src/config. */
#ifndef BK_CONFIG_VALUE_H
#define BK_CONFIG_VALUE_H

#include "basketry/buf.h"
#include "basketry/config.h"

/** Parse a COUNT, BYTES, DURATION or BOOL into `out` (milliseconds for a DURATION, 0 or 1 for a
 * BOOL). Returns NULL when it is one, or static text that says what is wrong: "is not a number",
 * "has an unknown suffix (allowed k, m)", ... */
const char *bk__value_parse(enum bk_config_type type, const char *text, int64_t *out);

/** Parse a REAL: decimal, finite. NULL or what is wrong, as above. */
const char *bk__value_parse_real(const char *text, double *out);

/** The index of `text` among the words of "a|b|c", or -1. */
int64_t bk__value_choice(const char *words, const char *text);

/** The word at `index` of "a|b|c"; empty beyond the last. Borrowed from `words`. */
bk_str_t bk__value_word(const char *words, int64_t index);

/** Append the shortest text that parses back to `value`: "64k", "30m", "true". */
void bk__value_format(enum bk_config_type type, int64_t value, struct bk_buf *out);

#endif
