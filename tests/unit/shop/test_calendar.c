/* test_calendar.c -- days have a season, weather and opening hours, and shopping follows them. */
#include "shop_kit.h"

enum { YEAR_DAYS = 365 };

/* How often goods were bought in each month (1..12) of a year. */
struct year {
    uint32_t mince_pies[13], ice_cream[13], easter_eggs[13], milk[13];
    uint32_t weekday[7], hour[24];
};

static uint32_t month_of(bk_wall_ms_t ms)
{
    static const uint32_t ends[] = {31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};
    uint32_t day = (uint32_t)((ms - KIT_START) / KIT_DAY_MS) + 5,
             month = 0; /* the 6th of January */
    while (month < 11 && day >= ends[month]) month++;
    return month + 1;
}

static const struct year *a_year(void)
{
    static struct year year;
    static bool done;
    if (done) return &year;
    done = true;
    struct bk_shop *shop = kit_shop(1, 100);
    struct bk_shop_record record;
    while (bk_shop_next(shop, &record) &&
           record.time_ms < KIT_START + (YEAR_DAYS - 6) * (bk_wall_ms_t)KIT_DAY_MS) {
        if (record.topic != BK_TOPIC_EVENTS || record.event->kind != BK_EVENT_PURCHASED) continue;
        uint32_t month = month_of(record.time_ms);
        bool till = kit_is(record.event->device, "till");
        year.weekday[(record.time_ms - KIT_START) / KIT_DAY_MS % 7]++;
        year.hour[record.time_ms / 3600000 % 24]++;
        for (uint32_t l = 0; l < record.event->line_count; l++) {
            bk_str_t good = bk_shop_product(shop, kit_product(shop, &record.event->lines[l])).good;
            /* a cart left online in the season may be bought after it: look at the till */
            year.mince_pies[month] += till && kit_is(good, "Mince pies");
            year.easter_eggs[month] += till && kit_is(good, "Easter egg");
            year.ice_cream[month] += kit_is(good, "Ice cream");
            year.milk[month] += kit_is(good, "Milk");
        }
    }
    bk_shop_destroy(&shop);
    return &year;
}

static void mince_pies_are_bought_before_christmas_alone(void **state)
{
    (void)state;
    const struct year *year = a_year();
    for (uint32_t month = 1; month <= 10; month++) assert_int_equal(year->mince_pies[month], 0);
    assert_true(year->mince_pies[12] > 10);
}

static void easter_eggs_are_bought_before_easter_alone(void **state)
{
    (void)state;
    const struct year *year = a_year(); /* Easter 2025 is the 20th of April */
    assert_true(year->easter_eggs[3] + year->easter_eggs[4] > 10);
    for (uint32_t month = 5; month <= 12; month++) assert_int_equal(year->easter_eggs[month], 0);
    assert_int_equal(year->easter_eggs[1] + year->easter_eggs[2], 0);
}

static void ice_cream_sells_in_the_heat_and_milk_all_year(void **state)
{
    (void)state;
    const struct year *year = a_year();
    uint32_t summer = year->ice_cream[6] + year->ice_cream[7] + year->ice_cream[8],
             autumn = year->ice_cream[10] + year->ice_cream[11] + year->ice_cream[2];
    if (summer < 2 * autumn) fail_msg("ice cream: %u in summer, %u in cold months", summer, autumn);
    for (uint32_t month = 2; month <= 12; month++) {
        assert_true(year->milk[month] * 2 > year->milk[3]);
        assert_true(year->milk[month] < 2 * year->milk[3]);
    }
}

static void nights_are_quiet_and_weekends_busy(void **state)
{
    (void)state;
    const struct year *year = a_year();
    uint32_t night = year->hour[2] + year->hour[3] + year->hour[4], day = year->hour[11];
    assert_true(day > 10 * night);
    assert_true(year->weekday[5] > year->weekday[1]); /* Saturday, Tuesday */
}

/* ---- stock ---- */

/* north, south, east, west by their first letter */
static uint32_t store_of(const struct bk_event *event)
{
    const char *letters = "nsew";
    return (uint32_t)(strchr(letters, event->store.p[10]) - letters);
}

static void nobody_carries_home_what_the_store_said_it_has_not(void **state)
{
    (void)state;
    static bool out[4][8192];
    struct bk_shop *shop = kit_shop(1, 100);
    struct bk_shop_record record;
    uint32_t events = 0, told_out = 0;
    for (uint32_t i = 0; i < bk_shop_fact_count(shop); i++) {
        bk_shop_fact(shop, i, &record);
        if (record.topic != BK_TOPIC_STOCK) continue;
        bool *shelf = &out[store_of(record.event)][kit_product(shop, &record.event->lines[0])];
        *shelf = record.event->available == 0;
    }
    while (bk_shop_next(shop, &record) && events < 40000) {
        const struct bk_event *event = record.event;
        if (!event) continue;
        bool *store = out[store_of(event)];
        if (event->kind == BK_EVENT_STOCK) {
            store[kit_product(shop, &event->lines[0])] = event->available == 0;
            told_out += event->available == 0;
            continue;
        }
        events++;
        /* Online a visit may have begun before the night: look at the till, after the night. */
        bool receipt = event->kind == BK_EVENT_PURCHASED && kit_is(event->device, "till");
        if (!receipt || record.time_ms / 3600000 % 24 < 5) continue;
        for (uint32_t l = 0; l < event->line_count; l++)
            assert_false(store[kit_product(shop, &event->lines[l])]);
    }
    assert_true(told_out > 100);
    bk_shop_destroy(&shop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mince_pies_are_bought_before_christmas_alone),
        cmocka_unit_test(easter_eggs_are_bought_before_easter_alone),
        cmocka_unit_test(ice_cream_sells_in_the_heat_and_milk_all_year),
        cmocka_unit_test(nights_are_quiet_and_weekends_busy),
        cmocka_unit_test(nobody_carries_home_what_the_store_said_it_has_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
