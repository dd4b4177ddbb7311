/* dlq_read.c -- reading a topic from its beginning to the ends it had when the reading began.
 *
 * A consumer of its own, assigned to every partition and member of no group: nothing is committed,
 * and nobody else's reading is disturbed. The ends are asked for first: what is written meanwhile,
 * such as letters about records that `retry` sent back, is the next reading's.
 */
#include "dlq_read.h"

#include <stdlib.h>
#include <time.h>

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
        return bk_reason_set(reason, BK_ENOENT, "there is no topic %s", name);
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

struct walk {
    rd_kafka_t *reader;
    const char *topic;
    int partitions, left; /* all of them; not read to their ends */
    int64_t *end;         /* by partition: the offset to stop at; -1: there */
    int64_t moved_ms;     /* when something was handed out or ended last */
    rd_kafka_resp_err_t last_error;
};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void end_partition(struct walk *walk, int32_t partition)
{
    if (walk->end[partition] < 0) return;
    walk->end[partition] = -1;
    walk->left--;
}

/* Where the partitions end now, and all of them assigned from their beginnings. */
static int begin(struct walk *walk, struct bk_reason *reason)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(walk->partitions);
    for (int32_t p = 0; p < walk->partitions; p++)
        rd_kafka_topic_partition_list_add(list, walk->topic, p)->offset = RD_KAFKA_OFFSET_END;
    rd_kafka_resp_err_t err = rd_kafka_offsets_for_times(walk->reader, list, ASK_MS);
    walk->left = walk->partitions;
    for (int32_t p = 0; p < walk->partitions && !err; p++) {
        err = list->elems[p].err;
        walk->end[p] = list->elems[p].offset;
        list->elems[p].offset = RD_KAFKA_OFFSET_BEGINNING;
        if (walk->end[p] == 0) end_partition(walk, p);
    }
    if (!err) err = rd_kafka_assign(walk->reader, list);
    rd_kafka_topic_partition_list_destroy(list);
    walk->moved_ms = now_ms();
    return err ? bk_reason_set(reason, BK_EUNAVAILABLE, "%s: %s", walk->topic,
                               rd_kafka_err2str(err))
               : BK_OK;
}

/* The last offsets of a log may be no records: then its end is told. */
static int take(struct walk *walk, const rd_kafka_message_t *message,
                int (*on_letter)(void *arg, const struct dlq_letter *letter), void *arg)
{
    bool ends = message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
    int code = BK_OK;
    if (message->err && !ends) {
        walk->last_error = message->err;
        return BK_OK;
    }
    int64_t end = walk->end[message->partition];
    if (end < 0) return BK_OK;
    if (!ends && message->offset < end) {
        struct dlq_letter letter = letter_of(message);
        code = on_letter(arg, &letter);
        walk->moved_ms = now_ms();
    }
    if (message->offset + !ends >= end) {
        end_partition(walk, message->partition);
        walk->moved_ms = now_ms();
    }
    return code;
}

static int go_on(struct walk *walk, int (*on_letter)(void *arg, const struct dlq_letter *letter),
                 void *arg, struct bk_reason *reason)
{
    int code = BK_OK;
    while (walk->left && code == BK_OK) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(walk->reader, POLL_MS);
        if (message) {
            code = take(walk, message, on_letter, arg);
            rd_kafka_message_destroy(message);
        }
        if (code == BK_OK && now_ms() - walk->moved_ms >= SILENCE_MS_MAX)
            code = bk_reason_set(reason, BK_EUNAVAILABLE, "%s: the brokers fell silent%s%s",
                                 walk->topic, walk->last_error ? ": " : "",
                                 walk->last_error ? rd_kafka_err2str(walk->last_error) : "");
    }
    return code;
}

int bk__dlq_read(const struct bk_config *cfg, const char *topic,
                 int (*on_letter)(void *arg, const struct dlq_letter *letter), void *arg,
                 struct bk_reason *reason)
{
    struct walk walk = {.topic = topic};
    int code = open_reader(cfg, &walk.reader, reason);
    if (code) return code;
    code = ask_partitions(walk.reader, topic, &walk.partitions, reason);
    if (!code && !(walk.end = calloc((size_t)walk.partitions, sizeof *walk.end)))
        code = bk_reason_set(reason, BK_ENOMEM, "out of memory");
    if (!code) code = begin(&walk, reason);
    if (!code) code = go_on(&walk, on_letter, arg, reason);
    rd_kafka_consumer_close(walk.reader);
    rd_kafka_destroy(walk.reader);
    free(walk.end);
    return code;
}
