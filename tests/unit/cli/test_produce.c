/* test_produce.c -- `basketry produce` and `basketry statistics` at their command lines. */
#include "basketry/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../../src/cli/cli.h"
#include "capture.h"

static struct capture captured;

static char folder[64]; /* scratch */

/* A file there. */
static const char *path_of(const char *name)
{
    static char path[4][128];
    static unsigned at;
    if (!folder[0]) {
        snprintf(folder, sizeof folder, "/tmp/basketry-produce-XXXXXX");
        assert_non_null(mkdtemp(folder));
    }
    char *out = path[at++ % 4];
    snprintf(out, sizeof path[0], "%s/%s", folder, name);
    return out;
}

static int produce(const char *words)
{
    char line[512];
    snprintf(line, sizeof line, "produce %s", words);
    capture_run(&captured, bk_cmd_produce, line);
    return captured.code;
}

static char *contents(const char *path, size_t *len)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    *len = (size_t)ftell(file);
    rewind(file);
    char *bytes = malloc(*len + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *len, file), *len);
    bytes[*len] = '\0';
    fclose(file);
    return bytes;
}

static void assert_same_files(const char *one, const char *other)
{
    size_t len, other_len;
    char *a = contents(one, &len), *b = contents(other, &other_len);
    assert_true(len > 1000);
    assert_int_equal(len, other_len);
    assert_memory_equal(a, b, len);
    free(a);
    free(b);
}

static void the_same_words_write_the_same_bytes(void **state)
{
    (void)state;
    char words[400];
    const char *targets[] = {"rows:", "file:"};
    for (int t = 0; t < 2; t++) {
        const char *one = path_of("one"), *other = path_of("other");
        snprintf(words, sizeof words, "--to %s%s --days 3 --households 80 --seed 5", targets[t],
                 one);
        assert_int_equal(produce(words), 0);
        assert_non_null(strstr(captured.out, "simulated"));
        snprintf(words, sizeof words, "--to %s%s --days 3 --households 80 --seed 5 --rate 1000000",
                 targets[t], other);
        assert_int_equal(produce(words), 0);
        assert_same_files(one, other);
    }
}

static void it_stops_after_so_many_events(void **state)
{
    (void)state;
    char words[300];
    snprintf(words, sizeof words, "--to file:%s --events 250 --households 50", path_of("few.log"));
    assert_int_equal(produce(words), 0);
    assert_non_null(strstr(captured.out, "events 250 to file:"));
}

static void a_rate_is_kept(void **state)
{
    (void)state;
    char words[300];
    snprintf(words, sizeof words, "--to rows:%s --events 200 --rate 1000 --households 50",
             path_of("paced"));
    assert_int_equal(produce(words), 0);
    double seconds = 0;
    const char *in = strstr(captured.out, " in ");
    assert_non_null(in);
    assert_int_equal(sscanf(in, " in %lf s", &seconds), 1);
    if (seconds < 0.2 || seconds > 5) fail_msg("%s", captured.out); /* 200 at 1,000 a second */
}

static void the_truth_is_a_table_of_every_households_habits(void **state)
{
    (void)state;
    char words[400];
    const char *truth = path_of("truth.tsv");
    snprintf(words, sizeof words, "--to rows:%s --days 1 --households 3 --dump-truth %s",
             path_of("with_truth"), truth);
    assert_int_equal(produce(words), 0);
    size_t len, lines = 0;
    char *text = contents(truth, &len);
    assert_memory_equal(text, "subject\tkind\tgood\titem\tsecond_item\tshare\tinterval_days\t", 55);
    for (size_t i = 0; i < len; i++) lines += text[i] == '\n';
    assert_in_range(lines, 1 + 3 * 20, 1 + 3 * 128);
    assert_non_null(strstr(text, "\nsim-"));
    free(text);
}

static void wrong_words_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "--to nowhere",        "--to rows:",     "--seed x",
        "--households 0",      "--days 0",       "--start 2025-02-30",
        "--start yesterday",   "--speed fast",   "--speed 0x",
        "--rate 5 --speed 1x", "--partitions 3", "something",
        "--events -1",         "--rate 0",       "--to rows:x --partitions 2"};
    for (size_t i = 0; i < BK_COUNTOF(wrong); i++)
        if (produce(wrong[i]) != BK_EXIT_USAGE) fail_msg("%s: %d", wrong[i], captured.code);
    assert_int_equal(produce("--to rows:/nowhere/at/all"), BK_EXIT_DATA);
    assert_non_null(strstr(captured.err, "/nowhere/at/all"));
}

static void the_help_says_that_it_is_simulated(void **state)
{
    (void)state;
    assert_int_equal(produce("--help"), 0);
    assert_non_null(strstr(captured.out, "simulated"));
}

/* ---- statistics ---- */

static void statistics(const char *words)
{
    char line[512];
    snprintf(line, sizeof line, "statistics %s", words);
    capture_run(&captured, bk_cmd_statistics, line);
}

static void assert_row(const char *name, const char *value)
{
    const char *row = strstr(captured.out, name);
    if (!row) fail_msg("no row %s", name);
    const char *bar = strchr(row, '|');
    char got[32];
    assert_int_equal(sscanf(bar, "| %31s", got), 1);
    if (strcmp(got, value) != 0) fail_msg("%s: %s, not %s", name, got, value);
}

/* Ada buys milk and bread on day 0, milk on day 2, milk and tea on day 5; somebody unknown buys bread. */
static void the_numbers_are_those_worked_out_by_hand(void **state)
{
    (void)state;
    char words[200];
    const char *path = path_of("small.tsv");
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("ts_ms\tuser\tsession\tevent\titem\tqty\tprice\n"
          "0\tada\ts1\tpurchase\tmilk\t1\t1.09\n"
          "0\tada\ts1\tpurchase\tbread\t1\t-\n"
          "0\tada\ts1\tview\ttea\t-\t-\n"
          "86400000\t-\tx1\tpurchase\tbread\t1\t-\n"
          "172800000\tada\ts2\tpurchase\tmilk\t2\t-\n"
          "432000000\tada\ts3\tpurchase\tmilk\t1\t-\n"
          "432000000\tada\ts3\tpurchase\ttea\t1\t-\n",
          file);
    fclose(file);
    snprintf(words, sizeof words, "%s", path);
    statistics(words);
    assert_int_equal(captured.code, 0);
    assert_row("baskets ", "4");
    assert_row("customers", "1");
    assert_row("items", "3");
    assert_row("lines a basket, mean", "1.5");
    assert_row("lines that their customer bought before", "0.667"); /* milk, milk; not tea */
    assert_row("share of the best-selling 1 % of items", "0.500");  /* milk: 3 of 6 */
    assert_row("Gini coefficient of sales", "0.222");               /* 3, 2, 1 */
    assert_row("baskets with the best seller", "0.750");
    assert_row("days between a customer's baskets, mean", "2.5");
    assert_row("days until an item is bought again, mean", "2.5");
    snprintf(words, sizeof words, "--last-days 3 %s", path);
    statistics(words);
    assert_row("baskets ", "2");
    assert_row("items", "2");
}

static void statistics_need_a_file_of_rows(void **state)
{
    (void)state;
    statistics("");
    assert_int_equal(captured.code, BK_EXIT_USAGE);
    statistics("/nowhere/at/all");
    assert_int_equal(captured.code, BK_EXIT_DATA);
    statistics("--last-days 0 x");
    assert_int_equal(captured.code, BK_EXIT_USAGE);
}

static int remove_scratch(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_words_write_the_same_bytes),
        cmocka_unit_test(it_stops_after_so_many_events),
        cmocka_unit_test(a_rate_is_kept),
        cmocka_unit_test(the_truth_is_a_table_of_every_households_habits),
        cmocka_unit_test(wrong_words_are_refused),
        cmocka_unit_test(the_help_says_that_it_is_simulated),
        cmocka_unit_test(the_numbers_are_those_worked_out_by_hand),
        cmocka_unit_test(statistics_need_a_file_of_rows),
    };
    return cmocka_run_group_tests(tests, NULL, remove_scratch);
}
