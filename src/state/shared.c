/* shared.c -- the items everybody shares: interning, facts, what waits, and room for rows.
 *
 * LAYOUT
 *   items and hot are two tables with the same numbers: cold identity and rows here, what scoring
 *   reads there.
 * BUDGET
 *   The tables of items take what items_max allows (at most a third of shared's bytes), that of
 *   posted sessions and receipts an eighth (postings.c), the heap the rest.
 *   When the heap is full the rows and postings of items that were not touched since the hand last
 *   came by are dropped (second chance), counted, and shared is lossy.
 */
#include "internal.h"

static uint32_t *item_link(void *arg, uint32_t number, bool write)
{
    struct bk_shared *shared = arg;
    return write ? &bk__item(shared, number)->hash
                 : (uint32_t *)(uintptr_t)&bk_item(shared, number)->hash;
}

int bk__shared_init(struct bk_engine *engine, uint64_t bytes)
{
    struct bk_shared *shared = &engine->shared;
    const struct bk_state_params *params = &engine->params;
    uint64_t record = sizeof(struct bk_item) + sizeof(struct bk_item_hot) + 2 * sizeof(uint32_t);
    uint64_t items = bk_min_u64(params->items_max, bytes / 3 / record) + 2;
    uint64_t posted = bytes / 8, totals = 8192, slack = 4096;
    uint64_t others = items * record + posted + totals + 3 * slack;
    if (bytes < others + slack) return BK_ENOMEM;
    int err = bk_table_init(&shared->items, sizeof(struct bk_item),
                            items * sizeof(struct bk_item) + slack);
    if (err == BK_OK)
        err = bk_table_init(&shared->hot, sizeof(struct bk_item_hot),
                            items * sizeof(struct bk_item_hot) + slack);
    if (err == BK_OK) err = bk_table_init(&shared->posted, sizeof(struct bk_posted), posted);
    if (err == BK_OK)
        err =
            bk_index_init(&shared->index, items * 2 * sizeof(uint32_t) + slack, item_link, shared);
    if (err == BK_OK) err = bk_arena_init(&shared->heap, bytes - others);
    if (err == BK_OK) err = bk_arena_init(&shared->totals, totals);
    if (err != BK_OK) return err;
    bk_ref_t ref = bk_arena_alloc(&shared->totals, sizeof(struct bk_shared_totals));
    return ref == BK_ARENA_FIRST ? BK_OK : BK_ENOMEM;
}

void bk__shared_deinit(struct bk_shared *shared)
{
    bk_table_deinit(&shared->items);
    bk_table_deinit(&shared->hot);
    bk_table_deinit(&shared->posted);
    bk_index_deinit(&shared->index);
    bk_arena_deinit(&shared->heap);
    bk_arena_deinit(&shared->totals);
}

/* ---- room ---- */

/* Rows and postings of one item; false when it had none. */
static bool drop_rows(struct bk_engine *engine, uint32_t number)
{
    struct bk_shared *shared = &engine->shared;
    struct bk_item *item = bk__item(shared, number);
    uint32_t dropped = bk__postings_drop(engine, number);
    for (int kind = 0; kind < BK_PAIR_KIND_COUNT; kind++) {
        if (!item->rows[kind]) continue;
        bk_map_drop(&shared->heap, &item->rows[kind]);
        item->flags |= (uint8_t)(BK_ITEM_FORGOT << kind);
        dropped++;
    }
    bk__count_shared(engine, BK_STATE_ROWS_EVICTED, dropped);
    bk__totals(shared)->lossy += dropped;
    return dropped > 0;
}

bool bk__shared_evict(struct bk_engine *engine)
{
    enum {
        LOOKS = 4096
    }; /* where nothing can be dropped, an event must not pay for finding that out */
    struct bk_shared *shared = &engine->shared;
    uint32_t top = bk_table_top(&shared->items);
    struct bk_shared_totals *totals = bk__totals(shared);
    /* Twice round at most: the first takes warmth away. */
    for (uint32_t looked = 0; looked < 2 * top && looked < LOOKS; looked++) {
        totals->evict_hand = totals->evict_hand % top + 1;
        struct bk_item *item = bk__item(shared, totals->evict_hand);
        if (item->flags & BK_ITEM_WARM) {
            item->flags &= (uint8_t)~BK_ITEM_WARM;
            continue;
        }
        if (drop_rows(engine, totals->evict_hand)) return true;
    }
    return false;
}

bk_ref_t bk__shared_alloc(struct bk_engine *engine, size_t size)
{
    enum { TRIES = 64 };
    bk_ref_t ref = bk_arena_alloc(&engine->shared.heap, size);
    for (int i = 0; !ref && i < TRIES && bk__shared_evict(engine); i++)
        ref = bk_arena_alloc(&engine->shared.heap, size);
    if (!ref) bk__count_shared(engine, BK_STATE_MEMORY_REFUSED, 1);
    return ref;
}

/* ---- items ---- */

uint32_t bk_item_find(const struct bk_shared *shared, bk_str_t id)
{
    uint64_t hash = bk_hash(id.p, id.len);
    uint32_t number = bk_index_first(&shared->index, (uint32_t)hash);
    while (number) {
        const struct bk_item *item = bk_item(shared, number);
        if (item->id_hash == hash && bk_str_eq(bk_item_id(shared, number), id)) return number;
        number = item->next;
    }
    return 0;
}

/* A receipt or a session more that holds the item. */
void bk__support_add(struct bk_shared *shared, uint32_t number, uint32_t receipts,
                     uint32_t sessions)
{
    struct bk_item_hot *hot = bk__item_hot(shared, number);
    hot->receipts += receipts;
    hot->sessions += sessions;
    hot->root_receipts = 1.0f / __builtin_sqrtf((float)hot->receipts + BK_COSINE_REG);
    hot->root_sessions = 1.0f / __builtin_sqrtf((float)hot->sessions + BK_COSINE_REG);
}

void bk__again_add(struct bk_shared *shared, uint32_t number, bool again, uint32_t gap_s)
{
    struct bk_item *item = bk__item(shared, number);
    struct bk_shared_totals *totals = bk__totals(shared);
    item->known = bk__add_u32(item->known, 1);
    item->again = bk__add_u32(item->again, again);
    item->gap_s += again ? gap_s : 0;
    totals->known++;
    totals->again += again;
    totals->gap_s += again ? gap_s : 0;
}

uint32_t bk_item_gap_s(const struct bk_shared *shared, uint32_t number)
{
    const struct bk_item *item = bk_item(shared, number);
    const struct bk_shared_totals *totals = bk_totals(shared);
    if (!totals->again) return 0;
    uint64_t usual = totals->gap_s / totals->again;
    return (uint32_t)((item->gap_s + BK_GAP_REG * usual) / (item->again + BK_GAP_REG));
}

float bk_item_again(const struct bk_shared *shared, uint32_t number)
{
    const struct bk_item *item = bk_item(shared, number);
    const struct bk_shared_totals *totals = bk_totals(shared);
    float usual = ((float)totals->again + 1.0f) / ((float)totals->known + 1.0f);
    float own = ((float)item->again + BK_AGAIN_REG * usual) / ((float)item->known + BK_AGAIN_REG);
    return __builtin_sqrtf(own / usual);
}

static uint32_t item_create(struct bk_engine *engine, bk_str_t id)
{
    struct bk_shared *shared = &engine->shared;
    bk_ref_t bytes = bk__shared_alloc(engine, id.len ? id.len : 1);
    if (!bytes) return 0;
    uint32_t number = bk_table_add(&shared->items);
    if (!number) {
        bk_arena_free(&shared->heap, bytes, id.len ? id.len : 1);
        bk__count_shared(engine, BK_STATE_ITEMS_OVER_LIMIT, 1);
        return 0;
    }
    uint32_t hot = bk_table_add(&shared->hot);
    BK_ASSERT(hot == number); /* same limits, never removed */
    bk__support_add(shared, number, 0, 0);
    memcpy(bk_arena_write(&shared->heap, bytes, id.len + 1), id.p, id.len);
    struct bk_item *item = bk__item(shared, number);
    item->id = bytes;
    item->id_len = (uint16_t)id.len;
    item->id_hash = bk_hash(id.p, id.len);
    item->price_minor = BK_NULL_I64;
    bool indexed = bk_index_add(&shared->index, (uint32_t)item->id_hash, number);
    BK_ASSERT(indexed); /* the index is sized for items_max */
    return number;
}

uint32_t bk__item_intern(struct bk_engine *engine, bk_str_t id)
{
    uint32_t number = bk_item_find(&engine->shared, id);
    if (number) return number;
    if (bk_table_top(&engine->shared.items) >= engine->params.items_max) {
        bk__count_shared(engine, BK_STATE_ITEMS_OVER_LIMIT, 1);
        return 0;
    }
    return item_create(engine, id);
}

/* ---- facts ---- */

enum { FACT_COUNT = 3, FACT_BYTES_MAX = 255 };

static size_t facts_bytes(const struct bk_item *item)
{
    return (size_t)item->facts_len[0] + item->facts_len[1] + item->facts_len[2];
}

bk_str_t bk_item_fact(const struct bk_shared *shared, uint32_t item, enum bk_fact fact)
{
    const struct bk_item *it = bk_item(shared, item);
    if (!it->facts) return BK_STR("");
    const char *p = bk_arena_read(&shared->heap, it->facts);
    for (enum bk_fact before = 0; before < fact; before++) p += it->facts_len[before];
    return bk_str(p, it->facts_len[fact]);
}

/* At most 255 bytes, cut before the character that does not fit. */
static bk_str_t cut(bk_str_t text)
{
    if (text.len <= FACT_BYTES_MAX) return text;
    uint32_t len = FACT_BYTES_MAX;
    while (len && ((unsigned char)text.p[len] & 0xC0) == 0x80) len--;
    return bk_str(text.p, len);
}

/* 0: nothing was said. */
static uint32_t fact_hash(bk_str_t fact)
{
    return fact.len ? (uint32_t)bk_hash(fact.p, fact.len) | 1 : 0;
}

/* The first level of "A > B > C". */
static uint32_t category_hash(bk_str_t category)
{
    const char *end = category.len ? memchr(category.p, '>', category.len) : NULL;
    uint32_t len = end ? (uint32_t)(end - category.p) : category.len;
    while (len && category.p[len - 1] == ' ') len--;
    return fact_hash(bk_str(category.p, len));
}

void bk__item_fact_set(struct bk_engine *engine, uint32_t number, bk_str_t name, bk_str_t category,
                       bk_str_t brand)
{
    struct bk_shared *shared = &engine->shared;
    bk_str_t facts[FACT_COUNT] = {cut(name), cut(category), cut(brand)};
    struct bk_item *item = bk__item(shared, number);
    size_t old = facts_bytes(item), len = (size_t)facts[0].len + facts[1].len + facts[2].len;
    bk_ref_t fresh = len ? bk__shared_alloc(engine, len) : 0;
    if (len && !fresh) return;
    if (old) bk_arena_free(&shared->heap, item->facts, old);
    item->facts = fresh;
    char *p = len ? bk_arena_write(&shared->heap, fresh, len) : NULL;
    for (int i = 0; i < FACT_COUNT; i++) {
        if (facts[i].len) memcpy(p, facts[i].p, facts[i].len);
        item->facts_len[i] = (uint8_t)facts[i].len;
        if (p) p += facts[i].len;
    }
    item = bk__item(shared, number);
    item->category = category_hash(facts[1]);
    item->shelf = fact_hash(facts[1]);
    item->brand = fact_hash(facts[2]);
}

void bk_apply_product(struct bk_engine *engine, bk_str_t key, const struct bk_event *event)
{
    uint32_t item =
        event->tombstone ? bk_item_find(&engine->shared, key) : bk__item_intern(engine, key);
    if (!item) return;
    bk_str_t none = BK_STR("");
    if (event->tombstone) {
        bk__item_fact_set(engine, item, none, none, none);
        bk__item(&engine->shared, item)->price_minor = BK_NULL_I64;
        bk__item(&engine->shared, item)->variant = 0;
        return;
    }
    bool line = event->line_count > 0;
    bk_str_t category = line && event->lines[0].category.p ? event->lines[0].category : none;
    bk__item_fact_set(engine, item, event->name, category, event->brand.p ? event->brand : none);
    bk__item(&engine->shared, item)->price_minor =
        line ? event->lines[0].unit_price_minor : BK_NULL_I64;
    struct bk_item *it = bk__item(&engine->shared, item);
    it->variant = fact_hash(event->variant_group);
    if ((it->variant || it->shelf || it->brand) && !bk_totals(&engine->shared)->alike)
        bk__totals(&engine->shared)->alike = 1;
}

/* ---- the queue of dirty items ---- */

/* Not a touch: whoever publishes or refreshes by the clock must not decide what eviction spares. */
static void queue_item(struct bk_shared *shared, uint32_t number)
{
    struct bk_item *item = bk__item(shared, number);
    if (item->flags & BK_ITEM_DIRTY) return;
    item->flags |= BK_ITEM_DIRTY;
    item->dirty_next = 0;
    struct bk_shared_totals *totals = bk__totals(shared);
    if (totals->dirty_tail)
        bk__item(shared, totals->dirty_tail)->dirty_next = number;
    else
        totals->dirty_head = number;
    totals->dirty_tail = number;
    totals->dirty_count++;
}

void bk__item_dirty(struct bk_engine *engine, uint32_t number)
{
    bk__item(&engine->shared, number)->flags |= BK_ITEM_WARM;
    queue_item(&engine->shared, number);
}

uint32_t bk_dirty_item_take(struct bk_engine *engine)
{
    struct bk_shared *shared = &engine->shared;
    uint32_t number = bk_totals(shared)->dirty_head;
    if (!number) return 0;
    struct bk_item *item = bk__item(shared, number);
    struct bk_shared_totals *totals = bk__totals(shared);
    totals->dirty_head = item->dirty_next;
    if (!totals->dirty_head) totals->dirty_tail = 0;
    totals->dirty_count--;
    item->flags &= (uint8_t)~BK_ITEM_DIRTY;
    item->dirty_next = 0;
    return number;
}

void bk_dirty_item_put(struct bk_engine *engine, uint32_t item)
{
    struct bk_item *it = bk__item(&engine->shared, item);
    it->published[0] = it->published[1] = 0; /* what is out there is not known any more */
    queue_item(&engine->shared, item);
}

bool bk_item_published(struct bk_engine *engine, uint32_t item, unsigned relation, uint32_t hash)
{
    BK_ASSERT(relation < 2);
    hash |= 1; /* 0 means never written */
    if (bk_item(&engine->shared, item)->published[relation] == hash) return false;
    bk__item(&engine->shared, item)->published[relation] = hash;
    return true;
}
