/* schema.c -- .avsc text to a tree.
 *
 * avro-c parses the text first and is the judge of names, references and shapes; what it refuses
 * never gets further. The tree is then built from the same JSON, because avro-c keeps neither
 * defaults nor aliases. Built once per schema id (about 0.1 ms), never per record.
 */
#include "schema.h"

#include <avro.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES_MAX = 128, NODES_MAX = 4096, NAME_BYTES = 512 };

struct name {
    const char *full;
    const struct bk__node
        *node; /* NULL while the type is still being built: a reference now is recursion */
};

struct builder {
    struct bk__schema *schema;
    struct bk_reason *reason;
    struct name names[NAMES_MAX];
    uint32_t name_count, node_count, depth;
    int error;
};

static const struct bk__node *build(struct builder *b, json_t *json, const char *ns);

static void *fail(struct builder *b, int code, const char *what, const char *name)
{
    if (b->error == 0) b->error = bk_reason_set(b->reason, code, "%s: %s", name, what);
    return NULL;
}

static void *take(struct builder *b, size_t bytes)
{
    void *p = bk__pool_take(&b->schema->pool, bytes ? bytes : 1);
    return p ? p : fail(b, BK_ENOMEM, "out of memory", "schema");
}

bool bk__schema_name_is(const char *name, const char *other)
{
    const char *dot = strrchr(name, '.');
    return strcmp(dot ? dot + 1 : name, other) == 0;
}

/* ---- names ---- */

static const char *full_name(struct builder *b, const char *ns, const char *name)
{
    char full[NAME_BYTES];
    if (strchr(name, '.') || ns[0] == '\0') return bk__pool_text(&b->schema->pool, name);
    if (snprintf(full, sizeof full, "%s.%s", ns, name) >= (int)sizeof full)
        return fail(b, BK_ELIMIT, "name is too long", name);
    return bk__pool_text(&b->schema->pool, full);
}

static struct name *find_name(struct builder *b, const char *full)
{
    for (uint32_t i = 0; i < b->name_count; i++)
        if (strcmp(b->names[i].full, full) == 0) return &b->names[i];
    return NULL;
}

static const struct bk__node *resolve_name(struct builder *b, const char *ns, const char *name)
{
    const char *full = full_name(b, ns, name);
    struct name *found = full ? find_name(b, full) : NULL;
    if (!found) found = find_name(b, name);
    if (!found) return fail(b, BK_EINVAL, "no type of this name", name);
    if (!found->node) return fail(b, BK_EINVAL, "a recursive type cannot be read", name);
    return found->node;
}

static struct name *declare(struct builder *b, const char *full)
{
    if (!full) return NULL;
    if (b->name_count == NAMES_MAX) return fail(b, BK_ELIMIT, "too many named types", full);
    if (find_name(b, full)) return fail(b, BK_EINVAL, "the name is taken", full);
    b->names[b->name_count] = (struct name){full, NULL};
    return &b->names[b->name_count++];
}

/* ---- nodes ---- */

static struct bk__node *new_node(struct builder *b, enum bk__type type, uint32_t count)
{
    if (++b->node_count > NODES_MAX) return fail(b, BK_ELIMIT, "too many types", "schema");
    struct bk__node *node = take(b, sizeof *node);
    if (!node) return NULL;
    *node = (struct bk__node){.type = type, .name = "", .count = count, .default_symbol = -1};
    node->child = take(b, count * sizeof *node->child);
    node->label = take(b, count * sizeof *node->label);
    node->field = take(b, count * sizeof *node->field);
    return node->child && node->label && node->field ? node : NULL;
}

static uint32_t add_bytes(uint32_t a, uint32_t b)
{
    return a > UINT32_MAX - b ? UINT32_MAX : a + b;
}

static const struct bk__node *build_primitive(struct builder *b, const char *name)
{
    static const struct {
        const char *name;
        enum bk__type type;
        uint32_t bytes_min;
    } table[] = {
        {"null", BK__NULL, 0},   {"boolean", BK__BOOLEAN, 1}, {"int", BK__INT, 1},
        {"long", BK__LONG, 1},   {"float", BK__FLOAT, 4},     {"double", BK__DOUBLE, 8},
        {"bytes", BK__BYTES, 1}, {"string", BK__STRING, 1},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (strcmp(table[i].name, name) != 0) continue;
        struct bk__node *node = new_node(b, table[i].type, 0);
        if (node) node->bytes_min = table[i].bytes_min;
        return node;
    }
    return NULL;
}

static const struct bk__node *build_union(struct builder *b, json_t *json, const char *ns)
{
    struct bk__node *node = new_node(b, BK__UNION, (uint32_t)json_array_size(json));
    if (!node) return NULL;
    uint32_t least = UINT32_MAX;
    for (uint32_t i = 0; i < node->count; i++) {
        node->child[i] = build(b, json_array_get(json, i), ns);
        if (!node->child[i]) return NULL;
        if (node->child[i]->type == BK__UNION)
            return fail(b, BK_EINVAL, "a union inside a union", "schema");
        if (node->child[i]->bytes_min < least) least = node->child[i]->bytes_min;
    }
    if (node->count == 0) return fail(b, BK_EINVAL, "an empty union", "schema");
    node->bytes_min = add_bytes(least, 1);
    return node;
}

static struct bk__node *build_enum(struct builder *b, json_t *json)
{
    json_t *symbols = json_object_get(json, "symbols");
    const char *fallback = json_string_value(json_object_get(json, "default"));
    struct bk__node *node = new_node(b, BK__ENUM, (uint32_t)json_array_size(symbols));
    if (!node) return NULL;
    for (uint32_t i = 0; i < node->count; i++) {
        node->label[i] = json_string_value(json_array_get(symbols, i));
        if (!node->label[i]) return fail(b, BK_EINVAL, "a symbol is not a string", "enum");
        if (fallback && strcmp(fallback, node->label[i]) == 0) node->default_symbol = (int32_t)i;
    }
    node->bytes_min = 1;
    return node;
}

static struct bk__node *build_fixed(struct builder *b, json_t *json)
{
    json_int_t size = json_integer_value(json_object_get(json, "size"));
    struct bk__node *node = new_node(b, BK__FIXED, 0);
    if (!node) return NULL;
    if (size < 0 || size > INT32_MAX) return fail(b, BK_EINVAL, "size is out of range", "fixed");
    node->fixed_bytes = node->bytes_min = (uint32_t)size;
    return node;
}

static struct bk__node *build_record(struct builder *b, json_t *json, const char *ns)
{
    json_t *fields = json_object_get(json, "fields");
    struct bk__node *node = new_node(b, BK__RECORD, (uint32_t)json_array_size(fields));
    if (!node) return NULL;
    for (uint32_t i = 0; i < node->count; i++) {
        node->field[i] = json_array_get(fields, i);
        node->label[i] = json_string_value(json_object_get(node->field[i], "name"));
        if (!node->label[i]) return fail(b, BK_EINVAL, "a field has no name", "record");
        node->child[i] = build(b, json_object_get(node->field[i], "type"), ns);
        if (!node->child[i]) return NULL;
        node->bytes_min = add_bytes(node->bytes_min, node->child[i]->bytes_min);
    }
    return node;
}

/* A record, enum or fixed: its name is declared before its inside is built, so that recursion is
 * seen. */
static const struct bk__node *build_named(struct builder *b, json_t *json, const char *type,
                                          const char *ns)
{
    const char *name = json_string_value(json_object_get(json, "name"));
    const char *own_ns = json_string_value(json_object_get(json, "namespace"));
    if (!name) return fail(b, BK_EINVAL, "a named type without a name", type);

    const char *full = full_name(b, own_ns ? own_ns : ns, name);
    struct name *declared = declare(b, full);
    if (!declared) return NULL;
    uint32_t slot = (uint32_t)(declared - b->names);

    char inner_ns[NAME_BYTES] = "";
    const char *dot = strrchr(full, '.');
    if (dot && (size_t)(dot - full) < sizeof inner_ns) memcpy(inner_ns, full, (size_t)(dot - full));

    struct bk__node *node = strcmp(type, "enum") == 0    ? build_enum(b, json)
                            : strcmp(type, "fixed") == 0 ? build_fixed(b, json)
                                                         : build_record(b, json, inner_ns);
    if (!node) return NULL;
    node->name = dot ? dot + 1 : full;
    node->aliases = json_object_get(json, "aliases");
    b->names[slot].node = node;
    return node;
}

static const struct bk__node *build_container(struct builder *b, json_t *json, enum bk__type type,
                                              const char *ns)
{
    struct bk__node *node = new_node(b, type, 1);
    if (!node) return NULL;
    node->child[0] = build(b, json_object_get(json, type == BK__ARRAY ? "items" : "values"), ns);
    node->bytes_min = 1;
    return node->child[0] ? node : NULL;
}

static const struct bk__node *build_object(struct builder *b, json_t *json, const char *ns)
{
    json_t *type = json_object_get(json, "type");
    const char *name = json_string_value(type);
    if (!name) return build(b, type, ns);
    if (strcmp(name, "array") == 0) return build_container(b, json, BK__ARRAY, ns);
    if (strcmp(name, "map") == 0) return build_container(b, json, BK__MAP, ns);
    if (strcmp(name, "record") == 0 || strcmp(name, "enum") == 0 || strcmp(name, "fixed") == 0)
        return build_named(b, json, name, ns);
    return build(b, type, ns);
}

static const struct bk__node *build(struct builder *b, json_t *json, const char *ns)
{
    if (b->error) return NULL;
    if (b->depth == 2 * BK__DEPTH_MAX) return fail(b, BK_ELIMIT, "nested too deep", "schema");
    b->depth++;
    const struct bk__node *node = NULL;
    if (json_is_string(json)) {
        node = build_primitive(b, json_string_value(json));
        if (!node) node = resolve_name(b, ns, json_string_value(json));
    } else if (json_is_array(json)) {
        node = build_union(b, json, ns);
    } else if (json_is_object(json)) {
        node = build_object(b, json, ns);
    } else {
        fail(b, BK_EINVAL, "a type is neither a name, an object nor a union", "schema");
    }
    b->depth--;
    return node;
}

/* ---- the whole ---- */

/* avro-c's word on the text. Its error text is a global that grows: copied at once, cut by the
 * reason. */
static int ask_avro(const char *text, size_t len, struct bk_reason *reason)
{
    avro_schema_t schema = NULL;
    if (avro_schema_from_json_length(text, len, &schema) == 0) {
        avro_schema_decref(schema);
        return 0;
    }
    return bk_reason_set(reason, BK_EINVAL, "%s", avro_strerror());
}

int bk__schema_init(struct bk__schema *schema, const char *text, size_t len,
                    struct bk_reason *reason)
{
    *schema = (struct bk__schema){0};
    int code = ask_avro(text, len, reason);
    if (code) return code;

    json_error_t error;
    schema->json = json_loadb(text, len, JSON_DECODE_ANY, &error);
    if (!schema->json)
        return bk_reason_set(reason, BK_EINVAL, "line %d: %s", error.line, error.text);

    struct builder *b = calloc(1, sizeof *b);
    if (!b) return BK_ENOMEM;
    b->schema = schema;
    b->reason = reason;
    schema->root = build(b, schema->json, "");
    code = b->error;
    free(b);
    return schema->root ? 0 : code ? code : BK_ENOMEM;
}

void bk__schema_deinit(struct bk__schema *schema)
{
    bk__pool_deinit(&schema->pool);
    json_decref(schema->json);
    *schema = (struct bk__schema){0};
}
