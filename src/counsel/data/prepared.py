"""A prepared directory, read: ``Prepared.open(directory)``, then ``.train()``, ``.valid()``, ``.audit``.

``eval()`` is the only code of the project that opens eval.jsonl, and only evaluation calls it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from counsel.conversation import Conversation, json_value
from counsel.data.folder import MADE
from counsel.errors import CounselError
from counsel.files import read_json


@dataclass(frozen=True)
class Prepared:
    """Train, valid and eval conversations of one directory, with the audit of how they were made."""

    path: Path
    audit: dict[str, Any]

    @classmethod
    def open(cls, directory: str | Path) -> Prepared:
        """A directory that ``counsel prepare`` made.

        Raises:
            CounselError: when it is none.
        """
        path = Path(directory)
        if not (path / MADE).is_file():
            raise CounselError(
                "this is no prepared data", where=path, fix="make it with `counsel prepare FILES --out DIR`"
            )
        audit = read_json(path / MADE)
        if not isinstance(audit, dict) or not isinstance(audit.get("files"), dict):
            raise CounselError(
                "the audit names no files",
                where=path / MADE,
                fix="run `counsel prepare` again with --overwrite",
            )
        return cls(path, audit)

    @property
    def digest(self) -> str:
        """One SHA-256 for all three files, from the sums in the audit."""
        sums = sorted((name, entry["sha256"]) for name, entry in self.audit["files"].items())
        return hashlib.sha256(json.dumps(sums).encode()).hexdigest()

    def train(self) -> list[Conversation]:
        """What is trained on."""
        return list(self._read("train.jsonl"))

    def valid(self) -> list[Conversation]:
        """What chooses the checkpoint; empty after a split by row."""
        return list(self._read("valid.jsonl"))

    def eval(self) -> list[Conversation]:
        """What the result is measured on, once; replies to one prompt share a ``group``."""
        return list(self._read("eval.jsonl"))

    def _read(self, name: str) -> Iterator[Conversation]:
        path = self.path / name
        entry = self.audit["files"].get(name)
        again = "run `counsel prepare` again with --overwrite"
        if entry is None or not path.is_file():
            raise CounselError("a file of the prepared data is missing", where=path, fix=again)
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != entry["sha256"]:
            raise CounselError("the file has changed since it was prepared", where=path, fix=again)
        for n, line in enumerate(content.splitlines(), 1):
            try:
                yield Conversation.from_json(json_value(line.decode("utf-8")))
            except ValueError as e:
                raise CounselError(f"no prepared conversation: {e}", where=f"{path}:{n}", fix=again) from e
