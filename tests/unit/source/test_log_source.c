/* test_log_source.c -- what is written is read, facts first; what is damaged is said, and nothing
 * made up.
 */
#include "../../../src/source/log_block.h"

#include "basketry/source.h"

#include "basketry/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>

enum { RECORDS_MAX = 4000, PARTITIONS = 3 };

static char path[256], copy[256];

/** A naive model of a log: everything that was appended. */
struct model_record {
    enum bk_topic topic;
    int32_t partition;
    int64_t offset, timestamp_ms;
    bool has_key, has_value;
    char key[40], value[400];
    uint32_t key_len, value_len;
};

static struct model_record model[RECORDS_MAX];
static size_t model_count;

struct reader {
    size_t next; /* in the order of `order` */
    size_t order[RECORDS_MAX], order_count;
    int64_t start[BK_TOPIC_COUNT][8];
    int assigned[BK_TOPIC_COUNT][8], ended[BK_TOPIC_COUNT][8];
    size_t ends;
    int wakes;
    bool proves, was_another; /* knows the record it passed last; it was another log's */
    int proofs;
    bool closed;
};

static void on_record(void *arg, const struct bk_record *record)
{
    struct reader *r = arg;
    assert_true(r->next < r->order_count);
    const struct model_record *m = &model[r->order[r->next++]];
    assert_int_equal(record->topic, m->topic);
    assert_int_equal(record->partition, m->partition);
    assert_int_equal(record->offset, m->offset);
    assert_int_equal(record->timestamp_ms, m->timestamp_ms);
    assert_int_equal(record->key.p != NULL, m->has_key);
    assert_int_equal(record->value.p != NULL, m->has_value);
    assert_true(bk_str_eq(record->key, bk_str(m->key, m->key_len)));
    assert_true(bk_str_eq(record->value, bk_str(m->value, m->value_len)));
    assert_null(record->value_schema_id.p);
    assert_int_equal(r->assigned[m->topic][m->partition], 1);
    assert_int_equal(r->ended[m->topic][m->partition], 0);
}

static int64_t on_assigned(void *arg, enum bk_topic topic, int32_t partition)
{
    struct reader *r = arg;
    r->assigned[topic][partition]++;
    return r->start[topic][partition];
}

static void on_revoked(void *arg, enum bk_topic topic, int32_t partition)
{
    (void)arg;
    fail_msg("revoked %d/%d", (int)topic, partition);
}

static void on_reached_end(void *arg, enum bk_topic topic, int32_t partition)
{
    struct reader *r = arg;
    assert_int_equal(r->ended[topic][partition]++, 0);
    r->ends++;
}

/** Is it the model's record before the start? */
static bool on_is_passed(void *arg, const struct bk_record *record)
{
    struct reader *r = arg;
    assert_int_equal(record->topic, BK_TOPIC_EVENTS);
    assert_int_equal(record->offset, r->start[record->topic][record->partition] - 1);
    r->proofs++;
    return !r->was_another;
}

static void on_wake(void *arg)
{
    ((struct reader *)arg)->wakes++;
}

static void on_closed(void *arg)
{
    ((struct reader *)arg)->closed = true;
}

static void init_reader(struct reader *r)
{
    memset(r, 0, sizeof *r);
    for (int topic = 0; topic < BK_TOPIC_COUNT; topic++)
        for (int p = 0; p < 8; p++) r->start[topic][p] = BK_OFFSET_BEGINNING;
}

/** Each partition up to here, and no further: what damage leaves. */
static int64_t limit[BK_TOPIC_COUNT][8];
static bool facts_are_whole = true;

static void lift_limits(void)
{
    for (int topic = 0; topic < BK_TOPIC_COUNT; topic++)
        for (int p = 0; p < 8; p++) limit[topic][p] = INT64_MAX;
    facts_are_whole = true;
}

/** The naive merge: the partition whose next record is the oldest; equal: facts first, then the
 *  lower number. */
static void expect_phase(struct reader *r, bool events)
{
    size_t at[BK_TOPIC_COUNT][8] = {{0}};
    for (;;) {
        const struct model_record *best = NULL;
        for (int topic = 0; topic < BK_TOPIC_COUNT; topic++)
            for (int p = 0; p < 8; p++) {
                if ((topic == BK_TOPIC_EVENTS) != events) continue;
                size_t *i = &at[topic][p];
                while (*i < model_count &&
                       (model[*i].topic != (enum bk_topic)topic || model[*i].partition != p ||
                        model[*i].offset < r->start[topic][p]))
                    ++*i;
                if (*i == model_count || model[*i].offset >= limit[topic][p]) continue;
                if (!best || model[*i].timestamp_ms < best->timestamp_ms) best = &model[*i];
            }
        if (!best) return;
        r->order[r->order_count++] = (size_t)(best - model);
        at[best->topic][best->partition]++;
    }
}

static void expect(struct reader *r)
{
    expect_phase(r, false);
    if (facts_are_whole) expect_phase(r, true);
}

static struct bk_source *open_source(struct reader *r, uv_loop_t *loop, const char *file,
                                     struct bk_reason *reason)
{
    struct bk_source_events events = {.arg = r,
                                      .record = on_record,
                                      .assigned = on_assigned,
                                      .revoked = on_revoked,
                                      .reached_end = on_reached_end,
                                      .wake = on_wake,
                                      .is_passed = r->proves ? on_is_passed : NULL};
    struct bk_file_options options = {.path = file};
    return bk_source_file_create(loop, &options, &events, reason);
}

static struct bk_source_status read_all(struct bk_source *source, size_t budget)
{
    struct bk_source_status status;
    do {
        assert_true(bk_source_pull(source, budget) <= budget);
        source->ops->status(source, &status);
    } while (status.state != BK_SOURCE_ENDED && status.state != BK_SOURCE_FAILED);
    return status;
}

static void append(struct bk_log_writer *writer, struct model_record *m, int32_t asked)
{
    static int64_t nexts[BK_TOPIC_COUNT][8];
    if (m == model) memset(nexts, 0, sizeof nexts);
    bk_str_t key = m->has_key ? bk_str(m->key, m->key_len) : (bk_str_t){NULL, 0};
    bk_str_t value = m->has_value ? bk_str(m->value, m->value_len) : (bk_str_t){NULL, 0};
    assert_int_equal(bk_log_writer_append(writer, m->topic, asked, m->timestamp_ms, key, value), 0);
    int32_t partitions = m->topic == BK_TOPIC_EVENTS ? PARTITIONS : 1;
    m->partition = asked < 0 ? bk_partition_of(key, partitions) : asked;
    m->offset = nexts[m->topic][m->partition]++;
}

static struct bk_log_writer *write_model(uint64_t seed, size_t count, bool facts)
{
    struct bk_reason reason = {""};
    struct bk_log_writer *writer = bk_log_writer_create(path, PARTITIONS, &reason);
    assert_non_null(writer);
    memset(model, 0, sizeof model);
    model_count = count;
    for (size_t i = 0; i < count; i++) {
        struct model_record *m = &model[i];
        uint64_t x = bk_mix(seed + i);
        m->topic = facts ? (enum bk_topic)(x % BK_TOPIC_COUNT) : BK_TOPIC_EVENTS;
        m->has_key = (x >> 8) % 10 != 0;
        m->has_value = (x >> 16) % 10 != 0;
        m->key_len = m->has_key ? (uint32_t)((x >> 24) % sizeof m->key) : 0;
        m->value_len = m->has_value ? (uint32_t)((x >> 32) % (i % 50 ? 60 : sizeof m->value)) : 0;
        m->timestamp_ms = (int64_t)(x >> 20);
        for (uint32_t b = 0; b < m->key_len; b++) m->key[b] = (char)bk_mix(x + b);
        for (uint32_t b = 0; b < m->value_len; b++) m->value[b] = (char)bk_mix(x - b);
        int32_t asked = m->topic == BK_TOPIC_EVENTS && m->has_key ? -1 : 0;
        append(writer, m, asked);
    }
    return writer;
}

static void write_file(uint64_t seed, size_t count, bool facts)
{
    struct bk_log_writer *writer = write_model(seed, count, facts);
    assert_int_equal(bk_log_writer_close(&writer), 0);
    assert_null(writer);
}

static char *slurp(const char *file, size_t *len)
{
    struct stat st;
    assert_int_equal(stat(file, &st), 0);
    char *bytes = malloc((size_t)st.st_size);
    FILE *f = fopen(file, "rb");
    assert_non_null(f);
    assert_int_equal(fread(bytes, 1, (size_t)st.st_size, f), st.st_size);
    fclose(f);
    *len = (size_t)st.st_size;
    return bytes;
}

static void spill(const char *file, const char *bytes, size_t len)
{
    FILE *f = fopen(file, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

/* ---- the partitioner
 * --------------------------------------------------------------------------- */

static void keys_go_where_the_java_client_sends_them(void **state)
{
    static const struct {
        const char *key;
        int32_t hash;
    } known[] = {
        {"21", -973932308},
        {"foobar", -790332482},
        {"a-little-bit-long-string", -985981536},
        {"a-little-bit-longer-string", -1486304829},
        {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
        {"abc", 479470107},
    };
    (void)state;
    for (size_t i = 0; i < BK_COUNTOF(known); i++) {
        int32_t positive = known[i].hash & 0x7fffffff;
        assert_int_equal(bk_partition_of(bk_str_c(known[i].key), 0x7fffffff),
                         positive % 0x7fffffff);
        assert_int_equal(bk_partition_of(bk_str_c(known[i].key), 12), positive % 12);
        assert_int_equal(bk_partition_of(bk_str_c(known[i].key), 1), 0);
    }
}

/* ---- whole files
 * ------------------------------------------------------------------------------- */

static bool holds(int32_t partition, int64_t offset)
{
    for (size_t i = 0; i < model_count; i++)
        if (model[i].topic == BK_TOPIC_EVENTS && model[i].partition == partition &&
            model[i].offset == offset)
            return true;
    return false;
}

static void prop_what_is_written_is_read_facts_first_whatever_the_budget(void **state)
{
    static const size_t counts[] = {0, 1, 10, 1000, RECORDS_MAX};
    (void)state;
    for (size_t i = 0; i < 4 * BK_COUNTOF(counts); i++) {
        struct reader r;
        struct bk_reason reason = {""};
        uint64_t seed = 7000 + i;
        print_message("seed %llu\n", (unsigned long long)seed);
        write_file(seed, counts[i / 4], i % 2);
        init_reader(&r);
        if (i % 4 > 1) {
            r.start[BK_TOPIC_EVENTS][1] = (int64_t)(counts[i / 4] / 10);
            r.start[BK_TOPIC_STOCK][0] = 5;
        }
        r.proves = i % 4 == 3;
        lift_limits();
        expect(&r);
        struct bk_source *source = open_source(&r, NULL, path, &reason);
        assert_non_null(source);
        struct bk_source_status status = read_all(source, 1 + i * 13);
        assert_int_equal(status.state, BK_SOURCE_ENDED);
        assert_int_equal(status.lag_records, 0);
        assert_int_equal(r.next, r.order_count);
        assert_int_equal(r.ends, PARTITIONS + 3); /* empty partitions included */
        assert_int_equal(r.proofs, r.proves && holds(1, r.start[BK_TOPIC_EVENTS][1] - 1));
        source->ops->close(source, on_closed, &r);
        assert_true(r.closed);
    }
}

static void another_log_at_the_start_offset_fails_by_name_and_gives_nothing_of_it(void **state)
{
    (void)state;
    struct reader r;
    struct bk_reason reason = {""};
    write_file(7100, 1000, false);
    init_reader(&r);
    r.start[BK_TOPIC_EVENTS][1] = 20;
    r.proves = r.was_another = true;
    lift_limits();
    expect(&r);
    struct bk_source *source = open_source(&r, NULL, path, &reason);
    assert_non_null(source);
    struct bk_source_status status = read_all(source, 10);
    assert_int_equal(status.state, BK_SOURCE_FAILED);
    assert_non_null(strstr(status.detail, "another log: partition 1 does not hold at 19"));
    for (size_t i = 0; i < r.next; i++) assert_int_not_equal(model[r.order[i]].partition, 1);
    assert_int_equal(r.proofs, 1);
    source->ops->close(source, on_closed, &r);
}

static void turn_until_over(uv_loop_t *loop, struct bk_source *source, struct reader *r)
{
    struct bk_source_status status;
    for (int handled = 0; handled < r->wakes;) { /* nobody pulls without a wake */
        handled = r->wakes;
        bk_source_pull(source, 100);
        uv_run(loop, UV_RUN_NOWAIT);
    }
    source->ops->status(source, &status);
    assert_int_equal(status.state, BK_SOURCE_ENDED);
}

static void on_a_loop_it_wakes_until_it_is_over_and_closes_from_the_loop(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct reader r;
    struct bk_reason reason = {""};
    write_file(1, 1000, true);
    uv_loop_init(&loop);
    init_reader(&r);
    lift_limits();
    expect(&r);
    struct bk_source *source = open_source(&r, &loop, path, &reason);
    assert_non_null(source);
    bk_source_pull(source, 100);
    source->ops->pause(source, true);
    size_t before = r.next;
    assert_int_equal(bk_source_pull(source, 100), 0);
    assert_int_equal(r.next, before);
    source->ops->pause(source, false);
    turn_until_over(&loop, source, &r);
    assert_int_equal(r.next, r.order_count);
    source->ops->close(source, on_closed, &r);
    assert_false(r.closed);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_true(r.closed);
    assert_int_equal(uv_loop_close(&loop), 0);
}

/* ---- damage
 * ------------------------------------------------------------------------------------ */

/** The blocks of the intact file, as its index tells them. */
static struct log_file index_of_path;

/** The copy lacks every block at and behind `cut`, and the block at `flipped`; what is left of each
 *  partition is what precedes its first missing block. */
static void set_limits(size_t cut, size_t flipped)
{
    lift_limits();
    for (size_t i = 0; i < index_of_path.count; i++) {
        const struct log_block_head *head = &index_of_path.blocks[i];
        size_t at = index_of_path.at[i], end = at + LOG_HEAD_BYTES + head->packed_bytes;
        if (end <= cut && !(flipped >= at && flipped < end)) continue;
        int64_t *left = &limit[head->topic][head->partition];
        *left = bk_min_i64(*left, head->from);
        if (head->topic != BK_TOPIC_EVENTS) facts_are_whole = false;
    }
}

/** Either it is refused, or exactly what precedes the damage is delivered. */
static void check_damaged(size_t byte, const char *where)
{
    struct reader r;
    struct bk_reason reason = {""};
    init_reader(&r);
    expect(&r);
    struct bk_source *source = open_source(&r, NULL, copy, &reason);
    if (byte < LOG_HEAD_BYTES) {
        assert_null(source);
        assert_non_null(strstr(reason.text, "copy"));
        return;
    }
    assert_non_null(source);
    struct bk_source_status status = read_all(source, 3);
    assert_int_equal(status.state, BK_SOURCE_FAILED);
    assert_int_equal(status.errors, 1);
    if (!strstr(status.detail, where)) fail_msg("%s, not %s", status.detail, where);
    assert_non_null(strstr(status.detail, "copy"));
    assert_int_equal(r.next, r.order_count);
    for (int p = 0; p < PARTITIONS; p++) assert_int_equal(r.ended[BK_TOPIC_EVENTS][p], 0);
    assert_int_equal(bk_source_pull(source, 3), 0);
    source->ops->close(source, on_closed, &r);
}

/** The end of the last block that lies whole before `byte`, as the failure names it. */
static void name_good_before(char where[32], size_t byte)
{
    size_t good = LOG_HEAD_BYTES;
    for (size_t i = 0; i < index_of_path.count; i++) {
        size_t end = index_of_path.at[i] + LOG_HEAD_BYTES + index_of_path.blocks[i].packed_bytes;
        if (end <= byte) good = end;
    }
    snprintf(where, 32, "at byte %zu", good);
}

static void a_file_cut_at_any_byte_gives_its_prefix_and_says_where_it_ends(void **state)
{
    (void)state;
    size_t len;
    char where[32];
    struct bk_reason reason;
    for (int facts = 0; facts < 2; facts++) {
        write_file(42, 25, facts);
        char *bytes = slurp(path, &len);
        assert_int_equal(bk__log_file_load(&index_of_path, path, &reason), 0);
        for (size_t cut = 0; cut < len; cut++) {
            spill(copy, bytes, cut);
            set_limits(cut, SIZE_MAX);
            facts_are_whole = false; /* without its end, nobody knows that it holds all facts */
            name_good_before(where, cut);
            check_damaged(cut, where);
        }
        bk__log_file_deinit(&index_of_path);
        free(bytes);
    }
}

static void a_file_with_any_byte_changed_gives_what_is_whole_and_says_where(void **state)
{
    (void)state;
    size_t len;
    struct bk_reason reason;
    for (int facts = 0; facts < 2; facts++) {
        write_file(43, 25, facts);
        char *bytes = slurp(path, &len);
        assert_int_equal(bk__log_file_load(&index_of_path, path, &reason), 0);
        for (size_t at = 0; at < len; at++) {
            char where[32] = "at byte";
            bool in_block = at < (size_t)index_of_path.at[index_of_path.count - 1] +
                                     LOG_HEAD_BYTES +
                                     index_of_path.blocks[index_of_path.count - 1].packed_bytes;
            set_limits(SIZE_MAX, at);
            if (in_block && at >= LOG_HEAD_BYTES) name_good_before(where, at);
            if (!in_block) facts_are_whole = false; /* the seal */
            bytes[at] ^= (char)(1 << at % 8);
            spill(copy, bytes, len);
            check_damaged(at, where);
            bytes[at] ^= (char)(1 << at % 8);
        }
        bk__log_file_deinit(&index_of_path);
        free(bytes);
    }
}

static void a_file_whose_writer_never_closed_it_is_not_taken_for_whole(void **state)
{
    (void)state;
    struct reader r;
    struct bk_reason reason = {""};
    struct bk_log_writer *writer = bk_log_writer_create(copy, PARTITIONS, NULL);
    assert_non_null(writer);
    static char value[4000];
    for (int i = 0; i < 1000; i++) /* enough for blocks to reach the disk */
        assert_int_equal(bk_log_writer_append(writer, BK_TOPIC_EVENTS, 0, 1, BK_STR("k"),
                                              bk_str(value, sizeof value)),
                         0);
    model_count = 0;
    init_reader(&r);
    struct bk_source_events events = {.arg = &r, .assigned = on_assigned, .wake = on_wake};
    struct bk_file_options options = {.path = copy, .to_ms = 1}; /* its records are not asked for */
    events.reached_end = on_reached_end;
    struct bk_source *source = bk_source_file_create(NULL, &options, &events, &reason);
    assert_non_null(source);
    struct bk_source_status status = read_all(source, 100);
    assert_int_equal(status.state, BK_SOURCE_FAILED);
    assert_non_null(strstr(status.detail, "did not close"));
    assert_int_equal(r.ends, 0);
    source->ops->close(source, on_closed, &r);
    assert_int_equal(bk_log_writer_close(&writer), 0);
}

static void what_cannot_be_opened_is_said(void **state)
{
    (void)state;
    struct reader r;
    struct bk_reason reason = {""};
    init_reader(&r);
    assert_null(open_source(&r, NULL, "/nowhere/at/all", &reason));
    assert_non_null(strstr(reason.text, "/nowhere/at/all"));
    spill(copy, "this is a text file, and it is longer than the header of a log file would be.",
          77);
    assert_null(open_source(&r, NULL, copy, &reason));
    assert_non_null(strstr(reason.text, "not a log file"));
    spill(copy, "BKLOG\r\n\0\1\0\0\0", 12);
    assert_null(open_source(&r, NULL, copy, &reason));
    assert_non_null(strstr(reason.text, "version 1"));
    assert_null(bk_log_writer_create(copy, 0, &reason));
    assert_null(bk_log_writer_create("/nowhere/at/all", 1, &reason));
}

static int make_paths(void **state)
{
    (void)state;
    const char *dir = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
    snprintf(path, sizeof path, "%s/bk_test_log_%d", dir, (int)getpid());
    snprintf(copy, sizeof copy, "%s/bk_test_log_%d_copy", dir, (int)getpid());
    return 0;
}

static int remove_paths(void **state)
{
    (void)state;
    remove(path);
    remove(copy);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_go_where_the_java_client_sends_them),
        cmocka_unit_test(prop_what_is_written_is_read_facts_first_whatever_the_budget),
        cmocka_unit_test(another_log_at_the_start_offset_fails_by_name_and_gives_nothing_of_it),
        cmocka_unit_test(on_a_loop_it_wakes_until_it_is_over_and_closes_from_the_loop),
        cmocka_unit_test(a_file_cut_at_any_byte_gives_its_prefix_and_says_where_it_ends),
        cmocka_unit_test(a_file_with_any_byte_changed_gives_what_is_whole_and_says_where),
        cmocka_unit_test(a_file_whose_writer_never_closed_it_is_not_taken_for_whole),
        cmocka_unit_test(what_cannot_be_opened_is_said),
    };
    bk_log_level = BK_LOG_OFF;
    return cmocka_run_group_tests(tests, make_paths, remove_paths);
}
