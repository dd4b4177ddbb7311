#!/usr/bin/env python3
"""A second instance in the group is a standby. Where two are to share it, partitions leave and arrive: whoever has a partition writes its lists, and
nobody else; what comes back goes on where it stopped.
"""
# time limit: 240 s
import signal
import sys
import time

from support import QUICK_SWEEPS, Story, json, wait_for

SHOPPERS = 240
SESSION_MS = 6000
MEMBER = {"kafka.session.timeout.ms": SESSION_MS, "kafka.heartbeat.interval.ms": 1000}


class Shoppers:
    """A shop whose shoppers' last offsets are known."""

    def __init__(self, shop):
        self.shop, self.ends = shop, {}

    def view(self, item):
        for n in range(SHOPPERS):
            subject = f"c:{n}"

            def on_delivery(error, message, subject=subject):
                self.shop.on_delivery(error, message)
                if not error:
                    self.ends[subject] = message.partition(), message.offset()
            self.shop.send(subject.encode(), self.shop.event("ItemViewed", subject, item={"item_id": item}), on_delivery)
        self.shop.sent()

    def behind(self, run):
        """How many home lists do not know their shopper's last event."""
        subjects = list(self.ends)
        values = run.redis().mget([run.key(subject, "home") for subject in subjects])
        known = [value and json.loads(value)["as_of"] for value in values]
        return sum(not as_of or (as_of["partition"], as_of["offset"]) != self.ends[subject] for subject, as_of in zip(subjects, known))

    def current(self, run, seconds=20):
        wait_for(lambda: self.behind(run) == 0, seconds, 0.1)
        return self.behind(run) == 0


def partitions(run):
    status = run.try_ask("status")
    return status["source"]["partitions"] if status else None


def member(story, shop, name, like=None, **more):
    shared = {key: like.settings[key] for key in ("kafka.group", "redis.key_prefix")} if like else {}
    return story.run(shop, name=name, **QUICK_SWEEPS, **MEMBER, **shared, **{"kafka.share": "true", **more})


def share(first, second, seconds=20):
    return wait_for(lambda: partitions(first) == 2 and partitions(second) == 2, seconds, 0.05)


def stands_by(story):
    """On another host, that is with a folder of its own."""
    shop = story.shop("standby", partitions=4)
    shoppers = Shoppers(shop)
    alone = {"kafka.share": "false"}
    first = member(story, shop, "alone", checkpoint__dir=story.folder / "first.state", **alone)
    shoppers.view("bread")
    shoppers.current(first)
    second = member(story, shop, "standby", like=first, wait_s=0, checkpoint__dir=story.folder / "second.state", **alone)
    said = wait_for(lambda: "standby reason=" in second.log, 10)
    line = next((line for line in second.log.splitlines() if "standby reason=" in line), "")
    story.check(said and partitions(first) == 4, f"a second instance in the group leaves the first its partitions, and says whom it waits for: {line[line.find('reason='):]!r}")
    second.process.send_signal(signal.SIGHUP)
    first.process.kill()
    first.process.wait()
    first.start()
    story.check(wait_for(lambda: partitions(first) == 4, 10, 0.05) and partitions(second) is None, "the first, killed and started again, is nobody else")
    first.process.kill()
    first.process.wait()
    shoppers.view("butter")
    began = time.monotonic()
    taken = wait_for(lambda: partitions(second) == 4, SESSION_MS / 1000 + 12, 0.05)
    story.check(taken and shoppers.current(second), f"killed for good, the standby has them {time.monotonic() - began:.1f} s later (a session of {SESSION_MS / 1000:.0f} s)")
    second.swept()
    second.check_verified("verify finds Redis as the state says")
    story.check(second.stop() == 0, "it stops when asked")


def one_alone(runs):
    """Which of two has all partitions while the other has none and says why."""
    states = [run.try_ask("status") for run in runs]
    if not all(states):
        return None
    parts = sorted(state["source"]["partitions"] for state in states)
    idle = [state["source"]["state"] for state in states if state["source"]["partitions"] == 0]
    return runs[[state["source"]["partitions"] for state in states].index(4)] if parts == [0, 4] and idle == ["standby"] else None


def thaws(story):
    """Who was frozen comes back, and another has taken over meanwhile."""
    shop = story.shop("thaw", partitions=4)
    shoppers = Shoppers(shop)
    alone = {"kafka.share": "false"}
    first = member(story, shop, "frozen", checkpoint__dir=story.folder / "frozen.state", **alone)
    shoppers.view("bread")
    shoppers.current(first)
    second = member(story, shop, "waiting", like=first, wait_s=0, checkpoint__dir=story.folder / "waiting.state", **alone)
    wait_for(lambda: "standby reason=" in second.log, 10)
    first.process.send_signal(signal.SIGSTOP)
    taken = wait_for(lambda: partitions(second) == 4, SESSION_MS / 1000 + 12, 0.05)
    shoppers.view("butter")
    story.check(taken and shoppers.current(second), "one that is frozen is taken over")
    began = time.monotonic()
    first.process.send_signal(signal.SIGCONT)
    wait_for(lambda: partitions(second) == 2 or partitions(first) == 2, 10, 0.05)
    found = wait_for(lambda: one_alone([first, second]), 30, 0.1)
    said = [run.log.count("msg=group_shared") for run in (first, second)]
    story.check(found and sorted(said) == [0, 1], f"it thaws, and {time.monotonic() - began:.1f} s later one of the two stands by, and says so: "
                f"{[partitions(run) for run in (first, second)]}")
    shoppers.view("jam")
    story.check(shoppers.current(found), "every list is current")
    story.check(found.stop() == 0, "the one that reads stops when asked")
    other = second if found is first else first
    began = time.monotonic()
    taken = wait_for(lambda: partitions(other) == 4, SESSION_MS / 1000 + 15, 0.05)
    shoppers.view("salt")
    story.check(taken and shoppers.current(other), f"and {time.monotonic() - began:.1f} s later the one that stood by has all")
    other.settled(shop)
    counted = other.records()
    story.check(counted["ok"] == shop.sent() and counted["duplicate"] == 0,
                f"it has read each event once: {counted['ok']} of {shop.sent()}, {counted['duplicate']} twice")
    other.swept()
    other.check_verified("verify finds Redis as the state says")
    story.check(other.stop() == 0, "it stops when asked")


def eager(story):
    shop = story.shop("rebalance", partitions=4)
    shoppers = Shoppers(shop)
    shoppers.view("bread")
    first = member(story, shop, "first")
    story.check(first.settled(shop) and shoppers.current(first), f"one instance has all partitions, and {SHOPPERS} shoppers their lists")

    second = member(story, shop, "second", like=first)
    story.check(share(first, second), "a second one joins: two partitions each")
    shoppers.view("butter")
    story.check(shoppers.current(first), "whoever has a partition writes its lists")
    time.sleep(3)  # both refreshers go round
    story.check(shoppers.behind(first) == 0, f"and nobody else does: {shoppers.behind(first)} lists went back to what the one before knew")
    code, out, err = first.command("verify")
    story.note(f"verify of the first, which knows its part alone: {out.strip().splitlines()[-1] if out.strip() else err.strip()}")

    code = second.stop()
    story.check(code == 0 and wait_for(lambda: partitions(first) == 4, 15, 0.05), "the second leaves: the first has all of them again")
    shoppers.view("jam")
    story.check(first.settled(shop) and shoppers.current(first), "every list is current")
    counted = first.records()
    story.check(counted["ok"] == shop.sent() and counted["duplicate"] == 0,
                f"what came back went on from its own next offset: {counted['ok']} of {shop.sent()} events read once, {counted['duplicate']} twice")
    first.swept()
    first.check_verified("verify finds Redis as the state says, for every shopper")
    story.check(first.stop() == 0, "it stops when asked")


def static(story):
    shop = story.shop("static", partitions=4)
    shoppers = Shoppers(shop)
    first = member(story, shop, "static-first", **{"kafka.group.instance.id": "one"})
    second = member(story, shop, "static-second", like=first, **{"kafka.group.instance.id": "two"})
    story.check(share(first, second, 30), "with static membership two share as well")
    shoppers.view("bread")
    shoppers.current(first)
    before = first.log.count("msg=revoked")
    second.process.kill()
    second.process.wait()
    second.start()
    back = wait_for(lambda: partitions(second) == 2, SESSION_MS / 1000, 0.05)
    story.check(back and first.log.count("msg=revoked") == before, "killed and started again at once it has its partitions back, and the other one keeps its own")
    shoppers.view("butter")
    story.check(shoppers.current(first), "every list is current")
    second.stop()
    began = time.monotonic()
    time.sleep(1)
    story.check(partitions(first) == 2, "stopped, its partitions wait for it: the group is not told")
    taken = wait_for(lambda: partitions(first) == 4, 15, 0.05)
    story.check(taken, f"until session.timeout.ms ({SESSION_MS / 1000:.0f} s) is over: then the other one has them, after {time.monotonic() - began:.1f} s")
    shoppers.view("jam")
    story.check(shoppers.current(first), "and every list is current")
    first.swept()
    first.check_verified("verify finds Redis as the state says")
    story.check(first.stop() == 0, "it stops when asked")


def over_limit(story):
    """More partitions than there are shares of memory for."""
    shop = story.shop("over", partitions=4)
    shoppers = Shoppers(shop)
    shoppers.view("bread")
    run = member(story, shop, "over", state__shards_max=3)
    named = wait_for(lambda: (run.try_ask("status") or {"source": {}})["source"].get("state") == "partitions_over_limit", 10)
    status = run.ask("status")
    story.check(named and status["source"]["resting"] == 1 and status["health"] == "down",
                f"four partitions and three shares: {status['source']['state']}, {status['source']['resting']} rests, health {status['health']}")
    read = wait_for(lambda: run.records()["ok"] == sum(1 for partition, _ in shoppers.ends.values() if partition != 3), 10)
    story.check(read and "partitions_over_limit partition=3" in run.log, "the other three are read; the log names the one that is not, and the key to raise")
    run.stop()


with Story() as story:
    stands_by(story)
    thaws(story)
    eager(story)
    static(story)
    over_limit(story)
sys.exit(story.end())
