/* state.h -- what Basketry remembers: pure functions of the log over flat memory.
 *
 *   engine ─┬─ shared     items, their counts, pairs by kind, session postings, the popular:
 *           │             integer sums that merge in any order
 *           └─ shard[p]   one per partition of shop.events: subjects with session, cart, history
 *                         and dismissals; de-duplication
 *
 * bk_apply is the one way in. It reads its own shard and adds to shared, nothing else: no clock, no
 * I/O, no randomness; time arrives in the record. rank reads all of it through this header.
 * Everything lives in arenas (arena.h) and is named by 32-bit handles, which mean nothing outside
 * this process: never in a digest, a tie-break or on a wire.
 *
 * Loop thread only. Memory: state.bytes_max bounds all arenas together; what does not fit is
 * evicted or left out, and counted.
 */
#ifndef BASKETRY_STATE_H
#define BASKETRY_STATE_H

#include "basketry/arena.h"
#include "basketry/event.h"
#include "basketry/verdict.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- parameters and counters ---- */

/** A shard's share of bytes_max is at least this, or there is no shard. */
enum { BK_SHARD_BYTES_MIN = 64 << 10 };

/** What shapes the state; filled from the configuration (bk_state_params_from_config in
 *  pipeline.h). */
struct bk_state_params {
    uint64_t bytes_max;  /* one half is shared's, the other is divided among the shards */
    uint32_t shards_max; /* partitions that the shards' half is divided among */
    uint32_t items_max;
    uint32_t dedup_events; /* power of two; 0: no de-duplication */
    uint32_t pair_partners_max;
    uint32_t receipt_lines_max;
    uint32_t postings_max;
    int64_t pair_epoch_ms;
    int64_t popularity_epoch_ms;
    int64_t session_gap_ms;
    uint32_t session_events_max;
    uint32_t cart_lines_max;
    uint32_t history_items_max;
    uint32_t segments_max; /* at most BK_SEGMENTS_MAX */
    enum bk_consent consent_default;
    int64_t time_ahead_max_ms;
};

/** Defaults as in the configuration table. */
void bk_state_params_default(struct bk_state_params *params);

/* clang-format off */
/*       enum                          metric label */
#define BK_STATE_COUNTER_TABLE(X)                                                                  \
    X(BK_STATE_SUBJECTS_EVICTED,       "subjects_evicted")                                         \
    X(BK_STATE_ROWS_EVICTED,           "pair_rows_evicted")                                        \
    X(BK_STATE_ROWS_PRUNED,            "pair_rows_pruned")                                         \
    X(BK_STATE_POSTED_EVICTED,         "posted_evicted")                                           \
    X(BK_STATE_ITEMS_OVER_LIMIT,       "items_over_limit")                                         \
    X(BK_STATE_MEMORY_REFUSED,         "memory_refused")                                           \
    X(BK_STATE_CART_LINES_CUT,         "cart_lines_cut")                                           \
    X(BK_STATE_RECEIPT_LINES_CUT,      "receipt_lines_cut")                                        \
    X(BK_STATE_SESSION_EVENTS_CUT,     "session_events_cut")                                       \
    X(BK_STATE_HISTORY_ITEMS_CUT,      "history_items_cut")                                        \
    X(BK_STATE_TIMES_CUT,              "event_times_cut")                                          \
    X(BK_STATE_EVENTS_LATE,            "events_late")                                              \
    X(BK_STATE_SEGMENTS_OVER_LIMIT,    "segments_over_limit")                                      \
    X(BK_STATE_SESSIONS_STARTED,       "sessions_started")
/* clang-format on */

enum bk_state_counter {
#define X(name, label) name,
    BK_STATE_COUNTER_TABLE(X)
#undef X
        BK_STATE_COUNTER_COUNT
};
const char *bk_state_counter_label(enum bk_state_counter counter);

/* ---- items (shared) ---- */

enum { BK_EPOCH_SLOTS = 16 };

/* clang-format off */
/*       enum              label               direction */
#define BK_PAIR_KIND_TABLE(X)                                                                      \
    X(BK_PAIR_BOUGHT,      "bought_together")  /* one receipt holds both; symmetric              */ \
    X(BK_PAIR_VIEWED,      "viewed_together")  /* one session saw both; symmetric                */ \
    X(BK_PAIR_NEXT,        "viewed_next")      /* b up to 3 steps after a; weight 3, 2, 1        */ \
    X(BK_PAIR_VIEW_BUY,    "viewed_then_bought") /* a seen, then b bought in the session         */
/* clang-format on */

enum bk_pair_kind {
#define X(name, label) name,
    BK_PAIR_KIND_TABLE(X)
#undef X
        BK_PAIR_KIND_COUNT
};
const char *bk_pair_kind_label(enum bk_pair_kind kind);

/** One entry of a pair row (a bk_map of its item, keyed by the partner). */
struct bk_pair {
    uint32_t partner; /* item handle */
    uint32_t total;   /* how often, saturating */
    /* the same in 256ths; a receipt of n lines strengthens its pairs by 1 / sqrt(n) */
    uint32_t strength;
    uint32_t after;  /* bought: of total, those where the partner was put in later */
    uint16_t epoch;  /* the largest epoch that counted, modulo 2^16 */
    uint16_t now;    /* how often in that epoch, saturating */
    uint16_t before; /* how often in the one before */
    /* OR of 1 << (subject hash & 15): its popcount bounds the distinct shoppers from below */
    uint16_t who;
};
enum { BK_STRENGTH_ONE = 256 };
_Static_assert(sizeof(struct bk_pair) == 24, "eight pairs to three cache lines");

/** bk_map_head.flags of a pair row. */
enum { BK_ROW_LOSSY = 1 }; /* the row met its limit once: its counts are at most the truth */

/** What an item's postings name: visits that saw it, receipts that hold it. */
enum bk_posting_kind { BK_POSTING_SESSION, BK_POSTING_RECEIPT, BK_POSTING_KIND_COUNT };

/** The cold half of an item: id, rows, facts. Number = item handle. */
struct bk_item {
    uint32_t hash, next; /* bk_index link */
    uint64_t id_hash;    /* bk_hash of the id: ties among handles are broken by it */
    bk_ref_t id;         /* bytes in shared.heap */
    uint16_t id_len;
    uint8_t facts_len[3];                     /* name, category, brand: bytes, cut at 255 */
    uint8_t flags;                            /* BK_ITEM_* */
    bk_ref_t rows[BK_PAIR_KIND_COUNT];        /* bk_map of struct bk_pair */
    bk_ref_t postings[BK_POSTING_KIND_COUNT]; /* struct bk_postings */
    bk_ref_t facts;                           /* name, category, brand one after another */
    uint32_t dirty_next;           /* the queue of items whose lists wait to be written */
    uint32_t published[2];         /* hash of the lists last written, by relation */
    uint32_t category;             /* hash of the top category, 0 when not known */
    int64_t price_minor;           /* BK_NULL_I64: not known */
    uint32_t slot[BK_EPOCH_SLOTS]; /* popularity points by epoch modulo 16, the newest 16 */
    uint32_t known, again; /* receipts of customers with a history; with it in there already */
    uint64_t gap_s;        /* seconds since the customer's last time, summed over `again` */
    uint32_t shelf, brand; /* hashes of the whole category path and of the brand, 0: not known */
    uint32_t variant;      /* hash of the variant group, 0: it is in none */
    uint32_t pad;
};
_Static_assert(sizeof(struct bk_item) == 176, "whole units of 16 bytes");

/** UNPOSTED: a posting was dropped, or refused, for want of memory. FORGOT << kind: a row of that kind was
 *  dropped, or an addition refused, for want of memory: what it counts is at most the truth. */
enum {
    BK_ITEM_DIRTY = 1,
    BK_ITEM_POPULAR = 2,
    BK_ITEM_WARM = 4,
    BK_ITEM_UNPOSTED = 8,
    BK_ITEM_FORGOT = 16
};

/** The hot half: what scoring reads of a partner. Same number. 32 bytes. */
struct bk_item_hot {
    uint32_t receipts;   /* receipts that hold it */
    uint32_t sessions;   /* sessions that saw it */
    uint32_t points;     /* popularity points ever: BK_POINTS_* */
    uint32_t epoch;      /* newest popularity epoch that counted */
    uint32_t points_now; /* points in that epoch */
    float points_before; /* the 15 epochs before it, decayed to it; derived from the slots */
    /* 1 / sqrt(receipts + BK_COSINE_REG), derived: a cosine needs it of each partner */
    float root_receipts;
    float root_sessions; /* the same of sessions */
};
_Static_assert(sizeof(struct bk_item_hot) == 32, "two to a cache line");

/** Cosine's shrinkage: pairs seen once between rare items are not certain. */
#define BK_COSINE_REG 20.0f

/** What an act counts; each of a receipt's n lines counts 16 / sqrt(n). */
enum { BK_POINTS_VIEW = 1, BK_POINTS_CART = 4, BK_POINTS_RECEIPT = 16 };

enum { BK_POPULAR_MAX = 128 };

/** A session or receipt as its items' postings know it (a table's record: its number never changes while it
 *  grows). */
struct bk_posted {
    uint16_t refs;   /* postings that name it, and one more while the session is live */
    uint16_t count;  /* of the items */
    uint32_t time_s; /* when the newest of them entered */
    uint64_t key;    /* hash of subject and start: order among equal times */
    bk_ref_t items;  /* u32 handles in shared.heap, in order of first sight, of addition */
    /* The order in which they were made: where the table is full, the oldest makes room. */
    uint32_t older, newer;
    uint32_t stamp; /* odd, and another one when the number is reused after that */
};
_Static_assert(sizeof(struct bk_posted) == 32, "whole units of 16 bytes");
struct bk_posting {
    uint32_t session; /* number in shared.posted */
    uint32_t time_s;  /* when the item entered that session, seconds since 1970 */
    uint32_t place;   /* of the item in that session's items */
};
/** The m most recent sessions or receipts of an item, oldest first from `first` on (a ring). */
struct bk_postings {
    uint16_t count, cap, first, pad;
    struct bk_posting entry[];
};

struct bk_shared {
    struct bk_table items;  /* struct bk_item */
    struct bk_table hot;    /* struct bk_item_hot, same numbers */
    struct bk_table posted; /* struct bk_posted */
    struct bk_index index;  /* id -> item */
    struct bk_arena heap;   /* ids, facts, rows, postings, posted sessions' items */
    struct bk_arena totals; /* struct bk_shared_totals at BK_ARENA_FIRST */
};

/** What a sight was in its session. */
enum bk_step { BK_STEP_FIRST, BK_STEP_NEW, BK_STEP_STAY, BK_STEP_BACK, BK_STEP_COUNT };
/** Places of a session's items that are told apart: 0 was seen last, 1 before it, ...; further back
 *  is as good as the last of these. */
enum { BK_WAY_PLACES = 8 };
/** Steps of a rhythm: how long ago an item was bought, by its usual time between two purchases. */
enum { BK_RHYTHM_STEPS = 12 };

/** Sums over all shards; part of the state. */
struct bk_shared_totals {
    uint64_t receipts, sessions, views;
    uint64_t known, again; /* sums of the items' */
    uint64_t gap_s;
    /* The ways of sessions, by the step before: sights that could have gone to the item at a place,
     * and those that did. */
    uint64_t way_asked[BK_STEP_COUNT][BK_WAY_PLACES], way_taken[BK_STEP_COUNT][BK_WAY_PLACES];
    /* The rhythm of this shop, by step: purchases of an item that its customer's share of receipts
     * made one expect (16 fraction bits), and those that came. */
    uint64_t rhythm_expected_q16[BK_RHYTHM_STEPS], rhythm_came[BK_RHYTHM_STEPS];
    /* Whether receipts keep an order: sums over the bought pairs of n, n^2 and d^2, n being how often
     * and d how much oftener one way round than the other. */
    uint64_t order_n, order_n2, order_d2;
    /* points of whole acts (a receipt counts once), by epoch modulo 16 */
    uint64_t acts[BK_EPOCH_SLOTS];
    uint32_t acts_epoch;  /* the newest of the 16 */
    uint32_t segment_cap; /* places in `segments`; another segments_max may have made them */
    /* the stream's clock: the newest event time, never past its record's own time */
    int64_t time_max_ms;
    uint32_t popular_count;
    uint32_t popular_epoch;           /* the epoch for which `popular` is exact */
    uint32_t popular[BK_POPULAR_MAX]; /* item handles, unordered: the most popular of now */
    uint32_t popular_min;             /* place of the least of them */
    uint32_t dirty_head, dirty_tail;  /* queue of dirty items */
    uint32_t dirty_count;
    uint32_t evict_hand;
    uint32_t lossy; /* rows that ever met their limit */
    /* where people shop: `segments` is struct bk_segment[segment_cap] in heap, 0 before the
     * first; numbers are from 1 */
    bk_ref_t segments;
    uint32_t segment_count;
    uint32_t segments_lossy; /* 1: one was turned away for want of a place */
    uint32_t alike;          /* 1: of some item a shelf, brand or variant group is known */
    uint32_t posted_oldest, posted_newest;     /* ends of the queue of all struct bk_posted */
    uint64_t counters[BK_STATE_COUNTER_COUNT]; /* of shared; shards keep their own */
};

enum { BK_SEGMENTS_MAX = 255, BK_SEGMENT_ID_BYTES_MAX = 144 };

/** Shoppers who have something of their context in common: "store=17". What they bought is a row of
 *  pairs, as an item's companions are: total, now and before count points (BK_POINTS_RECEIPT a
 *  receipt, shared by its lines) by pair epoch. */
struct bk_segment {
    uint64_t id_hash;
    bk_ref_t id; /* bytes in shared.heap */
    uint16_t id_len;
    uint16_t epoch; /* of `now`, as in struct bk_pair */
    bk_ref_t row;   /* bk_map of struct bk_pair: what was bought */
    uint32_t pad;
    uint64_t now, before; /* points of whole receipts */
};
_Static_assert(sizeof(struct bk_segment) == 40, "whole units of 8 bytes");

static inline const struct bk_item *bk_item(const struct bk_shared *shared, uint32_t item)
{
    return bk_table_read(&shared->items, item);
}
static inline const struct bk_item_hot *bk_item_hot(const struct bk_shared *shared, uint32_t item)
{
    return bk_table_read(&shared->hot, item);
}
static inline const struct bk_posted *bk_posted(const struct bk_shared *shared, uint32_t number)
{
    return (const struct bk_posted *)bk_table_read(&shared->posted, number);
}
static inline bk_str_t bk_item_id(const struct bk_shared *shared, uint32_t item)
{
    const struct bk_item *it = bk_item(shared, item);
    return bk_str(bk_arena_read(&shared->heap, it->id), it->id_len);
}
enum bk_fact { BK_FACT_NAME, BK_FACT_CATEGORY, BK_FACT_BRAND };
/** Borrowed from the heap until the next fact of this item; empty when not known. */
bk_str_t bk_item_fact(const struct bk_shared *shared, uint32_t item, enum bk_fact fact);
static inline const struct bk_shared_totals *bk_totals(const struct bk_shared *shared)
{
    return (const struct bk_shared_totals *)bk_arena_read(&shared->totals, BK_ARENA_FIRST);
}
/** Did the item's row of that kind ever meet a limit? Its counts are then at most the truth, and
 *  digests leave it out. */
static inline bool bk_row_is_lossy(const struct bk_shared *shared, uint32_t item, int kind)
{
    const struct bk_item *it = bk_item(shared, item);
    if (it->flags & BK_ITEM_FORGOT << kind) return true;
    return it->rows[kind] && (bk_map_head(&shared->heap, it->rows[kind])->flags & BK_ROW_LOSSY);
}
/** The handle of an id, or 0. */
uint32_t bk_item_find(const struct bk_shared *shared, bk_str_t id);
/** Popularity of an item in `epoch`: points decayed by half every 7 epochs. A pure function of the
 *  slots. */
float bk_item_popularity(const struct bk_shared *shared, uint32_t item, uint32_t epoch);
/** Popularity of all acts together: an item's popularity divided by it is the share of the acts
 *  that were about the item. */
float bk_acts_popularity(const struct bk_shared *shared, uint32_t epoch);
/** How alike the orders of receipts are: 0 where two items stand now this way round and now that, 1
 *  where always the same way. */
float bk_order_kept(const struct bk_shared *shared);
/** How much more often than others the item is bought again, 1 = as often: the square root of the
 *  ratio, pulled towards 1 by BK_AGAIN_REG receipts. */
float bk_item_again(const struct bk_shared *shared, uint32_t item);
#define BK_AGAIN_REG 20.0f
/** The usual time between two purchases of the item by one customer, in seconds: the mean of its
 *  own, pulled towards the mean of everything by BK_GAP_REG of them; 0 while nothing was bought
 *  twice. */
uint32_t bk_item_gap_s(const struct bk_shared *shared, uint32_t item);
#define BK_GAP_REG 10u
/** The segment whose id has this hash (its low 32 bits), or 0. */
uint32_t bk_segment_find(const struct bk_shared *shared, uint32_t hash);
/** A segment by number (1 ..), and its name. */
const struct bk_segment *bk_segment(const struct bk_shared *shared, uint32_t segment);
bk_str_t bk_segment_id(const struct bk_shared *shared, uint32_t segment);
/** Points of a pair or a segment as of a pair epoch: those of that epoch, and of each before half
 *  as much; only the two newest that counted are known apart. */
float bk_points_lately(uint16_t counted, float now, float before, uint16_t epoch);
/** Popularity epoch of a time. */
uint32_t bk_popularity_epoch(const struct bk_state_params *params, int64_t time_ms);

/* ---- subjects (shard) ---- */

/* clang-format off */
/*       enum                  key word      expires  refreshes on time alone */
#define BK_CONTEXT_TABLE(X)                                                                        \
    X(BK_CONTEXT_HOME,         "home",       86400)                                                \
    X(BK_CONTEXT_DISCOVER,     "discover",   86400)                                                \
    X(BK_CONTEXT_CART,         "cart",       3600)                                                 \
    X(BK_CONTEXT_CHECKOUT,     "checkout",   3600)                                                 \
    X(BK_CONTEXT_PRODUCT,      "product",    3600)                                                 \
    X(BK_CONTEXT_EMAIL,        "email",      86400)                                                \
    X(BK_CONTEXT_USUAL,        "usual",      86400)
/* clang-format on */

enum bk_context {
#define X(name, word, expires_s) name,
    BK_CONTEXT_TABLE(X)
#undef X
        BK_CONTEXT_COUNT
};
const char *bk_context_word(enum bk_context context);
uint32_t bk_context_expires_s(enum bk_context context);
/** The context of a word, or BK_CONTEXT_COUNT. */
enum bk_context bk_context_parse(bk_str_t word);

/** One distinct item of a session. */
struct bk_seen {
    uint32_t item;
    uint32_t at;     /* number of the session's event that saw it last, from 1 */
    uint16_t weight; /* strongest behaviour so far, in quarters: view 4, wish 8, cart 12 */
    uint16_t viewed; /* 1: counted into viewed pairs already */
};
enum { BK_SESSION_SEEN_MAX = 64, BK_SESSION_STEPS = 3 };

/** The live session of a subject; seen[] in order of last sight, oldest first. */
struct bk_session {
    uint64_t key; /* hash of the session id the producer gave, 0 when none */
    int64_t started_ms;
    uint32_t events;                   /* items seen, with repetitions */
    uint32_t raw_events;               /* events of any kind */
    uint32_t recent[BK_SESSION_STEPS]; /* the last items seen, newest first, for viewed_next */
    /* number in shared.posted and that one's stamp, 0: not posted; see bk_session_posted */
    uint32_t posted, posted_stamp;
    uint8_t count, cap; /* of seen */
    uint8_t taught;     /* 1: counted as a session of shared */
    uint8_t step;       /* enum bk_step of its last sight */
    struct bk_seen seen[];
};

struct bk_cart_line { /* map entry */
    uint32_t item;
    uint32_t quantity;
    uint32_t order; /* larger = added later */
    uint32_t pad;
};
struct bk_bought { /* map entry: one item of a purchase history */
    uint32_t item;
    uint32_t
        weight_q16;   /* sum over receipts of lines^(-1/8) 0.97^(receipts since), as of `receipt` */
    uint32_t receipt; /* the customer's receipt that bought it last, from 1 */
    uint32_t count;   /* receipts with it */
    uint32_t first_s, last_s; /* when, seconds since 1970 */
    uint32_t quantity;        /* units ever, saturating */
    uint32_t pad;
};
struct bk_mark { /* map entry: dismissed or wished items */
    uint32_t item;
    uint32_t what; /* BK_MARK_* */
};
enum { BK_MARK_DISMISSED = 1, BK_MARK_WISHED = 2, BK_MARK_RATED_LOW = 4, BK_MARK_RATED_HIGH = 8 };

enum { BK_ORDERS_KEPT = 8, BK_WEEKDAYS = 7 };
/** What of its context makes a shopper one of a segment. */
/* clang-format off */
/*       enum                 word of the name, and field of bk_event; the general one first */
#define BK_SEGMENT_KIND_TABLE(X)                                                                   \
    X(BK_SEGMENT_DEVICE,      device)                                                              \
    X(BK_SEGMENT_STORE,       store)
/* clang-format on */
enum bk_segment_kind {
#define X(name, field) name,
    BK_SEGMENT_KIND_TABLE(X)
#undef X
        BK_SEGMENT_KIND_COUNT
};

/** One shopper as this shop knows them. Number = subject handle within its shard. */
struct bk_subject {
    uint32_t hash, next; /* bk_index link */
    uint32_t alive;      /* 1 */
    uint32_t stamp;      /* changes when the number is reused */
    uint64_t id_hash;
    bk_ref_t id; /* bytes in the shard's heap, zeroed when freed */
    uint8_t id_len, consent, warm, pad0;
    uint32_t dirty;  /* contexts that wait to be published: 1 << enum bk_context */
    uint32_t queued; /* in the dirty queue */
    uint32_t dirty_next;
    uint32_t live;      /* contexts that have been published */
    int64_t since_ms;   /* t of its first event */
    int64_t time_ms;    /* t of its last event: sessions are measured on it */
    int64_t offset;     /* of its last event: as_of */
    int64_t record_ms;  /* that record's own timestamp */
    int64_t waiting_ms; /* timestamp of the first record that its waiting lists do not know */
    bk_ref_t session;   /* struct bk_session */
    bk_ref_t cart;      /* map of bk_cart_line */
    bk_ref_t history;   /* map of bk_bought */
    bk_ref_t marks;     /* map of bk_mark */
    uint32_t receipts;
    uint32_t cart_order;
    uint32_t last_item;    /* item viewed last: what the product list is for */
    uint32_t dirty_before; /* the queue is linked both ways: who is forgotten leaves it at once */
    uint32_t bought_s;     /* when it bought last, seconds since 1970 */
    uint16_t lines_x16;    /* lines of a usual receipt: a decayed mean, in 16ths */
    uint16_t merged_day;   /* of the newest merge, days since 1970 */
    uint8_t weekday[BK_WEEKDAYS]; /* receipts by day of the week, UTC, Monday first; halved together
                                     when one is full */
    uint8_t pad1;
    /* by enum bk_segment_kind: hash of the name of where it was seen last, 0: not known */
    uint32_t segment[BK_SEGMENT_KIND_COUNT];
    uint64_t orders[BK_ORDERS_KEPT]; /* hashes of the last orders' and merges' ids, newest first */
};
_Static_assert(sizeof(struct bk_subject) == 208, "whole units of 16 bytes");

struct bk_shard {
    int32_t partition;
    struct bk_table subjects;
    struct bk_index index;
    struct bk_arena heap;   /* ids, sessions, carts, histories, marks */
    struct bk_arena dedup;  /* see dedup.c */
    struct bk_arena totals; /* struct bk_shard_totals at BK_ARENA_FIRST */
    struct bk_engine *engine;
    bool away; /* somebody else has the partition now: kept, not published. Not state */
};

/** Numbers of one shard; part of the state. */
struct bk_shard_totals {
    int64_t next_offset; /* the record to apply next */
    uint64_t mark; /* of the one before it, as bk_shard_pass was told: is a log still this one? */
    uint64_t applied, duplicates, dropped;
    uint64_t purchases, refunds;
    uint64_t coalesced; /* lists that waited already when an event asked for them */
    uint32_t subjects;
    uint32_t evict_hand;
    uint32_t stamp;
    uint32_t dirty_head, dirty_tail, dirty_count;
    uint64_t counters[BK_STATE_COUNTER_COUNT];
};

static inline const struct bk_shard_totals *bk_shard_totals(const struct bk_shard *shard)
{
    return (const struct bk_shard_totals *)bk_arena_read(&shard->totals, BK_ARENA_FIRST);
}
static inline const struct bk_subject *bk_subject(const struct bk_shard *shard, uint32_t subject)
{
    return bk_table_read(&shard->subjects, subject);
}
static inline bk_str_t bk_subject_id(const struct bk_shard *shard, uint32_t subject)
{
    const struct bk_subject *sub = bk_subject(shard, subject);
    return bk_str(bk_arena_read(&shard->heap, sub->id), sub->id_len);
}
static inline const struct bk_session *bk_subject_session(const struct bk_shard *shard,
                                                          const struct bk_subject *sub)
{
    return sub->session ? bk_arena_read(&shard->heap, sub->session) : NULL;
}
/** The session's number in shared.posted; 0: it is not posted, or made room for another. */
static inline uint32_t bk_session_posted(const struct bk_shared *shared,
                                         const struct bk_session *sess)
{
    if (!sess->posted) return 0;
    return bk_posted(shared, sess->posted)->stamp == sess->posted_stamp ? sess->posted : 0;
}
/** The handle of a subject ("c:..." or "v:..."), or 0. */
uint32_t bk_subject_find(const struct bk_shard *shard, bk_str_t id);
/** 0.5^(days / 365) with 16 fraction bits. */
uint32_t bk_year_decay_q16(uint32_t days);
/** How long ago a bought item was bought last at `now_s`, in 16ths of the time it usually takes: the
 *  customer's own mean, pulled towards everybody's by two purchases. 16: due. */
uint32_t bk_bought_due_x16(const struct bk_shared *shared, const struct bk_bought *bought,
                           uint32_t now_s);
/** The step of that time, and per step how much more often than usual an item is bought in this
 *  shop: 1 = as often. */
uint32_t bk_rhythm_step(uint32_t due_x16);
void bk_rhythm(const struct bk_shared *shared, float rate[BK_RHYTHM_STEPS]);
/** The units of it that the customer usually takes, at least 1. */
uint32_t bk_bought_usually(const struct bk_bought *bought);
/** The share of the customer's receipts that held it, the newest counting most, in 65536ths. */
uint32_t bk_bought_share_q16(const struct bk_subject *sub, const struct bk_bought *bought);
/** What a bought item weighs as of the customer's last receipt: it halves with every 23 receipts
 *  and every 365 days since. */
uint32_t bk_bought_weight_q16(const struct bk_subject *sub, const struct bk_bought *bought);
/** 0.97^n with 16 fraction bits: the decay of a history's weights by receipt. */
uint32_t bk_history_decay_q16(uint32_t receipts);

/* ---- the engine ---- */

enum { BK_SHARDS_MAX = 1024 };

struct bk_engine {
    struct bk_state_params params;
    struct bk_shared shared;
    struct bk_shard *shards[BK_SHARDS_MAX]; /* by partition; NULL: not here */
    int32_t shard_top;                      /* partitions are below this */
    bool frozen;          /* evaluate's static protocols: shared state stays as it is */
    struct bk_arena self; /* scratch and the shards' own structs: not part of the state */
    struct bk__scratch *scratch;
};

/** An engine in `engine` (caller's storage), empty. 0 or BK_ENOMEM. */
BK_MUST_CHECK int bk_engine_init(struct bk_engine *engine, const struct bk_state_params *params);
void bk_engine_deinit(struct bk_engine *engine);
/** The partition's shard, created empty when missing; NULL when there are params.shards_max of
 *  them (bytes_max is divided among no more), or memory does not allow it. */
struct bk_shard *bk_engine_shard(struct bk_engine *engine, int32_t partition);
/** The partition's shard if it is here and its lists are ours to write; else NULL. */
static inline struct bk_shard *bk_engine_shard_here(const struct bk_engine *engine,
                                                    int32_t partition)
{
    struct bk_shard *shard = engine->shards[partition];
    return shard && !shard->away ? shard : NULL;
}
/** The partition's log begins anew: the record to apply next is its first. What was applied stays,
 *  and event ids among the last params.dedup_events are recognised. */
void bk_shard_rewind(struct bk_shard *shard);
/** Forget a partition: its subjects are gone, what it added to shared stays. */
void bk_engine_drop(struct bk_engine *engine, int32_t partition);
/** Bytes of shared's arenas. */
uint64_t bk_shared_bytes(const struct bk_shared *shared);
/** Bytes of all arenas. */
uint64_t bk_engine_bytes(const struct bk_engine *engine);
/** Sum of a counter over shared and all shards. */
uint64_t bk_engine_counter(const struct bk_engine *engine, enum bk_state_counter counter);

/** Where an event stands in the log. */
struct bk_place {
    int64_t offset;
    int64_t record_ms; /* the record's timestamp */
};

struct bk_applied {
    enum bk_verdict_code verdict; /* OK, DUPLICATE or NO_CONSENT */
    uint32_t subject;             /* whose lists changed, 0 when nobody's */
    uint32_t erased;              /* contexts of a subject whose keys must go (id in `erased_id`) */
    char erased_id[BK_SUBJECT_BYTES_MAX];
    uint8_t erased_id_len;
    /* A visitor logged in: the SubjectMerged that the log must hold before a checkpoint passes this
     * record; NULL: none. Borrowed from the engine and from `event` until the next call. */
    const struct bk_event *merge;
};

/** Apply one decoded event of shop.events. Marks the subject's lists and the items' lists dirty and
 *  queues them. Offsets below the shard's next offset are BK_VERDICT_DUPLICATE. Cost: O(items of
 *  the session or receipt), bounded by the parameters. */
struct bk_applied bk_apply(struct bk_engine *engine, struct bk_shard *shard,
                           const struct bk_place *place, const struct bk_event *event);
/** Take a record as read, whether there was something to apply or not (it did not decode, say), and
 *  remember its mark: a hash of what it was. Offsets only go up: one further back is ignored. */
void bk_shard_pass(struct bk_shard *shard, int64_t offset, uint64_t mark);
/** Apply a fact of shop.products (last write wins; a tombstone clears it). */
void bk_apply_product(struct bk_engine *engine, bk_str_t key, const struct bk_event *event);

/* ---- what waits to be published ---- */

/** Take the next dirty subject off the shard's queue: its handle, with its contexts and the
 *  timestamp of the first record they do not know (0: none, a refresh), or 0. */
uint32_t bk_dirty_take(struct bk_shard *shard, uint32_t *contexts, int64_t *waiting_ms);
/** Put contexts (back) into the queue. Ignored when the subject is gone or the stamp is another. */
void bk_dirty_put(struct bk_shard *shard, uint32_t subject, uint32_t stamp, uint32_t contexts,
                  int64_t waiting_ms);
/** Say which contexts the readers have. */
void bk_subject_live_set(struct bk_shard *shard, uint32_t subject, uint32_t contexts);
/** Take the next dirty item, or 0. */
uint32_t bk_dirty_item_take(struct bk_engine *engine);
/** Queue an item (again) whose lists must be written, whatever is thought to be out there. */
void bk_dirty_item_put(struct bk_engine *engine, uint32_t item);
/** Remember what was written for an item's relation (0, 1); returns false when it is the same as
 *  the last time. */
bool bk_item_published(struct bk_engine *engine, uint32_t item, unsigned relation, uint32_t hash);

/* ---- checkpoints: the state is what stands in these arenas, and nothing else ---- */

/** The version of the state's meaning: raised when the same bytes mean something else. */
enum { BK_STATE_VERSION = 2 };
/** A number that differs when a struct of the state has another size: bytes of another layout are
 *  never taken for this one's. */
uint64_t bk_state_layout(void);

/** One arena of the state, by a name that stays. */
struct bk_section {
    const char *name;
    struct bk_arena *arena;
};
enum { BK_SECTIONS_MAX = 8 };
/** The arenas of shared, or of a shard, in an order that stays. Returns how many. */
size_t bk_shared_sections(struct bk_shared *shared, struct bk_section out[BK_SECTIONS_MAX]);
size_t bk_shard_sections(struct bk_shard *shard, struct bk_section out[BK_SECTIONS_MAX]);
/** Put `from` in the place of what `engine` holds: pointers to `engine` stay good, handles do not.
 *  `from` is left as after deinit. Both were made with the same parameters. */
void bk_engine_adopt(struct bk_engine *engine, struct bk_engine *from);
/** Back to empty, with the same parameters. 0 or BK_ENOMEM: then only deinit is left. */
BK_MUST_CHECK int bk_engine_reset(struct bk_engine *engine);

/* ---- digests ---- */

/** Digest of a shard's subjects: ids, not handles; independent of the order in which subjects
 *  came. */
uint64_t bk_shard_digest(const struct bk_shard *shard);
/** Digest of shared: every row that never met its limit, counts and popularity; `*lossy` counts the
 *  rows left out. */
uint64_t bk_shared_digest(const struct bk_shared *shared, uint64_t *lossy);

#ifdef __cplusplus
}
#endif
#endif
