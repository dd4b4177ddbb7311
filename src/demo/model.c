/* model.c -- the model's small changes, and the model as lines for a pipe. */
#include "basketry/demo.h"

#include <time.h>

enum { PLAIN_ITEMS = 3 };

static void forget_lists(struct bk_demo_model *model)
{
    memset(model->list, 0, sizeof model->list);
    for (int i = 0; i < BK_DEMO_LIST_COUNT; i++) model->list[i].age_ms = -1;
}

void bk_demo_model_rename(struct bk_demo_model *model, bk_str_t subject)
{
    bk_demo_copy(model->subject, sizeof model->subject, subject);
    forget_lists(model);
}

void bk_demo_model_follow(struct bk_demo_model *model, bk_str_t who, bk_str_t kind,
                          bk_str_t subject)
{
    bk_demo_copy(model->who, sizeof model->who, who);
    bk_demo_copy(model->kind, sizeof model->kind, kind);
    model->click_count = 0;
    bk_demo_model_rename(model, subject);
}

void bk_demo_model_click(struct bk_demo_model *model, int64_t at_ms, const char *what,
                         bk_str_t text, bool by_you)
{
    struct bk_demo_click *click = &model->click[model->click_count++ % BK_DEMO_CLICKS_MAX];
    click->at_ms = at_ms;
    click->by_you = by_you;
    bk_demo_copy(click->what, sizeof click->what, bk_str_c(what));
    bk_demo_copy(click->text, sizeof click->text, text);
}

/* ---- plain lines ---- */

static void put_time(struct bk_buf *out, int64_t at_ms)
{
    time_t at = (time_t)(at_ms / 1000);
    struct tm clock;
    char text[16];
    strftime(text, sizeof text, "%H:%M:%S", localtime_r(&at, &clock));
    bk_buf_printf(out, "%s.%03d  ", text, (int)(at_ms % 1000));
}

/* Names are somebody's data: nothing in them may move a cursor. */
static void put_safely(struct bk_buf *out, const char *text, bool utf8)
{
    struct bk_demo_line line = {.len = 0};
    uint32_t columns = bk_demo_columns(text, utf8);
    bk_demo_put(&line, BK_DEMO_PLAIN, text,
                columns < BK_DEMO_COLUMNS_MAX ? columns : BK_DEMO_COLUMNS_MAX, utf8);
    bk_buf_cstr(out, line.text);
}

void bk_demo_plain_click(struct bk_buf *out, const struct bk_demo_model *model,
                         const struct bk_demo_click *click)
{
    put_time(out, click->at_ms);
    bk_buf_cstr(out, "event  ");
    put_safely(out, model->who, model->utf8);
    bk_buf_printf(out, " %s ", click->what);
    put_safely(out, click->text, model->utf8);
    bk_buf_char(out, '\n');
}

static void put_item(struct bk_buf *out, const struct bk_demo_model *model,
                     const struct bk_demo_item *item, uint32_t place)
{
    bk_buf_printf(out, "%s%u ", place > 1 ? "; " : "", (unsigned)place);
    put_safely(out, item->name, model->utf8);
    if (item->fresh) bk_buf_cstr(out, " [new]");
    if (item->moved) bk_buf_printf(out, " [%+d]", item->moved);
    bk_buf_cstr(out, " (");
    put_safely(out, item->why, model->utf8);
    bk_buf_char(out, ')');
}

void bk_demo_plain_list(struct bk_buf *out, const struct bk_demo_model *model,
                        enum bk_demo_list_name name)
{
    const struct bk_demo_list *list = &model->list[name];
    put_time(out, list->seen_ms);
    bk_buf_printf(out, "list   %-8s ", bk_demo_list_word(name));
    if (list->age_ms >= 0)
        bk_buf_printf(out, "%4lld ms  ", (long long)list->age_ms);
    else
        bk_buf_cstr(out, "            ");
    for (uint32_t i = 0; i < list->count && i < PLAIN_ITEMS; i++)
        put_item(out, model, &list->item[i], i + 1);
    if (list->count > PLAIN_ITEMS)
        bk_buf_printf(out, "; %u more", (unsigned)(list->count - PLAIN_ITEMS));
    if (!list->count) bk_buf_cstr(out, "nothing");
    bk_buf_char(out, '\n');
}

void bk_demo_plain_summary(struct bk_buf *out, const struct bk_demo_model *model)
{
    bk_buf_printf(out, "\nsimulated: %llu events became %llu lists in Redis; ",
                  (unsigned long long)model->events, (unsigned long long)model->lists);
    if (model->age_p50_us >= 0)
        bk_buf_printf(out, "an event was in its first list after %.1f ms (median), %.1f ms (99 %%)",
                      (double)model->age_p50_us / 1000, (double)model->age_p99_us / 1000);
    bk_buf_printf(out, "; %llu MB resident\n", (unsigned long long)(model->memory_bytes / 1000000));
}
