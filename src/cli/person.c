/* person.c -- is this record about that shopper?
 *
 * Looking for an id's bytes costs a fraction of decoding, so a record is decoded only when they are
 * there.
 */
#define _GNU_SOURCE /* memmem */
#include "person.h"

bool bk__record_holds(const struct bk_record *record, bk_str_t text)
{
    return (record->value.p && memmem(record->value.p, record->value.len, text.p, text.len)) ||
           (record->key.p && memmem(record->key.p, record->key.len, text.p, text.len));
}

/** Is this the key "c:<id>" or "v:<id>"? */
static bool is_key_of(bk_str_t key, char letter, bk_str_t id)
{
    return id.len && key.len == id.len + 2 && key.p[0] == letter && key.p[1] == ':' &&
           memcmp(key.p + 2, id.p, id.len) == 0;
}

static bool is_visitor(const struct person *person, bk_str_t id)
{
    for (size_t i = 0; i < person->visitor_count; i++)
        if (bk_str_eq(person->visitors[i], id)) return true;
    return false;
}

static bool is_own_key(const struct person *person, bk_str_t key)
{
    if (is_key_of(key, 'c', person->customer)) return true;
    return key.len > 2 && key.p[0] == 'v' && key.p[1] == ':' &&
           is_visitor(person, bk_str(key.p + 2, key.len - 2));
}

static bool holds_any(const struct person *person, const struct bk_record *record)
{
    if (person->customer.len && bk__record_holds(record, person->customer)) return true;
    for (size_t i = 0; i < person->visitor_count; i++)
        if (bk__record_holds(record, person->visitors[i])) return true;
    return false;
}

static bool names(const struct person *person, const struct bk_event *event)
{
    if (event->customer.len)
        return person->customer.len && bk_str_eq(event->customer, person->customer);
    return (event->visitor.len && is_visitor(person, event->visitor)) ||
           is_own_key(person, event->merged_subject);
}

/** Does the value hold the id as Avro writes a text, or in quotes? */
static bool holds_as_text(const struct bk_record *record, bk_str_t id)
{
    char avro[BK_ID_BYTES_MAX + 2], quoted[BK_ID_BYTES_MAX + 2];
    if (!id.len || id.len > BK_ID_BYTES_MAX || !record->value.p) return false;
    uint32_t length = 2 * id.len; /* a zigzag varint, of two bytes at most */
    size_t at = 0;
    if (length >= 0x80) avro[at++] = (char)(length | 0x80);
    avro[at++] = (char)(length >= 0x80 ? length >> 7 : length);
    memcpy(avro + at, id.p, id.len);
    quoted[0] = quoted[id.len + 1] = '"';
    memcpy(quoted + 1, id.p, id.len);
    return memmem(record->value.p, record->value.len, avro, at + id.len) ||
           memmem(record->value.p, record->value.len, quoted, (size_t)id.len + 2);
}

bool bk__person_may_be_in(const struct person *person, struct bk_decoder *decoder,
                          const struct bk_record *record)
{
    const struct bk_event *event;
    if (bk__person_is_in(person, decoder, record)) return true;
    if (record->topic != BK_TOPIC_EVENTS || !holds_any(person, record)) return false;
    if (bk_decode(decoder, record, &event).code == BK_VERDICT_OK) return false;
    bool held = holds_as_text(record, person->customer);
    for (size_t i = 0; i < person->visitor_count && !held; i++)
        held = holds_as_text(record, person->visitors[i]);
    return held;
}

bool bk__person_is_in(const struct person *person, struct bk_decoder *decoder,
                      const struct bk_record *record)
{
    const struct bk_event *event;
    if (record->topic == BK_TOPIC_CUSTOMERS)
        return person->customer.len && bk_str_eq(record->key, person->customer);
    if (record->topic != BK_TOPIC_EVENTS || !holds_any(person, record)) return false;
    if (is_own_key(person, record->key)) return true;
    struct bk_verdict verdict = bk_decode(decoder, record, &event);
    return verdict.code == BK_VERDICT_OK && names(person, event);
}
