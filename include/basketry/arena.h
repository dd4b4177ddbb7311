/* arena.h -- flat memory that can be written to disk as it is.
 *
 * THE IDEA
 *   An arena is one reserved range of addresses that fills from its start. What lives in it is
 *   named by a bk_ref_t, the offset in units of 16 bytes, never by a pointer, so the range's bytes
 *   are the checkpoint and a restart maps them back. All bookkeeping (fill mark, free lists, the
 *   owner's root) stands in the range's own first bytes.
 * WRITING
 *   Every change goes through bk_arena_write: that is where a capture (capture.h) copies a 4 KiB
 *   page before its first change, so that a checkpoint can read the bytes of one instant while the
 *   loop goes on. Reading is a plain load.
 * ALLOCATION
 *   Size classes, four per doubling (at most 25 % waste), each with a free list; a block is zeroed
 *   when it is freed (erasure is real), so a block that is handed out is all zeroes. Rows grow by
 *   doubling, and what they leave is the next row's block; at the limit a larger free block is cut,
 *   and now and then free neighbours are joined (arena.c).
 * THREADS
 *   The loop thread owns every arena; a capture's reader is the one guest. No clock, no stdio; mmap
 *   at create is the one system call.
 */
#ifndef BASKETRY_ARENA_H
#define BASKETRY_ARENA_H

#include "basketry/base.h"
#include "basketry/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Offset into an arena in units of 16 bytes; 0 is "nothing". */
typedef uint32_t bk_ref_t;

enum {
    BK_ARENA_UNIT = 16,
    BK_ARENA_PAGE_BITS = 12,
    BK_ARENA_CLASSES = 124, /* up to the largest arena */
};

/** Stands at offset 0 of the range. Exact-width: it is part of the bytes on disk. */
struct bk_arena_root {
    uint64_t magic;
    uint64_t used; /* bytes handed out so far, this struct included: the fill mark                */
    uint64_t live; /* bytes of blocks that are allocated now                                      */
    uint64_t owner[4]; /* numbers for the owner */
    uint32_t free_head[BK_ARENA_CLASSES];
    uint64_t freed; /* bytes freed since free neighbours were joined last */
};

/** The block that an arena hands out first: an owner with one structure need not remember where. */
#define BK_ARENA_FIRST ((bk_ref_t)(sizeof(struct bk_arena_root) / BK_ARENA_UNIT))

struct bk_arena {
    uint8_t *base;  /* the range; constant from create to destroy  */
    uint8_t *mark;  /* one byte a page: not 0 = captured and not read yet (capture.h) */
    uint64_t limit; /* bytes the fill mark may reach */
    uint64_t reserved;
    struct bk_capture *capture; /* NULL: none */
    uint32_t *copies;           /* the capture's: where each captured page was copied */
    uint64_t captured;          /* bytes at the capture's instant */
};

/** Reserve addresses for `limit` bytes (rounded up to pages; at most 64 GiB). 0 or BK_ENOMEM. */
BK_MUST_CHECK int bk_arena_init(struct bk_arena *arena, uint64_t limit);
void bk_arena_deinit(struct bk_arena *arena);

/** A zeroed block of at least `size` bytes (> 0), or 0 when the limit is reached. */
bk_ref_t bk_arena_alloc(struct bk_arena *arena, size_t size);
/** Give a block back; `size` as it was asked for. Zeroes it. */
void bk_arena_free(struct bk_arena *arena, bk_ref_t ref, size_t size);
/** The bytes a block of `size` really takes. */
size_t bk_arena_block_bytes(size_t size);

static inline const struct bk_arena_root *bk_arena_root(const struct bk_arena *arena)
{
    return (const struct bk_arena_root *)arena->base;
}

/** Bytes of memory this arena has touched: what a budget counts. */
static inline uint64_t bk_arena_bytes(const struct bk_arena *arena)
{
    return arena->base ? bk_arena_root(arena)->used : 0;
}

static inline const void *bk_arena_read(const struct bk_arena *arena, bk_ref_t ref)
{
    return arena->base + (uint64_t)ref * BK_ARENA_UNIT;
}

/** Lay the image of a captured arena back: the range's first `bytes` bytes, for the caller to fill
 *  before anything else is done with the arena; NULL when its limit does not hold them. */
uint8_t *bk_arena_image(struct bk_arena *arena, uint64_t bytes);
/** Is what was laid back an arena of exactly these bytes? What stands in it is the owner's word. */
bool bk_arena_is_whole(const struct bk_arena *arena, uint64_t bytes);

/** A captured page is about to change for the first time (capture.c). */
void bk__arena_before_change(struct bk_arena *arena, uint64_t page);

/** The one door for changes to bytes [at, at + len) of the range. */
static inline void *bk_arena_touch(struct bk_arena *arena, uint64_t at, size_t len)
{
    uint64_t last = (at + len - 1) >> BK_ARENA_PAGE_BITS;
    for (uint64_t page = at >> BK_ARENA_PAGE_BITS; page <= last; page++)
        if (BK_UNLIKELY(__atomic_load_n(&arena->mark[page], __ATOMIC_ACQUIRE)))
            bk__arena_before_change(arena, page);
    return arena->base + at;
}

static inline void *bk_arena_write(struct bk_arena *arena, bk_ref_t ref, size_t len)
{
    return bk_arena_touch(arena, (uint64_t)ref * BK_ARENA_UNIT, len);
}

/* ---- table: records of one size, numbered from 1, that never move ---- */

/** An arena used as an array: record i stands at i * size (record 0 holds the arena's root and is
 * nobody). */
struct bk_table {
    struct bk_arena arena;
    uint32_t record_bytes; /* a multiple of 16, at least sizeof(struct bk_arena_root) is skipped as
                              a whole */
    uint32_t first_bytes;  /* where record 1 starts */
};

BK_MUST_CHECK int bk_table_init(struct bk_table *table, uint32_t record_bytes, uint64_t limit);
void bk_table_deinit(struct bk_table *table);
/** A fresh zeroed record's number, reusing freed ones last-in first-out, or 0 at the limit. */
uint32_t bk_table_add(struct bk_table *table);
/** Zero the record and keep its number for reuse. The record's first 4 bytes hold the free list
 * meanwhile. */
void bk_table_remove(struct bk_table *table, uint32_t number);
/** Numbers handed out so far, freed ones included: valid numbers are 1..bk_table_top. */
static inline uint32_t bk_table_top(const struct bk_table *table)
{
    return (uint32_t)((bk_arena_root(&table->arena)->used - table->first_bytes) /
                      table->record_bytes);
}
static inline const void *bk_table_read(const struct bk_table *table, uint32_t number)
{
    return table->arena.base + table->first_bytes + (uint64_t)(number - 1) * table->record_bytes;
}
static inline void *bk_table_write(struct bk_table *table, uint32_t number)
{
    return bk_arena_touch(&table->arena,
                          table->first_bytes + (uint64_t)(number - 1) * table->record_bytes,
                          table->record_bytes);
}

/* ---- map: a small hash table inside an arena, keyed by a 32-bit handle ---- */

/** Entries are `entry_bytes` long (a multiple of 4) and start with their key (never 0). Open
 * addressing, linear probing, at most 3/4 full, deletion shifts back: no tombstones. The empty map
 * is ref 0. */
struct bk_map_head {
    uint32_t count;
    uint16_t entry_bytes;
    uint8_t slots_log2;
    uint8_t flags;   /* the owner's */
    uint32_t aux[2]; /* the owner's */
};

static inline const struct bk_map_head *bk_map_head(const struct bk_arena *arena, bk_ref_t map)
{
    return (const struct bk_map_head *)bk_arena_read(arena, map);
}
static inline uint32_t bk_map_count(const struct bk_arena *arena, bk_ref_t map)
{
    return map ? bk_map_head(arena, map)->count : 0;
}
/** The entry, or NULL. Valid until the map changes. */
const void *bk_map_find(const struct bk_arena *arena, bk_ref_t map, uint32_t key);
/** Have the key's place brought, for a find or put that follows soon. */
void bk_map_fetch(const struct bk_arena *arena, bk_ref_t map, uint32_t key);
/** The entry to write to, created zeroed (but for its key) when missing; NULL when the arena's
 * limit stops growth. `*map` may change. */
void *bk_map_put(struct bk_arena *arena, bk_ref_t *map, uint32_t entry_bytes, uint32_t key,
                 bool *added);
/** The entry to write to, or NULL. */
void *bk_map_edit(struct bk_arena *arena, bk_ref_t map, uint32_t key);
bool bk_map_remove(struct bk_arena *arena, bk_ref_t map, uint32_t key);
/** Free the whole map; `*map` becomes 0. */
void bk_map_drop(struct bk_arena *arena, bk_ref_t *map);
/** Walk: `for (uint32_t at = 0; (entry = bk_map_next(arena, map, &at)) != NULL;)`. The order is
 * that of the slots: use it for nothing that shows. */
static inline const void *bk_map_next(const struct bk_arena *arena, bk_ref_t map, uint32_t *at)
{
    if (!map) return NULL;
    const struct bk_map_head *head = bk_map_head(arena, map);
    uint32_t slots = 1u << head->slots_log2;
    const uint8_t *entries = (const uint8_t *)(head + 1);
    while (*at < slots) {
        const uint8_t *entry = entries + (size_t)(*at)++ * head->entry_bytes;
        uint32_t key;
        memcpy(&key, entry, sizeof key);
        if (key) return entry;
    }
    return NULL;
}
/** Bytes the map takes; 0 for the empty map. */
size_t bk_map_bytes(const struct bk_arena *arena, bk_ref_t map);

/* ---- index: id bytes -> number, by linear hashing ---- */

/** Bucket heads in an arena of their own; the chains run through the indexed records, which keep a
 * hash and a `next`. One bucket is split for each record added, so no insertion ever rehashes the
 * whole (Litwin 1980). */
struct bk_index {
    struct bk_arena heads; /* u32 each, from the arena's first free byte on */
    /** Where record `number` keeps its chain: two u32, hash then next. */
    uint32_t *(*link)(void *arg, uint32_t number, bool write);
    void *arg;
};

BK_MUST_CHECK int bk_index_init(struct bk_index *index, uint64_t limit,
                                uint32_t *(*link)(void *arg, uint32_t number, bool write),
                                void *arg);
void bk_index_deinit(struct bk_index *index);
/** First record of the hash's chain, 0 when none; go on with link(...)[1]. */
uint32_t bk_index_first(const struct bk_index *index, uint32_t hash);
/** Add a record whose link[0] is set by this call. False at the limit. */
bool bk_index_add(struct bk_index *index, uint32_t hash, uint32_t number);
void bk_index_remove(struct bk_index *index, uint32_t hash, uint32_t number);

#ifdef __cplusplus
}
#endif
#endif
