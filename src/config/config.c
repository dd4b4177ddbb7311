/* config.c -- where settings come from: a file, the environment, the command line.
 *
 * THE IDEA
 *   Every source ends in one function, `assign(section, key, value)`, which knows three places: a
 *   row of the table, a librdkafka property, or nothing -- and then it says what was probably
 *   meant. The sources differ only in what they call the place in an error.
 * ORDER
 *   defaults, then the file, then the environment, then -X: the caller calls them in this order,
 *   the later stands.
 * FILES
 *   inih splits lines into section, name and value. It is fed line by line
 *   from memory, so that lines are counted here, none is cut in silence, and a line's indentation
 *   means nothing (inih would read it as the continuation of the line before).
 */
#include "basketry/config.h"

#include "properties.h"
#include "table.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    FILE_BYTES_MAX = 1 << 20,
    LINE_BYTES_MAX = 8192,
    SECTION_LEN_MAX = 26,
    KEY_LEN_MAX = 100,
    KEY_BYTES = 128
};

struct bk_config *bk_config_create(void)
{
    struct bk_config *cfg = calloc(1, sizeof *cfg);
    struct bk_reason wrong;
    if (!cfg) return NULL;
    for (size_t i = 0; i < bk__config_row_count; i++)
        BK_ASSERT(!bk__config_row_set(cfg, &bk__config_rows[i], bk__config_rows[i].def, &wrong));
    return cfg;
}

void bk_config_destroy(struct bk_config **cfg)
{
    if (!*cfg) return;
    bk__properties_free((*cfg)->consumer_properties);
    bk__properties_free((*cfg)->producer_properties);
    explicit_bzero(*cfg, sizeof **cfg);
    free(*cfg);
    *cfg = NULL;
}

/* ---- one setting ---- */

/* `place` is "file:line" or "-X" or the variable's name. */
static int refuse(struct bk_reason *reason, const char *place, const char *section, const char *key,
                  const char *wrong)
{
    return bk_reason_set(reason, BK_EINVAL, "%s: [%s] %s: %s", place, section, key, wrong);
}

/* The part of "section.key" after the section. */
static const char *key_of(const char *name)
{
    return strchr(name, '.') + 1;
}

static int unknown_key(struct bk_reason *reason, const char *place, const char *section,
                       const char *key, const char *name)
{
    char wrong[KEY_BYTES * 2];
    const char *nearest = bk__config_nearest(name, NULL);
    if (nearest && strncmp(nearest, section, strlen(section)) == 0 &&
        nearest[strlen(section)] == '.')
        snprintf(wrong, sizeof wrong, "no such key, did you mean %s?", key_of(nearest));
    else if (nearest)
        snprintf(wrong, sizeof wrong, "no such key, did you mean %s?", nearest);
    else
        snprintf(wrong, sizeof wrong, "no such key (basketry check-config --reference lists them)");
    return refuse(reason, place, section, key, wrong);
}

static int unknown_section(struct bk_reason *reason, const char *place, const char *section,
                           const char *key)
{
    char wrong[KEY_BYTES * 2];
    bk_str_t nearest = bk__config_section_nearest(section);
    if (!section[0])
        return refuse(reason, place, section, key, "stands before the first [section]");
    if (nearest.len)
        snprintf(wrong, sizeof wrong, "no such section, did you mean [%.*s]?", (int)nearest.len,
                 nearest.p);
    else
        snprintf(wrong, sizeof wrong,
                 "no such section (basketry check-config --reference lists them)");
    return refuse(reason, place, section, key, wrong);
}

/* What no line of a file can say, no other source may: so a dump can always be read again. (A
 * secret's file may.) */
static const char *check_sayable(const char *value)
{
    size_t len = strlen(value);
    if (len && (strchr(" \t", value[0]) || strchr(" \t", value[len - 1])))
        return "starts or ends with a blank";
    if (value[0] == ';' || strstr(value, " ;") || strstr(value, "\t;"))
        return "holds a ; that starts a comment in a file (a secret like this goes into a _file)";
    return NULL;
}

static int assign_property(struct bk_config *cfg, int clients, const char *place,
                           const char *section, const char *key, const char *value,
                           struct bk_reason *reason)
{
    struct bk_reason detail;
    const char *wrong = bk__property_set(cfg, clients, key, value, &detail);
    return wrong ? refuse(reason, place, section, key, wrong) : 0;
}

/* A key of [kafka] that is none of ours is librdkafka's, unless it looks like a slip of ours: its
 * properties have dots and never underscores. */
static bool is_slip(const char *key, const char *name)
{
    if (bk__property_refused(key)) return false;
    return !strchr(key, '.') && (strchr(key, '_') || bk__config_nearest(name, "kafka."));
}

static int assign(struct bk_config *cfg, const char *place, const char *section, const char *key,
                  const char *value, struct bk_reason *reason)
{
    char name[KEY_BYTES];
    struct bk_reason detail;
    const char *wrong = check_sayable(value);
    if (strlen(section) > SECTION_LEN_MAX || strlen(key) > KEY_LEN_MAX || !key[0])
        return bk_reason_set(reason, BK_EINVAL, "%s: [%.40s] %.40s: not a key's name", place,
                             section, key);
    if (wrong) return refuse(reason, place, section, key, wrong);
    if (strcmp(section, "kafka.consumer") == 0)
        return assign_property(cfg, BK__CONSUMER, place, section, key, value, reason);
    if (strcmp(section, "kafka.producer") == 0)
        return assign_property(cfg, BK__PRODUCER, place, section, key, value, reason);
    snprintf(name, sizeof name, "%s.%s", section, key);
    const struct bk__config_row *row = bk__config_row_find(name);
    if (!row && strcmp(section, "kafka") == 0 && !is_slip(key, name))
        return assign_property(cfg, BK__CONSUMER | BK__PRODUCER, place, section, key, value,
                               reason);
    if (!row && !bk__config_section_known(section))
        return unknown_section(reason, place, section, key);
    if (!row) return unknown_key(reason, place, section, key, name);
    wrong = bk__config_row_set(cfg, row, value, &detail);
    return wrong ? refuse(reason, place, section, key, wrong) : 0;
}

/* ---- files ---- */

struct reading {
    struct bk_config *cfg;
    const char *name;
    const char *at, *end; /* what is left of the text                                  */
    int line;             /* of the line handed out last, from 1                        */
    struct bk_reason *reason;
    int error; /* the first one; what follows it is skipped                  */
};

/* inih's line reader: the next line without its indentation. `cap` counts the NUL. */
static char *next_line(char *out, int cap, void *arg)
{
    struct reading *r = arg;
    if (r->at == r->end || r->error) return NULL;
    r->line++;
    const char *newline = memchr(r->at, '\n', (size_t)(r->end - r->at));
    const char *stop = newline ? newline : r->end;
    const char *from = r->at;
    r->at = newline ? newline + 1 : r->end;
    while (from < stop && (*from == ' ' || *from == '\t')) from++;
    size_t len = (size_t)(stop - from);
    if (len + 1 > (size_t)cap) {
        r->error = bk_reason_set(
            r->reason, BK_EINVAL,
            "%s:%d: line too long (allowed %d bytes; a long secret goes into a _file)", r->name,
            r->line, cap - 1);
        return NULL;
    }
    if (memchr(from, '\0', len)) {
        r->error =
            bk_reason_set(r->reason, BK_EINVAL, "%s:%d: holds a NUL byte, this is not a text file",
                          r->name, r->line);
        return NULL;
    }
    memcpy(out, from, len);
    out[len] = '\0';
    return out;
}

static int on_pair(void *arg, const char *section, const char *key, const char *value)
{
    struct reading *r = arg;
    char place[160];
    if (r->error) return 0;
    snprintf(place, sizeof place, "%s:%d", r->name, r->line);
    r->error = assign(r->cfg, place, section, key, value ? value : "", r->reason);
    return r->error == 0;
}

/* Some builds of inih have limits that can be set at run time; elsewhere its compiled-in 200 bytes
 * a line stand, and a longer line is an error of ours, never cut. Weak: a build without these names
 * links all the same. */
extern int ini_max_line __attribute__((weak));
extern int ini_initial_alloc __attribute__((weak));
extern bool ini_use_stack __attribute__((weak));

static void widen_lines(void)
{
    if (!&ini_max_line || !&ini_initial_alloc || !&ini_use_stack) return;
    ini_max_line = ini_initial_alloc = LINE_BYTES_MAX;
    ini_use_stack = false;
}

int bk_config_read_text(struct bk_config *cfg, const char *name, bk_str_t text,
                        struct bk_reason *reason)
{
    struct reading r = {.cfg = cfg, .name = name, .reason = reason};
    r.at = text.p;
    r.end = text.p + text.len;
    if (text.len == 0) return 0;
    widen_lines();
    int bad_line = ini_parse_stream(next_line, &r, on_pair, &r);
    if (bad_line == -2) return bk_reason_set(reason, BK_ENOMEM, "%s: out of memory", name);
    if (bad_line > 0 && (!r.error || bad_line < r.line))
        return bk_reason_set(reason, BK_EINVAL,
                             "%s:%d: not `key = value`, `[section]` or a # comment", name,
                             bad_line);
    return r.error;
}

/* The whole file, at most `cap` bytes; its length, or a code. */
static int64_t slurp(const char *path, char *out, size_t cap, struct bk_reason *reason)
{
    size_t len = 0;
    ssize_t got = 1;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return bk_reason_set(reason, errno == ENOENT ? BK_ENOENT : BK_EIO, "%s: %s", path,
                             strerror(errno));
    while (len < cap && got) {
        got = read(fd, out + len, cap - len);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) break;
        len += (size_t)got;
    }
    int error = errno;
    close(fd);
    if (got < 0) return bk_reason_set(reason, BK_EIO, "%s: %s", path, strerror(error));
    return (int64_t)len;
}

int bk_config_read(struct bk_config *cfg, const char *path, struct bk_reason *reason)
{
    char *text = malloc(FILE_BYTES_MAX + 1);
    if (!text) return bk_reason_set(reason, BK_ENOMEM, "%s: out of memory", path);
    int64_t len = slurp(path, text, FILE_BYTES_MAX + 1, reason);
    int error = len < 0 ? (int)len : 0;
    if (len > FILE_BYTES_MAX)
        error = bk_reason_set(reason, BK_EINVAL, "%s: too long for a configuration (allowed 1 MiB)",
                              path);
    if (!error) error = bk_config_read_text(cfg, path, bk_str(text, (size_t)len), reason);
    explicit_bzero(text, FILE_BYTES_MAX + 1);
    free(text);
    return error;
}

int bk_config_secret(const char *path, char *out, size_t cap, struct bk_reason *reason)
{
    BK_ASSERT(cap > 1);
    int64_t len = slurp(path, out, cap, reason);
    if (len < 0) {
        out[0] = '\0';
        return (int)len;
    }
    size_t line = 0;
    while (line < (size_t)len && out[line] != '\n' && out[line] != '\0') line++;
    if (line > 0 && line < cap && out[line - 1] == '\r') line--;
    if (line == cap || line == 0) {
        explicit_bzero(out, cap);
        return bk_reason_set(reason, BK_EINVAL,
                             line ? "%s: the first line is too long for a secret"
                                  : "%s: the first line is empty",
                             path);
    }
    explicit_bzero(out + line, cap - line);
    return 0;
}

/* ---- the environment and the command line ---- */

/* ASCII lower case, with `_` turned into `to`. Cut at cap - 1: the name is then unknown, which is
 * right. */
static void lower(char *out, size_t cap, const char *from, size_t len, char to)
{
    size_t n = len < cap - 1 ? len : cap - 1;
    for (size_t i = 0; i < n; i++) {
        char c = from[i];
        if (c >= 'A' && c <= 'Z') c = (char)(c - 'A' + 'a');
        out[i] = c == '_' ? to : c;
    }
    out[n] = '\0';
}

/* KEY of a section that takes librdkafka's properties: ours if it is, or nearly is, one of ours;
 * else with dots. */
static void kafka_key(char *key, size_t cap, const char *section, const char *from)
{
    char name[2 * KEY_BYTES + 2];
    lower(key, cap, from, strlen(from), '_');
    snprintf(name, sizeof name, "%s.%s", section, key);
    if (strcmp(section, "kafka") == 0 && bk__config_nearest(name, "kafka.")) return;
    lower(key, cap, from, strlen(from), '.');
    size_t len = strlen(key);
    if (len > 5 && strcmp(key + len - 5, ".file") == 0)
        key[len - 5] = '_'; /* the suffix of secrets keeps its underscore */
}

static int assign_variable(struct bk_config *cfg, const char *variable, struct bk_reason *reason)
{
    static const char prefix[] = "BASKETRY_";
    char place[KEY_BYTES], section[KEY_BYTES], key[KEY_BYTES];
    if (strncmp(variable, prefix, sizeof prefix - 1) != 0) return 0;
    const char *equals = strchr(variable, '=');
    const char *from = variable + sizeof prefix - 1;
    const char *gap = strstr(from, "__");
    if (!equals || !gap || gap > equals) return 0;
    size_t len = (size_t)(equals - variable);
    if (len >= sizeof place) len = sizeof place - 1;
    snprintf(place, sizeof place, "%.*s", (int)len, variable);
    lower(section, sizeof section, from, (size_t)(gap - from), '.');
    const char *key_from = place + (gap - variable) + 2;
    if ((size_t)(gap - variable) + 2 > len)
        return bk_reason_set(reason, BK_EINVAL, "%s: not a key's name", place);
    if (strncmp(section, "kafka", 5) == 0)
        kafka_key(key, sizeof key, section, key_from);
    else
        lower(key, sizeof key, key_from, strlen(key_from), '_');
    return assign(cfg, place, section, key, equals + 1, reason);
}

extern char **environ;

int bk_config_read_environment(struct bk_config *cfg, struct bk_reason *reason)
{
    int error = 0;
    for (char **variable = environ; variable && *variable && !error; variable++)
        error = assign_variable(cfg, *variable, reason);
    return error;
}

int bk_config_set(struct bk_config *cfg, const char *assignment, struct bk_reason *reason)
{
    static const char *const deep[] = {"kafka.consumer.", "kafka.producer."};
    char section[KEY_BYTES], key[KEY_BYTES];
    const char *equals = strchr(assignment, '=');
    const char *dot = strchr(assignment, '.');
    if (!equals || !dot || dot > equals)
        return bk_reason_set(reason, BK_EINVAL, "-X %.*s: not section.key=value",
                             (int)strcspn(assignment, "="), assignment);
    for (size_t i = 0; i < BK_COUNTOF(deep); i++)
        if (strncmp(assignment, deep[i], strlen(deep[i])) == 0)
            dot = assignment + strlen(deep[i]) - 1;
    if (equals - assignment >= KEY_BYTES)
        return bk_reason_set(reason, BK_EINVAL, "-X %.60s...: not a key's name", assignment);
    snprintf(section, sizeof section, "%.*s", (int)(dot - assignment), assignment);
    snprintf(key, sizeof key, "%.*s", (int)(equals - dot - 1), dot + 1);
    return assign(cfg, "-X", section, key, equals + 1, reason);
}

/* ---- a new configuration for a running process ---- */

int bk_config_reload(struct bk_config *cfg, const struct bk_config *fresh, struct bk_buf *waiting)
{
    int changed = 0;
    for (size_t i = 0; i < bk__config_row_count; i++) {
        const struct bk__config_row *row = &bk__config_rows[i];
        if (bk__config_row_equal(cfg, fresh, row)) continue;
        if (!row->reload) {
            bk_buf_printf(waiting, "%s\n", row->name);
            continue;
        }
        bk__config_row_copy(cfg, fresh, row);
        changed++;
    }
    if (!bk__properties_equal(cfg->consumer_properties, fresh->consumer_properties))
        bk_buf_cstr(waiting, "kafka.consumer\n");
    if (!bk__properties_equal(cfg->producer_properties, fresh->producer_properties))
        bk_buf_cstr(waiting, "kafka.producer\n");
    return changed;
}

/* One topic under two names is read as what it is not; letters in shop.events are read as events, and
 * written again, for ever. */
int bk_config_check(const struct bk_config *cfg, struct bk_reason *reason)
{
    const struct {
        const char *key, *topic;
    } topics[] = {{"kafka.topic_events", cfg->kafka_topic_events},
                  {"kafka.topic_products", cfg->kafka_topic_products},
                  {"kafka.topic_stock", cfg->kafka_topic_stock},
                  {"kafka.topic_customers", cfg->kafka_topic_customers},
                  {"kafka.topic_dlq", cfg->kafka_topic_dlq}};
    for (size_t i = 1; i < BK_COUNTOF(topics); i++)
        for (size_t j = 0; j < i; j++)
            if (topics[i].topic[0] && strcmp(topics[i].topic, topics[j].topic) == 0)
                return bk_reason_set(reason, BK_EINVAL,
                                     "%s and %s are both \"%s\": each wants a "
                                     "topic of its own",
                                     topics[j].key, topics[i].key, topics[i].topic);
    return BK_OK;
}
