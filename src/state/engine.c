/* engine.c -- the shared half and the shards together: creation, budget shares, sums.
 *
 * BUDGET
 *   bytes_max = self (scratch and the shards' own structs) + shared's half + shards_max shares of
 *   the other half. Each part takes what it rounds up off its own heap, so the sum holds whatever
 *   the input; a shard beyond shards_max is refused. What makes room when a part is full: in
 *   shared's heap the pair rows and postings of items that nobody touched since the hand last came
 *   by (shared.c), in its table of posted sessions and receipts the one that was posted first
 *   (postings.c), in a shard the subject that was not touched for longest (shard.c). What even that
 *   does not make room for is left out and counted as memory_refused, and the event is applied
 *   without it.
 */
#include "internal.h"

enum { SELF_BYTES_MAX = 16 << 20 };

/* What shared gets, and all shards together. */
static uint64_t bytes_of_half(const struct bk_engine *engine)
{
    const struct bk_state_params *params = &engine->params;
    uint64_t self = sizeof(struct bk_arena_root) +
                    bk_arena_block_bytes(sizeof(struct bk__scratch)) +
                    bk_arena_block_bytes(params->pair_partners_max * sizeof(struct bk__weak)) +
                    params->shards_max * (uint64_t)bk_arena_block_bytes(sizeof(struct bk_shard));
    return self < params->bytes_max ? (params->bytes_max - self) / 2 : 0;
}

int bk_engine_init(struct bk_engine *engine, const struct bk_state_params *params)
{
    *engine = (struct bk_engine){.params = *params};
    int err = bk_arena_init(&engine->self, SELF_BYTES_MAX);
    if (err != BK_OK) return err;
    bk_ref_t scratch = bk_arena_alloc(&engine->self, sizeof *engine->scratch);
    bk_ref_t weak =
        bk_arena_alloc(&engine->self, params->pair_partners_max * sizeof(struct bk__weak));
    BK_ASSERT(scratch && weak);
    engine->scratch = bk_arena_write(&engine->self, scratch, sizeof *engine->scratch);
    engine->scratch->weak = bk_arena_write(&engine->self, weak, sizeof(struct bk__weak));
    err = bk__shared_init(engine, bytes_of_half(engine));
    if (err != BK_OK) bk_engine_deinit(engine);
    return err;
}

void bk_engine_deinit(struct bk_engine *engine)
{
    for (int32_t partition = 0; partition < engine->shard_top; partition++)
        if (engine->shards[partition]) bk__shard_deinit(engine->shards[partition]);
    bk__shared_deinit(&engine->shared);
    bk_arena_deinit(&engine->self);
    *engine = (struct bk_engine){0};
}

static uint32_t count_shards(const struct bk_engine *engine)
{
    uint32_t count = 0;
    for (int32_t partition = 0; partition < engine->shard_top; partition++)
        count += engine->shards[partition] != NULL;
    return count;
}

struct bk_shard *bk_engine_shard(struct bk_engine *engine, int32_t partition)
{
    if (partition < 0 || partition >= BK_SHARDS_MAX) return NULL;
    if (engine->shards[partition]) return engine->shards[partition];
    if (count_shards(engine) >= engine->params.shards_max) return NULL;
    bk_ref_t ref = bk_arena_alloc(&engine->self, sizeof(struct bk_shard));
    if (!ref) return NULL;
    struct bk_shard *shard = bk_arena_write(&engine->self, ref, sizeof *shard);
    uint64_t share = bytes_of_half(engine) / engine->params.shards_max;
    if (bk__shard_init(shard, engine, partition, share) != BK_OK) {
        bk__shard_deinit(shard);
        bk_arena_free(&engine->self, ref, sizeof *shard);
        return NULL;
    }
    if (partition >= engine->shard_top) engine->shard_top = partition + 1;
    return engine->shards[partition] = shard;
}

void bk_engine_drop(struct bk_engine *engine, int32_t partition)
{
    struct bk_shard *shard = engine->shards[partition];
    if (!shard) return;
    uint32_t top = bk_table_top(&shard->subjects);
    for (uint32_t number = 1; number <= top;
         number++) /* postings hold references of live sessions */
        if (bk_subject(shard, number)->alive) bk__session_drop(shard, bk__subject(shard, number));
    bk__shard_deinit(shard);
    bk_arena_free(&engine->self, (bk_ref_t)(((uint8_t *)shard - engine->self.base) / BK_ARENA_UNIT),
                  sizeof *shard);
    engine->shards[partition] = NULL;
}

int bk_engine_reset(struct bk_engine *engine)
{
    struct bk_state_params params = engine->params;
    bool frozen = engine->frozen;
    bk_engine_deinit(engine);
    int err = bk_engine_init(engine, &params);
    engine->frozen = frozen;
    return err;
}

void bk_engine_adopt(struct bk_engine *engine, struct bk_engine *from)
{
    bool frozen = engine->frozen;
    bk_engine_deinit(engine);
    *engine = *from;
    *from = (struct bk_engine){0};
    engine->frozen = frozen;
    engine->shared.index.arg = &engine->shared; /* what points back at the struct that moved */
    for (int32_t partition = 0; partition < engine->shard_top; partition++)
        if (engine->shards[partition]) engine->shards[partition]->engine = engine;
}

static uint64_t shard_bytes(const struct bk_shard *shard)
{
    return bk_arena_bytes(&shard->subjects.arena) + bk_arena_bytes(&shard->index.heads) +
           bk_arena_bytes(&shard->heap) + bk_arena_bytes(&shard->dedup) +
           bk_arena_bytes(&shard->totals);
}

uint64_t bk_shared_bytes(const struct bk_shared *shared)
{
    return bk_arena_bytes(&shared->items.arena) + bk_arena_bytes(&shared->hot.arena) +
           bk_arena_bytes(&shared->posted.arena) + bk_arena_bytes(&shared->index.heads) +
           bk_arena_bytes(&shared->heap) + bk_arena_bytes(&shared->totals);
}

uint64_t bk_engine_bytes(const struct bk_engine *engine)
{
    uint64_t bytes = bk_shared_bytes(&engine->shared) + bk_arena_bytes(&engine->self);
    for (int32_t partition = 0; partition < engine->shard_top; partition++)
        if (engine->shards[partition]) bytes += shard_bytes(engine->shards[partition]);
    return bytes;
}

uint64_t bk_engine_counter(const struct bk_engine *engine, enum bk_state_counter counter)
{
    uint64_t sum = bk_totals(&engine->shared)->counters[counter];
    for (int32_t partition = 0; partition < engine->shard_top; partition++)
        if (engine->shards[partition])
            sum += bk_shard_totals(engine->shards[partition])->counters[counter];
    return sum;
}
