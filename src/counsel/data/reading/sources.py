"""From a file or a hub id to rows, one at a time, whatever the format.

``read`` yields a ``Row`` for every record; a record that cannot be read carries its ``problem`` instead of
turns, so that its caller decides whether to stop. What is wrong with a whole file is raised at once.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from pathlib import Path

from counsel.data.reading import jsonl, tables
from counsel.data.reading.columns import Columns
from counsel.data.reading.encoded import open_bytes
from counsel.data.reading.record import Row, record_row
from counsel.errors import CounselError

FORMATS = "JSONL, JSON, CSV or Parquet (also .gz), or a hub id such as owner/name"

_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
_SUFFIXES = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet", ".gz", ".txt", ".xlsx", ".zip")


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
    """Whether a source that is not a path can name a data set on a hub."""
    return bool(_HUB_ID.fullmatch(source)) and not source.lower().endswith(_SUFFIXES)


def authors(source: str) -> Iterator[str]:
    """The values of a source's author column, as far as it can be read, so that these names can be masked."""
    path = Path(source)
    if path.is_file() and _format(path) in ("csv", "parquet"):
        yield from tables.authors(path)


def _from_file(path: Path, columns: Columns) -> Iterator[Row]:
    kind = _format(path)
    try:
        if kind == "parquet":
            yield from tables.parquet(path, columns)
        elif kind == "csv":
            yield from tables.csv_rows(path, columns)
        else:
            yield from jsonl.json_rows(path, columns)
    except (OSError, EOFError) as e:
        reason = getattr(e, "strerror", None) or str(e)
        raise CounselError(
            f"the file could not be read: {reason}", where=path, fix="check the file, or export it again"
        ) from e


def _format(path: Path) -> str:
    """``csv``, ``json`` or ``parquet``: by the name's ending where that is known, else by the first bytes."""
    try:
        with open_bytes(path) as f:
            head = f.read(4096)
    except (OSError, EOFError) as e:
        raise CounselError(
            f"the file could not be read: {e}", where=path, fix="check the file and its permissions"
        ) from e
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
        raise CounselError("the file is not Parquet, or was cut short", where=path, fix="export it again")
    if name.endswith((".json", ".jsonl", ".ndjson")):
        return "json"
    return "json" if head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in b"{[" else "csv"


def _no_such_file(path: Path) -> CounselError:
    folder = path.parent
    names = [p.name for p in folder.iterdir()] if folder.is_dir() else []
    near = difflib.get_close_matches(path.name, names, 1)
    fix = f"did you mean {folder / near[0]}?" if near else f"give a file: {FORMATS}"
    return CounselError("the file does not exist", where=path, fix=fix)


def _is_directory(path: Path) -> CounselError:
    if (path / "audit.json").is_file():
        fix = "it holds prepared data already: give it to `counsel train --data`"
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
            f"there is no file of this name, and no data set of this name could be loaded: {reason}",
            where=name,
            fix="check the spelling and the network, or download it and give the file",
        ) from e
    if "train" not in loaded and len(loaded) != 1:
        raise CounselError(
            f"the data set has no split called train; its splits are {', '.join(loaded)}",
            where=name,
            fix="download the split that you want and give the file",
        )
    split = loaded["train"] if "train" in loaded else next(iter(loaded.values()))
    for n, record in enumerate(split, 1):
        yield record_row(record, columns, f"{name}:row {n}", f"{name}:{n}")
