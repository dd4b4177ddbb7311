/* digest.c -- two states are the same when their digests are: by ids, never by handles.
 *
 * Each fact becomes a mixed 64-bit number and a digest is their sum, so neither the order of
 * subjects nor that of a hash table's slots shows.
 */
#include "internal.h"

/* Fold a number into a running mix: order within one record matters, and is fixed by the code
 * below. */
static uint64_t fold(uint64_t mix, uint64_t value)
{
    return bk_mix(mix ^ value);
}

static uint64_t item_hash(const struct bk_shared *shared, uint32_t item)
{
    return item ? bk_item(shared, item)->id_hash : 0;
}

static uint64_t session_digest(const struct bk_shared *shared, const struct bk_session *sess)
{
    if (!sess) return 1;
    uint64_t mix = fold(fold(fold(2, sess->key), (uint64_t)sess->started_ms),
                        (uint64_t)sess->events << 32 | sess->raw_events);
    mix = fold(mix, sess->step);
    for (int i = 0; i < BK_SESSION_STEPS; i++) mix = fold(mix, item_hash(shared, sess->recent[i]));
    for (uint32_t i = 0; i < sess->count; i++) {
        const struct bk_seen *seen = &sess->seen[i];
        mix = fold(fold(mix, item_hash(shared, seen->item)), (uint64_t)seen->at);
        mix = fold(mix, (uint64_t)seen->weight << 16 | seen->viewed);
    }
    return mix;
}

static uint64_t cart_digest(const struct bk_shard *shard, bk_ref_t cart)
{
    const struct bk_shared *shared = &shard->engine->shared;
    uint64_t sum = 3;
    const struct bk_cart_line *line;
    for (uint32_t at = 0; (line = bk_map_next(&shard->heap, cart, &at)) != NULL;)
        sum += fold(fold(3, item_hash(shared, line->item)),
                    (uint64_t)line->quantity << 32 | line->order);
    return sum;
}

static uint64_t history_digest(const struct bk_shard *shard, bk_ref_t history)
{
    const struct bk_shared *shared = &shard->engine->shared;
    uint64_t sum = 4;
    const struct bk_bought *b;
    for (uint32_t at = 0; (b = bk_map_next(&shard->heap, history, &at)) != NULL;) {
        uint64_t mix =
            fold(fold(4, item_hash(shared, b->item)), (uint64_t)b->weight_q16 << 32 | b->receipt);
        mix = fold(mix, (uint64_t)b->count << 32 | b->quantity);
        sum += fold(mix, (uint64_t)b->first_s << 32 | b->last_s);
    }
    return sum;
}

static uint64_t marks_digest(const struct bk_shard *shard, bk_ref_t marks)
{
    uint64_t sum = 5;
    const struct bk_mark *mark;
    for (uint32_t at = 0; (mark = bk_map_next(&shard->heap, marks, &at)) != NULL;)
        sum += fold(fold(5, item_hash(&shard->engine->shared, mark->item)), mark->what);
    return sum;
}

static uint64_t subject_digest(const struct bk_shard *shard, const struct bk_subject *sub)
{
    const struct bk_shared *shared = &shard->engine->shared;
    uint64_t mix = fold(fold(sub->id_hash, sub->consent), (uint64_t)sub->time_ms);
    mix = fold(fold(mix, (uint64_t)sub->offset), (uint64_t)sub->since_ms);
    mix = fold(fold(mix, (uint64_t)sub->receipts << 32 | sub->cart_order),
               item_hash(shared, sub->last_item));
    mix = fold(mix, (uint64_t)sub->bought_s << 32 | sub->lines_x16);
    for (int i = 0; i < BK_WEEKDAYS; i++) mix = fold(mix, sub->weekday[i]);
    for (int i = 0; i < BK_SEGMENT_KIND_COUNT; i++) mix = fold(mix, sub->segment[i]);
    mix = fold(mix, session_digest(shared, bk_subject_session(shard, sub)));
    mix = fold(mix, cart_digest(shard, sub->cart));
    mix = fold(mix, history_digest(shard, sub->history));
    mix = fold(mix, marks_digest(shard, sub->marks));
    for (int i = 0; i < BK_ORDERS_KEPT; i++) mix = fold(mix, sub->orders[i]);
    return mix;
}

uint64_t bk_shard_digest(const struct bk_shard *shard)
{
    const struct bk_shard_totals *totals = bk_shard_totals(shard);
    uint64_t sum = fold((uint64_t)totals->next_offset, totals->subjects);
    uint32_t top = bk_table_top(&shard->subjects);
    for (uint32_t number = 1; number <= top; number++)
        if (bk_subject(shard, number)->alive)
            sum += subject_digest(shard, bk_subject(shard, number));
    return sum;
}

static uint64_t row_digest(const struct bk_shared *shared, bk_ref_t row, uint64_t kind)
{
    uint64_t sum = 0;
    const struct bk_pair *pair;
    for (uint32_t at = 0; (pair = bk_map_next(&shared->heap, row, &at)) != NULL;) {
        uint64_t mix = fold(fold(kind, item_hash(shared, pair->partner)),
                            (uint64_t)pair->total << 16 | pair->epoch);
        mix = fold(mix, (uint64_t)pair->strength << 32 | pair->after);
        sum += fold(mix, (uint64_t)pair->now << 32 | (uint64_t)pair->before << 16 | pair->who);
    }
    return sum;
}

static uint64_t postings_digest(const struct bk_shared *shared, bk_ref_t postings)
{
    if (!postings) return 6;
    const struct bk_postings *ring = bk_arena_read(&shared->heap, postings);
    uint64_t mix = 6;
    for (uint32_t i = 0; i < ring->count; i++) {
        const struct bk_posting *entry = &ring->entry[(ring->first + i) % ring->cap];
        const struct bk_posted *posted = bk_table_read(&shared->posted, entry->session);
        mix = fold(fold(mix, posted->key), (uint64_t)entry->time_s << 32 | posted->count);
    }
    return mix;
}

static bool is_posted(const struct bk_item *item)
{
    return item->postings[BK_POSTING_SESSION] || item->postings[BK_POSTING_RECEIPT] ||
           item->flags & BK_ITEM_UNPOSTED; /* it would be */
}

static uint64_t item_digest(const struct bk_shared *shared, uint32_t number, uint64_t *lossy)
{
    const struct bk_item *item = bk_item(shared, number);
    const struct bk_item_hot *hot = bk_item_hot(shared, number);
    uint64_t mix = fold(fold(item->id_hash, (uint64_t)hot->receipts << 32 | hot->sessions),
                        (uint64_t)hot->points << 32 | hot->epoch);
    mix = fold(fold(mix, (uint64_t)item->known << 32 | item->again), item->gap_s);
    for (int i = 0; i < BK_EPOCH_SLOTS; i++) mix = fold(mix, item->slot[i]);
    for (uint64_t kind = 0; kind < BK_PAIR_KIND_COUNT; kind++) {
        bk_ref_t row = item->rows[kind];
        bool left_out = bk_row_is_lossy(shared, number, (int)kind);
        *lossy += left_out;
        mix = fold(mix, left_out ? 0 : row_digest(shared, row, kind));
    }
    bool unposted = item->flags & BK_ITEM_UNPOSTED;
    *lossy += unposted;
    for (int kind = 0; kind < BK_POSTING_KIND_COUNT; kind++)
        mix = fold(mix, postings_digest(shared, unposted ? 0 : item->postings[kind]));
    return mix;
}

/* Segments come first, first served: once one was turned away, which ones are there depends on the
 * order. */
static uint64_t segments_digest(const struct bk_shared *shared, uint64_t *lossy)
{
    const struct bk_shared_totals *totals = bk_totals(shared);
    uint64_t sum = 7;
    *lossy += totals->segments_lossy;
    for (uint32_t i = 1; i <= totals->segment_count && !totals->segments_lossy; i++) {
        const struct bk_segment *segment = bk_segment(shared, i);
        bool left_out =
            segment->row && (bk_map_head(&shared->heap, segment->row)->flags & BK_ROW_LOSSY);
        *lossy += left_out;
        uint64_t mix = fold(fold(segment->id_hash, segment->epoch), segment->now);
        sum += fold(fold(mix, segment->before),
                    left_out ? 0 : row_digest(shared, segment->row, BK_PAIR_KIND_COUNT));
    }
    return sum;
}

uint64_t bk_shared_digest(const struct bk_shared *shared, uint64_t *lossy)
{
    const struct bk_shared_totals *totals = bk_totals(shared);
    uint64_t sum = fold(fold(totals->receipts, totals->sessions),
                        fold(totals->views, (uint64_t)totals->time_max_ms));
    sum = fold(fold(fold(sum, totals->known), totals->again), totals->gap_s);
    for (int step = 0; step < BK_STEP_COUNT; step++)
        for (int p = 0; p < BK_WAY_PLACES; p++)
            sum = fold(fold(sum, totals->way_asked[step][p]), totals->way_taken[step][p]);
    for (int i = 0; i < BK_RHYTHM_STEPS; i++)
        sum = fold(fold(sum, totals->rhythm_expected_q16[i]), totals->rhythm_came[i]);
    for (int i = 0; i < BK_EPOCH_SLOTS; i++) sum = fold(sum, totals->acts[i]);
    sum = fold(sum, totals->acts_epoch);
    *lossy = 0;
    sum = fold(sum, segments_digest(shared, lossy));
    uint32_t top = bk_table_top(&shared->items);
    for (uint32_t number = 1; number <= top; number++)
        if (bk_item_hot(shared, number)->points || is_posted(bk_item(shared, number)))
            sum += item_digest(shared, number, lossy);
    return sum;
}
