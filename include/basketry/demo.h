/* demo.h -- what `basketry demo` shows, as a model, and how it becomes lines. Pure.
 *
 *   events ─► clicks ┐
 *   Redis  ─► lists  ├─► struct bk_demo_model ─► bk_demo_layout ─► lines of exactly so many columns
 *   keys   ─► mode   ┘                        └► bk_demo_plain_*  ─► lines for a pipe
 *
 * Nothing here knows a terminal, a clock or a shop: demo_io.h has the parts that do. Columns are
 * those of wcwidth, so the caller sets a UTF-8 locale (setlocale) or leaves `utf8` false: then what
 * is not ASCII shows as '?'.
 */
#ifndef BASKETRY_DEMO_H
#define BASKETRY_DEMO_H

#include "basketry/base.h"
#include "basketry/buf.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    BK_DEMO_ITEMS_MAX = 40,   /* of a list */
    BK_DEMO_CLICKS_MAX = 64,  /* remembered */
    BK_DEMO_MATCHES_MAX = 8,  /* products found by a few letters */
    BK_DEMO_NAME_BYTES = 128, /* of any text, NUL included */
    BK_DEMO_WHY_BYTES = 192,
    BK_DEMO_QUERY_BYTES = 40,
};

/* ---- lists ---- */

/** The lists that are followed: word of the context, in the order they are shown. */
#define BK_DEMO_LIST_TABLE(X)                                                                      \
    X(BK_DEMO_HOME, "home")                                                                        \
    X(BK_DEMO_CART, "cart")                                                                        \
    X(BK_DEMO_PRODUCT, "product")                                                                  \
    X(BK_DEMO_CHECKOUT, "checkout")                                                                \
    X(BK_DEMO_USUAL, "usual")                                                                      \
    X(BK_DEMO_DISCOVER, "discover")

enum bk_demo_list_name {
#define X(name, word) name,
    BK_DEMO_LIST_TABLE(X)
#undef X
        BK_DEMO_LIST_COUNT,
    BK_DEMO_STACKED = BK_DEMO_LIST_COUNT /* the first three together */
};
const char *bk_demo_list_word(enum bk_demo_list_name name);

struct bk_demo_item {
    char id[BK_DEMO_NAME_BYTES + 1], name[BK_DEMO_NAME_BYTES];
    char why[BK_DEMO_WHY_BYTES]; /* "often bought with Corn tortillas" */
    char tag[24];                /* the first of its tags, or "" */
    int moved;                   /* places up (>0) or down (<0) since the list before */
    bool fresh;                  /* was not on it */
};

struct bk_demo_list {
    bool there;
    char algorithm[40], about[BK_DEMO_NAME_BYTES]; /* about: the item of a product list, or "" */
    double confidence;
    int32_t partition; /* as_of; < 0: none */
    int64_t offset;
    int64_t age_ms;   /* from the event's record to this list seen in Redis; -1: not seen */
    int64_t seen_ms;  /* when it was seen (wall) */
    uint32_t changes; /* items new or moved since the list before */
    uint32_t count;
    struct bk_demo_item item[BK_DEMO_ITEMS_MAX];
};

/** The name of a product's id, and a brief one for where it stands inside a sentence; "" when nobody knows it. Borrowed until the next call. */
struct bk_demo_names {
    void *arg;
    bk_str_t (*name)(void *arg, bk_str_t id);
    bk_str_t (*brief)(void *arg, bk_str_t id);
};

/** Take over what Redis holds (empty: the key is gone), seen at `now_ms`. Marks what is new and what
 *  moved against the list that was there. The age is left at -1. BK_OK, or BK_ECORRUPT with nothing
 *  changed when the value is no list. */
BK_MUST_CHECK int bk_demo_list_read(struct bk_demo_list *list, bk_str_t value,
                                    const struct bk_demo_names *names, int64_t now_ms);
/** The reason of an item in words: its reason as Redis holds it, and the name of what led here. */
void bk_demo_why(char out[BK_DEMO_WHY_BYTES], const char *reason, const char *because);

/* ---- the model ---- */

struct bk_demo_click {
    int64_t at_ms; /* wall */
    char what[16]; /* "views" */
    char text[BK_DEMO_NAME_BYTES];
    bool by_you;
};

enum bk_demo_mode { BK_DEMO_STARTING, BK_DEMO_WATCHING, BK_DEMO_SEARCHING, BK_DEMO_CHOSEN };

struct bk_demo_match {
    uint32_t product;
    char name[BK_DEMO_NAME_BYTES];
    int64_t price_minor;
};

struct bk_demo_model {
    bool utf8, paused, help;
    enum bk_demo_mode mode;
    enum bk_demo_list_name shown;
    int64_t now_ms; /* wall */
    char doing[96]; /* while starting */
    char note[96];  /* the last thing to say, or "" */
    double speed;   /* shop seconds a second */
    /* the shopper */
    char who[BK_DEMO_NAME_BYTES], kind[40], subject[BK_DEMO_NAME_BYTES + 8];
    uint32_t cart_count;
    struct bk_demo_click click[BK_DEMO_CLICKS_MAX]; /* a ring; number n stands at n mod size */
    uint32_t click_count;                           /* ever */
    struct bk_demo_list list[BK_DEMO_LIST_COUNT];
    /* acting */
    char query[BK_DEMO_QUERY_BYTES];
    struct bk_demo_match match[BK_DEMO_MATCHES_MAX];
    uint32_t match_count, chosen;
    /* numbers */
    uint64_t events, lists;           /* since the demo is live */
    double events_per_s, lists_per_s; /* of late */
    int64_t age_p50_us, age_p99_us;   /* -1: not known */
    uint64_t memory_bytes;            /* resident */
};

/** Another shopper: forget clicks and lists. */
void bk_demo_model_follow(struct bk_demo_model *model, bk_str_t who, bk_str_t kind,
                          bk_str_t subject);
/** The same shopper under another id (log-in): forget the lists. */
void bk_demo_model_rename(struct bk_demo_model *model, bk_str_t subject);
void bk_demo_model_click(struct bk_demo_model *model, int64_t at_ms, const char *what,
                         bk_str_t text, bool by_you);
/** Copy as many bytes as fit, NUL-terminated, never half a character. */
void bk_demo_copy(char *out, size_t cap, bk_str_t text);

/* ---- lines for a terminal ---- */

enum bk_demo_style {
    BK_DEMO_PLAIN,
    BK_DEMO_BAR,   /* first and last row */
    BK_DEMO_HEAD,  /* what a panel is */
    BK_DEMO_FLASH, /* the same, just refreshed */
    BK_DEMO_FAINT,
    BK_DEMO_NEW,
    BK_DEMO_UP,
    BK_DEMO_DOWN,
    BK_DEMO_YOU, /* what the person at the keys does */
    BK_DEMO_STYLE_COUNT
};

enum {
    BK_DEMO_COLUMNS_MAX = 320,
    BK_DEMO_ROWS_MAX = 120,
    BK_DEMO_SPANS_MAX = 48,
    BK_DEMO_LINE_BYTES = 4 * BK_DEMO_COLUMNS_MAX + 8,
};

struct bk_demo_span {
    uint16_t end; /* bytes of the line up to here have this style */
    uint8_t style;
};
struct bk_demo_line {
    char text[BK_DEMO_LINE_BYTES]; /* UTF-8, NUL-terminated, no control characters */
    uint32_t len, columns;
    struct bk_demo_span span[BK_DEMO_SPANS_MAX];
    uint32_t span_count;
};
struct bk_demo_screen {
    uint32_t rows, columns;
    struct bk_demo_line line[BK_DEMO_ROWS_MAX];
};

/** The model as `rows` lines of `columns` columns each (both cut to the maxima). A screen below
 *  60 x 12 only says that it is too small. */
void bk_demo_layout(const struct bk_demo_model *model, uint32_t columns, uint32_t rows,
                    struct bk_demo_screen *screen);

/** Append text to the line in a style, cut to `width` columns and padded to it. A character that is
 *  cut in the middle becomes blanks; control characters become '?'. */
void bk_demo_put(struct bk_demo_line *line, enum bk_demo_style style, const char *text,
                 uint32_t width, bool utf8);
/** Columns of a text as bk_demo_put shows it. */
uint32_t bk_demo_columns(const char *text, bool utf8);

/* ---- lines for a pipe ---- */

/** One line, with its end. */
void bk_demo_plain_click(struct bk_buf *out, const struct bk_demo_model *model,
                         const struct bk_demo_click *click);
void bk_demo_plain_list(struct bk_buf *out, const struct bk_demo_model *model,
                        enum bk_demo_list_name name);
/** What was seen, in a few lines. */
void bk_demo_plain_summary(struct bk_buf *out, const struct bk_demo_model *model);

#ifdef __cplusplus
}
#endif
#endif
