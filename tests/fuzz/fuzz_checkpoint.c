/* fuzz_checkpoint.c -- a damaged generation is refused by name, or it is the one that was written.
 *
 * A generation of a small shop is written once. The input is a list of edits of four bytes:
 *
 *   | what 1 | where 2 | value 1 |     what = file (low bits) and kind of edit (high bits)
 *
 * flip a bit, set a byte, cut the file, append, copy a piece elsewhere; a last flag gives every
 * block and file its check anew, as nobody's disk does: then only the loader's own eyes are left,
 * which must not be led astray, whatever the state is worth.
 */
#include "../../src/checkpoint/format.h"
#include "basketry/log.h"
#include "support/events.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EVENTS = 60, PARTITIONS = 2, FILES = PARTITIONS + 2, FILE_MAX = 4 << 20, STARTS_MAX = 4096 };

static const char *const names[FILES] = {BKC_MANIFEST, BKC_SHARED, "partition-0000.bkc",
                                         "partition-0001.bkc"};

struct piece {
    uint8_t *bytes;
    size_t len;
};

static struct piece whole[FILES], edited[FILES];
static uint32_t starts[FILES][STARTS_MAX], start_count[FILES]; /* where blocks begin */
static char dir[64], folder[128];
static struct bk_state_params params;
static uint64_t digests[PARTITIONS + 1];

static void check(bool held, const char *what)
{
    if (held) return;
    fprintf(stderr, "%s\n", what);
    abort();
}

static void digest(const struct bk_engine *engine, uint64_t out[PARTITIONS + 1])
{
    uint64_t lossy;
    out[PARTITIONS] = bk_shared_digest(&engine->shared, &lossy);
    for (int p = 0; p < PARTITIONS; p++)
        out[p] = engine->shards[p] ? bk_shard_digest(engine->shards[p]) : 0;
}

static void path_of(int file, char path[192])
{
    snprintf(path, 192, "%s/%s", folder, names[file]);
}

static void remove_all(void)
{
    char command[192];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    if (system(command) != 0) perror(dir);
}

static void write_generation(struct bk_engine *engine)
{
    struct bk_checkpoint_options options = {.dir = dir,
                                            .interval_ms = 1,
                                            .records_max = 1,
                                            .copy_bytes_max = 1 << 20,
                                            .keep = 1,
                                            .at_once = true};
    struct bk_checkpoint_turn turn = {
        .mono = {1}, .wall_ms = 1, .records = 1, .topic_partitions = PARTITIONS};
    struct bk_reason reason;
    struct bk_checkpoint_status status;
    int code;
    struct bk_checkpoint *cp = bk_checkpoint_open(&options, &code, &reason);
    check(cp != NULL, "the folder is not ours");
    bk_checkpoint_ask(cp);
    bk_checkpoint_step(cp, engine, &turn);
    bk_checkpoint_status(cp, &status);
    check(status.generation == 1, "no generation was written");
    bk_checkpoint_close(&cp);
}

static void find_starts(int file)
{
    size_t at = sizeof(struct bkc_header);
    while (file && at + sizeof(struct bkc_block) <= whole[file].len &&
           start_count[file] < STARTS_MAX) {
        struct bkc_block block;
        memcpy(&block, whole[file].bytes + at, sizeof block);
        starts[file][start_count[file]++] = (uint32_t)at;
        at += sizeof block + block.len;
    }
}

static void read_generation(void)
{
    for (int i = 0; i < FILES; i++) {
        char path[192];
        path_of(i, path);
        FILE *f = fopen(path, "rb");
        check(f != NULL, path);
        whole[i].bytes = malloc(FILE_MAX);
        edited[i].bytes = malloc(FILE_MAX);
        whole[i].len = fread(whole[i].bytes, 1, FILE_MAX / 2, f);
        fclose(f);
        find_starts(i);
    }
}

static void set_up(void)
{
    struct chance chance = {11};
    struct told_shape shape = told_shape();
    struct bk_engine engine;
    bk_log_level = BK_LOG_OFF;
    shape.partitions = PARTITIONS;
    params = told_params();
    params.bytes_max = 4 << 20;
    params.items_max = 500;
    params.dedup_events = 1024;
    params.shards_max = PARTITIONS;
    struct stat shm;
    snprintf(dir, sizeof dir, "%s/bk-fuzz-XXXXXX",
             stat("/dev/shm", &shm) == 0 ? "/dev/shm" : "/tmp");
    check(mkdtemp(dir) != NULL, dir);
    atexit(remove_all);
    snprintf(folder, sizeof folder, "%s/generation-0000000001", dir);
    check(bk_engine_init(&engine, &params) == 0, "no engine");
    struct told *stream = told_stream(&chance, &shape, EVENTS);
    for (int i = 0; i < EVENTS; i++) told_apply(&engine, &stream[i]);
    told_stream_free(stream, EVENTS);
    digest(&engine, digests);
    write_generation(&engine);
    read_generation();
    bk_engine_deinit(&engine);
}

/* ---- edits ---- */

/* Near a block's head half of the time: that is where it hurts. */
static size_t place_of(int file, uint16_t where)
{
    if (edited[file].len == 0) return 0;
    if (start_count[file] && where & 1)
        return (starts[file][(where >> 6) % start_count[file]] + (where >> 1 & 31)) %
               edited[file].len;
    return (size_t)((uint64_t)where * edited[file].len >> 16);
}

static void edit(const uint8_t *step)
{
    int file = step[0] & 3;
    struct piece *its = &edited[file];
    size_t at = place_of(file, (uint16_t)(step[1] << 8 | step[2]));
    if (at >= its->len) return;
    switch (step[0] >> 2 & 7) {
    case 0:
        its->bytes[at] = step[3];
        break;
    case 1:
        its->bytes[at] ^= (uint8_t)(1u << (step[3] & 7));
        break;
    case 2:
        its->len = at;
        break;
    case 3:
        memset(its->bytes + its->len, step[3], step[3]);
        its->len += its->len + step[3] < FILE_MAX ? step[3] : 0u;
        break;
    case 4: { /* a piece comes twice */
        size_t n = bk_min_u64(step[3] * 8u, its->len - at);
        if (its->len + n > FILE_MAX) break;
        memmove(its->bytes + at + n, its->bytes + at, its->len - at);
        its->len += n;
        break;
    }
    case 5: { /* a piece is missing */
        size_t n = bk_min_u64(step[3] * 8u, its->len - at);
        memmove(its->bytes + at, its->bytes + at + n, its->len - at - n);
        its->len -= n;
        break;
    }
    default: { /* a file is another one's */
        int other = step[3] & 3;
        memcpy(its->bytes, whole[other].bytes, whole[other].len);
        its->len = whole[other].len;
    }
    }
}

/* As if whoever edited it knew the checks. Returns that of the file. */
static uint32_t check_anew(struct piece *its)
{
    struct bkc_header header;
    if (its->len < sizeof header) return 0;
    memcpy(&header, its->bytes, sizeof header);
    header.crc = bk_crc32c(0, &header, offsetof(struct bkc_header, crc));
    memcpy(its->bytes, &header, sizeof header);
    uint32_t crc = bkc_crc_of_heads(0, &header, sizeof header);
    for (size_t at = sizeof header; at + sizeof(struct bkc_block) <= its->len;) {
        struct bkc_block block;
        memcpy(&block, its->bytes + at, sizeof block);
        size_t data = at + sizeof block;
        if (block.len <= its->len - data)
            block.data_crc = bk_crc32c(0, its->bytes + data, block.len);
        block.crc = bk_crc32c(0, &block, offsetof(struct bkc_block, crc));
        memcpy(its->bytes + at, &block, sizeof block);
        crc = bkc_crc_of_heads(crc, &block, sizeof block);
        if (block.len > its->len - data) break;
        at = data + block.len;
    }
    return crc;
}

/* The files' checks, and those that a MANIFEST which nobody edited has of them. */
static void forge(void)
{
    struct bkc_manifest manifest;
    struct bk_reason reason;
    const char *text = (const char *)edited[0].bytes;
    int err = bkc_manifest_parse(text, edited[0].len, &manifest, &reason);
    for (int i = 1; i < FILES; i++) {
        uint32_t crc = check_anew(&edited[i]);
        if (err == BK_OK && (uint32_t)i <= manifest.file_count) manifest.files[i - 1].crc = crc;
    }
    if (err != BK_OK) return;
    char *anew = bkc_manifest_text(&manifest);
    check(anew != NULL, "no memory");
    edited[0].len = strlen(anew);
    memcpy(edited[0].bytes, anew, edited[0].len);
    free(anew);
    bkc_manifest_deinit(&manifest);
}

static void spill(int file)
{
    char path[192];
    path_of(file, path);
    int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0600);
    check(fd >= 0 && write(fd, edited[file].bytes, edited[file].len) == (ssize_t)edited[file].len,
          path);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool ready;
    if (!ready) set_up();
    ready = true;
    if (size < 1 || size > 128) return 0;
    bool forged = data[0] & 1;
    for (int i = 0; i < FILES; i++) {
        memcpy(edited[i].bytes, whole[i].bytes, whole[i].len);
        edited[i].len = whole[i].len;
    }
    for (size_t at = 1; at + 4 <= size; at += 4) edit(data + at);
    if (forged) forge();
    for (int i = 0; i < FILES; i++) spill(i);
    struct bk_engine engine;
    struct bk_generation generation;
    struct bk_reason reason = {""};
    check(bk_engine_init(&engine, &params) == 0, "no engine");
    int err = bk_generation_load(dir, "generation-0000000001", &engine, &generation, &reason);
    check(err == BK_OK || reason.text[0], "refused, and nobody knows why");
    uint64_t got[PARTITIONS + 1];
    if (err != BK_OK) {
        for (int32_t p = 0; p < engine.shard_top; p++)
            check(!engine.shards[p], "refused, and a partition stays");
    } else if (!forged) {
        digest(&engine, got);
        check(memcmp(got, digests, sizeof got) == 0, "it is another state that was read");
    }
    bk_engine_deinit(&engine);
    return 0;
}
