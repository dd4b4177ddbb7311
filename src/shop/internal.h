/* internal.h -- the shop from inside: who lives in it and what a visit is.
 *
 *   shop ─ catalogue ─ products
 *        ─ shoppers ── habits (one run for all)
 *                   └─ visit (plan, steps, cart), while there is one or its cart is not empty
 *        ─ queue: shoppers by the time of their next event; ties by number
 */
#ifndef BASKETRY_SHOP_INTERNAL_H
#define BASKETRY_SHOP_INTERNAL_H

#include "basketry/shop.h"

#include "calendar.h"
#include "chance.h"

/** Spread of a basket's lines around its median, as the logarithm's standard deviation. */
#define BASKET_SIGMA 0.56

enum { PLAN_MAX = 80, STEPS_MAX = 32, LIST_SHOWN = 8, MINUTE_MS = 60000, NONE = UINT32_MAX };

struct habit {
    uint16_t good, product, second;
    float interval_days;
    int32_t last_min; /* minutes since 1970 */
};

/* Something a visit wants: to buy, or only to look at. */
struct want {
    uint16_t product;
    uint8_t quantity;
    bool curious, buy;
};

enum step_kind {
    STEP_SEARCH,
    STEP_VIEW,
    STEP_ADD,
    STEP_REMOVE, /* a line of the cart, chosen when it happens */
    STEP_CLEAR,
    STEP_WISH,
    STEP_DISMISS,
    STEP_SHOWN,
    STEP_CLICK,
    STEP_LOG_IN,
    STEP_BUY,
    STEP_RATE,
    STEP_REFUND,
    STEP_RECEIPT, /* the whole plan at the till */
};

struct step {
    uint8_t kind, quantity;
    uint16_t product;
};

struct cart_line {
    uint16_t product;
    uint16_t quantity;
};

enum phase { PHASE_ARRIVING, PHASE_SHOPPING, PHASE_LEAVING, PHASE_OVER };
enum place { PLACE_WEB, PLACE_APP, PLACE_TILL };

struct visit {
    struct visit *next_free;
    enum phase phase;
    enum place place;
    uint8_t device;
    bool buys;         /* means to, in the end */
    uint32_t login_at; /* plan line before which a visitor logs in; NONE: at the end */
    struct want plan[PLAN_MAX];
    uint32_t plan_count, plan_at;
    struct step step[STEPS_MAX];
    uint32_t step_count, step_at;
    struct cart_line cart[BK_SHOP_CART_MAX];
    uint32_t cart_count;
};

struct shopper {
    struct bk__chance chance;
    bk_wall_ms_t next_ms;
    struct visit *visit; /* NULL: not visiting, and nothing in the cart */
    uint64_t habit_at;   /* its habits are shop->habit[habit_at ...] */
    uint32_t habit_count;
    uint32_t queue_at; /* place in the queue; NONE: taken */
    uint32_t visits, events, cookie;
    uint32_t last_order; /* visit of its last order; 0: none */
    float size;          /* of its baskets against its kind's */
    uint16_t last_product, age;
    uint8_t kind, store, first_name, last_name, thrift;
    bool visiting, identified, guest, taken, female;
};

struct bk_shop {
    struct bk_shop_params params;
    struct catalogue catalogue;
    struct shopper *shopper;
    uint32_t shopper_count;
    struct habit *habit;
    size_t habit_count, habit_cap;
    uint32_t *queue;
    uint32_t queue_count;
    struct visit *free_visits;
    uint64_t visits_allocated;
    uint32_t draw[KINDS_MAX][GOODS_MAX]; /* running sums: what the curious try */
    uint32_t *account;                   /* shoppers with one, by number */
    uint32_t account_count;

    int32_t day; /* what follows is of this day */
    uint8_t seasons;
    struct weather weather;
    uint16_t demand[GOODS_MAX]; /* percent */

    bk_wall_ms_t facts_ms; /* when the next overnight change is told; see shop.c */
    uint32_t facts_at;

    /* the record that is out */
    struct bk_event event;
    struct bk_line line[BK_SHOP_CART_MAX];
    struct bk_product_fact product;
    struct bk_customer_fact customer;
    struct bk_nutrient nutrient[4];
    bk_str_t words[3][16];
    char event_id[40], visitor_id[40], customer_id[40], session_id[40], order_id[40], promotion[40];
    char key[BK_SUBJECT_BYTES_MAX + 2 * BK_ID_BYTES_MAX], name[96];
};

static inline const struct kind *bk__shop_kind(const struct bk_shop *shop,
                                               const struct shopper *its)
{
    return &shop->catalogue.tables.kind[its->kind];
}

static inline struct habit *bk__shop_habits_of(const struct bk_shop *shop,
                                               const struct shopper *its)
{
    return shop->habit + its->habit_at;
}

/* ---- household.c ---- */

/** Give birth to all households; each is asleep, its first visit not yet set. 0 or BK_ENOMEM. */
BK_MUST_CHECK int bk__households_init(struct bk_shop *shop);
/** One of a good's products, as this household would choose without a habit; `shelf` false: by taste
 *  alone, true: also by what this day's shelf and promotions offer. NONE: nothing there. */
uint32_t bk__household_choose(struct bk_shop *shop, struct shopper *its, uint32_t good, bool shelf);
/** When it comes next, after a visit that ended at this time. */
bk_wall_ms_t bk__household_next_visit(struct bk_shop *shop, struct shopper *its,
                                      bk_wall_ms_t after_ms);
/** It bought this; habits take note, and may change. */
void bk__household_bought(struct bk_shop *shop, struct shopper *its, uint32_t product,
                          bk_wall_ms_t at_ms);

/* ---- plan.c ---- */

/** What the household wants of the visit that begins. */
void bk__plan(struct bk_shop *shop, struct shopper *its, bk_wall_ms_t now_ms);

/* ---- visit.c ---- */

/** Begin a visit of its own will, or (`online`) certainly on web or app. False: no memory. */
bool bk__visit_begin(struct bk_shop *shop, struct shopper *its, bk_wall_ms_t now_ms, bool online);
/** The visit's next event into shop->event; false when the visit ended without one. */
bool bk__visit_step(struct bk_shop *shop, struct shopper *its, bk_wall_ms_t now_ms);
/** One step, now; false when it is not possible and nothing happened. */
bool bk__visit_do(struct bk_shop *shop, struct shopper *its, struct step step, bk_str_t text,
                  bk_wall_ms_t now_ms);
void bk__visit_end(struct bk_shop *shop, struct shopper *its);
/** Give back what the shopper holds. */
void bk__visit_free(struct bk_shop *shop, struct shopper *its);

/* ---- shop.c ---- */

/** The day's demand, seasons and weather, when the day changed. */
void bk__shop_turn_day(struct bk_shop *shop, int32_t day);
void bk__shop_queue_add(struct bk_shop *shop, uint32_t shopper);
/** It must be in the queue. */
void bk__shop_queue_remove(struct bk_shop *shop, uint32_t shopper);
/** The event that stands in shop->event as a record. */
void bk__shop_event_record(struct bk_shop *shop, uint32_t shopper, struct bk_shop_record *record);
/** Into the shop's own storage, until the next call. */
bk_str_t bk__shop_name_of(struct bk_shop *shop, const struct shopper *its);
bk_str_t bk__shop_customer_of(struct bk_shop *shop, uint32_t shopper);

#endif
