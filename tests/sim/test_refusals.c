/* test_refusals.c -- the n-th request for memory is refused, for every n: nothing crashes, nothing
 * leaks, and what is answered all the same is right.
 *
 * The scenarios are what a process does with memory: read a configuration, make a pipeline, live
 * through a log, answer questions, write to Redis. The arenas' limits are met the same way: every
 * request of a whole simulated world is refused once.
 *
 *   BK_STRIDE=n   refuse every n-th request of a world alone (CI: as below; 1: every one)
 */
#include "basketry/control.h"
#include "basketry/log.h"
#include "basketry/questions.h"
#include "support/fake_redis.h"
#include "support/refusals.h"
#include "support/sim_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>

enum { SKIPPED = 77, EVENTS = 120 };

/* Where Basketry stops rather than go on: an erasure that would be forgotten, and the digest that
 * every start takes of its configuration. Two tables of one size are full at once: one alone is no
 * limit. */
static const char *const pipeline_stops[] = {"grown.ring", "!line.failed", NULL};
static const char *const arena_stops[] = {"hot == number", NULL};

static struct sim_log log_;
static struct sim_world world;
static struct sim_truth truth;
static struct bk_reason reason;

static unsigned stride(unsigned otherwise)
{
    const char *given = getenv("BK_STRIDE");
    return given ? (unsigned)strtoul(given, NULL, 10) : otherwise;
}

/* ---- a configuration ---- */

static const char config_text[] = "[kafka]\nbrokers = a:1,b:2\nclient.id = shop\n"
                                  "[kafka.consumer]\nfetch.wait.max.ms = 10\n"
                                  "[lists]\nsize = 7\nrefresh = 90m\n"
                                  "[rank]\nweights = home_live.repeat=7.2\n";

static void read_a_configuration(void)
{
    struct bk_buf out = {0};
    refusals_begin();
    struct bk_config *cfg = bk_config_create();
    if (cfg) {
        int err = bk_config_read_text(cfg, "shop.ini", bk_str_c(config_text), &reason);
        refusals_must(err == 0 || (refusals_happened() && reason.text[0]), "read: %d '%s'", err,
                      reason.text);
        bk_config_dump(cfg, &out);
        refusals_must(out.failed || strstr(out.p, "[lists]"), "a dump without an end");
    }
    bk_buf_deinit(&out);
    bk_config_destroy(&cfg);
}

static void a_configuration_is_read_or_refused(void **state)
{
    (void)state;
    assert_true(refusals_sweep(REFUSALS_HEAP, "configuration", read_a_configuration, 1, NULL) > 3);
}

/* ---- a pipeline ---- */

static void wake(void *arg)
{
    (void)arg;
}

/* As sim_world_open, but whatever is refused ends it. */
static bool open_world(void)
{
    struct sim_plan plan = sim_plan_calm(1);
    bk_log_level = BK_LOG_OFF;
    world = (struct sim_world){.plan = plan, .log = &log_, .chance = {1}, .calm = true};
    world.mono.ms = 1000;
    world.wall_ms = TOLD_START + 366ll * TOLD_DAY;
    refusals_begin();
    world.cfg = bk_config_create();
    if (world.cfg) {
        world.cfg->state_bytes_max = 64 << 20;
        world.cfg->state_shards_max = 4;
        world.cfg->state_items_max = 2000;
        world.cfg->state_dedup_events = 1024;
        world.pl = bk_pipeline_create(world.cfg, &reason);
        refusals_must(world.pl || reason.text[0], "no pipeline, and no reason");
    }
    if (!world.pl) return false;
    sim_source_init(&world.source, &log_, &world.chance);
    world.source.events = bk_pipeline_source_events(world.pl, wake, NULL);
    refusals_end();
    sim_sink_init(&world.sink, 64, &world.chance);
    refusals_begin();
    world.sink.forgets = true;
    world.sink.events = bk_pipeline_sink_events(world.pl, NULL);
    world.sink.now_ms = world.wall_ms;
    if (bk_pipeline_attach(world.pl, &world.source.head, &world.sink.head) != BK_OK) return false;
    sim_sink_connect(&world.sink, false);
    return true;
}

static void close_world(void)
{
    refusals_end();
    sim_world_close(&world);
}

/* Every record has its verdict, and the state is what the log says. */
static void check_world(void)
{
    sim_truth_init(&truth, &world);
    const struct bk_metrics *metrics = bk_pipeline_metrics(world.pl);
    for (int code = 0; code < BK_VERDICT_COUNT; code++)
        refusals_must(metrics->v[BK_METRIC_RECORDS + code] == truth.verdicts[code],
                      "%llu records were '%s', %llu are",
                      (unsigned long long)metrics->v[BK_METRIC_RECORDS + code],
                      bk_verdict_label(code), (unsigned long long)truth.verdicts[code]);
    sim_check_state(&world, &truth);
    sim_truth_deinit(&truth);
}

static void live_through_a_log(void)
{
    if (open_world()) {
        sim_world_until_done(&world);
        refusals_end();
        check_world();
    }
    close_world();
}

static void a_pipeline_lives_or_is_refused(void **state)
{
    (void)state;
    assert_true(refusals_sweep(REFUSALS_HEAP, "pipeline", live_through_a_log, stride(97),
                               pipeline_stops) > 50);
}

/* ---- questions ---- */

static const struct bk_metrics *metrics_of(void *arg)
{
    return bk_pipeline_metrics(arg);
}

static struct bk_now now_of(void *arg)
{
    return bk_pipeline_now(arg);
}

static const char *intake_of(void *arg)
{
    return bk_intake_word(bk_pipeline_intake(arg));
}

/* A whole answer: a first line with a code and, when that is 0, the body that it announces. */
static void check_answer(const struct bk_buf *out, const char *question)
{
    const char *newline = out->len ? memchr(out->p, '\n', out->len) : NULL;
    if (out->failed && !newline) return;
    refusals_must(newline != NULL, "%s: an answer without a line", question);
    char *end;
    long code = strtol(out->p, &end, 10);
    refusals_must(*end == '\t' && code <= 0, "%s: no code", question);
    if (code) return;
    size_t body = out->len - (size_t)(newline + 1 - out->p);
    refusals_must(out->failed || strtoul(end + 1, NULL, 10) == body, "%s: a cut answer", question);
}

static void answer_questions(void)
{
    static const char *const questions[] = {"status",
                                            "inspect\tdigest",
                                            "inspect\tcounters",
                                            "inspect\tstatus",
                                            "inspect\titem\ti1",
                                            "inspect\tsubject\tc:c1",
                                            "inspect\twhy\tc:c1\ti1\thome",
                                            "verify",
                                            "nobody"};
    struct bk_instance instance = {.engine = bk_pipeline_engine(world.pl),
                                   .ranker = bk_pipeline_ranker(world.pl),
                                   .publisher = bk_pipeline_publisher(world.pl),
                                   .source = &world.source.head,
                                   .sink = &world.sink.head,
                                   .watch = bk_pipeline_watch(world.pl),
                                   .cfg = world.cfg,
                                   .arg = world.pl,
                                   .metrics = metrics_of,
                                   .now = now_of,
                                   .intake = intake_of};
    for (size_t i = 0; i < BK_COUNTOF(questions); i++) {
        struct bk_buf out = {0};
        refusals_begin();
        bk_control_answer(bk_questions, bk_question_count, &instance, bk_str_c(questions[i]), &out);
        refusals_end();
        check_answer(&out, questions[i]);
        bk_buf_deinit(&out);
    }
}

static void questions_are_answered_or_refused(void **state)
{
    (void)state;
    struct sim_plan plan = sim_plan_calm(1);
    sim_world_open(&world, &plan, &log_);
    world.calm = world.sink.forgets = true;
    sim_sink_connect(&world.sink, false);
    sim_world_until_done(&world);
    assert_true(refusals_sweep(REFUSALS_HEAP, "questions", answer_questions, 1, NULL) > 20);
    sim_world_close(&world);
}

/* ---- a control socket ---- */

static char socket_path[] = "/tmp/basketry-refusals-XXXXXX";

static void note_closed(void *arg)
{
    *(bool *)arg = true;
}

static int ask_socket(void)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    memcpy(name.sun_path, socket_path, sizeof socket_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    refusals_must(fd >= 0 && connect(fd, (struct sockaddr *)&name, sizeof name) == 0, "connect");
    refusals_must(write(fd, "nobody\n", 7) == 7, "write");
    return fd;
}

static void serve_a_client(void)
{
    uv_loop_t loop;
    refusals_must(uv_loop_init(&loop) == 0, "loop");
    bool closed = false;
    refusals_begin();
    struct bk_control *control =
        bk_control_create(&loop, socket_path, bk_questions, bk_question_count, NULL, &reason);
    refusals_must(control || reason.text[0], "no socket, and no reason");
    if (control) {
        int fd = ask_socket();
        char answer[65536];
        ssize_t got = -1;
        for (int i = 0; i < 1000 && got < 0; i++) {
            uv_run(&loop, UV_RUN_NOWAIT);
            got = read(fd, answer, sizeof answer);
            if (got < 0) usleep(100);
        }
        refusals_must(got > 0 || refusals_happened(), "no answer");
        close(fd);
        bk_control_close(control, note_closed, &closed);
        for (int i = 0; i < 1000 && !closed; i++) uv_run(&loop, UV_RUN_NOWAIT);
        refusals_must(closed, "the control socket does not close");
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    refusals_end();
    refusals_must(uv_loop_close(&loop) == 0, "something is left on the loop");
}

static void a_client_is_served_or_hung_up_on(void **state)
{
    (void)state;
    assert_true(refusals_sweep(REFUSALS_HEAP, "control socket", serve_a_client, 1, NULL) > 2);
}

/* ---- Redis ---- */

struct books {
    unsigned submitted, answered, connected;
};

static void count_outcome(void *arg, const struct bk_ticket *ticket, enum bk_outcome outcome)
{
    struct books *books = arg;
    (void)outcome;
    refusals_must(ticket->handle == books->answered, "an answer out of order");
    books->answered++;
}

static void count_connected(void *arg, bool fresh)
{
    (void)fresh;
    ((struct books *)arg)->connected++;
}

static void write_some(struct bk_sink *sink, struct books *books)
{
    static const char set[] = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n";
    while (books->submitted < 20 && bk_sink_room(sink)) {
        struct bk_ticket ticket = {.handle = books->submitted};
        if (bk_sink_submit(sink, &ticket, set, sizeof set - 1) != BK_OK) return;
        books->submitted++;
    }
}

static void write_to_redis(void)
{
    struct fake_redis *fake = fake_redis_start(&(struct fake_redis_script){0});
    char url[64];
    snprintf(url, sizeof url, "redis://localhost:%d", fake_redis_port(fake));
    struct bk_redis_options options = {.url = url,
                                       .inflight_max = 8,
                                       .inflight_bytes_max = 4096,
                                       .connect_timeout_ms = 1000,
                                       .stall_timeout_ms = 1000,
                                       .backoff_max_ms = 60};
    struct books books = {0};
    struct bk_sink_events events = {&books, count_outcome, wake, count_connected};
    uv_loop_t loop;
    bool closed = false;
    refusals_must(uv_loop_init(&loop) == 0, "loop");
    refusals_begin();
    struct bk_sink *sink = bk_sink_redis_create(&loop, &options, &events, &reason);
    refusals_must(sink || reason.text[0], "no sink, and no reason");
    if (sink) {
        uint64_t end = uv_hrtime() + 3000000000u;
        while (books.answered < 20 && uv_hrtime() < end) {
            uv_run(&loop, UV_RUN_ONCE);
            write_some(sink, &books);
        }
        refusals_must(books.answered == 20, "%u of 20 writes were answered", books.answered);
        sink->ops->close(sink, 1000, note_closed, &closed);
        while (!closed) uv_run(&loop, UV_RUN_ONCE);
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    refusals_end();
    refusals_must(uv_loop_close(&loop) == 0, "something is left on the loop");
    refusals_must(books.answered == books.submitted, "a write without an answer");
    fake_redis_stop(fake);
}

static void redis_is_reached_in_the_end(void **state)
{
    (void)state;
    assert_true(refusals_sweep(REFUSALS_HEAP, "Redis", write_to_redis, 1, NULL) > 3);
}

/* ---- the arenas' limits ---- */

static void live_within_limits(void)
{
    struct sim_plan plan = sim_plan_calm(2);
    sim_world_open(&world, &plan, &log_);
    world.calm = true;
    sim_sink_connect(&world.sink, false);
    sim_truth_init(&truth, &world);
    truth.tight = true; /* what was refused is left out, and orders may show */
    refusals_begin();
    sim_world_until_done(&world);
    refusals_end();
    sim_check_done(&world, &truth);
    bk_wall_ms_t rest_ms = world.wall_ms;
    sim_world_sweep(&world);
    sim_check_lists(&world, &truth, rest_ms);
    sim_check_erased(&world, &truth);
    sim_truth_deinit(&truth);
    sim_world_close(&world);
}

static void a_limit_of_an_arena_leaves_out_and_goes_on(void **state)
{
    (void)state;
    unsigned played =
        refusals_sweep(REFUSALS_ARENA, "arenas", live_within_limits, stride(7), arena_stops);
    assert_true(played > 20);
}

/* ---- the program ---- */

static int fill_log(void **state)
{
    (void)state;
    struct chance chance = {7};
    struct told_shape shape = told_shape();
    shape.partitions = 2;
    shape.withdraw_one_in = 20;
    told_forget();
    sim_log_fill(&log_, &chance, &shape, EVENTS, 20);
    int fd = mkstemp(socket_path);
    if (fd < 0) return -1;
    close(fd);
    return unlink(socket_path);
}

static int free_log(void **state)
{
    (void)state;
    sim_log_free(&log_);
    unlink(socket_path);
    return 0;
}

int main(void)
{
#ifdef __SANITIZE_THREAD__
    return SKIPPED; /* children that are forked by the hundred, and one thread each */
#endif
    if (!refusals_work()) return SKIPPED; /* linked without the wrappers */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_configuration_is_read_or_refused),
        cmocka_unit_test(a_pipeline_lives_or_is_refused),
        cmocka_unit_test(questions_are_answered_or_refused),
        cmocka_unit_test(a_client_is_served_or_hung_up_on),
        cmocka_unit_test(redis_is_reached_in_the_end),
        cmocka_unit_test(a_limit_of_an_arena_leaves_out_and_goes_on),
    };
    return cmocka_run_group_tests(tests, fill_log, free_log);
}
