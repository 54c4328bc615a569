"""One record of any format: what was said, by role."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from counsel.data.reading.columns import AUTHORS, Columns
from counsel.data.reading.messages import kind_of, messages_of, text_of


@dataclass(frozen=True, slots=True)
class Row:
    """One record: what was said, by role, as it stands in the source."""

    where: str
    """The place, as ``file:line``."""
    turns: tuple[tuple[str, str], ...] = ()
    """(role, content) in order; contents may be blank."""
    source: str = ""
    """Where the conversation came from: what it says itself, or the file's name and line."""
    author: str = ""
    """Who wrote the reply, from an author column."""
    problem: str = ""
    """Why the record could not be read; empty when it could."""


def record_row(record: Any, columns: Columns, where: str, source: str) -> Row:
    """A row from one decoded record: messages, the card's bare list, ShareGPT, or prompt and reply by column."""
    try:
        if isinstance(record, list):
            return Row(where, messages_of(record), source)
        if not isinstance(record, Mapping):
            return Row(where, problem=f"the record is {kind_of(record)}, but should be an object or a list of messages")
        origin = record.get("source")
        source = origin if isinstance(origin, str) and origin.strip() else source
        for name in ("messages", "conversations", "conversation"):
            if isinstance(record.get(name), list):
                return Row(where, messages_of(record[name]), source, _author(record))
        found = columns.find([str(k) for k in record])
        if found is None:
            keys = ", ".join(map(str, list(record)[:20])) or "none"
            return Row(
                where,
                problem=f"the record has neither messages nor keys known for prompt and reply; its keys are {keys}",
            )
        turns = (
            ("user", text_of(record[found[0]], found[0])),
            ("assistant", text_of(record[found[1]], found[1])),
        )
        return Row(where, turns, source, _author(record))
    except ValueError as e:
        return Row(where, problem=str(e))


def _author(record: Mapping[str, Any]) -> str:
    return next((record[a] for a in AUTHORS if isinstance(record.get(a), str)), "")
