/* redis_reply.c -- replies without an allocation.
 *
 * THE IDEA
 *   hiredis builds a tree of heap objects for each reply; for "+OK" that is two allocations and two
 *   frees per list we publish. Its reader takes other constructors, and a reply is dead when its
 *   callback returns, so one slot per connection is enough. We ask no question whose answer is a
 *   nested array: elements below the root are read and dropped.
 *
 * A REPLY NOBODY ASKED FOR
 *   hiredis asserts that it does not exist, except when it is an error. A confused server must not
 *   end our process, so without a waiting callback the slot becomes an error, on which hiredis
 *   disconnects.
 */
#include "redis_reply.h"

/* Take the slot for the reply that begins; NULL for an element below the root, which is dropped. */
static struct redis_reply_slot *begin(const redisReadTask *task, int type)
{
    struct redis_reply_slot *slot = task->privdata;
    if (task->parent) return NULL;
    slot->reply = (redisReply){.type = type};
    if (!slot->ac->replies.head) {
        static char unexpected[] = "a reply without a question";
        slot->reply.type = REDIS_REPLY_ERROR;
        slot->reply.str = unexpected;
        slot->reply.len = sizeof unexpected - 1;
        return NULL;
    }
    return slot;
}

/* Every constructor answers the root, also for dropped elements: the reader only needs non-NULL. */
static void *answer(const redisReadTask *task)
{
    struct redis_reply_slot *slot = task->privdata;
    return &slot->reply;
}

static void *create_string(const redisReadTask *task, char *text, size_t len)
{
    struct redis_reply_slot *slot = begin(task, task->type);
    if (slot) {
        size_t kept = len < REDIS_REPLY_TEXT_MAX ? len : REDIS_REPLY_TEXT_MAX;
        memcpy(slot->text, text, kept);
        slot->text[kept] = '\0';
        slot->reply.str = slot->text;
        slot->reply.len = kept;
    }
    return answer(task);
}

static void *create_integer(const redisReadTask *task, long long value)
{
    struct redis_reply_slot *slot = begin(task, REDIS_REPLY_INTEGER);
    if (slot) slot->reply.integer = value;
    return answer(task);
}

static void *create_nil(const redisReadTask *task)
{
    begin(task, REDIS_REPLY_NIL);
    return answer(task);
}

#if HIREDIS_MAJOR >= 1
static void *create_array(const redisReadTask *task, size_t elements)
#else
static void *create_array(const redisReadTask *task, int elements)
#endif
{
    (void)elements;
    begin(task, REDIS_REPLY_ARRAY);
    return answer(task);
}

#if HIREDIS_MAJOR >= 1 /* RESP3 kinds, which we never ask for but must survive */
static void *create_double(const redisReadTask *task, double value, char *text, size_t len)
{
    (void)value;
    (void)text;
    (void)len;
    return create_nil(task);
}

static void *create_bool(const redisReadTask *task, int value)
{
    return create_integer(task, value);
}
#endif

static void free_object(void *object)
{
    (void)object; /* the slot belongs to the sink */
}

static redisReplyObjectFunctions functions = {
    .createString = create_string,
    .createArray = create_array,
    .createInteger = create_integer,
    .createNil = create_nil,
#if HIREDIS_MAJOR >= 1
    .createDouble = create_double,
    .createBool = create_bool,
#endif
    .freeObject = free_object,
};

void bk__redis_reply_attach(struct redis_reply_slot *slot, redisAsyncContext *ac)
{
    slot->ac = ac;
    ac->c.reader->fn = &functions;
    ac->c.reader->privdata = slot;
}
