/* checkpoint.c -- does the loop feel a checkpoint? State of a given size, events at full speed, turns
 * timed one by one: without a generation being written, while one is, and how fast it is laid back.
 *
 *   bench_checkpoint DIR [MIB] [COPY_MIB]
 *
 * METHOD   The stream of shop.h, with as many subjects and items as it takes, is applied until the
 *          state holds MIB (1024). Then turns of 128 events are timed, in the thread's own CPU time:
 *          without and with a generation on its way to DIR. A turn that rests because copies near
 *          their bound applies nothing and is counted apart. At the end the generation is loaded
 *          into an empty engine, its pages in the page cache, and both digests are compared.
 *          Writing and loading are timed by the wall. Writes JSON.
 */
#include "shop.h"

#include "basketry/checkpoint.h"
#include "basketry/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { TURN_EVENTS = 128, TURNS_MAX = 1 << 20, PARTITIONS = 4, QUIET_TURNS = 4000, REST_US = 500 };

struct turns {
    uint32_t count, rests;
    float us[TURNS_MAX];
};

struct bench {
    struct bk_engine engine;
    struct shop *shop;
    int64_t next_offset[PARTITIONS];
    struct turns quiet, busy;
};

static double us_of(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static double now_us(void)
{
    return us_of(CLOCK_MONOTONIC);
}

/* What the loop's thread has computed so far: a neighbour who wants the processor is not in it. */
static double spent_us(void)
{
    return us_of(CLOCK_THREAD_CPUTIME_ID);
}

static void apply_turn(struct bench *bench)
{
    for (int i = 0; i < TURN_EVENTS; i++) {
        bk_str_t key;
        const struct bk_event *event = shop_next(bench->shop, &key);
        int32_t partition = bk_partition_of(key, PARTITIONS);
        struct bk_place place = {bench->next_offset[partition]++, event->event_time_ms};
        bk_apply(&bench->engine, bk_engine_shard(&bench->engine, partition), &place, event);
    }
}

static int by_size(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return x < y ? -1 : x > y;
}

static void put_turns(const char *name, struct turns *turns)
{
    qsort(turns->us, turns->count, sizeof turns->us[0], by_size);
    printf("\"%s\":{\"turns\":%u,\"rests\":%u,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"p999_ms\":%.3f,"
           "\"max_ms\":%.3f},",
           name, turns->count, turns->rests, turns->us[turns->count / 2] / 1e3,
           turns->us[turns->count - 1 - turns->count / 100] / 1e3,
           turns->us[turns->count - 1 - turns->count / 1000] / 1e3,
           turns->us[turns->count - 1] / 1e3);
}

static void note(struct turns *turns, double began)
{
    if (turns->count < TURNS_MAX) turns->us[turns->count++] = (float)(spent_us() - began);
}

/* Turns while a generation is written; returns its milliseconds. */
static double write_one(struct bench *bench, struct bk_checkpoint *cp, uint64_t *copies_most)
{
    struct bk_checkpoint_turn turn = {.mono = {1}, .records = 1, .topic_partitions = PARTITIONS};
    struct timespec rest = {.tv_nsec = REST_US * 1000};
    double start = now_us();
    bk_checkpoint_ask(cp);
    do {
        struct bk_checkpoint_status status;
        double began = spent_us();
        bool rests = bk_checkpoint_wants_rest(cp);
        if (!rests) apply_turn(bench);
        turn.mono.ms = 1 + (int64_t)((now_us() - start) / 1e3);
        bk_checkpoint_step(cp, &bench->engine, &turn);
        if (!rests) note(&bench->busy, began);
        bench->busy.rests += rests;
        bk_checkpoint_status(cp, &status);
        *copies_most = bk_max_u64(*copies_most, status.copies);
        if (rests) nanosleep(&rest, NULL);
    } while (!bk_checkpoint_is_idle(cp));
    return (now_us() - start) / 1e3;
}

/* Load the newest generation; *same: it is what a second, resting one was written of. */
static double load_again(const struct bk_state_params *params, const char *dir,
                         const struct bk_engine *engine, bool *same)
{
    static struct bk_engine loaded;
    struct bk_generation generation;
    struct bk_reason reason;
    struct bk_checkpoint_options options = {.dir = dir, .keep = 2};
    int code;
    uint64_t lossy;
    BK_ASSERT(bk_engine_init(&loaded, params) == BK_OK);
    struct bk_checkpoint *cp = bk_checkpoint_open(&options, &code, &reason);
    BK_ASSERT(cp);
    double start = now_us();
    BK_ASSERT(bk_checkpoint_load(cp, &loaded, &generation, &reason) == BK_OK);
    double ms = (now_us() - start) / 1e3;
    *same = bk_shared_digest(&loaded.shared, &lossy) == bk_shared_digest(&engine->shared, &lossy);
    for (int32_t p = 0; p < PARTITIONS; p++)
        *same &= bk_shard_digest(loaded.shards[p]) == bk_shard_digest(engine->shards[p]);
    bk_checkpoint_close(&cp);
    bk_engine_deinit(&loaded);
    return ms;
}

/* What one shopper, one live session and one pair take, all they hang on included. */
static void put_sizes(const struct bk_engine *engine)
{
    uint64_t subjects = 0, subject_bytes = 0, sessions = 0, session_bytes = 0, pairs = 0,
             row_bytes = 0;
    for (int32_t p = 0; p < engine->shard_top; p++) {
        const struct bk_shard *shard = engine->shards[p];
        subject_bytes += bk_arena_root(&shard->heap)->live +
                         bk_arena_root(&shard->subjects.arena)->live +
                         bk_arena_bytes(&shard->index.heads);
        for (uint32_t n = 1; n <= bk_table_top(&shard->subjects); n++) {
            const struct bk_subject *sub = bk_subject(shard, n);
            const struct bk_session *sess = sub->alive ? bk_subject_session(shard, sub) : NULL;
            subjects += sub->alive != 0;
            sessions += sess != NULL;
            if (sess)
                session_bytes +=
                    bk_arena_block_bytes(sizeof *sess + sess->cap * sizeof sess->seen[0]);
        }
    }
    for (uint32_t item = 1; item <= bk_table_top(&engine->shared.items); item++)
        for (int kind = 0; kind < BK_PAIR_KIND_COUNT; kind++) {
            bk_ref_t row = bk_item(&engine->shared, item)->rows[kind];
            pairs += bk_map_count(&engine->shared.heap, row);
            if (row) row_bytes += bk_arena_block_bytes(bk_map_bytes(&engine->shared.heap, row));
        }
    printf("\"subjects\":%llu,\"bytes_per_subject\":%.0f,\"sessions\":%llu,"
           "\"bytes_per_session\":%.0f,\"pairs\":%llu,\"bytes_per_pair\":%.1f,",
           (unsigned long long)subjects, (double)subject_bytes / (double)bk_max_u64(subjects, 1),
           (unsigned long long)sessions, (double)session_bytes / (double)bk_max_u64(sessions, 1),
           (unsigned long long)pairs, (double)row_bytes / (double)bk_max_u64(pairs, 1));
}

int main(int argc, char **argv)
{
    if (argc < 2) return fprintf(stderr, "usage: bench_checkpoint DIR [MIB] [COPY_MIB]\n"), 64;
    uint64_t mib = argc > 2 ? strtoull(argv[2], NULL, 10) : 1024;
    uint64_t copy_mib = argc > 3 ? strtoull(argv[3], NULL, 10) : 64;
    static struct bench bench;
    struct bk_state_params params;
    bk_state_params_default(&params);
    params.bytes_max = (mib + mib / 2) << 20 << 1;
    params.shards_max = PARTITIONS;
    struct shop_shape shape = shop_shape_default();
    shape.subjects = (uint32_t)(mib * 1000);
    shape.items = 200000;
    bench.shop = shop_create(&shape);
    BK_ASSERT(bench.shop && bk_engine_init(&bench.engine, &params) == BK_OK);
    while (bk_engine_bytes(&bench.engine) < mib << 20) apply_turn(&bench);
    for (int i = 0; i < QUIET_TURNS; i++) {
        double began = spent_us();
        apply_turn(&bench);
        note(&bench.quiet, began);
    }
    struct bk_checkpoint_options options = {.dir = argv[1],
                                            .interval_ms = INT64_MAX,
                                            .records_max = UINT64_MAX,
                                            .copy_bytes_max = copy_mib << 20,
                                            .keep = 2};
    struct bk_reason reason = {{0}};
    int code;
    struct bk_checkpoint *cp = bk_checkpoint_open(&options, &code, &reason);
    if (!cp) return fprintf(stderr, "%s\n", reason.text), 74;
    uint64_t copies_most = 0;
    double write_ms = write_one(&bench, cp, &copies_most);
    struct bk_checkpoint_status status;
    bk_checkpoint_status(cp, &status);
    struct bk_checkpoint_turn turn = {.mono = {1000000}, .records = 2};
    bk_checkpoint_ask(cp); /* one at rest, to be compared with what is loaded */
    do bk_checkpoint_step(cp, &bench.engine, &turn);
    while (!bk_checkpoint_is_idle(cp));
    bk_checkpoint_close(&cp);
    bool same = false;
    double load_ms = load_again(&params, argv[1], &bench.engine, &same);
    printf("{\"state_mib\":%.0f,", (double)bk_engine_bytes(&bench.engine) / (1 << 20));
    put_sizes(&bench.engine);
    put_turns("without", &bench.quiet);
    put_turns("with", &bench.busy);
    printf("\"write_ms\":%.0f,\"file_mib\":%.0f,\"failures\":%llu,\"copies_mib\":%.1f,\"load_ms\":%"
           ".0f,"
           "\"loaded_is_the_same\":%s}\n",
           write_ms, (double)status.bytes / (1 << 20), (unsigned long long)status.failures,
           (double)copies_most / (1 << 20), load_ms, same ? "true" : "false");
    bk_engine_deinit(&bench.engine);
    shop_destroy(&bench.shop);
    return same && !status.failures ? 0 : 1;
}
