# cmake -DOUT=<c file> -DDIR=<formats folder> -P embed_formats.cmake
#
# Writes a C file that holds every mapping of DIR, in the order of their names, so that the binary needs no path while
# src/import/formats/ stays their only owner. Declared in src/import/formats.h. Bytes, not string literals: C compilers
# need not take literals over 4,095 characters.
if(NOT OUT OR NOT DIR)
    message(FATAL_ERROR "usage: cmake -DOUT=<c file> -DDIR=<formats folder> -P embed_formats.cmake")
endif()

set(arrays "")
set(rows "")
set(index 0)
file(GLOB files ${DIR}/*.ini)
list(SORT files)
foreach(file IN LISTS files)
    get_filename_component(name ${file} NAME_WE)
    file(READ ${file} hex HEX)
    string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
    string(REPLACE "0x0a," "0x0a,\n" bytes "${bytes}") # a line of the file, a line of the array
    string(APPEND arrays "/* ${name} */\nstatic const unsigned char f${index}[] = {\n${bytes}0};\n\n")
    string(APPEND rows "    {\"${name}\", (const char *)f${index}, sizeof f${index} - 1},\n")
    math(EXPR index "${index} + 1")
endforeach()

file(WRITE ${OUT}.new "/* Generated from src/import/formats/ by embed_formats.cmake: change the mappings, not this file. */
#include <stddef.h>

struct bk__builtin_format {
    const char *name, *text;
    size_t len;
};
extern const struct bk__builtin_format bk__builtin_formats[];
extern const size_t bk__builtin_format_count;

${arrays}const struct bk__builtin_format bk__builtin_formats[] = {
${rows}};
const size_t bk__builtin_format_count = ${index};
")
file(RENAME ${OUT}.new ${OUT})
