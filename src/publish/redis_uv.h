/* redis_uv.h -- hiredis' asynchronous context on a libuv loop. */
#ifndef BASKETRY_PUBLISH_REDIS_UV_H
#define BASKETRY_PUBLISH_REDIS_UV_H

#include <hiredis/async.h>
#include <uv.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Drive `ac` from `loop` until hiredis frees it. `after(arg)` runs once after each event that left
 * the context alive: the place to act once per batch of replies; it may be NULL. From then on the
 * adapter owns itself. 0, or a negative libuv code: nothing was attached and the caller frees `ac`.
 */
int bk__redis_uv_attach(uv_loop_t *loop, redisAsyncContext *ac, void (*after)(void *arg),
                        void *arg);

#ifdef __cplusplus
}
#endif
#endif
