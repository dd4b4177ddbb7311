/* session.c -- what a shopper looks at now, and what that teaches about the items.
 *
 * THE IDEA
 *   A session is its distinct items in order of last sight, each with its strongest behaviour, and
 *   how it went on its way. Each sight adds to shared: a directed rule from each of the last three
 *   items (weights 3, 2, 1), and, when the item is new to the session, a viewed-together pair with
 *   each of the 16 seen last, a session to the item's count and a posting.
 * ENDS
 *   By session.gap without an event of the subject's own time, or by another session id; evaluated
 *   at the subject's next event: there is no timer.
 * LATE
 *   An event older than its subject's last one is late (counted). It ends no session, names none and
 *   opens none. At or after the live session's start it is one of that session; before it, the
 *   session it belongs to is closed and stays so: nothing is seen, no rule is learnt, and what else
 *   it says (popularity at its own epoch, receipts, history, cart, marks) counts as ever.
 * BOUNDS
 *   64 distinct items (the one seen longest ago makes room); over session.events_max events or
 *   sights the session adds nothing shared.
 */
#include "internal.h"

enum { CAP_MIN = 4, VIEWS_BEFORE_PURCHASE = 16, VIEWED_SPAN = 16 };

static size_t session_bytes(uint32_t cap)
{
    return sizeof(struct bk_session) + cap * sizeof(struct bk_seen);
}

static struct bk_session *session_write(struct bk_shard *shard, const struct bk_subject *sub)
{
    const struct bk_session *sess = bk_arena_read(&shard->heap, sub->session);
    return bk_arena_write(&shard->heap, sub->session, session_bytes(sess->cap));
}

void bk__session_drop(struct bk_shard *shard, struct bk_subject *sub)
{
    if (!sub->session) return;
    const struct bk_session *sess = bk_arena_read(&shard->heap, sub->session);
    uint32_t posted = bk_session_posted(&shard->engine->shared, sess);
    if (posted) bk__posted_release(shard->engine, posted);
    bk_arena_free(&shard->heap, sub->session, session_bytes(sess->cap));
    sub->session = 0;
}

static bool is_over(const struct bk__turn *turn, const struct bk_subject *sub,
                    const struct bk_session *sess, uint64_t key)
{
    if (turn->time_ms < sub->time_ms) return false; /* late: it ends nothing */
    if (bk__session_is_cold(turn, sub)) return true;
    return key && sess->key && key != sess->key;
}

bool bk__session_is_cold(const struct bk__turn *turn, const struct bk_subject *sub)
{
    return turn->time_ms - sub->time_ms > turn->engine->params.session_gap_ms;
}

void bk__session_roll(struct bk__turn *turn)
{
    struct bk_shard *shard = turn->shard;
    uint64_t key =
        turn->event->session.len ? bk_hash(turn->event->session.p, turn->event->session.len) : 0;
    const struct bk_subject *sub = bk_subject(shard, turn->subject);
    const struct bk_session *live = bk_subject_session(shard, sub);
    bool late = turn->time_ms < sub->time_ms;
    if (live && is_over(turn, sub, live, key)) {
        bk__session_drop(shard, bk__subject(shard, turn->subject));
        live = NULL;
    }
    /* What the customer did since may have overtaken a merge: it is of the session that followed. */
    int64_t reach =
        turn->event->kind == BK_EVENT_SUBJECT_MERGED ? turn->engine->params.session_gap_ms : 0;
    turn->closed = late && (!live || turn->time_ms + reach < live->started_ms);
    if (turn->closed) return;
    if (!live) {
        bk_ref_t ref = bk__shard_alloc(shard, session_bytes(CAP_MIN), turn->subject);
        if (!ref) return;
        bk__subject(shard, turn->subject)->session = ref;
        struct bk_session *fresh = bk_arena_write(&shard->heap, ref, session_bytes(CAP_MIN));
        fresh->cap = CAP_MIN;
        fresh->started_ms = turn->time_ms;
        fresh->key = key;
        bk__count(shard, BK_STATE_SESSIONS_STARTED, 1);
    }
    struct bk_session *sess = session_write(shard, bk_subject(shard, turn->subject));
    sess->raw_events++;
    if (!sess->key && !late) sess->key = key; /* a late event may be of a session before */
    if (sess->raw_events > turn->engine->params.session_events_max) {
        turn->learns = false;
        bk__count(shard, BK_STATE_SESSION_EVENTS_CUT, 1);
    }
}

/* ---- a sight ---- */

/* Twice the room, up to the bound; the session as it then stands. */
static struct bk_session *grow(struct bk__turn *turn)
{
    struct bk_shard *shard = turn->shard;
    const struct bk_session *sess = bk_subject_session(shard, bk_subject(shard, turn->subject));
    uint32_t cap = sess->cap * 2u < BK_SESSION_SEEN_MAX ? sess->cap * 2u : BK_SESSION_SEEN_MAX;
    bk_ref_t fresh = bk__shard_alloc(shard, session_bytes(cap), turn->subject);
    if (!fresh) return NULL;
    struct bk_subject *sub = bk__subject(shard, turn->subject);
    struct bk_session *to = bk_arena_write(&shard->heap, fresh, session_bytes(cap));
    memcpy(to, sess, session_bytes(sess->cap));
    bk_arena_free(&shard->heap, sub->session, session_bytes(sess->cap));
    to->cap = (uint8_t)cap;
    sub->session = fresh;
    return to;
}

/* Take the item's entry out of `seen`, or a new one; false: there is none. The rest closes up, so
 * that the last place is free. */
static bool take_entry(struct bk__turn *turn, struct bk_session **sess, uint32_t item,
                       struct bk_seen *entry)
{
    struct bk_session *s = *sess;
    uint32_t place = 0;
    while (place < s->count && s->seen[place].item != item) place++;
    if (place == s->count) {
        *entry = (struct bk_seen){.item = item};
        if (s->count < s->cap) return true;
        if (s->cap < BK_SESSION_SEEN_MAX) {
            *sess = grow(turn);
            return *sess != NULL;
        }
        place = 0; /* full: the item seen longest ago goes */
    } else {
        *entry = s->seen[place];
    }
    memmove(&s->seen[place], &s->seen[place + 1], (s->count - place - 1u) * sizeof s->seen[0]);
    s->count--;
    return true;
}

static void learn_rules(struct bk__turn *turn, const struct bk_session *sess, uint32_t item)
{
    for (uint32_t back = 0; back < BK_SESSION_STEPS && sess->recent[back]; back++)
        bk__pair_add(turn->engine, BK_PAIR_NEXT, sess->recent[back], item, BK_SESSION_STEPS - back,
                     turn->pair_epoch, turn->who);
}

/* The item is new to the session: pairs with those seen last, its session count. */
static void learn_sight(struct bk__turn *turn, const struct bk_session *sess, uint32_t item)
{
    struct bk_shared *shared = &turn->engine->shared;
    uint32_t first = sess->count > VIEWED_SPAN ? sess->count - VIEWED_SPAN : 0;
    for (uint32_t i = first; i < sess->count; i++) {
        uint32_t other = sess->seen[i].item;
        if (other == item || !sess->seen[i].viewed) continue;
        bk__pair_add(turn->engine, BK_PAIR_VIEWED, item, other, 1, turn->pair_epoch, turn->who);
        bk__pair_add(turn->engine, BK_PAIR_VIEWED, other, item, 1, turn->pair_epoch, turn->who);
        bk__item_dirty(turn->engine, other);
    }
    bk__support_add(shared, item, 0, 1);
    bk__item_dirty(turn->engine, item);
}

/* The item's place among the seen, 0 the last one; as many as there are when it is new. */
static uint32_t place_of(const struct bk_session *sess, uint32_t item)
{
    uint32_t place = 0;
    while (place < sess->count && sess->seen[sess->count - 1 - place].item != item) place++;
    return place;
}

static enum bk_step step_to(const struct bk_session *sess, uint32_t place)
{
    if (!sess->events) return BK_STEP_FIRST;
    if (place == 0) return BK_STEP_STAY;
    return place < sess->count ? BK_STEP_BACK : BK_STEP_NEW;
}

/* Where a sight went, of the places it could have gone back to. */
static void learn_way(struct bk__turn *turn, uint32_t before, uint32_t place, uint32_t places)
{
    struct bk_shared_totals *totals = bk__totals(&turn->engine->shared);
    for (uint32_t p = 0; p < places && p < BK_WAY_PLACES; p++) {
        totals->way_asked[before][p]++;
        totals->way_taken[before][p] += p == place;
    }
}

static void post(struct bk__turn *turn, struct bk_session *sess, uint32_t item)
{
    struct bk_shared *shared = &turn->engine->shared;
    if (!sess->taught) {
        uint64_t key =
            bk_mix(bk_subject(turn->shard, turn->subject)->id_hash ^ (uint64_t)sess->started_ms);
        sess->posted = bk__posted_create(turn->engine, key, 0);
        if (sess->posted) sess->posted_stamp = bk_posted(shared, sess->posted)->stamp;
        sess->taught = 1;
        bk__totals(shared)->sessions++;
    }
    bk__posted_add(turn->engine, BK_POSTING_SESSION, bk_session_posted(shared, sess), item,
                   bk__seconds(turn->time_ms));
}

void bk__session_see(struct bk__turn *turn, uint32_t item, uint16_t weight)
{
    if (turn->closed) return;
    if (!bk_subject(turn->shard, turn->subject)->session) return; /* memory refused one */
    struct bk_session *sess = session_write(turn->shard, bk_subject(turn->shard, turn->subject));
    struct bk_seen entry;
    uint32_t place = place_of(sess, item), places = sess->count, before = sess->step;
    enum bk_step step = step_to(sess, place);
    if (!take_entry(turn, &sess, item, &entry)) return;
    bool learns = turn->learns;
    if (learns && sess->events >= turn->engine->params.session_events_max) {
        bk__count(turn->shard, BK_STATE_SESSION_EVENTS_CUT, 1); /* few events of many items */
        learns = false;
    }
    sess->events++;
    if (learns) {
        learn_way(turn, before, place, places);
        learn_rules(turn, sess, item);
        if (!entry.viewed) {
            learn_sight(turn, sess, item);
            post(turn, sess, item);
            entry.viewed = 1;
        }
    }
    memmove(&sess->recent[1], &sess->recent[0], sizeof sess->recent - sizeof sess->recent[0]);
    sess->recent[0] = item;
    sess->step = (uint8_t)step;
    entry.at = sess->events;
    if (weight > entry.weight) entry.weight = weight;
    sess->seen[sess->count++] = entry;
}

void bk__session_adopt(struct bk__turn *turn, uint32_t item, uint16_t weight)
{
    bool learns = turn->learns;
    turn->learns = false;
    bk__session_see(turn, item, weight);
    turn->learns = learns;
    const struct bk_subject *sub = bk_subject(turn->shard, turn->subject);
    const struct bk_session *sess = bk_subject_session(turn->shard, sub);
    if (turn->closed || !sess || !sess->count || sess->seen[sess->count - 1].item != item) return;
    session_write(turn->shard, sub)->seen[sess->count - 1].viewed = 1;
}

void bk__session_bought(struct bk__turn *turn)
{
    const struct bk__scratch *scratch = turn->engine->scratch;
    const struct bk_session *sess =
        bk_subject_session(turn->shard, bk_subject(turn->shard, turn->subject));
    if (!sess || !turn->learns || turn->closed) return;
    uint32_t lines =
        (uint32_t)bk_min_u64(scratch->line_count, turn->engine->params.receipt_lines_max);
    uint32_t first = sess->count > VIEWS_BEFORE_PURCHASE ? sess->count - VIEWS_BEFORE_PURCHASE : 0;
    for (uint32_t i = first; i < sess->count; i++)
        for (uint32_t j = 0; j < lines; j++)
            if (sess->seen[i].item != scratch->line_item[j])
                bk__pair_add(turn->engine, BK_PAIR_VIEW_BUY, sess->seen[i].item,
                             scratch->line_item[j], 1, turn->pair_epoch, turn->who);
}
