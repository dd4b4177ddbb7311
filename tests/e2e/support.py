"""What the stories share: a shop of their own on real servers, and one `basketry run` to serve it.

    with Story() as story:                     # scratch folder; everything started ends with it
        shop = story.shop("carts")             # a topic of its own, and a producer that is not ours
        run = story.run(shop)                  # `basketry run` with its own group, keys and socket
        shop.view("c:7", "bread")              # fastavro + confluent-kafka, schemas from schemas/
        run.settled(shop)                      # every record read, every list published
        story.check(run.list("c:7", "home"), "a shopper has a list")

A story says what held, a line each, and exits 0 when all of it did. It finds the program and the servers in the environment that
tools/test describes. BASKETRY_TIER=full lengthens durations. What is read from Redis is read by `redis-py`, with keys from `key()`
below, which is the encoder that the README shows.
"""
import io
import json
import os
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from urllib.parse import urlparse

import confluent_kafka
import confluent_kafka.admin
import fastavro
import redis

ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = ROOT / "schemas"
FULL = os.environ.get("BASKETRY_TIER") == "full"
SKIPPED = 77

# Whatever a story starts carries this mark in its environment, so that it can be found again.
MARK = "BASKETRY_STORY_MARK"


# ---- Avro, as another library writes it ----------------------------------------------------------------

def load_schemas(folder=SCHEMAS):
    """{record name: (schema id, parsed schema)}"""
    schemas = {}
    for line in (folder / "ids.tsv").read_text().splitlines():
        number, name = line.split("\t")
        schema = fastavro.parse_schema(json.loads((folder / name).read_text()), {})
        schemas[schema["name"].split(".")[-1]] = int(number), schema
    return schemas


SCHEMA = load_schemas()


def avro(kind, record):
    """A record in Confluent framing."""
    number, schema = SCHEMA[kind]
    out = io.BytesIO()
    out.write(struct.pack(">bI", 0, number))
    fastavro.schemaless_writer(out, schema, record)
    return out.getvalue()


# ---- names ---------------------------------------------------------------------------------------------

def escape(name):
    """The bytes that a key must not hold as they are: % { } and the unprintable ones of ASCII."""
    return b"".join(b"%%%02X" % b if b in b"%{}\x7f" or b < 0x21 else bytes([b]) for b in name.encode())


def key(prefix, family, name, word):
    return b"%s:%s:{%s}:%s" % (prefix.encode(), family.encode(), escape(name), word.encode())


# What a shop's ids have been seen to hold, and what somebody will try.
NAMES = {
    "braces": "a{b}c",
    "an opening brace alone": "{",
    "empty braces": "{}",
    "a closing brace first": "}{",
    "quotes": "he said \"no\" and 'yes'",
    "a backslash": "a\\b\\\\",
    "a newline": "line\nline\r\n",
    "a tab and a space": "tab\tand space",
    "control characters": "\x01\x1b[2J\x7f",
    "a percent sign": "100%25%",
    "a colon": "v:7:c",
    "an emoji": "🧺🍞",
    "letters with accents": "Žluťoučký kůň",
    "128 bytes": "x" * 128,
    "128 bytes of emoji": "🧺" * 32,
    "128 bytes that are all escaped": "%" * 128,
}


# ---- processes -----------------------------------------------------------------------------------------

def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(condition, seconds, pause=0.02):
    """The first true value of `condition()`, or its last value when the time is up."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > deadline:
            return value
        time.sleep(pause)


def cpu_s(pid):
    """CPU that a process has taken so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_bytes(pid):
    match = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(match.group(1)) * 1024 if match else 0


class RedisServer:
    """A redis-server of the story's own: it may be frozen, killed and started again, empty."""

    def __init__(self, story, *options):
        self.story, self.options = story, options
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}"
        self.process = None
        self.start()

    def start(self):
        self.process = self.story.spawn(
            ["redis-server", "--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--appendonly", "no", *self.options],
            stdout=subprocess.DEVNULL)
        with socket.socket() as probe:
            wait_for(lambda: probe.connect_ex(("127.0.0.1", self.port)) == 0, 5)

    def client(self, **options):
        return redis.Redis.from_url(self.url, **options)

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        self.process.kill()
        self.process.wait()


class Services:
    """Servers of the story's own, by tools/services: a broker, or with --brokers several, that may be killed."""

    def __init__(self, story, *options):
        self.folder = story.folder / "services"
        self.environment = story.environment
        began = self.up(*options)
        if began.returncode:
            raise RuntimeError(f"no servers: {began.stderr}")

    def call(self, *words):
        return subprocess.run([str(ROOT / "tools/services"), *words, "--dir", str(self.folder)], env=self.environment, capture_output=True,
                              text=True, timeout=120)

    def up(self, *options):
        done = self.call("up", *options)
        found = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
        self.kafka, self.redis = found.get("BASKETRY_KAFKA"), found.get("BASKETRY_REDIS")
        return done

    def broker_pid(self, number=1):
        folder = "kafka" if number == 1 else f"kafka{number}"
        return int((self.folder / folder / "pid").read_text().split()[0])

    def kill_broker(self, number=1, how=signal.SIGKILL):
        os.kill(self.broker_pid(number), how)

    def down(self):
        return self.call("down")


class Load:
    """load.py as a process: `sending()` once it sends, `done()` for its account."""

    def __init__(self, story, shop, *options):
        command = [sys.executable, str(Path(__file__).with_name("load.py")), shop.brokers, shop.topic, *map(str, options)]
        self.shop = shop
        self.process = story.spawn(command, stdout=subprocess.PIPE, text=True)

    def sending(self):
        if self.process.stdout.readline().strip() != "ready":
            raise RuntimeError("the load did not start")
        return self

    def stop(self):
        self.process.terminate()
        return self.done()

    def done(self):
        account = json.loads(self.process.stdout.readline())
        self.process.wait(10)
        self.shop.acknowledged += account["acknowledged"]
        return account


class Answer(Exception):
    """The control socket said no: (code, reason)."""


class Run:
    """One `basketry run`."""

    def __init__(self, story, name, settings, arguments=(), wait_s=20):
        self.story = story
        self.settings = settings
        self.socket = settings["control.socket"]
        self.prefix = settings["redis.key_prefix"]
        self.url = settings["redis.url"]
        self.log_path = story.folder / f"{name}.log"
        self.config_path = story.folder / f"{name}.ini"
        self.write_config()
        self.arguments = arguments
        self.process = None
        self.start(wait_s)

    def write_config(self):
        sections = {}
        for setting, value in self.settings.items():
            section, option = setting.split(".", 1)
            sections.setdefault(section, []).append(f"{option} = {value}\n")
        self.config_path.write_text("".join(f"[{section}]\n{''.join(lines)}" for section, lines in sections.items()))

    def reload(self, **more):
        """Change settings and have them read again: SIGHUP."""
        self.settings.update({name.replace("__", "."): value for name, value in more.items()})
        self.write_config()
        self.process.send_signal(signal.SIGHUP)

    def start(self, wait_s=20):
        with open(self.log_path, "ab") as log:
            self.process = self.story.spawn(
                [self.story.program, "run", "-c", str(self.config_path), *self.arguments], stdout=log, stderr=log)
        wait_for(lambda: self.process.poll() is not None or self.try_ask("status"), wait_s)

    @property
    def pid(self):
        return self.process.pid

    @property
    def log(self):
        return self.log_path.read_text(errors="replace")

    def alive(self):
        return self.process.poll() is None

    def stop(self, seconds=15):
        """SIGTERM; the exit code."""
        self.process.terminate()
        return self.process.wait(seconds)

    def rss(self):
        return rss_bytes(self.pid)

    def ask(self, *words, seconds=10):
        """What the control socket answers, as JSON: include/basketry/control.h describes it."""
        with socket.socket(socket.AF_UNIX) as conversation:
            conversation.settimeout(seconds)
            conversation.connect(self.socket)
            conversation.sendall("\t".join(words).encode() + b"\n")
            answer = b""
            while chunk := conversation.recv(1 << 16):
                answer += chunk
        head, body = answer.split(b"\n", 1)
        code, rest = head.split(b"\t", 1)
        if code != b"0":
            raise Answer(int(code), rest.decode())
        assert len(body) == int(rest), "the answer was cut"
        return json.loads(body)

    def try_ask(self, *words):
        try:
            return self.ask(*words)
        except (OSError, Answer, ValueError):
            return None

    def item(self, name):
        return self.try_ask("inspect", "item", name)

    def subject(self, name):
        return self.try_ask("inspect", "subject", name)

    def records(self):
        """{verdict: records}"""
        return self.ask("inspect", "counters")["basketry_records_total"]

    def digest(self):
        """Of everything the state holds: equal where the states are."""
        return self.ask("inspect", "digest")

    def is_settled(self, produced):
        status = self.try_ask("status")
        return bool(status) and status["records"] >= produced and not status["lists_waiting"] and not status["sink"]["inflight"]

    def settled(self, shop, seconds=30):
        """Wait until every record of the shop's topics was read and no list waits. Two looks: what the first one's reading set off."""
        return wait_for(lambda: self.is_settled(shop.sent()) and self.is_settled(shop.sent()), seconds, 0.05)

    def swept(self, seconds=40):
        """Wait until the refresher went through all live lists once more, from first to last, and they are published."""
        began = self.ask("status")["sweeps"]  # one is under way, and not each takes the e-mail lists along
        return wait_for(lambda: self.ask("status")["sweeps"] >= began + 3 and self.is_settled(0), seconds, 0.05)

    def command(self, *words, seconds=120):
        """`basketry WORDS` with this instance's configuration: (exit code, stdout, stderr)."""
        done = subprocess.run([self.story.program, *words, "-c", str(self.config_path)], capture_output=True, text=True, timeout=seconds,
                              env=self.story.environment)
        return done.returncode, done.stdout, done.stderr

    def check_verified(self, sentence):
        """`basketry verify` finds no difference. Only after a sweep: a list is ranked at its shopper's events and by the refresher, and
        between the two what everybody shares has moved on."""
        code, out, err = self.command("verify")
        self.story.check(code == 0, f"{sentence} ({out.strip().splitlines()[-1] if out.strip() else err.strip()})")
        for line in out.splitlines()[:-1]:
            self.story.note(line)

    # ---- what the storefront reads

    def redis(self):
        return redis.Redis.from_url(self.url, socket_timeout=10)

    def key(self, subject, context):
        return key(self.prefix, "rec", subject, context)

    def list(self, subject, context):
        value = self.redis().get(self.key(subject, context))
        return json.loads(value) if value else None

    def item_list(self, item, relation="bought_together"):
        value = self.redis().get(key(self.prefix, "item", item, relation))
        return json.loads(value) if value else None

    def keys(self):
        return set(self.redis().scan_iter(match=self.prefix.encode() + b":*", count=5000))


# A run whose refresher goes round quickly, for stories that compare what Redis holds with what the state says.
QUICK_SWEEPS = {"lists__refresh": "2s", "lists__email_interval": "1s", "lists__item_interval": "50ms"}


def ids(listing):
    return [item["id"] for item in listing["items"]] if listing else []


def because(listing, item):
    return next((entry["because"] for entry in listing["items"] if entry["id"] == item), None)


# ---- a shop --------------------------------------------------------------------------------------------

class Shop:
    """A topic of events and a producer for it. The clock is real unless `at_ms` says otherwise."""

    def __init__(self, story, name, partitions=4, brokers=None, products=False, replicas=1, **settings):
        self.story = story
        self.brokers = brokers or story.kafka
        self.topic = f"story.{name}.{uuid.uuid4().hex[:8]}"
        self.products = f"{self.topic}.products" if products else ""
        self.admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": self.brokers, "log_level": 0})
        topics = [confluent_kafka.admin.NewTopic(self.topic, partitions, replicas, config={"message.timestamp.type": "LogAppendTime"})]
        if products:
            topics.append(confluent_kafka.admin.NewTopic(self.products, 1, 1, config={"cleanup.policy": "compact"}))
        for future in self.admin.create_topics(topics).values():
            future.result(20)
        self.producer = confluent_kafka.Producer({
            "bootstrap.servers": self.brokers, "partitioner": "murmur2_random", "acks": "all", "linger.ms": 0,
            "queue.buffering.max.messages": 1000000, "log_level": 0, **settings})
        self.acknowledged = 0
        self.failures = []

    def remove(self):
        names = [self.topic] + ([self.products] if self.products else [])
        try:
            for future in self.admin.delete_topics(names, operation_timeout=5).values():
                future.result(5)
        except (confluent_kafka.KafkaException, OSError):
            pass  # the broker is gone, and its data with it

    def sent(self):
        """Records that were acknowledged so far, after waiting for those on their way."""
        self.producer.flush(30)
        return self.acknowledged

    def read(self, topic):
        """The messages of a topic of one partition, from its first to the end it has now."""
        reader = confluent_kafka.Consumer({"bootstrap.servers": self.brokers, "group.id": f"read-{uuid.uuid4().hex}", "log_level": 0})
        place = confluent_kafka.TopicPartition(topic, 0, 0)
        end = reader.get_watermark_offsets(place, 10)[1]
        reader.assign([place])
        messages, deadline = [], time.monotonic() + 30
        while (messages[-1].offset() + 1 if messages else 0) < end and time.monotonic() < deadline:
            messages += [message for message in reader.consume(500, 1) if not message.error()]
        reader.close()
        return messages

    def on_delivery(self, error, message):
        if error:
            self.failures.append(str(error))
        else:
            self.acknowledged += 1

    def send(self, name, value, on_delivery=None, headers=None):
        """Bytes as they are under a key as it is; None sends none."""
        while True:
            try:
                self.producer.produce(self.topic, value, name, on_delivery=on_delivery or self.on_delivery, headers=headers)
                self.producer.poll(0)
                return
            except BufferError:
                self.producer.poll(0.05)

    def event(self, kind, subject, at_ms=None, session=None, consent="personal", **fields):
        """The bytes of an event of a subject, c:<customer> or v:<visitor>."""
        record = {"event_id": str(uuid.uuid4()), "event_time": now_ms() if at_ms is None else at_ms,
                  "visitor_id": subject[2:] if subject[0] == "v" else "", "customer_id": subject[2:] if subject[0] == "c" else None,
                  "session_id": session, "consent": consent, **fields}
        return avro(kind, record)

    def put(self, kind, subject, **fields):
        self.send(subject.encode(), self.event(kind, subject, **fields))

    def view(self, subject, item, **fields):
        self.put("ItemViewed", subject, item={"item_id": item}, **fields)

    def cart(self, subject, op, *items, **fields):
        self.put("CartChanged", subject, op=op, items=[{"item_id": item} for item in items], **fields)

    def buy(self, subject, *items, **fields):
        fields.setdefault("order_id", str(uuid.uuid4()))
        self.put("Purchased", subject, lines=[{"item_id": item} for item in items], **fields)

    def dismiss(self, subject, item, **fields):
        self.put("ItemDismissed", subject, item={"item_id": item}, **fields)


def now_ms():
    return time.time_ns() // 1000000


# ---- the story -----------------------------------------------------------------------------------------

class Story:
    """The frame: where things run, what was said, and the end of everything that was started."""

    def __init__(self, needs_kafka=True):
        for name in ["BASKETRY_BIN", *(["BASKETRY_KAFKA", "BASKETRY_REDIS"] if needs_kafka else [])]:
            if not os.environ.get(name):
                print(f"skip - {name} is not set: tools/test sets it, tools/services prints it")
                sys.exit(SKIPPED)
        self.program = os.environ["BASKETRY_BIN"]
        self.kafka = os.environ.get("BASKETRY_KAFKA")
        self.redis_url = os.environ.get("BASKETRY_REDIS")
        self.folder = Path(tempfile.mkdtemp(prefix="story."))
        self.mark = uuid.uuid4().hex
        self.environment = {**os.environ, MARK: self.mark}
        self.processes, self.shops, self.runs, self.prefixes = [], [], [], []
        self.failed = False

    def __enter__(self):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that `with` takes things down
        return self

    def __exit__(self, kind, error, trace):
        if error and not isinstance(error, SystemExit):
            self.check(False, f"the story went through to its end ({kind.__name__}: {error})".replace("\n", " "))
        if self.failed:
            self.show_logs()
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
                process.wait()
        for shop in self.shops:
            shop.remove()
        self.remove_keys()
        shutil.rmtree(self.folder, ignore_errors=True)
        if error and not isinstance(error, SystemExit):
            import traceback
            traceback.print_exception(kind, error, trace)
            sys.exit(1)

    def end(self):
        """The exit code of the story."""
        return 1 if self.failed else 0

    def check(self, held, sentence):
        self.failed = self.failed or not held
        print(("ok - " if held else "not ok - ") + sentence + "\n", end="", flush=True)  # one write: threads may tell side by side
        return bool(held)

    def skip(self, sentence):
        print("skip - " + sentence, flush=True)

    def note(self, text):
        print("# " + text + "\n", end="", flush=True)

    def show_logs(self):
        for run in self.runs:
            for line in run.log.splitlines()[-15:]:
                self.note(f"{run.log_path.stem}: {line}")

    def remove_keys(self):
        for url, prefix in self.prefixes:
            try:
                client = redis.Redis.from_url(url, socket_timeout=2)
                for name in client.scan_iter(match=prefix.encode() + b":*", count=5000):
                    client.unlink(name)
            except redis.RedisError:
                pass  # a private server that went with the story

    def spawn(self, command, **options):
        process = subprocess.Popen(command, env=self.environment, stdin=subprocess.DEVNULL, **options)
        self.processes.append(process)
        return process

    def shop(self, name, **options):
        shop = Shop(self, name, **options)
        self.shops.append(shop)
        return shop

    def redis_server(self, *options):
        return RedisServer(self, *options)

    def settings(self, shop, redis_url=None, **more):
        """The configuration of a run of its own; more settings as section__key=value."""
        unique = uuid.uuid4().hex[:8]
        settings = {
            "kafka.brokers": shop.brokers, "kafka.group": f"story-{unique}", "kafka.topic_events": shop.topic,
            "kafka.topic_products": shop.products, "kafka.topic_stock": "", "kafka.topic_customers": "", "kafka.topic_dlq": "",
            "redis.url": redis_url or self.redis_url, "redis.key_prefix": f"story:{unique}",
            "control.socket": str(self.folder / f"{unique}.sock"),
        }
        settings.update({name.replace("__", "."): value for name, value in more.items()})
        return settings

    def run(self, shop, name="run", redis_url=None, arguments=(), wait_s=20, **more):
        settings = self.settings(shop, redis_url, **more)
        self.prefixes.append((settings["redis.url"], settings["redis.key_prefix"]))
        run = Run(self, name, settings, arguments, wait_s)
        self.runs.append(run)
        return run


def percentile(values, share):
    """Nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0


def seeded():
    """A generator whose seed is printed, so that a run can be repeated: BK_SEED."""
    seed = int(os.environ.get("BK_SEED", "7"))
    print(f"# seed {seed}", flush=True)
    return random.Random(seed)


def server_of(url):
    parts = urlparse(url)
    return parts.hostname, parts.port
