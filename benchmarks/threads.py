"""How long the sentence model takes for messages one by one, with one thread and with all, beside busy processes.

    python benchmarks/threads.py [--messages 100] [--busy 2] [--limit 60]

Prints a Markdown table. A row that would take longer than the limit is ended there and says how far it came.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import time
from contextlib import nullcontext

WORDS = "i feel sad about my work and home mother friend sleep talk tired alone exam money again today".split()


def spin() -> None:
    """Keep one core busy until the process is ended."""
    while True:
        pass


def timed(threads: int, messages: list[str], limit: float) -> str:
    """Seconds for all messages, or how many there was time for."""
    import torch

    from counsel.model import embed

    embed.one_thread = nullcontext  # type: ignore[assignment]  # this benchmark decides
    model = embed.embedder()
    torch.set_num_threads(threads)
    model(messages[:1])
    began = time.perf_counter()
    for done, message in enumerate(messages):
        if time.perf_counter() - began > limit:
            return f"{done} of {len(messages)} messages in {limit:.0f} s"
        model([message])
    return f"{time.perf_counter() - began:.1f} s"


def main() -> None:
    """Time and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=100)
    parser.add_argument("--busy", type=int, default=2, help="busy processes beside it")
    parser.add_argument("--limit", type=float, default=60, help="seconds a row may take")
    asked = parser.parse_args()
    draw = random.Random(0)
    messages = [" ".join(draw.choices(WORDS, k=12)) for _ in range(asked.messages)]
    cores = len(os.sched_getaffinity(0))
    print(f"{asked.messages} short messages, {cores} cores\n\n| busy processes | threads | time |\n| --- | --- | --- |")
    for busy in (0, asked.busy):
        beside = [multiprocessing.Process(target=spin, daemon=True) for _ in range(busy)]
        for process in beside:
            process.start()
        for threads in (1, cores):
            print(f"| {busy} | {threads} | {timed(threads, messages, asked.limit)} |", flush=True)
        for process in beside:
            process.terminate()


if __name__ == "__main__":
    main()
