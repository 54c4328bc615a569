"""The settings of ``counsel chat``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class ChatSettings:
    """Stand-in."""

    run: Path
    """The run."""
