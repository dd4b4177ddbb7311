/* apply.c -- one event becomes state: the only way in.
 *
 *   place ─► known? ─► consent ─► time ─► subject ─► what happened (one step per kind) ─► dirty lists
 *
 * Everything read here is in the record or in state, so the same log gives the same state. What
 * each kind refreshes is the table below.
 */
#include "internal.h"

#define CONTEXT(name) (1u << BK_CONTEXT_##name)

static const uint32_t refreshes[BK_EVENT_KIND_COUNT] = {
    [BK_EVENT_ITEM_VIEWED] = CONTEXT(HOME) | CONTEXT(PRODUCT),
    [BK_EVENT_SEARCHED] = CONTEXT(HOME),
    [BK_EVENT_CART_CHANGED] = CONTEXT(CART) | CONTEXT(CHECKOUT) | CONTEXT(HOME),
    [BK_EVENT_PURCHASED] =
        CONTEXT(HOME) | CONTEXT(CART) | CONTEXT(CHECKOUT) | CONTEXT(DISCOVER) | CONTEXT(USUAL),
    [BK_EVENT_WISHLIST_CHANGED] = CONTEXT(HOME),
    [BK_EVENT_REFUNDED] = CONTEXT(HOME) | CONTEXT(CHECKOUT) | CONTEXT(USUAL),
    [BK_EVENT_ITEM_DISMISSED] = CONTEXT(HOME) | CONTEXT(PRODUCT) | CONTEXT(CART) |
                                CONTEXT(CHECKOUT) | CONTEXT(DISCOVER) | CONTEXT(EMAIL) |
                                CONTEXT(USUAL),
    [BK_EVENT_ITEM_RATED] = CONTEXT(HOME),
    [BK_EVENT_SUBJECT_MERGED] = CONTEXT(HOME) | CONTEXT(CART) | CONTEXT(CHECKOUT),
    [BK_EVENT_CONSENT_CHANGED] = CONTEXT(HOME) | CONTEXT(USUAL),
};

/* ---- the distinct items of the event's lines ---- */

/* Fill scratch.line_item in order of first lines. Items beyond items_max are left out (counted). */
static void collect_lines(struct bk__turn *turn, bool create)
{
    struct bk__scratch *scratch = turn->engine->scratch;
    const struct bk_event *event = turn->event;
    uint32_t mask = BK_COUNTOF(scratch->slots) - 1;
    while (mask > 15 && mask / 4 >= event->line_count) mask >>= 1; /* small receipts clear little */
    memset(scratch->slots, 0, (mask + 1) * sizeof scratch->slots[0]);
    scratch->line_count = 0;
    for (uint32_t i = 0; i < event->line_count; i++) {
        uint32_t item = create && turn->learns
                            ? bk__item_intern(turn->engine, event->lines[i].item)
                            : bk_item_find(&turn->engine->shared, event->lines[i].item);
        if (!item) continue;
        uint32_t slot = (item * 2654435769u) & mask;
        while (scratch->slots[slot] && scratch->line_item[scratch->slots[slot] - 1] != item)
            slot = (slot + 1) & mask;
        if (scratch->slots[slot]) continue;
        scratch->line_of[scratch->line_count] = i;
        scratch->line_item[scratch->line_count++] = item;
        scratch->slots[slot] = scratch->line_count;
    }
}

/* ---- one step per kind ---- */

static void points(struct bk__turn *turn, uint32_t item, uint32_t n)
{
    if (turn->learns) bk__points_add(turn->engine, item, turn->popularity_epoch, n);
}

static void act(struct bk__turn *turn, uint32_t n)
{
    if (turn->learns) bk__acts_add(turn->engine, turn->popularity_epoch, n);
}

/* Large receipts say less about each of their lines: 1 / sqrt(lines) of `whole`. */
static uint32_t share_of_line(uint32_t whole, uint32_t lines)
{
    return lines ? (uint32_t)((float)whole / __builtin_sqrtf((float)lines) + 0.5f) : 0;
}

/* The handle of an event's item. While shared is frozen nothing new is learnt. */
static uint32_t item_of(struct bk__turn *turn, bk_str_t id)
{
    return turn->engine->frozen ? bk_item_find(&turn->engine->shared, id)
                                : bk__item_intern(turn->engine, id);
}

static void view(struct bk__turn *turn)
{
    uint32_t item = turn->event->line_count ? item_of(turn, turn->event->lines[0].item) : 0;
    if (!item) return;
    bk__session_see(turn, item, BK__WEIGHT_VIEW);
    if (!turn->closed) bk__subject(turn->shard, turn->subject)->last_item = item;
    points(turn, item, BK_POINTS_VIEW);
    act(turn, BK_POINTS_VIEW);
    if (turn->learns) bk__totals(&turn->engine->shared)->views++;
}

static void change_cart(struct bk__turn *turn)
{
    const struct bk_event *event = turn->event;
    bk__cart_change(turn, (enum bk_cart_op)event->op);
    if (event->op != BK_CART_ADD) return;
    for (uint32_t i = 0; i < event->line_count; i++) {
        uint32_t item = item_of(turn, event->lines[i].item);
        if (!item) continue;
        bk__session_see(turn, item, BK__WEIGHT_CART);
        points(turn, item, BK_POINTS_CART);
        act(turn, BK_POINTS_CART);
    }
}

/* The order of addition where the cart knows the line; UINT32_MAX behind all of them. */
static uint32_t added_at(const struct bk__turn *turn, bk_ref_t cart, uint32_t item)
{
    const struct bk_cart_line *line = bk_map_find(&turn->shard->heap, cart, item);
    return line ? line->order : UINT32_MAX;
}

/* Put the lines into the order in which the cart was filled: what was put in later is learned from
 * it. Lines that the cart does not know follow as the receipt has them. */
static void order_lines(struct bk__turn *turn)
{
    struct bk__scratch *scratch = turn->engine->scratch;
    bk_ref_t cart = bk_subject(turn->shard, turn->subject)->cart;
    if (!cart) return;
    for (uint32_t i = 0; i < scratch->line_count; i++) {
        uint32_t item = scratch->line_item[i], of = scratch->line_of[i], place = i;
        uint32_t added = added_at(turn, cart, item);
        for (; place > 0 && scratch->line_added[place - 1] > added; place--) {
            scratch->line_added[place] = scratch->line_added[place - 1];
            scratch->line_item[place] = scratch->line_item[place - 1];
            scratch->line_of[place] = scratch->line_of[place - 1];
        }
        scratch->line_added[place] = added;
        scratch->line_item[place] = item;
        scratch->line_of[place] = of;
    }
}

/* The receipt as its items' postings know it. */
static void post_receipt(struct bk__turn *turn, uint32_t lines)
{
    const struct bk__scratch *scratch = turn->engine->scratch;
    const struct bk_subject *sub = bk_subject(turn->shard, turn->subject);
    const struct bk_session *sess = bk_subject_session(turn->shard, sub);
    uint32_t visit = sess ? bk_session_posted(&turn->engine->shared, sess) : 0;
    uint64_t key = bk_mix(bk_mix(sub->id_hash ^ (uint64_t)turn->time_ms) + BK_POSTING_RECEIPT);
    uint32_t posted = bk__posted_create(turn->engine, key, visit);
    for (uint32_t i = 0; i < lines; i++)
        bk__posted_add(turn->engine, BK_POSTING_RECEIPT, posted, scratch->line_item[i],
                       bk__seconds(turn->time_ms));
    if (posted) bk__posted_release(turn->engine, posted);
}

/* What one line teaches about the others, which stand anywhere in its row: they are brought first,
 * all at once. */
static void learn_line(struct bk__turn *turn, uint32_t i, uint32_t lines, uint32_t strength)
{
    const uint32_t *item = turn->engine->scratch->line_item;
    const struct bk_shared *shared = &turn->engine->shared;
    bk_ref_t row = bk_item(shared, item[i])->rows[BK_PAIR_BOUGHT];
    for (uint32_t j = 0; j < lines; j++) bk_map_fetch(&shared->heap, row, item[j]);
    for (uint32_t j = 0; j < lines; j++)
        if (i != j)
            bk__pair_share(turn->engine, BK_PAIR_BOUGHT, item[i], item[j], 1, strength, j > i,
                           turn->pair_epoch, turn->who);
}

/* All pairs of the first receipt_lines_max distinct lines, both ways. */
static void learn_receipt(struct bk__turn *turn)
{
    const struct bk__scratch *scratch = turn->engine->scratch;
    struct bk_shared *shared = &turn->engine->shared;
    uint32_t lines = scratch->line_count, most = turn->engine->params.receipt_lines_max;
    uint32_t share = share_of_line(BK_POINTS_RECEIPT, lines);
    uint32_t strength = share_of_line(BK_STRENGTH_ONE, lines);
    act(turn, BK_POINTS_RECEIPT);
    bk__segments_bought(turn, share);
    for (uint32_t i = 0; i < lines; i++) {
        bk__support_add(shared, scratch->line_item[i], 1, 0);
        points(turn, scratch->line_item[i], share);
        bk__item_dirty(turn->engine, scratch->line_item[i]);
    }
    if (lines > most) {
        bk__count(turn->shard, BK_STATE_RECEIPT_LINES_CUT, lines - most);
        lines = most;
    }
    for (uint32_t i = 0; i < lines; i++) learn_line(turn, i, lines, strength);
    if (lines > 1) post_receipt(turn, lines);
    bk__totals(shared)->receipts++;
}

static void purchase(struct bk__turn *turn)
{
    collect_lines(turn, true);
    order_lines(turn);
    if (turn->learns) learn_receipt(turn);
    bk__session_bought(turn);
    bk__cart_bought(turn);
    if (turn->consent == BK_CONSENT_PERSONAL) bk__history_bought(turn);
    bk__shard_totals(turn->shard)->purchases++;
}

static void refund(struct bk__turn *turn)
{
    collect_lines(turn, false);
    bk__history_refunded(turn);
    bk__shard_totals(turn->shard)->refunds++;
}

static void wish(struct bk__turn *turn)
{
    uint32_t item = turn->event->line_count ? item_of(turn, turn->event->lines[0].item) : 0;
    if (!item) return;
    if (turn->event->op == BK_WISH_REMOVE) {
        bk__mark_set(turn, item, 0, BK_MARK_WISHED);
        return;
    }
    if (turn->consent == BK_CONSENT_PERSONAL) bk__mark_set(turn, item, BK_MARK_WISHED, 0);
    bk__session_see(turn, item, BK__WEIGHT_WISH);
}

/* Dismissals are kept under session consent too: not to show an item again is what the shopper
 * asked for. */
static void dismiss(struct bk__turn *turn)
{
    uint32_t item = turn->event->line_count ? item_of(turn, turn->event->lines[0].item) : 0;
    if (item) bk__mark_set(turn, item, BK_MARK_DISMISSED, 0);
}

static void rate(struct bk__turn *turn)
{
    uint32_t item = turn->event->line_count ? item_of(turn, turn->event->lines[0].item) : 0;
    if (!item || turn->consent != BK_CONSENT_PERSONAL) return;
    uint32_t both = BK_MARK_RATED_LOW | BK_MARK_RATED_HIGH;
    uint32_t set = turn->event->rating <= 2   ? BK_MARK_RATED_LOW
                   : turn->event->rating >= 4 ? BK_MARK_RATED_HIGH
                                              : 0;
    bk__mark_set(turn, item, set, both & ~set);
}

static void change_consent(struct bk__turn *turn)
{
    if (turn->consent == BK_CONSENT_SESSION) bk__subject_forget_past(turn->shard, turn->subject);
}

static void step(struct bk__turn *turn)
{
    switch (turn->event->kind) {
    case BK_EVENT_ITEM_VIEWED:
        view(turn);
        break;
    case BK_EVENT_CART_CHANGED:
        change_cart(turn);
        break;
    case BK_EVENT_PURCHASED:
        purchase(turn);
        break;
    case BK_EVENT_REFUNDED:
        refund(turn);
        break;
    case BK_EVENT_WISHLIST_CHANGED:
        wish(turn);
        break;
    case BK_EVENT_ITEM_DISMISSED:
        dismiss(turn);
        break;
    case BK_EVENT_ITEM_RATED:
        rate(turn);
        break;
    case BK_EVENT_SUBJECT_MERGED:
        bk__identity_join(turn);
        break;
    case BK_EVENT_CONSENT_CHANGED:
        change_consent(turn);
        break;
    default:
        break; /* seen and counted; nothing to remember yet */
    }
}

/* ---- before and after ---- */

static bool was_applied(struct bk_shard *shard, const struct bk_place *place,
                        const struct bk_event *event)
{
    struct bk_shard_totals *totals = bk__shard_totals(shard);
    if (place->offset < totals->next_offset) return true;
    totals->next_offset = place->offset + 1;
    if (!event->event_id.len) return false;
    return bk__dedup_seen(shard, bk_hash(event->event_id.p, event->event_id.len));
}

/* A second purchase of the same order within the customer's last orders. */
static bool is_known_order(struct bk__turn *turn)
{
    if (turn->event->kind != BK_EVENT_PURCHASED || !turn->event->order_id.len) return false;
    uint64_t order = bk_hash(turn->event->order_id.p, turn->event->order_id.len) | 1;
    return bk__order_seen(bk__subject(turn->shard, turn->subject), order);
}

static enum bk_consent consent_of(const struct bk_engine *engine, const struct bk_event *event,
                                  const struct bk_subject *sub)
{
    if (event->consent != BK_CONSENT_UNKNOWN) return (enum bk_consent)event->consent;
    return sub && sub->consent ? (enum bk_consent)sub->consent : engine->params.consent_default;
}

static int64_t time_of(struct bk_engine *engine, struct bk_shard *shard,
                       const struct bk_place *place, const struct bk_event *event)
{
    int64_t latest = place->record_ms + engine->params.time_ahead_max_ms;
    if (event->event_time_ms <= latest) return event->event_time_ms;
    bk__count(shard, BK_STATE_TIMES_CUT, 1);
    return latest;
}

static void call_back_lists(bk_str_t id, struct bk_applied *applied)
{
    memcpy(applied->erased_id, id.p, id.len);
    applied->erased_id_len = (uint8_t)id.len;
    applied->erased = (1u << BK_CONTEXT_COUNT) - 1;
}

/* The lists must go even when the subject itself was evicted before: they may outlive it out there.
 */
static void erase(struct bk_shard *shard, uint32_t subject, bk_str_t id, struct bk_applied *applied)
{
    call_back_lists(id, applied);
    if (subject) bk__subject_forget(shard, subject);
}

/* What the subject knows of its last event, and the stream's clock. A merge is ours: made of an
 * older event it is no late one, and the customer's own word on consent stands. */
static void note_time(struct bk__turn *turn, const struct bk_place *place)
{
    struct bk_subject *sub = bk__subject(turn->shard, turn->subject);
    bool ours = turn->event->kind == BK_EVENT_SUBJECT_MERGED;
    bool late = turn->time_ms < sub->time_ms;
    if (late && !ours) bk__count(turn->shard, BK_STATE_EVENTS_LATE, 1);
    sub->time_ms = bk_max_i64(sub->time_ms, turn->time_ms);
    sub->offset = place->offset;
    sub->record_ms = place->record_ms;
    sub->warm = 1;
    if (!ours || !sub->consent) sub->consent = (uint8_t)turn->consent;
    int64_t clock = bk_min_i64(turn->time_ms, place->record_ms);
    if (clock > bk_totals(&turn->engine->shared)->time_max_ms)
        bk__totals(&turn->engine->shared)->time_max_ms = clock;
}

/* A visitor logged in. The lists go, whoever the next visitor of that browser is; a visitor that is
 * not known stays so. */
static void identify(struct bk__turn *turn, const struct bk_place *place, bk_str_t id,
                     struct bk_applied *applied)
{
    call_back_lists(id, applied);
    if (!turn->subject) return;
    applied->merge = bk__identity_leave(turn);
    note_time(turn, place);
    bk__subject_lists_drop(turn->shard, turn->subject);
}

static uint32_t lists_of(const struct bk__turn *turn)
{
    uint32_t contexts = refreshes[turn->event->kind];
    if (turn->event->kind == BK_EVENT_PURCHASED &&
        !(bk_subject(turn->shard, turn->subject)->live & CONTEXT(EMAIL)))
        contexts |= CONTEXT(EMAIL); /* the first one; from then on by schedule */
    return contexts;
}

static struct bk__turn turn_of(struct bk_engine *engine, struct bk_shard *shard,
                               const struct bk_event *event, int64_t time_ms, uint32_t subject,
                               enum bk_consent consent)
{
    uint64_t id_hash = subject ? bk_subject(shard, subject)->id_hash : 0;
    return (struct bk__turn){
        .engine = engine,
        .shard = shard,
        .event = event,
        .time_ms = time_ms,
        .subject = subject,
        .consent = consent,
        .popularity_epoch = bk_popularity_epoch(&engine->params, time_ms),
        .pair_epoch = (uint16_t)(bk_max_i64(time_ms, 0) / engine->params.pair_epoch_ms),
        .who = (uint16_t)(1u << (id_hash & 15)),
        .learns = !engine->frozen,
    };
}

struct bk_applied bk_apply(struct bk_engine *engine, struct bk_shard *shard,
                           const struct bk_place *place, const struct bk_event *event)
{
    struct bk_applied applied = {.verdict = BK_VERDICT_OK};
    if (was_applied(shard, place, event)) {
        bk__shard_totals(shard)->duplicates++;
        applied.verdict = BK_VERDICT_DUPLICATE;
        return applied;
    }
    char id[BK_SUBJECT_BYTES_MAX];
    bk_str_t subject_id = bk_str(id, bk_event_subject(event, id));
    uint32_t subject = bk_subject_find(shard, subject_id);
    enum bk_consent consent =
        consent_of(engine, event, subject ? bk_subject(shard, subject) : NULL);
    bool withdrawn = event->kind == BK_EVENT_CUSTOMER_ERASED ||
                     (event->kind == BK_EVENT_CONSENT_CHANGED && consent == BK_CONSENT_NONE);
    if (withdrawn) {
        erase(shard, subject, subject_id, &applied);
        bk__shard_totals(shard)->applied++;
        return applied;
    }
    if (consent == BK_CONSENT_NONE) {
        bk__shard_totals(shard)->dropped++;
        applied.verdict = BK_VERDICT_NO_CONSENT;
        return applied;
    }
    int64_t time_ms = time_of(engine, shard, place, event);
    if (event->kind == BK_EVENT_IDENTIFIED) {
        struct bk__turn turn = turn_of(engine, shard, event, time_ms, subject, consent);
        identify(&turn, place, subject_id, &applied);
        bk__shard_totals(shard)->applied++;
        return applied;
    }
    if (!subject) subject = bk__subject_intern(shard, subject_id, time_ms);
    if (!subject) { /* no memory for one more: counted */
        bk__shard_totals(shard)->applied++;
        return applied;
    }

    struct bk__turn turn = turn_of(engine, shard, event, time_ms, subject, consent);
    if (is_known_order(&turn) || bk__identity_is_known(&turn)) {
        bk__shard_totals(shard)->duplicates++;
        applied.verdict = BK_VERDICT_DUPLICATE;
        return applied;
    }
    bk__shard_totals(shard)->applied++;
    bk__session_roll(&turn);
    bk__segments_note(&turn);
    step(&turn);
    note_time(&turn, place);
    bk_dirty_put(shard, subject, bk_subject(shard, subject)->stamp, lists_of(&turn),
                 place->record_ms);
    applied.subject = subject;
    return applied;
}
