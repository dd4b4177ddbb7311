/* test_list.c -- a list as Redis holds it becomes a list as people read it. */
#include "basketry/demo.h"
#include "basketry/error.h"

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define LIST(items)                                                                                \
    "{\"v\":1,\"subject\":\"c:42\",\"context\":\"cart\",\"for\":null,\"algorithm\":"               \
    "\"cart_complements\",\"confidence\":0.71,\"as_of\":{\"partition\":2,\"offset\":4568},"        \
    "\"items\":[" items "]}"
#define ITEM(id, because)                                                                          \
    "{\"id\":\"" id "\",\"score\":0.1,\"reason\":\"often bought together\",\"because\":" because   \
    ",\"tags\":[\"bought_together\",\"popular\"]}"

static bk_str_t name_of(void *arg, bk_str_t id)
{
    (void)arg;
    return bk_str_eq(id, BK_STR("1")) ? BK_STR("Bread, Millstone") : BK_STR("");
}

static bk_str_t brief_of(void *arg, bk_str_t id)
{
    (void)arg;
    return bk_str_eq(id, BK_STR("1")) ? BK_STR("Bread") : BK_STR("");
}

static const struct bk_demo_names names = {NULL, name_of, brief_of};

static void read_list(struct bk_demo_list *list, const char *json)
{
    assert_int_equal(bk_demo_list_read(list, bk_str_c(json), &names, 1000), BK_OK);
}

static void a_list_is_read_with_names_reasons_and_what_it_knows(void **state)
{
    (void)state;
    static struct bk_demo_list list;
    read_list(&list, LIST(ITEM("1", "null") "," ITEM("2", "\"1\"") "," ITEM("3", "\"9\"")));
    assert_true(list.there);
    assert_int_equal(list.count, 3);
    assert_int_equal(list.partition, 2);
    assert_int_equal(list.offset, 4568);
    assert_int_equal(list.age_ms, -1);
    assert_int_equal(list.seen_ms, 1000);
    assert_string_equal(list.algorithm, "cart complements");
    assert_string_equal(list.item[0].name, "Bread, Millstone");
    assert_string_equal(list.item[0].why, "often bought together");
    assert_string_equal(list.item[0].tag, "bought together");
    assert_string_equal(list.item[1].name, "2"); /* nobody knows its name */
    assert_string_equal(list.item[1].why, "often bought with Bread");
    assert_string_equal(list.item[2].why, "often bought with 9");
}

static void what_is_new_and_what_moved_is_marked_against_the_list_before(void **state)
{
    (void)state;
    static struct bk_demo_list list;
    memset(&list, 0, sizeof list);
    read_list(&list, LIST(ITEM("1", "null") "," ITEM("2", "null") "," ITEM("3", "null")));
    for (int i = 0; i < 3; i++) assert_false(list.item[i].fresh || list.item[i].moved);
    read_list(&list, LIST(ITEM("3", "null") "," ITEM("4", "null") "," ITEM("2", "null")));
    assert_int_equal(list.item[0].moved, 2);
    assert_true(list.item[1].fresh);
    assert_int_equal(list.item[2].moved, -1);
    assert_int_equal(list.changes, 3);
    read_list(&list, LIST(ITEM("3", "null") "," ITEM("4", "null") "," ITEM("2", "null")));
    assert_int_equal(list.changes, 0);
    read_list(&list, LIST(ITEM("3", "null")));
    assert_int_equal(list.changes, 2); /* two went */
}

static void a_key_that_is_gone_is_no_list_and_nonsense_changes_nothing(void **state)
{
    (void)state;
    static struct bk_demo_list list;
    memset(&list, 0, sizeof list);
    read_list(&list, LIST(ITEM("1", "null")));
    assert_int_equal(bk_demo_list_read(&list, BK_STR("no list"), &names, 2000), BK_ECORRUPT);
    assert_int_equal(bk_demo_list_read(&list, BK_STR("[1]"), &names, 2000), BK_ECORRUPT);
    assert_true(list.there && list.count == 1);
    read_list(&list, "{\"items\":[{},7]}");
    assert_int_equal(list.count, 2);
    assert_int_equal(list.partition, -1);
    read_list(&list, "");
    assert_false(list.there);
    assert_int_equal(list.count, 0);
}

static void more_items_than_are_kept_are_left_out(void **state)
{
    (void)state;
    static struct bk_demo_list list;
    static char json[16384];
    size_t len = (size_t)snprintf(json, sizeof json, "{\"items\":[");
    for (int i = 0; i < 3 * BK_DEMO_ITEMS_MAX; i++)
        len +=
            (size_t)snprintf(json + len, sizeof json - len, "%s{\"id\":\"%d\"}", i ? "," : "", i);
    snprintf(json + len, sizeof json - len, "]}");
    memset(&list, 0, sizeof list);
    read_list(&list, json);
    assert_int_equal(list.count, BK_DEMO_ITEMS_MAX);
}

static void reasons_read_as_sentences(void **state)
{
    (void)state;
    char why[BK_DEMO_WHY_BYTES];
    bk_demo_why(why, "viewed together with what you looked at", "Salsa");
    assert_string_equal(why, "because you viewed Salsa");
    bk_demo_why(why, "viewed together with what you looked at", "");
    assert_string_equal(why, "viewed together with what you looked at");
    bk_demo_why(why, "a reason of tomorrow", "Salsa");
    assert_string_equal(why, "a reason of tomorrow: Salsa");
    bk_demo_why(why, "", "");
    assert_string_equal(why, "");
}

static void plain_lines_say_who_did_what_and_what_came_of_it(void **state)
{
    (void)state;
    static struct bk_demo_model model;
    struct bk_buf out = {0};
    model.utf8 = true;
    bk_demo_model_follow(&model, BK_STR("Ada \x1b[2J"), BK_STR("student"), BK_STR("c:42"));
    bk_demo_model_click(&model, 3723004, "views", BK_STR("Bread"), false);
    bk_demo_plain_click(&out, &model, &model.click[0]);
    assert_string_equal(out.p, "01:02:03.004  event  Ada ?[2J views Bread\n");
    bk_buf_reset(&out);
    read_list(&model.list[BK_DEMO_CART], LIST(ITEM("1", "null") "," ITEM("2", "\"1\"") "," ITEM(
                                             "3", "null") "," ITEM("4", "null")));
    model.list[BK_DEMO_CART].age_ms = 5;
    model.list[BK_DEMO_CART].item[1].fresh = true;
    bk_demo_plain_list(&out, &model, BK_DEMO_CART);
    assert_string_equal(
        out.p, "00:00:01.000  list   cart        5 ms  1 Bread, Millstone (often bought together); "
               "2 2 [new] (often bought with Bread); 3 3 (often bought together); 1 more\n");
    bk_buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_is_read_with_names_reasons_and_what_it_knows),
        cmocka_unit_test(what_is_new_and_what_moved_is_marked_against_the_list_before),
        cmocka_unit_test(a_key_that_is_gone_is_no_list_and_nonsense_changes_nothing),
        cmocka_unit_test(more_items_than_are_kept_are_left_out),
        cmocka_unit_test(reasons_read_as_sentences),
        cmocka_unit_test(plain_lines_say_who_did_what_and_what_came_of_it),
    };
    if (!setlocale(LC_CTYPE, "C.UTF-8")) return 77;
    setenv("TZ", "UTC", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
