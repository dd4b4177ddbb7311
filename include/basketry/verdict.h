/* verdict.h -- what became of a record, as one table.
 *
 * Every record that reaches the decoder ends in exactly one verdict; the counters of the verdicts
 * add up to the records consumed. A verdict other than BK_VERDICT_OK names the field it is about.
 * Data never causes an error. What cannot be used goes to the dead letters; what can, and is not
 * wanted (a duplicate, no consent), does not: keeping it there would be keeping it.
 */
#ifndef BASKETRY_VERDICT_H
#define BASKETRY_VERDICT_H

#include "basketry/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* clang-format off */
/*       enum                            metric label          dead letter, what it means */
#define BK_VERDICT_TABLE(X)                                                                        \
    X(BK_VERDICT_OK,                     "ok",                 false, "decoded and valid")                \
    X(BK_VERDICT_DUPLICATE,              "duplicate",          false, "event_id or order_id was applied before") \
    X(BK_VERDICT_TOMBSTONE,              "tombstone",          true,  "null value where no record kind allows one") \
    X(BK_VERDICT_BAD_FRAME,              "bad_frame",          true,  "not Confluent framing: magic byte or length") \
    X(BK_VERDICT_UNKNOWN_SCHEMA,         "unknown_schema",     true,  "no schema is known under this id") \
    X(BK_VERDICT_WRONG_TOPIC,            "wrong_topic",        true,  "a record kind that this topic does not carry") \
    X(BK_VERDICT_TOO_LARGE,              "too_large",          true,  "payload over decode.bytes_max")    \
    X(BK_VERDICT_TRUNCATED,              "truncated",          true,  "the payload ends inside a field")  \
    X(BK_VERDICT_TRAILING,               "trailing_bytes",     true,  "bytes are left after the record")  \
    X(BK_VERDICT_BAD_LENGTH,             "bad_length",         true,  "a length is negative or beyond the payload") \
    X(BK_VERDICT_BAD_VARINT,             "bad_varint",         true,  "an integer takes more than its bytes") \
    X(BK_VERDICT_BAD_BRANCH,             "bad_branch",         true,  "union branch or enum symbol out of range") \
    X(BK_VERDICT_TOO_MANY,               "too_many",           true,  "more elements than the limit")     \
    X(BK_VERDICT_TOO_DEEP,               "too_deep",           true,  "nesting beyond the limit")         \
    X(BK_VERDICT_MISSING,                "missing",            true,  "a required field is null or empty") \
    X(BK_VERDICT_TOO_LONG,               "too_long",           true,  "text over its limit")              \
    X(BK_VERDICT_BAD_UTF8,               "bad_utf8",           true,  "text is not UTF-8")                \
    X(BK_VERDICT_OUT_OF_RANGE,           "out_of_range",       true,  "a number outside its limits")      \
    X(BK_VERDICT_BAD_CURRENCY,           "bad_currency",       true,  "not a three-letter ISO 4217 code") \
    X(BK_VERDICT_KEY_MISMATCH,           "key_mismatch",       true,  "the record's key is not its subject or fact id") \
    X(BK_VERDICT_NO_CONSENT,             "no_consent",         false, "valid, but the shopper allows nothing to be kept")

enum bk_verdict_code {
#define X(name, label, dead, text) name,
    BK_VERDICT_TABLE(X)
#undef X
    BK_VERDICT_COUNT
};
/* clang-format on */

struct bk_verdict {
    enum bk_verdict_code code;
    const char *field; /* "lines.item_id", owned by the decoder; "": the record as a whole */
};

/** The metric label of a verdict, and what it means; "?" for anything that is not one. */
const char *bk_verdict_label(enum bk_verdict_code code);
const char *bk_verdict_text(enum bk_verdict_code code);
/** Does a record of this verdict go to the dead letters? */
bool bk_verdict_is_dead_letter(enum bk_verdict_code code);
/** The verdict of a label, or BK_VERDICT_COUNT. */
enum bk_verdict_code bk_verdict_parse(bk_str_t label);

#ifdef __cplusplus
}
#endif
#endif
