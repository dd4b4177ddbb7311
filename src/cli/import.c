/* import.c -- `basketry import`: a shop's own files become events in Kafka or in a log file.
 *
 *   1. read   every file's rows; bad ones are named (the first ten) and counted
 *   2. group  purchase rows into receipts, everything into time order 3. write  products first, so
 *   that lists show names from the first event on; then the events
 *
 * Importing the same files again gives the same event ids, and the engine counts each once as far
 * back as it remembers ids (state.dedup_events a partition).
 */
#include "basketry/import.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "basketry/decode.h"

#include "cli.h"

enum { FORMAT, TO, ITEMS, DROP, CONSENT, PARTITIONS, MEMORY, DRY_RUN };

static const struct cli_option options[] = {
    [FORMAT] = {"format", 'f', "FORMAT", "form of the files: common (the default)"},
    [TO] = {"to", 't', "WHERE", "kafka (the default), or file:OUT for a log that `run` can replay"},
    [ITEMS] = {"items", 'i', "FILE", "a table of items: names, categories, brands, prices"},
    [DROP] = {"drop", 0, "REGEX", "leave out items whose whole id matches (extended regex)"},
    [CONSENT] = {"consent", 0, "C", "what the events allow: personal (the default) or session"},
    [PARTITIONS] = {"partitions", 'p', "N", "partitions of a log file, 1 to 1024 (default 4)"},
    [MEMORY] = {"memory", 0, "BYTES", "most memory for the rows, with k, m or g (default 2g)"},
    [DRY_RUN] = {"dry-run", 'n', NULL, "read, group and count; write nothing"},
};

static const struct cli_usage usage = {
    "import [--to kafka|file:OUT] [--items FILE] [--drop REGEX] [--consent C] [--dry-run] FILE...",
    "Turns a shop's own records into events. The form `common` is tab separated, with the header\n"
    "  ts_ms user session event item qty price\n"
    "plain, gzip or zstd, `-` for what was not recorded; event is one of view, cart, favourite,\n"
    "purchase, return. The purchase rows of one session, wherever they stand, become one receipt "
    "at\n"
    "the time of the earliest; more than 2,000 of them are split into orders ID, ID/2, ID/3 ...\n"
    "A row without a user belongs to visitor SESSION; without a clock it takes a second.\n"
    "Prices become hundredths; their currency is not known. Event ids are made of the rows, so "
    "what\n"
    "is imported twice counts once, as far back as the engine remembers ids (state.dedup_events).",
    options,
    BK_COUNTOF(options),
    "memory: 96 bytes a row and each distinct id once; all rows are held, for they are written in\n"
    "time order.\n\n"
    "examples:\n"
    "  basketry import -c shop.ini --items items.tsv.zst events.tsv.zst\n"
    "  basketry import --to file:shop.log --drop 'POST|gift_.*' events.tsv.zst",
};

enum { BAD_SHOWN = 10, PARTITIONS_DEFAULT = 4, PARTITIONS_MAX = 1024, EVENT_BYTES_MAX = 1 << 20 };

struct options {
    const char *to, *items, *drop;
    enum bk_consent consent;
    int32_t partitions; /* 0: not given */
    uint64_t memory_bytes;
    bool dry_run;
};

struct import {
    struct options options;
    const struct bk_config *cfg;
    struct bk_import_rows rows;
    struct bk_shop_drop *drop;
    struct bk_import_writer *writer; /* NULL: nowhere */
    struct bk_import_counts counts;
    uint64_t bad_items, products, written, to_write;
    uint8_t *bytes; /* EVENT_BYTES_MAX */
    uint64_t bad_shown;
    bool tty, line_open;
    int64_t started_ms, shown_ms;
    const char *path; /* being read */
    struct bk_reason reason;
};

/* ---- options ---- */

static bool parse_bytes(const char *text, uint64_t *bytes)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    int shift = *end == 'k' ? 10 : *end == 'm' ? 20 : *end == 'g' ? 30 : 0;
    if (shift) end++;
    if (errno || end == text || *text == '-' || *end || value > (UINT64_MAX >> 1 >> shift))
        return false;
    *bytes = (uint64_t)value << shift;
    return *bytes > 0;
}

static bool parse_number(const char *text, int64_t least, int64_t most, int64_t *number)
{
    return bk_shop_integer(bk_str_c(text), number) && *number >= least && *number <= most;
}

static int on_option(void *arg, size_t which, const char *value)
{
    struct options *options_read = arg;
    int64_t number;
    switch (which) {
    case FORMAT:
        if (strcmp(value, "common") == 0) return BK_CLI_GO_ON;
        return bk__cli_fail(BK_EXIT_USAGE, "--format %s: the only form so far is common", value);
    case TO:
        if (strcmp(value, "kafka") != 0 && (strncmp(value, "file:", 5) != 0 || !value[5]))
            return bk__cli_fail(BK_EXIT_USAGE, "--to %s: neither kafka nor file:OUT", value);
        options_read->to = value;
        return BK_CLI_GO_ON;
    case ITEMS:
        options_read->items = value;
        return BK_CLI_GO_ON;
    case DROP:
        options_read->drop = value;
        return BK_CLI_GO_ON;
    case CONSENT:
        if (strcmp(value, "personal") != 0 && strcmp(value, "session") != 0)
            return bk__cli_fail(BK_EXIT_USAGE, "--consent %s: neither personal nor session", value);
        options_read->consent = value[0] == 'p' ? BK_CONSENT_PERSONAL : BK_CONSENT_SESSION;
        return BK_CLI_GO_ON;
    case PARTITIONS:
        if (!parse_number(value, 1, PARTITIONS_MAX, &number))
            return bk__cli_fail(BK_EXIT_USAGE, "--partitions %s: not one of 1 to 1024", value);
        options_read->partitions = (int32_t)number;
        return BK_CLI_GO_ON;
    case MEMORY:
        if (parse_bytes(value, &options_read->memory_bytes)) return BK_CLI_GO_ON;
        return bk__cli_fail(BK_EXIT_USAGE, "--memory %s: not a number of bytes such as 512m",
                            value);
    default:
        options_read->dry_run = true;
        return BK_CLI_GO_ON;
    }
}

/* ---- telling how far it is ---- */

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void begin_phase(struct import *import)
{
    import->started_ms = import->shown_ms = now_ms();
}

static void end_line(struct import *import)
{
    if (import->line_open) fputc('\n', stderr);
    import->line_open = false;
}

/* A line that renews itself on a terminal, one every ten seconds elsewhere. `done` of `total` say
 * when it ends. */
static void show_progress(struct import *import, const char *verb, uint64_t things,
                          const char *what, uint64_t done, uint64_t total)
{
    int64_t now = now_ms(), spent_ms = now - import->started_ms;
    if (now - import->shown_ms < (import->tty ? 200 : 10000) || spent_ms <= 0) return;
    import->shown_ms = now;
    fprintf(stderr, "%s%s %llu %s, %.0f a second", import->tty ? "\r\033[K" : "", verb,
            (unsigned long long)things, what, (double)things * 1000.0 / (double)spent_ms);
    if (done && total >= done)
        fprintf(stderr, ", %.0f %%, %.0f s left", 100.0 * (double)done / (double)total,
                (double)spent_ms / 1000.0 * (double)(total - done) / (double)done);
    if (import->tty)
        import->line_open = true;
    else
        fputc('\n', stderr);
    fflush(stderr);
}

static void on_bad(void *arg, const char *text)
{
    struct import *import = arg;
    if (import->bad_shown++ >= BAD_SHOWN) return;
    end_line(import);
    fprintf(stderr, "%s\n", text);
}

static void on_bad_item(void *arg, const char *text)
{
    struct import *import = arg;
    import->bad_items++;
    on_bad(arg, text);
}

static void on_read_progress(void *arg, uint64_t done_bytes, uint64_t total_bytes)
{
    struct import *import = arg;
    show_progress(import, "read", import->rows.count, "rows", done_bytes, total_bytes);
}

static void tell_hidden_bad(const struct import *import)
{
    if (import->bad_shown > BAD_SHOWN)
        fprintf(stderr, "... and %llu more bad rows\n",
                (unsigned long long)(import->bad_shown - BAD_SHOWN));
}

/* ---- writing ---- */

static int write_event(struct import *import, enum bk_topic topic, bk_str_t key,
                       const struct bk_event *event)
{
    size_t len = bk_encode_event(event, import->bytes, EVENT_BYTES_MAX);
    BK_ASSERT(len > 0); /* 2,000 lines of the longest ids take a third of it */
    if (!import->writer) return BK_OK;
    return import->writer->ops->write(import->writer, topic, event->event_time_ms, key,
                                      bk_str((const char *)import->bytes, len), &import->reason);
}

static int on_event(void *arg, const struct bk_event *event)
{
    struct import *import = arg;
    char subject[BK_SUBJECT_BYTES_MAX];
    bk_str_t key = bk_str(subject, bk_event_subject(event, subject));
    int code = write_event(import, BK_TOPIC_EVENTS, key, event);
    import->written += code == BK_OK;
    show_progress(import, "wrote", import->written, "events", import->written, import->to_write);
    return code;
}

static int on_product(void *arg, const struct bk_event *event)
{
    return write_event(arg, BK_TOPIC_PRODUCTS, event->lines[0].item, event);
}

static int open_writer(struct import *import)
{
    const struct options *given = &import->options;
    bool file = strncmp(given->to, "file:", 5) == 0;
    if (given->dry_run) return BK_OK;
    if (given->items && !file && !import->cfg->kafka_topic_products[0])
        return bk_reason_set(&import->reason, BK_EINVAL,
                             "--items needs kafka.topic_products, which is empty");
    import->writer =
        file ? bk_import_writer_file(given->to + 5,
                                     given->partitions ? given->partitions : PARTITIONS_DEFAULT,
                                     &import->reason)
             : bk_import_writer_kafka(import->cfg, &import->reason);
    return import->writer ? BK_OK : BK_EINVAL;
}

static int close_writer(struct import *import, int code)
{
    struct bk_reason reason = {""};
    if (!import->writer) return code;
    int closed = import->writer->ops->close(import->writer, &reason);
    import->writer = NULL;
    if (code || !closed) return code;
    import->reason = reason;
    return closed;
}

/* ---- the three steps ---- */

static int read_files(struct import *import, const struct cli_line *line)
{
    struct bk_import_watch watch = {import, on_bad, on_read_progress};
    int code = BK_OK;
    for (int i = 0; i < line->operand_count && code == BK_OK; i++) {
        begin_phase(import);
        code = bk_import_read(&import->rows, line->operands[i], &watch, &import->reason);
        end_line(import);
    }
    return code;
}

static int write_products(struct import *import)
{
    struct bk_import_watch watch = {import, on_bad_item, NULL};
    if (!import->options.items) return BK_OK;
    return bk_import_items(import->options.items, import->drop, &watch, on_product, import,
                           &import->products, &import->reason);
}

static int write_events(struct import *import)
{
    begin_phase(import);
    import->to_write = bk_import_event_count(&import->rows);
    int code =
        bk_import_emit(&import->rows, import->options.consent, on_event, import, &import->counts);
    end_line(import);
    return code;
}

static int import_all(struct import *import, const struct cli_line *line)
{
    int code = read_files(import, line);
    if (code == BK_OK) code = bk_import_group(&import->rows);
    if (code == BK_OK) code = open_writer(import);
    if (code == BK_OK) code = write_products(import);
    if (code == BK_OK) code = write_events(import);
    if (code == BK_ENOMEM && !import->reason.text[0])
        bk_reason_set(&import->reason, code, "out of memory");
    return close_writer(import, code);
}

/* ---- the summary ---- */

static void put_where(const struct import *import, struct bk_buf *out)
{
    if (import->options.dry_run)
        bk_buf_cstr(out, "nowhere (dry run)");
    else if (strcmp(import->options.to, "kafka") == 0)
        bk_buf_printf(out, "%s at %s", import->cfg->kafka_topic_events, import->cfg->kafka_brokers);
    else
        bk_buf_cstr(out, import->options.to + 5);
}

static void put_kinds(const struct import *import, struct bk_buf *out)
{
    for (unsigned kind = 0; kind < BK_EVENT_KIND_COUNT; kind++)
        if (import->counts.events[kind])
            bk_buf_printf(out, ", %s %llu", bk_event_kind_name((enum bk_event_kind)kind),
                          (unsigned long long)import->counts.events[kind]);
    if (import->counts.lines)
        bk_buf_printf(out, " (%llu lines, %llu receipts split)",
                      (unsigned long long)import->counts.lines,
                      (unsigned long long)import->counts.split);
}

static int summarize(const struct import *import)
{
    struct bk_buf out = {0};
    bk_buf_printf(&out, "read %zu rows; left out %llu bad, %llu dropped; %llu without a clock\n",
                  import->rows.count, (unsigned long long)import->rows.bad,
                  (unsigned long long)import->rows.dropped,
                  (unsigned long long)import->rows.unclocked);
    if (import->options.items)
        bk_buf_printf(&out, "products %llu; left out %llu bad\n",
                      (unsigned long long)import->products, (unsigned long long)import->bad_items);
    bk_buf_printf(&out, "events %llu to ", (unsigned long long)import->written);
    put_where(import, &out);
    put_kinds(import, &out);
    bk_buf_printf(&out, "; consent %s; currency not known\n",
                  import->options.consent == BK_CONSENT_PERSONAL ? "personal" : "session");
    int code = bk__cli_print(&out);
    bk_buf_deinit(&out);
    return code;
}

/* ---- the subcommand ---- */

static int check_use(const struct options *given, const struct cli_line *line)
{
    if (!line->operand_count && !given->items)
        return bk__cli_fail(BK_EXIT_USAGE, "import needs a FILE");
    if (given->partitions && strcmp(given->to, "kafka") == 0)
        return bk__cli_fail(BK_EXIT_USAGE,
                            "--partitions is for --to file:OUT; a topic has its own");
    return BK_EXIT_OK;
}

static int run(struct import *import, const struct cli_line *line)
{
    const struct options *given = &import->options;
    if (given->drop && !(import->drop = bk_shop_drop_create(given->drop, &import->reason)))
        return bk__cli_fail(BK_EXIT_USAGE, "%s", import->reason.text);
    import->bytes = malloc(EVENT_BYTES_MAX);
    if (!import->bytes) return bk__cli_fail(BK_EXIT_BUG, "out of memory");
    import->rows.bytes_max = given->memory_bytes;
    import->rows.drop = import->drop;
    import->tty = isatty(STDERR_FILENO);
    int code = import_all(import, line);
    tell_hidden_bad(import);
    if (code) return bk__cli_fail(bk__cli_exit_of(code), "%s", import->reason.text);
    code = summarize(import);
    if (code == BK_EXIT_OK && !import->written && !import->products)
        return bk__cli_fail(BK_EXIT_DATA, "nothing in there could be used");
    return code;
}

int bk_cmd_import(int argc, char **argv)
{
    struct import import = {.options = {.to = "kafka",
                                        .consent = BK_CONSENT_PERSONAL,
                                        .memory_bytes = UINT64_C(2) << 30}};
    struct cli_line line;
    int code = bk__cli_line_read(&line, &usage, argc, argv, on_option, &import.options);
    if (code != BK_CLI_GO_ON) return code;
    import.cfg = line.cfg;
    code = check_use(&import.options, &line);
    if (code == BK_EXIT_OK) code = run(&import, &line);
    bk_import_rows_deinit(&import.rows);
    bk_shop_drop_destroy(&import.drop);
    free(import.bytes);
    bk__cli_line_end(&line);
    return code;
}
