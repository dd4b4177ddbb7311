/* produce.h -- what leaves the simulated shop, in three forms.
 *
 * A record's bytes for its topic; a row of the form that `import` and `evaluate` read; the truth as
 * a table. The demo uses the first.
 */
#ifndef BASKETRY_CLI_PRODUCE_H
#define BASKETRY_CLI_PRODUCE_H

#include <stdio.h>

#include "basketry/shop.h"

enum { PRODUCE_BYTES_MAX = 1 << 16 }; /* the largest record: a receipt of 96 lines takes a third */

/** The record's value as its topic wants it; its length, never 0. */
size_t bk__produce_encode(const struct bk_shop_record *record, uint8_t *out, size_t cap);

/** The head of a file of rows (`ts_ms user session event item qty price`), and the event's rows: views, what
 *  goes into carts, wishes, purchases, refunds; other kinds have none. Returns how many; errors are
 *  the stream's. */
void bk__produce_rows_head(FILE *out);
uint32_t bk__produce_rows(FILE *out, const struct bk_event *event);

/** Every shopper's hidden habits, tab separated, strongest first, under a head line. */
void bk__produce_truth(FILE *out, struct bk_shop *shop);

#endif
