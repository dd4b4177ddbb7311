# cmake -DOUT=<c file> -DDIR=<schemas folder> -P embed_schemas.cmake
#
# Writes a C file that holds every schema named by DIR/ids.tsv, so that the binary needs no path while schemas/ stays
# their only owner. The symbols are declared in src/decode/builtin.h; this file repeats the struct instead of including
# it because the generated file lives in the build folder. Bytes, not string literals: C compilers need not take
# literals over 4,095 characters.
if(NOT OUT OR NOT DIR)
    message(FATAL_ERROR "usage: cmake -DOUT=<c file> -DDIR=<schemas folder> -P embed_schemas.cmake")
endif()

set(arrays "")
set(rows "")
set(index 0)
file(STRINGS ${DIR}/ids.tsv lines)
foreach(line IN LISTS lines)
    if(NOT line MATCHES "^([0-9]+)\t([A-Za-z0-9_.-]+)(\t([0-9a-fA-F-]+))?$")
        message(FATAL_ERROR "${DIR}/ids.tsv: not `id<TAB>file[<TAB>guid]`: ${line}")
    endif()
    set(id ${CMAKE_MATCH_1})
    set(file ${CMAKE_MATCH_2})
    set(guid "${CMAKE_MATCH_4}")
    file(READ ${DIR}/${file} hex HEX)
    string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
    string(REPLACE "0x0a," "0x0a,\n" bytes "${bytes}") # a line of the file, a line of the array
    string(APPEND arrays "/* ${file} */\nstatic const unsigned char s${index}[] = {\n${bytes}0};\n\n")
    string(APPEND rows "    {${id}u, \"${file}\", \"${guid}\", (const char *)s${index}, sizeof s${index} - 1},\n")
    math(EXPR index "${index} + 1")
endforeach()

file(WRITE ${OUT}.new "/* Generated from schemas/ by src/decode/embed_schemas.cmake: change the schemas, not this file. */
#include <stddef.h>
#include <stdint.h>

struct bk__builtin {
    uint32_t id;
    const char *file, *guid, *text;
    size_t len;
};
extern const struct bk__builtin bk__builtins[];
extern const size_t bk__builtin_count;

${arrays}const struct bk__builtin bk__builtins[] = {
${rows}};
const size_t bk__builtin_count = ${index};
")
file(RENAME ${OUT}.new ${OUT})
