/* take.h -- a row of a file as a row of ours. */
#ifndef BASKETRY_IMPORT_TAKE_H
#define BASKETRY_IMPORT_TAKE_H

#include "records.h"

/** Numbers an id; 0 when memory is out. The empty id is 0 without a number. */
bool bk__intern(struct bk_shop_ids *ids, bk_str_t id, uint32_t *number);
/** Reads a field that is an id: not over 128 bytes. */
BK_MUST_CHECK int bk__take_id(struct bk__records *records, enum bk__field field, bk_str_t *id,
                              struct bk_reason *reason);
/** Reads a field that is a time, BK_NULL_I64 when it is not there. */
BK_MUST_CHECK int bk__take_time(struct bk__records *records, const struct bk__table *table,
                                enum bk__field field, int64_t *ms, struct bk_reason *reason);
/** Reads the currency of a row: its own, or the table's; empty when neither is known. */
BK_MUST_CHECK int bk__take_currency(struct bk__records *records, const struct bk__table *table,
                                    bk_str_t *currency, struct bk_reason *reason);
/** Reads money in minor units of `currency`; BK_NULL_I64 when it is not there. */
BK_MUST_CHECK int bk__take_money(struct bk__records *records, const struct bk__table *table,
                                 enum bk__field field, bk_str_t currency, int64_t *minor,
                                 struct bk_reason *reason);

/** Take the row that `records` stands at, of a table of events, orders, lines or labels. 1 when *row
 *  is to be kept; 0 when it is taken already, or passed over and counted; BK_EINVAL "file:line:column:
 *  why"; BK_ENOMEM. */
BK_MUST_CHECK int bk__take_row(struct bk_import_rows *rows, struct bk__records *records,
                               const struct bk__table *table, struct bk_import_row *row,
                               struct bk_reason *reason);

#endif
