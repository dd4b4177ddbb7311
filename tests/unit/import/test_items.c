/* test_items.c -- item tables of different shops become the same kind of fact. */
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
    uint64_t count;
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

/* What a reader of the topic would see: the fact goes through the wire format. */
static int note_product(void *arg, const struct bk_event *event)
{
    struct world *world = arg;
    static uint8_t bytes[8192];
    struct bk_reason reason;
    struct bk_decoder *decoder = bk_decoder_create(NULL, sizeof bytes, &reason);
    const struct bk_event *read;
    size_t len = bk_encode_event(event, bytes, sizeof bytes);
    assert_true(len > 0);
    struct bk_record record = {.topic = BK_TOPIC_PRODUCTS,
                               .key = event->lines[0].item,
                               .value = bk_str((const char *)bytes, len)};
    struct bk_verdict verdict = bk_decode(decoder, &record, &read);
    if (verdict.code) fail_msg("%s %s", bk_verdict_label(verdict.code), verdict.field);
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

static int items(struct world *world, const char *text)
{
    struct bk_import_watch watch = {.arg = world, .bad = note_bad};
    strcpy(world->path, "/tmp/bk_items_XXXXXX");
    int fd = mkstemp(world->path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    int code = bk_import_items(world->path, NULL, &watch, note_product, world, &world->count,
                               &world->reason);
    unlink(world->path);
    return code;
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
    assert_int_equal(world.count, 2);
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
    assert_string_equal(world.bad.p, "2: not as many columns as the header\n3: no item\n"
                                     "4: price is not a decimal number\n5: price below zero\n");
    forget(&world);
}

static void a_table_without_items_is_refused(void **state)
{
    struct world world = {0};
    (void)state;
    assert_int_equal(items(&world, "name\tprice\nx\t1\n"), BK_EINVAL);
    assert_non_null(strstr(world.reason.text, "names no column item"));
    forget(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_found_by_their_names),
        cmocka_unit_test(levels_and_dotted_codes_become_paths),
        cmocka_unit_test(a_bad_line_is_named_and_left_out),
        cmocka_unit_test(a_table_without_items_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
