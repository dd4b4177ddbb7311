/* demo_shoppers.h -- the simulated shoppers of the demo: a crowd by the shop's clock, and one that is
 * followed, slowly enough to watch, or played by the person at the keys.
 *
 * TIME   The shop's clock runs ahead as fast as asked, and skips what nobody shops in. What happens
 *        goes into the log at that moment, under the real time: ages are real. Only the past that the
 *        demo begins with carries the shop's own times.
 */
#ifndef BASKETRY_CLI_DEMO_SHOPPERS_H
#define BASKETRY_CLI_DEMO_SHOPPERS_H

#include "basketry/shop.h"
#include "demo_stage.h"
#include "produce.h"

struct demo_shoppers {
    struct bk_shop *shop;
    struct demo_stage *stage;
    struct bk_demo_model *model;
    void *arg;
    void (*subject)(void *arg); /* the followed shopper has another id: the model's */
    void (*click)(void *arg);   /* the model has one more click */
    uint32_t facts_done, followed;
    uint32_t *busy; /* events of each shopper in the past */
    uint64_t past;  /* events of it */
    double clock_ms;
    bk_wall_ms_t live_ms, last_ms, wall_ms; /* of the shop, of the shop, real */
    bk_wall_ms_t next_click_ms, rests_since_ms;
    struct demo_waiting *first,
        *last; /* the followed shopper's events that wait for their moment */
    uint32_t waiting;
    uint8_t bytes[PRODUCE_BYTES_MAX];
};

/** Build the shop. 0, or a code with a reason. */
BK_MUST_CHECK int bk__demo_shoppers_open(struct demo_shoppers *shoppers, uint64_t seed,
                                         uint32_t households, struct bk_reason *reason);
void bk__demo_shoppers_destroy(struct demo_shoppers *shoppers);

/** Put some facts; true when all are. */
bool bk__demo_shoppers_facts(struct demo_shoppers *shoppers);
/** Put some of the past; true when all of it is. */
bool bk__demo_shoppers_past(struct demo_shoppers *shoppers);
/** The past is over. Follow the busiest shopper who has an account. */
void bk__demo_shoppers_go_live(struct demo_shoppers *shoppers);
/** Let time pass: to be called often. */
void bk__demo_shoppers_tick(struct demo_shoppers *shoppers);

/** Follow the next (1) or the one before (-1) of those who have an account. */
void bk__demo_shoppers_step(struct demo_shoppers *shoppers, int by);
/** Play the followed shopper (true), or let it go (false). */
void bk__demo_shoppers_take(struct demo_shoppers *shoppers, bool taken);
/** Do something as it. BK_EINVAL: it cannot be done now. */
BK_MUST_CHECK int bk__demo_shoppers_act(struct demo_shoppers *shoppers, enum bk_shop_act act,
                                        uint32_t product, bk_str_t text);
/** Put the products that have the model's query in their names into the model. */
void bk__demo_shoppers_search(struct demo_shoppers *shoppers);
/** The name of a product, and the name without brand and size: bk_demo_names. */
bk_str_t bk__demo_shoppers_name(void *shoppers, bk_str_t id);
bk_str_t bk__demo_shoppers_brief(void *shoppers, bk_str_t id);

#endif
