/* test_crc32c.c -- the published numbers, by both ways of computing them. */
#include "../../../src/base/crc32c.h"

#include "basketry/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

typedef uint32_t (*crc_fn)(uint32_t crc, const void *bytes, size_t len);

static size_t ways(crc_fn out[3])
{
    size_t count = 0;
    out[count++] = bk_crc32c;
    out[count++] = bk__crc32c_tables;
    if (bk__crc32c_has_instruction()) out[count++] = bk__crc32c_instruction;
    return count;
}

/* RFC 3720, B.4, and the catalogue's check value of CRC-32C. */
static void the_published_vectors_come_out(void **state)
{
    (void)state;
    unsigned char zeroes[32] = {0}, ones[32], up[32], down[32];
    for (unsigned char i = 0; i < 32; i++) {
        ones[i] = 0xff;
        up[i] = i;
        down[i] = (unsigned char)(31 - i);
    }
    crc_fn crc[3];
    size_t count = ways(crc);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(crc[i](0, "123456789", 9), 0xe3069283);
        assert_int_equal(crc[i](0, zeroes, 32), 0x8a9136aa);
        assert_int_equal(crc[i](0, ones, 32), 0x62a8ab43);
        assert_int_equal(crc[i](0, up, 32), 0x46dd794e);
        assert_int_equal(crc[i](0, down, 32), 0x113fdb5c);
        assert_int_equal(crc[i](0, NULL, 0), 0);
    }
}

/* One bit at a time: the definition. */
static uint32_t by_definition(const unsigned char *p, size_t len)
{
    uint32_t rest = 0xffffffff;
    for (size_t i = 0; i < len * 8; i++) {
        uint32_t bit = (rest ^ (uint32_t)p[i / 8] >> (i % 8)) & 1;
        rest = (rest >> 1) ^ (bit ? 0x82f63b78 : 0);
    }
    return ~rest;
}

static void every_way_gives_the_definition_at_every_length_and_alignment(void **state)
{
    (void)state;
    unsigned char bytes[128];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)bk_mix(i);
    crc_fn crc[3];
    size_t count = ways(crc);
    for (size_t from = 0; from < 9; from++)
        for (size_t len = 0; len <= 100; len++)
            for (size_t i = 0; i < count; i++)
                assert_int_equal(crc[i](0, bytes + from, len), by_definition(bytes + from, len));
}

static void pieces_give_what_the_whole_gives(void **state)
{
    (void)state;
    unsigned char bytes[96];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)bk_mix(i + 7);
    crc_fn crc[3];
    size_t count = ways(crc);
    for (size_t i = 0; i < count; i++)
        for (size_t cut = 0; cut <= sizeof bytes; cut++)
            assert_int_equal(crc[i](crc[i](0, bytes, cut), bytes + cut, sizeof bytes - cut),
                             crc[i](0, bytes, sizeof bytes));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_published_vectors_come_out),
        cmocka_unit_test(every_way_gives_the_definition_at_every_length_and_alignment),
        cmocka_unit_test(pieces_give_what_the_whole_gives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
