/* put.h -- the primitives of Avro's binary encoding, for the files that write records.
 *
 * An `out` that is full stays full: nothing is written any more, and who began it says so at the
 * end.
 */
#ifndef BASKETRY_DECODE_PUT_H
#define BASKETRY_DECODE_PUT_H

#include "basketry/event.h"

struct bk__out {
    uint8_t *p, *end;
    bool full;
};

static inline void bk__put_bytes(struct bk__out *out, const void *bytes, size_t len)
{
    if (out->full || len > (size_t)(out->end - out->p)) {
        out->full = true;
        return;
    }
    if (len) memcpy(out->p, bytes, len);
    out->p += len;
}

static inline void bk__put_byte(struct bk__out *out, uint8_t byte)
{
    bk__put_bytes(out, &byte, 1);
}

static inline void bk__put_long(struct bk__out *out, int64_t value)
{
    uint64_t raw = ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
    for (; raw >= 0x80; raw >>= 7) bk__put_byte(out, (uint8_t)(raw | 0x80));
    bk__put_byte(out, (uint8_t)raw);
}

static inline void bk__put_text(struct bk__out *out, bk_str_t text)
{
    bk__put_long(out, text.len);
    bk__put_bytes(out, text.p, text.len);
}

static inline void bk__put_null(struct bk__out *out)
{
    bk__put_byte(out, 0);
}

static inline void bk__put_text_or_null(struct bk__out *out, bk_str_t text)
{
    if (!text.p) {
        bk__put_null(out);
        return;
    }
    bk__put_long(out, 1);
    bk__put_text(out, text);
}

static inline void bk__put_long_or_null(struct bk__out *out, int64_t value)
{
    if (value == BK_NULL_I64) {
        bk__put_null(out);
        return;
    }
    bk__put_long(out, 1);
    bk__put_long(out, value);
}

/** IEEE 754, little-endian. */
static inline void bk__put_double(struct bk__out *out, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    for (int shift = 0; shift < 64; shift += 8) bk__put_byte(out, (uint8_t)(bits >> shift));
}

/** The end of an array or map; alone, one without elements. */
static inline void bk__put_none(struct bk__out *out)
{
    bk__put_byte(out, 0);
}

/** Confluent's head of a record of this kind. */
static inline void bk__put_frame(struct bk__out *out, uint32_t schema_id)
{
    bk__put_byte(out, 0);
    for (int shift = 24; shift >= 0; shift -= 8) bk__put_byte(out, (uint8_t)(schema_id >> shift));
}

#endif
