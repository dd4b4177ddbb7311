/* fuzz_decode.c -- hostile payloads under our schemas and some of a stranger's.
 *
 * THE IDEA
 *   The first byte picks the writer's schema, the rest is the payload. Whatever the decoder accepts
 *   avro-c has to accept as well, to the last byte, and to see the same event in it (oracle.h).
 *   What the decoder refuses never reaches avro-c, as in production: it would trust a length of
 *   2^31 and leak what it read.
 */
#include "unit/decode/oracle.h"
#include "unit/decode/samples.h"

#include <stdio.h>

enum { STRANGERS = 3, SCHEMAS = BK_EVENT_KIND_COUNT + STRANGERS, ALLOCATION_MAX = 64 << 20 };

#define HEAD(name)                                                                                 \
    "{\"type\":\"record\",\"name\":\"" name "\",\"fields\":["                                      \
    "{\"name\":\"event_id\",\"type\":\"bytes\"},{\"name\":\"event_time\",\"type\":[\"null\","      \
    "\"int\"]},"                                                                                   \
    "{\"name\":\"visitor_id\",\"type\":[\"string\",\"null\",\"double\"]},"

static const struct {
    enum bk_event_kind kind;
    const char *avsc;
} strangers[STRANGERS] = {
    {BK_EVENT_TICK, HEAD("Tick") "{\"name\":\"x\",\"type\":{\"type\":\"array\",\"items\":{\"type\":"
                                 "\"map\",\"values\":[\"null\","
                                 "\"float\",{\"type\":\"array\",\"items\":\"null\"},{\"type\":"
                                 "\"fixed\",\"name\":\"F\",\"size\":3}]}}}]}"},
    {BK_EVENT_PURCHASED, HEAD("Purchased") "{\"name\":\"lines\",\"type\":{\"type\":\"array\","
                                           "\"items\":{\"type\":\"record\",\"name\":"
                                           "\"PurchaseLine\",\"fields\":[{\"name\":\"discount_"
                                           "minor\",\"type\":\"int\"},{\"name\":\"more\","
                                           "\"type\":{\"type\":\"array\",\"items\":[\"boolean\","
                                           "\"bytes\"]}},{\"name\":\"item_id\",\"type\":"
                                           "\"bytes\"},{\"name\":\"category\",\"type\":\"string\"}]"
                                           "}}},{\"name\":\"order_id\",\"type\":"
                                           "[\"null\",\"string\"]}]}"},
    {BK_EVENT_CART_CHANGED,
     HEAD("CartChanged") "{\"name\":\"session_id\",\"type\":[\"string\",\"null\"]},"
                         "{\"name\":\"op\",\"type\":{\"type\":\"enum\",\"name\":\"CartOp\","
                         "\"symbols\":[\"set\",\"clear\","
                         "\"remove\",\"add\"]}},{\"name\":\"context\",\"type\":[\"null\",{\"type\":"
                         "\"record\",\"name\":"
                         "\"Context\",\"fields\":[{\"name\":\"page\",\"type\":\"string\"},{"
                         "\"name\":\"deep\",\"type\":"
                         "{\"type\":\"map\",\"values\":{\"type\":\"array\",\"items\":\"long\"}}}]}]"
                         "}]}"},
};

static struct bk_decoder *decoder;
static avro_value_iface_t *classes[SCHEMAS]; /* avro-c's side */

static void *capped(void *user, void *p, size_t old_size, size_t size)
{
    (void)user;
    (void)old_size;
    if (size == 0) {
        free(p);
        return NULL;
    }
    return size > ALLOCATION_MAX ? NULL : realloc(p, size);
}

static const char *schema_text(uint32_t which)
{
    return which < BK_EVENT_KIND_COUNT ? bk_schema_text((enum bk_event_kind)which)
                                       : strangers[which - BK_EVENT_KIND_COUNT].avsc;
}

static enum bk_event_kind kind_of(uint32_t which)
{
    return which < BK_EVENT_KIND_COUNT ? (enum bk_event_kind)which
                                       : strangers[which - BK_EVENT_KIND_COUNT].kind;
}

static void check(bool held, const char *what)
{
    if (held) return;
    fprintf(stderr, "%s\n", what);
    abort();
}

static void set_up(void)
{
    struct bk_reason reason = {""};
    avro_set_allocator(capped, NULL);
    decoder = bk_decoder_create(NULL, 1 << 20, &reason);
    check(decoder != NULL, reason.text);
    for (uint32_t which = 0; which < SCHEMAS; which++) {
        const char *avsc = schema_text(which);
        avro_schema_t schema;
        check(bk_decoder_schema_add(decoder, which, avsc, strlen(avsc), &reason) == 0, reason.text);
        check(avro_schema_from_json_length(avsc, strlen(avsc), &schema) == 0, avro_strerror());
        classes[which] = avro_generic_class_from_schema(schema);
        check(classes[which] != NULL, avro_strerror());
    }
}

/* The decoder accepted all but the key: what does avro-c say, and with the right key, what do
 * we? */
static void compare(uint32_t which, struct bk_record *record, const uint8_t *payload, size_t len)
{
    static struct oracle oracle;
    static struct sample s;
    const struct bk_event *ev;
    avro_value_t value;
    check(avro_generic_value_new(classes[which], &value) == 0, avro_strerror());
    avro_reader_t reader = avro_reader_memory((const char *)payload, (int64_t)len);
    check(avro_value_read(reader, &value) == 0, "avro-c refuses what we accept");
    check(avro_skip(reader, 1) != 0, "avro-c leaves bytes that we read");
    avro_reader_free(reader);

    oracle_event(&oracle, kind_of(which), &value);
    s.ev = oracle.ev;
    s.topic = sample_topic(kind_of(which));
    sample_key(&s);
    record->key = bk_str(s.key, s.key_len);
    struct bk_verdict got = bk_decode(decoder, record, &ev);
    bool bar = kind_of(which) == BK_EVENT_STOCK && memchr(s.key, '|', s.key_len);
    if (got.code != BK_VERDICT_KEY_MISMATCH ||
        !bar) { /* a bar in an id of shop.stock has no key at all */
        check(got.code == BK_VERDICT_OK, "the subject by avro-c is not the subject by us");
        assert_same_event(ev, &oracle.ev);
    }
    avro_value_decref(&value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!decoder) set_up();
    if (size == 0 || size > 1 << 16) return 0;
    uint32_t which = data[0] % SCHEMAS;
    size_t len = size - 1;
    uint8_t *framed = malloc(len + 5); /* of exact length: one byte too far is seen */
    const uint8_t id[5] = {0, 0, 0, 0, (uint8_t)which};
    memcpy(framed, id, sizeof id);
    if (len) memcpy(framed + 5, data + 1, len);

    const struct bk_event *ev;
    struct bk_record record = {.topic = sample_topic(kind_of(which)),
                               .key = BK_STR(""),
                               .value = bk_str((char *)framed, len + 5)};
    struct bk_verdict got = bk_decode(decoder, &record, &ev);
    check((unsigned)got.code < BK_VERDICT_COUNT && got.field, "no verdict");
    check(!ev, "an empty key is nobody's");
    if (got.code == BK_VERDICT_KEY_MISMATCH) compare(which, &record, framed + 5, len);
    free(framed);
    return 0;
}
