/* pool.h -- memory that is freed all at once: the nodes of a schema, the texts of a plan.
 *
 * Used at start-up and when a schema is added, never while records are decoded. `struct bk__pool p
 * = {0}` is ready for use.
 */
#ifndef BK_DECODE_POOL_H
#define BK_DECODE_POOL_H

#include <stddef.h>

struct bk__pool_block;
struct bk__pool {
    struct bk__pool_block *blocks;
};

/** Zeroed bytes, aligned for any type; NULL when memory is out. */
void *bk__pool_take(struct bk__pool *pool, size_t bytes);
/** A copy of a C string, or NULL. */
const char *bk__pool_text(struct bk__pool *pool, const char *text);
void bk__pool_deinit(struct bk__pool *pool);

#endif
