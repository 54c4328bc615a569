"""The settings of ``counsel demo``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class DemoSettings:
    """Where the demonstration works."""

    out: Path = Path("demo")
    """The directory for the demonstration's data and run; it is made anew each time."""
