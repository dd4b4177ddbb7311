/* archive_kafka.c -- from Kafka into an archive: a consumer that is nobody's member.
 *
 * THE IDEA
 *   The archive itself says where to go on: all partitions are assigned from there, so the running
 *   instance's group never notices, and nothing is committed anywhere. Records go into the archive
 *   as they come; what a partition's log lost before it was read (retention, a broker's disk) is a
 *   gap: named, and refused unless it was accepted, then marked in the archive and counted.
 *
 *      look up topics -> bind cluster and names -> open partitions, find ends -> compare with the
 *      log's low and high -> assign -> copy until told to stop; now and then look for more
 *      partitions
 * INVARIANTS
 *   I1 an offset is appended once, in order: whatever the client offers again lies below `next` and
 *   is passed over. I2 a log that ends before the archive does, or holds another record where the
 *   archive's last one stood, is another log: refused. So that one is read again first, at each
 *   start and whenever the topic was gone. I3 a partition that came after the archive began is
 *   read from its offset 0, or its gap is named.
 * COST
 *   One thread of ours beside librdkafka's; memory: its queues, and 1 MiB a partition.
 */
#include "kafka_internal.h"

#include "basketry/archive.h"
#include "basketry/buf.h"
#include "basketry/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    POLL_MS = 100,
    NUDGE_EVENTS = 64,    /* how often the queue's length is looked at      */
    NUDGE_PEAK_MIN = 512, /* a shorter queue was not the limit of anything */
    NUDGE_MS_MAX = 1000,
    ASK_MS = 5000,
    WAIT_MS_MAX = 30000, /* for Kafka and the topics, at the start */
    TELL_MS = 10000,
    GROWN_MS = 5000,
    HOUR_MS = 3600000,
    DAY_MS = 86400000,
};

struct kept_part {
    enum bk_topic topic;
    int32_t partition;
    int64_t next; /* the offset wanted */
    int64_t end;  /* the log's end at start: until_end */
    bool ended;
    int64_t last_offset; /* of the last record that the archive was given; -1: not known */
    uint64_t last_mark;
    bool unproven; /* the log did not show that record yet */
};

struct archiver {
    struct bk_archive *archive;
    const struct bk_archiver_options *options;
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue;
    struct kept_part *parts;
    size_t parts_count, last_hit;
    int32_t counts[BK_TOPIC_COUNT]; /* partitions of a topic */
    struct bk_buf headers;
    size_t queue_peak; /* most that waited since the last nudge */
    int64_t told_ms, expired_ms, counted_ms;
    uint64_t told_records;
    struct bk_reason *reason;
};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool is_stopped(const struct archiver *a)
{
    return *a->options->stop != 0;
}

static const char *name_of(const struct archiver *a, enum bk_topic topic)
{
    return a->options->kafka->topics[topic];
}

/* ---- the start: which partitions, and from where ---- */

/** How many partitions a topic has; 0: none, or not known, after `reason`. */
static int32_t count_partitions(struct archiver *a, const char *name, int ms_max,
                                struct bk_reason *reason)
{
    const rd_kafka_metadata_t *found = NULL;
    int32_t count = 0;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(a->rk, name, NULL);
    rd_kafka_resp_err_t err =
        topic ? rd_kafka_metadata(a->rk, 0, topic, &found, ms_max) : rd_kafka_last_error();
    if (!err && found->topic_cnt == 1) {
        err = found->topics[0].err;
        count = err ? 0 : found->topics[0].partition_cnt;
    }
    if (count == 0) bk_reason_set(reason, BK_EUNAVAILABLE, "%s: %s", name, rd_kafka_err2str(err));
    if (found) rd_kafka_metadata_destroy(found);
    if (topic) rd_kafka_topic_destroy(topic);
    return count;
}

/** Partitions `from` and up to below `to`. */
static int add_parts(struct archiver *a, enum bk_topic topic, int32_t from, int32_t to)
{
    size_t count = a->parts_count + (size_t)(to - from);
    struct kept_part *grown = realloc(a->parts, count * sizeof *a->parts);
    if (!grown) return bk_reason_set(a->reason, BK_ENOMEM, "out of memory");
    a->parts = grown;
    for (int32_t p = from; p < to; p++)
        grown[a->parts_count++] = (struct kept_part){.topic = topic, .partition = p, .next = -1};
    a->counts[topic] = to;
    return BK_OK;
}

/** Ask until Kafka answers for every topic, at most WAIT_MS_MAX long. */
static int find_topics(struct archiver *a)
{
    int64_t until_ms = now_ms() + WAIT_MS_MAX;
    for (int topic = 0; topic < BK_TOPIC_COUNT; topic++) {
        const char *name = name_of(a, (enum bk_topic)topic);
        int32_t count = 0;
        while (name && !(count = count_partitions(a, name, ASK_MS, a->reason))) {
            if (is_stopped(a) || now_ms() > until_ms) return BK_EUNAVAILABLE;
            bk_log_warn("archive", "topic_not_there reason=\"%s\" action=retry", a->reason->text);
            nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
        }
        int code = count ? add_parts(a, (enum bk_topic)topic, 0, count) : BK_OK;
        if (code) return code;
    }
    a->reason->text[0] = '\0';
    return a->parts_count ? BK_OK
                          : bk_reason_set(a->reason, BK_EINVAL, "no topic is to be archived");
}

static int bind_log(struct archiver *a)
{
    char *cluster = rd_kafka_clusterid(a->rk, ASK_MS);
    int code =
        cluster ? BK_OK : bk_reason_set(a->reason, BK_EUNAVAILABLE, "the cluster tells no id");
    for (int topic = 0; topic < BK_TOPIC_COUNT && !code; topic++)
        if (name_of(a, (enum bk_topic)topic))
            code = bk_archive_bind(a->archive, cluster, (enum bk_topic)topic,
                                   name_of(a, (enum bk_topic)topic), a->reason);
    if (cluster) rd_kafka_mem_free(a->rk, cluster);
    return code;
}

/** Records from `next` to below `low` were dropped before we read them. */
static int take_gap(struct archiver *a, struct kept_part *part, int64_t low)
{
    bk_log_warn("archive", "gap topic=%s partition=%d from=%lld to=%lld action=%s",
                name_of(a, part->topic), part->partition, (long long)part->next, (long long)low - 1,
                a->options->accept_gaps ? "mark" : "refuse");
    if (!a->options->accept_gaps)
        return bk_reason_set(a->reason, BK_ENOENT,
                             "%s/%d: offsets %lld to %lld are gone from Kafka and not in the "
                             "archive; --accept-gaps marks the gap and goes on",
                             name_of(a, part->topic), part->partition, (long long)part->next,
                             (long long)low - 1);
    int64_t from = part->next;
    part->next = low;
    if (from == 0) return BK_OK; /* nothing was kept yet: the archive begins behind it */
    return bk_archive_mark_gap(a->archive, part->topic, part->partition, low, a->reason);
}

/** Compare where the archive ends with what the log has. */
static int place_part(struct archiver *a, struct kept_part *part)
{
    int64_t low, high;
    const char *name = name_of(a, part->topic);
    rd_kafka_resp_err_t err =
        rd_kafka_query_watermark_offsets(a->rk, name, part->partition, &low, &high, ASK_MS);
    if (err)
        return bk_reason_set(a->reason, BK_EUNAVAILABLE, "%s/%d: %s", name, part->partition,
                             rd_kafka_err2str(err));
    if (part->next > high)
        return bk_reason_set(a->reason, BK_EINVAL,
                             "%s/%d ends at %lld and the archive at %lld: this is another log, or "
                             "it was cut; archive it into another folder",
                             name, part->partition, (long long)high, (long long)part->next);
    part->end = high;
    if (low > part->last_offset) part->unproven = false; /* the log has let go of it */
    int code = part->next >= 0 && part->next < low ? take_gap(a, part, low) : BK_OK;
    if (part->next < 0) part->next = low;
    part->ended = part->next >= part->end && !part->unproven;
    return code;
}

/** `is_new`: the archive knows the topic and not this partition, so all of it is to be kept. */
static int open_part(struct archiver *a, struct kept_part *part, bool is_new)
{
    int code = bk_archive_part(a->archive, part->topic, part->partition, &part->next, a->reason);
    if (code) return code;
    if (is_new && part->next < 0) part->next = 0;
    part->unproven = bk_archive_last(a->archive, part->topic, part->partition, &part->last_offset,
                                     &part->last_mark);
    code = place_part(a, part);
    bk_log_debug("archive", "from topic=%s partition=%d next=%lld end=%lld",
                 name_of(a, part->topic), part->partition, (long long)part->next,
                 (long long)part->end);
    return code;
}

static int open_parts(struct archiver *a)
{
    int32_t known[BK_TOPIC_COUNT];
    int code = BK_OK;
    for (int topic = 0; topic < BK_TOPIC_COUNT; topic++)
        known[topic] = bk_archive_partitions(a->archive, (enum bk_topic)topic);
    for (size_t i = 0; i < a->parts_count && !code; i++) {
        int32_t before = known[a->parts[i].topic];
        code = open_part(a, &a->parts[i], before > 0 && a->parts[i].partition >= before);
    }
    return code;
}

/** All partitions with the offsets they want, or with their ends. The caller destroys it. */
static rd_kafka_topic_partition_list_t *list_parts(const struct archiver *a, bool ends)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)a->parts_count);
    for (size_t i = 0; i < a->parts_count; i++)
        rd_kafka_topic_partition_list_add(list, name_of(a, a->parts[i].topic),
                                          a->parts[i].partition)
            ->offset = ends                   ? RD_KAFKA_OFFSET_END
                       : a->parts[i].unproven ? a->parts[i].last_offset
                                              : a->parts[i].next;
    return list;
}

/** All partitions from where they are, or from the record that shows whose log it is; drops what
 *  was fetched ahead. */
static int assign(struct archiver *a)
{
    rd_kafka_topic_partition_list_t *list = list_parts(a, false);
    rd_kafka_resp_err_t err = rd_kafka_assign(a->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    return err ? bk_reason_set(a->reason, BK_EUNAVAILABLE, "assign: %s", rd_kafka_err2str(err))
               : BK_OK;
}

/* ---- copying ---- */

static struct kept_part *find_part(struct archiver *a, const char *name, int32_t partition)
{
    for (size_t i = 0; i < a->parts_count; i++) {
        size_t at = (a->last_hit + i) % a->parts_count;
        struct kept_part *part = &a->parts[at];
        if (part->partition != partition || strcmp(name_of(a, part->topic), name) != 0) continue;
        a->last_hit = at;
        return part;
    }
    return NULL;
}

static void put_headers(struct archiver *a, const rd_kafka_message_t *msg)
{
    rd_kafka_headers_t *headers;
    const char *name;
    const void *value;
    size_t len;
    bk_buf_reset(&a->headers);
    if (rd_kafka_message_headers(msg, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) return;
    for (size_t i = 0; !rd_kafka_header_get_all(headers, i, &name, &value, &len); i++)
        bk_archive_put_header(&a->headers, bk_str_c(name),
                              value ? bk_str(value, len) : (bk_str_t){NULL, 0});
}

static bk_str_t bytes_of(const void *p, size_t len)
{
    return p ? bk_str(p, len) : (bk_str_t){NULL, 0};
}

/** Is this the record that the archive holds? One that compaction took cannot be asked. */
static int prove(struct archiver *a, struct kept_part *part, const struct bk_record *record)
{
    if (record->offset < part->last_offset) return BK_OK;
    part->unproven = false;
    part->ended = part->next >= part->end;
    if (record->offset > part->last_offset || bk_record_mark(record) == part->last_mark)
        return BK_OK;
    return bk_reason_set(a->reason, BK_EINVAL,
                         "%s/%d holds another record at offset %lld than the archive: this is "
                         "another log; archive it into another folder",
                         name_of(a, part->topic), part->partition, (long long)record->offset);
}

static int keep(struct archiver *a, const rd_kafka_message_t *msg)
{
    rd_kafka_timestamp_type_t type;
    struct kept_part *part = find_part(a, rd_kafka_topic_name(msg->rkt), msg->partition);
    if (!part) return BK_OK;
    struct bk_record record = {.topic = part->topic,
                               .partition = part->partition,
                               .offset = msg->offset,
                               .timestamp_ms = rd_kafka_message_timestamp(msg, &type),
                               .key = bytes_of(msg->key, msg->key_len),
                               .value = bytes_of(msg->payload, msg->len)};
    int code = part->unproven ? prove(a, part, &record) : BK_OK;
    if (code || msg->offset < part->next) return code; /* offered again */
    put_headers(a, msg);
    if (a->headers.failed) return bk_reason_set(a->reason, BK_ENOMEM, "out of memory");
    code = bk_archive_append(a->archive, &record, bk_str(a->headers.p, a->headers.len), now_ms(),
                             a->reason);
    part->next = msg->offset + 1;
    part->last_offset = msg->offset;
    part->last_mark = bk_record_mark(&record);
    if (part->next >= part->end) part->ended = true;
    return code;
}

static int on_fetch(struct archiver *a, rd_kafka_event_t *ev)
{
    const rd_kafka_message_t *msg;
    int code = BK_OK;
    while (!code && (msg = rd_kafka_event_message_next(ev)))
        if (!msg->err) code = keep(a, msg);
    return code;
}

/** The log no longer has what we want next: where does it stand? */
static int on_out_of_range(struct archiver *a, struct kept_part *part)
{
    int code = place_part(a, part);
    return code ? code : assign(a);
}

/** The last offsets of a log may be no records: markers of transactions, compacted away. One that
 *  ends before the record that was asked for is another. */
static int on_end(struct archiver *a, struct kept_part *part, int64_t offset)
{
    if (part->unproven && offset <= part->last_offset) return on_out_of_range(a, part);
    part->unproven = false;
    if (offset >= part->end) part->ended = true;
    return BK_OK;
}

/** A topic was gone: what comes under its name may be another log. */
static int doubt(struct archiver *a)
{
    bool doubted = false;
    for (size_t i = 0; i < a->parts_count; i++) {
        if (a->parts[i].last_offset < 0 || a->parts[i].unproven) continue;
        a->parts[i].unproven = doubted = true;
        a->parts[i].ended = false;
    }
    return doubted ? assign(a) : BK_OK;
}

static int on_error(struct archiver *a, rd_kafka_event_t *ev)
{
    rd_kafka_resp_err_t err = rd_kafka_event_error(ev);
    rd_kafka_topic_partition_t *tp = rd_kafka_event_topic_partition(ev);
    struct kept_part *part = tp ? find_part(a, tp->topic, tp->partition) : NULL;
    int64_t offset = tp ? tp->offset : -1;
    if (tp) rd_kafka_topic_partition_destroy(tp);
    if (err == RD_KAFKA_RESP_ERR__PARTITION_EOF) return part ? on_end(a, part, offset) : BK_OK;
    if (err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) return doubt(a);
    if (err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET && part) return on_out_of_range(a, part);
    if (rd_kafka_event_error_is_fatal(ev))
        return bk_reason_set(a->reason, BK_EUNAVAILABLE, "kafka: %s",
                             rd_kafka_event_error_string(ev));
    bk_log_at(err == RD_KAFKA_RESP_ERR__TRANSPORT ? BK_LOG_DEBUG : BK_LOG_WARN, "archive",
              "kafka_error code=%s err=\"%s\"", rd_kafka_err2name(err),
              rd_kafka_event_error_string(ev));
    return BK_OK;
}

static int handle(struct archiver *a, rd_kafka_event_t *ev)
{
    const char *facility, *text;
    int level, code = BK_OK;
    if (rd_kafka_event_type(ev) == RD_KAFKA_EVENT_FETCH)
        code = on_fetch(a, ev);
    else if (rd_kafka_event_type(ev) == RD_KAFKA_EVENT_ERROR)
        code = on_error(a, ev);
    else if (rd_kafka_event_log(ev, &facility, &text, &level) == 0)
        bk_log_at(level <= 3 ? BK_LOG_ERROR : BK_LOG_DEBUG, "rdkafka",
                  "client facility=%s text=\"%s\"", facility, text);
    rd_kafka_event_destroy(ev);
    return code;
}

/* ---- telling, forgetting ---- */

/** Records in the log that the archive has not read; as the last fetches told. */
static int64_t records_behind(const struct archiver *a)
{
    int64_t behind = 0, low, high;
    for (size_t i = 0; i < a->parts_count; i++)
        if (!rd_kafka_get_watermark_offsets(a->rk, name_of(a, a->parts[i].topic),
                                            a->parts[i].partition, &low, &high) &&
            high > a->parts[i].next)
            behind += high - a->parts[i].next;
    return behind;
}

static void tell(struct archiver *a, const char *event)
{
    const struct bk_archive_counts *counts = bk_archive_counts(a->archive);
    bk_log_info(
        "archive",
        "%s records=%llu bytes=%llu behind=%lld partitions=%zu gaps=%llu gap_records=%llu "
        "torn_bytes=%llu sealed=%llu expired=%llu",
        event, (unsigned long long)counts->records, (unsigned long long)counts->bytes_packed,
        (long long)records_behind(a), a->parts_count, (unsigned long long)counts->gaps,
        (unsigned long long)counts->gap_records, (unsigned long long)counts->torn_bytes,
        (unsigned long long)counts->files_sealed, (unsigned long long)counts->files_expired);
    a->told_records = counts->records;
}

/** Partitions that a topic got since are read, too: from their first records on. */
static int take_more(struct archiver *a, int64_t now)
{
    size_t before = a->parts_count;
    int code = BK_OK;
    if (a->options->until_end || now - a->counted_ms < GROWN_MS) return BK_OK;
    a->counted_ms = now;
    for (int topic = 0; topic < BK_TOPIC_COUNT && !code; topic++) {
        struct bk_reason ignored;
        const char *name = name_of(a, (enum bk_topic)topic);
        int32_t known = a->counts[topic];
        int32_t count = name ? count_partitions(a, name, NUDGE_MS_MAX, &ignored) : 0;
        if (name && !count) break; /* not now: no broker, or no topic */
        if (count <= known) continue;
        bk_log_info("archive", "partitions_added topic=%s from=%d to=%d", name, known, count);
        code = add_parts(a, (enum bk_topic)topic, known, count);
    }
    for (size_t i = before; i < a->parts_count && !code; i++)
        code = open_part(a, &a->parts[i], true);
    return !code && a->parts_count > before ? assign(a) : code;
}

static int do_chores(struct archiver *a, int64_t now)
{
    int code = bk_archive_flush(a->archive, now - a->options->flush_ms, a->reason);
    if (!code && a->options->keep_days && now - a->expired_ms >= HOUR_MS) {
        a->expired_ms = now;
        code = bk_archive_expire(a->archive, now - a->options->keep_days * DAY_MS, a->reason);
    }
    if (now - a->told_ms >= TELL_MS) {
        a->told_ms = now;
        if (bk_archive_counts(a->archive)->records != a->told_records) tell(a, "progress");
    }
    return code ? code : take_more(a, now);
}

static bool is_done(const struct archiver *a)
{
    if (is_stopped(a)) return true;
    if (!a->options->until_end) return false;
    for (size_t i = 0; i < a->parts_count; i++)
        if (!a->parts[i].ended) return false;
    return true;
}

/** A client whose queue was full looks again only after a second, unless somebody asks it something
 *  (kafka_consumer.c, bk__kafka_consumer_ask_nudge). So when half of what waited is kept, we
 *  ask. */
static void nudge(struct archiver *a)
{
    size_t waiting = rd_kafka_queue_length(a->queue);
    if (waiting > a->queue_peak) a->queue_peak = waiting;
    if (a->queue_peak < NUDGE_PEAK_MIN || waiting > a->queue_peak / 2) return;
    a->queue_peak = waiting;
    rd_kafka_topic_partition_list_t *list = list_parts(a, true);
    rd_kafka_offsets_for_times(a->rk, list, NUDGE_MS_MAX); /* nobody needs the answer */
    rd_kafka_topic_partition_list_destroy(list);
}

static int copy(struct archiver *a)
{
    int64_t chores_ms = 0;
    int code = BK_OK;
    for (uint64_t events = 0; !code && !is_done(a); events++) {
        if (events % NUDGE_EVENTS == 0) nudge(a);
        rd_kafka_event_t *ev = rd_kafka_queue_poll(a->queue, POLL_MS);
        if (ev) code = handle(a, ev);
        int64_t now = now_ms();
        if (code || now - chores_ms < POLL_MS) continue;
        chores_ms = now;
        code = do_chores(a, now);
    }
    return code;
}

/* ---- the whole ---- */

static int connect_client(struct archiver *a)
{
    char text[200];
    rd_kafka_conf_t *conf = bk__kafka_conf(a->options->kafka, KAFKA_ROLE_FACTS, a->reason);
    if (!conf) return BK_EINVAL;
    a->rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
    if (!a->rk) {
        rd_kafka_conf_destroy(conf);
        return bk_reason_set(a->reason, BK_EINVAL, "kafka client: %s", text);
    }
    rd_kafka_poll_set_consumer(a->rk);
    a->queue = rd_kafka_queue_get_consumer(a->rk);
    rd_kafka_set_log_queue(a->rk, NULL);
    return BK_OK;
}

static void disconnect_client(struct archiver *a)
{
    rd_kafka_event_t *ev;
    if (!a->rk) return;
    rd_kafka_assign(a->rk, NULL);
    while ((ev = rd_kafka_queue_poll(a->queue, 0))) rd_kafka_event_destroy(ev);
    rd_kafka_queue_destroy(a->queue);
    rd_kafka_destroy_flags(a->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

int bk_archiver_run(struct bk_archive *archive, const struct bk_archiver_options *options,
                    struct bk_reason *reason)
{
    struct archiver a = {
        .archive = archive, .options = options, .reason = reason, .told_ms = now_ms()};
    a.counted_ms = a.told_ms;
    int code = connect_client(&a);
    if (!code) code = find_topics(&a);
    if (!code) code = bind_log(&a);
    if (!code) code = open_parts(&a);
    if (!code) code = assign(&a);
    if (!code) {
        bk_log_info("archive", "reading partitions=%zu", a.parts_count);
        code = copy(&a);
    }
    if (!code || code == BK_ENOENT || code == BK_EUNAVAILABLE || code == BK_EINVAL) {
        struct bk_reason flush_reason = {""};
        int flushed = bk_archive_flush(archive, INT64_MAX, code ? &flush_reason : reason);
        if (!code) code = flushed;
    }
    if (a.rk) tell(&a, code ? "failed" : "stopped");
    disconnect_client(&a);
    bk_buf_deinit(&a.headers);
    free(a.parts);
    /* told to stop before Kafka answered: that was asked for */
    return code == BK_EUNAVAILABLE && *options->stop ? BK_OK : code;
}
