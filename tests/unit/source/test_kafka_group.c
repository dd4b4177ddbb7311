/* test_kafka_group.c -- the Kafka source against a mock cluster: members of a group, and leaving
 * it. */
#include "support/kafka_shop.h"

#include "basketry/log.h"

static bool both_have_two(const struct reader *first)
{
    goal = 2;
    return has_goal_assigned(first) && has_goal_assigned(first + 1);
}

/** Two members share four partitions, one leaves, the other has them all again: records that flow
 * all the while are each delivered by somebody, and within a member in order. */
static void share_and_part(const char *group, const char *const *properties)
{
    uv_loop_t loop;
    struct shop shop;
    struct reader r[2];
    open_shop(&shop, 1);
    open_topic(&shop, BK_TOPIC_EVENTS, 4);
    for (int p = 0; p < 4; p++) sell(&shop, BK_TOPIC_EVENTS, p, 100);
    settle(&shop);
    uv_loop_init(&loop);
    init_reader(&r[0], &loop);
    init_reader(&r[1], &loop);
    open_reader(&r[0], &shop, group, EVENTS, properties);
    goal = 400;
    assert_true(run_until(&r[0], 15000, has_goal_total));
    open_reader(&r[1], &shop, group, EVENTS, properties);
    assert_true(run_until(&r[0], 30000, both_have_two));
    for (int p = 0; p < 4; p++) sell(&shop, BK_TOPIC_EVENTS, p, 100);
    goal = 600;
    assert_true(run_until(&r[0], 10000, has_goal_total));
    goal = 400; /* the second began at the beginning of its two partitions */
    assert_true(run_until(&r[1], 10000, has_goal_total));
    close_reader(&r[1], 6000);
    goal = 4;
    assert_true(run_until(&r[0], 30000, has_goal_assigned));
    for (int p = 0; p < 4; p++) sell(&shop, BK_TOPIC_EVENTS, p, 100);
    goal = 1200; /* from its own positions: also what the other had read meanwhile */
    assert_true(run_until(&r[0], 10000, has_goal_total));
    for (int p = 0; p < 4; p++) assert_int_equal(r[0].seen[BK_TOPIC_EVENTS][p].count, 300);
    close_reader(&r[0], 6000);
    assert_int_equal(uv_loop_close(&loop), 0);
    close_shop(&shop);
}

static void two_members_share_eagerly(void **state)
{
    (void)state;
    share_and_part("eager", quick);
}

static void two_members_share_cooperatively(void **state)
{
    (void)state;
    share_and_part("cooperative", cooperative);
}

/* ---- closing ---- */

/* Before 2.3 a cooperative member that closes before its first assignment brings librdkafka down
 * (its issue 4381). */
static bool closes_when_cooperative(void)
{
    return rd_kafka_version() >= 0x020300ff;
}

static void closing_works_at_any_moment(void **state)
{
    (void)state;
    struct shop shop;
    open_shop(&shop, 1);
    open_topic(&shop, BK_TOPIC_EVENTS, 2);
    open_topic(&shop, BK_TOPIC_PRODUCTS, 2);
    for (int p = 0; p < 2; p++) {
        sell(&shop, BK_TOPIC_EVENTS, p, 20000);
        sell(&shop, BK_TOPIC_PRODUCTS, p, 2000);
    }
    settle(&shop);
    static const int waits_ms[] = {0, 1, 5, 30, 200, 1500, 3300, 3600};
    for (size_t i = 0; i < 2 * BK_COUNTOF(waits_ms); i++) {
        uv_loop_t loop;
        struct reader r;
        char group[16];
        snprintf(group, sizeof group, "close-%zu", i);
        uv_loop_init(&loop);
        init_reader(&r, &loop);
        r.budget = 10; /* plenty is left in the queue */
        open_reader(&r, &shop, group, EVENTS | PRODUCTS,
                    i % 2 && closes_when_cooperative() ? cooperative : quick);
        if (waits_ms[i / 2]) run_until(&r, waits_ms[i / 2], NULL);
        if (waits_ms[i / 2] == 1500) r.source->ops->pause(r.source, true);
        close_reader(&r, 10000);
        assert_int_equal(uv_loop_close(&loop), 0);
    }
    close_shop(&shop);
}

/* ---- properties ---- */

static void a_property_that_breaks_a_promise_is_refused_by_name(void **state)
{
    static const char *const refused[][2] = {
        {"enable.auto.commit", "true"},
        {"enable.auto.offset.store", "true"},
        {"auto.offset.reset", "latest"},
        {"enable.partition.eof", "false"},
        {"group.id", "another"},
        {"bootstrap.servers", "elsewhere:9092"},
        {"metadata.broker.list", "elsewhere:9092"},
        {"rebalance_cb", "x"},
        {"debug", "all"},
        {"no.such.property", "1"},
        {"session.timeout.ms", "soon"},
    };
    (void)state;
    uv_loop_t loop;
    struct shop shop;
    open_shop(&shop, 1);
    uv_loop_init(&loop);
    for (size_t i = 0; i < BK_COUNTOF(refused); i++) {
        struct reader r;
        struct bk_reason reason = {""};
        const char *const properties[] = {refused[i][0], refused[i][1], NULL};
        memset(&r, 0, sizeof r);
        r.loop = &loop;
        assert_null(try_source(&r, &shop, "g", EVENTS | PRODUCTS, properties, &reason));
        assert_non_null(strstr(reason.text, refused[i][0]));
    }
    assert_int_equal(uv_loop_close(&loop), 0);
    close_shop(&shop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_members_share_eagerly),
        cmocka_unit_test(two_members_share_cooperatively),
        cmocka_unit_test(closing_works_at_any_moment),
        cmocka_unit_test(a_property_that_breaks_a_promise_is_refused_by_name),
    };
    if (getenv("BK_TEST")) cmocka_set_test_filter(getenv("BK_TEST"));
    bk_log_level = getenv("BK_LOG") ? BK_LOG_INFO : BK_LOG_OFF;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
