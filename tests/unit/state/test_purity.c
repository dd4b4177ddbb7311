/* test_purity.c -- state and rank reach nothing that could make them depend on more than the log, and
 * the simulated shop nothing but memory: their objects are asked. */
#include "basketry/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { SKIPPED = 77 };

/* The simulated shop lives on the heap and writes ids; no clock, no file, no mathematics, whose last
 * digit differs from library to library. */
static bool is_of_shop(const char *symbol)
{
    static const char *const allowed[] = {"malloc", "calloc",   "realloc",        "free",
                                          "qsort",  "snprintf", "__snprintf_chk", "__memcpy_chk"};
    for (size_t i = 0; i < BK_COUNTOF(allowed); i++)
        if (strcmp(symbol, allowed[i]) == 0) return true;
    return false;
}

/* What a pure object may leave to the linker, besides Basketry's own. */
static bool is_pure(const char *symbol)
{
    static const char *const allowed[] = {
        "memcpy",          "memset", "memmove", "memcmp", "bcmp",          "memchr",
        "strlen",          "strspn", "strcspn", "sqrtf",  "__popcountdi2", "_GLOBAL_OFFSET_TABLE_",
        "__stack_chk_fail"};
    if (strncmp(symbol, "bk_", 3) == 0) return strncmp(symbol, "bk_log", 6) != 0;
    if (strncmp(symbol, "__asan", 6) == 0 || strncmp(symbol, "__tsan", 6) == 0 ||
        strncmp(symbol, "__ubsan", 7) == 0 || strncmp(symbol, "__sanitizer", 11) == 0 ||
        strncmp(symbol, "__gcov", 6) == 0)
        return true; /* of the build, not of the source */
    for (size_t i = 0; i < BK_COUNTOF(allowed); i++)
        if (strcmp(symbol, allowed[i]) == 0) return true;
    return false;
}

/* Names the undefined symbols of libbk_<module>.a that are not pure; how many symbols there were at
 * all. */
static unsigned check_library(const char *module)
{
    const char *binary = getenv("BK_BINARY");
    char command[1024], line[512], symbol[256];
    unsigned asked = 0;
    if (!binary) exit(SKIPPED);
    const char *slash = strrchr(binary, '/');
    snprintf(command, sizeof command, "nm -u '%.*s/libbk_%s.a' 2>&1",
             slash ? (int)(slash - binary) : 1, slash ? binary : ".", module);
    FILE *nm = popen(command, "r");
    assert_non_null(nm);
    while (fgets(line, sizeof line, nm)) {
        if (sscanf(line, " U %255s", symbol) != 1) continue;
        asked++;
        if (is_pure(symbol) || (strcmp(module, "shop") == 0 && is_of_shop(symbol))) continue;
        fail_msg("bk_%s uses %s", module, symbol);
    }
    int status = pclose(nm);
    if (status != 0) exit(SKIPPED); /* no nm here, or no library */
    return asked;
}

static void state_uses_no_clock_no_files_no_threads_and_no_heap(void **state)
{
    (void)state;
    assert_true(check_library("state") > 20);
}

static void rank_uses_no_clock_no_files_no_threads_and_no_heap(void **state)
{
    (void)state;
    assert_true(check_library("rank") > 5);
}

static void the_simulated_shop_uses_no_clock_no_files_and_no_mathematics_library(void **state)
{
    (void)state;
    assert_true(check_library("shop") > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(state_uses_no_clock_no_files_no_threads_and_no_heap),
        cmocka_unit_test(rank_uses_no_clock_no_files_no_threads_and_no_heap),
        cmocka_unit_test(the_simulated_shop_uses_no_clock_no_files_and_no_mathematics_library),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
