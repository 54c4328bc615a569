"""Rows of CSV and Parquet."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from counsel.data.reading.columns import AUTHORS, Columns
from counsel.data.reading.encoded import open_text, text_problem
from counsel.data.reading.record import Row, record_row
from counsel.errors import CounselError

FIELD_LIMIT = 64 * 2**20
"""The longest CSV field, in characters, so that a quote that never closes cannot fill the memory."""
_BATCH = 512


@contextmanager
def _wide_fields() -> Iterator[None]:
    # The csv module's limit of 131,072 is one global; real exports carry pictures inside a field.
    before = csv.field_size_limit(FIELD_LIMIT)
    try:
        yield
    finally:
        csv.field_size_limit(before)


class _CheckedLines:
    """Physical lines, with what was wrong in the first bad line since the last look."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self.problem = ""

    def __iter__(self) -> _CheckedLines:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.problem = self.problem or text_problem(line)
        return line


def _records(path: Path) -> Iterator[tuple[int, list[str], str]]:
    """(first line, fields, problem) of each record, header included; blank lines are passed over."""
    with _wide_fields(), closing(open_text(path)) as f:
        header = f.readline()
        f.seek(0)
        lines = _CheckedLines(iter(f))
        delimiter = max(",;\t", key=header.count)
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        at = 1
        while True:
            lines.problem = ""
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as e:
                reason = (
                    "a quote opens here and never closes" if "end of data" in str(e) else f"the CSV is broken here: {e}"
                )
                yield at, [], reason
            else:
                if fields:
                    yield at, fields, lines.problem
            at = reader.line_num + 1


def csv_rows(path: Path, columns: Columns) -> Iterator[Row]:
    """The records of a CSV file; comma, semicolon or tab, whichever the header has most of.

    Raises:
        CounselError: when the header has no columns of prompt and reply.
    """
    records = _records(path)
    first = next(records, None)
    if first is None:
        raise CounselError("the file has no lines", where=path, fix="give a file with conversations")
    line, header, problem = first
    if problem:
        raise CounselError(f"the header cannot be read: {problem}", where=f"{path}:{line}", fix="save it as UTF-8 CSV")
    found = columns.find(header)
    if found is None:
        raise columns.missing(header, f"{path}:{line}")
    prompt, reply = header.index(found[0]), header.index(found[1])
    author = _author_column(header)
    for line, fields, problem in records:
        where = f"{path}:{line}"
        if not problem and len(fields) != len(header):
            problem = f"the header has {len(header)} fields, but this row has {len(fields)}"
        if problem:
            yield Row(where, problem=problem)
            continue
        turns = (("user", fields[prompt]), ("assistant", fields[reply]))
        yield Row(where, turns, f"{path.name}:{line}", fields[author] if author is not None else "")


def parquet(path: Path, columns: Columns) -> Iterator[Row]:
    """The records of a Parquet file, counted from 1.

    Raises:
        CounselError: when it is broken, or has no columns of prompt and reply.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as e:
        reason = str(e).splitlines()[0]
        raise CounselError(f"the Parquet file is broken: {reason}", where=path, fix="export it again") from e
    with file:
        seen = list(file.schema_arrow.names)
        found = columns.find(seen)
        chats = [n for n in ("messages", "conversations", "conversation") if n in seen]
        if not chats and found is None:
            raise columns.missing(seen, str(path))
        wanted = set(chats or found or ()) | {*AUTHORS, "source"}
        n = 0
        for batch in _batches(file, [s for s in seen if s in wanted], path):
            for record in batch:
                n += 1
                yield record_row(record, columns, f"{path}:row {n}", f"{path.name}:{n}")


def _batches(file: Any, names: list[str], path: Path) -> Iterator[list[dict[str, Any]]]:
    import pyarrow as pa

    try:
        for batch in file.iter_batches(_BATCH, columns=names):
            yield batch.to_pylist()
    except (pa.ArrowException, OSError, UnicodeDecodeError) as e:
        reason = str(e).splitlines()[0]
        raise CounselError(f"the Parquet file is broken: {reason}", where=path, fix="export it again") from e


def _author_column(names: list[str]) -> int | None:
    return next((names.index(a) for a in AUTHORS if a in names), None)


def authors(path: Path) -> Iterator[str]:
    """The different values of the author column; nothing if there is no such column or the file is broken."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with open(path, "rb") as f:
        is_parquet = f.read(4) == b"PAR1"
    if is_parquet:
        try:
            with pq.ParquetFile(path) as file:
                column = _author_column(list(file.schema_arrow.names))
                if column is None:
                    return
                name = file.schema_arrow.names[column]
                for batch in file.iter_batches(8192, columns=[name]):
                    yield from (v for v in batch.column(0).to_pylist() if isinstance(v, str))
        except (pa.ArrowException, OSError):
            return
        return
    records = _records(path)
    first = next(records, None)
    column = _author_column(first[1]) if first else None
    if column is not None:
        yield from (fields[column] for _, fields, problem in records if not problem and len(fields) > column)
