/* vocabulary.c -- the words of the state: labels, contexts, defaults and the two decay tables. */
#include "internal.h"

void bk_state_params_default(struct bk_state_params *params)
{
    const int64_t minute_ms = 60 * 1000, day_ms = 24 * 60 * minute_ms;
    *params = (struct bk_state_params){
        .bytes_max = (uint64_t)4 << 30,
        .shards_max = 16,
        .items_max = 1000000,
        .dedup_events = 1 << 20,
        .pair_partners_max = 384,
        .receipt_lines_max = 64,
        .postings_max = 200,
        .pair_epoch_ms = 7 * day_ms,
        .popularity_epoch_ms = day_ms,
        .session_gap_ms = 30 * minute_ms,
        .session_events_max = 200,
        .cart_lines_max = 500,
        .history_items_max = 1024,
        .segments_max = 64,
        .consent_default = BK_CONSENT_SESSION,
        .time_ahead_max_ms = 5 * minute_ms,
    };
}

const char *bk_state_counter_label(enum bk_state_counter counter)
{
    static const char *const labels[] = {
#define X(name, label) label,
        BK_STATE_COUNTER_TABLE(X)
#undef X
    };
    return counter < BK_STATE_COUNTER_COUNT ? labels[counter] : "?";
}

const char *bk_pair_kind_label(enum bk_pair_kind kind)
{
    static const char *const labels[] = {
#define X(name, label) label,
        BK_PAIR_KIND_TABLE(X)
#undef X
    };
    return kind < BK_PAIR_KIND_COUNT ? labels[kind] : "?";
}

static const char *const context_words[] = {
#define X(name, word, expires_s) word,
    BK_CONTEXT_TABLE(X)
#undef X
};

const char *bk_context_word(enum bk_context context)
{
    return context < BK_CONTEXT_COUNT ? context_words[context] : "?";
}

uint32_t bk_context_expires_s(enum bk_context context)
{
    static const uint32_t seconds[] = {
#define X(name, word, expires_s) expires_s,
        BK_CONTEXT_TABLE(X)
#undef X
    };
    BK_ASSERT(context < BK_CONTEXT_COUNT);
    return seconds[context];
}

enum bk_context bk_context_parse(bk_str_t word)
{
    enum bk_context context = 0;
    while (context < BK_CONTEXT_COUNT && !bk_str_eq(word, bk_str_c(context_words[context])))
        context++;
    return context;
}

/* base^n with 16 fraction bits by squaring, rounding down: an integer function, the same
 * everywhere. */
static uint32_t power_q16(uint32_t base_q16, uint32_t n)
{
    uint64_t power = 1 << 16, square = base_q16;
    for (; n && power; n >>= 1) {
        if (n & 1) power = power * square >> 16;
        square = square * square >> 16;
    }
    return (uint32_t)power;
}

uint32_t bk_year_decay_q16(uint32_t days)
{
    return power_q16(65412, days); /* 0.5^(1/365) */
}

uint32_t bk_history_decay_q16(uint32_t receipts)
{
    return power_q16(63570, receipts); /* 0.97 */
}

uint32_t bk_popularity_epoch(const struct bk_state_params *params, int64_t time_ms)
{
    return time_ms < 0 ? 0 : (uint32_t)(time_ms / params->popularity_epoch_ms);
}
