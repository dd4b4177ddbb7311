/* ask.h -- the two ways to ask: a running instance through its control socket, and Redis as the
 * storefront does. Private to src/cli. */
#ifndef BASKETRY_CLI_ASK_H
#define BASKETRY_CLI_ASK_H

#include "cli.h"

#include <jansson.h>

struct redisContext;

/** Ask the control socket; the words are C strings, NULL ends them. Append the answer as it came.
 *  0, or a code with a reason. */
BK_MUST_CHECK int bk__cli_ask_text(const struct bk_config *cfg, const char *const *words,
                                   uint32_t timeout_ms, struct bk_buf *body,
                                   struct bk_reason *reason);
/** The same, parsed. The answer's JSON (to be released), or NULL after `*error` and `reason`. */
json_t *bk__cli_ask(const struct bk_config *cfg, const char *const *words, uint32_t timeout_ms,
                    int *error, struct bk_reason *reason);

/** Connect to redis.url with its deadlines, authenticated and in its database. NULL after
 *  `reason`. */
struct redisContext *bk__cli_redis_open(const struct bk_config *cfg, struct bk_reason *reason);

/** GET `count` keys in one round trip; value[i] is appended the value and found[i] says whether
 *  there was one. 0, BK_EUNAVAILABLE when the connection ended, BK_EINVAL with Redis' own words
 *  when a key holds something else. */
BK_MUST_CHECK int bk__cli_redis_get(struct redisContext *redis, size_t count, const bk_str_t *key,
                                    struct bk_buf *value, bool *found, struct bk_reason *reason);

#endif
