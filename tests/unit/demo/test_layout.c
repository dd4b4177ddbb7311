/* test_layout.c -- the demo's model becomes lines that fit, whatever the names. */
#include "basketry/demo.h"

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const int64_t now_ms = INT64_C(1700000000000);

struct kit {
    struct bk_demo_model model;
    struct bk_demo_screen screen;
};

static void put_item(struct bk_demo_list *list, const char *name, const char *why, const char *tag)
{
    struct bk_demo_item *item = &list->item[list->count++];
    bk_demo_copy(item->name, sizeof item->name, bk_str_c(name));
    bk_demo_copy(item->why, sizeof item->why, bk_str_c(why));
    bk_demo_copy(item->tag, sizeof item->tag, bk_str_c(tag));
}

static void put_list(struct bk_demo_model *model, enum bk_demo_list_name name,
                     const char *algorithm)
{
    struct bk_demo_list *list = &model->list[name];
    list->there = true;
    list->age_ms = 4;
    list->seen_ms = now_ms - 2000;
    bk_demo_copy(list->algorithm, sizeof list->algorithm, bk_str_c(algorithm));
}

static struct kit *a_shop_in_full_swing(bool utf8)
{
    struct kit *kit = calloc(1, sizeof *kit);
    assert_non_null(kit);
    struct bk_demo_model *m = &kit->model;
    m->utf8 = utf8;
    m->mode = BK_DEMO_WATCHING;
    m->shown = BK_DEMO_STACKED;
    m->now_ms = now_ms;
    m->speed = 300;
    m->age_p50_us = 3100;
    m->age_p99_us = 9400;
    m->memory_bytes = 61000000;
    bk_demo_model_follow(m, BK_STR("Ada Fields (simulated)"), BK_STR("young baby"),
                         BK_STR("c:sim-c7"));
    bk_demo_model_click(m, now_ms - 3000, "searches", BK_STR("\"bread\""), false);
    bk_demo_model_click(m, now_ms - 2000, "views", BK_STR("Wholemeal bread 800 g"), false);
    put_list(m, BK_DEMO_HOME, "session blend");
    put_list(m, BK_DEMO_CART, "cart complements");
    put_item(&m->list[BK_DEMO_HOME], "Salted butter 250 g", "often bought with Wholemeal bread",
             "bought together");
    put_item(&m->list[BK_DEMO_HOME], "Bananas 1 kg", "you buy it regularly", "buy again");
    m->list[BK_DEMO_HOME].item[0].fresh = true;
    m->list[BK_DEMO_HOME].item[1].moved = 3;
    return kit;
}

static const char *line_at(struct kit *kit, uint32_t row)
{
    return kit->screen.line[row].text;
}

static bool shows(struct kit *kit, const char *text)
{
    for (uint32_t row = 0; row < kit->screen.rows; row++)
        if (strstr(line_at(kit, row), text)) return true;
    return false;
}

static void lay_out(struct kit *kit, uint32_t columns, uint32_t rows)
{
    bk_demo_layout(&kit->model, columns, rows, &kit->screen);
    assert_int_equal(kit->screen.rows, rows < BK_DEMO_ROWS_MAX ? rows : BK_DEMO_ROWS_MAX);
    for (uint32_t row = 0; row < kit->screen.rows; row++) {
        const struct bk_demo_line *line = &kit->screen.line[row];
        assert_int_equal(line->columns, kit->screen.columns);
        assert_int_equal(bk_demo_columns(line->text, kit->model.utf8), kit->screen.columns);
        assert_int_equal(line->len, strlen(line->text));
        if (line->len) assert_int_equal(line->span[line->span_count - 1].end, line->len);
        for (uint32_t i = 0; i < line->len; i++)
            assert_true((unsigned char)line->text[i] >= 0x20 && line->text[i] != 0x7f);
    }
}

static void eighty_columns_show_shopper_clicks_lists_ages_and_keys(void **state)
{
    (void)state;
    struct kit *kit = a_shop_in_full_swing(true);
    lay_out(kit, 80, 24);
    assert_non_null(strstr(line_at(kit, 0), "SIMULATED"));
    assert_non_null(strstr(line_at(kit, 0), "clock 300x"));
    assert_non_null(strstr(line_at(kit, 1), "Ada Fields (simulated), young baby, c:sim-c7"));
    assert_true(shows(kit, "home: session blend"));
    assert_true(shows(kit, "age 4 ms, 2 s ago"));
    assert_true(shows(kit, "new Salted butter 250 g"));
    assert_true(shows(kit, "bought with Wholemeal"));
    assert_true(shows(kit, "▲3  Bananas 1 kg"));
    assert_true(shows(kit, "cart: cart complements"));
    assert_true(shows(kit, "(no product was looked at)"));
    assert_non_null(strstr(line_at(kit, 22), "age p50 3.1 ms p99 9.4 ms  61 MB"));
    assert_non_null(strstr(line_at(kit, 23), "q quit"));
    free(kit);
}

static void clicks_stand_newest_first_on_two_lines_or_one(void **state)
{
    (void)state;
    struct kit *kit = a_shop_in_full_swing(true);
    lay_out(kit, 80, 24);
    assert_non_null(strstr(line_at(kit, 3), "views"));
    assert_non_null(strstr(line_at(kit, 4), "Wholemeal bread 800 g"));
    assert_non_null(strstr(line_at(kit, 5), "searches"));
    lay_out(kit, 200, 60);
    assert_non_null(strstr(line_at(kit, 3), "views       Wholemeal bread 800 g"));
    assert_non_null(strstr(line_at(kit, 4), "searches    \"bread\""));
    free(kit);
}

static void a_wide_screen_has_room_for_tags_and_whole_reasons(void **state)
{
    (void)state;
    struct kit *kit = a_shop_in_full_swing(true);
    lay_out(kit, 200, 60);
    assert_true(shows(kit, "bought together   often bought with Wholemeal bread"));
    free(kit);
}

static void a_large_list_shows_tag_and_reason_of_each_item(void **state)
{
    (void)state;
    struct kit *kit = a_shop_in_full_swing(true);
    kit->model.shown = BK_DEMO_HOME;
    lay_out(kit, 80, 24);
    assert_true(shows(kit, "bought together"));
    assert_true(shows(kit, "often bought with Wholemeal bread"));
    assert_false(shows(kit, "cart complements"));
    free(kit);
}

static void more_clicks_than_are_kept_leave_the_last_ones(void **state)
{
    (void)state;
    struct kit *kit = a_shop_in_full_swing(true);
    char name[32];
    for (int i = 0; i < 3 * BK_DEMO_CLICKS_MAX; i++) {
        int len = snprintf(name, sizeof name, "product %d.", i);
        bk_demo_model_click(&kit->model, now_ms, "views", bk_str(name, (size_t)len), false);
    }
    lay_out(kit, 200, 100);
    assert_non_null(strstr(line_at(kit, 3), "product 191."));
    assert_non_null(strstr(line_at(kit, 3 + BK_DEMO_CLICKS_MAX - 1), "product 128."));
    assert_false(shows(kit, "product 127."));
    free(kit);
}

static void names_of_any_width_keep_every_line_in_its_columns(void **state)
{
    (void)state;
    static const char *const names[] = {
        "有機バナナ 四本入り とてもおいしい果物の名前",
        "🧺🍞🥛 emoji basket 🧺🍞🥛🧺🍞🥛🧺🍞🥛🧺",
        "Žluťoučký kůň úpěl ďábelské ódy jogurt 500 g",
        ("e\xcc\x81"
         "clair a\xcc\x8a combining"),
        "control \x1b[2J\x01\x7f characters",
        "broken \xff\xc3 utf-8 \xe2\x82",
        "a name so long that no column of any screen in any shop could ever hold the whole of it"};
    static const uint32_t sizes[][2] = {{80, 24}, {200, 60}, {61, 13}, {81, 25}, {320, 120}};
    for (size_t n = 0; n < BK_COUNTOF(names); n++) {
        struct kit *kit = a_shop_in_full_swing(true);
        struct bk_demo_model *m = &kit->model;
        bk_demo_model_click(m, now_ms, "views", bk_str_c(names[n]), false);
        for (int i = 0; i < 15; i++)
            put_item(&m->list[i % BK_DEMO_LIST_COUNT], names[n], names[n], names[n]);
        bk_demo_copy(m->list[BK_DEMO_PRODUCT].about, BK_DEMO_NAME_BYTES, bk_str_c(names[n]));
        m->list[BK_DEMO_PRODUCT].there = true;
        for (size_t i = 0; i < BK_COUNTOF(sizes); i++)
            for (int shown = 0; shown <= BK_DEMO_STACKED; shown++) {
                m->shown = (enum bk_demo_list_name)shown;
                m->utf8 = i % 2 == 0;
                lay_out(kit, sizes[i][0], sizes[i][1]);
            }
        free(kit);
    }
}

static void a_wide_character_is_never_cut_in_half(void **state)
{
    (void)state;
    struct bk_demo_line line = {.len = 0};
    bk_demo_put(&line, BK_DEMO_PLAIN, "バナナ", 4,
                true); /* six columns into four: one and an ellipsis */
    assert_string_equal(line.text, "バ… ");
    assert_int_equal(bk_demo_columns(line.text, true), 4);
}

static void without_utf8_everything_is_ascii(void **state)
{
    (void)state;
    struct kit *kit = a_shop_in_full_swing(false);
    put_item(&kit->model.list[BK_DEMO_CART], "Crème brûlée", "バナナ", "");
    lay_out(kit, 80, 24);
    for (uint32_t row = 0; row < kit->screen.rows; row++)
        for (const char *c = line_at(kit, row); *c; c++) assert_true((unsigned char)*c < 0x80);
    assert_true(shows(kit, "+3  Bananas"));
    assert_true(shows(kit, "Cr?me br?l?e"));
    free(kit);
}

static void the_one_who_acts_sees_matches_with_prices(void **state)
{
    (void)state;
    struct kit *kit = a_shop_in_full_swing(true);
    struct bk_demo_model *m = &kit->model;
    m->mode = BK_DEMO_SEARCHING;
    bk_demo_copy(m->query, sizeof m->query, BK_STR("mi"));
    lay_out(kit, 80, 24);
    assert_true(shows(kit, "search: mi_"));
    assert_true(shows(kit, "no product has these"));
    m->match_count = 2;
    m->chosen = 1;
    m->match[1].price_minor = 219;
    bk_demo_copy(m->match[1].name, BK_DEMO_NAME_BYTES, BK_STR("Milk 1 l"));
    m->mode = BK_DEMO_CHOSEN;
    lay_out(kit, 80, 24);
    assert_true(shows(kit, " > Milk 1 l"));
    assert_true(shows(kit, " 2.19"));
    assert_true(shows(kit, "b buy the cart"));
    free(kit);
}

static void a_small_or_starting_or_asked_screen_says_so(void **state)
{
    (void)state;
    struct kit *kit = a_shop_in_full_swing(true);
    lay_out(kit, 40, 10);
    assert_true(shows(kit, "too small"));
    lay_out(kit, 1, 1);
    lay_out(kit, 1000, 1000);
    kit->model.help = true;
    lay_out(kit, 80, 24);
    assert_true(shows(kit, "Nothing stays behind"));
    for (uint32_t row = 2; row < 22; row++)
        assert_null(strstr(line_at(kit, row), "…")); /* all fits */
    kit->model.help = false;
    kit->model.mode = BK_DEMO_STARTING;
    bk_demo_copy(kit->model.doing, sizeof kit->model.doing, BK_STR("filling the shelves"));
    lay_out(kit, 80, 24);
    assert_true(shows(kit, "filling the shelves"));
    assert_false(shows(kit, "events/s"));
    free(kit);
}

static void a_pause_is_said(void **state)
{
    (void)state;
    struct kit *kit = a_shop_in_full_swing(true);
    kit->model.paused = true;
    lay_out(kit, 80, 24);
    assert_non_null(strstr(line_at(kit, 0), "PAUSED"));
    free(kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(eighty_columns_show_shopper_clicks_lists_ages_and_keys),
        cmocka_unit_test(clicks_stand_newest_first_on_two_lines_or_one),
        cmocka_unit_test(a_wide_screen_has_room_for_tags_and_whole_reasons),
        cmocka_unit_test(a_large_list_shows_tag_and_reason_of_each_item),
        cmocka_unit_test(more_clicks_than_are_kept_leave_the_last_ones),
        cmocka_unit_test(names_of_any_width_keep_every_line_in_its_columns),
        cmocka_unit_test(a_wide_character_is_never_cut_in_half),
        cmocka_unit_test(without_utf8_everything_is_ascii),
        cmocka_unit_test(the_one_who_acts_sees_matches_with_prices),
        cmocka_unit_test(a_small_or_starting_or_asked_screen_says_so),
        cmocka_unit_test(a_pause_is_said),
    };
    if (!setlocale(LC_CTYPE, "C.UTF-8")) return 77;
    setenv("TZ", "UTC", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
