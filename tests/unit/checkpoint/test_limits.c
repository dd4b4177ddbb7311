/* test_limits.c -- a state that was made under some limits goes on under others, or is refused by
 * name. */
#include "checkpoint_kit.h"

static uint32_t one_of(struct chance *chance, const uint32_t *values, uint32_t count)
{
    return values[chance_below(chance, count)];
}

/* Limits that a restart may change, from what holds nothing to what holds all. */
static struct bk_state_params random_params(struct chance *chance)
{
    static const uint32_t few[] = {2, 4, 16, 64, 200};
    struct bk_state_params params = small_params();
    uint32_t n = BK_COUNTOF(few);
    params.items_max = 50 * one_of(chance, few, n);
    params.pair_partners_max = 4 * one_of(chance, few, n);
    params.receipt_lines_max = one_of(chance, few, n);
    params.postings_max = one_of(chance, few, n) - 2;
    params.session_events_max = 5 + one_of(chance, few, n);
    params.cart_lines_max = 5 + one_of(chance, few, n);
    params.history_items_max = 16 + one_of(chance, few, n);
    params.segments_max = one_of(chance, few, n) - 2;
    params.dedup_events = 1024u << chance_below(chance, 3);
    params.shards_max = 3 + chance_below(chance, 2);
    params.bytes_max = (uint64_t)(4u << chance_below(chance, 5)) << 20;
    return params;
}

static void a_state_goes_on_under_other_limits_or_is_refused_by_name(void **state)
{
    (void)state;
    enum { SEEDS = 60 };
    const char *told = getenv("BK_SEED");
    uint64_t first = told ? strtoull(told, NULL, 10) : 1;
    int refused = 0;
    for (uint64_t seed = first; seed < first + (told ? 1 : SEEDS); seed++) {
        struct chance chance = {bk_mix(seed)};
        char command[128];
        uint64_t lossy;
        struct bk_generation generation;
        struct bk_reason reason = {{0}};
        bk_engine_deinit(&engine);
        bk_engine_deinit(&other);
        struct bk_state_params before = random_params(&chance), after = random_params(&chance);
        told_engine(&engine, &before);
        told_engine(&other, &after);
        snprintf(command, sizeof command, "rm -rf %s/generation-*", dir);
        assert_int_equal(system(command), 0);
        apply_to(&engine, 0, EVENTS / 2);
        applied = EVENTS / 2;
        struct bk_checkpoint *cp = open_checkpoint();
        write_now(cp, 1);
        int err = bk_checkpoint_load(cp, &other, &generation, &reason);
        if (err != BK_OK && (err != BK_ELIMIT || !strstr(reason.text, "state.")))
            fail_msg("BK_SEED=%llu: %d %s", (unsigned long long)seed, err, reason.text);
        refused += err == BK_ELIMIT;
        if (err == BK_OK) apply_to(&other, EVENTS / 2, EVENTS);
        if (err == BK_OK && bk_engine_bytes(&other) > after.bytes_max)
            fail_msg("BK_SEED=%llu: over the budget", (unsigned long long)seed);
        (void)bk_shared_digest(&other.shared, &lossy);
        bk_checkpoint_close(&cp);
        disk.file_count = 0;
    }
    print_message("%d of %d refused\n", refused, SEEDS);
}

int main(void)
{
    bk_log_level = BK_LOG_OFF;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_state_goes_on_under_other_limits_or_is_refused_by_name,
                                        open_shop, close_shop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
