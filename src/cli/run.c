/* run.c -- `basketry run`: the pipeline on a libuv loop, between a real source, a real sink and the
 * control socket.
 *
 * One loop, one thread of ours. Anything that may have work to do asks for a turn; a turn runs from
 * an idle handle while there is more to do, and at least every TICK_MS, so that timers, sweeps and
 * sessions go on when nothing happens.
 *
 * START   With a checkpoint.dir: the folder is taken (while another process holds it, this one is a
 *   standby and waits), the newest whole generation is loaded, and reading goes on at its offsets.
 * SHUTDOWN is a state: SIGTERM (or the end, with --until-end) closes the intake, lets what is in
 * hand be published within DRAIN_MS, writes a last generation within SAVE_MS, closes source, sink
 * and socket, and ends the loop when the last of them has closed. A drain that met its deadline exits with 75: the lists are in the log,
 * but readers do not have them. A second signal leaves at once.
 */
#include "basketry/control.h"
#include "basketry/log.h"
#include "basketry/pipeline.h"
#include "basketry/questions.h"
#include "cli.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

enum {
    TICK_MS = 50,
    DRAIN_MS = 5000,
    SAVE_MS = 20000,
    SINK_CLOSE_MS = 2000,
    OUTBOX_CLOSE_MS = 2000,
    STANDBY_MS = 500
};

enum phase { PHASE_RUNNING, PHASE_DRAINING, PHASE_SAVING, PHASE_CLOSING };

struct run {
    struct cli_line line;
    bool until_end;
    const char *file;
    uv_loop_t loop;
    uv_timer_t tick;
    uv_idle_t idle;
    uv_signal_t signals[3];
    struct bk_pipeline *pl;
    struct bk_checkpoint *checkpoint; /* NULL: checkpoint.dir is empty */
    struct bk_control *control;
    struct bk_instance instance;
    enum phase phase;
    bool standby;            /* waited for the folder */
    bool ready;              /* everything is attached */
    uint64_t phase_until_ms; /* of draining, of saving */
    int open;                /* source, sink, outbox, control socket that have not closed yet */
    int exit_code;
};

/* ---- turns ---- */

static bk_wall_ms_t wall_ms(void)
{
    uv_timeval64_t now;
    uv_gettimeofday(&now);
    return now.tv_sec * 1000 + now.tv_usec / 1000;
}

static void on_idle(uv_idle_t *idle);
static void begin_close(struct run *run);

static void ask_for_turn(void *arg)
{
    struct run *run = arg;
    if (run->phase != PHASE_CLOSING) uv_idle_start(&run->idle, on_idle);
}

static void begin_drain(struct run *run, const char *why)
{
    bk_log_info("run", "draining why=%s", why);
    run->phase = PHASE_DRAINING;
    run->phase_until_ms = uv_now(&run->loop) + DRAIN_MS;
    bk_pipeline_close_intake(run->pl);
}

/* What is in hand is published, or will not be: now the last generation. */
static void begin_save(struct run *run)
{
    run->phase = PHASE_SAVING;
    run->phase_until_ms = uv_now(&run->loop) + SAVE_MS;
    if (run->checkpoint) bk_checkpoint_ask(run->checkpoint);
}

static void drain(struct run *run)
{
    bool late = uv_now(&run->loop) > run->phase_until_ms;
    if (!late && !bk_pipeline_is_idle(run->pl)) return;
    if (late) {
        bk_log_warn("run", "drain_deadline lists_waiting=%u",
                    bk_publisher_waiting(bk_pipeline_publisher(run->pl)));
        run->exit_code = BK_EXIT_TEMPORARY;
    }
    begin_save(run);
}

static void save(struct run *run)
{
    bool late = uv_now(&run->loop) > run->phase_until_ms;
    if (run->checkpoint && !late && !bk_checkpoint_is_idle(run->checkpoint)) return;
    if (late) bk_log_warn("run", "save_deadline action=restart_from_the_generation_before");
    begin_close(run);
}

/* The log is not the one that the checkpoint was made of: nothing more is read, nothing written. */
static void refuse(struct run *run)
{
    bk__cli_fail(BK_EXIT_CONFIG, "%s", bk_pipeline_refusal(run->pl)->text);
    run->exit_code = BK_EXIT_CONFIG;
    begin_close(run);
}

static bool take_turn(struct run *run)
{
    uint64_t before_ns = uv_hrtime();
    bool more =
        bk_pipeline_turn(run->pl, (bk_mono_ms_t){(int64_t)(before_ns / 1000000)}, wall_ms());
    bk_pipeline_note_turn(run->pl, (int64_t)(uv_hrtime() - before_ns) / 1000);
    return more;
}

static void turn(struct run *run)
{
    if (run->phase == PHASE_CLOSING || !run->ready) return;
    if (take_turn(run))
        uv_idle_start(&run->idle, on_idle);
    else
        uv_idle_stop(&run->idle);
    if (bk_pipeline_refusal(run->pl)) {
        refuse(run);
        return;
    }
    if (run->phase == PHASE_RUNNING && run->until_end && bk_pipeline_is_done(run->pl))
        begin_drain(run, "end_reached");
    if (run->phase == PHASE_DRAINING) drain(run);
    if (run->phase == PHASE_SAVING) save(run);
}

static void on_idle(uv_idle_t *idle)
{
    turn(idle->data);
}

static void on_tick(uv_timer_t *timer)
{
    turn(timer->data);
}

/* ---- shutdown ---- */

static void close_handles(struct run *run)
{
    uv_close((uv_handle_t *)&run->tick, NULL);
    uv_close((uv_handle_t *)&run->idle, NULL);
    for (size_t i = 0; i < BK_COUNTOF(run->signals); i++)
        uv_close((uv_handle_t *)&run->signals[i], NULL);
}

static void on_closed(void *arg)
{
    struct run *run = arg;
    if (--run->open == 0) close_handles(run);
}

static void begin_close(struct run *run)
{
    run->phase = PHASE_CLOSING;
    uv_idle_stop(&run->idle);
    struct bk_source *source = bk_pipeline_source(run->pl);
    struct bk_sink *sink = bk_pipeline_sink(run->pl);
    struct bk_outbox *outbox = bk_pipeline_outbox(run->pl);
    run->open = 2 + (outbox != NULL) + (run->control != NULL);
    if (run->control) bk_control_close(run->control, on_closed, run);
    if (outbox) outbox->ops->close(outbox, OUTBOX_CLOSE_MS, on_closed, run);
    sink->ops->close(sink, SINK_CLOSE_MS, on_closed, run);
    source->ops->close(source, on_closed, run);
}

/* What of a fresh configuration may change now does; what has to wait for a restart is said. */
static void take_over(struct run *run, const struct bk_config *fresh)
{
    struct bk_buf waiting = {0};
    int changed = bk_config_reload(run->line.cfg, fresh, &waiting);
    bk_pipeline_reload(run->pl, run->line.cfg);
    bk_log_level = (enum bk_log_level)run->line.cfg->log_level;
    bk_log_info("run", "reloaded file=%s changed=%d waiting_for_restart=\"%s\"",
                run->line.config_path, changed, waiting.p ? waiting.p : "");
    bk_buf_deinit(&waiting);
}

static void reload(struct run *run)
{
    struct bk_reason reason = {"no -c FILE was given"};
    struct bk_config *fresh = bk_config_create();
    bool read = fresh && run->line.config_path &&
                bk_config_read(fresh, run->line.config_path, &reason) == BK_OK &&
                bk_config_read_environment(fresh, &reason) == BK_OK;
    if (read)
        take_over(run, fresh);
    else
        bk_log_warn("run", "reload_refused reason=\"%s\"", reason.text);
    if (fresh) bk_config_destroy(&fresh);
}

static void on_signal(uv_signal_t *signal, int number)
{
    struct run *run = signal->data;
    if (number == SIGHUP) {
        reload(run);
    } else if (run->phase != PHASE_RUNNING) {
        bk_log_warn("run", "leaving_at_once signal=%d", number);
        _exit(BK_EXIT_TEMPORARY);
    } else {
        begin_drain(run, number == SIGTERM ? "sigterm" : "sigint");
        turn(run);
    }
}

/* ---- start-up ---- */

static const struct bk_metrics *metrics_now(void *arg)
{
    return bk_pipeline_metrics(arg);
}

static struct bk_now clocks_now(void *arg)
{
    return bk_pipeline_now(arg);
}

static int promote_now(void *arg, const char *name, struct bk_reason *reason)
{
    return bk_pipeline_promote(arg, name, reason);
}

static const char *intake_now(void *arg)
{
    return bk_intake_word(bk_pipeline_intake(arg));
}

/* Whoever holds this folder on this machine is the same member of the group, however its last life
 * ended: the broker gives it its partitions back at once, instead of waiting for the session of the
 * one that was killed to run out. */
static void name_instance(const struct bk_config *cfg, char *out, size_t cap)
{
    char text[1024] = "", folder[PATH_MAX] = "";
    if (gethostname(text, 256) != 0) text[0] = '\0';
    size_t len = strlen(text);
    snprintf(text + len, sizeof text - len, "%s",
             realpath(cfg->checkpoint_dir, folder) ? folder : cfg->checkpoint_dir);
    snprintf(out, cap, "%.32s-%016llx", "basketry",
             (unsigned long long)bk_hash(text, strlen(text)));
}

/* How this instance joins the group; `instance` is borrowed. */
static struct bk_kafka_options member_options(const struct run *run, char instance[64])
{
    struct bk_kafka_options options = bk_kafka_options_from_config(run->line.cfg);
    if (!run->checkpoint) return options;
    name_instance(run->line.cfg, instance, 64);
    options.instance_id = instance;
    return options;
}

static struct bk_source *make_source(struct run *run, struct bk_reason *reason)
{
    struct bk_source_events events = bk_pipeline_source_events(run->pl, ask_for_turn, run);
    if (run->file) {
        struct bk_file_options file = {.path = run->file};
        return bk_source_file_create(&run->loop, &file, &events, reason);
    }
    char instance[64];
    struct bk_kafka_options options = member_options(run, instance);
    return bk_source_kafka_create(&run->loop, &options, &events, reason);
}

/* The first line of redis.password_file; "" when none is configured. */
static int read_password(const struct bk_config *cfg, char password[256], struct bk_reason *reason)
{
    password[0] = '\0';
    if (!cfg->redis_password_file[0]) return BK_OK;
    FILE *file = fopen(cfg->redis_password_file, "r");
    bool read = file && fgets(password, 256, file);
    if (file) fclose(file);
    if (!read)
        return bk_reason_set(reason, BK_EIO, "redis.password_file: %s cannot be read",
                             cfg->redis_password_file);
    password[strcspn(password, "\r\n")] = '\0';
    return BK_OK;
}

static struct bk_sink *make_sink(struct run *run, struct bk_reason *reason)
{
    const struct bk_config *cfg = run->line.cfg;
    char password[256];
    if (read_password(cfg, password, reason) != BK_OK) return NULL;
    struct bk_redis_options options = {
        .url = cfg->redis_url,
        .password = password[0] ? password : NULL,
        .inflight_max = (uint32_t)cfg->redis_inflight_max,
        .inflight_bytes_max = (uint32_t)cfg->redis_inflight_bytes_max,
        .connect_timeout_ms = (uint32_t)cfg->redis_connect_timeout,
        .stall_timeout_ms = (uint32_t)cfg->redis_stall_timeout,
        .backoff_max_ms = (uint32_t)cfg->redis_backoff_max,
    };
    struct bk_sink_events events = bk_pipeline_sink_events(run->pl, wall_ms);
    return bk_sink_redis_create(&run->loop, &options, &events, reason);
}

/* A log file is read to look at it: nothing is written to Kafka then. */
static int attach_outbox(struct run *run, struct bk_reason *reason)
{
    const struct bk_config *cfg = run->line.cfg;
    if (run->file) return BK_OK;
    struct bk_kafka_outbox_options options = {
        .brokers = cfg->kafka_brokers,
        .properties = cfg->producer_properties,
        .records_max = (uint32_t)cfg->kafka_outbox_records_max,
        .bytes_max = (uint64_t)cfg->kafka_outbox_bytes_max,
    };
    struct bk_outbox_events events = bk_pipeline_outbox_events(run->pl);
    struct bk_outbox *outbox = bk_outbox_kafka_create(&run->loop, &options, &events, reason);
    if (!outbox) return BK_EINVAL;
    if (bk_pipeline_attach_outbox(run->pl, outbox) == BK_OK) return BK_OK;
    return bk_reason_set(reason, BK_ENOMEM, "no memory for merges");
}

static void start_handles(struct run *run)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
    uv_timer_init(&run->loop, &run->tick);
    uv_idle_init(&run->loop, &run->idle);
    run->tick.data = run->idle.data = run;
    uv_timer_start(&run->tick, on_tick, 0, TICK_MS);
    for (size_t i = 0; i < BK_COUNTOF(numbers); i++) {
        uv_signal_init(&run->loop, &run->signals[i]);
        run->signals[i].data = run;
        uv_signal_start(&run->signals[i], on_signal, numbers[i]);
    }
}

static struct bk_checkpoint_options checkpoint_options(const struct bk_config *cfg)
{
    return (struct bk_checkpoint_options){
        .dir = cfg->checkpoint_dir,
        .interval_ms = cfg->checkpoint_interval,
        .records_max = (uint64_t)cfg->checkpoint_records_max,
        .copy_bytes_max = (uint64_t)cfg->checkpoint_copy_bytes_max,
        .keep = (uint32_t)cfg->checkpoint_keep,
    };
}

/* Take checkpoint.dir; while another process has it, this one is its standby: nothing of it runs
 * yet, so a signal simply ends it. */
static int take_folder(struct run *run)
{
    struct bk_checkpoint_options options = checkpoint_options(run->line.cfg);
    struct bk_reason reason = {{0}};
    int code = BK_OK;
    if (!options.dir[0]) {
        bk_log_warn("run", "no_checkpoint reason=\"checkpoint.dir is empty\" "
                           "consequence=\"every start reads the log from its beginning\"");
        return BK_EXIT_OK;
    }
    while (!(run->checkpoint = bk_checkpoint_open(&options, &code, &reason))) {
        if (code != BK_EAGAIN) return bk__cli_fail(BK_EXIT_CONFIG, "%s", reason.text);
        if (!run->standby) bk_log_info("run", "standby reason=\"%s\"", reason.text);
        run->standby = true;
        uv_sleep(STANDBY_MS);
    }
    if (run->standby) bk_log_info("run", "standby_ends");
    return BK_EXIT_OK;
}

/* While another member reads in the group, this one is its standby, too, wherever they run. */
static int take_group(struct run *run)
{
    struct bk_reason reason = {{0}};
    char instance[64];
    if (run->file || run->line.cfg->kafka_share) return BK_EXIT_OK;
    struct bk_kafka_options options = member_options(run, instance);
    int err = bk_kafka_standby(&options, &reason);
    return err == BK_OK ? BK_EXIT_OK : bk__cli_fail(BK_EXIT_CONFIG, "%s", reason.text);
}

static int load_state(struct run *run)
{
    struct bk_generation loaded;
    struct bk_reason reason = {{0}};
    if (!run->checkpoint) return BK_EXIT_OK;
    uint64_t before_ns = uv_hrtime();
    int err = bk_checkpoint_load(run->checkpoint, bk_pipeline_engine(run->pl), &loaded, &reason);
    if (err != BK_OK && err != BK_ENOENT)
        return bk__cli_fail(BK_EXIT_CONFIG,
                            "checkpoint: %s; build the state anew with `basketry replay "
                            "--in-place`, or start with an empty checkpoint.dir",
                            reason.text);
    if (err == BK_OK)
        bk_log_info("run", "loaded generation=%s bytes=%llu took_ms=%llu", loaded.name,
                    (unsigned long long)loaded.bytes,
                    (unsigned long long)(uv_hrtime() - before_ns) / 1000000);
    bk_pipeline_attach_checkpoint(run->pl, run->checkpoint, err == BK_OK ? &loaded : NULL);
    return BK_EXIT_OK;
}

/* Everything up to the first turn. BK_EXIT_OK, or the exit code after it was said why. */
static int start(struct run *run)
{
    struct bk_reason reason = {{0}};
    const struct bk_config *cfg = run->line.cfg;
    bk_log_level = (enum bk_log_level)cfg->log_level;
    start_handles(run); /* first: source and sink may ask for a turn while they are made */
    run->pl = bk_pipeline_create(cfg, &reason);
    if (!run->pl) return bk__cli_fail(BK_EXIT_CONFIG, "%s", reason.text);
    int code = load_state(run);
    if (code != BK_EXIT_OK) return code;
    uv_update_time(&run->loop); /* waiting and loading took a while: deadlines run from now */
    struct bk_sink *sink = make_sink(run, &reason);
    if (!sink) return bk__cli_fail(BK_EXIT_CONFIG, "%s", reason.text);
    struct bk_source *source = make_source(run, &reason);
    if (!source) return bk__cli_fail(BK_EXIT_CONFIG, "%s", reason.text);
    if (bk_pipeline_attach(run->pl, source, sink) != BK_OK)
        return bk__cli_fail(BK_EXIT_BUG, "out of memory");
    if (attach_outbox(run, &reason) != BK_OK)
        return bk__cli_fail(BK_EXIT_CONFIG, "%s", reason.text);
    run->instance = (struct bk_instance){.engine = bk_pipeline_engine(run->pl),
                                         .ranker = bk_pipeline_ranker(run->pl),
                                         .publisher = bk_pipeline_publisher(run->pl),
                                         .source = source,
                                         .sink = sink,
                                         .outbox = bk_pipeline_outbox(run->pl),
                                         .checkpoint = run->checkpoint,
                                         .watch = bk_pipeline_watch(run->pl),
                                         .cfg = cfg,
                                         .arg = run->pl,
                                         .metrics = metrics_now,
                                         .now = clocks_now,
                                         .promote = promote_now,
                                         .intake = intake_now};
    if (cfg->control_socket[0]) {
        run->control = bk_control_create(&run->loop, cfg->control_socket, bk_questions,
                                         bk_question_count, &run->instance, &reason);
        if (!run->control) return bk__cli_fail(BK_EXIT_UNAVAILABLE, "%s", reason.text);
    }
    run->ready = true;
    return BK_EXIT_OK;
}

/* ---- the command ---- */

static const struct cli_option options[] = {
    {"until-end", 0, NULL, "stop, drained and published, at the ends the partitions had at start"},
    {"file", 'f', "FILE",
     "read a log instead of Kafka: a file of `import --to file:`, or an archive's folder"},
};

static const struct cli_usage usage = {
    .synopsis = "run [-c FILE] [--until-end] [--file FILE]",
    .about =
        "Reads events, keeps state and publishes lists to Redis until SIGTERM.\n"
        "With a checkpoint.dir it goes on where the last one stopped; without one, each start "
        "reads\n"
        "the log from its beginning. A second instance, on the same folder or in the same group, "
        "is\n"
        "a standby that takes over (kafka.share=true: they share the partitions instead, and each\n"
        "knows of what all shoppers share its own part only).",
    .options = options,
    .option_count = BK_COUNTOF(options),
    .notes = "signals: TERM and INT drain and stop (twice: at once), HUP reads the reloadable keys "
             "again.",
};

static int on_option(void *arg, size_t which, const char *value)
{
    struct run *run = arg;
    if (which == 0) run->until_end = true;
    if (which == 1) run->file = value;
    return BK_CLI_GO_ON;
}

int bk_cmd_run(int argc, char **argv)
{
    struct run *run = calloc(1, sizeof *run);
    if (!run) return bk__cli_fail(BK_EXIT_BUG, "out of memory");
    int code = bk__cli_line_read(&run->line, &usage, argc, argv, on_option, run);
    if (code == BK_CLI_GO_ON && run->line.operand_count)
        code = bk__cli_fail(BK_EXIT_USAGE, "run takes no operands");
    if (code == BK_CLI_GO_ON) {
        uv_loop_init(&run->loop);
        signal(SIGHUP, SIG_IGN); /* a standby has nothing to read again, and is not to end by it */
        code = take_folder(run);
        if (code == BK_EXIT_OK) code = take_group(run);
        if (code == BK_EXIT_OK) code = start(run);
        if (code != BK_EXIT_OK)
            exit(code); /* half a start is not worth taking down piece by piece */
        uv_run(&run->loop, UV_RUN_DEFAULT);
        code = run->exit_code;
        bk_log_info("run", "stopped code=%d", code);
        uv_loop_close(&run->loop);
        bk_checkpoint_close(&run->checkpoint);
        bk_pipeline_destroy(&run->pl);
    }
    bk__cli_line_end(&run->line);
    free(run);
    return code;
}
