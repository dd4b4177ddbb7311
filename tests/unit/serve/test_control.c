/* test_control.c -- the control socket: its loop in one thread, its clients, well-behaved and not,
 * in the other. */
#include "basketry/control.h"
#include "basketry/log.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>

enum { TIMEOUT_MS = 5000 };

struct service {
    char path[64];
    uv_loop_t loop;
    uv_async_t stop;
    pthread_t thread;
    struct bk_control *control;
    int closed;
};

/* ---- the service's handlers ---- */

static int echo(void *arg, int words, const bk_str_t *word, struct bk_buf *out,
                struct bk_reason *reason)
{
    (void)arg, (void)reason;
    bk_buf_char(out, '[');
    for (int i = 1; i < words; i++) {
        if (i > 1) bk_buf_char(out, ',');
        bk_buf_json(out, word[i]);
    }
    bk_buf_char(out, ']');
    return 0;
}

static int fill(void *arg, int words, const bk_str_t *word, struct bk_buf *out,
                struct bk_reason *reason)
{
    (void)arg;
    char text[32];
    if (words < 2 || word[1].len > 20) return bk_reason_set(reason, BK_EINVAL, "usage: fill BYTES");
    snprintf(text, sizeof text, "%.*s", (int)word[1].len, word[1].p);
    for (long left = strtol(text, NULL, 10); left > 0; left--)
        bk_buf_char(out, (char)('a' + left % 26));
    return 0;
}

static int deny(void *arg, int words, const bk_str_t *word, struct bk_buf *out,
                struct bk_reason *reason)
{
    (void)arg, (void)words, (void)word;
    bk_buf_cstr(out, "half an answer");
    return bk_reason_set(reason, BK_ENOENT, "no such\nitem");
}

static void on_closed(void *arg)
{
    struct service *service = arg;
    service->closed++;
    service->control = NULL;
    uv_close((uv_handle_t *)&service->stop, NULL);
}

static int die(void *arg, int words, const bk_str_t *word, struct bk_buf *out,
               struct bk_reason *reason)
{
    struct service *service = arg;
    (void)words, (void)word, (void)out, (void)reason;
    bk_control_close(service->control, on_closed, service);
    return 0;
}

static const struct bk_control_handler handlers[] = {
    {"echo", "WORD...", "the words as JSON", echo},
    {"fill", "BYTES", "that many bytes", fill},
    {"deny", "", "an error", deny},
    {"die", "", "close while answering", die},
};

/* ---- the service ---- */

static void on_stop(uv_async_t *async)
{
    struct service *service = async->data;
    bk_control_close(service->control, on_closed, service);
}

static void *serve(void *arg)
{
    struct service *service = arg;
    uv_run(&service->loop, UV_RUN_DEFAULT);
    return NULL;
}

static int start(void **state)
{
    struct service *service = calloc(1, sizeof *service);
    struct bk_reason reason;
    bk_log_level = BK_LOG_OFF;
    snprintf(service->path, sizeof service->path, "/tmp/bk-control-%d.sock", (int)getpid());
    uv_loop_init(&service->loop);
    uv_async_init(&service->loop, &service->stop, on_stop);
    service->stop.data = service;
    service->control = bk_control_create(&service->loop, service->path, handlers,
                                         BK_COUNTOF(handlers), service, &reason);
    if (!service->control) fail_msg("%s", reason.text);
    pthread_create(&service->thread, NULL, serve, service);
    *state = service;
    return 0;
}

static void stop(struct service *service)
{
    pthread_join(service->thread, NULL);
    assert_int_equal(service->closed, 1);
    assert_int_equal(uv_loop_close(&service->loop), 0);
    assert_int_not_equal(access(service->path, F_OK), 0);
    free(service);
}

static int stop_service(void **state)
{
    struct service *service = *state;
    uv_async_send(&service->stop);
    stop(service);
    return 0;
}

/* ---- clients ---- */

static int ask(struct service *service, const char *request, struct bk_buf *out,
               struct bk_reason *reason)
{
    bk_str_t word[20];
    int words = 0;
    for (const char *at = request;; at++) {
        word[words++] = bk_str(at, strcspn(at, " "));
        at += word[words - 1].len;
        if (!*at) break;
    }
    reason->text[0] = '\0';
    return bk_control_ask(service->path, words, word, TIMEOUT_MS, out, reason);
}

static void answers(struct service *service, const char *request, const char *body)
{
    struct bk_buf out = {0};
    struct bk_reason reason;
    int code = ask(service, request, &out, &reason);
    if (code) fail_msg("%s: %s", request, reason.text);
    assert_string_equal(out.p, body);
    bk_buf_deinit(&out);
}

static int open_raw(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    strcpy(address.sun_path, path);
    if (connect(fd, (struct sockaddr *)&address, sizeof address)) fail_msg("cannot connect");
    return fd;
}

static void say(int fd, const void *bytes, size_t len)
{
    assert_int_equal(write(fd, bytes, len), len);
}

/* Everything until the end; a reset counts as the end. */
static struct bk_buf hear(int fd)
{
    struct bk_buf all = {0};
    char chunk[4096];
    ssize_t n;
    while ((n = read(fd, chunk, sizeof chunk)) > 0) bk_buf_bytes(&all, chunk, (size_t)n);
    close(fd);
    if (!all.p) bk_buf_cstr(&all, "");
    return all;
}

static void hears(int fd, const char *start)
{
    struct bk_buf all = hear(fd);
    if (strncmp(all.p, start, strlen(start)) != 0)
        fail_msg("heard '%.200s', expected '%s'", all.p, start);
    bk_buf_deinit(&all);
}

/* ---- tests ---- */

static void a_question_is_answered_with_the_handlers_body(void **state)
{
    answers(*state, "echo milk c:7 naïve", "[\"milk\",\"c:7\",\"naïve\"]");
    answers(*state, "echo", "[]");
    answers(*state, "fill 0", "");
}

static void a_handlers_code_and_reason_reach_the_asker_in_one_line(void **state)
{
    struct bk_buf out = {0};
    struct bk_reason reason;
    bk_buf_cstr(&out, "before");
    assert_int_equal(ask(*state, "deny", &out, &reason), BK_ENOENT);
    assert_string_equal(reason.text, "no such item");
    assert_string_equal(out.p, "before");
    bk_buf_deinit(&out);
}

static void an_unknown_request_is_told_what_is_known(void **state)
{
    struct bk_buf out = {0};
    struct bk_reason reason;
    assert_int_equal(ask(*state, "ecco milk", &out, &reason), BK_ENOENT);
    assert_string_equal(reason.text, "no such request (known: echo, fill, deny, die)");
    assert_int_equal(ask(*state, "", &out, &reason), BK_EINVAL);
    bk_buf_deinit(&out);
}

static void a_long_answer_arrives_whole(void **state)
{
    struct bk_buf out = {0};
    struct bk_reason reason;
    assert_int_equal(ask(*state, "fill 4194304", &out, &reason), 0);
    assert_int_equal(out.len, 4194304);
    for (size_t i = 0; i < out.len; i++) assert_int_equal(out.p[i], 'a' + (out.len - i) % 26);
    bk_buf_reset(&out);
    assert_int_equal(ask(*state, "fill 4194305", &out, &reason), BK_ELIMIT);
    assert_int_equal(out.len, 0);
    bk_buf_deinit(&out);
}

static void two_clients_do_not_wait_for_each_other(void **state)
{
    struct service *service = *state;
    int slow = open_raw(service->path);
    say(slow, "echo\tsl", 7);
    answers(service, "echo quick", "[\"quick\"]");
    say(slow, "ow\n", 3);
    hears(slow, "0\t8\n[\"slow\"]");
}

static void a_client_that_does_not_read_holds_up_nobody(void **state)
{
    struct service *service = *state;
    int slow = open_raw(service->path);
    say(slow, "fill\t3000000\n", 13);
    for (int i = 0; i < 50; i++) answers(service, "echo quick", "[\"quick\"]");
    struct bk_buf all = hear(slow);
    assert_int_equal(all.len, 3000000 + strlen("0\t3000000\n"));
    bk_buf_deinit(&all);
}

static void a_line_that_is_too_long_is_refused_and_not_cut(void **state)
{
    struct service *service = *state;
    char line[8192];
    memset(line, 'x', sizeof line);
    memcpy(line, "echo\t", 5);
    int fd = open_raw(service->path);
    say(fd, line, sizeof line);
    hears(fd, "-5\trequest too long (allowed 4096 bytes)\n");
    fd = open_raw(service->path);
    line[4097] = '\n';
    say(fd, line, 4098);
    hears(fd, "-5\trequest too long");
    fd = open_raw(service->path);
    line[4096] = '\r';
    say(fd, line, 4098);
    hears(fd, "0\t4095\n[\"xxx");
}

static void a_half_closed_line_needs_no_end(void **state)
{
    struct service *service = *state;
    int fd = open_raw(service->path);
    say(fd, "echo\tby hand", 12);
    shutdown(fd, SHUT_WR);
    hears(fd, "0\t11\n[\"by hand\"]");
    fd = open_raw(service->path);
    shutdown(fd, SHUT_WR);
    hears(fd, "");
}

static void hostile_bytes_are_refused(void **state)
{
    struct service *service = *state;
    static const struct {
        const char *bytes;
        size_t len;
    } lines[] = {{"echo\t\xff\n", 7},
                 {"echo\t\x1b[31m\n", 11},
                 {"echo\0x\n", 7},
                 {"\n", 1},
                 {"\xed\xa0\x80\n", 4},
                 {"\r\n", 2},
                 {"a\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\n", 18}};
    for (size_t i = 0; i < BK_COUNTOF(lines); i++) {
        int fd = open_raw(service->path);
        say(fd, lines[i].bytes, lines[i].len);
        hears(fd, "-5\t");
    }
    answers(service, "echo alive", "[\"alive\"]");
}

static void one_connection_too_many_is_told_so(void **state)
{
    struct service *service = *state;
    int fds[BK_CONTROL_CLIENTS_MAX];
    for (size_t i = 0; i < BK_COUNTOF(fds); i++) fds[i] = open_raw(service->path);
    hears(open_raw(service->path), "-9\ttoo many connections (allowed 16)\n");
    struct bk_buf out = {0};
    struct bk_reason reason;
    assert_int_equal(ask(service, "echo", &out, &reason), BK_ELIMIT);
    for (size_t i = 0; i < BK_COUNTOF(fds); i++) close(fds[i]);
    int code = BK_ELIMIT;
    for (int i = 0; i < 500 && code; i++, usleep(1000)) code = ask(service, "echo", &out, &reason);
    assert_int_equal(code, 0);
    bk_buf_deinit(&out);
}

static void whoever_makes_no_progress_is_ended(void **state)
{
    struct service *service = *state;
    int silent = open_raw(service->path), deaf = open_raw(service->path);
    int slow = open_raw(service->path); /* a byte a second: it would hold its place for an hour */
    say(deaf, "fill\t4000000\n", 13);
    say(silent, "ec", 2);
    for (int second = 0; second < BK_CONTROL_IDLE_MS / 1000 + 2; second++) {
        (void)!send(slow, "e", 1, MSG_NOSIGNAL);
        sleep(1);
    }
    assert_int_equal(send(slow, "e", 1, MSG_NOSIGNAL), -1);
    close(slow);
    hears(silent, "");
    struct bk_buf all = hear(deaf);
    assert_true(all.len > 0 && all.len < 4000000);
    bk_buf_deinit(&all);
}

static void the_socket_is_for_its_owner_alone(void **state)
{
    struct service *service = *state;
    struct stat st;
    assert_int_equal(stat(service->path, &st), 0);
    assert_true(S_ISSOCK(st.st_mode));
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void a_live_socket_is_left_alone(void **state)
{
    struct service *service = *state;
    struct bk_reason reason;
    uv_loop_t loop;
    uv_loop_init(&loop);
    assert_null(bk_control_create(&loop, service->path, handlers, 1, NULL, &reason));
    assert_non_null(strstr(reason.text, "another process answers there"));
    assert_int_equal(uv_loop_close(&loop), 0);
    answers(service, "echo alive", "[\"alive\"]");
}

static void closing_while_answering_ends_in_order_and_the_asker_knows(void **state)
{
    struct bk_buf out = {0};
    struct bk_reason reason;
    (void)state;
    void *own = NULL;
    start(&own);
    struct service *service = own;
    int deaf = open_raw(service->path);
    say(deaf, "fill\t4000000\n", 13);
    answers(service, "echo first", "[\"first\"]");
    assert_int_equal(ask(service, "die", &out, &reason), BK_EIO);
    assert_non_null(strstr(reason.text, "cut"));
    stop(service);
    struct bk_buf all = hear(deaf);
    assert_true(all.len < 4000000);
    bk_buf_deinit(&all);
    bk_buf_deinit(&out);
}

/* ---- without a service ---- */

static int listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    strcpy(address.sun_path, path);
    unlink(path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 4), 0);
    return fd;
}

static void a_stale_socket_is_replaced(void **state)
{
    (void)state;
    char path[64];
    snprintf(path, sizeof path, "/tmp/bk-control-%d.sock", (int)getpid());
    close(listen_at(path)); /* the file stays, nobody listens: what a kill leaves behind */
    assert_int_equal(access(path, F_OK), 0);
    void *own = NULL;
    start(&own);
    answers(own, "echo new", "[\"new\"]");
    stop_service(&own);
}

static void another_kind_of_file_is_not_removed(void **state)
{
    (void)state;
    char path[] = "/tmp/bk-control-XXXXXX";
    struct bk_reason reason;
    uv_loop_t loop;
    close(mkstemp(path));
    uv_loop_init(&loop);
    assert_null(bk_control_create(&loop, path, handlers, 1, NULL, &reason));
    assert_non_null(strstr(reason.text, "not a socket"));
    assert_int_equal(access(path, F_OK), 0);
    assert_null(bk_control_create(&loop, "/nowhere/at/all.sock", handlers, 1, NULL, &reason));
    assert_non_null(strstr(reason.text, "/nowhere/at/all.sock"));
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    unlink(path);
}

static void nobody_there_is_told_as_such(void **state)
{
    (void)state;
    struct bk_buf out = {0};
    struct bk_reason reason;
    bk_str_t word = BK_STR("status");
    assert_int_equal(bk_control_ask("/tmp/bk-nobody.sock", 1, &word, 100, &out, &reason),
                     BK_EUNAVAILABLE);
    assert_non_null(strstr(reason.text, "/tmp/bk-nobody.sock"));
    bk_str_t bad = BK_STR("a\nb");
    assert_int_equal(bk_control_ask("/tmp/bk-nobody.sock", 1, &bad, 100, &out, &reason), BK_EINVAL);
}

static void asking_ends_at_its_deadline(void **state)
{
    (void)state;
    struct bk_buf out = {0};
    struct bk_reason reason;
    bk_str_t word = BK_STR("status");
    char path[64];
    snprintf(path, sizeof path, "/tmp/bk-mute-%d.sock", (int)getpid());
    int fd = listen_at(path);
    uint64_t from = uv_hrtime();
    assert_int_equal(bk_control_ask(path, 1, &word, 200, &out, &reason), BK_EUNAVAILABLE);
    uint64_t spent_ms = (uv_hrtime() - from) / 1000000;
    assert_in_range(spent_ms, 190, 2000);
    close(fd);
    unlink(path);
}

struct faker {
    int fd;
    const char *text;
};

static void *fake(void *arg)
{
    struct faker *faker = arg;
    char chunk[256];
    int fd = accept(faker->fd, NULL, NULL);
    ssize_t ignored = read(fd, chunk, sizeof chunk);
    (void)ignored;
    say(fd, faker->text, strlen(faker->text));
    close(fd);
    return NULL;
}

static void an_answer_that_is_not_whole_is_an_error(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int code;
    } cases[] = {{"0\t5\nwhole", 0}, {"0\t6\nwhole", BK_EIO}, {"0\t4\nwhole", BK_EIO},
                 {"", BK_EIO},       {"0\t5", BK_EIO},        {"HTTP/1.1 200 OK\n", BK_EIO},
                 {"0\tx\n", BK_EIO}, {"-4\tno\n", BK_ENOENT}, {"7\tno\n", BK_EIO}};
    char path[64];
    snprintf(path, sizeof path, "/tmp/bk-fake-%d.sock", (int)getpid());
    struct faker faker = {.fd = listen_at(path)};
    for (size_t i = 0; i < BK_COUNTOF(cases); i++) {
        struct bk_buf out = {0};
        struct bk_reason reason;
        bk_str_t word = BK_STR("status");
        pthread_t thread;
        faker.text = cases[i].text;
        pthread_create(&thread, NULL, fake, &faker);
        int code = bk_control_ask(path, 1, &word, TIMEOUT_MS, &out, &reason);
        pthread_join(thread, NULL);
        if (code != cases[i].code) fail_msg("'%s' gave %d: %s", cases[i].text, code, reason.text);
        assert_int_equal(out.len, code ? 0 : 5);
        bk_buf_deinit(&out);
    }
    close(faker.fd);
    unlink(path);
}

static void splitting_keeps_empty_words_and_counts_them(void **state)
{
    (void)state;
    bk_str_t word[BK_CONTROL_WORDS_MAX];
    struct bk_reason reason;
    assert_int_equal(bk_control_split(BK_STR("verify\t\tx\r"), word, &reason), 3);
    assert_int_equal(word[1].len, 0);
    assert_true(bk_str_eq(word[2], BK_STR("x")));
    assert_int_equal(
        bk_control_split(BK_STR("a\tb\tc\td\te\tf\tg\th\ti\tj\tk\tl\tm\tn\to\tp"), word, &reason),
        16);
    assert_int_equal(bk_control_split(BK_STR("a\tb\tc\td\te\tf\tg\th\ti\tj\tk\tl\tm\tn\to\tp\tq"),
                                      word, &reason),
                     BK_EINVAL);
}

int main(void)
{
#define S(name) cmocka_unit_test_setup_teardown(name, start, stop_service)
    const struct CMUnitTest tests[] = {
        S(a_question_is_answered_with_the_handlers_body),
        S(a_handlers_code_and_reason_reach_the_asker_in_one_line),
        S(an_unknown_request_is_told_what_is_known),
        S(a_long_answer_arrives_whole),
        S(two_clients_do_not_wait_for_each_other),
        S(a_client_that_does_not_read_holds_up_nobody),
        S(a_line_that_is_too_long_is_refused_and_not_cut),
        S(a_half_closed_line_needs_no_end),
        S(hostile_bytes_are_refused),
        S(one_connection_too_many_is_told_so),
        S(whoever_makes_no_progress_is_ended),
        S(the_socket_is_for_its_owner_alone),
        S(a_live_socket_is_left_alone),
        cmocka_unit_test(closing_while_answering_ends_in_order_and_the_asker_knows),
        cmocka_unit_test(a_stale_socket_is_replaced),
        cmocka_unit_test(another_kind_of_file_is_not_removed),
        cmocka_unit_test(nobody_there_is_told_as_such),
        cmocka_unit_test(asking_ends_at_its_deadline),
        cmocka_unit_test(an_answer_that_is_not_whole_is_an_error),
        cmocka_unit_test(splitting_keeps_empty_words_and_counts_them),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
