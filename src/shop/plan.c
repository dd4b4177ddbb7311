/* plan.c -- what a household wants of a visit.
 *
 *   1. how much: a big or a small shop, lognormal around the kind's median
 *   2. habits: drawn by how due they are, half of them first; then what goes with those is likelier
 *   3. curiosity: complements of what is planned, what season and weather bring, or anything
 *   4. which product: mostly the usual one, unless the shelf is empty or a promotion tempts
 *   5. in which order: along the shelves
 *
 * COST  lines x habits: some microseconds a visit.
 */
#include "internal.h"

enum {
    FRESH_DAYS = 8,
    TRIES = 6,
    THEME_PERCENT = 60,
    THEME_FACTOR = 7,
    COMPLEMENT_PERCENT = 70,
    COMPANION_PERCENT = 16
};

static const double NEVER = 1e300;

struct planning {
    struct bk_shop *shop;
    struct shopper *its;
    struct visit *visit;
    const struct kind *kind;
    struct habit *habit;
    double key[BK_SHOP_HABITS_MAX];   /* the smallest is wanted most */
    uint64_t planned[GOODS_MAX / 64]; /* goods */
};

static bool is_planned(const struct planning *p, uint32_t good)
{
    return p->planned[good / 64] >> (good % 64) & 1;
}

static void put_want(struct planning *p, uint32_t product, bool curious)
{
    struct visit *visit = p->visit;
    uint32_t good = p->shop->catalogue.product[product].good;
    uint32_t days = p->shop->catalogue.tables.good[good].days, quantity = 1;
    if (visit->plan_count == PLAN_MAX) return;
    if (bk__chance_percent(&p->its->chance, p->kind->people >= 3 ? 24 : 9)) quantity++;
    if (days <= 9 && bk__chance_percent(&p->its->chance, 14)) quantity++;
    bool only_looks = curious && bk__chance_percent(&p->its->chance, 22);
    p->planned[good / 64] |= UINT64_C(1) << (good % 64);
    visit->plan[visit->plan_count++] = (struct want){.product = (uint16_t)product,
                                                     .quantity = (uint8_t)quantity,
                                                     .curious = curious,
                                                     .buy = !only_looks};
}

/* ---- how much ---- */

static uint32_t draw_lines(struct planning *p, bool big)
{
    double median = big ? p->kind->lines_big : p->kind->lines_small;
    double lines =
        median * (double)p->its->size * bk__chance_lognormal(&p->its->chance, BASKET_SIGMA);
    uint32_t count = (uint32_t)(lines + 0.5);
    return count < 1 ? 1 : count > PLAN_MAX ? PLAN_MAX : count;
}

/* ---- habits ---- */

/* How much a habit asks to be served, `part` of its interval after the last time: about one when
 * due, on average. */
static double urgency(double part)
{
    if (part < 0.4) return 0.03;
    if (part < 0.8) return 0.03 + (part - 0.4) * 1.2;
    if (part < 1.4) return 0.51 + (part - 0.8) * 4.0;
    return part < 3 ? 2.91 + (part - 1.4) * 1.5 : 5.3;
}

/* Many small visits have a theme: lunch, the bathroom, an evening with guests. NULL: none. */
static const struct good *draw_theme(struct planning *p, bool big)
{
    if (big || !p->its->habit_count || !bk__chance_percent(&p->its->chance, THEME_PERCENT))
        return NULL;
    uint32_t habit = bk__chance_below(&p->its->chance, p->its->habit_count);
    return &p->shop->catalogue.tables.good[p->habit[habit].good];
}

static bool same_department(const struct good *a, const struct good *b)
{
    return bk_str_eq(a->level[0], b->level[0]);
}

/* How many of its intervals fit between two visits: over a whole interval, whatever its length, the
 * chances of being served add up to the same. */
static double chance_of_visit(const struct planning *p, const struct habit *habit)
{
    double part = 70.0 / p->kind->trips_tenths / (double)habit->interval_days;
    return part < 1 ? part : 1;
}

static void weigh_habits(struct planning *p, bool big, bk_wall_ms_t now_ms)
{
    const struct good *theme = draw_theme(p, big);
    int32_t now_min = (int32_t)(now_ms / MINUTE_MS);
    for (uint32_t i = 0; i < p->its->habit_count; i++) {
        const struct habit *habit = &p->habit[i];
        const struct good *good = &p->shop->catalogue.tables.good[habit->good];
        /* Season and weather shorten and stretch the interval, and tempt besides. */
        double demand = p->shop->demand[habit->good] / 100.0;
        double part =
            (now_min - habit->last_min) * demand / ((double)habit->interval_days * 1440.0);
        double weight = urgency(part) * demand * chance_of_visit(p, habit);
        if (!big && good->days <= FRESH_DAYS) weight *= 2;
        if (theme && same_department(good, theme)) weight *= THEME_FACTOR;
        p->key[i] = weight > 0 ? bk__chance_exponential(&p->its->chance) / weight : NEVER;
    }
}

/* The usual product, the second one, or one that the shelf suggests. */
static uint32_t choose_of_habit(struct planning *p, const struct habit *habit)
{
    struct bk_shop *shop = p->shop;
    uint32_t lot = bk__chance_below(&p->its->chance, 100), loyal = p->kind->loyal;
    uint32_t product = lot < loyal                       ? habit->product
                       : lot < loyal + (100 - loyal) / 2 ? habit->second
                                                         : NONE;
    const struct good *good = &shop->catalogue.tables.good[habit->good];
    uint32_t other = good->first + bk__chance_below(&p->its->chance, good->count);
    uint32_t off = bk__calendar_discount(shop->params.seed, other, bk__calendar_week(shop->day));
    if (off && bk__chance_percent(&p->its->chance, p->its->thrift)) product = other;
    if (product != NONE && bk__calendar_stock(shop->params.seed, &shop->catalogue, product,
                                              p->its->store, shop->day, shop->seasons))
        return product;
    return bk__household_choose(shop, p->its, habit->good, true);
}

/* Some buy two kinds of yoghurt or crisps at once. */
static void put_another_variety(struct planning *p, uint32_t good, uint32_t first)
{
    if (p->shop->catalogue.tables.good[good].variety_count < 3 ||
        !bk__chance_percent(&p->its->chance, 9))
        return;
    uint32_t product = bk__household_choose(p->shop, p->its, good, true);
    if (product != NONE && product != first) put_want(p, product, false);
}

/* And some want what goes with it, due or not. */
static uint32_t put_companion(struct planning *p, uint32_t good)
{
    const struct tables *tables = &p->shop->catalogue.tables;
    const struct good *what = &tables->good[good];
    if (!what->with_count || !bk__chance_percent(&p->its->chance, COMPANION_PERCENT)) return 0;
    uint32_t other = what->with[bk__chance_below(&p->its->chance, what->with_count)];
    if (is_planned(p, other) || !bk__tables_allows(p->kind, &tables->good[other])) return 0;
    uint32_t product = bk__household_choose(p->shop, p->its, other, true);
    if (product == NONE) return 0;
    put_want(p, product, false);
    return 1;
}

static uint32_t serve_habits(struct planning *p, uint32_t count)
{
    uint32_t served = 0;
    while (served < count) {
        uint32_t best = NONE;
        for (uint32_t i = 0; i < p->its->habit_count; i++)
            if (p->key[i] < NEVER && (best == NONE || p->key[i] < p->key[best])) best = i;
        if (best == NONE) break;
        p->key[best] = NEVER;
        uint32_t product = choose_of_habit(p, &p->habit[best]);
        if (product == NONE) continue; /* nothing of it on the shelf */
        put_want(p, product, false);
        put_another_variety(p, p->habit[best].good, product);
        served += 1 + (served + 1 < count ? put_companion(p, p->habit[best].good) : 0);
    }
    return served;
}

/* What goes with the planned is wanted several times as much. */
static void favour_complements(struct planning *p)
{
    const struct tables *tables = &p->shop->catalogue.tables;
    for (uint32_t w = 0; w < p->visit->plan_count; w++) {
        const struct good *good =
            &tables->good[p->shop->catalogue.product[p->visit->plan[w].product].good];
        for (uint32_t c = 0; c < good->with_count; c++)
            for (uint32_t i = 0; i < p->its->habit_count; i++)
                if (p->habit[i].good == good->with[c] && p->key[i] < NEVER) p->key[i] *= 0.1;
    }
}

/* ---- curiosity ---- */

/* A good that goes with something planned; NONE when there is none. */
static uint32_t try_complement(struct planning *p)
{
    if (!p->visit->plan_count) return NONE;
    uint32_t w = bk__chance_below(&p->its->chance, p->visit->plan_count);
    const struct good *good =
        &p->shop->catalogue.tables.good[p->shop->catalogue.product[p->visit->plan[w].product].good];
    if (!good->with_count) return NONE;
    uint32_t other = good->with[bk__chance_below(&p->its->chance, good->with_count)];
    return bk__tables_allows(p->kind, &p->shop->catalogue.tables.good[other]) ? other : NONE;
}

/* Any good, by pull, likes, season and weather. */
static uint32_t try_anything(struct planning *p)
{
    const uint32_t *sums = p->shop->draw[p->its->kind];
    uint32_t low = 0, high = p->shop->catalogue.tables.good_count - 1;
    uint32_t lot = bk__chance_below(&p->its->chance, sums[high]);
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (sums[middle] > lot)
            high = middle;
        else
            low = middle + 1;
    }
    return bk__chance_below(&p->its->chance, 330) < p->shop->demand[low] ? low : NONE;
}

static void be_curious(struct planning *p, uint32_t count)
{
    for (uint32_t tried = 0; count && tried < TRIES * PLAN_MAX; tried++) {
        bool complement = bk__chance_percent(&p->its->chance, COMPLEMENT_PERCENT);
        uint32_t good = complement ? try_complement(p) : try_anything(p);
        if (good == NONE || is_planned(p, good)) continue;
        uint32_t product = bk__household_choose(p->shop, p->its, good, true);
        if (product == NONE) continue;
        put_want(p, product, true);
        count--;
    }
}

/* ---- the way through the shop ---- */

/* Department after department, shelf after shelf, in an order of the visit's own; some things only come
 * to mind later. */
static uint64_t place_of(struct planning *p, const struct want *want, uint64_t order)
{
    const struct good *good = bk__catalogue_good(&p->shop->catalogue, want->product);
    uint64_t department = bk_mix(order ^ bk_hash(good->level[0].p, good->level[0].len)) >> 40;
    if (bk__chance_percent(&p->its->chance, 20))
        department = bk__chance_next(&p->its->chance) >> 40;
    return department << 16 | good->shelf;
}

static bool goes_with(const struct planning *p, const struct want *want, const struct want *other)
{
    const struct good *good = bk__catalogue_good(&p->shop->catalogue, want->product);
    uint32_t wanted = p->shop->catalogue.product[other->product].good;
    for (uint32_t c = 0; c < good->with_count; c++)
        if (good->with[c] == wanted) return true;
    return false;
}

static void move_want(struct want *plan, uint32_t from, uint32_t to)
{
    struct want moved = plan[from];
    for (; from > to; from--) plan[from] = plan[from - 1];
    plan[to] = moved;
}

static void walk(struct planning *p)
{
    struct want *plan = p->visit->plan;
    uint64_t place[PLAN_MAX], order = bk__chance_next(&p->its->chance);
    for (uint32_t i = 0; i < p->visit->plan_count; i++) {
        uint64_t its = place_of(p, &plan[i], order);
        uint32_t at = i;
        for (; at && place[at - 1] > its; at--) place[at] = place[at - 1];
        place[at] = its;
        move_want(plan, i, at);
    }
    /* Who takes the pasta thinks of the sauce. */
    for (uint32_t i = 0; i + 1 < p->visit->plan_count; i++)
        for (uint32_t j = i + 1; j < p->visit->plan_count; j++)
            if (goes_with(p, &plan[i], &plan[j]) && bk__chance_percent(&p->its->chance, 70)) {
                move_want(plan, j, i + 1);
                break;
            }
}

void bk__plan(struct bk_shop *shop, struct shopper *its, bk_wall_ms_t now_ms)
{
    struct planning p = {.shop = shop,
                         .its = its,
                         .visit = its->visit,
                         .kind = bk__shop_kind(shop, its),
                         .habit = bk__shop_habits_of(shop, its)};
    bool big = bk__chance_percent(&its->chance, p.kind->big);
    uint32_t lines = draw_lines(&p, big), curious = 0;
    for (uint32_t i = 0; i < lines; i++)
        curious += bk__chance_percent(&its->chance, p.kind->curious);
    p.visit->plan_count = p.visit->plan_at = 0;
    weigh_habits(&p, big, now_ms);
    uint32_t first = serve_habits(&p, (lines - curious + 1) / 2);
    favour_complements(&p);
    (void)serve_habits(&p, lines - curious - first);
    be_curious(&p, curious);
    walk(&p);
}
