/* test_error.c -- every code has a text, reasons are cut rather than spilt. */
#include "basketry/base.h"
#include "basketry/error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void every_code_is_negative_and_has_a_text_of_its_own(void **state)
{
    (void)state;
    static const int codes[] = {
#define X(name, code, text) name,
        BK_ERROR_TABLE(X)
#undef X
    };
    for (size_t i = 0; i < BK_COUNTOF(codes); i++) {
        assert_true(codes[i] < 0);
        assert_string_not_equal(bk_error_text(codes[i]), "unknown error");
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(bk_error_text(codes[i]), bk_error_text(codes[j]));
    }
    assert_string_equal(bk_error_text(BK_OK), "ok");
    assert_string_equal(bk_error_text(-99), "unknown error");
}

static void an_errno_becomes_the_code_that_says_what_to_do(void **state)
{
    (void)state;
    assert_int_equal(bk_error_from_errno(0), BK_OK);
    assert_int_equal(bk_error_from_errno(EINTR), BK_EAGAIN);
    assert_int_equal(bk_error_from_errno(EAGAIN), BK_EAGAIN);
    assert_int_equal(bk_error_from_errno(ENOMEM), BK_ENOMEM);
    assert_int_equal(bk_error_from_errno(ENOENT), BK_ENOENT);
    assert_int_equal(bk_error_from_errno(EINVAL), BK_EINVAL);
    assert_int_equal(bk_error_from_errno(ECONNREFUSED), BK_EUNAVAILABLE);
    assert_int_equal(bk_error_from_errno(ENOSPC), BK_EIO);
}

static void a_reason_is_cut_at_its_room_and_gives_the_code_back(void **state)
{
    (void)state;
    struct bk_reason reason = {""};
    assert_int_equal(bk_reason_set(&reason, BK_EIO, "%s line %d", "file", 7), BK_EIO);
    assert_string_equal(reason.text, "file line 7");
    assert_int_equal(bk_reason_set(&reason, BK_ELIMIT, "%1000d", 1), BK_ELIMIT);
    assert_int_equal(strlen(reason.text), sizeof reason.text - 1);
    assert_int_equal(bk_reason_set(NULL, BK_EIO, "nobody asks"), BK_EIO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_is_negative_and_has_a_text_of_its_own),
        cmocka_unit_test(an_errno_becomes_the_code_that_says_what_to_do),
        cmocka_unit_test(a_reason_is_cut_at_its_room_and_gives_the_code_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
