/* fuzz_resp.c -- any bytes as a server's answers, read into our one slot: the same replies, one
 * after the other and cut the same way, as hiredis reads with its own heap objects.
 *
 * The first byte says in pieces of which length the bytes arrive, and whether anybody asked.
 */
#include "../../src/publish/redis_reply.h"
#include "basketry/sink.h"

#include <stdio.h>
#include <stdlib.h>

enum { REPLIES_MAX = 1000, ELEMENTS_DIGITS_MAX = 4 };

static struct redis_reply_slot slot;

static void check(bool held, const char *what)
{
    if (held) return;
    fprintf(stderr, "%s\n", what);
    abort();
}

/* hiredis makes room for an array's elements as soon as it has read how many. */
static bool has_large_arrays(const char *p, size_t len)
{
    unsigned digits = 0;
    bool array = false;
    for (size_t i = 0; i < len; i++) {
        if (p[i] == '*') {
            array = true;
            digits = 0;
        } else if (array && p[i] >= '0' && p[i] <= '9') {
            if (++digits > ELEMENTS_DIGITS_MAX) return true;
        } else if (p[i] != '+' && p[i] != '-') {
            array = false;
        }
    }
    return false;
}

static void check_text(const redisReply *ours, const char *text, size_t len)
{
    size_t kept = len < REDIS_REPLY_TEXT_MAX ? len : REDIS_REPLY_TEXT_MAX;
    check(ours->len == kept && memcmp(ours->str, text, kept) == 0, "another text");
    check(ours->str[kept] == '\0', "a text without an end");
}

static void check_reply(const redisReply *ours, const redisReply *theirs)
{
    check(ours->type == theirs->type, "another type");
    if (theirs->type == REDIS_REPLY_INTEGER)
        check(ours->integer == theirs->integer, "another integer");
    if (theirs->type == REDIS_REPLY_STRING || theirs->type == REDIS_REPLY_STATUS ||
        theirs->type == REDIS_REPLY_ERROR)
        check_text(ours, theirs->str, (size_t)theirs->len);
}

/* What the sink makes of a reply to a write. */
static void check_outcome(const redisReply *reply)
{
    bk_str_t text = redis_reply_text(reply);
    enum bk_outcome outcome = bk_outcome_from_error(text);
    check((unsigned)outcome < BK_OUTCOME_COUNT, "no outcome");
    check(outcome != BK_OUTCOME_STORED && outcome != BK_OUTCOME_UNKNOWN, "an error stored a list");
}

/* Read what has arrived by both; false when the bytes are no RESP. */
static bool read_both(redisReader *ours, redisReader *theirs, bool asked)
{
    for (int i = 0; i < REPLIES_MAX; i++) {
        void *a = NULL, *b = NULL;
        int rc = redisReaderGetReply(ours, &a);
        int expected = theirs ? redisReaderGetReply(theirs, &b) : rc;
        check(rc == expected, "only one of two readers is content");
        check(!theirs || !a == !b, "only one of two readers has a reply");
        if (a && !asked) check(slot.reply.type == REDIS_REPLY_ERROR, "an answer nobody asked for");
        if (a && slot.reply.type == REDIS_REPLY_ERROR) check_outcome(&slot.reply);
        if (a && b && asked) check_reply(a, b);
        if (b) freeReplyObject(b);
        if (rc != REDIS_OK) return false;
        if (!a) return true;
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 1 << 16) return 0;
    const char *bytes = (const char *)data + 1;
    size_t len = size - 1, piece = 1u << (data[0] & 15);
    bool asked = !(data[0] & 0x80);
    redisAsyncContext ac = {0};
    redisCallback waiting = {0};
    ac.replies.head = asked ? &waiting : NULL;
    ac.c.reader = redisReaderCreate();
    redisReader *theirs = has_large_arrays(bytes, len) ? NULL : redisReaderCreate();
    bk__redis_reply_attach(&slot, &ac);
    bool is_resp = true;
    for (size_t at = 0; is_resp && at < len; at += piece) {
        size_t n = len - at < piece ? len - at : piece;
        redisReaderFeed(ac.c.reader, bytes + at, n);
        if (theirs) redisReaderFeed(theirs, bytes + at, n);
        is_resp = read_both(ac.c.reader, theirs, asked);
    }
    redisReaderFree(ac.c.reader);
    if (theirs) redisReaderFree(theirs);
    return 0;
}
