"""The lines that ``counsel screen`` reads; each holds a JSON conversation or a plain message."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import IO

from counsel.conversation import Message, heard_in, json_value
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
            raise CounselError(
                f"the file cannot be read: {e.strerror}", where=name, fix="check the name of the file"
            ) from e
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
    """The messages of a JSON object with ``messages``, or of a bare list of them, in which people are heard.

    Raises:
        ValueError: with the reason.
    """
    return heard_in(json_value(line))
