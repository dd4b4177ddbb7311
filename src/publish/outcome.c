/* outcome.c -- what an answer of Redis means for the one who asked, and the words of a sink's states.
 *
 * Redis puts the class of an error in its first word ("-OOM command not allowed ..."), so one table
 * of words decides. The classes that `retry` are conditions of the server and pass by themselves or
 * by an operator's hand; the others are about this one command and would fail again.
 */
#include "basketry/sink.h"

static const char *const labels[BK_OUTCOME_COUNT] = {
#define X(name, label, retry, text) [name] = label,
    BK_OUTCOME_TABLE(X)
#undef X
};

static const bool retries[BK_OUTCOME_COUNT] = {
#define X(name, label, retry, text) [name] = retry,
    BK_OUTCOME_TABLE(X)
#undef X
};

const char *bk_outcome_label(enum bk_outcome outcome)
{
    return (unsigned)outcome < BK_OUTCOME_COUNT ? labels[outcome] : "?";
}

bool bk_outcome_retry(enum bk_outcome outcome)
{
    return (unsigned)outcome < BK_OUTCOME_COUNT && retries[outcome];
}

/* clang-format off */
static const struct {
    bk_str_t word;
    enum bk_outcome outcome;
} words[] = {
    {{"OOM", 3},          BK_OUTCOME_OOM},
    {{"READONLY", 8},     BK_OUTCOME_READONLY},
    {{"LOADING", 7},      BK_OUTCOME_LOADING},
    {{"MASTERDOWN", 10},  BK_OUTCOME_MASTERDOWN},
    {{"CLUSTERDOWN", 11}, BK_OUTCOME_MASTERDOWN},
    {{"MOVED", 5},        BK_OUTCOME_MOVED},
    {{"ASK", 3},          BK_OUTCOME_MOVED},
    {{"NOAUTH", 6},       BK_OUTCOME_NOAUTH},
    {{"WRONGPASS", 9},    BK_OUTCOME_NOAUTH},
    {{"NOPERM", 6},       BK_OUTCOME_NOAUTH},
    {{"BUSY", 4},         BK_OUTCOME_BUSY},
    {{"TRYAGAIN", 8},     BK_OUTCOME_BUSY},
    {{"MISCONF", 7},      BK_OUTCOME_MISCONF},
    {{"NOREPLICAS", 10},  BK_OUTCOME_MISCONF},
    {{"WRONGTYPE", 9},    BK_OUTCOME_WRONGTYPE},
};
/* clang-format on */

enum bk_outcome bk_outcome_from_error(bk_str_t text)
{
    uint32_t len = 0;
    while (len < text.len && text.p[len] != ' ') len++;
    bk_str_t word = bk_str(text.p, len);
    for (size_t i = 0; i < BK_COUNTOF(words); i++)
        if (bk_str_eq(word, words[i].word)) return words[i].outcome;
    return BK_OUTCOME_REFUSED;
}

static const struct {
    const char *word;
    enum bk_health health;
} states[BK_SINK_STATE_COUNT] = {
#define X(name, word, health, text) [name] = {word, health},
    BK_SINK_STATE_TABLE(X)
#undef X
};

const char *bk_sink_state_word(enum bk_sink_state state)
{
    return (unsigned)state < BK_SINK_STATE_COUNT ? states[state].word : "?";
}

enum bk_health bk_sink_state_health(enum bk_sink_state state)
{
    return (unsigned)state < BK_SINK_STATE_COUNT ? states[state].health : BK_HEALTH_DOWN;
}
