/* test_facts.c -- tables of products and customers become facts that the engine can read. */
#include "basketry/import.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "basketry/decode.h"

struct world {
    char path[64];
    struct bk_buf out, bad;
    struct bk_import_fact_counts counts;
    struct bk_reason reason;
};

static void note_bad(void *arg, const char *text)
{
    struct world *world = arg;
    const char *colon = strchr(text, ':');
    bk_buf_printf(&world->bad, "%s\n", colon ? colon + 1 : text);
}

static void put(struct bk_buf *out, bk_str_t text)
{
    bk_buf_str(out, text.p ? text : BK_STR("null"));
}

/* What a reader of the topic would see: the fact went through the wire format. */
static int note_fact(void *arg, const struct bk_import_fact *fact)
{
    struct world *world = arg;
    struct bk_reason reason;
    struct bk_decoder *decoder = bk_decoder_create(NULL, 1 << 16, &reason);
    const struct bk_event *read;
    struct bk_record record = {.topic = fact->topic, .key = fact->key, .value = fact->value};
    struct bk_verdict verdict = bk_decode(decoder, &record, &read);
    if (verdict.code) fail_msg("%s %s", bk_verdict_label(verdict.code), verdict.field);
    if (fact->topic == BK_TOPIC_CUSTOMERS) {
        put(&world->out, read->customer);
        bk_buf_char(&world->out, '|');
        put(&world->out, read->name);
        bk_buf_printf(&world->out, "|%lld\n", (long long)read->event_time_ms);
        bk_decoder_destroy(&decoder);
        return 0;
    }
    put(&world->out, read->lines[0].item);
    bk_buf_char(&world->out, '|');
    put(&world->out, read->name);
    bk_buf_char(&world->out, '|');
    put(&world->out, read->lines[0].category);
    bk_buf_char(&world->out, '|');
    put(&world->out, read->brand);
    int64_t price = read->lines[0].unit_price_minor;
    bk_buf_printf(&world->out, "|%lld\n", price == BK_NULL_I64 ? -1 : (long long)price);
    bk_decoder_destroy(&decoder);
    return 0;
}

static int facts_by(struct world *world, const char *mapping, const char *text)
{
    struct bk_import_watch watch = {.arg = world, .bad = note_bad};
    struct bk_import_file file;
    struct bk_import_rows rows = {.bytes_max = 1 << 30};
    struct bk_import_formats *formats =
        mapping ? bk_import_formats_of_text(bk_str_c(mapping), &world->reason)
                : bk_import_formats_create(NULL, &world->reason);
    if (!formats) fail_msg("%s", world->reason.text);
    strcpy(world->path, "/tmp/bk_facts_XXXXXX");
    int fd = mkstemp(world->path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    rows.formats = formats;
    int code = bk_import_recognise(formats, mapping ? "mapping" : NULL, world->path, &file,
                                   &world->reason);
    if (!code) code = bk_import_read(&rows, &file, 1, &watch, &world->reason);
    if (!code)
        code = bk_import_facts(&rows, &file, 1, &watch, note_fact, world, &world->counts,
                               &world->reason);
    unlink(world->path);
    bk_import_rows_deinit(&rows);
    bk_import_formats_destroy(&formats);
    return code;
}

static int items(struct world *world, const char *text)
{
    return facts_by(world, NULL, text);
}

static void forget(struct world *world)
{
    bk_buf_deinit(&world->out);
    bk_buf_deinit(&world->bad);
}

static void columns_are_found_by_their_names(void **state)
{
    struct world world = {0};
    (void)state;
    assert_int_equal(items(&world, "price\titem\tbrand\tdescription\n"
                                   "1.50\tA1\tacme\tgreen tea\n-\tA2\t-\t-\n"),
                     BK_OK);
    assert_string_equal(world.out.p, "A1|green tea|null|acme|150\nA2|A2|null|null|-1\n");
    assert_int_equal(world.counts.products, 2);
    forget(&world);
}

static void levels_and_dotted_codes_become_paths(void **state)
{
    struct world levels = {0}, dotted = {0};
    (void)state;
    assert_int_equal(items(&levels, "item\tdepartment\tcommodity\tsub_commodity\tmanufacturer\n"
                                    "1\tPASTRY\tBREAD\tRYE\t69\n2\tPASTRY\t-\t-\t69\n"),
                     BK_OK);
    assert_string_equal(levels.out.p, "1|RYE|PASTRY > BREAD > RYE|69|-1\n2|2|PASTRY|69|-1\n");
    assert_int_equal(items(&dotted, "item\tcategory_code\n7\tappliances.kitchen.kettle\n"), BK_OK);
    assert_string_equal(dotted.out.p,
                        "7|appliances.kitchen.kettle|appliances > kitchen > kettle|null|-1\n");
    forget(&levels);
    forget(&dotted);
}

static void a_bad_line_is_named_and_left_out(void **state)
{
    struct world world = {0};
    (void)state;
    assert_int_equal(items(&world, "item\tname\tprice\n1\tone\n-\ttwo\t1\n3\tthree\tx\n"
                                   "4\tfour\t-1\n5\tfive\t5\n"),
                     BK_OK);
    assert_string_equal(world.out.p, "5|five|null|null|500\n");
    assert_string_equal(world.bad.p, "2:3: 2 columns where the header has 3\n3:1: item: no item\n"
                                     "4:9: price: not a decimal number\n"
                                     "5:8: price: below zero\n");
    forget(&world);
}

static void a_table_without_items_is_refused(void **state)
{
    struct world world = {0};
    (void)state;
    assert_int_equal(items(&world, "name\tprice\nx\t1\n"), BK_EINVAL);
    assert_non_null(strstr(world.reason.text, ":1:1: no known format"));
    forget(&world);
}

static void of_several_rows_of_an_item_the_latest_counts(void **state)
{
    struct world world = {0};
    (void)state;
    assert_int_equal(facts_by(&world,
                              "[p]\nkind=products\nrecognise=id,at\nlatest=yes\nitem=id\n"
                              "name=name\ntime=at\ntime.form=unix_s\n",
                              "id,at,name\na,5,old\nb,1,only\na,9,new\na,9,newer\na,7,middle\n"),
                     BK_OK);
    assert_string_equal(world.out.p, "b|only|null|null|-1\na|newer|null|null|-1\n");
    forget(&world);
}

static void a_customer_of_a_dynamodb_export_is_read_whole(void **state)
{
    struct world world = {0};
    (void)state;
    assert_int_equal(
        facts_by(
            &world,
            "[users]\nkind=customers\nform=dynamodb\nrecognise=userId\ncustomer=userId\n"
            "name=profile.name\nage=profile.age\ndietary=diet\nloyalty_points=points\n"
            "time=updatedAt\n",
            "{\"Item\":{\"userId\":{\"S\":\"u1\"},\"profile\":{\"M\":{\"name\":{\"S\":\"Ann\"},"
            "\"age\":{\"N\":\"41\"}}},\"diet\":{\"SS\":[\"vegan\",\"halal\"]},"
            "\"points\":{\"N\":\"120\"},\"updatedAt\":{\"S\":\"1970-01-01T00:00:07Z\"}}}\n"
            "{\"Item\":{\"userId\":{\"S\":\"u2\"},\"points\":{\"N\":\"-4\"}}}\n"
            "{\"Keys\":{\"userId\":{\"S\":\"u3\"}},\"OldImage\":{}}\n"),
        BK_OK);
    assert_string_equal(world.out.p, "u1|Ann|7000\nu2|null|0\n");
    assert_int_equal(world.counts.customers, 2);
    assert_int_equal(world.counts.passed, 1); /* the deleted one */
    forget(&world);
}

static void what_the_engine_would_refuse_is_named_here(void **state)
{
    struct world world = {0};
    (void)state;
    assert_int_equal(
        facts_by(&world, "[p]\nkind=products\nform=json\nrecognise=id\nitem=id\ndietary=tags\n",
                 "{\"id\":\"a\",\"tags\":[\"vegan\"]}\n{\"id\":\"\"}\n{\"id\":{}}\n"
                 "{\"id\":\"b\",\"tags\":\"vegan, organic\"}\n"),
        BK_OK);
    assert_string_equal(world.out.p, "a|a|null|null|-1\nb|b|null|null|-1\n");
    assert_string_equal(world.bad.p, "2:2: id: no item\n3:2: id: no item\n");
    forget(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_found_by_their_names),
        cmocka_unit_test(levels_and_dotted_codes_become_paths),
        cmocka_unit_test(a_bad_line_is_named_and_left_out),
        cmocka_unit_test(a_table_without_items_is_refused),
        cmocka_unit_test(of_several_rows_of_an_item_the_latest_counts),
        cmocka_unit_test(a_customer_of_a_dynamodb_export_is_read_whole),
        cmocka_unit_test(what_the_engine_would_refuse_is_named_here),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
