/* test_arena.c -- blocks against a shadow: apart, zero, within the limit. */
#include "support/events.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { BLOCKS = 400, PAGE = 1 << BK_ARENA_PAGE_BITS };

struct block {
    bk_ref_t ref;
    size_t size;
    uint8_t fill;
};

static bool is_filled(const uint8_t *p, size_t len, uint8_t value)
{
    for (size_t i = 0; i < len; i++)
        if (p[i] != value) return false;
    return true;
}

static void block_fill(struct bk_arena *arena, struct block *block, uint8_t fill)
{
    block->fill = fill;
    memset(bk_arena_write(arena, block->ref, block->size), fill, block->size);
}

static size_t random_size(struct chance *chance)
{
    return 1 + (chance_one_in(chance, 4) ? chance_below(chance, 5000) : chance_below(chance, 200));
}

static void blocks_are_whole(const struct bk_arena *arena, const struct block *blocks)
{
    for (uint32_t i = 0; i < BLOCKS; i++)
        if (blocks[i].ref)
            assert_true(
                is_filled(bk_arena_read(arena, blocks[i].ref), blocks[i].size, blocks[i].fill));
}

/* A block that overlapped another, or the root, would lose its filling or the root its magic. */
static void blocks_never_overlap_are_zero_and_stay_within_the_limit(void **state)
{
    (void)state;
    struct chance chance = chance_seed("arena blocks", 11);
    struct bk_arena arena;
    struct block blocks[BLOCKS] = {{0}};
    assert_int_equal(bk_arena_init(&arena, 300000), BK_OK);
    uint64_t magic = bk_arena_root(&arena)->magic, live = 0;
    unsigned refused = 0;
    for (int step = 0; step < 40000; step++) {
        struct block *block = &blocks[chance_below(&chance, BLOCKS)];
        if (block->ref) {
            live -= bk_arena_block_bytes(block->size);
            bk_arena_free(&arena, block->ref, block->size);
            assert_true(is_filled((const uint8_t *)bk_arena_read(&arena, block->ref) + 4,
                                  bk_arena_block_bytes(block->size) - 4, 0));
            block->ref = 0;
        } else {
            block->size = random_size(&chance);
            block->ref = bk_arena_alloc(&arena, block->size);
            refused += !block->ref;
            if (!block->ref) continue;
            live += bk_arena_block_bytes(block->size);
            assert_true(
                is_filled(bk_arena_read(&arena, block->ref), bk_arena_block_bytes(block->size), 0));
            block_fill(&arena, block, (uint8_t)(1 + chance_below(&chance, 255)));
        }
        assert_true(bk_arena_bytes(&arena) <= 300000);
        assert_int_equal(bk_arena_root(&arena)->live, live);
        if (step % 500 == 0) blocks_are_whole(&arena, blocks);
    }
    blocks_are_whole(&arena, blocks);
    assert_true(refused > 0);
    assert_true(bk_arena_root(&arena)->magic == magic);
    bk_arena_deinit(&arena);
}

static void at_the_limit_a_larger_free_block_is_cut_into_what_is_asked(void **state)
{
    (void)state;
    struct bk_arena arena;
    assert_int_equal(bk_arena_init(&arena, 8192), BK_OK);
    bk_ref_t whole = bk_arena_alloc(&arena, 4096);
    while (bk_arena_alloc(&arena, 16)) {
    }
    assert_int_equal(bk_arena_alloc(&arena, 16), 0);
    memset(bk_arena_write(&arena, whole, 4096), 0xAB, 4096);
    bk_arena_free(&arena, whole, 4096);
    unsigned cut = 0;
    for (bk_ref_t ref; (ref = bk_arena_alloc(&arena, 100)) != 0; cut++) {
        assert_true(is_filled(bk_arena_read(&arena, ref), bk_arena_block_bytes(100), 0));
        assert_in_range(ref, whole, whole + 4096 / 16 - 1);
        memset(bk_arena_write(&arena, ref, 112), 0xCD, 112);
    }
    assert_in_range(cut, 30, 4096 / 112); /* each cut leaves pieces of whole classes */
    while (bk_arena_alloc(&arena, 16)) {
    } /* what the cuts left over is not lost */
    assert_int_equal(bk_arena_root(&arena)->live,
                     bk_arena_root(&arena)->used - sizeof(struct bk_arena_root));
    bk_arena_deinit(&arena);
}

/* Small blocks fill the arena; `gap` of them are left between those that stay, or all go. */
static void fill_and_free(struct bk_arena *arena, uint32_t gap)
{
    enum { SMALL = 64 };
    static bk_ref_t refs[1 << 16];
    uint32_t count = 0;
    while (count < BK_COUNTOF(refs) && (refs[count] = bk_arena_alloc(arena, SMALL))) count++;
    for (uint32_t i = 0; i < count; i++)
        if (!gap || i % (gap + 1)) bk_arena_free(arena, refs[i], SMALL);
}

static void memory_that_was_cut_small_is_there_for_larger_blocks(void **state)
{
    (void)state;
    struct bk_arena arena;
    assert_int_equal(bk_arena_init(&arena, 1 << 20), BK_OK);
    fill_and_free(&arena, 0);
    uint64_t used = bk_arena_bytes(&arena);
    bk_ref_t half = bk_arena_alloc(&arena, 1 << 19);
    assert_true(half);
    assert_true(is_filled(bk_arena_read(&arena, half), 1 << 19, 0));
    assert_true(bk_arena_alloc(&arena, 1 << 18));
    assert_int_equal(bk_arena_bytes(&arena), used);
    bk_arena_deinit(&arena);
}

static void what_lies_between_blocks_that_stay_is_joined_up_to_them(void **state)
{
    (void)state;
    struct bk_arena arena;
    assert_int_equal(bk_arena_init(&arena, 1 << 20), BK_OK);
    fill_and_free(&arena, 4); /* runs of 256 bytes */
    assert_int_equal(bk_arena_alloc(&arena, 320), 0);
    uint32_t joined = 0;
    while (bk_arena_alloc(&arena, 256)) joined++;
    assert_in_range(joined, (1 << 20) / 320 - 10, (1 << 20) / 320 + 1);
    bk_arena_deinit(&arena);
}

static void nothing_is_joined_again_before_much_was_freed(void **state)
{
    (void)state;
    struct bk_arena arena;
    assert_int_equal(bk_arena_init(&arena, 1 << 20), BK_OK);
    fill_and_free(&arena, 1);
    assert_int_equal(bk_arena_alloc(&arena, 128), 0); /* in vain */
    assert_int_equal(bk_arena_root(&arena)->freed, 0);
    bk_ref_t one = bk_arena_alloc(&arena, 64);
    bk_arena_free(&arena, one, 64);
    assert_int_equal(bk_arena_alloc(&arena, 128), 0);
    assert_int_equal(bk_arena_root(&arena)->freed, 64);
    bk_arena_deinit(&arena);
}

static void a_block_wastes_at_most_a_quarter(void **state)
{
    (void)state;
    for (size_t size = 1; size < 2000000; size += 1 + size / 97) {
        size_t bytes = bk_arena_block_bytes(size);
        assert_true(bytes >= size);
        assert_true(bytes % BK_ARENA_UNIT == 0);
        assert_true(bytes < size + 16 || bytes * 4 <= size * 5 + 64);
        assert_int_equal(bk_arena_block_bytes(bytes), bytes);
    }
}

static void a_size_that_no_class_holds_is_refused(void **state)
{
    (void)state;
    struct bk_arena arena;
    assert_int_equal(bk_arena_init(&arena, 1 << 20), BK_OK);
    assert_int_equal(bk_arena_alloc(&arena, (size_t)1 << 40), 0);
    assert_int_equal(bk_arena_alloc(&arena, 1 << 20), 0);
    bk_arena_deinit(&arena);
}

static void a_table_reuses_numbers_last_in_first_out_and_zeroes_them(void **state)
{
    (void)state;
    struct bk_table table;
    assert_int_equal(bk_table_init(&table, 48, 10000), BK_OK);
    uint32_t a = bk_table_add(&table), b = bk_table_add(&table), c = bk_table_add(&table);
    assert_int_equal(a, 1);
    assert_int_equal(c, 3);
    memset(bk_table_write(&table, a), 0xEE, 48);
    memset(bk_table_write(&table, b), 0xEE, 48);
    bk_table_remove(&table, a);
    bk_table_remove(&table, b);
    assert_int_equal(bk_table_top(&table), 3);
    assert_true(is_filled((const uint8_t *)bk_table_read(&table, a) + 4, 44, 0));
    assert_int_equal(bk_table_add(&table), b);
    assert_int_equal(bk_table_add(&table), a);
    assert_true(is_filled(bk_table_read(&table, a), 48, 0));
    assert_true(is_filled(bk_table_read(&table, b), 48, 0));
    assert_int_equal(bk_table_add(&table), 4);
    while (bk_table_add(&table)) {
    }
    assert_true(bk_arena_bytes(&table.arena) <= 10000);
    assert_int_equal(bk_table_top(&table), (10000 - table.first_bytes) / 48);
    bk_table_remove(&table, 7);
    assert_int_equal(bk_table_add(&table), 7);
    bk_table_deinit(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_never_overlap_are_zero_and_stay_within_the_limit),
        cmocka_unit_test(at_the_limit_a_larger_free_block_is_cut_into_what_is_asked),
        cmocka_unit_test(memory_that_was_cut_small_is_there_for_larger_blocks),
        cmocka_unit_test(what_lies_between_blocks_that_stay_is_joined_up_to_them),
        cmocka_unit_test(nothing_is_joined_again_before_much_was_freed),
        cmocka_unit_test(a_block_wastes_at_most_a_quarter),
        cmocka_unit_test(a_size_that_no_class_holds_is_refused),
        cmocka_unit_test(a_table_reuses_numbers_last_in_first_out_and_zeroes_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
