/* internal.h -- one attempt at a generation, shared by the loop's side (checkpoint.c) and the
 * thread's (attempt.c). */
#ifndef BASKETRY_CHECKPOINT_INTERNAL_H
#define BASKETRY_CHECKPOINT_INTERNAL_H

#include "basketry/capture.h"
#include "format.h"

#include <pthread.h>

/* What the thread is given, and what it gives back: while it runs, nobody else touches this. */
struct bkc_attempt {
    struct bk_disk *disk;
    char dir[BKC_PATH_MAX / 2];
    char folder[BKC_PATH_MAX]; /* of the generation */
    char name[64];
    uint64_t number;
    uint32_t keep;
    uint64_t damaged_after, damaged_until; /* generations between were passed over when loading */
    char prefix[48];
    struct bkc_manifest manifest; /* its files point into `files` */
    struct bkc_source *sources;   /* shared, then the partitions */
    uint32_t source_count;
    struct bk_capture *capture;
    bool made; /* the folder is ours */
    int err;
    struct bk_reason reason;
    pthread_t thread;
    bool running; /* a thread was started and not joined */
    bool done;    /* by the thread, at its end; atomic */
};

/* Capture an engine: the files a generation will have. NULL: no memory. Loop thread. */
struct bkc_attempt *bkc_attempt_begin(struct bk_engine *engine, uint64_t copy_bytes_max);
/* Let the arenas go: their bytes are in the files. Loop thread. */
void bkc_attempt_let_go(struct bkc_attempt *attempt);
/* The same, and free everything. The thread is not running. */
void bkc_attempt_end(struct bkc_attempt **attempt);

/* The two halves, either as a thread or at once; what fails is discarded by them. */
void bkc_attempt_write(struct bkc_attempt *attempt);  /* the files */
void bkc_attempt_commit(struct bkc_attempt *attempt); /* the MANIFEST; older generations go */
/* What was written of it goes: removing much takes its time. */
void bkc_attempt_discard(struct bkc_attempt *attempt);

#endif
