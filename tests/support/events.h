/* events.h -- shoppers in a few words: events for tests, told one at a time or at random from a
 * seed.
 *
 * A `struct told` is one event with its place in the log and storage of its own. Names are words of
 * a pool that lives as long as the program, so a test writes tell_purchase("ada", "o1", "milk*2
 * bread", t) and keeps nothing alive. Everything told has personal consent, an event id of its own
 * and its record written the moment it happened, until the test says otherwise in the fields.
 */
#ifndef BASKETRY_TESTS_EVENTS_H
#define BASKETRY_TESTS_EVENTS_H

#include "basketry/state.h"

enum { TOLD_MINUTE = 60 * 1000, TOLD_HOUR = 60 * TOLD_MINUTE, TOLD_DAY = 24 * TOLD_HOUR };
/** The start of a day and of a pair epoch, late in 2023: where tests begin. */
#define TOLD_START ((int64_t)2817 * 7 * TOLD_DAY)

struct told {
    struct bk_event event;
    struct bk_place place;
    int32_t partition;
};

/** The pool's copy of a word: equal words have equal pointers. */
const char *told_word(const char *p, size_t len);
/** The word "<prefix><n>". */
const char *told_name(const char *prefix, uint32_t n);
/** Empty the pool and count events from 0 again, as in a fresh program; nothing told may be
 *  alive. */
void told_forget(void);

/** An event without lines. `customer` NULL: a visitor called "web". */
struct told tell(enum bk_event_kind kind, const char *customer, int64_t time_ms);
/** The event with these lines: words parted by blanks, each "item" or "item*quantity". */
struct told tell_lines(struct told told, const char *items);
struct told tell_view(const char *customer, const char *item, int64_t time_ms);
struct told tell_cart(const char *customer, enum bk_cart_op op, const char *items, int64_t time_ms);
struct told tell_purchase(const char *customer, const char *order, const char *items,
                          int64_t time_ms);
void told_free(struct told *told);

/** Apply it and free it: the common case. The place's offset is the shard's next one. */
struct bk_applied told_now(struct bk_engine *engine, struct told told);
/** Apply it where it says it stands. */
struct bk_applied told_apply(struct bk_engine *engine, const struct told *told);

/** An engine for tests: few items, little memory, small bounds lifted; one shard unless said
 *  otherwise. */
struct bk_state_params told_params(void);
void told_engine(struct bk_engine *engine, const struct bk_state_params *params);
/** The subject handle of a customer, 0 when unknown. */
uint32_t told_subject(const struct bk_engine *engine, int32_t partition, const char *customer);
uint32_t told_item(const struct bk_engine *engine, const char *item);

/* ---- chance ---- */

struct chance {
    uint64_t state;
};
/** The seed of BK_SEED, else `otherwise`; printed, so that a failure can be replayed. */
struct chance chance_seed(const char *what, uint64_t otherwise);
uint64_t chance_next(struct chance *chance);
/** 0 .. n-1. */
uint32_t chance_below(struct chance *chance, uint32_t n);
/** True once in n. */
bool chance_one_in(struct chance *chance, uint32_t n);

struct told_shape {
    uint32_t customers, items, partitions;
    uint32_t lines_max;    /* of a receipt or cart event                                         */
    uint32_t step_ms_max;  /* between two events of the stream                                   */
    uint32_t leap_one_in;  /* a leap of up to 30 h once in so many events; 0: never               */
    uint32_t late_one_in;  /* an event that is up to 40 days late; 0: never                       */
    uint32_t ahead_one_in; /* an event dated up to 75 years ahead; 0: never                       */
    uint32_t
        repeat_one_in; /* the same event, order or offset again; 0: never                     */
    uint32_t
        withdraw_one_in; /* erasure, or consent withdrawn; 0: never                             */
    bool no_session_ids;
    bool mixed_consent;
};
/** A shape with a bit of everything. */
struct told_shape told_shape(void);
/** `count` random events, from the pool of names c<n>, i<n>, o<n>, s<n>. Free with
 *  told_stream_free. */
struct told *told_stream(struct chance *chance, const struct told_shape *shape, uint32_t count);
void told_stream_free(struct told *stream, uint32_t count);

#endif
