"""A steady stream of shoppers: the load of test_fresh and test_frozen, a process of its own so that it keeps its pace.

What is sent is encoded before the clock starts; sending is then a loop over bytes. --ledger FILE gets a line for each acknowledged event:
subject, partition, offset, the broker's time in ms (LogAppendTime). On stdout: `ready` when the sending begins, one line of JSON when it
is done. SIGTERM ends it early, with everything that was sent acknowledged.
"""
import argparse
import json
import random
import signal
import time
import uuid

import confluent_kafka

from support import avro, now_ms

ITEMS = 2000
TICK_S = 0.002
RECEIPT_LINES = 1108  # the longest of a year of a real shop
RECEIPT_SUBJECT = "the whole shop"


def random_event(rng):
    """(kind, what its record holds beyond the head). A few items are much asked for, most are not."""
    def item():
        return {"item_id": f"item {min(int(rng.expovariate(1 / 200)), ITEMS - 1)}"}

    kind = rng.choices(["ItemViewed", "CartChanged", "Purchased", "Searched"], [70, 18, 6, 6])[0]
    if kind == "ItemViewed":
        return kind, {"item": item()}
    if kind == "CartChanged":
        return kind, {"op": rng.choice(["add", "add", "remove"]), "items": [item()]}
    if kind == "Purchased":
        return kind, {"lines": [item() for _ in range(rng.randrange(1, 8))]}
    return kind, {"query": "milk"}


def encode(kind, fields, customer):
    record = {"event_id": str(uuid.uuid4()), "event_time": now_ms(), "customer_id": customer, "consent": "personal", **fields}
    if kind == "Purchased":
        record["order_id"] = record["event_id"]
    return avro(kind, record)


def encode_all(args):
    """[(key, value)] in the order of sending."""
    rng = random.Random(args.seed)
    total = int(args.rate * args.seconds)
    order = [rng.randrange(args.subjects) for _ in range(total)]
    if args.everybody_first:
        order[:args.subjects] = rng.sample(range(args.subjects), min(args.subjects, total))
    return [(f"c:{who}".encode(), encode(*random_event(rng), str(who))) for who in order]


class Sender:
    def __init__(self, args):
        self.topic = args.topic
        self.producer = confluent_kafka.Producer({
            "bootstrap.servers": args.brokers, "partitioner": "murmur2_random", "linger.ms": 1, "queue.buffering.max.messages": 1000000,
            "message.timeout.ms": 120000, "log_level": 0})
        self.ledger = open(args.ledger, "w", buffering=1 << 20) if args.ledger else None
        self.sent = self.acknowledged = self.failed = 0

    def on_delivery(self, error, message):
        if error:
            self.failed += 1
            return
        self.acknowledged += 1
        if self.ledger:
            self.ledger.write(f"{message.key().decode()}\t{message.partition()}\t{message.offset()}\t{message.timestamp()[1]}\n")

    def send(self, key, value):
        self.producer.produce(self.topic, value, key, on_delivery=self.on_delivery)
        self.sent += 1

    def end(self):
        self.producer.flush(120)
        if self.ledger:
            self.ledger.close()


def main(args):
    events = encode_all(args)
    receipt = encode("Purchased", {"lines": [{"item_id": f"wide item {i}"} for i in range(RECEIPT_LINES)]}, RECEIPT_SUBJECT)
    sender = Sender(args)
    sender.producer.list_topics(args.topic, timeout=10)
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    print("ready", flush=True)
    began, late, next_event = time.monotonic(), 0.0, 0
    while next_event < len(events) and not stopped:
        elapsed = time.monotonic() - began
        due = min(len(events), int(elapsed * args.rate) + 1)
        late = max(late, (due - next_event) / args.rate)
        for key, value in events[next_event:due]:
            sender.send(key, value)
        next_event = due
        if args.receipt_at is not None and elapsed > args.receipt_at:
            sender.send(f"c:{RECEIPT_SUBJECT}".encode(), receipt)
            args.receipt_at = None
        sender.producer.poll(TICK_S)
    spent = time.monotonic() - began
    sender.end()
    print(json.dumps({"sent": sender.sent, "acknowledged": sender.acknowledged, "failed": sender.failed, "seconds": round(spent, 3),
                      "late_ms": round(late * 1000, 1)}), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("brokers")
    parser.add_argument("topic")
    parser.add_argument("--rate", type=float, default=5000, help="events a second")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--subjects", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--ledger", help="file of what was acknowledged")
    parser.add_argument("--receipt-at", type=float, help="second at which one receipt of 1,108 lines is sent")
    parser.add_argument("--everybody-first", action="store_true", help="the first events are one for each subject")
    main(parser.parse_args())
