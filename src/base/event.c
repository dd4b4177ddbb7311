/* event.c -- the defaults of an event and the subject it belongs to. */
#include "basketry/event.h"

void bk_line_reset(struct bk_line *line)
{
    *line = (struct bk_line){
        .quantity = 1,
        .unit_price_minor = BK_NULL_I64,
        .discount_minor = BK_NULL_I64,
    };
}

void bk_event_reset(struct bk_event *ev)
{
    *ev = (struct bk_event){.available = BK_NULL_I64, .lines = ev->lines};
}

const char *bk_event_kind_name(enum bk_event_kind kind)
{
    static const char *const names[] = {
#define X(name, record) record,
        BK_EVENT_KIND_TABLE(X)
#undef X
    };
    return (unsigned)kind < BK_COUNTOF(names) ? names[kind] : "?";
}

uint32_t bk_event_subject(const struct bk_event *ev, char *out)
{
    bool known = ev->customer.len > 0 && ev->kind != BK_EVENT_IDENTIFIED;
    bk_str_t id = known ? ev->customer : ev->visitor;
    BK_ASSERT(id.len <= BK_ID_BYTES_MAX);
    out[0] = known ? 'c' : 'v';
    out[1] = ':';
    if (id.len > 0) memcpy(out + 2, id.p, id.len);
    return id.len + 2;
}
