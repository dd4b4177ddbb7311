/* internal.h -- what the files of src/rank share: the question being answered, and its
 * candidates. */
#ifndef BASKETRY_RANK_INTERNAL_H
#define BASKETRY_RANK_INTERNAL_H

#include "basketry/rank.h"

enum {
    BK__PREFIX_MAX = 20, /* last items of a session or cart whose rows are read */
    BK__LINE_BYTES = 64, /* of the cache */
};

/* One cache line each. */
struct bk__candidate {
    uint32_t item;
    uint32_t because; /* of the part that is largest so far */
    uint32_t evidence;
    uint16_t tags;          /* 1 << scorer of all that contributed */
    uint16_t scorer;        /* of the largest part */
    uint64_t sum;           /* the feature being gathered */
    uint64_t best;          /* its largest single contribution ... */
    uint32_t best_because;  /* ... which came from this item, */
    uint32_t best_evidence; /* seen so often */
    float score;
    float part; /* the largest part of the score, from scorer */
    uint32_t pad;
    float lately, ever;    /* popularity and points ever, for its trend */
    uint32_t next_touched; /* candidates of the feature being gathered, a list by number + 1 */
};

_Static_assert(sizeof(struct bk__candidate) == BK__LINE_BYTES, "a contribution touches one line");

/* A session or receipt that shares an item with the one that is asked for. */
struct bk__neighbour {
    uint32_t session; /* number in shared.posted */
    float similarity;
    uint32_t latest; /* place in the prefix of the latest item that both have ... */
    uint32_t met;    /* ... and among the neighbour's items */
};

struct bk_ranker {
    struct bk_arena arena;
    const struct bk_engine *engine;
    struct bk_weights weights;
    uint32_t *place; /* item -> candidate, see gather.c */
    struct bk__candidate *candidate;
    uint32_t candidates_max, count;
    uint32_t touched;                   /* head of the list */
    uint64_t total;                     /* of the feature being gathered */
    uint32_t why_item;                  /* 0, or the item that is being explained ... */
    struct bk_why why[BK_SCORER_COUNT]; /* ... and what was said of it */
    struct bk__neighbour *neighbour;
    uint16_t *neighbour_slot; /* hash table over them by session: number + 1, 0 empty */
    struct bk_boards *boards;
};

/* One question: what a feature may look at. */
struct bk__view {
    struct bk_ranker *ranker;
    const struct bk_shard *shard;
    const struct bk_subject *sub;  /* NULL: nobody known */
    const struct bk_session *sess; /* NULL: none, or over */
    enum bk_situation situation;
    int64_t now_ms;
    uint32_t epoch;
    uint32_t for_item;
    uint32_t prefix[BK__PREFIX_MAX]; /* newest first */
    float weight[BK__PREFIX_MAX];    /* behaviour of each, 1 = a view */
    uint32_t back[BK__PREFIX_MAX];   /* events since it was seen */
    uint32_t prefix_count;
    uint32_t segment[BK_SEGMENT_KIND_COUNT]; /* where the shopper is: numbers, 0 not known */
    uint16_t pair_epoch;
    uint32_t distinct_min; /* of shoppers behind what a segment shows everybody; 0: a shopper's own
                              list */
};

/* ---- gather.c: one feature after the other into the candidates ---- */

void bk__gather_begin(struct bk_ranker *ranker);
/* The item's candidate, new if need be. */
struct bk__candidate *bk__candidate_of(struct bk_ranker *ranker, uint32_t item);
/* One contribution (>= 0) to the feature being gathered, from `because`, seen `evidence` times. */
void bk__contribute(struct bk_ranker *ranker, uint32_t item, float value, uint32_t because,
                    uint32_t evidence);
/* One each to `count` items. */
void bk__contribute_items(struct bk_ranker *ranker, const uint32_t *item, const float *value,
                          uint32_t count, uint32_t because, uint32_t evidence);
/* What the order of a cart says: a partner that always comes before counts `behind`; how an order
 * was kept is seen through so many receipts of chance. */
struct bk__order {
    float behind, doubt;
};
/* Contributions scale * strength of every pair of a row (slots of a bk_map, empty ones among them),
 * less by `order` (NULL: it says nothing), from `because`; pairs counted less than `least` (>= 1), or of fewer distinct shoppers, are left
 * out. */
void bk__contribute_row(struct bk_ranker *ranker, const struct bk_pair *row, uint32_t slots,
                        float scale, const struct bk__order *order, uint32_t because,
                        uint32_t least, uint32_t distinct_min);
/* Add the gathered feature to the scores and make the accumulators ready for the next. `share`:
 * each candidate counts with its share of the feature's total, so that a long row does not drown
 * the others. */
void bk__gather_fold(struct bk_ranker *ranker, enum bk_scorer scorer, float weight, bool share);

/* ---- neighbours.c: session and receipt kNN ---- */

/* The most, for scratch: newest postings of an item that are walked, sessions or receipts that
 * vote, and how far from the common item they do. */
enum { BK__POSTINGS_ASKED = 60, BK__NEIGHBOURS_ASKED = 60, BK__NEIGHBOUR_REACH = 24 };
enum { BK__NEIGHBOUR_SLOTS = 2048 };
_Static_assert(BK__NEIGHBOUR_SLOTS * 3 / 4 > BK__PREFIX_MAX * BK__POSTINGS_ASKED, "never full");
void bk__gather_neighbours(const struct bk__view *view, enum bk_scorer scorer);

/* ---- trend.c: who is rising ---- */

/* Move the scores among the candidates that the session has not seen: up for those seen more often
 * of late. */
void bk__follow_trend(const struct bk__view *view);

/* ---- boards.c ---- */

size_t bk__boards_bytes(void);

/* ---- diversity.c: no list of one thing ---- */

/* So many candidates beyond the list's size are looked at. */
enum { BK__SPARE = 12 };
/* Of `count` candidates, best first, choose and order at most `size`: each loses of its score what
 * it has in common with those before it. What is left goes to `score`. Returns how many. */
uint32_t bk__diversify(const struct bk__view *view, struct bk__candidate *best[], float score[],
                       uint32_t count, uint32_t size);

/* ---- rank.c ---- */

/* As things stand, what the last of a list of any size scored; 0 when not all places are taken. */
float bk__score_to_beat(const struct bk__view *view);
/* The candidates as the items of a list; score NULL: their own. */
void bk__list_fill(struct bk_list *list, struct bk__candidate *const best[], const float *score,
                   uint32_t count);

/* ---- segment.c: what is popular where the shopper is ---- */

/* What everybody's popularity counts for there, and each point of the segments'. */
struct bk__mixture {
    float everywhere;
    float per_point[BK_SEGMENT_KIND_COUNT];
};
void bk__mix_segments(const struct bk__view *view, struct bk__mixture *mixture);
void bk__contribute_segments(const struct bk__view *view, const struct bk__mixture *mixture);

/* ---- usual.c: the usual shop ---- */

/* Move the scores of what the customer bought before by how due it is. In the usual shop, nothing
 * else is a candidate. */
void bk__follow_rhythm(const struct bk__view *view);
/* How long the customer's usual shop is, 0 when nothing is known. */
uint32_t bk__usual_size(const struct bk__view *view);
/* Say how much of each listed item the customer takes, and when it is due. */
void bk__say_quantities(const struct bk__view *view, struct bk_list *list);

/* ---- features.c: the scorers ---- */

/* Score all candidates of the view's situation. */
void bk__score(const struct bk__view *view);
/* A list that came out short looks further, over the rows of so many of its items. */
enum { BK__REACH_FROM = 10 };
/* Add what goes with the listed items behind them, for lists that came out short. */
void bk__score_reach(const struct bk__view *view, const struct bk_list *list);
/* Add the popular behind whatever was scored, for lists that came out short. */
void bk__score_fill(const struct bk__view *view);
/* The rows of one pair kind alone, from the view's prefix, raw; pairs of fewer distinct shoppers
 * are left out. */
void bk__score_kind(const struct bk__view *view, enum bk_pair_kind kind, uint32_t distinct_min);
/* Popularity alone. */
void bk__score_popular(const struct bk__view *view);

#endif
