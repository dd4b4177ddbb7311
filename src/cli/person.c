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
