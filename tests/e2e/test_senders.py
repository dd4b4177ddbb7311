#!/usr/bin/env python3
"""The three senders that README.md shows reach a real Basketry over a real Kafka.

The code is taken out of the README as it stands (the topic's name alone is this story's) and runs with the clients that it names:
confluent-kafka and fastavro, kafkajs and avsc, kafka-clients and avro. Each tells of the same shoppers: the records of one shopper land in
one partition whoever sent them, and each item is in the lists' state. Without node and npm, or a JDK and mvn, that language is skipped.
"""
import json
import os
import sys
from collections import defaultdict

import confluent_kafka

from readme_code import ROOT, code, missing, run_java, run_js
from support import Story, wait_for

# customer, visitor
SHOPPERS = [(f"customer-{n}", "browser") for n in range(12)] + [(None, f"browser-{n}") for n in range(12)] + [("žena {1} ☕", ""), (None, "a b%")]

JS = """
(async () => {
  const producer = connect([BROKERS]);
  await producer.connect();
  for (const [customer, visitor] of SHOPPERS) await sendView(producer, customer, visitor, 'js-item');
  await producer.disconnect();
})();
"""

JAVA = """
public class Sender {
    public static void main(String[] none) throws Exception {
        var shop = new ShopEvents("%s");
        for (String[] shopper : new String[][] {%s}) shop.sendView(shopper[0], shopper[1], "java-item");
        shop.producer.close();
    }
}
"""


def send_python(brokers, topic):
    scope = {}
    exec(code("python", "def send_view").replace("shop.events", topic), scope)
    producer = scope["connect"](brokers)
    for customer, visitor in SHOPPERS:
        scope["send_view"](producer, customer, visitor, "python-item")
    producer.flush(20)


def send_js(brokers, topic):
    head = f"const BROKERS = {json.dumps(brokers)}, SHOPPERS = {json.dumps(SHOPPERS)};\n"
    run_js(head + code("js", "function sendView").replace("shop.events", topic) + JS)


def send_java(brokers, topic):
    shoppers = ", ".join("{" + ", ".join(json.dumps(word) for word in shopper) + "}" for shopper in SHOPPERS)
    run_java({"ShopEvents.java": code("java", "void sendView").replace("shop.events", topic), "Sender.java": JAVA % (brokers, shoppers)}, "Sender")


SENDERS = {"python": send_python, "js": send_js, "java": send_java}


def places(shop):
    """{key: the partitions that hold records of it}, and how many records there are."""
    consumer = confluent_kafka.Consumer({"bootstrap.servers": shop.brokers, "group.id": shop.topic, "enable.partition.eof": True, "log_level": 0})
    partitions = consumer.list_topics(shop.topic, 10).topics[shop.topic].partitions
    consumer.assign([confluent_kafka.TopicPartition(shop.topic, n, confluent_kafka.OFFSET_BEGINNING) for n in partitions])
    found, count, ends = defaultdict(set), 0, 0
    while ends < len(partitions):
        message = consumer.poll(10)
        if message is None or message.error():
            ends += 1
            continue
        found[message.key()].add(message.partition())
        count += 1
    consumer.close()
    return found, count


def main():
    os.chdir(ROOT)  # where the README's paths begin
    with Story() as story:
        shop = story.shop("senders", partitions=7)
        run = story.run(shop)
        sent = []
        for language, send in SENDERS.items():
            if missing(language):
                story.skip(f"the README's sender in {language}: {missing(language)}")
                continue
            send(shop.brokers, shop.topic)
            sent.append(language)
            expected = len(sent) * len(SHOPPERS)
            wait_for(lambda: run.ask("status")["records"] >= expected, 10)
            told = {verdict: count for verdict, count in run.records().items() if count}
            story.check(told == {"ok": expected}, f"what the README's sender in {language} sends is decoded and valid ({told})")
            story.check(run.item(f"{language}-item"), f"and the item that {language} sent is known")
        found, count = places(shop)
        keys = {(f"c:{customer}" if customer else f"v:{visitor}").encode() for customer, visitor in SHOPPERS}
        story.check(set(found) == keys and count == len(sent) * len(SHOPPERS), "the key is the subject, a record a view")
        story.check(all(len(where) == 1 for where in found.values()) and len(set.union(*found.values())) > 3,
                    f"{', '.join(sent)} put a shopper's records into one and the same partition")
        run.settled(shop)
        story.check(all(run.list(key.decode(), "home") for key in keys), "and each shopper has a list")
        return story.end()


if __name__ == "__main__":
    sys.exit(main())
