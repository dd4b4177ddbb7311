/* test_outbox.c -- what is put out arrives, whatever the brokers do: the outbox against a mock
 * cluster. */
#include "support/kafka_shop.h"

#include "basketry/dead_letter.h"
#include "basketry/log.h"

enum { PRODUCE = 0, ARRIVED_MAX = 4096 };
static const char *const topic = "products"; /* of kafka_shop.c, one partition */

static struct shop shop;
static uv_loop_t loop;
static uv_timer_t limit;
static struct bk_outbox *outbox;
static int wakes;
static bool closed;

static void on_wake(void *arg)
{
    (void)arg;
    wakes++;
}

static void open_outbox(uint32_t records_max, uint64_t bytes_max)
{
    static const char *const properties[] = {"linger.ms", "0", "retry.backoff.ms", "10", NULL};
    struct bk_kafka_outbox_options options = {rd_kafka_mock_cluster_bootstraps(shop.cluster),
                                              properties, records_max, bytes_max};
    struct bk_outbox_events events = {NULL, on_wake};
    struct bk_reason reason = {""};
    outbox = bk_outbox_kafka_create(&loop, &options, &events, &reason);
    assert_string_equal(reason.text, "");
    assert_non_null(outbox);
}

static int open_all(void **state)
{
    (void)state;
    open_shop(&shop, 1);
    open_topic(&shop, BK_TOPIC_PRODUCTS, 1);
    uv_loop_init(&loop);
    uv_timer_init(&loop, &limit);
    wakes = 0;
    return 0;
}

static void on_closed(void *arg)
{
    (void)arg;
    closed = true;
}

static void on_limit(uv_timer_t *timer)
{
    (void)timer;
}

static bool all_acked(void)
{
    return bk_outbox_is_idle(outbox);
}

static bool is_closed(void)
{
    return closed;
}

static bool is_full(void)
{
    return bk_outbox_room(outbox) == 0;
}

/* Turn the loop until it holds or for `ms`. */
static bool turn_until(bool (*holds)(void), uint64_t ms)
{
    uint64_t end = uv_hrtime() + ms * 1000000;
    uv_timer_start(&limit, on_limit, 10, 10);
    while (!(holds && holds()) && uv_hrtime() < end) uv_run(&loop, UV_RUN_ONCE);
    uv_timer_stop(&limit);
    return holds && holds();
}

static void close_outbox(uint32_t deadline_ms)
{
    closed = false;
    outbox->ops->close(outbox, deadline_ms, on_closed, NULL);
    assert_true(turn_until(is_closed, deadline_ms + 5000));
    outbox = NULL;
}

static int close_everything(void **state)
{
    (void)state;
    if (outbox) close_outbox(1000);
    uv_close((uv_handle_t *)&limit, NULL);
    uv_run(&loop, UV_RUN_NOWAIT);
    assert_int_equal(uv_loop_close(&loop), 0);
    close_shop(&shop);
    return 0;
}

static struct bk_outbox_status status_now(void)
{
    struct bk_outbox_status status;
    outbox->ops->status(outbox, &status);
    return status;
}

/* ---- reading back ---- */

static struct record {
    char *key, *value; /* NUL behind them; NULL: none */
    size_t key_len, len;
    rd_kafka_headers_t *headers;
} arrived[ARRIVED_MAX];
static size_t arrived_count;

static void forget_arrived(void)
{
    for (; arrived_count; arrived_count--) {
        struct record *record = &arrived[arrived_count - 1];
        free(record->key);
        free(record->value);
        if (record->headers) rd_kafka_headers_destroy(record->headers);
    }
}

static char *copy_of(const void *bytes, size_t len)
{
    char *copy = bytes ? calloc(1, len + 1) : NULL;
    if (copy && len) memcpy(copy, bytes, len);
    return copy;
}

static void keep(rd_kafka_message_t *message)
{
    assert_true(arrived_count < ARRIVED_MAX);
    struct record *record = &arrived[arrived_count++];
    *record = (struct record){copy_of(message->key, message->key_len),
                              copy_of(message->payload, message->len), message->key_len,
                              message->len, NULL};
    rd_kafka_message_detach_headers(message, &record->headers);
}

/* Everything on the topic, which is at least `count` records. */
static void read_back(size_t count)
{
    char text[200];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    const char *const properties[] = {
        "group.id",  "reader", "enable.partition.eof", "true", "fetch.wait.max.ms", "10",
        "log_level", "0"};
    rd_kafka_conf_set(conf, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(shop.cluster),
                      text, sizeof text);
    for (size_t i = 0; i < BK_COUNTOF(properties); i += 2)
        rd_kafka_conf_set(conf, properties[i], properties[i + 1], text, sizeof text);
    rd_kafka_t *reader = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
    assert_non_null(reader);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, 0)->offset = 0;
    assert_int_equal(rd_kafka_assign(reader, list), 0);
    rd_kafka_topic_partition_list_destroy(list);
    forget_arrived();
    for (int silent = 0; silent < 50;) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(reader, 100);
        bool end = message && message->err;
        if (message && !end) keep(message);
        if (message) rd_kafka_message_destroy(message);
        silent += !message;
        if (end && arrived_count >= count) break;
    }
    rd_kafka_destroy(reader);
    assert_true(arrived_count >= count);
}

static bk_str_t header_of(const struct record *record, const char *name)
{
    const void *value;
    size_t len;
    if (!record->headers || rd_kafka_header_get_last(record->headers, name, &value, &len))
        return (bk_str_t){NULL, 0};
    return bk_str(value, len);
}

static int put_number(uint32_t n)
{
    char key[16], value[16];
    struct bk_header header = {"n", BK_STR("x")};
    struct bk_outgoing out = {.topic = topic, .headers = &header, .header_count = 1};
    out.key = bk_str(key, (size_t)snprintf(key, sizeof key, "k%u", n % 7));
    out.value = bk_str(value, (size_t)snprintf(value, sizeof value, "%u", n));
    return bk_outbox_put(outbox, &out);
}

/* Every number from 0 on arrived, in order within its key; with `repeats` some more than once (the
 * mock takes what was sent behind a batch it refused, which a broker does not). */
static void check_numbers(uint32_t count, bool repeats)
{
    int64_t last[7] = {-1, -1, -1, -1, -1, -1, -1};
    bool *seen = calloc(count, sizeof *seen);
    uint32_t distinct = 0;
    for (size_t i = 0; i < arrived_count; i++) {
        uint32_t n = (uint32_t)strtoul(arrived[i].value, NULL, 10);
        assert_true(n < count);
        if (seen[n]) {
            assert_true(repeats);
            continue;
        }
        seen[n] = true;
        distinct++;
        assert_true(repeats || last[n % 7] < n);
        last[n % 7] = n;
        assert_int_equal(header_of(&arrived[i], "n").len, 1);
    }
    assert_int_equal(distinct, count);
    free(seen);
}

/* ---- stories ---- */

static void what_is_put_arrives_once_in_order_and_is_told(void **state)
{
    (void)state;
    open_outbox(1000, 64 << 20);
    assert_int_equal(bk_outbox_sent(outbox), 0);
    assert_true(bk_outbox_is_idle(outbox));
    for (uint32_t n = 0; n < 500; n++) {
        assert_int_equal(put_number(n), BK_OK);
        assert_int_equal(bk_outbox_sent(outbox), n + 1);
    }
    assert_int_equal(bk_outbox_acked(outbox), 0); /* nothing is told before the loop turns */
    assert_true(turn_until(all_acked, 10000));
    assert_int_equal(bk_outbox_acked(outbox), 500);
    assert_true(wakes > 0);
    assert_int_equal(status_now().waiting_bytes, 0);
    assert_string_equal(bk_outbox_state_word(status_now().state), "ready");
    read_back(500);
    check_numbers(500, false);
    forget_arrived();
}

static void null_and_empty_stay_apart(void **state)
{
    (void)state;
    open_outbox(10, 64 << 20);
    struct bk_header header[] = {{"none", {NULL, 0}}, {"empty", BK_STR("")}};
    struct bk_outgoing nothing = {.topic = topic, .headers = header, .header_count = 2};
    struct bk_outgoing empty = {.topic = topic, .key = BK_STR(""), .value = BK_STR("")};
    assert_int_equal(bk_outbox_put(outbox, &nothing), BK_OK);
    assert_int_equal(bk_outbox_put(outbox, &empty), BK_OK);
    assert_true(turn_until(all_acked, 10000));
    read_back(2);
    assert_null(arrived[0].key);
    assert_null(arrived[0].value);
    assert_null(header_of(&arrived[0], "none").p);
    assert_non_null(header_of(&arrived[0], "empty").p);
    assert_non_null(arrived[1].key);
    assert_non_null(arrived[1].value);
    forget_arrived();
}

static void an_outage_fills_it_to_its_bound_and_loses_nothing(void **state)
{
    (void)state;
    open_outbox(50, 64 << 20);
    assert_int_equal(put_number(0), BK_OK);
    assert_true(turn_until(all_acked, 10000));
    rd_kafka_mock_broker_set_down(shop.cluster, 1);
    uint32_t n = 1;
    while (bk_outbox_room(outbox)) assert_int_equal(put_number(n++), BK_OK);
    assert_int_equal(n, 51);
    assert_int_equal(put_number(n), BK_EAGAIN);
    assert_int_equal(bk_outbox_sent(outbox), 51);
    turn_until(NULL, 1500);
    assert_int_equal(bk_outbox_acked(outbox), 1);
    assert_string_equal(bk_outbox_state_word(status_now().state), "disconnected");
    assert_true(is_full());
    rd_kafka_mock_broker_set_up(shop.cluster, 1);
    assert_true(turn_until(all_acked, 10000));
    read_back(51);
    check_numbers(51, false);
    forget_arrived();
}

static void it_is_bounded_in_bytes(void **state)
{
    (void)state;
    open_outbox(1000, 4 << 20);
    rd_kafka_mock_broker_set_down(shop.cluster, 1);
    char *bytes = calloc(1, 1 << 20);
    struct bk_outgoing out = {.topic = topic, .value = bk_str(bytes, 1 << 20)};
    assert_int_equal(bk_outbox_put(outbox, &out), BK_ELIMIT);
    out.may_cut = true;
    uint32_t taken = 0;
    for (; bk_outbox_room(outbox); taken++) assert_int_equal(bk_outbox_put(outbox, &out), BK_OK);
    assert_in_range(taken, 3, 4);
    assert_true(status_now().waiting_bytes <= 4 << 20);
    free(bytes);
    rd_kafka_mock_broker_set_up(shop.cluster, 1);
    assert_true(turn_until(all_acked, 10000));
}

static void a_client_that_failed_for_good_has_a_successor_who_knows_everything(void **state)
{
    (void)state;
    open_outbox(1000, 64 << 20);
    assert_int_equal(put_number(0), BK_OK);
    assert_true(turn_until(all_acked, 10000));
    rd_kafka_mock_push_request_errors(shop.cluster, PRODUCE, 1,
                                      RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    for (uint32_t n = 1; n < 100; n++) assert_int_equal(put_number(n), BK_OK);
    assert_true(turn_until(all_acked, 20000));
    assert_int_equal(status_now().recreated, 1);
    assert_string_equal(bk_outbox_state_word(status_now().state), "ready");
    read_back(100);
    check_numbers(100, true);
    forget_arrived();
}

static bool has_failed(void)
{
    return status_now().failed > 0;
}

static void what_a_broker_refuses_is_sent_again_and_holds_the_number_back(void **state)
{
    (void)state;
    open_outbox(1000, 64 << 20);
    rd_kafka_mock_push_request_errors(shop.cluster, PRODUCE, 1,
                                      RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    assert_int_equal(put_number(0), BK_OK);
    assert_true(turn_until(has_failed, 10000));
    assert_string_equal(bk_outbox_state_word(status_now().state), "refused");
    assert_non_null(strstr(status_now().detail, topic));
    assert_int_equal(put_number(1), BK_OK);
    turn_until(NULL, 300);
    assert_int_equal(bk_outbox_acked(outbox), 0); /* 1 is there, 0 is not */
    assert_true(turn_until(all_acked, 10000));
    assert_int_equal(bk_outbox_acked(outbox), 2);
    assert_string_equal(bk_outbox_state_word(status_now().state), "ready");
    read_back(2);
    forget_arrived();
}

static uint64_t bytes_of_both;

static bool one_of_both_is_there(void)
{
    return status_now().waiting_bytes < bytes_of_both;
}

static bool has_failed_twice(void)
{
    return status_now().failed > 1;
}

static void a_successor_goes_round_what_its_predecessor_delivered(void **state)
{
    (void)state;
    open_outbox(1000, 64 << 20);
    rd_kafka_mock_push_request_errors(shop.cluster, PRODUCE, 2,
                                      RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
                                      RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    assert_int_equal(put_number(0), BK_OK);
    assert_true(turn_until(has_failed_twice, 10000));
    assert_int_equal(put_number(1), BK_OK);
    bytes_of_both = status_now().waiting_bytes;
    assert_true(turn_until(one_of_both_is_there, 10000));
    assert_int_equal(bk_outbox_acked(outbox), 0); /* 0 was refused, 1 is there ... */
    rd_kafka_mock_push_request_errors(shop.cluster, PRODUCE, 1,
                                      RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_int_equal(put_number(2), BK_OK); /* ... and this one ends the client */
    assert_true(turn_until(all_acked, 20000));
    assert_int_equal(status_now().recreated, 1);
    read_back(3);
    check_numbers(3, true);
    forget_arrived();
}

static void a_topic_that_takes_less_gets_the_value_cut_and_is_told(void **state)
{
    (void)state;
    open_outbox(10, 64 << 20);
    enum { LEN = 800000 };
    char *bytes = malloc(LEN);
    for (size_t i = 0; i < LEN; i++) bytes[i] = (char)(i * 31);
    rd_kafka_mock_push_request_errors(
        shop.cluster, PRODUCE, 3, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, /* as one of a batch */
        RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    struct bk_outgoing out = {.topic = topic, .key = BK_STR("k"), .may_cut = true};
    out.value = bk_str(bytes, LEN);
    assert_int_equal(bk_outbox_put(outbox, &out), BK_OK);
    assert_true(turn_until(all_acked, 10000));
    read_back(1);
    assert_int_equal(arrived[0].len, LEN / 4);
    assert_memory_equal(arrived[0].value, bytes, LEN / 4);
    assert_true(bk_str_eq(header_of(&arrived[0], BK_HEADER_CUT), BK_STR("800000")));
    free(bytes);
    forget_arrived();
}

static void what_stood_in_a_batch_with_something_large_is_not_cut(void **state)
{
    (void)state;
    open_outbox(100, 64 << 20);
    rd_kafka_mock_broker_set_down(shop.cluster, 1); /* so that they go as one batch */
    struct bk_outgoing out = {.topic = topic, .value = BK_STR("small and whole"), .may_cut = true};
    for (int i = 0; i < 20; i++) assert_int_equal(bk_outbox_put(outbox, &out), BK_OK);
    rd_kafka_mock_push_request_errors(shop.cluster, PRODUCE, 1,
                                      RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    rd_kafka_mock_broker_set_up(shop.cluster, 1);
    assert_true(turn_until(all_acked, 15000));
    assert_true(status_now().failed > 1);
    read_back(20);
    assert_int_equal(arrived_count, 20);
    for (int i = 0; i < 20; i++) assert_int_equal(arrived[i].len, out.value.len);
    forget_arrived();
}

static void closing_in_an_outage_meets_its_deadline(void **state)
{
    (void)state;
    open_outbox(10, 64 << 20);
    rd_kafka_mock_broker_set_down(shop.cluster, 1);
    assert_int_equal(put_number(0), BK_OK);
    uint64_t start = uv_hrtime();
    close_outbox(300);
    assert_true(uv_hrtime() - start < 3000000000u);
}

static void closing_waits_for_what_is_under_way(void **state)
{
    (void)state;
    open_outbox(1000, 64 << 20);
    for (uint32_t n = 0; n < 300; n++) assert_int_equal(put_number(n), BK_OK);
    close_outbox(10000);
    read_back(300);
    check_numbers(300, false);
    forget_arrived();
}

static void a_property_that_does_not_exist_is_refused_by_name(void **state)
{
    (void)state;
    static const char *const properties[] = {"no.such.thing", "1", NULL};
    struct bk_kafka_outbox_options options = {"none:1", properties, 10, 1 << 20};
    struct bk_outbox_events events = {NULL, on_wake};
    struct bk_reason reason = {""};
    assert_null(bk_outbox_kafka_create(&loop, &options, &events, &reason));
    assert_non_null(strstr(reason.text, "no.such.thing"));
}

/* ---- dead letters ---- */

struct sent_header {
    const char *name, *value;
};

static bool sent_header_at(const void *headers, size_t at, const char **name, bk_str_t *value)
{
    const struct sent_header *list = headers;
    if (!list[at].name) return false;
    *name = list[at].name;
    *value = bk_str_c(list[at].value);
    return true;
}

static void a_dead_letter_is_the_record_and_why(void **state)
{
    (void)state;
    static const struct sent_header headers[] = {
        {"traceparent", "00-1"}, {"traceparent", "00-2"}, {NULL, NULL}};
    open_outbox(10, 64 << 20);
    struct bk_record record = {.topic = BK_TOPIC_EVENTS,
                               .partition = 3,
                               .offset = 1234567890123,
                               .timestamp_ms = 1700000000000,
                               .key = BK_STR("c:7"),
                               .value = BK_STR("\0not avro"),
                               .headers = headers,
                               .header_at = sent_header_at};
    struct bk_dead_letter letter = {
        topic, "shop.events", "basketry", &record, {BK_VERDICT_TOO_LONG, "lines.item_id"}};
    assert_int_equal(bk_dead_letter_put(outbox, &letter), BK_OK);
    assert_true(turn_until(all_acked, 10000));
    read_back(1);
    static const struct sent_header wanted[] = {
        {"traceparent", "00-2"},
        {"__connect.errors.topic", "shop.events"},
        {"__connect.errors.partition", "3"},
        {"__connect.errors.offset", "1234567890123"},
        {"__connect.errors.connector.name", "basketry"},
        {"__connect.errors.stage", "VALUE_CONVERTER"},
        {"__connect.errors.exception.class.name", "too_long"},
        {"__connect.errors.exception.message", "too_long lines.item_id: text over its limit"},
        {"basketry.field", "lines.item_id"},
        {"basketry.timestamp-ms", "1700000000000"},
    };
    assert_int_equal(arrived[0].len, 9);
    assert_memory_equal(arrived[0].value, "\0not avro", 9);
    assert_memory_equal(arrived[0].key, "c:7", 3);
    for (size_t i = 0; i < BK_COUNTOF(wanted); i++)
        if (!bk_str_eq(header_of(&arrived[0], wanted[i].name), bk_str_c(wanted[i].value)))
            fail_msg("%s is %.*s", wanted[i].name, (int)header_of(&arrived[0], wanted[i].name).len,
                     header_of(&arrived[0], wanted[i].name).p);
    assert_int_equal(rd_kafka_header_cnt(arrived[0].headers), BK_COUNTOF(wanted) + 1);
    forget_arrived();
}

static bool endless_header_at(const void *headers, size_t at, const char **name, bk_str_t *value)
{
    (void)at;
    *name = "h";
    *value = bk_str(headers, 3000);
    return true;
}

static void a_monstrous_record_is_still_a_letter(void **state)
{
    (void)state;
    enum { LEN = 3 << 20 };
    char *bytes = calloc(1, LEN);
    open_outbox(10, 64 << 20);
    struct bk_record record = {.key = bk_str(bytes, LEN),
                               .value = bk_str(bytes, LEN),
                               .headers = bytes,
                               .header_at = endless_header_at};
    struct bk_dead_letter letter = {topic, "shop.events", "g", &record, {BK_VERDICT_BAD_FRAME, ""}};
    assert_int_equal(bk_dead_letter_put(outbox, &letter), BK_OK);
    assert_true(turn_until(all_acked, 10000));
    read_back(1);
    assert_int_equal(arrived[0].key_len, BK_LETTER_KEY_BYTES_MAX);
    assert_true(arrived[0].len > 700000);
    assert_true(bk_str_eq(header_of(&arrived[0], BK_LETTER_LEFT_OUT), BK_STR("key, headers")));
    assert_true(bk_str_eq(header_of(&arrived[0], BK_HEADER_CUT), BK_STR("3145728")));
    free(bytes);
    forget_arrived();
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, open_all, close_everything)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(what_is_put_arrives_once_in_order_and_is_told),
        STORY(null_and_empty_stay_apart),
        STORY(an_outage_fills_it_to_its_bound_and_loses_nothing),
        STORY(it_is_bounded_in_bytes),
        STORY(a_client_that_failed_for_good_has_a_successor_who_knows_everything),
        STORY(what_a_broker_refuses_is_sent_again_and_holds_the_number_back),
        STORY(a_successor_goes_round_what_its_predecessor_delivered),
        STORY(a_topic_that_takes_less_gets_the_value_cut_and_is_told),
        STORY(what_stood_in_a_batch_with_something_large_is_not_cut),
        STORY(closing_in_an_outage_meets_its_deadline),
        STORY(closing_waits_for_what_is_under_way),
        STORY(a_property_that_does_not_exist_is_refused_by_name),
        STORY(a_dead_letter_is_the_record_and_why),
        STORY(a_monstrous_record_is_still_a_letter),
    };
    if (getenv("BK_TEST")) cmocka_set_test_filter(getenv("BK_TEST"));
    bk_log_level = getenv("BK_LOG") ? BK_LOG_INFO : BK_LOG_OFF;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
