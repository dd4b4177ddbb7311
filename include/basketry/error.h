/* error.h -- what can go wrong in the environment, as one table.
 *
 * Three kinds of trouble, three forms: a bug is BK_ASSERT; bad data is a verdict (verdict.h),
 * counted and never an error; the environment -- a file, a broker, memory -- is one of these
 * negative codes. A function returns 0 or a code; the line is logged once, where the decision is
 * taken.
 */
#ifndef BASKETRY_ERROR_H
#define BASKETRY_ERROR_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/*       name          code  text */
#define BK_ERROR_TABLE(X)                                                                          \
    X(BK_EAGAIN, -1, "try again later")                                                            \
    X(BK_ENOMEM, -2, "out of memory or over a stated limit")                                       \
    X(BK_EIO, -3, "input or output failed")                                                        \
    X(BK_ENOENT, -4, "not found")                                                                  \
    X(BK_EINVAL, -5, "not valid")                                                                  \
    X(BK_ECORRUPT, -6, "bytes are damaged")                                                        \
    X(BK_EUNAVAILABLE, -7, "a service does not answer")                                            \
    X(BK_ECLOSED, -8, "closed")                                                                    \
    X(BK_ELIMIT, -9, "a stated limit was reached")                                                 \
    X(BK_EUNSUPPORTED, -10, "not supported by this build or version")

enum bk_error {
    BK_OK = 0,
#define X(name, code, text) name = code,
    BK_ERROR_TABLE(X)
#undef X
};

/** The table's text of a code; never NULL. */
const char *bk_error_text(int code);
/** The code that fits an errno value. */
int bk_error_from_errno(int errnum);

/** A sentence for the person who has to act: filled by functions that take one, "" when all is
 * well. */
struct bk_reason {
    char text[256];
};

/** Write the sentence (printf form, cut at 255 bytes) and return `code`, so that `return
 * bk_reason(...)` reads well. */
int bk_reason_set(struct bk_reason *reason, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#ifdef __cplusplus
}
#endif
#endif
