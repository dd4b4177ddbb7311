/* formats.h -- the mappings that are compiled in (formats/ *.ini; embed_formats.cmake makes them). */
#ifndef BASKETRY_IMPORT_FORMATS_H
#define BASKETRY_IMPORT_FORMATS_H

#include <stddef.h>

struct bk__builtin_format {
    const char *name, *text;
    size_t len;
};
extern const struct bk__builtin_format bk__builtin_formats[];
extern const size_t bk__builtin_format_count;

#endif
