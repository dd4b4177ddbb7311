/* test_map.c -- the small hash table against an array, with few distinct keys so that chains
 * collide. */
#include "support/events.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { KEYS = 700 };

struct entry {
    uint32_t key, value, value2;
};

static void is_same(const struct bk_arena *arena, bk_ref_t map, const struct entry *naive)
{
    uint32_t count = 0, walked = 0;
    for (uint32_t key = 1; key < KEYS; key++) {
        const struct entry *found = bk_map_find(arena, map, key);
        assert_int_equal(found != NULL, naive[key].key != 0);
        if (!found) continue;
        count++;
        assert_memory_equal(found, &naive[key], sizeof *found);
    }
    assert_int_equal(bk_map_count(arena, map), count);
    const struct entry *entry;
    for (uint32_t at = 0; (entry = bk_map_next(arena, map, &at)) != NULL; walked++)
        assert_memory_equal(entry, &naive[entry->key], sizeof *entry);
    assert_int_equal(walked, count);
}

/* Keys whose multiplicative hash falls into few home slots make the longest chains. */
static void a_map_holds_what_an_array_holds_whatever_is_put_and_removed(void **state)
{
    (void)state;
    struct chance chance = chance_seed("map", 21);
    struct bk_arena arena;
    assert_int_equal(bk_arena_init(&arena, 1 << 20), BK_OK);
    struct entry naive[KEYS] = {{0}};
    bk_ref_t map = 0;
    for (int step = 0; step < 60000; step++) {
        uint32_t range = step / 3000 % 2 ? 12 : KEYS - 1;
        uint32_t key = 1 + chance_below(&chance, range);
        bool removes = chance_below(&chance, 100) < (step / 6000 % 2 ? 65 : 40);
        if (removes) {
            bool was = naive[key].key != 0;
            naive[key] = (struct entry){0};
            assert_int_equal(bk_map_remove(&arena, map, key), was);
        } else {
            bool added;
            struct entry *entry = bk_map_put(&arena, &map, sizeof *entry, key, &added);
            assert_non_null(entry);
            assert_int_equal(added, naive[key].key == 0);
            const struct entry fresh = {.key = key};
            assert_memory_equal(entry, naive[key].key ? &naive[key] : &fresh, sizeof *entry);
            entry->value = (uint32_t)step;
            naive[key] = (struct entry){key, (uint32_t)step, entry->value2};
        }
        struct entry *edited = bk_map_edit(&arena, map, key);
        assert_int_equal(edited != NULL, naive[key].key != 0);
        if (edited) edited->value2 = naive[key].value2 += 3;
        if (step % 97 == 0) is_same(&arena, map, naive);
    }
    is_same(&arena, map, naive);
    bk_map_drop(&arena, &map);
    assert_int_equal(map, 0);
    assert_int_equal(bk_arena_root(&arena)->live, 0);
    bk_arena_deinit(&arena);
}

static void growth_keeps_the_owners_flags_and_gives_the_old_block_back(void **state)
{
    (void)state;
    struct bk_arena arena;
    assert_int_equal(bk_arena_init(&arena, 1 << 20), BK_OK);
    bk_ref_t map = 0;
    bool added;
    bk_map_put(&arena, &map, 12, 1, &added);
    struct bk_map_head *head = bk_arena_write(&arena, map, sizeof *head);
    head->flags = 7;
    head->aux[1] = 99;
    bk_ref_t small = map;
    for (uint32_t key = 2; key < 100; key++) bk_map_put(&arena, &map, 12, key, &added);
    assert_int_not_equal(map, small);
    assert_int_equal(bk_map_head(&arena, map)->flags, 7);
    assert_int_equal(bk_map_head(&arena, map)->aux[1], 99);
    assert_int_equal(bk_arena_root(&arena)->live, bk_map_bytes(&arena, map));
    bk_arena_deinit(&arena);
}

static void a_map_is_never_fuller_than_three_quarters(void **state)
{
    (void)state;
    struct bk_arena arena;
    assert_int_equal(bk_arena_init(&arena, 1 << 20), BK_OK);
    bk_ref_t map = 0;
    bool added;
    for (uint32_t key = 1; key < 3000; key++) {
        bk_map_put(&arena, &map, 8, key, &added);
        assert_true(key * 4 <= 3u << bk_map_head(&arena, map)->slots_log2);
        assert_true(key < 4 || key * 8 > 3u << bk_map_head(&arena, map)->slots_log2);
    }
    bk_arena_deinit(&arena);
}

static void at_the_arenas_limit_a_map_keeps_what_it_has(void **state)
{
    (void)state;
    struct bk_arena arena;
    assert_int_equal(bk_arena_init(&arena, 4096), BK_OK);
    bk_ref_t map = 0;
    bool added;
    uint32_t key = 0;
    while (bk_map_put(&arena, &map, 16, key + 1, &added)) key++;
    assert_true(key > 20);
    assert_int_equal(bk_map_count(&arena, map), key);
    for (uint32_t k = 1; k <= key; k++) assert_non_null(bk_map_find(&arena, map, k));
    assert_null(bk_map_find(&arena, map, key + 1));
    assert_non_null(bk_map_put(&arena, &map, 16, key, &added));
    assert_false(added);
    assert_true(bk_map_remove(&arena, map, 1));
    assert_non_null(bk_map_put(&arena, &map, 16, key + 1, &added));
    bk_arena_deinit(&arena);
}

static void the_empty_map_has_nothing_and_takes_nothing(void **state)
{
    (void)state;
    struct bk_arena arena;
    assert_int_equal(bk_arena_init(&arena, 4096), BK_OK);
    bk_ref_t map = 0;
    uint32_t at = 0;
    assert_null(bk_map_find(&arena, map, 1));
    assert_null(bk_map_edit(&arena, map, 1));
    assert_null(bk_map_next(&arena, map, &at));
    assert_false(bk_map_remove(&arena, map, 1));
    assert_int_equal(bk_map_count(&arena, map), 0);
    assert_int_equal(bk_map_bytes(&arena, map), 0);
    bk_map_drop(&arena, &map);
    assert_int_equal(bk_arena_root(&arena)->live, 0);
    bk_arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_map_holds_what_an_array_holds_whatever_is_put_and_removed),
        cmocka_unit_test(growth_keeps_the_owners_flags_and_gives_the_old_block_back),
        cmocka_unit_test(a_map_is_never_fuller_than_three_quarters),
        cmocka_unit_test(at_the_arenas_limit_a_map_keeps_what_it_has),
        cmocka_unit_test(the_empty_map_has_nothing_and_takes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
