/* segment.c -- what is popular where the shopper is.
 *
 * THE IDEA
 *   Of a new customer nothing is known but where they shop. What is bought there is smoothed by what
 *   is bought everywhere, the special by the general (a hierarchical Dirichlet prior):
 *
 *   p_store(j) = (n_store,j + m p_device(j)) / (n_store + m),  p_device likewise over everybody's,
 *   m = 50 receipts;  n: points of receipts, halved every pair epoch, the two newest known apart
 *
 *   so that a store of two receipts is like the whole shop, and a large one is like itself. All of
 *   it is linear: each row is walked once and adds its share.
 * COST        a row (at most pair_partners_max items) of each segment the shopper is in.
 */
#include "internal.h"

/* As many points of receipts as say as much as everybody does. */
#define PRIOR_POINTS (50.0f * BK_POINTS_RECEIPT)

void bk__mix_segments(const struct bk__view *view, struct bk__mixture *mixture)
{
    const struct bk_shared *shared = &view->ranker->engine->shared;
    *mixture = (struct bk__mixture){.everywhere = 1.0f};
    for (int kind = 0; kind < BK_SEGMENT_KIND_COUNT; kind++) {
        if (!view->segment[kind]) continue;
        const struct bk_segment *segment = bk_segment(shared, view->segment[kind]);
        float points = bk_points_lately(segment->epoch, (float)segment->now, (float)segment->before,
                                        view->pair_epoch);
        float left = PRIOR_POINTS / (points + PRIOR_POINTS);
        mixture->everywhere *= left;
        for (int before = 0; before < kind; before++) mixture->per_point[before] *= left;
        mixture->per_point[kind] = 1.0f / (points + PRIOR_POINTS);
    }
}

void bk__contribute_segments(const struct bk__view *view, const struct bk__mixture *mixture)
{
    const struct bk_shared *shared = &view->ranker->engine->shared;
    for (int kind = 0; kind < BK_SEGMENT_KIND_COUNT; kind++) {
        if (!view->segment[kind]) continue;
        bk_ref_t row = bk_segment(shared, view->segment[kind])->row;
        const struct bk_pair *pair;
        for (uint32_t at = 0; (pair = bk_map_next(&shared->heap, row, &at)) != NULL;) {
            if ((uint32_t)__builtin_popcount(pair->who) < view->distinct_min) continue;
            float points = bk_points_lately(pair->epoch, pair->now, pair->before, view->pair_epoch);
            bk__contribute(view->ranker, pair->partner, points * mixture->per_point[kind], 0,
                           pair->total);
        }
    }
}
