"""How far each way of training is from an fp32 reference at full size, over the same NF4 weights and the same data.

    python benchmarks/training_exactness.py --base BASE --data DATA --steps 15 --seeds 3

Trains the card's workload four times through `counsel train` in one process: the reference (plain TRL in fp32), plain
TRL in bf16, and our two ways in bf16; then again with other adapters and another order of the rows. Prints the root
mean square difference of loss and gradient norm from the reference, over all steps and, in brackets, of each seed, as
a Markdown table. A higher learning rate than the card's makes the adapters move.
"""

from __future__ import annotations

import argparse
import gc
import math
import tempfile
from pathlib import Path
from typing import Any

WAYS = {
    "reference: plain TRL, fp32": ("plain", "fp32"),
    "plain TRL, bf16": ("plain", "bf16"),
    "counsel fast, bf16": ("fast", "bf16"),
    "counsel balanced, bf16": ("balanced", "bf16"),
}


def steps_of(a: argparse.Namespace, memory: str, precision: str, seed: int) -> list[dict[str, Any]]:
    """The metrics of one run."""
    import torch

    from counsel.train.run import train
    from counsel.train.settings import Asked, TrainSettings

    with tempfile.TemporaryDirectory() as scratch:
        settings = TrainSettings(
            run=Path(scratch) / "run",
            data=(a.data,),
            base=a.base,
            rows=4,
            max_length=256,
            max_steps=a.steps,
            learning_rate=a.learning_rate,
            targets="attention",
            seed=seed,
            memory=memory,  # type: ignore[arg-type]
            precision=precision,  # type: ignore[arg-type]
        )
        run = train(Asked(settings), lambda line: print(" ", line, flush=True))
        found = [m for m in run.metrics() if "loss" in m]
    gc.collect()
    torch.cuda.empty_cache()
    return found


Steps = list[dict[str, Any]]


def distance(ours: list[Steps], reference: list[Steps], key: str) -> str:
    """Root mean square difference over the steps of every seed, and of each."""
    squares = [
        sum((x[key] - y[key]) ** 2 for x, y in zip(*pair, strict=True)) / len(pair[0])
        for pair in zip(ours, reference, strict=True)
    ]
    each = ", ".join(f"{math.sqrt(square):.2e}" for square in squares)
    return f"{math.sqrt(sum(squares) / len(squares)):.2e} ({each})"


def main() -> None:
    """Train and print."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--base", required=True)
    p.add_argument("--data", required=True)
    p.add_argument("--steps", type=int, default=15)
    p.add_argument("--seeds", type=int, default=1)
    p.add_argument("--learning-rate", type=float, default=2e-4)
    a = p.parse_args()
    runs = {name: [steps_of(a, *way, seed) for seed in range(a.seeds)] for name, way in WAYS.items()}
    reference, *others = runs
    print(f"| {a.seeds} x {a.steps} steps, from the fp32 reference | loss, RMS | gradient norm, RMS |")
    print("| --- | --- | --- |")
    for name in others:
        print(f"| {name} | {' | '.join(distance(runs[name], runs[reference], k) for k in ('loss', 'grad_norm'))} |")


if __name__ == "__main__":
    main()
