/* evaluate.h -- the production engine and ranker, asked the questions of the evaluation protocols.
 *
 *   files ─► shop_set (baskets of numbers) ─► evaluate_tasks (who learns and asks what, when)
 *                                              ├─► evaluate_engine (bk_apply, bk_rank)
 *                                              └─► evaluate_metrics, dump
 *
 * Nothing here scores an item: what is measured is what a shop would get.
 */
#ifndef BASKETRY_CLI_EVALUATE_H
#define BASKETRY_CLI_EVALUATE_H

#include <stdio.h>

#include "basketry/encode.h"

#include "evaluate_clock.h"
#include "evaluate_metrics.h"
#include "shop_file_sets.h"

/* ---- the engine ---- */

struct eval_engine {
    struct bk_engine engine;
    /* engine was initialised                                                             */
    bool ready;
    struct bk_shard *shard;
    struct bk_ranker *ranker;
    /* BK_LINES_MAX                                                             */
    struct bk_line *lines;
    int64_t offset;
    /* receipt lines over BK_LINES_MAX                                             */
    uint64_t lines_cut;
    /* BK_LIST_BYTES_MAX: the list as a shop would get it                                   */
    char *encoded;
    /* refresh: what a list takes from its event on, the event's apply, rank and encode       */
    struct eval_clock apply, rank, encode, refresh;
    /* of the last event, until a list was charged with it                                    */
    int64_t applied_ns;
};

/** What happened, in numbers of a set. */
struct eval_event {
    enum bk_event_kind kind;
    /* or                                                                          */
    bk_str_t customer;
    bk_str_t visitor;
    /* order id too; may be empty                                                   */
    bk_str_t session;
    const uint32_t *item;
    uint32_t count;
    int64_t op;
    int64_t time_ms;
    enum bk_consent consent;
};

/** One shard, no de-duplication. 0 or BK_ENOMEM. */
BK_MUST_CHECK int bk__eval_engine_init(struct eval_engine *engine,
                                       const struct bk_state_params *params,
                                       const struct bk_weights *weights);
void bk__eval_engine_deinit(struct eval_engine *engine);
/** Apply one event, timed. */
void bk__eval_engine_apply(struct eval_engine *engine, const struct shop_set *set,
                           const struct eval_event *event);
/** Rank a subject's ("c:...", "v:...") list and encode it, timed; an unknown one gets everybody's.
 *  The items as numbers of the set; returns how many. */
uint32_t bk__eval_engine_rank(struct eval_engine *engine, const struct shop_set *set,
                              bk_str_t subject, enum bk_context context, int64_t now_ms,
                              uint32_t size, uint32_t out[BK_BASKET_MAX]);

/* ---- the tasks ---- */

struct eval_options {
    enum eval_task task;
    const char *train, *test, *data,
        *drop;        /* NULL: not given                                        */
    bool prequential; /* next-item: learn each test event after it was scored                   */
    bool customers;   /* basket-completion: carts are their customers'                          */
    /* next-basket: ask for so many users; 0: all                             */
    uint32_t user_sample;
    /* BK_CONTEXT_COUNT: the task's own                                      */
    enum bk_context context;
};

/** What accuracy does not say: evaluate_beyond.c. Over the first ten of each list. */
struct eval_beyond {
    uint32_t *listed, *wanted; /* how often, by item of the set */
    double diversity;          /* sum over lists */
    uint64_t lists;            /* of two items and more */
};
struct eval_beyond_figures {
    double coverage, diversity, rank_listed, rank_wanted;
};

struct eval_run {
    const struct eval_options *options;
    struct shop_set set;
    /* next-item: baskets of the training part                                  */
    uint32_t train_count;
    uint32_t known; /* items of the training part are numbered 1 .. known                       */
    struct eval_engine engine;
    struct eval_metrics metrics;
    /* or NULL                                                                            */
    FILE *dump;
    /* completion: ranked although shown                                     */
    uint64_t shown_left_out;
    struct eval_beyond beyond;
};

/** Read the task's files into run->set. 0 or a code with `reason`. */
BK_MUST_CHECK int bk__eval_load(struct eval_run *run, struct bk_reason *reason);
enum { EVAL_VALIDATION_MAX = 5000 };
/** Take away what the task asks for, so that it plays one step earlier, inside the training part
 *  (evaluate_split.c). next-item: of a run without test sessions. 0 or BK_ENOMEM. */
BK_MUST_CHECK int bk__eval_hold_back(struct eval_run *run, struct bk_reason *reason);
/** Read facts of the set's items into the engine: lines of item, category path ("A > B") and brand,
 *  tab separated. 0 or a code with `reason`. */
BK_MUST_CHECK int bk__eval_items_read(struct eval_run *run, const char *path,
                                      struct bk_reason *reason);
/** False: no memory. */
BK_MUST_CHECK bool bk__eval_beyond_init(struct eval_run *run);
void bk__eval_beyond_deinit(struct eval_run *run);
void bk__eval_beyond_add(struct eval_run *run, const struct eval_query *query);
/** False: no memory. */
BK_MUST_CHECK bool bk__eval_beyond_figures(const struct eval_run *run,
                                           struct eval_beyond_figures *out);
/** Learn and ask as the protocol says; the engine is ready, the metrics are initialised here. 0 or
 *  BK_ENOMEM. */
BK_MUST_CHECK int bk__eval_play(struct eval_run *run, struct bk_reason *reason);

#endif
