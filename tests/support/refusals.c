/* refusals.c -- see refusals.h. */
#define _GNU_SOURCE 1 /* MAP_ANONYMOUS, strndup */
#include "support/refusals.h"

#include "basketry/arena.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { LIVE_MAX = 1 << 16, PLAY_S = 60, FAILURES_SHOWN = 20, EACH_OF = 100 };

static _Thread_local bool counting;
static enum refusals_kind refused_kind;
static uint64_t calls, refuse_at;
static uint64_t *calls_of_child; /* shared with it */
static const char *const *meant_stops;
static const void *live[LIVE_MAX]; /* an open table of what was given out and is not back yet */
static bool seen_any;
static pid_t owner;

static bool refuse(enum refusals_kind kind)
{
    if (!counting) return false;
    seen_any = true;
    return kind == refused_kind && ++calls == refuse_at;
}

/* ---- what was given out ---- */

static uint32_t slot_of(const void *p)
{
    uint32_t slot = (uint32_t)bk_mix((uint64_t)(uintptr_t)p) % LIVE_MAX;
    while (live[slot] && live[slot] != p) slot = (slot + 1) % LIVE_MAX;
    return slot;
}

static void *given(void *p)
{
    if (p && counting) live[slot_of(p)] = p;
    return p;
}

static void taken_back(const void *p)
{
    if (!p) return;
    uint32_t hole = slot_of(p);
    if (!live[hole]) return;
    for (uint32_t slot = (hole + 1) % LIVE_MAX; live[slot]; slot = (slot + 1) % LIVE_MAX) {
        uint32_t home = (uint32_t)bk_mix((uint64_t)(uintptr_t)live[slot]) % LIVE_MAX;
        if ((slot + LIVE_MAX - home) % LIVE_MAX < (slot + LIVE_MAX - hole) % LIVE_MAX) continue;
        live[hole] = live[slot];
        hole = slot;
    }
    live[hole] = NULL;
}

static unsigned left_behind(void)
{
    unsigned count = 0;
    for (uint32_t slot = 0; slot < LIVE_MAX; slot++) count += live[slot] != NULL;
    return count;
}

/* ---- what the linker puts in the place of the real ones ---- */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *p, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t len);
void __real_free(void *p);
void *__real_mmap(void *at, size_t len, int protection, int flags, int fd, off_t offset);
int __real_munmap(void *at, size_t len);
bk_ref_t __real_bk_arena_alloc(struct bk_arena *arena, size_t size);
uint32_t __real_bk_table_add(struct bk_table *table);
_Noreturn void __real_bk_assert_fail(const char *cond, const char *file, int line);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t len);
void __wrap_free(void *p);
void *__wrap_mmap(void *at, size_t len, int protection, int flags, int fd, off_t offset);
int __wrap_munmap(void *at, size_t len);
bk_ref_t __wrap_bk_arena_alloc(struct bk_arena *arena, size_t size);
uint32_t __wrap_bk_table_add(struct bk_table *table);
_Noreturn void __wrap_bk_assert_fail(const char *cond, const char *file, int line);

void *__wrap_malloc(size_t size)
{
    return refuse(REFUSALS_HEAP) ? NULL : given(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
    return refuse(REFUSALS_HEAP) ? NULL : given(__real_calloc(count, size));
}

void *__wrap_realloc(void *p, size_t size)
{
    if (refuse(REFUSALS_HEAP)) return NULL;
    taken_back(p);
    return given(__real_realloc(p, size));
}

char *__wrap_strdup(const char *text)
{
    return refuse(REFUSALS_HEAP) ? NULL : given(__real_strdup(text));
}

char *__wrap_strndup(const char *text, size_t len)
{
    return refuse(REFUSALS_HEAP) ? NULL : given(__real_strndup(text, len));
}

void __wrap_free(void *p)
{
    taken_back(p);
    __real_free(p);
}

void *__wrap_mmap(void *at, size_t len, int protection, int flags, int fd, off_t offset)
{
    if (!refuse(REFUSALS_HEAP)) return given(__real_mmap(at, len, protection, flags, fd, offset));
    errno = ENOMEM;
    return MAP_FAILED;
}

int __wrap_munmap(void *at, size_t len)
{
    taken_back(at);
    return __real_munmap(at, len);
}

bk_ref_t __wrap_bk_arena_alloc(struct bk_arena *arena, size_t size)
{
    return refuse(REFUSALS_ARENA) ? 0 : __real_bk_arena_alloc(arena, size);
}

uint32_t __wrap_bk_table_add(struct bk_table *table)
{
    return refuse(REFUSALS_ARENA) ? 0 : __real_bk_table_add(table);
}

_Noreturn void __wrap_bk_assert_fail(const char *cond, const char *file, int line)
{
    for (const char *const *stop = meant_stops; stop && *stop; stop++)
        if (strcmp(cond, *stop) == 0) _exit(0);
    __real_bk_assert_fail(cond, file, line);
}

/* ---- the sweep ---- */

bool refusals_work(void)
{
    seen_any = false;
    owner = getpid();
    counting = true;
    void *volatile p = malloc(1);
    struct bk_arena arena;
    bool made = bk_arena_init(&arena, 4096) == 0;
    counting = false;
    free(p);
    if (made) bk_arena_deinit(&arena);
    return seen_any;
}

void refusals_begin(void)
{
    counting = true;
}

void refusals_end(void)
{
    counting = false;
}

bool refusals_happened(void)
{
    return calls >= refuse_at;
}

void refusals_must(bool condition, const char *format, ...)
{
    if (condition) return;
    counting = false;
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    _exit(1);
}

static _Noreturn void be_child(void (*play)(void))
{
    alarm(PLAY_S);
    play();
    counting = false;
    *calls_of_child = calls;
    unsigned left = left_behind();
    refusals_must(left == 0, "%u blocks were not given back", left);
    _exit(0);
}

/* Play it in a child in which request n is refused; does it end well? */
static bool play_refusing(uint64_t n, const char *name, void (*play)(void))
{
    refuse_at = n;
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) be_child(play);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return true;
    print_error("%s, request %llu refused: %s %d\n", name, (unsigned long long)n,
                WIFSIGNALED(status) ? "signal" : "exit code",
                WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    return false;
}

unsigned refusals_sweep(enum refusals_kind kind, const char *name, void (*play)(void),
                        unsigned stride, const char *const *stops)
{
    if (getpid() != owner)
        _exit(1); /* a child whose assertion failed, on its way to the next test */
    unsigned failures = 0, played = 0;
    refused_kind = kind;
    meant_stops = stops;
    calls_of_child = __real_mmap(NULL, sizeof *calls_of_child, PROT_READ | PROT_WRITE,
                                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(calls_of_child, MAP_FAILED);
    assert_true(play_refusing(UINT64_MAX, name, play));
    uint64_t last = *calls_of_child;
    for (uint64_t n = 1; n <= last && failures < FAILURES_SHOWN; n++) {
        bool each = n <= EACH_OF || n + EACH_OF > last;
        if (!each && n % stride) continue;
        failures += !play_refusing(n, name, play);
        played++;
    }
    __real_munmap(calls_of_child, sizeof *calls_of_child);
    refuse_at = 0;
    print_message("%s: %u of %llu requests refused\n", name, played, (unsigned long long)last);
    assert_int_equal(failures, 0);
    return played;
}
