/* test_folder.c -- a folder as it comes: very full, on a full disk, made under another configuration,
 * left in the middle of something. */
#include "checkpoint_kit.h"

#include <signal.h>
#include <sys/resource.h>

static void buy_in_stores(struct bk_engine *to, uint32_t from, uint32_t until)
{
    for (uint32_t n = from; n < until; n++) {
        struct told told = tell_purchase(told_name("c", n % 7), told_name("order", n), "milk bread",
                                         TOLD_START + n * TOLD_MINUTE);
        const char *store = told_name("s", n);
        told.event.store = bk_str_c(store);
        told_now(to, told);
    }
}

static void a_state_is_loaded_under_more_segments_than_it_was_made_for(void **state)
{
    (void)state;
    uint64_t lossy_a, lossy_b;
    struct bk_state_params params = small_params();
    bk_engine_deinit(&engine);
    bk_engine_deinit(&other);
    params.segments_max = 40;
    told_engine(&other, &params);
    params.segments_max = 2;
    told_engine(&engine, &params);
    buy_in_stores(&engine, 0, 2);
    struct bk_checkpoint *cp = open_checkpoint();
    write_now(cp, 1);
    bk_checkpoint_close(&cp);
    load_newest_into(&other, 1);
    bk_engine_deinit(&engine);
    params.segments_max = 40;
    told_engine(&engine, &params);
    buy_in_stores(&engine, 0, 40);
    buy_in_stores(&other, 2, 40);
    assert_int_equal(bk_totals(&other.shared)->segment_count, 40);
    for (uint32_t n = 1; n <= 40; n++)
        assert_true(bk_str_eq(bk_segment_id(&other.shared, n), bk_segment_id(&engine.shared, n)));
    assert_int_equal(bk_shared_digest(&engine.shared, &lossy_a),
                     bk_shared_digest(&other.shared, &lossy_b));
    assert_int_equal(lossy_b, 0);
}

static void more_items_than_are_configured_are_refused_by_name(void **state)
{
    (void)state;
    struct bk_state_params params = small_params();
    struct bk_generation generation;
    struct bk_reason reason = {{0}};
    apply_more(500);
    struct bk_checkpoint *cp = open_checkpoint();
    write_now(cp, 1);
    bk_engine_deinit(&other);
    params.items_max = bk_table_top(&engine.shared.items) - 1; /* its arena would hold them */
    told_engine(&other, &params);
    assert_int_equal(bk_checkpoint_load(cp, &other, &generation, &reason), BK_ELIMIT);
    assert_non_null(strstr(reason.text, "state.items_max"));
    bk_checkpoint_close(&cp);
}

static int folders_left(void)
{
    char command[160];
    int count = 0;
    snprintf(command, sizeof command, "ls -d %s/generation-0* | wc -l", dir);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    assert_int_equal(fscanf(pipe, "%d", &count), 1);
    pclose(pipe);
    return count;
}

static void of_very_many_generations_the_newest_are_seen(void **state)
{
    (void)state;
    enum { MANY = 300, KEEP = 64 };
    struct bk_checkpoint_options options = {
        .dir = dir, .interval_ms = 1000, .records_max = 1, .copy_bytes_max = 1 << 20, .keep = KEEP};
    struct bk_checkpoint_status status;
    struct bk_reason reason;
    char path[128];
    int code;
    options.at_once = true;
    for (int n = 1; n <= MANY; n++) {
        path_of(path, "", n);
        assert_int_equal(mkdir(path, 0700), 0);
        path_of(path, "MANIFEST", n);
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fclose(file);
    }
    apply_more(10);
    struct bk_checkpoint *cp = bk_checkpoint_open(&options, &code, &reason);
    assert_non_null(cp);
    write_now(cp, 1);
    bk_checkpoint_status(cp, &status);
    assert_int_equal(status.generation, MANY + 1);
    apply_more(10);
    write_now(cp, 100000);
    assert_int_equal(folders_left(), KEEP);
    bk_checkpoint_close(&cp);
    load_newest_into(&other, MANY + 2);
}

static void a_disk_too_full_for_the_lock_s_number_is_no_reason_not_to_run(void **state)
{
    (void)state;
    struct rlimit before, none;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    struct bk_checkpoint *cp = open_checkpoint();
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    bk_checkpoint_close(&cp);
}

static int slow_write(struct bk_disk *head, int file, const void *bytes, size_t len)
{
    static int (*write_it)(struct bk_disk *, int, const void *, size_t);
    if (!write_it) {
        struct torn_disk plain;
        torn_disk_init(&plain);
        write_it = plain.head.write;
    }
    usleep(2000);
    return write_it(head, file, bytes, len);
}

static void an_attempt_that_is_given_up_stops_at_once(void **state)
{
    (void)state;
    struct bk_checkpoint_options options = {.dir = dir,
                                            .interval_ms = 1000,
                                            .records_max = 1,
                                            .copy_bytes_max = 64 << 20,
                                            .keep = 2,
                                            .disk = &disk.head};
    struct bk_reason reason;
    int code;
    apply_more(1500);
    disk.head.write = slow_write;
    struct bk_checkpoint *cp = open_checkpoint();
    write_now(cp, 1);
    uint64_t whole = disk.calls;
    bk_checkpoint_close(&cp);
    disk.file_count = 0;
    disk.calls = 0;
    cp = bk_checkpoint_open(&options, &code, &reason);
    assert_non_null(cp);
    write_now(cp, 1);
    bk_checkpoint_cancel(cp);
    assert_true(disk.calls < whole / 2);
    bk_checkpoint_close(&cp);
    load_newest_into(&other, 1);
}

static bool counts(int number)
{
    char path[128];
    path_of(path, "MANIFEST", number);
    return access(path, F_OK) == 0;
}

static void run_shell(const char *form, ...)
{
    char command[400];
    va_list args;
    va_start(args, form);
    vsnprintf(command, sizeof command, form, args);
    va_end(args);
    assert_int_equal(system(command), 0);
}

static void write_generations(struct bk_checkpoint *cp, int count)
{
    static int64_t ms;
    for (int i = 0; i < count; i++) {
        apply_more(20);
        write_now(cp, ms += 100000);
    }
}

static void what_could_not_be_loaded_takes_no_place_of_what_is_kept(void **state)
{
    (void)state;
    struct bk_generation generation;
    struct bk_reason reason;
    char path[128];
    struct bk_checkpoint *cp = open_checkpoint();
    write_generations(cp, 2);
    bk_checkpoint_close(&cp);
    path_of(path, "shared.bkc", 2);
    assert_int_equal(truncate(path, 100), 0);
    assert_int_equal(bk_engine_reset(&engine), BK_OK);
    cp = open_checkpoint();
    assert_int_equal(bk_checkpoint_load(cp, &engine, &generation, &reason), BK_OK);
    assert_int_equal(generation.number, 1);
    write_generations(cp, 1);
    assert_true(counts(3) && counts(1)); /* the newest whole ones, and both of them */
    assert_false(counts(2));
    write_generations(cp, 1);
    assert_true(counts(4) && counts(3));
    assert_false(counts(1));
    bk_checkpoint_close(&cp);
}

static void where_none_could_be_loaded_the_next_two_stay(void **state)
{
    (void)state;
    struct bk_generation generation;
    struct bk_reason reason;
    char path[128];
    struct bk_checkpoint *cp = open_checkpoint();
    write_generations(cp, 2);
    bk_checkpoint_close(&cp);
    for (int n = 1; n <= 2; n++) {
        path_of(path, "shared.bkc", n);
        assert_int_equal(truncate(path, 100), 0);
    }
    cp = open_checkpoint();
    assert_int_equal(bk_checkpoint_load(cp, &other, &generation, &reason), BK_ENOENT);
    write_generations(cp, 2);
    assert_true(counts(3) && counts(4));
    assert_false(counts(1) || counts(2));
    bk_checkpoint_close(&cp);
}

static void what_is_put_back_beside_a_running_one_is_never_dropped(void **state)
{
    (void)state;
    struct bk_checkpoint_status status;
    struct bk_checkpoint *cp = open_checkpoint();
    write_generations(cp, 1);
    run_shell("cp -r %s/generation-0000000001 %s/generation-0000000002", dir, dir);
    run_shell("cp -r %s/generation-0000000001 %s/generation-0000000009", dir, dir);
    write_generations(cp, 1); /* its name is taken */
    bk_checkpoint_status(cp, &status);
    assert_int_equal(status.failures, 1);
    assert_true(counts(2));
    write_generations(cp, 1);
    bk_checkpoint_status(cp, &status);
    assert_int_equal(status.generation, 3);
    assert_true(counts(3) && counts(2) && counts(9)); /* only what is older makes room */
    assert_false(counts(1));
    bk_checkpoint_close(&cp);
}

static void a_lock_that_was_deleted_is_taken_again(void **state)
{
    (void)state;
    struct bk_checkpoint_options options = {.dir = dir, .keep = 2, .at_once = true};
    struct bk_checkpoint_status status;
    struct bk_reason reason;
    int code = BK_OK;
    struct bk_checkpoint *cp = open_checkpoint();
    run_shell("rm %s/generation.lock", dir);
    write_generations(cp, 1);
    bk_checkpoint_status(cp, &status);
    assert_int_equal(status.generation, 1);
    assert_null(bk_checkpoint_open(&options, &code, &reason));
    assert_int_equal(code, BK_EAGAIN);
    run_shell("rm -r %s", dir);
    write_generations(cp, 1);
    bk_checkpoint_status(cp, &status);
    assert_int_equal(status.generation, 2);
    assert_int_equal(status.failures, 0);
    bk_checkpoint_close(&cp);
}

static void who_lost_the_folder_to_another_writes_nothing_into_it(void **state)
{
    (void)state;
    struct bk_checkpoint_status status;
    struct bk_checkpoint *cp = open_checkpoint();
    write_generations(cp, 1);
    run_shell("rm %s/generation.lock", dir);
    struct bk_checkpoint *faster = open_checkpoint();
    write_generations(cp, 1);
    bk_checkpoint_status(cp, &status);
    assert_int_equal(status.failures, 1);
    assert_int_equal(status.generation, 1);
    assert_non_null(strstr(status.error, "is held by the process"));
    write_generations(faster, 1);
    assert_true(counts(2));
    bk_checkpoint_close(&faster);
    write_generations(cp, 1); /* it is free again, and shows what is there by now */
    bk_checkpoint_status(cp, &status);
    assert_int_equal(status.generation, 3);
    bk_checkpoint_close(&cp);
}

int main(void)
{
    bk_log_level = BK_LOG_OFF; /* what fails here is meant to */
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, open_shop, close_shop)
        T(a_state_is_loaded_under_more_segments_than_it_was_made_for),
        T(more_items_than_are_configured_are_refused_by_name),
        T(of_very_many_generations_the_newest_are_seen),
        T(a_disk_too_full_for_the_lock_s_number_is_no_reason_not_to_run),
        T(an_attempt_that_is_given_up_stops_at_once),
        T(what_could_not_be_loaded_takes_no_place_of_what_is_kept),
        T(where_none_could_be_loaded_the_next_two_stay),
        T(what_is_put_back_beside_a_running_one_is_never_dropped),
        T(a_lock_that_was_deleted_is_taken_again),
        T(who_lost_the_folder_to_another_writes_nothing_into_it),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
