/* segments.c -- what shoppers with something in common buy: those of one store, on one device.
 *
 * THE IDEA
 *   A segment is named by a word of the event's context and its value, "store=17". What is bought
 *   there is a row of pairs whose partners are items: integer sums by epoch, as companions are. A
 *   subject remembers the names' hashes, not numbers, so that what one partition knows of a shopper
 *   does not depend on what another has met.
 * BOUNDS      segments.max segments, first come, first served (what is turned away is counted, and
 *             segments then have no digest); pair_partners_max items each. Only a purchase makes a
 *             segment: a word in a view costs nothing.
 * COST        a scan of at most 255 x 40 bytes an event with a context, one probe a line and kind.
 */
#include "internal.h"

const struct bk_segment *bk_segment(const struct bk_shared *shared, uint32_t segment)
{
    const struct bk_segment *all = bk_arena_read(&shared->heap, bk_totals(shared)->segments);
    return &all[segment - 1];
}

bk_str_t bk_segment_id(const struct bk_shared *shared, uint32_t segment)
{
    const struct bk_segment *seg = bk_segment(shared, segment);
    return bk_str(bk_arena_read(&shared->heap, seg->id), seg->id_len);
}

uint32_t bk_segment_find(const struct bk_shared *shared, uint32_t hash)
{
    uint32_t count = hash ? bk_totals(shared)->segment_count : 0;
    for (uint32_t number = 1; number <= count; number++)
        if ((uint32_t)bk_segment(shared, number)->id_hash == hash) return number;
    return 0;
}

float bk_points_lately(uint16_t counted, float now, float before, uint16_t epoch)
{
    int ahead = (int16_t)(uint16_t)(epoch - counted);
    float points = now + before / 2;
    if (ahead <= 0) return points;
    return ahead < 24 ? points / (float)(1u << ahead) : 0.0f;
}

/* ---- names ---- */

static const char *const words[] = {
#define X(name, field) #field "=",
    BK_SEGMENT_KIND_TABLE(X)
#undef X
};

static bk_str_t value_of(const struct bk_event *event, enum bk_segment_kind kind)
{
    switch (kind) {
#define X(name, field)                                                                             \
    case name:                                                                                     \
        return event->field;
        BK_SEGMENT_KIND_TABLE(X)
#undef X
    case BK_SEGMENT_KIND_COUNT:
        break;
    }
    return BK_STR("");
}

/* "store=17" into `out`, or an empty string: the event does not say, or says too much. */
static bk_str_t name_of(const struct bk_event *event, enum bk_segment_kind kind,
                        char out[BK_SEGMENT_ID_BYTES_MAX])
{
    bk_str_t value = value_of(event, kind);
    size_t word = strlen(words[kind]);
    if (!value.len || word + value.len > BK_SEGMENT_ID_BYTES_MAX) return BK_STR("");
    memcpy(out, words[kind], word);
    memcpy(out + word, value.p, value.len);
    return bk_str(out, word + value.len);
}

/* Never 0: that is a shopper of no segment. */
static uint64_t hash_of(bk_str_t name)
{
    return bk_hash(name.p, name.len) | 1;
}

/* ---- adding ---- */

static struct bk_segment *segment_write(struct bk_shared *shared, uint32_t number)
{
    struct bk_segment *all =
        bk_arena_write(&shared->heap, bk_totals(shared)->segments, number * sizeof *all);
    return &all[number - 1];
}

static bool turn_away(struct bk_engine *engine)
{
    bk__totals(&engine->shared)->segments_lossy = 1;
    bk__count_shared(engine, BK_STATE_SEGMENTS_OVER_LIMIT, 1);
    return false;
}

/* Room for one more. */
static bool make_room(struct bk_engine *engine)
{
    struct bk_shared *shared = &engine->shared;
    uint32_t count = bk_totals(shared)->segment_count, cap = engine->params.segments_max;
    if (count >= cap) return turn_away(engine);
    if (count < bk_totals(shared)->segment_cap) return true;
    bk_ref_t fresh = bk__shared_alloc(engine, cap * sizeof(struct bk_segment));
    if (!fresh) return turn_away(engine);
    struct bk_shared_totals *totals = bk__totals(shared);
    if (count) /* made under a smaller segments_max */
        memcpy(bk_arena_write(&shared->heap, fresh, count * sizeof(struct bk_segment)),
               bk_arena_read(&shared->heap, totals->segments), count * sizeof(struct bk_segment));
    if (totals->segment_cap)
        bk_arena_free(&shared->heap, totals->segments,
                      totals->segment_cap * sizeof(struct bk_segment));
    totals->segments = fresh;
    totals->segment_cap = cap;
    return true;
}

static uint32_t intern(struct bk_engine *engine, bk_str_t name)
{
    struct bk_shared *shared = &engine->shared;
    uint64_t hash = hash_of(name);
    uint32_t number = bk_segment_find(shared, (uint32_t)hash);
    if (number) return number;
    if (!make_room(engine)) return 0;
    bk_ref_t id = bk__shared_alloc(engine, name.len);
    if (!id) {
        turn_away(engine);
        return 0;
    }
    memcpy(bk_arena_write(&shared->heap, id, name.len), name.p, name.len);
    number = ++bk__totals(shared)->segment_count;
    *segment_write(shared, number) =
        (struct bk_segment){.id_hash = hash, .id = id, .id_len = (uint16_t)name.len};
    return number;
}

/* As bk__pair_count counts a pair. */
static void count_receipt(struct bk_segment *segment, uint16_t epoch)
{
    int ahead = (int16_t)(uint16_t)(epoch - segment->epoch);
    if ((!segment->now && !segment->before) || ahead > 1) {
        segment->before = segment->now = 0;
        segment->epoch = epoch;
    } else if (ahead == 1) {
        segment->before = segment->now;
        segment->now = 0;
        segment->epoch = epoch;
    }
    if (segment->epoch == epoch)
        segment->now += BK_POINTS_RECEIPT;
    else if (ahead == -1)
        segment->before += BK_POINTS_RECEIPT;
}

/* Rows of segments are never evicted: there are few of them. */
static bool count_line(struct bk__turn *turn, bk_ref_t *row, uint32_t item, uint32_t share)
{
    struct bk_engine *engine = turn->engine;
    struct bk_shared *shared = &engine->shared;
    struct bk_pair *pair = bk_map_edit(&shared->heap, *row, item);
    if (!pair) {
        bool added;
        if (bk_map_count(&shared->heap, *row) >= engine->params.pair_partners_max)
            bk__row_prune(engine, *row);
        pair = bk_map_put(&shared->heap, row, sizeof *pair, item, &added);
        for (int tries = 0; !pair && tries < 64 && bk__shared_evict(engine); tries++)
            pair = bk_map_put(&shared->heap, row, sizeof *pair, item, &added);
        if (!pair) return false;
    }
    bk__pair_count(pair, turn->pair_epoch, share);
    pair->strength = bk__add_u32(pair->strength, share);
    pair->who |= turn->who;
    return true;
}

static void bought_in(struct bk__turn *turn, uint32_t number, uint32_t share)
{
    struct bk_shared *shared = &turn->engine->shared;
    const struct bk__scratch *scratch = turn->engine->scratch;
    uint32_t lines = scratch->line_count, most = turn->engine->params.receipt_lines_max;
    bk_ref_t row = bk_segment(shared, number)->row;
    bool all = true;
    for (uint32_t i = 0; i < lines && i < most; i++)
        all &= count_line(turn, &row, scratch->line_item[i], share);
    if (!all) {
        bk__totals(shared)->segments_lossy = 1;
        bk__count_shared(turn->engine, BK_STATE_MEMORY_REFUSED, 1);
    }
    struct bk_segment *segment = segment_write(shared, number);
    segment->row = row;
    count_receipt(segment, turn->pair_epoch);
}

void bk__segments_bought(struct bk__turn *turn, uint32_t share)
{
    char name[BK_SEGMENT_ID_BYTES_MAX];
    for (enum bk_segment_kind kind = 0; kind < BK_SEGMENT_KIND_COUNT; kind++) {
        bk_str_t id = name_of(turn->event, kind, name);
        uint32_t number = id.len ? intern(turn->engine, id) : 0;
        if (number) bought_in(turn, number, share);
    }
}

void bk__segments_note(struct bk__turn *turn)
{
    char name[BK_SEGMENT_ID_BYTES_MAX];
    for (enum bk_segment_kind kind = 0; kind < BK_SEGMENT_KIND_COUNT; kind++) {
        bk_str_t id = name_of(turn->event, kind, name);
        if (id.len) bk__subject(turn->shard, turn->subject)->segment[kind] = (uint32_t)hash_of(id);
    }
}
