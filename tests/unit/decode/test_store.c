/* test_store.c -- schema ids, GUIDs, the folder of further writer schemas, and what is refused at
 * start-up. */
#include "writer.h"

#include <sys/stat.h>
#include <unistd.h>

static void an_id_keeps_its_meaning(void **state)
{
    (void)state;
    struct bk_reason reason = {""};
    struct bk_decoder *decoder = decoder_with(TICK("\"long\""));
    const char *same = TICK("\"long\""), *other = TICK("\"int\"");
    assert_int_equal(bk_decoder_schema_add(decoder, WRITER_ID, same, strlen(same), &reason), 0);
    assert_int_equal(bk_decoder_schema_add(decoder, WRITER_ID, other, strlen(other), &reason),
                     BK_EINVAL);
    assert_non_null(strstr(reason.text, "77"));
    assert_int_equal(bk_decoder_schema_add(decoder, WRITER_ID + 1, other, strlen(other), &reason),
                     0);
    bk_decoder_destroy(&decoder);
}

static void a_refused_schema_leaves_its_id_unknown(void **state)
{
    (void)state;
    struct bk_reason reason = {""};
    struct bk_decoder *decoder = sample_decoder();
    const char *good = TICK("\"long\"");
    const struct bk_event *ev;
    struct writer w;
    assert_int_equal(bk_decoder_schema_add(decoder, WRITER_ID, "{", 1, &reason), BK_EINVAL);
    w_tick(&w);
    assert_int_equal(w_decode(decoder, &w, BK_TOPIC_EVENTS, "v:v", &ev).code,
                     BK_VERDICT_UNKNOWN_SCHEMA);
    assert_int_equal(bk_decoder_schema_add(decoder, WRITER_ID, good, strlen(good), &reason), 0);
    bk_decoder_destroy(&decoder);
}

static void the_store_is_bounded(void **state)
{
    (void)state;
    struct bk_reason reason = {""};
    struct bk_decoder *decoder = sample_decoder();
    const char *avsc = TICK("\"long\"");
    const struct bk_event *ev;
    uint32_t room = 0;
    while (bk_decoder_schema_add(decoder, room * 7919, avsc, strlen(avsc), &reason) == 0) room++;
    assert_in_range(room, BK_SCHEMAS_MAX / 2, BK_SCHEMAS_MAX - BK_EVENT_KIND_COUNT);
    assert_int_equal(bk_decoder_schema_add(decoder, 5, avsc, strlen(avsc), &reason), BK_ELIMIT);
    for (uint32_t i = 0; i < room; i++) {
        struct writer w;
        w_tick(&w);
        w_long(&w, 1);
        for (int at = 0; at < 4; at++) w.bytes[1 + at] = (uint8_t)((i * 7919) >> (24 - 8 * at));
        assert_int_equal(w_decode(decoder, &w, BK_TOPIC_EVENTS, "v:v", &ev).code, BK_VERDICT_OK);
    }
    bk_decoder_destroy(&decoder);
}

static void a_schema_that_cannot_be_read_is_refused_with_the_field(void **state)
{
    (void)state;
    expect_refused("", BK_EINVAL, "");
    expect_refused("\"string\"", BK_EINVAL, "record kind");
    expect_refused("{\"type\":\"record\",\"name\":\"Nonsense\",\"fields\":[]}", BK_EINVAL,
                   "Nonsense");
    expect_refused("{\"type\":\"record\",\"name\":\"Tick\",\"fields\":[]}", BK_EINVAL, "event_id");
    expect_refused(
        "{\"type\":\"record\",\"name\":\"Tick\",\"fields\":[{\"name\":\"event_id\",\"type\":"
        "\"string\"}]}",
        BK_EINVAL, "event_time");
    expect_refused(
        "{\"type\":\"record\",\"name\":\"Tick\",\"fields\":[{\"name\":\"event_id\",\"type\":"
        "\"long\"}]}",
        BK_EINVAL, "event_id");
    expect_refused(
        "{\"type\":\"record\",\"name\":\"Tick\",\"fields\":[{\"name\":\"event_id\",\"type\":"
        "[\"null\",\"long\"]}]}",
        BK_EINVAL, "event_id");
    expect_refused(
        "{\"type\":\"record\",\"name\":\"Tick\",\"fields\":[{\"name\":\"event_id\",\"type\":"
        "\"string\"},{\"name\":\"event_time\",\"type\":\"double\"}]}",
        BK_EINVAL, "event_time");
}

static void a_union_inside_a_union_is_refused(void **state)
{
    (void)state;
    expect_refused(TICK("[[\"null\",\"long\"],\"string\"]"), BK_EINVAL, "union");
}

static void a_recursive_schema_is_refused(void **state)
{
    (void)state;
    expect_refused(
        TICK("{\"type\":\"record\",\"name\":\"Node\",\"fields\":[{\"name\":\"next\",\"type\":"
             "[\"null\",\"Node\"]}]}"),
        BK_EINVAL, "recursive");
}

static void a_schema_nested_too_deep_or_too_large_is_refused(void **state)
{
    (void)state;
    char *avsc = malloc(1 << 20);
    size_t len = (size_t)sprintf(avsc, "%s", TICK_HEAD);
    for (int i = 0; i < 40; i++)
        len += (size_t)sprintf(avsc + len, "{\"type\":\"array\",\"items\":");
    len += (size_t)sprintf(avsc + len, "\"long\"");
    for (int i = 0; i < 40; i++) len += (size_t)sprintf(avsc + len, "}");
    sprintf(avsc + len, "}]}");
    expect_refused(avsc, BK_ELIMIT, "deep");

    /* each level uses the one before twice: 2^14 leaves from a short text */
    len = (size_t)sprintf(avsc, "%s", TICK_HEAD);
    for (int i = 13; i >= 0; i--)
        len += (size_t)sprintf(
            avsc + len,
            "{\"type\":\"record\",\"name\":\"R%d\",\"fields\":[{\"name\":\"a\",\"type\":", i);
    len += (size_t)sprintf(avsc + len, "\"long\"}");
    for (int i = 0; i <= 13; i++) {
        if (i > 0) len += (size_t)sprintf(avsc + len, ",{\"name\":\"b\",\"type\":\"R%d\"}", i - 1);
        len += (size_t)sprintf(avsc + len, "]}}");
    }
    sprintf(avsc + len, "]}");
    expect_refused(avsc, BK_ELIMIT, "too large");
    free(avsc);
}

/* ---- a folder
 * ---------------------------------------------------------------------------------------------- */

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/bk-schemas-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static void put_file(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int remove_folder(void **state)
{
    (void)state;
    const char *const names[] = {"ids.tsv", "tick.avsc", "other.avsc"};
    char path[128];
    for (size_t i = 0; i < BK_COUNTOF(names); i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    return rmdir(folder);
}

static void a_folder_adds_ids_and_guids(void **state)
{
    (void)state;
    struct bk_reason reason = {""};
    const struct bk_event *ev;
    struct writer w;
    put_file("tick.avsc", TICK("\"long\""));
    put_file("ids.tsv",
             "# ours\n77\ttick.avsc\t00010203-0405-0607-0809-0a0b0c0d0e0F\n\n78\ttick.avsc\n");
    struct bk_decoder *decoder = bk_decoder_create(folder, 1000, &reason);
    assert_string_equal(reason.text, "");
    assert_non_null(decoder);
    w_tick(&w);
    w_long(&w, 1);
    assert_int_equal(w_decode(decoder, &w, BK_TOPIC_EVENTS, "v:v", &ev).code, BK_VERDICT_OK);

    const char guid[] = "\001\000\001\002\003\004\005\006\007\010\011\012\013\014\015\016\017";
    struct bk_record record = {.key = BK_STR("v:v"),
                               .value = bk_str((char *)w.bytes + 5, w.len - 5),
                               .value_schema_id = bk_str(guid, 17)};
    assert_int_equal(bk_decode(decoder, &record, &ev).code, BK_VERDICT_OK);
    assert_true(bk_str_eq(ev->event_id, BK_STR("id")));
    bk_decoder_destroy(&decoder);
}

static void a_folder_that_is_wrong_is_refused_by_file(void **state)
{
    (void)state;
    static const struct {
        const char *ids, *words;
    } cases[] = {
        {"77 tick.avsc\n", "ids"},
        {"x\ttick.avsc\n", "ids"},
        {"4294967296\ttick.avsc\n", ""},
        {"77\tmissing.avsc\n", "missing.avsc"},
        {"77\tother.avsc\n", "other.avsc"},
        {"77\ttick.avsc\tnot-a-guid\n", "GUID"},
        {"900001\ttick.avsc\n", "900001"},
        {"77\ttick.avsc\t00010203-0405-0607-0809-0a0b0c0d0e0f\n"
         "78\ttick.avsc\t00010203-0405-0607-0809-0a0b0c0d0e0f\n",
         "GUID"},
    };
    put_file("tick.avsc", TICK("\"long\""));
    put_file("other.avsc", "{\"type\":\"record\",\"name\":\"Other\",\"fields\":[]}");
    for (size_t i = 0; i < BK_COUNTOF(cases); i++) {
        struct bk_reason reason = {""};
        put_file("ids.tsv", cases[i].ids);
        assert_null(bk_decoder_create(folder, 1000, &reason));
        assert_string_not_equal(reason.text, "");
        if (strcmp(cases[i].words, "ids") != 0 && !strstr(reason.text, cases[i].words))
            fail_msg("\"%s\" does not say \"%s\"", reason.text, cases[i].words);
    }
    struct bk_reason reason = {""};
    assert_null(bk_decoder_create("/nowhere/at/all", 1000, &reason));
    assert_non_null(strstr(reason.text, "/nowhere/at/all"));
}

/* ---- what is built in
 * ---------------------------------------------------------------------------------------- */

static void every_kind_has_a_schema_and_an_id_of_its_own(void **state)
{
    (void)state;
    for (int kind = 0; kind < BK_EVENT_KIND_COUNT; kind++) {
        char name[64];
        snprintf(name, sizeof name, "\"name\": \"%s\"",
                 bk_event_kind_name((enum bk_event_kind)kind));
        assert_non_null(strstr(bk_schema_text((enum bk_event_kind)kind), name));
        assert_true(bk_schema_id((enum bk_event_kind)kind) > 0);
        for (int other = 0; other < kind; other++)
            assert_int_not_equal(bk_schema_id((enum bk_event_kind)kind),
                                 bk_schema_id((enum bk_event_kind)other));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_keeps_its_meaning),
        cmocka_unit_test(a_refused_schema_leaves_its_id_unknown),
        cmocka_unit_test(the_store_is_bounded),
        cmocka_unit_test(a_schema_that_cannot_be_read_is_refused_with_the_field),
        cmocka_unit_test(a_union_inside_a_union_is_refused),
        cmocka_unit_test(a_recursive_schema_is_refused),
        cmocka_unit_test(a_schema_nested_too_deep_or_too_large_is_refused),
        cmocka_unit_test_setup_teardown(a_folder_adds_ids_and_guids, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_folder_that_is_wrong_is_refused_by_file, make_folder,
                                        remove_folder),
        cmocka_unit_test(every_kind_has_a_schema_and_an_id_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
