/* import.h -- a shop's own files become the events and facts Basketry lives on.
 *
 *   file ─► recognised as a table of a format (data: src/import/formats, or --mapping)
 *        ─► behaviour: rows, held compactly ─► grouped into receipts, in time order ─► events
 *        └► products, customers: facts, one by one
 *   both ─► a writer: Kafka, a log file
 *
 * The parts know nothing of each other but the structs below; src/cli/import.c is the subcommand
 * that joins them. One thread at a time.
 */
#ifndef BASKETRY_IMPORT_H
#define BASKETRY_IMPORT_H

#include "basketry/buf.h"
#include "basketry/config.h"
#include "basketry/event.h"
#include "basketry/shop_file.h"
#include "basketry/source.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- formats: what a file's columns are ---- */

/** How bytes become letters: UTF-8; ISO 8859-1; or whatever of the two a value is. */
enum bk_encoding { BK_ENCODING_UTF8, BK_ENCODING_LATIN1, BK_ENCODING_AUTO };

struct bk_import_formats;
struct bk__table;
struct bk__labels;

/** The formats that are compiled in, and the tables of `mapping_path` (NULL: none) as the format
 *  "mapping". NULL with `reason` ("file:line:column: why"). */
struct bk_import_formats *bk_import_formats_create(const char *mapping_path,
                                                   struct bk_reason *reason);
void bk_import_formats_destroy(struct bk_import_formats **formats);
/** As create, with the mapping's text instead of its path; for tests. */
struct bk_import_formats *bk_import_formats_of_text(bk_str_t mapping, struct bk_reason *reason);
/** A number that changes with the mapping's text. */
uint64_t bk_import_formats_digest(const struct bk_import_formats *formats);
/** Are there tables of this format ("rees46") or this table ("rees46.events")? */
bool bk_import_formats_has(const struct bk_import_formats *formats, const char *name);
/** Append the reference of all formats and of the mapping's keys (Markdown): src/import/FORMATS.md. */
void bk_import_formats_reference(const struct bk_import_formats *formats, struct bk_buf *out);

enum { BK_IMPORT_FILE_TABLES_MAX = 4 };

/** A file and what it was recognised as: several tables when its rows say several things. */
struct bk_import_file {
    const char *path; /* borrowed; "-": standard input */
    const struct bk__table *table[BK_IMPORT_FILE_TABLES_MAX];
    uint32_t count;
};

/** Recognise a file by its header or first line, among the tables of `format` (NULL: of all; with
 *  --mapping in force its own come first). Standard input cannot be looked at twice: it needs a
 *  format that names one table. BK_EINVAL with "file:1:1: why", the columns found and what the
 *  nearest table lacks; or what opening and reading gave. */
BK_MUST_CHECK int bk_import_recognise(const struct bk_import_formats *formats, const char *format,
                                      const char *path, struct bk_import_file *file,
                                      struct bk_reason *reason);
/** "rees46.events, rees46.products" into `out`; returns `out`. */
const char *bk_import_file_names(const struct bk_import_file *file, char *out, size_t cap);
/** Is one of its tables a table of products? */
bool bk_import_file_has_products(const struct bk_import_file *file);

/* ---- rows: what people did ---- */

/** One good row. The numbers are those of the ids; 0: not recorded. */
struct bk_import_row {
    int64_t time_ms;     /* its clock; from bk_import_group on that of its event   */
    int64_t price_minor; /* BK_NULL_I64: not recorded                              */
    uint32_t index;      /* place among all rows read                              */
    uint32_t lead;       /* index of the first row of its event                    */
    uint32_t number;     /* row in its own file, from 1                            */
    uint32_t user, visitor, session, order, item;
    uint32_t quantity;
    uint8_t action;   /* enum bk_shop_action                                    */
    uint8_t table;    /* place in formats                                       */
    uint8_t currency; /* place in currency[], from 1                            */
    uint8_t spare;
};
_Static_assert(sizeof(struct bk_import_row) == 56, "what the memory bound counts with");

enum { BK_IMPORT_CURRENCIES_MAX = 64 };

struct bk_import_rows {
    struct bk_import_row *row;
    size_t count, cap;
    struct bk_shop_ids users;    /* visitors too */
    struct bk_shop_ids sessions; /* orders too */
    struct bk_shop_ids items;    /* and what was searched for */
    struct bk_import_order {
        int64_t time_ms;
        uint32_t user;
    } * order; /* by number of the order in `sessions` - 1: of tables of orders */
    size_t order_cap;
    int64_t *user_day; /* by number of the user - 1: of clocks that count from order to order */
    size_t user_day_cap;
    char currency[BK_IMPORT_CURRENCIES_MAX][4];
    uint32_t currencies;
    struct bk__labels *labels;
    /* set by the caller */
    const struct bk_import_formats *formats;
    const enum bk_encoding *encoding; /* NULL: the tables' */
    struct bk_shop_drop *drop;        /* borrowed; NULL drops nothing */
    uint64_t bytes_max;               /* rows, the copy that sorting takes, and ids together */
    /* counts */
    uint64_t bad, dropped, unclocked;
    uint64_t passed; /* rows that the mapping leaves out */
};

/** What the reader tells while it reads. */
struct bk_import_watch {
    void *arg;
    /** A row that was left out: "file:line:column: why". */
    void (*bad)(void *arg, const char *text);
    /** Now and then: bytes of this file read, of all its bytes (0: not known). */
    void (*progress)(void *arg, uint64_t done_bytes, uint64_t total_bytes);
};

/** Read the behaviour in the files: labels first, then orders, then everything else, each in the
 *  order given. 0; BK_ELIMIT when bytes_max is reached; BK_ECORRUPT when a file is damaged or cut
 *  off; BK_ENOMEM; what opening or reading gave. */
BK_MUST_CHECK int bk_import_read(struct bk_import_rows *rows, const struct bk_import_file *files,
                                 size_t count, const struct bk_import_watch *watch,
                                 struct bk_reason *reason);
void bk_import_rows_deinit(struct bk_import_rows *rows);
/** Bytes that count against bytes_max. */
uint64_t bk_import_rows_bytes(const struct bk_import_rows *rows);

/* ---- events ---- */

struct bk_import_counts {
    uint64_t events[BK_EVENT_KIND_COUNT];
    uint64_t lines; /* of purchases */
    uint64_t split; /* receipts written in parts */
};

/** Sort the rows into the order of their events: by time, then by place; the purchase rows of an
 *  order (of a session, where no order is named) stand together at the time of the earliest of them.
 *  0 or BK_ENOMEM. */
BK_MUST_CHECK int bk_import_group(struct bk_import_rows *rows);
/** How many events grouped rows make. */
uint64_t bk_import_event_count(const struct bk_import_rows *rows);
/** Hand out the grouped rows' events, oldest first. The event is borrowed during the callback; a
 * result other than 0 ends the walk and is returned. BK_ENOMEM when there is no room for a
 * receipt's lines. */
BK_MUST_CHECK int bk_import_emit(const struct bk_import_rows *rows, enum bk_consent consent,
                                 int (*on_event)(void *arg, const struct bk_event *event),
                                 void *arg, struct bk_import_counts *counts);

/* ---- facts: products and customers ---- */

/** A record of a facts' topic, complete and valid. */
struct bk_import_fact {
    enum bk_topic topic;
    bk_str_t key, value; /* borrowed during the callback */
    int64_t updated_ms;  /* 0: not said */
};

struct bk_import_fact_counts {
    uint64_t products, customers, bad, passed, dropped;
};

/** Hand out the facts in the files: products, then customers; `rows` has what their mappings look up
 *  (read before), drops and encoding. A fact is decoded as the engine would, so none is handed out
 *  that it would refuse. Returns as bk_import_emit, or what opening or reading gave. */
BK_MUST_CHECK int bk_import_facts(struct bk_import_rows *rows, const struct bk_import_file *files,
                                  size_t count, const struct bk_import_watch *watch,
                                  int (*on_fact)(void *arg, const struct bk_import_fact *fact),
                                  void *arg, struct bk_import_fact_counts *counts,
                                  struct bk_reason *reason);

/* ---- writers ---- */

struct bk_import_writer;
struct bk_import_writer_ops {
    /** Take one record; may block while the writer's bounded queue is full. 0 or a code with
     * `reason`. */
    int (*write)(struct bk_import_writer *writer, enum bk_topic topic, bk_wall_ms_t timestamp_ms,
                 bk_str_t key, bk_str_t value, struct bk_reason *reason);
    /** Wait until all that was taken is safe. 0 or a code with `reason`. */
    int (*sync)(struct bk_import_writer *writer, struct bk_reason *reason);
    /** As sync, and free the writer. */
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

/* ---- going on after an interruption ---- */

/** How far an import came: kept in a file, so that it can go on. */
struct bk_import_mark {
    uint64_t identity; /* of the inputs and of what changes the records made of them */
    uint64_t done;     /* records of the sequence that are safe: facts, then events */
    bool complete;
};

/** A number for the files and for `words`, whatever else decides what comes out: each file's size and
 *  the bytes at both its ends count, its name does not. 0, or what opening and reading gave. */
BK_MUST_CHECK int bk_import_identity(const struct bk_import_file *files, size_t count,
                                     bk_str_t words, uint64_t *identity, struct bk_reason *reason);
/** Read a mark. 0; BK_ENOENT when there is no such file; BK_EINVAL or BK_EIO with `reason`. */
BK_MUST_CHECK int bk_import_mark_read(const char *path, struct bk_import_mark *mark,
                                      struct bk_reason *reason);
/** Replace the mark, safely against a crash at any moment. 0 or BK_EIO with `reason`. */
BK_MUST_CHECK int bk_import_mark_write(const char *path, const struct bk_import_mark *mark,
                                       struct bk_reason *reason);

#ifdef __cplusplus
}
#endif
#endif
