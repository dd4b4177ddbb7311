/* schema.h -- an Avro schema as a tree that the plan compiler can walk.
 *
 * avro-c decides what a schema is; this tree keeps beside it what avro-c forgets: defaults of
 * fields, the default symbol of an enum, aliases. Named types are expanded where they are used, so
 * the tree has no cycles: a recursive schema is refused.
 */
#ifndef BK_DECODE_SCHEMA_H
#define BK_DECODE_SCHEMA_H

#include "basketry/error.h"
#include "pool.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum bk__type {
    BK__NULL,
    BK__BOOLEAN,
    BK__INT,
    BK__LONG,
    BK__FLOAT,
    BK__DOUBLE,
    BK__BYTES,
    BK__STRING,
    BK__RECORD,
    BK__ENUM,
    BK__ARRAY,
    BK__MAP,
    BK__UNION,
    BK__FIXED,
};

enum { BK__DEPTH_MAX = 16 }; /* nesting of a schema, and so of a record */

struct bk__node {
    enum bk__type type;
    const char *name;       /* record, enum, fixed: without its namespace; "" for the others */
    json_t *aliases;        /* record, enum, fixed: array of names or NULL */
    uint32_t count;         /* fields, branches, symbols; 1 for array and map */
    uint32_t fixed_bytes;   /* fixed */
    int32_t default_symbol; /* enum: index, -1 when it has none */
    const struct bk__node **child; /* types of fields, branches, the element */
    const char **label;            /* names of fields, symbols */
    json_t **field;                /* record: each field's own JSON, for "default" and "aliases" */
    uint32_t bytes_min;            /* the fewest bytes a value takes; saturates */
};

struct bk__schema {
    struct bk__pool pool;
    json_t *json;
    const struct bk__node *root;
};

/** Parse an .avsc. Returns 0, BK_EINVAL (reason says what is wrong), BK_ELIMIT or BK_ENOMEM. */
int bk__schema_init(struct bk__schema *schema, const char *text, size_t len,
                    struct bk_reason *reason);
void bk__schema_deinit(struct bk__schema *schema);

/** Is `name`, perhaps with a namespace, the same as `other` without one? */
bool bk__schema_name_is(const char *name, const char *other);

#endif
