/* sim_source.h -- a source over a sim_log: interleaves the partitions by chance, and lets fate
 * revoke and give them back.
 *
 * Same contract as Kafka's: facts to their end first; a partition starts where `assigned` says (or,
 * when it regresses, up to some records before: what was delivered already comes again); its end is
 * reported once per assignment.
 */
#ifndef BASKETRY_TESTS_SIM_SOURCE_H
#define BASKETRY_TESTS_SIM_SOURCE_H

#include "support/sim_log.h"

struct sim_source {
    struct bk_source head;
    const struct sim_log *log;
    struct bk_source_events events;
    struct chance *chance;
    uint32_t batch_max;            /* records a pull, at most; 0: as many as are asked for       */
    uint32_t regress_max;          /* records that come again after a partition comes back       */
    uint32_t run_max;              /* records of one partition in a row                          */
    bool want[SIM_PARTITIONS_MAX]; /* what the group gives us; takes effect at the next pull */
    bool waiting;                  /* a wake was given and not followed by a pull                */
    bool paused;
    uint32_t facts_at;
    bool facts_assigned, facts_ended;
    struct {
        bool assigned, ended;
        uint32_t at;
        uint32_t visible; /* records that were produced so far                          */
        uint32_t end;     /* of them when it was assigned                               */
    } part[SIM_PARTITIONS_MAX];
    uint64_t delivered; /* records of all topics                                      */
    uint64_t poison;    /* of them                                                    */
};

/** Wants every partition; all records visible. `chance` is borrowed. */
void sim_source_init(struct sim_source *source, const struct sim_log *log, struct chance *chance);
/** Take some partitions away and give others back. */
void sim_source_rebalance(struct sim_source *source);
void sim_source_want_all(struct sim_source *source);
/** Everything visible of every partition has been delivered and all partitions are ours. */
bool sim_source_is_at_end(const struct sim_source *source);

#endif
