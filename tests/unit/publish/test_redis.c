/* test_redis.c -- the Redis sink against a server that misbehaves. */
#include "basketry/log.h"
#include "support/fake_redis.h"
#include "support/sink_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static struct sink_world world;
static char transcript[1 << 20];

static struct fake_redis *open_with(struct fake_redis_script script)
{
    struct fake_redis *fake = fake_redis_start(&script);
    sink_world_init(&world);
    sink_world_open(&world, "redis://127.0.0.1:%d", fake_redis_port(fake));
    return fake;
}

static struct fake_redis *open_ready(struct fake_redis_script script)
{
    struct fake_redis *fake = open_with(script);
    assert_true(sink_world_until(&world, sink_world_is_ready, 2000));
    return fake;
}

static bool connected_twice(struct sink_world *w)
{
    return w->connected >= 2;
}

static bool lost(struct sink_world *w)
{
    return !sink_world_in(w, "ready");
}

static long resident_kb(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%*d %ld", &pages), 1);
    fclose(f);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void every_write_is_acknowledged_once_and_in_order(void **state)
{
    (void)state;
    struct fake_redis *fake = open_ready((struct fake_redis_script){0});
    for (unsigned i = 0; i < 50; i++) {
        assert_int_equal(sink_world_set(&world, 200, 100), 64); /* the window, no more */
        assert_int_equal(bk_sink_room(world.sink), 0);
        assert_true(sink_world_until(&world, sink_world_is_idle, 2000));
    }
    assert_int_equal(world.outcomes[BK_OUTCOME_STORED], 3200);
    assert_int_equal(sink_world_status(&world).outcomes[BK_OUTCOME_STORED], 3200);
    assert_true(world.wakes >= 50);
    sink_world_close(&world, 100);
    assert_int_equal(fake_redis_writes(fake), 3200);
    fake_redis_stop(fake);
}

static bool woken_again(struct sink_world *w)
{
    return w->wakes >= 2;
}

static void an_owner_who_takes_exactly_the_room_is_woken_when_it_comes_back(void **state)
{
    (void)state;
    struct fake_redis *fake = open_ready((struct fake_redis_script){0});
    assert_int_equal(world.wakes, 1);
    assert_int_equal(sink_world_set(&world, 64, 10), 64); /* and never asks for room again */
    assert_true(sink_world_until(&world, woken_again, 1000));
    sink_world_close(&world, 100);
    fake_redis_stop(fake);
}

static void replies_that_come_byte_by_byte_are_understood(void **state)
{
    (void)state;
    struct fake_redis *fake = open_ready((struct fake_redis_script){.drip = true});
    sink_world_set(&world, 20, 10);
    assert_true(sink_world_until(&world, sink_world_is_idle, 3000));
    assert_int_equal(world.outcomes[BK_OUTCOME_STORED], 20);
    sink_world_close(&world, 100);
    fake_redis_stop(fake);
}

static void a_refused_connection_is_retried_with_growing_waits(void **state)
{
    (void)state;
    sink_world_init(&world);
    world.options.backoff_max_ms = 10000;
    sink_world_open(&world, "redis://127.0.0.1:%d", fake_redis_free_port());
    uint64_t began = uv_hrtime(), waits_ms[4];
    for (unsigned i = 0; i < 4; i++) {
        while (!sink_world_in(&world, "backoff")) uv_run(&world.loop, UV_RUN_ONCE);
        uint64_t start = uv_hrtime();
        while (!sink_world_in(&world, "connecting")) uv_run(&world.loop, UV_RUN_ONCE);
        waits_ms[i] = (uv_hrtime() - start) / 1000000;
        if (i > 0) assert_true(waits_ms[i] > waits_ms[i - 1]);
    }
    assert_true(waits_ms[0] >= 30 && waits_ms[3] <= 500);
    assert_true((uv_hrtime() - began) / 1000000 < 2000);
    assert_non_null(strstr(sink_world_status(&world).detail, "refused"));
    assert_int_equal(bk_sink_room(world.sink), 0);
    assert_int_equal(world.connected, 0);
    sink_world_close(&world, 1000);
}

static void a_reset_in_the_middle_of_a_reply_ends_every_ticket_as_unknown_once(void **state)
{
    (void)state;
    struct fake_redis *fake = open_ready((struct fake_redis_script){.reset_after = 10});
    assert_int_equal(sink_world_set(&world, 40, 100), 40);
    assert_true(sink_world_until(&world, sink_world_is_idle, 2000));
    assert_int_equal(world.outcomes[BK_OUTCOME_STORED], 10);
    assert_int_equal(world.outcomes[BK_OUTCOME_UNKNOWN], 30);
    fake_redis_script(fake, &(struct fake_redis_script){0});
    assert_true(sink_world_until(&world, sink_world_is_ready, 2000));
    assert_int_equal(world.connected, 2);
    assert_int_equal(sink_world_status(&world).reconnects, 1);
    assert_int_equal(sink_world_set(&world, 5, 100), 5);
    assert_true(sink_world_until(&world, sink_world_is_idle, 2000));
    assert_int_equal(world.outcomes[BK_OUTCOME_STORED], 15);
    sink_world_close(&world, 100);
    fake_redis_stop(fake);
}

static void a_reply_that_is_no_resp_ends_the_connection_not_the_process(void **state)
{
    (void)state;
    struct fake_redis *fake = open_ready((struct fake_redis_script){.garbage_after = 3});
    sink_world_set(&world, 10, 100);
    assert_true(sink_world_until(&world, sink_world_is_idle, 2000));
    assert_int_equal(world.outcomes[BK_OUTCOME_STORED], 3);
    assert_int_equal(world.outcomes[BK_OUTCOME_UNKNOWN], 7);
    sink_world_close(&world, 100);
    fake_redis_stop(fake);
}

static void a_reply_nobody_asked_for_ends_the_connection_not_the_process(void **state)
{
    (void)state;
    struct fake_redis *fake = open_with((struct fake_redis_script){.unasked = true});
    sink_world_for(&world, 200);
    assert_true(fake_redis_connections(fake) >= 2);
    fake_redis_script(fake, &(struct fake_redis_script){0});
    assert_true(sink_world_until(&world, sink_world_is_ready, 2000));
    sink_world_close(&world, 100);
    fake_redis_stop(fake);
}

static void a_frozen_server_fills_the_window_and_then_nothing_is_taken(void **state)
{
    (void)state;
    struct fake_redis *fake = open_ready((struct fake_redis_script){0});
    fake_redis_script(fake, &(struct fake_redis_script){.silent = true});
    assert_int_equal(sink_world_set(&world, 1000, 1000), 64);
    struct bk_sink_status status = sink_world_status(&world);
    assert_int_equal(status.inflight, 64);
    assert_true(status.inflight_bytes > 64 * 1000 && status.inflight_bytes < 64 * 1100);
    struct bk_ticket ticket = {0};
    assert_int_equal(bk_sink_submit(world.sink, &ticket, "*1\r\n$4\r\nPING\r\n", 14), BK_EAGAIN);
    assert_true(sink_world_until(&world, sink_world_is_stalled, 1000));
    assert_non_null(strstr(sink_world_status(&world).detail, "no answer"));
    assert_int_equal(world.outcomes[BK_OUTCOME_UNKNOWN], 64);
    /* Reconnecting is accepted and then nothing is said: the greeting has a deadline of its own. */
    assert_true(sink_world_until(&world, lost, 1000));
    sink_world_for(&world, 700);
    assert_int_equal(world.connected, 1);
    assert_true(fake_redis_connections(fake) >= 3);
    fake_redis_script(fake, &(struct fake_redis_script){0});
    assert_true(sink_world_until(&world, sink_world_is_ready, 2000));
    assert_int_equal(world.fresh, 1); /* the same process as before */
    sink_world_close(&world, 100);
    fake_redis_stop(fake);
}

static void a_window_in_bytes_stops_before_it_is_exceeded(void **state)
{
    (void)state;
    struct fake_redis *fake = fake_redis_start(&(struct fake_redis_script){0});
    sink_world_init(&world);
    world.options.inflight_bytes_max = 10000;
    sink_world_open(&world, "redis://127.0.0.1:%d", fake_redis_port(fake));
    assert_true(sink_world_until(&world, sink_world_is_ready, 2000));
    assert_int_equal(sink_world_set(&world, 64, 3000), 3);
    assert_true(sink_world_status(&world).inflight_bytes <= 10000);
    assert_true(sink_world_until(&world, sink_world_is_idle, 2000));
    assert_int_equal(sink_world_set(&world, 64, 50000), 1); /* larger than the window: alone */
    assert_int_equal(bk_sink_room(world.sink), 0);
    assert_true(sink_world_until(&world, sink_world_is_idle, 2000));
    assert_int_equal(world.outcomes[BK_OUTCOME_STORED], 4);
    sink_world_close(&world, 100);
    fake_redis_stop(fake);
}

static void memory_stays_flat_while_the_server_is_frozen(void **state)
{
    (void)state;
    struct fake_redis *fake = open_ready((struct fake_redis_script){0});
    fake_redis_script(fake, &(struct fake_redis_script){.deaf = true});
    sink_world_set(&world, 1000, 3000);
    sink_world_for(&world, 600);
    long before_kb = resident_kb();
    for (unsigned i = 0; i < 60; i++) {
        sink_world_set(&world, 10000, 3000);
        sink_world_for(&world, 25);
    }
    assert_true(resident_kb() - before_kb < 1024);
    fake_redis_script(fake, &(struct fake_redis_script){0});
    sink_world_close(&world, 100);
    fake_redis_stop(fake);
}

static void an_idle_connection_that_went_silent_is_noticed(void **state)
{
    (void)state;
    struct fake_redis *fake = open_ready((struct fake_redis_script){0});
    sink_world_for(&world, 500); /* idle PINGs are answered: still ready */
    assert_true(sink_world_is_ready(&world));
    assert_int_equal(world.connected, 1);
    fake_redis_script(fake, &(struct fake_redis_script){.silent = true});
    assert_true(sink_world_until(&world, sink_world_is_stalled, 1500));
    sink_world_close(&world, 100);
    fake_redis_stop(fake);
}

static void silence_is_noticed_on_trial_as_well(void **state)
{
    (void)state;
    struct fake_redis *fake = open_ready((struct fake_redis_script){.write_error = "OOM"});
    sink_world_set(&world, 1, 10);
    assert_true(sink_world_until(&world, sink_world_is_refusing, 1000));
    sink_world_for(&world, 120); /* the probe is answered; nobody writes */
    assert_int_equal(bk_sink_room(world.sink), 1);
    fake_redis_script(fake, &(struct fake_redis_script){.silent = true});
    assert_true(sink_world_until(&world, sink_world_is_stalled, 1500));
    sink_world_close(&world, 100);
    fake_redis_stop(fake);
}

/* The answers are there, and only not read yet. */
static void a_long_turn_of_our_own_is_not_taken_for_silence(void **state)
{
    (void)state;
    struct fake_redis *fake = open_ready((struct fake_redis_script){0});
    sink_world_set(&world, 5, 10);
    usleep(3 * world.options.stall_timeout_ms * 1000);
    assert_true(sink_world_until(&world, sink_world_is_idle, 1000));
    assert_int_equal(world.outcomes[BK_OUTCOME_STORED], 5);
    assert_int_equal(world.connected, 1);
    sink_world_close(&world, 100);
    fake_redis_stop(fake);
}

static void a_servers_words_are_told_without_quotes_and_control_characters(void **state)
{
    (void)state;
    struct fake_redis *fake =
        open_ready((struct fake_redis_script){.write_error = "OOM \"x\" \033[31m red"});
    sink_world_set(&world, 1, 10);
    assert_true(sink_world_until(&world, sink_world_is_refusing, 1000));
    const struct bk_sink_status status = sink_world_status(&world);
    assert_non_null(strstr(status.detail, "red"));
    for (const char *c = status.detail; *c; c++) assert_true((unsigned char)*c >= ' ' && *c != '"');
    sink_world_close(&world, 100);
    fake_redis_stop(fake);
}

static void the_old_connection_is_killed_before_the_first_write_after_a_reconnect(void **state)
{
    (void)state;
    struct fake_redis *fake = open_ready((struct fake_redis_script){0});
    sink_world_set(&world, 1, 10);
    assert_true(sink_world_until(&world, sink_world_is_idle, 1000));
    fake_redis_hang_up(fake);
    world.retry_wakes = 1; /* write the moment we may */
    assert_true(sink_world_until(&world, connected_twice, 2000));
    assert_true(sink_world_until(&world, sink_world_is_idle, 1000));
    fake_redis_transcript(fake, transcript, sizeof transcript);
    const char *kill = strstr(transcript, "2: CLIENT KILL ID 1\n");
    const char *set = strstr(transcript, "2: SET ");
    assert_non_null(kill);
    assert_non_null(set);
    assert_true(kill < set);
    assert_null(strstr(transcript, "1: CLIENT KILL")); /* nothing to kill the first time */
    assert_int_equal(world.fresh, 1);
    sink_world_close(&world, 100);
    fake_redis_stop(fake);
}

static void another_server_process_is_fresh_and_its_clients_are_left_alone(void **state)
{
    (void)state;
    struct fake_redis *fake = open_ready((struct fake_redis_script){.run_id = "one"});
    fake_redis_script(fake, &(struct fake_redis_script){.run_id = "two"});
    fake_redis_hang_up(fake);
    assert_true(sink_world_until(&world, connected_twice, 2000));
    assert_int_equal(world.fresh, 2);
    fake_redis_transcript(fake, transcript, sizeof transcript);
    assert_null(strstr(transcript, "CLIENT KILL"));
    sink_world_close(&world, 100);
    fake_redis_stop(fake);
}

static void a_server_that_forbids_client_and_info_is_still_written_to(void **state)
{
    (void)state;
    struct fake_redis *fake = open_ready((struct fake_redis_script){.forbid_client = true});
    sink_world_set(&world, 3, 10);
    assert_true(sink_world_until(&world, sink_world_is_idle, 1000));
    assert_int_equal(world.outcomes[BK_OUTCOME_STORED], 3);
    fake_redis_hang_up(fake);
    assert_true(sink_world_until(&world, connected_twice, 2000));
    assert_int_equal(world.fresh, 2); /* not known to be the same: assume the worse */
    sink_world_close(&world, 100);
    fake_redis_stop(fake);
}

static bool has_room(struct sink_world *w)
{
    return bk_sink_room(w->sink) > 0;
}

/* One class of error: named while it lasts, counted, left again by itself. */
static void refuse_and_recover(const char *error, enum bk_outcome outcome, bool redials)
{
    struct fake_redis *fake = open_ready((struct fake_redis_script){.write_error = error});
    assert_int_equal(sink_world_set(&world, 30, 10), 30);
    assert_true(sink_world_until(&world, sink_world_is_idle, 1000));
    assert_int_equal(world.outcomes[outcome], 30);
    assert_true(sink_world_is_refusing(&world));
    assert_string_equal(sink_world_status(&world).detail, error);
    assert_int_equal(bk_sink_room(world.sink), 0);
    assert_true(sink_world_until(&world, has_room, 1000));
    assert_int_equal(bk_sink_room(world.sink), 1);
    assert_true(sink_world_is_refusing(&world));
    assert_int_equal(sink_world_set(&world, 10, 10), 1);
    world.retry_wakes = 3; /* the owner's dirty lists try again */
    sink_world_for(&world, 150);
    assert_true(sink_world_is_refusing(&world));
    assert_true(world.answered < 35); /* one at a time, and ever more rarely */
    fake_redis_script(fake, &(struct fake_redis_script){0});
    world.retry_wakes = 1000000;
    assert_true(sink_world_until(&world, sink_world_is_ready, 2000));
    assert_string_equal(sink_world_status(&world).detail, "");
    world.retry_wakes = 0;
    assert_int_equal(fake_redis_connections(fake) > 1, redials);
    sink_world_close(&world, 200);
    fake_redis_stop(fake);
}

static void many_errors_of_one_moment_are_one_refusal(void **state)
{
    (void)state;
    struct fake_redis *fake = fake_redis_start(&(struct fake_redis_script){.write_error = "OOM"});
    sink_world_init(&world);
    world.options.backoff_max_ms = 60000;
    sink_world_open(&world, "redis://127.0.0.1:%d", fake_redis_port(fake));
    assert_true(sink_world_until(&world, sink_world_is_ready, 1000));
    assert_int_equal(sink_world_set(&world, 64, 10), 64);
    assert_true(sink_world_until(&world, sink_world_is_idle, 1000));
    fake_redis_script(fake, &(struct fake_redis_script){0});
    world.retry_wakes = 1000000;
    assert_true(
        sink_world_until(&world, sink_world_is_ready, 500)); /* after the first, short wait */
    world.retry_wakes = 0;
    sink_world_close(&world, 200);
    fake_redis_stop(fake);
}

static void out_of_memory_holds_the_sink_until_a_write_is_taken(void **state)
{
    (void)state;
    refuse_and_recover("OOM command not allowed when used memory > 'maxmemory'.", BK_OUTCOME_OOM,
                       false);
}

static void a_replica_is_left_and_dialled_again(void **state)
{
    (void)state;
    refuse_and_recover("READONLY You can't write against a read only replica.", BK_OUTCOME_READONLY,
                       true);
}

static void a_moved_key_and_a_failed_disk_hold_the_sink(void **state)
{
    (void)state;
    refuse_and_recover("MOVED 3999 127.0.0.1:6381", BK_OUTCOME_MOVED, true);
    refuse_and_recover("MISCONF Redis is configured to save RDB snapshots", BK_OUTCOME_MISCONF,
                       false);
}

static void a_wrong_type_is_about_one_key_and_holds_nothing(void **state)
{
    (void)state;
    struct fake_redis *fake = open_ready((struct fake_redis_script){
        .write_error = "WRONGTYPE Operation against a key holding the wrong kind of value"});
    sink_world_set(&world, 30, 10);
    assert_true(sink_world_until(&world, sink_world_is_idle, 1000));
    assert_int_equal(world.outcomes[BK_OUTCOME_WRONGTYPE], 30);
    assert_true(sink_world_is_ready(&world));
    sink_world_close(&world, 100);
    fake_redis_stop(fake);
}

static void loading_recovers_by_itself(void **state)
{
    (void)state;
    const char *loading = "LOADING Redis is loading the dataset in memory";
    struct fake_redis *fake = open_with((struct fake_redis_script){.ping_error = loading});
    assert_true(sink_world_until(&world, sink_world_is_refusing, 1000));
    sink_world_for(&world, 120);
    assert_true(sink_world_is_refusing(&world));
    assert_string_equal(sink_world_status(&world).detail, loading);
    assert_int_equal(world.connected, 0);
    fake_redis_script(fake, &(struct fake_redis_script){0});
    assert_true(sink_world_until(&world, sink_world_is_ready, 2000));
    assert_int_equal(world.connected, 1);
    assert_int_equal(fake_redis_connections(fake), 1); /* the same connection all the time */
    sink_world_close(&world, 100);
    fake_redis_stop(fake);
}

static void a_wrong_password_is_a_named_state_and_a_corrected_one_is_enough(void **state)
{
    (void)state;
    struct fake_redis *fake = fake_redis_start(&(struct fake_redis_script){.password = "right"});
    sink_world_init(&world);
    sink_world_open(&world, "redis://:wr%%6fng@127.0.0.1:%d", fake_redis_port(fake));
    assert_true(sink_world_until(&world, sink_world_is_refusing, 1000));
    assert_non_null(strstr(sink_world_status(&world).detail, "WRONGPASS"));
    assert_null(strstr(sink_world_status(&world).detail, "wrong"));
    fake_redis_transcript(fake, transcript, sizeof transcript);
    assert_non_null(strstr(transcript, "1: AUTH wrong\n"));
    fake_redis_script(fake, &(struct fake_redis_script){.password = "wrong"});
    assert_true(sink_world_until(&world, sink_world_is_ready, 2000));
    sink_world_close(&world, 100);
    fake_redis_stop(fake);
}

static void a_missing_password_is_a_named_state(void **state)
{
    (void)state;
    struct fake_redis *fake = open_with((struct fake_redis_script){.password = "right"});
    assert_true(sink_world_until(&world, sink_world_is_refusing, 1000));
    assert_non_null(strstr(sink_world_status(&world).detail, "NOAUTH"));
    assert_int_equal(world.connected, 0);
    sink_world_close(&world, 100);
    fake_redis_stop(fake);
}

static void user_password_and_database_are_said_in_order(void **state)
{
    (void)state;
    struct fake_redis *fake = fake_redis_start(&(struct fake_redis_script){.password = "given"});
    sink_world_init(&world);
    world.options.password = "given"; /* stands before the URL's */
    sink_world_open(&world, "redis://ann:other@localhost:%d/3", fake_redis_port(fake));
    assert_true(sink_world_until(&world, sink_world_is_ready, 3000));
    fake_redis_transcript(fake, transcript, sizeof transcript);
    assert_non_null(strstr(transcript, ": AUTH ann given\n1: SELECT 3\n1: CLIENT SETNAME basketry\n"
                                       "1: CLIENT ID\n1: INFO server\n1: PING\n"));
    sink_world_close(&world, 100);
    fake_redis_stop(fake);
}

/* Else the lists would go to database 0, where nobody looks for them. */
static void a_database_that_the_server_has_not_got_is_a_named_state(void **state)
{
    (void)state;
    struct fake_redis *fake = fake_redis_start(
        &(struct fake_redis_script){.select_error = "ERR DB index is out of range"});
    sink_world_init(&world);
    sink_world_open(&world, "redis://127.0.0.1:%d/99", fake_redis_port(fake));
    assert_true(sink_world_until(&world, sink_world_is_refusing, 1000));
    assert_non_null(strstr(sink_world_status(&world).detail, "DB index is out of range"));
    assert_int_equal(world.connected, 0);
    assert_int_equal(bk_sink_room(world.sink), 0);
    fake_redis_script(fake, &(struct fake_redis_script){0});
    assert_true(sink_world_until(&world, sink_world_is_ready, 2000));
    sink_world_close(&world, 100);
    fake_redis_stop(fake);
}

static void closing_waits_for_what_is_in_flight(void **state)
{
    (void)state;
    struct fake_redis *fake = open_ready((struct fake_redis_script){.write_us = 2000});
    sink_world_set(&world, 20, 10);
    unsigned took_ms = sink_world_close(&world, 5000);
    assert_int_equal(world.outcomes[BK_OUTCOME_STORED], 20);
    assert_true(took_ms < 2000);
    fake_redis_stop(fake);
}

static void closing_with_unanswered_commands_ends_in_time(void **state)
{
    (void)state;
    struct fake_redis *fake = fake_redis_start(&(struct fake_redis_script){0});
    sink_world_init(&world);
    world.options.stall_timeout_ms = 60000;
    sink_world_open(&world, "redis://127.0.0.1:%d", fake_redis_port(fake));
    assert_true(sink_world_until(&world, sink_world_is_ready, 2000));
    fake_redis_script(fake, &(struct fake_redis_script){.silent = true});
    sink_world_set(&world, 20, 10);
    unsigned took_ms = sink_world_close(&world, 100);
    assert_int_equal(world.outcomes[BK_OUTCOME_UNKNOWN], 20);
    assert_in_range(took_ms, 95, 400);
    fake_redis_stop(fake);
}

static void closing_works_at_any_moment_of_the_connection(void **state)
{
    (void)state;
    struct fake_redis *fake = fake_redis_start(&(struct fake_redis_script){0});
    for (unsigned turns = 0; turns < 12; turns++) {
        sink_world_init(&world);
        sink_world_open(&world, "redis://%s:%d", turns % 2 ? "localhost" : "127.0.0.1",
                        fake_redis_port(fake));
        for (unsigned i = 0; i < turns / 2; i++) uv_run(&world.loop, UV_RUN_NOWAIT);
        sink_world_set(&world, 2, 10);
        sink_world_close(&world, 500);
    }
    fake_redis_stop(fake);
}

static void a_name_that_does_not_resolve_is_retried_off_the_loop(void **state)
{
    (void)state;
    sink_world_init(&world);
    sink_world_open(&world, "redis://no-such-host.invalid:6379");
    assert_true(sink_world_until(&world, lost, 100));
    sink_world_for(&world, 600);
    assert_non_null(strstr(sink_world_status(&world).detail, "no-such-host.invalid"));
    sink_world_close(&world, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_write_is_acknowledged_once_and_in_order),
        cmocka_unit_test(an_owner_who_takes_exactly_the_room_is_woken_when_it_comes_back),
        cmocka_unit_test(replies_that_come_byte_by_byte_are_understood),
        cmocka_unit_test(a_refused_connection_is_retried_with_growing_waits),
        cmocka_unit_test(a_reset_in_the_middle_of_a_reply_ends_every_ticket_as_unknown_once),
        cmocka_unit_test(a_reply_that_is_no_resp_ends_the_connection_not_the_process),
        cmocka_unit_test(a_reply_nobody_asked_for_ends_the_connection_not_the_process),
        cmocka_unit_test(a_frozen_server_fills_the_window_and_then_nothing_is_taken),
        cmocka_unit_test(a_window_in_bytes_stops_before_it_is_exceeded),
        cmocka_unit_test(memory_stays_flat_while_the_server_is_frozen),
        cmocka_unit_test(an_idle_connection_that_went_silent_is_noticed),
        cmocka_unit_test(silence_is_noticed_on_trial_as_well),
        cmocka_unit_test(a_long_turn_of_our_own_is_not_taken_for_silence),
        cmocka_unit_test(a_servers_words_are_told_without_quotes_and_control_characters),
        cmocka_unit_test(the_old_connection_is_killed_before_the_first_write_after_a_reconnect),
        cmocka_unit_test(another_server_process_is_fresh_and_its_clients_are_left_alone),
        cmocka_unit_test(a_server_that_forbids_client_and_info_is_still_written_to),
        cmocka_unit_test(many_errors_of_one_moment_are_one_refusal),
        cmocka_unit_test(out_of_memory_holds_the_sink_until_a_write_is_taken),
        cmocka_unit_test(a_replica_is_left_and_dialled_again),
        cmocka_unit_test(a_moved_key_and_a_failed_disk_hold_the_sink),
        cmocka_unit_test(a_wrong_type_is_about_one_key_and_holds_nothing),
        cmocka_unit_test(loading_recovers_by_itself),
        cmocka_unit_test(a_wrong_password_is_a_named_state_and_a_corrected_one_is_enough),
        cmocka_unit_test(a_missing_password_is_a_named_state),
        cmocka_unit_test(user_password_and_database_are_said_in_order),
        cmocka_unit_test(a_database_that_the_server_has_not_got_is_a_named_state),
        cmocka_unit_test(closing_waits_for_what_is_in_flight),
        cmocka_unit_test(closing_with_unanswered_commands_ends_in_time),
        cmocka_unit_test(closing_works_at_any_moment_of_the_connection),
        cmocka_unit_test(a_name_that_does_not_resolve_is_retried_off_the_loop),
    };
    bk_log_level = BK_LOG_OFF;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
