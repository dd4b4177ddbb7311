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
        "usual_shop",    "product_companions", "email"};
    _Static_assert(BK_COUNTOF(names) == BK_SITUATION_COUNT, "one name a situation");
    return situation < BK_SITUATION_COUNT ? names[situation] : "?";
}

void bk_weights_default(struct bk_weights *weights)
{
    /* clang-format off */
    static const struct bk_weights found = {{
        /*                            next   viewed  repeat  bought  view_buy  again   popular */
        [BK_SITUATION_HOME_LIVE] = {  0.3f,  1.0f,   0.5f,   0.0f,   0.0f,     0.0f,   0.0f  },
        [BK_SITUATION_HOME_REST] = {  0.0f,  0.0f,   0.0f,   0.0f,   0.0f,     1.0f,   1.1f  },
        [BK_SITUATION_DISCOVER]  = {  0.5f,  0.5f,   0.0f,   1.0f,   0.5f,     0.0f,   0.3f  },
        [BK_SITUATION_CART]      = {  0.0f,  0.01f,  0.0f,   1.0f,   0.01f,    0.0f,   2e-3f },
        [BK_SITUATION_CHECKOUT]  = {  0.0f,  0.0f,   0.0f,   0.2f,   0.0f,     1.0f,   0.01f },
        [BK_SITUATION_PRODUCT]   = {  0.3f,  0.5f,   0.0f,   1.0f,   0.3f,     0.0f,   0.0f  },
        [BK_SITUATION_EMAIL]     = {  0.0f,  0.0f,   0.0f,   0.2f,   0.0f,     1.0f,   0.5f  },
    }};
    /* clang-format on */
    *weights = found;
}
