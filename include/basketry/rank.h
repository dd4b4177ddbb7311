/* rank.h -- what Basketry concludes: pure functions from state to a ranked list.
 *
 *   candidates ─► features (a table of scorers) ─► hard rules ─► top N with reasons
 *
 * bk_rank reads an engine's state and a clock that is handed to it; it keeps nothing between calls
 * but scratch memory. The scorers are a table {name, normalisation, reason, tag, function}; a
 * context is a row of weights over them. Adding a scorer is adding a row. Equal scores rank by
 * popularity, then by item id, so the same state gives the same list whatever the handles are.
 */
#ifndef BASKETRY_RANK_H
#define BASKETRY_RANK_H

#include "basketry/state.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    BK_LIST_MAX = 20,
    BK_USUAL_RECEIPTS_MIN = 2, /* one receipt is no habit */
    BK_BASKET_MAX = 40,        /* the usual shop is as long as the customer's receipts */
};

/** When an item is due by its customer's own rhythm. */
enum bk_due { BK_DUE_UNKNOWN, BK_DUE_LATER, BK_DUE_SOON, BK_DUE_NOW, BK_DUE_OVER, BK_DUE_COUNT };
/** "later", "soon", "due", "overdue"; "" when nothing is known. */
const char *bk_due_word(enum bk_due due);

/* clang-format off */
/*       enum                   name                 tag                    reason */
#define BK_SCORER_TABLE(X)                                                                         \
    X(BK_SCORER_NEXT, "viewed_next", "similar_to_viewed", "viewed next by other shoppers")         \
    X(BK_SCORER_VIEWED, "viewed_together", "similar_to_viewed",                                    \
      "viewed together with what you looked at")                                                   \
    X(BK_SCORER_NEIGHBOURS,     "session_knn",       "similar_to_viewed",   "chosen on visits like yours")  \
    X(BK_SCORER_REPEAT, "seen_again", "similar_to_viewed", "you looked at it")                     \
    X(BK_SCORER_BOUGHT, "bought_together", "bought_together", "often bought together")             \
    X(BK_SCORER_VIEW_BUY, "viewed_then_bought", "bought_together",                                 \
      "bought by shoppers who viewed the same")                                                    \
    X(BK_SCORER_BASKETS, "receipt_knn", "bought_together", "chosen in baskets like yours")         \
    X(BK_SCORER_BUY_AGAIN, "buy_again", "buy_again", "you buy it regularly")                       \
    X(BK_SCORER_POPULAR, "popular", "popular", "popular now")
/* clang-format on */

enum bk_scorer {
#define X(name, label, tag, reason) name,
    BK_SCORER_TABLE(X)
#undef X
        BK_SCORER_COUNT
};
const char *bk_scorer_name(enum bk_scorer scorer);
const char *bk_scorer_tag(enum bk_scorer scorer);
const char *bk_scorer_reason(enum bk_scorer scorer);

/** Weights of the scorers, one row a situation. `home` has two: while a session is live, and at
 * rest. */
enum bk_situation {
    BK_SITUATION_HOME_LIVE,
    BK_SITUATION_HOME_REST,
    BK_SITUATION_DISCOVER,
    BK_SITUATION_CART,
    BK_SITUATION_CHECKOUT,
    BK_SITUATION_PRODUCT,
    BK_SITUATION_EMAIL,
    BK_SITUATION_USUAL,
    BK_SITUATION_COUNT
};
struct bk_weights {
    float weight[BK_SITUATION_COUNT][BK_SCORER_COUNT];
    /* what an item loses of its score, 0..1, when the list holds one just like it */
    float diversity[BK_SITUATION_COUNT];
};
/** The weights that evaluate found; one default for every shop. */
void bk_weights_default(struct bk_weights *weights);
/** Change weights by "situation.scorer=weight" (0 .. 1000000) or "situation.diversity=share" (0 .. 1)
 *  entries separated by commas or blanks, as in rank.weights; "" changes nothing. 0, or BK_EINVAL
 *  with a reason that names the entry. */
BK_MUST_CHECK int bk_weights_parse(struct bk_weights *weights, const char *text,
                                   struct bk_reason *reason);
const char *bk_situation_name(enum bk_situation situation);
/** As rank.weights names it: "home_live". */
const char *bk_situation_word(enum bk_situation situation);

struct bk_list_item {
    uint32_t item;
    float score;
    uint8_t scorer; /* enum bk_scorer: the one that contributed most */
    uint8_t due;    /* enum bk_due; usual and checkout */
    uint8_t pad[2];
    uint32_t quantity; /* usual and checkout: what the customer usually takes; else 0 */
    uint32_t because;  /* the item viewed or bought that led here; 0: none */
    uint32_t evidence; /* observations behind that scorer */
    uint32_t tags;     /* 1 << enum bk_scorer of every scorer that contributed */
};

struct bk_list {
    enum bk_context context;
    enum bk_situation situation;
    uint32_t for_item; /* product lists and item lists: what it is for; else 0 */
    uint32_t count;
    bool trending;    /* what is rising, not what is popular */
    float confidence; /* mean over items of n / (n + 20), n the evidence */
    struct bk_list_item item[BK_BASKET_MAX];
};

struct bk_boards;
struct bk_ranker; /* scratch: accumulators by item, candidates */

/** Scratch for one engine, from an arena of its own. NULL when memory does not allow it. */
struct bk_ranker *bk_ranker_create(const struct bk_engine *engine,
                                   const struct bk_weights *weights);
void bk_ranker_destroy(struct bk_ranker **ranker);
/** Bytes of scratch that were touched so far. */
uint64_t bk_ranker_bytes(const struct bk_ranker *ranker);

/** Rank a subject's list for a context at time `now_ms` (event time); at most `size` items. Loop
 * thread; no allocation. An unknown subject (0) gets what everybody gets. Always fills `list`; an
 * empty shop gives count 0. The usual shop is as long as the customer's receipts are, at most
 * BK_BASKET_MAX, whatever `size` says; who has not bought
 * twice has none. */
void bk_rank(struct bk_ranker *ranker, const struct bk_shard *shard, uint32_t subject,
             enum bk_context context, int64_t now_ms, uint32_t size, struct bk_list *list);

/** What one scorer says of one item. */
struct bk_why {
    float feature;    /* as it was gathered: a sum of counts, or its share of the feature's total */
    float weight;     /* of the scorer in this situation */
    float part;       /* weight * feature: the parts add up to the score */
    uint32_t because; /* the item behind the largest contribution; 0: none */
    uint32_t evidence; /* observations behind it */
};

/** Explain an item's place in a subject's list: every scorer's part into `why`, by scorer. `list`
 *  is filled as by bk_rank with BK_LIST_MAX items. Returns the hard rule that forbids the item
 *  ("in_cart", "dismissed", ...), or NULL. */
const char *bk_rank_why(struct bk_ranker *ranker, const struct bk_shard *shard, uint32_t subject,
                        enum bk_context context, int64_t now_ms, uint32_t item,
                        struct bk_why why[BK_SCORER_COUNT], struct bk_list *list);

/** Rank an item's own list for a pair kind (bought_together, viewed_together): cosine over the row;
 * pairs with fewer than `distinct_min` distinct shoppers are left out. */
void bk_rank_item(struct bk_ranker *ranker, uint32_t item, enum bk_pair_kind kind, int64_t now_ms,
                  uint32_t distinct_min, uint32_t size, struct bk_list *list);

/** The popular list. */
void bk_rank_popular(struct bk_ranker *ranker, int64_t now_ms, uint32_t size, struct bk_list *list);

/** The popular list of a segment (1 ..): what is bought there, smoothed by what is bought everywhere;
 *  items of fewer than `distinct_min` distinct shoppers there count as everywhere. */
void bk_rank_segment(struct bk_ranker *ranker, uint32_t segment, int64_t now_ms,
                     uint32_t distinct_min, uint32_t size, struct bk_list *list);

enum { BK_BOARD_CATEGORIES_MAX = 64 };
/** Boards of what is rising: 0 of the whole shop, then one a category. They live in the ranker. */
struct bk_boards *bk_ranker_boards(struct bk_ranker *ranker);
/** Begin a round at this event time; the lists of the last one are gone. */
void bk_boards_begin(struct bk_boards *boards, int64_t now_ms);
/** Look at so many items more; true when the round has seen all. Cost: some 50 ns an item. */
bool bk_boards_look(struct bk_boards *boards, uint32_t items);
/** Boards of the round, and one's list of at most `size` items. */
uint32_t bk_boards_count(const struct bk_boards *boards);
void bk_boards_list(struct bk_boards *boards, uint32_t board, uint32_t size, struct bk_list *list);
/** The hash of a board's category and its name, which is borrowed from state; 0 for the whole
 *  shop's. */
uint32_t bk_boards_category(const struct bk_boards *boards, uint32_t board, bk_str_t *name);

/** Is the subject's session live at that time? */
bool bk_session_is_live(const struct bk_engine *engine, const struct bk_shard *shard,
                        const struct bk_subject *sub, int64_t now_ms);

#ifdef __cplusplus
}
#endif
#endif
