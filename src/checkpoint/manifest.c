/* manifest.c -- the MANIFEST's text, written and read: see format.h. */
#include "format.h"

#include "basketry/buf.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

void bkc_manifest_deinit(struct bkc_manifest *manifest)
{
    free(manifest->files);
    *manifest = (struct bkc_manifest){0};
}

char *bkc_manifest_text(const struct bkc_manifest *m)
{
    struct bk_buf out = {0};
    bk_buf_printf(&out, "basketry checkpoint %d\n", BKC_FORMAT);
    bk_buf_printf(&out, "generation %" PRIu32 "\n", m->generation);
    bk_buf_printf(&out, "state %" PRIu64 " %016" PRIx64 "\n", m->state_version, m->layout);
    bk_buf_printf(&out, "epochs %" PRId64 " %" PRId64 "\n", m->pair_epoch_ms,
                  m->popularity_epoch_ms);
    bk_buf_printf(&out, "written %" PRId64 "\n", m->written_ms);
    bk_buf_printf(&out, "topic_partitions %" PRId32 "\n", m->topic_partitions);
    for (uint32_t i = 0; i < m->file_count; i++)
        bk_buf_printf(&out, "file %s %" PRIu64 " %08" PRIx32 "\n", m->files[i].name,
                      m->files[i].bytes, m->files[i].crc);
    for (uint32_t i = 0; i < m->file_count; i++)
        if (m->files[i].partition >= 0)
            bk_buf_printf(&out, "offset %" PRId32 " %" PRId64 "\n", m->files[i].partition,
                          m->files[i].next_offset);
    bk_buf_printf(&out, "end %08" PRIx32 "\n", bk_crc32c(0, out.p, out.len));
    if (!out.failed) return out.p;
    bk_buf_deinit(&out);
    return NULL;
}

/* ---- reading: the CRC first, so that what is parsed was written by us ---- */

static int corrupt(struct bk_reason *reason, const char *what)
{
    return bk_reason_set(reason, BK_ECORRUPT, BKC_MANIFEST ": %s", what);
}

/* The text without its last line, checked against it. */
static int check_end(const char *text, size_t len, size_t *body_len, struct bk_reason *reason)
{
    static const char form[] = "end 01234567\n";
    size_t end_len = sizeof form - 1;
    if (len < end_len || memchr(text, '\0', len)) return corrupt(reason, "it has no end");
    const char *end = text + len - end_len;
    uint32_t crc;
    char tail;
    if (sscanf(end, "end %8" SCNx32 "%c", &crc, &tail) != 2 || tail != '\n')
        return corrupt(reason, "it has no end");
    *body_len = len - end_len;
    if (!*body_len || text[*body_len - 1] != '\n') return corrupt(reason, "it has no end");
    if (crc != bk_crc32c(0, text, *body_len)) return corrupt(reason, "its check does not fit");
    return BK_OK;
}

static int parse_head(const char *text, struct bkc_manifest *m, int *used, struct bk_reason *reason)
{
    int format = 0, at = 0;
    if (sscanf(text, "basketry checkpoint %d", &format) != 1)
        return corrupt(reason, "its first line is another");
    if (format != BKC_FORMAT)
        return bk_reason_set(reason, BK_EUNSUPPORTED,
                             "it has format %d, this program reads format %d", format, BKC_FORMAT);
    int got = sscanf(text,
                     "basketry checkpoint %*d\n"
                     "generation %" SCNu32 "\n"
                     "state %" SCNu64 " %" SCNx64 "\n"
                     "epochs %" SCNd64 " %" SCNd64 "\n"
                     "written %" SCNd64 "\n"
                     "topic_partitions %" SCNd32 "%n",
                     &m->generation, &m->state_version, &m->layout, &m->pair_epoch_ms,
                     &m->popularity_epoch_ms, &m->written_ms, &m->topic_partitions, &at);
    if (got != 7) return corrupt(reason, "its head is incomplete");
    *used = at + 1;
    return BK_OK;
}

static int partition_of(const char *name)
{
    int partition;
    return sscanf(name, "partition-%d.bkc", &partition) == 1 ? partition : -1;
}

static bool parse_file(const char *line, struct bkc_manifest *m)
{
    struct bkc_file *file = &m->files[m->file_count];
    if (m->file_count == BKC_FILES_MAX ||
        sscanf(line, "file %63s %" SCNu64 " %8" SCNx32, file->name, &file->bytes, &file->crc) != 3)
        return false;
    file->partition = partition_of(file->name);
    m->file_count++;
    return file->partition < BK_SHARDS_MAX &&
           (file->partition >= 0 || strcmp(file->name, BKC_SHARED) == 0);
}

static bool parse_offset(const char *line, struct bkc_manifest *m)
{
    int32_t partition;
    int64_t next;
    if (sscanf(line, "offset %" SCNd32 " %" SCNd64, &partition, &next) != 2) return false;
    for (uint32_t i = 0; i < m->file_count; i++)
        if (m->files[i].partition == partition && partition >= 0) {
            m->files[i].next_offset = next;
            return true;
        }
    return false;
}

static int parse_lines(const char *text, const char *end, struct bkc_manifest *m,
                       struct bk_reason *reason)
{
    while (text < end) {
        bool known = strncmp(text, "file ", 5) == 0     ? parse_file(text, m)
                     : strncmp(text, "offset ", 7) == 0 ? parse_offset(text, m)
                                                        : false;
        if (!known) return corrupt(reason, "a line makes no sense");
        text = (const char *)memchr(text, '\n', (size_t)(end - text)) + 1;
    }
    return BK_OK;
}

int bkc_manifest_parse(const char *text, size_t len, struct bkc_manifest *out,
                       struct bk_reason *reason)
{
    int used = 0;
    size_t body_len = 0;
    *out = (struct bkc_manifest){0};
    int err = check_end(text, len, &body_len, reason);
    if (err == BK_OK) err = parse_head(text, out, &used, reason);
    if (err != BK_OK) return err;
    out->files = calloc(BKC_FILES_MAX + 1, sizeof *out->files);
    if (!out->files) return bk_reason_set(reason, BK_ENOMEM, "no memory for a manifest");
    err = parse_lines(text + used, text + body_len, out, reason);
    if (err == BK_OK && (!out->file_count || out->files[0].partition != -1))
        err = corrupt(reason, "it does not begin with " BKC_SHARED);
    if (err != BK_OK) bkc_manifest_deinit(out);
    return err;
}

int bkc_manifest_fits(const struct bkc_manifest *m, const struct bk_state_params *params,
                      struct bk_reason *reason)
{
    if (m->state_version != BK_STATE_VERSION || m->layout != bk_state_layout())
        return bk_reason_set(reason, BK_EUNSUPPORTED,
                             "it holds state version %" PRIu64 " layout %016" PRIx64
                             ", this program keeps version %d layout %016" PRIx64,
                             m->state_version, m->layout, BK_STATE_VERSION, bk_state_layout());
    if (m->pair_epoch_ms != params->pair_epoch_ms)
        return bk_reason_set(reason, BK_EUNSUPPORTED,
                             "it was counted with state.pair_epoch = %" PRId64
                             "ms, configured are %" PRId64 "ms",
                             m->pair_epoch_ms, params->pair_epoch_ms);
    if (m->popularity_epoch_ms != params->popularity_epoch_ms)
        return bk_reason_set(reason, BK_EUNSUPPORTED,
                             "it was counted with state.popularity_epoch = %" PRId64
                             "ms, configured are %" PRId64 "ms",
                             m->popularity_epoch_ms, params->popularity_epoch_ms);
    return BK_OK;
}
