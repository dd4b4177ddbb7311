/* shop_file.h -- the rows of a shop's event file, `ts_ms user session event item qty price`.
 *
 * Tab separated, with that header line; `-` means "not recorded". Plain, gzip or zstd. A row is
 * handed out as it stands in the file: its clock is parsed and its event named, quantity and price
 * stay text, for who reads them says what is allowed.
 */
#ifndef BASKETRY_SHOP_FILE_H
#define BASKETRY_SHOP_FILE_H

#include "basketry/event.h"
#include "basketry/lines.h"

#include "basketry/shop_ids.h"

/*       enum             word in the file */
#define BK_SHOP_ACTION_TABLE(X)                                                                    \
    X(BK_SHOP_VIEW, "view")                                                                        \
    X(BK_SHOP_CART, "cart")                                                                        \
    X(BK_SHOP_FAVOURITE, "favourite")                                                              \
    X(BK_SHOP_PURCHASE, "purchase")                                                                \
    X(BK_SHOP_RETURN, "return")                                                                    \
    X(BK_SHOP_REMOVE, "remove")                                                                    \
    X(BK_SHOP_SEARCH, "search") /* the item is what was searched for */

enum bk_shop_action {
#define X(name, word) name,
    BK_SHOP_ACTION_TABLE(X)
#undef X
        BK_SHOP_ACTION_COUNT
};

/** A row. All text is borrowed until the next call; what is "not recorded" has p == NULL (len 0).
 */
struct bk_shop_row {
    uint64_t number; /* data row, from 1: the line below the header */
    int64_t ts_ms; /* BK_NULL_I64: no clock                                                       */
    bk_str_t user, session, item;
    enum bk_shop_action action;
    bk_str_t quantity, price;
};

enum { BK_SHOP_COLUMNS_MAX = 64, BK_SHOP_LINE_BYTES_MAX = 1 << 16 };

struct bk_shop_file;

/** Open an event file and check its header. NULL with `reason` when it cannot be read or is of
 * another form. */
struct bk_shop_file *bk_shop_file_open(const char *path, struct bk_reason *reason);
/** 1 a row; 0 the end; BK_EINVAL this row is no good (`reason` says file:line and why), go on with
 * the next call; any other code: reading failed, `reason` says where. */
BK_MUST_CHECK int bk_shop_file_next(struct bk_shop_file *file, struct bk_shop_row *row,
                                    struct bk_reason *reason);
/** As bk_lines_progress. */
void bk_shop_file_progress(const struct bk_shop_file *file, uint64_t *done_bytes,
                           uint64_t *total_bytes);
/** The number of the line the last call was about. */
uint64_t bk_shop_file_line(const struct bk_shop_file *file);
void bk_shop_file_close(struct bk_shop_file **file);

/** Split a line at its tabs: the number of columns, of which the first `max` are stored. */
size_t bk_shop_columns(bk_str_t line, bk_str_t *column, size_t max);
/** A whole decimal integer with an optional minus sign; false when it is anything else or does not
 * fit. */
bool bk_shop_integer(bk_str_t text, int64_t *out);
/** A decimal number with at most 15 digits before and any number after its point, in hundredths,
 * rounded half away from zero. */
bool bk_shop_hundredths(bk_str_t text, int64_t *out);

/* ---- --drop ---- */

/** Item ids to leave out: an extended regular expression that must match the whole id. */
struct bk_shop_drop;
/** NULL with `reason` when the expression is not one. */
struct bk_shop_drop *bk_shop_drop_create(const char *expression, struct bk_reason *reason);
/** Does the id match? Remembers its answers, so asking again costs a look-up. A NULL `drop` drops
 * nothing. */
bool bk_shop_drop_matches(struct bk_shop_drop *drop, bk_str_t item);
void bk_shop_drop_destroy(struct bk_shop_drop **drop);

#endif
