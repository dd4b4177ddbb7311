/* labels.h -- names that other tables look up with `@`: aisles, departments, trees of categories. */
#ifndef BASKETRY_IMPORT_LABELS_H
#define BASKETRY_IMPORT_LABELS_H

#include "mapping.h"

/** The labels of one table, one of a list. */
struct bk__labels {
    struct bk__labels *next;
    const struct bk__table *table; /* borrowed */
    struct bk_shop_ids keys, names;
    struct bk__label {
        uint32_t name;   /* in names; 0: the key itself */
        uint32_t parent; /* in keys; 0: none */
    } * label;           /* by number of the key - 1 */
    size_t cap;
};

/** The list's labels of a table, made when they are not there; NULL when memory is out. */
struct bk__labels *bk__labels_of(struct bk__labels **list, const struct bk__table *table);
/** Name a key; `parent` may be empty. False when memory is out. */
bool bk__labels_add(struct bk__labels *labels, bk_str_t key, bk_str_t name, bk_str_t parent);
/** Write the path of a key in the labels of the table named `table` of `format`, "A > B > C" from the
 *  top, at most 8 levels; a key that is not there is written as it is. The length, `cap` at most. */
size_t bk__labels_path(const struct bk__labels *list, const char *format, const char *table,
                       bk_str_t key, char *out, size_t cap);
void bk__labels_destroy(struct bk__labels **list);

#endif
