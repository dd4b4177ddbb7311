/* test_kafka_faults.c -- the Kafka source against a mock cluster: what goes wrong at the broker. */
#include "support/kafka_shop.h"

#include "basketry/log.h"

/* Kafka's numbers of two requests (librdkafka keeps their names to itself). */
enum { API_FETCH = 1, API_HEARTBEAT = 12 };

/* ---- trouble ---- */

static bool is_topic_missing(const struct reader *r)
{
    return status_of((struct reader *)r).state == BK_SOURCE_TOPIC_MISSING;
}

static void a_missing_topic_is_a_state_and_is_tried_again(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct shop shop;
    struct reader r;
    open_shop(&shop, 1);
    open_topic(&shop, BK_TOPIC_PRODUCTS, 1);
    rd_kafka_mock_topic_set_error(shop.cluster, topic_names[BK_TOPIC_PRODUCTS],
                                  RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    uv_loop_init(&loop);
    init_reader(&r, &loop);
    open_reader(&r, &shop, "g", PRODUCTS, quick);
    assert_true(run_until(&r, 8000, is_topic_missing));
    assert_non_null(strstr(status_of(&r).detail, "products"));
    rd_kafka_mock_topic_set_error(shop.cluster, topic_names[BK_TOPIC_PRODUCTS],
                                  RD_KAFKA_RESP_ERR_NO_ERROR);
    sell(&shop, BK_TOPIC_PRODUCTS, 0, 5);
    goal = 5;
    assert_true(run_until(&r, 8000, has_goal_total));
    goal = 1;
    assert_true(run_until(&r, 5000, has_goal_ends));
    run_until(&r, 50, NULL);
    assert_int_equal(status_of(&r).state, BK_SOURCE_ASSIGNED);
    assert_string_equal(status_of(&r).detail, "");
    close_all(&shop, &loop, &r, 2000);
}

static void an_offset_out_of_range_starts_again_from_the_beginning_and_says_so(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct shop shop;
    struct reader r;
    open_scene(&shop, &loop, &r, BK_TOPIC_PRODUCTS, 2, 50);
    r.seen[BK_TOPIC_PRODUCTS][1].start = 4000; /* of a log that was longer once */
    open_reader(&r, &shop, "g", PRODUCTS, quick);
    r.seen[BK_TOPIC_PRODUCTS][1].next = -1;
    goal = 50;
    assert_true(run_until(&r, 5000, has_goal_total));
    r.seen[BK_TOPIC_PRODUCTS][1].next = 0;
    goal = 100;
    assert_true(run_until(&r, 5000, has_goal_total));
    goal = 2;
    assert_true(run_until(&r, 5000, has_goal_ends));
    assert_int_equal(r.seen[BK_TOPIC_PRODUCTS][0].count, 50);
    assert_int_equal(r.seen[BK_TOPIC_PRODUCTS][1].end_at, 50);
    assert_int_equal(status_of(&r).offset_resets, 1);
    assert_non_null(strstr(status_of(&r).detail, "offset_out_of_range: products [1]"));
    close_all(&shop, &loop, &r, 2000);
}

static bool is_resting(const struct reader *r)
{
    struct bk_source_status status = status_of((struct reader *)r);
    return status.resting == 1 && status.state != BK_SOURCE_JOINING;
}

/* Whatever the owner does, a partition that rests gives no record. */
static void stays_at_rest(struct shop *shop, struct reader *r, int32_t partition)
{
    int64_t before = r->seen[BK_TOPIC_EVENTS][partition].count;
    sell(shop, BK_TOPIC_EVENTS, partition, 10);
    r->source->ops->pause(r->source, true);
    run_until(r, 300, NULL);
    r->source->ops->pause(r->source, false);
    run_until(r, 700, NULL);
    assert_int_equal(r->seen[BK_TOPIC_EVENTS][partition].count, before);
    assert_true(is_resting(r));
}

static void a_log_shorter_than_the_state_rests_until_it_is_accepted(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct shop shop;
    struct reader r;
    open_scene(&shop, &loop, &r, BK_TOPIC_EVENTS, 2, 50);
    r.seen[BK_TOPIC_EVENTS][1].start = 4000; /* another log's */
    open_reader(&r, &shop, "shorter", EVENTS, quick);
    assert_true(run_until(&r, 15000, is_resting));
    assert_int_equal(status_of(&r).state, BK_SOURCE_LOG_SHORTER_THAN_STATE);
    assert_non_null(strstr(status_of(&r).detail, "events [1] ends at 50, the state is at 4000"));
    goal = 50;
    assert_true(run_until(&r, 5000, has_goal_total)); /* the other partition goes on */
    stays_at_rest(&shop, &r, 1);
    sell(&shop, BK_TOPIC_EVENTS, 0, 50);
    goal = 100;
    assert_true(run_until(&r, 5000, has_goal_total));
    assert_int_equal(r.source->ops->accept(r.source, 0), BK_ENOENT);
    assert_int_equal(r.source->ops->accept(r.source, 7), BK_ENOENT);
    r.seen[BK_TOPIC_EVENTS][1].next = 0;
    assert_int_equal(r.source->ops->accept(r.source, 1), BK_OK);
    goal = 160;
    assert_true(run_until(&r, 5000, has_goal_total));
    assert_int_equal(r.source->ops->accept(r.source, 1), BK_ENOENT);
    assert_int_equal(status_of(&r).state, BK_SOURCE_ASSIGNED);
    assert_string_equal(status_of(&r).detail, "");
    assert_int_equal(status_of(&r).records_lost, 0);
    close_all(&shop, &loop, &r, 5000);
}

static bool two_rest(const struct reader *r)
{
    return status_of((struct reader *)r).resting == 2;
}

/** Four readers' memories of one log of 50 records: the middle, the end, one past the end, and another
 *  log's middle. */
static void what_was_passed_last_is_shown_before_reading_goes_on(void **state)
{
    static const int64_t starts[] = {30, 50, 51, 30};
    (void)state;
    uv_loop_t loop;
    struct shop shop;
    struct reader r;
    open_scene(&shop, &loop, &r, BK_TOPIC_EVENTS, 4, 0);
    r.proves = true;
    for (int32_t p = 0; p < 4; p++) {
        sell(&shop, BK_TOPIC_EVENTS, p, 50);
        r.seen[BK_TOPIC_EVENTS][p].start = starts[p];
    }
    settle(&shop);
    struct seen *seen = r.seen[BK_TOPIC_EVENTS];
    seen[3].was_another = true;
    open_reader(&r, &shop, "shown", EVENTS, quick);
    goal = 2;
    assert_true(run_until(&r, 15000, has_goal_ends)); /* of those that go on */
    assert_true(run_until(&r, 15000, two_rest));      /* once that was denied for long enough */
    assert_int_equal(r.proofs, 3);                    /* nothing is shown where nothing stands */
    assert_int_equal(seen[0].count, 20);
    assert_int_equal(seen[1].count + seen[2].count + seen[3].count, 0);
    assert_int_equal(seen[0].ends + seen[1].ends, 2);
    assert_int_equal(status_of(&r).resting, 2);
    assert_int_equal(status_of(&r).state, BK_SOURCE_LOG_SHORTER_THAN_STATE);
    assert_int_equal(status_of(&r).offset_resets + status_of(&r).records_lost, 0);
    for (int32_t p = 0; p < 4; p++) sell(&shop, BK_TOPIC_EVENTS, p, 10);
    goal = 40;
    assert_true(run_until(&r, 5000, has_goal_total));
    assert_int_equal(r.source->ops->accept(r.source, 0), BK_ENOENT);
    seen[2].next = seen[3].next = 0;
    assert_int_equal(r.source->ops->accept(r.source, 2), BK_OK);
    assert_int_equal(status_of(&r).state, BK_SOURCE_ANOTHER_LOG);
    assert_int_equal(bk_source_state_health(BK_SOURCE_ANOTHER_LOG), BK_HEALTH_DOWN);
    assert_int_equal(r.source->ops->accept(r.source, 3), BK_OK);
    goal = 160;
    assert_true(run_until(&r, 5000, has_goal_total));
    goal = 4;
    assert_true(run_until(&r, 5000, has_goal_ends));
    assert_int_equal(r.proofs, 3);
    assert_int_equal(status_of(&r).state, BK_SOURCE_ASSIGNED);
    assert_int_equal(status_of(&r).records_lost, 0);
    close_all(&shop, &loop, &r, 5000);
}

static void delete_topic(struct shop *shop)
{
    rd_kafka_mock_topic_set_error(shop->cluster, topic_names[BK_TOPIC_EVENTS],
                                  RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    rd_kafka_mock_push_request_errors(shop->cluster, API_FETCH, 2,
                                      RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
                                      RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
}

static void go_and_come_back(struct shop *shop, struct reader *r)
{
    delete_topic(shop);
    assert_true(run_until(r, 15000, is_topic_missing));
    rd_kafka_mock_topic_set_error(shop->cluster, topic_names[BK_TOPIC_EVENTS],
                                  RD_KAFKA_RESP_ERR_NO_ERROR);
}

/** It may be another one that comes back, with as many records. */
static void a_topic_that_was_gone_shows_its_last_record_again(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct shop shop;
    struct reader r;
    open_scene(&shop, &loop, &r, BK_TOPIC_EVENTS, 2, 50);
    r.proves = true;
    open_reader(&r, &shop, "gone", EVENTS, quick);
    goal = 100;
    assert_true(run_until(&r, 15000, has_goal_total));
    assert_int_equal(r.proofs, 0); /* from their beginnings */
    go_and_come_back(&shop, &r);
    r.seen[BK_TOPIC_EVENTS][1].was_another = true;
    sell(&shop, BK_TOPIC_EVENTS, 0, 10);
    sell(&shop, BK_TOPIC_EVENTS, 1, 10);
    assert_true(run_until(&r, 15000, is_resting));
    goal = 110;
    assert_true(run_until(&r, 5000, has_goal_total));
    assert_int_equal(status_of(&r).state, BK_SOURCE_ANOTHER_LOG);
    assert_int_equal(r.seen[BK_TOPIC_EVENTS][0].count, 60);
    assert_int_equal(r.seen[BK_TOPIC_EVENTS][1].count, 50);
    assert_true(r.proofs >= 2);
    close_all(&shop, &loop, &r, 5000);
}

/** It was frozen, and its log ends where it fell asleep. */
static void a_leader_that_is_mistaken_for_a_moment_lets_nothing_rest(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct shop shop;
    struct reader r;
    open_shop(&shop, 1);
    open_topic(&shop, BK_TOPIC_EVENTS, 1);
    sell(&shop, BK_TOPIC_EVENTS, 0, 50);
    settle(&shop);
    uv_loop_init(&loop);
    init_reader(&r, &loop);
    r.proves = true;
    open_reader(&r, &shop, "mistaken", EVENTS, quick);
    goal = 50;
    assert_true(run_until(&r, 15000, has_goal_total));
    /* The mock may spend an error on a request that asks for nothing. */
    for (int round = 0; round < 10 && r.proofs == 0; round++) {
        rd_kafka_mock_push_request_errors(shop.cluster, API_FETCH, 1,
                                          RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE);
        run_until(&r, 500, NULL);
        sell(&shop, BK_TOPIC_EVENTS, 0, 10);
        goal += 10;
        assert_true(run_until(&r, 5000, has_goal_total));
    }
    assert_true(r.proofs > 0);
    assert_int_equal(status_of(&r).resting, 0);
    assert_int_equal(status_of(&r).state, BK_SOURCE_ASSIGNED);
    assert_int_equal(status_of(&r).records_lost, 0);
    close_all(&shop, &loop, &r, 5000);
}

/** Nothing was passed, so nothing is shown, and the first record is not lost for it. */
static void an_empty_topic_that_was_gone_is_read_from_its_first_record(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct shop shop;
    struct reader r;
    open_scene(&shop, &loop, &r, BK_TOPIC_EVENTS, 1, 0);
    r.proves = true;
    open_reader(&r, &shop, "empty", EVENTS, quick);
    goal = 1;
    assert_true(run_until(&r, 15000, has_goal_ends));
    go_and_come_back(&shop, &r);
    sell(&shop, BK_TOPIC_EVENTS, 0, 10);
    goal = 10;
    assert_true(run_until(&r, 15000, has_goal_total));
    assert_int_equal(r.proofs, 0);
    close_all(&shop, &loop, &r, 5000);
}

static void a_partition_its_owner_refuses_is_held_and_not_read(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct shop shop;
    struct reader r;
    open_scene(&shop, &loop, &r, BK_TOPIC_EVENTS, 2, 50);
    r.seen[BK_TOPIC_EVENTS][1].start = BK_OFFSET_REFUSED;
    open_reader(&r, &shop, "refused", EVENTS, quick);
    goal = 50;
    assert_true(run_until(&r, 15000, has_goal_total));
    assert_int_equal(status_of(&r).state, BK_SOURCE_PARTITIONS_OVER_LIMIT);
    stays_at_rest(&shop, &r, 1);
    assert_int_equal(r.source->ops->accept(r.source, 1), BK_ENOENT);
    assert_int_equal(r.seen[BK_TOPIC_EVENTS][1].ends, 0);
    close_all(&shop, &loop, &r, 5000);
}

static bool is_disconnected(const struct reader *r)
{
    return status_of((struct reader *)r).state == BK_SOURCE_DISCONNECTED;
}

static bool is_assigned(const struct reader *r)
{
    return status_of((struct reader *)r).state == BK_SOURCE_ASSIGNED;
}

static void a_broker_that_goes_and_comes_back_costs_no_record(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct shop shop;
    struct reader r;
    open_scene(&shop, &loop, &r, BK_TOPIC_EVENTS, 2, 100);
    open_reader(&r, &shop, "down-up", EVENTS, quick);
    goal = 200;
    assert_true(run_until(&r, 15000, has_goal_total));
    for (int round = 0; round < 2; round++) {
        rd_kafka_mock_broker_set_down(shop.cluster, 1);
        sell(&shop, BK_TOPIC_EVENTS, 0, 100);
        assert_true(run_until(&r, 5000, is_disconnected));
        run_until(&r, 1500, NULL);
        assert_true(is_disconnected(&r));
        rd_kafka_mock_broker_set_up(shop.cluster, 1);
        sell(&shop, BK_TOPIC_EVENTS, 1, 100);
        goal += 200;
        assert_true(run_until(&r, 15000, has_goal_total));
    }
    assert_true(run_until(&r, 5000, is_assigned));
    assert_true(status_of(&r).errors > 0);
    close_all(&shop, &loop, &r, 5000);
}

/** The leader of a partition moves, the coordinator of the group goes away: records go on. */
static void leaders_and_coordinators_may_move(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct shop shop;
    struct reader r;
    open_shop(&shop, 3);
    open_topic(&shop, BK_TOPIC_EVENTS, 2);
    sell(&shop, BK_TOPIC_EVENTS, 0, 100);
    sell(&shop, BK_TOPIC_EVENTS, 1, 100);
    settle(&shop);
    rd_kafka_mock_coordinator_set(shop.cluster, "group", "movers", 1);
    uv_loop_init(&loop);
    init_reader(&r, &loop);
    open_reader(&r, &shop, "movers", EVENTS, quick);
    goal = 200;
    assert_true(run_until(&r, 15000, has_goal_total));
    for (int32_t broker = 2; broker <= 3; broker++) {
        rd_kafka_mock_partition_set_leader(shop.cluster, topic_names[BK_TOPIC_EVENTS], 0, broker);
        rd_kafka_mock_coordinator_set(shop.cluster, "group", "movers", broker);
        rd_kafka_mock_push_request_errors(shop.cluster, API_HEARTBEAT, 2,
                                          RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
                                          RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS);
        rd_kafka_mock_push_request_errors(
            shop.cluster, API_FETCH, 3, RD_KAFKA_RESP_ERR__TRANSPORT, /* a reset */
            RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, RD_KAFKA_RESP_ERR__TRANSPORT);
        sell(&shop, BK_TOPIC_EVENTS, 0, 100);
        sell(&shop, BK_TOPIC_EVENTS, 1, 100);
        goal += 200;
        assert_true(run_until(&r, 20000, has_goal_total));
    }
    assert_int_equal(r.seen[BK_TOPIC_EVENTS][0].count, 300);
    assert_int_equal(r.seen[BK_TOPIC_EVENTS][1].count, 300);
    assert_int_equal(status_of(&r).state, BK_SOURCE_ASSIGNED);
    assert_int_equal(status_of(&r).records_lost + status_of(&r).offset_resets, 0);
    close_all(&shop, &loop, &r, 5000);
}

static bool is_leader_away(const struct reader *r)
{
    return status_of((struct reader *)r).state == BK_SOURCE_LEADER_AWAY;
}

static bool is_coordinator_away(const struct reader *r)
{
    return status_of((struct reader *)r).state == BK_SOURCE_COORDINATOR_AWAY;
}

/** A part of the shop stands still, and no other broker would say so. */
static void a_leader_or_a_coordinator_that_is_gone_is_a_state_until_another_took_over(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct shop shop;
    struct reader r;
    open_shop(&shop, 3);
    open_topic(&shop, BK_TOPIC_EVENTS, 2);
    rd_kafka_mock_partition_set_leader(shop.cluster, topic_names[BK_TOPIC_EVENTS], 0, 1);
    rd_kafka_mock_partition_set_leader(shop.cluster, topic_names[BK_TOPIC_EVENTS], 1, 2);
    rd_kafka_mock_coordinator_set(shop.cluster, "group", "away", 3);
    sell(&shop, BK_TOPIC_EVENTS, 0, 50);
    settle(&shop);
    uv_loop_init(&loop);
    init_reader(&r, &loop);
    open_reader(&r, &shop, "away", EVENTS, quick);
    goal = 50;
    assert_true(run_until(&r, 15000, has_goal_total));
    rd_kafka_mock_broker_set_down(shop.cluster, 2);
    assert_true(run_until(&r, 8000, is_leader_away));
    assert_non_null(strstr(status_of(&r).detail, "the leader does not answer"));
    sell(&shop, BK_TOPIC_EVENTS, 0, 50); /* the others are read */
    goal = 100;
    assert_true(run_until(&r, 5000, has_goal_total));
    rd_kafka_mock_partition_set_leader(shop.cluster, topic_names[BK_TOPIC_EVENTS], 1, 1);
    assert_true(run_until(&r, 15000, is_assigned));
    rd_kafka_mock_broker_set_down(shop.cluster, 3);
    assert_true(run_until(&r, 8000, is_coordinator_away));
    assert_non_null(strstr(status_of(&r).detail, "the coordinator does not answer"));
    rd_kafka_mock_coordinator_set(shop.cluster, "group", "away", 1);
    assert_true(run_until(&r, 15000, is_assigned));
    assert_int_equal(r.seen[BK_TOPIC_EVENTS][0].count, 100);
    close_all(&shop, &loop, &r, 5000);
}

/* ---- the group ---- */

/** Not pulled (with records waiting and without) or paused for longer than max.poll.interval.ms. */
static void a_silent_owner_stays_a_member(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct shop shop;
    struct reader r;
    open_scene(&shop, &loop, &r, BK_TOPIC_EVENTS, 2, 0);
    open_reader(&r, &shop, "silent", EVENTS, impatient);
    goal = 2;
    assert_true(run_until(&r, 15000, has_goal_assigned));
    run_until(&r, 8000, NULL); /* idle, pulled by the tick only */
    r.lazy = true;
    run_until(&r, 9000, NULL); /* not pulled, nothing waits     */
    sell(&shop, BK_TOPIC_EVENTS, 0, 1000);
    sell(&shop, BK_TOPIC_EVENTS, 1, 1000);
    run_until(&r, 9000, NULL); /* not pulled, records wait      */
    assert_int_equal(r.total, 0);
    assert_int_equal(status_of(&r).state, BK_SOURCE_STALLED);
    r.lazy = false;
    goal = 2000;
    assert_true(run_until(&r, 5000, has_goal_total));
    r.source->ops->pause(r.source, true);
    r.source->ops->pause(r.source, true);
    sell(&shop, BK_TOPIC_EVENTS, 0, 1000);
    run_until(&r, 9000, NULL);
    assert_int_equal(status_of(&r).state, BK_SOURCE_PAUSED);
    assert_int_equal(r.total, 2000);
    r.source->ops->pause(r.source, false);
    goal = 3000;
    assert_true(run_until(&r, 5000, has_goal_total));
    assert_int_equal(r.seen[BK_TOPIC_EVENTS][0].assignments, 1); /* never thrown out */
    assert_int_equal(r.seen[BK_TOPIC_EVENTS][1].assignments, 1);
    assert_int_equal(status_of(&r).errors, 0);
    close_all(&shop, &loop, &r, 5000);
}

/** librdkafka 2.0.2 never destroys a client that holds a topic which was deleted. */
static void closing_after_the_topic_was_deleted_waits_for_nobody(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct shop shop;
    struct reader r;
    open_shop(&shop, 1);
    open_topic(&shop, BK_TOPIC_EVENTS, 2);
    sell(&shop, BK_TOPIC_EVENTS, 0, 50);
    settle(&shop);
    uv_loop_init(&loop);
    init_reader(&r, &loop);
    open_reader(&r, &shop, "deleted", EVENTS, quick);
    goal = 50;
    assert_true(run_until(&r, 15000, has_goal_total));
    delete_topic(&shop);
    assert_true(run_until(&r, 15000, is_topic_missing));
    close_all(&shop, &loop, &r, 3000);
}

static void closing_with_the_broker_down_keeps_its_deadline(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct shop shop;
    struct reader r;
    open_scene(&shop, &loop, &r, BK_TOPIC_EVENTS, 2, 0);
    open_reader(&r, &shop, "close-down", EVENTS, quick);
    goal = 2;
    assert_true(run_until(&r, 15000, has_goal_assigned));
    rd_kafka_mock_broker_set_down(shop.cluster, 1);
    run_until(&r, 300, NULL);
    close_all(&shop, &loop, &r, 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_missing_topic_is_a_state_and_is_tried_again),
        cmocka_unit_test(an_offset_out_of_range_starts_again_from_the_beginning_and_says_so),
        cmocka_unit_test(a_log_shorter_than_the_state_rests_until_it_is_accepted),
        cmocka_unit_test(what_was_passed_last_is_shown_before_reading_goes_on),
        cmocka_unit_test(a_topic_that_was_gone_shows_its_last_record_again),
        cmocka_unit_test(a_leader_that_is_mistaken_for_a_moment_lets_nothing_rest),
        cmocka_unit_test(an_empty_topic_that_was_gone_is_read_from_its_first_record),
        cmocka_unit_test(a_partition_its_owner_refuses_is_held_and_not_read),
        cmocka_unit_test(a_broker_that_goes_and_comes_back_costs_no_record),
        cmocka_unit_test(leaders_and_coordinators_may_move),
        cmocka_unit_test(a_leader_or_a_coordinator_that_is_gone_is_a_state_until_another_took_over),
        cmocka_unit_test(a_silent_owner_stays_a_member),
        cmocka_unit_test(closing_after_the_topic_was_deleted_waits_for_nobody),
        cmocka_unit_test(closing_with_the_broker_down_keeps_its_deadline),
    };
    if (getenv("BK_TEST")) cmocka_set_test_filter(getenv("BK_TEST"));
    bk_log_level = getenv("BK_LOG") ? BK_LOG_INFO : BK_LOG_OFF;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
