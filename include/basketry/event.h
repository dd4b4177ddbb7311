/* event.h -- a decoded record: what a shopper did, or a fact about the shop.
 *
 * One struct for every record kind, so that the decoder has one target and `apply` one argument.
 * Fields that a kind does not have keep the defaults bk_event_reset gives them. All strings are
 * borrowed from the record's payload (or from the schema's defaults) and live until the decoder's
 * next call.
 *
 * Units: times in milliseconds since 1970, money in minor units of `currency`, quantities in whole
 * units. A nullable string that is null has p == NULL and len 0; a nullable number that is null has
 * BK_NULL_I64.
 */
#ifndef BASKETRY_EVENT_H
#define BASKETRY_EVENT_H

#include "basketry/base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define BK_NULL_I64 INT64_MIN

/* Limits of the contract (schemas/README.md repeats them; the validation table enforces them). */
enum {
    BK_ID_BYTES_MAX = 128,      /* every id: item, customer, visitor, session, order, event */
    BK_SUBJECT_BYTES_MAX = 130, /* "c:" or "v:" and the id */
    BK_TEXT_BYTES_MAX = 1024,   /* names, queries, reviews; longer is a verdict */
    BK_LINES_MAX = 2000,        /* lines of one purchase, items of one cart or list */
    BK_QUANTITY_MAX = 1000000,
    BK_COUNT_MAX = 1000000000, /* units on hand, search results */
    BK_FACT_VALUES_MAX = 64,   /* entries of any list or map inside a fact or a context */
    BK_EMBEDDING_MAX = 1024,   /* numbers of a product's vector */
};
#define BK_MONEY_MINOR_MAX INT64_C(1000000000000) /* any amount, minor units; loyalty points too */
#define BK_TIME_MS_MAX     INT64_C(253402300799999) /* the last millisecond of the year 9999 */

/* clang-format off */
/*       enum                    Avro record name */
#define BK_EVENT_KIND_TABLE(X)                                                                     \
    X(BK_EVENT_ITEM_VIEWED,      "ItemViewed")                                                     \
    X(BK_EVENT_SEARCHED,         "Searched")                                                       \
    X(BK_EVENT_CART_CHANGED,     "CartChanged")                                                    \
    X(BK_EVENT_PURCHASED,        "Purchased")                                                      \
    X(BK_EVENT_WISHLIST_CHANGED, "WishlistChanged")                                                \
    X(BK_EVENT_REFUNDED,         "Refunded")                                                       \
    X(BK_EVENT_LIST_SHOWN,       "ListShown")                                                      \
    X(BK_EVENT_ITEM_CLICKED,     "ItemClicked")                                                    \
    X(BK_EVENT_ITEM_DISMISSED,   "ItemDismissed")                                                  \
    X(BK_EVENT_ITEM_RATED,       "ItemRated")                                                      \
    X(BK_EVENT_IDENTIFIED,       "Identified")                                                     \
    X(BK_EVENT_SUBJECT_MERGED,   "SubjectMerged")                                                  \
    X(BK_EVENT_CONSENT_CHANGED,  "ConsentChanged")                                                 \
    X(BK_EVENT_CUSTOMER_ERASED,  "CustomerErased")                                                 \
    X(BK_EVENT_TICK,             "Tick")                                                           \
    X(BK_EVENT_PRODUCT,          "Product")                                                        \
    X(BK_EVENT_STOCK,            "Stock")                                                          \
    X(BK_EVENT_CUSTOMER,         "Customer")

enum bk_event_kind {
#define X(name, record) name,
    BK_EVENT_KIND_TABLE(X)
#undef X
    BK_EVENT_KIND_COUNT
};
/* clang-format on */

enum bk_consent { BK_CONSENT_UNKNOWN, BK_CONSENT_NONE, BK_CONSENT_SESSION, BK_CONSENT_PERSONAL };
enum bk_cart_op { BK_CART_ADD, BK_CART_REMOVE, BK_CART_CLEAR, BK_CART_SET };
enum bk_wish_op { BK_WISH_ADD, BK_WISH_REMOVE };

/** Which list of its record a line comes from; only SubjectMerged has two. */
enum bk_line_role { BK_LINE_PLAIN, BK_LINE_VIEWED, BK_LINE_CART };

/** One item of an event: a viewed item (one line), a cart's or a purchase's lines, a shown list's
 *  items. */
struct bk_line {
    bk_str_t item;
    bk_str_t category;        /* "A > B > C", nullable */
    bk_str_t promotion;       /* nullable; purchase lines */
    int64_t quantity;         /* 1 unless said */
    int64_t unit_price_minor; /* nullable */
    int64_t discount_minor;   /* nullable; purchase lines */
    enum bk_line_role role;   /* SubjectMerged: viewed or cart; plain everywhere else */
};

struct bk_event {
    enum bk_event_kind kind;
    bk_str_t event_id;     /* UUID text */
    int64_t event_time_ms; /* facts: updated_time, 0 when it was not said */
    bk_str_t visitor;
    bk_str_t customer;  /* nullable; decides the subject, see bk_event_subject */
    bk_str_t session;   /* nullable */
    int64_t consent;    /* enum bk_consent */
    bk_str_t rec_token; /* nullable: the list that led here */
    bk_str_t store, device, channel, weather, page; /* context, each nullable */
    bk_str_t currency;                              /* ISO 4217, nullable */
    int64_t op;                                     /* enum bk_cart_op or bk_wish_op */
    bk_str_t order_id;                              /* Purchased, Refunded */
    bk_str_t query;                                 /* Searched */
    bk_str_t list;                                  /* ListShown, ItemClicked: the list's context */
    int64_t rating;                                 /* ItemRated: 1..5 */
    bk_str_t review;                                /* ItemRated, nullable */
    bk_str_t reason;                                /* Refunded, ItemDismissed, nullable */
    bk_str_t merged_subject; /* SubjectMerged: the visitor's subject; merge_id in event_id */
    bk_str_t name;           /* Product, Customer */
    bk_str_t brand;          /* Product */
    bk_str_t image;          /* Product */
    bk_str_t variant_group;  /* Product */
    int64_t available;       /* Stock: units on hand, 0 = out; other kinds BK_NULL_I64 */
    bool tombstone;          /* a fact's null value: erase what the key names */

    uint32_t line_count;
    struct bk_line *lines; /* at most BK_LINES_MAX, storage of the decoder */
};

/** Set every field to its default: empty, null or one. Keeps `lines`; the kind becomes the
 *  first. */
void bk_event_reset(struct bk_event *ev);

/** Set a line to its default: no item, quantity one, the rest null. */
void bk_line_reset(struct bk_line *line);

/** The record's Avro name of a kind; "?" for anything else. */
const char *bk_event_kind_name(enum bk_event_kind kind);

/** Write the subject into `out` (BK_SUBJECT_BYTES_MAX bytes); returns its length. It is
 *  `c:<customer>` when the customer is known, else `v:<visitor>`; Identified belongs to the visitor
 *  although it names both. The ids must be within BK_ID_BYTES_MAX, which the decoder sees to. */
uint32_t bk_event_subject(const struct bk_event *ev, char *out);

#ifdef __cplusplus
}
#endif
#endif
