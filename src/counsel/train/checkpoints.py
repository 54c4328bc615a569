"""The checkpoints of a run on disk: which are whole, which are kept."""

from __future__ import annotations

import shutil
from pathlib import Path

KEPT = 2
"""How many of the newest checkpoints are kept, besides the best one."""


def checkpoints(home: Path) -> list[Path]:
    """The whole checkpoints in a directory, oldest first."""
    found = (p for p in home.glob("checkpoint-*") if (p / "trainer_state.json").is_file())
    return sorted(found, key=lambda p: int(p.name.split("-")[1]))


def prune(home: Path, best_step: int | None) -> None:
    """Keep the newest checkpoints and the best."""
    best = home / f"checkpoint-{best_step}"
    for old in checkpoints(home)[:-KEPT]:
        if old != best:
            shutil.rmtree(old, ignore_errors=True)
