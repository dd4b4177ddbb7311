/* test_frames.c -- decoded records as lines of JSON, for judges that are not written in C.
 *
 * `test_frames -` reads messages from stdin and prints one line of JSON each;
 * tests/e2e/test_schema_evolution.py compares them with what a foreign Avro library says. Without
 * arguments it is an ordinary unit test of the same code.
 *
 *   message:  | 'S' | id u32 | len u32 | .avsc text |                            -> {"code": 0, "reason": ""}
 *             | 'R' | topic u8 | len u32 | key | len u32 | framed value |        -> {"verdict": "ok", "field": "", ...}
 * Integers are big-endian.
 */
#include "samples.h"

#include "basketry/buf.h"

#include <stdio.h>

struct input {
    FILE *file;
    bool ended;
};

static uint32_t read_number(struct input *in, int bytes)
{
    uint32_t value = 0;
    for (int i = 0; i < bytes; i++) {
        int c = getc(in->file);
        if (c == EOF) in->ended = true;
        value = value << 8 | (uint8_t)c;
    }
    return value;
}

/* Heap; of exactly `len` bytes, so that a sanitizer sees one too far. */
static char *read_bytes(struct input *in, uint32_t len)
{
    char *bytes = malloc(len ? len : 1);
    assert_non_null(bytes);
    if (fread(bytes, 1, len, in->file) != len) in->ended = true;
    return bytes;
}

/* ---- JSON
 *
 * ------------------------------------------------------------------------------------------------- */

static void put_text(struct bk_buf *out, const char *name, bk_str_t text)
{
    bk_buf_printf(out, ", \"%s\": ", name);
    if (text.p)
        bk_buf_json(out, text);
    else
        bk_buf_cstr(out, "null");
}

static void put_number(struct bk_buf *out, const char *name, int64_t value)
{
    bk_buf_printf(out, ", \"%s\": ", name);
    if (value == BK_NULL_I64)
        bk_buf_cstr(out, "null");
    else
        bk_buf_printf(out, "%lld", (long long)value);
}

static void put_line(struct bk_buf *out, const struct bk_line *line)
{
    bk_buf_printf(out, "{\"role\": %d", (int)line->role);
    put_text(out, "item", line->item);
    put_text(out, "category", line->category);
    put_text(out, "promotion", line->promotion);
    put_number(out, "quantity", line->quantity);
    put_number(out, "unit_price_minor", line->unit_price_minor);
    put_number(out, "discount_minor", line->discount_minor);
    bk_buf_char(out, '}');
}

static void put_event(struct bk_buf *out, const struct bk_event *ev)
{
    const struct {
        const char *name;
        bk_str_t text;
    } texts[] = {
        {"event_id", ev->event_id},
        {"visitor", ev->visitor},
        {"customer", ev->customer},
        {"session", ev->session},
        {"rec_token", ev->rec_token},
        {"store", ev->store},
        {"device", ev->device},
        {"channel", ev->channel},
        {"weather", ev->weather},
        {"page", ev->page},
        {"currency", ev->currency},
        {"order_id", ev->order_id},
        {"query", ev->query},
        {"list", ev->list},
        {"review", ev->review},
        {"reason", ev->reason},
        {"name", ev->name},
        {"merged_subject", ev->merged_subject},
        {"brand", ev->brand},
        {"image", ev->image},
        {"variant_group", ev->variant_group},
    };
    put_text(out, "kind", bk_str_c(bk_event_kind_name(ev->kind)));
    for (size_t i = 0; i < BK_COUNTOF(texts); i++) put_text(out, texts[i].name, texts[i].text);
    put_number(out, "event_time_ms", ev->event_time_ms);
    put_number(out, "consent", ev->consent);
    put_number(out, "op", ev->op);
    put_number(out, "rating", ev->rating);
    put_number(out, "available", ev->available);
    bk_buf_cstr(out, ", \"lines\": [");
    for (uint32_t i = 0; i < ev->line_count; i++) {
        if (i) bk_buf_cstr(out, ", ");
        put_line(out, &ev->lines[i]);
    }
    bk_buf_char(out, ']');
}

static void put_result(struct bk_buf *out, struct bk_verdict verdict, const struct bk_event *ev)
{
    bk_buf_printf(out, "{\"verdict\": \"%s\", \"field\": \"%s\"", bk_verdict_label(verdict.code),
                  verdict.field);
    if (ev) put_event(out, ev);
    bk_buf_cstr(out, "}\n");
}

/* ---- messages
 * --------------------------------------------------------------------------------------------- */

static void answer_schema(struct bk_decoder *decoder, struct input *in, struct bk_buf *out)
{
    struct bk_reason reason = {""};
    uint32_t id = read_number(in, 4), len = read_number(in, 4);
    char *text = read_bytes(in, len);
    int code = in->ended ? 0 : bk_decoder_schema_add(decoder, id, text, len, &reason);
    bk_buf_printf(out, "{\"code\": %d, \"reason\": ", code);
    bk_buf_json(out, bk_str_c(reason.text));
    bk_buf_cstr(out, "}\n");
    free(text);
}

static void answer_record(struct bk_decoder *decoder, struct input *in, struct bk_buf *out)
{
    struct bk_record record = {.topic = (enum bk_topic)read_number(in, 1)};
    record.key.len = read_number(in, 4);
    char *key = read_bytes(in, record.key.len);
    record.value.len = read_number(in, 4);
    char *value = read_bytes(in, record.value.len);
    record.key.p = key;
    record.value.p = value;
    if (!in->ended) {
        const struct bk_event *ev;
        struct bk_verdict verdict = bk_decode(decoder, &record, &ev);
        put_result(out, verdict, ev);
    }
    free(key);
    free(value);
}

static void answer_all(FILE *file, struct bk_buf *out, FILE *to)
{
    struct bk_decoder *decoder = sample_decoder();
    struct input in = {file, false};
    int kind;
    while (!in.ended && (kind = getc(file)) != EOF) {
        if (kind == 'S')
            answer_schema(decoder, &in, out);
        else if (kind == 'R')
            answer_record(decoder, &in, out);
        else
            break;
        if (!to) continue;
        fwrite(out->p, 1, out->len, to);
        bk_buf_reset(out);
    }
    bk_decoder_destroy(&decoder);
}

/* ---- the unit test
 * ------------------------------------------------------------------------------------------ */

static void write_number(FILE *file, size_t value)
{
    for (int shift = 24; shift >= 0; shift -= 8) putc((int)(value >> shift & 0xff), file);
}

static void a_message_is_answered_with_a_line(void **state)
{
    (void)state;
    struct sample *s = sample_of(BK_EVENT_STOCK);
    FILE *file = tmpfile();
    assert_non_null(file);
    fputs("R", file);
    putc((int)s->topic, file);
    write_number(file, s->key_len);
    fwrite(s->key, 1, s->key_len, file);
    write_number(file, s->len);
    fwrite(s->bytes, 1, s->len, file);
    fputs("S", file);
    write_number(file, 7);
    write_number(file, 8);
    fputs("\"string\"", file);
    rewind(file);

    struct bk_buf out = {0};
    answer_all(file, &out, NULL);
    assert_non_null(strstr(out.p, "{\"verdict\": \"ok\", \"field\": \"\", \"kind\": \"Stock\""));
    assert_non_null(strstr(out.p, "\"store\": \"store-12\""));
    assert_non_null(
        strstr(out.p, "\"available\": 17, \"lines\": [{\"role\": 0, \"item\": \"milk-1l\""));
    assert_non_null(strstr(out.p, "\n{\"code\": -5, \"reason\": "));
    bk_buf_deinit(&out);
    fclose(file);
    free(s);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "-") == 0) {
        struct bk_buf out = {0};
        answer_all(stdin, &out, stdout);
        bk_buf_deinit(&out);
        return 0;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_message_is_answered_with_a_line)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
