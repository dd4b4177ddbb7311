/* kafka_worker.c -- the questions that librdkafka answers only by blocking, asked from a thread.
 *
 * THE IDEA
 *   Metadata, watermarks and the destruction of a handle may each take seconds, and the loop may
 *   not wait for one of them. So one thread takes questions from a list, asks them one after the
 *   other, puts the answers into a second list and rings the loop's eventfd, the same bell
 *   librdkafka rings. No libuv handle is touched from here, and libuv's own pool, which resolves
 *   names for others, stays free.
 * INVARIANTS
 *   I1 every question becomes an answer, also when it failed (`err` is set): trying again is the
 *   asker's.
 *   I2 no single call into librdkafka takes longer than CALL_MS_MAX, but for destroy.
 * COST
 *   One thread, asleep nearly always.
 */
#include "kafka_internal.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { CALL_MS_MAX = 1000 };

struct kafka_worker {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t asked;
    int bell_fd;
    bool stop;
    bool hurry;
    struct kafka_question *questions, *answers; /* oldest first */
};

struct kafka_question *bk__kafka_question(enum kafka_ask ask, rd_kafka_t *rk, size_t spans_count)
{
    struct kafka_question *q = calloc(1, sizeof *q + spans_count * sizeof q->spans[0]);
    BK_ASSERT(q);
    q->ask = ask;
    q->rk = rk;
    q->spans_count = spans_count;
    return q;
}

static void list_append(struct kafka_question **list, struct kafka_question *q)
{
    while (*list) list = &(*list)->next;
    q->next = NULL;
    *list = q;
}

static struct kafka_question *list_take(struct kafka_question **list)
{
    struct kafka_question *q = *list;
    if (q) *list = q->next;
    return q;
}

static void note_error(struct kafka_question *q, rd_kafka_resp_err_t err, const char *topic)
{
    if (q->err) return;
    q->err = err;
    snprintf(q->err_topic, sizeof q->err_topic, "%s", topic);
}

static bool in_a_hurry(struct kafka_worker *worker)
{
    pthread_mutex_lock(&worker->lock);
    bool hurry = worker->hurry;
    pthread_mutex_unlock(&worker->lock);
    return hurry;
}

/* ---- the questions ---- */

static void ask_topic(struct kafka_question *q, enum bk_topic topic)
{
    const char *name = q->topics[topic];
    const struct rd_kafka_metadata *md = NULL;
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(q->rk, name, NULL);
    rd_kafka_resp_err_t err =
        rkt ? rd_kafka_metadata(q->rk, 0, rkt, &md, CALL_MS_MAX) : rd_kafka_last_error();
    if (!err && md->topic_cnt == 1) {
        err = md->topics[0].err;
        q->partitions[topic] = md->topics[0].partition_cnt;
    }
    if (!err && q->partitions[topic] == 0) err = RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    if (err) {
        q->partitions[topic] = 0;
        note_error(q, err, name);
    }
    if (md) rd_kafka_metadata_destroy(md);
    if (rkt) rd_kafka_topic_destroy(rkt);
}

static void ask_topics(struct kafka_worker *worker, struct kafka_question *q)
{
    for (int topic = 0; topic < BK_TOPIC_COUNT && !in_a_hurry(worker); topic++)
        if (q->topics[topic]) ask_topic(q, (enum bk_topic)topic);
}

/** The offsets of one edge (RD_KAFKA_OFFSET_BEGINNING or _END) of all the partitions; -1 where
 * unknown. It is the look-up by time, whose time may be an edge too:
 * rd_kafka_query_watermark_offsets takes a timeout and forgets it while a broker is down (seen
 * with 2.0.2: more than 90 s). */
static void ask_edge(struct kafka_question *q, int64_t edge)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)q->spans_count);
    for (size_t i = 0; i < q->spans_count; i++)
        rd_kafka_topic_partition_list_add(list, q->topics[q->spans[i].topic], q->spans[i].partition)
            ->offset = edge;
    rd_kafka_resp_err_t err = rd_kafka_offsets_for_times(q->rk, list, CALL_MS_MAX);
    if (err) note_error(q, err, list->cnt ? list->elems[0].topic : "");
    for (int i = 0; i < list->cnt; i++) {
        bool known = !err && !list->elems[i].err && list->elems[i].offset >= 0;
        if (list->elems[i].err) note_error(q, list->elems[i].err, list->elems[i].topic);
        int64_t offset = known ? list->elems[i].offset : -1;
        if (edge == RD_KAFKA_OFFSET_END)
            q->spans[i].high = offset;
        else
            q->spans[i].low = offset;
    }
    rd_kafka_topic_partition_list_destroy(list);
}

static void ask_ends(struct kafka_worker *worker, struct kafka_question *q)
{
    for (size_t i = 0; i < q->spans_count; i++) q->spans[i].low = q->spans[i].high = -1;
    if (!in_a_hurry(worker)) ask_edge(q, RD_KAFKA_OFFSET_END);
    if (!in_a_hurry(worker)) ask_edge(q, RD_KAFKA_OFFSET_BEGINNING);
}

static void ask_coordinator(struct kafka_question *q)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, q->topics[BK_TOPIC_EVENTS], 0);
    q->group_err = rd_kafka_committed(q->rk, list, CALL_MS_MAX); /* whatever it is */
    rd_kafka_topic_partition_list_destroy(list);
}

static void ask_members(struct kafka_question *q)
{
    char group[256];
    size_t size = sizeof group;
    const struct rd_kafka_group_list *list = NULL;
    if (rd_kafka_conf_get(rd_kafka_conf(q->rk), "group.id", group, &size) != RD_KAFKA_CONF_OK)
        return;
    rd_kafka_resp_err_t err = rd_kafka_list_groups(q->rk, group, &list, CALL_MS_MAX);
    if (!list) return;
    if (list->group_cnt == 1 && !list->groups[0].err)
        q->members = list->groups[0].member_cnt;
    else if (list->group_cnt == 0 && !err)
        q->members = 0; /* a group without members and offsets is forgotten */
    rd_kafka_group_list_destroy(list);
}

static void ask_pulse(struct kafka_worker *worker, struct kafka_question *q)
{
    if (q->spans_count) ask_edge(q, RD_KAFKA_OFFSET_END);
    rd_kafka_resp_err_t err = q->err;
    if (err) ask_topics(worker, q); /* which tells the client of new leaders */
    q->err = err;
    if (q->of_group && !in_a_hurry(worker)) ask_coordinator(q);
    q->members = -1;
    if (q->of_members && !in_a_hurry(worker)) ask_members(q);
}

/* ---- the thread ---- */

static void ring(int bell_fd)
{
    uint64_t one = 1;
    ssize_t ignored = write(bell_fd, &one, sizeof one); /* EAGAIN: it is ringing already */
    (void)ignored;
}

static void work_on(struct kafka_worker *worker, struct kafka_question *q)
{
    switch (q->ask) {
    case KAFKA_ASK_TOPICS:
        ask_topics(worker, q);
        break;
    case KAFKA_ASK_ENDS:
        ask_ends(worker, q);
        break;
    case KAFKA_ASK_NUDGE:
        ask_edge(q, RD_KAFKA_OFFSET_END); /* one small request to each leader */
        break;
    case KAFKA_ASK_PULSE:
        ask_pulse(worker, q);
        break;
    case KAFKA_ASK_DESTROY:
        rd_kafka_destroy_flags(q->rk, q->destroy_flags);
        break;
    }
}

static void *worker_main(void *arg)
{
    struct kafka_worker *worker = arg;
    pthread_mutex_lock(&worker->lock);
    while (!worker->stop) {
        struct kafka_question *q = list_take(&worker->questions);
        if (!q) {
            pthread_cond_wait(&worker->asked, &worker->lock);
            continue;
        }
        pthread_mutex_unlock(&worker->lock);
        work_on(worker, q);
        pthread_mutex_lock(&worker->lock);
        list_append(&worker->answers, q);
        ring(worker->bell_fd);
    }
    pthread_mutex_unlock(&worker->lock);
    return NULL;
}

/** Signals are the loop's: the new thread takes none. */
static int start_thread(struct kafka_worker *worker)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&worker->thread, NULL, worker_main, worker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

struct kafka_worker *bk__kafka_worker_start(int bell_fd)
{
    struct kafka_worker *worker = calloc(1, sizeof *worker);
    if (!worker) return NULL;
    worker->bell_fd = bell_fd;
    pthread_mutex_init(&worker->lock, NULL);
    pthread_cond_init(&worker->asked, NULL);
    if (start_thread(worker) != 0) {
        free(worker);
        return NULL;
    }
    return worker;
}

void bk__kafka_worker_ask(struct kafka_worker *worker, struct kafka_question *question)
{
    pthread_mutex_lock(&worker->lock);
    list_append(&worker->questions, question);
    pthread_cond_signal(&worker->asked);
    pthread_mutex_unlock(&worker->lock);
}

struct kafka_question *bk__kafka_worker_answer(struct kafka_worker *worker)
{
    pthread_mutex_lock(&worker->lock);
    struct kafka_question *q = list_take(&worker->answers);
    pthread_mutex_unlock(&worker->lock);
    return q;
}

static void free_list(struct kafka_question **list)
{
    struct kafka_question *q;
    while ((q = list_take(list))) free(q);
}

void bk__kafka_worker_hurry(struct kafka_worker *worker)
{
    pthread_mutex_lock(&worker->lock);
    worker->hurry = true;
    free_list(&worker->questions);
    pthread_mutex_unlock(&worker->lock);
}

void bk__kafka_worker_stop(struct kafka_worker **worker_at)
{
    struct kafka_worker *worker = *worker_at;
    if (!worker) return;
    pthread_mutex_lock(&worker->lock);
    worker->stop = true;
    pthread_cond_signal(&worker->asked);
    pthread_mutex_unlock(&worker->lock);
    pthread_join(worker->thread, NULL);
    free_list(&worker->questions);
    free_list(&worker->answers);
    pthread_mutex_destroy(&worker->lock);
    pthread_cond_destroy(&worker->asked);
    free(worker);
    *worker_at = NULL;
}
