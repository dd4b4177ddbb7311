/* model.h -- the state as it would be written if only clarity mattered: plain arrays, logs of what
 * was counted, and sums taken when somebody asks.
 *
 * Shares no code with src/state but the hash (which breaks ties there). Rows and histories without
 * bounds: tests that compare lift those. model_check compares every fact of an engine with it and
 * fails the running test.
 */
#ifndef BASKETRY_TESTS_MODEL_H
#define BASKETRY_TESTS_MODEL_H

#include "support/events.h"

enum {
    MODEL_ITEMS = 512,
    MODEL_SUBJECTS = 96,
    MODEL_SHARDS = 4,
    MODEL_SEEN = 64,
    MODEL_CART = 600,
};

struct model_seen {
    uint32_t item, last, since; /* numbers of sights: the last one, and the one it counts from */
    bool learned;
};
struct model_sight {
    uint32_t item, weight;
};
struct model_session {
    bool live;
    const char *key; /* NULL: none given */
    int64_t started_ms;
    uint32_t raw_events;
    struct model_sight *sight;
    uint32_t sights;
    uint32_t
        step; /* the last sight was the first (0), new (1), the same again (2), back to another (3) */
    struct model_seen seen[MODEL_SEEN];
    uint32_t seen_count;
    uint32_t posted; /* 1 + place in model.posted */
};
struct model_bought {
    uint32_t item, receipt, count, first_s, last_s, quantity;
    double weight; /* as of `receipt` */
};
struct model_subject {
    const char *id;
    int partition;
    int consent;
    int64_t since_ms, time_ms, offset;
    struct {
        uint32_t item, quantity, order;
    } cart[MODEL_CART];
    uint32_t cart_count, cart_order;
    struct model_bought bought[MODEL_ITEMS];
    uint32_t bought_count, receipts, bought_s;
    uint32_t marks[MODEL_ITEMS];
    const char *orders[8]; /* and merges, newest first */
    uint32_t last_item;    /* 1 + item */
    int64_t merged_day;
    struct model_session session;
};

struct model_pair { /* one contribution */
    uint32_t kind, a, b, weight, epoch, who;
    double strength;
    bool after; /* b was put in later */
};
struct model_points {
    uint32_t item, epoch, points;
};
struct model_posting {
    uint32_t item, session, time_s, kind;
};
struct model_posted {
    uint64_t key;
    uint32_t item[4096];
    uint32_t count;
};

struct model {
    struct bk_state_params params;
    const char *item[MODEL_ITEMS];
    uint32_t items;
    uint32_t item_receipts[MODEL_ITEMS], item_sessions[MODEL_ITEMS];
    uint32_t item_known[MODEL_ITEMS], item_again[MODEL_ITEMS];
    struct model_subject *subject[MODEL_SUBJECTS];
    struct {
        int64_t next_offset;
        const char **event_id;
        uint32_t event_ids;
        uint64_t applied, duplicates, dropped, purchases, refunds;
    } shard[MODEL_SHARDS];
    struct model_pair *pair;
    struct model_points *points, *acts; /* of an act, `item` says nothing */
    struct model_posting *posting;
    struct model_posted **posted;
    size_t pairs, pairs_cap, points_count, points_cap, acts_count, acts_cap, postings, postings_cap,
        posteds, posteds_cap;
    uint64_t receipts, sessions, views;
    uint64_t way_asked[4][8], way_taken[4][8]; /* by the step before, by the place */
    int64_t time_max_ms;
};

struct model *model_create(const struct bk_state_params *params);
void model_destroy(struct model **model);
enum bk_verdict_code model_apply(struct model *model, const struct told *told);
struct model_subject *model_subject_find(const struct model *model, int partition, const char *id);
/** The items of a session, the one seen last first; how many. */
uint32_t model_places(const struct model_session *session, uint32_t items[MODEL_SEEN]);
/** What a bought item weighs as of the last receipt. */
double model_bought_now(const struct model_subject *sub, const struct model_bought *bought);
/** How often an item is bought again, against the usual, from the counts. */
double model_again(const struct model *model, uint32_t item);
/** How alike the orders of receipts are: of two receipts with the same two items, how much likelier
 *  than not they stand the same way round. */
double model_order_kept(const struct model *model);
/** Popularity of all acts together, from the log. */
double model_acts(const struct model *model, uint32_t epoch);
/** Popularity by its definition, from the log. */
double model_popularity(const struct model *model, uint32_t item, uint32_t epoch);

/** Every fact of the engine is the model's; fails the test otherwise. */
void model_check(const struct model *model, const struct bk_engine *engine);

#endif
