/* sim_check.c -- what must be true of a world at rest, measured against a plain run over the same
 * log. */
#include "support/sim_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- the truth ---- */

/* Lists that an event of a kind asks for at most (the table of the blueprint): home, product, cart,
 * ... */
static const uint8_t lists_due[BK_EVENT_KIND_COUNT] = {
    [BK_EVENT_ITEM_VIEWED] = 2,    [BK_EVENT_SEARCHED] = 1,         [BK_EVENT_CART_CHANGED] = 3,
    [BK_EVENT_PURCHASED] = 6,      [BK_EVENT_WISHLIST_CHANGED] = 1, [BK_EVENT_REFUNDED] = 3,
    [BK_EVENT_ITEM_DISMISSED] = 7, [BK_EVENT_ITEM_RATED] = 1,       [BK_EVENT_IDENTIFIED] = 1,
    [BK_EVENT_SUBJECT_MERGED] = 3, [BK_EVENT_CONSENT_CHANGED] = 2,
};

static struct sim_shopper *shopper_of(struct sim_truth *truth, bk_str_t id, int32_t partition)
{
    for (uint32_t i = 0; i < truth->shoppers; i++)
        if (truth->shopper[i].partition == partition &&
            bk_str_eq(bk_str_c(truth->shopper[i].id), id))
            return &truth->shopper[i];
    assert_true(truth->shoppers < SIM_SUBJECTS_MAX);
    struct sim_shopper *shopper = &truth->shopper[truth->shoppers++];
    *shopper = (struct sim_shopper){.partition = partition, .erased_offset = -1, .home_offset = -1};
    memcpy(shopper->id, id.p, id.len);
    return shopper;
}

static enum bk_verdict_code tell_truth(struct sim_truth *truth, const struct bk_record *record,
                                       const struct bk_event *event)
{
    if (event->kind == BK_EVENT_PRODUCT) {
        bk_apply_product(&truth->engine, record->key, event);
        return BK_VERDICT_OK;
    }
    struct bk_place place = {record->offset, record->timestamp_ms};
    struct bk_shard *shard = bk_engine_shard(&truth->engine, record->partition);
    struct bk_applied applied = bk_apply(&truth->engine, shard, &place, event);
    struct sim_shopper *shopper = shopper_of(truth, record->key, record->partition);
    if (applied.erased) {
        shopper->erased_offset = record->offset;
        shopper->home_offset = -1;
    } else if (applied.verdict == BK_VERDICT_OK && applied.subject) {
        uint32_t stamp = bk_subject(shard, applied.subject)->stamp;
        if (stamp != shopper->stamp) shopper->home_offset = -1; /* was evicted in between */
        shopper->stamp = stamp;
        truth->lists_due += lists_due[event->kind];
        if (lists_due[event->kind]) {
            shopper->home_offset = record->offset;
            shopper->home_time_ms = bk_subject(shard, applied.subject)->time_ms;
        }
    }
    return applied.verdict;
}

static void read_partition(struct sim_truth *truth, struct bk_decoder *decoder, enum bk_topic topic,
                           int32_t p, const struct sim_partition *part)
{
    for (uint32_t i = 0; i < part->count; i++) {
        struct bk_record record = sim_log_record(topic, p, &part->record[i]);
        const struct bk_event *event;
        struct bk_verdict verdict = bk_decode(decoder, &record, &event);
        if (verdict.code == BK_VERDICT_OK) verdict.code = tell_truth(truth, &record, event);
        truth->verdicts[verdict.code]++;
    }
}

static bool met_a_limit(const struct bk_engine *engine)
{
    static const enum bk_state_counter limits[] = {BK_STATE_SUBJECTS_EVICTED, BK_STATE_ROWS_EVICTED,
                                                   BK_STATE_ITEMS_OVER_LIMIT,
                                                   BK_STATE_MEMORY_REFUSED};
    for (size_t i = 0; i < BK_COUNTOF(limits); i++)
        if (bk_engine_counter(engine, limits[i])) return true;
    return false;
}

void sim_truth_init(struct sim_truth *truth, const struct sim_world *world)
{
    struct bk_state_params params;
    struct bk_reason reason = {{0}};
    *truth = (struct sim_truth){0};
    bk_state_params_from_config(world->cfg, &params);
    assert_int_equal(bk_engine_init(&truth->engine, &params), BK_OK);
    struct bk_decoder *decoder =
        bk_decoder_create(NULL, (uint32_t)world->cfg->decode_bytes_max, &reason);
    assert_non_null(decoder);
    read_partition(truth, decoder, BK_TOPIC_PRODUCTS, 0, &world->log->products);
    for (int32_t p = 0; p < world->log->partitions; p++)
        read_partition(truth, decoder, BK_TOPIC_EVENTS, p, &world->log->events[p]);
    bk_decoder_destroy(&decoder);
    truth->tight = met_a_limit(&truth->engine);
}

void sim_truth_deinit(struct sim_truth *truth)
{
    bk_engine_deinit(&truth->engine);
}

/* ---- reading what was written ---- */

static long long number_after(const char *json, const char *name)
{
    const char *at = strstr(json, name);
    return at ? strtoll(at + strlen(name), NULL, 10) : -1;
}

static int64_t as_of(const char *json)
{
    return number_after(json, ",\"offset\":");
}

static const struct sim_entry *list_of(const struct sim_world *world, bk_str_t subject,
                                       enum bk_context context)
{
    char key[BK_KEY_BYTES_MAX];
    size_t len = bk_key_subject(bk_str_c(world->cfg->redis_key_prefix), subject,
                                bk_str_c(bk_context_word(context)), key);
    return sim_sink_find(&world->sink, key, len);
}

/* The ids of a list's items, one after another. */
static void ids_of(const char *json, char *out, size_t cap)
{
    size_t len = 0;
    out[0] = 0;
    for (const char *at = json; (at = strstr(at, "{\"id\":\"")) != NULL; at++) {
        int n = snprintf(out + len, cap - len, "%.*s ", (int)strcspn(at + 7, "\""), at + 7);
        len += n > 0 ? (size_t)n : 0;
    }
}

/* ---- done ---- */

static uint64_t answers(const struct bk_metrics *metrics)
{
    uint64_t sum = 0;
    for (int o = 0; o < BK_OUTCOME_COUNT; o++) sum += metrics->v[BK_METRIC_REDIS_ANSWERS + o];
    return sum;
}

static void check_books(const struct sim_world *world, const struct sim_truth *truth)
{
    const struct bk_metrics *metrics = bk_pipeline_metrics(world->pl);
    uint64_t records = 0, applied = 0;
    for (int v = 0; v < BK_VERDICT_COUNT; v++) records += metrics->v[BK_METRIC_RECORDS + v];
    for (int k = 0; k < BK_EVENT_KIND_COUNT; k++)
        applied += metrics->v[BK_METRIC_EVENTS_APPLIED + k];
    sim_world_check(world, records == world->source.delivered, "%llu verdicts for %llu records",
                    (unsigned long long)records, (unsigned long long)world->source.delivered);
    sim_world_check(world, applied == metrics->v[BK_METRIC_RECORDS + BK_VERDICT_OK],
                    "events applied are not the records that were ok");
    sim_world_check(world, applied == truth->verdicts[BK_VERDICT_OK],
                    "%llu events were applied, the log holds %llu: one counted twice or not",
                    (unsigned long long)applied,
                    (unsigned long long)truth->verdicts[BK_VERDICT_OK]);
    sim_world_check(world, answers(metrics) == world->sink.answered,
                    "outcomes counted are not the answers given");
    if (world->plan.regress_max) return; /* a poisoned record that is read again is counted again */
    for (int v = 0; v < BK_VERDICT_COUNT && !world->plan.fate.rebalance_one_in; v++)
        sim_world_check(world, metrics->v[BK_METRIC_RECORDS + v] == truth->verdicts[v],
                        "%llu records of verdict %s, the log holds %llu",
                        (unsigned long long)metrics->v[BK_METRIC_RECORDS + v],
                        bk_verdict_label((enum bk_verdict_code)v),
                        (unsigned long long)truth->verdicts[v]);
}

static void check_coalescing(const struct sim_world *world, const struct sim_truth *truth)
{
    uint64_t refreshed = bk_pipeline_metrics(world->pl)->v[BK_METRIC_REFRESH_LISTS];
    uint64_t due = truth->lists_due + refreshed + world->sink.subject_retries;
    sim_world_check(world, world->sink.subject_sets <= due,
                    "%llu lists were written where %llu were due",
                    (unsigned long long)world->sink.subject_sets, (unsigned long long)due);
}

/* Everybody's list names the items it would name now. */
static void check_popular(const struct sim_world *world)
{
    struct bk_now now = bk_pipeline_now(world->pl);
    char key[BK_KEY_BYTES_MAX], stored[8192], wanted[8192];
    size_t len = bk_key_shared(bk_str_c(world->cfg->redis_key_prefix), BK_STR("popular"), key);
    const struct sim_entry *entry = sim_sink_find(&world->sink, key, len);
    if (entry && entry->refused) return;
    sim_world_check(world, entry && entry->value, "there is no popular list");
    ids_of(entry->value, stored, sizeof stored);
    struct bk_command command = bk_publisher_render_popular(bk_pipeline_publisher(world->pl), &now);
    char *json = strndup(command.value.p, command.value.len);
    ids_of(json, wanted, sizeof wanted);
    free(json);
    sim_world_check(world, strcmp(stored, wanted) == 0,
                    "the popular list names %s\nand should name %s", stored, wanted);
}

/* Nobody asked for this list any more at some time: it had expired since the shopper's last event,
 * and is not written again after a loss. While input rests the stream's clock runs ahead of the
 * events, by as much as the world is old at most. */
static bool was_over(const struct sim_world *world, int64_t time_ms, enum bk_context context)
{
    int64_t newest = bk_totals(&bk_pipeline_engine(world->pl)->shared)->time_max_ms;
    return newest + world->mono.ms - time_ms >= 1000ll * bk_context_expires_s(context);
}

/* Has the last event of every shopper reached their home list? */
static void check_fresh(const struct sim_world *world, const struct sim_truth *truth)
{
    for (uint32_t i = 0; i < truth->shoppers; i++) {
        const struct sim_shopper *shopper = &truth->shopper[i];
        const struct bk_shard *shard = bk_pipeline_engine(world->pl)->shards[shopper->partition];
        uint32_t subject = bk_subject_find(shard, bk_str_c(shopper->id));
        if (shopper->home_offset < 0 || !subject) continue;
        const struct sim_entry *entry = list_of(world, bk_str_c(shopper->id), BK_CONTEXT_HOME);
        if (entry && entry->refused) continue;
        if (was_over(world, shopper->home_time_ms, BK_CONTEXT_HOME) && !(entry && entry->value))
            continue;
        sim_world_check(
            world, entry && entry->value,
            "done, and %s has no home list (%u writes, erased at %lld, last event %lld)",
            shopper->id, entry ? entry->writes : 0, (long long)shopper->erased_offset,
            (long long)shopper->home_offset);
        sim_world_check(world, as_of(entry->value) >= shopper->home_offset,
                        "done, and %s's home is as of %lld, not of %lld", shopper->id,
                        (long long)as_of(entry->value), (long long)shopper->home_offset);
    }
}

void sim_check_done(const struct sim_world *world, const struct sim_truth *truth)
{
    check_books(world, truth);
    check_coalescing(world, truth);
    check_fresh(world, truth);
    if (bk_totals(&bk_pipeline_engine(world->pl)->shared)->time_max_ms) check_popular(world);
}

/* ---- state ---- */

void sim_check_state(const struct sim_world *world, const struct sim_truth *truth)
{
    const struct bk_engine *engine = bk_pipeline_engine(world->pl);
    if (truth->tight || met_a_limit(engine)) return;
    for (int32_t p = 0; p < world->log->partitions; p++) {
        if (!truth->engine.shards[p]) continue;
        sim_world_check(world, engine->shards[p] != NULL, "partition %d has no shard", p);
        sim_world_check(
            world, bk_shard_digest(engine->shards[p]) == bk_shard_digest(truth->engine.shards[p]),
            "partition %d remembers something else than its log says", p);
    }
    uint64_t lossy[2], digest = bk_shared_digest(&engine->shared, &lossy[0]),
                       truly = bk_shared_digest(&truth->engine.shared, &lossy[1]);
    if (!lossy[0] && !lossy[1])
        sim_world_check(world, digest == truly,
                        "what shoppers share depends on the order of partitions");
}

void sim_check_erased(const struct sim_world *world, const struct sim_truth *truth)
{
    for (uint32_t i = 0; i < truth->shoppers; i++) {
        const struct sim_shopper *shopper = &truth->shopper[i];
        for (uint32_t c = 0; shopper->erased_offset >= 0 && c < BK_CONTEXT_COUNT; c++) {
            const struct sim_entry *entry =
                list_of(world, bk_str_c(shopper->id), (enum bk_context)c);
            if (!sim_entry_is_there(entry, world->wall_ms) || entry->refused) continue;
            sim_world_check(world, as_of(entry->value) > shopper->erased_offset,
                            "%s was erased at %lld, its %s list of %lld is still there",
                            shopper->id, (long long)shopper->erased_offset,
                            bk_context_word((enum bk_context)c), (long long)as_of(entry->value));
        }
    }
}

/* ---- lists ---- */

/* The clocks at which this list was made: input rests, so the stream's clock went with the
 * wall's. */
static struct bk_now when_made(const struct sim_world *world, const char *json)
{
    struct bk_now now = bk_pipeline_now(world->pl);
    int64_t ago = now.wall_ms - number_after(json, "\"generated_at\":");
    return (struct bk_now){{now.mono.ms - ago}, now.wall_ms - ago, now.stream_ms - ago};
}

static void check_list(const struct sim_world *world, const struct bk_shard *shard,
                       uint32_t subject, enum bk_context context, bk_wall_ms_t rest_ms)
{
    bk_str_t id = bk_subject_id(shard, subject);
    const char *word = bk_context_word(context);
    const struct sim_entry *entry = list_of(world, id, context);
    if (entry && entry->refused) return;
    sim_world_check(world, sim_entry_is_there(entry, world->wall_ms),
                    "%.*s's %s list is live and not there", (int)id.len, id.p, word);
    struct bk_now made = when_made(world, entry->value);
    sim_world_check(world, made.wall_ms > rest_ms, "%.*s's %s list was not refreshed", (int)id.len,
                    id.p, word);
    struct bk_command now =
        bk_publisher_render(bk_pipeline_publisher(world->pl), shard, subject, context, &made);
    sim_world_check(world,
                    now.value.len == entry->value_len &&
                        memcmp(now.value.p, entry->value, now.value.len) == 0,
                    "%.*s's %s list is\n%s\nand should be\n%.*s", (int)id.len, id.p, word,
                    entry->value, (int)now.value.len, now.value.p);
    sim_world_check(world, as_of(entry->value) == bk_subject(shard, subject)->offset,
                    "%.*s's %s list is not as of the last event", (int)id.len, id.p, word);
}

void sim_check_lists(const struct sim_world *world, const struct sim_truth *truth,
                     bk_wall_ms_t rest_ms)
{
    const struct bk_engine *engine = bk_pipeline_engine(world->pl);
    for (int32_t p = 0; p < engine->shard_top; p++) {
        const struct bk_shard *shard = engine->shards[p];
        for (uint32_t s = 1; shard && s <= bk_table_top(&shard->subjects); s++)
            for (uint32_t c = 0; bk_subject(shard, s)->alive && c < BK_CONTEXT_COUNT; c++)
                if (bk_subject(shard, s)->live >> c & 1)
                    check_list(world, shard, s, (enum bk_context)c, rest_ms);
    }
    check_coalescing(world, truth);
}

/* Scores of a list that kept its items and their order are not written again, so they may be
 * old. */
static void check_item_list(const struct sim_world *world, uint32_t item, enum bk_relation relation,
                            const struct sim_entry *entry, bool exactly)
{
    struct bk_now made = exactly ? when_made(world, entry->value) : bk_pipeline_now(world->pl);
    struct bk_command now =
        bk_publisher_render_item(bk_pipeline_publisher(world->pl), item, relation, &made);
    char stored[8192], wanted[8192],
        *json = strndup(now.value.len ? now.value.p : "", now.value.len);
    ids_of(entry->value, stored, sizeof stored);
    ids_of(json, wanted, sizeof wanted);
    bool same = exactly ? strcmp(json, entry->value) == 0 : strcmp(stored, wanted) == 0;
    sim_world_check(world, same, "%s is\n%s\nand should be\n%s", entry->key, entry->value, json);
    free(json);
}

void sim_check_item_lists(const struct sim_world *world, bool exactly)
{
    const struct bk_shared *shared = &bk_pipeline_engine(world->pl)->shared;
    static const char *const words[BK_RELATION_COUNT] = {"bought_together", "viewed_together"};
    char key[BK_KEY_BYTES_MAX];
    for (uint32_t item = 1; item <= bk_table_top(&shared->items); item++) {
        for (unsigned r = 0; r < BK_RELATION_COUNT; r++) {
            bk_str_t id = bk_item_id(shared, item);
            size_t len =
                bk_key_item(bk_str_c(world->cfg->redis_key_prefix), id, bk_str_c(words[r]), key);
            const struct sim_entry *entry = sim_sink_find(&world->sink, key, len);
            bool written = bk_item(shared, item)->published[r] != 0;
            sim_world_check(world, !written || (entry && (entry->value || entry->refused)),
                            "the %s list of %.*s is not there", words[r], (int)id.len, id.p);
            if (!entry || !entry->value || entry->refused) continue;
            check_item_list(world, item, (enum bk_relation)r, entry, exactly);
        }
    }
}

static uint64_t hash_command(struct bk_command command)
{
    return command.len ? bk_hash(command.p, command.len) : 0;
}

uint64_t sim_world_lists_digest(const struct sim_world *world, int64_t stream_ms)
{
    struct bk_publisher *pub = bk_pipeline_publisher(world->pl);
    const struct bk_engine *engine = bk_pipeline_engine(world->pl);
    struct bk_now now = {{1}, 1, stream_ms};
    uint64_t sum = hash_command(bk_publisher_render_popular(pub, &now));
    for (int32_t p = 0; p < engine->shard_top; p++) {
        const struct bk_shard *shard = engine->shards[p];
        for (uint32_t s = 1; shard && s <= bk_table_top(&shard->subjects); s++)
            for (uint32_t c = 0; bk_subject(shard, s)->alive && c < BK_CONTEXT_COUNT; c++)
                sum += hash_command(bk_publisher_render(pub, shard, s, (enum bk_context)c, &now));
    }
    for (uint32_t item = 1; item <= bk_table_top(&engine->shared.items); item++)
        for (unsigned r = 0; r < BK_RELATION_COUNT; r++)
            sum += hash_command(bk_publisher_render_item(pub, item, (enum bk_relation)r, &now));
    return sum;
}
