/* encode.h -- a ranked list as the command that writes it: RESP and JSON in one pass.
 *
 * The value is rendered first, at a fixed distance from the buffer's start; the command's head
 * (SET, key, expiry) is then written backwards in front of it. Nothing is rendered twice and
 * nothing is copied.
 */
#ifndef BASKETRY_ENCODE_H
#define BASKETRY_ENCODE_H

#include "basketry/rank.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    BK_KEY_BYTES_MAX = 600,     /* prefix, an id of 130 bytes with every byte escaped, words */
    BK_LIST_BYTES_MAX = 131072, /* 40 items of 128-byte ids, `because` ids, all escaped */
};

/** Everything about a list that is not in the ranking. */
struct bk_list_frame {
    bk_str_t prefix;  /* of keys, "bk:v1" */
    bk_str_t subject; /* p == NULL: a list for everybody */
    bk_str_t context; /* "home", "bought_together", "popular", ... */
    const char *algorithm;
    const char *variant;
    bk_wall_ms_t generated_ms;
    bk_wall_ms_t expires_ms; /* 0: as long as the key is there (null) */
    uint32_t expire_s;       /* EX of the key; 0: none */
    int32_t partition;       /* as_of; < 0: none */
    int64_t offset;
    uint32_t config_version; /* for the token */
};

struct bk_command {
    const char *p; /* into the caller's buffer */
    size_t len;
    bk_str_t key;
    bk_str_t value;
};

/** Write the key of a subject's list, an item's list (relation) or a list for everybody into `out`
 *  (BK_KEY_BYTES_MAX); returns its length. Bytes of ids that are `%`, `{`, `}`, below 0x21 or 0x7f
 *  are written as %XX. The usual shop has a key of its own, `usual:{subject}`. */
size_t bk_key_subject(bk_str_t prefix, bk_str_t subject, bk_str_t context, char *out);
size_t bk_key_item(bk_str_t prefix, bk_str_t item, bk_str_t relation, char *out);
size_t bk_key_shared(bk_str_t prefix, bk_str_t name, char *out);
/** The same of a segment or category: "trending:Fresh%20fruit". `whose` has at most
 *  BK_SEGMENT_ID_BYTES_MAX bytes. */
size_t bk_key_shared_of(bk_str_t prefix, bk_str_t name, bk_str_t whose, char *out);

/** Render `SET key value [EX n]`. `buffer` has BK_LIST_BYTES_MAX bytes. */
struct bk_command bk_encode_list(const struct bk_shared *shared, const struct bk_list *list,
                                 const struct bk_list_frame *frame, bk_str_t key, char *buffer);
/** Render `UNLINK key`. */
struct bk_command bk_encode_unlink(bk_str_t key, char *buffer);
/** Render `PUBLISH channel key`. */
struct bk_command bk_encode_publish(bk_str_t channel, bk_str_t key, char *buffer);

#ifdef __cplusplus
}
#endif
#endif
