/* checkpoint.h -- the state and the offsets it stands for, on disk, as of one instant.
 *
 *   DIR/generation.lock              held by the instance that owns the folder
 *   DIR/generation-0000000017/       one generation: a file for shared, one for each partition
 *       shared.bkc  partition-0003.bkc  MANIFEST
 *   DIR/replay-0000000001/           the same, made by `basketry replay`; loaded only when promoted
 *
 * A generation counts when its MANIFEST is there: that file's rename is the commit. Two are kept; a
 * damaged newest one is passed over, loudly. The format stands in src/checkpoint/format.h.
 *
 *      loop:    idle ─due─► capturing ─────────► settling ────────► committing ─► idle
 *      thread:              writes the files,    (what was promised  writes and renames the
 *                           syncs them           before the capture  MANIFEST, drops the oldest
 *                                                is kept: letters
 *                                                acknowledged,
 *                                                erasures answered)
 *
 * The loop never waits for the disk: arenas are captured (capture.h) and a thread of its own writes
 * them. An attempt that fails (a full disk, a failed sync, copies over their bound) is discarded,
 * counted and tried again; the generations that are there stay.
 *
 * Loop thread, all of it.
 */
#ifndef BASKETRY_CHECKPOINT_H
#define BASKETRY_CHECKPOINT_H

#include "basketry/disk.h"
#include "basketry/error.h"
#include "basketry/state.h"

#ifdef __cplusplus
extern "C" {
#endif

/* clang-format off */
/*       enum                          word           what it means */
#define BK_CHECKPOINT_STATE_TABLE(X)                                                               \
    X(BK_CHECKPOINT_IDLE,              "idle",        "nothing to write, or not due yet")          \
    X(BK_CHECKPOINT_CAPTURING,         "writing",     "the files of a generation are written")     \
    X(BK_CHECKPOINT_SETTLING,          "settling",    "written; waits until what was promised before it is kept") \
    X(BK_CHECKPOINT_COMMITTING,        "committing",  "the MANIFEST is written and renamed")
/* clang-format on */

enum bk_checkpoint_state {
#define X(name, word, text) name,
    BK_CHECKPOINT_STATE_TABLE(X)
#undef X
};
const char *bk_checkpoint_state_word(enum bk_checkpoint_state state);

struct bk_checkpoint_options {
    const char *dir;      /* made when missing; copied */
    const char *prefix;   /* of its generations: NULL for "generation"; copied */
    int64_t interval_ms;  /* a generation is due this long after the last one began ... */
    uint64_t records_max; /* ... or after this many records */
    uint64_t copy_bytes_max;
    uint32_t keep;        /* generations, at least 1 */
    struct bk_disk *disk; /* NULL: the real one */
    bool at_once;         /* write within the call that begins it, without a thread: simulations */
};

/** What a turn tells. */
struct bk_checkpoint_turn {
    bk_mono_ms_t mono;
    bk_wall_ms_t wall_ms;
    uint64_t records;            /* that the state has passed, since the start */
    int32_t topic_partitions;    /* of the events topic; 0: not known yet */
    struct bk_promises letters;  /* records handed to the outbox; acknowledged */
    struct bk_promises erasures; /* keys that had to go; answered */
};

/** What a generation says of itself. */
struct bk_generation {
    uint64_t number;
    bk_wall_ms_t written_ms;
    int32_t topic_partitions;
    uint64_t bytes;
    int32_t shards;
    char name[64]; /* of its folder */
};

struct bk_checkpoint_status {
    enum bk_checkpoint_state state;
    uint64_t generation; /* the newest that counts; 0: none */
    bk_wall_ms_t written_ms;
    uint64_t bytes;   /* of it */
    int64_t took_ms;  /* from its capture to its commit */
    uint64_t written; /* generations of this process */
    uint64_t failures;
    uint64_t copies, copies_max; /* bytes kept aside for the writer */
    char error[160];             /* of the last failure, "" after a success */
};

struct bk_checkpoint;

/** Take the folder. NULL with a reason: *code is BK_EAGAIN when another process holds it (the reason
 *  names its pid), else BK_EIO or BK_EINVAL. Rests of attempts that were cut off are removed. */
struct bk_checkpoint *bk_checkpoint_open(const struct bk_checkpoint_options *options, int *code,
                                         struct bk_reason *reason);
/** Waits for the thread; an attempt that is not committed is discarded. Sets *checkpoint to NULL. */
void bk_checkpoint_close(struct bk_checkpoint **checkpoint);

/** Load the newest generation that is whole into an engine that is empty. BK_OK; BK_ENOENT when
 *  there is none (the engine is empty: the log tells all again); BK_EUNSUPPORTED with a reason when
 *  it was written by another version or with other epochs: nothing is guessed. Damaged ones are
 *  logged and passed over. */
BK_MUST_CHECK int bk_checkpoint_load(struct bk_checkpoint *checkpoint, struct bk_engine *engine,
                                     struct bk_generation *out, struct bk_reason *reason);
/** Where the newest generation stood, of which the MANIFEST can be read, whatever state it holds: what
 *  had to be done at the records before, a letter or an erasure, was done. next[p]: the record that
 *  partition p reads next, 0 where it names none. BK_ENOENT: there is no such generation. */
BK_MUST_CHECK int bk_checkpoint_offsets(const struct bk_checkpoint *checkpoint,
                                        int64_t next[BK_SHARDS_MAX]);
/** Load one named generation of a folder that need not be ours. BK_OK, BK_ENOENT, BK_ECORRUPT,
 *  BK_EUNSUPPORTED, BK_ELIMIT (state.bytes_max is too small for it), each with a reason. After an
 *  error the engine is empty. Any thread. */
BK_MUST_CHECK int bk_generation_load(const char *dir, const char *name, struct bk_engine *engine,
                                     struct bk_generation *out, struct bk_reason *reason);

/** Write a generation now, whatever the interval says, unless nothing happened since the last. */
void bk_checkpoint_ask(struct bk_checkpoint *checkpoint);
/** One step; cheap when there is nothing to do. `engine` outlives what begins here. */
void bk_checkpoint_step(struct bk_checkpoint *checkpoint, struct bk_engine *engine,
                        const struct bk_checkpoint_turn *turn);
/** Copies near their bound: whoever changes the state had better rest. */
bool bk_checkpoint_wants_rest(const struct bk_checkpoint *checkpoint);
/** Nothing is written and nothing was asked for. */
bool bk_checkpoint_is_idle(const struct bk_checkpoint *checkpoint);
/** Give the running attempt up and wait until its thread is done: the engine is about to go. */
void bk_checkpoint_cancel(struct bk_checkpoint *checkpoint);
void bk_checkpoint_status(const struct bk_checkpoint *checkpoint, struct bk_checkpoint_status *out);

/* ---- promotion: another generation in the place of the running state ---- */

struct bk_promotion;
/** Load a generation in a thread of its own, into an engine of its own: until it is adopted, two
 *  states take memory. Strings and parameters are copied. NULL with a reason. */
struct bk_promotion *bk_promotion_begin(const char *dir, const char *name,
                                        const struct bk_state_params *params,
                                        struct bk_reason *reason);
/** BK_EAGAIN while it loads, BK_OK when it can be adopted, else what bk_generation_load said. */
int bk_promotion_poll(struct bk_promotion *promotion, struct bk_generation *out,
                      struct bk_reason *reason);
/** What was loaded, to be adopted; NULL before poll said BK_OK. */
struct bk_engine *bk_promotion_engine(struct bk_promotion *promotion);
/** Waits for the thread; what was not adopted goes. Sets *promotion to NULL. */
void bk_promotion_end(struct bk_promotion **promotion);

#ifdef __cplusplus
}
#endif
#endif
