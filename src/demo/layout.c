/* layout.c -- the model as a screen of lines. Pure.
 *
 *    bar      what this is, speed, clock
 *    shopper  who is followed
 *    body     left: what the shopper does, newest first │ right: the lists in Redis, one panel each
 *    numbers  events, lists, ages, memory
 *    keys     what can be pressed now
 *
 * Every line takes exactly the screen's columns: cells are put one after another with bk_demo_put,
 * and the last takes what is left. Nothing is drawn over.
 */
#include "basketry/demo.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

enum {
    COLUMNS_MIN = 60,
    ROWS_MIN = 12,
    FRAME_ROWS = 4, /* bar, shopper, numbers, keys */
    GAP = 3,        /* " | " */
    WIDE = 84,      /* a panel of so many columns shows tags, and a large list one line an item */
    LEFT_WIDE = 44, /* so many show a click on one line */
    LEFT_MIN = 24,
    LEFT_MAX = 72,
    STACK = 3, /* lists shown together */
    MARK = 4,  /* "new ", " +2 " */
    TAG = 18,
    TIME = 9,
    VERB = 12,
    FLASH_MS = 900,
};

struct sheet {
    const struct bk_demo_model *model;
    struct bk_demo_screen *screen;
    uint32_t left, right; /* columns of the halves */
    bool utf8;
};

/* ---- cells ---- */

static void put(const struct sheet *sheet, struct bk_demo_line *line, enum bk_demo_style style,
                uint32_t width, const char *format, ...) BK_PRINTF(5, 6);
static void put(const struct sheet *sheet, struct bk_demo_line *line, enum bk_demo_style style,
                uint32_t width, const char *format, ...)
{
    char text[BK_DEMO_LINE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    bk_demo_put(line, style, text, width, sheet->utf8);
}

/* Text at the left and text at the right of a cell; the left one gives way. */
static void put_both(const struct sheet *sheet, struct bk_demo_line *line, enum bk_demo_style style,
                     uint32_t width, const char *left, const char *right)
{
    uint32_t wants = bk_demo_columns(right, sheet->utf8);
    if (wants > width) wants = width;
    bk_demo_put(line, style, left, width - wants, sheet->utf8);
    bk_demo_put(line, style, right, wants, sheet->utf8);
}

static const char *clock_text(char out[16], int64_t at_ms)
{
    time_t at = (time_t)(at_ms / 1000);
    struct tm clock;
    strftime(out, 16, "%H:%M:%S", localtime_r(&at, &clock));
    return out;
}

/* ---- the frame ---- */

static void put_bar(const struct sheet *sheet, struct bk_demo_line *line)
{
    const struct bk_demo_model *m = sheet->model;
    char left[160], right[80], clock[16];
    snprintf(left, sizeof left, " basketry demo: a SIMULATED shop, real lists");
    snprintf(right, sizeof right, "%sclock %gx  %s ", m->paused ? "PAUSED  " : "", m->speed,
             clock_text(clock, m->now_ms));
    put_both(sheet, line, BK_DEMO_BAR, sheet->screen->columns, left, right);
}

static void put_shopper(const struct sheet *sheet, struct bk_demo_line *line)
{
    const struct bk_demo_model *m = sheet->model;
    char left[400], right[64] = "";
    snprintf(left, sizeof left, " %s, %s, %s", m->who, m->kind, m->subject);
    if (m->cart_count) snprintf(right, sizeof right, " cart: %u ", (unsigned)m->cart_count);
    bool you = m->mode == BK_DEMO_SEARCHING || m->mode == BK_DEMO_CHOSEN;
    put_both(sheet, line, you ? BK_DEMO_YOU : BK_DEMO_HEAD, sheet->screen->columns, left, right);
}

static void put_numbers(const struct sheet *sheet, struct bk_demo_line *line)
{
    const struct bk_demo_model *m = sheet->model;
    char ages[80] = "age -", text[300], note[120];
    if (m->age_p50_us >= 0)
        snprintf(ages, sizeof ages, "age p50 %.1f ms p99 %.1f ms", (double)m->age_p50_us / 1000,
                 (double)m->age_p99_us / 1000);
    snprintf(text, sizeof text, " %.0f events/s  %.0f lists/s  %s  %llu MB", m->events_per_s,
             m->lists_per_s, ages, (unsigned long long)(m->memory_bytes / 1000000));
    snprintf(note, sizeof note, "%s ", m->note);
    put_both(sheet, line, BK_DEMO_FAINT, sheet->screen->columns, text, note);
}

static void put_keys(const struct sheet *sheet, struct bk_demo_line *line)
{
    const char *keys = " n/p shopper  l list  a act  +/- speed  space pause  ? help  q quit";
    if (sheet->model->mode == BK_DEMO_STARTING) keys = " q quit";
    if (sheet->model->mode == BK_DEMO_SEARCHING)
        keys = " type some letters  Up/Down choose  Enter take it  Esc stop acting";
    if (sheet->model->mode == BK_DEMO_CHOSEN)
        keys = " v view  c cart  b buy the cart  d dismiss  Up/Down  / search  Esc stop";
    put(sheet, line, BK_DEMO_BAR, sheet->screen->columns, "%s", keys);
}

/* ---- the left half: clicks, and what the person at the keys looks for ---- */

static const struct bk_demo_click *click_back(const struct bk_demo_model *m, uint32_t back)
{
    if (back >= m->click_count || back >= BK_DEMO_CLICKS_MAX) return NULL;
    return &m->click[(m->click_count - 1 - back) % BK_DEMO_CLICKS_MAX];
}

static enum bk_demo_style click_style(const struct bk_demo_model *m,
                                      const struct bk_demo_click *click)
{
    if (click->by_you) return BK_DEMO_YOU;
    return m->now_ms - click->at_ms < FLASH_MS ? BK_DEMO_FLASH : BK_DEMO_PLAIN;
}

/* One line where there is room, else what on one and of which on the next. */
static void put_click(const struct sheet *sheet, struct bk_demo_line *line, uint32_t row)
{
    bool wide = sheet->left >= LEFT_WIDE;
    const struct bk_demo_click *click = click_back(sheet->model, wide ? row : row / 2);
    char clock[16];
    if (!click) {
        put(sheet, line, BK_DEMO_PLAIN, sheet->left, "%s", row ? "" : " (nothing yet)");
        return;
    }
    enum bk_demo_style style = click_style(sheet->model, click);
    if (wide || row % 2 == 0) {
        put(sheet, line, BK_DEMO_FAINT, TIME + 1, " %s", clock_text(clock, click->at_ms));
        put(sheet, line, style, wide ? VERB : sheet->left - TIME - 1, "%s", click->what);
    }
    if (wide)
        put(sheet, line, style, sheet->left - TIME - 1 - VERB, "%s", click->text);
    else if (row % 2 == 1)
        put(sheet, line, style, sheet->left, "   %s", click->text);
}

static void put_match(const struct sheet *sheet, struct bk_demo_line *line, uint32_t at)
{
    const struct bk_demo_model *m = sheet->model;
    char name[BK_DEMO_NAME_BYTES + 8], price[32];
    if (at >= m->match_count) {
        put(sheet, line, BK_DEMO_PLAIN, sheet->left, "%s",
            !at && m->query[0] ? "   no product has these" : "");
        return;
    }
    const struct bk_demo_match *match = &m->match[at];
    snprintf(name, sizeof name, " %s %s", at == m->chosen ? ">" : " ", match->name);
    snprintf(price, sizeof price, " %lld.%02lld", (long long)match->price_minor / 100,
             (long long)match->price_minor % 100);
    put_both(sheet, line, at == m->chosen ? BK_DEMO_YOU : BK_DEMO_PLAIN, sheet->left, name, price);
}

/* Rows that acting takes off the clicks. */
static uint32_t acting_rows(const struct bk_demo_model *m)
{
    bool you = m->mode == BK_DEMO_SEARCHING || m->mode == BK_DEMO_CHOSEN;
    return you ? 3 + BK_DEMO_MATCHES_MAX : 0;
}

static void put_acting(const struct sheet *sheet, struct bk_demo_line *line, uint32_t row)
{
    const struct bk_demo_model *m = sheet->model;
    if (row == 0)
        put(sheet, line, BK_DEMO_HEAD, sheet->left, " you are the shopper");
    else if (row == 1)
        put(sheet, line, BK_DEMO_YOU, sheet->left, " search: %s%s", m->query,
            m->mode == BK_DEMO_SEARCHING ? "_" : "");
    else if (row < 2 + BK_DEMO_MATCHES_MAX)
        put_match(sheet, line, row - 2);
    else
        put(sheet, line, BK_DEMO_PLAIN, sheet->left, "%s", "");
}

static void put_left(const struct sheet *sheet, struct bk_demo_line *line, uint32_t row)
{
    uint32_t acting = acting_rows(sheet->model);
    if (row < acting)
        put_acting(sheet, line, row);
    else if (row == acting)
        put(sheet, line, BK_DEMO_HEAD, sheet->left, " what the shopper does");
    else
        put_click(sheet, line, row - acting - 1);
}

/* ---- the right half: lists ---- */

static void put_list_head(const struct sheet *sheet, struct bk_demo_line *line,
                          enum bk_demo_list_name name)
{
    const struct bk_demo_list *list = &sheet->model->list[name];
    char left[400], right[96] = "", age[32] = "";
    snprintf(left, sizeof left, "%s%s%s%s%s", bk_demo_list_word(name), list->about[0] ? " of " : "",
             list->about, list->there && !list->about[0] ? ": " : "",
             list->there && !list->about[0] ? list->algorithm : "");
    if (list->there && list->age_ms >= 0)
        snprintf(age, sizeof age, " age %lld ms", (long long)list->age_ms);
    if (list->there)
        snprintf(right, sizeof right, "%s, %lld s ago", age[0] ? age : " read",
                 (long long)(sheet->model->now_ms - list->seen_ms) / 1000);
    bool flash = list->there && sheet->model->now_ms - list->seen_ms < FLASH_MS;
    put_both(sheet, line, flash ? BK_DEMO_FLASH : BK_DEMO_HEAD, sheet->right, left, right);
}

static void put_mark(const struct sheet *sheet, struct bk_demo_line *line,
                     const struct bk_demo_item *item)
{
    const char *up = sheet->utf8 ? "▲" : "+", *down = sheet->utf8 ? "▼" : "-";
    if (item->fresh)
        put(sheet, line, BK_DEMO_NEW, MARK, "new");
    else if (item->moved > 0)
        put(sheet, line, BK_DEMO_UP, MARK, "%s%d", up, item->moved);
    else if (item->moved < 0)
        put(sheet, line, BK_DEMO_DOWN, MARK, "%s%d", down, -item->moved);
    else
        put(sheet, line, BK_DEMO_PLAIN, MARK, "%s", "");
}

static enum bk_demo_style item_style(const struct bk_demo_item *item)
{
    if (item->fresh) return BK_DEMO_NEW;
    return item->moved > 0 ? BK_DEMO_UP : BK_DEMO_PLAIN;
}

/* The same in fewer words, where there is little room. */
static void shorten(char out[BK_DEMO_WHY_BYTES], const char *why)
{
    static const char *const words[][2] = {
        {"often bought with ", "bought with "},    {"because you viewed ", "you viewed "},
        {"viewed next after ", "seen after "},     {"visits like yours: ", "visits with "},
        {"baskets like yours: ", "baskets with "}, {"bought after viewing ", "bought after "},
    };
    const char *head = "";
    for (size_t i = 0; i < BK_COUNTOF(words); i++) {
        size_t len = strlen(words[i][0]);
        if (strncmp(why, words[i][0], len) != 0) continue;
        head = words[i][1];
        why += len;
        break;
    }
    snprintf(out, BK_DEMO_WHY_BYTES, "%s%s", head, why);
}

/* mark, name, (tag,) why: the name gets half of a narrow list, two fifths of a wide one. */
static void put_item(const struct sheet *sheet, struct bk_demo_line *line,
                     const struct bk_demo_item *item)
{
    uint32_t width = sheet->right - MARK;
    uint32_t tag = sheet->right >= WIDE ? TAG : 0, name = tag ? width * 2 / 5 : width / 2 - 1;
    char why[BK_DEMO_WHY_BYTES];
    shorten(why, item->why);
    put_mark(sheet, line, item);
    put(sheet, line, item_style(item), name - 1, "%s", item->name);
    put(sheet, line, BK_DEMO_PLAIN, 1, "%s", "");
    put(sheet, line, BK_DEMO_FAINT, tag, "%s", item->tag);
    put(sheet, line, BK_DEMO_FAINT, width - name - tag, "%s", tag ? item->why : why);
}

/* A large list on a narrow screen: name and tag, and why on the line below. */
static void put_item_of_two(const struct sheet *sheet, struct bk_demo_line *line,
                            const struct bk_demo_item *item, bool second)
{
    if (second) {
        put(sheet, line, BK_DEMO_FAINT, sheet->right, "      %s", item->why);
        return;
    }
    put_mark(sheet, line, item);
    put(sheet, line, item_style(item), sheet->right - MARK - TAG, "%s", item->name);
    put(sheet, line, BK_DEMO_FAINT, TAG, " %s", item->tag);
}

static const char *why_empty(enum bk_demo_list_name name, const struct bk_demo_list *list)
{
    if (list->there) return "(an empty list)";
    if (name == BK_DEMO_CART || name == BK_DEMO_CHECKOUT) return "(nothing was put into the cart)";
    if (name == BK_DEMO_PRODUCT) return "(no product was looked at)";
    return name == BK_DEMO_USUAL ? "(not bought often enough yet)" : "(nothing yet)";
}

static void put_list_row(const struct sheet *sheet, struct bk_demo_line *line,
                         enum bk_demo_list_name name, uint32_t row, bool two)
{
    const struct bk_demo_list *list = &sheet->model->list[name];
    uint32_t at = two ? (row - 1) / 2 : row - 1;
    if (row == 0)
        put_list_head(sheet, line, name);
    else if (at < list->count && two)
        put_item_of_two(sheet, line, &list->item[at], (row - 1) % 2 == 1);
    else if (at < list->count)
        put_item(sheet, line, &list->item[at]);
    else
        put(sheet, line, BK_DEMO_FAINT, sheet->right, "%s",
            row == 1 && !list->count ? why_empty(name, list) : "");
}

static void put_right(const struct sheet *sheet, struct bk_demo_line *line, uint32_t row,
                      uint32_t rows)
{
    enum bk_demo_list_name shown = sheet->model->shown;
    if (shown < BK_DEMO_STACKED) {
        put_list_row(sheet, line, shown, row, sheet->right < WIDE);
        return;
    }
    uint32_t each = rows / STACK, first = rows - (STACK - 1) * each; /* the first has the rest */
    if (row < first)
        put_list_row(sheet, line, BK_DEMO_HOME, row, false);
    else
        put_list_row(sheet, line, (enum bk_demo_list_name)(1 + (row - first) / each),
                     (row - first) % each, false);
}

/* ---- other bodies ---- */

static const char *const help[] = {
    "",
    " Left, what one simulated shopper does; right, this shopper's lists as they are",
    " in Redis. The age of a list is the time from the event's record in the log to",
    " the list read from Redis, in milliseconds.",
    "",
    "   n, Tab     the next shopper            p    the one before",
    "   l          one list large, the next one, all together again",
    "   + -        the shop's clock; the followed shopper stays slow enough to watch",
    "   space      the shop holds its breath",
    "   a          act: you are the shopper. Type some letters of a product, Enter,",
    "              then v view, c into the cart, b buy the cart, d dismiss, Esc stop",
    "   q          quit; Ctrl-C does too. Nothing stays behind",
    "",
    " new: was not on the list before; an arrow and a number: places moved.",
    " Inside this process: the shop, a broker (librdkafka's) and basketry's pipeline;",
    " beside it a redis-server of its own. No broker of yours is touched.",
};

static void put_help(const struct sheet *sheet, struct bk_demo_line *line, uint32_t row)
{
    put(sheet, line, BK_DEMO_PLAIN, sheet->screen->columns, "%s",
        row < BK_COUNTOF(help) ? help[row] : "");
}

static void put_start(const struct sheet *sheet, struct bk_demo_line *line, uint32_t row)
{
    put(sheet, line, BK_DEMO_PLAIN, sheet->screen->columns, "%s%s", row == 1 ? " " : "",
        row == 1 ? sheet->model->doing : "");
}

static void put_body(const struct sheet *sheet, struct bk_demo_line *line, uint32_t row,
                     uint32_t rows)
{
    if (sheet->model->help) {
        put_help(sheet, line, row);
    } else if (sheet->model->mode == BK_DEMO_STARTING) {
        put_start(sheet, line, row);
    } else {
        put_left(sheet, line, row);
        put(sheet, line, BK_DEMO_FAINT, GAP, sheet->utf8 ? " │ " : " | ");
        put_right(sheet, line, row, rows);
    }
}

static void put_row(const struct sheet *sheet, struct bk_demo_line *line, uint32_t row)
{
    uint32_t rows = sheet->screen->rows;
    bool starting = sheet->model->mode == BK_DEMO_STARTING;
    if (row == 0)
        put_bar(sheet, line);
    else if (row == 1 && !starting)
        put_shopper(sheet, line);
    else if (row == rows - 2 && !starting)
        put_numbers(sheet, line);
    else if (row == rows - 1)
        put_keys(sheet, line);
    else
        put_body(sheet, line, row - 2 + starting, rows - FRAME_ROWS);
}

void bk_demo_layout(const struct bk_demo_model *model, uint32_t columns, uint32_t rows,
                    struct bk_demo_screen *screen)
{
    screen->columns = columns < BK_DEMO_COLUMNS_MAX ? columns : BK_DEMO_COLUMNS_MAX;
    screen->rows = rows < BK_DEMO_ROWS_MAX ? rows : BK_DEMO_ROWS_MAX;
    struct sheet sheet = {.model = model, .screen = screen, .utf8 = model->utf8};
    sheet.left = (uint32_t)bk_min_i64(bk_max_i64(screen->columns * 5 / 16, LEFT_MIN), LEFT_MAX);
    sheet.right = screen->columns > sheet.left + GAP ? screen->columns - sheet.left - GAP : 0;
    bool small = screen->columns < COLUMNS_MIN || screen->rows < ROWS_MIN;
    for (uint32_t row = 0; row < screen->rows; row++) {
        struct bk_demo_line *line = &screen->line[row];
        line->len = line->columns = line->span_count = 0;
        line->text[0] = '\0';
        if (small)
            put(&sheet, line, BK_DEMO_PLAIN, screen->columns, "%s",
                row ? "" : "too small: 60 x 12 is the least");
        else
            put_row(&sheet, line, row);
    }
}
