"""A prepared directory, read: ``Prepared.open(directory)``, then ``.train()``, ``.valid()``, ``.audit``.

Two methods of the project open eval.jsonl: ``eval()``, which only evaluation calls, and ``conversations()``, by which
``counsel prepare --like`` keeps what is held out held out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from counsel.conversation import Conversation, json_value
from counsel.errors import CounselError
from counsel.files import read_json, sha256_of

MADE = "audit.json"
"""The file by which a prepared directory is known."""
_AGAIN = "run `counsel prepare` again with --overwrite"


@dataclass(frozen=True)
class Prepared:
    """Train, valid and eval conversations of one directory, with the audit of how they were made."""

    path: Path
    audit: dict[str, Any]

    @classmethod
    def open(cls, directory: str | Path) -> Prepared:
        """A directory that ``counsel prepare`` made.

        Raises:
            CounselError: when it is not one.
        """
        path = Path(directory)
        make = "make it with `counsel prepare FILES --out DIR`"
        if not path.is_dir():
            raise CounselError("the directory of prepared data does not exist", where=path, fix=make)
        if not (path / MADE).is_file():
            raise CounselError("this directory holds no prepared data", where=path, fix=make)
        audit = read_json(path / MADE)
        if not isinstance(audit, dict) or not isinstance(audit.get("files"), dict):
            raise CounselError("the audit does not name the files", where=path / MADE, fix=_AGAIN)
        return cls(path, audit)

    @property
    def digest(self) -> str:
        """One SHA-256 for all three files, from the sums in the audit."""
        sums = sorted((name, entry["sha256"]) for name, entry in self.audit["files"].items())
        return hashlib.sha256(json.dumps(sums).encode()).hexdigest()

    def train(self) -> list[Conversation]:
        """What is trained on."""
        return list(self.conversations("train.jsonl"))

    def valid(self) -> list[Conversation]:
        """What chooses the checkpoint; empty after a split by row."""
        return list(self.conversations("valid.jsonl"))

    def eval(self) -> list[Conversation]:
        """What the result is measured on, once; replies to one prompt share a ``group``."""
        return list(self.conversations("eval.jsonl"))

    def conversations(self, name: str) -> Iterator[Conversation]:
        """One file, a conversation at a time.

        Raises:
            CounselError: when the file is missing, or is not what was prepared.
        """
        path = self.path / name
        entry = self.audit["files"].get(name)
        if entry is None or not path.is_file():
            raise CounselError("a file of the prepared data is missing", where=path, fix=_AGAIN)
        if sha256_of(path) != entry["sha256"]:
            raise CounselError("the file has changed since it was prepared", where=path, fix=_AGAIN)
        with open(path, "rb") as f:
            for n, line in enumerate(f, 1):
                try:
                    yield Conversation.from_json(json_value(line.decode("utf-8")))
                except ValueError as e:
                    raise CounselError(
                        f"the line is not a prepared conversation: {e}", where=f"{path}:{n}", fix=_AGAIN
                    ) from e
