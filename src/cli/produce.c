/* produce.c -- `basketry produce`: a simulated supermarket fills the topics, or a file.
 *
 *   1. facts   products, stock and customers to their topics
 *   2. events  in order of the shop's own clock, as fast as asked
 *
 * CLOCK   event times are the simulation's. Into Kafka, the default start lies so that the shop's clock
 *         meets the real one at the end: --days back when flat out, now when in real time. Elsewhere the start
 *         is a fixed Monday, so that the same words give the same bytes.
 * PACE    flat out; --rate, so many records a second; or --speed, so many shop seconds a second.
 */
#include "produce.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "basketry/import.h"

#include "cli.h"
#include "progress.h"

enum { TO, SEED, HOUSEHOLDS, DAYS, EVENTS, START, RATE, SPEED, PARTITIONS, TRUTH };

static const struct cli_option options[] = {
    [TO] = {"to", 't', "WHERE",
            "kafka (the default), file:OUT for a log that `run` can replay,\n"
            "                          rows:OUT for rows that `import` and `evaluate` read"},
    [SEED] = {"seed", 's', "N", "another seed, another shop (default 1)"},
    [HOUSEHOLDS] = {"households", 0, "N", "how many shop here, 1 to 1,000,000 (default 1,000)"},
    [DAYS] = {"days", 'd', "N", "so many days of shop time (default 28)"},
    [EVENTS] = {"events", 'n', "N", "stop after so many events, if that is sooner"},
    [START] = {"start", 0, "YYYY-MM-DD",
               "first day (default: 2025-01-06; into Kafka, so that the end is now)"},
    [RATE] = {"rate", 'r', "N", "so many records a second (default: flat out)"},
    [SPEED] = {"speed", 0, "Nx",
               "the shop's clock: 1x real time, 60x an hour a minute; not with --rate"},
    [PARTITIONS] = {"partitions", 'p', "N", "partitions of a log file, 1 to 1024 (default 4)"},
    [TRUTH] = {"dump-truth", 0, "FILE",
               "write what the events hide: every household's habits, at the end"},
};

static const struct cli_usage usage = {
    "produce [--to kafka|file:OUT|rows:OUT] [--seed N] [--households N] [--days N] [--rate N | "
    "--speed Nx]",
    "A simulated supermarket: households of nine kinds with habits shop from some thousands of\n"
    "products, on the web, in the app and at the till. Same seed, same events, on any machine.\n"
    "Products, stock and customers go to their topics first. Consent is personal. Everything is\n"
    "labelled: ids begin with sim-, stores with simulated-, names end in (simulated).",
    options,
    BK_COUNTOF(options),
    "examples:\n"
    "  basketry produce -c shop.ini                            four weeks that end now, flat out\n"
    "  basketry produce --speed 1x --households 20000          a live shop, about an event a "
    "second\n"
    "  basketry produce --to rows:rows.tsv --days 365          and then: basketry statistics "
    "rows.tsv\n"
    "  basketry produce --to file:shop.log --rate 1000 --events 100000",
};

enum { DAYS_DEFAULT = 28, DAYS_MAX = 36500, PARTITIONS_DEFAULT = 4, PARTITIONS_MAX = 1024 };
enum { SLICE_MS = 100, DAY_MS = 86400000, SHOW_EVERY = 256 };

struct given {
    struct bk_shop_params shop;
    const char *to, *truth;
    int64_t days, events, rate; /* 0: not given */
    double speed;               /* 0: not given */
    bool started;               /* --start was given */
    int32_t partitions;         /* 0: not given */
};

struct produce {
    const struct given *given;
    const struct bk_config *cfg;
    struct bk_shop *shop;
    struct bk_import_writer *writer; /* or */
    FILE *rows;
    bk_wall_ms_t end_ms; /* of the shop's clock */
    uint64_t facts, events, written, row_count;
    struct cli_progress progress;
    uint8_t bytes[PRODUCE_BYTES_MAX];
    struct bk_reason reason;
};

/* ---- options ---- */

static bool parse_number(const char *text, int64_t least, int64_t most, int64_t *number)
{
    return bk_shop_integer(bk_str_c(text), number) && *number >= least && *number <= most;
}

/* "60x", "0.5x" or "60". */
static bool parse_speed(const char *text, double *speed)
{
    char *end;
    *speed = strtod(text, &end);
    if (end == text || (*end == 'x' && end[1]) || (*end && *end != 'x')) return false;
    return *speed > 0 && *speed <= 1e9;
}

static bool parse_date(const char *text, bk_wall_ms_t *ms)
{
    int year, month, day, end = 0;
    if (sscanf(text, "%4d-%2d-%2d%n", &year, &month, &day, &end) != 3 || text[end]) return false;
    struct tm date = {.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day};
    time_t at = timegm(&date);
    *ms = (bk_wall_ms_t)at * 1000;
    return at > 0 && date.tm_mon == month - 1 && date.tm_mday == day; /* no 31st of June */
}

static int take_where(struct given *given, const char *value)
{
    bool file = strncmp(value, "file:", 5) == 0 || strncmp(value, "rows:", 5) == 0;
    if (strcmp(value, "kafka") != 0 && (!file || !value[5]))
        return bk__cli_fail(BK_EXIT_USAGE, "--to %s: none of kafka, file:OUT, rows:OUT", value);
    given->to = value;
    return BK_CLI_GO_ON;
}

static int take_number(const char *value, size_t which, int64_t least, int64_t most,
                       int64_t *number)
{
    if (parse_number(value, least, most, number)) return BK_CLI_GO_ON;
    return bk__cli_fail(BK_EXIT_USAGE, "--%s %s: not one of %lld to %lld", options[which].name,
                        value, (long long)least, (long long)most);
}

static int on_option(void *arg, size_t which, const char *value)
{
    struct given *given = arg;
    int64_t number = 0;
    int code = BK_CLI_GO_ON;
    switch (which) {
    case TO:
        return take_where(given, value);
    case SEED:
        code = take_number(value, which, 0, INT64_C(999999999999999999), &number);
        given->shop.seed = (uint64_t)number;
        return code;
    case HOUSEHOLDS:
        code = take_number(value, which, 1, BK_SHOP_HOUSEHOLDS_MAX, &number);
        given->shop.households = (uint32_t)number;
        return code;
    case DAYS:
        return take_number(value, which, 1, DAYS_MAX, &given->days);
    case EVENTS:
        return take_number(value, which, 1, INT64_C(999999999999999), &given->events);
    case RATE:
        return take_number(value, which, 1, 10000000, &given->rate);
    case PARTITIONS:
        code = take_number(value, which, 1, PARTITIONS_MAX, &number);
        given->partitions = (int32_t)number;
        return code;
    case SPEED:
        if (parse_speed(value, &given->speed)) return BK_CLI_GO_ON;
        return bk__cli_fail(BK_EXIT_USAGE, "--speed %s: not a factor such as 60x", value);
    case START:
        given->started = parse_date(value, &given->shop.start_ms);
        if (given->started) return BK_CLI_GO_ON;
        return bk__cli_fail(BK_EXIT_USAGE, "--start %s: not a date such as 2025-01-06", value);
    default:
        given->truth = value;
        return BK_CLI_GO_ON;
    }
}

static int check_use(const struct given *given, const struct cli_line *line)
{
    if (line->operand_count)
        return bk__cli_fail(BK_EXIT_USAGE, "produce takes no operand: %s", line->operands[0]);
    if (given->rate && given->speed > 0)
        return bk__cli_fail(BK_EXIT_USAGE, "--rate or --speed, not both");
    if (given->partitions && strncmp(given->to, "file:", 5) != 0)
        return bk__cli_fail(BK_EXIT_USAGE, "--partitions is for --to file:OUT");
    return BK_EXIT_OK;
}

/* ---- clocks ---- */

static bk_wall_ms_t wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (bk_wall_ms_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The shop's clock shall meet the real one when the days are over. */
static void set_start(struct given *given)
{
    if (given->started || strcmp(given->to, "kafka") != 0) return;
    double days_ms = (double)given->days * DAY_MS;
    double takes_ms = given->speed > 0 ? days_ms / given->speed : 0;
    given->shop.start_ms = wall_ms() + (bk_wall_ms_t)(takes_ms - days_ms);
}

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
    (void)number;
    stopped = 1;
}

/* When, in milliseconds since the start, the record is due. */
static int64_t due_ms(const struct produce *produce, const struct bk_shop_record *record)
{
    const struct given *given = produce->given;
    if (given->rate) return (int64_t)(produce->events * 1000 / (uint64_t)given->rate);
    if (given->speed <= 0) return 0;
    return (int64_t)((double)(record->time_ms - given->shop.start_ms) / given->speed);
}

static double part_done(const struct produce *produce, bk_wall_ms_t now_ms)
{
    const struct given *given = produce->given;
    double by_time = (double)(now_ms - given->shop.start_ms) / ((double)given->days * DAY_MS);
    double by_count = given->events ? (double)produce->events / (double)given->events : 0;
    return by_time > by_count ? by_time : by_count;
}

static void show(struct produce *produce, bk_wall_ms_t now_ms)
{
    char note[32];
    time_t at = (time_t)(now_ms / 1000);
    struct tm date;
    strftime(note, sizeof note, "shop %Y-%m-%d %H:%M", gmtime_r(&at, &date));
    bk__progress_show(&produce->progress, "produced", produce->events, "simulated events",
                      part_done(produce, now_ms), note);
}

static void wait_until_due(struct produce *produce, const struct bk_shop_record *record)
{
    int64_t due = due_ms(produce, record), left;
    while (!stopped && (left = due - bk__progress_ms(&produce->progress)) > 0) {
        if (left > SLICE_MS) left = SLICE_MS;
        struct timespec pause = {.tv_nsec = (long)left * 1000000};
        nanosleep(&pause, NULL);
        show(produce, record->time_ms);
    }
}

/* ---- writing ---- */

/* A topic without a name is one that this shop does not use. */
static bool has_topic(const struct produce *produce, enum bk_topic topic)
{
    const struct bk_config *cfg = produce->cfg;
    const char *const names[] = {[BK_TOPIC_EVENTS] = cfg->kafka_topic_events,
                                 [BK_TOPIC_PRODUCTS] = cfg->kafka_topic_products,
                                 [BK_TOPIC_STOCK] = cfg->kafka_topic_stock,
                                 [BK_TOPIC_CUSTOMERS] = cfg->kafka_topic_customers};
    return strcmp(produce->given->to, "kafka") != 0 || names[topic][0];
}

static int write_record(struct produce *produce, const struct bk_shop_record *record)
{
    if (produce->rows) {
        if (record->topic == BK_TOPIC_EVENTS)
            produce->row_count += bk__produce_rows(produce->rows, record->event);
        return BK_OK;
    }
    if (!has_topic(produce, record->topic)) return BK_OK;
    size_t len = bk__produce_encode(record, produce->bytes, sizeof produce->bytes);
    produce->written++;
    return produce->writer->ops->write(produce->writer, record->topic, record->time_ms, record->key,
                                       bk_str((const char *)produce->bytes, len), &produce->reason);
}

static int write_facts(struct produce *produce)
{
    struct bk_shop_record record;
    uint32_t count = bk_shop_fact_count(produce->shop);
    int code = BK_OK;
    for (uint32_t i = 0; i < count && !code && !stopped; i++) {
        bk_shop_fact(produce->shop, i, &record);
        code = write_record(produce, &record);
    }
    produce->facts = produce->written;
    return code;
}

static int write_events(struct produce *produce)
{
    struct bk_shop_record record;
    uint64_t most = produce->given->events ? (uint64_t)produce->given->events : UINT64_MAX;
    int code = BK_OK;
    bk__progress_begin(&produce->progress);
    while (!code && !stopped && produce->events < most && bk_shop_next(produce->shop, &record) &&
           record.time_ms < produce->end_ms) {
        wait_until_due(produce, &record);
        if (stopped) break;
        code = write_record(produce, &record);
        if (record.topic != BK_TOPIC_EVENTS) continue;
        if (produce->events++ % SHOW_EVERY == 0) show(produce, record.time_ms);
    }
    bk__progress_end(&produce->progress);
    return code;
}

/* ---- where to ---- */

static int open_file(FILE **file, const char *path, struct bk_reason *reason)
{
    *file = fopen(path, "w");
    if (*file) return BK_OK;
    return bk_reason_set(reason, bk_error_from_errno(errno), "%s: %s", path, strerror(errno));
}

static int close_file(FILE **file, const char *path, int code, struct bk_reason *reason)
{
    if (!*file) return code;
    bool bad = ferror(*file) != 0;
    bad |= fclose(*file) != 0;
    *file = NULL;
    if (!bad || code) return code;
    return bk_reason_set(reason, BK_EIO, "%s: %s", path, strerror(errno));
}

static int open_target(struct produce *produce)
{
    const char *to = produce->given->to;
    if (strncmp(to, "rows:", 5) == 0) {
        int code = open_file(&produce->rows, to + 5, &produce->reason);
        if (!code) bk__produce_rows_head(produce->rows);
        return code;
    }
    int32_t partitions = produce->given->partitions;
    bool file = strncmp(to, "file:", 5) == 0;
    produce->writer =
        file ? bk_import_writer_file(to + 5, partitions ? partitions : PARTITIONS_DEFAULT,
                                     &produce->reason)
             : bk_import_writer_kafka(produce->cfg, &produce->reason);
    return produce->writer ? BK_OK : BK_EINVAL;
}

static int close_target(struct produce *produce, int code)
{
    struct bk_reason reason = {""};
    if (produce->rows)
        return close_file(&produce->rows, produce->given->to + 5, code, &produce->reason);
    if (!produce->writer) return code;
    int closed = produce->writer->ops->close(produce->writer, &reason);
    produce->writer = NULL;
    if (code || !closed) return code;
    produce->reason = reason;
    return closed;
}

static int dump_truth(struct produce *produce, int code)
{
    const char *path = produce->given->truth;
    FILE *file = NULL;
    if (code || !path) return code;
    code = open_file(&file, path, &produce->reason);
    if (code) return code;
    bk__produce_truth(file, produce->shop);
    return close_file(&file, path, code, &produce->reason);
}

/* ---- the subcommand ---- */

static int summarize(const struct produce *produce)
{
    struct bk_buf out = {0};
    double seconds = (double)bk__progress_ms(&produce->progress) / 1000.0;
    bk_buf_printf(&out, "simulated: %u products, %u households, seed %llu\n",
                  (unsigned)bk_shop_product_count(produce->shop),
                  (unsigned)bk_shop_shopper_count(produce->shop),
                  (unsigned long long)produce->given->shop.seed);
    if (produce->facts) bk_buf_printf(&out, "facts %llu\n", (unsigned long long)produce->facts);
    bk_buf_printf(&out, "events %llu to %s in %.1f s, %.0f a second%s\n",
                  (unsigned long long)produce->events, produce->given->to, seconds,
                  seconds > 0 ? (double)produce->events / seconds : 0, stopped ? "; stopped" : "");
    if (produce->row_count)
        bk_buf_printf(&out, "rows %llu\n", (unsigned long long)produce->row_count);
    int code = bk__cli_print(&out);
    bk_buf_deinit(&out);
    return code;
}

static int produce_all(struct produce *produce)
{
    produce->shop = bk_shop_create(&produce->given->shop, &produce->reason);
    if (!produce->shop) return BK_EINVAL;
    produce->end_ms = produce->given->shop.start_ms + produce->given->days * DAY_MS;
    int code = open_target(produce);
    if (!code) code = write_facts(produce);
    if (!code) code = write_events(produce);
    code = close_target(produce, code);
    return dump_truth(produce, code);
}

static int run(const struct given *given, const struct cli_line *line)
{
    struct produce *produce = calloc(1, sizeof *produce);
    if (!produce) return bk__cli_fail(BK_EXIT_BUG, "out of memory");
    produce->given = given;
    produce->cfg = line->cfg;
    stopped = 0;
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    int error = produce_all(produce);
    int code = error ? bk__cli_fail(bk__cli_exit_of(error), "%s", produce->reason.text)
                     : summarize(produce);
    bk_shop_destroy(&produce->shop);
    free(produce);
    return code;
}

int bk_cmd_produce(int argc, char **argv)
{
    struct given given = {.to = "kafka", .days = DAYS_DEFAULT};
    struct cli_line line;
    bk_shop_params_default(&given.shop);
    int code = bk__cli_line_read(&line, &usage, argc, argv, on_option, &given);
    if (code != BK_CLI_GO_ON) return code;
    code = check_use(&given, &line);
    if (code == BK_EXIT_OK) {
        set_start(&given);
        code = run(&given, &line);
    }
    bk__cli_line_end(&line);
    return code;
}
