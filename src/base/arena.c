/* arena.c -- the reserved range, its size classes, and tables of equal records.
 *
 * LAYOUT   | bk_arena_root | block | block | ...      blocks are multiples of 16 bytes
 * CLASSES  class c < 8 is 16 * (c + 1) bytes; then four per doubling: 160 192 224 256 320 384 ...
 * JOINING  A freed block stays of its size. When nothing is left for a request, a 16th of the arena
 *          is free and a 256th was freed since the last time, free neighbours are joined: else memory
 *          that was cut small once would be lost to larger blocks for good.
 * COST     alloc and free: a list head and the block's first word; free also zeroes the block.
 *          Joining: a look at each free block and at a bit for every 16 bytes (an extra 1/128 of the
 *          arena meanwhile), at most once for every 256th of the arena that is freed.
 */
#include "basketry/arena.h"

#include <sys/mman.h>

#define ARENA_MAGIC 0x3130616e65726b62u /* "bkrena01" */

enum { ARENA_LIMIT_GIB_MAX = 64, SMALL_CLASSES = 8 };

_Static_assert(sizeof(struct bk_arena_root) % BK_ARENA_UNIT == 0, "blocks start on a unit");

static struct bk_arena_root *root_write(struct bk_arena *arena)
{
    return bk_arena_touch(arena, 0, sizeof(struct bk_arena_root));
}

static uint64_t round_up(uint64_t n, uint64_t unit)
{
    return (n + unit - 1) / unit * unit;
}

/* Scoring reads rows that stand anywhere: with pages of 2 MiB a look-up of the address costs it
 * nothing. What lies before SMALL_BYTES keeps its small pages, so that many small arenas stay
 * small. Where the system has no large pages, this says nothing. */
static void *reserve(uint64_t bytes)
{
    enum { SMALL_BYTES = 4 << 20 };
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);
    if (p == MAP_FAILED) return NULL;
    if (bytes > SMALL_BYTES)
        (void)madvise((uint8_t *)p + SMALL_BYTES, bytes - SMALL_BYTES, MADV_HUGEPAGE);
    return p;
}

int bk_arena_init(struct bk_arena *arena, uint64_t limit)
{
    *arena = (struct bk_arena){0};
    uint64_t most = (uint64_t)ARENA_LIMIT_GIB_MAX << 30;
    arena->limit = bk_min_u64(bk_max_u64(limit, 1 << BK_ARENA_PAGE_BITS), most);
    arena->reserved = round_up(arena->limit, 1 << BK_ARENA_PAGE_BITS);
    arena->base = reserve(arena->reserved);
    arena->mark = reserve(round_up(arena->reserved >> BK_ARENA_PAGE_BITS, 1 << BK_ARENA_PAGE_BITS));
    if (!arena->base || !arena->mark) {
        bk_arena_deinit(arena);
        return BK_ENOMEM;
    }
    struct bk_arena_root *root = root_write(arena);
    root->magic = ARENA_MAGIC;
    root->used = sizeof *root;
    return BK_OK;
}

void bk_arena_deinit(struct bk_arena *arena)
{
    BK_ASSERT(!arena->capture);
    uint64_t marks = round_up(arena->reserved >> BK_ARENA_PAGE_BITS, 1 << BK_ARENA_PAGE_BITS);
    if (arena->base) munmap(arena->base, arena->reserved);
    if (arena->mark) munmap(arena->mark, marks);
    *arena = (struct bk_arena){0};
}

uint8_t *bk_arena_image(struct bk_arena *arena, uint64_t bytes)
{
    bool fits = bytes >= sizeof(struct bk_arena_root) && bytes <= arena->limit;
    return fits ? arena->base : NULL;
}

bool bk_arena_is_whole(const struct bk_arena *arena, uint64_t bytes)
{
    const struct bk_arena_root *root = bk_arena_root(arena);
    return root->magic == ARENA_MAGIC && root->used == bytes && root->live <= bytes;
}

/* The class of a size, and the class's block size. */
static unsigned class_of(size_t size)
{
    size_t units = (size + BK_ARENA_UNIT - 1) / BK_ARENA_UNIT;
    if (units <= SMALL_CLASSES) return (unsigned)units - 1;
    unsigned top = 63u - (unsigned)__builtin_clzll(units - 1); /* 2^top <= units - 1 */
    unsigned quarter = (unsigned)((units - 1) >> (top - 2)) & 3;
    return SMALL_CLASSES + (top - 3) * 4 + quarter;
}

static size_t class_bytes(unsigned class)
{
    if (class < SMALL_CLASSES) return (size_t)(class + 1) * BK_ARENA_UNIT;
    unsigned top = (class - SMALL_CLASSES) / 4 + 3, quarter = (class - SMALL_CLASSES) % 4;
    return (((size_t)1 << top) + ((size_t)(quarter + 1) << (top - 2))) * BK_ARENA_UNIT;
}

size_t bk_arena_block_bytes(size_t size)
{
    return class_bytes(class_of(size));
}

/* Take the first block of the free list, if there is one. Only its first word is not zero. */
static bk_ref_t take_free(struct bk_arena *arena, struct bk_arena_root *root, unsigned class)
{
    bk_ref_t ref = root->free_head[class];
    if (!ref) return 0;
    uint32_t *block = bk_arena_write(arena, ref, sizeof *block);
    root->free_head[class] = *block;
    *block = 0;
    return ref;
}

static void give_free(struct bk_arena *arena, struct bk_arena_root *root, bk_ref_t ref,
                      unsigned class)
{
    uint32_t *block = bk_arena_write(arena, ref, sizeof *block);
    *block = root->free_head[class];
    root->free_head[class] = ref;
}

/* A run of free units becomes free blocks of the classes that fit. */
static void give_run(struct bk_arena *arena, struct bk_arena_root *root, uint64_t at,
                     uint64_t units)
{
    while (units) {
        unsigned fits = class_of(units * BK_ARENA_UNIT);
        if (fits >= BK_ARENA_CLASSES) fits = BK_ARENA_CLASSES - 1;
        while (class_bytes(fits) > units * BK_ARENA_UNIT) fits--;
        give_free(arena, root, (bk_ref_t)at, fits);
        at += class_bytes(fits) / BK_ARENA_UNIT;
        units -= class_bytes(fits) / BK_ARENA_UNIT;
    }
}

/* At the limit: cut the block from the next larger free one. */
static bk_ref_t take_split(struct bk_arena *arena, struct bk_arena_root *root, unsigned class)
{
    unsigned larger = class + 1;
    while (larger < BK_ARENA_CLASSES && !root->free_head[larger]) larger++;
    if (larger >= BK_ARENA_CLASSES) return 0;
    bk_ref_t ref = take_free(arena, root, larger);
    give_run(arena, root, ref + class_bytes(class) / BK_ARENA_UNIT,
             (class_bytes(larger) - class_bytes(class)) / BK_ARENA_UNIT);
    return ref;
}

/* ---- joining free neighbours ---- */

/* Worth its time only when there is something to join, and when much changed since the last time.
 * What it goes by is in the arena's own bytes: a state that was laid back decides alike. */
static bool is_worth_joining(const struct bk_arena *arena, const struct bk_arena_root *root)
{
    enum { FREE_SHARE = 16, FREED_SHARE = 256 };
    return root->used - root->live >= arena->limit / FREE_SHARE &&
           root->freed >= arena->limit / FREED_SHARE;
}

/* One bit a unit, set where it is free; the lists end empty and the blocks all zero. */
static void collect_free(struct bk_arena *arena, struct bk_arena_root *root, uint64_t *bits)
{
    for (unsigned class = 0; class < BK_ARENA_CLASSES; class ++) {
        bk_ref_t ref;
        while ((ref = take_free(arena, root, class)))
            for (uint64_t unit = ref; unit < ref + class_bytes(class) / BK_ARENA_UNIT; unit++)
                bits[unit / 64] |= (uint64_t)1 << unit % 64;
    }
}

/* Where the run of equal bits that ends before `top` begins. */
static uint64_t run_begin(const uint64_t *bits, uint64_t top, bool set)
{
    while (top) {
        uint64_t word = (top - 1) / 64;
        uint64_t others = set ? ~bits[word] : bits[word];
        if (top % 64) others &= ((uint64_t)1 << top % 64) - 1;
        if (others) return word * 64 + 64 - (uint64_t)__builtin_clzll(others);
        top = word * 64;
    }
    return 0;
}

/* From the end to the beginning, so that the lowest block of each class is taken first. */
static void give_runs(struct bk_arena *arena, struct bk_arena_root *root, const uint64_t *bits)
{
    uint64_t top = root->used / BK_ARENA_UNIT;
    while (top) {
        uint64_t end = run_begin(bits, top, false);
        top = run_begin(bits, end, true);
        give_run(arena, root, top, end - top);
    }
}

/* False: nothing changed. */
static bool join_free(struct bk_arena *arena, struct bk_arena_root *root)
{
    if (!is_worth_joining(arena, root)) return false;
    uint64_t bytes = root->used / BK_ARENA_UNIT / 8 + sizeof(uint64_t);
    void *bits = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (bits == MAP_FAILED) return false;
    collect_free(arena, root, bits);
    give_runs(arena, root, bits);
    munmap(bits, bytes);
    root->freed = 0;
    return true;
}

/* ---- blocks ---- */

/* From the free list, from the end of what is used, from a larger block; 0: from nowhere. */
static bk_ref_t take(struct bk_arena *arena, struct bk_arena_root *root, unsigned class)
{
    bk_ref_t ref = take_free(arena, root, class);
    if (!ref && root->used + class_bytes(class) <= arena->limit) {
        ref = (bk_ref_t)(root->used / BK_ARENA_UNIT);
        root->used += class_bytes(class);
    }
    return ref ? ref : take_split(arena, root, class);
}

bk_ref_t bk_arena_alloc(struct bk_arena *arena, size_t size)
{
    BK_ASSERT(size > 0);
    unsigned class = class_of(size);
    if (class >= BK_ARENA_CLASSES) return 0;
    struct bk_arena_root *root = root_write(arena);
    bk_ref_t ref = take(arena, root, class);
    if (!ref && join_free(arena, root)) ref = take(arena, root, class);
    if (!ref) return 0;
    root->live += class_bytes(class);
    return ref;
}

void bk_arena_free(struct bk_arena *arena, bk_ref_t ref, size_t size)
{
    unsigned class = class_of(size);
    struct bk_arena_root *root = root_write(arena);
    uint32_t *block = bk_arena_write(arena, ref, class_bytes(class));
    memset(block, 0, class_bytes(class));
    *block = root->free_head[class];
    root->free_head[class] = ref;
    root->live -= class_bytes(class);
    root->freed += class_bytes(class);
}

/* ---- tables ---- */

int bk_table_init(struct bk_table *table, uint32_t record_bytes, uint64_t limit)
{
    BK_ASSERT(record_bytes % BK_ARENA_UNIT == 0);
    table->record_bytes = record_bytes;
    table->first_bytes =
        (uint32_t)round_up(sizeof(struct bk_arena_root), 64); /* records keep to cache lines */
    int err = bk_arena_init(&table->arena, limit);
    if (err == BK_OK) root_write(&table->arena)->used = table->first_bytes;
    return err;
}

void bk_table_deinit(struct bk_table *table)
{
    bk_arena_deinit(&table->arena);
}

uint32_t bk_table_add(struct bk_table *table)
{
    struct bk_arena_root *root = root_write(&table->arena);
    uint32_t number = root->free_head[0];
    if (number) {
        uint32_t *record = bk_table_write(table, number);
        root->free_head[0] = *record;
        *record = 0;
    } else {
        if (root->used + table->record_bytes > table->arena.limit) return 0;
        root->used += table->record_bytes;
        number = bk_table_top(table);
    }
    root->live += table->record_bytes;
    return number;
}

void bk_table_remove(struct bk_table *table, uint32_t number)
{
    struct bk_arena_root *root = root_write(&table->arena);
    uint32_t *record = bk_table_write(table, number);
    memset(record, 0, table->record_bytes);
    *record = root->free_head[0];
    root->free_head[0] = number;
    root->live -= table->record_bytes;
}
