/* cursor.h -- reading Avro's primitives from bytes that nobody vouches for.
 *
 * Every read checks the end first and returns a verdict; nothing is written through and nothing
 * allocated. The common cases (one-byte varints, short ASCII texts) come first and inline.
 */
#ifndef BK_DECODE_CURSOR_H
#define BK_DECODE_CURSOR_H

#include "basketry/verdict.h"

struct bk__cursor {
    const uint8_t *p, *end;
};

static inline size_t bk__cursor_left(const struct bk__cursor *cur)
{
    return (size_t)(cur->end - cur->p);
}

/* More than one byte: at most 10, the tenth with one bit; past that it is not a 64-bit integer. */
static enum bk_verdict_code bk__cursor_varint_long(struct bk__cursor *cur, uint64_t *out)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (cur->p == cur->end) return BK_VERDICT_TRUNCATED;
        uint8_t byte = *cur->p++;
        if (shift == 63 && byte > 1) return BK_VERDICT_BAD_VARINT;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *out = value;
            return BK_VERDICT_OK;
        }
    }
    return BK_VERDICT_BAD_VARINT;
}

/** A zigzag varint of up to 64 bits. */
static inline enum bk_verdict_code bk__cursor_long(struct bk__cursor *cur, int64_t *out)
{
    uint64_t raw;
    if (BK_LIKELY(cur->p < cur->end && *cur->p < 0x80)) {
        raw = *cur->p++;
    } else {
        enum bk_verdict_code code = bk__cursor_varint_long(cur, &raw);
        if (code) return code;
    }
    *out = (int64_t)(raw >> 1) ^ -(int64_t)(raw & 1);
    return BK_VERDICT_OK;
}

/** The same, but it must fit into 32 bits. */
static inline enum bk_verdict_code bk__cursor_int(struct bk__cursor *cur, int64_t *out)
{
    enum bk_verdict_code code = bk__cursor_long(cur, out);
    if (code) return code;
    return *out < INT32_MIN || *out > INT32_MAX ? BK_VERDICT_BAD_VARINT : BK_VERDICT_OK;
}

/** `bytes` bytes: passed over. */
static inline enum bk_verdict_code bk__cursor_skip(struct bk__cursor *cur, uint64_t bytes)
{
    if (bytes > bk__cursor_left(cur)) return BK_VERDICT_TRUNCATED;
    cur->p += bytes;
    return BK_VERDICT_OK;
}

/** A length and that many bytes, borrowed. An empty text has p == NULL. */
static inline enum bk_verdict_code bk__cursor_bytes(struct bk__cursor *cur, bk_str_t *out)
{
    int64_t len;
    enum bk_verdict_code code = bk__cursor_long(cur, &len);
    if (code) return code;
    if ((uint64_t)len > bk__cursor_left(cur)) return BK_VERDICT_BAD_LENGTH; /* negative: huge */
    *out = (bk_str_t){len ? (const char *)cur->p : NULL, (uint32_t)len};
    cur->p += len;
    return BK_VERDICT_OK;
}

/** bk_utf8_valid with the all-ASCII case inline: ids are short and nearly always ASCII. */
static inline bool bk__text_valid(bk_str_t text)
{
    const uint64_t high = 0x8080808080808080u;
    uint64_t seen = 0, word;
    uint32_t at = 0;
    for (; text.len - at >= 8; at += 8) {
        memcpy(&word, text.p + at, 8);
        seen |= word;
    }
    if (at < text.len && text.len >= 8) {
        memcpy(&word, text.p + text.len - 8, 8);
        seen |= word;
    } else {
        for (; at < text.len; at++) seen |= (uint8_t)text.p[at];
    }
    return BK_LIKELY((seen & high) == 0) || bk_utf8_valid(text.p, text.len);
}

#endif
