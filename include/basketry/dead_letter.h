/* dead_letter.h -- what cannot be used is kept: the record as it was, and why, on a topic of its
 * own.
 *
 * A letter has the record's key, value and headers, byte for byte, and after them the headers below:
 * Kafka Connect's names, so that tools for its dead-letter queues read ours. Where a letter that was
 * sent back fails again, the later header of a name is the newer one. At least once: a record that
 * is read again after a crash is a letter again; topic, partition and offset tell.
 */
#ifndef BASKETRY_DEAD_LETTER_H
#define BASKETRY_DEAD_LETTER_H

#include "basketry/outbox.h"
#include "basketry/source.h"
#include "basketry/verdict.h"

#ifdef __cplusplus
extern "C" {
#endif

#define BK_LETTER_PREFIX    "__connect.errors."
#define BK_LETTER_TOPIC     BK_LETTER_PREFIX "topic"     /* where the record stands */
#define BK_LETTER_PARTITION BK_LETTER_PREFIX "partition" /* decimal, as the next */
#define BK_LETTER_OFFSET    BK_LETTER_PREFIX "offset"
#define BK_LETTER_GROUP     BK_LETTER_PREFIX "connector.name" /* kafka.group */
#define BK_LETTER_STAGE     BK_LETTER_PREFIX "stage"
#define BK_LETTER_REASON    BK_LETTER_PREFIX "exception.class.name" /* the verdict's label */
#define BK_LETTER_MESSAGE   BK_LETTER_PREFIX "exception.message" /* "label field: what it means" */
#define BK_LETTER_OWN       "basketry."                          /* what only we write */
#define BK_LETTER_FIELD     BK_LETTER_OWN "field"                /* "" the record as a whole */
#define BK_LETTER_TIMESTAMP BK_LETTER_OWN "timestamp-ms"         /* the record's */
/* What was left out of the record's key and headers, in words; with BK_HEADER_CUT: of its value. */
#define BK_LETTER_LEFT_OUT BK_LETTER_OWN "left-out"
/* On a record that was sent back: topic, partition and offset of its letter. */
#define BK_LETTER_RETRIED BK_LETTER_OWN "retried-from"

/** Bounds of what a letter keeps besides the value. */
enum {
    BK_LETTER_KEY_BYTES_MAX = 64 << 10,
    BK_LETTER_HEADERS_MAX = 64,
    BK_LETTER_HEADER_BYTES_MAX = 64 << 10,
};

struct bk_dead_letter {
    const char *to;    /* topic of the letters */
    const char *topic; /* the record's own */
    const char *group;
    const struct bk_record *record;
    struct bk_verdict verdict;
};

/** Put the letter into the outbox. 0, BK_EAGAIN or BK_ENOMEM as bk_outbox_put. */
BK_MUST_CHECK int bk_dead_letter_put(struct bk_outbox *outbox, const struct bk_dead_letter *letter);

#ifdef __cplusplus
}
#endif
#endif
