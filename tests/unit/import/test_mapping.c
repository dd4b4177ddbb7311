/* test_mapping.c -- a mapping's text, its errors with their places, paths into JSON, and files that
 * are not what they should be. */
#include "../../../src/import/mapping.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../../src/import/json_path.h"

#define S    bk_str_c
#define BASE "[t]\nrecognise = a\nalways = view\nitem = i\nuser = u\n"

/* ---- the text ---- */

static void an_error_names_line_and_column(void **state)
{
    static const struct {
        const char *text, *error;
    } bad[] = {
        {"", "mapping: no [table] in it"},
        {"item = a\n", "mapping:1:1: before the first [table]"},
        {"[t\n", "mapping:1:3: no ]"},
        {"[]\n", "mapping:1:2: a name of 1 to 60 bytes"},
        {"[t]\n\n  itm = a\n", "mapping:3:3: no such key: itm"},
        {"[t]\nitem\n", "mapping:2:1: neither [table] nor key = value"},
        {"[t]\nitem =\n", "mapping:2:7: no value"},
        {"[t]\nitem = a | \n", "mapping:2:11: an empty name"},
        {"[t]\nitem = a@\n", "mapping:2:8: an empty name"},
        {"[t]\nkind = things\n", "mapping:2:8: none of events"},
        {"[t]\ntime.form = iso8601\n", "mapping:2:13: none of: iso, unix_ms"},
        {"[t]\nwords = a:view, b:buy\n", "mapping:2:17: not `their word:ours`"},
        {"[t]\ncurrency = Euro\n", "mapping:2:12: not three capital letters"},
        {"[t]\nzone = Europe/Berlin\n", "mapping:2:8: neither UTC nor"},
        {"[t]\nreturns = maybe\n", "mapping:2:11: neither yes nor no"},
        {"[t]\nseparator = ab\n", "mapping:2:13: one sign, or comma"},
        {"[t]\nitem = a\n", "mapping: [t] lacks recognise"},
        {"[t]\nrecognise = a\nitem = a\n", "mapping: [t] lacks always, or action and words"},
        {"[t]\nrecognise = a\nitem = a\nalways = view\n",
         "mapping: [t] lacks user, visitor or session"},
        {"[t]\nkind = products\nrecognise = a\nitem = a\nuser = b\n",
         "mapping: [t] is of a kind that has no user"},
        {"[t]\nitem = \xff\n", "mapping: not UTF-8"},
    };
    (void)state;
    for (size_t i = 0; i < BK_COUNTOF(bad); i++) {
        struct bk_reason reason = {""};
        struct bk_import_formats *formats = bk_import_formats_of_text(S(bad[i].text), &reason);
        if (formats || strncmp(reason.text, bad[i].error, strlen(bad[i].error)) != 0)
            fail_msg("%s\ngave: %s\nnot: %s", bad[i].text, reason.text, bad[i].error);
    }
}

static void limits_are_kept(void **state)
{
    struct bk_reason reason = {""};
    struct bk_buf text = {0};
    (void)state;
    for (int i = 0; i < BK__TABLES_MAX; i++) bk_buf_cstr(&text, BASE);
    assert_null(bk_import_formats_of_text(bk_str(text.p, text.len), &reason));
    assert_non_null(strstr(reason.text, "more than 64 tables"));
    bk_buf_reset(&text);
    bk_buf_cstr(&text, BASE "category = a");
    for (int i = 0; i < BK__PARTS_MAX; i++) bk_buf_cstr(&text, " & a");
    assert_null(bk_import_formats_of_text(bk_str(text.p, text.len), &reason));
    assert_non_null(strstr(reason.text, "more than 12 names"));
    bk_buf_deinit(&text);
}

static void comments_and_blanks_mean_nothing(void **state)
{
    struct bk_reason reason = {""};
    struct bk_import_formats *formats = bk_import_formats_of_text(
        S("\r\n; a word\n # another\n  [t]  \r\n\trecognise=a | b , c\nalways=view\n"
          "item =  the item | x & y@z\nuser=u\nlist.split = ;\n"),
        &reason);
    (void)state;
    if (!formats) fail_msg("%s", reason.text);
    assert_true(bk_import_formats_has(formats, "mapping"));
    assert_true(bk_import_formats_has(formats, "mapping.t"));
    assert_false(bk_import_formats_has(formats, "mapping.u"));
    const struct bk__table *table = formats->table[formats->count - 1];
    const struct bk__expr *item = &table->field[FIELD_ITEM];
    assert_int_equal(item->count, 3);
    assert_string_equal(item->part[0].path, "the item");
    assert_true(item->part[1].begins);
    assert_false(item->part[2].begins);
    assert_string_equal(item->part[2].path, "y");
    assert_string_equal(item->part[2].label, "z");
    assert_int_equal(table->recognise.count, 3);
    assert_false(table->recognise.part[1].begins);
    assert_int_equal(table->list_split, ';');
    bk_import_formats_destroy(&formats);
}

/* ---- paths ---- */

static void a_path_finds_members_elements_and_chosen_elements(void **state)
{
    static const struct {
        const char *path, *found;
    } cases[] = {
        {"a", "1"},         {"b.c", "deep"}, {"l[0].k", "x"},   {"l[k=y].v.s", "why"},
        {"l[k=z].v", NULL}, {"l[9]", NULL},  {".e", "element"}, {"n", NULL},
        {"b.c.d", NULL},    {"l[", NULL},    {"a.", "1"},       {"l[k=y", NULL},
    };
    struct bk_reason reason;
    json_t *doc =
        bk__json_line(S("{\"a\":\"1\",\"b\":{\"c\":\"deep\"},\"n\":null,\"l\":[{\"k\":\"x\"},"
                        "{\"k\":\"y\",\"v\":{\"s\":\"why\"}}]}"),
                      &reason);
    json_t *element = bk__json_line(S("{\"e\":\"element\"}"), &reason);
    (void)state;
    for (size_t i = 0; i < BK_COUNTOF(cases); i++) {
        const json_t *found = bk__json_at(doc, element, cases[i].path);
        const char *text = json_string_value(found);
        bool same =
            text && cases[i].found ? strcmp(text, cases[i].found) == 0 : text == cases[i].found;
        if (!same) fail_msg("%s gave %s", cases[i].path, text ? text : "nothing");
    }
    json_decref(doc);
    json_decref(element);
}

static void what_dynamodb_wraps_is_made_plain(void **state)
{
    struct bk_reason reason;
    bool deleted;
    json_t *row = bk__json_line(
        S("{\"Item\":{\"s\":{\"S\":\"t\"},\"n\":{\"N\":\"1.50\"},\"b\":{\"BOOL\":true},"
          "\"z\":{\"NULL\":true},\"l\":{\"L\":[{\"M\":{\"x\":{\"N\":\"2\"}}}]},"
          "\"w\":{\"SS\":[\"p\",\"q\"]},\"raw\":{\"B\":\"AAEC\"}}}"),
        &reason);
    (void)state;
    json_t *doc = bk__json_dynamodb(row, &deleted, &reason);
    char *text = json_dumps(doc, JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(text, "{\"b\":true,\"l\":[{\"x\":\"2\"}],\"n\":\"1.50\",\"raw\":null,"
                              "\"s\":\"t\",\"w\":[\"p\",\"q\"],\"z\":null}");
    free(text);
    json_decref(doc);
    json_decref(row);
    row = bk__json_line(S("{\"Item\":{\"s\":\"plain\"}}"), &reason);
    assert_null(bk__json_dynamodb(row, &deleted, &reason));
    assert_false(deleted);
    json_decref(row);
    row = bk__json_line(S("{\"Keys\":{},\"NewImage\":{\"s\":{\"S\":\"new\"}}}"), &reason);
    doc = bk__json_dynamodb(row, &deleted, &reason); /* an incremental export's */
    assert_string_equal(json_string_value(json_object_get(doc, "s")), "new");
    assert_false(deleted);
    json_decref(doc);
    json_decref(row);
    row = bk__json_line(S("{\"Keys\":{\"id\":{\"S\":\"1\"}}}"), &reason);
    assert_null(bk__json_dynamodb(row, &deleted, &reason));
    assert_true(deleted);
    json_decref(row);
}

/* ---- files ---- */

/* Import `text` by the mapping: the code, and in `reason` its sentence or the last bad row's. */
static void note(void *arg, const char *text)
{
    struct bk_reason *reason = arg;
    const char *place = strchr(text, ':'); /* behind the name of a file in /tmp */
    snprintf(reason->text, sizeof reason->text, "%s", place ? place : text);
}

static int import(const char *mapping, const char *text, struct bk_reason *bad)
{
    char path[] = "/tmp/bk_map_XXXXXX";
    struct bk_reason reason = {""};
    struct bk_import_file file;
    struct bk_import_watch watch = {.arg = bad, .bad = note};
    struct bk_import_rows rows = {.bytes_max = 1 << 28};
    struct bk_import_formats *formats = bk_import_formats_of_text(S(mapping), &reason);
    if (!formats) fail_msg("%s", reason.text);
    int fd = mkstemp(path);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    rows.formats = formats;
    bad->text[0] = '\0';
    int code = bk_import_recognise(formats, "mapping", path, &file, &reason);
    if (!code) code = bk_import_read(&rows, &file, 1, &watch, &reason);
    if (code) note(bad, reason.text);
    unlink(path);
    bk_import_rows_deinit(&rows);
    bk_import_formats_destroy(&formats);
    return code;
}

static void a_file_of_another_form_is_told_with_what_it_lacks(void **state)
{
    struct bk_reason bad;
    (void)state;
    assert_int_equal(import("[t]\nrecognise=sku, who\nalways=view\nitem=sku\nuser=who\n",
                            "sku,whom\na,b\n", &bad),
                     BK_EINVAL);
    assert_string_equal(bad.text, ":1:1: not mapping; mapping.t also has who; the first "
                                  "line is: sku,whom (import --formats lists them)");
    assert_int_equal(import(BASE, "", &bad), BK_EINVAL);
    assert_string_equal(bad.text, ":1:1: empty");
    assert_int_equal(import(BASE,
                            "\xff\xfe"
                            "a,b\n",
                            &bad),
                     BK_EINVAL);
    assert_non_null(strstr(bad.text, "1:1: UTF-16"));
}

static void the_table_with_the_most_names_in_common_is_taken(void **state)
{
    static const char more[] = "[more]\nrecognise=a,b\nalways=view\nitem=a\nuser=u\n";
    static const char less[] = "[less]\nrecognise=a\nalways=view\nitem=i\nuser=u\n";
    char both[256];
    struct bk_reason bad; /* a file without the column i would be refused by [less] */
    (void)state;
    snprintf(both, sizeof both, "%s%s", more, less);
    assert_int_equal(import(both, "a,b,u\n1,2,3\n", &bad), BK_OK);
    snprintf(both, sizeof both, "%s%s", less, more);
    assert_int_equal(import(both, "a,b,u\n1,2,3\n", &bad), BK_OK);
    assert_int_equal(import(both, "a,u\n1,3\n", &bad), BK_EINVAL);
}

static void a_file_that_was_cut_off_ends_the_import(void **state)
{
    static const char json[] = "[t]\nform=json\nrecognise=i\nalways=view\nitem=i\nuser=u\n";
    struct bk_reason bad;
    (void)state;
    assert_int_equal(
        import("[t]\nrecognise=i,u\nalways=view\nitem=i\nuser=u\n", "i,u,x\na,b,c\nd,e", &bad),
        BK_ECORRUPT);
    assert_non_null(strstr(bad.text, ":3:3: 2 columns where the header has 3; the file ends here"));
    assert_int_equal(import(json, "{\"i\":\"a\",\"u\":\"b\"}\n{\"i\":\"a\",\"u\"", &bad),
                     BK_ECORRUPT);
    assert_non_null(strstr(bad.text, ":2:12: not JSON"));
    /* with its line end it is one bad row among others */
    assert_int_equal(import(json, "{\"i\":\"a\",\"u\":\"b\"}\n{\"i\":\"a\",\"u\"\n", &bad), BK_OK);
    assert_non_null(strstr(bad.text, ":2:12: not JSON"));
}

static void bytes_that_are_not_utf8_are_told_or_read_as_latin1(void **state)
{
    static const char csv[] = "i,u\nlait \xe9"
                              "cr\xe9m\xe9,b\n";
    struct bk_reason bad;
    (void)state;
    assert_int_equal(import("[t]\nrecognise=i,u\nalways=view\nitem=i\nuser=u\n", csv, &bad), BK_OK);
    assert_non_null(strstr(bad.text, ":2:6: not UTF-8"));
    assert_int_equal(
        import("[t]\nencoding=auto\nrecognise=i,u\nalways=view\nitem=i\nuser=u\n", csv, &bad),
        BK_OK);
    assert_string_equal(bad.text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_names_line_and_column),
        cmocka_unit_test(limits_are_kept),
        cmocka_unit_test(comments_and_blanks_mean_nothing),
        cmocka_unit_test(a_path_finds_members_elements_and_chosen_elements),
        cmocka_unit_test(what_dynamodb_wraps_is_made_plain),
        cmocka_unit_test(a_file_of_another_form_is_told_with_what_it_lacks),
        cmocka_unit_test(the_table_with_the_most_names_in_common_is_taken),
        cmocka_unit_test(a_file_that_was_cut_off_ends_the_import),
        cmocka_unit_test(bytes_that_are_not_utf8_are_told_or_read_as_latin1),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
