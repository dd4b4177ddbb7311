/* history.c -- `basketry history`: what a shopper did, or what became of an item, by the archive.
 *
 *   1. find   read the range; records whose bytes hold the id are decoded and judged; the newest
 *             --limit of them are kept, as they were
 *   2. names  the items they mention are looked up among the products of the same log
 *   3. print  oldest first, a line each
 *
 * TIME is the event's own (never more than time.ahead_max after the broker's). An event may reach
 * the log long after it happened, as an import's do, but hardly before: so blocks older than --from
 * are passed over, and no others.
 */
#include "archive_cmd.h"

#include "person.h"
#include "render.h"
#include "when.h"

#include "basketry/log.h"

#include <stdlib.h>
#include <time.h>

enum { CUSTOMER, VISITOR, ITEM, FROM, TO, LIMIT, JSON, DIR };
enum { LIMIT_DEFAULT = 100, LIMIT_MAX = 1000000, ITEMS_SHOWN = 8, DAY_MS = 86400000 };

static const struct cli_option options[] = {
    [CUSTOMER] = {"customer", 0, "ID", "what this customer did"},
    [VISITOR] = {"visitor", 0, "ID", "what this visitor did, before and after a log-in"},
    [ITEM] = {"item", 0, "ID", "what was done with this item, and its facts"},
    [FROM] = {"from", 0, "DATE", "not before: 2026-11-23, or 2026-11-23T18:45:12Z; UTC"},
    [TO] = {"to", 0, "DATE", "not after: that day or that second included; UTC"},
    [LIMIT] = {"limit", 'n', "N", "the newest N (100)"},
    [JSON] = {"json", 'j', NULL, "an object a line"},
    [DIR] = {"dir", 'd', "DIR",
             "the archive's folder (archive.dir), or a file of `import --to file:`"},
};

static const struct cli_usage usage = {
    "history --customer ID | --visitor ID | --item ID [--from DATE] [--to DATE] [--limit N] "
    "[--json]",
    "Says what is in the archive about a customer, a visitor or an item: an event a line, newest "
    "last,\n"
    "times in UTC to the second, items by name where the archived products know one.",
    options,
    BK_COUNTOF(options),
    "examples:\n"
    "  basketry history --customer 42 --from 2026-01-01 --to 2026-03-31\n"
    "  basketry history --item 4011 --limit 20 --json",
};

/* A record that is kept, with its bytes behind it. */
struct kept {
    int64_t time_ms;
    uint64_t number; /* in the order of reading */
    struct bk_record record;
};

struct history {
    const struct bk_config *cfg;
    const char *dir, *item_id;
    struct person person;
    int64_t from_ms, to_ms; /* to: excluded; INT64_MAX: none */
    size_t limit;
    bool json;
    struct bk_decoder *decoder;
    struct kept *kept;
    size_t kept_count;
    uint64_t found;
    json_t *names; /* item id -> name, or null until it is known */
    struct bk_reason reason;
};

/* ---- the line ---- */

static int take_date(const char *option, const char *text, bool is_to, int64_t *ms)
{
    bool is_day;
    if (!bk__cli_when(text, ms, &is_day))
        return bk__cli_fail(BK_EXIT_USAGE, "%s %s: neither 2026-11-23 nor 2026-11-23T18:45:12Z",
                            option, text);
    if (is_to) *ms += is_day ? DAY_MS : 1000;
    return BK_CLI_GO_ON;
}

static int take_limit(const char *text, size_t *limit)
{
    char *end;
    long value = strtol(text, &end, 10);
    if (*end || end == text || value < 1 || value > LIMIT_MAX)
        return bk__cli_fail(BK_EXIT_USAGE, "--limit %s: not one of 1 to %d", text, LIMIT_MAX);
    *limit = (size_t)value;
    return BK_CLI_GO_ON;
}

static int on_option(void *arg, size_t which, const char *value)
{
    struct history *h = arg;
    switch (which) {
    case CUSTOMER:
        h->person.customer = bk_str_c(value);
        return BK_CLI_GO_ON;
    case VISITOR:
        h->person.visitors[0] = bk_str_c(value);
        h->person.visitor_count = 1;
        return BK_CLI_GO_ON;
    case ITEM:
        h->item_id = value;
        return BK_CLI_GO_ON;
    case FROM:
        return take_date("--from", value, false, &h->from_ms);
    case TO:
        return take_date("--to", value, true, &h->to_ms);
    case LIMIT:
        return take_limit(value, &h->limit);
    case JSON:
        h->json = true;
        return BK_CLI_GO_ON;
    default:
        h->dir = value;
        return BK_CLI_GO_ON;
    }
}

/* ---- 1. find ---- */

static bool holds_item(const struct bk_event *event, const char *item)
{
    bk_str_t id = bk_str_c(item);
    for (uint32_t i = 0; i < event->line_count; i++)
        if (bk_str_eq(event->lines[i].item, id)) return true;
    return false;
}

/** A visitor's history goes on under the customer they logged in as. */
static bool is_visitors(const struct history *h, const struct bk_event *event)
{
    return h->person.visitor_count && bk_str_eq(event->visitor, h->person.visitors[0]);
}

static bk_str_t needle_of(const struct history *h)
{
    if (h->item_id) return bk_str_c(h->item_id);
    return h->person.visitor_count ? h->person.visitors[0] : h->person.customer;
}

/** The record's event when it is asked for, else NULL. */
static const struct bk_event *wanted(const struct history *h, const struct bk_record *record)
{
    const struct bk_event *event;
    bool is_owns = !h->item_id && bk__person_is_in(&h->person, h->decoder, record);
    struct bk_verdict verdict = bk_decode(h->decoder, record, &event);
    if (verdict.code != BK_VERDICT_OK) return NULL;
    if (h->item_id) return holds_item(event, h->item_id) ? event : NULL;
    return is_owns || is_visitors(h, event) ? event : NULL;
}

static int64_t time_of(const struct history *h, const struct bk_record *record,
                       const struct bk_event *event)
{
    int64_t latest = record->timestamp_ms + h->cfg->time_ahead_max;
    return event->event_time_ms ? bk_min_i64(event->event_time_ms, latest) : record->timestamp_ms;
}

static int by_time(const void *a, const void *b)
{
    const struct kept *left = a, *right = b;
    if (left->time_ms != right->time_ms) return left->time_ms < right->time_ms ? -1 : 1;
    return left->number < right->number ? -1 : left->number > right->number;
}

static void free_kept(struct kept *kept)
{
    free((void *)(uintptr_t)kept->record.key.p); /* the copy begins with the key */
}

/** Sorted, and no more than the newest `limit`. */
static void cut_kept(struct history *h)
{
    qsort(h->kept, h->kept_count, sizeof *h->kept, by_time);
    size_t over = h->kept_count > h->limit ? h->kept_count - h->limit : 0;
    for (size_t i = 0; i < over; i++) free_kept(&h->kept[i]);
    memmove(h->kept, h->kept + over, (h->kept_count - over) * sizeof *h->kept);
    h->kept_count -= over;
}

static bk_str_t place(char **at, bk_str_t bytes)
{
    bk_str_t placed = {bytes.p ? *at : NULL, bytes.len};
    if (bytes.len) memcpy(*at, bytes.p, bytes.len);
    *at += bytes.len;
    return placed;
}

static bool keep(struct history *h, const struct bk_record *record, int64_t time_ms)
{
    size_t len = (size_t)record->key.len + record->value.len + record->value_schema_id.len;
    char *at = malloc(len + 1);
    if (!at) return false;
    struct kept *kept = &h->kept[h->kept_count++];
    *kept = (struct kept){.time_ms = time_ms, .number = h->found, .record = *record};
    kept->record.key = place(&at, bk_str(record->key.p ? record->key.p : "", record->key.len));
    kept->record.value = place(&at, record->value);
    kept->record.value_schema_id = place(&at, record->value_schema_id);
    h->found++;
    if (h->kept_count == 2 * h->limit) cut_kept(h);
    return true;
}

static unsigned topics_of(const struct history *h)
{
    unsigned topics = 1u << BK_TOPIC_EVENTS;
    if (h->item_id) topics |= 1u << BK_TOPIC_PRODUCTS | 1u << BK_TOPIC_STOCK;
    if (h->person.customer.len) topics |= 1u << BK_TOPIC_CUSTOMERS;
    return topics;
}

static int find(struct history *h, struct bk_log_reader *reader)
{
    struct bk_log_range range = {.topics = topics_of(h), .needle = needle_of(h)};
    struct bk_record record;
    int code = 0;
    if (h->from_ms > h->cfg->time_ahead_max) range.from_ms = h->from_ms - h->cfg->time_ahead_max;
    int begun = bk_log_reader_begin(reader, &range, &h->reason);
    if (begun) return begun;
    while ((code = bk_log_reader_next(reader, &record, &h->reason)) == 1) {
        if (!bk__record_holds(&record, range.needle)) continue;
        const struct bk_event *event = wanted(h, &record);
        if (!event) continue;
        int64_t time_ms = time_of(h, &record, event);
        if (time_ms < h->from_ms || time_ms >= h->to_ms) continue;
        if (!keep(h, &record, time_ms)) return bk_reason_set(&h->reason, BK_ENOMEM, "no memory");
    }
    cut_kept(h);
    return code;
}

/* ---- 2. names ---- */

static void want_names(struct history *h)
{
    const struct bk_event *event;
    for (size_t i = 0; i < h->kept_count; i++) {
        if (bk_decode(h->decoder, &h->kept[i].record, &event).code != BK_VERDICT_OK) continue;
        for (uint32_t n = 0; n < event->line_count; n++) {
            char id[BK_ID_BYTES_MAX + 1];
            snprintf(id, sizeof id, "%.*s", (int)event->lines[n].item.len, event->lines[n].item.p);
            if (!json_object_get(h->names, id)) json_object_set_new(h->names, id, json_null());
        }
    }
}

static int read_names(struct history *h, struct bk_log_reader *reader)
{
    struct bk_log_range range = {.topics = 1u << BK_TOPIC_PRODUCTS};
    struct bk_record record;
    const struct bk_event *event;
    int code = bk_log_reader_begin(reader, &range, &h->reason);
    if (code) return code;
    while ((code = bk_log_reader_next(reader, &record, &h->reason)) == 1) {
        char id[BK_ID_BYTES_MAX + 1];
        snprintf(id, sizeof id, "%.*s", (int)record.key.len, record.key.p ? record.key.p : "");
        if (!json_object_get(h->names, id)) continue;
        if (bk_decode(h->decoder, &record, &event).code != BK_VERDICT_OK || event->tombstone)
            continue; /* what is sold no more keeps its last name */
        if (event->name.len)
            json_object_set_new(h->names, id, json_stringn(event->name.p, event->name.len));
    }
    return code;
}

static const char *name_of(const struct history *h, bk_str_t item)
{
    char id[BK_ID_BYTES_MAX + 1];
    snprintf(id, sizeof id, "%.*s", (int)item.len, item.p);
    return json_string_value(json_object_get(h->names, id));
}

/* ---- 3. print ---- */

static void format_time(char out[32], int64_t ms)
{
    time_t seconds = (time_t)(ms / 1000 - (ms % 1000 < 0));
    struct tm tm;
    gmtime_r(&seconds, &tm);
    strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

static const char *op_of(const struct bk_event *event)
{
    static const char *const carts[] = {"add", "remove", "clear", "set"};
    static const char *const wishes[] = {"add", "remove"};
    if (event->kind == BK_EVENT_CART_CHANGED && event->op >= 0 && event->op < 4)
        return carts[event->op];
    if (event->kind == BK_EVENT_WISHLIST_CHANGED && event->op >= 0 && event->op < 2)
        return wishes[event->op];
    return NULL;
}

static void put_str(struct bk_buf *out, bk_str_t text)
{
    char copy[BK_TEXT_BYTES_MAX + 1];
    snprintf(copy, sizeof copy, "%.*s", (int)text.len, text.p ? text.p : "");
    bk__cli_put_text(out, copy);
}

static void put_item(const struct history *h, struct bk_buf *out, const struct bk_line *item)
{
    const char *name = name_of(h, item->item);
    if (item->quantity != 1) bk_buf_printf(out, "%lld x ", (long long)item->quantity);
    if (name) bk__cli_put_text(out, name);
    if (name) bk_buf_cstr(out, " (");
    put_str(out, item->item);
    if (name) bk_buf_char(out, ')');
}

/** The line an item's history is about comes first; of the others, as many as fit. */
static void put_items(const struct history *h, struct bk_buf *out, const struct bk_event *event)
{
    uint32_t shown = 0;
    for (uint32_t i = 0; i < event->line_count && shown < ITEMS_SHOWN; i++) {
        bool is_asked = h->item_id && bk_str_eq(event->lines[i].item, bk_str_c(h->item_id));
        if (h->item_id && !is_asked) continue;
        bk_buf_cstr(out, shown++ ? ", " : "  ");
        put_item(h, out, &event->lines[i]);
    }
    if (event->line_count > shown)
        bk_buf_printf(out, h->item_id ? "  with %u more" : ", and %u more",
                      event->line_count - shown);
}

static void put_pair(struct bk_buf *out, const char *word, bk_str_t value)
{
    if (!value.len) return;
    bk_buf_printf(out, "  %s ", word);
    put_str(out, value);
}

static void put_line(const struct history *h, struct bk_buf *out, const struct kept *kept,
                     const struct bk_event *event)
{
    char when[32];
    const char *op = op_of(event);
    format_time(when, kept->time_ms);
    bk_buf_printf(out, "%s  %-16s", when, bk_event_kind_name(event->kind));
    if (kept->record.topic == BK_TOPIC_EVENTS) {
        bk_buf_cstr(out, "  ");
        put_str(out, kept->record.key);
    }
    if (event->tombstone) bk_buf_cstr(out, "  deleted");
    if (op) bk_buf_printf(out, "  %s", op);
    put_pair(out, "order", event->order_id);
    put_pair(out, "search", event->query);
    put_pair(out, "list", event->list);
    if (event->kind == BK_EVENT_IDENTIFIED) put_pair(out, "as customer", event->customer);
    if (event->kind == BK_EVENT_ITEM_RATED)
        bk_buf_printf(out, "  %lld of 5", (long long)event->rating);
    if (event->available != BK_NULL_I64)
        bk_buf_printf(out, "  %lld on hand", (long long)event->available);
    put_items(h, out, event);
    bk_buf_char(out, '\n');
}

static void put_json_str(struct bk_buf *out, const char *name, bk_str_t value)
{
    if (!value.len) return;
    bk_buf_printf(out, ",\"%s\":", name);
    bk_buf_json(out, value);
}

static void put_json_items(const struct history *h, struct bk_buf *out,
                           const struct bk_event *event)
{
    bk_buf_cstr(out, ",\"items\":[");
    for (uint32_t i = 0; i < event->line_count; i++) {
        const struct bk_line *item = &event->lines[i];
        const char *name = name_of(h, item->item);
        bk_buf_printf(out, "%s{\"id\":", i ? "," : "");
        bk_buf_json(out, item->item);
        if (name) put_json_str(out, "name", bk_str_c(name));
        bk_buf_printf(out, ",\"quantity\":%lld", (long long)item->quantity);
        if (item->unit_price_minor != BK_NULL_I64)
            bk_buf_printf(out, ",\"unit_price_minor\":%lld", (long long)item->unit_price_minor);
        bk_buf_char(out, '}');
    }
    bk_buf_char(out, ']');
}

static void put_json(const struct history *h, struct bk_buf *out, const struct kept *kept,
                     const struct bk_event *event)
{
    char when[32];
    const char *op = op_of(event);
    format_time(when, kept->time_ms);
    bk_buf_printf(out, "{\"time\":\"%s\",\"time_ms\":%lld,\"event\":\"%s\"", when,
                  (long long)kept->time_ms, bk_event_kind_name(event->kind));
    bk_buf_printf(out, ",\"topic\":\"%s\",\"partition\":%d,\"offset\":%lld",
                  bk_topic_role(kept->record.topic), kept->record.partition,
                  (long long)kept->record.offset);
    put_json_str(out, "key", kept->record.key);
    put_json_str(out, "event_id", event->event_id);
    put_json_str(out, "visitor", event->visitor);
    put_json_str(out, "customer", event->customer);
    put_json_str(out, "session", event->session);
    put_json_str(out, "order_id", event->order_id);
    put_json_str(out, "query", event->query);
    put_json_str(out, "list", event->list);
    put_json_str(out, "currency", event->currency);
    if (op) put_json_str(out, "op", bk_str_c(op));
    if (event->tombstone) bk_buf_cstr(out, ",\"deleted\":true");
    if (event->available != BK_NULL_I64)
        bk_buf_printf(out, ",\"available\":%lld", (long long)event->available);
    put_json_items(h, out, event);
    bk_buf_cstr(out, "}\n");
}

static int print(struct history *h)
{
    const struct bk_event *event;
    struct bk_buf out = {0};
    int code = BK_EXIT_OK;
    for (size_t i = 0; i < h->kept_count && code == BK_EXIT_OK; i++) {
        if (bk_decode(h->decoder, &h->kept[i].record, &event).code != BK_VERDICT_OK) continue;
        bk_buf_reset(&out);
        if (h->json)
            put_json(h, &out, &h->kept[i], event);
        else
            put_line(h, &out, &h->kept[i], event);
        code = bk__cli_print(&out);
    }
    bk_buf_deinit(&out);
    if (h->found > h->kept_count)
        fprintf(stderr, "%llu earlier ones are not shown (--limit)\n",
                (unsigned long long)(h->found - h->kept_count));
    if (h->found == 0) fprintf(stderr, "nothing is archived about that\n");
    return code;
}

/* ---- the subcommand ---- */

/** What was read before damage is shown, and then the damage is. */
static int answer(struct history *h)
{
    struct bk_log_reader *reader = bk_log_reader_open(h->dir, &h->reason);
    if (!reader) return bk__cli_fail(BK_EXIT_DATA, "%s", h->reason.text);
    int code = find(h, reader);
    want_names(h);
    int named = json_object_size(h->names) ? read_names(h, reader) : BK_OK;
    bk_log_reader_close(&reader);
    int exit_code = print(h);
    if (!code) code = named;
    return code ? bk__cli_fail(bk__cli_exit_of(code), "%s", h->reason.text) : exit_code;
}

static int run(struct history *h, const struct cli_line *line)
{
    int questions =
        (h->person.customer.p != NULL) + (h->person.visitor_count > 0) + (h->item_id != NULL);
    if (line->operand_count || questions != 1 || !needle_of(h).len)
        return bk__cli_fail(BK_EXIT_USAGE, "history: one of --customer, --visitor and --item, "
                                           "with an ID");
    h->cfg = line->cfg;
    h->dir = bk__archive_dir_of(line->cfg, h->dir);
    if (!h->dir) return BK_EXIT_USAGE;
    bk_log_level = (enum bk_log_level)line->cfg->log_level;
    const char *schemas = line->cfg->decode_schemas_dir;
    h->decoder = bk_decoder_create(schemas[0] ? schemas : NULL,
                                   (uint32_t)line->cfg->decode_bytes_max, &h->reason);
    if (!h->decoder) return bk__cli_fail(BK_EXIT_CONFIG, "%s", h->reason.text);
    h->kept = calloc(2 * h->limit, sizeof *h->kept);
    h->names = json_object();
    int code = h->kept && h->names ? answer(h) : bk__cli_fail(BK_EXIT_BUG, "out of memory");
    for (size_t i = 0; i < h->kept_count; i++) free_kept(&h->kept[i]);
    free(h->kept);
    json_decref(h->names);
    bk_decoder_destroy(&h->decoder);
    return code;
}

int bk_cmd_history(int argc, char **argv)
{
    struct cli_line line;
    struct history *h = calloc(1, sizeof *h);
    if (!h) return bk__cli_fail(BK_EXIT_BUG, "out of memory");
    h->limit = LIMIT_DEFAULT;
    h->to_ms = INT64_MAX;
    h->from_ms = INT64_MIN;
    int code = bk__cli_line_read(&line, &usage, argc, argv, on_option, h);
    if (code == BK_CLI_GO_ON) {
        code = run(h, &line);
        bk__cli_line_end(&line);
    }
    free(h);
    return code;
}
