/* refusals.h -- memory that is refused once, at every place in turn.
 *
 *   for n = 1, 2, ...: a child process plays a scenario in which the n-th request is refused
 *
 * A scenario ends by itself: what it asked for was done, or refused with a code, and in both cases
 * nothing is left behind. What a crash, a failed refusals_must or a block that nobody freed says of
 * request n fails the test. Counted are the requests of Basketry's own objects (the linker wraps
 * their calls: see tests/CMakeLists.txt), between refusals_begin and refusals_end, in one thread.
 */
#ifndef BASKETRY_TESTS_REFUSALS_H
#define BASKETRY_TESTS_REFUSALS_H

#include "basketry/base.h"

enum refusals_kind {
    REFUSALS_HEAP = 1,  /* malloc, calloc, realloc, strdup, strndup, mmap                      */
    REFUSALS_ARENA = 2, /* bk_arena_alloc, bk_table_add: the arenas' limits                    */
};

/** Is the linker's wrapping there? (Not when the link is optimised as a whole.) */
bool refusals_work(void);
/** Count and refuse from here on; a scenario may do so several times. */
void refusals_begin(void);
void refusals_end(void);
/** Was a request refused in this child? */
bool refusals_happened(void);
/** The condition, or this child says the text and ends. */
void refusals_must(bool condition, const char *format, ...) BK_PRINTF(2, 3);
/** Play it for each n of the first and last hundred requests and for every stride-th between; a
 *  failure fails the running test. Returns how many were refused. Where Basketry stops at one of
 *  the assertions `stops` (NULL: none; ends with a NULL) it means to. */
unsigned refusals_sweep(enum refusals_kind kind, const char *name, void (*play)(void),
                        unsigned stride, const char *const *stops);

#endif
