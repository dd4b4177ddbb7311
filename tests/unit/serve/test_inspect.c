/* test_inspect.c -- what is said of an item is what the state holds, and what it lost. */
#include "basketry/questions.h"
#include "support/events.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct bk_now noon(void *arg)
{
    (void)arg;
    return (struct bk_now){.stream_ms = TOLD_START};
}

static bool item_says(struct bk_engine *engine, const char *item, const char *text)
{
    struct bk_instance instance = {.engine = engine, .now = noon};
    struct bk_buf out = {0};
    struct bk_reason reason = {""};
    assert_int_equal(bk_inspect_item(&instance, bk_str_c(item), &out, &reason), BK_OK);
    bool says = strstr(out.p, text) != NULL;
    bk_buf_deinit(&out);
    return says;
}

/* A row that memory dropped and that came again looks whole. */
static void a_row_that_was_dropped_is_said_to_be_lossy(void **state)
{
    (void)state;
    struct bk_state_params params = told_params();
    struct bk_engine engine;
    told_engine(&engine, &params);
    told_now(&engine, tell_purchase("ada", "o", "milk bread", TOLD_START));
    assert_true(item_says(&engine, "milk",
                          "\"bought_together\":{\"lossy\":false,\"partners\":["
                          "{\"id\":\"bread\",\"total\":1"));
    struct bk_item *milk = bk_table_write(&engine.shared.items, told_item(&engine, "milk"));
    milk->flags |= (uint8_t)(BK_ITEM_FORGOT << BK_PAIR_BOUGHT);
    assert_true(item_says(&engine, "milk", "\"bought_together\":{\"lossy\":true"));
    assert_true(item_says(&engine, "milk", "\"viewed_together\":{\"lossy\":false"));
    bk_engine_deinit(&engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_that_was_dropped_is_said_to_be_lossy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
