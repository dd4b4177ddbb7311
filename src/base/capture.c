/* capture.c -- pages copied aside before their first change: see capture.h.
 *
 * PAGE STATES (arena->mark, one byte a page)
 *   FREE     not captured, or read, or copied aside: the owner changes it as it likes
 *   PENDING  captured and neither read nor changed yet
 *   CLAIMED  the reader is copying it: an owner who wants to change it waits for that memcpy
 * SLOTS
 *   Copies live in slots of one page. Their numbers go round in a ring: the owner takes from its
 *   head, the reader puts back at its tail, so neither needs a lock. copies[page] names the slot of
 *   a page copied aside, and is written before the page becomes FREE.
 */
#include "basketry/capture.h"

#include <stdlib.h>
#include <sys/mman.h>

enum { PAGE = 1 << BK_ARENA_PAGE_BITS, FREE = 0, PENDING = 1, CLAIMED = 2 };

#define NO_SLOT UINT32_MAX

struct bk_capture {
    uint8_t *pages; /* slots */
    uint32_t *ring; /* slot numbers that are free, from head to tail */
    uint32_t slots;
    uint32_t head; /* owner's: slots taken so far */
    uint32_t tail; /* reader's: slots put back so far, and `slots` at the start */
    bool lost;
};

static uint64_t pages_of(uint64_t bytes)
{
    return (bytes + PAGE - 1) >> BK_ARENA_PAGE_BITS;
}

static void *reserve(uint64_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

struct bk_capture *bk_capture_create(uint64_t copy_bytes_max)
{
    struct bk_capture *capture = calloc(1, sizeof *capture);
    if (!capture) return NULL;
    capture->slots = (uint32_t)bk_min_u64(bk_max_u64(copy_bytes_max / PAGE, 1), NO_SLOT - 1);
    capture->pages = reserve((uint64_t)capture->slots * PAGE);
    capture->ring = malloc(capture->slots * sizeof *capture->ring);
    if (!capture->pages || !capture->ring) {
        bk_capture_destroy(&capture);
        return NULL;
    }
    for (uint32_t slot = 0; slot < capture->slots; slot++) capture->ring[slot] = slot;
    capture->tail = capture->slots;
    return capture;
}

void bk_capture_destroy(struct bk_capture **capture)
{
    if (!*capture) return;
    if ((*capture)->pages) munmap((*capture)->pages, (uint64_t)(*capture)->slots * PAGE);
    free((*capture)->ring);
    free(*capture);
    *capture = NULL;
}

/* ---- the owner ---- */

int bk_capture_add(struct bk_capture *capture, struct bk_arena *arena)
{
    BK_ASSERT(!arena->capture);
    uint64_t bytes = bk_arena_bytes(arena), pages = pages_of(bytes);
    uint32_t *copies = reserve(pages * sizeof *copies);
    if (!copies) return BK_ENOMEM;
    arena->copies = copies;
    arena->captured = bytes;
    arena->capture = capture;
    memset(arena->mark, PENDING, pages);
    return BK_OK;
}

uint64_t bk_capture_bytes(const struct bk_arena *arena)
{
    return arena->captured;
}

void bk_capture_end(struct bk_capture *capture, struct bk_arena *arena)
{
    BK_ASSERT(arena->capture == capture);
    memset(arena->mark, FREE, pages_of(arena->captured));
    munmap(arena->copies, pages_of(arena->captured) * sizeof *arena->copies);
    arena->copies = NULL;
    arena->captured = 0;
    arena->capture = NULL;
}

static uint32_t slot_take(struct bk_capture *capture)
{
    if (capture->head == __atomic_load_n(&capture->tail, __ATOMIC_ACQUIRE)) return NO_SLOT;
    return capture->ring[capture->head++ % capture->slots];
}

/* The page is ours: no reader claims it any more. */
static void copy_aside(struct bk_capture *capture, struct bk_arena *arena, uint64_t page)
{
    uint32_t slot = slot_take(capture);
    if (slot == NO_SLOT)
        __atomic_store_n(&capture->lost, true, __ATOMIC_RELEASE);
    else
        memcpy(capture->pages + (uint64_t)slot * PAGE, arena->base + page * PAGE, PAGE);
    arena->copies[page] = slot;
}

void bk__arena_before_change(struct bk_arena *arena, uint64_t page)
{
    uint8_t was = PENDING;
    /* CLAIMED stands for "somebody copies it", be it the reader or, here, the owner itself. */
    if (__atomic_compare_exchange_n(&arena->mark[page], &was, CLAIMED, false, __ATOMIC_ACQUIRE,
                                    __ATOMIC_ACQUIRE)) {
        copy_aside(arena->capture, arena, page);
        __atomic_store_n(&arena->mark[page], FREE, __ATOMIC_RELEASE);
        return;
    }
    while (__atomic_load_n(&arena->mark[page], __ATOMIC_ACQUIRE) != FREE) {
    }
}

void bk_capture_give_up(struct bk_capture *capture)
{
    __atomic_store_n(&capture->lost, true, __ATOMIC_RELEASE);
}

uint64_t bk_capture_copies(const struct bk_capture *capture)
{
    uint32_t tail = __atomic_load_n(&capture->tail, __ATOMIC_ACQUIRE);
    return (uint64_t)(capture->slots - (tail - capture->head)) * PAGE;
}

uint64_t bk_capture_copies_max(const struct bk_capture *capture)
{
    return (uint64_t)capture->slots * PAGE;
}

bool bk_capture_is_lost(const struct bk_capture *capture)
{
    return __atomic_load_n(&capture->lost, __ATOMIC_ACQUIRE);
}

/* ---- the reader ---- */

static void slot_put(struct bk_capture *capture, uint32_t slot)
{
    capture->ring[capture->tail % capture->slots] = slot;
    __atomic_store_n(&capture->tail, capture->tail + 1, __ATOMIC_RELEASE);
}

/* True when the page was still untouched and has been copied to `out`. */
static bool read_claimed(struct bk_arena *arena, uint64_t page, size_t len, uint8_t *out)
{
    uint8_t was = PENDING;
    if (!__atomic_compare_exchange_n(&arena->mark[page], &was, CLAIMED, false, __ATOMIC_ACQUIRE,
                                     __ATOMIC_ACQUIRE))
        return false;
    memcpy(out, arena->base + page * PAGE, len);
    __atomic_store_n(&arena->mark[page], FREE, __ATOMIC_RELEASE);
    return true;
}

static bool read_copied(struct bk_capture *capture, struct bk_arena *arena, uint64_t page,
                        size_t len, uint8_t *out)
{
    while (__atomic_load_n(&arena->mark[page], __ATOMIC_ACQUIRE) != FREE) {
    } /* the owner is copying it aside */
    uint32_t slot = arena->copies[page];
    if (slot == NO_SLOT) return false;
    memcpy(out, capture->pages + (uint64_t)slot * PAGE, len);
    slot_put(capture, slot);
    return true;
}

bool bk_capture_read(struct bk_capture *capture, struct bk_arena *arena, uint64_t at, size_t len,
                     uint8_t *out)
{
    BK_ASSERT(at % PAGE == 0 && at + len <= arena->captured);
    for (uint64_t page = at >> BK_ARENA_PAGE_BITS; len; page++) {
        size_t part = len < PAGE ? len : PAGE;
        if (!read_claimed(arena, page, part, out) && !read_copied(capture, arena, page, part, out))
            return false;
        out += part;
        len -= part;
    }
    return !bk_capture_is_lost(capture);
}
