/* redis_resolve.h -- a host name to one address, off the loop thread. */
#ifndef BASKETRY_PUBLISH_REDIS_RESOLVE_H
#define BASKETRY_PUBLISH_REDIS_RESOLVE_H

#include <uv.h>

#ifdef __cplusplus
extern "C" {
#endif

struct redis_resolve;

/** `address` in numbers, NULL with `error` in words otherwise; both borrowed. Loop thread. */
typedef void (*redis_resolve_cb)(void *arg, const char *address, const char *error);

/** Ask for the `nth` address of `host` (modulo how many there are, in the resolver's order). NULL
 * when nothing could be started. `done` comes exactly once, later, unless forgotten. */
struct redis_resolve *bk__redis_resolve_start(uv_loop_t *loop, const char *host, uint32_t nth,
                                              redis_resolve_cb done, void *arg);
/** No answer is wanted any more; frees itself when the resolver returns. */
void bk__redis_resolve_forget(struct redis_resolve *resolve);

#ifdef __cplusplus
}
#endif
#endif
