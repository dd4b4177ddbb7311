/* test_csv.c -- delimited rows: quotes, line ends inside them, places, limits; against a model that
 * writes rows from fields. */
#include "../../../src/import/csv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "basketry/buf.h"

struct world {
    char path[64];
    struct bk_lines *lines;
    struct bk__csv csv;
    struct bk_reason reason;
};

static void open_bytes(struct world *world, const char *text, size_t len, bool quotes)
{
    strcpy(world->path, "/tmp/bk_csv_XXXXXX");
    int fd = mkstemp(world->path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), (ssize_t)len);
    close(fd);
    world->lines = bk_lines_open(world->path, BK__CSV_ROW_BYTES_MAX, &world->reason);
    assert_non_null(world->lines);
    assert_int_equal(bk__csv_init(&world->csv, world->lines, ',', quotes), BK_OK);
}

static void open_text(struct world *world, const char *text)
{
    open_bytes(world, text, strlen(text), true);
}

static void forget(struct world *world)
{
    bk__csv_deinit(&world->csv);
    bk_lines_close(&world->lines);
    unlink(world->path);
}

static int next(struct world *world)
{
    return bk__csv_next(&world->csv, &world->reason);
}

static void field_is(const struct world *world, uint32_t at, const char *text)
{
    assert_true(at < world->csv.count);
    bk_str_t got = world->csv.field[at].text;
    if (!bk_str_eq(got, bk_str_c(text))) fail_msg("'%.*s' is not '%s'", (int)got.len, got.p, text);
}

/* ---- examples ---- */

static void a_quoted_field_may_hold_separators_quotes_and_line_ends(void **state)
{
    struct world world;
    (void)state;
    open_text(&world, "a,\"b,\"\"c\"\"\nd\",\"\"\r\n\n\"x\"\n");
    assert_int_equal(next(&world), 1);
    assert_int_equal(world.csv.count, 3);
    field_is(&world, 0, "a");
    field_is(&world, 1, "b,\"c\"\nd");
    field_is(&world, 2, "");
    assert_int_equal(next(&world), 1); /* the empty line is passed over */
    field_is(&world, 0, "x");
    assert_int_equal(next(&world), 0);
    forget(&world);
}

static void a_field_knows_the_line_and_column_where_it_begins(void **state)
{
    struct world world;
    (void)state;
    open_text(&world, "h\n\"a\nbc\",dd,\"e\"\n");
    assert_int_equal(next(&world), 1);
    assert_int_equal(next(&world), 1);
    assert_int_equal(world.csv.count, 3);
    assert_int_equal(world.csv.field[0].line, 2);
    assert_int_equal(world.csv.field[0].column, 1);
    assert_int_equal(world.csv.field[1].line, 3);
    assert_int_equal(world.csv.field[1].column, 5);
    assert_int_equal(world.csv.field[2].column, 8);
    forget(&world);
}

static void a_quote_inside_a_bare_field_is_a_letter(void **state)
{
    struct world world;
    (void)state;
    open_text(&world, "15\" plate,6\n");
    assert_int_equal(next(&world), 1);
    field_is(&world, 0, "15\" plate");
    forget(&world);
    open_bytes(&world, "\"a,b\n", 5, false);
    assert_int_equal(next(&world), 1);
    assert_int_equal(world.csv.count, 2);
    field_is(&world, 0, "\"a");
    forget(&world);
}

static void what_is_behind_a_closing_quote_is_refused_with_its_place(void **state)
{
    struct world world;
    (void)state;
    open_text(&world, "a,\"b\"c\nd\n");
    assert_int_equal(next(&world), BK_EINVAL);
    assert_non_null(strstr(world.reason.text, "1:6: neither a separator"));
    assert_int_equal(next(&world), 1);
    field_is(&world, 0, "d");
    forget(&world);
}

static void a_file_that_ends_inside_quotes_was_cut_off(void **state)
{
    struct world world;
    (void)state;
    open_text(&world, "a\nb,\"c\nd");
    assert_int_equal(next(&world), 1);
    assert_int_equal(next(&world), BK_ECORRUPT);
    assert_non_null(strstr(world.reason.text, "2:3: the file ends inside the quotes"));
    forget(&world);
}

static void a_quote_that_is_never_closed_swallows_no_more_than_the_limit(void **state)
{
    struct world world;
    struct bk_buf text = {0};
    (void)state;
    bk_buf_cstr(&text, "x,\"open\n");
    for (int i = 0; i < 300000; i++) bk_buf_cstr(&text, "a,b,c\n");
    open_bytes(&world, text.p, text.len, true);
    assert_int_equal(next(&world), BK_EINVAL);
    assert_non_null(strstr(world.reason.text, "1:3: the quote that opens here"));
    assert_int_equal(next(&world), 1); /* and goes on behind it */
    assert_int_equal(world.csv.count, 3);
    forget(&world);
    bk_buf_deinit(&text);
}

static void more_columns_than_the_limit_are_refused(void **state)
{
    struct world world;
    char text[2 * BK__CSV_FIELDS_MAX + 8];
    (void)state;
    memset(text, ',', sizeof text);
    strcpy(text + BK__CSV_FIELDS_MAX - 1, "\n");
    open_text(&world, text);
    assert_int_equal(next(&world), 1);
    assert_int_equal(world.csv.count, BK__CSV_FIELDS_MAX);
    forget(&world);
    strcpy(text + BK__CSV_FIELDS_MAX - 1, ",\n");
    open_text(&world, text);
    assert_int_equal(next(&world), BK_EINVAL);
    forget(&world);
}

/* ---- against the model ---- */

enum { ROWS = 400, FIELDS = 5, FIELD_BYTES = 12 };

static uint64_t seed, at;

static uint32_t chance(uint32_t of)
{
    return (uint32_t)(bk_mix(seed + at++) % of);
}

static void make_field(char *out)
{
    static const char letters[] = "ab,\"\n \xc3\xa9;1";
    uint32_t len = chance(FIELD_BYTES - 1);
    for (uint32_t i = 0; i < len; i++) out[i] = letters[chance(sizeof letters - 1)];
    out[len] = '\0';
}

/* As any writer of CSV would: quotes where they are needed, and sometimes where they are not. */
static void write_field(struct bk_buf *out, const char *field)
{
    bool quoted = strpbrk(field, ",\"\n") != NULL || chance(4) == 0;
    if (quoted) bk_buf_char(out, '"');
    for (; *field; field++) {
        if (*field == '"') bk_buf_char(out, '"');
        bk_buf_char(out, *field);
    }
    if (quoted) bk_buf_char(out, '"');
}

static void prop_what_was_written_as_csv_is_read_back(void **state)
{
    static char model[ROWS][FIELDS][FIELD_BYTES];
    static uint32_t fields[ROWS];
    const char *given = getenv("BK_SEED");
    struct world world;
    struct bk_buf text = {0};
    (void)state;
    seed = given ? strtoull(given, NULL, 0) : 20241123;
    print_message("seed %llu\n", (unsigned long long)seed);
    for (int row = 0; row < ROWS; row++) {
        fields[row] = 2 + chance(FIELDS - 1);
        for (uint32_t i = 0; i < fields[row]; i++) {
            make_field(model[row][i]);
            if (i) bk_buf_char(&text, ',');
            write_field(&text, model[row][i]);
        }
        bk_buf_cstr(&text, chance(2) ? "\n" : "\r\n");
    }
    open_bytes(&world, text.p, text.len, true);
    for (int row = 0; row < ROWS; row++) {
        int got = next(&world);
        if (got != 1) fail_msg("row %d: %s", row, world.reason.text);
        assert_int_equal(world.csv.count, fields[row]);
        for (uint32_t i = 0; i < fields[row]; i++) field_is(&world, i, model[row][i]);
    }
    assert_int_equal(next(&world), 0);
    forget(&world);
    bk_buf_deinit(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_quoted_field_may_hold_separators_quotes_and_line_ends),
        cmocka_unit_test(a_field_knows_the_line_and_column_where_it_begins),
        cmocka_unit_test(a_quote_inside_a_bare_field_is_a_letter),
        cmocka_unit_test(what_is_behind_a_closing_quote_is_refused_with_its_place),
        cmocka_unit_test(a_file_that_ends_inside_quotes_was_cut_off),
        cmocka_unit_test(a_quote_that_is_never_closed_swallows_no_more_than_the_limit),
        cmocka_unit_test(more_columns_than_the_limit_are_refused),
        cmocka_unit_test(prop_what_was_written_as_csv_is_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
