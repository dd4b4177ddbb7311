/* pool.c -- a list of heap blocks with one end. */
#include "pool.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

struct bk__pool_block {
    struct bk__pool_block *next;
    alignas(max_align_t) unsigned char bytes[];
};

void *bk__pool_take(struct bk__pool *pool, size_t bytes)
{
    struct bk__pool_block *block = calloc(1, sizeof *block + bytes);
    if (!block) return NULL;
    block->next = pool->blocks;
    pool->blocks = block;
    return block->bytes;
}

const char *bk__pool_text(struct bk__pool *pool, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = bk__pool_take(pool, size);
    if (copy) memcpy(copy, text, size);
    return copy;
}

void bk__pool_deinit(struct bk__pool *pool)
{
    while (pool->blocks) {
        struct bk__pool_block *next = pool->blocks->next;
        free(pool->blocks);
        pool->blocks = next;
    }
}
