#!/usr/bin/env python3
"""The shop's memory is its own: `basketry archive` killed at random instants keeps every offset once, as a foreign consumer reads them; a run
from the folder comes to the state of a run from Kafka; `history` answers; what is erased is gone; what Kafka dropped is named."""
import json
import re
import signal
import subprocess
import sys
import time

import confluent_kafka
import confluent_kafka.admin

from support import Story, now_ms, seeded, wait_for

EXIT_OK, EXIT_DATA, EXIT_TEMPORARY = 0, 65, 75
ITEMS = [f"item-{n}" for n in range(200)]


class Archiver:
    """`basketry archive` on a folder of the story's."""

    def __init__(self, story, run, name):
        self.story, self.config, self.folder = story, run.config_path, story.folder / name
        self.log_path = story.folder / f"{name}.log"

    def start(self, *arguments):
        with open(self.log_path, "ab") as log:
            return self.story.spawn(
                [self.story.program, "archive", "-c", str(self.config), "--dir", str(self.folder), *arguments], stdout=log, stderr=log)

    def until_end(self, *arguments):
        return self.start("--until-end", *arguments).wait(60)

    def ask(self, *words):
        done = subprocess.run([self.story.program, *words, "-c", str(self.config), "--dir", str(self.folder)], capture_output=True, text=True,
                              timeout=60)
        return done.returncode, done.stdout, done.stderr

    def size(self):
        return sum(path.stat().st_size for path in self.folder.rglob("*.bkz"))

    @property
    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""


def foreign(shop, partitions=4):
    """{(partition, offset): (time, key, value, headers)} as another client reads the topic."""
    consumer = confluent_kafka.Consumer({"bootstrap.servers": shop.brokers, "group.id": "foreign", "log_level": 0, "enable.auto.commit": False})
    records = {}
    for partition in range(partitions):
        low, high = consumer.get_watermark_offsets(confluent_kafka.TopicPartition(shop.topic, partition), 10)
        consumer.assign([confluent_kafka.TopicPartition(shop.topic, partition, low)])
        at = low
        while at < high:
            message = consumer.poll(5)
            if message is None or message.error():
                break
            at = message.offset() + 1
            records[partition, message.offset()] = (message.timestamp()[1], message.key(), message.value(), message.headers() or [])
    consumer.close()
    return records


# ---- the archive read by nobody's code but this: the format of src/source/log_block.c ----

def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7f) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def records_of(plain, start):
    at, offset, time_ms, out = 0, start, 0, []
    while at < len(plain):
        flags = plain[at]
        skip, at = varint(plain, at + 1)
        step, at = varint(plain, at)
        offset, time_ms = offset + skip, time_ms + (step >> 1 ^ -(step & 1))
        sizes = []
        for absent in (flags & 1, flags & 2, not flags & 4):
            size, at = (None, at) if absent else varint(plain, at)
            sizes.append(size)
        parts = []
        for size in sizes:
            parts.append(None if size is None else bytes(plain[at:at + size]))
            at += size or 0
        out.append((offset, time_ms, parts[0], parts[1], headers_of(parts[2] or b"")))
        offset += 1
    return out


def headers_of(data):
    at, out = 0, []
    while at < len(data):
        name_len, at = varint(data, at)
        value_len, at = varint(data, at)
        name, at = data[at:at + name_len].decode(), at + name_len
        out.append((name, data[at:at + value_len - 1] if value_len else None))
        at += max(0, value_len - 1)
    return out


def unpack(frame):
    return subprocess.run(["zstd", "-dcq"], input=frame, capture_output=True, check=True).stdout


def archived(folder):
    """[(partition, offset, time, key, value, headers)] of all files, in order; blocks must join."""
    out = []
    for part in sorted((folder / "events").iterdir()):
        due = None
        for path in sorted(part.glob("*.bkz")):
            data, at = path.read_bytes(), 72
            while at + 72 <= len(data) and data[at + 8:at + 12] == b"BLK2":
                packed = int.from_bytes(data[at + 24:at + 28], "little")
                start, end = (int.from_bytes(data[at + n:at + n + 8], "little") for n in (32, 40))
                assert due in (None, start), f"{path} at {at}: {due} is due, {start} stands there"
                due = end
                for offset, time_ms, key, value, headers in records_of(unpack(data[at + 72:at + 72 + packed]), start):
                    out.append((int(part.name), offset, time_ms, key, value, headers))
                at += 72 + packed
    return out


# ---- the story ----

def shopping(shop, rng, count, start_ms):
    """Events of 300 customers, some after a log-in; a header here and there, and keys that are nobody's."""
    for n in range(count):
        who, at_ms = f"c:u{rng.randrange(300)}", start_ms + n * 50
        if rng.random() < 0.15:
            shop.buy(who, *rng.sample(ITEMS, 3), order_id=f"order-{start_ms}-{n}", at_ms=at_ms)
        elif rng.random() < 0.1:
            value = shop.event("ItemViewed", who, at_ms=at_ms, item={"item_id": rng.choice(ITEMS)})
            shop.send(who.encode(), value, headers=[("traceparent", b"00-ab"), ("empty", None), ("n", str(n).encode())])
        elif rng.random() < 0.02:
            shop.send(None if n % 2 else b"nobody", b"not an event" if n % 3 else None)
        else:
            shop.view(who, rng.choice(ITEMS), at_ms=at_ms)


def killed(story, shop, run, rng):
    """Kills at random instants while the log grows."""
    archiver = Archiver(story, run, "archive")
    kills = torn = grown = 0
    start_ms = now_ms() - 3600000
    rounds = 0
    while rounds < 14 or (grown < 8 and rounds < 40):
        before, begun = archiver.size(), archiver.log.count("reading partitions")
        process = archiver.start("-X", "archive.flush_interval=100ms")
        shopping(shop, rng, 400 if rounds < 14 else 10, start_ms + rounds * 20000)
        if rng.random() < 0.7:  # most die while they write, the others while they begin
            wait_for(lambda: archiver.log.count("reading partitions") > begun, 5)
        time.sleep(rng.random() * 0.35)
        kills += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
        grown += archiver.size() > before
        files = sorted((archiver.folder / "events" / "1").glob("*.bkz"))
        if rounds % 4 == 3 and files:  # what a crash in the middle of a write leaves, at the end of a partition's newest file
            with open(files[-1], "ab") as file:
                file.write(files[-1].read_bytes()[72:72 + rng.randrange(1, 140)])
            torn += 1
        rounds += 1
    shop.sent()
    code = archiver.until_end()
    theirs, ours = foreign(shop), archived(archiver.folder)
    once = {(partition, offset): (time_ms, key, value, headers) for partition, offset, time_ms, key, value, headers in ours}
    story.check(code == EXIT_OK and kills >= 12 and grown >= 8 and torn and len(once) == len(ours) == len(theirs) > 5000 and once == theirs,
                f"killed {kills} times, {grown} of them after writing, and {torn} torn tails: every offset once, time, key, value and headers as a foreign consumer reads them "
                f"({len(ours)} of {len(theirs)})")
    story.check("torn_tail_cut" in archiver.log, "a torn tail is cut off and said")
    code, out, err = archiver.ask("archive", "check")
    total = re.search(r"^(\d+) records", out, re.M)
    story.check(code == EXIT_OK and int(total.group(1)) == len(theirs), f"`archive check` says the same: {out.splitlines()[-1] if out else err}")
    return archiver, theirs


def follows(story, shop, archiver):
    """SIGTERM writes what is in memory; one writer at a time; readers meanwhile."""
    process = archiver.start()
    shopping(shop, seeded(), 50, now_ms())
    count = shop.sent()
    wait_for(lambda: "reading partitions" in archiver.log.splitlines()[-1], 5)
    story.check(archiver.until_end() == EXIT_TEMPORARY, "a second archiver on the same folder is turned away (75)")
    time.sleep(0.5)
    process.terminate()
    story.check(process.wait(10) == EXIT_OK and len(archived(archiver.folder)) == len(foreign(shop)),
                "SIGTERM writes what waits in memory, and the next start has nothing to repeat")
    archiver.until_end()
    return count


def same_state(story, shop, run, archiver):
    """From the folder as from Kafka."""
    run.settled(shop)
    kafka, read = run.digest(), run.records()
    again = story.run(shop, name="again", arguments=("--file", str(archiver.folder)))
    wait_for(lambda: again.is_settled(sum(read.values())) and again.is_settled(sum(read.values())), 30)
    story.check(again.records() == read and again.digest() == kafka,
                f"`run --file DIR` comes to the digest of the run from Kafka ({sum(read.values())} records, {read['ok']} of them events)")
    again.stop()


def history(story, shop, archiver, theirs):
    mine = [record for record in theirs.values() if record[1] == b"c:u7"]
    code, out, err = archiver.ask("history", "--customer", "u7", "--json", "--limit", "1000")
    lines = [json.loads(line) for line in out.splitlines()]
    story.check(code == EXIT_OK and len(lines) == len(mine) and all(line["key"] == "c:u7" for line in lines),
                f"`history --customer` tells each of the customer's {len(mine)} events")
    times = [line["time_ms"] for line in lines]
    story.check(times == sorted(times), "the newest is last")
    middle = lines[len(lines) // 2]
    code, out, err = archiver.ask("history", "--customer", "u7", "--json", "--limit", "1000", "--from", lines[3]["time"], "--to", middle["time"])
    want = [line for line in lines if lines[3]["time"] <= line["time"] <= middle["time"]]
    story.check([json.loads(line) for line in out.splitlines()] == want, f"--from and --to cut to the second ({len(want)} events)")
    code, out, err = archiver.ask("history", "--item", "item-3", "--limit", "5")
    story.check(len(out.splitlines()) == 5 and all("item-3" in line for line in out.splitlines()) and "not shown" in err,
                f"`history --item` is bounded and says so: {out.splitlines()[-1] if out else err}")


def erased(story, shop, archiver):
    shop.put("Identified", "v:phone", customer_id="u7")
    shop.view("v:phone", "item-1")
    shop.view("v:other", "item-1")
    shop.send(b"c:u8", shop.event("ItemViewed", "c:u7", item={"item_id": "item-1"}))  # u7's under another's key: a dead letter, and theirs
    shop.sent()
    archiver.until_end()
    before = archived(archiver.folder)
    code, out, err = archiver.ask("archive", "erase", "--customer", "u7")
    after = archived(archiver.folder)
    gone = [record for record in before if record not in after]
    strayed = [record for record in gone if record[3] == b"c:u8"]
    story.check(code == EXIT_OK and {record[3] for record in gone} == {b"c:u7", b"v:phone", b"c:u8"} and len(strayed) == 1 and
                not any(record[3] in (b"c:u7", b"v:phone") for record in after) and len(after) == len(before) - len(gone),
                f"`archive erase` takes a customer's records, their visitor's and a strayed one out, and no others ({len(gone)}): {out.splitlines()[0] if out else err}")
    code, out, err = archiver.ask("history", "--customer", "u7")
    story.check(not out and archiver.ask("archive", "check")[0] == EXIT_OK, "history knows nothing of them, and the archive is whole")
    shop.view("c:u9", "item-1")
    shop.sent()
    story.check(archiver.until_end() == EXIT_OK and len(archived(archiver.folder)) == len(after) + 1, "the archiver goes on behind it")


def damaged(story, archiver):
    path = sorted((archiver.folder / "events" / "2").glob("*.bkz"))[0]
    data = bytearray(path.read_bytes())
    data[200] ^= 4
    path.write_bytes(data)
    code, out, err = archiver.ask("archive", "check")
    story.check(code == EXIT_DATA and path.name in err and "byte 72" in err, f"a flipped bit is named: {err.strip()[-120:]}")
    data[200] ^= 4
    path.write_bytes(data)


def tell_to(shop, partition, count):
    """Events into a partition that is new: a producer of its own, which has not looked yet."""
    producer = confluent_kafka.Producer({"bootstrap.servers": shop.brokers, "log_level": 0})
    for n in range(count):
        producer.produce(shop.topic, shop.event("ItemViewed", "c:u9", item={"item_id": ITEMS[n]}), b"c:u9", partition=partition)
    assert producer.flush(20) == 0


def grown(story, shop, archiver):
    """The topic gets more partitions, while the archiver runs and while it does not."""
    begun = archiver.log.count("reading partitions")
    process = archiver.start("-X", "archive.flush_interval=100ms")
    wait_for(lambda: archiver.log.count("reading partitions") > begun, 10)
    shop.admin.create_partitions([confluent_kafka.admin.NewPartitions(shop.topic, 6)])[shop.topic].result(20)
    tell_to(shop, 4, 30)
    tell_to(shop, 5, 20)
    seen = wait_for(lambda: [partition for partition, *_ in archived(archiver.folder) if partition > 3].count(5) == 20, 20)
    process.terminate()
    process.wait(10)
    new = [(partition, offset) for partition, offset, *_ in archived(archiver.folder) if partition > 3]
    story.check(seen and new == [(4, n) for n in range(30)] + [(5, n) for n in range(20)] and "partitions_added" in archiver.log,
                "partitions that the topic gets while it runs are kept from their first offsets on")
    shop.admin.create_partitions([confluent_kafka.admin.NewPartitions(shop.topic, 7)])[shop.topic].result(20)
    tell_to(shop, 6, 10)
    if not hasattr(shop.admin, "delete_records"):
        return
    admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": shop.brokers, "log_level": 0})  # the other one knows six partitions
    for future in admin.delete_records([confluent_kafka.TopicPartition(shop.topic, 6, 8)]).values():
        future.result(10)
    code = archiver.until_end()
    story.check(code == EXIT_DATA and f"{shop.topic}/6: offsets 0 to 7 are gone" in archiver.log,
                f"of one that came while it was away nothing is passed over in silence: {archiver.log.strip().splitlines()[-1][-140:]}")
    story.check(archiver.until_end("--accept-gaps") == EXIT_OK and archiver.ask("archive", "check")[0] == EXIT_OK, "--accept-gaps begins behind it")


def gap(story, shop, archiver):
    """Kafka drops what was not archived yet."""
    shopping(shop, seeded(), 200, now_ms())
    shop.sent()
    ends = {partition: offset + 1 for partition, offset in foreign(shop)}
    request = [confluent_kafka.TopicPartition(shop.topic, partition, end) for partition, end in ends.items()]
    for future in shop.admin.delete_records(request).values():
        future.result(10)
    shop.view("c:u9", "item-1")
    shop.sent()
    code = archiver.until_end()
    story.check(code == EXIT_DATA and "are gone from Kafka" in archiver.log, f"what Kafka dropped is refused by name: {archiver.log.strip().splitlines()[-1][-140:]}")
    code = archiver.until_end("--accept-gaps")
    again, out, err = archiver.ask("archive", "check")
    story.check(code == again == EXIT_OK and "gaps 1" in out, "--accept-gaps marks it, and the archive is whole but for it")


with Story() as story:
    rng = seeded()
    shop = story.shop("archive")
    run = story.run(shop, name="run", consent__default="personal")
    archiver, theirs = killed(story, shop, run, rng)
    follows(story, shop, archiver)
    theirs = foreign(shop)
    same_state(story, shop, run, archiver)
    run.stop()
    history(story, shop, archiver, theirs)
    damaged(story, archiver)
    erased(story, shop, archiver)
    grown(story, shop, archiver)
    if hasattr(shop.admin, "delete_records"):
        gap(story, shop, archiver)
    else:
        story.skip("this client cannot delete records: gaps are tested in tests/unit/source/test_archive.c")
sys.exit(story.end())
