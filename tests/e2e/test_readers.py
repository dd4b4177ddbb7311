#!/usr/bin/env python3
"""The three readers that README.md shows find their lists in a real Redis: own list, item's list, the store's popular one, popular.

The code is taken out of the README as it stands and runs with the clients that it names: redis-py, redis for JavaScript, Jedis. Without
node and npm, or a JDK and mvn, that language is skipped.
"""
import json
import os
import re
import sys

import redis

from readme_code import code, missing, run_java, run_js

URL = os.environ["BASKETRY_REDIS"]
HARD = "c:{a b}%\"\n☕"
STORE = "store {12}"

JS = """
const { createClient } = require('redis');
(async () => {
  const client = await createClient({ url: URL }).connect();
  for (const question of ASKED) console.log(JSON.stringify(await readList(client, ...question.map(word => word ?? undefined))));
  await client.quit();
})();
"""

JAVA = """
public class Reader {
%s
    public static void main(String[] none) throws Exception {
        var redis = new redis.clients.jedis.Jedis(java.net.URI.create("%s"));
        var out = new java.io.PrintStream(System.out, true, "UTF-8");
        for (String[] asked : new String[][] {%s}) {
            String found = readList(redis, asked[0], asked[1], asked[2], asked[3]);
            out.println(found == null ? "{\\"items\\":[]}" : found);
        }
    }
}
"""


def read_python(asked):
    scope = {}
    exec(code("python", "def read_list"), scope)
    return [scope["read_list"](redis.Redis.from_url(URL), *question) for question in asked]


def read_js(asked):
    head = f"const URL = {json.dumps(URL)}, ASKED = {json.dumps(asked)};\n"
    return [json.loads(line) for line in run_js(head + code("js", "function readList") + JS).splitlines()]


def read_java(asked):
    questions = ", ".join("{" + ", ".join(json.dumps(word) for word in question) + "}" for question in asked)
    program = JAVA % (code("java", "String readList"), URL, questions)
    return [json.loads(line)["items"] for line in run_java({"Reader.java": program}, "Reader").splitlines()]


READERS = {"python": read_python, "js": read_js, "java": read_java}


def say(good, text):
    print(("ok - " if good else "not ok - ") + text, flush=True)
    return good


def escaped(name):
    """The contract, written a second time."""
    return re.sub(r"[\x00-\x20\x7f%{}]", lambda m: f"%{ord(m[0]):02X}", name)


def main():
    shop = redis.Redis.from_url(URL)
    lists = {f"bk:v1:rec:{{{escaped(HARD)}}}:cart": "own cart", f"bk:v1:usual:{{{escaped(HARD)}}}": "own usual",
             f"bk:v1:item:{{{escaped(HARD)}}}:bought_together": "item's", f"bk:v1:popular:store={escaped(STORE)}": "store's",
             "bk:v1:popular": "popular"}
    for key, word in lists.items():
        shop.set(key, json.dumps({"v": 1, "items": [{"id": word}]}))
    asked = {"own cart": (HARD, "cart", HARD, STORE), "own usual": (HARD, "usual", None, None), "item's": ("v:nobody", "cart", HARD, STORE),
             "store's": ("v:nobody", "home", None, STORE), "popular": ("v:nobody", "home", "nothing", "nowhere")}
    good = True
    for language, read in READERS.items():
        if missing(language):
            print(f"skip - the README's reader in {language}: {missing(language)}", flush=True)
            continue
        found = [[item["id"] for item in items] for items in read(list(asked.values()))]
        for want, got in zip(asked, found):
            good &= say(got == [want], f"the README's reader in {language} finds the {want} list" + ("" if got == [want] else f": got {got}"))
    shop.delete(*lists)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
