/* mapping.h -- which of a shop's columns is which of our fields, read from a text.
 *
 * A format is data: one text, in which each [section] describes one kind of file (a table). The
 * formats that Basketry knows are such texts in src/import/formats/, compiled in; a shop's own is
 * the same kind of file, named by --mapping. README.md beside this file is the language's
 * description.
 *
 *     [orders]
 *     about     = one line an order, its items inside
 *     kind      = events
 *     form      = dynamodb
 *     recognise = orderId, userId
 *     lines     = items                   ; a row for each element
 *     item      = .productId              ; a dot: of the element
 *     time      = createdAt | orderDate   ; the first that is there
 *     session   = customer_id & t_dat     ; joined
 *     category  = aisle_id@aisles         ; looked up in the table [aisles]
 */
#ifndef BASKETRY_IMPORT_MAPPING_H
#define BASKETRY_IMPORT_MAPPING_H

#include "basketry/import.h"

/* clang-format off */
/*       enum               word            kinds     what it is */
#define BK__FIELD_TABLE(X)                                                                         \
    X(FIELD_TIME,           "time",          "eopc",  "when it happened; of a fact: when it was true")    \
    X(FIELD_USER,           "user",          "eo",    "the customer: subject c:<user>")                   \
    X(FIELD_VISITOR,        "visitor",       "eo",    "the browser, where no customer is known: v:<visitor>") \
    X(FIELD_SESSION,        "session",       "eo",    "the shop's own session")                           \
    X(FIELD_ORDER,          "order",         "eol",   "the order; without it the session is the order")   \
    X(FIELD_ACTION,         "action",        "e",     "the word that `words` translates")                 \
    X(FIELD_ITEM,           "item",          "elp",   "the product's id")                                 \
    X(FIELD_QUANTITY,       "quantity",      "el",    "whole units; 1 where it is not said")              \
    X(FIELD_PRICE,          "price",         "elp",   "of one unit")                                      \
    X(FIELD_AMOUNT,         "amount",        "el",    "of the whole line: the price is its part for one unit") \
    X(FIELD_QUERY,          "query",         "e",     "what was searched for")                            \
    X(FIELD_CURRENCY,       "currency_from", "elpc",  "ISO 4217 code, where the rows say it")             \
    X(FIELD_NAME,           "name",          "pck",   "what shoppers read")                               \
    X(FIELD_CATEGORY,       "category",      "p",     "path from the top, parts joined by ` > `")         \
    X(FIELD_BRAND,          "brand",         "p",     "brand or supplier")                                \
    X(FIELD_IMAGE,          "image",         "p",     "address of the picture")                           \
    X(FIELD_VARIANT,        "variant_group", "p",     "shared by sizes and flavours of one product")      \
    X(FIELD_PROMOTION,      "promotion",     "p",     "the promotion that runs")                          \
    X(FIELD_DIETARY,        "dietary",       "pc",    "words: vegan, halal, ...")                         \
    X(FIELD_ALLERGENS,      "allergens",     "p",     "words; there at all: the list is complete")        \
    X(FIELD_SEASONS,        "seasons",       "p",     "words")                                            \
    X(FIELD_CUSTOMER,       "customer",      "c",     "the customer's id")                                \
    X(FIELD_ALLERGIES,      "allergies",     "c",     "words")                                            \
    X(FIELD_CATEGORIES,     "categories",    "c",     "favourite categories: words")                      \
    X(FIELD_BRANDS,         "brands",        "c",     "favourite brands: words")                          \
    X(FIELD_BUDGET,         "budget",        "c",     "usual spending on one shop")                       \
    X(FIELD_AGE,            "age",           "c",     "years; of `45-54` and `65+` the first number")     \
    X(FIELD_GENDER,         "gender",        "c",     "as the customer put it")                           \
    X(FIELD_LOCATION,       "location",      "c",     "town or postal area")                              \
    X(FIELD_FAMILY,         "family_size",   "c",     "people at home; the first number")                 \
    X(FIELD_HOUSEHOLD,      "household",     "c",     "shared by customers of one home")                  \
    X(FIELD_TIER,           "loyalty_tier",  "c",     "bronze, silver, gold or the shop's own")           \
    X(FIELD_POINTS,         "loyalty_points", "c",    "points")                                           \
    X(FIELD_CREATED,        "created",       "c",     "when the customer joined")                         \
    X(FIELD_REQUIRE,        "require",       "eolpck", "rows without it are passed over")                 \
    X(FIELD_KEY,            "key",           "k",     "what others look up")                              \
    X(FIELD_PARENT,         "parent",        "k",     "the key of the label above")

/*       enum               word         letter  what a row of it becomes */
#define BK__KIND_TABLE(X)                                                                          \
    X(KIND_EVENTS,          "events",    'e',    "an event, or a line of a receipt")               \
    X(KIND_ORDERS,          "orders",    'o',    "whose order it was and when, for `lines`")       \
    X(KIND_LINES,           "lines",     'l',    "a line of a receipt; its order is in `orders`")  \
    X(KIND_PRODUCTS,        "products",  'p',    "a fact of the products' topic")                  \
    X(KIND_CUSTOMERS,       "customers", 'c',    "a fact of the customers' topic")                 \
    X(KIND_LABELS,          "labels",    'k',    "a name that others look up with `@`")
/* clang-format on */

enum bk__field {
#define X(name, word, kinds, what) name,
    BK__FIELD_TABLE(X)
#undef X
        FIELD_COUNT
};

enum bk__kind {
#define X(name, word, letter, what) name,
    BK__KIND_TABLE(X)
#undef X
        KIND_COUNT
};

enum bk__form { FORM_CSV, FORM_JSON, FORM_DYNAMODB };
enum bk__time_form {
    TIME_ISO,
    TIME_UNIX_MS,
    TIME_UNIX_S,
    TIME_UNIX_US,
    TIME_MDY,
    TIME_DMY,
    TIME_DAY_HHMM,
    TIME_WEEKDAY_HOUR_GAP,
};

enum {
    BK__PARTS_MAX = 12,    /* of one expression, alternatives included */
    BK__COLUMNS_MAX = 256, /* of a row */
    BK__TABLES_MAX = 64,   /* of all formats together */
    BK__WORDS_MAX = 32,
    BK__SKIP = -1, /* an action word whose rows are left out */
    BK__NO_ACTION = -2,
};

/* What a quantity of zero means. */
enum bk__zero { ZERO_WRONG, ZERO_ONE, ZERO_SKIP };

/* One path of an expression. "a | b & c" is a, then b joined with c; in `recognise` each name begins,
 * and what follows are its alternatives. */
struct bk__part {
    const char *path;  /* a column, or a path into JSON */
    const char *label; /* the table after `@`; NULL: none */
    bool begins;       /* a new alternative begins here */
};

struct bk__expr {
    struct bk__part part[BK__PARTS_MAX];
    uint32_t count; /* 0: not mapped */
};

struct bk__table {
    const char *format;                /* "rees46"; of --mapping: "mapping" */
    const char *name;                  /* the section */
    const char *about, *clock, *money; /* for the reference; "" when not said */
    enum bk__kind kind;
    enum bk__form form;
    char separator; /* CSV */
    char decimal;   /* '.' or ',' */
    bool quotes;    /* CSV */
    bool returns;   /* a purchase with a negative quantity is a return */
    enum bk__zero zero_quantity;
    bool zero_price_unknown;
    bool price_minor; /* prices are minor units already */
    bool latest;      /* products: of several rows of an item the one with the latest time counts */
    const char *columns[BK__COLUMNS_MAX]; /* CSV without a header */
    uint32_t column_count;
    struct bk__expr recognise; /* every alternative of every part must be there */
    const char *null_text;     /* what stands for "not recorded" besides nothing */
    char currency[4];          /* "" when not known */
    int64_t zone_ms;           /* what the zone's clock is ahead of UTC */
    int64_t origin_ms;
    enum bk__time_form time_form;
    enum bk_encoding encoding;
    int always; /* an action, or BK__NO_ACTION */
    struct {
        const char *theirs; /* "*": any other word */
        int ours;           /* an action or BK__SKIP */
    } word[BK__WORDS_MAX];
    uint32_t word_count;
    const char *lines; /* JSON: path of the array whose elements are rows; NULL */
    const char *where_path, *where_value; /* only rows with this; NULL: all */
    char category_split, list_split;      /* 0: not split */
    struct bk__expr field[FIELD_COUNT];
};

struct bk_import_formats {
    struct bk__table *table[BK__TABLES_MAX];
    uint32_t count;
    struct bk__text {
        struct bk__text *next;
        char text[];
    } * texts;       /* every string of the tables */
    uint64_t digest; /* of the --mapping text */
};

/** Add the tables of a mapping's text. `format` and `place` (for errors: "shop.ini") are copied
 *  where they are kept. 0, BK_EINVAL with "place:line:column: why", or BK_ENOMEM. */
BK_MUST_CHECK int bk__mapping_parse(struct bk_import_formats *formats, const char *format,
                                    const char *place, bk_str_t text, struct bk_reason *reason);

const char *bk__field_word(enum bk__field field);
const char *bk__kind_word(enum bk__kind kind);
bool bk__field_fits(enum bk__field field, enum bk__kind kind);
/** The words of an action, a form and a time form, as the mapping has them. */
const char *bk__action_word(int action);
const char *bk__form_word(enum bk__form form);
const char *bk__time_word(enum bk__time_form form);

#endif
