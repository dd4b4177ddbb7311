/* kafka_pulse.c -- do they still answer, the leaders of our partitions and the group's coordinator?
 *
 * THE IDEA
 *   A broker that is killed closes its connections; one that is frozen, or behind a broken cable, is
 *   just silent, and the client waits socket.timeout.ms (a minute) for it. Either way other brokers
 *   go on, so no error says that a part of the shop stands still. So the worker asks each leader for
 *   the end of its partitions and the coordinator for an offset, every PULSE_MS, and every tick while
 *   one is silent or right after an error. Silent means twice in a row, the error being the first.
 *   When a leader is silent the topics are asked for as well, which is how the client hears of a new
 *   one before its own round of metadata.
 * A SHARE OF NOTHING
 *   Where brokers disagree for a moment whether the topic exists (it was just made), the client may
 *   be given no partition, and as its view of the topic does not change again, none for ever. A
 *   group with at most as many members as partitions has one for each: a member with none joins anew.
 * A SHARE OF ALL
 *   Who is to be alone in its group (kafka.share) may find itself with another: both began within the
 *   same second, or one was frozen, another took over, and it thaws. Then whoever has not partition 0
 *   leaves, waits as a standby, and joins again when the group was free at every look of FREE_LOOKS.
 * COST
 *   A request to each leader and one to the coordinator every PULSE_MS.
 */
#include "kafka_consumer.h"

#include "basketry/log.h"

#include <stdio.h>

enum {
    PULSE_MS = 5000,
    SILENT_PULSE_MS = 500, /* the next tick */
    SHARE_AMISS_MS_MAX = 3000,
    FREE_LOOKS = 5,
    SILENT_AFTER = 2,
};

/* ---- asking ---- */

static bool is_shareless(const struct kafka_consumer *c)
{
    return c->member && c->joined && c->parts_count == 0;
}

static bool is_shared(const struct kafka_consumer *c, int32_t partitions)
{
    return c->alone && c->joined && c->parts_count > 0 && c->parts_count < (size_t)partitions;
}

static bool is_due(const struct kafka_consumer *c, int64_t now_ms)
{
    bool doubtful = c->leader_silences || c->coordinator_silences || c->share_amiss_ms;
    return now_ms - c->pulse_ms >= (doubtful ? SILENT_PULSE_MS : PULSE_MS);
}

static void note_share(struct kafka_consumer *c, int32_t partitions, int64_t now_ms)
{
    if (!is_shareless(c) && !is_shared(c, partitions) && !c->stands_by)
        c->share_amiss_ms = 0;
    else if (!c->share_amiss_ms)
        c->share_amiss_ms = now_ms;
}

static bool wants_members(const struct kafka_consumer *c, int64_t now_ms)
{
    return c->share_amiss_ms && now_ms - c->share_amiss_ms >= SHARE_AMISS_MS_MAX;
}

struct kafka_question *bk__kafka_pulse_ask(struct kafka_consumer *c, int32_t partitions,
                                           int64_t now_ms)
{
    if (!c->rk || c->pulsing) return NULL;
    note_share(c, partitions, now_ms);
    if (!is_due(c, now_ms) || !(c->parts_count || c->member)) return NULL;
    c->pulsing = true;
    c->pulse_ms = now_ms;
    struct kafka_question *q = bk__kafka_question(KAFKA_ASK_PULSE, c->rk, c->parts_count);
    memcpy(q->topics, c->topics, sizeof q->topics);
    for (size_t i = 0; i < c->parts_count; i++)
        q->spans[i] = (struct kafka_span){c->parts[i].topic, c->parts[i].partition, 0, -1, -1};
    q->of_group = c->member;
    q->of_members = wants_members(c, now_ms);
    return q;
}

/* ---- the answer ---- */

/** Not "no", which is an answer, but none. */
static bool is_silence(rd_kafka_resp_err_t err)
{
    switch (err) {
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__WAIT_COORD:
    case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
    case RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS:
    case RD_KAFKA_RESP_ERR_NOT_COORDINATOR:
        return true;
    default:
        return false;
    }
}

static void count(struct kafka_consumer *c, int *silences, const char *who, rd_kafka_resp_err_t err)
{
    bool was_silent = *silences >= SILENT_AFTER;
    *silences = is_silence(err) ? *silences + 1 : 0;
    if (was_silent || *silences < SILENT_AFTER) return;
    snprintf(c->detail, sizeof c->detail, "the %s does not answer: %s", who, rd_kafka_err2str(err));
    bk_log_warn("kafka", "silent who=%s err=%s", who, rd_kafka_err2name(err));
}

static void leave_group(struct kafka_consumer *c)
{
    c->share_amiss_ms = 0;
    c->joined = false;
    bk__kafka_note_code(c, "unsubscribe", rd_kafka_unsubscribe(c->rk));
}

static void join_anew(struct kafka_consumer *c, int members, int32_t partitions)
{
    bk_log_warn("kafka", "shareless members=%d partitions=%d action=join_anew", members,
                partitions);
    leave_group(c);
    bk__kafka_consumer_subscribe(c);
}

static void stand_by(struct kafka_consumer *c, int members, int32_t partitions)
{
    bk_log_warn("kafka", "group_shared members=%d ours=%zu partitions=%d action=stand_by", members,
                c->parts_count, partitions);
    snprintf(c->detail, sizeof c->detail, "another instance reads in the group");
    c->stands_by = true;
    c->free_looks = 0;
    leave_group(c);
}

static void wait_for_free(struct kafka_consumer *c, int members)
{
    c->free_looks = members == 0 ? c->free_looks + 1 : 0;
    if (c->free_looks < FREE_LOOKS) return;
    bk_log_info("kafka", "group_free action=join");
    c->stands_by = false;
    c->share_amiss_ms = 0;
    c->detail[0] = '\0';
    bk__kafka_consumer_subscribe(c);
}

/** Is what the group gives us what it should be? `members`: -1 when nobody could tell. */
static void judge_share(struct kafka_consumer *c, int members, int32_t partitions)
{
    bool has_first = bk__kafka_part_find(c, BK_TOPIC_EVENTS, 0);
    if (c->stands_by)
        wait_for_free(c, members);
    else if (is_shareless(c) && members > 0 && members <= partitions)
        join_anew(c, members, partitions);
    else if (is_shared(c, partitions) && members > 1 && !has_first)
        stand_by(c, members, partitions);
}

void bk__kafka_pulse_learn(struct kafka_consumer *c, const struct kafka_question *answer,
                           int32_t partitions)
{
    bool old = c->pulse_is_old;
    c->pulsing = c->pulse_is_old = false;
    if (old) return;
    if (answer->of_group) count(c, &c->coordinator_silences, "coordinator", answer->group_err);
    if (c->parts_count == 0)
        c->leader_silences = 0;
    else if (answer->spans_count)
        count(c, &c->leader_silences, "leader", answer->err);
    if (answer->spans_count && !answer->err) c->disconnected = false;
    if (answer->of_members) judge_share(c, answer->members, partitions);
}

void bk__kafka_pulse_quicken(struct kafka_consumer *c)
{
    if (!c->leader_silences) c->leader_silences = 1;
    if (!c->coordinator_silences) c->coordinator_silences = 1;
}

bool bk__kafka_is_leader_silent(const struct kafka_consumer *c)
{
    return c->leader_silences >= SILENT_AFTER;
}

bool bk__kafka_is_coordinator_silent(const struct kafka_consumer *c)
{
    return c->coordinator_silences >= SILENT_AFTER;
}
