/* test_person.c -- which records are about a shopper. */
#include "../../../src/cli/person.h"

#include "support/events.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct bk_decoder *decoder;
static struct person ann;
static uint8_t bytes[4096];

static int open_all(void **state)
{
    struct bk_reason reason;
    (void)state;
    ann = (struct person){
        .customer = BK_STR("ann"), .visitors = {BK_STR("phone")}, .visitor_count = 1};
    decoder = bk_decoder_create(NULL, 1 << 20, &reason);
    return decoder ? 0 : 1;
}

static int close_all(void **state)
{
    (void)state;
    bk_decoder_destroy(&decoder);
    return 0;
}

/* A view by this customer under that key; `cut` bytes are missing at its end. */
static struct bk_record view_of(const char *customer, const char *key, size_t cut)
{
    struct told told = tell_view(customer, "milk", TOLD_START);
    size_t len = bk_encode_event(&told.event, bytes, sizeof bytes);
    assert_true(len > cut);
    told_free(&told);
    return (struct bk_record){.topic = BK_TOPIC_EVENTS,
                              .key = bk_str_c(key),
                              .value = bk_str((const char *)bytes, len - cut)};
}

static void assert_is(struct bk_record record, bool is_in, bool may_be_in)
{
    assert_int_equal(bk__person_is_in(&ann, decoder, &record), is_in);
    assert_int_equal(bk__person_may_be_in(&ann, decoder, &record), may_be_in);
}

static void a_record_is_about_whom_its_event_or_its_key_names(void **state)
{
    (void)state;
    assert_is(view_of("ann", "c:ann", 0), true, true);
    assert_is(view_of("ann", "c:ann", 3), true, true); /* by its key */
    assert_is(view_of("bob", "c:bob", 0), false, false);
    assert_is(view_of("annabel", "c:annabel", 0), false, false);
}

static void what_cannot_be_decoded_may_be_about_whom_it_names(void **state)
{
    (void)state;
    assert_is(view_of("ann", "c:bob", 0), false, true);
    assert_is(view_of("ann", "", 3), false, true);
    assert_is(view_of("annabel", "c:bob", 0), false, false); /* another's, whose id begins so */
    assert_is(view_of("bob", "c:bobby", 0), false, false);
    struct bk_record json = {.topic = BK_TOPIC_EVENTS,
                             .key = BK_STR("k"),
                             .value = BK_STR("{\"visitor\": \"phone\", \"on\": \"headphones\"}")};
    assert_is(json, false, true);
    json.value = BK_STR("{\"item\": \"headphones\"}");
    assert_is(json, false, false);
}

static void long_ids_are_found_as_well(void **state)
{
    (void)state;
    char id[BK_ID_BYTES_MAX + 1];
    memset(id, 'a', sizeof id - 1);
    id[sizeof id - 1] = '\0';
    for (size_t len = 60; len <= BK_ID_BYTES_MAX; len += 4) {
        ann.customer = bk_str(id, len);
        char *name = strndup(id, len);
        assert_non_null(name);
        assert_is(view_of(name, "c:bob", 0), false, true);
        free(name);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_all, close_all)
    const struct CMUnitTest tests[] = {
        T(a_record_is_about_whom_its_event_or_its_key_names),
        T(what_cannot_be_decoded_may_be_about_whom_it_names),
        T(long_ids_are_found_as_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
