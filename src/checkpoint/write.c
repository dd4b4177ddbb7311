/* write.c -- captured arenas become files: see format.h for both forms and for the order on disk. */
#include "basketry/capture.h"
#include "format.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* A file being written; the first failure stands, and everything after it does nothing. */
struct out {
    struct bk_disk *disk;
    int file;
    int err; /* -errno */
    const char *step;
    uint64_t bytes;
    uint32_t crc; /* of the heads */
};

static void note(struct out *out, const char *step, int rc)
{
    if (out->err || rc >= 0) return;
    out->err = rc;
    out->step = step;
}

static void put(struct out *out, const void *bytes, size_t len)
{
    if (out->err || !len) return;
    note(out, "write", out->disk->write(out->disk, out->file, bytes, len));
    out->bytes += len;
}

static void put_head(struct out *out, const void *head, size_t len)
{
    out->crc = bkc_crc_of_heads(out->crc, head, len);
    put(out, head, len);
}

static void put_header(struct out *out, uint32_t generation, int32_t partition)
{
    struct bkc_header header = {.format = BKC_FORMAT,
                                .partition = partition,
                                .layout = bk_state_layout(),
                                .generation = generation};
    memcpy(header.magic, BKC_MAGIC, sizeof header.magic);
    header.crc = bk_crc32c(0, &header, offsetof(struct bkc_header, crc));
    put_head(out, &header, sizeof header);
}

static void put_block(struct out *out, enum bkc_kind kind, uint32_t number, uint64_t at,
                      const void *data, size_t len)
{
    struct bkc_block block = {.kind = kind,
                              .number = number,
                              .at = at,
                              .len = (uint32_t)len,
                              .data_crc = bk_crc32c(0, data, len)};
    block.crc = bk_crc32c(0, &block, offsetof(struct bkc_block, crc));
    put_head(out, &block, sizeof block);
    put(out, data, len);
}

static bool is_zero(const uint8_t *p, size_t len)
{
    return len == 0 || (p[0] == 0 && memcmp(p, p + 1, len - 1) == 0);
}

/* The pages of one run that hold anything, neighbours together. Returns their bytes. */
static uint64_t put_pages(struct out *out, uint32_t number, uint64_t at, const uint8_t *run,
                          size_t len)
{
    enum { PAGE = 1 << BK_ARENA_PAGE_BITS };
    uint64_t data = 0;
    for (size_t from = 0, to; from < len; from = to) {
        for (; from < len && is_zero(run + from, bk_min_u64(PAGE, len - from)); from += PAGE) {
        }
        for (to = from; to < len && !is_zero(run + to, bk_min_u64(PAGE, len - to)); to += PAGE) {
        }
        if (to > len) to = len;
        if (from >= len) break;
        put_block(out, BKC_DATA, number, at + from, run + from, to - from);
        data += to - from;
    }
    return data;
}

/* Returns the bytes of data; *lost when the capture is over. */
static uint64_t put_section(struct out *out, uint32_t number, const struct bk_section *section,
                            struct bk_capture *capture, uint8_t *scratch, bool *lost)
{
    uint64_t bytes = bk_capture_bytes(section->arena), data = 0;
    put_block(out, BKC_SECTION, number, bytes, section->name, strlen(section->name));
    for (uint64_t at = 0; at < bytes && !out->err && !*lost; at += BKC_DATA_MAX) {
        size_t len = (size_t)bk_min_u64(BKC_DATA_MAX, bytes - at);
        *lost = !bk_capture_read(capture, section->arena, at, len, scratch);
        if (!*lost) data += put_pages(out, number, at, scratch, len);
    }
    return data;
}

/* All sections and the end. False when the capture was lost. */
static bool put_sections(struct out *out, struct bkc_source *source, struct bk_capture *capture,
                         uint8_t *scratch)
{
    uint64_t data = 0;
    bool lost = false;
    for (uint32_t i = 0; i < source->section_count && !lost; i++)
        data += put_section(out, i, &source->sections[i], capture, scratch, &lost);
    put_block(out, BKC_END, (uint32_t)source->section_count, data, NULL, 0);
    return !lost;
}

static int outcome(const struct out *out, const char *path, struct bk_reason *reason)
{
    if (!out->err) return BK_OK;
    return bk_reason_set(reason, BK_EIO, "%s %s: %s", out->step, path, strerror(-out->err));
}

int bkc_file_write(struct bk_disk *disk, const char *folder, uint32_t generation,
                   struct bkc_source *source, struct bk_capture *capture, uint8_t *scratch,
                   struct bk_reason *reason)
{
    char path[BKC_PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, source->file.name);
    struct out out = {.disk = disk, .file = disk->create(disk, path)};
    note(&out, "create", out.file);
    if (out.err) return outcome(&out, path, reason);
    put_header(&out, generation, source->file.partition);
    bool whole = put_sections(&out, source, capture, scratch);
    if (!out.err && whole) note(&out, "sync", disk->sync(disk, out.file));
    note(&out, "close", disk->close(disk, out.file));
    source->file.bytes = out.bytes;
    source->file.crc = out.crc;
    if (!whole)
        return bk_reason_set(
            reason, BK_ELIMIT,
            "more changed while it was written than checkpoint.copy_bytes_max holds");
    return outcome(&out, path, reason);
}

int bkc_manifest_write(struct bk_disk *disk, const char *dir, const char *folder,
                       const struct bkc_manifest *manifest, struct bk_reason *reason)
{
    char fresh[BKC_PATH_MAX], final[BKC_PATH_MAX];
    snprintf(fresh, sizeof fresh, "%s/" BKC_MANIFEST ".new", folder);
    snprintf(final, sizeof final, "%s/" BKC_MANIFEST, folder);
    char *text = bkc_manifest_text(manifest);
    if (!text) return bk_reason_set(reason, BK_ENOMEM, "no memory for a manifest");
    struct out out = {.disk = disk, .file = disk->create(disk, fresh)};
    note(&out, "create", out.file);
    if (!out.err) {
        put(&out, text, strlen(text));
        if (!out.err) note(&out, "sync", disk->sync(disk, out.file));
        note(&out, "close", disk->close(disk, out.file));
    }
    free(text);
    if (!out.err) note(&out, "rename", disk->rename(disk, fresh, final));
    if (!out.err) note(&out, "sync folder of", disk->sync_folder(disk, folder));
    if (!out.err) note(&out, "sync folder above", disk->sync_folder(disk, dir));
    return outcome(&out, final, reason);
}
