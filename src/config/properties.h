/* properties.h -- librdkafka's own properties, passed through; private to src/config. */
#ifndef BK_CONFIG_PROPERTIES_H
#define BK_CONFIG_PROPERTIES_H

#include "basketry/config.h"

enum bk__clients { BK__CONSUMER = 1, BK__PRODUCER = 2 };

/** Store name = value for these clients (a mask); a name ending in `_file` names a file whose first
 * line is the value. NULL, or what is wrong as the rest of a sentence that starts with the name; a
 * refused property's reason says what to use instead. */
const char *bk__property_set(struct bk_config *cfg, int clients, const char *name,
                             const char *value, struct bk_reason *wrong);

/** Why the property is refused; NULL when it is not. */
const char *bk__property_refused(const char *name);

/** Is the value of this property shown to nobody? */
bool bk__property_secret(const char *name);

/** Equal names and values in the same order? */
bool bk__properties_equal(const char *const *a, const char *const *b);

/** Overwrite and free a list. */
void bk__properties_free(const char **list);

/** Append the table of refused properties as Markdown. */
void bk__properties_reference(struct bk_buf *out);

#endif
