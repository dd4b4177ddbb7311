/* redis_ring.c -- a fixed ring of tickets.
 *
 * INVARIANTS
 *   count <= cap; bytes = sum of the slots' len.
 */
#include "redis_ring.h"

#include <stdlib.h>

int bk__redis_ring_init(struct redis_ring *ring, uint32_t cap)
{
    BK_ASSERT(cap >= 1);
    *ring = (struct redis_ring){.cap = cap};
    ring->slots = calloc(cap, sizeof *ring->slots);
    return ring->slots ? 0 : BK_ENOMEM;
}

void bk__redis_ring_deinit(struct redis_ring *ring)
{
    free(ring->slots);
    *ring = (struct redis_ring){0};
}

/* Positions run to cap - 1 and start again; both summands are below 2^31, so nothing wraps. */
static uint32_t at(const struct redis_ring *ring, uint32_t nth)
{
    uint32_t position = ring->head + nth;
    return position >= ring->cap ? position - ring->cap : position;
}

void bk__redis_ring_push(struct redis_ring *ring, const struct bk_ticket *ticket, uint32_t len)
{
    BK_ASSERT(ring->count < ring->cap);
    ring->slots[at(ring, ring->count)] = (struct redis_ring_slot){*ticket, len};
    ring->count++;
    ring->bytes += len;
}

struct bk_ticket bk__redis_ring_pop(struct redis_ring *ring)
{
    BK_ASSERT(ring->count > 0);
    struct redis_ring_slot slot = ring->slots[ring->head];
    ring->head = at(ring, 1);
    ring->count--;
    ring->bytes -= slot.len;
    return slot.ticket;
}

const struct bk_ticket *bk__redis_ring_oldest(const struct redis_ring *ring)
{
    return ring->count ? &ring->slots[ring->head].ticket : NULL;
}
