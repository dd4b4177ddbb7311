#!/usr/bin/env python3
"""`basketry import` into a real Kafka, read back by other people's clients.

The consumer is confluent-kafka, the Avro library fastavro, and the partitions are checked against Java's murmur2, written out
here. What every row has to become was worked out by hand from tests/fixtures/import.
"""
# time limit: 120 s
import gzip
import io
import os
import struct
import subprocess
import sys
import time
from pathlib import Path

import fastavro
import fastavro.schema
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

ROOT = Path(__file__).resolve().parents[2]
FIXTURE = ROOT / "tests" / "fixtures" / "import"
BASKETRY, KAFKA = os.environ["BASKETRY_BIN"], os.environ["BASKETRY_KAFKA"]
failures = 0


def tell(held, sentence, detail=""):
    global failures
    failures += not held
    print(("ok - " if held else "not ok - ") + sentence, flush=True)
    if not held and detail:
        print(f"    {detail}")


def basketry(*words):
    command = [BASKETRY, "import", "-X", f"kafka.brokers={KAFKA}", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def schemas_by_id():
    rows = [line.split("\t") for line in (ROOT / "schemas" / "ids.tsv").read_text().splitlines()]
    return {int(number): fastavro.schema.load_schema(str(ROOT / "schemas" / name)) for number, name in rows}


SCHEMAS = schemas_by_id()


def decode(value):
    """(record name, fields) of a message in Confluent framing."""
    magic, number = struct.unpack(">bI", value[:5])
    assert magic == 0
    body = io.BytesIO(value[5:])
    fields = fastavro.schemaless_reader(body, SCHEMAS[number])
    assert not body.read()
    return SCHEMAS[number]["name"].split(".")[-1], fields


def read_topic(topic):
    """Every message of a topic: (partition, key, record name, fields), partition by partition."""
    consumer = Consumer({"bootstrap.servers": KAFKA, "group.id": "test-import", "enable.auto.commit": False})
    partitions = consumer.list_topics(topic, timeout=20).topics[topic].partitions
    ends = {p: consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=20)[1] for p in partitions}
    consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in partitions])
    wanted, messages, deadline = sum(ends.values()), [], time.monotonic() + 30
    while len(messages) < wanted and time.monotonic() < deadline:
        message = consumer.poll(0.5)
        if message is not None and not message.error():
            messages.append((message.partition(), message.key(), *decode(message.value())))
    consumer.close()
    return messages, len(partitions)


def murmur2(data):
    """org.apache.kafka.common.utils.Utils.murmur2."""
    mask, mix = 0xFFFFFFFF, 0x5BD1E995
    value = (0x9747B28C ^ len(data)) & mask
    for at in range(0, len(data) & ~3, 4):
        word = int.from_bytes(data[at:at + 4], "little") * mix & mask
        word = (word ^ word >> 24) * mix & mask
        value = (value * mix & mask) ^ word
    rest = data[len(data) & ~3:]
    if rest:
        value = (value ^ int.from_bytes(rest, "little")) * mix & mask
    value = (value ^ value >> 13) * mix & mask
    return value ^ value >> 15


def shape(message):
    """What of an event was worked out by hand."""
    _, key, kind, fields = message
    lines = fields.get("lines") or fields.get("items") or [fields["item"]]
    return (fields["event_time"].timestamp(), key.decode(), kind, fields.get("order_id"),
            [(line["item_id"], line["quantity"], line["unit_price_minor"]) for line in lines])


EXPECTED = [
    (1700000001.0, "v:s2", "ItemViewed", None, [("tea", 1, None)]),
    (1700000002.0, "c:u1", "CartChanged", None, [("bread", 2, 109)]),
    (1700000003.0, "c:u1", "Purchased", "s1", [("bread", 2, 109), ("milk", 1, None)]),
    (1700000009.0, "c:u2", "Purchased", "s3", [("tea", 1, 350)]),
    (1700000010.0, "c:u2", "Refunded", "s3", [("tea", 1, 350)]),
    (1700000012.0, "c:u4", "WishlistChanged", None, [("café", 1, None)]),
]

run = basketry("--items", FIXTURE / "items.tsv", FIXTURE / "events.tsv")
tell(run.returncode == 0, "a file is imported", run.stderr)
tell("read 7 rows; left out 1 bad" in run.stdout and "consent personal" in run.stdout, "the summary counts", run.stdout)
tell("events.tsv:8:34: qty: below one" in run.stderr, "the bad row is named", run.stderr)

events, partitions = read_topic("shop.events")
tell(sorted(map(shape, events)) == EXPECTED, "every row became the event it should", sorted(map(shape, events)))
tell(all(fields["consent"] == "personal" and fields["currency"] is None for *_, fields in events),
     "consent is personal, the currency not known")
misplaced = [key for at, key, *_ in events if (murmur2(key) & 0x7FFFFFFF) % partitions != at]
tell(not misplaced, "keys lie where Java's producer would put them", misplaced)

products, _ = read_topic("shop.products")
facts = sorted((key.decode(), fields["name"], fields["unit_price_minor"]) for _, key, _, fields in products)
tell(facts == [("bread", "Rye bread", 109), ("tea", "Green tea", None)], "items became product facts", facts)

run = basketry(FIXTURE / "events.tsv")
again, _ = read_topic("shop.events")
ids = [fields["event_id"] for *_, fields in again]
tell(run.returncode == 0 and len(ids) == 2 * len(EXPECTED) and all(ids.count(one) == 2 for one in ids),
     "importing again gives the same event ids", ids)

run = basketry("--dry-run", FIXTURE / "events.tsv")
tell(run.returncode == 0 and "nowhere" in run.stdout and len(read_topic("shop.events")[0]) == len(again),
     "a dry run counts and writes nothing", run.stdout)
began = time.monotonic()
run_slow = basketry("--speed", "6x", "--dry-run", FIXTURE / "events.tsv")
took = time.monotonic() - began
tell(run_slow.stdout == run.stdout and 11 / 6 <= took < 11, f"eleven seconds of the data's clock at 6x take a sixth ({took:.1f} s)")
plain = (FIXTURE / "events.tsv").read_bytes()
for name, packed in {"gzip": gzip.compress(plain), "zstd": subprocess.run(["zstd", "-qc"], input=plain, capture_output=True, check=True).stdout}.items():
    Path("packed.tsv").write_bytes(packed)
    run_packed = basketry("--dry-run", "packed.tsv")
    tell(run_packed.stdout == run.stdout, f"{name} is read as it is", run_packed.stdout + run_packed.stderr)
    Path("cut.tsv").write_bytes(packed[:-9])
    run_packed = basketry("cut.tsv")
    tell(run_packed.returncode == 65 and "cut.tsv line " in run_packed.stderr and len(read_topic("shop.events")[0]) == len(again),
         f"a {name} file that was cut off is refused and nothing of it is written", run_packed.stderr)
run = basketry("-X", "kafka.topic_events=not.there", FIXTURE / "events.tsv")
tell(run.returncode == 69 and "Unknown topic" in run.stderr, "a topic that is not there is told", run.stderr)
run = basketry("--format", "rees46", FIXTURE / "items.tsv")
tell(run.returncode == 65 and "items.tsv:1:1: not rees46" in run.stderr, "a file of another form is refused", run.stderr)
sys.exit(failures > 0)
