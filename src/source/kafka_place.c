/* kafka_place.c -- when the log does not hold what comes next (P5: nothing is skipped in silence).
 *
 * THE IDEA
 *   The broker answers "out of range", and where the log begins and ends is asked:
 *     begins later   records are lost. They are counted, named in the log, and reading goes on where
 *                    the log begins.
 *     anything else  the log ended before our position when we came: the topic was made anew, or a
 *                    broker lost its end. What it holds below our position is not what we applied.
 *                    The partition rests until somebody says which of the two is right
 *                    (`basketry accept-log`); the others go on.
 *   Facts are registers: they are read again from the beginning.
 * A BROKER THAT IS MISTAKEN
 *   One that was frozen while it led believes for a moment that it still leads, and its log ends where
 *   it fell asleep. So nothing rests for what is denied for less than DENIED_MS: until then it is asked
 *   again, and where the answer is that our place is there after all, the last record shows it.
 * ANOTHER LOG THAT GREW PAST US
 *   Offsets alone do not tell it from ours. So an assignment that goes on behind a record reads that
 *   record first (`unproven`: `position` is one before what comes next), and the owner says whether
 *   it is the one that it passed. If not, the partition rests likewise. The same after the topic was
 *   gone for a while. A record that retention removed proves nothing, and costs nothing if it was the
 *   last to go.
 */
#include "kafka_consumer.h"

#include "basketry/log.h"

#include <stdio.h>

enum { DENIED_MS = 6000, ASK_AGAIN_MS = 500 };

static void start_at(struct kafka_consumer *c, struct kafka_part *part, int64_t position)
{
    part->position = position;
    part->delivered = part->unproven = false;
    part->place = KAFKA_PLACE_RESTARTING;
    bk__kafka_part_restart(c, part);
}

static void restart_at(struct kafka_consumer *c, struct kafka_part *part, int64_t position)
{
    c->counts.offset_resets++;
    start_at(c, part, position);
}

static void restart_from_beginning(struct kafka_consumer *c, struct kafka_part *part)
{
    snprintf(c->detail, sizeof c->detail,
             "offset_out_of_range: %s [%d] has no offset %lld; restarted from its beginning",
             c->topics[part->topic], part->partition, (long long)part->position);
    bk_log_error("kafka",
                 "offset_out_of_range topic=%s partition=%d offset=%lld "
                 "action=restart_from_beginning",
                 c->topics[part->topic], part->partition, (long long)part->position);
    restart_at(c, part, BK_OFFSET_BEGINNING);
}

/** What comes next. */
static int64_t next_of(const struct kafka_part *part)
{
    return part->position + part->unproven;
}

static void go_on_from(struct kafka_consumer *c, struct kafka_part *part, int64_t low)
{
    int64_t next = next_of(part), lost = low - next;
    c->counts.lost += (uint64_t)lost;
    snprintf(c->detail, sizeof c->detail, "log_truncated: %s [%d] lost %lld records, %lld to %lld",
             c->topics[part->topic], part->partition, (long long)lost, (long long)next,
             (long long)low - 1);
    bk_log_error("kafka",
                 "log_truncated topic=%s partition=%d from=%lld to=%lld records_lost=%lld "
                 "action=go_on",
                 c->topics[part->topic], part->partition, (long long)next, (long long)low - 1,
                 (long long)lost);
    bk__kafka_tell_begin(c, part, low);
    restart_at(c, part, low);
}

static void rest(struct kafka_consumer *c, struct kafka_part *part, enum kafka_place place)
{
    part->place = place;
    bk__kafka_pause_some(c, true, true);
}

static void rest_as_another(struct kafka_consumer *c, struct kafka_part *part)
{
    long long last = (long long)next_of(part) - 1;
    snprintf(c->detail, sizeof c->detail,
             "another_log: %s [%d] does not hold at %lld the record that was applied",
             c->topics[part->topic], part->partition, last);
    bk_log_error("kafka",
                 "another_log topic=%s partition=%d offset=%lld action=rest "
                 "mend=\"basketry accept-log %d\"",
                 c->topics[part->topic], part->partition, last, part->partition);
    rest(c, part, KAFKA_PLACE_ANOTHER);
}

static void rest_as_shorter(struct kafka_consumer *c, struct kafka_part *part, int64_t high)
{
    snprintf(c->detail, sizeof c->detail,
             "log_shorter_than_state: %s [%d] ends at %lld, the state is at %lld",
             c->topics[part->topic], part->partition, (long long)high, (long long)next_of(part));
    bk_log_error("kafka",
                 "log_shorter_than_state topic=%s partition=%d ends=%lld state=%lld action=rest "
                 "mend=\"basketry accept-log %d\"",
                 c->topics[part->topic], part->partition, (long long)high, (long long)next_of(part),
                 part->partition);
    rest(c, part, KAFKA_PLACE_SHORTER);
}

/** The broker said that it has no such record. */
void bk__kafka_on_out_of_range(struct kafka_consumer *c, struct kafka_part *part)
{
    if (bk__kafka_part_rests(part) || part->place == KAFKA_PLACE_ASKED) return;
    c->counts.errors += !part->unproven;
    if (part->topic != BK_TOPIC_EVENTS || part->position < 0) {
        restart_from_beginning(c, part);
        return;
    }
    part->place = KAFKA_PLACE_ASKED; /* the next pull asks */
    if (part->unproven) return;      /* nothing is lost yet */
    snprintf(c->detail, sizeof c->detail, "offset_out_of_range: %s [%d] has no offset %lld",
             c->topics[part->topic], part->partition, (long long)part->position);
}

/** What was applied is denied, for the first time or for too short a time to believe it. */
static bool is_doubtful(const struct kafka_consumer *c, struct kafka_part *part)
{
    if (!part->denied_ms) part->denied_ms = c->now_ms;
    return c->now_ms - part->denied_ms < DENIED_MS;
}

static void look_again(struct kafka_consumer *c, struct kafka_part *part, int64_t high)
{
    part->ask_ms = c->now_ms + ASK_AGAIN_MS;
    if (high < next_of(part)) return; /* still KAFKA_PLACE_ASKED */
    bk__kafka_part_doubt(c, part);
    part->place = KAFKA_PLACE_RESTARTING;
    bk__kafka_part_restart(c, part);
}

/** Where the log stands is known: records lost, or another log. A log that grew past our position
 *  meanwhile is another one as well. */
void bk__kafka_judge_place(struct kafka_consumer *c, struct kafka_part *part, int64_t low,
                           int64_t high)
{
    c->topic_gone = false; /* it is there, and answers */
    if (low > next_of(part))
        go_on_from(c, part, low);
    else if (low == next_of(part) && part->unproven)
        start_at(c, part, low); /* its last record is gone, and none of ours with it */
    else if (is_doubtful(c, part))
        look_again(c, part, high);
    else if (high < next_of(part))
        rest_as_shorter(c, part, high);
    else
        rest_as_another(c, part);
}

void bk__kafka_on_proof(struct kafka_consumer *c, struct kafka_part *part,
                        const struct bk_record *record)
{
    bool ours = record->offset == part->position && c->events->is_passed(c->events->arg, record);
    if (!ours) {
        rest_as_another(c, part);
        return;
    }
    part->position++;
    part->unproven = false;
    bk__kafka_part_found(part);
    bk__kafka_part_check_end(c, part, false);
}

int bk__kafka_consumer_accept(struct kafka_consumer *c, int32_t partition)
{
    struct kafka_part *part = bk__kafka_part_find(c, BK_TOPIC_EVENTS, partition);
    if (!part || (part->place != KAFKA_PLACE_SHORTER && part->place != KAFKA_PLACE_ANOTHER))
        return BK_ENOENT;
    bk_log_warn("kafka", "log_accepted topic=%s partition=%d action=restart_from_beginning",
                c->topics[part->topic], partition);
    restart_at(c, part, BK_OFFSET_BEGINNING);
    bk__kafka_pause_some(c, false, c->paused);
    c->detail[0] = '\0';
    return BK_OK;
}
