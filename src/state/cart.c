/* cart.c -- what lies in a shopper's cart, exactly: add, remove, clear, set; a purchase takes out.
 *
 * A cart is a map item -> {quantity, order of addition}. Removing more than is there empties the
 * line; setting replaces the whole cart. Over cart.lines_max further lines are counted and left
 * out. A cart follows the log's order, not the events' times: what arrives late was decided late,
 * and a line keeps no time to compare with.
 */
#include "internal.h"

static uint32_t quantity_of(const struct bk_line *line)
{
    return (uint32_t)bk_min_i64(bk_max_i64(line->quantity, 0), BK_QUANTITY_MAX);
}

/* The line of an item, a new one if need be; NULL: cart.lines_max or memory (counted). */
static struct bk_cart_line *line_of(struct bk__turn *turn, uint32_t item)
{
    struct bk_shard *shard = turn->shard;
    bk_ref_t cart = bk_subject(shard, turn->subject)->cart;
    if (bk_map_count(&shard->heap, cart) >= turn->engine->params.cart_lines_max &&
        !bk_map_find(&shard->heap, cart, item)) {
        bk__count(shard, BK_STATE_CART_LINES_CUT, 1);
        return NULL;
    }
    bool added;
    struct bk_subject *sub = bk__subject(shard, turn->subject);
    struct bk_cart_line *line =
        bk__shard_map_put(shard, &sub->cart, sizeof *line, item, turn->subject, &added);
    if (line) line->order = ++sub->cart_order;
    return line;
}

static void add(struct bk__turn *turn, uint32_t item, uint32_t quantity)
{
    struct bk_cart_line *line = quantity ? line_of(turn, item) : NULL;
    if (line)
        line->quantity = (uint32_t)bk_min_u64((uint64_t)line->quantity + quantity, BK_QUANTITY_MAX);
}

void bk__cart_raise(struct bk__turn *turn, uint32_t item, uint32_t quantity)
{
    struct bk_cart_line *line = quantity ? line_of(turn, item) : NULL;
    if (line && line->quantity < quantity) line->quantity = quantity;
}

static void take(struct bk__turn *turn, uint32_t item, uint32_t quantity)
{
    struct bk_shard *shard = turn->shard;
    bk_ref_t cart = bk_subject(shard, turn->subject)->cart;
    struct bk_cart_line *line = bk_map_edit(&shard->heap, cart, item);
    if (!line) return;
    if (line->quantity > quantity)
        line->quantity -= quantity;
    else
        bk_map_remove(&shard->heap, cart, item);
}

static void clear(struct bk__turn *turn)
{
    bk_map_drop(&turn->shard->heap, &bk__subject(turn->shard, turn->subject)->cart);
}

void bk__cart_change(struct bk__turn *turn, enum bk_cart_op op)
{
    const struct bk_event *event = turn->event;
    if (op == BK_CART_CLEAR || op == BK_CART_SET) clear(turn);
    if (op == BK_CART_CLEAR) return;
    for (uint32_t i = 0; i < event->line_count; i++) {
        const struct bk_line *line = &event->lines[i];
        bool known = op == BK_CART_REMOVE || turn->engine->frozen;
        uint32_t item = known ? bk_item_find(&turn->engine->shared, line->item)
                              : bk__item_intern(turn->engine, line->item);
        if (!item) continue;
        if (op == BK_CART_REMOVE)
            take(turn, item, quantity_of(line));
        else
            add(turn, item, quantity_of(line));
    }
}

void bk__cart_bought(struct bk__turn *turn)
{
    const struct bk__scratch *scratch = turn->engine->scratch;
    bk_ref_t cart = bk_subject(turn->shard, turn->subject)->cart;
    if (!cart) return;
    for (uint32_t i = 0; i < scratch->line_count; i++)
        bk_map_remove(&turn->shard->heap, cart, scratch->line_item[i]);
    if (bk_map_count(&turn->shard->heap, cart) == 0) clear(turn);
}
