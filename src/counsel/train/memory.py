"""What happens when the GPU's memory is too small: the run learns the same with less memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from counsel.errors import CounselError
from counsel.model import machine
from counsel.train.settings import TrainSettings

T = TypeVar("T")


def fitting(settings: TrainSettings, work: Callable[[TrainSettings], T], say: Callable[[str], None]) -> T:
    """Do the work with these settings, or with the first smaller ones that fit. Report each time what it goes on with.

    Raises:
        CounselError: when not even one conversation fits.
    """
    import torch

    settings = settings.grouped()
    while True:
        try:
            return work(settings)
        except torch.cuda.OutOfMemoryError:
            smaller = _smaller(settings)
            if smaller is None:
                raise CounselError(
                    "one conversation does not fit into the GPU's memory",
                    where=f"--max-length {settings.max_length}",
                    fix="lower --max-length, or use a smaller base",
                ) from None
        settings = smaller
        say(
            f"the memory is too small: going on with --memory {settings.memory} --rows {settings.rows} --accumulate "
            f"{settings.accumulate}{' --checkpointing' if settings.checkpointing else ''} (the same effective batch)"
        )
        machine.give_back()


def _smaller(settings: TrainSettings) -> TrainSettings | None:
    """The next settings that take less memory: first balanced, then fewer rows, last the plain way with recomputing."""
    if settings.memory == "auto":
        return replace(settings, memory="balanced")
    if settings.rows > 1:
        rows = settings.rows // 2 if settings.rows % 2 == 0 else 1
        return replace(settings, rows=rows, accumulate=settings.rows * settings.accumulate // rows)
    if settings.memory == "plain" and settings.checkpointing:
        return None
    return replace(settings, memory="plain", checkpointing=True)
