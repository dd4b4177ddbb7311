/* shop.h -- a shop that never was: one endless stream of events from a seed, for measuring.
 *
 * The same seed and shape give the same bytes on every machine, so two runs, or two versions of the
 * program, are measured on one and the same stream.
 *
 *   subjects   `subjects` shoppers, seven of ten with a customer id; some come often (skewed)
 *   sessions   one for every twelve subjects is live at a time, each with an aisle it mostly stays in;
 *              its events are 20 s apart on average and it has 14 of them on average, geometrically
 *   items      `items` in aisles of a hundred; Zipf (exponent 1) within the aisle and over the whole shop
 *   kinds      per thousand: about 700 views, 110 searches, 120 into and 20 out of the cart, 50 purchases
 *              of 8 lines on average (a session ends in one, two times in three)
 */
#ifndef BASKETRY_TESTS_BENCH_SHOP_H
#define BASKETRY_TESTS_BENCH_SHOP_H

#include "basketry/decode.h"

struct shop_shape {
    uint64_t seed;
    uint32_t subjects;
    uint32_t items;
    bk_wall_ms_t start_ms; /* event time of the first event */
};

/** 20,000 subjects, 10,000 items, seed 1, a day late in 2023. */
struct shop_shape shop_shape_default(void);

struct shop;
/** NULL: no memory. */
struct shop *shop_create(const struct shop_shape *shape);
void shop_destroy(struct shop **shop);
/** The next event and its key (the subject); both borrowed until the next call. */
const struct bk_event *shop_next(struct shop *shop, bk_str_t *key);

#endif
