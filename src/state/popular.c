/* popular.c -- how popular an item is, and which items are the most popular, by epoch and exact.
 *
 * THE IDEA
 *   An item's points stand in 16 slots by epoch, halved every 7. The most popular of now are kept as
 *   a set: an item that gained is compared with the least of them. When the epoch changes, or one of
 *   them fell, all items are looked at once more, 32 bytes each.
 */
#include "internal.h"

/* 0.5^(n/7) */
static const float fade[BK_EPOCH_SLOTS] = {1.0f,        0.90572366f, 0.82033536f, 0.74299714f,
                                           0.67295009f, 0.60950683f, 0.55204476f, 0.5f,
                                           0.45286183f, 0.41016768f, 0.37149857f, 0.33647504f,
                                           0.30475341f, 0.27602238f, 0.25f,       0.22643091f};

/* Halved every 7 epochs, without a loop: every candidate of a list is asked. */
static float fade_by(uint32_t epochs)
{
    enum { HALVED_MAX = 60 }; /* times: nothing is left */
    uint32_t halved = epochs / 7;
    if (halved >= HALVED_MAX) return 0.0f;
    return fade[epochs % 7] / (float)(1ll << halved);
}

static float points_before(const struct bk_item *item, uint32_t epoch)
{
    float sum = 0.0f;
    for (uint32_t back = 1; back < BK_EPOCH_SLOTS && back <= epoch; back++)
        sum += (float)item->slot[(epoch - back) % BK_EPOCH_SLOTS] * fade[back];
    return sum;
}

float bk_item_popularity(const struct bk_shared *shared, uint32_t item, uint32_t epoch)
{
    const struct bk_item_hot *hot = bk_item_hot(shared, item);
    float points = (float)hot->points_now + hot->points_before;
    return epoch > hot->epoch ? points * fade_by(epoch - hot->epoch) : points;
}

float bk_acts_popularity(const struct bk_shared *shared, uint32_t epoch)
{
    const struct bk_shared_totals *totals = bk_totals(shared);
    float sum = 0.0f;
    for (uint32_t back = 0; back < BK_EPOCH_SLOTS && back <= totals->acts_epoch; back++)
        sum += (float)totals->acts[(totals->acts_epoch - back) % BK_EPOCH_SLOTS] * fade[back];
    return epoch > totals->acts_epoch ? sum * fade_by(epoch - totals->acts_epoch) : sum;
}

void bk__acts_add(struct bk_engine *engine, uint32_t epoch, uint32_t points)
{
    struct bk_shared_totals *totals = bk__totals(&engine->shared);
    if (epoch > totals->acts_epoch) {
        uint32_t steps = epoch - totals->acts_epoch;
        for (uint32_t i = 1; i <= steps && i <= BK_EPOCH_SLOTS; i++)
            totals->acts[(totals->acts_epoch + i) % BK_EPOCH_SLOTS] = 0;
        totals->acts_epoch = epoch;
    }
    if (totals->acts_epoch - epoch < BK_EPOCH_SLOTS) totals->acts[epoch % BK_EPOCH_SLOTS] += points;
}

/* ---- the most popular ---- */

/* An item with its popularity, which is worked out once for many comparisons. */
struct standing {
    float popularity;
    uint32_t item;
};

static struct standing standing_of(const struct bk_shared *shared, uint32_t item, uint32_t epoch)
{
    return (struct standing){bk_item_popularity(shared, item, epoch), item};
}

/* Is a less popular than b? Equal: the larger id is less. */
static bool is_less(const struct bk_shared *shared, struct standing a, struct standing b)
{
    if (a.popularity != b.popularity) return a.popularity < b.popularity;
    return bk_str_cmp(bk_item_id(shared, a.item), bk_item_id(shared, b.item)) > 0;
}

static void find_least(struct bk_shared *shared, struct bk_shared_totals *totals)
{
    uint32_t least = 0;
    struct standing its = standing_of(shared, totals->popular[0], totals->popular_epoch);
    for (uint32_t i = 1; i < totals->popular_count; i++) {
        struct standing here = standing_of(shared, totals->popular[i], totals->popular_epoch);
        if (!is_less(shared, here, its)) continue;
        least = i;
        its = here;
    }
    totals->popular_min = least;
}

/* The item, which is none of the most popular, may have become one. */
static void offer(struct bk_shared *shared, struct bk_shared_totals *totals, uint32_t number)
{
    if (totals->popular_count < BK_POPULAR_MAX) {
        totals->popular[totals->popular_count++] = number;
    } else {
        uint32_t least = totals->popular[totals->popular_min];
        if (is_less(shared, standing_of(shared, number, totals->popular_epoch),
                    standing_of(shared, least, totals->popular_epoch)))
            return;
        bk__item(shared, least)->flags &= (uint8_t)~BK_ITEM_POPULAR;
        totals->popular[totals->popular_min] = number;
    }
    bk__item(shared, number)->flags |= BK_ITEM_POPULAR;
    find_least(shared, totals);
}

/* Put one more into the heap, whose root is the least; when it is full, in the place of the root. */
static void keep(const struct bk_shared *shared, struct standing heap[BK_POPULAR_MAX],
                 uint32_t *count, struct standing one)
{
    uint32_t at = 0;
    if (*count < BK_POPULAR_MAX) {
        for (at = (*count)++; at > 0 && is_less(shared, one, heap[(at - 1) / 2]); at = (at - 1) / 2)
            heap[at] = heap[(at - 1) / 2];
        heap[at] = one;
        return;
    }
    if (is_less(shared, one, heap[0])) return;
    for (uint32_t child; (child = 2 * at + 1) < *count; at = child) {
        if (child + 1 < *count && is_less(shared, heap[child + 1], heap[child])) child++;
        if (!is_less(shared, heap[child], one)) break;
        heap[at] = heap[child];
    }
    heap[at] = one;
}

/* Over all items, so most are told by a glance: none is more than it was when it was counted last. */
static void search_anew(struct bk_shared *shared, struct bk_shared_totals *totals)
{
    struct standing heap[BK_POPULAR_MAX];
    uint32_t count = 0, top = bk_table_top(&shared->items);
    for (uint32_t number = 1; number <= top; number++) {
        const struct bk_item_hot *hot = bk_item_hot(shared, number);
        if (!hot->points) continue;
        if (count == BK_POPULAR_MAX &&
            (float)hot->points_now + hot->points_before < heap[0].popularity)
            continue;
        keep(shared, heap, &count, standing_of(shared, number, totals->popular_epoch));
    }
    for (uint32_t i = 0; i < totals->popular_count; i++)
        bk__item(shared, totals->popular[i])->flags &= (uint8_t)~BK_ITEM_POPULAR;
    for (uint32_t i = 0; i < count; i++) {
        totals->popular[i] = heap[i].item;
        bk__item(shared, heap[i].item)->flags |= BK_ITEM_POPULAR;
    }
    totals->popular_count = count;
    if (count) find_least(shared, totals);
}

/* One of the most popular changed: is it one still? Others may have passed it if it fell. */
static void review(struct bk_shared *shared, struct bk_shared_totals *totals, uint32_t number,
                   float popularity_before)
{
    uint32_t least = totals->popular[totals->popular_min];
    struct standing now = standing_of(shared, number, totals->popular_epoch);
    bool fell = now.popularity < popularity_before;
    if (fell && (number == least ||
                 is_less(shared, now, standing_of(shared, least, totals->popular_epoch))))
        search_anew(shared, totals);
    else if (number == least)
        find_least(shared, totals);
}

/* ---- adding ---- */

static void ring_add(struct bk_item *item, struct bk_item_hot *hot, uint32_t epoch, uint32_t points)
{
    uint32_t *slot = &item->slot[epoch % BK_EPOCH_SLOTS];
    if (hot->points == 0) {
        hot->epoch = epoch;
        *slot = hot->points_now = points;
    } else if (epoch > hot->epoch) {
        uint32_t steps = epoch - hot->epoch;
        for (uint32_t i = 1; i <= steps && i <= BK_EPOCH_SLOTS; i++)
            item->slot[(hot->epoch + i) % BK_EPOCH_SLOTS] = 0;
        hot->epoch = epoch;
        *slot = hot->points_now = points;
        hot->points_before = points_before(item, epoch);
    } else if (epoch == hot->epoch) {
        *slot = hot->points_now = bk__add_u32(*slot, points);
    } else if (hot->epoch - epoch < BK_EPOCH_SLOTS) {
        *slot = bk__add_u32(*slot, points);
        hot->points_before = points_before(item, hot->epoch);
    }
    hot->points = bk__add_u32(hot->points, points);
}

void bk__points_add(struct bk_engine *engine, uint32_t item, uint32_t epoch, uint32_t points)
{
    struct bk_shared *shared = &engine->shared;
    struct bk_shared_totals *totals = bk__totals(shared);
    float before = bk_item_popularity(shared, item, totals->popular_epoch);
    ring_add(bk__item(shared, item), bk__item_hot(shared, item), epoch, points);
    if (epoch > totals->popular_epoch) {
        totals->popular_epoch = epoch;
        search_anew(shared, totals);
    } else if (bk_item(shared, item)->flags & BK_ITEM_POPULAR) {
        review(shared, totals, item, before);
    } else {
        offer(shared, totals, item);
    }
}
