/* catalogue.h -- the products: each good in varieties, sizes and brands.
 *
 * A good's products stand together, so choosing one of a good is a walk over a short run.
 */
#ifndef BASKETRY_SHOP_CATALOGUE_H
#define BASKETRY_SHOP_CATALOGUE_H

#include "tables.h"

enum { PRODUCTS_MAX = 8192 };

struct product {
    uint32_t id_at, name_at, group_at; /* into the catalogue's text; NUL-terminated there */
    uint16_t id_len, name_len, group_len;
    uint16_t good;
    uint8_t brand, variety, size;
    enum tier tier;
    int64_t price_minor;
    float pull; /* its share of the good's sales, unnormalised, when price does not matter */
};

struct catalogue {
    struct tables tables;
    struct product *product;
    uint32_t count;
    char *text;
    size_t text_len, text_cap;
    bk_str_t path[GOODS_MAX];  /* "A > B > C > Good" */
    bk_str_t query[GOODS_MAX]; /* the good as it is typed: in small letters */
};

/** Read the tables and compose the products. 0, BK_EINVAL or BK_ENOMEM. */
BK_MUST_CHECK int bk__catalogue_init(struct catalogue *catalogue, uint64_t seed,
                                     struct bk_reason *reason);
void bk__catalogue_deinit(struct catalogue *catalogue);

static inline struct good *bk__catalogue_good(const struct catalogue *catalogue, uint32_t product)
{
    return (struct good *)&catalogue->tables.good[catalogue->product[product].good];
}

bk_str_t bk__catalogue_id(const struct catalogue *catalogue, uint32_t product);
bk_str_t bk__catalogue_name(const struct catalogue *catalogue, uint32_t product);
/** Products that are sizes or varieties of one another, of one brand, share it. */
bk_str_t bk__catalogue_group(const struct catalogue *catalogue, uint32_t product);
bk_str_t bk__catalogue_brand(const struct catalogue *catalogue, uint32_t product);

#endif
