/* sections.c -- the state's arenas by name: what a checkpoint writes, and lays back.
 *
 * Names and order are part of a checkpoint's format. The layout number changes with the size of
 * anything that stands in an arena; that the same bytes mean something else is said by
 * BK_STATE_VERSION.
 */
#include "internal.h"

size_t bk_shared_sections(struct bk_shared *shared, struct bk_section out[BK_SECTIONS_MAX])
{
    size_t n = 0;
    out[n++] = (struct bk_section){"items", &shared->items.arena};
    out[n++] = (struct bk_section){"hot", &shared->hot.arena};
    out[n++] = (struct bk_section){"posted", &shared->posted.arena};
    out[n++] = (struct bk_section){"index", &shared->index.heads};
    out[n++] = (struct bk_section){"heap", &shared->heap};
    out[n++] = (struct bk_section){"totals", &shared->totals};
    return n;
}

size_t bk_shard_sections(struct bk_shard *shard, struct bk_section out[BK_SECTIONS_MAX])
{
    size_t n = 0;
    out[n++] = (struct bk_section){"subjects", &shard->subjects.arena};
    out[n++] = (struct bk_section){"index", &shard->index.heads};
    out[n++] = (struct bk_section){"heap", &shard->heap};
    out[n++] = (struct bk_section){"dedup", &shard->dedup};
    out[n++] = (struct bk_section){"totals", &shard->totals};
    return n;
}

uint64_t bk_state_layout(void)
{
    static const uint64_t sizes[] = {
        BK_STATE_VERSION,
        sizeof(struct bk_arena_root),
        sizeof(struct bk_map_head),
        sizeof(struct bk_pair),
        sizeof(struct bk_item),
        sizeof(struct bk_item_hot),
        sizeof(struct bk_postings),
        sizeof(struct bk_posting),
        sizeof(struct bk_posted),
        sizeof(struct bk_segment),
        sizeof(struct bk_shared_totals),
        sizeof(struct bk_seen),
        sizeof(struct bk_session),
        sizeof(struct bk_cart_line),
        sizeof(struct bk_bought),
        sizeof(struct bk_mark),
        sizeof(struct bk_subject),
        sizeof(struct bk_shard_totals),
        BK_CONTEXT_COUNT,
        BK_PAIR_KIND_COUNT,
        BK_POSTING_KIND_COUNT,
        BK_SEGMENT_KIND_COUNT,
        BK_RHYTHM_STEPS,
        BK_STATE_COUNTER_COUNT,
    };
    uint64_t mix = BK_COUNTOF(sizes);
    for (size_t i = 0; i < BK_COUNTOF(sizes); i++) mix = bk_mix(mix ^ sizes[i]);
    return mix;
}
