/* arena.c -- the reserved range, its size classes, and tables of equal records.
 *
 * LAYOUT   | bk_arena_root | block | block | ...      blocks are multiples of 16 bytes
 * CLASSES  class c < 8 is 16 * (c + 1) bytes; then four per doubling: 160 192 224 256 320 384 ...
 * COST     alloc and free: a list head and the block's first word; free also zeroes the block.
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

/* At the limit: cut the block from the next larger free one; what is over becomes free blocks of
 * the classes that fit. */
static bk_ref_t take_split(struct bk_arena *arena, struct bk_arena_root *root, unsigned class)
{
    unsigned larger = class + 1;
    while (larger < BK_ARENA_CLASSES && !root->free_head[larger]) larger++;
    if (larger >= BK_ARENA_CLASSES) return 0;
    bk_ref_t ref = take_free(arena, root, larger);
    bk_ref_t rest = ref + (bk_ref_t)(class_bytes(class) / BK_ARENA_UNIT);
    size_t units = (class_bytes(larger) - class_bytes(class)) / BK_ARENA_UNIT;
    while (units) {
        unsigned fits = class_of(units * BK_ARENA_UNIT);
        while (class_bytes(fits) > units * BK_ARENA_UNIT) fits--;
        give_free(arena, root, rest, fits);
        rest += (bk_ref_t)(class_bytes(fits) / BK_ARENA_UNIT);
        units -= class_bytes(fits) / BK_ARENA_UNIT;
    }
    return ref;
}

bk_ref_t bk_arena_alloc(struct bk_arena *arena, size_t size)
{
    BK_ASSERT(size > 0);
    unsigned class = class_of(size);
    if (class >= BK_ARENA_CLASSES) return 0;
    struct bk_arena_root *root = root_write(arena);
    bk_ref_t ref = take_free(arena, root, class);
    if (!ref && root->used + class_bytes(class) <= arena->limit) {
        ref = (bk_ref_t)(root->used / BK_ARENA_UNIT);
        root->used += class_bytes(class);
    }
    if (!ref) ref = take_split(arena, root, class);
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
