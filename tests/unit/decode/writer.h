/* writer.h -- what a foreign producer would do: its own schema, its own bytes, no help from our
 * encoder. */
#ifndef TESTS_DECODE_WRITER_H
#define TESTS_DECODE_WRITER_H

#include "samples.h"

#include <stdio.h>

enum { WRITER_ID = 77 };

struct writer {
    uint8_t bytes[1 << 16];
    size_t len;
};

static inline void w_byte(struct writer *w, uint8_t byte)
{
    assert_true(w->len < sizeof w->bytes);
    w->bytes[w->len++] = byte;
}

static inline void w_long(struct writer *w, int64_t value)
{
    uint64_t raw = ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
    for (; raw >= 0x80; raw >>= 7) w_byte(w, (uint8_t)(raw | 0x80));
    w_byte(w, (uint8_t)raw);
}

static inline void w_raw(struct writer *w, const void *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) w_byte(w, ((const uint8_t *)bytes)[i]);
}

static inline void w_text(struct writer *w, const char *text)
{
    w_long(w, (int64_t)strlen(text));
    w_raw(w, text, strlen(text));
}

static inline void w_frame(struct writer *w, uint32_t id)
{
    w->len = 0;
    w_byte(w, 0);
    for (int shift = 24; shift >= 0; shift -= 8) w_byte(w, (uint8_t)(id >> shift));
}

/* A Tick of visitor "v" up to the field under test. Its schema is TICK(type of the field). */
#define TICK_HEAD                                                                                  \
    "{\"type\":\"record\",\"name\":\"Tick\",\"fields\":[{\"name\":\"event_id\",\"type\":"          \
    "\"string\"},"                                                                                 \
    "{\"name\":\"event_time\",\"type\":\"long\"},{\"name\":\"visitor_id\",\"type\":\"string\"},"   \
    "{\"name\":\"extra\",\"type\":"
#define TICK(type) TICK_HEAD type "}]}"

static inline void w_tick(struct writer *w)
{
    w_frame(w, WRITER_ID);
    w_text(w, "id");
    w_long(w, 1);
    w_text(w, "v");
}

/* Decode what was written, from a buffer of exactly its length. */
static inline struct bk_verdict w_decode(struct bk_decoder *decoder, const struct writer *w,
                                         enum bk_topic topic, const char *key,
                                         const struct bk_event **ev)
{
    uint8_t *exact = malloc(w->len);
    memcpy(exact, w->bytes, w->len);
    struct bk_record record = {
        .topic = topic, .key = bk_str_c(key), .value = bk_str((const char *)exact, w->len)};
    struct bk_verdict got = bk_decode(decoder, &record, ev);
    free(exact); /* strings of the event are gone with it: callers look at numbers only */
    return got;
}

static inline struct bk_decoder *decoder_with(const char *avsc)
{
    struct bk_reason reason = {""};
    struct bk_decoder *decoder = sample_decoder();
    if (bk_decoder_schema_add(decoder, WRITER_ID, avsc, strlen(avsc), &reason) != 0)
        fail_msg("%s", reason.text);
    return decoder;
}

/* What a decoder says about a schema it should refuse. */
static inline void expect_refused(const char *avsc, int code, const char *words)
{
    struct bk_reason reason = {""};
    struct bk_decoder *decoder = sample_decoder();
    int got = bk_decoder_schema_add(decoder, WRITER_ID, avsc, strlen(avsc), &reason);
    if (got != code || !strstr(reason.text, words))
        fail_msg("want %d \"%s\", got %d \"%s\" for %s", code, words, got, reason.text, avsc);
    bk_decoder_destroy(&decoder);
}

#endif
