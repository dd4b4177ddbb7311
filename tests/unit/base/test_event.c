/* test_event.c -- an event's defaults, its name, and whose it is. */
#include "basketry/event.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void a_reset_event_is_empty_null_or_one(void **state)
{
    (void)state;
    struct bk_line lines[1];
    struct bk_event ev;
    memset(&ev, 0xAB, sizeof ev);
    ev.lines = lines;
    bk_event_reset(&ev);
    assert_ptr_equal(ev.lines, lines);
    assert_int_equal(ev.line_count, 0);
    assert_null(ev.event_id.p);
    assert_int_equal(ev.variant_group.len, 0);
    assert_int_equal(ev.available, BK_NULL_I64);
    assert_int_equal(ev.consent, BK_CONSENT_UNKNOWN);
    assert_false(ev.tombstone);
}

static void a_reset_line_is_one_of_nothing(void **state)
{
    (void)state;
    struct bk_line line;
    memset(&line, 0xAB, sizeof line);
    bk_line_reset(&line);
    assert_null(line.item.p);
    assert_int_equal(line.quantity, 1);
    assert_int_equal(line.unit_price_minor, BK_NULL_I64);
    assert_int_equal(line.discount_minor, BK_NULL_I64);
    assert_int_equal(line.role, BK_LINE_PLAIN);
}

static void every_kind_has_its_records_name(void **state)
{
    (void)state;
    assert_string_equal(bk_event_kind_name(BK_EVENT_ITEM_VIEWED), "ItemViewed");
    assert_string_equal(bk_event_kind_name(BK_EVENT_CUSTOMER), "Customer");
    assert_string_equal(bk_event_kind_name(BK_EVENT_KIND_COUNT), "?");
    assert_string_equal(bk_event_kind_name((enum bk_event_kind) - 1), "?");
}

static void expect_subject(struct bk_event *ev, const char *want)
{
    char out[BK_SUBJECT_BYTES_MAX];
    uint32_t len = bk_event_subject(ev, out);
    assert_int_equal(len, strlen(want));
    assert_memory_equal(out, want, len);
}

static void the_subject_is_the_customer_once_known(void **state)
{
    (void)state;
    struct bk_event ev = {.kind = BK_EVENT_TICK, .visitor = BK_STR("7")};
    expect_subject(&ev, "v:7");
    ev.customer = BK_STR("42");
    expect_subject(&ev, "c:42");
    ev.kind = BK_EVENT_IDENTIFIED; /* names both and belongs to the visitor */
    expect_subject(&ev, "v:7");
}

static void the_longest_id_fits_a_subject(void **state)
{
    (void)state;
    char id[BK_ID_BYTES_MAX], out[BK_SUBJECT_BYTES_MAX];
    memset(id, 'x', sizeof id);
    struct bk_event ev = {.kind = BK_EVENT_TICK, .customer = bk_str(id, sizeof id)};
    assert_int_equal(bk_event_subject(&ev, out), BK_SUBJECT_BYTES_MAX);
    assert_memory_equal(out + 2, id, sizeof id);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reset_event_is_empty_null_or_one),
        cmocka_unit_test(a_reset_line_is_one_of_nothing),
        cmocka_unit_test(every_kind_has_its_records_name),
        cmocka_unit_test(the_subject_is_the_customer_once_known),
        cmocka_unit_test(the_longest_id_fits_a_subject),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
