/* test_capture.c -- what a capture reads is the bytes of its instant, whatever the owner does
 * meanwhile. */
#include "basketry/capture.h"

#include "support/events.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { PAGE = 1 << BK_ARENA_PAGE_BITS, PAGES = 300, BYTES = PAGES * PAGE };

struct shop {
    struct chance chance;
    struct bk_arena arena;
    bk_ref_t blocks[PAGES];
    uint8_t *image; /* of the instant */
    uint8_t *out;
};

static void scribble(struct shop *shop, uint32_t times)
{
    for (uint32_t i = 0; i < times; i++) {
        bk_ref_t block = shop->blocks[chance_below(&shop->chance, PAGES - 1)];
        uint32_t at = chance_below(&shop->chance, PAGE / 2);
        uint32_t len = 1 + chance_below(&shop->chance, PAGE / 2 - BK_ARENA_UNIT);
        uint8_t *p = bk_arena_write(&shop->arena, block + at / BK_ARENA_UNIT, len);
        memset(p, (int)chance_below(&shop->chance, 256), len);
    }
}

static void open_shop(struct shop *shop, const char *what, uint64_t seed)
{
    shop->chance = chance_seed(what, seed);
    assert_int_equal(bk_arena_init(&shop->arena, BYTES + PAGE), BK_OK);
    for (int i = 0; i < PAGES - 1; i++) {
        shop->blocks[i] = bk_arena_alloc(&shop->arena, PAGE);
        assert_true(shop->blocks[i]);
    }
    scribble(shop, 5000);
    shop->image = malloc(BYTES);
    shop->out = calloc(1, BYTES);
    memcpy(shop->image, shop->arena.base, bk_arena_bytes(&shop->arena));
}

static void close_shop(struct shop *shop)
{
    bk_arena_deinit(&shop->arena);
    free(shop->image);
    free(shop->out);
}

static void assert_is_the_instant(const struct shop *shop, uint64_t bytes)
{
    assert_memory_equal(shop->out, shop->image, bytes);
}

static void what_is_read_is_the_instant_although_pages_change_between_the_reads(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 40; seed++) {
        struct shop shop;
        open_shop(&shop, "reads between changes", seed);
        struct bk_capture *capture = bk_capture_create(BYTES);
        assert_int_equal(bk_capture_add(capture, &shop.arena), BK_OK);
        uint64_t bytes = bk_capture_bytes(&shop.arena);
        for (uint64_t at = 0; at < bytes;) {
            scribble(&shop, chance_below(&shop.chance, 20));
            if (chance_one_in(&shop.chance, 4))
                (void)bk_arena_alloc(&shop.arena, 16); /* beyond the instant */
            size_t len = (size_t)bk_min_u64(bytes - at, (1 + chance_below(&shop.chance, 8)) * PAGE);
            assert_true(bk_capture_read(capture, &shop.arena, at, len, shop.out + at));
            at += len;
        }
        assert_is_the_instant(&shop, bytes);
        assert_int_equal(bk_capture_copies(capture), 0);
        bk_capture_end(capture, &shop.arena);
        bk_capture_destroy(&capture);
        close_shop(&shop);
    }
}

struct reading {
    struct shop *shop;
    struct bk_capture *capture;
    bool whole;
    bool done;
};

static void *read_all(void *arg)
{
    struct reading *reading = arg;
    uint64_t bytes = bk_capture_bytes(&reading->shop->arena);
    reading->whole = true;
    for (uint64_t at = 0; at < bytes; at += PAGE)
        reading->whole &=
            bk_capture_read(reading->capture, &reading->shop->arena, at,
                            (size_t)bk_min_u64(PAGE, bytes - at), reading->shop->out + at);
    __atomic_store_n(&reading->done, true, __ATOMIC_RELEASE);
    return NULL;
}

static void a_reader_of_its_own_thread_reads_the_instant(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        struct shop shop;
        open_shop(&shop, "a reader of its own thread", 1000u + (uint64_t)round);
        struct bk_capture *capture = bk_capture_create(BYTES);
        assert_int_equal(bk_capture_add(capture, &shop.arena), BK_OK);
        uint64_t bytes = bk_capture_bytes(&shop.arena);
        struct reading reading = {.shop = &shop, .capture = capture};
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, read_all, &reading), 0);
        while (!__atomic_load_n(&reading.done, __ATOMIC_ACQUIRE)) scribble(&shop, 10);
        pthread_join(thread, NULL);
        assert_true(reading.whole);
        assert_is_the_instant(&shop, bytes);
        bk_capture_end(capture, &shop.arena);
        bk_capture_destroy(&capture);
        close_shop(&shop);
    }
}

static void a_capture_whose_copies_met_their_bound_is_lost_and_the_owner_loses_nothing(void **state)
{
    (void)state;
    struct shop shop;
    open_shop(&shop, "few copies", 7);
    struct bk_capture *capture = bk_capture_create(3 * PAGE);
    assert_int_equal(bk_capture_copies_max(capture), 3 * PAGE);
    assert_int_equal(bk_capture_add(capture, &shop.arena), BK_OK);
    for (int i = 0; i < 10; i++) {
        uint8_t *p = bk_arena_write(&shop.arena, shop.blocks[i * 3], 1);
        *p = (uint8_t)i;
        assert_true(bk_capture_copies(capture) <= 3 * PAGE);
    }
    assert_true(bk_capture_is_lost(capture));
    assert_false(bk_capture_read(capture, &shop.arena, 0, PAGE, shop.out));
    bk_capture_end(capture, &shop.arena);
    bk_capture_destroy(&capture);
    for (int i = 0; i < 10; i++)
        assert_int_equal(*(const uint8_t *)bk_arena_read(&shop.arena, shop.blocks[i * 3]), i);
    close_shop(&shop);
}

static void an_arena_is_captured_again_after_it_was_let_go_unread(void **state)
{
    (void)state;
    struct shop shop;
    open_shop(&shop, "captured again", 8);
    struct bk_capture *first = bk_capture_create(BYTES), *second = bk_capture_create(BYTES);
    assert_int_equal(bk_capture_add(first, &shop.arena), BK_OK);
    scribble(&shop, 100);
    bk_capture_end(first, &shop.arena);
    scribble(&shop, 100);
    memcpy(shop.image, shop.arena.base, bk_arena_bytes(&shop.arena));
    assert_int_equal(bk_capture_add(second, &shop.arena), BK_OK);
    scribble(&shop, 100);
    uint64_t bytes = bk_capture_bytes(&shop.arena);
    assert_true(bk_capture_read(second, &shop.arena, 0, bytes, shop.out));
    assert_is_the_instant(&shop, bytes);
    bk_capture_end(second, &shop.arena);
    bk_capture_destroy(&first);
    bk_capture_destroy(&second);
    close_shop(&shop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read_is_the_instant_although_pages_change_between_the_reads),
        cmocka_unit_test(a_reader_of_its_own_thread_reads_the_instant),
        cmocka_unit_test(
            a_capture_whose_copies_met_their_bound_is_lost_and_the_owner_loses_nothing),
        cmocka_unit_test(an_arena_is_captured_again_after_it_was_let_go_unread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
