/* outbox_parcel.c -- one record on its way out: a copy in one block, cut when its topic takes no
 * more.
 *
 * A parcel keeps what BK_OUT_BYTES_MAX allows of its value; each attempt sends what its limit
 * allows, and says in a header how long the value was when that is less.
 */
#include "outbox_parcel.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    CUT_MIN = 512,        /* a topic that does not take this much takes nothing */
    HEADER_OVERHEAD = 16, /* lengths on the wire, and a little */
};

static uint32_t overhead_of(const struct bk_outgoing *record)
{
    uint32_t bytes = record->key.len + (uint32_t)sizeof BK_HEADER_CUT + 2 * HEADER_OVERHEAD;
    for (uint32_t i = 0; i < record->header_count; i++)
        bytes += (uint32_t)strlen(record->headers[i].name) + record->headers[i].value.len +
                 HEADER_OVERHEAD;
    return bytes;
}

/* Copy bytes to `*at` and go on behind them; NULL stays NULL. */
static bk_str_t keep(char **at, bk_str_t str)
{
    if (!str.p) return (bk_str_t){NULL, 0};
    char *copy = *at;
    if (str.len) memcpy(copy, str.p, str.len);
    copy[str.len] = '\0';
    *at += str.len + 1;
    return bk_str(copy, str.len);
}

bool bk__parcel_fits(const struct bk_outgoing *record)
{
    uint32_t overhead = overhead_of(record);
    if (record->header_count > BK_OUT_HEADERS_MAX || overhead >= BK_OUT_BYTES_MAX) return false;
    return record->may_cut || record->value.len <= BK_OUT_BYTES_MAX - overhead;
}

struct parcel *bk__parcel_create(const struct bk_outgoing *record)
{
    uint32_t overhead = overhead_of(record), room = BK_OUT_BYTES_MAX - overhead;
    bk_str_t value = bk_str(record->value.p, record->value.len < room ? record->value.len : room);
    size_t topic_len = strlen(record->topic), head = sizeof(struct parcel);
    head += record->header_count * sizeof(struct bk_header);
    size_t bytes = head + topic_len + 1 + value.len + 1 + overhead;
    struct parcel *parcel = malloc(bytes);
    if (!parcel) return NULL;
    char *at = (char *)parcel + head;
    *parcel = (struct parcel){.whole = record->value.len,
                              .limit = BK_OUT_BYTES_MAX,
                              .overhead = overhead,
                              .cost = bytes,
                              .may_cut = record->may_cut,
                              .header_count = record->header_count};
    parcel->topic = keep(&at, bk_str(record->topic, topic_len)).p;
    parcel->key = keep(&at, record->key);
    parcel->value = keep(&at, value);
    for (uint32_t i = 0; i < record->header_count; i++) {
        parcel->header[i].name = keep(&at, bk_str_c(record->headers[i].name)).p;
        parcel->header[i].value = keep(&at, record->headers[i].value);
    }
    BK_ASSERT(at <= (char *)parcel + bytes);
    return parcel;
}

/* The value as this attempt sends it. */
static bk_str_t value_now(const struct parcel *parcel)
{
    uint32_t room = parcel->limit > parcel->overhead ? parcel->limit - parcel->overhead : 0;
    return bk_str(parcel->value.p, parcel->value.len < room ? parcel->value.len : room);
}

static rd_kafka_headers_t *headers_of(const struct parcel *parcel, bk_str_t value)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(parcel->header_count + 1);
    for (uint32_t i = 0; i < parcel->header_count; i++)
        rd_kafka_header_add(headers, parcel->header[i].name, -1, parcel->header[i].value.p,
                            parcel->header[i].value.len);
    if (value.len < parcel->whole) {
        char text[16];
        int len = snprintf(text, sizeof text, "%u", parcel->whole);
        rd_kafka_header_add(headers, BK_HEADER_CUT, -1, text, len);
    }
    return headers;
}

rd_kafka_resp_err_t bk__parcel_produce(const struct parcel *parcel, rd_kafka_t *rk,
                                       uint64_t sequence)
{
    bk_str_t value = value_now(parcel);
    rd_kafka_headers_t *headers = headers_of(parcel, value);
    rd_kafka_resp_err_t err = rd_kafka_producev(
        rk, RD_KAFKA_V_TOPIC(parcel->topic),
        RD_KAFKA_V_KEY((void *)(uintptr_t)parcel->key.p, parcel->key.len),
        RD_KAFKA_V_VALUE((void *)(uintptr_t)value.p, value.len),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_OPAQUE((void *)(uintptr_t)sequence),
        RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
    if (err) rd_kafka_headers_destroy(headers); /* else they are the client's */
    return err;
}

bool bk__parcel_cut(struct parcel *parcel)
{
    bk_str_t value = value_now(parcel);
    uint32_t half = parcel->overhead + value.len / 2;
    if (!parcel->may_cut || value.len == 0 || half < CUT_MIN) return false;
    parcel->limit = half;
    return true;
}
