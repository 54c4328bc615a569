"""From a file or a hub id to rows, one at a time, whatever the format.

``read`` yields a ``Row`` for every record; a record that cannot be read carries its ``problem`` instead of
turns, so that its caller decides whether to stop. What is wrong with a whole file is raised at once.
"""

from __future__ import annotations

import difflib
import gzip
import io
import re
from collections.abc import Iterator, Mapping
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
FORMATS = "JSONL, JSON, CSV or Parquet (also .gz), or a hub id such as owner/name"

_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
_SUFFIXES = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet", ".gz", ".txt", ".xlsx", ".zip")


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


def read(source: str, columns: Columns) -> Iterator[Row]:
    """Every record of one source.

    Args:
        source: a path or a hub id.
        columns: the columns that the user named.

    Raises:
        CounselError: when the source as a whole cannot be read.
    """
    path = Path(source)
    if not path.exists():
        if is_hub_id(source):
            return _from_hub(source, columns)
        raise _no_such_file(path)
    if path.is_dir():
        raise _is_directory(path)
    return _from_file(path, columns)


def is_hub_id(source: str) -> bool:
    """Whether a source that is no path can name a data set on a hub."""
    return bool(_HUB_ID.fullmatch(source)) and not source.lower().endswith(_SUFFIXES)


def authors(source: str) -> Iterator[str]:
    """The author column of a source, if it has one, as far as it can be read; for masking names beforehand."""
    from counsel.data import tables

    path = Path(source)
    if path.is_file() and _format(path) in ("csv", "parquet"):
        yield from tables.authors(path)


def _from_file(path: Path, columns: Columns) -> Iterator[Row]:
    from counsel.data import lines, tables

    kind = _format(path)
    try:
        if kind == "parquet":
            yield from tables.parquet(path, columns)
        elif kind == "csv":
            yield from tables.csv_rows(path, columns)
        else:
            yield from lines.json_rows(path, columns)
    except (OSError, EOFError) as e:
        reason = getattr(e, "strerror", None) or str(e)
        raise CounselError(f"could not be read: {reason}", where=path, fix="check the file") from e


def open_bytes(path: Path) -> IO[bytes]:
    """A file's bytes, unpacked when they are gzip."""
    f = open(path, "rb")  # noqa: SIM115 - the caller closes it
    if f.peek(2)[:2] == b"\x1f\x8b":
        return gzip.open(f)  # type: ignore[return-value]
    return f


def open_text(path: Path) -> IO[str]:
    """A file's text with its line ends kept; bytes that are no UTF-8 become lone surrogates, to be told by row."""
    return io.TextIOWrapper(open_bytes(path), encoding="utf-8-sig", errors="surrogateescape", newline="")


def _format(path: Path) -> str:
    """``csv``, ``json`` or ``parquet``: by the name's ending where that is known, else by the first bytes."""
    try:
        with open_bytes(path) as f:
            head = f.read(4096)
    except (OSError, EOFError) as e:
        raise CounselError(f"could not be read: {e}", where=path, fix="check the file and its permissions") from e
    if not head.strip():
        raise CounselError("the file is empty", where=path, fix="give a file with conversations")
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise CounselError("the text is UTF-16", where=path, fix="save it as UTF-8")
    if head[:4] == b"PAR1":
        return "parquet"
    if head[:2] == b"PK":
        raise CounselError("this is a zip file or an Excel workbook", where=path, fix="export it as CSV (UTF-8)")
    name = path.name.lower().removesuffix(".gz")
    if name.endswith((".csv", ".tsv")):
        return "csv"
    if name.endswith(".parquet"):
        raise CounselError("the file is no Parquet, or was cut short", where=path, fix="export it again")
    if name.endswith((".json", ".jsonl", ".ndjson")):
        return "json"
    return "json" if head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in b"{[" else "csv"


def _no_such_file(path: Path) -> CounselError:
    folder = path.parent
    names = [p.name for p in folder.iterdir()] if folder.is_dir() else []
    near = difflib.get_close_matches(path.name, names, 1)
    fix = f"did you mean {folder / near[0]}?" if near else f"give a file: {FORMATS}"
    return CounselError("there is no such file", where=path, fix=fix)


def _is_directory(path: Path) -> CounselError:
    if (path / "audit.json").is_file():
        fix = "it is prepared already: give it to `counsel train --data`"
    else:
        fix = f"name the files in it: {FORMATS}"
    return CounselError("this is a directory", where=path, fix=fix)


def _from_hub(name: str, columns: Columns) -> Iterator[Row]:
    import datasets

    try:
        loaded = datasets.load_dataset(name)
    except Exception as e:  # the hub client raises a dozen kinds, from connection to parsing
        reason = str(e).splitlines()[0] if str(e) else type(e).__name__
        raise CounselError(
            f"no such file, and the data set could not be loaded: {reason}",
            where=name,
            fix="check the spelling and the network, or download it and give the file",
        ) from e
    if "train" not in loaded and len(loaded) != 1:
        raise CounselError(
            f"the data set has the splits {', '.join(loaded)} and none is called train",
            where=name,
            fix="download the split that you want and give the file",
        )
    split = loaded["train"] if "train" in loaded else next(iter(loaded.values()))
    for n, record in enumerate(split, 1):
        yield record_row(record, columns, f"{name}:row {n}", f"{name}:{n}")


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
