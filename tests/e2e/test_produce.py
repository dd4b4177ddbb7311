#!/usr/bin/env python3
"""A simulated supermarket fills a real Kafka; a run makes lists of it that a shopper can read.

What the topics hold is read by another Avro library and client. The truth that produce dumps is the oracle: a household's list
must hold what the household is known to buy.
"""
# time limit: 150 s
import collections
import io
import struct
import subprocess
import sys

import confluent_kafka
import confluent_kafka.admin
import fastavro

from support import SCHEMA, Story, ids

HOUSEHOLDS, DAYS, SEED = 120, 35, 11
FACTS = ("products", "stock", "customers")


def add_topics(shop):
    """The fact topics of a shop, beside its events: {setting: topic}."""
    names = {f"kafka.topic_{fact}": f"{shop.topic}.{fact}" for fact in FACTS}
    topics = [confluent_kafka.admin.NewTopic(name, 1, 1, config={"cleanup.policy": "compact"}) for name in names.values()]
    for future in shop.admin.create_topics(topics).values():
        future.result(20)
    return names


def produce(story, shop, topics, *words):
    settings = {"kafka.brokers": shop.brokers, "kafka.topic_events": shop.topic, **topics}
    command = [story.program, "produce", *map(str, words)]
    for name, value in settings.items():
        command += ["-X", f"{name}={value}"]
    return subprocess.run(command, capture_output=True, text=True, timeout=90, env=story.environment, check=False)


def read(shop, topic):
    """Every record of a topic: (key, record name, fields)."""
    numbered = {number: (name, schema) for name, (number, schema) in SCHEMA.items()}
    consumer = confluent_kafka.Consumer({"bootstrap.servers": shop.brokers, "group.id": topic, "enable.auto.commit": False})
    partitions = consumer.list_topics(topic, timeout=20).topics[topic].partitions
    ends = [consumer.get_watermark_offsets(confluent_kafka.TopicPartition(topic, p), timeout=20)[1] for p in partitions]
    consumer.assign([confluent_kafka.TopicPartition(topic, p, confluent_kafka.OFFSET_BEGINNING) for p in partitions])
    records = []
    while len(records) < sum(ends):
        for message in consumer.consume(1000, 0.2):
            number = struct.unpack(">bI", message.value()[:5])[1]
            name, schema = numbered[number]
            records.append((message.key().decode(), name, fastavro.schemaless_reader(io.BytesIO(message.value()[5:]), schema)))
    consumer.close()
    return records


def read_truth(path):
    """{customer: {item: share}}"""
    truth = collections.defaultdict(dict)
    lines = path.read_text().splitlines()
    head = lines[0].split("\t")
    for line in lines[1:]:
        row = dict(zip(head, line.split("\t")))
        truth[row["subject"]][row["item"]] = float(row["share"])
    return truth


def main():
    with Story() as story:
        shop = story.shop("produce")
        topics = add_topics(shop)
        truth_path = story.folder / "truth.tsv"
        done = produce(story, shop, topics, "--days", DAYS, "--households", HOUSEHOLDS, "--seed", SEED, "--dump-truth", truth_path)
        story.check(done.returncode == 0 and "simulated" in done.stdout, f"produce fills the topics ({done.stdout.strip()} {done.stderr.strip()})")

        products = {key: fields for key, _, fields in read(shop, topics["kafka.topic_products"])}
        story.check(len(products) >= 2000 and all(key == fields["item_id"] for key, fields in products.items()),
                    f"another library reads the products ({len(products)})")
        sample = products["sim-0001"]
        story.check(sample["category"].count(" > ") == 3 and sample["allergens_known"] and "vegan" in sample["dietary"]
                    and sample["currency"] == "EUR" and sample["nutrition"]["energy_kj"] == 370.0, f"a product says what it is: {sample['name']}; {sample['category']}")
        customers = read(shop, topics["kafka.topic_customers"])
        story.check(customers and all(fields["name"].endswith("(simulated)") for _, _, fields in customers),
                    f"customers are labelled ({customers[0][2]['name'] if customers else 'none'})")
        stock = read(shop, topics["kafka.topic_stock"])
        story.check(any(fields["available"] == 0 for _, _, fields in stock), f"some shelves are empty ({len(stock)} records of stock)")
        events = read(shop, shop.topic)
        kinds = collections.Counter(name for _, name, _ in events)
        story.check(len(kinds) >= 9 and all(key.split(":", 1)[1].startswith("sim-") for key, _, _ in events),
                    f"events of many kinds, all of simulated subjects ({len(events)}: {dict(kinds)})")
        keys = [fields["event_id"] for *_, fields in events] + [fields["order_id"] for _, name, fields in events if name == "Purchased"]
        story.check(len(set(keys)) == len(keys), "no event and no order has the id of another")

        settings = {name.replace(".", "__"): topic for name, topic in topics.items()}
        run = story.run(shop, **settings)
        shop.acknowledged = len(events)
        story.check(run.settled(shop, 60), "a run reads all of it and publishes")
        verdicts = {verdict: count for verdict, count in run.records().items() if count}
        # A month read in a second: log-ins are handed on after what came later, and the oldest are then too late to count.
        story.check(not set(verdicts) - {"ok", "duplicate"} and verdicts.get("duplicate", 0) <= kinds["Identified"] / 3,
                    f"no record of the shop is refused ({verdicts})")

        truth = read_truth(truth_path)
        bought = collections.Counter(fields["customer_id"] for _, name, fields in events if name == "Purchased" and fields["customer_id"])
        asked, hits, chance, nameless = 0, 0.0, 0.0, 0
        for customer, _ in bought.most_common(60):
            listing = ids(run.list(f"c:{customer}", "home"))[:10]
            if not listing:
                continue
            asked += 1
            hits += sum(item in truth[customer] for item in listing) / len(listing)
            chance += len(truth[customer]) / len(products)
            nameless += sum(item not in products for item in listing)
        story.check(asked >= 50, f"customers have lists ({asked} of 60)")
        story.check(not nameless, "everything on them is a product with a name")
        story.check(asked and hits / asked > 0.35,
                    f"the lists hold what the households are known to buy: {hits / max(asked, 1):.2f} of a list, by chance {chance / max(asked, 1):.2f}")
        customer = bought.most_common(1)[0][0]
        code, out, err = run.command("top", f"c:{customer}")
        listed = ids(run.list(f"c:{customer}", "home"))
        story.check(code == 0 and listed and products[listed[0]]["name"][:12] in out,
                    f"`basketry top` shows names ({(out or err).strip().splitlines()[4:7]})")

        for name in topics.values():
            shop.admin.delete_topics([name], operation_timeout=5)
        return story.end()


if __name__ == "__main__":
    sys.exit(main())
