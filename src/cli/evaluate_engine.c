/* evaluate_engine.c -- an engine with one shard, fed with events built in memory.
 *
 * No event has an id and de-duplication is off, so each one counts; record time is event time. Each
 * call of bk_apply and bk_rank, and the list's way into the command that writes it, is timed by
 * itself; a refresh is all three, with the apply of the event before the question.
 */
#include <stdlib.h>

#include "evaluate.h"

int bk__eval_engine_init(struct eval_engine *engine, const struct bk_state_params *params,
                         const struct bk_weights *weights)
{
    struct bk_state_params own = *params;
    own.dedup_events = 0;
    *engine = (struct eval_engine){0};
    engine->ready = bk_engine_init(&engine->engine, &own) == BK_OK;
    if (engine->ready) engine->shard = bk_engine_shard(&engine->engine, 0);
    if (engine->shard) engine->ranker = bk_ranker_create(&engine->engine, weights);
    engine->lines = calloc(BK_LINES_MAX, sizeof *engine->lines);
    engine->encoded = malloc(BK_LIST_BYTES_MAX);
    if (engine->ranker && engine->lines && engine->encoded) return BK_OK;
    bk__eval_engine_deinit(engine);
    return BK_ENOMEM;
}

void bk__eval_engine_deinit(struct eval_engine *engine)
{
    bk_ranker_destroy(&engine->ranker);
    if (engine->ready) bk_engine_deinit(&engine->engine);
    free(engine->lines);
    free(engine->encoded);
    engine->lines = NULL;
    engine->encoded = NULL;
    engine->ready = false;
}

static uint32_t fill_lines(struct eval_engine *engine, const struct shop_set *set,
                           const struct eval_event *event)
{
    uint32_t count = event->count < BK_LINES_MAX ? event->count : BK_LINES_MAX;
    engine->lines_cut += event->count - count;
    for (uint32_t i = 0; i < count; i++) {
        bk_line_reset(&engine->lines[i]);
        engine->lines[i].item = bk_shop_ids_text(&set->items, event->item[i]);
    }
    return count;
}

void bk__eval_engine_apply(struct eval_engine *engine, const struct shop_set *set,
                           const struct eval_event *event)
{
    struct bk_event full = {.lines = engine->lines};
    bk_event_reset(&full);
    full.kind = event->kind;
    full.customer = event->customer;
    full.visitor = event->visitor;
    full.session = full.order_id = event->session;
    full.op = event->op;
    full.event_time_ms = event->time_ms;
    full.consent = event->consent;
    full.line_count = fill_lines(engine, set, event);
    struct bk_place place = {.offset = engine->offset++, .record_ms = event->time_ms};
    int64_t start = bk__eval_clock_spent_ns();
    (void)bk_apply(&engine->engine, engine->shard, &place, &full);
    engine->applied_ns = bk__eval_clock_spent_ns() - start;
    bk__eval_clock_add(&engine->apply, engine->applied_ns);
}

/* As the publisher does it. */
static void encode(struct eval_engine *engine, bk_str_t subject, enum bk_context context,
                   int64_t now_ms, const struct bk_list *list)
{
    char key[BK_KEY_BYTES_MAX];
    struct bk_list_frame frame = {
        .prefix = BK_STR("bk:v1"),
        .subject = subject,
        .context = bk_str_c(bk_context_word(context)),
        .algorithm = bk_situation_name(list->situation),
        .variant = "base",
        .generated_ms = now_ms,
        .expires_ms = now_ms,
        .expire_s = bk_context_expires_s(context),
        .offset = engine->offset,
    };
    size_t key_len = bk_key_subject(frame.prefix, subject, frame.context, key);
    (void)bk_encode_list(&engine->engine.shared, list, &frame, bk_str(key, key_len),
                         engine->encoded);
}

uint32_t bk__eval_engine_rank(struct eval_engine *engine, const struct shop_set *set,
                              bk_str_t subject, enum bk_context context, int64_t now_ms,
                              uint32_t size, uint32_t out[BK_BASKET_MAX])
{
    struct bk_list list;
    int64_t start = bk__eval_clock_spent_ns();
    uint32_t handle = bk_subject_find(engine->shard, subject);
    bk_rank(engine->ranker, engine->shard, handle, context, now_ms, size, &list);
    int64_t ranked = bk__eval_clock_spent_ns();
    encode(engine, subject, context, now_ms, &list);
    int64_t encoded = bk__eval_clock_spent_ns();
    bk__eval_clock_add(&engine->rank, ranked - start);
    bk__eval_clock_add(&engine->encode, encoded - ranked);
    bk__eval_clock_add(&engine->refresh, engine->applied_ns + encoded - start);
    engine->applied_ns = 0;
    for (uint32_t i = 0; i < list.count; i++) {
        out[i] =
            bk_shop_ids_find(&set->items, bk_item_id(&engine->engine.shared, list.item[i].item));
        BK_ASSERT(out[i]); /* it can only have learned items of the set */
    }
    return list.count;
}
