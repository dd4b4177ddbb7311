/* watch.h -- since when a stage is as it is, and what was last wrong with it.
 *
 * The stages say how they are (source.h, sink.h, pipeline.h); the watch looks a few times a second,
 * remembers when that changed and the last error each one told, and writes one line to the log when
 * a stage's health changes: an outage is two lines, its beginning and its end.
 */
#ifndef BASKETRY_WATCH_H
#define BASKETRY_WATCH_H

#include "basketry/base.h"
#include "basketry/health.h"

#ifdef __cplusplus
extern "C" {
#endif

enum bk_stage_name {
    BK_STAGE_SOURCE,
    BK_STAGE_SINK,
    BK_STAGE_OUTBOX,
    BK_STAGE_INTAKE,
    BK_STAGE_COUNT
};

/** One stage as it was last seen. */
struct bk_stage {
    const char *state; /* the word of its table; NULL: never looked at */
    enum bk_health health;
    bk_wall_ms_t state_since_ms, health_since_ms;
    char error[160];       /* the last one it told; "" when it never did */
    bk_wall_ms_t error_ms; /* when it was first seen */
    bool troubled;         /* it tells that error still */
};

struct bk_watch {
    struct bk_stage stage[BK_STAGE_COUNT];
};

struct bk_wellbeing {
    enum bk_health health;
    bk_wall_ms_t since_ms;
};

const char *bk_stage_word(enum bk_stage_name name);
/** A stage was looked at. `state` is static text, `error` what it tells now ("" when nothing).
 *  Loop thread. */
void bk_watch_look(struct bk_watch *watch, enum bk_stage_name name, const char *state,
                   enum bk_health health, const char *error, bk_wall_ms_t now_ms);
/** The instance: as well as its worst stage, since that one is. */
struct bk_wellbeing bk_watch_health(const struct bk_watch *watch);

#ifdef __cplusplus
}
#endif
#endif
