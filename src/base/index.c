/* index.c -- id bytes to record numbers by linear hashing (W. Litwin, "Linear hashing", VLDB 1980).
 *
 * THE IDEA
 *   There are as many buckets as records, and each insertion splits the bucket whose turn it is: no
 *   insertion is slow, nothing moves but one short chain, and the heads are one growing array.
 * LAYOUT      | bk_arena_root (owner[0] = buckets, owner[1] = records) | head u32 * buckets |
 * INVARIANTS  buckets = max(8, most records there ever were); a record is in bucket_of(its hash).
 * COST        find: one head and a chain of one record in the mean.
 */
#include "basketry/arena.h"

enum { BUCKETS_MIN = 8 };

static uint64_t head_at(uint32_t bucket)
{
    return sizeof(struct bk_arena_root) + (uint64_t)bucket * sizeof(uint32_t);
}

static uint32_t head_read(const struct bk_index *index, uint32_t bucket)
{
    uint32_t number;
    memcpy(&number, index->heads.base + head_at(bucket), sizeof number);
    return number;
}

static void head_write(struct bk_index *index, uint32_t bucket, uint32_t number)
{
    memcpy(bk_arena_touch(&index->heads, head_at(bucket), sizeof number), &number, sizeof number);
}

static struct bk_arena_root *root_write(struct bk_index *index)
{
    return bk_arena_touch(&index->heads, 0, sizeof(struct bk_arena_root));
}

/* With 2^k <= buckets < 2^(k+1): the low k+1 bits where that bucket exists already, else the low k
 * bits. */
static uint32_t bucket_of(uint64_t buckets, uint32_t hash)
{
    unsigned k = 63u - (unsigned)__builtin_clzll(buckets);
    uint32_t bucket = (uint32_t)(hash & (((uint64_t)2 << k) - 1));
    return bucket < buckets ? bucket : bucket & (uint32_t)(((uint64_t)1 << k) - 1);
}

int bk_index_init(struct bk_index *index, uint64_t limit,
                  uint32_t *(*link)(void *arg, uint32_t number, bool write), void *arg)
{
    index->link = link;
    index->arg = arg;
    int err = bk_arena_init(&index->heads, limit);
    if (err != BK_OK) return err;
    struct bk_arena_root *root = root_write(index);
    root->owner[0] = BUCKETS_MIN;
    root->used = head_at(BUCKETS_MIN);
    return BK_OK;
}

void bk_index_deinit(struct bk_index *index)
{
    bk_arena_deinit(&index->heads);
}

uint32_t bk_index_first(const struct bk_index *index, uint32_t hash)
{
    return head_read(index, bucket_of(bk_arena_root(&index->heads)->owner[0], hash));
}

/* Add one bucket and move to it what belongs there from the bucket it was split off. */
static bool split(struct bk_index *index)
{
    struct bk_arena_root *root = root_write(index);
    uint64_t buckets = root->owner[0];
    if (head_at((uint32_t)buckets + 1) > index->heads.limit) return false;
    uint32_t low =
        (uint32_t)(buckets - ((uint64_t)1 << (63u - (unsigned)__builtin_clzll(buckets))));
    root->owner[0] = ++buckets;
    root->used = head_at((uint32_t)buckets);
    uint32_t number = head_read(index, low), stay = 0, move = 0;
    while (number) {
        uint32_t *link = index->link(index->arg, number, true);
        uint32_t next = link[1];
        bool moves = bucket_of(buckets, link[0]) != low;
        link[1] = moves ? move : stay;
        *(moves ? &move : &stay) = number;
        number = next;
    }
    head_write(index, low, stay);
    head_write(index, (uint32_t)buckets - 1, move);
    return true;
}

bool bk_index_add(struct bk_index *index, uint32_t hash, uint32_t number)
{
    if (bk_arena_root(&index->heads)->owner[1] >= bk_arena_root(&index->heads)->owner[0] &&
        !split(index))
        return false;
    root_write(index)->owner[1]++;
    uint32_t bucket = bucket_of(bk_arena_root(&index->heads)->owner[0], hash);
    uint32_t *link = index->link(index->arg, number, true);
    link[0] = hash;
    link[1] = head_read(index, bucket);
    head_write(index, bucket, number);
    return true;
}

void bk_index_remove(struct bk_index *index, uint32_t hash, uint32_t number)
{
    uint32_t bucket = bucket_of(bk_arena_root(&index->heads)->owner[0], hash);
    uint32_t next = index->link(index->arg, number, false)[1], at = head_read(index, bucket);
    root_write(index)->owner[1]--;
    if (at == number) {
        head_write(index, bucket, next);
        return;
    }
    while (at) {
        uint32_t *link = index->link(index->arg, at, false);
        if (link[1] == number) {
            index->link(index->arg, at, true)[1] = next;
            return;
        }
        at = link[1];
    }
    BK_ASSERT(false && "a removed record was in the index");
}
