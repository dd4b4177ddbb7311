#!/usr/bin/env python3
"""A producer with its own schemas and its own Avro library is understood.

Random records are written by fastavro under randomly changed versions of our schemas; fastavro's own schema resolution says what they
should be to a reader of ours, and the decoder has to agree, field for field. The decoder answers through the test
program decode_test_frames (its head describes the messages). BK_SEED and BK_RECORDS repeat or lengthen a run.
"""
# time limit: 120 s
import copy
import io
import json
import os
import random
import re
import struct
import subprocess
import sys
from pathlib import Path

import fastavro

ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = ROOT / "schemas"
SEED = int(os.environ.get("BK_SEED", "7"))
RECORDS = int(os.environ.get("BK_RECORDS", "10000"))
RECORDS_PER_SCHEMA = 20
SCHEMAS_PER_DECODER = 500
rng = random.Random(SEED)
failed = False


def say(ok, sentence):
    global failed
    failed = failed or not ok
    print(("ok - " if ok else "not ok - ") + sentence, flush=True)


# ---- our schemas, and how a producer may have changed them ----------------------------------------------

def load(kind):
    return json.loads((SCHEMAS / f"{kind}.avsc").read_text())


KINDS = [line.split("\t")[1].removesuffix(".avsc") for line in (SCHEMAS / "ids.tsv").read_text().splitlines()
         if "-" not in line.split("\t")[1]]  # ItemViewed-1.avsc is an older schema of a kind
NARROWER = {"long": ["int"], "double": ["float", "int", "long"], "string": ["bytes"], "float": ["int", "long"]}
made = 0


def fresh(prefix):
    global made
    made += 1
    return f"{prefix}{made}"


def random_type(depth):
    leaves = ["null", "boolean", "int", "long", "float", "double", "string", "bytes"]
    choice = rng.randrange(14 if depth else 8)
    if choice < 8:
        return leaves[choice]
    return [
        lambda: {"type": "fixed", "name": fresh("X"), "size": rng.randrange(9)},
        lambda: {"type": "enum", "name": fresh("X"), "symbols": ["a", "b", "c"]},
        lambda: {"type": "array", "items": random_type(depth - 1)},
        lambda: {"type": "map", "values": random_type(depth - 1)},
        lambda: ["null", "string", {"type": "array", "items": random_type(depth - 1)}],
        lambda: {"type": "record", "name": fresh("X"), "fields": [
            {"name": "f", "type": random_type(depth - 1)}, {"name": "g", "type": random_type(depth - 1)}]},
    ][choice - 8]()


def changed_type(t, in_union=False):
    if isinstance(t, list):
        inner = changed_type(t[1], in_union=True)
        return rng.choice([inner, ["null", inner], ["null", inner], [inner, "null"]])
    name = t if isinstance(t, str) else t["type"]
    if name in NARROWER and rng.random() < 0.4:
        t = rng.choice(NARROWER[name])
    elif name == "record":
        t = changed_record(t)
    elif name == "enum":
        symbols = t["symbols"] + (["martian"] if rng.random() < 0.5 else [])
        rng.shuffle(symbols)
        t = {"type": "enum", "name": t["name"], "symbols": symbols}
    elif name == "array":
        t = {"type": "array", "items": changed_type(t["items"])}
    elif name == "map":
        t = {"type": "map", "values": changed_type(t["values"])}
    if rng.random() < 0.1 and not in_union and not isinstance(t, list):
        t = ["null", t] if rng.random() < 0.7 or t == "boolean" else ["boolean", "null", t]
    return t


def changed_record(record):
    fields = []
    for field in record["fields"]:
        if "default" in field and rng.random() < 0.15:
            continue
        fields.append({"name": field["name"], "type": changed_type(field["type"])})
    for _ in range(rng.randrange(3)):
        fields.append({"name": fresh("x_"), "type": random_type(3)})
    rng.shuffle(fields)
    return {"type": "record", "name": record["name"], "fields": fields}


def define_first(t, definition, seen):
    """Item is used twice in one schema: its first use defines it, wherever the shuffling put that."""
    if t == "Item" or (isinstance(t, dict) and t.get("name") == "Item"):
        if seen:
            return "Item"
        seen.append(True)
        return definition
    if isinstance(t, list):
        return [define_first(x, definition, seen) for x in t]
    if isinstance(t, dict) and "items" in t:
        return {**t, "items": define_first(t["items"], definition, seen)}
    return t


def changed_schema(kind):
    ours = load(kind)
    definition = None
    if kind == "SubjectMerged":
        viewed = next(f for f in ours["fields"] if f["name"] == "viewed")
        definition = changed_record(viewed["type"]["items"])
        viewed["type"]["items"] = "Item"
    theirs = changed_record(ours)
    seen = []
    for field in theirs["fields"]:
        if definition:
            field["type"] = define_first(field["type"], definition, seen)
    return theirs


# ---- records ------------------------------------------------------------------------------------------------

def named_types(t, names):
    if isinstance(t, list):
        for x in t:
            named_types(x, names)
    elif isinstance(t, dict):
        if "name" in t:
            names[t["name"]] = t
        for x in [f["type"] for f in t.get("fields", [])] + [t.get("items"), t.get("values")]:
            named_types(x, names)
    return names


ALPHABET = "abcdefghijklmnop0123456789-_.:/|{}\u00e9\u00df\u4e2d\U0001f34e\u0000 "


def invented(t, names, field, ours):
    ours = ours and not field.startswith("x_")
    if isinstance(t, str) and t in names:
        t = names[t]
    if isinstance(t, list):
        likely = [x for x in t if x not in ("null", "boolean")] if ours and rng.random() < 0.9 else []
        branch = rng.choice(likely or t)
        value = invented(branch, names, field, ours)
        return value
    name = t if isinstance(t, str) else t["type"]
    if name == "record":
        return {f["name"]: invented(f["type"], names, f["name"] if ours else field, ours) for f in t["fields"]}
    if name == "array":
        return [invented(t["items"], names, field, ours) for _ in range(rng.randrange(4))]
    if name == "map":
        return {fresh("k"): invented(t["values"], names, field, ours) for _ in range(rng.randrange(4))}
    if name == "enum":
        return rng.choice(t["symbols"])
    if name == "fixed":
        return bytes(rng.randrange(256) for _ in range(t["size"]))
    if name == "null":
        return None
    if name == "boolean":
        return rng.random() < 0.5
    if name in ("int", "long"):
        bits = 31 if name == "int" else 63
        return rng.choice([1, 2, 5]) if ours and rng.random() < 0.99 else rng.randrange(-2**bits, 2**bits)
    if name in ("float", "double"):
        return float(rng.randrange(-1000, 1000))
    if ours and "currency" in field:
        text = rng.choice(["EUR", "USD", "GBP"])
    else:
        text = "".join(rng.choice(ALPHABET) for _ in range(rng.choice([1, 3, 8, 20])))
        if ours and rng.random() < 0.003:
            text = "x" * rng.choice([0, 128, 129, 1024, 1025])
    return text.encode() if name == "bytes" else text


# ---- what a reader of ours should see: fastavro's resolution, then the contract's limits -----------------------

class Refused(Exception):
    pass


def limits(schema, value, path=""):
    """The limits as schemas/README.md and the doc strings state them, read from the doc strings."""
    names = named_types(schema, {})

    def walk(t, v, doc, where):
        if isinstance(t, str) and t in names:
            t = names[t]
        if isinstance(t, list):
            if v is None:
                return
            t = next(x for x in t if x != "null")
        kind = t if isinstance(t, str) else t["type"]
        if kind == "record":
            for f in t["fields"]:
                walk(f["type"], v[f["name"]], f["doc"], f"{where}.{f['name']}" if where else f["name"])
        elif kind == "array":
            bound = re.search(r"at most ([\d,]+)( entries| numbers| of|;|\.)|(\d+) to ([\d,]+)( of|\.)", doc, re.I)
            most = int((bound.group(1) or bound.group(4)).replace(",", "")) if bound else 2000
            if len(v) > most or (bound and bound.group(3) == "1" and not v):
                raise Refused(where)
            for x in v:
                walk(t["items"], x, "Required. 128 bytes", where)
        elif kind == "map":
            if len(v) > 64 or any(len(k.encode()) > 128 for k in v):
                raise Refused(where)
            for x in v.values():
                if isinstance(x, str) and len(x.encode()) > 1024:
                    raise Refused(where)
        elif kind == "string":
            size = len(v.encode())
            if "ISO 4217" in doc:
                if size and not re.fullmatch("[A-Z]{3}", v):
                    raise Refused(where)
            elif size > (1024 if "1,024 bytes" in doc else 130 if "130 bytes" in doc else 128) or ("Required" in doc and not v):
                raise Refused(where)
        elif kind == "long":
            low, high = 0, 10**12
            if "year 9999" in doc or "since 1970" in doc:
                high = 253402300799999
            elif found := re.search(r"(\d+)(?: \(out\))? to (10\^\d+|[\d,]+)", doc):
                low = int(found.group(1))
                high = 10 ** int(found.group(2)[3:]) if "^" in found.group(2) else int(found.group(2).replace(",", ""))
            if not low <= v <= high:
                raise Refused(where)

    walk(schema, value, "", "")


CONSENT = ["unknown", "none", "session", "personal"]
OPS = {"CartChanged": ["add", "remove", "clear", "set"], "WishlistChanged": ["add", "remove"]}


def line(item, role=0):
    if isinstance(item, str):
        item = {"item_id": item, "quantity": 1}
    return {"role": role, "item": item["item_id"] or None, "category": item.get("category") or None,
            "promotion": item.get("promotion") or None, "quantity": item.get("quantity", 1),
            "unit_price_minor": item.get("unit_price_minor"), "discount_minor": item.get("discount_minor")}


def event_of(kind, r, order):
    c = r.get("context") or {}
    lines = [line(r["item"])] if "item" in r else []
    for name in ("items", "lines", "item_ids"):
        lines += [line(x) for x in r.get(name, [])]
    if kind == "SubjectMerged":
        for name in order:
            lines += [line(x, 1 if name == "viewed" else 2) for x in r[name]] if name in ("viewed", "cart") else []
    if kind in ("Product", "Stock"):
        lines = [line({**r, "quantity": 1})]
    ev = {"kind": kind, "event_time_ms": r["event_time"] if "event_time" in r else r["updated_time"],
          "consent": CONSENT.index(r.get("consent", "unknown")),
          "op": OPS[kind].index(r["op"]) if "op" in r else 0,
          "rating": r.get("rating", 0), "available": r.get("available"), "lines": lines,
          "visitor": r.get("visitor_id"), "customer": r.get("customer_id"), "session": r.get("session_id"),
          "store": r.get("store")}
    for name in ("event_id", "rec_token", "currency", "order_id", "query", "list", "review", "reason", "name",
                 "merged_subject", "brand", "image", "variant_group"):
        ev[name] = r.get(name)
    for name in ("store", "device", "channel", "weather", "page"):
        ev[name] = c.get(name) if c else ev.get(name)
    return {k: (None if v == "" else v) for k, v in ev.items()}


def checked(kind, r, ev):
    """What the contract says about several fields at once."""
    if kind == "ConsentChanged" and ev["consent"] == 0:
        raise Refused("consent")
    if kind == "CartChanged" and r["op"] in ("add", "remove") and not ev["lines"]:
        raise Refused("items")
    if len(ev["lines"]) > 2000:
        raise Refused("lines")
    if kind == "Product":
        return 1, r["item_id"]
    if kind == "Customer":
        return 3, r["customer_id"]
    if kind == "Stock":
        if "|" in r["item_id"] + (r["store"] or ""):
            raise Refused("key")
        return 2, r["item_id"] + ("|" + r["store"] if r["store"] else "")
    if not ev["customer"] and not ev["visitor"]:
        raise Refused("visitor_id")
    known = ev["customer"] and kind != "Identified"
    return 0, "c:" + ev["customer"] if known else "v:" + (ev["visitor"] or "")


def expectation(kind, theirs, ours, raw, order):
    """(event, topic, key) or (None, topic, key): None when the record has to be refused."""
    topic = {"Product": 1, "Stock": 2, "Customer": 3}.get(kind, 0)
    try:
        record = fastavro.schemaless_reader(io.BytesIO(raw), theirs, ours, return_record_name=False)
    except Exception:  # fastavro names its errors variously; every one of them means: cannot be resolved
        return None, topic, "c:unknown"
    record = plain(record)
    try:
        limits(load(kind), record)
        ev = event_of(kind, record, order)
        topic, key = checked(kind, record, ev)
        return ev, topic, key
    except Refused:
        return None, topic, "c:unknown"


def plain(value):
    """Timestamps come as datetimes; back to the number on the wire."""
    if hasattr(value, "timestamp"):
        from datetime import datetime, timezone
        delta = value - datetime(1970, 1, 1, tzinfo=timezone.utc)
        return (delta.days * 86400 + delta.seconds) * 1000 + delta.microseconds // 1000
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    return [plain(v) for v in value] if isinstance(value, list) else value


# ---- the decoder --------------------------------------------------------------------------------------------------

def program():
    if len(sys.argv) > 1:
        return sys.argv[1]
    build = Path(os.environ.get("BASKETRY_BIN", ROOT / "build/release/basketry")).resolve().parent
    return str(build / "tests" / "decode_test_frames")


def block(data):
    return struct.pack(">I", len(data)) + data


def schema_message(ident, schema):
    return b"S" + struct.pack(">I", ident) + block(json.dumps(schema).encode())


def record_message(topic, key, value):
    return b"R" + bytes([topic]) + block(key.encode()) + block(value)


def ask(messages):
    done = subprocess.run([program(), "-"], input=b"".join(messages), stdout=subprocess.PIPE, check=True)
    return [json.loads(text) for text in done.stdout.decode().split("\n") if text]


# ---- the stories ------------------------------------------------------------------------------------------------------

def a_foreign_producer_is_understood():
    expected, messages, wrong = [], [], []
    decoded = refused = asked = schemas = 0

    def flush():
        nonlocal decoded, refused
        for (kind, want, theirs), got in zip(expected, ask(messages), strict=True):
            if kind is None:
                if got["code"] != 0:
                    wrong.append((got["reason"], theirs))
                continue
            mine = {k: v for k, v in got.items() if k not in ("verdict", "field")} if got["verdict"] == "ok" else None
            decoded += mine is not None
            refused += mine is None
            if mine != want:
                wrong.append(({k: (mine[k], want[k]) for k in mine if mine[k] != want[k]} if mine and want
                              else (got["verdict"], got["field"], want), theirs))
        expected.clear()
        messages.clear()

    while asked < RECORDS:
        kind = KINDS[schemas % len(KINDS)]
        theirs = changed_schema(kind)
        parsed = fastavro.parse_schema(copy.deepcopy(theirs), named_schemas={})
        ours = fastavro.parse_schema(without_namespace(load(kind)), named_schemas={})
        schemas += 1
        messages.append(schema_message(schemas, theirs))
        expected.append((None, None, theirs))
        order, names = [f["name"] for f in theirs["fields"]], named_types(theirs, {})
        for _ in range(RECORDS_PER_SCHEMA):
            out = io.BytesIO()
            try:
                fastavro.schemaless_writer(out, parsed, invented(theirs, names, "", True))
            except ValueError:
                continue  # fastavro would not write it
            want, topic, key = expectation(kind, parsed, ours, out.getvalue(), order)
            messages.append(record_message(topic, key, b"\0" + struct.pack(">I", schemas) + out.getvalue()))
            expected.append((kind, want, theirs))
            asked += 1
        if schemas % SCHEMAS_PER_DECODER == 0:
            flush()
    flush()
    for what, theirs in wrong[:3]:
        print("# ", what, "\n#   ", json.dumps(theirs))
    say(not wrong, f"{decoded} records of {schemas} changed schemas are read as fastavro reads them, and {refused} refused "
                   f"with it (seed {SEED}, {len(wrong)} differ)")
    say(decoded > asked // 3 and refused > asked // 100, "both outcomes were well represented")


def without_namespace(schema):
    schema.pop("namespace", None)
    return schema


def every_example_is_a_record_of_its_schema():
    text = (SCHEMAS / "README.md").read_text()
    examples = re.findall(r"^### (\w+)$.*?^```json$\n(.*?)^```$", text, re.M | re.S)
    say([name for name, _ in examples] == KINDS, "schemas/README.md shows one example of each record, in the order of ids.tsv")
    ids = dict(reversed(line.split("\t")[:2]) for line in (SCHEMAS / "ids.tsv").read_text().splitlines())
    bad, messages = [], []
    for kind, example in examples:
        value, schema = json.loads(example), fastavro.parse_schema(load(kind), named_schemas={})
        if not fastavro.validate(value, schema, raise_errors=False) or \
                set(value) != {f["name"] for f in load(kind)["fields"]}:
            bad.append(kind)
            continue
        out = io.BytesIO()
        fastavro.schemaless_writer(out, schema, value)
        topic, key = checked(kind, value, event_of(kind, value, list(value)))
        messages.append(record_message(topic, key, b"\0" + struct.pack(">I", int(ids[kind + ".avsc"])) + out.getvalue()))
    say(not bad, f"every example has all fields of its schema {bad or ''}")
    answers = ask(messages)
    say(all(a["verdict"] == "ok" for a in answers), "every example is decoded "
        + str([(a["verdict"], a["field"]) for a in answers if a["verdict"] != "ok"] or ""))


def every_field_is_documented():
    bare = []

    def walk(t, where):
        if isinstance(t, list):
            for x in t:
                walk(x, where)
        elif isinstance(t, dict):
            if t["type"] in ("record", "enum") and not t.get("doc"):
                bare.append(where)
            for f in t.get("fields", []):
                if not f.get("doc"):
                    bare.append(f"{where}.{f['name']}")
                walk(f["type"], f"{where}.{f['name']}")
            walk(t.get("items"), where)

    for kind in KINDS:
        walk(load(kind), kind)
    say(not bare, f"every field says what it is {bare or ''}")


if not Path(program()).exists():
    print(f"skip - {program()} was not built")
    sys.exit(77)
every_field_is_documented()
every_example_is_a_record_of_its_schema()
a_foreign_producer_is_understood()
sys.exit(1 if failed else 0)
