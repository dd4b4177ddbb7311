#!/usr/bin/env python3
"""`basketry tune`: finds better weights, by the training part alone, and the same ones each time."""
# time limit: 60 s
import os
import random
import subprocess
import sys
import tempfile

BASKETRY = os.environ["BASKETRY_BIN"]
BAD = "rank.weights=home_rest.buy_again=0.01,home_rest.popular=800"

failures = 0


def tell(held, sentence, detail=""):
    global failures
    failures += not held
    print(("ok - " if held else "not ok - ") + sentence)
    if not held and detail:
        print(f"    {detail}")


def receipts(count):
    """Thirty customers who mostly buy their own six things, and some of what everybody buys."""
    chance = random.Random(17)
    own = [chance.sample(range(20, 200), 6) for _ in range(30)]
    for number in range(count):
        customer = chance.randrange(30)
        items = set(chance.sample(own[customer], 3)) | {min(int(chance.expovariate(0.3)), 19) for _ in range(3)}
        yield number, customer, sorted(items)


def write(path, rows):
    with open(path, "w", encoding="utf-8") as file:
        print("ts_ms\tuser\tsession\tevent\titem\tqty\tprice", file=file)
        for number, customer, items in rows:
            for item in items:
                print(1700000000000 + number * 3600000, customer, number, "purchase", item, 1, "-", sep="\t", file=file)
    return path


def tune(*words, task="prequential-basket"):
    command = [BASKETRY, "tune", "--task", task, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def before_and_after(answer):
    """What the second line tells: of the first file."""
    words = answer.splitlines()[1].split()
    return float(words[2]), float(words[4])


def main():
    rows = list(receipts(900))
    path = write("shop.tsv", rows)
    found = tune("--rounds", "12", "-X", BAD, path)
    tell(found.returncode == 0, "weights are looked for on one file", found.stderr)
    before, after = before_and_after(found.stdout)
    tell(after > before * 1.1, "a bad weight is made a better one", f"{before} -> {after}")
    lines = found.stdout.splitlines()
    tell(lines[0].startswith("# basketry tune --task prequential-basket --seed 1 --rounds 12") and lines[2] == "[rank]",
         "the answer names the run that found it", found.stdout)

    again = tune("--rounds", "12", "-X", BAD, path)
    tell(again.stdout == found.stdout and again.stderr == found.stderr, "the same seed gives the same answer")

    with open("tuned.ini", "w", encoding="utf-8") as file:
        file.write(found.stdout)
    told = subprocess.run([BASKETRY, "check-config", "-c", "tuned.ini"], capture_output=True, text=True, check=False)
    tell(told.returncode == 0, "the answer is a configuration", told.stdout + told.stderr)

    third = rows[-1][0] * 2 / 3
    other = [row if row[0] < third else (row[0], row[1], ["x", "y"]) for row in rows]
    changed = tune("--rounds", "4", "-X", BAD, write("shop.tsv", other))
    same = tune("--rounds", "4", "-X", BAD, write("shop.tsv", rows))
    tell(changed.stdout == same.stdout, "what evaluate asks for changes nothing", changed.stdout + same.stdout)

    cut = 4 * len(rows) // 5
    other = [row if row[0] < cut else (row[0], row[1], ["x", "y", "z"]) for row in rows]
    changed = tune("--rounds", "4", write("shop.tsv", other), task="basket-completion")
    same = tune("--rounds", "4", write("shop.tsv", rows), task="basket-completion")
    tell(changed.returncode == 0 and changed.stdout == same.stdout, "nor do the carts that evaluate fills",
         changed.stdout + same.stdout + changed.stderr)

    refused = tune("--test", "test_sessions.txt", "train_sessions.txt", task="next-item")
    tell(refused.returncode == 64, "a file of test sessions cannot be named", f"{refused.returncode} {refused.stderr}")
    two = write("other.tsv", list(receipts(300)))
    both = tune("--rounds", "4", "-X", BAD, path, two)
    tell(both.returncode == 0 and two in both.stdout, "several sets are weighed together", both.stderr)


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    main()
sys.exit(failures > 0)
