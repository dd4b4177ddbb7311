#!/usr/bin/env python3
"""What a restart keeps: a checkpoint, its damage, a standby, and a state that is built anew and put in place.
"""
# time limit: 120 s
import os
import random
import re
import sys
import time

import confluent_kafka.admin

from support import QUICK_SWEEPS, Story, wait_for

EXIT_CONFIG = 78
ITEMS = [f"item{n:03d}" for n in range(120)]


def shop_on(shop, chance, events, customers=150):
    """Shoppers who view, fill carts and buy."""
    for _ in range(events):
        who, what = f"c:{chance.randrange(customers)}", chance.random()
        if what < 0.6:
            shop.view(who, chance.choice(ITEMS))
        elif what < 0.8:
            shop.cart(who, "add", chance.choice(ITEMS))
        else:
            shop.buy(who, *chance.sample(ITEMS, chance.randint(1, 6)))
    shop.sent()


def current(run, shop, seconds=20):
    """Wait until the state stands for every record of the log and no list waits: what was read before a restart counts."""
    def is_current():
        found = run.try_ask("inspect", "digest")
        return found and sum(shard["next_offset"] for shard in found["shards"].values()) >= shop.sent() and run.is_settled(0)
    return wait_for(is_current, seconds, 0.05)


def same_as_from_the_beginning(story, shop, run, sentence):
    """A process that never had a checkpoint, over the same log, comes to the same state."""
    fresh = story.run(shop, name=f"fresh{len(story.runs)}")
    current(fresh, shop)
    expected, found = fresh.digest(), run.digest()
    fresh.stop()
    story.check(expected == found, f"{sentence} (shared {found['shared']}, {sum(s['next_offset'] for s in found['shards'].values())} records)")


def written(run):
    return run.ask("status")["checkpoint"]["written"]


def checkpoint_now(run):
    before = written(run)
    run.ask("checkpoint")
    return wait_for(lambda: written(run) > before, 10)


def killed_and_started(story, chance):
    shop = story.shop("kept")
    folder = story.folder / "kept"
    run = story.run(shop, name="kept", checkpoint__dir=folder, **QUICK_SWEEPS)
    shop_on(shop, chance, 1500)
    current(run, shop)
    checkpoint_now(run)
    shop_on(shop, chance, 500)
    current(run, shop)
    run.process.kill()
    run.process.wait()
    shop_on(shop, chance, 500)
    began = time.monotonic()
    run.start()
    current(run, shop)
    spent = time.monotonic() - began
    story.check(re.search(r"loaded generation=generation-\d+", run.log) and run.ask("status")["records"] < 2000,
                f"killed and started again it goes on from the checkpoint: {run.ask('status')['records']} of 2500 records read again, current after {spent:.1f} s")
    story.check(spent < 5, "and is current within 5 s: the group gives the partitions back at once")
    same_as_from_the_beginning(story, shop, run, "the state is that of a process that was never stopped")
    run.swept()
    run.check_verified("verify finds no difference")
    shop_on(shop, chance, 200)
    current(run, shop)
    code = run.stop()
    run.start()
    current(run, shop)
    story.check(code == 0 and run.ask("status")["records"] == 0, "SIGTERM writes a last generation: nothing is read again")
    return shop, folder, run


def damaged(story, chance, shop, folder, run):
    shop_on(shop, chance, 100)
    current(run, shop)
    checkpoint_now(run)
    run.process.kill()
    run.process.wait()
    newest = max(folder.glob("generation-*[0-9]"))
    with open(newest / "shared.bkc", "r+b") as file:
        file.seek(os.path.getsize(newest / "shared.bkc") // 2)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))
    run.start()
    current(run, shop)
    said = re.search(rf"generation_damaged name={newest.name} err=\"shared.bkc: byte \d+: [^\"]+\"", run.log)
    story.check(said, f"a flipped bit is named with its file and place: {said[0] if said else 'nothing was said'}")
    same_as_from_the_beginning(story, shop, run, "and the generation before it gives the same state")


def stands_by(story, chance, shop, folder, run):
    other = story.run(shop, name="standby", wait_s=0, checkpoint__dir=folder, kafka__group=run.settings["kafka.group"],
                      redis__key_prefix=run.prefix, **QUICK_SWEEPS)
    story.check(wait_for(lambda: "standby reason=" in other.log, 10) and not other.try_ask("status"),
                "a second instance on the same folder is its standby, and says so")
    run.process.kill()
    run.process.wait()
    began = time.monotonic()
    shop_on(shop, chance, 50)
    taken = wait_for(lambda: other.try_ask("status"), 15) and current(other, shop)
    story.check(taken, f"when the first is killed it takes over ({time.monotonic() - began:.1f} s)")
    same_as_from_the_beginning(story, shop, other, "with the same state")
    return other


def replayed(story, shop, run):
    shop.put("CustomerErased", "c:gone")  # what Redis has to be asked for is no replay's business
    shop.view("c:leaving", ITEMS[0])
    current(run, shop)
    code, name, err = run.command("replay")
    story.check(code == 0 and re.fullmatch(r"replay-\d+\n", name), f"replay leaves a generation: {err.strip().splitlines()[-1] if err.strip() else ''}")
    run.swept()
    code, table, err = run.command("replay", "--dry-run")
    alike = dict(re.findall(r"^(\w+)\s+\d+\s+([\d.]+)", table, re.M))
    story.check(code == 0 and alike.get("home") == "1.000", f"replay --dry-run sets its lists beside Redis': {alike}")
    before = run.digest()
    code, _, err = run.command("promote", name.strip())
    promoted = wait_for(lambda: f"promoted generation={name.strip()}" in run.log, 10)
    current(run, shop)
    story.check(code == 0 and promoted and run.digest() == before, "promoted, it is the state it was built beside")
    run.swept()
    run.check_verified("and verify finds no difference")
    code, _, err = run.command("promote", "replay-0000000099")
    story.check(wait_for(lambda: "promotion_failed" in run.log, 5) and run.digest() == before, "a generation that is not there changes nothing")
    run.stop()


def grown(story, shop, run):
    shop.put("CustomerErased", "c:leaving")  # while nobody runs
    shop.sent()
    was_there = run.list("c:leaving", "home")
    for future in shop.admin.create_partitions([confluent_kafka.admin.NewPartitions(shop.topic, 6)]).values():
        future.result(10)
    time.sleep(0.5)
    run.start()
    code = run.process.wait(20)
    said = re.search(r"has 6 partitions, the state was made with 4", run.log)
    story.check(code == EXIT_CONFIG and said, f"more partitions than the checkpoint knew: it refuses with {code} and says what mends it")
    code, name, err = run.command("replay", "--in-place")
    run.start()
    current(run, shop)
    story.check(code == 0 and name.startswith("generation-") and f"loaded generation={name.strip()}" in run.log,
                f"replay --in-place builds the state anew, and it starts with that ({name.strip()})")
    story.check(was_there and wait_for(lambda: run.list("c:leaving", "home") is None, 5),
                "what came since the last run is the next one's: who was erased meanwhile has no list any more")
    run.stop()


def main():
    with Story() as story:
        seed = int(os.environ.get("BK_SEED", random.randrange(1 << 30)))
        story.note(f"BK_SEED={seed}")
        chance = random.Random(seed)
        shop, folder, run = killed_and_started(story, chance)
        damaged(story, chance, shop, folder, run)
        other = stands_by(story, chance, shop, folder, run)
        replayed(story, shop, other)
        grown(story, shop, other)
        return story.end()


if __name__ == "__main__":
    sys.exit(main())
