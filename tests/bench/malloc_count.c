/* malloc_count.c -- who allocates how often: a library to be preloaded into the program under test.
 *
 *   BK_MALLOC_COUNTS=FILE LD_PRELOAD=.../libbench_malloc_count.so basketry run ...
 *
 * Every call of malloc, calloc, realloc and their kin is counted under the object that made it: the
 * program itself (our code is linked into it), librdkafka, hiredis, libuv, the rest (libc on behalf
 * of others). The counters live in FILE, mapped shared, so whoever measures reads them at two
 * moments and subtracts; the program needs to know nothing. LAYOUT of FILE: one u64 each in the
 * order of `enum owner`.
 *
 * glibc's __libc_malloc and friends do the work, so there is nothing to look up and no early call
 * to fear.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum owner { OWNER_PROGRAM, OWNER_RDKAFKA, OWNER_HIREDIS, OWNER_UV, OWNER_REST, OWNER_COUNT };

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *p, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

static struct range {
    uintptr_t low, high;
    enum owner owner;
} ranges[8];
static size_t range_count;
static _Atomic uint64_t before[OWNER_COUNT];
static _Atomic uint64_t *counts = before; /* until the file is there */

static enum owner owner_of(const char *path, size_t position)
{
    if (position == 0) return OWNER_PROGRAM;
    if (strstr(path, "librdkafka")) return OWNER_RDKAFKA;
    if (strstr(path, "libhiredis")) return OWNER_HIREDIS;
    if (strstr(path, "libuv")) return OWNER_UV;
    return OWNER_REST;
}

static int on_object(struct dl_phdr_info *info, size_t size, void *arg)
{
    size_t *position = arg;
    (void)size;
    enum owner owner = owner_of(info->dlpi_name, (*position)++);
    if (owner == OWNER_REST || range_count == sizeof ranges / sizeof *ranges) return 0;
    struct range *range = &ranges[range_count];
    *range = (struct range){UINTPTR_MAX, 0, owner};
    for (int i = 0; i < info->dlpi_phnum; i++) {
        if (info->dlpi_phdr[i].p_type != PT_LOAD || !(info->dlpi_phdr[i].p_flags & PF_X)) continue;
        uintptr_t low = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr,
                  high = low + info->dlpi_phdr[i].p_memsz;
        if (low < range->low) range->low = low;
        if (high > range->high) range->high = high;
    }
    range_count++;
    return 0;
}

__attribute__((constructor)) static void begin(void)
{
    size_t position = 0;
    dl_iterate_phdr(on_object, &position);
    const char *path = getenv("BK_MALLOC_COUNTS");
    int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (fd < 0 || ftruncate(fd, sizeof before) != 0) return;
    void *map = mmap(NULL, sizeof before, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (map != MAP_FAILED) counts = map;
}

static void count(const void *caller)
{
    enum owner owner = OWNER_REST;
    for (size_t i = 0; i < range_count; i++)
        if ((uintptr_t)caller >= ranges[i].low && (uintptr_t)caller < ranges[i].high)
            owner = ranges[i].owner;
    atomic_fetch_add_explicit(&counts[owner], 1, memory_order_relaxed);
}

void *malloc(size_t size)
{
    count(__builtin_return_address(0));
    return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    count(__builtin_return_address(0));
    return __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
    count(__builtin_return_address(0));
    return __libc_realloc(p, size);
}

void *memalign(size_t alignment, size_t size)
{
    count(__builtin_return_address(0));
    return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    count(__builtin_return_address(0));
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    count(__builtin_return_address(0));
    void *p = __libc_memalign(alignment, size);
    if (p) *out = p;
    return p ? 0 : ENOMEM;
}
