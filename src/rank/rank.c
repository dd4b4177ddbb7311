/* rank.c -- candidates, features, hard rules, the best N.
 *
 * THE IDEA
 *   A feature is gathered by walking rows: each contribution goes to the candidate's accumulator,
 * as an integer, so that sums do not depend on the order of a hash table. After each feature the
 * accumulators are folded: weight times the feature (either its share of the feature's total, or
 * raw) is added to the candidate's score; the largest such part names the reason, and within it the
 * largest single contribution names `because`. LAYOUT      place[item] -> candidate (stamped, so
 * nothing is ever cleared) ; candidate[] ; the best N in a small heap-free array. COST        one
 * cache line per contribution (place) and one per candidate; the final selection compares with the
 * N-th only. PURE        no clock, no I/O, no allocation: scratch comes from an arena at create and
 * grows with the engine's limits.
 */
#include "basketry/rank.h"

enum {
    CANDIDATES_MAX = 16384, /* further ones are left out: 20 rows of 384 partners fit twice */
    PREFIX_MAX = 20, /* last items of a session or cart whose rows are read                   */
    FIXED_BITS = 24, /* fraction bits of a contribution                                       */
};

/* Cosine's shrinkage: pairs seen once between rare items are not certain. */
#define COSINE_REG 20.0f

struct place {
    uint32_t stamp;
    uint32_t candidate;
};

struct candidate {
    uint32_t item;
    uint32_t because; /* of the part that is largest so far */
    uint32_t evidence;
    uint32_t tags;
    uint64_t sum;           /* the feature being gathered */
    uint64_t best;          /* its largest single contribution ... */
    uint32_t best_because;  /* ... which came from this item, */
    uint32_t best_evidence; /* seen so often */
    float score;
    float part; /* the largest part of the score, from scorer */
    uint32_t scorer;
    uint32_t next_touched; /* candidates of the feature being gathered, a list by number + 1 */
};

struct bk_ranker {
    struct bk_arena arena;
    const struct bk_engine *engine;
    struct bk_weights weights;
    struct place *place;
    uint32_t places;
    uint32_t stamp;
    struct candidate *candidate;
    uint32_t count;
    uint32_t touched; /* head of the list */
    uint64_t total;   /* of the feature being gathered */
};

/* One question: what a feature may look at. */
struct view {
    struct bk_ranker *ranker;
    const struct bk_shard *shard;
    const struct bk_subject *sub;  /* NULL: nobody known */
    const struct bk_session *sess; /* NULL: none, or over */
    enum bk_situation situation;
    uint32_t epoch;
    uint32_t for_item;
    uint32_t prefix[PREFIX_MAX]; /* newest first */
    float decay[PREFIX_MAX];     /* behaviour weight of each, 1 = a view */
    uint32_t back[PREFIX_MAX];   /* events since it was seen */
    uint32_t prefix_count;
};

struct bk_ranker *bk_ranker_create(const struct bk_engine *engine, const struct bk_weights *weights)
{
    struct bk_arena arena;
    uint64_t places = (uint64_t)engine->params.items_max + 2;
    uint64_t bytes =
        places * sizeof(struct place) + CANDIDATES_MAX * sizeof(struct candidate) + (1 << 20);
    if (bk_arena_init(&arena, bytes * 5 / 4) != BK_OK) return NULL;
    bk_ref_t self = bk_arena_alloc(&arena, sizeof(struct bk_ranker));
    bk_ref_t place = bk_arena_alloc(&arena, places * sizeof(struct place));
    bk_ref_t candidate = bk_arena_alloc(&arena, CANDIDATES_MAX * sizeof(struct candidate));
    if (!self || !place || !candidate) {
        bk_arena_deinit(&arena);
        return NULL;
    }
    struct bk_ranker *ranker = bk_arena_write(&arena, self, sizeof *ranker);
    ranker->arena = arena;
    ranker->engine = engine;
    ranker->weights = *weights;
    ranker->place = bk_arena_write(&arena, place, sizeof(struct place));
    ranker->places = (uint32_t)places;
    ranker->candidate = bk_arena_write(&arena, candidate, sizeof(struct candidate));
    return ranker;
}

void bk_ranker_destroy(struct bk_ranker **ranker)
{
    if (!*ranker) return;
    struct bk_arena arena = (*ranker)->arena; /* the ranker lives inside */
    bk_arena_deinit(&arena);
    *ranker = NULL;
}

uint64_t bk_ranker_bytes(const struct bk_ranker *ranker)
{
    return bk_arena_bytes(&ranker->arena);
}

void bk_ranker_set_weights(struct bk_ranker *ranker, const struct bk_weights *weights)
{
    ranker->weights = *weights;
}

/* ---- gathering
 * ------------------------------------------------------------------------------------------------------------
 */

static void begin(struct bk_ranker *ranker)
{
    ranker->count = 0;
    if (++ranker->stamp == 0) { /* once in four thousand million lists */
        memset(ranker->place, 0, ranker->places * sizeof *ranker->place);
        ranker->stamp = 1;
    }
}

/* The item's candidate, new if need be; NULL when there are too many. */
static struct candidate *candidate_of(struct bk_ranker *ranker, uint32_t item)
{
    struct place *place = &ranker->place[item];
    if (place->stamp == ranker->stamp) return &ranker->candidate[place->candidate];
    if (ranker->count == CANDIDATES_MAX) return NULL;
    place->stamp = ranker->stamp;
    place->candidate = ranker->count;
    struct candidate *candidate = &ranker->candidate[ranker->count++];
    *candidate = (struct candidate){.item = item};
    return candidate;
}

/* One contribution to the feature being gathered. */
static void contribute(struct bk_ranker *ranker, uint32_t item, float value, uint32_t because,
                       uint32_t evidence)
{
    uint64_t amount = (uint64_t)(value * (float)(1 << FIXED_BITS));
    if (!amount) return;
    struct candidate *candidate = candidate_of(ranker, item);
    if (!candidate) return;
    if (!candidate->sum) {
        candidate->next_touched = ranker->touched;
        ranker->touched = (uint32_t)(candidate - ranker->candidate) + 1;
    }
    candidate->sum += amount;
    ranker->total += amount;
    if (amount > candidate->best) {
        candidate->best = amount;
        candidate->best_because = because;
        candidate->best_evidence = evidence;
    }
}

/* Add the gathered feature to the scores and make the accumulators ready for the next. */
static void fold(struct bk_ranker *ranker, enum bk_scorer scorer, float weight, bool share)
{
    double scale = share ? 1.0 / (double)ranker->total : 1.0 / (double)(1 << FIXED_BITS);
    for (uint32_t at = ranker->touched; at;) {
        struct candidate *candidate = &ranker->candidate[at - 1];
        float part = (float)(weight * scale * (double)candidate->sum);
        candidate->score += part;
        candidate->tags |= 1u << scorer;
        if (part > candidate->part) {
            candidate->part = part;
            candidate->scorer = scorer;
            candidate->because = candidate->best_because;
            candidate->evidence = candidate->best_evidence;
        }
        at = candidate->next_touched;
        candidate->sum = candidate->best = 0;
    }
    ranker->touched = 0;
    ranker->total = 0;
}

/* ---- the scorers' features
 * ------------------------------------------------------------------------------------------------
 */

static float power(float base, uint32_t n)
{
    float value = 1.0f;
    for (; n; n >>= 1, base *= base)
        if (n & 1) value *= base;
    return value;
}

static float inverse_root(float x)
{
    return 1.0f / __builtin_sqrtf(x);
}

typedef float (*support_fn)(const struct bk_item_hot *hot);

static float sessions_of(const struct bk_item_hot *hot)
{
    return (float)hot->sessions;
}

static float receipts_of(const struct bk_item_hot *hot)
{
    return (float)hot->receipts;
}

/* Item cosine with shrinkage over a symmetric kind: c_ij / sqrt((n_i + r)(n_j + r)), faded by
 * events since i was seen. */
static void cosine(const struct view *view, enum bk_pair_kind kind, support_fn support, float fade)
{
    const struct bk_shared *shared = &view->ranker->engine->shared;
    for (uint32_t i = 0; i < view->prefix_count; i++) {
        uint32_t from = view->prefix[i];
        float ours = view->decay[i] * power(fade, view->back[i]) *
                     inverse_root(support(bk_item_hot(shared, from)) + COSINE_REG);
        const struct bk_pair *pair;
        bk_ref_t row = bk_item(shared, from)->rows[kind];
        for (uint32_t at = 0; (pair = bk_map_next(&shared->heap, row, &at)) != NULL;) {
            float theirs = inverse_root(support(bk_item_hot(shared, pair->partner)) + COSINE_REG);
            contribute(view->ranker, pair->partner, ours * theirs * (float)pair->total, from,
                       pair->total);
        }
    }
}

/* Sequential rules: what was seen up to three steps after each item of the prefix. */
static void gather_next(const struct view *view)
{
    const struct bk_shared *shared = &view->ranker->engine->shared;
    for (uint32_t i = 0; i < view->prefix_count; i++) {
        float ours = view->decay[i] * power(0.5f, view->back[i]);
        const struct bk_pair *pair;
        bk_ref_t row = bk_item(shared, view->prefix[i])->rows[BK_PAIR_NEXT];
        for (uint32_t at = 0; (pair = bk_map_next(&shared->heap, row, &at)) != NULL;)
            contribute(view->ranker, pair->partner, ours * (float)pair->total, view->prefix[i],
                       pair->total);
    }
}

static void gather_viewed(const struct view *view)
{
    cosine(view, BK_PAIR_VIEWED, sessions_of, 0.6f);
}

static void gather_bought(const struct view *view)
{
    cosine(view, BK_PAIR_BOUGHT, receipts_of, 0.8f);
}

static void gather_view_buy(const struct view *view)
{
    const struct bk_shared *shared = &view->ranker->engine->shared;
    for (uint32_t i = 0; i < view->prefix_count; i++) {
        float sessions = (float)bk_item_hot(shared, view->prefix[i])->sessions;
        float ours =
            view->decay[i] * power(0.6f, view->back[i]) * inverse_root(sessions + COSINE_REG);
        const struct bk_pair *pair;
        bk_ref_t row = bk_item(shared, view->prefix[i])->rows[BK_PAIR_VIEW_BUY];
        for (uint32_t at = 0; (pair = bk_map_next(&shared->heap, row, &at)) != NULL;) {
            float theirs =
                inverse_root((float)bk_item_hot(shared, pair->partner)->receipts + COSINE_REG);
            contribute(view->ranker, pair->partner, ours * theirs * (float)pair->total,
                       view->prefix[i], pair->total);
        }
    }
}

/* What the session saw, faded by events since: people go back. */
static void gather_repeat(const struct view *view)
{
    if (!view->sess) return;
    for (uint32_t i = 0; i < view->sess->count; i++) {
        const struct bk_seen *seen = &view->sess->seen[i];
        uint64_t q16 =
            (uint64_t)seen->repeat_q16 * bk_repeat_decay_q16(view->sess->events - seen->at) >> 16;
        contribute(view->ranker, seen->item, (float)q16 / 65536.0f, 0, view->sess->events);
    }
}

static void gather_buy_again(const struct view *view)
{
    if (!view->sub) return;
    const struct bk_bought *bought;
    for (uint32_t at = 0;
         (bought = bk_map_next(&view->shard->heap, view->sub->history, &at)) != NULL;) {
        uint64_t q16 = (uint64_t)bought->weight_q16 *
                           bk_history_decay_q16(view->sub->receipts - bought->receipt) >>
                       16;
        contribute(view->ranker, bought->item, (float)q16 / 65536.0f, 0, bought->count);
    }
}

/* Popularity against that of the most popular item: for everybody's favourites, and for every
 * candidate found before. */
static void gather_popular(const struct view *view)
{
    struct bk_ranker *ranker = view->ranker;
    const struct bk_shared *shared = &ranker->engine->shared;
    const struct bk_shared_totals *totals = bk_totals(shared);
    float most = 0.0f;
    for (uint32_t i = 0; i < totals->popular_count; i++) {
        float popularity = bk_item_popularity(shared, totals->popular[i], view->epoch);
        if (popularity > most) most = popularity;
        candidate_of(ranker, totals->popular[i]);
    }
    if (most <= 0.0f) return;
    for (uint32_t i = 0; i < ranker->count; i++) {
        uint32_t item = ranker->candidate[i].item;
        contribute(ranker, item, bk_item_popularity(shared, item, view->epoch) / most, 0,
                   bk_item_hot(shared, item)->points);
    }
}

/* `share`: the feature counts as each candidate's share of its total, so that a long row does not
 * drown the others. */
static const struct {
    void (*gather)(const struct view *view);
    bool share;
} scorers[BK_SCORER_COUNT] = {
    [BK_SCORER_NEXT] = {gather_next, true},
    [BK_SCORER_VIEWED] = {gather_viewed, true},
    [BK_SCORER_REPEAT] = {gather_repeat, false},
    [BK_SCORER_BOUGHT] = {gather_bought, true},
    [BK_SCORER_VIEW_BUY] = {gather_view_buy, true},
    [BK_SCORER_BUY_AGAIN] = {gather_buy_again, false},
    [BK_SCORER_POPULAR] = {gather_popular, false}, /* the last row: it also scores what the others
                                                      found */
};

/* ---- hard rules
 * -------------------------------------------------------------------------------------------------------------
 */

static bool is_allowed(const struct view *view, uint32_t item)
{
    if (item == view->for_item) return false;
    if (!view->sub) return true;
    const struct bk_arena *heap = &view->shard->heap;
    if (bk_map_find(heap, view->sub->cart, item)) return false;
    const struct bk_mark *mark = bk_map_find(heap, view->sub->marks, item);
    if (mark && (mark->what & BK_MARK_DISMISSED)) return false;
    if (view->situation == BK_SITUATION_DISCOVER && bk_map_find(heap, view->sub->history, item))
        return false;
    return true;
}

/* ---- the best N
 * --------------------------------------------------------------------------------------------------------------
 */

/* Does a rank before b? Equal scores: popularity (points ever), then the smaller id. */
static bool is_before(const struct bk_shared *shared, const struct candidate *a,
                      const struct candidate *b)
{
    if (a->score != b->score) return a->score > b->score;
    uint32_t pa = bk_item_hot(shared, a->item)->points, pb = bk_item_hot(shared, b->item)->points;
    if (pa != pb) return pa > pb;
    return bk_str_cmp(bk_item_id(shared, a->item), bk_item_id(shared, b->item)) < 0;
}

static void put_item(struct bk_list *list, uint32_t place, const struct candidate *candidate)
{
    list->item[place] = (struct bk_list_item){
        .item = candidate->item,
        .score = candidate->score,
        .scorer = (uint8_t)candidate->scorer,
        .because = candidate->because,
        .evidence = candidate->evidence,
        .tags = candidate->tags,
    };
}

static void select_best(const struct view *view, uint32_t size, struct bk_list *list)
{
    const struct bk_ranker *ranker = view->ranker;
    const struct bk_shared *shared = &ranker->engine->shared;
    const struct candidate *best[BK_LIST_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < ranker->count; i++) {
        const struct candidate *candidate = &ranker->candidate[i];
        if (candidate->score <= 0.0f) continue;
        if (count == size && !is_before(shared, candidate, best[count - 1])) continue;
        if (!is_allowed(view, candidate->item)) continue;
        uint32_t place = count < size ? count++ : count - 1;
        for (; place > 0 && is_before(shared, candidate, best[place - 1]); place--)
            best[place] = best[place - 1];
        best[place] = candidate;
    }
    list->count = count;
    float confidence = 0.0f;
    for (uint32_t i = 0; i < count; i++) {
        put_item(list, i, best[i]);
        confidence += (float)best[i]->evidence / ((float)best[i]->evidence + 20.0f);
    }
    list->confidence = count ? confidence / (float)count : 0.0f;
}

/* ---- questions
 * ---------------------------------------------------------------------------------------------------------------
 */

static void score(const struct view *view)
{
    struct bk_ranker *ranker = view->ranker;
    begin(ranker);
    for (enum bk_scorer scorer = 0; scorer < BK_SCORER_COUNT; scorer++) {
        float weight = ranker->weights.weight[view->situation][scorer];
        if (weight <= 0.0f) continue;
        scorers[scorer].gather(view);
        if (ranker->touched) fold(ranker, scorer, weight, scorers[scorer].share);
    }
}

static void prefix_add(struct view *view, uint32_t item, float weight, uint32_t back)
{
    if (view->prefix_count == PREFIX_MAX) return;
    view->prefix[view->prefix_count] = item;
    view->decay[view->prefix_count] = weight;
    view->back[view->prefix_count++] = back;
}

static void prefix_of_session(struct view *view)
{
    if (!view->sess) return;
    for (uint32_t i = view->sess->count; i-- > 0 && view->prefix_count < PREFIX_MAX;) {
        const struct bk_seen *seen = &view->sess->seen[i];
        prefix_add(view, seen->item, (float)seen->weight / 4.0f, view->sess->events - seen->at);
    }
}

/* The cart's lines, newest first. */
static void prefix_of_cart(struct view *view)
{
    if (!view->sub) return;
    const struct bk_cart_line *best[PREFIX_MAX], *line;
    uint32_t count = 0;
    for (uint32_t at = 0; (line = bk_map_next(&view->shard->heap, view->sub->cart, &at)) != NULL;) {
        if (count == PREFIX_MAX && line->order < best[count - 1]->order) continue;
        uint32_t place = count < PREFIX_MAX ? count++ : count - 1;
        for (; place > 0 && best[place - 1]->order < line->order; place--)
            best[place] = best[place - 1];
        best[place] = line;
    }
    for (uint32_t i = 0; i < count; i++) prefix_add(view, best[i]->item, 1.0f, i);
}

bool bk_session_is_live(const struct bk_engine *engine, const struct bk_shard *shard,
                        const struct bk_subject *sub, int64_t now_ms)
{
    const struct bk_session *sess = bk_subject_session(shard, sub);
    return sess && sess->count && now_ms - sub->time_ms <= engine->params.session_gap_ms;
}

static enum bk_situation situation_of(enum bk_context context, bool live)
{
    switch (context) {
    case BK_CONTEXT_HOME:
        return live ? BK_SITUATION_HOME_LIVE : BK_SITUATION_HOME_REST;
    case BK_CONTEXT_DISCOVER:
        return BK_SITUATION_DISCOVER;
    case BK_CONTEXT_CART:
        return BK_SITUATION_CART;
    case BK_CONTEXT_CHECKOUT:
        return BK_SITUATION_CHECKOUT;
    case BK_CONTEXT_PRODUCT:
        return BK_SITUATION_PRODUCT;
    case BK_CONTEXT_EMAIL:
        return BK_SITUATION_EMAIL;
    case BK_CONTEXT_COUNT:
        break;
    }
    BK_ASSERT(!"a context of the table");
}

static void prefix_of(struct view *view, enum bk_context context)
{
    switch (context) {
    case BK_CONTEXT_CART:
    case BK_CONTEXT_CHECKOUT:
        prefix_of_cart(view);
        break;
    case BK_CONTEXT_PRODUCT:
        if (view->for_item) prefix_add(view, view->for_item, 1.0f, 0);
        break;
    default:
        prefix_of_session(view);
        break;
    }
}

static uint32_t list_size(uint32_t size)
{
    return size < BK_LIST_MAX ? size : BK_LIST_MAX;
}

void bk_rank(struct bk_ranker *ranker, const struct bk_shard *shard, uint32_t subject,
             enum bk_context context, int64_t now_ms, uint32_t size, struct bk_list *list)
{
    struct view view = {.ranker = ranker,
                        .shard = shard,
                        .epoch = bk_popularity_epoch(&ranker->engine->params, now_ms)};
    if (subject) {
        view.sub = bk_subject(shard, subject);
        if (bk_session_is_live(ranker->engine, shard, view.sub, now_ms))
            view.sess = bk_subject_session(shard, view.sub);
        if (context == BK_CONTEXT_PRODUCT) view.for_item = view.sub->last_item;
    }
    view.situation = situation_of(context, view.sess != NULL);
    prefix_of(&view, context);
    score(&view);
    *list = (struct bk_list){
        .context = context, .situation = view.situation, .for_item = view.for_item};
    select_best(&view, list_size(size), list);
}

void bk_rank_item(struct bk_ranker *ranker, uint32_t item, enum bk_pair_kind kind, int64_t now_ms,
                  uint32_t distinct_min, uint32_t size, struct bk_list *list)
{
    BK_ASSERT(kind == BK_PAIR_BOUGHT || kind == BK_PAIR_VIEWED);
    const struct bk_shared *shared = &ranker->engine->shared;
    struct view view = {.ranker = ranker,
                        .situation = BK_SITUATION_PRODUCT,
                        .for_item = item,
                        .epoch = bk_popularity_epoch(&ranker->engine->params, now_ms)};
    support_fn support = kind == BK_PAIR_BOUGHT ? receipts_of : sessions_of;
    begin(ranker);
    float ours = inverse_root(support(bk_item_hot(shared, item)) + COSINE_REG);
    const struct bk_pair *pair;
    for (uint32_t at = 0;
         (pair = bk_map_next(&shared->heap, bk_item(shared, item)->rows[kind], &at)) != NULL;) {
        if ((uint32_t)__builtin_popcount(pair->who) < distinct_min) continue;
        float theirs = inverse_root(support(bk_item_hot(shared, pair->partner)) + COSINE_REG);
        contribute(ranker, pair->partner, ours * theirs * (float)pair->total, item, pair->total);
    }
    if (ranker->touched)
        fold(ranker, kind == BK_PAIR_BOUGHT ? BK_SCORER_BOUGHT : BK_SCORER_VIEWED, 1.0f, false);
    *list = (struct bk_list){
        .context = BK_CONTEXT_PRODUCT, .situation = BK_SITUATION_PRODUCT, .for_item = item};
    select_best(&view, list_size(size), list);
}

void bk_rank_popular(struct bk_ranker *ranker, int64_t now_ms, uint32_t size, struct bk_list *list)
{
    struct view view = {.ranker = ranker,
                        .situation = BK_SITUATION_HOME_REST,
                        .epoch = bk_popularity_epoch(&ranker->engine->params, now_ms)};
    begin(ranker);
    gather_popular(&view);
    if (ranker->touched) fold(ranker, BK_SCORER_POPULAR, 1.0f, false);
    *list = (struct bk_list){.context = BK_CONTEXT_HOME, .situation = BK_SITUATION_HOME_REST};
    select_best(&view, list_size(size), list);
}
