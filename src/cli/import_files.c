/* import_files.c -- see import_files.h. */
#include "import_files.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { DEPTH_MAX = 8 };

static int no_memory(struct bk_reason *reason)
{
    return bk_reason_set(reason, BK_ENOMEM, "out of memory");
}

/* Own a path; NULL when memory is out. */
static const char *keep_path(struct import_files *files, const char *folder, const char *name)
{
    void *array = files->path;
    size_t bytes = strlen(folder) + strlen(name) + 2;
    if (!bk_shop_grow(&array, files->path_count, &files->path_cap, sizeof *files->path))
        return NULL;
    files->path = array;
    char *path = malloc(bytes);
    if (!path) return NULL;
    bool slash = *folder && folder[strlen(folder) - 1] != '/';
    snprintf(path, bytes, "%s%s%s", folder, slash ? "/" : "", name);
    files->path[files->path_count++] = path;
    return path;
}

static int add_file(struct import_files *files, const struct bk_import_formats *formats,
                    const char *format, const char *path, struct bk_reason *reason)
{
    void *array = files->file;
    char names[256];
    if (!path || !bk_shop_grow(&array, files->count, &files->cap, sizeof *files->file))
        return no_memory(reason);
    files->file = array;
    struct bk_import_file *file = &files->file[files->count];
    int code = bk_import_recognise(formats, format, path, file, reason);
    if (code) return code;
    files->count++;
    fprintf(stderr, "%s: %s\n", path, bk_import_file_names(file, names, sizeof names));
    return BK_OK;
}

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* `depth`: folders above it; a link that leads back up ends there. */
static int add_folder(struct import_files *files, const struct bk_import_formats *formats,
                      const char *format, const char *folder, int depth, struct bk_reason *reason)
{
    struct dirent **entry = NULL;
    int code = BK_OK;
    if (depth > DEPTH_MAX)
        return bk_reason_set(reason, BK_ELIMIT, "%s: more than 8 folders deep", folder);
    int count = scandir(folder, &entry, NULL, alphasort);
    if (count < 0)
        return bk_reason_set(reason, bk_error_from_errno(errno), "%s: %s", folder, strerror(errno));
    for (int i = 0; i < count; i++) {
        const char *path =
            entry[i]->d_name[0] == '.' || code ? NULL : keep_path(files, folder, entry[i]->d_name);
        if (path)
            code = is_folder(path) ? add_folder(files, formats, format, path, depth + 1, reason)
                                   : add_file(files, formats, format, path, reason);
        if (code == BK_EINVAL) {
            fprintf(stderr, "left out: %s\n", reason->text);
            code = BK_OK;
        }
        free(entry[i]);
    }
    free(entry);
    return code;
}

int bk__import_files_add(struct import_files *files, const struct bk_import_formats *formats,
                         const char *format, const char *path, struct bk_reason *reason)
{
    if (is_folder(path)) return add_folder(files, formats, format, path, 0, reason);
    return add_file(files, formats, format, keep_path(files, "", path), reason);
}

void bk__import_files_deinit(struct import_files *files)
{
    for (size_t i = 0; i < files->path_count; i++) free(files->path[i]);
    free(files->path);
    free(files->file);
    *files = (struct import_files){0};
}
