/* health.h -- how well a stage does, in one word.
 *
 * Source, sink and intake each have one table of states (source.h, sink.h, pipeline.h); every row
 * names its health, and the instance is as well as the worst of the three. The operator's page
 * (deploy/README.md) names every word of the three tables: a test compares.
 */
#ifndef BASKETRY_HEALTH_H
#define BASKETRY_HEALTH_H

#ifdef __cplusplus
extern "C" {
#endif

/* clang-format off */
/*       enum                  word        what it means */
#define BK_HEALTH_TABLE(X)                                                                         \
    X(BK_HEALTH_OK,            "ok",       "lists follow events")                                  \
    X(BK_HEALTH_DEGRADED,      "degraded", "lists follow late; this passes by itself")              \
    X(BK_HEALTH_DOWN,          "down",     "lists of some shoppers, or of all, stand still: look")
/* clang-format on */

enum bk_health {
#define X(name, word, text) name,
    BK_HEALTH_TABLE(X)
#undef X
};

static inline const char *bk_health_word(enum bk_health health)
{
    static const char *const words[] = {
#define X(name, word, text) word,
        BK_HEALTH_TABLE(X)
#undef X
    };
    return words[health];
}

#ifdef __cplusplus
}
#endif
#endif
