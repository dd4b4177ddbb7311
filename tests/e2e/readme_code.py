"""The README's own code, taken out as it stands and run with the clients that it names.

    code("js", "readList")        the block in that language that has this word
    missing("java")               why that language cannot run here, or None
    run_js(program), run_java({file name: text}, main)     the output; tools/deps says which versions of the clients

Everything runs at the top of the tree, where the README's paths begin.
"""
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOOLS = {"python": [], "js": ["node", "npm"], "java": ["javac", "java", "mvn"]}


def code(language, word):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = [block for block in re.findall(rf"```{language}\n(.*?)```", text, re.S) if word in block]
    if len(found) != 1:
        raise LookupError(f"README.md has {len(found)} blocks in {language} with {word}")
    return found[0]


def missing(language):
    return next((f"no {tool} here" for tool in TOOLS[language] if not shutil.which(tool)), None)


def output(command, **environment):
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", timeout=60, env={**os.environ, **environment})
    if done.returncode:
        raise RuntimeError(f"{command[0]}: {done.stderr.strip()[-600:]}")
    return done.stdout


def fetched(what):
    return output([str(ROOT / "tools/deps"), what]).strip()


def run_js(program):
    return output(["node", "-e", program], NODE_PATH=fetched("--node"))


def run_java(files, main):
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}:{fetched('--java')}/*"
        for name, text in files.items():
            (Path(folder) / name).write_text(text, encoding="utf-8")
        output(["javac", "-encoding", "UTF-8", "-d", folder, "-cp", path, *(f"{folder}/{name}" for name in files)])
        return output(["java", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-cp", path, main])
