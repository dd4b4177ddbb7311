/* facts.h -- everything a shop can say about a product or a customer, to be written to its topic.
 *
 * What the engine reads of a fact is in struct bk_event; these structs hold all fields of
 * schemas/Product.avsc and Customer.avsc but the embedding, for who fills the topics: import,
 * produce, and tests. Units and limits are the schemas'; a text that is not known has p == NULL, a
 * number BK_NULL_I64, a time 0. All memory is the caller's and only read.
 */
#ifndef BASKETRY_FACTS_H
#define BASKETRY_FACTS_H

#include "basketry/event.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Borrowed words, at most BK_FACT_VALUES_MAX. */
struct bk_words {
    const bk_str_t *word;
    uint32_t count;
};

/** An amount in 100 g or 100 ml, by the schema's word: energy_kj, fat_g, ... */
struct bk_nutrient {
    bk_str_t name;
    double amount;
};

struct bk_product_fact {
    bk_str_t item, name;
    bk_str_t category, brand, currency, image, variant_group, promotion; /* each nullable */
    int64_t unit_price_minor;
    struct bk_words dietary, allergens, seasons;
    bool allergens_known;
    const struct bk_nutrient *nutrition; /* borrowed, at most BK_FACT_VALUES_MAX; may be NULL */
    uint32_t nutrition_count;
    int64_t updated_ms;
};

struct bk_customer_fact {
    bk_str_t customer;
    bk_str_t name, gender, location, household, loyalty_tier; /* each nullable */
    struct bk_words dietary, allergies, categories, brands;
    int64_t budget_minor;
    bk_str_t budget_currency;
    int64_t age_years, family_size, loyalty_points;
    int64_t created_ms, updated_ms;
};

/** Set every field to "not known". */
void bk_product_fact_reset(struct bk_product_fact *fact);
void bk_customer_fact_reset(struct bk_customer_fact *fact);

/** Encode under our own current schema, framing included. The length, or 0 when it does not fit
 *  into `cap` bytes. Limits are not looked at: bk_decode does that. Any thread. */
size_t bk_encode_product(const struct bk_product_fact *fact, uint8_t *out, size_t cap);
size_t bk_encode_customer(const struct bk_customer_fact *fact, uint8_t *out, size_t cap);

#ifdef __cplusplus
}
#endif
#endif
