/* format.h -- a generation byte by byte. Little-endian, like every machine it was written for.
 *
 * A FILE (.bkc) is a header and blocks:
 *
 *   | bkc_header 32 | bkc_block 32 | data | bkc_block 32 | data | ... | bkc_block 32 (END) |
 *
 *   SECTION  opens a section: number = its place in the file, at = bytes of the whole section, data
 *            = its name (state.h: bk_shared_sections, bk_shard_sections).
 *   DATA     bytes [at, at + len) of the open section: the arena as it was. At most BKC_DATA_MAX.
 *            Pages that hold nothing but zeroes are left out; a section's first page never is.
 *   END      number = sections, at = bytes of data in the whole file. What follows it is damage.
 *
 *   Each block carries the CRC-32C of its data and, last, that of itself: a flipped bit, a torn or
 *   missing tail, a block out of its place (sections open in order, `at` only grows) are all seen.
 *   The CRC-32C of all heads from the header to the END, their own checks left out, is the whole
 *   file's: the MANIFEST has it.
 *
 * THE MANIFEST is text, for operators to read; a line each, in this order:
 *
 *   basketry checkpoint FORMAT
 *   generation NUMBER                  as in every file's header
 *   state VERSION LAYOUT               state.h: BK_STATE_VERSION, bk_state_layout() in hex
 *   epochs PAIR_MS POPULARITY_MS       state counted in other epochs would be misread
 *   written MS
 *   topic_partitions N                 of the events topic: their keys move when it changes
 *   file NAME BYTES CRC                one a file; no other file of that name passes
 *   offset PARTITION NEXT              one a partition: the record to read next
 *   end CRC                            CRC-32C, hex, of everything before this line
 *
 * ORDER ON DISK
 *   folder, files written, each synced, folder synced | promises kept | MANIFEST.new written, synced,
 *   renamed to MANIFEST, folder synced, parent synced | then only older generations go.
 * VERSIONS
 *   FORMAT is raised with this page. Another FORMAT, VERSION, LAYOUT or epoch is refused by name.
 */
#ifndef BASKETRY_CHECKPOINT_FORMAT_H
#define BASKETRY_CHECKPOINT_FORMAT_H

#include "basketry/checkpoint.h"

enum {
    BKC_FORMAT = 2,
    BKC_DATA_MAX = 256 << 10,
    BKC_NAME_MAX = 64,
    BKC_PATH_MAX = 512,
    BKC_FILES_MAX = BK_SHARDS_MAX + 1,
    BKC_GENERATIONS_SEEN_MAX =
        256, /* of one prefix in a folder: more than checkpoint.keep may be */
};
#define BKC_MAGIC    "bkckpt01"
#define BKC_MANIFEST "MANIFEST"
#define BKC_SHARED   "shared.bkc"

struct bkc_header {
    char magic[8];
    uint32_t format;
    int32_t partition; /* -1: shared */
    uint64_t layout;
    uint32_t generation;
    uint32_t crc; /* of the bytes before it */
};
_Static_assert(sizeof(struct bkc_header) == 32, "as in the essay");

enum bkc_kind { BKC_SECTION = 0x53454331, BKC_DATA = 0x44415431, BKC_END = 0x454e4431 };

struct bkc_block {
    uint32_t kind;
    uint32_t number;
    uint64_t at;
    uint32_t len; /* of the data that follows */
    uint32_t data_crc;
    uint32_t zero;
    uint32_t crc; /* of the bytes before it */
};
_Static_assert(sizeof(struct bkc_block) == 32, "as in the essay");
/* The heads so far and one more, each without its own check: a CRC over what ends with its CRC is the
 * same number whatever it says. */
static inline uint32_t bkc_crc_of_heads(uint32_t crc, const void *head, size_t len)
{
    return bk_crc32c(crc, head, len - sizeof(uint32_t));
}
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "files hold the machine's own order");

/* One file of a generation, as the manifest names it. */
struct bkc_file {
    char name[BKC_NAME_MAX];
    int32_t partition; /* -1: shared */
    uint64_t bytes;
    uint32_t crc;        /* of its heads */
    int64_t next_offset; /* of a partition */
};

struct bkc_manifest {
    uint32_t generation;
    uint64_t state_version, layout;
    int64_t pair_epoch_ms, popularity_epoch_ms;
    bk_wall_ms_t written_ms;
    int32_t topic_partitions;
    uint32_t file_count;
    struct bkc_file *files; /* heap */
};

/* ---- manifest.c ---- */
void bkc_manifest_deinit(struct bkc_manifest *manifest);
/* The text, heap, NUL-terminated; NULL: no memory. */
char *bkc_manifest_text(const struct bkc_manifest *manifest);
/* BK_OK, BK_ECORRUPT or BK_EUNSUPPORTED (another FORMAT) with a reason; BK_ENOMEM. */
int bkc_manifest_parse(const char *text, size_t len, struct bkc_manifest *out,
                       struct bk_reason *reason);
/* Is it of this program's state and of these epochs? BK_OK or BK_EUNSUPPORTED with a reason. */
int bkc_manifest_fits(const struct bkc_manifest *manifest, const struct bk_state_params *params,
                      struct bk_reason *reason);

/* ---- write.c: the reader's side of a capture ---- */

/* One file to be made of captured arenas. */
struct bkc_source {
    struct bkc_file file;
    struct bk_section sections[BK_SECTIONS_MAX];
    size_t section_count;
};
/* Write and sync one file; fills its bytes. BK_OK, or a code with a reason that names step and path.
 * `scratch` holds BKC_DATA_MAX bytes. */
int bkc_file_write(struct bk_disk *disk, const char *folder, uint32_t generation,
                   struct bkc_source *source, struct bk_capture *capture, uint8_t *scratch,
                   struct bk_reason *reason);
/* MANIFEST, by rename; its folder and the folder above are synced. */
int bkc_manifest_write(struct bk_disk *disk, const char *dir, const char *folder,
                       const struct bkc_manifest *manifest, struct bk_reason *reason);

/* ---- load.c ---- */
/* Lay one file's sections into the arenas. BK_OK, BK_ECORRUPT, BK_EUNSUPPORTED, BK_ELIMIT, BK_EIO. */
int bkc_file_load(const char *folder, const struct bkc_file *file,
                  const struct bk_section *sections, size_t section_count,
                  struct bk_reason *reason);
/* A place in an open file. A failure's reason begins with file and byte. Any thread, each its own. */
struct bkc_in {
    int file;
    const char *name;
    uint64_t at;
    struct bk_reason *reason;
};
/* Exactly `len` bytes from `at` on, which moves. BK_OK, BK_ECORRUPT (the file ends), BK_EIO. */
int bkc_take(struct bkc_in *in, void *bytes, size_t len);
/* BK_ECORRUPT, and what is wrong here. */
int bkc_corrupt(const struct bkc_in *in, const char *what);
/* Read and check a generation's MANIFEST. BK_ENOENT: it does not count. */
int bkc_manifest_read(const char *folder, struct bkc_manifest *out, struct bk_reason *reason);

/* ---- lay.c ---- */
/* `len` bytes of the file from `from` on go `to` there; their CRC-32C is `crc`. */
struct bkc_lay {
    uint64_t from;
    void *to;
    uint32_t len, crc;
};
/* Lay all of them, side by side: no two may share a byte of memory. `in->at` stays. BK_OK, or what is
 * wrong with the first bad one of the list. What was laid stays: the caller forgets all of it. */
int bkc_lay_all(const struct bkc_in *in, const struct bkc_lay *blocks, size_t count);

/* ---- folder.c ---- */

/* Numbers of the generations of one prefix, newest first; those without a MANIFEST too. Returns how
 * many, at most `max` (the newest ones), or a negative code. */
int bkc_generations(const char *dir, const char *prefix, uint64_t *out, size_t max);
void bkc_generation_name(char out[64], const char *prefix, uint64_t number);
/* Is its MANIFEST there? */
bool bkc_generation_counts(const char *dir, const char *name);
/* Remove a generation, the MANIFEST first, so that half a one never counts. Best effort. */
void bkc_generation_remove(struct bk_disk *disk, const char *dir, const char *name);
/* Take DIR/<prefix>.lock. A file descriptor, or a negative code with a reason. */
int bkc_lock(const char *dir, const char *prefix, struct bk_reason *reason);
/* Is that file still the one that others would meet? Not when it, or the folder, was replaced. */
bool bkc_lock_is_held(int lock, const char *dir, const char *prefix);

#endif
