/* kafka_shop.c -- see kafka_shop.h. */
#include "support/kafka_shop.h"

/* ---- the shop ---- */

const char *const topic_names[BK_TOPIC_COUNT] = {"events", "products", "stock", "customers"};

void open_shop(struct shop *shop, int brokers)
{
    char text[200], count[8];
    memset(shop, 0, sizeof *shop);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    snprintf(count, sizeof count, "%d", brokers);
    rd_kafka_conf_set(conf, "test.mock.num.brokers", count, text, sizeof text);
    rd_kafka_conf_set(conf, "linger.ms", "1", text, sizeof text);
    rd_kafka_conf_set(conf, "log_level", "0", text, sizeof text);
    shop->producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    assert_non_null(shop->producer);
    shop->cluster = rd_kafka_handle_mock_cluster(shop->producer);
    assert_non_null(shop->cluster);
}

void open_topic(struct shop *shop, enum bk_topic topic, int partitions)
{
    assert_int_equal(rd_kafka_mock_topic_create(shop->cluster, topic_names[topic], partitions, 1),
                     0);
}

void settle(struct shop *shop)
{
    assert_int_equal(rd_kafka_flush(shop->producer, 20000), 0);
}

/** Append `count` records; each says where it is. */
void sell(struct shop *shop, enum bk_topic topic, int32_t partition, int count)
{
    for (int i = 0; i < count; i++) {
        char value[64];
        int len = snprintf(value, sizeof value, "%d/%d/%lld", (int)topic, partition,
                           (long long)shop->produced[topic][partition]++);
        assert_int_equal(rd_kafka_producev(shop->producer, RD_KAFKA_V_TOPIC(topic_names[topic]),
                                           RD_KAFKA_V_PARTITION(partition), RD_KAFKA_V_KEY("k", 1),
                                           RD_KAFKA_V_VALUE(value, (size_t)len),
                                           RD_KAFKA_V_HEADER("__value_schema_id", "id", 2),
                                           RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                           RD_KAFKA_V_END),
                         0);
    }
}

/** The same in batches, so that a short queue is full long before all of it was fetched. */
void sell_in_batches(struct shop *shop, enum bk_topic topic, int batches)
{
    for (int batch = 0; batch < batches; batch++) {
        sell(shop, topic, 0, 700);
        settle(shop);
    }
}

void close_shop(struct shop *shop)
{
    rd_kafka_destroy(shop->producer);
}

/* ---- the reader ---- */

static void on_record(void *arg, const struct bk_record *record)
{
    struct reader *r = arg;
    struct seen *seen = &r->seen[record->topic][record->partition];
    char want[64];
    assert_true(seen->assigned);
    if (seen->next >= 0) assert_int_equal(record->offset, seen->next);
    int len = snprintf(want, sizeof want, "%d/%d/%lld", (int)record->topic, record->partition,
                       (long long)record->offset);
    assert_int_equal(record->value.len, len);
    assert_memory_equal(record->value.p, want, (size_t)len);
    assert_int_equal(record->key.len, 1);
    assert_int_equal(record->value_schema_id.len, 2);
    assert_true(record->timestamp_ms > 0);
    seen->next = record->offset + 1;
    seen->count++;
    r->total++;
    if (record->topic == BK_TOPIC_EVENTS && r->total <= r->facts_expected) r->events_before_facts++;
}

static int64_t on_assigned(void *arg, enum bk_topic topic, int32_t partition)
{
    struct seen *seen = &((struct reader *)arg)->seen[topic][partition];
    assert_false(seen->assigned);
    seen->assigned = true;
    seen->assignments++;
    if (seen->next < 0) seen->next = seen->start < 0 ? 0 : seen->start;
    return seen->next > 0 ? seen->next : seen->start;
}

static void on_revoked(void *arg, enum bk_topic topic, int32_t partition)
{
    struct seen *seen = &((struct reader *)arg)->seen[topic][partition];
    assert_true(seen->assigned);
    seen->assigned = false;
}

static void on_reached_end(void *arg, enum bk_topic topic, int32_t partition)
{
    struct seen *seen = &((struct reader *)arg)->seen[topic][partition];
    assert_true(seen->assigned);
    seen->ends++;
    seen->end_at = seen->count;
    assert_true(seen->ends <= seen->assignments);
}

/** As the pipeline does, but that the last record is known by a value of the test's. */
static bool on_is_passed(void *arg, const struct bk_record *record)
{
    struct reader *r = arg;
    const struct seen *seen = &r->seen[record->topic][record->partition];
    assert_true(seen->assigned);
    assert_int_equal(record->topic, BK_TOPIC_EVENTS);
    assert_int_equal(record->offset, seen->next - 1);
    r->proofs++;
    return !seen->was_another;
}

static void on_turn(uv_idle_t *idle)
{
    struct reader *r = idle->data;
    uv_idle_stop(idle);
    size_t took = bk_source_pull(r->source, r->budget);
    assert_true(took <= r->budget);
    if (took > r->pulled_max) r->pulled_max = took;
}

static void on_wake(void *arg)
{
    struct reader *r = arg;
    r->wakes++;
    if (!r->lazy) uv_idle_start(&r->turn, on_turn);
}

struct bk_source *try_source(struct reader *r, struct shop *shop, const char *group,
                             unsigned topics, const char *const *properties,
                             struct bk_reason *reason)
{
    struct bk_source_events events = {.arg = r,
                                      .record = on_record,
                                      .assigned = on_assigned,
                                      .revoked = on_revoked,
                                      .reached_end = on_reached_end,
                                      .wake = on_wake,
                                      .is_passed = r->proves ? on_is_passed : NULL};
    struct bk_kafka_options options = {
        .brokers = rd_kafka_mock_cluster_bootstraps(shop->cluster),
        .group_id = group,
        .properties = properties,
        .queued_kbytes_max = 4096,
    };
    for (int topic = 0; topic < BK_TOPIC_COUNT; topic++)
        options.topics[topic] = topics & (1u << topic) ? topic_names[topic] : NULL;
    return bk_source_kafka_create(r->loop, &options, &events, reason);
}

void init_reader(struct reader *r, uv_loop_t *loop)
{
    memset(r, 0, sizeof *r);
    r->loop = loop;
    r->budget = 1000;
    r->turn.data = r;
    uv_idle_init(loop, &r->turn);
    uv_timer_init(loop, &r->limit);
    for (int topic = 0; topic < BK_TOPIC_COUNT; topic++)
        for (int p = 0; p < PARTS_MAX; p++)
            r->seen[topic][p].start = r->seen[topic][p].next = BK_OFFSET_BEGINNING;
}

void open_scene(struct shop *shop, uv_loop_t *loop, struct reader *r, enum bk_topic topic,
                int partitions, int each)
{
    open_shop(shop, 1);
    open_topic(shop, topic, partitions);
    for (int p = 0; p < partitions; p++) sell(shop, topic, p, each);
    settle(shop); /* the producer's own first second is not what is measured */
    uv_loop_init(loop);
    init_reader(r, loop);
}

const char *const quick[] = {"session.timeout.ms", "6000", "fetch.wait.max.ms", "10", NULL};
const char *const cooperative[] = {
    "session.timeout.ms", "6000", "fetch.wait.max.ms", "10", "partition.assignment.strategy",
    "cooperative-sticky", NULL};
const char *const impatient[] = {
    "session.timeout.ms", "6000", "max.poll.interval.ms", "6000", "fetch.wait.max.ms", "10", NULL};

const char *const short_queue[] = {"queued.min.messages",
                                   "600",
                                   "fetch.wait.max.ms",
                                   "10",
                                   "fetch.message.max.bytes",
                                   "20000",
                                   NULL};

void open_reader(struct reader *r, struct shop *shop, const char *group, unsigned topics,
                 const char *const *properties)
{
    struct bk_reason reason = {""};
    r->source = try_source(r, shop, group, topics, properties, &reason);
    assert_string_equal(reason.text, "");
    assert_non_null(r->source);
}

static void on_limit(uv_timer_t *timer)
{
    *(bool *)timer->data = true;
}

/** Run the loop until `done(arg)` or for `ms`; returns whether it was done. */
bool run_until(struct reader *r, int ms, bool (*done)(const struct reader *r))
{
    r->timed_out = false;
    r->limit.data = &r->timed_out;
    uv_timer_start(&r->limit, on_limit, (uint64_t)ms, 0);
    while (!r->timed_out && !(done && done(r))) uv_run(r->loop, UV_RUN_ONCE);
    uv_timer_stop(&r->limit);
    return !r->timed_out;
}

static void on_closed(void *arg)
{
    ((struct reader *)arg)->closed = true;
}

static bool is_closed(const struct reader *r)
{
    return r->closed;
}

void close_reader(struct reader *r, int ms_max)
{
    uint64_t start = uv_hrtime();
    uv_idle_stop(&r->turn);
    r->source->ops->close(r->source, on_closed, r);
    r->source = NULL;
    assert_true(run_until(r, 12000, is_closed));
    int took = (int)((uv_hrtime() - start) / 1000000);
    if (took > ms_max) fail_msg("close took %d ms", took);
    uv_close((uv_handle_t *)&r->turn, NULL);
    uv_close((uv_handle_t *)&r->limit, NULL);
    for (int i = 0; i < 5; i++) uv_run(r->loop, UV_RUN_NOWAIT);
}

void close_all(struct shop *shop, uv_loop_t *loop, struct reader *r, int ms_max)
{
    close_reader(r, ms_max);
    assert_int_equal(uv_loop_close(loop), 0);
    close_shop(shop);
}

struct bk_source_status status_of(struct reader *r)
{
    struct bk_source_status status;
    r->source->ops->status(r->source, &status);
    return status;
}

int64_t goal; /* what the predicates wait for */

bool has_goal_total(const struct reader *r)
{
    return r->total >= goal;
}

bool has_goal_ends(const struct reader *r)
{
    int64_t ends = 0;
    for (int topic = 0; topic < BK_TOPIC_COUNT; topic++)
        for (int p = 0; p < PARTS_MAX; p++) ends += r->seen[topic][p].ends;
    return ends >= goal;
}

bool has_goal_assigned(const struct reader *r)
{
    int64_t assigned = 0;
    for (int p = 0; p < PARTS_MAX; p++) assigned += r->seen[BK_TOPIC_EVENTS][p].assigned;
    return assigned == goal;
}
