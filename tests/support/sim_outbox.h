/* sim_outbox.h -- an outbox over a sim_log: what is put arrives in the log a while later, or is
 * lost with the process.
 *
 * Records for the events topic are appended to the log's partition of their key and become visible
 * to the source; everything else is kept as a letter. A record may arrive without its
 * acknowledgement, and a crash forgets what had not arrived.
 */
#ifndef BASKETRY_TESTS_SIM_OUTBOX_H
#define BASKETRY_TESTS_SIM_OUTBOX_H

#include "basketry/outbox.h"
#include "support/sim_source.h"

enum { SIM_OUTBOX_MAX = 64, SIM_LETTERS_MAX = 4096 };

struct sim_letter {
    int32_t partition; /* of the record, as its headers say */
    int64_t offset;
    char reason[32];
};

struct sim_outbox {
    struct bk_outbox head;
    struct sim_log *log;
    struct sim_source *source; /* whose log grows */
    struct bk_outbox_events events;
    struct chance *chance;
    uint32_t window;       /* records taken and not acknowledged, at most SIM_OUTBOX_MAX */
    uint32_t delay_one_in; /* a turn delivers, and acknowledges, once in so many; 1: at once */
    bool mute;             /* delivers and acknowledges nothing */
    bk_wall_ms_t now_ms;
    struct {
        char *bytes; /* key, then value */
        uint32_t key_len, value_len;
        bool is_event, arrived;
        struct sim_letter letter;
    } waiting[SIM_OUTBOX_MAX]; /* by sequence modulo its length */
    uint64_t sent, arrived, acked;
    struct sim_letter letter[SIM_LETTERS_MAX];
    uint32_t letters;
    uint64_t merges; /* events that arrived in the log */
};

/** Ready, and empty; letters and merges so far, window, delay and mute stay as they are. */
void sim_outbox_init(struct sim_outbox *outbox, struct sim_log *log, struct sim_source *source,
                     struct chance *chance, const struct bk_outbox_events *events);
/** Time goes on: some of what waits arrives, some of what arrived is acknowledged. */
void sim_outbox_turn(struct sim_outbox *outbox, bk_wall_ms_t now_ms);
/** The process ends: what has not arrived is lost. */
void sim_outbox_crash(struct sim_outbox *outbox);

#endif
