# cmake -DOUT=<c file> -DDIR=<src/shop> -P embed_tables.cmake
#
# Writes a C file that holds every table of DIR, so that the binary needs no path while the .tsv files stay the only
# owners of their words. The symbols are declared in src/shop/tables.h. Bytes, not string literals, as the schemas are.
if(NOT OUT OR NOT DIR)
    message(FATAL_ERROR "usage: cmake -DOUT=<c file> -DDIR=<src/shop> -P embed_tables.cmake")
endif()

set(text "/* Generated from the tables of src/shop by src/shop/embed_tables.cmake: change the tables, not this file. */
#include <stddef.h>
")
foreach(table goods brands households names)
    file(READ ${DIR}/${table}.tsv hex HEX)
    string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
    string(REPLACE "0x0a," "0x0a,\n" bytes "${bytes}") # a line of the file, a line of the array
    string(APPEND text "
extern const unsigned char bk__shop_${table}[];
extern const size_t bk__shop_${table}_len;
const unsigned char bk__shop_${table}[] = {
${bytes}0};
const size_t bk__shop_${table}_len = sizeof bk__shop_${table} - 1;
")
endforeach()
file(WRITE ${OUT}.new "${text}")
file(RENAME ${OUT}.new ${OUT})
