/* outbox_state.c -- the words of an outbox's states, read off their table. */
#include "basketry/outbox.h"

static const struct {
    const char *word;
    enum bk_health health;
} states[] = {
#define X(name, word, health, text) {word, health},
    BK_OUTBOX_STATE_TABLE(X)
#undef X
};

const char *bk_outbox_state_word(enum bk_outbox_state state)
{
    return (unsigned)state < BK_COUNTOF(states) ? states[state].word : "?";
}

enum bk_health bk_outbox_state_health(enum bk_outbox_state state)
{
    return (unsigned)state < BK_COUNTOF(states) ? states[state].health : BK_HEALTH_DOWN;
}
