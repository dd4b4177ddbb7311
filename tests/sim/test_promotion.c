/* test_promotion.c -- a state that was loaded is ours to publish where its partitions are ours, and
 * one that is promoted takes the running one's place, whatever it knows of. */
#include "support/sim_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { EACH = 40 };

static struct sim_world world;
static struct sim_log log_;
static struct sim_truth truth;
static char dir[64], setting[96];

static void tell_views(const char *customer, int32_t partition)
{
    for (uint32_t i = 0; i < EACH; i++) {
        struct told told =
            tell_view(customer, told_name("i", i % 30), TOLD_START + (int64_t)i * 1000);
        sim_log_tell(&log_, &told, partition, 0);
        told_free(&told);
    }
}

static int open_two(void **state)
{
    (void)state;
    log_ = (struct sim_log){.partitions = 2};
    tell_views("ada", 0);
    tell_views("bob", 1);
    snprintf(dir, sizeof dir, "/tmp/bk-promotion-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int close_two(void **state)
{
    (void)state;
    char command[96];
    sim_log_free(&log_);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command) == 0 ? 0 : -1;
}

static void open_world(struct sim_plan *plan)
{
    snprintf(setting, sizeof setting, "checkpoint.dir=%s", dir);
    for (size_t i = 0; i < BK_COUNTOF(plan->config); i++) {
        if (plan->config[i]) continue;
        plan->config[i] = setting;
        break;
    }
    sim_world_open(&world, plan, &log_);
    world.calm = true;
}

/* How often it was written. */
static uint32_t homes_of(const char *subject)
{
    char key[BK_KEY_BYTES_MAX];
    size_t len = bk_key_subject(BK_STR("bk:v1"), bk_str_c(subject), BK_STR("home"), key);
    const struct sim_entry *home = sim_sink_find(&world.sink, key, len);
    return home ? home->writes : 0;
}

static bool has_home(const char *subject)
{
    return homes_of(subject) > 0;
}

static struct bk_checkpoint *open_folder(void)
{
    struct bk_checkpoint_options options = {.dir = dir,
                                            .interval_ms = 1000000,
                                            .records_max = 1000000,
                                            .copy_bytes_max = 1 << 20,
                                            .keep = 2,
                                            .at_once = true};
    struct bk_reason reason = {{0}};
    int code;
    struct bk_checkpoint *checkpoint = bk_checkpoint_open(&options, &code, &reason);
    if (!checkpoint) fail_msg("%s", reason.text);
    return checkpoint;
}

/* A generation of the partitions that are wanted, read to their end. */
static void leave_a_generation(bool second_too)
{
    struct sim_plan plan = sim_plan_calm(3);
    open_world(&plan);
    struct bk_checkpoint *checkpoint = open_folder();
    world.source.want[1] = second_too;
    bk_pipeline_attach_checkpoint(world.pl, checkpoint, NULL);
    sim_sink_connect(&world.sink, false);
    sim_world_pass(&world, 10000, 10);
    bk_checkpoint_ask(checkpoint);
    sim_world_pass(&world, 100, 10);
    struct bk_checkpoint_status status;
    bk_checkpoint_status(checkpoint, &status);
    assert_int_equal(status.generation, 1);
    sim_world_close(&world);
    bk_checkpoint_close(&checkpoint);
}

/* A world that goes on from the generation that was left. */
static struct bk_checkpoint *open_world_with_generation(struct sim_plan *plan)
{
    struct bk_generation generation;
    struct bk_reason reason = {{0}};
    open_world(plan);
    struct bk_checkpoint *checkpoint = open_folder();
    assert_int_equal(
        bk_checkpoint_load(checkpoint, bk_pipeline_engine(world.pl), &generation, &reason), BK_OK);
    bk_pipeline_attach_checkpoint(world.pl, checkpoint, &generation);
    return checkpoint;
}

static void what_is_loaded_is_published_where_the_partition_is_ours(void **state)
{
    (void)state;
    struct sim_plan plan = sim_plan_calm(4);
    leave_a_generation(true);
    struct bk_checkpoint *checkpoint = open_world_with_generation(&plan);
    world.source.want[1] = false; /* another instance has it, and goes on with it */
    sim_sink_connect(&world.sink, true);
    sim_world_pass(&world, 120000, 50);
    assert_true(has_home("c:ada"));
    assert_false(has_home("c:bob"));
    world.source.want[1] = true; /* it comes back */
    sim_source_rebalance(&world.source);
    sim_world_mend(&world);
    sim_world_until_done(&world);
    assert_true(has_home("c:bob"));
    world.source.want[1] = false; /* and goes again: its lists are another's from here on */
    sim_world_pass(&world, 1000, 50);
    uint32_t ada = homes_of("c:ada"), bob = homes_of("c:bob");
    sim_world_pass(&world, 120000, 50);
    assert_true(homes_of("c:ada") > ada);
    assert_int_equal(homes_of("c:bob"), bob);
    sim_world_close(&world);
    bk_checkpoint_close(&checkpoint);
}

static void
a_generation_that_lacks_a_partition_is_promoted_and_reads_it_from_its_beginning(void **state)
{
    (void)state;
    struct sim_plan plan = sim_plan_calm(5);
    struct bk_reason reason = {{0}};
    leave_a_generation(false);
    open_world(&plan);
    struct bk_checkpoint *checkpoint = open_folder();
    bk_pipeline_attach_checkpoint(world.pl, checkpoint, NULL);
    sim_sink_connect(&world.sink, false);
    sim_world_until_done(&world);
    assert_int_equal(world.source.delivered, 2 * EACH);
    assert_int_equal(bk_pipeline_promote(world.pl, "generation-0000000001", &reason), BK_OK);
    for (int i = 0; i < 5000 && world.source.delivered == 2 * EACH; i++) {
        usleep(1000); /* it is loaded by a thread */
        sim_world_pass(&world, 10, 10);
    }
    sim_world_until_done(&world);
    assert_int_equal(world.source.delivered, 3 * EACH); /* the second partition's again */
    sim_truth_init(&truth, &world);
    sim_check_state(&world, &truth);
    sim_truth_deinit(&truth);
    sim_world_close(&world);
    bk_checkpoint_close(&checkpoint);
}

static int64_t next_of(int32_t partition)
{
    const struct bk_shard *shard = bk_pipeline_engine(world.pl)->shards[partition];
    return shard ? bk_shard_totals(shard)->next_offset : 0;
}

static void nothing_is_published_before_a_promoted_state_has_passed_what_readers_have(void **state)
{
    (void)state;
    struct sim_plan plan = sim_plan_calm(6);
    struct bk_reason reason = {{0}};
    int64_t held_ms = 0;
    leave_a_generation(false);
    open_world(&plan);
    struct bk_checkpoint *checkpoint = open_folder();
    bk_pipeline_attach_checkpoint(world.pl, checkpoint, NULL);
    sim_sink_connect(&world.sink, false);
    sim_world_until_done(&world);
    assert_int_equal(bk_pipeline_promote(world.pl, "generation-0000000001", &reason), BK_OK);
    for (int i = 0; i < 5000 && next_of(1) == EACH; i++) {
        usleep(1000);
        world.source.part[1].visible = 0; /* slowly from here on: a record a step */
        sim_world_pass(&world, 10, 10);
    }
    assert_true(next_of(1) < EACH);
    uint64_t sets = world.sink.subject_sets;
    for (; next_of(1) < EACH; held_ms += 20000) {
        assert_int_equal(world.sink.subject_sets, sets);
        world.source.part[1].visible++;
        sim_world_pass(&world, 20000, 20000);
    }
    assert_true(held_ms > 90000);
    sim_world_until_done(&world);
    assert_true(world.sink.subject_sets > sets);
    sim_world_close(&world);
    bk_checkpoint_close(&checkpoint);
}

/* What happens once at a record is the running state's to do: a letter, a merge, an erasure. */
static void a_generation_that_is_ahead_waits_until_the_running_state_was_there(void **state)
{
    (void)state;
    struct sim_plan plan = sim_plan_calm(16);
    struct bk_reason reason = {{0}};
    leave_a_generation(true);
    open_world(&plan);
    struct bk_checkpoint *checkpoint = open_folder();
    bk_pipeline_attach_checkpoint(world.pl, checkpoint, NULL);
    sim_sink_connect(&world.sink, false);
    world.source.part[0].visible = 10; /* it lags behind on ada */
    sim_world_pass(&world, 1000, 10);
    assert_int_equal(bk_pipeline_promote(world.pl, "generation-0000000001", &reason), BK_OK);
    for (int i = 0; i < 200; i++) {
        usleep(1000);
        sim_world_pass(&world, 10, 10);
    }
    assert_int_equal(next_of(0), 10);
    assert_int_equal(bk_pipeline_promote(world.pl, "generation-0000000001", &reason), BK_EAGAIN);
    world.source.part[0].visible = EACH;
    sim_world_pass(&world, 1000, 10);
    sim_world_until_done(&world);
    assert_int_equal(world.source.delivered, 2 * EACH); /* none was passed over */
    assert_int_equal(bk_pipeline_promote(world.pl, "generation-0000000001", &reason), BK_OK);
    sim_world_close(&world);
    bk_checkpoint_close(&checkpoint);
}

static void what_is_loaded_is_shown_when_it_has_caught_up_and_not_before(void **state)
{
    (void)state;
    struct sim_plan plan = sim_plan_calm(7);
    leave_a_generation(true);
    for (int i = 0; i < 10; i++) tell_views("ada", 0); /* more than one turn reads */
    struct bk_checkpoint *checkpoint = open_world_with_generation(&plan);
    sim_sink_connect(&world.sink, true);
    sim_world_pass(&world, 5000, 10); /* and not a minute later */
    assert_int_equal(next_of(0), 11 * EACH);
    assert_true(has_home("c:ada") && has_home("c:bob"));
    assert_int_equal(world.sink.subject_sets,
                     8); /* four lists each, written once: none was older */
    sim_world_close(&world);
    bk_checkpoint_close(&checkpoint);
}

static void what_is_promoted_is_published_where_the_partition_is_ours(void **state)
{
    (void)state;
    struct sim_plan plan = sim_plan_calm(8);
    struct bk_reason reason = {{0}};
    leave_a_generation(true);
    open_world(&plan);
    struct bk_checkpoint *checkpoint = open_folder();
    world.source.want[1] = false;
    bk_pipeline_attach_checkpoint(world.pl, checkpoint, NULL);
    sim_sink_connect(&world.sink, true);
    sim_world_pass(&world, 10000, 10);
    assert_int_equal(bk_pipeline_promote(world.pl, "generation-0000000001", &reason), BK_OK);
    for (int i = 0; i < 5000 && next_of(1) == 0; i++) {
        usleep(1000);
        sim_world_pass(&world, 10, 10);
    }
    assert_int_equal(next_of(1), EACH); /* it knows bob */
    sim_world_pass(&world, 120000, 50);
    assert_true(has_home("c:ada"));
    assert_false(has_home("c:bob"));
    sim_world_close(&world);
    bk_checkpoint_close(&checkpoint);
}

static void a_topic_with_more_partitions_than_the_generation_knew_is_refused(void **state)
{
    (void)state;
    struct sim_plan plan = sim_plan_calm(9);
    leave_a_generation(true);
    log_.partitions = 3;
    struct bk_checkpoint *checkpoint = open_world_with_generation(&plan);
    sim_sink_connect(&world.sink, true);
    sim_world_pass(&world, 1000, 10);
    assert_non_null(bk_pipeline_refusal(world.pl));
    assert_non_null(strstr(bk_pipeline_refusal(world.pl)->text, "3 partitions"));
    assert_int_equal(world.sink.subject_sets, 0);
    sim_world_close(&world);
    bk_checkpoint_close(&checkpoint);
}

static void a_generation_of_other_partitions_is_not_promoted(void **state)
{
    (void)state;
    struct sim_plan plan = sim_plan_calm(10);
    struct bk_reason reason = {{0}};
    leave_a_generation(true);
    log_.partitions = 3;
    open_world(&plan);
    struct bk_checkpoint *checkpoint = open_folder();
    bk_pipeline_attach_checkpoint(world.pl, checkpoint, NULL);
    sim_sink_connect(&world.sink, false);
    sim_world_until_done(&world);
    assert_int_equal(bk_pipeline_promote(world.pl, "generation-0000000001", &reason), BK_OK);
    for (int i = 0; i < 200; i++) {
        usleep(1000);
        sim_world_pass(&world, 10, 10);
    }
    assert_int_equal(bk_pipeline_promote(world.pl, "generation-0000000001", &reason), BK_OK);
    assert_null(bk_pipeline_refusal(world.pl));
    assert_int_equal(world.source.delivered, 2 * EACH); /* the running state goes on */
    sim_world_close(&world);
    bk_checkpoint_close(&checkpoint);
}

static void a_topic_that_grows_is_refused_in_a_first_life_too(void **state)
{
    (void)state;
    struct sim_plan plan = sim_plan_calm(11);
    open_world(&plan);
    sim_sink_connect(&world.sink, true);
    sim_world_until_done(&world);
    log_.partitions = 3;
    world.source.want[2] = true;
    sim_world_pass(&world, 1000, 10);
    assert_non_null(bk_pipeline_refusal(world.pl));
    assert_non_null(strstr(bk_pipeline_refusal(world.pl)->text, "made with 2"));
    sim_world_close(&world);
}

static int64_t asked_for(int32_t partition)
{
    return world.source.events.assigned(world.source.events.arg, BK_TOPIC_EVENTS, partition);
}

static void where_a_log_begins_is_known_to_a_generation(void **state)
{
    (void)state;
    struct sim_plan plan = sim_plan_calm(17);
    struct bk_source_events *events = &world.source.events;
    log_.partitions = 3;
    open_world(&plan);
    struct bk_checkpoint *checkpoint = open_folder();
    bk_pipeline_attach_checkpoint(world.pl, checkpoint, NULL);
    assert_int_equal(asked_for(2), BK_OFFSET_BEGINNING);
    assert_int_equal(asked_for(2), BK_OFFSET_BEGINNING); /* nobody has said where that is */
    sim_world_pass(&world, 1000, 10);
    assert_int_equal(asked_for(2), 0);
    events->begins(events->arg, BK_TOPIC_EVENTS, 1, 70); /* lost, and no record since */
    events->begins(events->arg, BK_TOPIC_EVENTS, 0, 3);  /* what was read already */
    bk_checkpoint_ask(checkpoint);
    sim_world_pass(&world, 100, 10);
    sim_world_close(&world);
    bk_checkpoint_close(&checkpoint);
    checkpoint = open_world_with_generation(&plan);
    assert_int_equal(asked_for(0), EACH);
    assert_int_equal(asked_for(1), 70);
    assert_int_equal(asked_for(2), 0); /* what goes before it is read is lost, and counted */
    sim_world_close(&world);
    bk_checkpoint_close(&checkpoint);
}

/* ---- products that their topic does not name any more ---- */

/* A world that goes on from a generation which knows i1, i2 and i3; the topic names i1 alone now. */
static struct bk_checkpoint *open_world_with_products(struct sim_plan *plan)
{
    static const char *const items[] = {"i1", "i2", "i3"};
    for (size_t i = 0; i < BK_COUNTOF(items); i++) sim_log_product(&log_, items[i], "a name");
    leave_a_generation(true);
    log_.products.count = 1;
    struct bk_checkpoint *checkpoint = open_world_with_generation(plan);
    sim_sink_connect(&world.sink, true);
    return checkpoint;
}

static void close_world_with_products(struct bk_checkpoint *checkpoint)
{
    log_.products.count = 3;
    sim_world_close(&world);
    bk_checkpoint_close(&checkpoint);
}

static bool has_name(const char *item)
{
    const struct bk_shared *shared = &bk_pipeline_engine(world.pl)->shared;
    uint32_t number = bk_item_find(shared, bk_str_c(item));
    assert_int_not_equal(number, 0); /* what shoppers did with it stays */
    return bk_item_fact(shared, number, BK_FACT_NAME).len > 0;
}

static void a_product_that_its_topic_does_not_name_any_more_has_no_facts(void **state)
{
    (void)state;
    struct sim_plan plan = sim_plan_calm(18);
    struct bk_checkpoint *checkpoint = open_world_with_products(&plan);
    assert_true(has_name("i1") && has_name("i2"));
    sim_world_pass(&world, 100, 10);
    assert_true(has_name("i1"));
    assert_false(has_name("i2") || has_name("i3"));
    close_world_with_products(checkpoint);
}

static void a_record_that_cannot_be_used_names_its_product_too(void **state)
{
    (void)state;
    struct sim_plan plan = sim_plan_calm(19);
    struct bk_checkpoint *checkpoint = open_world_with_products(&plan);
    struct sim_record *record = &log_.products.record[0];
    record->bytes[record->key_len] ^= 1; /* no frame any more */
    sim_world_pass(&world, 100, 10);
    assert_true(has_name("i1"));
    assert_false(has_name("i2"));
    close_world_with_products(checkpoint);
}

static void only_a_read_of_the_whole_topic_forgets_products(void **state)
{
    (void)state;
    struct sim_plan plan = sim_plan_calm(20);
    struct bk_checkpoint *checkpoint = open_world_with_products(&plan);
    struct bk_source_events *events = &world.source.events;
    assert_int_equal(events->assigned(events->arg, BK_TOPIC_PRODUCTS, 1), BK_OFFSET_BEGINNING);
    sim_world_pass(&world, 100, 10); /* one of two partitions is read */
    assert_true(has_name("i2"));
    events->revoked(events->arg, BK_TOPIC_PRODUCTS, 0);
    events->reached_end(events->arg, BK_TOPIC_PRODUCTS, 1); /* what one named is not all */
    assert_true(has_name("i2"));
    close_world_with_products(checkpoint);
}

static void a_source_that_has_not_all_facts_forgets_none(void **state)
{
    (void)state;
    struct sim_plan plan = sim_plan_calm(21);
    struct bk_checkpoint *checkpoint = open_world_with_products(&plan);
    struct bk_source_ops part = *world.source.head.ops;
    part.has_whole_facts = false; /* an archive of some days */
    world.source.head.ops = &part;
    sim_world_pass(&world, 100, 10);
    assert_true(has_name("i2"));
    close_world_with_products(checkpoint);
}

/* ---- catching up unseen ---- */

/* A world that goes on from a generation with many of ada's events ahead, some of them read. */
static struct bk_checkpoint *open_world_far_behind(struct sim_plan *plan, bool connected)
{
    leave_a_generation(true);
    for (int i = 0; i < 50; i++) tell_views("ada", 0);
    struct bk_checkpoint *checkpoint = open_world_with_generation(plan);
    if (connected) sim_sink_connect(&world.sink, true);
    sim_world_step(&world);
    assert_true(next_of(0) > EACH && next_of(0) < 51 * EACH);
    return checkpoint;
}

static void what_was_loaded_takes_the_time_it_needs_as_long_as_it_gets_on(void **state)
{
    (void)state;
    struct sim_plan plan = sim_plan_calm(12);
    struct bk_checkpoint *checkpoint = open_world_far_behind(&plan, true);
    int64_t held_ms = 0;
    for (world.source.part[0].visible = (uint32_t)next_of(0); next_of(0) < 51 * EACH;
         held_ms += 20000) {
        assert_int_equal(world.sink.subject_sets, 0);
        world.source.part[0].visible += EACH;
        if (world.source.part[0].visible > 51 * EACH) world.source.part[0].visible = 51 * EACH;
        sim_world_pass(&world, 20000, 20000);
    }
    assert_true(held_ms > 120000);
    sim_world_until_done(&world);
    assert_true(has_home("c:ada"));
    sim_world_close(&world);
    bk_checkpoint_close(&checkpoint);
}

static void while_redis_is_away_what_was_loaded_waits_to_catch_up(void **state)
{
    (void)state;
    struct sim_plan plan = sim_plan_calm(13);
    struct bk_checkpoint *checkpoint = open_world_far_behind(&plan, false);
    sim_world_pass(&world, 300000, 2000);
    assert_true(next_of(0) < 51 * EACH);
    sim_sink_connect(&world.sink, false);
    while (next_of(0) < 51 * EACH) {
        assert_int_equal(world.sink.subject_sets, 0);
        sim_world_step(&world);
    }
    sim_world_until_done(&world);
    assert_true(has_home("c:ada"));
    sim_world_close(&world);
    bk_checkpoint_close(&checkpoint);
}

static void a_partition_that_stands_still_does_not_keep_the_others_for_ever(void **state)
{
    (void)state;
    struct sim_plan plan = sim_plan_calm(14);
    struct bk_checkpoint *checkpoint = open_world_far_behind(&plan, true);
    uint32_t stands = (uint32_t)next_of(0);
    world.source.part[0].visible = stands;
    for (int i = 0; i < 10; i++) { /* while the other one's shopper is here */
        tell_views("bob", 1);
        world.source.part[1].visible += EACH;
        sim_world_pass(&world, 10000, 100);
    }
    assert_int_equal(next_of(0), stands);
    assert_true(has_home("c:bob"));
    sim_world_close(&world);
    bk_checkpoint_close(&checkpoint);
}

/* The running state, at its end, has another one promoted that knows less; how far it is then. */
static void promote_and_wait(void)
{
    struct bk_reason reason = {{0}};
    uint64_t before = world.source.delivered;
    assert_int_equal(bk_pipeline_promote(world.pl, "generation-0000000001", &reason), BK_OK);
    for (int i = 0; i < 5000 && (world.source.delivered == before || next_of(1) == EACH); i++) {
        usleep(1000);
        world.source.part[1].visible = 3;
        sim_world_pass(&world, 10, 10);
    }
    assert_int_equal(next_of(1), 3);
}

static void a_second_promotion_knows_what_readers_had_before_the_first(void **state)
{
    (void)state;
    struct sim_plan plan = sim_plan_calm(15);
    leave_a_generation(false);
    open_world(&plan);
    struct bk_checkpoint *checkpoint = open_folder();
    bk_pipeline_attach_checkpoint(world.pl, checkpoint, NULL);
    sim_sink_connect(&world.sink, false);
    sim_world_until_done(&world);
    promote_and_wait();
    promote_and_wait(); /* the first is still on its way */
    uint64_t sets = world.sink.subject_sets;
    while (next_of(1) < EACH) {
        assert_int_equal(world.sink.subject_sets, sets);
        world.source.part[1].visible++;
        sim_world_pass(&world, 1000, 1000);
    }
    sim_world_until_done(&world);
    assert_true(world.sink.subject_sets > sets);
    sim_world_close(&world);
    bk_checkpoint_close(&checkpoint);
}

static void what_is_promoted_while_no_partition_is_ours_catches_up_when_they_come(void **state)
{
    (void)state;
    struct sim_plan plan = sim_plan_calm(16);
    struct bk_reason reason = {{0}};
    leave_a_generation(false);
    open_world(&plan);
    struct bk_checkpoint *checkpoint = open_folder();
    bk_pipeline_attach_checkpoint(world.pl, checkpoint, NULL);
    sim_sink_connect(&world.sink, false);
    sim_world_until_done(&world);
    world.source.want[0] = world.source.want[1] = false; /* a rebalance: all of them go */
    sim_world_pass(&world, 10, 10);
    assert_int_equal(bk_pipeline_promote(world.pl, "generation-0000000001", &reason), BK_OK);
    for (int i = 0; i < 5000 && next_of(1) == EACH; i++) {
        usleep(1000);
        sim_world_pass(&world, 10, 10);
    }
    uint64_t sets = world.sink.subject_sets;
    world.source.part[1].visible = 0;
    sim_source_want_all(&world.source); /* and come back */
    while (next_of(1) < EACH) {
        assert_int_equal(world.sink.subject_sets, sets);
        world.source.part[1].visible++;
        sim_world_pass(&world, 1000, 1000);
    }
    sim_world_until_done(&world);
    assert_true(world.sink.subject_sets > sets);
    sim_world_close(&world);
    bk_checkpoint_close(&checkpoint);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define STORY(name) cmocka_unit_test_setup_teardown(name, open_two, close_two)
        STORY(what_is_loaded_is_published_where_the_partition_is_ours),
        STORY(a_generation_that_lacks_a_partition_is_promoted_and_reads_it_from_its_beginning),
        STORY(nothing_is_published_before_a_promoted_state_has_passed_what_readers_have),
        STORY(a_generation_that_is_ahead_waits_until_the_running_state_was_there),
        STORY(what_is_loaded_is_shown_when_it_has_caught_up_and_not_before),
        STORY(what_is_promoted_is_published_where_the_partition_is_ours),
        STORY(a_topic_with_more_partitions_than_the_generation_knew_is_refused),
        STORY(a_generation_of_other_partitions_is_not_promoted),
        STORY(a_topic_that_grows_is_refused_in_a_first_life_too),
        STORY(where_a_log_begins_is_known_to_a_generation),
        STORY(a_product_that_its_topic_does_not_name_any_more_has_no_facts),
        STORY(a_record_that_cannot_be_used_names_its_product_too),
        STORY(only_a_read_of_the_whole_topic_forgets_products),
        STORY(a_source_that_has_not_all_facts_forgets_none),
        STORY(what_was_loaded_takes_the_time_it_needs_as_long_as_it_gets_on),
        STORY(while_redis_is_away_what_was_loaded_waits_to_catch_up),
        STORY(a_partition_that_stands_still_does_not_keep_the_others_for_ever),
        STORY(a_second_promotion_knows_what_readers_had_before_the_first),
        STORY(what_is_promoted_while_no_partition_is_ours_catches_up_when_they_come),
#undef STORY
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
