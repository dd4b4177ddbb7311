/* rhythm.c -- how the time since an item was bought tells whether it is bought now.
 *
 * THE IDEA
 *   Milk comes back after three days, a light bulb does not. An item's time since its customer
 *   bought it, by the time between two purchases of it, is its step: just bought, half way, due,
 *   overdue, given up. How many purchases came in each step, against those that the item's share of
 *   the customer's receipts made one expect, is learned from the shop's own receipts: one shop's
 *   customers come back to the day, another's whenever they come.
 * ORDER       What is learned looks at the customer's own past alone, so that the sums are the same
 *             in any interleaving of partitions. What everybody's usual interval adds, it adds when
 *             a list is ranked.
 * COST        a walk over the history at every fourth receipt of a customer.
 */
#include "internal.h"

enum { LEARN_EVERY = 4, OWN_COUNT_MIN = 3, OTHERS_COUNT = 2, FADE_Q16 = 1966 }; /* 0.03 */

/* Expected purchases of nothing: a shop that has just opened has no rhythm. */
#define RHYTHM_REG 50.0

uint32_t bk_rhythm_step(uint32_t due_x16)
{
    static const uint32_t below[BK_RHYTHM_STEPS - 1] = {2, 4, 6, 8, 11, 14, 18, 24, 32, 48, 96};
    uint32_t step = 0;
    while (step < BK_RHYTHM_STEPS - 1 && due_x16 >= below[step]) step++;
    return step;
}

static uint32_t ratio_x16(uint32_t since_s, uint64_t usual_s)
{
    uint64_t ratio = usual_s ? 16ull * since_s / usual_s : 16;
    return ratio > 1000 ? 1000 : (uint32_t)ratio;
}

static uint32_t since(const struct bk_bought *bought, uint32_t now_s)
{
    return now_s > bought->last_s ? now_s - bought->last_s : 0;
}

uint32_t bk_bought_share_q16(const struct bk_subject *sub, const struct bk_bought *bought)
{
    uint32_t receipts_q16 = 65536 - bk_history_decay_q16(sub->receipts);
    if (!receipts_q16) return 0;
    uint64_t share = (uint64_t)bk_bought_weight_q16(sub, bought) * FADE_Q16 / receipts_q16;
    return (uint32_t)bk_min_u64(share, 65536);
}

uint32_t bk_bought_usually(const struct bk_bought *bought)
{
    uint32_t count = bought->count ? bought->count : 1;
    uint32_t quantity = (uint32_t)(((uint64_t)bought->quantity + count / 2) / count);
    return quantity ? quantity : 1;
}

uint32_t bk_bought_due_x16(const struct bk_shared *shared, const struct bk_bought *bought,
                           uint32_t now_s)
{
    uint64_t own = bought->last_s - bought->first_s;
    uint64_t usual = (own + OTHERS_COUNT * (uint64_t)bk_item_gap_s(shared, bought->item)) /
                     (bought->count - 1u + OTHERS_COUNT);
    return ratio_x16(since(bought, now_s), usual);
}

void bk_rhythm(const struct bk_shared *shared, float rate[BK_RHYTHM_STEPS])
{
    const struct bk_shared_totals *totals = bk_totals(shared);
    double came = 0, expected = 0;
    for (int i = 0; i < BK_RHYTHM_STEPS; i++) {
        came += (double)totals->rhythm_came[i];
        expected += (double)totals->rhythm_expected_q16[i] / 65536.0;
    }
    double usual = came > 0 ? came / expected : 1.0;
    for (int i = 0; i < BK_RHYTHM_STEPS; i++)
        rate[i] = (float)(((double)totals->rhythm_came[i] / usual + RHYTHM_REG) /
                          ((double)totals->rhythm_expected_q16[i] / 65536.0 + RHYTHM_REG));
}

/* ---- learning ---- */

/* The step of an item that has a rhythm of its own, or BK_RHYTHM_STEPS. */
static uint32_t own_step(const struct bk_bought *bought, uint32_t now_s)
{
    if (bought->count < OWN_COUNT_MIN || bought->last_s <= bought->first_s) return BK_RHYTHM_STEPS;
    uint64_t own = (bought->last_s - bought->first_s) / (bought->count - 1u);
    return bk_rhythm_step(ratio_x16(since(bought, now_s), own));
}

void bk__rhythm_learn(struct bk__turn *turn)
{
    const struct bk_arena *heap = &turn->shard->heap;
    const struct bk_subject *sub = bk_subject(turn->shard, turn->subject);
    if (!sub->receipts || sub->receipts % LEARN_EVERY) return;
    const struct bk__scratch *scratch = turn->engine->scratch;
    struct bk_shared_totals *totals = bk__totals(&turn->engine->shared);
    uint32_t now_s = bk__seconds(turn->time_ms), step;
    const struct bk_bought *bought;
    for (uint32_t at = 0; (bought = bk_map_next(heap, sub->history, &at)) != NULL;)
        if ((step = own_step(bought, now_s)) < BK_RHYTHM_STEPS)
            totals->rhythm_expected_q16[step] += bk_bought_share_q16(sub, bought);
    for (uint32_t i = 0; i < scratch->line_count; i++) {
        bought = bk_map_find(heap, sub->history, scratch->line_item[i]);
        if (bought && (step = own_step(bought, now_s)) < BK_RHYTHM_STEPS)
            totals->rhythm_came[step]++;
    }
}
