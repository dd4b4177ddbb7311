/* ranked_shop.c -- an engine, a ranker, a clock. */
#include "support/ranked_shop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void rank_with(struct shop *shop, const struct bk_weights *weights)
{
    bk_ranker_destroy(&shop->ranker);
    shop->ranker = bk_ranker_create(&shop->engine, weights);
    assert_non_null(shop->ranker);
}

void shop_open(struct shop *shop, enum bk_scorer only)
{
    struct bk_state_params params = told_params();
    struct bk_weights weights = {0};
    if (only == BK_SCORER_COUNT)
        bk_weights_default(&weights);
    else
        for (int situation = 0; situation < BK_SITUATION_COUNT; situation++)
            weights.weight[situation][only] = 1.0f;
    told_engine(&shop->engine, &params);
    assert_non_null(bk_engine_shard(&shop->engine, 0));
    shop->ranker = NULL;
    rank_with(shop, &weights);
    shop->now = TOLD_START;
}

void shop_weigh(struct shop *shop, const char *text)
{
    struct bk_weights weights;
    struct bk_reason reason = {""};
    bk_weights_default(&weights);
    assert_int_equal(bk_weights_parse(&weights, text, &reason), BK_OK);
    rank_with(shop, &weights);
}

void shop_close(struct shop *shop)
{
    bk_ranker_destroy(&shop->ranker);
    assert_null(shop->ranker);
    bk_engine_deinit(&shop->engine);
}

void shop_view(struct shop *shop, const char *customer, const char *items)
{
    struct told words = tell_lines(tell(BK_EVENT_ITEM_VIEWED, customer, 0), items);
    for (uint32_t i = 0; i < words.event.line_count; i++)
        told_now(&shop->engine,
                 tell_view(customer, words.event.lines[i].item.p, shop->now += 1000));
    told_free(&words);
}

void shop_buy_in(struct shop *shop, const char *customer, const char *items, const char *store,
                 const char *device)
{
    static uint32_t orders;
    struct told told =
        tell_purchase(customer, told_name("order-", orders++), items, shop->now += 1000);
    if (store) told.event.store = bk_str_c(store);
    if (device) told.event.device = bk_str_c(device);
    told_now(&shop->engine, told);
}

void shop_buy(struct shop *shop, const char *customer, const char *items)
{
    shop_buy_in(shop, customer, items, NULL, NULL);
}

void shop_product(struct shop *shop, const char *item, const char *category, const char *brand,
                  const char *variant)
{
    struct told told = tell_lines(tell(BK_EVENT_PRODUCT, NULL, shop->now), item);
    told.event.lines[0].category = bk_str_c(category);
    told.event.brand = bk_str_c(brand);
    told.event.variant_group = bk_str_c(variant);
    bk_apply_product(&shop->engine, bk_str_c(item), &told.event);
    told_free(&told);
}

void shop_ask(struct shop *shop, const char *customer, enum bk_context context)
{
    uint32_t subject = customer ? told_subject(&shop->engine, 0, customer) : 0;
    bk_rank(shop->ranker, shop->engine.shards[0], subject, context, shop->now, BK_LIST_MAX,
            &shop->list);
}

uint32_t shop_place_of(const struct shop *shop, const char *item)
{
    uint32_t handle = told_item(&shop->engine, item), place = 0;
    assert_int_not_equal(handle, 0);
    while (place < shop->list.count && shop->list.item[place].item != handle) place++;
    return place;
}

const struct bk_list_item *shop_listed(const struct shop *shop, const char *item)
{
    uint32_t place = shop_place_of(shop, item);
    return place < shop->list.count ? &shop->list.item[place] : NULL;
}
