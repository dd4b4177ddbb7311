/* check_config.c -- `basketry check-config`: is it valid, what does it come to, what can be set. */
#include "cli.h"

#include "basketry/metrics.h"
#include "basketry/redis_url.h"

#include <librdkafka/rdkafka.h>

enum { DUMP, REFERENCE, METRICS_REFERENCE };

static const struct cli_option options[] = {
    [DUMP] = {"dump", 0, NULL, "print every value as it will be used; secrets are masked"},
    [REFERENCE] = {"reference", 0, NULL, "print the reference of all keys (Markdown)"},
    [METRICS_REFERENCE] = {"metrics-reference", 0, NULL,
                           "print the reference of all metrics (Markdown)"},
};

static const struct cli_usage usage = {
    "check-config [-c FILE] [--dump | --reference | --metrics-reference]",
    "Reads the configuration as `run` would, checks it -- librdkafka's own properties included -- "
    "and starts nothing.\n"
    "The first error is told with file, line, key and what is allowed; the exit code is then 78.",
    options,
    BK_COUNTOF(options),
    "examples:\n"
    "  basketry check-config -c shop.ini\n"
    "  BASKETRY_SESSION__GAP=45m basketry check-config -c shop.ini --dump",
};

static int on_option(void *arg, size_t which, const char *value)
{
    bool *wanted = arg;
    (void)value;
    wanted[which] = true;
    return BK_CLI_GO_ON;
}

/* librdkafka checks names and values when they are set; no client is made. */
static int check_properties(const char *section, const char *const *list, struct bk_reason *reason)
{
    char why[160];
    int error = 0;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    for (; *list && !error; list += 2)
        if (rd_kafka_conf_set(conf, list[0], list[1], why, sizeof why) != RD_KAFKA_CONF_OK)
            error = bk_reason_set(reason, BK_EINVAL, "[%s] %s: %s", section, list[0], why);
    rd_kafka_conf_destroy(conf);
    return error;
}

static int check(const struct bk_config *cfg, struct bk_reason *reason)
{
    struct bk_redis_url url;
    char secret[512];
    int error = check_properties("kafka.consumer", cfg->consumer_properties, reason);
    if (!error) error = check_properties("kafka.producer", cfg->producer_properties, reason);
    if (!error) error = bk_redis_url_parse(cfg->redis_url, &url, reason);
    if (!error && cfg->redis_password_file[0])
        error = bk_config_secret(cfg->redis_password_file, secret, sizeof secret, reason);
    explicit_bzero(secret, sizeof secret);
    explicit_bzero(&url, sizeof url);
    return error;
}

int bk_cmd_check_config(int argc, char **argv)
{
    bool wanted[BK_COUNTOF(options)] = {false};
    struct cli_line line;
    struct bk_reason reason = {""};
    struct bk_buf out = {0};
    int code = bk__cli_line_read(&line, &usage, argc, argv, on_option, wanted);
    if (code != BK_CLI_GO_ON) return code;
    code = BK_EXIT_OK;
    if (line.operand_count)
        code = bk__cli_fail(BK_EXIT_USAGE, "check-config takes no operand; a file goes after -c");
    else if (wanted[REFERENCE])
        bk_config_reference(&out);
    else if (wanted[METRICS_REFERENCE])
        bk_metrics_reference(&out);
    else if (check(line.cfg, &reason))
        code = bk__cli_fail(BK_EXIT_CONFIG, "%s", reason.text);
    else if (wanted[DUMP])
        bk_config_dump(line.cfg, &out);
    else
        bk_buf_printf(&out, "%s: ok\n",
                      line.config_path ? line.config_path : "defaults, environment and -X");
    if (!code) code = bk__cli_print(&out);
    bk_buf_deinit(&out);
    bk__cli_line_end(&line);
    return code;
}
