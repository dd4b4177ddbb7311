/* replay.c -- `basketry replay`: build a state from the log at full speed, beside the running one.
 *
 * The same pipeline as `run`, but muted: nothing is published, produced or committed, and no group
 * is joined. At the end the state is a generation of checkpoint.dir under a name of its own, which
 * `promote` puts in the place of the running state; or, with --dry-run, only its lists are set
 * beside those that readers have. This is what retraining is here: other limits, another stretch of
 * the past, or a program that counts differently.
 *
 *   source (all partitions) ─► range ─► pipeline (muted) ─► checkpoint "replay-N" | comparison
 */
#include "replay.h"
#include "progress.h"

#include "basketry/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

enum { TICK_MS = 20, SAMPLE = 1000 };
enum { FROM, TO, FILE_, IN_PLACE, DRY_RUN, SAMPLE_, JSON };

struct replay {
    struct cli_line line;
    struct replay_range range;
    const char *file;
    bool dry_run, in_place, json;
    uint64_t sample;
    uv_loop_t loop;
    uv_timer_t tick;
    uv_idle_t idle;
    uv_signal_t signals[2];
    struct bk_pipeline *pl;
    struct bk_source *source;
    struct bk_checkpoint *checkpoint; /* NULL: a dry run */
    struct bk_sink sink;
    struct cli_progress progress;
    bool built; /* the log is read */
    bool closing;
    int exit_code;
};

/* ---- the sink of a muted pipeline: it has room, and is given nothing ---- */

static size_t sink_room(struct bk_sink *sink)
{
    (void)sink;
    return 1;
}

static int sink_submit(struct bk_sink *sink, const struct bk_ticket *ticket, const char *resp,
                       size_t len)
{
    (void)sink, (void)ticket, (void)resp, (void)len;
    BK_ASSERT(false && "a muted pipeline publishes nothing");
}

static void sink_status(struct bk_sink *sink, struct bk_sink_status *out)
{
    (void)sink;
    *out = (struct bk_sink_status){.state = BK_SINK_READY};
}

static const struct bk_sink_ops sink_ops = {
    .room = sink_room, .submit = sink_submit, .status = sink_status};

/* ---- the end ---- */

static void on_source_closed(void *arg)
{
    struct replay *replay = arg;
    uv_close((uv_handle_t *)&replay->tick, NULL);
    uv_close((uv_handle_t *)&replay->idle, NULL);
    for (size_t i = 0; i < BK_COUNTOF(replay->signals); i++)
        uv_close((uv_handle_t *)&replay->signals[i], NULL);
}

static void close_down(struct replay *replay, int code)
{
    replay->closing = true;
    replay->exit_code = code;
    bk__progress_end(&replay->progress);
    uv_idle_stop(&replay->idle);
    replay->source->ops->close(replay->source, on_source_closed, replay);
}

static void say_what_was_read(const struct replay *replay)
{
    double seconds = (double)bk__progress_ms(&replay->progress) / 1000.0;
    fprintf(stderr, "read %llu events in %.1f s, left out %llu outside the stretch\n",
            (unsigned long long)replay->range.taken, seconds,
            (unsigned long long)replay->range.left_out);
}

static void say_where_it_is(const struct replay *replay)
{
    struct bk_checkpoint_status status;
    bk_checkpoint_status(replay->checkpoint, &status);
    if (!status.generation) return;
    const char *prefix = replay->in_place ? "generation" : "replay";
    fprintf(stdout, "%s-%010llu\n", prefix, (unsigned long long)status.generation);
    fprintf(stderr, "%llu bytes; ", (unsigned long long)status.bytes);
    if (replay->in_place)
        fprintf(stderr, "the next `basketry run` goes on from it\n");
    else
        fprintf(stderr, "put it in place with: basketry promote replay-%010llu\n",
                (unsigned long long)status.generation);
}

/* ---- turns ---- */

static void show_progress(struct replay *replay)
{
    struct bk_source_status status;
    replay->source->ops->status(replay->source, &status);
    double read = (double)(replay->range.taken + replay->range.left_out);
    double part =
        status.lag_records >= 0 && read > 0 ? read / (read + (double)status.lag_records) : -1;
    bk__progress_show(&replay->progress, "replayed", replay->range.taken, "events", part, "");
}

static bool is_read(const struct replay *replay)
{
    return bk_pipeline_has_ended(replay->pl) || bk__replay_range_is_past(&replay->range);
}

static void finish_reading(struct replay *replay)
{
    replay->built = true;
    bk_pipeline_close_intake(replay->pl);
    bk__progress_end(&replay->progress);
    say_what_was_read(replay);
    if (replay->checkpoint)
        bk_checkpoint_ask(replay->checkpoint);
    else
        close_down(replay,
                   bk__replay_compare(replay->line.cfg, replay->pl, replay->sample, replay->json));
}

static void finish_writing(struct replay *replay)
{
    struct bk_checkpoint_status status;
    bk_checkpoint_status(replay->checkpoint, &status);
    if (status.failures) {
        close_down(replay, bk__cli_fail(BK_EXIT_IO, "%s", status.error));
    } else if (bk_checkpoint_is_idle(replay->checkpoint)) {
        say_where_it_is(replay);
        close_down(replay, BK_EXIT_OK);
    }
}

/* A partition that rests would be read when somebody acted: here nobody does. */
static bool has_failed(struct replay *replay)
{
    struct bk_source_status status;
    const struct bk_reason *refusal = bk_pipeline_refusal(replay->pl);
    replay->source->ops->status(replay->source, &status);
    if (status.state != BK_SOURCE_FAILED && !status.resting && !refusal) return false;
    close_down(replay, bk__cli_fail(BK_EXIT_DATA, "%s",
                                    refusal            ? refusal->text
                                    : status.detail[0] ? status.detail
                                                       : bk_source_state_word(status.state)));
    return true;
}

static void on_idle(uv_idle_t *idle);

static void ask_for_turn(void *arg)
{
    struct replay *replay = arg;
    if (!replay->closing) uv_idle_start(&replay->idle, on_idle);
}

static void turn(struct replay *replay)
{
    uv_timeval64_t wall;
    if (replay->closing || !replay->source) return;
    uv_gettimeofday(&wall);
    bool more = bk_pipeline_turn(replay->pl, (bk_mono_ms_t){(int64_t)(uv_hrtime() / 1000000)},
                                 wall.tv_sec * 1000 + wall.tv_usec / 1000);
    if (!more) uv_idle_stop(&replay->idle);
    if (has_failed(replay)) return;
    show_progress(replay);
    if (!replay->built && is_read(replay)) finish_reading(replay);
    if (!replay->closing && replay->built) finish_writing(replay);
}

static void on_idle(uv_idle_t *idle)
{
    turn(idle->data);
}

static void on_tick(uv_timer_t *tick)
{
    turn(tick->data);
}

static void on_signal(uv_signal_t *signal, int number)
{
    struct replay *replay = signal->data;
    (void)number;
    if (replay->closing) _Exit(BK_EXIT_TEMPORARY);
    close_down(replay, bk__cli_fail(BK_EXIT_TEMPORARY, "interrupted; nothing was written"));
}

/* ---- start ---- */

static void start_handles(struct replay *replay)
{
    static const int numbers[] = {SIGTERM, SIGINT};
    uv_timer_init(&replay->loop, &replay->tick);
    uv_idle_init(&replay->loop, &replay->idle);
    replay->tick.data = replay->idle.data = replay;
    uv_timer_start(&replay->tick, on_tick, 0, TICK_MS);
    for (size_t i = 0; i < BK_COUNTOF(replay->signals); i++) {
        uv_signal_init(&replay->loop, &replay->signals[i]);
        replay->signals[i].data = replay;
        uv_signal_start(&replay->signals[i], on_signal, numbers[i]);
    }
}

static int open_checkpoint(struct replay *replay, struct bk_reason *reason)
{
    const struct bk_config *cfg = replay->line.cfg;
    struct bk_checkpoint_options options = {
        .dir = cfg->checkpoint_dir,
        .prefix = replay->in_place ? NULL : "replay",
        .interval_ms = INT64_MAX,
        .records_max = UINT64_MAX,
        .copy_bytes_max = (uint64_t)cfg->checkpoint_copy_bytes_max,
        .keep = (uint32_t)cfg->checkpoint_keep,
    };
    int code = BK_OK;
    if (replay->dry_run) return BK_OK;
    if (!options.dir[0])
        return bk_reason_set(reason, BK_EINVAL,
                             "checkpoint.dir is empty: there is nowhere to leave a generation");
    replay->checkpoint = bk_checkpoint_open(&options, &code, reason);
    if (replay->checkpoint) bk_pipeline_attach_checkpoint(replay->pl, replay->checkpoint, NULL);
    return code;
}

/* What happens once at a record -- a dead letter, a merge, an erasure in Redis -- is the running
 * state's to do, and no replay does it. So one that takes its place goes no further than that one
 * was, and the next `run` reads the rest. */
static void stop_where_it_stood(struct replay *replay)
{
    int64_t next[BK_SHARDS_MAX], *until = replay->range.to.offset;
    if (!replay->in_place || bk_checkpoint_offsets(replay->checkpoint, next) != BK_OK) return;
    for (int p = 0; p < BK_SHARDS_MAX; p++)
        until[p] = until[p] < 0 ? next[p] : bk_min_i64(until[p], next[p]);
    fprintf(stderr, "reads up to where the state before it stood; the next `run` reads the rest\n");
}

static struct bk_source *open_source(struct replay *replay, struct bk_reason *reason)
{
    struct bk_source_events events = bk__replay_range_events(
        &replay->range, bk_pipeline_source_events(replay->pl, ask_for_turn, replay));
    if (replay->file) {
        struct bk_file_options file = {.path = replay->file,
                                       .from_ms = replay->range.from.time_ms,
                                       .to_ms = replay->range.to.time_ms};
        return bk_source_file_create(&replay->loop, &file, &events, reason);
    }
    struct bk_kafka_options options = bk_kafka_options_from_config(replay->line.cfg);
    options.group_id = NULL; /* beside the running one, and never in its way */
    return bk_source_kafka_create(&replay->loop, &options, &events, reason);
}

static int start(struct replay *replay)
{
    struct bk_reason reason = {{0}};
    start_handles(replay);
    replay->pl = bk_pipeline_create(replay->line.cfg, &reason);
    if (!replay->pl) return bk__cli_fail(BK_EXIT_CONFIG, "%s", reason.text);
    int err = open_checkpoint(replay, &reason);
    if (err != BK_OK) return bk__cli_fail(bk__cli_exit_of(err), "%s", reason.text);
    bk_pipeline_mute(replay->pl);
    stop_where_it_stood(replay);
    struct bk_source *source = open_source(replay, &reason);
    if (!source) return bk__cli_fail(BK_EXIT_CONFIG, "%s", reason.text);
    replay->sink.ops = &sink_ops;
    if (bk_pipeline_attach(replay->pl, source, &replay->sink) != BK_OK)
        return bk__cli_fail(BK_EXIT_BUG, "out of memory");
    replay->source = source;
    bk__progress_begin(&replay->progress);
    return BK_EXIT_OK;
}

/* ---- the command ---- */

static const struct cli_option options[] = {
    [FROM] = {"from", 0, "WHERE", "earliest (the default), a moment, or PARTITION:OFFSET,..."},
    [TO] = {"to", 0, "WHERE", "latest (the ends at start, the default), a moment, or offsets"},
    [FILE_] = {"file", 'f', "PATH", "an archive's folder, or a file of import, instead of Kafka"},
    [IN_PLACE] = {"in-place", 0, NULL,
                  "leave it where the next `run` loads it; refused while one runs"},
    [DRY_RUN] = {"dry-run", 'n', NULL, "write nothing; compare its lists with those in Redis"},
    [SAMPLE_] = {"sample", 0, "N", "shoppers compared by --dry-run (1000)"},
    [JSON] = {"json", 'j', NULL, "print the comparison as JSON"},
};

static const struct cli_usage usage = {
    .synopsis =
        "replay [-c FILE] [--from WHERE] [--to WHERE] [--file PATH] [--in-place | --dry-run]",
    .about =
        "Builds a state from the log at full speed, in a process of its own, and leaves it as a\n"
        "generation in checkpoint.dir; its name is printed. `basketry promote` puts it in the "
        "running\n"
        "one's place; with --in-place the next `run` begins with it, also where it refused what "
        "was "
        "there.\n"
        "Products and other facts are always read whole. A moment is 2026-11-23 or\n"
        "2026-11-23T18:45:12Z and means the records' own timestamps.",
    .options = options,
    .option_count = BK_COUNTOF(options),
    .notes = "examples:\n"
             "  basketry replay -c shop.ini --from 2026-05-01 --dry-run\n"
             "  basketry promote $(basketry replay -c shop.ini --file archive) -c shop.ini",
};

static int take_bound(const char *option, const char *value, struct replay_bound *out)
{
    if (bk__replay_bound_parse(value, out)) return BK_CLI_GO_ON;
    return bk__cli_fail(BK_EXIT_USAGE, "--%s %s: neither a moment nor PARTITION:OFFSET", option,
                        value);
}

static int on_option(void *arg, size_t which, const char *value)
{
    struct replay *replay = arg;
    switch (which) {
    case FROM:
        return take_bound("from", value, &replay->range.from);
    case TO:
        return take_bound("to", value, &replay->range.to);
    case FILE_:
        replay->file = value;
        return BK_CLI_GO_ON;
    case IN_PLACE:
        replay->in_place = true;
        return BK_CLI_GO_ON;
    case DRY_RUN:
        replay->dry_run = true;
        return BK_CLI_GO_ON;
    case JSON:
        replay->json = true;
        return BK_CLI_GO_ON;
    default:
        replay->sample = strtoull(value, NULL, 10);
        return replay->sample ? BK_CLI_GO_ON
                              : bk__cli_fail(BK_EXIT_USAGE, "--sample %s: not a number", value);
    }
}

static int replay_log(struct replay *replay)
{
    bk_log_level = (enum bk_log_level)replay->line.cfg->log_level;
    uv_loop_init(&replay->loop);
    int code = start(replay);
    if (code != BK_EXIT_OK) exit(code); /* half a start is not worth taking down piece by piece */
    uv_run(&replay->loop, UV_RUN_DEFAULT);
    uv_loop_close(&replay->loop);
    bk_checkpoint_close(&replay->checkpoint);
    bk_pipeline_destroy(&replay->pl);
    return replay->exit_code;
}

int bk_cmd_replay(int argc, char **argv)
{
    struct replay *replay = calloc(1, sizeof *replay);
    if (!replay) return bk__cli_fail(BK_EXIT_BUG, "out of memory");
    bk__replay_range_init(&replay->range);
    replay->sample = SAMPLE;
    int code = bk__cli_line_read(&replay->line, &usage, argc, argv, on_option, replay);
    if (code == BK_CLI_GO_ON && replay->line.operand_count)
        code = bk__cli_fail(BK_EXIT_USAGE, "replay takes no operands");
    if (code == BK_CLI_GO_ON) code = replay_log(replay);
    bk__cli_line_end(&replay->line);
    free(replay);
    return code;
}
