/* dlq_read.h -- the records of a topic as letters, one after another. Private to src/cli. */
#ifndef BASKETRY_CLI_DLQ_READ_H
#define BASKETRY_CLI_DLQ_READ_H

#include "basketry/config.h"
#include "basketry/dead_letter.h"

#include <librdkafka/rdkafka.h>

/* One letter as it was read. Everything borrowed during the callback. */
struct dlq_letter {
    int32_t partition; /* its own place */
    int64_t offset;
    bk_wall_ms_t written_ms;
    bk_str_t key, value; /* of the record; p == NULL: none */
    rd_kafka_headers_t *headers;
    bk_str_t topic; /* where the record stood; empty: its headers do not say */
    int64_t from_partition, from_offset;
    bk_str_t reason, field, message;
    bool cut; /* not the whole record */
};

/** Hand out every record of a topic that was there at the call, a partition at a time in its order; a
 *  result other than 0 ends the walk and is returned. BK_ENOENT when there is no such topic,
 *  BK_EUNAVAILABLE when no broker answers, BK_EINVAL for a property; each with a reason. */
BK_MUST_CHECK int bk__dlq_read(const struct bk_config *cfg, const char *topic,
                               int (*on_letter)(void *arg, const struct dlq_letter *letter),
                               void *arg, struct bk_reason *reason);
/** The last header of a name; p == NULL: there is none. */
bk_str_t bk__dlq_header(const struct dlq_letter *letter, const char *name);

#endif
