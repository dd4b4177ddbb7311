#!/usr/bin/env python3
"""Starting, stopping and being stopped: what an operator does on a bad day, each once.
"""
# time limit: 180 s
import contextlib
import os
import re
import socket
import sys
import time

from support import Load, Services, Story, wait_for

EXIT_UNAVAILABLE = 69
EXIT_TEMPORARY = 75
EXIT_CONFIG = 78


@contextlib.contextmanager
def occupied(ports):
    """Sockets that listen on these ports of the loopback, where nobody does yet."""
    with contextlib.ExitStack() as stack:
        for port in ports:
            taken = stack.enter_context(socket.socket())
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                taken.bind(("127.0.0.1", port))
                taken.listen()
        yield


def drains(story):
    """SIGTERM under load: what was read is published, nothing half done is left."""
    shop = story.shop("drain")
    run = story.run(shop, name="drain")
    load = Load(story, shop, "--rate", 2000, "--seconds", 10, "--subjects", 2000, "--ledger", story.folder / "ledger").sending()
    wait_for(lambda: run.ask("status")["records"] > 3000, 10)
    began = time.monotonic()
    code = run.stop()
    spent = time.monotonic() - began
    load.stop()
    story.check(code == 0 and spent < 6, f"SIGTERM under load: it drains and leaves with 0 after {spent:.1f} s")
    story.check("draining why=sigterm" in run.log and "stopped" in run.log and "drain_deadline" not in run.log,
                "the log says that it drained, and was not cut off")
    story.check(not os.path.exists(run.socket), "the control socket is gone")
    client = run.redis()
    before = {subject: offset for subject, offset in last_offsets(run, client)}
    run.start()
    run.settled(shop)
    after = {subject: offset for subject, offset in last_offsets(run, client)}
    story.check(len(after) >= len(before) and all(after[subject] >= offset for subject, offset in before.items()),
                f"started again it reads the log from its beginning, and ends with no list older than before ({len(after)} home lists)")
    code, _, err = run.command("status")
    story.check(code == 0, "status answers from the command line")
    run.stop()
    code, _, err = run.command("status")
    story.check(code == EXIT_UNAVAILABLE and err.strip(), f"and says so when nobody runs: {code}, {err.strip().splitlines()[0] if err.strip() else ''!r}")


def last_offsets(run, client):
    names = [name for name in run.keys() if name.endswith(b":home")]
    as_of = re.compile(rb'"as_of":\{"partition":\d+,"offset":(\d+)\}')
    return [(name, int(as_of.search(value)[1])) for name, value in zip(names, client.mget(names)) if value]


def ends(story):
    """--until-end: a batch job's way to run."""
    shop = story.shop("ends")
    for n in range(500):
        shop.buy(f"c:{n}", "bread", "butter")
    shop.sent()
    run = story.run(shop, name="ends", arguments=("--until-end",))
    code = run.process.wait(30)
    story.check(code == 0 and len([name for name in run.keys() if name.endswith(b":cart")]) == 500,
                "--until-end: it stops by itself when 500 shoppers' lists are published")


def stuck(story, server, shop, run, item):
    """Redis freezes, 200 shoppers do something, somebody sends SIGTERM."""
    run.settled(shop)
    server.freeze()
    for n in range(200):
        shop.view(f"c:{n}", item)
    read = shop.sent()
    wait_for(lambda: run.ask("status")["records"] >= read, 5)
    run.process.terminate()
    time.sleep(0.5)
    return time.monotonic() - 0.5


def leaves_at_once(story):
    server = story.redis_server()
    shop = story.shop("twice")
    run = story.run(shop, name="twice", redis_url=server.url)
    began = stuck(story, server, shop, run, "bread")
    story.check(run.alive(), "SIGTERM while Redis is frozen: it tries to finish what it has in hand")
    code = run.process.wait(20)
    spent = time.monotonic() - began
    story.check(spent < 10 and code == EXIT_TEMPORARY, f"a drain has its deadline, and does not claim success: {spent:.1f} s, {code}")
    server.thaw()

    run.start()
    stuck(story, server, shop, run, "butter")
    began = time.monotonic()
    run.process.terminate()
    code = run.process.wait(5)
    spent = time.monotonic() - began
    story.check(code == EXIT_TEMPORARY and spent < 0.5, f"a second SIGTERM: it leaves at once, with {code} after {spent * 1000:.0f} ms")
    story.check("leaving_at_once" in run.log, "the log says so")
    server.thaw()
    began = time.monotonic()
    run.start()
    story.check(run.alive() and run.try_ask("status"), "the socket file it could not remove is no hindrance to the next start")
    current = wait_for(lambda: run.is_settled(shop.sent()), 60, 0.1)
    spent = time.monotonic() - began
    story.check(current and spent < 15 and "butter" in str(run.subject("c:1")["session"]),
                f"and although nobody told the group that the first one died, what was not published is: current after {spent:.1f} s")
    run.stop()


def taken(story):
    """Default ports and the control socket belong to somebody else."""
    with occupied([9092, 6379, 19092, 16379]):
        services = Services(story)
        held = services.kafka and services.redis and not {services.kafka, services.redis} & {"127.0.0.1:19092", "redis://127.0.0.1:16379"}
        story.check(held, f"with the default ports taken, services come up on others: {services.kafka}, {services.redis}")
        done = services.down()
        story.check(done.returncode == 0 and not services.folder.exists(), "and go without a trace")
    shop = story.shop("taken")
    first = story.run(shop, name="first")
    second = story.run(shop, name="second", control__socket=first.socket)
    code = second.process.wait(10)
    story.check(code == EXIT_UNAVAILABLE and first.socket in second.log, f"a control socket that is in use stops a second start with its path ({code})")
    story.check(first.ask("status")["intake"] == "flowing", "the first run is not disturbed")
    first.stop()


with Story() as story:
    drains(story)
    ends(story)
    leaves_at_once(story)
    taken(story)
sys.exit(story.end())
