/* facts.c -- products and customers, one by one, as records of their topics.
 *
 * A fact is encoded, then decoded by the engine's own decoder: what that would refuse is told with
 * its place in the shop's file instead of ending among the dead letters. Where a table says `latest`,
 * its files are read twice: first to find which row of each item is the latest, then to hand that one
 * out; of rows of one time the last counts. MEMORY: each item once and 16 bytes.
 */
#include "basketry/facts.h"

#include <stdio.h>
#include <stdlib.h>

#include "basketry/decode.h"

#include "take.h"
#include "values.h"

enum { FACT_BYTES_MAX = 1 << 17 };

/* Which row of an item counts. */
struct latest {
    struct bk_shop_ids items;
    struct best {
        int64_t time_ms;
        uint64_t row;
    } * best;
    size_t cap;
    uint64_t rows; /* seen in this pass */
    bool ready;    /* the second pass */
};

struct facts {
    struct bk_import_rows *rows;
    const struct bk__table *table;
    const struct bk_import_watch *watch;
    int (*on_fact)(void *arg, const struct bk_import_fact *fact);
    void *arg;
    struct bk_import_fact_counts *counts;
    struct bk_reason *reason;
    struct bk_decoder *decoder;
    struct latest latest;
    uint8_t bytes[FACT_BYTES_MAX];
};

/* ---- words ---- */

/* Storage for the lists of one fact. */
struct word_lists {
    bk_str_t word[4][BK_FACT_VALUES_MAX];
    unsigned used;
};

static int take_words(struct bk__records *records, enum bk__field field, struct word_lists *lists,
                      struct bk_words *words, bool *there, struct bk_reason *reason)
{
    bk_str_t *list = lists->word[lists->used++];
    words->word = list;
    return bk__records_words(records, field, list, BK_FACT_VALUES_MAX, &words->count, there,
                             reason);
}

static int take_text(struct bk__records *records, enum bk__field field, uint32_t bytes_max,
                     bk_str_t *text, struct bk_reason *reason)
{
    int code = bk__records_get(records, field, text, reason);
    if (code || text->len <= bytes_max) return code;
    return bk__records_wrong(records, field,
                             bytes_max == BK_ID_BYTES_MAX ? "over 128 bytes" : "over 1,024 bytes",
                             reason);
}

/* ---- a product ---- */

static int take_product_texts(struct bk__records *records, struct bk_product_fact *fact,
                              struct bk_reason *reason)
{
    int code = take_text(records, FIELD_NAME, BK_TEXT_BYTES_MAX, &fact->name, reason);
    if (!code)
        code = take_text(records, FIELD_CATEGORY, BK_TEXT_BYTES_MAX, &fact->category, reason);
    if (!code) code = bk__take_id(records, FIELD_BRAND, &fact->brand, reason);
    if (!code) code = take_text(records, FIELD_IMAGE, BK_TEXT_BYTES_MAX, &fact->image, reason);
    if (!code) code = bk__take_id(records, FIELD_VARIANT, &fact->variant_group, reason);
    if (!code) code = bk__take_id(records, FIELD_PROMOTION, &fact->promotion, reason);
    return code;
}

static int take_product(struct facts *facts, struct bk__records *records, bk_str_t item,
                        struct bk_import_fact *out)
{
    struct bk_reason *reason = facts->reason;
    struct bk_product_fact fact;
    struct word_lists lists = {.used = 0};
    bool ignored;
    bk_product_fact_reset(&fact);
    fact.item = item;
    int code = take_product_texts(records, &fact, reason);
    if (!code) code = bk__take_currency(records, facts->table, &fact.currency, reason);
    if (!code)
        code = bk__take_money(records, facts->table, FIELD_PRICE, fact.currency,
                              &fact.unit_price_minor, reason);
    if (!code) code = take_words(records, FIELD_DIETARY, &lists, &fact.dietary, &ignored, reason);
    if (!code)
        code = take_words(records, FIELD_ALLERGENS, &lists, &fact.allergens, &fact.allergens_known,
                          reason);
    if (!code) code = take_words(records, FIELD_SEASONS, &lists, &fact.seasons, &ignored, reason);
    if (!code) code = bk__take_time(records, facts->table, FIELD_TIME, &fact.updated_ms, reason);
    if (code) return code;
    if (!fact.name.len) fact.name = item;
    if (fact.updated_ms == BK_NULL_I64) fact.updated_ms = 0;
    *out = (struct bk_import_fact){.topic = BK_TOPIC_PRODUCTS, .key = item};
    out->updated_ms = fact.updated_ms;
    size_t len = bk_encode_product(&fact, facts->bytes, sizeof facts->bytes);
    out->value = bk_str((const char *)facts->bytes, len);
    return BK_OK;
}

/* ---- a customer ---- */

/* A number within words, such as "45-54" or "65+". */
static int take_first(struct bk__records *records, enum bk__field field, int64_t least,
                      int64_t most, int64_t *value, struct bk_reason *reason)
{
    bk_str_t text;
    int64_t number;
    *value = BK_NULL_I64;
    int code = bk__records_get(records, field, &text, reason);
    if (code || !text.len || !bk__parse_first(text, &number)) return code;
    if (number < least || number > most)
        return bk__records_wrong(records, field, "out of its range", reason);
    *value = number;
    return BK_OK;
}

static int take_lists(struct bk__records *records, struct word_lists *lists,
                      struct bk_customer_fact *fact, struct bk_reason *reason)
{
    bool ignored;
    int code = take_words(records, FIELD_DIETARY, lists, &fact->dietary, &ignored, reason);
    if (!code)
        code = take_words(records, FIELD_ALLERGIES, lists, &fact->allergies, &ignored, reason);
    if (!code)
        code = take_words(records, FIELD_CATEGORIES, lists, &fact->categories, &ignored, reason);
    if (!code) code = take_words(records, FIELD_BRANDS, lists, &fact->brands, &ignored, reason);
    return code;
}

static int take_life(struct bk__records *records, struct bk_customer_fact *fact,
                     struct bk_reason *reason)
{
    int code = take_first(records, FIELD_AGE, 0, 150, &fact->age_years, reason);
    if (!code) code = take_first(records, FIELD_FAMILY, 1, 100, &fact->family_size, reason);
    if (!code)
        code = take_first(records, FIELD_POINTS, 0, BK_COUNT_MAX, &fact->loyalty_points, reason);
    if (!code) code = bk__take_id(records, FIELD_GENDER, &fact->gender, reason);
    if (!code) code = bk__take_id(records, FIELD_LOCATION, &fact->location, reason);
    if (!code) code = bk__take_id(records, FIELD_HOUSEHOLD, &fact->household, reason);
    if (!code) code = bk__take_id(records, FIELD_TIER, &fact->loyalty_tier, reason);
    return code;
}

static int take_customer(struct facts *facts, struct bk__records *records, bk_str_t customer,
                         struct bk_import_fact *out)
{
    struct bk_reason *reason = facts->reason;
    struct bk_customer_fact fact;
    struct word_lists lists = {.used = 0};
    bk_customer_fact_reset(&fact);
    fact.customer = customer;
    int code = take_text(records, FIELD_NAME, BK_TEXT_BYTES_MAX, &fact.name, reason);
    if (!code) code = take_lists(records, &lists, &fact, reason);
    if (!code) code = take_life(records, &fact, reason);
    if (!code) code = bk__take_currency(records, facts->table, &fact.budget_currency, reason);
    if (!code)
        code = bk__take_money(records, facts->table, FIELD_BUDGET, fact.budget_currency,
                              &fact.budget_minor, reason);
    if (!code) code = bk__take_time(records, facts->table, FIELD_CREATED, &fact.created_ms, reason);
    if (!code) code = bk__take_time(records, facts->table, FIELD_TIME, &fact.updated_ms, reason);
    if (code) return code;
    if (fact.budget_minor == BK_NULL_I64) fact.budget_currency = bk_str(NULL, 0);
    if (fact.created_ms == BK_NULL_I64) fact.created_ms = 0;
    if (fact.updated_ms == BK_NULL_I64) fact.updated_ms = 0;
    *out = (struct bk_import_fact){.topic = BK_TOPIC_CUSTOMERS, .key = customer};
    out->updated_ms = fact.updated_ms;
    size_t len = bk_encode_customer(&fact, facts->bytes, sizeof facts->bytes);
    out->value = bk_str((const char *)facts->bytes, len);
    return BK_OK;
}

/* ---- the latest row of an item ---- */

/* In the first pass: note the row; false when memory is out. In the second: is this the one? */
static bool note_row(struct latest *latest, bk_str_t item, int64_t time_ms)
{
    uint32_t before = latest->items.count, number = bk_shop_ids_add(&latest->items, item);
    void *array = latest->best;
    if (!number) return false;
    if (number > before) {
        if (!bk_shop_grow(&array, before, &latest->cap, sizeof *latest->best)) return false;
        latest->best = array;
        latest->best[before] = (struct best){time_ms, latest->rows};
    }
    struct best *best = &latest->best[number - 1];
    if (time_ms >= best->time_ms) *best = (struct best){time_ms, latest->rows};
    return true;
}

static bool is_latest(const struct latest *latest, bk_str_t item)
{
    uint32_t number = bk_shop_ids_find(&latest->items, item);
    return !number || latest->best[number - 1].row == latest->rows;
}

/* ---- a row ---- */

static int hand_out(struct facts *facts, struct bk__records *records,
                    const struct bk_import_fact *fact, enum bk__field field)
{
    const struct bk_event *read;
    struct bk_record record = {.topic = fact->topic, .key = fact->key, .value = fact->value};
    if (!fact->value.len) return bk__records_wrong(records, field, "over 128 kB", facts->reason);
    struct bk_verdict verdict = bk_decode(facts->decoder, &record, &read);
    if (verdict.code) {
        char why[160];
        snprintf(why, sizeof why, "%s %s", bk_verdict_label(verdict.code), verdict.field);
        return bk__records_wrong(records, field, why, facts->reason);
    }
    if (fact->topic == BK_TOPIC_PRODUCTS)
        facts->counts->products++;
    else
        facts->counts->customers++;
    return facts->on_fact(facts->arg, fact);
}

static int note_item(struct facts *facts, struct bk__records *records, bk_str_t item)
{
    int64_t time_ms;
    struct bk_reason ignored; /* a time that is none is told in the second pass */
    if (bk__take_time(records, facts->table, FIELD_TIME, &time_ms, &ignored)) return BK_OK;
    if (note_row(&facts->latest, item, time_ms)) return BK_OK;
    return bk_reason_set(facts->reason, BK_ENOMEM, "out of memory");
}

/* What comes of a row: 0, BK_EINVAL with its reason, or what ends the reading. */
static int take_fact(struct facts *facts, struct bk__records *records)
{
    struct bk_import_fact fact;
    bool product = facts->table->kind == KIND_PRODUCTS, latest = facts->table->latest;
    enum bk__field field = product ? FIELD_ITEM : FIELD_CUSTOMER;
    bk_str_t id;
    int code = bk__take_id(records, field, &id, facts->reason);
    if (code) return code;
    facts->latest.rows++;
    if (facts->table->lines && !bk__records_has_element(records)) return BK_OK;
    if (!id.len)
        return bk__records_wrong(records, field, product ? "no item" : "no customer",
                                 facts->reason);
    if (product && bk_shop_drop_matches(facts->rows->drop, id)) {
        facts->counts->dropped++;
        return BK_OK;
    }
    if (latest && !facts->latest.ready) return note_item(facts, records, id);
    if (latest && !is_latest(&facts->latest, id)) return BK_OK;
    code = product ? take_product(facts, records, id, &fact)
                   : take_customer(facts, records, id, &fact);
    return code ? code : hand_out(facts, records, &fact, field);
}

/* ---- files ---- */

static int read_file(struct facts *facts, const char *path)
{
    const struct bk_import_rows *rows = facts->rows;
    bool quiet = facts->table->latest && !facts->latest.ready;
    uint64_t passed = 0, dropped = facts->counts->dropped;
    struct bk__records *records =
        bk__records_open(path, facts->table, rows->encoding, rows->labels, facts->reason);
    if (!records) return BK_EINVAL;
    int got = 1;
    while (got == 1) {
        got = bk__records_next(records, &passed, facts->reason);
        int code = got == 1 ? take_fact(facts, records) : BK_OK;
        if (code) got = code;
        if (got != BK_EINVAL) continue;
        got = 1;
        if (quiet) continue;
        facts->counts->bad++;
        if (facts->watch->bad) facts->watch->bad(facts->watch->arg, facts->reason->text);
    }
    if (quiet)
        facts->counts->dropped = dropped;
    else
        facts->counts->passed += passed;
    bk__records_close(&records);
    return got;
}

static int read_table(struct facts *facts, const struct bk__table *table,
                      const struct bk_import_file *files, size_t count)
{
    int code = BK_OK;
    facts->table = table;
    facts->latest = (struct latest){0};
    for (int pass = table->latest ? 0 : 1; pass < 2; pass++) {
        facts->latest.ready = pass == 1;
        facts->latest.rows = 0;
        for (size_t i = 0; i < count; i++)
            for (uint32_t j = 0; j < files[i].count && !code; j++)
                if (files[i].table[j] == table) code = read_file(facts, files[i].path);
    }
    bk_shop_ids_deinit(&facts->latest.items);
    free(facts->latest.best);
    return code;
}

static bool has_facts(const struct bk_import_file *files, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (uint32_t j = 0; j < files[i].count; j++)
            if (files[i].table[j]->kind == KIND_PRODUCTS ||
                files[i].table[j]->kind == KIND_CUSTOMERS)
                return true;
    return false;
}

int bk_import_facts(struct bk_import_rows *rows, const struct bk_import_file *files, size_t count,
                    const struct bk_import_watch *watch,
                    int (*on_fact)(void *arg, const struct bk_import_fact *fact), void *arg,
                    struct bk_import_fact_counts *counts, struct bk_reason *reason)
{
    static const enum bk__kind kinds[] = {KIND_PRODUCTS, KIND_CUSTOMERS};
    const struct bk_import_formats *formats = rows->formats;
    *counts = (struct bk_import_fact_counts){0};
    if (!has_facts(files, count)) return BK_OK;
    struct facts *facts = calloc(1, sizeof *facts);
    if (!facts) return bk_reason_set(reason, BK_ENOMEM, "out of memory");
    facts->rows = rows;
    facts->watch = watch;
    facts->on_fact = on_fact;
    facts->arg = arg;
    facts->counts = counts;
    facts->reason = reason;
    facts->decoder = bk_decoder_create(NULL, FACT_BYTES_MAX, reason);
    int code = facts->decoder ? BK_OK : BK_ENOMEM;
    for (size_t kind = 0; kind < BK_COUNTOF(kinds); kind++)
        for (uint32_t i = 0; i < formats->count && !code; i++)
            if (formats->table[i]->kind == kinds[kind])
                code = read_table(facts, formats->table[i], files, count);
    bk_decoder_destroy(&facts->decoder);
    free(facts);
    return code;
}
