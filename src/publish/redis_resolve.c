/* redis_resolve.c -- a host name to one address, off the loop thread.
 *
 * redisAsyncConnect would call getaddrinfo on the loop (hiredis #966), which stops the whole
 * program while a resolver times out. Here libuv's pool asks. A question cannot be taken back once
 * a pool thread has it, so it lives on its own and may be forgotten by the one who asked.
 */
#include "redis_resolve.h"

#include <netdb.h>
#include <stdlib.h>
#include <sys/socket.h>

struct redis_resolve {
    uv_getaddrinfo_t request;
    uint32_t nth;
    redis_resolve_cb done; /* NULL: forgotten */
    void *arg;
};

static const struct addrinfo *pick(const struct addrinfo *list, uint32_t nth)
{
    uint32_t count = 0;
    for (const struct addrinfo *a = list; a; a = a->ai_next) count++;
    for (nth %= count; nth > 0; nth--) list = list->ai_next;
    return list;
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *list)
{
    struct redis_resolve *resolve = request->data;
    char address[NI_MAXHOST];
    if (resolve->done && status == 0 && list) {
        const struct addrinfo *one = pick(list, resolve->nth);
        /* Numbers only: this asks nobody. It keeps the scope of a link-local address. */
        int rc = getnameinfo(one->ai_addr, one->ai_addrlen, address, sizeof address, NULL, 0,
                             NI_NUMERICHOST);
        resolve->done(resolve->arg, rc == 0 ? address : NULL, rc == 0 ? NULL : gai_strerror(rc));
    } else if (resolve->done) {
        resolve->done(resolve->arg, NULL, status < 0 ? uv_strerror(status) : "no address");
    }
    uv_freeaddrinfo(list);
    free(resolve);
}

struct redis_resolve *bk__redis_resolve_start(uv_loop_t *loop, const char *host, uint32_t nth,
                                              redis_resolve_cb done, void *arg)
{
    struct redis_resolve *resolve = calloc(1, sizeof *resolve);
    if (!resolve) return NULL;
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    resolve->request.data = resolve;
    resolve->nth = nth;
    resolve->done = done;
    resolve->arg = arg;
    if (uv_getaddrinfo(loop, &resolve->request, on_resolved, host, NULL, &hints) < 0) {
        free(resolve);
        return NULL;
    }
    return resolve;
}

void bk__redis_resolve_forget(struct redis_resolve *resolve)
{
    resolve->done = NULL;
    uv_cancel((uv_req_t *)&resolve->request); /* when it is too late, the answer is dropped */
}
