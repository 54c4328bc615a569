"""Conversations to training rows: token ids and labels, cut to length, with what the cut cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from counsel.conversation import Conversation
from counsel.errors import CounselError
from counsel.model.render import Renderer

MOST_DROPPED = 0.10
"""The share of conversations that may be left without a trained token before the run is refused."""


@dataclass(frozen=True)
class Rows:
    """Training rows and their losses to the cut.

    Attributes:
        ids: token ids of each row.
        labels: the same, -100 where nothing is trained.
        names: the id of each row's conversation.
        dropped: conversations that the cut left without any trained token.
        cut: conversations that lost tokens to the cut, the dropped ones included.
        ends_lost: kept conversations whose last end token is cut off.
    """

    ids: list[list[int]]
    labels: list[list[int]]
    names: list[str]
    dropped: int
    cut: int
    ends_lost: int

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def trained_tokens(self) -> int:
        """Tokens that carry loss, over all rows."""
        return sum(label != -100 for row in self.labels for label in row)

    @property
    def tokens(self) -> int:
        """Tokens read, over all rows."""
        return sum(map(len, self.ids))

    def take(self, order: Sequence[int]) -> Rows:
        """The rows at these places, in this order."""

        def taken(column: list[Any]) -> list[Any]:
            return [column[i] for i in order]

        return replace(self, ids=taken(self.ids), labels=taken(self.labels), names=taken(self.names))

    def columns(self) -> dict[str, list[Any]]:
        """As columns of a data set; ``row`` says which row a batch holds."""
        return {"input_ids": self.ids, "labels": self.labels, "row": list(range(len(self)))}


def make_rows(conversations: Sequence[Conversation], renderer: Renderer, max_length: int, where: str) -> Rows:
    """Render and cut; drop what has nothing left to train.

    Raises:
        CounselError: when nothing is left, more than a tenth would be dropped, or no end token is trained.
    """
    ids, labels, names, dropped, cut, ends_lost = [], [], [], 0, 0, 0
    for conversation, whole in zip(conversations, renderer.render_many(conversations), strict=True):
        row = whole.cut(max_length)
        cut += len(whole.ids) > max_length
        if not row.trained:
            dropped += 1
            continue
        ends_lost += whole.trained > row.trained
        ids.append(row.ids)
        labels.append(row.labels)
        names.append(conversation.id or conversation.digest[:12])
    rows = Rows(ids, labels, names, dropped, cut, ends_lost)
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
    if not any(eos_id in row for row in rows.labels):
        raise CounselError(
            f"no end token is trained within {max_length} tokens, so the model would never learn to stop",
            where=where,
            fix="raise --max-length, or check the base's chat template",
        )
