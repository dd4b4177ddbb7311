/* json_path.h -- a line of JSON, DynamoDB's typed values made plain, and paths into it. */
#ifndef BASKETRY_IMPORT_JSON_PATH_H
#define BASKETRY_IMPORT_JSON_PATH_H

#include <jansson.h>

#include "basketry/base.h"
#include "basketry/error.h"

/** Parse a line that is one object. A new reference; NULL with "COLUMN: why". */
json_t *bk__json_line(bk_str_t line, struct bk_reason *reason);

/** A row of a DynamoDB export as plain JSON: {"Item": {...}} of a full export, or the new image of an
 *  incremental one; numbers stay their text. A new reference. `*deleted`: the row says that the item
 *  is gone (NULL is returned). NULL with "COLUMN: why" when it is neither. */
json_t *bk__json_dynamodb(const json_t *row, bool *deleted, struct bk_reason *reason);

/** The value at a path: names separated by dots, `name[key=value]` the first element of an array whose
 *  member `key` is the text `value`, `name[0]` an element by its place; a path that begins with a dot
 *  begins at `element`. Borrowed; NULL when it is not there or null. */
const json_t *bk__json_at(const json_t *doc, const json_t *element, const char *path);

#endif
