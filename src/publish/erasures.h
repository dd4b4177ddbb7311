/* erasures.h -- the keys of erased shoppers that must go from Redis, and up to which they are gone. */
#ifndef BASKETRY_ERASURES_H
#define BASKETRY_ERASURES_H

#include "basketry/event.h"

/** One shopper's keys. */
struct bk__erasure {
    uint64_t number;     /* in the order they were asked for, from 1; 0: all its keys are gone */
    uint32_t contexts;   /* still to be sent */
    uint32_t unanswered; /* sent */
    uint8_t id_len;
    char id[BK_SUBJECT_BYTES_MAX];
};

/** Zeroes are an empty one. */
struct bk__erasures {
    struct bk__erasure *ring; /* by number modulo cap */
    uint64_t cap;             /* a power of two, or 0 */
    uint64_t first;           /* every number below it is done */
    uint64_t made;            /* the last number; first == made + 1: nothing waits */
    uint64_t waiting;         /* not done */
};

void bk__erasures_deinit(struct bk__erasures *erasures);
/** The keys of these contexts must go; the id is copied. */
void bk__erasures_ask(struct bk__erasures *erasures, bk_str_t subject, uint32_t contexts);
/** The first one from `number` on that is not done; NULL: there is none. */
struct bk__erasure *bk__erasures_from(struct bk__erasures *erasures, uint64_t number);
/** The one whose number ends in these 32 bits; it is not done. */
struct bk__erasure *bk__erasures_of(struct bk__erasures *erasures, uint32_t number_low);
/** Nothing of it is to be sent or answered any more: it is forgotten. */
void bk__erasures_done(struct bk__erasures *erasures, struct bk__erasure *erasure);
/** Asked for, and up to which all keys are gone. */
struct bk_promises bk__erasures_promises(const struct bk__erasures *erasures);

#endif
