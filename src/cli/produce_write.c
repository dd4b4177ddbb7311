/* produce_write.c -- see produce.h. */
#include "produce.h"

#include <inttypes.h>

#include "basketry/decode.h"

size_t bk__produce_encode(const struct bk_shop_record *record, uint8_t *out, size_t cap)
{
    size_t len = record->product    ? bk_encode_product(record->product, out, cap)
                 : record->customer ? bk_encode_customer(record->customer, out, cap)
                                    : bk_encode_event(record->event, out, cap);
    BK_ASSERT(len > 0);
    return len;
}

/* ---- rows ---- */

void bk__produce_rows_head(FILE *out)
{
    fputs("ts_ms\tuser\tsession\tevent\titem\tqty\tprice\n", out);
}

/* The word of the rows for this event, or NULL. */
static const char *word_of(const struct bk_event *event)
{
    switch (event->kind) {
    case BK_EVENT_ITEM_VIEWED:
        return "view";
    case BK_EVENT_CART_CHANGED:
        return event->op == BK_CART_ADD ? "cart" : NULL;
    case BK_EVENT_WISHLIST_CHANGED:
        return "favourite";
    case BK_EVENT_PURCHASED:
        return "purchase";
    case BK_EVENT_REFUNDED:
        return "return";
    default:
        return NULL;
    }
}

uint32_t bk__produce_rows(FILE *out, const struct bk_event *event)
{
    const char *word = word_of(event);
    bk_str_t user = event->customer.len ? event->customer : BK_STR("-");
    bool of_order = event->kind == BK_EVENT_PURCHASED || event->kind == BK_EVENT_REFUNDED;
    bk_str_t session = of_order ? event->order_id : event->session;
    if (!word) return 0;
    for (uint32_t i = 0; i < event->line_count; i++) {
        const struct bk_line *line = &event->lines[i];
        fprintf(out, "%" PRId64 "\t%.*s\t%.*s\t%s\t%.*s\t%" PRId64 "\t%" PRId64 ".%02" PRId64 "\n",
                event->event_time_ms, (int)user.len, user.p, (int)session.len, session.p, word,
                (int)line->item.len, line->item.p, line->quantity, line->unit_price_minor / 100,
                line->unit_price_minor % 100);
    }
    return event->line_count;
}

/* ---- the truth ---- */

static void write_habit(FILE *out, const struct bk_shop *shop, bk_str_t who, bk_str_t kind,
                        const struct bk_shop_habit *habit)
{
    bk_str_t item = bk_shop_product(shop, habit->product).id,
             second = bk_shop_product(shop, habit->second).id;
    fprintf(out, "%.*s\t%.*s\t%.*s\t%.*s\t%.*s\t%.6f\t%.2f\t%" PRId64 "\t%" PRId64 "\n",
            (int)who.len, who.p, (int)kind.len, kind.p, (int)habit->good.len, habit->good.p,
            (int)item.len, item.p, (int)second.len, second.p, habit->share, habit->interval_days,
            habit->last_ms, habit->due_ms);
}

void bk__produce_truth(FILE *out, struct bk_shop *shop)
{
    static struct bk_shop_habit habit[BK_SHOP_HABITS_MAX];
    fputs("subject\tkind\tgood\titem\tsecond_item\tshare\tinterval_days\tlast_ms\tdue_ms\n", out);
    for (uint32_t i = 0; i < bk_shop_shopper_count(shop); i++) {
        struct bk_shop_shopper who = bk_shop_shopper(shop, i);
        uint32_t count = bk_shop_habits(shop, i, habit);
        bk_str_t id = who.customer.p ? who.customer : who.visitor;
        for (uint32_t h = 0; h < count; h++) write_habit(out, shop, id, who.kind, &habit[h]);
    }
}
