/* control.h -- questions to a running instance: one table of handlers behind a Unix socket (HTTP uses the same one later).
 *
 * A request is one line of words separated by tabs; the answer is `0<TAB>` or an error code and a text, then the body, ended by the
 * connection's end. Handlers run on the loop, must not block and have at most 1 ms a call: long answers page by a cursor.
 */
#ifndef BASKETRY_CONTROL_H
#define BASKETRY_CONTROL_H

#include "basketry/base.h"
#include "basketry/buf.h"
#include "basketry/error.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { BK_CONTROL_WORDS_MAX = 16, BK_CONTROL_LINE_MAX = 4096 };

struct bk_control_handler {
    const char *name;      /* the request's first word                                                 */
    const char *arguments; /* "SUBJECT [CONTEXT]", for the error text and help                         */
    const char *help;
    /** Append the body (JSON) to `out`; return 0 or a code with `reason`. words[0] is the name. */
    int (*run)(void *arg, int words, const bk_str_t *word, struct bk_buf *out, struct bk_reason *reason);
};

struct bk_control;
struct uv_loop_s;

/** Listen on the socket (mode 0600; a stale file of a dead process is replaced, a live one is an error). */
struct bk_control *bk_control_create(struct uv_loop_s *loop, const char *path,
                                     const struct bk_control_handler *handlers, size_t handler_count,
                                     void *arg, struct bk_reason *reason);
/** Stop listening, drop connections, remove the socket file; `closed` comes from the loop. */
void bk_control_close(struct bk_control *control, void (*closed)(void *arg), void *arg);

/** The client's side, blocking, for the command line: send the words, append the whole body to `out`.
 *  0, the handler's code with its reason, or BK_EUNAVAILABLE when nobody listens there. */
int bk_control_ask(const char *path, int words, const bk_str_t *word, uint32_t timeout_ms,
                   struct bk_buf *out, struct bk_reason *reason);

#ifdef __cplusplus
}
#endif
#endif
