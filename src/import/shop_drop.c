/* shop_drop.c -- item ids to leave out, by a regular expression that must match the whole id.
 *
 * Matching is slow and a file repeats its items, so each distinct id is matched once.
 * Memory: each distinct id of the file, once.
 */
#include "basketry/shop_file.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>

struct bk_shop_drop {
    regex_t pattern;
    bool compiled;
    struct bk_shop_ids known;
    bool *answer; /* by number - 1 */
    size_t answer_cap;
};

void bk_shop_drop_destroy(struct bk_shop_drop **drop)
{
    if (!*drop) return;
    if ((*drop)->compiled) regfree(&(*drop)->pattern);
    bk_shop_ids_deinit(&(*drop)->known);
    free((*drop)->answer);
    free(*drop);
    *drop = NULL;
}

struct bk_shop_drop *bk_shop_drop_create(const char *expression, struct bk_reason *reason)
{
    struct bk_shop_drop *drop = calloc(1, sizeof *drop);
    size_t bytes = strlen(expression) + sizeof "^()$";
    char *whole = malloc(bytes);
    if (!drop || !whole) {
        bk_reason_set(reason, BK_ENOMEM, "--drop: out of memory");
        free(whole);
        free(drop);
        return NULL;
    }
    snprintf(whole, bytes, "^(%s)$", expression);
    int code = regcomp(&drop->pattern, whole, REG_EXTENDED | REG_NOSUB);
    free(whole);
    if (code == 0) {
        drop->compiled = true;
        return drop;
    }
    char text[128];
    regerror(code, &drop->pattern, text, sizeof text);
    bk_reason_set(reason, BK_EINVAL, "--drop: %s", text);
    bk_shop_drop_destroy(&drop);
    return NULL;
}

static bool matches(const struct bk_shop_drop *drop, bk_str_t item)
{
    char text[BK_SHOP_LINE_BYTES_MAX];
    if (item.len >= sizeof text) return false;
    if (item.len) memcpy(text, item.p, item.len);
    text[item.len] = '\0';
    return regexec(&drop->pattern, text, 0, NULL, 0) == 0;
}

bool bk_shop_drop_matches(struct bk_shop_drop *drop, bk_str_t item)
{
    if (!drop) return false;
    uint32_t before = drop->known.count;
    uint32_t number = bk_shop_ids_add(&drop->known, item);
    if (number == 0) return matches(drop, item);
    if (number > before) {
        void *answer = drop->answer;
        bool fits = bk_shop_grow(&answer, number - 1, &drop->answer_cap, sizeof *drop->answer);
        BK_ASSERT(fits);
        drop->answer = answer;
        drop->answer[number - 1] = matches(drop, item);
    }
    return drop->answer[number - 1];
}
