#!/usr/bin/env python3
"""`basketry evaluate`: its digits are the reference scorer's, and the lists are as good as they were.

Two parts. On our own small data set (tests/fixtures/evaluate) the metrics were worked out by hand: always told. On real
data, when BASKETRY_DATA and BASKETRY_EVAL point at it, each run's dump is scored by score.py, whose two lines must be evaluate's
own, and must not be worse than what stands below: skipped, and said so, where there is none.
"""
# time limit: 480 s
import json
import os
import pathlib
import subprocess
import sys

BASKETRY = os.environ["BASKETRY_BIN"]
FIXTURE = pathlib.Path(__file__).resolve().parents[1] / "fixtures" / "evaluate"
DROP = "POST|DOT|M|D|S|C2|BANK CHARGES|AMAZONFEE|CRUK|PADS|gift_.*|DCGS.*"
RETAILROCKET = ["--train", "retailrocket/train_sessions.txt.zst", "--test", "retailrocket/test_sessions.txt.zst"]
ONLINE_RETAIL = ["--data", "online_retail/events.tsv.zst", "--drop", DROP]
DUNNHUMBY = ["--data", "dunnhumby/events_w96_98.tsv.zst"]

# task, what to read, further words, what each metric was when this was written. It may fall by 1 %: that catches a ranker
# that got worse, not noise. A change that makes one better raises it here.
REAL = [
    ("next-item", RETAILROCKET, [], {"hr@20": 0.6009, "mrr@20": 0.3279}),
    ("next-item", RETAILROCKET, ["--prequential"], {"hr@20": 0.6137, "mrr@20": 0.3311}),
    ("next-basket", ONLINE_RETAIL, [], {"recall@10": 0.1965, "ndcg@10": 0.2845}),
    ("next-basket", ONLINE_RETAIL, ["--context", "discover"], {"explore_recall@10": 0.0533, "explore_recall@20": 0.0845}),
    ("next-basket", ONLINE_RETAIL, ["--user-sample", "500"], {}),
    ("next-basket", DUNNHUMBY, [], {"recall@10": 0.1622, "ndcg@10": 0.1797}),
    ("next-basket", ["--data", "coop40/events.tsv.zst"], [], {"recall@10": 0.2719}),
    ("basket-completion", ONLINE_RETAIL, [], {"recall@10": 0.1299}),
    ("basket-completion", ONLINE_RETAIL, ["--customers"], {"recall@10": 0.1747}),
    ("basket-completion", DUNNHUMBY, [], {"recall@10": 0.0873}),
    ("basket-completion", ["--data", "bread_basket/events.tsv.zst"], [], {"recall@10": 0.6751}),
    ("basket-completion", ["--data", "groceries/events.tsv.zst"], [], {"recall@10": 0.4160}),
    ("prequential-basket", ONLINE_RETAIL, [], {"recall@10": 0.1895}),
    ("prequential-basket", DUNNHUMBY, [], {"recall@10": 0.1934}),
    ("prequential-basket", ["--data", "coop40/events.tsv.zst"], [], {"recall@10": 0.3144}),
]
FALL = 0.99

failures = 0


def tell(held, sentence, detail=""):
    global failures
    failures += not held
    print(("ok - " if held else "not ok - ") + sentence)
    if not held and detail:
        print(f"    {detail}")


def evaluate(task, words, cwd="."):
    command = [BASKETRY, "evaluate", "--task", task, *map(str, words)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def by_hand():
    """The metrics of the fixture, as tests/unit/cli/test_evaluate.c derives them."""
    sessions = ["--train", FIXTURE / "train_sessions.txt", "--test", FIXTURE / "test_sessions.txt"]
    receipts = ["--data", FIXTURE / "events.tsv", "--drop", "POST"]
    cases = [
        ("next-item", sessions, {"queries": 3, "hr@10": 1.0, "mrr@10": 0.777778, "coverage@20": 1.0}),
        ("next-basket", receipts, {"queries": 2, "recall@10": 0.708333, "ndcg@10": 0.63431,
                                   "explore_recall@10": 0.5, "recall@10_se": 0.041667}),
        ("next-basket", ["--data", FIXTURE / "baskets.tsv"], {"queries": 2, "recall@10": 0.708333}),
        ("basket-completion", receipts, {"queries": 2, "recall@10": 0.75, "hr@10": 1.0, "recall@10_se": 0.25}),
        ("prequential-basket", receipts, {"queries": 5, "recall@10": 0.95, "recall@10_late": 1.0, "queries_late": 1}),
    ]
    for task, words, wanted in cases:
        run = evaluate(task, [*words, "--json"])
        got = json.loads(run.stdout) if run.returncode == 0 else {}
        wrong = {name: got.get(name) for name, value in wanted.items() if got.get(name) != value}
        source = pathlib.Path(words[1]).name
        tell(not wrong, f"{task} on {source} gives the metrics worked out by hand", f"{wrong} {run.stderr}")


def wrong_use():
    """What cannot be answered is refused with the exit code of its kind."""
    for sentence, words, code in [
        ("a task that does not exist is wrong use", ["next-thing"], 64),
        ("a task without its data is wrong use", ["next-basket"], 64),
        ("data that is not there is wrong data", ["next-basket", "--data", "nowhere.tsv"], 65),
        ("a configuration key that does not exist is told", ["next-basket", "--data", "x", "-X", "state.nothing=1"], 78),
    ]:
        run = evaluate(words[0], words[1:])
        tell(run.returncode == code and run.stderr.startswith("basketry: "), sentence, f"{run.returncode} {run.stderr}")


def scored(data, kit, task, words, more):
    """(evaluate's two lines, the reference scorer's of the same dump)."""
    dump = os.path.abspath("lists.dump")
    own = evaluate(task, [*words, *more, "--dump", dump], cwd=data)
    if own.returncode:
        return own.stderr, None
    asked = [] if more[:1] != ["--user-sample"] else more  # the scorer knows of no other
    command = [sys.executable, "-B", os.path.join(kit, "score.py"), task, *words, *asked, "--dump", dump]
    reference = subprocess.run(command, cwd=data, capture_output=True, text=True, check=False)
    return own.stdout, reference.stdout or reference.stderr


def real():
    data, kit = os.environ.get("BASKETRY_DATA"), os.environ.get("BASKETRY_EVAL")
    if not (data and kit):
        print("skip - real data: BASKETRY_DATA and BASKETRY_EVAL are not set")
        return
    for task, words, more, measured in REAL:
        name = " ".join([task, words[1].split("/")[0], *more])
        if not os.path.exists(os.path.join(data, words[1])):
            print(f"skip - {name}: no {words[1]}")
            continue
        own, reference = scored(data, kit, task, words, more)
        tell(own == reference, f"{name}: evaluate and the reference scorer agree to the last digit", f"{own} {reference}")
        got = json.loads(own.splitlines()[0]) if reference else {}
        for metric, was in measured.items():
            value = got.get(metric, 0)
            tell(value >= FALL * was, f"{name}: {metric} {value:.4f} did not fall by 1 % from {was}")


by_hand()
wrong_use()
real()
sys.exit(failures > 0)
