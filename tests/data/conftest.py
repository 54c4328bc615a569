"""Preparing without waiting: a tokenizer made on the spot, and no pictures unless a test asks for them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from counsel.conversation import Conversation
from counsel.data.audit import plots
from counsel.data.audit.audit import Audit
from counsel.data.cleaning.conversations import Cleaned, Wording
from counsel.data.prepare import prepare
from counsel.data.settings import PrepareSettings
from counsel.text import words

from ..fakes import tokenizer

Prepare = Callable[..., Audit]


@pytest.fixture(scope="session")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("tokens")
    tokenizer().save_pretrained(folder)
    return str(folder)


@pytest.fixture
def run(tokens: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Prepare:
    """``prepare`` into tmp_path/out; what it said is in ``run.said``."""
    monkeypatch.setattr(plots, "draw", lambda *_: [])
    said: list[str] = []

    def call(*sources: str | Path, **settings: Any) -> Audit:
        said.clear()
        settings = {"out": tmp_path / "out", "tokenizer": tokens, **settings}
        return prepare(tuple(map(str, sources)), PrepareSettings(**settings), said.append)

    call.said = said  # type: ignore[attr-defined]
    return call


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_lines(tmp_path / "in.jsonl", many())


def chat(prompt: str, reply: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": prompt}, {"role": "assistant", "content": reply}]}


def cleaned(prompt: str, reply: str, came: str = "") -> Cleaned:
    """A row of two turns whose prompt came as ``came``, or had nothing to clean."""
    said = words(prompt), words(reply)
    before = words(came) or said[0]
    return Cleaned(
        Conversation.of(chat(prompt, reply)["messages"], source="s"),
        Wording(before, f"{before}\x1e{said[1]}"),
        Wording(said[0], "".join(said)),
    )


def write_lines(path: Path, records: Sequence[Any]) -> Path:
    path.write_text("".join(json.dumps(r) + "\n" for r in records), encoding="utf-8")
    return path


TOPICS = "sleep work money school grief anger divorce friends exams illness loneliness moving parents debt".split()


def many(count: int = 60) -> list[dict[str, Any]]:
    """Conversations with clearly different prompts; every fifth prompt has a second reply."""
    records = []
    for n in range(count):
        a, b, c = TOPICS[n % 14], TOPICS[(n // 14 + n) % 14], TOPICS[(3 * n + n // 7) % 14]
        prompt = (
            f"{'abcdefghijklmnopqrstuvwxyz'[n % 26] * 9} {a} keeps me awake number{n} and then {b} {n * 7919} with {c}"
        )
        records.append(chat(prompt, f"Tell me more about {a}, person{n}."))
        if n % 5 == 0:
            records.append(chat(prompt, f"What would help with {b}, person{n}?"))
    return records


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
