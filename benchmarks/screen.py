"""How fast people's messages are screened: rules at 1,000 characters, both tiers at 300, and a megabyte.

    python benchmarks/screen.py [--messages 300] [--busy 2] [--seconds 240]

Texts are made of the held-out messages (benchmarks/screening/english.jsonl), joined and cut to length, each one new to
the process, so nothing is remembered from before. Whole calls are timed. With ``--busy`` so many processes compute
beside it, and the sentence model is also timed on as many threads as torch takes, which is how it ran before it got one
of its own; after ``--seconds`` what is not done is left out, and the processes end with it, whatever happens.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from counsel.conversation import Message
from counsel.safety.screening import classifier
from counsel.safety.screening.measure import read_labelled
from counsel.safety.screening.screen import Screen

HELD_OUT = Path(__file__).parent / "screening" / "english.jsonl"


def texts(length: int, count: int, shift: int = 0) -> list[str]:
    """Different texts of about ``length`` characters."""
    everything = " ".join(t for e in read_labelled(HELD_OUT) for t in e.turns)
    step = max(1, (len(everything) - length - shift) // count)
    return [everything[shift + i * step : shift + i * step + length] for i in range(count)]


def timed(name: str, judge: Callable[[str], object], inputs: list[str], until: float) -> None:
    """Print median, 95th percentile and maximum in milliseconds."""
    judge(inputs[0])
    found = []
    for text in inputs[1:]:
        start = time.perf_counter()
        if start > until:
            break
        judge(text)
        found.append(1000 * (time.perf_counter() - start))
    if not found:
        return print(f"{name}: no time left")
    found.sort()
    median, high = found[len(found) // 2], found[int(0.95 * len(found))]
    print(f"{name}: median {median:.1f} ms, p95 {high:.1f} ms, most {found[-1]:.1f} ms ({len(found)} messages)")


def _compute(seconds: float) -> None:
    """Keep one core busy."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sum(range(10_000))


@contextmanager
def busy(count: int, seconds: float) -> Iterator[None]:
    """So many processes that compute beside it."""
    processes = [multiprocessing.Process(target=_compute, args=(seconds,), daemon=True) for _ in range(count)]
    try:
        for process in processes:
            process.start()
        yield
    finally:
        for process in processes:
            process.kill()
            process.join()


@contextmanager
def on_all_threads() -> Iterator[None]:
    """The sentence model in the caller's thread, on as many cores as torch takes."""
    ours = classifier.on_one_core
    classifier.on_one_core = lambda work, given: work(given)
    try:
        yield
    finally:
        classifier.on_one_core = ours


def main() -> None:
    """Time everything."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--messages", type=int, default=300)
    parser.add_argument("--busy", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=240)
    asked = parser.parse_args()
    count, until = asked.messages, time.perf_counter() + asked.seconds
    rules, both = Screen(classify=None), Screen()
    both([Message("user", "hello")])
    with busy(asked.busy, asked.seconds):
        for length in (300, 1000, 4000):
            timed(f"rules, {length} characters", lambda t: rules([Message("user", t)]), texts(length, count), until)
        for length in (100, 300, 1000):
            timed(f"both tiers, {length} characters", lambda t: both([Message("user", t)]), texts(length, count), until)
        with on_all_threads():
            timed(
                "both tiers, 300 characters, all threads", lambda t: both([Message("user", t)]),
                texts(300, count, shift=150), until,
            )  # fmt: skip
    if asked.busy:
        return
    megabyte = " ".join(texts(10_000, 100))
    for name, screen in (("rules", rules), ("both tiers", both)):
        start = time.perf_counter()
        verdict = screen([Message("user", megabyte)])
        print(f"{name}, {len(megabyte):,} characters: {time.perf_counter() - start:.2f} s, degraded {verdict.degraded}")


if __name__ == "__main__":
    main()
