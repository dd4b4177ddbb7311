/* test_lines.c -- every format gives the same lines; what is too long or damaged is said. */
#include "basketry/lines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <cmocka.h>

enum { LINE_MAX_BYTES = 100 };

static char path[256];

static void spill(const char *bytes, size_t len)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

/** `text` as a member of each format; the caller frees. 0: plain, 1: gzip, 2: zstd. */
static char *pack(int format, const char *text, size_t len, size_t *packed_len)
{
    size_t cap = len + len / 8 + 1024;
    char *packed = malloc(cap);
    assert_non_null(packed);
    *packed_len = len;
    if (format == 0) {
        memcpy(packed, text, len);
    } else if (format == 1) {
        z_stream z = {0};
        assert_int_equal(
            deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY),
            Z_OK);
        z.next_in = (Bytef *)(uintptr_t)text;
        z.avail_in = (uInt)len;
        z.next_out = (Bytef *)packed;
        z.avail_out = (uInt)cap;
        assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
        *packed_len = cap - z.avail_out;
        deflateEnd(&z);
    } else {
        *packed_len = ZSTD_compress(packed, cap, text, len, 3);
        assert_false(ZSTD_isError(*packed_len));
    }
    return packed;
}

static struct bk_lines *open_lines(void)
{
    struct bk_reason reason = {""};
    struct bk_lines *lines = bk_lines_open(path, LINE_MAX_BYTES, &reason);
    assert_string_equal(reason.text, "");
    assert_non_null(lines);
    return lines;
}

/** A naive model: split the whole text at once and compare. */
static void check_against_model(const char *text, size_t len)
{
    struct bk_lines *lines = open_lines();
    struct bk_reason reason;
    uint64_t number = 0, done, total;
    bk_str_t line;
    for (size_t from = 0; from < len;) {
        const char *newline = memchr(text + from, '\n', len - from);
        size_t end = newline ? (size_t)(newline - text) : len;
        size_t take = end > from && text[end - 1] == '\r' ? end - 1 - from : end - from;
        int rc = bk_lines_next(lines, &line, &reason);
        number++;
        assert_int_equal(bk_lines_number(lines), number);
        if (take > LINE_MAX_BYTES) {
            assert_int_equal(rc, BK_ELIMIT);
            assert_non_null(strstr(reason.text, path));
        } else {
            assert_int_equal(rc, 1);
            assert_true(bk_str_eq(line, bk_str(text + from, take)));
        }
        from = end + 1;
    }
    assert_int_equal(bk_lines_next(lines, &line, NULL), 0);
    assert_int_equal(bk_lines_next(lines, &line, NULL), 0);
    assert_int_equal(bk_lines_number(lines), number);
    bk_lines_progress(lines, &done, &total);
    assert_int_equal(done, total);
    bk_lines_close(&lines);
    assert_null(lines);
}

static size_t random_text(uint64_t seed, char *text, size_t cap)
{
    size_t len = 0, want = bk_mix(seed) % cap;
    for (uint64_t i = 0; len < want; i++) {
        uint64_t x = bk_mix(seed + 1000 * i);
        size_t line = x % 16 == 0   ? (x >> 8) % 400
                      : x % 16 == 1 ? LINE_MAX_BYTES - 1 + (x >> 8) % 4
                      : x % 64 == 2 ? (x >> 8) % 300000
                                    : (x >> 8) % 40;
        for (size_t b = 0; b < line && len < want; b++)
            text[len++] = b % 9 == 8 ? '\r' : (char)('a' + bk_mix(x + b) % 26);
        if ((x >> 40) % 3 == 0 && len < want) text[len++] = '\r';
        if (len < want) text[len++] = '\n';
    }
    return len;
}

static void prop_every_format_gives_the_lines_of_the_text(void **state)
{
    enum { CAP = 2000000 };
    char *text = malloc(CAP);
    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        print_message("seed %llu\n", (unsigned long long)seed);
        size_t len = random_text(seed, text, seed < 15 ? 400 : CAP), packed_len;
        for (int format = 0; format < 3; format++) {
            char *packed = pack(format, text, len, &packed_len);
            spill(packed, packed_len);
            check_against_model(text, len);
            free(packed);
        }
    }
    free(text);
}

static void several_members_in_a_row_read_as_one_text(void **state)
{
    (void)state;
    for (int format = 1; format < 3; format++) {
        static const char text[] = "one\ntwo and a hathree\n";
        size_t first_len, second_len;
        char *first = pack(format, "one\ntwo and a ha", 16, &first_len);
        char *second = pack(format, "three\n", 6, &second_len);
        first = realloc(first, first_len + second_len);
        memcpy(first + first_len, second, second_len);
        spill(first, first_len + second_len);
        check_against_model(text, sizeof text - 1);
        free(first);
        free(second);
    }
}

static void ends_of_lines_are_told_apart_from_ends_of_files(void **state)
{
    static const char *const texts[] = {"",     "\n",   "\n\n",   "a",      "a\n",
                                        "a\nb", "\r\n", "a\r\nb", "a\rb\n", "a\r\r\n"};
    (void)state;
    for (size_t i = 0; i < BK_COUNTOF(texts); i++) {
        spill(texts[i], strlen(texts[i]));
        check_against_model(texts[i], strlen(texts[i]));
    }
}

static void a_compressed_file_cut_anywhere_is_damage_with_its_place(void **state)
{
    (void)state;
    char text[3000];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = i % 30 == 29 ? '\n' : (char)('a' + bk_mix(i) % 26);
    for (int format = 1; format < 3; format++) {
        size_t packed_len;
        char *packed = pack(format, text, sizeof text, &packed_len);
        for (size_t cut = 4; cut < packed_len; cut++) {
            struct bk_reason reason = {""};
            uint64_t number = 0;
            bk_str_t line;
            int rc;
            spill(packed, cut);
            struct bk_lines *lines = open_lines();
            while ((rc = bk_lines_next(lines, &line, &reason)) == 1)
                assert_true(bk_str_eq(line, bk_str(text + 30 * number++, 29)));
            assert_int_equal(rc, BK_ECORRUPT);
            char where[64];
            snprintf(where, sizeof where, "line %llu (stored byte %zu)",
                     (unsigned long long)(number + 1), cut);
            assert_non_null(strstr(reason.text, where));
            assert_int_equal(bk_lines_next(lines, &line, &reason), BK_ECORRUPT);
            bk_lines_close(&lines);
        }
        free(packed);
    }
}

static void damage_inside_a_compressed_file_is_an_error(void **state)
{
    (void)state;
    char text[3000];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = i % 30 == 29 ? '\n' : (char)('a' + bk_mix(i) % 26);
    size_t packed_len;
    char *packed = pack(1, text, sizeof text, &packed_len);
    for (size_t at = 10; at + 8 < packed_len; at += 7) {
        bk_str_t line;
        int rc;
        packed[at] ^= 0x10;
        spill(packed, packed_len);
        struct bk_lines *lines = open_lines();
        while ((rc = bk_lines_next(lines, &line, NULL)) == 1 || rc == BK_ELIMIT) {
        }
        assert_int_equal(rc, BK_ECORRUPT); /* gzip checks itself */
        bk_lines_close(&lines);
        packed[at] ^= 0x10;
    }
    free(packed);
}

static void what_cannot_be_opened_is_said(void **state)
{
    (void)state;
    struct bk_reason reason = {""};
    assert_null(bk_lines_open("/nowhere/at/all", 10, &reason));
    assert_non_null(strstr(reason.text, "/nowhere/at/all"));
    assert_null(bk_lines_open("/", 10, &reason));
    assert_non_null(strstr(reason.text, "directory"));
}

static int make_path(void **state)
{
    (void)state;
    const char *dir = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
    snprintf(path, sizeof path, "%s/bk_test_lines_%d", dir, (int)getpid());
    return 0;
}

static int remove_path(void **state)
{
    (void)state;
    remove(path);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prop_every_format_gives_the_lines_of_the_text),
        cmocka_unit_test(several_members_in_a_row_read_as_one_text),
        cmocka_unit_test(ends_of_lines_are_told_apart_from_ends_of_files),
        cmocka_unit_test(a_compressed_file_cut_anywhere_is_damage_with_its_place),
        cmocka_unit_test(damage_inside_a_compressed_file_is_an_error),
        cmocka_unit_test(what_cannot_be_opened_is_said),
    };
    return cmocka_run_group_tests(tests, make_path, remove_path);
}
