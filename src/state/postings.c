/* postings.c -- which recent sessions saw an item, which receipts hold it: the index that kNN reads.
 *
 * THE IDEA
 *   Each item keeps the m most recent sessions that saw it and, apart from them, the m most recent
 *   receipts that hold it. Both are rows of item handles: a session's grows while the session
 *   lives, a receipt's is written at once. Postings name the row by its table number and count as
 *   references, and the last one to go frees it.
 * ORDER
 *   "Most recent" is a total order on event facts: the time at which the item entered the session,
 *   then the session's key. So the index does not depend on the order in which partitions are read.
 * COST
 *   An addition lands at the ring's end but for clock disorder: O(1) in the mean.
 */
#include "internal.h"

enum { ITEMS_MIN = 4, RING_MIN = 4 };

static struct bk_posted *posted_write(struct bk_shared *shared, uint32_t number)
{
    return bk_table_write(&shared->posted, number);
}

static const struct bk_posted *posted_read(const struct bk_shared *shared, uint32_t number)
{
    return bk_table_read(&shared->posted, number);
}

static size_t ring_bytes(uint32_t cap)
{
    return sizeof(struct bk_postings) + cap * sizeof(struct bk_posting);
}

uint32_t bk__posted_create(struct bk_engine *engine, uint64_t key)
{
    if (!engine->params.postings_max) return 0;
    uint32_t number = bk_table_add(&engine->shared.posted);
    if (!number) {
        bk__count_shared(engine, BK_STATE_MEMORY_REFUSED, 1);
        return 0;
    }
    struct bk_posted *posted = posted_write(&engine->shared, number);
    posted->refs = 1;
    posted->key = key;
    return number;
}

void bk__posted_release(struct bk_engine *engine, uint32_t number)
{
    struct bk_shared *shared = &engine->shared;
    struct bk_posted *posted = posted_write(shared, number);
    if (--posted->refs) return;
    if (posted->items) bk_arena_free(&shared->heap, posted->items, posted->cap * sizeof(uint32_t));
    bk_table_remove(&shared->posted, number);
}

/* Append the item to the session's row. */
static bool session_grow(struct bk_engine *engine, uint32_t number, uint32_t item)
{
    struct bk_shared *shared = &engine->shared;
    struct bk_posted *posted = posted_write(shared, number);
    if (posted->count == posted->cap) {
        uint16_t cap = posted->cap ? (uint16_t)(posted->cap * 2) : ITEMS_MIN;
        bk_ref_t fresh = bk__shared_alloc(engine, cap * sizeof(uint32_t));
        if (!fresh) return false;
        if (posted->items) {
            memcpy(bk_arena_write(&shared->heap, fresh, posted->cap * sizeof(uint32_t)),
                   bk_arena_read(&shared->heap, posted->items), posted->cap * sizeof(uint32_t));
            bk_arena_free(&shared->heap, posted->items, posted->cap * sizeof(uint32_t));
        }
        posted->items = fresh;
        posted->cap = cap;
    }
    uint32_t *items = bk_arena_write(&shared->heap, posted->items, posted->cap * sizeof(uint32_t));
    items[posted->count++] = item;
    return true;
}

static struct bk_posting *ring_at(struct bk_postings *ring, uint32_t place)
{
    return &ring->entry[(ring->first + place) % ring->cap];
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

/* Of what the item's postings were to name, something is missing for want of memory. */
static void lose(struct bk_engine *engine, uint32_t item)
{
    bk__item(&engine->shared, item)->flags |= BK_ITEM_UNPOSTED;
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
    return posted_read(shared, a.session)->key < posted_read(shared, b.session)->key;
}

void bk__posted_add(struct bk_engine *engine, enum bk_posting_kind kind, uint32_t number,
                    uint32_t item, uint32_t time_s)
{
    struct bk_shared *shared = &engine->shared;
    if (!engine->params.postings_max) return;
    if (!number || !session_grow(engine, number, item)) {
        lose(engine, item);
        return;
    }
    struct bk_posting fresh = {number, time_s, posted_read(shared, number)->count - 1u};
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
