/* redis_greeting.c -- what is said on a new connection before the first write.
 *
 *   1st round   AUTH [user] password    when there is a password
 *               SELECT db               when it is not 0
 *               CLIENT SETNAME, CLIENT ID, INFO server
 *   2nd round   CLIENT KILL ID <old>    when our last connection was to this same server process
 *               PING
 *
 * The old connection may still hold commands that the server has not read (it was stopped, or the
 * network was). Killing it first means that no old list can arrive after a newer one. Connection
 * ids start again with each server process, so an id is killed only under the run_id it was given
 * by.
 *
 * AUTH and SELECT must succeed. The rest may be forbidden by an access list or unknown to a proxy,
 * and only makes us know less. PING comes last because it is what fails while the server loads its
 * data or, as a replica, has lost its master.
 */
#include "redis_greeting.h"

#include "basketry/log.h"
#include "redis_reply.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void finish(struct redis_greeting *greeting, enum bk_outcome outcome, bk_str_t error)
{
    if (greeting->finished) return;
    greeting->finished = true;
    greeting->done(greeting->arg, outcome, error);
}

/* Is this reply worth a look? False when the connection ends, or an earlier answer decided. */
static bool heard(const struct redis_greeting *greeting, const redisReply *reply)
{
    return reply && !greeting->finished;
}

/* End the greeting when it cannot go on after this reply: `least` is the class of an error whose
 * word tells nothing, STORED for questions that may fail. */
static bool fails(struct redis_greeting *greeting, const redisReply *reply, enum bk_outcome least)
{
    if (reply->type != REDIS_REPLY_ERROR) return false;
    bk_str_t text = redis_reply_text(reply);
    enum bk_outcome outcome = bk_outcome_from_error(text);
    bool noauth = text.len >= 6 && memcmp(text.p, "NOAUTH", 6) == 0; /* NOPERM may pass */
    if (least == BK_OUTCOME_STORED && !noauth) return false;
    finish(greeting, outcome == BK_OUTCOME_REFUSED ? least : outcome, text);
    return true;
}

static void on_auth(redisAsyncContext *ac, void *reply, void *arg)
{
    (void)ac;
    if (heard(arg, reply)) fails(arg, reply, BK_OUTCOME_NOAUTH);
}

static void on_select(redisAsyncContext *ac, void *reply, void *arg)
{
    (void)ac;
    if (heard(arg, reply)) fails(arg, reply, BK_OUTCOME_REFUSED);
}

static void on_name(redisAsyncContext *ac, void *reply, void *arg)
{
    (void)ac;
    if (heard(arg, reply)) fails(arg, reply, BK_OUTCOME_STORED);
}

static void on_id(redisAsyncContext *ac, void *arg_reply, void *arg)
{
    struct redis_greeting *greeting = arg;
    const redisReply *reply = arg_reply;
    (void)ac;
    if (!heard(greeting, reply) || fails(greeting, reply, BK_OUTCOME_STORED)) return;
    if (reply->type == REDIS_REPLY_INTEGER && reply->integer > 0)
        greeting->now.id = (uint64_t)reply->integer;
}

static void on_kill(redisAsyncContext *ac, void *arg_reply, void *arg)
{
    const redisReply *reply = arg_reply;
    (void)ac;
    if (heard(arg, reply) && reply->type == REDIS_REPLY_ERROR)
        bk_log_warn("redis", "kill_refused err=\"%s\"", reply->str);
}

static void on_ping(redisAsyncContext *ac, void *reply, void *arg)
{
    (void)ac;
    if (!heard(arg, reply) || fails(arg, reply, BK_OUTCOME_REFUSED)) return;
    finish(arg, BK_OUTCOME_STORED, bk_str("", 0));
}

/* The value of "run_id:" in the answer to INFO. */
static void read_run_id(bk_str_t info, char *out, size_t cap)
{
    static const char mark[] = "run_id:";
    const char *at = info.len ? strstr(info.p, mark) : NULL;
    size_t n = 0;
    if (at)
        for (at += sizeof mark - 1; *at > ' ' && n + 1 < cap; at++) out[n++] = *at;
    out[n] = '\0';
}

/* Our last connection belongs to this server process and may still be alive there. */
static bool must_kill(const struct redis_greeting *greeting)
{
    const struct redis_peer *before = &greeting->before, *now = &greeting->now;
    return before->id != 0 && before->id != now->id && before->run_id[0] != '\0' &&
           strcmp(before->run_id, now->run_id) == 0;
}

static void say(struct redis_greeting *greeting, redisAsyncContext *ac, redisCallbackFn *on_reply,
                int argc, const char **argv)
{
    size_t lens[4];
    for (int i = 0; i < argc; i++) lens[i] = strlen(argv[i]);
    redisAsyncCommandArgv(ac, on_reply, greeting, argc, argv, lens);
}

static void second_round(struct redis_greeting *greeting, redisAsyncContext *ac)
{
    if (must_kill(greeting)) {
        char id[24];
        snprintf(id, sizeof id, "%" PRIu64, greeting->before.id);
        say(greeting, ac, on_kill, 4, (const char *[]){"CLIENT", "KILL", "ID", id});
    }
    say(greeting, ac, on_ping, 1, (const char *[]){"PING"});
}

static void on_info(redisAsyncContext *ac, void *arg_reply, void *arg)
{
    struct redis_greeting *greeting = arg;
    const redisReply *reply = arg_reply;
    if (!heard(greeting, reply) || fails(greeting, reply, BK_OUTCOME_STORED)) return;
    if (reply->type == REDIS_REPLY_STRING)
        read_run_id(redis_reply_text(reply), greeting->now.run_id, sizeof greeting->now.run_id);
    second_round(greeting, ac);
}

void bk__redis_greeting_start(struct redis_greeting *greeting, redisAsyncContext *ac)
{
    const struct bk_redis_url *url = greeting->url;
    greeting->now = (struct redis_peer){0};
    greeting->finished = false;
    if (url->password[0] && url->user[0])
        say(greeting, ac, on_auth, 3, (const char *[]){"AUTH", url->user, url->password});
    else if (url->password[0])
        say(greeting, ac, on_auth, 2, (const char *[]){"AUTH", url->password});
    if (url->db != 0) {
        char db[12];
        snprintf(db, sizeof db, "%d", url->db);
        say(greeting, ac, on_select, 2, (const char *[]){"SELECT", db});
    }
    say(greeting, ac, on_name, 3, (const char *[]){"CLIENT", "SETNAME", "basketry"});
    say(greeting, ac, on_id, 2, (const char *[]){"CLIENT", "ID"});
    say(greeting, ac, on_info, 2, (const char *[]){"INFO", "server"});
}
