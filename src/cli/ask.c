/* ask.c -- blocking questions of the command line, each with a deadline. */
#include "ask.h"

#include "basketry/control.h"
#include "basketry/redis_url.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <sys/time.h>

int bk__cli_ask_text(const struct bk_config *cfg, const char *const *words, uint32_t timeout_ms,
                     struct bk_buf *body, struct bk_reason *reason)
{
    bk_str_t word[BK_CONTROL_WORDS_MAX];
    int count = 0;
    for (; words[count]; count++) word[count] = bk_str_c(words[count]);
    return bk_control_ask(cfg->control_socket, count, word, timeout_ms, body, reason);
}

json_t *bk__cli_ask(const struct bk_config *cfg, const char *const *words, uint32_t timeout_ms,
                    int *error, struct bk_reason *reason)
{
    struct bk_buf body = {0};
    json_error_t where;
    json_t *answer = NULL;
    *error = bk__cli_ask_text(cfg, words, timeout_ms, &body, reason);
    if (!*error) {
        answer = json_loadb(body.p ? body.p : "", body.len, JSON_REJECT_DUPLICATES, &where);
        if (!answer)
            *error = bk_reason_set(reason, BK_ECORRUPT, "the answer is not JSON: %s", where.text);
    }
    bk_buf_deinit(&body);
    return answer;
}

/* ---- Redis ---- */

static struct timeval timeval_of(int64_t ms)
{
    return (struct timeval){.tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000};
}

/* Run one command whose answer only has to be no error. */
static bool obeys(redisContext *redis, int words, const char **word, const char *what,
                  struct bk_reason *reason)
{
    redisReply *reply = redisCommandArgv(redis, words, word, NULL);
    bool ok = reply && reply->type != REDIS_REPLY_ERROR;
    if (!ok)
        bk_reason_set(reason, BK_EUNAVAILABLE, "redis: %s: %s", what,
                      reply ? reply->str : redis->errstr);
    if (reply) freeReplyObject(reply);
    return ok;
}

static bool introduce(redisContext *redis, const struct bk_redis_url *url, const char *password,
                      struct bk_reason *reason)
{
    char db[16];
    const char *with_user[] = {"AUTH", url->user, password}, *without[] = {"AUTH", password},
               *choose[] = {"SELECT", db};
    if (password[0] &&
        !obeys(redis, url->user[0] ? 3 : 2, url->user[0] ? with_user : without, "AUTH", reason))
        return false;
    snprintf(db, sizeof db, "%d", url->db);
    return url->db == 0 || obeys(redis, 2, choose, "SELECT", reason);
}

static redisContext *connect_to(const struct bk_redis_url *url, const struct bk_config *cfg,
                                struct bk_reason *reason)
{
    struct timeval deadline = timeval_of(cfg->redis_connect_timeout);
    redisContext *redis = url->path[0] ? redisConnectUnixWithTimeout(url->path, deadline)
                                       : redisConnectWithTimeout(url->host, url->port, deadline);
    struct bk_buf shown = {0};
    bk_config_mask_url(&shown, cfg->redis_url);
    if (!redis || redis->err) {
        bk_reason_set(reason, BK_EUNAVAILABLE, "redis: %s: %s", shown.p ? shown.p : "",
                      redis ? redis->errstr : "out of memory");
        if (redis) redisFree(redis);
        redis = NULL;
    }
    bk_buf_deinit(&shown);
    return redis;
}

struct redisContext *bk__cli_redis_open(const struct bk_config *cfg, struct bk_reason *reason)
{
    struct bk_redis_url url;
    char secret[sizeof url.password];
    redisContext *redis = NULL;
    if (bk_redis_url_parse(cfg->redis_url, &url, reason)) return NULL;
    memcpy(secret, url.password, sizeof secret);
    bool ready = !cfg->redis_password_file[0] ||
                 !bk_config_secret(cfg->redis_password_file, secret, sizeof secret, reason);
    if (ready) redis = connect_to(&url, cfg, reason);
    if (redis && (redisSetTimeout(redis, timeval_of(cfg->redis_stall_timeout)) ||
                  !introduce(redis, &url, secret, reason))) {
        redisFree(redis);
        redis = NULL;
    }
    explicit_bzero(secret, sizeof secret);
    explicit_bzero(&url, sizeof url);
    return redis;
}

static int take_reply(redisContext *redis, struct bk_buf *value, bool *found,
                      struct bk_reason *reason)
{
    redisReply *reply = NULL;
    int error = 0;
    if (redisGetReply(redis, (void **)&reply) != REDIS_OK || !reply)
        return bk_reason_set(reason, BK_EUNAVAILABLE, "redis: %s",
                             redis->errstr[0] ? redis->errstr : "no answer");
    *found = reply->type == REDIS_REPLY_STRING;
    if (*found)
        bk_buf_bytes(value, reply->str, (size_t)reply->len);
    else if (reply->type == REDIS_REPLY_ERROR)
        error = bk_reason_set(reason, BK_EINVAL, "redis: %s", reply->str);
    freeReplyObject(reply);
    return error;
}

int bk__cli_redis_get(struct redisContext *redis, size_t count, const bk_str_t *key,
                      struct bk_buf *value, bool *found, struct bk_reason *reason)
{
    for (size_t i = 0; i < count; i++) {
        const char *words[] = {"GET", key[i].p};
        size_t lens[] = {3, key[i].len};
        if (redisAppendCommandArgv(redis, 2, words, lens) != REDIS_OK)
            return bk_reason_set(reason, BK_ENOMEM, "redis: %s", redis->errstr);
    }
    int error = 0;
    for (size_t i = 0; i < count && error != BK_EUNAVAILABLE; i++) {
        struct bk_reason own = {""};
        int one = take_reply(redis, &value[i], &found[i], &own);
        if (one && (!error || one == BK_EUNAVAILABLE)) error = one, *reason = own;
    }
    return error;
}
