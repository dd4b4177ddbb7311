/* test_refusals_kept.c -- the n-th request for memory is refused while a generation is written, loaded
 * or promoted and while a log is replayed: nothing crashes or leaks, an attempt that failed is
 * discarded and counted, and the next one succeeds.
 *
 * As test_refusals.c, with a folder instead of a world.
 */
#include "basketry/source.h"
#include "support/refusals.h"
#include "unit/checkpoint/checkpoint_kit.h"

enum { SKIPPED = 77, RECORDS = 300 };

static struct bk_reason reason;
static char generation_name[] = "generation-0000000001";

static void must_be_the_same(struct bk_engine *loaded)
{
    refusals_end();
    assert_same_state(&engine, loaded);
    refusals_begin();
}

/* ---- a generation ---- */

/* In a folder of its own: children do not see what others left. */
static void write_a_generation(void)
{
    struct bk_checkpoint_status status;
    char folder[] = "/tmp/bk-refused-XXXXXX", command[64];
    struct bk_checkpoint_options options = {.dir = folder,
                                            .interval_ms = 1000,
                                            .records_max = 1000000,
                                            .copy_bytes_max = 1 << 20,
                                            .keep = 2,
                                            .at_once = true};
    int code;
    refusals_must(mkdtemp(folder) != NULL, "no folder");
    refusals_begin();
    struct bk_checkpoint *cp = bk_checkpoint_open(&options, &code, &reason);
    refusals_must(cp || (code != BK_OK && reason.text[0]), "no checkpoint, and no reason");
    if (cp) {
        write_now(cp, 1);
        bk_checkpoint_status(cp, &status);
        refusals_must(status.written + status.failures == 1, "neither written nor counted");
        refusals_must(!status.failures || status.error[0], "a failure without a reason");
        refusals_must(!status.failures || !status.generation, "a failure that counts");
        if (status.failures) write_now(cp, 20000);
        bk_checkpoint_status(cp, &status);
        refusals_must(status.written == 1, "the next attempt fails: %s", status.error);
        bk_checkpoint_close(&cp);
    }
    refusals_end();
    snprintf(command, sizeof command, "rm -rf %s", folder);
    refusals_must(system(command) == 0, "rm");
}

static void a_generation_is_written_or_discarded_and_counted(void **state)
{
    (void)state;
    assert_true(refusals_sweep(REFUSALS_HEAP, "writing", write_a_generation, 1, NULL) > 10);
}

static void load_a_generation(void)
{
    struct bk_generation generation;
    refusals_begin();
    int err = bk_generation_load(dir, generation_name, &other, &generation, &reason);
    if (err == BK_OK) {
        must_be_the_same(&other);
    } else {
        refusals_must(refusals_happened() && reason.text[0], "load: %d '%s'", err, reason.text);
        refusals_must(other.shard_top == 0, "something of it is left");
        err = bk_generation_load(dir, generation_name, &other, &generation, &reason);
        refusals_must(err == BK_OK, "the next attempt fails: %s", reason.text);
        must_be_the_same(&other);
    }
    bk_engine_deinit(&other);
    refusals_end();
}

static void a_generation_is_loaded_or_leaves_nothing(void **state)
{
    (void)state;
    assert_true(refusals_sweep(REFUSALS_HEAP, "loading", load_a_generation, 1, NULL) > 10);
}

/* Its thread loads as above; what is asked here is what begins it. */
static void promote_a_generation(void)
{
    struct bk_generation generation;
    refusals_begin();
    struct bk_promotion *promotion =
        bk_promotion_begin(dir, generation_name, &engine.params, &reason);
    refusals_must(promotion || (refusals_happened() && reason.text[0]), "no promotion, no reason");
    if (promotion) {
        int err;
        while ((err = bk_promotion_poll(promotion, &generation, &reason)) == BK_EAGAIN)
            usleep(1000);
        refusals_must(err == BK_OK, "promotion: %s", reason.text);
        must_be_the_same(bk_promotion_engine(promotion));
        bk_promotion_end(&promotion);
    }
    refusals_end();
}

static void a_promotion_begins_or_is_refused(void **state)
{
    (void)state;
    assert_true(refusals_sweep(REFUSALS_HEAP, "promotion", promote_a_generation, 1, NULL) > 1);
}

/* ---- a log ---- */

static char log_path[128];

struct replayed {
    int records, ends;
};

static void count_record(void *arg, const struct bk_record *record)
{
    struct replayed *replayed = arg;
    refusals_must(record->value.len == 100, "a record of another length");
    replayed->records++;
}

static int64_t from_the_beginning(void *arg, enum bk_topic topic, int32_t partition)
{
    (void)arg, (void)topic, (void)partition;
    return BK_OFFSET_BEGINNING;
}

static void count_end(void *arg, enum bk_topic topic, int32_t partition)
{
    (void)topic, (void)partition;
    ((struct replayed *)arg)->ends++;
}

static void ignore(void *arg)
{
    (void)arg;
}

static void write_log(void)
{
    char value[100];
    memset(value, 'v', sizeof value);
    snprintf(log_path, sizeof log_path, "%s/log", dir);
    struct bk_log_writer *writer = bk_log_writer_create(log_path, 2, &reason);
    assert_non_null(writer);
    for (int i = 0; i < RECORDS; i++)
        assert_int_equal(bk_log_writer_append(writer, BK_TOPIC_EVENTS, i % 2, 1000000 + i,
                                              BK_STR("k"), bk_str(value, sizeof value)),
                         0);
    assert_int_equal(bk_log_writer_close(&writer), 0);
}

static void replay_a_log(void)
{
    struct replayed replayed = {0};
    struct bk_source_events events = {.arg = &replayed,
                                      .record = count_record,
                                      .assigned = from_the_beginning,
                                      .reached_end = count_end,
                                      .wake = ignore};
    struct bk_file_options options = {.path = log_path};
    struct bk_source_status status = {0};
    refusals_begin();
    struct bk_source *source = bk_source_file_create(NULL, &options, &events, &reason);
    refusals_must(source || (refusals_happened() && reason.text[0]), "no source, and no reason");
    if (source) {
        for (int turn = 0; turn < RECORDS; turn++) {
            bk_source_pull(source, 100);
            source->ops->status(source, &status);
        }
        if (status.errors)
            refusals_must(refusals_happened() && status.detail[0], "failed: '%s'", status.detail);
        else
            refusals_must(replayed.records == RECORDS && replayed.ends >= 2, "%d of %d records",
                          replayed.records, RECORDS);
        source->ops->close(source, ignore, NULL);
    }
    refusals_end();
}

static void a_log_is_replayed_or_refused(void **state)
{
    (void)state;
    write_log();
    assert_true(refusals_sweep(REFUSALS_HEAP, "replay", replay_a_log, 1, NULL) > 3);
}

/* ---- the program ---- */

static int open_shop_and_keep_it(void **state)
{
    if (open_shop(state) != 0) return -1;
    apply_more(500);
    struct bk_checkpoint *cp = open_checkpoint();
    write_now(cp, 1);
    bk_checkpoint_close(&cp);
    return 0;
}

int main(void)
{
#ifdef __SANITIZE_THREAD__
    return SKIPPED; /* children that are forked by the hundred */
#endif
    if (!refusals_work()) return SKIPPED; /* linked without the wrappers */
    bk_log_level = BK_LOG_OFF;            /* what fails here is meant to */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_generation_is_written_or_discarded_and_counted),
        cmocka_unit_test(a_generation_is_loaded_or_leaves_nothing),
        cmocka_unit_test(a_promotion_begins_or_is_refused),
        cmocka_unit_test(a_log_is_replayed_or_refused),
    };
    return cmocka_run_group_tests(tests, open_shop_and_keep_it, close_shop);
}
