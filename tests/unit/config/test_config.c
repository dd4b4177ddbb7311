/* test_config.c -- settings from files, the environment and the command line; what is refused, and
 * with which words. */
#include "basketry/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    struct bk_config *cfg;
    struct bk_reason reason;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->cfg = bk_config_create();
    *state = f;
    return f->cfg ? 0 : -1;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    bk_config_destroy(&f->cfg);
    assert_null(f->cfg);
    free(f);
    return 0;
}

static int read_text(struct fixture *f, const char *text)
{
    f->reason.text[0] = '\0';
    return bk_config_read_text(f->cfg, "shop.ini", bk_str_c(text), &f->reason);
}

static void accepts(struct fixture *f, const char *text)
{
    if (read_text(f, text)) fail_msg("%s", f->reason.text);
}

static void says(struct fixture *f, int code, const char *expected)
{
    assert_int_equal(code, BK_EINVAL);
    if (!strstr(f->reason.text, expected))
        fail_msg("said '%s', expected '%s'", f->reason.text, expected);
}

static const char *property(const char *const *list, const char *name)
{
    for (; *list; list += 2)
        if (strcmp(list[0], name) == 0) return list[1];
    return NULL;
}

static char *dump_of(const struct bk_config *cfg)
{
    struct bk_buf out = {0};
    bk_config_dump(cfg, &out);
    assert_false(out.failed);
    return out.p;
}

/* ---- files ---- */

static void a_file_is_read_over_the_defaults(void **state)
{
    struct fixture *f = *state;
    accepts(f, "# a shop\n[kafka]\nbrokers = a:9092, b:9092\n\n[session]\n   gap = 45m ; "
               "longer\n\tevents_max=300\n"
               "[consent]\ndefault = personal\n[lists]\nupdates_channel = yes\n");
    assert_string_equal(f->cfg->kafka_brokers, "a:9092, b:9092");
    assert_int_equal(f->cfg->session_gap, 45 * 60000);
    assert_int_equal(f->cfg->session_events_max, 300);
    assert_int_equal(f->cfg->consent_default, 2);
    assert_int_equal(f->cfg->lists_updates_channel, 1);
    assert_string_equal(f->cfg->kafka_group, "basketry");
    assert_int_equal(f->cfg->state_bytes_max, 4LL << 30);
}

static void setting_a_key_leaves_its_neighbours_alone(void **state)
{
    struct fixture *f = *state;
    accepts(f, "[kafka]\ntopic_events = before\nshare = true\n");
    assert_string_equal(f->cfg->kafka_topic_events, "before");
    assert_int_equal(f->cfg->kafka_share, 1);
}

static void windows_line_ends_and_a_byte_order_mark_are_no_trouble(void **state)
{
    struct fixture *f = *state;
    accepts(f, "\xEF\xBB\xBF[cart]\r\nlines_max = 77\r\n");
    assert_int_equal(f->cfg->cart_lines_max, 77);
}

static void the_later_line_stands(void **state)
{
    struct fixture *f = *state;
    accepts(f, "[cart]\nlines_max = 77\n[history]\nitems_max=99\n[cart]\nlines_max = 78\n");
    assert_int_equal(f->cfg->cart_lines_max, 78);
}

static void an_error_names_file_line_section_key_and_what_is_allowed(void **state)
{
    struct fixture *f = *state;
    says(f, read_text(f, "[cart]\n\nlines_max = 5\n"),
         "shop.ini:3: [cart] lines_max: is out of bounds (allowed 10 to 2000)");
    says(f, read_text(f, "[session]\ngap = 2\n"), "shop.ini:2: [session] gap: lacks its unit");
    says(f, read_text(f, "[consent]\ndefault = all\n"), "(allowed none|session|personal)");
    says(f, read_text(f, "[state]\ndedup_events = 1500\n"), "not a power of two");
    says(f, read_text(f, "[redis]\nkey_prefix = a{b\n"), "may not hold");
    says(f,
         bk_config_set(
             f->cfg,
             "redis.key_prefix=0123456789012345678901234567890123456789012345678901234567890123x",
             &f->reason),
         "allowed 64 bytes");
    says(f, read_text(f, "[redis]\nurl = http://x\n"), "redis://[user:password@]host");
    says(f, read_text(f, "[redis]\nurl = rediss://x\n"), "TLS");
    says(f, read_text(f, "[kafka]\nbrokers = a:\n"), "host:port");
    says(f, read_text(f, "[kafka]\nbrokers = a:9092,,b:9092\n"), "host:port");
    says(f, read_text(f, "[kafka]\nbrokers =\n"), "may not be empty");
}

static void the_first_of_several_errors_is_told(void **state)
{
    struct fixture *f = *state;
    says(f, read_text(f, "[cart]\nlines_max = 5\nnonsense\n"), "shop.ini:2:");
    says(f, read_text(f, "[cart]\nnonsense\nlines_max = 5\n"), "shop.ini:2: not `key = value`");
    says(f, read_text(f, "[cart\nlines_max = 5\n"), "shop.ini:1: not `key = value`");
    says(f, read_text(f, "lines_max = 5\n"), "before the first [section]");
}

static void a_misspelt_key_brings_the_nearest_one(void **state)
{
    struct fixture *f = *state;
    says(f, read_text(f, "[cart]\nline_max = 5\n"),
         "shop.ini:2: [cart] line_max: no such key, did you mean lines_max?");
    says(f, read_text(f, "[session]\nagp = 5m\n"), "did you mean gap?");
    says(f, read_text(f, "[history]\nlines_max = 50\n"), "did you mean");
    says(f, read_text(f, "[redis]\ninflight_bytesmax = 5\n"), "did you mean inflight_bytes_max?");
    says(f, read_text(f, "[crat]\nlines_max = 50\n"), "no such section, did you mean [cart]?");
    says(f, read_text(f, "[weather]\nrain = 1\n"),
         "no such section (basketry check-config --reference");
    says(f, read_text(f, "[log]\nzzzzzzzzzzzzzzzzzzz = 1\n"),
         "no such key (basketry check-config --reference");
}

static void a_slip_of_a_kafka_key_is_not_taken_for_a_property(void **state)
{
    struct fixture *f = *state;
    says(f, read_text(f, "[kafka]\nbroker = a:9092\n"), "did you mean brokers?");
    says(f, read_text(f, "[kafka]\ngruop = a\n"), "did you mean group?");
    says(f, read_text(f, "[kafka]\nqueued_bytes = 16m\n"), "did you mean");
    accepts(f, "[kafka]\ndebug = cgrp\n");
    assert_string_equal(property(f->cfg->consumer_properties, "debug"), "cgrp");
}

static void a_line_that_does_not_fit_is_an_error_and_never_cut(void **state)
{
    struct fixture *f = *state;
    char text[10000];
    int at = snprintf(text, sizeof text, "[kafka.consumer]\nssl.ca.location = ");
    memset(text + at, 'x', 9000);
    text[at + 9000] = '\0';
    says(f, read_text(f, text), "shop.ini:2: line too long");
    at = snprintf(text, sizeof text, "[control]\nsocket = /");
    memset(text + at, 'x', 150);
    text[at + 150] = '\0';
    says(f, read_text(f, text), "too long for a Unix socket");
}

static void hostile_text_is_refused(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(
        bk_config_read_text(f->cfg, "x", bk_str("[cart]\nli\0nes = 1\n", 18), &f->reason),
        BK_EINVAL);
    assert_non_null(strstr(f->reason.text, "NUL"));
    says(f, read_text(f, "[kafka]\ngroup = a\x1b[31m\n"), "control character");
    says(f, read_text(f, "[kafka]\n = a\n"), "not a key's name");
}

static void a_file_that_is_not_there_is_told_by_name(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(bk_config_read(f->cfg, "/nowhere/shop.ini", &f->reason), BK_ENOENT);
    assert_non_null(strstr(f->reason.text, "/nowhere/shop.ini"));
    assert_int_equal(bk_config_read(f->cfg, "/", &f->reason), BK_EIO);
}

/* ---- librdkafka's properties ---- */

static void properties_go_to_the_client_they_are_for(void **state)
{
    struct fixture *f = *state;
    accepts(f, "[kafka]\nsecurity.protocol = ssl\n[kafka.consumer]\nfetch.min.bytes = 7\n"
               "[kafka.producer]\nlinger.ms = 3\nsecurity.protocol = plaintext\n");
    assert_string_equal(property(f->cfg->consumer_properties, "security.protocol"), "ssl");
    assert_string_equal(property(f->cfg->producer_properties, "security.protocol"), "plaintext");
    assert_string_equal(property(f->cfg->consumer_properties, "fetch.min.bytes"), "7");
    assert_null(property(f->cfg->producer_properties, "fetch.min.bytes"));
    assert_int_equal(bk_config_set(f->cfg, "kafka.group.instance.id=till-3", &f->reason), BK_OK);
    assert_string_equal(property(f->cfg->consumer_properties, "group.instance.id"), "till-3");
    assert_null(property(f->cfg->producer_properties, "group.instance.id"));
    assert_string_equal(property(f->cfg->producer_properties, "linger.ms"), "3");
    assert_null(property(f->cfg->consumer_properties, "linger.ms"));
}

static void properties_that_would_break_a_promise_are_refused_by_name(void **state)
{
    struct fixture *f = *state;
    static const char *const names[][2] = {
        {"enable.auto.commit", "checkpoint"},
        {"enable.auto.offset.store", "applied"},
        {"auto.offset.reset", "named policy"},
        {"enable.partition.eof", "ends"},
        {"group.id", "`group`"},
        {"bootstrap.servers", "`brokers`"},
        {"metadata.broker.list", "`brokers`"},
        {"queued.max.messages.kbytes", "`queued_bytes_max`"},
        {"partitioner", "murmur2"},
        {"acks", "acknowledged"},
        {"auto.commit.enable", "checkpoint"},
        {"delivery.report.only.error", "acknowledgement"},
    };
    static const char *const sections[] = {"kafka", "kafka.consumer", "kafka.producer"};
    for (size_t i = 0; i < BK_COUNTOF(names) * 3; i++) {
        char text[128];
        snprintf(text, sizeof text, "[%s]\n%s = 1\n", sections[i % 3], names[i / 3][0]);
        says(f, read_text(f, text), names[i / 3][1]);
        says(f, -5, names[i / 3][0]);
        says(f, -5, "is refused");
    }
}

static void the_lists_of_properties_are_bounded(void **state)
{
    struct fixture *f = *state;
    char text[64];
    for (int i = 0; i < BK_CONFIG_PROPERTIES_MAX; i++) {
        snprintf(text, sizeof text, "kafka.consumer.x.%d=1", i);
        assert_int_equal(bk_config_set(f->cfg, text, &f->reason), 0);
    }
    assert_int_equal(bk_config_set(f->cfg, "kafka.consumer.x.3=2", &f->reason), 0);
    says(f, bk_config_set(f->cfg, "kafka.consumer.y=1", &f->reason), "one property too many");
    assert_null(f->cfg->consumer_properties[2 * BK_CONFIG_PROPERTIES_MAX]);
}

/* ---- secrets ---- */

static void write_file(char *path, const char *text)
{
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void a_secret_comes_from_the_first_line_of_its_file(void **state)
{
    struct fixture *f = *state;
    char path[] = "/tmp/bk-secret-XXXXXX", text[256], secret[16];
    write_file(path, "pass ; word\r\nsecond line\n");
    snprintf(text, sizeof text, "[kafka]\nsasl.password_file = %s\n", path);
    accepts(f, text);
    assert_string_equal(property(f->cfg->consumer_properties, "sasl.password"), "pass ; word");
    assert_string_equal(property(f->cfg->producer_properties, "sasl.password"), "pass ; word");
    assert_int_equal(bk_config_secret(path, secret, 16, &f->reason), 0);
    assert_string_equal(secret, "pass ; word");
    assert_int_equal(bk_config_secret(path, secret, 8, &f->reason), BK_EINVAL);
    assert_non_null(strstr(f->reason.text, "too long"));
    unlink(path);
    says(f, read_text(f, text), path);
}

static void a_secrets_file_without_a_line_is_an_error(void **state)
{
    struct fixture *f = *state;
    char empty[] = "/tmp/bk-secret-XXXXXX", blank[] = "/tmp/bk-secret-XXXXXX",
         plain[] = "/tmp/bk-secret-XXXXXX";
    char secret[16];
    write_file(empty, "");
    write_file(blank, "\nx");
    write_file(plain, "x");
    assert_int_equal(bk_config_secret(empty, secret, 16, &f->reason), BK_EINVAL);
    assert_int_equal(bk_config_secret(blank, secret, 16, &f->reason), BK_EINVAL);
    assert_int_equal(bk_config_secret(plain, secret, 16, &f->reason), 0);
    assert_string_equal(secret, "x");
    unlink(empty), unlink(blank), unlink(plain);
}

static void a_dump_shows_no_secret(void **state)
{
    struct fixture *f = *state;
    accepts(f, "[redis]\nurl = redis://app:hunter2@cache:6379/1\n[kafka]\nsasl.password = hunter2\n"
               "sasl.oauthbearer.client.secret = hunter2\nschema.url = http://hunter2@registry\n");
    char *dump = dump_of(f->cfg);
    assert_null(strstr(dump, "hunter2"));
    assert_non_null(strstr(dump, "url = redis://app:********@cache:6379/1\n"));
    assert_non_null(strstr(dump, "sasl.password = ********\n"));
    assert_non_null(strstr(dump, "schema.url = http://********@registry\n"));
    says(f, read_text(f, dump), "mask of a dump");
    says(f, bk_config_set(f->cfg, "redis.url=redis://app:********@cache", &f->reason),
         "mask of a dump");
    says(f, bk_config_set(f->cfg, "kafka.sasl.password=********", &f->reason), "mask of a dump");
    free(dump);
}

static void errors_do_not_repeat_a_secret(void **state)
{
    struct fixture *f = *state;
    says(f, read_text(f, "[redis]\nurl = redis://a:hunter2@h\x01\n"), "control character");
    assert_null(strstr(f->reason.text, "hunter2"));
    assert_int_equal(bk_config_set(f->cfg, "redisurl=hunter2", &f->reason), BK_EINVAL);
    assert_null(strstr(f->reason.text, "hunter2"));
}

/* ---- environment and command line ---- */

static void the_environment_overrides_by_section_and_key(void **state)
{
    struct fixture *f = *state;
    setenv("BASKETRY_CART__LINES_MAX", "91", 1);
    setenv("BASKETRY_KAFKA__TOPIC_EVENTS", "tills", 1);
    setenv("BASKETRY_KAFKA__SECURITY_PROTOCOL", "ssl", 1);
    setenv("BASKETRY_KAFKA_CONSUMER__FETCH_MIN_BYTES", "5", 1);
    setenv("BASKETRY_KAFKA", "host:1",
           1); /* what the services script prints: one underscore, not ours */
    int error = bk_config_read_environment(f->cfg, &f->reason);
    unsetenv("BASKETRY_CART__LINES_MAX"), unsetenv("BASKETRY_KAFKA__TOPIC_EVENTS"),
        unsetenv("BASKETRY_KAFKA");
    unsetenv("BASKETRY_KAFKA__SECURITY_PROTOCOL"),
        unsetenv("BASKETRY_KAFKA_CONSUMER__FETCH_MIN_BYTES");
    assert_int_equal(error, 0);
    assert_int_equal(f->cfg->cart_lines_max, 91);
    assert_string_equal(f->cfg->kafka_topic_events, "tills");
    assert_string_equal(property(f->cfg->producer_properties, "security.protocol"), "ssl");
    assert_string_equal(property(f->cfg->consumer_properties, "fetch.min.bytes"), "5");
}

static void a_misspelt_variable_is_an_error_that_names_it(void **state)
{
    struct fixture *f = *state;
    static const char *const wrong[][2] = {
        {"BASKETRY_CART__LINE_MAX", "did you mean lines_max?"},
        {"BASKETRY_CRAT__LINES_MAX", "did you mean [cart]?"},
        {"BASKETRY_KAFKA__BROKER", "did you mean brokers?"},
        {"BASKETRY_KAFKA__GROUP_ID", "is refused"},
        {"BASKETRY_CART__", "not a key's name"},
        {"BASKETRY___", "not a key's name"},
    };
    for (size_t i = 0; i < BK_COUNTOF(wrong); i++) {
        setenv(wrong[i][0], "1", 1);
        int error = bk_config_read_environment(f->cfg, &f->reason);
        unsetenv(wrong[i][0]);
        says(f, error, wrong[i][0]);
        says(f, error, wrong[i][1]);
    }
}

static void a_secrets_file_may_come_from_the_environment(void **state)
{
    struct fixture *f = *state;
    char path[] = "/tmp/bk-secret-XXXXXX";
    write_file(path, "hunter2\n");
    setenv("BASKETRY_KAFKA__SASL_PASSWORD_FILE", path, 1);
    int error = bk_config_read_environment(f->cfg, &f->reason);
    unsetenv("BASKETRY_KAFKA__SASL_PASSWORD_FILE");
    unlink(path);
    assert_int_equal(error, 0);
    assert_string_equal(property(f->cfg->consumer_properties, "sasl.password"), "hunter2");
}

static void an_assignment_of_the_command_line_names_section_and_key(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(bk_config_set(f->cfg, "session.gap=1h", &f->reason), 0);
    assert_int_equal(f->cfg->session_gap, 3600000);
    assert_int_equal(bk_config_set(f->cfg, "kafka.client.rack=r=1", &f->reason), 0);
    assert_string_equal(property(f->cfg->consumer_properties, "client.rack"), "r=1");
    assert_int_equal(bk_config_set(f->cfg, "kafka.producer.linger.ms=9", &f->reason), 0);
    assert_string_equal(property(f->cfg->producer_properties, "linger.ms"), "9");
    assert_null(property(f->cfg->consumer_properties, "linger.ms"));
    says(f, bk_config_set(f->cfg, "session.gap", &f->reason), "not section.key=value");
    says(f, bk_config_set(f->cfg, "gap=1.5h", &f->reason), "not section.key=value");
    says(f, bk_config_set(f->cfg, "session.gpa=1h", &f->reason),
         "-X: [session] gpa: no such key, did you mean gap?");
}

static void what_a_file_cannot_say_no_other_source_may(void **state)
{
    struct fixture *f = *state;
    says(f, bk_config_set(f->cfg, "kafka.client.rack=a ;b", &f->reason), "starts a comment");
    says(f, bk_config_set(f->cfg, "kafka.client.rack=;b", &f->reason), "starts a comment");
    says(f, bk_config_set(f->cfg, "kafka.client.rack= b", &f->reason), "blank");
    assert_int_equal(bk_config_set(f->cfg, "kafka.client.rack=a;b", &f->reason), 0);
}

/* ---- every row, reload, digest ---- */

struct row {
    const char *name, *def, *min, *max;
    enum bk_config_type type;
};
static const struct row rows[] = {
#define X(field, name, type, def, min, max, reload, help) {name, def, min, max, BK_CONFIG_##type},
    BK_CONFIG_TABLE(X)
#undef X
};

static int set(struct fixture *f, const char *name, const char *value)
{
    char assignment[512];
    snprintf(assignment, sizeof assignment, "%s=%s", name, value);
    return bk_config_set(f->cfg, assignment, &f->reason);
}

static bool bounded(const struct row *row)
{
    return row->type == BK_CONFIG_COUNT || row->type == BK_CONFIG_BYTES ||
           row->type == BK_CONFIG_DURATION;
}

/* The number of "64k" and its suffix. */
static void one_beyond(const char *bound, int step, char *out, size_t cap)
{
    char *suffix;
    long long number = strtoll(bound, &suffix, 10);
    snprintf(out, cap, "%lld%s", number + step, suffix);
}

static void every_rows_bounds_are_inclusive_and_hold(void **state)
{
    struct fixture *f = *state;
    char beyond[64];
    for (size_t i = 0; i < BK_COUNTOF(rows); i++) {
        assert_int_equal(set(f, rows[i].name, rows[i].def), 0);
        if (!bounded(&rows[i])) continue;
        bool power = strcmp(rows[i].name, "state.dedup_events") ==
                     0; /* its maximum, 64m, is no power of two */
        if (set(f, rows[i].name, rows[i].min)) fail_msg("%s: %s", rows[i].name, f->reason.text);
        if (!power && set(f, rows[i].name, rows[i].max))
            fail_msg("%s: %s", rows[i].name, f->reason.text);
        one_beyond(rows[i].max, 1, beyond, sizeof beyond);
        says(f, set(f, rows[i].name, beyond), "out of bounds");
        one_beyond(rows[i].min, -1, beyond, sizeof beyond);
        if (beyond[0] == '-' || (beyond[0] == '0' && rows[i].min[0] == '0')) continue;
        says(f, set(f, rows[i].name, beyond), "out of bounds");
    }
}

static void a_dump_read_again_gives_the_same_configuration(void **state)
{
    struct fixture *f = *state;
    accepts(f, "[kafka]\nbrokers = x:1\nclient.rack = r1\n[kafka.consumer]\nfetch.wait.max.ms = "
               "5\n[kafka.producer]\nlinger.ms = 2\n"
               "[time]\nahead_max = 0s\n[session]\ngap = 90m\n[decode]\nbytes_max = "
               "65537\n[log]\nlevel = error\n"
               "[lists]\nupdates_channel = on\n");
    char *dump = dump_of(f->cfg);
    struct bk_config *again = bk_config_create();
    assert_int_equal(bk_config_read_text(again, "dump", bk_str_c(dump), &f->reason), 0);
    char *second = dump_of(again);
    assert_string_equal(dump, second);
    assert_int_equal(bk_config_digest(f->cfg), bk_config_digest(again));
    assert_memory_equal(f->cfg, again, offsetof(struct bk_config, consumer_properties));
    assert_string_equal(property(again->consumer_properties, "client.rack"), "r1");
    free(dump), free(second);
    bk_config_destroy(&again);
}

static void the_digest_follows_what_shapes_state_and_nothing_else(void **state)
{
    struct fixture *f = *state;
    uint64_t before = bk_config_digest(f->cfg);
    accepts(f, "[kafka]\ngroup = other\n[lists]\nsize = 5\n[log]\nlevel = debug\n[session]\ngap = "
               "1800s\n");
    assert_int_equal(bk_config_digest(f->cfg), before);
    static const char *const shaping[] = {"state.items_max=2m",   "session.gap=31m",
                                          "cart.lines_max=11",    "history.items_max=17",
                                          "consent.default=none", "time.ahead_max=1s"};
    for (size_t i = 0; i < BK_COUNTOF(shaping); i++) {
        assert_int_equal(bk_config_set(f->cfg, shaping[i], &f->reason), 0);
        assert_int_not_equal(bk_config_digest(f->cfg), before);
        before = bk_config_digest(f->cfg);
    }
}

static void a_reload_takes_what_it_may_and_names_the_rest(void **state)
{
    struct fixture *f = *state;
    struct bk_config *fresh = bk_config_create();
    struct bk_buf waiting = {0};
    assert_int_equal(bk_config_set(fresh, "log.level=debug", &f->reason), 0);
    assert_int_equal(bk_config_set(fresh, "cart.lines_max=42", &f->reason), 0);
    assert_int_equal(bk_config_set(fresh, "kafka.consumer.debug=all", &f->reason), 0);
    assert_int_equal(bk_config_reload(f->cfg, fresh, &waiting), 1);
    assert_int_equal(f->cfg->log_level, 0);
    assert_int_equal(f->cfg->cart_lines_max, 500);
    assert_string_equal(waiting.p, "cart.lines_max\nkafka.consumer\n");
    bk_buf_deinit(&waiting);
    bk_config_destroy(&fresh);
}

static void the_reference_beside_the_code_is_current(void **state)
{
    (void)state;
    const char *source = getenv("BK_SOURCE_DIR");
    char path[512];
    if (!source) skip();
    snprintf(path, sizeof path, "%s/src/config/CONFIGURATION.md", source);
    struct bk_buf want = {0}, have = {0};
    bk_config_reference(&want);
    FILE *file = fopen(path, "r");
    char chunk[4096];
    size_t got;
    while (file && (got = fread(chunk, 1, sizeof chunk, file))) bk_buf_bytes(&have, chunk, got);
    if (file) fclose(file);
    if (!have.p || strcmp(want.p, have.p) != 0)
        fail_msg("src/config/CONFIGURATION.md is out of date; run: basketry check-config "
                 "--reference > src/config/CONFIGURATION.md");
    bk_buf_deinit(&want), bk_buf_deinit(&have);
}

static void each_topic_is_one_thing_only(void **state)
{
    (void)state;
    static const char *const keys[] = {"kafka.topic_events", "kafka.topic_products",
                                       "kafka.topic_stock", "kafka.topic_customers",
                                       "kafka.topic_dlq"};
    struct bk_reason reason = {""};
    char assignment[80];
    for (size_t i = 0; i < BK_COUNTOF(keys); i++)
        for (size_t j = 0; j < i; j++) {
            struct bk_config *cfg = bk_config_create();
            assert_int_equal(bk_config_check(cfg, &reason), BK_OK);
            for (size_t n = j; n <= i; n += i - j) {
                snprintf(assignment, sizeof assignment, "%s=one", keys[n]);
                assert_int_equal(bk_config_set(cfg, assignment, &reason), BK_OK);
            }
            assert_int_equal(bk_config_check(cfg, &reason), BK_EINVAL);
            assert_non_null(strstr(reason.text, keys[i]));
            assert_non_null(strstr(reason.text, keys[j]));
            bk_config_destroy(&cfg);
        }
    struct bk_config *cfg = bk_config_create(); /* what is turned off is no topic */
    assert_int_equal(bk_config_set(cfg, "kafka.topic_stock=", &reason), BK_OK);
    assert_int_equal(bk_config_set(cfg, "kafka.topic_dlq=", &reason), BK_OK);
    assert_int_equal(bk_config_check(cfg, &reason), BK_OK);
    bk_config_destroy(&cfg);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(a_file_is_read_over_the_defaults),
        T(setting_a_key_leaves_its_neighbours_alone),
        T(windows_line_ends_and_a_byte_order_mark_are_no_trouble),
        T(the_later_line_stands),
        T(an_error_names_file_line_section_key_and_what_is_allowed),
        T(the_first_of_several_errors_is_told),
        T(a_misspelt_key_brings_the_nearest_one),
        T(a_slip_of_a_kafka_key_is_not_taken_for_a_property),
        T(a_line_that_does_not_fit_is_an_error_and_never_cut),
        T(hostile_text_is_refused),
        T(a_file_that_is_not_there_is_told_by_name),
        T(properties_go_to_the_client_they_are_for),
        T(properties_that_would_break_a_promise_are_refused_by_name),
        T(the_lists_of_properties_are_bounded),
        T(a_secret_comes_from_the_first_line_of_its_file),
        T(a_secrets_file_without_a_line_is_an_error),
        T(a_dump_shows_no_secret),
        T(errors_do_not_repeat_a_secret),
        T(the_environment_overrides_by_section_and_key),
        T(a_misspelt_variable_is_an_error_that_names_it),
        T(a_secrets_file_may_come_from_the_environment),
        T(an_assignment_of_the_command_line_names_section_and_key),
        T(what_a_file_cannot_say_no_other_source_may),
        T(every_rows_bounds_are_inclusive_and_hold),
        T(a_dump_read_again_gives_the_same_configuration),
        T(the_digest_follows_what_shapes_state_and_nothing_else),
        T(a_reload_takes_what_it_may_and_names_the_rest),
        T(each_topic_is_one_thing_only),
        T(the_reference_beside_the_code_is_current),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
