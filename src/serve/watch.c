/* watch.c -- see watch.h. Nothing here asks a stage anything: it is told. */
#include "basketry/watch.h"

#include "basketry/log.h"

#include <stdio.h>

const char *bk_stage_word(enum bk_stage_name name)
{
    static const char *const words[BK_STAGE_COUNT] = {"source", "sink", "outbox", "intake"};
    return words[name];
}

static void note_error(struct bk_stage *stage, const char *error, bk_wall_ms_t now_ms)
{
    bool same = stage->troubled && strcmp(stage->error, error) == 0;
    stage->troubled = error[0] != '\0';
    if (!stage->troubled || same) return;
    snprintf(stage->error, sizeof stage->error, "%s", error);
    stage->error_ms = now_ms;
}

static void log_change(enum bk_stage_name name, const struct bk_stage *stage, enum bk_health before,
                       bk_wall_ms_t before_ms)
{
    enum bk_log_level level = stage->health == BK_HEALTH_OK ? BK_LOG_INFO : BK_LOG_WARN;
    bk_log_at(level, bk_stage_word(name), "health is=%s was=%s for_ms=%lld state=%s err=\"%s\"",
              bk_health_word(stage->health), bk_health_word(before), (long long)before_ms,
              stage->state, stage->troubled && stage->health != BK_HEALTH_OK ? stage->error : "");
}

void bk_watch_look(struct bk_watch *watch, enum bk_stage_name name, const char *state,
                   enum bk_health health, const char *error, bk_wall_ms_t now_ms)
{
    struct bk_stage *stage = &watch->stage[name];
    bool first = !stage->state;
    note_error(stage, error, now_ms);
    if (first || strcmp(stage->state, state) != 0) stage->state_since_ms = now_ms;
    stage->state = state;
    if (!first && stage->health == health) return;
    enum bk_health before = stage->health;
    bk_wall_ms_t before_ms = now_ms - stage->health_since_ms;
    stage->health = health;
    stage->health_since_ms = now_ms;
    if (!first) log_change(name, stage, before, before_ms);
}

struct bk_wellbeing bk_watch_health(const struct bk_watch *watch)
{
    struct bk_wellbeing all = {BK_HEALTH_OK, 0};
    for (int i = 0; i < BK_STAGE_COUNT; i++) {
        const struct bk_stage *stage = &watch->stage[i];
        bool worse = stage->health > all.health;
        bool longer = stage->health == all.health && all.health != BK_HEALTH_OK &&
                      stage->health_since_ms < all.since_ms;
        /* All is well since the last one got well. */
        bool later = stage->health == all.health && all.health == BK_HEALTH_OK &&
                     stage->health_since_ms > all.since_ms;
        if (worse || longer || later)
            all = (struct bk_wellbeing){stage->health, stage->health_since_ms};
    }
    return all;
}
