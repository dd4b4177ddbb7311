/* reader.c -- the lists of one subject, as a storefront would read them.
 *
 *   ear     SUBSCRIBE <prefix>:updates: the keys that were just refreshed
 *   mouth   GET key, when the ear heard one of the followed keys
 *
 * Two plain hiredis contexts on the loop: hiredis reads and writes, libuv says when. A request is
 * a hundred bytes on a Unix socket, so writing does not wait. Of a key at most one GET is under way
 * and one more is remembered: what is refreshed faster than it can be read is read last.
 */
#include "basketry/demo_io.h"
#include "basketry/encode.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

struct line { /* one connection */
    redisContext *redis;
    uv_poll_t poll;
};

struct bk_demo_reader {
    struct line ear, mouth;
    struct bk_demo_reader_events events;
    char prefix[64];
    char key[BK_DEMO_LIST_COUNT][BK_KEY_BYTES_MAX];
    size_t key_len[BK_DEMO_LIST_COUNT];
    bool asked[BK_DEMO_LIST_COUNT], again[BK_DEMO_LIST_COUNT];
    uint32_t generation; /* of the subject: answers to what was asked before are passed over */
    struct {
        uint32_t generation;
        enum bk_demo_list_name name;
    } under_way[4 * BK_DEMO_LIST_COUNT]; /* answers come in order */
    uint32_t head, tail;
    bool lost, closing;
    int open;
    void (*closed)(void *arg);
    void *closed_arg;
};

static void lose(struct bk_demo_reader *reader, const char *why)
{
    if (reader->lost || reader->closing) return;
    reader->lost = true;
    uv_poll_stop(&reader->ear.poll);
    uv_poll_stop(&reader->mouth.poll);
    reader->events.lost(reader->events.arg, why);
}

/* ---- asking ---- */

static bool flush(struct bk_demo_reader *reader, struct line *line)
{
    int done = 0;
    while (!done)
        if (redisBufferWrite(line->redis, &done) != REDIS_OK) {
            lose(reader, line->redis->errstr);
            return false;
        }
    return true;
}

static void ask(struct bk_demo_reader *reader, enum bk_demo_list_name name)
{
    if (reader->lost || !reader->key_len[name]) return;
    uint32_t size = BK_COUNTOF(reader->under_way);
    if (reader->asked[name] || reader->tail - reader->head == size) {
        reader->again[name] = true;
        return;
    }
    reader->asked[name] = true;
    reader->again[name] = false;
    reader->under_way[reader->tail % size].generation = reader->generation;
    reader->under_way[reader->tail % size].name = name;
    reader->tail++;
    redisAppendCommand(reader->mouth.redis, "GET %b", reader->key[name], reader->key_len[name]);
    flush(reader, &reader->mouth);
}

static void take_answer(struct bk_demo_reader *reader, const redisReply *reply)
{
    uint32_t at = reader->head++ % BK_COUNTOF(reader->under_way);
    enum bk_demo_list_name name = reader->under_way[at].name;
    if (reader->under_way[at].generation == reader->generation) {
        bool here = reply->type == REDIS_REPLY_STRING;
        reader->asked[name] = false;
        reader->events.list(reader->events.arg, name,
                            here ? bk_str(reply->str, (size_t)reply->len) : BK_STR(""));
    }
    for (int i = 0; i < BK_DEMO_LIST_COUNT; i++)
        if (reader->again[i] && !reader->asked[i]) ask(reader, (enum bk_demo_list_name)i);
}

static void take_update(struct bk_demo_reader *reader, const redisReply *reply)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3) return;
    const redisReply *key = reply->element[2];
    if (key->type != REDIS_REPLY_STRING) return;
    for (int i = 0; i < BK_DEMO_LIST_COUNT; i++)
        if (reader->key_len[i] == (size_t)key->len &&
            memcmp(reader->key[i], key->str, (size_t)key->len) == 0)
            ask(reader, (enum bk_demo_list_name)i);
}

/* ---- the two connections ---- */

static void drain(struct bk_demo_reader *reader, struct line *line,
                  void (*take)(struct bk_demo_reader *reader, const redisReply *reply))
{
    void *reply = NULL;
    if (redisBufferRead(line->redis) != REDIS_OK) {
        lose(reader, line->redis->errstr);
        return;
    }
    while (!reader->lost && redisGetReplyFromReader(line->redis, &reply) == REDIS_OK && reply) {
        take(reader, reply);
        freeReplyObject(reply);
    }
}

static void on_ear(uv_poll_t *poll, int status, int events)
{
    struct bk_demo_reader *reader = poll->data;
    (void)events, (void)status; /* an error shows when reading */
    drain(reader, &reader->ear, take_update);
}

static void on_mouth(uv_poll_t *poll, int status, int events)
{
    struct bk_demo_reader *reader = poll->data;
    (void)events, (void)status;
    drain(reader, &reader->mouth, take_answer);
}

static int connect_line(struct line *line, const char *path, struct bk_reason *reason)
{
    line->redis = redisConnectUnix(path);
    if (line->redis && !line->redis->err) return BK_OK;
    bk_reason_set(reason, BK_EUNAVAILABLE, "redis at %s: %s", path,
                  line->redis ? line->redis->errstr : "no memory");
    if (line->redis) redisFree(line->redis);
    line->redis = NULL;
    return BK_EUNAVAILABLE;
}

static void watch_line(struct bk_demo_reader *reader, struct line *line, uv_loop_t *loop,
                       uv_poll_cb on_readable)
{
    uv_poll_init(loop, &line->poll, line->redis->fd);
    line->poll.data = reader;
    uv_poll_start(&line->poll, UV_READABLE, on_readable);
}

struct bk_demo_reader *bk_demo_reader_create(struct uv_loop_s *loop, const char *path,
                                             const char *prefix,
                                             const struct bk_demo_reader_events *events,
                                             struct bk_reason *reason)
{
    struct bk_demo_reader *reader = calloc(1, sizeof *reader);
    int code = reader ? BK_OK : bk_reason_set(reason, BK_ENOMEM, "no memory");
    if (!code) code = connect_line(&reader->ear, path, reason);
    if (!code) code = connect_line(&reader->mouth, path, reason);
    if (code) {
        if (reader && reader->ear.redis) redisFree(reader->ear.redis);
        free(reader);
        return NULL;
    }
    reader->events = *events;
    bk_demo_copy(reader->prefix, sizeof reader->prefix, bk_str_c(prefix));
    watch_line(reader, &reader->ear, loop, on_ear);
    watch_line(reader, &reader->mouth, loop, on_mouth);
    redisAppendCommand(reader->ear.redis, "SUBSCRIBE %s:updates", reader->prefix);
    flush(reader, &reader->ear);
    return reader;
}

void bk_demo_reader_follow(struct bk_demo_reader *reader, bk_str_t subject)
{
    reader->generation++;
    for (int i = 0; i < BK_DEMO_LIST_COUNT; i++) {
        bk_str_t word = bk_str_c(bk_demo_list_word((enum bk_demo_list_name)i));
        reader->asked[i] = reader->again[i] = false;
        reader->key_len[i] =
            subject.len ? bk_key_subject(bk_str_c(reader->prefix), subject, word, reader->key[i])
                        : 0;
        ask(reader, (enum bk_demo_list_name)i);
    }
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct bk_demo_reader *reader = handle->data;
    if (--reader->open) return;
    redisFree(reader->ear.redis);
    redisFree(reader->mouth.redis);
    reader->closed(reader->closed_arg);
    free(reader);
}

void bk_demo_reader_close(struct bk_demo_reader *reader, void (*closed)(void *arg), void *arg)
{
    reader->closing = true;
    reader->closed = closed;
    reader->closed_arg = arg;
    reader->open = 2;
    uv_close((uv_handle_t *)&reader->ear.poll, on_handle_closed);
    uv_close((uv_handle_t *)&reader->mouth.poll, on_handle_closed);
}
