/* when.h -- moments on the command line. */
#ifndef BASKETRY_CLI_WHEN_H
#define BASKETRY_CLI_WHEN_H

#include <stdbool.h>
#include <stdint.h>

/** 2026-11-23 or 2026-11-23T18:45:12Z, in UTC; `*is_day` when it has no time. False: neither. */
bool bk__cli_when(const char *text, int64_t *ms, bool *is_day);

#endif
