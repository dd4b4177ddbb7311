/* rules.c -- the validation table.
 *
 * A text with min 1 is required: empty is `missing`. A text with min 0 that is empty becomes null.
 * The limits are those of event.h and are repeated for producers in the schemas' doc strings and
 * schemas/README.md.
 */
#include "rules.h"

#define EVENT(member) BK__IN_EVENT, offsetof(struct bk_event, member)
#define LINE(member)  BK__IN_LINE, offsetof(struct bk_line, member)
#define NOTHING       BK__IN_NOTHING, 0
#define ROLE(role)    BK__IN_LINE, role

#define ID             0, BK_ID_BYTES_MAX
#define REQUIRED_ID    1, BK_ID_BYTES_MAX
#define WORDS          0, BK_TEXT_BYTES_MAX
#define REQUIRED_WORDS 1, BK_TEXT_BYTES_MAX
#define CODE           3, 3
#define MONEY          0, BK_MONEY_MINOR_MAX
#define TIME           0, BK_TIME_MS_MAX
#define COUNT          0, BK_COUNT_MAX
#define FEW            0, BK_FACT_VALUES_MAX
#define UNCHECKED      0, 0

static const struct bk__rule rules[] = {
    /* clang-format off */
    /* record          field              what          to                      min..max */
    {"*",              "event_id",        BK__TEXT,     EVENT(event_id),        REQUIRED_ID},
    {"*",              "event_time",      BK__NUMBER,   EVENT(event_time_ms),   TIME},
    {"*",              "visitor_id",      BK__TEXT,     EVENT(visitor),         ID},
    {"*",              "customer_id",     BK__TEXT,     EVENT(customer),        ID},
    {"*",              "session_id",      BK__TEXT,     EVENT(session),         ID},
    {"*",              "consent",         BK__CHOICE,   EVENT(consent),         BK_CONSENT_UNKNOWN, BK_CONSENT_PERSONAL},
    {"*",              "rec_token",       BK__TEXT,     EVENT(rec_token),       WORDS},
    {"*",              "context",         BK__GROUP,    NOTHING,                UNCHECKED},
    {"*",              "attributes",      BK__ENTRIES,  NOTHING,                FEW},
    {"*",              "attributes{}",    BK__TEXT,     NOTHING,                WORDS},
    {"*",              "currency",        BK__CURRENCY, EVENT(currency),        CODE},

    {"Context",        "store",           BK__TEXT,     EVENT(store),           ID},
    {"Context",        "device",          BK__TEXT,     EVENT(device),          ID},
    {"Context",        "channel",         BK__TEXT,     EVENT(channel),         ID},
    {"Context",        "weather",         BK__TEXT,     EVENT(weather),         ID},
    {"Context",        "page",            BK__TEXT,     EVENT(page),            ID},

    {"Item",           "item_id",         BK__TEXT,     LINE(item),             REQUIRED_ID},
    {"Item",           "quantity",        BK__NUMBER,   LINE(quantity),         1, BK_QUANTITY_MAX},
    {"Item",           "unit_price_minor", BK__NUMBER,  LINE(unit_price_minor), MONEY},
    {"Item",           "category",        BK__TEXT,     LINE(category),         WORDS},
    {"PurchaseLine",   "item_id",         BK__TEXT,     LINE(item),             REQUIRED_ID},
    {"PurchaseLine",   "quantity",        BK__NUMBER,   LINE(quantity),         1, BK_QUANTITY_MAX},
    {"PurchaseLine",   "unit_price_minor", BK__NUMBER,  LINE(unit_price_minor), MONEY},
    {"PurchaseLine",   "category",        BK__TEXT,     LINE(category),         WORDS},
    {"PurchaseLine",   "promotion",       BK__TEXT,     LINE(promotion),        ID},
    {"PurchaseLine",   "discount_minor",  BK__NUMBER,   LINE(discount_minor),   MONEY},

    {"ItemViewed",     "item",            BK__LINE,     ROLE(BK_LINE_PLAIN),    UNCHECKED},
    {"Searched",       "query",           BK__TEXT,     EVENT(query),           REQUIRED_WORDS},
    {"Searched",       "result_count",    BK__NUMBER,   NOTHING,                COUNT},
    {"Searched",       "result_item_ids", BK__ENTRIES,  NOTHING,                FEW},
    {"Searched",       "result_item_ids[]", BK__TEXT,   NOTHING,                REQUIRED_ID},
    {"Searched",       "filters",         BK__ENTRIES,  NOTHING,                FEW},
    {"Searched",       "filters{}",       BK__TEXT,     NOTHING,                WORDS},
    {"CartChanged",    "op",              BK__CHOICE,   EVENT(op),              BK_CART_ADD, BK_CART_SET},
    {"CartChanged",    "items",           BK__LINES,    ROLE(BK_LINE_PLAIN),    0, BK_LINES_MAX},
    {"CartChanged",    "cart_id",         BK__TEXT,     NOTHING,                ID},
    {"Purchased",      "order_id",        BK__TEXT,     EVENT(order_id),        REQUIRED_ID},
    {"Purchased",      "lines",           BK__LINES,    ROLE(BK_LINE_PLAIN),    1, BK_LINES_MAX},
    {"Purchased",      "total_minor",     BK__NUMBER,   NOTHING,                MONEY},
    {"Purchased",      "payment_method",  BK__TEXT,     NOTHING,                ID},
    {"WishlistChanged", "op",             BK__CHOICE,   EVENT(op),              BK_WISH_ADD, BK_WISH_REMOVE},
    {"WishlistChanged", "items",          BK__LINES,    ROLE(BK_LINE_PLAIN),    1, BK_LINES_MAX},
    {"Refunded",       "order_id",        BK__TEXT,     EVENT(order_id),        REQUIRED_ID},
    {"Refunded",       "lines",           BK__LINES,    ROLE(BK_LINE_PLAIN),    0, BK_LINES_MAX},
    {"Refunded",       "reason",          BK__TEXT,     EVENT(reason),          WORDS},
    {"ListShown",      "list",            BK__TEXT,     EVENT(list),            REQUIRED_ID},
    {"ListShown",      "item_ids",        BK__LINES,    ROLE(BK_LINE_PLAIN),    1, BK_LINES_MAX},
    {"ListShown",      "item_ids[]",      BK__TEXT,     LINE(item),             REQUIRED_ID},
    {"ItemClicked",    "item",            BK__LINE,     ROLE(BK_LINE_PLAIN),    UNCHECKED},
    {"ItemClicked",    "list",            BK__TEXT,     EVENT(list),            ID},
    {"ItemClicked",    "position",        BK__NUMBER,   NOTHING,                0, BK_LINES_MAX},
    {"ItemDismissed",  "item",            BK__LINE,     ROLE(BK_LINE_PLAIN),    UNCHECKED},
    {"ItemDismissed",  "list",            BK__TEXT,     EVENT(list),            ID},
    {"ItemDismissed",  "reason",          BK__TEXT,     EVENT(reason),          WORDS},
    {"ItemRated",      "item",            BK__LINE,     ROLE(BK_LINE_PLAIN),    UNCHECKED},
    {"ItemRated",      "rating",          BK__NUMBER,   EVENT(rating),          1, 5},
    {"ItemRated",      "review",          BK__TEXT,     EVENT(review),          WORDS},
    {"Identified",     "visitor_id",      BK__TEXT,     EVENT(visitor),         REQUIRED_ID},
    {"Identified",     "customer_id",     BK__TEXT,     EVENT(customer),        REQUIRED_ID},
    {"SubjectMerged",  "customer_id",     BK__TEXT,     EVENT(customer),        REQUIRED_ID},
    {"SubjectMerged",  "merged_subject",  BK__TEXT,     EVENT(merged_subject),  1, BK_SUBJECT_BYTES_MAX},
    {"SubjectMerged",  "viewed",          BK__LINES,    ROLE(BK_LINE_VIEWED),   0, BK_LINES_MAX},
    {"SubjectMerged",  "cart",            BK__LINES,    ROLE(BK_LINE_CART),     0, BK_LINES_MAX},
    {"ConsentChanged", "consent",         BK__CHOICE,   EVENT(consent),         BK_CONSENT_NONE, BK_CONSENT_PERSONAL},
    {"CustomerErased", "reason",          BK__TEXT,     EVENT(reason),          WORDS},

    {"Product",        "",                BK__LINE,     ROLE(BK_LINE_PLAIN),    UNCHECKED},
    {"Product",        "item_id",         BK__TEXT,     LINE(item),             REQUIRED_ID},
    {"Product",        "name",            BK__TEXT,     EVENT(name),            REQUIRED_WORDS},
    {"Product",        "category",        BK__TEXT,     LINE(category),         WORDS},
    {"Product",        "brand",           BK__TEXT,     EVENT(brand),           ID},
    {"Product",        "unit_price_minor", BK__NUMBER,  LINE(unit_price_minor), MONEY},
    {"Product",        "dietary",         BK__ENTRIES,  NOTHING,                FEW},
    {"Product",        "dietary[]",       BK__TEXT,     NOTHING,                REQUIRED_ID},
    {"Product",        "allergens",       BK__ENTRIES,  NOTHING,                FEW},
    {"Product",        "allergens[]",     BK__TEXT,     NOTHING,                REQUIRED_ID},
    {"Product",        "allergens_known", BK__ANY,      NOTHING,                UNCHECKED},
    {"Product",        "nutrition",       BK__ENTRIES,  NOTHING,                FEW},
    {"Product",        "nutrition{}",     BK__ANY,      NOTHING,                UNCHECKED},
    {"Product",        "seasons",         BK__ENTRIES,  NOTHING,                FEW},
    {"Product",        "seasons[]",       BK__TEXT,     NOTHING,                REQUIRED_ID},
    {"Product",        "image",           BK__TEXT,     EVENT(image),           WORDS},
    {"Product",        "variant_group",   BK__TEXT,     EVENT(variant_group),   ID},
    {"Product",        "embedding",       BK__ENTRIES,  NOTHING,                0, BK_EMBEDDING_MAX},
    {"Product",        "embedding[]",     BK__ANY,      NOTHING,                UNCHECKED},
    {"Product",        "promotion",       BK__TEXT,     LINE(promotion),        ID},
    {"*",              "updated_time",    BK__NUMBER,   EVENT(event_time_ms),   TIME},

    {"Stock",          "",                BK__LINE,     ROLE(BK_LINE_PLAIN),    UNCHECKED},
    {"Stock",          "item_id",         BK__TEXT,     LINE(item),             REQUIRED_ID},
    {"Stock",          "store",           BK__TEXT,     EVENT(store),           ID},
    {"Stock",          "available",       BK__NUMBER,   EVENT(available),       COUNT},

    {"Customer",       "customer_id",     BK__TEXT,     EVENT(customer),        REQUIRED_ID},
    {"Customer",       "name",            BK__TEXT,     EVENT(name),            WORDS},
    {"Customer",       "preferences",     BK__GROUP,    NOTHING,                UNCHECKED},
    {"Customer",       "demographics",    BK__GROUP,    NOTHING,                UNCHECKED},
    {"Customer",       "household_id",    BK__TEXT,     NOTHING,                ID},
    {"Customer",       "loyalty_tier",    BK__TEXT,     NOTHING,                ID},
    {"Customer",       "loyalty_points",  BK__NUMBER,   NOTHING,                MONEY},
    {"Customer",       "created_time",    BK__NUMBER,   NOTHING,                TIME},
    {"Preferences",    "dietary",         BK__ENTRIES,  NOTHING,                FEW},
    {"Preferences",    "dietary[]",       BK__TEXT,     NOTHING,                REQUIRED_ID},
    {"Preferences",    "allergies",       BK__ENTRIES,  NOTHING,                FEW},
    {"Preferences",    "allergies[]",     BK__TEXT,     NOTHING,                REQUIRED_ID},
    {"Preferences",    "favourite_categories", BK__ENTRIES, NOTHING,            FEW},
    {"Preferences",    "favourite_categories[]", BK__TEXT, NOTHING,             REQUIRED_ID},
    {"Preferences",    "favourite_brands", BK__ENTRIES, NOTHING,                FEW},
    {"Preferences",    "favourite_brands[]", BK__TEXT,  NOTHING,                REQUIRED_ID},
    {"Preferences",    "budget_minor",    BK__NUMBER,   NOTHING,                MONEY},
    {"Preferences",    "budget_currency", BK__CURRENCY, NOTHING,                CODE},
    {"Demographics",   "age",             BK__NUMBER,   NOTHING,                0, 150},
    {"Demographics",   "gender",          BK__TEXT,     NOTHING,                ID},
    {"Demographics",   "location",        BK__TEXT,     NOTHING,                ID},
    {"Demographics",   "family_size",     BK__NUMBER,   NOTHING,                1, 100},
    /* clang-format on */
};

const struct bk__rule bk__rule_group = {"*", "[]", BK__GROUP, BK__IN_NOTHING, 0, 0, 0};
const struct bk__rule bk__rule_map_key = {"*", "key", BK__TEXT,       BK__IN_NOTHING,
                                          0,   0,     BK_ID_BYTES_MAX};

const struct bk__rule *bk__rule_find(const char *record, const char *field)
{
    const struct bk__rule *general = NULL;
    for (size_t i = 0; i < BK_COUNTOF(rules); i++) {
        if (strcmp(rules[i].field, field) != 0) continue;
        if (strcmp(rules[i].record, record) == 0) return &rules[i];
        if (rules[i].record[0] == '*') general = &rules[i];
    }
    return general;
}

const struct bk__rule *bk__rule_at(size_t at)
{
    return at < BK_COUNTOF(rules) ? &rules[at] : NULL;
}
