/* test_index.c -- linear hashing against an array of what was added, with hashes that collide. */
#include "support/events.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { RECORDS = 3000 };

struct links {
    uint32_t link[RECORDS + 1][2];
};

static uint32_t *link_of(void *arg, uint32_t number, bool write)
{
    (void)write;
    return ((struct links *)arg)->link[number];
}

static bool is_found(const struct bk_index *index, const struct links *links, uint32_t hash,
                     uint32_t number)
{
    uint32_t steps = 0;
    for (uint32_t at = bk_index_first(index, hash); at; at = links->link[at][1]) {
        assert_true(++steps <= RECORDS); /* a chain has no loop */
        if (at == number) return true;
    }
    return false;
}

static void each_record_is_found_from_its_hash_until_it_is_removed(void **state)
{
    (void)state;
    struct chance chance = chance_seed("index", 31);
    static struct links links;
    static uint32_t hash[RECORDS + 1];
    static bool there[RECORDS + 1];
    struct bk_index index;
    assert_int_equal(bk_index_init(&index, 1 << 20, link_of, &links), BK_OK);
    for (int step = 0; step < 30000; step++) {
        uint32_t number = 1 + chance_below(&chance, step < 15000 ? RECORDS : RECORDS / 10);
        if (there[number]) {
            bk_index_remove(&index, hash[number], number);
        } else {
            uint64_t random = chance_next(&chance);
            hash[number] =
                chance_one_in(&chance, 3) ? (uint32_t)(random & 0xFF00000F) : (uint32_t)random;
            assert_true(bk_index_add(&index, hash[number], number));
        }
        there[number] = !there[number];
        assert_int_equal(is_found(&index, &links, hash[number], number), there[number]);
        if (step % 2000) continue;
        for (uint32_t n = 1; n <= RECORDS; n++)
            assert_int_equal(is_found(&index, &links, hash[n], n), there[n]);
    }
    bk_index_deinit(&index);
}

static void chains_stay_short_while_it_grows(void **state)
{
    (void)state;
    static struct links links;
    struct bk_index index;
    assert_int_equal(bk_index_init(&index, 1 << 20, link_of, &links), BK_OK);
    uint32_t steps = 0, longest = 0;
    for (uint32_t n = 1; n <= RECORDS; n++)
        assert_true(bk_index_add(&index, (uint32_t)bk_mix(n), n));
    for (uint32_t n = 1; n <= RECORDS; n++) {
        uint32_t chain = 0;
        for (uint32_t at = bk_index_first(&index, (uint32_t)bk_mix(n)); at; at = links.link[at][1])
            chain++;
        steps += chain;
        longest = chain > longest ? chain : longest;
    }
    assert_true(steps < RECORDS * 3);
    assert_true(longest < 14);
    bk_index_deinit(&index);
}

static void at_the_limit_an_addition_is_refused_and_nothing_is_lost(void **state)
{
    (void)state;
    static struct links links;
    struct bk_index index;
    assert_int_equal(bk_index_init(&index, 4096, link_of, &links), BK_OK);
    uint32_t n = 0;
    while (bk_index_add(&index, (uint32_t)bk_mix(n + 1), n + 1)) n++;
    assert_true(n > 500);
    assert_true(bk_arena_bytes(&index.heads) <= 4096);
    for (uint32_t i = 1; i <= n; i++) assert_true(is_found(&index, &links, (uint32_t)bk_mix(i), i));
    bk_index_deinit(&index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_record_is_found_from_its_hash_until_it_is_removed),
        cmocka_unit_test(chains_stay_short_while_it_grows),
        cmocka_unit_test(at_the_limit_an_addition_is_refused_and_nothing_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
