/* dlq_facts.c -- the last word about a product is the one that counts, and on a compacted topic the only one that stays.
 *
 * So a record of such a topic goes back only if nothing was said about its key since: sent behind
 * a newer one it would replace it, here and for everybody who reads the topic. The topic is read
 * once; a key costs 24 bytes.
 */
#include "dlq_facts.h"

#include <stdlib.h>

struct collecting {
    struct dlq_facts *facts;
    enum bk_topic topic;
};

void bk__dlq_facts_deinit(struct dlq_facts *facts)
{
    for (int topic = 0; topic < BK_TOPIC_COUNT; topic++) free(facts->topic[topic].said);
    *facts = (struct dlq_facts){0};
}

static int note_record(void *arg, const struct dlq_letter *record)
{
    const struct collecting *to = arg;
    size_t count = to->facts->topic[to->topic].count, cap = to->facts->topic[to->topic].cap;
    struct dlq_said *said = to->facts->topic[to->topic].said;
    if (count == cap) {
        cap = cap ? 2 * cap : 1024;
        said = realloc(said, cap * sizeof *said);
        if (!said) return BK_ENOMEM;
        to->facts->topic[to->topic].said = said;
        to->facts->topic[to->topic].cap = cap;
    }
    said[count] = (struct dlq_said){bk_hash(record->key.p, record->key.len), record->offset,
                                    record->partition};
    to->facts->topic[to->topic].count++;
    return BK_OK;
}

static int by_key(const void *left, const void *right)
{
    const struct dlq_said *a = left, *b = right;
    return a->key < b->key ? -1 : a->key > b->key;
}

static int read_topic(struct dlq_facts *facts, const struct bk_config *cfg, enum bk_topic topic,
                      const char *name, struct bk_reason *reason)
{
    struct collecting to = {facts, topic};
    int code = bk__dlq_read(cfg, name, note_record, &to, reason);
    if (code) return code;
    if (facts->topic[topic].count)
        qsort(facts->topic[topic].said, facts->topic[topic].count, sizeof(struct dlq_said), by_key);
    facts->topic[topic].read = true;
    return BK_OK;
}

int bk__dlq_is_overtaken(struct dlq_facts *facts, const struct bk_config *cfg, enum bk_topic topic,
                         const char *name, const struct dlq_letter *letter, bool *overtaken,
                         struct bk_reason *reason)
{
    int code = facts->topic[topic].read ? BK_OK : read_topic(facts, cfg, topic, name, reason);
    if (code) return code;
    uint64_t key = bk_hash(letter->key.p, letter->key.len);
    const struct dlq_said *said = facts->topic[topic].said;
    size_t low = 0, high = facts->topic[topic].count;
    while (low < high) { /* the first one of the key */
        size_t middle = low + (high - low) / 2;
        if (said[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    *overtaken = false;
    for (; low < facts->topic[topic].count && said[low].key == key; low++)
        *overtaken |=
            said[low].partition == letter->from_partition && said[low].offset > letter->from_offset;
    return BK_OK;
}
