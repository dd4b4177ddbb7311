/* archive.c -- `basketry archive`: keep the log longer than Kafka does.
 *
 *   archive          copy from Kafka until told to stop: a process of its own beside `run`
 *   archive check    read everything, say what is there, name what is damaged or missing
 *   archive erase    take a shopper's records out (archive_erase.c)
 */
#include "archive_cmd.h"

#include "basketry/log.h"
#include "basketry/pipeline.h"

#include <signal.h>
#include <stdlib.h>
#include <time.h>

enum { DIR, UNTIL_END, TOPICS, ACCEPT_GAPS, CUSTOMER, VISITOR };

static const struct cli_option options[] = {
    [DIR] = {"dir", 'd', "DIR", "the archive's folder (archive.dir)"},
    [UNTIL_END] = {"until-end", 0, NULL, "stop at the ends the partitions had at start"},
    [TOPICS] = {"topics", 0, "LIST",
                "of events,products,stock,customers (all that are configured)"},
    [ACCEPT_GAPS] = {"accept-gaps", 0, NULL,
                     "mark what Kafka dropped before it was archived, and go on"},
    [CUSTOMER] = {"customer", 0, "ID", "erase: this customer, and the visitors that are theirs"},
    [VISITOR] = {"visitor", 0, "ID", "erase: this visitor (repeatable)"},
};

static const struct cli_usage usage = {
    "archive [check | erase] [-c FILE] [--dir DIR] [--until-end] [--topics LIST]",
    "Copies the log from Kafka into a folder of packed files, a day each, and goes on where it "
    "ended\n"
    "whenever it is started again: every offset once. It joins no group. A block of records is "
    "synced\n"
    "when it is full (1 MiB) or archive.flush_interval old; what is in memory when it dies, Kafka "
    "gives\n"
    "again. `run --file DIR` and `history` read the folder, also while it is written.\n"
    "  archive check   read everything: offsets, sizes, gaps; 65 when something is damaged or "
    "missing\n"
    "  archive erase   take the records about --customer or --visitor out; stop the archiver "
    "before",
    options,
    BK_COUNTOF(options),
    "signals: TERM and INT write what is in memory and stop.\n"
    "exit codes: 65 a gap that was not accepted, damage, or another log; 69 no Kafka; 75 in use.",
};

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
    (void)number;
    stop = 1;
}

static int on_option(void *arg, size_t which, const char *value)
{
    struct archive_options *given = arg;
    switch (which) {
    case DIR:
        given->dir = value;
        break;
    case UNTIL_END:
        given->until_end = true;
        break;
    case TOPICS:
        given->topics = value;
        break;
    case ACCEPT_GAPS:
        given->accept_gaps = true;
        break;
    case CUSTOMER:
        given->customer = value;
        break;
    default:
        if (given->visitor_count == ARCHIVE_VISITORS_MAX)
            return bk__cli_fail(BK_EXIT_USAGE, "too many --visitor (allowed %d)",
                                ARCHIVE_VISITORS_MAX);
        given->visitors[given->visitor_count++] = value;
    }
    return BK_CLI_GO_ON;
}

const char *bk__archive_dir_of(const struct bk_config *cfg, const char *given)
{
    if (given && given[0]) return given;
    if (cfg->archive_dir[0]) return cfg->archive_dir;
    bk__cli_fail(BK_EXIT_USAGE, "where is the archive? --dir DIR, or archive.dir");
    return NULL;
}

/* ---- archive ---- */

/** Which topics are kept: a bit each; 0 after it was said what is wrong. */
static unsigned topics_of(const char *list)
{
    unsigned kept = 0;
    for (const char *at = list; *at;) {
        size_t len = strcspn(at, ",");
        unsigned before = kept;
        for (int topic = 0; topic < BK_TOPIC_COUNT; topic++)
            if (bk_str_eq(bk_str(at, len), bk_str_c(bk_topic_role((enum bk_topic)topic))))
                kept |= 1u << topic;
        if (kept == before) {
            bk__cli_fail(BK_EXIT_USAGE, "--topics %s: of events, products, stock, customers, once",
                         list);
            return 0;
        }
        at += len + (at[len] == ',');
    }
    return kept;
}

static int keep_log(const struct bk_config *cfg, const struct archive_options *given)
{
    struct bk_kafka_options kafka = bk_kafka_options_from_config(cfg);
    struct bk_archiver_options how = {.kafka = &kafka,
                                      .until_end = given->until_end,
                                      .accept_gaps = given->accept_gaps,
                                      .flush_ms = cfg->archive_flush_interval,
                                      .keep_days = cfg->archive_keep_days,
                                      .stop = &stop};
    struct bk_reason reason = {""};
    unsigned kept = given->topics ? topics_of(given->topics) : (1u << BK_TOPIC_COUNT) - 1;
    if (!kept) return BK_EXIT_USAGE;
    for (int topic = 0; topic < BK_TOPIC_COUNT; topic++)
        if (!(kept & 1u << topic)) kafka.topics[topic] = NULL;
    int code;
    struct bk_archive *archive = bk_archive_open(given->dir, &code, &reason);
    if (!archive) return bk__cli_fail(bk__cli_exit_of(code), "%s", reason.text);
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    code = bk_archiver_run(archive, &how, &reason);
    struct bk_reason closing = {""};
    int closed = bk_archive_close(&archive, &closing);
    if (code) return bk__cli_fail(bk__cli_exit_of(code), "%s", reason.text);
    return closed ? bk__cli_fail(bk__cli_exit_of(closed), "%s", closing.text) : BK_EXIT_OK;
}

/* ---- archive check ---- */

struct tally {
    uint64_t records, plain_bytes;
    int64_t first, last, min_ms, max_ms;
};

static void count_record(struct tally *tally, const struct bk_record *record)
{
    if (!tally->records++) {
        tally->first = record->offset;
        tally->min_ms = tally->max_ms = record->timestamp_ms;
    }
    tally->last = record->offset;
    tally->plain_bytes += record->key.len + record->value.len;
    tally->min_ms = bk_min_i64(tally->min_ms, record->timestamp_ms);
    tally->max_ms = bk_max_i64(tally->max_ms, record->timestamp_ms);
}

static void put_part(struct bk_buf *out, const struct bk_log_part *part, const struct tally *tally)
{
    bk_buf_printf(out,
                  "%s/%d  offsets %lld..%lld  records %llu  files %llu  blocks %llu  bytes %llu",
                  bk_topic_role(part->topic), part->partition, (long long)part->from,
                  (long long)part->next - 1, (unsigned long long)tally->records,
                  (unsigned long long)part->files, (unsigned long long)part->blocks,
                  (unsigned long long)part->packed_bytes);
    if (part->gaps)
        bk_buf_printf(out, "  gaps %llu (%llu records)", (unsigned long long)part->gaps,
                      (unsigned long long)part->gap_records);
    bk_buf_char(out, '\n');
}

static int print_check(const struct bk_log_reader *reader, const struct tally *tallies,
                       int64_t spent_ms)
{
    struct bk_buf out = {0};
    struct tally all = {0};
    uint64_t packed = 0;
    for (size_t i = 0; i < bk_log_reader_parts(reader); i++) {
        const struct bk_log_part *part = bk_log_reader_part(reader, i);
        if (!part->covered) continue;
        put_part(&out, part, &tallies[i]);
        all.records += tallies[i].records;
        all.plain_bytes += tallies[i].plain_bytes;
        packed += part->packed_bytes;
    }
    bk_buf_printf(&out, "%llu records, %llu bytes packed of %llu; read in %.1f s, %.0f a second\n",
                  (unsigned long long)all.records, (unsigned long long)packed,
                  (unsigned long long)all.plain_bytes, (double)spent_ms / 1000.0,
                  (double)all.records * 1000.0 / (double)bk_max_i64(1, spent_ms));
    int code = bk__cli_print(&out);
    bk_buf_deinit(&out);
    return code;
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static size_t part_of(const struct bk_log_reader *reader, const struct bk_record *record)
{
    size_t i = 0;
    while (bk_log_reader_part(reader, i)->topic != record->topic ||
           bk_log_reader_part(reader, i)->partition != record->partition)
        i++;
    return i;
}

static int check(const char *dir)
{
    struct bk_reason reason = {""};
    struct bk_record record;
    int64_t start_ms = now_ms();
    struct bk_log_reader *reader = bk_log_reader_open(dir, &reason);
    if (!reader) return bk__cli_fail(BK_EXIT_DATA, "%s", reason.text);
    struct tally *tallies = calloc(bk_log_reader_parts(reader) + 1, sizeof *tallies);
    int code = tallies ? 1 : BK_ENOMEM;
    while (code == 1 && (code = bk_log_reader_next(reader, &record, &reason)) == 1)
        count_record(&tallies[part_of(reader, &record)], &record);
    int exit_code = tallies ? print_check(reader, tallies, now_ms() - start_ms) : BK_EXIT_BUG;
    if (code) exit_code = bk__cli_fail(bk__cli_exit_of(code), "%s", reason.text);
    free(tallies);
    bk_log_reader_close(&reader);
    return exit_code;
}

/* ---- the command ---- */

static int dispatch(const struct cli_line *line, struct archive_options *given)
{
    const char *what = line->operand_count ? line->operands[0] : "";
    bool is_erase = strcmp(what, "erase") == 0;
    if (line->operand_count > 1 || (what[0] && !is_erase && strcmp(what, "check") != 0))
        return bk__cli_fail(BK_EXIT_USAGE, "archive: nothing, check or erase");
    if (is_erase != (given->customer || given->visitor_count))
        return bk__cli_fail(BK_EXIT_USAGE, "erase needs --customer or --visitor, and nobody else");
    bool is_empty = given->customer && !given->customer[0];
    for (size_t i = 0; i < given->visitor_count; i++) is_empty |= !given->visitors[i][0];
    if (is_empty) return bk__cli_fail(BK_EXIT_USAGE, "erase: an ID is empty");
    given->dir = bk__archive_dir_of(line->cfg, given->dir);
    if (!given->dir) return BK_EXIT_USAGE;
    bk_log_level = (enum bk_log_level)line->cfg->log_level;
    if (is_erase) return bk__archive_erase_command(line->cfg, given);
    return what[0] ? check(given->dir) : keep_log(line->cfg, given);
}

int bk_cmd_archive(int argc, char **argv)
{
    struct archive_options given = {0};
    struct cli_line line;
    int code = bk__cli_line_read(&line, &usage, argc, argv, on_option, &given);
    if (code != BK_CLI_GO_ON) return code;
    code = dispatch(&line, &given);
    bk__cli_line_end(&line);
    return code;
}
