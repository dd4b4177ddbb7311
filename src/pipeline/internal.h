/* internal.h -- what the files of src/pipeline share: the pipeline itself. */
#ifndef BASKETRY_PIPELINE_INTERNAL_H
#define BASKETRY_PIPELINE_INTERNAL_H

#include "basketry/log.h"
#include "basketry/pipeline.h"

enum {
    BK__PARTITIONS_MAX = BK_SHARDS_MAX,
    BK__MERGE_BYTES_MAX = 512 << 10, /* BK_LINES_MAX lines with the longest ids, and the envelope */
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
    bool holding;     /* nothing is published: the state is older than what readers have ... */
    bool muted;       /* for ever */
    bool hold_to_end; /* ... until the log's end at start was passed, or else ...            */
    int64_t hold_until[BK__PARTITIONS_MAX]; /* ... these offsets */
    bk_mono_ms_t hold_from, hold_moved;     /* the latter: when it last came nearer to them */
    int64_t hold_place;                     /* and where that was */
    struct bk_promotion *promotion;         /* NULL: none is loading */
    uint64_t records;                       /* of shop.events, since the start */
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
    int32_t topic_partitions; /* of shop.events, that the state was made with; 0: not known yet */
    uint32_t assigned, ended; /* partitions of shop.events                                      */
    bool begun[BK__PARTITIONS_MAX]; /* next_offset is a place, also where it is 0 */
    bool is_assigned[BK__PARTITIONS_MAX];
    bool has_ended[BK__PARTITIONS_MAX];
    struct {
        uint32_t assigned, ended; /* partitions of products                              */
        uint8_t *named;           /* a bit an item, of the read that goes on; NULL: none does    */
    } facts;
    struct bk_log_gate bad_gate;
};

/* ---- pipeline.c ---- */
/* A turn is worth taking; `arg` is the pipeline. */
void bk__wake(void *arg);

/* ---- options.c ---- */
struct bk_publisher_options bk__publisher_options(const struct bk_config *cfg);

/* ---- keep.c: what a checkpoint asks of a turn ---- */
/* Does the topic, this partition of it being assigned, have the partitions that the state was made
 * of? Else the pipeline is refused. */
bool bk__fits_the_topic(struct bk_pipeline *pl, int32_t partition);
int32_t bk__topic_partitions(struct bk_pipeline *pl);
/* Is it time to publish (again)? */
void bk__decide_hold(struct bk_pipeline *pl);
void bk__step_promotion(struct bk_pipeline *pl);
void bk__step_checkpoint(struct bk_pipeline *pl);

/* ---- facts.c: products that their topic does not name any more ---- */
void bk__facts_assigned(struct bk_pipeline *pl);
void bk__facts_revoked(struct bk_pipeline *pl);
void bk__facts_name(struct bk_pipeline *pl, bk_str_t key);
void bk__facts_ended(struct bk_pipeline *pl);

/* ---- gauges.c ---- */
/* Look at the stages, a few times a second. */
void bk__look_sometimes(struct bk_pipeline *pl);

#endif
