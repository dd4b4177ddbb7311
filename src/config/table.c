/* table.c -- the configuration's rows as data: find one, set it, show it.
 *
 * THE IDEA
 *   BK_CONFIG_TABLE is expanded once into an array of rows with the field's offset; everything
 *   else is a loop over it. What a minimum and a maximum cannot say is a small function in
 *   `rules`, named by key, so that an unusual rule is visible in one place.
 * INVARIANTS
 *   Every default passes its own row's checks (a test says so); bounds are written in the same
 *   notation as values.
 */
#include "table.h"

#include "value.h"

#define MAY_RELOAD_RELOAD  true
#define MAY_RELOAD_RESTART false
/* clang-format off */
#define ROW(field, name, type, def, min, max, reload, help) \
    {name, BK_CONFIG_##type, offsetof(struct bk_config, field), def, min, max, MAY_RELOAD_##reload, help},
/* clang-format on */
const struct bk__config_row bk__config_rows[] = {BK_CONFIG_TABLE(ROW)};
const size_t bk__config_row_count = BK_COUNTOF(bk__config_rows);

enum { STRING_BYTES = 256, SOCKET_PATH_BYTES = 108, NAME_BYTES_MAX = 63, PREFIX_BYTES_MAX = 64 };

const struct bk__config_row *bk__config_row_find(const char *name)
{
    for (size_t i = 0; i < bk__config_row_count; i++)
        if (strcmp(bk__config_rows[i].name, name) == 0) return &bk__config_rows[i];
    return NULL;
}

/* ---- rules beyond a minimum and a maximum ---- */

static const char *check_power_of_two(const char *text, int64_t value)
{
    (void)text;
    return (value & (value - 1)) == 0
               ? NULL
               : "is not a power of two (allowed 1024, 2048, ... 1048576, ...)";
}

/* One `host:port` of a list; the port may be left to librdkafka (9092), a [v6] address is in
 * brackets. */
static bool broker_valid(bk_str_t broker)
{
    uint32_t colon = broker.len;
    while (colon > 0 && broker.p[colon - 1] >= '0' && broker.p[colon - 1] <= '9') colon--;
    if (colon == 0 || broker.p[colon - 1] != ':')
        return broker.len > 0 && broker.p[broker.len - 1] != ':';
    return colon > 1 && broker.len - colon <= 5 && broker.len > colon;
}

static const char *check_brokers(const char *text, int64_t value)
{
    (void)value;
    for (const char *at = text;; at++) {
        size_t len = strcspn(at, ",");
        while (len && *at == ' ') at++, len--;
        size_t trimmed = len;
        while (trimmed && at[trimmed - 1] == ' ') trimmed--;
        if (!broker_valid(bk_str(at, trimmed))) return "is not host:port[,host:port]...";
        at += len;
        if (!*at) return NULL;
    }
}

static const char *check_redis_url(const char *text, int64_t value)
{
    (void)value;
    if (strncmp(text, "unix://", 7) == 0 && strchr(text + 7, '/')) return NULL;
    if (strncmp(text, "redis://", 8) == 0 && text[8]) return NULL;
    return strncmp(text, "rediss://", 9) == 0
               ? "asks for TLS, which this build's Redis client does not speak (use redis:// "
                 "through a local TLS proxy)"
               : "is not redis://[user:password@]host[:port][/db] or unix:///path";
}

/* A prefix goes in front of {subject}: a brace in it would move the hash tag, a blank would break
 * key listings. */
static const char *check_key_prefix(const char *text, int64_t value)
{
    (void)value;
    if (strlen(text) > PREFIX_BYTES_MAX) return "is too long (allowed 64 bytes)";
    for (; *text; text++)
        if (*text <= ' ' || *text == '{' || *text == '}' || *text == '%')
            return "may not hold blanks, braces or %";
    return NULL;
}

static const char *check_socket(const char *text, int64_t value)
{
    (void)value;
    return strlen(text) < SOCKET_PATH_BYTES ? NULL
                                            : "is too long for a Unix socket (allowed 107 bytes)";
}

static const struct {
    const char *name;
    const char *(*check)(const char *text, int64_t value);
} rules[] = {
    {"control.socket", check_socket},           {"kafka.brokers", check_brokers},
    {"redis.key_prefix", check_key_prefix},     {"redis.url", check_redis_url},
    {"state.dedup_events", check_power_of_two},
};

static const char *check_rules(const struct bk__config_row *row, const char *text, int64_t value)
{
    for (size_t i = 0; i < BK_COUNTOF(rules); i++)
        if (strcmp(rules[i].name, row->name) == 0) return rules[i].check(text, value);
    return NULL;
}

/* ---- setting ---- */

static void *field_of(struct bk_config *cfg, const struct bk__config_row *row)
{
    return (char *)cfg + row->offset;
}

static const void *field_of_const(const struct bk_config *cfg, const struct bk__config_row *row)
{
    return (const char *)cfg + row->offset;
}

static const char *set_string(void *field, const struct bk__config_row *row, const char *value)
{
    size_t len = strlen(value);
    if (len >= STRING_BYTES) return "is too long (allowed 255 bytes)";
    if (len == 0 && row->min[0]) return "may not be empty";
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)value[i] < 0x20 || value[i] == 0x7f) return "holds a control character";
    if (strstr(value, BK_CONFIG_MASK)) return "holds the mask of a dump where its secret should be";
    const char *broken = check_rules(row, value, 0);
    if (broken) return broken;
    memset(field, 0, STRING_BYTES);
    memcpy(field, value, len);
    return NULL;
}

static const char *set_choice(void *field, const struct bk__config_row *row, const char *value,
                              struct bk_reason *wrong)
{
    int64_t index = bk__value_choice(row->max, value);
    if (index < 0) {
        bk_reason_set(wrong, 0, "is not one of its words (allowed %s)", row->max);
        return wrong->text;
    }
    memcpy(field, &index, sizeof index);
    return NULL;
}

static const char *set_real(void *field, const struct bk__config_row *row, const char *value,
                            struct bk_reason *wrong)
{
    double number, min, max;
    const char *broken = bk__value_parse_real(value, &number);
    if (broken) return broken;
    BK_ASSERT(!bk__value_parse_real(row->min, &min) && !bk__value_parse_real(row->max, &max));
    if (number < min || number > max) {
        bk_reason_set(wrong, 0, "is out of bounds (allowed %s to %s)", row->min, row->max);
        return wrong->text;
    }
    memcpy(field, &number, sizeof number);
    return NULL;
}

static const char *set_number(void *field, const struct bk__config_row *row, const char *value,
                              struct bk_reason *wrong)
{
    int64_t number, min, max;
    const char *broken = bk__value_parse(row->type, value, &number);
    if (broken) return broken;
    if (row->type != BK_CONFIG_BOOL) {
        BK_ASSERT(!bk__value_parse(row->type, row->min, &min));
        BK_ASSERT(!bk__value_parse(row->type, row->max, &max));
        if (number < min || number > max) {
            bk_reason_set(wrong, 0, "is out of bounds (allowed %s to %s)", row->min, row->max);
            return wrong->text;
        }
        broken = check_rules(row, value, number);
        if (broken) return broken;
    }
    memcpy(field, &number, sizeof number);
    return NULL;
}

const char *bk__config_row_set(struct bk_config *cfg, const struct bk__config_row *row,
                               const char *value, struct bk_reason *wrong)
{
    void *field = field_of(cfg, row);
    switch (row->type) {
    case BK_CONFIG_STRING:
        return set_string(field, row, value);
    case BK_CONFIG_CHOICE:
        return set_choice(field, row, value, wrong);
    case BK_CONFIG_REAL:
        return set_real(field, row, value, wrong);
    default:
        return set_number(field, row, value, wrong);
    }
}

/* ---- showing ---- */

void bk__config_row_format(const struct bk_config *cfg, const struct bk__config_row *row,
                           struct bk_buf *out)
{
    const void *field = field_of_const(cfg, row);
    int64_t number = 0;
    double real = 0;
    switch (row->type) {
    case BK_CONFIG_STRING:
        bk_buf_cstr(out, field);
        break;
    case BK_CONFIG_REAL:
        memcpy(&real, field, sizeof real);
        bk_buf_printf(out, "%.17g", real);
        break;
    case BK_CONFIG_CHOICE:
        memcpy(&number, field, sizeof number);
        bk_buf_str(out, bk__value_word(row->max, number));
        break;
    default:
        memcpy(&number, field, sizeof number);
        bk__value_format(row->type, number, out);
    }
}

static size_t field_bytes(const struct bk__config_row *row)
{
    return row->type == BK_CONFIG_STRING ? STRING_BYTES : sizeof(int64_t);
}

bool bk__config_row_equal(const struct bk_config *a, const struct bk_config *b,
                          const struct bk__config_row *row)
{
    return memcmp(field_of_const(a, row), field_of_const(b, row), field_bytes(row)) == 0;
}

void bk__config_row_copy(struct bk_config *to, const struct bk_config *from,
                         const struct bk__config_row *row)
{
    memcpy(field_of(to, row), field_of_const(from, row), field_bytes(row));
}

/* ---- what was meant ---- */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Levenshtein's distance with neighbours swapped as one step; names beyond NAME_BYTES_MAX are far
 * from all. */
static size_t edit_distance(bk_str_t a, bk_str_t b)
{
    size_t rows[3][NAME_BYTES_MAX + 1];
    if (a.len > NAME_BYTES_MAX || b.len > NAME_BYTES_MAX) return SIZE_MAX;
    size_t *before = rows[0], *last = rows[1], *now = rows[2];
    for (size_t j = 0; j <= b.len; j++) before[j] = last[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        now[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            bool same = a.p[i - 1] == b.p[j - 1];
            now[j] = least(last[j - 1] + !same, least(last[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1])
                now[j] = least(now[j], before[j - 2] + 1);
        }
        size_t *free_row = before;
        before = last, last = now, now = free_row;
    }
    return last[b.len];
}

const char *bk__config_nearest(const char *name, const char *section)
{
    const char *nearest = NULL;
    size_t limit = section ? 3 : strlen(name) / 3 + 2; /* beyond this a hint would mislead */
    for (size_t i = 0; i < bk__config_row_count; i++) {
        const char *known = bk__config_rows[i].name;
        if (section && strncmp(known, section, strlen(section)) != 0) continue;
        size_t distance = edit_distance(bk_str_c(name), bk_str_c(known));
        if (distance >= limit) continue;
        limit = distance;
        nearest = known;
    }
    return nearest;
}

static bk_str_t section_of(const char *name)
{
    return bk_str(name, strcspn(name, "."));
}

bool bk__config_section_known(const char *section)
{
    for (size_t i = 0; i < bk__config_row_count; i++)
        if (bk_str_eq(section_of(bk__config_rows[i].name), bk_str_c(section))) return true;
    return false;
}

bk_str_t bk__config_section_nearest(const char *section)
{
    bk_str_t nearest = BK_STR("");
    size_t limit = 3;
    for (size_t i = 0; i < bk__config_row_count; i++) {
        bk_str_t known = section_of(bk__config_rows[i].name);
        size_t distance = edit_distance(bk_str_c(section), known);
        if (distance >= limit) continue;
        limit = distance;
        nearest = known;
    }
    return nearest;
}
