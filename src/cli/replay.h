/* replay.h -- what the files of `basketry replay` share: the stretch of the log that is read, and
 * the comparison of what came out of it. */
#ifndef BASKETRY_CLI_REPLAY_H
#define BASKETRY_CLI_REPLAY_H

#include "cli.h"

#include "basketry/pipeline.h"

/* ---- replay_range.c ---- */

/* One end of the stretch: a moment for all partitions, or an offset for each. */
struct replay_bound {
    int64_t time_ms;               /* 0: none */
    int64_t offset[BK_SHARDS_MAX]; /* -1: none */
    bool by_offset;
};

/* Stands between a source and the pipeline: what lies outside is passed over. */
struct replay_range {
    struct replay_bound from, to; /* to: excluded */
    struct bk_source_events inner;
    bool past[BK_SHARDS_MAX]; /* a record at or behind `to` was seen */
    bool assigned[BK_SHARDS_MAX];
    uint64_t taken, left_out;
};

void bk__replay_range_init(struct replay_range *range);
/* "earliest" or "latest" (no bound), a moment (when.h), or PARTITION:OFFSET[,...]. False: none of
 * them. */
bool bk__replay_bound_parse(const char *text, struct replay_bound *out);
/* The callbacks for the source; `inner` are the pipeline's. */
struct bk_source_events bk__replay_range_events(struct replay_range *range,
                                                struct bk_source_events inner);
/* Every assigned partition has shown a record at or behind `to`. */
bool bk__replay_range_is_past(const struct replay_range *range);

/* ---- replay_compare.c ---- */

/* Compare up to `sample` shoppers' lists with what Redis holds: a table on stdout, Jaccard by
 * context. An exit code. */
int bk__replay_compare(const struct bk_config *cfg, struct bk_pipeline *pipeline, uint64_t sample,
                       bool json);

#endif
