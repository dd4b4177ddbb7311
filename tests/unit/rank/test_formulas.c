/* test_formulas.c -- every list of random shops against the formulas, computed over all items from
 * the model's logs.
 *
 * Scores are compared, not places: whatever the engine lists must score as said, nothing allowed
 * may score more and be missing.
 */
#include "basketry/rank.h"
#include "support/model.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { PREFIX = 20, ITEMS = 100, EVENTS = 1250, SESSIONS = 60 };

struct naive {
    const struct model *m;
    const struct model_subject *sub;
    bool live;
    double pairs[BK_PAIR_KIND_COUNT][ITEMS][ITEMS];
    double after[ITEMS][ITEMS], both[ITEMS][ITEMS]; /* receipts: b put in after a, either way */
    double order_kept;
    bool cart; /* the prefix is one */
    double popularity[ITEMS], acts, points[ITEMS];
    uint32_t prefix[PREFIX], prefix_count;
    double weight[PREFIX], back[PREFIX];
    uint32_t for_item; /* 1 + item */
    double score[ITEMS];
    double blur[ITEMS]; /* what rounding to 24 and, in decays, to 16 bits may hide */
};

static struct naive *naive_create(const struct model *m, int64_t now)
{
    struct naive *n = calloc(1, sizeof *n);
    assert_non_null(n);
    assert_true(m->items <= ITEMS);
    n->m = m;
    for (size_t i = 0; i < m->points_count; i++)
        n->points[m->points[i].item] += m->points[i].points;
    for (size_t i = 0; i < m->pairs; i++) {
        const struct model_pair *pair = &m->pair[i];
        n->pairs[pair->kind][pair->a][pair->b] += round(pair->strength * 256) / 256;
        if (pair->kind == BK_PAIR_BOUGHT) n->after[pair->a][pair->b] += pair->after;
        n->both[pair->a][pair->b] += pair->kind == BK_PAIR_BOUGHT;
    }
    uint32_t epoch = (uint32_t)(now / m->params.popularity_epoch_ms);
    for (uint32_t i = 0; i < m->items; i++) n->popularity[i] = model_popularity(m, i, epoch);
    n->acts = model_acts(m, epoch);
    n->order_kept = model_order_kept(m);
    return n;
}

static uint64_t hash_of(const struct model *m, uint32_t item)
{
    return bk_hash(m->item[item], strlen(m->item[item]));
}

static void prefix_add(struct naive *n, uint32_t item, double weight, double back)
{
    if (n->prefix_count == PREFIX) return;
    n->prefix[n->prefix_count] = item;
    n->weight[n->prefix_count] = weight;
    n->back[n->prefix_count++] = back;
}

static void prefix_of_session(struct naive *n)
{
    const struct model_session *session = &n->sub->session;
    for (uint32_t back = 0; n->live && back < session->sights; back++)
        for (uint32_t i = 0; i < session->seen_count; i++) {
            const struct model_seen *seen = &session->seen[i];
            if (seen->last != session->sights - back) continue;
            uint32_t strongest = 0;
            for (uint32_t k = seen->since; k < session->sights; k++)
                if (session->sight[k].item == seen->item && session->sight[k].weight > strongest)
                    strongest = session->sight[k].weight;
            prefix_add(n, seen->item, strongest / 4.0, back);
        }
}

static void prefix_of_cart(struct naive *n)
{
    for (uint32_t order = n->sub->cart_order, back = 0; order > 0; order--)
        for (uint32_t i = 0; i < n->sub->cart_count; i++)
            if (n->sub->cart[i].order == order) prefix_add(n, n->sub->cart[i].item, 1, back++);
}

static double bought_now(const struct naive *n, const struct model_bought *bought)
{
    return model_bought_now(n->sub, bought);
}

/* How many of the customer's items weigh more than this one. */
static uint32_t heavier(const struct naive *n, const struct model_bought *bought)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < n->sub->bought_count; i++) {
        const struct model_bought *other = &n->sub->bought[i];
        double more = bought_now(n, other) - bought_now(n, bought);
        bool first = hash_of(n->m, other->item) < hash_of(n->m, bought->item);
        count += fabs(more) < 1e-9 ? first : more > 0;
    }
    return count;
}

/* The eight that weigh most, the heaviest first. */
static void prefix_of_history(struct naive *n)
{
    for (uint32_t place = 0; place < 8; place++)
        for (uint32_t i = 0; i < n->sub->bought_count; i++) {
            const struct model_bought *bought = &n->sub->bought[i];
            if (heavier(n, bought) == place) prefix_add(n, bought->item, bought_now(n, bought), 0);
        }
}

/* ---- the formulas ---- */

static double support(const struct model *m, uint32_t item, bool receipts)
{
    return sqrt((receipts ? m->item_receipts[item] : m->item_sessions[item]) + 20.0);
}

static double way(const struct model *m, uint32_t step, uint32_t place)
{
    static const double usual[] = {.15, .12, .05, .03, .02, .01, .008, .006};
    return ((double)m->way_taken[step][place] + 5 * usual[place]) /
           ((double)m->way_asked[step][place] + 5);
}

/* Where receipts keep an order, partners that come after count more. */
static double share_of_order(const struct naive *n, uint32_t i, uint32_t j)
{
    if (n->order_kept < 1e-3) return 1;
    double doubt = 1 / n->order_kept - 1;
    return .3 + .7 * (n->after[i][j] + doubt / 2) / (n->both[i][j] + doubt + 1e-12);
}

static double feature(const struct naive *n, enum bk_scorer scorer, uint32_t j)
{
    uint32_t places[MODEL_SEEN], places_count;
    static const double fade[] = {[BK_SCORER_NEXT] = .5,
                                  [BK_SCORER_VIEWED] = .6,
                                  [BK_SCORER_BOUGHT] = .85,
                                  [BK_SCORER_VIEW_BUY] = .6},
                        faded_away[] = {[BK_SCORER_NEXT] = .2,
                                        [BK_SCORER_VIEWED] = .2,
                                        [BK_SCORER_BOUGHT] = .2,
                                        [BK_SCORER_VIEW_BUY] = .01};
    static const int kind[] = {[BK_SCORER_NEXT] = BK_PAIR_NEXT,
                               [BK_SCORER_VIEWED] = BK_PAIR_VIEWED,
                               [BK_SCORER_BOUGHT] = BK_PAIR_BOUGHT,
                               [BK_SCORER_VIEW_BUY] = BK_PAIR_VIEW_BUY};
    double sum = 0, receipts = 0;
    switch (scorer) {
    case BK_SCORER_REPEAT:
        places_count = n->live ? model_places(&n->sub->session, places) : 0;
        for (uint32_t p = 0; p < places_count; p++)
            if (places[p] == j) sum = way(n->m, n->sub->session.step, p < 8 ? p : 7);
        return sum;
    case BK_SCORER_BUY_AGAIN:
        for (uint32_t i = 0; n->sub && i < n->sub->bought_count; i++)
            if (n->sub->bought[i].item == j) sum = model_bought_now(n->sub, &n->sub->bought[i]);
        for (uint32_t i = 0; n->sub && i < n->sub->receipts; i++) receipts += pow(.97, i);
        return sum > 0 ? sum * model_again(n->m, j) / pow(receipts, .25) : 0;
    case BK_SCORER_POPULAR:
        return n->popularity[j] / (n->acts + 50 * 16);
    default:
        break;
    }
    for (uint32_t p = 0; p < n->prefix_count; p++) {
        uint32_t i = n->prefix[p];
        double slow = n->cart && scorer == BK_SCORER_BOUGHT ? .01 / (n->order_kept + .01) : 0;
        double faded = n->weight[p] * pow(fade[scorer] + (.97 - fade[scorer]) * slow, n->back[p]);
        double roots = scorer == BK_SCORER_NEXT ? 1
                                                : support(n->m, i, scorer == BK_SCORER_BOUGHT) *
                                                      support(n->m, j, scorer != BK_SCORER_VIEWED);
        if (scorer == BK_SCORER_BOUGHT)
            roots = pow(support(n->m, i, true), 1.25) * pow(support(n->m, j, true), .75);
        double count = n->pairs[kind[scorer]][i][j];
        if (n->cart && scorer == BK_SCORER_BOUGHT) count *= share_of_order(n, i, j);
        if (faded >= faded_away[scorer]) sum += faded * count / roots;
    }
    return sum;
}

static const struct model *sorting;

static int newest_first(const void *a, const void *b)
{
    const struct model_posting *x = a, *y = b;
    if (x->time_s != y->time_s) return x->time_s < y->time_s ? 1 : -1;
    return sorting->posted[x->session]->key < sorting->posted[y->session]->key ? 1 : -1;
}

/* What kNN asks: a cart of receipts, a session of sessions. */
struct asked {
    enum bk_posting_kind kind;
    double fade, near, behind;
    uint32_t postings, reach;
};
static const struct asked of_sessions =
                              {BK_POSTING_SESSION, 0.716531310573789, 0.778800783071405, 1, 40, 12},
                          of_receipts = {BK_POSTING_RECEIPT, .75, 1, .3, 60, 24};

/* What the item adds to the similarity of each of the newest that hold it; a first item that both
 * have is the common one. */
static void add_similarity(const struct naive *n, const struct asked *asked, uint32_t p,
                           double *similarity, uint32_t *common)
{
    const struct model *m = n->m;
    struct model_posting *mine = calloc(m->postings + 1, sizeof *mine);
    uint32_t count = 0;
    for (size_t i = 0; i < m->postings; i++)
        if (m->posting[i].item == n->prefix[p] && m->posting[i].kind == asked->kind)
            mine[count++] = m->posting[i];
    sorting = m;
    qsort(mine, count, sizeof *mine, newest_first);
    if (count > asked->postings) count = asked->postings;
    for (uint32_t i = 0; i < count; i++) {
        similarity[mine[i].session] +=
            n->weight[p] * pow(asked->fade, n->back[p]) / sqrt(count + 5.0);
        if (common[mine[i].session] == 0) common[mine[i].session] = n->prefix[p] + 1;
    }
    free(mine);
}

/* Those that share items with this prefix vote for theirs, nearer places first. */
static void neighbours(const struct naive *n, const struct asked *asked, double *value)
{
    double *similarity = calloc(n->m->posteds + 1, sizeof *similarity);
    uint32_t *common = calloc(n->m->posteds + 1, sizeof *common); /* 1 + item */
    memset(value, 0, ITEMS * sizeof *value);
    for (uint32_t p = 0; p < n->prefix_count; p++)
        if (pow(asked->fade, n->back[p]) >= 0.2) add_similarity(n, asked, p, similarity, common);
    for (size_t s = 0; s < n->m->posteds; s++) {
        const struct model_posted *posted = n->m->posted[s];
        uint32_t met = 0;
        if (!common[s] || (n->live && n->sub->session.posted == s + 1)) continue;
        while (posted->item[met] + 1 != common[s]) met++;
        for (uint32_t i = 0; i < posted->count; i++) {
            double far = fabs((double)i - met), worth = 1;
            if (i < met) worth -= (1 - asked->behind) * n->order_kept;
            if (far <= asked->reach)
                value[posted->item[i]] +=
                    worth * similarity[s] / sqrt(posted->count) * pow(asked->near, far);
        }
    }
    free(similarity);
    free(common);
}

/* Move the scores of what the session has not seen by how they rise. */
static void follow_trend(struct naive *n, const struct bk_weights *weights, const bool *candidate)
{
    double lately = 0, ever = 0;
    for (uint32_t j = 0; j < n->m->items; j++) {
        lately += candidate[j] ? floor(n->popularity[j] * 256) / 256 : 0;
        ever += candidate[j] ? n->points[j] : 0;
    }
    double per_rate = lately > 0 ? ever / lately : 1;
    for (uint32_t j = 0; j < n->m->items; j++) {
        bool seen = weights->weight[BK_SITUATION_HOME_LIVE][BK_SCORER_REPEAT] > 0.0f &&
                    feature(n, BK_SCORER_REPEAT, j) > 0;
        if (!seen) n->score[j] *= sqrt((n->popularity[j] * per_rate + 20) / (n->points[j] + 20));
    }
}

/* Move the scores of what was bought before by how due it is. */
static void follow_rhythm(struct naive *n, const struct bk_engine *engine, int64_t now)
{
    const struct bk_shared *shared = &engine->shared;
    float rate[BK_RHYTHM_STEPS];
    bk_rhythm(shared, rate); /* worked out by hand in test_usual.c */
    for (uint32_t i = 0; n->sub && i < n->sub->bought_count; i++) {
        const struct model_bought *b = &n->sub->bought[i];
        struct bk_bought bought = {.item = bk_item_find(shared, bk_str_c(n->m->item[b->item])),
                                   .count = b->count,
                                   .first_s = b->first_s,
                                   .last_s = b->last_s};
        const struct bk_shard *shard = engine->shards[0];
        uint32_t subject = bk_subject_find(shard, bk_str_c(n->sub->id));
        const uint8_t *weekday = bk_subject(shard, subject)->weekday;
        uint32_t day = (uint32_t)(now / 86400000 + 3), ahead = 0, sum = 0;
        for (int d = 0; d < 7; d++) sum += weekday[d];
        while (sum >= 8 && weekday[(day + ahead) % 7] * 7u < sum) ahead++;
        uint32_t due = bk_bought_due_x16(shared, &bought, (uint32_t)(now / 1000) + ahead * 86400);
        n->score[b->item] *=
            1 + ((double)rate[bk_rhythm_step(due)] - 1) * b->count / (b->count + 2);
    }
}

static bool is_allowed(const struct naive *n, enum bk_situation situation, uint32_t j, int64_t now)
{
    if (n->for_item == j + 1) return false;
    if (!n->sub) return true;
    for (uint32_t i = 0; i < n->sub->cart_count; i++)
        if (n->sub->cart[i].item == j) return false;
    if (n->sub->marks[j] & BK_MARK_DISMISSED) return false;
    for (uint32_t i = 0; i < n->sub->bought_count; i++) {
        const struct model_bought *b = &n->sub->bought[i];
        if (b->item != j) continue;
        bool companion = situation == BK_SITUATION_CART || situation == BK_SITUATION_CHECKOUT ||
                         situation == BK_SITUATION_PRODUCT;
        if (situation == BK_SITUATION_DISCOVER) return false;
        if (companion && now - b->last_s * 1000ll < n->m->params.session_gap_ms) return false;
    }
    return true;
}

static uint32_t count_scored(const struct naive *n, enum bk_situation situation, int64_t now)
{
    uint32_t scored = 0;
    for (uint32_t j = 0; j < n->m->items; j++)
        scored += n->score[j] > 1e-9 && is_allowed(n, situation, j, now);
    return scored;
}

static bool is_before(const struct naive *n, uint32_t a, uint32_t b)
{
    if (n->score[a] != n->score[b]) return n->score[a] > n->score[b];
    if (n->points[a] != n->points[b]) return n->points[a] > n->points[b];
    return strcmp(n->m->item[a], n->m->item[b]) < 0;
}

/* From the ten best to what was viewed together with them. */
static void reach(struct naive *n, enum bk_situation situation, int64_t now)
{
    double value[ITEMS] = {0}, total = 0;
    for (uint32_t i = 0; i < n->m->items; i++) {
        uint32_t place = 0;
        if (n->score[i] <= 1e-9 || !is_allowed(n, situation, i, now)) continue;
        for (uint32_t k = 0; k < n->m->items; k++)
            place += is_allowed(n, situation, k, now) && is_before(n, k, i);
        for (uint32_t j = 0; place < 10 && j < n->m->items; j++)
            value[j] += n->score[i] * n->pairs[BK_PAIR_VIEWED][i][j] /
                        (support(n->m, i, false) * support(n->m, j, false));
    }
    for (uint32_t j = 0; j < n->m->items; j++) total += value[j];
    for (uint32_t j = 0; total > 0 && j < n->m->items; j++) n->score[j] += 1e-5 * value[j] / total;
}

/* Fill n->score with all items' scores; how many are above nothing and allowed. */
static uint32_t score_all(struct naive *n, const struct bk_engine *engine,
                          const struct bk_weights *weights, enum bk_situation situation,
                          int64_t now)
{
    bool candidate[ITEMS] = {false};
    memset(n->score, 0, sizeof n->score);
    for (int scorer = 0; scorer < BK_SCORER_COUNT; scorer++) {
        double value[ITEMS], total = 0, weight = (double)weights->weight[situation][scorer];
        bool knn = scorer == BK_SCORER_NEIGHBOURS || scorer == BK_SCORER_BASKETS;
        if (knn) neighbours(n, scorer == BK_SCORER_BASKETS ? &of_receipts : &of_sessions, value);
        for (uint32_t j = 0; j < n->m->items; j++) {
            if (!knn) value[j] = feature(n, scorer, j);
            total += value[j];
            bool popular = scorer == BK_SCORER_POPULAR && n->points[j] > 0;
            candidate[j] |= weight > 0 && (value[j] > 0 || popular);
        }
        bool share = scorer == BK_SCORER_NEXT || knn || scorer == BK_SCORER_VIEWED ||
                     scorer == BK_SCORER_BOUGHT || scorer == BK_SCORER_VIEW_BUY;
        for (uint32_t j = 0; total > 0 && j < n->m->items; j++)
            n->score[j] += weight * value[j] / (share ? total : 1);
    }
    if (situation == BK_SITUATION_HOME_LIVE) follow_trend(n, weights, candidate);
    if (situation == BK_SITUATION_CHECKOUT) follow_rhythm(n, engine, now);
    uint32_t scored = count_scored(n, situation, now);
    bool reached = situation == BK_SITUATION_HOME_LIVE && scored && scored < BK_LIST_MAX;
    if (reached) {
        reach(n, situation, now);
        scored = count_scored(n, situation, now);
    }
    for (uint32_t j = 0; j < n->m->items; j++) {
        bool decayed =
            feature(n, BK_SCORER_REPEAT, j) > 0 || feature(n, BK_SCORER_BUY_AGAIN, j) > 0;
        n->blur[j] = 2e-4 * n->score[j] + (reached ? 1e-7 : 1e-8) + (decayed ? 3e-4 : 0) +
                     1e-7 * (double)weights->weight[situation][BK_SCORER_POPULAR];
    }
    for (uint32_t j = 0; scored < BK_LIST_MAX && j < n->m->items; j++)
        n->score[j] += 1e-6 * feature(n, BK_SCORER_POPULAR, j);
    return scored;
}

static void check_list(struct naive *n, const struct bk_engine *engine,
                       const struct bk_weights *weights, const struct bk_list *list,
                       enum bk_situation situation, int64_t now)
{
    const struct bk_shared *shared = &engine->shared;
    double least = 1e300;
    uint32_t allowed = 0;
    bool listed[ITEMS] = {false};
    assert_int_equal(list->situation, situation);
    score_all(n, engine, weights, situation, now);
    for (uint32_t i = 0; i < list->count; i++) {
        uint32_t j = 0;
        while (j < n->m->items &&
               bk_item_find(shared, bk_str_c(n->m->item[j])) != list->item[i].item)
            j++;
        assert_true(j < n->m->items && !listed[j]);
        listed[j] = true;
        if (fabs((double)list->item[i].score - n->score[j]) > n->blur[j])
            fail_msg("%s scores %g, not %g", n->m->item[j], (double)list->item[i].score,
                     n->score[j]);
        if (!is_allowed(n, situation, j, now)) fail_msg("%s is not allowed", n->m->item[j]);
        assert_true(i == 0 || list->item[i].score <= list->item[i - 1].score);
        least = fmin(least, n->score[j] + n->blur[j]);
    }
    for (uint32_t j = 0; j < n->m->items; j++) {
        if (listed[j] || !is_allowed(n, situation, j, now)) continue;
        allowed += n->score[j] > 1e-8; /* below, a contribution may vanish in 24 bits */
        if (n->score[j] - n->blur[j] > least)
            fail_msg("%s scores %g and is missing", n->m->item[j], n->score[j]);
    }
    if (list->count < BK_LIST_MAX) assert_int_equal(allowed, 0);
}

static void check_subject(struct naive *n, const struct bk_engine *engine, struct bk_ranker *ranker,
                          const struct bk_weights *weights, int64_t now)
{
    static const enum bk_situation at_rest[] = {BK_SITUATION_HOME_REST, BK_SITUATION_DISCOVER,
                                                BK_SITUATION_CART,      BK_SITUATION_CHECKOUT,
                                                BK_SITUATION_PRODUCT,   BK_SITUATION_EMAIL};
    const struct bk_shard *shard = engine->shards[0];
    uint32_t subject = n->sub ? bk_subject_find(shard, bk_str_c(n->sub->id)) : 0;
    n->live =
        n->sub && n->sub->session.sights && now - n->sub->time_ms <= n->m->params.session_gap_ms;
    for (enum bk_context context = 0; context < BK_CONTEXT_COUNT; context++) {
        if (context == BK_CONTEXT_USUAL) continue; /* test_usual.c */
        struct bk_list list;
        n->prefix_count = n->for_item = 0;
        if (n->sub && context == BK_CONTEXT_PRODUCT) n->for_item = n->sub->last_item;
        if (n->for_item) prefix_add(n, n->for_item - 1, 1, 0);
        bool cart = context == BK_CONTEXT_CART || context == BK_CONTEXT_CHECKOUT;
        if (n->sub && cart) prefix_of_cart(n);
        n->cart = cart;
        bool past = !n->live && (context == BK_CONTEXT_DISCOVER || context == BK_CONTEXT_EMAIL);
        if (n->sub && past) prefix_of_history(n);
        if (n->sub && !past && !cart && context != BK_CONTEXT_PRODUCT) prefix_of_session(n);
        bk_rank(ranker, shard, subject, context, now, BK_LIST_MAX, &list);
        bool live_home = context == BK_CONTEXT_HOME && n->live;
        check_list(n, engine, weights, &list, live_home ? BK_SITUATION_HOME_LIVE : at_rest[context],
                   now);
    }
}

static void lists_follow_the_formulas(const char *what, uint64_t seed,
                                      const struct bk_weights *weights)
{
    struct chance chance = chance_seed(what, seed);
    struct bk_state_params params = told_params();
    struct told_shape shape = told_shape();
    shape.items = 90;
    shape.step_ms_max = 20000; /* fewer sessions than are asked for their vote */
    params.postings_max = 5000;
    params.popularity_epoch_ms = 20ll * 60 * 1000; /* some rise, some fall */
    shape.withdraw_one_in = 0;
    struct told *stream = told_stream(&chance, &shape, EVENTS);
    struct model *model = model_create(&params);
    struct bk_engine engine;
    told_engine(&engine, &params);
    struct bk_ranker *ranker = bk_ranker_create(&engine, weights);
    assert_non_null(ranker);
    for (int i = 0; i < EVENTS; i++) {
        stream[i].event.store = BK_STR(""); /* test_usual.c has segments */
        told_apply(&engine, &stream[i]);
        model_apply(model, &stream[i]);
        if (model->sessions > SESSIONS || model->receipts > SESSIONS)
            break; /* from here on only the nearest are asked */
        if (i % 125 != 124) continue;
        int64_t now = stream[i].place.record_ms;
        struct naive *n = naive_create(model, now);
        for (int s = -1; s < MODEL_SUBJECTS; s++) {
            if (s >= 0 && !model->subject[s]) continue;
            n->sub = s >= 0 ? model->subject[s] : NULL;
            check_subject(n, &engine, ranker, weights, now);
        }
        free(n);
    }
    bk_ranker_destroy(&ranker);
    model_destroy(&model);
    bk_engine_deinit(&engine);
    told_stream_free(stream, EVENTS);
}

static void with_the_default_weights_lists_follow_the_formulas(void **state)
{
    (void)state;
    struct bk_weights weights;
    bk_weights_default(&weights);
    lists_follow_the_formulas("default weights", 501, &weights);
}

static void with_random_weights_lists_follow_the_formulas(void **state)
{
    (void)state;
    struct chance chance = chance_seed("weights", 502);
    for (int round = 0; round < 3; round++) {
        struct bk_weights weights = {0};
        for (int situation = 0; situation < BK_SITUATION_COUNT; situation++)
            for (int scorer = 0; scorer < BK_SCORER_COUNT; scorer++)
                weights.weight[situation][scorer] =
                    chance_one_in(&chance, 3) ? 0.0f : (float)chance_below(&chance, 1000) / 500.0f;
        lists_follow_the_formulas("random weights", 503 + (uint64_t)round, &weights);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_the_default_weights_lists_follow_the_formulas),
        cmocka_unit_test(with_random_weights_lists_follow_the_formulas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
