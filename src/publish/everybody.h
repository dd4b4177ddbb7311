/* everybody.h -- the lists that are nobody's own, beside the popular one: what is rising in the
 * shop and in each category, and what is popular where people shop.
 *
 * A round finds what is rising (bk_boards), then each list is rendered once and handed over if it
 * reads another way than the last time. A round begins when events came since the last, at most
 * every EVERYBODY_INTERVAL_MS, and does a bounded part of its work a turn.
 */
#ifndef BASKETRY_EVERYBODY_H
#define BASKETRY_EVERYBODY_H

#include "basketry/publisher.h"

enum {
    BK__EVERYBODY_MAX = 1 + BK_BOARD_CATEGORIES_MAX + BK_SEGMENTS_MAX, /* lists */
    BK__EVERYBODY_INTERVAL_MS = 10000,
};

struct bk__everybody;

/** Engine and ranker are borrowed. NULL: no memory. */
struct bk__everybody *bk__everybody_create(struct bk_engine *engine, struct bk_ranker *ranker);
void bk__everybody_destroy(struct bk__everybody **all);

/** One list that must be written. */
struct bk__everybodys {
    uint32_t number; /* of the list: what bk__everybody_lost is told */
    const char *context, *algorithm;
    bk_str_t whose; /* segment or category; empty: of the whole shop */
};

/** The next list that reads another way than the last time, ranked into `list`; false when there is
 *  none yet. Does a slice of a round when one is due. `applied`: events so far. `at_once`: do not
 *  wait for the interval. The list counts as written from here on. */
bool bk__everybody_next(struct bk__everybody *all, const struct bk_now *now, uint64_t applied,
                        bool at_once, uint32_t size, uint32_t distinct_min,
                        struct bk__everybodys *which, struct bk_list *list);
/** The list was not stored: it must be written again. */
void bk__everybody_lost(struct bk__everybody *all, uint32_t number);
/** Redis came back empty: all of them. */
void bk__everybody_lost_all(struct bk__everybody *all);
/** A round is under way: another turn would go on with it. */
bool bk__everybody_is_busy(const struct bk__everybody *all);
/** Every list was handed over that knows `applied` events. */
bool bk__everybody_is_settled(const struct bk__everybody *all, uint64_t applied);

#endif
