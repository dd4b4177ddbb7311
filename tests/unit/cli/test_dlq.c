/* test_dlq.c -- what `basketry dlq` reads, against a mock cluster. */
#include "../../../src/cli/dlq_facts.h"

#include "support/kafka_shop.h"

static struct shop shop;
static struct bk_config *cfg;
static struct bk_reason reason;

static int open_all(void **state)
{
    char brokers[256];
    (void)state;
    open_shop(&shop, 1);
    cfg = bk_config_create();
    assert_non_null(cfg);
    snprintf(brokers, sizeof brokers, "kafka.brokers=%s",
             rd_kafka_mock_cluster_bootstraps(shop.cluster));
    assert_int_equal(bk_config_set(cfg, brokers, &reason), BK_OK);
    reason.text[0] = '\0';
    return 0;
}

static int close_all_of_it(void **state)
{
    (void)state;
    bk_config_destroy(&cfg);
    close_shop(&shop);
    return 0;
}

struct heard {
    int64_t next[PARTS_MAX];
    int count;
    bool answers; /* each letter makes another one */
};

static int hear(void *arg, const struct dlq_letter *letter)
{
    struct heard *heard = arg;
    assert_int_equal(letter->offset, heard->next[letter->partition]++);
    if (++heard->count > 100) return BK_ELIMIT; /* it would go on for ever */
    if (heard->answers) {
        sell(&shop, BK_TOPIC_STOCK, letter->partition, 1);
        settle(&shop);
    }
    return BK_OK;
}

static void the_whole_topic_is_read_and_an_empty_one_too(void **state)
{
    (void)state;
    struct heard heard = {.count = 0};
    open_topic(&shop, BK_TOPIC_STOCK, 3);
    assert_int_equal(bk__dlq_read(cfg, "stock", hear, &heard, &reason), BK_OK);
    assert_int_equal(heard.count, 0);
    sell(&shop, BK_TOPIC_STOCK, 0, 40);
    sell(&shop, BK_TOPIC_STOCK, 2, 2);
    settle(&shop);
    assert_int_equal(bk__dlq_read(cfg, "stock", hear, &heard, &reason), BK_OK);
    assert_int_equal(heard.next[0], 40);
    assert_int_equal(heard.next[1], 0);
    assert_int_equal(heard.next[2], 2);
}

/* Such as letters about records that were sent back: they would be sent back again, and again. */
static void what_is_written_meanwhile_is_left_for_the_next_reading(void **state)
{
    (void)state;
    struct heard heard = {.answers = true};
    open_topic(&shop, BK_TOPIC_STOCK, 2);
    sell(&shop, BK_TOPIC_STOCK, 0, 3);
    sell(&shop, BK_TOPIC_STOCK, 1, 30);
    settle(&shop);
    assert_int_equal(bk__dlq_read(cfg, "stock", hear, &heard, &reason), BK_OK);
    assert_int_equal(heard.next[0], 3);
    assert_int_equal(heard.next[1], 30);
}

static bool is_overtaken(struct dlq_facts *facts, const char *key, int32_t partition,
                         int64_t offset)
{
    struct dlq_letter letter = {
        .key = bk_str_c(key), .from_partition = partition, .from_offset = offset};
    bool overtaken = true;
    assert_int_equal(bk__dlq_is_overtaken(facts, cfg, BK_TOPIC_PRODUCTS, "products", &letter,
                                          &overtaken, &reason),
                     BK_OK);
    return overtaken;
}

static void a_fact_is_overtaken_by_a_later_record_of_its_key(void **state)
{
    (void)state;
    struct dlq_facts facts = {0};
    open_topic(&shop, BK_TOPIC_PRODUCTS, 2);
    sell(&shop, BK_TOPIC_PRODUCTS, 0, 3); /* all of the key "k" */
    settle(&shop);
    assert_true(is_overtaken(&facts, "k", 0, 0));
    assert_true(is_overtaken(&facts, "k", 0, 1));
    assert_false(is_overtaken(&facts, "k", 0, 2)); /* its own record is no later one */
    assert_false(is_overtaken(&facts, "milk", 0, 0));
    assert_false(is_overtaken(&facts, "k", 1, 0));
    bk__dlq_facts_deinit(&facts);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_all, close_all_of_it)
    const struct CMUnitTest tests[] = {
        T(the_whole_topic_is_read_and_an_empty_one_too),
        T(what_is_written_meanwhile_is_left_for_the_next_reading),
        T(a_fact_is_overtaken_by_a_later_record_of_its_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
