"""The settings of ``counsel evaluate``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class EvaluateSettings:
    """Stand-in."""

    run: Path
    """The run."""
