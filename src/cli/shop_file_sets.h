/* shop_file_sets.h -- whole data sets in memory, as the evaluation protocols want them: baskets of
 * item numbers.
 *
 * Three forms of files: sessions (`*_sessions.txt`, one a line), events.tsv (purchase rows make
 * receipts) and baskets.tsv (`user basket item`). Which of the latter two a file is, its header
 * says.
 */
#ifndef BASKETRY_CLI_SHOP_FILE_SETS_H
#define BASKETRY_CLI_SHOP_FILE_SETS_H

#include "basketry/shop_file.h"

/** A session, a receipt, or a basket. */
struct shop_basket {
    /* in set.names: the session id; 0 for a sessions file's lines and baskets.tsv  */
    uint32_t name;
    /* in set.users; 0: nobody                                                      */
    uint32_t user;
    /* as recorded, 0 when not; the basket number in baskets.tsv                    */
    int64_t ts_ms;
    /* when the engine shall think it was, see bk__shop_set_clock                   */
    int64_t clock_ms;
    /* its items are set.item[first .. first + count)                               */
    uint32_t first;
    uint32_t count;
};

struct shop_set {
    struct bk_shop_ids items, users, names;
    uint32_t *item;
    size_t item_count, item_cap;
    struct shop_basket *basket;
    size_t count, cap;
};

/** Append a sessions file: a basket a line, items as they stand, with repetitions; ids of at most
 *  128 bytes. 0, BK_EINVAL, BK_ENOMEM or what reading gave. */
BK_MUST_CHECK int bk__shop_set_sessions(struct shop_set *set, const char *path,
                                        struct bk_reason *reason);
/** Read an events or (where `baskets` allows it) a baskets file into an empty set: items distinct,
 *  in the order of their rows; receipts in receipt order, that is by time, then by first row;
 *  baskets.tsv by user and number. A row that is no good is an error here: scores over part of a
 *  file would mislead. */
BK_MUST_CHECK int bk__shop_set_baskets(struct shop_set *set, const char *path,
                                       struct bk_shop_drop *drop, bool baskets,
                                       struct bk_reason *reason);
/** Users by number in protocol order: of their first row in baskets.tsv, of their first receipt in
 *  an events file. Heap, set.users.count long, the caller frees it; NULL when memory is out. */
uint32_t *bk__shop_set_user_order(const struct shop_set *set);
void bk__shop_set_deinit(struct shop_set *set);

static inline const uint32_t *bk__shop_set_items(const struct shop_set *set,
                                                 const struct shop_basket *basket)
{
    return set->item + basket->first;
}

#endif
