/* usual.c -- the usual shop: the whole basket that a customer is likely to buy next.
 *
 * THE IDEA
 *   Home at rest says how often a customer buys each item; rhythm says whether now is the time:
 *
 *   score(j) = rest(j) * (1 + (rate[step_j] - 1) c_j / (c_j + 2))
 *
 *   step_j: the time since j was bought, by the time between two purchases of j (its customer's own
 *   mean, shrunk to everybody's); rate: how much more often such items are bought in this shop,
 *   learned (state/rhythm.c); c_j: purchases of j, few of them show no rhythm.
 *   The basket is as long as the customer's receipts are, and holds of each item what they usually
 *   take. What is not due today may be due when the customer comes: time is counted to the next day
 *   of the week on which they usually shop.
 * COST        a walk over the history: 32 bytes and a candidate each.
 */
#include "internal.h"

enum { DAY_S = 86400, THURSDAY = 3, OTHERS = 2 };

static const char *const words[BK_DUE_COUNT] = {"", "later", "soon", "due", "overdue"};

const char *bk_due_word(enum bk_due due)
{
    return due < BK_DUE_COUNT ? words[due] : "";
}

/* In 16ths of the usual time. What was bought once has no rhythm yet. */
static enum bk_due due_of(uint32_t due_x16, uint32_t count)
{
    if (count < 2) return BK_DUE_UNKNOWN;
    if (due_x16 < 8) return BK_DUE_LATER;
    if (due_x16 < 14) return BK_DUE_SOON;
    return due_x16 < 24 ? BK_DUE_NOW : BK_DUE_OVER;
}

/* Now, or the next day on which the customer shops at least as often as on any. */
static uint32_t next_shop_s(const struct bk__view *view)
{
    enum { KNOWN_MIN = 8 }; /* receipts */
    uint32_t now_s = view->now_ms > 0 ? (uint32_t)(view->now_ms / 1000) : 0, sum = 0;
    for (int i = 0; i < BK_WEEKDAYS; i++) sum += view->sub->weekday[i];
    if (sum < KNOWN_MIN) return now_s;
    for (uint32_t ahead = 0; ahead < BK_WEEKDAYS; ahead++) {
        uint32_t day = (now_s / DAY_S + THURSDAY + ahead) % BK_WEEKDAYS;
        if (view->sub->weekday[day] * (uint32_t)BK_WEEKDAYS >= sum) return now_s + ahead * DAY_S;
    }
    return now_s;
}

static void move(struct bk_ranker *ranker, struct bk__candidate *candidate, float factor)
{
    candidate->score *= factor;
    if (candidate->item != ranker->why_item) return;
    for (int scorer = 0; scorer < BK_SCORER_COUNT; scorer++) ranker->why[scorer].part *= factor;
}

/* What was never bought is no part of a usual shop. */
static void leave_history_only(struct bk_ranker *ranker)
{
    for (uint32_t i = 0; i < ranker->count; i++)
        if (!(ranker->candidate[i].tags & 1u << BK_SCORER_BUY_AGAIN))
            move(ranker, &ranker->candidate[i], 0.0f);
}

void bk__follow_rhythm(const struct bk__view *view)
{
    struct bk_ranker *ranker = view->ranker;
    const struct bk_shared *shared = &ranker->engine->shared;
    if (view->situation == BK_SITUATION_USUAL) leave_history_only(ranker);
    if (!view->sub || !view->sub->history) return;
    float rate[BK_RHYTHM_STEPS];
    bk_rhythm(shared, rate);
    uint32_t shop_s = next_shop_s(view);
    const struct bk_bought *bought;
    for (uint32_t at = 0;
         (bought = bk_map_next(&view->shard->heap, view->sub->history, &at)) != NULL;) {
        uint32_t step = bk_rhythm_step(bk_bought_due_x16(shared, bought, shop_s));
        float sure = (float)bought->count / (float)(bought->count + OTHERS);
        move(ranker, bk__candidate_of(ranker, bought->item), 1.0f + (rate[step] - 1.0f) * sure);
    }
}

uint32_t bk__usual_size(const struct bk__view *view)
{
    if (!view->sub || view->sub->receipts < BK_USUAL_RECEIPTS_MIN) return 0;
    uint32_t lines = (view->sub->lines_x16 + 8u) / 16;
    if (!lines) lines = 1;
    return lines < BK_BASKET_MAX ? lines : BK_BASKET_MAX;
}

void bk__say_quantities(const struct bk__view *view, struct bk_list *list)
{
    if (!view->sub) return;
    const struct bk_shared *shared = &view->ranker->engine->shared;
    uint32_t shop_s = next_shop_s(view);
    for (uint32_t i = 0; i < list->count; i++) {
        struct bk_list_item *item = &list->item[i];
        const struct bk_bought *bought =
            bk_map_find(&view->shard->heap, view->sub->history, item->item);
        if (!bought) continue;
        item->quantity = bk_bought_usually(bought);
        item->due = (uint8_t)due_of(bk_bought_due_x16(shared, bought, shop_s), bought->count);
    }
}
