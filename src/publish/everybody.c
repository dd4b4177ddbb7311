/* everybody.c -- see everybody.h.
 *
 * STATES      resting -> (due) looking: a slice of the items a turn -> telling: one list a call -> resting
 * NUMBERS     0 the whole shop's rising; 1 .. 64 a category's, by the place its hash took first; from
 *             65 on segments by their number.
 */
#include "everybody.h"

#include <stdlib.h>

enum { ITEMS_PER_TURN = 512, SEGMENTS_FROM = 1 + BK_BOARD_CATEGORIES_MAX };

struct bk__everybody {
    struct bk_engine *engine;
    struct bk_ranker *ranker;
    struct bk_boards *boards;
    enum { RESTING, LOOKING, TELLING } doing;
    bool told;        /* a round was completed, and nothing was lost since */
    uint64_t applied; /* events that the round under way, or the last one, knows */
    int64_t due_ms;
    uint32_t board, segment;                    /* the next to be told */
    uint32_t category[BK_BOARD_CATEGORIES_MAX]; /* hash by number - 1, 0: free */
    uint32_t hash[BK__EVERYBODY_MAX];           /* of what was written, 0: never */
};

struct bk__everybody *bk__everybody_create(struct bk_engine *engine, struct bk_ranker *ranker)
{
    struct bk__everybody *all = calloc(1, sizeof *all);
    if (!all) return NULL;
    all->engine = engine;
    all->ranker = ranker;
    all->boards = bk_ranker_boards(ranker);
    return all;
}

void bk__everybody_destroy(struct bk__everybody **all)
{
    free(*all);
    *all = NULL;
}

/* ---- the next list of a round ---- */

/* The number of a category's list, or BK__EVERYBODY_MAX: there are too many. */
static uint32_t number_of(struct bk__everybody *all, uint32_t category)
{
    for (uint32_t i = 0; i < BK_BOARD_CATEGORIES_MAX; i++) {
        if (!all->category[i]) all->category[i] = category;
        if (all->category[i] == category) return i + 1;
    }
    return BK__EVERYBODY_MAX;
}

static bool tell_board(struct bk__everybody *all, uint32_t size, struct bk__everybodys *which,
                       struct bk_list *list)
{
    *which = (struct bk__everybodys){.context = "trending", .algorithm = "rising"};
    uint32_t category = bk_boards_category(all->boards, all->board, &which->whose);
    if (category) which->number = number_of(all, category);
    if (which->number == BK__EVERYBODY_MAX || which->whose.len > BK_SEGMENT_ID_BYTES_MAX)
        return false;
    bk_boards_list(all->boards, all->board, size, list);
    return true;
}

static void tell_segment(struct bk__everybody *all, int64_t now_ms, uint32_t size,
                         uint32_t distinct_min, struct bk__everybodys *which, struct bk_list *list)
{
    *which = (struct bk__everybodys){.number = SEGMENTS_FROM + all->segment - 1,
                                     .context = "popular",
                                     .algorithm = "popular_of_segment",
                                     .whose = bk_segment_id(&all->engine->shared, all->segment)};
    bk_rank_segment(all->ranker, all->segment, now_ms, distinct_min, size, list);
}

/* Does the list read another way than what was written? From here on it is written. */
static bool is_news(struct bk__everybody *all, uint32_t number, const struct bk_list *list)
{
    uint64_t mix = list->count;
    for (uint32_t i = 0; i < list->count; i++)
        mix = bk_mix(mix ^ bk_item(&all->engine->shared, list->item[i].item)->id_hash);
    uint32_t hash = (uint32_t)mix | 1;
    if (all->hash[number] == hash) return false;
    all->hash[number] = hash;
    return true;
}

static bool tell_next(struct bk__everybody *all, int64_t now_ms, uint32_t size,
                      uint32_t distinct_min, struct bk__everybodys *which, struct bk_list *list)
{
    for (; all->board < bk_boards_count(all->boards);) {
        bool there = tell_board(all, size, which, list);
        all->board++;
        if (there && is_news(all, which->number, list)) return true;
    }
    for (; all->segment <= bk_totals(&all->engine->shared)->segment_count;) {
        tell_segment(all, now_ms, size, distinct_min, which, list);
        all->segment++;
        if (is_news(all, which->number, list)) return true;
    }
    return false;
}

/* ---- rounds ---- */

static void begin(struct bk__everybody *all, const struct bk_now *now, uint64_t applied)
{
    bk_boards_begin(all->boards, now->stream_ms);
    all->doing = LOOKING;
    all->told = true;
    all->applied = applied;
    all->due_ms = now->mono.ms + BK__EVERYBODY_INTERVAL_MS;
    all->board = 0;
    all->segment = 1;
}

bool bk__everybody_next(struct bk__everybody *all, const struct bk_now *now, uint64_t applied,
                        bool at_once, uint32_t size, uint32_t distinct_min,
                        struct bk__everybodys *which, struct bk_list *list)
{
    bool news = !all->told || all->applied != applied;
    if (all->doing == RESTING && news && (at_once || now->mono.ms >= all->due_ms))
        begin(all, now, applied);
    if (all->doing == LOOKING && bk_boards_look(all->boards, ITEMS_PER_TURN)) all->doing = TELLING;
    if (all->doing != TELLING) return false;
    if (tell_next(all, now->stream_ms, size, distinct_min, which, list)) return true;
    all->doing = RESTING;
    return false;
}

void bk__everybody_lost(struct bk__everybody *all, uint32_t number)
{
    all->hash[number] = 0;
    all->told = false;
}

void bk__everybody_lost_all(struct bk__everybody *all)
{
    memset(all->hash, 0, sizeof all->hash);
    all->told = false;
    all->due_ms = 0;
}

bool bk__everybody_is_busy(const struct bk__everybody *all)
{
    return all->doing != RESTING;
}

bool bk__everybody_is_settled(const struct bk__everybody *all, uint64_t applied)
{
    return all->doing == RESTING && all->told && all->applied == applied;
}
