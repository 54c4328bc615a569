"""The rows of several sources, one after the other and counted; a broken one stops the work or is left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from counsel.data.reading import sources
from counsel.data.reading.columns import Columns
from counsel.data.reading.record import Row
from counsel.errors import CounselError
from counsel.files import sha256_of

SAY_EVERY = 100_000
_TOLD = 10
"""How many broken rows are reported with place and reason."""


class Intake:
    """Reads sources and counts what it reads.

    Args:
        names: paths or hub ids.
        columns: the columns that the user named.
        skip_broken: whether a broken row is left out and counted; else the first one is an error.
        say: takes each line of progress.
    """

    def __init__(self, names: tuple[str, ...], columns: Columns, skip_broken: bool, say: Callable[[str], None]) -> None:
        self.names, self._columns, self._skip_broken, self._say = names, columns, skip_broken, say
        self.read = 0
        self.skipped = 0
        self.first_skipped: list[str] = []
        """The first broken rows, as place and reason."""
        self.inputs: list[dict[str, Any]] = []
        """Each source that was read to its end: its name, its rows, and its SHA-256 and bytes or its hub id."""

    def __iter__(self) -> Iterator[Row]:
        """Every row that could be read.

        Raises:
            CounselError: when a source cannot be read, and at the first broken row unless those are skipped.
        """
        for name in self.names:
            before = self.read
            for row in sources.read(name, self._columns):
                self.read += 1
                if row.problem:
                    self.refuse(row, row.problem)
                else:
                    yield row
                if self.read % SAY_EVERY == 0:
                    self._say(f"{self.read:,} rows read")
            self.inputs.append({"name": Path(name).name, "rows": self.read - before, **_identity(name)})

    def authors(self) -> Iterator[str]:
        """The values of the sources' author columns, so that these names can be masked from the first row on."""
        return (author for name in self.names for author in sources.authors(name))

    def figures(self) -> dict[str, Any]:
        """What the audit says about reading, by the names of its fields."""
        return {
            "inputs": self.inputs,
            "rows_read": self.read,
            "rows_skipped": self.skipped,
            "first_skipped": self.first_skipped,
        }

    def refuse(self, row: Row, reason: str) -> None:
        """Leave a row out and count it.

        Raises:
            CounselError: unless broken rows are skipped.
        """
        if not self._skip_broken:
            raise CounselError(reason, where=row.where, fix="correct it, or leave broken rows out with --on-error skip")
        self.skipped += 1
        if len(self.first_skipped) < _TOLD:
            self.first_skipped.append(f"{row.where}: {reason}")


def _identity(name: str) -> dict[str, Any]:
    path = Path(name)
    return {"sha256": sha256_of(path), "bytes": path.stat().st_size} if path.is_file() else {"hub": name}
