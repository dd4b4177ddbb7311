/* shop_kit.h -- a small simulated shop for tests, and its records as bytes. */
#ifndef TESTS_SHOP_KIT_H
#define TESTS_SHOP_KIT_H

#include "basketry/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "basketry/decode.h"
#include "basketry/shop.h"

enum { KIT_DAY_MS = 86400000, KIT_BYTES = 1 << 16 };
/* Monday 2025-01-06. */
#define KIT_START ((bk_wall_ms_t)1736121600000)

static inline struct bk_shop *kit_shop_at(uint64_t seed, uint32_t households, bk_wall_ms_t start_ms)
{
    struct bk_reason reason = {""};
    struct bk_shop_params params;
    bk_shop_params_default(&params);
    params.seed = seed;
    params.households = households;
    params.start_ms = start_ms;
    struct bk_shop *shop = bk_shop_create(&params, &reason);
    if (!shop) fail_msg("%s", reason.text);
    return shop;
}

static inline struct bk_shop *kit_shop(uint64_t seed, uint32_t households)
{
    return kit_shop_at(seed, households, KIT_START);
}

static inline size_t kit_encode(const struct bk_shop_record *record, uint8_t *bytes)
{
    size_t len = record->product    ? bk_encode_product(record->product, bytes, KIT_BYTES)
                 : record->customer ? bk_encode_customer(record->customer, bytes, KIT_BYTES)
                                    : bk_encode_event(record->event, bytes, KIT_BYTES);
    assert_true(len > 0);
    return len;
}

/* A number that every byte of topic, key and value changes. */
static inline uint64_t kit_digest(uint64_t digest, const struct bk_shop_record *record)
{
    static uint8_t bytes[KIT_BYTES];
    size_t len = kit_encode(record, bytes);
    digest = bk_mix(digest ^ bk_hash(bytes, len));
    digest = bk_mix(digest ^ bk_hash(record->key.p, record->key.len));
    return bk_mix(digest ^ (uint64_t)record->topic ^ (uint64_t)record->time_ms << 8);
}

static inline bool kit_is(bk_str_t text, const char *word)
{
    return bk_str_eq(text, bk_str_c(word));
}

/* The product of a line. */
static inline uint32_t kit_product(const struct bk_shop *shop, const struct bk_line *line)
{
    uint32_t product = bk_shop_product_find(shop, line->item);
    assert_true(product < bk_shop_product_count(shop));
    return product;
}

#endif
