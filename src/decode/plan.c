/* plan.c -- writer's schema + reader's schema + the rules -> a flat program.
 *
 * THE IDEA
 *   Avro resolution (which field is which, promotions, defaults, unions, enum symbols) depends on
 * the schemas alone, so it is done here once and leaves nothing to decide per record but the branch
 * of a union and the length of an array. HOW Fields are walked in the writer's order, because that
 * is the order of the bytes. A field that we do not have becomes operations that pass over it; one
 * that the writer does not have becomes its default, and only when a reset event does not hold that
 * value already. NULL The most common shape by far, ["null", leaf], is one operation with
 * `null_branch` set. A null leaves what the reset put there, which is null for every nullable
 * field: the compiler checks it.
 */
#include "plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_BYTES = 256 };

struct compiler {
    struct bk__plan *plan;
    struct bk_reason *reason;
    uint32_t cap, depth;
    int error;
    char path[PATH_BYTES];
    const char *path_text; /* copy of `path` in the pool, made when first needed */
};

static void compile_value(struct compiler *c, const struct bk__node *w, const struct bk__node *r,
                          const char *record, const char *field);
static void compile_skip(struct compiler *c, const struct bk__node *w);
static void compile_default(struct compiler *c, const struct bk__node *r, json_t *json,
                            const char *record, const char *field);

/* ---- emitting ---- */

static void fail(struct compiler *c, int code, const char *what)
{
    if (c->error == 0)
        c->error = bk_reason_set(c->reason, code, "%s: %s", c->path[0] ? c->path : "record", what);
}

static void *take(struct compiler *c, size_t bytes)
{
    void *p = bk__pool_take(&c->plan->pool, bytes);
    if (!p) fail(c, BK_ENOMEM, "out of memory");
    return p;
}

static const char *path_text(struct compiler *c)
{
    if (!c->path_text) c->path_text = bk__pool_text(&c->plan->pool, c->path);
    if (!c->path_text) fail(c, BK_ENOMEM, "out of memory");
    return c->path_text ? c->path_text : "";
}

/* Append an operation and return its index. */
static uint32_t emit(struct compiler *c, struct bk__op op)
{
    struct bk__plan *plan = c->plan;
    if (plan->op_count == c->cap) {
        uint32_t cap = c->cap ? c->cap * 2 : 64;
        struct bk__op *ops = cap <= BK__OPS_MAX ? realloc(plan->ops, cap * sizeof *ops) : NULL;
        if (!ops) {
            fail(c, BK_ELIMIT, "the schema is too large to compile");
            return 0;
        }
        plan->ops = ops;
        c->cap = cap;
    }
    op.field = path_text(c);
    plan->ops[plan->op_count] = op;
    return plan->op_count++;
}

static struct bk__op op_of(enum bk__code code)
{
    return (struct bk__op){
        .code = (uint8_t)code, .base = BK__IN_NOTHING, .null_branch = BK__NOT_NULLABLE};
}

static uint32_t emit_code(struct compiler *c, enum bk__code code)
{
    return emit(c, op_of(code));
}

/* A leaf that no rule speaks about: any value will do. */
static void emit_unchecked(struct compiler *c, enum bk__code code)
{
    struct bk__op op = op_of(code);
    op.min = INT64_MIN;
    op.max = INT64_MAX;
    emit(c, op);
}

static void emit_skip(struct compiler *c, uint32_t bytes)
{
    struct bk__op op = op_of(BK__OP_SKIP);
    op.to = bytes;
    if (bytes) emit(c, op);
}

static void emit_fail(struct compiler *c, enum bk_verdict_code code)
{
    struct bk__op op = op_of(BK__OP_FAIL);
    op.to = code;
    emit(c, op);
}

static struct bk__op op_by_rule(enum bk__code code, const struct bk__rule *rule)
{
    struct bk__op op = op_of(code);
    op.base = (uint8_t)rule->base;
    op.to = rule->to;
    op.min = rule->min;
    op.max = rule->max;
    return op;
}

/* ---- paths: "lines.item_id" ---- */

static size_t path_enter(struct compiler *c, const char *field)
{
    size_t len = strlen(c->path);
    snprintf(c->path + len, sizeof c->path - len, "%s%s", len ? "." : "", field);
    c->path_text = NULL;
    if (++c->depth > BK__DEPTH_MAX) fail(c, BK_ELIMIT, "nested too deep");
    return len;
}

static void path_leave(struct compiler *c, size_t len)
{
    c->path[len] = '\0';
    c->path_text = NULL;
    c->depth--;
}

/* ---- what matches what (Avro specification, schema resolution) ---- */

static bool name_matches(const struct bk__node *w, const struct bk__node *r)
{
    if (strcmp(w->name, r->name) == 0) return true;
    for (size_t i = 0; i < json_array_size(r->aliases); i++) {
        const char *alias = json_string_value(json_array_get(r->aliases, i));
        if (alias && bk__schema_name_is(alias, w->name)) return true;
    }
    return false;
}

/* Do the outsides match? Fields and elements are looked at when they are compiled. */
static bool matches(const struct bk__node *w, const struct bk__node *r)
{
    switch (r->type) {
    case BK__LONG:
        return w->type == BK__LONG || w->type == BK__INT;
    case BK__FLOAT:
        return w->type == BK__FLOAT || w->type == BK__LONG || w->type == BK__INT;
    case BK__DOUBLE:
        return w->type == BK__DOUBLE || w->type == BK__FLOAT || w->type == BK__LONG ||
               w->type == BK__INT;
    case BK__STRING:
    case BK__BYTES:
        return w->type == BK__STRING || w->type == BK__BYTES;
    case BK__RECORD:
    case BK__ENUM:
        return w->type == r->type && name_matches(w, r);
    case BK__FIXED:
        return w->type == r->type && name_matches(w, r) && w->fixed_bytes == r->fixed_bytes;
    default:
        return w->type == r->type;
    }
}

/* The reader's type for a writer's type that is not a union: itself, or the branch it falls into;
 * NULL: none. */
static const struct bk__node *reader_branch(const struct bk__node *w, const struct bk__node *r)
{
    if (r->type != BK__UNION) return matches(w, r) ? r : NULL;
    for (uint32_t i = 0; i < r->count;
         i++) /* the same type first: int must not end in a long beside it */
        if (r->child[i]->type == w->type && matches(w, r->child[i])) return r->child[i];
    for (uint32_t i = 0; i < r->count; i++)
        if (matches(w, r->child[i])) return r->child[i];
    return NULL;
}

static bool has_alias(json_t *field, const char *name)
{
    json_t *aliases = json_object_get(field, "aliases");
    for (size_t i = 0; i < json_array_size(aliases); i++) {
        const char *alias = json_string_value(json_array_get(aliases, i));
        if (alias && strcmp(alias, name) == 0) return true;
    }
    return false;
}

/* Index of the writer's field that feeds this field of the reader, or -1. */
static int writer_field(const struct bk__node *w, const struct bk__node *r, uint32_t at)
{
    for (uint32_t i = 0; i < w->count; i++)
        if (strcmp(w->label[i], r->label[at]) == 0) return (int)i;
    for (uint32_t i = 0; i < w->count; i++)
        if (has_alias(r->field[at], w->label[i])) return (int)i;
    return -1;
}

static int reader_field(const struct bk__node *w, const struct bk__node *r, uint32_t at)
{
    for (uint32_t i = 0; i < r->count; i++)
        if (writer_field(w, r, i) == (int)at) return (int)i;
    return -1;
}

/* ---- what a reset event holds ---- */

static int64_t reset_number(const struct bk__rule *rule)
{
    struct bk_event ev = {0};
    struct bk_line line;
    int64_t value;
    bk_event_reset(&ev);
    bk_line_reset(&line);
    memcpy(&value, (rule->base == BK__IN_LINE ? (char *)&line : (char *)&ev) + rule->to,
           sizeof value);
    return value;
}

/* A null of the writer leaves the reset value: it had better be null. Texts always are. */
static void check_null_is_reset(struct compiler *c, const struct bk__rule *rule)
{
    bool number = rule->what == BK__NUMBER || rule->what == BK__CHOICE;
    if (number && rule->base != BK__IN_NOTHING && reset_number(rule) != BK_NULL_I64)
        fail(c, BK_EINVAL, "nullable in the schema, but the event cannot hold a null there");
}

/* ---- leaves ---- */

static void compile_enum(struct compiler *c, const struct bk__node *w, const struct bk__node *r,
                         const struct bk__rule *rule)
{
    int32_t *symbol = take(c, w->count * sizeof *symbol + 1);
    if (!symbol) return;
    for (uint32_t i = 0; i < w->count; i++) {
        symbol[i] = r->default_symbol;
        for (uint32_t j = 0; j < r->count; j++)
            if (strcmp(w->label[i], r->label[j]) == 0) symbol[i] = (int32_t)j;
    }
    struct bk__op op = op_by_rule(BK__OP_ENUM, rule);
    op.count = w->count;
    op.u.symbol = symbol;
    emit(c, op);
}

/* Does the row fit the type it is meant for? A mistake in rules.c or a schema, found at start-up.
 */
static bool rule_fits(const struct bk__rule *rule, enum bk__type type)
{
    switch (rule->what) {
    case BK__TEXT:
    case BK__CURRENCY:
        return type == BK__STRING;
    case BK__NUMBER:
        return type == BK__LONG || type == BK__INT;
    case BK__CHOICE:
        return type == BK__ENUM;
    case BK__GROUP:
    case BK__LINE:
        return type == BK__RECORD;
    case BK__LINES:
        return type == BK__ARRAY;
    case BK__ENTRIES:
        return type == BK__ARRAY || type == BK__MAP;
    case BK__ANY:
        return true;
    }
    return false;
}

/* ---- arrays and maps ---- */

/* The writer's array or map `w`; `rule` and `r` are NULL when it is only passed over. */
static void compile_loop(struct compiler *c, const struct bk__node *w, const struct bk__node *r,
                         const struct bk__rule *rule, const char *record, const char *field)
{
    if (++c->depth > BK__DEPTH_MAX) {
        fail(c, BK_ELIMIT, "nested too deep");
        return;
    }
    bool map = w->type == BK__MAP;
    uint32_t loop = emit_code(c, BK__OP_LOOP);
    uint32_t body = c->plan->op_count;
    if (map && rule)
        emit(c, op_by_rule(BK__OP_TEXT, &bk__rule_map_key));
    else if (map)
        emit_unchecked(c, BK__OP_BYTES);
    if (rule && rule->what == BK__LINES) {
        struct bk__op line = op_of(BK__OP_LINE);
        line.to = rule->to;
        emit(c, line);
    }
    if (rule) {
        char element[PATH_BYTES];
        snprintf(element, sizeof element, "%s%s", field, map ? "{}" : "[]");
        compile_value(c, w->child[0], r->child[0], record, element);
    } else {
        compile_skip(c, w->child[0]);
    }
    struct bk__op next = op_of(BK__OP_NEXT);
    next.jump = body;
    next.count = w->child[0]->bytes_min + (map ? 1 : 0);
    next.min = rule ? rule->min : 0;
    next.max = rule ? rule->max : INT64_MAX;
    uint32_t at = emit(c, next);
    if (!c->error) c->plan->ops[loop].jump = at;
    c->depth--;
}

/* ---- unions of the writer ---- */

/* Which branch of a two-branch union is null, or BK__NOT_NULLABLE. */
static uint8_t null_branch(const struct bk__node *w)
{
    if (w->count != 2 || (w->child[0]->type == BK__NULL) == (w->child[1]->type == BK__NULL))
        return BK__NOT_NULLABLE;
    return w->child[0]->type == BK__NULL ? 0 : 1;
}

static bool op_takes_null(enum bk__code code)
{
    return code == BK__OP_TEXT || code == BK__OP_CURRENCY || code == BK__OP_BYTES ||
           code == BK__OP_LONG || code == BK__OP_INT;
}

static bool node_is_leaf(const struct bk__node *w)
{
    return w->type == BK__STRING || w->type == BK__BYTES || w->type == BK__LONG ||
           w->type == BK__INT;
}

/* One branch of the writer's union against the reader's type (NULL: passed over). */
static void compile_branch(struct compiler *c, const struct bk__node *w, const struct bk__node *r,
                           const char *record, const char *field)
{
    if (!r)
        compile_skip(c, w);
    else if (reader_branch(w, r))
        compile_value(c, w, r, record, field);
    else
        emit_fail(c, w->type == BK__NULL ? BK_VERDICT_MISSING : BK_VERDICT_BAD_BRANCH);
}

static void compile_union(struct compiler *c, const struct bk__node *w, const struct bk__node *r,
                          const char *record, const char *field)
{
    bool possible = !r;
    for (uint32_t i = 0; i < w->count; i++)
        if (r && reader_branch(w->child[i], r)) possible = true;
    if (!possible) {
        fail(c, BK_EINVAL, "no branch of the writer's union is of the reader's type");
        return;
    }

    uint8_t null = null_branch(w);
    bool reader_takes_null = !r || (r->type == BK__UNION && reader_branch(w->child[null & 1], r));
    if (null != BK__NOT_NULLABLE && reader_takes_null && node_is_leaf(w->child[1 - null])) {
        uint32_t before = c->plan->op_count;
        compile_branch(c, w->child[1 - null], r, record, field);
        struct bk__op *op = &c->plan->ops[before];
        if (!c->error && c->plan->op_count == before + 1 && op_takes_null(op->code)) {
            op->null_branch = null;
            if (r) check_null_is_reset(c, bk__rule_find(record, field));
            return;
        }
        c->plan->op_count = before; /* not one operation after all: the general way */
    }

    uint32_t *target = take(c, w->count * sizeof *target);
    uint32_t *end = calloc(w->count, sizeof *end);
    if (!target || !end) {
        fail(c, BK_ENOMEM, "out of memory");
        free(end);
        return;
    }
    struct bk__op op = op_of(BK__OP_UNION);
    op.count = w->count;
    op.u.target = target;
    emit(c, op);
    for (uint32_t i = 0; i < w->count && !c->error; i++) {
        target[i] = c->plan->op_count;
        compile_branch(c, w->child[i], r, record, field);
        end[i] = emit_code(c, BK__OP_JUMP);
    }
    for (uint32_t i = 0; i < w->count && !c->error; i++)
        c->plan->ops[end[i]].jump = c->plan->op_count;
    free(end);
}

/* ---- passing over what we do not have ---- */

static void compile_skip_record(struct compiler *c, const struct bk__node *w)
{
    if (++c->depth > BK__DEPTH_MAX) {
        fail(c, BK_ELIMIT, "nested too deep");
        return;
    }
    for (uint32_t i = 0; i < w->count && !c->error; i++) compile_skip(c, w->child[i]);
    c->depth--;
}

static void compile_skip(struct compiler *c, const struct bk__node *w)
{
    switch (w->type) {
    case BK__NULL:
        break;
    case BK__BOOLEAN:
        emit_unchecked(c, BK__OP_BOOLEAN);
        break;
    case BK__INT:
        emit_unchecked(c, BK__OP_INT);
        break;
    case BK__LONG:
        emit_unchecked(c, BK__OP_LONG);
        break;
    case BK__FLOAT:
        emit_skip(c, 4);
        break;
    case BK__DOUBLE:
        emit_skip(c, 8);
        break;
    case BK__FIXED:
        emit_skip(c, w->fixed_bytes);
        break;
    case BK__BYTES:
    case BK__STRING:
        emit_unchecked(c, BK__OP_BYTES);
        break;
    case BK__ENUM: {
        struct bk__op op = op_of(BK__OP_ENUM);
        op.count = w->count;
        emit(c, op);
        break;
    }
    case BK__RECORD:
        compile_skip_record(c, w);
        break;
    case BK__ARRAY:
    case BK__MAP:
        compile_loop(c, w, NULL, NULL, "", "");
        break;
    case BK__UNION:
        compile_union(c, w, NULL, "", "");
        break;
    }
}

/* ---- records ---- */

/* The rule of a field of the reader, checked against its type without null. */
static const struct bk__rule *rule_of(struct compiler *c, const struct bk__node *r,
                                      const char *record, const char *field)
{
    const struct bk__rule *rule = bk__rule_find(record, field);
    if (!rule && r->type == BK__RECORD && strchr(field, '[')) rule = &bk__rule_group;
    if (!rule)
        fail(c, BK_EINVAL, "no rule for this field");
    else if (r->type != BK__NULL && !rule_fits(rule, r->type))
        fail(c, BK_EINVAL, "rule and type do not fit");
    else
        return rule;
    return NULL;
}

static void emit_line(struct compiler *c, const struct bk__rule *rule)
{
    struct bk__op line = op_of(BK__OP_LINE);
    line.to = rule->to;
    emit(c, line);
}

static void compile_record(struct compiler *c, const struct bk__node *w, const struct bk__node *r)
{
    const struct bk__rule *whole = bk__rule_find(r->name, "");
    if (whole && whole->what == BK__LINE) emit_line(c, whole);
    for (uint32_t i = 0; i < w->count && !c->error; i++) {
        int at = reader_field(w, r, i);
        size_t len = path_enter(c, w->label[i]);
        if (at < 0)
            compile_skip(c, w->child[i]);
        else
            compile_value(c, w->child[i], r->child[at], r->name, r->label[at]);
        path_leave(c, len);
    }
    for (uint32_t i = 0; i < r->count && !c->error; i++) {
        if (writer_field(w, r, i) >= 0) continue;
        json_t *fallback = json_object_get(r->field[i], "default");
        size_t len = path_enter(c, r->label[i]);
        if (fallback)
            compile_default(c, r->child[i], fallback, r->name, r->label[i]);
        else
            fail(c, BK_EINVAL, "the writer does not have this field and it has no default");
        path_leave(c, len);
    }
}

/* ---- values ---- */

static void compile_text(struct compiler *c, const struct bk__rule *rule)
{
    emit(c, op_by_rule(rule->what == BK__CURRENCY ? BK__OP_CURRENCY : BK__OP_TEXT, rule));
}

static void compile_number(struct compiler *c, const struct bk__node *w,
                           const struct bk__rule *rule)
{
    emit(c, op_by_rule(w->type == BK__INT ? BK__OP_INT : BK__OP_LONG, rule));
}

static void compile_value(struct compiler *c, const struct bk__node *w, const struct bk__node *r,
                          const char *record, const char *field)
{
    if (c->error) return;
    if (w->type == BK__UNION) {
        compile_union(c, w, r, record, field);
        return;
    }
    r = reader_branch(w, r);
    if (!r) {
        fail(c, BK_EINVAL, "the writer's type cannot be read as the reader's");
        return;
    }
    const struct bk__rule *rule = rule_of(c, r, record, field);
    if (!rule) return;
    if (r->type == BK__NULL) {
        check_null_is_reset(c, rule);
        return;
    }
    switch (rule->what) {
    case BK__TEXT:
    case BK__CURRENCY:
        compile_text(c, rule);
        break;
    case BK__NUMBER:
        compile_number(c, w, rule);
        break;
    case BK__CHOICE:
        compile_enum(c, w, r, rule);
        break;
    case BK__LINE:
        emit_line(c, rule);
        compile_record(c, w, r);
        break;
    case BK__GROUP:
        compile_record(c, w, r);
        break;
    case BK__LINES:
    case BK__ENTRIES:
        compile_loop(c, w, r, rule, record, field);
        break;
    case BK__ANY:
        compile_skip(c, w);
        break;
    }
}

/* ---- defaults ---- */

static void default_number(struct compiler *c, const struct bk__rule *rule, int64_t value)
{
    struct bk__op op = op_by_rule(BK__OP_SET_LONG, rule);
    if (rule->base == BK__IN_NOTHING || reset_number(rule) == value) return;
    op.min = value;
    emit(c, op);
}

static void default_text(struct compiler *c, const struct bk__rule *rule, json_t *json)
{
    struct bk__op op = op_by_rule(BK__OP_SET_TEXT, rule);
    op.u.text = bk_str(json_string_value(json), json_string_length(json));
    if (rule->base != BK__IN_NOTHING && op.u.text.len > 0) emit(c, op);
}

static void default_enum(struct compiler *c, const struct bk__node *r, const struct bk__rule *rule,
                         json_t *json)
{
    for (uint32_t i = 0; i < r->count; i++) {
        if (strcmp(r->label[i], json_string_value(json)) != 0) continue;
        default_number(c, rule, i);
        return;
    }
    fail(c, BK_EINVAL, "the default is not a symbol");
}

static void default_record(struct compiler *c, const struct bk__node *r, json_t *json)
{
    for (uint32_t i = 0; i < r->count && !c->error; i++) {
        json_t *value = json_object_get(json, r->label[i]);
        if (!value) value = json_object_get(r->field[i], "default");
        size_t len = path_enter(c, r->label[i]);
        if (value)
            compile_default(c, r->child[i], value, r->name, r->label[i]);
        else
            fail(c, BK_EINVAL, "a default without this field");
        path_leave(c, len);
    }
}

/* A field that the writer does not have. A union's default is of its first branch. */
static void compile_default(struct compiler *c, const struct bk__node *r, json_t *json,
                            const char *record, const char *field)
{
    if (r->type == BK__UNION) r = r->child[0];
    const struct bk__rule *rule = rule_of(c, r, record, field);
    if (!rule) return;
    if (r->type == BK__NULL && json_is_null(json))
        check_null_is_reset(c, rule);
    else if (rule->what == BK__ANY)
        return;
    else if (r->type == BK__STRING && json_is_string(json))
        default_text(c, rule, json);
    else if (rule->what == BK__NUMBER && json_is_integer(json))
        default_number(c, rule, json_integer_value(json));
    else if (r->type == BK__ENUM && json_is_string(json))
        default_enum(c, r, rule, json);
    else if (rule->what == BK__GROUP && json_is_object(json))
        default_record(c, r, json);
    else if (r->type == BK__ARRAY && json_is_array(json) && json_array_size(json) == 0)
        return;
    else if (r->type == BK__MAP && json_is_object(json) && json_object_size(json) == 0)
        return;
    else
        fail(c, BK_EINVAL, "a default of this kind is not supported");
}

/* ---- the whole ---- */

int bk__plan_init(struct bk__plan *plan, const struct bk__schema *writer,
                  const struct bk__schema *reader, enum bk_event_kind kind,
                  struct bk_reason *reason)
{
    *plan = (struct bk__plan){.kind = kind};
    struct compiler c = {.plan = plan, .reason = reason};
    compile_record(&c, writer->root, reader->root);
    emit_code(&c, BK__OP_END);
    if (c.error) bk__plan_deinit(plan);
    return c.error;
}

void bk__plan_deinit(struct bk__plan *plan)
{
    free(plan->ops);
    bk__pool_deinit(&plan->pool);
    *plan = (struct bk__plan){0};
}
