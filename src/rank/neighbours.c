/* neighbours.c -- session kNN over the postings: what did shoppers on the same way go on to?
 *
 * THE IDEA
 *   Each item's postings name the most recent sessions that saw it. Walking those of the session's last items gives the neighbours and
 *   their similarity at once; the most similar then vote for their items, nearer places first. There is nothing to rebuild: a posting
 *   was added by the event itself.
 *
 *   sim(s, n)  = sum over common items i of w_i e^(-back(i)/3) / sqrt(|s| |n|)
 *   score(j)   = sum over the k most similar n with j of sim(s, n) e^(-|q(j) - q(i*)|/4) (1 + ln(N/n_j))
 *
 *   q is an item's place in n, i* the latest item of s that n has. VSTAN (Ludewig, Mauro, Latifi, Jannach 2021) without its recency of the
 *   neighbour: the postings are the most recent already.
 * COST        one 8-byte look-up a posting, one record and a short row a neighbour.
 */
#include "internal.h"

#define FADE_SIGHT 0.7165313f /* e^(-1/3) */
#define FADE_PLACE 0.7788008f /* e^(-1/4) */
#define FADED_AWAY 0.05f

/* ln x for x >= 1 by the exponent and a parabola through the mantissa: within 0.01, and the same everywhere. */
static float natural_log(float x)
{
    union {
        float f;
        uint32_t u;
    } bits = {x};
    float exponent = (float)(int)(bits.u >> 23) - 127.0f;
    bits.u = (bits.u & 0x7fffff) | 0x3f800000;
    float mantissa = bits.f; /* 1 <= mantissa < 2 */
    return 0.69314718f * (exponent + (-0.33333333f * mantissa + 2.0f) * mantissa - 1.6666667f);
}

static float inverse_root(float x)
{
    return 1.0f / __builtin_sqrtf(x);
}

/* The session's neighbour entry, new if need be. */
static struct bk__neighbour *neighbour_of(struct bk_ranker *ranker, uint32_t session,
                                          uint32_t latest, uint32_t *count)
{
    struct bk__place *place = &ranker->session_place[session];
    if (place->stamp == ranker->session_stamp) return &ranker->neighbour[place->candidate];
    *place = (struct bk__place){ranker->session_stamp, *count};
    struct bk__neighbour *neighbour = &ranker->neighbour[(*count)++];
    *neighbour = (struct bk__neighbour){.session = session, .latest = latest};
    return neighbour;
}

static void begin(struct bk_ranker *ranker)
{
    if (++ranker->session_stamp) return;
    memset(ranker->session_place, 0, ranker->session_places * sizeof *ranker->session_place);
    ranker->session_stamp = 1;
}

/* All sessions that share one of the prefix's items, with what the items are worth. */
static uint32_t find_neighbours(const struct bk__view *view)
{
    struct bk_ranker *ranker = view->ranker;
    const struct bk_shared *shared = &ranker->engine->shared;
    uint32_t own = view->sess ? view->sess->posted : 0, count = 0;
    float faded = 1.0f;
    uint32_t back = 0;
    begin(ranker);
    for (uint32_t i = 0; i < view->prefix_count; i++) {
        for (; back < view->back[i]; back++) faded *= FADE_SIGHT;
        if (faded < FADED_AWAY) break;
        bk_ref_t ref = bk_item(shared, view->prefix[i])->postings;
        if (!ref) continue;
        const struct bk_postings *ring = bk_arena_read(&shared->heap, ref);
        for (uint32_t j = 0; j < ring->count; j++) {
            uint32_t session = ring->entry[j].session;
            if (session == own) continue;
            neighbour_of(ranker, session, i, &count)->similarity += faded * view->weight[i];
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

/* One neighbour's items, each worth more the nearer it stands to the item both have. */
static void vote(const struct bk__view *view, const struct bk__neighbour *neighbour,
                 const float *near, float sessions)
{
    const struct bk_shared *shared = &view->ranker->engine->shared;
    const struct bk_posted *posted = bk_table_read(&shared->posted, neighbour->session);
    const uint32_t *items = bk_arena_read(&shared->heap, posted->items);
    uint32_t common = view->prefix[neighbour->latest], met = 0;
    while (met < posted->count && items[met] != common) met++;
    uint32_t first = met > BK__NEIGHBOUR_REACH ? met - BK__NEIGHBOUR_REACH : 0;
    for (uint32_t place = first; place < posted->count && place <= met + BK__NEIGHBOUR_REACH;
         place++) {
        float seen = (float)(bk_item_hot(shared, items[place])->sessions + 1);
        float rarity = seen < sessions ? 1.0f + natural_log(sessions / seen) : 1.0f;
        float value =
            neighbour->similarity * near[place > met ? place - met : met - place] * rarity;
        bk__contribute(view->ranker, items[place], value, common, posted->count);
    }
}

void bk__gather_neighbours(const struct bk__view *view, enum bk_scorer scorer)
{
    (void)scorer;
    struct bk_ranker *ranker = view->ranker;
    const struct bk_shared *shared = &ranker->engine->shared;
    uint32_t count = find_neighbours(view);
    for (uint32_t i = 0; i < count; i++) {
        const struct bk_posted *posted =
            bk_table_read(&shared->posted, ranker->neighbour[i].session);
        ranker->neighbour[i].similarity *= inverse_root((float)posted->count);
    }
    if (count > BK__NEIGHBOURS_ASKED) {
        select_nearest(shared, ranker->neighbour, count, BK__NEIGHBOURS_ASKED);
        count = BK__NEIGHBOURS_ASKED;
    }
    float near[BK__NEIGHBOUR_REACH + 1] = {1.0f};
    for (int d = 1; d <= BK__NEIGHBOUR_REACH; d++) near[d] = near[d - 1] * FADE_PLACE;
    float sessions = (float)bk_totals(shared)->sessions + 1.0f;
    for (uint32_t i = 0; i < count; i++) vote(view, &ranker->neighbour[i], near, sessions);
}
