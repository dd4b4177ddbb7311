/* test_rules.c -- the schemas, the table of rules and the program agree about which fields there
 * are. */
#include "../../../src/decode/plan.h"
#include "../../../src/decode/rules.h"

#include "samples.h"

#include <stdio.h>

struct visit {
    const char *record, *field; /* what we look for */
    bool found;
};

/* Is there a field of this name in a record of this name anywhere below? "[]" and "{}" ask for an
 * element. */
static void look(const struct bk__node *node, const char *record, const char *field,
                 struct visit *v)
{
    char element[256];
    if (strcmp(v->field, field) == 0 && (strcmp(v->record, record) == 0 || v->record[0] == '*'))
        v->found = true;
    for (uint32_t i = 0; i < node->count && node->type != BK__ENUM; i++) {
        snprintf(element, sizeof element, "%s%s", field, node->type == BK__ARRAY ? "[]" : "{}");
        if (node->type == BK__RECORD)
            look(node->child[i], node->name, node->label[i], v);
        else if (node->type == BK__UNION)
            look(node->child[i], record, field, v);
        else
            look(node->child[i], record, element, v);
    }
    if (node->type == BK__RECORD && v->field[0] == '\0' && strcmp(node->name, v->record) == 0)
        v->found = true;
}

static void every_rule_is_about_a_field_of_some_schema(void **state)
{
    (void)state;
    struct bk__schema schemas[BK_EVENT_KIND_COUNT];
    struct bk_reason reason = {""};
    for (int kind = 0; kind < BK_EVENT_KIND_COUNT; kind++) {
        const char *text = bk_schema_text((enum bk_event_kind)kind);
        assert_int_equal(bk__schema_init(&schemas[kind], text, strlen(text), &reason), 0);
    }
    for (size_t at = 0; bk__rule_at(at); at++) {
        const struct bk__rule *rule = bk__rule_at(at);
        struct visit v = {rule->record, rule->field, false};
        for (int kind = 0; kind < BK_EVENT_KIND_COUNT; kind++)
            look(schemas[kind].root, "", "?", &v);
        if (!v.found) fail_msg("%s.%s is in no schema", rule->record, rule->field);
        for (size_t other = 0; other < at; other++)
            if (strcmp(bk__rule_at(other)->record, rule->record) == 0 &&
                strcmp(bk__rule_at(other)->field, rule->field) == 0)
                fail_msg("%s.%s has two rules", rule->record, rule->field);
    }
    for (int kind = 0; kind < BK_EVENT_KIND_COUNT; kind++) bk__schema_deinit(&schemas[kind]);
}

/* ---- a reader that is not ours: what the compiler does with aliases and with fields that no rule
 * knows ------- */

static int compile(const char *writer_text, const char *reader_text, struct bk_reason *reason)
{
    struct bk__schema writer, reader;
    struct bk__plan plan;
    assert_int_equal(bk__schema_init(&writer, writer_text, strlen(writer_text), reason), 0);
    assert_int_equal(bk__schema_init(&reader, reader_text, strlen(reader_text), reason), 0);
    int code = bk__plan_init(&plan, &writer, &reader, BK_EVENT_TICK, reason);
    if (code == 0) bk__plan_deinit(&plan);
    bk__schema_deinit(&writer);
    bk__schema_deinit(&reader);
    return code;
}

#define RECORD(fields) "{\"type\":\"record\",\"name\":\"Tick\",\"fields\":[" fields "]}"

static void a_field_without_a_rule_stops_the_program_at_start_up(void **state)
{
    (void)state;
    struct bk_reason reason = {""};
    const char *avsc = RECORD("{\"name\":\"surprise\",\"type\":\"string\"}");
    assert_int_equal(compile(avsc, avsc, &reason), BK_EINVAL);
    assert_string_equal(reason.text, "surprise: no rule for this field");
}

static void a_rule_that_does_not_fit_the_type_stops_the_program_at_start_up(void **state)
{
    (void)state;
    struct bk_reason reason = {""};
    const char *avsc = RECORD("{\"name\":\"event_id\",\"type\":\"long\"}");
    assert_int_equal(compile(avsc, avsc, &reason), BK_EINVAL);
    assert_string_equal(reason.text, "event_id: rule and type do not fit");
}

static void a_nullable_number_needs_a_place_that_can_be_null(void **state)
{
    (void)state;
    struct bk_reason reason = {""};
    const char *avsc = RECORD("{\"name\":\"event_time\",\"type\":[\"null\",\"long\"]}");
    assert_int_equal(compile(avsc, avsc, &reason), BK_EINVAL);
    assert_non_null(strstr(reason.text, "event_time: nullable"));
}

static void a_default_that_a_reset_does_not_give_is_set(void **state)
{
    (void)state;
    struct bk__schema writer, reader;
    struct bk__plan plan;
    struct bk_reason reason = {""};
    struct bk_line lines[1];
    struct bk_event ev = {.lines = lines};
    const char *theirs = RECORD("{\"name\":\"event_id\",\"type\":\"string\"}");
    const char *ours = RECORD(
        "{\"name\":\"event_id\",\"type\":\"string\"},"
        "{\"name\":\"event_time\",\"type\":\"long\",\"default\":12345},"
        "{\"name\":\"visitor_id\",\"type\":\"string\",\"default\":\"nobody\"},"
        "{\"name\":\"consent\",\"type\":{\"type\":\"enum\",\"name\":\"Consent\",\"symbols\":"
        "[\"unknown\",\"none\",\"session\"]},\"default\":\"session\"},"
        "{\"name\":\"context\",\"type\":{\"type\":\"record\",\"name\":\"Context\",\"fields\":"
        "[{\"name\":\"store\",\"type\":\"string\"}]},\"default\":{\"store\":\"s1\"}}");
    assert_int_equal(bk__schema_init(&writer, theirs, strlen(theirs), &reason), 0);
    assert_int_equal(bk__schema_init(&reader, ours, strlen(ours), &reason), 0);
    assert_int_equal(bk__plan_init(&plan, &writer, &reader, BK_EVENT_TICK, &reason), 0);
    const uint8_t bytes[] = {4, 'i', 'd'};
    assert_int_equal(bk__plan_run(&plan, bytes, sizeof bytes, &ev).code, BK_VERDICT_OK);
    assert_true(bk_str_eq(ev.event_id, BK_STR("id")));
    assert_int_equal(ev.event_time_ms, 12345);
    assert_true(bk_str_eq(ev.visitor, BK_STR("nobody")));
    assert_int_equal(ev.consent, BK_CONSENT_SESSION);
    assert_true(bk_str_eq(ev.store, BK_STR("s1")));
    bk__plan_deinit(&plan);
    bk__schema_deinit(&writer);
    bk__schema_deinit(&reader);
}

static void an_alias_finds_the_old_name(void **state)
{
    (void)state;
    struct bk_reason reason = {""};
    const char *theirs =
        RECORD("{\"name\":\"uuid\",\"type\":\"string\"},{\"name\":\"consent\",\"type\":{\"type\":"
               "\"enum\",\"name\":\"Permission\",\"namespace\":\"old\",\"symbols\":[\"none\"]}}");
    const char *reader =
        RECORD("{\"name\":\"event_id\",\"aliases\":[\"id\",\"uuid\"],\"type\":\"string\"},"
               "{\"name\":\"consent\",\"type\":{\"type\":\"enum\",\"name\":\"Consent\",\"aliases\":"
               "[\"old.Permission\"],\"symbols\":[\"unknown\",\"none\"]}}");
    const char *without = RECORD("{\"name\":\"event_id\",\"type\":\"string\"}");
    assert_int_equal(compile(theirs, reader, &reason), 0);
    assert_int_equal(compile(theirs, without, &reason), BK_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rule_is_about_a_field_of_some_schema),
        cmocka_unit_test(a_field_without_a_rule_stops_the_program_at_start_up),
        cmocka_unit_test(a_rule_that_does_not_fit_the_type_stops_the_program_at_start_up),
        cmocka_unit_test(a_nullable_number_needs_a_place_that_can_be_null),
        cmocka_unit_test(a_default_that_a_reset_does_not_give_is_set),
        cmocka_unit_test(an_alias_finds_the_old_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
