#!/usr/bin/env python3
"""Nothing lost, nothing counted twice: killed over and over, also inside a checkpoint, the state is in the end that of a run which nobody
disturbed, digest for digest; the lists in Redis are those the state gives; and every poisoned record is among the dead letters.

A seeded stream -- visits with carts, purchases, searches, dismissals and log-ins, with producers that retry, orders sent twice, events that
come hours late and records that are no events -- is written while `basketry run` is killed: at a random moment, or at a random one of its
calls to the checkpoint's disk (kill_at.c), among them those between the MANIFEST's rename and the folder's sync. BK_SEED repeats the stream
and the plan of kills, BK_KILLS says how many. The full tier kills 200 times, once with one partition and once with four.
"""
# time limit: 900 s
import collections
import itertools
import os
import random
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import confluent_kafka
import confluent_kafka.admin
from support import FULL, QUICK_SWEEPS, Story, avro, now_ms, seeded, wait_for

KILLS = int(os.environ.get("BK_KILLS", 100 if FULL else 6))  # of each shop
EVENTS_A_SECOND = 1500
HOUR_MS = 3600 * 1000
# A generation after a second, or after so many records: several in the life of each run.
OFTEN = {"checkpoint__interval": "1s", "checkpoint__records_max": 300, "state__bytes_max": "256m", "consent__default": "personal"}

# The calls of a generation or two, of which one is fatal: those that commit it are as likely as the many that write it.
CALLS = {"write": 40, "fsync": 16, "rename": 3, "mkdir": 3, "remove": 9}


class Stream:
    """What shoppers do, from one seed. `next()` writes one record; everything about it was decided by the generator."""

    def __init__(self, rng, shop):
        self.rng, self.shop = rng, shop
        self.clock_ms = now_ms() - 20 * HOUR_MS
        self.visitors = itertools.count(1)
        self.shoppers = [self.newcomer() for _ in range(40)]
        self.recent = collections.deque(maxlen=200)  # what a producer may send again
        self.orders = collections.deque(maxlen=50)
        self.poison = set()  # keys: each poisoned record has one of its own
        self.told = collections.Counter()

    def uuid(self):
        return str(uuid.UUID(int=self.rng.getrandbits(128), version=4))

    def newcomer(self):
        customer = self.rng.random() < 0.6
        return {"subject": f"c:{self.rng.randrange(60)}" if customer else f"v:{next(self.visitors)}", "session": self.uuid(), "left": self.rng.randrange(3, 25)}

    def item(self):
        return {"item_id": f"i{int(self.rng.paretovariate(0.6)) % 80}"}

    def put(self, kind, shopper, **fields):
        subject = shopper["subject"]
        late = self.rng.random() < 0.03
        record = {"event_id": self.uuid(), "event_time": self.clock_ms - (self.rng.randrange(4 * HOUR_MS) if late else 0),
                  "visitor_id": subject[2:] if subject[0] == "v" else "", "customer_id": subject[2:] if subject[0] == "c" else None,
                  "session_id": shopper["session"] if self.rng.random() < 0.8 else None, "consent": "personal", **fields}
        self.told["late"] += late
        self.send(kind, subject.encode(), avro(kind, record))

    def send(self, kind, name, value):
        self.told[kind] += 1
        self.recent.append((name, value))
        self.shop.send(name, value)

    def next(self):
        self.clock_ms += self.rng.randrange(2000)
        chance = self.rng.random()
        if chance < 0.04:
            self.told["retried"] += 1
            if self.recent:
                self.shop.send(*self.rng.choice(self.recent))
        elif chance < 0.06:
            self.send_poison()
        else:
            self.act()

    def act(self):
        place = self.rng.randrange(len(self.shoppers))
        shopper = self.shoppers[place]
        kind = self.rng.choices(("view", "add", "remove", "search", "buy", "dismiss", "login"), (50, 18, 4, 8, 8, 3, 4))[0]
        if kind == "view":
            self.put("ItemViewed", shopper, item=self.item())
        elif kind in ("add", "remove"):
            self.put("CartChanged", shopper, op=kind, items=[self.item()])
        elif kind == "search":
            self.put("Searched", shopper, query="bread")
        elif kind == "buy":
            self.buy(shopper)
        elif kind == "dismiss":
            self.put("ItemDismissed", shopper, item=self.item())
        elif shopper["subject"][0] == "v":
            customer = str(self.rng.randrange(60))
            self.put("Identified", shopper, customer_id=customer)
            shopper["subject"] = f"c:{customer}"
        shopper["left"] -= 1
        if not shopper["left"]:
            self.shoppers[place] = self.newcomer()

    def buy(self, shopper):
        if self.orders and self.rng.random() < 0.1:  # the shop's back office sends the order, too
            self.told["ordered twice"] += 1
            subject, order, lines = self.rng.choice(self.orders)
            self.put("Purchased", {**shopper, "subject": subject}, order_id=order, lines=lines)
            return
        lines = [self.item() for _ in range(self.rng.randrange(1, 9))]
        order = self.uuid()
        self.orders.append((shopper["subject"], order, lines))
        self.put("Purchased", shopper, order_id=order, lines=lines)

    def send_poison(self):
        name = b"poison:%d" % len(self.poison)
        self.poison.add(name)
        self.shop.send(name, self.rng.choice((self.rng.randbytes(self.rng.randrange(1, 60)), None, b"\0\0\0\0\1" + self.rng.randbytes(9))))

    def write(self, seconds):
        """At the pace of a busy shop."""
        began, written = time.monotonic(), 0
        while (spent := time.monotonic() - began) < seconds:
            while written < spent * EVENTS_A_SECOND:
                self.next()
                written += 1
            time.sleep(0.005)


def preload(story):
    """The library that kills, compiled; None where there is no compiler."""
    library = story.folder / "kill_at.so"
    source = Path(__file__).with_name("kill_at.c")
    done = subprocess.run(["cc", "-std=gnu11", "-O1", "-fPIC", "-shared", "-o", str(library), str(source), "-ldl"], capture_output=True, text=True)
    return library if done.returncode == 0 else story.note(done.stderr)


class Killer:
    """`basketry run`, killed and started again."""

    def __init__(self, story, shop, rng, **settings):
        self.story, self.rng = story, rng
        self.library = preload(story)
        self.folder = story.folder / f"checkpoints-{shop.topic}"
        self.deaths = story.folder / f"deaths-{shop.topic}"
        self.random_kills = 0
        self.settings = {**OFTEN, **settings, "checkpoint__dir": str(self.folder), "kafka__group.instance.id": f"{shop.topic}-1"}
        self.run = None
        self.shop = shop

    def start(self):
        """A process, whatever becomes of it."""
        with open(self.run.log_path, "ab") as log:
            self.run.process = self.story.spawn([self.story.program, "run", "-c", str(self.run.config_path)], stdout=log, stderr=log)

    def live(self, stream):
        """One life: it ends by SIGKILL."""
        inside = self.library and self.rng.random() < 0.6
        call = self.rng.choice(tuple(CALLS))
        number = self.rng.randrange(1, CALLS[call]) * self.rng.choice((1, -1))
        lifetime = self.rng.uniform(0.1, 1.6)
        if inside:
            self.story.environment.update(LD_PRELOAD=str(self.library), KILL_AT_CALL=call, KILL_AT=str(number), KILL_AT_DIR=str(self.folder), KILL_AT_LOG=str(self.deaths))
        self.start()
        for name in ("LD_PRELOAD", "KILL_AT_CALL", "KILL_AT", "KILL_AT_DIR", "KILL_AT_LOG"):
            self.story.environment.pop(name, None)
        if inside:
            deadline = time.monotonic() + 4
            while self.run.alive() and time.monotonic() < deadline:
                stream.write(0.1)
        else:
            stream.write(lifetime)
        if self.run.alive():
            self.random_kills += 1
            self.run.process.kill()
        code = self.run.process.wait(10)
        if code != -signal.SIGKILL:
            self.story.check(False, f"a run that was to be killed ended by itself with {code}")

    def calls(self):
        """{call: kills}, such as "after rename MANIFEST" """
        lines = self.deaths.read_text().splitlines() if self.deaths.exists() else []
        return collections.Counter(f"{when} {call} {what(path)}" for when, call, path in (line.split(" ", 2) for line in lines))


def what(path):
    """The part that a file plays in a generation."""
    name = path.rsplit("/", 1)[-1]
    return "folder" if name.startswith("generation") or not name else "state" if name.endswith(".bkc") else name


def produced(shop, partitions):
    """Records of the topic, the merges that Basketry wrote included."""
    reader = confluent_kafka.Consumer({"bootstrap.servers": shop.brokers, "group.id": f"ends-{uuid.uuid4().hex}", "log_level": 0})
    ends = [reader.get_watermark_offsets(confluent_kafka.TopicPartition(shop.topic, partition), 10)[1] for partition in range(partitions)]
    reader.close()
    return ends


def rests_at(run, shop, partitions):
    """It has read everything, what it read made nothing new, and no list waits."""
    ends = produced(shop, partitions)
    said = run.try_ask("inspect", "digest")
    if not said or [said["shards"].get(str(partition), {}).get("next_offset", 0) for partition in range(partitions)] != ends:
        return None
    return run.is_settled(0) and produced(shop, partitions) == ends


def kills(story, rng, partitions):
    name = f"{partitions} partition{'s' if partitions > 1 else ''}"
    shop = story.shop(f"kill{partitions}", partitions=partitions)
    letters = f"{shop.topic}.dlq"
    shop.admin.create_topics([confluent_kafka.admin.NewTopic(letters, 1, 1)])[letters].result(20)
    stream = Stream(rng, shop)
    killer = Killer(story, shop, rng, kafka__topic_dlq=letters)
    run = killer.run = story.run(shop, name=f"killed{partitions}", **killer.settings, **QUICK_SWEEPS)
    stream.write(0.5)
    run.process.kill()
    run.process.wait(10)
    for _ in range(KILLS):
        killer.live(stream)
    written = shop.sent()
    run.start()
    settled = wait_for(lambda: rests_at(run, shop, partitions), 60, 0.2)
    story.check(settled, f"{name}: killed {KILLS + 1} times while {written} records were written, and it comes to rest at their end")
    loaded = run.log.count("loaded generation=")
    calls = killer.calls()
    story.check(loaded > KILLS // 3 and calls, f"{name}: {loaded} of {KILLS + 1} starts went on from a checkpoint, {sum(calls.values())} kills were inside one")
    story.note(", ".join(f"{call}: {count}" for call, count in sorted(calls.items())))
    story.note(", ".join(f"{count} {kind}" for kind, count in sorted(stream.told.items())))
    uninterrupted(story, name, shop, partitions, run, letters)
    found = collections.Counter(letter.key() for letter in shop.read(letters))
    missing = stream.poison - set(found)
    story.check(not missing, f"{name}: every one of {len(stream.poison)} poisoned records is among the dead letters ({sum(found.values())} letters)")
    verified(story, name, run)
    story.check(run.stop() == 0, f"{name}: and it stops when asked")


def verified(story, name, run, looks=8):
    """Lists are ranked by the clock, too: a session that is over between the list's making and verify's look, or an item that is due by then,
    makes a difference once; what was lost would make it at every look."""
    for look in range(1, looks + 1):
        run.swept()
        code, out, _ = run.command("verify")
        if code == 0:
            break
        for line in out.splitlines():
            story.note(f"look {look}: {line}")
    story.check(code == 0, f"{name}: verify finds no difference between Redis and the state, at look {look}")


def uninterrupted(story, name, shop, partitions, run, letters):
    """A run that reads the same topic from its beginning without a break. It writes the merges once more, and both read those as repeats."""
    calm = story.run(shop, name=f"calm{partitions}", kafka__topic_dlq=letters, **{key: value for key, value in OFTEN.items() if "checkpoint" not in key})
    both = wait_for(lambda: rests_at(calm, shop, partitions) and rests_at(run, shop, partitions), 90, 0.2)
    ours, theirs = run.digest(), calm.digest()
    story.check(both and ours == theirs, f"{name}: its digest is that of a run which nobody disturbed")
    if ours != theirs:
        story.note(f"killed {ours}")
        story.note(f"calm   {theirs}")
    merged = run.ask("inspect", "counters")
    story.note(f"records of the killed run's last life: {merged['basketry_records_total']}")
    calm.stop()


rng = seeded()
with Story() as story:
    kills(story, random.Random(rng.random()), 1)
    kills(story, random.Random(rng.random()), 4)
sys.exit(story.end())
