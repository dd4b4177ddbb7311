/* builtin.h -- the schemas that are compiled in: what embed_schemas.cmake generates from schemas/.
 */
#ifndef BK_DECODE_BUILTIN_H
#define BK_DECODE_BUILTIN_H

#include <stddef.h>
#include <stdint.h>

/** One line of schemas/ids.tsv and the file it names. All text static and NUL-terminated. */
struct bk__builtin {
    uint32_t id;
    const char *file; /* "ItemViewed.avsc" */
    const char *guid; /* textual GUID, "" when none */
    const char *text; /* the file's bytes */
    size_t len;
};

extern const struct bk__builtin bk__builtins[];
extern const size_t bk__builtin_count;

#endif
