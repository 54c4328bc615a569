"""One record of any format: what was said, by role, with the column names and speakers that are known."""

from __future__ import annotations

import difflib
import gzip
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from counsel.errors import CounselError

PAIRS = (
    ("Context", "Response"),
    ("questionText", "answerText"),
    ("prompt", "response"),
    ("prompt", "completion"),
    ("question", "answer"),
    ("instruction", "output"),
    ("input", "output"),
)
"""Column names of prompt and reply that are known, in any case."""
AUTHORS = ("therapistInfo", "therapistName", "therapist", "counselor", "counsellor", "author")
"""Columns that name who wrote the reply."""
ROLES = {
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "model": "assistant",
    "bot": "assistant",
    "system": "system",
}
"""The speakers that chat formats name, as roles."""


@dataclass(frozen=True, slots=True)
class Row:
    """One record: what was said, by role, as it stands in the source."""

    where: str
    """The place, as ``file:line``."""
    turns: tuple[tuple[str, str], ...] = ()
    """(role, content) in order; contents may be blank."""
    source: str = ""
    """Where the conversation says it came from, or the file's name and line."""
    author: str = ""
    """Who wrote the reply, from an author column."""
    problem: str = ""
    """Why the record could not be read; empty when it could."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns that the user named; None leaves the choice to the known names."""

    prompt: str | None = None
    reply: str | None = None

    def find(self, seen: list[str]) -> tuple[str, str] | None:
        """The columns of prompt and reply among those seen, or None."""
        lower = {name.casefold().strip(): name for name in reversed(seen)}
        for prompt, reply in PAIRS:
            found = tuple(lower.get((a or b).casefold()) for a, b in ((self.prompt, prompt), (self.reply, reply)))
            if found[0] and found[1]:
                return found[0], found[1]
        return None

    def missing(self, seen: list[str], where: str) -> CounselError:
        """The error that names what was looked for, what is there, and what comes nearest."""
        names = ", ".join(seen[:30]) + (", …" if len(seen) > 30 else "")
        for flag, name in (("--prompt-column", self.prompt), ("--reply-column", self.reply)):
            if name and name not in seen:
                near = difflib.get_close_matches(name, seen, 1)
                return CounselError(
                    f"there is no column {name!r}; the columns are: {names}",
                    where=where,
                    fix=f"{flag} {near[0]!r}" if near else f"name one of them with {flag}",
                )
        known = {n.casefold(): n for pair in PAIRS for n in pair}
        near = [s for s in seen if difflib.get_close_matches(s.casefold(), list(known), 1, 0.6)]
        return CounselError(
            f"no columns of prompt and reply are known here; the columns are: {names}",
            where=where,
            fix="name them with --prompt-column and --reply-column"
            + (f" (nearest: {', '.join(near)})" if near else ""),
        )


def open_bytes(path: Path) -> IO[bytes]:
    """A file's bytes, unpacked when they are gzip."""
    f = open(path, "rb")  # noqa: SIM115 - the caller closes it
    if f.peek(2)[:2] == b"\x1f\x8b":
        return gzip.open(f)  # type: ignore[return-value]
    return f


def open_text(path: Path) -> IO[str]:
    """A file's text with its line ends kept; bytes that are no UTF-8 become lone surrogates, to be told by row."""
    return io.TextIOWrapper(open_bytes(path), encoding="utf-8-sig", errors="surrogateescape", newline="")


def record_row(record: Any, columns: Columns, where: str, source: str) -> Row:
    """A row from one decoded record: messages, the card's bare list, ShareGPT, or prompt and reply by column."""
    try:
        if isinstance(record, list):
            return Row(where, _turns(record), source)
        if not isinstance(record, Mapping):
            return Row(where, problem=f"expected an object or a list of messages, found {type(record).__name__}")
        origin = record.get("source")
        source = origin if isinstance(origin, str) and origin.strip() else source
        for name in ("messages", "conversations", "conversation"):
            if isinstance(record.get(name), list):
                return Row(where, _turns(record[name]), source, _author(record))
        found = columns.find([str(k) for k in record])
        if found is None:
            keys = ", ".join(map(str, list(record)[:20])) or "none"
            return Row(where, problem=f"no messages and no known columns of prompt and reply; the keys are: {keys}")
        turns = (
            ("user", _string(record[found[0]], found[0])),
            ("assistant", _string(record[found[1]], found[1])),
        )
        return Row(where, turns, source, _author(record))
    except ValueError as e:
        return Row(where, problem=str(e))


def _author(record: Mapping[str, Any]) -> str:
    return next((record[a] for a in AUTHORS if isinstance(record.get(a), str)), "")


def _string(value: Any, name: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"{name} is {type(value).__name__}, expected text")
    return value


def _turns(messages: list[Any]) -> tuple[tuple[str, str], ...]:
    turns = []
    for n, message in enumerate(messages, 1):
        if not isinstance(message, Mapping):
            raise ValueError(f"message {n} is {type(message).__name__}, expected an object with role and content")
        speaker = message.get("role", message.get("from"))
        if not isinstance(speaker, str) or speaker.casefold() not in ROLES:
            raise ValueError(f"message {n} has the role {speaker!r}, expected user, assistant or system")
        content = message["content"] if "content" in message else message.get("value")
        turns.append((ROLES[speaker.casefold()], _string(content, f"the content of message {n}")))
    return tuple(turns)
