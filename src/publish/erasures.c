/* erasures.c -- a ring of erasures by number.
 *
 * IDEA        They are asked for in the order of the log and end in any order; what is done at the
 *             ring's front makes room.
 * INVARIANTS  first <= made + 1; the erasure at `first` is not done; slots outside first .. made
 *             are zero, and so is one that is done: the id goes with it.
 * BOUND       The owner rests its intake (lists.waiting_max); the ring grows, for losing an
 *             erasure is worse than any size.
 * COST        150 bytes each; asking and ending are O(1) in the mean.
 */
#include "erasures.h"

#include <stdlib.h>

enum { CAP_MIN = 16 };

static struct bk__erasure *slot_of(const struct bk__erasures *erasures, uint64_t number)
{
    return &erasures->ring[number & (erasures->cap - 1)];
}

void bk__erasures_deinit(struct bk__erasures *erasures)
{
    free(erasures->ring);
    *erasures = (struct bk__erasures){0};
}

static void grow(struct bk__erasures *erasures)
{
    struct bk__erasures grown = *erasures;
    grown.cap = erasures->cap ? 2 * erasures->cap : CAP_MIN;
    grown.ring = calloc(grown.cap, sizeof *grown.ring);
    BK_ASSERT(grown.ring);
    for (uint64_t number = erasures->first; number && number <= erasures->made; number++)
        *slot_of(&grown, number) = *slot_of(erasures, number);
    if (!grown.first) grown.first = 1;
    free(erasures->ring);
    *erasures = grown;
}

void bk__erasures_ask(struct bk__erasures *erasures, bk_str_t subject, uint32_t contexts)
{
    if (!erasures->cap || erasures->made + 1 - erasures->first == erasures->cap) grow(erasures);
    struct bk__erasure *erasure = slot_of(erasures, ++erasures->made);
    *erasure = (struct bk__erasure){
        .number = erasures->made, .contexts = contexts, .id_len = (uint8_t)subject.len};
    memcpy(erasure->id, subject.p, subject.len);
    erasures->waiting++;
}

struct bk__erasure *bk__erasures_from(struct bk__erasures *erasures, uint64_t number)
{
    for (number = bk_max_u64(number, erasures->first); number <= erasures->made; number++)
        if (erasures->waiting && slot_of(erasures, number)->number)
            return slot_of(erasures, number);
    return NULL;
}

struct bk__erasure *bk__erasures_of(struct bk__erasures *erasures, uint32_t number_low)
{
    uint64_t number = erasures->first + (uint32_t)(number_low - (uint32_t)erasures->first);
    struct bk__erasure *erasure = slot_of(erasures, number);
    BK_ASSERT(erasure->number == number);
    return erasure;
}

void bk__erasures_done(struct bk__erasures *erasures, struct bk__erasure *erasure)
{
    *erasure = (struct bk__erasure){0};
    erasures->waiting--;
    while (erasures->first <= erasures->made && !slot_of(erasures, erasures->first)->number)
        erasures->first++;
}

struct bk_promises bk__erasures_promises(const struct bk__erasures *erasures)
{
    uint64_t kept = erasures->waiting ? erasures->first - 1 : erasures->made;
    return (struct bk_promises){.made = erasures->made, .kept = kept};
}
