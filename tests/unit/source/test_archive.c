/* test_archive.c -- what the archive was given it gives back, whatever happened to its writer; what
 * is damaged is named; what is erased is gone. */
#define _XOPEN_SOURCE 700 /* nftw */
#include "basketry/archive.h"

#include "../../../src/source/log_block.h"

#include "basketry/log.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { RECORDS_MAX = 3000, PARTS = 3 };
#define DAY_MS INT64_C(86400000)

/* 2026-03-01T00:00Z, a first of March in a year that is no leap year */
static const int64_t march_ms = INT64_C(1772323200000);

static char folder[200];

/* ---- the model: what was appended, in order ---- */

struct model_record {
    enum bk_topic topic;
    int32_t partition;
    int64_t offset, timestamp_ms;
    char key[16], value[64];
    bool has_key, has_value, has_id, erased;
};

static struct model_record model[RECORDS_MAX];
static size_t model_count;

static struct bk_archive *open_archive(void)
{
    struct bk_reason reason = {""};
    int code;
    struct bk_archive *archive = bk_archive_open(folder, &code, &reason);
    if (!archive) fail_msg("%s", reason.text);
    return archive;
}

static int64_t open_part(struct bk_archive *archive, enum bk_topic topic, int32_t partition)
{
    struct bk_reason reason = {""};
    int64_t next = -9;
    if (bk_archive_part(archive, topic, partition, &next, &reason)) fail_msg("%s", reason.text);
    return next;
}

static void flush(struct bk_archive *archive)
{
    struct bk_reason reason = {""};
    if (bk_archive_flush(archive, INT64_MAX, &reason)) fail_msg("%s", reason.text);
}

static void close_archive(struct bk_archive *archive)
{
    struct bk_reason reason = {""};
    if (bk_archive_close(&archive, &reason)) fail_msg("%s", reason.text);
}

static void append_model(struct bk_archive *archive, const struct model_record *m)
{
    struct bk_reason reason = {""};
    struct bk_buf headers = {0};
    struct bk_record record = {.topic = m->topic,
                               .partition = m->partition,
                               .offset = m->offset,
                               .timestamp_ms = m->timestamp_ms,
                               .key = {m->has_key ? m->key : NULL, m->has_key ? 16 : 0},
                               .value = {m->has_value ? m->value : NULL, m->has_value ? 64 : 0}};
    if (m->has_id) {
        bk_archive_put_header(&headers, BK_STR("traceparent"), (bk_str_t){NULL, 0});
        bk_archive_put_header(&headers, BK_STR("__value_schema_id"), BK_STR("not the last"));
        bk_archive_put_header(&headers, BK_STR("__value_schema_id"), bk_str(m->key, 16));
    }
    if (bk_archive_append(archive, &record, bk_str(headers.p, headers.len), march_ms + 40 * DAY_MS,
                          &reason))
        fail_msg("%s", reason.text);
    bk_buf_deinit(&headers);
}

static struct model_record *put(struct bk_archive *archive, enum bk_topic topic, int32_t partition,
                                int64_t offset, int64_t timestamp_ms)
{
    struct model_record *m = &model[model_count++];
    uint64_t x = bk_mix((uint64_t)offset * 31 + (uint64_t)partition);
    *m = (struct model_record){.topic = topic,
                               .partition = partition,
                               .offset = offset,
                               .timestamp_ms = timestamp_ms,
                               .has_key = x % 7 != 0,
                               .has_value = x % 11 != 0,
                               .has_id = x % 5 == 0};
    for (size_t i = 0; i < sizeof m->value; i++) m->value[i] = (char)bk_mix(x + i);
    snprintf(m->key, sizeof m->key, "k%lld", (long long)offset % 10);
    append_model(archive, m);
    return m;
}

/* ---- reading it back ---- */

static void expect_record(const struct bk_record *record, const struct model_record *m)
{
    assert_int_equal(record->topic, m->topic);
    assert_int_equal(record->partition, m->partition);
    assert_int_equal(record->offset, m->offset);
    assert_int_equal(record->timestamp_ms, m->timestamp_ms);
    assert_int_equal(record->key.p != NULL, m->has_key);
    assert_int_equal(record->value.p != NULL, m->has_value);
    assert_int_equal(record->value_schema_id.p != NULL, m->has_id);
    if (m->has_key) assert_true(bk_str_eq(record->key, bk_str(m->key, 16)));
    if (m->has_value) assert_true(bk_str_eq(record->value, bk_str(m->value, 64)));
    if (m->has_id) assert_true(bk_str_eq(record->value_schema_id, bk_str(m->key, 16)));
}

/** Read a range; every record must be the model's next one of its partition that the range wants.
 *  Returns how many came; the code of the end in `*code`. */
static size_t read_range(const struct bk_log_range *range, size_t *blocks, int *code,
                         struct bk_reason *reason)
{
    size_t at[BK_TOPIC_COUNT][PARTS] = {{0}}, count = 0;
    struct bk_record record;
    *blocks = 0;
    struct bk_log_reader *reader = bk_log_reader_open(folder, reason);
    if (!reader) {
        *code = BK_ECORRUPT;
        return 0;
    }
    assert_int_equal(bk_log_reader_begin(reader, range, reason), 0);
    while ((*code = bk_log_reader_next(reader, &record, reason)) == 1) {
        size_t *i = &at[record.topic][record.partition];
        const struct model_record *m = &model[*i];
        while (*i < model_count &&
               (m->topic != record.topic || m->partition != record.partition || m->erased ||
                (range->from_ms && m->timestamp_ms < range->from_ms) ||
                (range->to_ms && m->timestamp_ms >= range->to_ms))) {
            ++*i;
            m = &model[*i];
        }
        assert_true(*i < model_count);
        expect_record(&record, m);
        ++*i;
        count++;
    }
    for (size_t i = 0; i < bk_log_reader_parts(reader); i++)
        *blocks += bk_log_reader_part(reader, i)->blocks;
    bk_log_reader_close(&reader);
    return count;
}

static size_t read_whole(void)
{
    static const struct bk_log_range all = {0};
    struct bk_reason reason = {""};
    size_t blocks;
    int code;
    size_t count = read_range(&all, &blocks, &code, &reason);
    if (code) fail_msg("%s", reason.text);
    return count;
}

static size_t count_model(int64_t from_ms, int64_t to_ms)
{
    size_t count = 0;
    for (size_t i = 0; i < model_count; i++)
        count += !model[i].erased && model[i].timestamp_ms >= from_ms &&
                 (to_ms == 0 || model[i].timestamp_ms < to_ms);
    return count;
}

/* ---- files ---- */

static char names[64][64];

/** The names in a partition's folder, sorted. */
static size_t list(const char *part)
{
    char path[300];
    struct dirent *entry;
    size_t count = 0;
    snprintf(path, sizeof path, "%s/%s", folder, part);
    DIR *dir = opendir(path);
    while (dir && (entry = readdir(dir)))
        if (entry->d_name[0] != '.') snprintf(names[count++], sizeof names[0], "%s", entry->d_name);
    if (dir) closedir(dir);
    qsort(names, count, sizeof names[0], (int (*)(const void *, const void *))strcmp);
    return count;
}

static void path_of(char out[400], const char *part, const char *name)
{
    snprintf(out, 400, "%s/%s/%s", folder, part, name);
}

static char *slurp(const char *path, size_t *len)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    *len = (size_t)st.st_size;
    char *bytes = malloc(*len + 1);
    FILE *file = fopen(path, "rb");
    assert_int_equal(fread(bytes, 1, *len, file), *len);
    fclose(file);
    return bytes;
}

static void spill(const char *path, const char *bytes, size_t len)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

static int clean(void **state)
{
    (void)state;
    nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    model_count = 0;
    return 0;
}

/* ---- the tests ---- */

/* Opened anew every 100 records, flushed at random: blocks of all sizes, over many days. */
static void prop_what_was_appended_is_read_whatever_the_interruptions(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        int64_t next[PARTS] = {0};
        clean(NULL);
        print_message("seed %llu\n", (unsigned long long)seed);
        for (size_t session = 0; session < 5; session++) {
            struct bk_archive *archive = open_archive();
            for (int32_t p = 0; p < PARTS; p++) {
                int64_t found = open_part(archive, BK_TOPIC_EVENTS, p);
                assert_int_equal(found, next[p] ? next[p] : -1);
            }
            open_part(archive, BK_TOPIC_STOCK, 0);
            for (size_t i = 0; i < 100; i++) {
                uint64_t x = bk_mix(seed * 1000 + session * 100 + i);
                int32_t p = (int32_t)(x % PARTS);
                int64_t offset = next[p] + (int64_t)(x >> 8 & 3) / 3; /* holes, as of compaction */
                int64_t late_ms = (x >> 16) % 10 ? 0 : 3 * DAY_MS;
                put(archive, BK_TOPIC_EVENTS, p, offset,
                    march_ms + (int64_t)(session * 100 + i) * 3600000 - late_ms);
                next[p] = offset + 1;
                if ((x >> 24) % 20 == 0) flush(archive);
            }
            close_archive(archive);
        }
        assert_int_equal(read_whole(), model_count);
    }
}

static void a_day_is_a_file_and_days_only_go_forward(void **state)
{
    (void)state;
    struct bk_archive *archive = open_archive();
    open_part(archive, BK_TOPIC_EVENTS, 0);
    put(archive, BK_TOPIC_EVENTS, 0, 5, march_ms - 1);               /* the last of February */
    put(archive, BK_TOPIC_EVENTS, 0, 6, march_ms);                   /* the first of March */
    put(archive, BK_TOPIC_EVENTS, 0, 7, march_ms - 2);               /* late: stays in March */
    put(archive, BK_TOPIC_EVENTS, 0, 8, march_ms + DAY_MS);          /* the second */
    put(archive, BK_TOPIC_EVENTS, 0, 9, march_ms + 9000LL * DAY_MS); /* a clock beyond tomorrow */
    put(archive, BK_TOPIC_EVENTS, 0, 10, -1);
    assert_int_equal(bk_archive_counts(archive)->files_sealed, 3);
    close_archive(archive);
    assert_int_equal(list("events/0"), 4);
    assert_string_equal(names[0], "2026-02-28.00000000000000000005.bkz");
    assert_string_equal(names[1], "2026-03-01.00000000000000000006.bkz");
    assert_string_equal(names[2], "2026-03-02.00000000000000000008.bkz");
    assert_string_equal(names[3], "2026-04-11.00000000000000000009.bkz"); /* now is 40 days on */
    assert_int_equal(read_whole(), 6);
}

static void a_time_range_gives_its_records_and_unpacks_no_block_beside_it(void **state)
{
    (void)state;
    struct bk_archive *archive = open_archive();
    open_part(archive, BK_TOPIC_EVENTS, 0);
    for (int i = 0; i < 1000; i++) {
        put(archive, BK_TOPIC_EVENTS, 0, i, march_ms + i * INT64_C(600000) - (i % 9) * 1000000);
        if (i % 10 == 9) flush(archive);
    }
    close_archive(archive);
    for (int64_t hours = 0; hours < 160; hours += 7) {
        struct bk_log_range range = {.from_ms = march_ms + hours * 3600000,
                                     .to_ms = march_ms + (hours + 5) * 3600000};
        struct bk_reason reason = {""};
        size_t blocks;
        int code;
        assert_int_equal(read_range(&range, &blocks, &code, &reason),
                         count_model(range.from_ms, range.to_ms));
        assert_int_equal(code, 0);
        assert_true(blocks <= 3 + 3); /* 30 records, and what lateness adds */
    }
    for (size_t i = 0; i < model_count; i += 3) { /* one millisecond, at the edges of blocks too */
        struct bk_log_range range = {.from_ms = model[i].timestamp_ms,
                                     .to_ms = model[i].timestamp_ms + 1};
        struct bk_reason reason = {""};
        size_t blocks;
        int code;
        assert_int_equal(read_range(&range, &blocks, &code, &reason),
                         count_model(range.from_ms, range.to_ms));
    }
}

static void a_needle_passes_over_the_blocks_that_lack_it(void **state)
{
    (void)state;
    struct bk_archive *archive = open_archive();
    open_part(archive, BK_TOPIC_EVENTS, 0);
    for (int i = 0; i < 100; i++) {
        put(archive, BK_TOPIC_EVENTS, 0, i, march_ms + i);
        if (i % 10 == 9) flush(archive);
    }
    bk_str_t needle = bk_str(model[55].value, 64);
    model[55].has_value = true;
    close_archive(archive);
    struct bk_log_range range = {.needle = needle};
    struct bk_log_reader *reader = bk_log_reader_open(folder, NULL);
    struct bk_record record;
    struct bk_reason reason;
    assert_int_equal(bk_log_reader_begin(reader, &range, &reason), 0);
    for (int i = 50; i < 60; i++) {
        assert_int_equal(bk_log_reader_next(reader, &record, &reason), 1);
        assert_int_equal(record.offset, i);
    }
    assert_int_equal(bk_log_reader_next(reader, &record, &reason), 0);
    bk_log_reader_close(&reader);
}

/** 60 records in six blocks of one file. Its path, bytes and index are handed out. */
static char *six_blocks(char path[400], size_t *len, struct log_file *index)
{
    struct bk_reason reason = {""};
    struct bk_archive *archive = open_archive();
    open_part(archive, BK_TOPIC_EVENTS, 0);
    for (int i = 0; i < 60; i++) {
        put(archive, BK_TOPIC_EVENTS, 0, i, march_ms + i);
        if (i % 10 == 9) flush(archive);
    }
    close_archive(archive);
    assert_int_equal(list("events/0"), 1);
    path_of(path, "events/0", names[0]);
    assert_int_equal(bk__log_file_load(index, path, &reason), 0);
    assert_int_equal(index->count, 6);
    return slurp(path, len);
}

static void a_tail_torn_at_any_byte_is_cut_and_the_writer_goes_on_before_it(void **state)
{
    (void)state;
    char path[400];
    size_t len;
    struct log_file index;
    char *bytes = six_blocks(path, &len, &index);
    for (size_t cut = (size_t)index.at[5]; cut < len; cut++) {
        spill(path, bytes, cut);
        assert_int_equal(read_whole(), 50); /* a reader while the writer is away */
        struct bk_archive *archive = open_archive();
        assert_int_equal(open_part(archive, BK_TOPIC_EVENTS, 0), 50);
        assert_int_equal(bk_archive_counts(archive)->torn_bytes, cut - (size_t)index.at[5]);
        if (cut % 16 == 0) /* Kafka gives them again */
            for (int i = 50; i < 60; i++) append_model(archive, &model[i]);
        close_archive(archive);
        assert_int_equal(read_whole(), cut % 16 == 0 ? 60 : 50);
    }
    /* The bytes of the last block never reached the disk, but the file's length did. */
    memset(bytes + index.at[5] + LOG_HEAD_BYTES + 20, 0, 50);
    spill(path, bytes, len);
    assert_int_equal(read_whole(), 50);
    struct bk_archive *archive = open_archive();
    assert_int_equal(open_part(archive, BK_TOPIC_EVENTS, 0), 50);
    model_count = 50; /* less than was torn, and then the seal */
    put(archive, BK_TOPIC_EVENTS, 0, 50, march_ms + 50);
    put(archive, BK_TOPIC_EVENTS, 0, 51, march_ms + DAY_MS);
    close_archive(archive);
    assert_int_equal(read_whole(), 52);
    bk__log_file_deinit(&index);
    free(bytes);
}

static void a_new_file_torn_at_any_byte_was_never_made(void **state)
{
    (void)state;
    char path[400];
    size_t len;
    struct bk_archive *archive = open_archive();
    open_part(archive, BK_TOPIC_EVENTS, 0);
    put(archive, BK_TOPIC_EVENTS, 0, 0, march_ms);
    put(archive, BK_TOPIC_EVENTS, 0, 1, march_ms + DAY_MS);
    close_archive(archive);
    assert_int_equal(list("events/0"), 2);
    path_of(path, "events/0", names[1]);
    char *bytes = slurp(path, &len);
    for (size_t cut = 0; cut < len; cut++) {
        spill(path, bytes, cut);
        assert_int_equal(read_whole(), 1);
        archive = open_archive();
        assert_int_equal(open_part(archive, BK_TOPIC_EVENTS, 0), 1);
        close_archive(archive);
        assert_int_equal(list("events/0"), 1);
    }
    archive = open_archive();
    open_part(archive, BK_TOPIC_EVENTS, 0);
    append_model(archive, &model[1]);
    close_archive(archive);
    assert_int_equal(read_whole(), 2);
    free(bytes);
}

/* A power cut may leave a new file's length and none of its bytes. */
static void a_new_file_of_zeroes_was_never_made_and_one_with_a_block_was(void **state)
{
    (void)state;
    struct bk_reason reason = {""};
    char path[400];
    size_t len;
    int64_t next;
    struct bk_archive *archive = open_archive();
    open_part(archive, BK_TOPIC_EVENTS, 0);
    put(archive, BK_TOPIC_EVENTS, 0, 0, march_ms);
    put(archive, BK_TOPIC_EVENTS, 0, 1, march_ms + DAY_MS);
    close_archive(archive);
    assert_int_equal(list("events/0"), 2);
    path_of(path, "events/0", names[1]);
    char *bytes = slurp(path, &len);
    bytes[9] ^= 1; /* the head is damaged, and its block is there */
    spill(path, bytes, len);
    archive = open_archive();
    assert_int_equal(bk_archive_part(archive, BK_TOPIC_EVENTS, 0, &next, &reason), BK_ECORRUPT);
    assert_int_equal(list("events/0"), 2);
    close_archive(archive);
    memset(bytes, 0, len);
    spill(path, bytes, len);
    archive = open_archive();
    assert_int_equal(open_part(archive, BK_TOPIC_EVENTS, 0), 1);
    assert_int_equal(list("events/0"), 1);
    close_archive(archive);
    free(bytes);
}

/** A sealed file and a newest one; the sealed one's path. */
static void sealed_file(char path[400])
{
    struct bk_archive *archive = open_archive();
    open_part(archive, BK_TOPIC_EVENTS, 0);
    for (int i = 0; i < 40; i++) {
        put(archive, BK_TOPIC_EVENTS, 0, i, march_ms + (i < 30 ? 0 : DAY_MS) + i);
        if (i % 10 == 9) flush(archive);
    }
    close_archive(archive);
    list("events/0");
    path_of(path, "events/0", names[0]);
}

static void a_bit_flipped_anywhere_in_a_sealed_file_is_named_with_file_and_byte(void **state)
{
    (void)state;
    static const struct bk_log_range all = {0};
    char path[400];
    size_t len, blocks;
    sealed_file(path);
    char *bytes = slurp(path, &len);
    for (size_t at = 0; at < len; at++) {
        struct bk_reason reason = {""};
        int code;
        bytes[at] ^= (char)(1 << at % 8);
        spill(path, bytes, len);
        bytes[at] ^= (char)(1 << at % 8);
        size_t count = read_range(&all, &blocks, &code, &reason);
        assert_int_equal(code, BK_ECORRUPT);
        assert_true(count <= 30 && count % 10 == 0);
        assert_non_null(strstr(reason.text, "2026-03-01.00000000000000000000.bkz"));
        assert_non_null(strstr(reason.text, "at byte"));
    }
    free(bytes);
}

static void damage_with_whole_blocks_behind_it_is_refused_not_cut(void **state)
{
    (void)state;
    char path[400];
    size_t len;
    struct log_file index;
    char *bytes = six_blocks(path, &len, &index);
    for (size_t at = 0; at < (size_t)index.at[2]; at += 3) {
        struct bk_reason reason = {""};
        int64_t next;
        if (at >= index.at[1] + LOG_HEAD_BYTES || (at >= LOG_HEAD_BYTES * 2 && at < index.at[1]))
            continue; /* a packed frame: its check is looked at when it is read */
        bytes[at] ^= 1;
        spill(path, bytes, len);
        bytes[at] ^= 1;
        struct bk_archive *archive = open_archive();
        assert_int_equal(bk_archive_part(archive, BK_TOPIC_EVENTS, 0, &next, &reason), BK_ECORRUPT);
        assert_non_null(strstr(reason.text, ".bkz: "));
        close_archive(archive);
        size_t now;
        free(slurp(path, &now));
        assert_int_equal(now, len);
    }
    bk__log_file_deinit(&index);
    free(bytes);
}

static void a_seal_that_is_missing_is_noticed(void **state)
{
    (void)state;
    static const struct bk_log_range all = {0};
    struct bk_reason reason = {""};
    char path[400];
    size_t len, blocks;
    int code;
    sealed_file(path);
    char *bytes = slurp(path, &len);
    spill(path, bytes, len - (8 + 3 * 64 + LOG_TAIL_BYTES));
    assert_int_equal(read_range(&all, &blocks, &code, &reason), 30);
    assert_int_equal(code, BK_ECORRUPT);
    assert_non_null(strstr(reason.text, "has no seal"));
    free(bytes);
}

static void a_file_that_is_missing_is_noticed(void **state)
{
    (void)state;
    static const struct bk_log_range all = {0};
    struct bk_reason reason = {""};
    char path[400];
    size_t blocks;
    int code;
    struct bk_archive *archive = open_archive();
    open_part(archive, BK_TOPIC_EVENTS, 0);
    for (int i = 0; i < 4; i++) put(archive, BK_TOPIC_EVENTS, 0, i, march_ms + i * DAY_MS);
    close_archive(archive);
    list("events/0");
    path_of(path, "events/0", names[2]);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(read_range(&all, &blocks, &code, &reason), 2);
    assert_int_equal(code, BK_ECORRUPT);
    assert_non_null(strstr(reason.text, "offset 2 is due"));
}

static void a_gap_is_marked_and_counted(void **state)
{
    (void)state;
    struct bk_reason reason = {""};
    struct bk_record record;
    struct bk_archive *archive = open_archive();
    open_part(archive, BK_TOPIC_EVENTS, 0);
    put(archive, BK_TOPIC_EVENTS, 0, 0, march_ms);
    assert_int_equal(bk_archive_mark_gap(archive, BK_TOPIC_EVENTS, 0, 100, &reason), 0);
    put(archive, BK_TOPIC_EVENTS, 0, 100, march_ms + DAY_MS);
    assert_int_equal(bk_archive_mark_gap(archive, BK_TOPIC_EVENTS, 0, 110, &reason), 0);
    put(archive, BK_TOPIC_EVENTS, 0, 112, march_ms + DAY_MS); /* 110 and 111: Kafka's own hole */
    assert_int_equal(bk_archive_counts(archive)->gaps, 2);
    close_archive(archive);
    assert_int_equal(read_whole(), 3);
    struct bk_log_reader *reader = bk_log_reader_open(folder, &reason);
    while (bk_log_reader_next(reader, &record, &reason) == 1) continue;
    assert_int_equal(bk_log_reader_part(reader, 0)->gaps, 2);
    assert_int_equal(bk_log_reader_part(reader, 0)->gap_records, 99 + 9);
    bk_log_reader_close(&reader);
}

static bool is_every_third(void *arg, const struct bk_record *record)
{
    (void)arg;
    return record->partition == 1 && record->offset % 3 == 0;
}

static bool is_of_block(void *arg, const struct bk_record *record)
{
    (void)arg;
    return record->partition == 1 && record->offset >= 10 && record->offset < 20;
}

static bool is_of_first_offsets(void *arg, const struct bk_record *record)
{
    (void)arg;
    return record->offset < 5;
}

static void erase(bool (*is_erased)(void *, const struct bk_record *), uint64_t records,
                  uint64_t files)
{
    struct bk_reason reason = {""};
    uint64_t erased, rewritten;
    struct bk_archive *archive = open_archive();
    if (bk_archive_erase(archive, is_erased, NULL, &erased, &rewritten, &reason))
        fail_msg("%s", reason.text);
    close_archive(archive);
    assert_int_equal(erased, records);
    assert_int_equal(rewritten, files);
    for (size_t i = 0; i < model_count; i++) {
        struct bk_record record = {.partition = model[i].partition, .offset = model[i].offset};
        if (is_erased(NULL, &record)) model[i].erased = true;
    }
    assert_int_equal(read_whole(), count_model(0, 0));
}

static void what_is_erased_is_gone_and_the_rest_is_as_it_was(void **state)
{
    (void)state;
    struct bk_archive *archive = open_archive();
    for (int32_t p = 0; p < 2; p++) open_part(archive, BK_TOPIC_EVENTS, p);
    for (int i = 0; i < 50; i++)
        for (int32_t p = 0; p < 2; p++) {
            put(archive, BK_TOPIC_EVENTS, p, i, march_ms + (i / 30) * DAY_MS + i);
            if (i % 10 == 9) flush(archive);
        }
    close_archive(archive);
    erase(is_of_block, 10, 1);    /* a block of which nothing is left */
    erase(is_every_third, 14, 2); /* 17 multiples of three, three of them gone already */
    erase(is_every_third, 0, 0);
    archive = open_archive(); /* and the writer goes on where it was */
    assert_int_equal(open_part(archive, BK_TOPIC_EVENTS, 1), 50);
    put(archive, BK_TOPIC_EVENTS, 1, 50, march_ms + 2 * DAY_MS);
    close_archive(archive);
    assert_int_equal(read_whole(), count_model(0, 0));
    assert_int_equal(list("events/1"), 3);
    for (size_t i = 0; i < 3; i++) assert_null(strstr(names[i], ".tmp"));
}

static void erasing_names_a_damaged_file_and_leaves_it_alone(void **state)
{
    (void)state;
    char path[400];
    size_t len, now;
    uint64_t records, files;
    struct bk_reason reason = {""};
    struct log_file index;
    char *bytes = six_blocks(path, &len, &index);
    bytes[index.at[2] + 30] ^= 1;
    spill(path, bytes, len);
    struct bk_archive *archive = open_archive();
    assert_int_equal(
        bk_archive_erase(archive, is_of_first_offsets, NULL, &records, &files, &reason),
        BK_ECORRUPT);
    assert_non_null(strstr(reason.text, ".bkz: "));
    close_archive(archive);
    char *after = slurp(path, &now);
    assert_int_equal(now, len);
    assert_memory_equal(after, bytes, len);
    bk__log_file_deinit(&index);
    free(bytes);
    free(after);
}

static void days_expire_but_never_the_newest_file(void **state)
{
    (void)state;
    struct bk_reason reason = {""};
    struct bk_archive *archive = open_archive();
    open_part(archive, BK_TOPIC_EVENTS, 0);
    for (int i = 0; i < 5; i++) put(archive, BK_TOPIC_EVENTS, 0, i, march_ms + i * DAY_MS);
    flush(archive);
    assert_int_equal(bk_archive_expire(archive, march_ms + 2 * DAY_MS, &reason), 0);
    assert_int_equal(bk_archive_counts(archive)->files_expired, 2);
    assert_int_equal(list("events/0"), 3);
    model[0].erased = model[1].erased = true;
    assert_int_equal(read_whole(), 3);
    assert_int_equal(bk_archive_expire(archive, march_ms + 1000LL * DAY_MS, &reason), 0);
    assert_int_equal(list("events/0"), 1);
    close_archive(archive);
    struct bk_log_reader *reader = bk_log_reader_open(folder, &reason);
    assert_int_equal(bk_log_reader_skip(reader, 0, 4, &reason), 0);
    assert_int_equal(bk_log_reader_skip(reader, 0, 3, &reason), BK_ENOENT);
    assert_non_null(strstr(reason.text, "begins at 4"));
    bk_log_reader_close(&reader);
}

static void an_archive_has_one_writer_and_one_log(void **state)
{
    (void)state;
    struct bk_reason reason = {""};
    int code;
    struct bk_archive *archive = open_archive();
    assert_null(bk_archive_open(folder, &code, &reason));
    assert_int_equal(code, BK_EAGAIN);
    assert_int_equal(bk_archive_bind(archive, "one", BK_TOPIC_EVENTS, "shop.events", &reason), 0);
    close_archive(archive);
    archive = open_archive();
    assert_int_equal(bk_archive_bind(archive, "one", BK_TOPIC_STOCK, "shop.stock", &reason), 0);
    assert_int_equal(bk_archive_bind(archive, "two", BK_TOPIC_EVENTS, "shop.events", &reason),
                     BK_EINVAL);
    assert_int_equal(bk_archive_bind(archive, "one", BK_TOPIC_EVENTS, "shop.others", &reason),
                     BK_EINVAL);
    assert_non_null(strstr(reason.text, "shop.events"));
    close_archive(archive);
    assert_null(bk_log_reader_open("/", &reason));
    assert_non_null(strstr(reason.text, "not an archive"));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, clean, clean)
    const struct CMUnitTest tests[] = {
        T(prop_what_was_appended_is_read_whatever_the_interruptions),
        T(a_day_is_a_file_and_days_only_go_forward),
        T(a_time_range_gives_its_records_and_unpacks_no_block_beside_it),
        T(a_needle_passes_over_the_blocks_that_lack_it),
        T(a_tail_torn_at_any_byte_is_cut_and_the_writer_goes_on_before_it),
        T(a_new_file_torn_at_any_byte_was_never_made),
        T(a_new_file_of_zeroes_was_never_made_and_one_with_a_block_was),
        T(a_bit_flipped_anywhere_in_a_sealed_file_is_named_with_file_and_byte),
        T(damage_with_whole_blocks_behind_it_is_refused_not_cut),
        T(a_seal_that_is_missing_is_noticed),
        T(a_file_that_is_missing_is_noticed),
        T(a_gap_is_marked_and_counted),
        T(what_is_erased_is_gone_and_the_rest_is_as_it_was),
        T(erasing_names_a_damaged_file_and_leaves_it_alone),
        T(days_expire_but_never_the_newest_file),
        T(an_archive_has_one_writer_and_one_log),
    };
    const char *dir = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
    snprintf(folder, sizeof folder, "%s/bk_test_archive_%d", dir, (int)getpid());
    bk_log_level = BK_LOG_OFF;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
