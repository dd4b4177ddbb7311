/* pipeline.c -- the one file that knows every stage.
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
#include "basketry/pipeline.h"

#include "basketry/dead_letter.h"
#include "basketry/log.h"

#include <stdlib.h>

enum {
    PULL_PER_TURN = 128,
    SINK_AWAY_MS = 1000,
    HOLD_MS_MAX = 60000,
    REST_PAUSE_MS = 3000,
    WATCH_MS = 200,
    MERGE_BYTES_MAX = 512 << 10, /* BK_LINES_MAX lines with the longest ids, and the envelope */
    PARTITIONS_MAX = BK_SHARDS_MAX,
};

struct bk_pipeline {
    struct bk_config cfg;
    struct bk_engine engine;
    struct bk_ranker *ranker;
    struct bk_decoder *decoder;
    struct bk_publisher *publisher;
    struct bk_metrics metrics;
    struct bk_source *source;
    struct bk_sink *sink;
    struct bk_checkpoint *checkpoint; /* NULL: none */
    struct bk_generation loaded;      /* number 0: the engine began empty */
    bool holding;     /* nothing is published: the state is older than what readers have ... */
    bool muted;       /* for ever */
    bool hold_to_end; /* ... until the log's end at start was passed, or else ...            */
    int64_t hold_until[PARTITIONS_MAX]; /* ... these offsets */
    bk_mono_ms_t hold_from;
    struct bk_promotion *promotion; /* NULL: none is loading */
    uint64_t records;               /* of shop.events, since the start */
    bool refused;
    struct bk_reason refusal;
    struct bk_outbox *outbox; /* NULL: none */
    uint8_t *merge_bytes;
    void (*wake)(void *arg);
    void *wake_arg;
    bk_wall_ms_t (*wall)(void); /* of an answer, which comes between turns; NULL: the last turn's */
    struct bk_now now;
    enum bk_intake intake;
    bool closing;
    bk_mono_ms_t started;
    bk_mono_ms_t room_at;   /* when the sink last had room                                    */
    bk_mono_ms_t rested_at; /* since when intake rests */
    bk_mono_ms_t watch_at;  /* when the stages were last looked at */
    struct bk_watch watch;
    /* the last answer to a write was an error class: room may be one of a trial */
    bool write_refused;
    bk_mono_ms_t stream_at; /* when the stream's clock last moved                             */
    int64_t stream_ms;
    int32_t topic_partitions; /* of shop.events; 0: not known yet */
    uint32_t assigned, ended; /* partitions of shop.events                                      */
    bool is_assigned[PARTITIONS_MAX];
    bool has_ended[PARTITIONS_MAX];
    struct bk_log_gate bad_gate;
};

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

void bk_state_params_from_config(const struct bk_config *cfg, struct bk_state_params *params)
{
    uint32_t events = 1024;
    while (events * 2ll <= cfg->state_dedup_events) events *= 2; /* the ring wants a power of two */
    *params = (struct bk_state_params){
        .bytes_max = (uint64_t)cfg->state_bytes_max,
        .shards_max = (uint32_t)cfg->state_shards_max,
        .items_max = (uint32_t)cfg->state_items_max,
        .dedup_events = events,
        .pair_partners_max = (uint32_t)cfg->state_pair_partners_max,
        .receipt_lines_max = (uint32_t)cfg->state_receipt_lines_max,
        .postings_max = (uint32_t)cfg->state_postings_max,
        .pair_epoch_ms = cfg->state_pair_epoch,
        .popularity_epoch_ms = cfg->state_popularity_epoch,
        .session_gap_ms = cfg->session_gap,
        .session_events_max = (uint32_t)cfg->session_events_max,
        .cart_lines_max = (uint32_t)cfg->cart_lines_max,
        .history_items_max = (uint32_t)cfg->history_items_max,
        .segments_max = (uint32_t)cfg->segments_max,
        .consent_default = (enum bk_consent)(cfg->consent_default + BK_CONSENT_NONE),
        .time_ahead_max_ms = cfg->time_ahead_max,
    };
}

static const char *or_none(const char *text)
{
    return text[0] ? text : NULL;
}

struct bk_kafka_options bk_kafka_options_from_config(const struct bk_config *cfg)
{
    return (struct bk_kafka_options){
        .brokers = cfg->kafka_brokers,
        .group_id = cfg->kafka_group,
        .topics = {[BK_TOPIC_EVENTS] = cfg->kafka_topic_events,
                   [BK_TOPIC_PRODUCTS] = or_none(cfg->kafka_topic_products),
                   [BK_TOPIC_STOCK] = or_none(cfg->kafka_topic_stock),
                   [BK_TOPIC_CUSTOMERS] = or_none(cfg->kafka_topic_customers)},
        .properties = cfg->consumer_properties,
        .queued_kbytes_max = (uint32_t)(cfg->kafka_queued_bytes_max / 1024),
    };
}

static struct bk_publisher_options publisher_options(const struct bk_config *cfg)
{
    return (struct bk_publisher_options){
        .key_prefix = cfg->redis_key_prefix,
        .variant = "base",
        .config_version = (uint32_t)(bk_config_digest(cfg) & 0xffff),
        .size = (uint32_t)cfg->lists_size,
        .refresh_ms = cfg->lists_refresh,
        .email_ms = cfg->lists_email_interval,
        .item_interval_ms = cfg->lists_item_interval,
        .distinct_min = (uint32_t)cfg->privacy_distinct_min,
        .announce = cfg->lists_updates_channel,
        .waiting_max = (uint32_t)cfg->lists_waiting_max,
    };
}

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
    free(pl);
    *pipeline = NULL;
}

int bk_pipeline_attach(struct bk_pipeline *pl, struct bk_source *source, struct bk_sink *sink)
{
    struct bk_publisher_options options = publisher_options(&pl->cfg);
    pl->source = source;
    pl->sink = sink;
    pl->publisher = bk_publisher_create(&pl->engine, pl->ranker, sink, &pl->metrics, &options);
    return pl->publisher ? BK_OK : BK_ENOMEM;
}

int bk_pipeline_attach_outbox(struct bk_pipeline *pl, struct bk_outbox *outbox)
{
    pl->merge_bytes = malloc(MERGE_BYTES_MAX);
    if (!pl->merge_bytes) return BK_ENOMEM;
    pl->outbox = outbox;
    return BK_OK;
}

void bk_pipeline_reload(struct bk_pipeline *pl, const struct bk_config *cfg)
{
    pl->cfg.lists_refresh = cfg->lists_refresh;
    pl->cfg.lists_email_interval = cfg->lists_email_interval;
    pl->cfg.lists_item_interval = cfg->lists_item_interval;
    struct bk_publisher_options options = publisher_options(&pl->cfg);
    bk_publisher_set_options(pl->publisher, &options);
}

/* ---- the checkpoint ---- */

void bk_pipeline_attach_checkpoint(struct bk_pipeline *pl, struct bk_checkpoint *checkpoint,
                                   const struct bk_generation *loaded)
{
    pl->checkpoint = checkpoint;
    if (loaded) pl->loaded = *loaded;
    pl->holding = pl->hold_to_end = loaded != NULL;
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

static int32_t topic_partitions(struct bk_pipeline *pl)
{
    struct bk_source_status status;
    pl->source->ops->status(pl->source, &status);
    return status.topic_partitions;
}

/* Keys move when a topic gets more partitions: a subject's state would lie where its events no
 * longer come. */
static bool fits_the_topic(struct bk_pipeline *pl)
{
    int32_t now = topic_partitions(pl), then = pl->loaded.topic_partitions;
    if (!now || !then || now == then) return true;
    pl->refused = true;
    bk_reason_set(&pl->refusal, BK_EUNSUPPORTED,
                  "%s has %d partitions, the checkpoint was made with %d: its keys lie elsewhere "
                  "now; run `basketry replay --from earliest`, or start with an empty "
                  "checkpoint.dir",
                  pl->cfg.kafka_topic_events, now, then);
    return false;
}

static void step_checkpoint(struct bk_pipeline *pl)
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
    for (int32_t p = 0; p < PARTITIONS_MAX; p++) {
        if (!pl->hold_until[p] || !pl->is_assigned[p]) continue;
        const struct bk_shard *shard = pl->engine.shards[p];
        if (!shard || bk_shard_totals(shard)->next_offset < pl->hold_until[p]) return false;
    }
    return true;
}

/* After a restart the state is a little older than what readers have: it catches up unseen. */
static void decide_hold(struct bk_pipeline *pl)
{
    if (!pl->holding || pl->muted) return;
    if (!pl->hold_from.ms) pl->hold_from = pl->now.mono;
    int64_t held_ms = pl->now.mono.ms - pl->hold_from.ms;
    bool passed = pl->hold_to_end ? bk_pipeline_has_ended(pl) : has_passed(pl);
    if (!passed && !pl->closing && held_ms < HOLD_MS_MAX) return;
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
    for (int32_t p = 0; p < PARTITIONS_MAX; p++)
        pl->hold_until[p] = p < pl->engine.shard_top && pl->engine.shards[p] && pl->is_assigned[p]
                                ? bk_shard_totals(pl->engine.shards[p])->next_offset
                                : 0;
    bk_engine_adopt(&pl->engine, bk_promotion_engine(pl->promotion));
    pl->loaded = *generation;
    pl->holding = true;
    pl->hold_to_end = false;
    pl->hold_from = pl->now.mono;
    pl->source->ops->restart(pl->source);
    bk_publisher_connected(pl->publisher, true); /* every list is written anew */
    bk_checkpoint_ask(pl->checkpoint);
    bk_log_info("pipeline", "promoted generation=%s", generation->name);
}

static void step_promotion(struct bk_pipeline *pl)
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

/* ---- records come in ---- */

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
    size_t len = bk_encode_event(merge, pl->merge_bytes, MERGE_BYTES_MAX);
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
    if (applied.erased)
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
    if (shard) bk_shard_pass(shard, record->offset);
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

static void on_record(void *arg, const struct bk_record *record)
{
    struct bk_pipeline *pl = arg;
    pl->records += record->topic == BK_TOPIC_EVENTS;
    struct bk_verdict verdict = take(pl, record);
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
    if (topic != BK_TOPIC_EVENTS) return BK_OFFSET_BEGINNING;
    if (!fits_the_topic(pl)) return BK_OFFSET_REFUSED;
    pl->topic_partitions = topic_partitions(pl);
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
    return next ? next : BK_OFFSET_BEGINNING;
}

static void on_revoked(void *arg, enum bk_topic topic, int32_t partition)
{
    struct bk_pipeline *pl = arg;
    if (topic != BK_TOPIC_EVENTS || partition >= PARTITIONS_MAX || !pl->is_assigned[partition])
        return;
    pl->is_assigned[partition] = false;
    pl->engine.shards[partition]->away = true;
    pl->assigned--;
    if (pl->has_ended[partition]) pl->ended--;
    pl->has_ended[partition] = false;
}

static void on_reached_end(void *arg, enum bk_topic topic, int32_t partition)
{
    struct bk_pipeline *pl = arg;
    if (topic != BK_TOPIC_EVENTS || partition >= PARTITIONS_MAX || pl->has_ended[partition]) return;
    pl->has_ended[partition] = true;
    pl->ended++;
}

static void on_wake(void *arg)
{
    struct bk_pipeline *pl = arg;
    pl->wake(pl->wake_arg);
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
                                     .reached_end = on_reached_end,
                                     .wake = on_wake};
}

/* ---- answers come back ---- */

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
        .arg = pl, .outcome = on_outcome, .wake = on_wake, .connected = on_connected};
}

struct bk_outbox_events bk_pipeline_outbox_events(struct bk_pipeline *pl)
{
    return (struct bk_outbox_events){.arg = pl, .wake = on_wake};
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

static void decide_intake(struct bk_pipeline *pl)
{
    enum bk_intake before = pl->intake;
    if (pl->closing)
        pl->intake = BK_INTAKE_CLOSING;
    else if (pl->now.mono.ms - pl->room_at.ms > SINK_AWAY_MS)
        pl->intake = BK_INTAKE_SINK;
    else if (!pl->holding &&
             bk_publisher_waiting(pl->publisher) >= (uint32_t)pl->cfg.lists_waiting_max)
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
    bool trial = pl->write_refused && bk_publisher_waiting(pl->publisher);
    if (!trial && bk_sink_room(pl->sink)) pl->room_at = pl->now.mono;
}

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

static void look_sometimes(struct bk_pipeline *pl)
{
    if (pl->watch_at.ms && pl->now.mono.ms - pl->watch_at.ms < WATCH_MS) return;
    pl->watch_at = pl->now.mono;
    look(pl);
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

static bool publish(struct bk_pipeline *pl)
{
    return pl->holding ? false : bk_publisher_turn(pl->publisher, &pl->now);
}

/* What was just pulled is ranked at its own time: the clocks go on first. */
static bool publish_pulled(struct bk_pipeline *pl, bk_mono_ms_t mono, bk_wall_ms_t wall_ms)
{
    set_clocks(pl, mono, wall_ms);
    decide_hold(pl);
    return publish(pl);
}

bool bk_pipeline_turn(struct bk_pipeline *pl, bk_mono_ms_t mono, bk_wall_ms_t wall_ms)
{
    bk_mono_ms_t last = pl->now.mono;
    enum bk_intake before = pl->intake;
    set_clocks(pl, mono, wall_ms);
    note_room(pl);
    decide_hold(pl);
    bool more = publish(pl); /* 1. push out what is ready */
    note_room(pl);
    decide_intake(pl); /* 2. is there room? */
    note_rest(pl, before, last);
    size_t took = pull(pl); /* 3. pull no more */
    look_sometimes(pl);
    /* Catching up: first what happened, then what it changed. */
    bool behind = took == PULL_PER_TURN;
    if (took && !behind) more = publish_pulled(pl, mono, wall_ms); /* 4. what it changed */
    step_promotion(pl);
    step_checkpoint(pl);   /* 5. is it time? */
    return more || behind; /* 6. is there more? */
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
    return !pl->holding && written && bk_publisher_is_idle(pl->publisher);
}

bool bk_pipeline_is_done(const struct bk_pipeline *pl)
{
    return bk_pipeline_has_ended(pl) && bk_pipeline_is_idle(pl);
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
