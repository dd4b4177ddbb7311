/* kafka.c -- Kafka as a source of the one loop.
 *
 * THE IDEA
 *   Two clients and a bell. One client reads the fact topics, all partitions of them, without a
 * group; the other is a member of the consumer group and reads its share of shop.events. It joins
 * only once the facts were delivered to their ends, so no event is ever ranked against half a
 * catalogue. Both clients, and the worker thread that asks what can only be asked by blocking, ring
 * the same eventfd. The bell says "take a turn" and nothing else: everything happens inside pull.
 *
 *      librdkafka (facts) --\                       owner's turn
 *      librdkafka (group) ---> eventfd -> uv_poll -> wake ... pull -> answers, steps, facts, events
 *      worker thread      --/                ^
 *                             uv_timer 1 s --'      (lost edges, commits, stalls, retries)
 *
 * PHASES
 *   discovering -> facts -> reading -> leaving -> destroying -> closed
 *     discovering  do the topics exist? asked again every second until all do
 *     facts        the facts are read to the ends they had (passed at once when there are none)
 *     reading      a member of the group, or about to be one
 *     leaving      both clients say good-bye; their queues are served, nothing is delivered
 *     destroying   the worker destroys the handles, which may block for ever: where a topic was
 *                  deleted, librdkafka before 2.1.0 (#4187) and in places before 2.7 (#4724) keeps a
 *                  reference to it. Everything was said by then, so after DESTROY_MS_MAX it is left
 * INVARIANTS
 *   I1 nothing here waits: every blocking call is the worker's.
 *   I2 the bell rings only from empty to not empty, so whoever stops before empty says wake
 * himself. I3 the clients are polled at least once a second, pulled or not, paused or not: a member
 * that is silent for max.poll.interval.ms is thrown out of its group. If the owner stalls longer
 * than STALL_MS with records waiting, the partitions are paused (which drops what was prefetched),
 *      so that polling finds rebalances and no records. The next pull resumes them.
 * COST
 *   One thread beside librdkafka's own; idle, one timer a second.
 */
#include "kafka_internal.h"

#include "basketry/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <uv.h>

enum {
    TICK_MS = 1000,
    LEAVING_TICK_MS = 20,
    STALL_MS = 10000,
    COMMIT_MS = 5000,
    GROWTH_MS = 10000,     /* topics of facts that got more partitions are noticed in this */
    LEAVE_MS_MAX = 6000,   /* then the handles are destroyed without a good-bye         */
    DESTROY_MS_MAX = 1500, /* then they are left behind: the owner was promised 10 s    */
    VERSION_REFUSED = 0x020100ff,
};

enum phase {
    PHASE_DISCOVERING,
    PHASE_FACTS,
    PHASE_READING,
    PHASE_LEAVING,
    PHASE_DESTROYING,
};

struct kafka_source {
    struct bk_source head;
    struct bk_source_events events;
    char *topics[BK_TOPIC_COUNT];
    struct kafka_consumer facts, group;
    struct kafka_worker *worker;
    uv_loop_t *loop;
    uv_poll_t bell;
    uv_timer_t tick;
    int bell_fd;
    int handles_open; /* libuv handles not closed yet */
    enum phase phase;
    bool topics_asked;
    char topic_missing[128];            /* "": none */
    int32_t partitions[BK_TOPIC_COUNT]; /* of the topics; 0: not known yet */
    bool solo;                          /* no group: all partitions of shop.events are ours */
    bool paused, stalled;               /* by the owner; because the owner stalls */
    int64_t stall_ms, pulled_ms, committed_ms, ask_at_ms, closing_ms, destroying_ms;
    int destroying;                 /* handles the worker has not destroyed yet */
    struct kafka_source *next_left; /* in left_behind */
    void (*closed)(void *arg);
    void *closed_arg;
};

static struct kafka_source *of_head(struct bk_source *head)
{
    return (struct kafka_source *)head; /* the first member */
}

static int64_t now_ms(const struct kafka_source *s)
{
    return (int64_t)uv_now(s->loop);
}

static void wake(struct kafka_source *s)
{
    s->events.wake(s->events.arg);
}

static bool has_facts(const struct kafka_source *s)
{
    return s->facts.rk != NULL;
}

/* ---- questions to the worker, and its answers ---- */

static void ask_topics(struct kafka_source *s)
{
    if (s->topics_asked || now_ms(s) < s->ask_at_ms) return;
    struct kafka_question *q =
        bk__kafka_question(KAFKA_ASK_TOPICS, has_facts(s) ? s->facts.rk : s->group.rk, 0);
    for (int topic = 0; topic < BK_TOPIC_COUNT; topic++) q->topics[topic] = s->topics[topic];
    s->topics_asked = true;
    bk__kafka_worker_ask(s->worker, q);
}

/** To begin with, and then for what is added to the facts. Nobody answers during an outage, and the
 * worker has better things to wait for. */
static bool wants_topics(const struct kafka_source *s)
{
    if (s->phase == PHASE_READING) return has_facts(s) && !s->facts.disconnected;
    return s->phase == PHASE_DISCOVERING;
}

static void ask_ends(struct kafka_source *s, struct kafka_consumer *c)
{
    c->now_ms = now_ms(s);
    struct kafka_question *q = bk__kafka_consumer_ask_ends(c);
    if (q) bk__kafka_worker_ask(s->worker, q);
}

static void nudge(struct kafka_source *s, struct kafka_consumer *c)
{
    struct kafka_question *q = bk__kafka_consumer_ask_nudge(c);
    if (q) bk__kafka_worker_ask(s->worker, q);
}

static void feel_pulse(struct kafka_source *s, struct kafka_consumer *c)
{
    struct kafka_question *q = bk__kafka_pulse_ask(c, s->partitions[BK_TOPIC_EVENTS], now_ms(s));
    if (q) bk__kafka_worker_ask(s->worker, q);
}

static struct kafka_consumer *asker_of(struct kafka_source *s, const struct kafka_question *answer)
{
    return answer->rk == s->facts.rk ? &s->facts : &s->group;
}

static void join_group(struct kafka_source *s)
{
    s->phase = PHASE_READING;
    if (s->group.rk && s->solo)
        bk__kafka_consumer_take(&s->group, s->partitions);
    else if (s->group.rk)
        bk__kafka_consumer_subscribe(&s->group);
}

static void say_missing(struct kafka_source *s, const struct kafka_question *answer)
{
    bool unknown = answer->err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
                   answer->err == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
    const char *missing = unknown ? answer->err_topic : "";
    if (strcmp(s->topic_missing, missing) != 0 && unknown)
        bk_log_warn("kafka", "topic_missing topic=%s action=retry retry_ms=%d", missing, TICK_MS);
    snprintf(s->topic_missing, sizeof s->topic_missing, "%s", missing);
    struct kafka_consumer *c = has_facts(s) ? &s->facts : &s->group;
    snprintf(c->detail, sizeof c->detail, "%s: %s", answer->err_topic,
             rd_kafka_err2str(answer->err));
}

/** The facts are read without a group, whose rounds tell of new partitions of the events. */
static void learn_growth(struct kafka_source *s, const struct kafka_question *answer)
{
    bool grown = false;
    s->ask_at_ms = now_ms(s) + GROWTH_MS;
    for (int topic = 0; topic < BK_TOPIC_COUNT; topic++) {
        if (!s->facts.topics[topic] || answer->partitions[topic] <= s->partitions[topic]) continue;
        bk_log_info("kafka", "partitions_added topic=%s partitions=%d before=%d", s->topics[topic],
                    answer->partitions[topic], s->partitions[topic]);
        s->partitions[topic] = answer->partitions[topic];
        grown = true;
    }
    if (grown) bk__kafka_consumer_take(&s->facts, s->partitions);
}

static void learn_topics(struct kafka_source *s, const struct kafka_question *answer)
{
    s->topics_asked = false;
    if (s->phase == PHASE_READING) learn_growth(s, answer);
    if (s->phase != PHASE_DISCOVERING) return;
    if (answer->err) {
        say_missing(s, answer);
        s->ask_at_ms = now_ms(s) + TICK_MS / 2; /* the next tick asks */
        return;
    }
    s->topic_missing[0] = '\0';
    memcpy(s->partitions, answer->partitions, sizeof s->partitions);
    s->facts.detail[0] = s->group.detail[0] = '\0';
    s->phase = PHASE_FACTS;
    s->ask_at_ms = now_ms(s) + GROWTH_MS;
    if (has_facts(s)) bk__kafka_consumer_take(&s->facts, answer->partitions);
}

static void learn(struct kafka_source *s, struct kafka_question *answer)
{
    switch (answer->ask) {
    case KAFKA_ASK_TOPICS:
        learn_topics(s, answer);
        break;
    case KAFKA_ASK_ENDS:
        bk__kafka_consumer_learn_ends(asker_of(s, answer), answer);
        break;
    case KAFKA_ASK_NUDGE:
        asker_of(s, answer)->nudging = false;
        break;
    case KAFKA_ASK_PULSE:
        bk__kafka_pulse_learn(asker_of(s, answer), answer, s->partitions[BK_TOPIC_EVENTS]);
        break;
    case KAFKA_ASK_DESTROY:
        s->destroying--;
        break;
    }
    free(answer);
}

static void learn_all(struct kafka_source *s)
{
    struct kafka_question *answer;
    while ((answer = bk__kafka_worker_answer(s->worker))) learn(s, answer);
}

/* ---- the turn ---- */

static void apply_pause(struct kafka_source *s)
{
    bk__kafka_consumer_pause(&s->facts, s->paused || s->stalled);
    bk__kafka_consumer_pause(&s->group, s->paused || s->stalled);
}

static void end_stall(struct kafka_source *s)
{
    if (!s->stalled) return;
    s->stalled = false;
    bk_log_info("kafka", "stall_ended after_ms=%lld", (long long)(now_ms(s) - s->pulled_ms));
    apply_pause(s);
}

static size_t pull(struct bk_source *head, size_t max)
{
    struct kafka_source *s = of_head(head);
    bool more = false;
    if (s->phase >= PHASE_LEAVING) return 0;
    end_stall(s);
    s->pulled_ms = now_ms(s);
    learn_all(s);
    if (wants_topics(s)) ask_topics(s);
    /* Once events flow, a flood of facts may not starve them. */
    size_t facts_max = s->phase == PHASE_READING ? (max + 1) / 2 : max;
    size_t taken = bk__kafka_consumer_drain(&s->facts, facts_max, &more);
    if (s->phase == PHASE_FACTS && bk__kafka_consumer_ended(&s->facts)) join_group(s);
    taken += bk__kafka_consumer_drain(&s->group, max - taken, &more);
    ask_ends(s, &s->facts);
    ask_ends(s, &s->group);
    nudge(s, &s->facts);
    nudge(s, &s->group);
    if (more) wake(s);
    return taken;
}

static void pause_source(struct bk_source *head, bool paused)
{
    struct kafka_source *s = of_head(head);
    if (s->paused == paused || s->phase >= PHASE_LEAVING) return;
    s->paused = paused;
    apply_pause(s);
    wake(s);
}

/** I3. */
static void keep_session(struct kafka_source *s)
{
    int64_t silent_ms = now_ms(s) - s->pulled_ms;
    if (silent_ms < TICK_MS) return;
    if (silent_ms >= s->stall_ms && !s->stalled && !s->paused &&
        (rd_kafka_queue_length(s->group.rk ? s->group.queue : s->facts.queue) > 0)) {
        bk_log_warn("kafka", "stalled action=pause silent_ms=%lld", (long long)silent_ms);
        s->stalled = true;
        apply_pause(s);
    }
    bool idle = !s->group.rk || rd_kafka_queue_length(s->group.queue) == 0;
    if (idle || s->stalled || s->paused) bk__kafka_consumer_safety_poll(&s->group);
}

static void commit_sometimes(struct kafka_source *s)
{
    if (now_ms(s) - s->committed_ms < COMMIT_MS) return;
    s->committed_ms = now_ms(s);
    bk__kafka_consumer_commit(&s->group);
}

/* ---- state ---- */

static uint32_t in_place(const struct kafka_source *s, enum kafka_place place)
{
    return bk__kafka_consumer_in_place(&s->group, place) +
           bk__kafka_consumer_in_place(&s->facts, place);
}

static bool is_out_of_range(const struct kafka_source *s)
{
    return in_place(s, KAFKA_PLACE_ASKED) || in_place(s, KAFKA_PLACE_RESTARTING);
}

static enum bk_source_state state_of(const struct kafka_source *s)
{
    if (s->phase >= PHASE_LEAVING) return BK_SOURCE_CLOSING;
    if (s->group.fatal || s->facts.fatal) return BK_SOURCE_FAILED;
    if (s->topic_missing[0] || s->group.topic_gone) return BK_SOURCE_TOPIC_MISSING;
    if (s->phase == PHASE_DISCOVERING) return BK_SOURCE_CONNECTING;
    if (s->group.disconnected || s->facts.disconnected) return BK_SOURCE_DISCONNECTED;
    if (in_place(s, KAFKA_PLACE_SHORTER)) return BK_SOURCE_LOG_SHORTER_THAN_STATE;
    if (in_place(s, KAFKA_PLACE_ANOTHER)) return BK_SOURCE_ANOTHER_LOG;
    if (in_place(s, KAFKA_PLACE_REFUSED)) return BK_SOURCE_PARTITIONS_OVER_LIMIT;
    if (is_out_of_range(s)) return BK_SOURCE_OFFSET_OUT_OF_RANGE;
    if (bk__kafka_is_leader_silent(&s->group) || bk__kafka_is_leader_silent(&s->facts))
        return BK_SOURCE_LEADER_AWAY;
    if (s->group.lost) return BK_SOURCE_MEMBERSHIP_LOST;
    if (bk__kafka_is_coordinator_silent(&s->group)) return BK_SOURCE_COORDINATOR_AWAY;
    if (s->paused) return BK_SOURCE_PAUSED;
    if (s->stalled) return BK_SOURCE_STALLED;
    if (s->phase == PHASE_FACTS) return BK_SOURCE_READING_FACTS;
    if (s->group.stands_by) return BK_SOURCE_STANDBY;
    if (s->group.rk && !s->group.joined) return BK_SOURCE_JOINING;
    if (s->group.rk && !s->group.parts_count) return BK_SOURCE_STANDBY;
    return BK_SOURCE_ASSIGNED;
}

static void status(struct bk_source *head, struct bk_source_status *out)
{
    const struct kafka_source *s = of_head(head);
    const struct kafka_consumer *told = s->group.detail[0] ? &s->group : &s->facts;
    memset(out, 0, sizeof *out);
    out->state = state_of(s);
    snprintf(out->detail, sizeof out->detail, "%s", told->detail);
    out->assigned = (uint32_t)(s->facts.parts_count + s->group.parts_count);
    out->resting = in_place(s, KAFKA_PLACE_SHORTER) + in_place(s, KAFKA_PLACE_ANOTHER) +
                   in_place(s, KAFKA_PLACE_REFUSED);
    out->records_lost = s->group.counts.lost;
    out->topic_partitions = s->partitions[BK_TOPIC_EVENTS];
    out->errors = s->facts.counts.errors + s->group.counts.errors;
    out->offset_resets = s->facts.counts.offset_resets + s->group.counts.offset_resets;
    int64_t facts = s->phase < PHASE_LEAVING ? bk__kafka_consumer_lag(&s->facts) : -1;
    int64_t group = s->phase < PHASE_LEAVING ? bk__kafka_consumer_lag(&s->group) : -1;
    out->lag_records = facts < 0 || group < 0 ? -1 : facts + group;
}

static int accept_log(struct bk_source *head, int32_t partition)
{
    struct kafka_source *s = of_head(head);
    if (s->phase != PHASE_READING) return BK_ENOENT;
    int err = bk__kafka_consumer_accept(&s->group, partition);
    if (!err) wake(s);
    return err;
}

/* ---- closing ---- */

/** Sources whose worker still waits inside librdkafka, where it may yet use bell and names: kept
 * until the process ends. The owner's thread alone writes here. */
static struct kafka_source *left_behind;

static void free_source(struct kafka_source *s)
{
    for (int topic = 0; topic < BK_TOPIC_COUNT; topic++) free(s->topics[topic]);
    free(s);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct kafka_source *s = handle->data;
    if (--s->handles_open) return;
    if (s->worker) {
        bk_log_warn("kafka", "destroy_deadline action=leave_client_behind");
        s->next_left = left_behind;
        left_behind = s;
        s->closed(s->closed_arg);
        return;
    }
    close(s->bell_fd); /* only after libuv let go of it */
    s->closed(s->closed_arg);
    free_source(s);
}

static void close_handles(struct kafka_source *s)
{
    if (uv_is_closing((uv_handle_t *)&s->tick)) return;
    s->handles_open = 2;
    uv_close((uv_handle_t *)&s->bell, on_handle_closed);
    uv_close((uv_handle_t *)&s->tick, on_handle_closed);
}

static void destroy_client(struct kafka_source *s, struct kafka_consumer *c, bool left)
{
    if (!c->rk) return;
    bk__kafka_consumer_release(c);
    struct kafka_question *q = bk__kafka_question(KAFKA_ASK_DESTROY, c->rk, 0);
    q->destroy_flags = left ? 0 : RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE;
    s->destroying++;
    bk__kafka_worker_ask(s->worker, q);
}

/** While closing, both the bell and the tick come here. */
static void close_step(struct kafka_source *s)
{
    learn_all(s);
    if (s->phase == PHASE_LEAVING) {
        bool facts_left = bk__kafka_consumer_left(&s->facts);
        bool group_left = bk__kafka_consumer_left(&s->group);
        if (!(facts_left && group_left) && now_ms(s) - s->closing_ms < LEAVE_MS_MAX) return;
        s->phase = PHASE_DESTROYING;
        s->destroying_ms = now_ms(s);
        destroy_client(s, &s->facts, facts_left);
        destroy_client(s, &s->group, group_left);
    }
    if (s->destroying == 0) bk__kafka_worker_stop(&s->worker);
    if (!s->worker || now_ms(s) - s->destroying_ms >= DESTROY_MS_MAX) close_handles(s);
}

static void on_tick(uv_timer_t *timer)
{
    struct kafka_source *s = timer->data;
    if (s->phase >= PHASE_LEAVING) {
        close_step(s);
        return;
    }
    keep_session(s);
    commit_sometimes(s);
    if (s->phase == PHASE_READING) feel_pulse(s, &s->group);
    if (s->phase >= PHASE_FACTS) feel_pulse(s, &s->facts);
    wake(s); /* also what a lost edge left waiting, and questions to ask again */
}

static void on_bell(uv_poll_t *poll, int err, int events)
{
    struct kafka_source *s = poll->data;
    uint64_t rung;
    (void)events;
    ssize_t ignored = read(s->bell_fd, &rung, sizeof rung); /* non-blocking */
    (void)ignored;
    if (err < 0) bk_log_error("kafka", "bell_failed err=\"%s\" action=poll", uv_strerror(err));
    if (s->phase >= PHASE_LEAVING)
        close_step(s);
    else
        wake(s);
}

static void close_source(struct bk_source *head, void (*closed)(void *arg), void *arg)
{
    struct kafka_source *s = of_head(head);
    BK_ASSERT(s->phase < PHASE_LEAVING);
    s->closed = closed;
    s->closed_arg = arg;
    uv_update_time(s->loop);
    s->closing_ms = now_ms(s);
    s->phase = PHASE_LEAVING;
    bk__kafka_worker_hurry(s->worker);
    bk__kafka_consumer_leave(&s->facts);
    bk__kafka_consumer_leave(&s->group);
    uv_timer_start(&s->tick, on_tick, 0, LEAVING_TICK_MS);
}

/* ---- creation ---- */

static void restart(struct bk_source *head)
{
    struct kafka_source *s = of_head(head);
    if (s->phase >= PHASE_LEAVING) return;
    bk__kafka_consumer_restart(&s->facts); /* another state has those of another day */
    if (s->phase == PHASE_READING) /* else: where it stands is asked when it begins to read */
        bk__kafka_consumer_restart(&s->group);
    wake(s);
}

static const struct bk_source_ops kafka_ops = {.has_whole_facts = true,
                                               .pull = pull,
                                               .restart = restart,
                                               .pause = pause_source,
                                               .status = status,
                                               .accept = accept_log,
                                               .close = close_source};

/** Which client reads which topic. Returns whether `c` reads any. */
static bool share_topics(const struct kafka_source *s, struct kafka_consumer *c,
                         enum kafka_role role)
{
    bool any = false;
    for (int topic = 0; topic < BK_TOPIC_COUNT; topic++) {
        if ((role == KAFKA_ROLE_GROUP) != (topic == BK_TOPIC_EVENTS)) continue;
        c->topics[topic] = s->topics[topic];
        any |= c->topics[topic] != NULL;
    }
    return any;
}

static int start_client(struct kafka_source *s, struct kafka_consumer *c, enum kafka_role role,
                        const struct bk_kafka_options *options, struct bk_reason *reason)
{
    if (!share_topics(s, c, role)) return BK_OK;
    return bk__kafka_consumer_init(c, options, role, &s->events, s->bell_fd, reason);
}

static void drop_client(struct kafka_consumer *c)
{
    if (!c->rk) return;
    bk__kafka_consumer_release(c);
    rd_kafka_destroy_flags(c->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

/** A member must be heard every max.poll.interval.ms: a stall is noticed well before. */
static int64_t stall_ms_of(rd_kafka_t *rk)
{
    char text[32];
    size_t len = sizeof text;
    if (rd_kafka_conf_get(rd_kafka_conf(rk), "max.poll.interval.ms", text, &len) !=
        RD_KAFKA_CONF_OK)
        return STALL_MS;
    return bk_min_i64(STALL_MS, strtoll(text, NULL, 10) / 4);
}

static int check_version(struct bk_reason *reason)
{
    bk_log_info("kafka", "librdkafka version=%s", rd_kafka_version_str());
    if (rd_kafka_version() != VERSION_REFUSED) return BK_OK;
    return bk_reason_set(reason, BK_EUNSUPPORTED,
                         "librdkafka 2.1.0 does not count the polling of a queue and leaves the "
                         "group: use 2.0.2, or 2.1.1 and later");
}

/** Everything that can fail, before any libuv handle exists. */
static int start(struct kafka_source *s, const struct bk_kafka_options *options,
                 struct bk_reason *reason)
{
    int err = check_version(reason);
    if (err) return err;
    for (int topic = 0; topic < BK_TOPIC_COUNT; topic++)
        if (options->topics[topic]) s->topics[topic] = strdup(options->topics[topic]);
    s->bell_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (s->bell_fd < 0) return bk_reason_set(reason, BK_EIO, "eventfd: %s", strerror(errno));
    err = start_client(s, &s->group, KAFKA_ROLE_GROUP, options, reason);
    if (!err) err = start_client(s, &s->facts, KAFKA_ROLE_FACTS, options, reason);
    if (!err && !s->group.rk && !s->facts.rk)
        err = bk_reason_set(reason, BK_EINVAL, "no topic is to be read");
    if (err) return err;
    s->worker = bk__kafka_worker_start(s->bell_fd);
    return s->worker ? BK_OK : bk_reason_set(reason, BK_ENOMEM, "no thread for the Kafka source");
}

static void start_handles(struct kafka_source *s)
{
    s->bell.data = s->tick.data = s;
    BK_ASSERT(uv_poll_init(s->loop, &s->bell, s->bell_fd) == 0);
    BK_ASSERT(uv_timer_init(s->loop, &s->tick) == 0);
    uv_poll_start(&s->bell, UV_READABLE, on_bell);
    uv_timer_start(&s->tick, on_tick, TICK_MS, TICK_MS);
}

struct bk_source *bk_source_kafka_create(struct uv_loop_s *loop,
                                         const struct bk_kafka_options *options,
                                         const struct bk_source_events *events,
                                         struct bk_reason *reason)
{
    struct kafka_source *s = calloc(1, sizeof *s);
    if (!s) {
        bk_reason_set(reason, BK_ENOMEM, "no memory for the Kafka source");
        return NULL;
    }
    s->head.ops = &kafka_ops;
    s->events = *events;
    s->loop = loop;
    s->solo = !options->group_id;
    s->bell_fd = -1;
    if (start(s, options, reason) != BK_OK) {
        drop_client(&s->group);
        drop_client(&s->facts);
        if (s->bell_fd >= 0) close(s->bell_fd);
        free_source(s);
        return NULL;
    }
    s->stall_ms = stall_ms_of(s->group.rk ? s->group.rk : s->facts.rk);
    s->pulled_ms = s->committed_ms = now_ms(s);
    start_handles(s);
    ask_topics(s);
    return &s->head;
}
