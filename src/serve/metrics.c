/* metrics.c -- the counters as text: Prometheus, JSON, and the page that explains them.
 *
 * THE IDEA
 *   All three walk the rows and, within a row, the words of its label; rows of one name are one
 * family. Numbers are kept as integers in small units and shown in base units (seconds), with
 * digits enough to lose nothing.
 */
#include "basketry/metrics.h"

enum metric_type { COUNTER, GAUGE, COUNTER_MS, GAUGE_MS };

struct row {
    const char *name;
    enum metric_type type;
    const char *label; /* "": one slot without a label          */
    const char *words; /* "a|b|c|": the label's value by slot    */
    uint32_t slot, slots;
    const char *moves, *act;
};

/* clang-format off */
static const struct row rows[] = {
#define X(slot, name, type, label, words, slots, moves, act) {name, type, label, words, slot, slots, moves, act},
    BK_METRIC_TABLE(X)
#undef X
};

static const struct { const char *name, *moves, *act; } histograms[] = {
#define X(slot, name, moves, act) {name, moves, act},
    BK_HISTOGRAM_TABLE(X)
#undef X
};
/* clang-format on */

/* ---- histograms ---- */

uint64_t bk_histogram_bucket_high(uint32_t bucket)
{
    if (bucket >= BK_HISTOGRAM_BUCKETS - 1) return UINT64_MAX;
    uint32_t power = bucket >> BK_HISTOGRAM_SUB_BITS;
    uint64_t within = bucket & ((1u << BK_HISTOGRAM_SUB_BITS) - 1);
    if (power == 0) return within + 1;
    return (within + 1 + (1u << BK_HISTOGRAM_SUB_BITS)) << (power - 1);
}

uint64_t bk_histogram_quantile_us(const struct bk_histogram *histogram, double q)
{
    uint64_t seen = 0;
    double wanted = q * (double)histogram->count;
    if (histogram->count == 0) return 0;
    for (uint32_t i = 0; i < BK_HISTOGRAM_BUCKETS; i++) {
        seen += histogram->bucket[i];
        if (seen > 0 && (double)seen >= wanted)
            return bk_min_u64(bk_histogram_bucket_high(i), histogram->max_us);
    }
    return histogram->max_us;
}

/* ---- words and numbers ---- */

/* The next word of "a|b|" at *words, which moves past it. */
static bk_str_t next_word(const char **words)
{
    bk_str_t word = bk_str(*words, strcspn(*words, "|"));
    *words += word.len + ((*words)[word.len] == '|');
    return word;
}

static void put_number(const struct row *row, uint64_t value, struct bk_buf *out)
{
    if (row->type == COUNTER_MS || row->type == GAUGE_MS)
        bk_buf_printf(out, "%llu.%03u", (unsigned long long)(value / 1000),
                      (unsigned)(value % 1000));
    else
        bk_buf_printf(out, "%llu", (unsigned long long)value);
}

static void put_us(uint64_t us, struct bk_buf *out)
{
    bk_buf_printf(out, "%llu.%06u", (unsigned long long)(us / 1000000), (unsigned)(us % 1000000));
}

static bool opens_family(size_t i)
{
    return i == 0 || strcmp(rows[i].name, rows[i - 1].name) != 0;
}

static bool ends_family(size_t i)
{
    return i + 1 == BK_COUNTOF(rows) || opens_family(i + 1);
}

static bool is_counter(const struct row *row)
{
    return row->type == COUNTER || row->type == COUNTER_MS;
}

/* ---- Prometheus ---- */

static void prometheus_row(const struct row *row, const struct bk_metrics *metrics,
                           struct bk_buf *out)
{
    const char *words = row->words;
    for (uint32_t i = 0; i < row->slots; i++) {
        bk_str_t word = next_word(&words);
        bk_buf_cstr(out, row->name);
        if (row->label[0]) bk_buf_printf(out, "{%s=\"%.*s\"}", row->label, (int)word.len, word.p);
        bk_buf_char(out, ' ');
        put_number(row, metrics->v[row->slot + i], out);
        bk_buf_char(out, '\n');
    }
}

/* Powers of two from 128 us to 67 s: each is an exact bound of ours. */
enum { LE_FIRST_BIT = 7, LE_LAST_BIT = 26 };

static void prometheus_histogram(const char *name, const struct bk_histogram *histogram,
                                 struct bk_buf *out)
{
    uint64_t seen = 0;
    uint32_t bucket = 0;
    for (uint32_t bit = LE_FIRST_BIT; bit <= LE_LAST_BIT; bit++) {
        uint64_t le_us = 1ull << bit;
        while (bk_histogram_bucket_high(bucket) <= le_us) seen += histogram->bucket[bucket++];
        bk_buf_printf(out, "%s_bucket{le=\"", name);
        put_us(le_us, out);
        bk_buf_printf(out, "\"} %llu\n", (unsigned long long)seen);
    }
    bk_buf_printf(out, "%s_bucket{le=\"+Inf\"} %llu\n%s_sum ", name,
                  (unsigned long long)histogram->count, name);
    put_us(histogram->sum_us, out);
    bk_buf_printf(out, "\n%s_count %llu\n", name, (unsigned long long)histogram->count);
}

void bk_metrics_prometheus(const struct bk_metrics *metrics, struct bk_buf *out)
{
    for (size_t i = 0; i < BK_COUNTOF(rows); i++) {
        if (opens_family(i))
            bk_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", rows[i].name, rows[i].moves,
                          rows[i].name, is_counter(&rows[i]) ? "counter" : "gauge");
        prometheus_row(&rows[i], metrics, out);
    }
    for (size_t i = 0; i < BK_COUNTOF(histograms); i++) {
        bk_buf_printf(out, "# HELP %s %s\n# TYPE %s histogram\n", histograms[i].name,
                      histograms[i].moves, histograms[i].name);
        prometheus_histogram(histograms[i].name, &metrics->histogram[i], out);
    }
    bk_buf_printf(
        out,
        "# HELP basketry_build_info The version that runs.\n# TYPE basketry_build_info gauge\n"
        "basketry_build_info{version=\"%s\"} 1\n",
        BK_VERSION);
}

/* ---- JSON ---- */

static void json_row(const struct row *row, bool first, const struct bk_metrics *metrics,
                     struct bk_buf *out)
{
    const char *words = row->words;
    for (uint32_t i = 0; i < row->slots; i++) {
        bk_str_t word = next_word(&words);
        if (i || !first) bk_buf_char(out, ',');
        if (row->label[0]) bk_buf_json(out, word), bk_buf_char(out, ':');
        put_number(row, metrics->v[row->slot + i], out);
    }
}

static void json_histogram(const struct bk_histogram *histogram, struct bk_buf *out)
{
    bk_buf_printf(out, "{\"count\":%llu,\"sum\":", (unsigned long long)histogram->count);
    put_us(histogram->sum_us, out);
    bk_buf_cstr(out, ",\"max\":"), put_us(histogram->max_us, out);
    bk_buf_cstr(out, ",\"p50\":"), put_us(bk_histogram_quantile_us(histogram, 0.5), out);
    bk_buf_cstr(out, ",\"p99\":"), put_us(bk_histogram_quantile_us(histogram, 0.99), out);
    bk_buf_cstr(out, ",\"p999\":"), put_us(bk_histogram_quantile_us(histogram, 0.999), out);
    bk_buf_char(out, '}');
}

void bk_metrics_json(const struct bk_metrics *metrics, struct bk_buf *out)
{
    for (size_t i = 0; i < BK_COUNTOF(rows); i++) {
        bool labelled = rows[i].label[0] != '\0';
        if (opens_family(i))
            bk_buf_printf(out, "%s\"%s\":%s", i ? "," : "{", rows[i].name, labelled ? "{" : "");
        json_row(&rows[i], opens_family(i), metrics, out);
        if (labelled && ends_family(i)) bk_buf_char(out, '}');
    }
    for (size_t i = 0; i < BK_COUNTOF(histograms); i++) {
        bk_buf_printf(out, ",\"%s\":", histograms[i].name);
        json_histogram(&metrics->histogram[i], out);
    }
    bk_buf_char(out, '}');
}

/* ---- the reference ---- */

static void reference_words(size_t i, struct bk_buf *out)
{
    if (!rows[i].label[0]) return;
    bk_buf_printf(out, "`%s`: ", rows[i].label);
    for (bool first = true;; i++, first = false) {
        const char *words = rows[i].words;
        for (uint32_t j = 0; j < rows[i].slots; j++) {
            bk_str_t word = next_word(&words);
            bk_buf_printf(out, "%s%.*s", j || !first ? ", " : "", (int)word.len, word.p);
        }
        if (ends_family(i)) return;
    }
}

void bk_metrics_reference(struct bk_buf *out)
{
    bk_buf_cstr(out,
                "# Metrics\n\n<!-- Generated from include/basketry/metrics.h by `basketry "
                "check-config --metrics-reference > src/serve/METRICS.md`.\n"
                "     A test fails when the two differ. -->\n\n"
                "The same numbers as Prometheus text and as JSON (`basketry inspect counters`). "
                "Counters start at 0 with the process.\n"
                "No label names a customer or an item.\n\n"
                "| name | type | label | when it moves | what to do |\n|---|---|---|---|---|\n");
    for (size_t i = 0; i < BK_COUNTOF(rows); i++) {
        if (!opens_family(i)) continue;
        bk_buf_printf(out, "| `%s` | %s | ", rows[i].name,
                      is_counter(&rows[i]) ? "counter" : "gauge");
        reference_words(i, out);
        bk_buf_printf(out, " | %s | %s |\n", rows[i].moves, rows[i].act);
    }
    for (size_t i = 0; i < BK_COUNTOF(histograms); i++)
        bk_buf_printf(out, "| `%s` | histogram |  | %s | %s |\n", histograms[i].name,
                      histograms[i].moves, histograms[i].act);
    bk_buf_cstr(out,
                "| `basketry_build_info` | gauge | `version` | Always 1. | Join it to name the "
                "version behind a change. |\n\n"
                "Histograms are kept in 16 buckets a power of two of microseconds (`inspect "
                "counters` gives p50, p99, p999 from them, at most 1/16\n"
                "too long) and exported with the powers of two from 128 us to 67 s as bounds.\n");
}
