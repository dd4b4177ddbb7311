/* shop_ids.c -- see shop_ids.h: open addressing over one run of bytes, doubled when half
 * full. */
#include "basketry/shop_ids.h"

#include <stdlib.h>

enum { SLOTS_MIN = 64, BYTES_MIN = 4096, ENTRIES_MIN = 32 };

void bk_shop_ids_deinit(struct bk_shop_ids *ids)
{
    free(ids->bytes);
    free(ids->entry);
    free(ids->slot);
    *ids = (struct bk_shop_ids){0};
}

bool bk_shop_grow(void **array, size_t count, size_t *cap, size_t element_bytes)
{
    if (count < *cap) return true;
    size_t wanted = *cap ? *cap * 2 : ENTRIES_MIN;
    if (wanted > SIZE_MAX / element_bytes) return false;
    void *grown = realloc(*array, wanted * element_bytes);
    if (!grown) return false;
    *array = grown;
    *cap = wanted;
    return true;
}

/* The slot that holds the id, or the free one where it would go. The table must have slots. */
static uint32_t *find_slot(const struct bk_shop_ids *ids, bk_str_t id, uint64_t hash)
{
    uint32_t mask = ids->slot_count - 1;
    for (uint32_t at = (uint32_t)hash & mask;; at = (at + 1) & mask) {
        uint32_t number = ids->slot[at];
        if (!number) return &ids->slot[at];
        const struct bk_shop_ids_entry *entry = &ids->entry[number - 1];
        if (entry->hash == hash && bk_str_eq(bk_shop_ids_text(ids, number), id))
            return &ids->slot[at];
    }
}

static bool grow_slots(struct bk_shop_ids *ids)
{
    if (ids->count < ids->slot_count / 2) return true;
    uint32_t count = ids->slot_count ? ids->slot_count * 2 : SLOTS_MIN;
    uint32_t *slot = count ? calloc(count, sizeof *slot) : NULL;
    if (!slot) return false;
    for (uint32_t number = 1; number <= ids->count; number++) {
        uint32_t at = (uint32_t)ids->entry[number - 1].hash & (count - 1);
        while (slot[at]) at = (at + 1) & (count - 1);
        slot[at] = number;
    }
    free(ids->slot);
    ids->slot = slot;
    ids->slot_count = count;
    return true;
}

static bool grow_bytes(struct bk_shop_ids *ids, size_t more)
{
    size_t cap = ids->bytes_cap ? ids->bytes_cap : BYTES_MIN;
    while (cap - ids->bytes_used < more) {
        if (cap > SIZE_MAX / 2) return false;
        cap *= 2;
    }
    if (cap == ids->bytes_cap) return true;
    char *grown = realloc(ids->bytes, cap);
    if (!grown) return false;
    ids->bytes = grown;
    ids->bytes_cap = cap;
    return true;
}

static bool grow_entries(struct bk_shop_ids *ids)
{
    size_t cap = ids->cap;
    void *entry = ids->entry;
    if (!bk_shop_grow(&entry, ids->count, &cap, sizeof *ids->entry) || cap > UINT32_MAX / 4)
        return false;
    ids->entry = entry;
    ids->cap = (uint32_t)cap;
    return true;
}

uint32_t bk_shop_ids_add(struct bk_shop_ids *ids, bk_str_t id)
{
    if (!grow_slots(ids)) return 0;
    uint64_t hash = bk_hash(id.p, id.len);
    uint32_t *slot = find_slot(ids, id, hash);
    if (*slot) return *slot;
    if (!grow_entries(ids) || !grow_bytes(ids, id.len)) return 0;
    if (id.len) memcpy(ids->bytes + ids->bytes_used, id.p, id.len);
    ids->entry[ids->count] = (struct bk_shop_ids_entry){hash, ids->bytes_used, id.len};
    ids->bytes_used += id.len;
    *slot = ++ids->count;
    return *slot;
}

uint32_t bk_shop_ids_find(const struct bk_shop_ids *ids, bk_str_t id)
{
    if (!ids->slot_count) return 0;
    return *find_slot(ids, id, bk_hash(id.p, id.len));
}

bk_str_t bk_shop_ids_text(const struct bk_shop_ids *ids, uint32_t number)
{
    BK_ASSERT(number >= 1 && number <= ids->count);
    const struct bk_shop_ids_entry *entry = &ids->entry[number - 1];
    return bk_str(ids->bytes + entry->at, entry->len);
}

uint64_t bk_shop_ids_bytes(const struct bk_shop_ids *ids)
{
    return ids->bytes_cap + (uint64_t)ids->cap * sizeof *ids->entry +
           (uint64_t)ids->slot_count * sizeof *ids->slot;
}
