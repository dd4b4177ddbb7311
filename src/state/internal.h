/* internal.h -- what the files of src/state share with each other and with nobody else. */
#ifndef BASKETRY_STATE_INTERNAL_H
#define BASKETRY_STATE_INTERNAL_H

#include "basketry/state.h"

/* Scratch of one call of bk_apply: nothing here is state. */
struct bk__weak {
    uint64_t value; /* to select by */
    uint32_t partner;
};
struct bk__scratch {
    uint32_t line_item[BK_LINES_MAX]; /* distinct items of the event's lines, in order */
    uint32_t line_of[BK_LINES_MAX]; /* the line each stood in first                               */
    uint32_t line_added[BK_LINES_MAX]; /* when the cart got each                                  */
    uint32_t line_count;
    uint32_t slots[4096];  /* hash set over line_item: place + 1                         */
    struct bk_event merge; /* what identity.c hands out */
    char merge_id[40];
    char merge_from[BK_SUBJECT_BYTES_MAX];
    struct bk_line merge_line[BK_LINES_MAX];
    uint64_t merge_order[BK_LINES_MAX]; /* of the cart's lines */
    struct bk__weak *weak; /* pair_partners_max of them                                  */
};

/* How strong an act is among a session's sights, in quarters. */
enum { BK__WEIGHT_VIEW = 4, BK__WEIGHT_WISH = 8, BK__WEIGHT_CART = 12 };

/* What every step of one bk_apply needs to know. */
struct bk__turn {
    struct bk_engine *engine;
    struct bk_shard *shard;
    const struct bk_event *event;
    int64_t time_ms; /* t: the event's time, cut where it lies too far ahead                   */
    uint32_t subject;
    enum bk_consent consent;
    uint32_t popularity_epoch;
    uint16_t pair_epoch;
    uint16_t who; /* 1 << (subject hash & 15)                                               */
    bool learns;  /* shared may be added to                                                 */
    bool closed;  /* the event is of a session before the live one: it is seen in none      */
};

/* ---- counting ---- */
static inline struct bk_shard_totals *bk__shard_totals(struct bk_shard *shard)
{
    return bk_arena_write(&shard->totals, BK_ARENA_FIRST, sizeof(struct bk_shard_totals));
}
static inline void bk__count(struct bk_shard *shard, enum bk_state_counter counter, uint64_t n)
{
    bk__shard_totals(shard)->counters[counter] += n;
}
static inline struct bk_shared_totals *bk__totals(struct bk_shared *shared)
{
    return bk_arena_write(&shared->totals, BK_ARENA_FIRST, sizeof(struct bk_shared_totals));
}
/* Counts something about shared; bk__count is for a shard. */
static inline void bk__count_shared(struct bk_engine *engine, enum bk_state_counter counter,
                                    uint64_t n)
{
    bk__totals(&engine->shared)->counters[counter] += n;
}
static inline uint32_t bk__add_u32(uint32_t a, uint32_t b)
{
    return a > UINT32_MAX - b ? UINT32_MAX : a + b;
}
static inline uint16_t bk__add_u16(uint16_t a, uint32_t b)
{
    return a + b > UINT16_MAX ? UINT16_MAX : (uint16_t)(a + b);
}
static inline uint32_t bk__seconds(int64_t time_ms)
{
    return time_ms < 0 ? 0 : (uint32_t)bk_min_i64(time_ms / 1000, UINT32_MAX);
}

/* ---- shared.c ---- */
int bk__shared_init(struct bk_engine *engine, uint64_t bytes);
void bk__shared_deinit(struct bk_shared *shared);
/* The handle of an id, new if need be; 0 when items_max or memory is reached (counted). */
uint32_t bk__item_intern(struct bk_engine *engine, bk_str_t id);
static inline struct bk_item *bk__item(struct bk_shared *shared, uint32_t item)
{
    return bk_table_write(&shared->items, item);
}
static inline struct bk_item_hot *bk__item_hot(struct bk_shared *shared, uint32_t item)
{
    return bk_table_write(&shared->hot, item);
}
void bk__support_add(struct bk_shared *shared, uint32_t item, uint32_t receipts, uint32_t sessions);
/* A customer with a history bought the item; for the first time, or again after `gap_s` seconds. */
void bk__again_add(struct bk_shared *shared, uint32_t item, bool again, uint32_t gap_s);
void bk__item_fact_set(struct bk_engine *engine, uint32_t item, bk_str_t name, bk_str_t category,
                       bk_str_t brand);
void bk__item_dirty(struct bk_engine *engine, uint32_t item);
/* A block of shared.heap; evicts the pair rows of cold items when the limit is reached. 0: even
 * that did not help. */
bk_ref_t bk__shared_alloc(struct bk_engine *engine, size_t size);
/* Drop the rows of the coldest item; false when there was none. */
bool bk__shared_evict(struct bk_engine *engine);

/* ---- popular.c ---- */
void bk__points_add(struct bk_engine *engine, uint32_t item, uint32_t epoch, uint32_t points);
/* A whole act, which may have been about several items. */
void bk__acts_add(struct bk_engine *engine, uint32_t epoch, uint32_t points);

/* ---- pairs.c ---- */
/* What happened `weight` times, as strong as `strength`; `after` of them with b put in after a. */
void bk__pair_share(struct bk_engine *engine, enum bk_pair_kind kind, uint32_t a, uint32_t b,
                    uint32_t weight, uint32_t strength, uint32_t after, uint16_t epoch,
                    uint16_t who);
static inline void bk__pair_add(struct bk_engine *engine, enum bk_pair_kind kind, uint32_t a,
                                uint32_t b, uint32_t weight, uint16_t epoch, uint16_t who)
{
    bk__pair_share(engine, kind, a, b, weight, weight * BK_STRENGTH_ONE, 0, epoch, who);
}

/* So many more in that epoch. */
void bk__pair_count(struct bk_pair *pair, uint16_t epoch, uint32_t weight);
/* Drop the weakest quarter of a full row, which is lossy from then on. */
void bk__row_prune(struct bk_engine *engine, bk_ref_t row);

/* ---- segments.c ---- */
/* Remember where the shopper is. */
void bk__segments_note(struct bk__turn *turn);
/* The receipt's lines (scratch.line_item), `share` points each, count for where the shopper is. */
void bk__segments_bought(struct bk__turn *turn, uint32_t share);

/* ---- postings.c ---- */
/* 0: there are no postings. Where the table is full the oldest but `keep` makes room: any other
 * number from before is asked for again (bk_session_posted). */
uint32_t bk__posted_create(struct bk_engine *engine, uint64_t key, uint32_t keep);
/* What cannot be posted (`posted` 0: it made room; or no memory) is left out, and the item marked for
 * it. */
void bk__posted_add(struct bk_engine *engine, enum bk_posting_kind kind, uint32_t posted,
                    uint32_t item, uint32_t time_s);
/* Drop an item's postings for want of memory; how many rings that was (0 or 1). */
uint32_t bk__postings_drop(struct bk_engine *engine, uint32_t item);
void bk__posted_release(struct bk_engine *engine, uint32_t posted);

/* ---- shard.c ---- */
int bk__shard_init(struct bk_shard *shard, struct bk_engine *engine, int32_t partition,
                   uint64_t bytes);
void bk__shard_deinit(struct bk_shard *shard);
static inline struct bk_subject *bk__subject(struct bk_shard *shard, uint32_t subject)
{
    return bk_table_write(&shard->subjects, subject);
}
/* The subject of an id, new if need be; 0 when memory does not allow one (counted). */
uint32_t bk__subject_intern(struct bk_shard *shard, bk_str_t id, int64_t time_ms);
/* Forget a subject and zero all it had. */
void bk__subject_forget(struct bk_shard *shard, uint32_t subject);
/* Its lists are called back: none is live, none waits, and an answer that is still under way finds
 * nobody. */
void bk__subject_lists_drop(struct bk_shard *shard, uint32_t subject);
/* Forget what goes beyond the session: history, marks. */
void bk__subject_forget_past(struct bk_shard *shard, uint32_t subject);
/* A block of the shard's heap; evicts the coldest subjects (never `keep`) when the limit is
 * reached. 0: that did not help. */
bk_ref_t bk__shard_alloc(struct bk_shard *shard, size_t size, uint32_t keep);
/* bk_map_put on the shard's heap with the same eviction. `map` is a field of subject `keep`. */
void *bk__shard_map_put(struct bk_shard *shard, bk_ref_t *map, uint32_t entry_bytes, uint32_t key,
                        uint32_t keep, bool *added);

/* ---- session.c ---- */
/* End the session if its time is over or another began; make one if there is none. */
void bk__session_roll(struct bk__turn *turn);
/* An item was seen with this strength (quarters). */
void bk__session_see(struct bk__turn *turn, uint32_t item, uint16_t weight);
/* Bought lines (scratch.line_item) after views: viewed_then_bought. */
void bk__session_bought(struct bk__turn *turn);
void bk__session_drop(struct bk_shard *shard, struct bk_subject *sub);
/* Is the time further from the subject's last event than a session's gap? */
bool bk__session_is_cold(const struct bk__turn *turn, const struct bk_subject *sub);
/* An item that another subject's session saw and taught becomes one of this session. */
void bk__session_adopt(struct bk__turn *turn, uint32_t item, uint16_t weight);

/* ---- identity.c ---- */
/* The visitor logged in: what the customer gets (NULL: nothing), and the visitor starts anew. */
const struct bk_event *bk__identity_leave(struct bk__turn *turn);
/* A merge that the customer had before, or that is too old to tell. Remembers it. */
bool bk__identity_is_known(struct bk__turn *turn);
/* Cart and session of a visitor become the customer's. */
void bk__identity_join(struct bk__turn *turn);

/* ---- cart.c, history.c ---- */
void bk__cart_change(struct bk__turn *turn, enum bk_cart_op op);
void bk__cart_bought(struct bk__turn *turn);
/* At least so many of the item: what both have counts once. */
void bk__cart_raise(struct bk__turn *turn, uint32_t item, uint32_t quantity);
void bk__history_bought(struct bk__turn *turn);
void bk__history_refunded(struct bk__turn *turn);
/* ---- rhythm.c ---- */
/* Learn from the receipt (scratch.line_item), which the history does not know yet. */
void bk__rhythm_learn(struct bk__turn *turn);

/* ---- history.c ---- */
void bk__mark_set(struct bk__turn *turn, uint32_t item, uint32_t set, uint32_t clear);

/* ---- dedup.c ---- */
int bk__dedup_init(struct bk_shard *shard, uint32_t events);
/* Was this fingerprint among the last `events`? Remembers it. */
bool bk__dedup_seen(struct bk_shard *shard, uint64_t fingerprint);
/* Is this among the last orders and merges of the subject? Remembers it. */
bool bk__order_seen(struct bk_subject *sub, uint64_t order);

#endif
