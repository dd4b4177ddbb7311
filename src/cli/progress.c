/* progress.c -- see progress.h. */
#include "progress.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { TERMINAL_MS = 200, LINES_MS = 10000 };

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void bk__progress_begin(struct cli_progress *progress)
{
    *progress = (struct cli_progress){.tty = isatty(STDERR_FILENO)};
    progress->started_ms = progress->shown_ms = now_ms();
}

int64_t bk__progress_ms(const struct cli_progress *progress)
{
    return now_ms() - progress->started_ms;
}

void bk__progress_show(struct cli_progress *progress, const char *verb, uint64_t things,
                       const char *what, double part, const char *note)
{
    int64_t now = now_ms(), spent_ms = now - progress->started_ms;
    if (now - progress->shown_ms < (progress->tty ? TERMINAL_MS : LINES_MS) || spent_ms <= 0)
        return;
    progress->shown_ms = now;
    fprintf(stderr, "%s%s %llu %s, %.0f a second", progress->tty ? "\r\033[K" : "", verb,
            (unsigned long long)things, what, (double)things * 1000.0 / (double)spent_ms);
    if (part > 0)
        fprintf(stderr, ", %.0f %%, %.0f s left", 100.0 * part,
                (double)spent_ms / 1000.0 * (1 - part) / part);
    fprintf(stderr, "%s%s", note[0] ? ", " : "", note);
    progress->line_open = progress->tty;
    if (!progress->tty) fputc('\n', stderr);
    fflush(stderr);
}

void bk__progress_end(struct cli_progress *progress)
{
    if (progress->line_open) fputc('\n', stderr);
    progress->line_open = false;
}
