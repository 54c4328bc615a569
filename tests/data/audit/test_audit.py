"""The audit's figures counted by hand, and its pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from counsel.conversation import Conversation
from counsel.data.audit import lengths, plots
from counsel.model.render import Rendered

from ..conftest import chat

FILES = ("train.jsonl", "valid.jsonl", "eval.jsonl")


class Fixed:
    """Renders four tokens of prompt, then a token a character of the reply, then the end token."""

    def render_many(self, conversations: list[Conversation]) -> list[Rendered]:
        lengths = [len(c.reply) + 1 for c in conversations]
        return [Rendered(list(range(4 + n)), [False] * 4 + [True] * n) for n in lengths]


@pytest.mark.parametrize(
    ("limit", "cut"), [(4, (1, 1, 1, 1)), (5, (1, 5 / 6, 1, 0)), (9, (1, 1 / 6, 1, 0)), (10, (0, 0, 0, 0))]
)
def test_what_a_limit_takes_counted_by_hand(limit: int, cut: tuple[float, ...]) -> None:
    conversation = Conversation.of(chat("why", "sleep")["messages"])  # 4 + 5 + the end = 10 tokens
    measured = lengths.measure([conversation], Fixed(), limit)  # type: ignore[arg-type]
    assert tuple(lengths.truncation(measured, limit).values()) == pytest.approx(cut, abs=1e-4)


def test_pictures_can_be_looked_at(tmp_path: Path) -> None:
    leak = {"row_split": {"prompt": 0.95, "pair": 0.7}, "group_split": {"prompt": 0.0, "pair": 0.0}}
    audit = {
        "truncation": {"max_length": 512}, "truncation_at": {"256": {"examples_cut": 0.5}}, "rows_read": 20,
        "leak": leak,
        "files": {f: {"rows": 5} for f in FILES}, "canaries": {"planted": 0}, "exact_duplicates": 3,
        "duplicates_after_cleaning": 0, "settings": {"split": "group"},
    }  # fmt: skip
    names = plots.draw(tmp_path / "plots", audit, np.array([100, 200, 300]), "png")
    assert all((tmp_path / name).stat().st_size > 2000 for name in names)
