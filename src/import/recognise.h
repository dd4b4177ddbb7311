/* recognise.h -- which table a file's first line belongs to. */
#ifndef BASKETRY_IMPORT_RECOGNISE_H
#define BASKETRY_IMPORT_RECOGNISE_H

#include "mapping.h"

/** How many names of `recognise` the line has (a file without a header: 1 when its columns fit); 0:
 *  it is not of this table, and *missing (NULL where that says nothing) is a name it lacks. */
uint32_t bk__table_match(const struct bk__table *table, bk_str_t first_line, const char **missing);

#endif
