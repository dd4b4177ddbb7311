/* redis_uv.c -- our own bridge between hiredis and libuv.
 *
 * WHY OUR OWN
 *   The adapter that comes with hiredis 0.14 returns early when libuv reports an error, and libuv
 *   reports a refused or reset connection exactly so (UV_EBADF, and polling stops): the connect
 *   callback never comes and a dead connection swallows commands for ever (hiredis #508, libuv
 * #1232). Here an error means "readable and writable": hiredis then meets the socket's error by
 * itself.
 *
 * LIFETIME
 *   context --- cleanup() ---> p->ac = NULL, uv_close ---> on_closed: free
 *   hiredis may free the context inside either handler, so p->ac is looked at again before each
 * call (hiredis #545). There is one handle, hence one close callback, hence one place that frees.
 * The socket belongs to hiredis, which closes it after cleanup(); libuv allows that after uv_close.
 *   Timeouts are the sink's own: 0.14 has no scheduleTimer, and with two clocks nobody would know
 *   which one fired. Option flags are not used (1.1.0 gave one bit two meanings, hiredis #1163).
 *
 * COST  uv_poll_start only when the wanted events change: many commands of a turn are one write.
 */
#include "redis_uv.h"

#include <stdlib.h>

struct redis_uv {
    uv_poll_t poll;
    redisAsyncContext *ac; /* NULL once hiredis is done with us */
    int events;            /* what is being polled */
    void (*after)(void *arg);
    void *arg;
};

static void on_event(uv_poll_t *handle, int status, int events);

static void want(struct redis_uv *p, int events)
{
    if (events == p->events) return;
    p->events = events;
    if (events)
        uv_poll_start(&p->poll, events, on_event);
    else
        uv_poll_stop(&p->poll);
}

static void on_event(uv_poll_t *handle, int status, int events)
{
    struct redis_uv *p = handle->data;
    if (status <
        0) { /* polling has stopped; ask again for what was asked if the context survives */
        int wanted = p->events;
        p->events = 0;
        want(p, wanted);
        events = UV_READABLE | UV_WRITABLE;
    }
    if ((events & UV_READABLE) && p->ac) redisAsyncHandleRead(p->ac);
    if ((events & UV_WRITABLE) && p->ac) redisAsyncHandleWrite(p->ac);
    if (p->ac && p->after) p->after(p->arg);
}

static void add_read(void *data)
{
    struct redis_uv *p = data;
    want(p, p->events | UV_READABLE);
}

static void del_read(void *data)
{
    struct redis_uv *p = data;
    want(p, p->events & ~UV_READABLE);
}

static void add_write(void *data)
{
    struct redis_uv *p = data;
    want(p, p->events | UV_WRITABLE);
}

static void del_write(void *data)
{
    struct redis_uv *p = data;
    want(p, p->events & ~UV_WRITABLE);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void cleanup(void *data)
{
    struct redis_uv *p = data;
    if (!p || !p->ac) return; /* some versions clean up twice */
    p->ac->ev.data = NULL;
    p->ac = NULL;
    uv_close((uv_handle_t *)&p->poll, on_closed);
}

int bk__redis_uv_attach(uv_loop_t *loop, redisAsyncContext *ac, void (*after)(void *arg), void *arg)
{
    struct redis_uv *p = calloc(1, sizeof *p);
    if (!p) return UV_ENOMEM;
    int rc = uv_poll_init(loop, &p->poll, ac->c.fd);
    if (rc < 0) {
        free(p);
        return rc;
    }
    p->poll.data = p;
    p->ac = ac;
    p->after = after;
    p->arg = arg;
    ac->ev.data = p;
    ac->ev.addRead = add_read;
    ac->ev.delRead = del_read;
    ac->ev.addWrite = add_write;
    ac->ev.delWrite = del_write;
    ac->ev.cleanup = cleanup;
    return 0;
}
