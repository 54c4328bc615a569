"""The product's own command line, run as its user runs it, and its speed read from what it records."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from training_peers.contenders import Contender

RECORDED = ("bound_share", "memory", "precision", "preparing_seconds", "seconds", "train_loss", "steps")


def run_own(contender: Contender, base: str, data: Path, run: Path) -> dict[str, Any]:
    """Train with ``counsel train``; speed and memory.

    Raises:
        RuntimeError: with the command's last line when it failed.
    """
    command = [sys.executable, "-m", "counsel.cli", "train", *contender.arguments]
    command += ["--base", base, "--data", str(data), "--run", str(run)]
    began = time.perf_counter()
    code, said = followed(command)
    wall = time.perf_counter() - began
    if code:
        raise RuntimeError(f"counsel train gave {code}: {said}")
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    summary = json.loads((run / "results" / "training.json").read_text())
    return figures(contender, lines, summary) | shape(contender) | {"process_seconds": round(wall, 1)}


def followed(command: list[str]) -> tuple[int, str]:
    """Exit status and last line of a command whose output is passed on as it comes: a killed run has its log too."""
    said = "nothing said"
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as child:
        assert child.stdout
        for line in child.stdout:
            print(line, end="", flush=True)
            said = line.strip() or said
    return child.returncode, said


def figures(contender: Contender, lines: list[dict[str, Any]], summary: dict[str, Any]) -> dict[str, Any]:
    """What is recorded of a run, from its metrics and its summary."""
    speed, tokens = last_half(lines)
    return {
        "steps_per_s": speed,
        "tokens_per_s": tokens,
        "peak_reserved_gib": summary["peak_memory_gib"],
        "peak_allocated_gib": None,
        "valid_losses": [line["valid_loss"] for line in lines if "valid_loss" in line],
        "recorded_steps_per_s": summary["steps_per_s"],
        "recorded_tokens_per_s": summary["tokens_per_s"],
    } | {name: summary.get(name) for name in RECORDED}


def last_half(lines: list[dict[str, Any]]) -> tuple[float, float]:
    """Steps and tokens a second over the last half of the steps, every pause between them counted.

    A step's line may be written up to a step late, since the next is queued before its loss is read.

    Raises:
        RuntimeError: when there are too few steps.
    """
    steps = [line for line in lines if "seconds" in line]
    half = steps[len(steps) // 2 - 1 :]
    if len(half) < 2:
        raise RuntimeError(f"{len(steps)} steps are too few to time")
    first, last = half[0], half[-1]
    seconds = last["seconds"] - first["seconds"]
    return (last["step"] - first["step"]) / seconds, (last["tokens"] - first["tokens"]) / seconds


def shape(contender: Contender) -> dict[str, Any]:
    """Rows and passes as the chosen mode groups them, which need not be what the recipe says."""
    from counsel.train.recipes import load_recipe
    from counsel.train.settings import TrainSettings

    values = load_recipe(contender.recipe) | {"memory": contender.memory}
    settings = TrainSettings(run=Path("run"), data=("data",), **values).grouped()
    return {"rows": settings.rows, "accumulate": settings.accumulate}
