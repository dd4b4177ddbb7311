#!/usr/bin/env python3
"""The three readers that README.md shows find their lists in a real Redis: own list, item's list, popular, in that order.

The code is taken out of the README as it stands. Python runs with redis-py; JavaScript and Java run with a client of ours that has the method the
reader calls and asks redis-cli, so that neither needs its library here; without node or a JDK that one is skipped.
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlparse

import redis

ROOT = Path(__file__).resolve().parents[2]
URL = urlparse(os.environ["BASKETRY_REDIS"])
HARD = "c:{a b}%\"\n☕"

JS = """
const { execFileSync } = require('child_process');
const client = { mGet: async keys => JSON.parse(execFileSync('redis-cli', ['-p', PORT, '--json', 'MGET', ...keys], { encoding: 'utf8' })) };
readList(client, SUBJECT, CONTEXT, ITEM).then(items => console.log(JSON.stringify(items)));
"""

JAVA = """
package redis.clients.jedis;
public class Jedis {
    public java.util.List<String> mget(String... keys) {
        var out = new java.util.ArrayList<String>();
        try {
            for (String key : keys) {
                var process = new ProcessBuilder("redis-cli", "-p", System.getenv("PORT"), "GET", key).start();
                String text = new String(process.getInputStream().readAllBytes(), java.nio.charset.StandardCharsets.UTF_8).strip();
                out.add(text.isEmpty() ? null : text);
            }
        } catch (java.io.IOException e) { throw new RuntimeException(e); }
        return out;
    }
}
"""


def blocks():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return {name: code for name, code in re.findall(r"```(python|js|java)\n(.*?)```", text, re.S)}


def read_python(code, subject, context, item):
    scope = {}
    exec(code, scope)  # the README's own words
    return scope["read_list"](redis.Redis(host=URL.hostname, port=URL.port), subject, context, item)


def read_js(code, subject, context, item):
    names = {"PORT": str(URL.port), "SUBJECT": subject, "CONTEXT": context, "ITEM": item}
    head = "".join(f"const {name} = {json.dumps(value)};\n" for name, value in names.items())
    done = subprocess.run(["node", "-e", head + code + JS], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def read_java(code, subject, context, item):
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "redis/clients/jedis").mkdir(parents=True)
        (place / "redis/clients/jedis/Jedis.java").write_text(JAVA)
        quoted = ", ".join("null" if word is None else json.dumps(word) for word in (subject, context, item))
        (place / "Reader.java").write_text(
            "public class Reader {\n" + code + "public static void main(String[] a) throws Exception {\n"
            "new java.io.PrintStream(System.out, true, \"UTF-8\").println(readList(new redis.clients.jedis.Jedis(), " + quoted + "));}}\n",
            encoding="utf-8")
        subprocess.run(["javac", "-encoding", "UTF-8", "-d", folder, "-cp", folder, str(place / "Reader.java"),
                        str(place / "redis/clients/jedis/Jedis.java")], check=True, capture_output=True)
        done = subprocess.run(["java", "-cp", folder, "Reader"], capture_output=True, text=True, check=True,
                              env={**os.environ, "PORT": str(URL.port)})
        found = done.stdout.strip()
        return json.loads(found)["items"] if found != "null" else []


def say(good, text):
    print(("ok - " if good else "not ok - ") + text, flush=True)
    return good


def main():
    shop = redis.Redis(host=URL.hostname, port=URL.port)
    escaped = re.sub(r"[\x00-\x20\x7f%{}]", lambda m: f"%{ord(m[0]):02X}", HARD)  # the contract, written a second time
    lists = {f"bk:v1:rec:{{{escaped}}}:cart": "own", "bk:v1:item:{reader-item}:bought_together": "item", "bk:v1:popular": "popular"}
    for key, word in lists.items():
        shop.set(key, json.dumps({"v": 1, "items": [{"id": word}]}))
    asked = [((HARD, "cart", "reader-item"), "own"), (("v:nobody", "cart", "reader-item"), "item"), (("v:nobody", "home", None), "popular")]
    readers = {"python": (read_python, True), "js": (read_js, shutil.which("node")), "java": (read_java, shutil.which("javac"))}
    good = True
    for language, code in blocks().items():
        read, here = readers.pop(language)
        if not here:
            print(f"skip - the README's reader in {language}: no compiler or interpreter of it here")
            continue
        for question, want in asked:
            got = [item["id"] for item in read(code, *question)]
            good &= say(got == [want], f"the README's reader in {language} finds the {want} list" + ("" if got == [want] else f": got {got}"))
    good &= say(not readers, "the README shows a reader in each of the three languages")
    shop.delete(*lists)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
