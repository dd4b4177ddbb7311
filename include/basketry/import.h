/* import.h -- a shop's own files become the events Basketry lives on: reading, grouping, writing.
 *
 *   files ─► import_rows (rows, held compactly) ─► import_events (time order, bk_event) ─►
 * import_write (Kafka, a log file, nowhere)
 *
 * The three parts know nothing of each other but the structs below; import.c is the subcommand that
 * joins them.
 */
#ifndef BASKETRY_IMPORT_H
#define BASKETRY_IMPORT_H

#include "basketry/config.h"
#include "basketry/event.h"
#include "basketry/source.h"

#include "basketry/shop_file.h"

/* ---- rows ---- */

/** One good row. The numbers are those of `ids`; 0: not recorded. */
struct bk_import_row {
    int64_t time_ms; /* its clock; from bk_import_group on that of its event                     */
    int64_t price_minor; /* BK_NULL_I64: not recorded */
    uint32_t index;  /* place among all rows read                                                 */
    uint32_t lead;   /* index of the first row of its event                                       */
    uint32_t number; /* data row in its own file, from 1                                          */
    uint32_t user, session, item;
    uint32_t quantity;
    uint8_t
        action; /* enum bk_shop_action                                                          */
};
_Static_assert(sizeof(struct bk_import_row) == 48, "what the memory bound counts with");

struct bk_import_rows {
    struct bk_import_row *row;
    size_t count, cap;
    struct bk_shop_ids users, sessions, items;
    uint64_t bytes_max;        /* rows, the copy that sorting takes, and ids together     */
    struct bk_shop_drop *drop; /* borrowed; NULL drops nothing */
    uint64_t bad, dropped, unclocked;
};

/** What the reader tells while it reads. */
struct bk_import_watch {
    void *arg;
    /** A row that was left out: "file:line: why". */
    void (*bad)(void *arg, const char *text);
    /** Now and then: bytes of this file read, of all its bytes (0: not known). */
    void (*progress)(void *arg, uint64_t done_bytes, uint64_t total_bytes);
};

/** Append a file's good rows. 0; BK_ELIMIT when bytes_max is reached; BK_ENOMEM; what opening or
 * reading gave. */
BK_MUST_CHECK int bk_import_read(struct bk_import_rows *rows, const char *path,
                                 const struct bk_import_watch *watch, struct bk_reason *reason);
/** The row in the form the events need, or what is wrong with it (NULL: nothing). Fills quantity
 * and price alone. */
const char *bk_import_check(const struct bk_shop_row *row, struct bk_import_row *out);
void bk_import_rows_deinit(struct bk_import_rows *rows);
/** Bytes that count against bytes_max. */
uint64_t bk_import_rows_bytes(const struct bk_import_rows *rows);

/* ---- events ---- */

struct bk_import_counts {
    uint64_t events[BK_EVENT_KIND_COUNT];
    uint64_t lines; /* of purchases */
    uint64_t split; /* receipts written in parts */
};

/** Sort the rows into the order of their events: by time, then by place; the purchase rows of a
 * session stand together at the time of the earliest of them. 0 or BK_ENOMEM. */
BK_MUST_CHECK int bk_import_group(struct bk_import_rows *rows);
/** How many events grouped rows make. */
uint64_t bk_import_event_count(const struct bk_import_rows *rows);
/** Hand out the grouped rows' events, oldest first. The event is borrowed during the callback; a
 * result other than 0 ends the walk and is returned. BK_ENOMEM when there is no room for a
 * receipt's lines. */
BK_MUST_CHECK int bk_import_emit(const struct bk_import_rows *rows, enum bk_consent consent,
                                 int (*on_event)(void *arg, const struct bk_event *event),
                                 void *arg, struct bk_import_counts *counts);

/* ---- items: facts of shop.products ---- */

/** Read a table of items whose columns are found by their names in the header and hand out a
 * Product each. Returns as bk_import_emit, or what opening or reading gave; `*count` items were
 * handed out. */
BK_MUST_CHECK int bk_import_items(const char *path, struct bk_shop_drop *drop,
                                  const struct bk_import_watch *watch,
                                  int (*on_event)(void *arg, const struct bk_event *event),
                                  void *arg, uint64_t *count, struct bk_reason *reason);

/* ---- writers ---- */

struct bk_import_writer;
struct bk_import_writer_ops {
    /** Take one record; may block while the writer's bounded queue is full. 0 or a code with
     * `reason`. */
    int (*write)(struct bk_import_writer *writer, enum bk_topic topic, bk_wall_ms_t timestamp_ms,
                 bk_str_t key, bk_str_t value, struct bk_reason *reason);
    /** Wait until all that was taken is safe, and free the writer. 0 or a code with `reason`. */
    int (*close)(struct bk_import_writer *writer, struct bk_reason *reason);
};
struct bk_import_writer {
    const struct bk_import_writer_ops *ops;
};

/** Into the topics of the configuration: idempotent, murmur2 by key, every record acknowledged by
 * all replicas in sync. */
struct bk_import_writer *bk_import_writer_kafka(const struct bk_config *cfg,
                                                struct bk_reason *reason);
/** Into a new log file with so many partitions of shop.events. */
struct bk_import_writer *bk_import_writer_file(const char *path, int32_t partitions,
                                               struct bk_reason *reason);

#endif
