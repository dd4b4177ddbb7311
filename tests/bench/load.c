/* load.c -- the stream of shop.h into a topic: as a backlog, or at a rate.
 *
 *   bench_load BROKERS TOPIC COUNT [RATE]
 *
 * Without RATE, COUNT events as fast as they go. With it, RATE events a second, in slices of a
 * millisecond: a slice that is late is made up for, so the mean rate holds. Writes one line of JSON
 * when every event is acknowledged. The producer is the one `import` uses (idempotent, murmur2),
 * but waits 1 ms for a batch at a rate: its own delay is not to be measured.
 */
#include "shop.h"

#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { EVENT_BYTES_MAX = 8192, POLL_MS = 50 };

struct load {
    rd_kafka_t *producer;
    const char *topic;
    uint64_t bytes;
    uint64_t failed;
};

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *arg)
{
    struct load *load = arg;
    (void)rk;
    if (message->err) load->failed++;
}

static rd_kafka_t *make_producer(struct load *load, const char *brokers, bool at_rate)
{
    /* clang-format off */
    const char *const properties[] = {
        "bootstrap.servers", brokers,
        "enable.idempotence", "true", "partitioner", "murmur2_random",
        "compression.codec", "lz4", "linger.ms", at_rate ? "1" : "20",
        "queue.buffering.max.kbytes", "65536", "topic.metadata.propagation.max.ms", "5000",
        "log_level", "3", /* a young broker's "load in progress" is nobody's concern */
        NULL,
    };
    /* clang-format on */
    char text[200];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    for (const char *const *at = properties; *at; at += 2) {
        if (rd_kafka_conf_set(conf, at[0], at[1], text, sizeof text) == RD_KAFKA_CONF_OK) continue;
        fprintf(stderr, "load: %s\n", text);
        exit(1);
    }
    rd_kafka_conf_set_opaque(conf, load);
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_t *producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (!producer) fprintf(stderr, "load: %s\n", text), exit(1);
    return producer;
}

static void produce(struct load *load, bk_str_t key, const uint8_t *value, size_t len)
{
    for (;;) {
        rd_kafka_resp_err_t err =
            rd_kafka_producev(load->producer, RD_KAFKA_V_TOPIC(load->topic),
                              RD_KAFKA_V_KEY((void *)(uintptr_t)key.p, key.len),
                              RD_KAFKA_V_VALUE((void *)(uintptr_t)value, len),
                              RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
        if (!err) return;
        if (err != RD_KAFKA_RESP_ERR__QUEUE_FULL)
            fprintf(stderr, "load: %s\n", rd_kafka_err2str(err)), exit(1);
        rd_kafka_poll(load->producer, POLL_MS);
    }
}

static void produce_next(struct load *load, struct shop *shop)
{
    uint8_t value[EVENT_BYTES_MAX];
    bk_str_t key;
    const struct bk_event *event = shop_next(shop, &key);
    size_t len = bk_encode_event(event, value, sizeof value);
    BK_ASSERT(len);
    load->bytes += len;
    produce(load, key, value, len);
}

/* Until the next event is due. */
static void wait_for(struct load *load, int64_t due_us)
{
    static const struct timespec slice = {0, 500000};
    while (now_us() < due_us) {
        rd_kafka_poll(load->producer, 0);
        nanosleep(&slice, NULL);
    }
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: bench_load BROKERS TOPIC COUNT [RATE]\n");
        return 64;
    }
    uint64_t count = strtoull(argv[3], NULL, 10), rate = argc > 4 ? strtoull(argv[4], NULL, 10) : 0;
    struct load load = {.topic = argv[2]};
    struct shop_shape shape = shop_shape_default();
    struct shop *shop = shop_create(&shape);
    BK_ASSERT(shop);
    load.producer = make_producer(&load, argv[1], rate);
    int64_t start_us = now_us();
    for (uint64_t i = 0; i < count; i++) {
        if (rate) wait_for(&load, start_us + (int64_t)(i * 1000000 / rate));
        if (i % 256 == 0) rd_kafka_poll(load.producer, 0);
        produce_next(&load, shop);
    }
    while (rd_kafka_outq_len(load.producer) > 0) rd_kafka_poll(load.producer, POLL_MS);
    double seconds = (double)(now_us() - start_us) / 1e6;
    printf("{\"events\": %llu, \"failed\": %llu, \"seconds\": %.3f, \"bytes_per_event\": %.1f}\n",
           (unsigned long long)count, (unsigned long long)load.failed, seconds,
           (double)load.bytes / (double)count);
    rd_kafka_destroy(load.producer);
    shop_destroy(&shop);
    return load.failed ? 1 : 0;
}
