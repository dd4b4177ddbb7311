/* demo_io.h -- the parts of the demo that touch the world: a broker inside the process, a
 * redis-server of its own, a reader of lists, a terminal.
 *
 * Each leaves nothing behind when it is destroyed; the redis-server and its folder go also when the
 * process is killed (src/demo/redis.c says how). Loop thread only, but for what is said.
 */
#ifndef BASKETRY_DEMO_IO_H
#define BASKETRY_DEMO_IO_H

#include "basketry/demo.h"
#include "basketry/source.h"

#ifdef __cplusplus
extern "C" {
#endif

struct uv_loop_s;

/* ---- the broker: librdkafka's mock cluster, and a producer to it ---- */

struct bk_demo_broker;

/** Topics of the names given (NULL: none), shop.events with so many partitions, the others with one,
 *  and one more for dead letters. It keeps 5 MiB a partition. NULL with a reason. */
struct bk_demo_broker *bk_demo_broker_create(const char *const topics[BK_TOPIC_COUNT],
                                             const char *letters, int32_t partitions,
                                             struct bk_reason *reason);
/** host:port; as long as the broker lives. */
const char *bk_demo_broker_address(const struct bk_demo_broker *broker);
/** Append a record, by its key's partition, under the time of now. 0; BK_EAGAIN when the queue is
 *  full: nothing was taken, turn and try again; BK_EIO. */
BK_MUST_CHECK int bk_demo_broker_put(struct bk_demo_broker *broker, enum bk_topic topic,
                                     bk_str_t key, bk_str_t value);
/** Now and then: let deliveries through. How many records are not in the log yet. */
size_t bk_demo_broker_turn(struct bk_demo_broker *broker);
/** Whoever reads must have closed. */
void bk_demo_broker_destroy(struct bk_demo_broker **broker);

/* ---- redis-server ---- */

struct bk_demo_redis;

/** Start a redis-server on a Unix socket in a new folder of $TMPDIR and wait until it answers. To be
 *  called before the process has threads. NULL with a reason; BK_ENOENT's says how to install it. */
struct bk_demo_redis *bk_demo_redis_create(struct bk_reason *reason);
/** unix:///.../redis.sock, and the path alone. */
const char *bk_demo_redis_url(const struct bk_demo_redis *redis);
const char *bk_demo_redis_path(const struct bk_demo_redis *redis);
/** Stop it and remove its folder; returns when both are gone. */
void bk_demo_redis_destroy(struct bk_demo_redis **redis);

/* ---- the reader: what a storefront would get ---- */

struct bk_demo_reader;
struct bk_demo_reader_events {
    void *arg;
    /** What Redis holds under the list's key at this moment; empty: nothing. */
    void (*list)(void *arg, enum bk_demo_list_name name, bk_str_t value);
    /** The connection ended. */
    void (*lost)(void *arg, const char *why);
};

/** Connect to the socket and listen on the channel of updates. NULL with a reason. */
struct bk_demo_reader *bk_demo_reader_create(struct uv_loop_s *loop, const char *path,
                                             const char *prefix,
                                             const struct bk_demo_reader_events *events,
                                             struct bk_reason *reason);
/** From now on the lists of this subject: each is read once now and then whenever it was refreshed.
 *  Empty: of nobody. */
void bk_demo_reader_follow(struct bk_demo_reader *reader, bk_str_t subject);
/** `closed` comes from the loop; the memory is gone then. */
void bk_demo_reader_close(struct bk_demo_reader *reader, void (*closed)(void *arg), void *arg);

/* ---- the terminal: ncurses ---- */

enum bk_demo_key { /* besides printable ASCII */
                   BK_DEMO_KEY_NONE = -1,
                   BK_DEMO_KEY_OTHER = 0,
                   BK_DEMO_KEY_TAB = 9,
                   BK_DEMO_KEY_ENTER = 10,
                   BK_DEMO_KEY_ESCAPE = 27,
                   BK_DEMO_KEY_BACKSPACE = 127,
                   BK_DEMO_KEY_UP = 256,
                   BK_DEMO_KEY_DOWN
};

/** Set LC_CTYPE as the environment says (C.UTF-8 when it says nothing). Returns whether texts are
 *  UTF-8. Process-wide. */
bool bk_demo_locale(void);
/** Take the terminal over: colours unless NO_COLOR. 0, or BK_EUNAVAILABLE when standard input and
 *  output are not one that can be drawn on. From here to close, signals that end the process badly
 *  restore it first. */
BK_MUST_CHECK int bk_demo_terminal_open(void);
void bk_demo_terminal_size(uint32_t *columns, uint32_t *rows);
/** The window has another size (SIGWINCH). */
void bk_demo_terminal_resized(void);
void bk_demo_terminal_draw(const struct bk_demo_screen *screen);
/** The next key that was pressed, or BK_DEMO_KEY_NONE; never waits. Standard input tells when. */
int bk_demo_terminal_key(void);
void bk_demo_terminal_close(void);

#ifdef __cplusplus
}
#endif
#endif
