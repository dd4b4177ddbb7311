/* load.c -- files become arenas again: straight from the file into the range, checked on the way.
 *
 * THE IDEA
 *   First the heads are read, from one to the next, and all that they say is checked: sections in
 *   order, each block inside its section and behind the one before. That gives a list of where which
 *   bytes go, which several threads lay there (lay.c). Only then is a section looked at as a whole.
 * COST  one read and one CRC of every byte; nothing is copied twice. 24 bytes for each block of
 *       256 KiB while a file is read.
 */
#include "format.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int bkc_corrupt(const struct bkc_in *in, const char *what)
{
    return bk_reason_set(in->reason, BK_ECORRUPT, "%s: byte %llu: %s", in->name,
                         (unsigned long long)in->at, what);
}

int bkc_take(struct bkc_in *in, void *bytes, size_t len)
{
    uint8_t *p = bytes;
    while (len) {
        ssize_t n = pread(in->file, p, len, (off_t)in->at);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0)
            return bk_reason_set(in->reason, BK_EIO, "%s: byte %llu: %s", in->name,
                                 (unsigned long long)in->at, strerror(errno));
        if (n == 0) return bkc_corrupt(in, "the file ends too early");
        p += n;
        in->at += (uint64_t)n;
        len -= (size_t)n;
    }
    return BK_OK;
}

static int take_head(struct bkc_in *in, void *head, size_t len, uint32_t *crc)
{
    int err = bkc_take(in, head, len);
    if (err == BK_OK) *crc = bkc_crc_of_heads(*crc, head, len);
    return err;
}

static int take_header(struct bkc_in *in, uint32_t *crc)
{
    struct bkc_header header;
    int err = take_head(in, &header, sizeof header, crc);
    if (err != BK_OK) return err;
    if (memcmp(header.magic, BKC_MAGIC, sizeof header.magic) != 0)
        return bkc_corrupt(in, "it is no file of a checkpoint");
    if (header.crc != bk_crc32c(0, &header, offsetof(struct bkc_header, crc)))
        return bkc_corrupt(in, "the header's check does not fit");
    if (header.format != BKC_FORMAT || header.layout != bk_state_layout())
        return bk_reason_set(in->reason, BK_EUNSUPPORTED, "%s: format %u is another one's",
                             in->name, header.format);
    return BK_OK;
}

static int take_block(struct bkc_in *in, struct bkc_block *block, uint32_t *crc)
{
    int err = take_head(in, block, sizeof *block, crc);
    if (err != BK_OK) return err;
    if (block->crc != bk_crc32c(0, block, offsetof(struct bkc_block, crc)))
        return bkc_corrupt(in, "a block's check does not fit");
    return block->len <= BKC_DATA_MAX ? BK_OK : bkc_corrupt(in, "a block is too long");
}

/* Where reading stands: which section is open, how far it is, and what is to be laid where. */
struct place {
    const struct bk_section *sections;
    uint64_t section_bytes[BK_SECTIONS_MAX];
    size_t count, opened;
    uint8_t *image; /* of the open one */
    uint64_t from;
    uint64_t data;
    struct bkc_lay *blocks; /* heap */
    size_t block_count, block_cap;
};

static int open_section(struct bkc_in *in, const struct bkc_block *block, struct place *place)
{
    char name[BKC_NAME_MAX] = "";
    if (block->number != place->opened || place->opened == place->count || !block->len ||
        block->len >= sizeof name)
        return bkc_corrupt(in, "a section is out of its place");
    struct bkc_lay text = {in->at, name, block->len, block->data_crc};
    int err = bkc_lay_all(in, &text, 1);
    if (err != BK_OK) return err;
    in->at += block->len;
    const struct bk_section *section = &place->sections[place->opened];
    if (strcmp(name, section->name) != 0) return bkc_corrupt(in, "a section has another name");
    place->section_bytes[place->opened++] = block->at;
    place->image = bk_arena_image(section->arena, block->at);
    place->from = 0;
    if (place->image) return BK_OK;
    return bk_reason_set(in->reason, BK_ELIMIT,
                         "%s: %s takes %llu bytes, more than its share of state.bytes_max",
                         in->name, name, (unsigned long long)block->at);
}

static struct bkc_lay *next_block(struct place *place)
{
    if (place->block_count == place->block_cap) {
        size_t cap = place->block_cap ? 2 * place->block_cap : 64;
        struct bkc_lay *more = realloc(place->blocks, cap * sizeof *more);
        if (!more) return NULL;
        place->blocks = more;
        place->block_cap = cap;
    }
    return &place->blocks[place->block_count++];
}

static int place_data(struct bkc_in *in, const struct bkc_block *block, struct place *place)
{
    uint64_t bytes = place->opened ? place->section_bytes[place->opened - 1] : 0;
    if (!place->opened || block->number != place->opened - 1 || block->at < place->from ||
        block->at > bytes || block->len > bytes - block->at)
        return bkc_corrupt(in, "a block is out of its place");
    struct bkc_lay *lay = next_block(place);
    if (!lay) return bk_reason_set(in->reason, BK_ENOMEM, "no memory to read %s with", in->name);
    *lay = (struct bkc_lay){in->at, place->image + block->at, block->len, block->data_crc};
    in->at += block->len;
    place->from = block->at + block->len;
    place->data += block->len;
    return BK_OK;
}

static int check_end(struct bkc_in *in, const struct bkc_block *block, const struct place *place)
{
    char more;
    if (block->number != place->count || place->opened != place->count ||
        block->at != place->data || block->len)
        return bkc_corrupt(in, "the end does not fit what came before");
    return pread(in->file, &more, 1, (off_t)in->at) == 0
               ? BK_OK
               : bkc_corrupt(in, "something follows the end");
}

/* From head to head, up to the end. */
static int take_heads(struct bkc_in *in, struct place *place, uint32_t *crc)
{
    struct bkc_block block;
    for (;;) {
        int err = take_block(in, &block, crc);
        if (err != BK_OK) return err;
        switch (block.kind) {
        case BKC_SECTION:
            err = open_section(in, &block, place);
            break;
        case BKC_DATA:
            err = place_data(in, &block, place);
            break;
        case BKC_END:
            return check_end(in, &block, place);
        default:
            err = bkc_corrupt(in, "a block is of no known kind");
        }
        if (err != BK_OK) return err;
    }
}

static int check_sections(const struct bkc_in *in, const struct place *place)
{
    for (size_t i = 0; i < place->count; i++)
        if (!bk_arena_is_whole(place->sections[i].arena, place->section_bytes[i]))
            return bk_reason_set(in->reason, BK_ECORRUPT, "%s: section %s is not whole", in->name,
                                 place->sections[i].name);
    return BK_OK;
}

int bkc_file_load(const char *folder, const struct bkc_file *file,
                  const struct bk_section *sections, size_t section_count, struct bk_reason *reason)
{
    char path[BKC_PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, file->name);
    struct bkc_in in = {open(path, O_RDONLY | O_CLOEXEC), file->name, 0, reason};
    if (in.file < 0)
        return bk_reason_set(reason, errno == ENOENT ? BK_ECORRUPT : BK_EIO, "%s: %s", path,
                             strerror(errno));
    struct place place = {.sections = sections, .count = section_count};
    uint32_t crc = 0;
    int err = take_header(&in, &crc);
    if (err == BK_OK) err = take_heads(&in, &place, &crc);
    if (err == BK_OK && crc != file->crc)
        err = bkc_corrupt(&in, "it is not the file that the MANIFEST tells of");
    if (err == BK_OK) err = bkc_lay_all(&in, place.blocks, place.block_count);
    if (err == BK_OK) err = check_sections(&in, &place);
    free(place.blocks);
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
    size_t len = text ? fread(text, 1, TEXT_MAX, file) : 0;
    bool longer = text && getc(file) != EOF;
    fclose(file);
    int err = !text    ? bk_reason_set(reason, BK_ENOMEM, "no memory for a manifest")
              : longer ? bk_reason_set(reason, BK_ECORRUPT, BKC_MANIFEST ": it is too long")
                       : BK_OK;
    if (err == BK_OK) {
        text[len] = '\0';
        err = bkc_manifest_parse(text, len, out, reason);
    }
    free(text);
    return err;
}
