#!/usr/bin/env python3
"""A hundred thousand payloads that wish us ill, among good ones.

Random bytes, every truncation of a full record of every kind, lengths of 2^31, 2^40 and below zero, arrays of 10^8 elements (of
nothing, too: five bytes that say two hundred megabytes), unions nested 100,000 deep, ids nobody knows, keys that are not theirs. Each ends
in a verdict, nothing grows, and every good event between them is applied.
"""
# time limit: 240 s
import io
import json
import re
import struct
import sys

import fastavro

from support import SCHEMA, SCHEMAS, Story, avro, now_ms, seeded

HOSTILE = 100000
GOOD = 4000
SHOPPERS = 50
WAVES = 10
RSS_GROWTH_MAX = 8 << 20
NOBODY = b"nobody's key"

# A producer of our schema's family who also sends what takes no bytes and what never ends: known to the run by decode.schemas_dir.
WIDE_ID, WIDE = 910001, {"type": "record", "name": "ItemViewed", "namespace": "shop", "fields": [
    {"name": "nothings", "type": {"type": "array", "items": "null"}},
    {"name": "deep", "type": {"type": "array", "items": {"type": "array", "items": {"type": "array", "items": ["null", {
        "type": "array", "items": ["null", "string", {"type": "map", "values": ["null", "long", {"type": "array", "items": "null"}]}]}]}}}},
    {"name": "event_id", "type": "string"}, {"name": "event_time", "type": "long"}, {"name": "visitor_id", "type": "string"},
    {"name": "item", "type": {"type": "record", "name": "Item", "fields": [{"name": "item_id", "type": "string"}]}}]}


def varint(number):
    """Avro's zigzag."""
    number = (number << 1) ^ (number >> 63)
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def text(value):
    return varint(len(value)) + value


def framed(number, body):
    return struct.pack(">bI", 0, number) + body


def golden():
    """{kind: bytes}: the full example that schemas/README.md gives of each record."""
    examples = re.findall(r"^### (\w+)\n.*?^```json\n(.*?)^```", (SCHEMAS / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    return {kind: avro(kind, json.loads(example)) for kind, example in examples}


def lengths():
    """Where a length or a count is read, one that no record has."""
    item_viewed = SCHEMA["ItemViewed"][0]
    purchased = SCHEMA["Purchased"][0]
    head = text(b"id") + varint(now_ms()) + text(b"") + varint(1) + text(b"x") + varint(0) + varint(3) + varint(0) + varint(0) * 5
    for bad in (1 << 31, 1 << 40, (1 << 62), -1, -2, -(1 << 31), -(1 << 40), -(1 << 62), 10 ** 8, (1 << 31) - 1):
        yield framed(item_viewed, varint(bad) + b"short")                                       # event_id's length
        yield framed(item_viewed, text(b"id") + varint(now_ms()) + varint(bad) + b"v")            # visitor_id's
        yield framed(item_viewed, head + varint(bad) + text(b"k") + text(b"v"))                   # entries of attributes
        yield framed(purchased, head + varint(0) + text(b"order") + varint(bad) + text(b"item"))  # lines
        yield framed(purchased, head + varint(0) + text(b"order") + varint(-3) + varint(bad) + text(b"item"))  # bytes of a block of lines
        yield framed(WIDE_ID, varint(bad) + varint(0))                                            # nothings: an element takes no byte
        yield framed(WIDE_ID, varint(-abs(bad)) + varint(0) + varint(0))
        yield framed(WIDE_ID, varint(0) + varint(1) * 3 + varint(1) + varint(bad) + varint(2) + text(b"m") + varint(2) + varint(bad))
    yield framed(WIDE_ID, (varint(10 ** 8)) * 100)
    yield framed(WIDE_ID, varint(0) + varint(1) * 100000)                                       # deeper than anything said it could be
    yield framed(item_viewed, b"\xff" * 11)                                                     # an integer that never ends
    yield framed(item_viewed, head[:-8] + b"\x7f" * 40)                                         # union branches that do not exist


def hostile(rng, records):
    """(key, value, headers) without end; the ones that must be in come first."""
    for kind, value in records.items():
        for length in range(len(value)):
            yield b"c:golden", value[:length], None
        yield b"c:golden", value + b"\0", None
        yield NOBODY, value, None                                                               # whole, but not theirs
        yield None, value, None
        yield b"", value, None
    for value in lengths():
        for _ in range(20):
            yield b"c:x", value, None
    whole = list(records.values())
    known = [number for number, _ in SCHEMA.values()] + [WIDE_ID]
    for _ in range(HOSTILE):
        way = rng.randrange(8)
        value = rng.choice(whole)
        if way == 0:
            yield b"c:x", rng.randbytes(rng.randrange(200)), None                                # anything
        elif way == 1:
            yield NOBODY, framed(rng.choice(known), rng.randbytes(rng.randrange(400))), None       # anything, well framed
        elif way == 2:
            yield b"c:golden", framed(rng.randrange(1, 1 << 31), value[5:]), None                # an id that nobody knows
        elif way == 3:
            at = rng.randrange(5, len(value))                                                 # one byte is another
            yield NOBODY, value[:at] + bytes([rng.randrange(256)]) + value[at + 1:], None
        elif way == 4:
            at = rng.randrange(5, len(value))                                                 # a piece is missing
            yield NOBODY, value[:at] + value[at + rng.randrange(1, 20):], None
        elif way == 5:
            at = rng.randrange(5, len(value))                                                 # a number became enormous
            yield NOBODY, value[:at] + varint(rng.choice([1, -1]) << rng.randrange(20, 62)) + value[at:], None
        elif way == 6:
            yield b"c:golden", None, None                                                      # nothing at all
        else:
            yield NOBODY, value[5:], [("__value_schema_id", rng.randbytes(rng.randrange(24)))]  # the newer form, of nobody


def flat(values):
    return max(values) - values[0]


def story_of(story):
    rng = seeded()
    schemas = story.folder / "schemas"
    schemas.mkdir()
    (schemas / "Wide.avsc").write_text(json.dumps(WIDE))
    (schemas / "ids.tsv").write_text(f"{WIDE_ID}\tWide.avsc\n")
    shop = story.shop("hostile")
    # A small ring of known event ids: filling the usual one touches memory that was set aside for it, and that is not what is asked here.
    run = story.run(shop, decode__schemas_dir=schemas, state__dedup_events=4096)
    if not run.alive():
        return story.check(False, "it starts with a producer's own schema beside ours")

    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(WIDE, {}), {
        "nothings": [None] * 3, "deep": [], "event_id": "w", "event_time": now_ms(), "visitor_id": "wide", "item": {"item_id": "good 0"}})
    shop.send(b"v:wide", framed(WIDE_ID, out.getvalue()))

    records = golden()
    story.check(set(records) == set(SCHEMA), f"another library writes the example of each of the {len(records)} records in schemas/README.md")
    payloads = hostile(rng, records)
    bad = good = 0
    resident = []
    for wave in range(WAVES):
        for _ in range(HOSTILE // WAVES):
            key, value, headers = next(payloads)
            shop.send(key, value, headers=headers)
            bad += 1
            if bad % (HOSTILE // GOOD) == 0:
                shopper = f"c:good-{good % SHOPPERS}"
                shop.view(shopper, f"good {good % 7}")
                good += 1
        read = run.settled(shop, 60)
        if not run.alive() or not read:
            return story.check(False, f"it reads on through wave {wave} (exit code {run.process.poll()})")
        resident.append(run.rss())

    counted = run.records()
    applied = run.ask("inspect", "counters")["basketry_events_applied_total"]
    story.note(", ".join(f"{verdict} {count}" for verdict, count in counted.items() if count))
    story.check(sum(counted.values()) == bad + good + 1 == shop.sent(),
                f"good records and verdicts add up to what was produced: {sum(counted.values())} of {bad + good + 1}")
    story.check(counted["ok"] == good + 1, f"what is good is good, and nothing else is ({counted['ok']} of {good + 1})")
    story.check(applied["ItemViewed"] == good + 1, f"every good event was applied ({applied['ItemViewed']})")
    story.check(counted["duplicate"] == 0, "no good event was taken for another")
    wanted = ["bad_frame", "unknown_schema", "truncated", "bad_length", "too_many", "key_mismatch", "tombstone", "trailing_bytes", "bad_branch"]
    story.check(all(counted[verdict] for verdict in wanted), f"each kind of ill will has its verdict ({', '.join(wanted)})")
    views = [good // SHOPPERS + (shopper < good % SHOPPERS) for shopper in range(SHOPPERS)]
    sessions = [run.subject(f"c:good-{shopper}")["session"]["events"] for shopper in range(SHOPPERS)]
    story.check(sessions == views, "each shopper's session holds each of the shopper's events")
    story.check(run.ask("status")["subjects"] == SHOPPERS + 1, "nobody else came into being")
    story.check(flat(resident) < RSS_GROWTH_MAX, f"memory is flat: {resident[0] >> 20} MB after the first tenth, {flat(resident) / (1 << 20):.1f} MB more later")
    story.note("resident after each tenth, MB: " + " ".join(f"{value / (1 << 20):.1f}" for value in resident))
    held = run.log.count("bad_record")
    story.check(held < 1000, f"the log does not drown: {held} lines for {bad} records")
    story.check(run.stop() == 0, "it stops when asked")


with Story() as story:
    story_of(story)
sys.exit(story.end())
