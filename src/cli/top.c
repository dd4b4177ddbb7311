/* top.c -- `basketry top`: a shopper's list as the storefront reads it.
 *
 * It reads what the storefront reads, the same key with the same GET, and follows the same ladder
 * when the key is not there: own list, the item's list, popular. Only the names come from the
 * running instance, and only if it answers.
 */
#include "ask.h"
#include "render.h"

#include "basketry/encode.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { NAME_TIMEOUT_MS = 500, RUNGS = 3, BECAUSE_COLUMNS = 40 };
enum { CONTEXT, ITEM, JSON };

static const struct cli_option options[] = {
    [CONTEXT] = {"context", 'C', "C",
                 "home (default), discover, cart, checkout, usual, product or email"},
    [ITEM] = {"item", 'i', "ID", "the item on the page: its list comes before popular"},
    [JSON] = {"json", 'j', NULL, "print the value as Redis holds it"},
};

static const struct cli_usage usage = {
    "top SUBJECT [--context C] [--item ID] [--json]",
    "Shows the list a storefront reads for SUBJECT, c:<customer> or v:<visitor>: one GET of its "
    "key in Redis. When it is not\n"
    "there, the item's list and then the popular list, and says so. Names come from the running "
    "instance when it answers.",
    options,
    BK_COUNTOF(options),
    "examples:\n"
    "  basketry top c:42\n"
    "  basketry top v:7f3a --context product --item 4011",
};

struct question {
    const char *context, *item;
    bool json;
};

/* One rung of the readers' ladder. */
struct rung {
    const char *what;
    char key[BK_KEY_BYTES_MAX];
    size_t len;
};

static int on_option(void *arg, size_t which, const char *value)
{
    struct question *question = arg;
    if (which == CONTEXT)
        question->context = value;
    else if (which == ITEM)
        question->item = value;
    else
        question->json = true;
    return BK_CLI_GO_ON;
}

/* ---- reading ---- */

static size_t make_ladder(const struct bk_config *cfg, const struct question *question,
                          const char *subject, struct rung ladder[RUNGS])
{
    bk_str_t prefix = bk_str_c(cfg->redis_key_prefix);
    bool basket =
        strcmp(question->context, "cart") == 0 || strcmp(question->context, "checkout") == 0;
    bk_str_t relation = basket ? BK_STR("bought_together") : BK_STR("viewed_together");
    size_t count = 0;
    memset(ladder, 0, RUNGS * sizeof *ladder); /* keys end in NUL */
    ladder[count].what = "own list";
    ladder[count].len =
        bk_key_subject(prefix, bk_str_c(subject), bk_str_c(question->context), ladder[count].key);
    count++;
    if (question->item) {
        ladder[count].what = "the item's list";
        ladder[count].len =
            bk_key_item(prefix, bk_str_c(question->item), relation, ladder[count].key);
        count++;
    }
    ladder[count].what = "popular";
    ladder[count].len = bk_key_shared(prefix, BK_STR("popular"), ladder[count].key);
    return count + 1;
}

/* The first rung that has a value; 0 with *found == count when none has. */
static int climb(redisContext *redis, const struct rung *ladder, size_t count, size_t *found,
                 struct bk_buf *value, struct bk_reason *reason)
{
    bool here = false;
    int error = 0;
    for (*found = 0; *found < count; (*found)++) {
        bk_str_t key = bk_str(ladder[*found].key, ladder[*found].len);
        error = bk__cli_redis_get(redis, 1, &key, value, &here, reason);
        if (error || here) return error;
    }
    return 0;
}

/* ---- showing ---- */

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void put_head(struct bk_buf *out, const json_t *list)
{
    const json_t *as_of = json_object_get(list, "as_of");
    int64_t now = now_ms(), expires = json_integer_value(json_object_get(list, "expires_at"));
    bk_buf_cstr(out, "made ");
    bk__cli_put_duration(out, now - json_integer_value(json_object_get(list, "generated_at")));
    bk_buf_cstr(out, " ago");
    if (expires > 0) {
        bk_buf_cstr(out, expires < now ? ", to be refreshed since " : ", to be refreshed in ");
        bk__cli_put_duration(out, expires < now ? now - expires : expires - now);
    }
    bk_buf_printf(out, "\nalgorithm ");
    bk__cli_put_text(out, text_of(list, "algorithm"));
    bk_buf_printf(out, " (");
    bk__cli_put_text(out, text_of(list, "variant"));
    bk_buf_printf(out, "), confidence %.2f, ",
                  json_number_value(json_object_get(list, "confidence")));
    if (json_is_object(as_of))
        bk_buf_printf(out, "knows partition %lld to offset %lld\n",
                      (long long)json_integer_value(json_object_get(as_of, "partition")),
                      (long long)json_integer_value(json_object_get(as_of, "offset")));
    else
        bk_buf_cstr(out, "for everybody\n");
}

/* Names are a courtesy: the first time nobody answers, no more is asked. */
static void put_name(struct bk_buf *out, const struct bk_config *cfg, const char *id,
                     size_t columns, bool *answers)
{
    const char *words[] = {"inspect", "item", id, NULL};
    struct bk_reason reason;
    int error = 0;
    json_t *item = *answers ? bk__cli_ask(cfg, words, NAME_TIMEOUT_MS, &error, &reason) : NULL;
    if (error == BK_EUNAVAILABLE) *answers = false;
    bk__cli_put_cell(out, item ? text_of(item, "name") : "", columns);
    if (item) json_decref(item);
}

/* "popular, new": the item's tags, cut to the rest of the line. */
static void put_tags(struct bk_buf *out, const json_t *tags, size_t columns)
{
    struct bk_buf line = {0};
    size_t i;
    json_t *tag;
    bk_buf_cstr(&line, "");
    json_array_foreach(tags, i, tag)
    {
        const char *text = json_string_value(tag);
        bk_buf_printf(&line, "%s%s", i ? ", " : "", text ? text : "?");
    }
    bk__cli_put_cell(out, line.p, columns);
    bk_buf_deinit(&line);
}

/* The name of what led here, or its id when there is none. */
static void put_because(struct bk_buf *out, const struct bk_config *cfg, const char *id,
                        bool *answers)
{
    struct bk_buf name = {0};
    put_name(&name, cfg, id, BECAUSE_COLUMNS, answers);
    while (name.len && name.p[name.len - 1] == ' ') name.len--;
    if (name.len)
        bk_buf_bytes(out, name.p, name.len);
    else
        bk__cli_put_text(out, id);
    bk_buf_deinit(&name);
}

static void put_usual(struct bk_buf *out, const json_t *item)
{
    json_int_t quantity = json_integer_value(json_object_get(item, "quantity"));
    if (!quantity) return;
    const char *due = text_of(item, "due");
    bk_buf_printf(out, ", usually %lld%s", (long long)quantity, due[0] ? ", " : "");
    bk__cli_put_text(out, due);
}

static void put_why(struct bk_buf *out, const struct bk_config *cfg, const json_t *item,
                    bool *answers)
{
    const char *reason = text_of(item, "reason"), *because = text_of(item, "because");
    if (!reason[0] && !because[0]) return;
    bk_buf_cstr(out, "    ");
    bk__cli_put_text(out, reason);
    if (because[0]) {
        bk_buf_cstr(out, reason[0] ? ": " : "");
        put_because(out, cfg, because, answers);
    }
    put_usual(out, item);
    bk_buf_char(out, '\n');
}

static void trim_line(struct bk_buf *out)
{
    while (out->len && out->p[out->len - 1] == ' ') out->len--;
    bk_buf_char(out, '\n');
}

/* 2 + 2 + 14 + 2 + 18 + 2 + 6 + 2 + 32: eighty columns. */
static void put_items(struct bk_buf *out, const struct bk_config *cfg, const json_t *items)
{
    size_t i;
    json_t *item;
    bool answers = true;
    if (json_array_size(items) == 0) {
        bk_buf_cstr(out, "(no items)\n");
        return;
    }
    bk_buf_cstr(out, "\n #  item            name                 score  tags\n");
    json_array_foreach(items, i, item)
    {
        bk_buf_printf(out, "%2zu  ", i + 1);
        bk__cli_put_cell(out, text_of(item, "id"), 14);
        bk_buf_cstr(out, "  ");
        put_name(out, cfg, text_of(item, "id"), 18, &answers);
        bk_buf_printf(out, "  %6.3f  ", json_number_value(json_object_get(item, "score")));
        put_tags(out, json_object_get(item, "tags"), 32);
        trim_line(out);
        put_why(out, cfg, item, &answers);
    }
}

static int show(const struct bk_config *cfg, const struct question *question, const char *subject,
                const struct rung *ladder, size_t found, const struct bk_buf *value)
{
    struct bk_buf out = {0};
    json_t *list = json_loadb(value->p ? value->p : "", value->len, 0, NULL);
    if (!json_is_object(list)) {
        if (list) json_decref(list);
        return bk__cli_fail(BK_EXIT_DATA, "%s holds no list", ladder[found].key);
    }
    if (question->json) {
        bk_buf_bytes(&out, value->p, value->len);
        bk_buf_char(&out, '\n');
    } else {
        bk__cli_put_text(&out, question->context);
        bk_buf_cstr(&out, " of ");
        bk__cli_put_text(&out, subject);
        bk_buf_printf(&out, found ? " is not there; this is %s: " : " (%s): ", ladder[found].what);
        bk_buf_bytes(&out, ladder[found].key, ladder[found].len);
        bk_buf_char(&out, '\n');
        put_head(&out, list);
        put_items(&out, cfg, json_object_get(list, "items"));
    }
    int code = bk__cli_print(&out);
    json_decref(list);
    bk_buf_deinit(&out);
    return code;
}

static int check_question(const struct cli_line *line, const struct question *question)
{
    if (line->operand_count != 1)
        return bk__cli_fail(BK_EXIT_USAGE, "top: name one SUBJECT, c:<customer> or v:<visitor>");
    const char *subject = line->operands[0];
    if ((subject[0] != 'c' && subject[0] != 'v') || subject[1] != ':' || !subject[2])
        return bk__cli_fail(BK_EXIT_USAGE, "top: %s is no subject (c:<customer> or v:<visitor>)",
                            subject);
    if (strlen(subject) > BK_SUBJECT_BYTES_MAX ||
        (question->item && strlen(question->item) > BK_ID_BYTES_MAX))
        return bk__cli_fail(BK_EXIT_USAGE, "top: an id has at most %d bytes", BK_ID_BYTES_MAX);
    if (bk_context_parse(bk_str_c(question->context)) == BK_CONTEXT_COUNT)
        return bk__cli_fail(
            BK_EXIT_USAGE,
            "top: %s is no context (home, discover, cart, checkout, usual, product, email)",
            question->context);
    return BK_CLI_GO_ON;
}

static int top(const struct cli_line *line, const struct question *question)
{
    struct rung ladder[RUNGS];
    struct bk_reason reason = {""};
    struct bk_buf value = {0};
    size_t found;
    int code = check_question(line, question);
    if (code != BK_CLI_GO_ON) return code;
    size_t count = make_ladder(line->cfg, question, line->operands[0], ladder);
    redisContext *redis = bk__cli_redis_open(line->cfg, &reason);
    if (!redis) return bk__cli_fail(BK_EXIT_UNAVAILABLE, "%s", reason.text);
    int error = climb(redis, ladder, count, &found, &value, &reason);
    if (error)
        code = bk__cli_fail(bk__cli_exit_of(error), "%s", reason.text);
    else if (found == count)
        code = bk__cli_fail(BK_EXIT_DATA,
                            "neither %s's list nor the popular one is in Redis: has `basketry run` "
                            "run with this redis.key_prefix?",
                            line->operands[0]);
    else
        code = show(line->cfg, question, line->operands[0], ladder, found, &value);
    redisFree(redis);
    bk_buf_deinit(&value);
    return code;
}

int bk_cmd_top(int argc, char **argv)
{
    struct question question = {.context = "home"};
    struct cli_line line;
    int code = bk__cli_line_read(&line, &usage, argc, argv, on_option, &question);
    if (code != BK_CLI_GO_ON) return code;
    code = top(&line, &question);
    bk__cli_line_end(&line);
    return code;
}
