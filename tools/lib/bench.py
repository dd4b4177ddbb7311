"""bench.py --build DIR --scratch DIR [--quick] [--json FILE] [--events N] [--pairs N] [--stages]

The measuring half of tools/bench, whose head says what the figures mean. Needs BASKETRY_KAFKA and
BASKETRY_REDIS, and the programs that the target `bench` leaves in DIR/bench.

Everything about the pipeline is read from outside: counters by the control socket, CPU and memory
from /proc, bytes and commands from Redis, allocations from the file of the preloaded library.
"""
import argparse
import contextlib
import json
import os
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import time
from pathlib import Path

import redis

ROOT = Path(__file__).resolve().parents[2]
TOPIC = "shop.events"
TICKS = os.sysconf("SC_CLK_TCK")
OWNERS = ["ours", "librdkafka", "hiredis", "libuv", "rest"]  # as in malloc_count.c
RATE = 5000
CHECKPOINT_INTERVAL = "2s"
WAIT_S = 120


def say(text):
    print(text, file=sys.stderr, flush=True)


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--stages", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--events", type=int)
    parser.add_argument("--pairs", type=int)
    args = parser.parse_args()
    args.events = args.events or (120_000 if args.quick else 500_000)
    args.pairs = args.pairs or (1 if args.quick else 5)
    args.rate_s = 5 if args.quick else 30
    args.state_mib = 128 if args.quick else 1024
    args.stage_events, args.stage_repeats = (30_000, 3) if args.quick else (200_000, 5)
    return args


# ---- the outside of a process ---------------------------------------------------------------------


def cpu_seconds(pid, thread=None):
    """User and system time of a process, or of one thread of it."""
    path = f"/proc/{pid}/task/{thread}/stat" if thread else f"/proc/{pid}/stat"
    fields = Path(path).read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def waited_seconds(pid):
    """How long the first thread was ready to run and had no processor: a busy machine shows here."""
    return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[1]) / 1e9


def resident_mb(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def ask(path, *words):
    """One question to the control socket; the answer's JSON."""
    with socket.socket(socket.AF_UNIX) as control:
        control.settimeout(10)
        control.connect(str(path))
        control.sendall("\t".join(words).encode() + b"\n")
        answer = b""
        while part := control.recv(1 << 16):
            answer += part
    head, body = answer.split(b"\n", 1)
    code, told = head.split(b"\t", 1)
    if code != b"0" or len(body) != int(told):
        raise RuntimeError(f"{words}: {head!r}")
    return json.loads(body)


class Pipeline:
    """`basketry run` against the servers, and what can be seen of it."""

    runs = 0

    def __init__(self, bench, preload=False, **settings_more):
        Pipeline.runs += 1
        self.socket = bench.scratch / "control.sock"
        self.log = bench.scratch / "run.log"
        self.counts = bench.scratch / "malloc.counts"
        settings = {
            "kafka.brokers": bench.kafka, "kafka.group": f"bench-{os.getpid()}-{Pipeline.runs}",
            "redis.url": bench.redis_url, "control.socket": self.socket, "log.level": "warn",
            **{key.replace("__", "."): value for key, value in settings_more.items()},
        }
        command = [bench.build / "basketry", "run"]
        for key, value in settings.items():
            command += ["-X", f"{key}={value}"]
        environment = dict(os.environ)
        if preload:
            self.counts.unlink(missing_ok=True)
            environment |= preloaded(bench, self.counts)
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=self.log.open("w"), env=environment)
        self.pid = self.process.pid

    def until(self, what, condition, step_s=0.05):
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"basketry ended: {self.log.read_text()[-2000:]}")
            with contextlib.suppress(OSError):
                if (answer := condition()) is not None:
                    return answer
            time.sleep(step_s)
        raise RuntimeError(f"not within {WAIT_S} s: {what}")

    def glance(self):
        """Counters with the clocks of the same moment."""
        counters = ask(self.socket, "inspect", "counters")
        return {
            "at": time.monotonic(), "cpu": cpu_seconds(self.pid), "loop_cpu": cpu_seconds(self.pid, self.pid),
            "waited": waited_seconds(self.pid),
            "records": sum(counters["basketry_records_total"].values()),
            "lists": sum(counters["basketry_lists_published_total"].values()),
            "item_lists": counters["basketry_item_lists_published_total"],
            "dirty": counters["basketry_lists_dirty"], "inflight": counters["basketry_redis_inflight"],
            "bad": sum(n for verdict, n in counters["basketry_records_total"].items() if verdict != "ok"),
        }

    def when(self, what, holds, **kwargs):
        def look():
            glance = self.glance()
            return glance if holds(glance) else None

        return self.until(what, look, **kwargs)

    def allocations(self):
        return struct.unpack(f"{len(OWNERS)}Q", self.counts.read_bytes())

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def preloaded(bench, counts):
    return {"LD_PRELOAD": str(bench.build / "bench" / "libbench_malloc_count.so"), "BK_MALLOC_COUNTS": str(counts)}


# ---- runs -----------------------------------------------------------------------------------------


class Bench:
    def __init__(self, args):
        self.build, self.scratch, self.events = args.build, args.scratch, args.events
        self.kafka, self.redis_url = os.environ["BASKETRY_KAFKA"], os.environ["BASKETRY_REDIS"]
        self.redis = redis.Redis.from_url(self.redis_url)
        self.ceilings = 0

    def program(self, name, *arguments, environment=None):
        command = [self.build / "bench" / f"bench_{name}", *map(str, arguments)]
        return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, env=environment).stdout)

    def load(self, count):
        made = self.program("load", self.kafka, TOPIC, count)
        say(f"bench: {count:,} events in Kafka ({made['seconds']:.1f} s)")

    def empty_redis(self):
        self.redis.flushall()
        self.redis.config_resetstat()

    def written(self):
        """Commands SET so far and the bytes they came in."""
        calls = self.redis.info("commandstats").get("cmdstat_set", {"calls": 0})["calls"]
        return calls, self.redis.info("stats")["total_net_input_bytes"]

    def pipeline_backlog(self, **settings):
        """One run over the backlog: from the first records seen to the last list written."""
        self.empty_redis()
        pipeline = Pipeline(self, **settings)
        try:
            first = pipeline.when("a first record", lambda g: g["records"] > 0, step_s=0.01)
            last = pipeline.when("the end", lambda g: g["records"] >= self.events and g["dirty"] == g["inflight"] == 0)
            memory = resident_mb(pipeline.pid)
            sets, set_bytes = self.written()
        finally:
            pipeline.stop()
        if last["bad"]:
            raise RuntimeError(f"{last['bad']} records were not applied")
        events, seconds = last["records"] - first["records"], last["at"] - first["at"]
        lists = last["lists"] + last["item_lists"] - first["lists"] - first["item_lists"]
        return {
            "events_per_s": events / seconds, "lists_per_s": lists / seconds, "lists_per_event": lists / events,
            "shopper_lists_per_event": (last["lists"] - first["lists"]) / events,
            "cpu_us_per_event": (last["cpu"] - first["cpu"]) / events * 1e6,
            "loop_cpu_us_per_event": (last["loop_cpu"] - first["loop_cpu"]) / events * 1e6,
            "cpu_us_per_list": (last["cpu"] - first["cpu"]) / lists * 1e6,
            "cpu_share": (last["cpu"] - first["cpu"]) / seconds,
            "waited_share": (last["waited"] - first["waited"]) / seconds,
            "events_per_cpu_s": events / (last["cpu"] - first["cpu"]),
            "rss_mb": memory, "command_bytes": set_bytes / max(sets, 1), "seconds": seconds,
        }

    def ceiling_backlog(self, lists_per_event, command_bytes, environment=None):
        self.empty_redis()
        self.ceilings += 1
        run = self.program("ceiling", self.kafka, TOPIC, f"ceiling-{os.getpid()}-{self.ceilings}", self.redis_url,
                           f"{lists_per_event:.4f}", round(command_bytes), environment=environment)
        if run["failed"] or run["events"] < self.events:
            raise RuntimeError(f"the ceiling's run is not whole: {run}")
        return {
            "events_per_s": run["events"] / run["seconds"], "lists_per_s": run["lists"] / run["seconds"],
            "lists_per_event": run["lists"] / run["events"], "command_bytes": run["command_bytes"],
            "cpu_us_per_event": run["cpu_seconds"] / run["events"] * 1e6,
            "cpu_us_per_list": run["cpu_seconds"] / max(run["lists"], 1) * 1e6,
            "cpu_share": run["cpu_seconds"] / run["seconds"], "waited_share": run["waited_seconds"] / run["seconds"],
            "events_per_cpu_s": run["events"] / max(run["cpu_seconds"], 1 / TICKS), "rss_mb": run["rss_kb"] / 1024, "seconds": run["seconds"],
        }

    def pipeline_allocations(self):
        """Calls of malloc and its kin per event, between two moments of one run over the backlog."""
        self.empty_redis()
        pipeline = Pipeline(self, preload=True)
        try:
            # Each look costs the program some allocations of its own: two looks, far apart.
            first = pipeline.when("a quarter", lambda g: g["records"] > self.events // 4, step_s=0.3)
            before = pipeline.allocations()
            last = pipeline.when("the end", lambda g: g["records"] >= self.events, step_s=0.3)
            after = pipeline.allocations()
        finally:
            pipeline.stop()
        events = max(last["records"] - first["records"], 1)
        return {owner: (b - a) / events for owner, a, b in zip(OWNERS, before, after)}

    def ceiling_allocations(self, lists_per_event, command_bytes):
        counts = self.scratch / "ceiling.counts"
        run = self.ceiling_backlog(lists_per_event, command_bytes, environment=os.environ | preloaded(self, counts))
        calls = struct.unpack(f"{len(OWNERS)}Q", counts.read_bytes())
        del run
        return {owner: n / self.events for owner, n in zip(OWNERS, calls)}

    def checkpointed(self):
        """Settings of a run that writes generations one after the other, far more often than any shop's."""
        folder = self.scratch / "checkpoints"
        shutil.rmtree(folder, ignore_errors=True)
        return {"checkpoint__dir": folder, "checkpoint__interval": CHECKPOINT_INTERVAL}

    def at_rate(self, rate, seconds, **settings):
        """Events at a steady rate into a pipeline that waits for them; both start from nothing."""
        services = self.scratch / "services"
        subprocess.run([ROOT / "tools" / "services", "reset", "--dir", services], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.empty_redis()
        pipeline = Pipeline(self, **settings)
        try:
            def assigned():
                source = ask(pipeline.socket, "status")["source"]
                return source if source["state"] == "assigned" and source["lag_records"] == 0 else None

            pipeline.until("its partitions", assigned)
            first = pipeline.glance()
            made = self.program("load", self.kafka, TOPIC, int(rate * seconds), int(rate))
            last = pipeline.when("the end", lambda g: g["records"] >= made["events"] and g["dirty"] == g["inflight"] == 0)
            status = ask(pipeline.socket, "status")
            age, generations = status["age_ms"], (status["checkpoint"] or {}).get("written", 0)
            memory = resident_mb(pipeline.pid)
        finally:
            pipeline.stop()
        events = last["records"] - first["records"]
        return {
            "rate": rate, "generations": generations, "made_per_s": made["events"] / made["seconds"], "age_ms": age, "rss_mb": memory,
            "shopper_lists_per_event": (last["lists"] - first["lists"]) / events,
            "cpu_us_per_event": (last["cpu"] - first["cpu"]) / events * 1e6,
            "cpu_share": (last["cpu"] - first["cpu"]) / made["seconds"],
            "waited_share": (last["waited"] - first["waited"]) / made["seconds"],
        }


def measure_stages(args):
    command = [args.build / "bench" / "bench_stages", str(args.stage_events), str(args.stage_repeats)]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def measure(args):
    result = {"machine": machine(), "events": args.events, "pairs": args.pairs}
    say("bench: stages, in memory")
    result["stages"] = measure_stages(args)
    if args.stages:
        return result
    bench = Bench(args)
    bench.load(args.events)
    say("bench: one run to learn what the pipeline writes")
    learned = bench.pipeline_backlog()
    result["pipeline"], result["ceiling"], result["checkpointed"] = [], [], []
    for pair in range(args.pairs):
        result["ceiling"].append(bench.ceiling_backlog(learned["lists_per_event"], learned["command_bytes"]))
        result["pipeline"].append(bench.pipeline_backlog())
        result["checkpointed"].append(bench.pipeline_backlog(**bench.checkpointed()))
        say(f"bench: pair {pair + 1} of {args.pairs}: pipeline {result['pipeline'][-1]['events_per_s']:,.0f},"
            f" ceiling {result['ceiling'][-1]['events_per_s']:,.0f} events/s")
    say("bench: allocations")
    result["malloc_per_event"] = {
        "pipeline": bench.pipeline_allocations(),
        "ceiling": bench.ceiling_allocations(learned["lists_per_event"], learned["command_bytes"]),
    }
    half = statistics.median(run["events_per_s"] for run in result["pipeline"]) / 2
    result["rates"] = []
    for rate in (RATE, round(half, -2)):
        say(f"bench: {rate:,.0f} events/s for {args.rate_s} s")
        result["rates"].append(bench.at_rate(rate, args.rate_s))
    say(f"bench: {RATE:,.0f} events/s with a generation every {CHECKPOINT_INTERVAL}")
    result["rates"].append(bench.at_rate(RATE, args.rate_s, **bench.checkpointed()))
    say(f"bench: a checkpoint of {args.state_mib} MiB, in memory")
    result["checkpoint"] = bench.program("checkpoint", bench.scratch / "large", args.state_mib)
    result["load_average_after"] = os.getloadavg()[0]
    return result


def machine():
    names = [line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
             if line.startswith("model name")]
    return {"cpus": os.cpu_count(), "model": names[0] if names else "?", "load_average_before": os.getloadavg()[0]}


# ---- the table --------------------------------------------------------------------------------------


def number(value):
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def spread(runs, key):
    values = sorted(run[key] for run in runs)
    text = number(statistics.median(values))
    return text if len(values) == 1 else f"{text} ({number(values[0])}..{number(values[-1])})"


def ratio(result, key, one="pipeline", other="ceiling"):
    """The median of the pairs' ratios: what a noisy hour does to both cancels out."""
    ratios = sorted(a[key] / b[key] for a, b in zip(result[one], result[other]) if b[key])
    text = f"{statistics.median(ratios):.2f}"
    return text if len(ratios) == 1 else f"{text} ({ratios[0]:.2f}..{ratios[-1]:.2f})"


def rows_backlog(result):
    pipeline, ceiling = result["pipeline"], result["ceiling"]
    for key, label in (
        ("events_per_s", "backlog: events/s"), ("lists_per_s", "backlog: lists/s"),
        ("lists_per_event", "lists written per event"), ("command_bytes", "bytes per command"),
        ("cpu_us_per_event", "CPU us per event"), ("cpu_us_per_list", "CPU us per list"),
        ("events_per_cpu_s", "events per CPU second"), ("cpu_share", "CPUs busy with it"),
        ("waited_share", "time it waited for a CPU, share"), ("rss_mb", "resident MB at the end"),
    ):
        yield label, spread(pipeline, key), spread(ceiling, key), ratio(result, key)
    yield "of which the loop's thread, us per event", spread(pipeline, "loop_cpu_us_per_event"), "", ""
    due = result["stages"]["lists_due_per_event"]
    wrote = statistics.median(run["shopper_lists_per_event"] for run in pipeline)
    yield "lists due per event / written (coalescing)", f"{due:.2f} / {wrote:.2f} = {due / max(wrote, 1e-9):.1f}", "", ""


def rows_checkpoint(result):
    with_it, one = result["checkpointed"], result["checkpoint"]
    for key, label in (("events_per_s", "backlog, a generation every " + CHECKPOINT_INTERVAL + ": events/s (ratio: to none)"),
                       ("cpu_us_per_event", "the same: CPU us per event")):
        yield label, spread(with_it, key), "", ratio(result, key, "checkpointed", "pipeline")
    without, during = one["without"], one["with"]
    yield (f"{one['state_mib']:.0f} MiB of state: ms of a turn of 128 events, p50 / p99 / p99.9 / max",
           *(f"{turns['p50_ms']:.1f} / {turns['p99_ms']:.1f} / {turns['p999_ms']:.1f} / {turns['max_ms']:.1f}" for turns in (during, without)),
           "(left: while it is written)")
    yield "the same: s to write under full load / to lay back", f"{one['write_ms'] / 1000:.1f} / {one['load_ms'] / 1000:.1f}", "", ""
    yield ("bytes per shopper / live session / pair",
           f"{one['bytes_per_subject']:.0f} / {one['bytes_per_session']:.0f} / {one['bytes_per_pair']:.1f}", "", "")


def rows_allocations(result):
    ours, theirs = result["malloc_per_event"]["pipeline"], result["malloc_per_event"]["ceiling"]
    for owner in OWNERS:
        yield f"malloc calls per event: {owner}", f"{ours[owner]:.4f}", f"{theirs[owner]:.4f}", ""


def rows_rates(result):
    for run in result["rates"]:
        at = f"at {run['rate']:,.0f}/s" + (f", {run['generations']} generations" if run["generations"] else "")
        age = run["age_ms"]
        yield (f"{at}: age ms p50 / p99 / p99.9 / max",
               f"{age['p50']:.0f} / {age['p99']:.0f} / {age['p999']:.0f} / {age['max']:.0f}", "", "")
        yield (f"{at}: CPU us per event / CPUs busy / waited for one",
               f"{number(run['cpu_us_per_event'])} / {run['cpu_share']:.2f} / {run['waited_share']:.2f}", "", "")
        yield f"{at}: shoppers' lists per event", number(run["shopper_lists_per_event"]), "", ""
        yield f"{at}: resident MB", number(run["rss_mb"]), "", ""


def print_table(rows):
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    rows.insert(1, ["-" * width for width in widths])
    for row in rows:
        print(" | ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def print_stages(stages):
    measured = stages["events"] / 2  # apply, rank and encode: the second half of the stream
    rows = [("stage", "what", "ns (median of runs)", "lowest..highest", "per event")]
    for row in stages["stages"]:
        each = row["count"] / (stages["events"] if row["stage"] == "decode" else measured)
        rows.append((row["stage"], row["what"], number(row["median_ns"]),
                     f"{number(row['low_ns'])}..{number(row['high_ns'])}", f"{each:.3f}"))
    print_table(rows)
    way = stages["way_us"]
    print(f"apply, and rank and encode of all lists due, one event: p50 {way['p50']:.1f} us, p99 {way['p99']:.1f} us,"
          f" p99.9 {way['p999']:.1f} us")


def report(result):
    if "pipeline" in result:
        rows = [("what", "pipeline", "ceiling", "ratio")]
        rows += [*rows_backlog(result), *rows_allocations(result), *rows_rates(result), *rows_checkpoint(result)]
        print_table(rows)
        print()
    print_stages(result["stages"])


def main():
    args = parse()
    result = measure(args)
    report(result)
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
