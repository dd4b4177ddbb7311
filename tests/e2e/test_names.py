#!/usr/bin/env python3
"""Names are the shop's own: any text of at most 128 bytes finds its key, nobody is taken for somebody else, and a clock in 2099 is its
owner's matter alone.
"""
import json
import re
import sys

from support import NAMES, QUICK_SWEEPS, ROOT, Story, escape, ids, now_ms, wait_for

YEAR_2099_MS = 4070908800000
PHONE = "c:phone of 2099"
THINGS = 150


def shown_in_readme():
    """The `escape` that README.md shows its readers, as it stands there."""
    names = {}
    exec(re.search(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)[1], names)
    return names["escape"]


def any_name(story, shop, run):
    escape_as_in_readme = shown_in_readme()
    for subject in ("c", "v"):
        for name in NAMES.values():
            shop.view(f"{subject}:{name}", name)
            shop.cart(f"{subject}:{name}", "add", name)
            shop.buy(f"{subject}:{name}", name, "bread")
    story.check(run.settled(shop), "all names are read")
    client = run.redis()
    for what, name in NAMES.items():
        home = run.prefix.encode() + b":rec:{" + escape_as_in_readme("c:" + name).encode() + b"}:home"
        item = run.prefix.encode() + b":item:{" + escape_as_in_readme(name).encode() + b"}:bought_together"
        found = client.get(home)
        list_of_item = wait_for(lambda: client.get(item), 5)
        story.check(found and json.loads(found)["subject"] == "c:" + name, f"{what}: the shopper's key is found, the list names the shopper")
        story.check(list_of_item and json.loads(list_of_item)["for"] == name and "bread" in ids(json.loads(list_of_item)),
                    f"{what}: the item's key is found, the list names the item")
    story.check(all(escape_as_in_readme(name).encode() == escape(name) for name in NAMES.values()), "README's encoder and that of these stories agree")
    braces = [name for name in run.keys() if name.count(b"{") != name.count(b"}") or name.count(b"{") > 1]
    story.check(not braces, "no key holds more than the one pair of braces of its hash tag")
    bread = run.item_list("bread")
    story.check(bread and set(ids(bread)) <= set(NAMES.values()), "ids come back in lists as they were sent")


def wrong_name(story, shop, run):
    before = run.records()
    shop.send(b"v:7", shop.event("ItemViewed", "c:7", item={"item_id": "bread"}))
    shop.send(b"c:x", shop.event("ItemViewed", "c:" + "x" * 129, item={"item_id": "bread"}))
    run.settled(shop)
    after = run.records()
    story.check(after["key_mismatch"] == before["key_mismatch"] + 1, "a record under another shopper's key is refused")
    story.check(after["too_long"] == before["too_long"] + 1, "an id of 129 bytes is refused")


def two_sevens(story, shop, run):
    shop.cart("v:7", "add", "apple")
    shop.cart("c:7", "add", "pear")
    run.settled(shop)
    visitor, customer = run.subject("v:7"), run.subject("c:7")
    story.check([line["id"] for line in visitor["cart"]] == ["apple"] and [line["id"] for line in customer["cart"]] == ["pear"],
                "visitor 7 and customer 7 have carts of their own")
    story.check(run.list("v:7", "cart")["subject"] == "v:7" and run.list("c:7", "cart")["subject"] == "c:7",
                "visitor 7 and customer 7 have lists of their own")
    shop.put("CustomerErased", "c:7")
    run.settled(shop)
    story.check(wait_for(lambda: run.list("c:7", "cart") is None, 5) and run.list("v:7", "cart") is not None,
                "erasing customer 7 leaves visitor 7 alone")


def lists_but(run, subject):
    """{key: list} of everybody but one shopper, without the times of its making. What is trending is told every ten seconds, whoever did
    what: it is of another moment."""
    lists = {}
    client = run.redis()
    names = sorted(name for name in run.keys() if subject.replace(" ", "%20").encode() not in name and b":trending" not in name)
    for name, value in zip(names, client.mget(names)):
        made = json.loads(value)
        del made["generated_at"], made["expires_at"]
        lists[name] = made
    return lists


def is_same(before, after):
    """The same items for the same reasons in the same order. One more event in the shop moves the sums that scores are shares of: by a
    thousandth at most here, whatever its date."""
    if not after or {**before, "items": 0} != {**after, "items": 0} or len(before["items"]) != len(after["items"]):
        return False
    return all({**one, "score": 0} == {**other, "score": 0} and abs(one["score"] - other["score"]) <= 1e-3 * one["score"] + 2e-6
               for one, other in zip(before["items"], after["items"]))


def future(story, shop, run):
    """Everybody's lists before and after one event of one phone that lives in 2099."""
    # More things than the popular list has room for, so that what nobody else saw is nobody's candidate: a newcomer's own point must not
    # be what the lists are compared by.
    for n in range(60):
        for item in range(n % 3, THINGS, 3):
            shop.view(f"c:shopper-{n}", f"thing {item}", session=f"s{n}")
        shop.buy(f"c:shopper-{n}", f"thing {n}", f"thing {n + 1}", session=f"s{n}")
    story.check(run.settled(shop), "a busy day in the shop is read")
    run.swept()
    run.check_verified("before: Redis holds what the state says")
    lists = lists_but(run, PHONE)
    others = ["c:shopper-1", "c:shopper-31", "v:🧺🍞"]
    sessions = [run.subject(who)["session"] for who in others]
    status = run.ask("status")

    shop.view(PHONE, "thing nobody else saw", at_ms=YEAR_2099_MS)
    story.check(run.settled(shop) and run.swept(), "one event dated 2099 is read, and all lists are made anew")
    after = lists_but(run, PHONE)
    changed = [name.decode() for name in lists if not is_same(lists[name], after.get(name))]
    story.check(len(after) == len(lists) and not changed, f"after: nobody's list changed, nor an item's, nor the popular one ({len(lists)} lists)")
    for name in changed[:5]:
        story.note(f"{name}: {json.dumps(lists[name.encode()])} became {json.dumps(after.get(name.encode()))}")
    story.check([run.subject(who)["session"] for who in others] == sessions, "nobody else's session ended")
    for who in others[:2]:
        shop.view(who, "thing 5", session="s" + who.split("-")[1])
    run.settled(shop)
    story.check(all(run.subject(who)["session"]["events"] == before["events"] + 1 for who, before in zip(others[:2], sessions)),
                "everybody's sessions go on where they were")
    counters = run.ask("inspect", "counters")
    story.check(counters["basketry_state_events_total"]["event_times_cut"] == 1, "the cut of its time is counted")
    phone = run.subject(PHONE)
    story.check(phone["time_ms"] < now_ms() + 6 * 60000, "the phone itself lives at most five minutes ahead")
    story.check(run.ask("status")["subjects"] == status["subjects"] + 1, "nobody was evicted or forgotten")


with Story() as story:
    shop = story.shop("names")
    run = story.run(shop, **QUICK_SWEEPS)
    any_name(story, shop, run)
    wrong_name(story, shop, run)
    two_sevens(story, shop, run)
    future(story, shop, run)
    story.check(run.alive() and run.stop() == 0, "it stops when asked")
sys.exit(story.end())
