/* import_files.h -- the operands of `import` as files with their tables. */
#ifndef BASKETRY_CLI_IMPORT_FILES_H
#define BASKETRY_CLI_IMPORT_FILES_H

#include "basketry/import.h"

struct import_files {
    struct bk_import_file *file;
    size_t count, cap;
    char **path; /* what file[].path borrows; paths of a folder's files are made here */
    size_t path_count, path_cap;
};

/** Recognise `path` and add it; a folder stands for all files in it, in the order of their names, and
 *  those of no known form are told on stderr and left out. 0 or a code with `reason`. */
BK_MUST_CHECK int bk__import_files_add(struct import_files *files,
                                       const struct bk_import_formats *formats, const char *format,
                                       const char *path, struct bk_reason *reason);
void bk__import_files_deinit(struct import_files *files);

#endif
