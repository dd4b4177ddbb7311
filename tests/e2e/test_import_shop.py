#!/usr/bin/env python3
"""A shop's own past comes over: a DynamoDB export becomes lists, and an import that is killed in the middle ends as if it had not been.

The export is tests/fixtures/import/omnix, gzipped as DynamoDB writes it; the mapping is deploy/omnix/mapping.ini. What the
customers' topic must hold was worked out by hand.
"""
# time limit: 120 s
import gzip
import io
import random
import signal
import struct
import subprocess
import sys
import time

import confluent_kafka
import confluent_kafka.admin
import fastavro

from support import ROOT, SCHEMA, Story, ids, wait_for

OMNIX = ROOT / "tests" / "fixtures" / "import" / "omnix"
MAPPING = ROOT / "deploy" / "omnix" / "mapping.ini"
ROWS, UNMARKED = 40000, 2000


def topics_of(shop):
    """The shop's topics as options of `import`; it has customers of its own."""
    customers = f"{shop.topic}.customers"
    new = confluent_kafka.admin.NewTopic(customers, 1, 1, config={"cleanup.policy": "compact"})
    shop.admin.create_topics([new])[customers].result(20)
    names = {"kafka.brokers": shop.brokers, "kafka.topic_events": shop.topic, "kafka.topic_customers": customers}
    if shop.products:
        names["kafka.topic_products"] = shop.products
    return [word for name, value in names.items() for word in ("-X", f"{name}={value}")]


def importing(story, topics, *words):
    return [story.program, "import", *topics, *map(str, words)]


def finish(story, command):
    return subprocess.run(command, env=story.environment, capture_output=True, text=True, check=False, timeout=100)


def ends(shop):
    consumer = confluent_kafka.Consumer({"bootstrap.servers": shop.brokers, "group.id": "test-import-shop"})
    parts = consumer.list_topics(shop.topic, timeout=20).topics[shop.topic].partitions
    high = [consumer.get_watermark_offsets(confluent_kafka.TopicPartition(shop.topic, p), timeout=20)[1] for p in parts]
    consumer.close()
    return sum(high)


def read_facts(shop, topic, kind, count):
    consumer = confluent_kafka.Consumer({"bootstrap.servers": shop.brokers, "group.id": "test-import-facts"})
    consumer.assign([confluent_kafka.TopicPartition(topic, 0, confluent_kafka.OFFSET_BEGINNING)])
    facts, deadline = {}, time.monotonic() + 20
    while len(facts) < count and time.monotonic() < deadline:
        message = consumer.poll(0.5)
        if message is None or message.error():
            continue
        assert struct.unpack(">bI", message.value()[:5]) == (0, SCHEMA[kind][0])
        facts[message.key().decode()] = fastavro.schemaless_reader(io.BytesIO(message.value()[5:]), SCHEMA[kind][1])
    consumer.close()
    return facts


# ---- a DynamoDB export ---------------------------------------------------------------------------------

def write_export(folder):
    """As DynamoDB writes it: gzipped lines in a folder `data`."""
    data = folder / "export"
    data.mkdir()
    for table in sorted(OMNIX.glob("*.json")):
        (data / f"{table.stem}.json.gz").write_bytes(gzip.compress(table.read_bytes()))
    return data


def tell_export(story):
    shop = story.shop("omnix", products=True)
    topics = topics_of(shop)
    data = write_export(story.folder)
    (data / "manifest.txt").write_text("not a table\n")
    done = finish(story, importing(story, topics, "--mapping", MAPPING, data))
    story.check(done.returncode == 0 and "products 2, customers 2; left out 1 bad" in done.stdout
                and "Purchased 2, Refunded 1 (3 lines" in done.stdout and "currency EUR" in done.stdout,
                "a DynamoDB export becomes products, customers and orders")
    story.check("products.json.gz:3:62: price: not a decimal number" in done.stderr and "left out: " in done.stderr,
                "the row that is no good is named with line and column, a file of no table by name")

    customer = read_facts(shop, f"{shop.topic}.customers", "Customer", 2).get("U-1", {})
    story.check(customer.get("preferences", {}).get("dietary") == ["vegetarian"]
                and customer["preferences"]["favourite_categories"] == ["Brot"]
                and (customer["preferences"]["budget_minor"], customer["preferences"]["budget_currency"]) == (8500, "EUR")
                and customer["demographics"] == {"age": 34, "gender": None, "location": "Bremen", "family_size": 3}
                and (customer["loyalty_tier"], customer["loyalty_points"]) == ("gold", 1250),
                "a customer's profile is in its topic, field for field")
    product = read_facts(shop, shop.products, "Product", 2).get("P-200", {})
    story.check(product.get("name") == "Roggenbrot" and product["unit_price_minor"] == 340 and product["allergens_known"]
                and product["allergens"] == [] and product["category"] == "Backwaren > Brot",
                "a product's facts likewise; an allergen list that is there and empty is known to be empty")

    run = story.run(shop)
    listed = wait_for(lambda: "P-200" in ids(run.list("c:U-1", "home")), 20)
    story.check(listed, f"the customer's home list knows the orders ({ids(run.list('c:U-1', 'home'))})")
    subject = run.subject("c:U-1")
    story.check(subject is not None, "the engine knows the customer")
    run.stop()


# ---- a kill in the middle ------------------------------------------------------------------------------

def write_events(path):
    chance = random.Random(5)
    now = 1700000000000
    with open(path, "w", encoding="utf-8") as out:
        out.write("ts_ms\tuser\tsession\tevent\titem\tqty\tprice\n")
        for row in range(ROWS):
            user = chance.randrange(3000)
            action = chance.choice(["view", "view", "cart", "purchase"])
            out.write(f"{now + row * 1000}\tu{user}\ts{user}-{row // 4000}\t{action}\ti{chance.randrange(500)}\t1\t1.50\n")


def without_offsets(value):
    """What an instance says of a shopper, but for where and when the log told it."""
    if isinstance(value, dict):
        return {name: without_offsets(inner) for name, inner in value.items() if name not in ("offset", "as_of", "record_ms")}
    # the order of a cart or a history is that of a table: each entry says its own place
    return sorted((without_offsets(inner) for inner in value), key=repr) if isinstance(value, list) else value


def state_of(story, shop, name):
    """What everybody shares, as its digest (a shard's own counts offsets in), and what is known of every 20th shopper."""
    run = story.run(shop, name=name, checkpoint__dir=str(story.folder / f"{name}.state"))
    produced = ends(shop)
    if not wait_for(lambda: run.is_settled(produced), 60, 0.2):
        return None
    digest = run.digest()
    subjects = {user: without_offsets(run.subject(f"c:u{user}")) for user in range(0, 3000, 20)}
    return (digest["shared"], digest["lossy_rows"], subjects) if run.stop() == 0 else None


def kill_in_the_middle(story, shop, topics, path, mark):
    """The first half is sent at once, for a mark says how far; then the import is slowed by the clock and killed. How many were there."""
    command = importing(story, topics, "--resume", mark, "--speed", "5000x", path)
    process = story.spawn(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_for(lambda: mark.exists() and int(mark.read_text().split()[3]) > 5000, 40, 0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    if not mark.exists():
        return 0
    words = mark.read_text().split()
    words[3] = str(int(words[3]) - UNMARKED)  # as if it had been killed this much later than it marked
    mark.write_text(" ".join(words) + "\n")
    return int(words[3])


def tell_kill(story):
    path, mark = story.folder / "events.tsv", story.folder / "import.mark"
    write_events(path)
    plain, killed = story.shop("whole", partitions=2), story.shop("killed", partitions=2)
    plain_topics, killed_topics = topics_of(plain), topics_of(killed)
    done = finish(story, importing(story, plain_topics, path))
    story.check(done.returncode == 0, "an import that nobody interrupts ends well")
    whole = ends(plain)

    marked = kill_in_the_middle(story, killed, killed_topics, path, mark)
    there = ends(killed)
    story.check(3000 < marked < there < whole, f"one was killed when {there} of {whole} events were there, {marked} of them marked")
    done = finish(story, importing(story, killed_topics, "--resume", mark, path))
    story.check(done.returncode == 0 and f"{marked} of these records were there already" in done.stdout,
                "started again it skips what the mark says is there")
    again = ends(killed)
    story.check(again == whole + there - marked, f"what was not marked is there twice, and nothing else ({again - whole} events)")
    one, other = state_of(story, plain, "plain"), state_of(story, killed, "resumed")
    story.check(one and other and one[:2] == other[:2], f"what all shoppers taught ends as if it had not been ({one and one[0]})")
    differ = [user for user in one[2] if one[2][user] != other[2][user]] if one and other else [0]
    story.check(not differ and one[2][0], f"so does what is known of {len(one[2]) if one else 0} shoppers ({len(differ)} differ)")
    if differ and one and other:
        story.note(f"{one[2][differ[0]]}")
        story.note(f"{other[2][differ[0]]}")

    done = finish(story, importing(story, killed_topics, "--resume", mark, path))
    story.check(done.returncode == 0 and ends(killed) == again, "a complete import does nothing when it is started again")
    path.write_text(path.read_text() + "1800000000000\tu1\ts\tview\ti1\t1\t-\n")
    done = finish(story, importing(story, killed_topics, "--resume", mark, path))
    story.check(done.returncode == 65 and "the mark of another import" in done.stderr, "the mark of other files is refused")


def main():
    with Story() as story:
        tell_export(story)
        tell_kill(story)
        return story.end()


if __name__ == "__main__":
    sys.exit(main())
