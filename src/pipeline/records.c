/* records.c -- what the source tells: a record is decoded and applied, or becomes a dead letter; and
 * partitions come and go.
 */
#include "internal.h"

#include "basketry/dead_letter.h"

static void note_bad(struct bk_pipeline *pl, const struct bk_record *record,
                     struct bk_verdict verdict)
{
    uint64_t held;
    if (!bk_log_gate_open(&pl->bad_gate, pl->now.mono, &held)) return;
    bk_log_warn("decode",
                "bad_record verdict=%s field=%s topic=%d partition=%d offset=%lld held_back=%llu",
                bk_verdict_label(verdict.code), verdict.field, (int)record->topic,
                record->partition, (long long)record->offset, (unsigned long long)held);
}

/* Losing what was taken out of the log is worse than stopping: a restart reads it again. Room is
 * asked for before the pull, and a record puts one thing at most. */
static void put_out(int err)
{
    BK_ASSERT(err == BK_OK);
}

static void send_dead_letter(struct bk_pipeline *pl, const struct bk_record *record,
                             struct bk_verdict verdict)
{
    const char *const topics[BK_TOPIC_COUNT] = {
        [BK_TOPIC_EVENTS] = pl->cfg.kafka_topic_events,
        [BK_TOPIC_PRODUCTS] = pl->cfg.kafka_topic_products,
        [BK_TOPIC_STOCK] = pl->cfg.kafka_topic_stock,
        [BK_TOPIC_CUSTOMERS] = pl->cfg.kafka_topic_customers,
    };
    if (!pl->outbox || !pl->cfg.kafka_topic_dlq[0]) return;
    struct bk_dead_letter letter = {.to = pl->cfg.kafka_topic_dlq,
                                    .topic = topics[record->topic],
                                    .group = pl->cfg.kafka_group,
                                    .record = record,
                                    .verdict = verdict};
    put_out(bk_dead_letter_put(pl->outbox, &letter));
    bk_metrics_add(&pl->metrics, BK_METRIC_DEAD_LETTERS, 1);
}

/* What crosses partitions travels as a record in the log: the customer's shard reads it there. */
static void send_merge(struct bk_pipeline *pl, const struct bk_event *merge)
{
    char key[BK_SUBJECT_BYTES_MAX];
    if (!pl->outbox || !pl->cfg.identity_merge) return;
    size_t len = bk_encode_event(merge, pl->merge_bytes, BK__MERGE_BYTES_MAX);
    BK_ASSERT(len); /* what state hands out fits its schema */
    struct bk_outgoing out = {.topic = pl->cfg.kafka_topic_events,
                              .key = bk_str(key, bk_event_subject(merge, key)),
                              .value = bk_str((const char *)pl->merge_bytes, len)};
    put_out(bk_outbox_put(pl->outbox, &out));
    bk_metrics_add(&pl->metrics, BK_METRIC_MERGES, 1);
}

static enum bk_verdict_code apply_behaviour(struct bk_pipeline *pl, const struct bk_record *record,
                                            const struct bk_event *event)
{
    struct bk_shard *shard = bk_engine_shard(&pl->engine, record->partition);
    if (!shard) return BK_VERDICT_WRONG_TOPIC;
    struct bk_place place = {record->offset, record->timestamp_ms};
    struct bk_applied applied = bk_apply(&pl->engine, shard, &place, event);
    if (applied.merge) send_merge(pl, applied.merge);
    if (applied.erased && !pl->muted) /* whoever only replays writes nothing to take back */
        bk_publisher_erase(pl->publisher, bk_str(applied.erased_id, applied.erased_id_len),
                           applied.erased);
    return applied.verdict;
}

static enum bk_verdict_code apply(struct bk_pipeline *pl, const struct bk_record *record,
                                  const struct bk_event *event)
{
    if (event->kind == BK_EVENT_PRODUCT) bk_apply_product(&pl->engine, record->key, event);
    if (record->topic == BK_TOPIC_EVENTS) return apply_behaviour(pl, record, event);
    return BK_VERDICT_OK; /* stock and customers are checked and counted; nothing reads them yet */
}

/* Was the record read before? Partitions that come back may bring again what was passed: its event
 * is in the state, or its letter in the outbox. */
static bool was_passed(struct bk_pipeline *pl, const struct bk_record *record)
{
    if (record->topic != BK_TOPIC_EVENTS) return false;
    struct bk_shard *shard = bk_engine_shard(&pl->engine, record->partition);
    return shard && record->offset < bk_shard_totals(shard)->next_offset;
}

/* A bad record is passed like a good one. */
static void pass(struct bk_pipeline *pl, const struct bk_record *record)
{
    if (record->topic != BK_TOPIC_EVENTS) return;
    struct bk_shard *shard = bk_engine_shard(&pl->engine, record->partition);
    if (shard) bk_shard_pass(shard, record->offset, bk_record_mark(record));
}

static struct bk_verdict take(struct bk_pipeline *pl, const struct bk_record *record)
{
    const struct bk_event *event;
    if (was_passed(pl, record)) return (struct bk_verdict){BK_VERDICT_DUPLICATE, ""};
    struct bk_verdict verdict = bk_decode(pl->decoder, record, &event);
    if (verdict.code != BK_VERDICT_OK) return verdict;
    verdict.code = apply(pl, record, event);
    if (verdict.code == BK_VERDICT_OK)
        bk_metrics_add(&pl->metrics, BK_METRIC_EVENTS_APPLIED + event->kind, 1);
    return verdict;
}

static void on_left_out(void *arg, const struct bk_record *record)
{
    pass(arg, record);
}

static void on_record(void *arg, const struct bk_record *record)
{
    struct bk_pipeline *pl = arg;
    pl->records += record->topic == BK_TOPIC_EVENTS;
    struct bk_verdict verdict = take(pl, record);
    if (record->topic == BK_TOPIC_PRODUCTS) bk__facts_name(pl, record->key);
    if (bk_verdict_is_dead_letter(verdict.code)) {
        note_bad(pl, record, verdict);
        send_dead_letter(pl, record, verdict);
    }
    pass(pl, record);
    bk_metrics_add(&pl->metrics, BK_METRIC_RECORDS + verdict.code, 1);
}

/* ---- partitions come and go ----
 *
 * A revoked partition is kept warm: it holds its share of the budget, publishes nothing (its lists
 * are another's), and goes on from its own next offset if it comes back. Then what Redis holds of
 * it is not known any more, and all live lists are written again. */

static int64_t on_assigned(void *arg, enum bk_topic topic, int32_t partition)
{
    struct bk_pipeline *pl = arg;
    if (topic == BK_TOPIC_PRODUCTS) bk__facts_assigned(pl);
    if (topic != BK_TOPIC_EVENTS) return BK_OFFSET_BEGINNING;
    if (!bk__fits_the_topic(pl, partition)) return BK_OFFSET_REFUSED;
    struct bk_shard *shard = bk_engine_shard(&pl->engine, partition);
    if (!shard) {
        bk_log_error("state",
                     "partitions_over_limit partition=%d shards_max=%lld action=rest "
                     "mend=\"state.shards_max\"",
                     partition, (long long)pl->cfg.state_shards_max);
        return BK_OFFSET_REFUSED;
    }
    pl->assigned++;
    pl->is_assigned[partition] = true;
    pl->has_ended[partition] = false;
    int64_t next = bk_shard_totals(shard)->next_offset;
    if (shard->away) bk_publisher_connected(pl->publisher, true);
    shard->away = false;
    return next || pl->begun[partition] ? next : BK_OFFSET_BEGINNING;
}

/* From here on what goes before it is read is lost, and no history that we came too late for. */
static void on_begins(void *arg, enum bk_topic topic, int32_t partition, int64_t offset)
{
    struct bk_pipeline *pl = arg;
    struct bk_shard *shard =
        topic == BK_TOPIC_EVENTS ? bk_engine_shard(&pl->engine, partition) : NULL;
    if (!shard) return;
    pl->begun[partition] = true;
    if (offset > bk_shard_totals(shard)->next_offset) bk_shard_pass(shard, offset - 1, 0);
}

static bool on_is_passed(void *arg, const struct bk_record *record)
{
    struct bk_pipeline *pl = arg;
    struct bk_shard *shard = bk_engine_shard(&pl->engine, record->partition);
    if (!shard) return false;
    const struct bk_shard_totals *totals = bk_shard_totals(shard);
    return record->offset + 1 == totals->next_offset && bk_record_mark(record) == totals->mark;
}

static void on_revoked(void *arg, enum bk_topic topic, int32_t partition)
{
    struct bk_pipeline *pl = arg;
    if (topic == BK_TOPIC_PRODUCTS) bk__facts_revoked(pl);
    if (topic != BK_TOPIC_EVENTS || partition >= BK__PARTITIONS_MAX || !pl->is_assigned[partition])
        return;
    pl->is_assigned[partition] = false;
    if (pl->engine.shards[partition]) /* a promoted state may not know it */
        pl->engine.shards[partition]->away = true;
    pl->assigned--;
    if (pl->has_ended[partition]) pl->ended--;
    pl->has_ended[partition] = false;
}

static void on_reached_end(void *arg, enum bk_topic topic, int32_t partition)
{
    struct bk_pipeline *pl = arg;
    if (topic == BK_TOPIC_PRODUCTS) bk__facts_ended(pl);
    if (topic != BK_TOPIC_EVENTS || partition >= BK__PARTITIONS_MAX || pl->has_ended[partition])
        return;
    pl->has_ended[partition] = true;
    pl->ended++;
}

struct bk_source_events bk_pipeline_source_events(struct bk_pipeline *pl, void (*wake)(void *arg),
                                                  void *arg)
{
    pl->wake = wake;
    pl->wake_arg = arg;
    return (struct bk_source_events){.arg = pl,
                                     .record = on_record,
                                     .assigned = on_assigned,
                                     .revoked = on_revoked,
                                     .begins = on_begins,
                                     .left_out = on_left_out,
                                     .reached_end = on_reached_end,
                                     .wake = bk__wake,
                                     .is_passed = on_is_passed};
}
