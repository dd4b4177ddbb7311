/* kafka_internal.h -- what the files of the Kafka source share; nobody else includes it. */
#ifndef BASKETRY_SOURCE_KAFKA_INTERNAL_H
#define BASKETRY_SOURCE_KAFKA_INTERNAL_H

#include "basketry/source.h"

#include <librdkafka/rdkafka.h>

/* ---- kafka_conf.c: the properties ---- */

enum kafka_role {
    KAFKA_ROLE_GROUP, /* reads shop.events as a member of the group                */
    KAFKA_ROLE_FACTS, /* reads all partitions of the fact topics; never joins      */
};

/** The client's configuration: our defaults, then the operator's properties, then what our promises
 *  rest on. NULL and a `reason` that names the property when one is refused. Owned by the caller
 *  until rd_kafka_new takes it. */
rd_kafka_conf_t *bk__kafka_conf(const struct bk_kafka_options *options, enum kafka_role role,
                                struct bk_reason *reason);

/* ---- kafka_worker.c: the questions that librdkafka answers only by blocking ---- */

enum kafka_ask {
    KAFKA_ASK_TOPICS,  /* how many partitions have these topics?      */
    KAFKA_ASK_ENDS,    /* where do these partitions begin and end?    */
    KAFKA_ASK_NUDGE,   /* nothing: a request that makes the brokers' threads look up */
    KAFKA_ASK_PULSE,   /* do the leaders of these partitions answer, and the coordinator? */
    KAFKA_ASK_DESTROY, /* destroy this handle; nothing comes after it */
};

struct kafka_span {
    enum bk_topic topic;
    int32_t partition;
    uint32_t generation; /* handed back as given */
    int64_t low, high;   /* answer; high < 0: not known, ask again */
};

/** A question and, once answered, its answer. Owned by whoever holds it; freed by
 * kafka_question_free. */
struct kafka_question {
    struct kafka_question *next;
    enum kafka_ask ask;
    rd_kafka_t *rk;
    const char *topics[BK_TOPIC_COUNT]; /* borrowed from the source; NULL: not read         */
    int32_t partitions[BK_TOPIC_COUNT]; /* TOPICS' answer; 0: the topic does not exist (yet) */
    int destroy_flags;
    bool of_group;                 /* PULSE: ask the coordinator, too: group_err           */
    bool of_members;               /* PULSE: how many members has the group?               */
    rd_kafka_resp_err_t group_err; /* PULSE's answer                                       */
    int members;                   /* PULSE's answer; -1: not known                        */
    rd_kafka_resp_err_t err;       /* the first error met */
    char err_topic[128];
    size_t spans_count;
    struct kafka_span spans[];
};

struct kafka_worker;
/** Start the thread; it adds one to the eventfd `bell_fd` for every answer. NULL: no thread to be
 * had. */
struct kafka_worker *bk__kafka_worker_start(int bell_fd);
struct kafka_question *bk__kafka_question(enum kafka_ask ask, rd_kafka_t *rk, size_t spans_count);
/** Hand a question over. Never blocks. */
void bk__kafka_worker_ask(struct kafka_worker *worker, struct kafka_question *question);
/** Take the oldest answer, or NULL. Never blocks. The caller frees it. */
struct kafka_question *bk__kafka_worker_answer(struct kafka_worker *worker);
/** Drop the questions that are waiting and make the one at work end soon. */
void bk__kafka_worker_hurry(struct kafka_worker *worker);
/** Every question is answered: end the thread (returns at once) and free the worker. */
void bk__kafka_worker_stop(struct kafka_worker **worker);

/* ---- kafka_consumer.c: one client handle, its queue and its partitions ---- */

enum { KAFKA_HELD_MAX = 64 };

/* Does the log hold what comes next? */
enum kafka_place {
    KAFKA_PLACE_KNOWN,      /* as far as we know                                     */
    KAFKA_PLACE_ASKED,      /* the broker says no: where the log stands is asked     */
    KAFKA_PLACE_RESTARTING, /* a new start was given; nothing delivered since        */
    KAFKA_PLACE_SHORTER,    /* rests: the log ends before what was applied           */
    KAFKA_PLACE_ANOTHER,    /* rests: the log holds another record than was applied   */
    KAFKA_PLACE_REFUSED,    /* rests: its owner has no room for it                   */
};

struct kafka_part {
    enum bk_topic topic;
    int32_t partition;
    uint32_t generation; /* of the assignment, so that late answers are told apart  */
    int64_t position;    /* the next offset to deliver; BK_OFFSET_BEGINNING at first */
    int64_t end;         /* the end it had when assigned; -1: not known             */
    bool empty;          /* the log held nothing when asked                         */
    bool delivered;      /* at least one record since it was (re)started            */
    bool end_asked;      /* an answer is under way                                  */
    bool ended;          /* reached_end was called                                  */
    enum kafka_place place;
    /* `position` is the record passed last: it is read again, and its owner asked if it is the one */
    bool unproven;
    int64_t denied_ms; /* since when brokers deny what was applied; 0: none does        */
    int64_t ask_ms;    /* where it stands is not asked before                           */
    bool let_go;       /* a record was let go while paused: fetch again on resume */
};

struct kafka_counts {
    uint64_t errors;
    uint64_t offset_resets;
    uint64_t lost;     /* records that were gone before they were read */
    uint64_t repeated; /* records offered again by the client and not delivered twice */
};

/** One librdkafka consumer. Loop thread only. */
struct kafka_consumer {
    bool member;    /* of the consumer group: else partitions are taken, and nothing is committed */
    rd_kafka_t *rk; /* NULL: this consumer is not needed              */
    rd_kafka_queue_t *queue; /* everything the client has to say, on one queue */
    const struct bk_source_events *events;
    const char *topics[BK_TOPIC_COUNT]; /* the ones read here; borrowed             */
    struct kafka_part *parts;
    size_t parts_count, parts_cap, last_hit;
    /* Events taken from the queue by the safety poll, when nobody had asked for records. In order.
     */
    rd_kafka_event_t *held[KAFKA_HELD_MAX];
    size_t held_first, held_count;
    uint32_t generation;
    int64_t now_ms; /* loop time of this turn */
    bool paused;
    size_t queue_peak;      /* most that waited since the last nudge       */
    bool nudging;           /* a nudge is under way                        */
    bool joined;            /* an assignment has come, and was not taken back whole */
    bool lost;              /* partitions were taken from us unasked; not joined again since */
    bool pulsing;           /* a pulse is under way                        */
    bool pulse_is_old;      /* it began before all brokers went down       */
    int64_t pulse_ms;       /* when the last one was asked for             */
    bool alone;             /* whoever else is in the group is one too many */
    bool stands_by;         /* left the group to another, and waits for it to be free */
    int free_looks;         /* in a row at which it was                    */
    int64_t share_amiss_ms; /* none, or not all while alone, since; 0: it is as it should be */
    /* pulses without an answer in a row, an error before them counted */
    int leader_silences, coordinator_silences;
    bool disconnected; /* all brokers down, as last heard             */
    bool topic_gone;   /* a topic that is subscribed to does not exist any more */
    bool doubted;      /* the topic was gone since: it may be another one that comes back */
    bool fatal;
    bool moved;       /* positions moved since the last group commit */
    char detail[160]; /* the last error                              */
    struct kafka_counts counts;
};

/** Make the client and connect its queue to the bell. 0, or BK_EINVAL/BK_EUNAVAILABLE with reason.
 */
int bk__kafka_consumer_init(struct kafka_consumer *c, const struct bk_kafka_options *options,
                            enum kafka_role role, const struct bk_source_events *events,
                            int bell_fd, struct bk_reason *reason);
/** Join the group for shop.events. */
void bk__kafka_consumer_subscribe(struct kafka_consumer *c);
/** Take all partitions of the fact topics; `partitions` per topic. Calls events->assigned. */
void bk__kafka_consumer_take(struct kafka_consumer *c, const int32_t partitions[BK_TOPIC_COUNT]);
/** Deliver at most `max` records; everything else the queue holds is handled on the way. `*more` is
 *  set when it stopped before the queue was seen empty. */
size_t bk__kafka_consumer_drain(struct kafka_consumer *c, size_t max, bool *more);
/** Poll on behalf of an owner who does not pull, so that the group keeps us; what comes is held for
 * the next drain. Returns whether something is waiting. */
bool bk__kafka_consumer_safety_poll(struct kafka_consumer *c);
void bk__kafka_consumer_pause(struct kafka_consumer *c, bool paused);
/** Revoke and assign every partition: bk_source_ops.restart. */
void bk__kafka_consumer_restart(struct kafka_consumer *c);
/** A partition of shop.events that rests because its log is shorter or another: begin it anew. BK_ENOENT: it
 *  does not rest. */
int bk__kafka_consumer_accept(struct kafka_consumer *c, int32_t partition);
/** Partitions in this place. */
uint32_t bk__kafka_consumer_in_place(const struct kafka_consumer *c, enum kafka_place place);
/** Tell the group where we are, without waiting for an answer. */
void bk__kafka_consumer_commit(struct kafka_consumer *c);
/** The partitions whose end is not known and not being asked for; NULL when there are none. */
struct kafka_question *bk__kafka_consumer_ask_ends(struct kafka_consumer *c);
void bk__kafka_consumer_learn_ends(struct kafka_consumer *c, const struct kafka_question *answer);
/** A question that makes the client fetch again, when it is due; else NULL (kafka_consumer.c says
 *  why).
 */
struct kafka_question *bk__kafka_consumer_ask_nudge(struct kafka_consumer *c);
/** The question whether leaders and coordinator answer, when it is due; else NULL. */
/** `partitions`: of shop.events, here and below. */
struct kafka_question *bk__kafka_pulse_ask(struct kafka_consumer *c, int32_t partitions,
                                           int64_t now_ms);
void bk__kafka_pulse_learn(struct kafka_consumer *c, const struct kafka_question *answer,
                           int32_t partitions);
/** Something broke: ask at once, and take one more silence for the proof. */
void bk__kafka_pulse_quicken(struct kafka_consumer *c);
bool bk__kafka_is_leader_silent(const struct kafka_consumer *c);
bool bk__kafka_is_coordinator_silent(const struct kafka_consumer *c);
/** Has every assigned partition reached its end? */
bool bk__kafka_consumer_ended(const struct kafka_consumer *c);
/** Records between the positions and the brokers' ends as last heard; -1: not known. */
int64_t bk__kafka_consumer_lag(const struct kafka_consumer *c);
/** Begin to leave; then serve until it returns true; then release the queue. The handle itself is
 * destroyed by the worker (KAFKA_ASK_DESTROY). */
void bk__kafka_consumer_leave(struct kafka_consumer *c);
bool bk__kafka_consumer_left(struct kafka_consumer *c);
void bk__kafka_consumer_release(struct kafka_consumer *c);

#endif
