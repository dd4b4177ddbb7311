/* log_source.c -- a log in files as a source: the contract of Kafka, from a disk.
 *
 * THE IDEA
 *   Two readings of one log (log_reader.c): the facts to their ends, then the events. A record
 *   costs no more than its reading, so a pull of n records is a pull of n records; when a pull stops
 *   before the end, the source wakes its owner for the next.
 * INVARIANTS
 *   I1 no event is delivered unless the facts were read to their ends without damage.
 *   I2 what precedes damage is delivered; then the source fails, names file and byte, and tells no
 *      end that it cannot know.
 *   I3 an offset that the log does not reach back to is a failure that names it, never a silent
 *      later start.
 */
#include "basketry/archive.h"
#include "basketry/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

enum phase { PHASE_NEW, PHASE_FACTS, PHASE_EVENTS, PHASE_ENDED, PHASE_FAILED };

struct start {
    int64_t offset; /* as `assigned` said                                  */
    bool unproven;  /* the record before it is read first: is it the one that was passed? */
};

struct file_source {
    struct bk_source head;
    struct bk_source_events events;
    struct bk_log_reader *reader;
    struct bk_file_options options;
    struct start *starts; /* per part of the reader */
    size_t unproven;      /* of them                */
    enum phase phase;
    bool paused;
    uint64_t delivered;
    char detail[160];
    uv_timer_t farewell; /* so that `closed` comes from the loop */
    struct uv_loop_s *loop;
    void (*closed)(void *arg);
    void *closed_arg;
};

static struct file_source *of_head(struct bk_source *head)
{
    return (struct file_source *)head; /* the first member */
}

static void wake(struct file_source *s)
{
    if (s->loop) s->events.wake(s->events.arg);
}

static bool is_over(const struct file_source *s)
{
    return s->phase >= PHASE_ENDED;
}

static void fail(struct file_source *s, const struct bk_reason *reason)
{
    s->phase = PHASE_FAILED;
    snprintf(s->detail, sizeof s->detail, "%s", reason->text);
    bk_log_error("log_source", "failed reason=\"%s\" delivered=%llu", reason->text,
                 (unsigned long long)s->delivered);
    wake(s);
}

static bool is_of_phase(const struct file_source *s, size_t i)
{
    bool is_event = bk_log_reader_part(s->reader, i)->topic == BK_TOPIC_EVENTS;
    return is_event == (s->phase == PHASE_EVENTS);
}

/** Stand one record before where the owner wants to go on, if the log reaches back so far. */
static int begin_part(struct file_source *s, size_t i, struct bk_reason *reason)
{
    const struct bk_log_part *part = bk_log_reader_part(s->reader, i);
    struct start *start = &s->starts[i];
    if (start->offset == BK_OFFSET_REFUSED)
        return part->covered ? bk_log_reader_skip(s->reader, i, INT64_MAX, reason) : BK_OK;
    if (start->offset < 0) return BK_OK;
    start->unproven = part->topic == BK_TOPIC_EVENTS && s->events.is_passed && part->covered &&
                      start->offset > part->from;
    s->unproven += start->unproven;
    return bk_log_reader_skip(s->reader, i, start->offset - start->unproven, reason);
}

/** Read the phase's topics from where the owner wants them. */
static void begin(struct file_source *s, enum phase phase)
{
    static const unsigned events = 1u << BK_TOPIC_EVENTS;
    struct bk_reason reason = {""};
    s->phase = phase;
    struct bk_log_range range = {
        .topics = phase == PHASE_EVENTS ? events : ((1u << BK_TOPIC_COUNT) - 1) & ~events,
        .from_ms = phase == PHASE_EVENTS ? s->options.from_ms : 0,
        .to_ms = s->options.to_ms,
    };
    int code = bk_log_reader_begin(s->reader, &range, &reason);
    for (size_t i = 0; i < bk_log_reader_parts(s->reader) && !code; i++) {
        if (is_of_phase(s, i)) code = begin_part(s, i, &reason);
    }
    if (code) fail(s, &reason);
}

static void assign_all(struct file_source *s)
{
    for (size_t i = 0; i < bk_log_reader_parts(s->reader); i++) {
        const struct bk_log_part *part = bk_log_reader_part(s->reader, i);
        s->starts[i].offset = s->events.assigned(s->events.arg, part->topic, part->partition);
    }
    begin(s, PHASE_FACTS);
}

static void end_phase(struct file_source *s)
{
    for (size_t i = 0; i < bk_log_reader_parts(s->reader); i++) {
        const struct bk_log_part *part = bk_log_reader_part(s->reader, i);
        if (is_of_phase(s, i) && s->starts[i].offset != BK_OFFSET_REFUSED)
            s->events.reached_end(s->events.arg, part->topic, part->partition);
    }
    if (s->phase == PHASE_FACTS)
        begin(s, PHASE_EVENTS);
    else
        s->phase = PHASE_ENDED;
}

static struct start *start_of(struct file_source *s, const struct bk_record *record)
{
    for (size_t i = 0; i < bk_log_reader_parts(s->reader); i++) {
        const struct bk_log_part *part = bk_log_reader_part(s->reader, i);
        if (part->topic == record->topic && part->partition == record->partition)
            return &s->starts[i];
    }
    return NULL;
}

/** Is it a record that was passed before, and only shown? One that is not there (erased from an
 *  archive) proves nothing. */
static bool is_proof(struct file_source *s, const struct bk_record *record)
{
    struct bk_reason reason;
    struct start *start = s->unproven ? start_of(s, record) : NULL;
    if (!start || !start->unproven) return false;
    start->unproven = false;
    s->unproven--;
    if (record->offset >= start->offset) return false;
    if (s->events.is_passed(s->events.arg, record)) return true;
    bk_reason_set(&reason, BK_EINVAL,
                  "another log: partition %d does not hold at %lld the record that was applied",
                  record->partition, (long long)record->offset);
    fail(s, &reason);
    return true;
}

/** One record, or one step on. Returns how many were delivered: 0 or 1. */
static size_t step(struct file_source *s)
{
    struct bk_record record;
    struct bk_reason reason = {""};
    int code = bk_log_reader_next(s->reader, &record, &reason);
    if (code == 1) {
        if (is_proof(s, &record)) return 0;
        s->events.record(s->events.arg, &record);
        s->delivered++;
        return 1;
    }
    if (code < 0)
        fail(s, &reason);
    else
        end_phase(s);
    return 0;
}

static size_t pull(struct bk_source *head, size_t max)
{
    struct file_source *s = of_head(head);
    size_t delivered = 0;
    if (s->phase == PHASE_NEW) assign_all(s);
    if (s->paused) return 0;
    while (delivered < max && !is_over(s)) delivered += step(s);
    if (!is_over(s)) wake(s);
    return delivered;
}

static void pause_source(struct bk_source *head, bool paused)
{
    struct file_source *s = of_head(head);
    s->paused = paused;
    if (!paused) wake(s);
}

static void status(struct bk_source *head, struct bk_source_status *out)
{
    const struct file_source *s = of_head(head);
    memset(out, 0, sizeof *out);
    out->state = s->phase == PHASE_FAILED  ? BK_SOURCE_FAILED
                 : s->phase == PHASE_ENDED ? BK_SOURCE_ENDED
                 : s->paused               ? BK_SOURCE_PAUSED
                                           : BK_SOURCE_ASSIGNED;
    snprintf(out->detail, sizeof out->detail, "%s", s->detail);
    out->lag_records = s->phase == PHASE_ENDED ? 0 : -1;
    out->assigned = s->phase == PHASE_NEW ? 0 : (uint32_t)bk_log_reader_parts(s->reader);
    out->errors = s->phase == PHASE_FAILED;
}

static void free_source(struct file_source *s)
{
    bk_log_reader_close(&s->reader);
    free(s->starts);
    free(s);
}

static void on_farewell_closed(uv_handle_t *handle)
{
    struct file_source *s = handle->data;
    s->closed(s->closed_arg);
    free_source(s);
}

static void close_source(struct bk_source *head, void (*closed)(void *arg), void *arg)
{
    struct file_source *s = of_head(head);
    s->closed = closed;
    s->closed_arg = arg;
    if (s->loop) {
        uv_close((uv_handle_t *)&s->farewell, on_farewell_closed);
        return;
    }
    closed(arg);
    free_source(s);
}

static const struct bk_source_ops file_ops = {
    .pull = pull, .pause = pause_source, .status = status, .close = close_source};

struct bk_source *bk_source_file_create(struct uv_loop_s *loop,
                                        const struct bk_file_options *options,
                                        const struct bk_source_events *events,
                                        struct bk_reason *reason)
{
    struct bk_log_reader *reader = bk_log_reader_open(options->path, reason);
    if (!reader) return NULL;
    struct file_source *s = calloc(1, sizeof *s);
    if (s) s->starts = calloc(bk_log_reader_parts(reader) + 1, sizeof *s->starts);
    if (!s || !s->starts) {
        bk_reason_set(reason, BK_ENOMEM, "%s: no memory", options->path);
        bk_log_reader_close(&reader);
        free(s);
        return NULL;
    }
    s->head.ops = &file_ops;
    s->reader = reader;
    s->events = *events;
    s->options = *options;
    s->loop = loop;
    if (loop) {
        uv_timer_init(loop, &s->farewell);
        s->farewell.data = s;
    }
    wake(s);
    return &s->head;
}
