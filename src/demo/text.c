/* text.c -- text by the columns it takes.
 *
 * Names come from a shop's data: they may hold anything. A line is built so that it takes exactly
 * the columns it says, whatever the names: wide characters take two, marks that combine are left
 * out, control characters and bytes that are no UTF-8 show as '?'.
 */
#include "basketry/demo.h"

#include <wchar.h>

struct glyph {
    uint32_t bytes;   /* of the text */
    uint32_t columns; /* 0: left out */
    bool readable;    /* else shown as '?' */
};

static uint32_t tail_bytes(const char *text)
{
    uint32_t n = 1;
    while (((unsigned char)text[n] & 0xc0) == 0x80) n++;
    return n;
}

static struct glyph glyph_at(const char *text, bool utf8)
{
    unsigned char c = (unsigned char)*text;
    wchar_t wide;
    mbstate_t state = {0};
    if (c < 0x80) return (struct glyph){1, 1, c >= 0x20 && c != 0x7f};
    if (!utf8) return (struct glyph){tail_bytes(text), 1, false};
    size_t bytes = mbrtowc(&wide, text, strlen(text), &state);
    if (bytes == (size_t)-1 || bytes == (size_t)-2) return (struct glyph){1, 1, false};
    int columns = wcwidth(wide);
    if (columns < 0) return (struct glyph){(uint32_t)bytes, 1, false};
    return (struct glyph){(uint32_t)bytes, (uint32_t)columns, true};
}

uint32_t bk_demo_columns(const char *text, bool utf8)
{
    uint32_t columns = 0;
    while (*text) {
        struct glyph glyph = glyph_at(text, utf8);
        columns += glyph.columns;
        text += glyph.bytes;
    }
    return columns;
}

static void append(struct bk_demo_line *line, const char *bytes, uint32_t count)
{
    if (line->len + count >= BK_DEMO_LINE_BYTES) return;
    memcpy(line->text + line->len, bytes, count);
    line->len += count;
    line->text[line->len] = '\0';
}

static void close_span(struct bk_demo_line *line, enum bk_demo_style style)
{
    struct bk_demo_span *last = line->span_count ? &line->span[line->span_count - 1] : NULL;
    if (!last || (last->style != style && line->span_count < BK_DEMO_SPANS_MAX))
        last = &line->span[line->span_count++];
    last->style = (uint8_t)style;
    last->end = (uint16_t)line->len;
}

/* "…" where a text was cut says so. */
static uint32_t put_glyphs(struct bk_demo_line *line, const char *text, uint32_t width, bool utf8)
{
    bool cut = bk_demo_columns(text, utf8) > width;
    uint32_t used = 0, room = cut && width ? width - 1 : width;
    while (*text) {
        struct glyph glyph = glyph_at(text, utf8);
        if (used + glyph.columns > room) break;
        if (!glyph.readable)
            append(line, "?", 1);
        else if (glyph.columns)
            append(line, text, glyph.bytes);
        used += glyph.columns;
        text += glyph.bytes;
    }
    if (!cut || !width) return used;
    append(line, utf8 ? "…" : "~", utf8 ? 3 : 1);
    return used + 1;
}

void bk_demo_put(struct bk_demo_line *line, enum bk_demo_style style, const char *text,
                 uint32_t width, bool utf8)
{
    uint32_t used = put_glyphs(line, text, width, utf8);
    for (; used < width; used++) append(line, " ", 1);
    line->columns += width;
    if (width) close_span(line, style);
}

void bk_demo_copy(char *out, size_t cap, bk_str_t text)
{
    size_t len = text.len < cap ? text.len : cap - 1;
    if (len < text.len)
        while (len && ((unsigned char)text.p[len] & 0xc0) == 0x80) len--;
    if (len) memcpy(out, text.p, len);
    out[len] = '\0';
}
