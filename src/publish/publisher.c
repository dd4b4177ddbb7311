/* publisher.c -- the turn of publication: see publisher.h for the way of a list.
 *
 * ORDER       erasures first (a right), then shoppers' lists, then items', then everybody's;
 *             housekeeping last.
 * TICKETS     what = kind << 8 | context or relation; owner = partition; handle, stamp name the
 *             subject, so that an answer for a subject that is gone finds nobody. note = timestamp
 *             of the oldest record the list was the first to know: its age is measured at the
 *             answer.
 * REFRESHER   walks the subjects and the items at the pace that completes a round in 4/5 of
 *             lists.refresh; after Redis came back empty it runs as fast as the window allows. An
 *             item's list is written only when its items or their order changed.
 */
#include "basketry/publisher.h"

#include <stdlib.h>

#include "erasures.h"
#include "everybody.h"

enum ticket_kind {
    TICKET_SUBJECT,
    TICKET_ITEM,
    TICKET_POPULAR,
    TICKET_EVERYBODY,
    TICKET_ERASE,
    TICKET_ANNOUNCE
};

enum {
    SUBJECTS_PER_TURN = 16, /* about 35 lists, a millisecond */
    ITEMS_PER_TURN = 32,    /* items' lists are the less urgent half of the window                */
    SWEEP_PER_TURN = 512,   /* subjects the refresher looks at                                    */
    /* Shoppers that may wait when the refresher adds one: whoever did something just now waits
     * behind no more than these, some 25 ms, also when everything is written anew. */
    SWEEP_WAITING_MAX = 256,
    POPULAR_INTERVAL_MS = 1000,
    EVERYBODY_PER_TURN = 8, /* lists of segments and categories */
};

struct sweep {
    int32_t partition;
    uint32_t subject;
    uint32_t item;      /* the next item's lists that Redis lost; 0: it lost none */
    uint32_t item_last; /* the last item that was looked at again */
    double item_credit; /* items that may be looked at again */
    bool fast;          /* Redis came back empty */
    bool email;
    int64_t email_due_ms;
    bk_mono_ms_t last;
    double credit; /* subjects that may be looked at */
    uint64_t completed;
};

struct bk_publisher {
    struct bk_engine *engine;
    struct bk_ranker *ranker;
    struct bk_sink *sink;
    struct bk_metrics *metrics;
    struct bk_publisher_options options;
    uint32_t unanswered;
    bool finishing;         /* the refresher is still  */
    int32_t turn_partition; /* whose subject was taken last: no shard waits for another */
    uint32_t item_batch;    /* items left of this interval's batch */
    int64_t item_due_ms;
    int64_t popular_due_ms;
    uint32_t popular_hash;
    struct bk__everybody *everybody;
    uint64_t popular_applied; /* events that the popular list was last ranked after */
    struct sweep sweep;
    struct bk__erasures erasures;
    struct bk_list list;
    char key[BK_KEY_BYTES_MAX];
    char buffer[BK_LIST_BYTES_MAX];
};

static const struct {
    enum bk_pair_kind kind;
    const char *word;
    const char *algorithm;
} relations[BK_RELATION_COUNT] = {
    [BK_RELATION_BOUGHT] = {BK_PAIR_BOUGHT, "bought_together", "bought_together_cosine"},
    [BK_RELATION_VIEWED] = {BK_PAIR_VIEWED, "viewed_together", "viewed_together_cosine"},
};

struct bk_publisher *bk_publisher_create(struct bk_engine *engine, struct bk_ranker *ranker,
                                         struct bk_sink *sink, struct bk_metrics *metrics,
                                         const struct bk_publisher_options *options)
{
    struct bk_publisher *pub = calloc(1, sizeof *pub);
    if (!pub) return NULL;
    pub->engine = engine;
    pub->ranker = ranker;
    pub->sink = sink;
    pub->metrics = metrics;
    pub->options = *options;
    pub->everybody = bk__everybody_create(engine, ranker);
    if (!pub->everybody) bk_publisher_destroy(&pub);
    return pub;
}

void bk_publisher_destroy(struct bk_publisher **publisher)
{
    if (!*publisher) return;
    bk__everybody_destroy(&(*publisher)->everybody);
    bk__erasures_deinit(&(*publisher)->erasures);
    free(*publisher);
    *publisher = NULL;
}

void bk_publisher_set_options(struct bk_publisher *pub, const struct bk_publisher_options *options)
{
    pub->options = *options;
}

/* ---- rendering ---- */

static struct bk_list_frame frame_of(const struct bk_publisher *pub, const char *context,
                                     const char *algorithm, const struct bk_now *now)
{
    return (struct bk_list_frame){
        .prefix = bk_str_c(pub->options.key_prefix),
        .context = bk_str_c(context),
        .algorithm = algorithm,
        .variant = pub->options.variant,
        .generated_ms = now->wall_ms,
        .partition = -1,
        .config_version = pub->options.config_version,
    };
}

struct bk_command bk_publisher_render(struct bk_publisher *pub, const struct bk_shard *shard,
                                      uint32_t subject, enum bk_context context,
                                      const struct bk_now *now)
{
    const struct bk_subject *sub = bk_subject(shard, subject);
    bk_rank(pub->ranker, shard, subject, context, now->stream_ms, pub->options.size, &pub->list);
    struct bk_list_frame frame =
        frame_of(pub, bk_context_word(context), bk_situation_name(pub->list.situation), now);
    frame.subject = bk_subject_id(shard, subject);
    frame.expires_ms = now->wall_ms + pub->options.refresh_ms;
    frame.expire_s = bk_context_expires_s(context);
    frame.partition = shard->partition;
    frame.offset = sub->offset;
    size_t key_len = bk_key_subject(frame.prefix, frame.subject, frame.context, pub->key);
    return bk_encode_list(&pub->engine->shared, &pub->list, &frame, bk_str(pub->key, key_len),
                          pub->buffer);
}

struct bk_command bk_publisher_render_item(struct bk_publisher *pub, uint32_t item,
                                           enum bk_relation relation, const struct bk_now *now)
{
    bk_rank_item(pub->ranker, item, relations[relation].kind, now->stream_ms,
                 pub->options.distinct_min, pub->options.size, &pub->list);
    if (!pub->list.count) return (struct bk_command){0};
    struct bk_list_frame frame =
        frame_of(pub, relations[relation].word, relations[relation].algorithm, now);
    size_t key_len =
        bk_key_item(frame.prefix, bk_item_id(&pub->engine->shared, item), frame.context, pub->key);
    return bk_encode_list(&pub->engine->shared, &pub->list, &frame, bk_str(pub->key, key_len),
                          pub->buffer);
}

struct bk_command bk_publisher_render_popular(struct bk_publisher *pub, const struct bk_now *now)
{
    bk_rank_popular(pub->ranker, now->stream_ms, pub->options.size, &pub->list);
    struct bk_list_frame frame = frame_of(pub, "popular", "popular", now);
    size_t key_len = bk_key_shared(frame.prefix, frame.context, pub->key);
    return bk_encode_list(&pub->engine->shared, &pub->list, &frame, bk_str(pub->key, key_len),
                          pub->buffer);
}

/* What a list says, without scores: two lists of one hash read the same. */
static uint32_t list_hash(const struct bk_publisher *pub)
{
    uint64_t mix = pub->list.count;
    for (uint32_t i = 0; i < pub->list.count; i++)
        mix = bk_mix(mix ^ bk_item(&pub->engine->shared, pub->list.item[i].item)->id_hash);
    return (uint32_t)mix;
}

/* ---- submitting ---- */

static bool submit(struct bk_publisher *pub, const struct bk_ticket *ticket,
                   const struct bk_command *command)
{
    if (bk_sink_submit(pub->sink, ticket, command->p, command->len) != BK_OK) return false;
    pub->unanswered++;
    return true;
}

static void announce(struct bk_publisher *pub, bk_str_t key)
{
    if (!pub->options.announce || !bk_sink_room(pub->sink)) return;
    char channel[BK_KEY_BYTES_MAX], buffer[2 * BK_KEY_BYTES_MAX + 64];
    size_t len = bk_key_shared(bk_str_c(pub->options.key_prefix), BK_STR("updates"), channel);
    struct bk_command command = bk_encode_publish(bk_str(channel, len), key, buffer);
    struct bk_ticket ticket = {.what = TICKET_ANNOUNCE << 8};
    submit(pub, &ticket,
           &command); /* an announcement that finds no room is not missed: the list is there */
}

/* No item was looked at, or nothing was bought twice: there is no such list, but one that readers
 * have must go empty. */
static bool has_nothing_to_say(const struct bk_subject *sub, uint32_t context)
{
    if (context == BK_CONTEXT_PRODUCT) return !sub->last_item;
    return context == BK_CONTEXT_USUAL && sub->receipts < BK_USUAL_RECEIPTS_MIN &&
           !(sub->live >> context & 1);
}

/* Publish a taken subject's lists; what found no room goes back into the queue. */
static void publish_subject(struct bk_publisher *pub, struct bk_shard *shard, uint32_t subject,
                            uint32_t contexts, int64_t waiting_ms, const struct bk_now *now)
{
    const struct bk_subject *sub = bk_subject(shard, subject);
    struct bk_ticket ticket = {.owner = (uint32_t)shard->partition,
                               .handle = subject,
                               .stamp = sub->stamp,
                               .note = waiting_ms};
    for (uint32_t context = 0; context < BK_CONTEXT_COUNT; context++) {
        if (!(contexts >> context & 1)) continue;
        if (!bk_sink_room(pub->sink)) break;
        contexts &= ~(1u << context);
        if (has_nothing_to_say(sub, context)) continue;
        struct bk_command command =
            bk_publisher_render(pub, shard, subject, (enum bk_context)context, now);
        ticket.what = TICKET_SUBJECT << 8 | context;
        if (!submit(pub, &ticket, &command)) {
            contexts |= 1u << context;
            break;
        }
        /* From now on, not from the answer on: a checkpoint in between would not know of it. */
        bk_subject_live_set(shard, subject, sub->live | 1u << context);
        ticket.note = 0; /* the first list is the one that is measured */
        announce(pub, command.key);
    }
    if (contexts) bk_dirty_put(shard, subject, sub->stamp, contexts, ticket.note);
}

/* A bounded number of subjects, the partitions in turn: while a long queue is worked off, the loop
 * goes on reading answers and events. */
static void publish_subjects(struct bk_publisher *pub, const struct bk_now *now)
{
    int32_t top = pub->engine->shard_top, empty = 0;
    for (int n = 0; n < SUBJECTS_PER_TURN && empty < top && bk_sink_room(pub->sink);) {
        pub->turn_partition = (pub->turn_partition + 1) % top;
        struct bk_shard *shard = bk_engine_shard_here(pub->engine, pub->turn_partition);
        uint32_t contexts;
        int64_t waiting_ms;
        uint32_t subject = shard ? bk_dirty_take(shard, &contexts, &waiting_ms) : 0;
        empty = subject ? 0 : empty + 1;
        if (!subject) continue;
        publish_subject(pub, shard, subject, contexts, waiting_ms, now);
        n++;
    }
}

/* Found no room: the item waits again, and what was written of it stays known. */
static void item_waits(struct bk_publisher *pub, uint32_t item)
{
    uint32_t known[BK_RELATION_COUNT];
    memcpy(known, bk_item(&pub->engine->shared, item)->published, sizeof known);
    bk_dirty_item_put(pub->engine, item);
    for (uint32_t relation = 0; relation < BK_RELATION_COUNT; relation++)
        if (known[relation]) bk_item_published(pub->engine, item, relation, known[relation]);
}

static void publish_item(struct bk_publisher *pub, uint32_t item, const struct bk_now *now)
{
    for (uint32_t relation = 0; relation < BK_RELATION_COUNT; relation++) {
        if (!bk_sink_room(pub->sink)) {
            item_waits(pub, item);
            return;
        }
        struct bk_command command =
            bk_publisher_render_item(pub, item, (enum bk_relation)relation, now);
        if (!command.len) continue;
        if (!bk_item_published(pub->engine, item, relation, list_hash(pub))) {
            bk_metrics_add(pub->metrics, BK_METRIC_ITEM_LISTS_UNCHANGED, 1);
            continue;
        }
        struct bk_ticket ticket = {.handle = item, .what = TICKET_ITEM << 8 | relation};
        if (!submit(pub, &ticket, &command)) bk_dirty_item_put(pub->engine, item);
    }
}

/* The items that were dirty when the interval began, a bounded number a turn. */
static void publish_items(struct bk_publisher *pub, const struct bk_now *now)
{
    if (!pub->item_batch && now->mono.ms >= pub->item_due_ms) {
        pub->item_batch = bk_totals(&pub->engine->shared)->dirty_count;
        pub->item_due_ms = now->mono.ms + pub->options.item_interval_ms;
    }
    for (int i = 0; i < ITEMS_PER_TURN && pub->item_batch && bk_sink_room(pub->sink); i++) {
        uint32_t item = bk_dirty_item_take(pub->engine);
        pub->item_batch = item ? pub->item_batch - 1 : 0;
        if (item) publish_item(pub, item, now);
    }
}

static uint64_t events_applied(const struct bk_publisher *pub)
{
    uint64_t applied = 0;
    for (int32_t partition = 0; partition < pub->engine->shard_top; partition++)
        if (pub->engine->shards[partition])
            applied += bk_shard_totals(pub->engine->shards[partition])->applied;
    return applied;
}

static void publish_popular(struct bk_publisher *pub, const struct bk_now *now)
{
    if (now->mono.ms < pub->popular_due_ms || !bk_sink_room(pub->sink)) return;
    pub->popular_due_ms = now->mono.ms + POPULAR_INTERVAL_MS;
    struct bk_command command = bk_publisher_render_popular(pub, now);
    uint32_t hash = list_hash(pub) | 1;
    struct bk_ticket ticket = {.what = TICKET_POPULAR << 8};
    if (hash != pub->popular_hash && !submit(pub, &ticket, &command)) return;
    pub->popular_hash = hash;
    pub->popular_applied = events_applied(pub);
}

/* Do everybody's lists that were written know every event? */
static bool everybodys_are_settled(const struct bk_publisher *pub)
{
    if (!bk_totals(&pub->engine->shared)->time_max_ms) return true; /* an empty shop has none */
    uint64_t applied = events_applied(pub);
    return pub->popular_hash && pub->popular_applied == applied &&
           bk__everybody_is_settled(pub->everybody, applied);
}

/* What is rising, and what is popular where people shop. */
static void publish_everybodys(struct bk_publisher *pub, const struct bk_now *now)
{
    struct bk__everybodys which;
    uint64_t applied = events_applied(pub);
    for (int i = 0; i < EVERYBODY_PER_TURN && bk_sink_room(pub->sink); i++) {
        if (!bk__everybody_next(pub->everybody, now, applied, pub->finishing, pub->options.size,
                                pub->options.distinct_min, &which, &pub->list))
            return;
        struct bk_list_frame frame = frame_of(pub, which.context, which.algorithm, now);
        size_t len = which.whose.len
                         ? bk_key_shared_of(frame.prefix, frame.context, which.whose, pub->key)
                         : bk_key_shared(frame.prefix, frame.context, pub->key);
        struct bk_command command = bk_encode_list(&pub->engine->shared, &pub->list, &frame,
                                                   bk_str(pub->key, len), pub->buffer);
        struct bk_ticket ticket = {.handle = which.number, .what = TICKET_EVERYBODY << 8};
        if (!submit(pub, &ticket, &command)) bk__everybody_lost(pub->everybody, which.number);
    }
}

/* ---- erasures ---- */

void bk_publisher_erase(struct bk_publisher *pub, bk_str_t subject, uint32_t contexts)
{
    bk__erasures_ask(&pub->erasures, subject, contexts);
}

struct bk_promises bk_publisher_erasures(const struct bk_publisher *pub)
{
    return bk__erasures_promises(&pub->erasures);
}

uint32_t bk_publisher_erasing(const struct bk_publisher *pub)
{
    return (uint32_t)bk_min_u64(pub->erasures.waiting, UINT32_MAX);
}

/* Ask for what is left of one erasure; false: there is no room for all of it. */
static bool send_erasure(struct bk_publisher *pub, struct bk__erasure *erasure)
{
    bk_str_t prefix = bk_str_c(pub->options.key_prefix), id = bk_str(erasure->id, erasure->id_len);
    for (uint32_t context = 0; context < BK_CONTEXT_COUNT; context++) {
        if (!(erasure->contexts >> context & 1)) continue;
        if (!bk_sink_room(pub->sink)) return false;
        size_t len = bk_key_subject(prefix, id, bk_str_c(bk_context_word((enum bk_context)context)),
                                    pub->key);
        struct bk_command command = bk_encode_unlink(bk_str(pub->key, len), pub->buffer);
        struct bk_ticket ticket = {.handle = (uint32_t)erasure->number,
                                   .what = TICKET_ERASE << 8 | context};
        if (!submit(pub, &ticket, &command)) return false;
        erasure->contexts &= ~(1u << context);
        erasure->unanswered++;
    }
    return true;
}

void bk_publisher_send_erasures(struct bk_publisher *pub)
{
    struct bk__erasure *erasure = bk__erasures_from(&pub->erasures, 0);
    while (erasure && send_erasure(pub, erasure))
        erasure = bk__erasures_from(&pub->erasures, erasure->number + 1);
}

/* An UNLINK that was tried again may have hit the list of a shopper who came back meanwhile: that
 * one is written again. */
static void rewrite_if_back(struct bk_publisher *pub, const struct bk__erasure *erasure,
                            uint32_t context)
{
    for (int32_t partition = 0; partition < pub->engine->shard_top; partition++) {
        struct bk_shard *shard = bk_engine_shard_here(pub->engine, partition);
        uint32_t subject = shard ? bk_subject_find(shard, bk_str(erasure->id, erasure->id_len)) : 0;
        if (!subject) continue;
        const struct bk_subject *sub = bk_subject(shard, subject);
        if (sub->live >> context & 1) bk_dirty_put(shard, subject, sub->stamp, 1u << context, 0);
    }
}

static void erasure_answered(struct bk_publisher *pub, const struct bk_ticket *ticket, bool retry)
{
    struct bk__erasure *erasure = bk__erasures_of(&pub->erasures, ticket->handle);
    uint32_t context = ticket->what & 0xff;
    erasure->unanswered--;
    if (retry)
        erasure->contexts |= 1u << context;
    else
        rewrite_if_back(pub, erasure, context);
    if (!erasure->contexts && !erasure->unanswered) bk__erasures_done(&pub->erasures, erasure);
}

/* ---- the refresher ---- */

static uint64_t subjects_of(const struct bk_publisher *pub)
{
    uint64_t subjects = 0;
    for (int32_t partition = 0; partition < pub->engine->shard_top; partition++)
        if (bk_engine_shard_here(pub->engine, partition))
            subjects += bk_table_top(&pub->engine->shards[partition]->subjects);
    return subjects;
}

static void sweep_begin(struct bk_publisher *pub, const struct bk_now *now)
{
    struct sweep *sweep = &pub->sweep;
    sweep->partition = 0;
    sweep->subject = 0;
    sweep->email = sweep->fast || now->mono.ms >= sweep->email_due_ms;
    if (sweep->email) sweep->email_due_ms = now->mono.ms + pub->options.email_ms;
}

/* Queue the lists of one subject that readers may still ask for; the others have expired in
 * Redis. */
static void refresh(struct bk_publisher *pub, struct bk_shard *shard, uint32_t subject,
                    const struct bk_now *now)
{
    const struct bk_subject *sub = bk_subject(shard, subject);
    if (!sub->alive || !sub->live) return;
    uint32_t live = 0;
    for (uint32_t context = 0; context < BK_CONTEXT_COUNT; context++)
        if (sub->live >> context & 1 &&
            now->stream_ms - sub->time_ms < 1000ll * bk_context_expires_s((enum bk_context)context))
            live |= 1u << context;
    bk_subject_live_set(shard, subject, live);
    uint32_t due = pub->sweep.email ? live : live & ~(1u << BK_CONTEXT_EMAIL);
    bk_dirty_put(shard, subject, sub->stamp, due, 0);
    bk_metrics_add(pub->metrics, BK_METRIC_REFRESH_LISTS, (uint64_t)__builtin_popcount(due));
}

/* The next subject of the round, or false at its end. */
static bool sweep_step(struct bk_publisher *pub, const struct bk_now *now)
{
    struct sweep *sweep = &pub->sweep;
    for (; sweep->partition < pub->engine->shard_top; sweep->partition++, sweep->subject = 0) {
        struct bk_shard *shard = bk_engine_shard_here(pub->engine, sweep->partition);
        if (!shard || sweep->subject >= bk_table_top(&shard->subjects)) continue;
        refresh(pub, shard, ++sweep->subject, now);
        return true;
    }
    return false;
}

/* Redis came back empty: every item's lists are written again, as fast as the window allows. */
static void sweep_lost_items(struct bk_publisher *pub)
{
    uint32_t top = bk_table_top(&pub->engine->shared.items);
    for (int i = 0; i < SWEEP_PER_TURN && pub->sweep.item; i++) {
        const struct bk_item *item = bk_item(&pub->engine->shared, pub->sweep.item);
        if (item->published[0] || item->published[1])
            bk_dirty_item_put(pub->engine, pub->sweep.item);
        pub->sweep.item = pub->sweep.item < top ? pub->sweep.item + 1 : 0;
    }
}

/* An item's list also moves with its partners' counts, at events that are not the item's own: each
 * is looked at once a round. */
static void sweep_items(struct bk_publisher *pub, double rounds, const struct bk_now *now)
{
    struct sweep *sweep = &pub->sweep;
    uint32_t top = bk_table_top(&pub->engine->shared.items);
    sweep->item_credit += rounds * (double)top;
    if (sweep->item_credit > ITEMS_PER_TURN) sweep->item_credit = ITEMS_PER_TURN;
    for (; top && sweep->item_credit >= 1 && bk_sink_room(pub->sink); sweep->item_credit -= 1) {
        sweep->item_last = sweep->item_last % top + 1;
        const struct bk_item *item = bk_item(&pub->engine->shared, sweep->item_last);
        if (item->published[0] || item->published[1]) publish_item(pub, sweep->item_last, now);
    }
}

static void sweep_turn(struct bk_publisher *pub, const struct bk_now *now)
{
    struct sweep *sweep = &pub->sweep;
    uint64_t subjects = subjects_of(pub);
    if (!sweep->last.ms) sweep->last = now->mono;
    double rounds =
        (double)(now->mono.ms - sweep->last.ms) / ((double)pub->options.refresh_ms * 0.8);
    sweep->credit += rounds * (double)subjects;
    sweep->last = now->mono;
    if (!subjects) sweep->fast = false; /* nothing is known, so nothing is missing */
    if (sweep->fast || sweep->credit > SWEEP_PER_TURN) sweep->credit = SWEEP_PER_TURN;
    uint32_t most = pub->options.waiting_max / 2 < SWEEP_WAITING_MAX ? pub->options.waiting_max / 2
                                                                     : SWEEP_WAITING_MAX;
    for (; sweep->credit >= 1 && bk_publisher_waiting(pub) < most; sweep->credit -= 1) {
        if (sweep_step(pub, now)) continue;
        sweep->completed++;
        sweep->fast = false;
        sweep->credit = 0;
        bk_metrics_add(pub->metrics, BK_METRIC_REFRESH_SWEEPS, 1);
        sweep_begin(pub, now);
        break;
    }
    if (sweep->item)
        sweep_lost_items(pub);
    else
        sweep_items(pub, rounds, now);
}

/* ---- the turn ---- */

uint32_t bk_publisher_waiting(const struct bk_publisher *pub)
{
    uint32_t waiting = 0;
    for (int32_t partition = 0; partition < pub->engine->shard_top; partition++)
        if (bk_engine_shard_here(pub->engine, partition))
            waiting += bk_shard_totals(pub->engine->shards[partition])->dirty_count;
    return waiting;
}

bool bk_publisher_turn(struct bk_publisher *pub, const struct bk_now *now)
{
    bk_publisher_send_erasures(pub);
    publish_subjects(pub, now);
    if (bk_totals(&pub->engine->shared)
            ->time_max_ms) { /* an empty shop has nothing to show everybody */
        publish_items(pub, now);
        publish_popular(pub, now);
        publish_everybodys(pub, now);
    }
    bool lost = pub->sweep.fast ||
                pub->sweep.item; /* Redis came back empty: that is owed even at the end */
    if (lost || !pub->finishing) sweep_turn(pub, now);
    return bk_sink_room(pub->sink) &&
           (bk_publisher_waiting(pub) || pub->item_batch || pub->sweep.fast || pub->sweep.item ||
            bk__everybody_is_busy(pub->everybody));
}

/* What Redis holds is not what was sent: no list reads like this, so the refresher's next look
 * writes it. */
static void forget_item_list(struct bk_publisher *pub, uint32_t item, uint32_t relation)
{
    uint32_t sent = bk_item(&pub->engine->shared, item)->published[relation];
    bk_item_published(pub->engine, item, relation, ~sent);
}

void bk_publisher_outcome(struct bk_publisher *pub, const struct bk_ticket *ticket,
                          enum bk_outcome outcome, bk_wall_ms_t now_wall_ms)
{
    bool retry = bk_outcome_retry(outcome), stored = outcome == BK_OUTCOME_STORED;
    pub->unanswered--;
    bk_metrics_add(pub->metrics, BK_METRIC_REDIS_ANSWERS + outcome, 1);
    uint32_t detail = ticket->what & 0xff;
    switch ((enum ticket_kind)(ticket->what >> 8)) {
    case TICKET_SUBJECT: {
        struct bk_shard *shard = pub->engine->shards[ticket->owner];
        if (stored) bk_metrics_add(pub->metrics, BK_METRIC_LISTS_PUBLISHED + detail, 1);
        if (stored && ticket->note)
            bk_histogram_add(&pub->metrics->histogram[BK_HISTOGRAM_EVENT_TO_PUBLISH],
                             (now_wall_ms - ticket->note) * 1000);
        if (shard && retry) /* a subject that is gone is not queued: its stamp is another */
            bk_dirty_put(shard, ticket->handle, ticket->stamp, 1u << detail, ticket->note);
        break;
    }
    case TICKET_ITEM:
        if (stored) bk_metrics_add(pub->metrics, BK_METRIC_ITEM_LISTS_PUBLISHED, 1);
        /* Another state may have been put in place since, which knows fewer items. */
        if (ticket->handle > bk_table_top(&pub->engine->shared.items)) break;
        if (retry) bk_dirty_item_put(pub->engine, ticket->handle);
        if (!retry && !stored) forget_item_list(pub, ticket->handle, detail);
        break;
    case TICKET_POPULAR:
        if (stored) bk_metrics_add(pub->metrics, BK_METRIC_SHARED_LISTS_PUBLISHED, 1);
        if (!stored) pub->popular_hash = 0;
        break;
    case TICKET_EVERYBODY:
        if (stored) bk_metrics_add(pub->metrics, BK_METRIC_SHARED_LISTS_PUBLISHED, 1);
        if (retry) bk__everybody_lost(pub->everybody, ticket->handle);
        break;
    case TICKET_ERASE:
        erasure_answered(pub, ticket, retry);
        break;
    case TICKET_ANNOUNCE:
        break;
    }
}

void bk_publisher_connected(struct bk_publisher *pub, bool fresh)
{
    if (!fresh) return;
    pub->popular_hash = 0;
    pub->popular_due_ms = 0;
    bk__everybody_lost_all(pub->everybody);
    pub->sweep.fast = pub->sweep.email = true;
    pub->sweep.partition = 0;
    pub->sweep.subject = 0;
    pub->sweep.item = bk_table_top(&pub->engine->shared.items) ? 1 : 0;
}

void bk_publisher_finish(struct bk_publisher *pub)
{
    pub->finishing = true;
}

bool bk_publisher_is_idle(const struct bk_publisher *pub)
{
    if (bk_publisher_erasing(pub)) return false;
    if (pub->sweep.fast || pub->sweep.item) return false; /* what Redis lost is not queued yet */
    return !pub->unanswered && !bk_publisher_waiting(pub) && !pub->item_batch &&
           !bk_totals(&pub->engine->shared)->dirty_count && everybodys_are_settled(pub);
}

uint64_t bk_publisher_sweeps(const struct bk_publisher *pub)
{
    return pub->sweep.completed;
}
