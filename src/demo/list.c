/* list.c -- a list as Redis holds it becomes a list as people read it.
 *
 * What is new and what moved is told against the list that stood there before, by item id. The JSON
 * is README.md's; whatever is missing in it is simply not shown.
 */
#include "basketry/demo.h"
#include "basketry/error.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

const char *bk_demo_list_word(enum bk_demo_list_name name)
{
    static const char *const words[] = {
#define X(name, word) word,
        BK_DEMO_LIST_TABLE(X)
#undef X
    };
    return name < BK_DEMO_LIST_COUNT ? words[name] : "?";
}

/* A reason, and how it reads once it is known what led here. Others are followed by the name. */
static const struct {
    const char *reason, *with;
} sentences[] = {
    {"viewed next by other shoppers", "viewed next after %s"},
    {"viewed together with what you looked at", "because you viewed %s"},
    {"often bought together", "often bought with %s"},
    {"bought by shoppers who viewed the same", "bought after viewing %s"},
    {"chosen on visits like yours", "visits like yours: %s"},
    {"chosen in baskets like yours", "baskets like yours: %s"},
};

void bk_demo_why(char out[BK_DEMO_WHY_BYTES], const char *reason, const char *because)
{
    char text[512];
    const char *found = NULL;
    for (size_t i = 0; i < BK_COUNTOF(sentences) && because[0]; i++)
        if (strcmp(sentences[i].reason, reason) == 0) found = sentences[i].with;
    const char *name = found ? strstr(found, "%s") : NULL;
    if (name)
        snprintf(text, sizeof text, "%.*s%s", (int)(name - found), found, because);
    else
        snprintf(text, sizeof text, "%s%s%s", reason, reason[0] && because[0] ? ": " : "", because);
    bk_demo_copy(out, BK_DEMO_WHY_BYTES, bk_str_c(text));
}

static bk_str_t text_of(const json_t *object, const char *key)
{
    const json_t *text = json_object_get(object, key);
    return json_is_string(text) ? bk_str(json_string_value(text), json_string_length(text))
                                : BK_STR("");
}

/* The id itself stands where there is no name. */
static void put_name(char *out, size_t cap, bk_str_t name, bk_str_t id)
{
    bk_demo_copy(out, cap, name.len ? name : id);
}

static void put_why(struct bk_demo_item *item, const json_t *from,
                    const struct bk_demo_names *names)
{
    char because[BK_DEMO_NAME_BYTES], reason[BK_DEMO_NAME_BYTES];
    bk_str_t id = text_of(from, "because");
    json_int_t quantity = json_integer_value(json_object_get(from, "quantity"));
    if (bk_str_eq(id, bk_str_c(item->id))) id.len = 0; /* "you looked at it": itself */
    put_name(because, sizeof because, id.len ? names->brief(names->arg, id) : id, id);
    bk_demo_copy(reason, sizeof reason, text_of(from, "reason"));
    bk_demo_why(item->why, reason, because);
    if (quantity < 1) return;
    size_t len = strlen(item->why);
    snprintf(item->why + len, sizeof item->why - len, ", usually %lld, %s", (long long)quantity,
             text_of(from, "due").p);
}

static void mark_change(struct bk_demo_list *list, struct bk_demo_item *item, uint32_t at,
                        const struct bk_demo_list *before)
{
    uint32_t was = 0;
    if (!before->there) return; /* the first one is not all news */
    while (was < before->count && strcmp(before->item[was].id, item->id) != 0) was++;
    item->fresh = was == before->count;
    item->moved = item->fresh ? 0 : (int)was - (int)at;
    list->changes += item->fresh || item->moved != 0;
}

static void read_item(struct bk_demo_list *list, const json_t *from,
                      const struct bk_demo_names *names, const struct bk_demo_list *before)
{
    struct bk_demo_item *item = &list->item[list->count];
    bk_str_t id = text_of(from, "id");
    memset(item, 0, sizeof *item);
    bk_demo_copy(item->id, sizeof item->id, id);
    put_name(item->name, sizeof item->name, names->name(names->arg, id), id);
    const char *tag = json_string_value(json_array_get(json_object_get(from, "tags"), 0));
    bk_demo_copy(item->tag, sizeof item->tag, bk_str_c(tag));
    for (char *c = item->tag; *c; c++)
        if (*c == '_') *c = ' ';
    put_why(item, from, names);
    mark_change(list, item, list->count, before);
    list->count++;
}

static void read_head(struct bk_demo_list *list, const json_t *from,
                      const struct bk_demo_names *names)
{
    const json_t *as_of = json_object_get(from, "as_of");
    bk_str_t about = text_of(from, "for");
    bool known = json_is_object(as_of);
    bk_demo_copy(list->algorithm, sizeof list->algorithm, text_of(from, "algorithm"));
    for (char *c = list->algorithm; *c; c++)
        if (*c == '_') *c = ' ';
    put_name(list->about, sizeof list->about, about.len ? names->brief(names->arg, about) : about,
             about);
    list->confidence = json_number_value(json_object_get(from, "confidence"));
    list->partition = known ? (int32_t)json_integer_value(json_object_get(as_of, "partition")) : -1;
    list->offset = known ? json_integer_value(json_object_get(as_of, "offset")) : -1;
}

static void read_list(struct bk_demo_list *list, const json_t *from,
                      const struct bk_demo_names *names, const struct bk_demo_list *before)
{
    size_t i;
    json_t *item;
    read_head(list, from, names);
    json_array_foreach(json_object_get(from, "items"), i, item)
    {
        if (list->count < BK_DEMO_ITEMS_MAX) read_item(list, item, names, before);
    }
    /* Shorter is a change as well. */
    if (before->there && before->count > list->count) list->changes += before->count - list->count;
    if (!before->there) list->changes = list->count;
}

int bk_demo_list_read(struct bk_demo_list *list, bk_str_t value, const struct bk_demo_names *names,
                      int64_t now_ms)
{
    struct bk_demo_list *fresh = calloc(1, sizeof *fresh);
    json_t *from = value.len ? json_loadb(value.p, value.len, 0, NULL) : NULL;
    bool good = fresh && (!value.len || json_is_object(from));
    if (good) {
        fresh->there = value.len > 0;
        fresh->age_ms = fresh->partition = -1;
        fresh->seen_ms = now_ms;
        if (from) read_list(fresh, from, names, list);
        *list = *fresh;
    }
    if (from) json_decref(from);
    free(fresh);
    return good ? BK_OK : BK_ECORRUPT;
}
