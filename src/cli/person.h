/* person.h -- is this record about that shopper? Private to src/cli. */
#ifndef BASKETRY_CLI_PERSON_H
#define BASKETRY_CLI_PERSON_H

#include "basketry/decode.h"

enum { PERSON_VISITORS_MAX = 256 };

/** A customer, visitors, or both. Texts are borrowed. */
struct person {
    bk_str_t customer; /* len 0: none */
    bk_str_t visitors[PERSON_VISITORS_MAX];
    size_t visitor_count;
};

/** Does the record's key belong to the person, or does its event name them? A visitor's record that
 *  names another customer is that customer's. Records that cannot be decoded are judged by their
 *  key. The decoder's event is gone afterwards. */
bool bk__person_is_in(const struct person *person, struct bk_decoder *decoder,
                      const struct bk_record *record);
/** The same for who must find everything: also a record that cannot be decoded (another's key, cut
 *  off, damaged) and holds one of the ids as a text. */
bool bk__person_may_be_in(const struct person *person, struct bk_decoder *decoder,
                          const struct bk_record *record);
/** Do these bytes occur anywhere in the record's key or value? Avro keeps texts as they are, so a
 *  record without an id's bytes cannot be about it. */
bool bk__record_holds(const struct bk_record *record, bk_str_t text);

#endif
