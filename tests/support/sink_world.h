/* sink_world.h -- a loop, a Redis sink and an owner that keeps the books. */
#ifndef BASKETRY_TESTS_SINK_WORLD_H
#define BASKETRY_TESTS_SINK_WORLD_H

#include "basketry/sink.h"

#include <uv.h>

struct sink_world {
    uv_loop_t loop;
    struct bk_sink *sink;
    struct bk_redis_options options; /* change between sink_world_init and sink_world_open */
    unsigned submitted, answered;
    unsigned outcomes[BK_OUTCOME_COUNT];
    unsigned out_of_order; /* answers that were not the oldest unanswered ticket's */
    unsigned connected, fresh, wakes, closed;
    unsigned retry_wakes; /* write one command at each wake while > 0 */
    char url[256];
};

/** Small windows, short waits: 64 commands, 256 kB; connect 200, stall 150, backoff 400 ms. */
void sink_world_init(struct sink_world *world);
/** Fails the test when the URL is refused. */
void sink_world_open(struct sink_world *world, const char *format, ...) BK_PRINTF(2, 3);
/** Turn the loop until done(world) or `ms` have passed; what done() says at the end. */
bool sink_world_until(struct sink_world *world, bool (*done)(struct sink_world *), unsigned ms);
/** Turn the loop for so long. */
void sink_world_for(struct sink_world *world, unsigned ms);
/** SET keys with `len` bytes until `n` are submitted or one is not taken; how many were. */
unsigned sink_world_set(struct sink_world *world, unsigned n, size_t len);
struct bk_sink_status sink_world_status(struct sink_world *world);
bool sink_world_in(struct sink_world *world, const char *state);
/** Close with this deadline, wait for `closed`, and check the books: every ticket has one outcome,
 * in order, and the loop has nothing left. Returns how long closing took, in ms. */
unsigned sink_world_close(struct sink_world *world, unsigned deadline_ms);

/* Things to wait for. */
bool sink_world_is_ready(struct sink_world *world);
bool sink_world_is_refusing(struct sink_world *world);
bool sink_world_is_stalled(struct sink_world *world);
bool sink_world_is_idle(struct sink_world *world); /* everything submitted is answered */

#endif
