/* log_file.c -- a log in a file: written by imports and tests, replayed through the source
 * contract.
 *
 * THE IDEA
 *   A Kafka log without Kafka: records in the order in which they were appended, each with its
 *   topic, partition and offset. The file is mapped, and records are handed over where they lie.
 *   Facts come before events, as from Kafka: if the file holds any, it is walked twice.
 *
 * FORMAT 1, little-endian; everything starts at a multiple of 8 bytes
 *   header, 64 bytes
 *      0   8  magic "BKLOG\r\n\0" (a text-mode copy breaks it, and is noticed)
 *      8   4  version, 1
 *     12   4  partitions of shop.events; the fact topics have one each
 *     16   8  bytes of the whole file, 0 until the writer closed it
 *     24  32  records of each topic (events, products, stock, customers), 0 until closed
 *     56   4  check: low half of bk_hash over bytes 0..55
 *     60   4  0
 *   record, 40 bytes and the payload
 *      0   4  check: low half of bk_hash over bytes 4..(40 + key + value)
 *      4   1  topic
 *      5   1  flags: 1 no key, 2 no value (a tombstone)
 *      6   2  0
 *      8   4  partition
 *     12   4  key bytes
 *     16   4  value bytes
 *     20   4  0
 *     24   8  offset
 *     32   8  timestamp, ms
 *     40      key, value, then zeroes to a multiple of 8
 *   The check is the hash the rest of the program stores too (a damaged record passes once in 4
 *   billion).
 * INVARIANTS
 *   I1 the offsets of a partition count from 0 without gaps, in file order. I2 what precedes damage
 *   is delivered; then the source fails, names the byte, and tells no end that it
 *      cannot know. Also a file that ends between two records, but earlier than its header says,
 *      and one whose writer did not close it, are damaged.
 * COST
 *   Reading: one hash of the record's bytes. Starting offsets inside the file are reached by
 *   walking.
 */
#include "basketry/log.h"
#include "basketry/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

enum {
    VERSION = 1,
    FLAG_NO_KEY = 1,
    FLAG_NO_VALUE = 2,
    PARTITIONS_MAX = 65536,
    PAYLOAD_BYTES_MAX = 1 << 30,
    WRITE_BUFFER_BYTES = 1 << 18,
};

static const char magic[8] = "BKLOG\r\n";

struct file_header {
    char magic[8];
    uint32_t version;
    int32_t partitions;
    uint64_t file_bytes;
    uint64_t records[BK_TOPIC_COUNT];
    uint32_t check;
    uint32_t zero;
};
_Static_assert(sizeof(struct file_header) == 64, "the header is 64 bytes");
_Static_assert(BK_TOPIC_COUNT == 4, "a new topic is a new version of the format");

struct record_header {
    uint32_t check;
    uint8_t topic;
    uint8_t flags;
    uint16_t zero;
    int32_t partition;
    uint32_t key_bytes;
    uint32_t value_bytes;
    uint32_t zero_too;
    int64_t offset;
    int64_t timestamp_ms;
};
_Static_assert(sizeof(struct record_header) == 40, "the record's head is 40 bytes");
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "log files are little-endian, and are read as they lie"
#endif

static uint32_t check_of(const void *bytes, size_t len)
{
    return (uint32_t)bk_hash(bytes, len);
}

static uint32_t header_check(const struct file_header *header)
{
    return check_of(header, offsetof(struct file_header, check));
}

static size_t padding_of(size_t len)
{
    return (8 - len % 8) % 8;
}

int32_t bk_partition_of(bk_str_t key, int32_t partitions)
{
    const uint32_t m = 0x5bd1e995;
    uint32_t h = 0x9747b28c ^ key.len;
    const unsigned char *p = (const unsigned char *)key.p;
    uint32_t left = key.len;
    for (; left >= 4; left -= 4, p += 4) {
        uint32_t k =
            (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
        k *= m;
        k ^= k >> 24;
        h = (h * m) ^ (k * m);
    }
    if (left > 2) h ^= (uint32_t)p[2] << 16;
    if (left > 1) h ^= (uint32_t)p[1] << 8;
    if (left > 0) h = (h ^ p[0]) * m;
    h ^= h >> 13;
    h *= m;
    h ^= h >> 15;
    return (int32_t)((h & 0x7fffffff) % (uint32_t)partitions);
}

/* ---- the writer ---- */

struct bk_log_writer {
    FILE *file;
    struct file_header header;
    uint64_t bytes;       /* written so far, header included                   */
    int64_t *event_nexts; /* the next offset of each partition of shop.events */
    int64_t fact_nexts[BK_TOPIC_COUNT];
};

static void free_writer(struct bk_log_writer *writer)
{
    if (writer->file) fclose(writer->file);
    free(writer->event_nexts);
    free(writer);
}

struct bk_log_writer *bk_log_writer_create(const char *path, int32_t partitions,
                                           struct bk_reason *reason)
{
    if (partitions < 1 || partitions > PARTITIONS_MAX) {
        bk_reason_set(reason, BK_EINVAL, "%s: %d partitions; 1 to %d are possible", path,
                      partitions, PARTITIONS_MAX);
        return NULL;
    }
    struct bk_log_writer *writer = calloc(1, sizeof *writer);
    if (writer) writer->event_nexts = calloc((size_t)partitions, sizeof *writer->event_nexts);
    if (!writer || !writer->event_nexts) {
        free(writer);
        bk_reason_set(reason, BK_ENOMEM, "%s: no memory", path);
        return NULL;
    }
    memcpy(writer->header.magic, magic, sizeof magic);
    writer->header.version = VERSION;
    writer->header.partitions = partitions;
    writer->header.check = header_check(&writer->header);
    writer->bytes = sizeof writer->header;
    writer->file = fopen(path, "wbe");
    if (!writer->file || setvbuf(writer->file, NULL, _IOFBF, WRITE_BUFFER_BYTES) != 0 ||
        fwrite(&writer->header, sizeof writer->header, 1, writer->file) != 1) {
        bk_reason_set(reason, BK_EIO, "%s: %s", path, strerror(errno));
        free_writer(writer);
        return NULL;
    }
    return writer;
}

static int32_t choose_partition(const struct bk_log_writer *writer, enum bk_topic topic,
                                int32_t partition, bk_str_t key)
{
    int32_t partitions = topic == BK_TOPIC_EVENTS ? writer->header.partitions : 1;
    if (partition < 0) return bk_partition_of(key, partitions);
    BK_ASSERT(partition < partitions);
    return partition;
}

static bool write_bytes(struct bk_log_writer *writer, const void *bytes, size_t len)
{
    writer->bytes += len;
    return len == 0 || fwrite(bytes, len, 1, writer->file) == 1;
}

/** The check runs over head, key and value as they will lie in the file. */
static bool write_checked(struct bk_log_writer *writer, struct record_header *head, bk_str_t key,
                          bk_str_t value)
{
    static const char zeroes[8];
    char small[1024];
    size_t len = sizeof *head + key.len + value.len;
    char *whole = len <= sizeof small ? small : malloc(len);
    if (!whole) return false;
    memcpy(whole, head, sizeof *head);
    if (key.len) memcpy(whole + sizeof *head, key.p, key.len);
    if (value.len) memcpy(whole + sizeof *head + key.len, value.p, value.len);
    head->check = check_of(whole + sizeof head->check, len - sizeof head->check);
    memcpy(whole, &head->check, sizeof head->check);
    bool ok = write_bytes(writer, whole, len) && write_bytes(writer, zeroes, padding_of(len));
    if (whole != small) free(whole);
    return ok;
}

int bk_log_writer_append(struct bk_log_writer *writer, enum bk_topic topic, int32_t partition,
                         bk_wall_ms_t timestamp_ms, bk_str_t key, bk_str_t value)
{
    if ((uint64_t)key.len + value.len > PAYLOAD_BYTES_MAX) return BK_EIO;
    struct record_header head = {
        .topic = (uint8_t)topic,
        .flags = (uint8_t)((key.p ? 0 : FLAG_NO_KEY) | (value.p ? 0 : FLAG_NO_VALUE)),
        .partition = choose_partition(writer, topic, partition, key),
        .key_bytes = key.p ? key.len : 0,
        .value_bytes = value.p ? value.len : 0,
        .timestamp_ms = timestamp_ms,
    };
    int64_t *next = topic == BK_TOPIC_EVENTS ? &writer->event_nexts[head.partition]
                                             : &writer->fact_nexts[topic];
    head.offset = *next;
    if (!write_checked(writer, &head, bk_str(key.p, head.key_bytes),
                       bk_str(value.p, head.value_bytes)))
        return BK_EIO;
    ++*next;
    writer->header.records[topic]++;
    return BK_OK;
}

/** The header with its totals goes in last, after everything it vouches for is on the disk. */
static bool seal(struct bk_log_writer *writer)
{
    int fd = fileno(writer->file);
    writer->header.file_bytes = writer->bytes;
    writer->header.check = header_check(&writer->header);
    return fflush(writer->file) == 0 && !ferror(writer->file) && fsync(fd) == 0 &&
           pwrite(fd, &writer->header, sizeof writer->header, 0) == sizeof writer->header &&
           fsync(fd) == 0;
}

int bk_log_writer_close(struct bk_log_writer **writer_at)
{
    struct bk_log_writer *writer = *writer_at;
    if (!writer) return BK_OK;
    *writer_at = NULL;
    int err = seal(writer) ? BK_OK : BK_EIO;
    FILE *file = writer->file;
    writer->file = NULL;
    if (fclose(file) != 0) err = BK_EIO;
    free_writer(writer);
    return err;
}

/* ---- the source ---- */

struct file_part {
    enum bk_topic topic;
    int32_t partition;
    int64_t start; /* records below are passed over */
    int64_t next;  /* the offset the file must continue with */
    bool ended;
};

struct file_source {
    struct bk_source head;
    struct bk_source_events events;
    const char *bytes; /* the mapping */
    size_t len, at;
    size_t end;          /* how far the walks go: `len`, or where damage was found  */
    const char *fault;   /* what is wrong there; NULL: nothing known               */
    uint64_t sealed_len; /* what the header vouches for; 0: the writer did not close it */
    bool pass_facts;     /* this walk delivers facts; the next one, events              */
    bool started, paused, failed;
    struct file_part *parts;
    size_t parts_count;
    char name[64], detail[160];
    uint64_t delivered;
    uv_timer_t farewell; /* so that `closed` comes from the loop */
    struct uv_loop_s *loop;
    void (*closed)(void *arg);
    void *closed_arg;
};

static struct file_source *of_head(struct bk_source *head)
{
    return (struct file_source *)head; /* the first member */
}

static void wake(struct file_source *s)
{
    if (s->loop) s->events.wake(s->events.arg);
}

static size_t part_index(int topic, int32_t partition)
{
    return topic == BK_TOPIC_EVENTS ? (size_t)(BK_TOPIC_COUNT - 1 + partition)
                                    : (size_t)(topic - 1);
}

static void tell_ends(struct file_source *s, bool facts)
{
    for (size_t i = 0; i < s->parts_count; i++) {
        struct file_part *part = &s->parts[i];
        if ((part->topic != BK_TOPIC_EVENTS) != facts || part->ended) continue;
        part->ended = true;
        s->events.reached_end(s->events.arg, part->topic, part->partition);
    }
}

static void start(struct file_source *s)
{
    s->started = true;
    for (size_t i = 0; i < s->parts_count; i++) {
        struct file_part *part = &s->parts[i];
        part->start = s->events.assigned(s->events.arg, part->topic, part->partition);
    }
    if (!s->pass_facts) tell_ends(s, true); /* the header says that there are none */
}

static void fail(struct file_source *s)
{
    s->failed = true;
    snprintf(s->detail, sizeof s->detail, "%s: %s at byte %zu", s->name, s->fault, s->end);
    bk_log_error("log_file", "damaged file=\"%s\" byte=%zu what=\"%s\" delivered=%llu", s->name,
                 s->end, s->fault, (unsigned long long)s->delivered);
    wake(s);
}

/** What is wrong with the record at `at`, or NULL; `*size` is what it takes, padding included. */
static const char *record_fault(const struct file_source *s, const struct record_header *head,
                                size_t *size)
{
    size_t left = s->len - s->at;
    if (left < sizeof *head) return "the file ends inside a record";
    if ((uint64_t)head->key_bytes + head->value_bytes > PAYLOAD_BYTES_MAX)
        return "a length is out of range";
    size_t len = sizeof *head + head->key_bytes + head->value_bytes;
    *size = len + padding_of(len);
    if (left < *size) return "the file ends inside a record";
    if (check_of((const char *)head + sizeof head->check, len - sizeof head->check) != head->check)
        return "a record's check does not fit";
    for (size_t i = len; i < *size; i++)
        if (((const char *)head)[i]) return "bytes between two records";
    if (head->topic >= BK_TOPIC_COUNT || head->partition < 0 ||
        part_index(head->topic, head->partition) >= s->parts_count ||
        (head->topic != BK_TOPIC_EVENTS && head->partition != 0))
        return "a partition that the file does not have";
    return NULL;
}

static bool deliver(struct file_source *s, const struct record_header *head, struct file_part *part)
{
    if (head->offset < part->start) return false;
    const char *payload = (const char *)(head + 1);
    struct bk_record record = {
        .topic = part->topic,
        .partition = part->partition,
        .offset = head->offset,
        .timestamp_ms = head->timestamp_ms,
        .key = {head->flags & FLAG_NO_KEY ? NULL : payload, head->key_bytes},
        .value = {head->flags & FLAG_NO_VALUE ? NULL : payload + head->key_bytes,
                  head->value_bytes},
    };
    s->events.record(s->events.arg, &record);
    s->delivered++;
    return true;
}

/** Walk over one record. Returns how many were delivered: 0 or 1. */
static size_t step(struct file_source *s)
{
    const struct record_header *head = (const struct record_header *)(s->bytes + s->at);
    size_t size = 0;
    const char *fault = record_fault(s, head, &size);
    bool mine = !fault && (head->topic != BK_TOPIC_EVENTS) == s->pass_facts;
    struct file_part *part = mine ? &s->parts[part_index(head->topic, head->partition)] : NULL;
    if (mine && head->offset != part->next) fault = "an offset is out of order";
    if (fault) {
        s->fault = fault;
        s->end = s->at; /* the walks end here: I2 */
        return 0;
    }
    s->at += size;
    if (!mine) return 0;
    part->next++;
    return deliver(s, head, part);
}

static const char *seal_fault(const struct file_source *s)
{
    if (s->sealed_len == 0) return "the writer did not close the file, which ends";
    return s->sealed_len == s->len ? NULL : "the file does not have the length its header says";
}

/** The walk came to its end: on to the next one, or to what there is to say. */
static void end_walk(struct file_source *s)
{
    if (!s->fault) s->fault = seal_fault(s);
    if (s->pass_facts) {
        if (!s->fault) tell_ends(s, true);
        s->pass_facts = false;
        s->at = sizeof(struct file_header);
    } else if (s->fault) {
        fail(s);
    } else {
        tell_ends(s, false);
    }
}

static bool is_over(const struct file_source *s)
{
    return s->failed || s->parts[s->parts_count - 1].ended; /* events come last */
}

static size_t pull(struct bk_source *head, size_t max)
{
    struct file_source *s = of_head(head);
    size_t delivered = 0, walked = 0;
    if (!s->started) start(s);
    if (s->paused || max == 0) return 0;
    while (delivered < max && walked++ < max * 4 && !is_over(s)) {
        if (s->at < s->end)
            delivered += step(s);
        else
            end_walk(s);
    }
    if (!is_over(s)) wake(s);
    return delivered;
}

static void pause_source(struct bk_source *head, bool paused)
{
    struct file_source *s = of_head(head);
    s->paused = paused;
    if (!paused) wake(s);
}

static void status(struct bk_source *head, struct bk_source_status *out)
{
    const struct file_source *s = of_head(head);
    memset(out, 0, sizeof *out);
    out->state = s->failed    ? BK_SOURCE_FAILED
                 : is_over(s) ? BK_SOURCE_ENDED
                 : s->paused  ? BK_SOURCE_PAUSED
                              : BK_SOURCE_ASSIGNED;
    snprintf(out->detail, sizeof out->detail, "%s", s->detail);
    out->lag_records = is_over(s) && !s->failed ? 0 : -1;
    out->assigned = s->started ? (uint32_t)s->parts_count : 0;
    out->errors = s->failed;
}

static void free_source(struct file_source *s)
{
    if (s->bytes) munmap((void *)(uintptr_t)s->bytes, s->len);
    free(s->parts);
    free(s);
}

static void on_farewell_closed(uv_handle_t *handle)
{
    struct file_source *s = handle->data;
    s->closed(s->closed_arg);
    free_source(s);
}

static void close_source(struct bk_source *head, void (*closed)(void *arg), void *arg)
{
    struct file_source *s = of_head(head);
    s->closed = closed;
    s->closed_arg = arg;
    if (s->loop) {
        uv_close((uv_handle_t *)&s->farewell, on_farewell_closed);
        return;
    }
    closed(arg);
    free_source(s);
}

static const struct bk_source_ops file_ops = {
    .pull = pull, .pause = pause_source, .status = status, .close = close_source};

/** Map the file and check its header. */
static int map_file(struct file_source *s, const char *path, struct bk_reason *reason)
{
    struct stat st;
    struct file_header header;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) {
        int err = errno;
        if (fd >= 0) close(fd);
        return bk_reason_set(reason, bk_error_from_errno(err), "%s: %s", path, strerror(err));
    }
    s->len = (size_t)st.st_size;
    void *bytes =
        s->len < sizeof header ? MAP_FAILED : mmap(NULL, s->len, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (bytes == MAP_FAILED)
        return bk_reason_set(reason, BK_ECORRUPT,
                             "%s: not a log file: it ends inside its header (%zu bytes)", path,
                             s->len);
    s->bytes = bytes;
    s->end = s->len;
    s->at = sizeof header;
    madvise(bytes, s->len, MADV_SEQUENTIAL);
    memcpy(&header, bytes, sizeof header);
    if (memcmp(header.magic, magic, sizeof magic) != 0)
        return bk_reason_set(reason, BK_ECORRUPT, "%s: not a log file (byte 0)", path);
    if (header.check != header_check(&header) || header.zero || header.partitions < 1 ||
        header.partitions > PARTITIONS_MAX)
        return bk_reason_set(reason, BK_ECORRUPT, "%s: its header is damaged (byte 8)", path);
    if (header.version != VERSION)
        return bk_reason_set(reason, BK_EUNSUPPORTED, "%s: version %u; this build reads %d", path,
                             header.version, VERSION);
    s->parts_count = (size_t)header.partitions + BK_TOPIC_COUNT - 1;
    s->sealed_len = header.file_bytes;
    s->pass_facts = header.file_bytes == 0 || header.records[BK_TOPIC_PRODUCTS] ||
                    header.records[BK_TOPIC_STOCK] || header.records[BK_TOPIC_CUSTOMERS];
    return BK_OK;
}

/** Facts first, then the partitions of shop.events: part_index. */
static int make_parts(struct file_source *s, struct bk_reason *reason)
{
    s->parts = calloc(s->parts_count, sizeof *s->parts);
    if (!s->parts) return bk_reason_set(reason, BK_ENOMEM, "%s: no memory", s->name);
    for (size_t i = 0; i < s->parts_count; i++) {
        bool is_fact = i < BK_TOPIC_COUNT - 1;
        s->parts[i].topic = is_fact ? (enum bk_topic)(i + 1) : BK_TOPIC_EVENTS;
        s->parts[i].partition = is_fact ? 0 : (int32_t)(i - (BK_TOPIC_COUNT - 1));
    }
    return BK_OK;
}

struct bk_source *bk_source_file_create(struct uv_loop_s *loop, const char *path,
                                        const struct bk_source_events *events,
                                        struct bk_reason *reason)
{
    struct file_source *s = calloc(1, sizeof *s);
    if (!s) {
        bk_reason_set(reason, BK_ENOMEM, "%s: no memory", path);
        return NULL;
    }
    const char *slash = strrchr(path, '/');
    snprintf(s->name, sizeof s->name, "%s", slash ? slash + 1 : path);
    s->head.ops = &file_ops;
    s->events = *events;
    s->loop = loop;
    if (map_file(s, path, reason) != BK_OK || make_parts(s, reason) != BK_OK) {
        free_source(s);
        return NULL;
    }
    if (loop) {
        uv_timer_init(loop, &s->farewell);
        s->farewell.data = s;
    }
    wake(s);
    return &s->head;
}
