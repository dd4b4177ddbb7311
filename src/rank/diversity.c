/* diversity.c -- no list of one thing.
 *
 * THE IDEA
 *   The list is filled place by place (maximal marginal relevance: Carbonell, Goldstein 1998). The
 *   next is the candidate with the most left of its score:
 *
 *   left(j) = score(j) (1 - diversity * max over the chosen i of alike(i, j))
 *   alike(i, j) = 0.7 on the same shelf (the whole category path), 0.2 in the same category, or 0;
 *                 and 0.3 of the same brand
 *
 *   so that what the list shows as score falls from place to place. Of one product's variants at
 *   most two are listed and never two in a row: a hard rule, whatever `diversity` is; who finds no
 *   place but beside its like is left out.
 * COST        size x (size + spare) comparisons of four numbers.
 */
#include "internal.h"

#define ALIKE_SHELF    0.7f
#define ALIKE_CATEGORY 0.2f
#define ALIKE_BRAND    0.3f

/* Lists that are nobody's own have no taste to meet: four kinds of milk are three too many. */
#define EVERYBODYS_DIVERSITY 0.4f

enum { VARIANTS_MAX = 2, SEEN_MAX = BK_LIST_MAX + BK__SPARE };
_Static_assert((int)SEEN_MAX <= (int)BK_BASKET_MAX, "find_best has room for the spare ones");

struct seen {
    struct bk__candidate *candidate; /* NULL: chosen, or out */
    uint32_t variant, shelf, category, brand;
    float alike; /* to the most similar chosen one */
};

static float alike(const struct seen *a, const struct seen *b)
{
    float sum = 0.0f;
    if (a->shelf && a->shelf == b->shelf)
        sum = ALIKE_SHELF;
    else if (a->category && a->category == b->category)
        sum = ALIKE_CATEGORY;
    if (a->brand && a->brand == b->brand) sum += ALIKE_BRAND;
    return sum;
}

static void look_at(const struct bk__view *view, struct bk__candidate *best[], uint32_t count,
                    struct seen *seen)
{
    const struct bk_shared *shared = &view->ranker->engine->shared;
    for (uint32_t i = 0; i < count; i++) __builtin_prefetch(bk_item(shared, best[i]->item));
    for (uint32_t i = 0; i < count; i++) {
        const struct bk_item *item = bk_item(shared, best[i]->item);
        seen[i] = (struct seen){.candidate = best[i],
                                .variant = item->variant,
                                .shelf = item->shelf,
                                .category = item->category,
                                .brand = item->brand};
    }
}

/* The one with the most left that is no variant of the last; `count` when there is none. Equals:
 * the first. */
static uint32_t find_next(const struct seen *seen, uint32_t count, uint32_t last_variant,
                          float diversity)
{
    uint32_t found = count;
    float most = 0.0f;
    for (uint32_t i = 0; i < count; i++) {
        if (!seen[i].candidate || (last_variant && seen[i].variant == last_variant)) continue;
        float left = seen[i].candidate->score * (1.0f - diversity * seen[i].alike);
        if (found < count && left <= most) continue;
        found = i;
        most = left;
    }
    return found;
}

/* Everything left knows of the chosen one; variants beyond the second are out. */
static void note_chosen(struct seen *seen, uint32_t count, const struct seen *chosen,
                        uint32_t variants)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!seen[i].candidate) continue;
        float like = alike(&seen[i], chosen);
        if (like > seen[i].alike) seen[i].alike = like;
        if (chosen->variant && seen[i].variant == chosen->variant && variants >= VARIANTS_MAX)
            seen[i].candidate = NULL;
    }
}

uint32_t bk__diversify(const struct bk__view *view, struct bk__candidate *best[], float score[],
                       uint32_t count, uint32_t size)
{
    struct seen seen[SEEN_MAX];
    uint32_t chosen[BK_LIST_MAX]; /* variant groups */
    bool everybodys = !view->shard && !view->for_item;
    float diversity =
        everybodys ? EVERYBODYS_DIVERSITY : view->ranker->weights.diversity[view->situation];
    float least = 0.0f;
    uint32_t n = 0;
    look_at(view, best, count, seen);
    for (; n < size; n++) {
        uint32_t next = find_next(seen, count, n ? chosen[n - 1] : 0, diversity);
        if (next == count) break;
        struct seen one = seen[next];
        float left = one.candidate->score * (1.0f - diversity * one.alike);
        least = n && left > least ? least : left; /* a variant had to wait */
        score[n] = least;
        best[n] = one.candidate;
        chosen[n] = one.variant;
        seen[next].candidate = NULL;
        uint32_t variants = 0;
        for (uint32_t i = 0; i <= n; i++) variants += chosen[i] == one.variant;
        note_chosen(seen, count, &one, variants);
    }
    return n;
}
