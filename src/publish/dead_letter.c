/* dead_letter.c -- a record that cannot be used becomes a letter: its own bytes, then why.
 *
 * Key and headers are a sender's bytes too, and bounded here; the value is bounded by the outbox,
 * which cuts it to what the topic takes.
 */
#include "basketry/dead_letter.h"

#include <stdio.h>

enum { OWN_HEADERS = 11 };
_Static_assert(BK_LETTER_HEADERS_MAX + OWN_HEADERS <= BK_OUT_HEADERS_MAX, "an outbox takes them");

struct draft {
    struct bk_header header[BK_OUT_HEADERS_MAX];
    uint32_t count;
    uint32_t bytes;
    bool full; /* a header of the record did not fit: nor does what follows it */
};

static void add(struct draft *draft, const char *name, bk_str_t value)
{
    draft->header[draft->count++] = (struct bk_header){name, value};
}

static void add_number(struct draft *draft, const char *name, int64_t number, char text[24])
{
    add(draft, name, bk_str(text, (size_t)snprintf(text, 24, "%lld", (long long)number)));
}

static void copy_headers(struct draft *draft, const struct bk_record *record)
{
    struct bk_header header;
    for (size_t at = 0; bk_record_header(record, at, &header.name, &header.value); at++) {
        draft->bytes += (uint32_t)strlen(header.name) + header.value.len;
        draft->full = draft->full || draft->count == BK_LETTER_HEADERS_MAX ||
                      draft->bytes > BK_LETTER_HEADER_BYTES_MAX;
        if (draft->full) return;
        add(draft, header.name, header.value);
    }
}

/* Where in our own chain it failed, in Connect's words. */
static const char *stage_of(enum bk_verdict_code code)
{
    return code == BK_VERDICT_KEY_MISMATCH ? "KEY_CONVERTER" : "VALUE_CONVERTER";
}

static void add_reason(struct draft *draft, struct bk_verdict verdict, char text[256])
{
    const char *label = bk_verdict_label(verdict.code);
    int len = snprintf(text, 256, "%s %s%s%s", label, verdict.field, verdict.field[0] ? ": " : "",
                       bk_verdict_text(verdict.code));
    add(draft, BK_LETTER_STAGE, bk_str_c(stage_of(verdict.code)));
    add(draft, BK_LETTER_REASON, bk_str_c(label));
    add(draft, BK_LETTER_MESSAGE, bk_str(text, len < 256 ? (size_t)len : 255));
    add(draft, BK_LETTER_FIELD, bk_str_c(verdict.field));
}

static void add_left_out(struct draft *draft, bool key_cut)
{
    const char *what = key_cut && draft->full ? "key, headers" : key_cut ? "key" : "headers";
    if (key_cut || draft->full) add(draft, BK_LETTER_LEFT_OUT, bk_str_c(what));
}

int bk_dead_letter_put(struct bk_outbox *outbox, const struct bk_dead_letter *letter)
{
    const struct bk_record *record = letter->record;
    struct draft draft = {.count = 0};
    char partition[24], offset[24], timestamp[24], reason[256];
    bool key_cut = record->key.len > BK_LETTER_KEY_BYTES_MAX;
    copy_headers(&draft, record);
    add(&draft, BK_LETTER_TOPIC, bk_str_c(letter->topic));
    add_number(&draft, BK_LETTER_PARTITION, record->partition, partition);
    add_number(&draft, BK_LETTER_OFFSET, record->offset, offset);
    add(&draft, BK_LETTER_GROUP, bk_str_c(letter->group));
    add_reason(&draft, letter->verdict, reason);
    add_number(&draft, BK_LETTER_TIMESTAMP, record->timestamp_ms, timestamp);
    add_left_out(&draft, key_cut);
    struct bk_outgoing out = {
        .topic = letter->to,
        .key = key_cut ? bk_str(record->key.p, BK_LETTER_KEY_BYTES_MAX) : record->key,
        .value = record->value,
        .headers = draft.header,
        .header_count = draft.count,
        .may_cut = true,
    };
    return bk_outbox_put(outbox, &out);
}
