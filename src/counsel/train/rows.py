"""From conversations to training rows: token ids and which are trained, cut to length, with what the cut cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from counsel.conversation import Conversation
from counsel.errors import CounselError
from counsel.model.render import Rendered, Renderer

MOST_DROPPED = 0.10
"""If a larger share of the conversations is left without a trained token, the run is refused."""


@dataclass(frozen=True)
class Rows:
    """Training rows, and what they lost to the cut.

    Attributes:
        rendered: token ids of each row, and which are trained.
        names: the id of each row's conversation.
        dropped: conversations that the cut left without any trained token.
        cut: conversations that lost tokens to the cut, the dropped ones included.
        ends_lost: kept conversations whose last end token is cut off.
    """

    rendered: list[Rendered]
    names: list[str]
    dropped: int
    cut: int
    ends_lost: int

    def __len__(self) -> int:
        return len(self.rendered)

    @property
    def trained_tokens(self) -> int:
        """The number of trained tokens in all rows."""
        return sum(row.trained for row in self.rendered)

    @cached_property
    def lengths(self) -> list[int]:
        """The number of tokens of each row."""
        return [len(row.ids) for row in self.rendered]

    def take(self, order: Sequence[int]) -> Rows:
        """The rows at these places, in this order."""
        return replace(self, rendered=[self.rendered[i] for i in order], names=[self.names[i] for i in order])

    def examples(self) -> list[dict[str, Any]]:
        """The rows as an ``Objective`` takes them: ``ids``, ``mask``, and ``row``, the place of each."""
        return [{"ids": row.ids, "mask": row.mask, "row": i} for i, row in enumerate(self.rendered)]


def make_rows(conversations: Sequence[Conversation], renderer: Renderer, max_length: int, where: str) -> Rows:
    """Render and cut conversations; drop those with nothing left to train.

    Raises:
        CounselError: when nothing is left, more than a tenth would be dropped, or no end token is trained.
    """
    kept, names, dropped, cut, ends_lost = [], [], 0, 0, 0
    for conversation, whole in zip(conversations, renderer.render_many(conversations), strict=True):
        row = whole.cut(max_length)
        cut += len(whole.ids) > max_length
        if not row.trained:
            dropped += 1
            continue
        ends_lost += whole.trained > row.trained
        kept.append(row)
        names.append(conversation.id or conversation.digest[:12])
    rows = Rows(kept, names, dropped, cut, ends_lost)
    _check(rows, len(conversations), renderer.eos_id, max_length, where)
    return rows


def _check(rows: Rows, read: int, eos_id: int, max_length: int, where: str) -> None:
    if not read:
        raise CounselError("there are no conversations to train on", where=where, fix="prepare more data")
    if rows.dropped > MOST_DROPPED * read:
        raise CounselError(
            f"{rows.dropped} of {read} conversations have no trained token left within {max_length} tokens",
            where=where,
            fix="raise --max-length",
        )
    if not any(row.trains(eos_id) for row in rows.rendered):
        raise CounselError(
            f"no end token is trained within {max_length} tokens, so the model would never learn to stop",
            where=where,
            fix="raise --max-length, or check the base's chat template",
        )
