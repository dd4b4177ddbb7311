/* fuzz_archive.c -- any bytes as a log file: read to an end or to a fault, never beyond the bytes.
 *
 * The checks keep a mutated file from getting far, so the first byte chooses: 0 the file as it is;
 * 1 its heads' and frames' checks are mended first, and the mutation reaches what lies behind them;
 * 2 the bytes are the records of an unpacked block. A file of a day is also read as the newest one
 * of an archive, by reader and writer. */
#include "../../src/source/log_block.h"

#include "basketry/archive.h"
#include "basketry/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[128], path[256], day_path[320];

static void spill(const char *to, const uint8_t *data, size_t size)
{
    FILE *file = fopen(to, "wb");
    BK_ASSERT(file && fwrite(data, 1, size, file) == size && fclose(file) == 0);
}

static void prepare(void)
{
    if (folder[0]) return;
    bk_log_level = BK_LOG_OFF;
    const char *dir = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
    snprintf(folder, sizeof folder, "%s/bk_fuzz_archive_%d", dir, (int)getpid());
    snprintf(path, sizeof path, "%s/log", folder);
    mkdir(folder, 0700);
    snprintf(day_path, sizeof day_path, "%s/events", folder);
    mkdir(day_path, 0700);
    snprintf(day_path, sizeof day_path, "%s/events/0", folder);
    mkdir(day_path, 0700);
    snprintf(day_path, sizeof day_path, "%s/LOG", folder);
    spill(day_path, (const uint8_t *)"basketry archive 1\n", 19);
    snprintf(day_path, sizeof day_path, "%s/events/0/2026-03-01.00000000000000000000.bkz", folder);
}

static void put_check(uint8_t *head)
{
    uint32_t check = bk_crc32c(0, head, LOG_HEAD_BYTES - sizeof check);
    memcpy(head + LOG_HEAD_BYTES - sizeof check, &check, sizeof check);
}

/** Make the checks fit what the mutation left, as far as blocks can be told apart. */
static void mend(uint8_t *data, size_t size)
{
    struct log_block_head head;
    if (size < LOG_HEAD_BYTES) return;
    put_check(data);
    for (size_t at = LOG_HEAD_BYTES; at + LOG_HEAD_BYTES <= size;) {
        memcpy(&head, data + at, sizeof head);
        if (memcmp(head.tag, "BLK2", 4) != 0) return;
        size_t left = size - at - LOG_HEAD_BYTES;
        if (head.packed_bytes > left) return;
        head.packed_check = bk_crc32c(0, data + at + LOG_HEAD_BYTES, head.packed_bytes);
        memcpy(data + at, &head, sizeof head);
        put_check(data + at);
        at += LOG_HEAD_BYTES + head.packed_bytes;
    }
}

static void read_all(const char *what)
{
    struct bk_reason reason = {""};
    struct bk_record record;
    int64_t last[BK_TOPIC_COUNT] = {-1, -1, -1, -1};
    uint64_t sum = 0;
    struct bk_log_reader *reader = bk_log_reader_open(what, &reason);
    BK_ASSERT(reader || reason.text[0]);
    int code = reader ? 1 : 0;
    while (code == 1 && (code = bk_log_reader_next(reader, &record, &reason)) == 1) {
        for (uint32_t i = 0; i < record.key.len; i++) sum += (uint8_t)record.key.p[i];
        for (uint32_t i = 0; i < record.value.len; i++) sum += (uint8_t)record.value.p[i];
        BK_ASSERT(record.offset >= 0);
        if (record.partition == 0) {
            BK_ASSERT(record.offset > last[record.topic]);
            last[record.topic] = record.offset;
        }
    }
    BK_ASSERT(code == 0 || reason.text[0]);
    BK_ASSERT(sum != UINT64_MAX); /* so that the reading is not left out */
    bk_log_reader_close(&reader);
}

static bool erases_some(void *arg, const struct bk_record *record)
{
    (void)arg;
    return record->offset % 2 == 0;
}

static void write_on(void)
{
    struct bk_reason reason = {""};
    int code;
    int64_t next;
    uint64_t records, files;
    struct bk_archive *archive = bk_archive_open(folder, &code, &reason);
    BK_ASSERT(archive);
    if (!bk_archive_erase(archive, erases_some, NULL, &records, &files, &reason) &&
        !bk_archive_part(archive, BK_TOPIC_EVENTS, 0, &next, &reason) && next < INT64_MAX - 1) {
        struct bk_record record = {.offset = next < 0 ? 0 : next, .value = BK_STR("on")};
        BK_ASSERT(bk_archive_append(archive, &record, (bk_str_t){NULL, 0}, 0, &reason) == 0);
    }
    (void)bk_archive_close(&archive, &reason);
}

/** Records whose numbers and lengths are anything: in order, in the bytes, and inside the block. */
static void read_records(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data;
    struct log_cursor cursor = {.p = bytes, .end = bytes + size, .left = 64, .next = 10, .to = 90};
    struct bk_record record;
    bk_str_t headers;
    int64_t last = 9;
    while (bk__log_cursor_next(&cursor, &record, &headers) == 1) {
        BK_ASSERT(record.offset > last && record.offset < 90);
        BK_ASSERT(!record.key.p || record.key.p + record.key.len <= bytes + size);
        BK_ASSERT(!record.value.p || record.value.p + record.value.len <= bytes + size);
        BK_ASSERT(!record.value_schema_id.p ||
                  record.value_schema_id.p + record.value_schema_id.len <= bytes + size);
        last = record.offset;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) return 0;
    if (data[0] == 2) {
        read_records(data + 1, size - 1);
        return 0;
    }
    prepare();
    uint8_t *bytes = malloc(size);
    memcpy(bytes, data + 1, size - 1);
    if (data[0]) mend(bytes, size - 1);
    spill(path, bytes, size - 1);
    read_all(path);
    spill(day_path, bytes, size - 1);
    read_all(folder);
    write_on();
    read_all(folder);
    free(bytes);
    return 0;
}
