/* model_check.c -- an engine against the model, fact by fact, by ids and never by handles. */
#include "support/model.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void assert_near(double a, double b, double most)
{
    if (fabs(a - b) > most) fail_msg("%f is not within %f of %f", a, most, b);
}

/* ---- items
 * ------------------------------------------------------------------------------------ */

struct counts {
    uint32_t total, epoch, now, before, who, after;
    double strength;
};

/* The log's contributions summed by pair. */
static struct counts *pairs_sum(const struct model *m)
{
    struct counts *sums =
        calloc((size_t)BK_PAIR_KIND_COUNT * MODEL_ITEMS * MODEL_ITEMS, sizeof *sums);
    assert_non_null(sums);
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < m->pairs; i++) {
            const struct model_pair *pair = &m->pair[i];
            struct counts *sum =
                &sums[(pair->kind * MODEL_ITEMS + pair->a) * MODEL_ITEMS + pair->b];
            if (pass == 0) {
                sum->total += pair->weight;
                sum->strength += pair->strength;
                sum->after += pair->after;
                sum->who |= pair->who;
                if (pair->epoch > sum->epoch) sum->epoch = pair->epoch;
            } else {
                if (pair->epoch == sum->epoch) sum->now += pair->weight;
                if (pair->epoch + 1 == sum->epoch) sum->before += pair->weight;
            }
        }
    return sums;
}

static void check_row(const struct model *m, const struct bk_shared *shared, const uint32_t *handle,
                      uint32_t kind, uint32_t a, const struct counts *sums)
{
    bk_ref_t row = bk_item(shared, handle[a])->rows[kind];
    uint32_t partners = 0;
    for (uint32_t b = 0; b < m->items; b++) {
        const struct counts *sum = &sums[(kind * MODEL_ITEMS + a) * MODEL_ITEMS + b];
        const struct bk_pair *pair = bk_map_find(&shared->heap, row, handle[b]);
        if ((pair ? pair->total : 0) != sum->total)
            fail_msg("%s %s > %s: %u, not %u", bk_pair_kind_label(kind), m->item[a], m->item[b],
                     pair ? pair->total : 0, sum->total);
        if (!pair) continue;
        partners++;
        assert_int_equal(pair->epoch, (uint16_t)sum->epoch);
        assert_int_equal(pair->now, sum->now);
        assert_int_equal(pair->before, sum->before);
        assert_int_equal(pair->who, sum->who);
        assert_near(pair->strength / 256.0, sum->strength, 0.002 * sum->total);
        assert_int_equal(pair->after, sum->after);
    }
    assert_int_equal(bk_map_count(&shared->heap, row), partners);
}

static const struct model *sorting;

static int by_recency(const void *left, const void *right)
{
    const struct model_posting *a = left, *b = right;
    if (a->time_s != b->time_s) return a->time_s < b->time_s ? -1 : 1;
    uint64_t ka = sorting->posted[a->session]->key, kb = sorting->posted[b->session]->key;
    return ka < kb ? -1 : ka > kb;
}

static void check_posted_items(const struct model *m, const struct bk_shared *shared,
                               const uint32_t *handle, const struct model_posted *expected,
                               const struct bk_posted *posted)
{
    (void)m;
    assert_true(posted->key == expected->key);
    assert_int_equal(posted->count, expected->count);
    const uint32_t *items = bk_arena_read(&shared->heap, posted->items);
    for (uint32_t i = 0; i < posted->count; i++)
        assert_int_equal(items[i], handle[expected->item[i]]);
}

/* The ring holds the postings_max newest by (time, key), oldest first. */
static void check_postings(const struct model *m, const struct bk_shared *shared,
                           const uint32_t *handle, enum bk_posting_kind kind, uint32_t item)
{
    struct model_posting *mine = calloc(m->postings + 1, sizeof *mine);
    uint32_t n = 0, most = m->params.postings_max;
    for (size_t i = 0; i < m->postings; i++)
        if (m->posting[i].item == item && m->posting[i].kind == kind) mine[n++] = m->posting[i];
    sorting = m;
    qsort(mine, n, sizeof *mine, by_recency);
    uint32_t first = n > most ? n - most : 0;
    bk_ref_t ref = bk_item(shared, handle[item])->postings[kind];
    const struct bk_postings *ring = ref ? bk_arena_read(&shared->heap, ref) : NULL;
    assert_int_equal(ring ? ring->count : 0, n - first);
    for (uint32_t i = first; i < n; i++) {
        const struct bk_posting *entry = &ring->entry[(ring->first + i - first) % ring->cap];
        const struct bk_posted *posted = bk_table_read(&shared->posted, entry->session);
        const uint32_t *items = bk_arena_read(&shared->heap, posted->items);
        assert_int_equal(entry->time_s, mine[i].time_s);
        assert_true(entry->place < posted->count);
        assert_int_equal(items[entry->place], handle[item]);
        check_posted_items(m, shared, handle, m->posted[mine[i].session], posted);
    }
    free(mine);
}

static void check_popularity(const struct model *m, const struct bk_shared *shared,
                             const uint32_t *handle)
{
    uint32_t epoch = bk_totals(shared)->popular_epoch;
    for (uint32_t i = 0; i < m->items; i++)
        for (uint32_t later = 0; later < 40; later += 13) {
            double expected = model_popularity(m, i, epoch + later);
            assert_near(bk_item_popularity(shared, handle[i], epoch + later), expected,
                        1e-5 * expected + 1e-6);
        }
    double acts = model_acts(m, epoch), later = model_acts(m, epoch + 9);
    assert_near(bk_acts_popularity(shared, epoch), acts, 1e-5 * acts + 1e-6);
    assert_near(bk_acts_popularity(shared, epoch + 9), later, 1e-5 * later + 1e-6);
}

/* An item with points is among the popular exactly when fewer than BK_POPULAR_MAX stand before
 * it. */
static void check_popular_set(const struct bk_shared *shared)
{
    const struct bk_shared_totals *totals = bk_totals(shared);
    uint32_t top = bk_table_top(&shared->items), with_points = 0;
    for (uint32_t a = 1; a <= top; a++) {
        if (!bk_item_hot(shared, a)->points) continue;
        with_points++;
        float mine = bk_item_popularity(shared, a, totals->popular_epoch);
        uint32_t before = 0, held = 0;
        for (uint32_t b = 1; b <= top; b++) {
            if (!bk_item_hot(shared, b)->points) continue;
            float theirs = bk_item_popularity(shared, b, totals->popular_epoch);
            before += theirs > mine || (theirs == mine && bk_str_cmp(bk_item_id(shared, b),
                                                                     bk_item_id(shared, a)) < 0);
        }
        for (uint32_t i = 0; i < totals->popular_count; i++) held += totals->popular[i] == a;
        assert_int_equal(held, before < BK_POPULAR_MAX);
    }
    assert_int_equal(totals->popular_count,
                     with_points < BK_POPULAR_MAX ? with_points : BK_POPULAR_MAX);
}

/* How alike the orders of receipts are, from all of them. */
static void check_order(const struct bk_shared *shared, const struct counts *sums)
{
    uint64_t n = 0, n2 = 0, d2 = 0;
    for (uint32_t at = 0; at < MODEL_ITEMS * MODEL_ITEMS; at++) {
        const struct counts *sum = &sums[BK_PAIR_BOUGHT * MODEL_ITEMS * MODEL_ITEMS + at];
        int64_t d = 2 * (int64_t)sum->after - sum->total;
        n += sum->total;
        n2 += (uint64_t)sum->total * sum->total;
        d2 += (uint64_t)(d * d);
    }
    assert_int_equal(bk_totals(shared)->order_n, n);
    assert_int_equal(bk_totals(shared)->order_n2, n2);
    assert_int_equal(bk_totals(shared)->order_d2, d2);
}

static void check_shared(const struct model *m, const struct bk_engine *engine)
{
    const struct bk_shared *shared = &engine->shared;
    uint32_t handle[MODEL_ITEMS];
    struct counts *sums = pairs_sum(m);
    for (uint32_t i = 0; i < m->items; i++) {
        handle[i] = bk_item_find(shared, bk_str_c(m->item[i]));
        assert_int_not_equal(handle[i], 0);
        assert_int_equal(bk_item_hot(shared, handle[i])->receipts, m->item_receipts[i]);
        assert_int_equal(bk_item_hot(shared, handle[i])->sessions, m->item_sessions[i]);
        assert_int_equal(bk_item(shared, handle[i])->known, m->item_known[i]);
        assert_int_equal(bk_item(shared, handle[i])->again, m->item_again[i]);
        assert_near(bk_item_again(shared, handle[i]), model_again(m, i), 1e-5);
    }
    assert_int_equal(bk_table_top(&shared->items), m->items);
    for (uint32_t i = 0; i < m->items; i++) {
        for (uint32_t kind = 0; kind < BK_PAIR_KIND_COUNT; kind++)
            check_row(m, shared, handle, kind, i, sums);
        for (int kind = 0; kind < BK_POSTING_KIND_COUNT; kind++)
            check_postings(m, shared, handle, (enum bk_posting_kind)kind, i);
    }
    check_order(shared, sums);
    check_popularity(m, shared, handle);
    check_popular_set(shared);
    assert_int_equal(bk_totals(shared)->receipts, m->receipts);
    assert_int_equal(bk_totals(shared)->sessions, m->sessions);
    assert_int_equal(bk_totals(shared)->views, m->views);
    assert_memory_equal(bk_totals(shared)->way_asked, m->way_asked, sizeof m->way_asked);
    assert_memory_equal(bk_totals(shared)->way_taken, m->way_taken, sizeof m->way_taken);
    assert_int_equal(bk_totals(shared)->time_max_ms, m->time_max_ms);
    free(sums);
}

/* ---- subjects
 * --------------------------------------------------------------------------------- */

static uint32_t handle_of(const struct model *m, const struct bk_shard *shard, uint32_t item)
{
    return bk_item_find(&shard->engine->shared, bk_str_c(m->item[item]));
}

static void check_session(const struct model *m, const struct bk_shard *shard,
                          const struct model_session *expected, const struct bk_session *sess)
{
    assert_int_equal(sess != NULL, expected->live);
    if (!sess) return;
    assert_int_equal(sess->started_ms, expected->started_ms);
    assert_int_equal(sess->raw_events, expected->raw_events);
    assert_int_equal(sess->events, expected->sights);
    assert_int_equal(sess->count, expected->seen_count);
    for (uint32_t i = 0; i < BK_SESSION_STEPS; i++)
        assert_int_equal(sess->recent[i],
                         i < expected->sights
                             ? handle_of(m, shard, expected->sight[expected->sights - 1 - i].item)
                             : 0);
    for (uint32_t i = 0; i < sess->count; i++) {
        const struct bk_seen *seen = &sess->seen[i];
        assert_true(i == 0 || sess->seen[i - 1].at < seen->at);
        uint32_t j = 0;
        while (j < expected->seen_count &&
               handle_of(m, shard, expected->seen[j].item) != seen->item)
            j++;
        assert_true(j < expected->seen_count);
        const struct model_seen *same = &expected->seen[j];
        assert_int_equal(seen->at, same->last);
        assert_int_equal(seen->viewed, same->learned);
        uint32_t strongest = 0;
        for (uint32_t k = same->since; k < expected->sights; k++)
            if (expected->sight[k].item == same->item && expected->sight[k].weight > strongest)
                strongest = expected->sight[k].weight;
        assert_int_equal(seen->weight, strongest);
    }
}

static void check_cart(const struct model *m, const struct bk_shard *shard,
                       const struct model_subject *expected, bk_ref_t cart)
{
    assert_int_equal(bk_map_count(&shard->heap, cart), expected->cart_count);
    for (uint32_t i = 0; i < expected->cart_count; i++) {
        const struct bk_cart_line *line =
            bk_map_find(&shard->heap, cart, handle_of(m, shard, expected->cart[i].item));
        assert_non_null(line);
        assert_int_equal(line->quantity, expected->cart[i].quantity);
        assert_int_equal(line->order, expected->cart[i].order);
    }
}

static void check_history(const struct model *m, const struct bk_shard *shard,
                          const struct model_subject *expected, const struct bk_subject *sub)
{
    assert_int_equal(sub->receipts, expected->receipts);
    assert_int_equal(bk_map_count(&shard->heap, sub->history), expected->bought_count);
    for (uint32_t i = 0; i < expected->bought_count; i++) {
        const struct model_bought *same = &expected->bought[i];
        const struct bk_bought *bought =
            bk_map_find(&shard->heap, sub->history, handle_of(m, shard, same->item));
        assert_non_null(bought);
        assert_int_equal(bought->count, same->count);
        assert_int_equal(bought->receipt, same->receipt);
        assert_int_equal(bought->first_s, same->first_s);
        assert_int_equal(bought->last_s, same->last_s);
        assert_int_equal(bought->quantity, same->quantity);
        assert_near(bought->weight_q16 / 65536.0, same->weight, 2e-3 * (1 + same->weight));
    }
    uint32_t marks = 0;
    for (uint32_t item = 0; item < m->items; item++) {
        const struct bk_mark *mark =
            bk_map_find(&shard->heap, sub->marks, handle_of(m, shard, item));
        assert_int_equal(mark ? mark->what : 0, expected->marks[item]);
        marks += expected->marks[item] != 0;
    }
    assert_int_equal(bk_map_count(&shard->heap, sub->marks), marks);
}

static void check_subject(const struct model *m, const struct bk_shard *shard,
                          const struct model_subject *expected)
{
    uint32_t subject = bk_subject_find(shard, bk_str_c(expected->id));
    assert_int_not_equal(subject, 0);
    const struct bk_subject *sub = bk_subject(shard, subject);
    assert_int_equal(sub->consent, expected->consent);
    assert_int_equal(sub->since_ms, expected->since_ms);
    assert_int_equal(sub->time_ms, expected->time_ms);
    assert_int_equal(sub->offset, expected->offset);
    assert_int_equal(sub->last_item,
                     expected->last_item ? handle_of(m, shard, expected->last_item - 1) : 0);
    check_session(m, shard, &expected->session, bk_subject_session(shard, sub));
    check_cart(m, shard, expected, sub->cart);
    check_history(m, shard, expected, sub);
}

void model_check(const struct model *m, const struct bk_engine *engine)
{
    check_shared(m, engine);
    uint32_t subjects[MODEL_SHARDS] = {0};
    for (int i = 0; i < MODEL_SUBJECTS; i++) {
        if (!m->subject[i]) continue;
        subjects[m->subject[i]->partition]++;
        check_subject(m, engine->shards[m->subject[i]->partition], m->subject[i]);
    }
    for (int p = 0; p < MODEL_SHARDS; p++) {
        if (!engine->shards[p]) continue;
        const struct bk_shard_totals *totals = bk_shard_totals(engine->shards[p]);
        assert_int_equal(totals->subjects, subjects[p]);
        assert_int_equal(totals->next_offset, m->shard[p].next_offset);
        assert_int_equal(totals->duplicates, m->shard[p].duplicates);
        assert_int_equal(totals->applied, m->shard[p].applied);
        assert_int_equal(totals->dropped, m->shard[p].dropped);
        assert_int_equal(totals->purchases, m->shard[p].purchases);
        assert_int_equal(totals->refunds, m->shard[p].refunds);
    }
}
