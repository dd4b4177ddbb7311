/* fake_redis.h -- a small Redis that misbehaves on request.
 *
 * One thread, loopback, RESP in and canned answers out. It keeps a transcript, so that a test can
 * say in which order things were asked. The script may be changed while it runs.
 */
#ifndef BASKETRY_TESTS_FAKE_REDIS_H
#define BASKETRY_TESTS_FAKE_REDIS_H

#include <stdbool.h>
#include <stddef.h>

struct fake_redis_script {
    bool silent;             /* read, remember, never answer */
    bool deaf;               /* accept, never read */
    bool drip;               /* one byte per segment */
    bool unasked;            /* send one +OK too many after each INFO */
    unsigned write_us;       /* time taken by each write command */
    unsigned reset_after;    /* after so many writes: half a reply, then RST; 0 = never */
    unsigned garbage_after;  /* after so many writes: bytes that are no RESP; 0 = never */
    const char *write_error; /* e.g. "OOM no memory": answer to SET, DEL, UNLINK, PUBLISH */
    const char *ping_error;  /* e.g. "LOADING ..." */
    const char *select_error;
    const char *password; /* AUTH wanted */
    const char *run_id;   /* NULL = "fake" */
    bool forbid_client;   /* CLIENT and INFO answer -NOPERM */
};

struct fake_redis;
/** Listen on a free port of 127.0.0.1. The script's strings are borrowed until the next one. */
struct fake_redis *fake_redis_start(const struct fake_redis_script *script);
void fake_redis_stop(struct fake_redis *fake);
int fake_redis_port(const struct fake_redis *fake);
void fake_redis_script(struct fake_redis *fake, const struct fake_redis_script *script);
/** Close all connections from the server's side. */
void fake_redis_hang_up(struct fake_redis *fake);
/** One line per command, "<connection>: CLIENT KILL ID 3". Connections count from 1, and that is
 *  their CLIENT ID. */
void fake_redis_transcript(struct fake_redis *fake, char *out, size_t size);
unsigned fake_redis_connections(struct fake_redis *fake);
unsigned fake_redis_writes(struct fake_redis *fake);
/** A port of 127.0.0.1 on which nobody listens. */
int fake_redis_free_port(void);

#endif
