/* test_plan.c -- schema evolution: records of other people's schemas, read as ours.
 *
 * The property: take one of our schemas, let a producer change it in every way Avro allows (fields
 * reordered, dropped, added, narrowed, made nullable or not, symbols moved and added), let avro-c
 * invent and write a record under it, and compare what the decoder makes of it with what avro-c
 * finds by name. BK_SEED repeats a run.
 */
#include "oracle.h"
#include "writer.h"

#include <jansson.h>

static uint64_t random_state;

static uint32_t roll(uint32_t sides)
{
    random_state = bk_mix(random_state);
    return (uint32_t)(random_state % sides);
}

static bool chance(uint32_t percent)
{
    return roll(100) < percent;
}

/* ---- a producer changes our schema
 * ----------------------------------------------------------------------------- */

static uint32_t names_made;

static json_t *random_type(int depth)
{
    static const char *const leaves[] = {"null",  "boolean", "int",    "long",
                                         "float", "double",  "string", "bytes"};
    uint32_t what = roll(depth > 0 ? 14 : 8);
    if (what < 8) return json_string(leaves[what]);
    char name[32];
    snprintf(name, sizeof name, "X%u", names_made++);
    switch (what) {
    case 8:
        return json_pack("{s:s,s:s,s:i}", "type", "fixed", "name", name, "size", (int)roll(9) + 1);
    case 9:
        return json_pack("{s:s,s:s,s:[s,s,s]}", "type", "enum", "name", name, "symbols", "a", "b",
                         "c");
    case 10:
        return json_pack("{s:s,s:o}", "type", "array", "items", random_type(depth - 1));
    case 11:
        return json_pack("{s:s,s:o}", "type", "map", "values", random_type(depth - 1));
    case 12:
        return json_pack("[s,s,{s:s,s:o}]", "null", "string", "type", "array", "items",
                         random_type(depth - 1));
    default:
        return json_pack("{s:s,s:s,s:[{s:s,s:o},{s:s,s:o}]}", "type", "record", "name", name,
                         "fields", "name", "f", "type", random_type(depth - 1), "name", "g", "type",
                         random_type(depth - 1));
    }
}

static void shuffle(json_t *array)
{
    for (size_t i = json_array_size(array); i > 1; i--) {
        size_t j = roll((uint32_t)i);
        json_t *a = json_incref(json_array_get(array, i - 1)),
               *b = json_incref(json_array_get(array, j));
        json_array_set_new(array, i - 1, b);
        json_array_set_new(array, j, a);
    }
}

static void change_record(json_t *record);

/* A type as the producer has it: narrower, nullable or not, its inside changed. New reference. */
static json_t *change_type(json_t *type, bool nullable)
{
    const char *name = json_string_value(type);
    if (!name && json_is_object(type)) name = json_string_value(json_object_get(type, "type"));
    if (json_is_array(type)) {
        json_t *inner = change_type(json_array_get(type, 1), true);
        if (chance(20)) return inner; /* never null */
        return chance(30) ? json_pack("[o,s]", inner, "null") : json_pack("[s,o]", "null", inner);
    }
    const char *narrower = name && strcmp(name, "long") == 0 && chance(40)     ? "int"
                           : name && strcmp(name, "string") == 0 && chance(30) ? "bytes"
                           : name && strcmp(name, "double") == 0 && chance(50) ? "float"
                                                                               : NULL;
    json_t *changed = narrower ? json_string(narrower) : json_incref(type);
    if (name && strcmp(name, "record") == 0) change_record(type);
    if (name && strcmp(name, "enum") == 0 && chance(50)) {
        json_t *symbols = json_object_get(type, "symbols");
        if (chance(50)) json_array_append_new(symbols, json_string("martian"));
        shuffle(symbols);
    }
    if (name && strcmp(name, "array") == 0)
        json_object_set_new(type, "items", change_type(json_object_get(type, "items"), true));
    /* three branches, the last of which we could not read: the generator knows and takes the
     * second */
    if (!nullable && chance(15)) return json_pack("[s,o,s]", "null", changed, "boolean");
    return changed;
}

static void change_record(json_t *record)
{
    json_t *fields = json_object_get(record, "fields");
    for (size_t i = json_array_size(fields); i-- > 0;) {
        json_t *field = json_array_get(fields, i);
        if (json_object_get(field, "default") && chance(15)) {
            json_array_remove(fields, i);
            continue;
        }
        json_object_set_new(field, "type", change_type(json_object_get(field, "type"), false));
    }
    for (uint32_t i = roll(3); i > 0; i--) {
        char name[32];
        snprintf(name, sizeof name, "x_%u", names_made++);
        json_array_append_new(fields, json_pack("{s:s,s:o}", "name", name, "type", random_type(3)));
    }
    if (chance(70)) shuffle(fields);
}

/* Only the first mention of `name` may define it: put the definition there and the name everywhere
 * else. */
static void define_first(json_t *type, const char *name, json_t *definition, bool *defined,
                         json_t **changed)
{
    *changed = NULL;
    bool defines = json_is_object(type) && json_object_get(type, "fields") &&
                   strcmp(json_string_value(json_object_get(type, "name")), name) == 0;
    if (defines || (json_is_string(type) && strcmp(json_string_value(type), name) == 0)) {
        *changed = *defined ? json_string(name) : json_deep_copy(definition);
        *defined = true;
        return;
    }
    json_t *inner;
    size_t at;
    json_t *value;
    if (json_is_array(type)) {
        json_array_foreach(type, at, value)
        {
            define_first(value, name, definition, defined, &inner);
            if (inner) json_array_set_new(type, at, inner);
        }
    } else if (json_is_object(type) && json_object_get(type, "items")) {
        define_first(json_object_get(type, "items"), name, definition, defined, &inner);
        if (inner) json_object_set_new(type, "items", inner);
    }
}

static json_t *changed_schema(enum bk_event_kind kind)
{
    json_t *schema = json_loads(bk_schema_text(kind), 0, NULL);
    json_t *fields = json_object_get(schema, "fields"), *field, *inner, *definition = NULL;
    size_t at;
    if (kind == BK_EVENT_SUBJECT_MERGED) { /* the one schema that uses a type of its own twice */
        json_array_foreach(
            fields, at,
            field) if (strcmp(json_string_value(json_object_get(field, "name")), "viewed") == 0)
            definition = json_deep_copy(json_object_get(json_object_get(field, "type"), "items"));
        change_record(definition);
    }
    change_record(schema);
    if (definition) {
        bool defined = false;
        json_array_foreach(fields, at, field)
        {
            define_first(json_object_get(field, "type"), "Item", definition, &defined, &inner);
            if (inner) json_object_set_new(field, "type", inner);
        }
        json_decref(definition);
    }
    return schema;
}

/* ---- avro-c invents a record
 * --------------------------------------------------------------------------------------- */

static void invent(avro_value_t *value, const char *field, bool ours);

static void invent_text(avro_value_t *value, const char *field, bool ours)
{
    char text[32] = "EUR";
    size_t len = 3;
    if (!ours || !strstr(field, "currency"))
        for (len = 0; len < 1 + roll(12); len++) text[len] = (char)('a' + roll(26));
    text[len] = '\0';
    if (avro_value_get_type(value) == AVRO_STRING)
        avro_value_set_string_len(value, text, len + 1);
    else
        avro_value_set_bytes(value, text, len);
}

static void invent_union(avro_value_t *value, const char *field, bool ours)
{
    avro_value_t branch;
    size_t count = avro_schema_union_size(avro_value_get_schema(value));
    int chosen = ours && count == 3 ? 1 : (int)roll((uint32_t)count);
    avro_value_set_branch(value, chosen, &branch);
    invent(&branch, field, ours);
}

static void invent_enum(avro_value_t *value, bool ours)
{
    avro_schema_t schema = avro_value_get_schema(value);
    int chosen;
    do chosen = (int)roll((uint32_t)avro_schema_enum_number_of_symbols(schema));
    while (ours && strcmp(avro_schema_enum_get(schema, chosen), "martian") == 0 &&
           strcmp(avro_schema_name(schema), "Consent") !=
               0); /* only Consent knows what to make of it */
    avro_value_set_enum(value, chosen);
}

static void invent_elements(avro_value_t *value, const char *field, bool ours)
{
    avro_value_t element;
    for (uint32_t i = roll(4) + (ours ? 1 : 0); i > 0; i--) {
        char key[16];
        snprintf(key, sizeof key, "k%u", i);
        if (avro_value_get_type(value) == AVRO_ARRAY)
            avro_value_append(value, &element, NULL);
        else
            avro_value_add(value, key, &element, NULL, NULL);
        invent(&element, field, ours);
    }
}

static void invent(avro_value_t *value, const char *field, bool ours)
{
    static const uint8_t zeros[16] = {0};
    int64_t wide =
        ours ? 1 + roll(5) : (int64_t)bk_mix(random_state); /* 1 to 5 is within every limit */
    ours = ours && strncmp(field, "x_", 2) != 0;
    switch (avro_value_get_type(value)) {
    case AVRO_NULL:
        avro_value_set_null(value);
        break;
    case AVRO_BOOLEAN:
        avro_value_set_boolean(value, (int)roll(2));
        break;
    case AVRO_INT32:
        avro_value_set_int(value, (int32_t)wide);
        break;
    case AVRO_INT64:
        avro_value_set_long(value, wide);
        break;
    case AVRO_FLOAT:
        avro_value_set_float(value, (float)wide);
        break;
    case AVRO_DOUBLE:
        avro_value_set_double(value, (double)wide);
        break;
    case AVRO_STRING:
    case AVRO_BYTES:
        invent_text(value, field, ours);
        break;
    case AVRO_FIXED:
        avro_value_set_fixed(value, (void *)zeros,
                             (size_t)avro_schema_fixed_size(avro_value_get_schema(value)));
        break;
    case AVRO_ENUM:
        invent_enum(value, ours);
        break;
    case AVRO_UNION:
        invent_union(value, field, ours);
        break;
    case AVRO_ARRAY:
    case AVRO_MAP:
        invent_elements(value, field, ours);
        break;
    case AVRO_RECORD: {
        size_t count = 0;
        avro_value_get_size(value, &count);
        for (size_t i = 0; i < count; i++) {
            avro_value_t child;
            const char *name = "";
            avro_value_get_by_index(value, i, &child, &name);
            invent(&child, ours ? name : field, ours);
        }
        break;
    }
    default:
        fail_msg("a type avro-c invented itself");
    }
}

/* ---- the property
 *
 * ------------------------------------------------------------------------------------------------------ */

static enum bk_verdict_code expected_code(const struct bk_event *ev)
{
    if (ev->kind == BK_EVENT_CONSENT_CHANGED && ev->consent == BK_CONSENT_UNKNOWN)
        return BK_VERDICT_OUT_OF_RANGE;
    bool adds =
        ev->kind == BK_EVENT_CART_CHANGED && (ev->op == BK_CART_ADD || ev->op == BK_CART_REMOVE);
    if (ev->kind < BK_EVENT_PRODUCT && ev->visitor.len == 0 && ev->customer.len == 0)
        return BK_VERDICT_MISSING;
    return adds && ev->line_count == 0 ? BK_VERDICT_MISSING : BK_VERDICT_OK;
}

static void check_record(struct bk_decoder *decoder, uint32_t id, enum bk_event_kind kind,
                         avro_value_t *value, const char *avsc)
{
    static struct oracle oracle;
    static struct sample s;
    oracle_event(&oracle, kind, value);
    s.ev = oracle.ev;
    s.topic = sample_topic(kind);
    sample_key(&s);
    s.bytes[0] = 0;
    for (int at = 0; at < 4; at++) s.bytes[1 + at] = (uint8_t)(id >> (24 - 8 * at));
    avro_writer_t out = avro_writer_memory((char *)s.bytes + 5, (int64_t)sizeof s.bytes - 5);
    assert_int_equal(avro_value_write(out, value), 0);
    s.len = 5 + (size_t)avro_writer_tell(out);
    avro_writer_free(out);

    const struct bk_event *ev;
    struct bk_verdict got = sample_decode(decoder, &s, &ev);
    enum bk_verdict_code want = expected_code(&oracle.ev);
    if (got.code != want)
        fail_msg("want %s, got %s of \"%s\" under %s", bk_verdict_label(want),
                 bk_verdict_label(got.code), got.field, avsc);
    if (got.code == BK_VERDICT_OK) assert_same_event(ev, &oracle.ev);

    for (size_t cut = roll(16) + 5; cut < s.len;
         cut += 1 + roll(16)) { /* and every way it may break off */
        struct bk_record record = sample_record(&s);
        record.value.len = (uint32_t)cut;
        assert_int_not_equal(bk_decode(decoder, &record, &ev).code, BK_VERDICT_OK);
    }
}

static void records_under_changed_schemas_are_what_avro_says(void **state)
{
    (void)state;
    const char *seed = getenv("BK_SEED"), *rounds_text = getenv("BK_ROUNDS");
    uint64_t start = seed ? strtoull(seed, NULL, 0) : 20240607;
    uint32_t rounds = rounds_text ? (uint32_t)atoi(rounds_text) : 900;
    print_message("BK_SEED=%llu\n", (unsigned long long)start);
    struct bk_decoder *decoder = sample_decoder();
    for (uint32_t round = 0; round < rounds; round++) {
        enum bk_event_kind kind = (enum bk_event_kind)(round % BK_EVENT_KIND_COUNT);
        struct bk_reason reason = {""};
        random_state = bk_mix(start + round);
        json_t *json = changed_schema(kind);
        char *avsc = json_dumps(json, 0);
        if (bk_decoder_schema_add(decoder, round, avsc, strlen(avsc), &reason) == BK_ELIMIT) {
            bk_decoder_destroy(&decoder); /* full: start over */
            decoder = sample_decoder();
            reason.text[0] = '\0';
            assert_int_equal(bk_decoder_schema_add(decoder, round, avsc, strlen(avsc), &reason), 0);
        }
        if (reason.text[0]) fail_msg("round %u: %s: %s", round, reason.text, avsc);

        avro_schema_t schema;
        assert_int_equal(avro_schema_from_json_length(avsc, strlen(avsc), &schema), 0);
        avro_value_iface_t *class = avro_generic_class_from_schema(schema);
        for (int i = 0; i < 8; i++) {
            avro_value_t value;
            avro_generic_value_new(class, &value);
            invent(&value, "", true);
            check_record(decoder, round, kind, &value, avsc);
            avro_value_decref(&value);
        }
        avro_value_iface_decref(class);
        avro_schema_decref(schema);
        free(avsc);
        json_decref(json);
    }
    bk_decoder_destroy(&decoder);
}

/* ---- examples, one rule of evolution each
 * --------------------------------------------------------------------------------- */

#define ENVELOPE                                                                                   \
    "{\"type\":\"record\",\"name\":\"CartChanged\",\"namespace\":\"other\",\"fields\":["           \
    "{\"name\":\"event_id\",\"type\":\"string\"},{\"name\":\"event_time\",\"type\":\"long\"},"     \
    "{\"name\":\"visitor_id\",\"type\":\"string\"},"

/* A CartChanged of visitor "v" up to `rest`. */
static struct writer *cart(void)
{
    static struct writer w;
    w_frame(&w, WRITER_ID);
    w_text(&w, "id");
    w_long(&w, 1);
    w_text(&w, "v");
    return &w;
}

static void absent_fields_take_our_defaults(void **state)
{
    (void)state;
    struct bk_decoder *decoder =
        decoder_with(ENVELOPE "{\"name\":\"op\",\"type\":{\"type\":\"enum\",\"name\":\"CartOp\","
                              "\"symbols\":[\"clear\"]}}]}");
    const struct bk_event *ev;
    struct writer *w = cart();
    w_long(w, 0);
    assert_int_equal(w_decode(decoder, w, BK_TOPIC_EVENTS, "v:v", &ev).code, BK_VERDICT_OK);
    assert_int_equal(ev->op, BK_CART_CLEAR);
    assert_int_equal(ev->consent, BK_CONSENT_UNKNOWN);
    assert_null(ev->customer.p);
    assert_null(ev->store.p);
    assert_int_equal(ev->line_count, 0);
    bk_decoder_destroy(&decoder);
}

static void a_symbol_we_do_not_have_is_our_default_or_a_verdict(void **state)
{
    (void)state;
    struct bk_decoder *decoder =
        decoder_with(ENVELOPE "{\"name\":\"consent\",\"type\":{\"type\":\"enum\",\"name\":"
                              "\"Consent\",\"symbols\":[\"maybe\","
                              "\"personal\"]}},{\"name\":\"op\",\"type\":{\"type\":\"enum\","
                              "\"name\":\"CartOp\",\"symbols\":["
                              "\"clear\",\"explode\"]}}]}");
    const struct bk_event *ev;
    for (int consent = 0; consent < 3; consent++)
        for (int op = 0; op < 3; op++) {
            struct writer *w = cart();
            w_long(w, consent);
            w_long(w, op);
            struct bk_verdict got = w_decode(decoder, w, BK_TOPIC_EVENTS, "v:v", &ev);
            bool fine = consent < 2 && op == 0;
            assert_int_equal(got.code, fine ? BK_VERDICT_OK : BK_VERDICT_BAD_BRANCH);
            assert_string_equal(got.field, fine ? "" : consent == 2 ? "consent" : "op");
            if (fine)
                assert_int_equal(ev->consent,
                                 consent == 1 ? BK_CONSENT_PERSONAL : BK_CONSENT_UNKNOWN);
        }
    bk_decoder_destroy(&decoder);
}

static void a_null_where_we_need_a_value_is_missing(void **state)
{
    (void)state;
    struct bk_decoder *decoder =
        decoder_with("{\"type\":\"record\",\"name\":\"Searched\",\"fields\":[{\"name\":\"event_"
                     "id\",\"type\":\"string\"},"
                     "{\"name\":\"event_time\",\"type\":[\"null\",\"int\"]},{\"name\":\"visitor_"
                     "id\",\"type\":\"string\"},"
                     "{\"name\":\"query\",\"type\":[\"string\",\"null\",\"double\"]}]}");
    static const struct {
        int time_branch, query_branch;
        enum bk_verdict_code code;
        const char *field;
    } cases[] = {
        {1, 0, BK_VERDICT_OK, ""},
        {0, 0, BK_VERDICT_MISSING, "event_time"},
        {1, 1, BK_VERDICT_MISSING, "query"},
        {1, 2, BK_VERDICT_BAD_BRANCH, "query"},
        {1, 3, BK_VERDICT_BAD_BRANCH, "query"},
    };
    for (size_t i = 0; i < BK_COUNTOF(cases); i++) {
        const struct bk_event *ev;
        struct writer w;
        w_frame(&w, WRITER_ID);
        w_text(&w, "id");
        w_long(&w, cases[i].time_branch);
        if (cases[i].time_branch) w_long(&w, 5);
        w_text(&w, "v");
        w_long(&w, cases[i].query_branch);
        if (cases[i].query_branch == 0) w_text(&w, "milk");
        struct bk_verdict got = w_decode(decoder, &w, BK_TOPIC_EVENTS, "v:v", &ev);
        assert_int_equal(got.code, cases[i].code);
        assert_string_equal(got.field, cases[i].field);
        if (ev) assert_int_equal(ev->event_time_ms, 5);
    }
    bk_decoder_destroy(&decoder);
}

static void a_type_defined_once_may_be_used_by_name(void **state)
{
    (void)state;
    struct bk_decoder *decoder = decoder_with(
        "{\"type\":\"record\",\"name\":\"SubjectMerged\",\"namespace\":\"a.b\",\"fields\":["
        "{\"name\":\"cart\",\"type\":{\"type\":\"array\",\"items\":{\"type\":\"record\",\"name\":"
        "\"Item\","
        "\"fields\":[{\"name\":\"item_id\",\"type\":\"string\"}]}}},"
        "{\"name\":\"viewed\",\"type\":{\"type\":\"array\",\"items\":\"a.b.Item\"}},"
        "{\"name\":\"event_id\",\"type\":\"string\"},{\"name\":\"event_time\",\"type\":\"long\"},"
        "{\"name\":\"customer_id\",\"type\":\"string\"},{\"name\":\"merged_subject\",\"type\":"
        "\"string\"}]}");
    const struct bk_event *ev;
    struct writer w;
    w_frame(&w, WRITER_ID);
    w_long(&w, 1);
    w_text(&w, "in the cart");
    w_byte(&w, 0);
    w_long(&w, 1);
    w_text(&w, "viewed");
    w_byte(&w, 0);
    w_text(&w, "id");
    w_long(&w, 1);
    w_text(&w, "7");
    w_text(&w, "v:v");
    assert_int_equal(w_decode(decoder, &w, BK_TOPIC_EVENTS, "c:7", &ev).code, BK_VERDICT_OK);
    assert_int_equal(ev->line_count, 2);
    assert_int_equal(ev->lines[0].role, BK_LINE_CART);
    assert_int_equal(ev->lines[1].role, BK_LINE_VIEWED);
    bk_decoder_destroy(&decoder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(absent_fields_take_our_defaults),
        cmocka_unit_test(a_symbol_we_do_not_have_is_our_default_or_a_verdict),
        cmocka_unit_test(a_null_where_we_need_a_value_is_missing),
        cmocka_unit_test(a_type_defined_once_may_be_used_by_name),
        cmocka_unit_test(records_under_changed_schemas_are_what_avro_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
