#!/usr/bin/env python3
"""What a broker does on a bad day: each has a state that status names, nothing is skipped in silence, and it passes by itself or says what to do.
"""
# time limit: 240 s
import concurrent.futures
import signal
import sys
import time
import uuid

import confluent_kafka
import confluent_kafka.admin

from support import QUICK_SWEEPS, Load, Services, Story, avro, cpu_s, free_port, wait_for

EVENTS = {"message.timestamp.type": "LogAppendTime"}


def state_of(run):
    status = run.try_ask("status")
    return status["source"]["state"] if status else None


def create(shop, topic, partitions):
    """Create a topic; one of that name may still be on its way out."""
    def created():
        try:
            shop.admin.create_topics([confluent_kafka.admin.NewTopic(topic, partitions, 1, config=EVENTS)])[topic].result(10)
            return True
        except confluent_kafka.KafkaException:
            return False
    return wait_for(created, 15, 0.2)


def missing(story):
    """The topic is created after the start."""
    shop = story.shop("missing", partitions=1)
    shop.topic += ".later"
    run = story.run(shop, name="missing")
    named = wait_for(lambda: state_of(run) == "topic_missing", 10)
    status = run.ask("status")
    story.check(named and status["health"] == "down" and shop.topic in status["source"]["detail"],
                f"a topic that does not exist: {state_of(run)}, health {status['health']}, {status['source']['detail']!r}")
    create(shop, shop.topic, 4)
    shop.buy("c:1", "bread", "butter")
    read = run.settled(shop, 20)
    status = wait_for(lambda: (lambda s: s["health"] == "ok" and s)(run.ask("status")), 5)
    story.check(read and run.list("c:1", "cart") is not None, "created, it is read without a restart")
    story.check(status and status["source"]["last_error"] and status["source"]["last_error_ms"] < status["source"]["since_ms"],
                f"all is well since then, and what was wrong is still told: {status and status['source']['last_error']!r}")
    story.check(run.log.count("msg=topic_missing") == 1, "the log said it once")
    run.stop()


def killed(story, services):
    """kill -9 under load, and back with its data."""
    shop = story.shop("killed", brokers=services.kafka, **{"message.timeout.ms": 60000})
    run = story.run(shop, name="killed", redis_url=services.redis)
    load = Load(story, shop, "--rate", 1000, "--seconds", 9, "--subjects", 1000).sending()
    wait_for(lambda: run.ask("status")["records"] > 1000, 10)
    read = run.ask("status")["records"]
    outages = run.log.count("at=source msg=health is=down")  # a broker just started may not know the topic at once
    services.kill_broker()
    down = wait_for(lambda: state_of(run) == "disconnected", 5)
    status = run.ask("status")
    story.check(down and run.alive() and status["health"] == "down" and status["source"]["errors"] > 0,
                f"the broker killed under load: {state_of(run)}, health {status['health']}, {status['source']['detail']!r}")
    before = cpu_s(run.pid)
    time.sleep(1.5)
    spent = cpu_s(run.pid) - before
    story.check(spent < 0.3, f"it waits and does not spin: {spent:.2f} s of CPU in 1.5 s")
    began = time.monotonic()
    again = services.up()
    back = time.monotonic()
    story.check(again.returncode == 0 and services.kafka == shop.brokers, "the broker comes back on its port, with its data")
    for line in again.stderr.splitlines() if again.returncode else []:
        story.note(line)
    reads = wait_for(lambda: state_of(run) == "assigned", 30)
    story.check(reads, f"which took {back - began:.1f} s, and {time.monotonic() - back:.1f} s later it is read again")
    account = load.done()
    settled = run.settled(shop, 40)
    counted = run.records()
    # A producer that repeats after a crash may write an event twice: that is what de-duplication is for.
    story.check(settled and counted["ok"] == account["acknowledged"] and counted["ok"] > read,
                f"it goes on by itself: {counted['ok']} of {account['acknowledged']} acknowledged events applied once, "
                f"{counted['duplicate']} repeats told apart")
    well = wait_for(lambda: run.ask("status")["health"] == "ok", 5)
    story.check(well and run.log.count("at=source msg=health is=down") == outages + 1, "and one line of the log is the outage's beginning, one its end")
    story.check(run.stop() == 0, "it stops when asked")


def truncated(story):
    """Retention passes the reader: here the reader stands still while records are deleted."""
    shop = story.shop("truncated", partitions=1)
    run = story.run(shop, name="truncated", **QUICK_SWEEPS,
                    **{"kafka.topic.metadata.refresh.interval.ms": 1000})
    for n in range(200):
        shop.view(f"c:{n}", "bread")
    run.settled(shop)
    run.process.send_signal(signal.SIGSTOP)
    time.sleep(0.3)  # what it asked for is answered
    for n in range(600):
        shop.view(f"c:{n}", "butter")
    shop.sent()
    partition = confluent_kafka.TopicPartition(shop.topic, 0, 500)
    list(shop.admin.delete_records([partition]).values())[0].result(10)
    run.process.send_signal(signal.SIGCONT)

    def all_told():
        status = run.ask("status")
        return status["records"] + status["source"]["records_lost"] == shop.sent() and status
    status = wait_for(all_told, 15, 0.05)
    lost = run.ask("status")["source"]["records_lost"]
    story.check(status and 0 < lost <= 300, f"records deleted before they were read are counted: {lost} lost, and every other one is read")
    counters = run.ask("inspect", "counters")
    story.check(counters["basketry_kafka_records_lost_total"] == lost, "by a metric, too")
    line = next((line for line in run.log.splitlines() if "log_truncated" in line), "")
    story.check(f"partition=0 from={500 - lost} to=499 records_lost={lost}" in line, f"the log names partition and offsets: {line[line.find('log_truncated'):]!r}")
    story.check(wait_for(lambda: state_of(run) == "assigned", 5), "and it goes on from where the log begins")
    return shop, run


def expired_unread(story):
    """Two partitions nothing was read of: one began before us, one with us. Then records come and go while nobody reads."""
    shop = story.shop("unread", partitions=2)
    for n in range(5):
        shop.producer.produce(shop.topic, partition=0, key=b"c:x", value=b"of before")
    shop.producer.flush()

    def delete(partition, until):
        at = confluent_kafka.TopicPartition(shop.topic, partition, until)
        list(shop.admin.delete_records([at]).values())[0].result(10)
    delete(0, 5)
    run = story.run(shop, name="unread", checkpoint__dir=story.folder / "unread")
    wait_for(lambda: state_of(run) == "assigned", 20)
    time.sleep(1)
    lost = run.ask("status")["source"]["records_lost"]
    story.check(run.stop() == 0 and lost == 0, f"a log that began without us lost us nothing: {lost}")
    for n in range(20):
        shop.producer.produce(shop.topic, partition=n % 2, key=b"c:x", value=b"while nobody reads")
    shop.producer.flush()
    delete(0, 5 + 7)
    delete(1, 4)
    run.start()
    lost = wait_for(lambda: run.ask("status")["source"]["records_lost"] == 11, 20, 0.1)
    told = run.ask("status")["source"]["records_lost"]
    story.check(lost, f"what came and went before the first record was read is counted: {told} of 11")
    run.stop()


def fenced(story):
    """Another instance takes the same name in the group: the first has lost its partitions, and publishes nothing any more."""
    shop = story.shop("fenced", partitions=2)
    shop.view("c:1", "bread")
    same = {"kafka.group": shop.topic, "kafka.group.instance.id": "same"}
    first = story.run(shop, name="fenced", **same)
    wait_for(lambda: first.ask("status")["records"] == 1, 20)
    second = story.run(shop, name="fencing", **same)
    wait_for(lambda: state_of(first) == "failed", 20, 0.1)
    source = first.ask("status")["source"]
    story.check(source["state"] == "failed" and source["partitions"] == 0,
                f"whose name another took has failed and has no partition: {source['partitions']}, {source['detail'][:20]!r}")
    story.check(second.stop() == 0 and first.stop() == 0, "both stop when asked")


def product_gone_unread(story):
    """A product's tombstone comes and is compacted away while nobody reads: its topic just does not name it."""
    shop = story.shop("gone", partitions=1)
    shop.products = f"{shop.topic}.products"
    create(shop, shop.products, 1)  # not compacted: what is, lets nobody delete its records
    for item in ("old", "kept"):
        shop.producer.produce(shop.products, key=item, value=avro("Product", {"item_id": item, "name": f"{item} bread"}))
        shop.view("c:1", item)
    shop.sent()
    run = story.run(shop, name="gone", checkpoint__dir=story.folder / "gone")
    wait_for(lambda: run.ask("status")["records"] == 2, 20)
    before = [run.ask("inspect", "item", item).get("name") for item in ("old", "kept")]
    run.stop()
    list(shop.admin.delete_records([confluent_kafka.TopicPartition(shop.products, 0, 1)]).values())[0].result(10)
    run.start()
    wait_for(lambda: state_of(run) == "assigned", 20)
    after = [run.ask("inspect", "item", item).get("name") for item in ("old", "kept")]
    story.check(before == ["old bread", "kept bread"] and after[1] == "kept bread" and not after[0],
                f"a product that its topic does not name any more has no facts: {before}, then {after}")
    run.stop()


def products_grow(story):
    """Their topic gets a second partition, and a new product goes there."""
    shop = story.shop("grow", partitions=1, products=True)
    run = story.run(shop, name="grow")

    def tell(item, partition):
        producer = confluent_kafka.Producer({"bootstrap.servers": shop.brokers})  # one that knows the topic as it is now
        producer.produce(shop.products, avro("Product", {"item_id": item, "name": f"{item} bread"}), item, partition)
        producer.flush(10)
        shop.view("c:1", item)
        shop.sent()
        return wait_for(lambda: (run.item(item) or {}).get("name"), 30, 0.1)

    first = tell("rye", 0)
    shop.admin.create_partitions([confluent_kafka.admin.NewPartitions(shop.products, 2)])[shop.products].result(20)
    second, third = tell("oat", 1), tell("spelt", 0)
    story.check((first, second, third) == ("rye bread", "oat bread", "spelt bread") and run.log.count("msg=partitions_added") == 1,
                f"a topic of products that gets more partitions is read on with them: {(first, second, third)}")
    run.stop()


def made_anew(story, shop, run):
    """The topic is deleted and created again: what the run knows is of another log."""
    before = run.records()
    shop.admin.delete_topics([shop.topic], operation_timeout=5)[shop.topic].result(10)
    gone = wait_for(lambda: state_of(run) == "topic_missing", 20, 0.1)
    story.check(gone, f"the topic deleted while it runs: {state_of(run)}")
    create(shop, shop.topic, 1)
    began = time.monotonic()
    sent = [str(uuid.uuid4()) for _ in range(20)]
    for n, event in enumerate(sent):
        shop.send(b"c:new", shop.event("ItemViewed", "c:new", item={"item_id": f"item {n}"}))
    shop.producer.flush(20)
    named = wait_for(lambda: state_of(run) == "log_shorter_than_state", 30, 0.1)
    status = run.ask("status")
    story.check(named and status["source"]["resting"] == 1 and status["health"] == "down",
                f"made anew with fewer records: {state_of(run)}, health {status['health']}, {status['source']['detail']!r} after {time.monotonic() - began:.1f} s")
    story.check(run.records() == before, "not one record of the other log passes for a duplicate")
    line = next((line for line in run.log.splitlines() if "log_shorter_than_state" in line and "mend=" in line), "")
    story.check('mend="basketry accept-log 0"' in line, "the log gives the command that mends it")
    code, _, err = run.command("accept-log", "7")
    story.check(code != 0 and "does not rest" in err, f"for another partition the command is refused ({code}, {err.strip()!r})")
    code, out, _ = run.command("accept-log", "0")
    read = wait_for(lambda: run.records()["ok"] == before["ok"] + 20, 15, 0.05)
    story.check(code == 0 and read, f"accepted ({out.strip()}), the new log is read from its beginning ({run.records()['ok'] - before['ok']} of 20)")
    story.check(wait_for(lambda: run.ask("status")["health"] == "ok", 5), "and all is well")
    story.check(run.subject("c:new")["session"]["events"] == 20, "the new log's shoppers are known")
    for n in range(20):
        shop.view("c:new", f"item {n}")
    shop.producer.flush(20)
    wait_for(lambda: run.records()["ok"] == before["ok"] + 40, 10, 0.05)
    run.swept()
    run.check_verified("verify finds Redis as the state says")
    story.check(run.stop() == 0, "it stops when asked")


def again(shop):
    """The topic of that name, deleted and made anew."""
    shop.admin.delete_topics([shop.topic], operation_timeout=5)[shop.topic].result(10)
    create(shop, shop.topic, 1)
    shop.acknowledged = 0


def outgrown(story):
    """The same while it is stopped, and the new log has more records than the state knows: offsets alone do not tell."""
    shop = story.shop("outgrown", partitions=1)
    folder = story.folder / "outgrown.state"
    folder.mkdir()
    run = story.run(shop, name="outgrown", checkpoint__dir=folder)
    for n in range(30):
        shop.view("c:old", f"item {n}")
    read = run.settled(shop)
    story.check(read and run.stop() == 0, "30 records are in a checkpoint")
    again(shop)
    for n in range(70):
        shop.view("c:new", f"item {n}")
    shop.sent()
    run.start()
    named = wait_for(lambda: state_of(run) == "another_log", 20, 0.1)
    status = run.ask("status")
    story.check(named and status["source"]["resting"] == 1 and status["health"] == "down",
                f"made anew with more records: {state_of(run)}, health {status['health']}, {status['source']['detail']!r}")
    story.check(status["records"] == 0 and run.subject("c:new") is None, "not one record of the other log is read")
    line = next((line for line in run.log.splitlines() if "another_log" in line and "mend=" in line), "")
    story.check('offset=29 ' in line and 'mend="basketry accept-log 0"' in line, "the log gives the offset and the command that mends it")
    code, out, _ = run.command("accept-log", "0")
    read = wait_for(lambda: run.records()["ok"] == 70, 15, 0.05)
    story.check(code == 0 and read, f"accepted ({out.strip()}), the new log is read from its beginning ({run.records()['ok']} of 70)")
    story.check(wait_for(lambda: run.ask("status")["health"] == "ok", 5), "and all is well")
    run.stop()
    for n in range(5):
        shop.view("c:new", f"item {n}")
    shop.sent()
    run.start()
    read = wait_for(lambda: sum(run.records().values()) >= 5, 15, 0.05)
    counted = run.records()
    story.check(read and sum(counted.values()) == counted["ok"] == 5 and state_of(run) == "assigned",
                f"started again on its own log it goes on where it was: {counted['ok']} new records, {counted['duplicate']} duplicates")
    run.stop()
    shop.view("c:new", "bread")
    shop.sent()
    list(shop.admin.delete_records([confluent_kafka.TopicPartition(shop.topic, 0, 75)]).values())[0].result(10)
    run.start()
    read = wait_for(lambda: run.records()["ok"] == 1, 15, 0.05)
    source = run.ask("status")["source"]
    story.check(read and source["records_lost"] == 0 and source["state"] == "assigned" and not source["detail"],
                f"where retention took exactly what was read nothing is lost: {source['records_lost']} records, {source['state']}")
    story.check(run.stop() == 0, "it stops when asked")


def killed_with_services(story):
    # Ports that nobody else likes: while the broker is down its port is anybody's.
    services = Services(story, "--kafka-port", str(free_port()), "--redis-port", str(free_port()))
    try:
        killed(story, services)
    finally:
        services.down()


with Story() as story, concurrent.futures.ThreadPoolExecutor() as side_by_side:
    # Each waits most of its time; only one of them has a broker of its own to kill.
    tales = [killed_with_services, missing, outgrown, expired_unread, product_gone_unread, products_grow, fenced, lambda story: made_anew(story, *truncated(story))]
    for tale in [side_by_side.submit(tale, story) for tale in tales]:
        tale.result()
sys.exit(story.end())
