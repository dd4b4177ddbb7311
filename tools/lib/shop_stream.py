#!/usr/bin/env python3
"""shop_stream.py OUT_DIR [SEED]: a small simulated supermarket for tools/quickstart.

Writes OUT_DIR/items.tsv (names and categories) and OUT_DIR/events.tsv (the common form that `basketry import`
reads): 60 days of sessions and receipts of 400 households up to now. Households have a few meals they cook, meals have items
that belong together, so that who buys tortillas is shown salsa. Seeded: the same seed makes the same shop, but for the clock.
Only the standard library is used.
"""
import random
import sys
import time

DAY_MS = 86_400_000

MEALS = {
    "Pasta night": ["Spaghetti 500 g", "Tomato passata", "Parmesan wedge", "Fresh basil", "Garlic bulb", "Olive oil 0.75 l"],
    "Taco night": ["Corn tortillas", "Salsa medium", "Black beans", "Avocado", "Sour cream", "Minced beef 400 g", "Limes"],
    "Breakfast": ["Oat flakes", "Semi-skimmed milk 1 l", "Bananas", "Blueberries", "Honey", "Greek yoghurt"],
    "Sunday brunch": ["Eggs, 10", "Butter 250 g", "Sourdough bread", "Smoked salmon", "Orange juice 1 l", "Ground coffee"],
    "Curry": ["Basmati rice", "Coconut milk", "Red curry paste", "Chicken breast", "Ginger root", "Fresh coriander"],
    "Salad bowl": ["Romaine lettuce", "Cherry tomatoes", "Cucumber", "Feta", "Olives, pitted", "Balsamic vinegar"],
    "Baking": ["Wheat flour 1 kg", "Caster sugar", "Baking powder", "Vanilla sugar", "Dark chocolate 70 %", "Walnuts"],
    "Baby": ["Nappies size 3", "Baby wipes", "Carrot purée", "Follow-on milk", "Baby rice"],
    "Film evening": ["Tortilla chips", "Guacamole", "Popcorn", "Cola 1.5 l", "Salted peanuts"],
    "Vegan week": ["Tofu, firm", "Oat drink 1 l", "Chickpeas", "Hummus", "Sweet potatoes", "Spinach"],
    "Household": ["Dishwasher tablets", "Kitchen roll", "Washing powder", "Bin bags 35 l", "Sponges"],
}


def catalogue():
    items = {}
    for meal, names in MEALS.items():
        for name in names:
            items[name] = (f"{4000 + len(items)}", meal)
    return items


def household(rng, number):
    """(customer, meals by liking, days between shops)"""
    meals = rng.sample(list(MEALS), k=rng.choice([2, 3, 3, 4]))
    return f"{1000 + number}", meals, rng.choice([3, 4, 7, 7, 7])


def shop_trip(rng, meals):
    """The names of one basket: most items of one or two meals, something else now and then."""
    basket = []
    for meal in rng.sample(meals, k=rng.choice([1, 1, 2])):
        basket += [name for name in MEALS[meal] if rng.random() < 0.75]
    if rng.random() < 0.4:
        basket.append(rng.choice(MEALS[rng.choice(list(MEALS))]))
    rng.shuffle(basket)
    return list(dict.fromkeys(basket)) or [rng.choice(MEALS[meals[0]])]


def events_of(rng, items, customer, meals, every_days, now_ms):
    """Rows of the common form, oldest first."""
    day, trip = rng.uniform(0, every_days), 0
    while day < 60:
        clock = int(now_ms - (60 - day) * DAY_MS)
        basket = shop_trip(rng, meals)
        session = f"{customer}-{trip}"
        online = rng.random() < 0.5
        if clock < now_ms - 3_600_000:
            for name in basket if online else []:
                clock += rng.randrange(5_000, 60_000)
                yield clock, customer, session, "view", items[name][0], 1
            for name in basket:
                yield clock + 60_000, customer, session, "purchase", items[name][0], rng.choice([1, 1, 1, 2])
        day += every_days * rng.uniform(0.7, 1.3)
        trip += 1


def main():
    out, seed = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1
    rng, items, now_ms = random.Random(seed), catalogue(), int(time.time() * 1000)
    with open(f"{out}/items.tsv", "w", encoding="utf-8") as file:
        file.write("item\tname\tcategory\n")
        for name, (number, meal) in items.items():
            file.write(f"{number}\t{name}\t{meal}\n")
    rows = []
    for number in range(400):
        rows += events_of(rng, items, *household(rng, number), now_ms)
    with open(f"{out}/events.tsv", "w", encoding="utf-8") as file:
        file.write("ts_ms\tuser\tsession\tevent\titem\tqty\tprice\n")
        for row in sorted(rows):
            file.write("\t".join(map(str, row)) + "\t-\n")
    print(f"{len(items)} items, {len(rows)} rows of 400 households over 60 days")


if __name__ == "__main__":
    main()
