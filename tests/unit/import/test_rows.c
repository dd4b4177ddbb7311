/* test_import.c -- rows of a shop's file become events: grouped, in time order, called the same
 * every time. */
#include "basketry/import.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define HEADER "ts_ms\tuser\tsession\tevent\titem\tqty\tprice\n"

/* What came out, as text: one line an event. */
struct world {
    char path[64];
    struct bk_import_formats *formats;
    struct bk_import_file file;
    struct bk_import_rows rows;
    struct bk_import_counts counts;
    struct bk_buf out;
    struct bk_buf bad;
    struct bk_buf ids;
};

static void note_bad(void *arg, const char *text)
{
    struct world *world = arg;
    const char *colon = strchr(text, ':');
    bk_buf_printf(&world->bad, "%s\n", colon ? colon + 1 : text);
}

static int note_event(void *arg, const struct bk_event *event)
{
    struct world *world = arg;
    char subject[BK_SUBJECT_BYTES_MAX];
    uint32_t len = bk_event_subject(event, subject);
    bk_buf_printf(&world->out, "%lld %s %.*s", (long long)event->event_time_ms,
                  bk_event_kind_name(event->kind), (int)len, subject);
    if (event->order_id.len)
        bk_buf_printf(&world->out, " order=%.*s", (int)event->order_id.len, event->order_id.p);
    for (uint32_t i = 0; i < event->line_count && i < 8; i++) {
        const struct bk_line *line = &event->lines[i];
        bk_buf_printf(&world->out, " %.*sx%lld", (int)line->item.len, line->item.p,
                      (long long)line->quantity);
        if (line->unit_price_minor != BK_NULL_I64)
            bk_buf_printf(&world->out, "@%lld", (long long)line->unit_price_minor);
    }
    bk_buf_char(&world->out, '\n');
    bk_buf_printf(&world->ids, "%.*s\n", (int)event->event_id.len, event->event_id.p);
    return 0;
}

static void write_file(struct world *world, const char *text)
{
    strcpy(world->path, "/tmp/bk_import_XXXXXX");
    int fd = mkstemp(world->path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static int read_file(struct world *world)
{
    struct bk_import_watch watch = {.arg = world, .bad = note_bad};
    struct bk_reason reason = {""};
    if (!world->formats) world->formats = bk_import_formats_create(NULL, &reason);
    assert_non_null(world->formats);
    if (!world->rows.bytes_max) world->rows.bytes_max = 1 << 30;
    world->rows.formats = world->formats;
    int code = bk_import_recognise(world->formats, NULL, world->path, &world->file, &reason);
    return code ? code : bk_import_read(&world->rows, &world->file, 1, &watch, &reason);
}

static void import(struct world *world, const char *text)
{
    write_file(world, text);
    assert_int_equal(read_file(world), BK_OK);
    assert_int_equal(bk_import_group(&world->rows), BK_OK);
    assert_int_equal(
        bk_import_emit(&world->rows, BK_CONSENT_PERSONAL, note_event, world, &world->counts),
        BK_OK);
}

static void forget(struct world *world)
{
    unlink(world->path);
    bk_import_rows_deinit(&world->rows);
    bk_import_formats_destroy(&world->formats);
    bk_buf_deinit(&world->out);
    bk_buf_deinit(&world->bad);
    bk_buf_deinit(&world->ids);
    *world = (struct world){0};
}

static const char *text_of(const struct bk_buf *buf)
{
    return buf->p ? buf->p : "";
}

/* ---- receipts
 * ------------------------------------------------------------------------------------- */

static void the_purchase_rows_of_a_session_become_one_receipt_wherever_they_stand(void **state)
{
    struct world world = {0};
    (void)state;
    import(&world, HEADER "5000\tu1\ts1\tpurchase\tmilk\t2\t1.09\n"
                          "4000\tu2\ts2\tpurchase\ttea\t1\t3\n"
                          "3000\tu1\ts1\tpurchase\tbread\t-\t-\n"
                          "6000\tu1\ts1\tpurchase\tmilk\t1\t0.995\n");
    assert_string_equal(text_of(&world.out),
                        "3000 Purchased c:u1 order=s1 milkx2@109 breadx1 milkx1@100\n"
                        "4000 Purchased c:u2 order=s2 teax1@300\n");
    assert_int_equal(world.counts.lines, 4);
    assert_int_equal(world.counts.events[BK_EVENT_PURCHASED], 2);
    assert_int_equal(bk_import_event_count(&world.rows), 2);
    forget(&world);
}

static void every_action_becomes_its_event(void **state)
{
    struct world world = {0};
    (void)state;
    import(&world, HEADER "1\t-\ts1\tview\ta\t-\t-\n"
                          "2\t-\ts1\tcart\ta\t2\t-\n"
                          "3\t-\ts1\tfavourite\tb\t-\t-\n"
                          "4\tu1\ts1\treturn\ta\t-3\t1.5\n");
    assert_string_equal(text_of(&world.out), "1 ItemViewed v:s1 ax1\n"
                                             "2 CartChanged v:s1 ax2\n"
                                             "3 WishlistChanged v:s1 bx1\n"
                                             "4 Refunded c:u1 order=s1 ax3@150\n");
    forget(&world);
}

static void events_of_one_time_keep_the_order_of_their_first_rows(void **state)
{
    struct world world = {0};
    (void)state;
    import(&world, HEADER "7\t-\tb\tview\tx\t-\t-\n"
                          "7\t-\ta\tpurchase\ty\t-\t-\n"
                          "7\t-\tc\tview\tz\t-\t-\n"
                          "7\t-\ta\tpurchase\tx\t-\t-\n");
    assert_string_equal(text_of(&world.out), "7 ItemViewed v:b xx1\n"
                                             "7 Purchased v:a order=a yx1 xx1\n"
                                             "7 ItemViewed v:c zx1\n");
    forget(&world);
}

static void without_a_clock_a_row_takes_a_second(void **state)
{
    struct world world = {0};
    (void)state;
    import(&world, HEADER "-\t-\t1\tpurchase\ta\t-\t-\n"
                          "-\t-\t1\tpurchase\tb\t-\t-\n"
                          "-\t-\t2\tpurchase\tc\t-\t-\n");
    assert_string_equal(text_of(&world.out), "1000 Purchased v:1 order=1 ax1 bx1\n"
                                             "3000 Purchased v:2 order=2 cx1\n");
    assert_int_equal(world.rows.unclocked, 3);
    forget(&world);
}

static void a_receipt_over_the_limit_is_split_into_orders_of_their_own(void **state)
{
    struct world world = {0};
    struct bk_buf text = {0};
    (void)state;
    bk_buf_cstr(&text, HEADER);
    for (int i = 0; i < 2 * BK_LINES_MAX + 1; i++)
        bk_buf_printf(&text, "9\tu\tbig\tpurchase\ti%d\t-\t-\n", i);
    import(&world, text.p);
    assert_int_equal(world.counts.events[BK_EVENT_PURCHASED], 3);
    assert_int_equal(world.counts.lines, 2 * BK_LINES_MAX + 1);
    assert_int_equal(world.counts.split, 1);
    assert_non_null(strstr(world.out.p, "order=big i0x1"));
    assert_non_null(strstr(world.out.p, "order=big/2 i2000x1"));
    assert_non_null(strstr(world.out.p, "order=big/3 i4000x1\n"));
    bk_buf_deinit(&text);
    forget(&world);
}

/* ---- names
 * ------------------------------------------------------------------------------------------ */

static void importing_twice_gives_the_same_event_ids(void **state)
{
    const char *text = HEADER "1\tu\ts\tview\ta\t-\t-\n2\tu\ts\tview\ta\t-\t-\n"
                              "3\tu\ts\tpurchase\ta\t-\t-\n";
    struct world first = {0}, second = {0};
    (void)state;
    import(&first, text);
    import(&second, text);
    assert_string_equal(first.ids.p, second.ids.p);
    assert_int_equal(first.ids.len, 3 * 37);
    /* the two halves are hashes of their own */
    assert_memory_not_equal(first.ids.p + 1, first.ids.p + 20, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(first.ids.p[i * 37 + 14], '8');
        assert_non_null(strchr("89ab", first.ids.p[i * 37 + 19]));
        for (int j = 0; j < i; j++)
            assert_memory_not_equal(first.ids.p + i * 37, first.ids.p + j * 37, 36);
    }
    forget(&first);
    forget(&second);
}

#define UCI "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"

static void a_receipt_is_called_by_its_order_wherever_its_rows_stand(void **state)
{
    struct world one = {0}, other = {0};
    (void)state;
    import(&one, UCI "7,tea,T,1,1/1/2011 8:00,1,u,UK\n7,milk,M,1,1/1/2011 8:00,1,u,UK\n");
    import(&other, UCI "7,milk,M,1,1/1/2011 8:00,1,u,UK\n7,tea,T,1,1/1/2011 8:00,1,u,UK\n"
                       "8,tea,T,1,1/1/2011 8:00,1,u,UK\n");
    assert_int_equal(one.ids.len, 37);
    assert_int_equal(other.ids.len, 2 * 37);
    assert_memory_equal(one.ids.p, other.ids.p, 37);
    assert_memory_not_equal(one.ids.p, other.ids.p + 37, 36);
    forget(&one);
    forget(&other);
}

/* ---- bad rows
 * ---------------------------------------------------------------------------------------- */

static void a_bad_row_is_named_and_left_out(void **state)
{
    struct world world = {0};
    (void)state;
    import(&world, HEADER "1\tu\ts\tview\ta\t-\n"
                          "x\tu\ts\tview\ta\t-\t-\n"
                          "1\tu\ts\tlook\ta\t-\t-\n"
                          "1\tu\ts\tview\t-\t-\t-\n"
                          "1\t-\t-\tview\ta\t-\t-\n"
                          "1\tu\t-\tpurchase\ta\t-\t-\n"
                          "1\tu\ts\tpurchase\ta\t0\t-\n"
                          "1\tu\ts\tpurchase\ta\t-2\t-\n"
                          "1\tu\ts\tpurchase\ta\t1.5\t-\n"
                          "1\tu\ts\tpurchase\ta\t1000001\t-\n"
                          "1\tu\ts\tpurchase\ta\t1\t-0.01\n"
                          "1\tu\ts\tpurchase\ta\t1\t1,5\n"
                          "-5\tu\ts\tview\ta\t-\t-\n"
                          "1\tu\ts\tview\t\xff\t-\t-\n"
                          "1\tu\ts\tview\tgood\t-\t-\n");
    assert_string_equal(text_of(&world.out), "1 ItemViewed c:u goodx1\n");
    assert_string_equal(text_of(&world.bad),
                        "2:14: 6 columns where the header has 7\n"
                        "3:1: ts_ms: not a time in whole numbers since 1970\n"
                        "4:7: event: a word that the mapping does not know\n"
                        "5:12: item: no item\n"
                        "6:3: user: neither user nor visitor nor session\n"
                        "7:5: session: a purchase or return without an order or session\n"
                        "8:18: qty: below one\n"
                        "9:18: qty: below one\n"
                        "10:18: qty: not a whole number\n"
                        "11:18: qty: over a million\n"
                        "12:20: price: below zero\n"
                        "13:20: price: not a decimal number\n"
                        "14:1: ts_ms: not a time in whole numbers since 1970\n"
                        "15:12: not UTF-8 (for ISO 8859-1 say --encoding latin1)\n");
    assert_int_equal(world.rows.bad, 14);
    forget(&world);
}

static void an_id_may_have_128_bytes_and_no_more(void **state)
{
    struct world world = {0};
    char text[1024], id[130];
    (void)state;
    memset(id, 'i', 129);
    id[129] = '\0';
    snprintf(text, sizeof text, HEADER "1\tu\ts\tview\t%s\t-\t-\n1\tu\ts\tview\t%s\t-\t-\n", id,
             id + 1);
    import(&world, text);
    assert_string_equal(text_of(&world.bad), "2:12: item: over 128 bytes\n");
    assert_int_equal(world.rows.count, 1);
    forget(&world);
}

static void a_file_of_another_form_is_refused(void **state)
{
    struct world world = {0};
    (void)state;
    write_file(&world, "user,item\n");
    assert_int_equal(read_file(&world), BK_EINVAL);
    forget(&world);
}

static void dropped_items_match_as_a_whole(void **state)
{
    struct world world = {0};
    struct bk_reason reason;
    struct bk_shop_drop *drop = bk_shop_drop_create("POST|gift_.*", &reason);
    (void)state;
    assert_non_null(drop);
    world.rows.drop = drop;
    import(&world, HEADER "1\tu\ts\tview\tPOST\t-\t-\n1\tu\ts\tview\tPOSTER\t-\t-\n"
                          "1\tu\ts\tview\tgift_1\t-\t-\n1\tu\ts\tview\tPOST\t-\t-\n");
    assert_string_equal(text_of(&world.out), "1 ItemViewed c:u POSTERx1\n");
    assert_int_equal(world.rows.dropped, 3);
    bk_shop_drop_destroy(&drop);
    assert_null(bk_shop_drop_create("(", &reason));
    assert_non_null(strstr(reason.text, "--drop"));
    forget(&world);
}

static void the_memory_bound_is_kept(void **state)
{
    struct world world = {0};
    struct bk_buf text = {0};
    (void)state;
    bk_buf_cstr(&text, HEADER);
    for (int i = 0; i < 5000; i++) bk_buf_printf(&text, "1\tu\ts%d\tview\ta\t-\t-\n", i);
    world.rows.bytes_max = 200000;
    write_file(&world, text.p);
    assert_int_equal(read_file(&world), BK_ELIMIT);
    /* no array doubles beyond it; a last id may */
    assert_true(bk_import_rows_bytes(&world.rows) < 250000);
    bk_buf_deinit(&text);
    forget(&world);
}

/* ---- numbers
 * ------------------------------------------------------------------------------------------- */

static void prices_become_minor_units_rounded_half_up(void **state)
{
    static const struct {
        const char *text;
        int64_t minor;
    } good[] = {
        {"1", 100},     {"1.5", 150},     {"0.005", 1}, {"0.0049", 0},
        {"2.675", 268}, {"-0.01", -1},    {"-3", -300}, {"999999999999999", 99999999999999900},
        {"0.999", 100}, {"12.3456", 1235}};
    static const char *const bad[] = {"",    "-",     ".",  "1.",  ".5",
                                      "1e3", "1.2.3", "+1", "1,5", "1234567890123456"};
    (void)state;
    for (size_t i = 0; i < BK_COUNTOF(good); i++) {
        int64_t minor = 77;
        if (!bk_shop_hundredths(bk_str_c(good[i].text), &minor) || minor != good[i].minor)
            fail_msg("%s gives %lld", good[i].text, (long long)minor);
    }
    for (size_t i = 0; i < BK_COUNTOF(bad); i++) {
        int64_t minor;
        if (bk_shop_hundredths(bk_str_c(bad[i]), &minor)) fail_msg("'%s' passed", bad[i]);
    }
}

/* Against a naive model: a list of distinct texts, searched from the front. */
static void prop_ids_are_numbered_in_order_of_arrival(void **state)
{
    const char *given = getenv("BK_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 0) : 20240611;
    struct bk_shop_ids ids = {0};
    static char model[3000][16];
    uint32_t count = 0;
    (void)state;
    print_message("seed %llu\n", (unsigned long long)seed);
    for (uint64_t i = 0; i < 20000; i++) {
        char text[16];
        snprintf(text, sizeof text, "%llx", (unsigned long long)(bk_mix(seed + i) % 3000));
        uint32_t at = 0;
        while (at < count && strcmp(model[at], text) != 0) at++;
        if (i % 3 == 0) {
            assert_int_equal(bk_shop_ids_find(&ids, bk_str_c(text)), at < count ? at + 1 : 0);
            continue;
        }
        if (at == count) strcpy(model[count++], text);
        assert_int_equal(bk_shop_ids_add(&ids, bk_str_c(text)), at + 1);
    }
    assert_int_equal(ids.count, count);
    for (uint32_t n = 1; n <= count; n++)
        assert_true(bk_str_eq(bk_shop_ids_text(&ids, n), bk_str_c(model[n - 1])));
    bk_shop_ids_deinit(&ids);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_purchase_rows_of_a_session_become_one_receipt_wherever_they_stand),
        cmocka_unit_test(every_action_becomes_its_event),
        cmocka_unit_test(events_of_one_time_keep_the_order_of_their_first_rows),
        cmocka_unit_test(without_a_clock_a_row_takes_a_second),
        cmocka_unit_test(a_receipt_over_the_limit_is_split_into_orders_of_their_own),
        cmocka_unit_test(importing_twice_gives_the_same_event_ids),
        cmocka_unit_test(a_receipt_is_called_by_its_order_wherever_its_rows_stand),
        cmocka_unit_test(a_bad_row_is_named_and_left_out),
        cmocka_unit_test(an_id_may_have_128_bytes_and_no_more),
        cmocka_unit_test(a_file_of_another_form_is_refused),
        cmocka_unit_test(dropped_items_match_as_a_whole),
        cmocka_unit_test(the_memory_bound_is_kept),
        cmocka_unit_test(prices_become_minor_units_rounded_half_up),
        cmocka_unit_test(prop_ids_are_numbered_in_order_of_arrival),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
