/* gather.c -- candidates and the feature that is being summed.
 *
 * THE IDEA
 *   Contributions are integers (24 fraction bits), so that a sum does not depend on the order in
 *   which a hash table is walked. After each feature the sums are folded into the scores; the
 *   largest part of a score names the reason, and within it the largest single contribution names
 *   `because`.
 * LAYOUT      candidate[] dense in order of first contribution; place[item] says where the item's would
 *             be, and is believed only when that one is the item's: nothing is ever cleared (a sparse
 *             set: Briggs, Torczon 1993).
 * COST        one 4-byte look-up by item and one cache line of the candidate a contribution; a row's empty slots cost no branch.
 */
#include "internal.h"

enum {
    FIXED_BITS = 24,
    BLOCK = 64, /* slots of a row that are looked at together */
};

/* ---- gathering ---- */

void bk__gather_begin(struct bk_ranker *ranker)
{
    ranker->count = 0;
}

static inline struct bk__candidate *candidate_of(struct bk_ranker *ranker, uint32_t item)
{
    uint32_t place = ranker->place[item];
    if (place < ranker->count && ranker->candidate[place].item == item)
        return &ranker->candidate[place];
    BK_ASSERT(ranker->count < ranker->candidates_max);
    ranker->place[item] = ranker->count;
    struct bk__candidate *candidate = &ranker->candidate[ranker->count++];
    *candidate = (struct bk__candidate){.item = item};
    return candidate;
}

struct bk__candidate *bk__candidate_of(struct bk_ranker *ranker, uint32_t item)
{
    return candidate_of(ranker, item);
}

static inline void contribute(struct bk_ranker *ranker, uint32_t item, uint64_t amount,
                              uint32_t because, uint32_t evidence)
{
    if (!amount) return;
    struct bk__candidate *candidate = candidate_of(ranker, item);
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

void bk__contribute(struct bk_ranker *ranker, uint32_t item, float value, uint32_t because,
                    uint32_t evidence)
{
    contribute(ranker, item, (uint64_t)(int64_t)(value * (float)(1 << FIXED_BITS)), because,
               evidence);
}

void bk__contribute_items(struct bk_ranker *ranker, const uint32_t *item, const float *value,
                          uint32_t count, uint32_t because, uint32_t evidence)
{
    for (uint32_t i = 0; i < count; i++)
        contribute(ranker, item[i], (uint64_t)(int64_t)(value[i] * (float)(1 << FIXED_BITS)),
                   because, evidence);
}

/* The numbers of the slots that count, without a branch a slot: empty ones come by chance, and a
 * branch would guess wrong. */
static uint32_t used_slots(const struct bk_pair *row, uint32_t slots, uint32_t least,
                           uint32_t distinct_min, uint8_t used[BLOCK])
{
    uint32_t count = 0;
    for (uint32_t slot = 0; slot < slots; slot++) {
        used[count] = (uint8_t)slot;
        count += row[slot].total >= least; /* 0 in an empty one */
    }
    if (distinct_min < 2) return count;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++)
        if ((uint32_t)__builtin_popcount(row[used[i]].who) >= distinct_min) used[kept++] = used[i];
    return kept;
}

/* The chance that the partner comes after, from how it stood before: pulled to one half the more,
 * the less receipts keep an order. */
static inline float share_of_order(const struct bk__order *order, const struct bk_pair *pair)
{
    float after = ((float)pair->after + 0.5f * order->doubt) / ((float)pair->total + order->doubt);
    return order->behind + (1.0f - order->behind) * after;
}

/* Have the block of the row from this slot on brought. */
static inline void fetch_slots(const struct bk_pair *row, uint32_t from, uint32_t slots)
{
    uint32_t end = slots < from + BLOCK ? slots : from + BLOCK;
    for (const char *at = (const char *)&row[from]; at < (const char *)&row[end];
         at += BK__LINE_BYTES)
        __builtin_prefetch(at);
}

void bk__contribute_row(struct bk_ranker *ranker, const struct bk_pair *row, uint32_t slots,
                        float scale, const struct bk__order *order, uint32_t because,
                        uint32_t least, uint32_t distinct_min)
{
    uint8_t used[BLOCK];
    fetch_slots(row, 0, slots);
    scale *= (float)(1 << FIXED_BITS) / (float)BK_STRENGTH_ONE;
    for (uint32_t at = 0; at < slots; at += BLOCK) {
        fetch_slots(row, at + BLOCK, slots);
        uint32_t count = used_slots(row + at, slots - at < BLOCK ? slots - at : BLOCK, least,
                                    distinct_min, used);
        for (uint32_t i = 0; i < count; i++) {
            const struct bk_pair *pair = &row[at + used[i]];
            float amount = scale * (float)pair->strength;
            if (order) amount *= share_of_order(order, pair);
            contribute(ranker, pair->partner, (uint64_t)(int64_t)amount, because, pair->total);
        }
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
        candidate->tags |= (uint16_t)(1u << scorer);
        if (part > candidate->part) {
            candidate->part = part;
            candidate->scorer = (uint16_t)scorer;
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
