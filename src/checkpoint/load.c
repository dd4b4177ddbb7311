/* load.c -- files become arenas again: straight from the file into the range, checked on the way.
 *
 * COST  one read and one CRC of every byte; nothing is copied twice.
 */
#include "format.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct in {
    int file;
    const char *path;
    uint64_t at;
    struct bk_reason *reason;
};

static int corrupt(const struct in *in, const char *what)
{
    return bk_reason_set(in->reason, BK_ECORRUPT, "%s: byte %llu: %s", in->path,
                         (unsigned long long)in->at, what);
}

/* Exactly `len` bytes. */
static int take(struct in *in, void *bytes, size_t len)
{
    uint8_t *p = bytes;
    while (len) {
        ssize_t n = read(in->file, p, len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0)
            return bk_reason_set(in->reason, BK_EIO, "%s: byte %llu: %s", in->path,
                                 (unsigned long long)in->at, strerror(errno));
        if (n == 0) return corrupt(in, "the file ends too early");
        p += n;
        in->at += (uint64_t)n;
        len -= (size_t)n;
    }
    return BK_OK;
}

static int take_header(struct in *in, uint32_t generation, int32_t partition)
{
    struct bkc_header header;
    int err = take(in, &header, sizeof header);
    if (err != BK_OK) return err;
    if (memcmp(header.magic, BKC_MAGIC, sizeof header.magic) != 0)
        return corrupt(in, "it is no file of a checkpoint");
    if (header.crc != bk_crc32c(0, &header, offsetof(struct bkc_header, crc)))
        return corrupt(in, "the header's check does not fit");
    if (header.format != BKC_FORMAT || header.layout != bk_state_layout())
        return bk_reason_set(in->reason, BK_EUNSUPPORTED, "%s: format %u is another one's",
                             in->path, header.format);
    if (header.generation != generation || header.partition != partition)
        return corrupt(in, "it belongs to another generation or partition");
    return BK_OK;
}

static int take_block(struct in *in, struct bkc_block *block)
{
    int err = take(in, block, sizeof *block);
    if (err != BK_OK) return err;
    if (block->crc != bk_crc32c(0, block, offsetof(struct bkc_block, crc)))
        return corrupt(in, "a block's check does not fit");
    return block->len <= BKC_DATA_MAX ? BK_OK : corrupt(in, "a block is too long");
}

static int take_data(struct in *in, const struct bkc_block *block, void *out)
{
    int err = take(in, out, block->len);
    if (err != BK_OK) return err;
    if (block->data_crc != bk_crc32c(0, out, block->len))
        return corrupt(in, "the data's check does not fit");
    return BK_OK;
}

/* Where reading stands: which section is open, and how far. */
struct place {
    const struct bk_section *sections;
    size_t count, opened;
    uint8_t *image; /* of the open one */
    uint64_t image_bytes, from;
    uint64_t data;
};

static int close_section(const struct in *in, const struct place *place)
{
    if (!place->opened) return BK_OK;
    const struct bk_section *section = &place->sections[place->opened - 1];
    if (bk_arena_is_whole(section->arena, place->image_bytes)) return BK_OK;
    return corrupt(in, "a section is not whole");
}

static int open_section(struct in *in, const struct bkc_block *block, struct place *place)
{
    char name[BKC_NAME_MAX] = "";
    if (block->number != place->opened || place->opened == place->count || !block->len ||
        block->len >= sizeof name)
        return corrupt(in, "a section is out of its place");
    int err = take_data(in, block, name);
    if (err != BK_OK) return err;
    const struct bk_section *section = &place->sections[place->opened++];
    if (strcmp(name, section->name) != 0) return corrupt(in, "a section has another name");
    place->image = bk_arena_image(section->arena, block->at);
    place->image_bytes = block->at;
    place->from = 0;
    if (place->image) return BK_OK;
    return bk_reason_set(in->reason, BK_ELIMIT,
                         "%s: %s takes %llu bytes, more than its share of state.bytes_max",
                         in->path, name, (unsigned long long)block->at);
}

static int lay_data(struct in *in, const struct bkc_block *block, struct place *place)
{
    if (!place->opened || block->number != place->opened - 1 || block->at < place->from ||
        block->at > place->image_bytes || block->len > place->image_bytes - block->at)
        return corrupt(in, "a block is out of its place");
    place->from = block->at + block->len;
    place->data += block->len;
    return take_data(in, block, place->image + block->at);
}

static int check_end(struct in *in, const struct bkc_block *block, const struct place *place)
{
    char more;
    if (block->number != place->count || place->opened != place->count ||
        block->at != place->data || block->len)
        return corrupt(in, "the end does not fit what came before");
    return read(in->file, &more, 1) == 0 ? BK_OK : corrupt(in, "something follows the end");
}

static int take_blocks(struct in *in, struct place *place)
{
    struct bkc_block block;
    for (;;) {
        int err = take_block(in, &block);
        if (err == BK_OK && block.kind != BKC_DATA) err = close_section(in, place);
        if (err != BK_OK) return err;
        switch (block.kind) {
        case BKC_SECTION:
            err = open_section(in, &block, place);
            break;
        case BKC_DATA:
            err = lay_data(in, &block, place);
            break;
        case BKC_END:
            return check_end(in, &block, place);
        default:
            err = corrupt(in, "a block is of no known kind");
        }
        if (err != BK_OK) return err;
    }
}

int bkc_file_load(const char *folder, uint32_t generation, const struct bkc_file *file,
                  const struct bk_section *sections, size_t section_count, struct bk_reason *reason)
{
    char path[BKC_PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, file->name);
    struct in in = {.file = open(path, O_RDONLY | O_CLOEXEC), .path = file->name, .reason = reason};
    if (in.file < 0)
        return bk_reason_set(reason, errno == ENOENT ? BK_ECORRUPT : BK_EIO, "%s: %s", path,
                             strerror(errno));
    struct place place = {.sections = sections, .count = section_count};
    int err = take_header(&in, generation, file->partition);
    if (err == BK_OK) err = take_blocks(&in, &place);
    if (err == BK_OK && in.at != file->bytes)
        err = corrupt(&in, "the MANIFEST tells another length");
    close(in.file);
    return err;
}

int bkc_manifest_read(const char *folder, struct bkc_manifest *out, struct bk_reason *reason)
{
    enum { TEXT_MAX = BKC_FILES_MAX * 160 };
    char path[BKC_PATH_MAX];
    snprintf(path, sizeof path, "%s/" BKC_MANIFEST, folder);
    *out = (struct bkc_manifest){0};
    FILE *file = fopen(path, "re");
    if (!file)
        return bk_reason_set(reason, errno == ENOENT ? BK_ENOENT : BK_EIO, "%s: %s", path,
                             strerror(errno));
    char *text = malloc(TEXT_MAX + 1);
    size_t len = text ? fread(text, 1, TEXT_MAX + 1, file) : 0;
    fclose(file);
    int err = !text            ? bk_reason_set(reason, BK_ENOMEM, "no memory for a manifest")
              : len > TEXT_MAX ? bk_reason_set(reason, BK_ECORRUPT, BKC_MANIFEST ": it is too long")
                               : BK_OK;
    if (err == BK_OK) {
        text[len] = '\0';
        err = bkc_manifest_parse(text, len, out, reason);
    }
    free(text);
    return err;
}
