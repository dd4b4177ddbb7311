/* fuzz_import.c -- any bytes as a mapping and a file: an answer, no crash, and whatever comes out is a
 * record that the engine reads.
 *
 * The input is `mapping NUL file`; without a NUL it is a file that the known formats are tried on.
 * Of the first table that matches everything is read: rows, receipts, events, facts.
 */
#define _GNU_SOURCE 1 /* memfd_create */
#include "basketry/import.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "basketry/decode.h"

enum { FILE_BYTES_MAX = 1 << 16, EVENT_BYTES_MAX = 1 << 20 };

struct world {
    struct bk_decoder *decoder;
    uint8_t bytes[EVENT_BYTES_MAX];
};

static void record_is_read(struct world *world, enum bk_topic topic, bk_str_t key, bk_str_t value)
{
    const struct bk_event *event;
    struct bk_record record = {.topic = topic, .key = key, .value = value};
    struct bk_verdict verdict = bk_decode(world->decoder, &record, &event);
    BK_ASSERT(verdict.code == BK_VERDICT_OK);
}

static int on_event(void *arg, const struct bk_event *event)
{
    struct world *world = arg;
    char subject[BK_SUBJECT_BYTES_MAX];
    bk_str_t key = bk_str(subject, bk_event_subject(event, subject));
    size_t len = bk_encode_event(event, world->bytes, sizeof world->bytes);
    BK_ASSERT(len > 0);
    record_is_read(world, BK_TOPIC_EVENTS, key, bk_str((const char *)world->bytes, len));
    return 0;
}

static int on_fact(void *arg, const struct bk_import_fact *fact)
{
    record_is_read(arg, fact->topic, fact->key, fact->value);
    return 0;
}

static void import(struct world *world, const struct bk_import_formats *formats, const char *format,
                   const char *path)
{
    struct bk_import_rows rows = {.bytes_max = 1 << 26, .formats = formats};
    struct bk_import_watch watch = {0};
    struct bk_import_counts counts = {0};
    struct bk_import_fact_counts facts;
    struct bk_import_file file;
    struct bk_reason reason = {""};
    if (bk_import_recognise(formats, format, path, &file, &reason)) {
        BK_ASSERT(reason.text[0]);
        return;
    }
    int code = bk_import_read(&rows, &file, 1, &watch, &reason);
    BK_ASSERT(code == BK_OK || reason.text[0]);
    if (!code) code = bk_import_group(&rows);
    if (!code) code = bk_import_emit(&rows, BK_CONSENT_PERSONAL, on_event, world, &counts);
    if (!code) code = bk_import_facts(&rows, &file, 1, &watch, on_fact, world, &facts, &reason);
    bk_import_rows_deinit(&rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world world;
    static struct bk_import_formats *known; /* kept: to read them takes longer than most inputs */
    static int fd = -1;
    struct bk_reason reason = {""};
    char path[40];
    if (!world.decoder) world.decoder = bk_decoder_create(NULL, EVENT_BYTES_MAX, &reason);
    if (fd < 0) fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (size > FILE_BYTES_MAX || fd < 0) return 0;
    const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
    size_t mapping_len = nul ? (size_t)(nul - data) : 0;
    if (!known) known = bk_import_formats_create(NULL, &reason);
    struct bk_import_formats *formats =
        nul ? bk_import_formats_of_text(bk_str((const char *)data, mapping_len), &reason) : known;
    if (!formats) {
        BK_ASSERT(nul && reason.text[0]);
        return 0;
    }
    const uint8_t *text = nul ? nul + 1 : data;
    size_t text_len = size - (size_t)(text - data);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (ftruncate(fd, 0) == 0 && pwrite(fd, text, text_len, 0) == (ssize_t)text_len)
        import(&world, formats, nul ? "mapping" : NULL, path);
    if (formats != known) bk_import_formats_destroy(&formats);
    return 0;
}
