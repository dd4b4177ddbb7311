/* test_formats.c -- each format against files written by hand in its form (tests/fixtures/import).
 *
 * What every file becomes stands in expected.txt beside it: the tables it was recognised as, what was
 * left out and why, facts, then events. BK_REGENERATE=1 writes those files anew: read the difference.
 */
#include "basketry/import.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "basketry/decode.h"

enum { FILES_MAX = 16, PATH_BYTES = 512 };

struct world {
    const char *folder;
    char path[FILES_MAX][PATH_BYTES];
    struct bk_import_file file[FILES_MAX];
    size_t count;
    struct bk_import_formats *formats;
    struct bk_import_rows rows;
    struct bk_import_counts counts;
    struct bk_import_fact_counts facts;
    struct bk_decoder *decoder;
    struct bk_buf out;
};

/* ---- what came out, as text ---- */

static void put(struct bk_buf *out, const char *name, bk_str_t text)
{
    if (text.len) bk_buf_printf(out, " %s=%.*s", name, (int)text.len, text.p);
}

static void note_bad(void *arg, const char *text)
{
    struct world *world = arg;
    bk_buf_printf(&world->out, "bad %s\n", text + strlen(world->folder) + 1);
}

/* A list is shown by what is left of it in the record's bytes: the decoder keeps what the engine
 * reads. */
static int note_fact(void *arg, const struct bk_import_fact *fact)
{
    struct world *world = arg;
    const struct bk_event *read;
    struct bk_record record = {.topic = fact->topic, .key = fact->key, .value = fact->value};
    struct bk_verdict verdict = bk_decode(world->decoder, &record, &read);
    if (verdict.code) fail_msg("%s %s", bk_verdict_label(verdict.code), verdict.field);
    bk_buf_printf(&world->out, "%s", bk_event_kind_name(read->kind));
    put(&world->out, "customer", read->customer);
    if (read->line_count) put(&world->out, "item", read->lines[0].item);
    put(&world->out, "name", read->name);
    if (read->line_count) put(&world->out, "category", read->lines[0].category);
    put(&world->out, "brand", read->brand);
    put(&world->out, "variant", read->variant_group);
    put(&world->out, "image", read->image);
    if (read->line_count && read->lines[0].unit_price_minor != BK_NULL_I64)
        bk_buf_printf(&world->out, " price=%lld", (long long)read->lines[0].unit_price_minor);
    put(&world->out, "currency", read->currency);
    if (read->event_time_ms) bk_buf_printf(&world->out, " at=%lld", (long long)read->event_time_ms);
    /* the whole record, so that no field is lost unseen */
    bk_buf_printf(&world->out, " bytes=%u#%08x\n", fact->value.len,
                  (unsigned)bk_hash(fact->value.p, fact->value.len));
    return 0;
}

static int note_event(void *arg, const struct bk_event *event)
{
    struct world *world = arg;
    char subject[BK_SUBJECT_BYTES_MAX];
    bk_str_t key = bk_str(subject, bk_event_subject(event, subject));
    bk_buf_printf(&world->out, "%lld %s %.*s", (long long)event->event_time_ms,
                  bk_event_kind_name(event->kind), (int)key.len, key.p);
    if (event->kind == BK_EVENT_CART_CHANGED)
        bk_buf_cstr(&world->out, event->op == BK_CART_ADD ? " add" : " remove");
    put(&world->out, "session", event->session);
    put(&world->out, "order", event->order_id);
    put(&world->out, "query", event->query);
    put(&world->out, "currency", event->currency);
    for (uint32_t i = 0; i < event->line_count; i++) {
        const struct bk_line *line = &event->lines[i];
        bk_buf_printf(&world->out, " %.*sx%lld", (int)line->item.len, line->item.p,
                      (long long)line->quantity);
        if (line->unit_price_minor != BK_NULL_I64)
            bk_buf_printf(&world->out, "@%lld", (long long)line->unit_price_minor);
    }
    bk_buf_char(&world->out, '\n');
    return 0;
}

/* ---- a folder ---- */

static void find_files(struct world *world)
{
    struct dirent **entry;
    int count = scandir(world->folder, &entry, NULL, alphasort);
    assert_true(count > 0);
    for (int i = 0; i < count; i++) {
        const char *name = entry[i]->d_name;
        if (name[0] != '.' && strcmp(name, "expected.txt") != 0) {
            assert_true(world->count < FILES_MAX);
            snprintf(world->path[world->count++], PATH_BYTES, "%s/%s", world->folder, name);
        }
        free(entry[i]);
    }
    free(entry);
}

static void recognise(struct world *world, const char *format)
{
    struct bk_reason reason = {""};
    char names[256];
    for (size_t i = 0; i < world->count; i++) {
        if (bk_import_recognise(world->formats, format, world->path[i], &world->file[i], &reason))
            fail_msg("%s", reason.text);
        bk_buf_printf(&world->out, "%s: %s\n", strrchr(world->path[i], '/') + 1,
                      bk_import_file_names(&world->file[i], names, sizeof names));
    }
}

static void import(struct world *world)
{
    struct bk_import_watch watch = {.arg = world, .bad = note_bad};
    struct bk_reason reason = {""};
    world->rows.formats = world->formats;
    world->rows.bytes_max = 1 << 30;
    if (bk_import_read(&world->rows, world->file, world->count, &watch, &reason))
        fail_msg("%s", reason.text);
    assert_int_equal(bk_import_group(&world->rows), BK_OK);
    if (bk_import_facts(&world->rows, world->file, world->count, &watch, note_fact, world,
                        &world->facts, &reason))
        fail_msg("%s", reason.text);
    assert_int_equal(
        bk_import_emit(&world->rows, BK_CONSENT_PERSONAL, note_event, world, &world->counts),
        BK_OK);
    bk_buf_printf(&world->out, "rows %zu, passed %llu and %llu, bad %llu and %llu\n",
                  world->rows.count, (unsigned long long)world->rows.passed,
                  (unsigned long long)world->facts.passed, (unsigned long long)world->rows.bad,
                  (unsigned long long)world->facts.bad);
}

static void compare(const struct world *world)
{
    char path[PATH_BYTES + 32], expected[1 << 16] = "";
    bool regenerate = getenv("BK_REGENERATE") != NULL;
    snprintf(path, sizeof path, "%s/expected.txt", world->folder);
    FILE *file = fopen(path, regenerate ? "we" : "re");
    if (!file) fail_msg("no %s", path);
    if (regenerate)
        fwrite(world->out.p, 1, world->out.len, file);
    else
        expected[fread(expected, 1, sizeof expected - 1, file)] = '\0';
    fclose(file);
    if (!regenerate) assert_string_equal(world->out.p, expected);
}

static void folder_becomes_what_it_should(const char *name, const char *mapping)
{
    static struct world world;
    char folder[PATH_BYTES], mapping_path[PATH_BYTES];
    struct bk_reason reason = {""};
    const char *root = getenv("BK_SOURCE_DIR");
    if (!root) skip();
    snprintf(folder, sizeof folder, "%s/tests/fixtures/import/%s", root, name);
    world = (struct world){.folder = folder};
    snprintf(mapping_path, sizeof mapping_path, "%s/%s", root, mapping ? mapping : "");
    world.formats = bk_import_formats_create(mapping ? mapping_path : NULL, &reason);
    if (!world.formats) fail_msg("%s", reason.text);
    world.decoder = bk_decoder_create(NULL, 1 << 17, &reason);
    find_files(&world);
    recognise(&world, mapping ? "mapping" : NULL);
    import(&world);
    compare(&world);
    bk_decoder_destroy(&world.decoder);
    bk_import_rows_deinit(&world.rows);
    bk_import_formats_destroy(&world.formats);
    bk_buf_deinit(&world.out);
}

#define FORMAT_TEST(name)                                                                          \
    static void name##_becomes_what_it_should(void **state)                                        \
    {                                                                                              \
        (void)state;                                                                               \
        folder_becomes_what_it_should(#name, NULL);                                                \
    }
FORMAT_TEST(dunnhumby)
FORMAT_TEST(ga4)
FORMAT_TEST(hm)
FORMAT_TEST(instacart)
FORMAT_TEST(otto)
FORMAT_TEST(rees46)
FORMAT_TEST(retailrocket)
FORMAT_TEST(uci)
FORMAT_TEST(uci2)
FORMAT_TEST(yoochoose)

static void the_tables_of_a_shop_become_what_its_mapping_says(void **state)
{
    (void)state;
    folder_becomes_what_it_should("omnix", "deploy/omnix/mapping.ini");
}

/* ---- the reference ---- */

static void the_reference_of_the_formats_is_current(void **state)
{
    struct bk_reason reason = {""};
    struct bk_buf out = {0};
    static char text[1 << 17];
    char path[PATH_BYTES];
    const char *root = getenv("BK_SOURCE_DIR");
    (void)state;
    if (!root) skip();
    struct bk_import_formats *formats = bk_import_formats_create(NULL, &reason);
    bk_import_formats_reference(formats, &out);
    snprintf(path, sizeof path, "%s/src/import/FORMATS.md", root);
    FILE *file = fopen(path, "re");
    if (!file) fail_msg("no %s", path);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    if (strcmp(text, out.p) != 0)
        fail_msg("basketry import --formats > src/import/FORMATS.md was not run");
    bk_buf_deinit(&out);
    bk_import_formats_destroy(&formats);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dunnhumby_becomes_what_it_should),
        cmocka_unit_test(ga4_becomes_what_it_should),
        cmocka_unit_test(hm_becomes_what_it_should),
        cmocka_unit_test(instacart_becomes_what_it_should),
        cmocka_unit_test(otto_becomes_what_it_should),
        cmocka_unit_test(rees46_becomes_what_it_should),
        cmocka_unit_test(retailrocket_becomes_what_it_should),
        cmocka_unit_test(uci_becomes_what_it_should),
        cmocka_unit_test(uci2_becomes_what_it_should),
        cmocka_unit_test(yoochoose_becomes_what_it_should),
        cmocka_unit_test(the_tables_of_a_shop_become_what_its_mapping_says),
        cmocka_unit_test(the_reference_of_the_formats_is_current),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
