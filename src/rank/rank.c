/* rank.c -- from a question to a list: what the list looks at, hard rules, the best N.
 *
 *   context ─► situation (a row of weights) and prefix (the items it starts from) ─► scores (features.c) ─► rules ─► best N
 *
 * PURE        no clock, no I/O, no allocation: scratch comes from an arena at create.
 * COST        the selection compares each candidate with the N-th only; rules are asked of those that would enter.
 */
#include "internal.h"

/* As many as the rows, the history, the session and the popular can name, so that none is ever left
 * out: which one that would be depended on handles. */
static uint64_t candidates_max(const struct bk_state_params *params)
{
    uint64_t rows = ((uint64_t)BK__PREFIX_MAX * BK_PAIR_KIND_COUNT + BK__REACH_FROM) *
                    params->pair_partners_max;
    uint64_t votes = (uint64_t)BK__NEIGHBOURS_ASKED * (2 * BK__NEIGHBOUR_REACH + 1);
    uint64_t most = rows + votes + params->history_items_max + BK_SESSION_SEEN_MAX + BK_POPULAR_MAX;
    return bk_min_u64(most, (uint64_t)params->items_max + 1);
}

/* The next start of a cache line. */
static void *line_start(void *p)
{
    return (void *)(((uintptr_t)p + BK__LINE_BYTES - 1) & ~(uintptr_t)(BK__LINE_BYTES - 1));
}

struct bk_ranker *bk_ranker_create(const struct bk_engine *engine, const struct bk_weights *weights)
{
    struct bk_arena arena;
    uint64_t places = (uint64_t)engine->params.items_max + 2;
    uint64_t candidates = candidates_max(&engine->params);
    uint64_t neighbours = (uint64_t)BK__PREFIX_MAX * BK__POSTINGS_ASKED;
    uint64_t bytes = places * sizeof(uint32_t) + BK__NEIGHBOUR_SLOTS * sizeof(uint16_t) +
                     candidates * sizeof(struct bk__candidate) +
                     neighbours * sizeof(struct bk__neighbour) + (1 << 20);
    if (bk_arena_init(&arena, bytes * 5 / 4) != BK_OK) return NULL;
    bk_ref_t self = bk_arena_alloc(&arena, sizeof(struct bk_ranker));
    bk_ref_t candidate = bk_arena_alloc(&arena, (candidates + 1) * sizeof(struct bk__candidate));
    bk_ref_t neighbour = bk_arena_alloc(&arena, neighbours * sizeof(struct bk__neighbour));
    bk_ref_t place = bk_arena_alloc(&arena, places * sizeof(uint32_t));
    bk_ref_t slot = bk_arena_alloc(&arena, BK__NEIGHBOUR_SLOTS * sizeof(uint16_t));
    bk_ref_t boards = bk_arena_alloc(&arena, bk__boards_bytes());
    if (!boards || !self || !place || !candidate || !neighbour || !slot) {
        bk_arena_deinit(&arena);
        return NULL;
    }
    struct bk_ranker *ranker = bk_arena_write(&arena, self, sizeof *ranker);
    ranker->arena = arena;
    ranker->engine = engine;
    ranker->weights = *weights;
    ranker->place = bk_arena_write(&arena, place, sizeof(uint32_t));
    ranker->candidates_max = (uint32_t)candidates;
    ranker->candidate = line_start(bk_arena_write(&arena, candidate, sizeof(struct bk__candidate)));
    ranker->neighbour = bk_arena_write(&arena, neighbour, sizeof(struct bk__neighbour));
    ranker->neighbour_slot = bk_arena_write(&arena, slot, sizeof(uint16_t));
    ranker->boards = bk_arena_write(&arena, boards, bk__boards_bytes());
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

/* ---- hard rules ---- */

/* Bought in this very visit: nobody needs it again at once. */
static bool was_just_bought(const struct bk__view *view, uint32_t item)
{
    const struct bk_bought *bought = bk_map_find(&view->shard->heap, view->sub->history, item);
    return bought &&
           view->now_ms - 1000ll * bought->last_s < view->ranker->engine->params.session_gap_ms;
}

/* The rule that forbids the item in this list, or NULL. */
static const char *rule_against(const struct bk__view *view, uint32_t item)
{
    if (item == view->for_item) return "what_the_list_is_for";
    if (!view->sub) return NULL;
    const struct bk_arena *heap = &view->shard->heap;
    if (view->situation != BK_SITUATION_USUAL && bk_map_find(heap, view->sub->cart, item))
        return "in_cart";
    const struct bk_mark *mark = bk_map_find(heap, view->sub->marks, item);
    if (mark && (mark->what & BK_MARK_DISMISSED)) return "dismissed";
    switch (view->situation) {
    case BK_SITUATION_DISCOVER:
        return bk_map_find(heap, view->sub->history, item) ? "bought_before" : NULL;
    case BK_SITUATION_CART:
    case BK_SITUATION_CHECKOUT:
    case BK_SITUATION_PRODUCT:
        return was_just_bought(view, item) ? "just_bought" : NULL;
    default:
        return NULL;
    }
}

/* ---- the best N ---- */

/* Does a rank before b? Equal scores: popularity (points ever), then the smaller id. */
static bool is_before(const struct bk_shared *shared, const struct bk__candidate *a,
                      const struct bk__candidate *b)
{
    if (a->score != b->score) return a->score > b->score;
    uint32_t pa = bk_item_hot(shared, a->item)->points, pb = bk_item_hot(shared, b->item)->points;
    if (pa != pb) return pa > pb;
    return bk_str_cmp(bk_item_id(shared, a->item), bk_item_id(shared, b->item)) < 0;
}

static void put_item(struct bk_list *list, uint32_t place, const struct bk__candidate *candidate,
                     float score)
{
    list->item[place] = (struct bk_list_item){
        .item = candidate->item,
        .score = score,
        .scorer = (uint8_t)candidate->scorer,
        .because = candidate->because == candidate->item ? 0 : candidate->because,
        .evidence = candidate->evidence,
        .tags = candidate->tags,
    };
}

void bk__list_fill(struct bk_list *list, struct bk__candidate *const best[], const float *score,
                   uint32_t count)
{
    float confidence = 0.0f;
    for (uint32_t i = 0; i < count; i++) {
        put_item(list, i, best[i], score ? score[i] : best[i]->score);
        confidence += (float)best[i]->evidence / ((float)best[i]->evidence + 20.0f);
    }
    list->count = count;
    list->confidence = count ? confidence / (float)count : 0.0f;
}

/* The best `size` candidates that no rule forbids, best first. Returns how many. */
static uint32_t find_best(const struct bk__view *view, uint32_t size,
                          struct bk__candidate *best[BK_BASKET_MAX])
{
    struct bk_ranker *ranker = view->ranker;
    const struct bk_shared *shared = &ranker->engine->shared;
    uint32_t count = 0;
    for (uint32_t i = 0; size && i < ranker->count; i++) {
        struct bk__candidate *candidate = &ranker->candidate[i];
        if (candidate->score <= 0.0f) continue;
        if (count == size && !is_before(shared, candidate, best[count - 1])) continue;
        if (rule_against(view, candidate->item)) continue;
        uint32_t place = count < size ? count++ : count - 1;
        for (; place > 0 && is_before(shared, candidate, best[place - 1]); place--)
            best[place] = best[place - 1];
        best[place] = candidate;
    }
    return count;
}

float bk__score_to_beat(const struct bk__view *view)
{
    struct bk__candidate *best[BK_BASKET_MAX];
    uint32_t count = find_best(view, BK_BASKET_MAX, best);
    return count == BK_BASKET_MAX ? best[count - 1]->score : 0.0f;
}

/* Where nothing is known of what is alike, the best are the list. The usual shop is what it is. */
static bool wants_diversity(const struct bk__view *view)
{
    return view->situation != BK_SITUATION_USUAL && bk_totals(&view->ranker->engine->shared)->alike;
}

static void select_best(const struct bk__view *view, uint32_t size, struct bk_list *list)
{
    struct bk__candidate *best[BK_BASKET_MAX];
    float score[BK_LIST_MAX];
    bool diverse = size && wants_diversity(view);
    uint32_t count = find_best(view, diverse ? size + BK__SPARE : size, best);
    if (diverse) count = bk__diversify(view, best, score, count, size);
    bk__list_fill(list, best, diverse ? score : NULL, count);
}

/* ---- questions ---- */

enum { HISTORY_PREFIX = 8 }; /* items of a history whose rows are read */

static bool is_stronger(const struct bk__view *view, const struct bk_bought *a, uint32_t weight_a,
                        const struct bk_bought *b, uint32_t weight_b)
{
    if (weight_a != weight_b) return weight_a > weight_b;
    const struct bk_shared *shared = &view->ranker->engine->shared;
    return bk_item(shared, a->item)->id_hash < bk_item(shared, b->item)->id_hash;
}

static void prefix_add(struct bk__view *view, uint32_t item, float weight, uint32_t back)
{
    if (view->prefix_count == BK__PREFIX_MAX) return;
    view->prefix[view->prefix_count] = item;
    view->weight[view->prefix_count] = weight;
    view->back[view->prefix_count++] = back;
}

static void prefix_of_session(struct bk__view *view)
{
    if (!view->sess) return;
    for (uint32_t i = view->sess->count; i-- > 0 && view->prefix_count < BK__PREFIX_MAX;) {
        const struct bk_seen *seen = &view->sess->seen[i];
        prefix_add(view, seen->item, (float)seen->weight / 4.0f, view->sess->events - seen->at);
    }
}

/* The cart's lines, newest first. */
static void prefix_of_cart(struct bk__view *view)
{
    if (!view->sub) return;
    const struct bk_cart_line *best[BK__PREFIX_MAX], *line;
    uint32_t count = 0;
    for (uint32_t at = 0; (line = bk_map_next(&view->shard->heap, view->sub->cart, &at)) != NULL;) {
        if (count == BK__PREFIX_MAX && line->order < best[count - 1]->order) continue;
        uint32_t place = count < BK__PREFIX_MAX ? count++ : count - 1;
        for (; place > 0 && best[place - 1]->order < line->order; place--)
            best[place] = best[place - 1];
        best[place] = line;
    }
    for (uint32_t i = 0; i < count; i++) prefix_add(view, best[i]->item, 1.0f, i);
}

/* What the customer buys most, each with its weight among them: nobody is in the shop. */
static void prefix_of_history(struct bk__view *view)
{
    if (!view->sub) return;
    const struct bk_bought *best[HISTORY_PREFIX], *bought;
    uint32_t weight[HISTORY_PREFIX];
    uint32_t count = 0;
    for (uint32_t at = 0;
         (bought = bk_map_next(&view->shard->heap, view->sub->history, &at)) != NULL;) {
        uint32_t now = bk_bought_weight_q16(view->sub, bought);
        uint32_t place = count;
        for (; place > 0 && is_stronger(view, bought, now, best[place - 1], weight[place - 1]);
             place--) {
            if (place == HISTORY_PREFIX) continue;
            best[place] = best[place - 1];
            weight[place] = weight[place - 1];
        }
        if (place == HISTORY_PREFIX) continue;
        best[place] = bought;
        weight[place] = now;
        if (count < HISTORY_PREFIX) count++;
    }
    for (uint32_t i = 0; i < count; i++)
        prefix_add(view, best[i]->item, (float)weight[i] / 65536.0f, 0);
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
    case BK_CONTEXT_USUAL:
        return BK_SITUATION_USUAL;
    case BK_CONTEXT_COUNT:
        break;
    }
    BK_ASSERT(false && "a context of the table");
}

static void prefix_of(struct bk__view *view, enum bk_context context)
{
    switch (context) {
    case BK_CONTEXT_CART:
    case BK_CONTEXT_CHECKOUT:
        prefix_of_cart(view);
        break;
    case BK_CONTEXT_PRODUCT:
        if (view->for_item) prefix_add(view, view->for_item, 1.0f, 0);
        break;
    case BK_CONTEXT_DISCOVER:
    case BK_CONTEXT_EMAIL:
        if (!view->sess) {
            prefix_of_history(view);
            break;
        }
        prefix_of_session(view);
        break;
    case BK_CONTEXT_USUAL: /* the history alone */
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

static uint16_t pair_epoch_of(const struct bk_engine *engine, int64_t now_ms)
{
    return (uint16_t)(bk_max_i64(now_ms, 0) / engine->params.pair_epoch_ms);
}

static struct bk__view view_of(struct bk_ranker *ranker, const struct bk_shard *shard,
                               uint32_t subject, enum bk_context context, int64_t now_ms)
{
    struct bk__view view = {.ranker = ranker,
                            .shard = shard,
                            .now_ms = now_ms,
                            .epoch = bk_popularity_epoch(&ranker->engine->params, now_ms),
                            .pair_epoch = pair_epoch_of(ranker->engine, now_ms)};
    if (subject) {
        view.sub = bk_subject(shard, subject);
        for (int kind = 0; kind < BK_SEGMENT_KIND_COUNT; kind++)
            view.segment[kind] = bk_segment_find(&ranker->engine->shared, view.sub->segment[kind]);
        if (bk_session_is_live(ranker->engine, shard, view.sub, now_ms))
            view.sess = bk_subject_session(shard, view.sub);
        if (context == BK_CONTEXT_PRODUCT) view.for_item = view.sub->last_item;
    }
    view.situation = situation_of(context, view.sess != NULL);
    prefix_of(&view, context);
    return view;
}

static void fill_list(const struct bk__view *view, enum bk_context context, uint32_t size,
                      struct bk_list *list)
{
    bk__score(view);
    *list = (struct bk_list){
        .context = context, .situation = view->situation, .for_item = view->for_item};
    if (view->situation == BK_SITUATION_USUAL) {
        bk__follow_rhythm(view);
        select_best(view, bk__usual_size(view), list);
        return;
    }
    if (view->situation == BK_SITUATION_CHECKOUT) bk__follow_rhythm(view);
    select_best(view, list_size(size), list);
    if (list->count == list_size(size)) return;
    if (view->situation == BK_SITUATION_HOME_LIVE && list->count) {
        bk__score_reach(
            view, list); /* too little is known of the session's items: their partners' partners */
        select_best(view, list_size(size), list);
        if (list->count == list_size(size)) return;
    }
    bk__score_fill(view); /* too little is known: the popular take the places that are left */
    select_best(view, list_size(size), list);
}

static void rank_view(const struct bk__view *view, enum bk_context context, uint32_t size,
                      struct bk_list *list)
{
    fill_list(view, context, size, list);
    if (view->situation == BK_SITUATION_USUAL || view->situation == BK_SITUATION_CHECKOUT)
        bk__say_quantities(view, list);
}

void bk_rank(struct bk_ranker *ranker, const struct bk_shard *shard, uint32_t subject,
             enum bk_context context, int64_t now_ms, uint32_t size, struct bk_list *list)
{
    struct bk__view view = view_of(ranker, shard, subject, context, now_ms);
    rank_view(&view, context, size, list);
}

const char *bk_rank_why(struct bk_ranker *ranker, const struct bk_shard *shard, uint32_t subject,
                        enum bk_context context, int64_t now_ms, uint32_t item,
                        struct bk_why why[BK_SCORER_COUNT], struct bk_list *list)
{
    struct bk__view view = view_of(ranker, shard, subject, context, now_ms);
    memset(ranker->why, 0, sizeof ranker->why);
    ranker->why_item = item;
    rank_view(&view, context, BK_LIST_MAX, list);
    ranker->why_item = 0;
    memcpy(why, ranker->why, sizeof ranker->why);
    return rule_against(&view, item);
}

void bk_rank_item(struct bk_ranker *ranker, uint32_t item, enum bk_pair_kind kind, int64_t now_ms,
                  uint32_t distinct_min, uint32_t size, struct bk_list *list)
{
    struct bk__view view = {.ranker = ranker,
                            .situation = BK_SITUATION_PRODUCT,
                            .for_item = item,
                            .epoch = bk_popularity_epoch(&ranker->engine->params, now_ms)};
    prefix_add(&view, item, 1.0f, 0);
    bk__score_kind(&view, kind, distinct_min);
    *list = (struct bk_list){
        .context = BK_CONTEXT_PRODUCT, .situation = BK_SITUATION_PRODUCT, .for_item = item};
    select_best(&view, list_size(size), list);
}

void bk_rank_segment(struct bk_ranker *ranker, uint32_t segment, int64_t now_ms,
                     uint32_t distinct_min, uint32_t size, struct bk_list *list)
{
    struct bk__view view = {.ranker = ranker,
                            .situation = BK_SITUATION_HOME_REST,
                            .epoch = bk_popularity_epoch(&ranker->engine->params, now_ms),
                            .pair_epoch = pair_epoch_of(ranker->engine, now_ms),
                            .segment = {segment},
                            .distinct_min = distinct_min};
    bk__score_popular(&view);
    *list = (struct bk_list){.context = BK_CONTEXT_HOME, .situation = BK_SITUATION_HOME_REST};
    select_best(&view, list_size(size), list);
}

void bk_rank_popular(struct bk_ranker *ranker, int64_t now_ms, uint32_t size, struct bk_list *list)
{
    struct bk__view view = {.ranker = ranker,
                            .situation = BK_SITUATION_HOME_REST,
                            .epoch = bk_popularity_epoch(&ranker->engine->params, now_ms)};
    bk__score_popular(&view);
    *list = (struct bk_list){.context = BK_CONTEXT_HOME, .situation = BK_SITUATION_HOME_REST};
    select_best(&view, list_size(size), list);
}
