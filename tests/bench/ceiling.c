/* ceiling.c -- what the transport alone could do: the pipeline's own source and sink with nothing
 * between them.
 *
 *   bench_ceiling BROKERS TOPIC GROUP REDIS_URL LISTS_PER_EVENT COMMAND_BYTES
 *
 * Reads the topic to the end it had at start, decodes nothing, and for each event writes
 * LISTS_PER_EVENT (a fraction: the rest is carried over) constant commands `SET key value EX 86400`
 * of COMMAND_BYTES each: both are what the pipeline was measured to write. The keys are as many and
 * as long as the pipeline's. Loop and turn are those of `basketry run`: publish first, pull at most
 * as much as the pipeline pulls, rest while Redis has no room. Writes one line of JSON: seconds
 * from the first record to the last answer.
 */
#include "basketry/log.h"
#include "basketry/sink.h"
#include "basketry/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <uv.h>

enum { TICK_MS = 50, TURNS_PER_WAKE = 8, PULL_PER_TURN = 512, KEYS = 60000, WAITING_MAX = 4096 };

struct ceiling {
    uv_loop_t loop;
    uv_timer_t tick;
    uv_idle_t idle;
    struct bk_source *source;
    struct bk_sink *sink;
    double lists_per_event, owed;
    char *command; /* a whole SET; the key's digits are written over */
    size_t command_len;
    char *key_digits;
    uint64_t events, submitted, answered, failed;
    uint32_t assigned, ended;
    uint64_t first_ns, last_ns;
    struct rusage first_usage;
    double first_waited_s;
    bool closing;
    int open;
};

/* How long this thread was ready to run and had no processor, so far. */
static double waited_s(void)
{
    unsigned long long ran_ns = 0, waited_ns = 0;
    FILE *file = fopen("/proc/thread-self/schedstat", "r");
    if (file && fscanf(file, "%llu %llu", &ran_ns, &waited_ns) != 2) waited_ns = 0;
    if (file) fclose(file);
    return (double)waited_ns / 1e9;
}

/* ---- the turn
 * --------------------------------------------------------------------------------- */

static void put_digits(char *at, uint32_t n)
{
    for (int i = 5; i >= 0; i--, n /= 10) at[i] = (char)('0' + n % 10);
}

static void publish(struct ceiling *c)
{
    while (c->owed >= 1 && bk_sink_room(c->sink)) {
        struct bk_ticket ticket = {0};
        put_digits(c->key_digits, (uint32_t)(bk_mix(c->submitted) % KEYS));
        if (bk_sink_submit(c->sink, &ticket, c->command, c->command_len) != BK_OK) return;
        c->submitted++;
        c->owed -= 1;
    }
}

static bool is_done(const struct ceiling *c)
{
    return c->assigned && c->ended == c->assigned && c->owed < 1 && c->answered == c->submitted;
}

static bool take_turn(struct ceiling *c)
{
    publish(c);
    size_t took = c->owed < WAITING_MAX ? bk_source_pull(c->source, PULL_PER_TURN) : 0;
    if (took) publish(c);
    return took == PULL_PER_TURN || (c->owed >= 1 && bk_sink_room(c->sink));
}

static void on_closed(void *arg)
{
    struct ceiling *c = arg;
    if (--c->open) return;
    uv_close((uv_handle_t *)&c->tick, NULL);
    uv_close((uv_handle_t *)&c->idle, NULL);
}

static void finish(struct ceiling *c)
{
    c->last_ns = uv_hrtime();
    c->closing = true;
    c->open = 2;
    uv_idle_stop(&c->idle);
    c->sink->ops->close(c->sink, 2000, on_closed, c);
    c->source->ops->close(c->source, on_closed, c);
}

static void turn(struct ceiling *c)
{
    if (c->closing) return;
    bool more = true;
    for (int i = 0; i < TURNS_PER_WAKE && more; i++) more = take_turn(c);
    if (!more) uv_idle_stop(&c->idle);
    if (is_done(c)) finish(c);
}

static void on_idle(uv_idle_t *idle)
{
    turn(idle->data);
}

static void on_tick(uv_timer_t *tick)
{
    turn(tick->data);
}

static void on_wake(void *arg)
{
    struct ceiling *c = arg;
    if (!c->closing) uv_idle_start(&c->idle, on_idle);
}

/* ---- what source and sink tell
 * ------------------------------------------------------------------ */

static void on_record(void *arg, const struct bk_record *record)
{
    struct ceiling *c = arg;
    if (record->topic != BK_TOPIC_EVENTS) return;
    if (!c->events++) {
        c->first_ns = uv_hrtime();
        getrusage(RUSAGE_SELF, &c->first_usage);
        c->first_waited_s = waited_s();
    }
    c->owed += c->lists_per_event;
}

static int64_t on_assigned(void *arg, enum bk_topic topic, int32_t partition)
{
    struct ceiling *c = arg;
    (void)partition;
    c->assigned += topic == BK_TOPIC_EVENTS;
    return BK_OFFSET_BEGINNING;
}

static void on_revoked(void *arg, enum bk_topic topic, int32_t partition)
{
    (void)arg, (void)topic, (void)partition;
}

static void on_reached_end(void *arg, enum bk_topic topic, int32_t partition)
{
    struct ceiling *c = arg;
    (void)partition;
    c->ended += topic == BK_TOPIC_EVENTS;
}

static void on_outcome(void *arg, const struct bk_ticket *ticket, enum bk_outcome outcome)
{
    struct ceiling *c = arg;
    (void)ticket;
    c->answered++;
    c->failed += outcome != BK_OUTCOME_STORED;
}

static void on_connected(void *arg, bool fresh)
{
    (void)fresh;
    on_wake(arg);
}

/* ---- start and end
 * -------------------------------------------------------------------------------- */

/* A command of the wanted length: the value takes what the rest leaves. */
static void make_command(struct ceiling *c, size_t len)
{
    static const char key[] = "bk:v1:rec:{c:cust-000000}:home";
    char head[128];
    size_t value_len = len > 200 ? len - 90 : 110;
    int head_len = snprintf(head, sizeof head, "*5\r\n$3\r\nSET\r\n$%zu\r\n%s\r\n$%zu\r\n",
                            sizeof key - 1, key, value_len);
    static const char tail[] = "\r\n$2\r\nEX\r\n$5\r\n86400\r\n";
    c->command_len = (size_t)head_len + value_len + sizeof tail - 1;
    c->command = malloc(c->command_len + 1);
    BK_ASSERT(c->command);
    memcpy(c->command, head, (size_t)head_len);
    for (size_t i = 0; i < value_len; i++) c->command[(size_t)head_len + i] = (char)('a' + i % 26);
    memcpy(c->command + head_len + value_len, tail, sizeof tail);
    c->key_digits = strstr(c->command, "000000}");
    BK_ASSERT(c->key_digits);
}

static int64_t cpu_us(const struct rusage *usage)
{
    return (int64_t)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1000000 +
           usage->ru_utime.tv_usec + usage->ru_stime.tv_usec;
}

static void report(const struct ceiling *c)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("{\"events\": %llu, \"lists\": %llu, \"failed\": %llu, \"seconds\": %.4f, "
           "\"cpu_seconds\": %.4f, "
           "\"waited_seconds\": %.4f, \"command_bytes\": %zu, \"rss_kb\": %ld}\n",
           (unsigned long long)c->events, (unsigned long long)c->answered,
           (unsigned long long)c->failed, (double)(c->last_ns - c->first_ns) / 1e9,
           (double)(cpu_us(&usage) - cpu_us(&c->first_usage)) / 1e6, waited_s() - c->first_waited_s,
           c->command_len, usage.ru_maxrss);
}

int main(int argc, char **argv)
{
    if (argc != 7) {
        fprintf(
            stderr,
            "usage: bench_ceiling BROKERS TOPIC GROUP REDIS_URL LISTS_PER_EVENT COMMAND_BYTES\n");
        return 64;
    }
    static struct ceiling ceiling;
    struct ceiling *c = &ceiling;
    struct bk_reason reason = {{0}};
    bk_log_level = BK_LOG_WARN;
    c->lists_per_event = strtod(argv[5], NULL);
    make_command(c, strtoull(argv[6], NULL, 10));
    uv_loop_init(&c->loop);
    struct bk_source_events source_events = {.arg = c,
                                             .record = on_record,
                                             .assigned = on_assigned,
                                             .revoked = on_revoked,
                                             .reached_end = on_reached_end,
                                             .wake = on_wake};
    struct bk_sink_events sink_events = {
        .arg = c, .outcome = on_outcome, .wake = on_wake, .connected = on_connected};
    /* The defaults of the configuration table. */
    struct bk_kafka_options kafka = {.brokers = argv[1],
                                     .group_id = argv[3],
                                     .topics = {[BK_TOPIC_EVENTS] = argv[2]},
                                     .queued_kbytes_max = 16384};
    struct bk_redis_options redis = {.url = argv[4],
                                     .inflight_max = 1000,
                                     .inflight_bytes_max = 4 << 20,
                                     .connect_timeout_ms = 2000,
                                     .stall_timeout_ms = 5000,
                                     .backoff_max_ms = 5000};
    c->sink = bk_sink_redis_create(&c->loop, &redis, &sink_events, &reason);
    if (c->sink) c->source = bk_source_kafka_create(&c->loop, &kafka, &source_events, &reason);
    if (!c->source) fprintf(stderr, "ceiling: %s\n", reason.text), exit(1);
    uv_timer_init(&c->loop, &c->tick);
    uv_idle_init(&c->loop, &c->idle);
    c->tick.data = c->idle.data = c;
    uv_timer_start(&c->tick, on_tick, 0, TICK_MS);
    uv_run(&c->loop, UV_RUN_DEFAULT);
    report(c);
    uv_loop_close(&c->loop);
    free(c->command);
    return 0;
}
