#!/usr/bin/env python3
"""A visitor fills a cart and logs in: within a moment the customer's cart list knows it, once, also when the process is killed right then."""
import shutil
import sys

from support import FULL, QUICK_SWEEPS, Story, ids, wait_for

WITHIN_S = 2.0
KILLS = 20 if FULL else 4


def teach(shop):
    for n in range(30):
        shop.buy(f"c:bread-{n}", "bread", "butter")
        shop.buy(f"c:soap-{n}", "soap", "sponge")
        for other in range(12):
            shop.buy(f"c:other-{n}-{other}", f"other {other}")


def log_in(shop, visitor, customer, event_id, consent="personal"):
    shop.put("Identified", f"v:{visitor}", customer_id=customer, event_id=event_id, consent=consent)


def cart_of(run, subject):
    """{item: quantity}, or None for a subject that is not known."""
    found = run.subject(subject)
    return None if found is None else {line["id"]: line["quantity"] for line in found["cart"]}


def kill(run):
    run.process.kill()
    run.process.wait()
    run.start()


def merges(run):
    counters = run.ask("inspect", "counters")
    return counters["basketry_events_applied_total"]["SubjectMerged"], counters["basketry_merges_produced_total"]


def story_of(story):
    shop = story.shop("identity")
    run = story.run(shop, checkpoint__dir=story.folder / "state", checkpoint__interval="1s", **QUICK_SWEEPS)
    teach(shop)
    story.check(run.settled(shop), "what the shop sold before is read")

    shop.view("v:phone", "other 1")
    shop.cart("v:phone", "add", "bread")
    story.check(wait_for(lambda: "butter" in ids(run.list("v:phone", "cart")), 5), "a visitor's cart has its companion")
    log_in(shop, "phone", "ann", "log-in-1")
    known = wait_for(lambda: "butter" in ids(run.list("c:ann", "cart")), WITHIN_S)
    story.check(known, f"after the log-in the customer's cart list knows it, within {WITHIN_S:.0f} s")
    story.check(cart_of(run, "c:ann") == {"bread": 1}, f"the customer's cart holds what the visitor's held ({cart_of(run, 'c:ann')})")
    session = run.subject("c:ann")["session"]
    story.check(session and session["events"] == 2, "and the session goes on")
    story.check(cart_of(run, "v:phone") == {}, "the visitor's is empty")
    gone = wait_for(lambda: run.list("v:phone", "cart") is None and run.list("v:phone", "home") is None, WITHIN_S)
    story.check(gone, "and the visitor's lists are gone")

    log_in(shop, "phone", "ann", "log-in-1")
    log_in(shop, "phone", "ann", "log-in-2")
    log_in(shop, "nobody", "ann", "log-in-3")
    shop.cart("v:laptop", "add", "soap", "bread")
    log_in(shop, "laptop", "ann", "log-in-4")
    story.check(wait_for(lambda: cart_of(run, "c:ann") == {"bread": 1, "soap": 1}, 5),
                f"a second visitor joins, and what both had lies there once ({cart_of(run, 'c:ann')})")
    story.check(merges(run) == (2, 2), f"a repeated log-in, an empty cart and an unknown visitor make no merge ({merges(run)})")

    shop.cart("v:shy", "add", "soap")
    log_in(shop, "shy", "dora", "log-in-5", consent="none")
    run.settled(shop)
    story.check(cart_of(run, "c:dora") is None, "who allows nothing is not handed on")

    # Killed at the moment of the log-in, with whatever of it is in the log, in the outbox or in the checkpoint.
    good = {"bread": 1, "soap": 1}
    customers = [f"c:eve-{n}" for n in range(KILLS)]
    for n in range(KILLS):
        shop.cart(f"v:w{n}", "add", "bread", "soap")
        wait_for(lambda: cart_of(run, f"v:w{n}") == good, 20)
        log_in(shop, f"w{n}", f"eve-{n}", f"log-in-kill-{n}")
        shop.sent()
        if n % 2:  # at once; or when the outbox has it
            wait_for(lambda: (run.try_ask("status") or {}).get("outbox", {}).get("sent", 0), 1, 0.001)
        kill(run)
    whole = wait_for(lambda: all(cart_of(run, customer) == good for customer in customers), 20)
    story.check(whole, f"killed {KILLS} times right after a log-in, each customer has the cart, once "
                       f"({[cart_of(run, customer) for customer in customers]})")
    story.check(wait_for(lambda: all("butter" in ids(run.list(customer, "cart")) for customer in customers), 5),
                "and the list that goes with it")
    for customer in customers:
        shop.cart(customer, "clear")
    shop.sent()
    wait_for(lambda: all(cart_of(run, customer) == {} for customer in customers), 10)
    kill(run)
    shop.view("c:last", "bread")
    wait_for(lambda: cart_of(run, "c:last") == {}, 20)
    emptied = wait_for(lambda: all(cart_of(run, customer) == {} for customer in customers), 10)
    story.check(emptied, "a cart that was emptied since stays empty: no merge counts twice")
    # The checkpoint is lost, the log is not: every log-in is read again, and its merge written again.
    run.process.kill()
    run.process.wait()
    shutil.rmtree(run.settings["checkpoint.dir"])
    run.start()
    wait_for(lambda: merges(run)[1] >= 2 + KILLS and run.ask("status")["source"]["lag_records"] == 0, 20)
    same = cart_of(run, "c:ann") == {"bread": 1, "soap": 1} and all(cart_of(run, customer) == {} for customer in customers)
    story.check(same, f"read again from the log's beginning the carts are the same ({merges(run)}, {run.records()['duplicate']} repeated)")
    story.check(run.stop() == 0, "it stops when asked")


with Story() as story:
    story_of(story)
sys.exit(story.end())
