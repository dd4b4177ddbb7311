/* write.c -- where imported records go: Kafka, or a log file that replays like it.
 *
 * KAFKA
 *   An idempotent producer with a bounded queue: when it is full, write() serves delivery reports
 * until there is room; close() waits until every record is acknowledged. Records are partitioned by
 * murmur2 of their key like the Java client's, so that a shopper's imported events meet the shop's
 * own. One delivery failure ends the import: importing again is safe, for the event ids are the
 * same and the engine counts each once.
 */
#include "basketry/import.h"

#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>

#include "basketry/log.h"

/* ---- a log file ---- */

struct file_writer {
    struct bk_import_writer head;
    struct bk_log_writer *log;
    char *path;
};

static int file_write(struct bk_import_writer *writer, enum bk_topic topic,
                      bk_wall_ms_t timestamp_ms, bk_str_t key, bk_str_t value,
                      struct bk_reason *reason)
{
    struct file_writer *file = (struct file_writer *)writer;
    int32_t partition = topic == BK_TOPIC_EVENTS ? -1 : 0;
    int code = bk_log_writer_append(file->log, topic, partition, timestamp_ms, key, value);
    return code ? bk_reason_set(reason, code, "%s: %s", file->path, bk_error_text(code)) : BK_OK;
}

/* A log is read from its beginning or not at all: there is nothing to wait for before its end. */
static int file_sync(struct bk_import_writer *writer, struct bk_reason *reason)
{
    (void)writer;
    (void)reason;
    return BK_OK;
}

static int file_close(struct bk_import_writer *writer, struct bk_reason *reason)
{
    struct file_writer *file = (struct file_writer *)writer;
    int code = file->log ? bk_log_writer_close(&file->log) : BK_OK;
    if (code) bk_reason_set(reason, code, "%s: %s", file->path, bk_error_text(code));
    free(file->path);
    free(file);
    return code;
}

struct bk_import_writer *bk_import_writer_file(const char *path, int32_t partitions,
                                               struct bk_reason *reason)
{
    static const struct bk_import_writer_ops ops = {file_write, file_sync, file_close};
    struct file_writer *file = calloc(1, sizeof *file);
    if (!file || !(file->path = strdup(path))) {
        bk_reason_set(reason, BK_ENOMEM, "%s: out of memory", path);
        free(file);
        return NULL;
    }
    file->head.ops = &ops;
    file->log = bk_log_writer_create(path, partitions, reason);
    if (file->log) return &file->head;
    struct bk_reason ignored;
    (void)file_close(&file->head, &ignored);
    return NULL;
}

/* ---- Kafka ---- */

enum { POLL_MS = 100 };

struct kafka_writer {
    struct bk_import_writer head;
    rd_kafka_t *producer;
    const char *topic[BK_TOPIC_COUNT]; /* the configuration's */
    uint64_t acknowledged;
    uint64_t failed;
    char error[160]; /* the first failure */
};

static void note_failure(struct kafka_writer *kafka, const char *text)
{
    if (kafka->failed++ == 0) snprintf(kafka->error, sizeof kafka->error, "%s", text);
}

static void on_delivery(rd_kafka_t *producer, const rd_kafka_message_t *message, void *arg)
{
    struct kafka_writer *kafka = arg;
    (void)producer;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
        kafka->acknowledged++;
    else
        note_failure(kafka, rd_kafka_err2str(message->err));
}

static int failure(const struct kafka_writer *kafka, struct bk_reason *reason)
{
    return bk_reason_set(reason, BK_EUNAVAILABLE,
                         "%llu records were not delivered: %s (importing again is safe)",
                         (unsigned long long)kafka->failed, kafka->error);
}

/* librdkafka's own lines in our form; it calls from its threads. */
static void on_log(const rd_kafka_t *producer, int level, const char *facility, const char *text)
{
    (void)producer;
    enum { SYSLOG_ERR = 3, SYSLOG_WARNING = 4, SYSLOG_INFO = 6 };
    enum bk_log_level ours = level <= SYSLOG_ERR       ? BK_LOG_ERROR
                             : level <= SYSLOG_WARNING ? BK_LOG_WARN
                             : level <= SYSLOG_INFO    ? BK_LOG_INFO
                                                       : BK_LOG_DEBUG;
    bk_log_at(ours, "kafka", "client_log facility=%s text=\"%s\"", facility, text);
}

static rd_kafka_resp_err_t produce(struct kafka_writer *kafka, const char *topic, bk_str_t key,
                                   bk_str_t value)
{
    return rd_kafka_producev(kafka->producer, RD_KAFKA_V_TOPIC(topic),
                             RD_KAFKA_V_KEY((void *)(uintptr_t)key.p, key.len),
                             RD_KAFKA_V_VALUE((void *)(uintptr_t)value.p, value.len),
                             RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
}

static int kafka_write(struct bk_import_writer *writer, enum bk_topic topic,
                       bk_wall_ms_t timestamp_ms, bk_str_t key, bk_str_t value,
                       struct bk_reason *reason)
{
    struct kafka_writer *kafka = (struct kafka_writer *)writer;
    rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR__QUEUE_FULL;
    (void)timestamp_ms;
    rd_kafka_poll(kafka->producer, 0);
    while (!kafka->failed && err == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
        err = produce(kafka, kafka->topic[topic], key, value);
        if (err == RD_KAFKA_RESP_ERR__QUEUE_FULL) rd_kafka_poll(kafka->producer, POLL_MS);
    }
    if (!kafka->failed && err) note_failure(kafka, rd_kafka_err2str(err));
    return kafka->failed ? failure(kafka, reason) : BK_OK;
}

/* Wait while acknowledgements keep coming; the library's own message.timeout.ms ends what does not.
 */
static void wait_for_all(struct kafka_writer *kafka)
{
    while (rd_kafka_outq_len(kafka->producer) > 0 && !kafka->failed)
        rd_kafka_poll(kafka->producer, POLL_MS);
}

static int kafka_sync(struct bk_import_writer *writer, struct bk_reason *reason)
{
    struct kafka_writer *kafka = (struct kafka_writer *)writer;
    wait_for_all(kafka);
    return kafka->failed ? failure(kafka, reason) : BK_OK;
}

static int kafka_close(struct bk_import_writer *writer, struct bk_reason *reason)
{
    struct kafka_writer *kafka = (struct kafka_writer *)writer;
    int code = kafka_sync(writer, reason);
    if (code) { /* what was not delivered by now shall not hold up the end */
        rd_kafka_purge(kafka->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        rd_kafka_flush(kafka->producer, POLL_MS);
    }
    rd_kafka_destroy(kafka->producer);
    free(kafka);
    return code;
}

static bool set(rd_kafka_conf_t *conf, const char *name, const char *value,
                struct bk_reason *reason)
{
    char text[160];
    if (rd_kafka_conf_set(conf, name, value, text, sizeof text) == RD_KAFKA_CONF_OK) return true;
    bk_reason_set(reason, BK_EINVAL, "[kafka.producer] %s=%s: %s", name, value, text);
    return false;
}

/* The shop's own properties may change the pace, not what is promised: those come last. */
static bool configure(rd_kafka_conf_t *conf, const struct bk_config *cfg, struct bk_reason *reason)
{
    /* clang-format off */
    static const char *const defaults[] = {
        "client.id", "basketry-import",
        "queue.buffering.max.kbytes", "32768",
        "linger.ms", "20",
        "compression.codec", "lz4",
        /* a topic that is not there is an error after seconds, not after half a minute */
        "topic.metadata.propagation.max.ms", "5000",
        NULL,
    };
    /* clang-format on */
    static const char *const promised[] = {
        "enable.idempotence", "true", "partitioner", "murmur2_random", NULL,
    };
    const char *const *lists[] = {defaults, cfg->producer_properties, promised};
    for (size_t i = 0; i < BK_COUNTOF(lists); i++)
        for (const char *const *at = lists[i]; *at; at += 2)
            if (!set(conf, at[0], at[1], reason)) return false;
    return set(conf, "bootstrap.servers", cfg->kafka_brokers, reason);
}

struct bk_import_writer *bk_import_writer_kafka(const struct bk_config *cfg,
                                                struct bk_reason *reason)
{
    static const struct bk_import_writer_ops ops = {kafka_write, kafka_sync, kafka_close};
    char text[160];
    struct kafka_writer *kafka = calloc(1, sizeof *kafka);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (!kafka || !configure(conf, cfg, reason)) goto fail;
    kafka->head.ops = &ops;
    kafka->topic[BK_TOPIC_EVENTS] = cfg->kafka_topic_events;
    kafka->topic[BK_TOPIC_PRODUCTS] = cfg->kafka_topic_products;
    kafka->topic[BK_TOPIC_STOCK] = cfg->kafka_topic_stock;
    kafka->topic[BK_TOPIC_CUSTOMERS] = cfg->kafka_topic_customers;
    rd_kafka_conf_set_opaque(conf, kafka);
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_conf_set_log_cb(conf, on_log);
    kafka->producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (kafka->producer) return &kafka->head; /* which owns conf now */
    bk_reason_set(reason, BK_EINVAL, "Kafka producer: %s", text);
fail:
    if (!kafka) bk_reason_set(reason, BK_ENOMEM, "Kafka producer: out of memory");
    rd_kafka_conf_destroy(conf);
    free(kafka);
    return NULL;
}
