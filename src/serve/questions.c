/* questions.c -- the table of questions, and the answers about the instance as a whole.
 *
 * Answers are JSON, built outside the hot path. `verify` pages: its cursor is
 * "<partition>.<subject>", then "item.<number>", then "popular", so that no answer keeps the loop
 * for long.
 */
#include "basketry/questions.h"

#include <stdio.h>
#include <stdlib.h>

enum { VERIFY_SUBJECTS_PER_PAGE = 12, VERIFY_LOOK_MAX = 20000, VERIFY_ITEMS_PER_PAGE = 100 };

/* ---- status ---- */

static void put_text(struct bk_buf *out, const char *name, const char *text)
{
    bk_buf_printf(out, "\"%s\":", name);
    bk_buf_json(out, bk_str_c(text));
}

/* How it is, since when, and what was last wrong with it. */
static void put_stage(struct bk_buf *out, const struct bk_stage *stage)
{
    put_text(out, "health", bk_health_word(stage->health));
    bk_buf_printf(out, ",\"since_ms\":%lld,", (long long)stage->state_since_ms);
    put_text(out, "last_error", stage->error);
    bk_buf_printf(out, ",\"last_error_ms\":%lld,", (long long)stage->error_ms);
}

static void put_source(struct bk_buf *out, const struct bk_instance *instance)
{
    struct bk_source_status status = {0};
    instance->source->ops->status(instance->source, &status);
    bk_buf_cstr(out, ",\"source\":{");
    put_text(out, "state", bk_source_state_word(status.state));
    bk_buf_char(out, ',');
    put_stage(out, &instance->watch->stage[BK_STAGE_SOURCE]);
    put_text(out, "detail", status.detail);
    bk_buf_printf(out,
                  ",\"partitions\":%u,\"resting\":%u,\"lag_records\":%lld,\"errors\":%llu,"
                  "\"offset_resets\":%llu,\"records_lost\":%llu}",
                  status.assigned, status.resting, (long long)status.lag_records,
                  (unsigned long long)status.errors, (unsigned long long)status.offset_resets,
                  (unsigned long long)status.records_lost);
}

static void put_sink(struct bk_buf *out, const struct bk_instance *instance)
{
    struct bk_sink_status status = {0};
    instance->sink->ops->status(instance->sink, &status);
    bk_buf_cstr(out, ",\"sink\":{");
    put_text(out, "state", bk_sink_state_word(status.state));
    bk_buf_char(out, ',');
    put_stage(out, &instance->watch->stage[BK_STAGE_SINK]);
    put_text(out, "detail", status.detail);
    bk_buf_printf(
        out, ",\"inflight\":%u,\"inflight_bytes\":%llu,\"oldest_ms\":%lld,\"reconnects\":%llu}",
        status.inflight, (unsigned long long)status.inflight_bytes, (long long)status.oldest_ms,
        (unsigned long long)status.reconnects);
}

static void put_checkpoint(struct bk_buf *out, const struct bk_instance *instance)
{
    struct bk_checkpoint_status status;
    if (!instance->checkpoint) {
        bk_buf_cstr(out, ",\"checkpoint\":null");
        return;
    }
    bk_checkpoint_status(instance->checkpoint, &status);
    bk_buf_cstr(out, ",\"checkpoint\":{");
    put_text(out, "state", bk_checkpoint_state_word(status.state));
    bk_buf_printf(out,
                  ",\"generation\":%llu,\"written_ms\":%lld,\"bytes\":%llu,\"took_ms\":%lld,"
                  "\"written\":%llu,\"failures\":%llu,",
                  (unsigned long long)status.generation, (long long)status.written_ms,
                  (unsigned long long)status.bytes, (long long)status.took_ms,
                  (unsigned long long)status.written, (unsigned long long)status.failures);
    put_text(out, "last_error", status.error);
    bk_buf_char(out, '}');
}

static void put_outbox(struct bk_buf *out, const struct bk_instance *instance)
{
    struct bk_outbox_status status;
    const struct bk_outbox *outbox = instance->outbox;
    if (!outbox) return;
    outbox->ops->status(outbox, &status);
    bk_buf_cstr(out, ",\"outbox\":{");
    put_text(out, "state", bk_outbox_state_word(status.state));
    bk_buf_char(out, ',');
    put_stage(out, &instance->watch->stage[BK_STAGE_OUTBOX]);
    put_text(out, "detail", status.detail);
    bk_buf_printf(out, ",\"sent\":%llu,\"acked\":%llu,\"waiting_bytes\":%llu,\"failed\":%llu}",
                  (unsigned long long)bk_outbox_sent(outbox),
                  (unsigned long long)bk_outbox_acked(outbox),
                  (unsigned long long)status.waiting_bytes, (unsigned long long)status.failed);
}

static void put_age(struct bk_buf *out, const struct bk_metrics *metrics)
{
    const struct bk_histogram *age = &metrics->histogram[BK_HISTOGRAM_EVENT_TO_PUBLISH];
    bk_buf_printf(
        out, ",\"age_ms\":{\"count\":%llu,\"p50\":%.3f,\"p99\":%.3f,\"p999\":%.3f,\"max\":%.3f}",
        (unsigned long long)age->count, (double)bk_histogram_quantile_us(age, 0.5) / 1000.0,
        (double)bk_histogram_quantile_us(age, 0.99) / 1000.0,
        (double)bk_histogram_quantile_us(age, 0.999) / 1000.0, (double)age->max_us / 1000.0);
}

static uint64_t sum_of(const struct bk_metrics *metrics, uint32_t first, uint32_t count)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < count; i++) sum += metrics->v[first + i];
    return sum;
}

static int answer_status(void *arg, int words, const bk_str_t *word, struct bk_buf *out,
                         struct bk_reason *reason)
{
    (void)words, (void)word, (void)reason;
    const struct bk_instance *instance = arg;
    const struct bk_metrics *m = instance->metrics(instance->arg);
    bk_buf_char(out, '{');
    put_text(out, "version", BK_VERSION);
    bk_buf_char(out, ',');
    struct bk_wellbeing all = bk_watch_health(instance->watch);
    put_text(out, "health", bk_health_word(all.health));
    bk_buf_printf(out, ",\"health_since_ms\":%lld,", (long long)all.since_ms);
    put_text(out, "intake", instance->intake(instance->arg));
    bk_buf_printf(out, ",\"intake_since_ms\":%lld",
                  (long long)instance->watch->stage[BK_STAGE_INTAKE].state_since_ms);
    bk_buf_printf(out, ",\"uptime_ms\":%llu", (unsigned long long)m->v[BK_METRIC_UPTIME]);
    put_source(out, instance);
    put_sink(out, instance);
    put_outbox(out, instance);
    put_checkpoint(out, instance);
    bk_buf_printf(out,
                  ",\"records\":%llu,\"applied\":%llu,\"lists_published\":%llu,\"lists_waiting\":%"
                  "u,\"sweeps\":%llu",
                  (unsigned long long)sum_of(m, BK_METRIC_RECORDS, BK_VERDICT_COUNT),
                  (unsigned long long)sum_of(m, BK_METRIC_EVENTS_APPLIED, BK_EVENT_KIND_COUNT),
                  (unsigned long long)sum_of(m, BK_METRIC_LISTS_PUBLISHED, BK_CONTEXT_COUNT),
                  bk_publisher_waiting(instance->publisher),
                  (unsigned long long)bk_publisher_sweeps(instance->publisher));
    put_age(out, m);
    bk_buf_printf(
        out, ",\"state_bytes\":%llu,\"state_bytes_max\":%llu,\"subjects\":%llu,\"items\":%llu}",
        (unsigned long long)bk_engine_bytes(instance->engine),
        (unsigned long long)m->v[BK_METRIC_STATE_BYTES_MAX],
        (unsigned long long)m->v[BK_METRIC_STATE_SUBJECTS],
        (unsigned long long)m->v[BK_METRIC_STATE_ITEMS]);
    return BK_OK;
}

/* ---- inspect ---- */

static int answer_digest(const struct bk_instance *instance, struct bk_buf *out)
{
    uint64_t lossy;
    uint64_t shared = bk_shared_digest(&instance->engine->shared, &lossy);
    bk_buf_printf(out, "{\"shared\":\"%016llx\",\"lossy_rows\":%llu,\"shards\":{",
                  (unsigned long long)shared, (unsigned long long)lossy);
    const char *comma = "";
    for (int32_t partition = 0; partition < instance->engine->shard_top; partition++) {
        const struct bk_shard *shard = instance->engine->shards[partition];
        if (!shard) continue;
        bk_buf_printf(out, "%s\"%d\":{\"digest\":\"%016llx\",\"next_offset\":%lld}", comma,
                      partition, (unsigned long long)bk_shard_digest(shard),
                      (long long)bk_shard_totals(shard)->next_offset);
        comma = ",";
    }
    bk_buf_cstr(out, "}}");
    return BK_OK;
}

static int answer_inspect(void *arg, int words, const bk_str_t *word, struct bk_buf *out,
                          struct bk_reason *reason)
{
    const struct bk_instance *instance = arg;
    bk_str_t what = words > 1 ? word[1] : BK_STR("");
    if (words == 3 && bk_str_eq(what, BK_STR("item")))
        return bk_inspect_item(instance, word[2], out, reason);
    if (words == 3 && bk_str_eq(what, BK_STR("subject")))
        return bk_inspect_subject(instance, word[2], out, reason);
    if ((words == 4 || words == 5) && bk_str_eq(what, BK_STR("why")))
        return bk_inspect_why(instance, word[2], word[3], words == 5 ? word[4] : BK_STR("home"),
                              out, reason);
    if (words == 2 && bk_str_eq(what, BK_STR("digest"))) return answer_digest(instance, out);
    if (words == 2 && bk_str_eq(what, BK_STR("status")))
        return answer_status(arg, words, word, out, reason);
    if (words == 2 && bk_str_eq(what, BK_STR("counters"))) {
        bk_metrics_json(instance->metrics(instance->arg), out);
        return BK_OK;
    }
    return bk_reason_set(reason, BK_EINVAL,
                         "inspect wants: item ID, subject ID, why SUBJECT ITEM [CONTEXT], digest, "
                         "counters or status");
}

/* ---- verify ---- */

static void put_key(struct bk_buf *out, const struct bk_command *command)
{
    if (!command->len || out->failed) return; /* then it may be empty */
    if (out->p[out->len - 1] != '[') bk_buf_char(out, ',');
    bk_buf_cstr(out, "{\"key\":");
    bk_buf_json(out, command->key);
    bk_buf_cstr(out, ",\"list\":");
    bk_buf_str(out, command->value);
    bk_buf_char(out, '}');
}

static void put_subject_keys(const struct bk_instance *instance, const struct bk_shard *shard,
                             uint32_t subject, const struct bk_now *now, struct bk_buf *out)
{
    const struct bk_subject *sub = bk_subject(shard, subject);
    for (uint32_t context = 0; context < BK_CONTEXT_COUNT; context++) {
        bool live =
            sub->live >> context & 1 &&
            now->stream_ms - sub->time_ms < 1000ll * bk_context_expires_s((enum bk_context)context);
        if (!live) continue;
        struct bk_command command =
            bk_publisher_render(instance->publisher, shard, subject, (enum bk_context)context, now);
        put_key(out, &command);
    }
}

/* A page of subjects from (partition, subject) on; both are moved behind it. False: there are no
 * more. */
static bool put_subjects(const struct bk_instance *instance, int32_t *partition, uint32_t *subject,
                         struct bk_buf *out)
{
    struct bk_now now = instance->now(instance->arg);
    int page = 0;
    for (int look = 0; look < VERIFY_LOOK_MAX && *partition < instance->engine->shard_top; look++) {
        const struct bk_shard *shard = bk_engine_shard_here(instance->engine, *partition);
        if (!shard || *subject >= bk_table_top(&shard->subjects)) {
            (*partition)++;
            *subject = 0;
            continue;
        }
        (*subject)++;
        const struct bk_subject *sub = bk_subject(shard, *subject);
        if (!sub->alive || !sub->live) continue;
        put_subject_keys(instance, shard, *subject, &now, out);
        if (++page == VERIFY_SUBJECTS_PER_PAGE) return true;
    }
    return *partition < instance->engine->shard_top;
}

static bool put_items(const struct bk_instance *instance, uint32_t *item, struct bk_buf *out)
{
    struct bk_now now = instance->now(instance->arg);
    uint32_t top = bk_table_top(&instance->engine->shared.items);
    for (int page = 0; page < VERIFY_ITEMS_PER_PAGE && *item < top; page++) {
        (*item)++;
        for (uint32_t relation = 0; relation < BK_RELATION_COUNT; relation++) {
            if (!bk_item(&instance->engine->shared, *item)->published[relation]) continue;
            struct bk_command command = bk_publisher_render_item(instance->publisher, *item,
                                                                 (enum bk_relation)relation, &now);
            put_key(out, &command);
        }
    }
    return *item < top;
}

static int answer_verify(void *arg, int words, const bk_str_t *word, struct bk_buf *out,
                         struct bk_reason *reason)
{
    const struct bk_instance *instance = arg;
    char cursor[64] = "0.0", next[64] = "";
    if (words > 1) snprintf(cursor, sizeof cursor, "%.*s", (int)word[1].len, word[1].p);
    int32_t partition;
    uint32_t number;
    bk_buf_cstr(out, "{\"keys\":[");
    if (sscanf(cursor, "item.%u", &number) == 1) {
        if (put_items(instance, &number, out))
            snprintf(next, sizeof next, "item.%u", number);
        else
            snprintf(next, sizeof next, "popular");
    } else if (strcmp(cursor, "popular") == 0) {
        struct bk_now now = instance->now(instance->arg);
        struct bk_command command = bk_publisher_render_popular(instance->publisher, &now);
        if (bk_totals(&instance->engine->shared)->time_max_ms) put_key(out, &command);
    } else if (sscanf(cursor, "%d.%u", &partition, &number) == 2 && partition >= 0) {
        if (put_subjects(instance, &partition, &number, out))
            snprintf(next, sizeof next, "%d.%u", partition, number);
        else
            snprintf(next, sizeof next, "item.0");
    } else {
        return bk_reason_set(reason, BK_EINVAL, "verify: '%s' is not a cursor", cursor);
    }
    if (next[0])
        bk_buf_printf(out, "],\"next\":\"%s\"}", next);
    else
        bk_buf_cstr(out, "],\"next\":null}");
    return BK_OK;
}

/* ---- checkpoint ---- */

static int answer_checkpoint(void *arg, int words, const bk_str_t *word, struct bk_buf *out,
                             struct bk_reason *reason)
{
    (void)words, (void)word;
    const struct bk_instance *instance = arg;
    if (!instance->checkpoint)
        return bk_reason_set(reason, BK_EUNAVAILABLE, "checkpoint.dir is empty: none is kept");
    bk_checkpoint_ask(instance->checkpoint);
    bk_buf_cstr(out, "{\"asked\":true}");
    return BK_OK;
}

static int answer_promote(void *arg, int words, const bk_str_t *word, struct bk_buf *out,
                          struct bk_reason *reason)
{
    const struct bk_instance *instance = arg;
    char name[64] = "";
    if (words == 2) snprintf(name, sizeof name, "%.*s", (int)word[1].len, word[1].p);
    if (!name[0] || strchr(name, '/'))
        return bk_reason_set(reason, BK_EINVAL, "promote wants the name of a generation");
    int err = instance->promote(instance->arg, name, reason);
    if (err == BK_OK) bk_buf_cstr(out, "{\"loading\":true}");
    return err;
}

/* ---- accept-log ---- */

static int answer_accept(void *arg, int words, const bk_str_t *word, struct bk_buf *out,
                         struct bk_reason *reason)
{
    const struct bk_instance *instance = arg;
    char text[16] = "";
    int32_t partition = -1;
    if (words == 2) snprintf(text, sizeof text, "%.*s", (int)word[1].len, word[1].p);
    if (sscanf(text, "%d", &partition) != 1 || partition < 0 || partition >= BK_SHARDS_MAX)
        return bk_reason_set(reason, BK_EINVAL, "accept-log wants the number of a partition");
    int err = instance->source->ops->accept
                  ? instance->source->ops->accept(instance->source, partition)
                  : BK_ENOENT;
    if (err)
        return bk_reason_set(reason, err, "partition %d does not rest for its log: see status",
                             partition);
    bk_shard_rewind(instance->engine->shards[partition]);
    bk_buf_printf(out, "{\"partition\":%d,\"reading\":\"from_beginning\"}", partition);
    return BK_OK;
}

const struct bk_control_handler bk_questions[] = {
    {"status", "", "how the instance is", answer_status},
    {"inspect", "item ID | subject ID | why SUBJECT ITEM [CONTEXT] | digest | counters | status",
     "look into the state", answer_inspect},
    {"verify", "[CURSOR]", "a page of keys with the list each should hold", answer_verify},
    {"checkpoint", "", "write a generation now, if anything happened since the last",
     answer_checkpoint},
    {"promote", "NAME", "put a generation of checkpoint.dir in the running state's place",
     answer_promote},
    {"accept-log", "PARTITION", "read a log that is not the one of the state from its beginning",
     answer_accept},
};
const size_t bk_question_count = BK_COUNTOF(bk_questions);
