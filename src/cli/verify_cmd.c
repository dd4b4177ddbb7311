/* verify_cmd.c -- `basketry verify`: does Redis hold what the state says?
 *
 * The running instance computes its lists again, page by page; each page's keys are read from Redis
 * in one round trip and compared field by field. What a second look may change without being wrong
 * is left out: times, token, as_of, and of the lists of no shopper the scores. A difference is real
 * only after a sweep (lists.refresh) of resting input: each event moves what everybody's next list
 * is made of.
 */
#include "ask.h"
#include "render.h"

#include <hiredis/hiredis.h>
#include <stdio.h>

enum { TIMEOUT_MS = 30000, BATCH = 64, SHOWN_MAX = 10, PATH_BYTES = 96 };
enum { JSON = 0 };

static const struct cli_option options[] = {
    [JSON] = {"json", 'j', NULL, "print the counts as JSON"},
};

static const struct cli_usage usage = {
    "verify [--json]",
    "Has a running instance compute every live list again and compares it with what Redis holds: "
    "all fields but\n"
    "generated_at, expires_at, token and as_of. Shows the first differences. Meaningful while "
    "input rests and Redis is up.\n"
    "Exit code 0: no difference; 65: there are some.",
    options,
    BK_COUNTOF(options),
    NULL,
};

struct verification {
    uint64_t keys, missing, different;
    struct bk_buf shown;
};

static int on_option(void *arg, size_t which, const char *value)
{
    (void)which, (void)value;
    *(bool *)arg = true;
    return BK_CLI_GO_ON;
}

/* ---- comparing ---- */

static bool may_differ(const char *field)
{
    static const char *const fields[] = {"generated_at", "expires_at", "token", "as_of"};
    for (size_t i = 0; i < BK_COUNTOF(fields); i++)
        if (strcmp(fields[i], field) == 0) return true;
    return false;
}

/* Numbers that may be older than what is seen now: lists of no shopper are written only when their
 * items or the order changed, and how due something is in the usual shop moves with the clock. */
static bool has_older_numbers(const json_t *list)
{
    const char *context = json_string_value(json_object_get(list, "context"));
    return json_is_null(json_object_get(list, "subject")) ||
           (context && strcmp(context, "usual") == 0);
}

static void forget_numbers(json_t *list)
{
    size_t at;
    json_t *item;
    if (!json_is_object(list) || !has_older_numbers(list)) return;
    json_object_del(list, "confidence");
    json_array_foreach(json_object_get(list, "items"), at, item) json_object_del(item, "score");
}

static bool differ(const json_t *state, const json_t *redis, char *path);

static bool objects_differ(const json_t *state, const json_t *redis, char *path, bool top)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)state, key, value)
    {
        char deeper[PATH_BYTES];
        if (top && may_differ(key)) continue;
        snprintf(deeper, sizeof deeper, "%s%s%.60s", path, path[0] ? "." : "", key);
        if (!differ(value, json_object_get(redis, key), deeper)) continue;
        memcpy(path, deeper, sizeof deeper);
        return true;
    }
    json_object_foreach((json_t *)(uintptr_t)redis, key, value)
    {
        if ((top && may_differ(key)) || json_object_get(state, key)) continue;
        snprintf(path, PATH_BYTES, "%.60s (only in Redis)", key);
        return true;
    }
    return false;
}

static bool arrays_differ(const json_t *state, const json_t *redis, char *path)
{
    size_t count = json_array_size(state);
    for (size_t i = 0; i < count && i < json_array_size(redis); i++) {
        char deeper[PATH_BYTES];
        snprintf(deeper, sizeof deeper, "%.70s[%zu]", path, i);
        if (!differ(json_array_get(state, i), json_array_get(redis, i), deeper)) continue;
        memcpy(path, deeper, sizeof deeper);
        return true;
    }
    return count != json_array_size(redis);
}

static bool differ(const json_t *state, const json_t *redis, char *path)
{
    if (json_is_object(state) && json_is_object(redis))
        return objects_differ(state, redis, path, path[0] == '\0');
    if (json_is_array(state) && json_is_array(redis)) return arrays_differ(state, redis, path);
    if (json_is_number(state) && json_is_number(redis))
        return json_number_value(state) != json_number_value(redis);
    return !redis || !json_equal((json_t *)(uintptr_t)state, (json_t *)(uintptr_t)redis);
}

static void note(struct verification *v, const char *key, const char *what)
{
    if (v->missing + v->different > SHOWN_MAX) return;
    bk__cli_put_text(&v->shown, key);
    bk_buf_cstr(&v->shown, ": ");
    bk__cli_put_text(&v->shown, what);
    bk_buf_char(&v->shown, '\n');
}

static void compare(struct verification *v, const char *key, json_t *list,
                    const struct bk_buf *value, bool found)
{
    char what[PATH_BYTES + 16], path[PATH_BYTES] = "";
    v->keys++;
    if (!found) {
        v->missing++;
        note(v, key, "missing in Redis");
        return;
    }
    json_t *held = json_loadb(value->p ? value->p : "", value->len, 0, NULL);
    forget_numbers(list);
    forget_numbers(held);
    if (!held || differ(list, held, path)) {
        v->different++;
        snprintf(what, sizeof what, held ? "%s differs" : "is no JSON%s", path);
        note(v, key, what);
    }
    if (held) json_decref(held);
}

/* ---- pages ---- */

static int verify_batch(struct verification *v, redisContext *redis, const json_t *keys,
                        size_t from, size_t count, struct bk_reason *reason)
{
    bk_str_t key[BATCH];
    struct bk_buf value[BATCH];
    bool found[BATCH];
    memset(value, 0, sizeof value);
    for (size_t i = 0; i < count; i++) {
        const json_t *name = json_object_get(json_array_get(keys, from + i), "key");
        if (!json_is_string(name))
            return bk_reason_set(reason, BK_ECORRUPT,
                                 "the answer to verify has an entry without a key");
        key[i] = bk_str(json_string_value(name), json_string_length(name));
        found[i] = false;
    }
    int error = bk__cli_redis_get(redis, count, key, value, found, reason);
    for (size_t i = 0; i < count; i++) {
        if (!error || error == BK_EINVAL) /* a foreign value is a difference, not the end */
            compare(v, key[i].p, json_object_get(json_array_get(keys, from + i), "list"), &value[i],
                    found[i]);
        bk_buf_deinit(&value[i]);
    }
    return error == BK_EINVAL ? 0 : error;
}

static int verify_page(struct verification *v, redisContext *redis, const json_t *keys,
                       struct bk_reason *reason)
{
    size_t count = json_array_size(keys);
    int error = 0;
    for (size_t from = 0; from < count && !error; from += BATCH)
        error = verify_batch(v, redis, keys, from, bk_min_u64(BATCH, count - from), reason);
    return error;
}

/* The cursor of the next page as text; "" at the end. */
static void next_cursor(const json_t *page, char *cursor, size_t cap)
{
    const json_t *next = json_object_get(page, "next");
    cursor[0] = '\0';
    if (json_is_integer(next))
        snprintf(cursor, cap, "%lld", (long long)json_integer_value(next));
    else if (json_is_string(next))
        snprintf(cursor, cap, "%s", json_string_value(next));
}

static int verify_all(struct verification *v, const struct bk_config *cfg, redisContext *redis,
                      struct bk_reason *reason)
{
    char cursor[256] = "", next[256];
    do {
        const char *words[] = {"verify", cursor[0] ? cursor : NULL, NULL};
        int error;
        json_t *page = bk__cli_ask(cfg, words, TIMEOUT_MS, &error, reason);
        if (!page) return error;
        error = verify_page(v, redis, json_object_get(page, "keys"), reason);
        next_cursor(page, next, sizeof next);
        json_decref(page);
        if (error) return error;
        if (next[0] && strcmp(cursor, next) == 0)
            return bk_reason_set(reason, BK_ECORRUPT, "verify's cursor did not move");
        memcpy(cursor, next, sizeof cursor);
    } while (cursor[0]);
    return 0;
}

static int report(const struct verification *v, bool json)
{
    struct bk_buf out = {0};
    uint64_t wrong = v->missing + v->different;
    if (json) {
        bk_buf_printf(&out, "{\"keys\":%llu,\"missing\":%llu,\"different\":%llu}\n",
                      (unsigned long long)v->keys, (unsigned long long)v->missing,
                      (unsigned long long)v->different);
    } else {
        if (v->shown.len) bk_buf_bytes(&out, v->shown.p, v->shown.len);
        if (wrong > SHOWN_MAX)
            bk_buf_printf(&out, "... and %llu more\n", (unsigned long long)(wrong - SHOWN_MAX));
        bk_buf_printf(&out, "%llu keys compared, %llu missing, %llu different\n",
                      (unsigned long long)v->keys, (unsigned long long)v->missing,
                      (unsigned long long)v->different);
    }
    int code = bk__cli_print(&out);
    bk_buf_deinit(&out);
    return code ? code : wrong ? BK_EXIT_DATA : BK_EXIT_OK;
}

static int verify(const struct cli_line *line, bool json)
{
    struct verification v = {0};
    struct bk_reason reason = {""};
    if (line->operand_count) return bk__cli_fail(BK_EXIT_USAGE, "verify takes no operand");
    redisContext *redis = bk__cli_redis_open(line->cfg, &reason);
    if (!redis) return bk__cli_fail(BK_EXIT_UNAVAILABLE, "%s", reason.text);
    int error = verify_all(&v, line->cfg, redis, &reason);
    int code = error ? bk__cli_fail(bk__cli_exit_of(error), "%s", reason.text) : report(&v, json);
    redisFree(redis);
    bk_buf_deinit(&v.shown);
    return code;
}

int bk_cmd_verify(int argc, char **argv)
{
    bool json = false;
    struct cli_line line;
    int code = bk__cli_line_read(&line, &usage, argc, argv, on_option, &json);
    if (code != BK_CLI_GO_ON) return code;
    code = verify(&line, json);
    bk__cli_line_end(&line);
    return code;
}
