/* test_identity.c -- a visitor logs in: what was done before is the customer's, once. */
#include "support/events.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct bk_engine engine;
static struct bk_state_params params;

static int open_engine(void **state)
{
    (void)state;
    params = told_params();
    told_engine(&engine, &params);
    return 0;
}

static int close_engine(void **state)
{
    (void)state;
    bk_engine_deinit(&engine);
    return 0;
}

/* ---- words ---- */

static struct told by_visitor(struct told told, const char *visitor)
{
    told.event.visitor = bk_str_c(visitor);
    told.event.customer = (bk_str_t){NULL, 0};
    return told;
}

static void visitor_views(const char *visitor, const char *item, int64_t t)
{
    told_now(&engine, by_visitor(tell_view(NULL, item, t), visitor));
}

static void visitor_adds(const char *visitor, const char *items, int64_t t)
{
    told_now(&engine, by_visitor(tell_cart(NULL, BK_CART_ADD, items, t), visitor));
}

/* A copy of a merge that outlives the next call, as the record in the log does. */
struct copy {
    struct told told;
    struct bk_line line[64];
    bool is;
};

static struct copy copy_of(const struct bk_event *merge)
{
    struct copy copy = {.is = merge != NULL};
    if (!merge) return copy;
    assert_true(merge->line_count <= BK_COUNTOF(copy.line));
    copy.told.event = *merge;
    bk_str_t *const texts[] = {&copy.told.event.event_id, &copy.told.event.visitor,
                               &copy.told.event.customer, &copy.told.event.session,
                               &copy.told.event.merged_subject};
    for (size_t i = 0; i < BK_COUNTOF(texts); i++)
        if (texts[i]->p) texts[i]->p = told_word(texts[i]->p, texts[i]->len);
    for (uint32_t i = 0; i < merge->line_count; i++) {
        copy.line[i] = merge->lines[i];
        copy.line[i].item.p = told_word(merge->lines[i].item.p, merge->lines[i].item.len);
    }
    return copy;
}

static struct told log_in(const char *visitor, const char *customer, int64_t t)
{
    struct told told = by_visitor(tell(BK_EVENT_IDENTIFIED, NULL, t), visitor);
    told.event.customer = bk_str_c(customer);
    return told;
}

static struct copy merge_of(struct told told)
{
    struct bk_applied applied = told_now(&engine, told);
    assert_int_equal(applied.verdict, BK_VERDICT_OK);
    return copy_of(applied.merge);
}

/* The merge comes out of the log. */
static enum bk_verdict_code arrives(struct copy *copy)
{
    copy->told.event.lines = copy->line;
    copy->told.place.offset = bk_shard_totals(engine.shards[0])->next_offset;
    copy->told.place.record_ms = copy->told.event.event_time_ms + 5;
    return told_apply(&engine, &copy->told).verdict;
}

static const struct bk_subject *subject(const char *id)
{
    uint32_t number = bk_subject_find(engine.shards[0], bk_str_c(id));
    return number ? bk_subject(engine.shards[0], number) : NULL;
}

static uint32_t in_cart(const char *id, const char *item)
{
    const struct bk_subject *sub = subject(id);
    const struct bk_cart_line *line =
        sub ? bk_map_find(&engine.shards[0]->heap, sub->cart, told_item(&engine, item)) : NULL;
    return line ? line->quantity : 0;
}

static uint32_t cart_lines(const char *id)
{
    const struct bk_subject *sub = subject(id);
    return sub ? bk_map_count(&engine.shards[0]->heap, sub->cart) : 0;
}

static const struct bk_session *session(const char *id)
{
    const struct bk_subject *sub = subject(id);
    return sub ? bk_subject_session(engine.shards[0], sub) : NULL;
}

/* ---- leaving ---- */

static void cart_and_session_leave_the_visitor_in_their_order(void **state)
{
    (void)state;
    visitor_views("web7", "soap", TOLD_START);
    visitor_adds("web7", "milk*2 bread", TOLD_START + 1);
    visitor_adds("web7", "eggs", TOLD_START + 2);
    struct told told = log_in("web7", "ada", TOLD_START + 3);
    told.event.session = BK_STR("s1");
    struct copy merge = merge_of(told);
    assert_true(merge.is);
    const struct bk_event *event = &merge.told.event;
    assert_int_equal(event->kind, BK_EVENT_SUBJECT_MERGED);
    assert_true(bk_str_eq(event->customer, BK_STR("ada")));
    assert_true(bk_str_eq(event->merged_subject, BK_STR("v:web7")));
    assert_true(bk_str_eq(event->session, BK_STR("s1")));
    assert_int_equal(event->event_time_ms, TOLD_START + 3);
    assert_int_equal(event->consent, BK_CONSENT_PERSONAL);
    static const struct {
        const char *item;
        int64_t quantity;
        enum bk_line_role role;
    } wanted[] = {{"milk", 2, BK_LINE_CART},   {"bread", 1, BK_LINE_CART},
                  {"eggs", 1, BK_LINE_CART},   {"soap", 1, BK_LINE_VIEWED},
                  {"milk", 1, BK_LINE_VIEWED}, {"bread", 1, BK_LINE_VIEWED},
                  {"eggs", 1, BK_LINE_VIEWED}};
    assert_int_equal(event->line_count, BK_COUNTOF(wanted));
    for (size_t i = 0; i < BK_COUNTOF(wanted); i++) {
        assert_true(bk_str_eq(merge.line[i].item, bk_str_c(wanted[i].item)));
        assert_int_equal(merge.line[i].quantity, wanted[i].quantity);
        assert_int_equal(merge.line[i].role, wanted[i].role);
    }
    assert_int_equal(cart_lines("v:web7"), 0);
    assert_null(session("v:web7"));
    assert_int_equal(subject("v:web7")->last_item, 0);
    assert_null(subject("c:ada")); /* not before the log says so */
}

static void the_visitors_lists_are_called_back_whoever_it_was(void **state)
{
    (void)state;
    static const char *const visitors[] = {"web7", "never seen"};
    visitor_views("web7", "soap", TOLD_START);
    uint32_t number = bk_subject_find(engine.shards[0], BK_STR("v:web7"));
    uint32_t stamp = subject("v:web7")->stamp;
    bk_subject_live_set(engine.shards[0], number, 3);
    for (size_t i = 0; i < BK_COUNTOF(visitors); i++) {
        struct bk_applied applied =
            told_now(&engine, log_in(visitors[i], "ada", TOLD_START + (int64_t)i));
        assert_int_equal(applied.erased, (1u << BK_CONTEXT_COUNT) - 1);
        assert_true(bk_str_eq(bk_str(applied.erased_id + 2, applied.erased_id_len - 2u),
                              bk_str_c(visitors[i])));
    }
    assert_null(subject("v:never seen"));
    assert_int_equal(subject("v:web7")->live, 0);
    assert_int_equal(bk_shard_totals(engine.shards[0])->dirty_count, 0);
    bk_dirty_put(engine.shards[0], number, stamp, 1, 0); /* an answer that is late finds nobody */
    assert_int_equal(bk_shard_totals(engine.shards[0])->dirty_count, 0);
    visitor_views("web7", "soap", TOLD_START + 9);
    assert_int_equal(bk_shard_totals(engine.shards[0])->dirty_count, 1);
}

static void who_has_nothing_hands_on_nothing(void **state)
{
    (void)state;
    assert_false(merge_of(log_in("never seen", "ada", TOLD_START)).is);
    visitor_adds("web7", "milk", TOLD_START);
    assert_true(merge_of(log_in("web7", "ada", TOLD_START + 1)).is);
    assert_false(merge_of(log_in("web7", "ada", TOLD_START + 2)).is); /* identified twice */
    assert_null(session("v:web7"));
    told_now(&engine,
             by_visitor(tell_lines(tell(BK_EVENT_ITEM_DISMISSED, NULL, TOLD_START + 3), "soap"),
                        "web8"));
    struct copy merge = merge_of(log_in("web8", "ada", TOLD_START + 4));
    assert_false(merge.is); /* a dismissal is neither cart nor sight */
}

static void a_session_that_is_over_stays_behind_and_its_cart_does_not(void **state)
{
    (void)state;
    visitor_views("web7", "soap", TOLD_START);
    visitor_adds("web7", "milk", TOLD_START + 1);
    struct copy merge = merge_of(log_in("web7", "ada", TOLD_START + TOLD_DAY));
    assert_int_equal(merge.told.event.line_count, 1);
    assert_int_equal(merge.line[0].role, BK_LINE_CART);
    visitor_views("web7", "soap", TOLD_START + 2 * TOLD_DAY);
    assert_false(merge_of(log_in("web7", "ada", TOLD_START + 3 * TOLD_DAY)).is);
}

static void who_allows_nothing_is_not_handed_on(void **state)
{
    (void)state;
    visitor_adds("web7", "milk", TOLD_START);
    struct told told = log_in("web7", "ada", TOLD_START + 1);
    told.event.consent = BK_CONSENT_NONE;
    struct bk_applied applied = told_now(&engine, told);
    assert_int_equal(applied.verdict, BK_VERDICT_NO_CONSENT);
    assert_null(applied.merge);
}

static void an_unsaid_consent_travels_as_what_held_for_the_visitor(void **state)
{
    (void)state;
    struct told told = by_visitor(tell_cart(NULL, BK_CART_ADD, "milk", TOLD_START), "web7");
    told.event.consent = BK_CONSENT_SESSION;
    told_now(&engine, told);
    told = log_in("web7", "ada", TOLD_START + 1);
    told.event.consent = BK_CONSENT_UNKNOWN;
    assert_int_equal(merge_of(told).told.event.consent, BK_CONSENT_SESSION);
}

/* ---- joining ---- */

static void the_customer_has_it_once_however_often_it_comes(void **state)
{
    (void)state;
    visitor_adds("web7", "milk*3", TOLD_START);
    struct copy merge = merge_of(log_in("web7", "ada", TOLD_START + 1));
    assert_int_equal(arrives(&merge), BK_VERDICT_OK);
    assert_int_equal(in_cart("c:ada", "milk"), 3);
    told_now(&engine, tell_cart("ada", BK_CART_REMOVE, "milk*3", TOLD_START + 2));
    assert_int_equal(arrives(&merge), BK_VERDICT_DUPLICATE); /* by its event id */
    assert_int_equal(in_cart("c:ada", "milk"), 0);
}

static void the_same_log_in_makes_the_same_merge_and_another_another(void **state)
{
    (void)state;
    bk_str_t ids[4];
    struct told told[4] = {
        log_in("web7", "ada", TOLD_START + 1), log_in("web7", "ada", TOLD_START + 9),
        log_in("web7", "bob", TOLD_START + 1), log_in("web8", "ada", TOLD_START + 1)};
    for (int i = 0; i < 4; i++) {
        if (i != 1) told[i].event.event_id = BK_STR("e1");
        bk_engine_deinit(&engine);
        told_engine(&engine, &params);
        visitor_adds(i == 3 ? "web8" : "web7", i ? "milk" : "bread", TOLD_START);
        ids[i] = merge_of(told[i]).told.event.event_id;
        assert_int_equal(ids[i].len, 36);
    }
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < i; j++) assert_false(bk_str_eq(ids[i], ids[j]));
    bk_engine_deinit(&engine);
    told_engine(&engine, &params);
    visitor_adds("web7", "milk", TOLD_START);
    struct told again = log_in("web7", "ada", TOLD_START + 50);
    again.event.event_id = BK_STR("e1");
    assert_true(bk_str_eq(merge_of(again).told.event.event_id, ids[0]));
}

static void beyond_the_ring_of_ids_the_customer_knows_the_last_merges(void **state)
{
    (void)state;
    bk_engine_deinit(&engine);
    params.dedup_events = 1024;
    told_engine(&engine, &params);
    struct copy merge[12];
    for (uint32_t i = 0; i < 12; i++) { /* a log-in every other day */
        int64_t t = TOLD_START + 2ll * i * TOLD_DAY;
        visitor_adds("web7", "milk", t);
        merge[i] = merge_of(log_in("web7", "ada", t + 1));
        assert_int_equal(arrives(&merge[i]), BK_VERDICT_OK);
    }
    told_now(&engine, tell_cart("ada", BK_CART_CLEAR, "", TOLD_START + 30ll * TOLD_DAY));
    for (uint32_t i = 0; i < 1100; i++)
        told_now(&engine, tell_view("bob", "x", TOLD_START + 30ll * TOLD_DAY + i));
    for (uint32_t i = 0; i < 12; i++) /* the log is read again from its beginning */
        assert_int_equal(arrives(&merge[i]), BK_VERDICT_DUPLICATE);
    assert_int_equal(cart_lines("c:ada"), 0);
}

static void two_visitors_become_one_customer_and_what_both_had_lies_there_once(void **state)
{
    (void)state;
    told_now(&engine, tell_cart("ada", BK_CART_ADD, "milk*2 tea", TOLD_START));
    visitor_adds("phone", "milk*5 bread", TOLD_START + 1);
    visitor_adds("laptop", "milk jam", TOLD_START + 2);
    struct copy phone = merge_of(log_in("phone", "ada", TOLD_START + 3));
    struct copy laptop = merge_of(log_in("laptop", "ada", TOLD_START + 4));
    assert_int_equal(arrives(&laptop), BK_VERDICT_OK); /* in whatever order */
    assert_int_equal(arrives(&phone), BK_VERDICT_OK);
    assert_int_equal(in_cart("c:ada", "milk"), 5);
    assert_int_equal(in_cart("c:ada", "tea"), 1);
    assert_int_equal(in_cart("c:ada", "bread"), 1);
    assert_int_equal(in_cart("c:ada", "jam"), 1);
    assert_int_equal(cart_lines("c:ada"), 4);
    assert_int_equal(bk_engine_counter(&engine, BK_STATE_EVENTS_LATE), 0);
}

static void the_visit_goes_on_as_one_and_was_taught_once(void **state)
{
    (void)state;
    visitor_views("web7", "soap", TOLD_START);
    visitor_adds("web7", "milk", TOLD_START + 1);
    struct copy merge = merge_of(log_in("web7", "ada", TOLD_START + 2));
    told_now(&engine, tell_view("ada", "tea", TOLD_START + 50)); /* overtakes it */
    assert_int_equal(arrives(&merge), BK_VERDICT_OK);
    const struct bk_session *sess = session("c:ada");
    assert_int_equal(sess->count, 3);
    assert_int_equal(sess->seen[1].item, told_item(&engine, "soap"));
    assert_int_equal(sess->seen[1].weight, 4);
    assert_int_equal(sess->seen[2].item, told_item(&engine, "milk"));
    assert_int_equal(sess->seen[2].weight, 12);
    told_now(&engine, tell_view("ada", "soap", TOLD_START + 60));
    assert_int_equal(bk_item_hot(&engine.shared, told_item(&engine, "soap"))->sessions, 1);
    told_now(&engine, tell_view("ada", "jam", TOLD_START + 70)); /* pairs across the log-in */
    const struct bk_pair *pair =
        bk_map_find(&engine.shared.heap,
                    bk_item(&engine.shared, told_item(&engine, "jam"))->rows[BK_PAIR_VIEWED],
                    told_item(&engine, "soap"));
    assert_non_null(pair);
    assert_int_equal(pair->total, 1);
}

static void the_customers_word_on_consent_stands(void **state)
{
    (void)state;
    told_now(&engine, tell_purchase("ada", "o1", "bread", TOLD_START));
    struct told told = by_visitor(tell_cart(NULL, BK_CART_ADD, "milk", TOLD_START + 1), "web7");
    told.event.consent = BK_CONSENT_SESSION;
    told_now(&engine, told);
    told = log_in("web7", "ada", TOLD_START + 2);
    told.event.consent = BK_CONSENT_SESSION;
    struct copy merge = merge_of(told);
    assert_int_equal(arrives(&merge), BK_VERDICT_OK);
    assert_int_equal(in_cart("c:ada", "milk"), 1);
    assert_int_equal(subject("c:ada")->consent, BK_CONSENT_PERSONAL);
    assert_int_equal(bk_map_count(&engine.shards[0]->heap, subject("c:ada")->history), 1);
}

static void a_cart_of_as_many_lines_as_there_may_be_fits_into_its_merge(void **state)
{
    (void)state;
    bk_engine_deinit(&engine);
    params.cart_lines_max = BK_LINES_MAX;
    params.items_max = 3000;
    told_engine(&engine, &params);
    for (uint32_t i = 0; i < BK_LINES_MAX; i++)
        visitor_adds("web7", told_name("i", i), TOLD_START + i);
    struct bk_applied applied = told_now(&engine, log_in("web7", "ada", TOLD_START + BK_LINES_MAX));
    assert_non_null(applied.merge);
    assert_int_equal(applied.merge->line_count, BK_LINES_MAX);
    for (uint32_t i = 0; i < BK_LINES_MAX; i++) {
        assert_int_equal(applied.merge->lines[i].role, BK_LINE_CART);
        assert_true(bk_str_eq(applied.merge->lines[i].item, bk_str_c(told_name("i", i))));
    }
}

#define WITH_ENGINE(name) cmocka_unit_test_setup_teardown(name, open_engine, close_engine)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ENGINE(cart_and_session_leave_the_visitor_in_their_order),
        WITH_ENGINE(the_visitors_lists_are_called_back_whoever_it_was),
        WITH_ENGINE(who_has_nothing_hands_on_nothing),
        WITH_ENGINE(a_session_that_is_over_stays_behind_and_its_cart_does_not),
        WITH_ENGINE(who_allows_nothing_is_not_handed_on),
        WITH_ENGINE(an_unsaid_consent_travels_as_what_held_for_the_visitor),
        WITH_ENGINE(the_customer_has_it_once_however_often_it_comes),
        WITH_ENGINE(the_same_log_in_makes_the_same_merge_and_another_another),
        WITH_ENGINE(beyond_the_ring_of_ids_the_customer_knows_the_last_merges),
        WITH_ENGINE(two_visitors_become_one_customer_and_what_both_had_lies_there_once),
        WITH_ENGINE(the_visit_goes_on_as_one_and_was_taught_once),
        WITH_ENGINE(the_customers_word_on_consent_stands),
        WITH_ENGINE(a_cart_of_as_many_lines_as_there_may_be_fits_into_its_merge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
