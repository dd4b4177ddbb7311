/* run.c -- runs a plan over one payload.
 *
 * INVARIANTS
 *   I1 no byte outside [bytes, bytes + len) is read;  I2 nothing is allocated;  I3 the number of
 * operations run is bounded by (len + BK__ZERO_BYTE_ELEMENTS_MAX) * op_count: every element of an
 * array or map takes a byte of the payload of its own, or else one of the record's budget of
 * elements that take none;  I4 loops nest at most BK__DEPTH_MAX deep (the compiler saw to it), and
 * jumps go backwards only at the end of a loop.
 */
#include "cursor.h"
#include "plan.h"

/* An array or map that is being read. */
struct frame {
    int64_t left;             /* elements of the current block still to come */
    int64_t total;            /* elements announced so far */
    const uint8_t *block_end; /* where a block that said its size must end; NULL: it did not say */
};

struct run {
    struct bk__cursor cur;
    struct bk_event *ev;
    char *base[BK__BASES]; /* enum bk__base -> where offsets count from; the line's moves */
    int64_t zero_byte_elements_left;
    uint32_t depth;
    struct frame frames[BK__DEPTH_MAX + 1];
};

static enum bk_verdict_code check_number(const struct bk__op *op, int64_t value)
{
    return value < op->min || value > op->max ? BK_VERDICT_OUT_OF_RANGE : BK_VERDICT_OK;
}

static void store_number(struct run *run, const struct bk__op *op, int64_t value)
{
    memcpy(run->base[op->base] + op->to, &value, sizeof value);
}

static void store_text(struct run *run, const struct bk__op *op, bk_str_t text)
{
    memcpy(run->base[op->base] + op->to, &text, sizeof text);
}

/* The union around a leaf, when there is one: *null says that nothing more follows. */
static inline enum bk_verdict_code read_null(struct run *run, const struct bk__op *op, bool *null)
{
    int64_t branch;
    *null = false;
    if (op->null_branch == BK__NOT_NULLABLE) return BK_VERDICT_OK;
    enum bk_verdict_code code = bk__cursor_long(&run->cur, &branch);
    if (code) return code;
    if (branch < 0 || branch > 1) return BK_VERDICT_BAD_BRANCH;
    *null = branch == op->null_branch;
    return BK_VERDICT_OK;
}

static inline enum bk_verdict_code read_text(struct run *run, const struct bk__op *op)
{
    bk_str_t text;
    enum bk_verdict_code code = bk__cursor_bytes(&run->cur, &text);
    if (code) return code;
    if (text.len > op->max) return BK_VERDICT_TOO_LONG;
    if (text.len < op->min) return BK_VERDICT_MISSING;
    if (!bk__text_valid(text)) return BK_VERDICT_BAD_UTF8;
    store_text(run, op, text);
    return BK_VERDICT_OK;
}

static enum bk_verdict_code read_currency(struct run *run, const struct bk__op *op)
{
    bk_str_t text;
    enum bk_verdict_code code = bk__cursor_bytes(&run->cur, &text);
    if (code || text.len == 0) return code; /* empty counts as null, as for every optional text */
    if (text.len != 3) return BK_VERDICT_BAD_CURRENCY;
    for (int i = 0; i < 3; i++)
        if (text.p[i] < 'A' || text.p[i] > 'Z') return BK_VERDICT_BAD_CURRENCY;
    store_text(run, op, text);
    return BK_VERDICT_OK;
}

static inline enum bk_verdict_code read_number(struct run *run, const struct bk__op *op)
{
    int64_t value;
    enum bk_verdict_code code = op->code == BK__OP_INT ? bk__cursor_int(&run->cur, &value)
                                                       : bk__cursor_long(&run->cur, &value);
    if (!code) code = check_number(op, value);
    if (!code) store_number(run, op, value);
    return code;
}

static enum bk_verdict_code read_boolean(struct run *run)
{
    if (run->cur.p == run->cur.end) return BK_VERDICT_TRUNCATED;
    return *run->cur.p++ > 1 ? BK_VERDICT_OUT_OF_RANGE : BK_VERDICT_OK;
}

static enum bk_verdict_code read_enum(struct run *run, const struct bk__op *op)
{
    int64_t symbol;
    enum bk_verdict_code code = bk__cursor_int(&run->cur, &symbol);
    if (code) return code;
    if (symbol < 0 || symbol >= op->count) return BK_VERDICT_BAD_BRANCH;
    if (!op->u.symbol) return BK_VERDICT_OK;
    int32_t ours = op->u.symbol[symbol];
    if (ours < 0) return BK_VERDICT_BAD_BRANCH;
    code = check_number(op, ours);
    if (!code) store_number(run, op, ours);
    return code;
}

static enum bk_verdict_code read_branch(struct run *run, const struct bk__op *op, uint32_t *pc)
{
    int64_t branch;
    enum bk_verdict_code code = bk__cursor_long(&run->cur, &branch);
    if (code) return code;
    if (branch < 0 || branch >= op->count) return BK_VERDICT_BAD_BRANCH;
    *pc = op->u.target[branch];
    return BK_VERDICT_OK;
}

static enum bk_verdict_code begin_line(struct run *run, const struct bk__op *op)
{
    struct bk_event *ev = run->ev;
    if (ev->line_count == BK_LINES_MAX) return BK_VERDICT_TOO_MANY;
    struct bk_line *line = &ev->lines[ev->line_count++];
    *line = (struct bk_line){
        .quantity = 1,
        .unit_price_minor = BK_NULL_I64,
        .discount_minor = BK_NULL_I64,
        .role = (enum bk_line_role)op->to,
    };
    run->base[BK__IN_LINE] = (char *)line;
    return BK_VERDICT_OK;
}

/* ---- arrays and maps: blocks of `count` elements, a count of 0 ends them; a negative count is
 * followed by the bytes ---- */

static enum bk_verdict_code read_block_count(struct run *run, struct frame *frame, int64_t *count)
{
    int64_t size;
    frame->block_end = NULL;
    enum bk_verdict_code code = bk__cursor_long(&run->cur, count);
    if (code || *count >= 0) return code;
    if (*count == INT64_MIN) return BK_VERDICT_BAD_LENGTH;
    *count = -*count;
    code = bk__cursor_long(&run->cur, &size);
    if (code) return code;
    if ((uint64_t)size > bk__cursor_left(&run->cur)) return BK_VERDICT_BAD_LENGTH;
    frame->block_end = run->cur.p + size;
    return BK_VERDICT_OK;
}

/* Can that many elements be there at all, and may they? */
static enum bk_verdict_code check_block(struct run *run, const struct bk__op *op,
                                        struct frame *frame, int64_t count)
{
    uint32_t bytes_min = op->count;
    if (count > op->max - frame->total) return BK_VERDICT_TOO_MANY;
    if (bytes_min > 0 && (uint64_t)count > bk__cursor_left(&run->cur) / bytes_min)
        return BK_VERDICT_BAD_LENGTH;
    if (bytes_min == 0) {
        if (count > run->zero_byte_elements_left) return BK_VERDICT_TOO_MANY;
        run->zero_byte_elements_left -= count;
    }
    frame->total += count;
    return BK_VERDICT_OK;
}

/* The next element of the innermost loop: *pc goes to the body, or falls through when it was the
 * last. */
static inline enum bk_verdict_code next_element(struct run *run, const struct bk__op *op,
                                                uint32_t *pc)
{
    struct frame *frame = &run->frames[run->depth - 1];
    if (frame->left > 0) {
        frame->left--;
        *pc = op->jump;
        return BK_VERDICT_OK;
    }
    if (frame->block_end && run->cur.p != frame->block_end) return BK_VERDICT_BAD_LENGTH;
    int64_t count;
    enum bk_verdict_code code = read_block_count(run, frame, &count);
    if (code) return code;
    if (count == 0) {
        run->depth--;
        return frame->total < op->min ? BK_VERDICT_MISSING : BK_VERDICT_OK;
    }
    code = check_block(run, op, frame, count);
    frame->left = count - 1;
    *pc = op->jump;
    return code;
}

/* ---- the machine ---- */

static struct bk_verdict run_ops(struct run *run, const struct bk__op *ops)
{
    enum bk_verdict_code code = BK_VERDICT_OK;
    const struct bk__op *op;
    uint32_t pc = 0;
    bool null;
    do {
        op = &ops[pc++];
        switch ((enum bk__code)op->code) {
        case BK__OP_TEXT:
            code = read_null(run, op, &null);
            if (!code && !null) code = read_text(run, op);
            break;
        case BK__OP_LONG:
        case BK__OP_INT:
            code = read_null(run, op, &null);
            if (!code && !null) code = read_number(run, op);
            break;
        case BK__OP_CURRENCY:
            code = read_null(run, op, &null);
            if (!code && !null) code = read_currency(run, op);
            break;
        case BK__OP_BYTES: {
            bk_str_t skipped;
            code = read_null(run, op, &null);
            if (!code && !null) code = bk__cursor_bytes(&run->cur, &skipped);
            break;
        }
        case BK__OP_BOOLEAN:
            code = read_boolean(run);
            break;
        case BK__OP_ENUM:
            code = read_enum(run, op);
            break;
        case BK__OP_SKIP:
            code = bk__cursor_skip(&run->cur, op->to);
            break;
        case BK__OP_UNION:
            code = read_branch(run, op, &pc);
            break;
        case BK__OP_JUMP:
            pc = op->jump;
            break;
        case BK__OP_FAIL:
            code = (enum bk_verdict_code)op->to;
            break;
        case BK__OP_LOOP:
            BK_ASSERT(run->depth <= BK__DEPTH_MAX);
            run->frames[run->depth++] = (struct frame){0};
            pc = op->jump;
            break;
        case BK__OP_NEXT:
            code = next_element(run, op, &pc);
            break;
        case BK__OP_LINE:
            code = begin_line(run, op);
            break;
        case BK__OP_SET_TEXT:
            store_text(run, op, op->u.text);
            break;
        case BK__OP_SET_LONG:
            store_number(run, op, op->min);
            break;
        case BK__OP_END:
            if (run->cur.p != run->cur.end) return (struct bk_verdict){BK_VERDICT_TRAILING, ""};
            return (struct bk_verdict){BK_VERDICT_OK, ""};
        }
    } while (BK_LIKELY(code == BK_VERDICT_OK));
    return (struct bk_verdict){code, op->field};
}

struct bk_verdict bk__plan_run(const struct bk__plan *plan, const uint8_t *bytes, size_t len,
                               struct bk_event *event)
{
    union {
        bk_str_t text;
        int64_t number;
    } nothing;
    struct run run;
    bk_event_reset(event);
    event->kind = plan->kind;
    run.cur = (struct bk__cursor){bytes, bytes + len};
    run.ev = event;
    run.base[BK__IN_EVENT] = (char *)event;
    run.base[BK__IN_LINE] = NULL;
    run.base[BK__IN_NOTHING] = (char *)&nothing;
    run.zero_byte_elements_left = BK__ZERO_BYTE_ELEMENTS_MAX;
    run.depth = 0;
    return run_ops(&run, plan->ops);
}
