#!/usr/bin/env python3
"""`basketry demo` in a real terminal (tmux), with keys pressed, at 80 x 24 and 200 x 60; and what it leaves behind: nothing.

No broker and no Redis of anybody's: the demo has its own. Its screens are kept in build/test/demo/.
"""
# time limit: 120 s
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from support import MARK, ROOT, Story, wait_for

SCREENS = ROOT / "build" / "test" / "demo"
AGE = re.compile(r"age (\d+) ms")
LIVE_S = 60 if "asan" in os.environ.get("BASKETRY_BIN", "") else 30


def marked(mark):
    """{pid: command} of the living that a story started."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={mark}".encode() in (process / "environ").read_bytes():
                found[int(process.name)] = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            pass
    return found


def parent(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


class Terminal:
    """tmux with one window that runs the demo: `text()` is what a person sees."""

    def __init__(self, story, name, columns, rows, words="", **environment):
        self.story, self.name = story, name
        self.socket = story.folder / f"{name}.tmux"
        self.before, self.after = story.folder / f"{name}.before", story.folder / f"{name}.after"
        script = (f"ulimit -c 0; stty -g >{self.before}; {story.program} demo --households 300 {words}; echo \"exit $?\"; "
                  f"stty -g >{self.after}; sleep 60")
        settings = [word for pair in environment.items() for word in ("-e", "=".join(pair))]
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", columns, "-y", rows, *settings, script)

    def tmux(self, *words):
        return subprocess.run(["tmux", "-S", str(self.socket), *map(str, words)], env={**self.story.environment, "LC_ALL": "C.UTF-8"},
                              capture_output=True, text=True, timeout=10, check=False).stdout

    def text(self, *words):
        return self.tmux("capture-pane", "-p", *words)

    def lines(self):
        return self.text().splitlines()

    def press(self, *keys):
        self.tmux("send-keys", *keys)

    def type(self, text):
        self.tmux("send-keys", "-l", text)

    def until(self, condition, seconds=8):
        """Wait until the screen is so; the screen when it is, else ''."""
        def look():
            text = self.text()
            return text if condition(text) else ""
        return wait_for(look, seconds, 0.05)

    def live(self):
        return self.until(lambda text: "events/s" in text and AGE.search(text), LIVE_S)

    def keep(self, name):
        SCREENS.mkdir(parents=True, exist_ok=True)
        (SCREENS / f"{name}.txt").write_text(self.text())

    def ended(self):
        """The exit code that the shell saw."""
        found = self.until(lambda text: re.search(r"^exit \d+$", text, re.M), 15)
        return int(re.search(r"^exit (\d+)$", found, re.M).group(1)) if found else None

    def is_restored(self):
        return wait_for(self.after.exists, 2) and self.before.read_text() == self.after.read_text()

    def close(self):
        self.tmux("kill-server")


def server_of(story):
    """(demo's pid, redis-server's pid, folder), as they stand in /proc. A redis-server writes over its environment, so it is found as the
    child of the demo's keeper, which is a child of the demo."""
    demos = [pid for pid, command in marked(story.mark).items() if command.startswith(f"{story.program} demo")]
    demo = next((pid for pid in demos if parent(pid) not in demos), None)
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            folder = re.search(r"(/\S*basketry-demo\.\w+)", command)
            if "redis-server" in command and folder and parent(process.name) in demos:
                return demo, int(process.name), Path(folder.group(1))
        except OSError:
            pass
    return demo, None, None


def check_nothing_is_left(story, server, folder, how):
    def gone():
        processes = [pid for pid, command in marked(story.mark).items() if command.startswith(f"{story.program} demo")]
        return not processes and not Path(f"/proc/{server}").exists() and not folder.exists()
    story.check(server and folder and wait_for(gone, 5), f"{how} leaves neither redis-server nor folder nor process behind")


def right(line):
    return line.split("│", 1)[1] if "│" in line else ""


def left(line):
    return line.split("│", 1)[0]


def check_screen(story, terminal, columns, rows):
    text = terminal.text()
    lines = text.splitlines()
    size = f"{columns} x {rows}"
    story.check(len(lines) == rows and max(map(len, lines)) <= columns and "SIMULATED" in lines[0] and "q quit" in lines[-1],
                f"the screen fills {size} and is labelled simulated")
    heads = [right(line).strip() for line in lines if re.match(r" (home|cart|product)\b", right(line))]
    story.check(len(heads) == 3 and AGE.search(heads[0]), f"{size}: three lists, and the age of the home list in ms ({heads})")
    reasons = [line for line in lines if re.search(r"you viewed|bought with|you buy it|you looked at it|visits with|seen after|viewed next|popular",
                                                   right(line))]
    story.check(len(reasons) >= 5, f"{size}: items with reasons in words ({len(reasons)})")
    story.check(re.search(r"\d+ events/s .*\d+ lists/s .*age p50 [\d.]+ ms p99 [\d.]+ ms .*\d+ MB", lines[-2]),
                f"{size}: a line of numbers ({lines[-2].strip()})")


def watch(story):
    terminal = Terminal(story, "watch", 80, 24)
    story.check(terminal.live(), "the demo is live in 80 x 24")
    _, server, folder = server_of(story)
    terminal.until(lambda text: re.search(r"│ (new|[▲▼]\d)", text) and "p99" in text, 15)
    check_screen(story, terminal, 80, 24)
    story.check(re.search(r"│ (new|[▲▼]\d)", terminal.text()), "what is new on a list, or moved, is marked")
    story.check(re.search(r"\x1b\[[\d;]*3[1-7]", terminal.text("-e")), "a terminal with colours gets colours")
    terminal.keep("80x24")

    who = terminal.lines()[1]
    terminal.press("n")
    other = terminal.until(lambda text: text.splitlines()[1][:20] != who[:20])
    terminal.press("p")
    story.check(other and terminal.until(lambda text: text.splitlines()[1][:20] == who[:20]), "n follows another shopper, p goes back")
    terminal.press("+")
    story.check(terminal.until(lambda text: "clock 600x" in text.splitlines()[0]), "+ makes the shop's clock faster")
    terminal.press("l")
    large = terminal.until(lambda text: "cart" not in "".join(map(right, text.splitlines())))
    story.check(large and terminal.press(*"llllll") is None and terminal.until(lambda text: re.search("│ product", text)),
                "l shows one list large, and in the end all again")
    terminal.press("?")
    story.check(terminal.until(lambda text: "Nothing stays behind" in text), "? explains")
    terminal.press("?")
    act(story, terminal)
    terminal.tmux("resize-window", "-x", 200, "-y", 60)
    terminal.until(lambda text: len(text.splitlines()) == 60 and "q quit" in text.splitlines()[-1]
                   and AGE.search(text) and re.search("│ (new|[▲▼])", text), 15)
    check_screen(story, terminal, 200, 60)
    story.check(re.search(r"bought together|buy again|similar to viewed|popular", terminal.text()), "200 x 60 has room for tags")
    terminal.keep("200x60")
    terminal.press("Space")
    paused = terminal.until(lambda text: "PAUSED" in text.splitlines()[0])
    frozen = [left(line) for line in terminal.lines()[2:-2]]
    story.check(paused and not wait_for(lambda: [left(line) for line in terminal.lines()[2:-2]] != frozen, 2.5),
                "space holds the shop: no click comes")
    terminal.press("q")
    story.check(terminal.ended() == 0 and "simulated:" in terminal.text(), "q ends it with exit code 0 and a summary")
    story.check(terminal.is_restored(), "the terminal is as it was")
    terminal.close()
    check_nothing_is_left(story, server, folder, "q")


def act(story, terminal):
    terminal.press("a")
    terminal.type("apple")
    found = terminal.until(lambda text: "search: apple_" in text and re.search(r"apple.*\d\.\d\d", text, re.I))
    terminal.press("Down", "Enter")
    searched = terminal.until(lambda text: '"apple"' in text)
    terminal.press("v")
    viewed = terminal.until(lambda text: any("product of" in right(line) and AGE.search(line) for line in text.splitlines()))
    name = next((left(line).strip("> ").split(" ")[0] for line in terminal.lines() if left(line).strip().startswith(">")), "?")
    story.check(found and searched and viewed, f"acting: a few letters find products, looking at one changes the product list ({name})")
    terminal.press("c")
    story.check(terminal.until(lambda text: "into cart" in text and "cart: " in text.splitlines()[1]), "acting: c puts it into the cart")
    terminal.press("d")
    story.check(terminal.until(lambda text: "dismisses" in text), "acting: d dismisses it")
    terminal.press("b")
    story.check(terminal.until(lambda text: "buys" in text and "cart: " not in text.splitlines()[1]), "acting: b buys the cart")
    terminal.keep("80x24-acting")
    terminal.press("Escape")
    story.check(terminal.until(lambda text: "a act" in text.splitlines()[-1]), "Esc lets the shopper go")


def end_badly(story):
    for number, name, code in ((signal.SIGTERM, "kill", 0), (signal.SIGSEGV, "a crash", None)):
        terminal = Terminal(story, f"end{int(number)}", 200, 60, NO_COLOR="1")
        terminal.until(lambda text: "SIMULATED" in text, LIVE_S)
        demo, server, folder = server_of(story)
        plain = terminal.text("-e")
        os.kill(demo, number)
        ended = terminal.ended()
        story.check(ended == code if code is not None else ended, f"{name} ends it (exit code {ended})")
        story.check(terminal.is_restored(), f"after {name} the terminal is as it was")
        story.check(not re.search(r"\x1b\[[\d;]*3[1-7]", plain), "NO_COLOR leaves colours out")
        terminal.close()
        check_nothing_is_left(story, server, folder, name)
    terminal = Terminal(story, "interrupt", 80, 24)
    terminal.until(lambda text: "SIMULATED" in text, LIVE_S)
    _, server, folder = server_of(story)
    terminal.press("C-c")
    story.check(terminal.ended() == 0, "Ctrl-C ends it with exit code 0")
    terminal.close()
    check_nothing_is_left(story, server, folder, "Ctrl-C")


def pipe(story):
    command = [story.program, "demo", "--households", "300"]
    done = subprocess.run([*command, "--seconds", "4"], env=story.environment, capture_output=True, text=True, timeout=90, check=False,
                          stdin=subprocess.DEVNULL)
    events = [line for line in done.stdout.splitlines() if "  event  " in line]
    lists = [line for line in done.stdout.splitlines() if "  list   " in line]
    story.check(done.returncode == 0 and not done.stderr and "\x1b" not in done.stdout, f"a pipe gets plain lines ({done.stderr.strip()})")
    story.check(events and [line for line in lists if re.search(r" \d+ ms  1 .+\(.+\)", line)],
                f"a line an event and a line a list, with its age ({len(events)}, {len(lists)})")
    story.check("simulated:" in done.stdout.splitlines()[-1], f"and a summary ({done.stdout.splitlines()[-1]})")
    killed = story.spawn(command, stdout=subprocess.DEVNULL)
    wait_for(lambda: server_of(story)[1], LIVE_S)
    _, server, folder = server_of(story)
    killed.kill()
    killed.wait()
    check_nothing_is_left(story, server, folder, "kill -9")
    empty = story.folder / "empty"
    empty.mkdir()
    done = subprocess.run([*command, "--seconds", "1"], env={**story.environment, "PATH": str(empty)}, capture_output=True, text=True,
                          timeout=30, check=False)
    story.check(done.returncode == 69 and "redis-server is not installed" in done.stderr, f"without redis-server it says so ({done.stderr.strip()})")


def main():
    with Story(needs_kafka=False) as story:
        if not shutil.which("tmux"):
            story.skip("no tmux here: tools/deps --group test installs it")
            return 77
        if not Path("/proc/self/environ").exists():
            story.skip("no /proc here")
            return 77
        story.environment["LC_ALL"] = "C.UTF-8"
        watch(story)
        end_badly(story)
        pipe(story)
        return story.end()


sys.exit(main())
