/* dlq_facts.h -- was a fact said anew since its letter was written? Private to src/cli. */
#ifndef BASKETRY_CLI_DLQ_FACTS_H
#define BASKETRY_CLI_DLQ_FACTS_H

#include "dlq_read.h"

#include "basketry/source.h"

/** Where a key stood. */
struct dlq_said {
    uint64_t key; /* hash */
    int64_t offset;
    int32_t partition;
};

/** Zeroes: nothing was looked up. */
struct dlq_facts {
    struct {
        struct dlq_said *said; /* by key */
        size_t count, cap;
        bool read;
    } topic[BK_TOPIC_COUNT];
};

void bk__dlq_facts_deinit(struct dlq_facts *facts);
/** Does a record with the letter's key stand behind the letter's record on `name`? Reads the topic
 *  the first time. 0, BK_ENOMEM or what bk__dlq_read returns, with a reason. */
BK_MUST_CHECK int bk__dlq_is_overtaken(struct dlq_facts *facts, const struct bk_config *cfg,
                                       enum bk_topic topic, const char *name,
                                       const struct dlq_letter *letter, bool *overtaken,
                                       struct bk_reason *reason);

#endif
