/* dlq_read.c -- reading the dead-letter topic from its beginning to the end it has now.
 *
 * A consumer of its own, assigned to every partition and member of no group: nothing is committed,
 * and nobody else's reading is disturbed. Ends are what the client says they are when it meets them.
 */
#include "dlq_read.h"

#include <stdlib.h>

enum { ASK_MS = 10000, POLL_MS = 100, SILENCE_MS_MAX = 15000 };

static int set(rd_kafka_conf_t *conf, const char *name, const char *value, struct bk_reason *reason)
{
    char text[160];
    if (rd_kafka_conf_set(conf, name, value, text, sizeof text) == RD_KAFKA_CONF_OK) return BK_OK;
    return bk_reason_set(reason, BK_EINVAL, "[kafka.consumer] %s=%s: %s", name, value, text);
}

static int configure(rd_kafka_conf_t *conf, const struct bk_config *cfg, struct bk_reason *reason)
{
    /* clang-format off */
    static const char *const own[] = {
        "group.id", "basketry-dlq", /* the client wants one; it joins none */
        "enable.auto.commit", "false",
        "enable.partition.eof", "true",
        "auto.offset.reset", "earliest",
        "log_level", "0", /* what goes wrong is said once, by us */
        NULL,
    };
    /* clang-format on */
    const char *const *lists[] = {cfg->consumer_properties, own};
    int err = BK_OK;
    for (size_t i = 0; i < BK_COUNTOF(lists); i++)
        for (const char *const *at = lists[i]; !err && *at; at += 2)
            if (strcmp(at[0], "group.instance.id") != 0) err = set(conf, at[0], at[1], reason);
    return err ? err : set(conf, "bootstrap.servers", cfg->kafka_brokers, reason);
}

static int open_reader(const struct bk_config *cfg, rd_kafka_t **reader, struct bk_reason *reason)
{
    char text[160];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    int err = configure(conf, cfg, reason);
    if (!err) *reader = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
    if (!err && *reader) return BK_OK;
    rd_kafka_conf_destroy(conf);
    return err ? err : bk_reason_set(reason, BK_EINVAL, "Kafka consumer: %s", text);
}

/* How many partitions the topic has. */
static int ask_partitions(rd_kafka_t *reader, const char *name, int *count,
                          struct bk_reason *reason)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(reader, name, NULL);
    rd_kafka_resp_err_t err = rd_kafka_metadata(reader, 0, topic, &metadata, ASK_MS);
    rd_kafka_topic_destroy(topic);
    if (err) return bk_reason_set(reason, BK_EUNAVAILABLE, "%s: %s", name, rd_kafka_err2str(err));
    err = metadata->topic_cnt == 1 ? metadata->topics[0].err : RD_KAFKA_RESP_ERR_UNKNOWN;
    *count = err ? 0 : metadata->topics[0].partition_cnt;
    rd_kafka_metadata_destroy(metadata);
    if (err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
        return bk_reason_set(reason, BK_ENOENT, "there is no topic %s (kafka.topic_dlq)", name);
    return err ? bk_reason_set(reason, BK_EUNAVAILABLE, "%s: %s", name, rd_kafka_err2str(err))
               : BK_OK;
}

/* ---- one letter ---- */

bk_str_t bk__dlq_header(const struct dlq_letter *letter, const char *name)
{
    const void *value;
    size_t len;
    if (!letter->headers || rd_kafka_header_get_last(letter->headers, name, &value, &len))
        return (bk_str_t){NULL, 0};
    return bk_str(value ? value : "", len);
}

static int64_t number_of(bk_str_t text)
{
    char copy[24] = "";
    if (!text.p || !text.len || text.len >= sizeof copy) return -1;
    memcpy(copy, text.p, text.len);
    return strtoll(copy, NULL, 10);
}

static struct dlq_letter letter_of(const rd_kafka_message_t *message)
{
    rd_kafka_timestamp_type_t type;
    struct dlq_letter letter = {
        .partition = message->partition,
        .offset = message->offset,
        .written_ms = rd_kafka_message_timestamp(message, &type),
        .key = bk_str(message->key, message->key_len),
        .value = bk_str(message->payload, message->len),
    };
    if (rd_kafka_message_headers(message, &letter.headers)) letter.headers = NULL;
    letter.topic = bk__dlq_header(&letter, BK_LETTER_TOPIC);
    letter.from_partition = number_of(bk__dlq_header(&letter, BK_LETTER_PARTITION));
    letter.from_offset = number_of(bk__dlq_header(&letter, BK_LETTER_OFFSET));
    letter.reason = bk__dlq_header(&letter, BK_LETTER_REASON);
    letter.field = bk__dlq_header(&letter, BK_LETTER_FIELD);
    letter.message = bk__dlq_header(&letter, BK_LETTER_MESSAGE);
    letter.cut =
        bk__dlq_header(&letter, BK_HEADER_CUT).p || bk__dlq_header(&letter, BK_LETTER_LEFT_OUT).p;
    return letter;
}

/* ---- the walk ---- */

static int walk(rd_kafka_t *reader, int partitions,
                int (*on_letter)(void *arg, const struct dlq_letter *letter), void *arg,
                struct bk_reason *reason)
{
    int ended = 0, silent_ms = 0, code = BK_OK;
    while (ended < partitions && code == BK_OK) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(reader, POLL_MS);
        silent_ms = message ? 0 : silent_ms + POLL_MS;
        if (message && !message->err) {
            struct dlq_letter letter = letter_of(message);
            code = on_letter(arg, &letter);
        }
        ended += message && message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
        if (message) rd_kafka_message_destroy(message);
        if (silent_ms >= SILENCE_MS_MAX)
            code = bk_reason_set(reason, BK_EUNAVAILABLE, "the brokers fell silent");
    }
    return code;
}

int bk__dlq_read(const struct bk_config *cfg,
                 int (*on_letter)(void *arg, const struct dlq_letter *letter), void *arg,
                 struct bk_reason *reason)
{
    rd_kafka_t *reader = NULL;
    int partitions = 0, code = open_reader(cfg, &reader, reason);
    if (code) return code;
    code = ask_partitions(reader, cfg->kafka_topic_dlq, &partitions, reason);
    if (!code) {
        rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(partitions);
        for (int32_t p = 0; p < partitions; p++)
            rd_kafka_topic_partition_list_add(list, cfg->kafka_topic_dlq, p)->offset =
                RD_KAFKA_OFFSET_BEGINNING;
        rd_kafka_assign(reader, list);
        rd_kafka_topic_partition_list_destroy(list);
        code = walk(reader, partitions, on_letter, arg, reason);
    }
    rd_kafka_consumer_close(reader);
    rd_kafka_destroy(reader);
    return code;
}
