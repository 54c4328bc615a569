"""The settings of ``counsel publish``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class CardSettings:
    """Stand-in."""

    run: Path
    """The run."""
