/* replay_compare.c -- what would a promoted generation change for readers?
 *
 * For each of a sample of shoppers and each of their live contexts the list is ranked as it would be
 * published and set beside the one in Redis: the Jaccard index of their items (what both have,
 * divided by what either has), 1 = the same items in whatever order.
 */
#include "ask.h"
#include "replay.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>

enum { ITEMS_MAX = 64 };

struct tally {
    uint64_t compared, missing, equal;
    double jaccard;
};

struct comparison {
    struct bk_publisher *publisher;
    struct bk_now now;
    redisContext *redis;
    struct tally tally[BK_CONTEXT_COUNT];
    uint64_t shoppers;
    struct bk_reason reason;
};

/* ---- two lists ---- */

static size_t ids_of(const json_t *list, const char *out[ITEMS_MAX])
{
    size_t at, n = 0;
    const json_t *item;
    json_array_foreach(json_object_get(list, "items"), at, item)
    {
        const char *id = json_string_value(json_object_get(item, "id"));
        if (id && n < ITEMS_MAX) out[n++] = id;
    }
    return n;
}

static double jaccard(const json_t *a, const json_t *b)
{
    const char *ids_a[ITEMS_MAX], *ids_b[ITEMS_MAX];
    size_t count_a = ids_of(a, ids_a), count_b = ids_of(b, ids_b), both = 0;
    for (size_t i = 0; i < count_a; i++)
        for (size_t j = 0; j < count_b; j++) both += strcmp(ids_a[i], ids_b[j]) == 0;
    size_t either = count_a + count_b - both;
    return either ? (double)both / (double)either : 1.0;
}

static void set_beside(struct tally *tally, bk_str_t ours, const struct bk_buf *theirs, bool found)
{
    json_t *a = json_loadb(ours.p, ours.len, 0, NULL);
    json_t *b = found ? json_loadb(theirs->p, theirs->len, 0, NULL) : NULL;
    if (a && b) {
        double alike = jaccard(a, b);
        tally->compared++;
        tally->jaccard += alike;
        tally->equal += alike == 1.0;
    } else {
        tally->missing++;
    }
    json_decref(a);
    json_decref(b);
}

static int compare_list(struct comparison *its, const struct bk_shard *shard, uint32_t subject,
                        enum bk_context context)
{
    struct bk_command command =
        bk_publisher_render(its->publisher, shard, subject, context, &its->now);
    struct bk_buf theirs = {0};
    bool found = false;
    int err = bk__cli_redis_get(its->redis, 1, &command.key, &theirs, &found, &its->reason);
    if (err == BK_OK) set_beside(&its->tally[context], command.value, &theirs, found);
    bk_buf_deinit(&theirs);
    return err;
}

/* ---- a sample ---- */

/* What this subject's events have made of lists: the contexts that wait. */
static int compare_subject(struct comparison *its, const struct bk_shard *shard, uint32_t subject)
{
    uint32_t contexts = bk_subject(shard, subject)->dirty;
    int err = BK_OK;
    for (uint32_t context = 0; context < BK_CONTEXT_COUNT && err == BK_OK; context++)
        if (contexts >> context & 1)
            err = compare_list(its, shard, subject, (enum bk_context)context);
    its->shoppers += contexts != 0;
    return err;
}

static uint64_t subjects_of(const struct bk_engine *engine)
{
    uint64_t subjects = 0;
    for (int32_t p = 0; p < engine->shard_top; p++)
        if (engine->shards[p]) subjects += bk_table_top(&engine->shards[p]->subjects);
    return subjects;
}

/* Every n-th subject, so that the sample spreads over all. */
static int compare_sample(struct comparison *its, const struct bk_engine *engine, uint64_t sample)
{
    uint64_t step = bk_max_u64(subjects_of(engine) / bk_max_u64(sample, 1), 1), place = 0;
    int err = BK_OK;
    for (int32_t p = 0; p < engine->shard_top; p++) {
        const struct bk_shard *shard = engine->shards[p];
        uint32_t top = shard ? bk_table_top(&shard->subjects) : 0;
        for (uint32_t subject = 1; subject <= top && err == BK_OK; subject++)
            if (place++ % step == 0 && bk_subject(shard, subject)->alive)
                err = compare_subject(its, shard, subject);
    }
    return err;
}

/* ---- what it says ---- */

static void put_table(struct bk_buf *out, const struct comparison *its)
{
    bk_buf_printf(out, "%-10s %9s %9s %9s %9s\n", "context", "compared", "jaccard", "equal",
                  "missing");
    for (uint32_t context = 0; context < BK_CONTEXT_COUNT; context++) {
        const struct tally *tally = &its->tally[context];
        if (!tally->compared && !tally->missing) continue;
        bk_buf_printf(
            out, "%-10s %9llu %9.3f %8.1f%% %9llu\n", bk_context_word((enum bk_context)context),
            (unsigned long long)tally->compared,
            tally->compared ? tally->jaccard / (double)tally->compared : 0.0,
            tally->compared ? 100.0 * (double)tally->equal / (double)tally->compared : 0.0,
            (unsigned long long)tally->missing);
    }
    bk_buf_printf(out, "%llu shoppers; missing: Redis has no such list\n",
                  (unsigned long long)its->shoppers);
}

static void put_json(struct bk_buf *out, const struct comparison *its)
{
    const char *comma = "";
    bk_buf_printf(out, "{\"shoppers\":%llu,\"contexts\":{", (unsigned long long)its->shoppers);
    for (uint32_t context = 0; context < BK_CONTEXT_COUNT; context++) {
        const struct tally *tally = &its->tally[context];
        if (!tally->compared && !tally->missing) continue;
        bk_buf_printf(
            out, "%s\"%s\":{\"compared\":%llu,\"jaccard\":%.4f,\"equal\":%llu,\"missing\":%llu}",
            comma, bk_context_word((enum bk_context)context), (unsigned long long)tally->compared,
            tally->compared ? tally->jaccard / (double)tally->compared : 0.0,
            (unsigned long long)tally->equal, (unsigned long long)tally->missing);
        comma = ",";
    }
    bk_buf_cstr(out, "}}\n");
}

int bk__replay_compare(const struct bk_config *cfg, struct bk_pipeline *pipeline, uint64_t sample,
                       bool json)
{
    struct bk_reason reason = {{0}};
    struct comparison its = {.publisher = bk_pipeline_publisher(pipeline),
                             .now = bk_pipeline_now(pipeline),
                             .redis = bk__cli_redis_open(cfg, &reason)};
    if (!its.redis) return bk__cli_fail(BK_EXIT_UNAVAILABLE, "%s", reason.text);
    int err = compare_sample(&its, bk_pipeline_engine(pipeline), sample);
    redisFree(its.redis);
    if (err != BK_OK) return bk__cli_fail(bk__cli_exit_of(err), "%s", its.reason.text);
    struct bk_buf out = {0};
    (json ? put_json : put_table)(&out, &its);
    int code = bk__cli_print(&out);
    bk_buf_deinit(&out);
    return code;
}
