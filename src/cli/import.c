/* import.c -- `basketry import`: a shop's own files become events and facts in Kafka or in a log file.
 *
 *   1. look    each file is recognised as tables of a format: built in, or of a shop's own --mapping
 *   2. read    every row of behaviour; bad ones are named (the first ten) and counted
 *   3. group   purchase rows into receipts, everything into time order
 *   4. write   products and customers first, so that lists show names from the first event on; then
 *              the events, as fast as they are taken or at --speed
 *
 * Importing the same files again gives the same event ids, and the engine counts each once as far
 * back as it remembers ids (state.dedup_events a partition). With --resume a second start skips what
 * the first one is known to have delivered, however much that was.
 */
#include "basketry/import.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "basketry/decode.h"

#include "cli.h"
#include "import_files.h"
#include "progress.h"

enum {
    FORMAT,
    MAPPING,
    TO,
    ITEMS,
    DROP,
    CONSENT,
    ENCODING,
    SPEED,
    RESUME,
    PARTITIONS,
    MEMORY,
    DRY_RUN,
    FORMATS
};

static const struct cli_option options[] = {
    [FORMAT] = {"format", 'f', "FORMAT",
                "form of the files, rees46 or rees46.events (found by looking)"},
    [MAPPING] = {"mapping", 'm', "FILE", "a shop's own tables: which column is which field"},
    [TO] = {"to", 't', "WHERE", "kafka (the default), or file:OUT for a log that `run` can replay"},
    [ITEMS] = {"items", 'i', "FILE", "a table of products, of whatever format"},
    [DROP] = {"drop", 0, "REGEX", "leave out items whose whole id matches (extended regex)"},
    [CONSENT] = {"consent", 0, "C", "what the events allow: personal (the default) or session"},
    [ENCODING] = {"encoding", 'e', "E", "of CSV: utf8, latin1, auto (the format's own)"},
    [SPEED] = {"speed", 's', "Nx", "replay by the data's clock, 60x: a minute in a second"},
    [RESUME] = {"resume", 'r', "FILE", "keep how far it came in FILE; go on from there"},
    [PARTITIONS] = {"partitions", 'p', "N", "partitions of a log file, 1 to 1024 (default 4)"},
    [MEMORY] = {"memory", 0, "BYTES", "most memory for the rows, with k, m or g (default 2g)"},
    [DRY_RUN] = {"dry-run", 'n', NULL, "read, group and count; write nothing"},
    [FORMATS] = {"formats", 0, NULL, "print the reference of all formats and end"},
};

static const struct cli_usage usage = {
    "import [--to kafka|file:OUT] [--format F | --mapping FILE] [--resume FILE] FILE|FOLDER...",
    "Turns data as people have it into events, products and customers: Instacart, Retailrocket,\n"
    "REES46, UCI Online Retail, dunnhumby, OTTO, YooChoose, H&M, GA4's BigQuery export, and a "
    "shop's\n"
    "own tables (CSV, JSON lines, a DynamoDB export) by a mapping file. Files may be plain, gzip "
    "or\n"
    "zstd; a folder stands for the files in it. What each column becomes: src/import/FORMATS.md, "
    "or\n"
    "--formats; how a mapping is written: src/import/README.md.\n"
    "A bad row is named as file:line:column and left out; a damaged or cut-off file ends the "
    "import\n"
    "before anything of it is written. Event ids are made of the data, so what is imported twice\n"
    "counts once, as far back as the engine remembers ids (state.dedup_events).",
    options,
    BK_COUNTOF(options),
    "memory: 112 bytes a row and each distinct id once; all rows are held, for they are written "
    "in\n"
    "time order.\n\n"
    "examples:\n"
    "  basketry import -c shop.ini 2019-Oct.csv.gz\n"
    "  basketry import -c shop.ini --resume import.mark instacart/\n"
    "  basketry import -c shop.ini --mapping omnix.ini export/data/*.json.gz\n"
    "  basketry import --to file:shop.log --drop 'POST|gift_.*' --items items.tsv.zst "
    "events.tsv.zst",
};

enum { BAD_SHOWN = 10, PARTITIONS_DEFAULT = 4, PARTITIONS_MAX = 1024, EVENT_BYTES_MAX = 1 << 20 };
enum { MARK_RECORDS = 50000, MARK_MS = 1000, WAIT_SLICE_MS = 100 };

struct options {
    const char *format, *mapping, *to, *items, *drop, *resume;
    enum bk_consent consent;
    enum bk_encoding encoding;
    bool encoding_given;
    double speed;       /* 0: as fast as it is taken */
    int32_t partitions; /* 0: not given */
    uint64_t memory_bytes;
    bool dry_run, formats;
};

struct import {
    struct options options;
    const struct bk_config *cfg;
    struct bk_import_formats *formats;
    struct import_files files;
    struct bk_import_rows rows;
    struct bk_shop_drop *drop;
    struct bk_import_writer *writer; /* NULL: nowhere */
    struct bk_import_counts counts;
    struct bk_import_fact_counts facts;
    struct bk_import_mark mark;
    uint64_t sequence; /* records made, facts and events */
    uint64_t skipped;  /* of them known to be delivered */
    int64_t marked_ms;
    uint64_t written, to_write;            /* events */
    int64_t first_event_ms, first_sent_ms; /* --speed */
    uint8_t *bytes;                        /* EVENT_BYTES_MAX */
    uint64_t bad_shown;
    struct cli_progress progress; /* of reading, then of writing */
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

/* "60x", "0.5x" or "60". */
static bool parse_speed(const char *text, double *speed)
{
    char *end;
    *speed = strtod(text, &end);
    if (*end == 'x') end++;
    return end != text && !*end && isfinite(*speed) && *speed > 0;
}

static bool parse_encoding(const char *text, struct options *given)
{
    static const char *const words[] = {"utf8", "latin1", "auto"};
    for (size_t i = 0; i < BK_COUNTOF(words); i++)
        if (strcmp(text, words[i]) == 0) {
            given->encoding = (enum bk_encoding)i;
            given->encoding_given = true;
        }
    return given->encoding_given;
}

static int on_option(void *arg, size_t which, const char *value)
{
    struct options *given = arg;
    int64_t number;
    switch (which) {
    case FORMAT:
        given->format = value;
        return BK_CLI_GO_ON;
    case MAPPING:
        given->mapping = value;
        return BK_CLI_GO_ON;
    case TO:
        if (strcmp(value, "kafka") != 0 && (strncmp(value, "file:", 5) != 0 || !value[5]))
            return bk__cli_fail(BK_EXIT_USAGE, "--to %s: neither kafka nor file:OUT", value);
        given->to = value;
        return BK_CLI_GO_ON;
    case ITEMS:
        given->items = value;
        return BK_CLI_GO_ON;
    case DROP:
        given->drop = value;
        return BK_CLI_GO_ON;
    case CONSENT:
        if (strcmp(value, "personal") != 0 && strcmp(value, "session") != 0)
            return bk__cli_fail(BK_EXIT_USAGE, "--consent %s: neither personal nor session", value);
        given->consent = value[0] == 'p' ? BK_CONSENT_PERSONAL : BK_CONSENT_SESSION;
        return BK_CLI_GO_ON;
    case ENCODING:
        if (parse_encoding(value, given)) return BK_CLI_GO_ON;
        return bk__cli_fail(BK_EXIT_USAGE, "--encoding %s: none of utf8, latin1, auto", value);
    case SPEED:
        if (parse_speed(value, &given->speed)) return BK_CLI_GO_ON;
        return bk__cli_fail(BK_EXIT_USAGE, "--speed %s: not a factor such as 60x", value);
    case RESUME:
        given->resume = value;
        return BK_CLI_GO_ON;
    case PARTITIONS:
        if (!parse_number(value, 1, PARTITIONS_MAX, &number))
            return bk__cli_fail(BK_EXIT_USAGE, "--partitions %s: not one of 1 to 1024", value);
        given->partitions = (int32_t)number;
        return BK_CLI_GO_ON;
    case MEMORY:
        if (parse_bytes(value, &given->memory_bytes)) return BK_CLI_GO_ON;
        return bk__cli_fail(BK_EXIT_USAGE, "--memory %s: not a number of bytes such as 512m",
                            value);
    case FORMATS:
        given->formats = true;
        return BK_CLI_GO_ON;
    default:
        given->dry_run = true;
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

static void show_progress(struct import *import, const char *verb, uint64_t things,
                          const char *what, uint64_t done, uint64_t total)
{
    double part = done && total >= done ? (double)done / (double)total : -1;
    bk__progress_show(&import->progress, verb, things, what, part, "");
}

static void on_bad(void *arg, const char *text)
{
    struct import *import = arg;
    if (import->bad_shown++ >= BAD_SHOWN) return;
    bk__progress_end(&import->progress);
    fprintf(stderr, "%s\n", text);
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

/* ---- going on from a mark ---- */

/* Whatever decides which records come out of the files, in one text. */
static int write_words(const struct import *import, char *out, size_t cap)
{
    const struct options *given = &import->options;
    return snprintf(out, cap, "%s|%016llx|%s|%d|%d", given->format ? given->format : "",
                    (unsigned long long)bk_import_formats_digest(import->formats),
                    given->drop ? given->drop : "", (int)given->consent,
                    given->encoding_given ? (int)given->encoding : -1);
}

static int read_mark(struct import *import)
{
    struct bk_import_mark found;
    char words[1024];
    int len = write_words(import, words, sizeof words);
    if (!import->options.resume) return BK_OK;
    int code = bk_import_identity(import->files.file, import->files.count,
                                  bk_str(words, bk_min_u64((uint64_t)len, sizeof words - 1)),
                                  &import->mark.identity, &import->reason);
    if (code) return code;
    code = bk_import_mark_read(import->options.resume, &found, &import->reason);
    if (code) return code == BK_ENOENT ? BK_OK : code;
    if (found.identity != import->mark.identity)
        return bk_reason_set(
            &import->reason, BK_EINVAL,
            "%s: the mark of another import (other files, or another order of them, "
            "mapping or options); remove it to begin anew",
            import->options.resume);
    import->mark = found;
    return BK_OK;
}

/* All records so far are to be safe before they are marked. */
static int set_mark(struct import *import, bool complete)
{
    if (!import->options.resume || import->options.dry_run) return BK_OK;
    int code = import->writer && !complete
                   ? import->writer->ops->sync(import->writer, &import->reason)
                   : BK_OK;
    if (code) return code;
    import->mark.done = import->sequence;
    import->mark.complete = complete;
    import->marked_ms = now_ms();
    return bk_import_mark_write(import->options.resume, &import->mark, &import->reason);
}

static int mark_now_and_then(struct import *import)
{
    if (!import->options.resume) return BK_OK;
    bool due = import->sequence - import->mark.done >= MARK_RECORDS ||
               now_ms() - import->marked_ms >= MARK_MS;
    return due ? set_mark(import, false) : BK_OK;
}

/* ---- writing ---- */

/* One record of the sequence: written, unless a mark says that it is there. */
static int write_record(struct import *import, enum bk_topic topic, bk_wall_ms_t timestamp_ms,
                        bk_str_t key, bk_str_t value)
{
    if (++import->sequence <= import->mark.done) {
        import->skipped++;
        return BK_OK;
    }
    if (!import->writer) return BK_OK;
    int code = import->writer->ops->write(import->writer, topic, timestamp_ms, key, value,
                                          &import->reason);
    if (code) import->sequence--;
    return code ? code : mark_now_and_then(import);
}

/* --speed: the event's turn comes as long after the first as its clock says. */
static void wait_for_turn(struct import *import, int64_t event_ms)
{
    if (!(import->options.speed > 0) || import->sequence < import->mark.done) return;
    if (!import->first_sent_ms) {
        import->first_sent_ms = now_ms();
        import->first_event_ms = event_ms;
    }
    double after_ms = (double)(event_ms - import->first_event_ms) / import->options.speed;
    for (;;) {
        double left_ms = (double)import->first_sent_ms + after_ms - (double)now_ms();
        if (left_ms < 1) return;
        int64_t slice_ms = left_ms < WAIT_SLICE_MS ? (int64_t)left_ms : WAIT_SLICE_MS;
        struct timespec slice = {0, (long)slice_ms * 1000000};
        nanosleep(&slice, NULL);
        show_progress(import, "wrote", import->written, "events", import->written,
                      import->to_write);
    }
}

static int on_event(void *arg, const struct bk_event *event)
{
    struct import *import = arg;
    char subject[BK_SUBJECT_BYTES_MAX];
    bk_str_t key = bk_str(subject, bk_event_subject(event, subject));
    wait_for_turn(import, event->event_time_ms);
    size_t len = bk_encode_event(event, import->bytes, EVENT_BYTES_MAX);
    BK_ASSERT(len > 0); /* 2,000 lines of the longest ids take a third of it */
    int code = write_record(import, BK_TOPIC_EVENTS, event->event_time_ms, key,
                            bk_str((const char *)import->bytes, len));
    import->written += code == BK_OK;
    show_progress(import, "wrote", import->written, "events", import->written, import->to_write);
    return code;
}

static int on_fact(void *arg, const struct bk_import_fact *fact)
{
    struct import *import = arg;
    const struct bk_config *cfg = import->cfg;
    bool kafka = strcmp(import->options.to, "kafka") == 0;
    bool product = fact->topic == BK_TOPIC_PRODUCTS;
    if (kafka && !(product ? cfg->kafka_topic_products : cfg->kafka_topic_customers)[0])
        return bk_reason_set(&import->reason, BK_EUNSUPPORTED, "there are %s, but %s is empty",
                             product ? "products" : "customers",
                             product ? "kafka.topic_products" : "kafka.topic_customers");
    return write_record(import, fact->topic, fact->updated_ms, fact->key, fact->value);
}

static int open_writer(struct import *import)
{
    const struct options *given = &import->options;
    if (given->dry_run || import->mark.complete) return BK_OK;
    bool file = strncmp(given->to, "file:", 5) == 0;
    import->writer =
        file ? bk_import_writer_file(given->to + 5,
                                     given->partitions ? given->partitions : PARTITIONS_DEFAULT,
                                     &import->reason)
             : bk_import_writer_kafka(import->cfg, &import->reason);
    import->marked_ms = now_ms();
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

/* ---- the steps ---- */

static int look_at_files(struct import *import, const struct cli_line *line)
{
    const struct options *given = &import->options;
    const char *format = given->format ? given->format : given->mapping ? "mapping" : NULL;
    int code = BK_OK;
    if (format && !bk_import_formats_has(import->formats, format))
        return bk_reason_set(&import->reason, BK_EINVAL,
                             "--format %s: there is none of that name (import --formats)", format);
    if (given->items) {
        code = bk__import_files_add(&import->files, import->formats, format, given->items,
                                    &import->reason);
        if (!code && !bk_import_file_has_products(&import->files.file[0]))
            code = bk_reason_set(&import->reason, BK_EINVAL, "%s:1:1: not a table of products",
                                 given->items);
    }
    for (int i = 0; i < line->operand_count && !code; i++)
        code = bk__import_files_add(&import->files, import->formats, format, line->operands[i],
                                    &import->reason);
    return code;
}

static int read_rows(struct import *import)
{
    struct bk_import_watch watch = {import, on_bad, on_read_progress};
    import->rows.formats = import->formats;
    import->rows.encoding = import->options.encoding_given ? &import->options.encoding : NULL;
    import->rows.bytes_max = import->options.memory_bytes;
    import->rows.drop = import->drop;
    bk__progress_begin(&import->progress);
    int code = bk_import_read(&import->rows, import->files.file, import->files.count, &watch,
                              &import->reason);
    bk__progress_end(&import->progress);
    return code ? code : bk_import_group(&import->rows);
}

static int write_facts(struct import *import)
{
    struct bk_import_watch watch = {import, on_bad, NULL};
    return bk_import_facts(&import->rows, import->files.file, import->files.count, &watch, on_fact,
                           import, &import->facts, &import->reason);
}

static int write_events(struct import *import)
{
    bk__progress_begin(&import->progress);
    import->to_write = bk_import_event_count(&import->rows);
    int code =
        bk_import_emit(&import->rows, import->options.consent, on_event, import, &import->counts);
    bk__progress_end(&import->progress);
    return code;
}

static int import_all(struct import *import, const struct cli_line *line)
{
    int code = look_at_files(import, line);
    if (code == BK_OK) code = read_mark(import);
    if (code == BK_OK) code = read_rows(import);
    if (code == BK_OK) code = open_writer(import);
    if (code == BK_OK) code = write_facts(import);
    if (code == BK_OK) code = write_events(import);
    if (code == BK_ENOMEM && !import->reason.text[0])
        bk_reason_set(&import->reason, code, "out of memory");
    code = close_writer(import, code);
    return code ? code : set_mark(import, true);
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

static void put_currency(const struct import *import, struct bk_buf *out)
{
    bk_buf_cstr(out, "; currency");
    for (uint32_t i = 0; i < import->rows.currencies; i++)
        bk_buf_printf(out, "%s %.3s", i ? "," : "", import->rows.currency[i]);
    if (!import->rows.currencies) bk_buf_cstr(out, " not known");
}

static int summarize(const struct import *import)
{
    const struct bk_import_rows *rows = &import->rows;
    const struct bk_import_fact_counts *facts = &import->facts;
    struct bk_buf out = {0};
    bk_buf_printf(&out, "read %zu rows; left out %llu bad, %llu dropped, %llu not for import; ",
                  rows->count, (unsigned long long)rows->bad, (unsigned long long)rows->dropped,
                  (unsigned long long)rows->passed);
    bk_buf_printf(&out, "%llu without a clock\n", (unsigned long long)rows->unclocked);
    if (facts->products || facts->customers || facts->bad)
        bk_buf_printf(&out, "products %llu, customers %llu; left out %llu bad\n",
                      (unsigned long long)facts->products, (unsigned long long)facts->customers,
                      (unsigned long long)facts->bad);
    if (import->skipped)
        bk_buf_printf(&out, "%llu of these records were there already (%s)\n",
                      (unsigned long long)import->skipped, import->options.resume);
    bk_buf_printf(&out, "events %llu to ", (unsigned long long)import->written);
    put_where(import, &out);
    put_kinds(import, &out);
    bk_buf_printf(&out, "; consent %s",
                  import->options.consent == BK_CONSENT_PERSONAL ? "personal" : "session");
    put_currency(import, &out);
    bk_buf_char(&out, '\n');
    int code = bk__cli_print(&out);
    bk_buf_deinit(&out);
    return code;
}

/* ---- the subcommand ---- */

static int print_formats(const struct import *import)
{
    struct bk_buf out = {0};
    bk_import_formats_reference(import->formats, &out);
    int code = bk__cli_print(&out);
    bk_buf_deinit(&out);
    return code;
}

static int check_use(const struct options *given, const struct cli_line *line)
{
    bool kafka = strcmp(given->to, "kafka") == 0;
    if (!line->operand_count && !given->items && !given->formats)
        return bk__cli_fail(BK_EXIT_USAGE, "import needs a FILE");
    if (given->partitions && kafka)
        return bk__cli_fail(BK_EXIT_USAGE,
                            "--partitions is for --to file:OUT; a topic has its own");
    if (given->resume && !kafka)
        return bk__cli_fail(BK_EXIT_USAGE, "--resume is for Kafka; a log file is written anew");
    return BK_EXIT_OK;
}

static int run(struct import *import, const struct cli_line *line)
{
    const struct options *given = &import->options;
    import->formats = bk_import_formats_create(given->mapping, &import->reason);
    if (!import->formats) return bk__cli_fail(BK_EXIT_DATA, "%s", import->reason.text);
    if (given->formats) return print_formats(import);
    if (given->drop && !(import->drop = bk_shop_drop_create(given->drop, &import->reason)))
        return bk__cli_fail(BK_EXIT_USAGE, "%s", import->reason.text);
    import->bytes = malloc(EVENT_BYTES_MAX);
    if (!import->bytes) return bk__cli_fail(BK_EXIT_BUG, "out of memory");
    int code = import_all(import, line);
    tell_hidden_bad(import);
    if (code) return bk__cli_fail(bk__cli_exit_of(code), "%s", import->reason.text);
    code = summarize(import);
    if (code == BK_EXIT_OK && !import->written && !import->facts.products &&
        !import->facts.customers)
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
    bk__import_files_deinit(&import.files);
    bk_import_formats_destroy(&import.formats);
    bk_shop_drop_destroy(&import.drop);
    free(import.bytes);
    bk__cli_line_end(&line);
    return code;
}
