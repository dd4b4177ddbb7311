/* lay.c -- the data of a file, laid into memory by several threads side by side.
 *
 * THE IDEA
 *   What a restart waits for is the kernel handing out zeroed pages, and after it the copy and the
 *   check of each byte; the blocks of a file go to places that do not touch, so any number of
 *   threads may do all three at once. The heads were read before, by one (load.c): here is a list.
 * INVARIANTS
 *   I1 blocks are taken in the order of the file, and nobody takes one after a failure was seen:
 *      all before the first bad one were looked at, so the same file gives the same error always.
 *   I2 the caller takes part: where no thread is to be had it does everything itself.
 * COST  a thread for every BLOCKS_A_THREAD blocks, at most one a processor.
 */
#include "format.h"

#include <pthread.h>
#include <unistd.h>

enum { THREADS_MAX = 16, BLOCKS_A_THREAD = 8 };

struct lay {
    const struct bkc_in *in;
    const struct bkc_lay *blocks;
    size_t count;
    size_t next;      /* atomic: the block to be taken */
    size_t first_bad; /* atomic: the first block that failed; `count`: none */
};

/* Exactly the block's bytes, and the check they were written with. */
static int lay_block(const struct bkc_in *file, const struct bkc_lay *block,
                     struct bk_reason *reason)
{
    struct bkc_in in = {file->file, file->name, block->from, reason};
    int err = bkc_take(&in, block->to, block->len);
    if (err != BK_OK) return err;
    return bk_crc32c(0, block->to, block->len) == block->crc
               ? BK_OK
               : bkc_corrupt(&in, "the data's check does not fit");
}

static void note_bad(struct lay *lay, size_t block)
{
    size_t seen = __atomic_load_n(&lay->first_bad, __ATOMIC_RELAXED);
    while (block < seen && !__atomic_compare_exchange_n(&lay->first_bad, &seen, block, false,
                                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        ;
}

static void *lay_some(void *arg)
{
    struct lay *lay = arg;
    struct bk_reason unread; /* who gives the reason is decided by the order of the file */
    while (__atomic_load_n(&lay->first_bad, __ATOMIC_RELAXED) == lay->count) {
        size_t block = __atomic_fetch_add(&lay->next, 1, __ATOMIC_RELAXED);
        if (block >= lay->count) break;
        if (lay_block(lay->in, &lay->blocks[block], &unread) != BK_OK) note_bad(lay, block);
    }
    return NULL;
}

static size_t helpers_for(size_t blocks)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    size_t most = processors > THREADS_MAX ? THREADS_MAX : processors > 1 ? (size_t)processors : 1;
    size_t useful = blocks / BLOCKS_A_THREAD;
    return (useful < most ? useful : most) - (useful > 0);
}

int bkc_lay_all(const struct bkc_in *in, const struct bkc_lay *blocks, size_t count)
{
    struct lay lay = {.in = in, .blocks = blocks, .count = count, .first_bad = count};
    pthread_t helpers[THREADS_MAX];
    size_t started = 0, wanted = helpers_for(count);
    while (started < wanted && pthread_create(&helpers[started], NULL, lay_some, &lay) == 0)
        started++;
    lay_some(&lay);
    for (size_t i = 0; i < started; i++) pthread_join(helpers[i], NULL);
    if (lay.first_bad == count) return BK_OK;
    int err = lay_block(in, &blocks[lay.first_bad], in->reason); /* once more, to say what it is */
    return err != BK_OK ? err : bkc_corrupt(in, "what is read is not the same twice");
}
