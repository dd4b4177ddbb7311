/* shop.h -- a believable supermarket: seeded, deterministic, pure.
 *
 * THE IDEA
 *   Households with habits (what they buy, which product of it, how often) visit a shop of some
 * thousands of products, on the web, in the app or at the till. Each has a random stream of its own,
 * so what one household does depends on the seed, its number and the calendar alone: following,
 * steering or adding households leaves everybody else's events as they were.
 *
 *   create ─► facts (bk_shop_fact 0, 1, ...) ─► bk_shop_next, bk_shop_next, ... in order of time
 *                                                 └► bk_shop_act: a shopper played by somebody else
 *
 * Time arrives and leaves as numbers: nothing here reads a clock, a file or another source of
 * chance. The same parameters and calls give the same records on any machine: arithmetic is integer,
 * or IEEE double by + - * / alone, in a fixed order.
 *
 * EVERYTHING IS LABELLED: ids of customers, visitors, products, sessions and orders begin with "sim-",
 * stores with "simulated-", names of customers end in "(simulated)".
 *
 * One thread at a time per shop.
 */
#ifndef BASKETRY_SHOP_H
#define BASKETRY_SHOP_H

#include "basketry/error.h"
#include "basketry/event.h"
#include "basketry/facts.h"
#include "basketry/source.h"

#ifdef __cplusplus
extern "C" {
#endif

struct bk_shop;

enum {
    BK_SHOP_HOUSEHOLDS_MAX = 1000000,
    BK_SHOP_CART_MAX = 96,    /* lines of a simulated cart */
    BK_SHOP_HABITS_MAX = 128, /* of a household */
};

struct bk_shop_params {
    uint64_t seed;
    uint32_t households;   /* 1 .. BK_SHOP_HOUSEHOLDS_MAX; about 2 kB of memory each */
    bk_wall_ms_t start_ms; /* where the calendar begins; shop-local time written as UTC */
};

/** Defaults: seed 1, 1,000 households, Monday 2025-01-06. */
void bk_shop_params_default(struct bk_shop_params *params);

/** Build catalogue and households. NULL with `reason` when a parameter or a table of words is no
 *  good, or memory is short. */
struct bk_shop *bk_shop_create(const struct bk_shop_params *params, struct bk_reason *reason);
void bk_shop_destroy(struct bk_shop **shop);
/** Heap bytes held. */
uint64_t bk_shop_bytes(const struct bk_shop *shop);

/* ---- records ---- */

/** What the shop tells: an event, or a fact for one of the other topics. All borrowed until the next
 *  call on the shop. */
struct bk_shop_record {
    enum bk_topic topic;
    bk_wall_ms_t time_ms;
    bk_str_t key;                            /* as schemas/README.md says */
    const struct bk_event *event;            /* events and stock; else NULL */
    const struct bk_product_fact *product;   /* products; else NULL */
    const struct bk_customer_fact *customer; /* customers; else NULL */
    uint32_t shopper;                        /* whose event; UINT32_MAX: a fact's */
};

/** How many facts describe the shop as it stands at start: all products, then the stock of each in
 *  each store, then all customers who have an account. */
uint32_t bk_shop_fact_count(const struct bk_shop *shop);
/** Fact `i`, below bk_shop_fact_count. */
void bk_shop_fact(struct bk_shop *shop, uint32_t i, struct bk_shop_record *record);

/** The next record by time: a shopper's event, or a fact that changed overnight (stock, promotions).
 *  False with nothing written only when every shopper was taken over by bk_shop_take. */
bool bk_shop_next(struct bk_shop *shop, struct bk_shop_record *record);
/** When bk_shop_next's next record happens; INT64_MAX when there is none. */
bk_wall_ms_t bk_shop_next_ms(const struct bk_shop *shop);

/* ---- the catalogue ---- */

struct bk_shop_product {
    bk_str_t id, name, category, brand,
        good;                     /* good: the last level of the category, searched for */
    int64_t price_minor;          /* of the currency, without promotion */
    bool vegan, vegetarian, food; /* what is not food is neither of the two */
    bool alcohol;
    uint16_t allergens; /* bits; same words, same bits in struct bk_shop_shopper */
};

uint32_t bk_shop_product_count(const struct bk_shop *shop);
/** Product `i`; its texts live as long as the shop. */
struct bk_shop_product bk_shop_product(const struct bk_shop *shop, uint32_t i);
/** The product of an id; UINT32_MAX when there is none. */
uint32_t bk_shop_product_find(const struct bk_shop *shop, bk_str_t id);
/** ISO 4217 code of every price. */
const char *bk_shop_currency(void);

/* ---- shoppers: to follow, and to steer ---- */

struct bk_shop_shopper {
    bk_str_t customer, visitor; /* ids; customer.p == NULL: has no account */
    bk_str_t name, kind;        /* "Ada Fields (simulated)", "young baby" */
    bool vegan, vegetarian;     /* what the household keeps to */
    uint16_t avoids;            /* allergens, as bits */
    bool visiting, identified;  /* in a visit now; under which of the two ids */
    bool taken;                 /* see bk_shop_take */
    uint32_t cart_count;
    bk_wall_ms_t next_ms; /* its next event; INT64_MAX when taken */
};

uint32_t bk_shop_shopper_count(const struct bk_shop *shop);
/** Shopper `i`. Texts are borrowed until the next call on the shop. */
struct bk_shop_shopper bk_shop_shopper(struct bk_shop *shop, uint32_t i);
/** The cart: products and quantities into arrays of BK_SHOP_CART_MAX; returns how many lines. */
uint32_t bk_shop_cart(const struct bk_shop *shop, uint32_t shopper, uint32_t *product,
                      uint32_t *quantity);

/** Have an idle shopper come to the shop online at this time, which is not before the last record's.
 *  BK_EINVAL when the shopper is visiting or taken. */
int bk_shop_visit(struct bk_shop *shop, uint32_t shopper, bk_wall_ms_t at_ms);
/** Stop (true) or start again (false) doing anything of its own will. Starting again ends a visit
 *  under way; the cart stays. */
void bk_shop_take(struct bk_shop *shop, uint32_t shopper, bool taken);

enum bk_shop_act {
    BK_SHOP_DO_VIEW,    /* product */
    BK_SHOP_DO_SEARCH,  /* text */
    BK_SHOP_DO_ADD,     /* product, quantity */
    BK_SHOP_DO_REMOVE,  /* product, quantity; it must be in the cart */
    BK_SHOP_DO_BUY,     /* what is in the cart */
    BK_SHOP_DO_DISMISS, /* product */
    BK_SHOP_DO_WISH,    /* product */
    BK_SHOP_DO_LOG_IN,  /* from visitor to customer */
    BK_SHOP_DO_LEAVE,   /* the visit ends; no record */
};

struct bk_shop_doing {
    enum bk_shop_act act;
    uint32_t product, quantity; /* quantity 0 counts as 1 */
    bk_str_t text;
};

/** Let a taken shopper do something at this time; a visit begins by itself. BK_OK with a record; 1:
 *  done, and there is nothing to tell; BK_EINVAL: not possible now (nothing in the cart, not in the
 *  cart, already known, no account, not taken, cart full) and nothing changed. */
int bk_shop_act(struct bk_shop *shop, uint32_t shopper, const struct bk_shop_doing *doing,
                bk_wall_ms_t now_ms, struct bk_shop_record *record);

/* ---- the truth behind it, for tests ---- */

/** A habit: hidden from the events but through what is bought. */
struct bk_shop_habit {
    bk_str_t good;                /* what */
    uint32_t product, second;     /* which one of it, and which one else */
    double interval_days;         /* between two purchases */
    bk_wall_ms_t last_ms, due_ms; /* bought last; due next */
    double share;                 /* of all its habits' purchases, 0..1 */
};

/** The shopper's habits as they stand now, strongest first, into an array of BK_SHOP_HABITS_MAX;
 *  returns how many. They drift: some products tried become habits, and habits end. */
uint32_t bk_shop_habits(const struct bk_shop *shop, uint32_t shopper, struct bk_shop_habit *habit);

#ifdef __cplusplus
}
#endif
#endif
