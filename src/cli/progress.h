/* progress.h -- a line on standard error that says how far a long command is.
 *
 * On a terminal the line renews itself; elsewhere one comes every ten seconds.
 */
#ifndef BASKETRY_CLI_PROGRESS_H
#define BASKETRY_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct cli_progress {
    bool tty, line_open;
    int64_t started_ms, shown_ms;
};

/** Begin: the clock runs from here. */
void bk__progress_begin(struct cli_progress *progress);
/** Now and then: "<verb> <things> <what>, N a second, P %, S s left". `part` of the way, 0..1, gives the
 *  last two; below 0: not known. Cheap enough for every thing. `note` (may be "") stands behind. */
void bk__progress_show(struct cli_progress *progress, const char *verb, uint64_t things,
                       const char *what, double part, const char *note);
/** Close a line that is open, before anything else is said. */
void bk__progress_end(struct cli_progress *progress);
/** Milliseconds since begin. */
int64_t bk__progress_ms(const struct cli_progress *progress);

#endif
