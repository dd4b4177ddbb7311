/* log.h -- one line, one decision.
 *
 * logfmt on stderr: `ts=… level=info at=redis msg=connected wait_ms=800`. The component comes
 * first, then a stable event word, then key=value. Arguments are not evaluated when the level is
 * off. Nothing on the per-event path logs: it counts, and a rate-limited line samples the counter.
 * Payloads and customer ids are not logged.
 */
#ifndef BASKETRY_LOG_H
#define BASKETRY_LOG_H

#include "basketry/base.h"

#ifdef __cplusplus
extern "C" {
#endif

enum bk_log_level { BK_LOG_DEBUG, BK_LOG_INFO, BK_LOG_WARN, BK_LOG_ERROR, BK_LOG_OFF };

extern enum bk_log_level bk_log_level; /* set once at start-up and on reload, loop thread only */

/** `format` starts with the event word: bk_log_info("redis", "connected wait_ms=%d", wait). Values
 * with blanks are quoted by the caller: err=\"%s\". Any thread. */
void bk_log_write(enum bk_log_level level, const char *component, const char *format, ...)
    BK_PRINTF(3, 4);

#define bk_log_at(level, ...)                                                                      \
    do {                                                                                           \
        if ((level) >= bk_log_level) bk_log_write((level), __VA_ARGS__);                           \
    } while (0)
#define bk_log_debug(...) bk_log_at(BK_LOG_DEBUG, __VA_ARGS__)
#define bk_log_info(...)  bk_log_at(BK_LOG_INFO, __VA_ARGS__)
#define bk_log_warn(...)  bk_log_at(BK_LOG_WARN, __VA_ARGS__)
#define bk_log_error(...) bk_log_at(BK_LOG_ERROR, __VA_ARGS__)

/** At most one line a second per gate: returns true when a line may be written now and stores how
 * many were held back since the last one. `struct bk_log_gate gate = {0}` is ready for use. */
struct bk_log_gate {
    int64_t next_ms;
    uint64_t held;
};
bool bk_log_gate_open(struct bk_log_gate *gate, bk_mono_ms_t now, uint64_t *held);

/** "debug", "info", "warn", "error", "off"; -1 for anything else. */
int bk_log_level_parse(const char *text);

#ifdef __cplusplus
}
#endif
#endif
