/* questions.h -- what a running instance can be asked, as one table of control handlers.
 *
 *   status                              how it is: intake, source, sink, outbox, lag, age, memory
 *   inspect item ID                     counts and pairs of an item
 *   inspect subject ID                  everything kept about a shopper
 *   inspect why SUBJECT ITEM [CONTEXT]  each scorer's feature, weight and evidence for that item now
 *   inspect digest                      digests of shards and shared
 *   inspect counters                    all metrics
 *   verify [CURSOR]                     a page of keys with the list each should hold now
 *   checkpoint                          write a generation now
 *   promote NAME                        put a generation in the running state's place
 *   accept-log PARTITION                a log that is not the state's (shorter, another) is the right one
 */
#ifndef BASKETRY_QUESTIONS_H
#define BASKETRY_QUESTIONS_H

#include "basketry/checkpoint.h"
#include "basketry/config.h"
#include "basketry/control.h"
#include "basketry/outbox.h"
#include "basketry/publisher.h"
#include "basketry/source.h"
#include "basketry/watch.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What the handlers look at; everything borrowed. `arg` of the handlers is this struct. */
struct bk_instance {
    struct bk_engine *engine;
    struct bk_ranker *ranker;
    struct bk_publisher *publisher;
    struct bk_source *source;
    struct bk_sink *sink;
    struct bk_outbox *outbox;         /* NULL: nothing is written to Kafka */
    struct bk_checkpoint *checkpoint; /* NULL: none is kept */
    const struct bk_watch *watch;
    const struct bk_config *cfg;
    void *arg;
    const struct bk_metrics *(*metrics)(void *arg); /* with gauges up to date */
    struct bk_now (*now)(void *arg);
    const char *(*intake)(void *arg); /* why intake flows or rests */
    int (*promote)(void *arg, const char *name, struct bk_reason *reason);
};

extern const struct bk_control_handler bk_questions[];
extern const size_t bk_question_count;

/** What inspect.c answers; 0 or BK_ENOENT. `context` empty: home. */
int bk_inspect_why(const struct bk_instance *instance, bk_str_t subject, bk_str_t item,
                   bk_str_t context, struct bk_buf *out, struct bk_reason *reason);
int bk_inspect_item(const struct bk_instance *instance, bk_str_t id, struct bk_buf *out,
                    struct bk_reason *reason);
int bk_inspect_subject(const struct bk_instance *instance, bk_str_t id, struct bk_buf *out,
                       struct bk_reason *reason);

#ifdef __cplusplus
}
#endif
#endif
