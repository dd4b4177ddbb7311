/* kafka_shop.h -- a mock cluster with a producer (the shop) and a source whose owner does what the
 * pipeline does (the reader).
 *
 * The value of every record is its topic, partition and offset, so that a mix-up shows; the reader
 * checks on every record that the partition is assigned and the offset is the next one. A fresh
 * group takes the mock 3 s to form: tests of order and ends therefore read facts, which need no
 * group, and only those about the group pay for one.
 */
#ifndef BASKETRY_TESTS_KAFKA_SHOP_H
#define BASKETRY_TESTS_KAFKA_SHOP_H

#include "basketry/source.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include <cmocka.h>

enum { PARTS_MAX = 8 };

#define EVENTS   (1u << BK_TOPIC_EVENTS)
#define PRODUCTS (1u << BK_TOPIC_PRODUCTS)
#define STOCK    (1u << BK_TOPIC_STOCK)

struct shop {
    rd_kafka_t *producer;
    rd_kafka_mock_cluster_t *cluster;
    int64_t produced[BK_TOPIC_COUNT][PARTS_MAX];
};

struct seen {
    bool assigned;
    int64_t start; /* what to answer to assigned; BK_OFFSET_BEGINNING at first    */
    int64_t next;  /* the offset that must come                                  */
    int64_t count; /* records, over all assignments                              */
    int assignments, ends;
    bool was_another; /* what was read before was another log */
    int64_t end_at;   /* records seen when reached_end came                         */
};

struct reader {
    uv_loop_t *loop;
    uv_idle_t turn;
    uv_timer_t limit;
    struct bk_source *source;
    struct seen seen[BK_TOPIC_COUNT][PARTS_MAX];
    size_t budget, pulled_max;
    bool lazy;   /* ignores wake */
    bool proves; /* knows the record it passed last */
    int proofs;  /* how often it was asked */
    int wakes;
    bool closed, timed_out;
    int64_t total, events_before_facts, facts_expected;
};

extern const char *const topic_names[BK_TOPIC_COUNT];
/* Properties of a reader, NULL-ended. */
extern const char *const quick[], *const cooperative[], *const impatient[], *const short_queue[];
extern int64_t goal; /* what the predicates wait for */

void open_shop(struct shop *shop, int brokers);
void open_topic(struct shop *shop, enum bk_topic topic, int partitions);
void settle(struct shop *shop);
void sell(struct shop *shop, enum bk_topic topic, int32_t partition, int count);
void sell_in_batches(struct shop *shop, enum bk_topic topic, int batches);
void close_shop(struct shop *shop);
struct bk_source *try_source(struct reader *r, struct shop *shop, const char *group,
                             unsigned topics, const char *const *properties,
                             struct bk_reason *reason);
void init_reader(struct reader *r, uv_loop_t *loop);
/* How most stories begin: a shop of one broker whose topic has `partitions`, each with so many records,
 * and a reader on a loop of its own that is not open yet. */
void open_scene(struct shop *shop, uv_loop_t *loop, struct reader *r, enum bk_topic topic,
                int partitions, int each);
void open_reader(struct reader *r, struct shop *shop, const char *group, unsigned topics,
                 const char *const *properties);
bool run_until(struct reader *r, int ms, bool (*done)(const struct reader *r));
void close_reader(struct reader *r, int ms_max);
/* The end of a story with one reader: it leaves within `ms_max`, nothing is left on the loop, the
 * shop closes. */
void close_all(struct shop *shop, uv_loop_t *loop, struct reader *r, int ms_max);
struct bk_source_status status_of(struct reader *r);
bool has_goal_total(const struct reader *r);
bool has_goal_ends(const struct reader *r);
bool has_goal_assigned(const struct reader *r);

#endif
