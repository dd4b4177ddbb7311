/* ranked_shop.h -- a shop of one partition that is asked for lists: what the tests of rank share.
 *
 * Every event comes a second after the one before; a test that needs another time moves `now`.
 */
#ifndef BASKETRY_TESTS_RANKED_SHOP_H
#define BASKETRY_TESTS_RANKED_SHOP_H

#include "basketry/rank.h"
#include "support/events.h"

struct shop {
    struct bk_engine engine;
    struct bk_ranker *ranker;
    struct bk_list list; /* the last answer */
    int64_t now;
};

/** A shop whose only scorer is this one, for every situation, without diversity; BK_SCORER_COUNT:
 *  the default weights. */
void shop_open(struct shop *shop, enum bk_scorer only);
void shop_close(struct shop *shop);
/** Other weights from now on: rank.weights over the defaults. */
void shop_weigh(struct shop *shop, const char *weights);

/** One view for each of the words. */
void shop_view(struct shop *shop, const char *customer, const char *items);
void shop_buy(struct shop *shop, const char *customer, const char *items);
/** The same in a store, on a device; NULL: it is not said. */
void shop_buy_in(struct shop *shop, const char *customer, const char *items, const char *store,
                 const char *device);
/** What is known of a product; "": nothing. */
void shop_product(struct shop *shop, const char *item, const char *category, const char *brand,
                  const char *variant);

/** Rank the customer's list (NULL: of somebody unknown), as long as lists may be. */
void shop_ask(struct shop *shop, const char *customer, enum bk_context context);
/** The item's entry in the last answer, or NULL. */
const struct bk_list_item *shop_listed(const struct shop *shop, const char *item);
/** Its place there, or as many as there are. */
uint32_t shop_place_of(const struct shop *shop, const char *item);

#endif
