/* sink_world.c -- the owner of a sink, for tests: tickets are numbered by `handle` in order of
 * submission. */
#include "support/sink_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void on_outcome(void *arg, const struct bk_ticket *ticket, enum bk_outcome outcome)
{
    struct sink_world *world = arg;
    if (ticket->handle != world->answered || ticket->owner != 7 || ticket->stamp != ~ticket->handle)
        world->out_of_order++;
    world->answered++;
    world->outcomes[outcome]++;
}

static void on_wake(void *arg)
{
    struct sink_world *world = arg;
    world->wakes++;
    if (world->retry_wakes && sink_world_set(world, 1, 10)) world->retry_wakes--;
}

static void on_connected(void *arg, bool fresh)
{
    struct sink_world *world = arg;
    world->connected++;
    world->fresh += fresh;
}

static void on_closed(void *arg)
{
    struct sink_world *world = arg;
    world->closed++;
}

void sink_world_init(struct sink_world *world)
{
    *world = (struct sink_world){
        .options = {.inflight_max = 64,
                    .inflight_bytes_max = 256 * 1024,
                    .connect_timeout_ms = 200,
                    .stall_timeout_ms = 150,
                    .backoff_max_ms = 400},
    };
    assert_int_equal(uv_loop_init(&world->loop), 0);
}

void sink_world_open(struct sink_world *world, const char *format, ...)
{
    struct bk_sink_events events = {world, on_outcome, on_wake, on_connected};
    struct bk_reason reason = {{0}};
    va_list args;
    va_start(args, format);
    vsnprintf(world->url, sizeof world->url, format, args);
    va_end(args);
    world->options.url = world->url;
    world->sink = bk_sink_redis_create(&world->loop, &world->options, &events, &reason);
    if (!world->sink) fail_msg("%s: %s", world->url, reason.text);
}

static void on_tick(uv_timer_t *timer)
{
    (void)timer; /* only ends a turn of the loop */
}

static void on_tick_closed(uv_handle_t *handle)
{
    *(bool *)handle->data = true;
}

bool sink_world_until(struct sink_world *world, bool (*done)(struct sink_world *), unsigned ms)
{
    uv_timer_t tick;
    uint64_t end = uv_hrtime() + (uint64_t)ms * 1000000;
    uv_timer_init(&world->loop, &tick);
    uv_timer_start(&tick, on_tick, 2, 2);
    while (!done(world) && uv_hrtime() < end) uv_run(&world->loop, UV_RUN_ONCE);
    bool reached = done(world);
    bool gone = false;
    tick.data = &gone;
    uv_close((uv_handle_t *)&tick, on_tick_closed);
    while (!gone) uv_run(&world->loop, UV_RUN_NOWAIT);
    return reached;
}

static bool never(struct sink_world *world)
{
    (void)world;
    return false;
}

void sink_world_for(struct sink_world *world, unsigned ms)
{
    sink_world_until(world, never, ms);
}

unsigned sink_world_set(struct sink_world *world, unsigned n, size_t len)
{
    char *value = malloc(len + 1), *command = malloc(len + 128);
    unsigned taken = 0;
    memset(value, 'v', len);
    value[len] = '\0';
    for (; taken < n && bk_sink_room(world->sink) > 0; taken++) {
        int size = sprintf(command, "*3\r\n$3\r\nSET\r\n$8\r\nbk:%05u\r\n$%zu\r\n%s\r\n",
                           world->submitted % 100000, len, value);
        struct bk_ticket ticket = {
            .owner = 7, .handle = world->submitted, .what = 1, .stamp = ~world->submitted};
        if (bk_sink_submit(world->sink, &ticket, command, (size_t)size) != 0) break;
        world->submitted++;
    }
    free(value);
    free(command);
    return taken;
}

struct bk_sink_status sink_world_status(struct sink_world *world)
{
    struct bk_sink_status status;
    world->sink->ops->status(world->sink, &status);
    return status;
}

bool sink_world_in(struct sink_world *world, const char *state)
{
    return strcmp(bk_sink_state_word(sink_world_status(world).state), state) == 0;
}

static bool is_closed(struct sink_world *world)
{
    return world->closed > 0;
}

unsigned sink_world_close(struct sink_world *world, unsigned deadline_ms)
{
    uint64_t start = uv_hrtime();
    world->sink->ops->close(world->sink, deadline_ms, on_closed, world);
    assert_int_equal(world->closed, 0); /* never from inside close */
    assert_int_equal(bk_sink_room(world->sink), 0);
    assert_true(sink_world_until(world, is_closed, deadline_ms + 3000));
    unsigned took_ms = (unsigned)((uv_hrtime() - start) / 1000000);
    uv_run(&world->loop, UV_RUN_DEFAULT); /* a late resolver may still come home */
    assert_int_equal(uv_loop_close(&world->loop), 0);
    assert_int_equal(world->closed, 1);
    assert_int_equal(world->answered, world->submitted);
    assert_int_equal(world->out_of_order, 0);
    return took_ms;
}

bool sink_world_is_ready(struct sink_world *world)
{
    return sink_world_in(world, "ready");
}

bool sink_world_is_refusing(struct sink_world *world)
{
    return sink_world_in(world, "refusing");
}

bool sink_world_is_stalled(struct sink_world *world)
{
    return sink_world_in(world, "stalled");
}

bool sink_world_is_idle(struct sink_world *world)
{
    return world->answered == world->submitted;
}
