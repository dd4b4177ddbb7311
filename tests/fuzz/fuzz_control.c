/* fuzz_control.c -- any bytes as a request line: one answer line with a code and, when it is 0,
 * exactly the body it announces. */
#include "basketry/control.h"

#include <stdlib.h>

static int echo(void *arg, int words, const bk_str_t *word, struct bk_buf *out,
                struct bk_reason *reason)
{
    (void)arg;
    for (int i = 0; i < words; i++) {
        BK_ASSERT(bk_utf8_valid(word[i].p, word[i].len));
        for (uint32_t j = 0; j < word[i].len; j++) BK_ASSERT((unsigned char)word[i].p[j] >= 0x20);
        bk_buf_json(out, word[i]);
    }
    return words == 3 ? bk_reason_set(reason, BK_EINVAL, "three: %.*s", (int)word[2].len, word[2].p)
                      : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct bk_control_handler handlers[] = {{"echo", "", "", echo},
                                                         {"", "", "", echo}};
    struct bk_buf out = {0};
    bk_control_answer(handlers, BK_COUNTOF(handlers), NULL, bk_str((const char *)data, size), &out);
    char *newline = memchr(out.p, '\n', out.len), *end;
    BK_ASSERT(newline);
    long code = strtol(out.p, &end, 10);
    BK_ASSERT(*end == '\t' && code <= 0);
    if (code)
        BK_ASSERT(newline + 1 == out.p + out.len);
    else
        BK_ASSERT(strtoul(end + 1, NULL, 10) == out.len - (size_t)(newline + 1 - out.p));
    bk_buf_deinit(&out);
    return 0;
}
