/* plan.h -- a writer's schema and ours, compiled into a flat program.
 *
 * A plan reads one record kind as one writer wrote it. It is made once per schema id and run by
 * bk__plan_run for every record. The program is a vector of operations in the order of the writer's
 * bytes; jumps only join the branches of a union and close the loop of an array or map.
 */
#ifndef BK_DECODE_PLAN_H
#define BK_DECODE_PLAN_H

#include "rules.h"
#include "schema.h"

#include "basketry/verdict.h"

enum bk__code {
    BK__OP_TEXT,     /* length, bytes -> bk_str_t at base + to; min..max, UTF-8 */
    BK__OP_CURRENCY, /* the same, three capital letters */
    BK__OP_BYTES,    /* length, bytes: passed over */
    BK__OP_LONG,     /* varint of 64 bits -> int64_t at base + to; min..max */
    BK__OP_INT,      /* varint of 32 bits, the same */
    BK__OP_BOOLEAN,  /* one byte, 0 or 1 */
    BK__OP_ENUM,     /* varint -> symbol[it] at base + to; -1 in the table is no symbol of ours */
    BK__OP_SKIP,     /* `to` bytes */
    BK__OP_UNION,    /* varint -> jump to target[it] */
    BK__OP_JUMP,     /* to `jump` */
    BK__OP_FAIL,     /* verdict `to` */
    BK__OP_LOOP,     /* enter an array or map: go to its BK__OP_NEXT at `jump` */
    BK__OP_NEXT,     /* one more element: body at `jump`; else fall through. min..max elements */
    BK__OP_LINE,     /* begin the next line, role `to` */
    BK__OP_SET_TEXT, /* the reader's default, when it is not what a reset event has */
    BK__OP_SET_LONG, /* the same for a number: `min` */
    BK__OP_END,
};

enum { BK__NOT_NULLABLE = 2, BK__OPS_MAX = 8192, BK__ZERO_BYTE_ELEMENTS_MAX = 65536 };

struct bk__op {
    uint8_t code;
    uint8_t base;        /* enum bk__base */
    uint8_t null_branch; /* leaves: 0 or 1 when a union with null is part of it */
    uint32_t to;
    uint32_t jump;
    uint32_t count; /* branches, symbols; NEXT: the fewest bytes an element takes */
    int64_t min, max;
    const char *field; /* for verdicts; owned by the plan */
    union {
        const int32_t *symbol;  /* ENUM */
        const uint32_t *target; /* UNION */
        bk_str_t text;          /* SET_TEXT */
    } u;
};

struct bk__plan {
    enum bk_event_kind kind;
    struct bk__op *ops;
    uint32_t op_count;
    struct bk__pool pool; /* field names, tables; default texts belong to the reader's schema */
};

/** Compile. Both schemas' roots are records of the same kind. Returns 0, BK_EINVAL (reason names
 * the field), BK_ELIMIT or BK_ENOMEM. `reader` must outlive the plan. */
int bk__plan_init(struct bk__plan *plan, const struct bk__schema *writer,
                  const struct bk__schema *reader, enum bk_event_kind kind,
                  struct bk_reason *reason);
void bk__plan_deinit(struct bk__plan *plan);

/** Run over a payload without its framing. `event` is reset first; its `lines` hold
 *  BK_LINES_MAX. */
struct bk_verdict bk__plan_run(const struct bk__plan *plan, const uint8_t *bytes, size_t len,
                               struct bk_event *event);

#endif
