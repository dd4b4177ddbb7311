/* kafka_standby.c -- one instance does the work: who finds another member in the group waits.
 *
 * THE IDEA
 *   What all shoppers share (pairs, what is popular) is one instance's own: two that share the
 *   partitions would each know half of it, and write each other's lists of items over. So before it
 *   joins, an instance asks the coordinator who is in the group. A member with its own
 *   group.instance.id is its own last life and no reason to wait.
 * INVARIANTS
 *   I1 who waits takes over only when the group was seen free at every look of SURE_MS: a
 *      coordinator that has just come up knows nobody for a moment.
 *   I2 who could never ask does not wait: it starts, and says by its source's state what is wrong.
 * LIMITS
 *   Two that ask within the same second both find nobody, and who was frozen comes back without
 *   asking. They meet in the group: kafka_pulse.c.
 * COST  a client of its own while it asks, a request a second while it waits.
 */
#include "kafka_internal.h"

#include "basketry/log.h"

#include <stdio.h>
#include <time.h>

enum { LOOK_MS = 1000, ASK_MS = 3000, SURE_MS = 5000 };

enum seen { SEEN_NOBODY, SEEN_ANOTHER, SEEN_NOTHING };

struct looker {
    rd_kafka_t *rk;
    rd_kafka_queue_t *answers, *news;
    const char *group;
    char instance_id[256]; /* ours; "": none */
    char who[256];         /* the other one, or why nothing was seen */
};

static bool is_ours(const struct looker *looker, const rd_kafka_MemberDescription_t *member)
{
    const char *id = rd_kafka_MemberDescription_group_instance_id(member);
    return id && looker->instance_id[0] && strcmp(id, looker->instance_id) == 0;
}

static enum seen find_another(struct looker *looker,
                              const rd_kafka_ConsumerGroupDescription_t *group)
{
    for (size_t i = 0; i < rd_kafka_ConsumerGroupDescription_member_count(group); i++) {
        const rd_kafka_MemberDescription_t *member =
            rd_kafka_ConsumerGroupDescription_member(group, i);
        if (is_ours(looker, member)) continue;
        snprintf(looker->who, sizeof looker->who, "%s reads in group %s from %s",
                 rd_kafka_MemberDescription_consumer_id(member), looker->group,
                 rd_kafka_MemberDescription_host(member));
        return SEEN_ANOTHER;
    }
    return SEEN_NOBODY;
}

static enum seen nothing(struct looker *looker, const char *why)
{
    snprintf(looker->who, sizeof looker->who, "%s", why);
    return SEEN_NOTHING;
}

static enum seen read_answer(struct looker *looker, rd_kafka_event_t *event)
{
    const rd_kafka_DescribeConsumerGroups_result_t *result =
        rd_kafka_event_DescribeConsumerGroups_result(event);
    size_t count = 0;
    if (!result || rd_kafka_event_error(event))
        return nothing(looker, rd_kafka_event_error_string(event));
    const rd_kafka_ConsumerGroupDescription_t **groups =
        rd_kafka_DescribeConsumerGroups_result_groups(result, &count);
    if (count != 1) return nothing(looker, "the answer is of another group");
    const rd_kafka_error_t *error = rd_kafka_ConsumerGroupDescription_error(groups[0]);
    return error ? nothing(looker, rd_kafka_error_string(error)) : find_another(looker, groups[0]);
}

/* Errors and log lines that nobody reads are not to pile up. */
static void drop_news(struct looker *looker)
{
    rd_kafka_event_t *event;
    while ((event = rd_kafka_queue_poll(looker->news, 0))) rd_kafka_event_destroy(event);
}

static enum seen look(struct looker *looker)
{
    char text[256];
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(looker->rk, RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS);
    rd_kafka_AdminOptions_set_request_timeout(options, ASK_MS, text, sizeof text);
    rd_kafka_DescribeConsumerGroups(looker->rk, &looker->group, 1, options, looker->answers);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_event_t *event = rd_kafka_queue_poll(looker->answers, 2 * ASK_MS);
    enum seen seen = event ? read_answer(looker, event) : nothing(looker, "no answer");
    if (event) rd_kafka_event_destroy(event);
    drop_news(looker);
    return seen;
}

static int open_looker(struct looker *looker, const struct bk_kafka_options *options,
                       struct bk_reason *reason)
{
    char text[256];
    size_t len = sizeof looker->instance_id;
    rd_kafka_conf_t *conf = bk__kafka_conf(options, KAFKA_ROLE_GROUP, reason);
    if (!conf) return BK_EINVAL;
    if (rd_kafka_conf_get(conf, "group.instance.id", looker->instance_id, &len) != RD_KAFKA_CONF_OK)
        looker->instance_id[0] = '\0';
    looker->group = options->group_id;
    looker->rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
    if (!looker->rk) {
        rd_kafka_conf_destroy(conf);
        return bk_reason_set(reason, BK_EINVAL, "kafka client: %s", text);
    }
    rd_kafka_set_log_queue(looker->rk, NULL); /* hence the main queue */
    looker->news = rd_kafka_queue_get_main(looker->rk);
    looker->answers = rd_kafka_queue_new(looker->rk);
    return BK_OK;
}

static void close_looker(struct looker *looker)
{
    rd_kafka_queue_destroy(looker->answers);
    rd_kafka_queue_destroy(looker->news);
    rd_kafka_destroy(looker->rk);
}

static void wait_for_free(struct looker *looker)
{
    const struct timespec pause = {.tv_sec = LOOK_MS / 1000};
    int free_ms = 0;
    bk_log_info("source", "standby reason=\"%s\"", looker->who);
    while (free_ms < SURE_MS) {
        nanosleep(&pause, NULL);
        free_ms = look(looker) == SEEN_NOBODY ? free_ms + LOOK_MS : 0;
    }
    bk_log_info("source", "standby_ends");
}

int bk_kafka_standby(const struct bk_kafka_options *options, struct bk_reason *reason)
{
    struct looker looker = {.rk = NULL};
    int err = open_looker(&looker, options, reason);
    if (err != BK_OK) return err;
    switch (look(&looker)) {
    case SEEN_NOBODY:
        break;
    case SEEN_ANOTHER:
        wait_for_free(&looker);
        break;
    case SEEN_NOTHING:
        bk_log_warn("source", "group_not_seen group=%s err=\"%s\" action=start", looker.group,
                    looker.who);
    }
    close_looker(&looker);
    return BK_OK;
}
