/* error.c -- the error table's texts, and the sentence for the person who has to act. */
#include "basketry/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

const char *bk_error_text(int code)
{
    switch (code) {
    case BK_OK:
        return "ok";
#define X(name, value, text)                                                                       \
    case name:                                                                                     \
        return text;
        BK_ERROR_TABLE(X)
#undef X
    default:
        return "unknown error";
    }
}

int bk_error_from_errno(int errnum)
{
    switch (errnum) {
    case 0:
        return BK_OK;
    case EAGAIN:
    case EINTR:
        return BK_EAGAIN;
    case ENOMEM:
        return BK_ENOMEM;
    case ENOENT:
        return BK_ENOENT;
    case EINVAL:
        return BK_EINVAL;
    case ECONNREFUSED:
    case ETIMEDOUT:
    case EHOSTUNREACH:
    case ENETUNREACH:
        return BK_EUNAVAILABLE;
    default:
        return BK_EIO;
    }
}

int bk_reason_set(struct bk_reason *reason, int code, const char *format, ...)
{
    if (reason) {
        va_list args;
        va_start(args, format);
        vsnprintf(reason->text, sizeof reason->text, format, args);
        va_end(args);
    }
    return code;
}
