/* visit.c -- one visit, event by event.
 *
 * THE IDEA
 *   arriving ─► shopping ─► leaving ─► over
 *   A visit turns its plan into steps, one line of the plan at a time: search, look at another one, look,
 * add, perhaps put something back. Each step becomes one event when its time comes. Steps that are not
 * possible any more (nothing in the cart to put back) are left out, so the events never contradict the
 * cart.
 * WHO     the app knows its customer; on the web half of the visits begin as a visitor, who logs in on the way or
 *         when paying. Guests have no account. A visitor who leaves without logging in leaves the cart, and comes
 *         back as another visitor; everybody else finds it as it was.
 * TILL    the plan is one receipt; what stands in the cart online stays there.
 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    OF_EVENT_ID = 401,
    VISITOR_PERCENT = 50, /* of web visits that begin without log-in */
    BROWSE_PERCENT = 9,   /* of online visits that only look */
    ABANDON_PERCENT = 14, /* of those that mean to buy, and do not in the end */
    CLEAR_PERCENT = 35,   /* of carts left from the last time */
};

/* ---- the event's envelope ---- */

static const bk_str_t device_words[] = {BK_STR("desktop"), BK_STR("mobile"), BK_STR("tablet"),
                                        BK_STR("till")};
static const bk_str_t channel_words[] = {BK_STR("web"), BK_STR("app"), BK_STR("store")};

static bk_str_t write_id(char *out, size_t cap, char letter, uint32_t number, uint32_t part)
{
    char *at = out + cap;
    uint32_t value = part;
    if (part) {
        do *--at = (char)('0' + value % 10);
        while (value /= 10);
        *--at = '.';
    }
    value = number;
    do *--at = (char)('0' + value % 10);
    while (value /= 10);
    *--at = letter;
    at -= 4;
    memcpy(at, "sim-", 4);
    return bk_str(at, (size_t)(out + cap - at));
}

/* A UUID (version 8: made of our own numbers) that belongs to the shopper's so-manieth event. */
static bk_str_t write_event_id(struct bk_shop *shop, uint32_t shopper, uint32_t number)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t half[2] = {bk__chance_of(shop->params.seed, OF_EVENT_ID, shopper, number), 0};
    half[1] = bk_mix(half[0] ^ number);
    half[0] = (half[0] & ~UINT64_C(0xf000)) | 0x8000;
    half[1] = (half[1] & ~(UINT64_C(3) << 62)) | UINT64_C(2) << 62;
    char *at = shop->event_id;
    for (int i = 0; i < 32; i++) {
        if (i == 8 || i == 12 || i == 16 || i == 20) *at++ = '-';
        *at++ = digits[half[i / 16] >> (60 - 4 * (i % 16)) & 15];
    }
    return bk_str(shop->event_id, 36);
}

/* Letters: v visitor, c customer, s session, o order. */
static bk_str_t visitor_of(struct bk_shop *shop, const struct shopper *its)
{
    uint32_t number = (uint32_t)(its - shop->shopper) + 1;
    return write_id(shop->visitor_id, sizeof shop->visitor_id, 'v', number, its->cookie + 1);
}

static void begin_event(struct bk_shop *shop, struct shopper *its, enum bk_event_kind kind,
                        bk_wall_ms_t now_ms)
{
    uint32_t number = (uint32_t)(its - shop->shopper) + 1;
    const struct visit *visit = its->visit;
    struct bk_event *event = &shop->event;
    event->lines = shop->line;
    bk_event_reset(event);
    event->kind = kind;
    event->event_id = write_event_id(shop, number, ++its->events);
    event->event_time_ms = now_ms;
    if (visit->place != PLACE_TILL)
        event->visitor = visitor_of(shop, its); /* guests never go there */
    if (its->identified)
        event->customer = write_id(shop->customer_id, sizeof shop->customer_id, 'c', number, 0);
    event->session = write_id(shop->session_id, sizeof shop->session_id, 's', number, its->visits);
    event->consent = BK_CONSENT_PERSONAL;
    event->store = bk__store_words[its->store];
    event->device = visit->place == PLACE_TILL ? device_words[3] : device_words[visit->device];
    event->channel = channel_words[visit->place];
    event->weather = shop->weather.word;
    event->currency = bk_str_c(bk_shop_currency());
}

static void set_line(struct bk_shop *shop, uint32_t at, uint32_t product, uint32_t quantity)
{
    struct bk_line *line = &shop->line[at];
    bk_line_reset(line);
    line->item = bk__catalogue_id(&shop->catalogue, product);
    line->category = shop->catalogue.path[shop->catalogue.product[product].good];
    line->quantity = quantity;
    line->unit_price_minor = shop->catalogue.product[product].price_minor;
    if (shop->event.line_count <= at) shop->event.line_count = at + 1;
}

static void one_line(struct bk_shop *shop, uint32_t product, uint32_t quantity, bk_str_t page)
{
    set_line(shop, 0, product, quantity);
    shop->event.page = page;
}

/* ---- the cart ---- */

static uint32_t find_in_cart(const struct visit *visit, uint32_t product)
{
    uint32_t i = 0;
    while (i < visit->cart_count && visit->cart[i].product != product) i++;
    return i;
}

static bool put_into_cart(struct visit *visit, uint32_t product, uint32_t quantity)
{
    uint32_t at = find_in_cart(visit, product);
    if (at == visit->cart_count) {
        if (visit->cart_count == BK_SHOP_CART_MAX) return false;
        visit->cart[visit->cart_count++] = (struct cart_line){(uint16_t)product, 0};
    }
    if (visit->cart[at].quantity + quantity > UINT16_MAX) return false;
    visit->cart[at].quantity = (uint16_t)(visit->cart[at].quantity + quantity);
    return true;
}

static bool take_out_of_cart(struct visit *visit, uint32_t product, uint32_t quantity)
{
    uint32_t at = find_in_cart(visit, product);
    if (at == visit->cart_count || visit->cart[at].quantity < quantity) return false;
    visit->cart[at].quantity = (uint16_t)(visit->cart[at].quantity - quantity);
    if (visit->cart[at].quantity) return true;
    visit->cart_count--;
    memmove(&visit->cart[at], &visit->cart[at + 1],
            (visit->cart_count - at) * sizeof visit->cart[0]);
    return true;
}

/* ---- what each step does ---- */

static void set_promotion(struct bk_shop *shop, struct bk_line *line, uint32_t product)
{
    int32_t week = bk__calendar_week(shop->day);
    uint32_t off = bk__calendar_discount(shop->params.seed, product, week);
    if (!off) return;
    int len = snprintf(shop->promotion, sizeof shop->promotion, "sim-week-%d", (int)week);
    line->promotion = bk_str(shop->promotion, (size_t)len);
    line->discount_minor = line->unit_price_minor * line->quantity * off / 100;
}

static void do_purchase(struct bk_shop *shop, struct shopper *its, const struct cart_line *line,
                        uint32_t count, bk_wall_ms_t now_ms)
{
    uint32_t number = (uint32_t)(its - shop->shopper) + 1;
    begin_event(shop, its, BK_EVENT_PURCHASED, now_ms);
    shop->event.order_id =
        write_id(shop->order_id, sizeof shop->order_id, 'o', number, its->visits);
    shop->event.page = its->visit->place == PLACE_TILL ? (bk_str_t){0} : BK_STR("checkout");
    for (uint32_t i = 0; i < count; i++) {
        set_line(shop, i, line[i].product, line[i].quantity);
        set_promotion(shop, &shop->line[i], line[i].product);
        bk__household_bought(shop, its, line[i].product, now_ms);
    }
    its->last_order = its->visits;
    its->last_product = line[0].product;
}

static bool do_receipt(struct bk_shop *shop, struct shopper *its, bk_wall_ms_t now_ms)
{
    const struct visit *visit = its->visit;
    struct cart_line line[PLAN_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < visit->plan_count; i++)
        if (visit->plan[i].buy)
            line[count++] = (struct cart_line){visit->plan[i].product, visit->plan[i].quantity};
    if (count) do_purchase(shop, its, line, count, now_ms);
    return count > 0;
}

static bool do_cart(struct bk_shop *shop, struct shopper *its, enum bk_cart_op op, uint32_t product,
                    uint32_t quantity, bk_wall_ms_t now_ms)
{
    bool possible = op == BK_CART_ADD ? put_into_cart(its->visit, product, quantity)
                                      : take_out_of_cart(its->visit, product, quantity);
    if (!possible) return false;
    begin_event(shop, its, BK_EVENT_CART_CHANGED, now_ms);
    shop->event.op = op;
    one_line(shop, product, quantity, op == BK_CART_ADD ? BK_STR("product") : BK_STR("cart"));
    return true;
}

static bool do_remove(struct bk_shop *shop, struct shopper *its, struct step step,
                      bk_wall_ms_t now_ms)
{
    struct visit *visit = its->visit;
    if (!visit->cart_count) return false;
    if (!its->taken) {
        uint32_t at = bk__chance_below(&its->chance, visit->cart_count);
        step.product = visit->cart[at].product;
        step.quantity = 1;
    }
    return do_cart(shop, its, BK_CART_REMOVE, step.product, step.quantity, now_ms);
}

static bool do_clear(struct bk_shop *shop, struct shopper *its, bk_wall_ms_t now_ms)
{
    if (!its->visit->cart_count) return false;
    its->visit->cart_count = 0;
    begin_event(shop, its, BK_EVENT_CART_CHANGED, now_ms);
    shop->event.op = BK_CART_CLEAR;
    shop->event.page = BK_STR("cart");
    return true;
}

static bool do_buy(struct bk_shop *shop, struct shopper *its, bk_wall_ms_t now_ms)
{
    struct visit *visit = its->visit;
    if (!visit->cart_count) return false;
    do_purchase(shop, its, visit->cart, visit->cart_count, now_ms);
    visit->cart_count = 0;
    return true;
}

static bool do_search(struct bk_shop *shop, struct shopper *its, struct step step, bk_str_t text,
                      bk_wall_ms_t now_ms)
{
    begin_event(shop, its, BK_EVENT_SEARCHED, now_ms);
    shop->event.query =
        text.len ? text : shop->catalogue.query[shop->catalogue.product[step.product].good];
    shop->event.page = BK_STR("search");
    return true;
}

/* The shop's own rail on the home page: some usual things, some that are liked by all. */
static bool do_shown(struct bk_shop *shop, struct shopper *its, bk_wall_ms_t now_ms)
{
    const struct habit *habit = bk__shop_habits_of(shop, its);
    begin_event(shop, its, BK_EVENT_LIST_SHOWN, now_ms);
    shop->event.list = shop->event.page = BK_STR("home");
    for (uint32_t i = 0; i < LIST_SHOWN && i < its->habit_count; i++)
        set_line(shop, i, habit[bk__chance_below(&its->chance, its->habit_count)].product, 1);
    return its->habit_count > 0;
}

static bool do_log_in(struct bk_shop *shop, struct shopper *its, bk_wall_ms_t now_ms)
{
    if (its->identified || its->guest) return false;
    its->identified = true;
    begin_event(shop, its, BK_EVENT_IDENTIFIED, now_ms);
    return true;
}

static bool do_rate(struct bk_shop *shop, struct shopper *its, bk_wall_ms_t now_ms)
{
    if (!its->last_order) return false;
    begin_event(shop, its, BK_EVENT_ITEM_RATED, now_ms);
    one_line(shop, its->last_product, 1, BK_STR("product"));
    shop->event.rating = 5 - (int64_t)(bk__chance_below(&its->chance, 100) / 40);
    return true;
}

static bool do_refund(struct bk_shop *shop, struct shopper *its, bk_wall_ms_t now_ms)
{
    uint32_t number = (uint32_t)(its - shop->shopper) + 1;
    if (!its->last_order) return false;
    begin_event(shop, its, BK_EVENT_REFUNDED, now_ms);
    shop->event.order_id =
        write_id(shop->order_id, sizeof shop->order_id, 'o', number, its->last_order);
    shop->event.reason = BK_STR("damaged");
    one_line(shop, its->last_product, 1, (bk_str_t){0});
    its->last_order = 0;
    return true;
}

static bool do_item(struct bk_shop *shop, struct shopper *its, struct step step,
                    enum bk_event_kind kind, bk_wall_ms_t now_ms)
{
    begin_event(shop, its, kind, now_ms);
    one_line(shop, step.product, 1,
             kind == BK_EVENT_ITEM_CLICKED ? BK_STR("home") : BK_STR("product"));
    if (kind == BK_EVENT_ITEM_CLICKED || kind == BK_EVENT_ITEM_DISMISSED)
        shop->event.list = BK_STR("home");
    if (kind == BK_EVENT_WISHLIST_CHANGED) shop->event.op = BK_WISH_ADD;
    return true;
}

bool bk__visit_do(struct bk_shop *shop, struct shopper *its, struct step step, bk_str_t text,
                  bk_wall_ms_t now_ms)
{
    switch ((enum step_kind)step.kind) {
    case STEP_SEARCH:
        return do_search(shop, its, step, text, now_ms);
    case STEP_VIEW:
        return do_item(shop, its, step, BK_EVENT_ITEM_VIEWED, now_ms);
    case STEP_ADD:
        return do_cart(shop, its, BK_CART_ADD, step.product, step.quantity, now_ms);
    case STEP_REMOVE:
        return do_remove(shop, its, step, now_ms);
    case STEP_CLEAR:
        return do_clear(shop, its, now_ms);
    case STEP_WISH:
        return do_item(shop, its, step, BK_EVENT_WISHLIST_CHANGED, now_ms);
    case STEP_DISMISS:
        return do_item(shop, its, step, BK_EVENT_ITEM_DISMISSED, now_ms);
    case STEP_SHOWN:
        return do_shown(shop, its, now_ms);
    case STEP_CLICK:
        return do_item(shop, its, step, BK_EVENT_ITEM_CLICKED, now_ms);
    case STEP_LOG_IN:
        return do_log_in(shop, its, now_ms);
    case STEP_BUY:
        return do_buy(shop, its, now_ms);
    case STEP_RATE:
        return do_rate(shop, its, now_ms);
    case STEP_REFUND:
        return do_refund(shop, its, now_ms);
    default:
        return do_receipt(shop, its, now_ms);
    }
}

/* ---- from plan to steps ---- */

static void push(struct visit *visit, enum step_kind kind, uint32_t product, uint32_t quantity)
{
    BK_ASSERT(visit->step_count < STEPS_MAX);
    visit->step[visit->step_count++] =
        (struct step){(uint8_t)kind, (uint8_t)quantity, (uint16_t)product};
}

static void arrive(struct bk_shop *shop, struct shopper *its)
{
    struct visit *visit = its->visit;
    struct bk__chance *chance = &its->chance;
    visit->phase = PHASE_SHOPPING;
    if (visit->place == PLACE_TILL) {
        push(visit, STEP_RECEIPT, 0, 0);
        visit->phase = PHASE_OVER;
        return;
    }
    if (visit->cart_count && bk__chance_percent(chance, CLEAR_PERCENT))
        push(visit, STEP_CLEAR, 0, 0);
    if (its->identified && bk__chance_percent(chance, 5)) push(visit, STEP_RATE, 0, 0);
    if (its->identified && bk__chance_percent(chance, 1)) push(visit, STEP_REFUND, 0, 0);
    if (!bk__chance_percent(chance, 35) || !its->habit_count) return;
    push(visit, STEP_SHOWN, 0, 0);
    uint32_t one = bk__chance_below(chance, its->habit_count);
    uint32_t product = bk__shop_habits_of(shop, its)[one].product;
    if (bk__chance_percent(chance, 30)) {
        push(visit, STEP_CLICK, product, 1);
        push(visit, STEP_VIEW, product, 1);
    } else if (bk__chance_percent(chance, 3))
        push(visit, STEP_DISMISS, product, 1);
}

/* Another product of the same good, to compare with. */
static void look_at_another(struct bk_shop *shop, struct shopper *its, uint32_t product)
{
    const struct good *good = bk__catalogue_good(&shop->catalogue, product);
    uint32_t other = good->first + bk__chance_below(&its->chance, good->count);
    if (other != product) push(its->visit, STEP_VIEW, other, 1);
}

static void shop_for(struct bk_shop *shop, struct shopper *its, const struct want *want)
{
    struct visit *visit = its->visit;
    struct bk__chance *chance = &its->chance;
    if (bk__chance_percent(chance, 22)) push(visit, STEP_SEARCH, want->product, 1);
    if (bk__chance_percent(chance, want->curious ? 50 : 16)) {
        push(visit, STEP_VIEW, want->product, 1); /* this one, that one, then this one after all */
        look_at_another(shop, its, want->product);
    }
    if (!want->buy || bk__chance_percent(chance, want->curious ? 95 : 62))
        push(visit, STEP_VIEW, want->product, 1);
    if (want->buy)
        push(visit, STEP_ADD, want->product, want->quantity);
    else if (bk__chance_percent(chance, 12))
        push(visit, STEP_WISH, want->product, 1);
    else if (bk__chance_percent(chance, 6))
        push(visit, STEP_DISMISS, want->product, 1);
    if (visit->cart_count > 2 && bk__chance_percent(chance, 4)) push(visit, STEP_REMOVE, 0, 0);
    if (visit->plan_at > 2 && bk__chance_percent(chance, 12)) /* was there another size? */
        push(visit, STEP_VIEW, visit->plan[bk__chance_below(chance, visit->plan_at)].product, 1);
}

static void shop_on(struct bk_shop *shop, struct shopper *its)
{
    struct visit *visit = its->visit;
    if (visit->plan_at == visit->plan_count) {
        visit->phase = PHASE_LEAVING;
        return;
    }
    if (visit->plan_at == visit->login_at) push(visit, STEP_LOG_IN, 0, 0);
    struct want want = visit->plan[visit->plan_at++];
    if (!visit->buys) want.buy = false;
    shop_for(shop, its, &want);
}

static void leave(struct shopper *its)
{
    struct visit *visit = its->visit;
    visit->phase = PHASE_OVER;
    if (!visit->buys || bk__chance_percent(&its->chance, ABANDON_PERCENT)) return;
    push(visit, STEP_LOG_IN, 0, 0);
    push(visit, STEP_BUY, 0, 0);
}

/* The next step, or false when the visit is over. */
static bool next_step(struct bk_shop *shop, struct shopper *its, struct step *step)
{
    struct visit *visit = its->visit;
    while (visit->step_at == visit->step_count) {
        visit->step_at = visit->step_count = 0;
        switch (visit->phase) {
        case PHASE_ARRIVING:
            arrive(shop, its);
            break;
        case PHASE_SHOPPING:
            shop_on(shop, its);
            break;
        case PHASE_LEAVING:
            leave(its);
            break;
        case PHASE_OVER:
            return false;
        }
    }
    *step = visit->step[visit->step_at++];
    return true;
}

/* Seconds until the next thing is done; people are quicker on the telephone. */
static bk_wall_ms_t think_ms(struct shopper *its, enum step_kind kind)
{
    uint32_t usual_ms = kind == STEP_SEARCH ? 7000 : kind == STEP_VIEW ? 13000 : 5000;
    if (its->visit->place == PLACE_APP) usual_ms = usual_ms * 3 / 4;
    double part = 0.25 + 0.9 * bk__chance_exponential(&its->chance);
    return 300 + (bk_wall_ms_t)(usual_ms * (part < 8 ? part : 8));
}

bool bk__visit_step(struct bk_shop *shop, struct shopper *its, bk_wall_ms_t now_ms)
{
    struct step step;
    while (next_step(shop, its, &step))
        if (bk__visit_do(shop, its, step, (bk_str_t){0}, now_ms)) {
            its->next_ms = now_ms + think_ms(its, (enum step_kind)step.kind);
            return true;
        }
    bk__visit_end(shop, its);
    its->next_ms = bk__household_next_visit(shop, its, now_ms);
    return false;
}

/* ---- the frame of a visit ---- */

static struct visit *take_visit(struct bk_shop *shop)
{
    struct visit *visit = shop->free_visits;
    if (visit)
        shop->free_visits = visit->next_free;
    else
        shop->visits_allocated += (visit = malloc(sizeof *visit)) != NULL;
    if (visit) visit->cart_count = 0;
    return visit;
}

void bk__visit_free(struct bk_shop *shop, struct shopper *its)
{
    if (!its->visit) return;
    its->visit->next_free = shop->free_visits;
    shop->free_visits = its->visit;
    its->visit = NULL;
}

/* Where, and as whom. A cart that is still there is its owner's. */
static void enter(struct bk_shop *shop, struct shopper *its, bool online)
{
    struct visit *visit = its->visit;
    struct bk__chance *chance = &its->chance;
    uint32_t often_online = bk__shop_kind(shop, its)->online + (shop->weather.rain ? 8 : 0);
    bool app = bk__chance_percent(chance, 45), known = !bk__chance_percent(chance, VISITOR_PERCENT);
    visit->place = !online && !bk__chance_percent(chance, often_online) ? PLACE_TILL
                   : app                                                ? PLACE_APP
                                                                        : PLACE_WEB;
    if (its->guest)
        visit->place = PLACE_WEB; /* no account, no card: the till would not know them */
    visit->device = visit->place == PLACE_APP ? 1 : (uint8_t)bk__chance_below(chance, 3);
    its->identified = !its->guest && (visit->place != PLACE_WEB || known || visit->cart_count > 0);
}

bool bk__visit_begin(struct bk_shop *shop, struct shopper *its, bk_wall_ms_t now_ms, bool online)
{
    if (!its->visit && !(its->visit = take_visit(shop))) return false;
    struct visit *visit = its->visit;
    its->visiting = true;
    its->visits++;
    visit->phase = PHASE_ARRIVING;
    visit->step_at = visit->step_count = 0;
    enter(shop, its, online);
    bk__plan(shop, its, now_ms);
    visit->buys = !bk__chance_percent(&its->chance, BROWSE_PERCENT);
    visit->login_at = NONE;
    if (!its->identified && bk__chance_percent(&its->chance, 55) && visit->plan_count)
        visit->login_at = bk__chance_below(&its->chance, visit->plan_count);
    return true;
}

void bk__visit_end(struct bk_shop *shop, struct shopper *its)
{
    struct visit *visit = its->visit;
    bool anonymous = !its->identified && !its->guest;
    if (anonymous) {
        visit->cart_count = 0; /* it was the visitor's, who does not come back */
        its->cookie++;
    }
    its->visiting = its->identified = false;
    if (!visit->cart_count) bk__visit_free(shop, its);
}
