/* stages.c -- nanoseconds by stage, in memory: the stream of shop.h through decode, apply, rank and
 * encode.
 *
 *   bench_stages [EVENTS] [REPEATS]
 *
 * CLOCK    the thread's own CPU time: a neighbour who wants the processor is not in the figures. Measured on a machine with load 4: repeats
 *          within 2 % of each other, where the wall's clock gave a factor of 1.6.
 * METHOD   EVENTS records are encoded once. A repeat starts from an empty engine and applies them all; the second half, when
 *          tables are warm, is measured one event at a time, less what reading the clock costs.
 *          Decode is stateless: each kind's records are decoded in one go. Figures are medians over
 *          REPEATS of a repeat's mean, with the lowest and highest; the quantiles of the whole way
 *          (apply, and rank and encode of every list that the event made due, none coalesced) are
 *          of all repeats together. Writes JSON.
 * DUE      lists an event makes due, on average: what the pipeline would write if lists never waited for each other.
 */
#include "shop.h"

#include "basketry/encode.h"
#include "basketry/rank.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { EVENT_BYTES_MAX = 8192, REPEATS_MAX = 32, CLOCK_SAMPLES = 100000, PARTITIONS = 4 };

struct record {
    struct bk_record record;
    enum bk_event_kind kind;
};

/* A figure of one repeat: time and how often. */
struct sum {
    double ns;
    uint64_t count;
};

struct repeat {
    struct sum decode[BK_EVENT_KIND_COUNT], apply[BK_EVENT_KIND_COUNT], rank[BK_CONTEXT_COUNT],
        encode, rank_item;
    uint64_t due, events;
    uint64_t value_bytes;
};

static double clock_ns; /* what one reading costs */

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void learn_clock(void)
{
    double start = now_ns();
    for (int i = 0; i < CLOCK_SAMPLES; i++) now_ns();
    clock_ns = (now_ns() - start) / (CLOCK_SAMPLES + 1);
}

static double since(double start)
{
    double ns = now_ns() - start - clock_ns;
    return ns > 0 ? ns : 0;
}

static void sum_add(struct sum *sum, double ns)
{
    sum->ns += ns;
    sum->count++;
}

/* ---- the stream
 * ------------------------------------------------------------------------------- */

static const char *keep(const void *bytes, size_t len)
{
    char *copy = malloc(len);
    BK_ASSERT(copy);
    memcpy(copy, bytes, len);
    return copy;
}

static struct record *make_stream(uint32_t count)
{
    struct shop_shape shape = shop_shape_default();
    struct shop *shop = shop_create(&shape);
    struct record *stream = calloc(count, sizeof *stream);
    int64_t next_offset[PARTITIONS] = {0};
    BK_ASSERT(shop && stream);
    for (uint32_t i = 0; i < count; i++) {
        uint8_t value[EVENT_BYTES_MAX];
        bk_str_t key;
        const struct bk_event *event = shop_next(shop, &key);
        size_t len = bk_encode_event(event, value, sizeof value);
        struct bk_record *record = &stream[i].record;
        record->topic = BK_TOPIC_EVENTS;
        record->partition = bk_partition_of(key, PARTITIONS);
        record->offset = next_offset[record->partition]++;
        record->timestamp_ms = event->event_time_ms;
        record->key = bk_str(keep(key.p, key.len), key.len);
        record->value = bk_str(keep(value, len), len);
        stream[i].kind = event->kind;
    }
    shop_destroy(&shop);
    return stream;
}

/* ---- stages
 * ------------------------------------------------------------------------------------ */

static void measure_decode(struct bk_decoder *decoder, const struct record *stream, uint32_t count,
                           struct repeat *repeat)
{
    for (int kind = 0; kind < BK_EVENT_KIND_COUNT; kind++) {
        const struct bk_event *event;
        uint64_t found = 0;
        double start = now_ns();
        for (uint32_t i = 0; i < count; i++) {
            if (stream[i].kind != (enum bk_event_kind)kind) continue;
            BK_ASSERT(bk_decode(decoder, &stream[i].record, &event).code == BK_VERDICT_OK);
            found++;
        }
        repeat->decode[kind] = (struct sum){since(start), found};
    }
}

struct bench {
    struct bk_engine engine;
    struct bk_ranker *ranker;
    struct bk_decoder *decoder;
    struct bk_list list;
    char key[BK_KEY_BYTES_MAX];
    char buffer[BK_LIST_BYTES_MAX];
};

static struct bk_command render(struct bench *bench, const struct bk_shard *shard, uint32_t subject,
                                enum bk_context context)
{
    struct bk_list_frame frame = {.prefix = BK_STR("bk:v1"),
                                  .subject = bk_subject_id(shard, subject),
                                  .context = bk_str_c(bk_context_word(context)),
                                  .algorithm = bk_situation_name(bench->list.situation),
                                  .variant = "base",
                                  .generated_ms = 1700000000000,
                                  .expires_ms = 1700003600000,
                                  .expire_s = bk_context_expires_s(context),
                                  .partition = shard->partition,
                                  .offset = bk_subject(shard, subject)->offset};
    size_t len = bk_key_subject(frame.prefix, frame.subject, frame.context, bench->key);
    return bk_encode_list(&bench->engine.shared, &bench->list, &frame, bk_str(bench->key, len),
                          bench->buffer);
}

/* Every list that the event made due, as the publisher would write them if nothing waited. Returns
 * the time of all. */
static double measure_lists(struct bench *bench, struct bk_shard *shard, struct repeat *repeat)
{
    uint32_t contexts, subject;
    int64_t waiting_ms;
    double whole = 0;
    while ((subject = bk_dirty_take(shard, &contexts, &waiting_ms)) != 0) {
        for (uint32_t context = 0; context < BK_CONTEXT_COUNT; context++) {
            if (!(contexts >> context & 1)) continue;
            if (context == BK_CONTEXT_PRODUCT && !bk_subject(shard, subject)->last_item) continue;
            double start = now_ns();
            bk_rank(bench->ranker, shard, subject, (enum bk_context)context,
                    bk_totals(&bench->engine.shared)->time_max_ms, BK_LIST_MAX, &bench->list);
            double rank_ns = since(start);
            start = now_ns();
            struct bk_command command = render(bench, shard, subject, (enum bk_context)context);
            double encode_ns = since(start);
            whole += rank_ns + encode_ns;
            sum_add(&repeat->rank[context], rank_ns);
            sum_add(&repeat->encode, encode_ns);
            repeat->due++;
            repeat->value_bytes += command.len;
        }
    }
    return whole;
}

static void measure_item_lists(struct bench *bench, struct repeat *repeat)
{
    uint32_t item;
    while ((item = bk_dirty_item_take(&bench->engine)) != 0) {
        double start = now_ns();
        bk_rank_item(bench->ranker, item, BK_PAIR_BOUGHT,
                     bk_totals(&bench->engine.shared)->time_max_ms, 1, BK_LIST_MAX, &bench->list);
        sum_add(&repeat->rank_item, since(start));
    }
}

/* Returns how many of `way` (nanoseconds of whole ways) were filled. */
static uint32_t measure_apply(struct bench *bench, const struct record *stream, uint32_t count,
                              struct repeat *repeat, float *way)
{
    uint32_t ways = 0;
    for (uint32_t i = 0; i < count; i++) {
        bool counts = i >= count / 2;
        const struct bk_record *record = &stream[i].record;
        const struct bk_event *event;
        BK_ASSERT(bk_decode(bench->decoder, record, &event).code == BK_VERDICT_OK);
        struct bk_shard *shard = bk_engine_shard(&bench->engine, record->partition);
        struct bk_place place = {record->offset, record->timestamp_ms};
        double start = now_ns();
        struct bk_applied applied = bk_apply(&bench->engine, shard, &place, event);
        double apply_ns = since(start);
        BK_ASSERT(applied.verdict == BK_VERDICT_OK);
        if (!counts) { /* lists are left to be cheap until they are measured */
            uint32_t contexts;
            int64_t waiting_ms;
            bk_dirty_take(shard, &contexts, &waiting_ms);
            continue;
        }
        sum_add(&repeat->apply[event->kind], apply_ns);
        repeat->events++;
        way[ways++] = (float)(apply_ns + measure_lists(bench, shard, repeat));
    }
    return ways;
}

static uint32_t run_repeat(const struct record *stream, uint32_t count, struct repeat *repeat,
                           float *way)
{
    struct bench *bench = calloc(1, sizeof *bench);
    struct bk_state_params params;
    struct bk_weights weights;
    struct bk_reason reason;
    BK_ASSERT(bench);
    bk_state_params_default(&params);
    bk_weights_default(&weights);
    BK_ASSERT(bk_engine_init(&bench->engine, &params) == BK_OK);
    bench->ranker = bk_ranker_create(&bench->engine, &weights);
    bench->decoder = bk_decoder_create(NULL, 1 << 20, &reason);
    BK_ASSERT(bench->ranker && bench->decoder);
    measure_decode(bench->decoder, stream, count, repeat);
    uint32_t ways = measure_apply(bench, stream, count, repeat, way);
    measure_item_lists(bench, repeat);
    bk_decoder_destroy(&bench->decoder);
    bk_ranker_destroy(&bench->ranker);
    bk_engine_deinit(&bench->engine);
    free(bench);
    return ways;
}

/* ---- the report
 * ---------------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static int by_value_f(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return x < y ? -1 : x > y;
}

/* One stage over all repeats; `sum` is its place in the first one. */
static void put_stage(const char *stage, const char *what, const struct repeat *repeats,
                      size_t offset, uint32_t count, bool *first)
{
    double mean[REPEATS_MAX];
    uint64_t times = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct sum *sum = (const void *)((const char *)&repeats[i] + offset);
        times = sum->count;
        mean[i] = sum->count ? sum->ns / (double)sum->count : 0;
    }
    if (!times) return;
    qsort(mean, count, sizeof *mean, by_value);
    printf("%s\n  {\"stage\": \"%s\", \"what\": \"%s\", \"count\": %llu, \"median_ns\": %.1f, "
           "\"low_ns\": %.1f, \"high_ns\": %.1f}",
           *first ? "" : ",", stage, what, (unsigned long long)times, mean[count / 2], mean[0],
           mean[count - 1]);
    *first = false;
}

static void put_stages(const struct repeat *repeats, uint32_t count)
{
    bool first = true;
    printf("\"stages\": [");
    for (size_t kind = 0; kind < BK_EVENT_KIND_COUNT; kind++)
        put_stage("decode", bk_event_kind_name((enum bk_event_kind)kind), repeats,
                  offsetof(struct repeat, decode) + kind * sizeof(struct sum), count, &first);
    for (size_t kind = 0; kind < BK_EVENT_KIND_COUNT; kind++)
        put_stage("apply", bk_event_kind_name((enum bk_event_kind)kind), repeats,
                  offsetof(struct repeat, apply) + kind * sizeof(struct sum), count, &first);
    for (size_t context = 0; context < BK_CONTEXT_COUNT; context++)
        put_stage("rank", bk_context_word((enum bk_context)context), repeats,
                  offsetof(struct repeat, rank) + context * sizeof(struct sum), count, &first);
    put_stage("rank", "item", repeats, offsetof(struct repeat, rank_item), count, &first);
    put_stage("encode", "list", repeats, offsetof(struct repeat, encode), count, &first);
    printf("\n],\n");
}

int main(int argc, char **argv)
{
    uint32_t events = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 200000;
    uint32_t repeats = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 5;
    if (events < 1000 || !repeats || repeats > REPEATS_MAX) {
        fprintf(stderr, "usage: bench_stages [EVENTS >= 1000] [REPEATS 1..%d]\n", REPEATS_MAX);
        return 64;
    }
    static struct repeat repeat[REPEATS_MAX];
    learn_clock();
    struct record *stream = make_stream(events);
    float *way = malloc((size_t)events * repeats * sizeof *way);
    BK_ASSERT(way);
    uint32_t ways = 0;
    for (uint32_t i = 0; i < repeats; i++)
        ways += run_repeat(stream, events, &repeat[i], way + ways);
    qsort(way, ways, sizeof *way, by_value_f);
    printf("{\"events\": %u, \"repeats\": %u, \"clock_ns\": %.1f,\n", events, repeats, clock_ns);
    put_stages(repeat, repeats);
    printf("\"lists_due_per_event\": %.4f, \"command_bytes\": %.1f,\n",
           (double)repeat[0].due / (double)repeat[0].events,
           (double)repeat[0].value_bytes / (double)repeat[0].due);
    printf("\"way_us\": {\"p50\": %.2f, \"p99\": %.2f, \"p999\": %.2f}}\n", way[ways / 2] / 1e3,
           way[ways - ways / 100 - 1] / 1e3, way[ways - ways / 1000 - 1] / 1e3);
    for (uint32_t i = 0; i < events; i++)
        free((void *)(uintptr_t)stream[i].record.key.p),
            free((void *)(uintptr_t)stream[i].record.value.p);
    free(stream);
    free(way);
    return 0;
}
