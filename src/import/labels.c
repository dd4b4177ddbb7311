/* labels.c -- see labels.h. Each key and name is held once; a tree is a parent per key, and a path is
 * made when it is asked for, so that the rows may come in any order. */
#include "labels.h"

#include <stdlib.h>

enum { LEVELS_MAX = 8 };

struct bk__labels *bk__labels_of(struct bk__labels **list, const struct bk__table *table)
{
    for (struct bk__labels *at = *list; at; at = at->next)
        if (at->table == table) return at;
    struct bk__labels *labels = calloc(1, sizeof *labels);
    if (!labels) return NULL;
    labels->table = table;
    labels->next = *list;
    *list = labels;
    return labels;
}

void bk__labels_destroy(struct bk__labels **list)
{
    while (*list) {
        struct bk__labels *labels = *list;
        *list = labels->next;
        bk_shop_ids_deinit(&labels->keys);
        bk_shop_ids_deinit(&labels->names);
        free(labels->label);
        free(labels);
    }
}

/* The key's number, its entry cleared when it is new; 0 when memory is out. */
static uint32_t add_key(struct bk__labels *labels, bk_str_t key)
{
    uint32_t before = labels->keys.count, number = bk_shop_ids_add(&labels->keys, key);
    void *array = labels->label;
    if (number <= before) return number;
    if (!bk_shop_grow(&array, before, &labels->cap, sizeof *labels->label)) return 0;
    labels->label = array;
    labels->label[before] = (struct bk__label){0};
    return number;
}

bool bk__labels_add(struct bk__labels *labels, bk_str_t key, bk_str_t name, bk_str_t parent)
{
    uint32_t number = add_key(labels, key), above = parent.len ? add_key(labels, parent) : 0;
    uint32_t called = name.len ? bk_shop_ids_add(&labels->names, name) : 0;
    if (!number || (parent.len && !above) || (name.len && !called)) return false;
    labels->label[number - 1] = (struct bk__label){called, above};
    return true;
}

static bk_str_t text_of(const struct bk__labels *labels, uint32_t number)
{
    uint32_t name = labels->label[number - 1].name;
    return name ? bk_shop_ids_text(&labels->names, name) : bk_shop_ids_text(&labels->keys, number);
}

static size_t put(char *out, size_t len, size_t cap, bk_str_t text)
{
    if (text.len > cap - len) return len;
    memcpy(out + len, text.p, text.len);
    return len + text.len;
}

static size_t write_path(const struct bk__labels *labels, uint32_t number, char *out, size_t cap)
{
    uint32_t level[LEVELS_MAX], count = 0;
    size_t len = 0;
    for (; number && count < LEVELS_MAX; number = labels->label[number - 1].parent)
        level[count++] = number;
    while (count--) {
        if (len) len = put(out, len, cap, BK_STR(" > "));
        len = put(out, len, cap, text_of(labels, level[count]));
    }
    return len;
}

size_t bk__labels_path(const struct bk__labels *list, const char *format, const char *table,
                       bk_str_t key, char *out, size_t cap)
{
    for (const struct bk__labels *at = list; at; at = at->next) {
        if (strcmp(at->table->name, table) != 0 || strcmp(at->table->format, format) != 0) continue;
        uint32_t number = bk_shop_ids_find(&at->keys, key);
        if (number) return write_path(at, number, out, cap);
    }
    return put(out, 0, cap, key);
}
