/* statistics.c -- `basketry statistics`: what a shop's baskets are like, beside those of others.
 *
 * THE IDEA
 *   Basket size, how often customers buy again, how unevenly items sell and how long it takes until
 * they are bought again: numbers that tell one kind of shop from another, and a simulated one from a
 * real one. Each file is a column of a table.
 * LINES   an item counts once a basket, as everywhere in `evaluate`.
 * MEMORY  the file's baskets, and 16 bytes a line for sorting.
 */
#include <stdio.h>
#include <stdlib.h>

#include "cli.h"
#include "shop_file_sets.h"

enum { LAST_DAYS, DROP };

static const struct cli_option options[] = {
    [LAST_DAYS] = {"last-days", 0, "N", "only the baskets of each file's last N days"},
    [DROP] = {"drop", 0, "REGEX", "leave out items whose whole id matches (extended regex)"},
};

static const struct cli_usage usage = {
    "statistics [--last-days N] [--drop REGEX] FILE...",
    "Basket statistics of files of rows (ts_ms user session event item qty price), a column each:\n"
    "sizes, repeats, how sales concentrate, and days between purchases.",
    options,
    BK_COUNTOF(options),
    "examples:\n"
    "  basketry produce --to rows:rows.tsv && basketry statistics rows.tsv\n"
    "  basketry statistics --last-days 21 rows.tsv dunnhumby/events_w96_98.tsv.zst",
};

enum { FILES_MAX = 16, DAY_MS = 86400000 };

/* Numbers of which the table shows some quantiles. */
struct sample {
    double *value;
    size_t count, cap;
};

struct statistics {
    char name[32];
    uint64_t baskets, customers, items, lines;
    uint64_t again, could_be_again; /* lines; those of a customer's first basket cannot */
    double top_1, top_10, gini, best;
    struct sample sizes, basket_days, item_days;
};

/* A line of somebody's basket. */
struct bought {
    uint32_t user, item, basket;
};

struct given {
    int64_t last_days; /* 0: all */
    const char *drop;
};

/* ---- samples ---- */

static bool sample_add(struct sample *sample, double value)
{
    void *array = sample->value;
    if (!bk_shop_grow(&array, sample->count, &sample->cap, sizeof *sample->value)) return false;
    sample->value = array;
    sample->value[sample->count++] = value;
    return true;
}

static int by_value(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return a < b ? -1 : a > b;
}

static void sample_sort(struct sample *sample)
{
    if (sample->count) qsort(sample->value, sample->count, sizeof *sample->value, by_value);
}

static double quantile(const struct sample *sample, double part)
{
    return sample->count ? sample->value[(size_t)((double)sample->count * part)] : 0;
}

static double mean(const struct sample *sample)
{
    double sum = 0;
    for (size_t i = 0; i < sample->count; i++) sum += sample->value[i];
    return sample->count ? sum / (double)sample->count : 0;
}

/* ---- counting ---- */

static int by_user_item_basket(const void *left, const void *right)
{
    const struct bought *a = left, *b = right;
    if (a->user != b->user) return a->user < b->user ? -1 : 1;
    if (a->item != b->item) return a->item < b->item ? -1 : 1;
    return a->basket < b->basket ? -1 : a->basket > b->basket;
}

static int by_count_down(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return a > b ? -1 : a < b;
}

/* How sales concentrate; counts by item, in any order. */
static void concentrate(struct statistics *its, uint64_t *counts, uint32_t count)
{
    qsort(counts, count, sizeof *counts, by_count_down);
    while (count && !counts[count - 1]) count--; /* sold before the window alone */
    its->items = count;
    if (!count) return;
    uint32_t top_1 = count / 100 ? count / 100 : 1, top_10 = count / 10 ? count / 10 : 1;
    double sum = 0, weighted = 0, first = 0, tenth = 0;
    for (uint32_t i = 0; i < count; i++) {
        double sold = (double)counts[i];
        sum += sold;
        weighted += sold * (count - 2.0 * i - 1.0);
        if (i < top_1) first += sold;
        if (i < top_10) tenth += sold;
    }
    its->top_1 = first / sum;
    its->top_10 = tenth / sum;
    its->gini = weighted / (count * sum);
    its->best = (double)counts[0] / (double)its->baskets;
}

static double days_between(const struct shop_set *set, uint32_t earlier, uint32_t later)
{
    return (double)(set->basket[later].ts_ms - set->basket[earlier].ts_ms) / DAY_MS;
}

/* Sizes, sales, and the gaps between a customer's baskets; the lines of customers into `bought`. */
static bool count_baskets(struct statistics *its, const struct shop_set *set, int64_t from_ms,
                          uint64_t *counts, int64_t *last, struct bought *bought, size_t *lines)
{
    *lines = 0;
    for (uint32_t b = 0; b < set->count; b++) {
        const struct shop_basket *basket = &set->basket[b];
        const uint32_t *item = bk__shop_set_items(set, basket);
        if (basket->ts_ms < from_ms) continue;
        its->baskets++;
        its->lines += basket->count;
        if (!sample_add(&its->sizes, basket->count)) return false;
        for (uint32_t i = 0; i < basket->count; i++) counts[item[i] - 1]++;
        if (!basket->user) continue;
        int64_t *before = &last[basket->user - 1];
        if (*before >= 0) {
            its->could_be_again += basket->count;
            if (!sample_add(&its->basket_days, days_between(set, (uint32_t)*before, b)))
                return false;
        } else
            its->customers++;
        *before = b;
        for (uint32_t i = 0; i < basket->count; i++)
            bought[(*lines)++] = (struct bought){basket->user, item[i], b};
    }
    return true;
}

/* What a customer bought again, and after how long. */
static bool count_repeats(struct statistics *its, const struct shop_set *set, struct bought *bought,
                          size_t lines)
{
    if (lines) qsort(bought, lines, sizeof *bought, by_user_item_basket);
    for (size_t i = 1; i < lines; i++) {
        const struct bought *one = &bought[i - 1], *next = &bought[i];
        if (one->user != next->user || one->item != next->item) continue;
        its->again++;
        if (!sample_add(&its->item_days, days_between(set, one->basket, next->basket)))
            return false;
    }
    return true;
}

static int64_t window_start(const struct shop_set *set, int64_t last_days)
{
    int64_t last_ms = INT64_MIN;
    for (size_t b = 0; b < set->count; b++) last_ms = bk_max_i64(last_ms, set->basket[b].ts_ms);
    return last_days && set->count ? last_ms - last_days * DAY_MS : INT64_MIN;
}

static bool measure(struct statistics *its, const struct shop_set *set, int64_t last_days)
{
    uint64_t *counts = calloc(set->items.count + 1, sizeof *counts);
    int64_t *last = malloc((set->users.count + 1) * sizeof *last);
    struct bought *bought = malloc((set->item_count + 1) * sizeof *bought);
    size_t lines = 0;
    bool good = counts && last && bought;
    for (uint32_t i = 0; good && i < set->users.count; i++) last[i] = -1;
    good = good &&
           count_baskets(its, set, window_start(set, last_days), counts, last, bought, &lines) &&
           count_repeats(its, set, bought, lines);
    if (good) concentrate(its, counts, set->items.count);
    sample_sort(&its->sizes);
    sample_sort(&its->basket_days);
    sample_sort(&its->item_days);
    free(counts);
    free(last);
    free(bought);
    return good;
}

/* ---- a file ---- */

/* "coop40" of coop40/events.tsv.zst, "rows" of rows.tsv. */
static void set_name(struct statistics *its, const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *end;
    end = name + strcspn(name, ".");
    if (slash && strncmp(name, "events", 6) == 0) {
        end = name = slash;
        while (name > path && name[-1] != '/') name--;
    }
    snprintf(its->name, sizeof its->name, "%.*s", (int)(end - name), name);
}

static int read_file(struct statistics *its, const char *path, const struct given *given,
                     struct bk_reason *reason)
{
    struct shop_set set = {0};
    struct bk_shop_drop *drop = NULL;
    set_name(its, path);
    if (given->drop && !(drop = bk_shop_drop_create(given->drop, reason))) return BK_EINVAL;
    int code = bk__shop_set_baskets(&set, path, drop, false, reason);
    if (!code && !measure(its, &set, given->last_days))
        code = bk_reason_set(reason, BK_ENOMEM, "%s: out of memory", path);
    bk_shop_drop_destroy(&drop);
    bk__shop_set_deinit(&set);
    return code;
}

static void forget(struct statistics *its)
{
    free(its->sizes.value);
    free(its->basket_days.value);
    free(its->item_days.value);
}

/* ---- the table ---- */

static double ratio(uint64_t part, uint64_t whole)
{
    return whole ? (double)part / (double)whole : 0;
}

/* A row: its name, how many decimals, and where its number comes from. */
struct row {
    const char *name;
    int decimals;
    double (*of)(const struct statistics *its);
};

#define ROW(function, expression)                                                                  \
    static double function(const struct statistics *its)                                           \
    {                                                                                              \
        return (double)(expression);                                                               \
    }
ROW(of_baskets, its->baskets)
ROW(of_customers, its->customers)
ROW(of_items, its->items)
ROW(of_size, mean(&its->sizes))
ROW(of_size_10, quantile(&its->sizes, 0.1))
ROW(of_size_50, quantile(&its->sizes, 0.5))
ROW(of_size_90, quantile(&its->sizes, 0.9))
ROW(of_size_99, quantile(&its->sizes, 0.99))
ROW(of_again, ratio(its->again, its->could_be_again))
ROW(of_top_1, its->top_1)
ROW(of_top_10, its->top_10)
ROW(of_gini, its->gini)
ROW(of_best, its->best)
ROW(of_gap, mean(&its->basket_days))
ROW(of_gap_25, quantile(&its->basket_days, 0.25))
ROW(of_gap_50, quantile(&its->basket_days, 0.5))
ROW(of_gap_75, quantile(&its->basket_days, 0.75))
ROW(of_gap_90, quantile(&its->basket_days, 0.9))
ROW(of_item, mean(&its->item_days))
ROW(of_item_25, quantile(&its->item_days, 0.25))
ROW(of_item_50, quantile(&its->item_days, 0.5))
ROW(of_item_75, quantile(&its->item_days, 0.75))
#undef ROW

static const struct row rows[] = {
    {"baskets", 0, of_baskets},
    {"customers", 0, of_customers},
    {"items", 0, of_items},
    {"lines a basket, mean", 1, of_size},
    {"lines a basket, 10 %", 0, of_size_10},
    {"lines a basket, median", 0, of_size_50},
    {"lines a basket, 90 %", 0, of_size_90},
    {"lines a basket, 99 %", 0, of_size_99},
    {"lines that their customer bought before", 3, of_again},
    {"share of the best-selling 1 % of items", 3, of_top_1},
    {"share of the best-selling 10 %", 3, of_top_10},
    {"Gini coefficient of sales", 3, of_gini},
    {"baskets with the best seller", 3, of_best},
    {"days between a customer's baskets, mean", 1, of_gap},
    {"days between baskets, 25 %", 1, of_gap_25},
    {"days between baskets, median", 1, of_gap_50},
    {"days between baskets, 75 %", 1, of_gap_75},
    {"days between baskets, 90 %", 1, of_gap_90},
    {"days until an item is bought again, mean", 1, of_item},
    {"days until bought again, 25 %", 1, of_item_25},
    {"days until bought again, median", 1, of_item_50},
    {"days until bought again, 75 %", 1, of_item_75},
};

static int print_table(const struct statistics *files, int count)
{
    struct bk_buf out = {0};
    bk_buf_printf(&out, "| %-41s |", "");
    for (int f = 0; f < count; f++) bk_buf_printf(&out, " %13s |", files[f].name);
    bk_buf_printf(&out, "\n|-%.41s-|", "-----------------------------------------");
    for (int f = 0; f < count; f++) bk_buf_cstr(&out, "--------------:|");
    bk_buf_char(&out, '\n');
    for (size_t r = 0; r < BK_COUNTOF(rows); r++) {
        bk_buf_printf(&out, "| %-41s |", rows[r].name);
        for (int f = 0; f < count; f++)
            bk_buf_printf(&out, " %13.*f |", rows[r].decimals, rows[r].of(&files[f]));
        bk_buf_char(&out, '\n');
    }
    int code = bk__cli_print(&out);
    bk_buf_deinit(&out);
    return code;
}

/* ---- the subcommand ---- */

static int on_option(void *arg, size_t which, const char *value)
{
    struct given *given = arg;
    if (which == DROP) {
        given->drop = value;
        return BK_CLI_GO_ON;
    }
    bool good = bk_shop_integer(bk_str_c(value), &given->last_days) && given->last_days > 0 &&
                given->last_days < 1000000;
    return good ? BK_CLI_GO_ON
                : bk__cli_fail(BK_EXIT_USAGE, "--last-days %s: not a number from 1 on", value);
}

static int run(const struct given *given, const struct cli_line *line)
{
    static struct statistics files[FILES_MAX];
    struct bk_reason reason = {""};
    int error = BK_OK, code;
    memset(files, 0, sizeof files);
    for (int f = 0; f < line->operand_count && !error; f++)
        error = read_file(&files[f], line->operands[f], given, &reason);
    code = error ? bk__cli_fail(bk__cli_exit_of(error), "%s", reason.text)
                 : print_table(files, line->operand_count);
    for (int f = 0; f < line->operand_count; f++) forget(&files[f]);
    return code;
}

int bk_cmd_statistics(int argc, char **argv)
{
    struct given given = {0};
    struct cli_line line;
    int code = bk__cli_line_read(&line, &usage, argc, argv, on_option, &given);
    if (code != BK_CLI_GO_ON) return code;
    if (!line.operand_count)
        code = bk__cli_fail(BK_EXIT_USAGE, "statistics needs a FILE");
    else if (line.operand_count > FILES_MAX)
        code = bk__cli_fail(BK_EXIT_USAGE, "at most %d files", FILES_MAX);
    else
        code = run(&given, &line);
    bk__cli_line_end(&line);
    return code;
}
