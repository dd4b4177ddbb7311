/* broker.c -- librdkafka's mock cluster, and a producer to it.
 *
 * The cluster lives inside the producer's client (test.mock.num.brokers), speaks Kafka's protocol on
 * a loopback port, and keeps the last 5 MiB of a partition. Time stamps are the producer's, taken
 * when a record is put. The log of the client is of no use to who watches a demo.
 */
#include "basketry/demo_io.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdlib.h>

enum { NAME_MAX_BYTES = 64, PURGE_MS = 200 };

struct bk_demo_broker {
    rd_kafka_t *client;
    rd_kafka_mock_cluster_t *cluster;
    char topic[BK_TOPIC_COUNT][NAME_MAX_BYTES];
    int32_t partitions;
};

static rd_kafka_t *make_client(struct bk_reason *reason)
{
    static const char *const properties[][2] = {{"test.mock.num.brokers", "1"},
                                                {"linger.ms", "0"},
                                                {"log_level", "0"},
                                                {"socket.nagle.disable", "true"},
                                                {"queue.buffering.max.messages", "100000"}};
    char text[200];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    for (size_t i = 0; i < BK_COUNTOF(properties); i++)
        rd_kafka_conf_set(conf, properties[i][0], properties[i][1], text, sizeof text);
    rd_kafka_conf_set_log_cb(conf, NULL);
    rd_kafka_t *client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (client) return client;
    rd_kafka_conf_destroy(conf);
    bk_reason_set(reason, BK_EUNAVAILABLE, "the broker inside the process: %s", text);
    return NULL;
}

static int make_topic(struct bk_demo_broker *broker, const char *name, int32_t partitions,
                      struct bk_reason *reason)
{
    rd_kafka_resp_err_t err = rd_kafka_mock_topic_create(broker->cluster, name, partitions, 1);
    if (!err) return BK_OK;
    return bk_reason_set(reason, BK_EUNAVAILABLE, "the broker inside the process: %s: %s", name,
                         rd_kafka_err2str(err));
}

static int make_topics(struct bk_demo_broker *broker, const char *const topics[BK_TOPIC_COUNT],
                       const char *letters, struct bk_reason *reason)
{
    int code = make_topic(broker, letters, 1, reason);
    for (int i = 0; i < BK_TOPIC_COUNT && !code; i++) {
        if (!topics[i]) continue;
        bk_demo_copy(broker->topic[i], NAME_MAX_BYTES, bk_str_c(topics[i]));
        code = make_topic(broker, broker->topic[i], i == BK_TOPIC_EVENTS ? broker->partitions : 1,
                          reason);
    }
    return code;
}

struct bk_demo_broker *bk_demo_broker_create(const char *const topics[BK_TOPIC_COUNT],
                                             const char *letters, int32_t partitions,
                                             struct bk_reason *reason)
{
    struct bk_demo_broker *broker = calloc(1, sizeof *broker);
    if (!broker) {
        bk_reason_set(reason, BK_ENOMEM, "no memory for a broker");
        return NULL;
    }
    broker->partitions = partitions;
    broker->client = make_client(reason);
    if (broker->client) broker->cluster = rd_kafka_handle_mock_cluster(broker->client);
    if (!broker->cluster || make_topics(broker, topics, letters, reason) != BK_OK)
        bk_demo_broker_destroy(&broker);
    return broker;
}

const char *bk_demo_broker_address(const struct bk_demo_broker *broker)
{
    return rd_kafka_mock_cluster_bootstraps(broker->cluster);
}

int bk_demo_broker_put(struct bk_demo_broker *broker, enum bk_topic topic, bk_str_t key,
                       bk_str_t value)
{
    int32_t partition = topic == BK_TOPIC_EVENTS ? bk_partition_of(key, broker->partitions) : 0;
    rd_kafka_resp_err_t err = rd_kafka_producev(
        broker->client, RD_KAFKA_V_TOPIC(broker->topic[topic]), RD_KAFKA_V_PARTITION(partition),
        RD_KAFKA_V_KEY(key.p, key.len), RD_KAFKA_V_VALUE((void *)(uintptr_t)value.p, value.len),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
    if (!err) return BK_OK;
    return err == RD_KAFKA_RESP_ERR__QUEUE_FULL ? BK_EAGAIN : BK_EIO;
}

size_t bk_demo_broker_turn(struct bk_demo_broker *broker)
{
    rd_kafka_poll(broker->client, 0);
    return (size_t)rd_kafka_outq_len(broker->client);
}

void bk_demo_broker_destroy(struct bk_demo_broker **broker)
{
    if (!*broker) return;
    if ((*broker)->client) {
        rd_kafka_purge((*broker)->client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        rd_kafka_flush((*broker)->client, PURGE_MS);
        rd_kafka_destroy((*broker)->client);
    }
    free(*broker);
    *broker = NULL;
}
