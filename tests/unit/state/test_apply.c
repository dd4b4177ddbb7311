/* test_apply.c -- random shoppers, applied to the engine and to the naive model: every fact is the
 * same. */
#include "support/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* Apply `events` random events to both and compare every `every` of them. */
static void compare(const char *what, uint64_t seed, struct bk_state_params params,
                    const struct told_shape *shape, uint32_t events, uint32_t every)
{
    struct chance chance = chance_seed(what, seed);
    struct told *stream = told_stream(&chance, shape, events);
    struct model *model = model_create(&params);
    struct bk_engine engine;
    told_engine(&engine, &params);
    for (uint32_t i = 0; i < events; i++) {
        struct bk_applied applied = told_apply(&engine, &stream[i]);
        assert_int_equal(applied.verdict, model_apply(model, &stream[i]));
        if (i % every == every - 1) model_check(model, &engine);
    }
    model_check(model, &engine);
    model_destroy(&model);
    bk_engine_deinit(&engine);
    told_stream_free(stream, events);
}

static void the_state_is_the_models_after_random_events(void **state)
{
    (void)state;
    struct told_shape shape = told_shape();
    compare("a bit of everything", 101, told_params(), &shape, 4000, 400);
}

static void the_state_is_the_models_over_two_partitions_and_months(void **state)
{
    (void)state;
    struct told_shape shape = told_shape();
    shape.partitions = 2;
    shape.leap_one_in = 4;
    shape.late_one_in = 6;
    compare("months", 102, told_params(), &shape, 3000, 500);
}

/* More items than the set of the popular holds, with points that fall off the rings' ends. */
static void the_popular_are_exact_while_epochs_pass(void **state)
{
    (void)state;
    struct told_shape shape = told_shape();
    shape.items = 400;
    shape.lines_max = 6;
    shape.leap_one_in = 20;
    shape.withdraw_one_in = 0;
    compare("popular", 103, told_params(), &shape, 2500, 50);
}

static void few_postings_and_few_pairs_of_a_receipt_are_the_bounded_truth(void **state)
{
    (void)state;
    struct told_shape shape = told_shape();
    struct bk_state_params params = told_params();
    params.postings_max = 5;
    params.receipt_lines_max = 4;
    params.cart_lines_max = 10;
    params.session_events_max = 12;
    params.dedup_events = 64;
    shape.late_one_in = 4;
    compare("small bounds", 104, params, &shape, 4000, 400);
}

/* Long sessions: more distinct items than a session keeps. */
static void a_long_session_forgets_the_item_seen_longest_ago(void **state)
{
    (void)state;
    struct told_shape shape = told_shape();
    struct bk_state_params params = told_params();
    params.session_events_max = 10000;
    params.session_gap_ms = 10 * TOLD_DAY;
    shape.items = 200;
    shape.customers = 3;
    shape.no_session_ids = true;
    shape.leap_one_in = shape.withdraw_one_in = 0;
    compare("long sessions", 105, params, &shape, 1500, 300);
}

static void ids_and_orders_told_again_change_nothing(void **state)
{
    (void)state;
    struct told_shape shape = told_shape();
    shape.repeat_one_in = 3;
    compare("repeats", 106, told_params(), &shape, 3000, 300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_state_is_the_models_after_random_events),
        cmocka_unit_test(the_state_is_the_models_over_two_partitions_and_months),
        cmocka_unit_test(the_popular_are_exact_while_epochs_pass),
        cmocka_unit_test(few_postings_and_few_pairs_of_a_receipt_are_the_bounded_truth),
        cmocka_unit_test(a_long_session_forgets_the_item_seen_longest_ago),
        cmocka_unit_test(ids_and_orders_told_again_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
