/* tsan_threads.c -- C11 threads that the thread sanitizer can see.
 *
 * THE IDEA
 *   The sanitizer of gcc 12 knows pthread_create but not thrd_create, and a thread it does not know
 *   crashes at its first intercepted call. Debian's librdkafka starts its threads with C11 calls, so
 *   every test with a Kafka client would die. Preloaded (tools/test, step tsan), this library makes
 *   them POSIX threads, which the sanitizer follows.
 * LEFT OUT ON PURPOSE   mutexes and conditions. librdkafka hands much over by atomics that the sanitizer
 *   cannot see either, so that a mutex it does see is reported as racing with its own initialisation.
 * RELIES ON   glibc, where a thrd_t is a pthread_t. */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <threads.h>

struct start {
    thrd_start_t run;
    void *arg;
};

static void *run(void *arg)
{
    struct start start = *(struct start *)arg;
    free(arg);
    return (void *)(intptr_t)start.run(start.arg);
}

int thrd_create(thrd_t *thread, thrd_start_t function, void *arg)
{
    struct start *start = malloc(sizeof *start);
    if (!start) return thrd_nomem;
    *start = (struct start){function, arg};
    int error = pthread_create(thread, NULL, run, start);
    if (!error) return thrd_success;
    free(start);
    return error == ENOMEM ? thrd_nomem : thrd_error;
}

int thrd_join(thrd_t thread, int *code)
{
    void *value = NULL;
    if (pthread_join(thread, &value)) return thrd_error;
    if (code) *code = (int)(intptr_t)value;
    return thrd_success;
}

int thrd_detach(thrd_t thread)
{
    return pthread_detach(thread) ? thrd_error : thrd_success;
}
