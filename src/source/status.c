/* status.c -- the words of a source's states and how well it does in each, read off their table. */
#include "basketry/source.h"

static const struct {
    const char *word;
    enum bk_health health;
} rows[] = {
#define X(name, word, health, text) [name] = {word, health},
    BK_SOURCE_STATE_TABLE(X)
#undef X
};

const char *bk_source_state_word(enum bk_source_state state)
{
    return (unsigned)state < BK_COUNTOF(rows) ? rows[state].word : "?";
}

enum bk_health bk_source_state_health(enum bk_source_state state)
{
    return (unsigned)state < BK_COUNTOF(rows) ? rows[state].health : BK_HEALTH_DOWN;
}
