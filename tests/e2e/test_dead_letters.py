#!/usr/bin/env python3
"""What cannot be used is kept: poison of several kinds lies on the dead-letter topic with its bytes, key, headers and the reason, the
partition goes on, and what was mended is sent back.
"""
import os
import struct
import sys
import time
import uuid

import confluent_kafka
import confluent_kafka.admin
from support import SCHEMAS, Story, avro, now_ms, wait_for

CONNECT = "__connect.errors."
UNKNOWN_ID = 0x7fffffff


class Letters:
    """A topic of dead letters, and a reader that is not ours."""

    def __init__(self, shop, name, **config):
        self.shop = shop
        self.topic = f"{shop.topic}.{name}"
        new = confluent_kafka.admin.NewTopic(self.topic, 1, 1, config=config)
        shop.admin.create_topics([new])[self.topic].result(20)

    def remove(self):
        self.shop.admin.delete_topics([self.topic])[self.topic].result(5)

    def read(self, count, seconds=15):
        """The first `count` letters, or as many as came in time."""
        reader = confluent_kafka.Consumer({"bootstrap.servers": self.shop.brokers, "group.id": f"letters-{uuid.uuid4().hex}",
                                           "enable.auto.commit": False, "fetch.wait.max.ms": 20, "log_level": 0})
        reader.assign([confluent_kafka.TopicPartition(self.topic, 0, 0)])
        letters, deadline = [], time.monotonic() + seconds
        while len(letters) < count and time.monotonic() < deadline:
            message = reader.poll(0.2)
            if message is not None and not message.error():
                letters.append(message)
        reader.close()
        return letters


def headers_of(letter):
    """{name: value}, the last of a name; without the letter's own."""
    return {name: value for name, value in letter.headers() or []}


def poison(shop):
    """(verdict, field, key, value, headers)"""
    # Not before the first view of the story: a late event would be of a session that is over.
    good = shop.event("ItemViewed", "c:ann", at_ms=now_ms() + 1000, item={"item_id": "milk"})
    long = shop.event("ItemViewed", "c:ann", item={"item_id": "m" * 129})
    return [
        ("bad_frame", "", b"c:ann", b"hello", [("traceparent", b"00-abc"), ("traceparent", b"00-def")]),
        ("bad_frame", "", b"c:ann", bytes(reversed(range(256))), None),
        ("unknown_schema", "", b"c:ann", struct.pack(">bI", 0, UNKNOWN_ID) + good[5:], [("team", b"web"), ("empty", b"")]),
        ("truncated", None, b"c:ann", good[:-3], None),
        ("too_long", "item.item_id", b"c:ann", long, None),
        ("key_mismatch", "key", b"c:bob", good, [("none", None)]),
        ("key_mismatch", "key", None, good, None),
        ("tombstone", "", b"c:ann", None, None),
    ]


def check_letter(story, letter, wanted, offset, shop, run):
    verdict, field, key, value, headers = wanted
    told = headers_of(letter)
    own = [(name, content) for name, content in letter.headers() if not name.startswith((CONNECT, "basketry."))]
    same = letter.value() == value and letter.key() == key and own == (headers or [])
    why = told[CONNECT + "exception.class.name"].decode() == verdict and told[CONNECT + "exception.message"].decode().startswith(verdict)
    where = (told[CONNECT + "topic"].decode(), told[CONNECT + "partition"], told[CONNECT + "offset"]) == (shop.topic, b"0", b"%d" % offset)
    named = field is None or told["basketry.field"].decode() == field
    group = told[CONNECT + "connector.name"].decode() == run.settings["kafka.group"]
    held = same and why and where and named and group
    if not held:
        story.note(f"{letter.key()} {letter.value()} {letter.headers()}")
    return held


def facts_of(story):
    """A fact about which something newer was said does not come back."""
    shop = story.shop("facts", partitions=1, products=True)
    letters = Letters(shop, "dlq")
    run = story.run(shop, name="facts", kafka__topic_dlq=letters.topic)

    def say(item, name, schema=None):
        value = avro("Product", {"item_id": item, "name": name})
        shop.producer.produce(shop.products, struct.pack(">bI", 0, schema) + value[5:] if schema else value, item)

    for item, name, schema in (("milk", "old milk", UNKNOWN_ID), ("tea", "tea", UNKNOWN_ID), ("milk", "milk", None)):
        say(item, name, schema)
    shop.view("c:ann", "milk")
    run.settled(shop)
    held = letters.read(2)
    run.stop()
    schemas = story.folder / "fact-schemas"
    schemas.mkdir()
    (schemas / "Product.avsc").write_text((SCHEMAS / "Product.avsc").read_text())
    (schemas / "ids.tsv").write_text(f"{UNKNOWN_ID}\tProduct.avsc\n")
    run.settings["decode.schemas_dir"] = schemas
    run.write_config()
    run.start()
    code, out, err = run.command("dlq", "retry")
    story.check(len(held) == 2 and code == 65 and "1 sent back, 1 refused" in out and "later record of its key" in err,
                f"a fact goes back, but not behind a newer one about the same product ({out.strip()}; {err.strip()})")
    code, out, err = run.command("dlq", "retry")
    story.check(code == 65 and "0 sent back, 2 refused" in out, f"and not twice ({out.strip()})")
    run.stop()
    letters.remove()


def story_of(story):
    shop = story.shop("letters", partitions=1)
    letters = Letters(shop, "dlq")
    run = story.run(shop, kafka__topic_dlq=letters.topic, checkpoint__dir=story.folder / "state")
    bad = poison(shop)
    for n, (_, _, key, value, headers) in enumerate(bad):
        shop.view("c:ann", f"item {n}")
        shop.send(key, value, headers=headers)
    shop.view("c:ann", "the last")
    story.check(run.settled(shop), "a partition with poison in it is read to its end")
    held = letters.read(len(bad))
    story.check(len(held) == len(bad), f"each bad record is a letter ({len(held)} of {len(bad)})")
    for n, letter in enumerate(held):
        story.check(check_letter(story, letter, bad[n], 2 * n + 1, shop, run),
                    f"the letter of {bad[n][0]} has its bytes, key and headers, and says why and where from")
    session = run.subject("c:ann")["session"]
    story.check(session["events"] == len(bad) + 1, f"the partition went on: the good events are there ({session['events']})")
    outbox = run.ask("status")["outbox"]
    story.check(outbox["sent"] == outbox["acked"] == len(bad) and outbox["state"] == "ready", f"all of them are acknowledged ({outbox})")

    # for operators
    code, out, err = run.command("dlq", "list")
    story.check(code == 0 and "too_long" in out and "item.item_id" in out and f"{len(bad)} letters" in out,
                "`dlq list` counts the reasons and names the newest")
    for line in out.splitlines() + err.splitlines():
        story.note(line)
    code, out, _ = run.command("dlq", "show", "0:2")
    story.check(code == 0 and "unknown_schema" in out and "team" in out and "00 7f ff ff ff" in out, "`dlq show` has headers, reason and bytes")
    code, _, err = run.command("dlq", "retry", "--reason", "too_long")
    story.check(code == 65 and "too_long" in err, f"what still does not decode is not sent back, and it says so ({err.strip()})")

    # The schema that was missing is there now: mended.
    schemas = story.folder / "schemas"
    schemas.mkdir()
    (schemas / "ItemViewed.avsc").write_text((SCHEMAS / "ItemViewed.avsc").read_text())
    (schemas / "ids.tsv").write_text(f"{UNKNOWN_ID}\tItemViewed.avsc\n")
    run.stop()
    run.settings["decode.schemas_dir"] = schemas
    run.write_config()
    run.start()
    code, out, err = run.command("dlq", "retry", "--reason", "unknown_schema")
    story.check(code == 0 and "1 sent back" in out, f"mended, it is sent back ({out.strip()} {err.strip()})")
    back = wait_for(lambda: (run.subject("c:ann") or {"session": {"events": 0}})["session"]["events"] == len(bad) + 2, 10)
    story.check(back, "and it counts")
    code, out, err = run.command("dlq", "retry", "--reason", "unknown_schema")
    again = wait_for(lambda: run.records()["duplicate"] > 0, 10)
    story.check(code == 0 and again and run.subject("c:ann")["session"]["events"] == len(bad) + 2, "sent back twice it counts once")
    code, out, _ = run.command("dlq", "show", "0:2")
    story.check("ItemViewed" in out, "`dlq show` has the event, now that it decodes")
    story.check(run.stop() == 0, "it stops when asked")

    facts_of(story)

    # A letter that the topic does not take whole.
    small = Letters(shop, "small", **{"max.message.bytes": "20000"})
    run = story.run(shop, name="small", kafka__topic_dlq=small.topic)
    large = os.urandom(200000)
    shop.send(b"c:ann", large)
    run.settled(shop)
    every = len(bad) + 3  # these, the two that were sent back, and the large one
    held = small.read(every)
    cut = [letter for letter in held if "basketry.cut-from" in headers_of(letter)]
    story.check(len(held) == every and len(cut) == 1 and headers_of(cut[0])["basketry.cut-from"] == b"200000" and
                large.startswith(cut[0].value()) and 2000 < len(cut[0].value()) < 20000,
                f"a letter too large for its topic is cut, and says so ({[len(letter.value()) for letter in cut]} bytes)")
    run.stop()

    # No topic of letters at all: nothing is lost, and it says what is missing.
    run = story.run(shop, name="missing", kafka__topic_dlq=f"{shop.topic}.nowhere")
    state = wait_for(lambda: (status := run.try_ask("status")) and status["outbox"]["state"] == "refused" and status["outbox"], 20)
    story.check(state and state["acked"] == 0 and "nowhere" in state["detail"], f"a missing topic is a state, and nothing is forgotten ({state})")
    late = Letters(shop, "nowhere")
    arrived = late.read(every, 20)
    story.check(len(arrived) == every, f"once it is made the letters are there ({len(arrived)})")
    run.stop()
    for topic in (letters, small, late):
        topic.remove()


with Story() as story:
    story_of(story)
sys.exit(story.end())
