"""The sample that the package carries keeps what its page says of it."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import counsel.data
from counsel.conversation import Conversation

SAMPLE = Path(counsel.data.__file__).parent / "sample.jsonl"
CONVERSATIONS = [Conversation.of(json.loads(line)["messages"]) for line in SAMPLE.read_text().splitlines()]
REPLIES = [m.content for c in CONVERSATIONS for m in c.turns if m.role == "assistant"]


def test_it_has_enough_of_each_kind() -> None:
    assert len(CONVERSATIONS) >= 300
    assert sum(len(c.turns) > 2 for c in CONVERSATIONS) >= len(CONVERSATIONS) / 3
    assert sum(n > 1 for n in Counter(c.prompt for c in CONVERSATIONS).values()) >= 75
    assert all(c.is_answered for c in CONVERSATIONS)


def test_no_two_replies_share_their_wording() -> None:
    seen: dict[tuple[str, ...], str] = {}
    for reply in REPLIES:
        words = re.findall(r"[a-z']+", reply.lower())
        for i in range(len(words) - 6):
            run = tuple(words[i : i + 7])
            assert seen.setdefault(run, reply) == reply, f"{reply!r} and {seen[run]!r} share {' '.join(run)!r}"


def test_it_is_in_the_counseling_manner() -> None:
    assert all(reply.count("?") == 1 and reply.endswith("?") for reply in REPLIES)
    assert all(15 <= len(reply.split()) <= 40 for reply in REPLIES)


def test_nobody_and_no_number_is_in_it() -> None:
    text = SAMPLE.read_text()
    content = " ".join(m.content for c in CONVERSATIONS for m in c.messages)
    assert not re.search(r"\d", content) and "@" not in content and "http" not in text


def test_the_same_command_makes_it_again(tmp_path: Path) -> None:
    import subprocess
    import sys

    tools = Path(__file__).parents[2] / "tools" / "tiny" / "sample.py"
    subprocess.run([sys.executable, str(tools), "--out", str(tmp_path / "s.jsonl")], check=True, capture_output=True)
    assert (tmp_path / "s.jsonl").read_text() == SAMPLE.read_text()
