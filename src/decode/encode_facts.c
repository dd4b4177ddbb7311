/* encode_facts.c -- a product or a customer as the bytes of its topic: by hand, in the order of the
 * fields of the .avsc. encode.c writes its two facts through here. */
#include "basketry/facts.h"

#include "basketry/decode.h"

#include "put.h"

void bk_product_fact_reset(struct bk_product_fact *fact)
{
    *fact = (struct bk_product_fact){.unit_price_minor = BK_NULL_I64};
}

void bk_customer_fact_reset(struct bk_customer_fact *fact)
{
    *fact = (struct bk_customer_fact){.budget_minor = BK_NULL_I64,
                                      .age_years = BK_NULL_I64,
                                      .family_size = BK_NULL_I64,
                                      .loyalty_points = BK_NULL_I64};
}

static void put_words(struct bk__out *out, struct bk_words words)
{
    if (words.count) bk__put_long(out, words.count);
    for (uint32_t i = 0; i < words.count; i++) bk__put_text(out, words.word[i]);
    bk__put_none(out);
}

static void put_nutrition(struct bk__out *out, const struct bk_product_fact *fact)
{
    if (fact->nutrition_count) bk__put_long(out, fact->nutrition_count);
    for (uint32_t i = 0; i < fact->nutrition_count; i++) {
        bk__put_text(out, fact->nutrition[i].name);
        bk__put_double(out, fact->nutrition[i].amount);
    }
    bk__put_none(out);
}

size_t bk_encode_product(const struct bk_product_fact *fact, uint8_t *bytes, size_t cap)
{
    struct bk__out out = {bytes, bytes + cap, false};
    bk__put_frame(&out, bk_schema_id(BK_EVENT_PRODUCT));
    bk__put_text(&out, fact->item);
    bk__put_text(&out, fact->name);
    bk__put_text_or_null(&out, fact->category);
    bk__put_text_or_null(&out, fact->brand);
    bk__put_long_or_null(&out, fact->unit_price_minor);
    bk__put_text_or_null(&out, fact->currency);
    put_words(&out, fact->dietary);
    put_words(&out, fact->allergens);
    bk__put_byte(&out, fact->allergens_known);
    put_nutrition(&out, fact);
    put_words(&out, fact->seasons);
    bk__put_text_or_null(&out, fact->image);
    bk__put_text_or_null(&out, fact->variant_group);
    bk__put_null(&out); /* embedding */
    bk__put_text_or_null(&out, fact->promotion);
    bk__put_long(&out, fact->updated_ms);
    return out.full ? 0 : (size_t)(out.p - bytes);
}

size_t bk_encode_customer(const struct bk_customer_fact *fact, uint8_t *bytes, size_t cap)
{
    struct bk__out out = {bytes, bytes + cap, false};
    bk__put_frame(&out, bk_schema_id(BK_EVENT_CUSTOMER));
    bk__put_text(&out, fact->customer);
    bk__put_text_or_null(&out, fact->name);
    put_words(&out, fact->dietary);
    put_words(&out, fact->allergies);
    put_words(&out, fact->categories);
    put_words(&out, fact->brands);
    bk__put_long_or_null(&out, fact->budget_minor);
    bk__put_text_or_null(&out, fact->budget_currency);
    bk__put_long_or_null(&out, fact->age_years);
    bk__put_text_or_null(&out, fact->gender);
    bk__put_text_or_null(&out, fact->location);
    bk__put_long_or_null(&out, fact->family_size);
    bk__put_text_or_null(&out, fact->household);
    bk__put_text_or_null(&out, fact->loyalty_tier);
    bk__put_long_or_null(&out, fact->loyalty_points);
    bk__put_long(&out, fact->created_ms);
    bk__put_long(&out, fact->updated_ms);
    return out.full ? 0 : (size_t)(out.p - bytes);
}
