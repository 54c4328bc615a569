"""Rows of JSON: one value a line, or one array of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import IO, Any

from counsel.conversation import json_value
from counsel.data.reading.columns import Columns
from counsel.data.reading.encoded import open_text, text_problem
from counsel.data.reading.record import Row, record_row
from counsel.errors import CounselError

_CHUNK = 1 << 20
_DECODER = json.JSONDecoder()
_LINE_LIMIT = 256 * 2**20
"""The longest line or array element, in characters."""


def json_rows(path: Path, columns: Columns) -> Iterator[Row]:
    """The records of a JSON file.

    A line may hold an object with messages, conversations or prompt and reply, or the card's bare list of
    messages. A file that is one array is read element by element.
    """
    with closing(open_text(path)) as f:
        is_array = _is_array(f)
        f.seek(0)
        yield from (_array(f, path, columns) if is_array else _lines(f, path, columns))


def _is_array(f: IO[str]) -> bool:
    """Whether the file is one array of records, and not lines that are each a bare list of messages."""
    head = f.read(_CHUNK).lstrip("\ufeff").lstrip()
    if head[:1] != "[":
        return False
    inside = head[1:].lstrip()
    if inside[:1] != "{":  # a list of lists, or an empty one
        return inside[:1] != "]"
    try:
        first, _ = _DECODER.raw_decode(inside)
    except ValueError:
        return True  # larger than what was looked at, or broken; the array reader finds out which
    return not ({"role", "from"} & first.keys())


def _lines(f: IO[str], path: Path, columns: Columns) -> Iterator[Row]:
    for n, line in enumerate(_physical_lines(f), 1):
        if not line.strip():
            continue
        where = f"{path}:{n}"
        problem = text_problem(line)
        if not problem:
            try:
                record = json_value(line)
            except ValueError as e:
                problem = str(e)
        yield (Row(where, problem=problem) if problem else record_row(record, columns, where, f"{path.name}:{n}"))


def _physical_lines(f: IO[str]) -> Iterator[str]:
    r"""Lines by ``\n`` alone: text opened with its line ends kept also breaks at a lone ``\r``."""
    held = ""
    for line in f:
        held = held + line if held else line
        if held.endswith("\n"):
            yield held
            held = ""
    if held:
        yield held


def _array(f: IO[str], path: Path, columns: Columns) -> Iterator[Row]:
    """Elements of one top-level array, in bounded memory; each is placed at the line where it begins."""
    window = _Window(f)
    window.skip("\ufeff")
    window.at += 1  # the opening bracket
    while (sign := window.skip(",")) != "]":
        line = window.line
        where = f"{path}:{line}"
        if not sign:
            raise _broken("the JSON array ends before it is closed", where)
        try:
            value, raw = window.take()
        except ValueError as e:
            raise _broken(f"the JSON array is broken here: {e}", where) from e
        problem = text_problem(raw)
        yield (Row(where, problem=problem) if problem else record_row(value, columns, where, f"{path.name}:{line}"))


def _broken(what: str, where: str) -> CounselError:
    return CounselError(
        what,
        where=where,
        fix="correct it, or write each record on a line of its own (JSONL), so that a broken record can be skipped",
    )


class _Window:
    """A moving window over a long text: where it stands, and on which line."""

    def __init__(self, f: IO[str]) -> None:
        self._f, self._held, self._ended = f, "", False
        self.at, self.line = 0, 1

    def _fill(self, size: int = _CHUNK) -> None:
        more = self._f.read(size)
        self._ended = not more
        self._held, self.at = self._held[self.at :] + more, 0

    def skip(self, signs: str) -> str:
        """Skip white space and ``signs``; return the next character, or an empty string at the end."""
        while True:
            while self.at < len(self._held) and ((c := self._held[self.at]).isspace() or c in signs):
                self.line += c == "\n"
                self.at += 1
            if self.at < len(self._held) or self._ended:
                return self._held[self.at : self.at + 1]
            self._fill()

    def take(self) -> tuple[Any, str]:
        """The JSON value that begins here, and its raw text.

        Raises:
            ValueError: when there is none, or it is over the limit.
        """
        size = _CHUNK
        while True:
            try:
                value, end = _DECODER.raw_decode(self._held, self.at)
                break
            except RecursionError as e:
                raise ValueError("it is nested too deeply") from e
            except json.JSONDecodeError as e:
                is_cut = e.msg.startswith("Unterminated") or e.pos > len(self._held) - 16
                if self._ended or not is_cut:
                    raise ValueError(e.msg) from e
                if len(self._held) - self.at > _LINE_LIMIT:
                    raise ValueError("one element is longer than 256 million characters") from e
                self._fill(size)
                size *= 2  # so that a long element is not decoded from its start too often
        raw = self._held[self.at : end]
        self.line += raw.count("\n")
        self.at = end
        return value, raw
