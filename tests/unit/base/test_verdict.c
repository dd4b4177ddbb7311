/* test_verdict.c -- the table of verdicts: a label fit for a metric and a sentence for each. */
#include "basketry/verdict.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void every_verdict_has_a_label_of_its_own_and_a_text(void **state)
{
    (void)state;
    for (int code = 0; code < BK_VERDICT_COUNT; code++) {
        const char *label = bk_verdict_label((enum bk_verdict_code)code);
        assert_true(label[0] != '\0' && bk_verdict_text((enum bk_verdict_code)code)[0] != '\0');
        assert_int_equal(strspn(label, "abcdefghijklmnopqrstuvwxyz_0123456789"), strlen(label));
        for (int other = 0; other < code; other++)
            assert_string_not_equal(label, bk_verdict_label((enum bk_verdict_code)other));
    }
    assert_string_equal(bk_verdict_label(BK_VERDICT_OK), "ok");
    assert_string_equal(bk_verdict_label(BK_VERDICT_NO_CONSENT), "no_consent");
}

static void what_is_no_verdict_is_a_question_mark(void **state)
{
    (void)state;
    assert_string_equal(bk_verdict_label(BK_VERDICT_COUNT), "?");
    assert_string_equal(bk_verdict_text((enum bk_verdict_code) - 1), "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_verdict_has_a_label_of_its_own_and_a_text),
        cmocka_unit_test(what_is_no_verdict_is_a_question_mark),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
