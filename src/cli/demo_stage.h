/* demo_stage.h -- behind the demo's stage: broker, redis-server and the real pipeline between them.
 *
 *   put ─► broker ─► source ─► pipeline ─► sink ─► redis-server
 *                      └ notes when each record was logged: ages are told from outside
 *
 * It has the loop's idle handle for its turns; everything else of the loop is the owner's.
 */
#ifndef BASKETRY_CLI_DEMO_STAGE_H
#define BASKETRY_CLI_DEMO_STAGE_H

#include <uv.h>

#include "basketry/demo_io.h"
#include "basketry/pipeline.h"

enum { DEMO_PARTITIONS = 8, DEMO_NOTES = 16384 };

struct demo_stage {
    uv_loop_t *loop;
    uv_idle_t idle;
    struct bk_config *cfg; /* borrowed; its kafka and redis settings are the demo's own */
    struct bk_demo_redis *redis;
    struct bk_demo_broker *broker;
    struct bk_pipeline *pl;
    struct bk_source_events inner; /* the pipeline's */
    struct demo_note {
        int64_t offset, logged_ms;
    } * note;           /* of each partition the last DEMO_NOTES records */
    uint64_t put, read; /* records of shop.events: those that we put, all that were read */
    struct bk_histogram ages_before, ages;
    uint64_t events_before, lists_before;
    bool reading, closing;
    int quiet; /* looks in a row that found nothing to do */
    int open;  /* source, sink, outbox that have not closed yet */
    void (*closed)(void *arg);
    void *closed_arg;
};

/** Before any thread: the redis-server. 0, or a code with a reason. */
BK_MUST_CHECK int bk__demo_stage_prepare(struct demo_stage *stage, struct bk_reason *reason);
/** Broker and pipeline. 0, or a code with a reason. */
BK_MUST_CHECK int bk__demo_stage_open(struct demo_stage *stage, uv_loop_t *loop,
                                      struct bk_config *cfg, struct bk_reason *reason);
/** Append a record. 0; BK_EAGAIN: too many on their way, put none before a turn; BK_EIO. */
BK_MUST_CHECK int bk__demo_stage_put(struct demo_stage *stage, enum bk_topic topic, bk_str_t key,
                                     bk_str_t value);
/** Records not in the log yet; lets deliveries through. */
size_t bk__demo_stage_waiting(struct demo_stage *stage);
/** Join source, sink and outbox to the pipeline: from here on it is turned. 0, or a code with a
 *  reason. */
BK_MUST_CHECK int bk__demo_stage_read(struct demo_stage *stage, struct bk_reason *reason);
/** A turn is worth taking; the owner asks now and then, for timers. */
void bk__demo_stage_turn(struct demo_stage *stage);
/** Everything that was put before the reading began is read, and its lists are in Redis. To be asked
 *  at every tick. */
bool bk__demo_stage_is_level(struct demo_stage *stage);
/** Numbers count from here. */
void bk__demo_stage_go_live(struct demo_stage *stage);
/** When the record was logged; -1 when that is not known (any more). */
int64_t bk__demo_stage_logged_ms(const struct demo_stage *stage, int32_t partition, int64_t offset);
/** Events and lists since it is live, their ages, and memory. */
void bk__demo_stage_numbers(struct demo_stage *stage, struct bk_demo_model *model);
/** Close what is on the loop; `closed` comes from it. */
void bk__demo_stage_close(struct demo_stage *stage, void (*closed)(void *arg), void *arg);
/** The rest, after the loop's end: redis-server and folder are gone when it returns. */
void bk__demo_stage_destroy(struct demo_stage *stage);

/** Now, of the clock that records carry. */
bk_wall_ms_t bk__demo_wall_ms(void);

#endif
