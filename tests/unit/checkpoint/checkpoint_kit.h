/* checkpoint_kit.h -- a small shop with a folder and a bad disk: what the tests of a checkpoint share.
 */
#ifndef BASKETRY_TESTS_CHECKPOINT_KIT_H
#define BASKETRY_TESTS_CHECKPOINT_KIT_H

#include "basketry/checkpoint.h"
#include "basketry/log.h"

#include "support/events.h"
#include "support/torn_disk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { EVENTS = 1500 };

static char dir[64];
static struct torn_disk disk;
static struct bk_engine engine, other;
static struct told *stream;
static int applied;

static inline struct bk_state_params small_params(void)
{
    struct bk_state_params params = told_params();
    params.dedup_events = 1024;
    return params;
}

static inline int open_shop(void **state)
{
    (void)state;
    struct chance chance = {4711};
    struct told_shape shape = told_shape();
    struct bk_state_params params = small_params();
    shape.partitions = 3;
    params.shards_max = 3;
    bool shm = access("/dev/shm", W_OK) == 0; /* in memory, if possible: torn_disk is the disk */
    snprintf(dir, sizeof dir, "%s/bk-checkpoint-XXXXXX", shm ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(dir));
    torn_disk_init(&disk);
    told_engine(&engine, &params);
    told_engine(&other, &params);
    stream = told_stream(&chance, &shape, EVENTS);
    applied = 0;
    return 0;
}

static inline int close_shop(void **state)
{
    (void)state;
    char command[128];
    told_stream_free(stream, EVENTS);
    bk_engine_deinit(&engine);
    bk_engine_deinit(&other);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command) == 0 ? 0 : -1;
}

static inline void apply_to(struct bk_engine *to, int from, int until)
{
    for (int i = from; i < until; i++) told_apply(to, &stream[i]);
}

static inline void apply_more(int events)
{
    apply_to(&engine, applied, applied + events);
    applied += events;
}

static inline struct bk_checkpoint *open_checkpoint(void)
{
    struct bk_checkpoint_options options = {.dir = dir,
                                            .interval_ms = 1000,
                                            .records_max = 1000000,
                                            .copy_bytes_max = 1 << 20,
                                            .keep = 2,
                                            .disk = &disk.head,
                                            .at_once = true};
    struct bk_reason reason = {{0}};
    int code;
    struct bk_checkpoint *cp = bk_checkpoint_open(&options, &code, &reason);
    if (!cp) fail_msg("%s", reason.text);
    return cp;
}

static inline struct bk_checkpoint_turn turn_at(int64_t ms)
{
    return (struct bk_checkpoint_turn){
        .mono = {ms}, .wall_ms = 1000000 + ms, .records = (uint64_t)applied, .topic_partitions = 3};
}

/* Write a generation of the engine as it is. */
static inline void write_now(struct bk_checkpoint *cp, int64_t ms)
{
    struct bk_checkpoint_turn turn = turn_at(ms);
    bk_checkpoint_ask(cp);
    bk_checkpoint_step(cp, &engine, &turn);
}

static inline void assert_same_state(const struct bk_engine *a, const struct bk_engine *b)
{
    uint64_t lossy_a, lossy_b;
    assert_int_equal(a->shard_top, b->shard_top);
    for (int32_t p = 0; p < a->shard_top; p++) {
        assert_int_equal(bk_shard_digest(a->shards[p]), bk_shard_digest(b->shards[p]));
        assert_memory_equal(bk_shard_totals(a->shards[p]), bk_shard_totals(b->shards[p]),
                            sizeof(struct bk_shard_totals));
    }
    assert_int_equal(bk_shared_digest(&a->shared, &lossy_a),
                     bk_shared_digest(&b->shared, &lossy_b));
    assert_int_equal(lossy_a, lossy_b);
}

static inline void load_newest_into(struct bk_engine *empty, int expected)
{
    struct bk_generation generation;
    struct bk_reason reason;
    struct bk_checkpoint *cp = open_checkpoint();
    assert_int_equal(bk_engine_reset(empty), BK_OK);
    int err = bk_checkpoint_load(cp, empty, &generation, &reason);
    if (err != BK_OK) fail_msg("%s", reason.text);
    assert_int_equal(generation.number, expected);
    bk_checkpoint_close(&cp);
}

static inline void path_of(char path[128], const char *name, int number)
{
    snprintf(path, 128, "%s/generation-%010d/%s", dir, number, name);
}

#endif
