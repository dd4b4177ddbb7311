/* dlq.c -- `basketry dlq`: what could not be used, why, and back with it once it can.
 *
 *   list    reasons counted, the newest letters by name
 *   show    one letter: where from, headers, key, value as bytes, and the event if it decodes now
 *   retry   the records that decode now go back to their own topics, as they were
 * A letter is named by its own partition and offset, PARTITION:OFFSET. An event that goes back
 * keeps its event_id, so one that comes twice counts once, within the bound of state.dedup_events.
 * A fact goes back only while nothing newer was said about its key.
 */
#include "cli.h"
#include "dlq_facts.h"
#include "render.h"

#include "basketry/decode.h"
#include "basketry/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <uv.h>

enum { NEWEST_MAX = 1000, DUMP_BYTES_MAX = 4096, REFUSED_SHOWN = 10, SEND_MS_MAX = 30000 };
enum { LAST, REASON, FROM, TO, DRY_RUN };

static const struct cli_option options[] = {
    [LAST] = {"last", 'n', "N", "list: the newest N letters by name (default 20)"},
    [REASON] = {"reason", 'r', "R", "list, retry: letters of this reason alone"},
    [FROM] = {"from", 0, "P:O", "retry: from this letter of its partition on"},
    [TO] = {"to", 0, "P:O", "retry: up to and with this letter of its partition"},
    [DRY_RUN] = {"dry-run", 0, NULL, "retry: say what would go back, and send nothing"},
};

static const struct cli_usage usage = {
    "dlq list | show PARTITION:OFFSET | retry",
    "Looks into the dead letters on kafka.topic_dlq: records that could not be used, with the "
    "reason. `retry` sends the records\n"
    "that decode now (a schema was added, a limit changed) back to their own topics; what still "
    "does not, and\n"
    "a fact (a product) about which something newer was said, is refused, exit 65.",
    options,
    BK_COUNTOF(options),
    "examples:\n"
    "  basketry dlq list -c shop.ini\n"
    "  basketry dlq show 0:17 -c shop.ini\n"
    "  basketry dlq retry --reason unknown_schema -c shop.ini",
};

struct place {
    bool given;
    int32_t partition;
    int64_t offset;
};

struct entry { /* of list */
    int32_t partition, from_partition;
    int64_t offset, from_offset;
    bk_wall_ms_t written_ms;
    char topic[64], reason[32], field[64];
};

struct dlq {
    struct cli_line line;
    uint32_t last;
    enum bk_verdict_code reason; /* BK_VERDICT_COUNT: any */
    struct place from, to;
    bool dry_run;
    uint64_t letters;
    uint64_t counts[BK_VERDICT_COUNT + 1]; /* the last: reasons that are not ours */
    struct entry *newest;                  /* a ring of `last` in the order they were read */
    struct place shown;
    bool found;
    struct bk_buf out, err;
    /* of retry */
    struct bk_decoder *decoder;
    uv_loop_t loop;
    struct bk_outbox *outbox;
    struct dlq_facts facts;
    uint64_t sent, refusals;
    struct bk_reason why;
};

/* ---- words ---- */

static bk_str_t word_or(bk_str_t text, const char *otherwise)
{
    return text.len ? text : bk_str_c(otherwise);
}

static void put_str(struct bk_buf *out, bk_str_t text)
{
    struct bk_buf copy = {0};
    bk_buf_str(&copy, text);
    bk__cli_put_text(out, copy.p ? copy.p : "");
    bk_buf_deinit(&copy);
}

static void copy_word(char *to, size_t cap, bk_str_t text)
{
    snprintf(to, cap, "%.*s", (int)text.len, text.p ? text.p : "");
}

static bool parse_place(const char *text, struct place *place)
{
    char *end;
    long partition = strtol(text, &end, 10);
    if (end == text || *end != ':' || partition < 0 || partition > INT32_MAX) return false;
    const char *second = end + 1;
    long long offset = strtoll(second, &end, 10);
    if (end == second || *end || offset < 0) return false;
    *place = (struct place){true, (int32_t)partition, offset};
    return true;
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool is_chosen(const struct dlq *dlq, const struct dlq_letter *letter)
{
    const struct place *from = &dlq->from, *to = &dlq->to;
    if (dlq->reason != BK_VERDICT_COUNT && bk_verdict_parse(letter->reason) != dlq->reason)
        return false;
    if (from->given && (letter->partition != from->partition || letter->offset < from->offset))
        return false;
    return !to->given || (letter->partition == to->partition && letter->offset <= to->offset);
}

/* ---- list ---- */

static int list_letter(void *arg, const struct dlq_letter *letter)
{
    struct dlq *dlq = arg;
    if (!is_chosen(dlq, letter)) return BK_OK;
    dlq->counts[bk_verdict_parse(letter->reason)]++;
    if (dlq->last) {
        struct entry *entry = &dlq->newest[dlq->letters % dlq->last];
        *entry = (struct entry){.partition = letter->partition,
                                .offset = letter->offset,
                                .from_partition = (int32_t)letter->from_partition,
                                .from_offset = letter->from_offset,
                                .written_ms = letter->written_ms};
        copy_word(entry->topic, sizeof entry->topic, word_or(letter->topic, "?"));
        copy_word(entry->reason, sizeof entry->reason, word_or(letter->reason, "?"));
        copy_word(entry->field, sizeof entry->field, letter->field);
    }
    dlq->letters++;
    return BK_OK;
}

static int newest_first(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;
    if (a->written_ms != b->written_ms) return a->written_ms < b->written_ms ? 1 : -1;
    return a->offset < b->offset ? 1 : a->offset > b->offset ? -1 : 0;
}

static void put_entry(struct bk_buf *out, const struct entry *entry, int64_t now)
{
    char text[128];
    snprintf(text, sizeof text, "%d:%lld", entry->partition, (long long)entry->offset);
    bk__cli_put_cell(out, text, 12);
    bk_buf_char(out, ' ');
    struct bk_buf age = {0};
    bk__cli_put_duration(&age, bk_max_i64(now - entry->written_ms, 0));
    bk__cli_put_cell(out, age.p ? age.p : "", 8);
    bk_buf_deinit(&age);
    snprintf(text, sizeof text, " %s %d:%lld", entry->topic, entry->from_partition,
             (long long)entry->from_offset);
    bk__cli_put_cell(out, text, 30);
    bk_buf_char(out, ' ');
    bk__cli_put_text(out, entry->reason);
    if (entry->field[0]) bk_buf_char(out, ' ');
    bk__cli_put_text(out, entry->field);
    bk_buf_char(out, '\n');
}

static int list(struct dlq *dlq)
{
    struct bk_buf *out = &dlq->out;
    dlq->newest = calloc(dlq->last + 1, sizeof *dlq->newest);
    if (!dlq->newest) return BK_ENOMEM;
    int code =
        bk__dlq_read(dlq->line.cfg, dlq->line.cfg->kafka_topic_dlq, list_letter, dlq, &dlq->why);
    if (code) return code;
    bk_buf_printf(out, "%llu letters on %s\n", (unsigned long long)dlq->letters,
                  dlq->line.cfg->kafka_topic_dlq);
    for (unsigned reason = 0; reason <= BK_VERDICT_COUNT; reason++) {
        if (!dlq->counts[reason]) continue;
        bool ours = reason < BK_VERDICT_COUNT;
        bk_buf_printf(out, "%8llu  %-16s %s\n", (unsigned long long)dlq->counts[reason],
                      ours ? bk_verdict_label((enum bk_verdict_code)reason) : "?",
                      ours ? bk_verdict_text((enum bk_verdict_code)reason)
                           : "not a letter of this program");
    }
    size_t shown = (size_t)bk_min_u64(dlq->letters, dlq->last);
    if (!shown) return BK_OK;
    qsort(dlq->newest, shown, sizeof *dlq->newest, newest_first);
    bk_buf_cstr(out, "\nletter       age       record                         reason, field\n");
    int64_t now = now_ms();
    for (size_t i = 0; i < shown; i++) put_entry(out, &dlq->newest[i], now);
    return BK_OK;
}

/* ---- does it decode now? ---- */

static int topic_of(const struct bk_config *cfg, bk_str_t name)
{
    const char *const topics[BK_TOPIC_COUNT] = {
        [BK_TOPIC_EVENTS] = cfg->kafka_topic_events,
        [BK_TOPIC_PRODUCTS] = cfg->kafka_topic_products,
        [BK_TOPIC_STOCK] = cfg->kafka_topic_stock,
        [BK_TOPIC_CUSTOMERS] = cfg->kafka_topic_customers,
    };
    for (int topic = 0; topic < BK_TOPIC_COUNT; topic++)
        if (topics[topic][0] && bk_str_eq(bk_str_c(topics[topic]), name)) return topic;
    return -1;
}

static int open_decoder(struct dlq *dlq)
{
    const struct bk_config *cfg = dlq->line.cfg;
    dlq->decoder = bk_decoder_create(cfg->decode_schemas_dir[0] ? cfg->decode_schemas_dir : NULL,
                                     (uint32_t)cfg->decode_bytes_max, &dlq->why);
    return dlq->decoder ? BK_OK : BK_EINVAL;
}

static struct bk_verdict decode(struct dlq *dlq, const struct dlq_letter *letter, int topic,
                                const struct bk_event **event)
{
    struct bk_record record = {.topic = (enum bk_topic)topic,
                               .partition = (int32_t)letter->from_partition,
                               .offset = letter->from_offset,
                               .key = letter->key,
                               .value = letter->value,
                               .value_schema_id = bk__dlq_header(letter, "__value_schema_id")};
    return bk_decode(dlq->decoder, &record, event);
}

/* ---- show ---- */

static bool is_readable(bk_str_t text)
{
    for (uint32_t i = 0; i < text.len; i++)
        if ((unsigned char)text.p[i] < 0x20 || text.p[i] == 0x7f) return false;
    return bk_utf8_valid(text.p, text.len);
}

static void put_bytes(struct bk_buf *out, bk_str_t bytes)
{
    uint32_t shown = bytes.len < DUMP_BYTES_MAX ? bytes.len : DUMP_BYTES_MAX;
    for (uint32_t at = 0; at < shown; at += 16) {
        bk_buf_printf(out, "  %06x ", at);
        for (uint32_t i = at; i < at + 16; i++)
            if (i < shown)
                bk_buf_printf(out, " %02x", (unsigned char)bytes.p[i]);
            else
                bk_buf_cstr(out, "   ");
        bk_buf_cstr(out, "  ");
        for (uint32_t i = at; i < at + 16 && i < shown; i++)
            bk_buf_char(out, bytes.p[i] >= 0x20 && bytes.p[i] < 0x7f ? bytes.p[i] : '.');
        bk_buf_char(out, '\n');
    }
    if (shown < bytes.len) bk_buf_printf(out, "  ... %u bytes more\n", bytes.len - shown);
}

/* Text as text, bytes as bytes. */
static void put_content(struct bk_buf *out, bk_str_t content)
{
    if (!content.p) {
        bk_buf_cstr(out, "(none)\n");
    } else if (is_readable(content)) {
        put_str(out, content);
        bk_buf_char(out, '\n');
    } else {
        bk_buf_printf(out, "%u bytes\n", content.len);
        put_bytes(out, content);
    }
}

static void put_event(struct dlq *dlq, const struct dlq_letter *letter)
{
    struct bk_buf *out = &dlq->out;
    const struct bk_event *event;
    char subject[BK_SUBJECT_BYTES_MAX];
    int topic = topic_of(dlq->line.cfg, letter->topic);
    struct bk_verdict verdict = {BK_VERDICT_WRONG_TOPIC, ""};
    if (topic >= 0) verdict = decode(dlq, letter, topic, &event);
    bk_buf_cstr(out, "now      ");
    if (verdict.code != BK_VERDICT_OK) {
        bk_buf_printf(out, "still %s %s\n", bk_verdict_label(verdict.code), verdict.field);
        return;
    }
    bk_buf_printf(out, "it decodes: %s", bk_event_kind_name(event->kind));
    bk_buf_cstr(out, " of ");
    put_str(out, topic == BK_TOPIC_EVENTS ? bk_str(subject, bk_event_subject(event, subject))
                                          : letter->key);
    bk_buf_printf(out, ", event_time %lld, event_id ", (long long)event->event_time_ms);
    put_str(out, event->event_id);
    for (uint32_t i = 0; i < event->line_count && i < 20; i++) {
        bk_buf_cstr(out, i ? ", " : "\n         items ");
        put_str(out, event->lines[i].item);
        bk_buf_printf(out, " x%lld", (long long)event->lines[i].quantity);
    }
    bk_buf_char(out, '\n');
}

static int show_letter(void *arg, const struct dlq_letter *letter)
{
    struct dlq *dlq = arg;
    struct bk_buf *out = &dlq->out;
    if (letter->partition != dlq->shown.partition || letter->offset != dlq->shown.offset)
        return BK_OK;
    dlq->found = true;
    bk_buf_printf(out, "letter   %d:%lld of %s, ", letter->partition, (long long)letter->offset,
                  dlq->line.cfg->kafka_topic_dlq);
    bk__cli_put_duration(out, bk_max_i64(now_ms() - letter->written_ms, 0));
    bk_buf_cstr(out, " old\nrecord   ");
    put_str(out, word_or(letter->topic, "?"));
    bk_buf_printf(out, " partition %lld offset %lld\nreason   ", (long long)letter->from_partition,
                  (long long)letter->from_offset);
    put_str(out, word_or(letter->message, "?"));
    bk_buf_cstr(out, "\n");
    put_event(dlq, letter);
    const char *name;
    const void *value;
    size_t len;
    for (size_t at = 0;
         letter->headers && !rd_kafka_header_get_all(letter->headers, at, &name, &value, &len);
         at++) {
        bk_buf_cstr(out, "header   ");
        bk__cli_put_text(out, name);
        bk_buf_cstr(out, ": ");
        put_content(out, value ? bk_str(value, len) : (bk_str_t){NULL, 0});
    }
    bk_buf_cstr(out, "key      ");
    put_content(out, letter->key);
    bk_buf_printf(out, "value    %u bytes\n", letter->value.len);
    put_bytes(out, letter->value);
    return BK_EAGAIN; /* found: no need to read on */
}

static int show(struct dlq *dlq)
{
    int code = open_decoder(dlq);
    if (!code)
        code = bk__dlq_read(dlq->line.cfg, dlq->line.cfg->kafka_topic_dlq, show_letter, dlq,
                            &dlq->why);
    if (dlq->found) return BK_OK;
    return code ? code
                : bk_reason_set(&dlq->why, BK_ENOENT, "there is no letter %d:%lld on %s",
                                dlq->shown.partition, (long long)dlq->shown.offset,
                                dlq->line.cfg->kafka_topic_dlq);
}

/* ---- retry ---- */

static void on_wake(void *arg)
{
    (void)arg;
}

static void on_closed(void *arg)
{
    *(bool *)arg = true;
}

static int open_outbox(struct dlq *dlq)
{
    const struct bk_config *cfg = dlq->line.cfg;
    struct bk_kafka_outbox_options to = {.brokers = cfg->kafka_brokers,
                                         .properties = cfg->producer_properties,
                                         .records_max = 1000,
                                         .bytes_max = 16 << 20};
    struct bk_outbox_events events = {NULL, on_wake};
    uv_loop_init(&dlq->loop);
    dlq->outbox = bk_outbox_kafka_create(&dlq->loop, &to, &events, &dlq->why);
    return dlq->outbox ? BK_OK : BK_EINVAL;
}

static void close_outbox(struct dlq *dlq)
{
    bool closed = false;
    if (!dlq->outbox) return;
    dlq->outbox->ops->close(dlq->outbox, 0, on_closed, &closed);
    while (!closed) uv_run(&dlq->loop, UV_RUN_ONCE);
    uv_run(&dlq->loop, UV_RUN_NOWAIT);
    uv_loop_close(&dlq->loop);
}

/* Turn the loop until there is room (or, to `idle`, until all is acknowledged). */
static int wait_for_outbox(struct dlq *dlq, bool idle)
{
    uint64_t start = uv_hrtime(), acked = bk_outbox_acked(dlq->outbox);
    while (idle ? !bk_outbox_is_idle(dlq->outbox) : !bk_outbox_room(dlq->outbox)) {
        uv_run(&dlq->loop, UV_RUN_ONCE);
        if (bk_outbox_acked(dlq->outbox) != acked) start = uv_hrtime();
        acked = bk_outbox_acked(dlq->outbox);
        if (uv_hrtime() - start < (uint64_t)SEND_MS_MAX * 1000000) continue;
        struct bk_outbox_status status;
        dlq->outbox->ops->status(dlq->outbox, &status);
        return bk_reason_set(&dlq->why, BK_EUNAVAILABLE,
                             "%llu records are not acknowledged: %s (retrying again is safe)",
                             (unsigned long long)status.waiting, status.detail);
    }
    return BK_OK;
}

static int refuse(struct dlq *dlq, const struct dlq_letter *letter, const char *why,
                  const char *field)
{
    if (dlq->refusals++ >= REFUSED_SHOWN) return BK_OK;
    bk_buf_printf(&dlq->err, "refused %d:%lld: %s %s\n", letter->partition,
                  (long long)letter->offset, why, field);
    return BK_OK;
}

static bool starts_with(const char *name, const char *prefix)
{
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

/* The record as it was; what the letter added is left behind. */
static int send_back(struct dlq *dlq, const struct dlq_letter *letter, const char *topic)
{
    struct bk_header header[BK_OUT_HEADERS_MAX];
    uint32_t count = 0;
    char place[BK_ID_BYTES_MAX + 320];
    const void *value;
    size_t len;
    for (size_t at = 0;
         count + 1 < BK_OUT_HEADERS_MAX && letter->headers &&
         !rd_kafka_header_get_all(letter->headers, at, &header[count].name, &value, &len);
         at++) {
        if (starts_with(header[count].name, BK_LETTER_PREFIX) ||
            starts_with(header[count].name, BK_LETTER_OWN))
            continue;
        header[count++].value = bk_str(value, len);
    }
    int place_len = snprintf(place, sizeof place, "%s:%d:%lld", dlq->line.cfg->kafka_topic_dlq,
                             letter->partition, (long long)letter->offset);
    header[count++] = (struct bk_header){BK_LETTER_RETRIED, bk_str(place, (size_t)place_len)};
    struct bk_outgoing out = {.topic = topic,
                              .key = letter->key,
                              .value = letter->value,
                              .headers = header,
                              .header_count = count};
    int code = wait_for_outbox(dlq, false);
    if (!code) code = bk_outbox_put(dlq->outbox, &out);
    if (code == BK_ELIMIT) return refuse(dlq, letter, "too large to be sent", "");
    dlq->sent += code == BK_OK;
    return code;
}

static int retry_letter(void *arg, const struct dlq_letter *letter)
{
    struct dlq *dlq = arg;
    const struct bk_event *event;
    char topic[256];
    bool overtaken = false;
    if (!is_chosen(dlq, letter)) return BK_OK;
    int which = topic_of(dlq->line.cfg, letter->topic), code = BK_OK;
    if (which < 0 || letter->topic.len >= sizeof topic)
        return refuse(dlq, letter, "its topic is not one of the configuration's", "");
    if (letter->cut) return refuse(dlq, letter, "the letter is not the whole record", "");
    struct bk_verdict verdict = decode(dlq, letter, which, &event);
    if (verdict.code != BK_VERDICT_OK)
        return refuse(dlq, letter, bk_verdict_label(verdict.code), verdict.field);
    copy_word(topic, sizeof topic, letter->topic);
    if (which != BK_TOPIC_EVENTS)
        code = bk__dlq_is_overtaken(&dlq->facts, dlq->line.cfg, (enum bk_topic)which, topic, letter,
                                    &overtaken, &dlq->why);
    if (code) return code;
    if (overtaken) return refuse(dlq, letter, "a later record of its key stands on", topic);
    if (!dlq->dry_run) return send_back(dlq, letter, topic);
    dlq->sent++;
    return BK_OK;
}

static int retry(struct dlq *dlq)
{
    int code = open_decoder(dlq);
    if (!code && !dlq->dry_run) code = open_outbox(dlq);
    if (!code)
        code = bk__dlq_read(dlq->line.cfg, dlq->line.cfg->kafka_topic_dlq, retry_letter, dlq,
                            &dlq->why);
    if (!code && dlq->outbox) code = wait_for_outbox(dlq, true);
    close_outbox(dlq);
    if (code) return code;
    bk_buf_printf(&dlq->out, "%llu %s, %llu refused\n", (unsigned long long)dlq->sent,
                  dlq->dry_run ? "would be sent back" : "sent back",
                  (unsigned long long)dlq->refusals);
    if (dlq->refusals > REFUSED_SHOWN)
        bk_buf_printf(&dlq->err, "and %llu more\n",
                      (unsigned long long)(dlq->refusals - REFUSED_SHOWN));
    return dlq->refusals ? BK_ECORRUPT : BK_OK;
}

/* ---- the command ---- */

static int on_option(void *arg, size_t which, const char *value)
{
    struct dlq *dlq = arg;
    char *end;
    switch (which) {
    case LAST: {
        unsigned long last = strtoul(value, &end, 10);
        if (end == value || *end || last > NEWEST_MAX)
            return bk__cli_fail(BK_EXIT_USAGE, "dlq: --last %s is not a number up to %d", value,
                                NEWEST_MAX);
        dlq->last = (uint32_t)last;
        break;
    }
    case REASON:
        dlq->reason = bk_verdict_parse(bk_str_c(value));
        if (!bk_verdict_is_dead_letter(dlq->reason))
            return bk__cli_fail(BK_EXIT_USAGE, "dlq: %s is no reason of a letter", value);
        break;
    case FROM:
    case TO:
        if (!parse_place(value, which == FROM ? &dlq->from : &dlq->to))
            return bk__cli_fail(BK_EXIT_USAGE, "dlq: %s is not PARTITION:OFFSET", value);
        break;
    default:
        dlq->dry_run = true;
        break;
    }
    return BK_CLI_GO_ON;
}

static int dispatch(struct dlq *dlq)
{
    const struct cli_line *line = &dlq->line;
    const char *what = line->operand_count ? line->operands[0] : "";
    if (strcmp(what, "list") == 0 && line->operand_count == 1) return list(dlq);
    if (strcmp(what, "retry") == 0 && line->operand_count == 1) return retry(dlq);
    if (strcmp(what, "show") == 0 && line->operand_count == 2) return show(dlq);
    return BK_EINVAL;
}

static int say(struct dlq *dlq, int error)
{
    if (dlq->err.p) fputs(dlq->err.p, stderr);
    if (error && error != BK_ECORRUPT)
        return bk__cli_fail(bk__cli_exit_of(error), "%s",
                            dlq->why.text[0] ? dlq->why.text : bk_error_text(error));
    int code = bk__cli_print(&dlq->out);
    return code ? code : error ? BK_EXIT_DATA : BK_EXIT_OK;
}

static int check(struct dlq *dlq)
{
    const struct cli_line *line = &dlq->line;
    bool known = line->operand_count && (strcmp(line->operands[0], "list") == 0 ||
                                         strcmp(line->operands[0], "retry") == 0);
    bool shown = line->operand_count == 2 && strcmp(line->operands[0], "show") == 0;
    if (!(known && line->operand_count == 1) && !shown)
        return bk__cli_fail(BK_EXIT_USAGE, "dlq: say list, show PARTITION:OFFSET or retry");
    if (shown && !parse_place(line->operands[1], &dlq->shown))
        return bk__cli_fail(BK_EXIT_USAGE, "dlq: %s is not PARTITION:OFFSET", line->operands[1]);
    if (!line->cfg->kafka_topic_dlq[0])
        return bk__cli_fail(BK_EXIT_CONFIG, "kafka.topic_dlq is empty: no letters are kept");
    bk_log_level = BK_LOG_ERROR;
    return BK_CLI_GO_ON;
}

int bk_cmd_dlq(int argc, char **argv)
{
    struct dlq *dlq = calloc(1, sizeof *dlq);
    if (!dlq) return bk__cli_fail(BK_EXIT_BUG, "out of memory");
    dlq->last = 20;
    dlq->reason = BK_VERDICT_COUNT;
    int code = bk__cli_line_read(&dlq->line, &usage, argc, argv, on_option, dlq);
    if (code == BK_CLI_GO_ON) code = check(dlq);
    if (code == BK_CLI_GO_ON) code = say(dlq, dispatch(dlq));
    bk_decoder_destroy(&dlq->decoder);
    bk__dlq_facts_deinit(&dlq->facts);
    bk__cli_line_end(&dlq->line);
    bk_buf_deinit(&dlq->out);
    bk_buf_deinit(&dlq->err);
    free(dlq->newest);
    free(dlq);
    return code;
}
