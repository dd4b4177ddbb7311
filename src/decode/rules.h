/* rules.h -- what each field of our schemas becomes and what it must satisfy: one table.
 *
 * The plan compiler asks the table for every field of the reader's schema and refuses a field that
 * has no row, so that nothing enters the contract without a limit.
 */
#ifndef BK_DECODE_RULES_H
#define BK_DECODE_RULES_H

#include "basketry/event.h"

enum bk__what {
    BK__TEXT,     /* min..max bytes of UTF-8 */
    BK__CURRENCY, /* three capital letters */
    BK__NUMBER,   /* min..max */
    BK__CHOICE,   /* an enum; the symbol's index is the value */
    BK__GROUP,    /* a nested record: its fields have rows of their own */
    BK__LINE,     /* a nested record that is a line of the event */
    BK__LINES,    /* an array, each element a line of role `to`; min..max elements */
    BK__ENTRIES,  /* an array or map that the event does not keep; min..max elements */
    BK__ANY,      /* read and left out, nothing to check */
};

/** Where a value goes: into the event, into the current line, or nowhere once it was checked. */
enum bk__base { BK__IN_EVENT, BK__IN_LINE, BK__IN_NOTHING, BK__BASES };

struct bk__rule {
    const char *record; /* without namespace; "*": any record without a row of its own */
    const char *field;  /* "lines"; an element of it "lines[]", of a map "m{}"; "" the record */
    enum bk__what what;
    enum bk__base base;
    uint32_t to; /* offset of a bk_str_t (texts) or an int64_t; a line's role */
    int64_t min, max;
};

/** The row of a field, or NULL. */
const struct bk__rule *bk__rule_find(const char *record, const char *field);

/** The table's rows in order, NULL after the last: for a test that every row is about a field that
 *  exists. */
const struct bk__rule *bk__rule_at(size_t at);

/** Every array's elements that are records: their fields have the rules. */
extern const struct bk__rule bk__rule_group;
/** Every map's keys. */
extern const struct bk__rule bk__rule_map_key;

#endif
