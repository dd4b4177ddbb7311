/* steer.c -- one shopper looked at, called, or played by somebody else; and the truth, for tests.
 *
 * Whoever plays a shopper goes through the same steps as the shopper's own will, so the cart stays
 * true and the events are of the same kind. The queue belongs to shop.c.
 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>

uint32_t bk_shop_shopper_count(const struct bk_shop *shop)
{
    return shop->shopper_count;
}

struct bk_shop_shopper bk_shop_shopper(struct bk_shop *shop, uint32_t i)
{
    BK_ASSERT(i < shop->shopper_count);
    const struct shopper *its = &shop->shopper[i];
    const struct kind *kind = bk__shop_kind(shop, its);
    int len =
        snprintf(shop->visitor_id, sizeof shop->visitor_id, "sim-v%u.%u", i + 1, its->cookie + 1);
    return (struct bk_shop_shopper){
        .customer = its->guest ? (bk_str_t){0} : bk__shop_customer_of(shop, i),
        .visitor = bk_str(shop->visitor_id, (size_t)len),
        .name = bk__shop_name_of(shop, its),
        .kind = kind->name,
        .vegan = kind->vegan,
        .vegetarian = kind->vegetarian,
        .avoids = kind->avoids,
        .visiting = its->visiting,
        .identified = its->identified,
        .taken = its->taken,
        .cart_count = its->visit ? its->visit->cart_count : 0,
        .next_ms = its->taken ? INT64_MAX : its->next_ms,
    };
}

uint32_t bk_shop_cart(const struct bk_shop *shop, uint32_t shopper, uint32_t *product,
                      uint32_t *quantity)
{
    BK_ASSERT(shopper < shop->shopper_count);
    const struct visit *visit = shop->shopper[shopper].visit;
    uint32_t count = visit ? visit->cart_count : 0;
    for (uint32_t i = 0; i < count; i++) {
        product[i] = visit->cart[i].product;
        quantity[i] = visit->cart[i].quantity;
    }
    return count;
}

/* ---- calling and taking ---- */

int bk_shop_visit(struct bk_shop *shop, uint32_t shopper, bk_wall_ms_t at_ms)
{
    BK_ASSERT(shopper < shop->shopper_count);
    struct shopper *its = &shop->shopper[shopper];
    if (its->visiting || its->taken) return BK_EINVAL;
    bk__shop_queue_remove(shop, shopper);
    bk__shop_turn_day(shop, bk__calendar_day(at_ms));
    bool began = bk__visit_begin(shop, its, at_ms, true);
    if (began) its->next_ms = at_ms;
    bk__shop_queue_add(shop, shopper);
    return began ? BK_OK : BK_ENOMEM;
}

void bk_shop_take(struct bk_shop *shop, uint32_t shopper, bool taken)
{
    BK_ASSERT(shopper < shop->shopper_count);
    struct shopper *its = &shop->shopper[shopper];
    if (its->taken == taken) return;
    its->taken = taken;
    if (taken) {
        bk__shop_queue_remove(shop, shopper);
        return;
    }
    if (its->visiting) bk__visit_end(shop, its);
    its->next_ms = bk__household_next_visit(shop, its, its->next_ms);
    bk__shop_queue_add(shop, shopper);
}

/* ---- playing ---- */

static bool to_step(const struct bk_shop_doing *doing, struct step *step)
{
    static const uint8_t kinds[] = {
        [BK_SHOP_DO_VIEW] = STEP_VIEW,     [BK_SHOP_DO_SEARCH] = STEP_SEARCH,
        [BK_SHOP_DO_ADD] = STEP_ADD,       [BK_SHOP_DO_BUY] = STEP_BUY,
        [BK_SHOP_DO_REMOVE] = STEP_REMOVE, [BK_SHOP_DO_WISH] = STEP_WISH,
        [BK_SHOP_DO_LOG_IN] = STEP_LOG_IN, [BK_SHOP_DO_DISMISS] = STEP_DISMISS,
    };
    uint32_t quantity = doing->quantity ? doing->quantity : 1;
    if (doing->act == BK_SHOP_DO_SEARCH && !doing->text.len) return false;
    if (quantity > UINT8_MAX) return false;
    *step = (struct step){kinds[doing->act], (uint8_t)quantity, (uint16_t)doing->product};
    return true;
}

static bool needs_product(enum bk_shop_act act)
{
    return act == BK_SHOP_DO_VIEW || act == BK_SHOP_DO_ADD || act == BK_SHOP_DO_REMOVE ||
           act == BK_SHOP_DO_DISMISS || act == BK_SHOP_DO_WISH;
}

int bk_shop_act(struct bk_shop *shop, uint32_t shopper, const struct bk_shop_doing *doing,
                bk_wall_ms_t now_ms, struct bk_shop_record *record)
{
    BK_ASSERT(shopper < shop->shopper_count);
    struct shopper *its = &shop->shopper[shopper];
    struct step step;
    if (!its->taken || (unsigned)doing->act > BK_SHOP_DO_LEAVE) return BK_EINVAL;
    if (needs_product(doing->act) && doing->product >= shop->catalogue.count) return BK_EINVAL;
    if (doing->act == BK_SHOP_DO_LEAVE) {
        if (its->visiting) bk__visit_end(shop, its);
        return 1;
    }
    if (!to_step(doing, &step)) return BK_EINVAL;
    bk__shop_turn_day(shop, bk__calendar_day(now_ms));
    if (!its->visiting && !bk__visit_begin(shop, its, now_ms, true)) return BK_ENOMEM;
    its->next_ms = now_ms;
    if (!bk__visit_do(shop, its, step, doing->text, now_ms)) return BK_EINVAL;
    bk__shop_event_record(shop, shopper, record);
    return BK_OK;
}

/* ---- the truth ---- */

static int by_share(const void *left, const void *right)
{
    const struct bk_shop_habit *a = left, *b = right;
    if (a->share != b->share) return a->share > b->share ? -1 : 1;
    return a->product < b->product ? -1 : a->product > b->product;
}

uint32_t bk_shop_habits(const struct bk_shop *shop, uint32_t shopper, struct bk_shop_habit *out)
{
    BK_ASSERT(shopper < shop->shopper_count);
    const struct shopper *its = &shop->shopper[shopper];
    const struct habit *habit = bk__shop_habits_of(shop, its);
    double sum = 0;
    for (uint32_t i = 0; i < its->habit_count; i++) sum += 1.0 / (double)habit[i].interval_days;
    for (uint32_t i = 0; i < its->habit_count; i++) {
        double days = (double)habit[i].interval_days;
        bk_wall_ms_t last_ms = (bk_wall_ms_t)habit[i].last_min * MINUTE_MS;
        out[i] = (struct bk_shop_habit){
            .good = shop->catalogue.tables.good[habit[i].good].name,
            .product = habit[i].product,
            .second = habit[i].second,
            .interval_days = days,
            .last_ms = last_ms,
            .due_ms = last_ms + (bk_wall_ms_t)(days * DAY_MS),
            .share = 1.0 / days / sum,
        };
    }
    qsort(out, its->habit_count, sizeof *out, by_share);
    return its->habit_count;
}
