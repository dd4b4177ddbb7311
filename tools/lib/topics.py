"""topics.py HOST:PORT[,...] CLUSTER_ID PARTITIONS PID[,...] [--again]

Wait until every broker of cluster CLUSTER_ID answers at its HOST:PORT, then see to it that the shop's
topics exist, with all their replicas in sync; with --again, delete and create them. Of several brokers
each topic has up to three replicas. Gives up at once when one of the processes PID is gone.

The cluster id is compared before anything is created: on a busy machine another broker may have
taken the port, and topics on a stranger's broker would be an unkind surprise.

Exit: 0 the topics are there, 1 not (the reason on stderr), 2 the broker is gone or is not ours.
"""
import sys
import time

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

READY_S = 60.0

# name: (partitions, configuration); 0 partitions = as many as asked for. What is keyed by the
# subject has one count of partitions throughout, so that a subject's facts and events can meet.
COMPACT = {"cleanup.policy": "compact"}
TOPICS = {
    "shop.events": (0, {"message.timestamp.type": "LogAppendTime"}),
    "shop.customers": (0, COMPACT),
    "shop.products": (1, COMPACT),
    "shop.stock": (1, COMPACT),
    "basketry.actions": (1, {}),
    "basketry.dlq": (1, {}),
}


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def wait_ready(admin, cluster_id, pids):
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        if not all(alive(pid) for pid in pids):
            sys.exit(2)
        try:
            metadata = admin.list_topics(timeout=1)
        except KafkaException:
            time.sleep(0.05)
            continue
        if metadata.cluster_id != cluster_id:
            print(f"another broker (cluster {metadata.cluster_id}) answers there", file=sys.stderr)
            sys.exit(2)
        if len(metadata.brokers) == len(pids):
            return metadata.topics
        time.sleep(0.05)
    sys.exit(f"not every broker answered in {READY_S:.0f} s")


def settle(admin, done):
    """Wait until the metadata agrees: a topic is created or gone a moment after the answer says so."""
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        topics = admin.list_topics(timeout=5).topics
        if done(topics):
            return
        time.sleep(0.05)
    sys.exit("the topics did not settle")


def create(admin, topic):
    """Once more where the client lost the broker that it asked: while a cluster comes up, its view of it still moves."""
    deadline = time.monotonic() + READY_S
    while True:
        try:
            admin.create_topics([topic])[topic.topic].result()
            return
        except KafkaException as error:
            code = error.args[0].code()
            if code == KafkaError.TOPIC_ALREADY_EXISTS:
                return
            if code >= 0 or time.monotonic() > deadline:  # below 0 are the client's own
                raise
            time.sleep(0.05)


def in_sync(topics):
    return all(p.leader >= 0 and len(p.isrs) == len(p.replicas) for topic in topics.values() for p in topic.partitions.values())


def main(brokers, cluster_id, partitions, pids, again=False):
    quiet = {"log_level": 0, "socket.timeout.ms": 10000, "reconnect.backoff.max.ms": 100}
    admin = AdminClient({"bootstrap.servers": brokers, **quiet})
    there = wait_ready(admin, cluster_id, pids)
    wanted = {name: count or partitions for name, (count, _) in TOPICS.items()}

    if again:
        ours = [name for name in wanted if name in there]
        for future in admin.delete_topics(ours).values() if ours else []:
            future.result()
        settle(admin, lambda topics: not any(name in topics for name in wanted))
        there = {}

    missing = [
        NewTopic(name, num_partitions=count, replication_factor=min(3, len(pids)), config=TOPICS[name][1])
        for name, count in wanted.items()
        if name not in there
    ]
    for topic in missing:
        create(admin, topic)
    settle(admin, lambda topics: in_sync(topics) and all(name in topics and topics[name].partitions for name in wanted))
    for name, count in wanted.items():
        got = len(there[name].partitions) if name in there else count
        if got != count:
            sys.exit(f"{name} has {got} partitions, {count} asked for: `down` first, then `up`")


if __name__ == "__main__":
    again = "--again" in sys.argv
    hosts, cluster, count, broker_pids = [a for a in sys.argv[1:] if a != "--again"]
    try:
        main(hosts, cluster, int(count), [int(pid) for pid in broker_pids.split(",")], again)
    except KafkaException as error:
        sys.exit(f"the broker refused: {error}")
