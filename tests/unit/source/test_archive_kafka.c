/* test_archive_kafka.c -- from a mock cluster into an archive: whose log it is. */
#include "support/kafka_shop.h"

#include "basketry/archive.h"
#include "basketry/log.h"

#include <unistd.h>

enum { SOLD = 20 };

static char folder[200], brokers[256];
static struct shop shop;
static volatile sig_atomic_t stop;

static int open_all(void **state)
{
    char command[256];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    if (system(command)) return 1;
    open_shop(&shop, 1);
    snprintf(brokers, sizeof brokers, "%s", rd_kafka_mock_cluster_bootstraps(shop.cluster));
    open_topic(&shop, BK_TOPIC_PRODUCTS, 2);
    sell(&shop, BK_TOPIC_PRODUCTS, 0, SOLD);
    sell(&shop, BK_TOPIC_PRODUCTS, 1, SOLD);
    settle(&shop);
    return 0;
}

static int close_shop_and_folder(void **state)
{
    char command[256];
    (void)state;
    close_shop(&shop);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command) ? 1 : 0;
}

static struct bk_archive *open_archive(void)
{
    struct bk_reason reason = {""};
    int code;
    struct bk_archive *archive = bk_archive_open(folder, &code, &reason);
    if (!archive) fail_msg("%s", reason.text);
    return archive;
}

/* `basketry archive --until-end`: the code, and how many records it wrote. */
static int archive_log(uint64_t *records, struct bk_reason *reason)
{
    struct bk_kafka_options kafka = {
        .brokers = brokers, .topics = {[BK_TOPIC_PRODUCTS] = "products"}, .properties = quick};
    struct bk_archiver_options how = {
        .kafka = &kafka, .until_end = true, .flush_ms = 100, .stop = &stop};
    struct bk_archive *archive = open_archive();
    int code = bk_archiver_run(archive, &how, reason);
    *records = bk_archive_counts(archive)->records;
    struct bk_reason ignored;
    assert_int_equal(bk_archive_close(&archive, &ignored), 0);
    return code;
}

static void it_goes_on_behind_the_record_that_it_finds_again(void **state)
{
    (void)state;
    struct bk_reason reason = {""};
    uint64_t records;
    if (archive_log(&records, &reason)) fail_msg("%s", reason.text);
    assert_int_equal(records, 2 * SOLD);
    if (archive_log(&records, &reason)) fail_msg("%s", reason.text);
    assert_int_equal(records, 0);
    sell(&shop, BK_TOPIC_PRODUCTS, 1, 5);
    settle(&shop);
    if (archive_log(&records, &reason)) fail_msg("%s", reason.text);
    assert_int_equal(records, 5);
}

/* An archive of a topic of that name and cluster, which ended where ours does not yet. */
static void leave_archive(const char *value)
{
    struct bk_reason reason = {""};
    int64_t next;
    char *cluster = rd_kafka_clusterid(shop.producer, 5000);
    struct bk_archive *archive = open_archive();
    assert_int_equal(bk_archive_bind(archive, cluster, BK_TOPIC_PRODUCTS, "products", &reason), 0);
    rd_kafka_mem_free(shop.producer, cluster);
    for (int32_t p = 0; p < 2; p++) {
        assert_int_equal(bk_archive_part(archive, BK_TOPIC_PRODUCTS, p, &next, &reason), 0);
        for (int64_t offset = 0; p == 0 && offset < SOLD / 2; offset++) {
            struct bk_record record = {.topic = BK_TOPIC_PRODUCTS,
                                       .offset = offset,
                                       .timestamp_ms = 1000,
                                       .key = BK_STR("k"),
                                       .value = bk_str_c(value)};
            assert_int_equal(
                bk_archive_append(archive, &record, (bk_str_t){NULL, 0}, 1000, &reason), 0);
        }
    }
    assert_int_equal(bk_archive_close(&archive, &reason), 0);
}

/* Deleted, made anew, and longer by now than it was then. */
static void a_log_that_was_made_anew_and_outgrew_the_archive_is_refused(void **state)
{
    (void)state;
    struct bk_reason reason = {""};
    uint64_t records;
    leave_archive("of the topic before");
    assert_int_equal(archive_log(&records, &reason), BK_EINVAL);
    if (!strstr(reason.text, "another record at offset 9")) fail_msg("%s", reason.text);
    struct bk_log_reader *reader = bk_log_reader_open(folder, &reason);
    struct bk_record record;
    assert_non_null(reader);
    while (bk_log_reader_next(reader, &record, &reason) == 1)
        if (record.partition == 0) assert_in_range(record.offset, 0, SOLD / 2 - 1);
    bk_log_reader_close(&reader);
}

static void the_last_record_is_known_when_a_partition_is_opened(void **state)
{
    (void)state;
    struct bk_reason reason = {""};
    int64_t next, offset;
    uint64_t mark;
    leave_archive("milk");
    struct bk_archive *archive = open_archive();
    assert_int_equal(bk_archive_partitions(archive, BK_TOPIC_PRODUCTS), 2);
    assert_int_equal(bk_archive_partitions(archive, BK_TOPIC_EVENTS), 0);
    assert_int_equal(bk_archive_part(archive, BK_TOPIC_PRODUCTS, 0, &next, &reason), 0);
    assert_int_equal(bk_archive_part(archive, BK_TOPIC_PRODUCTS, 1, &next, &reason), 0);
    assert_true(bk_archive_last(archive, BK_TOPIC_PRODUCTS, 0, &offset, &mark));
    assert_int_equal(offset, SOLD / 2 - 1);
    struct bk_record milk = {.timestamp_ms = 1000, .key = BK_STR("k"), .value = BK_STR("milk")};
    assert_true(mark == bk_record_mark(&milk));
    assert_false(bk_archive_last(archive, BK_TOPIC_PRODUCTS, 1, &offset, &mark));
    assert_int_equal(bk_archive_close(&archive, &reason), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_all, close_shop_and_folder)
    const struct CMUnitTest tests[] = {
        T(it_goes_on_behind_the_record_that_it_finds_again),
        T(a_log_that_was_made_anew_and_outgrew_the_archive_is_refused),
        T(the_last_record_is_known_when_a_partition_is_opened),
    };
    const char *dir = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
    snprintf(folder, sizeof folder, "%s/bk_test_archive_kafka_%d", dir, (int)getpid());
    bk_log_level = BK_LOG_OFF;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
