/* encode.c -- lists as RESP and JSON, in one pass over fixed scratch.
 *
 * LAYOUT   | ... head, written backwards | value, written forwards from HEAD_BYTES_MAX | \r\n$2\r\nEX ... |
 * SIZE     an id takes at most 6 bytes a byte (\u00XX); 40 items of two 128-byte ids are 78 kB at worst: the bound is asserted, not hoped for.
 * NUMBERS  a score is written with six decimals by integer arithmetic: no locale, no printf, the
 * same digits everywhere.
 */
#include "basketry/encode.h"

enum { HEAD_BYTES_MAX = 1024, SCORE_DECIMALS = 1000000 };

_Static_assert(BK_KEY_BYTES_MAX + 200 < HEAD_BYTES_MAX, "the head fits before the value");
_Static_assert(BK_BASKET_MAX *(2 * 6 * BK_ID_BYTES_MAX + 400) + 4096 < BK_LIST_BYTES_MAX,
               "the longest list fits");

/* ---- writing forwards ---- */

static char *put(char *at, const char *text, size_t len)
{
    memcpy(at, text, len);
    return at + len;
}

#define PUT(at, literal) put((at), (literal), sizeof(literal) - 1)

static char *put_c(char *at, const char *text)
{
    return put(at, text, strlen(text));
}

static char *put_u64(char *at, uint64_t n)
{
    char digits[20];
    unsigned len = 0;
    do digits[len++] = (char)('0' + n % 10);
    while (n /= 10);
    while (len) *at++ = digits[--len];
    return at;
}

static char *put_i64(char *at, int64_t n)
{
    if (n >= 0) return put_u64(at, (uint64_t)n);
    *at++ = '-';
    return put_u64(at, 0 - (uint64_t)n);
}

/* A number >= 0 with six decimals. */
static char *put_decimal(char *at, float number)
{
    double scaled = (double)number * SCORE_DECIMALS + 0.5;
    uint64_t n = scaled < 1e18 ? (uint64_t)scaled : (uint64_t)1e18;
    at = put_u64(at, n / SCORE_DECIMALS);
    *at++ = '.';
    uint32_t rest = (uint32_t)(n % SCORE_DECIMALS);
    for (uint32_t unit = SCORE_DECIMALS / 10; unit; unit /= 10)
        *at++ = (char)('0' + rest / unit % 10);
    return at;
}

/* Bytes as a JSON string. Ids were checked to be UTF-8 when they were decoded. */
static char *put_json(char *at, bk_str_t str)
{
    static const char hex[] = "0123456789abcdef";
    *at++ = '"';
    for (uint32_t i = 0; i < str.len; i++) {
        unsigned char c = (unsigned char)str.p[i];
        if (BK_LIKELY(c >= 0x20 && c != '"' && c != '\\')) {
            *at++ = (char)c;
        } else if (c == '"' || c == '\\') {
            *at++ = '\\';
            *at++ = (char)c;
        } else {
            at = PUT(at, "\\u00");
            *at++ = hex[c >> 4];
            *at++ = hex[c & 15];
        }
    }
    *at++ = '"';
    return at;
}

static char *put_json_or_null(char *at, bk_str_t str)
{
    return str.p ? put_json(at, str) : PUT(at, "null");
}

/* ---- keys ---- */

static char *put_key_id(char *at, bk_str_t id)
{
    static const char hex[] = "0123456789ABCDEF";
    for (uint32_t i = 0; i < id.len; i++) {
        unsigned char c = (unsigned char)id.p[i];
        if (c > 0x20 && c != '%' && c != '{' && c != '}' && c != 0x7f) {
            *at++ = (char)c;
            continue;
        }
        *at++ = '%';
        *at++ = hex[c >> 4];
        *at++ = hex[c & 15];
    }
    return at;
}

static size_t key_of(bk_str_t prefix, const char *family, bk_str_t id, bk_str_t word, char *out)
{
    char *at = put(out, prefix.p, prefix.len);
    at = put_c(at, family);
    at = put_key_id(at, id);
    at = PUT(at, "}:");
    at = put(at, word.p, word.len);
    return (size_t)(at - out);
}

size_t bk_key_subject(bk_str_t prefix, bk_str_t subject, bk_str_t context, char *out)
{
    bk_str_t usual = bk_str_c(bk_context_word(BK_CONTEXT_USUAL));
    if (!bk_str_eq(context, usual)) return key_of(prefix, ":rec:{", subject, context, out);
    char *at = put(out, prefix.p, prefix.len);
    *at++ = ':';
    at = put(at, usual.p, usual.len);
    at = PUT(at, ":{");
    at = put_key_id(at, subject);
    *at++ = '}';
    return (size_t)(at - out);
}

size_t bk_key_item(bk_str_t prefix, bk_str_t item, bk_str_t relation, char *out)
{
    return key_of(prefix, ":item:{", item, relation, out);
}

size_t bk_key_shared_of(bk_str_t prefix, bk_str_t name, bk_str_t whose, char *out)
{
    char *at = out + bk_key_shared(prefix, name, out);
    *at++ = ':';
    return (size_t)(put_key_id(at, whose) - out);
}

size_t bk_key_shared(bk_str_t prefix, bk_str_t name, char *out)
{
    char *at = put(out, prefix.p, prefix.len);
    *at++ = ':';
    at = put(at, name.p, name.len);
    return (size_t)(at - out);
}

/* ---- the value ---- */

static const char RISING[] = "more of it than usual of late";

/* The distinct tags of the scorers that contributed, the strongest one's first. */
static char *put_tags(char *at, const struct bk_list_item *item)
{
    const char *done[BK_SCORER_COUNT];
    unsigned count = 0;
    *at++ = '[';
    for (int i = -1; i < BK_SCORER_COUNT; i++) {
        enum bk_scorer scorer = i < 0 ? item->scorer : (enum bk_scorer)i;
        if (!(item->tags >> scorer & 1)) continue;
        const char *tag = bk_scorer_tag(scorer);
        unsigned seen = 0;
        while (seen < count && strcmp(done[seen], tag) != 0) seen++;
        if (seen < count) continue;
        done[count++] = tag;
        if (count > 1) *at++ = ',';
        *at++ = '"';
        at = put_c(at, tag);
        *at++ = '"';
    }
    *at++ = ']';
    return at;
}

static char *put_item(char *at, const struct bk_shared *shared, const struct bk_list_item *item,
                      bool trending)
{
    at = PUT(at, "{\"id\":");
    at = put_json(at, bk_item_id(shared, item->item));
    at = PUT(at, ",\"score\":");
    at = put_decimal(at, item->score);
    at = PUT(at, ",\"reason\":\"");
    at = put_c(at, trending ? RISING : bk_scorer_reason(item->scorer));
    at = PUT(at, "\",\"because\":");
    at = put_json_or_null(at, item->because ? bk_item_id(shared, item->because) : (bk_str_t){0});
    at = PUT(at, ",\"tags\":");
    at = trending ? PUT(at, "[\"trending\"]") : put_tags(at, item);
    if (item->quantity) {
        at = PUT(at, ",\"quantity\":");
        at = put_u64(at, item->quantity);
        at = PUT(at, ",\"due\":");
        const char *due = bk_due_word((enum bk_due)item->due);
        at = put_json_or_null(at, due[0] ? bk_str_c(due) : (bk_str_t){0});
    }
    *at++ = '}';
    return at;
}

/* What led to this list, without anything having to be stored: context, variant, configuration,
 * as_of. */
static char *put_token(char *at, const struct bk_list_frame *frame)
{
    *at++ = '"';
    at = put(at, frame->context.p, frame->context.len);
    *at++ = '.';
    at = put_c(at, frame->variant);
    *at++ = '.';
    at = put_u64(at, frame->config_version);
    if (frame->partition >= 0) {
        *at++ = '.';
        at = put_i64(at, frame->partition);
        *at++ = '.';
        at = put_i64(at, frame->offset);
    }
    *at++ = '"';
    return at;
}

static char *put_as_of(char *at, const struct bk_list_frame *frame)
{
    if (frame->partition < 0) return PUT(at, "null");
    at = PUT(at, "{\"partition\":");
    at = put_i64(at, frame->partition);
    at = PUT(at, ",\"offset\":");
    at = put_i64(at, frame->offset);
    *at++ = '}';
    return at;
}

static char *put_value(char *at, const struct bk_shared *shared, const struct bk_list *list,
                       const struct bk_list_frame *frame)
{
    at = PUT(at, "{\"v\":1,\"subject\":");
    at = put_json_or_null(at, frame->subject);
    at = PUT(at, ",\"context\":\"");
    at = put(at, frame->context.p, frame->context.len);
    at = PUT(at, "\",\"for\":");
    at = put_json_or_null(at, list->for_item ? bk_item_id(shared, list->for_item) : (bk_str_t){0});
    at = PUT(at, ",\"algorithm\":\"");
    at = put_c(at, frame->algorithm);
    at = PUT(at, "\",\"variant\":\"");
    at = put_c(at, frame->variant);
    at = PUT(at, "\",\"confidence\":");
    at = put_decimal(at, list->confidence);
    at = PUT(at, ",\"reason\":\"");
    at = put_c(at, !list->count     ? "nothing is known yet"
                   : list->trending ? RISING
                                    : bk_scorer_reason(list->item[0].scorer));
    at = PUT(at, "\",\"generated_at\":");
    at = put_i64(at, frame->generated_ms);
    at = PUT(at, ",\"expires_at\":");
    at = frame->expires_ms ? put_i64(at, frame->expires_ms) : PUT(at, "null");
    at = PUT(at, ",\"as_of\":");
    at = put_as_of(at, frame);
    at = PUT(at, ",\"token\":");
    at = put_token(at, frame);
    at = PUT(at, ",\"items\":[");
    for (uint32_t i = 0; i < list->count; i++) {
        if (i) *at++ = ',';
        at = put_item(at, shared, &list->item[i], list->trending);
    }
    return PUT(at, "]}");
}

/* ---- the command ---- */

/* "$len\r\n" of a bulk string. */
static char *put_bulk_head(char *at, size_t len)
{
    *at++ = '$';
    at = put_u64(at, len);
    return PUT(at, "\r\n");
}

static char *put_bulk(char *at, bk_str_t bytes)
{
    at = put_bulk_head(at, bytes.len);
    at = put(at, bytes.p, bytes.len);
    return PUT(at, "\r\n");
}

/* Records and ids stand anywhere: have all of them brought at once, not each when its turn comes. */
static void fetch_ids(const struct bk_shared *shared, const struct bk_list *list)
{
    for (uint32_t i = 0; i < list->count; i++)
        __builtin_prefetch(bk_item(shared, list->item[i].item));
    for (uint32_t i = 0; i < list->count; i++)
        __builtin_prefetch(bk_item_id(shared, list->item[i].item).p);
}

struct bk_command bk_encode_list(const struct bk_shared *shared, const struct bk_list *list,
                                 const struct bk_list_frame *frame, bk_str_t key, char *buffer)
{
    char *value = buffer + HEAD_BYTES_MAX;
    fetch_ids(shared, list);
    char *end = put_value(value, shared, list, frame);
    size_t value_len = (size_t)(end - value);

    char head[HEAD_BYTES_MAX];
    char *at =
        frame->expire_s ? PUT(head, "*5\r\n$3\r\nSET\r\n") : PUT(head, "*3\r\n$3\r\nSET\r\n");
    at = put_bulk_head(at, key.len);
    char *key_at = at;
    at = put(at, key.p, key.len);
    at = PUT(at, "\r\n");
    at = put_bulk_head(at, value_len);
    size_t head_len = (size_t)(at - head);
    char *start = value - head_len;
    memcpy(start, head, head_len);

    end = PUT(end, "\r\n");
    if (frame->expire_s) {
        char seconds[20];
        end = PUT(end, "$2\r\nEX\r\n");
        end = put_bulk(end, bk_str(seconds, (size_t)(put_u64(seconds, frame->expire_s) - seconds)));
    }
    BK_ASSERT((size_t)(end - buffer) <= BK_LIST_BYTES_MAX);
    return (struct bk_command){start, (size_t)(end - start),
                               bk_str(start + (key_at - head), key.len), bk_str(value, value_len)};
}

struct bk_command bk_encode_unlink(bk_str_t key, char *buffer)
{
    char *at = PUT(buffer, "*2\r\n$6\r\nUNLINK\r\n");
    at = put_bulk(at, key);
    return (struct bk_command){.p = buffer, .len = (size_t)(at - buffer)};
}

struct bk_command bk_encode_publish(bk_str_t channel, bk_str_t key, char *buffer)
{
    char *at = PUT(buffer, "*3\r\n$7\r\nPUBLISH\r\n");
    at = put_bulk(at, channel);
    at = put_bulk(at, key);
    return (struct bk_command){.p = buffer, .len = (size_t)(at - buffer)};
}
