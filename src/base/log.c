/* log.c -- logfmt lines on stderr, one write(2) each so that threads do not mix within a line. */
#include "basketry/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { LINE_BYTES_MAX = 1024 };

enum bk_log_level bk_log_level = BK_LOG_INFO;

static const char *const level_names[] = {"debug", "info", "warn", "error", "off"};

int bk_log_level_parse(const char *text)
{
    for (size_t i = 0; i < BK_COUNTOF(level_names); i++)
        if (strcmp(text, level_names[i]) == 0) return (int)i;
    return -1;
}

void bk_log_write(enum bk_log_level level, const char *component, const char *format, ...)
{
    char line[LINE_BYTES_MAX];
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t at = strftime(line, sizeof line, "ts=%Y-%m-%dT%H:%M:%S", &utc);
    at += (size_t)snprintf(line + at, sizeof line - at,
                           ".%03ldZ level=%s at=%s msg=", now.tv_nsec / 1000000, level_names[level],
                           component);
    va_list args;
    va_start(args, format);
    int len = vsnprintf(line + at, sizeof line - at - 1, format, args);
    va_end(args);
    if (len > 0) at = at + (size_t)len < sizeof line - 2 ? at + (size_t)len : sizeof line - 2;
    for (size_t i = 0; i < at; i++)
        if (line[i] == '\n') line[i] = ' ';
    line[at++] = '\n';
    ssize_t ignored = write(STDERR_FILENO, line, at);
    (void)ignored; /* nowhere left to complain */
}

bool bk_log_gate_open(struct bk_log_gate *gate, bk_mono_ms_t now, uint64_t *held)
{
    if (now.ms < gate->next_ms) {
        gate->held++;
        return false;
    }
    *held = gate->held;
    gate->held = 0;
    gate->next_ms = now.ms + 1000;
    return true;
}
