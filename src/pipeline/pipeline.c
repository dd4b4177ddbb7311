/* pipeline.c -- the stages wired together, and the turn. This folder is the one that knows them all.
 *
 *   source ─► decode ─► apply ─► (dirty) ─► publisher ─► sink
 *                  └──────┴────► outbox (dead letters, merges)
 *
 * A turn publishes before it pulls, so that back-pressure is seen first, and publishes again what
 * the pull changed, so that a fresh event does not wait for the next turn. Intake rests when too
 * many lists wait or Redis has taken nothing for a second: what waits are bits, so resting is about
 * freshness of what is published first, not about memory. After REST_PAUSE_MS of rest the source is
 * paused, which lets go of what was prefetched, and pulled all the same: rebalances go on.
 */
#include "internal.h"

#include <stdlib.h>

enum { PULL_PER_TURN = 128, SINK_AWAY_MS = 1000, REST_PAUSE_MS = 3000 };

const char *bk_intake_word(enum bk_intake intake)
{
    static const char *const words[] = {
#define X(name, word, health, text) word,
        BK_INTAKE_TABLE(X)
#undef X
    };
    return (size_t)intake < BK_COUNTOF(words) ? words[intake] : "?";
}

enum bk_health bk_intake_health(enum bk_intake intake)
{
    static const enum bk_health healths[] = {
#define X(name, word, health, text) health,
        BK_INTAKE_TABLE(X)
#undef X
    };
    return (size_t)intake < BK_COUNTOF(healths) ? healths[intake] : BK_HEALTH_DOWN;
}

/* ---- making ---- */

struct bk_pipeline *bk_pipeline_create(const struct bk_config *cfg, struct bk_reason *reason)
{
    struct bk_pipeline *pl = calloc(1, sizeof *pl);
    if (!pl) {
        bk_reason_set(reason, BK_ENOMEM, "no memory for the pipeline");
        return NULL;
    }
    pl->cfg = *cfg;
    struct bk_state_params params;
    bk_state_params_from_config(cfg, &params);
    if (params.bytes_max / 2 / params.shards_max < 2 * BK_SHARD_BYTES_MIN) {
        bk_reason_set(reason, BK_EINVAL,
                      "state.bytes_max=%lld is too little for state.shards_max=%lld partitions: "
                      "half of it is divided among them, %d kB each at least",
                      (long long)cfg->state_bytes_max, (long long)cfg->state_shards_max,
                      2 * BK_SHARD_BYTES_MIN >> 10);
        bk_pipeline_destroy(&pl);
        return NULL;
    }
    struct bk_weights weights;
    bk_weights_default(&weights);
    if (bk_weights_parse(&weights, cfg->rank_weights, reason) != BK_OK) {
        bk_pipeline_destroy(&pl);
        return NULL;
    }
    if (bk_engine_init(&pl->engine, &params) != BK_OK ||
        !(pl->ranker = bk_ranker_create(&pl->engine, &weights))) {
        bk_reason_set(reason, BK_ENOMEM, "state.bytes_max=%lld cannot be reserved",
                      (long long)cfg->state_bytes_max);
        bk_pipeline_destroy(&pl);
        return NULL;
    }
    pl->decoder = bk_decoder_create(cfg->decode_schemas_dir[0] ? cfg->decode_schemas_dir : NULL,
                                    (uint32_t)cfg->decode_bytes_max, reason);
    if (!pl->decoder) bk_pipeline_destroy(&pl);
    return pl;
}

void bk_pipeline_destroy(struct bk_pipeline **pipeline)
{
    struct bk_pipeline *pl = *pipeline;
    if (!pl) return;
    bk_promotion_end(&pl->promotion);
    bk_publisher_destroy(&pl->publisher);
    bk_decoder_destroy(&pl->decoder);
    bk_ranker_destroy(&pl->ranker);
    bk_engine_deinit(&pl->engine);
    free(pl->merge_bytes);
    free(pl->facts.named);
    free(pl);
    *pipeline = NULL;
}

int bk_pipeline_attach(struct bk_pipeline *pl, struct bk_source *source, struct bk_sink *sink)
{
    struct bk_publisher_options options = bk__publisher_options(&pl->cfg);
    pl->source = source;
    pl->sink = sink;
    pl->publisher = bk_publisher_create(&pl->engine, pl->ranker, sink, &pl->metrics, &options);
    return pl->publisher ? BK_OK : BK_ENOMEM;
}

int bk_pipeline_attach_outbox(struct bk_pipeline *pl, struct bk_outbox *outbox)
{
    pl->merge_bytes = malloc(BK__MERGE_BYTES_MAX);
    if (!pl->merge_bytes) return BK_ENOMEM;
    pl->outbox = outbox;
    return BK_OK;
}

void bk_pipeline_reload(struct bk_pipeline *pl, const struct bk_config *cfg)
{
    pl->cfg.lists_refresh = cfg->lists_refresh;
    pl->cfg.lists_email_interval = cfg->lists_email_interval;
    pl->cfg.lists_item_interval = cfg->lists_item_interval;
    struct bk_publisher_options options = bk__publisher_options(&pl->cfg);
    bk_publisher_set_options(pl->publisher, &options);
}

/* ---- answers come back ---- */

void bk__wake(void *arg)
{
    struct bk_pipeline *pl = arg;
    pl->wake(pl->wake_arg);
}

static void on_outcome(void *arg, const struct bk_ticket *ticket, enum bk_outcome outcome)
{
    struct bk_pipeline *pl = arg;
    if (outcome == BK_OUTCOME_STORED)
        pl->write_refused = false;
    else if (outcome != BK_OUTCOME_UNKNOWN && bk_outcome_retry(outcome))
        pl->write_refused = true;
    bk_publisher_outcome(pl->publisher, ticket, outcome, pl->wall ? pl->wall() : pl->now.wall_ms);
}

static void on_connected(void *arg, bool fresh)
{
    struct bk_pipeline *pl = arg;
    bk_publisher_connected(pl->publisher, fresh);
    pl->wake(pl->wake_arg);
}

struct bk_sink_events bk_pipeline_sink_events(struct bk_pipeline *pl, bk_wall_ms_t (*wall)(void))
{
    pl->wall = wall;
    return (struct bk_sink_events){
        .arg = pl, .outcome = on_outcome, .wake = bk__wake, .connected = on_connected};
}

struct bk_outbox_events bk_pipeline_outbox_events(struct bk_pipeline *pl)
{
    return (struct bk_outbox_events){.arg = pl, .wake = bk__wake};
}

/* ---- the turn ---- */

/* Event time goes on with the clock between events, so that a session ends on a quiet night too. */
static void set_clocks(struct bk_pipeline *pl, bk_mono_ms_t mono, bk_wall_ms_t wall_ms)
{
    if (!pl->started.ms) pl->started = pl->room_at = mono;
    int64_t newest = bk_totals(&pl->engine.shared)->time_max_ms;
    if (newest > pl->stream_ms) {
        pl->stream_ms = newest;
        pl->stream_at = mono;
    }
    pl->now = (struct bk_now){mono, wall_ms,
                              pl->stream_ms + (pl->stream_ms ? mono.ms - pl->stream_at.ms : 0)};
}

static void note_rest(struct bk_pipeline *pl, enum bk_intake before, bk_mono_ms_t last)
{
    bool rested = before != BK_INTAKE_FLOWING && before != BK_INTAKE_CLOSING;
    if (rested)
        bk_metrics_add(&pl->metrics, BK_METRIC_PAUSED_TIME, (uint64_t)(pl->now.mono.ms - last.ms));
    if (!rested) pl->rested_at = pl->now.mono;
}

/* Shoppers whose lists could be written or erased now, if there were room. */
static uint32_t waiting(const struct bk_pipeline *pl)
{
    uint32_t lists = pl->holding ? 0 : bk_publisher_waiting(pl->publisher);
    return lists + bk_publisher_erasing(pl->publisher);
}

static void decide_intake(struct bk_pipeline *pl)
{
    enum bk_intake before = pl->intake;
    if (pl->closing)
        pl->intake = BK_INTAKE_CLOSING;
    else if (pl->now.mono.ms - pl->room_at.ms > SINK_AWAY_MS)
        pl->intake = BK_INTAKE_SINK;
    else if (waiting(pl) >= (uint32_t)pl->cfg.lists_waiting_max)
        pl->intake = BK_INTAKE_WINDOW;
    else if (pl->refused)
        pl->intake = BK_INTAKE_REFUSED;
    else if (pl->checkpoint && bk_checkpoint_wants_rest(pl->checkpoint))
        pl->intake = BK_INTAKE_CHECKPOINT;
    else if (pl->outbox && !bk_outbox_room(pl->outbox))
        pl->intake = BK_INTAKE_OUTBOX;
    else
        pl->intake = BK_INTAKE_FLOWING;
    if (pl->intake == before) return;
    if (pl->intake == BK_INTAKE_WINDOW) bk_metrics_add(&pl->metrics, BK_METRIC_PAUSES_WINDOW, 1);
    if (pl->intake == BK_INTAKE_OUTBOX) bk_metrics_add(&pl->metrics, BK_METRIC_PAUSES_LETTERS, 1);
    if (pl->intake == BK_INTAKE_SINK) {
        bk_metrics_add(&pl->metrics, BK_METRIC_PAUSES_OUTAGE, 1);
        bk_log_warn("pipeline", "intake_rests reason=%s", bk_intake_word(pl->intake));
    }
    if (before == BK_INTAKE_SINK)
        bk_log_info("pipeline", "intake_resumes now=%s", bk_intake_word(pl->intake));
}

/* A sink that answers has room before the turn fills it again, or after. The room of a trial is not
 * room: it ends with the first write that is taken, or when nothing is left to try. */
static void note_room(struct bk_pipeline *pl)
{
    bool trial = pl->write_refused && waiting(pl);
    if (!trial && bk_sink_room(pl->sink)) pl->room_at = pl->now.mono;
}

/* Never more at once than the outbox has room for, should all of it be bad. */
static size_t pull_within_room(struct bk_pipeline *pl)
{
    if (!pl->outbox) return bk_source_pull(pl->source, PULL_PER_TURN);
    size_t took = 0, most, got;
    do {
        most = bk_min_u64(bk_outbox_room(pl->outbox), PULL_PER_TURN - took);
        got = most ? bk_source_pull(pl->source, most) : 0;
        took += got;
    } while (got && got == most && took < PULL_PER_TURN);
    return took;
}

/* Records if intake flows; rebalances and the like in a long rest as well. */
static size_t pull(struct bk_pipeline *pl)
{
    bool flowing = pl->intake == BK_INTAKE_FLOWING;
    bool long_rest = !flowing && pl->intake != BK_INTAKE_CLOSING &&
                     pl->now.mono.ms - pl->rested_at.ms > REST_PAUSE_MS;
    pl->source->ops->pause(pl->source, long_rest);
    if (flowing) return pull_within_room(pl);
    return long_rest ? bk_source_pull(pl->source, PULL_PER_TURN)
                     : 0; /* paused: it has no records */
}

/* While lists are held back, what must go still goes. */
static bool publish(struct bk_pipeline *pl)
{
    if (!pl->holding) return bk_publisher_turn(pl->publisher, &pl->now);
    bk_publisher_send_erasures(pl->publisher);
    return false;
}

/* What was just pulled is ranked at its own time: the clocks go on first. */
static bool publish_pulled(struct bk_pipeline *pl, bk_mono_ms_t mono, bk_wall_ms_t wall_ms)
{
    set_clocks(pl, mono, wall_ms);
    bk__decide_hold(pl);
    return publish(pl);
}

bool bk_pipeline_turn(struct bk_pipeline *pl, bk_mono_ms_t mono, bk_wall_ms_t wall_ms)
{
    bk_mono_ms_t last = pl->now.mono;
    enum bk_intake before = pl->intake;
    set_clocks(pl, mono, wall_ms);
    note_room(pl);
    bk__decide_hold(pl);
    bool more = publish(pl); /* 1. push out what is ready */
    note_room(pl);
    decide_intake(pl); /* 2. is there room? */
    note_rest(pl, before, last);
    size_t took = pull(pl); /* 3. pull no more */
    bk__look_sometimes(pl);
    /* Catching up: first what happened, then what it changed. */
    bool behind = took == PULL_PER_TURN;
    if (took && !behind) more = publish_pulled(pl, mono, wall_ms); /* 4. what it changed */
    bk__step_promotion(pl);
    bk__step_checkpoint(pl); /* 5. is it time? */
    return more || behind;   /* 6. is there more? */
}

void bk_pipeline_note_turn(struct bk_pipeline *pl, int64_t took_us)
{
    bk_histogram_add(&pl->metrics.histogram[BK_HISTOGRAM_TURN], took_us);
}

void bk_pipeline_close_intake(struct bk_pipeline *pl)
{
    pl->closing = true;
    if (pl->publisher) bk_publisher_finish(pl->publisher);
}

bool bk_pipeline_is_idle(const struct bk_pipeline *pl)
{
    bool written = !pl->outbox || bk_outbox_is_idle(pl->outbox);
    /* Who closes before it has caught up leaves readers the newer lists that they have. */
    bool published = pl->holding ? pl->closing : bk_publisher_is_idle(pl->publisher);
    return written && published;
}

bool bk_pipeline_is_done(const struct bk_pipeline *pl)
{
    return bk_pipeline_has_ended(pl) && !pl->holding && bk_pipeline_is_idle(pl);
}

/* ---- looking in ---- */

struct bk_engine *bk_pipeline_engine(struct bk_pipeline *pl)
{
    return &pl->engine;
}

struct bk_ranker *bk_pipeline_ranker(struct bk_pipeline *pl)
{
    return pl->ranker;
}

struct bk_publisher *bk_pipeline_publisher(struct bk_pipeline *pl)
{
    return pl->publisher;
}

struct bk_source *bk_pipeline_source(struct bk_pipeline *pl)
{
    return pl->source;
}

struct bk_sink *bk_pipeline_sink(struct bk_pipeline *pl)
{
    return pl->sink;
}

struct bk_outbox *bk_pipeline_outbox(struct bk_pipeline *pl)
{
    return pl->outbox;
}

enum bk_intake bk_pipeline_intake(const struct bk_pipeline *pl)
{
    return pl->intake;
}

const struct bk_watch *bk_pipeline_watch(const struct bk_pipeline *pl)
{
    return &pl->watch;
}

struct bk_now bk_pipeline_now(const struct bk_pipeline *pl)
{
    return pl->now;
}

struct bk_checkpoint *bk_pipeline_checkpoint(struct bk_pipeline *pl)
{
    return pl->checkpoint;
}
