/* shard.c -- the subjects of one partition: interning, forgetting, room, and what waits.
 *
 * BUDGET
 *   A shard gets its share of the subjects' half of state.bytes_max: a part for de-duplication, a
 *   quarter of the rest for records, the rest for what hangs on them. When it is used up the
 *   subject that was not touched since the hand last came by is forgotten (second chance over the
 *   table's numbers: a function of this shard's log alone), counted, and its zeroed blocks serve
 *   the next.
 */
#include "internal.h"

static uint32_t *subject_link(void *arg, uint32_t number, bool write)
{
    struct bk_shard *shard = arg;
    return write ? &bk__subject(shard, number)->hash
                 : (uint32_t *)(uintptr_t)&bk_subject(shard, number)->hash;
}

int bk__shard_init(struct bk_shard *shard, struct bk_engine *engine, int32_t partition,
                   uint64_t bytes)
{
    shard->partition = partition;
    shard->engine = engine;
    uint32_t events = engine->params.dedup_events;
    while (events > 1024 && events * 24ull > bytes / 4) events /= 2;
    uint64_t rest = bytes - bk_min_u64(bytes / 4, events * 24ull);
    uint64_t records = rest / 4, totals = 8192;
    uint64_t index = records / sizeof(struct bk_subject) * 8 + 4096;
    uint64_t others = records + index + totals + sizeof(struct bk_arena_root);
    if (bytes < BK_SHARD_BYTES_MIN) return BK_ENOMEM;
    int err = bk_table_init(&shard->subjects, sizeof(struct bk_subject), records);
    if (err == BK_OK) err = bk_index_init(&shard->index, index, subject_link, shard);
    if (err == BK_OK) err = bk_arena_init(&shard->heap, rest - others);
    if (err == BK_OK) err = bk_arena_init(&shard->totals, totals);
    if (err == BK_OK) err = bk__dedup_init(shard, events);
    if (err != BK_OK) return err;
    bk_ref_t ref = bk_arena_alloc(&shard->totals, sizeof(struct bk_shard_totals));
    return ref == BK_ARENA_FIRST ? BK_OK : BK_ENOMEM;
}

void bk__shard_deinit(struct bk_shard *shard)
{
    bk_table_deinit(&shard->subjects);
    bk_index_deinit(&shard->index);
    bk_arena_deinit(&shard->heap);
    bk_arena_deinit(&shard->dedup);
    bk_arena_deinit(&shard->totals);
}

/* ---- forgetting ---- */

void bk__subject_forget_past(struct bk_shard *shard, uint32_t subject)
{
    struct bk_subject *sub = bk__subject(shard, subject);
    bk_map_drop(&shard->heap, &sub->history);
    bk_map_drop(&shard->heap, &sub->marks);
    sub->receipts = sub->bought_s = 0;
    sub->lines_x16 = 0;
    memset(sub->weekday, 0, sizeof sub->weekday);
}

/* Take the subject out of the queue of dirty ones, wherever it stands. */
static void unqueue(struct bk_shard *shard, uint32_t subject)
{
    struct bk_shard_totals *totals = bk__shard_totals(shard);
    uint32_t before = bk_subject(shard, subject)->dirty_before;
    uint32_t next = bk_subject(shard, subject)->dirty_next;
    if (before)
        bk__subject(shard, before)->dirty_next = next;
    else
        totals->dirty_head = next;
    if (next)
        bk__subject(shard, next)->dirty_before = before;
    else
        totals->dirty_tail = before;
    totals->dirty_count--;
}

void bk__subject_forget(struct bk_shard *shard, uint32_t subject)
{
    bk__subject_forget_past(shard, subject);
    struct bk_subject *sub = bk__subject(shard, subject);
    bk__session_drop(shard, sub);
    bk_map_drop(&shard->heap, &sub->cart);
    if (sub->queued) unqueue(shard, subject);
    bk_index_remove(&shard->index, sub->hash, subject);
    bk_arena_free(&shard->heap, sub->id, sub->id_len);
    bk_table_remove(&shard->subjects, subject);
    bk__shard_totals(shard)->subjects--;
}

/* Forget the coldest subject but `keep`; false when there is none. Whether its lists wait is not
 * asked: that depends on the readers' side, and state is a function of the log. */
static bool evict(struct bk_shard *shard, uint32_t keep)
{
    uint32_t top = bk_table_top(&shard->subjects);
    struct bk_shard_totals *totals = bk__shard_totals(shard);
    for (uint64_t looked = 0; looked < 2ull * top; looked++) {
        totals->evict_hand = totals->evict_hand % top + 1;
        uint32_t at = totals->evict_hand;
        const struct bk_subject *sub = bk_subject(shard, at);
        if (!sub->alive || at == keep) continue;
        if (sub->warm) {
            bk__subject(shard, at)->warm = 0;
            continue;
        }
        bk__subject_forget(shard, at);
        totals->counters[BK_STATE_SUBJECTS_EVICTED]++;
        return true;
    }
    return false;
}

/* ---- room ---- */

enum { EVICT_TRIES = 64 };

bk_ref_t bk__shard_alloc(struct bk_shard *shard, size_t size, uint32_t keep)
{
    bk_ref_t ref = bk_arena_alloc(&shard->heap, size);
    for (int i = 0; !ref && i < EVICT_TRIES && evict(shard, keep); i++)
        ref = bk_arena_alloc(&shard->heap, size);
    if (!ref) bk__count(shard, BK_STATE_MEMORY_REFUSED, 1);
    return ref;
}

void *bk__shard_map_put(struct bk_shard *shard, bk_ref_t *map, uint32_t entry_bytes, uint32_t key,
                        uint32_t keep, bool *added)
{
    void *entry = bk_map_put(&shard->heap, map, entry_bytes, key, added);
    for (int i = 0; !entry && i < EVICT_TRIES && evict(shard, keep); i++)
        entry = bk_map_put(&shard->heap, map, entry_bytes, key, added);
    if (!entry) bk__count(shard, BK_STATE_MEMORY_REFUSED, 1);
    return entry;
}

void bk_shard_rewind(struct bk_shard *shard)
{
    struct bk_shard_totals *totals = bk__shard_totals(shard);
    totals->next_offset = 0;
    totals->mark = 0;
}

/* ---- interning ---- */

uint32_t bk_subject_find(const struct bk_shard *shard, bk_str_t id)
{
    uint64_t hash = bk_hash(id.p, id.len);
    uint32_t number = bk_index_first(&shard->index, (uint32_t)hash);
    while (number) {
        const struct bk_subject *sub = bk_subject(shard, number);
        if (sub->id_hash == hash && bk_str_eq(bk_subject_id(shard, number), id)) return number;
        number = sub->next;
    }
    return 0;
}

uint32_t bk__subject_intern(struct bk_shard *shard, bk_str_t id, int64_t time_ms)
{
    uint32_t number = bk_subject_find(shard, id);
    if (number) return number;
    bk_ref_t bytes = bk__shard_alloc(shard, id.len, 0);
    if (!bytes) return 0;
    number = bk_table_add(&shard->subjects);
    if (!number && evict(shard, 0)) number = bk_table_add(&shard->subjects);
    if (!number) {
        bk_arena_free(&shard->heap, bytes, id.len);
        bk__count(shard, BK_STATE_MEMORY_REFUSED, 1);
        return 0;
    }
    memcpy(bk_arena_write(&shard->heap, bytes, id.len), id.p, id.len);
    struct bk_shard_totals *totals = bk__shard_totals(shard);
    struct bk_subject *sub = bk__subject(shard, number);
    sub->alive = 1;
    sub->stamp = ++totals->stamp;
    sub->id = bytes;
    sub->id_len = (uint8_t)id.len;
    sub->id_hash = bk_hash(id.p, id.len);
    sub->since_ms = sub->time_ms = time_ms;
    totals->subjects++;
    bool indexed = bk_index_add(&shard->index, (uint32_t)sub->id_hash, number);
    BK_ASSERT(indexed); /* the index is sized for the table */
    return number;
}

void bk_shard_pass(struct bk_shard *shard, int64_t offset, uint64_t mark)
{
    if (offset + 1 < bk_shard_totals(shard)->next_offset) return;
    struct bk_shard_totals *totals = bk__shard_totals(shard);
    totals->next_offset = offset + 1; /* bk_apply was there already */
    totals->mark = mark;
}

/* ---- what waits to be published ---- */

void bk__subject_lists_drop(struct bk_shard *shard, uint32_t subject)
{
    struct bk_subject *sub = bk__subject(shard, subject);
    if (sub->queued) unqueue(shard, subject);
    sub->queued = sub->dirty = sub->live = sub->dirty_next = sub->dirty_before = 0;
    sub->waiting_ms = 0;
    sub->stamp = ++bk__shard_totals(shard)->stamp;
}

void bk_dirty_put(struct bk_shard *shard, uint32_t subject, uint32_t stamp, uint32_t contexts,
                  int64_t waiting_ms)
{
    if (!contexts || !subject || subject > bk_table_top(&shard->subjects)) return;
    const struct bk_subject *now = bk_subject(shard, subject);
    if (!now->alive || now->stamp != stamp) return;
    struct bk_subject *sub = bk__subject(shard, subject);
    if (waiting_ms)
        bk__shard_totals(shard)->coalesced += (uint32_t)__builtin_popcount(sub->dirty & contexts);
    sub->dirty |= contexts;
    if (waiting_ms && (!sub->waiting_ms || waiting_ms < sub->waiting_ms))
        sub->waiting_ms = waiting_ms;
    if (sub->queued) return;
    sub->queued = 1;
    struct bk_shard_totals *totals = bk__shard_totals(shard);
    sub->dirty_next = 0;
    sub->dirty_before = totals->dirty_tail;
    if (totals->dirty_tail)
        bk__subject(shard, totals->dirty_tail)->dirty_next = subject;
    else
        totals->dirty_head = subject;
    totals->dirty_tail = subject;
    totals->dirty_count++;
}

uint32_t bk_dirty_take(struct bk_shard *shard, uint32_t *contexts, int64_t *waiting_ms)
{
    uint32_t subject = bk_shard_totals(shard)->dirty_head;
    if (!subject) return 0;
    struct bk_subject *sub = bk__subject(shard, subject);
    struct bk_shard_totals *totals = bk__shard_totals(shard);
    totals->dirty_head = sub->dirty_next;
    if (totals->dirty_head)
        bk__subject(shard, totals->dirty_head)->dirty_before = 0;
    else
        totals->dirty_tail = 0;
    totals->dirty_count--;
    *contexts = sub->dirty;
    *waiting_ms = sub->waiting_ms;
    sub->dirty = sub->queued = sub->dirty_next = 0;
    sub->waiting_ms = 0;
    return subject;
}

void bk_subject_live_set(struct bk_shard *shard, uint32_t subject, uint32_t contexts)
{
    if (bk_subject(shard, subject)->live != contexts) bk__subject(shard, subject)->live = contexts;
}
