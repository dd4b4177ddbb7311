/* pairs.c -- who goes with whom: one bounded row of partners per item and kind.
 *
 * THE IDEA
 *   A row is a small hash table of 24-byte pairs. Counts are integers by event-time epoch (total,
 *   newest, the one before), weighted when read, so that they add up the same in any order.
 * BOUNDS
 *   A row holds at most pair_partners_max partners; when one more comes, the weakest quarter makes
 *   room (by strength, then newest epoch, then hash of the id) and the row is marked lossy: its
 *   counts never exceed the truth from then on.
 * COST
 *   An addition is one probe; a full row pays one selection over its entries per quarter of them.
 */
#include "internal.h"

/* Sums by epoch that commute: see blueprint, "counts by event-time epoch". Epochs compare modulo
 * 2^16. */
void bk__pair_count(struct bk_pair *pair, uint16_t epoch, uint32_t weight)
{
    int ahead = (int16_t)(uint16_t)(epoch - pair->epoch);
    if (pair->total == 0 || ahead > 1) {
        pair->before = 0;
        pair->now = bk__add_u16(0, weight);
        pair->epoch = epoch;
    } else if (ahead == 1) {
        pair->before = pair->now;
        pair->now = bk__add_u16(0, weight);
        pair->epoch = epoch;
    } else if (ahead == 0) {
        pair->now = bk__add_u16(pair->now, weight);
    } else if (ahead == -1) {
        pair->before = bk__add_u16(pair->before, weight);
    }
    pair->total = bk__add_u32(pair->total, weight);
}

/* One receipt more that holds both, b put in after a or not. Sums of squares, so that each receipt
 * adds the same whenever it comes. */
static void count_order(struct bk_shared *shared, const struct bk_pair *pair, uint32_t after)
{
    struct bk_shared_totals *totals = bk__totals(shared);
    int64_t n = pair->total, d = 2 * (int64_t)pair->after - n;
    totals->order_n++;
    totals->order_n2 += (uint64_t)(2 * n + 1);
    totals->order_d2 += (uint64_t)(after ? 2 * d + 1 : 1 - 2 * d);
}

float bk_order_kept(const struct bk_shared *shared)
{
    const struct bk_shared_totals *totals = bk_totals(shared);
    if (totals->order_d2 <= totals->order_n) return 0.0f; /* what chance gives */
    return (float)((double)(totals->order_d2 - totals->order_n) /
                   (double)(totals->order_n2 - totals->order_n));
}

/* Move the n of least value to the front (quickselect, Hoare 1961; the middle as pivot). */
static void select_least(struct bk__weak *weak, uint32_t count, uint32_t n)
{
    uint32_t low = 0, high = count - 1;
    while (low < high) {
        uint64_t pivot = weak[low + (high - low) / 2].value;
        uint32_t i = low, j = high;
        for (;;) {
            while (weak[i].value < pivot) i++;
            while (weak[j].value > pivot) j--;
            if (i >= j) break;
            struct bk__weak swap = weak[i];
            weak[i++] = weak[j];
            weak[j--] = swap;
        }
        if (n <= j)
            high = j;
        else
            low = j + 1;
    }
}

/* Move what is weaker than `limit` to the front, and what is as weak behind it. Returns how many are
 * weaker; `*equal` how many are as weak. */
static uint32_t part_at(struct bk__weak *weak, uint32_t count, uint64_t limit, uint32_t *equal)
{
    uint32_t weaker = 0;
    *equal = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (weak[i].value > limit) continue;
        struct bk__weak here = weak[i];
        weak[i] = weak[weaker + *equal];
        weak[weaker + *equal] = here;
        if (here.value == limit) {
            ++*equal;
            continue;
        }
        weak[weaker + *equal] = weak[weaker];
        weak[weaker++] = here;
    }
    return weaker;
}

/* Move the n weakest to the front. Ids are asked for only where strength does not tell: each is a
 * line of memory far away. */
static void select_weakest(const struct bk_shared *shared, struct bk__weak *weak, uint32_t count,
                           uint32_t n)
{
    select_least(weak, count, n);
    uint64_t limit = 0;
    for (uint32_t i = 0; i < n; i++) limit = bk_max_u64(limit, weak[i].value);
    uint32_t equal, weaker = part_at(weak, count, limit, &equal);
    if (weaker + equal == n) return;
    for (uint32_t i = weaker; i < weaker + equal; i++)
        __builtin_prefetch(&bk_item(shared, weak[i].partner)->id_hash);
    for (uint32_t i = weaker; i < weaker + equal; i++)
        weak[i].value = bk_item(shared, weak[i].partner)->id_hash;
    select_least(weak + weaker, equal, n - weaker);
}

/* Drop the weakest quarter of a full row. */
void bk__row_prune(struct bk_engine *engine, bk_ref_t row)
{
    struct bk_shared *shared = &engine->shared;
    struct bk__weak *weak = engine->scratch->weak;
    uint32_t found = 0;
    const struct bk_pair *pair;
    for (uint32_t at = 0; (pair = bk_map_next(&shared->heap, row, &at)) != NULL;) {
        if (found == engine->params.pair_partners_max) break;
        weak[found++] =
            (struct bk__weak){(uint64_t)pair->strength << 16 | pair->epoch, pair->partner};
    }
    uint32_t drop = found / 4 ? found / 4 : 1;
    select_weakest(shared, weak, found, drop);
    for (uint32_t i = 0; i < drop; i++) bk_map_remove(&shared->heap, row, weak[i].partner);
    struct bk_map_head *head = bk_arena_write(&shared->heap, row, sizeof *head);
    if (!(head->flags & BK_ROW_LOSSY)) bk__totals(shared)->lossy++;
    head->flags |= BK_ROW_LOSSY;
    bk__count_shared(engine, BK_STATE_ROWS_PRUNED, 1);
}

void bk__pair_share(struct bk_engine *engine, enum bk_pair_kind kind, uint32_t a, uint32_t b,
                    uint32_t weight, uint32_t strength, uint32_t after, uint16_t epoch,
                    uint16_t who)
{
    struct bk_shared *shared = &engine->shared;
    bk_ref_t row = bk_item(shared, a)->rows[kind];
    struct bk_pair *pair = bk_map_edit(&shared->heap, row, b);
    if (!pair) {
        if (bk_map_count(&shared->heap, row) >= engine->params.pair_partners_max)
            bk__row_prune(engine, row);
        bool added;
        pair = bk_map_put(&shared->heap, &row, sizeof *pair, b, &added);
        for (int tries = 0; !pair && tries < 64 && bk__shared_evict(engine); tries++) {
            row = bk_item(shared, a)->rows[kind]; /* it may have been the coldest */
            pair = bk_map_put(&shared->heap, &row, sizeof *pair, b, &added);
        }
        if (!pair) {
            bk__count_shared(engine, BK_STATE_MEMORY_REFUSED, 1);
            bk__item(shared, a)->flags |= (uint8_t)(BK_ITEM_FORGOT << kind);
            return;
        }
        if (bk_item(shared, a)->rows[kind] != row) bk__item(shared, a)->rows[kind] = row;
    }
    if (kind == BK_PAIR_BOUGHT) count_order(shared, pair, after);
    bk__pair_count(pair, epoch, weight);
    pair->strength = bk__add_u32(pair->strength, strength);
    pair->after = bk__add_u32(pair->after, after);
    pair->who |= who;
}
