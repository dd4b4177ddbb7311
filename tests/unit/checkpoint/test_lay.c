/* test_lay.c -- however many threads lay a file's blocks, they lie where they belong, and what is
 * named is the first one that is damaged. */
#include "../../../src/checkpoint/format.h"
#include "support/events.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { BLOCKS = 300, BLOCK_MAX = 9000, ROUNDS = 40 };

static uint8_t written[BLOCKS * BLOCK_MAX], laid[BLOCKS * BLOCK_MAX];
static struct bkc_lay blocks[BLOCKS];
static struct bk_reason reason;
static struct bkc_in in = {.name = "some.bkc", .reason = &reason};
static FILE *file;

/* Blocks of any length, one after the other in the file, last first in memory. */
static int write_blocks(void **state)
{
    (void)state;
    struct chance chance = chance_seed("blocks", 31);
    uint64_t at = 0;
    for (int i = 0; i < BLOCKS; i++) {
        uint32_t len = chance_below(&chance, BLOCK_MAX);
        for (uint32_t b = 0; b < len; b++) written[at + b] = (uint8_t)chance_below(&chance, 256);
        blocks[i] = (struct bkc_lay){at, laid + (uint64_t)(BLOCKS - 1 - i) * BLOCK_MAX, len,
                                     bk_crc32c(0, written + at, len)};
        at += len;
    }
    file = tmpfile();
    assert_non_null(file);
    assert_int_equal(fwrite(written, 1, at, file), at);
    assert_int_equal(fflush(file), 0);
    in.file = fileno(file);
    return 0;
}

static int close_file(void **state)
{
    (void)state;
    return fclose(file);
}

static void every_block_lies_where_it_belongs(void **state)
{
    (void)state;
    memset(laid, 0, sizeof laid);
    assert_int_equal(bkc_lay_all(&in, blocks, BLOCKS), BK_OK);
    for (int i = 0; i < BLOCKS; i++)
        assert_memory_equal(blocks[i].to, written + blocks[i].from, blocks[i].len);
}

static void the_first_damaged_block_is_the_one_that_is_named(void **state)
{
    (void)state;
    struct chance chance = chance_seed("damaged blocks", 32);
    for (int round = 0; round < ROUNDS; round++) {
        uint32_t first = chance_below(&chance, BLOCKS);
        uint32_t later = first + chance_below(&chance, BLOCKS - first);
        struct bkc_lay damaged[BLOCKS];
        char expected[128];
        memcpy(damaged, blocks, sizeof damaged);
        damaged[first].crc ^= 1;
        damaged[later].crc ^= later != first;
        assert_int_equal(bkc_lay_all(&in, damaged, BLOCKS), BK_ECORRUPT);
        snprintf(expected, sizeof expected, "some.bkc: byte %llu: the data's check does not fit",
                 (unsigned long long)(damaged[first].from + damaged[first].len));
        assert_string_equal(reason.text, expected);
    }
}

static void a_file_that_ends_within_a_block_is_damaged(void **state)
{
    (void)state;
    struct bkc_lay beyond[BLOCKS];
    memcpy(beyond, blocks, sizeof beyond);
    beyond[BLOCKS - 1].len = BLOCK_MAX;
    beyond[BLOCKS - 1].from += BLOCK_MAX;
    assert_int_equal(bkc_lay_all(&in, beyond, BLOCKS), BK_ECORRUPT);
    assert_non_null(strstr(reason.text, "the file ends too early"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_block_lies_where_it_belongs),
        cmocka_unit_test(the_first_damaged_block_is_the_one_that_is_named),
        cmocka_unit_test(a_file_that_ends_within_a_block_is_damaged),
    };
    return cmocka_run_group_tests(tests, write_blocks, close_file);
}
