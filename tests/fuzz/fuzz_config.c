/* fuzz_config.c -- any bytes as a configuration file: an answer, no crash, and what was accepted
 * can be dumped and read again. */
#define _GNU_SOURCE 1 /* memmem */
#include "basketry/config.h"

static void accepted_text_survives_a_dump(const struct bk_config *cfg)
{
    struct bk_buf first = {0}, second = {0};
    struct bk_reason reason;
    struct bk_config *again = bk_config_create();
    bk_config_dump(cfg, &first);
    if (!strstr(first.p, BK_CONFIG_MASK)) {
        BK_ASSERT(!bk_config_read_text(again, "dump", bk_str(first.p, first.len), &reason));
        bk_config_dump(again, &second);
        BK_ASSERT(first.len == second.len && memcmp(first.p, second.p, first.len) == 0);
        BK_ASSERT(bk_config_digest(cfg) == bk_config_digest(again));
    }
    bk_config_destroy(&again);
    bk_buf_deinit(&first);
    bk_buf_deinit(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bk_config *cfg = bk_config_create();
    struct bk_reason reason = {""};
    if (size > 1 << 16 ||
        memmem(data, size, "_file", 5)) { /* names of this machine's files are no input */
        bk_config_destroy(&cfg);
        return 0;
    }
    int error = bk_config_read_text(cfg, "fuzz", bk_str((const char *)data, size), &reason);
    BK_ASSERT((error == 0) == (reason.text[0] == '\0'));
    if (!error) accepted_text_survives_a_dump(cfg);
    bk_config_destroy(&cfg);
    return 0;
}
