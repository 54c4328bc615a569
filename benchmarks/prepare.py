"""How fast `prepare` is, and how much memory it takes, on made-up rows of realistic length.

    python benchmarks/prepare.py [--rows 1000000] [--folder DIR] [--tokenizer counsel-tiny] [--like]

Writes a JSONL file of distinct conversations (about 1,200 characters each; one in ten with HTML, some with
names, numbers and addresses to mask), prepares it in a process of its own, and prints rows per second and
the process's peak resident memory as the system counts it. With ``--like`` it then does it again, keeping the places of
the first time.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

NOUNS = """
accident anger apartment argument baby birthday body boss brother bus career child church city college cousin
daughter debt diagnosis divorce dog dream drinking exam family father fear fight friend funeral future garden
grief guilt habit holiday home hospital house husband illness job kitchen lecture letter lie loss marriage
medicine meeting mistake money morning mother move neighbour night operation panic parent partner party past
pay phone plan pregnancy promise question reason rent room routine school secret shame silence sister sleep
son street stress summer teacher test thought train trip trust truth wedding weekend wife winter work worry
year
""".split()
ADJECTIVES = """
afraid alone angry anxious ashamed awful bad blank bored broken calm careful cold confused constant cruel
curious deep different difficult distant early empty endless false final friendly gentle guilty hard heavy
honest hopeless huge impossible jealous kind last late lonely long loud lost nervous new numb old ordinary
patient private quiet real restless sad safe secret serious sharp sick simple slow small sober strange strict
stuck sudden tense terrible tired unfair unkind useless warm weak weird worried wrong young
""".split()
VERBS = """
accept avoid believe blame break bring carry change cover describe drop escape explain face fear feel find
finish fix follow forget forgive handle hate hear help hide hold ignore imagine keep leave lose love manage
mention miss need notice pay protect push question raise recall refuse regret remember repeat respect ruin
save share stop support survive test touch understand want watch write
""".split()
TIMES = """at night|for years|since spring|for two months|every day|since 2019|on and off|all my life|most weekends|
again and again|when the house is quiet|before breakfast|after work|in the car|on the phone|
in front of people|without a word|last March|this autumn|twice a week""".replace("\n", "").split("|")
NAMES = ["Daniel", "Priya", "Marcus", "Olivia", "Ahmed", "Katarzyna", "Luis", "Hannah", "Yusuf", "Ingrid"]
ASKS = [
    "I {v} the {a} {n} {t} and cannot {v} my {n}.",
    "My {n} says that I {v} every {n}, but the {a} {n} was never {a}.",
    "{t} I {v} what the {n} did to our {a} {n}.",
    "How do I {v} a {n} who is {a} about the {n}?",
    "Since the {n} I am {a}, {a} and {a}.",
    "Should I {v} the {n} or {v} it {t}?",
    "It was a {a} {n}; nobody would {v} the {n} {t}.",
    "My friend and I {v} the {n}, and then we {v} the {a} {n}.",
]
REPLIES = [
    "It sounds as if the {n} made you {a}, and it is hard to {v} a {n} {t}.",
    "You could {v} one {a} thing about your {n} {t}, and {v} the rest.",
    "What would happen if you did not {v} the {n}?",
    "Many people {v} a {a} {n} by learning to {v} the {n} first.",
    "A counselor can help you {v} why the {n} still feels so {a}.",
    "Try to {v} your {n}, then {v} how {a} the {n} was.",
    "There is no {a} way to {v} a {n}, and a {a} {n} is no failure.",
    "Perhaps your {n} is {a} as well and cannot {v} the {n} {t}.",
    "I wonder what she would {v} if you said that the {n} is {a}.",
]
EXTRA = ["You can call my office at (555) 010-{n:04d}.", "Write to me at reader{n}@example.com.", "Good luck!",
         "Take care.", "If you are in danger call 911.", "What would {name} say?", "See www.example.org/{n} for more.",
         "I live at {n} Maple Street.",
         "My case number is FC-2019-{n:05d}."]  # fmt: skip


_SLOT = re.compile(r"\{(\w+)\}")


def sentence(draw: random.Random, forms: list[str]) -> str:
    """One sentence with its slots filled."""
    pools = {"n": NOUNS, "a": ADJECTIVES, "v": VERBS, "t": TIMES}
    form = _SLOT.sub(lambda m: draw.choice(pools[m[1]]), draw.choice(forms))
    return form[0].upper() + form[1:]


def write(path: Path, rows: int) -> None:
    """A JSONL file of ``rows`` distinct conversations."""
    draw = random.Random(1)
    with open(path, "w", encoding="utf-8") as f:
        for n in range(rows):
            ask = [sentence(draw, ASKS) for _ in range(draw.randint(4, 8))]
            reply = [sentence(draw, REPLIES) for _ in range(draw.randint(8, 15))]
            if n % 5 == 0:
                reply.append(draw.choice(EXTRA).format(n=n % 10000, name=draw.choice(NAMES)))
            text = "<p>" + "</p><p>".join(reply) + "</p>" if n % 10 == 0 else " ".join(reply)
            messages = [{"role": "user", "content": " ".join(ask)}, {"role": "assistant", "content": text}]
            f.write(json.dumps({"messages": messages}, ensure_ascii=False) + "\n")


def measure(path: Path, out: Path, tokenizer: str, like: Path | None) -> None:
    """Prepare in this process and print what it took."""
    from counsel.data.prepare import prepare
    from counsel.data.settings import PrepareSettings

    began, used = time.perf_counter(), time.process_time()
    asked = PrepareSettings(out=out, tokenizer=tokenizer, like=like, overwrite=True)
    audit = prepare((str(path),), asked, print)
    wall, cpu = time.perf_counter() - began, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(
        f"{audit.rows_read:,} rows in {wall:.0f} s ({cpu:.0f} s of one core): {audit.rows_read / wall:,.0f} rows/s, "
        f"{audit.rows_read / cpu:,.0f} rows/s a core; peak memory {peak / 1e9:.2f} GB"
    )


def main() -> None:
    """Generate, then measure in a fresh process, so that its peak is its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "counsel-bench")
    parser.add_argument("--tokenizer", default="counsel-tiny")
    parser.add_argument("--like", action="store_true", help="then prepare again like the first time")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.measure:
        out = asked.folder / "prepared"
        measure(asked.measure, out, asked.tokenizer, out if asked.like else None)
        return
    asked.folder.mkdir(parents=True, exist_ok=True)
    path = asked.folder / f"rows-{asked.rows}.jsonl"
    if not path.exists():
        write(path, asked.rows)
    size = path.stat().st_size
    print(f"{path}: {size / 1e9:.2f} GB, {size / asked.rows:,.0f} bytes a row; {os.cpu_count()} cores")
    again = [sys.executable, __file__, "--measure", str(path), "--folder", str(asked.folder)]
    for flags in ([], ["--like"])[: 1 + asked.like]:
        subprocess.run([*again, "--tokenizer", asked.tokenizer, *flags], check=True)


if __name__ == "__main__":
    main()
