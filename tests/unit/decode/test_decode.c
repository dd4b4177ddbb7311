/* test_decode.c -- one record in, one verdict out: every kind, every limit, every wrong key. */
#include "samples.h"

#include <stdio.h>

static int setup(void **state)
{
    *state = sample_decoder();
    return 0;
}

static int teardown(void **state)
{
    struct bk_decoder *decoder = *state;
    bk_decoder_destroy(&decoder);
    return 0;
}

static void expect(struct bk_decoder *decoder, struct sample *s, enum bk_verdict_code code,
                   const char *field)
{
    const struct bk_event *ev;
    struct bk_verdict got = sample_decode(decoder, s, &ev);
    if (got.code != code || strcmp(got.field, field) != 0)
        fail_msg("%s: want %s of \"%s\", got %s of \"%s\"", bk_event_kind_name(s->ev.kind),
                 bk_verdict_label(code), field, bk_verdict_label(got.code), got.field);
    assert_int_equal(ev == NULL, code != BK_VERDICT_OK);
}

static void every_kind_comes_back_as_it_was_written(void **state)
{
    for (int kind = 0; kind < BK_EVENT_KIND_COUNT; kind++) {
        struct sample *s = sample_of((enum bk_event_kind)kind);
        const struct bk_event *ev;
        expect(*state, s, BK_VERDICT_OK, "");
        assert_int_equal(sample_decode(*state, s, &ev).code, BK_VERDICT_OK);
        assert_same_event(ev, &s->ev);
        free(s);
    }
}

static void every_kind_comes_back_with_only_what_is_required(void **state)
{
    for (int kind = 0; kind < BK_EVENT_KIND_COUNT; kind++) {
        struct sample *s = sample_of((enum bk_event_kind)kind);
        bk_str_t none = {0};
        s->ev.session = s->ev.rec_token = s->ev.store = s->ev.device = s->ev.channel = none;
        s->ev.weather = s->ev.page = s->ev.currency = s->ev.review = s->ev.reason = none;
        s->ev.brand = s->ev.image = s->ev.variant_group = none;
        if (kind != BK_EVENT_LIST_SHOWN) s->ev.list = none;
        if (kind == BK_EVENT_CUSTOMER) s->ev.name = none;
        if (kind != BK_EVENT_IDENTIFIED && kind != BK_EVENT_SUBJECT_MERGED &&
            kind != BK_EVENT_CUSTOMER)
            s->ev.customer = none;
        for (uint32_t i = 0; i < s->ev.line_count; i++) {
            s->lines[i].category = s->lines[i].promotion = none;
            s->lines[i].unit_price_minor = s->lines[i].discount_minor = BK_NULL_I64;
        }
        sample_encode(s);
        const struct bk_event *ev;
        expect(*state, s, BK_VERDICT_OK, "");
        assert_int_equal(sample_decode(*state, s, &ev).code, BK_VERDICT_OK);
        assert_same_event(ev, &s->ev);
        free(s);
    }
}

static void nothing_of_the_event_before_shines_through(void **state)
{
    for (int before = 0; before < BK_EVENT_KIND_COUNT; before++) {
        struct sample *first = sample_of((enum bk_event_kind)before);
        for (int kind = 0; kind < BK_EVENT_KIND_COUNT; kind++) {
            struct sample *s = sample_of((enum bk_event_kind)kind);
            const struct bk_event *ev;
            assert_int_equal(sample_decode(*state, first, &ev).code, BK_VERDICT_OK);
            assert_int_equal(sample_decode(*state, s, &ev).code, BK_VERDICT_OK);
            assert_same_event(ev, &s->ev);
            free(s);
        }
        free(first);
    }
}

static void a_buffer_one_byte_short_is_refused_by_the_writer(void **state)
{
    (void)state;
    for (int kind = 0; kind < BK_EVENT_KIND_COUNT; kind++) {
        struct sample *s = sample_of((enum bk_event_kind)kind);
        uint8_t *exact = malloc(s->len);
        assert_int_equal(bk_encode_event(&s->ev, exact, s->len), s->len);
        assert_int_equal(bk_encode_event(&s->ev, exact, s->len - 1), 0);
        assert_int_equal(bk_encode_event(&s->ev, exact, 0), 0);
        free(exact);
        free(s);
    }
}

/* ---- framing
 * --------------------------------------------------------------------------------------------- */

static void framing_that_is_not_ours_is_a_bad_frame(void **state)
{
    struct sample *s = sample_of(BK_EVENT_TICK);
    s->bytes[0] = 1;
    expect(*state, s, BK_VERDICT_BAD_FRAME, "");
    s->bytes[0] = '{';
    expect(*state, s, BK_VERDICT_BAD_FRAME, "");
    s->bytes[0] = 0;
    for (s->len = 0; s->len < 5; s->len++) expect(*state, s, BK_VERDICT_BAD_FRAME, "");
    free(s);
}

static void an_id_nobody_knows_is_an_unknown_schema(void **state)
{
    struct sample *s = sample_of(BK_EVENT_TICK);
    for (uint32_t i = 0; i < 100000; i++) {
        uint32_t id = (uint32_t)bk_mix(i);
        if (id >= bk_schema_id((enum bk_event_kind)0) &&
            id < bk_schema_id((enum bk_event_kind)0) + 100)
            continue;
        for (int at = 0; at < 4; at++) s->bytes[1 + at] = (uint8_t)(id >> (24 - 8 * at));
        expect(*state, s, BK_VERDICT_UNKNOWN_SCHEMA, "");
    }
    free(s);
}

static void a_payload_over_the_limit_is_not_looked_at(void **state)
{
    (void)state;
    struct bk_reason reason = {""};
    struct sample *s = sample_of(BK_EVENT_ITEM_VIEWED);
    struct bk_decoder *decoder = bk_decoder_create(NULL, (uint32_t)s->len, &reason);
    expect(decoder, s, BK_VERDICT_OK, "");
    bk_decoder_destroy(&decoder);
    decoder = bk_decoder_create(NULL, (uint32_t)s->len - 1, &reason);
    expect(decoder, s, BK_VERDICT_TOO_LARGE, "");
    bk_decoder_destroy(&decoder);
    free(s);
}

static void the_id_may_come_in_a_header_instead(void **state)
{
    struct sample *s = sample_of(BK_EVENT_ITEM_VIEWED);
    struct bk_record record = sample_record(s);
    const struct bk_event *ev;
    record.value_schema_id = bk_str((const char *)s->bytes, 5);
    record.value = bk_str((const char *)s->bytes + 5, s->len - 5);
    assert_int_equal(bk_decode(*state, &record, &ev).code, BK_VERDICT_OK);
    assert_same_event(ev, &s->ev);
    record.value_schema_id.len = 4;
    assert_int_equal(bk_decode(*state, &record, &ev).code, BK_VERDICT_BAD_FRAME);
    free(s);
}

static void a_guid_nobody_knows_is_an_unknown_schema(void **state)
{
    struct sample *s = sample_of(BK_EVENT_ITEM_VIEWED);
    struct bk_record record = sample_record(s);
    const struct bk_event *ev;
    record.value_schema_id = bk_str("\001abcdefghijklmnop", 17);
    assert_int_equal(bk_decode(*state, &record, &ev).code, BK_VERDICT_UNKNOWN_SCHEMA);
    record.value_schema_id.len = 16;
    assert_int_equal(bk_decode(*state, &record, &ev).code, BK_VERDICT_BAD_FRAME);
    free(s);
}

/* ---- bytes
 * ---------------------------------------------------------------------------------------------------
 */

static void every_truncation_is_a_verdict_and_never_an_event(void **state)
{
    for (int kind = 0; kind < BK_EVENT_KIND_COUNT; kind++) {
        struct sample *s = sample_of((enum bk_event_kind)kind);
        for (size_t len = 0; len < s->len; len++) {
            uint8_t *exact = malloc(len ? len : 1); /* so that a sanitizer sees one byte too far */
            memcpy(exact, s->bytes, len);
            struct bk_record record = sample_record(s);
            const struct bk_event *ev;
            record.value = bk_str((const char *)exact, len);
            struct bk_verdict got = bk_decode(*state, &record, &ev);
            if (len < 5)
                assert_int_equal(got.code, BK_VERDICT_BAD_FRAME);
            else
                assert_true(got.code == BK_VERDICT_TRUNCATED || got.code == BK_VERDICT_BAD_LENGTH);
            assert_null(ev);
            free(exact);
        }
        free(s);
    }
}

static void bytes_after_the_record_are_trailing(void **state)
{
    for (int kind = 0; kind < BK_EVENT_KIND_COUNT; kind++) {
        struct sample *s = sample_of((enum bk_event_kind)kind);
        s->bytes[s->len++] = 0;
        expect(*state, s, BK_VERDICT_TRAILING, "");
        free(s);
    }
}

static void every_flipped_byte_is_a_verdict(void **state)
{
    for (int kind = 0; kind < BK_EVENT_KIND_COUNT; kind++) {
        struct sample *s = sample_of((enum bk_event_kind)kind);
        for (size_t at = 0; at < s->len; at++) {
            uint8_t was = s->bytes[at];
            for (int value = 0; value < 256; value++) {
                const struct bk_event *ev;
                s->bytes[at] = (uint8_t)value;
                assert_true((unsigned)sample_decode(*state, s, &ev).code < BK_VERDICT_COUNT);
            }
            s->bytes[at] = was;
        }
        free(s);
    }
}

/* ---- limits: each at its edge and one over
 * ------------------------------------------------------------------- */

static char filler[4096];

static bk_str_t text_of(size_t len)
{
    memset(filler, 'x', sizeof filler);
    return bk_str(filler, len);
}

struct text_limit {
    enum bk_event_kind kind;
    size_t at;
    bool in_line;
    uint32_t max;
    bool required;
    const char *field;
};

#define EV(member) offsetof(struct bk_event, member), false
#define LN(member) offsetof(struct bk_line, member), true

static void every_text_has_its_limit(void **state)
{
    static const struct text_limit limits[] = {
        {BK_EVENT_ITEM_VIEWED, EV(event_id), 128, true, "event_id"},
        {BK_EVENT_ITEM_VIEWED, EV(customer), 128, false, "customer_id"},
        {BK_EVENT_ITEM_VIEWED, EV(visitor), 128, false, "visitor_id"},
        {BK_EVENT_ITEM_VIEWED, EV(session), 128, false, "session_id"},
        {BK_EVENT_ITEM_VIEWED, EV(rec_token), 1024, false, "rec_token"},
        {BK_EVENT_ITEM_VIEWED, EV(store), 128, false, "context.store"},
        {BK_EVENT_ITEM_VIEWED, EV(device), 128, false, "context.device"},
        {BK_EVENT_ITEM_VIEWED, EV(channel), 128, false, "context.channel"},
        {BK_EVENT_ITEM_VIEWED, EV(weather), 128, false, "context.weather"},
        {BK_EVENT_ITEM_VIEWED, EV(page), 128, false, "context.page"},
        {BK_EVENT_ITEM_VIEWED, LN(item), 128, true, "item.item_id"},
        {BK_EVENT_ITEM_VIEWED, LN(category), 1024, false, "item.category"},
        {BK_EVENT_SEARCHED, EV(query), 1024, true, "query"},
        {BK_EVENT_CART_CHANGED, LN(item), 128, true, "items.item_id"},
        {BK_EVENT_PURCHASED, EV(order_id), 128, true, "order_id"},
        {BK_EVENT_PURCHASED, LN(item), 128, true, "lines.item_id"},
        {BK_EVENT_PURCHASED, LN(promotion), 128, false, "lines.promotion"},
        {BK_EVENT_PURCHASED, LN(category), 1024, false, "lines.category"},
        {BK_EVENT_REFUNDED, EV(order_id), 128, true, "order_id"},
        {BK_EVENT_REFUNDED, EV(reason), 1024, false, "reason"},
        {BK_EVENT_LIST_SHOWN, EV(list), 128, true, "list"},
        {BK_EVENT_LIST_SHOWN, LN(item), 128, true, "item_ids"},
        {BK_EVENT_ITEM_CLICKED, EV(list), 128, false, "list"},
        {BK_EVENT_ITEM_DISMISSED, EV(reason), 1024, false, "reason"},
        {BK_EVENT_ITEM_RATED, EV(review), 1024, false, "review"},
        {BK_EVENT_IDENTIFIED, EV(visitor), 128, true, "visitor_id"},
        {BK_EVENT_IDENTIFIED, EV(customer), 128, true, "customer_id"},
        {BK_EVENT_SUBJECT_MERGED, EV(customer), 128, true, "customer_id"},
        {BK_EVENT_SUBJECT_MERGED, EV(merged_subject), 130, true, "merged_subject"},
        {BK_EVENT_CUSTOMER_ERASED, EV(reason), 1024, false, "reason"},
        {BK_EVENT_PRODUCT, LN(item), 128, true, "item_id"},
        {BK_EVENT_PRODUCT, LN(category), 1024, false, "category"},
        {BK_EVENT_PRODUCT, LN(promotion), 128, false, "promotion"},
        {BK_EVENT_PRODUCT, EV(name), 1024, true, "name"},
        {BK_EVENT_PRODUCT, EV(brand), 128, false, "brand"},
        {BK_EVENT_PRODUCT, EV(image), 1024, false, "image"},
        {BK_EVENT_PRODUCT, EV(variant_group), 128, false, "variant_group"},
        {BK_EVENT_STOCK, LN(item), 128, true, "item_id"},
        {BK_EVENT_STOCK, EV(store), 128, false, "store"},
        {BK_EVENT_CUSTOMER, EV(customer), 128, true, "customer_id"},
        {BK_EVENT_CUSTOMER, EV(name), 1024, false, "name"},
    };
    for (size_t i = 0; i < BK_COUNTOF(limits); i++) {
        const struct text_limit *limit = &limits[i];
        struct sample *s = sample_of(limit->kind);
        bk_str_t *text =
            (bk_str_t *)((limit->in_line ? (char *)&s->lines[0] : (char *)&s->ev) + limit->at);
        *text = text_of(limit->max);
        sample_encode(s);
        expect(*state, s, BK_VERDICT_OK, "");

        s->len =
            (*text = text_of(limit->max + 1), bk_encode_event(&s->ev, s->bytes, sizeof s->bytes));
        expect(*state, s, BK_VERDICT_TOO_LONG, limit->field);

        *text = BK_STR("ab\300\200cdefgh");
        s->len = bk_encode_event(&s->ev, s->bytes, sizeof s->bytes);
        expect(*state, s, BK_VERDICT_BAD_UTF8, limit->field);

        *text = BK_STR("");
        sample_key(s);
        s->len = bk_encode_event(&s->ev, s->bytes, sizeof s->bytes);
        expect(*state, s, limit->required ? BK_VERDICT_MISSING : BK_VERDICT_OK,
               limit->required ? limit->field : "");
        if (!limit->required) {
            struct bk_record record = sample_record(s);
            const struct bk_event *ev;
            assert_int_equal(bk_decode(*state, &record, &ev).code, BK_VERDICT_OK);
            const bk_str_t *got =
                (const bk_str_t *)((limit->in_line ? (const char *)ev->lines : (const char *)ev) +
                                   limit->at);
            assert_null(got->p);
        }
        free(s);
    }
}

static void a_byte_that_is_not_utf8_is_seen_wherever_it_stands(void **state)
{
    struct sample *s = sample_of(BK_EVENT_SEARCHED);
    for (size_t len = 1; len <= 40; len++)
        for (size_t at = 0; at < len; at++) {
            s->ev.query = text_of(len);
            filler[at] = '\xff';
            sample_encode(s);
            expect(*state, s, BK_VERDICT_BAD_UTF8, "query");
            if (at + 1 == len) continue;
            filler[at] = '\xc3';
            filler[at + 1] = '\xa9';
            sample_encode(s);
            expect(*state, s, BK_VERDICT_OK, "");
        }
    free(s);
}

struct number_limit {
    enum bk_event_kind kind;
    size_t at;
    bool in_line;
    int64_t min, max;
    enum bk_verdict_code below, above;
    const char *field;
};

static void every_number_has_its_limits(void **state)
{
    const enum bk_verdict_code range = BK_VERDICT_OUT_OF_RANGE, branch = BK_VERDICT_BAD_BRANCH;
    const int64_t money = INT64_C(1000000000000), time = INT64_C(253402300799999);
    const struct number_limit limits[] = {
        {BK_EVENT_ITEM_VIEWED, EV(event_time_ms), 0, time, range, range, "event_time"},
        {BK_EVENT_ITEM_VIEWED, EV(consent), 0, 3, branch, branch, "consent"},
        {BK_EVENT_CONSENT_CHANGED, EV(consent), 1, 3, range, branch, "consent"},
        {BK_EVENT_ITEM_VIEWED, LN(quantity), 1, 1000000, range, range, "item.quantity"},
        {BK_EVENT_ITEM_VIEWED, LN(unit_price_minor), 0, money, range, range,
         "item.unit_price_minor"},
        {BK_EVENT_PURCHASED, LN(quantity), 1, 1000000, range, range, "lines.quantity"},
        {BK_EVENT_PURCHASED, LN(unit_price_minor), 0, money, range, range,
         "lines.unit_price_minor"},
        {BK_EVENT_PURCHASED, LN(discount_minor), 0, money, range, range, "lines.discount_minor"},
        {BK_EVENT_CART_CHANGED, EV(op), 0, 3, branch, branch, "op"},
        {BK_EVENT_WISHLIST_CHANGED, EV(op), 0, 1, branch, branch, "op"},
        {BK_EVENT_ITEM_RATED, EV(rating), 1, 5, range, range, "rating"},
        {BK_EVENT_PRODUCT, LN(unit_price_minor), 0, money, range, range, "unit_price_minor"},
        {BK_EVENT_PRODUCT, EV(event_time_ms), 0, time, range, range, "updated_time"},
        {BK_EVENT_STOCK, EV(available), 0, 1000000000, range, range, "available"},
    };
    for (size_t i = 0; i < BK_COUNTOF(limits); i++) {
        const struct number_limit *limit = &limits[i];
        const struct {
            int64_t value;
            enum bk_verdict_code code;
        } cases[] = {
            {limit->min, BK_VERDICT_OK},
            {limit->max, BK_VERDICT_OK},
            {limit->min - 1, limit->below},
            {limit->max + 1, limit->above},
            {INT64_MIN + 1, limit->min ? limit->above : limit->below},
        };
        struct sample *s = sample_of(limit->kind);
        int64_t *number =
            (int64_t *)((limit->in_line ? (char *)&s->lines[0] : (char *)&s->ev) + limit->at);
        for (size_t j = 0; j < BK_COUNTOF(cases); j++) {
            bool wide = j == 4 &&
                        (limit->at == offsetof(struct bk_event, consent) || limit->above == branch);
            if (wide) continue; /* an enum's index has 32 bits: another verdict, not this one */
            *number = cases[j].value;
            sample_encode(s);
            expect(*state, s, cases[j].code, cases[j].code ? limit->field : "");
        }
        free(s);
    }
}

static void a_currency_is_three_capital_letters(void **state)
{
    const enum bk_event_kind kinds[] = {BK_EVENT_ITEM_VIEWED, BK_EVENT_CART_CHANGED,
                                        BK_EVENT_PURCHASED,   BK_EVENT_REFUNDED,
                                        BK_EVENT_PRODUCT,     BK_EVENT_ITEM_CLICKED};
    const char *const bad[] = {"eur", "EU", "EURO", "E\303\204", "EU1", " EU"};
    for (size_t i = 0; i < BK_COUNTOF(kinds); i++) {
        struct sample *s = sample_of(kinds[i]);
        for (size_t j = 0; j < BK_COUNTOF(bad); j++) {
            s->ev.currency = bk_str_c(bad[j]);
            sample_encode(s);
            expect(*state, s, BK_VERDICT_BAD_CURRENCY, "currency");
        }
        free(s);
    }
}

static void fill_lines(struct sample *s, uint32_t count, enum bk_line_role role)
{
    s->ev.line_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        sample_line(s, "milk-1l", false, false);
        s->lines[i].role = role;
    }
    sample_encode(s);
}

static void a_record_has_at_most_2000_lines(void **state)
{
    static const struct {
        enum bk_event_kind kind;
        uint32_t min;
        enum bk_line_role role;
        const char *field;
    } arrays[] = {
        {BK_EVENT_CART_CHANGED, 0, BK_LINE_PLAIN, "items"},
        {BK_EVENT_PURCHASED, 1, BK_LINE_PLAIN, "lines"},
        {BK_EVENT_WISHLIST_CHANGED, 1, BK_LINE_PLAIN, "items"},
        {BK_EVENT_REFUNDED, 0, BK_LINE_PLAIN, "lines"},
        {BK_EVENT_LIST_SHOWN, 1, BK_LINE_PLAIN, "item_ids"},
        {BK_EVENT_SUBJECT_MERGED, 0, BK_LINE_VIEWED, "viewed"},
        {BK_EVENT_SUBJECT_MERGED, 0, BK_LINE_CART, "cart"},
    };
    for (size_t i = 0; i < BK_COUNTOF(arrays); i++) {
        struct sample *s = sample_of(arrays[i].kind);
        fill_lines(s, BK_LINES_MAX, arrays[i].role);
        expect(*state, s, BK_VERDICT_OK, "");
        fill_lines(s, BK_LINES_MAX + 1, arrays[i].role);
        expect(*state, s, BK_VERDICT_TOO_MANY, arrays[i].field);
        fill_lines(s, 0, arrays[i].role);
        expect(*state, s, arrays[i].min ? BK_VERDICT_MISSING : BK_VERDICT_OK,
               arrays[i].min ? arrays[i].field : "");
        free(s);
    }
    struct sample *s = sample_of(BK_EVENT_SUBJECT_MERGED); /* two arrays, one limit */
    fill_lines(s, BK_LINES_MAX + 1, BK_LINE_VIEWED);
    s->lines[BK_LINES_MAX].role = BK_LINE_CART;
    sample_encode(s);
    expect(*state, s, BK_VERDICT_TOO_MANY, "cart");
    free(s);
}

/* ---- whose it is
 * --------------------------------------------------------------------------------------------------
 */

static void a_key_that_is_not_the_subject_is_a_mismatch(void **state)
{
    for (int kind = 0; kind < BK_EVENT_KIND_COUNT; kind++) {
        struct sample *s = sample_of((enum bk_event_kind)kind);
        for (uint32_t at = 0; at < s->key_len; at++) {
            s->key[at] ^= 1;
            expect(*state, s, BK_VERDICT_KEY_MISMATCH, "key");
            s->key[at] ^= 1;
        }
        s->key_len--;
        expect(*state, s, BK_VERDICT_KEY_MISMATCH, "key");
        s->key_len += 2;
        expect(*state, s, BK_VERDICT_KEY_MISMATCH, "key");
        struct bk_record record = sample_record(s);
        const struct bk_event *ev;
        record.key = (bk_str_t){0};
        assert_int_equal(bk_decode(*state, &record, &ev).code, BK_VERDICT_KEY_MISMATCH);
        free(s);
    }
}

static void a_visitor_and_a_customer_of_one_id_never_meet(void **state)
{
    struct sample *s = sample_of(BK_EVENT_ITEM_VIEWED);
    s->ev.visitor = s->ev.customer = BK_STR("7");
    sample_encode(s);
    assert_memory_equal(s->key, "c:7", 3);
    memcpy(s->key, "v:7", 3);
    expect(*state, s, BK_VERDICT_KEY_MISMATCH, "key");
    s->ev.customer = (bk_str_t){0};
    sample_encode(s);
    assert_memory_equal(s->key, "v:7", 3);
    expect(*state, s, BK_VERDICT_OK, "");
    free(s);
}

static void identified_is_keyed_by_the_visitor(void **state)
{
    struct sample *s = sample_of(BK_EVENT_IDENTIFIED);
    assert_memory_equal(s->key, "v:visitor-7", 11);
    expect(*state, s, BK_VERDICT_OK, "");
    s->key_len = 13;
    memcpy(s->key, "c:customer-42", 13);
    expect(*state, s, BK_VERDICT_KEY_MISMATCH, "key");
    free(s);
}

static void an_event_of_nobody_misses_its_visitor(void **state)
{
    struct sample *s = sample_of(BK_EVENT_TICK);
    s->ev.visitor = s->ev.customer = (bk_str_t){0};
    sample_encode(s);
    expect(*state, s, BK_VERDICT_MISSING, "visitor_id");
    free(s);
}

static void a_cart_change_of_nothing_misses_its_items(void **state)
{
    static const bool needs_items[] = {[BK_CART_ADD] = true,
                                       [BK_CART_REMOVE] = true,
                                       [BK_CART_CLEAR] = false,
                                       [BK_CART_SET] = false};
    for (int op = BK_CART_ADD; op <= BK_CART_SET; op++) {
        struct sample *s = sample_of(BK_EVENT_CART_CHANGED);
        s->ev.op = op;
        fill_lines(s, 0, BK_LINE_PLAIN);
        expect(*state, s, needs_items[op] ? BK_VERDICT_MISSING : BK_VERDICT_OK,
               needs_items[op] ? "items" : "");
        free(s);
    }
}

static void stock_is_keyed_by_item_and_store(void **state)
{
    struct sample *s = sample_of(BK_EVENT_STOCK);
    assert_int_equal(s->key_len, 16);
    assert_memory_equal(s->key, "milk-1l|store-12", 16);
    s->ev.store = (bk_str_t){0};
    sample_encode(s);
    assert_int_equal(s->key_len, 7);
    expect(*state, s, BK_VERDICT_OK, "");
    s->lines[0].item = BK_STR("a|b");
    sample_encode(s);
    expect(*state, s, BK_VERDICT_KEY_MISMATCH,
           "key"); /* its tombstone could not be told from item a, store b */
    free(s);
}

static void every_kind_belongs_to_one_topic(void **state)
{
    for (int kind = 0; kind < BK_EVENT_KIND_COUNT; kind++) {
        struct sample *s = sample_of((enum bk_event_kind)kind);
        enum bk_topic own = s->topic;
        for (int topic = 0; topic < BK_TOPIC_COUNT; topic++) {
            s->topic = (enum bk_topic)topic;
            expect(*state, s, s->topic == own ? BK_VERDICT_OK : BK_VERDICT_WRONG_TOPIC, "");
        }
        free(s);
    }
}

/* ---- tombstones
 * ------------------------------------------------------------------------------------------------------
 */

static struct bk_verdict decode_null(struct bk_decoder *decoder, enum bk_topic topic, bk_str_t key,
                                     const struct bk_event **ev)
{
    struct bk_record record = {.topic = topic, .key = key};
    return bk_decode(decoder, &record, ev);
}

static void a_tombstone_on_a_fact_topic_names_what_its_key_names(void **state)
{
    const struct bk_event *ev;
    assert_int_equal(decode_null(*state, BK_TOPIC_PRODUCTS, BK_STR("milk"), &ev).code,
                     BK_VERDICT_OK);
    assert_true(ev->tombstone && ev->kind == BK_EVENT_PRODUCT &&
                bk_str_eq(ev->lines[0].item, BK_STR("milk")));
    assert_int_equal(decode_null(*state, BK_TOPIC_STOCK, BK_STR("milk|s1"), &ev).code,
                     BK_VERDICT_OK);
    assert_true(ev->tombstone && ev->kind == BK_EVENT_STOCK &&
                bk_str_eq(ev->lines[0].item, BK_STR("milk")));
    assert_true(bk_str_eq(ev->store, BK_STR("s1")));
    assert_int_equal(decode_null(*state, BK_TOPIC_STOCK, BK_STR("milk"), &ev).code, BK_VERDICT_OK);
    assert_null(ev->store.p);
    assert_int_equal(decode_null(*state, BK_TOPIC_CUSTOMERS, BK_STR("42"), &ev).code,
                     BK_VERDICT_OK);
    assert_true(ev->tombstone && ev->kind == BK_EVENT_CUSTOMER &&
                bk_str_eq(ev->customer, BK_STR("42")));
}

static void a_tombstone_on_the_events_topic_is_a_verdict(void **state)
{
    const struct bk_event *ev;
    assert_int_equal(decode_null(*state, BK_TOPIC_EVENTS, BK_STR("c:42"), &ev).code,
                     BK_VERDICT_TOMBSTONE);
    assert_null(ev);
}

static void a_tombstone_needs_a_key_within_its_limits(void **state)
{
    const struct bk_event *ev;
    for (int topic = BK_TOPIC_PRODUCTS; topic < BK_TOPIC_COUNT; topic++) {
        assert_int_equal(decode_null(*state, topic, (bk_str_t){0}, &ev).code, BK_VERDICT_MISSING);
        assert_int_equal(decode_null(*state, topic, text_of(128), &ev).code, BK_VERDICT_OK);
        assert_int_equal(decode_null(*state, topic, text_of(129), &ev).code, BK_VERDICT_TOO_LONG);
        assert_int_equal(decode_null(*state, topic, BK_STR("\377"), &ev).code, BK_VERDICT_BAD_UTF8);
    }
    assert_int_equal(decode_null(*state, BK_TOPIC_STOCK, BK_STR("|s"), &ev).code,
                     BK_VERDICT_MISSING);
    assert_int_equal(decode_null(*state, BK_TOPIC_STOCK, BK_STR("a|"), &ev).code,
                     BK_VERDICT_MISSING);
    assert_int_equal(decode_null(*state, BK_TOPIC_STOCK, BK_STR("a|b|c"), &ev).code,
                     BK_VERDICT_KEY_MISMATCH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_comes_back_as_it_was_written),
        cmocka_unit_test(every_kind_comes_back_with_only_what_is_required),
        cmocka_unit_test(nothing_of_the_event_before_shines_through),
        cmocka_unit_test(a_buffer_one_byte_short_is_refused_by_the_writer),
        cmocka_unit_test(framing_that_is_not_ours_is_a_bad_frame),
        cmocka_unit_test(an_id_nobody_knows_is_an_unknown_schema),
        cmocka_unit_test(a_payload_over_the_limit_is_not_looked_at),
        cmocka_unit_test(the_id_may_come_in_a_header_instead),
        cmocka_unit_test(a_guid_nobody_knows_is_an_unknown_schema),
        cmocka_unit_test(every_truncation_is_a_verdict_and_never_an_event),
        cmocka_unit_test(bytes_after_the_record_are_trailing),
        cmocka_unit_test(every_flipped_byte_is_a_verdict),
        cmocka_unit_test(every_text_has_its_limit),
        cmocka_unit_test(a_byte_that_is_not_utf8_is_seen_wherever_it_stands),
        cmocka_unit_test(every_number_has_its_limits),
        cmocka_unit_test(a_currency_is_three_capital_letters),
        cmocka_unit_test(a_record_has_at_most_2000_lines),
        cmocka_unit_test(a_key_that_is_not_the_subject_is_a_mismatch),
        cmocka_unit_test(a_visitor_and_a_customer_of_one_id_never_meet),
        cmocka_unit_test(identified_is_keyed_by_the_visitor),
        cmocka_unit_test(an_event_of_nobody_misses_its_visitor),
        cmocka_unit_test(a_cart_change_of_nothing_misses_its_items),
        cmocka_unit_test(stock_is_keyed_by_item_and_store),
        cmocka_unit_test(every_kind_belongs_to_one_topic),
        cmocka_unit_test(a_tombstone_on_a_fact_topic_names_what_its_key_names),
        cmocka_unit_test(a_tombstone_on_the_events_topic_is_a_verdict),
        cmocka_unit_test(a_tombstone_needs_a_key_within_its_limits),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
