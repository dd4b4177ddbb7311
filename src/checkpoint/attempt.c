/* attempt.c -- one attempt at a generation: what is captured, and the two halves that a thread does.
 *
 * The capture is one instant of everything: it begins between two turns, so shared and all shards
 * stand for the same records.
 */
#include "internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- the loop's side ---- */

static bool capture_source(struct bkc_attempt *attempt, struct bkc_source *source)
{
    for (size_t i = 0; i < source->section_count; i++)
        if (bk_capture_add(attempt->capture, source->sections[i].arena) != BK_OK) {
            source->section_count = i; /* what end() has to let go */
            return false;
        }
    return true;
}

static bool capture_shared(struct bkc_attempt *attempt, struct bk_engine *engine)
{
    struct bkc_source *source = &attempt->sources[attempt->source_count++];
    source->file.partition = -1;
    snprintf(source->file.name, sizeof source->file.name, BKC_SHARED);
    source->section_count = bk_shared_sections(&engine->shared, source->sections);
    return capture_source(attempt, source);
}

static bool capture_shard(struct bkc_attempt *attempt, struct bk_shard *shard)
{
    struct bkc_source *source = &attempt->sources[attempt->source_count++];
    source->file.partition = shard->partition;
    source->file.next_offset = bk_shard_totals(shard)->next_offset;
    snprintf(source->file.name, sizeof source->file.name, "partition-%04" PRId32 ".bkc",
             shard->partition);
    source->section_count = bk_shard_sections(shard, source->sections);
    return capture_source(attempt, source);
}

static uint32_t shards_of(const struct bk_engine *engine)
{
    uint32_t shards = 0;
    for (int32_t p = 0; p < engine->shard_top; p++) shards += engine->shards[p] != NULL;
    return shards;
}

struct bkc_attempt *bkc_attempt_begin(struct bk_engine *engine, uint64_t copy_bytes_max)
{
    struct bkc_attempt *attempt = calloc(1, sizeof *attempt);
    if (!attempt) return NULL;
    attempt->sources = calloc(shards_of(engine) + 1, sizeof *attempt->sources);
    attempt->capture = bk_capture_create(copy_bytes_max);
    bool whole = attempt->sources && attempt->capture && capture_shared(attempt, engine);
    for (int32_t p = 0; whole && p < engine->shard_top; p++)
        if (engine->shards[p]) whole = capture_shard(attempt, engine->shards[p]);
    if (!whole) {
        bkc_attempt_end(&attempt);
        return NULL;
    }
    attempt->manifest.state_version = BK_STATE_VERSION;
    attempt->manifest.layout = bk_state_layout();
    attempt->manifest.pair_epoch_ms = engine->params.pair_epoch_ms;
    attempt->manifest.popularity_epoch_ms = engine->params.popularity_epoch_ms;
    return attempt;
}

void bkc_attempt_let_go(struct bkc_attempt *attempt)
{
    for (uint32_t s = 0; s < attempt->source_count; s++)
        for (size_t i = 0; i < attempt->sources[s].section_count; i++)
            bk_capture_end(attempt->capture, attempt->sources[s].sections[i].arena);
    attempt->source_count = 0;
}

void bkc_attempt_end(struct bkc_attempt **attempt)
{
    struct bkc_attempt *its = *attempt;
    if (!its) return;
    BK_ASSERT(!its->running);
    bkc_attempt_let_go(its);
    if (its->capture) bk_capture_destroy(&its->capture);
    bkc_manifest_deinit(&its->manifest);
    free(its->sources);
    free(its);
    *attempt = NULL;
}

/* ---- the thread's side ---- */

static int write_files(struct bkc_attempt *attempt, uint8_t *scratch)
{
    int err = BK_OK;
    for (uint32_t i = 0; i < attempt->source_count && err == BK_OK; i++) {
        struct bkc_source *source = &attempt->sources[i];
        err = bkc_file_write(attempt->disk, attempt->folder, attempt->manifest.generation, source,
                             attempt->capture, scratch, &attempt->reason);
        attempt->manifest.files[attempt->manifest.file_count++] = source->file;
    }
    return err;
}

static int make_folder(struct bkc_attempt *attempt)
{
    int rc = attempt->disk->make_folder(attempt->disk, attempt->folder);
    attempt->made = rc == 0;
    if (rc == 0) return BK_OK;
    return bk_reason_set(&attempt->reason, BK_EIO, "mkdir %s: %s", attempt->folder, strerror(-rc));
}

static int sync_folder(struct bkc_attempt *attempt)
{
    int rc = attempt->disk->sync_folder(attempt->disk, attempt->folder);
    if (rc == 0) return BK_OK;
    return bk_reason_set(&attempt->reason, BK_EIO, "sync %s: %s", attempt->folder, strerror(-rc));
}

void bkc_attempt_discard(struct bkc_attempt *attempt)
{
    if (!attempt->made) return; /* a folder of that name is somebody else's: a backup put back */
    bkc_generation_remove(attempt->disk, attempt->dir, attempt->name);
}

void bkc_attempt_write(struct bkc_attempt *attempt)
{
    uint8_t *scratch = malloc(BKC_DATA_MAX);
    attempt->manifest.files = calloc(attempt->source_count, sizeof *attempt->manifest.files);
    attempt->err = scratch && attempt->manifest.files
                       ? make_folder(attempt)
                       : bk_reason_set(&attempt->reason, BK_ENOMEM, "no memory to write with");
    if (attempt->err == BK_OK) attempt->err = write_files(attempt, scratch);
    if (attempt->err == BK_OK) attempt->err = sync_folder(attempt);
    if (attempt->err != BK_OK) bkc_attempt_discard(attempt);
    free(scratch);
}

/* Could it be loaded, as far as we know? */
static bool is_worth_a_place(const struct bkc_attempt *attempt, uint64_t number, const char *name)
{
    bool damaged = number > attempt->damaged_after && number <= attempt->damaged_until;
    return !damaged && bkc_generation_counts(attempt->dir, name);
}

/* What is kept are the newest whole ones: this one and those before it. */
static void drop_older(struct bkc_attempt *attempt)
{
    uint64_t numbers[BKC_GENERATIONS_SEEN_MAX];
    int count = bkc_generations(attempt->dir, attempt->prefix, numbers, BKC_GENERATIONS_SEEN_MAX);
    uint32_t kept = 1;
    for (int i = 0; i < count; i++) {
        char name[64];
        if (numbers[i] >= attempt->number) continue;
        bkc_generation_name(name, attempt->prefix, numbers[i]);
        if (kept < attempt->keep && is_worth_a_place(attempt, numbers[i], name))
            kept++;
        else
            bkc_generation_remove(attempt->disk, attempt->dir, name);
    }
}

void bkc_attempt_commit(struct bkc_attempt *attempt)
{
    attempt->err = bkc_manifest_write(attempt->disk, attempt->dir, attempt->folder,
                                      &attempt->manifest, &attempt->reason);
    if (attempt->err == BK_OK)
        drop_older(attempt);
    else
        bkc_attempt_discard(attempt);
}
