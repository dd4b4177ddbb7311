/* test_evaluate.c -- the protocols on a data set small enough to be worked out by hand
 * (tests/fixtures/evaluate).
 *
 * The sessions: a b three times, c d twice. The receipts: A and B shop on days 1 to 9, nobody in
 * between; `olives` and `caviar` are bought once, after everything was asked, so they are misses.
 * In the file r2 stands first and one row of r10 stands twice, far from the others.
 */
#include "../../../src/cli/evaluate.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

struct world {
    struct eval_options options;
    struct eval_run run;
    char path[2][512];
    char *dump;
    size_t dump_len;
};

static const char *fixture(char *path, const char *name)
{
    const char *root = getenv("BK_SOURCE_DIR");
    snprintf(path, 512, "%s/tests/fixtures/evaluate/%s", root ? root : ".", name);
    return path;
}

static struct world *world_of(enum eval_task task)
{
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    world->options.task = task;
    world->options.context = BK_CONTEXT_COUNT;
    world->options.drop = "POST|X.*";
    world->options.train = fixture(world->path[0], "train_sessions.txt");
    world->options.test = fixture(world->path[1], "test_sessions.txt");
    if (task != EVAL_NEXT_ITEM) world->options.data = fixture(world->path[0], "events.tsv");
    world->run.options = &world->options;
    return world;
}

static void play(struct world *world)
{
    struct bk_state_params params;
    struct bk_weights weights;
    struct bk_reason reason = {""};
    bk_state_params_default(&params);
    params.bytes_max = 64 << 20;
    params.items_max = 10000;
    bk_weights_default(&weights);
    if (bk__eval_load(&world->run, &reason)) fail_msg("%s", reason.text);
    assert_int_equal(bk__eval_engine_init(&world->run.engine, &params, &weights), BK_OK);
    world->run.dump = open_memstream(&world->dump, &world->dump_len);
    if (bk__eval_play(&world->run, &reason)) fail_msg("%s", reason.text);
    fclose(world->run.dump);
}

static void forget(struct world *world)
{
    bk__eval_engine_deinit(&world->run.engine);
    bk__eval_metrics_deinit(&world->run.metrics);
    bk__shop_set_deinit(&world->run.set);
    free(world->dump);
    free(world);
}

static void expect(const struct world *world, const char *name, double wanted)
{
    struct eval_figure figure[EVAL_FIGURES_MAX];
    size_t count = bk__eval_metrics_figures(&world->run.metrics, figure), i = 0;
    while (i < count && strcmp(figure[i].name, name) != 0) i++;
    assert_true(i < count);
    if (fabs(figure[i].value - wanted) > 6e-7)
        fail_msg("%s is %.6f, not %.6f\n%s", name, figure[i].value, wanted, world->dump);
}

/* a -> b and c -> d come first; after c d the shopper's own two lead, then the popular a. */
static void next_item_asks_every_prefix_of_a_live_session(void **state)
{
    struct world *world = world_of(EVAL_NEXT_ITEM);
    (void)state;
    play(world);
    expect(world, "queries", 3);
    expect(world, "hr@10", 1);
    expect(world, "mrr@10", (1 + 1 + 1.0 / 3) / 3);
    expect(world, "coverage@20", 1);
    assert_int_equal(world->run.engine.rank.calls, 3);
    assert_memory_equal(world->dump, "s1:1\tb\t", 7);
    assert_non_null(strstr(world->dump, "\ns2:1\td\t"));
    assert_non_null(strstr(world->dump, "\ns2:2\t"));
    forget(world);
}

/* Static questions leave shared state as it was; prequential ones teach it. */
static void only_prequential_questions_teach(void **state)
{
    uint64_t views[2];
    (void)state;
    for (int prequential = 0; prequential < 2; prequential++) {
        struct world *world = world_of(EVAL_NEXT_ITEM);
        world->options.prequential = prequential;
        play(world);
        views[prequential] = bk_totals(&world->run.engine.engine.shared)->views;
        forget(world);
    }
    assert_int_equal(views[0], 10);
    assert_int_equal(views[1], 15);
}

/* A: of {tea, honey, lemon} the list has tea third and honey fourth; lemon is learned from nobody's
 * receipts, which do not count here. B: {tea, honey, milk} lead, olives are unknown. */
static void next_basket_learns_all_but_the_last_receipts(void **state)
{
    struct world *world = world_of(EVAL_NEXT_BASKET);
    double full3 = 1 + 1 / log2(3) + 1 / log2(4), full4 = full3 + 1 / log2(5);
    (void)state;
    play(world);
    expect(world, "queries", 2);
    expect(world, "recall@10", (2.0 / 3 + 3.0 / 4) / 2);
    expect(world, "ndcg@10", ((1 / log2(4) + 1 / log2(5)) / full3 + full3 / full4) / 2);
    expect(world, "phr@10", 1);
    expect(world, "repeat_recall@20", 1);
    expect(world, "explore_recall@20", 0.5);
    expect(world, "recall@10_se", 1.0 / 24);
    assert_string_equal(world->dump, "uA\tmilk\tbread\ttea\thoney\nuB\ttea\thoney\tmilk\tbread\n");
    forget(world);
}

static void baskets_and_receipts_of_the_same_shopping_give_the_same_lists(void **state)
{
    struct world *world = world_of(EVAL_NEXT_BASKET);
    (void)state;
    world->options.data = fixture(world->path[0], "baskets.tsv");
    play(world);
    assert_string_equal(world->dump, "uA\tmilk\tbread\ttea\thoney\nuB\ttea\thoney\tmilk\tbread\n");
    expect(world, "recall@10", (2.0 / 3 + 3.0 / 4) / 2);
    forget(world);
}

static void a_sample_of_customers_is_evenly_spread(void **state)
{
    struct world *world = world_of(EVAL_NEXT_BASKET);
    (void)state;
    world->options.user_sample = 1;
    play(world);
    assert_string_equal(world->dump, "uA\tmilk\tbread\ttea\thoney\n");
    forget(world);
}

/* r9: tea, honey -> lemon, found. r10: milk, bread -> tea and caviar, half of it found. */
static void completion_shows_the_first_half_in_a_cart(void **state)
{
    struct world *world = world_of(EVAL_BASKET_COMPLETION);
    (void)state;
    play(world);
    expect(world, "queries", 2);
    expect(world, "recall@10", 0.75);
    expect(world, "hr@10", 1);
    expect(world, "recall@10_se", 0.25);
    assert_memory_equal(world->dump, "rr9\tlemon\t", 10);
    assert_null(strstr(world->dump, "honey\tmilk")); /* shown items are in no list */
    const struct bk_shared *shared = &world->run.engine.engine.shared;
    assert_int_equal(bk_totals(shared)->receipts, 8);
    uint32_t tea =
        bk_item_find(shared, BK_STR("tea")); /* in six of the eight; carts taught nothing */
    assert_int_equal(bk_item_hot(shared, tea)->receipts, 6);
    assert_int_equal(bk_item_hot(shared, tea)->points,
                     3 * 11 + 2 * 9 + 8); /* 16 / sqrt(lines) of each */
    assert_int_equal(world->run.shown_left_out, 0);
    forget(world);
}

/* r9's half goes through A's own cart and is gone afterwards, r10's through nobody's; neither is a
 * receipt. */
static void a_cart_can_be_its_customers_own(void **state)
{
    struct world *world = world_of(EVAL_BASKET_COMPLETION);
    (void)state;
    world->options.customers = true;
    play(world);
    expect(world, "queries", 2);
    assert_int_equal(bk_totals(&world->run.engine.engine.shared)->receipts, 8);
    uint32_t a = bk_subject_find(world->run.engine.shard, BK_STR("c:A"));
    assert_int_equal(bk_subject(world->run.engine.shard, a)->receipts, 3);
    assert_int_equal(bk_subject(world->run.engine.shard, a)->cart_order, 2);
    assert_int_equal(bk_subject(world->run.engine.shard, a)->cart, 0);
    forget(world);
}

/* Five questions; only r6 misses, its olives. Late are day 7 and after: r9. */
static void prequential_baskets_are_asked_for_before_they_are_learned(void **state)
{
    struct world *world = world_of(EVAL_PREQUENTIAL_BASKET);
    (void)state;
    play(world);
    expect(world, "queries", 5);
    expect(world, "recall@10", 0.95);
    expect(world, "phr@10", 1);
    expect(world, "recall@10_late", 1);
    expect(world, "recall@10_se", 0.05);
    expect(world, "queries_late", 1);
    /* all equal in weight and popularity: by id */
    assert_memory_equal(world->dump, "rr3\tbread\tmilk\thoney\ttea\n", 24);
    assert_int_equal(bk_totals(&world->run.engine.engine.shared)->receipts, 10);
    forget(world);
}

static void another_context_can_be_asked_for(void **state)
{
    struct world *world = world_of(EVAL_NEXT_BASKET);
    (void)state;
    world->options.context = BK_CONTEXT_DISCOVER;
    play(world);
    assert_memory_equal(world->dump, "uA\thoney\nuB\tmilk\tbread\n", 23);
    forget(world);
}

static void a_bad_row_stops_an_evaluation(void **state)
{
    struct world *world = world_of(EVAL_PREQUENTIAL_BASKET);
    char path[] = "/tmp/bk_evaluate_XXXXXX";
    static const char text[] = "ts_ms\tuser\tsession\tevent\titem\tqty\tprice\n1\tu\ts\tpurchase\n";
    struct bk_reason reason = {""};
    int fd = mkstemp(path);
    (void)state;
    assert_int_equal(write(fd, text, sizeof text - 1), (ssize_t)sizeof text - 1);
    close(fd);
    world->options.data = path;
    assert_int_equal(bk__eval_load(&world->run, &reason), BK_EINVAL);
    assert_non_null(strstr(reason.text, ":2: not seven columns"));
    unlink(path);
    forget(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(next_item_asks_every_prefix_of_a_live_session),
        cmocka_unit_test(only_prequential_questions_teach),
        cmocka_unit_test(next_basket_learns_all_but_the_last_receipts),
        cmocka_unit_test(baskets_and_receipts_of_the_same_shopping_give_the_same_lists),
        cmocka_unit_test(a_sample_of_customers_is_evenly_spread),
        cmocka_unit_test(completion_shows_the_first_half_in_a_cart),
        cmocka_unit_test(a_cart_can_be_its_customers_own),
        cmocka_unit_test(prequential_baskets_are_asked_for_before_they_are_learned),
        cmocka_unit_test(another_context_can_be_asked_for),
        cmocka_unit_test(a_bad_row_stops_an_evaluation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
