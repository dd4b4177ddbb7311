/* promotion.c -- a generation is loaded beside the running state: the loop goes on meanwhile, and a
 * damaged one costs nothing but the attempt. */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>

struct bk_promotion {
    char dir[BKC_PATH_MAX / 2], name[64];
    struct bk_engine engine;
    bool inited; /* the engine is */
    struct bk_generation generation;
    struct bk_reason reason;
    int err;
    pthread_t thread;
    bool running;
    bool done; /* atomic */
};

static void *load_thread(void *arg)
{
    struct bk_promotion *promotion = arg;
    promotion->err = bk_generation_load(promotion->dir, promotion->name, &promotion->engine,
                                        &promotion->generation, &promotion->reason);
    __atomic_store_n(&promotion->done, true, __ATOMIC_RELEASE);
    return NULL;
}

struct bk_promotion *bk_promotion_begin(const char *dir, const char *name,
                                        const struct bk_state_params *params,
                                        struct bk_reason *reason)
{
    struct bk_promotion *promotion = calloc(1, sizeof *promotion);
    if (promotion) {
        snprintf(promotion->dir, sizeof promotion->dir, "%s", dir);
        snprintf(promotion->name, sizeof promotion->name, "%s", name);
        promotion->inited = bk_engine_init(&promotion->engine, params) == BK_OK;
        promotion->running = promotion->inited &&
                             pthread_create(&promotion->thread, NULL, load_thread, promotion) == 0;
        if (promotion->running) return promotion;
        bk_promotion_end(&promotion);
    }
    bk_reason_set(reason, BK_ENOMEM, "no memory for a second state beside the running one");
    return NULL;
}

int bk_promotion_poll(struct bk_promotion *promotion, struct bk_generation *out,
                      struct bk_reason *reason)
{
    if (!__atomic_load_n(&promotion->done, __ATOMIC_ACQUIRE)) return BK_EAGAIN;
    *out = promotion->generation;
    *reason = promotion->reason;
    return promotion->err;
}

struct bk_engine *bk_promotion_engine(struct bk_promotion *promotion)
{
    bool ready = __atomic_load_n(&promotion->done, __ATOMIC_ACQUIRE) && promotion->err == BK_OK;
    return ready ? &promotion->engine : NULL;
}

void bk_promotion_end(struct bk_promotion **promotion)
{
    struct bk_promotion *its = *promotion;
    if (!its) return;
    if (its->running) pthread_join(its->thread, NULL);
    if (its->inited) bk_engine_deinit(&its->engine);
    free(its);
    *promotion = NULL;
}
