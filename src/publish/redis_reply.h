/* redis_reply.h -- replies without an allocation: hiredis' reader fills one slot over and over. */
#ifndef BASKETRY_PUBLISH_REDIS_REPLY_H
#define BASKETRY_PUBLISH_REDIS_REPLY_H

#include "basketry/base.h"

#include <hiredis/async.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The longest reply we read is INFO server (under 2 kB); longer text is cut. */
enum { REDIS_REPLY_TEXT_MAX = 4096 };

struct redis_reply_slot {
    redisReply reply;      /* valid until the callback that got it returns */
    redisAsyncContext *ac; /* whose reader writes here */
    char text[REDIS_REPLY_TEXT_MAX + 1];
};

/** Let the context's reader write its replies into `slot`, which must outlive the context. */
void bk__redis_reply_attach(struct redis_reply_slot *slot, redisAsyncContext *ac);

/** The text of a status, error or string reply; "" for the other types. Borrowed from the slot. */
static inline bk_str_t redis_reply_text(const redisReply *reply)
{
    return reply->str ? bk_str(reply->str, reply->len) : bk_str("", 0);
}

#ifdef __cplusplus
}
#endif
#endif
