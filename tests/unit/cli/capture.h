/* capture.h -- run a subcommand in this process and keep what it wrote. */
#ifndef TESTS_CLI_CAPTURE_H
#define TESTS_CLI_CAPTURE_H

#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct capture {
    int code;
    char out[65536], err[8192];
};

static int capture_redirect(int fd, FILE *to)
{
    int kept = dup(fd);
    dup2(fileno(to), fd);
    return kept;
}

static void capture_restore(int fd, int kept, FILE *from, char *text, size_t cap)
{
    dup2(kept, fd);
    close(kept);
    rewind(from);
    text[fread(text, 1, cap - 1, from)] = '\0';
    fclose(from);
}

/* `line` is argv from the subcommand's name on, words separated by blanks. */
static void capture_run(struct capture *capture, int (*run)(int argc, char **argv),
                        const char *line)
{
    static char words[4096];
    char *argv[32] = {NULL};
    int argc = 0;
    snprintf(words, sizeof words, "%s", line);
    for (char *word = strtok(words, " "); word; word = strtok(NULL, " ")) argv[argc++] = word;
    FILE *out = tmpfile(), *err = tmpfile();
    fflush(stdout);
    int kept_out = capture_redirect(STDOUT_FILENO, out),
        kept_err = capture_redirect(STDERR_FILENO, err);
    capture->code = run(argc, argv);
    fflush(stdout);
    capture_restore(STDOUT_FILENO, kept_out, out, capture->out, sizeof capture->out);
    capture_restore(STDERR_FILENO, kept_err, err, capture->err, sizeof capture->err);
}

#endif
