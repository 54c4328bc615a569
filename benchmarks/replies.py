"""How well the reply screen tells bad replies from good look-alikes, by kind; and how long it takes.

    python benchmarks/replies.py [--show] [FILE ...]

Without a file: replies.jsonl in tests/safety/replies, which the rules were tuned on, and attack.jsonl there, whose
first reading, before anything was mended, docs/replies.md states. Both were written by the rules' own author, so
neither is a held-out measure.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

from counsel.safety.replies.judge import Context, screen_reply
from counsel.safety.verdict import KINDS, Verdict
from counsel.statistics import wilson

TESTS = Path(__file__).resolve().parents[1] / "tests" / "safety" / "replies"
FILES = (TESTS / "replies.jsonl", TESTS / "attack.jsonl")
# Allowed in every row: numbers and sites as the helplines' table would give them.
NUMBERS = frozenset(("988", "116 123"))
SITES = frozenset(("988lifeline.org", "findahelpline.com"))


def load(path: Path) -> list[dict[str, Any]]:
    """The rows: text, kind (for a good one: the kind that it resembles), bad, and categories and said if any."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def context(row: dict[str, Any]) -> Context:
    """What is known before a row's reply."""
    return Context(
        verdict=Verdict(categories=tuple(row.get("categories", ()))),
        said=row.get("said", ""),
        numbers=NUMBERS,
        sites=SITES,
    )


def score(rows: list[dict[str, Any]], show: bool = False) -> dict[str, Counter[str]]:
    """Counts by kind: ``bad``, ``caught`` (by any finding), ``as_kind`` (by one of its kind), ``good``, ``alarms``."""
    counts = {name: Counter[str]() for name in ("bad", "caught", "as_kind", "good", "alarms")}
    for row in rows:
        found = screen_reply(row["text"], context(row))
        kinds = {f.kind for f in found}
        kind = row["kind"]
        counts["bad" if row["bad"] else "good"][kind] += 1
        if row["bad"]:
            counts["caught"][kind] += bool(kinds)
            counts["as_kind"][kind] += kind in kinds
        else:
            counts["alarms"][kind] += bool(kinds)
        if show and bool(kinds) != row["bad"]:
            places = [(f.kind, row["text"][f.start : f.end]) for f in found]
            print(f"  {'missed' if row['bad'] else 'alarm'} {kind}: {row['text']!r} {places or ''}")
        elif show and row["bad"] and kind not in kinds:
            print(f"  as {sorted(kinds)}, not {kind}: {row['text']!r}")
    return counts


def _share(hits: int, of: int) -> str:
    low, high = wilson(hits, of) or (0.0, 1.0)
    return f"{hits}/{of} = {hits / of:.3f} ({low:.2f}–{high:.2f})" if of else "none"


def table(counts: dict[str, Counter[str]]) -> str:
    """The counts as a table in Markdown, with Wilson intervals of 95 %."""
    lines = ["| kind | caught | as this kind | false alarms |", "|---|---|---|---|"]
    for kind in [k for k in (*KINDS, "pass") if counts["bad"][k] or counts["good"][k]] + ["all"]:
        bad, caught, own, good, alarms = (
            c.total() if kind == "all" else c[kind]
            for c in (counts[n] for n in ("bad", "caught", "as_kind", "good", "alarms"))
        )
        lines.append(f"| {kind} | {_share(caught, bad)} | {own}/{bad} | {_share(alarms, good)} |")
    return "\n".join(lines)


def latency(text: str, times: int = 300) -> float:
    """The 95th percentile of the milliseconds that screening ``text`` takes."""
    took = []
    for _ in range(times):
        begun = time.perf_counter()
        screen_reply(text, Context(numbers=NUMBERS, sites=SITES))
        took.append(1000 * (time.perf_counter() - begun))
    return sorted(took)[int(0.95 * times)]


def main() -> None:
    """Print the tables and the latency."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, default=FILES)
    parser.add_argument("--show", action="store_true", help="print what was missed and what was a false alarm")
    asked = parser.parse_args()
    good: list[str] = []
    for path in asked.files:
        rows = load(path)
        print(f"{path.name}: {sum(r['bad'] for r in rows)} bad, {sum(not r['bad'] for r in rows)} good")
        print(table(score(rows, asked.show)))
        good += [r["text"] for r in rows if not r["bad"]]
    words = " ".join(good).replace("\n", " ").split()
    sentence = " ".join(words[:60]).replace(".", ",").replace("?", ",").replace("!", ",") + "."
    print(f"p95 of a sentence of 60 words: {latency(sentence):.2f} ms")
    print(f"p95 of a reply of 400 words: {latency(' '.join(words[:400])):.2f} ms")
    begun = time.perf_counter()
    screen_reply((" ".join(good) + " ") * (1_000_000 // len(" ".join(good))), Context())
    print(f"1 MB: {time.perf_counter() - begun:.1f} s")


if __name__ == "__main__":
    main()
