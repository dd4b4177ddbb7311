/* test_sections.c -- what of the state a checkpoint's format depends on. */
#include "support/events.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void expect(const struct bk_section *section, size_t count, const char *const *names,
                   size_t expected)
{
    assert_int_equal(count, expected);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(section[i].name, names[i]);
        for (size_t before = 0; before < i; before++)
            assert_ptr_not_equal(section[i].arena, section[before].arena);
    }
}

static void every_arena_is_a_section_and_names_and_order_stay(void **state)
{
    (void)state;
    static const char *const shared[] = {"items", "hot", "posted", "index", "heap", "totals"};
    static const char *const shard[] = {"subjects", "index", "heap", "dedup", "totals"};
    struct bk_section section[BK_SECTIONS_MAX];
    struct bk_state_params params = told_params();
    struct bk_engine engine;
    told_engine(&engine, &params);
    expect(section, bk_shared_sections(&engine.shared, section), shared, BK_COUNTOF(shared));
    expect(section, bk_shard_sections(bk_engine_shard(&engine, 0), section), shard,
           BK_COUNTOF(shard));
    bk_engine_deinit(&engine);
}

/* Who changes what stands in an arena changes this number, here and in every checkpoint: those
 * written before are then refused, and the log is read from its beginning. CHANGELOG.md says so. */
static void the_layout_changes_on_purpose_only(void **state)
{
    (void)state;
    uint64_t layout = bk_state_layout();
    if (layout != UINT64_C(0xb5ab2cf687deb3f4))
        fail_msg("the layout is 0x%016llx now", (unsigned long long)layout);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_arena_is_a_section_and_names_and_order_stay),
        cmocka_unit_test(the_layout_changes_on_purpose_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
