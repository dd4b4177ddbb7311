/* buf.h -- a growable run of bytes for building text outside the hot path.
 *
 * The hot path renders into fixed scratch (publish/encode.c); everything else -- control answers,
 * help, reports -- appends here. Growth failure is sticky: appends become no-ops and `failed` says
 * so, which the one consumer checks at the end.
 */
#ifndef BASKETRY_BUF_H
#define BASKETRY_BUF_H

#include "basketry/base.h"

#ifdef __cplusplus
extern "C" {
#endif

struct bk_buf {
    char *p; /* heap, owned by the buffer; NUL-terminated after every append */
    size_t len;
    size_t cap;
    bool failed; /* an append did not fit into memory; what is here is incomplete */
};

/** An empty buffer holds no memory: `struct bk_buf b = {0}` is ready for use. */
void bk_buf_deinit(struct bk_buf *buf);
/** Forget the content, keep the memory. */
void bk_buf_reset(struct bk_buf *buf);
void bk_buf_bytes(struct bk_buf *buf, const void *p, size_t len);
void bk_buf_str(struct bk_buf *buf, bk_str_t str);
void bk_buf_cstr(struct bk_buf *buf, const char *text);
void bk_buf_char(struct bk_buf *buf, char c);
void bk_buf_printf(struct bk_buf *buf, const char *format, ...) BK_PRINTF(2, 3);
/** The bytes as a JSON string, quotes included; bytes that are not UTF-8 become U+FFFD. */
void bk_buf_json(struct bk_buf *buf, bk_str_t str);

#ifdef __cplusplus
}
#endif
#endif
