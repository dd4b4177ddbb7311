/* when.c -- moments on the command line: always UTC, never the machine's zone. */
#define _XOPEN_SOURCE 700 /* strptime */
#include "when.h"

#include <string.h>
#include <time.h>

bool bk__cli_when(const char *text, int64_t *ms, bool *is_day)
{
    struct tm tm = {0};
    char again[32];
    const char *end = strptime(text, "%Y-%m-%d", &tm);
    *is_day = end && !*end;
    if (end && *end) end = strptime(end, "T%H:%M:%S", &tm);
    if (!end || strcmp(end, *is_day ? "" : "Z") != 0) return false;
    *ms = (int64_t)timegm(&tm) * 1000;
    strftime(again, sizeof again, *is_day ? "%Y-%m-%d" : "%Y-%m-%dT%H:%M:%SZ", &tm);
    return strcmp(again, text) == 0; /* timegm turns February 30 into March */
}
