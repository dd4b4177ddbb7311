/* kafka_consumer.h -- what the files of one consumer share: kafka_consumer.c (queue and life),
 * kafka_group.c (assignments), kafka_place.c (where the log stands) and kafka_parts.c (the table).
 */
#ifndef BASKETRY_SOURCE_KAFKA_CONSUMER_H
#define BASKETRY_SOURCE_KAFKA_CONSUMER_H

#include "kafka_internal.h"

/* ---- kafka_consumer.c ---- */

/** Count an error and keep it as the detail that `status` shows. */
void bk__kafka_note_error(struct kafka_consumer *c, rd_kafka_resp_err_t err, const char *text);
/** A step's outcome: an error is noted and logged by the step's name. Destroys `error`. */
void bk__kafka_note_failure(struct kafka_consumer *c, const char *step, rd_kafka_error_t *error);
void bk__kafka_note_code(struct kafka_consumer *c, const char *step, rd_kafka_resp_err_t err);
/** The oldest event in `held`, of which there is one. Owned by the caller. */
rd_kafka_event_t *bk__kafka_take_held(struct kafka_consumer *c);

/* ---- kafka_parts.c: pointers are good until a partition is added or removed ---- */

struct kafka_part *bk__kafka_part_find(struct kafka_consumer *c, enum bk_topic topic,
                                       int32_t partition);
struct kafka_part *bk__kafka_part_named(struct kafka_consumer *c, const char *name,
                                        int32_t partition);
/** The topic of that name if it is read here, or -1. */
int bk__kafka_topic_of(const struct kafka_consumer *c, const char *name);
/** Add a partition that is not in the table; its owner says where to start. */
void bk__kafka_part_add(struct kafka_consumer *c, enum bk_topic topic, int32_t partition);
void bk__kafka_part_remove(struct kafka_consumer *c, struct kafka_part *part);
void bk__kafka_parts_remove(struct kafka_consumer *c);
/** A partition with its position, or every one, as librdkafka wants it. */
void bk__kafka_list_add(rd_kafka_topic_partition_list_t *list, const struct kafka_consumer *c,
                        const struct kafka_part *part);
rd_kafka_topic_partition_list_t *bk__kafka_list_of(const struct kafka_consumer *c);
/** Let it show its last record again, from the next (re)start on. False: there is none, or it rests. */
bool bk__kafka_part_doubt(const struct kafka_consumer *c, struct kafka_part *part);
/** The log holds what it should. */
void bk__kafka_part_found(struct kafka_part *part);
/** Does it wait for somebody to act? */
bool bk__kafka_part_rests(const struct kafka_part *part);
/** The owner hears where the log begins. */
void bk__kafka_tell_begin(struct kafka_consumer *c, const struct kafka_part *part, int64_t low);
/** Call reached_end if it is due; `at_end`: the client just said that there is no more. */
void bk__kafka_part_check_end(struct kafka_consumer *c, struct kafka_part *part, bool at_end);

/* ---- kafka_group.c ---- */

/** Answer a rebalance. */
void bk__kafka_on_rebalance(struct kafka_consumer *c, rd_kafka_event_t *ev);
/** Start one partition again from its position. */
void bk__kafka_part_restart(struct kafka_consumer *c, const struct kafka_part *part);
/** The topic was gone and is back: does every partition still hold its last record? False: none has
 *  one to show; else all start again, and what is at hand comes again. */
bool bk__kafka_doubt(struct kafka_consumer *c);
bool bk__kafka_is_cooperative(const struct kafka_consumer *c);
/** Pause or resume the partitions that rest, or those that do not. */
void bk__kafka_pause_some(struct kafka_consumer *c, bool resting, bool paused);

/* ---- kafka_place.c ---- */

/** The broker said that it has no such record. */
void bk__kafka_on_out_of_range(struct kafka_consumer *c, struct kafka_part *part);
/** A partition that is unproven holds this record there (or behind: what it had is not there). */
void bk__kafka_on_proof(struct kafka_consumer *c, struct kafka_part *part,
                        const struct bk_record *record);
/** A partition whose place was asked for: the log begins at `low` and ends before `high`. */
void bk__kafka_judge_place(struct kafka_consumer *c, struct kafka_part *part, int64_t low,
                           int64_t high);

#endif
