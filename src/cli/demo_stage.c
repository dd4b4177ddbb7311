/* demo_stage.c -- see demo_stage.h. */
#include "demo_stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { SINK_CLOSE_MS = 500, OUTBOX_CLOSE_MS = 200, QUIET_LOOKS = 25 };

bk_wall_ms_t bk__demo_wall_ms(void)
{
    uv_timeval64_t now;
    uv_gettimeofday(&now);
    return now.tv_sec * 1000 + now.tv_usec / 1000;
}

/* ---- start ---- */

int bk__demo_stage_prepare(struct demo_stage *stage, struct bk_reason *reason)
{
    stage->redis = bk_demo_redis_create(reason);
    return stage->redis ? BK_OK : BK_EUNAVAILABLE;
}

/* Whatever the environment says of brokers and servers: the demo touches none but its own. */
static int set_own_settings(struct demo_stage *stage, struct bk_reason *reason)
{
    static const char *const settings[] = {
        "kafka.topic_events=shop.events",
        "kafka.topic_products=shop.products",
        "kafka.topic_stock=shop.stock",
        "kafka.topic_customers=shop.customers",
        "kafka.topic_dlq=basketry.dlq",
        "redis.key_prefix=bk:v1",
        "redis.password_file=",
        "lists.updates_channel=true",
        "lists.item_interval=200ms",
        "state.bytes_max=512m",
        "state.shards_max=16",
        "state.dedup_events=65536",
        "checkpoint.dir=",
    };
    char url[200];
    int code = BK_OK;
    for (size_t i = 0; i < BK_COUNTOF(settings) && !code; i++)
        code = bk_config_set(stage->cfg, settings[i], reason);
    snprintf(url, sizeof url, "redis.url=%s", bk_demo_redis_url(stage->redis));
    return code ? code : bk_config_set(stage->cfg, url, reason);
}

static int make_broker(struct demo_stage *stage, struct bk_reason *reason)
{
    const struct bk_config *cfg = stage->cfg;
    const char *const topics[BK_TOPIC_COUNT] = {[BK_TOPIC_EVENTS] = cfg->kafka_topic_events,
                                                [BK_TOPIC_PRODUCTS] = cfg->kafka_topic_products,
                                                [BK_TOPIC_STOCK] = cfg->kafka_topic_stock,
                                                [BK_TOPIC_CUSTOMERS] = cfg->kafka_topic_customers};
    stage->broker = bk_demo_broker_create(topics, cfg->kafka_topic_dlq, DEMO_PARTITIONS, reason);
    if (!stage->broker) return BK_EUNAVAILABLE;
    snprintf(stage->cfg->kafka_brokers, sizeof stage->cfg->kafka_brokers, "%s",
             bk_demo_broker_address(stage->broker));
    return BK_OK;
}

int bk__demo_stage_open(struct demo_stage *stage, uv_loop_t *loop, struct bk_config *cfg,
                        struct bk_reason *reason)
{
    stage->loop = loop;
    stage->cfg = cfg;
    uv_idle_init(loop, &stage->idle);
    stage->idle.data = stage;
    stage->note = malloc(DEMO_PARTITIONS * DEMO_NOTES * sizeof *stage->note);
    if (!stage->note) return bk_reason_set(reason, BK_ENOMEM, "no memory");
    for (size_t i = 0; i < DEMO_PARTITIONS * DEMO_NOTES; i++) stage->note[i].offset = -1;
    int code = set_own_settings(stage, reason);
    if (!code) code = make_broker(stage, reason);
    if (code) return code;
    stage->pl = bk_pipeline_create(cfg, reason);
    return stage->pl ? BK_OK : BK_EINVAL;
}

/* ---- records ---- */

int bk__demo_stage_put(struct demo_stage *stage, enum bk_topic topic, bk_str_t key, bk_str_t value)
{
    int code = bk_demo_broker_put(stage->broker, topic, key, value);
    if (!code && topic == BK_TOPIC_EVENTS) stage->put++;
    return code;
}

size_t bk__demo_stage_waiting(struct demo_stage *stage)
{
    return bk_demo_broker_turn(stage->broker);
}

static struct demo_note *note_of(const struct demo_stage *stage, int32_t partition, int64_t offset)
{
    return &stage->note[partition * DEMO_NOTES + offset % DEMO_NOTES];
}

static void on_record(void *arg, const struct bk_record *record)
{
    struct demo_stage *stage = arg;
    if (record->topic == BK_TOPIC_EVENTS) {
        *note_of(stage, record->partition, record->offset) =
            (struct demo_note){record->offset, record->timestamp_ms};
        stage->read++;
    }
    stage->inner.record(stage->inner.arg, record);
}

static int64_t on_assigned(void *arg, enum bk_topic topic, int32_t partition)
{
    struct demo_stage *stage = arg;
    return stage->inner.assigned(stage->inner.arg, topic, partition);
}

static void on_revoked(void *arg, enum bk_topic topic, int32_t partition)
{
    struct demo_stage *stage = arg;
    stage->inner.revoked(stage->inner.arg, topic, partition);
}

static void on_reached_end(void *arg, enum bk_topic topic, int32_t partition)
{
    struct demo_stage *stage = arg;
    stage->inner.reached_end(stage->inner.arg, topic, partition);
}

int64_t bk__demo_stage_logged_ms(const struct demo_stage *stage, int32_t partition, int64_t offset)
{
    if (partition < 0 || partition >= DEMO_PARTITIONS || offset < 0) return -1;
    const struct demo_note *note = note_of(stage, partition, offset);
    return note->offset == offset ? note->logged_ms : -1;
}

/* ---- turns ---- */

static void on_idle(uv_idle_t *idle)
{
    bk__demo_stage_turn(idle->data);
}

static void ask_for_turn(void *arg)
{
    struct demo_stage *stage = arg;
    if (!stage->closing) uv_idle_start(&stage->idle, on_idle);
}

void bk__demo_stage_turn(struct demo_stage *stage)
{
    if (!stage->reading || stage->closing) return;
    bool more = bk_pipeline_turn(stage->pl, (bk_mono_ms_t){(int64_t)(uv_hrtime() / 1000000)},
                                 bk__demo_wall_ms());
    if (more)
        uv_idle_start(&stage->idle, on_idle);
    else
        uv_idle_stop(&stage->idle);
}

/* ---- source, sink, outbox ---- */

static struct bk_source *make_source(struct demo_stage *stage, struct bk_reason *reason)
{
    /* The mock broker lets an empty fetch wait to its end, also when a record comes meanwhile. */
    static const char *const properties[] = {"fetch.wait.max.ms", "5", NULL};
    struct bk_kafka_options options = bk_kafka_options_from_config(stage->cfg);
    options.group_id = NULL; /* every partition, at once */
    options.properties = properties;
    stage->inner = bk_pipeline_source_events(stage->pl, ask_for_turn, stage);
    struct bk_source_events events = {.arg = stage,
                                      .record = on_record,
                                      .assigned = on_assigned,
                                      .revoked = on_revoked,
                                      .reached_end = on_reached_end,
                                      .wake = ask_for_turn};
    return bk_source_kafka_create(stage->loop, &options, &events, reason);
}

static struct bk_sink *make_sink(struct demo_stage *stage, struct bk_reason *reason)
{
    const struct bk_config *cfg = stage->cfg;
    struct bk_redis_options options = {
        .url = cfg->redis_url,
        .inflight_max = (uint32_t)cfg->redis_inflight_max,
        .inflight_bytes_max = (uint32_t)cfg->redis_inflight_bytes_max,
        .connect_timeout_ms = (uint32_t)cfg->redis_connect_timeout,
        .stall_timeout_ms = (uint32_t)cfg->redis_stall_timeout,
        .backoff_max_ms = (uint32_t)cfg->redis_backoff_max,
    };
    struct bk_sink_events events = bk_pipeline_sink_events(stage->pl, bk__demo_wall_ms);
    return bk_sink_redis_create(stage->loop, &options, &events, reason);
}

/* Merges at log-in go through the log here as anywhere. */
static int attach_outbox(struct demo_stage *stage, struct bk_reason *reason)
{
    static const char *const properties[] = {"linger.ms", "0", NULL};
    struct bk_kafka_outbox_options options = {
        .brokers = stage->cfg->kafka_brokers,
        .properties = properties,
        .records_max = (uint32_t)stage->cfg->kafka_outbox_records_max,
        .bytes_max = (uint64_t)stage->cfg->kafka_outbox_bytes_max,
    };
    struct bk_outbox_events events = bk_pipeline_outbox_events(stage->pl);
    struct bk_outbox *outbox = bk_outbox_kafka_create(stage->loop, &options, &events, reason);
    if (!outbox) return BK_EINVAL;
    return bk_pipeline_attach_outbox(stage->pl, outbox);
}

int bk__demo_stage_read(struct demo_stage *stage, struct bk_reason *reason)
{
    struct bk_sink *sink = make_sink(stage, reason);
    struct bk_source *source = sink ? make_source(stage, reason) : NULL;
    if (!source) return BK_EUNAVAILABLE;
    int code = bk_pipeline_attach(stage->pl, source, sink);
    if (!code) code = attach_outbox(stage, reason);
    stage->reading = !code;
    return code;
}

/* ---- numbers ---- */

/* Not bk_pipeline_is_idle: the lists for everybody are made every ten seconds, whoever waits. The rest
 * has to be quiet for a while, for the refresher works in slices. */
bool bk__demo_stage_is_level(struct demo_stage *stage)
{
    struct bk_sink_status sink;
    bk_pipeline_sink(stage->pl)->ops->status(bk_pipeline_sink(stage->pl), &sink);
    bool quiet = bk_pipeline_has_ended(stage->pl) && !sink.inflight &&
                 !bk_publisher_waiting(bk_pipeline_publisher(stage->pl)) &&
                 !bk_pipeline_metrics(stage->pl)->v[BK_METRIC_ITEMS_DIRTY];
    stage->quiet = quiet ? stage->quiet + 1 : 0;
    return stage->quiet >= QUIET_LOOKS;
}

static uint64_t lists_of(const struct bk_metrics *metrics)
{
    uint64_t sum =
        metrics->v[BK_METRIC_ITEM_LISTS_PUBLISHED] + metrics->v[BK_METRIC_SHARED_LISTS_PUBLISHED];
    for (int i = 0; i < BK_CONTEXT_COUNT; i++) sum += metrics->v[BK_METRIC_LISTS_PUBLISHED + i];
    return sum;
}

void bk__demo_stage_go_live(struct demo_stage *stage)
{
    const struct bk_metrics *metrics = bk_pipeline_metrics(stage->pl);
    stage->ages_before = metrics->histogram[BK_HISTOGRAM_EVENT_TO_PUBLISH];
    stage->events_before = stage->read;
    stage->lists_before = lists_of(metrics);
}

/* Ages of what came since it is live. */
static void count_ages(struct demo_stage *stage, const struct bk_histogram *now)
{
    const struct bk_histogram *before = &stage->ages_before;
    stage->ages = *now;
    stage->ages.count -= before->count;
    stage->ages.sum_us -= before->sum_us;
    for (int i = 0; i < BK_HISTOGRAM_BUCKETS; i++) stage->ages.bucket[i] -= before->bucket[i];
}

static uint64_t resident_bytes(void)
{
    size_t bytes = 0;
    return uv_resident_set_memory(&bytes) == 0 ? bytes : 0;
}

void bk__demo_stage_numbers(struct demo_stage *stage, struct bk_demo_model *model)
{
    const struct bk_metrics *metrics = bk_pipeline_metrics(stage->pl);
    count_ages(stage, &metrics->histogram[BK_HISTOGRAM_EVENT_TO_PUBLISH]);
    model->events = stage->read - stage->events_before;
    model->lists = lists_of(metrics) - stage->lists_before;
    bool any = stage->ages.count > 0;
    model->age_p50_us = any ? (int64_t)bk_histogram_quantile_us(&stage->ages, 0.5) : -1;
    model->age_p99_us = any ? (int64_t)bk_histogram_quantile_us(&stage->ages, 0.99) : -1;
    model->memory_bytes = resident_bytes();
}

/* ---- the end ---- */

static void on_closed(void *arg)
{
    struct demo_stage *stage = arg;
    if (--stage->open) return;
    uv_close((uv_handle_t *)&stage->idle, NULL);
    stage->closed(stage->closed_arg);
}

void bk__demo_stage_close(struct demo_stage *stage, void (*closed)(void *arg), void *arg)
{
    stage->closing = true;
    stage->closed = closed;
    stage->closed_arg = arg;
    uv_idle_stop(&stage->idle);
    if (!stage->reading) {
        stage->open = 1;
        on_closed(stage);
        return;
    }
    struct bk_outbox *outbox = bk_pipeline_outbox(stage->pl);
    struct bk_source *source = bk_pipeline_source(stage->pl);
    struct bk_sink *sink = bk_pipeline_sink(stage->pl);
    bk_pipeline_close_intake(stage->pl);
    stage->open = 3;
    outbox->ops->close(outbox, OUTBOX_CLOSE_MS, on_closed, stage);
    sink->ops->close(sink, SINK_CLOSE_MS, on_closed, stage);
    source->ops->close(source, on_closed, stage);
}

void bk__demo_stage_destroy(struct demo_stage *stage)
{
    if (stage->pl) bk_pipeline_destroy(&stage->pl);
    bk_demo_broker_destroy(&stage->broker);
    bk_demo_redis_destroy(&stage->redis);
    free(stage->note);
    stage->note = NULL;
}
