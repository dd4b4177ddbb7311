/* test_catalogue.c -- the products: enough of them, each with a name, a price and a place, and none twice. */
#include "shop_kit.h"

static void there_are_at_least_two_thousand_products_with_distinct_names(void **state)
{
    (void)state;
    struct bk_shop *shop = kit_shop(1, 10);
    uint32_t count = bk_shop_product_count(shop);
    assert_true(count >= 2000);
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t j = i + 1; j < count; j++)
            if (bk_str_eq(bk_shop_product(shop, i).name, bk_shop_product(shop, j).name))
                fail_msg("twice: %.*s", (int)bk_shop_product(shop, i).name.len,
                         bk_shop_product(shop, i).name.p);
    bk_shop_destroy(&shop);
}

static uint32_t count_of(bk_str_t text, char wanted)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < text.len; i++) count += text.p[i] == wanted;
    return count;
}

static void each_product_has_a_price_a_brand_and_a_category_four_levels_deep(void **state)
{
    (void)state;
    struct bk_shop *shop = kit_shop(3, 10);
    for (uint32_t i = 0; i < bk_shop_product_count(shop); i++) {
        struct bk_shop_product product = bk_shop_product(shop, i);
        assert_in_range(product.price_minor, 19, 20000);
        assert_int_equal(count_of(product.category, '>'), 3);
        assert_true(product.brand.len > 0 && product.good.len > 0);
        assert_true(bk_utf8_valid(product.name.p, product.name.len));
        assert_int_equal(count_of(product.name, '='), 0); /* a mark of the table, not of the shop */
    }
    bk_shop_destroy(&shop);
}

static void a_name_reads_as_on_the_shelf(void **state)
{
    (void)state;
    struct bk_shop *shop = kit_shop(1, 10);
    bool milk = false, skyr = false;
    for (uint32_t i = 0; i < bk_shop_product_count(shop); i++) {
        bk_str_t name = bk_shop_product(shop, i).name;
        milk |= kit_is(name, "Semi-skimmed milk 1 l, Meadow Farm");
        skyr |= name.len > 5 && memcmp(name.p, "Skyr ", 5) == 0;
    }
    assert_true(milk && skyr);
    bk_shop_destroy(&shop);
}

static void a_product_is_found_by_its_id_and_by_no_other(void **state)
{
    (void)state;
    static const char *const strange[] = {"",       "sim-",  "sim-0", "sim-99999999999999999999",
                                          "sim-1x", "sim-1", "0001"};
    struct bk_shop *shop = kit_shop(1, 10);
    for (uint32_t i = 0; i < bk_shop_product_count(shop); i++)
        assert_int_equal(bk_shop_product_find(shop, bk_shop_product(shop, i).id), i);
    for (size_t i = 0; i < BK_COUNTOF(strange); i++)
        assert_int_equal(bk_shop_product_find(shop, bk_str_c(strange[i])), UINT32_MAX);
    bk_shop_destroy(&shop);
}

static void what_holds_meat_is_not_sold_as_vegetarian(void **state)
{
    (void)state;
    struct bk_shop *shop = kit_shop(1, 10);
    uint32_t checked = 0;
    for (uint32_t i = 0; i < bk_shop_product_count(shop); i++) {
        struct bk_shop_product product = bk_shop_product(shop, i);
        bool meat = product.category.len > 11 && memcmp(product.category.p, "Meat & fish", 11) == 0;
        checked += meat;
        if (meat) assert_false(product.vegan || product.vegetarian);
        if (product.vegan) assert_true(product.vegetarian && product.food);
    }
    assert_true(checked > 50);
    bk_shop_destroy(&shop);
}

static void a_shop_without_households_is_refused_with_a_reason(void **state)
{
    (void)state;
    struct bk_reason reason = {""};
    struct bk_shop_params params;
    bk_shop_params_default(&params);
    params.households = 0;
    assert_null(bk_shop_create(&params, &reason));
    assert_non_null(strstr(reason.text, "households"));
    params.households = BK_SHOP_HOUSEHOLDS_MAX + 1;
    assert_null(bk_shop_create(&params, &reason));
    params.households = 1;
    params.start_ms = -1;
    assert_null(bk_shop_create(&params, &reason));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_are_at_least_two_thousand_products_with_distinct_names),
        cmocka_unit_test(each_product_has_a_price_a_brand_and_a_category_four_levels_deep),
        cmocka_unit_test(a_name_reads_as_on_the_shelf),
        cmocka_unit_test(a_product_is_found_by_its_id_and_by_no_other),
        cmocka_unit_test(what_holds_meat_is_not_sold_as_vegetarian),
        cmocka_unit_test(a_shop_without_households_is_refused_with_a_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
