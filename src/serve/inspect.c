/* inspect.c -- one item or one shopper, everything that is kept about them, as JSON.
 *
 * Rows are sorted by count and id before they are shown: the order of a hash table's slots means
 * nothing.
 */
#include "basketry/questions.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- item ---- */

struct shown_pair {
    bk_str_t id;
    struct bk_pair pair;
};

static int by_total_then_id(const void *a, const void *b)
{
    const struct shown_pair *x = a, *y = b;
    if (x->pair.total != y->pair.total) return x->pair.total > y->pair.total ? -1 : 1;
    return bk_str_cmp(x->id, y->id);
}

static int put_row(struct bk_buf *out, const struct bk_shared *shared, uint32_t item, int kind)
{
    bk_ref_t row = bk_item(shared, item)->rows[kind];
    uint32_t count = bk_map_count(&shared->heap, row), n = 0;
    struct shown_pair *shown = malloc((count ? count : 1) * sizeof *shown);
    if (!shown) return BK_ENOMEM;
    const struct bk_pair *pair;
    for (uint32_t at = 0; (pair = bk_map_next(&shared->heap, row, &at)) != NULL;)
        shown[n++] = (struct shown_pair){bk_item_id(shared, pair->partner), *pair};
    qsort(shown, n, sizeof *shown, by_total_then_id);
    bk_buf_printf(out, "{\"lossy\":%s,\"partners\":[",
                  bk_row_is_lossy(shared, item, kind) ? "true" : "false");
    for (uint32_t i = 0; i < n; i++) {
        bk_buf_cstr(out, i ? ",{\"id\":" : "{\"id\":");
        bk_buf_json(out, shown[i].id);
        bk_buf_printf(out, ",\"total\":%u,\"now\":%u,\"before\":%u,\"distinct_min\":%d}",
                      shown[i].pair.total, shown[i].pair.now, shown[i].pair.before,
                      __builtin_popcount(shown[i].pair.who));
    }
    bk_buf_cstr(out, "]}");
    free(shown);
    return BK_OK;
}

static uint32_t postings_of(const struct bk_shared *shared, const struct bk_item *item,
                            enum bk_posting_kind kind)
{
    bk_ref_t ref = item->postings[kind];
    return ref ? ((const struct bk_postings *)bk_arena_read(&shared->heap, ref))->count : 0;
}

int bk_inspect_item(const struct bk_instance *instance, bk_str_t id, struct bk_buf *out,
                    struct bk_reason *reason)
{
    const struct bk_shared *shared = &instance->engine->shared;
    uint32_t number = bk_item_find(shared, id);
    if (!number)
        return bk_reason_set(reason, BK_ENOENT, "no item '%.*s' is known", (int)id.len, id.p);
    const struct bk_item *item = bk_item(shared, number);
    const struct bk_item_hot *hot = bk_item_hot(shared, number);
    struct bk_now now = instance->now(instance->arg);
    bk_buf_cstr(out, "{\"id\":");
    bk_buf_json(out, id);
    bk_buf_cstr(out, ",\"name\":");
    bk_buf_json(out, bk_item_fact(shared, number, BK_FACT_NAME));
    bk_buf_cstr(out, ",\"category\":");
    bk_buf_json(out, bk_item_fact(shared, number, BK_FACT_CATEGORY));
    bk_buf_cstr(out, ",\"brand\":");
    bk_buf_json(out, bk_item_fact(shared, number, BK_FACT_BRAND));
    if (item->price_minor != BK_NULL_I64)
        bk_buf_printf(out, ",\"price_minor\":%lld", (long long)item->price_minor);
    bk_buf_printf(
        out, ",\"receipts\":%u,\"sessions\":%u,\"points\":%u,\"popularity\":%.3f", hot->receipts,
        hot->sessions, hot->points,
        (double)bk_item_popularity(shared, number,
                                   bk_popularity_epoch(&instance->engine->params, now.stream_ms)));
    bk_buf_printf(out, ",\"postings\":%u,\"receipt_postings\":%u,\"pairs\":{",
                  postings_of(shared, item, BK_POSTING_SESSION),
                  postings_of(shared, item, BK_POSTING_RECEIPT));
    for (int kind = 0; kind < BK_PAIR_KIND_COUNT; kind++) {
        bk_buf_printf(out, "%s\"%s\":", kind ? "," : "",
                      bk_pair_kind_label((enum bk_pair_kind)kind));
        if (put_row(out, shared, number, kind) != BK_OK)
            return bk_reason_set(reason, BK_ENOMEM, "no memory to sort the pairs");
    }
    bk_buf_cstr(out, "}}");
    return BK_OK;
}

/* ---- subject ---- */

static const struct bk_shard *find_subject(const struct bk_engine *engine, bk_str_t id,
                                           uint32_t *subject)
{
    for (int32_t partition = 0; partition < engine->shard_top; partition++) {
        if (!engine->shards[partition]) continue;
        *subject = bk_subject_find(engine->shards[partition], id);
        if (*subject) return engine->shards[partition];
    }
    return NULL;
}

static void put_item_id(struct bk_buf *out, const struct bk_shared *shared, uint32_t item,
                        const char *before)
{
    bk_buf_cstr(out, before);
    bk_buf_cstr(out, "{\"id\":");
    bk_buf_json(out, bk_item_id(shared, item));
}

static void put_session(struct bk_buf *out, const struct bk_shared *shared,
                        const struct bk_session *sess)
{
    if (!sess) {
        bk_buf_cstr(out, "null");
        return;
    }
    bk_buf_printf(out, "{\"started_ms\":%lld,\"events\":%u,\"seen\":[", (long long)sess->started_ms,
                  sess->events);
    for (uint32_t i = sess->count; i-- > 0;) { /* newest first */
        const struct bk_seen *seen = &sess->seen[i];
        put_item_id(out, shared, seen->item, i + 1 == sess->count ? "" : ",");
        bk_buf_printf(out, ",\"back\":%u,\"weight\":%.2f}", sess->events - seen->at,
                      seen->weight / 4.0);
    }
    bk_buf_cstr(out, "]}");
}

static void put_cart(struct bk_buf *out, const struct bk_shard *shard, const struct bk_subject *sub)
{
    const struct bk_cart_line *line;
    const char *comma = "";
    bk_buf_char(out, '[');
    for (uint32_t at = 0; (line = bk_map_next(&shard->heap, sub->cart, &at)) != NULL; comma = ",") {
        put_item_id(out, &shard->engine->shared, line->item, comma);
        bk_buf_printf(out, ",\"quantity\":%u,\"order\":%u}", line->quantity, line->order);
    }
    bk_buf_char(out, ']');
}

static void put_history(struct bk_buf *out, const struct bk_shard *shard,
                        const struct bk_subject *sub)
{
    const struct bk_bought *bought;
    const char *comma = "";
    bk_buf_char(out, '[');
    for (uint32_t at = 0; (bought = bk_map_next(&shard->heap, sub->history, &at)) != NULL;
         comma = ",") {
        put_item_id(out, &shard->engine->shared, bought->item, comma);
        bk_buf_printf(out,
                      ",\"receipts\":%u,\"quantity\":%u,\"weight\":%.4f,\"last_receipt\":%u,"
                      "\"first_s\":%u,\"last_s\":%u}",
                      bought->count, bought->quantity, bought->weight_q16 / 65536.0,
                      bought->receipt, bought->first_s, bought->last_s);
    }
    bk_buf_char(out, ']');
}

static void put_marks(struct bk_buf *out, const struct bk_shard *shard,
                      const struct bk_subject *sub)
{
    static const char *const words[] = {"dismissed", "wished", "rated_low", "rated_high"};
    const struct bk_mark *mark;
    const char *comma = "";
    bk_buf_char(out, '[');
    for (uint32_t at = 0; (mark = bk_map_next(&shard->heap, sub->marks, &at)) != NULL;
         comma = ",") {
        put_item_id(out, &shard->engine->shared, mark->item, comma);
        for (size_t i = 0; i < BK_COUNTOF(words); i++)
            if (mark->what >> i & 1) bk_buf_printf(out, ",\"%s\":true", words[i]);
        bk_buf_char(out, '}');
    }
    bk_buf_char(out, ']');
}

static void put_live(struct bk_buf *out, const struct bk_subject *sub)
{
    const char *comma = "";
    bk_buf_char(out, '[');
    for (uint32_t context = 0; context < BK_CONTEXT_COUNT; context++) {
        if (!(sub->live >> context & 1)) continue;
        bk_buf_printf(out, "%s\"%s\"", comma, bk_context_word((enum bk_context)context));
        comma = ",";
    }
    bk_buf_char(out, ']');
}

int bk_inspect_subject(const struct bk_instance *instance, bk_str_t id, struct bk_buf *out,
                       struct bk_reason *reason)
{
    static const char *const consents[] = {"unknown", "none", "session", "personal"};
    uint32_t number = 0;
    const struct bk_shard *shard = find_subject(instance->engine, id, &number);
    if (!shard)
        return bk_reason_set(reason, BK_ENOENT,
                             "no subject '%.*s' is known (c:<customer> or v:<visitor>)",
                             (int)id.len, id.p);
    const struct bk_subject *sub = bk_subject(shard, number);
    bk_buf_cstr(out, "{\"id\":");
    bk_buf_json(out, id);
    bk_buf_printf(out,
                  ",\"consent\":\"%s\",\"as_of\":{\"partition\":%d,\"offset\":%lld},\"since_ms\":%"
                  "lld,\"time_ms\":%lld,"
                  "\"record_ms\":%lld,\"receipts\":%u",
                  consents[sub->consent], shard->partition, (long long)sub->offset,
                  (long long)sub->since_ms, (long long)sub->time_ms, (long long)sub->record_ms,
                  sub->receipts);
    bk_buf_cstr(out, ",\"live_lists\":");
    put_live(out, sub);
    bk_buf_cstr(out, ",\"session\":");
    put_session(out, &instance->engine->shared, bk_subject_session(shard, sub));
    bk_buf_cstr(out, ",\"cart\":");
    put_cart(out, shard, sub);
    bk_buf_cstr(out, ",\"history\":");
    put_history(out, shard, sub);
    bk_buf_cstr(out, ",\"marks\":");
    put_marks(out, shard, sub);
    bk_buf_char(out, '}');
    return BK_OK;
}

/* ---- why ---- */

static void put_part(struct bk_buf *out, const struct bk_shared *shared, enum bk_scorer scorer,
                     const struct bk_why *why)
{
    bk_buf_printf(out,
                  "{\"scorer\":\"%s\",\"feature\":%.6f,\"weight\":%.4f,\"part\":%.6f,\"evidence\":%"
                  "u,\"because\":",
                  bk_scorer_name(scorer), (double)why->feature, (double)why->weight,
                  (double)why->part, why->evidence);
    if (why->because)
        bk_buf_json(out, bk_item_id(shared, why->because));
    else
        bk_buf_cstr(out, "null");
    bk_buf_char(out, '}');
}

int bk_inspect_why(const struct bk_instance *instance, bk_str_t subject, bk_str_t item_id,
                   bk_str_t context_word, struct bk_buf *out, struct bk_reason *reason)
{
    const struct bk_shared *shared = &instance->engine->shared;
    uint32_t number = 0, item = bk_item_find(shared, item_id), place = 0;
    const struct bk_shard *shard = find_subject(instance->engine, subject, &number);
    enum bk_context context = bk_context_parse(context_word);
    if (!shard)
        return bk_reason_set(reason, BK_ENOENT,
                             "no subject '%.*s' is known (c:<customer> or v:<visitor>)",
                             (int)subject.len, subject.p);
    if (!item)
        return bk_reason_set(reason, BK_ENOENT, "no item '%.*s' is known", (int)item_id.len,
                             item_id.p);
    if (context == BK_CONTEXT_COUNT)
        return bk_reason_set(reason, BK_EINVAL, "no context '%.*s'", (int)context_word.len,
                             context_word.p);
    struct bk_why why[BK_SCORER_COUNT];
    struct bk_list list;
    const char *rule = bk_rank_why(instance->ranker, shard, number, context,
                                   instance->now(instance->arg).stream_ms, item, why, &list);
    while (place < list.count && list.item[place].item != item) place++;
    bk_buf_cstr(out, "{\"subject\":");
    bk_buf_json(out, subject);
    bk_buf_cstr(out, ",\"item\":");
    bk_buf_json(out, item_id);
    bk_buf_printf(out, ",\"context\":\"%s\",\"algorithm\":\"%s\"", bk_context_word(context),
                  bk_situation_name(list.situation));
    if (rule) bk_buf_printf(out, ",\"forbidden\":\"%s\"", rule);
    if (place < list.count)
        bk_buf_printf(out, ",\"place\":%u,\"score\":%.6f", place + 1,
                      (double)list.item[place].score);
    else
        bk_buf_cstr(out, ",\"place\":null");
    bk_buf_cstr(out, ",\"scorers\":[");
    const char *comma = "";
    for (enum bk_scorer scorer = 0; scorer < BK_SCORER_COUNT; scorer++) {
        if (why[scorer].weight <= 0.0f) continue;
        bk_buf_cstr(out, comma);
        put_part(out, shared, scorer, &why[scorer]);
        comma = ",";
    }
    bk_buf_cstr(out, "]}");
    return BK_OK;
}
