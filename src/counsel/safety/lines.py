"""The lines that ``counsel screen`` reads: a JSON conversation, or a plain message, each."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import IO, Any

from counsel.conversation import ROLES, Message
from counsel.errors import CounselError

STDIN = "-"
NOTHING = "…"
"""What a model's turn without words is read as."""


def lines(files: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Each line that is not blank, with its place."""
    for name in files:
        try:
            opened = nullcontext(sys.stdin.buffer) if name == STDIN else open(name, "rb")  # noqa: SIM115
        except OSError as e:
            raise CounselError(f"the file cannot be read: {e.strerror}", where=name, fix="check its name") from e
        with opened as stream:
            yield from _lines(stream, "standard input" if name == STDIN else name)


def _lines(stream: IO[bytes], name: str) -> Iterator[tuple[str, bytes]]:
    for n, line in enumerate(stream, 1):
        body = line.removeprefix(b"\xef\xbb\xbf").strip()
        if body:
            yield f"{name}:{n}", body


def plain(line: str) -> list[Message]:
    """One message of a person."""
    return [Message("user", line)]


def conversation(line: str) -> list[Message]:
    """The messages of a JSON object with ``messages``, or of a bare list of them.

    Raises:
        ValueError: with the reason.
    """
    try:
        value = json.loads(line)
    except RecursionError as e:
        raise ValueError("it is nested too deeply") from e
    entries = value.get("messages") if isinstance(value, dict) else value
    if not isinstance(entries, list) or not entries:
        raise ValueError("there is no list of messages")
    return [_message(entry) for entry in entries]


def _message(entry: Any) -> Message:
    if isinstance(entry, dict) and entry.get("role") == "assistant":
        entry = {"content": None} | entry  # a turn that only calls tools has none
    if not isinstance(entry, dict) or not {"role", "content"} <= entry.keys():
        raise ValueError("a message needs a role and a content")
    if entry["role"] not in ROLES:  # what stands there instead may be somebody's words: it is not repeated
        raise ValueError(f"a role is none of {', '.join(ROLES)}")
    content = entry["content"]
    if entry["role"] != "user" and not (isinstance(content, str) and content.strip()):
        content = NOTHING  # a model's empty or odd turn keeps its number and keeps nobody's words from being read
    return Message(entry["role"], content)
