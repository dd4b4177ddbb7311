/* history.c -- what a customer bought, and what they said about items.
 *
 * THE IDEA
 *   Each item of the history keeps a count that halves about every 23 receipts of this customer
 * (0.97 a receipt; a line of a large receipt counts a little less), as an integer with 16 fraction
 * bits as of the receipt that bought it last:
 * reading it is one multiplication, and no receipt touches the others. BOUNDS   history.items_max
 * items; the one whose decayed count is least now makes room (ties: the smaller hash of its id).
 */
#include "internal.h"

enum { ONE_Q16 = 1 << 16 };

uint32_t bk_bought_weight_q16(const struct bk_subject *sub, const struct bk_bought *bought)
{
    enum { DAY_S = 86400 };
    uint64_t weight =
        (uint64_t)bought->weight_q16 * bk_history_decay_q16(sub->receipts - bought->receipt) >> 16;
    uint32_t days = sub->bought_s > bought->last_s ? (sub->bought_s - bought->last_s) / DAY_S : 0;
    return days ? (uint32_t)(weight * bk_year_decay_q16(days) >> 16) : (uint32_t)weight;
}

/* Drop the weakest item of a full history. */
static void make_room(struct bk__turn *turn, const struct bk_subject *sub)
{
    const struct bk_shared *shared = &turn->engine->shared;
    const struct bk_bought *entry;
    uint32_t weakest = 0, least = 0;
    for (uint32_t at = 0; (entry = bk_map_next(&turn->shard->heap, sub->history, &at)) != NULL;) {
        uint32_t weight = bk_bought_weight_q16(sub, entry);
        if (weakest && weight > least) continue;
        if (weakest && weight == least &&
            bk_item(shared, entry->item)->id_hash > bk_item(shared, weakest)->id_hash)
            continue;
        weakest = entry->item;
        least = weight;
    }
    bk_map_remove(&turn->shard->heap, sub->history, weakest);
    bk__count(turn->shard, BK_STATE_HISTORY_ITEMS_CUT, 1);
}

/* lines^(-1/8): 1 for a single item, 0.75 for ten, 0.67 for twenty-five. */
static uint32_t weight_of_line(uint32_t lines)
{
    return (uint32_t)(ONE_Q16 / __builtin_sqrtf(__builtin_sqrtf(__builtin_sqrtf((float)lines))) +
                      0.5f);
}

static void buy(struct bk__turn *turn, struct bk_subject *sub, uint32_t item, uint32_t quantity)
{
    struct bk_shard *shard = turn->shard;
    if (bk_map_count(&shard->heap, sub->history) >= turn->engine->params.history_items_max &&
        !bk_map_find(&shard->heap, sub->history, item))
        make_room(turn, sub);
    bool added;
    struct bk_bought *bought =
        bk__shard_map_put(shard, &sub->history, sizeof *bought, item, turn->subject, &added);
    if (!bought) return;
    uint32_t now_s = bk__seconds(turn->time_ms);
    uint32_t gap_s = !added && now_s > bought->last_s ? now_s - bought->last_s : 0;
    if (turn->learns) bk__again_add(&turn->engine->shared, item, !added, gap_s);
    bought->weight_q16 = (added ? 0 : bk_bought_weight_q16(sub, bought)) +
                         weight_of_line(turn->engine->scratch->line_count);
    bought->receipt = sub->receipts;
    bought->count = bk__add_u32(bought->count, 1);
    bought->quantity = bk__add_u32(bought->quantity, quantity);
    if (added || now_s < bought->first_s) bought->first_s = now_s;
    if (now_s > bought->last_s) bought->last_s = now_s;
}

/* A quarter of the difference: the last eight receipts or so. The first one is all that is known. */
static void note_lines(struct bk_subject *sub, uint32_t lines)
{
    int now_x16 = (int)lines * 16, usual_x16 = sub->lines_x16;
    sub->lines_x16 = (uint16_t)(usual_x16 ? usual_x16 + (now_x16 - usual_x16) / 4 : now_x16);
}

/* Monday is 0: 1970 began on a Thursday. */
static void note_weekday(struct bk_subject *sub, uint32_t now_s)
{
    enum { DAY_S = 86400, THURSDAY = 3 };
    uint8_t *day = &sub->weekday[(now_s / DAY_S + THURSDAY) % BK_WEEKDAYS];
    if (*day == UINT8_MAX)
        for (int i = 0; i < BK_WEEKDAYS; i++) sub->weekday[i] /= 2;
    (*day)++;
}

void bk__history_bought(struct bk__turn *turn)
{
    const struct bk__scratch *scratch = turn->engine->scratch;
    if (turn->learns) bk__rhythm_learn(turn);
    struct bk_subject *sub = bk__subject(turn->shard, turn->subject);
    sub->receipts++;
    if (bk__seconds(turn->time_ms) > sub->bought_s) sub->bought_s = bk__seconds(turn->time_ms);
    note_lines(sub, scratch->line_count);
    note_weekday(sub, bk__seconds(turn->time_ms));
    for (uint32_t i = 0; i < scratch->line_count; i++) {
        const struct bk_line *line = &turn->event->lines[scratch->line_of[i]];
        buy(turn, sub, scratch->line_item[i],
            (uint32_t)bk_min_i64(bk_max_i64(line->quantity, 1), BK_QUANTITY_MAX));
    }
}

/* A refund undoes one purchase of each line: an average one. */
void bk__history_refunded(struct bk__turn *turn)
{
    const struct bk__scratch *scratch = turn->engine->scratch;
    struct bk_arena *heap = &turn->shard->heap;
    const struct bk_subject *sub = bk_subject(turn->shard, turn->subject);
    for (uint32_t i = 0; i < scratch->line_count; i++) {
        struct bk_bought *bought = bk_map_edit(heap, sub->history, scratch->line_item[i]);
        if (!bought) continue;
        if (bought->count <= 1) {
            bk_map_remove(heap, sub->history, scratch->line_item[i]);
            continue;
        }
        bought->weight_q16 =
            (uint32_t)((uint64_t)bought->weight_q16 * (bought->count - 1) / bought->count);
        bought->quantity -= bought->quantity / bought->count;
        bought->count--;
    }
}

void bk__mark_set(struct bk__turn *turn, uint32_t item, uint32_t set, uint32_t clear)
{
    struct bk_shard *shard = turn->shard;
    struct bk_subject *sub = bk__subject(shard, turn->subject);
    if (bk_map_count(&shard->heap, sub->marks) >= turn->engine->params.history_items_max &&
        !bk_map_find(&shard->heap, sub->marks, item)) {
        bk__count(shard, BK_STATE_HISTORY_ITEMS_CUT, 1);
        return;
    }
    bool added;
    struct bk_mark *mark =
        bk__shard_map_put(shard, &sub->marks, sizeof *mark, item, turn->subject, &added);
    if (!mark) return;
    mark->what = (mark->what | set) & ~clear;
    if (!mark->what) bk_map_remove(&shard->heap, sub->marks, item);
}
