/* publisher.h -- what waits becomes what readers see: dirty lists are ranked, rendered and handed
 * to the sink while it has room.
 *
 * The queues of state hold handles; a list is ranked and rendered when there is room for it and not
 * before, so an outage costs bits, and several events that wait for one list are one refresh. What
 * the sink could not store comes back as the same bits.
 *
 *   dirty subjects ─┐
 *   dirty items    ─┼─► rank ─► encode ─► sink ─► outcome ─► stored: live | retry: dirty again
 *   erasures       ─┤
 *   refresher      ─┘   (puts live lists into the dirty queue, round robin, before they expire)
 */
#ifndef BASKETRY_PUBLISHER_H
#define BASKETRY_PUBLISHER_H

#include "basketry/encode.h"
#include "basketry/metrics.h"
#include "basketry/sink.h"

#ifdef __cplusplus
extern "C" {
#endif

struct bk_publisher_options {
    const char *key_prefix;
    const char *variant;     /* of the experiment; "base" */
    uint32_t config_version; /* for tokens */
    uint32_t size;           /* items of a list */
    int64_t refresh_ms;      /* a live list is ranked anew at least this often */
    int64_t email_ms;
    int64_t item_interval_ms; /* an item's lists are written at most once in this time */
    uint32_t distinct_min;    /* k-anonymity of item lists */
    bool announce;            /* PUBLISH refreshed keys on <prefix>:updates */
    /* shoppers whose lists may wait before intake rests: the refresher stays below half */
    uint32_t waiting_max;
};

/** The three clocks of one turn, taken once. */
struct bk_now {
    bk_mono_ms_t mono;
    bk_wall_ms_t wall_ms;
    int64_t stream_ms; /* event time: what ranking calls now */
};

struct bk_publisher;

/** Engine, ranker, sink and metrics are borrowed and outlive it. `options` is copied, its strings
 *  are borrowed. NULL: no memory. */
struct bk_publisher *bk_publisher_create(struct bk_engine *engine, struct bk_ranker *ranker,
                                         struct bk_sink *sink, struct bk_metrics *metrics,
                                         const struct bk_publisher_options *options);
void bk_publisher_destroy(struct bk_publisher **publisher);
/** New options from a reload; the same rules. */
void bk_publisher_set_options(struct bk_publisher *publisher,
                              const struct bk_publisher_options *options);

/** Submit while there is room: erasures, subjects' lists, items' lists, everybody's lists; then
 *  bounded housekeeping. Returns whether more is waiting that could go now (the caller takes
 *  another turn). */
bool bk_publisher_turn(struct bk_publisher *publisher, const struct bk_now *now);
/** bk_sink_events.outcome and .connected. */
void bk_publisher_outcome(struct bk_publisher *publisher, const struct bk_ticket *ticket,
                          enum bk_outcome outcome, bk_wall_ms_t now_wall_ms);
void bk_publisher_connected(struct bk_publisher *publisher, bool fresh);
/** The keys of these contexts of an erased subject must go. The id is copied, and kept until they
 *  are gone: whoever asks rests when bk_publisher_erasing says too many. */
void bk_publisher_erase(struct bk_publisher *publisher, bk_str_t subject, uint32_t contexts);
/** Erasures that are not done. */
uint32_t bk_publisher_erasing(const struct bk_publisher *publisher);

/** Erasures asked for, and up to which all keys are gone: a checkpoint that passes an erasure waits
 *  for it. */
struct bk_promises bk_publisher_erasures(const struct bk_publisher *publisher);

/** The erasures alone, while there is room: bk_publisher_turn does this first. */
void bk_publisher_send_erasures(struct bk_publisher *publisher);

/** Subjects' lists that wait (queued subjects). */
uint32_t bk_publisher_waiting(const struct bk_publisher *publisher);
/** The end is near: what waits is published, but the refresher adds nothing to it, so that there is
 *  an end. */
void bk_publisher_finish(struct bk_publisher *publisher);
/** Nothing waits and nothing is unanswered: Redis has every list that is due, the popular one and
 *  what it lost included. */
bool bk_publisher_is_idle(const struct bk_publisher *publisher);
/** Sweeps of the refresher that are complete. */
uint64_t bk_publisher_sweeps(const struct bk_publisher *publisher);

/** Rank and render one subject's list as it would be published now; the command lives in the
 *  publisher's scratch until the next call. */
struct bk_command bk_publisher_render(struct bk_publisher *publisher, const struct bk_shard *shard,
                                      uint32_t subject, enum bk_context context,
                                      const struct bk_now *now);

enum bk_relation { BK_RELATION_BOUGHT, BK_RELATION_VIEWED, BK_RELATION_COUNT };
/** The same for an item's own list; `.len` 0 when there is nothing to say. */
struct bk_command bk_publisher_render_item(struct bk_publisher *publisher, uint32_t item,
                                           enum bk_relation relation, const struct bk_now *now);
/** The same for the popular list. */
struct bk_command bk_publisher_render_popular(struct bk_publisher *publisher,
                                              const struct bk_now *now);

#ifdef __cplusplus
}
#endif
#endif
