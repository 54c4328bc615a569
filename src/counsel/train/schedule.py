"""When a run measures its valid loss, keeps a checkpoint, and stops."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any

from transformers import TrainerCallback


class Schedule(TrainerCallback):  # type: ignore[misc]
    """Valid loss and checkpoints at intervals, early stopping, and a clean stop on SIGINT and SIGTERM.

    Args:
        steps_per_epoch: optimizer steps of one epoch, the default interval.
        valid_steps: interval of the valid loss.
        save_steps: interval of checkpoints.
        patience: the run stops after this many valid losses without a new best; None for never.
        has_valid: whether there are rows for a valid loss.
    """

    def __init__(
        self,
        steps_per_epoch: int,
        valid_steps: int | None,
        save_steps: int | None,
        patience: int | None,
        has_valid: bool,
    ) -> None:
        self.valid_steps = (valid_steps or steps_per_epoch) if has_valid else None
        self.save_steps = save_steps or steps_per_epoch
        self.patience = patience
        self.interrupted = self.stopped_early = False
        self._before: dict[int, Any] = {}

    def listen(self) -> None:
        """Let SIGINT and SIGTERM ask for a checkpoint and a stop; a second one ends the process at once."""
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._interrupt)

    def stop_listening(self) -> None:
        """Give the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self.interrupted = True
        self.stop_listening()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Ask for whatever is due after this step."""
        last = state.global_step >= state.max_steps
        if self.valid_steps and (last or state.global_step % self.valid_steps == 0):
            control.should_evaluate = True
        if last or self.interrupted or state.global_step % self.save_steps == 0:
            control.should_save = True
        if self.interrupted:
            control.should_training_stop = True

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Keep a checkpoint that is the best so far; stop when there has been no better one for long enough."""
        if state.best_global_step == state.global_step:
            control.should_save = True
        if self.is_over(state):
            control.should_training_stop = control.should_save = True

    def is_over(self, state: Any) -> bool:
        """Whether a run in this state has nothing left to do: every step is taken, or its patience has run out."""
        measured = [entry["step"] for entry in state.log_history if "eval_loss" in entry]
        worse = sum(step > (state.best_global_step or 0) for step in measured)
        self.stopped_early = bool(self.patience and worse >= self.patience and state.global_step < state.max_steps)
        return self.stopped_early or state.global_step >= state.max_steps
