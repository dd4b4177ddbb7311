/* model.c -- one event after another, in the plainest words. */
#include "support/model.h"

#include <math.h>
#include <stdlib.h>

#define PUSH(array, count, cap, ...)                                                               \
    do {                                                                                           \
        if ((count) == (cap)) {                                                                    \
            (cap) = (cap) ? (cap)*2 : 64;                                                          \
            (array) = realloc((array), (cap) * sizeof *(array));                                   \
            BK_ASSERT(array);                                                                      \
        }                                                                                          \
        (array)[(count)++] = __VA_ARGS__;                                                          \
    } while (0)

enum { NOBODY = UINT32_MAX };

struct model *model_create(const struct bk_state_params *params)
{
    struct model *model = calloc(1, sizeof *model);
    BK_ASSERT(model);
    model->params = *params;
    return model;
}

static void subject_free(struct model_subject *sub)
{
    free(sub->session.sight);
    free(sub);
}

void model_destroy(struct model **model)
{
    struct model *m = *model;
    for (int i = 0; i < MODEL_SUBJECTS; i++)
        if (m->subject[i]) subject_free(m->subject[i]);
    for (int i = 0; i < MODEL_SHARDS; i++) free(m->shard[i].event_id);
    for (size_t i = 0; i < m->posteds; i++) free(m->posted[i]);
    free(m->posted);
    free(m->pair);
    free(m->points);
    free(m->acts);
    free(m->posting);
    free(m);
    *model = NULL;
}

/* ---- names
 * ------------------------------------------------------------------------------------ */

static const char *word(bk_str_t str)
{
    return str.len ? told_word(str.p, str.len) : NULL;
}

static uint32_t item_find(const struct model *m, bk_str_t id)
{
    for (uint32_t i = 0; i < m->items; i++)
        if (m->item[i] == word(id)) return i;
    return NOBODY;
}

static uint32_t item_intern(struct model *m, bk_str_t id)
{
    uint32_t item = item_find(m, id);
    if (item != NOBODY) return item;
    BK_ASSERT(m->items < MODEL_ITEMS);
    m->item[m->items] = word(id);
    return m->items++;
}

static const char *subject_name(const struct bk_event *event)
{
    char id[BK_SUBJECT_BYTES_MAX];
    return told_word(id, bk_event_subject(event, id));
}

struct model_subject *model_subject_find(const struct model *m, int partition, const char *id)
{
    for (int i = 0; i < MODEL_SUBJECTS; i++)
        if (m->subject[i] && m->subject[i]->partition == partition && m->subject[i]->id == id)
            return m->subject[i];
    return NULL;
}

static struct model_subject *subject_create(struct model *m, int partition, const char *id,
                                            int64_t t)
{
    int place = 0;
    while (place < MODEL_SUBJECTS && m->subject[place]) place++;
    BK_ASSERT(place < MODEL_SUBJECTS);
    struct model_subject *sub = calloc(1, sizeof *sub);
    BK_ASSERT(sub);
    sub->id = id;
    sub->partition = partition;
    sub->since_ms = sub->time_ms = t;
    return m->subject[place] = sub;
}

static void subject_erase(struct model *m, struct model_subject *sub)
{
    for (int i = 0; i < MODEL_SUBJECTS; i++)
        if (m->subject[i] == sub) m->subject[i] = NULL;
    subject_free(sub);
}

/* ---- what is counted
 * -------------------------------------------------------------------------- */

struct turn {
    struct model *m;
    struct model_subject *sub;
    const struct bk_event *event;
    int64_t t;
    int consent;
    bool learns, closed;
    uint32_t line[BK_LINES_MAX], line_of[BK_LINES_MAX], lines; /* distinct items of the lines */
};

static void pair_add_after(struct turn *turn, enum bk_pair_kind kind, uint32_t a, uint32_t b,
                           uint32_t weight, bool after)
{
    struct model *m = turn->m;
    uint32_t epoch = (uint32_t)((turn->t < 0 ? 0 : turn->t) / m->params.pair_epoch_ms);
    uint32_t who = 1u << (bk_hash(turn->sub->id, strlen(turn->sub->id)) % 16);
    double strength = weight / (kind == BK_PAIR_BOUGHT ? sqrt(turn->lines) : 1);
    PUSH(m->pair, m->pairs, m->pairs_cap,
         (struct model_pair){kind, a, b, weight, epoch, who, strength, after});
}

static void pair_add(struct turn *turn, enum bk_pair_kind kind, uint32_t a, uint32_t b,
                     uint32_t weight)
{
    pair_add_after(turn, kind, a, b, weight, false);
}

static void points_add(struct turn *turn, uint32_t item, uint32_t points)
{
    struct model *m = turn->m;
    if (!turn->learns) return;
    uint32_t epoch = (uint32_t)((turn->t < 0 ? 0 : turn->t) / m->params.popularity_epoch_ms);
    PUSH(m->points, m->points_count, m->points_cap, (struct model_points){item, epoch, points});
}

static void act_add(struct turn *turn, uint32_t points)
{
    struct model *m = turn->m;
    if (!turn->learns) return;
    uint32_t epoch = (uint32_t)((turn->t < 0 ? 0 : turn->t) / m->params.popularity_epoch_ms);
    PUSH(m->acts, m->acts_count, m->acts_cap, (struct model_points){0, epoch, points});
}

static void post(struct turn *turn, uint32_t item)
{
    struct model *m = turn->m;
    struct model_session *session = &turn->sub->session;
    if (!session->posted) {
        struct model_posted *posted = calloc(1, sizeof *posted);
        BK_ASSERT(posted);
        posted->key =
            bk_mix(bk_hash(turn->sub->id, strlen(turn->sub->id)) ^ (uint64_t)session->started_ms);
        PUSH(m->posted, m->posteds, m->posteds_cap, posted);
        session->posted = (uint32_t)m->posteds;
        m->sessions++;
    }
    struct model_posted *posted = m->posted[session->posted - 1];
    BK_ASSERT(posted->count < BK_COUNTOF(posted->item));
    posted->item[posted->count++] = item;
    PUSH(m->posting, m->postings, m->postings_cap,
         (struct model_posting){item, session->posted - 1, (uint32_t)(turn->t / 1000),
                                BK_POSTING_SESSION});
}

/* ---- session
 * ---------------------------------------------------------------------------------- */

static void session_end(struct model_session *session)
{
    free(session->sight);
    *session = (struct model_session){0};
}

static void session_roll(struct turn *turn)
{
    struct model_session *session = &turn->sub->session;
    const char *key = word(turn->event->session);
    bool late = turn->t < turn->sub->time_ms;
    bool long_ago = turn->t - turn->sub->time_ms > turn->m->params.session_gap_ms;
    bool other = key && session->key && key != session->key;
    if (session->live && !late && (long_ago || other)) session_end(session);
    bool merged = turn->event->kind == BK_EVENT_SUBJECT_MERGED;
    int64_t before = merged ? turn->m->params.session_gap_ms : 0;
    turn->closed = late && (!session->live || turn->t < session->started_ms - before);
    if (turn->closed) return;
    if (!session->live) {
        session->live = true;
        session->started_ms = turn->t;
        session->key = key;
    } else if (!session->key && !late) {
        session->key = key;
    }
    if (++session->raw_events > turn->m->params.session_events_max) turn->learns = false;
}

/* The item's place among the seen; a new one takes that of the item seen longest ago when all are
 * taken. */
static struct model_seen *seen_of(struct model_session *session, uint32_t item)
{
    struct model_seen *oldest = &session->seen[0];
    for (uint32_t i = 0; i < session->seen_count; i++) {
        if (session->seen[i].item == item) return &session->seen[i];
        if (session->seen[i].last < oldest->last) oldest = &session->seen[i];
    }
    struct model_seen *fresh =
        session->seen_count < MODEL_SEEN ? &session->seen[session->seen_count++] : oldest;
    *fresh = (struct model_seen){.item = item, .since = session->sights};
    return fresh;
}

static uint32_t last_sight(const struct model_session *session, uint32_t item)
{
    uint32_t at = session->sights;
    while (at && session->sight[at - 1].item != item) at--;
    return at;
}

/* Is `other` among the 16 items that the session saw last, `item` itself not counted? */
static bool is_near(const struct model_session *session, uint32_t other, uint32_t item)
{
    uint32_t later = 0;
    for (uint32_t i = 0; i < session->seen_count; i++) {
        uint32_t each = session->seen[i].item;
        if (each != item && last_sight(session, each) > last_sight(session, other)) later++;
    }
    return later < 16;
}

uint32_t model_places(const struct model_session *session, uint32_t items[MODEL_SEEN])
{
    uint32_t count = 0;
    for (uint32_t at = session->sights; at > 0; at--)
        for (uint32_t i = 0; i < session->seen_count; i++)
            if (session->seen[i].last == at) items[count++] = session->seen[i].item;
    return count;
}

static void go(struct turn *turn, struct model_session *session, uint32_t item, bool learns)
{
    uint32_t items[MODEL_SEEN], count = model_places(session, items), place = 0;
    while (place < count && items[place] != item) place++;
    for (uint32_t p = 0; learns && p < count && p < 8; p++) {
        turn->m->way_asked[session->step][p]++;
        if (p == place) turn->m->way_taken[session->step][p]++;
    }
    session->step = !session->sights ? 0 : place == count ? 1 : place == 0 ? 2 : 3;
}

static void see(struct turn *turn, uint32_t item, uint32_t weight)
{
    struct model_session *session = &turn->sub->session;
    if (turn->closed) return;
    bool learns = turn->learns && session->sights < turn->m->params.session_events_max;
    go(turn, session, item, learns);
    for (uint32_t back = 1; learns && back <= 3 && back <= session->sights; back++)
        pair_add(turn, BK_PAIR_NEXT, session->sight[session->sights - back].item, item, 4 - back);
    struct model_seen *seen = seen_of(session, item);
    if (learns && !seen->learned) {
        for (uint32_t i = 0; i < session->seen_count; i++) {
            const struct model_seen *other = &session->seen[i];
            if (other == seen || !other->learned || !is_near(session, other->item, item)) continue;
            pair_add(turn, BK_PAIR_VIEWED, item, other->item, 1);
            pair_add(turn, BK_PAIR_VIEWED, other->item, item, 1);
        }
        turn->m->item_sessions[item]++;
        post(turn, item);
        seen->learned = true;
    }
    session->sight = realloc(session->sight, (session->sights + 1) * sizeof *session->sight);
    BK_ASSERT(session->sight);
    session->sight[session->sights++] = (struct model_sight){item, weight};
    seen->last = session->sights;
}

/* ---- one step per kind
 * ------------------------------------------------------------------------ */

/* Added to what is there, or, of a merge, at least so many. */
static void cart_put(struct turn *turn, uint32_t item, uint32_t quantity, bool merge)
{
    struct model_subject *sub = turn->sub;
    uint32_t place = 0;
    if (!quantity) return;
    while (place < sub->cart_count && sub->cart[place].item != item) place++;
    if (place == sub->cart_count) {
        if (sub->cart_count >= turn->m->params.cart_lines_max) return;
        sub->cart[sub->cart_count].item = item;
        sub->cart[sub->cart_count++].quantity = 0;
    }
    uint64_t had = sub->cart[place].quantity, sum = had + quantity;
    if (merge) sum = had > quantity ? had : quantity;
    sub->cart[place].quantity = sum > 1000000 ? 1000000 : (uint32_t)sum;
    sub->cart[place].order = ++sub->cart_order;
}

static void cart_take(struct model_subject *sub, uint32_t item, uint32_t quantity)
{
    for (uint32_t i = 0; i < sub->cart_count; i++) {
        if (sub->cart[i].item != item) continue;
        if (sub->cart[i].quantity > quantity)
            sub->cart[i].quantity -= quantity;
        else
            sub->cart[i] = sub->cart[--sub->cart_count];
        return;
    }
}

static uint32_t within(int64_t quantity, int64_t least)
{
    return (uint32_t)(quantity < least ? least : quantity > 1000000 ? 1000000 : quantity);
}

static void cart(struct turn *turn, int op)
{
    if (op == BK_CART_CLEAR || op == BK_CART_SET) turn->sub->cart_count = 0;
    for (uint32_t i = 0; op != BK_CART_CLEAR && i < turn->event->line_count; i++) {
        const struct bk_line *line = &turn->event->lines[i];
        uint32_t item = op == BK_CART_REMOVE ? item_find(turn->m, line->item)
                                             : item_intern(turn->m, line->item);
        if (op == BK_CART_REMOVE)
            cart_take(turn->sub, item, within(line->quantity, 0));
        else
            cart_put(turn, item, within(line->quantity, 0), false);
    }
}

static bool in_cart_lines(const struct bk_event *event, bk_str_t item)
{
    for (uint32_t i = 0; i < event->line_count; i++)
        if (event->lines[i].role == BK_LINE_CART && bk_str_eq(event->lines[i].item, item))
            return true;
    return false;
}

/* What a visitor did is the customer's now: seen and taught already, and in the cart once. */
static void merge(struct turn *turn)
{
    struct model_session *session = &turn->sub->session;
    for (uint32_t i = 0; i < turn->event->line_count; i++) {
        const struct bk_line *line = &turn->event->lines[i];
        uint32_t item = item_intern(turn->m, line->item);
        if (line->role == BK_LINE_VIEWED) {
            bool learns = turn->learns;
            turn->learns = false;
            see(turn, item, in_cart_lines(turn->event, line->item) ? 12 : 4);
            turn->learns = learns;
            for (uint32_t j = 0; j < session->seen_count; j++)
                if (session->seen[j].item == item && !turn->closed) session->seen[j].learned = true;
        } else {
            cart_put(turn, item, within(line->quantity, 0), true);
        }
    }
}

static void distinct_lines(struct turn *turn, bool create)
{
    for (uint32_t i = 0; i < turn->event->line_count; i++) {
        bk_str_t id = turn->event->lines[i].item;
        uint32_t item = create ? item_intern(turn->m, id) : item_find(turn->m, id), j = 0;
        while (j < turn->lines && turn->line[j] != item) j++;
        if (item == NOBODY || j < turn->lines) continue;
        turn->line_of[turn->lines] = i;
        turn->line[turn->lines++] = item;
    }
}

static uint32_t added_at(const struct model_subject *sub, uint32_t item)
{
    for (uint32_t i = 0; i < sub->cart_count; i++)
        if (sub->cart[i].item == item) return sub->cart[i].order;
    return UINT32_MAX;
}

/* As the cart was filled; what it does not know stands last, as the receipt has it. */
static void order_lines(struct turn *turn)
{
    for (uint32_t rounds = 0; rounds < turn->lines; rounds++)
        for (uint32_t i = 0; i + 1 < turn->lines; i++) {
            if (added_at(turn->sub, turn->line[i]) <= added_at(turn->sub, turn->line[i + 1]))
                continue;
            uint32_t line = turn->line[i], of = turn->line_of[i];
            turn->line[i] = turn->line[i + 1];
            turn->line_of[i] = turn->line_of[i + 1];
            turn->line[i + 1] = line;
            turn->line_of[i + 1] = of;
        }
}

static void post_receipt(struct turn *turn)
{
    struct model *m = turn->m;
    struct model_posted *posted = calloc(1, sizeof *posted);
    BK_ASSERT(posted);
    uint64_t subject = bk_hash(turn->sub->id, strlen(turn->sub->id));
    posted->key = bk_mix(bk_mix(subject ^ (uint64_t)turn->t) + 1);
    PUSH(m->posted, m->posteds, m->posteds_cap, posted);
    for (uint32_t i = 0; i < turn->lines && i < m->params.receipt_lines_max; i++) {
        posted->item[posted->count++] = turn->line[i];
        PUSH(m->posting, m->postings, m->postings_cap,
             (struct model_posting){turn->line[i], (uint32_t)m->posteds - 1,
                                    (uint32_t)(turn->t / 1000), BK_POSTING_RECEIPT});
    }
}

static void receipt_learn(struct turn *turn)
{
    uint32_t most = turn->m->params.receipt_lines_max;
    act_add(turn, 16);
    for (uint32_t i = 0; i < turn->lines; i++) {
        turn->m->item_receipts[turn->line[i]]++;
        points_add(turn, turn->line[i], (uint32_t)lround(16 / sqrt(turn->lines)));
        for (uint32_t j = 0; j < turn->lines; j++)
            if (i != j && i < most && j < most)
                pair_add_after(turn, BK_PAIR_BOUGHT, turn->line[i], turn->line[j], 1, j > i);
    }
    if (turn->lines > 1) post_receipt(turn);
    turn->m->receipts++;
}

/* The 16 items seen last, with the receipt's first lines. */
static void bought_after_views(struct turn *turn)
{
    const struct model_session *session = &turn->sub->session;
    uint32_t most = turn->m->params.receipt_lines_max;
    for (uint32_t i = 0; i < session->seen_count && !turn->closed; i++) {
        uint32_t later = 0;
        for (uint32_t j = 0; j < session->seen_count; j++)
            later += session->seen[j].last > session->seen[i].last;
        for (uint32_t j = 0; later < 16 && j < turn->lines && j < most; j++)
            if (session->seen[i].item != turn->line[j])
                pair_add(turn, BK_PAIR_VIEW_BUY, session->seen[i].item, turn->line[j], 1);
    }
}

double model_bought_now(const struct model_subject *sub, const struct model_bought *bought)
{
    double days = sub->bought_s > bought->last_s ? (sub->bought_s - bought->last_s) / 86400 : 0;
    return bought->weight * pow(0.97, sub->receipts - bought->receipt) * pow(0.5, days / 365);
}

static void history_add(struct turn *turn, uint32_t item, uint32_t quantity, uint32_t t_s)
{
    struct model_subject *sub = turn->sub;
    uint32_t place = 0;
    while (place < sub->bought_count && sub->bought[place].item != item) place++;
    struct model_bought *b = &sub->bought[place];
    if (place == sub->bought_count) {
        sub->bought_count++;
        *b = (struct model_bought){.item = item, .first_s = t_s};
    }
    turn->m->item_known[item] += turn->learns;
    turn->m->item_again[item] += turn->learns && b->count;
    b->weight = model_bought_now(sub, b) + pow(turn->lines, -0.125);
    b->receipt = sub->receipts;
    b->count++;
    b->quantity += quantity;
    if (t_s < b->first_s) b->first_s = t_s;
    if (t_s > b->last_s) b->last_s = t_s;
}

static void purchase(struct turn *turn)
{
    distinct_lines(turn, turn->learns);
    order_lines(turn);
    if (turn->learns) receipt_learn(turn);
    if (turn->learns) bought_after_views(turn);
    for (uint32_t i = 0; i < turn->lines; i++) cart_take(turn->sub, turn->line[i], UINT32_MAX);
    if (turn->consent == BK_CONSENT_PERSONAL) {
        turn->sub->receipts++;
        if (turn->t / 1000 > turn->sub->bought_s) turn->sub->bought_s = (uint32_t)(turn->t / 1000);
        for (uint32_t i = 0; i < turn->lines; i++)
            history_add(turn, turn->line[i],
                        within(turn->event->lines[turn->line_of[i]].quantity, 1),
                        (uint32_t)(turn->t / 1000));
    }
    turn->m->shard[turn->sub->partition].purchases++;
}

static void refund(struct turn *turn)
{
    struct model_subject *sub = turn->sub;
    distinct_lines(turn, false);
    for (uint32_t i = 0; i < turn->lines; i++)
        for (uint32_t j = 0; j < sub->bought_count; j++) {
            if (sub->bought[j].item != turn->line[i]) continue;
            sub->bought[j].weight *= (sub->bought[j].count - 1.0) / sub->bought[j].count;
            sub->bought[j].quantity -= sub->bought[j].quantity / sub->bought[j].count;
            if (--sub->bought[j].count == 0) sub->bought[j] = sub->bought[--sub->bought_count];
            break;
        }
    turn->m->shard[sub->partition].refunds++;
}

static void forget_past(struct model_subject *sub)
{
    sub->bought_count = sub->receipts = sub->bought_s = 0;
    memset(sub->marks, 0, sizeof sub->marks);
}

static void step(struct turn *turn)
{
    const struct bk_event *event = turn->event;
    struct model_subject *sub = turn->sub;
    bool personal = turn->consent == BK_CONSENT_PERSONAL;
    uint32_t item = NOBODY;
    bool one = event->kind == BK_EVENT_ITEM_VIEWED || event->kind == BK_EVENT_WISHLIST_CHANGED ||
               event->kind == BK_EVENT_ITEM_DISMISSED || event->kind == BK_EVENT_ITEM_RATED;
    if (one) item = item_intern(turn->m, event->lines[0].item);
    switch (event->kind) {
    case BK_EVENT_ITEM_VIEWED:
        see(turn, item, 4);
        if (!turn->closed) sub->last_item = item + 1;
        points_add(turn, item, 1);
        act_add(turn, 1);
        if (turn->learns) turn->m->views++;
        break;
    case BK_EVENT_CART_CHANGED:
        cart(turn, (int)event->op);
        for (uint32_t i = 0; event->op == BK_CART_ADD && i < event->line_count; i++) {
            see(turn, item_intern(turn->m, event->lines[i].item), 12);
            points_add(turn, item_intern(turn->m, event->lines[i].item), 4);
            act_add(turn, 4);
        }
        break;
    case BK_EVENT_SUBJECT_MERGED:
        merge(turn);
        break;
    case BK_EVENT_PURCHASED:
        purchase(turn);
        break;
    case BK_EVENT_REFUNDED:
        refund(turn);
        break;
    case BK_EVENT_ITEM_DISMISSED:
        sub->marks[item] |= BK_MARK_DISMISSED;
        break;
    case BK_EVENT_WISHLIST_CHANGED:
        if (event->op == BK_WISH_REMOVE) sub->marks[item] &= ~(uint32_t)BK_MARK_WISHED;
        if (event->op == BK_WISH_ADD && personal) sub->marks[item] |= BK_MARK_WISHED;
        if (event->op == BK_WISH_ADD) see(turn, item, 8);
        break;
    case BK_EVENT_ITEM_RATED:
        if (!personal) break;
        sub->marks[item] &= ~(uint32_t)(BK_MARK_RATED_LOW | BK_MARK_RATED_HIGH);
        if (event->rating <= 2) sub->marks[item] |= BK_MARK_RATED_LOW;
        if (event->rating >= 4) sub->marks[item] |= BK_MARK_RATED_HIGH;
        break;
    case BK_EVENT_CONSENT_CHANGED:
        if (turn->consent == BK_CONSENT_SESSION) forget_past(sub);
        break;
    default:
        break;
    }
}

/* ---- before and after
 * ------------------------------------------------------------------------- */

static bool seen_before(struct model *m, const struct told *told)
{
    int p = told->partition;
    if (told->place.offset < m->shard[p].next_offset) return true;
    m->shard[p].next_offset = told->place.offset + 1;
    const char *id = word(told->event.event_id);
    uint32_t have = m->shard[p].event_ids, most = m->params.dedup_events;
    for (uint32_t back = 1; back <= have && back <= most; back++)
        if (m->shard[p].event_id[have - back] == id) return true;
    m->shard[p].event_id = realloc(m->shard[p].event_id, (have + 1) * sizeof id);
    BK_ASSERT(m->shard[p].event_id);
    m->shard[p].event_id[m->shard[p].event_ids++] = id;
    return false;
}

static bool order_seen_before(struct turn *turn)
{
    struct model_subject *sub = turn->sub;
    const struct bk_event *event = turn->event;
    bool merged = event->kind == BK_EVENT_SUBJECT_MERGED;
    const char *order = word(merged ? event->event_id : event->order_id);
    if ((event->kind != BK_EVENT_PURCHASED && !merged) || !order) return false;
    int64_t day = turn->t / TOLD_DAY;
    if (merged && day + 1 < sub->merged_day) return true;
    if (merged && day > sub->merged_day) sub->merged_day = day;
    for (int i = 0; i < 8; i++)
        if (sub->orders[i] == order) return true;
    memmove(&sub->orders[1], &sub->orders[0], 7 * sizeof sub->orders[0]);
    sub->orders[0] = order;
    return false;
}

enum bk_verdict_code model_apply(struct model *m, const struct told *told)
{
    const struct bk_event *event = &told->event;
    int p = told->partition;
    if (seen_before(m, told)) {
        m->shard[p].duplicates++;
        return BK_VERDICT_DUPLICATE;
    }
    const char *id = subject_name(event);
    struct model_subject *sub = model_subject_find(m, p, id);
    int consent = event->consent        ? (int)event->consent
                  : sub && sub->consent ? sub->consent
                                        : (int)m->params.consent_default;
    if (event->kind == BK_EVENT_CUSTOMER_ERASED ||
        (event->kind == BK_EVENT_CONSENT_CHANGED && consent == BK_CONSENT_NONE)) {
        if (sub) subject_erase(m, sub);
        m->shard[p].applied++;
        return BK_VERDICT_OK;
    }
    if (consent == BK_CONSENT_NONE) {
        m->shard[p].dropped++;
        return BK_VERDICT_NO_CONSENT;
    }
    int64_t latest = told->place.record_ms + m->params.time_ahead_max_ms;
    struct turn turn = {.m = m, .event = event, .consent = consent, .learns = true};
    turn.t = event->event_time_ms < latest ? event->event_time_ms : latest;
    turn.sub = sub ? sub : subject_create(m, p, id, turn.t);
    if (order_seen_before(&turn)) {
        m->shard[p].duplicates++;
        return BK_VERDICT_DUPLICATE;
    }
    m->shard[p].applied++;
    session_roll(&turn);
    step(&turn);
    if (turn.t > turn.sub->time_ms) turn.sub->time_ms = turn.t;
    turn.sub->offset = told->place.offset;
    if (event->kind != BK_EVENT_SUBJECT_MERGED || !turn.sub->consent) turn.sub->consent = consent;
    int64_t clock = turn.t < told->place.record_ms ? turn.t : told->place.record_ms;
    if (clock > m->time_max_ms) m->time_max_ms = clock;
    return BK_VERDICT_OK;
}

double model_again(const struct model *m, uint32_t item)
{
    double known = 0, again = 0;
    for (uint32_t i = 0; i < m->items; i++) {
        known += m->item_known[i];
        again += m->item_again[i];
    }
    double usual = (again + 1) / (known + 1);
    return sqrt((m->item_again[item] + 20 * usual) / (m->item_known[item] + 20) / usual);
}

double model_order_kept(const struct model *m)
{
    double twice = 0, alike = 0;
    for (size_t i = 0; i < m->pairs; i++)
        for (size_t j = 0; j < i; j++) {
            const struct model_pair *x = &m->pair[i], *y = &m->pair[j];
            if (x->kind != BK_PAIR_BOUGHT || y->kind != x->kind || x->a != y->a || x->b != y->b)
                continue;
            twice++;
            alike += x->after == y->after ? 1 : -1;
        }
    return alike > 0 ? alike / twice : 0;
}

double model_acts(const struct model *m, uint32_t epoch)
{
    uint32_t newest = 0;
    double sum = 0;
    for (size_t i = 0; i < m->acts_count; i++)
        if (m->acts[i].epoch > newest) newest = m->acts[i].epoch;
    for (size_t i = 0; i < m->acts_count; i++)
        if (newest - m->acts[i].epoch < BK_EPOCH_SLOTS)
            sum += m->acts[i].points * pow(0.5, (newest - m->acts[i].epoch) / 7.0);
    return epoch > newest ? sum * pow(0.5, (epoch - newest) / 7.0) : sum;
}

double model_popularity(const struct model *m, uint32_t item, uint32_t epoch)
{
    uint32_t newest = 0;
    for (size_t i = 0; i < m->points_count; i++)
        if (m->points[i].item == item && m->points[i].epoch > newest) newest = m->points[i].epoch;
    double sum = 0;
    for (size_t i = 0; i < m->points_count; i++)
        if (m->points[i].item == item && newest - m->points[i].epoch < BK_EPOCH_SLOTS)
            sum += m->points[i].points * pow(0.5, (newest - m->points[i].epoch) / 7.0);
    return epoch > newest ? sum * pow(0.5, (epoch - newest) / 7.0) : sum;
}
