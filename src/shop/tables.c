/* tables.c -- see tables.h: tab-separated rows, `#` comments, and in goods.tsv `> A > B > C` heads.
 *
 * A mistake in a table is told with its file and line: they are edited by hand.
 */
#include "tables.h"

enum { COLUMNS_MAX = 17, GOOD_COLUMNS = 12, BRAND_COLUMNS = 6, KIND_COLUMNS = 16 };

const bk_str_t bk__allergen_words[ALLERGENS] = {
    BK_STR("gluten"), BK_STR("milk"),    BK_STR("egg"),        BK_STR("peanut"),  BK_STR("nut"),
    BK_STR("soy"),    BK_STR("fish"),    BK_STR("crustacean"), BK_STR("mollusc"), BK_STR("sesame"),
    BK_STR("celery"), BK_STR("mustard"), BK_STR("lupin"),      BK_STR("sulphite")};

const bk_str_t bk__season_words[SEASONS] = {
    BK_STR("spring"),    BK_STR("summer"), BK_STR("autumn"),        BK_STR("winter"),
    BK_STR("christmas"), BK_STR("easter"), BK_STR("back_to_school")};

/* ---- cutting text ---- */

/* Cut the next part off `rest` at `mark`; false when nothing is left. */
static bool cut(bk_str_t *rest, char mark, bk_str_t *part)
{
    if (!rest->p) return false;
    const char *at = rest->len ? memchr(rest->p, mark, rest->len) : NULL;
    uint32_t len = at ? (uint32_t)(at - rest->p) : rest->len;
    *part = bk_str(rest->p, len);
    *rest = at ? bk_str(at + 1, rest->len - len - 1) : bk_str(NULL, 0);
    return true;
}

static bk_str_t trim(bk_str_t text)
{
    while (text.len && text.p[0] == ' ') text = bk_str(text.p + 1, text.len - 1);
    while (text.len && text.p[text.len - 1] == ' ') text.len--;
    return text;
}

static bool number(bk_str_t text, uint32_t *out)
{
    uint32_t value = 0;
    for (uint32_t i = 0; i < text.len; i++) {
        if (text.p[i] < '0' || text.p[i] > '9' || value > 100000000) return false;
        value = value * 10 + (uint32_t)(text.p[i] - '0');
    }
    *out = value;
    return text.len > 0;
}

static bool is(bk_str_t text, const char *word)
{
    return bk_str_eq(text, bk_str_c(word));
}

static bool nothing(bk_str_t text)
{
    return is(text, "-");
}

bool bk__tables_has_word(bk_str_t list, bk_str_t word)
{
    bk_str_t part;
    while (cut(&list, ',', &part))
        if (bk_str_eq(part, word) || is(part, "*")) return true;
    return false;
}

static bool bits_of(bk_str_t list, const bk_str_t *words, unsigned count, uint16_t *bits)
{
    bk_str_t part;
    *bits = 0;
    if (nothing(list)) return true;
    while (cut(&list, ',', &part)) {
        unsigned i = 0;
        while (i < count && !bk_str_eq(words[i], part)) i++;
        if (i == count) return false;
        *bits |= (uint16_t)(1u << i);
    }
    return true;
}

/* ---- a file's rows ---- */

struct reading {
    struct tables *tables;
    const char *file;
    bk_str_t rest, level[3];
    uint32_t line, shelf;
    bk_str_t column[COLUMNS_MAX];
    struct bk_reason *reason;
};

static int bad(const struct reading *r, const char *what)
{
    return bk_reason_set(r->reason, BK_EINVAL, "src/shop/%s.tsv:%u: %s", r->file, (unsigned)r->line,
                         what);
}

static struct reading reading_of(struct tables *tables, const char *file, const unsigned char *p,
                                 size_t len, struct bk_reason *reason)
{
    return (struct reading){
        .tables = tables, .file = file, .rest = bk_str((const char *)p, len), .reason = reason};
}

static int open_shelf(struct reading *r, bk_str_t line)
{
    bk_str_t part, rest = bk_str(line.p + 1, line.len - 1);
    uint32_t levels = 0;
    while (cut(&rest, '>', &part)) {
        if (levels == 3) return bad(r, "more than three levels");
        r->level[levels++] = trim(part);
    }
    r->shelf++;
    return levels == 3 ? BK_OK : bad(r, "not three levels");
}

/* 1 with a row of so many columns; 0 at the end; or the error. */
static int next_row(struct reading *r, uint32_t columns)
{
    bk_str_t line;
    while (cut(&r->rest, '\n', &line)) {
        r->line++;
        if (!line.len || line.p[0] == '#') continue;
        if (line.p[0] == '>') {
            int code = open_shelf(r, line);
            if (code) return code;
            continue;
        }
        uint32_t count = 0;
        while (count < COLUMNS_MAX && cut(&line, '\t', &r->column[count])) count++;
        return count == columns ? 1 : bad(r, "not the columns of its head");
    }
    return 0;
}

/* ---- goods ---- */

static bool read_sizes(struct good *good, bk_str_t list)
{
    bk_str_t part, name;
    while (cut(&list, ';', &part)) {
        if (good->size_count == SIZES_MAX) return false;
        uint32_t at = good->size_count++;
        if (!cut(&part, '=', &name) || !number(part, &good->size[at].percent)) return false;
        good->size[at].name = name;
    }
    return true;
}

static bool read_varieties(struct good *good, bk_str_t list)
{
    bk_str_t part;
    while (cut(&list, ';', &part)) {
        if (good->variety_count == VARIETIES_MAX) return false;
        good->variety[good->variety_count++] = part;
    }
    return true;
}

static bool read_diet(struct good *good, bk_str_t list)
{
    static const char *const words[] = {"vegan", "vegetarian", "fish", "meat", "non-food"};
    bk_str_t part;
    if (!cut(&list, ',', &part)) return false;
    unsigned i = 0;
    while (i < BK_COUNTOF(words) && !is(part, words[i])) i++;
    good->diet = (enum diet)i;
    good->alcohol = cut(&list, ',', &part) && is(part, "alcohol");
    return i < BK_COUNTOF(words);
}

static bool read_when(struct good *good, bk_str_t list)
{
    bk_str_t part;
    if (nothing(list)) return true;
    while (cut(&list, ',', &part)) {
        bool only = part.len && part.p[part.len - 1] == '!';
        if (only) part.len--;
        uint8_t weather = is(part, "hot") ? WEATHER_HOT : is(part, "cold") ? WEATHER_COLD : 0;
        uint16_t season = 0;
        if (!weather && !bits_of(part, bk__season_words, SEASONS, &season)) return false;
        good->weather |= weather;
        good->seasons |= (uint8_t)season;
        if (only) good->weather_only |= weather;
        if (only) good->seasons_only |= (uint8_t)season;
    }
    return true;
}

static bool read_nutrition(struct good *good, bk_str_t list)
{
    bk_str_t part;
    uint32_t value, count = 0;
    for (int i = 0; i < 4; i++) good->nutrition[i] = -1;
    if (nothing(list)) return true;
    while (count < 4 && cut(&list, '/', &part)) {
        if (!number(part, &value)) return false;
        good->nutrition[count++] = (int32_t)value;
    }
    return count == 4;
}

static int read_good(struct reading *r)
{
    struct tables *tables = r->tables;
    if (tables->good_count == GOODS_MAX) return bad(r, "too many goods");
    struct good *good = &tables->good[tables->good_count++];
    uint32_t price;
    good->name = r->column[0];
    memcpy(good->level, r->level, sizeof good->level);
    good->shelf = r->shelf;
    if (!number(r->column[1], &price) || !price) return bad(r, "price");
    good->price_minor = price;
    if (!read_sizes(good, r->column[2])) return bad(r, "sizes");
    if (!read_varieties(good, r->column[3])) return bad(r, "varieties");
    good->brands = r->column[4];
    if (!read_diet(good, r->column[5])) return bad(r, "diet");
    if (!bits_of(r->column[6], bk__allergen_words, ALLERGENS, &good->allergens))
        return bad(r, "allergens");
    if (!number(r->column[7], &good->pull) || !good->pull) return bad(r, "pull");
    if (!number(r->column[8], &good->days) || !good->days) return bad(r, "days");
    if (!read_when(good, r->column[9])) return bad(r, "when");
    if (!read_nutrition(good, r->column[11])) return bad(r, "nutrition");
    return BK_OK;
}

static uint32_t find_good(const struct tables *tables, bk_str_t name)
{
    uint32_t i = 0;
    while (i < tables->good_count && !bk_str_eq(tables->good[i].name, name)) i++;
    return i;
}

/* The second walk over the goods: what goes with what, now that all have a number. */
static int link_goods(struct reading *r)
{
    struct tables *tables = r->tables;
    int got;
    for (uint32_t i = 0; (got = next_row(r, GOOD_COLUMNS)) == 1; i++) {
        bk_str_t list = r->column[10], part;
        struct good *good = &tables->good[i];
        if (nothing(list)) continue;
        while (cut(&list, ',', &part)) {
            uint32_t other = find_good(tables, part);
            if (other == tables->good_count || good->with_count == WITH_MAX)
                return bad(r, "goes with what is not sold, or with too much");
            good->with[good->with_count++] = (uint16_t)other;
        }
    }
    return got;
}

/* ---- brands, households, names ---- */

static int read_brand(struct reading *r)
{
    static const char *const tiers[] = {"value", "standard", "premium", "organic"};
    struct tables *tables = r->tables;
    if (tables->brand_count == BRANDS_MAX) return bad(r, "too many brands");
    struct brand *brand = &tables->brand[tables->brand_count++];
    unsigned tier = 0;
    brand->name = r->column[0];
    brand->groups = r->column[1];
    while (tier < BK_COUNTOF(tiers) && !is(r->column[2], tiers[tier])) tier++;
    if (tier == BK_COUNTOF(tiers)) return bad(r, "tier");
    brand->tier = (enum tier)tier;
    bool good = number(r->column[3], &brand->price_percent) &&
                number(r->column[4], &brand->share) && number(r->column[5], &brand->range);
    return good ? BK_OK : bad(r, "price, share or range");
}

static bool read_digits(bk_str_t text, uint8_t *out, uint32_t count)
{
    uint32_t sum = 0;
    if (text.len != count) return false;
    for (uint32_t i = 0; i < count; i++) {
        if (text.p[i] < '0' || text.p[i] > '9') return false;
        out[i] = (uint8_t)(text.p[i] - '0');
        sum += out[i];
    }
    return sum > 0;
}

/* How near a name is to a good: 4 its own, 3 its shelf's, 2, 1; 0: not its. */
static unsigned nearness(const struct good *good, bk_str_t name)
{
    if (bk_str_eq(good->name, name)) return 4;
    for (unsigned i = 3; i > 0; i--)
        if (bk_str_eq(good->level[i - 1], name)) return i;
    return 0;
}

static bool read_likes(const struct tables *tables, struct kind *kind, bk_str_t list)
{
    uint8_t nearest[GOODS_MAX] = {0};
    bk_str_t part, name;
    for (uint32_t i = 0; i < tables->good_count; i++) kind->like_percent[i] = 100;
    if (nothing(list)) return true;
    while (cut(&list, ';', &part)) {
        uint32_t percent;
        bool known = false;
        if (!cut(&part, '=', &name) || !number(part, &percent) || percent > 10000) return false;
        for (uint32_t i = 0; i < tables->good_count; i++) {
            unsigned near = nearness(&tables->good[i], name);
            known |= near > 0;
            if (!near || near < nearest[i]) continue;
            nearest[i] = (uint8_t)near;
            kind->like_percent[i] = (uint16_t)percent;
        }
        if (!known) return false;
    }
    return true;
}

static bool read_kind_diet(struct kind *kind, bk_str_t word)
{
    kind->vegan = is(word, "vegan");
    kind->vegetarian = kind->vegan || is(word, "vegetarian");
    if (kind->vegetarian || nothing(word)) return true;
    return word.len && word.p[0] == '-' &&
           bits_of(bk_str(word.p + 1, word.len - 1), bk__allergen_words, ALLERGENS, &kind->avoids);
}

static int read_kind(struct reading *r)
{
    struct tables *tables = r->tables;
    if (tables->kind_count == KINDS_MAX) return bad(r, "too many kinds");
    struct kind *kind = &tables->kind[tables->kind_count++];
    uint32_t *const numbers[] = {
        &kind->share,       &kind->people, &kind->trips_tenths, &kind->big,     &kind->lines_big,
        &kind->lines_small, &kind->thrift, &kind->loyal,        &kind->curious, &kind->online};
    bk_str_t ages = r->column[15], from;
    kind->name = r->column[0];
    for (unsigned i = 0; i < BK_COUNTOF(numbers); i++)
        if (!number(r->column[1 + i], numbers[i])) return bad(r, "a number");
    if (!kind->lines_big || !kind->lines_small || !kind->trips_tenths)
        return bad(r, "trips, lines");
    if (!read_kind_diet(kind, r->column[11])) return bad(r, "diet");
    if (!read_digits(r->column[12], kind->week, 7)) return bad(r, "week");
    if (!read_digits(r->column[13], kind->hours, 24)) return bad(r, "hours");
    if (!read_likes(tables, kind, r->column[14])) return bad(r, "likes");
    if (!cut(&ages, '-', &from) || !number(from, &kind->age_from) || !number(ages, &kind->age_to) ||
        kind->age_to < kind->age_from)
        return bad(r, "age");
    return BK_OK;
}

static int read_name(struct reading *r)
{
    struct tables *tables = r->tables;
    if (tables->name_count == NAMES_MAX) return bad(r, "too many names");
    tables->first_name[tables->name_count] = r->column[0];
    tables->last_name[tables->name_count++] = r->column[1];
    return BK_OK;
}

/* ---- all ---- */

static int read_rows(struct reading r, uint32_t columns, int (*read)(struct reading *r))
{
    int got = 0, code = 0;
    while (!code && (got = next_row(&r, columns)) == 1) code = read(&r);
    return code ? code : got;
}

int bk__tables_read(struct tables *tables, struct bk_reason *reason)
{
    *tables = (struct tables){0};
    struct reading goods = reading_of(tables, "goods", bk__shop_goods, bk__shop_goods_len, reason);
    struct reading brands =
        reading_of(tables, "brands", bk__shop_brands, bk__shop_brands_len, reason);
    struct reading kinds =
        reading_of(tables, "households", bk__shop_households, bk__shop_households_len, reason);
    struct reading names = reading_of(tables, "names", bk__shop_names, bk__shop_names_len, reason);
    struct reading again = goods;
    int code = read_rows(goods, GOOD_COLUMNS, read_good);
    if (!code) code = link_goods(&again);
    if (!code) code = read_rows(brands, BRAND_COLUMNS, read_brand);
    if (!code) code = read_rows(kinds, KIND_COLUMNS, read_kind);
    if (!code) code = read_rows(names, 2, read_name);
    return code;
}

bool bk__tables_allows(const struct kind *kind, const struct good *good)
{
    if (good->diet == DIET_NON_FOOD) return true;
    if (kind->vegan && good->diet != DIET_VEGAN) return false;
    if (kind->vegetarian && good->diet != DIET_VEGAN && good->diet != DIET_VEGETARIAN) return false;
    return !(kind->avoids & good->allergens);
}
