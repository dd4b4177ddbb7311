/* test_golden.c -- a tiny shop, and to the byte what its readers get: tests/golden/<context>.json.
 *
 * When a list is meant to change: BK_GOLDEN=write <this program>, then read the difference before
 * committing it.
 */
#include "support/sim_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void tell_shop(struct sim_log *log)
{
    static const struct {
        const char *customer, *order, *items;
    } receipts[] = {
        {"ada", "o1", "milk bread butter"},   {"bob", "o2", "milk bread"},
        {"cyd", "o3", "bread butter jam"},    {"eve", "o4", "milk coffee"},
        {"fay", "o5", "bread butter coffee"}, {"gus", "o6", "jam butter"},
    };
    int64_t t = TOLD_START;
    struct told told[16];
    size_t n = 0;
    for (size_t i = 0; i < BK_COUNTOF(receipts); i++)
        told[n++] = tell_purchase(receipts[i].customer, receipts[i].order, receipts[i].items,
                                  t += TOLD_HOUR);
    told[n++] = tell_view("ada", "coffee", t += TOLD_DAY);
    told[n++] = tell_view("ada", "jam", t += TOLD_MINUTE);
    told[n++] = tell_view("dee", "coffee", t += TOLD_MINUTE);
    told[n++] = tell_cart("dee", BK_CART_ADD, "bread", t += TOLD_MINUTE);
    told[n++] = tell_view("dee", "butter", t += TOLD_MINUTE);
    sim_log_product(log, "milk", "Whole milk 1 l");
    for (size_t i = 0; i < n; i++) {
        sim_log_tell(log, &told[i], 0, 0);
        told_free(&told[i]);
    }
}

static FILE *open_golden(const char *context, const char *mode)
{
    char path[1024];
    const char *root = getenv("BK_SOURCE_DIR");
    snprintf(path, sizeof path, "%s/tests/golden/%s.json", root ? root : ".", context);
    FILE *file = fopen(path, mode);
    if (!file) print_error("%s: cannot be opened; BK_SOURCE_DIR is the project's folder\n", path);
    assert_non_null(file);
    return file;
}

static void check_golden(const struct sim_world *world, const char *key, const char *name)
{
    const struct sim_entry *entry = sim_sink_find(&world->sink, key, strlen(key));
    assert_true(entry && entry->value);
    const char *how = getenv("BK_GOLDEN");
    if (how && strcmp(how, "write") == 0) {
        FILE *file = open_golden(name, "w");
        fprintf(file, "%s\n", entry->value);
        fclose(file);
        return;
    }
    char golden[16384];
    FILE *file = open_golden(name, "r");
    size_t len = fread(golden, 1, sizeof golden - 1, file);
    fclose(file);
    golden[len] = 0;
    golden[strcspn(golden, "\n")] = 0;
    assert_string_equal(entry->value, golden);
}

static void a_tiny_shop_publishes_exactly_these_lists(void **state)
{
    (void)state;
    struct sim_log log = {.partitions = 1};
    struct sim_world world;
    struct sim_plan plan = sim_plan_calm(1);
    tell_shop(&log);
    sim_world_open(&world, &plan, &log);
    world.calm = true;
    world.sink.latency_ms_max = 0;
    sim_sink_connect(&world.sink, false);
    while (!sim_source_is_at_end(&world.source) || world.sink.count) sim_world_pass(&world, 10, 10);
    check_golden(&world, "bk:v1:rec:{c:dee}:home", "home");
    check_golden(&world, "bk:v1:rec:{c:dee}:cart", "cart");
    check_golden(&world, "bk:v1:rec:{c:dee}:product", "product");
    check_golden(&world, "bk:v1:item:{bread}:bought_together", "bought_together");
    check_golden(&world, "bk:v1:popular", "popular");
    sim_world_close(&world);
    sim_log_free(&log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tiny_shop_publishes_exactly_these_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
