/* table.h -- the rows of BK_CONFIG_TABLE as data; private to src/config. */
#ifndef BK_CONFIG_ROWS_H
#define BK_CONFIG_ROWS_H

#include "basketry/config.h"

struct bk__config_row {
    const char *name; /* "section.key"                                                    */
    enum bk_config_type type;
    size_t offset; /* of the field in struct bk_config                                  */
    const char *def, *min, *max;
    bool reload;
    const char *help;
};

extern const struct bk__config_row bk__config_rows[];
extern const size_t bk__config_row_count;

/** The row of "section.key", or NULL. */
const struct bk__config_row *bk__config_row_find(const char *name);

/** Parse `value` into the row's field. NULL, or what is wrong with it as the rest of a sentence
 * that starts with the key (built in `wrong` where it is not static text). */
const char *bk__config_row_set(struct bk_config *cfg, const struct bk__config_row *row,
                               const char *value, struct bk_reason *wrong);

/** Append the field's value as text; strings as they are. */
void bk__config_row_format(const struct bk_config *cfg, const struct bk__config_row *row,
                           struct bk_buf *out);

/** Are the row's fields of the two equal? */
bool bk__config_row_equal(const struct bk_config *a, const struct bk_config *b,
                          const struct bk__config_row *row);
/** Copy the row's field. */
void bk__config_row_copy(struct bk_config *to, const struct bk_config *from,
                         const struct bk__config_row *row);

/** The known key ("section.key") nearest to `name` by edit distance, or NULL when none is near.
 * With `section` (and its dot) only its keys count and only a slip of the pen (distance 2) does. */
const char *bk__config_nearest(const char *name, const char *section);

/** Is there a row whose name starts with "<section>."? */
bool bk__config_section_known(const char *section);
/** The known section nearest to this one, borrowed from the table; empty when none is near. */
bk_str_t bk__config_section_nearest(const char *section);

#endif
