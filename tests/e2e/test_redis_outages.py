#!/usr/bin/env python3
"""All that Redis can do to us, one after another under load: each is named by status, memory stays flat, nothing spins, and what could not be
written is written when it is over.
"""
# time limit: 240 s
import contextlib
import shutil
import socket
import struct
import sys
import threading
import time

import redis

from support import QUICK_SWEEPS, Story, cpu_s, free_port, wait_for

SHOPPERS = 300
RATE = 150
GROWTH_MAX = 12 << 20


class Proxy:
    """Between the run and Redis: may refuse, be slow, or reset a connection in the middle of a reply."""

    def __init__(self, port):
        self.to, self.port = port, free_port()
        self.slow_s, self.cut = 0, False
        self.pairs = []
        self.listener = None
        self.open()

    def open(self):
        self.listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.reset()

    def reset(self):
        for pair in self.pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    end.shutdown(socket.SHUT_RD)
                    end.close()
        self.pairs = []

    def accept(self, listener):
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(("127.0.0.1", self.to))
                self.pairs.append((near, far))
                threading.Thread(target=self.pump, args=(near, far, False), daemon=True).start()
                threading.Thread(target=self.pump, args=(far, near, True), daemon=True).start()

    def pump(self, source, sink, replies):
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if replies and self.cut and len(data) > 3:
                    sink.sendall(data[:len(data) - 2])
                    self.cut = False
                    return self.reset()
                if replies and self.slow_s:
                    time.sleep(self.slow_s)
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


class Shoppers(threading.Thread):
    """A shop that never closes."""

    def __init__(self, shop):
        super().__init__(daemon=True)
        self.shop, self.going = shop, True
        self.start()

    def run(self):
        n = 0
        while self.going:
            self.shop.view(f"c:{n % SHOPPERS}", f"item {n * 7 % 40}")
            n += 1
            time.sleep(1 / RATE)

    def stop(self):
        self.going = False
        self.join()


class Outage:
    """One fault: how it is brought about, by what words status names it, how it is ended."""

    def __init__(self, name, begin, end, states, words="", held=None, rests=True):
        self.name, self.begin, self.end = name, begin, end
        self.states, self.words, self.held, self.rests = states, words, held, rests

    def named(self, status):
        sink = status and status["sink"]
        told = sink and (self.words in sink["detail"] or self.words in sink["last_error"])
        return sink and sink["state"] in self.states and told and (not self.rests or status["intake"] == "redis_away") and status

    def play(self, story, run):
        self.begin()
        status = wait_for(lambda: self.named(run.try_ask("status")), 8)
        seen = status or run.ask("status")
        story.check(status and (not self.rests or status["health"] == "down"),
                    f"{self.name}: sink {seen['sink']['state']}, {seen['sink']['detail']!r}, intake {seen['intake']}, health {seen['health']}")
        spent = cpu_s(run.pid)
        time.sleep(0.8)
        spent = (cpu_s(run.pid) - spent) / 0.8
        rss = run.rss()
        self.end()
        well = wait_for(lambda: run.ask("status")["health"] == "ok", 10)
        held = run.ask("inspect", "counters")["basketry_redis_held_total"].get(self.held, 1)
        story.check(well and spent < 0.5 and held > 0, f"  over by itself; meanwhile it took {spent * 100:.0f} % of a core, counted as {self.held or 'a lost connection'}")
        return rss


def outages(story, server, proxy):
    folder = story.folder / "rdb"
    admin = server.client()

    def as_replica():
        admin.execute_command("REPLICAOF", "127.0.0.1", free_port())

    def cannot_save():
        admin.config_set("save", "3600 1")
        (folder / "dump.rdb").unlink(missing_ok=True)
        (folder / "dump.rdb/in the way").mkdir(parents=True)
        admin.bgsave()
        wait_for(lambda: admin.info("persistence")["rdb_last_bgsave_status"] == "err", 5)

    def can_save():
        shutil.rmtree(folder / "dump.rdb")
        wait_for(lambda: not admin.info("persistence")["rdb_bgsave_in_progress"], 5)
        admin.bgsave()

    def runs_a_script():
        def run_it():
            with contextlib.suppress(redis.RedisError):
                server.client().eval("while true do end", 0)
        threading.Thread(target=run_it, daemon=True).start()

    def reloads():
        admin.config_set("save", "")
        admin.save()
        server.kill()
        server.options = (*server.options, "--key-load-delay", "3000", "--loading-process-events-interval-bytes", "1024")
        server.start()

    def wants_a_password():
        admin.config_set("key-load-delay", "0")
        admin.config_set("requirepass", "secret")
        server.client(password="secret").client_kill_filter(_type="normal", skipme=True)

    def wants_none():
        server.client(password="secret").config_set("requirepass", "")

    def slow():
        proxy.slow_s = 0.15

    def quick():
        proxy.slow_s = 0

    def cut():
        proxy.cut = True

    gone = ("backoff", "connecting")
    return [
        Outage("refused", proxy.close, proxy.open, gone, "refused"),
        Outage("reset in the middle of a reply", cut, lambda: None, ("ready", *gone), "", rests=False),
        Outage("slow", slow, quick, ("ready",), rests=False),
        Outage("frozen (SIGSTOP)", server.freeze, server.thaw, ("stalled", "connecting"), "no answer"),
        Outage("out of memory", lambda: admin.config_set("maxmemory", 1), lambda: admin.config_set("maxmemory", 0), ("refusing",), "OOM", "oom"),
        Outage("a replica", as_replica, lambda: admin.execute_command("REPLICAOF", "NO", "ONE"), ("refusing", "connecting"), "READONLY", "readonly"),
        Outage("cannot save to disk", cannot_save, can_save, ("refusing",), "MISCONF", "misconf"),
        Outage("busy with a script", runs_a_script, admin.script_kill, ("refusing", "stalled", "connecting"), "BUSY", "busy"),
        Outage("killed, and loading its data", reloads, lambda: None, ("refusing", "connecting"), "LOADING", "loading", rests=False),
        Outage("a password nobody told us", wants_a_password, wants_none, ("refusing", "connecting"), "NOAUTH", "noauth"),
    ]


def wrong_password(story):
    server = story.redis_server("--requirepass", "right")
    shop = story.shop("password", partitions=1)
    wrong = story.folder / "password"
    wrong.write_text("wrong\n")
    run = story.run(shop, name="password", redis_url=server.url, redis__password_file=wrong, redis__backoff_max="500ms")
    shop.view("c:1", "bread")
    wait_for(lambda: run.ask("status")["sink"]["state"] == "refusing", 5)
    sink = run.ask("status")["sink"]
    story.check(sink["state"] == "refusing" and "WRONGPASS" in sink["detail"],
                f"a wrong Redis password is a named state: {sink['state']}, {sink['detail']!r}")
    resting = wait_for(lambda: run.ask("status")["intake"] == "redis_away", 5)
    story.check(run.alive() and resting, "intake rests meanwhile, the run lives on")
    story.check("right" not in run.log and "wrong" not in run.log.replace("WRONGPASS", ""), "no password is in the log")
    server.client(password="right").config_set("requirepass", "wrong")
    story.check(wait_for(lambda: run.ask("status")["sink"]["state"] == "ready", 10), "the password put right, it goes on by itself")
    name = run.key("c:1", "home")
    story.check(wait_for(lambda: server.client(password="wrong").get(name), 5), "and publishes what waited")
    run.stop()


def under_load(story):
    (story.folder / "rdb").mkdir()
    server = story.redis_server("--dir", str(story.folder / "rdb"), "--lua-time-limit", "50")
    proxy = Proxy(server.port)
    shop = story.shop("redis-outages", partitions=2)
    run = story.run(shop, redis_url=f"redis://127.0.0.1:{proxy.port}", state__dedup_events=4096, redis__backoff_max="500ms",
                    redis__stall_timeout="700ms", redis__connect_timeout="700ms", **QUICK_SWEEPS)
    shoppers = Shoppers(shop)
    wait_for(lambda: run.ask("status")["records"] > 2 * SHOPPERS, 15)
    before = run.rss()
    most = max(outage.play(story, run) for outage in outages(story, server, proxy))
    shoppers.stop()
    story.check(run.settled(shop), "when the shop rests, everything is published")
    most = max(most, run.rss())
    story.check(most - before < GROWTH_MAX, f"through all of it memory grew by {(most - before) / (1 << 20):.1f} MB")
    counters = run.ask("inspect", "counters")
    story.note("answers: " + ", ".join(f"{word} {count}" for word, count in counters["basketry_redis_answers_total"].items() if count))
    story.check(counters["basketry_records_total"]["ok"] == shop.sent(), "every event was read once")
    lines = [line for line in run.log.splitlines() if "at=sink msg=health" in line or "at=redis" in line]
    story.check(len(lines) < 150, f"the log tells each outage in a few lines ({len(lines)} in all)")
    story.check(counters["basketry_intake_paused_seconds_total"] > 1, f"intake rested for {counters['basketry_intake_paused_seconds_total']:.1f} s")
    run.swept()
    run.check_verified("afterwards verify finds Redis as the state says")
    story.check(run.stop() == 0, "it stops when asked")


with Story() as story:
    under_load(story)
    wrong_password(story)
sys.exit(story.end())
