#!/usr/bin/env python3
"""The usual shop with quantities, what the cart forgot of it, what is popular where people shop, what is rising: read from a real Redis, with
names. The past is told with its own times, as a shop that starts with Basketry tells it.
"""
import json
import sys

from support import Story, avro, ids, now_ms, wait_for

DAY_MS = 24 * 3600 * 1000
NAMES = {"milk": ("Whole milk 1 l", "Fresh food > Dairy"), "bread": ("Rye bread", "Fresh food > Bakery"),
         "jam": ("Plum jam", "Pantry > Spreads"), "ice": ("Ice cream", "Frozen > Ice"), "tea": ("Black tea", "Pantry > Tea")}


def tell_products(shop):
    for item, (name, category) in NAMES.items():
        value = avro("Product", {"item_id": item, "name": name, "category": category, "updated_time": now_ms()})
        shop.producer.produce(shop.products, value, item)
    shop.producer.flush(30)


def buy(shop, subject, store, days_ago, **quantities):
    shop.put("Purchased", subject, at_ms=now_ms() - days_ago * DAY_MS, order_id=f"{subject}.{days_ago}",
             context={"store": store, "device": None, "channel": None, "weather": None, "page": None},
             lines=[{"item_id": item, "quantity": quantity} for item, quantity in quantities.items()])


def tell_past(shop):
    for week in range(6, 0, -1):
        buy(shop, "c:ada", "north", 7 * week, milk=3, bread=1)
        for n in range(4):
            buy(shop, f"c:north{n}", "north", 7 * week, bread=1, tea=1)
            buy(shop, f"c:south{n}", "south", 7 * week, jam=1)
    for n in range(4):
        buy(shop, f"c:south{n}", "south", 0, ice=2)


def read(run, name):
    value = run.redis().get(f"{run.prefix}:{name}")
    return json.loads(value) if value else None


def usual(story, shop, run):
    basket = wait_for(lambda: read(run, "usual:{c:ada}"), 10)
    items = {item["id"]: item for item in basket["items"]} if basket else {}
    story.check(set(items) == {"milk", "bread"}, f"the usual shop is the customer's own basket: {list(items)}")
    story.check(items.get("milk", {}).get("quantity") == 3 and items.get("bread", {}).get("quantity") == 1, "it knows how much of each")
    story.check(all(item["due"] == "due" for item in items.values()), "a week after the last weekly shop both are due")
    shop.cart("c:ada", "add", "milk")
    run.settled(shop)
    checkout = wait_for(lambda: run.list("c:ada", "checkout") if "milk" not in ids(run.list("c:ada", "checkout")) else None, 5)
    bread = next((item for item in checkout["items"] if item["id"] == "bread"), {}) if checkout else {}
    story.check("milk" not in ids(checkout) and bread.get("quantity") == 1 and bread.get("due") == "due",
                "checkout tells what the cart forgot of it, with quantity and when it is due")
    shown = run.command("top", "c:ada", "--context", "usual")[1]
    story.check("Whole milk 1 l" in shown and "usually 3" in shown, "top shows it with names and quantities")
    story.check(read(run, "usual:{v:nobody}") is None, "who bought nothing has no such key")


def first(listing):
    return ids(listing)[0] if listing and listing["items"] else None


def becomes(read_it, wanted):
    """These lists are written at most every ten seconds."""
    return wait_for(lambda: wanted(read_it()), 25)


def everybody(story, shop, run):
    story.check(becomes(lambda: first(read(run, "popular:store=south")), lambda item: item in ("jam", "ice")), "in the south jam and ice are popular")
    story.check(becomes(lambda: first(read(run, "popular:store=north")), lambda item: item in ("bread", "tea")), "in the north bread and tea are")
    story.check(becomes(lambda: first(read(run, "trending")), lambda item: item == "ice"), "what is bought for the first time today leads what is rising")
    story.check(becomes(lambda: ids(read(run, "trending:Frozen")), lambda items: items == ["ice"]), "its category has a list of its own")
    rising = read(run, "trending")
    story.check(rising and rising["items"] and rising["items"][0]["tags"] == ["trending"], "the tag says so")
    shop.put("Searched", "v:new", query="x",
             context={"store": "south", "device": None, "channel": None, "weather": None, "page": None})
    story.check(becomes(lambda: first(run.list("v:new", "home")), lambda item: item in ("jam", "ice")), "a newcomer in the south gets what is popular there")
    shop.view("v:new", "milk")
    run.settled(shop)
    shop.view("v:new", "a new product")
    run.settled(shop)
    shop.view("v:next", "milk")
    story.check(becomes(lambda: ids(run.list("v:next", "home")), lambda items: "a new product" in items),
                "a new product is in lists one event after it was first seen")


with Story() as story:
    shop = story.shop("usual", products=True)
    tell_products(shop)
    run = story.run(shop, lists__refresh="2s")
    tell_past(shop)
    story.check(run.settled(shop), "six weeks of two stores are read")
    usual(story, shop, run)
    everybody(story, shop, run)
    story.check(run.alive() and run.stop() == 0, "it stops when asked")
sys.exit(story.end())
