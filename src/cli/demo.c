/* demo.c -- `basketry demo`: a simulated shop, the real pipeline and a view of both, in one process.
 *
 *   shoppers (demo_shoppers.c) ─► broker ─► pipeline ─► redis-server    (demo_stage.c)
 *        └ clicks ─► model ◄─ lists ─ reader ◄──────────────┘
 *                      └► terminal, or plain lines
 *
 * PHASES   facts -> past -> learning -> live -> closing; each does a little at every tick, so keys and
 *          signals are heard at once.
 * END      q, Ctrl-C, SIGTERM, SIGHUP, --seconds: everything is closed, in order, and the exit code
 *          is 0. A second signal leaves at once; the redis-server goes then too (src/demo/redis.c).
 */
#include "demo_shoppers.h"

#include "basketry/log.h"
#include "cli.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { TICK_MS = 10, DRAW_MS = 100, COUNT_MS = 1000 };
enum { SPEED_DEFAULT = 300, HOUSEHOLDS_DEFAULT = 1000 };
enum { SPEED, SECONDS, SEED, HOUSEHOLDS, PLAIN };
enum phase { PHASE_FACTS, PHASE_PAST, PHASE_LEARNING, PHASE_LIVE, PHASE_CLOSING };

struct demo {
    struct cli_line line;
    double speed;
    int64_t seconds, seed, households; /* seconds 0: without end */
    bool plain;
    uv_loop_t loop;
    uv_timer_t tick;
    uv_poll_t keys;
    uv_signal_t signals[4];
    struct demo_stage stage;
    struct demo_shoppers shoppers;
    struct bk_demo_reader *reader;
    struct bk_demo_model model;
    struct bk_demo_screen screen;
    enum phase phase;
    bool draw, drawable, interrupted;
    uint64_t live_since_ms, drawn_ms, counted_ms; /* of the loop's clock */
    uint64_t events_counted, lists_counted;
    bk_wall_ms_t followed_since_ms;
    int open, exit_code;
};

/* ---- showing ---- */

static void print(struct demo *demo, struct bk_buf *out)
{
    if (bk__cli_print(out) != BK_EXIT_OK) demo->interrupted = true; /* nobody reads any more */
    bk_buf_deinit(out);
}

static void draw(struct demo *demo)
{
    uint32_t columns, rows;
    demo->draw = false;
    demo->drawn_ms = uv_now(&demo->loop);
    demo->model.now_ms = bk__demo_wall_ms();
    if (!demo->drawable) return;
    bk_demo_terminal_size(&columns, &rows);
    bk_demo_layout(&demo->model, columns, rows, &demo->screen);
    bk_demo_terminal_draw(&demo->screen);
}

static void say_step(struct demo *demo, const char *text)
{
    if (!demo->plain) return;
    struct bk_buf out = {0};
    bk_buf_printf(&out, "simulated: %s\n", text);
    print(demo, &out);
}

static void count(struct demo *demo)
{
    struct bk_demo_model *model = &demo->model;
    double seconds = (double)(uv_now(&demo->loop) - demo->counted_ms) / 1000;
    bk__demo_stage_numbers(&demo->stage, model);
    if (seconds > 0) {
        model->events_per_s = (double)(model->events - demo->events_counted) / seconds;
        model->lists_per_s = (double)(model->lists - demo->lists_counted) / seconds;
    }
    demo->events_counted = model->events;
    demo->lists_counted = model->lists;
    demo->counted_ms = uv_now(&demo->loop);
    demo->draw = true;
}

/* ---- what comes from the shop and from Redis ---- */

static void on_subject(void *arg)
{
    struct demo *demo = arg;
    demo->followed_since_ms = bk__demo_wall_ms();
    if (demo->reader) bk_demo_reader_follow(demo->reader, bk_str_c(demo->model.subject));
    demo->draw = true;
}

static void on_click(void *arg)
{
    struct demo *demo = arg;
    const struct bk_demo_model *model = &demo->model;
    demo->draw = true;
    if (!demo->plain) return;
    struct bk_buf out = {0};
    bk_demo_plain_click(&out, model, &model->click[(model->click_count - 1) % BK_DEMO_CLICKS_MAX]);
    print(demo, &out);
}

/* A list made again without a new event keeps its age; one that stood there before anybody looked
 * has none that was seen. */
static int64_t age_of(struct demo *demo, const struct bk_demo_list *before,
                      const struct bk_demo_list *list)
{
    bool same =
        before->there && before->partition == list->partition && before->offset == list->offset;
    int64_t logged = bk__demo_stage_logged_ms(&demo->stage, list->partition, list->offset);
    if (same) return before->age_ms;
    if (logged < demo->followed_since_ms) return -1;
    return bk_max_i64(list->seen_ms - logged, 0);
}

static void on_list(void *arg, enum bk_demo_list_name name, bk_str_t value)
{
    struct demo *demo = arg;
    struct bk_demo_list *list = &demo->model.list[name], before = *list;
    struct bk_demo_names names = {&demo->shoppers, bk__demo_shoppers_name, bk__demo_shoppers_brief};
    if (bk_demo_list_read(list, value, &names, bk__demo_wall_ms()) != BK_OK) return;
    if (list->there) list->age_ms = age_of(demo, &before, list);
    demo->draw = true;
    if (!demo->plain || !list->there || !list->changes) return;
    struct bk_buf out = {0};
    bk_demo_plain_list(&out, &demo->model, name);
    print(demo, &out);
}

static void on_lost(void *arg, const char *why)
{
    struct demo *demo = arg;
    snprintf(demo->model.note, sizeof demo->model.note, "Redis is gone: %s", why);
    demo->draw = true;
}

/* ---- the end ---- */

static void close_handles(struct demo *demo)
{
    uv_close((uv_handle_t *)&demo->tick, NULL);
    if (demo->drawable) uv_close((uv_handle_t *)&demo->keys, NULL);
    for (size_t i = 0; i < BK_COUNTOF(demo->signals); i++)
        uv_close((uv_handle_t *)&demo->signals[i], NULL);
}

static void on_closed(void *arg)
{
    struct demo *demo = arg;
    if (--demo->open == 0) close_handles(demo);
}

static void begin_close(struct demo *demo)
{
    if (demo->phase == PHASE_CLOSING) return;
    if (demo->phase == PHASE_LIVE) count(demo);
    demo->phase = PHASE_CLOSING;
    demo->open = 1 + (demo->reader != NULL);
    if (demo->reader) bk_demo_reader_close(demo->reader, on_closed, demo);
    bk__demo_stage_close(&demo->stage, on_closed, demo);
}

static void fail(struct demo *demo, enum cli_exit code, const struct bk_reason *reason)
{
    bk_demo_terminal_close();
    demo->exit_code = bk__cli_fail(code, "%s", reason->text);
    begin_close(demo);
}

/* ---- keys ---- */

static void change_speed(struct bk_demo_model *model, bool faster)
{
    static const double speeds[] = {1, 10, 60, 150, 300, 600, 1500, 3000, 10000};
    size_t at = 0, last = BK_COUNTOF(speeds) - 1;
    if (faster) {
        while (at < last && speeds[at] <= model->speed) at++;
    } else {
        at = last;
        while (at > 0 && speeds[at] >= model->speed) at--;
    }
    model->speed = speeds[at];
}

static void start_acting(struct demo *demo)
{
    bk__demo_shoppers_take(&demo->shoppers, true);
    demo->model.mode = BK_DEMO_SEARCHING;
    demo->model.query[0] = '\0';
    demo->model.match_count = demo->model.chosen = 0;
    demo->model.paused = demo->model.help = false;
}

static void stop_acting(struct demo *demo)
{
    bk__demo_shoppers_take(&demo->shoppers, false);
    demo->model.mode = BK_DEMO_WATCHING;
    demo->model.note[0] = '\0';
}

static void watching_key(struct demo *demo, int key)
{
    struct bk_demo_model *model = &demo->model;
    if (key == 'n' || key == BK_DEMO_KEY_TAB) bk__demo_shoppers_step(&demo->shoppers, 1);
    if (key == 'p') bk__demo_shoppers_step(&demo->shoppers, -1);
    if (key == 'a') start_acting(demo);
    if (key == '+' || key == '=') change_speed(model, true);
    if (key == '-') change_speed(model, false);
    if (key == ' ') model->paused = !model->paused;
}

static void move_choice(struct bk_demo_model *model, int key)
{
    if (key == BK_DEMO_KEY_UP && model->chosen) model->chosen--;
    if (key == BK_DEMO_KEY_DOWN && model->chosen + 1 < model->match_count) model->chosen++;
}

static void take_choice(struct demo *demo)
{
    struct bk_demo_model *model = &demo->model;
    uint32_t chosen = model->chosen;
    if (!model->match_count) return;
    if (bk__demo_shoppers_act(&demo->shoppers, BK_SHOP_DO_SEARCH, 0, bk_str_c(model->query)) < 0)
        snprintf(model->note, sizeof model->note, "not possible now");
    model->chosen = chosen;
    model->mode = BK_DEMO_CHOSEN;
}

static void searching_key(struct demo *demo, int key)
{
    struct bk_demo_model *model = &demo->model;
    size_t len = strlen(model->query);
    move_choice(model, key);
    if (key == BK_DEMO_KEY_ENTER) take_choice(demo);
    if (key == BK_DEMO_KEY_BACKSPACE && len) model->query[len - 1] = '\0';
    if (key >= ' ' && key < 127 && len + 1 < sizeof model->query) {
        model->query[len] = (char)key;
        model->query[len + 1] = '\0';
    }
    if (key == BK_DEMO_KEY_BACKSPACE || (key >= ' ' && key < 127))
        bk__demo_shoppers_search(&demo->shoppers);
}

static void chosen_key(struct demo *demo, int key)
{
    static const struct {
        int key;
        enum bk_shop_act act;
        const char *refusal;
    } acts[] = {{'v', BK_SHOP_DO_VIEW, "not possible now"},
                {'c', BK_SHOP_DO_ADD, "the cart is full"},
                {'b', BK_SHOP_DO_BUY, "the cart is empty"},
                {'d', BK_SHOP_DO_DISMISS, "not possible now"}};
    struct bk_demo_model *model = &demo->model;
    move_choice(model, key);
    for (size_t i = 0; i < BK_COUNTOF(acts); i++) {
        if (acts[i].key != key) continue;
        int code = bk__demo_shoppers_act(&demo->shoppers, acts[i].act,
                                         model->match[model->chosen].product, BK_STR(""));
        snprintf(model->note, sizeof model->note, "%s", code < 0 ? acts[i].refusal : "");
    }
    if (key != '/') return;
    model->mode = BK_DEMO_SEARCHING;
    model->query[0] = '\0';
    model->match_count = model->chosen = 0;
}

static void common_key(struct demo *demo, int key)
{
    struct bk_demo_model *model = &demo->model;
    if (key == 'q') begin_close(demo);
    if (key == '?') model->help = !model->help;
    if (key == 'l')
        model->shown = (enum bk_demo_list_name)((model->shown + 1) % (BK_DEMO_STACKED + 1));
}

static void take_key(struct demo *demo, int key)
{
    bool acting = demo->model.mode == BK_DEMO_SEARCHING || demo->model.mode == BK_DEMO_CHOSEN;
    if (acting && key == BK_DEMO_KEY_ESCAPE) {
        stop_acting(demo);
        return;
    }
    if (demo->model.mode == BK_DEMO_SEARCHING) {
        searching_key(demo, key);
        return;
    }
    common_key(demo, key);
    if (demo->model.mode == BK_DEMO_CHOSEN) chosen_key(demo, key);
    if (demo->model.mode == BK_DEMO_WATCHING && demo->phase == PHASE_LIVE) watching_key(demo, key);
}

static void on_keys(uv_poll_t *poll, int status, int events)
{
    struct demo *demo = poll->data;
    int key;
    (void)events;
    if (status < 0) begin_close(demo); /* the terminal is gone */
    while (demo->phase != PHASE_CLOSING && (key = bk_demo_terminal_key()) != BK_DEMO_KEY_NONE) {
        take_key(demo, key);
        demo->draw = true;
    }
    if (demo->draw && demo->phase != PHASE_CLOSING) draw(demo);
}

static void on_signal(uv_signal_t *signal, int number)
{
    struct demo *demo = signal->data;
    if (number == SIGWINCH) {
        if (demo->drawable) bk_demo_terminal_resized();
        draw(demo);
    } else if (demo->phase == PHASE_CLOSING) {
        bk_demo_terminal_close();
        _exit(BK_EXIT_TEMPORARY);
    } else {
        begin_close(demo);
    }
}

/* ---- phases ---- */

static void start_learning(struct demo *demo)
{
    struct bk_reason reason = {""};
    say_step(demo, demo->model.doing);
    if (bk__demo_stage_read(&demo->stage, &reason) != BK_OK) {
        fail(demo, BK_EXIT_UNAVAILABLE, &reason);
        return;
    }
    demo->phase = PHASE_LEARNING;
}

static void go_live(struct demo *demo)
{
    struct bk_reason reason = {""};
    struct bk_demo_reader_events events = {demo, on_list, on_lost};
    const struct bk_config *cfg = demo->line.cfg;
    say_step(demo, demo->model.doing);
    demo->reader = bk_demo_reader_create(&demo->loop, bk_demo_redis_path(demo->stage.redis),
                                         cfg->redis_key_prefix, &events, &reason);
    if (!demo->reader) {
        fail(demo, BK_EXIT_UNAVAILABLE, &reason);
        return;
    }
    bk__demo_stage_go_live(&demo->stage);
    demo->phase = PHASE_LIVE;
    demo->model.mode = BK_DEMO_WATCHING;
    demo->live_since_ms = demo->counted_ms = uv_now(&demo->loop);
    bk__demo_shoppers_go_live(&demo->shoppers);
}

static void learn(struct demo *demo)
{
    snprintf(demo->model.doing, sizeof demo->model.doing, "learning from %llu of %llu past events",
             (unsigned long long)bk_min_u64(demo->stage.read, demo->shoppers.past),
             (unsigned long long)demo->shoppers.past);
    if (bk__demo_stage_is_level(&demo->stage)) go_live(demo);
}

static void live(struct demo *demo)
{
    uint64_t now = uv_now(&demo->loop);
    bk__demo_shoppers_tick(&demo->shoppers);
    if (now - demo->counted_ms >= COUNT_MS) count(demo);
    if (demo->seconds && now - demo->live_since_ms >= (uint64_t)demo->seconds * 1000)
        begin_close(demo);
}

static void go_on(struct demo *demo)
{
    switch (demo->phase) {
    case PHASE_FACTS:
        if (!bk__demo_shoppers_facts(&demo->shoppers)) return;
        say_step(demo, demo->model.doing);
        demo->phase = PHASE_PAST;
        return;
    case PHASE_PAST:
        if (bk__demo_shoppers_past(&demo->shoppers)) start_learning(demo);
        return;
    case PHASE_LEARNING:
        learn(demo);
        return;
    case PHASE_LIVE:
        live(demo);
        return;
    case PHASE_CLOSING:
        return;
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct demo *demo = timer->data;
    if (demo->phase == PHASE_CLOSING) return;
    go_on(demo);
    bk__demo_stage_turn(&demo->stage);
    if (demo->interrupted) begin_close(demo);
    if (demo->draw || uv_now(&demo->loop) - demo->drawn_ms >= DRAW_MS) draw(demo);
}

/* ---- start ---- */

static void start_handles(struct demo *demo)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGWINCH};
    uv_timer_init(&demo->loop, &demo->tick);
    demo->tick.data = demo;
    uv_timer_start(&demo->tick, on_tick, 0, TICK_MS);
    for (size_t i = 0; i < BK_COUNTOF(numbers); i++) {
        uv_signal_init(&demo->loop, &demo->signals[i]);
        demo->signals[i].data = demo;
        uv_signal_start(&demo->signals[i], on_signal, numbers[i]);
    }
    if (!demo->drawable) return;
    uv_poll_init(&demo->loop, &demo->keys, STDIN_FILENO);
    demo->keys.data = demo;
    uv_poll_start(&demo->keys, UV_READABLE, on_keys);
}

static void set_model(struct demo *demo)
{
    demo->model.utf8 = bk_demo_locale();
    demo->model.shown = BK_DEMO_STACKED;
    demo->model.speed = demo->speed;
    demo->model.age_p50_us = demo->model.age_p99_us = -1;
    demo->shoppers.stage = &demo->stage;
    demo->shoppers.model = &demo->model;
    demo->shoppers.arg = demo;
    demo->shoppers.subject = on_subject;
    demo->shoppers.click = on_click;
}

static int start(struct demo *demo)
{
    struct bk_reason reason = {""};
    bk_log_level = BK_LOG_OFF; /* the screen is the view's */
    int code = bk__demo_stage_prepare(&demo->stage, &reason);
    if (code) return bk__cli_fail(BK_EXIT_UNAVAILABLE, "%s", reason.text);
    uv_loop_init(&demo->loop);
    set_model(demo);
    code = bk__demo_shoppers_open(&demo->shoppers, (uint64_t)demo->seed, (uint32_t)demo->households,
                                  &reason);
    if (!code) code = bk__demo_stage_open(&demo->stage, &demo->loop, demo->line.cfg, &reason);
    if (code) return bk__cli_fail(bk__cli_exit_of(code), "%s", reason.text);
    demo->drawable = !demo->plain && bk_demo_terminal_open() == BK_OK;
    demo->plain = !demo->drawable;
    start_handles(demo);
    return BK_EXIT_OK;
}

static void finish(struct demo *demo)
{
    bk_demo_terminal_close();
    if (demo->live_since_ms && !demo->interrupted) {
        struct bk_buf out = {0};
        bk_demo_plain_summary(&out, &demo->model);
        print(demo, &out);
    }
    bk__demo_shoppers_destroy(&demo->shoppers);
    bk__demo_stage_destroy(&demo->stage);
}

/* ---- the command ---- */

static const struct cli_option options[] = {
    [SPEED] = {"speed", 0, "Nx", "the shop's clock at the start, 1x to 100000x (default 300x)"},
    [SECONDS] = {"seconds", 0, "N", "end after so many seconds of live shopping (default: never)"},
    [SEED] = {"seed", 's', "N", "another seed, another shop (default 1)"},
    [HOUSEHOLDS] = {"households", 0, "N", "how many shop here, 1 to 100,000 (default 1,000)"},
    [PLAIN] = {"plain", 0, NULL, "lines instead of a screen; so it is without a terminal, too"},
};

static const struct cli_usage usage = {
    "demo [--speed Nx] [--seconds N] [--seed N] [--households N] [--plain]",
    "A simulated shop in this terminal: on the left what a shopper does, on the right this\n"
    "shopper's lists as they stand in Redis, with reasons, and the age of each in milliseconds.\n"
    "One process with a broker of its own inside, and a redis-server of its own beside it: both\n"
    "end with it, and nothing else is touched. Needs redis-server on the PATH.",
    options,
    BK_COUNTOF(options),
    "keys: n p another shopper, l a list large, a act as the shopper, + - the shop's clock, space\n"
    "      pause, ? help, q quit. NO_COLOR=1 leaves colours out.\n"
    "examples:\n"
    "  basketry demo\n"
    "  basketry demo --seconds 15 | cat        a line an event, a line a list that changed",
};

static int take_number(const char *value, size_t which, int64_t least, int64_t most,
                       int64_t *number)
{
    char *end;
    *number = strtoll(value, &end, 10);
    if (*value && !*end && *number >= least && *number <= most) return BK_CLI_GO_ON;
    return bk__cli_fail(BK_EXIT_USAGE, "--%s %s: not one of %lld to %lld", options[which].name,
                        value, (long long)least, (long long)most);
}

static int take_speed(const char *value, double *speed)
{
    char *end;
    *speed = strtod(value, &end);
    if (end != value && (!*end || strcmp(end, "x") == 0) && *speed >= 1 && *speed <= 100000)
        return BK_CLI_GO_ON;
    return bk__cli_fail(BK_EXIT_USAGE, "--speed %s: not a factor such as 300x", value);
}

static int on_option(void *arg, size_t which, const char *value)
{
    struct demo *demo = arg;
    switch (which) {
    case SPEED:
        return take_speed(value, &demo->speed);
    case SECONDS:
        return take_number(value, which, 1, 1000000, &demo->seconds);
    case SEED:
        return take_number(value, which, 0, INT64_C(999999999999999999), &demo->seed);
    case HOUSEHOLDS:
        return take_number(value, which, 1, 100000, &demo->households);
    default:
        demo->plain = true;
        return BK_CLI_GO_ON;
    }
}

static int run(struct demo *demo)
{
    int code = start(demo);
    if (code != BK_EXIT_OK) {
        bk__demo_stage_destroy(&demo->stage); /* the redis-server above all */
        exit(code);                           /* half a start is not worth taking down further */
    }
    uv_run(&demo->loop, UV_RUN_DEFAULT);
    finish(demo);
    uv_loop_close(&demo->loop);
    return demo->exit_code;
}

int bk_cmd_demo(int argc, char **argv)
{
    struct demo *demo = calloc(1, sizeof *demo);
    if (!demo) return bk__cli_fail(BK_EXIT_BUG, "out of memory");
    demo->speed = SPEED_DEFAULT;
    demo->households = HOUSEHOLDS_DEFAULT;
    demo->seed = 1;
    int code = bk__cli_line_read(&demo->line, &usage, argc, argv, on_option, demo);
    if (code == BK_CLI_GO_ON && demo->line.operand_count)
        code = bk__cli_fail(BK_EXIT_USAGE, "demo takes no operand: %s", demo->line.operands[0]);
    if (code == BK_CLI_GO_ON) code = run(demo);
    bk__cli_line_end(&demo->line);
    free(demo);
    return code;
}
