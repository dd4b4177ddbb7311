/* test_shop.c -- the stream of the simulated shop: the same everywhere, valid, in order, and true to
 * carts and diets. */
#include "shop_kit.h"

enum { HOUSEHOLDS = 60, RECORDS = 8000 };

static uint64_t digest_of(uint64_t seed, uint32_t records)
{
    struct bk_shop *shop = kit_shop(seed, HOUSEHOLDS);
    struct bk_shop_record record;
    uint64_t digest = 0;
    for (uint32_t i = 0; i < bk_shop_fact_count(shop); i++) {
        bk_shop_fact(shop, i, &record);
        digest = kit_digest(digest, &record);
    }
    for (uint32_t i = 0; i < records; i++) {
        assert_true(bk_shop_next(shop, &record));
        digest = kit_digest(digest, &record);
    }
    bk_shop_destroy(&shop);
    return digest;
}

static void the_same_seed_gives_the_same_bytes_and_another_seed_others(void **state)
{
    (void)state;
    uint64_t digest = digest_of(7, RECORDS);
    assert_int_equal(digest, digest_of(7, RECORDS));
    assert_int_not_equal(digest, digest_of(8, RECORDS));
}

/* Whoever changes the simulation writes the new number here; whoever changes a compiler, an option or a
 * machine must not have to. */
static void the_bytes_are_those_of_every_other_machine(void **state)
{
    (void)state;
    uint64_t digest = digest_of(1, RECORDS);
    if (digest != UINT64_C(18255407610196005075))
        fail_msg("the digest is %llu", (unsigned long long)digest);
}

/* ---- validity ---- */

static void check_decodes(struct bk_decoder *decoder, const struct bk_shop_record *record)
{
    static uint8_t bytes[KIT_BYTES];
    const struct bk_event *event = NULL;
    struct bk_record raw = {.topic = record->topic,
                            .timestamp_ms = record->time_ms,
                            .key = record->key,
                            .value = bk_str((const char *)bytes, kit_encode(record, bytes))};
    struct bk_verdict verdict = bk_decode(decoder, &raw, &event);
    if (verdict.code != BK_VERDICT_OK)
        fail_msg("%s %s of %s", bk_verdict_label(verdict.code), verdict.field,
                 record->event ? bk_event_kind_name(record->event->kind) : "a fact");
    if (record->event) assert_int_equal(event->kind, record->event->kind);
    if (record->event) assert_int_equal(event->line_count, record->event->line_count);
}

static void every_record_is_valid_for_the_decoder(void **state)
{
    (void)state;
    struct bk_reason reason = {""};
    struct bk_decoder *decoder = bk_decoder_create(NULL, KIT_BYTES, &reason);
    struct bk_shop *shop = kit_shop(2, HOUSEHOLDS);
    struct bk_shop_record record;
    for (uint32_t i = 0; i < bk_shop_fact_count(shop); i++) {
        bk_shop_fact(shop, i, &record);
        check_decodes(decoder, &record);
    }
    for (uint32_t i = 0; i < 4 * RECORDS && bk_shop_next(shop, &record); i++)
        check_decodes(decoder, &record);
    bk_shop_destroy(&shop);
    bk_decoder_destroy(&decoder);
}

static bool is_labelled(bk_str_t id)
{
    return !id.len || (id.len > 4 && memcmp(id.p, "sim-", 4) == 0);
}

static void every_event_says_that_it_is_simulated(void **state)
{
    (void)state;
    struct bk_shop *shop = kit_shop(2, HOUSEHOLDS);
    struct bk_shop_record record;
    for (uint32_t i = 0; i < RECORDS && bk_shop_next(shop, &record); i++) {
        if (!record.event) continue;
        assert_true(is_labelled(record.event->visitor) && is_labelled(record.event->customer));
        assert_true(is_labelled(record.event->session) && is_labelled(record.event->order_id));
        assert_memory_equal(record.event->store.p, "simulated-", 10);
        if (record.topic == BK_TOPIC_EVENTS)
            assert_int_equal(record.event->consent, BK_CONSENT_PERSONAL);
        for (uint32_t l = 0; l < record.event->line_count; l++)
            assert_true(is_labelled(record.event->lines[l].item));
    }
    for (uint32_t i = 0; i < bk_shop_fact_count(shop); i++) {
        bk_shop_fact(shop, i, &record);
        if (!record.customer) continue;
        char name[128];
        snprintf(name, sizeof name, "%.*s", (int)record.customer->name.len,
                 record.customer->name.p);
        assert_non_null(strstr(name, "(simulated)"));
    }
    bk_shop_destroy(&shop);
}

static void time_never_goes_back_and_no_event_id_comes_twice(void **state)
{
    (void)state;
    static uint64_t seen[1 << 17];
    struct bk_shop *shop = kit_shop(4, HOUSEHOLDS);
    struct bk_shop_record record;
    bk_wall_ms_t before = KIT_START;
    memset(seen, 0, sizeof seen);
    for (uint32_t i = 0; i < 2 * RECORDS; i++) {
        assert_true(bk_shop_next_ms(shop) >= before);
        assert_true(bk_shop_next(shop, &record));
        assert_true(record.time_ms >= before);
        before = record.time_ms;
        if (record.topic != BK_TOPIC_EVENTS) continue;
        assert_int_equal(record.event->event_time_ms, record.time_ms);
        uint64_t hash = bk_hash(record.event->event_id.p, record.event->event_id.len) | 1;
        size_t at = hash % BK_COUNTOF(seen);
        while (seen[at] && seen[at] != hash) at = (at + 1) % BK_COUNTOF(seen);
        assert_int_equal(seen[at], 0);
        seen[at] = hash;
    }
    bk_shop_destroy(&shop);
}

static void every_kind_of_behaviour_occurs(void **state)
{
    (void)state;
    static const enum bk_event_kind promised[] = {
        BK_EVENT_ITEM_VIEWED, BK_EVENT_SEARCHED,         BK_EVENT_CART_CHANGED,
        BK_EVENT_PURCHASED,   BK_EVENT_WISHLIST_CHANGED, BK_EVENT_REFUNDED,
        BK_EVENT_LIST_SHOWN,  BK_EVENT_ITEM_CLICKED,     BK_EVENT_ITEM_DISMISSED,
        BK_EVENT_ITEM_RATED,  BK_EVENT_IDENTIFIED,       BK_EVENT_STOCK};
    uint64_t count[BK_EVENT_KIND_COUNT] = {0}, operation[4] = {0}, promotions = 0;
    struct bk_shop *shop = kit_shop(5, 200);
    struct bk_shop_record record;
    for (uint32_t i = 0; i < 4 * RECORDS && bk_shop_next(shop, &record); i++) {
        promotions += record.product != NULL;
        if (!record.event) continue;
        count[record.event->kind]++;
        if (record.event->kind == BK_EVENT_CART_CHANGED) operation[record.event->op]++;
    }
    for (size_t i = 0; i < BK_COUNTOF(promised); i++)
        if (!count[promised[i]]) fail_msg("no %s", bk_event_kind_name(promised[i]));
    assert_true(operation[BK_CART_ADD] && operation[BK_CART_REMOVE] && operation[BK_CART_CLEAR]);
    assert_true(promotions > 0);
    bk_shop_destroy(&shop);
}

/* ---- carts ---- */

enum { PRODUCTS = 8192 };

/* What each shopper's cart holds by the events alone. */
static uint16_t model[HOUSEHOLDS][PRODUCTS];

static void check_purchase(const struct bk_shop *shop, const struct bk_event *event, uint16_t *cart)
{
    uint32_t held = 0;
    for (uint32_t p = 0; p < bk_shop_product_count(shop); p++) held += cart[p] > 0;
    assert_int_equal(event->line_count, held);
    for (uint32_t l = 0; l < event->line_count; l++) {
        uint32_t product = kit_product(shop, &event->lines[l]);
        assert_int_equal(event->lines[l].quantity, cart[product]);
        cart[product] = 0;
    }
}

static void check_cart(const struct bk_shop *shop, const struct bk_event *event, uint16_t *cart)
{
    if (event->op == BK_CART_CLEAR) {
        memset(cart, 0, PRODUCTS * sizeof *cart);
        return;
    }
    for (uint32_t l = 0; l < event->line_count; l++) {
        uint32_t product = kit_product(shop, &event->lines[l]);
        int64_t quantity = event->lines[l].quantity;
        assert_true(quantity > 0);
        if (event->op == BK_CART_REMOVE) assert_true(cart[product] >= quantity);
        cart[product] =
            (uint16_t)(cart[product] + (event->op == BK_CART_REMOVE ? -quantity : quantity));
    }
}

static void a_cart_never_loses_what_it_does_not_hold_and_is_bought_whole(void **state)
{
    (void)state;
    struct bk_shop *shop = kit_shop(6, HOUSEHOLDS);
    struct bk_shop_record record;
    uint64_t bought = 0;
    memset(model, 0, sizeof model);
    static char visitor[HOUSEHOLDS][64];
    for (uint32_t i = 0; i < 4 * RECORDS && bk_shop_next(shop, &record); i++) {
        const struct bk_event *event = record.event;
        if (record.topic != BK_TOPIC_EVENTS) continue;
        uint16_t *cart = model[record.shopper];
        /* A visitor who never logged in and comes back as another one left the cart behind. */
        char now[64];
        snprintf(now, sizeof now, "%.*s", (int)event->visitor.len, event->visitor.p);
        if (event->visitor.len && strcmp(now, visitor[record.shopper]) != 0) {
            memset(cart, 0, PRODUCTS * sizeof *cart);
            memcpy(visitor[record.shopper], now, sizeof now);
        }
        bool till = kit_is(event->device, "till");
        if (event->kind == BK_EVENT_CART_CHANGED) check_cart(shop, event, cart);
        if (event->kind == BK_EVENT_PURCHASED && !till) check_purchase(shop, event, cart);
        bought += event->kind == BK_EVENT_PURCHASED && !till;
    }
    assert_true(bought > 100);
    bk_shop_destroy(&shop);
}

/* ---- diets ---- */

static void check_line(struct bk_shop *shop, uint32_t shopper, const struct bk_line *line,
                       uint32_t *vegan, uint32_t *careful)
{
    struct bk_shop_shopper who = bk_shop_shopper(shop, shopper);
    struct bk_shop_product product = bk_shop_product(shop, kit_product(shop, line));
    if (!product.food) return;
    if (who.vegan) assert_true(product.vegan);
    if (who.vegetarian) assert_true(product.vegetarian);
    assert_int_equal(product.allergens & who.avoids, 0);
    *vegan += who.vegan;
    *careful += who.avoids != 0;
}

static void no_household_buys_or_looks_at_what_it_must_not_eat(void **state)
{
    (void)state;
    uint32_t vegan = 0, careful = 0;
    struct bk_shop *shop = kit_shop(9, 300);
    struct bk_shop_record record;
    for (uint32_t i = 0; i < 5 * RECORDS && bk_shop_next(shop, &record); i++) {
        if (record.topic != BK_TOPIC_EVENTS) continue;
        /* the lines belong to the record, the shopper's texts to the next call */
        struct bk_event event = *record.event;
        for (uint32_t l = 0; l < event.line_count; l++)
            check_line(shop, record.shopper, &event.lines[l], &vegan, &careful);
    }
    assert_true(vegan > 500 && careful > 500);
    bk_shop_destroy(&shop);
}

/* ---- independence ---- */

static uint64_t digest_of_one(struct bk_shop *shop, uint32_t shopper, bk_wall_ms_t end_ms)
{
    struct bk_shop_record record;
    uint64_t digest = 0;
    while (bk_shop_next(shop, &record) && record.time_ms < end_ms)
        if (record.shopper == shopper) digest = kit_digest(digest, &record);
    bk_shop_destroy(&shop);
    return digest;
}

static void what_a_household_does_depends_on_no_other(void **state)
{
    (void)state;
    bk_wall_ms_t end_ms = KIT_START + 14 * (bk_wall_ms_t)KIT_DAY_MS;
    uint64_t alone = digest_of_one(kit_shop(1, 20), 7, end_ms);
    assert_int_equal(alone, digest_of_one(kit_shop(1, 90), 7, end_ms));
    struct bk_shop *steered = kit_shop(1, 20);
    bk_shop_take(steered, 3, true);
    assert_int_equal(bk_shop_visit(steered, 5, KIT_START + KIT_DAY_MS), BK_OK);
    assert_int_equal(alone, digest_of_one(steered, 7, end_ms));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_gives_the_same_bytes_and_another_seed_others),
        cmocka_unit_test(the_bytes_are_those_of_every_other_machine),
        cmocka_unit_test(every_record_is_valid_for_the_decoder),
        cmocka_unit_test(every_event_says_that_it_is_simulated),
        cmocka_unit_test(time_never_goes_back_and_no_event_id_comes_twice),
        cmocka_unit_test(every_kind_of_behaviour_occurs),
        cmocka_unit_test(a_cart_never_loses_what_it_does_not_hold_and_is_bought_whole),
        cmocka_unit_test(no_household_buys_or_looks_at_what_it_must_not_eat),
        cmocka_unit_test(what_a_household_does_depends_on_no_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
