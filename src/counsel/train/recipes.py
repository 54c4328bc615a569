"""The recipes: named defaults for ``counsel train``, one TOML file each beside this one."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

RECIPES = Path(__file__).parent / "recipes"


def load_recipe(name: str) -> dict[str, Any]:
    """The settings that a recipe gives, by their names in ``TrainSettings``."""
    return tomllib.loads((RECIPES / f"{name}.toml").read_text(encoding="utf-8"))
