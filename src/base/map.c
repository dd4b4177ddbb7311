/* map.c -- the small hash table of arena.h: rows of pairs, carts and histories are all this.
 *
 * LAYOUT      | bk_map_head | entry * 2^slots_log2 |      an empty slot has key 0
 * INVARIANTS  count <= 3/4 of the slots; an entry is reachable from its home slot without crossing
 *             an empty one.
 * COST        a hit looks at 2.5 slots in the mean at 3/4 load; 16-byte entries stand four to a
 *             cache line.
 */
#include "basketry/arena.h"

enum { SLOTS_LOG2_MIN = 2 };

static size_t map_bytes(uint32_t entry_bytes, unsigned slots_log2)
{
    return sizeof(struct bk_map_head) + ((size_t)entry_bytes << slots_log2);
}

static uint32_t home_of(uint32_t key, unsigned slots_log2)
{
    return (key * 2654435769u) >> (32 - slots_log2);
}

static uint32_t key_at(const uint8_t *entries, uint32_t entry_bytes, uint32_t slot)
{
    uint32_t key;
    memcpy(&key, entries + (size_t)slot * entry_bytes, sizeof key);
    return key;
}

/* The key's slot, or the empty slot where it would go. */
static uint32_t seek(const struct bk_map_head *head, uint32_t key)
{
    const uint8_t *entries = (const uint8_t *)(head + 1);
    uint32_t mask = (1u << head->slots_log2) - 1, slot = home_of(key, head->slots_log2);
    for (;;) {
        uint32_t there = key_at(entries, head->entry_bytes, slot);
        if (there == key || there == 0) return slot;
        slot = (slot + 1) & mask;
    }
}

static uint8_t *entry_write(struct bk_arena *arena, bk_ref_t map, uint32_t entry_bytes,
                            uint32_t slot)
{
    uint64_t at =
        (uint64_t)map * BK_ARENA_UNIT + sizeof(struct bk_map_head) + (uint64_t)slot * entry_bytes;
    return bk_arena_touch(arena, at, entry_bytes);
}

size_t bk_map_bytes(const struct bk_arena *arena, bk_ref_t map)
{
    if (!map) return 0;
    const struct bk_map_head *head = bk_map_head(arena, map);
    return bk_arena_block_bytes(map_bytes(head->entry_bytes, head->slots_log2));
}

const void *bk_map_find(const struct bk_arena *arena, bk_ref_t map, uint32_t key)
{
    if (!map) return NULL;
    const struct bk_map_head *head = bk_map_head(arena, map);
    uint32_t slot = seek(head, key);
    const uint8_t *entries = (const uint8_t *)(head + 1);
    return key_at(entries, head->entry_bytes, slot) == key
               ? entries + (size_t)slot * head->entry_bytes
               : NULL;
}

void bk_map_fetch(const struct bk_arena *arena, bk_ref_t map, uint32_t key)
{
    if (!map) return;
    const struct bk_map_head *head = bk_map_head(arena, map);
    uint32_t home = home_of(key, head->slots_log2);
    __builtin_prefetch((const uint8_t *)(head + 1) + (size_t)home * head->entry_bytes, 1);
}

void *bk_map_edit(struct bk_arena *arena, bk_ref_t map, uint32_t key)
{
    const uint8_t *found = bk_map_find(arena, map, key);
    if (!found) return NULL;
    return bk_arena_touch(arena, (uint64_t)(found - arena->base),
                          bk_map_head(arena, map)->entry_bytes);
}

/* A map of 2^slots_log2 slots with all entries of `old` (which may be 0). 0 at the arena's limit.
 */
static bk_ref_t rebuild(struct bk_arena *arena, bk_ref_t old, uint32_t entry_bytes,
                        unsigned slots_log2)
{
    bk_ref_t fresh = bk_arena_alloc(arena, map_bytes(entry_bytes, slots_log2));
    if (!fresh) return 0;
    struct bk_map_head *head = bk_arena_write(arena, fresh, map_bytes(entry_bytes, slots_log2));
    if (old) *head = *bk_map_head(arena, old);
    head->entry_bytes = (uint16_t)entry_bytes;
    head->slots_log2 = (uint8_t)slots_log2;
    uint8_t *entries = (uint8_t *)(head + 1);
    const void *entry;
    for (uint32_t at = 0; (entry = bk_map_next(arena, old, &at)) != NULL;) {
        uint32_t key;
        memcpy(&key, entry, sizeof key);
        memcpy(entries + (size_t)seek(head, key) * entry_bytes, entry, entry_bytes);
    }
    if (old) bk_map_drop(arena, &old);
    return fresh;
}

void *bk_map_put(struct bk_arena *arena, bk_ref_t *map, uint32_t entry_bytes, uint32_t key,
                 bool *added)
{
    BK_ASSERT(key != 0);
    *added = false;
    void *found = bk_map_edit(arena, *map, key);
    if (found) return found;
    const struct bk_map_head *head = *map ? bk_map_head(arena, *map) : NULL;
    if (!head || (head->count + 1) * 4 > (3u << head->slots_log2)) {
        bk_ref_t grown =
            rebuild(arena, *map, entry_bytes, head ? head->slots_log2 + 1u : SLOTS_LOG2_MIN);
        if (!grown) return NULL;
        *map = grown;
    }
    struct bk_map_head *writable = bk_arena_write(arena, *map, sizeof *writable);
    uint8_t *entry = entry_write(arena, *map, entry_bytes, seek(writable, key));
    memcpy(entry, &key, sizeof key);
    writable->count++;
    *added = true;
    return entry;
}

bool bk_map_remove(struct bk_arena *arena, bk_ref_t map, uint32_t key)
{
    if (!bk_map_find(arena, map, key)) return false;
    struct bk_map_head *head = bk_arena_write(arena, map, sizeof *head);
    uint8_t *entries = (uint8_t *)(head + 1);
    uint32_t mask = (1u << head->slots_log2) - 1, hole = seek(head, key), size = head->entry_bytes;
    /* Shift back every follower whose home does not lie behind the hole. */
    for (uint32_t slot = (hole + 1) & mask; key_at(entries, size, slot); slot = (slot + 1) & mask) {
        uint32_t home = home_of(key_at(entries, size, slot), head->slots_log2);
        if (((slot - home) & mask) < ((slot - hole) & mask)) continue;
        memcpy(entry_write(arena, map, size, hole), entries + (size_t)slot * size, size);
        hole = slot;
    }
    memset(entry_write(arena, map, size, hole), 0, size);
    head->count--;
    return true;
}

void bk_map_drop(struct bk_arena *arena, bk_ref_t *map)
{
    if (!*map) return;
    const struct bk_map_head *head = bk_map_head(arena, *map);
    bk_arena_free(arena, *map, map_bytes(head->entry_bytes, head->slots_log2));
    *map = 0;
}
