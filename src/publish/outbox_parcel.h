/* outbox_parcel.h -- one record on its way out, kept until it is acknowledged. Private to
 * outbox_kafka.c.
 */
#ifndef BASKETRY_PUBLISH_OUTBOX_PARCEL_H
#define BASKETRY_PUBLISH_OUTBOX_PARCEL_H

#include "basketry/outbox.h"

#include <librdkafka/rdkafka.h>

/* A copy of what was put; the strings point into `bytes` behind it. */
struct parcel {
    const char *topic;
    bk_str_t key, value;
    uint32_t whole;    /* bytes of the value as it was put */
    uint32_t limit;    /* of the whole record, for this attempt */
    uint32_t overhead; /* all but the value */
    uint64_t cost;     /* against bytes_max */
    bool may_cut;
    uint32_t header_count;
    struct bk_header header[];
};

/** Is the record within the contract's limits? */
bool bk__parcel_fits(const struct bk_outgoing *record);
/** A copy of a record that fits, in one block to free(); NULL: no memory. */
struct parcel *bk__parcel_create(const struct bk_outgoing *record);
/** Hand a copy over to the client. What its delivery report says of `sequence` is about this
 *  record. */
rd_kafka_resp_err_t bk__parcel_produce(const struct parcel *parcel, rd_kafka_t *rk,
                                       uint64_t sequence);
/** Too large for its topic: from now on half of the value goes. False: nothing is left to cut. */
bool bk__parcel_cut(struct parcel *parcel);

#endif
