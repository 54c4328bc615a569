"""``counsel train --dry-run``: the settings with their origins, the steps, and one measured step's time and memory."""

from __future__ import annotations

import math
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase, TrainerCallback

from counsel.data.prepared import Prepared
from counsel.model import machine
from counsel.model.render import Renderer, load_tokenizer
from counsel.records import Run
from counsel.train.memory import fitting
from counsel.train.objective import Task
from counsel.train.progress import clock
from counsel.train.rows import Rows
from counsel.train.session import set_up
from counsel.train.settings import Asked, TrainSettings

Say = Callable[[str], None]
MEASURED_STEPS = 3


class _Stopwatch(TrainerCallback):  # type: ignore[misc]
    def __init__(self) -> None:
        self.ticks: list[float] = []

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Note the time at which a step has ended."""
        machine.wait()  # on the fast way, the step is only queued by now and not done
        self.ticks.append(time.perf_counter())
        control.should_save = control.should_evaluate = False


def dry_run(task: Task, asked: Asked, data: Prepared, say: Say) -> None:
    """Print what a run would do, with the time and memory of a step at the longest batch. Nothing is kept."""
    settings = asked.settings
    say("settings:")
    for name, value in asdict(settings).items():
        say(f"  {name} = {value}  ({asked.origins.get(name, 'default')})")
    tokenizer = load_tokenizer(settings.base)
    rows, _ = task.rows(settings, data, Renderer(tokenizer), say)
    per_step = settings.rows * settings.accumulate
    steps = settings.max_steps or math.ceil(-(-len(rows) // per_step) * settings.epochs)
    say(f"{steps} optimizer steps of {per_step} conversations")
    seconds, gib = fitting(settings, lambda fit: _measure(task, fit, rows, tokenizer), say)
    say(f"one step at the longest batch: {seconds:.2f} s; at most {clock(seconds * steps)} in all")
    say(f"memory at that step: {gib:.2f} GiB")


def _measure(
    task: Task, settings: TrainSettings, rows: Rows, tokenizer: PreTrainedTokenizerBase
) -> tuple[float, float]:
    """Seconds of one optimizer step over the longest rows, and the GPU's or the process's peak memory in GiB."""
    per_step = settings.rows * settings.accumulate
    longest = sorted(range(len(rows)), key=lambda i: -rows.lengths[i])[:per_step]
    watch = _Stopwatch()
    with tempfile.TemporaryDirectory() as scratch:
        few = replace(settings, max_steps=MEASURED_STEPS, log_to="none", run=Path(scratch))
        run = Run(scratch)
        run.begin()
        most, none = rows.take(longest * MEASURED_STEPS), rows.take([])
        session = set_up(task, few, most, none, tokenizer, run, lambda line: None)
        session.trainer.add_callback(watch)
        session.trainer.train()
    peak = machine.peak_memory_gib() or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return watch.ticks[-1] - watch.ticks[-2], peak
