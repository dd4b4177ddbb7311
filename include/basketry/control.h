/* control.h -- questions to a running instance: one table of handlers behind a Unix socket (HTTP
 * uses the same one later).
 *
 * A request is one line of words separated by tabs, well-formed UTF-8 without other control
 * characters. The answer is one line, then the body, then the connection's end:
 *
 *     0 TAB <bytes of the body> LF <body>     the handler's JSON; the length tells a cut answer from
 *                                             a whole one
 *     <code> TAB <reason> LF                  code is one of enum bk_error
 *
 * `printf 'status\n' | nc -NU /tmp/basketry.sock` asks by hand. One request a connection, at most
 * BK_CONTROL_CLIENTS_MAX connections, each ended when its question is not whole, or it reads nothing,
 * for BK_CONTROL_IDLE_MS. Handlers run on the loop, must not block and have at most 1 ms a call: long
 * answers page by a cursor.
 */
#ifndef BASKETRY_CONTROL_H
#define BASKETRY_CONTROL_H

#include "basketry/base.h"
#include "basketry/buf.h"
#include "basketry/error.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    BK_CONTROL_WORDS_MAX = 16,
    BK_CONTROL_LINE_MAX = 4096,    /* bytes of a request, its line end not counted          */
    BK_CONTROL_BODY_MAX = 4 << 20, /* bytes of an answer; a longer one becomes BK_ELIMIT    */
    BK_CONTROL_CLIENTS_MAX = 16,
    BK_CONTROL_IDLE_MS = 10000,
};

struct bk_control_handler {
    const char *name; /* the request's first word                                                 */
    const char *arguments; /* "SUBJECT [CONTEXT]", for the error text and help */
    const char *help;
    /** Append the body (JSON) to `out`; return 0 or a code with `reason`. words[0] is the name. */
    int (*run)(void *arg, int words, const bk_str_t *word, struct bk_buf *out,
               struct bk_reason *reason);
};

struct bk_control;
struct uv_loop_s;

/** Split a request into its words, borrowed from `line`. Their number, or BK_EINVAL with a reason.
 * Hostile bytes welcome. */
int bk_control_split(bk_str_t line, bk_str_t word[BK_CONTROL_WORDS_MAX], struct bk_reason *reason);
/** Answer one request line: find the handler, run it, append the whole answer (first line and body)
 * to `out`, which is empty before. The part that knows no socket. An unknown name is answered with
 * the list of known ones. */
void bk_control_answer(const struct bk_control_handler *handlers, size_t handler_count, void *arg,
                       bk_str_t line, struct bk_buf *out);

/** Listen on the socket (mode 0600; a stale file of a dead process is replaced, a live one or
 * another kind of file is an error). `handlers` is borrowed until closed. NULL with a reason that
 * names the path. */
struct bk_control *bk_control_create(struct uv_loop_s *loop, const char *path,
                                     const struct bk_control_handler *handlers,
                                     size_t handler_count, void *arg, struct bk_reason *reason);
/** Stop listening, drop connections, remove the socket file; `closed` comes from the loop, after
 * which nothing of it is left. */
void bk_control_close(struct bk_control *control, void (*closed)(void *arg), void *arg);

/** The client's side, blocking, for the command line: send the words, append the whole body to
 * `out`. 0; the handler's code with its reason; BK_EUNAVAILABLE when nobody listens there or no
 * whole answer came within `timeout_ms`; BK_EIO when the answer was cut. On any code but 0 `out` is
 * as it was. SIGPIPE must be ignored. */
int bk_control_ask(const char *path, int words, const bk_str_t *word, uint32_t timeout_ms,
                   struct bk_buf *out, struct bk_reason *reason);

#ifdef __cplusplus
}
#endif
#endif
