/* catalogue.c -- see catalogue.h: which brand offers what, what it is called, what it costs.
 *
 * NAMES   variety, good, size, brand: "Semi-skimmed milk 1 l, Meadow Farm". A variety "=Skyr" is
 *         the name itself.
 * PRICES  the good's price, by size, brand and (for an organic variety) 30 % more, ending in 9.
 * RANGE   a brand offers a part of the combinations, chosen by hash; the first brand that makes a
 *         good always offers its plainest form, so that no good is without products.
 */
#include "catalogue.h"

#include <stdio.h>
#include <stdlib.h>

#include "chance.h"

enum { OF_RANGE = 201, NAME_BYTES = 256, ORGANIC_PERCENT = 130 };

/* How the best seller, the second, the third ... share what is sold. */
static const uint32_t variety_share[VARIETIES_MAX] = {100, 52, 36, 26, 20, 16};
static const uint32_t size_share[SIZES_MAX] = {100, 46, 26, 16};

/* ---- text ---- */

/* Append and NUL-terminate; 0-based place, or -1 when memory is out. */
static int64_t put_text(struct catalogue *catalogue, const char *p, size_t len)
{
    size_t wanted = catalogue->text_len + len + 1;
    if (wanted > catalogue->text_cap) {
        size_t cap = catalogue->text_cap ? catalogue->text_cap * 2 : 1 << 16;
        char *grown = realloc(catalogue->text, cap < wanted ? wanted : cap);
        if (!grown) return -1;
        catalogue->text = grown;
        catalogue->text_cap = cap < wanted ? wanted : cap;
    }
    size_t at = catalogue->text_len;
    memcpy(catalogue->text + at, p, len);
    catalogue->text[at + len] = '\0';
    catalogue->text_len += len + 1;
    return (int64_t)at;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
}

static bool starts_with_capital_word(bk_str_t text)
{
    return text.len > 1 && text.p[0] >= 'A' && text.p[0] <= 'Z' &&
           !(text.p[1] >= 'A' && text.p[1] <= 'Z');
}

/* "Semi-skimmed milk": the variety in front of the good. */
static int write_title(const struct good *good, uint32_t variety, char *out)
{
    bk_str_t word = good->variety[variety], name = good->name;
    if (word.len && word.p[0] == '=')
        return snprintf(out, NAME_BYTES, "%.*s", (int)word.len - 1, word.p + 1);
    if (bk_str_eq(word, BK_STR("-")))
        return snprintf(out, NAME_BYTES, "%.*s", (int)name.len, name.p);
    int len = snprintf(out, NAME_BYTES, "%.*s %.*s", (int)word.len, word.p, (int)name.len, name.p);
    if (starts_with_capital_word(name)) out[word.len + 1] = lower(name.p[0]);
    return len;
}

static bool write_name(struct catalogue *catalogue, struct product *product)
{
    const struct good *good = &catalogue->tables.good[product->good];
    const struct brand *brand = &catalogue->tables.brand[product->brand];
    char text[NAME_BYTES * 2];
    int len = write_title(good, product->variety, text);
    bk_str_t size = good->size[product->size].name;
    len += snprintf(text + len, NAME_BYTES, " %.*s, %.*s", (int)size.len, size.p,
                    (int)brand->name.len, brand->name.p);
    int64_t at = put_text(catalogue, text, (size_t)len);
    product->name_at = (uint32_t)at;
    product->name_len = (uint16_t)len;
    return at >= 0;
}

static bool write_ids(struct catalogue *catalogue, struct product *product)
{
    char text[64];
    int len = snprintf(text, sizeof text, "sim-%04u", (unsigned)(product - catalogue->product) + 1);
    int64_t at = put_text(catalogue, text, (size_t)len);
    product->id_at = (uint32_t)at;
    product->id_len = (uint16_t)len;
    if (at < 0) return false;
    len = snprintf(text, sizeof text, "sim-group-%u-%u", product->good + 1u, product->brand + 1u);
    at = put_text(catalogue, text, (size_t)len);
    product->group_at = (uint32_t)at;
    product->group_len = (uint16_t)len;
    return at >= 0;
}

/* ---- products ---- */

static bool is_organic(const struct good *good, uint32_t variety)
{
    return bk_str_eq(good->variety[variety], BK_STR("Organic"));
}

static int64_t price_of(const struct good *good, const struct brand *brand, uint32_t variety,
                        uint32_t size)
{
    int64_t price = good->price_minor * good->size[size].percent / 100 * brand->price_percent / 100;
    if (is_organic(good, variety)) price = price * ORGANIC_PERCENT / 100;
    price = price / 10 * 10 + 9;
    return price < 19 ? 19 : price;
}

static bool offers(uint64_t seed, const struct tables *tables, uint32_t good, uint32_t brand,
                   uint32_t variety, uint32_t size, bool first)
{
    const struct brand *its = &tables->brand[brand];
    if (is_organic(&tables->good[good], variety) && its->tier == TIER_ORGANIC) return false;
    if (first && variety == 0 && size == 0) return true;
    uint64_t lot =
        bk__chance_of(seed, OF_RANGE, good * BRANDS_MAX + brand, variety * SIZES_MAX + size);
    /* What sells best is offered by more brands. */
    uint32_t wanted = its->range *
                      (variety + size == 0   ? 160
                       : variety + size == 1 ? 110
                                             : 70) /
                      100;
    return lot % 100 < wanted;
}

static bool add_product(struct catalogue *catalogue, uint32_t good, uint32_t brand,
                        uint32_t variety, uint32_t size)
{
    const struct tables *tables = &catalogue->tables;
    struct product *product = &catalogue->product[catalogue->count];
    *product = (struct product){
        .good = (uint16_t)good,
        .brand = (uint8_t)brand,
        .variety = (uint8_t)variety,
        .size = (uint8_t)size,
        .tier = is_organic(&tables->good[good], variety) ? TIER_ORGANIC : tables->brand[brand].tier,
        .price_minor = price_of(&tables->good[good], &tables->brand[brand], variety, size),
    };
    double share = tables->brand[brand].share * variety_share[variety] * size_share[size] / 1e4;
    product->pull = (float)(share * share); /* few products make most of a good's sales */
    if (!write_name(catalogue, product) || !write_ids(catalogue, product)) return false;
    catalogue->count++;
    return true;
}

static int add_good(struct catalogue *catalogue, uint64_t seed, uint32_t at,
                    struct bk_reason *reason)
{
    struct good *good = &catalogue->tables.good[at];
    bool first = true;
    good->first = catalogue->count;
    for (uint32_t b = 0; b < catalogue->tables.brand_count; b++) {
        if (!bk__tables_has_word(catalogue->tables.brand[b].groups, good->brands)) continue;
        for (uint32_t v = 0; v < good->variety_count; v++)
            for (uint32_t s = 0; s < good->size_count; s++) {
                if (!offers(seed, &catalogue->tables, at, b, v, s, first)) continue;
                if (catalogue->count == PRODUCTS_MAX)
                    return bk_reason_set(reason, BK_EINVAL, "more than %d products", PRODUCTS_MAX);
                if (!add_product(catalogue, at, b, v, s))
                    return bk_reason_set(reason, BK_ENOMEM, "out of memory for products");
            }
        first = false;
    }
    good->count = catalogue->count - good->first;
    if (good->count) return BK_OK;
    return bk_reason_set(reason, BK_EINVAL, "nobody makes %.*s", (int)good->name.len, good->name.p);
}

/* The good's path and how it is typed; places now, texts when all is written. */
static bool write_words(struct catalogue *catalogue, uint32_t at, int64_t *path, int64_t *query)
{
    const struct good *good = &catalogue->tables.good[at];
    char text[4 * NAME_BYTES];
    int len =
        snprintf(text, sizeof text, "%.*s > %.*s > %.*s > %.*s", (int)good->level[0].len,
                 good->level[0].p, (int)good->level[1].len, good->level[1].p,
                 (int)good->level[2].len, good->level[2].p, (int)good->name.len, good->name.p);
    *path = put_text(catalogue, text, (size_t)len);
    for (uint32_t i = 0; i < good->name.len; i++) text[i] = lower(good->name.p[i]);
    *query = *path < 0 ? -1 : put_text(catalogue, text, good->name.len);
    return *query >= 0;
}

static bool write_all_words(struct catalogue *catalogue)
{
    static const char none[] = "";
    int64_t path[GOODS_MAX], query[GOODS_MAX];
    for (uint32_t i = 0; i < catalogue->tables.good_count; i++)
        if (!write_words(catalogue, i, &path[i], &query[i])) return false;
    for (uint32_t i = 0; i < catalogue->tables.good_count; i++) {
        const char *text = catalogue->text ? catalogue->text : none;
        catalogue->path[i] = bk_str_c(text + path[i]);
        catalogue->query[i] = bk_str_c(text + query[i]);
    }
    return true;
}

int bk__catalogue_init(struct catalogue *catalogue, uint64_t seed, struct bk_reason *reason)
{
    int code = bk__tables_read(&catalogue->tables, reason);
    if (code) return code;
    catalogue->product = calloc(PRODUCTS_MAX, sizeof *catalogue->product);
    if (!catalogue->product) return bk_reason_set(reason, BK_ENOMEM, "out of memory for products");
    for (uint32_t i = 0; i < catalogue->tables.good_count && !code; i++)
        code = add_good(catalogue, seed, i, reason);
    if (!code && !write_all_words(catalogue))
        code = bk_reason_set(reason, BK_ENOMEM, "out of memory for products");
    return code;
}

void bk__catalogue_deinit(struct catalogue *catalogue)
{
    free(catalogue->product);
    free(catalogue->text);
}

bk_str_t bk__catalogue_id(const struct catalogue *catalogue, uint32_t product)
{
    const struct product *its = &catalogue->product[product];
    return bk_str(catalogue->text + its->id_at, its->id_len);
}

bk_str_t bk__catalogue_name(const struct catalogue *catalogue, uint32_t product)
{
    const struct product *its = &catalogue->product[product];
    return bk_str(catalogue->text + its->name_at, its->name_len);
}

bk_str_t bk__catalogue_group(const struct catalogue *catalogue, uint32_t product)
{
    const struct product *its = &catalogue->product[product];
    return bk_str(catalogue->text + its->group_at, its->group_len);
}

bk_str_t bk__catalogue_brand(const struct catalogue *catalogue, uint32_t product)
{
    return catalogue->tables.brand[catalogue->product[product].brand].name;
}
