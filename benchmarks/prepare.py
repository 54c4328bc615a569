"""How fast `prepare` is, and how much memory it takes, on made-up rows of realistic length.

    python benchmarks/prepare.py [--rows 1000000] [--folder DIR] [--tokenizer counsel-tiny]

Writes a JSONL file of distinct conversations (about 1,200 characters each; one in ten with HTML, some with
names, numbers and addresses to mask), prepares it in a process of its own, and prints rows per second and
the process's peak resident memory as the system counts it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WHO = ["husband", "wife", "mother", "father", "sister", "brother", "boss", "neighbour", "best friend", "roommate", "son",
       "daughter", "partner", "cousin", "teacher", "colleague"]  # fmt: skip
NAMES = ["Daniel", "Priya", "Marcus", "Olivia", "Ahmed", "Katarzyna", "Luis", "Hannah", "Yusuf", "Ingrid"]
FEELING = ["anxious", "numb", "ashamed", "furious", "lonely", "empty", "guilty", "tired", "hopeless", "jealous", "tense",
           "restless", "overwhelmed", "sad", "stuck", "scared"]  # fmt: skip
THING = ["the divorce", "my exams", "our debts", "the move", "the new job", "the accident", "her illness", "the funeral",
         "his drinking", "the baby", "my weight", "the lockdown", "the argument", "our wedding", "my visa", "the diagnosis"]  # fmt: skip
TIME = ["for years", "since spring", "for two months", "every single night", "since 2019", "on and off", "all my life",
        "since I was 14", "most weekends", "when the house is quiet"]  # fmt: skip
ASKS = [
    "I have felt {feeling} about {thing} {time} and I do not know how to talk to my {who}.",
    "My {who} says I am too {feeling}, but {thing} changed everything for us.",
    "{time} I lie awake thinking about {thing}, and in the morning I am {feeling}.",
    "I stopped seeing people after {thing} because being around them makes me {feeling}.",
    "My {who} {name} and I argue about {thing} until one of us leaves the room.",
    "Whenever somebody mentions {thing} my chest gets tight and I feel {feeling}.",
    "I never told anyone that {thing} left me {feeling} {time}.",
    "How can I stop being so {feeling} when my {who} brings up {thing}?",
    "Is it normal to be {feeling} {time}?",
    "Part of me wants to forgive my {who}, part of me is still {feeling}.",
]
REPLIES = [
    "It sounds as if {thing} has weighed on you {time}, and being {feeling} is an understandable answer to that.",
    "When we feel {feeling}, the body often knows before the mind does, so notice where you carry it.",
    "You might tell your {who} what you need in one plain sentence, without explaining {thing} again.",
    "Many people who live with {thing} find that a small routine, kept {time}, brings back some ground.",
    "What would you say to a friend who was {feeling} because of {thing}?",
    "A therapist near you can help you look at why your {who} has such power over how {feeling} you feel.",
    "Try to write down, {time}, three moments in which you were not {feeling} at all.",
    "There is no right speed for getting over {thing}; some days you will be {feeling} again, and that is no failure.",
    "Your {who} may be {feeling} as well, and neither of you has found words for {thing} yet.",
    "Breathe out slowly, longer than you breathe in, whenever {thing} comes back to you.",
    "I wonder what {name} would say if you asked directly about {thing}.",
]
EXTRA = ["You can call my office at (555) 010-{n:04d}.", "Write to me at reader{n}@example.com.", "Good luck!", "Take care.",
         "If you are in danger call 911.", "See www.example.org/{n} for more.", "I live at {n} Maple Street.",
         "My case number is FC-2019-{n:05d}."]  # fmt: skip


def sentence(draw: random.Random, forms: list[str]) -> str:
    """One sentence with its slots filled."""
    return draw.choice(forms).format(
        who=draw.choice(WHO),
        feeling=draw.choice(FEELING),
        thing=draw.choice(THING),
        time=draw.choice(TIME),
        name=draw.choice(NAMES),
    )


def write(path: Path, rows: int) -> None:
    """A JSONL file of ``rows`` distinct conversations."""
    draw = random.Random(1)
    with open(path, "w", encoding="utf-8") as f:
        for n in range(rows):
            ask = [sentence(draw, ASKS) for _ in range(draw.randint(3, 6))]
            ask.append(f"This is what week {n % 97} of month {n // 97} looks like for me.")
            reply = [sentence(draw, REPLIES) for _ in range(draw.randint(5, 11))]
            if n % 12 == 0:
                reply.append(draw.choice(EXTRA).format(n=n % 10000))
            text = "<p>" + "</p><p>".join(reply) + "</p>" if n % 10 == 0 else " ".join(reply)
            messages = [{"role": "user", "content": " ".join(ask)}, {"role": "assistant", "content": text}]
            f.write(json.dumps({"messages": messages}, ensure_ascii=False) + "\n")


def measure(path: Path, out: Path, tokenizer: str) -> None:
    """Prepare in this process and print what it took."""
    from counsel.data.prepare import prepare
    from counsel.data.settings import PrepareSettings

    began, used = time.perf_counter(), time.process_time()
    audit = prepare((str(path),), PrepareSettings(out=out, tokenizer=tokenizer, overwrite=True), print)
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
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.measure:
        measure(asked.measure, asked.folder / "prepared", asked.tokenizer)
        return
    asked.folder.mkdir(parents=True, exist_ok=True)
    path = asked.folder / f"rows-{asked.rows}.jsonl"
    if not path.exists():
        write(path, asked.rows)
    size = path.stat().st_size
    print(f"{path}: {size / 1e9:.2f} GB, {size / asked.rows:,.0f} bytes a row; {os.cpu_count()} cores")
    again = [sys.executable, __file__, "--measure", str(path), "--folder", str(asked.folder)]
    subprocess.run([*again, "--tokenizer", asked.tokenizer], check=True)


if __name__ == "__main__":
    main()
