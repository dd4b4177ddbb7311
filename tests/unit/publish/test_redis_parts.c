/* test_redis_parts.c -- the URL, the ring and the reply slot of the Redis sink, each by itself. */
#include "../../../src/publish/redis_reply.h"
#include "../../../src/publish/redis_ring.h"
#include "basketry/redis_url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

static struct bk_redis_url url;
static struct bk_reason reason;

static int parse(const char *text)
{
    reason.text[0] = '\0';
    return bk_redis_url_parse(text, &url, &reason);
}

static void a_host_alone_gets_the_usual_port_and_database(void **state)
{
    (void)state;
    assert_int_equal(parse("redis://cache.shop"), 0);
    assert_string_equal(url.host, "cache.shop");
    assert_int_equal(url.port, 6379);
    assert_int_equal(url.db, 0);
    assert_string_equal(url.user, "");
    assert_string_equal(url.password, "");
    assert_int_equal(parse("redis://cache.shop/"), 0);
}

static void every_part_of_a_url_is_found_and_decoded(void **state)
{
    (void)state;
    assert_int_equal(parse("redis://b%61sket:p%40ss%2Fw%25rd@10.0.0.7:7001/12"), 0);
    assert_string_equal(url.user, "basket");
    assert_string_equal(url.password, "p@ss/w%rd");
    assert_string_equal(url.host, "10.0.0.7");
    assert_int_equal(url.port, 7001);
    assert_int_equal(url.db, 12);
    assert_int_equal(parse("redis://:se:cr@et@h"), 0); /* pasted as it was */
    assert_string_equal(url.user, "");
    assert_string_equal(url.password, "se:cr@et");
    assert_string_equal(url.host, "h");
}

static void an_ipv6_address_stands_in_brackets(void **state)
{
    (void)state;
    assert_int_equal(parse("redis://[::1]:7000/1"), 0);
    assert_string_equal(url.host, "::1");
    assert_int_equal(url.port, 7000);
    assert_int_equal(parse("redis://[fe80::1]"), 0);
    assert_int_equal(url.port, 6379);
    assert_int_equal(parse("redis://[::1"), BK_EINVAL);
    assert_int_equal(parse("redis://[::1]x"), BK_EINVAL);
}

static void a_unix_socket_has_a_path_and_perhaps_a_database(void **state)
{
    (void)state;
    assert_int_equal(parse("unix:///run/redis/redis.sock"), 0);
    assert_string_equal(url.path, "/run/redis/redis.sock");
    assert_string_equal(url.host, "");
    assert_int_equal(parse("unix://:pw@/run/r.sock?db=4"), 0);
    assert_string_equal(url.path, "/run/r.sock");
    assert_string_equal(url.password, "pw");
    assert_int_equal(url.db, 4);
    assert_int_equal(parse("unix://run/r.sock"), BK_EINVAL);
    assert_int_equal(parse("unix:///"), BK_EINVAL);
    assert_int_equal(parse("unix:///r?x=1"), BK_EINVAL);
}

static void tls_is_refused_with_the_way_out(void **state)
{
    (void)state;
    assert_int_equal(parse("rediss://cache.shop"), BK_EUNSUPPORTED);
    assert_non_null(strstr(reason.text, "TLS"));
}

static void what_is_no_url_is_refused_and_never_quoted(void **state)
{
    (void)state;
    const char *const bad[] = {
        "",
        "localhost:6379",
        "http://h",
        "redis://",
        "redis://:secret@",
        "redis://h:",
        "redis://h:0",
        "redis://h:7x",
        "redis://h:65536",
        "redis://h/x",
        "redis://h/-1",
        "redis://h/99999",
        "redis://%zz@h",
        "redis://a:secret%00@h",
        "redis://a:secret%4@h",
    };
    for (size_t i = 0; i < BK_COUNTOF(bad); i++) {
        assert_int_equal(parse(bad[i]), BK_EINVAL);
        assert_true(reason.text[0] != '\0');
        assert_null(strstr(reason.text, "secret"));
    }
    assert_int_equal(parse(NULL), BK_EINVAL);
}

static void parts_that_are_too_long_are_refused(void **state)
{
    (void)state;
    char text[2000];
    for (unsigned len = 200; len < 1200; len += 37) {
        int at = sprintf(text, "redis://u:");
        memset(text + at, 'p', len);
        sprintf(text + at + len, "@h");
        assert_int_equal(parse(text), len < sizeof url.password ? 0 : BK_EINVAL);
        at = sprintf(text, "redis://");
        memset(text + at, 'h', len);
        text[(unsigned)at + len] = '\0';
        assert_int_equal(parse(text), len < sizeof url.host ? 0 : BK_EINVAL);
    }
}

static uint64_t seed(void)
{
    const char *given = getenv("BK_SEED");
    uint64_t value = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    printf("BK_SEED=%llu\n", (unsigned long long)value);
    return value;
}

/* The model: everything ever pushed, and how much of it was popped. */
static void prop_the_ring_gives_back_what_it_took_in_order(void **state)
{
    (void)state;
    uint64_t random = seed();
    for (uint32_t cap = 1; cap < 40; cap += 3) {
        struct redis_ring ring;
        uint32_t pushed = 0, popped = 0, lens[4000];
        assert_int_equal(bk__redis_ring_init(&ring, cap), 0);
        for (unsigned step = 0; step < 3000; step++) {
            random = bk_mix(random);
            bool push = pushed == popped || (pushed - popped < cap && random % 2);
            if (push) {
                lens[pushed] = (uint32_t)(random >> 40);
                bk__redis_ring_push(&ring, &(struct bk_ticket){.handle = pushed}, lens[pushed]);
                pushed++;
            } else {
                assert_int_equal(bk__redis_ring_oldest(&ring)->handle, popped);
                assert_int_equal(bk__redis_ring_pop(&ring).handle, popped);
                popped++;
            }
            uint64_t bytes = 0;
            for (uint32_t i = popped; i < pushed; i++) bytes += lens[i];
            assert_int_equal(ring.count, pushed - popped);
            assert_int_equal(ring.bytes, bytes);
        }
        assert_true((bk__redis_ring_oldest(&ring) == NULL) == (pushed == popped));
        bk__redis_ring_deinit(&ring);
    }
}

/* A context that never connects: only its reader is used. */
static redisAsyncContext *context_with(struct redis_reply_slot *slot, redisCallback *waiting)
{
    redisAsyncContext *ac = redisAsyncConnect("127.0.0.1", 1);
    assert_non_null(ac);
    bk__redis_reply_attach(slot, ac);
    ac->replies.head = waiting;
    return ac;
}

static const redisReply *read_one(redisAsyncContext *ac, const char *bytes, size_t len)
{
    void *reply = NULL;
    for (size_t i = 0; i < len; i++) {
        assert_null(reply);
        assert_int_equal(redisReaderFeed(ac->c.reader, bytes + i, 1), REDIS_OK);
        assert_int_equal(redisReaderGetReply(ac->c.reader, &reply), REDIS_OK);
    }
    assert_non_null(reply);
    return reply;
}

static void every_kind_of_reply_fits_the_one_slot(void **state)
{
    (void)state;
    static struct redis_reply_slot slot;
    redisCallback waiting = {0};
    redisAsyncContext *ac = context_with(&slot, &waiting);
#define READ(text) read_one(ac, text, sizeof(text) - 1)
    for (unsigned round = 0; round < 3; round++) {
        assert_int_equal(READ("+OK\r\n")->type, REDIS_REPLY_STATUS);
        assert_string_equal(slot.reply.str, "OK");
        assert_int_equal(READ("-ERR no\r\n")->type, REDIS_REPLY_ERROR);
        assert_string_equal(slot.reply.str, "ERR no");
        assert_int_equal(READ(":42\r\n")->integer, 42);
        assert_int_equal(READ("$-1\r\n")->type, REDIS_REPLY_NIL);
        assert_int_equal(READ("$3\r\na\0b\r\n")->len, 3);
        assert_int_equal(READ("*0\r\n")->type, REDIS_REPLY_ARRAY);
        assert_int_equal(READ("*2\r\n*2\r\n:1\r\n+x\r\n$1\r\ny\r\n")->type, REDIS_REPLY_ARRAY);
        assert_null(slot.reply.str);
    }
#undef READ
    ac->replies.head = NULL;
    redisAsyncFree(ac);
}

static void a_long_reply_is_cut_and_an_unasked_one_is_an_error(void **state)
{
    (void)state;
    static struct redis_reply_slot slot;
    static char bytes[3 * REDIS_REPLY_TEXT_MAX];
    redisCallback waiting = {0};
    redisAsyncContext *ac = context_with(&slot, &waiting);
    int head = sprintf(bytes, "$%d\r\n", 2 * REDIS_REPLY_TEXT_MAX);
    memset(bytes + head, 'x', 2 * REDIS_REPLY_TEXT_MAX);
    memcpy(bytes + head + 2 * REDIS_REPLY_TEXT_MAX, "\r\n", 2);
    const redisReply *reply = read_one(ac, bytes, (size_t)head + 2 * REDIS_REPLY_TEXT_MAX + 2);
    assert_int_equal(reply->len, REDIS_REPLY_TEXT_MAX);
    assert_int_equal(strlen(reply->str), REDIS_REPLY_TEXT_MAX);
    ac->replies.head = NULL;
    assert_int_equal(read_one(ac, "+OK\r\n", 5)->type, REDIS_REPLY_ERROR);
    assert_int_equal(read_one(ac, "*1\r\n:1\r\n", 8)->type, REDIS_REPLY_ERROR);
    redisAsyncFree(ac);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_alone_gets_the_usual_port_and_database),
        cmocka_unit_test(every_part_of_a_url_is_found_and_decoded),
        cmocka_unit_test(an_ipv6_address_stands_in_brackets),
        cmocka_unit_test(a_unix_socket_has_a_path_and_perhaps_a_database),
        cmocka_unit_test(tls_is_refused_with_the_way_out),
        cmocka_unit_test(what_is_no_url_is_refused_and_never_quoted),
        cmocka_unit_test(parts_that_are_too_long_are_refused),
        cmocka_unit_test(prop_the_ring_gives_back_what_it_took_in_order),
        cmocka_unit_test(every_kind_of_reply_fits_the_one_slot),
        cmocka_unit_test(a_long_reply_is_cut_and_an_unasked_one_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
