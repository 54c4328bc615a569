"""Which way a run trains: every weight dequantised, weights dequantised as they are used, or the plain way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from counsel.model import machine

Mode = Literal["fast", "balanced", "plain"]


def choose_mode(asked: str, obstacle: str | None, parameters: int, say: Callable[[str], None]) -> Mode:
    """The way to train.

    Args:
        asked: the value of ``--memory``.
        obstacle: why packs cannot be used with this model here, or None.
        parameters: how many the model has.
        say: is told when the way that was asked for cannot be taken.
    """
    # On a CPU a dequantised copy of a large model may not fit, and trying it could take the machine down.
    too_large = not machine.on_gpu() and parameters >= machine.SMALL
    if asked == "plain" or (asked == "auto" and too_large):
        return "plain"
    if obstacle:
        say(f"training goes the plain way, which is several times slower: {obstacle}")
        return "plain"
    return "balanced" if asked == "balanced" else "fast"
