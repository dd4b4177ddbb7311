/* postings.c -- which recent sessions saw an item, which receipts hold it: the index that kNN reads.
 *
 * THE IDEA
 *   Each item keeps the m most recent sessions that saw it and, apart from them, the m most recent
 *   receipts that hold it. Both are rows of item handles: a session's grows while the session
 *   lives, a receipt's is written at once. Postings name the row by its table number and count as
 *   references, and the last one to go frees it.
 * ROOM
 *   Most sessions never end: their shopper does not come back. So where the table is full the row
 *   that was made first goes, live or not, unless the shopper whose turn it is has it: its postings
 *   leave their rings, it is counted as posted_evicted, and the items that lose one are lossy. Its
 *   session finds another stamp at the number, or none, and is posted no more. Only
 *   bk__posted_create makes room.
 * ORDER
 *   "Most recent" is a total order on event facts: the time at which the item entered the session,
 *   then the session's key. So the index does not depend on the order in which partitions are read.
 * COST
 *   An addition lands at the ring's end but for clock disorder, and what makes room stands at its
 *   beginning: O(1) in the mean.
 */
#include "internal.h"

enum { ITEMS_MIN = 4, RING_MIN = 4 };

static struct bk_posted *posted_write(struct bk_shared *shared, uint32_t number)
{
    return bk_table_write(&shared->posted, number);
}

static size_t ring_bytes(uint32_t cap)
{
    return sizeof(struct bk_postings) + cap * sizeof(struct bk_posting);
}

/* Bytes of a row of so many items: it was doubled whenever it was full. */
static size_t row_bytes(uint32_t count)
{
    if (!count) return 0;
    uint32_t cap = ITEMS_MIN;
    while (cap < count) cap *= 2;
    return cap * sizeof(uint32_t);
}

/* Of what the item's postings were to name, something is missing for want of memory. */
static void lose(struct bk_engine *engine, uint32_t item)
{
    bk__item(&engine->shared, item)->flags |= BK_ITEM_UNPOSTED;
}

/* ---- the queue of all rows, oldest first ---- */

static void queue_add(struct bk_shared *shared, uint32_t number)
{
    struct bk_shared_totals *totals = bk__totals(shared);
    posted_write(shared, number)->older = totals->posted_newest;
    if (totals->posted_newest)
        posted_write(shared, totals->posted_newest)->newer = number;
    else
        totals->posted_oldest = number;
    totals->posted_newest = number;
}

static void queue_remove(struct bk_shared *shared, uint32_t number)
{
    struct bk_shared_totals *totals = bk__totals(shared);
    const struct bk_posted *posted = bk_posted(shared, number);
    if (posted->older)
        posted_write(shared, posted->older)->newer = posted->newer;
    else
        totals->posted_oldest = posted->newer;
    if (posted->newer)
        posted_write(shared, posted->newer)->older = posted->older;
    else
        totals->posted_newest = posted->older;
}

static void posted_free(struct bk_shared *shared, uint32_t number)
{
    const struct bk_posted *posted = bk_posted(shared, number);
    if (posted->items) bk_arena_free(&shared->heap, posted->items, row_bytes(posted->count));
    queue_remove(shared, number);
    bk_table_remove(&shared->posted, number);
}

void bk__posted_release(struct bk_engine *engine, uint32_t number)
{
    struct bk_posted *posted = posted_write(&engine->shared, number);
    if (--posted->refs == 0) posted_free(&engine->shared, number);
}

/* ---- room in the table ---- */

static uint32_t slot_of(const struct bk_postings *ring, uint32_t place)
{
    return (ring->first + place) % ring->cap;
}

static struct bk_posting *ring_at(struct bk_postings *ring, uint32_t place)
{
    return &ring->entry[slot_of(ring, place)];
}

/* The place of the posting that names the row, or the ring's count. None of the row's is newer than
 * the row: those before it are all there is to look at. */
static uint32_t find_place(const struct bk_postings *ring, uint32_t number, uint32_t time_s)
{
    for (uint32_t place = 0; place < ring->count; place++) {
        const struct bk_posting *entry = &ring->entry[slot_of(ring, place)];
        if (entry->session == number) return place;
        if (entry->time_s > time_s) break;
    }
    return ring->count;
}

/* Take the posting that names the row out of the item's ring, if it is in there. */
static void ring_forget(struct bk_engine *engine, enum bk_posting_kind kind, uint32_t item,
                        uint32_t number)
{
    struct bk_shared *shared = &engine->shared;
    bk_ref_t ref = bk_item(shared, item)->postings[kind];
    if (!ref) return;
    const struct bk_postings *seen = bk_arena_read(&shared->heap, ref);
    uint32_t place = find_place(seen, number, bk_posted(shared, number)->time_s);
    if (place == seen->count) return;
    lose(engine, item);
    struct bk_postings *ring = bk_arena_write(&shared->heap, ref, ring_bytes(seen->cap));
    for (; place > 0; place--) *ring_at(ring, place) = *ring_at(ring, place - 1);
    ring->first = (uint16_t)slot_of(ring, 1);
    if (--ring->count) return;
    bk_arena_free(&shared->heap, ref, ring_bytes(ring->cap));
    bk__item(shared, item)->postings[kind] = 0;
}

/* The oldest row but `keep` makes room; false: there is none. */
static bool evict_oldest(struct bk_engine *engine, uint32_t keep)
{
    struct bk_shared *shared = &engine->shared;
    uint32_t number = bk_totals(shared)->posted_oldest;
    if (number && number == keep) number = bk_posted(shared, number)->newer;
    if (!number) return false;
    const struct bk_posted *posted = bk_posted(shared, number);
    const uint32_t *items = bk_arena_read(&shared->heap, posted->items);
    for (uint32_t i = 0; i < posted->count; i++)
        for (int kind = 0; kind < BK_POSTING_KIND_COUNT; kind++)
            ring_forget(engine, (enum bk_posting_kind)kind, items[i], number);
    posted_free(shared, number);
    bk__count_shared(engine, BK_STATE_POSTED_EVICTED, 1);
    return true;
}

/* ---- what is posted ---- */

uint32_t bk__posted_create(struct bk_engine *engine, uint64_t key, uint32_t keep)
{
    struct bk_shared *shared = &engine->shared;
    if (!engine->params.postings_max) return 0;
    uint32_t number = bk_table_add(&shared->posted);
    if (!number && evict_oldest(engine, keep)) number = bk_table_add(&shared->posted);
    if (!number) {
        bk__count_shared(engine, BK_STATE_MEMORY_REFUSED, 1);
        return 0;
    }
    struct bk_posted *posted = posted_write(shared, number);
    posted->refs = 1;
    posted->key = key;
    posted->stamp = (uint32_t)bk_totals(shared)->counters[BK_STATE_POSTED_EVICTED] * 2 + 1;
    queue_add(shared, number);
    return number;
}

/* Append the item to the session's row. */
static bool session_grow(struct bk_engine *engine, uint32_t number, uint32_t item, uint32_t time_s)
{
    struct bk_shared *shared = &engine->shared;
    struct bk_posted *posted = posted_write(shared, number);
    size_t old = row_bytes(posted->count), now = row_bytes(posted->count + 1u);
    if (now > old) {
        bk_ref_t fresh = bk__shared_alloc(engine, now);
        if (!fresh) return false;
        if (old) {
            memcpy(bk_arena_write(&shared->heap, fresh, old),
                   bk_arena_read(&shared->heap, posted->items), old);
            bk_arena_free(&shared->heap, posted->items, old);
        }
        posted->items = fresh;
    }
    uint32_t *items = bk_arena_write(&shared->heap, posted->items, now);
    items[posted->count++] = item;
    if (time_s > posted->time_s) posted->time_s = time_s;
    return true;
}

/* A ring with twice the room, its entries from place 0 on. */
static struct bk_postings *ring_grow(struct bk_engine *engine, enum bk_posting_kind kind,
                                     uint32_t item, uint32_t cap)
{
    struct bk_shared *shared = &engine->shared;
    bk_ref_t fresh = bk__shared_alloc(engine, ring_bytes(cap));
    if (!fresh) return NULL;
    struct bk_postings *to = bk_arena_write(&shared->heap, fresh, ring_bytes(cap));
    to->cap = (uint16_t)cap;
    bk_ref_t old = bk_item(shared, item)->postings[kind]; /* now: making room may have dropped it */
    if (old) {
        struct bk_postings *from = bk_arena_write(&shared->heap, old, sizeof *from);
        for (uint32_t i = 0; i < from->count; i++) to->entry[i] = *ring_at(from, i);
        to->count = from->count;
        bk_arena_free(&shared->heap, old, ring_bytes(from->cap));
    }
    bk__item(shared, item)->postings[kind] = fresh;
    return to;
}

/* The item's ring, grown when it is full and may grow; NULL when there is no memory for one. */
static struct bk_postings *ring_with_room(struct bk_engine *engine, enum bk_posting_kind kind,
                                          uint32_t item)
{
    struct bk_shared *shared = &engine->shared;
    bk_ref_t ref = bk_item(shared, item)->postings[kind];
    if (!ref)
        return ring_grow(engine, kind, item,
                         RING_MIN < engine->params.postings_max ? RING_MIN
                                                                : engine->params.postings_max);
    const struct bk_postings *ring = bk_arena_read(&shared->heap, ref);
    if (ring->count < ring->cap || ring->cap >= engine->params.postings_max)
        return bk_arena_write(&shared->heap, ref, ring_bytes(ring->cap));
    uint32_t cap = ring->cap * 2u;
    return ring_grow(engine, kind, item,
                     cap < engine->params.postings_max ? cap : engine->params.postings_max);
}

static bool drop_ring(struct bk_engine *engine, enum bk_posting_kind kind, uint32_t item)
{
    struct bk_shared *shared = &engine->shared;
    bk_ref_t ref = bk_item(shared, item)->postings[kind];
    if (!ref) return false;
    struct bk_postings *ring = bk_arena_write(&shared->heap, ref, sizeof *ring);
    for (uint32_t i = 0; i < ring->count; i++)
        bk__posted_release(engine, ring_at(ring, i)->session);
    bk_arena_free(&shared->heap, ref, ring_bytes(ring->cap));
    bk__item(shared, item)->postings[kind] = 0;
    lose(engine, item);
    return true;
}

uint32_t bk__postings_drop(struct bk_engine *engine, uint32_t item)
{
    uint32_t dropped = drop_ring(engine, BK_POSTING_SESSION, item);
    return dropped + drop_ring(engine, BK_POSTING_RECEIPT, item);
}

static bool is_older(const struct bk_shared *shared, struct bk_posting a, struct bk_posting b)
{
    if (a.time_s != b.time_s) return a.time_s < b.time_s;
    return bk_posted(shared, a.session)->key < bk_posted(shared, b.session)->key;
}

void bk__posted_add(struct bk_engine *engine, enum bk_posting_kind kind, uint32_t number,
                    uint32_t item, uint32_t time_s)
{
    struct bk_shared *shared = &engine->shared;
    if (!engine->params.postings_max) return;
    if (!number || !session_grow(engine, number, item, time_s)) {
        lose(engine, item);
        return;
    }
    struct bk_posting fresh = {number, time_s, bk_posted(shared, number)->count - 1u};
    struct bk_postings *ring = ring_with_room(engine, kind, item);
    if (!ring) {
        lose(engine, item);
        return;
    }
    if (ring->count == ring->cap) { /* full: the oldest goes, unless it is the new one */
        struct bk_posting oldest = *ring_at(ring, 0);
        if (is_older(shared, fresh, oldest)) return;
        ring->first = (uint16_t)((ring->first + 1) % ring->cap);
        ring->count--;
        bk__posted_release(engine, oldest.session);
    }
    uint32_t place = ring->count++;
    for (; place > 0 && is_older(shared, fresh, *ring_at(ring, place - 1)); place--)
        *ring_at(ring, place) = *ring_at(ring, place - 1);
    *ring_at(ring, place) = fresh;
    posted_write(shared, number)->refs++;
}
