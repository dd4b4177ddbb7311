/* trend.c -- who is rising: of two items that go as well with the session, the one seen more often
 * of late is the better guess.
 *
 * THE IDEA
 *   Pairs and sessions are counted for ever, demand moves on. An item's trend is its popularity
 *   (points halved every 7 epochs, 16 epochs) against its points ever, both as the popular list has
 *   them:
 *
 *   trend(j) = sqrt((popularity_j / rho + 20) / (points_j + 20)),   rho = sum of popularity / sum of points over the candidates
 *
 *   rho makes the mean candidate's trend 1, however old the shop is; 20 points stand for what is
 *   not known of a rare item. What the session itself has seen keeps its score: the shopper's own
 *   interest is known.
 * COST        two passes over the candidates, 32 bytes of each item.
 */
#include "internal.h"

#define TREND_POINTS    20.0f
#define POPULARITY_UNIT 256.0f /* popularity is summed in integers, so that no order shows */

static float rate_of_all(const struct bk__view *view)
{
    const struct bk_ranker *ranker = view->ranker;
    const struct bk_shared *shared = &ranker->engine->shared;
    uint64_t lately = 0, ever = 0;
    for (uint32_t i = 0; i < ranker->count; i++) {
        struct bk__candidate *candidate = &ranker->candidate[i];
        uint32_t points = bk_item_hot(shared, candidate->item)->points;
        candidate->lately = bk_item_popularity(shared, candidate->item, view->epoch);
        candidate->ever = (float)points;
        lately += (uint64_t)(int64_t)(candidate->lately * POPULARITY_UNIT);
        ever += points;
    }
    return lately ? (float)((double)lately / (double)POPULARITY_UNIT / (double)ever) : 1.0f;
}

void bk__follow_trend(const struct bk__view *view)
{
    struct bk_ranker *ranker = view->ranker;
    float per_rate = 1.0f / rate_of_all(view);
    for (uint32_t i = 0; i < ranker->count; i++) {
        struct bk__candidate *candidate = &ranker->candidate[i];
        if (candidate->tags & 1u << BK_SCORER_REPEAT) continue;
        float trend = __builtin_sqrtf((candidate->lately * per_rate + TREND_POINTS) /
                                      (candidate->ever + TREND_POINTS));
        candidate->score *= trend;
        if (candidate->item != ranker->why_item) continue;
        for (int scorer = 0; scorer < BK_SCORER_COUNT; scorer++) ranker->why[scorer].part *= trend;
    }
}
