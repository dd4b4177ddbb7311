#!/usr/bin/env python3
"""fresh_list.py BASKETRY CONFIG SUBJECT CONTEXT: wait until the list knows the subject's last event, show it and its age.

Age = the list's generated_at less the Kafka timestamp of that event, both in the same machine's milliseconds.
"""
import json
import subprocess
import sys
import time


def ask(basketry, config, *words):
    done = subprocess.run([basketry, *words, "--json", "-c", config], capture_output=True, text=True)
    return json.loads(done.stdout) if done.returncode == 0 and done.stdout else None


def main():
    basketry, config, subject, context = sys.argv[1:]
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        known = ask(basketry, config, "inspect", "subject", subject)
        shown = ask(basketry, config, "top", subject, "--context", context)
        if known and shown and shown["context"] == context and shown["as_of"] == known["as_of"] \
                and time.time() * 1000 - known["record_ms"] < 5000:
            age = shown["generated_at"] - known["record_ms"]
            subprocess.run(f"'{basketry}' top {subject} --context {context} -c '{config}' | head -n 10", shell=True)
            print(f"-> the list was made {age} ms after Kafka took the event")
            return 0
        time.sleep(0.02)
    print("the list did not follow within 10 s")
    return 1


if __name__ == "__main__":
    sys.exit(main())
