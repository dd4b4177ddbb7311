/* tables.h -- the words and numbers of goods.tsv, brands.tsv, households.tsv and names.tsv, read.
 *
 * The files' heads say what each column means. All text is borrowed from the bytes compiled in.
 */
#ifndef BASKETRY_SHOP_TABLES_H
#define BASKETRY_SHOP_TABLES_H

#include "basketry/base.h"
#include "basketry/error.h"

extern const unsigned char bk__shop_goods[], bk__shop_brands[], bk__shop_households[],
    bk__shop_names[];
extern const size_t bk__shop_goods_len, bk__shop_brands_len, bk__shop_households_len,
    bk__shop_names_len;

enum {
    GOODS_MAX = 512,
    BRANDS_MAX = 64,
    KINDS_MAX = 16,
    NAMES_MAX = 64,
    SIZES_MAX = 4,
    VARIETIES_MAX = 6,
    WITH_MAX = 4,
    ALLERGENS = 14, /* the schema's words */
    SEASONS = 7,
};

enum diet { DIET_VEGAN, DIET_VEGETARIAN, DIET_FISH, DIET_MEAT, DIET_NON_FOOD };
enum tier { TIER_VALUE, TIER_STANDARD, TIER_PREMIUM, TIER_ORGANIC };
enum weather_bits { WEATHER_HOT = 1, WEATHER_COLD = 2 };

/** The schema's words of the bits. */
extern const bk_str_t bk__allergen_words[ALLERGENS];
extern const bk_str_t bk__season_words[SEASONS];

struct good {
    bk_str_t name;
    bk_str_t level[3]; /* department, aisle, shelf */
    int64_t price_minor;
    struct {
        bk_str_t name;
        uint32_t percent;
    } size[SIZES_MAX];
    bk_str_t variety[VARIETIES_MAX]; /* "-" plain; "=Skyr" is the whole name */
    uint32_t size_count, variety_count;
    bk_str_t brands;
    enum diet diet;
    bool alcohol;
    uint16_t allergens;
    uint32_t pull, days;
    uint8_t seasons, seasons_only; /* bits of bk__season_words */
    uint8_t weather, weather_only; /* weather_bits */
    uint16_t with[WITH_MAX];       /* goods */
    uint32_t with_count;
    int32_t nutrition[4];  /* kJ, fat, carbohydrate, protein; -1: not said */
    uint32_t shelf;        /* number of its shelf */
    uint32_t first, count; /* its products: filled by the catalogue */
};

struct brand {
    bk_str_t name, groups;
    enum tier tier;
    uint32_t price_percent, share, range;
};

struct kind {
    bk_str_t name;
    uint32_t share, people, trips_tenths, big, lines_big, lines_small;
    uint32_t thrift, loyal, curious, online;
    bool vegan, vegetarian;
    uint16_t avoids;
    uint8_t week[7], hours[24];
    uint16_t like_percent[GOODS_MAX];
    uint32_t age_from, age_to;
};

struct tables {
    struct good good[GOODS_MAX];
    struct brand brand[BRANDS_MAX];
    struct kind kind[KINDS_MAX];
    bk_str_t first_name[NAMES_MAX], last_name[NAMES_MAX];
    uint32_t good_count, brand_count, kind_count, name_count;
};

/** Read all tables. 0, or BK_EINVAL with the line that is no good. */
BK_MUST_CHECK int bk__tables_read(struct tables *tables, struct bk_reason *reason);

/** Is `word` one of the comma-separated words of `list` ("*" holds all)? */
bool bk__tables_has_word(bk_str_t list, bk_str_t word);
/** May a household of this kind eat it? What is not food always may come home. */
bool bk__tables_allows(const struct kind *kind, const struct good *good);

#endif
