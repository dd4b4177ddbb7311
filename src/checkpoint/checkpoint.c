/* checkpoint.c -- when a generation is written, by whom, and what is made of a failure: the loop's
 * side of checkpoint.h.
 *
 * INVARIANTS
 *   I1 at most one attempt at a time, and at most one thread.
 *   I2 arenas are let go as soon as the files are written: what waits for promises costs no copies.
 *   I3 a failed MANIFEST may be on disk all the same (its rename was done, its sync was not): it is
 *      removed, MANIFEST first, before anything else is tried.
 */
#include "internal.h"

#include "basketry/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { RETRY_MS = 10000, REST_MS_MAX = 30000 };

struct bk_checkpoint {
    struct bk_checkpoint_options options;
    char dir[BKC_PATH_MAX / 2];
    char prefix[48];
    int lock;
    enum bk_checkpoint_state state;
    struct bkc_attempt *attempt;
    bool asked;
    uint64_t newest; /* number of the newest folder, whole or not: the next is one more */
    uint64_t damaged_after, damaged_until; /* of the generations between none could be loaded */
    struct bk_generation committed;        /* number 0: none */
    uint64_t records_at;                   /* records that the newest whole generation knows */
    bool known;                            /* records_at is: something was loaded or written */
    bk_mono_ms_t began;                    /* of the attempt */
    bk_mono_ms_t due_from;                 /* the interval runs from here */
    bk_mono_ms_t retry_at;
    bk_mono_ms_t rests_from; /* copies are near their bound; 0: they are not */
    uint64_t attempt_records;
    struct bk_promises letters, erasures; /* as of the capture */
    struct bk_checkpoint_status status;
};

const char *bk_checkpoint_state_word(enum bk_checkpoint_state state)
{
    static const char *const words[] = {
#define X(name, word, text) word,
        BK_CHECKPOINT_STATE_TABLE(X)
#undef X
    };
    return (size_t)state < BK_COUNTOF(words) ? words[state] : "?";
}

/* ---- taking the folder ---- */

/* What is there: ours will be newer. Attempts that a crash cut off go. */
static void look_around(struct bk_checkpoint *cp)
{
    uint64_t numbers[BKC_GENERATIONS_SEEN_MAX];
    int count = bkc_generations(cp->dir, cp->prefix, numbers, BKC_GENERATIONS_SEEN_MAX);
    if (count > 0) cp->newest = bk_max_u64(cp->newest, numbers[0]);
    for (int i = 0; i < count; i++) {
        char name[64];
        bkc_generation_name(name, cp->prefix, numbers[i]);
        if (bkc_generation_counts(cp->dir, name)) continue;
        bk_log_info("checkpoint", "rest_removed name=%s", name);
        bkc_generation_remove(cp->options.disk, cp->dir, name);
    }
}

struct bk_checkpoint *bk_checkpoint_open(const struct bk_checkpoint_options *options, int *code,
                                         struct bk_reason *reason)
{
    struct bk_checkpoint *cp = calloc(1, sizeof *cp);
    const char *prefix = options->prefix ? options->prefix : "generation";
    if (!cp || strlen(options->dir) >= sizeof cp->dir || strlen(prefix) >= sizeof cp->prefix) {
        *code = bk_reason_set(reason, BK_EINVAL, "checkpoint.dir: the path is too long");
        free(cp);
        return NULL;
    }
    cp->options = *options;
    if (!cp->options.disk) cp->options.disk = bk_disk_real();
    snprintf(cp->dir, sizeof cp->dir, "%s", options->dir);
    snprintf(cp->prefix, sizeof cp->prefix, "%s", prefix);
    cp->lock = bkc_lock(cp->dir, cp->prefix, reason);
    if (cp->lock < 0) {
        *code = cp->lock;
        free(cp);
        return NULL;
    }
    *code = BK_OK;
    look_around(cp);
    return cp;
}

/* A lock whose file was deleted, or whose folder was replaced, keeps nobody out: it is taken again
 * where it belongs, unless another process was faster. */
static int hold_folder(struct bk_checkpoint *cp, struct bk_reason *reason)
{
    if (bkc_lock_is_held(cp->lock, cp->dir, cp->prefix)) return BK_OK;
    int lock = bkc_lock(cp->dir, cp->prefix, reason);
    if (lock < 0) return lock;
    bk_log_warn("checkpoint", "lock_was_replaced action=taken_again dir=%s", cp->dir);
    close(cp->lock);
    cp->lock = lock;
    look_around(cp);
    return BK_OK;
}

/* ---- one attempt ---- */

static void *write_thread(void *arg)
{
    struct bkc_attempt *attempt = arg;
    bkc_attempt_write(attempt);
    __atomic_store_n(&attempt->done, true, __ATOMIC_RELEASE);
    return NULL;
}

static void *commit_thread(void *arg)
{
    struct bkc_attempt *attempt = arg;
    bkc_attempt_commit(attempt);
    __atomic_store_n(&attempt->done, true, __ATOMIC_RELEASE);
    return NULL;
}

/* As a thread, or within this call where that is asked for or no thread is to be had. */
static void start_half(struct bk_checkpoint *cp, void *(*half)(void *arg))
{
    struct bkc_attempt *attempt = cp->attempt;
    attempt->done = false;
    attempt->running =
        !cp->options.at_once && pthread_create(&attempt->thread, NULL, half, attempt) == 0;
    if (!attempt->running) half(attempt);
}

static bool half_is_done(struct bk_checkpoint *cp)
{
    struct bkc_attempt *attempt = cp->attempt;
    if (!__atomic_load_n(&attempt->done, __ATOMIC_ACQUIRE)) return false;
    if (attempt->running) pthread_join(attempt->thread, NULL);
    attempt->running = false;
    return true;
}

static void fail(struct bk_checkpoint *cp, bk_mono_ms_t now, const char *why)
{
    cp->status.failures++;
    snprintf(cp->status.error, sizeof cp->status.error, "%s", why);
    bk_log_error("checkpoint",
                 "failed generation=%" PRIu64 " err=\"%s\" action=discard retry_ms=%d", cp->newest,
                 why, RETRY_MS);
    cp->retry_at.ms = now.ms + RETRY_MS;
    cp->state = BK_CHECKPOINT_IDLE;
}

static void give_up(struct bk_checkpoint *cp, bk_mono_ms_t now)
{
    fail(cp, now, cp->attempt->reason.text);
    bkc_attempt_end(&cp->attempt);
}

static void begin(struct bk_checkpoint *cp, struct bk_engine *engine,
                  const struct bk_checkpoint_turn *turn)
{
    struct bk_reason reason;
    cp->asked = false;
    cp->began = cp->due_from = turn->mono;
    if (hold_folder(cp, &reason) != BK_OK) {
        fail(cp, turn->mono, reason.text);
        return;
    }
    cp->newest++;
    cp->attempt = bkc_attempt_begin(engine, cp->options.copy_bytes_max);
    if (!cp->attempt) {
        fail(cp, turn->mono, "no memory to capture with");
        return;
    }
    struct bkc_attempt *attempt = cp->attempt;
    attempt->disk = cp->options.disk;
    attempt->number = cp->newest;
    attempt->keep = cp->options.keep;
    attempt->damaged_after = cp->damaged_after;
    attempt->damaged_until = cp->damaged_until;
    attempt->manifest.generation = (uint32_t)cp->newest;
    attempt->manifest.written_ms = turn->wall_ms;
    attempt->manifest.topic_partitions = turn->topic_partitions;
    snprintf(attempt->dir, sizeof attempt->dir, "%s", cp->dir);
    snprintf(attempt->prefix, sizeof attempt->prefix, "%s", cp->prefix);
    bkc_generation_name(attempt->name, cp->prefix, cp->newest);
    snprintf(attempt->folder, sizeof attempt->folder, "%s/%s", cp->dir, attempt->name);
    cp->attempt_records = turn->records;
    cp->letters = turn->letters;
    cp->erasures = turn->erasures;
    cp->state = BK_CHECKPOINT_CAPTURING;
    start_half(cp, write_thread);
}

/* The files are written: the arenas are free again. */
static void after_writing(struct bk_checkpoint *cp, bk_mono_ms_t now)
{
    bkc_attempt_let_go(cp->attempt);
    if (cp->attempt->err != BK_OK)
        give_up(cp, now);
    else
        cp->state = BK_CHECKPOINT_SETTLING;
}

static bool is_settled(const struct bk_checkpoint *cp, const struct bk_checkpoint_turn *turn)
{
    return turn->letters.kept >= cp->letters.made && turn->erasures.kept >= cp->erasures.made;
}

static uint64_t bytes_of(const struct bkc_manifest *manifest)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < manifest->file_count; i++) bytes += manifest->files[i].bytes;
    return bytes;
}

static void describe(const struct bkc_manifest *manifest, const char *name,
                     struct bk_generation *out)
{
    *out = (struct bk_generation){.number = manifest->generation,
                                  .written_ms = manifest->written_ms,
                                  .topic_partitions = manifest->topic_partitions,
                                  .bytes = bytes_of(manifest),
                                  .shards = (int32_t)manifest->file_count - 1};
    snprintf(out->name, sizeof out->name, "%s", name);
}

static void after_commit(struct bk_checkpoint *cp, bk_mono_ms_t now)
{
    if (cp->attempt->err != BK_OK) {
        give_up(cp, now);
        return;
    }
    describe(&cp->attempt->manifest, cp->attempt->name, &cp->committed);
    cp->records_at = cp->attempt_records;
    cp->known = true;
    cp->status.written++;
    cp->status.took_ms = now.ms - cp->began.ms;
    cp->status.error[0] = '\0';
    bk_log_info("checkpoint", "written generation=%" PRIu64 " bytes=%" PRIu64 " took_ms=%" PRId64,
                cp->committed.number, cp->committed.bytes, cp->status.took_ms);
    bkc_attempt_end(&cp->attempt);
    cp->state = BK_CHECKPOINT_IDLE;
}

/* ---- the step ---- */

static bool is_due(struct bk_checkpoint *cp, const struct bk_checkpoint_turn *turn)
{
    if (!cp->due_from.ms) cp->due_from = turn->mono;
    uint64_t since = turn->records - cp->records_at;
    if (turn->mono.ms < cp->retry_at.ms && !cp->asked) return false;
    if (!since && cp->known) {
        cp->asked = false; /* the newest generation knows it all */
        return false;
    }
    return cp->asked || since >= cp->options.records_max ||
           turn->mono.ms - cp->due_from.ms >= cp->options.interval_ms;
}

/* A disk that hangs keeps nobody for ever: the instant is given up, and what comes of the thread is
 * seen when it comes. */
static void bound_rest(struct bk_checkpoint *cp, bk_mono_ms_t now)
{
    if (!bk_checkpoint_wants_rest(cp))
        cp->rests_from.ms = 0;
    else if (!cp->rests_from.ms)
        cp->rests_from = now;
    else if (now.ms - cp->rests_from.ms > REST_MS_MAX)
        bk_capture_give_up(cp->attempt->capture);
}

void bk_checkpoint_step(struct bk_checkpoint *cp, struct bk_engine *engine,
                        const struct bk_checkpoint_turn *turn)
{
    if (cp->state == BK_CHECKPOINT_IDLE && is_due(cp, turn)) begin(cp, engine, turn);
    bound_rest(cp, turn->mono);
    if (cp->state == BK_CHECKPOINT_CAPTURING && half_is_done(cp)) after_writing(cp, turn->mono);
    if (cp->state == BK_CHECKPOINT_SETTLING && is_settled(cp, turn)) {
        cp->state = BK_CHECKPOINT_COMMITTING;
        start_half(cp, commit_thread);
    }
    if (cp->state == BK_CHECKPOINT_COMMITTING && half_is_done(cp)) after_commit(cp, turn->mono);
}

void bk_checkpoint_ask(struct bk_checkpoint *cp)
{
    cp->asked = true;
}

bool bk_checkpoint_is_idle(const struct bk_checkpoint *cp)
{
    return cp->state == BK_CHECKPOINT_IDLE && !cp->asked;
}

bool bk_checkpoint_wants_rest(const struct bk_checkpoint *cp)
{
    return cp->state == BK_CHECKPOINT_CAPTURING && !bk_capture_is_lost(cp->attempt->capture) &&
           bk_capture_copies(cp->attempt->capture) >
               bk_capture_copies_max(cp->attempt->capture) / 4 * 3;
}

void bk_checkpoint_cancel(struct bk_checkpoint *cp)
{
    cp->known = false; /* the state may be another one from here on */
    if (!cp->attempt) return;
    bk_capture_give_up(cp->attempt->capture); /* who still writes files stops soon */
    if (cp->attempt->running) pthread_join(cp->attempt->thread, NULL);
    cp->attempt->running = false;
    bool committed = cp->state == BK_CHECKPOINT_COMMITTING && cp->attempt->err == BK_OK;
    if (!committed) bkc_attempt_discard(cp->attempt);
    bkc_attempt_end(&cp->attempt);
    cp->state = BK_CHECKPOINT_IDLE;
}

void bk_checkpoint_close(struct bk_checkpoint **checkpoint)
{
    if (!*checkpoint) return;
    bk_checkpoint_cancel(*checkpoint);
    close((*checkpoint)->lock); /* and so the lock is free */
    free(*checkpoint);
    *checkpoint = NULL;
}

void bk_checkpoint_status(const struct bk_checkpoint *cp, struct bk_checkpoint_status *out)
{
    *out = cp->status;
    out->state = cp->state;
    out->generation = cp->committed.number;
    out->written_ms = cp->committed.written_ms;
    out->bytes = cp->committed.bytes;
    if (cp->state == BK_CHECKPOINT_CAPTURING) {
        out->copies = bk_capture_copies(cp->attempt->capture);
        out->copies_max = bk_capture_copies_max(cp->attempt->capture);
    }
}

/* ---- loading ---- */

static int load_files(const char *folder, const struct bkc_manifest *manifest,
                      struct bk_engine *engine, struct bk_reason *reason)
{
    struct bk_section sections[BK_SECTIONS_MAX];
    size_t count = bk_shared_sections(&engine->shared, sections);
    int err = bkc_file_load(folder, &manifest->files[0], sections, count, reason);
    if (err == BK_OK && bk_table_top(&engine->shared.items) > engine->params.items_max)
        err = bk_reason_set(reason, BK_ELIMIT,
                            BKC_SHARED ": it knows %u items, state.items_max is %u",
                            bk_table_top(&engine->shared.items), engine->params.items_max);
    for (uint32_t i = 1; i < manifest->file_count && err == BK_OK; i++) {
        const struct bkc_file *file = &manifest->files[i];
        struct bk_shard *shard =
            file->partition >= 0 ? bk_engine_shard(engine, file->partition) : NULL;
        if (!shard)
            return bk_reason_set(reason, BK_ELIMIT, "%s: state.bytes_max leaves no room for it",
                                 file->name);
        count = bk_shard_sections(shard, sections);
        err = bkc_file_load(folder, file, sections, count, reason);
    }
    return err;
}

int bk_generation_load(const char *dir, const char *name, struct bk_engine *engine,
                       struct bk_generation *out, struct bk_reason *reason)
{
    char folder[BKC_PATH_MAX];
    struct bkc_manifest manifest;
    snprintf(folder, sizeof folder, "%s/%s", dir, name);
    int err = bkc_manifest_read(folder, &manifest, reason);
    if (err != BK_OK) return err;
    err = bkc_manifest_fits(&manifest, &engine->params, reason);
    if (err == BK_OK) {
        err = load_files(folder, &manifest, engine, reason);
        describe(&manifest, name, out);
        if (err != BK_OK && bk_engine_reset(engine) != BK_OK)
            err = bk_reason_set(reason, BK_ENOMEM, "no memory for an empty state");
    }
    bkc_manifest_deinit(&manifest);
    return err;
}

int bk_checkpoint_offsets(const struct bk_checkpoint *cp, int64_t next[BK_SHARDS_MAX])
{
    uint64_t numbers[BKC_GENERATIONS_SEEN_MAX];
    int count = bkc_generations(cp->dir, cp->prefix, numbers, BKC_GENERATIONS_SEEN_MAX);
    for (int i = 0; i < count; i++) {
        char name[64], folder[BKC_PATH_MAX];
        struct bkc_manifest manifest;
        struct bk_reason ignored;
        bkc_generation_name(name, cp->prefix, numbers[i]);
        snprintf(folder, sizeof folder, "%s/%s", cp->dir, name);
        if (bkc_manifest_read(folder, &manifest, &ignored) != BK_OK) continue;
        memset(next, 0, BK_SHARDS_MAX * sizeof *next);
        for (uint32_t f = 1; f < manifest.file_count; f++) {
            const struct bkc_file *file = &manifest.files[f];
            if (file->partition >= 0 && file->partition < BK_SHARDS_MAX)
                next[file->partition] = file->next_offset;
        }
        bkc_manifest_deinit(&manifest);
        return BK_OK;
    }
    return BK_ENOENT;
}

/* Whether a damaged generation may be passed over: an older one may be whole. */
static bool is_damage(int err)
{
    return err == BK_ECORRUPT || err == BK_EIO || err == BK_ENOENT;
}

int bk_checkpoint_load(struct bk_checkpoint *cp, struct bk_engine *engine,
                       struct bk_generation *out, struct bk_reason *reason)
{
    uint64_t numbers[BKC_GENERATIONS_SEEN_MAX];
    int count = bkc_generations(cp->dir, cp->prefix, numbers, BKC_GENERATIONS_SEEN_MAX);
    cp->damaged_after = 0;
    cp->damaged_until = count > 0 ? numbers[0] : 0;
    for (int i = 0; i < count; i++) {
        char name[64];
        bkc_generation_name(name, cp->prefix, numbers[i]);
        int err = bk_generation_load(cp->dir, name, engine, &cp->committed, reason);
        if (err == BK_OK) {
            cp->damaged_after = numbers[i];
            cp->known = true;
            *out = cp->committed;
            return BK_OK;
        }
        cp->committed.number = 0;
        if (!is_damage(err)) return err;
        bk_log_error("checkpoint",
                     "generation_damaged name=%s err=\"%s\" action=try_the_one_before", name,
                     reason->text);
        cp->status.failures++;
        snprintf(cp->status.error, sizeof cp->status.error, "%s", reason->text);
    }
    return bk_reason_set(reason, BK_ENOENT, "%s holds no generation", cp->dir);
}
