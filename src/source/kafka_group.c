/* kafka_group.c -- what a client reads: the group's assignments, our own, pauses and new starts.
 *
 * THE IDEA
 *   Every assignment is answered with the owner's own offsets, which is also how a partition starts
 *   again from elsewhere. There is no seek.
 * INVARIANTS
 *   I1 the client waits for an answer to every rebalance, and gets one. I2 an assignment forgets what
 *   was paused: after each, partitions that rest are paused again, and all of them if the owner
 *   paused.
 */
#include "kafka_consumer.h"

#include "basketry/log.h"

#include <stdlib.h>

/* ---- assignment ---- */

bool bk__kafka_is_cooperative(const struct kafka_consumer *c)
{
    return strcmp(rd_kafka_rebalance_protocol(c->rk), "COOPERATIVE") == 0;
}

static void pause_list(struct kafka_consumer *c, rd_kafka_topic_partition_list_t *list, bool paused)
{
    if (list->cnt == 0) return;
    bk__kafka_note_code(c, paused ? "pause" : "resume",
                        paused ? rd_kafka_pause_partitions(c->rk, list)
                               : rd_kafka_resume_partitions(c->rk, list));
}

/** The partitions that are to be paused (or resumed) now: those that rest are paused for good. */
void bk__kafka_pause_some(struct kafka_consumer *c, bool resting, bool paused)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)c->parts_count);
    for (size_t i = 0; i < c->parts_count; i++)
        if (bk__kafka_part_rests(&c->parts[i]) == resting)
            bk__kafka_list_add(list, c, &c->parts[i]);
    pause_list(c, list, paused);
    rd_kafka_topic_partition_list_destroy(list);
}

/** An assignment forgets what was paused. */
static void pause_again(struct kafka_consumer *c)
{
    bk__kafka_pause_some(c, true, true);
    if (c->paused) bk__kafka_pause_some(c, false, true);
}

/** Hand the client the whole table anew, positions included. Cheap enough for what is rare. */
static void assign_table(struct kafka_consumer *c)
{
    rd_kafka_topic_partition_list_t *list = bk__kafka_list_of(c);
    bk__kafka_note_code(c, "assign", rd_kafka_assign(c->rk, list));
    rd_kafka_topic_partition_list_destroy(list);
    pause_again(c);
}

/** Start one partition again from its position: out of range, or let go while paused. */
void bk__kafka_part_restart(struct kafka_consumer *c, const struct kafka_part *part)
{
    if (!bk__kafka_is_cooperative(c)) {
        assign_table(c);
        return;
    }
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    bk__kafka_list_add(list, c, part);
    bk__kafka_note_failure(c, "unassign", rd_kafka_incremental_unassign(c->rk, list));
    bk__kafka_note_failure(c, "assign", rd_kafka_incremental_assign(c->rk, list));
    rd_kafka_topic_partition_list_destroy(list);
    pause_again(c);
}

/* ---- the group ---- */

/** The group gives us partitions (cooperative: more of them; eager: all there are). */
static void on_assign(struct kafka_consumer *c, const rd_kafka_topic_partition_list_t *given)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(given->cnt);
    bool cooperative = bk__kafka_is_cooperative(c);
    if (!cooperative) bk__kafka_parts_remove(c);
    for (int i = 0; i < given->cnt; i++) {
        int topic = bk__kafka_topic_of(c, given->elems[i].topic);
        int32_t partition = given->elems[i].partition;
        if (topic < 0 || bk__kafka_part_find(c, (enum bk_topic)topic, partition)) continue;
        bk__kafka_part_add(c, (enum bk_topic)topic, partition);
        bk__kafka_list_add(list, c, &c->parts[c->parts_count - 1]);
    }
    if (cooperative)
        bk__kafka_note_failure(c, "assign", rd_kafka_incremental_assign(c->rk, list));
    else
        bk__kafka_note_code(c, "assign", rd_kafka_assign(c->rk, list));
    rd_kafka_topic_partition_list_destroy(list);
    pause_again(c);
    c->joined = true;
    c->lost = false;
    if (c->parts_count) c->topic_gone = false;
    bk_log_info("kafka", "assigned partitions=%zu new=%d protocol=%s", c->parts_count, given->cnt,
                rd_kafka_rebalance_protocol(c->rk));
}

/** The group takes partitions back, or we lost them unasked. */
static void on_revoke(struct kafka_consumer *c, const rd_kafka_topic_partition_list_t *taken)
{
    bool lost = rd_kafka_assignment_lost(c->rk);
    if (!lost) bk__kafka_consumer_commit(c);
    for (int i = 0; i < taken->cnt; i++) {
        struct kafka_part *part =
            bk__kafka_part_named(c, taken->elems[i].topic, taken->elems[i].partition);
        if (part) bk__kafka_part_remove(c, part);
    }
    if (bk__kafka_is_cooperative(c)) {
        bk__kafka_note_failure(c, "unassign", rd_kafka_incremental_unassign(c->rk, taken));
    } else {
        bk__kafka_parts_remove(c);
        bk__kafka_note_code(c, "unassign", rd_kafka_assign(c->rk, NULL));
        c->joined = false; /* until the group has dealt again */
    }
    if (lost) {
        c->lost = true;
        c->joined = false;
    }
    bk_log_info("kafka", "revoked partitions=%d left=%zu lost=%s", taken->cnt, c->parts_count,
                lost ? "yes" : "no");
}

/** The client waits for our answer to every rebalance, also to one that failed. */
void bk__kafka_on_rebalance(struct kafka_consumer *c, rd_kafka_event_t *ev)
{
    rd_kafka_resp_err_t what = rd_kafka_event_error(ev);
    if (what == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        on_assign(c, rd_kafka_event_topic_partition_list(ev));
    } else if (what == RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS) {
        on_revoke(c, rd_kafka_event_topic_partition_list(ev));
    } else {
        bk__kafka_note_code(c, "rebalance", what);
        bk__kafka_parts_remove(c);
        bk__kafka_note_code(c, "unassign", rd_kafka_assign(c->rk, NULL));
    }
}

void bk__kafka_consumer_subscribe(struct kafka_consumer *c)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, c->topics[BK_TOPIC_EVENTS], RD_KAFKA_PARTITION_UA);
    bk__kafka_note_code(c, "subscribe", rd_kafka_subscribe(c->rk, list));
    rd_kafka_topic_partition_list_destroy(list);
}

void bk__kafka_consumer_take(struct kafka_consumer *c, const int32_t partitions[BK_TOPIC_COUNT])
{
    for (int topic = 0; topic < BK_TOPIC_COUNT; topic++)
        for (int32_t p = 0; c->topics[topic] && p < partitions[topic]; p++)
            if (!bk__kafka_part_find(c, (enum bk_topic)topic, p))
                bk__kafka_part_add(c, (enum bk_topic)topic, p);
    assign_table(c);
    c->joined = true;
}

/** Records held since before a restart stand at the old positions. Order among the rest stays. */
static void drop_held_records(struct kafka_consumer *c)
{
    for (size_t n = c->held_count; n > 0; n--) {
        rd_kafka_event_t *ev = bk__kafka_take_held(c);
        if (rd_kafka_event_type(ev) == RD_KAFKA_EVENT_FETCH)
            rd_kafka_event_destroy(ev);
        else
            c->held[(c->held_first + c->held_count++) % KAFKA_HELD_MAX] = ev;
    }
}

/** Every partition again from its position. */
static void restart_table(struct kafka_consumer *c)
{
    if (!bk__kafka_is_cooperative(c)) {
        assign_table(c);
        return;
    }
    rd_kafka_topic_partition_list_t *list = bk__kafka_list_of(c);
    bk__kafka_note_failure(c, "unassign", rd_kafka_incremental_unassign(c->rk, list));
    bk__kafka_note_failure(c, "assign", rd_kafka_incremental_assign(c->rk, list));
    rd_kafka_topic_partition_list_destroy(list);
    pause_again(c);
}

/** Every partition from where the owner now says. What the client had fetched is outdated by the
 *  assignment, which it tells by itself. */
void bk__kafka_consumer_restart(struct kafka_consumer *c)
{
    size_t count = c->parts_count;
    if (!c->rk || count == 0) return;
    struct kafka_part *before = malloc(count * sizeof *before);
    BK_ASSERT(before);
    memcpy(before, c->parts, count * sizeof *before);
    bk__kafka_parts_remove(c);
    drop_held_records(c);
    for (size_t i = 0; i < count; i++) bk__kafka_part_add(c, before[i].topic, before[i].partition);
    free(before);
    restart_table(c);
}

/** The topic was gone and is back: every partition shows its last record again. Records that were
 *  fetched before the topic went are fetched again. */
bool bk__kafka_doubt(struct kafka_consumer *c)
{
    bool any = false;
    c->doubted = false;
    for (size_t i = 0; i < c->parts_count; i++) any |= bk__kafka_part_doubt(c, &c->parts[i]);
    if (!any) return false;
    drop_held_records(c);
    restart_table(c);
    return true;
}

/** Partitions that let a record go start again from their positions. */
static void restart_let_go(struct kafka_consumer *c)
{
    for (size_t i = 0; i < c->parts_count; i++) {
        if (!c->parts[i].let_go) continue;
        c->parts[i].let_go = false;
        bk__kafka_part_restart(c, &c->parts[i]); /* rare, and rarely more than one */
    }
}

void bk__kafka_consumer_pause(struct kafka_consumer *c, bool paused)
{
    if (!c->rk || c->paused == paused) return;
    c->paused = paused;
    bk__kafka_pause_some(c, false, paused);
    if (!paused) restart_let_go(c);
}

void bk__kafka_consumer_commit(struct kafka_consumer *c)
{
    if (!c->rk || !c->member || !c->moved) return;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)c->parts_count);
    for (size_t i = 0; i < c->parts_count; i++)
        if (c->parts[i].position >= 0 && !bk__kafka_part_rests(&c->parts[i]))
            bk__kafka_list_add(list, c, &c->parts[i]);
    if (list->cnt) rd_kafka_commit(c->rk, list, 1); /* for lag tools: a failure changes nothing */
    rd_kafka_topic_partition_list_destroy(list);
    c->moved = false;
}
