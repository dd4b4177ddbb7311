/* verdict.c -- the names of the verdicts, read off their table. */
#include "basketry/verdict.h"

struct row {
    const char *label, *text;
};

static const struct row rows[] = {
#define X(name, label, text) {label, text},
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
