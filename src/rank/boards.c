/* boards.c -- what is rising, in the whole shop and by category, found a slice of the items at a
 * time.
 *
 * THE IDEA
 *   An item rises when the newest epochs saw more of it than the ones before made one expect:
 *
 *   rise(j) = (recent_j - e_j) / sqrt(e_j + 16),  e_j = older_j * recent / older of all acts
 *
 *   recent: this epoch and the one before; older: the 14 before those. Dividing by the acts of
 *   everybody takes out weekends, growth and how young the shop is; the root of what is expected is
 *   its chance noise, so that neither the large nor the rare lead by size alone. In a shop without a
 *   past all that is sold is rising.
 * ROUNDS      A round looks at every item once, some hundreds at a turn, so that no event waits for
 *             a shop of a million items. Nothing here is state: a round begins from nothing.
 * BOUNDS      BK_BOARD_CATEGORIES_MAX categories, those of the lowest item numbers.
 */
#include "internal.h"

enum { RECENT_EPOCHS = 2, KEPT = BK_LIST_MAX + BK__SPARE };

#define RISE_REG 16.0f

struct board {
    uint32_t category; /* hash, 0: the whole shop */
    uint32_t named;    /* an item that has it */
    uint32_t count;
    struct entry {
        uint32_t item, points;
        float rise;
    } entry[KEPT]; /* the most rising first */
};

struct bk_boards {
    struct bk_ranker *ranker;
    uint32_t next_item, epoch;
    float per_older; /* recent acts of everybody for each older one */
    uint32_t count;
    struct board board[1 + BK_BOARD_CATEGORIES_MAX];
};

size_t bk__boards_bytes(void)
{
    return sizeof(struct bk_boards);
}

struct bk_boards *bk_ranker_boards(struct bk_ranker *ranker)
{
    ranker->boards->ranker = ranker;
    return ranker->boards;
}

/* ---- a round ---- */

static float ring_sum(const uint32_t *slot, uint32_t newest, uint32_t epoch, uint32_t from,
                      uint32_t to)
{
    float sum = 0;
    for (uint32_t back = from; back < to; back++) {
        uint32_t age = newest - (epoch - back); /* of an epoch after the newest: very large */
        if (back > epoch || age >= BK_EPOCH_SLOTS) continue;
        sum += (float)slot[(epoch - back) % BK_EPOCH_SLOTS];
    }
    return sum;
}

void bk_boards_begin(struct bk_boards *boards, int64_t now_ms)
{
    const struct bk_engine *engine = boards->ranker->engine;
    const struct bk_shared_totals *totals = bk_totals(&engine->shared);
    uint32_t acts[BK_EPOCH_SLOTS];
    for (int i = 0; i < BK_EPOCH_SLOTS; i++)
        acts[i] = (uint32_t)bk_min_u64(totals->acts[i], UINT32_MAX);
    boards->epoch = bk_popularity_epoch(&engine->params, now_ms);
    float recent = ring_sum(acts, totals->acts_epoch, boards->epoch, 0, RECENT_EPOCHS);
    float older = ring_sum(acts, totals->acts_epoch, boards->epoch, RECENT_EPOCHS, BK_EPOCH_SLOTS);
    boards->per_older = older > 0 ? recent / older : 0;
    boards->next_item = 1;
    boards->count = 1;
    boards->board[0] = (struct board){0};
}

static struct board *board_of(struct bk_boards *boards, uint32_t category, uint32_t item)
{
    for (uint32_t i = 1; i < boards->count; i++)
        if (boards->board[i].category == category) return &boards->board[i];
    if (boards->count > BK_BOARD_CATEGORIES_MAX) return NULL;
    struct board *board = &boards->board[boards->count++];
    *board = (struct board){.category = category, .named = item};
    return board;
}

/* Equals: the smaller id. */
static bool is_above(const struct bk_shared *shared, const struct entry *a, const struct entry *b)
{
    if (a->rise != b->rise) return a->rise > b->rise;
    return bk_str_cmp(bk_item_id(shared, a->item), bk_item_id(shared, b->item)) < 0;
}

static void enter(const struct bk_shared *shared, struct board *board, const struct entry *entry)
{
    if (board->count == KEPT && !is_above(shared, entry, &board->entry[KEPT - 1])) return;
    uint32_t place = board->count < KEPT ? board->count++ : KEPT - 1;
    for (; place > 0 && is_above(shared, entry, &board->entry[place - 1]); place--)
        board->entry[place] = board->entry[place - 1];
    board->entry[place] = *entry;
}

static void look_at(struct bk_boards *boards, uint32_t number)
{
    const struct bk_shared *shared = &boards->ranker->engine->shared;
    const struct bk_item_hot *hot = bk_item_hot(shared, number);
    if (!hot->points) return;
    if (boards->epoch > hot->epoch && boards->epoch - hot->epoch >= RECENT_EPOCHS) return;
    const struct bk_item *item = bk_item(shared, number);
    float recent = ring_sum(item->slot, hot->epoch, boards->epoch, 0, RECENT_EPOCHS);
    float expected = boards->per_older *
                     ring_sum(item->slot, hot->epoch, boards->epoch, RECENT_EPOCHS, BK_EPOCH_SLOTS);
    if (recent <= expected) return;
    struct entry entry = {.item = number,
                          .points = (uint32_t)recent,
                          .rise = (recent - expected) / __builtin_sqrtf(expected + RISE_REG)};
    enter(shared, &boards->board[0], &entry);
    struct board *board = item->category ? board_of(boards, item->category, number) : NULL;
    if (board) enter(shared, board, &entry);
}

bool bk_boards_look(struct bk_boards *boards, uint32_t items)
{
    uint32_t top = bk_table_top(&boards->ranker->engine->shared.items);
    for (; items && boards->next_item <= top; items--) look_at(boards, boards->next_item++);
    return boards->next_item > top;
}

/* ---- what a round found ---- */

uint32_t bk_boards_count(const struct bk_boards *boards)
{
    return boards->count;
}

uint32_t bk_boards_category(const struct bk_boards *boards, uint32_t board, bk_str_t *name)
{
    const struct board *its = &boards->board[board];
    *name = BK_STR("");
    if (!its->category) return 0;
    bk_str_t path = bk_item_fact(&boards->ranker->engine->shared, its->named, BK_FACT_CATEGORY);
    const char *end = path.len ? memchr(path.p, '>', path.len) : NULL;
    uint32_t len = end ? (uint32_t)(end - path.p) : path.len;
    while (len && path.p[len - 1] == ' ') len--;
    *name = bk_str(path.p, len);
    return its->category;
}

void bk_boards_list(struct bk_boards *boards, uint32_t number, uint32_t size, struct bk_list *list)
{
    const struct board *board = &boards->board[number];
    struct bk__view view = {.ranker = boards->ranker, .situation = BK_SITUATION_HOME_REST};
    struct bk__candidate candidate[KEPT], *best[BK_BASKET_MAX];
    float score[BK_LIST_MAX];
    for (uint32_t i = 0; i < board->count; i++) {
        candidate[i] = (struct bk__candidate){.item = board->entry[i].item,
                                              .score = board->entry[i].rise,
                                              .scorer = BK_SCORER_POPULAR,
                                              .tags = 1u << BK_SCORER_POPULAR,
                                              .evidence = board->entry[i].points};
        best[i] = &candidate[i];
    }
    *list = (struct bk_list){
        .context = BK_CONTEXT_HOME, .situation = BK_SITUATION_HOME_REST, .trending = true};
    uint32_t count =
        bk__diversify(&view, best, score, board->count, size < BK_LIST_MAX ? size : BK_LIST_MAX);
    bk__list_fill(list, best, score, count);
}
