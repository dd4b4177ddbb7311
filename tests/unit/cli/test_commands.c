/* test_commands.c -- top, inspect, status and verify against a real Redis and a control socket
 * whose answers are written here. */
#include "../../../src/cli/cli.h"

#include "basketry/control.h"

#include "capture.h"

#include <hiredis/hiredis.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <uv.h>

#include <cmocka.h>

static struct capture captured;
static char folder[] = "/tmp/bk-commands-XXXXXX";
static char options[512]; /* -X of both sockets */
static pid_t redis_pid;
static redisContext *redis;

/* ---- the instance ---- */

static uv_loop_t loop;
static uv_async_t stop;
static pthread_t thread;
static struct bk_control *control;
static const char *pages[4]; /* what `verify` answers, by cursor */

static int on_inspect(void *arg, int words, const bk_str_t *word, struct bk_buf *out,
                      struct bk_reason *reason)
{
    (void)arg;
    if (words == 3 && bk_str_eq(word[2], BK_STR("milk")))
        bk_buf_cstr(out, "{\"id\":\"milk\",\"name\":\"Whole\\u001b "
                         "milk\",\"bought_together\":[{\"id\":\"bran\",\"count\":12}]}");
    else if (words == 2)
        bk_buf_printf(out, "{\"what\":\"%.*s\",\"n\":0.10}", (int)word[1].len, word[1].p);
    else
        return bk_reason_set(reason, BK_ENOENT, "no such item");
    return 0;
}

static int on_status(void *arg, int words, const bk_str_t *word, struct bk_buf *out,
                     struct bk_reason *reason)
{
    (void)arg, (void)words, (void)word, (void)reason;
    bk_buf_cstr(out, "{\"source\":{\"state\":\"assigned\",\"lag_records\":3}}");
    return 0;
}

static int on_verify(void *arg, int words, const bk_str_t *word, struct bk_buf *out,
                     struct bk_reason *reason)
{
    (void)arg;
    int page = words == 1 ? 0 : words == 2 && word[1].len == 1 ? word[1].p[0] - '0' : -1;
    if (page < 0 || page > 3) return bk_reason_set(reason, BK_EINVAL, "bad cursor");
    bk_buf_cstr(out, pages[page]);
    return 0;
}

static const struct bk_control_handler handlers[] = {
    {"inspect", "", "", on_inspect}, {"status", "", "", on_status}, {"verify", "", "", on_verify}};

static void on_closed(void *arg)
{
    (void)arg;
    uv_close((uv_handle_t *)&stop, NULL);
}

static void on_stop(uv_async_t *async)
{
    (void)async;
    bk_control_close(control, on_closed, NULL);
}

static void *serve(void *arg)
{
    (void)arg;
    uv_run(&loop, UV_RUN_DEFAULT);
    return NULL;
}

/* ---- the world ---- */

static bool start_redis(void)
{
    char path[64];
    snprintf(path, sizeof path, "%s/redis", folder);
    redis_pid = fork();
    if (redis_pid == 0) {
        FILE *ignored = freopen("/dev/null", "w", stdout);
        (void)ignored;
        execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", path, "--save", "",
               "--dir", folder, "--requirepass", "geheim", (char *)NULL);
        _exit(127);
    }
    for (int i = 0; i < 300; i++) {
        if (waitpid(redis_pid, NULL, WNOHANG) == redis_pid) return false;
        redis = redisConnectUnix(path);
        if (redis && !redis->err) break;
        if (redis) redisFree(redis);
        redis = NULL;
        usleep(20000);
    }
    if (!redis) return false;
    freeReplyObject(redisCommand(redis, "AUTH geheim"));
    freeReplyObject(redisCommand(redis, "SELECT 3"));
    return true;
}

static int set_up(void **state)
{
    (void)state;
    struct bk_reason reason;
    char path[64];
    assert_non_null(mkdtemp(folder));
    if (!start_redis()) {
        rmdir(folder);
        exit(77); /* skipped: no redis-server here */
    }
    snprintf(path, sizeof path, "%s/control", folder);
    uv_loop_init(&loop);
    uv_async_init(&loop, &stop, on_stop);
    control = bk_control_create(&loop, path, handlers, BK_COUNTOF(handlers), NULL, &reason);
    assert_non_null(control);
    pthread_create(&thread, NULL, serve, NULL);
    snprintf(options, sizeof options,
             "-X control.socket=%s/control -X redis.url=unix://:geheim@%s/redis?db=3", folder,
             folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char path[64];
    uv_async_send(&stop);
    pthread_join(thread, NULL);
    uv_loop_close(&loop);
    redisFree(redis);
    kill(redis_pid, SIGKILL);
    waitpid(redis_pid, NULL, 0);
    snprintf(path, sizeof path, "%s/redis", folder);
    unlink(path);
    return rmdir(folder);
}

static int empty_redis(void **state)
{
    (void)state;
    freeReplyObject(redisCommand(redis, "FLUSHALL"));
    return 0;
}

static void put(const char *key, const char *value)
{
    freeReplyObject(redisCommand(redis, "SET %s %s", key, value));
}

static void run(int (*command)(int, char **), const char *line)
{
    char whole[1024];
    snprintf(whole, sizeof whole, "%s %s", line, options);
    capture_run(&captured, command, whole);
}

static void expect(int code, const char *out, const char *err)
{
    if (captured.code != code || !strstr(captured.out, out) || !strstr(captured.err, err))
        fail_msg("gave %d\n%s\n%s", captured.code, captured.out, captured.err);
}

/* ---- inspect and status ---- */

static void inspect_shows_an_answer_or_its_json(void **state)
{
    (void)state;
    run(bk_cmd_inspect, "inspect item milk");
    expect(0, "id    milk\nname  Whole? milk\nbought_together\n  id    count\n  bran     12\n", "");
    run(bk_cmd_inspect, "inspect counters --json");
    expect(0, "{\"what\":\"counters\",\"n\":0.10}\n", "");
    run(bk_cmd_inspect, "inspect item rye");
    expect(65, "", "no such item");
    run(bk_cmd_inspect, "inspect item");
    expect(64, "", "ID is missing");
    run(bk_cmd_inspect, "inspect weather");
    expect(64, "", "say item ID");
    run(bk_cmd_status, "status");
    expect(0, "source\n  state        assigned\n  lag_records  3\n", "");
    capture_run(&captured, bk_cmd_status, "status -X control.socket=/tmp/bk-nobody.sock");
    expect(69, "", "is `basketry run` running");
}

/* ---- top ---- */

static const char list_text[] =
    "{\"v\":1,\"subject\":\"c:42\",\"context\":\"cart\",\"for\":null,\"algorithm\":\"blend\","
    "\"variant\":\"a\",\"confidence\":0.25,"
    "\"reason\":\"x\",\"generated_at\":1000,\"expires_at\":2000,\"as_of\":{\"partition\":3,"
    "\"offset\":77},\"token\":\"t\","
    "\"items\":[{\"id\":\"milk\",\"score\":0.75,\"reason\":\"often bought "
    "together\",\"because\":\"bran\",\"tags\":[\"popular\",\"new\"]},"
    "{\"id\":\"rye\",\"score\":0.5,\"reason\":\"popular now\",\"because\":null,\"tags\":[]}]}";

static void every_line_fits(const char *text)
{
    for (const char *line = text; *line;) {
        size_t len = strcspn(line, "\n");
        if (len > 80) fail_msg("%zu columns: %.*s", len, (int)len, line);
        line += len + (line[len] == '\n');
    }
}

static void top_shows_what_the_storefront_reads(void **state)
{
    (void)state;
    put("bk:v1:rec:{c:42}:cart", list_text);
    run(bk_cmd_top, "top c:42 --context cart");
    expect(0, "cart of c:42 (own list): bk:v1:rec:{c:42}:cart\n", "");
    expect(0, "algorithm blend (a), confidence 0.25, knows partition 3 to offset 77\n", "");
    expect(0,
           " 1  milk            Whole? milk          0.750  popular, new\n    often bought "
           "together: bran\n",
           "");
    expect(0, " 2  rye                                  0.500\n    popular now\n", "");
    every_line_fits(captured.out);
    run(bk_cmd_top, "top c:42 -C cart --json");
    expect(0, list_text, "");
}

static void top_escapes_ids_as_the_publisher_does(void **state)
{
    (void)state;
    put("bk:v1:rec:{v:%7Ba%25%7D}:home", list_text);
    run(bk_cmd_top, "top v:{a%}");
    expect(0, "(own list): bk:v1:rec:{v:%7Ba%25%7D}:home\n", "");
}

static void top_follows_the_ladder_and_says_so(void **state)
{
    (void)state;
    run(bk_cmd_top, "top c:7");
    expect(65, "", "neither c:7's list nor the popular one");
    put("bk:v1:popular", list_text);
    run(bk_cmd_top, "top c:7");
    expect(0, "home of c:7 is not there; this is popular: bk:v1:popular\n", "");
    put("bk:v1:popular", "{\"generated_at\":1000,\"expires_at\":0,\"as_of\":null,\"items\":[]}");
    run(bk_cmd_top, "top c:7");
    expect(0, " d ago\nalgorithm  (), confidence 0.00, for everybody\n(no items)\n", "");
    put("bk:v1:item:{milk}:viewed_together", list_text);
    run(bk_cmd_top, "top c:7 -C product -i milk");
    expect(0, "this is the item's list: bk:v1:item:{milk}:viewed_together\n", "");
}

static void top_survives_what_is_not_a_list(void **state)
{
    (void)state;
    static const char *const values[] = {
        "nonsense", "[]", "", "{\"items\":[1,null,{\"id\":3,\"tags\":[7]}],\"as_of\":9}", "{}"};
    for (size_t i = 0; i < BK_COUNTOF(values); i++) {
        put("bk:v1:rec:{c:1}:home", values[i]);
        run(bk_cmd_top, "top c:1");
        assert_int_equal(captured.code, i < 3 ? 65 : 0);
    }
    freeReplyObject(redisCommand(redis, "DEL bk:v1:rec:{c:1}:home"));
    freeReplyObject(redisCommand(redis, "LPUSH bk:v1:rec:{c:1}:home x"));
    run(bk_cmd_top, "top c:1");
    expect(65, "", "WRONGTYPE");
}

static void top_tells_wrong_use(void **state)
{
    (void)state;
    static const char *const lines[][2] = {{"top", "name one SUBJECT"},
                                           {"top 42", "no subject"},
                                           {"top c:", "no subject"},
                                           {"top c:1 -C basket", "basket is no context"},
                                           {"top c:1 c:2", "name one"}};
    for (size_t i = 0; i < BK_COUNTOF(lines); i++) {
        run(bk_cmd_top, lines[i][0]);
        expect(64, "", lines[i][1]);
    }
    capture_run(&captured, bk_cmd_top, "top c:1 -X redis.url=unix:///tmp/bk-none -X kafka.group=x");
    expect(69, "", "unix:///tmp/bk-none");
}

static void the_password_of_a_file_stands_before_the_urls_and_none_is_shown(void **state)
{
    (void)state;
    char path[] = "/tmp/bk-pass-XXXXXX", line[512];
    int fd = mkstemp(path);
    assert_int_equal(write(fd, "geheim\n", 7), 7);
    close(fd);
    put("bk:v1:popular", list_text);
    snprintf(line, sizeof line,
             "top c:7 -X redis.url=unix://:falsch@%s/redis?db=3 -X redis.password_file=%s", folder,
             path);
    capture_run(&captured, bk_cmd_top, line);
    expect(0, "this is popular", "");
    snprintf(line, sizeof line, "top c:7 -X redis.url=unix://:falsch@%s/redis?db=3", folder);
    capture_run(&captured, bk_cmd_top, line);
    expect(69, "", "AUTH");
    assert_null(strstr(captured.err, "falsch"));
    unlink(path);
}

/* ---- verify ---- */

static void verify_compares_all_pages_but_for_times(void **state)
{
    (void)state;
    pages[0] = "{\"next\":\"1\",\"keys\":[{\"key\":\"a\",\"list\":{\"v\":1,\"token\":\"x\","
               "\"generated_at\":1,\"as_of\":null,\"items\":[{\"id\":\"m\",\"score\":0.5}]}}]}";
    pages[1] = "{\"next\":2,\"keys\":[]}";
    pages[2] = "{\"next\":null,\"keys\":[{\"key\":\"b\",\"list\":{\"v\":1}},{\"key\":\"c\","
               "\"list\":{\"v\":1}}]}";
    put("a", "{\"v\":1,\"items\":[{\"score\":0.500000,\"id\":\"m\"}],\"generated_at\":2,\"expires_"
             "at\":3,\"token\":\"y\",\"as_of\":{\"offset\":9}}");
    put("b", "{\"v\":1}");
    put("c", "{\"v\":1.0}");
    run(bk_cmd_verify, "verify");
    expect(0, "3 keys compared, 0 missing, 0 different\n", "");
    run(bk_cmd_verify, "verify --json");
    expect(0, "{\"keys\":3,\"missing\":0,\"different\":0}\n", "");
}

static void verify_names_key_and_field_of_a_difference(void **state)
{
    (void)state;
    pages[0] = "{\"next\":null,\"keys\":["
               "{\"key\":\"gone\",\"list\":{\"v\":1}},{\"key\":\"score\",\"list\":{\"items\":[{"
               "\"id\":\"m\",\"score\":0.5},{\"id\":\"n\",\"score\":0.25}]}},"
               "{\"key\":\"short\",\"list\":{\"items\":[1,2]}},{\"key\":\"more\",\"list\":{\"v\":1}"
               "},{\"key\":\"text\",\"list\":{}},"
               "{\"key\":\"kind\",\"list\":{}},{\"key\":\"inner\",\"list\":{\"items\":[{\"token\":"
               "\"a\"}]}},{\"key\":\"same\",\"list\":{\"v\":1}}]}";
    put("score", "{\"items\":[{\"id\":\"m\",\"score\":0.5},{\"id\":\"n\",\"score\":0.26}]}");
    put("short", "{\"items\":[1]}");
    put("more", "{\"v\":1,\"extra\":2}");
    put("text", "not json");
    freeReplyObject(redisCommand(redis, "LPUSH kind x"));
    put("inner", "{\"items\":[{\"token\":\"b\"}]}");
    put("same", "{\"v\":1}");
    run(bk_cmd_verify, "verify");
    expect(65, "gone: missing in Redis\n", "");
    expect(65, "score: items[1].score differs\n", "");
    expect(65, "short: items differs\n", "");
    expect(65, "more: extra (only in Redis) differs\n", "");
    expect(65, "text: is no JSON\n", "");
    expect(65, "inner: items[0].token differs\n", "");
    expect(65, "8 keys compared, 2 missing, 5 different\n", "");
}

static void verify_reads_more_keys_than_one_batch(void **state)
{
    (void)state;
    static char page[65536];
    char key[16];
    int at = snprintf(page, sizeof page, "{\"next\":null,\"keys\":[");
    for (int i = 0; i < 200; i++) {
        at += snprintf(page + at, sizeof page - (size_t)at,
                       "%s{\"key\":\"k%d\",\"list\":{\"n\":%d}}", i ? "," : "", i, i);
        snprintf(key, sizeof key, "k%d", i);
        char value[32];
        snprintf(value, sizeof value, "{\"n\":%d}", i % 20 ? i : -i - 1);
        put(key, value);
    }
    snprintf(page + at, sizeof page - (size_t)at, "]}");
    pages[0] = page;
    run(bk_cmd_verify, "verify");
    expect(65, "k0: n differs\n", "");
    expect(65, "200 keys compared, 0 missing, 10 different\n", "");
}

static void verify_ends_on_answers_that_make_no_sense(void **state)
{
    (void)state;
    pages[0] = "{\"next\":null,\"keys\":[{\"list\":{}}]}";
    run(bk_cmd_verify, "verify");
    expect(65, "", "without a key");
    pages[0] = "not json";
    run(bk_cmd_verify, "verify");
    expect(65, "", "not JSON");
    pages[0] = "{\"next\":9,\"keys\":[]}";
    run(bk_cmd_verify, "verify");
    expect(65, "", "bad cursor");
    pages[0] = "{\"next\":1,\"keys\":[]}";
    pages[1] = "{\"next\":1,\"keys\":[]}";
    run(bk_cmd_verify, "verify");
    expect(65, "", "cursor did not move");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(inspect_shows_an_answer_or_its_json, empty_redis),
        cmocka_unit_test_setup(top_shows_what_the_storefront_reads, empty_redis),
        cmocka_unit_test_setup(top_escapes_ids_as_the_publisher_does, empty_redis),
        cmocka_unit_test_setup(top_follows_the_ladder_and_says_so, empty_redis),
        cmocka_unit_test_setup(top_survives_what_is_not_a_list, empty_redis),
        cmocka_unit_test_setup(top_tells_wrong_use, empty_redis),
        cmocka_unit_test_setup(the_password_of_a_file_stands_before_the_urls_and_none_is_shown,
                               empty_redis),
        cmocka_unit_test_setup(verify_compares_all_pages_but_for_times, empty_redis),
        cmocka_unit_test_setup(verify_names_key_and_field_of_a_difference, empty_redis),
        cmocka_unit_test_setup(verify_reads_more_keys_than_one_batch, empty_redis),
        cmocka_unit_test_setup(verify_ends_on_answers_that_make_no_sense, empty_redis),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
