/* pipeline.h -- the stages wired together, and one turn of the whole.
 *
 * The pipeline owns engine, ranker, decoder, publisher and counters; source and sink are made by
 * the owner with the callbacks given here, so that `run` joins Kafka and Redis on a libuv loop and
 * a test joins a file and a simulated sink with a clock of its own. Nothing in it knows a loop: it
 * is turned.
 */
#ifndef BASKETRY_PIPELINE_H
#define BASKETRY_PIPELINE_H

#include "basketry/checkpoint.h"
#include "basketry/config.h"
#include "basketry/decode.h"
#include "basketry/metrics.h"
#include "basketry/outbox.h"
#include "basketry/publisher.h"
#include "basketry/source.h"
#include "basketry/watch.h"

#ifdef __cplusplus
extern "C" {
#endif

/* clang-format off */
/*       enum                  word            health              what it means */
#define BK_INTAKE_TABLE(X)                                                                                       \
    X(BK_INTAKE_FLOWING,       "flowing",      BK_HEALTH_OK,       "records are pulled as they come")            \
    X(BK_INTAKE_WINDOW,        "window_full",  BK_HEALTH_OK,       "more shoppers' lists wait for Redis than lists.waiting_max allows") \
    X(BK_INTAKE_SINK,          "redis_away",   BK_HEALTH_DOWN,     "Redis took nothing for a second: frozen, refusing or gone") \
    X(BK_INTAKE_CHECKPOINT,    "checkpoint",   BK_HEALTH_DEGRADED, "the checkpoint's writer cannot follow: copies near checkpoint.copy_bytes_max") \
    X(BK_INTAKE_REFUSED,       "refused",      BK_HEALTH_DOWN,     "the log does not fit the checkpoint: the process says why and ends") \
    X(BK_INTAKE_OUTBOX,        "outbox_full",  BK_HEALTH_DOWN,     "dead letters and merges wait for Kafka: kafka.outbox_*_max is reached") \
    X(BK_INTAKE_CLOSING,       "closing",      BK_HEALTH_OK,       "shutting down: what is in hand is finished, nothing new begins")
/* clang-format on */

enum bk_intake {
#define X(name, word, health, text) name,
    BK_INTAKE_TABLE(X)
#undef X
};
const char *bk_intake_word(enum bk_intake intake);
enum bk_health bk_intake_health(enum bk_intake intake);

struct bk_pipeline;

/** All stages of a configuration, without source and sink. NULL with a reason. */
struct bk_pipeline *bk_pipeline_create(const struct bk_config *cfg, struct bk_reason *reason);
/** Source and sink must be closed. */
void bk_pipeline_destroy(struct bk_pipeline **pipeline);

/** The callbacks to make a source and a sink with. `wake` is called when a turn is worth taking;
 *  `wall` gives the time of an answer, which comes between turns (NULL: the last turn's time is
 *  taken). */
struct bk_source_events bk_pipeline_source_events(struct bk_pipeline *pipeline,
                                                  void (*wake)(void *arg), void *arg);
struct bk_sink_events bk_pipeline_sink_events(struct bk_pipeline *pipeline,
                                              bk_wall_ms_t (*wall)(void));
/** Both are borrowed until they are closed. 0 or BK_ENOMEM. */
BK_MUST_CHECK int bk_pipeline_attach(struct bk_pipeline *pipeline, struct bk_source *source,
                                     struct bk_sink *sink);

/** Have the state written from now on. `loaded` is the generation that the engine holds, NULL when
 *  it is empty: then nothing is published before the partitions have passed what the log held at the
 *  start (or a minute has gone), lest readers see lists older than they have. Borrowed; before the
 *  first turn. */
void bk_pipeline_attach_checkpoint(struct bk_pipeline *pipeline, struct bk_checkpoint *checkpoint,
                                   const struct bk_generation *loaded);
/** Load a generation of checkpoint.dir (of `basketry replay`) beside the running state and put it in
 *  its place between two turns. Nothing is published until reading has passed where the old state
 *  stood. 0: it has begun, the log tells how it ended; else a reason. */
BK_MUST_CHECK int bk_pipeline_promote(struct bk_pipeline *pipeline, const char *name,
                                      struct bk_reason *reason);
/** Publish nothing, ever: who replays only builds state. Before the first turn. */
void bk_pipeline_mute(struct bk_pipeline *pipeline);
/** Every assigned partition has reached the end it had at start. */
bool bk_pipeline_has_ended(const struct bk_pipeline *pipeline);
/** Why this log and this checkpoint do not go together; NULL: they do. The owner ends. */
const struct bk_reason *bk_pipeline_refusal(const struct bk_pipeline *pipeline);
/** The callbacks to make an outbox with, after those of the source were asked for. */
struct bk_outbox_events bk_pipeline_outbox_events(struct bk_pipeline *pipeline);
/** Where dead letters and merges go; borrowed until it is closed. Without one the former are
 *  counted and dropped, and what visitors did before log-in stays with them. 0 or BK_ENOMEM. */
BK_MUST_CHECK int bk_pipeline_attach_outbox(struct bk_pipeline *pipeline, struct bk_outbox *outbox);

/** One turn: publish what is ready, pull what there is room for, publish what that changed, bounded
 *  housekeeping. Returns whether another turn is worth taking at once. */
bool bk_pipeline_turn(struct bk_pipeline *pipeline, bk_mono_ms_t mono, bk_wall_ms_t wall_ms);
/** Count the length of a turn, for the owner has the clock. */
void bk_pipeline_note_turn(struct bk_pipeline *pipeline, int64_t took_us);
/** Pull nothing any more. */
void bk_pipeline_close_intake(struct bk_pipeline *pipeline);
/** Every assigned partition has reached the end it had at start, and everything is published. */
bool bk_pipeline_is_done(const struct bk_pipeline *pipeline);
/** Nothing waits and nothing is unanswered. */
bool bk_pipeline_is_idle(const struct bk_pipeline *pipeline);
/** Take over the keys that may change while running. */
void bk_pipeline_reload(struct bk_pipeline *pipeline, const struct bk_config *cfg);

/* What questions (serve/) look at. */
struct bk_engine *bk_pipeline_engine(struct bk_pipeline *pipeline);
struct bk_ranker *bk_pipeline_ranker(struct bk_pipeline *pipeline);
struct bk_publisher *bk_pipeline_publisher(struct bk_pipeline *pipeline);
struct bk_source *bk_pipeline_source(struct bk_pipeline *pipeline);
struct bk_sink *bk_pipeline_sink(struct bk_pipeline *pipeline);
/** NULL: none is attached. */
struct bk_checkpoint *bk_pipeline_checkpoint(struct bk_pipeline *pipeline);
/** NULL: there is none. */
struct bk_outbox *bk_pipeline_outbox(struct bk_pipeline *pipeline);
/** Counters, with the gauges brought up to date. */
const struct bk_metrics *bk_pipeline_metrics(struct bk_pipeline *pipeline);
enum bk_intake bk_pipeline_intake(const struct bk_pipeline *pipeline);
const struct bk_watch *bk_pipeline_watch(const struct bk_pipeline *pipeline);
struct bk_now bk_pipeline_now(const struct bk_pipeline *pipeline);

/** The Kafka source of a configuration; its strings are borrowed from it. */
struct bk_kafka_options bk_kafka_options_from_config(const struct bk_config *cfg);
/** State parameters of a configuration. */
void bk_state_params_from_config(const struct bk_config *cfg, struct bk_state_params *params);

#ifdef __cplusplus
}
#endif
#endif
