/* verdict.c -- the names of the verdicts, read off their table. */
#include "basketry/verdict.h"

struct row {
    const char *label, *text;
    bool dead;
};

static const struct row rows[] = {
#define X(name, label, dead, text) {label, text, dead},
    BK_VERDICT_TABLE(X)
#undef X
};

const char *bk_verdict_label(enum bk_verdict_code code)
{
    return (unsigned)code < BK_COUNTOF(rows) ? rows[code].label : "?";
}

const char *bk_verdict_text(enum bk_verdict_code code)
{
    return (unsigned)code < BK_COUNTOF(rows) ? rows[code].text : "?";
}

bool bk_verdict_is_dead_letter(enum bk_verdict_code code)
{
    return (unsigned)code < BK_COUNTOF(rows) && rows[code].dead;
}

enum bk_verdict_code bk_verdict_parse(bk_str_t label)
{
    unsigned code = 0;
    while (code < BK_COUNTOF(rows) && !bk_str_eq(bk_str_c(rows[code].label), label)) code++;
    return (enum bk_verdict_code)code;
}
