"""The stored replies: each asked for once, whole or not at all, and bound to who gave them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from counsel.conversation import Conversation
from counsel.errors import CounselError
from counsel.evaluate.replies import Replies
from counsel.evaluate.systems import Answer, Done, System


class Scripted:
    """A system that says its name and the question, remembers what it was asked, and dies when told to."""

    def __init__(self, name: str, **made_of: Any) -> None:
        self.asked: list[Conversation] = []
        self.dies_at: int | None = None
        self.system = System(name, self.respond, 7, made_of)

    def respond(self, conversations: Sequence[Conversation], done: Done) -> list[Answer]:
        self.asked += conversations
        if self.dies_at is not None and len(self.asked) >= self.dies_at:
            raise KeyboardInterrupt
        return [Answer(f"{self.system.name} to {c.prompt}", 3, "stop") for c in conversations]


def quiet(n: int) -> None:
    """Nobody listens."""


def prompts(*texts: str) -> list[Conversation]:
    return [Conversation.of([{"role": "user", "content": t}], id=f"id of {t}") for t in texts]


def test_a_line_says_who_answered_what_and_why_it_ended(tmp_path: Path) -> None:
    who = Scripted("tuned")
    asked = prompts("one", "two")
    replies = Replies(tmp_path / "r.jsonl", [who.system]).ask(who.system, asked, 8, quiet)
    lines = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text().splitlines()]
    assert sorted(line["prompt"] for line in lines) == sorted(c.digest for c in asked)
    first = next(line for line in lines if line["prompt"] == asked[0].digest)
    assert first == {
        "prompt": asked[0].digest, "id": "id of one", "system": "tuned", "seed": 7, "text": "tuned to one",
        "tokens": 3, "finish": "stop", "made_by": who.system.digest,
    }  # fmt: skip
    assert [r.text for r in replies] == ["tuned to one", "tuned to two"], "in the order of the prompts"


def test_what_is_stored_is_not_asked_for_again(tmp_path: Path) -> None:
    who, heard = Scripted("tuned"), []
    Replies(tmp_path / "r.jsonl", [who.system]).ask(who.system, prompts("one", "two", "one"), 1, heard.append)
    assert heard == [1, 2], "one prompt twice is one question"
    store = Replies(tmp_path / "r.jsonl", [who.system])
    assert [c.prompt for c in store.missing(who.system, prompts("two", "three"))] == ["three"]
    assert [r.text for r in store.ask(who.system, prompts("two", "three"), 4, quiet)] == [
        "tuned to two",
        "tuned to three",
    ]
    assert [c.prompt for c in who.asked] == ["one", "two", "three"]


@pytest.mark.parametrize("cut", [1, 40, 200])
def test_a_line_cut_short_by_a_crash_is_as_if_it_were_not_there(tmp_path: Path, cut: int) -> None:
    who, path = Scripted("tuned"), tmp_path / "r.jsonl"
    Replies(path, [who.system]).ask(who.system, prompts("one", "two"), 1, quiet)
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    store = Replies(path, [who.system])
    assert [c.prompt for c in store.missing(who.system, prompts("one", "two"))] == ["two"]
    store.ask(who.system, prompts("one", "two"), 1, quiet)
    assert path.read_bytes() == whole


def test_another_version_of_a_system_is_asked_anew(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    before, other = Scripted("tuned", adapter="a"), Scripted("base")
    store = Replies(path, [before.system, other.system])
    for who in (before, other):
        store.ask(who.system, prompts("one"), 1, quiet)
    after = Scripted("tuned", adapter="b")
    store = Replies(path, [after.system])
    assert "tuned to" not in path.read_text(), "what an earlier adapter said is dropped"
    assert "base to one" in path.read_text(), "what another system said is kept"
    store.ask(after.system, prompts("one"), 1, quiet)
    assert len(after.asked) == 1
    assert replace(after.system, seed=8).digest != after.system.digest


@pytest.mark.parametrize("line", ["{", "[]", "{}", '{"prompt": 1, "other": 2}', ""])
def test_a_file_that_holds_something_else_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(CounselError, match="not a stored reply.*r.jsonl:1.*delete the file"):
        Replies(path, [])
    assert path.read_text() == line + "\n", "it is left as it was"


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    who = Scripted("tuned")
    with pytest.raises(CounselError, match="could not write"):
        Replies(tmp_path / "none" / "r.jsonl", []).ask(who.system, prompts("one"), 1, quiet)
