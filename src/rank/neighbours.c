/* neighbours.c -- kNN over the postings: what did shoppers on the same way go on to?
 *
 * THE IDEA
 *   Each item's postings name the most recent sessions that saw it, and the most recent receipts
 *   that hold it. Walking the newest of those of the prefix's last items gives the neighbours and
 *   their similarity at once; the most similar then vote for their items. There is nothing to
 *   rebuild: a posting was added by the event itself.
 *
 *   sim(s, n)  = sum over common items i of w_i f^back(i) / sqrt(m_i + 5) / sqrt(|n|),  m_i the
 *   postings of i that are walked
 *   score(j)   = sum over the k most similar n with j of sim(s, n) g^|q(j) - q(i*)|,
 *   in a receipt 0.3 of it where q(j) < q(i*), as far as receipts keep an order at all
 *
 *   q is an item's place in n, i* the latest item of s that n has. After VSTAN (Ludewig, Mauro,
 *   Latifi, Jannach 2021), but an item that everybody sees says less about a shopper (1 / sqrt(m_i
 *   + 5)), and recency comes by walking the newest few. In a receipt nearness says nothing (g = 1),
 *   order does.
 * COST        a look-up in 4 KB a posting (five items of 40 in a session, six of 60 in a cart), one
 *             record and a short row a neighbour that votes.
 */
#include "internal.h"

static const struct knn {
    enum bk_posting_kind kind;
    float fade;  /* f, per event or line since the item */
    float faded; /* an item that faded below this is not walked */
    float near;  /* g */
    float behind;
    uint32_t asked, voters, reach; /* postings, neighbours, places from i* */
} knns[BK_SCORER_COUNT] = {
    [BK_SCORER_NEIGHBOURS] = {BK_POSTING_SESSION, 0.7165313f, 0.2f, 0.7788008f, 1.0f, 40, 60, 12},
    [BK_SCORER_BASKETS] = {BK_POSTING_RECEIPT, 0.75f, 0.2f, 1.0f, 0.3f, BK__POSTINGS_ASKED,
                           BK__NEIGHBOURS_ASKED, BK__NEIGHBOUR_REACH},
};

#define FEW_POSTINGS 5.0f

enum { NEIGHBOUR_SLOTS_LOG2 = 11 };
_Static_assert(1 << NEIGHBOUR_SLOTS_LOG2 == BK__NEIGHBOUR_SLOTS, "a hash is cut to a slot");

static float inverse_root(float x)
{
    return 1.0f / __builtin_sqrtf(x);
}

/* The posted session's neighbour entry, new if need be. The table is small enough to stay in the
 * nearest cache: an array over all sessions would not. */
static struct bk__neighbour *neighbour_of(struct bk_ranker *ranker,
                                          const struct bk_posting *posting, uint32_t latest,
                                          uint32_t *count)
{
    uint32_t slot = (posting->session * 2654435769u) >> (32 - NEIGHBOUR_SLOTS_LOG2);
    uint32_t number;
    while ((number = ranker->neighbour_slot[slot]) != 0) {
        if (ranker->neighbour[number - 1].session == posting->session)
            return &ranker->neighbour[number - 1];
        slot = (slot + 1) % BK__NEIGHBOUR_SLOTS;
    }
    struct bk__neighbour *neighbour = &ranker->neighbour[(*count)++];
    ranker->neighbour_slot[slot] = (uint16_t)*count;
    *neighbour = (struct bk__neighbour){
        .session = posting->session, .latest = latest, .met = posting->place};
    return neighbour;
}

/* The posting at a place, 0 the oldest. */
static const struct bk_posting *posting_at(const struct bk_postings *ring, uint32_t place)
{
    uint32_t at = ring->first + place;
    return &ring->entry[at < ring->cap ? at : at - ring->cap];
}

/* The newest sessions that share one of the prefix's items, with what the items are worth. */
static uint32_t find_neighbours(const struct bk__view *view, const struct knn *knn)
{
    struct bk_ranker *ranker = view->ranker;
    const struct bk_shared *shared = &ranker->engine->shared;
    uint32_t own = view->sess ? bk_session_posted(shared, view->sess) : 0; /* never a receipt */
    uint32_t count = 0;
    float faded = 1.0f;
    uint32_t back = 0;
    memset(ranker->neighbour_slot, 0, BK__NEIGHBOUR_SLOTS * sizeof ranker->neighbour_slot[0]);
    for (uint32_t i = 0; i < view->prefix_count; i++) {
        for (; back < view->back[i]; back++) faded *= knn->fade;
        if (faded < knn->faded) break;
        bk_ref_t ref = bk_item(shared, view->prefix[i])->postings[knn->kind];
        if (!ref) continue;
        const struct bk_postings *ring = bk_arena_read(&shared->heap, ref);
        uint32_t walked = ring->count < knn->asked ? ring->count : knn->asked;
        float worth = faded * view->weight[i] * inverse_root((float)walked + FEW_POSTINGS);
        for (uint32_t j = ring->count - walked; j < ring->count; j++) {
            const struct bk_posting *posting = posting_at(ring, j);
            if (posting->session == own) continue;
            neighbour_of(ranker, posting, i, &count)->similarity += worth;
            __builtin_prefetch(bk_table_read(&shared->posted,
                                             posting->session)); /* read soon, by chance anywhere */
        }
    }
    return count;
}

static bool is_nearer(const struct bk_shared *shared, const struct bk__neighbour *a,
                      const struct bk__neighbour *b)
{
    if (a->similarity != b->similarity) return a->similarity > b->similarity;
    const struct bk_posted *pa = bk_table_read(&shared->posted, a->session),
                           *pb = bk_table_read(&shared->posted, b->session);
    return pa->key < pb->key; /* a total order, whatever the numbers are */
}

/* Move the n nearest to the front (quickselect). */
static void select_nearest(const struct bk_shared *shared, struct bk__neighbour *all,
                           uint32_t count, uint32_t n)
{
    uint32_t low = 0, high = count - 1;
    while (low < high) {
        struct bk__neighbour pivot = all[low + (high - low) / 2];
        uint32_t i = low, j = high;
        for (;;) {
            while (is_nearer(shared, &all[i], &pivot)) i++;
            while (is_nearer(shared, &pivot, &all[j])) j--;
            if (i >= j) break;
            struct bk__neighbour swap = all[i];
            all[i++] = all[j];
            all[j--] = swap;
        }
        if (n <= j)
            high = j;
        else
            low = j + 1;
    }
}

/* The places of a neighbour that vote, as far as `reach` from the one met. */
struct span {
    const uint32_t *item;
    uint32_t count, met; /* met: in the span */
};

static struct span span_of(const struct bk_shared *shared, const struct knn *knn,
                           const struct bk__neighbour *neighbour)
{
    const struct bk_posted *posted = bk_table_read(&shared->posted, neighbour->session);
    const uint32_t *items = bk_arena_read(&shared->heap, posted->items);
    uint32_t met = neighbour->met, end = met + knn->reach + 1;
    uint32_t first = met > knn->reach ? met - knn->reach : 0;
    if (end > posted->count) end = posted->count;
    return (struct span){items + first, end - first, met - first};
}

/* They will be read: have them brought. */
static void fetch_span(struct span span)
{
    enum { ITEMS = BK__LINE_BYTES / sizeof(uint32_t) };
    for (uint32_t at = 0; at < span.count; at += ITEMS) __builtin_prefetch(span.item + at);
    __builtin_prefetch(span.item + span.count - 1);
}

/* One neighbour's items, each worth more the nearer it stands to the item both have. */
static void vote(const struct bk__view *view, const struct knn *knn,
                 const struct bk__neighbour *neighbour, float behind, const float *near)
{
    const struct bk_shared *shared = &view->ranker->engine->shared;
    struct span span = span_of(shared, knn, neighbour);
    uint32_t common = view->prefix[neighbour->latest];
    const struct bk_item_hot *hot = bk_item_hot(shared, common); /* evidence: what has the link */
    uint32_t evidence = knn->kind == BK_POSTING_SESSION ? hot->sessions : hot->receipts;
    float worth[2 * BK__NEIGHBOUR_REACH + 1], before = neighbour->similarity * behind;
    for (uint32_t i = 0; i < span.met; i++) worth[i] = before * near[span.met - i];
    for (uint32_t i = span.met; i < span.count; i++)
        worth[i] = neighbour->similarity * near[i - span.met];
    bk__contribute_items(view->ranker, span.item, worth, span.count, common, evidence);
}

void bk__gather_neighbours(const struct bk__view *view, enum bk_scorer scorer)
{
    const struct knn *knn = &knns[scorer];
    struct bk_ranker *ranker = view->ranker;
    const struct bk_shared *shared = &ranker->engine->shared;
    uint32_t count = find_neighbours(view, knn);
    for (uint32_t i = 0; i < count; i++) {
        const struct bk_posted *posted =
            bk_table_read(&shared->posted, ranker->neighbour[i].session);
        ranker->neighbour[i].similarity *= inverse_root((float)posted->count);
    }
    if (count > knn->voters) {
        select_nearest(shared, ranker->neighbour, count, knn->voters);
        count = knn->voters;
    }
    float behind = 1.0f - (1.0f - knn->behind) * bk_order_kept(shared);
    float near[BK__NEIGHBOUR_REACH + 1] = {1.0f};
    for (uint32_t d = 1; d <= knn->reach; d++) near[d] = near[d - 1] * knn->near;
    for (uint32_t i = 0; i < count; i++) fetch_span(span_of(shared, knn, &ranker->neighbour[i]));
    for (uint32_t i = 0; i < count; i++) vote(view, knn, &ranker->neighbour[i], behind, near);
}
