/* kafka_conf.c -- which properties the Kafka client gets, and why.
 *
 * THE IDEA
 *   Three layers, later ones win: defaults that suit a recommender that must be fresh and bounded;
 * the operator's own properties, any that librdkafka knows; and the few on which promises rest. An
 *   operator's property of the last kind is refused by name, with the reason, before anything
 * starts.
 */
#include "kafka_internal.h"

#include "basketry/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

struct property {
    const char *name, *value;
};

/* clang-format off */

/* What an operator may change. */
static const struct property defaults[] = {
    {"client.id",                      "basketry"},
    /* A damaged record must be noticed on the way in, not in a customer's list. */
    {"check.crcs",                     "true"},
    /* Requests are small and answers are waited for: a held-back packet is only age. */
    {"socket.nagle.disable",           "true"},
    {"socket.keepalive.enable",        "true"},
    /* A fetch is answered as soon as one byte is there (fetch.min.bytes=1), so waiting costs no age
     * for the partitions that are in the request. A partition that was not (its queue was full)
     * joins the next one: this bounds how long it waits, at the price of 20 requests a second and
     * broker while the shop sleeps. */
    {"fetch.wait.max.ms",              "50"},
    {"fetch.error.backoff.ms",         "100"},
    /* Prefetch counts decompressed batches only once they are in: small fetches keep the overshoot
     * small. A full queue does not stall the reader (kafka_consumer.c, nudge), so it need not be
     * long: 20,000 records of 120 bytes read 1.2 M/s with 18 MB resident, 100,000 no faster with 41
     * MB. */
    {"fetch.message.max.bytes",        "262144"},
    {"queued.min.messages",            "20000"},
    /* Back after a broker's restart within a second or so, not within ten. */
    {"reconnect.backoff.max.ms",       "1000"},
    /* A topic that was made anew, or got more partitions, is noticed within this, not in 5 minutes. */
    {"topic.metadata.refresh.interval.ms", "10000"},
    {"topic.metadata.propagation.max.ms", "5000"},
    /* Whoever is killed without a word (kill -9, a power cut) leaves a ghost in the group, and the
     * one started in its place gets no partition until the ghost's session is over: 45 s of stale
     * lists by librdkafka's default. The heartbeats come from its own thread, so a busy loop does
     * not miss one. */
    {"session.timeout.ms",             "10000"},
    {"heartbeat.interval.ms",          "2000"},
    /* A coordinator that is frozen or cut off closes no connection: only who asks hears that another
     * one took over. Asked each second that is before our session is over. */
    {"coordinator.query.interval.ms",  "1000"},
    /* Eager, and known good in every supported version; cooperative-sticky is safe from librdkafka
     * 2.6.1 on. */
    {"partition.assignment.strategy",  "range"},
};

/* Worth setting where the library is new enough to know it (2.2): how soon a full queue is looked
 * at again. */
static const struct property defaults_if_known[] = {
    {"fetch.queue.backoff.ms",         "10"},
};

/* What our promises rest on: set last. */
static const struct property promises[] = {
    {"enable.auto.commit",             "false"},
    {"enable.auto.offset.store",       "false"},
    {"auto.offset.reset",              "error"},
    {"enable.partition.eof",           "true"},
    {"log.queue",                      "true"},
};

/* What an operator may not set here, and why. */
static const struct {
    const char *name, *why;
} refused[] = {
    {"auto.commit.enable",             "a checkpoint says where to restart, not the group"},
    {"auto.offset.reset",              "an offset out of range has its own policy: nothing is skipped in silence"},
    {"background_event_cb",            "callbacks are the program's"},
    {"bootstrap.servers",              "it has its own key: kafka.brokers"},
    {"enable.auto.commit",             "a checkpoint says where to restart, not the group"},
    {"enable.auto.offset.store",       "a checkpoint says where to restart, not the group"},
    {"enable.partition.eof",           "the ends of partitions are needed to know when the facts are complete"},
    {"enabled_events",                 "events are the program's"},
    {"group.id",                       "it has its own key: kafka.group_id"},
    {"log.queue",                      "the client's log is written by the loop"},
    {"metadata.broker.list",           "it has its own key: kafka.brokers"},
    {"offset.store.method",            "a checkpoint says where to restart, not the group"},
    {"queued.max.messages.kbytes",     "it has its own key: kafka.queued_kbytes_max"},
};

/* clang-format on */

static const char *why_refused(const char *name, const char *value)
{
    for (size_t i = 0; i < BK_COUNTOF(refused); i++)
        if (strcmp(refused[i].name, name) == 0) return refused[i].why;
    size_t len = strlen(name);
    if (len > 3 && strcmp(name + len - 3, "_cb") == 0) return "callbacks are the program's";
    if (strcmp(name, "debug") == 0 && strstr(value, "all"))
        return "all of it starves the loop of records: name the contexts you need";
    if (strcmp(name, "group.protocol") == 0 && strcasecmp(value, "classic") != 0)
        return "assignments start from our own offsets, which needs the classic protocol";
    return NULL;
}

static int set(rd_kafka_conf_t *conf, const char *name, const char *value, struct bk_reason *reason)
{
    char text[200];
    if (rd_kafka_conf_set(conf, name, value, text, sizeof text) == RD_KAFKA_CONF_OK) return BK_OK;
    return bk_reason_set(reason, BK_EINVAL, "kafka property %s: %s", name, text);
}

static int set_all(rd_kafka_conf_t *conf, const struct property *list, size_t count,
                   struct bk_reason *reason)
{
    for (size_t i = 0; i < count; i++) {
        int err = set(conf, list[i].name, list[i].value, reason);
        if (err) return err;
    }
    return BK_OK;
}

/** Static membership belongs to the member of the group; the reader of facts never joins, nor does
 *  a reader without a group. */
static bool is_for(const char *name, const struct bk_kafka_options *options, enum kafka_role role)
{
    bool joins = role == KAFKA_ROLE_GROUP && options->group_id;
    return joins || strcmp(name, "group.instance.id") != 0;
}

static int set_operators(rd_kafka_conf_t *conf, const struct bk_kafka_options *options,
                         enum kafka_role role, struct bk_reason *reason)
{
    const char *const *p = options->properties;
    for (; p && p[0]; p += 2) {
        const char *why = why_refused(p[0], p[1]);
        if (why)
            return bk_reason_set(reason, BK_EINVAL, "kafka property %s=%s is refused: %s", p[0],
                                 p[1], why);
        int err = is_for(p[0], options, role) ? set(conf, p[0], p[1], reason) : BK_OK;
        if (err) return err;
    }
    return BK_OK;
}

static int set_own_keys(rd_kafka_conf_t *conf, const struct bk_kafka_options *options,
                        struct bk_reason *reason)
{
    char kbytes[16];
    snprintf(kbytes, sizeof kbytes, "%u",
             options->queued_kbytes_max ? options->queued_kbytes_max : 16384);
    if (!options->brokers || !options->brokers[0])
        return bk_reason_set(reason, BK_EINVAL, "kafka.brokers is empty");
    if (options->group_id && !options->group_id[0])
        return bk_reason_set(reason, BK_EINVAL, "kafka.group_id is empty");
    int err = set(conf, "bootstrap.servers", options->brokers, reason);
    /* A consumer wants a group's name, also where it never joins one. */
    if (!err)
        err = set(conf, "group.id", options->group_id ? options->group_id : "basketry-reader",
                  reason);
    if (!err) err = set(conf, "queued.max.messages.kbytes", kbytes, reason);
    return err;
}

rd_kafka_conf_t *bk__kafka_conf(const struct bk_kafka_options *options, enum kafka_role role,
                                struct bk_reason *reason)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    int err = set_all(conf, defaults, BK_COUNTOF(defaults), reason);
    for (size_t i = 0; i < BK_COUNTOF(defaults_if_known); i++)
        rd_kafka_conf_set(conf, defaults_if_known[i].name, defaults_if_known[i].value, NULL, 0);
    if (!err && role == KAFKA_ROLE_GROUP && options->group_id && options->instance_id)
        err = set(conf, "group.instance.id", options->instance_id, reason);
    if (!err) err = set_operators(conf, options, role, reason);
    if (!err) err = set_own_keys(conf, options, reason);
    if (!err) err = set_all(conf, promises, BK_COUNTOF(promises), reason);
    if (err) {
        rd_kafka_conf_destroy(conf);
        return NULL;
    }
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_FETCH | RD_KAFKA_EVENT_ERROR |
                                       RD_KAFKA_EVENT_LOG | RD_KAFKA_EVENT_REBALANCE);
    return conf;
}
