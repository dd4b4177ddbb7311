/* archive_cmd.h -- what the files of `basketry archive` share. Private to src/cli. */
#ifndef BASKETRY_CLI_ARCHIVE_CMD_H
#define BASKETRY_CLI_ARCHIVE_CMD_H

#include "cli.h"

#include "basketry/archive.h"

#include <stdio.h>

enum { ARCHIVE_VISITORS_MAX = 32 };

struct archive_options {
    const char *dir, *topics, *customer;
    const char *visitors[ARCHIVE_VISITORS_MAX];
    size_t visitor_count;
    bool until_end, accept_gaps;
};

/** --dir, else archive.dir; NULL after it was said that neither is there. */
const char *bk__archive_dir_of(const struct bk_config *cfg, const char *given);
/** `archive erase`; the exit code. */
int bk__archive_erase_command(const struct bk_config *cfg, const struct archive_options *given);

#endif
