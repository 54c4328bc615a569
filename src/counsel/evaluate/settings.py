"""The settings of ``counsel evaluate``. Their help, flags, TOML keys and documentation all come from here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class EvaluateSettings:
    """Everything that an evaluation depends on, apart from the run itself."""

    run: Path
    """The directory of a run that has finished training."""
    data: Path | None = None
    """Where the prepared data lie now, if they have moved since training; eval.jsonl must be the very same file."""
    only: tuple[str, ...] = ()
    """Only these scorers (loss, samples); by default all of them."""
    guarded: bool = False
    """Also measure the product that people meet: the tuned model behind the screen and the crisis protocol."""
    rows: int = 8
    """How many conversations pass through the model together; this changes the speed, not the result."""
    seed: int = 0
    """Decides which conversations are samples, the draws behind the intervals, and the guarded replies."""
    resamples: int = 10_000
    """How often the conversations are drawn anew for an interval."""
    samples: int = 6
    """How many prompts every measured system answers, for a person to read."""
    max_new_tokens: int = 200
    """The longest reply in tokens; a longer one is cut there."""

    def __post_init__(self) -> None:
        for name in ("rows", "resamples", "max_new_tokens"):
            if getattr(self, name) < 1:
                raise ValueError(f"--{name.replace('_', '-')} must be at least 1, not {getattr(self, name)}")
        for name in ("seed", "samples"):
            if getattr(self, name) < 0:
                raise ValueError(f"--{name} must be 0 or more, not {getattr(self, name)}")
