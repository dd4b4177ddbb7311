/* test_run.c -- hostile bytes: every length, count and branch that a producer could send and should
 * not. */
#include "writer.h"

static void expect(struct bk_decoder *decoder, const struct writer *w, enum bk_verdict_code code,
                   const char *field)
{
    const struct bk_event *ev;
    struct bk_verdict got = w_decode(decoder, w, BK_TOPIC_EVENTS, "v:v", &ev);
    if (got.code != code || strcmp(got.field, field) != 0)
        fail_msg("want %s of \"%s\", got %s of \"%s\"", bk_verdict_label(code), field,
                 bk_verdict_label(got.code), got.field);
}

static void a_length_beyond_the_payload_is_refused_wherever_it_stands(void **state)
{
    (void)state;
    const int64_t lengths[] = {-1, -2, INT64_MIN, 2, INT64_C(1) << 31, INT64_C(1) << 40, INT64_MAX};
    struct bk_decoder *decoder = decoder_with(TICK("\"bytes\""));
    struct writer w;
    for (size_t i = 0; i < BK_COUNTOF(lengths); i++) {
        w_tick(&w);
        w_long(&w, lengths[i]);
        w_byte(&w, 'x');
        expect(decoder, &w, BK_VERDICT_BAD_LENGTH, "extra"); /* a field we do not have */
        w_frame(&w, WRITER_ID);
        w_long(&w, lengths[i]);
        w_byte(&w, 'x');
        expect(decoder, &w, BK_VERDICT_BAD_LENGTH, "event_id"); /* one we have */
    }
    bk_decoder_destroy(&decoder);
}

static void a_varint_of_more_than_ten_bytes_is_refused(void **state)
{
    (void)state;
    struct bk_decoder *decoder = decoder_with(TICK("\"long\""));
    struct writer w;
    w_tick(&w);
    for (int i = 0; i < 9; i++) w_byte(&w, 0x80);
    w_byte(&w, 0x01);
    expect(decoder, &w, BK_VERDICT_OK, ""); /* ten bytes, 64 bits */
    w.bytes[w.len - 1] = 0x02;
    expect(decoder, &w, BK_VERDICT_BAD_VARINT, "extra"); /* the 65th bit */
    w.bytes[w.len - 1] = 0x80;
    w_byte(&w, 0);
    expect(decoder, &w, BK_VERDICT_BAD_VARINT, "extra");
    w.len -= 3;
    expect(decoder, &w, BK_VERDICT_TRUNCATED, "extra");
    bk_decoder_destroy(&decoder);
}

static void an_int_that_needs_more_than_32_bits_is_refused(void **state)
{
    (void)state;
    const struct {
        int64_t value;
        enum bk_verdict_code code;
    } cases[] = {{INT32_MAX, BK_VERDICT_OK},
                 {INT32_MIN, BK_VERDICT_OK},
                 {INT64_C(1) + INT32_MAX, BK_VERDICT_BAD_VARINT},
                 {INT64_C(-1) + INT32_MIN, BK_VERDICT_BAD_VARINT}};
    struct bk_decoder *decoder = decoder_with(TICK("\"int\""));
    struct writer w;
    for (size_t i = 0; i < BK_COUNTOF(cases); i++) {
        w_tick(&w);
        w_long(&w, cases[i].value);
        expect(decoder, &w, cases[i].code, cases[i].code ? "extra" : "");
    }
    bk_decoder_destroy(&decoder);
}

static void an_array_of_a_hundred_million_nulls_is_refused(void **state)
{
    (void)state;
    struct bk_decoder *decoder = decoder_with(TICK("{\"type\":\"array\",\"items\":\"null\"}"));
    struct writer w;
    w_tick(&w);
    w_long(&w, 100000000);
    w_byte(&w, 0);
    expect(decoder, &w, BK_VERDICT_TOO_MANY, "extra");
    w_tick(&w);
    w_long(&w, 65536);
    w_byte(&w, 0);
    expect(decoder, &w, BK_VERDICT_OK, "");
    w_tick(&w); /* the budget is the record's, not the block's */
    w_long(&w, 65536);
    w_long(&w, 1);
    w_byte(&w, 0);
    expect(decoder, &w, BK_VERDICT_TOO_MANY, "extra");
    bk_decoder_destroy(&decoder);
}

static void nested_arrays_of_nulls_share_one_budget(void **state)
{
    (void)state;
    struct bk_decoder *decoder = decoder_with(
        TICK("{\"type\":\"array\",\"items\":{\"type\":\"array\",\"items\":\"null\"}}"));
    struct writer w;
    w_tick(&w);
    w_long(&w, 1000);
    for (int i = 0; i < 1000; i++) {
        w_long(&w, 65536);
        w_byte(&w, 0);
    }
    w_byte(&w, 0);
    expect(decoder, &w, BK_VERDICT_TOO_MANY, "extra");
    bk_decoder_destroy(&decoder);
}

static void a_count_beyond_the_payload_is_refused(void **state)
{
    (void)state;
    const char *const types[] = {"\"string\"", "\"long\"", "\"double\"", "[\"null\",\"long\"]",
                                 "{\"type\":\"map\",\"values\":\"null\"}"};
    const int64_t counts[] = {3, 100000000, INT64_C(1) << 40, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < BK_COUNTOF(types); i++) {
        char avsc[1024];
        struct writer w;
        snprintf(avsc, sizeof avsc, "%s{\"type\":\"array\",\"items\":%s}}]}", TICK_HEAD, types[i]);
        struct bk_decoder *decoder = decoder_with(avsc);
        for (size_t j = 0; j < BK_COUNTOF(counts); j++) {
            w_tick(&w);
            w_long(&w, counts[j]);
            w_byte(&w, 0);
            w_byte(&w, 0);
            expect(decoder, &w, BK_VERDICT_BAD_LENGTH, "extra");
        }
        bk_decoder_destroy(&decoder);
    }
}

static void as_many_elements_as_just_fit_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        int bytes; /* the fewest an element takes, all of them zero */
    } cases[] = {
        {"{\"type\":\"array\",\"items\":[\"null\",\"long\"]}", 1},
        {"{\"type\":\"array\",\"items\":[\"float\",\"double\"]}", 5},
        {"{\"type\":\"array\",\"items\":\"double\"}", 8},
        {"{\"type\":\"map\",\"values\":\"null\"}", 1},
        {"{\"type\":\"map\",\"values\":\"int\"}", 2},
        {"{\"type\":\"array\",\"items\":{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":"
         "\"a\","
         "\"type\":\"float\"},{\"name\":\"b\",\"type\":[\"null\",\"double\"]}]}}",
         5},
    };
    for (size_t i = 0; i < BK_COUNTOF(cases); i++) {
        char avsc[1024];
        snprintf(avsc, sizeof avsc, "%s%s}]}", TICK_HEAD, cases[i].type);
        struct bk_decoder *decoder = decoder_with(avsc);
        struct writer w;
        w_tick(&w);
        w_long(&w, 20);
        for (int at = 0; at < 20 * cases[i].bytes; at++) w_byte(&w, 0);
        w_byte(&w, 0);
        expect(decoder, &w, BK_VERDICT_OK, "");
        w_tick(&w);
        w_long(&w, 21); /* one more than there are bytes for, though some follow */
        for (int at = 0; at < 21 * cases[i].bytes - 1; at++) w_byte(&w, 0);
        expect(decoder, &w, BK_VERDICT_BAD_LENGTH, "extra");
        bk_decoder_destroy(&decoder);
    }
}

static void a_limit_holds_over_all_blocks_together(void **state)
{
    (void)state;
    for (int entries = 64; entries <= 65; entries++) {
        struct bk_decoder *decoder = decoder_with(
            "{\"type\":\"record\",\"name\":\"Tick\",\"fields\":[{\"name\":\"event_id\",\"type\":"
            "\"string\"},"
            "{\"name\":\"event_time\",\"type\":\"long\"},{\"name\":\"visitor_id\",\"type\":"
            "\"string\"},"
            "{\"name\":\"attributes\",\"type\":{\"type\":\"map\",\"values\":\"string\"}}]}");
        struct writer w;
        w_tick(&w);
        for (int i = 0; i < entries; i++) {
            w_long(&w, 1);
            w_text(&w, "k");
            w_text(&w, "v");
        }
        w_byte(&w, 0);
        expect(decoder, &w, entries == 64 ? BK_VERDICT_OK : BK_VERDICT_TOO_MANY,
               entries == 64 ? "" : "attributes");
        bk_decoder_destroy(&decoder);
    }
}

static void a_block_may_say_its_size_and_must_keep_to_it(void **state)
{
    (void)state;
    const char *const types[] = {"{\"type\":\"array\",\"items\":\"long\"}",
                                 "{\"type\":\"map\",\"values\":\"null\"}"};
    for (size_t i = 0; i < BK_COUNTOF(types); i++) {
        char avsc[1024];
        snprintf(avsc, sizeof avsc, "%s%s}]}", TICK_HEAD, types[i]);
        struct bk_decoder *decoder = decoder_with(avsc);
        for (int64_t size = -1; size <= 4; size++) {
            struct writer w;
            w_tick(&w);
            w_long(&w, -2);
            w_long(&w, size);
            w_byte(&w, 0); /* two elements of one byte each: numbers, or empty keys */
            w_byte(&w, 0);
            w_byte(&w, 0);
            expect(decoder, &w, size == 2 ? BK_VERDICT_OK : BK_VERDICT_BAD_LENGTH,
                   size == 2 ? "" : "extra");
        }
        bk_decoder_destroy(&decoder);
    }
}

static void the_lines_of_a_purchase_may_come_in_blocks_of_any_form(void **state)
{
    (void)state;
    static const char avsc[] =
        "{\"type\":\"record\",\"name\":\"Purchased\",\"fields\":["
        "{\"name\":\"event_id\",\"type\":\"string\"},{\"name\":\"event_time\",\"type\":\"long\"},"
        "{\"name\":\"visitor_id\",\"type\":\"string\"},{\"name\":\"order_id\",\"type\":\"string\"},"
        "{\"name\":\"lines\",\"type\":{\"type\":\"array\",\"items\":{\"type\":\"record\","
        "\"name\":\"PurchaseLine\",\"fields\":[{\"name\":\"item_id\",\"type\":\"string\"},"
        "{\"name\":\"quantity\",\"type\":\"int\"}]}}}]}";
    struct bk_decoder *decoder = decoder_with(avsc);
    const struct bk_event *ev;
    for (int split = 0; split <= 5; split++) {
        struct writer w;
        w_frame(&w, WRITER_ID);
        w_text(&w, "id");
        w_long(&w, 1);
        w_text(&w, "v");
        w_text(&w, "order");
        for (int i = 0; i < 5; i++) {
            if (i == 0 && split) w_long(&w, split);
            if (i == split) {
                w_long(&w, -(5 - split));
                w_long(&w, 3 * (5 - split));
            }
            w_text(&w, "a");
            w_long(&w, i + 1);
        }
        w_byte(&w, 0);
        assert_int_equal(w_decode(decoder, &w, BK_TOPIC_EVENTS, "v:v", &ev).code, BK_VERDICT_OK);
        assert_int_equal(ev->line_count, 5);
        for (int i = 0; i < 5; i++) {
            assert_int_equal(ev->lines[i].quantity, i + 1);
            assert_int_equal(ev->lines[i].unit_price_minor, BK_NULL_I64);
        }
    }
    bk_decoder_destroy(&decoder);
}

static void a_branch_that_does_not_exist_is_refused(void **state)
{
    (void)state;
    const char *const types[] = {"[\"null\",\"long\"]", "[\"null\",\"string\",\"double\"]",
                                 "[\"boolean\",\"null\"]", "[\"null\"]"};
    const int64_t branches[] = {-1, 3, INT64_C(1) << 31, INT64_C(1) << 32, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < BK_COUNTOF(types); i++) {
        char avsc[1024];
        snprintf(avsc, sizeof avsc, "%s%s}]}", TICK_HEAD, types[i]);
        struct bk_decoder *decoder = decoder_with(avsc);
        for (size_t j = 0; j < BK_COUNTOF(branches); j++) {
            struct writer w;
            w_tick(&w);
            w_long(&w, branches[j]);
            w_long(&w, 0);
            expect(decoder, &w, BK_VERDICT_BAD_BRANCH, "extra");
        }
        bk_decoder_destroy(&decoder);
    }
}

static void unions_of_records_of_unions_are_passed_over(void **state)
{
    (void)state;
    char avsc[8192] = "\"long\"";
    struct writer w;
    enum { LEVELS = 14 };
    for (int i = 0; i < LEVELS; i++) {
        char inner[8192];
        memcpy(inner, avsc, sizeof inner);
        int n =
            snprintf(avsc, sizeof avsc,
                     "[\"null\",{\"type\":\"record\",\"name\":\"R%d\",\"fields\":[{\"name\":\"f\","
                     "\"type\":%s}]}]",
                     i, inner);
        assert_true(n > 0 && (size_t)n < sizeof avsc);
    }
    char whole[9000];
    snprintf(whole, sizeof whole, "%s%s}]}", TICK_HEAD, avsc);
    struct bk_decoder *decoder = decoder_with(whole);
    for (int depth = 0; depth <= LEVELS; depth++) {
        w_tick(&w);
        for (int i = 0; i < depth; i++) w_long(&w, 1);
        if (depth < LEVELS)
            w_long(&w, 0);
        else
            w_long(&w, 123456);
        expect(decoder, &w, BK_VERDICT_OK, "");
        w.len--;
        expect(decoder, &w, BK_VERDICT_TRUNCATED,
               "extra"); /* the outermost field that we do not have */
    }
    bk_decoder_destroy(&decoder);
}

static void a_boolean_is_0_or_1_and_a_fixed_has_all_its_bytes(void **state)
{
    (void)state;
    struct writer w;
    struct bk_decoder *decoder = decoder_with(TICK("\"boolean\""));
    for (int byte = 0; byte < 4; byte++) {
        w_tick(&w);
        w_byte(&w, (uint8_t)byte);
        expect(decoder, &w, byte < 2 ? BK_VERDICT_OK : BK_VERDICT_OUT_OF_RANGE,
               byte < 2 ? "" : "extra");
    }
    bk_decoder_destroy(&decoder);
    decoder = decoder_with(TICK("{\"type\":\"fixed\",\"name\":\"F\",\"size\":3}"));
    for (int bytes = 0; bytes < 5; bytes++) {
        w_tick(&w);
        for (int i = 0; i < bytes; i++) w_byte(&w, 9);
        expect(decoder, &w,
               bytes < 3    ? BK_VERDICT_TRUNCATED
               : bytes == 3 ? BK_VERDICT_OK
                            : BK_VERDICT_TRAILING,
               bytes < 3 ? "extra" : "");
    }
    bk_decoder_destroy(&decoder);
}

static void maps_have_limits_on_entries_keys_and_values(void **state)
{
    (void)state;
    static const char avsc[] =
        "{\"type\":\"record\",\"name\":\"Tick\",\"fields\":[{\"name\":\"event_id\",\"type\":"
        "\"string\"},"
        "{\"name\":\"event_time\",\"type\":\"long\"},{\"name\":\"visitor_id\",\"type\":\"string\"},"
        "{\"name\":\"attributes\",\"type\":{\"type\":\"map\",\"values\":\"string\"}}]}";
    char key[130], value[1026];
    memset(key, 'k', sizeof key);
    memset(value, 'v', sizeof value);
    struct bk_decoder *decoder = decoder_with(avsc);
    for (int entries = 63; entries <= 65; entries++)
        for (int key_len = 128; key_len <= 129; key_len++)
            for (int value_len = 1024; value_len <= 1025; value_len++) {
                struct writer *w = malloc(sizeof *w);
                w_tick(w);
                w_long(w, entries);
                for (int i = 0; i < entries; i++) {
                    bool last = i == entries - 1;
                    key[last ? key_len : 1] = '\0';
                    w_text(w, key);
                    key[last ? key_len : 1] = 'k';
                    value[last ? value_len : 0] = '\0';
                    w_text(w, value);
                    value[last ? value_len : 0] = 'v';
                }
                w_byte(w, 0);
                enum bk_verdict_code code = entries > 64 ? BK_VERDICT_TOO_MANY
                                            : key_len > 128 || value_len > 1024
                                                ? BK_VERDICT_TOO_LONG
                                                : BK_VERDICT_OK;
                expect(decoder, w, code, code ? "attributes" : "");
                free(w);
            }
    bk_decoder_destroy(&decoder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_length_beyond_the_payload_is_refused_wherever_it_stands),
        cmocka_unit_test(a_varint_of_more_than_ten_bytes_is_refused),
        cmocka_unit_test(an_int_that_needs_more_than_32_bits_is_refused),
        cmocka_unit_test(an_array_of_a_hundred_million_nulls_is_refused),
        cmocka_unit_test(nested_arrays_of_nulls_share_one_budget),
        cmocka_unit_test(a_count_beyond_the_payload_is_refused),
        cmocka_unit_test(as_many_elements_as_just_fit_are_read),
        cmocka_unit_test(a_limit_holds_over_all_blocks_together),
        cmocka_unit_test(a_block_may_say_its_size_and_must_keep_to_it),
        cmocka_unit_test(the_lines_of_a_purchase_may_come_in_blocks_of_any_form),
        cmocka_unit_test(a_branch_that_does_not_exist_is_refused),
        cmocka_unit_test(unions_of_records_of_unions_are_passed_over),
        cmocka_unit_test(a_boolean_is_0_or_1_and_a_fixed_has_all_its_bytes),
        cmocka_unit_test(maps_have_limits_on_entries_keys_and_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
