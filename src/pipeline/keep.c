/* keep.c -- what is kept: when a generation is written and of what, what readers do not see while the
 * state catches up with what they have, and another generation in the running one's place.
 */
#include "internal.h"

enum { HOLD_MS_MAX = 60000 };

/* What was loaded is ours to publish only where the partition is assigned to us; and it has seen
 * where its logs begin. */
static void take_in(struct bk_pipeline *pl)
{
    for (int32_t p = 0; p < BK__PARTITIONS_MAX; p++) {
        struct bk_shard *shard = pl->engine.shards[p];
        pl->begun[p] = shard != NULL;
        if (shard) shard->away = true;
    }
}

void bk_pipeline_attach_checkpoint(struct bk_pipeline *pl, struct bk_checkpoint *checkpoint,
                                   const struct bk_generation *loaded)
{
    pl->checkpoint = checkpoint;
    if (loaded) pl->topic_partitions = loaded->topic_partitions;
    pl->holding = pl->hold_to_end = loaded != NULL;
    take_in(pl);
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
 * longer come. 0: not known. */
static int fits(const struct bk_pipeline *pl, int32_t now, int32_t then, struct bk_reason *reason)
{
    if (!now || !then || now == then) return BK_OK;
    return bk_reason_set(reason, BK_EUNSUPPORTED,
                         "%s has %d partitions, the state was made with %d: its keys lie elsewhere "
                         "now; build it anew with `basketry replay --in-place`",
                         pl->cfg.kafka_topic_events, now, then);
}

bool bk__fits_the_topic(struct bk_pipeline *pl, int32_t partition)
{
    int32_t now = bk__topic_partitions(pl), known = now ? now : pl->topic_partitions;
    if (known && partition >= known) now = partition + 1; /* it grew since it was asked */
    if (fits(pl, now, pl->topic_partitions, &pl->refusal) != BK_OK) {
        pl->refused = true;
        return false;
    }
    if (now) pl->topic_partitions = now;
    return true;
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

static int64_t next_of(const struct bk_pipeline *pl, int32_t p)
{
    const struct bk_shard *shard = p < pl->engine.shard_top ? pl->engine.shards[p] : NULL;
    return shard ? bk_shard_totals(shard)->next_offset : 0;
}

static bool is_behind(const struct bk_pipeline *pl, int32_t p)
{
    if (!pl->is_assigned[p]) return false;
    return (pl->hold_to_end && !pl->has_ended[p]) || next_of(pl, p) < pl->hold_until[p];
}

/* How many of our partitions are behind what readers have; *place goes on with any of these. */
static uint32_t count_behind(const struct bk_pipeline *pl, int64_t *place)
{
    uint32_t behind = 0;
    *place = 0;
    for (int32_t p = 0; p < BK__PARTITIONS_MAX; p++) {
        if (!is_behind(pl, p)) continue;
        behind++;
        *place += next_of(pl, p);
    }
    return behind;
}

/* What was loaded or promoted is older than what readers have, by a moment or by months: it catches
 * up unseen and takes the time it needs, as long as it gets on. While Redis is away nothing is read,
 * and nobody could be shown anything. */
void bk__decide_hold(struct bk_pipeline *pl)
{
    int64_t place;
    if (!pl->holding || pl->muted) return;
    if (!pl->hold_from.ms) pl->hold_from = pl->hold_moved = pl->now.mono;
    bool passed = !count_behind(pl, &place) && pl->assigned;
    if (place != pl->hold_place || pl->intake == BK_INTAKE_SINK) pl->hold_moved = pl->now.mono;
    pl->hold_place = place;
    int64_t held_ms = pl->now.mono.ms - pl->hold_from.ms;
    int64_t still_ms = pl->now.mono.ms - pl->hold_moved.ms;
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

/* All that the running state has passed; while that one was still catching up, what it had to pass. */
static void note_what_readers_have(struct bk_pipeline *pl)
{
    pl->hold_to_end = pl->holding && pl->hold_to_end;
    for (int32_t p = 0; p < BK__PARTITIONS_MAX; p++)
        pl->hold_until[p] = bk_max_i64(pl->holding ? pl->hold_until[p] : 0, next_of(pl, p));
}

/* The loaded engine takes the running one's place; reading goes back to where it stands, and readers
 * keep what they have until it has passed what they know. */
static void adopt(struct bk_pipeline *pl, const struct bk_generation *generation)
{
    bk_checkpoint_cancel(pl->checkpoint);
    note_what_readers_have(pl);
    bk_engine_adopt(&pl->engine, bk_promotion_engine(pl->promotion));
    take_in(pl);
    pl->topic_partitions = generation->topic_partitions;
    pl->holding = true;
    pl->hold_from = pl->hold_moved = pl->now.mono;
    pl->source->ops->restart(pl->source);
    bk_publisher_connected(pl->publisher, true); /* every list is written anew */
    bk_checkpoint_ask(pl->checkpoint);
    bk_log_info("pipeline", "promoted generation=%s", generation->name);
}

/* What happens once at a record -- a letter, a merge, an erasure -- is the running state's to do: a
 * replay does none of it. A generation that has read further waits until this state was there. */
static bool is_ahead(const struct bk_pipeline *pl, const struct bk_engine *engine)
{
    for (int32_t p = 0; p < engine->shard_top; p++)
        if (engine->shards[p] && pl->is_assigned[p] &&
            bk_shard_totals(engine->shards[p])->next_offset > next_of(pl, p))
            return true;
    return false;
}

void bk__step_promotion(struct bk_pipeline *pl)
{
    struct bk_generation generation;
    struct bk_reason reason = {{0}};
    if (!pl->promotion) return;
    int err = bk_promotion_poll(pl->promotion, &generation, &reason);
    if (err == BK_EAGAIN) return;
    if (err == BK_OK && is_ahead(pl, bk_promotion_engine(pl->promotion))) return;
    if (err == BK_OK)
        err = fits(pl, bk__topic_partitions(pl), generation.topic_partitions, &reason);
    if (err == BK_OK)
        adopt(pl, &generation);
    else
        bk_log_error("pipeline", "promotion_failed err=\"%s\" action=keep_the_running_state",
                     reason.text);
    bk_promotion_end(&pl->promotion);
}
