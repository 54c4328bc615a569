"""A prepared directory and a way to train on it, small enough for a second a run."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from counsel.cli import main
from counsel.records import Run

WORDS = "i feel sad about my work and home mother friend sleep talk tired alone exam money again today".split()


def _conversation(draw: random.Random) -> dict[str, Any]:
    def say(low: int, high: int) -> str:
        return " ".join(draw.choices(WORDS, k=draw.randint(low, high)))

    turns = draw.choice((1, 1, 2))
    messages = [{"role": r, "content": say(4, 20)} for _ in range(turns) for r in ("user", "assistant")]
    return {"messages": messages}


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Path:
    """50 conversations of random words, prepared with the tiny base's tokenizer."""
    home = tmp_path_factory.mktemp("prepared")
    draw = random.Random(5)
    (home / "raw.jsonl").write_text("".join(json.dumps(_conversation(draw)) + "\n" for _ in range(50)))
    argv = ["prepare", str(home / "raw.jsonl"), "--out", str(home / "data"), "--tokenizer", str(tiny_base)]
    assert main(argv) == 0
    return home / "data"


Train = Callable[..., Run]


QUICK = {"--rows": "4", "--accumulate": "1", "--epochs": "1.5", "--save-steps": "3", "--learning-rate": "5e-3"}


def command(base: Path, data: Path, run: Path, flags: tuple[str, ...] = ()) -> list[str]:
    """The arguments of a quick run; ``flags`` beat its own."""
    chosen = {"--base": str(base), "--data": str(data), "--run": str(run), **QUICK}
    kept = [word for name, value in chosen.items() if name not in flags for word in (name, value)]
    return ["train", *kept, *flags]


@pytest.fixture
def train(tiny_base: Path, prepared: Path, tmp_path: Path) -> Train:
    """``train("name", "--flag", …, expect=0)`` runs the command and gives its run."""

    def run(name: str, *flags: str, expect: int = 0) -> Run:
        assert main(command(tiny_base, prepared, tmp_path / name, flags)) == expect
        return Run(tmp_path / name)

    return run


@pytest.fixture
def reads_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fast steps are read late, as on a GPU."""
    from counsel.train.packs import Packs

    monkeypatch.setattr(Packs, "reads_late", True)
