/* buf.c -- a growable run of bytes; growth doubles, failure is sticky. */
#include "basketry/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Make room for `more` bytes and a NUL. */
static bool reserve(struct bk_buf *buf, size_t more)
{
    if (buf->failed) return false;
    if (buf->cap - buf->len > more) return true;
    size_t cap = buf->cap ? buf->cap : 256;
    while (cap - buf->len <= more) cap *= 2;
    char *grown = realloc(buf->p, cap);
    if (!grown) {
        buf->failed = true;
        return false;
    }
    buf->p = grown;
    buf->cap = cap;
    return true;
}

void bk_buf_deinit(struct bk_buf *buf)
{
    free(buf->p);
    *buf = (struct bk_buf){0};
}

void bk_buf_reset(struct bk_buf *buf)
{
    buf->len = 0;
    buf->failed = false;
    if (buf->p) buf->p[0] = '\0';
}

void bk_buf_bytes(struct bk_buf *buf, const void *p, size_t len)
{
    if (!reserve(buf, len)) return;
    if (len) memcpy(buf->p + buf->len, p, len);
    buf->len += len;
    buf->p[buf->len] = '\0';
}

void bk_buf_str(struct bk_buf *buf, bk_str_t str)
{
    bk_buf_bytes(buf, str.p, str.len);
}

void bk_buf_cstr(struct bk_buf *buf, const char *text)
{
    bk_buf_bytes(buf, text, strlen(text));
}

void bk_buf_char(struct bk_buf *buf, char c)
{
    bk_buf_bytes(buf, &c, 1);
}

void bk_buf_printf(struct bk_buf *buf, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len >= 0 && reserve(buf, (size_t)len)) {
        vsnprintf(buf->p + buf->len, (size_t)len + 1, format, again);
        buf->len += (size_t)len;
    }
    va_end(again);
}

/* The length of a run that may be copied as it is. */
static size_t plain_run(const char *p, size_t len)
{
    size_t n = 0;
    while (n < len && (unsigned char)p[n] >= 0x20 && p[n] != '"' && p[n] != '\\' && p[n] != 0x7f)
        n++;
    return n;
}

void bk_buf_json(struct bk_buf *buf, bk_str_t str)
{
    bool valid = bk_utf8_valid(str.p, str.len);
    bk_buf_char(buf, '"');
    for (size_t at = 0; at < str.len;) {
        size_t run = plain_run(str.p + at, str.len - at);
        if (!valid) { /* byte by byte: what is not ASCII cannot be trusted */
            if (run > 1) run = 1;
            if (run && (unsigned char)str.p[at] >= 0x80) {
                bk_buf_cstr(buf, "\xEF\xBF\xBD");
                at++;
                continue;
            }
        }
        bk_buf_bytes(buf, str.p + at, run);
        at += run;
        if (at == str.len || run) continue;
        unsigned char c = (unsigned char)str.p[at++];
        if (c == '"' || c == '\\')
            bk_buf_printf(buf, "\\%c", c);
        else if (c == '\n')
            bk_buf_cstr(buf, "\\n");
        else
            bk_buf_printf(buf, "\\u%04x", c);
    }
    bk_buf_char(buf, '"');
}
