"""How fast people's messages are screened: rules at 1,000 characters, both tiers at 300, and a megabyte.

    python benchmarks/screen.py [--messages 300]

Texts are made of the held-out messages (benchmarks/screening/english.jsonl), joined and cut to length, each one new to
the process, so nothing is remembered from before. Whole calls are timed, on as many threads as torch takes.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

from counsel.conversation import Message
from counsel.safety.screening.measure import read_labelled
from counsel.safety.screening.screen import Screen

HELD_OUT = Path(__file__).parent / "screening" / "english.jsonl"


def texts(length: int, count: int) -> list[str]:
    """Different texts of about ``length`` characters."""
    everything = " ".join(t for e in read_labelled(HELD_OUT) for t in e.turns)
    step = max(1, (len(everything) - length) // count)
    return [everything[i * step : i * step + length] for i in range(count)]


def timed(name: str, judge: Callable[[str], object], inputs: list[str]) -> None:
    """Print median, 95th percentile and maximum in milliseconds."""
    judge(inputs[0])
    found = []
    for text in inputs[1:]:
        start = time.perf_counter()
        judge(text)
        found.append(1000 * (time.perf_counter() - start))
    found.sort()
    median, high = found[len(found) // 2], found[int(0.95 * len(found))]
    print(f"{name}: median {median:.1f} ms, p95 {high:.1f} ms, most {found[-1]:.1f} ms")


def main() -> None:
    """Time everything."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--messages", type=int, default=300)
    count = parser.parse_args().messages
    rules, both = Screen(classify=None), Screen()
    for length in (300, 1000, 4000):
        timed(f"rules, {length} characters", lambda t: rules([Message("user", t)]), texts(length, count))
    for length in (100, 300, 1000):
        timed(f"both tiers, {length} characters", lambda t: both([Message("user", t)]), texts(length, count))
    megabyte = " ".join(texts(10_000, 100))
    for name, screen in (("rules", rules), ("both tiers", both)):
        start = time.perf_counter()
        verdict = screen([Message("user", megabyte)])
        print(f"{name}, {len(megabyte):,} characters: {time.perf_counter() - start:.2f} s, degraded {verdict.degraded}")


if __name__ == "__main__":
    main()
