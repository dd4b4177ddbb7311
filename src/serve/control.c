/* control.c -- a question in words becomes an answer; no sockets here.
 *
 * One table of handlers serves the control socket now and HTTP later. What arrives is hostile until
 * shown otherwise: a line has a bounded number of words, each well-formed UTF-8 without control
 * characters, before any handler sees it; what leaves is bounded as well.
 */
#include "basketry/control.h"

static bool has_control_character(bk_str_t line)
{
    for (uint32_t i = 0; i < line.len; i++) {
        unsigned char c = (unsigned char)line.p[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f) return true;
    }
    return false;
}

int bk_control_split(bk_str_t line, bk_str_t word[BK_CONTROL_WORDS_MAX], struct bk_reason *reason)
{
    if (line.len && line.p[line.len - 1] == '\r') line.len--;
    if (line.len == 0) return bk_reason_set(reason, BK_EINVAL, "empty request");
    if (line.len > BK_CONTROL_LINE_MAX)
        return bk_reason_set(reason, BK_EINVAL, "request too long (allowed %d bytes)",
                             BK_CONTROL_LINE_MAX);
    if (!bk_utf8_valid(line.p, line.len) || has_control_character(line))
        return bk_reason_set(reason, BK_EINVAL,
                             "request is not UTF-8 text in words separated by tabs");
    int words = 0;
    for (uint32_t from = 0, i = 0; i <= line.len; i++) {
        if (i < line.len && line.p[i] != '\t') continue;
        if (words == BK_CONTROL_WORDS_MAX)
            return bk_reason_set(reason, BK_EINVAL, "too many words (allowed %d)",
                                 BK_CONTROL_WORDS_MAX);
        word[words++] = bk_str(line.p + from, i - from);
        from = i + 1;
    }
    return words;
}

static const struct bk_control_handler *handler_of(const struct bk_control_handler *handlers,
                                                   size_t count, bk_str_t name)
{
    for (size_t i = 0; i < count; i++)
        if (bk_str_eq(bk_str_c(handlers[i].name), name)) return &handlers[i];
    return NULL;
}

static int unknown_request(const struct bk_control_handler *handlers, size_t count,
                           struct bk_reason *reason)
{
    struct bk_buf known = {0};
    for (size_t i = 0; i < count; i++)
        bk_buf_printf(&known, "%s%s", i ? ", " : "", handlers[i].name);
    bk_reason_set(reason, BK_ENOENT, "no such request (known: %s)", known.p ? known.p : "none");
    bk_buf_deinit(&known);
    return BK_ENOENT;
}

static int run(const struct bk_control_handler *handlers, size_t count, void *arg, bk_str_t line,
               struct bk_buf *body, struct bk_reason *reason)
{
    bk_str_t word[BK_CONTROL_WORDS_MAX];
    int words = bk_control_split(line, word, reason);
    if (words < 0) return words;
    const struct bk_control_handler *handler = handler_of(handlers, count, word[0]);
    if (!handler) return unknown_request(handlers, count, reason);
    int code = handler->run(arg, words, word, body, reason);
    if (code) return code;
    if (body->failed)
        return bk_reason_set(reason, BK_ENOMEM, "the answer does not fit into memory");
    if (body->len > BK_CONTROL_BODY_MAX)
        return bk_reason_set(reason, BK_ELIMIT, "the answer is over 4 MiB; ask for less");
    return 0;
}

/* A reason is one line whatever a handler wrote into it. */
static void put_reason(struct bk_buf *out, int code, struct bk_reason *reason)
{
    if (!reason->text[0]) bk_reason_set(reason, code, "%s", bk_error_text(code));
    for (char *c = reason->text; *c; c++)
        if ((unsigned char)*c < 0x20) *c = ' ';
    bk_buf_printf(out, "%d\t%s\n", code, reason->text);
}

void bk_control_answer(const struct bk_control_handler *handlers, size_t handler_count, void *arg,
                       bk_str_t line, struct bk_buf *out)
{
    struct bk_buf body = {0};
    struct bk_reason reason = {""};
    int code = run(handlers, handler_count, arg, line, &body, &reason);
    if (code) {
        put_reason(out, code, &reason);
    } else {
        bk_buf_printf(out, "0\t%zu\n", body.len);
        if (body.len) bk_buf_bytes(out, body.p, body.len);
    }
    bk_buf_deinit(&body);
}
