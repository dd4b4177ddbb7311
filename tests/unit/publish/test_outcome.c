/* test_outcome.c -- error replies and what they mean. */
#include "basketry/sink.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static enum bk_outcome of(const char *text)
{
    return bk_outcome_from_error(bk_str_c(text));
}

static void the_first_word_of_an_error_decides_its_class(void **state)
{
    (void)state;
    assert_int_equal(of("OOM command not allowed when used memory > 'maxmemory'."), BK_OUTCOME_OOM);
    assert_int_equal(of("READONLY You can't write against a read only replica."),
                     BK_OUTCOME_READONLY);
    assert_int_equal(of("LOADING Redis is loading the dataset in memory"), BK_OUTCOME_LOADING);
    assert_int_equal(of("MASTERDOWN Link with MASTER is down"), BK_OUTCOME_MASTERDOWN);
    assert_int_equal(of("CLUSTERDOWN Hash slot not served"), BK_OUTCOME_MASTERDOWN);
    assert_int_equal(of("MOVED 3999 127.0.0.1:6381"), BK_OUTCOME_MOVED);
    assert_int_equal(of("ASK 3999 127.0.0.1:6381"), BK_OUTCOME_MOVED);
    assert_int_equal(of("NOAUTH Authentication required."), BK_OUTCOME_NOAUTH);
    assert_int_equal(of("WRONGPASS invalid username-password pair"), BK_OUTCOME_NOAUTH);
    assert_int_equal(of("NOPERM this user has no permissions"), BK_OUTCOME_NOAUTH);
    assert_int_equal(of("BUSY Redis is busy running a script."), BK_OUTCOME_BUSY);
    assert_int_equal(of("TRYAGAIN Multiple keys request during rehashing"), BK_OUTCOME_BUSY);
    assert_int_equal(of("MISCONF Redis is configured to save RDB snapshots"), BK_OUTCOME_MISCONF);
    assert_int_equal(of("NOREPLICAS Not enough good replicas to write."), BK_OUTCOME_MISCONF);
    assert_int_equal(of("WRONGTYPE Operation against a key"), BK_OUTCOME_WRONGTYPE);
    assert_int_equal(of("ERR syntax error"), BK_OUTCOME_REFUSED);
}

static void a_word_that_only_begins_like_a_class_is_none(void **state)
{
    (void)state;
    assert_int_equal(of(""), BK_OUTCOME_REFUSED);
    assert_int_equal(of("OO"), BK_OUTCOME_REFUSED);
    assert_int_equal(of("OOMPH no"), BK_OUTCOME_REFUSED);
    assert_int_equal(of("oom"), BK_OUTCOME_REFUSED);
    assert_int_equal(of("BUSYKEY Target key name already exists."), BK_OUTCOME_REFUSED);
    assert_int_equal(of("OOM"), BK_OUTCOME_OOM);
}

static void conditions_of_the_server_are_retried_and_faults_of_a_command_are_not(void **state)
{
    (void)state;
    for (int outcome = 0; outcome < BK_OUTCOME_COUNT; outcome++) {
        bool ends = outcome == BK_OUTCOME_STORED || outcome == BK_OUTCOME_WRONGTYPE ||
                    outcome == BK_OUTCOME_REFUSED;
        assert_int_equal(bk_outcome_retry((enum bk_outcome)outcome), !ends);
        assert_true(bk_outcome_label((enum bk_outcome)outcome)[0] >= 'a');
    }
    assert_string_equal(bk_outcome_label(BK_OUTCOME_STORED), "stored");
    assert_string_equal(bk_outcome_label(BK_OUTCOME_COUNT), "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_word_of_an_error_decides_its_class),
        cmocka_unit_test(a_word_that_only_begins_like_a_class_is_none),
        cmocka_unit_test(conditions_of_the_server_are_retried_and_faults_of_a_command_are_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
