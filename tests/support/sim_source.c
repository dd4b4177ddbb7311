/* sim_source.c -- see the header; the order of partitions is the only thing left to chance here. */
#include "support/sim_source.h"

static struct sim_source *self(struct bk_source *head)
{
    return (struct sim_source *)(void *)head;
}

/* ---- the group ---- */

static uint32_t position_of(const struct sim_partition *part, int64_t offset)
{
    uint32_t at = 0;
    while (at < part->count && part->record[at].offset < offset) at++;
    return at;
}

/* The owner knows the record that it passed last, whatever became of it since, and no other. */
static void check_mark(struct sim_source *source, int32_t p, const struct sim_record *last)
{
    if (!source->events.is_passed) return;
    struct bk_record record = sim_log_record(BK_TOPIC_EVENTS, p, last), other = record;
    BK_ASSERT(source->events.is_passed(source->events.arg, &record));
    other.timestamp_ms++;
    BK_ASSERT(!source->events.is_passed(source->events.arg, &other));
    other = record;
    other.key = BK_STR("c:somebody else");
    BK_ASSERT(!source->events.is_passed(source->events.arg, &other));
    other = record;
    other.value = BK_STR("something else");
    BK_ASSERT(!source->events.is_passed(source->events.arg, &other));
}

static void assign(struct sim_source *source, int32_t p)
{
    const struct sim_partition *part = &source->log->events[p];
    int64_t offset = source->events.assigned(source->events.arg, BK_TOPIC_EVENTS, p);
    if (offset == BK_OFFSET_REFUSED) return; /* it is offered again at the next pull */
    if (offset < 0 && source->events.begins)
        source->events.begins(source->events.arg, BK_TOPIC_EVENTS, p,
                              part->count ? part->record[0].offset : 0);
    uint32_t at = position_of(part, offset);
    if (offset > 0 && at) check_mark(source, p, &part->record[at - 1]);
    uint32_t back = source->regress_max ? chance_below(source->chance, source->regress_max + 1) : 0;
    source->part[p].at = back < at ? at - back : 0;
    source->part[p].assigned = true;
    source->part[p].ended = false;
    source->part[p].end = source->part[p].visible;
}

static void report_end(struct sim_source *source, int32_t p)
{
    if (!source->part[p].assigned || source->part[p].ended ||
        source->part[p].at < source->part[p].end)
        return;
    source->part[p].ended = true;
    source->events.reached_end(source->events.arg, BK_TOPIC_EVENTS, p);
}

static void settle_group(struct sim_source *source)
{
    for (int32_t p = 0; p < source->log->partitions; p++) {
        if (source->part[p].assigned == source->want[p]) continue;
        if (source->want[p]) {
            assign(source, p);
        } else {
            source->part[p].assigned = false;
            source->events.revoked(source->events.arg, BK_TOPIC_EVENTS, p);
        }
    }
    for (int32_t p = 0; p < source->log->partitions; p++) report_end(source, p);
}

void sim_source_rebalance(struct sim_source *source)
{
    for (int32_t p = 0; p < source->log->partitions; p++)
        source->want[p] = !chance_one_in(source->chance, 3);
    source->events.wake(source->events.arg);
}

void sim_source_want_all(struct sim_source *source)
{
    for (int32_t p = 0; p < source->log->partitions; p++) source->want[p] = true;
    source->events.wake(source->events.arg);
}

/* ---- records ---- */

static bool has_more(const struct sim_source *source, int32_t p)
{
    return source->part[p].assigned && source->part[p].at < source->part[p].visible;
}

/* A partition with something to give, by chance; -1: none. */
static int32_t choose(struct sim_source *source)
{
    int32_t first = (int32_t)chance_below(source->chance, (uint32_t)source->log->partitions);
    for (int32_t i = 0; i < source->log->partitions; i++) {
        int32_t p = (first + i) % source->log->partitions;
        if (has_more(source, p)) return p;
    }
    return -1;
}

static void hand_over(struct sim_source *source, enum bk_topic topic, int32_t p,
                      const struct sim_record *record)
{
    struct bk_record out = sim_log_record(topic, p, record);
    source->delivered++;
    source->poison += record->poison;
    source->events.record(source->events.arg, &out);
}

static size_t pull_facts(struct sim_source *source, size_t max)
{
    size_t took = 0;
    if (!source->facts_assigned) source->events.assigned(source->events.arg, BK_TOPIC_PRODUCTS, 0);
    source->facts_assigned = true;
    for (; took < max && source->facts_at < source->log->products.count; took++)
        hand_over(source, BK_TOPIC_PRODUCTS, 0, &source->log->products.record[source->facts_at++]);
    if (source->facts_at < source->log->products.count || source->facts_ended) return took;
    source->facts_ended = true;
    source->events.reached_end(source->events.arg, BK_TOPIC_PRODUCTS, 0);
    return took;
}

static size_t pull_run(struct sim_source *source, int32_t p, size_t max)
{
    size_t run = 1 + chance_below(source->chance, source->run_max), took = 0;
    for (; took < run && took < max && has_more(source, p); took++) {
        hand_over(source, BK_TOPIC_EVENTS, p, &source->log->events[p].record[source->part[p].at]);
        source->part[p].at++;
        report_end(source, p);
    }
    return took;
}

static size_t pull(struct bk_source *head, size_t max)
{
    struct sim_source *source = self(head);
    source->waiting = false;
    if (source->batch_max && source->batch_max < max)
        max = 1 + chance_below(source->chance, source->batch_max);
    size_t took = pull_facts(source, max);
    if (source->facts_at < source->log->products.count) return took;
    settle_group(source);
    for (int32_t p; took < max && !source->paused && (p = choose(source)) >= 0;)
        took += pull_run(source, p, max - took);
    if (choose(source) >= 0) {
        source->waiting = true;
        source->events.wake(source->events.arg);
    }
    return took;
}

static void pause_source(struct bk_source *head, bool paused)
{
    self(head)->paused = paused;
}

static void restart(struct bk_source *head)
{
    struct sim_source *source = self(head);
    for (int32_t p = 0; p < source->log->partitions; p++) {
        if (!source->part[p].assigned) continue;
        source->part[p].assigned = false;
        source->events.revoked(source->events.arg, BK_TOPIC_EVENTS, p);
        assign(source, p);
    }
}

static void status(struct bk_source *head, struct bk_source_status *out)
{
    const struct sim_source *source = self(head);
    *out = (struct bk_source_status){.state = BK_SOURCE_ASSIGNED,
                                     .topic_partitions = source->log->partitions};
    for (int32_t p = 0; p < source->log->partitions; p++) {
        out->assigned += source->part[p].assigned;
        if (source->part[p].assigned)
            out->lag_records += source->part[p].visible - source->part[p].at;
    }
}

static void close_source(struct bk_source *head, void (*closed)(void *arg), void *arg)
{
    (void)head;
    closed(arg);
}

static const struct bk_source_ops ops = {.has_whole_facts = true,
                                         .pull = pull,
                                         .pause = pause_source,
                                         .status = status,
                                         .restart = restart,
                                         .close = close_source};

void sim_source_init(struct sim_source *source, const struct sim_log *log, struct chance *chance)
{
    *source = (struct sim_source){.head.ops = &ops, .log = log, .chance = chance, .run_max = 8};
    for (int32_t p = 0; p < log->partitions; p++) {
        source->want[p] = true;
        source->part[p].visible = log->events[p].count;
    }
}

bool sim_source_is_at_end(const struct sim_source *source)
{
    for (int32_t p = 0; p < source->log->partitions; p++)
        if (!source->part[p].assigned || source->part[p].at < source->part[p].visible) return false;
    return true;
}
