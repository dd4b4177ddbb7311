/* json_path.c -- see json_path.h. jansson reads and checks UTF-8; nesting is bounded by it (2,048
 * levels) and by DEPTH_MAX where we descend ourselves. */
#include "json_path.h"

#include <stdlib.h>

enum { DEPTH_MAX = 40, NAME_BYTES_MAX = 256 };

json_t *bk__json_line(bk_str_t line, struct bk_reason *reason)
{
    json_error_t error;
    json_t *doc = json_loadb(line.p, line.len, 0, &error);
    if (json_is_object(doc)) return doc;
    if (doc)
        bk_reason_set(reason, BK_EINVAL, "1: not an object; one JSON object a line is wanted");
    else
        bk_reason_set(reason, BK_EINVAL, "%d: not JSON: %s",
                      error.position > 0 ? error.position : 1, error.text);
    json_decref(doc);
    return NULL;
}

/* ---- DynamoDB ---- */

static json_t *plain(const json_t *typed, int depth);

static json_t *plain_object(const json_t *map, int depth)
{
    json_t *out = json_object();
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)map, key, value)
    {
        json_t *made = plain(value, depth + 1);
        if (!made || json_object_set_new_nocheck(out, key, made) != 0) {
            json_decref(out);
            return NULL;
        }
    }
    return out;
}

static json_t *plain_list(const json_t *list, int depth)
{
    json_t *out = json_array();
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *made = plain(json_array_get(list, i), depth + 1);
        if (!made || json_array_append_new(out, made) != 0) {
            json_decref(out);
            return NULL;
        }
    }
    return out;
}

/* {"S": "x"} as "x"; NULL when it is no typed value. */
static json_t *plain(const json_t *typed, int depth)
{
    void *iter = json_object_iter((json_t *)(uintptr_t)typed);
    if (!iter || json_object_size(typed) != 1 || depth > DEPTH_MAX) return NULL;
    const char *type = json_object_iter_key(iter);
    json_t *value = json_object_iter_value(iter);
    if (strcmp(type, "S") == 0 || strcmp(type, "N") == 0)
        return json_is_string(value) ? json_incref(value) : NULL;
    if (strcmp(type, "BOOL") == 0) return json_is_boolean(value) ? json_incref(value) : NULL;
    if (strcmp(type, "NULL") == 0 || strcmp(type, "B") == 0 || strcmp(type, "BS") == 0)
        return json_null();
    if (strcmp(type, "SS") == 0 || strcmp(type, "NS") == 0)
        return json_is_array(value) ? json_incref(value) : NULL;
    if (strcmp(type, "M") == 0) return json_is_object(value) ? plain_object(value, depth) : NULL;
    if (strcmp(type, "L") == 0) return json_is_array(value) ? plain_list(value, depth) : NULL;
    return NULL;
}

json_t *bk__json_dynamodb(const json_t *row, bool *deleted, struct bk_reason *reason)
{
    const json_t *item = json_object_get(row, "Item");
    if (!item) item = json_object_get(row, "NewImage");
    *deleted = !item && json_is_object(json_object_get(row, "Keys"));
    if (*deleted) return NULL;
    json_t *doc = json_is_object(item) ? plain_object(item, 0) : NULL;
    if (!doc)
        bk_reason_set(reason, BK_EINVAL,
                      item ? "1: not a value such as {\"S\": \"text\"}"
                           : "1: no Item and no NewImage in the row");
    return doc;
}

/* ---- paths ---- */

static bool text_is(const json_t *value, const char *text, size_t len)
{
    return json_is_string(value) && json_string_length(value) == len &&
           memcmp(json_string_value(value), text, len) == 0;
}

static const json_t *member(const json_t *value, const char *name, size_t len)
{
    char text[NAME_BYTES_MAX];
    if (len >= sizeof text || !json_is_object(value)) return NULL;
    memcpy(text, name, len);
    text[len] = '\0';
    return json_object_get(value, text);
}

/* What `[...]` chooses of an array. */
static const json_t *choose(const json_t *array, const char *selector, size_t len)
{
    const char *equals = memchr(selector, '=', len);
    if (!equals) {
        unsigned long at = strtoul(selector, NULL, 10);
        return json_array_get(array, at);
    }
    size_t key_len = (size_t)(equals - selector), value_len = len - key_len - 1;
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *element = json_array_get(array, i);
        if (text_is(member(element, selector, key_len), equals + 1, value_len)) return element;
    }
    return NULL;
}

const json_t *bk__json_at(const json_t *doc, const json_t *element, const char *path)
{
    const json_t *at = *path == '.' ? element : doc;
    if (*path == '.') path++;
    while (at && *path) {
        size_t len = strcspn(path, ".[");
        if (len) at = member(at, path, len);
        path += len;
        if (at && *path == '[') {
            len = strcspn(path, "]");
            at = choose(at, path + 1, len - 1);
            path += len + (path[len] == ']');
        }
        if (*path == '.') path++;
    }
    return json_is_null(at) ? NULL : at;
}
