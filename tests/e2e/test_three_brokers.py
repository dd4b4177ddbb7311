#!/usr/bin/env python3
"""A cluster of three brokers that loses one after the other, under load: the leader of a partition, the group's coordinator, the leader of the
dead letters, each in turn for a restart, and one that is frozen and comes back as if nothing had been. Each has a state that status names and
passes by itself; in the end each event counted once, the lists are those of the state, and the state is that of a run which nobody disturbed.
"""
# tier: full
# time limit: 400 s
import collections
import os
import signal
import sys
import threading
import time

import confluent_kafka
import confluent_kafka.admin
from support import QUICK_SWEEPS, Load, Services, Story, seeded, wait_for

PARTITIONS = 3
EVENTS_A_SECOND = 200
SECONDS_MAX = 240
# Kafka gives a broker up after the 3 s that tools/services sets; the group gives a member up after 10 s.
FROZEN_S = 13
# A producer that does not wait for a frozen broker longer than for a slow one: it is the reader that is looked at.
IMPATIENT = {"message.timeout.ms": 120000, "request.timeout.ms": 1500, "socket.timeout.ms": 2000, "topic.metadata.refresh.interval.ms": 1000}
# No row of pairs is cut: what is shared does not depend then on the order in which partitions are read.
LIFTED = {"state__pair_partners_max": "64k", "state__postings_max": 0}


class Cluster(Services):
    """Who leads what, and who goes."""

    def __init__(self, story):
        # Its ports are below those that the kernel gives to clients: who dials a port where nobody listens may meet himself there.
        super().__init__(story, "--brokers", "3")
        self.story = story

    def heal(self):
        """What is gone is started, and every replica in sync again."""
        done = self.up()
        if done.returncode:
            self.story.check(False, f"the broker comes back ({done.stderr.strip()})")

    def leaders(self, topic):
        admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": self.kafka, "log_level": 0})
        return {partition.id: partition.leader for partition in admin.list_topics(topic, timeout=10).topics[topic].partitions.values()}

    def coordinator(self, group):
        """Asked by a new client each time, and again: those that lived through a loss may still wait for the one that went."""
        def described():
            admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": self.kafka, "log_level": 0})
            try:
                return admin.describe_consumer_groups([group], request_timeout=3)[group].result(5).coordinator.id
            except (confluent_kafka.KafkaException, TimeoutError):
                return None
        return wait_for(described, 30, 0.2)

    def gone(self, number):
        def ended():
            try:
                os.kill(self.broker_pid(number), 0)
            except ProcessLookupError:
                return True
        return wait_for(ended, 30, 0.05)


class Watch(threading.Thread):
    """What status says, looked at all the time: the states in their order, and the longest time in which no record was read."""

    def __init__(self, run):
        super().__init__(daemon=True)
        self.run_of, self.ended = run, threading.Event()
        self.states, self.gap_s = [], 0.0
        self.start()

    def run(self):
        records, moved = -1, time.monotonic()
        while not self.ended.wait(0.05):
            status = self.run_of.try_ask("status")
            if not status:
                continue
            if self.states[-1:] != [status["source"]["state"]]:
                self.states.append(status["source"]["state"])
            now = time.monotonic()
            if status["records"] != records:
                self.gap_s = max(self.gap_s, now - moved)
                records, moved = status["records"], now

    def end(self):
        self.ended.set()
        self.join()
        return self


class Poison(threading.Thread):
    """Records that are no events, twenty a second, each with a key of its own."""

    def __init__(self, shop):
        super().__init__(daemon=True)
        self.shop, self.ended, self.keys = shop, threading.Event(), []
        self.producer = confluent_kafka.Producer({"bootstrap.servers": shop.brokers, "message.timeout.ms": 120000, "log_level": 0})
        self.start()

    def run(self):
        while not self.ended.wait(0.05):
            name = b"poison:%d" % len(self.keys)
            self.producer.produce(self.shop.topic, b"no event", name, on_delivery=self.on_delivery)
            self.keys.append(name)
            self.producer.poll(0)

    def on_delivery(self, error, message):
        self.shop.acknowledged += not error

    def end(self):
        self.ended.set()
        self.join()
        self.producer.flush(60)
        return set(self.keys)


def state_of(run):
    status = run.try_ask("status")
    return status["source"]["state"] if status else None


def probes(shop):
    """{partition: a shopper whose events go there}"""
    found, names = {}, iter(range(100))

    def on_delivery(error, message):
        shop.on_delivery(error, message)
        if not error:
            found.setdefault(message.partition(), message.key().decode())
    while len(found) < PARTITIONS:
        subject = f"c:probe {next(names)}"
        shop.send(subject.encode(), shop.event("ItemViewed", subject, item={"item_id": "bread"}), on_delivery)
        shop.producer.flush(10)
    return found


def read_again_s(run, shop, subject, began, seconds=60):
    """An event sent now, to that partition: how long after `began` it was applied; None: not in time."""
    before = run.subject(subject)["session"]["events"]
    shop.view(subject, "butter")
    shop.producer.poll(0)
    applied = wait_for(lambda: shop.producer.poll(0) is None or run.subject(subject)["session"]["events"] > before, seconds, 0.05)
    return time.monotonic() - began if applied else None


def leader_killed(story, cluster, run, shop, shoppers):
    leaders, coordinator = cluster.leaders(shop.topic), cluster.coordinator(run.settings["kafka.group"])
    partition = next(partition for partition, leader in leaders.items() if leader != coordinator)
    watch, began = Watch(run), time.monotonic()
    cluster.kill_broker(leaders[partition])
    named = wait_for(lambda: state_of(run) == "leader_away", 10, 0.02)
    named_s, status = time.monotonic() - began, run.ask("status")
    story.check(named and status["health"] == "down", f"the broker that leads partition {partition} killed: {state_of(run)} after {named_s:.1f} s, {status['source']['detail']!r}")
    again_s = read_again_s(run, shop, shoppers[partition], began)
    well = wait_for(lambda: state_of(run) == "assigned", 10)
    moved = cluster.leaders(shop.topic)[partition]
    story.check(again_s and well and moved != leaders[partition], f"another leads it and it is read again {again_s or -1:.1f} s after the kill, {state_of(run)}")
    story.note(f"states {watch.end().states}, longest without a record {watch.gap_s:.1f} s")
    cluster.heal()


def coordinator_killed(story, cluster, run, shop, shoppers):
    lost, log = cluster.coordinator(run.settings["kafka.group"]), len(run.log)
    watch, began = Watch(run), time.monotonic()
    cluster.kill_broker(lost)
    named = wait_for(lambda: set(watch.states) & {"leader_away", "coordinator_away"}, 15)
    story.check(named, f"the group's coordinator killed: {watch.states[-1]} after {time.monotonic() - began:.1f} s, {run.ask('status')['source']['detail']!r}")
    again = [read_again_s(run, shop, subject, began) for subject in shoppers.values()]
    well = wait_for(lambda: state_of(run) == "assigned" and run.ask("status")["health"] == "ok", 40)
    story.check(all(again) and well, f"every partition is read again after {max(s or -1 for s in again):.1f} s, {state_of(run)} after {time.monotonic() - began:.1f} s")
    moved = wait_for(lambda: cluster.coordinator(run.settings["kafka.group"]) not in (None, lost), 20, 0.2)
    story.check(moved and "who=coordinator" in run.log[log:], "another one coordinates, and the log told of it")
    story.note(f"states {watch.end().states}, longest without a record {watch.gap_s:.1f} s")
    cluster.heal()


def letters_leader_killed(story, cluster, run, shop, letters):
    poison = Poison(shop)
    time.sleep(1)
    cluster.kill_broker(cluster.leaders(letters)[0])
    time.sleep(6)
    cluster.heal()
    time.sleep(1)
    keys = poison.end()
    return keys


def rolling(story, cluster, run):
    watch, log = Watch(run), len(run.log)
    for number in (1, 2, 3):
        cluster.kill_broker(number, signal.SIGTERM)
        cluster.gone(number)
        cluster.heal()
    well = wait_for(lambda: state_of(run) == "assigned" and run.ask("status")["health"] == "ok", 40)
    watch.end()
    story.check(well and watch.gap_s < 10, f"each broker restarted in turn: {state_of(run)}, never longer than {watch.gap_s:.1f} s without a record")
    story.note(f"states {watch.states}, {run.log[log:].count('msg=revoked')} times taken from us")


def frozen(story, cluster, run, shop, shoppers):
    """The coordinator, which leads partitions as well: nothing is closed, nobody is told."""
    number = cluster.coordinator(run.settings["kafka.group"])
    led = [partition for partition, leader in cluster.leaders(shop.topic).items() if leader == number]
    watch, began = Watch(run), time.monotonic()
    cluster.kill_broker(number, signal.SIGSTOP)
    try:
        again = [read_again_s(run, shop, subject, began, began + FROZEN_S - time.monotonic()) for subject in shoppers.values()]
        story.check(all(again), f"the coordinator, leader of {len(led)} partitions, frozen: all are read again after {max(s or 99 for s in again):.1f} s, while it still is")
        time.sleep(max(0.0, began + FROZEN_S - time.monotonic()))
        named = set(watch.states) & {"leader_away", "coordinator_away", "membership_lost"}
        story.check(named, f"status named it: {', '.join(watch.states)}")
    finally:
        cluster.kill_broker(number, signal.SIGCONT)
    time.sleep(2)
    again = [read_again_s(run, shop, subject, time.monotonic()) for subject in shoppers.values()]
    well = wait_for(lambda: state_of(run) == "assigned" and run.ask("status")["health"] == "ok", 40)
    story.check(all(again) and well, f"it comes back and believes to lead: {state_of(run)}, every partition is read")
    story.note(f"states {watch.end().states}, longest without a record {watch.gap_s:.1f} s")
    cluster.heal()


def accounted(story, run, shop, load, keys, letters):
    account = load.stop()
    settled = run.settled(shop, 60)
    counted, events = run.records(), shop.sent() - len(keys)
    story.check(settled and account["failed"] == 0 and counted["ok"] == events,
                f"{counted['ok']} of {events} acknowledged events applied once, {counted['duplicate']} repeats of the producer told apart")
    found = collections.Counter(letter.key() for letter in shop.read(letters))
    story.check(keys and set(found) == keys, f"each of {len(keys)} poisoned records is a letter ({sum(found.values())} letters), the letters' leader killed meanwhile")


def undisturbed(story, run, shop, letters, services):
    calm = story.run(shop, name="calm", redis_url=services.redis, kafka__topic_dlq=letters, **LIFTED)
    settled = calm.settled(shop, 60)
    ours, theirs = run.digest(), calm.digest()
    story.check(settled and ours == theirs, "the digest is that of a run which nobody disturbed")
    if ours != theirs:
        story.note(f"disturbed {ours}")
        story.note(f"calm      {theirs}")
    story.check(calm.stop() == 0, "which stops when asked")


def main(story, cluster):
    rng = seeded()
    shop = story.shop("brokers", partitions=PARTITIONS, replicas=3, brokers=cluster.kafka, **IMPATIENT)
    letters = f"{shop.topic}.dlq"
    shop.admin.create_topics([confluent_kafka.admin.NewTopic(letters, 1, 3)])[letters].result(20)
    states = story.folder / "states"
    states.mkdir()
    run = story.run(shop, name="run", redis_url=cluster.redis, kafka__topic_dlq=letters, checkpoint__dir=states, **LIFTED, **QUICK_SWEEPS)
    joined = wait_for(lambda: state_of(run) == "assigned", 30)
    story.check(joined, f"a run on three brokers with topics of three replicas: {state_of(run)}")
    shoppers = probes(shop)
    run.settled(shop)
    load = Load(story, shop, "--rate", EVENTS_A_SECOND, "--seconds", SECONDS_MAX, "--subjects", 400, "--seed", rng.randrange(1 << 30)).sending()
    leader_killed(story, cluster, run, shop, shoppers)
    coordinator_killed(story, cluster, run, shop, shoppers)
    keys = letters_leader_killed(story, cluster, run, shop, letters)
    rolling(story, cluster, run)
    frozen(story, cluster, run, shop, shoppers)
    accounted(story, run, shop, load, keys, letters)
    run.swept()
    run.check_verified("verify finds Redis as the state says")
    undisturbed(story, run, shop, letters, cluster)
    cluster.kill_broker(cluster.coordinator(run.settings["kafka.group"]))
    began = time.monotonic()
    code = run.stop(40)
    story.check(code == 0 and time.monotonic() - began < 10, f"with the coordinator just killed it stops when asked: exit {code} after {time.monotonic() - began:.1f} s")


with Story() as story:
    services = Cluster(story)
    try:
        main(story, services)
    finally:
        services.down()
sys.exit(story.end())
