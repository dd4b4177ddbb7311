/* capture.h -- the bytes of several arenas as they were at one instant, read by one thread while
 * their owner goes on writing.
 *
 * THE IDEA
 *   bk_capture_add marks every page that an arena uses as pending. From then on the owner's one
 *   door for changes (bk_arena_touch) copies a pending page aside before its first change, and the
 *   reader takes each page either from there or, claimed for the length of a memcpy, from the arena
 *   itself. Nobody stops, and what is copied is only what changes before the reader came by.
 *
 *      loop thread:   add ... touch: pending -> copied aside -> free to change ... end
 *      reader:                read: pending -> claimed -> read -> free to change
 *
 * BOUND
 *   The copies that wait for the reader take at most the bytes given at creation. When they are
 *   used up the capture is over (bk_capture_is_lost) and the owner loses nothing: who captures
 *   tries again. The owner sees it coming (bk_capture_copies) and can rest.
 * COST
 *   While nothing is captured one load and one branch a page touched; a first touch while capturing
 *   a 4 KiB copy, about 1 us.
 */
#ifndef BASKETRY_CAPTURE_H
#define BASKETRY_CAPTURE_H

#include "basketry/arena.h"

#ifdef __cplusplus
extern "C" {
#endif

struct bk_capture;

/** A capture of no arenas yet. `copy_bytes_max` bounds the pages kept aside (at least one).
 *  NULL: no memory. The memory is touched only as far as it is used. */
struct bk_capture *bk_capture_create(uint64_t copy_bytes_max);
/** No arena may be captured any more. Sets *capture to NULL. */
void bk_capture_destroy(struct bk_capture **capture);

/** Capture an arena as it is now, for the reader to take from the next synchronisation between the
 *  two threads on. The arena outlives the capture. Owner's thread. 0 or BK_ENOMEM. */
BK_MUST_CHECK int bk_capture_add(struct bk_capture *capture, struct bk_arena *arena);
/** Bytes of the arena at that instant: what may be read. */
uint64_t bk_capture_bytes(const struct bk_arena *arena);
/** Copy bytes [at, at + len) of the instant to `out`; `at` is a multiple of the page size, and each
 *  page is read once. False when the capture is lost. Reader's thread. */
bool bk_capture_read(struct bk_capture *capture, struct bk_arena *arena, uint64_t at, size_t len,
                     uint8_t *out);
/** Let the arena go, read or not. Owner's thread, when the reader is done with it. */
void bk_capture_end(struct bk_capture *capture, struct bk_arena *arena);

/** The capture is over before its time: reading fails from now on. Any thread. */
void bk_capture_give_up(struct bk_capture *capture);

/** Bytes kept aside now, and their bound. Owner's thread. */
uint64_t bk_capture_copies(const struct bk_capture *capture);
uint64_t bk_capture_copies_max(const struct bk_capture *capture);
/** The bound was met, a page changed that nobody had read; or it was given up. Any thread. */
bool bk_capture_is_lost(const struct bk_capture *capture);

#ifdef __cplusplus
}
#endif
#endif
