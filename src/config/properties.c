/* properties.c -- librdkafka's own properties: passed through, but for those that would break a
 * promise.
 *
 * THE IDEA
 *   We do not repeat librdkafka's 150 properties: what [kafka.consumer] and [kafka.producer] say
 *   goes to the client as it is, and the client says what it does not know. The few that would
 *   break what Basketry promises stand in one table with the reason.
 * LAYOUT
 *   A list is name, value, ..., NULL in heap strings owned by the configuration; a name occurs
 *   once, the later value stands.
 */
#include "properties.h"

#include <stdlib.h>

enum { VALUE_BYTES_MAX = 4096, NAME_BYTES_MAX = 127 };

/* clang-format off */
static const struct {
    const char *name, *why;
} refused[] = {
    {"acks",                       "dead letters and merges must be acknowledged by all replicas before a checkpoint passes them"},
    {"auto.commit.enable",         "positions belong to the checkpoint, not to a timer"},
    {"auto.commit.interval.ms",    "positions belong to the checkpoint, not to a timer"},
    {"auto.offset.reset",          "a position the broker no longer has is a named policy with a counter, not a silent jump"},
    {"bootstrap.servers",          "use the key `brokers` of [kafka]"},
    {"delivery.report.only.error", "a checkpoint waits for the acknowledgement of what it passes"},
    {"enable.auto.commit",         "positions belong to the checkpoint, not to a timer"},
    {"enable.auto.offset.store",   "a position is stored once its record is applied, not when it is fetched"},
    {"enable.partition.eof",       "fact topics are read to their ends before the first event, and --until-end stops there"},
    {"enabled_events",             "the event loop depends on which events the client sends"},
    {"group.id",                   "use the key `group` of [kafka]"},
    {"metadata.broker.list",       "use the key `brokers` of [kafka]"},
    {"partitioner",                "a subject's records must meet in the partition that Java clients choose (murmur2)"},
    {"queued.max.messages.kbytes", "use the key `queued_bytes_max` of [kafka]"},
    {"request.required.acks",      "dead letters and merges must be acknowledged by all replicas before a checkpoint passes them"},
};
/* clang-format on */

const char *bk__property_refused(const char *name)
{
    for (size_t i = 0; i < BK_COUNTOF(refused); i++)
        if (strcmp(refused[i].name, name) == 0) return refused[i].why;
    return NULL;
}

bool bk__property_secret(const char *name)
{
    static const char *const parts[] = {"password",           "secret", "token", "key.pem",
                                        "oauthbearer.config", "jaas"};
    for (size_t i = 0; i < BK_COUNTOF(parts); i++)
        if (strstr(name, parts[i])) return true;
    return false;
}

static void free_secret(const char *text)
{
    if (!text) return;
    explicit_bzero((void *)(uintptr_t)text, strlen(text));
    free((void *)(uintptr_t)text);
}

/* Replace the value of `name`, or append the pair. */
static const char *store(const char **list, const char *name, const char *value)
{
    size_t at = 0;
    while (list[at] && strcmp(list[at], name) != 0) at += 2;
    if (at == 2 * BK_CONFIG_PROPERTIES_MAX) return "is one property too many (allowed 128)";
    char *copy = strdup(value);
    char *known = list[at] || !copy ? NULL : strdup(name);
    if (!copy || (!list[at] && !known)) {
        free(copy);
        return "does not fit into memory";
    }
    if (list[at])
        free_secret(list[at + 1]);
    else
        list[at] = known;
    list[at + 1] = copy;
    return NULL;
}

static const char *check_name(const char *name)
{
    size_t len = strlen(name);
    if (len == 0 || len > NAME_BYTES_MAX) return "is not the name of a property";
    return name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._")]
               ? "is not the name of a property (lower case, dots)"
               : NULL;
}

static const char *check_value(const char *value)
{
    if (strlen(value) > VALUE_BYTES_MAX) return "is too long (allowed 4096 bytes)";
    for (; *value; value++)
        if ((unsigned char)*value < 0x20 || *value == 0x7f) return "holds a control character";
    return NULL;
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), tail = strlen(end);
    return len > tail && strcmp(text + len - tail, end) == 0;
}

/* What only a consumer knows: a producer that is given it warns at every start. */
static bool is_of_consumers(const char *name)
{
    static const char *const prefixes[] = {"check.crcs",
                                           "fetch.",
                                           "group.",
                                           "heartbeat.",
                                           "isolation.",
                                           "max.poll.",
                                           "partition.assignment.",
                                           "queued.",
                                           "session."};
    for (size_t i = 0; i < BK_COUNTOF(prefixes); i++)
        if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0) return true;
    return false;
}

const char *bk__property_set(struct bk_config *cfg, int clients, const char *name,
                             const char *value, struct bk_reason *wrong)
{
    char plain[NAME_BYTES_MAX + 1], secret[VALUE_BYTES_MAX + 1];
    const char *broken = check_name(name);
    if (broken) return broken;
    memcpy(plain, name, strlen(name) + 1);
    bool from_file = ends_with(name, "_file");
    if (from_file) {
        plain[strlen(name) - 5] = '\0';
        if (bk_config_secret(value, secret, sizeof secret, wrong)) return wrong->text;
        value = secret;
    }
    const char *why = bk__property_refused(plain);
    if (why) {
        bk_reason_set(wrong, 0, "is refused: %s", why);
        broken = wrong->text;
    }
    if (!broken) broken = check_value(value);
    if (!broken && strcmp(value, BK_CONFIG_MASK) == 0)
        broken = "holds the mask of a dump where its secret should be";
    if ((clients & BK__CONSUMER) && is_of_consumers(plain)) clients = BK__CONSUMER;
    if (!broken && (clients & BK__CONSUMER)) broken = store(cfg->consumer_properties, plain, value);
    if (!broken && (clients & BK__PRODUCER)) broken = store(cfg->producer_properties, plain, value);
    if (from_file) explicit_bzero(secret, sizeof secret);
    return broken;
}

bool bk__properties_equal(const char *const *a, const char *const *b)
{
    for (; *a && *b; a++, b++)
        if (strcmp(*a, *b) != 0) return false;
    return !*a && !*b;
}

void bk__properties_free(const char **list)
{
    for (; *list; list++) {
        free_secret(*list);
        *list = NULL;
    }
}

void bk__properties_reference(struct bk_buf *out)
{
    for (size_t i = 0; i < BK_COUNTOF(refused); i++)
        bk_buf_printf(out, "| `%s` | %s |\n", refused[i].name, refused[i].why);
}
