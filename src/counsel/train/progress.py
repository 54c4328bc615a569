"""What a run shows and records while it trains: the bar, ``metrics.jsonl``, the measured speed."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from transformers import TrainerCallback

from counsel.model import machine
from counsel.records import Run

LINES = 20
"""How many lines a run prints about its progress when there is no terminal to draw a bar on."""


class Speed:
    """Steps and tokens a second of this process's training, without start-up, valid losses and checkpoints."""

    def __init__(self) -> None:
        self.steps = self.tokens = 0
        self.busy = 0.0
        self._since: float | None = None

    def begin(self) -> None:
        """Note that a step begins. The clock starts, unless it has been running since the end of the step before."""
        if self._since is None:
            self._since = time.perf_counter()

    def end(self, tokens: int) -> None:
        """Note that a step of this many tokens has ended. The first is not counted, because it includes compiling."""
        now = time.perf_counter()
        if self._since is not None and self.steps:
            self.busy += now - self._since
            self.tokens += tokens
        self.steps += 1
        self._since = now

    def pause(self) -> None:
        """Stop the clock: what follows is not a step."""
        self._since = None

    @property
    def steps_per_s(self) -> float | None:
        """Optimizer steps a second, or None before there are two."""
        return (self.steps - 1) / self.busy if self.busy else None

    @property
    def tokens_per_s(self) -> float | None:
        """Tokens read in a second, without padding, or None before there are two steps."""
        return self.tokens / self.busy if self.busy else None


class Recorder(TrainerCallback):  # type: ignore[misc]
    """Writes ``metrics.jsonl`` and draws the bar.

    Args:
        run: where the metrics go.
        say: prints one line.
        seconds_before: what earlier processes spent on this run.
        share_of_bound: tokens a second to the share of the machine's bound, or None on a CPU.
    """

    def __init__(
        self,
        run: Run,
        say: Callable[[str], None],
        seconds_before: float,
        share_of_bound: Callable[[float], float] | None,
    ) -> None:
        self.run, self.say, self.share_of_bound = run, say, share_of_bound
        self.seconds_before, self.started = seconds_before, time.perf_counter()
        self.speed = Speed()
        # The trainer only counts the tokens of this process; a resumed run goes on from what it has recorded.
        self.tokens_at_start = max((m["tokens"] for m in run.metrics() if "tokens" in m), default=0)
        self.tokens_before = self.tokens_at_start
        self.bar: Any = None
        self.last: dict[str, float] = {}

    @property
    def seconds(self) -> float:
        """Seconds spent on the run, earlier processes included."""
        return self.seconds_before + time.perf_counter() - self.started

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start the clock and the bar."""
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

            columns = (
                TextColumn("training"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[note]}"),
            )
            self.bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self.bar.add_task("training", total=state.max_steps, completed=state.global_step, note="preparing")
            self.bar.start()

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Take the bar away."""
        self.close()

    def close(self) -> None:
        """Take the bar away, however the run ended."""
        if self.bar is not None:
            self.bar.stop()
            self.bar = None

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start the clock of a step."""
        self.speed.begin()

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """The time of a valid loss is not that of a step."""
        self.speed.pause()

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """The time of a checkpoint is not that of a step."""
        self.speed.pause()

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **kwargs: Any) -> None:
        """Write one line of metrics, for a step or for a valid loss."""
        if "eval_loss" in logs:
            self.last["valid_loss"] = logs["eval_loss"]
            self.run.log(
                {
                    "step": state.global_step,
                    "valid_loss": logs["eval_loss"],
                    "valid_tokens": int(logs["eval_tokens"]),
                }
            )
            self.say(f"step {state.global_step}: valid loss {logs['eval_loss']:.4f}")
        elif "loss" in logs:
            tokens = self.tokens_at_start + int(logs["num_tokens"])
            self.speed.end(tokens - self.tokens_before)
            self.tokens_before = tokens
            norm = logs.get("grad_norm", 0.0)
            line = {
                "step": state.global_step,
                "epoch": round(state.epoch or 0.0, 6),
                "loss": logs["loss"],
                "grad_norm": norm if norm == norm and abs(norm) != float("inf") else None,
                "learning_rate": logs["learning_rate"],
                "tokens": tokens,
                "seconds": round(self.seconds, 3),
            }
            self.run.log(line)
            self.last["loss"] = logs["loss"]
            self._show(state)

    def _show(self, state: Any) -> None:
        if self.bar is not None:
            self.bar.update(self.bar.task_ids[0], completed=state.global_step, note=self.note(state))
        elif state.global_step % max(1, state.max_steps // LINES) == 0 or state.global_step == state.max_steps:
            self.say(f"step {state.global_step} of {state.max_steps}: {self.note(state)}")

    def note(self, state: Any) -> str:
        """Loss, speed, time left and, on a GPU, memory and the share of its bound."""
        parts = [f"loss {self.last['loss']:.3f}"]
        if self.speed.steps_per_s and self.speed.tokens_per_s:
            left = (state.max_steps - state.global_step) / self.speed.steps_per_s
            parts += [
                f"{self.speed.steps_per_s:.2f} steps/s",
                f"{self.speed.tokens_per_s:,.0f} tokens/s",
                f"{clock(left)} left",
            ]
            if self.share_of_bound:
                parts.append(f"{self.share_of_bound(self.speed.tokens_per_s):.0%} of the bound")
        if peak := machine.peak_memory_gib():
            parts.append(f"{peak:.2f} GiB at most")
        return ", ".join(parts)


def clock(seconds: float) -> str:
    """Seconds as 4 s, 1:05 or 2:03:04."""
    whole = round(seconds)
    minutes, hours = whole // 60, whole // 3600
    if hours:
        return f"{hours}:{minutes % 60:02}:{whole % 60:02}"
    return f"{minutes}:{whole % 60:02}" if minutes else f"{whole} s"
