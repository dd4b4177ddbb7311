/* test_checkpoint.c -- what is written is what is loaded; what is damaged is named; what fails
 * leaves what was there. */
#include "checkpoint_kit.h"

#include <errno.h>

/* Nothing was promised, so the step that finds the files written waits for nothing. */
static struct bk_checkpoint_status after_step(struct bk_checkpoint *cp,
                                              const struct bk_checkpoint_turn *turn)
{
    struct bk_checkpoint_status status;
    bk_checkpoint_step(cp, &engine, turn);
    bk_checkpoint_status(cp, &status);
    assert_int_not_equal(status.state, BK_CHECKPOINT_SETTLING);
    return status;
}

/* A disk that makes no folder before it may: the thread waits, and has read nothing yet. */
static bool may_begin;
static struct bk_disk slow_disk;

static int wait_and_make_folder(struct bk_disk *slow, const char *path)
{
    (void)slow;
    while (!__atomic_load_n(&may_begin, __ATOMIC_ACQUIRE)) usleep(100);
    return bk_disk_real()->make_folder(bk_disk_real(), path);
}

static struct bk_disk *disk_that_waits(void)
{
    slow_disk = *bk_disk_real();
    slow_disk.make_folder = wait_and_make_folder;
    may_begin = false;
    return &slow_disk;
}

static void let_it_begin(void)
{
    __atomic_store_n(&may_begin, true, __ATOMIC_RELEASE);
}

static void what_was_written_is_loaded_and_goes_on_as_if_nothing_had_been(void **state)
{
    (void)state;
    struct bk_generation generation;
    struct bk_reason reason;
    apply_more(1000);
    struct bk_checkpoint *cp = open_checkpoint();
    write_now(cp, 1);
    assert_true(bk_checkpoint_is_idle(cp));
    bk_checkpoint_close(&cp);
    cp = open_checkpoint();
    assert_int_equal(bk_checkpoint_load(cp, &other, &generation, &reason), BK_OK);
    assert_int_equal(generation.number, 1);
    assert_int_equal(generation.shards, 3);
    assert_int_equal(generation.topic_partitions, 3);
    assert_same_state(&engine, &other);
    apply_more(500);
    apply_to(&other, 1000, 1500);
    assert_same_state(&engine, &other);
    bk_checkpoint_close(&cp);
}

static void a_generation_holds_the_instant_it_began_although_the_engine_goes_on(void **state)
{
    (void)state;
    struct bk_checkpoint_options options = {.dir = dir,
                                            .interval_ms = 1000,
                                            .records_max = 1,
                                            .copy_bytes_max = 64 << 20,
                                            .keep = 2,
                                            .disk = disk_that_waits()};
    struct bk_reason reason;
    int code;
    apply_more(1000);
    struct bk_checkpoint *cp = bk_checkpoint_open(&options, &code, &reason);
    struct bk_checkpoint_turn turn = turn_at(1);
    bk_checkpoint_step(cp, &engine, &turn);
    apply_more(10);
    let_it_begin();
    while (!bk_checkpoint_is_idle(cp)) {
        struct bk_checkpoint_status status;
        bk_checkpoint_status(cp, &status);
        if (applied < EVENTS && status.state == BK_CHECKPOINT_CAPTURING) apply_more(1);
        turn.mono.ms++;
        after_step(cp, &turn);
    }
    bk_checkpoint_close(&cp);
    load_newest_into(&other, 1);
    apply_to(&other, 1000, applied);
    assert_same_state(&engine, &other);
}

/* ---- damage ---- */

static void write_two_generations(void)
{
    apply_more(500);
    struct bk_checkpoint *cp = open_checkpoint();
    write_now(cp, 1);
    apply_more(500);
    write_now(cp, 2);
    bk_checkpoint_close(&cp);
}

static long size_of(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return (long)st.st_size;
}

static void flip(const char *path, long at)
{
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    fseek(file, at, SEEK_SET);
    int c = fgetc(file);
    fseek(file, at, SEEK_SET);
    fputc(c ^ 0x10, file);
    fclose(file);
}

static void a_flipped_bit_anywhere_is_seen_and_the_generation_before_is_loaded(void **state)
{
    (void)state;
    static const char *const names[] = {"shared.bkc", "partition-0001.bkc", "MANIFEST"};
    struct chance chance = chance_seed("flipped bits", 81);
    write_two_generations();
    for (int round = 0; round < 120; round++) {
        char path[128];
        path_of(path, names[round % 3], 2);
        long at = (long)chance_below(&chance, (uint32_t)size_of(path));
        if (round < 3) at = size_of(path) - 1;
        flip(path, at);
        load_newest_into(&other, 1);
        flip(path, at);
    }
    load_newest_into(&other, 2);
    assert_same_state(&engine, &other);
}

static void a_file_cut_short_or_too_long_is_seen(void **state)
{
    (void)state;
    char path[128];
    struct chance chance = chance_seed("cut files", 82);
    write_two_generations();
    path_of(path, "shared.bkc", 2);
    FILE *file = fopen(path, "a");
    fputc('x', file);
    fclose(file);
    load_newest_into(&other, 1);
    for (int round = 0; round < 40; round++) {
        long size = (long)chance_below(&chance, (uint32_t)size_of(path));
        assert_int_equal(truncate(path, round ? size : size_of(path) - 2), 0);
        load_newest_into(&other, 1);
        if (size_of(path) < 2) break;
    }
    assert_int_equal(remove(path), 0);
    load_newest_into(&other, 1);
}

static void a_file_of_another_generation_is_not_taken(void **state)
{
    (void)state;
    char path[128], stranger[128];
    write_two_generations();
    path_of(path, "partition-0001.bkc", 2);
    path_of(stranger, "partition-0001.bkc", 1);
    assert_int_equal(remove(path), 0);
    assert_int_equal(link(stranger, path), 0);
    load_newest_into(&other, 1);
}

static void even_one_that_says_the_same_but_for_its_number(void **state)
{
    (void)state;
    char path[128], stranger[128];
    apply_more(500);
    struct bk_checkpoint *cp = open_checkpoint();
    write_now(cp, 1);
    applied++; /* the state is the same */
    write_now(cp, 2);
    bk_checkpoint_close(&cp);
    path_of(path, "partition-0001.bkc", 2);
    path_of(stranger, "partition-0001.bkc", 1);
    assert_int_equal(remove(path), 0);
    assert_int_equal(link(stranger, path), 0);
    load_newest_into(&other, 1);
}

/* The second generation is made twice, as if in two folders; the later one gets a file of the other. */
static void mix_two_folders(const char *name, void (*meanwhile)(void), bool same_size)
{
    char path[128], stranger[128], here[128], aside[128];
    write_two_generations();
    path_of(here, "", 2);
    snprintf(aside, sizeof aside, "%s/aside", dir);
    assert_int_equal(rename(here, aside), 0);
    meanwhile();
    struct bk_checkpoint *cp = open_checkpoint();
    write_now(cp, 3);
    bk_checkpoint_close(&cp);
    load_newest_into(&other, 2);
    path_of(path, name, 2);
    snprintf(stranger, sizeof stranger, "%s/%s", aside, name);
    assert_int_equal(size_of(path) == size_of(stranger), same_size);
    assert_int_equal(remove(path), 0);
    assert_int_equal(link(stranger, path), 0);
    load_newest_into(&other, 1);
}

static void more_is_told(void)
{
    apply_more(400);
}

static void even_one_of_another_folder_that_has_its_number(void **state)
{
    (void)state;
    mix_two_folders("shared.bkc", more_is_told, false);
}

static void a_bad_record_is_passed(void)
{
    struct bk_shard *shard = engine.shards[1];
    bk_shard_pass(shard, bk_shard_totals(shard)->next_offset, 1);
}

static void even_one_of_another_folder_that_has_its_number_and_length(void **state)
{
    (void)state;
    mix_two_folders("partition-0001.bkc", a_bad_record_is_passed, true);
}

static void nothing_of_a_damaged_generation_is_left(void **state)
{
    (void)state;
    char path[128];
    struct bk_generation generation;
    struct bk_reason reason;
    struct bk_state_params params = engine.params;
    struct bk_engine empty;
    told_engine(&empty, &params);
    apply_more(1000);
    struct bk_checkpoint *cp = open_checkpoint();
    write_now(cp, 1);
    path_of(path, "partition-0002.bkc", 1); /* the last one: the others are loaded before it */
    flip(path, size_of(path) - 1);
    assert_int_equal(bk_checkpoint_load(cp, &other, &generation, &reason), BK_ENOENT);
    assert_same_state(&empty, &other);
    bk_checkpoint_close(&cp);
    bk_engine_deinit(&empty);
}

/* ---- refusals ---- */

static void refusal(const struct bk_state_params *params, int expected, const char *names)
{
    struct bk_generation generation;
    struct bk_reason reason;
    struct bk_engine empty;
    told_engine(&empty, params);
    struct bk_checkpoint *cp = open_checkpoint();
    assert_int_equal(bk_checkpoint_load(cp, &empty, &generation, &reason), expected);
    if (!strstr(reason.text, names)) fail_msg("'%s' does not name %s", reason.text, names);
    bk_checkpoint_close(&cp);
    bk_engine_deinit(&empty);
}

static void state_counted_in_other_epochs_or_too_large_is_refused_by_name(void **state)
{
    (void)state;
    apply_more(1000);
    struct bk_checkpoint *cp = open_checkpoint();
    write_now(cp, 1);
    bk_checkpoint_close(&cp);
    struct bk_state_params params = small_params();
    params.pair_epoch_ms *= 2;
    refusal(&params, BK_EUNSUPPORTED, "state.pair_epoch");
    params = small_params();
    params.popularity_epoch_ms /= 2;
    refusal(&params, BK_EUNSUPPORTED, "state.popularity_epoch");
    params = small_params();
    params.bytes_max = 640 << 10;
    refusal(&params, BK_ELIMIT, "state.bytes_max");
}

/* Write `with` over what follows `after` in the MANIFEST, and the check of that. */
static void rewrite_manifest(const char *after, char with)
{
    char path[128], text[4096];
    path_of(path, "MANIFEST", 1);
    FILE *file = fopen(path, "r");
    size_t len = fread(text, 1, sizeof text - 1, file) - strlen("end 01234567\n");
    fclose(file);
    text[len] = '\0';
    strstr(text, after)[strlen(after)] = with;
    file = fopen(path, "w");
    fprintf(file, "%send %08x\n", text, bk_crc32c(0, text, len));
    fclose(file);
}

static void another_format_or_version_is_refused_by_name(void **state)
{
    (void)state;
    struct bk_state_params params = small_params();
    apply_more(100);
    struct bk_checkpoint *cp = open_checkpoint();
    write_now(cp, 1);
    bk_checkpoint_close(&cp);
    rewrite_manifest("\nstate ", '0');
    refusal(&params, BK_EUNSUPPORTED, "state version 0");
    rewrite_manifest("basketry checkpoint ", '9');
    refusal(&params, BK_EUNSUPPORTED, "format 9");
}

static void the_folder_belongs_to_one_process(void **state)
{
    (void)state;
    struct bk_checkpoint_options options = {.dir = dir, .keep = 2};
    struct bk_reason reason;
    int code;
    struct bk_checkpoint *first = open_checkpoint();
    assert_null(bk_checkpoint_open(&options, &code, &reason));
    assert_int_equal(code, BK_EAGAIN);
    assert_non_null(strstr(reason.text, "is held by the process with pid"));
    bk_checkpoint_close(&first);
    first = open_checkpoint();
    bk_checkpoint_close(&first);
}

/* ---- when, and how many ---- */

static void two_generations_are_kept_and_rests_of_cut_off_attempts_go(void **state)
{
    (void)state;
    char path[128];
    struct bk_checkpoint *cp = open_checkpoint();
    for (int i = 1; i <= 4; i++) {
        apply_more(100);
        write_now(cp, i);
    }
    bk_checkpoint_close(&cp);
    path_of(path, "MANIFEST", 2);
    assert_int_not_equal(access(path, F_OK), 0);
    path_of(path, "MANIFEST", 3);
    assert_int_equal(access(path, F_OK), 0);
    path_of(path, "MANIFEST", 4);
    assert_int_equal(remove(path), 0); /* killed before the rename */
    cp = open_checkpoint();
    path_of(path, "shared.bkc", 4);
    assert_int_not_equal(access(path, F_OK), 0);
    bk_checkpoint_close(&cp);
    load_newest_into(&other, 3);
}

static void one_is_due_after_the_interval_or_the_records_and_never_for_nothing(void **state)
{
    (void)state;
    struct bk_checkpoint_status status;
    struct bk_checkpoint *cp = open_checkpoint();
    struct bk_checkpoint_turn turn = turn_at(1);
    apply_more(10);
    for (turn.mono.ms = 1; turn.mono.ms < 1000; turn.mono.ms += 100) {
        turn.records = 10;
        bk_checkpoint_step(cp, &engine, &turn);
        bk_checkpoint_status(cp, &status);
        assert_int_equal(status.written, 0);
    }
    turn.mono.ms = 1001;
    bk_checkpoint_step(cp, &engine, &turn);
    bk_checkpoint_status(cp, &status);
    assert_int_equal(status.written, 1);
    for (turn.mono.ms = 1001; turn.mono.ms < 9000; turn.mono.ms += 500)
        bk_checkpoint_step(cp, &engine, &turn); /* nothing happened */
    bk_checkpoint_ask(cp);
    bk_checkpoint_step(cp, &engine, &turn);
    bk_checkpoint_status(cp, &status);
    assert_int_equal(status.written, 1);
    assert_true(bk_checkpoint_is_idle(cp));
    turn.records = 10 + 1000000;
    bk_checkpoint_step(cp, &engine, &turn);
    bk_checkpoint_status(cp, &status);
    assert_int_equal(status.written, 2);
    bk_checkpoint_close(&cp);
}

static void a_generation_counts_only_when_what_was_promised_before_it_is_kept(void **state)
{
    (void)state;
    struct bk_checkpoint_status status;
    struct bk_generation generation;
    struct bk_reason reason;
    apply_more(100);
    struct bk_checkpoint *cp = open_checkpoint();
    struct bk_checkpoint_turn turn = turn_at(1);
    turn.letters = (struct bk_promises){.made = 5, .kept = 4};
    turn.erasures = (struct bk_promises){.made = 2, .kept = 1};
    bk_checkpoint_ask(cp);
    bk_checkpoint_step(cp, &engine, &turn);
    turn.letters = (struct bk_promises){.made = 9, .kept = 5};
    bk_checkpoint_step(cp, &engine, &turn);
    bk_checkpoint_status(cp, &status);
    assert_int_equal(status.state, BK_CHECKPOINT_SETTLING);
    assert_int_equal(bk_checkpoint_load(cp, &other, &generation, &reason), BK_ENOENT);
    turn.erasures.kept = 2;
    bk_checkpoint_step(cp, &engine, &turn);
    bk_checkpoint_status(cp, &status);
    assert_int_equal(status.written, 1);
    bk_checkpoint_close(&cp);
    load_newest_into(&other, 1);
}

static void step_until_idle(struct bk_checkpoint *cp, struct bk_checkpoint_turn *turn)
{
    do {
        turn->mono.ms++;
        usleep(100);
    } while (after_step(cp, turn).state != BK_CHECKPOINT_IDLE);
}

static void copies_over_their_bound_end_the_attempt_and_the_next_one_succeeds(void **state)
{
    (void)state;
    struct bk_checkpoint_options options = {.dir = dir,
                                            .interval_ms = 1000,
                                            .records_max = 1000000,
                                            .copy_bytes_max = 128 << 10,
                                            .keep = 2,
                                            .disk = disk_that_waits()};
    struct bk_checkpoint_status status;
    struct bk_reason reason;
    int code;
    apply_more(100);
    struct bk_checkpoint *cp = bk_checkpoint_open(&options, &code, &reason);
    struct bk_checkpoint_turn turn = turn_at(1);
    bk_checkpoint_ask(cp);
    bk_checkpoint_step(cp, &engine, &turn);
    bool wanted_rest = false;
    while (applied < 700) { /* touches far more than there is room aside */
        apply_more(1);
        wanted_rest |= bk_checkpoint_wants_rest(cp);
    }
    assert_true(wanted_rest);
    assert_false(bk_checkpoint_wants_rest(cp)); /* what is lost is not saved by resting */
    let_it_begin();
    step_until_idle(cp, &turn);
    bk_checkpoint_status(cp, &status);
    assert_int_equal(status.failures, 1);
    assert_int_equal(status.generation, 0);
    assert_non_null(strstr(status.error, "checkpoint.copy_bytes_max"));
    turn.mono.ms += 5000; /* one is due, but what just failed rests */
    bk_checkpoint_step(cp, &engine, &turn);
    bk_checkpoint_status(cp, &status);
    assert_int_equal(status.state, BK_CHECKPOINT_IDLE);
    turn.records = (uint64_t)applied;
    bk_checkpoint_ask(cp);
    step_until_idle(cp, &turn);
    bk_checkpoint_status(cp, &status);
    assert_int_equal(status.generation, 2);
    bk_checkpoint_close(&cp);
    load_newest_into(&other, 2);
    assert_same_state(&engine, &other);
}

/* ---- a disk that fails ---- */

static int generations_that_count(uint64_t newest)
{
    int count = 0;
    for (int number = 1; number <= (int)newest; number++) {
        char path[128];
        path_of(path, "MANIFEST", number);
        count += access(path, F_OK) == 0;
    }
    return count;
}

static void
whatever_call_of_the_disk_fails_the_generation_before_stays_and_the_next_succeeds(void **state)
{
    (void)state;
    static const int errors[] = {-ENOSPC, -EIO};
    struct bk_checkpoint_status status;
    bool failed = true;
    apply_more(400);
    struct bk_checkpoint *cp = open_checkpoint();
    write_now(cp, 1);
    for (uint64_t n = 1; failed; n++) {
        bk_checkpoint_status(cp, &status);
        uint64_t before = status.generation, failures = status.failures;
        int count = generations_that_count(before);
        applied++; /* something to write */
        disk.error = errors[n % 2];
        disk.fail_at = disk.calls + n;
        write_now(cp, (int64_t)n * 100000);
        bk_checkpoint_status(cp, &status);
        failed = status.failures > failures;
        disk.fail_at = 0;
        if (failed) {
            assert_int_equal(status.generation, before);
            assert_int_equal(generations_that_count(before + 1), count);
            assert_true(status.error[0]);
            struct bk_generation generation;
            struct bk_reason reason;
            char name[64];
            snprintf(name, sizeof name, "generation-%010d", (int)before);
            assert_int_equal(bk_engine_reset(&other), BK_OK);
            assert_int_equal(bk_generation_load(dir, name, &other, &generation, &reason), BK_OK);
        }
        write_now(cp, (int64_t)n * 100000 + 50000);
        bk_checkpoint_status(cp, &status);
        if (failed) assert_true(status.generation > before);
        assert_string_equal(status.error, "");
        disk.file_count = 0;
    }
    bk_checkpoint_close(&cp);
    load_newest_into(&other, (int)status.generation);
    assert_same_state(&engine, &other);
}

enum { TOSSES = 12 };

static void after_a_power_cut_at_any_call_the_newest_whole_generation_is_loaded(void **state)
{
    (void)state;
    struct chance chance = chance_seed("power cuts", 84);
    struct bk_generation generation;
    struct bk_reason reason;
    apply_more(300);
    struct bk_checkpoint *cp = open_checkpoint();
    write_now(cp, 1);
    uint64_t newest = 1;
    bool told_written = false;
    for (uint64_t n = 1; !told_written; n++) {
        assert_true(n < 1000); /* else nothing ever counts */
        for (int toss = 0; toss < TOSSES; toss++) {
            struct bk_checkpoint_status status;
            applied++; /* something to write */
            disk.file_count = disk.rename_count = 0;
            disk.crash_at = disk.calls + n;
            write_now(cp, (int64_t)n * 100000);
            bk_checkpoint_status(cp, &status);
            told_written = status.generation > newest;
            bk_checkpoint_close(&cp);
            torn_disk_crash(&disk, chance_next(&chance));
            cp = open_checkpoint();
            assert_int_equal(bk_engine_reset(&other), BK_OK);
            assert_int_equal(bk_checkpoint_load(cp, &other, &generation, &reason), BK_OK);
            bk_checkpoint_status(cp, &status);
            assert_string_equal(status.error, "");    /* whatever counts is whole */
            assert_true(generation.number >= newest); /* what was whole once stays */
            if (told_written) assert_true(generation.number > newest);
            newest = generation.number;
        }
    }
    bk_checkpoint_close(&cp);
}

int main(void)
{
    bk_log_level = BK_LOG_OFF; /* what fails here is meant to */
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, open_shop, close_shop)
        T(what_was_written_is_loaded_and_goes_on_as_if_nothing_had_been),
        T(a_generation_holds_the_instant_it_began_although_the_engine_goes_on),
        T(a_flipped_bit_anywhere_is_seen_and_the_generation_before_is_loaded),
        T(a_file_cut_short_or_too_long_is_seen),
        T(a_file_of_another_generation_is_not_taken),
        T(even_one_that_says_the_same_but_for_its_number),
        T(even_one_of_another_folder_that_has_its_number),
        T(even_one_of_another_folder_that_has_its_number_and_length),
        T(nothing_of_a_damaged_generation_is_left),
        T(state_counted_in_other_epochs_or_too_large_is_refused_by_name),
        T(another_format_or_version_is_refused_by_name),
        T(the_folder_belongs_to_one_process),
        T(two_generations_are_kept_and_rests_of_cut_off_attempts_go),
        T(one_is_due_after_the_interval_or_the_records_and_never_for_nothing),
        T(a_generation_counts_only_when_what_was_promised_before_it_is_kept),
        T(copies_over_their_bound_end_the_attempt_and_the_next_one_succeeds),
        T(whatever_call_of_the_disk_fails_the_generation_before_stays_and_the_next_succeeds),
        T(after_a_power_cut_at_any_call_the_newest_whole_generation_is_loaded),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
