"""The three parts of prepared data, and how large the held-out ones should be."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint64]
Parts = NDArray[np.int8]
Numbers = NDArray[np.int64]


class Part(IntEnum):
    """Where a row goes; a larger number is held out more strictly."""

    LEFT_OUT = 0
    TRAIN = 1
    VALID = 2
    EVAL = 3

    @property
    def file(self) -> str:
        """The name of the part's file."""
        return f"{self.name.lower()}.jsonl"


FILLED = (Part.TRAIN, Part.VALID, Part.EVAL)
"""The parts that have a file."""


@dataclass(frozen=True, slots=True)
class Shares:
    """The shares of all conversations that are held out; training gets the rest."""

    valid: float
    eval: float
