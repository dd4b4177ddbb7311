/* verdict.h -- what became of a record, as one table.
 *
 * Every record that reaches the decoder ends in exactly one verdict; the counters of the verdicts
 * add up to the records consumed. A verdict other than BK_VERDICT_OK names the field it is about.
 * Data never causes an error.
 */
#ifndef BASKETRY_VERDICT_H
#define BASKETRY_VERDICT_H

#include "basketry/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* clang-format off */
/*       enum                            metric label          what it means */
#define BK_VERDICT_TABLE(X)                                                                        \
    X(BK_VERDICT_OK,                     "ok",                 "decoded and valid")                \
    X(BK_VERDICT_DUPLICATE,              "duplicate",          "event_id or order_id was applied before") \
    X(BK_VERDICT_TOMBSTONE,              "tombstone",          "null value where no record kind allows one") \
    X(BK_VERDICT_BAD_FRAME,              "bad_frame",          "not Confluent framing: magic byte or length") \
    X(BK_VERDICT_UNKNOWN_SCHEMA,         "unknown_schema",     "no schema is known under this id") \
    X(BK_VERDICT_WRONG_TOPIC,            "wrong_topic",        "a record kind that this topic does not carry") \
    X(BK_VERDICT_TOO_LARGE,              "too_large",          "payload over decode.bytes_max")    \
    X(BK_VERDICT_TRUNCATED,              "truncated",          "the payload ends inside a field")  \
    X(BK_VERDICT_TRAILING,               "trailing_bytes",     "bytes are left after the record")  \
    X(BK_VERDICT_BAD_LENGTH,             "bad_length",         "a length is negative or beyond the payload") \
    X(BK_VERDICT_BAD_VARINT,             "bad_varint",         "an integer takes more than its bytes") \
    X(BK_VERDICT_BAD_BRANCH,             "bad_branch",         "union branch or enum symbol out of range") \
    X(BK_VERDICT_TOO_MANY,               "too_many",           "more elements than the limit")     \
    X(BK_VERDICT_TOO_DEEP,               "too_deep",           "nesting beyond the limit")         \
    X(BK_VERDICT_MISSING,                "missing",            "a required field is null or empty") \
    X(BK_VERDICT_TOO_LONG,               "too_long",           "text over its limit")              \
    X(BK_VERDICT_BAD_UTF8,               "bad_utf8",           "text is not UTF-8")                \
    X(BK_VERDICT_OUT_OF_RANGE,           "out_of_range",       "a number outside its limits")      \
    X(BK_VERDICT_BAD_CURRENCY,           "bad_currency",       "not a three-letter ISO 4217 code") \
    X(BK_VERDICT_KEY_MISMATCH,           "key_mismatch",       "the record's key is not its subject or fact id") \
    X(BK_VERDICT_NO_CONSENT,             "no_consent",         "valid, but the shopper allows nothing to be kept")

enum bk_verdict_code {
#define X(name, label, text) name,
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

#ifdef __cplusplus
}
#endif
#endif
