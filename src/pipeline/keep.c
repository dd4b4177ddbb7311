/* keep.c -- what is kept: when a generation is written and of what, what readers do not see while the
 * state catches up with what they have, and another generation in the running one's place.
 */
#include "internal.h"

enum { HOLD_MS_MAX = 60000 };

/* What was loaded is ours to publish only where the partition is assigned to us. */
static void send_away(struct bk_engine *engine)
{
    for (int32_t p = 0; p < engine->shard_top; p++)
        if (engine->shards[p]) engine->shards[p]->away = true;
}

void bk_pipeline_attach_checkpoint(struct bk_pipeline *pl, struct bk_checkpoint *checkpoint,
                                   const struct bk_generation *loaded)
{
    pl->checkpoint = checkpoint;
    if (loaded) pl->loaded = *loaded;
    pl->holding = pl->hold_to_end = loaded != NULL;
    send_away(&pl->engine);
}

void bk_pipeline_mute(struct bk_pipeline *pl)
{
    pl->holding = pl->muted = true;
}

bool bk_pipeline_has_ended(const struct bk_pipeline *pl)
{
    return pl->assigned && pl->ended == pl->assigned;
}

const struct bk_reason *bk_pipeline_refusal(const struct bk_pipeline *pl)
{
    return pl->refused ? &pl->refusal : NULL;
}

int32_t bk__topic_partitions(struct bk_pipeline *pl)
{
    struct bk_source_status status;
    pl->source->ops->status(pl->source, &status);
    return status.topic_partitions;
}

/* Keys move when a topic gets more partitions: a subject's state would lie where its events no
 * longer come. */
bool bk__fits_the_topic(struct bk_pipeline *pl, int32_t partition)
{
    int32_t now = bk__topic_partitions(pl), then = pl->loaded.topic_partitions;
    if (partition >= now) now = partition + 1; /* it grew since it was asked */
    if (!now || !then || now == then) return true;
    pl->refused = true;
    bk_reason_set(&pl->refusal, BK_EUNSUPPORTED,
                  "%s has %d partitions, the checkpoint was made with %d: its keys lie elsewhere "
                  "now; build the state anew with `basketry replay --in-place`",
                  pl->cfg.kafka_topic_events, now, then);
    return false;
}

void bk__step_checkpoint(struct bk_pipeline *pl)
{
    if (!pl->checkpoint) return;
    struct bk_promises letters = {0};
    if (pl->outbox)
        letters = (struct bk_promises){bk_outbox_sent(pl->outbox), bk_outbox_acked(pl->outbox)};
    struct bk_checkpoint_turn turn = {.mono = pl->now.mono,
                                      .wall_ms = pl->now.wall_ms,
                                      .records = pl->records,
                                      .topic_partitions = pl->topic_partitions,
                                      .letters = letters,
                                      .erasures = bk_publisher_erasures(pl->publisher)};
    bk_checkpoint_step(pl->checkpoint, &pl->engine, &turn);
}

static bool has_passed(const struct bk_pipeline *pl)
{
    for (int32_t p = 0; p < BK__PARTITIONS_MAX; p++) {
        if (!pl->hold_until[p] || !pl->is_assigned[p]) continue;
        const struct bk_shard *shard = pl->engine.shards[p];
        if (!shard || bk_shard_totals(shard)->next_offset < pl->hold_until[p]) return false;
    }
    return true;
}

/* After a restart the state is a little older than what readers have: it catches up unseen. A
 * promoted one may be months behind: it takes the time it needs, as long as it gets on. */
void bk__decide_hold(struct bk_pipeline *pl)
{
    if (!pl->holding || pl->muted) return;
    if (!pl->hold_from.ms) pl->hold_from = pl->hold_moved = pl->now.mono;
    if (!pl->hold_to_end && pl->records != pl->hold_records) pl->hold_moved = pl->now.mono;
    pl->hold_records = pl->records;
    int64_t held_ms = pl->now.mono.ms - pl->hold_from.ms;
    int64_t still_ms = pl->now.mono.ms - pl->hold_moved.ms;
    bool passed = pl->hold_to_end ? bk_pipeline_has_ended(pl) : has_passed(pl);
    if (!passed && still_ms < HOLD_MS_MAX) return;
    pl->holding = false;
    bk_log_info("pipeline", "publishing_begins after_ms=%lld caught_up=%s", (long long)held_ms,
                passed ? "yes" : "no");
}

/* ---- promotion ---- */

int bk_pipeline_promote(struct bk_pipeline *pl, const char *name, struct bk_reason *reason)
{
    if (!pl->checkpoint || !pl->source->ops->restart)
        return bk_reason_set(reason, BK_EUNAVAILABLE,
                             "nothing can be promoted without a checkpoint.dir and Kafka");
    if (pl->promotion)
        return bk_reason_set(reason, BK_EAGAIN, "another generation is being promoted");
    pl->promotion = bk_promotion_begin(pl->cfg.checkpoint_dir, name, &pl->engine.params, reason);
    return pl->promotion ? BK_OK : BK_ENOMEM;
}

/* The loaded engine takes the running one's place; reading goes back to where it stands, and readers
 * keep what they have until it has passed what they know. */
static void adopt(struct bk_pipeline *pl, const struct bk_generation *generation)
{
    bk_checkpoint_cancel(pl->checkpoint);
    for (int32_t p = 0; p < BK__PARTITIONS_MAX; p++)
        pl->hold_until[p] = p < pl->engine.shard_top && pl->engine.shards[p] && pl->is_assigned[p]
                                ? bk_shard_totals(pl->engine.shards[p])->next_offset
                                : 0;
    bk_engine_adopt(&pl->engine, bk_promotion_engine(pl->promotion));
    send_away(&pl->engine);
    pl->loaded = *generation;
    pl->holding = true;
    pl->hold_to_end = false;
    pl->hold_from = pl->hold_moved = pl->now.mono;
    pl->source->ops->restart(pl->source);
    bk_publisher_connected(pl->publisher, true); /* every list is written anew */
    bk_checkpoint_ask(pl->checkpoint);
    bk_log_info("pipeline", "promoted generation=%s", generation->name);
}

void bk__step_promotion(struct bk_pipeline *pl)
{
    struct bk_generation generation;
    struct bk_reason reason = {{0}};
    if (!pl->promotion) return;
    int err = bk_promotion_poll(pl->promotion, &generation, &reason);
    if (err == BK_EAGAIN) return;
    if (err == BK_OK)
        adopt(pl, &generation);
    else
        bk_log_error("pipeline", "promotion_failed err=\"%s\" action=keep_the_running_state",
                     reason.text);
    bk_promotion_end(&pl->promotion);
}
