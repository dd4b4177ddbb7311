/* evaluate_beyond.c -- what accuracy does not say of lists: is it always the same, and is it only
 * what everybody buys?
 *
 *   coverage    distinct items listed / items of the set
 *   diversity   1 - mean likeness of two of a list's first ten. Likeness: 1 on the same shelf, 0.5
 *               in the same category; where no categories are known the cosine of how often both
 *               were bought, or seen, together
 *   popularity  mean rank by popularity (1: the most popular item of the set), of what is listed
 *               and of what was wanted: how much further up the popular the lists look than
 *               shoppers do (average recommendation popularity, as ranks)
 */
#include <stdlib.h>

#include "evaluate.h"

#include "basketry/lines.h"

enum { LOOK_AT = 10, LINE_BYTES_MAX = 65536 };

/* ---- categories ---- */

static bk_str_t next_field(bk_str_t *line)
{
    const char *tab = line->len ? memchr(line->p, '\t', line->len) : NULL;
    bk_str_t field = bk_str(line->p, tab ? (size_t)(tab - line->p) : line->len);
    *line = tab ? bk_str(tab + 1, line->len - field.len - 1) : BK_STR("");
    return field;
}

int bk__eval_items_read(struct eval_run *run, const char *path, struct bk_reason *reason)
{
    struct bk_lines *lines = bk_lines_open(path, LINE_BYTES_MAX, reason);
    if (!lines) return BK_EIO;
    bk_str_t line;
    int more;
    while ((more = bk_lines_next(lines, &line, reason)) == 1) {
        struct bk_line product = {0};
        struct bk_event event = {.lines = &product};
        bk_event_reset(&event);
        bk_line_reset(&product);
        event.kind = BK_EVENT_PRODUCT;
        event.line_count = 1;
        product.item = next_field(&line);
        product.category = next_field(&line);
        event.brand = next_field(&line);
        if (bk_shop_ids_find(&run->set.items, product.item))
            bk_apply_product(&run->engine.engine, product.item, &event);
    }
    bk_lines_close(&lines);
    return more;
}

/* ---- likeness ---- */

static float cosine(const struct bk_shared *shared, enum bk_pair_kind kind, uint32_t a, uint32_t b)
{
    const struct bk_pair *pair = bk_map_find(&shared->heap, bk_item(shared, a)->rows[kind], b);
    if (!pair) return 0.0f;
    const struct bk_item_hot *ha = bk_item_hot(shared, a), *hb = bk_item_hot(shared, b);
    bool bought = kind == BK_PAIR_BOUGHT;
    float na = (float)(bought ? ha->receipts : ha->sessions);
    float nb = (float)(bought ? hb->receipts : hb->sessions);
    float like = na > 0 && nb > 0 ? (float)pair->total / __builtin_sqrtf(na * nb) : 0.0f;
    return like > 1.0f ? 1.0f : like;
}

static float likeness(const struct bk_shared *shared, uint32_t a, uint32_t b)
{
    const struct bk_item *ia = bk_item(shared, a), *ib = bk_item(shared, b);
    if (ia->shelf && ib->shelf)
        return ia->shelf == ib->shelf ? 1.0f : ia->category == ib->category ? 0.5f : 0.0f;
    float bought = cosine(shared, BK_PAIR_BOUGHT, a, b);
    float seen = cosine(shared, BK_PAIR_VIEWED, a, b);
    return bought > seen ? bought : seen;
}

static uint32_t handle_of(const struct eval_run *run, uint32_t item)
{
    return bk_item_find(&run->engine.engine.shared, bk_shop_ids_text(&run->set.items, item));
}

static void add_diversity(struct eval_run *run, const struct eval_query *query)
{
    uint32_t handle[LOOK_AT], count = 0;
    float like = 0.0f;
    for (uint32_t i = 0; i < query->list_count && i < LOOK_AT; i++)
        handle[count++] = handle_of(run, query->list[i]);
    if (count < 2) return;
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t j = 0; j < i; j++)
            like += likeness(&run->engine.engine.shared, handle[i], handle[j]);
    run->beyond.diversity += 1.0 - (double)like / (count * (count - 1) / 2);
    run->beyond.lists++;
}

/* ---- counting ---- */

bool bk__eval_beyond_init(struct eval_run *run)
{
    size_t items = (size_t)run->set.items.count + 1;
    run->beyond.listed = calloc(items, sizeof *run->beyond.listed);
    run->beyond.wanted = calloc(items, sizeof *run->beyond.wanted);
    return run->beyond.listed && run->beyond.wanted;
}

void bk__eval_beyond_deinit(struct eval_run *run)
{
    free(run->beyond.listed);
    free(run->beyond.wanted);
    run->beyond = (struct eval_beyond){0};
}

void bk__eval_beyond_add(struct eval_run *run, const struct eval_query *query)
{
    add_diversity(run, query);
    for (uint32_t i = 0; i < query->list_count && i < LOOK_AT; i++)
        run->beyond.listed[query->list[i]]++;
    for (uint32_t i = 0; i < query->target_count; i++) run->beyond.wanted[query->target[i]]++;
}

/* ---- figures ---- */

struct ranked {
    uint32_t item, points;
};

static int most_popular_first(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->points != y->points) return x->points < y->points ? 1 : -1;
    return x->item < y->item ? -1 : x->item > y->item;
}

bool bk__eval_beyond_figures(const struct eval_run *run, struct eval_beyond_figures *out)
{
    uint32_t items = run->set.items.count, covered = 0;
    struct ranked *ranked = calloc((size_t)items + 1, sizeof *ranked);
    double listed = 0, wanted = 0, listed_ranks = 0, wanted_ranks = 0;
    if (!ranked) return false;
    for (uint32_t i = 0; i < items; i++) {
        uint32_t handle = handle_of(run, i + 1);
        uint32_t points = handle ? bk_item_hot(&run->engine.engine.shared, handle)->points : 0;
        ranked[i] = (struct ranked){i + 1, points};
        covered += run->beyond.listed[i + 1] > 0;
    }
    qsort(ranked, items, sizeof *ranked, most_popular_first);
    for (uint32_t i = 0; i < items; i++) {
        listed += run->beyond.listed[ranked[i].item];
        wanted += run->beyond.wanted[ranked[i].item];
        listed_ranks += (double)run->beyond.listed[ranked[i].item] * (i + 1);
        wanted_ranks += (double)run->beyond.wanted[ranked[i].item] * (i + 1);
    }
    free(ranked);
    *out = (struct eval_beyond_figures){
        .coverage = items ? (double)covered / items : 0,
        .diversity = run->beyond.lists ? run->beyond.diversity / (double)run->beyond.lists : 0,
        .rank_listed = listed > 0 ? listed_ranks / listed : 0,
        .rank_wanted = wanted > 0 ? wanted_ranks / wanted : 0,
    };
    return true;
}
