/* show.c -- the configuration as others see it: a dump, the reference, a digest.
 *
 * All three walk the table, so a new row shows up by itself. What is secret: every property whose
 * name says so, and in any value whatever stands before the `@` of a URL.
 */
#include "properties.h"
#include "table.h"
#include "value.h"

static bk_str_t section_of(const struct bk__config_row *row)
{
    return bk_str(row->name, strcspn(row->name, "."));
}

static const char *key_of(const struct bk__config_row *row)
{
    return strchr(row->name, '.') + 1;
}

static bool opens_section(size_t i)
{
    return i == 0 ||
           !bk_str_eq(section_of(&bk__config_rows[i]), section_of(&bk__config_rows[i - 1]));
}

/* ---- dump ---- */

void bk_config_mask_url(struct bk_buf *out, const char *url)
{
    const char *scheme = strstr(url, "://");
    const char *at = scheme ? strrchr(scheme, '@') : NULL;
    if (!at || at == scheme + 3) {
        bk_buf_cstr(out, url);
        return;
    }
    const char *user = scheme + 3;
    const char *colon = memchr(user, ':', (size_t)(at - user));
    const char *shown_to =
        colon ? colon + 1 : user; /* without a colon we cannot know that it is no password */
    bk_buf_bytes(out, url, (size_t)(shown_to - url));
    bk_buf_cstr(out, BK_CONFIG_MASK);
    bk_buf_cstr(out, at);
}

static void dump_row(const struct bk_config *cfg, const struct bk__config_row *row,
                     struct bk_buf *out)
{
    struct bk_buf value = {0};
    bk__config_row_format(cfg, row, &value);
    bk_buf_printf(out, "%s = ", key_of(row));
    if (value.p) bk_config_mask_url(out, value.p);
    bk_buf_char(out, '\n');
    out->failed |= value.failed;
    bk_buf_deinit(&value);
}

static void dump_properties(const char *section, const char *const *list, struct bk_buf *out)
{
    if (*list) bk_buf_printf(out, "\n[%s]\n", section);
    for (; *list; list += 2) {
        bk_buf_printf(out, "%s = ", list[0]);
        if (bk__property_secret(list[0]))
            bk_buf_cstr(out, BK_CONFIG_MASK);
        else
            bk_config_mask_url(out, list[1]);
        bk_buf_char(out, '\n');
    }
}

void bk_config_dump(const struct bk_config *cfg, struct bk_buf *out)
{
    for (size_t i = 0; i < bk__config_row_count; i++) {
        bk_str_t section = section_of(&bk__config_rows[i]);
        if (opens_section(i))
            bk_buf_printf(out, "%s[%.*s]\n", i ? "\n" : "", (int)section.len, section.p);
        dump_row(cfg, &bk__config_rows[i], out);
    }
    dump_properties("kafka.consumer", cfg->consumer_properties, out);
    dump_properties("kafka.producer", cfg->producer_properties, out);
}

/* ---- reference ---- */

static const char reference_head[] =
    "# Configuration\n"
    "\n"
    "<!-- Generated from include/basketry/config.h by `basketry check-config --reference > "
    "src/config/CONFIGURATION.md`.\n"
    "     A test fails when the two differ. -->\n"
    "\n"
    "An INI file (`basketry run -c FILE`), then the environment, then `-X section.key=value`: the "
    "later stands.\n"
    "`basketry check-config -c FILE` says what is wrong with a file, `--dump` shows every value as "
    "it will be used, secrets masked.\n"
    "\n"
    "```ini\n"
    "[kafka]\n"
    "brokers = kafka-1:9092,kafka-2:9092\n"
    "# librdkafka's own property, for consumer and producer\n"
    "security.protocol = SASL_SSL\n"
    "# *_file: the value is the file's first line\n"
    "sasl.password_file = /run/secrets/kafka\n"
    "\n"
    "[kafka.consumer]\n"
    "fetch.min.bytes = 1\n"
    "```\n"
    "\n"
    "- **Environment**: `BASKETRY_<SECTION>__<KEY>`, two underscores between: "
    "`BASKETRY_KAFKA__BROKERS`,\n"
    "  `BASKETRY_REDIS__URL`; librdkafka's dots become underscores: "
    "`BASKETRY_KAFKA_CONSUMER__FETCH_MIN_BYTES`.\n"
    "- **Values**: a duration needs its unit (`ms`, `s`, `m`, `h`, `d`); bytes take `k`, `m`, `g`, "
    "`t` (powers of 1024); counts take `k`, `m`\n"
    "  (powers of 1000). One number, one suffix: `90m`, not `1h30m`.\n"
    "- **Comments** are lines that start with `#` or `;`, and what follows ` ;` after a value; a "
    "secret with ` ;` in it goes into a `_file`.\n"
    "- **Reload**: keys marked *reload* take effect on SIGHUP; the others wait for the next start, "
    "and the log says which do.\n";

static const char *type_name(enum bk_config_type type)
{
    static const char *const names[] = {"text",    "count",     "bytes", "duration",
                                        "decimal", "yes or no", "choice"};
    return names[type];
}

static void reference_allowed(const struct bk__config_row *row, struct bk_buf *out)
{
    switch (row->type) {
    case BK_CONFIG_STRING:
        bk_buf_cstr(out, row->min[0] ? "not empty" : "any");
        break;
    case BK_CONFIG_BOOL:
        bk_buf_cstr(out, "`true`, `false`");
        break;
    case BK_CONFIG_CHOICE:
        for (int64_t i = 0; bk__value_word(row->max, i).len; i++) {
            bk_str_t word = bk__value_word(row->max, i);
            bk_buf_printf(out, "%s`%.*s`", i ? ", " : "", (int)word.len, word.p);
        }
        break;
    default:
        bk_buf_printf(out, "`%s` to `%s`", row->min, row->max);
    }
}

static void reference_row(const struct bk__config_row *row, struct bk_buf *out)
{
    bk_buf_printf(out, "| `%s` | %s | ", key_of(row), type_name(row->type));
    if (row->def[0]) bk_buf_printf(out, "`%s`", row->def);
    bk_buf_cstr(out, " | ");
    reference_allowed(row, out);
    bk_buf_printf(out, " | %s%s |\n", row->help, row->reload ? " *Reload.*" : "");
}

void bk_config_reference(struct bk_buf *out)
{
    bk_buf_cstr(out, reference_head);
    for (size_t i = 0; i < bk__config_row_count; i++) {
        bk_str_t section = section_of(&bk__config_rows[i]);
        if (opens_section(i))
            bk_buf_printf(out,
                          "\n## [%.*s]\n\n| key | type | default | allowed | what it does "
                          "|\n|---|---|---|---|---|\n",
                          (int)section.len, section.p);
        reference_row(&bk__config_rows[i], out);
    }
    bk_buf_cstr(out,
                "\n## [kafka.consumer], [kafka.producer]\n\n"
                "Every other property goes to librdkafka as it is, at most 128 for each client; "
                "one that librdkafka does not know stops\n"
                "the start with its message. These are refused, for each would break a promise:\n\n"
                "| property | why |\n|---|---|\n");
    bk__properties_reference(out);
}

/* ---- digest ---- */

static bool shapes_state(const char *name)
{
    static const char *const sections[] = {"state.",   "session.", "cart.",
                                           "history.", "consent.", "time."};
    for (size_t i = 0; i < BK_COUNTOF(sections); i++)
        if (strncmp(name, sections[i], strlen(sections[i])) == 0) return true;
    return false;
}

uint64_t bk_config_digest(const struct bk_config *cfg)
{
    /* Each key is hashed with its value and the hashes are added up: rows may be reordered without
     * a new digest. */
    uint64_t sum = 0;
    for (size_t i = 0; i < bk__config_row_count; i++) {
        struct bk_buf line = {0};
        if (!shapes_state(bk__config_rows[i].name)) continue;
        bk_buf_printf(&line, "%s=", bk__config_rows[i].name);
        bk__config_row_format(cfg, &bk__config_rows[i], &line);
        BK_ASSERT(!line.failed);
        sum += bk_mix(bk_hash(line.p, line.len));
        bk_buf_deinit(&line);
    }
    return sum;
}
