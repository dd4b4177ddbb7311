/* dedup.c -- was this event applied before? The last N event ids of a partition, by fingerprint.
 *
 * LAYOUT      owner[0] = N (a power of two), owner[1] = ids so far;
 *             | ring: u64 * N | set: u64 * 2N |
 * INVARIANTS  the set (open addressing, at most half full, 0 = empty, deletion shifts back) holds
 *             exactly the ring's fingerprints.
 * BOUND       an id that comes again after N others counts as new; a new one is taken for old with
 *             probability N / 2^64.
 * COST        two probes of one or two cache lines an event, 24 bytes an id.
 */
#include "internal.h"

static uint64_t *ring_of(const struct bk_shard *shard)
{
    return (uint64_t *)(void *)(shard->dedup.base + sizeof(struct bk_arena_root));
}

static uint64_t events_of(const struct bk_shard *shard)
{
    return bk_arena_root(&shard->dedup)->owner[0];
}

int bk__dedup_init(struct bk_shard *shard, uint32_t events)
{
    BK_ASSERT((events & (events - 1)) == 0);
    int err = bk_arena_init(&shard->dedup,
                            sizeof(struct bk_arena_root) + events * 3ull * sizeof(uint64_t));
    if (err != BK_OK) return err;
    struct bk_arena_root *root = bk_arena_touch(&shard->dedup, 0, sizeof *root);
    root->owner[0] = events;
    root->used = sizeof *root + events * 3ull * sizeof(uint64_t);
    return BK_OK;
}

static void store(struct bk_shard *shard, uint64_t *at, uint64_t fingerprint)
{
    bk_arena_touch(&shard->dedup, (uint64_t)((uint8_t *)at - shard->dedup.base), sizeof *at);
    *at = fingerprint;
}

/* The fingerprint's place in the set, or the empty place where it would go. */
static uint64_t seek(const uint64_t *set, uint64_t mask, uint64_t fingerprint)
{
    uint64_t slot = fingerprint & mask;
    while (set[slot] && set[slot] != fingerprint) slot = (slot + 1) & mask;
    return slot;
}

static void forget(struct bk_shard *shard, uint64_t *set, uint64_t mask, uint64_t fingerprint)
{
    uint64_t hole = seek(set, mask, fingerprint);
    for (uint64_t slot = (hole + 1) & mask; set[slot]; slot = (slot + 1) & mask) {
        if (((slot - set[slot]) & mask) < ((slot - hole) & mask)) continue;
        store(shard, &set[hole], set[slot]);
        hole = slot;
    }
    store(shard, &set[hole], 0);
}

bool bk__order_seen(struct bk_subject *sub, uint64_t order)
{
    for (int i = 0; i < BK_ORDERS_KEPT; i++)
        if (sub->orders[i] == order) return true;
    memmove(&sub->orders[1], &sub->orders[0], sizeof sub->orders - sizeof sub->orders[0]);
    sub->orders[0] = order;
    return false;
}

bool bk__dedup_seen(struct bk_shard *shard, uint64_t fingerprint)
{
    uint64_t events = events_of(shard);
    if (!events) return false;
    if (!fingerprint) fingerprint = 1;
    uint64_t *ring = ring_of(shard), *set = ring + events, mask = 2 * events - 1;
    uint64_t slot = seek(set, mask, fingerprint);
    if (set[slot]) return true;
    struct bk_arena_root *root = bk_arena_touch(&shard->dedup, 0, sizeof *root);
    uint64_t *oldest = &ring[root->owner[1]++ & (events - 1)];
    if (*oldest) {
        forget(shard, set, mask, *oldest);
        slot = seek(set, mask, fingerprint);
    }
    store(shard, oldest, fingerprint);
    store(shard, &set[slot], fingerprint);
    return false;
}
