/* identity.c -- a visitor turns out to be a customer: what was done before log-in becomes theirs,
 * once.
 *
 * THE WAY
 *   visitor's shard     Identified ─► cart and live session leave the visitor, as a SubjectMerged
 *                       that the owner puts into the log, keyed by the customer
 *   customer's shard    SubjectMerged ─► lines join the cart, items join the live session
 *   Nothing else crosses: a shard reads its own partition only. The merge's id is a function of
 *   visitor, customer and the Identified event's id, so an Identified that is read again after a
 *   crash makes the same merge again, and that is recognised.
 * RULES
 *   The visitor starts anew: no cart, no session, no lists; what is kept beyond sessions (history,
 *   dismissals) stays with the visitor's id. An empty cart and no live session make no merge: so
 *   does a second Identified. A session that is over by its gap is not handed on.
 *   An item that both have lies in the cart once, in the larger of the two quantities: carts that
 *   were filled on two devices are meant once, and a merge that came twice changes nothing.
 *   Shared learnt from the visitor already: what joins counts as taught, so that the visit is one.
 *   Consent travels with the merge, as it held for the visitor at log-in; it decides what may be
 *   kept, and does not change what the customer said.
 * ONCE
 *   By the partition's last event ids, then by the customer's last BK_ORDERS_KEPT orders and merges;
 *   a merge more than a day older than the customer's newest is taken for a repetition, which it is
 *   when the log is read again from its beginning.
 */
#include "internal.h"

enum { DAY_MS = 24 * 60 * 60 * 1000, DAYS_LATE_MAX = 1 };

static uint16_t day_of(int64_t time_ms)
{
    return (uint16_t)bk_min_i64(bk_max_i64(time_ms, 0) / DAY_MS, UINT16_MAX);
}

/* ---- leaving ---- */

static void add_line(struct bk__turn *turn, uint32_t item, uint32_t quantity,
                     enum bk_line_role role)
{
    struct bk_event *merge = &turn->engine->scratch->merge;
    struct bk_line *line = &merge->lines[merge->line_count++];
    bk_line_reset(line);
    line->item = bk_item_id(&turn->engine->shared, item);
    line->quantity = quantity;
    line->role = role;
}

/* Shell's sort: a cart may have thousands of lines, and state calls nothing that may allocate. */
static void sort(uint64_t *key, uint32_t count)
{
    for (uint32_t gap = count / 2; gap > 0; gap = gap == 2 ? 1 : gap * 5 / 11)
        for (uint32_t i = gap; i < count; i++) {
            uint64_t moved = key[i];
            uint32_t at = i;
            for (; at >= gap && key[at - gap] > moved; at -= gap) key[at] = key[at - gap];
            key[at] = moved;
        }
}

/* The cart's lines in the order in which they were added. */
static void hand_on_cart(struct bk__turn *turn, const struct bk_subject *sub)
{
    uint64_t *added = turn->engine->scratch->merge_order; /* order, then item */
    uint32_t count = 0;
    const struct bk_arena *heap = &turn->shard->heap;
    const struct bk_cart_line *line;
    for (uint32_t at = 0; (line = bk_map_next(heap, sub->cart, &at)) && count < BK_LINES_MAX;)
        added[count++] = (uint64_t)line->order << 32 | line->item;
    sort(added, count);
    for (uint32_t i = 0; i < count; i++) {
        line = bk_map_find(heap, sub->cart, (uint32_t)added[i]);
        add_line(turn, line->item, line->quantity, BK_LINE_CART);
    }
}

/* The live session's items, oldest first; of a very full cart's visitor only the last ones fit. */
static void hand_on_session(struct bk__turn *turn, const struct bk_subject *sub)
{
    const struct bk_session *sess = bk_subject_session(turn->shard, sub);
    if (!sess || bk__session_is_cold(turn, sub)) return;
    uint32_t room = BK_LINES_MAX - turn->engine->scratch->merge.line_count;
    uint32_t first = sess->count > room ? sess->count - room : 0;
    for (uint32_t i = first; i < sess->count; i++)
        add_line(turn, sess->seen[i].item, 1, BK_LINE_VIEWED);
}

/* A UUID (version 8) of visitor, customer and the event's id. */
static bk_str_t merge_id(struct bk__turn *turn)
{
    static const char digits[] = "0123456789abcdef";
    const bk_str_t part[] = {turn->event->visitor, turn->event->customer, turn->event->event_id};
    uint64_t half[2] = {1, 2};
    for (size_t i = 0; i < BK_COUNTOF(part); i++) {
        uint64_t hash = bk_hash(part[i].p, part[i].len);
        for (int h = 0; h < 2; h++) half[h] = bk_mix(half[h] ^ bk_mix(hash + (uint64_t)h));
    }
    half[0] = (half[0] & ~UINT64_C(0xf000)) | UINT64_C(0x8000);
    half[1] = (half[1] & ~(UINT64_C(3) << 62)) | UINT64_C(2) << 62;
    char *text = turn->engine->scratch->merge_id;
    uint32_t len = 0;
    for (int digit = 0; digit < 32; digit++) {
        if (digit == 8 || digit == 12 || digit == 16 || digit == 20) text[len++] = '-';
        text[len++] = digits[half[digit / 16] >> (60 - digit % 16 * 4) & 15];
    }
    return bk_str(text, len);
}

static void address(struct bk__turn *turn)
{
    const struct bk_event *event = turn->event;
    struct bk__scratch *scratch = turn->engine->scratch;
    struct bk_event *merge = &scratch->merge;
    merge->lines = scratch->merge_line;
    bk_event_reset(merge);
    merge->kind = BK_EVENT_SUBJECT_MERGED;
    merge->event_id = merge_id(turn);
    merge->event_time_ms = turn->time_ms;
    merge->visitor = event->visitor;
    merge->customer = event->customer;
    merge->session = event->session;
    merge->consent = turn->consent;
    merge->store = event->store;
    merge->device = event->device;
    merge->channel = event->channel;
    merge->weather = event->weather;
    merge->page = event->page;
    merge->merged_subject =
        bk_str(scratch->merge_from, bk_event_subject(event, scratch->merge_from));
}

const struct bk_event *bk__identity_leave(struct bk__turn *turn)
{
    const struct bk_event *merge = &turn->engine->scratch->merge;
    address(turn);
    hand_on_cart(turn, bk_subject(turn->shard, turn->subject));
    hand_on_session(turn, bk_subject(turn->shard, turn->subject));
    struct bk_subject *sub = bk__subject(turn->shard, turn->subject);
    bk__session_drop(turn->shard, sub);
    bk_map_drop(&turn->shard->heap, &sub->cart);
    sub->last_item = sub->cart_order = 0;
    return merge->line_count ? merge : NULL;
}

/* ---- joining ---- */

bool bk__identity_is_known(struct bk__turn *turn)
{
    if (turn->event->kind != BK_EVENT_SUBJECT_MERGED) return false;
    struct bk_subject *sub = bk__subject(turn->shard, turn->subject);
    uint16_t day = day_of(turn->time_ms);
    if (day + DAYS_LATE_MAX < sub->merged_day) return true;
    if (day > sub->merged_day) sub->merged_day = day;
    uint64_t id = bk_hash(turn->event->event_id.p, turn->event->event_id.len);
    return bk__order_seen(sub, (id | 3) ^ 1); /* orders are odd, and 0 is nobody's */
}

static bool is_in_cart_lines(const struct bk_event *event, bk_str_t item)
{
    for (uint32_t i = 0; i < event->line_count; i++)
        if (event->lines[i].role != BK_LINE_VIEWED && bk_str_eq(event->lines[i].item, item))
            return true;
    return false;
}

void bk__identity_join(struct bk__turn *turn)
{
    const struct bk_event *event = turn->event;
    struct bk_engine *engine = turn->engine;
    for (uint32_t i = 0; i < event->line_count; i++) {
        const struct bk_line *line = &event->lines[i];
        uint32_t item = engine->frozen ? bk_item_find(&engine->shared, line->item)
                                       : bk__item_intern(engine, line->item);
        if (!item) continue;
        if (line->role != BK_LINE_VIEWED)
            bk__cart_raise(turn, item,
                           (uint32_t)bk_min_i64(bk_max_i64(line->quantity, 0), BK_QUANTITY_MAX));
        else
            bk__session_adopt(turn, item,
                              is_in_cart_lines(event, line->item) ? BK__WEIGHT_CART
                                                                  : BK__WEIGHT_VIEW);
    }
}
