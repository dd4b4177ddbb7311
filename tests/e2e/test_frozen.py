#!/usr/bin/env python3
"""Redis stands still, goes away, comes back empty: intake rests and says why, memory stays flat, and what readers see is current again at once.
"""
# time limit: 240 s
import sys
import time

from support import FULL, Load, Story, json, wait_for

FREEZE_S = 30 if FULL else 8
RATE = 5000
SUBJECTS = 20000 if FULL else 8000
GROWTH_MAX = 16 << 20
CURRENT_WITHIN_S = 15


def newest(run, subject):
    listing = run.list(subject, "home")
    return listing["as_of"]["offset"] if listing else None


def read_ends(ledger):
    """{subject: offset of its last event}"""
    ends = {}
    for line in ledger.read_text().splitlines():
        subject, _, offset, _ = line.split("\t")
        ends[subject] = max(ends.get(subject, -1), int(offset))
    return ends


def behind(run, ends):
    """How many shoppers' home lists in Redis do not know their last event."""
    client, subjects, count = run.redis(), list(ends), 0
    for start in range(0, len(subjects), 1000):
        some = subjects[start:start + 1000]
        for subject, value in zip(some, client.mget([run.key(subject, "home") for subject in some])):
            count += not value or json.loads(value)["as_of"]["offset"] != ends[subject]
    return count


def watch(run, seconds, look):
    """Every half second: (most memory, what `look` saw at each)."""
    most, saw, end = 0, [], time.monotonic() + seconds
    while time.monotonic() < end:
        most = max(most, run.rss())
        saw.append(look(run.try_ask("status")))
        time.sleep(0.5)
    return most, saw


def freeze(story, shop, run, server):
    ledger = story.folder / "ledger"
    warm_s, after_s = 4, 4
    load = Load(story, shop, "--rate", RATE, "--seconds", warm_s + FREEZE_S + after_s, "--subjects", SUBJECTS, "--ledger", ledger).sending()
    time.sleep(warm_s)
    before = run.rss()
    status = run.ask("status")
    story.check(status["intake"] == "flowing" and status["sink"]["state"] == "ready", "under load intake flows")

    server.freeze()
    most, saw = watch(run, FREEZE_S, lambda status: status and (status["intake"], status["sink"]["state"], status["source"]["lag_records"]))
    story.check(most - before < GROWTH_MAX,
                f"Redis frozen for {FREEZE_S} s under {RATE} events/s, memory grows by less than 16 MB ({(most - before) / (1 << 20):.1f} MB)")
    story.check(all(saw), "status answers all the while")
    resting = [words for words in saw if words and words[0] == "redis_away"]
    story.check(len(resting) > len(saw) / 2, f"status says why intake rests: {saw[-1][0]}, Redis is {saw[-1][1]}")
    story.check("intake_rests reason=redis_away" in run.log, "so does the log")
    story.note("intake, Redis, lag: " + " ".join(f"{words}" for words in dict.fromkeys((w[0], w[1]) for w in saw if w)))

    server.thaw()
    thawed = time.monotonic()
    account = load.done()
    flowing = wait_for(lambda: run.ask("status")["intake"] == "flowing", CURRENT_WITHIN_S)
    story.check(flowing, "thawed, intake flows again by itself")
    current = run.settled(shop, CURRENT_WITHIN_S + after_s)
    ends = read_ends(ledger)
    left = behind(run, ends)
    spent = time.monotonic() - thawed
    story.check(current and left == 0 and spent < CURRENT_WITHIN_S,
                f"after SIGCONT every list is current within {CURRENT_WITHIN_S} s although the load goes on for {after_s} s: {spent:.1f} s, "
                f"{left} of {len(ends)} shoppers behind")
    story.check(account["failed"] == 0, f"the producer noticed nothing ({account['sent']} events)")


def lose(story, shop, run, server):
    run.settled(shop)
    before = run.keys()
    server.kill()
    away = wait_for(lambda: run.ask("status")["sink"]["state"] != "ready", 5)
    status = run.ask("status")
    story.check(away and run.alive(), f"Redis killed, the run lives on and says so: {status['sink']['state']}, {status['sink']['detail']!r}")
    shop.view("c:0", "item 1")  # while nobody can be told
    shop.producer.flush(10)
    time.sleep(1.5)
    sweeps = run.ask("status")["sweeps"]
    server.start()
    back = time.monotonic()

    def missing():
        return before - run.keys()

    wait_for(lambda: run.ask("status")["sink"]["state"] == "ready" and not missing(), 30, 0.2)
    story.check(not missing(), f"started empty, every one of {len(before)} live keys is back after {time.monotonic() - back:.1f} s ({len(missing())} are not)")
    story.note(f"sweeps since: {run.ask('status')['sweeps'] - sweeps}")
    story.check(run.settled(shop) and newest(run, "c:0") == run.subject("c:0")["as_of"]["offset"], "what happened while it was away is there too")
    story.check(run.ask("status")["sink"]["reconnects"] >= 1, "the reconnect is counted")


with Story() as story:
    server = story.redis_server()
    shop = story.shop("frozen")
    # A small ring of known event ids: memory that fills with use is filled before the freeze, so that growth is growth.
    run = story.run(shop, redis_url=server.url, state__dedup_events=16384, redis__backoff_max="1s", lists__email_interval="1s")
    Load(story, shop, "--rate", 2 * RATE, "--seconds", SUBJECTS / RATE / 2, "--subjects", SUBJECTS, "--everybody-first").sending().done()
    story.check(run.settled(shop), f"{SUBJECTS} shoppers are known")
    freeze(story, shop, run, server)
    lose(story, shop, run, server)
    run.reload(lists__refresh="6s")
    began = run.ask("status")["sweeps"]
    swept = wait_for(lambda: run.ask("status")["sweeps"] >= began + 3, 60)
    story.check(swept, f"told to sweep more often (SIGHUP) it does: {run.ask('status')['sweeps'] - began} times")
    run.reload(lists__refresh="1h")  # on a busy machine one sweep follows the other, and some list always waits
    run.settled(shop, 20)
    run.check_verified("afterwards verify finds Redis as the state says")
    story.check(run.stop() == 0, "it stops when asked")
sys.exit(story.end())
