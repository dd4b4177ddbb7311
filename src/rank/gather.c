/* gather.c -- candidates and the feature that is being summed.
 *
 * THE IDEA
 *   Contributions are integers (24 fraction bits), so that a sum does not depend on the order in which a hash table is walked. After each
 *   feature the sums are folded into the scores; the largest part of a score names the reason, and within it the largest single contribution
 *   names `because`.
 * LAYOUT      place[item] -> candidate, stamped, so that nothing is ever cleared; candidate[] dense in order of first contribution.
 * COST        one 8-byte look-up by item and one cache line of the candidate a contribution.
 */
#include "internal.h"

enum { FIXED_BITS = 24 };

/* ---- gathering ---- */

void bk__gather_begin(struct bk_ranker *ranker)
{
    ranker->count = 0;
    if (++ranker->stamp == 0) { /* once in four thousand million lists */
        memset(ranker->place, 0, ranker->places * sizeof *ranker->place);
        ranker->stamp = 1;
    }
}

/* The item's candidate, new if need be. */
struct bk__candidate *bk__candidate_of(struct bk_ranker *ranker, uint32_t item)
{
    struct bk__place *place = &ranker->place[item];
    if (place->stamp == ranker->stamp) return &ranker->candidate[place->candidate];
    BK_ASSERT(ranker->count < ranker->candidates_max);
    place->stamp = ranker->stamp;
    place->candidate = ranker->count;
    struct bk__candidate *candidate = &ranker->candidate[ranker->count++];
    *candidate = (struct bk__candidate){.item = item};
    return candidate;
}

/* One contribution to the feature being gathered. */
void bk__contribute(struct bk_ranker *ranker, uint32_t item, float value, uint32_t because,
                    uint32_t evidence)
{
    uint64_t amount = (uint64_t)(value * (float)(1 << FIXED_BITS));
    if (!amount) return;
    struct bk__candidate *candidate = bk__candidate_of(ranker, item);
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
void bk__gather_fold(struct bk_ranker *ranker, enum bk_scorer scorer, float weight, bool share)
{
    double scale = share ? 1.0 / (double)ranker->total : 1.0 / (double)(1 << FIXED_BITS);
    for (uint32_t at = ranker->touched; at;) {
        struct bk__candidate *candidate = &ranker->candidate[at - 1];
        float part = (float)(weight * scale * (double)candidate->sum);
        candidate->score += part;
        candidate->tags |= 1u << scorer;
        if (part > candidate->part) {
            candidate->part = part;
            candidate->scorer = scorer;
            candidate->because = candidate->best_because;
            candidate->evidence = candidate->best_evidence;
        }
        if (candidate->item == ranker->why_item)
            ranker->why[scorer] =
                (struct bk_why){(float)(scale * (double)candidate->sum), weight, part,
                                candidate->best_because, candidate->best_evidence};
        at = candidate->next_touched;
        candidate->sum = candidate->best = 0;
    }
    ranker->touched = 0;
    ranker->total = 0;
}
