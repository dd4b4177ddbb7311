#!/usr/bin/env python3
"""Nothing is left behind: after services, import, run, questions and stops no process of ours lives, and no file is outside the tree and its cache.

Everything runs with a home, a temporary folder and a runtime folder of the story's own, and carries a mark in its environment by which a
process is found wherever it went.
"""
# time limit: 120 s
import os
import subprocess
import sys
import time
from pathlib import Path

from support import MARK, ROOT, Story, wait_for

SHARED = [Path("/tmp"), Path("/var/tmp"), Path("/dev/shm"), Path.home()]


def marked(mark):
    """[(pid, command)] of the living with this mark, us left out."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if int(process.name) != os.getpid() and f"{MARK}={mark}".encode() in (process / "environ").read_bytes():
                found.append((process.name, (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")))
        except OSError:
            pass
    return found


def names():
    """What lies in the folders that everybody uses and could be ours; other runs of tools/ have their own."""
    return {path for folder in SHARED if folder.is_dir() for path in folder.iterdir()
            if "basketry" in path.name.lower() and not path.name.startswith(("basketry-test.", "basketry-story.", "basketry-quickstart."))}


def tree():
    """Files of the tree that no version control knows of; build/ is where things may lie."""
    done = subprocess.run(["git", "-C", str(ROOT), "status", "--porcelain", "--ignored", "--untracked-files=all"], capture_output=True, text=True)
    return {line[3:] for line in done.stdout.splitlines() if line[:2] in ("??", "!!") and not line[3:].startswith("build/")}


def below(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


class Place:
    """A home, a temporary and a runtime folder where nobody else is."""

    def __init__(self, story):
        self.folder = story.folder / "place"
        for name in ("home", "tmp", "runtime", "here"):
            (self.folder / name).mkdir(parents=True, mode=0o700)
        cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        self.environment = {**story.environment, "HOME": str(self.folder / "home"), "TMPDIR": str(self.folder / "tmp"),
                            "XDG_RUNTIME_DIR": str(self.folder / "runtime"), "XDG_CACHE_HOME": cache}

    def call(self, *command, timeout=120):
        return subprocess.run([str(word) for word in command], env=self.environment, cwd=self.folder / "here", capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=timeout)


def write_shop(place):
    here = place.folder / "here"
    rows = [f"{1700000000000 + n * 1000}\tu{n % 50}\ts{n // 3}\tpurchase\titem {n % 7}\t1\t1.00" for n in range(3000)]
    (here / "events.tsv").write_text("ts_ms\tuser\tsession\tevent\titem\tqty\tprice\n" + "\n".join(rows) + "\n")


def live(story, place):
    """A day of it, with the commands of README."""
    here = place.folder / "here"
    up = place.call(ROOT / "tools/services", "up")
    servers = dict(line.split("=", 1) for line in up.stdout.splitlines())
    story.check(up.returncode == 0 and set(servers) == {"BASKETRY_KAFKA", "BASKETRY_REDIS"}, f"services come up: {' '.join(servers.values())}")
    config = here / "shop.ini"
    config.write_text(f"[kafka]\nbrokers = {servers['BASKETRY_KAFKA']}\n[redis]\nurl = {servers['BASKETRY_REDIS']}\n"
                      f"[control]\nsocket = {place.folder / 'runtime' / 'control.sock'}\n[lists]\nrefresh = 2s\nemail_interval = 1s\n")
    write_shop(place)
    story.check(place.call(story.program, "check-config", "-c", config).returncode == 0, "check-config is content")
    done = place.call(story.program, "import", "-c", config, "events.tsv")
    story.check(done.returncode == 0, "a file is imported")
    log = place.call(story.program, "import", "-c", config, "--to", "file:shop.log", "events.tsv")
    story.check(log.returncode == 0 and (here / "shop.log").stat().st_size > 0, "and written as a log file, where it was asked for")
    with open(here / "run.log", "wb") as out:
        run = subprocess.Popen([story.program, "run", "-c", str(config)], env=place.environment, cwd=here, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    story.processes.append(run)
    answered = wait_for(lambda: place.call(story.program, "top", "c:u1", "-c", config).returncode == 0
                        and "item" in place.call(story.program, "top", "c:u1", "-c", config).stdout, 15, 0.2)
    story.check(answered, "it runs, and top shows a shopper's list")
    for words in (["status"], ["inspect", "item", "item 1"], ["inspect", "subject", "c:u1"], ["inspect", "digest"], ["inspect", "counters"]):
        story.check(place.call(story.program, *words, "-c", config).returncode == 0, f"`{' '.join(words)}` is answered")
    run.terminate()
    story.check(run.wait(15) == 0, "the run stops when asked")
    replay = place.call(story.program, "run", "-c", config, "--file", "shop.log", "--until-end")
    story.check(replay.returncode == 0, "the log file is replayed")
    down = place.call(ROOT / "tools/services", "down")
    story.check(down.returncode == 0, "services go down")


def story_of(story):
    shared, files = names(), tree()
    place = Place(story)
    live(story, place)
    left = wait_for(lambda: not marked(story.mark), 3) or marked(story.mark)
    story.check(left is True, f"no process is left ({'none' if left is True else left})")
    story.check(below(place.folder / "here") == ["events.tsv", "run.log", "shop.ini", "shop.log"], "in the folder of the commands lies what was put there, nothing else")
    for name in ("home", "tmp", "runtime"):
        found = below(place.folder / name)
        story.check(not found, f"the {name} folder is empty ({', '.join(found) or 'nothing'})")
    new = names() - shared
    if new:  # perhaps somebody else's, on their way out
        time.sleep(5)
        new = {path for path in new if path.exists()}
    story.check(not new, f"in {', '.join(map(str, SHARED))} is nothing new of ours ({', '.join(map(str, sorted(new))) or 'nothing'})")
    if (ROOT / ".git").exists():
        added = {name for name in tree() - files if "__pycache__" in name or name.endswith((".pyc", ".log", ".sock", ".pid"))}
        story.check(not added, f"the tree has no file that was not there ({', '.join(sorted(added)) or 'none'})")
    else:
        story.skip("the tree is no clone: its files are not compared")


with Story(needs_kafka=False) as story:
    story_of(story)
sys.exit(story.end())
