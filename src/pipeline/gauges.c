/* gauges.c -- how the stages are, and the numbers that are read off them when somebody asks. */
#include "internal.h"

enum { WATCH_MS = 200 };

/* How are they all now? */
static void look(struct bk_pipeline *pl)
{
    struct bk_source_status source;
    struct bk_sink_status sink;
    pl->source->ops->status(pl->source, &source);
    pl->sink->ops->status(pl->sink, &sink);
    bk_watch_look(&pl->watch, BK_STAGE_SOURCE, bk_source_state_word(source.state),
                  bk_source_state_health(source.state), source.detail, pl->now.wall_ms);
    bk_watch_look(&pl->watch, BK_STAGE_SINK, bk_sink_state_word(sink.state),
                  bk_sink_state_health(sink.state), sink.detail, pl->now.wall_ms);
    struct bk_outbox_status outbox = {.state = BK_OUTBOX_READY};
    if (pl->outbox) pl->outbox->ops->status(pl->outbox, &outbox);
    bk_watch_look(&pl->watch, BK_STAGE_OUTBOX, bk_outbox_state_word(outbox.state),
                  bk_outbox_state_health(outbox.state), outbox.detail, pl->now.wall_ms);
    bk_watch_look(&pl->watch, BK_STAGE_INTAKE, bk_intake_word(pl->intake),
                  bk_intake_health(pl->intake), "", pl->now.wall_ms);
}

void bk__look_sometimes(struct bk_pipeline *pl)
{
    if (pl->watch_at.ms && pl->now.mono.ms - pl->watch_at.ms < WATCH_MS) return;
    pl->watch_at = pl->now.mono;
    look(pl);
}

static void set_checkpoint_gauges(struct bk_pipeline *pl)
{
    struct bk_metrics *m = &pl->metrics;
    struct bk_checkpoint_status status;
    if (!pl->checkpoint) return;
    bk_checkpoint_status(pl->checkpoint, &status);
    bk_metrics_set(m, BK_METRIC_CHECKPOINTS, status.written);
    bk_metrics_set(m, BK_METRIC_CHECKPOINT_FAILURES, status.failures);
    bk_metrics_set(m, BK_METRIC_CHECKPOINT_BYTES, status.bytes);
    bk_metrics_set(m, BK_METRIC_CHECKPOINT_TOOK, (uint64_t)status.took_ms);
    if (status.generation)
        bk_metrics_set(m, BK_METRIC_CHECKPOINT_AGE,
                       (uint64_t)bk_max_i64(pl->now.wall_ms - status.written_ms, 0));
}

static void set_state_gauges(struct bk_pipeline *pl)
{
    struct bk_metrics *m = &pl->metrics;
    uint64_t shared = bk_shared_bytes(&pl->engine.shared), subjects = 0, coalesced = 0;
    for (int32_t partition = 0; partition < pl->engine.shard_top; partition++) {
        if (!pl->engine.shards[partition]) continue;
        const struct bk_shard_totals *totals = bk_shard_totals(pl->engine.shards[partition]);
        subjects += totals->subjects;
        coalesced += totals->coalesced;
    }
    bk_metrics_set(m, BK_METRIC_LISTS_COALESCED, coalesced);
    bk_metrics_set(m, BK_METRIC_STATE_BYTES_SHARED, shared);
    bk_metrics_set(m, BK_METRIC_STATE_BYTES_SHARDS, bk_engine_bytes(&pl->engine) - shared);
    bk_metrics_set(m, BK_METRIC_STATE_BYTES_RANK, bk_ranker_bytes(pl->ranker));
    bk_metrics_set(m, BK_METRIC_STATE_BYTES_MAX, (uint64_t)pl->cfg.state_bytes_max);
    bk_metrics_set(m, BK_METRIC_STATE_SUBJECTS, subjects);
    bk_metrics_set(m, BK_METRIC_STATE_ITEMS, bk_table_top(&pl->engine.shared.items));
    for (enum bk_state_counter c = 0; c < BK_STATE_COUNTER_COUNT; c++)
        bk_metrics_set(m, BK_METRIC_STATE + c, bk_engine_counter(&pl->engine, c));
}

static void set_outside_gauges(struct bk_pipeline *pl)
{
    struct bk_metrics *m = &pl->metrics;
    struct bk_source_status source;
    struct bk_sink_status sink;
    pl->source->ops->status(pl->source, &source);
    pl->sink->ops->status(pl->sink, &sink);
    for (uint32_t outcome = 0; outcome < BK_OUTCOME_COUNT; outcome++)
        bk_metrics_set(m, BK_METRIC_REDIS_HELD + outcome, sink.held[outcome]);
    bk_metrics_set(m, BK_METRIC_REDIS_RECONNECTS, sink.reconnects);
    bk_metrics_set(m, BK_METRIC_REDIS_INFLIGHT, sink.inflight);
    bk_metrics_set(m, BK_METRIC_REDIS_INFLIGHT_BYTES, sink.inflight_bytes);
    bk_metrics_set(m, BK_METRIC_KAFKA_LAG,
                   source.lag_records < 0 ? 0 : (uint64_t)source.lag_records);
    bk_metrics_set(m, BK_METRIC_KAFKA_PARTITIONS, source.assigned);
    bk_metrics_set(m, BK_METRIC_KAFKA_ERRORS, source.errors);
    bk_metrics_set(m, BK_METRIC_KAFKA_RESTING, source.resting);
    bk_metrics_set(m, BK_METRIC_KAFKA_RESETS, source.offset_resets);
    bk_metrics_set(m, BK_METRIC_KAFKA_LOST, source.records_lost);
    for (int stage = 0; stage < BK_STAGE_COUNT; stage++)
        bk_metrics_set(m, BK_METRIC_HEALTH + (uint32_t)stage, pl->watch.stage[stage].health);
}

static void set_outbox_gauges(struct bk_pipeline *pl)
{
    struct bk_metrics *m = &pl->metrics;
    struct bk_outbox_status outbox;
    if (!pl->outbox) return;
    pl->outbox->ops->status(pl->outbox, &outbox);
    bk_metrics_set(m, BK_METRIC_OUTBOX_SENT, bk_outbox_sent(pl->outbox));
    bk_metrics_set(m, BK_METRIC_OUTBOX_ACKED, bk_outbox_acked(pl->outbox));
    bk_metrics_set(m, BK_METRIC_OUTBOX_FAILED, outbox.failed);
    bk_metrics_set(m, BK_METRIC_OUTBOX_WAITING, outbox.waiting);
    bk_metrics_set(m, BK_METRIC_OUTBOX_WAITING_BYTES, outbox.waiting_bytes);
}

const struct bk_metrics *bk_pipeline_metrics(struct bk_pipeline *pl)
{
    look(pl);
    set_state_gauges(pl);
    set_checkpoint_gauges(pl);
    set_outside_gauges(pl);
    set_outbox_gauges(pl);
    bk_metrics_set(&pl->metrics, BK_METRIC_LISTS_DIRTY, bk_publisher_waiting(pl->publisher));
    bk_metrics_set(&pl->metrics, BK_METRIC_ITEMS_DIRTY, bk_totals(&pl->engine.shared)->dirty_count);
    bk_metrics_set(&pl->metrics, BK_METRIC_UPTIME, (uint64_t)(pl->now.mono.ms - pl->started.ms));
    return &pl->metrics;
}
