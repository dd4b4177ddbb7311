/* evaluate_split.c -- the protocols one step earlier, inside the training part.
 *
 *   next-item           the last 26th of the training sessions are asked, at most 5000
 *   next-basket         each user's last basket is taken away first; at most 5000 users are asked
 *   basket-completion   receipts after the first four fifths are taken away
 *   prequential-basket  receipts of the last third of the time are taken away
 *
 * What is taken away is what a later evaluation asks for: whoever chooses by this never saw it.
 */
#include <stdlib.h>

#include "evaluate.h"

enum { SESSIONS_PART = 26 };

static void hold_sessions(struct eval_run *run)
{
    size_t asked = bk_min_u64(run->set.count / SESSIONS_PART + 1, EVAL_VALIDATION_MAX);
    run->train_count = (uint32_t)(run->set.count > asked ? run->set.count - asked : 0);
    run->known = 0;
    for (size_t i = 0; i < run->train_count; i++) {
        const struct shop_basket *session = &run->set.basket[i];
        const uint32_t *item = bk__shop_set_items(&run->set, session);
        for (uint32_t p = 0; p < session->count; p++)
            if (item[p] > run->known) run->known = item[p];
    }
}

/* From behind: the first basket that is met of a user is the last one. */
static bool drop_last_baskets(struct shop_set *set)
{
    bool *met = calloc((size_t)set->users.count + 1, sizeof *met);
    if (!met) return false;
    size_t to = set->count;
    for (size_t from = set->count; from-- > 0;) {
        bool last = !met[set->basket[from].user];
        met[set->basket[from].user] = true;
        if (!last) set->basket[--to] = set->basket[from];
    }
    memmove(set->basket, set->basket + to, (set->count - to) * sizeof *set->basket);
    set->count -= to;
    free(met);
    return true;
}

static void drop_late(struct shop_set *set)
{
    if (!set->count) return;
    int64_t first = set->basket[0].ts_ms, last = set->basket[set->count - 1].ts_ms;
    size_t kept = 0;
    while (kept < set->count && 3 * (set->basket[kept].ts_ms - first) < 2 * (last - first)) kept++;
    set->count = kept;
}

int bk__eval_hold_back(struct eval_run *run, struct bk_reason *reason)
{
    switch (run->options->task) {
    case EVAL_NEXT_ITEM:
        hold_sessions(run);
        return BK_OK;
    case EVAL_NEXT_BASKET:
        if (drop_last_baskets(&run->set)) return BK_OK;
        return bk_reason_set(reason, BK_ENOMEM, "out of memory");
    case EVAL_BASKET_COMPLETION:
        run->set.count = 4 * run->set.count / 5;
        return BK_OK;
    case EVAL_PREQUENTIAL_BASKET:
        drop_late(&run->set);
        return BK_OK;
    case EVAL_TASK_COUNT:
        break;
    }
    BK_ASSERT(false && "a task of the table");
}
