/* store.h -- which plan reads which schema id or GUID.
 *
 * Bounded by BK_SCHEMAS_MAX, never shrinks: ids are immutable in a registry, so there is nothing to
 * evict for. A look-up is one hash probe; adding compiles.
 */
#ifndef BK_DECODE_STORE_H
#define BK_DECODE_STORE_H

#include "plan.h"

#include "basketry/decode.h"

enum { BK__GUID_BYTES = 16, BK__SLOTS = 2 * BK_SCHEMAS_MAX };

struct bk__entry {
    uint32_t id;
    bool has_guid;
    uint8_t guid[BK__GUID_BYTES];
    uint64_t text_hash; /* of the writer's text: an id keeps its meaning */
    struct bk__plan plan;
};

struct bk__store {
    /* ours, by kind; plans borrow default texts from them */
    struct bk__schema readers[BK_EVENT_KIND_COUNT];
    uint32_t count;
    uint16_t by_id[BK__SLOTS]; /* open addressing, entry + 1; 0: empty */
    uint16_t by_guid[BK__SLOTS];
    struct bk__entry entries[BK_SCHEMAS_MAX];
};

/** Teach the store the built-in schemas. Storage is the caller's and zeroed. */
int bk__store_init(struct bk__store *store, struct bk_reason *reason);
void bk__store_deinit(struct bk__store *store);

/** Add one writer schema; `guid` is text or "". 0 | BK_EINVAL | BK_ELIMIT | BK_ENOMEM, as
 * bk_decoder_schema_add. */
int bk__store_add(struct bk__store *store, uint32_t id, const char *guid, const char *text,
                  size_t len, struct bk_reason *reason);
/** Add all that `dir`/ids.tsv names. */
int bk__store_add_folder(struct bk__store *store, const char *dir, struct bk_reason *reason);

/** NULL when not known. */
const struct bk__plan *bk__store_by_id(const struct bk__store *store, uint32_t id);
const struct bk__plan *bk__store_by_guid(const struct bk__store *store,
                                         const uint8_t guid[BK__GUID_BYTES]);

#endif
