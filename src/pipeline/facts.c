/* facts.c -- what products are is what their topic says, and what it does not say any more is not so.
 *
 * THE IDEA
 *   A compacted topic forgets a tombstone after a while. Who was stopped that long never reads it. But
 *   the topic is read whole at each start, so a product it did not name has none of its facts left
 *   when it was read to its end. What shoppers did with the item stays.
 * INVARIANTS
 *   I1 only a read of all partitions from their beginnings to their ends forgets anything, and only
 *   from a source that has the whole topic. I2 a key is named by a record that cannot be used, too: its
 *   product keeps what was known.
 * COST  a bit an item; a look at each once a read.
 */
#include "internal.h"

#include <stdlib.h>

static void begin_reading(struct bk_pipeline *pl)
{
    size_t bytes = (size_t)pl->engine.params.items_max / 8 + 1;
    free(pl->facts.named);
    pl->facts.named = calloc(bytes, 1); /* NULL: nothing is forgotten */
    pl->facts.ended = 0;
}

void bk__facts_assigned(struct bk_pipeline *pl)
{
    if (!pl->facts.assigned++) begin_reading(pl);
}

void bk__facts_revoked(struct bk_pipeline *pl)
{
    pl->facts.assigned--;
    free(pl->facts.named);
    pl->facts.named = NULL; /* what was read is not all of it */
}

void bk__facts_name(struct bk_pipeline *pl, bk_str_t key)
{
    if (!pl->facts.named) return;
    uint32_t item = bk_item_find(&pl->engine.shared, key);
    pl->facts.named[item / 8] |= (uint8_t)(1u << item % 8);
}

static bool is_named(const struct bk_pipeline *pl, uint32_t item)
{
    return pl->facts.named[item / 8] >> item % 8 & 1;
}

static bool has_facts(const struct bk_item *item)
{
    return item->facts || item->variant || item->price_minor != BK_NULL_I64;
}

static void forget_the_others(struct bk_pipeline *pl)
{
    struct bk_shared *shared = &pl->engine.shared;
    const struct bk_event gone = {.kind = BK_EVENT_PRODUCT, .tombstone = true};
    uint32_t top = bk_table_top(&shared->items), forgotten = 0;
    for (uint32_t item = 1; item <= top; item++) {
        if (is_named(pl, item) || !has_facts(bk_item(shared, item))) continue;
        bk_apply_product(&pl->engine, bk_item_id(shared, item), &gone);
        forgotten++;
    }
    if (forgotten)
        bk_log_info("pipeline", "products_forgotten count=%u reason=\"%s does not name them\"",
                    forgotten, pl->cfg.kafka_topic_products);
}

void bk__facts_ended(struct bk_pipeline *pl)
{
    if (!pl->facts.named || ++pl->facts.ended < pl->facts.assigned) return;
    if (pl->source->ops->has_whole_facts) forget_the_others(pl);
    free(pl->facts.named);
    pl->facts.named = NULL;
}
