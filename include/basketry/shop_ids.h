/* shop_ids.h -- ids as numbers: each distinct id is kept once and numbered 1, 2, 3 ... in
 * order of arrival.
 *
 * What the readers of data files hold ids in, so that a row takes a few integers. `struct bk_shop_ids
 * ids = {0}` is ready for use; all memory is the heap's and is given back by deinit.
 */
#ifndef BASKETRY_SHOP_IDS_H
#define BASKETRY_SHOP_IDS_H

#include "basketry/base.h"

struct bk_shop_ids_entry {
    uint64_t hash;
    uint64_t at; /* of its first byte in `bytes` */
    uint32_t len;
};

struct bk_shop_ids {
    char *bytes;
    size_t bytes_used, bytes_cap;
    struct bk_shop_ids_entry *entry; /* number - 1 */
    uint32_t count, cap;
    uint32_t *slot; /* numbers by hash, 0 = free; a power of two, at most half full */
    uint32_t slot_count;
};

void bk_shop_ids_deinit(struct bk_shop_ids *ids);
/** The id's number, a fresh one when it is new; 0 when memory is out. The bytes are copied. */
uint32_t bk_shop_ids_add(struct bk_shop_ids *ids, bk_str_t id);
/** The id's number, or 0. */
uint32_t bk_shop_ids_find(const struct bk_shop_ids *ids, bk_str_t id);
/** The id of a number that was handed out; borrowed until the next add. */
bk_str_t bk_shop_ids_text(const struct bk_shop_ids *ids, uint32_t number);
/** Heap bytes held. */
uint64_t bk_shop_ids_bytes(const struct bk_shop_ids *ids);

/** Make room for one more element in an array that doubles; false when memory is out. For the
 * readers' other arrays. */
bool bk_shop_grow(void **array, size_t count, size_t *cap, size_t element_bytes);

#endif
