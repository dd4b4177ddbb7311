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
 * COST
 *   A request to each leader and one to the coordinator every PULSE_MS.
 */
#include "kafka_consumer.h"

#include "basketry/log.h"

#include <stdio.h>

enum {
    PULSE_MS = 5000,
    SILENT_PULSE_MS = 500, /* the next tick */
    SHARELESS_MS_MAX = 3000,
    SILENT_AFTER = 2,
};

/* ---- asking ---- */

static bool is_shareless(const struct kafka_consumer *c)
{
    return c->member && c->joined && c->parts_count == 0;
}

static bool is_due(const struct kafka_consumer *c, int64_t now_ms)
{
    bool doubtful = c->leader_silences || c->coordinator_silences || is_shareless(c);
    return now_ms - c->pulse_ms >= (doubtful ? SILENT_PULSE_MS : PULSE_MS);
}

static void note_share(struct kafka_consumer *c, int64_t now_ms)
{
    if (!is_shareless(c))
        c->shareless_ms = 0;
    else if (!c->shareless_ms)
        c->shareless_ms = now_ms;
}

static bool wants_members(const struct kafka_consumer *c, int64_t now_ms)
{
    return c->shareless_ms && now_ms - c->shareless_ms >= SHARELESS_MS_MAX;
}

struct kafka_question *bk__kafka_pulse_ask(struct kafka_consumer *c, int64_t now_ms)
{
    if (!c->rk || c->pulsing) return NULL;
    note_share(c, now_ms);
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

static void join_anew(struct kafka_consumer *c, const struct kafka_question *answer,
                      int32_t partitions)
{
    bool owed = is_shareless(c) && answer->members > 0 && answer->members <= partitions;
    if (!owed) return;
    bk_log_warn("kafka", "shareless members=%d partitions=%d action=join_anew", answer->members,
                partitions);
    c->shareless_ms = 0;
    c->joined = false;
    bk__kafka_note_code(c, "unsubscribe", rd_kafka_unsubscribe(c->rk));
    bk__kafka_consumer_subscribe(c);
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
    if (answer->of_members) join_anew(c, answer, partitions);
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
