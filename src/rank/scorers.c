/* scorers.c -- the words of the scorers and situations, and the default weights.
 *
 * The weights were found by `basketry evaluate` on public data: one set for every shop
 * (src/rank/README.md has the runs).
 */
#include "basketry/rank.h"

const char *bk_scorer_name(enum bk_scorer scorer)
{
    static const char *const names[] = {
#define X(id, name, tag, reason) name,
        BK_SCORER_TABLE(X)
#undef X
    };
    return scorer < BK_SCORER_COUNT ? names[scorer] : "?";
}

const char *bk_scorer_tag(enum bk_scorer scorer)
{
    static const char *const tags[] = {
#define X(id, name, tag, reason) tag,
        BK_SCORER_TABLE(X)
#undef X
    };
    return scorer < BK_SCORER_COUNT ? tags[scorer] : "?";
}

const char *bk_scorer_reason(enum bk_scorer scorer)
{
    static const char *const reasons[] = {
#define X(id, name, tag, reason) reason,
        BK_SCORER_TABLE(X)
#undef X
    };
    return scorer < BK_SCORER_COUNT ? reasons[scorer] : "?";
}

const char *bk_situation_name(enum bk_situation situation)
{
    static const char *const names[] = {
        "session_blend", "buy_again",          "discover", "cart_complements",
        "forgotten",     "product_companions", "email",    "usual_shop"};
    _Static_assert(BK_COUNTOF(names) == BK_SITUATION_COUNT, "one name a situation");
    return situation < BK_SITUATION_COUNT ? names[situation] : "?";
}

void bk_weights_default(struct bk_weights *weights)
{
    /* clang-format off */
    static const float found[BK_SITUATION_COUNT][BK_SCORER_COUNT] = {
        /*                            next   viewed  knn    repeat  bought  view_buy  baskets  again   popular */
        [BK_SITUATION_HOME_LIVE] = {  0.3f,  1.0f,   2.0f,  7.2f,   0.0f,   0.0f,     0.0f,    0.0f,   0.0f  },
        [BK_SITUATION_HOME_REST] = {  0.0f,  0.0f,   0.0f,  0.0f,   0.0f,   0.0f,     0.0f,    1.0f,   15.0f },
        [BK_SITUATION_DISCOVER]  = {  0.5f,  0.5f,   0.0f,  0.0f,   1.0f,   0.5f,     0.0f,    0.0f,   0.25f },
        [BK_SITUATION_CART]      = {  0.0f,  0.01f,  0.0f,  0.0f,   1.0f,   0.01f,    0.5f,    0.01f,  0.03f },
        [BK_SITUATION_CHECKOUT]  = {  0.0f,  0.0f,   0.0f,  0.0f,   10.0f,  0.0f,     0.0f,    1.0f,   15.0f },
        [BK_SITUATION_PRODUCT]   = {  0.3f,  0.5f,   0.0f,  0.0f,   1.0f,   0.3f,     0.0f,    0.0f,   0.0f  },
        [BK_SITUATION_EMAIL]     = {  0.0f,  0.0f,   0.0f,  0.0f,   10.0f,  0.0f,     0.0f,    1.0f,   15.0f },
    };
    /* clang-format on */
    memcpy(weights->weight, found, sizeof found);
    /* What it costs stands in src/rank/README.md: in a cart, too much. */
    static const float diversity[BK_SITUATION_COUNT] = {
        [BK_SITUATION_HOME_LIVE] = 0.05f, [BK_SITUATION_HOME_REST] = 0.1f,
        [BK_SITUATION_DISCOVER] = 0.05f,  [BK_SITUATION_CHECKOUT] = 0.05f,
        [BK_SITUATION_PRODUCT] = 0.05f,   [BK_SITUATION_EMAIL] = 0.1f,
    };
    memcpy(weights->diversity, diversity, sizeof diversity);
    /* The usual shop is home at rest over what was bought before. */
    memcpy(weights->weight[BK_SITUATION_USUAL], found[BK_SITUATION_HOME_REST],
           sizeof weights->weight[0]);
}

/* ---- changes to the weights ---- */

#define WEIGHT_MAX 1e6 /* a sum of these is far from infinite */

/* "12.5" -> 12.5; digits and one point alone, so that no locale matters. */
static bool parse_weight(bk_str_t text, float *weight)
{
    double value = 0, unit = 1;
    bool point = false, digit = false;
    for (uint32_t i = 0; i < text.len; i++) {
        char c = text.p[i];
        if (c == '.' && !point) {
            point = true;
            continue;
        }
        if (c < '0' || c > '9') return false;
        digit = true;
        value = value * 10 + (c - '0');
        if (point) unit *= 10;
    }
    *weight = (float)(value / unit);
    return digit && value / unit <= WEIGHT_MAX;
}

/* The number of `word` among `count` names, or `count`. */
static unsigned find_name(bk_str_t word, unsigned count, const char *(*name)(unsigned))
{
    unsigned i = 0;
    while (i < count && !bk_str_eq(word, bk_str_c(name(i)))) i++;
    return i;
}

const char *bk_situation_word(enum bk_situation situation)
{
    static const char *const words[BK_SITUATION_COUNT] = {
        "home_live", "home_rest", "discover", "cart", "checkout", "product", "email", "usual"};
    return words[situation];
}

static const char *situation_word(unsigned situation)
{
    return bk_situation_word((enum bk_situation)situation);
}

static const char *scorer_word(unsigned scorer)
{
    return bk_scorer_name((enum bk_scorer)scorer);
}

static bool parse_entry(struct bk_weights *weights, bk_str_t entry)
{
    const char *dot = memchr(entry.p, '.', entry.len), *equals = memchr(entry.p, '=', entry.len);
    if (!dot || !equals || equals < dot) return false;
    const char *end = entry.p + entry.len;
    unsigned situation =
        find_name(bk_str(entry.p, (size_t)(dot - entry.p)), BK_SITUATION_COUNT, situation_word);
    unsigned scorer =
        find_name(bk_str(dot + 1, (size_t)(equals - dot - 1)), BK_SCORER_COUNT, scorer_word);
    if (situation == BK_SITUATION_COUNT) return false;
    if (bk_str_eq(bk_str(dot + 1, (size_t)(equals - dot - 1)), BK_STR("diversity")))
        return parse_weight(bk_str(equals + 1, (size_t)(end - equals - 1)),
                            &weights->diversity[situation]) &&
               weights->diversity[situation] <= 1.0f;
    if (scorer == BK_SCORER_COUNT) return false;
    return parse_weight(bk_str(equals + 1, (size_t)(end - equals - 1)),
                        &weights->weight[situation][scorer]);
}

int bk_weights_parse(struct bk_weights *weights, const char *text, struct bk_reason *reason)
{
    while (*text) {
        size_t len = strcspn(text, ", ");
        if (len && !parse_entry(weights, bk_str(text, len)))
            return bk_reason_set(reason, BK_EINVAL,
                                 "rank.weights: '%.*s' is not situation.scorer=weight (home_live, "
                                 "home_rest, discover, cart, checkout, "
                                 "product, email, usual; scorers as in `inspect why`)",
                                 (int)len, text);
        text += len + strspn(text + len, ", ");
    }
    return BK_OK;
}
