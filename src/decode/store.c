/* store.c -- schema ids and GUIDs to plans, and where schemas come from: the binary itself and a
 * folder. */
#include "store.h"

#include "builtin.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

_Static_assert(BK_SCHEMAS_MAX < UINT16_MAX, "slots hold entry + 1");

/* ---- look-up ---- */

static uint32_t slot_of_id(const struct bk__store *store, uint32_t id)
{
    uint32_t slot = (uint32_t)bk_mix(id) % BK__SLOTS;
    while (store->by_id[slot] && store->entries[store->by_id[slot] - 1].id != id)
        slot = (slot + 1) % BK__SLOTS;
    return slot;
}

static uint32_t slot_of_guid(const struct bk__store *store, const uint8_t guid[BK__GUID_BYTES])
{
    uint32_t slot = (uint32_t)bk_hash(guid, BK__GUID_BYTES) % BK__SLOTS;
    while (store->by_guid[slot] &&
           memcmp(store->entries[store->by_guid[slot] - 1].guid, guid, BK__GUID_BYTES) != 0)
        slot = (slot + 1) % BK__SLOTS;
    return slot;
}

const struct bk__plan *bk__store_by_id(const struct bk__store *store, uint32_t id)
{
    uint16_t entry = store->by_id[slot_of_id(store, id)];
    return entry ? &store->entries[entry - 1].plan : NULL;
}

const struct bk__plan *bk__store_by_guid(const struct bk__store *store,
                                         const uint8_t guid[BK__GUID_BYTES])
{
    uint16_t entry = store->by_guid[slot_of_guid(store, guid)];
    return entry ? &store->entries[entry - 1].plan : NULL;
}

/* ---- adding ---- */

/* 32 hexadecimal digits, hyphens anywhere between them. */
static bool parse_guid(const char *text, uint8_t out[BK__GUID_BYTES])
{
    unsigned digits = 0;
    for (; *text; text++) {
        if (*text == '-') continue;
        int value = *text >= '0' && *text <= '9'   ? *text - '0'
                    : *text >= 'a' && *text <= 'f' ? *text - 'a' + 10
                    : *text >= 'A' && *text <= 'F' ? *text - 'A' + 10
                                                   : -1;
        if (value < 0 || digits == 2 * BK__GUID_BYTES) return false;
        out[digits / 2] = (uint8_t)(digits % 2 ? out[digits / 2] | value : value << 4);
        digits++;
    }
    return digits == 2 * BK__GUID_BYTES;
}

/* The kind a writer's schema is of, by its record's name; -1: none of ours. */
static int kind_of(const struct bk__schema *schema)
{
    if (schema->root->type != BK__RECORD) return -1;
    for (int kind = 0; kind < BK_EVENT_KIND_COUNT; kind++)
        if (strcmp(schema->root->name, bk_event_kind_name((enum bk_event_kind)kind)) == 0)
            return kind;
    return -1;
}

static int compile_entry(struct bk__store *store, struct bk__entry *entry, const char *text,
                         size_t len, struct bk_reason *reason)
{
    struct bk__schema writer;
    int code = bk__schema_init(&writer, text, len, reason);
    if (code == 0) {
        int kind = kind_of(&writer);
        if (kind < 0)
            code =
                bk_reason_set(reason, BK_EINVAL, "%s is no record kind of ours", writer.root->name);
        else
            code = bk__plan_init(&entry->plan, &writer, &store->readers[kind],
                                 (enum bk_event_kind)kind, reason);
    }
    bk__schema_deinit(&writer);
    return code;
}

/* The id is known: the same again is fine, a GUID that was missing is taken. */
static int add_again(struct bk__store *store, uint16_t at, uint64_t text_hash,
                     struct bk_reason *reason)
{
    struct bk__entry *entry = &store->entries[at - 1];
    if (entry->text_hash == text_hash) return 0;
    return bk_reason_set(reason, BK_EINVAL, "schema id %u means another schema already", entry->id);
}

static int add_guid(struct bk__store *store, uint16_t at, const char *guid,
                    struct bk_reason *reason)
{
    struct bk__entry *entry = &store->entries[at - 1];
    uint8_t bytes[BK__GUID_BYTES] = {0};
    if (guid[0] == '\0') return 0;
    if (!parse_guid(guid, bytes)) return bk_reason_set(reason, BK_EINVAL, "%s is not a GUID", guid);
    uint32_t slot = slot_of_guid(store, bytes);
    if (store->by_guid[slot] == at) return 0;
    if (store->by_guid[slot] || entry->has_guid)
        return bk_reason_set(reason, BK_EINVAL, "GUID %s means another schema already", guid);
    memcpy(entry->guid, bytes, sizeof bytes);
    entry->has_guid = true;
    store->by_guid[slot] = at;
    return 0;
}

int bk__store_add(struct bk__store *store, uint32_t id, const char *guid, const char *text,
                  size_t len, struct bk_reason *reason)
{
    uint64_t text_hash = bk_hash(text, len);
    uint32_t slot = slot_of_id(store, id);
    uint16_t at = store->by_id[slot];
    int code;
    if (at) {
        code = add_again(store, at, text_hash, reason);
        return code ? code : add_guid(store, at, guid, reason);
    }
    if (store->count == BK_SCHEMAS_MAX)
        return bk_reason_set(reason, BK_ELIMIT, "more than %d schemas", BK_SCHEMAS_MAX);
    if (len > BK_SCHEMA_BYTES_MAX)
        return bk_reason_set(reason, BK_ELIMIT, "schema of more than %d bytes",
                             BK_SCHEMA_BYTES_MAX);

    struct bk__entry *entry = &store->entries[store->count];
    *entry = (struct bk__entry){.id = id, .text_hash = text_hash};
    code = compile_entry(store, entry, text, len, reason);
    if (code) return code;
    store->by_id[slot] = at = (uint16_t)++store->count;
    return add_guid(store, at, guid, reason);
}

/* ---- built in ---- */

/* Say which file a reason is about. */
static int about(struct bk_reason *reason, int code, const char *file)
{
    struct bk_reason inner = *reason;
    return bk_reason_set(reason, code, "%s: %.200s", file, inner.text);
}

/* `<Kind>.avsc` is our schema of that kind; any other name is an older one, kept for its
 * writers. */
static int current_kind_of(const char *file)
{
    for (int kind = 0; kind < BK_EVENT_KIND_COUNT; kind++) {
        const char *name = bk_event_kind_name((enum bk_event_kind)kind);
        size_t len = strlen(name);
        if (strncmp(file, name, len) == 0 && strcmp(file + len, ".avsc") == 0) return kind;
    }
    return -1;
}

static int init_readers(struct bk__store *store, struct bk_reason *reason)
{
    for (size_t i = 0; i < bk__builtin_count; i++) {
        const struct bk__builtin *builtin = &bk__builtins[i];
        int kind = current_kind_of(builtin->file);
        if (kind < 0) continue;
        struct bk__schema *reader = &store->readers[kind];
        if (reader->root)
            return bk_reason_set(reason, BK_EINVAL, "%s: listed twice", builtin->file);
        int code = bk__schema_init(reader, builtin->text, builtin->len, reason);
        if (code) return about(reason, code, builtin->file);
    }
    for (int kind = 0; kind < BK_EVENT_KIND_COUNT; kind++)
        if (!store->readers[kind].root)
            return bk_reason_set(reason, BK_EINVAL, "no schema for %s",
                                 bk_event_kind_name((enum bk_event_kind)kind));
    return 0;
}

int bk__store_init(struct bk__store *store, struct bk_reason *reason)
{
    int code = init_readers(store, reason);
    for (size_t i = 0; i < bk__builtin_count && code == 0; i++) {
        const struct bk__builtin *b = &bk__builtins[i];
        code = bk__store_add(store, b->id, b->guid, b->text, b->len, reason);
        if (code) about(reason, code, b->file);
    }
    return code;
}

void bk__store_deinit(struct bk__store *store)
{
    for (uint32_t i = 0; i < store->count; i++) bk__plan_deinit(&store->entries[i].plan);
    for (int kind = 0; kind < BK_EVENT_KIND_COUNT; kind++) bk__schema_deinit(&store->readers[kind]);
}

/* ---- a folder ---- */

/* The whole file, heap; at most one byte more than a schema may have. NULL and reason on trouble.
 */
static char *read_file(const char *path, size_t *len, struct bk_reason *reason)
{
    FILE *file = fopen(path, "rb");
    char *text = file ? malloc(BK_SCHEMA_BYTES_MAX + 1) : NULL;
    if (text) *len = fread(text, 1, BK_SCHEMA_BYTES_MAX + 1, file);
    if (!text || ferror(file)) {
        bk_reason_set(reason, BK_EIO, "%s", strerror(errno));
        free(text);
        text = NULL;
    }
    if (file) fclose(file);
    return text;
}

/* One line: id, tab, file, and perhaps tab, GUID. */
static int add_file(struct bk__store *store, const char *dir, char *line, struct bk_reason *reason)
{
    char path[4096], *end, *next = line;
    const char *id_text = strsep(&next, "\t"), *file = strsep(&next, "\t"),
               *guid = strsep(&next, "\t");
    errno = 0;
    unsigned long id = strtoul(id_text, &end, 10);
    if (end == id_text || *end || errno || id > UINT32_MAX || !file || !*file)
        return bk_reason_set(reason, BK_EINVAL, "not `id<TAB>file`: %.100s", line);
    if (snprintf(path, sizeof path, "%s/%s", dir, file) >= (int)sizeof path)
        return bk_reason_set(reason, BK_ELIMIT, "path is too long");

    size_t len = 0;
    char *text = read_file(path, &len, reason);
    int code =
        text ? bk__store_add(store, (uint32_t)id, guid ? guid : "", text, len, reason) : BK_EIO;
    free(text);
    return code ? about(reason, code, file) : 0;
}

int bk__store_add_folder(struct bk__store *store, const char *dir, struct bk_reason *reason)
{
    char path[4096], line[1024];
    if (snprintf(path, sizeof path, "%s/ids.tsv", dir) >= (int)sizeof path)
        return bk_reason_set(reason, BK_ELIMIT, "path is too long");
    FILE *file = fopen(path, "r");
    if (!file) {
        int code = bk_error_from_errno(errno);
        return bk_reason_set(reason, code, "%.200s: %s", path, strerror(errno));
    }
    int code = 0;
    while (code == 0 && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\r\n")] = '\0';
        if (line[0] != '\0' && line[0] != '#') code = add_file(store, dir, line, reason);
    }
    fclose(file);
    return code;
}
