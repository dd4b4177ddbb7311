/* features.c -- what speaks for an item: the scorers.
 *
 * Most scorers are rows of one walk: from each item of the prefix (the session, the cart, the
 * product looked at) over its partners of one kind of pair, faded by how long ago the item was
 * seen. They differ in a line of the table below. The others read the session, the history and the
 * popular. Adding a scorer is adding a row.
 *
 *   session rules    score(j) = sum_i w_i 0.5^back(i) n(i -> j)
 *                    sequential rules of Ludewig, Jannach 2018, over the whole prefix
 *   item cosine      score(j) = sum_i w_i f^back(i) c_ij / sqrt((n_i + r)(n_j + r)),  r = 20
 *                    Sarwar et al. 2001, with shrinkage
 *   bought together  score(j) = sum_i w_i 0.85^back(i) c_ij / ((n_i + r)^(5/8) (n_j + r)^(3/8)),
 *                    c: a receipt of n lines counts 1 / sqrt(n); from a cart 0.3 of that
 *                    where j is put in before i, as far as receipts keep an order at all:
 *                    what comes next is asked for
 *   receipt kNN      as session kNN, over receipts (neighbours.c)
 *   repeat           score(j) = (taken_sp + 5 usual_p) / (asked_sp + 5)
 *                    p the place of j among the session's items by last sight, s the step before:
 *                    how often this shop's sessions went back to that place after such a step
 *   buy again        score(j) = again(j) / n^(1/4) * sum over the customer's receipts r with j
 *                               of |r|^(-1/8) 0.97^(receipts since) 0.5^(years since)
 *                    again(j) = sqrt(rebuys of j / rebuys of everything), shrunk;
 *                    n = sum over all receipts of 0.97^(receipts since)
 *   popular          score(j) = the share of everybody's recent acts that were about j, halved
 *                               every 7 epochs, with 50 receipts of nothing; where it is known
 *                               in which store and on what device, there (segment.c)
 *
 * AT REST
 *   buy again + k popular is a count smoothed by what everybody buys, as a Dirichlet prior smooths
 *   it: the prior weighs k n^(1/4) receipts, so short histories lean on it more. Both are shares of
 *   receipts, so that one k serves shops of large and of small baskets.
 */
#include "internal.h"

/* 1 / sqrt of a count, or its 5/8th and 3/8th power: together a cosine that leans a little towards
 * what is bought much. */
enum root { ROOT_NONE, ROOT_RECEIPTS, ROOT_SESSIONS, ROOT_RECEIPTS_5_8, ROOT_RECEIPTS_3_8 };

/* Ways that the usual ones count for. */
#define USUAL_WAYS 5.0f

/* A list that came out short looks further: over the rows of its own first items. */
#define REACH_WEIGHT 1e-5f

/* As if the shop had had this much going on about nothing it sells: the popularity of a shop that
 * has just opened says little. */
#define UNKNOWN_ACTS (50.0f * BK_POINTS_RECEIPT)

/* What fills a list up stands behind everything that has a reason of its own. */
#define FILL_WEIGHT 1e-6f

static const struct walk {
    enum bk_pair_kind kind;
    float fade;             /* per event (session) or line (cart) since the item              */
    float faded;            /* an item that faded below this share is not worth its row       */
    float behind;           /* in a cart: what a partner counts that was put in before it     */
    uint32_t most;          /* in a row of more partners pairs that hardly happened are       */
    uint32_t least;         /* chance: one must count as much, or it is half of the work for  */
                            /* nothing                                                        */
    enum root ours, theirs; /* what a pair's count is divided by the root of                  */
} walks[BK_SCORER_COUNT] = {
    [BK_SCORER_NEXT] = {BK_PAIR_NEXT, 0.5f, 0.2f, 1.0f, 100, 3, ROOT_NONE, ROOT_NONE},
    [BK_SCORER_VIEWED] = {BK_PAIR_VIEWED, 0.6f, 0.2f, 1.0f, 100, 2, ROOT_SESSIONS, ROOT_SESSIONS},
    [BK_SCORER_BOUGHT] = {BK_PAIR_BOUGHT, 0.85f, 0.2f, 0.3f, 250, 2, ROOT_RECEIPTS_5_8,
                          ROOT_RECEIPTS_3_8},
    [BK_SCORER_VIEW_BUY] = {BK_PAIR_VIEW_BUY, 0.6f, 0.01f, 1.0f, 100, 1, ROOT_SESSIONS,
                            ROOT_RECEIPTS},
};

static float root_of(const struct bk_item_hot *hot, enum root root)
{
    float half = hot->root_receipts;
    switch (root) {
    case ROOT_RECEIPTS:
        return half;
    case ROOT_SESSIONS:
        return hot->root_sessions;
    case ROOT_RECEIPTS_5_8:
        return half * __builtin_sqrtf(__builtin_sqrtf(half));
    case ROOT_RECEIPTS_3_8:
        return __builtin_sqrtf(half * __builtin_sqrtf(half));
    case ROOT_NONE:
        break;
    }
    return 1.0f;
}

static float power(float base, uint32_t n)
{
    float value = 1.0f;
    for (; n; n >>= 1, base *= base)
        if (n & 1) value *= base;
    return value;
}

/* Is the prefix a cart, whose lines were put in one after the other? */
static bool is_cart(const struct bk__view *view)
{
    return view->situation == BK_SITUATION_CART || view->situation == BK_SITUATION_CHECKOUT;
}

/* The fade of a cart's lines in a shop without order, and how little order is enough for some. */
#define UNORDERED_FADE 0.97f
#define LITTLE_ORDER   0.01f

/* More doubt than this leaves no order. */
#define NO_ORDER 1000.0f

/* Of a Beta(k/2, k/2) of ways round the mean square of 2p - 1 is 1 / (k + 1): k is the doubt. */
static struct bk__order order_of(const struct bk__view *view, const struct walk *walk)
{
    float kept =
        walk->behind < 1.0f && is_cart(view) ? bk_order_kept(&view->ranker->engine->shared) : 0.0f;
    return (struct bk__order){walk->behind, kept > 0.0f ? 1.0f / kept - 1.0f : NO_ORDER};
}

static void walk_row(const struct bk__view *view, const struct walk *walk, uint32_t from,
                     float ours, uint32_t distinct_min)
{
    const struct bk_shared *shared = &view->ranker->engine->shared;
    bk_ref_t row = bk_item(shared, from)->rows[walk->kind];
    if (!row) return;
    const struct bk_map_head *head = bk_map_head(&shared->heap, row);
    struct bk__order order = order_of(view, walk);
    bk__contribute_row(view->ranker, (const struct bk_pair *)(head + 1),
                       (uint32_t)1 << head->slots_log2, ours,
                       order.doubt < NO_ORDER ? &order : NULL, from,
                       head->count > walk->most ? walk->least : 1, distinct_min);
}

/* The partner's root is the same in every term of its sum: it is multiplied in once, here. A sum
 * that was touched stays above 0. */
static void divide_by_theirs(const struct bk__view *view, enum root theirs)
{
    struct bk_ranker *ranker = view->ranker;
    const struct bk_shared *shared = &ranker->engine->shared;
    if (theirs == ROOT_NONE) return;
    ranker->total = 0;
    for (uint32_t at = ranker->touched; at; at = ranker->candidate[at - 1].next_touched) {
        struct bk__candidate *candidate = &ranker->candidate[at - 1];
        float root = root_of(bk_item_hot(shared, candidate->item), theirs);
        candidate->sum = bk_max_u64((uint64_t)((double)root * (double)candidate->sum), 1);
        ranker->total += candidate->sum;
    }
}

/* Where receipts keep no order, that a line was put in long ago says little of the cart. */
static float fade_of(const struct bk__view *view, const struct walk *walk)
{
    if (walk->behind == 1.0f || !is_cart(view)) return walk->fade;
    float kept = bk_order_kept(&view->ranker->engine->shared);
    return UNORDERED_FADE + (walk->fade - UNORDERED_FADE) * kept / (kept + LITTLE_ORDER);
}

/* The head and the first pairs of a row that will be walked. */
static void fetch_row(const struct bk__view *view, const struct walk *walk, uint32_t from)
{
    const struct bk_shared *shared = &view->ranker->engine->shared;
    const char *row = bk_arena_read(&shared->heap, bk_item(shared, from)->rows[walk->kind]);
    for (int line = 0; line < 4; line++) __builtin_prefetch(row + line * BK__LINE_BYTES);
}

static void walk_prefix(const struct bk__view *view, const struct walk *walk, uint32_t distinct_min)
{
    const struct bk_shared *shared = &view->ranker->engine->shared;
    float fade = fade_of(view, walk);
    for (uint32_t i = 0; i < view->prefix_count; i++) {
        if (i + 1 < view->prefix_count) fetch_row(view, walk, view->prefix[i + 1]);
        float faded = view->weight[i] * power(fade, view->back[i]);
        if (faded < walk->faded) continue;
        walk_row(view, walk, view->prefix[i],
                 faded * root_of(bk_item_hot(shared, view->prefix[i]), walk->ours), distinct_min);
    }
    divide_by_theirs(view, walk->theirs);
}

static void gather_pairs(const struct bk__view *view, enum bk_scorer scorer)
{
    walk_prefix(view, &walks[scorer], 1);
}

/* The chance that the next sight goes back to a place, from what this shop's sessions did after
 * such a step, and from what sessions do anywhere while little is known. */
static float chance_of_way(const struct bk_shared_totals *totals, uint32_t step, uint32_t place)
{
    static const float usual[BK_WAY_PLACES] = {0.15f, 0.12f, 0.05f,  0.03f,
                                               0.02f, 0.01f, 0.008f, 0.006f};
    uint32_t p = place < BK_WAY_PLACES ? place : BK_WAY_PLACES - 1;
    return ((float)totals->way_taken[step][p] + USUAL_WAYS * usual[p]) /
           ((float)totals->way_asked[step][p] + USUAL_WAYS);
}

/* What the session saw: people stay, and go back. */
static void gather_repeat(const struct bk__view *view, enum bk_scorer scorer)
{
    (void)scorer;
    const struct bk_session *sess = view->sess;
    if (!sess) return;
    const struct bk_shared_totals *totals = bk_totals(&view->ranker->engine->shared);
    for (uint32_t place = 0; place < sess->count; place++)
        bk__contribute(view->ranker, sess->seen[sess->count - 1 - place].item,
                       chance_of_way(totals, sess->step, place), 0, sess->events);
}

/* The customer's receipts, each faded as its lines are: 1 for one, 33 for very many. */
static float receipts_now(const struct bk_subject *sub)
{
    return (float)(65536 - bk_history_decay_q16(sub->receipts)) / (65536.0f * 0.03f);
}

static void gather_buy_again(const struct bk__view *view, enum bk_scorer scorer)
{
    (void)scorer;
    if (!view->sub || !view->sub->receipts) return;
    const struct bk_shared *shared = &view->ranker->engine->shared;
    const struct bk_bought *bought;
    float scale = 1.0f / 65536.0f / __builtin_sqrtf(__builtin_sqrtf(receipts_now(view->sub)));
    for (uint32_t at = 0;
         (bought = bk_map_next(&view->shard->heap, view->sub->history, &at)) != NULL;) {
        uint32_t q16 = bk_bought_weight_q16(view->sub, bought);
        bk__contribute(view->ranker, bought->item,
                       (float)q16 * scale * bk_item_again(shared, bought->item), 0, bought->count);
    }
}

/* Does something move the scores after they are summed? */
static bool is_moved(const struct bk__view *view)
{
    return view->situation == BK_SITUATION_HOME_LIVE || view->situation == BK_SITUATION_CHECKOUT ||
           view->situation == BK_SITUATION_USUAL;
}

/* Who scored less is not listed, however popular: what the list's last has already is more than the
 * most popular of all could add. */
static float hopeless_score(const struct bk__view *view, const struct bk__mixture *mixture,
                            float acts)
{
    enum { MANY = 512 }; /* fewer are asked sooner than sorted out */
    if (is_moved(view) || view->ranker->count < MANY) return 0.0f;
    const struct bk_shared *shared = &view->ranker->engine->shared;
    const struct bk_shared_totals *totals = bk_totals(shared);
    float most = 0.0f;
    for (uint32_t i = 0; i < totals->popular_count; i++) {
        float popularity = bk_item_popularity(shared, totals->popular[i], view->epoch);
        if (popularity > most) most = popularity;
    }
    float share = most / acts * mixture->everywhere + 1.0f - mixture->everywhere;
    float weight = view->ranker->weights.weight[view->situation][BK_SCORER_POPULAR];
    return bk__score_to_beat(view) - 1.001f * weight * share;
}

/* The share of everybody's acts: for everybody's favourites, and for every candidate found
 * before that it can still help. */
static void gather_popular(const struct bk__view *view, enum bk_scorer scorer)
{
    (void)scorer;
    struct bk_ranker *ranker = view->ranker;
    const struct bk_shared *shared = &ranker->engine->shared;
    const struct bk_shared_totals *totals = bk_totals(shared);
    float acts = bk_acts_popularity(shared, view->epoch) + UNKNOWN_ACTS;
    struct bk__mixture mixture;
    bk__mix_segments(view, &mixture);
    float hopeless = hopeless_score(view, &mixture, acts);
    for (uint32_t i = 0; i < totals->popular_count; i++)
        bk__candidate_of(ranker, totals->popular[i]);
    for (uint32_t i = 0; i < ranker->count; i++) {
        uint32_t item = ranker->candidate[i].item;
        if (ranker->candidate[i].score < hopeless && item != ranker->why_item) continue;
        float share = bk_item_popularity(shared, item, view->epoch) / acts;
        bk__contribute(ranker, item, share * mixture.everywhere, 0,
                       bk_item_hot(shared, item)->points);
    }
    bk__contribute_segments(view, &mixture);
}

static const struct {
    void (*gather)(const struct bk__view *view, enum bk_scorer scorer);
    bool share;
} scorers[BK_SCORER_COUNT] = {
    [BK_SCORER_NEXT] = {gather_pairs, true},
    [BK_SCORER_VIEWED] = {gather_pairs, true},
    [BK_SCORER_NEIGHBOURS] = {bk__gather_neighbours, true},
    [BK_SCORER_REPEAT] = {gather_repeat, false},
    [BK_SCORER_BOUGHT] = {gather_pairs, true},
    [BK_SCORER_VIEW_BUY] = {gather_pairs, true},
    [BK_SCORER_BASKETS] = {bk__gather_neighbours, true},
    [BK_SCORER_BUY_AGAIN] = {gather_buy_again, false},
    [BK_SCORER_POPULAR] = {gather_popular,
                           false}, /* the last row: it also scores what the others found */
};

/* ---- scoring ---- */

void bk__score(const struct bk__view *view)
{
    struct bk_ranker *ranker = view->ranker;
    bk__gather_begin(ranker);
    for (enum bk_scorer scorer = 0; scorer < BK_SCORER_COUNT; scorer++) {
        float weight = ranker->weights.weight[view->situation][scorer];
        if (weight <= 0.0f) continue;
        scorers[scorer].gather(view, scorer);
        if (ranker->touched) bk__gather_fold(ranker, scorer, weight, scorers[scorer].share);
    }
    if (view->situation == BK_SITUATION_HOME_LIVE) bk__follow_trend(view);
}

/* Over the viewed-together rows of the first items, each as strong as it scored. What the shopper
 * saw leads there in two steps. */
void bk__score_reach(const struct bk__view *view, const struct bk_list *list)
{
    const struct bk_shared *shared = &view->ranker->engine->shared;
    const struct walk *walk = &walks[BK_SCORER_VIEWED];
    for (uint32_t i = 0; i < list->count && i < BK__REACH_FROM; i++) {
        uint32_t from = list->item[i].item;
        walk_row(view, walk, from,
                 list->item[i].score * root_of(bk_item_hot(shared, from), walk->ours), 1);
    }
    divide_by_theirs(view, walk->theirs);
    if (view->ranker->touched) bk__gather_fold(view->ranker, BK_SCORER_VIEWED, REACH_WEIGHT, true);
}

void bk__score_fill(const struct bk__view *view)
{
    gather_popular(view, BK_SCORER_POPULAR);
    if (view->ranker->touched) bk__gather_fold(view->ranker, BK_SCORER_POPULAR, FILL_WEIGHT, false);
}

void bk__score_kind(const struct bk__view *view, enum bk_pair_kind kind, uint32_t distinct_min)
{
    enum bk_scorer scorer = kind == BK_PAIR_BOUGHT ? BK_SCORER_BOUGHT : BK_SCORER_VIEWED;
    BK_ASSERT(walks[scorer].kind == kind);
    bk__gather_begin(view->ranker);
    walk_prefix(view, &walks[scorer], distinct_min);
    if (view->ranker->touched) bk__gather_fold(view->ranker, scorer, 1.0f, false);
}

void bk__score_popular(const struct bk__view *view)
{
    bk__gather_begin(view->ranker);
    gather_popular(view, BK_SCORER_POPULAR);
    if (view->ranker->touched) bk__gather_fold(view->ranker, BK_SCORER_POPULAR, 1.0f, false);
}
