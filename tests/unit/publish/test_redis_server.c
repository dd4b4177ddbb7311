/* test_redis_server.c -- the Redis sink against a real redis-server, killed, frozen and filled.
 *
 * Skipped (77) where no redis-server is installed. The server has a port and a folder of its own.
 */
#include "basketry/log.h"
#include "support/fake_redis.h"
#include "support/sink_world.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <hiredis/hiredis.h>

static struct sink_world world;
static char folder[] = "/tmp/bk-redis-XXXXXX";
static int port;
static pid_t server;

/* Ask the server itself, beside the sink; the integer or text of its answer. */
static const char *ask(const char *command)
{
    static char text[8192];
    redisContext *c = redisConnectWithTimeout("127.0.0.1", port, (struct timeval){1, 0});
    text[0] = '\0';
    redisReply *reply = c && !c->err ? redisCommand(c, command) : NULL;
    if (reply && reply->type == REDIS_REPLY_INTEGER)
        sprintf(text, "%lld", reply->integer);
    else if (reply && reply->str)
        snprintf(text, sizeof text, "%s", reply->str);
    if (reply) freeReplyObject(reply);
    if (c) redisFree(c);
    return text;
}

static void server_start(void)
{
    char port_text[12], socket_path[64];
    snprintf(port_text, sizeof port_text, "%d", port);
    snprintf(socket_path, sizeof socket_path, "%s/r.sock", folder);
    server = fork();
    if (server == 0) {
        int null = open("/dev/null", O_RDWR);
        dup2(null, 1);
        dup2(null, 2);
        execlp("redis-server", "redis-server", "--port", port_text, "--bind", "127.0.0.1", "--dir",
               folder, "--save", "", "--unixsocket", socket_path, (char *)NULL);
        _exit(127);
    }
    for (unsigned i = 0; i < 200 && strcmp(ask("PING"), "PONG") != 0; i++) usleep(20000);
    assert_string_equal(ask("PING"), "PONG");
}

static void server_kill(void)
{
    kill(server, SIGCONT);
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    server = 0;
}

static int setup(void **state)
{
    (void)state;
    port = fake_redis_free_port();
    server_start();
    sink_world_init(&world);
    world.options.stall_timeout_ms = 300;
    world.options.connect_timeout_ms = 300;
    sink_world_open(&world, "redis://127.0.0.1:%d", port);
    return !sink_world_until(&world, sink_world_is_ready, 3000);
}

static int teardown(void **state)
{
    (void)state;
    if (server) server_kill();
    return 0;
}

static bool connected_twice(struct sink_world *w)
{
    return w->connected >= 2;
}

static void kill_9_and_restart_is_a_fresh_server(void **state)
{
    (void)state;
    assert_int_equal(world.fresh, 1);
    sink_world_set(&world, 64, 900);
    server_kill();
    assert_true(sink_world_until(&world, sink_world_is_idle, 2000));
    sink_world_for(&world, 200);
    assert_true(sink_world_in(&world, "backoff") || sink_world_in(&world, "connecting"));
    server_start();
    assert_true(sink_world_until(&world, connected_twice, 3000));
    assert_int_equal(world.fresh, 2);
    assert_int_equal(sink_world_set(&world, 10, 900), 10);
    assert_true(sink_world_until(&world, sink_world_is_idle, 2000));
    assert_string_equal(ask("DBSIZE"), "10");
    sink_world_close(&world, 500);
}

static void a_stopped_server_stalls_and_continues_as_the_same_one(void **state)
{
    (void)state;
    kill(server, SIGSTOP);
    assert_int_equal(sink_world_set(&world, 1000, 900), 64);
    assert_true(sink_world_until(&world, sink_world_is_stalled, 2000));
    assert_int_equal(world.outcomes[BK_OUTCOME_UNKNOWN], 64);
    sink_world_for(&world, 1500); /* the kernel accepts for it; the greeting is never answered */
    assert_int_equal(world.connected, 1);
    kill(server, SIGCONT);
    assert_true(sink_world_until(&world, connected_twice, 3000));
    assert_int_equal(world.fresh, 1);
    sink_world_set(&world, 10, 900);
    assert_true(sink_world_until(&world, sink_world_is_idle, 2000));
    assert_int_equal(world.outcomes[BK_OUTCOME_STORED], 10);
    assert_non_null(strstr(ask("CLIENT LIST"), "name=basketry"));
    sink_world_close(&world, 500);
}

static void a_full_server_is_refusing_until_it_has_memory_again(void **state)
{
    (void)state;
    ask("CONFIG SET maxmemory 1");
    sink_world_set(&world, 30, 900);
    assert_true(sink_world_until(&world, sink_world_is_refusing, 1000));
    assert_true(sink_world_until(&world, sink_world_is_idle, 1000));
    assert_int_equal(world.outcomes[BK_OUTCOME_OOM], 30);
    ask("CONFIG SET maxmemory 0");
    world.retry_wakes = 1000000;
    assert_true(sink_world_until(&world, sink_world_is_ready, 2000));
    world.retry_wakes = 0;
    sink_world_close(&world, 500);
}

static void a_server_that_became_a_replica_is_refusing_until_promoted(void **state)
{
    (void)state;
    ask("REPLICAOF 127.0.0.1 1");
    world.retry_wakes = 1000000;
    sink_world_set(&world, 30, 900);
    assert_true(sink_world_until(&world, sink_world_is_refusing, 1000));
    sink_world_for(&world, 300);
    assert_true(world.outcomes[BK_OUTCOME_READONLY] >= 30);
    ask("REPLICAOF NO ONE");
    assert_true(sink_world_until(&world, sink_world_is_ready, 2000));
    world.retry_wakes = 0;
    sink_world_close(&world, 500);
}

static void a_connection_killed_by_an_operator_comes_back(void **state)
{
    (void)state;
    ask("CLIENT KILL TYPE normal SKIPME yes");
    assert_true(sink_world_until(&world, connected_twice, 2000));
    assert_int_equal(world.fresh, 1);
    sink_world_close(&world, 500);
}

static void a_unix_socket_works_like_a_port(void **state)
{
    (void)state;
    sink_world_close(&world, 500);
    sink_world_init(&world);
    sink_world_open(&world, "unix://%s/r.sock?db=2", folder);
    assert_true(sink_world_until(&world, sink_world_is_ready, 2000));
    sink_world_set(&world, 10, 900);
    assert_true(sink_world_until(&world, sink_world_is_idle, 2000));
    assert_string_equal(ask("DBSIZE"), "0"); /* they are in database 2 */
    server_kill();
    sink_world_for(&world, 300);
    server_start();
    assert_true(sink_world_until(&world, connected_twice, 2000));
    sink_world_close(&world, 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(kill_9_and_restart_is_a_fresh_server, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stopped_server_stalls_and_continues_as_the_same_one,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_server_is_refusing_until_it_has_memory_again, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_server_that_became_a_replica_is_refusing_until_promoted,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_connection_killed_by_an_operator_comes_back, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_unix_socket_works_like_a_port, setup, teardown),
    };
    bk_log_level = BK_LOG_OFF;
    if (system("command -v redis-server >/dev/null") != 0) return 77;
    if (!mkdtemp(folder)) return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    char path[64];
    snprintf(path, sizeof path, "%s/r.sock", folder);
    unlink(path);
    rmdir(folder);
    return failed;
}
