/* sim_sink.h -- a Redis made of memory and fate: it reads the RESP it is given, holds key -> value,
 * and fails on command.
 *
 *   submit ─► sent (in order, each due some time later) ─► sim_sink_turn: executed and answered ─► outcome, wake
 *
 * Commands of one connection are executed in order. When the connection is dropped, a first part of
 * what is unanswered was executed all the same; every one of them ends as UNKNOWN. Nothing is
 * answered from inside submit.
 */
#ifndef BASKETRY_TESTS_SIM_SINK_H
#define BASKETRY_TESTS_SIM_SINK_H

#include "basketry/sink.h"
#include "support/events.h"

enum sim_verb { SIM_SET, SIM_UNLINK, SIM_PUBLISH };

struct sim_sent {
    struct bk_ticket ticket;
    enum sim_verb verb;
    char *bytes; /* key, then value */
    uint32_t key_len, value_len, len;
    uint32_t expire_s;
    bool subject; /* a shopper's list */
    int64_t due_ms;
};

/** One key. `value` NULL: not there (the entry is kept for what it remembers). */
struct sim_entry {
    char *key, *value;
    uint32_t value_len;
    int64_t expires_ms; /* INT64_MAX: never                              */
    bool refused;       /* the last write was refused for good           */
    uint32_t writes;    /* executed                                      */
};

struct sim_sink {
    struct bk_sink head;
    struct bk_sink_events events;
    struct chance *chance;
    /* what fate sets */
    uint32_t window;
    uint32_t latency_ms_max;
    uint32_t per_turn_max;  /* answers in one turn; 0: all that are due  */
    uint32_t refuse_one_in; /* a write is refused for good; 0: never     */
    bool connected, frozen;
    enum bk_outcome answer; /* STORED: all is well; an error class: every write gets it */
    bool forgets; /* copies nothing and stores nothing: for counting the allocations of others */
    /* the connection */
    int64_t now_ms;
    int64_t held_until_ms; /* after an error class: no room before                     */
    bool on_trial;         /* then room for one until a write is taken                 */
    bool owes_wake, was_connected;
    struct sim_sent *sent; /* a ring of window_cap                                     */
    uint32_t window_cap, first, count;
    /* the store */
    struct sim_entry *entry;
    uint32_t entry_cap, entries;
    /* the books */
    uint64_t taken, answered, without_room, malformed;
    uint64_t subject_sets;    /* taken SETs of shoppers' lists                            */
    uint64_t subject_retries; /* of them, answered by an outcome that is tried again      */
    uint64_t outcomes[BK_OUTCOME_COUNT];
    uint64_t reconnects;
    uint32_t count_max;
};

/** Not connected yet; healthy when it is. `chance` is borrowed. */
void sim_sink_init(struct sim_sink *sink, uint32_t window, struct chance *chance);
void sim_sink_deinit(struct sim_sink *sink);
/** `lost`: what was stored is gone, as after a restart without persistence; the first connection is
 *  always fresh. */
void sim_sink_connect(struct sim_sink *sink, bool lost);
/** End the connection; the first `executed` of the unanswered commands were executed. */
void sim_sink_drop(struct sim_sink *sink, uint32_t executed);
/** Execute and answer what is due at `now_ms` (wall). */
void sim_sink_turn(struct sim_sink *sink, int64_t now_ms);
/** The entry of a key that was ever written, or NULL. */
const struct sim_entry *sim_sink_find(const struct sim_sink *sink, const char *key, size_t len);
/** Is it there now? */
bool sim_entry_is_there(const struct sim_entry *entry, int64_t now_ms);

#endif
