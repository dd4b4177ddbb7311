#!/usr/bin/env python3
"""A storefront that is not ours: another Kafka client, another Avro library, the schemas of schemas/, a plain GET.

A shopper puts an item into a fresh cart; its known companions appear, say why, leave when they are added, return when they are removed,
stay away when they are dismissed, and the cart is empty once it was bought.
"""
import json
import sys
import time

from support import QUICK_SWEEPS, Story, because, ids, wait_for

WITHIN_S = 1.0


def teach(shop):
    """What goes with what: bread with butter and jam; soap with a sponge; and a dozen popular things that go with nothing."""
    for n in range(30):
        shop.buy(f"c:bread-{n}", "bread", "butter")
        shop.buy(f"c:jam-{n}", "bread", "jam") if n % 2 else None
        shop.buy(f"c:soap-{n}", "soap", "sponge")
        for other in range(12):
            shop.buy(f"c:other-{n}-{other}", f"other {other}")


def seen_within(run, subject, shown, condition):
    """Poll with plain GETs until the list says so: (seconds, list)."""
    began = time.monotonic()
    client, name = run.redis(), run.key(subject, shown)

    def look():
        value = client.get(name)
        listing = json.loads(value) if value else None
        return listing if listing and condition(listing) else None

    listing = wait_for(look, 5, 0.002)
    return time.monotonic() - began, listing


def step(story, run, act, subject, condition, sentence):
    act()
    run_shop = story.shops[0]
    run_shop.producer.poll(0)
    seconds, listing = seen_within(run, subject, "cart", condition)
    held = listing is not None and seconds < WITHIN_S
    story.check(held, f"{sentence} ({seconds * 1000:.0f} ms by GET)")
    if not held:
        story.note(json.dumps(run.list(subject, "cart")))
    return listing


def story_of(story):
    shop = story.shop("foreign")
    run = story.run(shop, **QUICK_SWEEPS)
    teach(shop)
    story.check(run.settled(shop), "what the shop sold before is read")

    who = "c:ann"
    listing = step(story, run, lambda: shop.cart(who, "add", "bread"), who, lambda found: "butter" in ids(found),
                   "an item put into a fresh cart brings its companion into the cart list within a second")
    if listing:
        story.check(because(listing, "butter") == "bread" and because(listing, "jam") == "bread",
                    "each companion names the item that it belongs to")
        story.check("bread" not in ids(listing), "what is in the cart is not recommended to it")
        story.check(ids(listing).index("butter") < ids(listing).index("jam"), "the more frequent companion comes first")
        story.check(listing["subject"] == who and listing["context"] == "cart" and listing["v"] == 1 and listing["as_of"]["offset"] >= 0,
                    "the list says whose it is, what for, and up to which event it knows")

    step(story, run, lambda: shop.cart(who, "add", "butter"), who, lambda found: "butter" not in ids(found) and "jam" in ids(found),
         "a companion that was added to the cart leaves the list, the other stays")
    step(story, run, lambda: shop.cart(who, "remove", "butter"), who, lambda found: "butter" in ids(found),
         "removed from the cart it returns")
    step(story, run, lambda: shop.dismiss(who, "butter"), who, lambda found: "butter" not in ids(found) and "jam" in ids(found),
         "dismissed it goes")
    listing = step(story, run, lambda: shop.cart(who, "add", "soap"), who, lambda found: because(found, "sponge") == "soap",
                   "another item brings its own companion")
    story.check(listing and "butter" not in ids(listing),
                "what was dismissed stays away when the list is made anew")

    step(story, run, lambda: shop.buy(who, "bread", "soap"), who,
         lambda found: all(item["because"] not in ("bread", "soap") for item in found["items"]) or not found["items"],
         "bought, the cart list forgets what it was about")
    cart = run.subject(who)["cart"]
    story.check(cart == [], f"bought, the cart is empty (the state holds {cart})")
    story.check("butter" not in ids(run.list(who, "home")), "what was dismissed stays away from the home list too")

    shop.cart("v:ann", "add", "bread")
    _, listing = seen_within(run, "v:ann", "cart", lambda found: "butter" in ids(found))
    story.check(listing is not None, "the visitor of the same name has a cart of her own, and dismissed nothing")
    popular = json.loads(run.redis().get(f"{run.prefix}:popular"))
    story.check(popular["items"] and popular["as_of"] is None, "the list for everybody is there as the last resort")
    counted = run.records()
    story.check(counted["ok"] == shop.sent() and not shop.failures, f"every record of the foreign producer was understood ({counted['ok']})")
    run.swept()
    run.check_verified("verify finds Redis as the state says")
    story.check(run.stop() == 0, "it stops when asked")


with Story() as story:
    story_of(story)
sys.exit(story.end())
