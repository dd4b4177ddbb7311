/* redis_ring.h -- the commands that are on their way, oldest first.
 *
 * Redis answers in the order of the questions, so the tickets need no index: a fixed ring, one slot
 * for each command of the window, and the sum of their bytes. Nothing is allocated after init.
 */
#ifndef BASKETRY_PUBLISH_REDIS_RING_H
#define BASKETRY_PUBLISH_REDIS_RING_H

#include "basketry/sink.h"

#ifdef __cplusplus
extern "C" {
#endif

struct redis_ring_slot {
    struct bk_ticket ticket;
    uint32_t len; /* bytes of the command */
};

struct redis_ring {
    struct redis_ring_slot *slots;
    uint32_t cap;
    uint32_t head; /* the oldest */
    uint32_t count;
    uint64_t bytes; /* sum of len over what is inside */
};

/** 0 or BK_ENOMEM; cap >= 1. */
BK_MUST_CHECK int bk__redis_ring_init(struct redis_ring *ring, uint32_t cap);
void bk__redis_ring_deinit(struct redis_ring *ring);
/** The ring must not be full. */
void bk__redis_ring_push(struct redis_ring *ring, const struct bk_ticket *ticket, uint32_t len);
/** Take the oldest; the ring must not be empty. */
struct bk_ticket bk__redis_ring_pop(struct redis_ring *ring);
/** The oldest, borrowed until the next push or pop; NULL when there is none. */
const struct bk_ticket *bk__redis_ring_oldest(const struct redis_ring *ring);

#ifdef __cplusplus
}
#endif
#endif
