/* redis_greeting.h -- what is said on a new connection before the first write. */
#ifndef BASKETRY_PUBLISH_REDIS_GREETING_H
#define BASKETRY_PUBLISH_REDIS_GREETING_H

#include "basketry/redis_url.h"
#include "basketry/sink.h"

#include <hiredis/async.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { REDIS_RUN_ID_MAX = 64 };

/** One connection of one server process. */
struct redis_peer {
    uint64_t id;                       /* CLIENT ID, 0 = not known */
    char run_id[REDIS_RUN_ID_MAX + 1]; /* of the server process, "" = not known */
};

struct redis_greeting {
    const struct bk_redis_url *url; /* user, password, db; borrowed */
    struct redis_peer before;       /* the connection we wrote on last; id 0 when there was none */
    struct redis_peer now;          /* filled by the answers */
    /** STORED when the connection may be written to; otherwise the class and words of the error. */
    void (*done)(void *arg, enum bk_outcome outcome, bk_str_t error);
    void *arg;
    bool finished;
};

/** Say it all on `ac`, which is connected and has a reply slot. `done` comes at most once: never
 * when the connection ends first. The greeting must outlive the context. */
void bk__redis_greeting_start(struct redis_greeting *greeting, redisAsyncContext *ac);

#ifdef __cplusplus
}
#endif
#endif
